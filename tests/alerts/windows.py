"""A zone's day, written down by hand for detectors: a calm sunny morning, and what the test changes of it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from alerts.days import days_of
from alerts.detectors import Scene, features_of
from alerts.files import sites_of
from alerts.model import Condition, Evidence, Signal, Verdict
from alerts.scene import DAY_S, STEP_S, Channel, Grid, Site, Sites
from gateway.model import Fault, State
from gateway.zones import Zone

MORNING = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
RATINGS: dict[tuple[str, str], float] = {
    ("pump", "rated_flow_m3_h"): 4.0, ("pump", "rated_power_w"): 1200.0, ("pump", "start_irradiance_w_m2"): 200.0,
    ("pump", "max_speed_rpm"): 2900.0, ("pump", "rated_head_m"): 60.0,
    ("tower", "volume_m3"): 20.0, ("tower", "full_level_m"): 3.0, ("tower", "start_level_m"): 2.0,
    ("tower", "base_height_m"): 12.0, ("borehole", "pump_intake_m"): 50.0, ("borehole", "static_water_depth_m"): 20.0,
    ("borehole", "specific_capacity_m3_h_m"): 0.4, ("pv", "peak_w"): 2400.0, ("pv", "strings"): 3.0,
}  # fmt: skip
CALM: Mapping[str, float] = {
    "pv__irradiance_w_m2": 700.0, "pump__power_w": 1000.0, "pump__flow_m3_h": 3.0,
    "borehole__water_depth_m": 30.0, "tower__level_m": 1.5, "tower__outflow_m3_h": 2.0,
}  # fmt: skip

Values = float | NDArray[np.float64] | Callable[[NDArray[np.float64]], NDArray[np.float64]]


def scene(hours: float = 6, start: datetime = MORNING, **changes: Values | None) -> Scene:
    """One zone with a round every five minutes; `changes` are by `asset__channel`, None takes the channel away.

    Calm: 700 W/m², pump at 1,000 W giving 3 m³/h, well at 30 m, tower at 1.5 m of 3 m, 2 m³/h drawn. Functions get the
    seconds since `start`. The grid begins at the midnight before, with nothing measured until `start`.
    """
    midnight_s = start.timestamp() // DAY_S * DAY_S
    before = round((start.timestamp() - midnight_s) / STEP_S)
    steps = round(hours * 3600 / STEP_S)
    since_s = STEP_S * np.arange(steps)
    raw = {}
    for name, values in {**CALM, **changes}.items():
        if values is None:
            continue
        found = values(since_s) if callable(values) else values
        row = np.full((1, before + steps), np.nan)
        row[0, before:] = found
        asset, channel = name.split("__")
        raw[asset, channel] = row
    site = Site("zone-1", 11.3, -12.3, 1500, RATINGS, frozenset(raw))
    grid = Grid(Sites([site]), midnight_s, STEP_S, before + steps, raw)
    return Scene(grid, days_of(grid, features_of(grid.sites)))


def sites_with(zones: Sequence[Zone], raw: Collection[Channel]) -> Sites:
    """Zones of which only these channels were ever heard."""
    sites = Sites(sites_of(zones))
    return sites.without({(site.zone_id, key) for site in sites.sites for key in site.channels if key not in raw})


def only(
    judge: Callable[[Scene], Sequence[Signal]], of: Scene, fault: Fault | State | None = None, asset: str | None = None
) -> Condition:
    """The one condition that a detector found (of this fault, of this asset), from the first reading on."""
    (signal,) = [s for s in judge(of) if fault in (None, s.fault) and asset in (None, s.asset)]
    condition = signal.condition(0)
    seen = [np.isfinite(raw[0]) for raw in of.grid.raw.values()]
    heard = np.flatnonzero(np.logical_or.reduce(seen))
    first_s = of.grid.t_s[heard[0]] if len(heard) else of.grid.end_s
    return condition.since(first_s)


def of_the_hour_to_come(of: Scene) -> list[Signal]:
    """As a detector: what it says of a battery an hour after all readings."""
    at_s = np.array([of.grid.end_s + 3600])
    verdict = np.full((len(of.grid.sites), 1), Verdict.PRESENT, dtype=np.int8)
    return [Signal(Fault.GATEWAY_BATTERY_LOW, "gateway", at_s, verdict, lambda *_: Evidence("", "", {}, {}, (), 1.0))]


def share(condition: Condition, verdict: Verdict) -> float:
    """How many of the samples say `verdict`, 0 to 1."""
    return float((condition.verdict == verdict).mean())
