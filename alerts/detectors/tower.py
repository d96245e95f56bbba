"""The tower: nearly empty (a state, told calmly), overflowing, and losing water that nobody draws.

What a tower holds changes by what comes in less what goes out; what is left of that balance at night, when the pump
stands, is a loss: through the tower's wall and drain, or back through the riser into the well. The first goes on while
the pump lifts, the second cannot, and that tells them apart. The level sensors of some towers drift with the cool of
the night, in the same way each night, so a night is held against past nights.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from alerts.days import DayView, Feature, past_median, past_of_good_days, past_spread, recent_largest
from alerts.detectors.detector import Detector, Scene, read_in, verdicts
from alerts.detectors.leak import drawn_m3, is_drawing_metered, is_outlet_metered, taps_together
from alerts.detectors.sensor import top_of_float, without_spikes
from alerts.model import Evidence, IndexArray, Signal
from alerts.rolling import run_steps, slope_with_error, window_max, window_mean, window_min
from alerts.scene import BAR_PER_M, FloatArray, Grid, Mask, Sites
from gateway.model import Fault, State

EMPTY_SHARE = 0.15  # of the full level
FILLING_SHARE = 0.25  # of the full level: the deadband between the two keeps it from chattering
AT_TOP_SHARE = 0.985  # of the full level, the sensor's noise allowed for
BELOW_TOP_SHARE = 0.96
READS_OVER_SHARE, RISES_OVER_SHARE = 1.02, 0.03  # of the full level
BALANCE_H = 1 / 3
UNKNOWN_H = 1.5
SPILT_SHARE = 0.5  # of what came in that time must be in the tower, or it went over
SPILT_FLOW_SHARE = 0.2  # of rated flow: less is a meter's error or a leak
SPILL_FLOW_SHARE = 0.30  # of rated flow: DETECTION §2, overflow: still more than 30 % at the top

NIGHT_FROM_H, NIGHT_UNTIL_H = 0.0, 5.0
LOSES_M3_H = 0.09  # DETECTION §2: 0.1 to 0.2 m³/h over 3 h; five hours average more
SPREADS_ABOVE = 4.0
ERRORS_ABOVE = 3.0  # standard errors: a loss runs evenly, what people drew unseen between two readings does not
USUAL_NIGHTS, MIN_NIGHTS = 20, 3
DAY_ENOUGH_H = 3.0  # of a day must be seen
NIGHT_ENOUGH = 0.6  # of the night's steps must be there
ALWAYS_M3_H = 0.25  # without past nights to compare, so much is a loss all the same
PUMP_RESTS = 0.05  # of rated flow
WET_ENOUGH = 0.3  # where the tower runs empty, so much of it before that
HOLDS_M = 0.15  # water in the tower at the night's end: an empty one loses nothing
RAISED_SHARE, WAVERS = 0.4, 3.0  # of what the plate's capacity lets the well rise, and of how much its nights differ
HIDDEN_NIGHTS, HIDDEN_WAVERS = 3, 5.0
LIFTS_SHARE = 0.1  # of rated flow: water goes up through the valve, and none comes back
LIFTED_UNTIL_H, LIFTED_H = 14.0, 1.5  # by when a sunny day has shown the pump at work, and how long it must have
STAYS_SHARE, SURE_OF_STAYING = 0.5, 2.0  # of the night's loss is there by day too: it leaks; in spreads of good days
VALVE_BAR = 0.08  # a riser that empties takes its column with it; a check valve holds it


def judge_tower_empty(scene: Scene) -> list[Signal]:
    """The level has fallen to what taps can hardly draw."""
    grid = scene.grid
    level_m, full_m = grid.value("tower", "level_m"), grid.sites.rating("tower", "full_level_m")
    volume_m3 = grid.sites.rating("tower", "volume_m3")
    empty_m = scene.limit("tower_empty.level_pct", 100 * EMPTY_SHARE) / 100 * full_m
    verdict = verdicts(present=level_m < empty_m, absent=level_m > FILLING_SHARE * full_m)

    def describe(zone: int, first: int, last: int) -> Evidence:
        percent = 100 * float(level_m[zone, last] / full_m[zone, 0])
        left_m3 = max(0.0, percent / 100 * float(volume_m3[zone, 0]))
        return Evidence(
            f"Le réservoir est à {percent:.0f} % : il reste {left_m3:.1f} m³.",
            f"The tower is at {percent:.0f} %: {left_m3:.1f} m³ are left.",
            {
                "level_pct": round(percent), "level_m": round(float(level_m[zone, last]), 2),
                "volume_m3": round(left_m3, 1),
            },
            {"level_m": float(empty_m[zone, 0])},
            ("tower/level_m",),
            0.95,
        )  # fmt: skip

    return [Signal(State.TOWER_EMPTY, "tower", grid.t_s, verdict, describe)]


def judge_tower_overflow(scene: Scene) -> list[Signal]:
    """The level stands at the top and the pump goes on."""
    grid = scene.grid
    level_m, full_m = grid.value("tower", "level_m"), grid.sites.rating("tower", "full_level_m")
    inflow, rated_flow = grid.value("pump", "flow_m3_h"), grid.sites.rating("pump", "rated_flow_m3_h")
    metered = grid.value("tower", "outflow_m3_h")
    outflow = np.where(np.isfinite(metered), metered, taps_together(grid))
    spill = inflow - np.nan_to_num(outflow)
    # What leaks out of the tower goes over no rim.
    leaks = -np.nan_to_num(_apart(scene.days.get(BALANCE.name), LOSES_M3_H)[0])
    spill -= scene.days.on(np.maximum(0.0, leaks), grid.t_s)
    top_m = top_of_float(scene)
    # By a sensor that reads more at its float's stop than the tower holds, the top is above that.
    is_over = top_m > READS_OVER_SHARE * full_m
    at_top = level_m >= np.where(is_over, top_m + RISES_OVER_SHARE * full_m, AT_TOP_SHARE * full_m)
    # Where nobody knows what leaves the tower, people may draw what comes for a while, but hardly for so long.
    long_at_top = run_steps(at_top & (inflow > SPILL_FLOW_SHARE * rated_flow)) >= grid.hours(UNKNOWN_H)
    # The last centimetres of a slow filling take longer than that: at a spill the level does not rise by what comes.
    back, area_m2 = grid.hours(BALANCE_H), grid.sites.rating("tower", "volume_m3") / full_m
    gained_m3 = np.full(grid.shape, np.nan)
    gained_m3[:, back:] = (level_m[:, back:] - level_m[:, :-back]) * area_m2
    came_m3 = window_mean(spill, back) * back * grid.step_s / 3600
    verdict = verdicts(
        present=at_top
        & (np.isfinite(metered) | long_at_top)
        & (inflow > SPILL_FLOW_SHARE * rated_flow)
        & (spill > 0.1 * rated_flow)
        & (gained_m3 < SPILT_SHARE * came_m3)
        & (came_m3 - gained_m3 > SPILT_FLOW_SHARE * rated_flow * BALANCE_H),
        absent=(level_m < BELOW_TOP_SHARE * full_m) | (inflow < 0.05 * rated_flow),
    )

    def describe(zone: int, first: int, last: int) -> Evidence:
        span = slice(first, last + 1)
        hours = (grid.t_s[last] - grid.t_s[first]) / 3600
        lost = float(np.nanmean(np.maximum(spill[zone, span], 0.0)))
        return Evidence(
            f"Le réservoir est plein depuis {hours:.1f} h et la pompe donne encore {lost:.1f} m³/h de trop.",
            f"The tower has been full for {hours:.1f} h and the pump still gives {lost:.1f} m³/h too much.",
            {
                "hours": round(hours, 2), "flow_m3_h": round(lost, 2),
                "level_m": round(float(level_m[zone, last]), 2),
            },
            {
                "level_m": AT_TOP_SHARE * float(full_m[zone, 0]),
                "flow_m3_h": SPILL_FLOW_SHARE * float(rated_flow[zone, 0]),
            },
            read_in(grid, zone, span, "tower/level_m", "pump/flow_m3_h", "tower/outflow_m3_h"),
            0.95,
        )  # fmt: skip

    return [Signal(Fault.TOWER_OVERFLOW, "tower", grid.t_s, verdict, describe)]


def night_balance(view: DayView) -> FloatArray:
    """(n, d) by how much the tower gains at night beyond what flows in and out [m³/h]; a loss is negative."""
    return np.asarray(_night_line(view)[0])


def night_balance_error(view: DayView) -> FloatArray:
    """(n, d) by how much `night_balance` may be off, one standard error [m³/h]."""
    return np.asarray(_night_line(view)[1])


def _night_line(view: DayView) -> FloatArray:
    """(2, n, d) slope of the night's balance and its standard error [m³/h]."""
    return view.grid.once("night line", lambda: _fit_night(view))


def _fit_night(view: DayView) -> FloatArray:
    grid, night = view.grid, view.between(NIGHT_FROM_H, NIGHT_UNTIL_H)
    level_m = view.cut(without_spikes(grid, "tower", "level_m"))[..., night]
    # Without any meter what people draw at night is taken for a loss; past nights tell how much is usual.
    drawn = view.cut(np.where(is_drawing_metered(grid.sites), drawn_m3(grid), 0.0))[..., night]
    inflow = view.value("pump", "flow_m3_h")[..., night]
    rated, step_h = grid.sites.rating("pump", "rated_flow_m3_h")[..., None], grid.step_s / 3600
    area_m2 = (grid.sites.rating("tower", "volume_m3") / grid.sites.rating("tower", "full_level_m"))[..., None]
    rests = ~(inflow > PUMP_RESTS * rated)
    # An empty tower loses nothing: the night counts until it is.
    has_water = np.minimum.accumulate(~(level_m < HOLDS_M), axis=-1)
    seen = np.isfinite(level_m) & np.isfinite(drawn) & has_water
    least = np.where(has_water.all(axis=-1), NIGHT_ENOUGH, WET_ENOUGH)
    is_known = (seen.mean(axis=-1) >= least) & rests.all(axis=-1)
    # What was drawn since the night's beginning is given back to the level, and the rest must lie flat.
    flat_m = np.where(seen, level_m + np.cumsum(np.nan_to_num(drawn), axis=-1) / area_m2, np.nan)
    # Half hours by their middle value, which a sensor's spikes do not move.
    half = max(1, grid.hours(0.5))
    whole = flat_m.shape[-1] // half * half
    pieces = np.sort(flat_m[..., :whole].reshape(*flat_m.shape[:-1], -1, half), axis=-1)
    count = np.isfinite(pieces).sum(axis=-1)
    middle = np.take_along_axis(pieces, (np.maximum(count - 1, 0) // 2)[..., None], axis=-1)[..., 0]
    line = np.stack(slope_with_error(middle, half * step_h)) * area_m2[..., 0]
    return np.where(is_known, line, np.nan)


def day_balance(view: DayView) -> FloatArray:
    """(n, d) the same by day, the middle of the hours in which the tower was neither empty nor full [m³/h].

    The meters of all that flows are in it, so it is held against what this zone's meters leave on other days.
    """
    return _middle_of_day(view, _hourly_gain(view.grid), at_least_h=DAY_ENOUGH_H)


def lifted_balance(view: DayView) -> FloatArray:
    """(n, d) the same of the hours until `LIFTED_UNTIL_H` in which the pump lifted water without a pause [m³/h]."""
    grid = view.grid
    flow, rated = grid.value("pump", "flow_m3_h"), grid.sites.rating("pump", "rated_flow_m3_h")
    lifts = window_min(flow, grid.hours(1) + 1) > LIFTS_SHARE * rated
    in_time = grid.hour < LIFTED_UNTIL_H
    return _middle_of_day(view, np.where(lifts & in_time, _hourly_gain(grid), np.nan), at_least_h=LIFTED_H)


def _hourly_gain(grid: Grid) -> FloatArray:
    """(n, m) by how much the tower gained in the hour before beyond what flowed [m³/h]; NaN when empty or full."""
    return grid.once("hourly gain", lambda: _gain_of_hours(grid))


def _gain_of_hours(grid: Grid) -> FloatArray:
    hour = grid.hours(1)
    level_m, full_m = without_spikes(grid, "tower", "level_m"), grid.sites.rating("tower", "full_level_m")
    area_m2 = grid.sites.rating("tower", "volume_m3") / full_m
    gained = np.full(grid.shape, np.nan)
    gained[:, hour:] = (level_m[:, hour:] - level_m[:, :-hour]) * area_m2
    drawn = window_mean(drawn_m3(grid), hour, at_least=hour) * hour
    # Taps may be right where the outlet's meter has stopped: what they gave has left the tower.
    left = np.fmax(drawn, taps_together(grid))
    came = window_mean(grid.value("pump", "flow_m3_h"), hour, at_least=hour)
    holds = (window_min(level_m, hour + 1) > HOLDS_M) & (window_max(level_m, hour + 1) < BELOW_TOP_SHARE * full_m)
    return np.where(holds, gained - came + left, np.nan)


def _middle_of_day(view: DayView, value: FloatArray, *, at_least_h: float) -> FloatArray:
    """(n, d) the median of each day; NaN where so many hours of it are not known."""
    ordered = np.sort(view.cut(value), axis=-1)
    known = np.isfinite(ordered).sum(axis=-1)
    middle = np.take_along_axis(ordered, (np.maximum(known - 1, 0) // 2)[..., None], axis=-1)[..., 0]
    return np.where(known >= at_least_h * view.grid.hours(1), middle, np.nan)


def night_wellhead(view: DayView) -> FloatArray:
    """(n, d) pressure at the well head at night, the pump at rest [bar]."""
    night = view.value("pump", "pressure_bar")[..., view.between(NIGHT_FROM_H + 1, NIGHT_UNTIL_H)]
    known = np.isfinite(night)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known.mean(axis=-1) > 0.5, np.nansum(night, axis=-1) / known.sum(axis=-1), np.nan)


def night_level(view: DayView) -> FloatArray:
    """(n, d) mean level of the tower in the hours of `night_wellhead` [m]."""
    night = view.value("tower", "level_m")[..., view.between(NIGHT_FROM_H + 1, NIGHT_UNTIL_H)]
    known = np.isfinite(night)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known.mean(axis=-1) > 0.5, np.nansum(night, axis=-1) / known.sum(axis=-1), np.nan)


def night_recovery(view: DayView) -> FloatArray:
    """(n, d) how far the water in the well stands below ground at the night's end [m]."""
    night = view.value("borehole", "water_depth_m")[..., view.between(NIGHT_UNTIL_H - 2, NIGHT_UNTIL_H)]
    known = np.isfinite(night)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(known.any(axis=-1), np.nansum(night, axis=-1) / known.sum(axis=-1), np.nan)


def way_of_draw(sites: Sites) -> IndexArray:
    """(n, 1) how it is known what people draw: 0 by the outlet's meter, 1 by the taps' alone, 2 not at all."""
    return np.where(is_outlet_metered(sites), 0, np.where(is_drawing_metered(sites), 1, 2))


BALANCE = Feature("night_balance_m3_h", NIGHT_UNTIL_H, night_balance, way_of_draw)
BALANCE_ERROR = Feature("night_balance_error_m3_h", NIGHT_UNTIL_H, night_balance_error, way_of_draw)
DAY_BALANCE = Feature("day_balance_m3_h", 24.0, day_balance, way_of_draw)
LIFTED_BALANCE = Feature("lifted_balance_m3_h", LIFTED_UNTIL_H, lifted_balance, way_of_draw)
WELLHEAD = Feature("night_wellhead_bar", NIGHT_UNTIL_H, night_wellhead)
NIGHT_LEVEL = Feature("night_level_m", NIGHT_UNTIL_H, night_level)
RECOVERY = Feature("night_depth_m", NIGHT_UNTIL_H, night_recovery)


def judge_night_loss(scene: Scene) -> list[Signal]:
    """A tower that loses water at night which its meter does not see: a leak, or a check valve that lets it back.

    The two look alike in the tower at night. Behind a check valve that leaks the well head loses the column that it
    held, or the well stands higher than on other nights: that is told in the morning. Where neither sensor can say so,
    the next hours of pumping do, in which the valve is open and a tower still leaks; if they do not, it is called a
    leak.
    """
    days = scene.days
    gain = days.get(BALANCE.name)
    apart, spread = _apart(gain, LOSES_M3_H)
    limit = np.where(np.isfinite(spread), np.maximum(LOSES_M3_H, SPREADS_ABOVE * spread), ALWAYS_M3_H)
    limit = np.maximum(limit, ERRORS_ABOVE * np.nan_to_num(days.get(BALANCE_ERROR.name)))
    # A tower that a leak has emptied by midnight hides it: then the hours of the day before count that had water.
    by_day, spread = _apart(days.get(DAY_BALANCE.name), ALWAYS_M3_H)
    before, before_limit = _day_before(by_day), _day_before(np.maximum(ALWAYS_M3_H, SPREADS_ABOVE * spread))
    hidden = np.isnan(gain) & (days.get(NIGHT_LEVEL.name) < HOLDS_M) & np.isfinite(before) & np.isfinite(before_limit)
    apart, limit = np.where(hidden, before, apart), np.where(hidden, before_limit, limit)
    loses = (apart < -limit) & (hidden | (gain < -0.5 * LOSES_M3_H))
    keeps = apart > -0.6 * limit
    wellhead, depth = days.get(WELLHEAD.name), days.get(RECOVERY.name)
    rose_m = past_median(depth, days=10, at_least=MIN_NIGHTS, only=~loses) - depth
    # Where the riser ends at the tower's bottom its column follows the level: what was steadier on past nights is told.
    column = wellhead - BAR_PER_M * days.get(NIGHT_LEVEL.name)
    fell_bar = _fell(wellhead, steadier_than=column, only=~loses)
    fell_bar = np.where(np.isfinite(fell_bar), fell_bar, _fell(column, steadier_than=wellhead, only=~loses))
    # What runs back into the well raises it by as much as drawing it would lower it.
    raised_m = -apart / scene.grid.sites.rating("borehole", "specific_capacity_m3_h_m")
    wavers_m = past_spread(depth, days=10, at_least=MIN_NIGHTS, only=~loses)
    # A probe that shows the same to its last digit night after night is no witness.
    would_show = (wavers_m > 0) & (raised_m > 2 * WAVERS * wavers_m)
    well_fills = (rose_m > RAISED_SHARE * raised_m) & (rose_m > WAVERS * wavers_m)
    # Of a tower that was empty by midnight the well keeps some of what came back before.
    well_fills |= hidden & (recent_largest(rose_m, HIDDEN_NIGHTS) > HIDDEN_WAVERS * wavers_m)
    well_stays = would_show & (rose_m < 0.5 * RAISED_SHARE * raised_m)
    by_sensor = ((fell_bar > VALVE_BAR) & ~well_stays) | well_fills
    # A day that loses as it does at night says nothing of how the hours of pumping used to be.
    lifted = days.get(LIFTED_BALANCE.name)
    usual, spread = past_of_good_days(
        np.where(loses, np.nan, lifted), lambda *_: np.zeros(len(lifted), dtype=bool),
        days=USUAL_NIGHTS, at_least=MIN_NIGHTS,
    )  # fmt: skip
    by_day = lifted - np.nan_to_num(usual)
    stays = _stays_while_lifting(by_day, spread, lost=-apart)
    # What the tower lost yesterday while the pump lifted was no valve's either.
    stayed = _stays_while_lifting(_day_before(by_day), _day_before(spread), lost=-apart)
    is_leak = ~by_sensor & (well_stays | (stayed == 1))
    is_valve = by_sensor | (~is_leak & (stays == 0))

    has_meter = is_outlet_metered(scene.grid.sites)

    def describer(valve: bool) -> Callable[[int, int, int], Evidence]:
        def describe(zone: int, first: int, last: int) -> Evidence:
            lost = -float(apart[zone, last])
            count = int((loses[zone, first : last + 1]).sum())
            where_fr, where_en = "quittent le château", "leave the tower"
            if valve:
                where_fr, where_en = "redescendent vers le forage", "flow back into the borehole"
            elif has_meter[zone, 0]:
                where_fr, where_en = f"{where_fr} sans passer par le compteur", f"{where_en} without passing its meter"
            elif is_drawing_metered(scene.grid.sites)[zone, 0]:
                where_fr, where_en = f"{where_fr} sans arriver à une borne", f"{where_en} and reach no tap"
            return Evidence(
                f"La nuit {lost:.2f} m³/h {where_fr} ({count} nuit(s)).",
                f"At night {lost:.2f} m³/h {where_en} ({count} night(s)).",
                {"flow_m3_h": round(lost, 2), "nights": count},
                {"flow_m3_h": round(float(limit[zone, last]), 3)},
                (
                    *(("tower/level_m", "tower/outflow_m3_h") if has_meter[zone, 0] else ("tower/level_m",)),
                    *(("pump/pressure_bar",) if fell_bar[zone, last] > VALVE_BAR else ()),
                    *(("borehole/water_depth_m",) if (well_fills | well_stays)[zone, last] else ()),
                ),
                0.85 if np.isfinite(fell_bar[zone, last]) else 0.65,
            )

        return describe

    t_s = (days.day_s[:, None] + 3600 * np.array([NIGHT_UNTIL_H, LIFTED_UNTIL_H])).ravel()

    def signal(fault: Fault, asset: str, in_the_morning: Mask, after_lifting: Mask, *, valve: bool) -> Signal:
        """Two verdicts a day: at the night's end, and when the pump has shown what is lost while it lifts."""
        present = np.stack([loses & in_the_morning, loses & after_lifting], axis=-1).reshape(len(loses), -1)
        verdict = verdicts(present=present, absent=np.repeat(keeps, 2, axis=-1))
        describe = describer(valve)
        return Signal(fault, asset, t_s, verdict, lambda zone, first, last: describe(zone, first // 2, last // 2))

    return [
        signal(Fault.TOWER_LEAK, "tower", is_leak, ~is_valve, valve=False),
        signal(Fault.CHECK_VALVE_LEAK, "pump", by_sensor, is_valve, valve=True),
    ]


def _stays_while_lifting(by_day: FloatArray, spread: FloatArray, *, lost: FloatArray) -> FloatArray:
    """(n, d) 1 where as much is lost while the pump lifts (`by_day`) as at night, 0 where that ends; NaN unknown."""
    is_sure = np.isfinite(by_day) & (SURE_OF_STAYING * spread < (1 - STAYS_SHARE) * lost)
    return np.where(is_sure, (-by_day > STAYS_SHARE * lost).astype(np.float64), np.nan)


def _day_before(value: FloatArray) -> FloatArray:
    """(n, d) what the day before each day had."""
    before = np.full(value.shape, np.nan)
    before[:, 1:] = value[:, :-1]
    return before


def _apart(balance: FloatArray, least_m3_h: float) -> tuple[FloatArray, FloatArray]:
    """(n, d) how far a day's balance is from past ones, or from nothing without any, and how much those differ.

    Days that lost more than `least_m3_h`, and more than others differ by, teach nothing.
    """

    def loses(day: int, usual: FloatArray, spread: FloatArray) -> Mask:
        return np.asarray(balance[:, day] < usual - np.maximum(least_m3_h, SPREADS_ABOVE * spread))

    usual, spread = past_of_good_days(balance, loses, days=USUAL_NIGHTS, at_least=MIN_NIGHTS)
    return np.where(np.isfinite(usual), balance - usual, balance), spread


def _fell(night_bar: FloatArray, *, steadier_than: FloatArray, only: Mask) -> FloatArray:
    """(n, d) how far a night lies below past ones [bar]; NaN where those differ more than the past of the other."""

    def past_of(how: Callable[..., FloatArray], value: FloatArray) -> FloatArray:
        return how(value, days=USUAL_NIGHTS, at_least=MIN_NIGHTS, only=only)

    steadier = past_of(past_spread, night_bar) <= past_of(past_spread, steadier_than)
    return np.where(steadier, past_of(past_median, night_bar) - night_bar, np.nan)


FEATURES = (BALANCE, BALANCE_ERROR, DAY_BALANCE, LIFTED_BALANCE, WELLHEAD, NIGHT_LEVEL, RECOVERY)
DETECTORS = (
    Detector((State.TOWER_EMPTY,), "tower", ((("tower", "level_m"),),), judge_tower_empty),
    Detector(
        (Fault.TOWER_OVERFLOW,), "tower", ((("tower", "level_m"),), (("pump", "flow_m3_h"),)), judge_tower_overflow
    ),
    Detector(
        (Fault.TOWER_LEAK, Fault.CHECK_VALVE_LEAK), "tower", ((("tower", "level_m"),),), judge_night_loss
    ),
)  # fmt: skip
