"""The words of the house as types: zones, assets, channels, readings, flags, faults and states. No I/O."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import NewType

ZoneId = NewType("ZoneId", str)
GatewayId = NewType("GatewayId", str)
AssetId = NewType("AssetId", str)


class AssetKind(StrEnum):
    """What part of a zone an asset is; all but taps occur once in a zone and bear their kind as their id."""

    PV = "pv"
    PUMP = "pump"
    BOREHOLE = "borehole"
    TOWER = "tower"
    NETWORK = "network"
    TAP = "tap"
    GATEWAY = "gateway"
    QUALITY = "quality"
    WEATHER = "weather"


class Flag(IntEnum):
    """Quality of one reading, with the codes of QARTOD (U.S. IOOS)."""

    GOOD = 1
    NOT_EVALUATED = 2
    SUSPECT = 3
    BAD = 4
    MISSING = 9


@dataclass(frozen=True, slots=True)
class ChannelSpec:
    """One measured quantity: its canonical unit, whether it counts up, and what is physically possible.

    `unit` is the canonical unit as people write it; `minimum` and `maximum` are bounds outside which a
    number cannot be this quantity (a sensor at its end stays inside; a wrong unit or a sentinel does not).
    `wraps_at` is the number at which a counter of one zone begins at 0 again, as far as that is known.
    """

    name: str
    unit: str
    minimum: float
    maximum: float
    is_counter: bool = False
    wraps_at: float | None = None


ENDS = (1e-3, 1e15)  # between which the end of a counter lies, in whatever unit


def _specs(*specs: ChannelSpec) -> dict[str, ChannelSpec]:
    return {spec.name: spec for spec in specs}


CHANNELS: dict[AssetKind, dict[str, ChannelSpec]] = {
    AssetKind.PV: _specs(
        ChannelSpec("irradiance_w_m2", "W/m²", -20.0, 1800.0),
        ChannelSpec("module_temp_c", "°C", -20.0, 110.0),
        ChannelSpec("voltage_v", "V", -5.0, 1500.0),
        ChannelSpec("current_a", "A", -5.0, 500.0),
        ChannelSpec("power_w", "W", -100.0, 200_000.0),
    ),
    AssetKind.PUMP: _specs(
        ChannelSpec("power_w", "W", -100.0, 200_000.0),
        ChannelSpec("speed_rpm", "1/min", -1.0, 20_000.0),
        ChannelSpec("flow_m3_h", "m³/h", -50.0, 500.0),
        ChannelSpec("volume_m3", "m³", 0.0, 1e9, is_counter=True),
        ChannelSpec("pressure_bar", "bar", -1.0, 60.0),
        ChannelSpec("state_code", "", 0.0, 65_535.0),
    ),
    AssetKind.BOREHOLE: _specs(ChannelSpec("water_depth_m", "m", -5.0, 400.0)),
    AssetKind.TOWER: _specs(
        ChannelSpec("level_m", "m", -1.0, 30.0),
        ChannelSpec("outflow_m3_h", "m³/h", -50.0, 500.0),
        ChannelSpec("outflow_volume_m3", "m³", 0.0, 1e9, is_counter=True),
    ),
    AssetKind.NETWORK: _specs(ChannelSpec("pressure_bar", "bar", -1.0, 60.0)),
    AssetKind.TAP: _specs(ChannelSpec("volume_m3", "m³", 0.0, 1e9, is_counter=True)),
    AssetKind.GATEWAY: _specs(
        ChannelSpec("battery_v", "V", 0.0, 80.0),
        ChannelSpec("signal_dbm", "dBm", -150.0, 0.0),
        ChannelSpec("temp_c", "°C", -40.0, 110.0),
        ChannelSpec("uptime_s", "s", 0.0, 1e10),
        ChannelSpec("credit_gnf", "GNF", 0.0, 1e10),
    ),
    AssetKind.QUALITY: _specs(
        ChannelSpec("free_chlorine_mg_l", "mg/L", 0.0, 50.0),
        ChannelSpec("turbidity_ntu", "NTU", 0.0, 10_000.0),
        ChannelSpec("conductivity_us_cm", "µS/cm", 0.0, 200_000.0),
    ),
    # What fell since the reading before: a gauge is emptied when it is read.
    AssetKind.WEATHER: _specs(ChannelSpec("rain_mm", "mm", 0.0, 500.0)),
}


SINGLE_ASSETS = {kind.value: kind for kind in AssetKind if kind is not AssetKind.TAP}


def kind_of_asset(asset: str) -> AssetKind | None:
    """The kind that an asset's id tells (`tap-07` is a tap), or None when it is no asset's id."""
    if asset.startswith("tap-") and asset[4:].isascii() and asset[4:].isdigit():
        return AssetKind.TAP
    return SINGLE_ASSETS.get(asset)


def channel_spec(asset: str, channel: str) -> ChannelSpec | None:
    """What a channel of an asset is, or None when there is no such channel."""
    kind = kind_of_asset(asset)
    return None if kind is None else CHANNELS[kind].get(channel)


@dataclass(frozen=True, slots=True)
class Reading:
    """One value of a channel at one time, in the channel's canonical unit."""

    asset: AssetId
    channel: str
    measured_at: datetime
    value: float


class Fault(StrEnum):
    """What can be broken; the name is the same in code, column, API, page and message key."""

    DRY_RUNNING = "dry_running"
    YIELD_DROP = "yield_drop"
    PUMP_WEAR = "pump_wear"
    PUMP_CLOGGED = "pump_clogged"
    CHECK_VALVE_LEAK = "check_valve_leak"
    INVERTER_TRIP = "inverter_trip"
    PUMP_NOT_RUNNING = "pump_not_running"
    FLOAT_STUCK_FULL = "float_stuck_full"
    PV_SOILING = "pv_soiling"
    PV_STRING_LOSS = "pv_string_loss"
    TOWER_LEAK = "tower_leak"
    TOWER_OVERFLOW = "tower_overflow"
    PIPE_BURST = "pipe_burst"
    NIGHT_LEAK = "night_leak"
    TAP_LEFT_OPEN = "tap_left_open"
    TAP_CLOSED = "tap_closed"
    SENSOR_STUCK = "sensor_stuck"
    SENSOR_DRIFT = "sensor_drift"
    SENSOR_SPIKES = "sensor_spikes"
    SENSOR_OUT_OF_RANGE = "sensor_out_of_range"
    FLOW_METER_STOPPED = "flow_meter_stopped"
    CLOCK_ERROR = "clock_error"
    COMMS_OUTAGE = "comms_outage"
    GATEWAY_BATTERY_LOW = "gateway_battery_low"
    LOW_CHLORINE = "low_chlorine"
    TURBIDITY_HIGH = "turbidity_high"


class State(StrEnum):
    """What is normal and explains a reading; told calmly if at all."""

    NIGHT = "night"
    CLOUD = "cloud"
    TOWER_FULL = "tower_full"
    TOWER_EMPTY = "tower_empty"
    PLANNED_STOP = "planned_stop"
    WASHING = "washing"


class PumpState(IntEnum):
    """Canonical codes of `pump.state_code`; a driver maps its controller's own codes to these."""

    STOPPED_LOW_SUN = 0
    RUNNING = 1
    STOPPED_TOWER_FULL = 2
    STOPPED_DRY = 3
    TRIPPED = 4
    STARTING = 5
    STOPPED_BY_HAND = 6
