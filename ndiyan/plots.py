"""Figures for documents: SVG files that stand by themselves, drawn with the primitives of the pages' charts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from web.charts.scale import DAY_S, Span, time_ticks, value_ticks
from web.charts.svg import num, tag, text_of

FloatArray = NDArray[np.float64]

WIDTH, LEFT, RIGHT = 900.0, 64.0, 16.0
HEAD, PANEL, GAP, FOOT = 54.0, 108.0, 26.0, 30.0
CURVE_HEIGHT = 430.0
FEW_DOTS = 50  # drawn large enough to be seen
GREY, RED, BLUE, INK, FAINT = "#8b929b", "#c2410c", "#1d6fa5", "#22262b", "#e3e6ea"
STYLE = f"text{{font:12px system-ui,sans-serif;fill:{INK}}}.t{{font-size:15px;font-weight:600}}.f{{fill:#5b626b}}"


@dataclass(frozen=True, slots=True)
class Line:
    """Points (n,) that are joined where they are no more than `gap` apart; `is_dots` leaves them by themselves."""

    x: FloatArray
    y: FloatArray
    colour: str = BLUE
    gap: float = np.inf
    is_dots: bool = False


@dataclass(frozen=True, slots=True)
class Panel:
    """One value axis with what is drawn on it."""

    title: str
    lines: Sequence[Line]
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class Frame:
    """A rectangle with two scales."""

    left: float
    top: float
    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]

    def at_x(self, value: float) -> float:
        """Where a value lies, held within."""
        share = (value - self.x[0]) / (self.x[1] - self.x[0])
        return self.left + self.width * min(1.0, max(0.0, share))

    def at_y(self, value: float) -> float:
        """Where a value lies, held within."""
        share = (value - self.y[0]) / (self.y[1] - self.y[0])
        return self.top + self.height * (1 - min(1.0, max(0.0, share)))


@dataclass(frozen=True, slots=True)
class Legend:
    """What colours mean, in the order in which they are written."""

    words: Sequence[tuple[str, str]] = field(default_factory=tuple)


def time_figure(title: str, says: str, panels: Sequence[Panel], span: Span, legend: Legend) -> str:
    """Channels over time, one panel below the other."""
    height = HEAD + len(panels) * (PANEL + GAP) + FOOT
    parts = list(_head(title, says, legend))
    for number, panel in enumerate(panels):
        top = HEAD + number * (PANEL + GAP) + GAP / 2
        frame = Frame(
            LEFT,
            top,
            WIDTH - LEFT - RIGHT,
            PANEL,
            (span.start_s, span.end_s),
            _bounds(panel, (span.start_s, span.end_s)),
        )
        ticks = time_ticks(span)
        parts += [tag("line", x1=frame.at_x(t), x2=frame.at_x(t), y1=top, y2=top + PANEL, stroke=FAINT) for t in ticks]
        parts += list(_panel(frame, panel))
        if number == len(panels) - 1:
            parts += [
                tag(
                    "text",
                    text_of(_moment(t)),
                    x=frame.at_x(t),
                    y=top + PANEL + 18,
                    text_anchor=_anchor(span.share(t)),
                    class_="f",
                )
                for t in ticks
            ]
    return _document(height, parts)


def curve_figure(title: str, says: str, panel: Panel, *, x_title: str, x: tuple[float, float], legend: Legend) -> str:
    """One quantity over another."""
    frame = Frame(LEFT, HEAD + GAP / 2, WIDTH - LEFT - RIGHT, CURVE_HEIGHT, x, _bounds(panel, x))
    parts = list(_head(title, says, legend))
    bottom = frame.top + frame.height
    for tick in value_ticks(*x, count=8):
        at = frame.at_x(tick)
        parts.append(tag("line", x1=at, x2=at, y1=frame.top, y2=bottom, stroke=FAINT))
        parts.append(tag("text", text_of(f"{tick:g}"), x=at, y=bottom + 18, text_anchor="middle", class_="f"))
    parts += list(_panel(frame, panel))
    parts.append(tag("text", text_of(x_title), x=WIDTH - RIGHT, y=bottom + 36, text_anchor="end", class_="f"))
    return _document(bottom + 50, parts)


def _document(height: float, parts: Sequence[str]) -> str:
    background = tag("rect", width=WIDTH, height=height, fill="#ffffff")
    style = f"<style>{STYLE}</style>"
    drawn = tag(
        "svg", style, background, *parts, xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {num(WIDTH)} {num(height)}",
        width=WIDTH, height=height,
    )  # fmt: skip
    return drawn + "\n"


def _head(title: str, says: str, legend: Legend) -> Iterator[str]:
    yield tag("text", text_of(title), x=LEFT, y=22, class_="t")
    yield tag("text", text_of(says), x=LEFT, y=42, class_="f")
    at = WIDTH - RIGHT
    for word, colour in reversed(legend.words):
        at -= 8.0 * len(word) + 4
        yield tag("text", text_of(word), x=at, y=22)
        yield tag("line", x1=at - 24, x2=at - 6, y1=18, y2=18, stroke=colour, stroke_width=2.5)
        at -= 40


def _panel(frame: Frame, panel: Panel) -> Iterator[str]:
    right, bottom = frame.left + frame.width, frame.top + frame.height
    for tick in value_ticks(*frame.y):
        at = frame.at_y(tick)
        yield tag("line", x1=frame.left, x2=right, y1=at, y2=at, stroke=FAINT)
        yield tag("text", text_of(f"{tick:g}"), x=frame.left - 8, y=at + 4, text_anchor="end", class_="f")
    yield tag("line", x1=frame.left, x2=right, y1=bottom, y2=bottom, stroke=GREY)
    for line in panel.lines:
        yield from _curve(frame, line)
    yield tag("text", text_of(panel.title), x=frame.left + 4, y=frame.top - 4)


def _curve(frame: Frame, line: Line) -> Iterator[str]:
    keep = np.isfinite(line.y) & (line.x >= frame.x[0]) & (line.x <= frame.x[1])
    x, y = line.x[keep], line.y[keep]
    places = [(frame.at_x(a), frame.at_y(b)) for a, b in zip(x.tolist(), y.tolist(), strict=True)]
    if line.is_dots:
        drawn = "".join(f"M{num(a)} {num(b)}h0" for a, b in places)
        size = 8 if len(places) <= FEW_DOTS else 3
        yield tag("path", d=drawn or "M0 0", stroke=line.colour, stroke_width=size, stroke_linecap="round", fill="none")
        return
    steps = np.diff(x)  # a clock that is set back begins a new curve
    breaks = [0, *(np.flatnonzero((steps > line.gap) | (steps < 0)) + 1).tolist(), len(places)]
    for start, end in pairwise(breaks):
        if start < end:
            drawn = "L".join(f"{num(a)} {num(b)}" for a, b in places[start:end])
            yield tag("path", d=f"M{drawn}", stroke=line.colour, stroke_width=1.5, fill="none")


def _bounds(panel: Panel, x: tuple[float, float]) -> tuple[float, float]:
    """The panel's own bounds, or those of what is shown of its values, with a little room."""
    shown = [line.y[np.isfinite(line.y) & (line.x >= x[0]) & (line.x <= x[1])] for line in panel.lines]
    values = np.concatenate(shown or [np.zeros(0)])
    least, most = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    room = 0.06 * (most - least) or 0.5
    low = least - room if panel.low is None else panel.low
    high = most + room if panel.high is None else panel.high
    return low, high if high > low else low + 1.0


def _anchor(share: float) -> str:
    return "end" if share > 0.97 else "middle"


def _moment(t_s: float) -> str:
    moment = datetime.fromtimestamp(t_s, UTC)
    return f"{moment:%d.%m.}" if t_s % DAY_S == 0 else f"{moment:%H:%M}"
