"""Quality of readings as they come: QARTOD's spike, rate and flat-line tests, and counters that step back.

Real-time tests look at a reading and its neighbours in time, so they run where readings arrive in order: on those
newer than all that is stored of their channel. A reading that fails is flagged suspect, never bad: bad is only what
cannot be (range, tested at admission). Limits are what the part can do at all, so that a normal day fails none of them;
what is unusual for one zone is for the detectors to say. After a start, a channel's first readings lack neighbours.

Source: U.S. IOOS QARTOD manuals, real-time tests 4 (gross range), 6 (spike), 7 (rate of change) and 8 (flat line).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.model import AssetKind, Flag, kind_of_asset
from ingest.columns import Columns
from ingest.meters import MOST_M3_H, unrolled

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

NEIGHBOUR_S = 7200.0  # readings further apart say nothing about each other
HOUR_S = 3600.0


class Limits(NamedTuple):
    """What a channel can do; NaN where the test makes no sense.

    spike : how far above or below both neighbours [unit] · rise, fall : greatest change [unit/h] ·
    flat_h : how long it may stand still [h]
    """

    spike: float = np.nan
    rise: float = np.nan
    fall: float = np.nan
    flat_h: float = np.nan


# A tower of 10 m² that a burst empties at 60 m³/h falls 6 m in an hour.
LIMITS: Mapping[tuple[AssetKind, str], Limits] = {
    **{counter: Limits(rise=most_m3_h, fall=0.0) for counter, most_m3_h in MOST_M3_H.items()},
    (AssetKind.PV, "module_temp_c"): Limits(spike=25.0, rise=600.0, fall=600.0, flat_h=12.0),
    (AssetKind.BOREHOLE, "water_depth_m"): Limits(flat_h=48.0),
    (AssetKind.TOWER, "level_m"): Limits(spike=0.6, rise=10.0, fall=10.0, flat_h=48.0),
    (AssetKind.GATEWAY, "battery_v"): Limits(spike=3.0),
    (AssetKind.GATEWAY, "temp_c"): Limits(spike=20.0, flat_h=24.0),
    (AssetKind.QUALITY, "conductivity_us_cm"): Limits(spike=500.0, flat_h=96.0),
    (AssetKind.QUALITY, "free_chlorine_mg_l"): Limits(spike=3.0),
}


class Failed(NamedTuple):
    """Which rows of a batch fail which test, and which stored readings (channel, time [µs]) turn out to be spikes."""

    tests: Mapping[str, BoolArray]
    stored_spikes: tuple[NDArray[np.int32], NDArray[np.int64]]


class QualityMemory:
    """The last two readings of each channel and since when it stands still; `test` goes on from there."""

    def __init__(self, channels: Mapping[int, tuple[str, str]], ends: Mapping[int, float] | None = None) -> None:
        """`channels`: id → (asset, name); `ends`: id → the number at which that counter begins anew."""
        size = max(channels, default=0) + 1
        self._limits = np.full((size, len(Limits._fields)), np.nan)
        for number, (asset, name) in channels.items():
            kind = kind_of_asset(asset)
            if kind is not None and (kind, name) in LIMITS:
                self._limits[number] = LIMITS[kind, name]
        self._wraps_at = np.full(size, np.nan)
        for number, end in (ends or {}).items():
            self._wraps_at[number] = end
        self._is_tested = ~np.isnan(self._limits).all(axis=1)
        self._t_s, self._value = np.full((2, size), np.nan), np.full((2, size), np.nan)  # [0] the last, [1] before it
        self._still_since_s = np.full(size, np.nan)

    def knows(self, channel: int) -> bool:
        """Whether this channel was in the registry when the memory was made."""
        return channel < len(self._is_tested)

    def test(self, rows: Columns) -> Failed:
        """Test new readings, in the order of channel and time, each newer than all before of its channel."""
        tested = np.flatnonzero(self._is_tested[rows.channel_id] & (rows.flag != Flag.BAD))
        none = np.zeros(len(rows), dtype=bool)
        if not len(tested):
            return Failed({}, (np.empty(0, np.int32), np.empty(0, np.int64)))
        channel, t_s, value = rows.channel_id[tested], rows.measured_us[tested] / 1e6, rows.value[tested]
        spike, rise, fall, flat_h = self._limits[channel].T
        begins = np.ones(len(tested), dtype=bool)
        begins[1:] = np.diff(channel) != 0
        t1_s, v1 = (
            self._before(begins, channel, t_s, self._t_s[0]),
            self._before(begins, channel, value, self._value[0]),
        )
        t2_s, v2 = self._before(begins, channel, t1_s, self._t_s[1]), self._before(begins, channel, v1, self._value[1])

        step, span_s = unrolled(value - v1, self._wraps_at[channel]), t_s - t1_s
        is_near = span_s <= NEIGHBOUR_S
        limit_up, limit_down = rise * span_s / HOUR_S, fall * span_s / HOUR_S
        is_alone = ((v1 - v2) * (v1 - value) > 0) & (np.minimum(np.abs(v1 - v2), np.abs(v1 - value)) > spike)
        is_spike_before = is_alone & is_near & (t1_s - t2_s <= NEIGHBOUR_S)
        still_since_s = self._stand_still(begins, channel, t_s, t1_s, step)

        in_batch = is_spike_before & ~begins
        before_batch = is_spike_before & begins
        found = {
            "spike": np.append(in_batch[1:], False),
            "rate": (is_near & (step > limit_up)) | (is_near & (fall > 0) & (-step > limit_down)),
            "counter": (fall == 0) & (step < 0),
            "flat": t_s - still_since_s >= flat_h * HOUR_S,
        }
        failed = {}
        for test, is_failed in found.items():
            if is_failed.any():
                failed[test] = none.copy()
                failed[test][tested[is_failed]] = True
        spikes = channel[before_batch], np.rint(t1_s[before_batch] * 1e6).astype(np.int64)
        self._remember(begins, channel, t_s, value, t1_s, v1, still_since_s)
        return Failed(failed, spikes)

    def _before(
        self, begins: BoolArray, channel: NDArray[np.int32], column: FloatArray, remembered: FloatArray
    ) -> FloatArray:
        found = np.roll(column, 1)
        found[begins] = remembered[channel[begins]]
        return found

    def _stand_still(
        self, begins: BoolArray, channel: NDArray[np.int32], t_s: FloatArray, t1_s: FloatArray, step: FloatArray
    ) -> FloatArray:
        """Since when each row's channel has had its value."""
        moves = step != 0  # also without a reading before
        since_s = np.where(moves, t_s, np.nan)
        goes_on = begins & ~moves
        remembered = self._still_since_s[channel[goes_on]]
        since_s[goes_on] = np.where(np.isnan(remembered), t1_s[goes_on], remembered)
        starts = np.maximum.accumulate(np.where(np.isnan(since_s), 0, np.arange(len(since_s))))
        return since_s[starts]

    def _remember(
        self, begins: BoolArray, channel: NDArray[np.int32], t_s: FloatArray, value: FloatArray, t1_s: FloatArray,
        v1: FloatArray, still_since_s: FloatArray,
    ) -> None:  # fmt: skip
        last = np.append(begins[1:], True)
        at = channel[last]
        self._t_s[0][at], self._value[0][at] = t_s[last], value[last]
        self._t_s[1][at], self._value[1][at] = t1_s[last], v1[last]
        self._still_since_s[at] = still_since_s[last]
