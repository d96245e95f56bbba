"""Which inbound SMS a message centre may hand over again: those of which it may not know that we have them.

A deliver_sm has no id. What comes with the same sender, words and form is the same SMS for as long as the centre has
not proven that our answer arrived; what comes after that was written again. Where the proof was lost with the link, the
centre hands over again soon after the next bind; what comes later was written again, or may be a repeat.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from alerts.carriers.smpp_session import Answer

Due = TypeVar("Due")
REPEATED_WITHIN = timedelta(minutes=10)  # of the next bind: until then the same words are a repeat without a doubt
UNPROVEN_FOR = timedelta(days=1)  # a centre that never answers must not keep a word from being written again


@dataclass(slots=True)
class Known(Generic[Due]):
    """An inbound SMS, and the answers that are due as soon as it is stored."""

    number: str
    came_at: datetime
    is_stored: bool
    bound_again_at: datetime | None = None
    answers: list[Due] = field(default_factory=list)


class Unproven(Generic[Due]):
    """Inbound SMS, each by the keys of its parts.

    Parameters
    ----------
    stored : number, time and keys of what an earlier bind has left behind, and when the next began
    """

    def __init__(self, stored: Iterable[tuple[str, datetime, Sequence[str], datetime | None]]) -> None:
        self._known: dict[str, Known[Due]] = {}
        self._proven: set[str] = set()
        for number, came_at, keys, bound_again_at in stored:
            known = Known[Due](number, came_at, is_stored=True, bound_again_at=bound_again_at)
            self._known |= dict.fromkeys(keys, known)

    def bound(self, now: datetime) -> None:
        """From now on the message centre can hand over again what it believes unanswered."""
        for known in self._known.values():
            if known.bound_again_at is None:
                known.bound_again_at = now

    def find(self, key: str, now: datetime) -> Known[Due] | None:
        """What has come with this key and is handed over again if it comes now."""
        old = [
            key for key, one in self._known.items() if one.is_stored and not _is_within(UNPROVEN_FOR, one.came_at, now)
        ]
        for each in old:
            self._drop(each)
        known = self._known.get(key)
        if known is None or not known.is_stored or known.bound_again_at is None:
            return known
        return known if _is_within(REPEATED_WITHIN, known.bound_again_at, now) else None

    def add(self, number: str, came_at: datetime, keys: Sequence[str], answers: list[Due]) -> bool:
        """One has come that is to be stored; whether the same was there before, and it may yet be a repeat."""
        before = [key for key in keys if key in self._known]
        for key in before:
            self._drop(key)
        self._known |= dict.fromkeys(keys, Known(number, came_at, is_stored=False, answers=answers))
        return bool(before)

    def store(self, keys: Iterable[str]) -> None:
        """It is stored: what comes again is answered at once."""
        for key in keys:
            if (known := self._known.get(key)) is not None:
                known.is_stored = True

    def of(self, keys: Iterable[str]) -> list[Answer]:
        """Those of these keys whose answers are to be proven, each with its number."""
        return [(key, self._known[key].number) for key in dict.fromkeys(keys) if key in self._known]

    def prove(self, answers: Iterable[Answer]) -> None:
        """The message centre has these; what has come anew since is not stored, or is another SMS's."""
        for key, number in answers:
            known = self._known.get(key)
            if known is not None and known.is_stored and known.number == number:
                self._drop(key)

    @property
    def proven(self) -> list[str]:
        """The numbers of what need not be known any more: all of its parts are proven, or it is too long ago."""
        return sorted(self._proven)

    def forget(self, numbers: Iterable[str]) -> None:
        """It is written down of these."""
        self._proven.difference_update(numbers)

    def _drop(self, key: str) -> None:
        number = self._known.pop(key).number
        if all(known.number != number for known in self._known.values()):
            self._proven.add(number)


def _is_within(most: timedelta, since: datetime, now: datetime) -> bool:
    """What lies in the future was written by a clock that was ahead: nobody knows how long ago."""
    return timedelta(0) <= now - since <= most
