"""What the pump and the well are worth: the pump's own curve, and water for drawdown, against this zone's own past.

At the speed s a pump keeps to one curve, whatever the sun and the season do: head/s² falls with (flow/s)², and power/s³
rises with flow/s (affinity laws; J. F. Gülich, Centrifugal Pumps, 3rd ed. 2014, §1.3). So the residuals of three
relations tell four faults apart, whatever the maker's curve is:

=================  =====================  ====================  ==================
what is wrong      head from flow         speed² from flow      power from flow
=================  =====================  ====================  ==================
worn, clogged      less                   less                  as usual
meter slips        less                   less                  more
well falls lower   as usual               less                  as usual
depth sensor off   moves                  as usual              as usual
=================  =====================  ====================  ==================

The relations are learned by `alerts.residual` from the zone's good days. The well's measure is its specific capacity,
flow for drawdown, which the rest level does not move (DETECTION §2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from alerts.days import Days, DayView, Feature, past_quantile, past_spread, recent_median
from alerts.detectors.detector import Detector, Scene, read_in, verdicts
from alerts.detectors.leak import is_drained
from alerts.model import Evidence, IndexArray, Signal
from alerts.residual import Moments, PastModel, models_of_past, smoothed, usual_of_good_days
from alerts.rolling import held, steps_since, window_max, window_mean, window_sum
from alerts.scene import DAY_S, FloatArray, Grid, Mask, Sites, spacing_of
from alerts.states import RUNNING_SHARE, drawn_power_w, says
from gateway.model import Fault, PumpState

STEADY_SHARE = 0.06  # of the speed, from one reading to the next: else head, flow and power are of different moments
LEAST_FLOW_SHARE = 0.12  # of rated flow: near lift-off a curve is all slope
LEAST_ROWS = 6  # of a day that counts
LEARNS_DAYS, LATELY_DAYS, LEARNED_DAYS = 28, 5, 4
# All in shares of the rated head (power) at full speed. A sound pump's shut-off head is some 1.35 of it.
FORGIVES, FORGIVES_STATIC, FORGIVES_POWER = 0.025, 0.06, 0.04
WORN = 0.025  # 1.9 % of the head, some 5 % of the flow, two days running; DETECTION §2 asks for 7 %
WORN_UNSEEN = 0.08  # where nobody measures the well: its rest level falls by some metres in a season
BEFORE_DAYS = 3  # that a sudden loss is held against
CLOGGED, CLOGGED_UNSEEN = 0.08, 0.16
CLOGGED_H = 2.0
# Of the flow. Near the flattest part of its curve a pump shows much head for little water, and passing clouds shift
# that. DETECTION §2 asks for a quarter in one day; half of it will do where head or depth are measured as well.
LESS_CLOGGED, LESS_CLOGGED_UNSEEN = 0.12, 0.2
SURE_ERRORS = 3.0  # standard errors of the mean
LONG_DAYS = 0.9  # of days are shorter
AT_ONCE = 0.5  # of all that is lost came in one day: clogged; a pump wears over a week and more
MOST_OF_SPAN = 0.75  # that must be known, however seldom a zone reports
BALANCE_H = 2.0  # of the tower: 1 cm of a small one is 60 L, and a pump gives some m³
WORN_POWER = 0.07  # of the rated power more at the same speed and flow; DETECTION §2: +12 % specific energy
OUTFLOW, FLOW = ("tower", "outflow_m3_h"), ("pump", "flow_m3_h")
NOISES = 6.0  # a fault is as many times further off than good days are apart
TOWER_KNOWS = 0.5  # of the loss: a balance that differs by more from day to day says nothing of it
METER_SHARE_OF_SLIP = 0.5  # of the loss that the head shows, in power or tower: then it is the meter's
YIELD = 0.83  # DETECTION §2 begins at -25 %; with the flow smoothed as the well does, good days lie within 2 %
YIELD_OVER = 0.9
FOLLOWS_H = 0.6  # how fast a well follows its flow
EVEN_SHARE = 0.15
LEAST_DRAWDOWN_M = 0.8
REST_UNTIL_H = 6.0
MIN_STEPS = 4
STARVED_STEPS = 2  # of a day that says nothing about the well: it was empty
NEAR_INTAKE_M = 3.0
LIFTS_FROM = 0.9  # of full speed, whatever the lift
READY_H = 18.0


def lift_m(grid: Grid) -> FloatArray:
    """(n, m) from the water in the well to the top of the tower, where most risers end [m]."""
    built_m = grid.sites.rating("tower", "base_height_m") + grid.sites.rating("tower", "full_level_m")
    return grid.value("borehole", "water_depth_m") + built_m


def lift_into_water_m(grid: Grid) -> FloatArray:
    """(n, m) as `lift_m`, for a riser that ends at the bottom of the tower: to the water's surface in it [m]."""
    empty_m = grid.sites.rating("tower", "full_level_m") - grid.value("tower", "level_m")
    return lift_m(grid) - np.where(np.isfinite(empty_m), empty_m, 0.0)


class Points(NamedTuple):
    """Where on its curve the pump is while it runs evenly, (n, m), NaN else; all in shares of the rated point.

    Without a measured speed the cube root of the power stands for it: by the same laws the curve is one curve still,
    but it no longer tells a slipping meter from a pump that gives less.
    """

    flow: FloatArray  # flow / s
    flow_2: FloatArray
    head: FloatArray  # head / s², for a riser that ends at the top of the tower
    head_low: FloatArray  # the same for one that ends at its bottom
    speed: FloatArray  # 1 / s²: as if the head were always the same
    power: FloatArray  # power / s³


def way_of_speed(sites: Sites) -> IndexArray:
    """(n, 1) how fast the pump turns is 0 measured, or 1 taken from its power."""
    return (~(sites.has("pump", "speed_rpm") & np.isfinite(sites.rating("pump", "max_speed_rpm")))).astype(np.intp)


def points(grid: Grid) -> Points:
    """The working points of all steps."""
    sites = grid.sites
    power = drawn_power_w(grid) / sites.rating("pump", "rated_power_w")
    measured = grid.value("pump", "speed_rpm") / sites.rating("pump", "max_speed_rpm")
    has_speed = way_of_speed(sites) == 0
    s = np.where(has_speed, measured, np.cbrt(power))
    flow = grid.value("pump", "flow_m3_h") / sites.rating("pump", "rated_flow_m3_h")
    before = _reading_before(grid, s)
    runs = (s > 0.3) & (s < 1.5) & (flow > LEAST_FLOW_SHARE) & (flow < 3) & ~(power < RUNNING_SHARE)
    s = np.where(runs & (np.abs(s - before) < STEADY_SHARE * s), s, np.nan)
    head, head_low = (lift / sites.rating("pump", "rated_head_m") for lift in (lift_m(grid), lift_into_water_m(grid)))
    phi = flow / s
    drawn = np.where(has_speed, power / s**3, np.nan)
    return Points(phi, phi**2, head / s**2, head_low / s**2, 1 / s**2, drawn)


def _apart(grid: Grid) -> IndexArray:
    """(n,) steps between the readings of the pump's flow: a zone may report every 15 minutes only."""
    flow = grid.raw.get(FLOW)
    return np.ones(len(grid.sites), dtype=np.intp) if flow is None else spacing_of(flow)


def _reading_before(grid: Grid, value: FloatArray) -> FloatArray:
    """(n, m) what a value of each step was at the reading before."""
    apart = _apart(grid)
    before = np.full(value.shape, np.nan)
    for steps in np.unique(apart):
        rows = apart == steps
        before[rows, steps:] = value[rows, :-steps]
    return before


RELATIONS = {
    "pump_head": ("flow_2", "head"), "pump_head_low": ("flow_2", "head_low"), "pump_speed": ("flow_2", "speed"),
    "pump_power": ("flow", "power"),
}  # fmt: skip
PARTS = ("rows", "x", "y", "xx", "xy")
_KEPT: WeakKeyDictionary[DayView, dict[str, FloatArray]] = WeakKeyDictionary()


def _moments_of(view: DayView, relation: str) -> FloatArray:
    """(n, d, 5) the parts of a relation's moments of each day; all parts of all relations are computed at once."""
    if view not in _KEPT:
        found = points(view.grid)._asdict()
        _KEPT[view] = {}
        for name, (x, y) in RELATIONS.items():
            of = Moments.of(np.stack([view.cut(found[x]), view.cut(found[y])], axis=-1))
            parts = (of.count, of.mean[..., 0], of.mean[..., 1], of.covariance[..., 0, 0], of.covariance[..., 0, 1])
            _KEPT[view][name] = np.stack(parts, axis=-1)
    return _KEPT[view][relation]


def _part(relation: str, number: int) -> Callable[[DayView], FloatArray]:
    return lambda view: _moments_of(view, relation)[..., number]


MOMENTS = tuple(
    Feature(f"{relation}_{part}", READY_H, _part(relation, number), way_of_speed)
    for relation in RELATIONS
    for number, part in enumerate(PARTS)
)


def _learned(days: Days, relation: str) -> Moments:
    """The moments of a relation, (n, d, 2), from the features of the days."""
    rows, x, y, xx, xy = (days.get(f"{relation}_{part}") for part in PARTS)
    covariance = np.stack([np.stack([xx, xy], axis=-1), np.stack([xy, np.ones_like(xx)], axis=-1)], axis=-2)
    return Moments(np.nan_to_num(rows), np.stack([x, y], axis=-1), covariance)


class Pump:
    """What each zone's pump does against its own past; arrays by day (n, d)."""

    def __init__(self, days: Days) -> None:
        self.moments = {name: _learned(days, name) for name in RELATIONS}
        self.head, self.head_low, self.speed, self.power = models_of_past(
            self.moments.values(), (FORGIVES, FORGIVES_STATIC, FORGIVES_STATIC, FORGIVES_POWER),
            days=LEARNS_DAYS, lately=LATELY_DAYS, at_least=LEARNED_DAYS, least_rows=LEAST_ROWS,
        )  # fmt: skip
        # Nobody says where a riser ends: what is missing must be missing either way.
        self.off = _both(_both(self.head.residual, self.head_low.residual), self.speed.residual)
        # From day to day: what wears moves little in one, and must not pass for noise.
        steps = _from_day_to_day(self.off)
        self.noise = np.nan_to_num(past_spread(steps, days=LEARNS_DAYS, at_least=LEARNED_DAYS))

    def limit(self, seen: float, unseen: float) -> FloatArray:
        """(n, d) how far off counts: more on days on which nobody measures the well, or where good days differ much."""
        return np.maximum(np.where(np.isfinite(self.head.residual), seen, unseen), NOISES * self.noise)

    def lost(self) -> FloatArray:
        """(n, d) share of the flow that is missing at the day's mean head and speed."""
        return self._missing("pump_speed", self.speed, power=0.5)

    def slips(self) -> FloatArray:
        """(n, d) share of the flow that the motor's power knows of and the meter does not; NaN without a speed."""
        return self._missing("pump_power", self.power, power=1.0)

    def _missing(self, relation: str, model: PastModel, *, power: float) -> FloatArray:
        """As `_missing` of each day's means; NaN on days of which too little is known, as in an outage."""
        of = self.moments[relation]
        found = _missing(model, of.mean[..., 0], of.mean[..., 1], power=power)
        return np.where(of.count >= LEAST_ROWS, found, np.nan)


_PUMPS: WeakKeyDictionary[Days, Pump] = WeakKeyDictionary()


def pump_of(scene: Scene) -> Pump:
    """What the pumps do; learned once from the scene's days, for all detectors that ask."""
    if scene.days not in _PUMPS:
        _PUMPS[scene.days] = Pump(scene.days)
    return _PUMPS[scene.days]


def _both(head: FloatArray, speed: FloatArray) -> FloatArray:
    """What two residuals agree on: the one nearer to nothing, nothing when they contradict, the one that is there."""
    agreed = np.where(head * speed > 0, np.sign(head) * np.minimum(np.abs(head), np.abs(speed)), 0.0)
    return np.where(np.isfinite(head) & np.isfinite(speed), agreed, speed)


def _missing(model: PastModel, x: FloatArray, y: FloatArray, *, power: float) -> FloatArray:
    """Share of the flow missing at x, when y = offset + slope x is turned around; x is the flow to the 1/`power`."""
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = (y - model.offset) / model.slope
        found = 1 - (x / expected) ** power
    return np.where((expected > 0) & np.isfinite(found), np.clip(found, -1.0, 1.0), np.nan)


def _day_median(view: DayView, value: FloatArray, at_least: int) -> FloatArray:
    ordered = np.sort(value, axis=-1)
    count = np.isfinite(ordered).sum(axis=-1)
    middle = np.take_along_axis(ordered, (np.maximum(count - 1, 0) // 2)[..., None], axis=-1)[..., 0]
    return np.where(count >= at_least, middle, np.nan)


def specific_capacity(view: DayView) -> FloatArray:
    """(n, d) flow for drawdown [m³/h per m]: the flow smoothed as the well follows it, the rest level that before dawn.

    NaN on a day on which the well was pumped empty: that is another fault, and says nothing of this one.
    """
    grid = view.grid
    flow, depth = view.value("pump", "flow_m3_h"), view.value("borehole", "water_depth_m")
    rated = grid.sites.rating("pump", "rated_flow_m3_h")[..., None]
    rows = 2 * FOLLOWS_H * 3600 / grid.step_s
    followed = view.cut(smoothed(grid.value("pump", "flow_m3_h").T, rows).T)
    # The pump rests at night, and the water rises until it starts again: the smallest depth, not a single wild one.
    ordered = np.sort(depth[..., view.between(0, REST_UNTIL_H)], axis=-1)
    count = np.isfinite(ordered).sum(axis=-1)
    rest_m = np.take_along_axis(ordered, (np.maximum(count - 1, 0) // 5)[..., None], axis=-1)[..., 0]
    drawdown = depth - np.where(count >= MIN_STEPS, rest_m, np.nan)[..., None]
    # Wells follow sooner or later than that: what counts is flow that has been nearly even.
    is_even = np.abs(flow - followed) < EVEN_SHARE * followed
    counts = (followed > 0.3 * rated) & is_even & (drawdown > LEAST_DRAWDOWN_M)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = _day_median(view, np.where(counts, followed / drawdown, np.nan), MIN_STEPS)
    starved = view.cut(_starves(grid).astype(np.float64))
    return np.where(np.nansum(starved, axis=-1) >= STARVED_STEPS, np.nan, found)


def starved_until(view: DayView) -> FloatArray:
    """(n, d) the hour of the day of the last step in which the pump drew air; NaN without any."""
    starved = view.cut(_starves(view.grid).astype(np.float64)) == 1
    last = view.per_day - 1 - np.argmax(starved[..., ::-1], axis=-1)
    return np.where(starved.any(axis=-1), view.hour[last], np.nan)


def _starves(grid: Grid) -> Mask:
    """(n, m) the pump draws air: it turns at the bottom of the well and gives nothing, or has stopped for that."""
    low = ~(grid.value("borehole", "water_depth_m") < grid.sites.rating("borehole", "pump_intake_m") - NEAR_INTAKE_M)
    turns = drawn_power_w(grid) > 0.2 * grid.sites.rating("pump", "rated_power_w")
    gives = grid.value("pump", "flow_m3_h") > 0.08 * grid.sites.rating("pump", "rated_flow_m3_h")
    turns_fast = grid.value("pump", "speed_rpm") > LIFTS_FROM * grid.sites.rating("pump", "max_speed_rpm")
    return low & ((turns & turns_fast & ~gives) | says(grid, PumpState.STOPPED_DRY))


def meter_share(view: DayView) -> FloatArray:
    """(n, d) water found (gain of the tower and what left it) for each m³ that the pump's meter says, by day.

    NaN on a day on which the tower was drained to be washed: that water passes no meter.
    """
    grid = view.grid
    was_drained = (view.cut(np.where(is_drained(grid), 1.0, 0.0)) > 0).any(axis=-1)
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
    enough = (said > 0.5 * grid.sites.rating("pump", "rated_flow_m3_h")) & ~was_drained
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(enough, found / said, np.nan)


STARVED_UNTIL = Feature("starved_until_h", 24.0, starved_until)
CAPACITY = Feature("specific_capacity_m3_h_m", READY_H, specific_capacity)
METER_SHARE = Feature("meter_share", 19.0, meter_share)


def meter_is_wrong(scene: Scene, pump: Pump) -> Mask:
    """(n, d) the flow that is missing is missing in the meter only.

    The tower decides, whose balance knows of the water; where it is not measured, or on good days differs by as much as
    is missing, the motor's power.
    """
    share = recent_median(scene.days.get(METER_SHARE.name), 2)
    by_tower = 1 - _usual_share(scene) / np.where(share > 0, share, np.nan)
    is_vague = (_spread_of_share(scene) > TOWER_KNOWS * pump.lost()) & np.isfinite(pump.slips())
    return _is_meter(pump.lost(), pump.slips(), np.where(is_vague, np.nan, by_tower))


def _spread_of_share(scene: Scene) -> FloatArray:
    """(n, d) how much the water found for each m³ of the meter differs on good days."""
    return np.nan_to_num(past_spread(scene.days.get(METER_SHARE.name), days=LEARNS_DAYS, at_least=LEARNED_DAYS))


def _usual_share(scene: Scene) -> FloatArray:
    share = scene.days.get(METER_SHARE.name)
    return usual_of_good_days(share, newest=LEARNS_DAYS, at_least=LEARNED_DAYS, least_share=0.0)


def _is_meter(lost: FloatArray, by_power: FloatArray, by_tower: FloatArray) -> Mask:
    """Whether most of the flow `lost` is there after all, by the shares that power and tower know of (NaN unknown)."""
    found = np.where(np.isfinite(by_tower), by_tower, by_power)
    return np.asarray(found > METER_SHARE_OF_SLIP * lost)


def share_found(grid: Grid) -> FloatArray:
    """(n, m) as `meter_share`, of the last hours of each step; NaN where the tower was full or not all is measured."""
    steps = grid.hours(BALANCE_H)
    level_m, full_m = grid.value("tower", "level_m"), grid.sites.rating("tower", "full_level_m")
    volume = level_m / full_m * grid.sites.rating("tower", "volume_m3")
    gain = np.full(volume.shape, np.nan)
    gain[:, steps:] = volume[:, steps:] - volume[:, :-steps]
    hours = steps * grid.step_s / 3600
    out, said = (window_mean(grid.value(*name), steps, at_least=steps) * hours for name in (OUTFLOW, FLOW))
    counts = (window_max(level_m, steps) < 0.97 * full_m) & (said > 0.3 * grid.sites.rating("pump", "rated_flow_m3_h"))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(counts, (gain + out) / said, np.nan)


def judge_pump(scene: Scene) -> list[Signal]:
    """Less water at the same speed, head and power: all at once it is clogged (or a valve half closed), slowly worn.

    Needs the flow and the power; the speed makes it sharp and tells the meter's fault from the pump's, and the well's
    depth a falling well's from the pump's.
    """
    pump = pump_of(scene)
    return [_clogged(scene, pump), _worn(scene, pump)]


def _clogged(scene: Scene, pump: Pump) -> Signal:
    grid, days = scene.grid, scene.days
    now = points(grid)
    head, head_low, speed, power = (
        PastModel(days.on(one.offset, grid.t_s), days.on(one.slope, grid.t_s), one.residual)
        for one in (pump.head, pump.head_low, pump.speed, pump.power)
    )
    span = grid.hours(CLOGGED_H)
    # A reading that is held for some steps is one reading still.
    enough = np.minimum(LEAST_ROWS * _apart(grid), MOST_OF_SPAN * span)[:, None]

    def mean(value: FloatArray) -> FloatArray:
        known = window_sum(np.isfinite(value), span) >= enough
        return np.where(known, window_mean(value, span), np.nan)

    by_head = _both(mean(head.of(now.flow_2, now.head)), mean(head_low.of(now.flow_2, now.head_low)))
    by_speed = speed.of(now.flow_2, now.speed)
    off = _both(by_head, mean(by_speed))

    def before(how: Callable[[FloatArray], FloatArray]) -> FloatArray:
        """What the days before had of the same measure: where the well is not read now, without its depth."""
        by_both, by_speed = (np.nan_to_num(days.on(how(one), grid.t_s)) for one in (pump.off, pump.speed.residual))
        return np.where(np.isfinite(by_head), by_both, by_speed)

    base = before(lambda off: _yesterday(recent_median(off, BEFORE_DAYS)))
    noise = days.on(NOISES * pump.noise, grid.t_s)
    limit = np.maximum(np.where(np.isfinite(by_head), CLOGGED, CLOGGED_UNSEEN), noise)
    # Under passing clouds speed and flow are of different moments, now more, now less; what is clogged gives less each
    # time.
    by_reading = np.where(np.isfinite(by_head), head.of(now.flow_2, now.head), by_speed)
    unsure = SURE_ERRORS * _error_of_mean(by_reading, span, _apart(grid)[:, None])
    lost = _missing(speed, mean(now.flow_2), mean(now.speed), power=0.5)
    slips = _missing(power, mean(now.flow), mean(now.power), power=1.0)
    gives_less = lost > np.where(np.isfinite(by_head), LESS_CLOGGED, LESS_CLOGGED_UNSEEN)
    share = share_found(grid)
    by_tower = 1 - days.on(_usual_share(scene), grid.t_s) / np.where(share > 0, share, np.nan)
    # Where neither power nor tower can say that it is the meter, the evening's balance must have had its say.
    told_s = grid.t_s - METER_SHARE.ready_h * 3600
    told_before = (days.on(pump.off, told_s) < -limit) & ~(days.on(_as_number(meter_is_wrong(scene, pump)), told_s) > 0)
    is_known = np.isfinite(slips) | np.isfinite(by_tower)
    is_meter = np.where(is_known, _is_meter(lost, slips, by_tower), ~told_before)
    # For a day an empty well gives less, whoever measures it or not; rounds that begin at midnight know it by the day.
    was_dry = steps_since(_starves(grid)) < grid.hours(24)
    was_dry |= days.on(_yesterday(days.get(STARVED_UNTIL.name)), grid.t_s) > grid.hour
    # A pump that wears fast loses as much within three days, but little of it from one day to the next.
    newest = before(lambda off: _yesterday(held(off, BEFORE_DAYS)))
    came_at_once = np.fmax(newest - off, before(_largest_fall)) > AT_ONCE * -off
    # A well that nobody measures stands the lower the longer it is pumped.
    longest = days.on(past_quantile(pump.moments["pump_speed"].count, LONG_DAYS, days=LEARNS_DAYS), grid.t_s)
    is_overdrawn = ~np.isfinite(by_head) & (_so_far_today(grid, np.isfinite(now.speed)) > longest)
    fell = (off < -limit) & (off + unsure < -limit / 2) & (off - base < -limit) & came_at_once & ~is_overdrawn
    present = fell & gives_less & ~is_meter & ~was_dry
    verdict = verdicts(present=present, absent=off > -limit / 2)

    def describe(zone: int, first: int, last: int) -> Evidence:
        less = 100 * float(np.nan_to_num(lost[zone, last]))
        return Evidence(
            f"À la même vitesse la pompe donne d'un coup {less:.0f} % d'eau en moins : crépine, conduite ou vanne.",
            f"At the same speed the pump suddenly gives {less:.0f} % less water: screen, pipe or valve.",
            {"less_pct": round(less), "head_lost_pct": round(-100 * float(off[zone, last]), 1)},
            {"head_lost_pct": round(100 * float(limit[zone, last]), 1)},
            _rests_on(grid, zone, has_depth=bool(np.isfinite(by_head[zone, last]))),
            0.85,
        )

    return Signal(Fault.PUMP_CLOGGED, "pump", grid.t_s, verdict, describe)


def _error_of_mean(value: FloatArray, steps: int, apart: IndexArray) -> FloatArray:
    """(n, m) how far the mean of a window's readings may be off by their own spread; each is held for `apart` steps."""
    mean, square = window_mean(value, steps), window_mean(value**2, steps)
    readings = np.maximum(window_sum(np.isfinite(value), steps) / apart, 1.0)
    return np.asarray(np.sqrt(np.maximum(square - mean**2, 0.0) / readings))


def _worn(scene: Scene, pump: Pump) -> Signal:
    days = scene.days
    off = pump.off
    limit = pump.limit(WORN, WORN_UNSEEN)
    fell = pump.off - _yesterday(recent_median(pump.off, BEFORE_DAYS)) < -pump.limit(CLOGGED, CLOGGED_UNSEEN)
    came_at_once = steps_since(fell) <= steps_since(pump.off > -limit / 2)
    is_weak = (off < -limit) & ~came_at_once & ~meter_is_wrong(scene, pump)
    # A pump may keep its curve and ask for more: bearings, a rubbing wheel. (A meter that slips is off the curve.)
    more = pump.power.residual
    noise = past_spread(_from_day_to_day(pump.power.residual), days=LEARNS_DAYS, at_least=LEARNED_DAYS)
    rose = more - _yesterday(recent_median(more, BEFORE_DAYS)) > WORN_POWER
    # Under broken clouds power is the mean of a cube and speed a mean, and a sound pump seems to ask for more that day.
    asks_at_once = steps_since(rose) <= steps_since(more < WORN_POWER / 2)
    asks = (more > np.maximum(WORN_POWER, NOISES * np.nan_to_num(noise))) & (pump.off > -limit / 2) & ~asks_at_once
    # Under a greater lift (a well that yields less) the pump works elsewhere on its curve, where power is unknown.
    asks &= ~(pump.speed.residual < -CLOGGED)
    verdict = verdicts(present=is_weak | asks, absent=(off > -limit / 2) & ~(more > WORN_POWER / 2))
    lost = np.where(asks, more / (1 + more), pump.lost())

    def describe(zone: int, first: int, last: int) -> Evidence:
        less = 100 * float(np.nan_to_num(lost[zone, last]))
        return Evidence(
            f"Peu à peu la pompe donne {less:.0f} % d'eau en moins pour la même énergie.",
            f"Little by little the pump has come to give {less:.0f} % less water for the same energy.",
            {"less_pct": round(less), "head_lost_pct": round(-100 * float(off[zone, last]), 1)},
            {"head_lost_pct": round(100 * float(limit[zone, last]), 1)},
            _rests_on(scene.grid, zone, has_depth=bool(np.isfinite(pump.head.residual[zone, last]))),
            0.8,
        )

    return Signal(Fault.PUMP_WEAR, "pump", days.day_s + METER_SHARE.ready_h * 3600, verdict, describe)


def _rests_on(grid: Grid, zone: int, *, has_depth: bool) -> tuple[str, ...]:
    """The channels that a verdict about the pump rests on: the well's depth sharpens it where it is known."""
    depth = ("borehole/water_depth_m",) if has_depth else ()
    return (*read_in(grid, zone, slice(None), "pump/flow_m3_h", "pump/speed_rpm", "pump/power_w"), *depth)


def _so_far_today(grid: Grid, of: Mask) -> IndexArray:
    """(n, m) how many steps of its day up to each step are so."""
    count = np.cumsum(of, axis=-1)
    first = np.maximum.accumulate(np.where(grid.t_s % DAY_S == 0, np.arange(grid.steps), 0))
    return np.asarray(count - count[:, first] + of[:, first])


def _largest_fall(off: FloatArray) -> FloatArray:
    """(n, d) by how much a pump fell most from one known day to the next of the last days before each."""
    known = held(off, BEFORE_DAYS)
    fall = np.nan_to_num(_yesterday(known) - known)
    return _yesterday(window_max(fall, BEFORE_DAYS))


def _from_day_to_day(value: FloatArray) -> FloatArray:
    """How far days are from the one before: with the spread of single days, and without what moves slowly."""
    return np.asarray((value - _yesterday(value)) / np.sqrt(2))


def _as_number(mask: Mask) -> FloatArray:
    return np.where(mask, 1.0, 0.0)


def _yesterday(value: FloatArray) -> FloatArray:
    return np.concatenate([np.full((len(value), 1), np.nan), value[:, :-1]], axis=1)[:, : value.shape[1]]


def _best_of_two(value: FloatArray) -> FloatArray:
    """The larger of a day's value and that of the last day before it, of three, that has one; NaN without both."""
    before = np.full(value.shape, np.nan)
    for back in (3, 2, 1):
        earlier = value[:, :-back]
        before[:, back:] = np.where(np.isfinite(earlier), earlier, before[:, back:])
    return np.asarray(np.maximum(value, before))


def judge_yield(scene: Scene) -> list[Signal]:
    """For two days more drawdown for the same flow than this well is used to, while the pump keeps to its curve."""
    days = scene.days
    pump = pump_of(scene)
    capacity = days.get(CAPACITY.name)
    usual = usual_of_good_days(capacity, newest=14, at_least=5, least_share=(1 + YIELD) / 2)
    recent = _best_of_two(capacity)
    ratio = recent / usual
    good = capacity > (1 + YIELD) / 2 * usual
    noise = past_spread(capacity, days=30, at_least=5, only=good) / usual
    limit = np.minimum(YIELD, 1 - 4 * np.nan_to_num(noise))
    # A meter that slips shows less flow for the same drawdown too, and puts the pump off its curve.
    is_meter = (pump.head.residual < -CLOGGED) & ~(pump.slips() < 0.5 * (1 - ratio))
    verdict = verdicts(present=(ratio < limit) & ~is_meter, absent=ratio > YIELD_OVER)

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

    return [Signal(Fault.YIELD_DROP, "borehole", days.day_s + READY_H * 3600, verdict, describe)]


FEATURES = (*MOMENTS, CAPACITY, METER_SHARE, STARVED_UNTIL)
DETECTORS = (
    Detector((Fault.PUMP_CLOGGED, Fault.PUMP_WEAR), "pump", ((("pump", "flow_m3_h"),),), judge_pump),
    Detector(
        (Fault.YIELD_DROP,), "borehole", ((("pump", "flow_m3_h"),), (("borehole", "water_depth_m"),)), judge_yield
    ),
)
