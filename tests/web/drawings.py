"""The drawings that are kept as golden files beside this one; `python -m tests.web.drawings` writes them anew.

Small data that can be followed by eye: look at each file in a browser before you commit it.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import numpy as np

from web.charts.bars import DayBar, count_panel, day_bars, share_bar, volume_panel
from web.charts.calendar import CalendarDay, Month, calendar
from web.charts.country import MapZone, zone_map
from web.charts.dots import DotRow, dot_plot
from web.charts.frame import Axis
from web.charts.lanes import MISSING, Lane, LaneMark, LaneSpan, event_lanes
from web.charts.plane import TALL_PX, Curve, Dots, plane_panel
from web.charts.scale import Span
from web.charts.series import Band, Other, Spot, series_panel

FOLDER = Path(__file__).parent / "golden"
DAY = Span(0.0, 86_400.0)


def _write(value: float) -> str:
    return f"{value:g}"


def _axis(high: float, height_px: float = 132) -> Axis:
    return Axis(0.0, high, _write, height_px)


def _days(count: int) -> list[CalendarDay]:
    """From Friday 30 January 2026 on: a good day, a bad one, one without data, and so on."""
    first = date(2026, 1, 30)
    return [
        CalendarDay(on, (3, 0, None, 2, 1)[place % 5], f"{on:%d.%m.}", f"/day/{on}")
        for place in range(count)
        if (on := first + timedelta(days=place))
    ]


def drawings() -> dict[str, str]:
    """Name → SVG text."""
    t_s = np.arange(0.0, 86_400.0, 7200.0)
    level = np.where((t_s > 30_000) & (t_s < 50_000), np.nan, 1 + np.sin(t_s / 20_000))
    sun = np.array([200.0, 400.0, 600.0, 800.0])
    return {
        "series": series_panel(
            t_s, level, span=DAY, axis=_axis(2.5), max_gap_s=9000.0, label="tower", no_data="no data",
            bands=[Band(2.0, 2.5, "overflow"), Band(0.0, 0.4, "empty")], others=[Other(t_s, level / 2, 9000.0)],
            spots=[Spot(43_200.0, 1.5, "by-hand", "1.5 m <by hand>")],
        ),
        "plane": plane_panel(
            _axis(1000.0), _axis(2000.0, TALL_PX), x_name="sun", label="power against sun", no_data="no data",
            dots=[Dots(sun, 2 * sun, "limited"), Dots(sun, np.array([300.0, 700.0, np.nan, 9999.0]), "morning")],
            curves=[Curve(np.array([0.0, 1000.0]), np.array([0.0, 1500.0]), "reference", "October")],
        ),
        "plane-empty": plane_panel(
            _axis(1000.0), _axis(2000.0), x_name="sun", label="nothing", no_data="no data",
            dots=[Dots(np.array([np.nan]), np.array([1.0]), "morning")],
        ),
        "calendar": calendar(
            _days(32), [Month((2026, number), f"month {number}", f"/m/{number}") for number in (1, 2, 3)]
        ),
        "dots": dot_plot(
            [DotRow("Mangol", "/3", 2.0, 3.0, "2"), DotRow("Ley & Saare", "/5", None, 1.0, "-"),
             DotRow("Dow", "/1", 4.0, None, "4")],
            axis=_axis(5.0), middle=3.0, label="litres", no_data="no data",
        ),
        "counts": count_panel(
            [("1", 12.0, "12 h"), ("2", 3.0, "3 h"), ("3", 0.0, "0 h")], axis=_axis(15.0), label="starts", no_data="-"
        ),
        "volumes": volume_panel(
            [DayBar("01", 10.0, 8.0, 12.0, "a", "/a"), DayBar("", 5.0, 8.0, 12.0, "b", "/b"),
             DayBar("03", None, 8.0, 12.0, "c", "/c")],
            axis=_axis(12.0), label="volumes", no_data="no data",
        ),
        "days": day_bars([10.0, None, 0.0, 5.0], label="days", expected_m3=[None, None, None, 10.0]),
        "share": share_bar(0.4, mark=0.75),
        "lanes": event_lanes(
            [Lane("Pump", [LaneSpan(21_600, 43_200, "running", "on")]),
             Lane("SMS", marks=[LaneMark(30_000, "sent", "x", "/x")]),
             Lane("Rain", [LaneSpan(0, 28_800, "rain", "10 mm", "/rain", 0.25),
                           LaneSpan(28_800, 57_600, MISSING, "no data")])],
            span=DAY, label="events",
        ),
        "map": zone_map(
            [MapZone("A", 11.3, -12.3, "fault", "A: down", "/a"), MapZone("B", 11.5, -12.1, "normal", "B: fine", "/b")],
            label="zones",
        ),
    }  # fmt: skip


def main() -> None:
    """Write all files."""
    FOLDER.mkdir(exist_ok=True)
    for name, text in drawings().items():
        (FOLDER / f"{name}.svg").write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
