"""Two quantities against each other: dots, and the lines that were expected of them. Nothing is time here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from web.charts.frame import AXIS_PX, EDGE_PX, GUTTER_PX, Axis, value_axis
from web.charts.scale import value_ticks
from web.charts.svg import num, tag, text_of

FloatArray = NDArray[np.float64]

WIDTH, HEIGHT = 1000.0, 1000.0  # of the stretched drawing
TALL_PX = 240.0


@dataclass(frozen=True, slots=True)
class Dots:
    """Points of one kind, its CSS class; x and y (n,), those with a NaN or outside of the axes are left out."""

    x: FloatArray
    y: FloatArray
    kind: str


@dataclass(frozen=True, slots=True)
class Curve:
    """A line through points in order, x and y (n,); `name` stands at its first (0) or last (-1) point inside."""

    x: FloatArray
    y: FloatArray
    kind: str
    name: str = ""
    name_at: int = -1


def plane_panel(
    x_axis: Axis, y_axis: Axis, *, dots: Sequence[Dots], curves: Sequence[Curve] = (), x_name: str, label: str,
    no_data: str,
) -> str:  # fmt: skip
    """Dots over curves; the first kinds of dots lie under the later ones.

    `label` is the sentence that stands for the picture, `no_data` what is written when there is no dot at all.
    """
    height = y_axis.height_px
    grid = [
        tag("line", x1="0", x2="100%", y1=y_axis.px(tick), y2=y_axis.px(tick), class_="grid")
        for tick in value_ticks(y_axis.low, y_axis.high)
    ] + [
        tag("line", x1=_percent(x_axis, tick), x2=_percent(x_axis, tick), y1=0, y2=height, class_="grid")
        for tick in value_ticks(x_axis.low, x_axis.high)
    ]
    inside = [(one, *_inside(x_axis, y_axis, one.x, one.y)) for one in dots]
    drawn = [_path(x_axis, y_axis, curve) for curve in curves]
    drawn += [_cloud(x_axis, y_axis, x, y, one.kind) for one, x, y in inside if len(x)]
    names = [_name(x_axis, y_axis, curve) for curve in curves if curve.name]
    if not any(len(x) for _, x, _ in inside):
        names.append(tag("text", text_of(no_data), x="50%", y=height / 2, class_="nothing", text_anchor="middle"))
    drawing = tag(
        "svg", *drawn or [""], x="0", y=EDGE_PX, width="100%", height=height - 2 * EDGE_PX,
        viewBox=f"0 0 {num(WIDTH)} {num(HEIGHT)}", preserveAspectRatio="none",
    )  # fmt: skip
    plot = tag(
        "svg", *grid, drawing, *names, class_="panel plane", width="100%", height=height, role="img", aria_label=label
    )
    return f'<div class="plot">{value_axis(y_axis)}{plot}</div>{_below(x_axis, x_name)}'


def _below(axis: Axis, name: str) -> str:
    """The numbers under the panel, and what they measure."""
    ticks = value_ticks(axis.low, axis.high)
    labels = [
        tag("text", text_of(axis.write(tick)), x=_percent(axis, tick), y=AXIS_PX - 7,
            class_="tick minor" if place % 2 else "tick", text_anchor=_anchor(axis.share(tick)))
        for place, tick in enumerate(ticks)
    ]  # fmt: skip
    corner = tag("svg", class_="axis", width=GUTTER_PX, height=AXIS_PX, aria_hidden="true")
    below = tag("svg", *labels, class_="panel", width="100%", height=AXIS_PX, aria_hidden="true")
    return f'<div class="plot">{corner}{below}</div><p class="x-name" aria-hidden="true">{text_of(name)}</p>'


def _inside(x_axis: Axis, y_axis: Axis, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    keep = (x >= x_axis.low) & (x <= x_axis.high) & (y >= y_axis.low) & (y <= y_axis.high)
    return x[keep], y[keep]


def _cloud(x_axis: Axis, y_axis: Axis, x: FloatArray, y: FloatArray, kind: str) -> str:
    """All dots of a kind as one path of strokes without length: a tenth of the bytes of as many circles."""
    at = sorted(
        {(round(WIDTH * x_axis.share(a)), round(HEIGHT * (1 - y_axis.share(b)))) for a, b in zip(x, y, strict=True)}
    )
    return tag("path", d="".join(f"M{a} {b}h0" for a, b in at), class_=f"cloud {kind}")


def _path(x_axis: Axis, y_axis: Axis, curve: Curve) -> str:
    x, y = _inside(x_axis, y_axis, curve.x, curve.y)
    line = "L".join(
        f"{num(WIDTH * x_axis.share(a))} {num(HEIGHT * (1 - y_axis.share(b)))}" for a, b in zip(x, y, strict=True)
    )
    return tag("path", d=f"M{line}", class_=f"line {curve.kind}") if line else ""


def _name(x_axis: Axis, y_axis: Axis, curve: Curve) -> str:
    x, y = _inside(x_axis, y_axis, curve.x, curve.y)
    if not len(x):
        return ""
    at_x, at_y = float(x[curve.name_at]), float(y[curve.name_at])
    return tag(
        "text", text_of(curve.name), x=_percent(x_axis, at_x), y=max(12.0, y_axis.px(at_y) - 4), class_="curve-name",
        text_anchor=_anchor(x_axis.share(at_x)),
    )  # fmt: skip


def _percent(axis: Axis, value: float) -> str:
    return f"{100 * axis.share(value):.2f}%"


def _anchor(share: float) -> str:
    return "start" if share < 0.04 else "end" if share > 0.9 else "middle"
