"""Volumes as bars: days beside each other, taps below each other. A day without data is hatched, never zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from web.charts.frame import AXIS_PX, EDGE_PX, GUTTER_PX, PLOT_PX, Axis, value_axis
from web.charts.scale import value_ticks
from web.charts.svg import link, tag, text_of

STEP_PX, BAR_PX, SMALL_PX = 9, 7, 34


@dataclass(frozen=True, slots=True)
class DayBar:
    """One day of `volume_panel`: its short name, what was lifted, and the range that was expected [m³].

    A bar with an `href` leads there; the keyboard finds the same links in the table beside the drawing.
    """

    name: str
    volume_m3: float | None
    low_m3: float | None
    high_m3: float | None
    title: str
    href: str | None = None

    @property
    def is_short(self) -> bool:
        """Whether the day gave less than the zone usually does under such sun."""
        return self.volume_m3 is not None and self.low_m3 is not None and self.volume_m3 < self.low_m3


def day_bars(volume_m3: Sequence[float | None], *, label: str, expected_m3: Sequence[float | None] = ()) -> str:
    """Small bars of daily volumes, oldest first, with a tick at what was expected of a day.

    Heights share one scale from zero; None is a day without data. `expected_m3` is as long as `volume_m3`
    or empty.
    """
    top = max([value for value in (*volume_m3, *expected_m3) if value is not None], default=0.0) or 1.0
    drawn = []
    for place, value in enumerate(volume_m3):
        x = STEP_PX * place
        if value is None:
            drawn.append(tag("rect", x=x, y=2, width=BAR_PX, height=SMALL_PX - 2, fill="url(#hatch)"))
        else:
            height = max(1.0, (SMALL_PX - 2) * max(0.0, value) / top)
            last = place == len(volume_m3) - 1
            drawn.append(
                tag("rect", x=x, y=SMALL_PX - height, width=BAR_PX, height=height, class_="bar last" if last else "bar")
            )
    for place, wanted in enumerate(expected_m3):
        if wanted is not None:
            x, y = STEP_PX * place, SMALL_PX - (SMALL_PX - 2) * wanted / top
            drawn.append(tag("line", x1=x - 1, x2=x + BAR_PX + 1, y1=y, y2=y, class_="expected"))
    width = STEP_PX * len(volume_m3)
    return tag("svg", *drawn or [""], class_="bars", width=width, height=SMALL_PX, role="img", aria_label=label)


def share_bar(share: float | None, *, mark: float | None = None) -> str:
    """One flat bar as wide as `share` of its place, hatched without data; the number stands beside it.

    A line stands at `mark`, what was expected, as a share of the same place.
    """
    if share is None:
        inner = tag("rect", x=0, y=0, width="100%", height=10, fill="url(#hatch)")
    else:
        inner = tag("rect", x=0, y=0, width=_percent(share), height=10, rx=2, class_="bar")
    line = "" if mark is None else tag("line", x1=_percent(mark), x2=_percent(mark), y1=0, y2=10, class_="expected")
    return tag("svg", inner, line, class_="share", width="100%", height=10, aria_hidden="true")


def _percent(share: float) -> str:
    return f"{100 * min(1.0, max(0.0, share)):.1f}%"


def count_panel(counts: Sequence[tuple[str, float, str]], *, axis: Axis, label: str, no_data: str) -> str:
    """A histogram: (name, count, title) from left to right; with nothing counted at all it says so."""
    return _columns(
        [DayBar(name, count, None, None, title) for name, count, title in counts],
        axis=axis, label=label, no_data=no_data if not any(count for _, count, _ in counts) else None,
    )  # fmt: skip


def volume_panel(bars: Sequence[DayBar], *, axis: Axis, label: str, no_data: str) -> str:
    """Daily volumes as wide as the page, each over the range that was expected of its day.

    Bars share `axis`; a day without data is hatched over the whole height.
    """
    is_empty = all(bar.volume_m3 is None for bar in bars)
    return _columns(bars, axis=axis, label=label, no_data=no_data if is_empty else None)


def _columns(bars: Sequence[DayBar], *, axis: Axis, label: str, no_data: str | None) -> str:
    count = max(1, len(bars))
    drawn = [
        tag("line", x1="0", x2="100%", y1=axis.px(tick), y2=axis.px(tick), class_="grid")
        for tick in value_ticks(axis.low, axis.high)
    ]
    for place, bar in enumerate(bars):
        slot = 100 / count
        x, width = f"{slot * (place + 0.16):.2f}%", f"{slot * 0.68:.2f}%"
        if bar.low_m3 is not None and bar.high_m3 is not None:
            top, bottom = axis.px(bar.high_m3), axis.px(bar.low_m3)
            drawn.append(
                tag("rect", x=f"{slot * place:.2f}%", width=f"{slot:.2f}%", y=top, height=max(2.0, bottom - top),
                    class_="band usual")
            )  # fmt: skip
        if bar.volume_m3 is None:
            drawn.append(tag("rect", x=x, width=width, y=EDGE_PX, height=axis.px(0) - EDGE_PX, fill="url(#hatch)"))
        else:
            top = min(axis.px(bar.volume_m3), axis.px(0) - 1)
            rect = tag(
                "rect", tag("title", text_of(bar.title)), x=x, width=width, y=top, height=axis.px(0) - top,
                class_="bar short" if bar.is_short else "bar",
            )  # fmt: skip
            drawn.append(link(rect, bar.href, bar.title))
    if no_data is not None:
        drawn.append(tag("text", text_of(no_data), x="50%", y=PLOT_PX / 2 + 4, class_="nothing", text_anchor="middle"))
    role = "group" if any(bar.href for bar in bars) else "img"  # a picture may hold no links
    plot = tag("svg", *drawn, class_="panel", width="100%", height=PLOT_PX, role=role, aria_label=label)
    names = [
        tag("text", text_of(bar.name), x=f"{100 * (place + 0.5) / count:.2f}%", y=AXIS_PX - 7,
            class_="tick minor" if (len(bars) - 1 - place) % 2 else "tick", text_anchor="middle")
        for place, bar in enumerate(bars)
        if bar.name
    ]  # fmt: skip
    below = tag("svg", *names or [""], class_="panel", width="100%", height=AXIS_PX, aria_hidden="true")
    corner = tag("svg", class_="axis", width=GUTTER_PX, height=AXIS_PX, aria_hidden="true")
    return f'<div class="plot">{value_axis(axis)}{plot}</div><div class="plot">{corner}{below}</div>'
