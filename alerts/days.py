"""What each zone's days were like: some numbers a day, from which a zone's own usual follows. Pure numpy.

Slow faults show in days, not in minutes: a leak at night, a pump that wears, panels that gather dust. A *feature* is
one number of one zone and UTC day (in Guinea the local day), computed by the family of detectors that uses it; past
days are kept in the database, so that an evaluation reads a few days of readings and not a season of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np

from alerts.model import IndexArray
from alerts.rolling import first_known
from alerts.scene import DAY_S, FloatArray, Grid, Mask, Sites

USUAL_DAYS = 28  # a zone's own past that counts as its usual
MIN_DAYS = 7
FORGETS_DAYS = 60  # without a good day; no more days are read for a live judgement
NORMAL_MAD = 1.4826  # a normal distribution's standard deviation in median absolute deviations


class DayView:
    """A grid cut into whole days: arrays are (n, d, k), k steps a day, NaN where the grid has not come to."""

    def __init__(self, grid: Grid) -> None:
        if grid.start_s % DAY_S:
            raise ValueError(f"grid: begins at {grid.start_s:.0f} s, which is no midnight")
        self.grid = grid
        self.per_day = round(DAY_S / grid.step_s)
        self.days = -(-grid.steps // self.per_day)

    @property
    def day_s(self) -> FloatArray:
        """(d,) midnights [s since 1970-01-01 UTC]."""
        return self.grid.start_s + DAY_S * np.arange(self.days, dtype=np.float64)

    @property
    def hour(self) -> FloatArray:
        """(k,) hour of the day at which each step begins."""
        return np.arange(self.per_day) * self.grid.step_s / 3600

    def between(self, from_h: float, until_h: float) -> slice:
        """The steps of a day that begin within [from_h, until_h)."""
        return slice(round(from_h * 3600 / self.grid.step_s), round(until_h * 3600 / self.grid.step_s))

    def value(self, asset: str, channel: str) -> FloatArray:
        """(n, d, k) a channel as it stood at each step (see `Grid.value`)."""
        return self.cut(self.grid.value(asset, channel))

    def raw(self, asset: str, channel: str) -> FloatArray:
        """(n, d, k) the readings themselves."""
        found = self.grid.raw.get((asset, channel))
        return self.cut(np.full(self.grid.shape, np.nan) if found is None else found)

    def cut(self, array: FloatArray) -> FloatArray:
        """(n, m) in days: (n, d, k)."""
        padded = np.full((len(array), self.days * self.per_day), np.nan)
        padded[:, : array.shape[1]] = array
        return padded.reshape(len(array), self.days, self.per_day)


class Feature(NamedTuple):
    """One number a day: `compute` gives (n, d); it is known from `ready_h` of the day on and NaN before.

    `way` numbers the ways in which zones (n, 1) measure it, by what they have; where there is but one it is None.
    """

    name: str
    ready_h: float
    compute: Callable[[DayView], FloatArray]
    way: Callable[[Sites], IndexArray] | None = None


def kept_names(sites: Sites, features: Iterable[Feature]) -> list[dict[str, str]]:
    """Under which name each zone keeps each feature: what is measured in another way is another quantity, and the days
    before a zone was given a meter (or lost it) teach nothing of those after."""
    names = [{feature.name: feature.name for feature in features} for _ in sites.sites]
    for feature in features:
        if feature.way is not None:
            for own, (way,) in zip(names, feature.way(sites), strict=True):
                own[feature.name] = f"{feature.name} ({way})" if way else feature.name
    return names


class Days:
    """Features of consecutive days: (n, d) by name."""

    def __init__(self, day_s: FloatArray, values: Mapping[str, FloatArray], zones: int) -> None:
        self.day_s, self.values, self.zones = day_s, dict(values), zones

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d)"""
        return self.zones, len(self.day_s)

    def get(self, name: str) -> FloatArray:
        """(n, d) a feature; all NaN when nobody computed it."""
        found = self.values.get(name)
        return np.full(self.shape, np.nan) if found is None else found

    def after(self, earlier: Days) -> Days:
        """These days behind earlier ones; a day that both have is taken from these."""
        first_s = self.day_s[0] if len(self.day_s) else np.inf
        keep = earlier.day_s < first_s
        kept_s = earlier.day_s[keep]
        start_s = kept_s[0] if len(kept_s) else first_s
        if not np.isfinite(start_s):
            return self
        end_s = self.day_s[-1] if len(self.day_s) else kept_s[-1]
        day_s = np.arange(start_s, end_s + 1, DAY_S)
        names = {**earlier.values, **self.values}
        values = {}
        for name in names:
            whole = np.full((self.zones, len(day_s)), np.nan)
            whole[:, np.searchsorted(day_s, kept_s)] = earlier.get(name)[:, keep]
            whole[:, np.searchsorted(day_s, self.day_s)] = self.get(name)
            values[name] = whole
        return Days(day_s, values, self.zones)

    def on(self, value: FloatArray, t_s: FloatArray) -> FloatArray:
        """A number a day (n, d) at times (m,): (n, m), NaN on days that are not here."""
        if not len(self.day_s):
            return np.full((self.zones, len(t_s)), np.nan)
        place = np.floor((t_s - self.day_s[0]) / DAY_S).astype(np.intp)
        inside = (place >= 0) & (place < len(self.day_s))
        return np.where(inside, value[:, np.clip(place, 0, len(self.day_s) - 1)], np.nan)


def days_of(grid: Grid, features: Iterable[Feature]) -> Days:
    """The features of all days that the grid touches; what is not over yet, as far as a zone was heard, is NaN."""
    view = DayView(grid)
    values = {}
    for feature in features:
        is_ready = view.day_s + feature.ready_h * 3600 <= grid.heard_until_s
        values[feature.name] = np.where(is_ready, feature.compute(view), np.nan)
    return Days(view.day_s, values, len(grid.sites))


def past_quantile(
    value: FloatArray, share: float, *, days: int = USUAL_DAYS, at_least: int = MIN_DAYS, only: Mask | None = None
) -> FloatArray:
    """For each day (n, d) a quantile of the days before it.

    Parameters
    ----------
    value : (n, d), NaN where unknown
    share : 0 to 1
    days : how far back
    at_least : with fewer known days the answer is NaN
    only : (n, d) days that may teach; default all
    """
    ordered, count = _past(value, days, only)
    return np.where(count >= at_least, _quantile(ordered, count, share), np.nan)


def past_median(
    value: FloatArray, *, days: int = USUAL_DAYS, at_least: int = MIN_DAYS, only: Mask | None = None
) -> FloatArray:
    """For each day (n, d) the median of the days before it (see `past_quantile`)."""
    return past_quantile(value, 0.5, days=days, at_least=at_least, only=only)


def past_spread(
    value: FloatArray, *, days: int = USUAL_DAYS, at_least: int = MIN_DAYS, only: Mask | None = None
) -> FloatArray:
    """For each day (n, d) how much the days before it differ: 1.4826 times their median absolute deviation."""
    ordered, count = _past(value, days, only)
    return np.where(count >= at_least, _spread(ordered, count), np.nan)


def past_of_good_days(
    value: FloatArray,
    is_off: Callable[[int, FloatArray, FloatArray], Mask],
    *,
    days: int,
    at_least: int,
    share: float = 0.5,
) -> tuple[FloatArray, FloatArray]:
    """For each day (n, d) a quantile of the last `days` good days before it, the median, and how much these differ.

    A day teaches nothing in zones (n,) in which `is_off(day, quantile, spread)`: a fault that stays must not become
    usual, or it would seem to be over. While fewer than `at_least` are known all days teach; after `FORGETS_DAYS`
    without a good one learning begins again.
    """
    usual, spread = np.full((2, *value.shape), np.nan)
    kept, silent_days = np.full((len(value), days), np.nan), np.zeros(len(value))
    for day in range(first_known(value), value.shape[1]):
        ordered, count = np.sort(kept, axis=1), np.isfinite(kept).sum(axis=1)
        usual[:, day] = np.where(count >= at_least, _quantile(ordered, count, share), np.nan)
        spread[:, day] = np.where(count >= at_least, _spread(ordered, count), np.nan)
        today = value[:, day]
        off = is_off(day, usual[:, day], spread[:, day]) & (count >= at_least)
        teaches = np.isfinite(today) & ~off
        kept = np.where(teaches[:, None], np.concatenate([kept[:, 1:], today[:, None]], axis=1), kept)
        silent_days = np.where(teaches, 0, silent_days + 1)
        kept[silent_days >= FORGETS_DAYS] = np.nan
    return usual, spread


def recent_median(value: FloatArray, days: int, *, at_least: int = 1) -> FloatArray:
    """For each day (n, d) the median of the last `days` days, this one included."""
    ordered, count = _past(np.pad(value, ((0, 0), (0, 1)), constant_values=np.nan), days, None)
    ordered, count = ordered[:, 1:], count[:, 1:]
    place = np.maximum(count - 1, 0)
    low, high = (np.take_along_axis(ordered, at[..., None], axis=-1)[..., 0] for at in (place // 2, (place + 1) // 2))
    return np.where(count >= at_least, (low + high) / 2, np.nan)


def recent_largest(value: FloatArray, days: int) -> FloatArray:
    """For each day (n, d) the largest of the last `days` days, this one included; NaN when none is known."""
    found = np.where(np.isfinite(value), value, -np.inf)
    for back in range(1, min(days, value.shape[1])):
        found[:, back:] = np.maximum(found[:, back:], np.where(np.isfinite(value), value, -np.inf)[:, :-back])
    return np.where(np.isfinite(found), found, np.nan)


def _past(value: FloatArray, days: int, only: Mask | None) -> tuple[FloatArray, IndexArray]:
    """The `days` days before each day in order of size, NaN last (n, d, days), and how many are known (n, d)."""
    taught = value if only is None else np.where(only, value, np.nan)
    ordered, begins = np.full((*value.shape, days), np.nan), first_known(taught)
    padded = np.full((len(value), days + value.shape[1] - begins), np.nan)
    padded[:, days:] = taught[:, begins:]
    windows = np.lib.stride_tricks.sliding_window_view(padded, days, axis=1)[:, : value.shape[1] - begins]
    ordered[:, begins:] = np.sort(windows, axis=-1)
    return ordered, np.isfinite(ordered).sum(axis=-1)


def _quantile(ordered: FloatArray, count: IndexArray, share: float) -> FloatArray:
    """(n, d) a quantile of the first `count` of the `ordered` values of each day; NaN where there is none."""
    place = share * np.maximum(count - 1, 0)
    low = np.floor(place).astype(np.intp)
    high = np.minimum(low + 1, np.maximum(count - 1, 0))
    below, above = (np.take_along_axis(ordered, at[..., None], axis=-1)[..., 0] for at in (low, high))
    return np.asarray(below + (above - below) * (place - low))


def _spread(ordered: FloatArray, count: IndexArray) -> FloatArray:
    """(n, d) 1.4826 times the median absolute deviation of the first `count` of the `ordered` values of each day."""
    apart = np.sort(np.abs(ordered - _quantile(ordered, count, 0.5)[..., None]), axis=-1)
    place = np.maximum(count - 1, 0) // 2
    return np.asarray(NORMAL_MAD * np.take_along_axis(apart, place[..., None], axis=-1)[..., 0])
