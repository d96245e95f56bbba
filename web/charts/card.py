"""Pictograms of the reply card: understood without reading, black on white so that any printer can. Pure."""

from __future__ import annotations

from collections.abc import Callable

from web.charts.svg import tag

SIZE = 120  # of each drawing, in its own units
LINE = 7.0
INK, PAPER, WATER = "#15222b", "#fff", "#0a5a78"


def phone_key(digit: str) -> str:
    """A key of a phone with its digit."""
    return _drawing(
        tag("rect", x=6, y=22, width=108, height=78, rx=20, fill=PAPER, stroke=INK, stroke_width=LINE),
        tag(
            "text", digit, x=60, y=86, font_size=70, font_weight="700", text_anchor="middle", fill=INK,
            font_family="Arial, Helvetica, sans-serif",
        ),
    )  # fmt: skip


def eye() -> str:
    """I have seen it: an open eye over a message."""
    return _drawing(
        tag("rect", x=28, y=72, width=64, height=42, rx=3, fill=PAPER, stroke=INK, stroke_width=5),
        _line("M30 74 60 97 90 74", width=5),
        tag("path", d="M8 42Q60 -16 112 42Q60 92 8 42Z", fill=PAPER, stroke=INK, stroke_width=LINE),
        tag("circle", cx=60, cy=40, r=19, fill=WATER),
        tag("circle", cx=60, cy=40, r=9, fill=INK),
        tag("circle", cx=66, cy=34, r=4, fill=PAPER),
    )


def walker() -> str:
    """I am on the way: somebody walks with a box of tools."""
    return _drawing(
        tag("circle", cx=62, cy=15, r=11, fill=INK),
        _line("M58 34 52 68 70 86 66 112", width=10),
        _line("M52 68 40 90 20 104", width=10),
        _line("M58 36 76 54 90 58", width=8),
        _line("M58 36 38 48 32 64", width=8),
        tag("rect", x=80, y=62, width=34, height=24, rx=3, fill=WATER, stroke=INK, stroke_width=4),
        _line("M90 62V56H104V62", width=4),
        _line("M8 44H22M4 60H16M8 76H20", width=4),
    )


def repaired() -> str:
    """It is repaired: water runs from the tap, ticked off."""
    return _drawing(
        _tap(0, 0),
        _drop(85, 74, 1.0),
        _drop(85, 96, 1.0),
        _line("M8 88 28 108 62 68", width=12, colour="#1b6a3d"),
    )


def false_alarm() -> str:
    """There is nothing: a bell struck out, and water runs."""
    bell = "M52 16C34 16 27 31 27 49V68L16 82H88L77 68V49C77 31 70 16 52 16Z"
    return _drawing(
        tag("path", d=bell, fill=PAPER, stroke=INK, stroke_width=LINE, stroke_linejoin="round"),
        tag("circle", cx=52, cy=92, r=9, fill=INK),
        _line("M8 104 100 8", width=18, colour=PAPER),
        _line("M8 104 100 8", width=10, colour="#a9241c"),
        tag("g", _tap(0, 0), _drop(85, 76, 1.0), transform="translate(70 68) scale(.42)"),
    )


def help_wanted() -> str:
    """I need help: somebody asks."""
    return _drawing(
        tag("circle", cx=32, cy=66, r=15, fill=INK),
        tag("path", d="M6 116C6 94 18 86 32 86S58 94 58 116Z", fill=INK),
        tag(
            "path", d="M60 8H106Q114 8 114 16V60Q114 68 106 68H74L58 84V68H60Q52 68 52 60V16Q52 8 60 8Z", fill=PAPER,
            stroke=INK, stroke_width=5, stroke_linejoin="round",
        ),
        tag(
            "text", "?", x=84, y=57, font_size=52, font_weight="700", text_anchor="middle", fill=WATER,
            font_family="Arial, Helvetica, sans-serif",
        ),
    )  # fmt: skip


def missed_call() -> str:
    """Ring and hang up: a ringing phone, and a call that nobody takes costs nothing."""
    return _drawing(
        tag("rect", x=40, y=10, width=40, height=100, rx=8, fill=PAPER, stroke=INK, stroke_width=6),
        tag("rect", x=47, y=20, width=26, height=26, fill="#cfdcb9", stroke=INK, stroke_width=3),
        *[tag("circle", cx=50 + 10 * x, cy=60 + 11 * y, r=3, fill=INK) for y in range(4) for x in range(3)],
        _line("M28 34Q18 52 28 70", width=6), _line("M14 26Q-2 52 14 78", width=6),
        _line("M92 34Q102 52 92 70", width=6), _line("M106 26Q122 52 106 78", width=6),
        _line("M78 84 104 110M104 84 78 110", width=14, colour=PAPER),
        _line("M78 84 104 110M104 84 78 110", width=8, colour="#a9241c"),
    )  # fmt: skip


PICTURES: dict[str, Callable[[], str]] = {
    "1": eye, "2": walker, "3": repaired, "4": false_alarm, "0": help_wanted, "call": missed_call,
}  # fmt: skip


def _drawing(*parts: str) -> str:
    return tag("svg", *parts, class_="pictogram", viewBox=f"0 0 {SIZE} {SIZE}", aria_hidden="true")


def _line(d: str, *, width: float, colour: str = INK) -> str:
    return tag(
        "path", d=d, fill="none", stroke=colour, stroke_width=width, stroke_linecap="round", stroke_linejoin="round"
    )  # fmt: skip


def _tap(x: float, y: float) -> str:
    """A tap whose spout ends over (85, 66)."""
    spout = "M8 30H72Q96 30 96 54V64H74V58Q74 52 68 52H8Z"
    return tag(
        "g",
        tag("path", d=spout, fill=PAPER, stroke=INK, stroke_width=6, stroke_linejoin="round"),
        _line("M44 30V14M28 12H60", width=8),
        transform=f"translate({x:g} {y:g})",
    )


def _drop(x: float, y: float, scale: float) -> str:
    return tag(
        "path", d="M0 -4C6 4 9 8 9 12A9 9 0 0 1 -9 12C-9 8 -6 4 0 -4Z", fill=WATER,
        transform=f"translate({x:g} {y:g}) scale({scale:g})",
    )  # fmt: skip
