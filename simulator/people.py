"""A committee that reads its SMS after a while, answers sometimes wrongly, and repairs or does not: pure and seeded.

Nobody has measured how a committee around Labé answers an SMS; the ranges are assumptions, and a scenario can name
others. How long a repair takes, and how long dry taps go unreported, differs between countries by a factor of ten
(DOMAIN §5), so an outcome is always told with the ranges that led to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta

import numpy as np

from simulator.sun import zone_seed
from simulator.tables import Range, Table

UP_FROM, UP_UNTIL = time(6, 0), time(21, 0)
SEEN, WRONG = "1", ("merci", "qui est ce", "9", "ok ?", "1 2")  # of which some are understood all the same


@dataclass(frozen=True, slots=True)
class Committee:
    """Habits; shares in 0..1, ranges `(least, greatest)` drawn from evenly.

    Parameters
    ----------
    reads_minutes : between the phone's tone and a look at it, by day
    answers : share of the messages that are answered at all
    wrong : share of the answers that say something else than they should
    repairs : share of the faults that are mended once they are known
    repair_hours : from knowing to mended: the way, the part, the money
    notices_hours : of dry taps until somebody calls the repairer without having been told
    round_days : between two rounds of a repairer, who finds what nobody noticed
    """

    reads_minutes: Range = (5.0, 180.0)
    answers: float = 0.85
    wrong: float = 0.1
    repairs: float = 0.95
    repair_hours: Range = (4.0, 72.0)
    notices_hours: Range = (6.0, 48.0)
    round_days: float = 30.0


@dataclass(frozen=True, slots=True)
class Response:
    """What one message leads to: when it is read, and what is answered then (None: nothing)."""

    read_at: datetime
    text: str | None


class People:
    """Seeded decisions of the people of many zones."""

    def __init__(self, committee: Committee, *, seed: int) -> None:
        self.committee, self._seed = committee, seed

    def responds(self, message: str, *, zone_id: str, shown_at: datetime) -> Response:
        """What the owner of a phone does about a message (`message` tells it from others)."""
        rng = self._rng(zone_id, message)
        read_at = awake(shown_at + timedelta(minutes=float(rng.uniform(*self.committee.reads_minutes))))
        answers, is_wrong, word = rng.uniform(0, 1, 3)
        if answers >= self.committee.answers:
            return Response(read_at, None)
        text = WRONG[int(word * len(WRONG))] if is_wrong < self.committee.wrong else SEEN
        return Response(read_at, text)

    def mended_at(self, trouble: str, *, zone_id: str, known_at: datetime) -> datetime | None:
        """When a fault that became known is mended; None when nobody ever comes before the next round.

        The same trouble takes the same time, however it became known.
        """
        rng = self._rng(zone_id, f"repair/{trouble}")
        comes, hours = float(rng.uniform(0, 1)), float(rng.uniform(*self.committee.repair_hours))
        return known_at + timedelta(hours=hours) if comes < self.committee.repairs else None

    def notices_after(self, trouble: str, *, zone_id: str) -> timedelta:
        """How long taps must be dry until somebody calls by himself."""
        rng = self._rng(zone_id, f"notice/{trouble}")
        return timedelta(hours=float(rng.uniform(*self.committee.notices_hours)))

    def _rng(self, zone_id: str, what: str) -> np.random.Generator:
        return np.random.default_rng(zone_seed(f"{zone_id}/{what}", self._seed))


def awake(moment: datetime) -> datetime:
    """`moment`, or the next morning when people sleep (Guinea is on UTC all year)."""
    if moment.time() < UP_FROM:
        return moment.replace(hour=UP_FROM.hour, minute=0, second=0, microsecond=0)
    if moment.time() >= UP_UNTIL:
        return awake(moment.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1))
    return moment


def read_committee(table: Table) -> Committee:
    """The table `committee` of a scenario.

    Raises
    ------
    ScenarioError : a wrong key or value
    """
    usual = Committee()
    committee = Committee(
        reads_minutes=table.span("reads_minutes", 0, 10_000, usual.reads_minutes),
        answers=table.number("answers", 0, 1, usual.answers),
        wrong=table.number("wrong", 0, 1, usual.wrong),
        repairs=table.number("repairs", 0, 1, usual.repairs),
        repair_hours=table.span("repair_hours", 0, 10_000, usual.repair_hours),
        notices_hours=table.span("notices_hours", 0, 10_000, usual.notices_hours),
        round_days=table.number("round_days", 1, 400, usual.round_days),
    )
    table.done()
    return committee
