"""A channel over time: a line or an area over a value axis, with bands; gaps stay gaps.

The drawing stretches with the page while its writing keeps its size: curves lie in a nested `svg` that is
stretched, all else stands outside of it in pixels and percentages. Panels of one page that share a `Span` align.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from web.charts.frame import AXIS_PX, EDGE_PX, GUTTER_PX, PLOT_PX, Axis, value_axis
from web.charts.scale import Span, time_ticks, value_ticks
from web.charts.svg import num, tag, text_of

FloatArray = NDArray[np.float64]

WIDTH, HEIGHT = 1000.0, 100.0  # of the stretched drawing
DIAMOND = "M0-6L6 0L0 6L-6 0z"  # around its place [px]


@dataclass(frozen=True, slots=True)
class Other:
    """A second curve to compare with, on the same span and axis: what was expected, another period, another zone."""

    t_s: FloatArray
    value: FloatArray
    max_gap_s: float
    kind: str = "reference"


@dataclass(frozen=True, slots=True)
class Spot:
    """One value that the channel did not send, on its axis; `kind` is the CSS class of its sign, `title` says it."""

    t_s: float
    value: float
    kind: str
    title: str


@dataclass(frozen=True, slots=True)
class Band:
    """A range of values with a meaning; `kind` is its CSS class (`overflow`, `low`, `empty`)."""

    low: float
    high: float
    kind: str


def series_panel(
    t_s: FloatArray,
    value: FloatArray,
    *,
    span: Span,
    axis: Axis,
    max_gap_s: float,
    label: str,
    no_data: str,
    bands: Sequence[Band] = (),
    is_area: bool = False,
    others: Sequence[Other] = (),
    spots: Sequence[Spot] = (),
) -> str:
    """Draw one channel, over `others` to compare it with and under `spots`; gaps are hatched where the channel itself
    has none.

    Parameters
    ----------
    t_s, value : (n,) strictly increasing times [s] and values in the channel's unit, NaN where missing
    max_gap_s : points further apart than this are not joined; the time between is hatched
    label : the sentence that stands for the picture where it cannot be seen
    no_data : what is written when there is no point at all
    """
    keep = np.isfinite(value)
    t_s, value = t_s[keep], value[keep]
    segments = list(_segments(t_s, max_gap_s))
    behind = [
        tag("rect", x="0", y=axis.px(band.high), width="100%", height=axis.px(band.low) - axis.px(band.high),
            class_=f"band {band.kind}")
        for band in bands
    ] + [
        tag("rect", x=f"{100 * start:.2f}%", y=EDGE_PX, width=f"{100 * (end - start):.2f}%",
            height=PLOT_PX - 2 * EDGE_PX, fill="url(#hatch)")
        for start, end in _gaps(t_s, segments, span, max_gap_s)
    ]  # fmt: skip
    curves: list[str] = []
    for other in others:
        known = np.isfinite(other.value)
        curves += _drawn(other.t_s[known], other.value[known], span, axis, other.max_gap_s, kind=f" {other.kind}")
    curves += _drawn(t_s, value, span, axis, max_gap_s, is_area=is_area)
    grid = [
        tag("line", x1="0", x2="100%", y1=axis.px(tick), y2=axis.px(tick), class_="grid")
        for tick in value_ticks(axis.low, axis.high)
    ] + [
        tag("line", x1=_percent(span, t), x2=_percent(span, t), y1=0, y2=PLOT_PX, class_="grid")
        for t in time_ticks(span)
    ]
    drawing = tag(
        "svg", *curves or [""], x="0", y=EDGE_PX, width="100%", height=PLOT_PX - 2 * EDGE_PX,
        viewBox=f"0 0 {num(WIDTH)} {num(HEIGHT)}", preserveAspectRatio="none",
    )  # fmt: skip
    note = [] if len(t_s) else [
        tag("text", text_of(no_data), x="50%", y=PLOT_PX / 2 + 4, class_="nothing", text_anchor="middle")
    ]  # fmt: skip
    plot = tag(
        "svg",
        *behind,
        *grid,
        drawing,
        *note,
        *(_spot(spot, span, axis) for spot in spots),
        class_="panel",
        width="100%",
        height=PLOT_PX,
        role="img",
        aria_label=label,
    )
    return f'<div class="plot">{value_axis(axis)}{plot}</div>'


def time_axis(span: Span, write: Callable[[float], str]) -> str:
    """The labels under the last of several aligned panels; `write` names an instant [s]."""
    labels = [
        tag(
            "text", text_of(write(t)), x=_percent(span, t), y=AXIS_PX - 7,
            class_="tick minor" if place % 2 else "tick", text_anchor=_anchor(span.share(t)),
        )
        for place, t in enumerate(time_ticks(span))
    ]  # fmt: skip
    left = tag("svg", class_="axis", width=GUTTER_PX, height=AXIS_PX, aria_hidden="true")
    right = tag("svg", *labels or [""], class_="panel", width="100%", height=AXIS_PX, aria_hidden="true")
    return f'<div class="plot">{left}{right}</div>'


def _drawn(
    t_s: FloatArray, value: FloatArray, span: Span, axis: Axis, max_gap_s: float, *, is_area: bool = False,
    kind: str = "",
) -> list[str]:  # fmt: skip
    """The pieces of a curve between its gaps."""
    drawn: list[str] = []
    for part in _segments(t_s, max_gap_s):
        points = [(WIDTH * span.share(t), _y(axis, v)) for t, v in zip(t_s[part], value[part], strict=True)]
        drawn += _curve(points, is_area, kind)
    return drawn


def _curve(points: list[tuple[float, float]], is_area: bool, kind: str) -> list[str]:
    if len(points) == 1:
        x, y = points[0]
        return [tag("path", d=f"M{num(x)} {num(y)}h0", class_=f"dot{kind}")]
    line = "L".join(f"{num(x)} {num(y)}" for x, y in points)
    drawn = [tag("path", d=f"M{line}", class_=f"line{kind}")]
    if is_area:
        first, last = num(points[0][0]), num(points[-1][0])
        drawn.insert(0, tag("path", d=f"M{first} {num(HEIGHT)}L{line}L{last} {num(HEIGHT)}z", class_="area"))
    return drawn


def _spot(spot: Spot, span: Span, axis: Axis) -> str:
    sign = tag("path", tag("title", text_of(spot.title)), d=DIAMOND, class_=spot.kind)
    return tag("svg", sign, x=_percent(span, spot.t_s), y=axis.px(spot.value), class_="spot")


def _segments(t_s: FloatArray, max_gap_s: float) -> Iterator[slice]:
    if not len(t_s):
        return
    breaks = [0, *(np.flatnonzero(np.diff(t_s) > max_gap_s) + 1).tolist(), len(t_s)]
    for start, end in pairwise(breaks):
        yield slice(start, end)


def _gaps(t_s: FloatArray, segments: list[slice], span: Span, max_gap_s: float) -> Iterator[tuple[float, float]]:
    """Start and end, as shares of the span, of each time without points: between segments and at both ends."""
    edges = [span.start_s]
    for part in segments:
        edges += [float(t_s[part.start]), float(t_s[part.stop - 1])]
    edges.append(span.end_s)
    for start, end in zip(edges[::2], edges[1::2], strict=True):
        if end - start > max_gap_s:
            yield span.share(start), span.share(end)


def _y(axis: Axis, value: float) -> float:
    return HEIGHT * (1 - axis.share(value))


def _percent(span: Span, t_s: float) -> str:
    return f"{100 * span.share(t_s):.2f}%"


def _anchor(share: float) -> str:
    return "start" if share < 0.04 else "end" if share > 0.96 else "middle"
