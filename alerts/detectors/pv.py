"""The panels: dust that gathers, and a string that is gone.

Both show as power that the sun of the moment does not explain, and only while the array is what limits the pump: a full
tower, a pump at its top speed or one that stands still say nothing about panels. Arrays of solar pumps are large, so
that is often an hour in the morning, an hour in the evening and under clouds. The measure is the power for the
irradiance, corrected for the modules' temperature (IEC 61724-1, temperature-corrected performance ratio; DETECTION §2),
against this zone's own past; mornings and evenings each against their own, for trees cast shades. Without a cell a
clear sky stands in for the sun, and only what three mornings agree on is told.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from alerts.days import DayView, Feature, past_median, past_quantile, past_spread, recent_largest, recent_median
from alerts.detectors.detector import Detector, Scene, read_in, verdicts
from alerts.detectors.leak import is_washed
from alerts.model import Evidence, IndexArray, Mask, Signal
from alerts.residual import usual_of_good_days
from alerts.rolling import held, run_steps, steps_since, window_max, window_mean, window_sum
from alerts.scene import FloatArray, Grid, spacing_of
from alerts.states import (
    FULL_SHARE,
    GOOD_SUN_W_M2,
    WARMS_K,
    drawn_power_w,
    good_sun_w_m2,
    has_cell,
    has_room,
    is_running,
    is_standing,
    says,
    sun_w_m2,
)
from gateway.model import Fault, PumpState

PER_DEGREE = 0.004  # of crystalline silicon, per °C above 25 °C
BRIGHT_W_M2 = 120.0
BENT_SHARE = 0.06  # of the irradiance, off a straight line through three readings: a cloud's edge is near
RUNS_SHARE, WET_SHARE = 0.2, 0.15  # of rated power, and of rated flow
TOP_SPEED_SHARE, TOP_POWER_SHARE = 0.97, 0.95  # of the usual largest: the pump limits, not the sun
FROM_H, NOON_H, UNTIL_H = 7.0, 12.75, 18.0
MIN_STEPS = 4
TOP_DAYS = 14
LEVELS_H = 3.0  # a pump at its top draws the same for hours
GREY_SHARE = 0.6  # of a clear noon
# DETECTION §2: panels want washing from 7.5 % of the light on, and -9 % is told three to seven days later. A cell
# beside them gathers a third to half of their dust, so that of these 9 % it shows 7 at the most.
DUSTY_SHARE = 0.93
CLEAN_DAYS = 60
# Without a cell: haze takes as much as the least, an overcast sky more than the most (0.59 and more, Haurwitz 1945).
SKY_LEAST, SKY_MOST = 0.19, 0.56
SKY_DAYS, SKY_WITHIN_DAYS = 3, 6  # mornings in a row, of which clouds may hide some
SKY_FLAT = 0.08  # of the array, by which they differ at the most; no sky is so steady
SKY_STEP = 0.58  # of the loss came at once
ONE_STRING = (0.8, 1.45)  # of its share; what haze and warmth add
SKY_NOISES, SKY_NOISE, NOISE_KNOWN = 1.5, 0.15, 6  # against the spread of its half days, over so many days and more
DUST_NOISES, NOISE_DAYS = 4.0, 20  # where good days differ by much from one to the next, dust must show beyond that
GONE_H = 0.25  # of a moment and no mean of an hour: a controller may be about to try
STRING_HOURS, LEAST_READINGS, MOST_OF_HOUR = 1.0, 4, 0.75
STRING_ROOM = 0.15  # of a string's power: so near to a whole number of strings is a number of strings
SEEN_BEFORE_DAYS = 2  # more, that nobody could measure, may lie between two days that were
SETTLED_DAYS = 3  # whose middle one is what washed panels give
BASE_DAYS = 3  # good days that the moment is held against; panels are washed, and dust gathers
LATELY_DAYS = 6
FALLEN_SHARE = 0.9
PART_OF_STRING = 0.4  # less is dirt, a leaf, a shade
SEEN_HALVES, HALVES_APART = 4, 2
WELL_BEFORE = 0.06  # lost on the half day before; panels that had lost more already gather a storm's dust
SUDDEN_SHARE = 0.7  # of the loss from one half day to the next; a storm's dust comes over a day
FLAT_SHARE = 0.25  # of the loss, within which it then stays
GROWN_SHARE = 0.1  # of the loss came after the step: a storm's dust
CELL_OFF_SHARE = 0.05  # noon brighter than on clear days before, while the panels give less: the cell is off
CELL_EXPLAINS, CELL_SURELY_OFF = 0.04, 0.1  # haze dims a clear noon by less, in four days
LIT_DEG = 10.0  # of the sun above the horizon: good sun below that is a cell that is stuck
MOST_AT_ZENITH_W_M2 = 1600.0  # also onto panels that face the sun: with the sine of its height
DARK_VOLTAGE_SHARE, LEAST_V = 0.3, 20.0
TURNS_SHARE = 0.05  # of full speed, without power worth the name: an attempt to start
ATTEMPT_H, ATTEMPT_READINGS = 1.0, 12  # a controller that tries to start does so several times an hour


def module_temp_c(grid: Grid) -> FloatArray:
    """Temperature of the modules; where it is not measured, the air's and 0.03 °C for each W/m² (Ross) [°C].

    The air's is that of the box in the shade (some degrees more, which all days share), or else 25 °C.
    """
    measured, box_c = grid.value("pv", "module_temp_c"), grid.value("gateway", "temp_c")
    air_c = np.where(np.isfinite(box_c), box_c, 25.0)
    return np.where(np.isfinite(measured), measured, air_c + WARMS_K * sun_w_m2(grid))


def array_power_w(grid: Grid) -> FloatArray:
    """Power of the array; where it is not measured, voltage times current, then what the pump draws [W]."""
    measured = grid.value("pv", "power_w")
    product = grid.value("pv", "voltage_v") * grid.value("pv", "current_a")
    found = np.where(np.isfinite(measured), measured, product)
    return np.where(np.isfinite(found), found, grid.value("pump", "power_w"))


def performance(grid: Grid, top_rpm: FloatArray, top_w: FloatArray) -> FloatArray:
    """(n, m) power over what the plate promises at this sun and temperature, 1 = as on the plate.

    NaN unless there is sun without a cloud's edge, the pump runs, and neither its speed nor its power is near its
    usual top, (n, m): only then the array limits.
    """
    sun, power_w, promised_w = sun_w_m2(grid), array_power_w(grid), _promised_w(grid)
    is_at_top = (grid.value("pump", "speed_rpm") > TOP_SPEED_SHARE * top_rpm) | (power_w > TOP_POWER_SHARE * top_w)
    runs = power_w > RUNS_SHARE * grid.sites.rating("pump", "rated_power_w")
    # A motor that turns without water takes what its load asks for, and not what the sun gives.
    runs &= ~(grid.value("pump", "flow_m3_h") < WET_SHARE * grid.sites.rating("pump", "rated_flow_m3_h"))
    counts = (sun > BRIGHT_W_M2) & _is_straight(grid) & runs & ~is_at_top
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(counts, power_w / promised_w, np.nan)


def _promised_w(grid: Grid) -> FloatArray:
    """(n, m) what the plate promises at this sun and temperature [W]."""
    sun = sun_w_m2(grid)
    return grid.sites.rating("pv", "peak_w") * sun / 1000 * (1 - PER_DEGREE * (module_temp_c(grid) - 25))


def usual_power_w(scene: Scene) -> FloatArray:
    """(n, m) what the panels gave to the pump on good days in such a sun, and never more than it took [W]."""
    days, t_s = scene.days, scene.grid.t_s
    most_w = days.on(past_quantile(days.get(TOP_W.name), 0.9, days=TOP_DAYS, at_least=1), t_s)
    return np.minimum(_usual_now(scene) * _promised_w(scene.grid), most_w)


def _apart(grid: Grid) -> IndexArray:
    """(n,) steps between the readings of the sun, without a cell between those of the power."""
    nothing = np.full(grid.shape, np.nan)
    cell, array, current, pump = (
        grid.raw.get(channel, nothing)
        for channel in (("pv", "irradiance_w_m2"), ("pv", "power_w"), ("pv", "current_a"), ("pump", "power_w"))
    )
    is_read, is_current_read = (np.isfinite(value).any(axis=1) for value in (array, current))
    power = np.where(is_read, spacing_of(array), np.where(is_current_read, spacing_of(current), spacing_of(pump)))
    return np.where(has_cell(grid)[:, 0], spacing_of(cell), power)


def _is_straight(grid: Grid) -> Mask:
    """(n, m) the last three readings of the sun lie on a line: it rises or sets, and no cloud passes.

    Without a cell the panels' power tells the clouds.
    """
    sun = np.where(has_cell(grid), sun_w_m2(grid), array_power_w(grid))
    apart = _apart(grid)
    bend = np.full(sun.shape, np.nan)
    for steps in np.unique(apart):
        rows = apart == steps
        bent = np.abs(sun[rows, 2 * steps :] - 2 * sun[rows, steps:-steps] + sun[rows, : -2 * steps])
        bend[rows, 2 * steps :] = bent / steps
    return np.asarray(bend < BENT_SHARE * sun)


def _largest_of_day(view: DayView, value: FloatArray) -> FloatArray:
    """(n, d) a day's largest but for a few wild ones: the 98th percentile of what is there."""
    ordered = np.sort(view.cut(value), axis=-1)
    count = np.isfinite(ordered).sum(axis=-1)
    place = (0.98 * np.maximum(count - 1, 0)).astype(np.intp)
    return np.take_along_axis(ordered, place[..., None], axis=-1)[..., 0]


def _top_rpm(view: DayView) -> FloatArray:
    return _largest_of_day(view, view.grid.value("pump", "speed_rpm"))


def _top_w(view: DayView) -> FloatArray:
    return _largest_of_day(view, array_power_w(view.grid))


def _performance_between(from_h: float, until_h: float, *, by_cell: bool = True) -> Callable[[DayView], FloatArray]:
    """The median of the performance in these hours of each day, against the top of that day; NaN without a cell.

    Or, not `by_cell`, that of the zones without one, the upper quartile: clouds only take.
    """

    def compute(view: DayView) -> FloatArray:
        grid = view.grid
        tops = (np.repeat(top, view.per_day, axis=1)[:, : grid.steps] for top in (_top_rpm(view), _top_w(view)))
        found = np.sort(view.cut(performance(grid, *tops))[..., view.between(from_h, until_h)], axis=-1)
        count = np.isfinite(found).sum(axis=-1)
        place = np.maximum(count - 1, 0) * (2 if by_cell else 3) // 4
        taken = np.take_along_axis(found, place[..., None], axis=-1)[..., 0]
        return np.where((count >= MIN_STEPS) & (has_cell(grid) == by_cell), taken, np.nan)

    return compute


TOP_RPM = Feature("pump_top_rpm", UNTIL_H, _top_rpm)
TOP_W = Feature("pv_top_w", UNTIL_H, _top_w)
# `judge_sun_drift` of the sensors asks for this one by its name.
PERFORMANCE = Feature("pv_performance", UNTIL_H, _performance_between(FROM_H, UNTIL_H))
MORNING = Feature("pv_performance_morning", NOON_H, _performance_between(FROM_H, NOON_H))
EVENING = Feature("pv_performance_evening", UNTIL_H, _performance_between(NOON_H, UNTIL_H))
SKY_MORNING = Feature("pv_sky_share_morning", NOON_H, _performance_between(FROM_H, NOON_H, by_cell=False))
SKY_EVENING = Feature("pv_sky_share_evening", UNTIL_H, _performance_between(NOON_H, UNTIL_H, by_cell=False))
SKY_HALVES = (SKY_MORNING, SKY_EVENING)


def _top_v(view: DayView) -> FloatArray:
    return _largest_of_day(view, view.grid.value("pv", "voltage_v"))


def _says_running(view: DayView) -> FloatArray:
    """(n, d) share of the steps with a running pump in which its controller says so, by our code."""
    code = view.grid.value("pump", "state_code")
    told = np.isfinite(code) & is_running(view.grid)
    told_steps, says_steps = (
        np.nansum(view.cut(mask.astype(np.float64)), axis=-1) for mask in (told, told & (code == PumpState.RUNNING))
    )
    return np.where(told_steps >= MIN_STEPS, says_steps / np.maximum(told_steps, 1), np.nan)


TOP_V = Feature("pv_top_v", UNTIL_H, _top_v)
SAYS_RUNNING = Feature("pump_says_running", UNTIL_H, _says_running)


def _rests_under_full_tower(grid: Grid) -> Mask:
    """(n, m) the pump stands in good sun because the tower is full."""
    is_full = grid.value("tower", "level_m") >= FULL_SHARE * grid.sites.rating("tower", "full_level_m")
    return np.asarray((grid.value("pv", "irradiance_w_m2") >= GOOD_SUN_W_M2) & is_full & is_standing(grid))


def _low_sun_when_full(view: DayView) -> FloatArray:
    """(n, d) share of the steps under a full tower in which the controller says that the sun is low."""
    rests = _rests_under_full_tower(view.grid) & np.isfinite(view.grid.value("pump", "state_code"))
    low = rests & says(view.grid, PumpState.STOPPED_LOW_SUN)
    rest_steps, low_steps = (np.nansum(view.cut(mask.astype(np.float64)), axis=-1) for mask in (rests, low))
    return np.where(rest_steps >= MIN_STEPS, low_steps / np.maximum(rest_steps, 1), np.nan)


LOW_SUN_WHEN_FULL = Feature("pump_low_sun_when_full", UNTIL_H, _low_sun_when_full)


def speaks_our_codes(scene: Scene) -> FloatArray:
    """(n, m) 1 where the pump's controller speaks our codes, 0 where it has its maker's own, NaN where nobody knows.

    Controllers that were never mapped give 0 while all is well and something else when it is not; such a one is known
    by a pump that ran and did not say "running", lately or on the days before.
    """
    grid = scene.grid
    code = grid.value("pump", "state_code")
    told = np.isfinite(code) & is_running(grid)
    says = told & (code == PumpState.RUNNING)
    here = np.where(told.any(axis=1), says.sum(axis=1) / np.maximum(told.sum(axis=1), 1), np.nan)[:, None]
    before = scene.days.on(past_quantile(scene.days.get(SAYS_RUNNING.name), 0.5, days=TOP_DAYS, at_least=1), grid.t_s)
    found = np.where(np.isfinite(here), here, before)
    return np.where(np.isfinite(found), (found >= 0.5).astype(np.float64), np.nan)


def has_one_word(scene: Scene) -> Mask:
    """(n, m) the controller says of all its rests that the sun is low: on most days under a full tower, or today."""
    grid = scene.grid
    rests = _rests_under_full_tower(grid) & np.isfinite(grid.value("pump", "state_code"))
    low = rests & says(grid, PumpState.STOPPED_LOW_SUN)
    here = np.where(rests.any(axis=1), low.sum(axis=1) / np.maximum(rests.sum(axis=1), 1), np.nan)[:, None]
    past = past_quantile(scene.days.get(LOW_SUN_WHEN_FULL.name), 0.5, days=TOP_DAYS, at_least=1)
    before = scene.days.on(past, grid.t_s)
    return np.asarray(np.where(np.isfinite(before), before, here) > 0.5)


def has_tried(scene: Scene) -> Mask:
    """(n, m) the controller has tried to start the motor lately: it says so, or the motor turned without a load."""
    grid = scene.grid
    says_so = says(grid, PumpState.STARTING) & (speaks_our_codes(scene) != 0)
    turns = grid.value("pump", "speed_rpm") > TURNS_SHARE * grid.sites.rating("pump", "max_speed_rpm")
    stands, is_known = is_standing(grid), np.isfinite(drawn_power_w(grid))
    tries = says_so | (~stands & ~is_running(grid) & is_known) | (stands & turns)
    return np.asarray(steps_since(tries) < _attempt_steps(grid))


def _attempt_steps(grid: Grid) -> FloatArray:
    """(n, 1) in how many steps an attempt to start is seen: it takes a minute; who reads seldom sees few of them."""
    raw = grid.raw.get(("pump", "speed_rpm"), grid.raw.get(("pump", "power_w")))
    apart = np.ones((len(grid.sites), 1)) if raw is None else spacing_of(raw)[:, None]
    return np.maximum(grid.hours(ATTEMPT_H), ATTEMPT_READINGS * apart)


def is_array_gone(scene: Scene) -> Mask:
    """(n, m) in good sun the motor stands because no power comes: its controller sees none, or no voltage is there."""
    grid = scene.grid
    voltage = grid.value("pv", "voltage_v")
    before = scene.days.on(past_quantile(scene.days.get(TOP_V.name), 0.5, days=TOP_DAYS, at_least=1), grid.t_s)
    here = np.where(np.isfinite(voltage), voltage, 0.0).max(axis=1, keepdims=True)
    usual = np.where(np.isfinite(before), before, here)
    is_dead = (usual > LEAST_V) & (voltage < DARK_VOLTAGE_SHARE * usual)
    means_it = (speaks_our_codes(scene) > 0) & ~has_one_word(scene) & has_room(grid, scene.days)
    # What tries to start has the power to try.
    sees_none = says(grid, PumpState.STOPPED_LOW_SUN) & means_it & ~has_tried(scene) & ~is_washed(grid)
    # Where the voltage stands (or nobody reads it) an attempt may be due: who sees none for long enough tries nothing.
    starts_w_m2 = np.fmin(grid.sites.rating("pump", "start_irradiance_w_m2"), good_sun_w_m2(grid))
    sees_none &= run_steps(sees_none & (grid.value("pv", "irradiance_w_m2") > starts_w_m2)) >= _attempt_steps(grid)
    sun, height = grid.value("pv", "irradiance_w_m2"), np.sin(np.radians(np.maximum(grid.sun_deg, 0.0)))
    can_be_true = (grid.sun_deg > LIT_DEG) & (sun < MOST_AT_ZENITH_W_M2 * height)  # else the cell is stuck
    good_sun = (sun >= good_sun_w_m2(grid)) & can_be_true
    return np.asarray(good_sun & is_standing(grid) & (is_dead | sees_none))


def judge_string_loss(scene: Scene) -> list[Signal]:
    """Power that is missing by a whole string, all at once.

    At once seen are: nothing left in good sun, and within an hour of sun a loss of a whole number of strings. A loss of
    another size is told from dust after two half days: it came between two of them and then stayed as it was. In a zone
    without a cell `lacks_one_string` tells, two days later.
    """
    grid, days = scene.grid, scene.days
    strings = _strings(scene)
    usual = _usual_now(scene)
    tops = []
    for feature, channel in ((TOP_RPM, ("pump", "speed_rpm")), (TOP_W, ("pump", "power_w"))):
        known = days.on(past_quantile(days.get(feature.name), 0.9, days=TOP_DAYS, at_least=1), grid.t_s)
        # On the first day of all nobody knows where this pump's top is: nothing is judged.
        tops.append(np.where(np.isfinite(known), known, np.where(grid.sites.has(*channel), 0.0, np.inf)))
    no_speed = ~grid.sites.has("pump", "speed_rpm")
    tops[1] = np.where(no_speed, window_max(array_power_w(grid), grid.hours(LEVELS_H)), tops[1])
    hour = grid.hours(STRING_HOURS)
    # A reading that is held for a quarter of an hour is one reading still.
    enough = np.minimum(LEAST_READINGS * _apart(grid)[:, None], MOST_OF_HOUR * hour)
    now = performance(grid, *tops)
    ratio = np.where(window_sum(np.isfinite(now), hour) >= enough, window_mean(now, hour), np.nan) / usual
    missing = (1 - ratio) * strings
    # Without a speed nobody knows whether it is the pump that takes less than it used to.
    is_whole = (np.round(missing) >= 1) & (np.abs(missing - np.round(missing)) < STRING_ROOM)
    is_whole &= grid.sites.has("pump", "speed_rpm")
    halves = Halves(scene)
    was_well = halves.at(halves.newest[..., -1], grid.t_s) < np.minimum(FLAT_SHARE * (1 - ratio), WELL_BEFORE)
    is_partial = (halves.at(halves.came_at_once(), grid.t_s) > 0.5) & (ratio < (1 + FALLEN_SHARE) / 2)
    is_cell = is_mended_cell(scene, ratio * usual)
    # Of a pump that nobody has seen run yet nobody knows at which sun it starts.
    has_run = np.isfinite(days.on(past_quantile(days.get(TOP_W.name), 0.5, days=TOP_DAYS, at_least=1), grid.t_s))
    gone = run_steps(is_array_gone(scene)) > grid.hours(GONE_H)
    gone &= has_run | np.logical_or.accumulate(is_running(grid), axis=1)
    present = gone | (((is_whole & was_well) | is_partial) & ~is_cell)
    by_cell = verdicts(present=present, absent=ratio > 1 - 0.4 * (1 - FALLEN_SHARE))
    share, is_back = (halves.at(found, grid.t_s) for found in lacks_one_string(scene))
    by_sky = verdicts(present=np.isfinite(share), absent=is_back > 0.5)
    sees = has_cell(grid)
    verdict = np.where(sees, by_cell, by_sky)

    def describe(zone: int, first: int, last: int) -> Evidence:
        is_all, n = bool(gone[zone, last]), int(strings[zone, 0])
        missing = 1 - ratio[zone, last] if sees[zone, 0] else share[zone, last]
        lost = 100.0 if is_all else 100 * float(np.nan_to_num(missing))
        least = (1 - STRING_ROOM if sees[zone, 0] else ONE_STRING[0]) / n if n > 1 else 1 - FALLEN_SHARE
        witnesses = ("pv/irradiance_w_m2", "pv/module_temp_c") if sees[zone, 0] else ()
        return Evidence(
            f"Par bon soleil les panneaux donnent d'un coup {lost:.0f} % de moins que ces derniers jours"
            f" (rangées : {n}).",
            f"In good sun the panels suddenly give {lost:.0f} % less than in the last days (strings: {n}).",
            {"lost_pct": round(lost), "strings": n},
            {"lost_pct": round(100 * least)},
            read_in(grid, zone, slice(first, last + 1), "pv/power_w", *witnesses, "pump/speed_rpm"),
            0.9 if sees[zone, 0] and (is_all or n > 1) else 0.75,
        )

    return [Signal(Fault.PV_STRING_LOSS, "pv", grid.t_s, verdict, describe)]


def _usual_now(scene: Scene) -> FloatArray:
    """(n, m) the usual performance of this half of the day; where that half never has a measure, of the other."""
    days, grid = scene.days, scene.grid
    morning, evening = (days.on(_usual(scene, half), grid.t_s) for half in (MORNING, EVENING))
    first, second = (
        np.where(grid.hour < NOON_H, one, other) for one, other in ((morning, evening), (evening, morning))
    )
    return np.where(np.isfinite(first), first, second)


def _usual(scene: Scene, feature: Feature) -> FloatArray:
    """(n, d) what a measure of the performance was on the last good days.

    Days on which it is more than ever while the cell sees less than on other clear days teach nothing: the cell goes
    blind, and panels that give what they always gave would lack a string when it is cleaned.
    """
    value, noon = scene.days.get(feature.name), scene.days.get("clear_noon")
    sees_less = recent_largest(noon, 4) / past_quantile(noon, 0.75, days=CLEAN_DAYS) < 1 - CELL_OFF_SHARE
    is_blind = sees_less & (value > (1 + CELL_OFF_SHARE) * past_median(value))
    return usual_of_good_days(
        np.where(is_blind, np.nan, value), newest=BASE_DAYS, at_least=1, least_share=FALLEN_SHARE
    )  # fmt: skip


class Halves:
    """Mornings and evenings in a row: what is lost against good mornings and evenings before, (n, 2 d)."""

    def __init__(self, scene: Scene, halves: tuple[Feature, Feature] = (MORNING, EVENING)) -> None:
        ratio = [scene.days.get(half.name) / _usual(scene, half) for half in halves]
        lost = 1 - np.stack(ratio, axis=-1).reshape(len(ratio[0]), -1)
        self._least = np.maximum(PART_OF_STRING / _strings(scene), 1 - FALLEN_SHARE)
        self._ready_s = (scene.days.day_s[:, None] + 3600 * np.array([NOON_H, UNTIL_H])).ravel()
        self.newest, self._places = _newest_known(lost, SEEN_HALVES)
        """(n, 2 d, k) the last halves that have a measure, the newest last."""

    def at(self, value: FloatArray | Mask, t_s: FloatArray) -> FloatArray:
        """Numbers of half days (n, 2 d) as they stood at times (m,): (n, m), NaN before the first was over."""
        place = np.searchsorted(self._ready_s, t_s, side="right") - 1
        return np.where(place >= 0, value[:, np.maximum(place, 0)], np.nan)

    def came_at_once(self) -> Mask:
        """(n, 2 d) a loss that came between two halves and has not grown since: panels that are gone, no dust."""
        now, before = self.newest[..., -1], self.newest[..., -2]
        # Over more than a half day that nobody saw nobody knows how it went.
        steps = np.where(np.diff(self._places, axis=-1) <= HALVES_APART, np.diff(self.newest, axis=-1), np.nan)
        found = np.where(np.isfinite(steps), steps, 0.0)
        place = found.argmax(axis=-1)[..., None]
        was, became = (np.take_along_axis(self.newest, place + later, axis=-1)[..., 0] for later in (0, 1))
        is_flat = (np.abs(now - before) < FLAT_SHARE * now) & (now - became < GROWN_SHARE * now)
        started_well = (self.newest[..., 0] < FLAT_SHARE * now) & (was < WELL_BEFORE)
        return np.asarray((now > self._least) & is_flat & (found.max(axis=-1) > SUDDEN_SHARE * now) & started_well)


def lacks_one_string(scene: Scene) -> tuple[FloatArray, Mask]:
    """After each half day (n, 2 d) of a zone without a cell: what a string took, NaN where none did; that all is back.

    Mornings are held against mornings: the share went from one to the next, and three in a row have been as steady as
    no haze and no overcast sky. Or evenings against evenings. Each tells until the next of its kind, and no longer than
    until a half day gives what it used to; after two of these all is back.
    """
    morning, evening = (_share_of_one_string(scene, half) for half in SKY_HALVES)
    before = np.concatenate([np.full((len(evening), 1), np.nan), evening[:, :-1]], axis=1)
    at_noon = np.where(np.isfinite(morning), morning, before)
    at_night = np.where(np.isfinite(evening), evening, morning)
    is_well = Halves(scene, SKY_HALVES).newest[..., -2:] < 1 - FALLEN_SHARE
    share = np.stack([at_noon, at_night], axis=-1).reshape(len(morning), -1)
    return np.where(is_well[..., -1], np.nan, share), np.asarray(is_well.all(axis=-1))


def _share_of_one_string(scene: Scene, half: Feature) -> FloatArray:
    value, strings = scene.days.get(half.name), _strings(scene)
    newest, places = _newest_known(1 - value / _usual(scene, half), SKY_DAYS + 1)
    before, now = newest[..., 0], newest[..., 1:]
    lost = np.median(now, axis=-1)
    is_flat = (now.max(axis=-1) - now.min(axis=-1) < SKY_FLAT) & (places[..., -1] - places[..., 0] <= SKY_WITHIN_DAYS)
    is_one = (strings > 1) & (lost * strings > ONE_STRING[0]) & (lost * strings < ONE_STRING[1])
    is_one &= (lost > SKY_LEAST) & (lost < SKY_MOST) & (before < (1 - SKY_STEP) * lost)
    spread = past_spread(value, days=NOISE_DAYS, at_least=NOISE_KNOWN)
    noise = spread / past_median(value, days=NOISE_DAYS, at_least=NOISE_KNOWN)
    return np.where(is_flat & is_one & (noise < np.minimum(SKY_NOISE, lost / SKY_NOISES)), lost, np.nan)


def is_mended_cell(scene: Scene, now: FloatArray) -> Mask:
    """(n, m) the performance `now` (n, m) is that of a week and more ago, and in between the cell saw too little.

    A cell that is cleaned or exchanged takes away what was never there.
    """
    days, t_s = scene.days, scene.grid.t_s
    noon, value = days.get("clear_noon"), days.get(PERFORMANCE.name)
    was_low = recent_largest(1 - noon / past_quantile(noon, 0.75, days=30), 2 * BASE_DAYS) > CELL_OFF_SHARE
    older = np.full(value.shape, np.nan)
    older[:, LATELY_DAYS:] = recent_median(value, 2 * LATELY_DAYS)[:, :-LATELY_DAYS]
    return (days.on(np.where(was_low, 1.0, 0.0), t_s) > 0.5) & (now > (1 - CELL_OFF_SHARE) * days.on(older, t_s))


def _newest_known(value: FloatArray, count: int) -> tuple[FloatArray, FloatArray]:
    """At each place (n, k) the last `count` known values up to it, and their places: (n, k, count), NaN where fewer."""
    kept = np.full((2, len(value), count), np.nan)
    found = np.empty((2, *value.shape, count))
    for place in range(value.shape[1]):
        fresh = np.stack([value[:, place], np.full(len(value), float(place))])[..., None]
        is_known = np.isfinite(value[:, place])[:, None]
        kept = np.where(is_known, np.concatenate([kept[..., 1:], fresh], axis=-1), kept)
        found[:, :, place] = kept
    return found[0], found[1]


def judge_soiling(scene: Scene) -> list[Signal]:
    """For two days less power than this zone's clean panels gave in the same sun, and it came slowly."""
    days = scene.days
    noon = days.get("clear_noon")  # of the sensors; not there, nothing is said of the cell
    clear = past_quantile(noon, 0.75, days=CLEAN_DAYS)
    brighter = recent_largest(noon, 4) / clear
    cell_is_off = brighter < 1 - CELL_SURELY_OFF
    # Under a grey sky little of a day says anything of dust, and that at a cloud's edge.
    is_grey = noon < GREY_SHARE * clear
    shares = []
    for name in (MORNING.name, EVENING.name):
        half = np.where(is_grey, np.nan, days.get(name))
        settled = np.where(cell_is_off, np.nan, recent_median(half, SETTLED_DAYS, at_least=2))
        shares.append(half / past_quantile(settled, 1.0, days=CLEAN_DAYS, at_least=5))
    known = np.isfinite(shares)
    today = np.where(
        known.any(axis=0), np.where(known, shares, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1), np.nan
    )
    # Two days that were measured; of one alone nobody knows whether it was the sky.
    before = held(np.concatenate([np.full((len(today), 1), np.nan), today[:, :-1]], axis=1), SEEN_BEFORE_DAYS)
    ratio = np.maximum(today, before)
    # A cell that sees more than there is takes from the ratio what it adds to clear noons.
    is_cell = ratio * brighter > 1 - CELL_EXPLAINS
    noise = past_spread(np.diff(today, axis=1, prepend=np.nan), days=NOISE_DAYS)
    limit = np.maximum(1 - DUSTY_SHARE, DUST_NOISES * np.nan_to_num(noise))
    is_dusty = (ratio < 1 - limit) & ~is_cell & ~_is_string(scene)
    verdict = verdicts(present=is_dusty, absent=ratio > 1 - limit / 2)

    def describe(zone: int, first: int, last: int) -> Evidence:
        lost = 100 * (1 - float(ratio[zone, last]))
        return Evidence(
            f"Depuis deux jours les panneaux donnent {lost:.0f} % de moins que propres, au même soleil.",
            f"For two days the panels have given {lost:.0f} % less than when clean, in the same sun.",
            {"lost_pct": round(lost)},
            {"lost_pct": round(100 * float(limit[zone, last]))},
            read_in(
                scene.grid, zone, slice(None), "pv/power_w", "pv/irradiance_w_m2", "pv/module_temp_c", "pump/speed_rpm"
            ),
            0.8,
        )

    return [Signal(Fault.PV_SOILING, "pv", days.day_s + UNTIL_H * 3600, verdict, describe)]


def _is_string(scene: Scene) -> Mask:
    """(n, d) the loss of now is one that came at once, on this day or some days ago."""
    value = scene.days.get(PERFORMANCE.name)
    sudden = Halves(scene).came_at_once()[:, 1::2]
    lost = 1 - value / _usual(scene, PERFORMANCE)
    before = np.concatenate([np.full((len(lost), 1), np.nan), lost[:, :-1]], axis=1)
    sudden |= (lost > (1 - STRING_ROOM) / _strings(scene)) & (before < np.minimum(FLAT_SHARE * lost, WELL_BEFORE))
    is_low = ~(lost < 1 - FALLEN_SHARE)
    found = np.zeros(sudden.shape, dtype=bool)
    for day in range(sudden.shape[1]):
        found[:, day] = sudden[:, day] | (found[:, day - 1] & is_low[:, day] if day else False)
    return found


def _strings(scene: Scene) -> FloatArray:
    """(n, 1) how many strings the plate says, one where it does not."""
    return np.maximum(np.nan_to_num(scene.grid.sites.rating("pv", "strings"), nan=1.0), 1.0)


FEATURES = (TOP_RPM, TOP_W, TOP_V, SAYS_RUNNING, LOW_SUN_WHEN_FULL, PERFORMANCE, MORNING, EVENING, *SKY_HALVES)
DETECTORS = (
    Detector((Fault.PV_STRING_LOSS,), "pv", (), judge_string_loss),
    Detector((Fault.PV_SOILING,), "pv", ((("pv", "irradiance_w_m2"),),), judge_soiling),
)
