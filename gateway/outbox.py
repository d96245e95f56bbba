"""The store-and-forward queue on disk: a reading is durable before it counts as taken.

SQLite with `synchronous=FULL`: a power cut may cost the reading being written, never one that `append` returned
(RELIABILITY: 60 power cuts, 124,003 commits, none lost). A reading is forgotten only when ingest says that it is
committed. Each opening of the outbox is a new boot with an id of its own, so sequence numbers of a lost file can
never be mistaken for those of its successor.
"""

from __future__ import annotations

import logging
import os
import re
import secrets
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from gateway.errors import GatewayError, OutboxDamaged, OutboxFull, OutboxUnavailable
from gateway.model import AssetId, Reading
from gateway.wire import Queued, ranges_of

log = logging.getLogger(__name__)

SCHEMA = """
CREATE TABLE IF NOT EXISTS queued (
    boot TEXT NOT NULL, seq INTEGER NOT NULL, uptime_s REAL NOT NULL,
    asset TEXT NOT NULL, channel TEXT NOT NULL, measured_ms INTEGER NOT NULL, value REAL NOT NULL,
    PRIMARY KEY (boot, seq)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS boot (number INTEGER PRIMARY KEY, boot TEXT NOT NULL UNIQUE, machine TEXT);
CREATE TABLE IF NOT EXISTS kept (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tally (what TEXT PRIMARY KEY, readings INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS thinned (
    id INTEGER PRIMARY KEY, boot TEXT NOT NULL, seq INTEGER NOT NULL, readings INTEGER NOT NULL,
    first_ms INTEGER NOT NULL, last_ms INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS undeclared (
    boot TEXT NOT NULL, low INTEGER NOT NULL, high INTEGER NOT NULL, PRIMARY KEY (boot, low)
) WITHOUT ROWID;
INSERT OR IGNORE INTO tally SELECT 'taken', count(*) FROM queued;
"""
# Forgetting what is confirmed needs room as well: SQLite writes 4 MB beside the file before it folds them back.
RESERVE_BYTES = 5_000_000
BELIEVABLE_MS = 1_577_836_800_000  # 2020-01-01; an earlier date is that of a clock that was not set
HOUR_MS = 3_600_000
THINNED_AT_ONCE = 20_000  # readings in one transaction: some 2 MB beside the file
LOCK_WAIT_S = 5.0  # how long another program may hold the file before we give up
DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
MAYBE_FULL = {sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN}  # what a full disk gives where a file cannot grow or begin
MACHINE_FILE = Path("/proc/sys/kernel/random/boot_id")


Position = tuple[int, int]
"""A place in the queue: number of the boot, sequence number."""

START: Position = (0, 0)
END: Position = (2**62, 0)

Group = tuple[str, list[Queued]]
"""Readings of one boot."""

ROWS = "SELECT number, boot, seq, uptime_s, asset, channel, measured_ms, value FROM queued JOIN boot USING (boot)"
# Up to where all is thin: by the boot's own name, for its number is given again once nothing of it waits.
REACHED = "SELECT number, seq FROM thinned JOIN boot USING (boot) ORDER BY id DESC LIMIT 1"


class Thinned(NamedTuple):
    """A note: how many readings went when those measured from `first_at` to `last_at` were thinned."""

    readings: int
    first_at: datetime
    last_at: datetime


class Outbox:
    """Readings that ingest has not yet confirmed, in the order in which they were taken. Thread-safe.

    Parameters
    ----------
    machine : names this run of the machine, while which its uptime counts on; None asks the kernel

    Raises
    ------
    OutboxFull : the disk has no room; nothing was taken, nothing is lost
    OutboxUnavailable : the file cannot be opened now; nothing is lost, try again
    OutboxDamaged : even a fresh file, begun after a damaged one was moved aside, is unreadable
    """

    def __init__(self, path: Path, *, machine: str | None = None) -> None:
        self.path = path
        self._machine = machine or _this_machine()
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)
        self.boot = secrets.token_hex(4)
        self._seq = 0
        self._db = self._open_or_move_aside()
        found = self._db.execute("SELECT boot FROM boot WHERE machine = ?", (self._machine,))
        self._of_this_run = {boot for (boot,) in found}

    def is_of_this_run(self, boot: str) -> bool:
        """Whether the uptimes of that boot's readings are on the same count as the machine's uptime now."""
        return boot in self._of_this_run

    def append(
        self, readings: Sequence[Reading], *, uptime_s: float | Sequence[float], kept: Mapping[str, str] | None = None
    ) -> range:
        """Take readings that were measured at `uptime_s` (of all, or of each); durable when this returns.

        Times are kept to the millisecond, as they go on the wire. What is to be `kept` under a name lasts with them or
        not at all. Returns the sequence numbers that the readings got within this boot, in order.
        """
        uptimes_s = [uptime_s] * len(readings) if isinstance(uptime_s, int | float) else uptime_s
        with self._lock:
            first = self._seq + 1
            rows = [
                (self.boot, first + n, at_s, r.asset, r.channel, _millis(r.measured_at), r.value)
                for n, (r, at_s) in enumerate(zip(readings, uptimes_s, strict=True))
            ]
            with self._own_errors(f"cannot take {len(rows)} readings now"):
                if self._room_bytes() < RESERVE_BYTES:
                    raise OutboxFull(f"{self.path}: less than {RESERVE_BYTES // 1_000_000} MB are left on disk")
                with self._db:
                    self._note_boot(self._db)  # another program that opened the file may have forgotten it, empty
                    self._db.executemany("INSERT INTO queued VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
                    self._db.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?)", (kept or {}).items())
                    self._count("taken", len(rows))
            self._seq += len(rows)
            return range(first, self._seq + 1)

    def peek(self, limit: int, *, after: Position = START, until: Position = END) -> tuple[list[Group], Position]:
        """The oldest unconfirmed readings behind `after` and up to `until`, at most `limit`; and where they end."""
        rows: list[tuple[Any, ...]] = []
        with self._lock:
            for boot, low, high in self._spans(after, until):
                rows += self._db.execute(
                    f"{ROWS} WHERE boot = ? AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?",
                    (boot, low, high, limit - len(rows)),
                ).fetchall()
                if len(rows) == limit:
                    break
        return _groups(rows), (rows[-1][0], rows[-1][2]) if rows else after

    def newest(self, limit: int) -> list[Group]:
        """Of the newest `limit` unconfirmed readings the last of each channel, in the order of taking."""
        with self._lock:
            rows = self._db.execute(f"{ROWS} ORDER BY number DESC, seq DESC LIMIT ?", (limit,)).fetchall()
        last = {(row[4], row[5]): row for row in reversed(rows)}
        return _groups(sorted(last.values(), key=lambda row: (row[0], row[2])))

    def end(self) -> Position:
        """The place of the newest unconfirmed reading; START when nothing waits."""
        with self._lock:
            row = self._db.execute(
                "SELECT number, seq FROM queued JOIN boot USING (boot) ORDER BY number DESC, seq DESC LIMIT 1"
            ).fetchone()
        return START if row is None else (int(row[0]), int(row[1]))

    def confirm(self, boot: str, ranges: Iterable[tuple[int, int]]) -> int:
        """Forget what ingest has committed, readings and declarations of thinned ones; returns how many that were.
        Repeating it is harmless."""
        spans = [(boot, low, high) for low, high in ranges]
        with self._lock, self._db:
            forget = self._db.execute
            confirmed = sum(
                forget("DELETE FROM queued WHERE boot = ? AND seq BETWEEN ? AND ?", span).rowcount for span in spans
            )
            declared = sum(
                forget("DELETE FROM undeclared WHERE boot = ? AND low >= ? AND high <= ?", span).rowcount
                for span in spans
            )
            if confirmed:
                self._count("confirmed", confirmed)
            return confirmed + declared

    def undeclared(self, limit: int) -> tuple[str, list[tuple[int, int]]] | None:
        """Numbers of one boot, as ranges, that were thinned away and of which ingest has not confirmed to know; at most
        `limit` ranges. None when there are none."""
        with self._lock:
            rows = self._db.execute(
                "SELECT boot, low, high FROM undeclared WHERE boot = (SELECT min(boot) FROM undeclared) "
                "ORDER BY low LIMIT ?", (limit,),
            ).fetchall()  # fmt: skip
        return (rows[0][0], [(low, high) for _, low, high in rows]) if rows else None

    def thin(self, *, before: datetime | None, most: int) -> int:
        """Where too much waits, keep of the oldest only the last reading of each channel and hour.

        The oldest are those measured `before` (by a clock that was set; None: the date is not known now), and as many
        as are beyond `most`. Each time leaves a note of what went, and in the same transaction the numbers that are to
        be declared to ingest. Returns how many went.
        """
        gone = 0
        while (thinned := self._thin_some(None if before is None else _millis(before), most)) is not None:
            gone += thinned
        return gone

    def _thin_some(self, before_ms: int | None, most: int) -> int | None:
        """Thin some of the oldest readings that are not thin yet, in one transaction; None when there is no need."""
        with self._lock, self._own_errors("cannot be thinned now"), self._db:
            reached = self._db.execute(REACHED).fetchone() or START
            count = self._db.execute("SELECT count(*) FROM queued").fetchone()[0]
            rows = self._db.execute(
                f"{ROWS} WHERE (number, seq) > (?, ?) ORDER BY number, seq LIMIT ?", (*reached, THINNED_AT_ONCE)
            ).fetchall()
            is_old = [before_ms is not None and BELIEVABLE_MS <= row[6] < before_ms for row in rows]
            old = len(rows) - is_old[::-1].index(True) if True in is_old else 0
            scope = rows[: max(old, most // 10 if count > most else 0)]  # so that it is not at once too much again
            if not scope:
                return None
            kept = {(row[1], row[4], row[5], row[6] // HOUR_MS): row for row in scope}
            gone = set(scope) - set(kept.values())
            self._db.executemany("DELETE FROM queued WHERE boot = ? AND seq = ?", [(row[1], row[2]) for row in gone])
            self._db.execute(
                "INSERT INTO thinned (boot, seq, readings, first_ms, last_ms) VALUES (?, ?, ?, ?, ?)",
                (scope[-1][1], scope[-1][2], len(gone), min(row[6] for row in scope), max(row[6] for row in scope)),
            )
            self._db.executemany(
                "INSERT INTO undeclared VALUES (?, ?, ?)",
                [(boot, *pair) for boot in {row[1] for row in gone}
                 for pair in ranges_of(row[2] for row in gone if row[1] == boot)],
            )  # fmt: skip
            self._count("thinned", len(gone))
        return len(gone)

    def account(self) -> dict[str, int]:
        """How many readings this file ever took, and where they are: taken = confirmed + thinned + waiting."""
        with self._lock:
            found = dict(self._db.execute("SELECT what, readings FROM tally").fetchall())
            waiting = int(self._db.execute("SELECT count(*) FROM queued").fetchone()[0])
        return {what: int(found.get(what, 0)) for what in ("taken", "confirmed", "thinned")} | {"waiting": waiting}

    def notes(self) -> list[Thinned]:
        """What was thinned, the oldest first."""
        with self._lock:
            rows = self._db.execute("SELECT readings, first_ms, last_ms FROM thinned WHERE readings > 0 ORDER BY id")
            return [Thinned(count, _instant(first), _instant(last)) for count, first, last in rows.fetchall()]

    def keep(self, values: Mapping[str, str]) -> None:
        """Keep values under names, durable when this returns."""
        with self._lock, self._own_errors("cannot keep values now"), self._db:
            self._db.executemany("INSERT OR REPLACE INTO kept VALUES (?, ?)", values.items())

    def forget_kept(self, prefix: str) -> None:
        """Keep what is kept under names that begin like this no more."""
        with self._lock, self._own_errors("cannot forget values now"), self._db:
            self._db.execute("DELETE FROM kept WHERE substr(name, 1, ?) = ?", (len(prefix), prefix))

    def kept(self, prefix: str) -> dict[str, str]:
        """What is kept under names that begin like this."""
        with self._lock:
            rows = self._db.execute("SELECT name, value FROM kept WHERE substr(name, 1, ?) = ?", (len(prefix), prefix))
            return dict(rows.fetchall())

    def depth(self, *, after: Position = START, until: Position = END) -> int:
        """How many readings behind `after` and up to `until` wait for their confirmation."""
        count = "SELECT count(*) FROM queued WHERE boot = ? AND seq > ? AND seq <= ?"
        with self._lock:
            return sum(int(self._db.execute(count, span).fetchone()[0]) for span in self._spans(after, until))

    def _spans(self, after: Position, until: Position) -> list[tuple[str, int, int]]:
        """The boots between two places, each with the numbers between which they lie: so the key finds them."""
        boots = self._db.execute(
            "SELECT number, boot FROM boot WHERE number BETWEEN ? AND ? ORDER BY number", (after[0], until[0])
        )
        return [
            (boot, after[1] if number == after[0] else 0, until[1] if number == until[0] else END[0])
            for number, boot in boots.fetchall()
        ]

    def close(self) -> None:
        """Close the file; what waits stays in it."""
        with self._lock:
            self._db.close()

    def _count(self, what: str, readings: int) -> None:
        """Book readings, within the caller's transaction."""
        self._db.execute(
            "INSERT INTO tally VALUES (?, ?) ON CONFLICT DO UPDATE SET readings = readings + excluded.readings",
            (what, readings),
        )

    def _room_bytes(self) -> int:
        """What is free on disk and within the file, which never shrinks."""
        pages, page_bytes = (
            int(self._db.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("freelist_count", "page_size")
        )
        return self._disk_bytes() + pages * page_bytes

    def _disk_bytes(self) -> int:
        disk = os.statvfs(self.path.parent)
        return disk.f_bavail * disk.f_frsize

    def _open_or_move_aside(self) -> sqlite3.Connection:
        try:
            return self._open()
        except OutboxDamaged as error:
            log.error("%s; it is moved aside and a fresh one is begun", error)
        return self._open()

    def _open(self) -> sqlite3.Connection:
        with self._own_errors("cannot be opened now"):
            db = sqlite3.connect(self.path, timeout=LOCK_WAIT_S, check_same_thread=False)
        try:
            with self._own_errors("cannot be opened now"):
                self._begin_boot(db)
        except GatewayError as error:
            if isinstance(error, OutboxDamaged):
                self._move_aside()  # before it is closed, which would fold the log of changes into a damaged file
            db.close()
            raise
        return db

    def _begin_boot(self, db: sqlite3.Connection) -> None:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("PRAGMA synchronous=FULL")
        self._check(db)
        db.executescript(SCHEMA)
        if "machine" not in {row[1] for row in db.execute("PRAGMA table_info(boot)")}:
            db.execute("ALTER TABLE boot ADD COLUMN machine TEXT")  # a file of version 0.1
        with db:
            db.execute("DELETE FROM boot WHERE NOT EXISTS (SELECT 1 FROM queued WHERE queued.boot = boot.boot)")
            self._note_boot(db)

    def _note_boot(self, db: sqlite3.Connection) -> None:
        db.execute("INSERT OR IGNORE INTO boot (boot, machine) VALUES (?, ?)", (self.boot, self._machine))

    def _check(self, db: sqlite3.Connection) -> None:
        verdict = str(db.execute("PRAGMA quick_check").fetchone()[0])
        code = re.search(r"error code=(\d+)", verdict)  # a page that the disk did not give is no damaged page
        if code and _primary(int(code[1])) not in DAMAGED:
            raise OutboxUnavailable(f"{self.path} cannot be read now, try again: {verdict}")
        if verdict != "ok":
            raise OutboxDamaged(f"{self.path} is damaged: {verdict}")

    def _move_aside(self) -> None:
        """Rename the file with its log of changes, in which readings may be that are nowhere else.

        The log goes first: beside a fresh file SQLite would delete it.
        """
        aside = f"{self.path.name}.damaged-{secrets.token_hex(3)}"
        for suffix in ("-wal", "-shm", ""):
            part = self.path.with_name(self.path.name + suffix)
            if part.exists():
                part.rename(self.path.with_name(aside + suffix))

    @contextmanager
    def _own_errors(self, what: str) -> Iterator[None]:
        """Tell SQLite's errors apart by what the caller can do."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            code = _primary(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR))
            if code in DAMAGED:
                raise OutboxDamaged(f"{self.path} is damaged: {error}") from error
            if code == sqlite3.SQLITE_FULL or (code in MAYBE_FULL and self._disk_bytes() < RESERVE_BYTES):
                raise OutboxFull(f"{self.path} {what}, no room on disk: {error}") from error
            raise OutboxUnavailable(f"{self.path} {what}, try again: {error}") from error


def _groups(rows: Iterable[tuple[Any, ...]]) -> list[Group]:
    groups: list[Group] = []
    for _, boot, seq, uptime_s, asset, channel, measured_ms, value in rows:
        if not groups or groups[-1][0] != boot:
            groups.append((boot, []))
        reading = Reading(AssetId(asset), channel, _instant(measured_ms), value)
        groups[-1][1].append(Queued(seq, uptime_s, reading))
    return groups


def _this_machine() -> str:
    """The kernel's own name of this run of the machine; without one every opening counts as a new run."""
    try:
        return MACHINE_FILE.read_text("ascii").strip()
    except OSError:
        return secrets.token_hex(8)


def _primary(code: int) -> int:
    """The kind of an error of SQLite, without its details."""
    return code & 0xFF


def _millis(instant: datetime) -> int:
    return round(instant.timestamp() * 1e3)


def _instant(millis: int) -> datetime:
    return datetime.fromtimestamp(millis // 1000, UTC).replace(microsecond=millis % 1000 * 1000)
