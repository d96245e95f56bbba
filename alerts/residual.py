"""What a channel should read, given the others: ridge regression on known-good data of the place. Pure numpy.

Every channel is predicted from the others, the difference is smoothed, and its limit comes from the good data alone
(DETECTION §1). Nothing here knows pumps: rows are seconds of a test bench or days of a zone, channels are whatever was
measured. Means and covariances (`Moments`) are all that is kept of the good data, and they add up: a year of days is
pooled from one small record a day.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alerts.rolling import first_known

FloatArray = NDArray[np.float64]
Mask = NDArray[np.bool_]

RIDGE = 0.01  # of a channel's variance: enough to keep two channels that say the same from fighting
OFF_SHARE = 0.7  # of the limit, below which a fault counts as over
RECOVERED_SHARE = 0.1  # of the worst of an alarm, which then is over
ON_AFTER, OFF_AFTER = 3, 10  # rows
FOLLOWS = 0.002  # of a row's residual becomes usual: half within 350 rows


@dataclass(frozen=True, slots=True)
class Moments:
    """How many rows there were, and the means and covariances of their channels.

    count (…), mean (…, k), covariance (…, k, k); leading axes are zones, days or nothing at all.
    """

    count: FloatArray
    mean: FloatArray
    covariance: FloatArray

    @classmethod
    def of(cls, rows: FloatArray) -> Moments:
        """The moments of rows (…, r, k); a row with a NaN counts as none, and without any the moments are zero."""
        there: Mask = np.asarray(np.isfinite(rows).all(axis=-1))
        count = there.sum(axis=-1).astype(np.float64)
        least = np.maximum(count, 1.0)[..., None]
        mean = np.where(there[..., None], rows, 0.0).sum(axis=-2) / least
        off = np.where(there[..., None], rows - mean[..., None, :], 0.0)
        return cls(count, mean, np.swapaxes(off, -1, -2) @ off / least[..., None])

    @classmethod
    def pooled(cls, parts: Moments) -> Moments:
        """One piece of time out of many: (…, parts, k) into (…, k), each part with the weight of its count."""
        count = parts.count.sum(axis=-1)
        weight = (parts.count / np.maximum(count, 1.0)[..., None])[..., None]
        mean = (weight * np.where(weight > 0, parts.mean, 0.0)).sum(axis=-2)
        off = np.where(weight > 0, parts.mean - mean[..., None, :], 0.0)
        within = np.where(weight[..., None] > 0, parts.covariance, 0.0)
        between = off[..., :, None] * off[..., None, :]
        return cls(count, mean, (weight[..., None] * (within + between)).sum(axis=-3))

    def prediction(self, target: int, *, ridge: float = RIDGE) -> Prediction:
        """The best guess of channel number `target` from the others."""
        others = [channel for channel in range(self.mean.shape[-1]) if channel != target]
        spread = np.sqrt(np.maximum(np.diagonal(self.covariance, axis1=-2, axis2=-1), 0.0))
        scale = np.where(spread > 0, spread, 1.0)
        correlation = self.covariance / (scale[..., :, None] * scale[..., None, :])
        between = correlation[..., others, :][..., :, others] + ridge * np.eye(len(others))
        weight = np.linalg.solve(between, correlation[..., others, target][..., None])[..., 0]
        slopes = weight * scale[..., target, None] / scale[..., others]
        offset = self.mean[..., target] - (slopes * self.mean[..., others]).sum(axis=-1)
        return Prediction(target, tuple(others), offset, slopes)


@dataclass(frozen=True, slots=True)
class Prediction:
    """offset (…) and slopes (…, k - 1): target = offset + Σ slope x other, linear in the channels."""

    target: int
    others: tuple[int, ...]
    offset: FloatArray
    slopes: FloatArray

    def residual(self, rows: FloatArray) -> FloatArray:
        """What channel `target` of rows (…, k) reads more than predicted, in its own unit."""
        guess = self.offset + (self.slopes * rows[..., list(self.others)]).sum(axis=-1)
        return np.asarray(rows[..., self.target] - guess)


@dataclass(frozen=True, slots=True)
class PastModel:
    """What each zone's own good days before each day predict; arrays (n, d), NaN while the past is too short.

    `residual` is how much the target of the day's mean is more than predicted.
    """

    offset: FloatArray
    slope: FloatArray
    residual: FloatArray

    def of(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """The residual of other values of the same days (n, d)."""
        return np.asarray(y - self.offset - self.slope * x)


def models_of_past(
    relations: Iterable[Moments], forgives: Iterable[float], *, days: int, lately: int, at_least: int, least_rows: int
) -> list[PastModel]:
    """Predict each day's second channel from its first, by the zone's own good days before it, in several relations.

    A day teaches when it has rows enough and no relation is further off than `forgives`: what is wrong does not become
    usual. When nothing has taught for `days`, as after a new pump, learning begins again.

    Parameters
    ----------
    relations : moments of two channels, (n, d, 2)
    forgives : for each relation the largest residual of a day that teaches
    days : how far back
    lately : days before each that do not teach when older ones can, lest what creeps in becomes usual
    at_least : days that must have taught
    least_rows : of a day that counts
    """
    moments, bounds = list(relations), list(forgives)
    enough = np.stack([one.count >= least_rows for one in moments])
    models = [PastModel(*(np.full(one.count.shape, np.nan) for _ in range(3))) for one in moments]
    teaches: Mask = np.asarray(enough.any(axis=0))
    for day in range(teaches.shape[1]):
        past = slice(max(0, day - days), day)
        for one, model, bound, there in zip(moments, models, bounds, enough, strict=True):
            usable = teaches[:, past] & there[:, past]
            older = usable & (np.arange(usable.shape[1]) < usable.shape[1] - lately)
            usable = np.where(older.sum(axis=1, keepdims=True) >= at_least, older, usable)
            known = usable.sum(axis=1) >= at_least
            if not known.any():
                continue
            weight = np.where(usable, one.count[:, past], 0.0)
            prediction = Moments.pooled(Moments(weight, one.mean[:, past], one.covariance[:, past])).prediction(1)
            model.offset[:, day] = np.where(known, prediction.offset, np.nan)
            model.slope[:, day] = np.where(known, prediction.slopes[:, 0], np.nan)
            today = np.where(known & there[:, day], prediction.residual(one.mean[:, day]), np.nan)
            model.residual[:, day] = today
            teaches[:, day] &= ~(np.abs(today) > bound)
    return models


def usual_of_good_days(
    value: FloatArray, *, newest: int, at_least: int, least_share: float, forgets_days: int = 60
) -> FloatArray:
    """For each day (n, d) the median of the `newest` good days before it; NaN while there are fewer than `at_least`.

    A day that is below `least_share` of its usual teaches nothing, so that a fault that stays does not become usual.
    After `forgets_days` without a good day, learning begins again.
    """
    zones, days = value.shape
    usual, kept = np.full(value.shape, np.nan), np.full((zones, newest), np.nan)
    silent_days = np.zeros(zones)
    for day in range(first_known(value), days):
        usual[:, day] = _middle(kept, at_least)
        today = value[:, day]
        teaches = np.isfinite(today) & ~(today < least_share * usual[:, day])
        kept = np.where(teaches[:, None], np.concatenate([kept[:, 1:], today[:, None]], axis=1), kept)
        silent_days = np.where(teaches, 0, silent_days + 1)
        kept[silent_days >= forgets_days] = np.nan
    return usual


def _middle(value: FloatArray, at_least: int) -> FloatArray:
    """The median of each row (n, k), NaN where fewer than `at_least` are known."""
    ordered, count = np.sort(value, axis=1), np.isfinite(value).sum(axis=1)
    last = np.maximum(count - 1, 0)[:, None]
    middle = np.take_along_axis(ordered, last // 2, axis=1) + np.take_along_axis(ordered, (last + 1) // 2, axis=1)
    return np.where(count >= at_least, middle[:, 0] / 2, np.nan)


def smoothed(value: FloatArray, rows: float) -> FloatArray:
    """Exponentially weighted mean down the first axis of (m, …), from zero, with the memory of so many rows.

    The weight of the newest row is 2 / (rows + 1). NaN changes nothing.

    Source: S. W. Roberts, Technometrics 1 (1959) 239.
    """
    newest = 2.0 / (rows + 1.0)
    found, now = np.empty_like(value), np.zeros(value.shape[1:])
    for row, fresh in enumerate(value):
        now = np.where(np.isfinite(fresh), now + newest * (fresh - now), now)
        found[row] = now
    return found


@dataclass(frozen=True, slots=True)
class ResidualModel:
    """Each channel of one place from the others, and how far each is usually off.

    noise (k,) standard deviation of a residual in good rows, smoothed_noise (k,) of the same after `smoothed`, in
    units of noise.
    """

    predictions: tuple[Prediction, ...]
    noise: FloatArray
    smoothed_noise: FloatArray
    memory_rows: float

    @classmethod
    def learn(cls, good: FloatArray, *, memory_rows: float, ridge: float = RIDGE) -> ResidualModel:
        """Learn from good rows (r, k), in order of time.

        Raises
        ------
        ValueError : fewer rows than twice the memory, which would leave nothing to learn the noise from
        """
        if len(good) < 2 * memory_rows:
            raise ValueError(f"good: {len(good)} rows are fewer than twice the memory of {memory_rows:g}")
        moments = Moments.of(good)
        predictions = tuple(moments.prediction(target, ridge=ridge) for target in range(good.shape[-1]))
        residual = _residuals(predictions, good)
        noise = _spread(residual)
        settled = smoothed(residual / noise, memory_rows)[round(memory_rows) :]
        return cls(predictions, noise, _spread(settled), memory_rows)

    def alarms(self, rows: FloatArray, limit: float) -> Mask:
        """(m,) whether something is wrong in rows (m, k) in order of time, as known at each row.

        The residuals are smoothed; the channel that is furthest off, in units of its usual, counts. An alarm begins
        after `ON_AFTER` rows above `limit` and ends after `OFF_AFTER` below `OFF_SHARE` of it, or when nearly all of
        what was wrong is gone: a repaired place is never quite as it was, and what is left is its new usual. Without an
        alarm the usual follows slowly what the season does.
        """
        residual = _residuals(self.predictions, rows) / self.noise
        newest = 2.0 / (self.memory_rows + 1.0)
        usual, now = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
        found = np.zeros(len(rows), dtype=bool)
        is_on, run, worst = False, 0, 0.0
        for row, fresh in enumerate(residual):
            known = np.where(np.isfinite(fresh), fresh - usual, now)
            now = now + newest * (known - now)
            score = float(np.max(np.abs(now) / self.smoothed_noise))
            if not is_on and score < OFF_SHARE * limit:
                usual = usual + FOLLOWS * known
            worst = max(worst, score) if is_on else score
            turns = score < max(OFF_SHARE * limit, RECOVERED_SHARE * worst) if is_on else score > limit
            run = run + 1 if turns else 0
            if run >= (OFF_AFTER if is_on else ON_AFTER):
                is_on, run = not is_on, 0
                if not is_on and score >= OFF_SHARE * limit:
                    usual, now = usual + now, np.zeros_like(now)
            found[row] = is_on
        return found


def _residuals(predictions: Iterable[Prediction], rows: FloatArray) -> FloatArray:
    return np.stack([prediction.residual(rows) for prediction in predictions], axis=-1)


def _spread(value: FloatArray) -> FloatArray:
    """Standard deviation down the first axis; 1 where nothing varies."""
    found = np.nanstd(value, axis=0)
    return np.where(found > 0, found, 1.0)
