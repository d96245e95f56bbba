"""The one unit of each quantity, and conversions from what may arrive on the wire.

A factor and an offset turn a value in a unit of the SenML registries (RFC 8428 §12.1, RFC 8798) into the
channel's canonical unit: canonical = value * factor + offset.
"""

from __future__ import annotations

from gateway.model import ChannelSpec

# Canonical unit (as in `ChannelSpec.unit`) -> SenML unit -> (factor, offset).
CONVERSIONS: dict[str, dict[str, tuple[float, float]]] = {
    "W/m²": {"W/m2": (1.0, 0.0)},
    "°C": {"Cel": (1.0, 0.0), "K": (1.0, -273.15)},
    "V": {"V": (1.0, 0.0), "mV": (1e-3, 0.0)},
    "A": {"A": (1.0, 0.0), "mA": (1e-3, 0.0)},
    "W": {"W": (1.0, 0.0), "kW": (1e3, 0.0)},
    "1/min": {"1/min": (1.0, 0.0), "Hz": (60.0, 0.0), "1/s": (60.0, 0.0)},
    "m³/h": {"m3/s": (3600.0, 0.0), "l/s": (3.6, 0.0)},
    "m³": {"m3": (1.0, 0.0), "l": (1e-3, 0.0)},
    "bar": {"Pa": (1e-5, 0.0), "hPa": (1e-3, 0.0)},
    "m": {"m": (1.0, 0.0), "cm": (1e-2, 0.0), "mm": (1e-3, 0.0), "km": (1e3, 0.0)},
    "mm": {"mm": (1.0, 0.0), "cm": (10.0, 0.0), "m": (1e3, 0.0)},
    "s": {"s": (1.0, 0.0), "ms": (1e-3, 0.0), "min": (60.0, 0.0), "h": (3600.0, 0.0)},
    "dBm": {"dBm": (1.0, 0.0), "dBW": (1.0, 30.0)},
    "mg/L": {"kg/m3": (1e3, 0.0), "ug/m3": (1e-6, 0.0), "ppm": (1.0, 0.0)},
    "NTU": {"NTU": (1.0, 0.0)},
    "µS/cm": {"S/m": (1e4, 0.0)},
    "GNF": {"": (1.0, 0.0), "count": (1.0, 0.0)},
    "": {"": (1.0, 0.0), "count": (1.0, 0.0)},
}

# What our own gateways write for each canonical unit.
WIRE_UNIT: dict[str, str] = {canonical: next(iter(units)) for canonical, units in CONVERSIONS.items()}


# What people write on devices, in data sheets and in files for a canonical unit, beside it and the SenML units.
FIELD_UNITS: dict[str, dict[str, tuple[float, float]]] = {
    "°C": {"C": (1.0, 0.0), "degC": (1.0, 0.0), "celsius": (1.0, 0.0)},
    "1/min": {"rpm": (1.0, 0.0)},
    "m³/h": {"m3/h": (1.0, 0.0), "l/min": (0.06, 0.0), "l/h": (1e-3, 0.0)},
    "bar": {"mbar": (1e-3, 0.0), "kPa": (1e-2, 0.0), "mH2O": (0.0980665, 0.0)},
    "mg/L": {"mg/l": (1.0, 0.0)},
    "µS/cm": {"uS/cm": (1.0, 0.0), "mS/cm": (1e3, 0.0)},
    "GNF": {"gnf": (1.0, 0.0)},
    "": {"-": (1.0, 0.0), "1": (1.0, 0.0), "code": (1.0, 0.0)},
}


def field_conversion(spec: ChannelSpec, unit: str) -> tuple[float, float] | None:
    """Factor and offset from the unit of a device to the channel's canonical unit, or None when it does not convert."""
    if unit == spec.unit:
        return 1.0, 0.0
    return FIELD_UNITS.get(spec.unit, {}).get(unit) or CONVERSIONS[spec.unit].get(unit)


def wire_value(spec: ChannelSpec, value: float) -> float:
    """A canonical value in the unit that our gateways write."""
    factor, offset = CONVERSIONS[spec.unit][WIRE_UNIT[spec.unit]]
    return value if factor == 1.0 and offset == 0.0 else (value - offset) / factor
