"""Drawings of reports: they carry their own colours, so that paper, PDF and a file on a stick show the same. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from web.charts.scale import value_ticks
from web.charts.svg import tag, text_of

INK, MUTED, LINE, WATER, PALE, BAD = "#15222b", "#50616d", "#c3ced5", "#2f7d9c", "#dcecf2", "#a9241c"
FONT = "'DejaVu Sans', Arial, sans-serif"
WIDE, HIGH, LEFT, BELOW = 700.0, 130.0, 40.0, 18.0
SQUARE, GAP = 20.0, 2.0


def daily_bars(values: Sequence[float | None], *, first: date, label: str, number: Sequence[str]) -> str:
    """One bar a day; a day of which nothing is known is a hatched place, never a bar of zero.

    `number` are the words of the axis for the ticks of `value_ticks(0, top)`, in their order.
    """
    top = top_of(values)
    slot = (WIDE - LEFT) / max(1, len(values))
    ground = HIGH - BELOW
    drawn = []
    for tick, words in zip(value_ticks(0, top), number, strict=True):
        y = ground - (ground - 6) * tick / top
        drawn.append(tag("line", x1=LEFT, x2=WIDE, y1=y, y2=y, stroke=LINE, stroke_width=0.7))
        drawn.append(_text(words, LEFT - 5, y + 3.5, anchor="end"))
    for place, value in enumerate(values):
        x, width = LEFT + slot * (place + 0.12), slot * 0.76
        if value is None:
            drawn += _hatched(x, 6.0, width, ground - 6)
        else:
            height = max(0.8, (ground - 6) * max(0.0, value) / top)
            drawn.append(tag("rect", x=x, y=ground - height, width=width, height=height, fill=WATER))
    for place, words in _days_to_name(first, len(values)):
        drawn.append(_text(words, LEFT + slot * (place + 0.5), HIGH - 4, anchor="middle"))
    return tag(
        "svg", *drawn, viewBox=f"0 0 {WIDE:g} {HIGH:g}", width="100%", role="img", aria_label=label,
        font_family=FONT, class_="report-bars",
    )  # fmt: skip


def top_of(values: Sequence[float | None]) -> float:
    """The end of the axis."""
    return max([value for value in values if value is not None], default=0.0) * 1.05 or 1.0


def day_squares(states: Sequence[str], *, first: date, label: str, across: int = 31) -> str:
    """A square a day, `across` in a row and a new row with each month.

    Filled when water came, half when at some taps, crossed when at none, a question mark when nobody knows: the shape
    says it without the colour.
    """
    rows: dict[tuple[int, int, int], int] = {}
    drawn = []
    for place, state in enumerate(states):
        on = first + timedelta(days=place)
        line, column = divmod(on.day - 1, across)
        row = rows.setdefault((on.year, on.month, line), len(rows))
        drawn.append(_square(column * (SQUARE + GAP) + 1, row * (SQUARE + GAP) + 1, state, str(on.day)))
    width, height = across * (SQUARE + GAP), max(1, len(rows)) * (SQUARE + GAP)
    return tag(
        "svg", *drawn or [""], viewBox=f"0 0 {width:g} {height:g}", width="100%", role="img", aria_label=label,
        font_family=FONT, class_="report-days",
    )  # fmt: skip


def cans(filled: float | None, *, of: int, label: str) -> str:
    """A row of cans of which so many are full; all with a question mark when nobody knows."""
    drawn = []
    for place in range(of):
        x = place * 40.0
        share = 0.0 if filled is None else min(1.0, max(0.0, filled - place))
        body = 34 * share
        drawn.append(tag("path", d=f"M{x + 10:g} 14V8H{x + 24:g}V14", fill="none", stroke=INK, stroke_width=2.5))
        if body > 0:
            drawn.append(tag("rect", x=x + 4, y=49 - body, width=28, height=body, fill=WATER))
        drawn.append(tag("rect", x=x + 3, y=14, width=30, height=36, rx=3, fill="none", stroke=INK, stroke_width=2.5))
        if filled is None:
            drawn.append(_text("?", x + 18, 40, anchor="middle", size=22))
    return tag(
        "svg", *drawn, viewBox=f"0 0 {of * 40:g} 54", width=of * 40, role="img", aria_label=label, font_family=FONT,
        class_="report-cans",
    )  # fmt: skip


def _square(x: float, y: float, state: str, day: str) -> str:
    def frame(fill: str) -> str:
        return tag("rect", x=x, y=y, width=SQUARE, height=SQUARE, fill=fill, stroke=INK, stroke_width=1)

    def inside(words: str, colour: str = INK) -> str:
        return _text(words, x + SQUARE / 2, y + 14, anchor="middle", colour=colour)

    far = SQUARE - 4
    if state == "served":
        return frame(WATER) + inside(day, "#fff")
    if state == "partly":
        half = tag("rect", x=x, y=y + SQUARE / 2, width=SQUARE, height=SQUARE / 2, fill="#9cc7d8")
        return frame("#fff") + half + inside(day)
    if state == "dry":
        cross = f"M{x + 2:g} {y + 2:g}l{far:g} {far:g}m0 {-far:g}l{-far:g} {far:g}"
        return frame("#fff") + tag("path", d=cross, stroke=BAD, stroke_width=2.5)
    return frame("#eef1f3") + inside("?")


def _hatched(x: float, y: float, width: float, height: float) -> list[str]:
    lines = "".join(f"M{x:.1f} {y + at:.1f}l{width:.1f} {-min(width, at):.1f}" for at in range(8, int(height), 8))
    return [
        tag("rect", x=x, y=y, width=width, height=height, fill="#eef1f3"),
        tag("path", d=lines or "M0 0", stroke="#93a3ae", stroke_width=0.8, fill="none"),
    ]


def _days_to_name(first: date, count: int) -> list[tuple[int, str]]:
    """Which days stand under the bars: every fifth of a month, of longer spans the first of each month."""
    days = [(place, first + timedelta(days=place)) for place in range(count)]
    if count <= 31:
        return [(place, str(on.day)) for place, on in days if on.day == 1 or on.day % 5 == 0]
    return [(place, f"{on.month:02d}") for place, on in days if on.day == 1]


def _text(words: str, x: float, y: float, *, anchor: str, size: float = 9.5, colour: str = INK) -> str:
    return tag("text", text_of(words), x=x, y=y, font_size=size, fill=colour, text_anchor=anchor)
