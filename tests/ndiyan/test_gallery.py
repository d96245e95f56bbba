"""The gallery: every figure stands by itself, shows what it says, and is the same again."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from gateway.model import Fault
from ndiyan.gallery import PICTURES, draw_gallery, figure_names
from ndiyan.plots import GREY, RED, Legend, Line, Panel, curve_figure, time_figure
from tests.simulator.days import ZONES
from web.charts.scale import Span

SVG = "{http://www.w3.org/2000/svg}"
DAY = Span(0.0, 86_400.0)


def drawn(text: str) -> ET.Element:
    return ET.fromstring(text)  # noqa: S314  our own


def words(figure: ET.Element) -> list[str]:
    return [element.text or "" for element in figure.iter(f"{SVG}text")]


def curves(figure: ET.Element, colour: str) -> list[str]:
    return [path.attrib["d"] for path in figure.iter(f"{SVG}path") if path.attrib["stroke"] == colour]


def test_a_figure_has_its_panels_axes_and_legend() -> None:
    t_s = np.arange(0.0, 86_400.0, 3600.0)
    panels = [Panel("one [m]", [Line(t_s, np.sin(t_s))]), Panel("two", [Line(t_s, np.full(24, 4.0))])]
    figure = drawn(time_figure("Title & more", "says <this>", panels, DAY, Legend((("normal", GREY),))))
    found = words(figure)
    for word in ("Title & more", "says <this>", "one [m]", "two", "normal", "06:00"):
        assert word in found
    assert len(curves(figure, "#1d6fa5")) == 2


def test_gaps_stay_gaps_and_a_clock_that_is_set_back_begins_a_new_curve() -> None:
    hour = 3600.0
    x = np.array([0.0, 1.0, 2.0, 8.0, 9.0, 5.0, 6.0]) * hour
    y = np.array([1.0, 1.0, np.nan, 1.0, 1.0, 2.0, 2.0])
    figure = drawn(time_figure("a", "b", [Panel("c", [Line(x, y, RED, 2 * hour)])], DAY, Legend()))
    parts = curves(figure, RED)
    assert [part.count("L") for part in parts] == [1, 1, 1]


def test_points_outside_are_left_out_and_dots_are_not_joined() -> None:
    line = Line(np.array([-1.0, 0.5, 2.0]), np.array([1.0, 2.0, 3.0]), RED, is_dots=True)
    figure = drawn(curve_figure("a", "b", Panel("c", [line]), x_title="flow", x=(0.0, 1.0), legend=Legend()))
    (dots,) = curves(figure, RED)
    assert dots.count("M") == 1
    assert "flow" in words(figure)


def test_nothing_to_draw_is_an_empty_panel() -> None:
    none = np.array([])
    figure = drawn(time_figure("a", "b", [Panel("c", [Line(none, none)])], DAY, Legend()))
    assert curves(figure, "#1d6fa5") == []


@pytest.fixture(scope="module")
def some(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gallery")
    names = ["normal-day", "pump-curve", "fault-pipe-burst", "fault-clock-error"]
    files = list(draw_gallery(ZONES, folder, only=names))
    assert sorted(file.stem for file in files) == sorted(names)
    return folder


def test_a_fault_is_drawn_beside_the_same_days_without_it(some: Path) -> None:
    figure = drawn((some / "fault-pipe-burst.svg").read_text("utf-8"))
    assert {"A pipe bursts (Une conduite casse)", "normal", "pipe_burst", "tower/outflow_m3_h [m³/h]"} <= set(
        words(figure)
    )
    normal, burst = (curves(figure, colour)[0].split("L") for colour in (GREY, RED))
    begins = next(n for n, (a, b) in enumerate(zip(normal, burst, strict=False)) if a != b)
    assert 115 <= begins <= 122, "the same until 10:00, the 120th five minutes"


def test_the_pump_works_between_its_curves(some: Path) -> None:
    figure = drawn((some / "pump-curve.svg").read_text("utf-8"))
    fastest = curves(figure, GREY)[-1]
    top = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", fastest)]
    points = [(float(x), float(y)) for x, y in re.findall(r"M([\d.]+) ([\d.]+)h0", "".join(curves(figure, RED)))]
    assert len(points) > 30
    assert all(y >= min(top) - 1 for _, y in points), "nobody works above the curve at full speed"


def test_the_same_pictures_again(some: Path, tmp_path: Path) -> None:
    (again,) = draw_gallery(ZONES, tmp_path, only=["normal-day"])
    assert again.read_bytes() == (some / "normal-day.svg").read_bytes()


def test_every_fault_family_has_a_picture() -> None:
    shown = {picture.fault for picture in PICTURES}
    plain = {
        Fault.PUMP_NOT_RUNNING,
        Fault.SENSOR_STUCK,
        Fault.SENSOR_OUT_OF_RANGE,
        Fault.COMMS_OUTAGE,
        Fault.TAP_CLOSED,
    }
    assert set(Fault) - shown <= plain, "what shows as a flat line or as nothing at all needs no picture"
    assert len(figure_names()) == len(set(figure_names())) == 3 + len(PICTURES)


def test_the_documents_show_figures_that_exist() -> None:
    root = Path(__file__).parents[2] / "docs"
    for page in (root / "simulator.md", root / "fr" / "simulator.md"):
        shown = re.findall(r"\((?:\.\./)?images/simulator/([a-z0-9-]+)\.svg\)", page.read_text("utf-8"))
        assert set(shown) == set(figure_names()), page
    assert {file.stem for file in (root / "images" / "simulator").glob("*.svg")} == set(figure_names())
