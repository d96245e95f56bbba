"""A year as months of small squares, a square a day: four levels, and a pattern where nobody knows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from web.charts.svg import link, tag, text_of

CELL_PX, GAP_PX = 15, 2
LEVELS = 4


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """One square: how well the day did (0 badly to 3 well, None without data), what it says, and where it leads."""

    on: date
    level: int | None
    title: str
    href: str


@dataclass(frozen=True, slots=True)
class Month:
    """What stands over a month, and where its name leads; `key` is (year, month)."""

    key: tuple[int, int]
    name: str
    href: str


def calendar(days: Sequence[CalendarDay], months: Sequence[Month]) -> str:
    """Months beside each other as many as there is room for, weeks as columns from Monday to Sunday.

    The squares lie outside of the keyboard's way (a year has 365 of them); the names of the months lie in it, and the
    page has a table of the same.
    """
    named = {month.key: month for month in months}
    drawn = [_month(list(some), named[key]) for key, some in groupby(days, key=lambda day: (day.on.year, day.on.month))]
    return f'<div class="calendar">{"".join(drawn)}</div>'


def _month(days: Sequence[CalendarDay], month: Month) -> str:
    first = days[0].on.replace(day=1).weekday()
    weeks = (first + days[-1].on.day - 1) // 7 + 1
    squares = [_square(day, (first + day.on.day - 1) // 7) for day in days]
    name = tag("a", text_of(month.name), href=month.href)
    box = tag(
        "svg", *squares, width=6 * (CELL_PX + GAP_PX) if weeks == 6 else weeks * (CELL_PX + GAP_PX),
        height=7 * (CELL_PX + GAP_PX), role="group", aria_label=month.name,
    )  # fmt: skip
    return f'<div class="month"><p>{name}</p>{box}</div>'


def _square(day: CalendarDay, week: int) -> str:
    look = {"fill": "url(#hatch)"} if day.level is None else {"class_": f"level-{day.level}"}
    rect = tag(
        "rect", tag("title", text_of(day.title)), x=week * (CELL_PX + GAP_PX),
        y=day.on.weekday() * (CELL_PX + GAP_PX), width=CELL_PX, height=CELL_PX, rx=2, **look,
    )  # fmt: skip
    mark = ""
    if day.level == 0:  # the worst is seen without its colour too
        x, y = week * (CELL_PX + GAP_PX) + 4, day.on.weekday() * (CELL_PX + GAP_PX) + 4
        mark = tag("path", d=f"M{x} {y}l7 7m0-7l-7 7", class_="cross")
    return link(rect + mark, day.href, day.title)
