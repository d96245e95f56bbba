"""What happened and when: one lane a kind of event, aligned with the panels above it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from web.charts.frame import GUTTER_PX
from web.charts.scale import Span, time_ticks
from web.charts.svg import link, tag, text_of

LANE_PX, BAR_PX, LEAST_PX = 26, 12, 2
MISSING = "missing"  # the kind of a span of which nobody knows


@dataclass(frozen=True, slots=True)
class LaneSpan:
    """Something that lasted, [s since 1970-01-01 UTC]; `kind` is its CSS class, `share` its part of a bar's height.

    What has an `href` leads there; the keyboard finds the same links in the list beside the drawing.
    """

    start_s: float
    end_s: float
    kind: str
    title: str
    href: str | None = None
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class LaneMark:
    """Something that happened at one moment [s]."""

    t_s: float
    kind: str
    title: str
    href: str | None = None


@dataclass(frozen=True, slots=True)
class Lane:
    """One row: its name and what stands on it."""

    name: str
    spans: Sequence[LaneSpan] = ()
    marks: Sequence[LaneMark] = ()


def event_lanes(lanes: Sequence[Lane], *, span: Span, label: str) -> str:
    """Draw lanes one under the other; what lies outside of the span is left out, what crosses its edge is cut."""
    height = LANE_PX * len(lanes)
    names, drawn = [], []
    for t in time_ticks(span):
        x = f"{100 * span.share(t):.2f}%"
        drawn.append(tag("line", x1=x, x2=x, y1=0, y2=height, class_="grid"))
    for row, lane in enumerate(lanes):
        middle = LANE_PX * row + LANE_PX / 2
        names.append(tag("text", text_of(lane.name), x=GUTTER_PX - 6, y=middle + 4, class_="tick", text_anchor="end"))
        drawn.append(tag("line", x1="0", x2="100%", y1=middle, y2=middle, class_="rail"))
        drawn += [_bar(piece, middle, span) for piece in lane.spans if _touches(piece, span)]
        drawn += [_mark(mark, middle, span) for mark in lane.marks if span.start_s <= mark.t_s <= span.end_s]
    left = tag("svg", *names, class_="axis", width=GUTTER_PX, height=height, aria_hidden="true")
    hrefs = [one.href for lane in lanes for one in lane.spans] + [one.href for lane in lanes for one in lane.marks]
    role = "group" if any(hrefs) else "img"  # a picture may hold no links
    right = tag("svg", *drawn, class_="panel", width="100%", height=height, role=role, aria_label=label)
    return f'<div class="plot">{left}{right}</div>'


def _touches(piece: LaneSpan, span: Span) -> bool:
    return piece.end_s >= span.start_s and piece.start_s <= span.end_s


def _bar(piece: LaneSpan, middle: float, span: Span) -> str:
    start, end = span.share(piece.start_s), span.share(piece.end_s)
    height = max(LEAST_PX, BAR_PX * piece.share)
    bar = tag(
        "rect", tag("title", text_of(piece.title)), x=f"{100 * start:.2f}%", y=middle + BAR_PX / 2 - height,
        width=f"{max(0.3, 100 * (end - start)):.2f}%", height=height, rx=2, class_=f"piece {piece.kind}",
        fill="url(#hatch)" if piece.kind == MISSING else None,
    )  # fmt: skip
    return link(bar, piece.href, piece.title)


def _mark(mark: LaneMark, middle: float, span: Span) -> str:
    circle = tag(
        "circle", tag("title", text_of(mark.title)), cx=f"{100 * span.share(mark.t_s):.2f}%", cy=middle, r=4,
        class_=f"mark {mark.kind}",
    )  # fmt: skip
    return link(circle, mark.href, mark.title)
