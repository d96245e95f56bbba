"""How good our own alerts are to people: how many, how fast, how often for nothing.

The kinds of figure are those of IEC 62682 and EEMUA 191 for operators at a desk; the budget beside them is that of a
volunteer with a phone (DETECTION §2.2).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np

from alerts.closing import RepairTimes, repair_times, repairs_of
from ingest.db import Connection, queries

SQL = queries("alerts", "metrics")

FLOOD, FLOOD_WITHIN = 10, timedelta(minutes=10)  # EEMUA 191: more than ten in ten minutes is a flood
STALE = timedelta(days=7)
SLOW_SHARE = 0.9
NOISIEST = 5
SMS_BUDGET_PER_WEEK = 2.0  # DETECTION §2.2: a volunteer's phone


@dataclass(frozen=True, slots=True)
class Record:
    """One alert as the figures need it; `is_true` is what people said last, None while nobody said anything.

    It is told when a route took an SMS about it. It was opened, and taken in charge, in platform time; evidence and end
    are those of the readings.
    """

    alert_id: int
    zone_id: str
    fault: str
    severity: int
    first_evidence_at: datetime
    opened_at: datetime
    acknowledged_at: datetime | None
    ended_at: datetime | None
    times: int
    is_told: bool
    is_explained: bool
    is_true: bool | None
    cause: str | None = None


class Flood(NamedTuple):
    """Ten alerts or more within ten minutes, as long as it went on; `zone_id` None for the operator, who sees all."""

    zone_id: str | None
    start: datetime
    end: datetime
    alerts: int


class Sent(NamedTuple):
    """How many messages left in a span, and to how much: weeks of zones since each was first heard, weeks of people."""

    sms: int
    zone_weeks: float
    person_weeks: float


class Spans(NamedTuple):
    """Median and 90 % of so many lengths of time; None without any."""

    number: int
    median: timedelta | None
    slow: timedelta | None


@dataclass(frozen=True, slots=True)
class Metrics:
    """The figures of a span of time. Alerts of which no SMS left are counted apart, and otherwise only in how long
    repairs took: those are of the alerts that ended in the span."""

    alerts: int
    untold: int
    per_zone_week: float | None
    sms_per_person_week: float | None
    floods: tuple[Flood, ...]
    chattering: tuple[Record, ...]  # came more than once, most often first
    stale: tuple[Record, ...]  # open for more than a week, longest first
    to_acknowledge: Spans
    to_resolve: Spans
    marked: int
    false: int
    by_fault: tuple[tuple[str, int, int, int], ...]  # (fault, alerts, marked, false), most first
    by_severity: Mapping[int, int]
    by_cause: tuple[RepairTimes, ...] = ()

    @property
    def named_share(self) -> float | None:
        """Of the alerts that are over, those of which somebody named the cause."""
        over = sum(one.number for one in self.by_cause)
        return sum(one.number for one in self.by_cause if one.cause is not None) / over if over else None

    @property
    def false_share(self) -> float | None:
        """False alerts among those that people said something of."""
        return self.false / self.marked if self.marked else None


def measure(records: Sequence[Record], sent: Sent | None, *, start: datetime, end: datetime) -> Metrics:
    """The figures of alerts that were opened within [start, end]; what is open at `end` may be stale.

    Without `sent` nothing is said of a week.
    """
    within = [one for one in records if start <= one.opened_at <= end]
    told = [one for one in within if one.is_told]
    open_now = [one for one in records if one.ended_at is None and not one.is_explained]
    marked = [one for one in told if one.is_true is not None]
    repairs = repairs_of(records, start, end)
    return Metrics(
        alerts=len(told),
        untold=len(within) - len(told),
        per_zone_week=len(told) / sent.zone_weeks if sent and sent.zone_weeks else None,
        sms_per_person_week=sent.sms / sent.person_weeks if sent and sent.person_weeks else None,
        floods=tuple(_all_floods(told)),
        chattering=tuple(sorted((one for one in told if one.times > 1), key=lambda one: -one.times)),
        stale=tuple(sorted((one for one in open_now if end - one.opened_at > STALE), key=lambda one: one.opened_at)),
        to_acknowledge=_spans(one.acknowledged_at - one.opened_at for one in told if one.acknowledged_at is not None),
        to_resolve=_spans(one.lasted for one in repairs),
        marked=len(marked),
        false=sum(one.is_true is False for one in marked),
        by_fault=_by_fault(told),
        by_severity=dict(sorted(Counter(one.severity for one in told).items(), reverse=True)),
        by_cause=tuple(repair_times(repairs)),
    )


def floods(opened: Sequence[datetime], zone_id: str | None) -> list[Flood]:
    """Where ten or more of these instants lie within ten minutes; floods that touch are one."""
    instants = sorted(opened)
    found: list[Flood] = []
    for last in range(FLOOD - 1, len(instants)):
        first = last - FLOOD + 1
        if instants[last] - instants[first] > FLOOD_WITHIN:
            continue
        if found and instants[first] <= found[-1].end:
            first = instants.index(found[-1].start)
            found.pop()
        found.append(Flood(zone_id, instants[first], instants[last], last - first + 1))
    return found


def _all_floods(told: Sequence[Record]) -> list[Flood]:
    by_zone: dict[str, list[datetime]] = defaultdict(list)
    for one in told:
        by_zone[one.zone_id].append(one.opened_at)
    committees = [flood for zone, opened in sorted(by_zone.items()) for flood in floods(opened, zone)]
    return floods([one.opened_at for one in told], None) + committees


def _spans(lengths: Iterable[timedelta]) -> Spans:
    seconds = np.array([length.total_seconds() for length in lengths])
    if not len(seconds):
        return Spans(0, None, None)
    middle, slow = (timedelta(seconds=float(np.quantile(seconds, share))) for share in (0.5, SLOW_SHARE))
    return Spans(len(seconds), middle, slow)


def _by_fault(told: Sequence[Record]) -> tuple[tuple[str, int, int, int], ...]:
    count: Counter[str] = Counter(one.fault for one in told)
    marked: Counter[str] = Counter(one.fault for one in told if one.is_true is not None)
    false: Counter[str] = Counter(one.fault for one in told if one.is_true is False)
    return tuple((fault, number, marked[fault], false[fault]) for fault, number in count.most_common(NOISIEST))


def fetch_metrics(connection: Connection, *, start: datetime, end: datetime, per_week: bool = True) -> Metrics:
    """The figures of [start, end], from the database; those of a week look for the first reading of every channel."""
    span = {"start": start, "end": end}
    records = [Record(*row) for row in connection.execute(SQL["records"], span)]
    sent = Sent(*connection.execute(SQL["sent"], span).fetchall()[0]) if per_week else None
    return measure(records, sent, start=start, end=end)
