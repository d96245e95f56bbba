"""What was set aside, tried again: after a zone was registered, a channel added; and what profiles read, read again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from gateway.clock import Clock, instant_from_us
from ingest.admission import Message, RejectReason
from ingest.audit import record
from ingest.db import Connection, queries
from ingest.pipeline import Again, Committed, Pipeline, fetch_aliases
from ingest.profiles.formats import Undecodable
from ingest.profiles.sparkplug import Aliases, Born, NoBirth, from_sparkplug

SQL = queries("ingest", "replay")
RAW_AT_ONCE = 1000


class Fate(StrEnum):
    """What became of one message."""

    ACCEPTED = "accepted"
    PARTLY = "partly"  # some readings are still refused: what is set aside holds each of them, or the message
    REFUSED = "refused"  # nothing changed
    GONE = "gone"  # there is none of this id, or somebody replayed it before


class Replayed(NamedTuple):
    """What became of one message, and of how many of its readings; why, when nothing of it was accepted."""

    set_aside_id: int
    fate: Fate
    stored: int = 0
    duplicate: int = 0
    conflict: int = 0
    set_aside: int = 0
    reason: str | None = None
    detail: str | None = None


def find_waiting(
    connection: Connection,
    *,
    limit: int,
    zone: str | None = None,
    reason: str | None = None,
    since: datetime | None = None,
    after: int = 0,
) -> list[int]:
    """Ids of messages that are still set aside, oldest first: of a zone (empty: of none that is known), for a reason,
    received at or after `since`, behind the one of id `after`.
    """
    parameters = {"zone": zone, "reason": reason, "since": since, "after": after, "limit": limit}
    return [number for (number,) in connection.execute(SQL["waiting"], parameters)]


def replay(connection: Connection, ids: Sequence[int], *, clock: Clock, who: str) -> list[Replayed]:
    """Admit these messages again, in this order, and say what became of each.

    A message is one transaction: its readings, its line in the account and the mark that it was replayed come to stay
    together, and one that fails takes no other with it. Two who replay the same message at once count it once. Times
    that are relative count from when the message first came.

    Raises
    ------
    StoreUnavailable, SchemaMismatch : as `Pipeline.store`; messages before this one are replayed
    """
    pipeline = Pipeline(connection)
    return [_replay_one(connection, pipeline, number, who, clock.now()) for number in ids]


def _replay_one(connection: Connection, pipeline: Pipeline, number: int, who: str, now: datetime) -> Replayed:
    with connection.transaction():
        row = connection.execute(SQL["take"], {"id": number}).fetchone()
        if row is None:
            return Replayed(number, Fate.GONE)
        topic, payload, received_us, reason, zone = row
        # Only a gateway of the registry has boots; what a stranger sent has not been booked under its numbers yet.
        again = Again(now, was_booked=reason != RejectReason.UNKNOWN_GATEWAY)
        found = pipeline.store_again(Message(topic, payload, received_us, 0, 0), again)
        if not isinstance(found, Committed):
            return Replayed(number, Fate.REFUSED, reason=found.reason.value, detail=found.detail)
        if not found.stays_aside:
            connection.execute(SQL["mark"], {"id": number, "now": now})
        after = {"stored": found.stored, "duplicate": found.duplicate, "conflict": found.conflict,
                 "set_aside": found.set_aside}  # fmt: skip
        record(
            connection, who=who, what="set_aside_replayed", subject=f"set-aside-{number}", zone=zone,
            before={"reason": reason}, after=after, now=now,
        )  # fmt: skip
    fate = Fate.PARTLY if found.set_aside else Fate.ACCEPTED
    return Replayed(number, fate, found.stored, found.duplicate, found.conflict, found.set_aside)


def count_raw(connection: Connection, *, profile: str | None = None, since: datetime | None = None) -> int:
    """How many messages `replay_raw` would read."""
    row = connection.execute(SQL["count_raw"], {"profile": profile, "since": since}).fetchone()
    return int(row[0]) if row else 0


def replay_raw(
    connection: Connection, *, clock: Clock, profile: str | None = None, since: datetime | None = None
) -> Iterator[Replayed]:
    """Read again what profiles have read, oldest first: after a profile or the points of a device were mended.

    Readings that are stored already are duplicates; where the mended profile makes another value of one, the first
    stays and the second is recorded as conflicting. `set_aside_id` is the number of the raw message. Sparkplug data are
    read by the birth of then, and refused where it is not kept any more.

    Raises
    ------
    StoreUnavailable, SchemaMismatch : as `Pipeline.store`; messages before this one are read
    """
    pipeline, after = Pipeline(connection), 0
    while True:
        parameters = {"after": after, "profile": profile, "since": since, "limit": RAW_AT_ONCE}
        rows = connection.execute(SQL["raw"], parameters).fetchall()
        if rows and not after:
            first, _, _, first_us = rows[0]
            pipeline.read_by_births(_births_before(connection, first, instant_from_us(first_us)))
        for number, topic, payload, received_us in rows:
            found = pipeline.store_again(
                Message(topic, payload, received_us, 0, 0), Again(clock.now(), was_booked=False)
            )
            if isinstance(found, Committed):
                fate = Fate.PARTLY if found.set_aside else Fate.ACCEPTED
                yield Replayed(number, fate, found.stored, found.duplicate, found.conflict, found.set_aside)
            else:
                yield Replayed(number, Fate.REFUSED, reason=found.reason.value, detail=found.detail)
        if len(rows) < RAW_AT_ONCE:
            return
        after = rows[-1][0]


def _births_before(connection: Connection, first: int, at: datetime) -> Aliases:
    """What Sparkplug births had told when the raw message `first` came, at `at`: an alias may mean another one now."""
    found: dict[str, dict[int, Born]] = {}
    for topic, payload in connection.execute(SQL["births_before"], {"first": first}):
        with suppress(NoBirth, Undecodable):  # a metric without a name, beside others that are learned; another format
            from_sparkplug(payload, topic, found)
    last = fetch_aliases(connection)
    for (source,) in connection.execute(SQL["not_born_since"], {"at": at, "sources": list(last)}):
        found[source] = last[source]
    return found
