"""One number per zone on one scale, sorted as given: who is the odd one out?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from web.charts.frame import AXIS_PX, Axis
from web.charts.scale import value_ticks
from web.charts.svg import tag, text_of

ROW_PX = 34  # as the list of names beside it has them


@dataclass(frozen=True, slots=True)
class DotRow:
    """A zone: its name, where it leads, its value (None without data) and its own value of the time before."""

    name: str
    href: str
    value: float | None
    before: float | None
    title: str


def dot_plot(rows: Sequence[DotRow], *, axis: Axis, middle: float | None, label: str, no_data: str) -> str:
    """A dot a row, a ring for what the same zone had before, and a line at the middle of all."""
    height = ROW_PX * len(rows)
    ticks = value_ticks(axis.low, axis.high)
    drawn = [tag("line", x1=_x(axis, tick), x2=_x(axis, tick), y1=0, y2=height, class_="grid") for tick in ticks]
    if middle is not None:
        drawn.append(tag("line", x1=_x(axis, middle), x2=_x(axis, middle), y1=0, y2=height, class_="expected"))
    for place, row in enumerate(rows):
        drawn += _row(row, axis, ROW_PX * place + ROW_PX / 2, no_data)
    names = "".join(f"<li>{tag('a', text_of(row.name), href=row.href)}</li>" for row in rows)
    plot = tag("svg", *drawn, class_="panel", width="100%", height=height, role="img", aria_label=label)
    labels = [
        tag("text", text_of(axis.write(tick)), x=_x(axis, tick), y=AXIS_PX - 7,
            class_="tick minor" if place % 2 else "tick",
            text_anchor=_anchor(axis, tick))
        for place, tick in enumerate(ticks)
    ]  # fmt: skip
    below = tag("svg", *labels, class_="panel", width="100%", height=AXIS_PX, aria_hidden="true")
    return f'<div class="plot named"><ul>{names}</ul>{plot}</div><div class="plot named"><span></span>{below}</div>'


def _row(row: DotRow, axis: Axis, y: float, no_data: str) -> list[str]:
    if row.value is None:
        return [
            tag("rect", x="0", y=y - 7, width="100%", height=14, fill="url(#hatch)"),
            tag("text", text_of(no_data), x="50%", y=y + 5, class_="nothing", text_anchor="middle"),
        ]
    found = [tag("line", x1="0", x2=_x(axis, row.value), y1=y, y2=y, class_="rail")]
    if row.before is not None:
        found.append(tag("circle", cx=_x(axis, row.before), cy=y, r=5, class_="ring"))
    found.append(tag("circle", tag("title", text_of(row.title)), cx=_x(axis, row.value), cy=y, r=6, class_="dot-mark"))
    return found


def _x(axis: Axis, value: float) -> str:
    return f"{100 * axis.share(value):.2f}%"


def _anchor(axis: Axis, value: float) -> str:
    share = axis.share(value)
    return "start" if share < 0.04 else "end" if share > 0.96 else "middle"
