"""One batch of messages through its steps: admit, store, and only then tell who may forget what.

Readings, rollups, what was set aside, the account and statuses of a batch are one transaction. What `store` returns
is committed; what it raises is not, and nothing of it may be confirmed.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import numpy as np
import psycopg
from numpy.typing import NDArray

from gateway.clock import instant_from_us, us_from_instant
from gateway.devices import rule_from_values
from gateway.model import Flag
from gateway.wire import MAX_PAYLOAD_BYTES, SENML_KIND, topic_parts
from ingest.account import Account
from ingest.admission import (
    OWN_KINDS,
    Admission,
    ChannelEntry,
    Directory,
    Message,
    RejectReason,
    SetAside,
    Taken,
    admit,
    readings_apart,
)
from ingest.arrays import Int4s, Texts, Times
from ingest.columns import Columns
from ingest.db import Connection, queries
from ingest.errors import SchemaMismatch
from ingest.profiles.dialects import Dialects, Registered
from ingest.profiles.own import fetch_profiles
from ingest.profiles.profile import topics_of
from ingest.profiles.sparkplug import MAX_METRICS, Aliases, Born, birth_of
from ingest.senml import RELATIVE_BELOW_S, PackUnreadable, decode_pack
from ingest.sqlstate import VALUE_ERRORS, Meaning, as_detail, as_ingest_error, meaning_of
from ingest.suspicion import Suspicion
from ingest.writer import Outcome, ReadingWriter, RowFates

SQL = queries("ingest", "pipeline")
log = logging.getLogger(__name__)
MAX_ATTEMPTS_AT_ONCE = 5
UNKNOWN = {
    RejectReason.UNKNOWN_GATEWAY, RejectReason.UNKNOWN_CHANNEL, RejectReason.UNKNOWN_DEVICE, RejectReason.UNKNOWN_TOPIC,
    RejectReason.NO_BIRTH, RejectReason.OTHER_DEVICE,
}  # fmt: skip


@dataclass(slots=True)
class Committed:
    """What a batch came to; everything in here is committed."""

    stored: int = 0
    duplicate: int = 0
    conflict: int = 0
    set_aside: int = 0
    taken: Taken = field(default_factory=dict)
    stays_aside: bool = False  # a message that came again is, as a whole, among what is set aside once more

    @property
    def came(self) -> int:
        """Of how many readings and messages all this was made."""
        return self.stored + self.duplicate + self.conflict + self.set_aside

    def add(self, other: Committed) -> None:
        """Take another batch into this sum."""
        self.stored += other.stored
        self.duplicate += other.duplicate
        self.conflict += other.conflict
        self.set_aside += other.set_aside
        for boot, ranges in other.taken.items():
            self.taken.setdefault(boot, []).extend(ranges)


class Again(NamedTuple):
    """A message comes a second time, out of what was set aside; `was_booked` says that the sequence numbers in it were
    booked as arrived when it was set aside, so that they are no sign of a duplicate."""

    now: datetime
    was_booked: bool


class Pipeline:
    """Stores batches over one connection of its own; not thread-safe, but for `new_admission`.

    `suspicion` remembers what the database refused; give the next pipeline the one of the last.
    """

    def __init__(self, connection: Connection, suspicion: Suspicion | None = None) -> None:
        self._connection = connection
        self._suspicion = Suspicion() if suspicion is None else suspicion
        self._writer = ReadingWriter(connection)
        self._account = Account(connection)
        self._aliases = fetch_aliases(connection)
        self._read_registry()

    def new_admission(self) -> Admission:
        """Where messages can be admitted before they are stored, also in another thread."""
        return Admission(self._directory, self._anchors)

    def store(self, messages: Sequence[Message]) -> Committed:
        """Admit and store a batch; see `store_admitted`."""
        admission = self.new_admission()
        admission.add(messages)
        return self.store_admitted(admission)

    def store_admitted(self, admission: Admission) -> Committed:
        """Store a batch; on return it is committed.

        Raises
        ------
        StoreUnavailable : the database is away, full or too busy; the same batch may work later
        SchemaMismatch : schema or rights are not what this version needs; a person must act
        """
        for attempt in range(1, MAX_ATTEMPTS_AT_ONCE + 1):
            try:
                stored = self._store_once(self._refreshed(admission))
            except (psycopg.Error, *VALUE_ERRORS) as error:
                meaning = meaning_of(error)
                if meaning is Meaning.AGAIN and attempt < MAX_ATTEMPTS_AT_ONCE:
                    continue
                if meaning is Meaning.ROW:
                    return self._store_without_refused(admission.messages, error)
                raise as_ingest_error(error) from error
            else:
                self._suspicion.note(admission.received_us, (), stored.came)
                return stored
        raise AssertionError("unreachable: the last attempt returns or raises")

    def store_again(self, message: Message, again: Again) -> Committed | SetAside:
        """Store a message that was set aside before, as far as it is accepted now.

        What of it is not accepted is set aside reading by reading, each for its own reason. When nothing is, nothing
        changes, and the answer says why.

        Raises
        ------
        StoreUnavailable, SchemaMismatch : as `store_admitted`
        """
        admission = self.new_admission()
        admission.replayed_us = us_from_instant(again.now)
        admission.add([message])
        if admission.set_aside and not len(admission) and not admission.statuses:
            return admission.set_aside[0]
        try:
            stored = self._store_once(admission, again)
        except (psycopg.Error, *VALUE_ERRORS) as error:
            if meaning_of(error) is Meaning.ROW:
                refused = Admission(self._directory, self._anchors)
                refused.refuse(message, RejectReason.DATABASE_REFUSED, as_detail(error))
                return refused.set_aside[0]
            raise as_ingest_error(error) from error
        stored.stays_aside = any(
            (item.message.topic, item.payload) == (message.topic, message.payload) for item in admission.set_aside
        )
        return stored

    def _refreshed(self, admission: Admission) -> Admission:
        """Read the messages again when something in them was unknown and is known now."""
        if any(item.reason in UNKNOWN for item in admission.set_aside):
            self.look_at_registry()
        if admission.directory is not self._directory:
            admission = admit(admission.messages, self._directory, self._anchors)
        if any(item.reason is RejectReason.NO_BIRTH for item in admission.set_aside) and self._learn_births():
            admission = admit(admission.messages, self._directory, self._anchors)
        return admission

    def look_at_registry(self) -> None:
        """Admit by the registry as it is now, if zones were imported since it was read."""
        if self._registry_state() != self._registry:
            self._writer.forget()  # a counter may end elsewhere now
            self._read_registry()

    @property
    def registry(self) -> object:
        """Changes with the registry that we admit by."""
        return self._registry

    @property
    def profile_topics(self) -> frozenset[str]:
        """The topics that profiles read, the operator's own as well."""
        return frozenset(topics_of(self._directory.dialects.profiles.values()))

    def read_by_births(self, aliases: Aliases) -> None:
        """Read Sparkplug data by these births from here on, and by those that come."""
        self._aliases.clear()
        self._aliases.update(aliases)

    def _learn_births(self) -> bool:
        """Learn what somebody else has kept, as who replays the birth of a device that was registered since; whether
        there was something."""
        new = {source: born for source, born in fetch_aliases(self._connection).items() if source not in self._aliases}
        self._aliases.update(new)
        return bool(new)

    def _read_registry(self) -> None:
        self._registry = self._registry_state()  # first, so that an import in between shows as one at the next look
        self._anchors = self._account.fetch_anchors()  # also those that another worker has learned
        self._estimated_boots = self._account.fetch_estimated_boots()
        self._directory = fetch_directory(self._connection, self._aliases)

    def _registry_state(self) -> tuple[object, ...] | None:
        return self._connection.execute(SQL["registry_state"]).fetchone()

    def _store_once(self, admission: Admission, again: Again | None = None) -> Committed:
        with self._transaction():
            return self._write(admission, again)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """A transaction, or a part of one that can be undone alone; what is kept in memory stays in line with it."""
        try:
            with self._connection.transaction():
                yield
        except BaseException:
            if not self._connection.closed:
                self._writer.forget()
                self._account.forget()
            raise

    def _write(self, admission: Admission, again: Again | None) -> Committed:
        columns, fate = self._write_readings(admission, is_new=again is not None and again.was_booked)
        aside = self._insert_set_aside(admission.set_aside)
        day = instant_from_us(admission.received_us) if again is None else again.now
        if again is None:
            self._keep_raw(admission)
        self._keep_births(admission)
        taken = admission.taken
        self._account.book(admission, taken, columns, fate, aside, day, is_replay=again is not None)
        for status in admission.statuses:
            self._connection.execute(
                SQL["update_status"],
                {
                    "gateway": status.gateway, "state": _storable(status.state), "software": _storable(status.software),
                    "clock": _storable(status.clock), "at": instant_from_us(status.received_us), "told": status.told,
                    "told_at": instant_from_us(status.told_us),
                },
            )  # fmt: skip
            if status.told is not None:
                self._connection.execute(SQL["note_told_day"], {"gateway": status.gateway})
        stored, duplicate, conflict = np.bincount(fate.outcome, minlength=len(Outcome)).tolist()
        return Committed(stored, duplicate, conflict, len(admission.set_aside), _settled(taken, admission.declared))

    def _keep_raw(self, admission: Admission) -> None:
        """Keep what devices said as it came."""
        for raw in admission.raw:
            message, found = raw.message, raw.translation
            self._connection.execute(
                SQL["keep_raw"],
                {
                    "at": instant_from_us(message.received_us), "topic": _storable(message.topic),
                    "payload": message.payload, "profile": found.profile,
                    "zones": sorted({heard.zone for heard in found.heard}), "readings": raw.readings,
                    "absent": raw.absent, "unused": [_storable(name) for name in raw.unused],
                },
            )  # fmt: skip

    def _keep_births(self, admission: Admission) -> None:
        """Keep what Sparkplug births of registered devices have told; what a stranger told before its birth ends."""
        for message, _ in admission.raw:
            if (source := birth_of(message.topic)) is not None:
                told = self._aliases.get(source)
                aliases = {str(alias): born for alias, born in (told or {}).items()}
                self._connection.execute(
                    SQL["end_birth" if told is None else "keep_birth"],
                    {"source": source, "aliases": json.dumps(aliases), "at": instant_from_us(message.received_us)},
                )

    def _write_readings(self, admission: Admission, *, is_new: bool) -> tuple[Columns, RowFates]:
        """The readings of a batch, and what became of each; `is_new` when none was stored under its number before."""
        columns = admission.columns
        came = np.zeros(len(columns), dtype=bool) if is_new else self._repeated_estimates(admission, columns)
        fate = RowFates(np.full(len(columns), Outcome.DUPLICATE, dtype=np.int8), np.zeros(len(columns), dtype=bool))
        fate.outcome[~came], fate.is_behind[~came] = self._writer.write_each(columns.take(~came))
        self._write_notes(admission, columns, fate.outcome)
        return columns, fate

    def _repeated_estimates(self, admission: Admission, columns: Columns) -> NDArray[np.bool_]:
        """(n,) which readings came before, in this batch or an earlier one, perhaps with another time.

        A reading is known by its time as long as its gateway's clock is believed. An estimate moves on with the anchor,
        and the clock that one copy makes us doubt another may make us believe. So all readings of a boot of which
        one was ever estimated are known by their number; other boots are not looked up. Whoever else writes these zones
        has ended before: no key would tell two estimates of one reading that came to two workers.
        """
        repeated = np.zeros(len(admission), dtype=bool)
        self._estimated_boots.update(item.boot for item in admission.estimated if item.boot is not None)
        placed = {
            boot: np.array(places, dtype=np.int64).reshape(-1, 3)
            for boot, places in admission.placed.items()
            if boot in self._estimated_boots
        }
        if placed:
            self._writer.take_turn(columns.channel_id)
            came = self._account.arrived_before({boot: places[:, 1:] for boot, places in placed.items()})
            for boot, places in placed.items():
                seen = came[boot]
                for row, low, high in places.tolist():
                    numbers = range(low, high + 1)
                    if row >= 0:
                        repeated[row : row + len(numbers)] = [number in seen for number in numbers]
                    seen.update(numbers)
        return repeated

    def _write_notes(self, admission: Admission, columns: Columns, outcome: NDArray[np.int8]) -> None:
        """Say why a stored reading is not flagged good."""
        is_stored = outcome == Outcome.STORED
        bad = np.flatnonzero(is_stored & (columns.flag == Flag.BAD))
        if len(bad):
            self._writer.note("range", columns.channel_id[bad], columns.measured_us[bad])
        redated = [item for item in admission.estimated if is_stored[item.row]]
        if redated:
            rows = np.array([item.row for item in redated])
            self._connection.execute(
                SQL["note_clock"],
                {
                    "channel": Int4s(columns.channel_id[rows]), "measured": Times(columns.measured_us[rows]),
                    "device": Times(np.array([item.device_us for item in redated])),
                },
            )  # fmt: skip

    def _insert_set_aside(self, aside: Sequence[SetAside]) -> list[tuple[SetAside, bool]]:
        """Keep these; each with whether it was not there yet."""
        if not aside:
            return []
        topics = [_storable(item.message.topic) for item in aside]
        prints = [
            hashlib.sha256(topic.encode() + b"\x00" + item.payload + _which_time(item)).digest()
            for topic, item in zip(topics, aside, strict=True)
        ]
        parameters = {
            "received": Times(np.array([item.message.received_us for item in aside], dtype=np.int64)),
            "topic": Texts(topics),
            "zone": Texts([_storable(item.zone) for item in aside]),
            "gateway": Texts([_storable(item.gateway) for item in aside]),
            "payload": [item.payload for item in aside],
            "reason": Texts([item.reason.value for item in aside]),
            "detail": Texts([_storable(item.detail[:500]) for item in aside]),
            "fingerprint": prints,
        }
        inserted = {row[0] for row in self._connection.execute(SQL["insert_set_aside"], parameters)}
        found = []
        for item, fingerprint in zip(aside, prints, strict=True):
            found.append((item, fingerprint in inserted))
            inserted.discard(fingerprint)  # the same again in this batch is a duplicate
        return found

    def _store_without_refused(self, messages: Sequence[Message], error: Exception) -> Committed:
        """Set aside what the database can never take; its neighbours are stored in the same transaction."""
        if isinstance(error, psycopg.errors.ForeignKeyViolation):  # a channel went since the registry was read
            self._read_registry()
        try:
            with self._transaction():
                admission = self._with_refused_aside(messages)
                try:
                    stored = self._store_once(admission)
                except (psycopg.Error, *VALUE_ERRORS) as later:  # it is not the readings, or not they alone
                    if meaning_of(later) is not Meaning.ROW:
                        raise
                    admission = self.new_admission()
                    stored = self._store_by_halves(messages, later, admission.set_aside)
                refused = [item for item in admission.set_aside if item.reason is RejectReason.DATABASE_REFUSED]
                zones, received_us = [item.zone or "" for item in refused], max(one.received_us for one in messages)
                why = self._suspicion.why_not_believed(received_us, zones, stored.came) if refused else None
                if why is not None:
                    raise SchemaMismatch(f"{why}, the first with {refused[0].detail}")
        except (psycopg.Error, *VALUE_ERRORS) as later:
            raise as_ingest_error(later) from later
        self._suspicion.note(received_us, zones, stored.came)
        return stored

    def _with_refused_aside(self, messages: Sequence[Message]) -> Admission:
        """Admit messages anew, each reading that the table of readings can never take as one that is set aside."""
        whole, ends = self.new_admission(), []
        for message in messages:
            whole.add([message])
            ends.append(len(whole))
        columns = whole.columns
        rows = self._writer.why_refused(columns)
        why = {_key(columns, row): error for row, error in rows.items()}
        is_suspect = [False] * len(messages)
        for row in rows:
            is_suspect[int(np.searchsorted(ends, row, side="right"))] = True
        admission = self.new_admission()
        for message, is_bad in zip(messages, is_suspect, strict=True):
            for part in readings_apart(message, self._directory) if is_bad else ():
                alone = admit([part], self._directory, self._anchors)
                error = why.get(_key(alone.columns, 0)) if len(alone) else None
                if error is None:
                    admission.add([part])
                else:
                    admission.refuse(part, RejectReason.DATABASE_REFUSED, as_detail(error))
            if not is_bad:
                admission.add([message])
        return admission

    def _store_by_halves(self, messages: Sequence[Message], error: Exception, aside: list[SetAside]) -> Committed:
        """Store messages whose whole was refused for `error`, half by half; single readings go `aside`."""
        if len(messages) == 1:
            messages = readings_apart(messages[0], self._directory)
        if len(messages) == 1:
            return self._store_refused(messages[0], error, aside)
        result, middle = Committed(), len(messages) // 2
        for half in (messages[:middle], messages[middle:]):
            try:
                result.add(self._store_once(admit(half, self._directory, self._anchors)))
            except (psycopg.Error, *VALUE_ERRORS) as later:
                if meaning_of(later) is not Meaning.ROW:
                    raise
                result.add(self._store_by_halves(half, later, aside))
        return result

    def _store_refused(self, message: Message, error: Exception, aside: list[SetAside]) -> Committed:
        """Keep what the database refuses; booked for its gateway, unless that is what is refused."""
        for is_booked in (True, False):
            refused = self.new_admission()
            refused.refuse(message, RejectReason.DATABASE_REFUSED, as_detail(error), is_booked=is_booked)
            try:
                stored = self._store_once(refused)
            except (psycopg.Error, *VALUE_ERRORS) as later:
                if meaning_of(later) is not Meaning.ROW:
                    raise
                error = later
            else:
                aside += refused.set_aside
                return stored
        raise error


def _which_time(item: SetAside) -> bytes:
    """What tells these bytes from the same at another time; nothing where they are the same measurement."""
    return b"" if _is_known_again(item) else b"\x00%d" % item.message.received_us


def _is_known_again(item: SetAside) -> bool:
    """Whether all readings in it tell their time or number; also where nobody will ever read it."""
    topic = topic_parts(item.message.topic)
    if item.reason in (RejectReason.TOO_LARGE, RejectReason.NOT_SENML):
        return True
    if item.reason is RejectReason.DECODER_FAILED or topic is None or topic.kind not in OWN_KINDS:
        return False  # nobody has read it yet
    if topic.kind != SENML_KIND:
        return True
    try:
        pack = decode_pack(item.payload)
    except PackUnreadable:
        return True
    return all(record.seq is not None or record.at_s >= RELATIVE_BELOW_S for record in pack.records)


def _settled(taken: Taken, declared: Taken) -> Taken:
    """What gateways need not tell us again: what came, and what they said will not come."""
    return {boot: [*taken.get(boot, ()), *declared.get(boot, ())] for boot in (*taken, *declared)}


def _key(columns: Columns, row: int) -> tuple[int, int]:
    return int(columns.channel_id[row]), int(columns.measured_us[row])


def fetch_directory(connection: Connection, aliases: Aliases | None = None) -> Directory:
    """The registry as admission needs it, with the profiles by which devices are read."""
    gateways = dict(connection.execute(SQL["gateways"]).fetchall())
    devices = {
        (profile, device): Registered(
            zone, gateway, asset, {rule.point: rule for rule in map(rule_from_values, points)}
        )
        for profile, device, zone, gateway, asset, points in connection.execute(SQL["devices"])
    }
    return Directory(
        gateways=gateways,
        channels={
            (zone, asset, name): ChannelEntry(*entry)
            for zone, asset, name, *entry in connection.execute(SQL["channels"])
        },
        dialects=Dialects(fetch_profiles(connection), devices, gateways, aliases),
    )


def fetch_aliases(connection: Connection) -> Aliases:
    """What Sparkplug births of registered devices have told so far."""
    return {
        source: {
            int(alias): Born(born) if isinstance(born, str) else Born(*born)  # a name alone: kept by 0.1
            for alias, born in aliases.items()
        }
        for source, aliases in connection.execute(SQL["births"], {"most": MAX_METRICS, "bytes": 4 * MAX_PAYLOAD_BYTES})
    }


def _storable(text: str | None) -> str:
    """A text that PostgreSQL takes: no NUL, no lone surrogate."""
    return (text or "").replace("\x00", "\\0").encode("utf-8", "backslashreplace").decode()
