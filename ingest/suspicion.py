"""Whether what the database refuses as bad rows can be the rows: told over an hour, since a batch may be one reading.

Pure. A schema that is wrong for every row looks, row by row, like rows that are wrong, and would empty the stream into
the table of what is set aside.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from typing import NamedTuple

MINUTE_US, WITHIN_MINUTES = 60_000_000, 60
READINGS, SHARE = 100, 0.2


class _Minute(NamedTuple):
    number: int
    refused: Counter[str]  # by zone
    came: int


class Suspicion:
    """What came and what of it was refused, minute by minute, since the first refusal of the last hour."""

    def __init__(self) -> None:
        self._minutes: deque[_Minute] = deque()

    def why_not_believed(self, at_us: int, zones: Iterable[str], came: int) -> str | None:
        """Why a batch cannot be taken as it is, when readings of these zones (one for each reading) were refused of all
        that came in it; None when it can.

        So it is when within the hour at least `READINGS` were refused and a `SHARE` of what came since the first of
        them. No zone counts for more than half of `READINGS`: what one alone sends cannot hold up the others.
        """
        self._forget_before(at_us)
        refused = Counter(zones)
        for minute in self._minutes:
            refused += minute.refused
            came += minute.came
        counted = sum(min(count, READINGS // 2) for count in refused.values())
        if counted < READINGS or refused.total() <= SHARE * came:
            return None
        return f"the database refused {refused.total()} of {came} readings of {len(refused)} zones"

    def note(self, at_us: int, zones: Iterable[str], came: int) -> None:
        """A batch was taken: so much came in it, and readings of these zones were refused."""
        refused = Counter(zones)
        if not refused and not self._minutes:
            return
        self._forget_before(at_us)
        number = at_us // MINUTE_US
        last = self._minutes.pop() if self._minutes else _Minute(number, Counter(), 0)
        if last.number < number:
            self._minutes.append(last)
            last = _Minute(number, Counter(), 0)
        self._minutes.append(_Minute(last.number, last.refused + refused, last.came + came))

    def _forget_before(self, at_us: int) -> None:
        first = at_us // MINUTE_US - WITHIN_MINUTES
        while self._minutes and (self._minutes[0].number <= first or not self._minutes[0].refused):
            self._minutes.popleft()
