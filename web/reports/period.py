"""A month or a year, in UTC, which is Labé's time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from babel.dates import format_date

from web.language import LOCALES, Language

WRITTEN = re.compile(r"(20\d\d)(?:-(0[1-9]|1[0-2]))?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Period:
    """The month `month` of `year`, or the whole year when `month` is None."""

    year: int
    month: int | None = None

    @classmethod
    def read(cls, text: str) -> Period | None:
        """`2026-10` or `2026`; None when it is neither."""
        found = WRITTEN.fullmatch(text)
        return None if found is None else cls(int(found[1]), int(found[2]) if found[2] else None)

    @classmethod
    def month_of(cls, on: date) -> Period:
        """The month of a day."""
        return cls(on.year, on.month)

    def __str__(self) -> str:
        return f"{self.year}" if self.month is None else f"{self.year}-{self.month:02d}"

    @property
    def first(self) -> date:
        """Its first day."""
        return date(self.year, self.month or 1, 1)

    @property
    def end(self) -> date:
        """The day after its last one."""
        if self.month in (None, 12):
            return date(self.year + 1, 1, 1)
        return date(self.year, (self.month or 0) + 1, 1)

    @property
    def months(self) -> list[Period]:
        """The months in it."""
        return [self] if self.month is not None else [Period(self.year, month) for month in range(1, 13)]

    def days_until(self, now: datetime) -> int:
        """How many whole days of it are over."""
        today = now.astimezone(UTC).date()
        return max(0, (min(self.end, today) - self.first).days)

    def is_over(self, now: datetime) -> bool:
        """Whether all its days are."""
        return midnight(self.end) <= now

    def name(self, language: Language) -> str:
        """As people call it: `octobre 2026`."""
        if self.month is None:
            return str(self.year)
        return str(format_date(self.first, "LLLL y", locale=LOCALES[language]))


def midnight(on: date) -> datetime:
    """The instant at which a day begins."""
    return datetime.combine(on, time(), UTC)


def months_between(first: date, last: date) -> list[Period]:
    """The months that touch [first, last], newest first."""
    found, at = [], Period.month_of(last)
    while at.end > first:
        found.append(at)
        at = Period.month_of(at.first - timedelta(days=1))
    return found
