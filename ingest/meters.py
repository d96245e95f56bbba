"""What a counter moved on between two readings: the one rule for volumes (the database has it too, migration 0040).

A counter that is known to roll over (`wraps_at`) has gone past its end when it came back smaller and not more than a
quarter of its range is missing. Any other step back is a meter that was set, exchanged or misread, and counts as
nothing. So does a step further than the pipe carries in the time between (`most_per_h`): a new meter seldom begins at
the number of the old one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

ROLLS_WITHIN = 4  # a roll-over leaves at most this part of the range out
LEAST_SPAN_H = 1.0  # a counter that tells whole cubic metres moves by one at once


def unrolled(step: FloatArray, wraps_at: FloatArray) -> FloatArray:
    """(n,) steps of counters, those that went past their end as what they moved on."""
    with np.errstate(invalid="ignore"):
        has_rolled_over = (step < 0) & (step + wraps_at <= wraps_at / ROLLS_WITHIN)
    return np.where(has_rolled_over, step + wraps_at, step)


def counted_steps(step: FloatArray, span_s: FloatArray, wraps_at: FloatArray, most_per_h: FloatArray) -> FloatArray:
    """(n,) what counters moved on, 0 where that cannot be told.

    Parameters
    ----------
    step : this reading less the one before, NaN without one [unit]
    span_s : the time between the two [s]
    wraps_at : the number at which each counter begins anew, NaN for one that is not known to [unit]
    most_per_h : what its pipe carries at all, NaN for no bound [unit/h]
    """
    moved = unrolled(step, wraps_at)
    with np.errstate(invalid="ignore"):
        is_too_far = moved > most_per_h * np.maximum(span_s / 3600, LEAST_SPAN_H)
        return np.where((moved > 0) & ~is_too_far, moved, 0.0)
