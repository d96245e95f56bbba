"""What pump, borehole and panels are worth, from some days of one zone's readings. Pure numpy on the detectors' grid.

The working points and the line of the pump's own curve are those by which `alerts` judges wear, so that a page never
says other than an alert does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alerts.days import DayView
from alerts.detectors import wear
from alerts.detectors.pv import DUSTY_SHARE
from alerts.residual import Moments
from alerts.scene import Channel, Grid
from alerts.states import drawn_power_w, has_room, is_running
from web.measures import Line, Ratio, line_of_medians, performance_ratio, starting_sun, wire_to_water

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

DEPTH: Channel = ("borehole", "water_depth_m")
CHANNELS: tuple[Channel, ...] = (
    ("pv", "irradiance_w_m2"), ("pv", "power_w"), ("pump", "power_w"), ("pump", "flow_m3_h"), ("pump", "speed_rpm"),
    ("pump", "state_code"), ("tower", "level_m"), DEPTH,
)  # fmt: skip
TOP_SHARE = 0.95  # of the largest power of these days: the pump is the limit, not the sun
NOON_H = 12.75  # of the sun, UTC, in the Fouta Djallon
RISING_W_M2 = (100.0, 700.0)  # where flow still follows the sun
LEAST_POINTS = 30
STARTS_SHARE = 0.05  # of rated flow
STEADY_SHARE = 0.3  # of rated flow, from which efficiency says anything
REST_FROM_H, REST_UNTIL_H = 3.0, 6.0


class PumpCurve(NamedTuple):
    """head = full_m s² + bend Q² at the share s of full speed [m, m/(m³/h)²]; bend is negative."""

    full_m: float
    bend: float

    def head_m(self, flow_m3_h: FloatArray, speed_share: float) -> FloatArray:
        """The head at a flow."""
        return np.asarray(self.full_m * speed_share**2 + self.bend * flow_m3_h**2)


@dataclass(frozen=True, slots=True)
class Look:
    """One period of one zone; arrays are (m,), one for each step of five minutes, NaN where unknown.

    `is_limited`: the float may have stopped the pump, or it is at its top, so the sun explains nothing. `flow_at`,
    `head_at`: the working points of a pump that runs evenly. `is_head_assumed`: nobody measures the well, its plate
    stands for it.
    """

    t_s: FloatArray
    sun_w_m2: FloatArray
    power_w: FloatArray
    flow_m3_h: FloatArray
    is_limited: Mask
    is_morning: Mask
    running: FloatArray
    flow_at: FloatArray
    head_at: FloatArray
    power_line: Line | None
    flow_line: Line | None
    starting_w_m2: float
    curve: PumpCurve | None
    efficiency: float
    rest_depth_m: float
    drawdown_m: float
    capacity_m3_h_m: float
    performance: Ratio | None
    performance_by_day: tuple[Ratio | None, ...]
    is_head_assumed: bool
    known_share: float

    @property
    def middle_point(self) -> tuple[float, float] | None:
        """Median flow and head of the working points."""
        known = np.isfinite(self.flow_at) & np.isfinite(self.head_at)
        if not known.any():
            return None
        return float(np.median(self.flow_at[known])), float(np.median(self.head_at[known]))


def look_at(grid: Grid) -> Look:
    """Look at the one zone of this grid, which begins at a midnight."""
    is_assumed = not np.isfinite(grid.value(*DEPTH)).any()
    if is_assumed:
        grid = _with_depth_of_plate(grid)
    sites = grid.sites
    sun, flow = grid.value("pv", "irradiance_w_m2")[0], grid.value("pump", "flow_m3_h")[0]
    power = drawn_power_w(grid)[0]
    rated_flow = float(sites.rating("pump", "rated_flow_m3_h")[0, 0])
    room = has_room(grid)[0]
    is_limited = ~room | (power >= TOP_SHARE * _top(power))
    flow_at, head_at = _working_points(grid)
    free, rising = ~is_limited, (sun >= RISING_W_M2[0]) & (sun <= RISING_W_M2[1])
    runs = is_running(grid)[0]
    lifting = rising & free & (flow > wear.LEAST_FLOW_SHARE * rated_flow)
    depth = grid.value(*DEPTH)[0]
    rest_m = _median(depth[(grid.hour >= REST_FROM_H) & (grid.hour < REST_UNTIL_H)])
    good = flow_at > STEADY_SHARE * rated_flow
    array_w, peak_w = _array_power_w(grid), float(sites.rating("pv", "peak_w")[0, 0])
    days = [slice(first, first + grid.hours(24)) for first in range(0, grid.steps, grid.hours(24))]
    return Look(
        t_s=grid.t_s,
        sun_w_m2=sun,
        power_w=power,
        flow_m3_h=flow,
        is_limited=is_limited,
        is_morning=grid.hour < NOON_H,
        running=np.where(np.isfinite(power), runs.astype(np.float64), np.nan),
        flow_at=flow_at,
        head_at=head_at,
        power_line=line_of_medians(sun[rising & free & runs], power[rising & free & runs]),
        flow_line=line_of_medians(sun[lifting], flow[lifting]),
        starting_w_m2=starting_sun(sun, flow, room, least_m3_h=STARTS_SHARE * rated_flow),
        curve=_own_curve(grid),
        efficiency=_median(wire_to_water(flow_at[good], head_at[good], power[good])),
        rest_depth_m=rest_m,
        drawdown_m=float("nan") if is_assumed else _median(depth[good]) - rest_m,
        capacity_m3_h_m=float("nan") if is_assumed else _median(wear.specific_capacity(DayView(grid))[0]),
        performance=performance_ratio(array_w, sun, room, peak_w=peak_w),
        performance_by_day=tuple(performance_ratio(array_w[day], sun[day], room[day], peak_w=peak_w) for day in days),
        is_head_assumed=is_assumed,
        known_share=float((np.isfinite(sun) & np.isfinite(power))[_light(grid)].mean()) if _light(grid).any() else 0.0,
    )


def _light(grid: Grid) -> Mask:
    return np.asarray(grid.sun_deg[0] > 0)


def _working_points(grid: Grid) -> tuple[FloatArray, FloatArray]:
    """Flow and head where the pump runs evenly."""
    found = wear.points(grid)
    speed = 1 / np.sqrt(found.speed[0])
    rated_flow = grid.sites.rating("pump", "rated_flow_m3_h")[0]
    return found.flow[0] * speed * rated_flow, np.where(np.isfinite(speed), wear.lift_m(grid)[0], np.nan)


def _own_curve(grid: Grid) -> PumpCurve | None:
    """The pump's own curve by the affinity laws, as `alerts` learns it; None with few points, or one that rises."""
    found = wear.points(grid)
    rows = np.stack([found.flow_2[0], found.head[0]], axis=-1)
    moments = Moments.of(rows)
    if moments.count < LEAST_POINTS:
        return None
    line = moments.prediction(1)
    head_m = float(grid.sites.rating("pump", "rated_head_m")[0, 0])
    flow = float(grid.sites.rating("pump", "rated_flow_m3_h")[0, 0])
    bend = float(line.slopes[0]) * head_m / flow**2
    return PumpCurve(float(line.offset) * head_m, bend) if bend < 0 else None


def _array_power_w(grid: Grid) -> FloatArray:
    """What the array gives; where it has no meter of its own, what the pump draws: it feeds nothing else."""
    own = grid.value("pv", "power_w")[0]
    return np.asarray(np.where(np.isfinite(own), own, drawn_power_w(grid)[0]))


def _with_depth_of_plate(grid: Grid) -> Grid:
    """The same with the depth that the zone file promises at each flow."""
    sites, flow = grid.sites, grid.value("pump", "flow_m3_h")
    depth = sites.rating("borehole", "static_water_depth_m") + np.maximum(flow, 0.0) / sites.rating(
        "borehole", "specific_capacity_m3_h_m"
    )
    raw: Mapping[Channel, FloatArray] = {**grid.raw, DEPTH: depth}
    return replace(grid, raw=raw, _cache={})


def _top(value: FloatArray) -> float:
    """The largest but for a few wild ones."""
    known = value[np.isfinite(value)]
    return float(np.quantile(known, 0.98)) if len(known) else float("nan")


def _median(value: FloatArray) -> float:
    known = value[np.isfinite(value)]
    return float(np.median(known)) if len(known) else float("nan")


class Suspicion(NamedTuple):
    """A possible cause: how much speaks for it (0 to 1, None: cannot be told) and the numbers that do."""

    cause: str
    weight: float | None
    now: float
    before: float


# A departure that counts in full: twice that at which `alerts` opens an alert. A rest level has none: a season moves it
# by some metres.
FULL_LOSS = {"wear": 2 * wear.WORN, "well": 2 * (1 - wear.YIELD), "dirt": 2 * (1 - DUSTY_SHARE), "water_table": 5.0}


def suspicions(now: Look, reference: Look) -> list[Suspicion]:
    """What the period differs in from the reference, the gravest first; evidence, never a verdict."""
    flow = now.middle_point
    curves = now.curve, reference.curve
    if flow is None or curves[0] is None or curves[1] is None:
        heads = float("nan"), float("nan")
    else:
        heads = (float(curves[0].head_m(np.array(flow[0]), 1.0)), float(curves[1].head_m(np.array(flow[0]), 1.0)))
    ratios = [float("nan") if one is None else one.value for one in (now.performance, reference.performance)]
    found = [
        Suspicion("wear", _lost(*heads, FULL_LOSS["wear"]), *heads),
        Suspicion(
            "well", _lost(now.capacity_m3_h_m, reference.capacity_m3_h_m, FULL_LOSS["well"]),
            now.capacity_m3_h_m, reference.capacity_m3_h_m,
        ),
        Suspicion("dirt", _lost(ratios[0], ratios[1], FULL_LOSS["dirt"]), ratios[0], ratios[1]),
        Suspicion(
            "water_table", _clipped((now.rest_depth_m - reference.rest_depth_m) / FULL_LOSS["water_table"]),
            now.rest_depth_m, reference.rest_depth_m,
        ),
    ]  # fmt: skip
    return sorted(found, key=lambda one: 1.0 if one.weight is None else -one.weight)


def _lost(now: float, before: float, full: float) -> float | None:
    return _clipped((1 - now / before) / full) if before > 0 else None


def _clipped(weight: float) -> float | None:
    return float(min(1.0, max(0.0, weight))) if np.isfinite(weight) else None
