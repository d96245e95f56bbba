"""Drawings are the same bytes for the same data; what changes shows in a golden file, to be looked at."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from tests.web.drawings import FOLDER, drawings
from web.charts.country import MapZone, zone_map
from web.charts.frame import Axis
from web.charts.plane import Dots, plane_panel
from web.charts.scale import Span
from web.charts.series import Other, series_panel

DRAWN = drawings()


@pytest.mark.parametrize("name", DRAWN)
def test_a_drawing_is_as_its_golden_file(name: str) -> None:
    assert DRAWN[name] + "\n" == (FOLDER / f"{name}.svg").read_text("utf-8")


def test_no_golden_file_is_left_over() -> None:
    assert {file.stem for file in FOLDER.glob("*.svg")} == DRAWN.keys()


@pytest.mark.parametrize("name", DRAWN)
def test_a_drawing_is_well_formed_and_a_picture_holds_no_links(name: str) -> None:
    for element in ElementTree.fromstring(f"<div>{DRAWN[name]}</div>").iter():  # noqa: S314 - our own text
        if element.get("role") == "img":
            assert element.get("aria-label")
            assert list(element.iter("a")) == []
        assert "style" not in element.attrib


def test_dots_outside_of_the_axes_and_without_a_number_are_left_out() -> None:
    cloud = re.findall(r'd="([^"]*)" class="cloud morning"', DRAWN["plane"])
    # 200 W/m² of 1000 and 300 W of 2000 lie at 200 and at 1000 - 150; 400 and 700 at 400 and 650.
    assert cloud == ["M200 850h0M400 650h0"]


def test_nothing_to_draw_says_so_and_draws_no_dot() -> None:
    assert ">no data<" in DRAWN["plane-empty"]
    assert "cloud" not in DRAWN["plane-empty"]


def test_a_thousand_dots_weigh_less_than_twelve_kilobytes() -> None:
    at = np.linspace(0.0, 1.0, 1000)
    axis = Axis(0.0, 1.0, str)
    drawn = plane_panel(axis, axis, dots=[Dots(at, at[::-1], "x")], x_name="x", label="x", no_data="x")
    assert len(drawn) < 14_000


def test_another_period_is_drawn_under_the_channel_and_leaves_its_gaps_hatched() -> None:
    t_s, none = np.array([0.0, 300.0]), np.array([np.nan, np.nan])
    drawn = series_panel(
        t_s, none, span=Span(0.0, 600.0), axis=Axis(0.0, 4.0, str), max_gap_s=400.0, label="x", no_data="rien",
        others=[Other(t_s, np.array([1.0, 2.0]), 400.0)],
    )  # fmt: skip
    assert 'd="M0 75L500 50" class="line reference"' in drawn
    assert drawn.count('fill="url(#hatch)"') == 1


def test_a_calendar_hatches_what_nobody_knows_and_crosses_the_worst() -> None:
    drawn = DRAWN["calendar"]
    # 32 days in fives: places 2, 7, … 27 are unknown, places 1, 6, … 31 the worst.
    assert drawn.count('fill="url(#hatch)"') == 6
    assert drawn.count('class="cross"') == 7
    # 30 January 2026 is a Friday of the month's fifth week; 1 February a Sunday of the first.
    assert 'x="68" y="68"' in drawn
    assert '<a href="/day/2026-02-01" tabindex="-1" aria-label="01.02."><rect x="0" y="102"' in drawn


def test_the_map_is_cropped_to_the_fleet_and_shows_states_as_shapes() -> None:
    assert "Labé" in DRAWN["map"]
    assert "Kankan" not in DRAWN["map"]
    assert len(re.findall(r'class="place-of', DRAWN["map"])) == 2
    assert zone_map([], label="x") == ""


def test_zones_of_other_pages_are_dots_of_their_state_and_lead_nowhere() -> None:
    many = [MapZone(f"Z{n}", 11.3 + n / 1000, -12.3, "watch" if n % 2 else "normal", "x", None) for n in range(200)]
    drawn = zone_map([*many, MapZone("A", 11.3, -12.3, "fault", "A: broken", "/a")], label="x")
    dots = re.findall(r'<path d="([^"]+)" class="dots state-(\w+)"', drawn)
    assert [(state, path.count("M")) for path, state in dots] == [("normal", 100), ("watch", 100)]
    assert drawn.count("<a ") == 1
    assert len(drawn) < 12_000


def test_the_map_of_one_zone_still_shows_its_prefecture() -> None:
    drawn = zone_map([MapZone("A", 11.3, -12.3, "silent", "A: silent", "/a")], label="x")
    assert 'transform="translate(150 120)"' in drawn  # in the middle
    assert "Labé" in drawn
