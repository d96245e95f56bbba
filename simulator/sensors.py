"""What sensors make of the truth: resolution, noise, counters, and a sensor that has frozen.

Noise depends on the seed, the zone, the channel and the minute alone, so a reading is the same in history and live.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from gateway.model import Fault
from gateway.zones import Zone
from simulator.faults import Broken
from simulator.sun import MINUTES, FloatArray, day_rng, zone_seed
from simulator.village import State, Truth

Values = Mapping[str, FloatArray]
COUNTERS = ("pumped_m3", "drawn_m3", "battery", "uptime_s", "credit_gnf")


class Sensor(NamedTuple):
    """How a channel is measured: what it sees, noise (share of the value, and absolute), resolution.

    A sensor `at_rest` gives no noise where it sees nothing (a flow meter that stands, a cell in the dark).
    """

    sees: Callable[[Values], FloatArray]
    share: float
    noise: float
    resolution: float
    at_rest: bool = False
    is_counter: bool = False


def _of(name: str) -> Callable[[Values], FloatArray]:
    return lambda values: values[name]


# Resolutions and noise of the sensors that DOMAIN §3.3 names.
SENSORS: dict[tuple[str, str], Sensor] = {
    ("pv", "irradiance_w_m2"): Sensor(_of("irradiance_w_m2"), 0.006, 0.5, 1.0, at_rest=True),
    ("pv", "module_temp_c"): Sensor(_of("module_c"), 0.0, 0.15, 0.1),
    ("pv", "voltage_v"): Sensor(_of("pv_voltage_v"), 0.003, 0.1, 0.1, at_rest=True),
    ("pv", "current_a"): Sensor(
        lambda v: np.divide(
            v["pv_power_w"], v["pv_voltage_v"], out=np.zeros_like(v["pv_power_w"]), where=v["pv_voltage_v"] > 5
        ),
        0.005, 0.0, 0.01, at_rest=True,
    ),
    ("pv", "power_w"): Sensor(_of("pv_power_w"), 0.006, 0.5, 1.0, at_rest=True),
    ("pump", "power_w"): Sensor(lambda v: v["pump_power_w"] + 3.0, 0.006, 0.6, 1.0),  # the controller itself draws 3 W
    ("pump", "speed_rpm"): Sensor(_of("speed_rpm"), 0.001, 1.0, 1.0, at_rest=True),
    ("pump", "flow_m3_h"): Sensor(_of("inflow_m3_h"), 0.008, 0.005, 0.01, at_rest=True),
    ("pump", "volume_m3"): Sensor(_of("pumped_m3"), 0.0, 0.0, 0.01, is_counter=True),
    ("pump", "pressure_bar"): Sensor(_of("wellhead_bar"), 0.0, 0.006, 0.01),
    ("pump", "state_code"): Sensor(_of("state_code"), 0.0, 0.0, 1.0),
    ("borehole", "water_depth_m"): Sensor(_of("depth_m"), 0.0, 0.015, 0.01),
    ("tower", "level_m"): Sensor(_of("level_m"), 0.0, 0.004, 0.005),
    ("tower", "outflow_m3_h"): Sensor(_of("outflow_m3_h"), 0.01, 0.004, 0.01, at_rest=True),
    ("tower", "outflow_volume_m3"): Sensor(_of("drawn_m3"), 0.0, 0.0, 0.01, is_counter=True),
    ("network", "pressure_bar"): Sensor(_of("network_bar"), 0.0, 0.006, 0.01),
    ("gateway", "battery_v"): Sensor(lambda v: 11.3 + 1.7 * v["battery"], 0.0, 0.01, 0.01),
    ("gateway", "signal_dbm"): Sensor(lambda v: np.full_like(v["battery"], -84.0), 0.0, 2.0, 1.0),
    ("gateway", "temp_c"): Sensor(lambda v: v["air_c"] + 4.0, 0.0, 0.2, 0.1),
    ("gateway", "uptime_s"): Sensor(_of("uptime_s"), 0.0, 0.0, 1.0, is_counter=True),
    ("gateway", "credit_gnf"): Sensor(_of("credit_gnf"), 0.0, 0.0, 1.0, is_counter=True),
    ("quality", "free_chlorine_mg_l"): Sensor(lambda v: np.full_like(v["battery"], 0.52), 0.0, 0.015, 0.01),
    ("quality", "turbidity_ntu"): Sensor(lambda v: np.full_like(v["battery"], 0.9), 0.08, 0.0, 0.01),
    ("quality", "conductivity_us_cm"): Sensor(lambda v: np.full_like(v["battery"], 184.0), 0.0, 0.6, 1.0),
}  # fmt: skip
TAP = Sensor(_of("tap_m3"), 0.0, 0.0, 0.001, is_counter=True)


@dataclass(frozen=True, slots=True)
class Sample:
    """What is true at one moment, to be measured; arrays over zones (n,), taps over (n, taps)."""

    t_s: float
    values: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Samples:
    """What is true at the moments t_s (k,) of one UTC day; arrays over moments and zones (k, n), taps (k, n, taps)."""

    day: date
    t_s: FloatArray
    values: Mapping[str, NDArray[np.float64]]


def sample(t_s: float, truth: Truth, state: State) -> Sample:
    """Keep what sensors look at after the minute that ends at `t_s`."""
    values = {field.name: getattr(truth, field.name) for field in fields(truth)}
    values |= {name: getattr(state, name).copy() for name in (*COUNTERS, "tap_m3")}
    return Sample(t_s, values)


def gather(samples: Sequence[Sample]) -> Samples:
    """Put the samples of one UTC day together, at least one."""
    day = datetime.fromtimestamp(samples[0].t_s, UTC).date()
    values = {name: np.array([one.values[name] for one in samples]) for name in samples[0].values}
    return Samples(day, np.array([one.t_s for one in samples]), values)


def is_round(t_s: float, zones: Iterable[Zone]) -> bool:
    """Whether some asset of these zones is read at `t_s` [s since 1970-01-01 UTC]."""
    return any(_is_due(t_s, interval_s) for interval_s in {a.interval_s for zone in zones for a in zone.assets})


def _is_due(t_s: Any, interval_s: float) -> Any:
    """Whether an interval has ended in the minute before `t_s` (a number, or an array of them)."""
    return t_s // interval_s > (t_s - 60) // interval_s


class Frozen:
    """Values at which stuck sensors stand, by zone and beginning of the fault."""

    def __init__(self, kept: Mapping[str, float] | None = None) -> None:
        self._kept = dict(kept or {})

    def as_json(self) -> dict[str, float]:
        """As it is saved with the state."""
        return dict(self._kept)

    def apply(self, zone: str, t_s: FloatArray, level_m: FloatArray, broken: Sequence[Broken]) -> FloatArray:
        """The tower's level (n,) with what a stuck sensor gives instead."""
        for fault in broken:
            if fault.zone != zone or fault.fault is not Fault.SENSOR_STUCK:
                continue
            stuck = fault.acts_during(t_s)
            if stuck.any():
                value = self._kept.setdefault(f"{zone}@{fault.start_s:.0f}", float(level_m[np.argmax(stuck)]))
                level_m = np.where(stuck, value, level_m)
        return level_m


def measure(
    zone: Zone, at: int, samples: Samples, *, seed: int, frozen: Frozen, broken: Sequence[Broken]
) -> Iterator[tuple[str, str, FloatArray, FloatArray]]:
    """Samples as the readings of one zone: (asset, channel, t_s (k,), value (k,)).

    `at` is the zone's place in the samples' arrays; each asset has its own interval, a minute at least.
    """
    times, day = samples.t_s, samples.day
    minutes = (times // 60).astype(np.int64) % MINUTES
    seen = {name: values[:, at] for name, values in samples.values.items()}
    own_seed = zone_seed(zone.zone_id, seed)
    for asset in zone.assets:
        due = _is_due(times, asset.interval_s)
        if not due.any():
            continue
        number = int(asset.asset_id[4:]) - 1 if asset.asset_id.startswith("tap-") else -1
        for spec in asset.channels:
            sensor = TAP if number >= 0 else SENSORS[asset.asset_id, spec.name]
            true = seen["tap_m3"][:, number] if number >= 0 else sensor.sees(seen)
            value = _measured(sensor, true[due], minutes[due], own_seed, day, f"{asset.asset_id}/{spec.name}")
            if (asset.asset_id, spec.name) == ("tower", "level_m"):
                value = frozen.apply(zone.zone_id, times[due], value, broken)
            yield asset.asset_id, spec.name, times[due], value


def _measured(
    sensor: Sensor, true: FloatArray, minutes: NDArray[np.int64], seed: int, day: date, name: str
) -> FloatArray:
    if sensor.is_counter:
        steps = np.floor(true / sensor.resolution + 1e-6)
        return np.round(steps * sensor.resolution, 6)
    value = true
    if sensor.share or sensor.noise:
        chance = day_rng(seed, day, crc32(name.encode())).normal(size=MINUTES)[minutes]
        spread = sensor.share * np.abs(true) + sensor.noise
        value = true + chance * (np.where(true > sensor.resolution, spread, 0.0) if sensor.at_rest else spread)
        value = np.maximum(value, 0.0) if sensor.at_rest else value
    return np.round(np.round(value / sensor.resolution) * sensor.resolution, 6)
