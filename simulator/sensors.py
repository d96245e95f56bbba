"""What instruments make of the truth: resolution, noise, spans, counters, loose contacts, and all that breaks in them.

Noise depends on the seed, the zone, the channel and the minute alone, so a reading is the same in history and live.
Instruments and their faults: DOMAIN §3.3.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.zones import Zone
from simulator.chance import FloatArray, KeyArray, keys, normal, uniform
from simulator.faults import DAY_S, DEPTH, LEVEL, Broken
from simulator.minutes import DARK_BATTERY
from simulator.sensor_faults import (
    Frozen,
    Shows,
    clock_s,
    distort,
    drift,
    minute_of,
    say_nothing,
    tell_what_shows,
    troubles_by_zone,
)  # fmt: skip
from simulator.state import Truth
from simulator.village import Village

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]

ROLLS_OVER_M3 = 100_000.0  # a register of five digits
# NAMUR NE43: 3.8 to 20.5 mA is a measurement, 3.6 mA and less a failure. 4-20 mA is the span.
NE43_LOW, NE43_HIGH, CUT = -0.2 / 16, 16.5 / 16, -0.5 / 16  # of the span; a cut loop gives 3.5 mA
PRESSURE_SPAN_BAR = 6.0
PROBE_ABOVE_INTAKE_M, PROBE_SPAN_M = 1.5, 50.0
ULTRASONIC_ZONES = 0.4  # of the towers, the others have a hydrostatic probe
ULTRASONIC_M_PER_C = 0.0012  # at some 1 m from the water, what its temperature compensation leaves
LOOSE, DROPS = 0.03, 0.01  # of the channels have a loose contact, and then lose so many readings
READ_AT_S = {"weather": 7 * 3600.0}  # of the day: a rain gauge is read, and emptied, in the morning
BUNDLE_GNF, BUNDLE_S = 28_000.0, 40 * DAY_S


class Sensor(NamedTuple):
    """How a channel is measured: noise (share of the value, and absolute), steps to the unit.

    A sensor `at_rest` gives no noise where it sees nothing (a flow meter that stands, a cell in the dark).
    `span` is what a fault's size is a share of. A gauge sees no moment (None) but what fell since the reading before.
    """

    sees: Callable[[Truth], FloatArray] | None
    share: float
    noise: float
    steps: float
    at_rest: bool = False
    is_counter: bool = False
    span: float = 0.0


def _current_a(truth: Truth) -> FloatArray:
    power, voltage = truth.pv_power_w, truth.pv_voltage_v
    return np.divide(power, voltage, out=np.zeros_like(power), where=voltage > 5)


# The sensors that DOMAIN §3.3 names.
SENSORS: dict[tuple[str, str], Sensor] = {
    ("pv", "irradiance_w_m2"): Sensor(lambda t: t.cell_w_m2, 0.006, 0.5, 1, at_rest=True, span=1000),
    ("pv", "module_temp_c"): Sensor(lambda t: t.module_c, 0.0, 0.15, 10),
    ("pv", "voltage_v"): Sensor(lambda t: t.pv_voltage_v, 0.003, 0.1, 10, at_rest=True),
    ("pv", "current_a"): Sensor(_current_a, 0.005, 0.0, 100, at_rest=True),
    ("pv", "power_w"): Sensor(lambda t: t.pv_power_w, 0.006, 0.5, 1, at_rest=True),
    ("pump", "power_w"): Sensor(lambda t: t.pump_power_w + 3.0, 0.006, 0.6, 1),  # the controller itself draws 3 W
    ("pump", "speed_rpm"): Sensor(lambda t: t.speed_rpm, 0.001, 1.0, 1, at_rest=True),
    ("pump", "flow_m3_h"): Sensor(lambda t: t.metered_in_m3_h, 0.008, 0.005, 100, at_rest=True),
    ("pump", "volume_m3"): Sensor(lambda t: t.meter_in_m3 % ROLLS_OVER_M3, 0.0, 0.0, 100, is_counter=True),
    ("pump", "pressure_bar"): Sensor(lambda t: t.wellhead_bar, 0.0, 0.006, 100, span=4),
    ("pump", "state_code"): Sensor(lambda t: t.state_code, 0.0, 0.0, 1),
    ("borehole", "water_depth_m"): Sensor(lambda t: t.depth_m, 0.0, 0.015, 100, span=15),
    ("tower", "level_m"): Sensor(lambda t: t.level_m, 0.0, 0.004, 200, span=3),
    ("tower", "outflow_m3_h"): Sensor(lambda t: t.metered_out_m3_h, 0.01, 0.004, 100, at_rest=True),
    ("tower", "outflow_volume_m3"): Sensor(lambda t: t.meter_out_m3 % ROLLS_OVER_M3, 0.0, 0.0, 100, is_counter=True),
    ("network", "pressure_bar"): Sensor(lambda t: t.network_bar, 0.0, 0.006, 100, span=2),
    ("gateway", "battery_v"): Sensor(lambda t: 11.3 + 1.7 * t.battery, 0.0, 0.01, 100),
    ("gateway", "signal_dbm"): Sensor(lambda t: np.full_like(t.battery, -84.0), 0.0, 2.0, 1),
    ("gateway", "temp_c"): Sensor(lambda t: t.air_c + 4.0, 0.0, 0.2, 10),
    ("gateway", "uptime_s"): Sensor(lambda t: t.uptime_s, 0.0, 0.0, 1, is_counter=True),
    ("gateway", "credit_gnf"): Sensor(
        lambda t: 30_000.0 - BUNDLE_GNF * (t.prepaid_s % BUNDLE_S) / BUNDLE_S, 0.0, 0.0, 1, is_counter=True
    ),
    ("quality", "free_chlorine_mg_l"): Sensor(lambda t: t.chlorine_mg_l, 0.0, 0.015, 100),
    ("quality", "turbidity_ntu"): Sensor(lambda t: t.turbidity_ntu, 0.08, 0.0, 100),
    ("quality", "conductivity_us_cm"): Sensor(lambda t: np.full_like(t.battery, 184.0), 0.0, 0.6, 1),
    ("weather", "rain_mm"): Sensor(None, 0.03, 0.0, 5, at_rest=True),  # a bucket that tips at 0.2 mm
}  # fmt: skip
TAP = Sensor(lambda t: t.tap_m3, 0.0, 0.0, 1000, is_counter=True)


@dataclass(frozen=True, slots=True)
class Samples:
    """What is true at the moments t_s (k,) [s since 1970-01-01 UTC]."""

    t_s: FloatArray
    truth: Truth


@dataclass(frozen=True, slots=True)
class Measured:
    """Readings of one channel of one zone: t_s (k,) by the gateway's clock and value (k,) in the canonical unit."""

    zone_id: str
    asset: str
    channel: str
    t_s: FloatArray
    value: FloatArray


def gather(samples: Sequence[Samples]) -> Samples:
    """Put samples together in time, at least one."""
    if len(samples) == 1:
        return samples[0]
    truth = Truth(*(np.concatenate([getattr(one.truth, f.name) for one in samples]) for f in fields(Truth)))
    return Samples(np.concatenate([one.t_s for one in samples]), truth)


def is_due(t_s: Any, interval_s: float, asset: str = "") -> Any:
    """Whether an asset's interval has ended in the minute before `t_s` (a number, or an array of them)."""
    past_s = t_s - READ_AT_S.get(asset, 0.0)
    return past_s // interval_s > (past_s - 60) // interval_s


class Instruments:
    """All sensors of several zones; `noise` multiplies what their makers say of it."""

    def __init__(self, village: Village, *, noise: float = 1.0) -> None:
        self._noise_times = noise
        self._zones, self._names = village.zones, [zone.zone_id for zone in village.zones]
        self._seed = village.seed
        kind = keys(self._names, seed=self._seed, purpose="level sensor")
        self._is_ultrasonic = uniform(kind, np.array(0)) < ULTRASONIC_ZONES
        self._probe_m = village.intake_m - PROBE_ABOVE_INTAKE_M
        self._level_span_m = np.ceil(1.3 * village.full_m)
        self._groups = _groups(village.zones)
        self._noise: dict[str, KeyArray] = {}
        self._rain_mm = village.rain_mm
        self._rounds = {
            (asset.interval_s, asset.asset_id if asset.asset_id in READ_AT_S else "")
            for zone in village.zones for asset in zone.assets
        }  # fmt: skip

    def is_round(self, t_s: Any) -> Any:
        """Whether some asset is read at `t_s` (a number, or an array of them) [s since 1970-01-01 UTC]."""
        due: Any = False
        for interval_s, asset in self._rounds:
            due = due | is_due(t_s, interval_s, asset)
        return due

    def measure(
        self, samples: Samples, *, frozen: Frozen, broken: Sequence[Broken], shows: Shows = say_nothing,
        is_off: BoolArray | None = None,
    ) -> Iterator[Measured]:  # fmt: skip
        """What the instruments of all zones give; each asset has its own interval, a minute at least.

        `shows` is told when a broken sensor gives what a sound one would not. A gateway whose battery is empty gives
        nothing, nor does one that is off (k, n); one whose clock is wrong dates its readings so.
        """
        troubles = troubles_by_zone(broken, samples.t_s)
        lit = samples.truth.battery > DARK_BATTERY
        if is_off is not None:
            lit &= ~is_off
        clocks = {zone: clock_s(samples.t_s, found) for zone, found in troubles.items()}
        for (asset, channel, interval_s), members in self._groups.items():
            due = np.flatnonzero(is_due(samples.t_s, interval_s, asset))
            if not len(due):
                continue
            place, sensor, t_s = f"{asset}/{channel}", SENSORS.get((asset, channel), TAP), samples.t_s[due]
            if sensor.sees is None:
                true = self._rain_mm(t_s - interval_s, t_s)[:, members]
            else:
                true = _column(sensor.sees(samples.truth), asset)[np.ix_(due, members)]
            air_c = samples.truth.air_c[np.ix_(due, members)]
            value = self._reading(place, sensor, true, t_s, members, air_c)
            there = lit[np.ix_(due, members)] & self._has_contact(place, t_s, members)
            for at, zone in enumerate(members.tolist()):
                name = self._names[zone]
                column, is_there = value[:, at], there[:, at]
                if found := [one for one in troubles.get(name, ()) if one.place == place]:
                    drifted = drift(true[:, [at]], t_s, sensor.span, found, is_light=sensor.at_rest)
                    column = self._reading(place, sensor, drifted, t_s, members[[at]], air_c[:, [at]])[:, 0]
                    cut = self._cut(place, zone)
                    column = distort(
                        column, t_s, found, frozen=frozen, key=self._keys(place)[[zone]], span=sensor.span,
                        steps=sensor.steps, cut=cut, seed=self._seed,
                    )  # fmt: skip
                    differs = np.abs(column - value[:, at]) > 3 * self._noise_times * sensor.noise + 2 / sensor.steps
                    tell_what_shows(shows, t_s, differs & is_there, found)
                times = clocks[name][due] if name in clocks else t_s
                if is_there.all():
                    yield Measured(name, asset, channel, times, column)
                elif is_there.any():
                    yield Measured(name, asset, channel, times[is_there], column[is_there])

    def _has_contact(self, place: str, t_s: FloatArray, members: IntArray) -> BoolArray:
        """Whether a channel's reading arrives at the box (k, g); some channels have a loose contact."""
        key = self._keys(place)[members]
        loose = np.flatnonzero(uniform(key, np.array(0)) < LOOSE)
        has_contact = np.ones((len(t_s), len(members)), dtype=bool)
        if len(loose):
            has_contact[:, loose] = uniform(key[loose], minute_of(t_s)[:, None]) >= DROPS
        return has_contact

    def _keys(self, place: str) -> KeyArray:
        if place not in self._noise:
            self._noise[place] = keys(self._names, seed=self._seed, purpose=place)
        return self._noise[place]

    def _reading(
        self, place: str, sensor: Sensor, true: FloatArray, t_s: FloatArray, members: IntArray, air_c: FloatArray
    ) -> FloatArray:
        """True values (k, g) as a sound sensor of each zone shows them."""
        if sensor.is_counter:
            return np.asarray(np.floor(true * sensor.steps + 1e-6) / sensor.steps)
        value = true
        if sensor.share or sensor.noise:
            spread = self._noise_times * (sensor.share * np.abs(true) + sensor.noise)
            if sensor.at_rest:
                spread = np.where(true > 1 / sensor.steps, spread, 0.0)
            value = true + spread * normal(self._keys(place)[members], minute_of(t_s)[:, None])
            if sensor.at_rest:
                value = np.maximum(value, 0.0)
        if place == LEVEL:
            sonic = value + ULTRASONIC_M_PER_C * (air_c - 24.0)
            hydrostatic = _on_loop(value, np.zeros(len(members)), self._level_span_m[members])
            value = np.where(self._is_ultrasonic[members], sonic, hydrostatic)
        elif place == DEPTH:  # a probe hangs above the intake and sees the water above itself
            value = -_on_loop(-value, -self._probe_m[members], np.full(len(members), PROBE_SPAN_M))
        return np.asarray(np.rint(value * sensor.steps) / sensor.steps)

    def _cut(self, place: str, zone: int) -> float:
        """What a logger makes of a loop that is cut."""
        if place == DEPTH:
            return round(float(self._probe_m[zone] - CUT * PROBE_SPAN_M), 2)
        span = float(self._level_span_m[zone]) if place == LEVEL else PRESSURE_SPAN_BAR
        return round(CUT * span, 3)


def _column(true: FloatArray, asset: str) -> FloatArray:
    """Values by moment and zone (k, n); of a tap, where they are told by tap."""
    return true[:, :, int(asset.removeprefix("tap-")) - 1] if true.ndim == 3 else true


def _on_loop(value: FloatArray, low: FloatArray, span: FloatArray) -> FloatArray:
    """Values (k, g) within what 3.8 to 20.5 mA can say of spans (g,) that begin at `low` (g,)."""
    return np.asarray(np.clip(value, low + NE43_LOW * span, low + NE43_HIGH * span))


def _groups(zones: Sequence[Zone]) -> dict[tuple[str, str, float], IntArray]:
    """Zones (by their place) that have a channel at an interval, in the order of the first zone's file."""
    members: dict[tuple[str, str, float], list[int]] = {}
    for at, zone in enumerate(zones):
        for asset in zone.assets:
            for spec in asset.channels:
                members.setdefault((asset.asset_id, spec.name, asset.interval_s), []).append(at)
    return {key: np.array(places, dtype=np.int64) for key, places in members.items()}
