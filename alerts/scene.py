"""What detectors look at: many zones on one grid of time, with the plates of their assets. Pure, no I/O.

Arrays are (n, m): zones by steps. A step holds the last good reading that was measured in it. All detectors work on all
zones at once, so the same code judges one live round, a backlog of three days and a year of history.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from alerts.rolling import held
from alerts.sun import sun_elevation_deg

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]
Channel = tuple[str, str]
"""(asset, channel)"""

STEP_S = 300.0
DAY_S = 86_400.0
SPACINGS = (1, 2, 3, 4, 6, 12)  # steps between readings that a zone may report at
LONGEST_HOLD = 13  # steps: what is older than an hour is not "now"


@dataclass(frozen=True, slots=True)
class Site:
    """One zone as detectors need it: where it is, its people, and the numbers on its plates by (asset, name)."""

    zone_id: str
    latitude: float
    longitude: float
    people: int
    ratings: Mapping[tuple[str, str], float]
    channels: frozenset[Channel]


class Sites:
    """Several zones side by side; row n of every array is zone n."""

    def __init__(self, sites: Iterable[Site]) -> None:
        self.sites: Sequence[Site] = tuple(sites)
        self.latitude = np.array([site.latitude for site in self.sites])
        self.longitude = np.array([site.longitude for site in self.sites])
        self.people = np.array([float(site.people) for site in self.sites])

    def __len__(self) -> int:
        return len(self.sites)

    @property
    def zone_ids(self) -> list[str]:
        """Their ids in order."""
        return [site.zone_id for site in self.sites]

    def rating(self, asset: str, name: str) -> FloatArray:
        """(n, 1) a number of an asset's plate, NaN where the zone file does not say it."""
        return np.array([[site.ratings.get((asset, name), np.nan)] for site in self.sites])

    def has(self, channel: Channel) -> Mask:
        """(n, 1) whether a zone has this channel by its registry."""
        return np.array([[channel in site.channels] for site in self.sites])

    @cached_property
    def taps(self) -> list[str]:
        """The taps that have a meter in any of the zones."""
        return sorted({asset for site in self.sites for asset, _ in site.channels if asset.startswith("tap-")})


@dataclass(frozen=True, slots=True)
class Grid:
    """Readings of all zones in steps of `step_s` from `start_s` on (aligned to 1970-01-01).

    Parameters
    ----------
    raw : by channel, (n, m) the last good reading of each step, NaN where none is [canonical unit]
    bad : by channel, (n, m) whether a reading of the step was flagged bad; a channel that is not there had none
    """

    sites: Sites
    start_s: float
    step_s: float
    steps: int
    raw: Mapping[Channel, FloatArray]
    bad: Mapping[Channel, Mask] = field(default_factory=dict)
    _cache: dict[object, FloatArray] = field(default_factory=dict, repr=False)

    @property
    def shape(self) -> tuple[int, int]:
        """(n, m)"""
        return len(self.sites), self.steps

    @property
    def end_s(self) -> float:
        """When the last step ends."""
        return self.start_s + self.steps * self.step_s

    @property
    def t_s(self) -> FloatArray:
        """(m,) the beginnings of the steps [s since 1970-01-01 UTC]."""
        return self.start_s + self.step_s * np.arange(self.steps, dtype=np.float64)

    @property
    def hour(self) -> FloatArray:
        """(m,) hour of the day, UTC, which is local time in Guinea."""
        return self.t_s % DAY_S / 3600

    def hours(self, hours: float) -> int:
        """How many steps so many hours are."""
        return max(1, round(hours * 3600 / self.step_s))

    def value(self, asset: str, channel: str) -> FloatArray:
        """(n, m) a channel as it stood at each step: held until the zone's next reading is overdue, then NaN."""
        key: object = (asset, channel)
        if key not in self._cache:
            raw = self.raw.get((asset, channel))
            if raw is None:
                self._cache[key] = np.full(self.shape, np.nan)
            else:
                spacing = spacing_of(raw)
                self._cache[key] = held(raw, np.minimum(spacing + np.maximum(1, spacing // 2), LONGEST_HOLD))
        return self._cache[key]

    def has(self, asset: str, channel: str) -> Mask:
        """(n, 1) whether a channel has any good reading here."""
        raw = self.raw.get((asset, channel))
        if raw is None:
            return np.zeros((len(self.sites), 1), dtype=bool)
        return np.asarray(np.isfinite(raw).any(axis=-1, keepdims=True))

    def is_bad(self, asset: str, channel: str) -> Mask:
        """(n, m) whether a reading of the step was flagged bad."""
        found = self.bad.get((asset, channel))
        return np.zeros(self.shape, dtype=bool) if found is None else found

    @property
    def sun_deg(self) -> FloatArray:
        """(n, m) height of the sun at the middle of each step [degrees]."""
        if "sun" not in self._cache:
            middle_s = self.t_s + self.step_s / 2
            self._cache["sun"] = sun_elevation_deg(
                middle_s, self.sites.latitude[:, None], self.sites.longitude[:, None]
            )
        return self._cache["sun"]

    def zones(self, rows: slice) -> Grid:
        """The same of some zones."""
        return Grid(
            Sites(self.sites.sites[rows]), self.start_s, self.step_s, self.steps,
            {key: value[rows] for key, value in self.raw.items()}, {key: mask[rows] for key, mask in self.bad.items()},
        )  # fmt: skip


def spacing_of(raw: FloatArray) -> NDArray[np.intp]:
    """(n,) steps between a channel's readings: the smallest at which more than half of them have a neighbour."""
    there = np.isfinite(raw)
    count = there.sum(axis=-1)
    found = np.full(len(raw), SPACINGS[-1])
    for spacing in reversed(SPACINGS):
        if spacing < raw.shape[-1]:
            pairs = (there[:, spacing:] & there[:, :-spacing]).sum(axis=-1)
            found[2 * pairs > count] = spacing
    return found
