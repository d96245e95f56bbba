"""The box beside the pump: a battery that fades before it fails, a clock that is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from alerts.days import FORGETS_DAYS, Days, DayView, Feature, past_median, past_of_good_days
from alerts.detectors.detector import Detector, Scene, verdicts
from alerts.model import Condition, Evidence, Mask, Signal
from alerts.rolling import held, run_steps, steps_since, window_mean
from alerts.scene import DAY_S, FloatArray, Grid, spacing_of
from alerts.sun import sun_elevation_deg
from gateway.model import Fault

NIGHT_FROM_H, NIGHT_UNTIL_H = 2.0, 7.0  # before dawn a battery stands lowest
LOW_V = 11.9  # DETECTION §2, of 12 V lead; other batteries in proportion
FALLS_V = 0.35  # under its own usual, and lower from night to night
FALLING_NIGHTS = 3
SINKS_V, SPREADS = 0.25, 6.0
NIGHT_LIGHT_W_M2 = 40.0
IDLE_SHARE = 0.01  # of the panels' peak: less may be what their meter shows in the dark
DEEP_NIGHT_DEG = -8.0  # no light comes so long before dawn
LIGHT_W_M2 = 12.0
TWILIGHT_DEG = 2.5  # the sun's height at which a cell in the open sees so much
SHIFT_H = 0.4  # both ends of the day moved by this much, the same way
ON_TIME_H = 0.5 * SHIFT_H
WRONG_HOURS = 0.75  # an offset that both ends agree on, to within this


def night_battery(view: DayView) -> FloatArray:
    """(n, d) the lowest voltage before dawn, as the mean of an hour [V]: one reading is as good as its converter."""
    hourly = window_mean(view.grid.value("gateway", "battery_v"), view.grid.hours(1))
    night = view.cut(hourly)[..., view.between(NIGHT_FROM_H, NIGHT_UNTIL_H)]
    known = np.isfinite(night)
    return np.where(known.any(axis=-1), np.where(known, night, np.inf).min(axis=-1), np.nan)


NIGHT_BATTERY = Feature("night_battery_v", NIGHT_UNTIL_H, night_battery)


def nominal(usual_v: FloatArray) -> FloatArray:
    """What a battery's limits must be multiplied with, by its usual voltage: 12 V, 24 V, 48 V or one lithium cell."""
    return np.select([usual_v < 6, usual_v < 17, usual_v < 35], [0.295, 1.0, 2.0], default=4.0)


def _lowest_sound_v(low: FloatArray, usual: FloatArray) -> FloatArray:
    """How low a sound battery gets; where one lives lower than others do, its own usual counts."""
    scale = nominal(np.where(np.isfinite(usual), usual, low))
    return np.fmin(LOW_V * scale, usual - 0.15 * scale)


def judge_battery(scene: Scene) -> list[Signal]:
    """Lower before dawn than a sound battery gets, or lower each night and well under its own usual."""
    days = scene.days
    low = days.get(NIGHT_BATTERY.name)
    usual, spread = past_of_good_days(
        low, lambda day, usual, _: low[:, day] < _lowest_sound_v(low[:, day], usual), days=28, at_least=4
    )
    scale = nominal(np.where(np.isfinite(usual), usual, low))
    falls = np.ones(low.shape, dtype=bool)
    for back in range(1, FALLING_NIGHTS):
        later, earlier = np.roll(low, back - 1, axis=1), np.roll(low, back, axis=1)
        falls &= later < earlier - 0.02 * scale
        falls[:, :back] = False
    # Two nights well under what this battery's nights ever differ by; a dark week makes them differ.
    deep = usual - np.maximum(SINKS_V * scale, SPREADS * spread)
    sinks = low < deep
    sinks[:, 1:] &= low[:, :-1] < deep[:, 1:]
    sinks[:, :1] = False
    limit = LOW_V * scale
    faded, lowest_sound = usual - FALLS_V * scale, _lowest_sound_v(low, usual)
    fades, is_low = falls & (low < faded), low < lowest_sound
    told = np.select([is_low, fades, sinks], [lowest_sound, faded, deep], default=limit)
    verdict = verdicts(present=is_low | fades | sinks, absent=low > np.fmin(usual - 0.1 * scale, limit + 0.2 * scale))

    def describe(zone: int, first: int, last: int) -> Evidence:
        now, before = float(low[zone, last]), float(usual[zone, last])
        return Evidence(
            f"La batterie du boîtier tombe à {now:.1f} V avant l'aube ({before:.1f} V d'habitude).",
            f"The gateway's battery falls to {now:.1f} V before dawn ({before:.1f} V is usual).",
            {"battery_v": round(now, 2), "usual_v": round(before, 2) if np.isfinite(before) else round(now, 2)},
            {"battery_v": round(float(told[zone, last]), 2)},
            ("gateway/battery_v",),
            0.8,
        )

    return [Signal(Fault.GATEWAY_BATTERY_LOW, "gateway", days.day_s + NIGHT_UNTIL_H * 3600, verdict, describe)]


def _first_and_last_light(view: DayView) -> tuple[FloatArray, FloatArray]:
    """(n, d) hours of the day's first and last light in the irradiance, NaN where that cannot be seen."""
    sun = view.value("pv", "irradiance_w_m2")
    known = np.isfinite(sun)
    light = sun > LIGHT_W_M2
    hours = view.hour
    first = np.where(light.any(axis=-1), hours[np.argmax(light, axis=-1)], np.nan)
    last = np.where(light.any(axis=-1), hours[::-1][np.argmax(light[..., ::-1], axis=-1)], np.nan)
    # The readings just before and after must be there and dark.
    step = view.grid.step_s / 3600
    for edge, side in ((first, -1), (last, 1)):
        place = np.nan_to_num((edge / step) + 3 * side).astype(np.intp)
        inside = (place >= 0) & (place < sun.shape[-1])
        beside = np.take_along_axis(known, np.clip(place, 0, sun.shape[-1] - 1)[..., None], axis=-1)[..., 0]
        edge[~(inside & beside)] = np.nan
    return first, last


def light_shift(view: DayView) -> FloatArray:
    """(n, d) by how many hours a day's light comes later than the sun does; NaN when its two ends do not agree."""
    first, last = _first_and_last_light(view)
    rises, sets = _sun_hours(view)
    early, late = _for_sure(view, first - rises), _for_sure(view, last - sets)
    agree = np.abs(early - late) < WRONG_HOURS
    smaller = np.where(np.abs(early) < np.abs(late), early, late)
    return np.where(agree, np.where(np.sign(early) == np.sign(late), smaller, 0.0), np.nan)


def _for_sure(view: DayView, late_h: FloatArray) -> FloatArray:
    """(n, d) how late light came or went for sure [h]: it did so at any time since the reading before."""
    sun = view.grid.raw.get(("pv", "irradiance_w_m2"))
    unseen_h = 0.0 if sun is None else (spacing_of(sun)[:, None] - 1) * view.grid.step_s / 3600
    return np.where(late_h > 0, np.maximum(late_h - unseen_h, 0.0), late_h)


def _sun_hours(view: DayView) -> tuple[FloatArray, FloatArray]:
    """(n, d) hours at which the sun crosses `TWILIGHT_DEG`."""
    grid = view.grid
    t_s = (view.day_s[:, None] + view.hour * 3600).ravel()
    height = sun_elevation_deg(t_s, grid.sites.latitude[:, None], grid.sites.longitude[:, None])
    up = height.reshape(len(grid.sites), view.days, view.per_day) > TWILIGHT_DEG
    hours = view.hour
    return hours[np.argmax(up, axis=-1)], hours[::-1][np.argmax(up[..., ::-1], axis=-1)]


LIGHT_SHIFT = Feature("light_shift_h", 23.0, light_shift)


STARTS_H = 1.0  # within which a box that has started has found a network and the time
STEPPED_S = 900.0  # a clock that is put right by seconds is none of our business
COUNTS_SHARE = 0.8  # of its readings an uptime goes on by the time between them, or it counts something else
WRONG_PACKS, WRONG_FOR_S, PACKS_APART_S = 3, 900.0, 3 * 3600.0
BELIEVED_H = 72.0  # so long a step is believed while no day's light speaks for it
REMEMBERED_S = FORGETS_DAYS * DAY_S - BELIEVED_H * 3600  # of days before a step, while it is believed, all are read


def clock_steps(grid: Grid) -> FloatArray:
    """(n, m) by how much a gateway's clock was put forward (or back, negative) before a reading [s], 0 elsewhere.

    The uptime counts seconds whatever the clock says: between two readings of one run both must go on alike. After a
    restart nothing is known, and that is 0 too.
    """
    uptime_s = grid.raw.get(("gateway", "uptime_s"))
    if uptime_s is None:
        return np.zeros(grid.shape)
    place = np.arange(grid.steps)
    last = np.full(grid.shape, -1)
    last[:, 1:] = np.maximum.accumulate(np.where(np.isfinite(uptime_s), place, -1), axis=1)[:, :-1]
    at_s, up_s = _uptime_before(grid)
    before_s = np.where(last >= 0, np.take_along_axis(uptime_s, np.maximum(last, 0), axis=1), up_s)
    by_clock_s = np.where(last >= 0, (place - last) * grid.step_s, grid.t_s - at_s // grid.step_s * grid.step_s)
    apart_s = by_clock_s - (uptime_s - before_s)
    is_same_run = uptime_s > by_clock_s + 2 * grid.step_s
    agrees = is_same_run & (np.abs(apart_s) <= STEPPED_S)
    counts = agrees.sum(axis=1) >= COUNTS_SHARE * np.maximum(is_same_run.sum(axis=1), 1)
    return np.where(is_same_run & (np.abs(apart_s) > STEPPED_S) & counts[:, None], apart_s, 0.0)


def _uptime_before(grid: Grid) -> tuple[FloatArray, FloatArray]:
    """(n, 1) each: when an uptime was last read before the grid, and that uptime [s]."""
    known = np.full((len(grid.sites), 2), np.nan) if grid.uptime_before is None else grid.uptime_before
    return known[:, :1], known[:, 1:]


def has_two_times(grid: Grid) -> Mask:
    """(n, m) the clock was put forward or back within the last hour, or readings of two times stand side by side.

    A clock that goes back tells hours a second time, and each reading beside one of the first telling is a step.
    """
    return np.asarray(steps_since(clock_steps(grid) != 0) < grid.hours(1))


def restarts(grid: Grid) -> Mask:
    """(n, m) readings before which the box has started anew, by its uptime."""
    uptime_s = grid.raw.get(("gateway", "uptime_s"), np.full(grid.shape, np.nan))
    known = np.concatenate([_uptime_before(grid)[1], uptime_s], axis=1)
    known = held(known, known.shape[1])
    return np.asarray((known[:, 1:] < known[:, :-1]) & (clock_steps(grid) == 0))


class Clock(NamedTuple):
    """A gateway's clock as its steps tell it, (n, m)."""

    offset_s: FloatArray  # from where it was last right, as far as that is believed; 0 is right, or nobody knows [s]
    is_right_again: Mask  # it has stepped back, its light came on time, or the box has started anew and asked for it


def clock_of(scene: Scene) -> Clock:
    """What the steps on the grid say, and those of the days before it: each of these is one step.

    No step tells which of its two times is wrong. Right is a clock when its box starts, and after a whole day without a
    step whose light came on time. What steps away from there is believed for `BELIEVED_H`, and as long as days of late
    or early light speak for it; what comes back is right again. A step is held against those of `REMEMBERED_S` before
    it, which a live round still knows while it is believed: no half of a pair is left when the other is forgotten.
    """
    grid, days = scene.grid, scene.days
    past = days.day_s < grid.start_s
    moved_s, stepped_h, started = (days.get(one.name) for one in CLOCK_DAYS)
    steps_s = np.concatenate([np.nan_to_num(moved_s[:, past]), clock_steps(grid)], axis=1)
    is_step = np.concatenate([np.isfinite(stepped_h[:, past]), clock_steps(grid) != 0], axis=1)
    starts = np.concatenate([started[:, past] == 1, restarts(grid)], axis=1)
    at_s = np.concatenate([days.day_s[past], grid.t_s])
    of_day = days.on(np.where(np.isnan(stepped_h), np.abs(_light_moved_h(days)), np.nan), at_s - DAY_S)
    light_h = np.where(at_s % DAY_S == 0, of_day, np.nan)  # what a day without a step says at its end
    place, day_s = np.arange(len(at_s)), at_s // DAY_S * DAY_S
    right_at = np.maximum.accumulate(np.where(starts | (light_h < ON_TIME_H), place, 0), axis=1)
    stepped_at = np.maximum.accumulate(np.where(is_step, place, 0), axis=1)
    remembered = np.searchsorted(day_s, day_s - REMEMBERED_S)[stepped_at]
    total_s = np.cumsum(steps_s, axis=1)
    offset_s = total_s - np.take_along_axis(total_s - steps_s, np.maximum(right_at, remembered), axis=1)
    is_off = np.abs(offset_s) > STEPPED_S
    exactly_s = at_s + np.concatenate([3600 * np.nan_to_num(stepped_h[:, past]), np.zeros(grid.shape)], axis=1)
    spoken_s = np.maximum.accumulate(np.where(is_step | (light_h > SHIFT_H), exactly_s, -np.inf), axis=1)
    is_believed = at_s - spoken_s <= BELIEVED_H * 3600
    has_changed = np.maximum.accumulate(starts | is_step, axis=1)
    on_grid = slice(len(at_s) - grid.steps, None)
    return Clock(np.where(is_off & is_believed, offset_s, 0.0)[:, on_grid], (has_changed & ~is_off)[:, on_grid])


def _light_moved_h(days: Days) -> FloatArray:
    """(n, d) by how many hours a day's light came later than it does in this zone."""
    shift = days.get(LIGHT_SHIFT.name)
    return shift - np.nan_to_num(past_median(shift, days=21, at_least=4))


def _since_start(steps_s: FloatArray, starts: Mask) -> FloatArray:
    """(…, m) the sum of the steps since the last start, or since the beginning."""
    total = np.cumsum(steps_s, axis=-1)
    at_start = np.maximum.accumulate(np.where(starts, np.arange(starts.shape[-1]), -1), axis=-1)
    return np.where(at_start >= 0, total - np.take_along_axis(total, np.maximum(at_start, 0), axis=-1), total)


def _days_of_clock(view: DayView) -> tuple[FloatArray, Mask]:
    """(n, d, k) the clock's steps [s], and the box's starts."""
    steps_s, starts = (view.cut(value.astype(np.float64)) for value in (clock_steps(view.grid), restarts(view.grid)))
    return np.nan_to_num(steps_s), starts == 1


def _moved(view: DayView) -> FloatArray:
    """(n, d) how far the clock was moved in a day, since the box's last start in it [s]."""
    return _since_start(*_days_of_clock(view))[..., -1]


def _stepped_h(view: DayView) -> FloatArray:
    """(n, d) the hour of a day's last step; NaN without one."""
    steps_s, _ = _days_of_clock(view)
    last = view.per_day - 1 - np.argmax(steps_s[..., ::-1] != 0, axis=-1)
    return np.where((steps_s != 0).any(axis=-1), view.hour[last], np.nan)


def _started(view: DayView) -> FloatArray:
    """(n, d) 1 on a day on which the box started anew, else NaN."""
    return np.where(_days_of_clock(view)[1].any(axis=-1), 1.0, np.nan)


CLOCK_STEPPED = Feature("clock_stepped_h", 24.0, _stepped_h)
CLOCK_DAYS = (Feature("clock_moved_s", 24.0, _moved), CLOCK_STEPPED, Feature("clock_started", 24.0, _started))


def judge_clock(scene: Scene) -> list[Signal]:
    """A clock that steps while the uptime goes on; times that cannot be; or a day whose light comes too late or early.

    Uses the uptime and the irradiance, either is enough. A hill or a tree shortens one end of the day; a wrong clock
    moves both. A step after which the light comes on time has put right a clock that was wrong before.
    """
    grid, days = scene.grid, scene.days
    # A box that starts before it knows the time is in 1970 for some minutes, and no one need come for that.
    lost = np.zeros(grid.shape, dtype=bool) if grid.mistimed is None else grid.mistimed
    mistimed = lost & (run_steps(lost) > grid.hours(STARTS_H))
    at_night = _light_at_night(grid)
    stepped_s, put_right = clock_of(scene)
    moved = _light_moved_h(days)
    # A day's verdict is known at its end and holds until the next one.
    known_s = grid.t_s - LIGHT_SHIFT.ready_h * 3600
    by_day, offset_h = days.on(np.abs(moved), known_s), days.on(moved, known_s)
    verdict = verdicts(
        present=mistimed | at_night | (stepped_s != 0) | (by_day > SHIFT_H),
        absent=~at_night & ((by_day < ON_TIME_H) | (put_right & ~(by_day >= 0))),
    )

    def describe(zone: int, first: int, last: int) -> Evidence:
        span = slice(first, last + 1)
        fr, en = "Il fait jour la nuit", "There is light at night"
        values: dict[str, float | str] = {}
        hours = float(offset_h[zone, last])
        stepped_h = float(stepped_s[zone, span][np.argmax(np.abs(stepped_s[zone, span]))]) / 3600
        if mistimed[zone, span].any():
            fr, en = "Des mesures portent une date impossible", "Readings bear a date that cannot be"
        elif stepped_h:
            fr = f"L'heure a sauté de {stepped_h:+.1f} h alors que le boîtier marchait"
            en = f"The time has jumped by {stepped_h:+.1f} h while the box was running"
            values["hours"] = round(stepped_h, 2)
        elif np.abs(hours) > SHIFT_H:
            fr = f"Le jour commence et finit {abs(hours):.1f} h trop {'tard' if hours > 0 else 'tôt'}"
            en = f"The day begins and ends {abs(hours):.1f} h too {'late' if hours > 0 else 'early'}"
            values["hours"] = round(hours, 2)
        return Evidence(
            f"{fr} : l'horloge du boîtier est fausse.",
            f"{en}: the gateway's clock is wrong.",
            values,
            {"hours": SHIFT_H, "irradiance_w_m2": NIGHT_LIGHT_W_M2, "step_s": STEPPED_S},
            ("gateway/uptime_s", "pv/irradiance_w_m2"),
            0.95 if mistimed[zone, span].any() or stepped_h else 0.85,
        )

    return [Signal(Fault.CLOCK_ERROR, "gateway", grid.t_s, verdict, describe)]


class WrongPack(NamedTuple):
    """A pack that came by a wrong clock: when, by how much [s] (NaN unknown), and whether by one that was never set."""

    at_s: float
    offset_s: float
    is_unset: bool


def judge_packs(packs: Sequence[WrongPack]) -> Condition:
    """A clock that is wrong by our own, as packs come: three of them over a quarter of an hour.

    Ingestion dates their readings anew, or sets them aside; so what is stored shows nothing of it, and the detector of
    the grid is for files. A box that has just started has an hour to learn the time.
    """
    at_s, offset_s, is_unset = (np.array(column) for column in zip(*packs, strict=True))
    present = np.zeros(len(packs), dtype=bool)
    for run in np.split(np.arange(len(packs)), np.flatnonzero(np.diff(at_s) > PACKS_APART_S) + 1):
        lasts_s = STARTS_H * 3600 if is_unset[run].all() else WRONG_FOR_S
        present[run] = len(run) >= WRONG_PACKS and at_s[run[-1]] - at_s[run[0]] >= lasts_s

    def describe(first: int, last: int) -> Evidence:
        told_h = offset_s[first : last + 1][np.isfinite(offset_s[first : last + 1])] / 3600
        fr, en = "Des mesures sont mises de côté pour leur heure", "Readings are set aside for their time"
        values: dict[str, float | str] = {"packs": last + 1 - first}
        if len(told_h):
            fr, en = f"L'heure est décalée de {told_h[-1]:+.1f} h", f"The time is off by {told_h[-1]:+.1f} h"
            values["hours"] = round(float(told_h[-1]), 2)
        return Evidence(
            f"{fr} : l'horloge du boîtier est fausse.",
            f"{en}: the gateway's clock is wrong.",
            values,
            {"packs": WRONG_PACKS, "step_s": STEPPED_S},
            ("gateway/uptime_s",),
            0.95,
        )

    verdict = verdicts(present=present, absent=np.zeros(len(packs), dtype=bool))
    return Condition(Fault.CLOCK_ERROR, "gateway", at_s, verdict, describe)


def _light_at_night(grid: Grid) -> Mask:
    """(n, m) irradiance, and power of the panels where that is measured, read in the middle of the night."""
    sun, power_w = grid.value("pv", "irradiance_w_m2"), grid.value("pv", "power_w")
    bright = (sun > NIGHT_LIGHT_W_M2) & ~(power_w <= IDLE_SHARE * grid.sites.rating("pv", "peak_w"))
    raw = grid.raw.get(("pv", "irradiance_w_m2"), np.full(grid.shape, np.nan))
    read_deg = held(np.where(np.isfinite(raw), grid.sun_deg, np.nan), grid.steps)
    return bright & (read_deg < DEEP_NIGHT_DEG)


FEATURES = (NIGHT_BATTERY, LIGHT_SHIFT, *CLOCK_DAYS)
DETECTORS = (
    Detector((Fault.GATEWAY_BATTERY_LOW,), "gateway", ((("gateway", "battery_v"),),), judge_battery),
    Detector((Fault.CLOCK_ERROR,), "gateway", (), judge_clock),
)
