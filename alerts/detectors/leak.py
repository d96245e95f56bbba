"""Water that leaves the network where nobody draws it: a leak at night, a burst at any hour.

With meters at the taps the loss itself is seen: what left the tower less what the taps gave. Without them a burst shows
as more flow than this zone ever draws together with a pressure that gives way; a feast does not do that at night, and a
network that fills after it ran dry is left alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from alerts.days import DayView, Feature, past_median, past_of_good_days, past_quantile
from alerts.detectors.detector import Detector, Scene, verdicts
from alerts.detectors.gateway import clock_steps, restarts
from alerts.detectors.taps import MOST_M3_H, counted_flow, counted_rate, hourly_flow
from alerts.model import Evidence, IndexArray, Signal
from alerts.rolling import held, run_steps, steps_since, window_max, window_mean, window_min, window_sum
from alerts.scene import FloatArray, Grid, Mask, Sites
from alerts.states import is_fast, is_feast, is_meal_of_fast, is_standing
from gateway.model import Fault
from ingest.meters import unrolled

NIGHT_FROM_H, NIGHT_UNTIL_H = 0.5, 3.5  # 00:30-03:30 UTC, which is local time in Guinea (DETECTION §2)
ABOVE_USUAL_M3_H = 0.1  # DETECTION §2: + 0.1 m³/h over the 20-day median
SPREADS_ABOVE = 4.0  # and well outside how much this zone's nights differ
USUAL_NIGHTS = 20
MIN_NIGHTS = 3
WATER_IN_TOWER_M = 0.10  # an empty tower hides a leak: no water, no leak
ENOUGH = 0.5  # of the night's steps must be there

BURST_M3_H = 1.15  # at least so much is lost in a burst; less is a leak
NIGHT_H = 8.0  # but what empties a full tower within a night is no leak either
# Of the largest hour of this zone's usual days; the smaller where the tower would be empty within a night all the same.
BURST_SHARE, LEAST_BURST_SHARE = 0.5, 0.25
FAR_ABOVE, NARROWLY_H = 1.5, 0.25  # of the limit; by less it must be lost for so much longer
# Between meters half an hour tells as well, if three of its ends say so.
SOON_H, SOON_FOR_H = 0.5, 0.25
BUSY_SHARE = 1.4  # DETECTION §2: more than 1.4 times the 90th percentile of the days' largest hours
VERY_BUSY_SHARE = 2.0  # without a pressure sensor
DRY_NETWORK_M = 0.15  # with less in the tower air comes into the network, and its pressure tells nothing
PRESSURE_FALLS = 0.85  # of what it usually is at this level
PRESSURE_SAGS = 0.93  # of what it usually is in the dark, when hardly anybody draws
DARK_FROM_H, DARK_UNTIL_H = 20.0, 5.0  # the pump rests and few people draw
BUSY_NIGHT_SHARE = 1.25  # of the 90th percentile of the nights' largest hours, with a pressure that never recovers
MEAL_H = 2.0  # a village has cooked and washed for the meal of the fast, and left gaps while it did
SHUT_SHARE = 0.3  # of it: less is a network behind a closed valve
MOST_OUTFLOW_M3_H = 60.0
DRAINS_H, DRAINED_SHARE, DRAINED_UNSEEN = 1.0, 0.12, 0.3  # of the tower, beyond what people draw; a leak takes days
WASHED_H = 3.0  # washing a tower takes a morning
OUTFLOW = ("tower", "outflow_m3_h")
OUTLET = (OUTFLOW, ("tower", "outflow_volume_m3"))  # either is a meter there
SMALLEST_STEP_M3 = 1e-4  # less is the arithmetic of a counter that is told in m³
TAPS_SEEN = 0.8  # of the taps must have been read for their sum to count
DARK_H, LIGHT_W_M2 = 3.0, 30.0  # the sun has been down for so long; what a cell may show at night
REFILL_H = 4.0  # after the tower was empty people queue and pipes fill


def hourly_outflow(grid: Grid) -> FloatArray:
    """(n, m) what left the tower in the hour that ends at each step [m³]: by its counter, its flow, or the balance.

    A flow that is read now and then misses what people draw in between, a counter does not. Without either it is what
    came in less what the tower gained, and what the tower itself leaks is in it.
    """
    return grid.once("hourly outflow", lambda: _hourly_outflow(grid))


def _hourly_outflow(grid: Grid) -> FloatArray:
    hour, metered = grid.hours(1), _metered_outflow(grid, 1.0)
    level_m, inflow = grid.value("tower", "level_m"), grid.value("pump", "flow_m3_h")
    area_m2 = grid.sites.rating("tower", "volume_m3") / grid.sites.rating("tower", "full_level_m")
    gained = np.full(grid.shape, np.nan)
    gained[:, hour:] = (level_m[:, hour:] - level_m[:, :-hour]) * area_m2
    balance = np.maximum(window_mean(inflow, hour, at_least=max(1, hour // 2)) - gained, 0.0)
    return np.where(np.isfinite(metered) | is_outlet_metered(grid.sites), metered, balance)


def _metered_outflow(grid: Grid, hours: float) -> FloatArray:
    """(n, m) mean flow out of the tower in the `hours` that end at each step [m³/h], by its counter or its flow."""
    steps = grid.hours(hours)
    by_counter = counted_flow(grid, "tower", "outflow_volume_m3", most_m3_h=MOST_OUTFLOW_M3_H, hours=hours)
    by_flow = window_mean(grid.value("tower", "outflow_m3_h"), steps, at_least=max(1, round(steps * 0.75)))
    return np.where(np.isfinite(by_counter), by_counter, by_flow)


def is_outlet_metered(sites: Sites) -> Mask:
    """(n, 1) whether what leaves the tower is measured, by a flow or a counter."""
    return sites.has(*OUTLET[0]) | sites.has(*OUTLET[1])


def is_drawing_metered(sites: Sites) -> Mask:
    """(n, 1) whether what people draw is measured, behind the tower or at the taps."""
    return np.asarray(is_outlet_metered(sites) | (tap_meters(sites) > 0))


def way_of_outflow(sites: Sites) -> IndexArray:
    """(n, 1) how it is known what leaves the tower: 0 by its meter, 1 by the balance of what came in."""
    return (~is_outlet_metered(sites)).astype(np.intp)


def drawn_m3(grid: Grid) -> FloatArray:
    """(n, m) what people drew in each step [m³]: by the outlet's counter, its flow, or the taps where it has no meter.

    NaN where what measures it was not read, or nothing measures it.
    """
    by_counter = counted_rate(grid, "tower", "outflow_volume_m3", most_m3_h=MOST_OUTFLOW_M3_H)
    by_flow = grid.value("tower", "outflow_m3_h") * grid.step_s / 3600
    by_taps = _all_taps(grid, lambda tap: counted_rate(grid, tap, "volume_m3", most_m3_h=MOST_M3_H))
    return np.where(np.isfinite(by_counter), by_counter, np.where(is_outlet_metered(grid.sites), by_flow, by_taps))


def sampling_error(grid: Grid, hours: float = 1.0) -> FloatArray:
    """(n, m) by how much the outflow of so many hours may be off (two standard errors) for being read now and then.

    In m³/h, from how much the readings of the last hour differ.

    Nothing where a counter has it: that misses nothing. People draw in gushes of minutes; four readings an hour catch
    some of them.
    """
    flow = grid.raw.get(OUTFLOW)
    if flow is None:
        return np.zeros(grid.shape)
    hour = grid.hours(1)
    spread = window_mean(flow**2, hour) - window_mean(flow, hour) ** 2
    error = 2 * np.sqrt(np.maximum(spread, 0.0) / np.maximum(window_sum(np.isfinite(flow), grid.hours(hours)), 1))
    by_counter = np.isfinite(counted_flow(grid, "tower", "outflow_volume_m3", most_m3_h=MOST_OUTFLOW_M3_H, hours=hours))
    return np.where(by_counter, 0.0, np.nan_to_num(error))


def counting_error(grid: Grid, hours: float = 1.0) -> FloatArray:
    """(n, 1) by how much the taps' flow in so many hours may be off (two standard errors) for counters in steps [m³/h].

    A counter shows whole steps, so what it moved on in that time is off by two evenly spread remainders of a step.
    """
    variance = np.zeros((len(grid.sites), 1))
    for tap in grid.sites.taps:
        moved = grid.moved(tap, "volume_m3")
        step = np.where(moved > SMALLEST_STEP_M3, moved, np.inf).min(axis=-1, keepdims=True)
        variance += np.where(np.isfinite(step), step, 0.0) ** 2 / 6
    return np.asarray(2 * np.sqrt(variance) / hours)


def night_flow(view: DayView) -> FloatArray:
    """(n, d) the smallest mean of an hour between 00:30 and 03:30 [m³/h]; NaN when the tower held no water."""
    night = view.between(NIGHT_FROM_H, NIGHT_UNTIL_H)
    level_m = view.value("tower", "level_m")[..., night]
    # Of hours that lie within the night.
    means = view.cut(hourly_outflow(view.grid))[..., night][..., view.grid.hours(1) :]
    lowest = np.min(np.where(np.isfinite(means), means, np.inf), axis=-1)
    has_water = ~(level_m <= WATER_IN_TOWER_M).any(axis=-1)
    is_seen = np.isfinite(means).mean(axis=-1) >= ENOUGH
    # Where the outlet has no meter, a level that falls does not say whether the tower or the network loses the water.
    can_tell = has_water & is_seen & is_outlet_metered(view.grid.sites)
    return np.where(can_tell & np.isfinite(lowest), lowest, np.nan)


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
    return np.where((count >= 3 * hour) & is_outlet_metered(grid.sites), middle, np.nan)


def is_at_rest(grid: Grid) -> Mask:
    """(n, m) the pump gave nothing in the hour before: what the tower lost has left it downwards."""
    rated_flow = grid.sites.rating("pump", "rated_flow_m3_h")
    return np.asarray(window_max(grid.value("pump", "flow_m3_h"), grid.hours(1)) < 0.05 * rated_flow)


def is_quiet(grid: Grid) -> Mask:
    """(n, m) it is late or early and the pump has rested for an hour."""
    return ((grid.hour >= DARK_FROM_H) | (grid.hour < DARK_UNTIL_H)) & is_at_rest(grid)


def largest_quiet_hour(view: DayView) -> FloatArray:
    """(n, d) the largest mean outflow of an hour of the dark hours of the day, the pump at rest [m³/h]."""
    grid = view.grid
    found = view.cut(np.where(is_quiet(grid), hourly_outflow(grid), np.nan))
    known = np.isfinite(found)
    return np.where(_is_long(view, known), np.where(known, found, -np.inf).max(axis=-1), np.nan)


def quiet_pressure(view: DayView) -> FloatArray:
    """(n, d) the middle of pressure over the tower's column in the dark hours of the day, the pump at rest."""
    grid = view.grid
    found = np.sort(view.cut(np.where(is_quiet(grid), hourly_pressure(grid), np.nan)), axis=-1)
    known = np.isfinite(found)
    place = np.maximum(known.sum(axis=-1) - 1, 0) // 2
    middle = np.take_along_axis(found, place[..., None], axis=-1)[..., 0]
    return np.where(_is_long(view, known), middle, np.nan)


def _is_long(view: DayView, known: Mask) -> Mask:
    """(n, d) two hours of a day and more are known."""
    return np.asarray(known.sum(axis=-1) >= view.grid.hours(2))


UNMETERED = Feature("unmetered_m3_h", 24.0, unmetered_flow)
NIGHT_FLOW = Feature("night_flow_m3_h", NIGHT_UNTIL_H, night_flow)
LARGEST_HOUR = Feature("largest_hour_m3_h", 24.0, largest_hour, way_of_outflow)
PRESSURE_SHARE = Feature("busy_pressure_share", 24.0, pressure_share)
LARGEST_QUIET = Feature("largest_quiet_hour_m3_h", 24.0, largest_quiet_hour, way_of_outflow)
QUIET_PRESSURE = Feature("quiet_pressure_share", 24.0, quiet_pressure)


def losses_at_night(scene: Scene) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(n, d) what flows at night and reaches no tap, what is usual of it without a leak, and how much above counts.

    A tower that a leak has emptied by midnight hides it: then the hours of the day before count that had water. [m³/h]
    """
    days = scene.days
    flow = days.get(NIGHT_FLOW.name)
    drawn = sum((np.nan_to_num(days.get(f"{tap}/night_m3_h")) for tap in scene.grid.sites.taps), np.zeros(days.shape))
    before = np.full(days.shape, np.nan)
    before[:, 1:] = days.get(UNMETERED.name)[:, :-1]
    lost = np.where(np.isfinite(flow), flow - drawn, before)

    def above(spread: FloatArray) -> FloatArray:
        return np.maximum(ABOVE_USUAL_M3_H, SPREADS_ABOVE * spread)

    usual, spread = past_of_good_days(
        lost, lambda day, usual, spread: lost[:, day] > usual + above(spread), days=USUAL_NIGHTS, at_least=MIN_NIGHTS
    )
    return lost, usual, above(spread)


def judge_night_leak(scene: Scene) -> list[Signal]:
    """Flow between 00:30 and 03:30 that this zone did not have on its past nights, one verdict a night.

    Needs the tower's outflow over some days. A night that loses much speaks for itself, smaller ones need a second (the
    rule's on-delay). Tap meters that account for the flow say that somebody draws it.
    """
    days = scene.days
    lost, usual, above = losses_at_night(scene)
    by_night = days.get(NIGHT_FLOW.name)
    limit = usual + above
    verdict = verdicts(present=lost > limit, absent=lost <= usual + 0.6 * above)

    def describe(zone: int, first: int, last: int) -> Evidence:
        count = int((lost[zone, first : last + 1] > limit[zone, first : last + 1]).sum())
        now, before = float(lost[zone, last]), float(usual[zone, last])
        fr = f"coulent entre 00:30 et 03:30 depuis {count} nuits"
        en = f"flow between 00:30 and 03:30 for {count} nights"
        if not np.isfinite(by_night[zone, last]):
            fr = f"n'arrivent à aucune borne de jour depuis {count} jours, la nuit le château est vide ou n'est pas lu"
            en = f"reach no tap by day for {count} days, at night the tower is empty or not read"
        return Evidence(
            f"{now:.1f} m³/h {fr} ; d'habitude {before:.1f} m³/h.",
            f"{now:.1f} m³/h {en}; {before:.1f} m³/h is usual.",
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
    # A day after a night that lost water says nothing of what people draw.
    night_m3_h, usual_m3_h, above = losses_at_night(scene)
    is_tight = ~(night_m3_h > usual_m3_h + above)
    largest = past_quantile(days.get(LARGEST_HOUR.name), 0.9, days=28, at_least=4, only=is_tight)
    busy = days.on(largest, grid.t_s)
    unmetered = outflow - sampling_error(grid) - counting_error(grid) - taps_together(grid)
    empties_m3_h = grid.sites.rating("tower", "volume_m3") / NIGHT_H
    least_m3_h = np.fmin(BURST_M3_H, empties_m3_h)
    busiest = np.nan_to_num(busy)
    limit = np.maximum(np.fmin(BURST_SHARE * busiest, empties_m3_h), LEAST_BURST_SHARE * busiest)
    limit = np.maximum(limit, least_m3_h)
    usual_share = days.on(past_median(days.get(PRESSURE_SHARE.name), days=14, at_least=3), grid.t_s)
    pressure = hourly_pressure(grid)
    gives_way = pressure < PRESSURE_FALLS * usual_share
    has_pressure = grid.sites.has("network", "pressure_bar")
    # On a feast everybody draws more and pressures give way to that; in the fast all draw at once when the sun is down.
    is_crowded = is_feast(grid) | (is_fast(grid) & is_meal_of_fast(grid.hour))
    usual_busy = np.where(is_crowded, VERY_BUSY_SHARE, BUSY_SHARE) * busy
    too_much = np.where(has_pressure, (outflow > usual_busy) & gives_way, outflow > VERY_BUSY_SHARE * busy)
    is_gapless = _is_drawn_without_a_gap(grid, BUSY_SHARE * busy, PRESSURE_FALLS * usual_share) & ~is_feast(grid)
    too_much |= is_gapless
    # By a clock that is wrong the village's evening is told as its night; the sun does not go by that clock.
    has_been_dark = ~(window_max(grid.value("pv", "irradiance_w_m2"), grid.hours(DARK_H)) > LIGHT_W_M2)
    is_night = ((grid.hour >= 23) | (grid.hour < 4)) & has_been_dark
    most_at_night = np.maximum(least_m3_h, 0.5 * busy)
    at_night = is_night & (outflow - sampling_error(grid) > most_at_night)
    level_m, full_m = grid.value("tower", "level_m"), grid.sites.rating("tower", "full_level_m")
    # What leaves the tower in the hour in which it runs empty is no refill yet.
    was_empty = np.zeros(grid.shape, dtype=bool)
    was_empty[:, hour:] = (level_m < 0.1 * full_m)[:, :-hour]
    refills = steps_since(was_empty) < grid.hours(REFILL_H)
    is_metered = np.isfinite(unmetered)
    # Where only the tower's balance is known, what spills and what is drained to wash it look like a burst by day.
    is_measured = is_outlet_metered(grid.sites)
    # A burst takes some of the network's pressure; a network that is shut for washing has all of it, or none.
    quiet = is_quiet(grid)
    is_open = window_min(_pressure_share(grid), hour) > SHUT_SHARE * usual_share
    shows = np.where(has_pressure, gives_way & (quiet | is_open), quiet)
    can_tell = is_measured | (shows & (level_m < 0.95 * full_m))
    is_one = is_one_hour(grid)
    lost = can_tell & is_one & np.where(is_metered, unmetered > limit, (too_much | at_night) & ~refills)
    # What is lost by a hair, or in a crowd, may be gushes that were read late: it must be there for longer.
    by_far = ((unmetered > FAR_ABOVE * limit) & ~is_crowded) | is_gapless
    lost &= by_far | (run_steps(lost) > grid.hours(NARROWLY_H))
    is_seen_soon = (_lost_in_half_an_hour(grid) > limit) & ~is_crowded & np.isfinite(busy)
    lost |= is_one & (run_steps(is_seen_soon) >= grid.hours(SOON_FOR_H))
    quiet_usual = days.on(past_quantile(days.get(LARGEST_QUIET.name), 0.9, days=28, at_least=4), grid.t_s)
    in_the_dark = ~is_measured & (outflow > least_m3_h) & ~refills & ~is_crowded
    in_the_dark &= _is_lost_in_the_dark(scene, quiet_usual)
    is_drawn = np.where(is_metered, unmetered < 0.6 * limit, outflow < busy)
    passes_through = _passes_through(grid, busy, PRESSURE_FALLS * usual_share) & ~is_feast(grid)
    lost |= (in_the_dark | passes_through) & is_one & ~(is_metered & is_drawn)
    # A tower that has run empty loses nothing, and says nothing.
    calm = is_drawn & ~(level_m < 0.1 * full_m)
    verdict = verdicts(present=lost, absent=calm & is_one)

    def describe(zone: int, first: int, last: int) -> Evidence:
        now = float(outflow[zone, last])
        missing = float(unmetered[zone, last])
        values: dict[str, float | str] = {"flow_m3_h": round(now, 1)}
        seen_fr, seen_en = f"{now:.1f} m³/h sortent du château", f"{now:.1f} m³/h leave the tower"
        if np.isfinite(missing):
            values["lost_m3_h"] = round(missing, 1)
            rest_fr, rest_en = (
                f", et {missing:.1f} m³/h n'arrivent à aucune borne",
                f", and {missing:.1f} m³/h reach no tap",
            )
        elif in_the_dark[zone, last]:
            usual = float(quiet_usual[zone, last])
            rest_fr, rest_en = (
                f" ({usual:.1f} m³/h au plus les autres nuits) et la pression reste basse",
                f" ({usual:.1f} m³/h at most on other nights) and the pressure stays low",
            )
        elif at_night[zone, last] and not (too_much | passes_through)[zone, last]:
            usual = float(most_at_night[zone, last])
            rest_fr, rest_en = (
                f" la nuit, où {usual:.1f} m³/h seraient déjà trop",
                f" at night, when {usual:.1f} m³/h would be too much",
            )
        else:
            usual = float(busy[zone, last])
            rest_fr, rest_en = f" ({usual:.1f} m³/h au plus d'habitude)", f" ({usual:.1f} m³/h at most is usual)"
            if passes_through[zone, last]:
                rest_fr, rest_en = f"{rest_fr} et il reste vide", f"{rest_en} and it stays empty"
        return Evidence(
            f"{seen_fr}{rest_fr}.",
            f"{seen_en}{rest_en}.",
            values,
            {"flow_m3_h": round(float(limit[zone, last]) if np.isfinite(missing) else usual, 2)},
            ("tower/outflow_m3_h", "network/pressure_bar"),
            0.9 if np.isfinite(missing) else 0.75,
        )

    return [Signal(Fault.PIPE_BURST, "network", grid.t_s, verdict, describe)]


def _lost_in_half_an_hour(grid: Grid) -> FloatArray:
    """(n, m) what passed the tower's meter and reached no tap in the last half hour, at the least [m³/h]."""
    outflow = _metered_outflow(grid, SOON_H) - sampling_error(grid, SOON_H)
    taps = _all_taps(grid, lambda tap: counted_flow(grid, tap, "volume_m3", most_m3_h=MOST_M3_H, hours=SOON_H))
    return outflow - counting_error(grid, SOON_H) - taps


def _is_drawn_without_a_gap(grid: Grid, least_m3_h: FloatArray, most_share: FloatArray) -> Mask:
    """(n, m) for longer than a meal takes no reading of the outflow was less than this, and none of the pressure more.

    However many come to the taps, cans are changed and people go; a broken pipe gives until the tower is empty.
    """
    has_no_gap = (grid.value(*OUTFLOW) > least_m3_h) & (_pressure_share(grid) < most_share)
    return np.asarray(run_steps(has_no_gap) > grid.hours(MEAL_H))


def _passes_through(grid: Grid, least_m3_h: FloatArray, most_share: FloatArray) -> Mask:
    """(n, m) for longer than a meal the tower has stayed empty, more left it than this, and the pressure stayed low.

    All that the pump gives leaves at once. Who queues at the taps after a dry night has drawn what was missing by then.
    """
    is_empty = grid.value("tower", "level_m") < DRY_NETWORK_M
    leaves = (hourly_outflow(grid) > least_m3_h) & (_share_of_column(grid) < most_share)
    return np.asarray(run_steps(is_empty & leaves) > grid.hours(MEAL_H))


def _is_lost_in_the_dark(scene: Scene, largest: FloatArray) -> Mask:
    """(n, m) in quiet hours more leaves than the `largest` of nights (n, m) and the pressure has given way.

    Who draws at such an hour leaves gaps, in which the pressure recovers; a broken pipe leaves none. What is twice as
    much needs no such proof; what is hardly more, and takes less of the pressure, must go on for longer than a meal.
    """
    grid, days = scene.grid, scene.days
    usual = days.on(past_median(days.get(QUIET_PRESSURE.name), days=14, at_least=3), grid.t_s)
    outflow = hourly_outflow(grid)
    highest = window_max(_pressure_share(grid), grid.hours(1))
    never_recovers = (outflow > BUSY_NIGHT_SHARE * largest) & (highest < PRESSURE_FALLS * usual)
    is_twice = (outflow > VERY_BUSY_SHARE * largest) & (hourly_pressure(grid) < PRESSURE_FALLS * usual)
    sags = is_quiet(grid) & (outflow > largest) & (highest < PRESSURE_SAGS * usual)
    return np.asarray((is_quiet(grid) & (never_recovers | is_twice)) | (run_steps(sags) > grid.hours(MEAL_H)))


def hourly_pressure(grid: Grid) -> FloatArray:
    """(n, m) mean pressure in the network over that of the tower's column, in the hour that ends at each step."""
    hour = grid.hours(1)
    return window_mean(_pressure_share(grid), hour, at_least=max(1, hour // 2))


def is_one_hour(grid: Grid) -> Mask:
    """(n, m) the hour that ends at each step is an hour by one clock, so what left in it is a flow.

    It is not when the clock was put right in it, or the box started anew (for how long it was off only its clock says),
    or the outlet's counter fell: two times lie in one.
    """
    counter = grid.raw.get(("tower", "outflow_volume_m3"))
    broken = (clock_steps(grid) != 0) | restarts(grid)
    if counter is not None:
        known = held(counter, grid.steps)
        wraps_at, _ = grid.sites.meter(("tower", "outflow_volume_m3"))
        broken[:, 1:] |= unrolled(np.diff(known, axis=-1), wraps_at) < 0
    return np.asarray(steps_since(broken) >= grid.hours(1))


def taps_together(grid: Grid) -> FloatArray:
    """(n, m) what all taps gave in the hour that ends at each step [m³]; NaN where too few were read."""
    return grid.once("taps together", lambda: _taps_together(grid))


def is_washed(grid: Grid) -> Mask:
    """(n, m) the tower was drained this morning to be washed, and nobody starts the pump before that is done."""
    return np.asarray(steps_since(is_drained(grid)) <= grid.hours(WASHED_H))


def is_drained(grid: Grid) -> Mask:
    """(n, m) the pump stands and the tower loses more in an hour than meters see: it is drained to be washed."""
    steps, level_m = grid.hours(DRAINS_H), grid.value("tower", "level_m")
    share = level_m / grid.sites.rating("tower", "full_level_m")
    lost = np.full(grid.shape, np.nan)
    lost[:, steps:] = share[:, :-steps] - share[:, steps:]
    outflow = window_mean(grid.value("tower", "outflow_m3_h"), steps, at_least=steps // 2)
    drawn_m3 = np.where(np.isfinite(outflow), outflow * DRAINS_H, taps_together(grid))
    drawn = drawn_m3 / grid.sites.rating("tower", "volume_m3")
    stood = run_steps(is_standing(grid)) >= steps
    # Where nothing measures what people draw, they can draw a good deal in an hour.
    return stood & (lost - np.nan_to_num(drawn) > np.where(np.isfinite(drawn), DRAINED_SHARE, DRAINED_UNSEEN))


def _taps_together(grid: Grid) -> FloatArray:
    return _all_taps(grid, lambda tap: hourly_flow(grid, tap))


def tap_meters(sites: Sites) -> FloatArray:
    """(n, 1) how many taps have a meter."""
    count = np.zeros((len(sites), 1))
    for tap in sites.taps:
        count += sites.has(tap, "volume_m3")
    return count


def _all_taps(grid: Grid, flow_of: Callable[[str], FloatArray]) -> FloatArray:
    """(n, m) the sum of all taps; those that were not read count like the others, NaN where too few were read."""
    has_meter, read, total = tap_meters(grid.sites), np.zeros(grid.shape), np.zeros(grid.shape)
    for tap in grid.sites.taps:
        flow = flow_of(tap)
        read += np.isfinite(flow)
        total += np.nan_to_num(flow)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((read >= TAPS_SEEN * has_meter) & (has_meter > 0), total * has_meter / read, np.nan)


def _pressure_share(grid: Grid) -> FloatArray:
    """(n, m) pressure in the network over that of the water's column above ground; NaN where the tower is empty."""
    return np.where(grid.value("tower", "level_m") < DRY_NETWORK_M, np.nan, _share_of_column(grid))


def _share_of_column(grid: Grid) -> FloatArray:
    """(n, m) as above, also of an empty tower, where it means something while water comes."""
    level_m = grid.value("tower", "level_m")
    column_m = grid.sites.rating("tower", "base_height_m") + np.where(np.isfinite(level_m), level_m, 1.0)
    return np.asarray(grid.value("network", "pressure_bar") * 10.2 / column_m)


FEATURES = (NIGHT_FLOW, UNMETERED, LARGEST_HOUR, PRESSURE_SHARE, LARGEST_QUIET, QUIET_PRESSURE)
DETECTORS = (
    Detector((Fault.NIGHT_LEAK,), "network", (OUTLET,), judge_night_leak),
    Detector((Fault.PIPE_BURST,), "network", ((*OUTLET, ("tower", "level_m")),), judge_burst),
)
