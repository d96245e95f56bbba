"""Drawings: gaps stay gaps, no data is never zero, one point is seen."""

from __future__ import annotations

import re

import numpy as np
import pytest

from web.charts.bars import DayBar, day_bars, share_bar, volume_panel
from web.charts.frame import Axis
from web.charts.lanes import Lane, LaneMark, LaneSpan, event_lanes
from web.charts.scale import Span, round_up, time_ticks, value_ticks
from web.charts.series import Band, series_panel, time_axis
from web.charts.svg import num, tag, text_of

HATCHED = 'fill="url(#hatch)"'
DAY = Span(0.0, 86_400.0)
AXIS = Axis(0.0, 4.0, lambda value: f"{value:g}")


def panel(t_s: list[float], value: list[float], **more: object) -> str:
    return series_panel(
        np.array(t_s, dtype=np.float64), np.array(value, dtype=np.float64), span=DAY, axis=AXIS,
        **{"max_gap_s": 900.0, "label": "a curve", "no_data": "rien", **more},
    )  # fmt: skip


def test_series_of_nothing_is_hatched_and_says_so() -> None:
    drawn = panel([], [])
    assert drawn.count(HATCHED) == 1
    assert ">rien<" in drawn
    assert "<path" not in drawn


def test_series_of_only_nan_is_the_same_as_nothing() -> None:
    assert panel([100.0, 400.0], [np.nan, np.nan]) == panel([], [])


def test_series_of_one_point_is_a_dot() -> None:
    drawn = panel([43_200.0], [2.0])
    assert '<path d="M500 50h0" class="dot"/>' in drawn
    assert drawn.count(HATCHED) == 2  # before it and after it


def test_series_breaks_and_hatches_where_readings_are_missing() -> None:
    times = [0.0, 300.0, 600.0, 3600.0, 3900.0]
    drawn = panel(times, [1.0, 1.0, 2.0, 2.0, 3.0])
    lines = re.findall(r'<path d="(M[^"]+)" class="line"', drawn)
    assert lines == ["M0 75L3.5 75L6.9 50", "M41.7 50L45.1 25"]
    # 600 s to 3600 s of a day, worked out by hand: 0.69 % and 3.47 % wide; and from 3900 s to its end.
    assert 'x="0.69%" y="7" width="3.47%"' in drawn
    assert 'x="4.51%" y="7" width="95.49%"' in drawn


def test_series_gap_of_exactly_the_limit_is_joined() -> None:
    assert panel([0.0, 900.0], [1.0, 1.0]).count('class="line"') == 1
    assert panel([0.0, 901.0], [1.0, 1.0]).count('class="dot"') == 2


def test_series_nan_between_points_opens_a_gap_only_when_it_lasts() -> None:
    assert panel([0.0, 450.0, 900.0], [1.0, np.nan, 1.0]).count('class="line"') == 1


def test_series_draws_bands_behind_and_an_area_under_the_line() -> None:
    drawn = panel([0.0, 300.0], [1.0, 1.0], bands=[Band(0.0, 1.0, "low")], is_area=True)
    assert drawn.index('class="band low"') < drawn.index('class="line"')
    assert 'd="M0 100L0 75L3.5 75L3.5 100z" class="area"' in drawn
    # The band covers the lowest quarter of 118 px: from 95.5 px to 125 px.
    assert 'y="95.5" width="100%" height="29.5" class="band low"' in drawn


def test_series_stands_for_itself_in_words_and_escapes_them() -> None:
    drawn = panel([], [], label='niveau "haut" <b>', no_data="<rien>")
    assert 'role="img" aria-label="niveau &quot;haut&quot; &lt;b&gt;"' in drawn
    assert "&lt;rien&gt;" in drawn


def test_day_bars_hatch_a_missing_day_and_keep_a_dry_one_visible() -> None:
    drawn = day_bars([10.0, None, 0.0, 5.0], label="bars", expected_m3=[None, None, None, 10.0])
    assert drawn.count(HATCHED) == 1
    heights = re.findall(r'height="([\d.]+)" class="bar', drawn)
    assert heights == ["32", "1", "16"]
    assert drawn.count('class="expected"') == 1
    assert 'class="bar last"' in drawn


def test_day_bars_of_nothing_but_gaps_are_all_hatched() -> None:
    assert day_bars([None] * 14, label="x").count(HATCHED) == 14


def test_volume_panel_marks_short_days_and_hatches_missing_ones() -> None:
    bars = [
        DayBar("01", 10.0, 8.0, 12.0, "a"),
        DayBar("02", 7.9, 8.0, 12.0, "b"),
        DayBar("03", None, 8.0, 12.0, "c"),
        DayBar("04", 3.0, None, None, "d"),
    ]
    drawn = volume_panel(bars, axis=Axis(0.0, 12.0, str), label="x", no_data="rien")
    assert drawn.count('class="bar short"') == 1
    assert drawn.count('class="bar"') == 2
    assert drawn.count('class="band usual"') == 3
    assert drawn.count(HATCHED) == 1
    assert ">rien<" not in drawn


def test_volume_panel_without_any_data_says_so() -> None:
    drawn = volume_panel([DayBar("01", None, None, None, "a")], axis=Axis(0.0, 1.0, str), label="x", no_data="rien")
    assert ">rien<" in drawn


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        pytest.param(None, HATCHED, id="no-data"),
        pytest.param(0.0, 'width="0.0%"', id="zero-is-a-bar-of-no-width"),
        pytest.param(0.5, 'width="50.0%"', id="half"),
        pytest.param(7.0, 'width="100.0%"', id="never-wider-than-its-place"),
    ],
)
def test_share_bar(share: float | None, expected: str) -> None:
    assert expected in share_bar(share)


def test_lanes_cut_at_the_edges_and_leave_out_what_lies_outside() -> None:
    lane = Lane(
        "Alertes",
        spans=[
            LaneSpan(-3600.0, 43_200.0, "severity-3", "A1 <b>"),
            LaneSpan(90_000.0, 95_000.0, "severity-2", "later"),
        ],
        marks=[LaneMark(21_600.0, "sent", "Awa"), LaneMark(90_000.0, "sent", "later")],
    )
    drawn = event_lanes([lane], span=DAY, label="x")
    assert 'x="0.00%" y="7" width="50.00%" height="12"' in drawn
    assert 'cx="25.00%"' in drawn
    assert "A1 &lt;b&gt;" in drawn
    assert "later" not in drawn


def test_time_axis_names_hours_of_a_day_and_days_of_a_month() -> None:
    assert time_ticks(DAY) == [3 * 3600.0 * n for n in range(9)]
    assert time_ticks(Span(30.0, 600.0)) == [120.0 * n for n in range(1, 6)], "ten minutes"
    month = Span(0.0, 30 * 86_400.0)
    assert time_ticks(month) == [5 * 86_400.0 * n for n in range(7)]
    drawn = time_axis(month, lambda t_s: f"d{t_s / 86_400:g}")
    assert ">d5<" in drawn
    assert 'class="tick minor"' in drawn


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        pytest.param(0.0, 1200.0, [0.0, 500.0, 1000.0], id="sun"),
        pytest.param(0.0, 3.456, [0.0, 1.0, 2.0, 3.0], id="tower"),
        pytest.param(0.0, 0.4, [0.0, 0.1, 0.2, 0.3, 0.4], id="small"),
        pytest.param(2.0, 2.0, [2.0], id="no-range"),
    ],
)
def test_value_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    assert value_ticks(low, high) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("value", "expected"), [(0.0, 1.0), (0.11, 0.12), (4.945, 5.0), (31.2, 40.0), (1200.0, 1200.0)]
)
def test_round_up_gives_the_next_round_number(value: float, expected: float) -> None:
    assert round_up(value) == pytest.approx(expected)


def test_tag_writes_short_numbers_and_leaves_none_out() -> None:
    assert tag("rect", x=1.0, y=2.25, class_="a", rx=None) == '<rect x="1" y="2.2" class="a"/>'
    assert tag("text", text_of("a<b"), text_anchor="end") == '<text text-anchor="end">a&lt;b</text>'
    assert num(-0.04) == "0"
