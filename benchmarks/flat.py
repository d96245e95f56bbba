"""Whether a quantity that was looked at again and again stays where it is, or grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

SURE = 1.96  # standard errors: 95 of 100
MOST_ALIKE = 0.95  # a look that tells nothing new after the one before is still a look


@dataclass(frozen=True, slots=True)
class Series:
    """Looks (n,) at a quantity: when [h], what, and in which life (n,) of what is looked at.

    `allowed` is how much it may grow in an hour: a share of its median, and always `grain` (of its unit).
    """

    name: str
    unit: str
    at_h: FloatArray
    value: FloatArray
    life: NDArray[np.int64]
    share: float
    grain: float

    @property
    def allowed(self) -> float:
        """The bound of its slope [unit/h]."""
        return max(self.grain, self.share * abs(float(np.median(self.value)))) if len(self.value) else self.grain


@dataclass(frozen=True, slots=True)
class Trend:
    """A slope and how far off it may be, 95 of 100 [unit/h]; both NaN when there were too few looks."""

    slope: float
    margin: float


def after_warm_up(series: Series, warm_up_h: float) -> Series:
    """Without what was seen in the first hours of each life."""
    begin = {int(life): float(series.at_h[series.life == life].min()) for life in np.unique(series.life)}
    keep = np.array(
        [at - begin[life] >= warm_up_h for at, life in zip(series.at_h, series.life.tolist(), strict=True)], dtype=bool
    )
    return Series(
        series.name, series.unit, series.at_h[keep], series.value[keep], series.life[keep], series.share, series.grain
    )


def trend(series: Series) -> Trend:
    """The slope that all lives have in common, by least squares; each life has a level of its own.

    So what was started anew and is small again does not hide that it grows. Looks that follow each other resemble each
    other; the margin is widened by what the residuals say of that (their correlation from one to the next, as of a
    first-order process).
    """
    lives = [series.life == life for life in np.unique(series.life)]
    x, y = series.at_h.astype(float).copy(), series.value.astype(float).copy()
    for life in lives:
        x[life] -= x[life].mean()
        y[life] -= y[life].mean()
    free = len(x) - len(lives) - 1
    spread = float((x**2).sum())
    if free < 2 or spread == 0.0:
        return Trend(float("nan"), float("nan"))
    slope = float((x * y).sum()) / spread
    rest = y - slope * x
    error = float(np.sqrt((rest**2).sum() / free / spread))
    before, after = _neighbours(rest, lives)
    power = float((rest**2).sum())
    alike = min(MOST_ALIKE, max(0.0, float((before * after).sum()) / power)) if power > 0 else 0.0
    return Trend(slope, SURE * error * float(np.sqrt((1 + alike) / (1 - alike))))


def verdict(series: Series, found: Trend) -> str:
    """In a word: `flat`, `rises` (surely, and by more than is allowed), or that it cannot be told."""
    if np.isnan(found.slope):
        return "too few looks"
    if found.slope - found.margin > series.allowed:
        return "rises"
    if found.slope + found.margin <= series.allowed:
        return "flat"
    return "flat as far as can be told" if found.slope <= series.allowed else "cannot be told"


def table(found: Sequence[tuple[Series, Trend]]) -> str:
    """A line for each, for people."""
    rows = [f"{'':<34} {'median':>9} {'slope/h':>9} {'±':>8} {'bound':>7}  unit"]
    for series, one in found:
        median = float(np.median(series.value)) if len(series.value) else float("nan")
        rows.append(
            f"{series.name:<34} {median:>9.2f} {one.slope:>+9.2f} {one.margin:>8.2f} {series.allowed:>7.2f}"
            f"  {series.unit:<10} {verdict(series, one)}"
        )
    return "\n".join(rows)


def _neighbours(rest: FloatArray, lives: Sequence[NDArray[np.bool_]]) -> tuple[FloatArray, FloatArray]:
    """Residuals and those that follow them in the same life."""
    parts = [rest[life] for life in lives]
    return np.concatenate([part[:-1] for part in parts]), np.concatenate([part[1:] for part in parts])
