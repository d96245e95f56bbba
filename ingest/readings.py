"""What other packages may ask about readings; `PgReadings` (readings_pg) answers from PostgreSQL.

Times of arrays are seconds since 1970-01-01 UTC as float64; values are in the channel's canonical unit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from gateway.model import Flag

FloatArray = NDArray[np.float64]
FlagArray = NDArray[np.int16]


@dataclass(frozen=True, slots=True)
class ZoneRow:
    """A zone of the registry."""

    zone_id: str
    name: str
    commune: str
    latitude: float
    longitude: float
    altitude_m: float
    is_fictional: bool
    people: int
    counted_in: int
    gnf_per_20_l: int | None
    gateway_id: str


@dataclass(frozen=True, slots=True)
class AssetRow:
    """One part of a zone with its ratings (names bear their units)."""

    zone_id: str
    asset_id: str
    kind: str
    interval_s: float
    rating: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """A channel of the registry; `added_at` is None when it came with its zone, `retired_at` while it is active."""

    channel_id: int
    zone_id: str
    asset_id: str
    name: str
    unit: str
    is_counter: bool
    interval_s: float
    wraps_at: float | None = None  # as in `ingest.meters`
    most_per_h: float | None = None
    added_at: datetime | None = None
    retired_at: datetime | None = None

    def due_s(self, start: datetime, end: datetime) -> float:
        """For how long within [start, end) it belonged to its zone, and readings of it were due [s]."""
        since, until = max(start, self.added_at or start), min(end, self.retired_at or end)
        return max(0.0, (until - since).total_seconds())


@dataclass(frozen=True, slots=True)
class LatestRow:
    """The newest reading of a channel by measured time."""

    channel: ChannelRow
    measured_at: datetime
    received_at: datetime
    value: float
    flag: int


@dataclass(frozen=True, slots=True)
class Series:
    """Readings of one channel in the order of measured time, raw or by intervals.

    Raw: `t_s` (n,) measured times, `value` the readings, `n` all ones, `minimum` and `maximum` equal `value`.
    By intervals: `t_s` the intervals' beginnings; `value` their mean (for a counter the last reading) and `n` their
    count, over good readings alone. Intervals without any are absent: a gap stays a gap.
    """

    t_s: FloatArray
    value: FloatArray
    minimum: FloatArray
    maximum: FloatArray
    n: NDArray[np.int64]
    flag: FlagArray

    def without_bad(self) -> Series:
        """A raw series without what is flagged bad; one by intervals is made of good readings as it is."""
        good = self.flag != Flag.BAD
        return Series(
            self.t_s[good], self.value[good], self.minimum[good], self.maximum[good], self.n[good], self.flag[good]
        )


Window = Mapping[tuple[str, str], Series]
"""(asset, channel) -> its raw series within a window; a channel without readings has an empty series."""


class ReadingStore(Protocol):
    """Questions about zones and their readings."""

    def zones(self) -> list[ZoneRow]:
        """All zones, by id."""
        ...

    def assets(self, zone_id: str) -> list[AssetRow]:
        """The assets of one zone, by id; empty when the zone is unknown."""
        ...

    def channels(self, zone: str | Sequence[str] | None = None, *, with_retired: bool = False) -> list[ChannelRow]:
        """The active channels of one zone, of some, or of all; also those that only have a past, if asked for."""
        ...

    def latest(self, zone_id: str | None = None) -> list[LatestRow]:
        """The newest reading of each channel that has one, in whatever order."""
        ...

    def series(self, channel_id: int, start: datetime, end: datetime, *, resolution: timedelta | None = None) -> Series:
        """Readings measured in [start, end), raw or by intervals of `resolution` aligned to 1970-01-01.

        Intervals that begin before `start` and end behind it are counted whole.
        """
        ...

    def matrix(self, channel_ids: Sequence[int], start: datetime, end: datetime, step: timedelta) -> FloatArray:
        """(channels, steps): the last good reading of each channel in each step of [start, end), NaN where none is."""
        ...

    def window(
        self, zone_id: str, start: datetime, end: datetime, *, only: Sequence[tuple[str, str]] | None = None
    ) -> Window:
        """All channels of a zone (or `only` these) within [start, end), raw."""
        ...

    def flagged_bad(self, channel_ids: Sequence[int], start: datetime, end: datetime) -> list[tuple[int, float]]:
        """Channel and measured time [s] of each reading flagged bad within [start, end)."""
        ...
