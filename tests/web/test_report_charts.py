"""Drawings of reports: the shape says it, a day that nobody knows is no bar of zero, and nothing needs a stylesheet."""

from __future__ import annotations

import re
from datetime import date

import pytest

from web.charts.report import cans, daily_bars, day_squares, top_of
from web.charts.scale import value_ticks

FIRST = date(2026, 10, 1)


def bars(*values: float | None) -> str:
    ticks = [f"{tick:g}" for tick in value_ticks(0, top_of(values))]
    return daily_bars(values, first=FIRST, label="eau <livrée>", number=ticks)


def test_bars_share_a_scale_from_zero_and_a_day_without_data_is_hatched() -> None:
    """The axis ends at 10 × 1.05; the ground lies at 112, so 10 reaches 106 / 1.05 = 101 high and 5 half of that."""
    drawn = bars(10.0, None, 5.0)
    heights = [float(height) for height in re.findall(r'height="([\d.]+)" fill="#2f7d9c"', drawn)]
    assert heights == [101.0, 50.5]
    assert drawn.count('fill="#eef1f3"') == 1
    assert 'aria-label="eau &lt;livrée&gt;"' in drawn
    assert "class=" not in drawn.replace('class="report-bars"', ""), "no stylesheet is needed"


def test_a_day_on_which_nobody_drew_is_a_thin_line_and_not_hatched() -> None:
    drawn = bars(0.0, 4.0)
    assert 'height="0.8" fill="#2f7d9c"' in drawn
    assert "#eef1f3" not in drawn


def test_nothing_known_at_all_is_drawn_too() -> None:
    assert bars(None, None).count('fill="#eef1f3"') == 2
    assert "<svg" in bars()


def test_each_state_of_a_day_has_a_shape_of_its_own() -> None:
    drawn = day_squares(["served", "partly", "dry", "unknown"], first=FIRST, label="jours")
    assert re.findall(r">([^<]+)</text>", drawn) == ["1", "2", "?"], "the crossed day bears no number"
    assert drawn.count("<path") == 1, "one cross"
    assert drawn.count('height="10" fill="#9cc7d8"') == 1, "one half"
    assert drawn.count('fill="#2f7d9c"') == 1


@pytest.mark.parametrize(
    ("days", "across", "size"),
    [
        pytest.param(31, 31, "682 22", id="a-month-in-a-row"),
        pytest.param(31, 16, "352 44", id="a-month-in-two-rows"),
        pytest.param(61, 31, "682 44", id="two-months"),
        pytest.param(0, 31, "682 22", id="none"),
    ],
)
def test_a_new_month_begins_a_new_row(days: int, across: int, size: str) -> None:
    drawn = day_squares(["served"] * days, first=FIRST, label="", across=across)
    assert f'viewBox="0 0 {size}"' in drawn


def test_ten_cans_are_filled_as_far_as_people_had_water() -> None:
    """Three and a half cans: three of height 34 and one of 17."""
    drawn = cans(3.5, of=10, label="3,5 bidons sur 10")
    heights = re.findall(r'height="([\d.]+)" fill="#2f7d9c"', drawn)
    assert heights == ["34", "34", "34", "17"]
    assert drawn.count("<rect") == 14
    unknown = cans(None, of=10, label="?")
    assert unknown.count(">?</text>") == 10
    assert "#2f7d9c" not in unknown
    assert cans(14.0, of=10, label="").count('height="34" fill="#2f7d9c"') == 10, "more is not drawn beyond the row"
