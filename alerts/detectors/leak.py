"""Water that leaves the network where nobody draws it: a leak at night, a burst at any hour.

With meters at the taps the loss itself is seen: what left the tower less what the taps gave. Without them a burst shows
as more flow than this zone ever draws together with a pressure that gives way; a feast does not do that at night, and a
network that fills after it ran dry is left alone.
"""

from __future__ import annotations

import numpy as np

from alerts.days import DayView, Feature, past_median, past_quantile, past_spread
from alerts.detectors.detector import Detector, Scene, verdicts
from alerts.detectors.taps import hourly_count, hourly_flow
from alerts.model import Evidence, Signal
from alerts.rolling import steps_since, window_max, window_mean, window_sum
from alerts.scene import FloatArray, Grid
from gateway.model import Fault

NIGHT_FROM_H, NIGHT_UNTIL_H = 0.5, 3.5  # 00:30-03:30 UTC, which is local time in Guinea (DETECTION §2)
ABOVE_USUAL_M3_H = 0.1  # DETECTION §2: + 0.1 m³/h over the 20-day median
SPREADS_ABOVE = 4.0  # and well outside how much this zone's nights differ
USUAL_NIGHTS = 20
MIN_NIGHTS = 3
WATER_IN_TOWER_M = 0.10  # an empty tower hides a leak: no water, no leak
ENOUGH = 0.5  # of the night's steps must be there

BURST_M3_H = 1.15  # at least so much is lost in a burst; less is a leak
BURST_SHARE = 0.25  # of the largest hour of this zone's usual days
BUSY_SHARE = 1.4  # DETECTION §2: more than 1.4 times the 90th percentile of the days' largest hours
VERY_BUSY_SHARE = 2.0  # without a pressure sensor
PRESSURE_FALLS = 0.85  # of what it usually is at this level
MOST_OUTFLOW_M3_H = 60.0
OUTFLOW = ("tower", "outflow_m3_h")
TAPS_SEEN = 0.8  # of the taps must have been read for their sum to count
REFILL_H = 4.0  # after the tower was empty people queue and pipes fill


def hourly_outflow(grid: Grid) -> FloatArray:
    """(n, m) what left the tower in the hour that ends at each step [m³]: by its counter, its flow, or the balance.

    A flow that is read now and then misses what people draw in between, a counter does not. Without either it is what
    came in less what the tower gained, and what the tower itself leaks is in it.
    """
    return grid.once("hourly outflow", lambda: _hourly_outflow(grid))


def _hourly_outflow(grid: Grid) -> FloatArray:
    hour = grid.hours(1)
    by_counter = hourly_count(grid, "tower", "outflow_volume_m3", most_m3_h=MOST_OUTFLOW_M3_H)
    by_flow = window_mean(grid.value("tower", "outflow_m3_h"), hour, at_least=max(1, round(hour * 0.75)))
    level_m, inflow = grid.value("tower", "level_m"), grid.value("pump", "flow_m3_h")
    area_m2 = grid.sites.rating("tower", "volume_m3") / grid.sites.rating("tower", "full_level_m")
    gained = np.full(grid.shape, np.nan)
    gained[:, hour:] = (level_m[:, hour:] - level_m[:, :-hour]) * area_m2
    balance = np.maximum(window_mean(inflow, hour, at_least=max(1, hour // 2)) - gained, 0.0)
    has_flow = grid.has("tower", "outflow_m3_h")
    is_metered = has_flow | grid.has("tower", "outflow_volume_m3")
    return np.where(np.isfinite(by_counter), by_counter, np.where(is_metered, by_flow, balance))


def sampling_error(grid: Grid) -> FloatArray:
    """(n, m) by how much `hourly_outflow` may be off (two standard errors) for being read now and then [m³/h].

    Nothing where a counter has it: that misses nothing. People draw in gushes of minutes; four readings an hour catch
    some of them.
    """
    flow = grid.raw.get(OUTFLOW)
    if flow is None:
        return np.zeros(grid.shape)
    hour = grid.hours(1)
    spread = window_mean(flow**2, hour) - window_mean(flow, hour) ** 2
    error = 2 * np.sqrt(np.maximum(spread, 0.0) / np.maximum(window_sum(np.isfinite(flow), hour), 1))
    by_counter = np.isfinite(hourly_count(grid, "tower", "outflow_volume_m3", most_m3_h=MOST_OUTFLOW_M3_H))
    return np.where(by_counter, 0.0, np.nan_to_num(error))


def night_flow(view: DayView) -> FloatArray:
    """(n, d) the smallest mean of an hour between 00:30 and 03:30 [m³/h]; NaN when the tower held no water."""
    night = view.between(NIGHT_FROM_H, NIGHT_UNTIL_H)
    level_m = view.value("tower", "level_m")[..., night]
    # Of hours that lie within the night.
    means = view.cut(hourly_outflow(view.grid))[..., night][..., view.grid.hours(1) :]
    lowest = np.min(np.where(np.isfinite(means), means, np.inf), axis=-1)
    has_water = ~(level_m <= WATER_IN_TOWER_M).any(axis=-1)
    is_seen = np.isfinite(means).mean(axis=-1) >= ENOUGH
    return np.where(has_water & is_seen & np.isfinite(lowest), lowest, np.nan)


def largest_hour(view: DayView) -> FloatArray:
    """(n, d) the largest mean outflow of an hour of the day [m³/h]."""
    hourly = view.cut(hourly_outflow(view.grid))
    known = np.isfinite(hourly)
    largest = np.where(known, hourly, -np.inf).max(axis=-1)
    return np.where(known.mean(axis=-1) > ENOUGH, largest, np.nan)


def pressure_share(view: DayView) -> FloatArray:
    """(n, d) the 10th percentile of pressure over the tower's column by day: what busy hours leave of it."""
    share = view.cut(_pressure_share(view.grid))[..., view.between(6, 20)]
    ordered = np.sort(share, axis=-1)
    count = np.isfinite(ordered).sum(axis=-1)
    place = np.maximum(count // 10, 0)
    return np.where(count >= 24, np.take_along_axis(ordered, place[..., None], axis=-1)[..., 0], np.nan)


def unmetered_flow(view: DayView) -> FloatArray:
    """(n, d) what left the tower and reached no tap, the middle of the day's hours in which there was water [m³/h]."""
    grid = view.grid
    hour = grid.hours(1)
    outflow = hourly_outflow(grid)
    has_water = grid.value("tower", "level_m") > WATER_IN_TOWER_M
    hours = view.cut(np.where(has_water, outflow - taps_together(grid), np.nan))
    ordered = np.sort(hours, axis=-1)
    count = np.isfinite(ordered).sum(axis=-1)
    middle = np.take_along_axis(ordered, (np.maximum(count - 1, 0) // 2)[..., None], axis=-1)[..., 0]
    return np.where(count >= 3 * hour, middle, np.nan)


UNMETERED = Feature("unmetered_m3_h", 24.0, unmetered_flow)
NIGHT_FLOW = Feature("night_flow_m3_h", NIGHT_UNTIL_H, night_flow)
LARGEST_HOUR = Feature("largest_hour_m3_h", 24.0, largest_hour)
PRESSURE_SHARE = Feature("busy_pressure_share", 24.0, pressure_share)


def judge_night_leak(scene: Scene) -> list[Signal]:
    """Flow between 00:30 and 03:30 that this zone did not have on its past nights, one verdict a night.

    Needs the tower's outflow over some days. A night that loses much speaks for itself, smaller ones need a second (the
    rule's on-delay). Tap meters that account for the flow say that somebody draws it.
    """
    days = scene.days
    flow = days.get(NIGHT_FLOW.name)
    drawn = sum((np.nan_to_num(days.get(f"{tap}/night_m3_h")) for tap in scene.grid.sites.taps), np.zeros(days.shape))
    # A tower that a leak has emptied by midnight hides it: then the hours of the day before count that had water.
    before = np.full(days.shape, np.nan)
    before[:, 1:] = days.get(UNMETERED.name)[:, :-1]
    lost = np.where(np.isfinite(flow), flow - drawn, before)
    usual = past_median(lost, days=USUAL_NIGHTS, at_least=MIN_NIGHTS)
    spread = past_spread(lost, days=USUAL_NIGHTS, at_least=MIN_NIGHTS)
    above = np.maximum(ABOVE_USUAL_M3_H, SPREADS_ABOVE * spread)
    limit = usual + above
    verdict = verdicts(present=lost > limit, absent=lost <= usual + 0.6 * above)

    def describe(zone: int, first: int, last: int) -> Evidence:
        count = int((lost[zone, first : last + 1] > limit[zone, first : last + 1]).sum())
        now, before = float(lost[zone, last]), float(usual[zone, last])
        return Evidence(
            f"{now:.1f} m³/h coulent entre 00:30 et 03:30 depuis {count} nuits ; d'habitude {before:.1f} m³/h.",
            f"{now:.1f} m³/h flow between 00:30 and 03:30 for {count} nights; {before:.1f} m³/h is usual.",
            {"flow_m3_h": round(now, 2), "usual_m3_h": round(before, 2), "nights": count},
            {"flow_m3_h": round(float(limit[zone, last]), 3)},
            ("tower/outflow_m3_h", "tower/level_m"),
            0.85,
        )

    return [Signal(Fault.NIGHT_LEAK, "network", days.day_s + NIGHT_UNTIL_H * 3600, verdict, describe)]


def judge_burst(scene: Scene) -> list[Signal]:
    """Much water lost at once, hour by hour."""
    grid, days = scene.grid, scene.days
    hour = grid.hours(1)
    outflow = hourly_outflow(grid)
    busy = days.on(past_quantile(days.get(LARGEST_HOUR.name), 0.9, days=28, at_least=4), grid.t_s)
    unmetered = outflow - sampling_error(grid) - taps_together(grid)
    limit = np.maximum(BURST_M3_H, BURST_SHARE * np.nan_to_num(busy))
    usual_share = days.on(past_median(days.get(PRESSURE_SHARE.name), days=14, at_least=3), grid.t_s)
    pressure = window_mean(_pressure_share(grid), hour, at_least=max(1, hour // 2))
    gives_way = pressure < PRESSURE_FALLS * usual_share
    has_pressure = grid.has("network", "pressure_bar")
    too_much = np.where(has_pressure, (outflow > BUSY_SHARE * busy) & gives_way, outflow > VERY_BUSY_SHARE * busy)
    is_night = (grid.hour >= 23) | (grid.hour < 4)
    at_night = is_night & (outflow > np.maximum(BURST_M3_H, 0.5 * busy))
    level_m, full_m = grid.value("tower", "level_m"), grid.sites.rating("tower", "full_level_m")
    refills = steps_since(level_m < 0.1 * full_m) < grid.hours(REFILL_H)
    is_metered = np.isfinite(unmetered)
    # Where only the tower's balance is known, what spills and what is drained to wash it look like a burst by day.
    is_measured = grid.has("tower", "outflow_m3_h") | grid.has("tower", "outflow_volume_m3")
    rests = window_max(grid.value("pump", "flow_m3_h"), hour) < 0.05 * grid.sites.rating("pump", "rated_flow_m3_h")
    can_tell = is_measured | (((grid.hour >= 20) | (grid.hour < 5)) & rests & (level_m < 0.95 * full_m))
    lost = can_tell & np.where(is_metered, unmetered > limit, (too_much | at_night) & ~refills)
    # A tower that has run empty loses nothing, and says nothing.
    calm = np.where(is_metered, unmetered < 0.6 * limit, outflow < busy) & ~(level_m < 0.1 * full_m)
    verdict = verdicts(present=lost, absent=calm)

    def describe(zone: int, first: int, last: int) -> Evidence:
        now = float(outflow[zone, last])
        missing = float(unmetered[zone, last])
        values: dict[str, float | str] = {"flow_m3_h": round(now, 1)}
        seen_fr, seen_en = f"{now:.1f} m³/h sortent du château", f"{now:.1f} m³/h leave the tower"
        if np.isfinite(missing):
            values["lost_m3_h"] = round(missing, 1)
            rest_fr, rest_en = (
                f"et {missing:.1f} m³/h n'arrivent à aucune borne",
                f"and {missing:.1f} m³/h reach no tap",
            )
        else:
            usual = float(busy[zone, last])
            rest_fr, rest_en = f"({usual:.1f} m³/h au plus d'habitude)", f"({usual:.1f} m³/h at most is usual)"
        return Evidence(
            f"{seen_fr}, {rest_fr}.",
            f"{seen_en}, {rest_en}.",
            values,
            {"flow_m3_h": round(float(limit[zone, last] if np.isfinite(missing) else busy[zone, last]), 2)},
            ("tower/outflow_m3_h", "network/pressure_bar"),
            0.9 if np.isfinite(missing) else 0.75,
        )

    return [Signal(Fault.PIPE_BURST, "network", grid.t_s, verdict, describe)]


def taps_together(grid: Grid) -> FloatArray:
    """(n, m) what all taps gave in the hour that ends at each step [m³]; NaN where too few were read."""
    return grid.once("taps together", lambda: _taps_together(grid))


def _taps_together(grid: Grid) -> FloatArray:
    taps = grid.sites.taps
    if not taps:
        return np.full(grid.shape, np.nan)
    has_meter = np.concatenate([grid.sites.has((tap, "volume_m3")) for tap in taps], axis=1).sum(axis=1, keepdims=True)
    flows = [hourly_flow(grid, tap) for tap in taps]
    read = sum((np.isfinite(flow) for flow in flows), np.zeros(grid.shape))
    total = sum((np.nan_to_num(flow) for flow in flows), np.zeros(grid.shape))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((read >= TAPS_SEEN * has_meter) & (has_meter > 0), total * has_meter / read, np.nan)


def _pressure_share(grid: Grid) -> FloatArray:
    """(n, m) pressure in the network over that of the water's column above ground."""
    level_m = grid.value("tower", "level_m")
    column_m = grid.sites.rating("tower", "base_height_m") + np.where(np.isfinite(level_m), level_m, 1.0)
    return np.asarray(grid.value("network", "pressure_bar") * 10.2 / column_m)


FEATURES = (NIGHT_FLOW, UNMETERED, LARGEST_HOUR, PRESSURE_SHARE)
DETECTORS = (
    Detector((Fault.NIGHT_LEAK,), "network", (), judge_night_leak),
    Detector((Fault.PIPE_BURST,), "network", (), judge_burst),
)
