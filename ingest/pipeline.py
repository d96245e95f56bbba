"""One batch of messages through its steps: admit, store, and only then tell who may forget what.

Readings, what was set aside, boots and statuses of a batch are one transaction. What `store` returns is committed;
what it raises is not, and nothing of it may be confirmed.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psycopg

from gateway.wire import ranges_of
from ingest.admission import Admission, ChannelEntry, Directory, Message, RejectReason, SetAside, admit
from ingest.db import Connection, queries
from ingest.errors import SchemaMismatch, StoreUnavailable
from ingest.sqlstate import Meaning, meaning_of
from ingest.writer import ReadingWriter

log = logging.getLogger(__name__)

SQL = queries("ingest", "pipeline")
MAX_ATTEMPTS_AT_ONCE = 5
UNKNOWN = {RejectReason.UNKNOWN_GATEWAY, RejectReason.UNKNOWN_CHANNEL}


@dataclass(slots=True)
class Stored:
    """What a batch came to; everything in here is committed."""

    stored: int = 0
    duplicate: int = 0
    conflict: int = 0
    set_aside: int = 0
    taken: dict[tuple[str, str, str], list[int]] = field(default_factory=dict)  # (zone, gateway, boot) → seq

    def add(self, other: Stored) -> None:
        """Take another batch into this sum."""
        self.stored += other.stored
        self.duplicate += other.duplicate
        self.conflict += other.conflict
        self.set_aside += other.set_aside
        for key, numbers in other.taken.items():
            self.taken.setdefault(key, []).extend(numbers)


class Pipeline:
    """Stores batches over one connection of its own; not thread-safe."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._writer = ReadingWriter(connection)
        self._directory = fetch_directory(connection)

    def store(self, messages: Sequence[Message]) -> Stored:
        """Store a batch; on return it is committed.

        Raises
        ------
        StoreUnavailable : the database is away, full or too busy; the same batch may work later
        SchemaMismatch : schema or rights are not what this version needs; a person must act
        """
        for attempt in range(1, MAX_ATTEMPTS_AT_ONCE + 1):
            try:
                return self._store_once(messages)
            except psycopg.Error as error:
                meaning = meaning_of(error)
                if meaning is Meaning.AGAIN and attempt < MAX_ATTEMPTS_AT_ONCE:
                    continue
                if meaning is Meaning.OURS:
                    raise SchemaMismatch(f"the database refused with {error.sqlstate}: {_line(error)}") from error
                if meaning is Meaning.ROW:
                    return self._store_by_halves(messages, error)
                raise StoreUnavailable(f"database [{error.sqlstate or 'no connection'}]: {_line(error)}") from error
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _store_once(self, messages: Sequence[Message]) -> Stored:
        admission = admit(messages, self._directory)
        if any(item.reason in UNKNOWN for item in admission.set_aside):
            self._directory = fetch_directory(self._connection)  # a zone may have been imported since
            admission = admit(messages, self._directory)
        try:
            with self._connection.transaction():
                return self._write(admission)
        except BaseException:
            if not self._connection.closed:
                self._writer.forget()
            raise

    def _write(self, admission: Admission) -> Stored:
        written = self._writer.write(admission.columns)
        if admission.set_aside:
            with self._connection.cursor() as cursor:
                cursor.executemany(SQL["insert_set_aside"], [_set_aside_row(item) for item in admission.set_aside])
        if admission.taken:
            zone, gateway, boot = zip(*admission.taken, strict=True)
            seq = [_multirange(numbers) for numbers in admission.taken.values()]
            self._connection.execute(
                SQL["upsert_boots"],
                {
                    "zone": list(zone), "gateway": list(gateway), "boot": list(boot), "seq": seq,
                    "received": _instant(admission.received_us),
                },
            )  # fmt: skip
        for status in admission.statuses:
            self._connection.execute(
                SQL["update_status"],
                {
                    "gateway": status.gateway, "state": status.state, "software": status.software,
                    "clock": status.clock, "at": _instant(status.received_us),
                },
            )  # fmt: skip
        return Stored(*written, len(admission.set_aside), admission.taken)

    def _store_by_halves(self, messages: Sequence[Message], error: psycopg.Error) -> Stored:
        """Find the message that the database can never take; its neighbours are stored."""
        if len(messages) == 1:
            reason, detail = RejectReason.DATABASE_REFUSED, f"[{error.sqlstate}] {_line(error)}"
            whole = messages[0]
            admission = admit([whole], self._directory)
            alone = admit([], self._directory)
            alone.set_aside = [SetAside(whole, None, None, whole.payload, reason, detail)]
            alone.taken = admission.taken
            with self._connection.transaction():
                return self._write(alone)
        middle = len(messages) // 2
        result = self.store(messages[:middle])
        result.add(self.store(messages[middle:]))
        return result


def fetch_directory(connection: Connection) -> Directory:
    """The registry as admission needs it."""
    return Directory(
        gateways=dict(connection.execute(SQL["gateways"]).fetchall()),
        channels={
            (zone, asset, name): ChannelEntry(*entry)
            for zone, asset, name, *entry in connection.execute(SQL["channels"])
        },
    )


def _set_aside_row(item: SetAside) -> dict[str, object]:
    topic = _storable(item.message.topic)
    return {
        "received": _instant(item.message.received_us),
        "topic": topic,
        "zone": _storable(item.zone),
        "gateway": _storable(item.gateway),
        "payload": item.payload,
        "reason": item.reason.value,
        "detail": _storable(item.detail[:500]),
        "fingerprint": hashlib.sha256(topic.encode() + b"\x00" + item.payload).digest(),
    }


def _multirange(numbers: list[int]) -> str:
    return "{" + ",".join(f"[{low},{high}]" for low, high in ranges_of(numbers)) + "}"


def _storable(text: str | None) -> str:
    """A text that PostgreSQL takes: no NUL, no lone surrogate."""
    return (text or "").replace("\x00", "\\0").encode("utf-8", "backslashreplace").decode()


def _line(error: psycopg.Error) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _instant(micros: int) -> datetime:
    return datetime.fromtimestamp(micros / 1e6, UTC)
