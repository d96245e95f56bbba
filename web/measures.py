"""What readings say about pump, panels, tower and service. Pure numpy; the formulas of the plots, with their traps.

What is not known is NaN and stays it: no formula integrates over a gap, and a full tower is never held against the
pump.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alerts.states import RUNNING_SHARE

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

KWH_PER_M3_M = 0.002725  # 1000 kg x 9.81 m/s² x 1 m in kWh: no pump lifts a cubic metre for less
STANDARD_W_M2 = 1000.0
SUNNY_W_M2 = 300.0  # DASHBOARD §1.2 plot 7
GOOD_SUN_W_M2 = 350.0  # DETECTION §2: at more than that a sound pump runs
FULL_SHARE = 0.95  # of the full level: the float has stopped the pump, or is about to
OVERFLOW_SHARE, LOW_SHARE, EMPTY_SHARE = 0.98, 0.20, 0.05  # DASHBOARD §1.2 plot 5
SERVICE_FROM_H, SERVICE_UNTIL_H = 6, 20
DAY_H, WEEK_D = 24, 7
NIGHT_H = (0, 3)  # hours between whose means the level falls by what flows while people sleep
LEAST_M3 = 0.5  # lifted in a time whose specific energy says anything
PUMPS_SHARE = 0.3  # of rated flow
BIN_W_M2 = 25.0
LEAST_IN_BIN, LEAST_BINS = 3, 4


class Line(NamedTuple):
    """y = offset + slope x, known from `low` to `high` of x only: nothing is said beyond."""

    offset: float
    slope: float
    low: float
    high: float

    def at(self, x: float) -> float:
        """The line's value, NaN beyond where it is known."""
        return self.offset + self.slope * x if self.low <= x <= self.high else float("nan")


class Ratio(NamedTuple):
    """A ratio and the share of the time that it rests on."""

    value: float
    used_share: float


def line_of_medians(x: FloatArray, y: FloatArray, *, width: float = BIN_W_M2) -> Line | None:
    """The straight line through the medians of y in steps of x.

    Medians keep a passing cloud or a stray reading from turning the line, and each step counts alike, however many
    readings the noon gave. None with fewer than four steps of three readings, or a line that does not rise.
    """
    known = np.isfinite(x) & np.isfinite(y)
    place = np.floor(x[known] / width).astype(np.int64)
    middles = [
        (float(np.median(x[known][place == one])), float(np.median(y[known][place == one])))
        for one in np.unique(place)
        if (place == one).sum() >= LEAST_IN_BIN
    ]
    if len(middles) < LEAST_BINS:
        return None
    at, value = np.array(middles).T
    slope, offset = np.polyfit(at, value, 1)
    return Line(float(offset), float(slope), float(at[0]), float(at[-1])) if slope > 0 else None


def starting_sun(sun_w_m2: FloatArray, flow_m3_h: FloatArray, has_room: Mask, *, least_m3_h: float) -> float:
    """G0: the median sun at which water comes and goes, between neighbouring readings; NaN when it never did.

    What a full tower starts and stops does not count. The curve of flow against sun is bent, so the zero of a straight
    line through it would be no threshold at all.
    """
    runs = flow_m3_h > least_m3_h
    known = np.isfinite(flow_m3_h) & np.isfinite(sun_w_m2) & has_room
    turns = (runs[1:] != runs[:-1]) & known[1:] & known[:-1]
    return _median((sun_w_m2[1:][turns] + sun_w_m2[:-1][turns]) / 2)


def wire_to_water(flow_m3_h: FloatArray, head_m: FloatArray, power_w: FloatArray) -> FloatArray:
    """Share of the electric power that is in the lifted water: 2.725 Q H / P."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(power_w > 0, 1000 * KWH_PER_M3_M * flow_m3_h * head_m / power_w, np.nan)


def pumped_hours(power_w: FloatArray, moved_m3: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(k,) kWh drawn and m³ lifted in each hour of which both are known, NaN in the others, from the mean power and
    what the counter moved on."""
    volume_m3 = of_whole_hours(moved_m3)
    both = np.isfinite(power_w) & np.isfinite(volume_m3)
    return np.where(both, np.maximum(power_w, 0.0) / 1000, np.nan), np.where(both, volume_m3, np.nan)


def lift_m(
    depth_m: FloatArray, flow_m3_h: FloatArray, *, rated_flow_m3_h: float, top_m: float, rated_head_m: float
) -> float:
    """How high water is lifted: from where it stands while the pump runs, by the median of such hours (k,), to the full
    level of the tower, `top_m` above ground. Without a probe it is what the pump's plate says."""
    found = _median(depth_m[flow_m3_h > PUMPS_SHARE * rated_flow_m3_h]) + top_m
    return found if np.isfinite(found) else rated_head_m


def of_whole_hours(moved_m3: FloatArray) -> FloatArray:
    """(k,) what a counter moved on in the hours of which all is known, NaN in the others.

    It must be known in the hours before and after too: else the hour may be known in part only, or water of hours of
    which nobody knows anything may be in its steps. The hour that goes on does not count.
    """
    is_counted = np.concatenate([[False], np.isfinite(moved_m3), [False]])
    return np.where(is_counted[:-2] & is_counted[1:-1] & is_counted[2:], moved_m3, np.nan)


def specific_energy_by_day(power_w: FloatArray, volume_m3: FloatArray) -> FloatArray:
    """(d,) kWh for each cubic metre of the days, from their hours as `pumped_hours` counts them.

    NaN on a day that lifted next to nothing.
    """
    energy_kwh, volume = (np.nansum(by_day(hours), axis=1) for hours in pumped_hours(power_w, volume_m3))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(volume >= LEAST_M3, energy_kwh / volume, np.nan)


def weekly_median(value: FloatArray, *, at_least: int = 3) -> FloatArray:
    """(w,) medians of days (d,), the newest seven last; days that make no whole week at the beginning are left out."""
    weeks = value[len(value) % WEEK_D :].reshape(-1, WEEK_D)
    return np.array([_median(week) if np.isfinite(week).sum() >= at_least else np.nan for week in weeks])


def performance_ratio(power_w: FloatArray, sun_w_m2: FloatArray, has_room: Mask, *, peak_w: float) -> Ratio | None:
    """Energy for the plate's power over sun for standard sun, in evenly spaced readings with sun and room in the tower.

    The raw ratio of a pump whose tower is full is low by design. None without any such reading.
    """
    sunny = np.isfinite(power_w) & (sun_w_m2 > SUNNY_W_M2)
    used = sunny & has_room
    if not used.any() or not peak_w > 0:
        return None
    ratio = (power_w[used].sum() / peak_w) / (sun_w_m2[used].sum() / STANDARD_W_M2)
    return Ratio(float(ratio), float(used.sum() / sunny.sum()))


def starts_in_hours(t_s: FloatArray, is_running: FloatArray, *, max_gap_s: float) -> NDArray[np.int64]:
    """(k,) how often the pump started in each hour in which it ran; `is_running` is 1, 0 or NaN.

    A start across a gap is none: nobody saw it.
    """
    known = np.isfinite(is_running)
    t_s, runs = t_s[known], is_running[known] > 0
    started = runs[1:] & ~runs[:-1] & (np.diff(t_s) <= max_gap_s)
    hour = np.floor(t_s / 3600).astype(np.int64)
    hours = np.unique(hour[runs])
    at = np.searchsorted(hours, hour[1:][started])
    return np.bincount(at, minlength=len(hours)).astype(np.int64)


class TowerDay(NamedTuple):
    """Hours of a day in which the tower was full, empty, and known at all."""

    full_h: float
    empty_h: float
    known_h: float


def tower_days(t_s: FloatArray, level_m: FloatArray, *, full_level_m: float, interval_s: float) -> dict[int, TowerDay]:
    """Days since 1970 → hours full and empty; each reading stands for its interval, or until the next."""
    known = np.isfinite(level_m)
    t_s, share = t_s[known], level_m[known] / full_level_m
    hours = np.minimum(np.diff(t_s, append=np.inf), interval_s) / 3600
    day = np.floor(t_s / 86_400).astype(np.int64)
    return {
        int(one): TowerDay(
            *(
                float(hours[(day == one) & where].sum())
                for where in (share >= OVERFLOW_SHARE, share <= EMPTY_SHARE, np.isfinite(share))
            )
        )
        for one in np.unique(day)
    }


def night_fall(level_m: FloatArray, *, full_level_m: float) -> FloatArray:
    """(d,) how fast the tower's level fell at night [m/h], from its hourly means (24 d,); a rise is 0.

    NaN when one of the two hours is unknown, or the tower was empty: then nothing could flow.
    """
    days = by_day(level_m)
    first, last = (days[:, hour] for hour in NIGHT_H)
    fell = (first - last) / (NIGHT_H[1] - NIGHT_H[0])
    return np.where(last > EMPTY_SHARE * full_level_m, np.maximum(fell, 0.0), np.nan)


def autonomy_days(stock_m3: FloatArray, drawn_m3: FloatArray) -> FloatArray:
    """(d,) for how many days of usual use the tower held water when the sun had gone.

    `stock_m3` and `drawn_m3` are hours (24 d,). The stock of 18:00 to 19:00 counts; usual use is the median of all
    days of which at least 20 hours are known.
    """
    evening = by_day(stock_m3)[:, 18]
    days = by_day(drawn_m3)
    enough = np.isfinite(days).sum(axis=1) >= 20
    use = _median(np.nansum(days, axis=1)[enough])
    return np.asarray(evening / use) if use > 0 else np.full(len(evening), np.nan)


def lowest_of_week(value: FloatArray) -> FloatArray:
    """(d,) the lowest of each day and the six before it, of what is known."""
    padded = np.concatenate([np.full(WEEK_D - 1, np.nan), value])
    windows = np.lib.stride_tricks.sliding_window_view(padded, WEEK_D)
    lowest = np.where(np.isfinite(windows), windows, np.inf).min(axis=1)
    return np.where(np.isfinite(lowest), lowest, np.nan)


def room_by_hour(
    lowest_level_m: FloatArray, highest_level_m: FloatArray, *, full_level_m: float, start_level_m: float
) -> Mask:
    """(k,) whether the float let the pump run all through each hour.

    A float that has stopped the pump at the full level lets it start again only below its start level, so a tower that
    is no longer full may stand for hours with a pump at rest. Nothing is known before it was first seen that low, nor
    of an hour without a level.
    """
    start_m = start_level_m if np.isfinite(start_level_m) else FULL_SHARE * full_level_m
    room = np.zeros(len(lowest_level_m), dtype=bool)
    is_free = False
    for hour, (low, high) in enumerate(zip(lowest_level_m.tolist(), highest_level_m.tolist(), strict=True)):
        is_full = high >= FULL_SHARE * full_level_m
        room[hour] = is_free and high < FULL_SHARE * full_level_m
        is_free = not is_full and (is_free or low < start_m)
    return room


def pumping_share(sun_w_m2: FloatArray, has_room: Mask, power_w: FloatArray, *, rated_w: float) -> FloatArray:
    """(d,) of the hours in which a sound pump runs (sun, and room in the tower), the share in which it ran."""
    could = (sun_w_m2 >= GOOD_SUN_W_M2) & has_room & np.isfinite(power_w)
    return _share(by_day(could), by_day(could & (power_w >= RUNNING_SHARE * rated_w)))


def service_share(lowest_level_m: FloatArray, *, full_level_m: float) -> FloatArray:
    """(d,) of the known hours between 06:00 and 20:00, the share in which the tower never was empty.

    NaN when less than half of these hours are known.
    """
    day = by_day(lowest_level_m)[:, SERVICE_FROM_H:SERVICE_UNTIL_H]
    known = np.isfinite(day)
    found = _share(known, known & (day > EMPTY_SHARE * full_level_m))
    return np.where(known.mean(axis=1) >= 0.5, found, np.nan)


def heard_share(came: FloatArray, *, due: FloatArray) -> FloatArray:
    """(d,) readings that came on each day against those that were due; silence is 0.

    NaN before the first day of which anything came: nobody was there to speak; and on days on which nothing was due.
    """
    share = np.minimum(1.0, np.nan_to_num(came) / due)
    heard = np.flatnonzero(share > 0)
    return np.where(np.arange(len(share)) >= (heard[0] if len(heard) else len(share)), share, np.nan)


def yield_m3_kwp_h(volume_m3: FloatArray, sun_w_m2: FloatArray, has_room: Mask, *, peak_w: float) -> float:
    """Water for each kilowatt of panels and hour of full sun (1 kWh/m²), over hours with room in the tower."""
    used = np.isfinite(volume_m3) & np.isfinite(sun_w_m2) & has_room
    sun_h = sun_w_m2[used].sum() / STANDARD_W_M2
    return float(volume_m3[used].sum() / (peak_w / 1000) / sun_h) if sun_h > 0 and peak_w > 0 else float("nan")


def level_of(share: float) -> int | None:
    """The calendar's level of a share: 3 from 95 %, 2 from 75 %, 1 from 5 %, 0 below; None where nobody knows."""
    if not np.isfinite(share):
        return None
    return int(np.searchsorted([0.05, 0.75, 0.95], share, side="right"))


def by_day(hours: NDArray[Any]) -> NDArray[Any]:
    """(24 d,) hours from a midnight on as (d, 24)."""
    return hours.reshape(-1, DAY_H)


def _share(of: NDArray[Any], those: NDArray[Any]) -> FloatArray:
    count = of.sum(axis=1)
    return np.where(count > 0, those.sum(axis=1) / np.maximum(count, 1), np.nan)


def _median(value: FloatArray) -> float:
    known = value[np.isfinite(value)]
    return float(np.median(known)) if len(known) else float("nan")
