"""Columns of readings into the table, fast and at most once.

The write path of the measurements (PERFORMANCE §3c, §4): a batch is sorted by key and split by a watermark. Readings
newer than all that is stored of their channel go in by plain binary COPY; only the others, which may be duplicates,
take a staging table and ON CONFLICT. The key stays the judge: when a second writer made the watermark stale, the
COPY fails on the key and the whole batch takes the staging way.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import psycopg
from numpy.typing import NDArray

from ingest.db import Connection, queries

SQL = queries("ingest", "writer")
PG_EPOCH_US = 946_684_800_000_000  # PostgreSQL counts its microseconds from 2000-01-01
WEEK_US = 7 * 86_400_000_000
NEVER_US = np.iinfo(np.int64).min

COPY_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
COPY_ROW = np.dtype(
    [
        ("fields", ">i2"),
        ("channel_len", ">i4"), ("channel_id", ">i4"),
        ("flag_len", ">i4"), ("flag", ">i2"),
        ("measured_len", ">i4"), ("measured", ">i8"),
        ("received_len", ">i4"), ("received", ">i8"),
        ("value_len", ">i4"), ("value", ">f8"),
    ]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Columns:
    """Readings as columns, all of one length n, in any order.

    channel_id (n,) int32 · measured_us, received_us (n,) int64 [µs since 1970-01-01 UTC] · value (n,) float64 in the
    canonical unit · flag (n,) int16 with the codes of `gateway.model.Flag`.
    """

    channel_id: NDArray[np.int32]
    measured_us: NDArray[np.int64]
    received_us: NDArray[np.int64]
    value: NDArray[np.float64]
    flag: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.channel_id)

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> Columns:
        """Some of the rows, by index or mask."""
        return Columns(
            self.channel_id[rows], self.measured_us[rows], self.received_us[rows], self.value[rows], self.flag[rows]
        )


class Written(NamedTuple):
    """What became of the rows of a batch; the three add up to its length."""

    stored: int
    duplicate: int
    conflict: int


class ReadingWriter:
    """Writes batches over one connection, each in a transaction of its own (or in the caller's, if one is open).

    The watermark (newest stored time of each channel) is read from `latest` at the start and moves with each commit.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._connection.execute(SQL["make_staging"])
        self.forget()

    def forget(self) -> None:
        """Read the watermark anew; after a failed transaction, or when someone else may have written."""
        self._weeks: set[int] = set()
        rows = self._connection.execute(SQL["watermark"]).fetchall()
        self._newest_us = np.full(max((row[0] for row in rows), default=0) + 1, NEVER_US, dtype=np.int64)
        for channel, newest_us in rows:
            self._newest_us[channel] = newest_us

    def write(self, columns: Columns) -> Written:
        """Store a batch; on return it is committed, unless the caller's own transaction is still open.

        The first value of a channel and time stays; another value for it is kept in `reading_conflict`.
        Database errors pass through as psycopg raises them; nothing of the batch is stored then.
        """
        if not len(columns):
            return Written(0, 0, 0)
        ordered = columns.take(np.lexsort((columns.measured_us, columns.channel_id)))
        self._grow(int(ordered.channel_id[-1]))
        self._ensure_weeks(ordered.measured_us)
        newer = ordered.measured_us > self._newest_us[ordered.channel_id]
        repeated = np.zeros(len(ordered), dtype=bool)
        repeated[1:] = (np.diff(ordered.channel_id) == 0) & (np.diff(ordered.measured_us) == 0)
        fast = newer & ~repeated
        try:
            with self._connection.transaction():
                written = self._write_split(ordered, fast)
        except psycopg.errors.UniqueViolation:
            with self._connection.transaction():
                written = self._write_split(ordered, np.zeros(len(ordered), dtype=bool))
        np.maximum.at(self._newest_us, ordered.channel_id, ordered.measured_us)
        return written

    def _write_split(self, ordered: Columns, fast: NDArray[np.bool_]) -> Written:
        certain, doubtful = ordered.take(fast), ordered.take(~fast)
        if len(certain):
            self._copy("copy_reading", certain)
        stored, duplicate, conflict = len(certain), 0, 0
        if len(doubtful):
            self._connection.execute(SQL["empty_staging"])
            self._copy("copy_staging", doubtful)
            inserted = self._connection.execute(SQL["insert_staged"]).rowcount
            self._connection.execute(SQL["insert_conflicts"])
            row = self._connection.execute(SQL["count_conflicts"]).fetchone()
            conflict = int(row[0]) if row else 0
            stored += inserted
            duplicate = len(doubtful) - inserted - conflict
        self._update_latest(ordered)
        return Written(stored, duplicate, conflict)

    def _copy(self, statement: str, columns: Columns) -> None:
        with self._connection.cursor() as cursor, cursor.copy(SQL[statement]) as copy:
            copy.write(COPY_HEADER + copy_rows(columns).tobytes() + b"\xff\xff")

    def _update_latest(self, ordered: Columns) -> None:
        last = np.append(np.flatnonzero(np.diff(ordered.channel_id)), len(ordered) - 1)
        newest = ordered.take(last)
        newest = newest.take(newest.measured_us > self._newest_us[newest.channel_id])
        if not len(newest):
            return
        self._connection.execute(
            SQL["update_latest"],
            {
                "channel": newest.channel_id.tolist(),
                "measured": [_instant(us) for us in newest.measured_us.tolist()],
            },
        )

    def _ensure_weeks(self, measured_us: NDArray[np.int64]) -> None:
        # Weeks begin on Monday; 1970-01-01 was a Thursday, so the count is shifted by three days.
        for week in np.unique((measured_us + 3 * 86_400_000_000) // WEEK_US).tolist():
            if week not in self._weeks:
                begin = _instant(week * WEEK_US - 3 * 86_400_000_000)
                self._connection.execute(SQL["ensure_week"], {"week": begin})
                self._weeks.add(week)

    def _grow(self, channel: int) -> None:
        if channel >= len(self._newest_us):
            grown = np.full(channel * 2 + 1, NEVER_US, dtype=np.int64)
            grown[: len(self._newest_us)] = self._newest_us
            self._newest_us = grown


def copy_rows(columns: Columns) -> NDArray[np.void]:
    """Rows of PostgreSQL's binary COPY for `reading`: channel_id, flag, measured_at, received_at, value."""
    rows = np.empty(len(columns), dtype=COPY_ROW)
    rows["fields"] = 5
    for name, size in (("channel", 4), ("flag", 2), ("measured", 8), ("received", 8), ("value", 8)):
        rows[f"{name}_len"] = size
    rows["channel_id"], rows["flag"], rows["value"] = columns.channel_id, columns.flag, columns.value
    rows["measured"] = columns.measured_us - PG_EPOCH_US
    rows["received"] = columns.received_us - PG_EPOCH_US
    return rows


def _instant(micros: int) -> datetime:
    return datetime.fromtimestamp(micros // 1_000_000, UTC).replace(microsecond=micros % 1_000_000)
