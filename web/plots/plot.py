"""What every plot brings to its page, and how its axes are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from web.charts.frame import PLOT_PX, Axis
from web.charts.scale import round_up, value_ticks
from web.language import Texts

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Key:
    """One line of a legend: the CSS class of its sign, and what it stands for."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawing with all that must stand beside it.

    `coverage` says on how much data it rests, `reference` what it is held against and from when that is, `notes` what
    is measured and what assumed. `head` and `rows` are the table, already written; `behind` is where the rows lie that
    it was made of.
    """

    key: str
    title: str
    unit: str
    question: str
    drawing: Markup
    sentence: str
    coverage: str
    reference: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    behind: str
    legend: Sequence[Key] = ()
    notes: Sequence[str] = ()


def axis_to(top: float, texts: Texts, *, height_px: float = PLOT_PX, low: float = 0.0) -> Axis:
    """An axis up to the next round number above `top`, with as many decimals as its ticks need."""
    high = round_up(top) if np.isfinite(top) and top > low else low + 1.0
    ticks = value_ticks(low, high)
    step = ticks[1] - ticks[0] if len(ticks) > 1 else high
    decimals = int(np.clip(np.ceil(-np.log10(step) - 1e-9), 0, 3))
    return Axis(low, high, lambda value: texts.number(value, decimals), height_px)


def highest(*columns: FloatArray) -> float:
    """The largest of all that is known; 0 without any."""
    return max((float(np.nanmax(column)) for column in columns if np.isfinite(column).any()), default=0.0)


def said(value: float, texts: Texts, unit: str, decimals: int) -> str:
    """A number of a table or sentence; what is not known is said, never zero."""
    return texts.quantity(None if not np.isfinite(value) else float(value), unit, decimals)


def change_of(now: float, before: float, texts: Texts) -> str:
    """How much more or less, as a signed percentage; nothing when either is unknown."""
    if not (np.isfinite(now) and np.isfinite(before)) or before == 0:
        return ""
    return texts.signed(now / before - 1)


def drawn(text: str) -> Markup:
    """Our own charts escape their texts."""
    return Markup(text)  # noqa: S704 - our own chart
