"""The ladder as data: which step comes when, for each severity, and where an alert stands on it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

MINUTES, HOURS = timedelta(minutes=1), timedelta(hours=1)


class Step(StrEnum):
    """The steps in their order."""

    FIRST = "first"
    SECOND_ROUTE = "second_route"  # the same person over another network
    SECOND = "second"
    THIRD = "third"
    REPAIRER = "repairer"
    COMMUNE = "commune"
    CALL_LIST = "call_list"  # a person calls by hand


class Rung(NamedTuple):
    """One step and when it comes, counted from the first."""

    step: Step
    after: timedelta


# SMS.md §5.4: another route at 15 min, others of the committee at 30, the repairer at 90, a call list at 4 h. What can
# wait until this week has one more person the next day; what is for information has one.
LADDER: Mapping[int, tuple[Rung, ...]] = {
    3: (
        Rung(Step.FIRST, 0 * MINUTES), Rung(Step.SECOND_ROUTE, 15 * MINUTES), Rung(Step.SECOND, 30 * MINUTES),
        Rung(Step.THIRD, 60 * MINUTES), Rung(Step.REPAIRER, 90 * MINUTES), Rung(Step.COMMUNE, 150 * MINUTES),
        Rung(Step.CALL_LIST, 4 * HOURS),
    ),
    2: (Rung(Step.FIRST, 0 * HOURS), Rung(Step.SECOND, 24 * HOURS), Rung(Step.CALL_LIST, 72 * HOURS)),
    1: (Rung(Step.FIRST, 0 * HOURS),),
}  # fmt: skip
# How long "on the way" is taken for an answer, and how long its question waits before somebody calls. Of what is for
# information nobody asks.
A_WORD_HOLDS: Mapping[int, timedelta] = {3: 4 * HOURS, 2: 24 * HOURS}


def named(step: str, number: int) -> str:
    """What a step is called in this round: what has one name is told to a person once."""
    return step if number == 1 else f"{step}-{number}"


@dataclass(frozen=True, slots=True)
class Position:
    """Where an alert stands: `rung` steps are behind it, delays count from `origin_at`.

    A `round` begins when it comes back after people were told of its end, and when it is there and nobody has heard.
    """

    rung: int
    origin_at: datetime
    round: int = 1

    def next(self, severity: int) -> Rung | None:
        """The step that comes next, or None when all are behind it."""
        rungs = LADDER[severity]
        return rungs[self.rung] if self.rung < len(rungs) else None

    def due_at(self, severity: int) -> datetime | None:
        """When it comes."""
        rung = self.next(severity)
        return None if rung is None else self.origin_at + rung.after

    def taken(self, severity: int, at: datetime) -> Position:
        """After the next step was taken `at`; when it came late, those behind it keep their distance."""
        return replace(self, rung=self.rung + 1, origin_at=max(self.origin_at, at - LADDER[severity][self.rung].after))

    def passed(self) -> Position:
        """After a step that nobody could take."""
        return replace(self, rung=self.rung + 1)
