"""Closing an alert, or a breakdown that was reported: somebody says why it came. Pure.

Readings end an alert, people name its cause; that list is what repair times are told by. Somebody may also end one that
no reading can end; should the readings go on showing it, it comes back and needs a cause again. A wrong click can be
taken back for a quarter of an hour.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from statistics import median
from typing import Protocol

from alerts.errors import ActionRefused

UNDO_WITHIN = timedelta(minutes=15)
LONGEST_WORDS = 300
LONGEST_NOTE = 1000
LONGEST_NAME = 80
REPAIRED_FROM = 2  # severity: what is told for information, such as a tower that fills tomorrow, is no repair


class Cause(StrEnum):
    """Why an alert came and how it ended, most usual first."""

    SET_RIGHT = "set_right"  # a valve, a breaker, a float, a setting
    PART_REPLACED = "part_replaced"
    CLEANED = "cleaned"  # panels, screen, filter
    LEAK_REPAIRED = "leak_repaired"
    NETWORK = "network"  # SIM, credit, mast
    SENSOR = "sensor"
    DRY_BOREHOLE = "dry_borehole"
    LIGHTNING = "lightning"
    THEFT = "theft"
    PLANNED_WORK = "planned_work"
    BY_ITSELF = "by_itself"
    FALSE_ALARM = "false_alarm"
    OTHER = "other"  # needs words


class BreakdownCause(StrEnum):
    """What a breakdown that somebody reported turned out to be, as one says it when it is closed."""

    PUMP = "pump"
    POWER = "power"
    PIPE = "pipe"
    TAP = "tap"
    OTHER = "other"
    NOTHING = "nothing"


def checked_closing(cause: str, words: str) -> tuple[Cause, str]:
    """The cause and the words of a closing.

    Raises
    ------
    ActionRefused : a cause that is not on the list, "other" without words, or too many of them
    """
    if cause not in set(Cause):
        raise ActionRefused("cause", cause, f"is none of {', '.join(Cause)}")
    found = Cause(cause)
    return found, checked_words("words", words, most=LONGEST_WORDS, needed=found is Cause.OTHER)


def checked_words(name: str, words: str, *, most: int, needed: bool = True) -> str:
    """What somebody wrote, without the spaces around it; a line ends with one letter, where browsers send two.

    Raises
    ------
    ActionRefused : nothing where something is needed, too much, or what no database keeps
    """
    found = words.replace("\r\n", "\n").strip()
    if needed and not found:
        raise ActionRefused(name, words, "is empty")
    if len(found) > most:
        raise ActionRefused(name, f"{len(found)} letters", f"is above {most}")
    if "\0" in found:
        raise ActionRefused(name, found, "holds a zero byte")
    return found


def may_undo(closed_at: datetime | None, now: datetime) -> bool:
    """Whether a closing can still be taken back."""
    return closed_at is not None and now - closed_at <= UNDO_WITHIN


@dataclass(frozen=True, slots=True)
class Repair:
    """How long an alert lasted; `cause` is None while nobody has named one."""

    cause: str | None
    lasted: timedelta


class Over(Protocol):
    """An alert as far as it tells a repair.

    `ended_at` is when readings showed the end (late ones too), or somebody said it; `is_true` what people said of it.
    """

    @property
    def cause(self) -> str | None: ...
    @property
    def severity(self) -> int: ...
    @property
    def first_evidence_at(self) -> datetime: ...
    @property
    def ended_at(self) -> datetime | None: ...
    @property
    def is_explained(self) -> bool: ...
    @property
    def is_true(self) -> bool | None: ...


def repairs_of(alerts: Iterable[Over], start: datetime, end: datetime) -> list[Repair]:
    """How long alerts lasted that ended within [start, end), from the first evidence.

    What another alert explains has its repair there; a false one was none.
    """
    return [
        Repair(one.cause, one.ended_at - one.first_evidence_at)
        for one in alerts
        if one.ended_at is not None
        and start <= one.ended_at < end
        and one.severity >= REPAIRED_FROM
        and not one.is_explained
        and one.is_true is not False
    ]


@dataclass(frozen=True, slots=True)
class RepairTimes:
    """Of the alerts of one cause: how many, the median and the longest."""

    cause: str | None
    number: int
    median: timedelta
    longest: timedelta


def repair_times(repairs: Iterable[Repair]) -> list[RepairTimes]:
    """By cause, most frequent first; those without a cause last, so that nobody takes them for one."""
    by_cause: dict[str | None, list[timedelta]] = defaultdict(list)
    for one in repairs:
        by_cause[one.cause].append(one.lasted)
    found = [RepairTimes(cause, len(spans), _median(spans), max(spans)) for cause, spans in by_cause.items()]
    return sorted(found, key=lambda one: (one.cause is None, -one.number, one.cause or ""))


def _median(spans: list[timedelta]) -> timedelta:
    return timedelta(seconds=median(span.total_seconds() for span in spans))
