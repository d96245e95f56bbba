"""What the pump and the well are worth: water for power, and water for drawdown, against this zone's own past.

A pump's efficiency depends on how fast it turns, and how fast it turns on the sun. So days are compared within bands of
power, with the lift divided out: what is left is the pump (DETECTION §2, specific energy; hydraulic minimum
2.725 Wh for a m³ and m). The well's measure is its specific capacity, flow for drawdown, which no season moves.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from alerts.days import DayView, Feature, past_median, past_spread, recent_median
from alerts.detectors.detector import Detector, Scene, verdicts
from alerts.model import Evidence, Signal
from alerts.rolling import run_steps, window_max, window_min
from alerts.scene import FloatArray, Grid, Mask
from alerts.states import RUNNING_SHARE, drawn_power_w
from gateway.model import Fault

WH_PER_M3_M = 2.725
BANDS = ((0.35, 0.5), (0.5, 0.65), (0.65, 0.8), (0.8, 0.92), (0.92, 1.2))  # shares of rated power
MIN_STEPS = 4  # in a band and day
STEADY_SHARE = 0.15  # of rated power, within half an hour
SETTLED_H = 0.5  # after a start
WORN = 0.88  # DETECTION §2: +12 % specific energy
WORN_DAYS = 4
CLOGGED = 0.78  # DETECTION §2: -25 % within a day; so much below the last week
CLOGGED_DAYS = 2
YIELD = 0.72  # DETECTION §2: -25 to -30 % of the site's own median, two days
LEAST_DRAWDOWN_M = 0.8
REST_UNTIL_H = 6.0
HOUR_STEADY_H = 1.0


def lift_m(grid: Grid) -> FloatArray:
    """(n, m) from the water in the well to the top of the tower, or what the well head says [m]."""
    depth = grid.value("borehole", "water_depth_m")
    static = grid.sites.rating("borehole", "static_water_depth_m")
    depth = np.where(np.isfinite(depth), depth, static + 3.0)
    head_m = grid.value("pump", "pressure_bar") * 10.2
    built_m = grid.sites.rating("tower", "base_height_m") + grid.sites.rating("tower", "full_level_m")
    return depth + np.where(np.isfinite(head_m) & (head_m > 0.5 * built_m), head_m, built_m)


def is_steady(grid: Grid) -> Mask:
    """(n, m) the pump has run evenly for half an hour."""
    power_w, rated_w = drawn_power_w(grid), grid.sites.rating("pump", "rated_power_w")
    half = grid.hours(SETTLED_H)
    swing = window_max(power_w, half) - window_min(power_w, half)
    return (run_steps(power_w > RUNNING_SHARE * rated_w) > half) & (swing < STEADY_SHARE * rated_w)


def efficiency(grid: Grid) -> FloatArray:
    """(n, m) hydraulic power over electric power while the pump runs evenly, else NaN."""
    power_w = drawn_power_w(grid)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = WH_PER_M3_M * grid.value("pump", "flow_m3_h") * lift_m(grid) / power_w
    return np.where(is_steady(grid), found, np.nan)


def _band_efficiency(low: float, high: float) -> Callable[[DayView], FloatArray]:
    def compute(view: DayView) -> FloatArray:
        grid = view.grid
        share = drawn_power_w(grid) / grid.sites.rating("pump", "rated_power_w")
        return _day_median(view, np.where((share >= low) & (share < high), efficiency(grid), np.nan), MIN_STEPS)

    return compute


def _day_median(view: DayView, value: FloatArray, at_least: int) -> FloatArray:
    ordered = np.sort(view.cut(value), axis=-1)
    count = np.isfinite(ordered).sum(axis=-1)
    middle = np.take_along_axis(ordered, (np.maximum(count - 1, 0) // 2)[..., None], axis=-1)[..., 0]
    return np.where(count >= at_least, middle, np.nan)


def specific_capacity(view: DayView) -> FloatArray:
    """(n, d) flow for drawdown after an hour of even flow [m³/h per m]; the rest level is that before dawn."""
    grid = view.grid
    flow, depth = view.value("pump", "flow_m3_h"), view.value("borehole", "water_depth_m")
    rest = depth[..., view.between(0, REST_UNTIL_H)]
    known = np.isfinite(rest)
    # The pump rests at night, and the water rises until it starts again: the smallest depth, not a single wild one.
    ordered = np.sort(rest, axis=-1)
    count = known.sum(axis=-1)
    rest_m = np.take_along_axis(ordered, (np.maximum(count - 1, 0) // 5)[..., None], axis=-1)[..., 0]
    drawdown = depth - np.where(count >= 6, rest_m, np.nan)[..., None]
    long = view.cut(run_steps(is_steady(grid)).astype(np.float64)) > grid.hours(HOUR_STEADY_H)
    flows = flow > 0.2 * grid.sites.rating("pump", "rated_flow_m3_h")[..., None]
    with np.errstate(invalid="ignore", divide="ignore"):
        found = np.where(long & flows & (drawdown > LEAST_DRAWDOWN_M), flow / drawdown, np.nan)
    return _day_median(view, found.reshape(len(found), -1), MIN_STEPS)


def meter_share(view: DayView) -> FloatArray:
    """(n, d) water found (gain of the tower and what left it) for each m³ that the pump's meter says, by day."""
    grid = view.grid
    day = view.between(6, 19)
    level_m, outflow = view.value("tower", "level_m")[..., day], view.value("tower", "outflow_m3_h")[..., day]
    flow = view.value("pump", "flow_m3_h")[..., day]
    volume = (
        level_m
        / grid.sites.rating("tower", "full_level_m")[..., None]
        * grid.sites.rating("tower", "volume_m3")[..., None]
    )
    full = level_m > 0.97 * grid.sites.rating("tower", "full_level_m")[..., None]
    gain = np.diff(volume, axis=-1, prepend=np.nan)
    known = np.isfinite(gain) & np.isfinite(outflow) & np.isfinite(flow) & ~full
    step_h = grid.step_s / 3600
    found = np.where(known, gain + outflow * step_h, 0.0).sum(axis=-1)
    said = np.where(known, flow * step_h, 0.0).sum(axis=-1)
    enough = said > 0.5 * grid.sites.rating("pump", "rated_flow_m3_h")
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(enough, found / said, np.nan)


BAND_FEATURES = tuple(
    Feature(f"efficiency_{round(100 * low)}", 18.0, _band_efficiency(low, high)) for low, high in BANDS
)
CAPACITY = Feature("specific_capacity_m3_h_m", 18.0, specific_capacity)
METER_SHARE = Feature("meter_share", 19.0, meter_share)


def relative_efficiency(scene: Scene, *, skip: int, days: int) -> FloatArray:
    """(n, d) each day's efficiency over the zone's usual at the same power: the median of its bands.

    `skip` of the last days do not teach, so that a slow wear does not become usual.
    """
    ratios = []
    for feature in BAND_FEATURES:
        value = scene.days.get(feature.name)
        usual = past_median(value, days=days, at_least=5)
        if skip:
            usual = np.concatenate([np.full((len(value), skip), np.nan), usual[:, :-skip]], axis=1)
        ratios.append(value / usual)
    ordered = np.sort(np.stack(ratios, axis=-1), axis=-1)
    count = np.isfinite(ordered).sum(axis=-1)
    middle = np.take_along_axis(ordered, (np.maximum(count - 1, 0) // 2)[..., None], axis=-1)[..., 0]
    return np.where(count > 0, middle, np.nan)


def judge_pump(scene: Scene) -> list[Signal]:
    """Less water for the same power and lift: all at once it is clogged (or a valve half closed), slowly it is worn.

    When the tower finds the water that the meter does not see, the meter fails and the pump is well.
    """
    days = scene.days
    lately = relative_efficiency(scene, skip=0, days=14)
    long_ago = relative_efficiency(scene, skip=7, days=40)
    meter = days.get(METER_SHARE.name)
    usual_meter = past_median(meter, days=21, at_least=4)
    is_meter = recent_median(meter, 2) > 1.15 * usual_meter  # more is found than the meter says
    step = recent_median(lately, CLOGGED_DAYS, at_least=CLOGGED_DAYS)
    slow = recent_median(long_ago, WORN_DAYS, at_least=3)
    noise = past_spread(long_ago, days=28, at_least=7)
    worn_limit = np.minimum(WORN, 1 - 4 * np.nan_to_num(noise))
    clogged = (step < CLOGGED) & ~is_meter
    worn = (slow < worn_limit) & ~is_meter & ~_was_lately(clogged, 21)
    t_s = days.day_s + BAND_FEATURES[0].ready_h * 3600

    def describer(ratio: FloatArray, fr: str, en: str, limit: float) -> Callable[[int, int, int], Evidence]:
        def describe(zone: int, first: int, last: int) -> Evidence:
            less = 100 * (1 - float(ratio[zone, last]))
            return Evidence(
                f"{fr} : {less:.0f} % d'eau en moins pour la même énergie et la même hauteur.",
                f"{en}: {less:.0f} % less water for the same energy and lift.",
                {"less_pct": round(less)},
                {"less_pct": round(100 * (1 - limit))},
                ("pump/power_w", "pump/flow_m3_h", "borehole/water_depth_m"),
                0.75,
            )

        return describe

    return [
        Signal(
            Fault.PUMP_CLOGGED, "pump", t_s, verdicts(present=clogged, absent=step > 0.9),
            describer(step, "Depuis peu", "Lately", CLOGGED),
        ),
        Signal(
            Fault.PUMP_WEAR, "pump", t_s, verdicts(present=worn, absent=slow > 0.94),
            describer(slow, "Peu à peu", "Little by little", WORN),
        ),
    ]  # fmt: skip


def judge_yield(scene: Scene) -> list[Signal]:
    """For two days more drawdown for the same flow than this well is used to."""
    days = scene.days
    capacity = days.get(CAPACITY.name)
    usual = past_median(capacity, days=40, at_least=5)
    recent = recent_median(capacity, 2, at_least=2)
    ratio = recent / usual
    noise = past_spread(capacity, days=40, at_least=5) / usual
    limit = np.minimum(YIELD, 1 - 4 * np.nan_to_num(noise))
    verdict = verdicts(present=ratio < limit, absent=ratio > 0.85)

    def describe(zone: int, first: int, last: int) -> Evidence:
        less = 100 * (1 - float(ratio[zone, last]))
        return Evidence(
            f"Pour le même débit le forage baisse plus : {less:.0f} % de capacité en moins.",
            f"For the same flow the well falls lower: {less:.0f} % less capacity.",
            {"less_pct": round(less), "capacity_m3_h_m": round(float(recent[zone, last]), 3)},
            {"capacity_m3_h_m": round(float(limit[zone, last] * usual[zone, last]), 3)},
            ("pump/flow_m3_h", "borehole/water_depth_m"),
            0.8,
        )

    return [Signal(Fault.YIELD_DROP, "borehole", days.day_s + CAPACITY.ready_h * 3600, verdict, describe)]


def _was_lately(holds: Mask, days: int) -> Mask:
    """(n, d) whether it held on one of the last days."""
    found = holds.copy()
    for back in range(1, min(days, holds.shape[1])):
        found[:, back:] |= holds[:, :-back]
    return found


FEATURES = (*BAND_FEATURES, CAPACITY, METER_SHARE)
DETECTORS = (
    Detector((Fault.PUMP_CLOGGED, Fault.PUMP_WEAR), "pump", (("pump", "flow_m3_h"),), judge_pump),
    Detector((Fault.YIELD_DROP,), "borehole", (("pump", "flow_m3_h"), ("borehole", "water_depth_m")), judge_yield),
)
