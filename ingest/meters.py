"""What a counter moved on between two readings: the one rule for volumes (the database has it too: `counted_step`).

A counter that is known to roll over (`wraps_at`) has gone past its end when it came back smaller and not more than a
quarter of its range is missing. Any other step back is a meter that was set, exchanged or misread, and counts as
nothing. So does a step further than the pipe carries in the time between (`most_per_h`): a new meter seldom begins at
the number of the old one.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gateway.model import AssetKind

FloatArray = NDArray[np.float64]

ROLLS_WITHIN = 4  # a roll-over leaves at most this part of the range out
LEAST_SPAN_H = 1.0  # a counter that tells whole cubic metres moves by one at once
MOST_M3_H: Mapping[tuple[AssetKind, str], float] = {  # what its pipe carries: a tap gives 2, a borehole pump here 20
    (AssetKind.PUMP, "volume_m3"): 200.0,
    (AssetKind.TOWER, "outflow_volume_m3"): 200.0,
    (AssetKind.TAP, "volume_m3"): 20.0,
}


def unrolled(step: FloatArray, wraps_at: FloatArray) -> FloatArray:
    """Steps of counters, those that went past their end as what they moved on."""
    with np.errstate(invalid="ignore"):
        has_rolled_over = (step < 0) & (step + wraps_at <= wraps_at / ROLLS_WITHIN)
    return np.where(has_rolled_over, step + wraps_at, step)


def told_steps(step: FloatArray, span_s: FloatArray, wraps_at: FloatArray, most_per_h: FloatArray) -> FloatArray:
    """What counters moved on, NaN where that cannot be told.

    Parameters (arrays that broadcast)
    ----------
    step : this reading less the one before, NaN without one [unit]
    span_s : the time between the two [s]
    wraps_at : the number at which each counter begins anew, NaN for one that is not known to [unit]
    most_per_h : what its pipe carries at all, NaN for no bound [unit/h]
    """
    moved = unrolled(step, wraps_at)
    with np.errstate(invalid="ignore"):
        is_too_far = moved > most_per_h * np.maximum(span_s / 3600, LEAST_SPAN_H)
        return np.where((moved >= 0) & ~is_too_far, moved, np.nan)


def counted_steps(step: FloatArray, span_s: FloatArray, wraps_at: FloatArray, most_per_h: FloatArray) -> FloatArray:
    """What counters moved on, as `told_steps`; nothing where that cannot be told. So volumes are added up."""
    return np.nan_to_num(told_steps(step, span_s, wraps_at, most_per_h))
