"""Trailing windows over the last axis of arrays (…, m): what was so until each step. Pure numpy, NaN means missing."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]


def held(value: FloatArray, steps: NDArray[np.intp] | int) -> FloatArray:
    """Each gap filled with the value before it for up to `steps` (a number, or one for each row); longer gaps end."""
    place = np.arange(value.shape[-1])
    newest = np.maximum.accumulate(np.where(np.isfinite(value), place, -1), axis=-1)
    limit = np.asarray(steps)[..., None] if np.ndim(steps) else steps
    found = np.take_along_axis(value, np.maximum(newest, 0), axis=-1)
    return np.where((newest >= 0) & (place - newest <= limit), found, np.nan)


def first_known(value: FloatArray) -> int:
    """The first step at which any of the rows (n, m) is known; m when none ever is."""
    known: Mask = np.asarray((~np.isnan(value)).any(axis=0))
    return int(known.argmax()) if known.any() else len(known)


def window_sum(value: FloatArray | Mask, steps: int) -> FloatArray:
    """Sum of the `steps` values that end at each step; NaN counts as nothing, and so does what is before the first."""
    total = np.cumsum(np.nan_to_num(np.asarray(value, dtype=np.float64)), axis=-1)
    before = np.zeros_like(total)
    before[..., steps:] = total[..., :-steps] if steps < total.shape[-1] else 0.0
    return np.asarray(total - before)


def window_mean(value: FloatArray, steps: int, *, at_least: int = 1) -> FloatArray:
    """Mean of the values that are there of the `steps` that end at each step; NaN where fewer than `at_least` are."""
    count = window_sum(np.isfinite(value), steps)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count >= at_least, window_sum(value, steps) / count, np.nan)


def window_max(value: FloatArray, steps: int) -> FloatArray:
    """Largest of the `steps` values that end at each step, by doubling; NaN where none is there."""
    found = np.where(np.isfinite(value), value, -np.inf)
    done = 1
    while done < steps:
        shift = min(done, steps - done)
        later = found.copy()
        later[..., shift:] = np.maximum(found[..., shift:], found[..., :-shift])
        found, done = later, done + shift
    return np.where(np.isfinite(found), found, np.nan)


def window_min(value: FloatArray, steps: int) -> FloatArray:
    """Smallest of the `steps` values that end at each step; NaN where none is there."""
    return -window_max(-value, steps)


def run_steps(holds: Mask) -> NDArray[np.intp]:
    """For how many steps without a break `holds` has held, this one included; 0 where it does not."""
    place = np.arange(1, holds.shape[-1] + 1)
    broken = np.maximum.accumulate(np.where(holds, 0, place), axis=-1)
    return np.where(holds, place - broken, 0)


def steps_held(holds: Mask, *, since: Mask) -> NDArray[np.intp]:
    """In how many steps `holds` has held after the last in which `since` did, with or without breaks between them."""
    total = np.cumsum(holds, axis=-1)
    return np.asarray(total - np.maximum.accumulate(np.where(since, total, 0), axis=-1))


def highest_since(reset: Mask, value: FloatArray) -> FloatArray:
    """Largest `value` since the last step in which `reset` held, that step included.

    Before the first reset it is infinite, because nobody knows what was before. NaN counts as nothing seen.
    """
    segment = np.cumsum(reset, axis=-1)
    filled = np.where(np.isfinite(value), value, -1e6)
    lift = segment * 1e9
    highest = np.maximum.accumulate(filled + lift, axis=-1) - lift
    return np.where(segment == 0, np.inf, highest)


def steps_since(event: Mask) -> FloatArray:
    """How many steps ago `event` last held, 0 in such a step; infinite before the first."""
    place = np.arange(event.shape[-1], dtype=np.float64)
    last = np.maximum.accumulate(np.where(event, place, -np.inf), axis=-1)
    return np.asarray(place - last)


def steps_before(value: FloatArray) -> FloatArray:
    """How many steps before each step (…, m) its last earlier reading was, 1 or more; infinite without any."""
    last = np.full(value.shape, -np.inf)
    place = np.arange(value.shape[-1], dtype=np.float64)
    last[..., 1:] = np.maximum.accumulate(np.where(np.isfinite(value), place, -np.inf), axis=-1)[..., :-1]
    return np.asarray(place - last)


def slope_with_error(value: FloatArray, step_h: float) -> tuple[FloatArray, FloatArray]:
    """Least-squares slope of each row (…, m) over its own time, and its standard error [per hour].

    NaN with fewer than three values. The error takes what is left over the line as a walk, not as noise around it: of a
    sum (of what was drawn, of what leaked) each error stays in all later values. A walk of variance s² an hour has a
    slope of variance 6/5 s²/T over T hours and leaves s² T/15 over its line, so the error is sqrt(18) times what is
    left over T.
    """
    t_h = np.arange(value.shape[-1]) * step_h
    there = np.isfinite(value)
    count = there.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_t = (there * t_h).sum(axis=-1) / count
        mean_v = np.nansum(value, axis=-1) / count
        off_t = np.where(there, t_h - mean_t[..., None], 0.0)
        off_v = np.where(there, value - mean_v[..., None], 0.0)
        slope = (off_t * off_v).sum(axis=-1) / (off_t**2).sum(axis=-1)
        left = np.sqrt(((off_v - slope[..., None] * off_t) ** 2).sum(axis=-1) / (count - 2))
        error = np.sqrt(18.0) * left / (count * step_h)
    enough = count >= 3
    return np.where(enough, slope, np.nan), np.where(enough, error, np.nan)
