"""The value axis that panels of one page share, and their measures on the screen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from web.charts.scale import value_ticks
from web.charts.svg import tag, text_of

PLOT_PX, AXIS_PX, GUTTER_PX = 132, 22, 52
EDGE_PX = 7  # above and below the curve, so that labels of the outermost ticks are whole


@dataclass(frozen=True, slots=True)
class Axis:
    """The value axis: bounds, `high` above `low`, how its numbers are written, and how high its panel stands."""

    low: float
    high: float
    write: Callable[[float], str]
    height_px: float = PLOT_PX

    def share(self, value: float) -> float:
        """Height of a value: 0 at the bottom, 1 at the top, held within."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))

    def px(self, value: float) -> float:
        """Where a value lies from the top of a panel."""
        return EDGE_PX + (self.height_px - 2 * EDGE_PX) * (1 - self.share(value))


def value_axis(axis: Axis) -> str:
    """The numbers left of a panel."""
    labels = [
        tag("text", text_of(axis.write(tick)), x=GUTTER_PX - 6, y=axis.px(tick) + 4, class_="tick", text_anchor="end")
        for tick in value_ticks(axis.low, axis.high)
    ]
    return tag("svg", *labels, class_="axis", width=GUTTER_PX, height=axis.height_px, aria_hidden="true")
