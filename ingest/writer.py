"""Columns of readings into the tables, fast and at most once, with latest values and rollups kept right beside them.

The write path of the measurements (PERFORMANCE §3c, §4): a batch is sorted by key and split by a watermark. Readings
newer than all that is stored of their channel are surely new; only the others are looked up. What is new goes in by
one plain binary COPY. The key stays the judge, and writers take turns: one that was not the last to write reads its
watermark anew.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import psycopg
from numpy.typing import NDArray

from gateway.clock import instant_from_us
from gateway.model import Flag
from ingest.arrays import Float8s, Int2s, Int4s, Times, copying, register_arrays
from ingest.columns import Columns
from ingest.db import Connection, queries
from ingest.quality import QualityMemory
from ingest.rollups import Rollups
from ingest.sqlstate import Meaning, meaning_of

SQL = queries("ingest", "writer")
WEEK_US = 7 * 86_400_000_000
MONDAY_US = 3 * 86_400_000_000  # 1970-01-01 was a Thursday, weeks begin on Monday
BEHIND_US = 3_600_000_000  # sooner than so long after it, whoever judges has looked at a reading's neighbours anyhow
COPY_LINE = re.compile(r"^COPY \w+, line (\d+)", re.MULTILINE)
NEVER_US = np.iinfo(np.int64).min


class Outcome(IntEnum):
    """What became of one reading."""

    STORED = 0
    DUPLICATE = 1  # already there, with the same value
    CONFLICT = 2  # already there, with another value


class Written(NamedTuple):
    """What became of the rows of a batch; the three add up to its length."""

    stored: int
    duplicate: int
    conflict: int


class RowFates(NamedTuple):
    """What became of each row of a batch (n,): its `Outcome`, and whether its zone already had a reading that is newer
    by `BEHIND_US`, of whatever channel, when the batch came."""

    outcome: NDArray[np.int8]
    is_behind: NDArray[np.bool_]


class ReadingWriter:
    """Writes batches over one connection, each in a transaction of its own (or in the caller's, if one is open).

    The watermark (newest stored time of each channel and zone) is read from `latest` at the start and moves with each
    commit.

    Parameters
    ----------
    only : a channel that nobody else writes as long as this writer lives: it reads nothing of the others and takes no
        turn, so that those who write them need not read anew; None for all channels
    """

    def __init__(self, connection: Connection, *, only: int | None = None) -> None:
        self._connection = connection
        self._name = secrets.token_hex(8)
        self._only = only
        register_arrays(connection)
        self._rollups = Rollups(connection, only=only)
        self._rollups.catch_up()
        self._quality = self._new_quality()
        self._load_watermark()

    def forget(self) -> None:
        """Read all that is kept in memory anew; after a failed transaction, or when someone else may have written."""
        self._rollups.forget()
        self._quality = self._new_quality()
        self._load_watermark()

    def write(self, columns: Columns) -> Written:
        """Store a batch and say how many rows were stored, there before, and in conflict with what was there."""
        return Written(*np.bincount(self.write_each(columns).outcome, minlength=len(Outcome)).tolist())

    def write_each(self, columns: Columns) -> RowFates:
        """Store a batch and say what became of each row. On return it is committed, unless the caller's own
        transaction is still open.

        The first value of a channel and time stays; another value for it is kept in `reading_conflict`.
        Database errors pass through as psycopg raises them; nothing of the batch is stored then.
        """
        if not len(columns):
            return RowFates(np.empty(0, dtype=np.int8), np.empty(0, dtype=bool))
        order = np.lexsort((columns.measured_us, columns.channel_id))
        ordered = columns.take(order)
        self._ensure_weeks(ordered.measured_us)
        with self._connection.transaction():
            self.take_turn(ordered.channel_id)
            is_newest = self._is_newest(ordered)
            is_behind = ordered.measured_us + BEHIND_US < self._zone_newest_us[self._zone[ordered.channel_id]]
            outcome = self._write_ordered(ordered, is_newest)
        self._move_watermark(ordered)
        fate = RowFates(np.empty_like(outcome), np.empty_like(is_behind))
        fate.outcome[order], fate.is_behind[order] = outcome, is_behind
        return fate

    def take_back(self, channel: int, measured_us: int) -> None:
        """Mark a stored reading as bad, since whoever made it says so; hours and days are counted without it."""
        key = {"channel": channel, "measured": instant_from_us(measured_us)}
        with self._connection.transaction():
            self.take_turn(np.array([channel]))
            self._connection.execute(SQL["flag_bad"], key)
            self._connection.execute(SQL["flag_latest_bad"], key)
            self.forget()
            self._rollups.count_again(channel, measured_us)

    def take_turn(self, channel_id: NDArray[np.int32] | NDArray[np.int64]) -> None:
        """Take the turns of the workers whose zones these channels are of (n,), until the open transaction ends; whose
        they are cannot change then."""
        if self._only is not None or not len(channel_id):
            return
        if int(channel_id.max()) >= len(self._worker):  # registered since
            self._load_watermark()
        taken: set[int] = set()
        while missing := set(_distinct(self._worker[channel_id])) - taken:
            taken |= missing
            row = self._connection.execute(SQL["take_turn"], {"me": self._name, "workers": sorted(missing)}).fetchone()
            if row is None or row[0]:
                self.forget()

    def note(self, test: str, channel: NDArray[np.int32], measured_us: NDArray[np.int64]) -> None:
        """Say of stored readings (n,) which test they failed."""
        parameters = {"channel": Int4s(channel), "measured": Times(measured_us), "test": test}
        self._connection.execute(SQL["note"], parameters)

    def why_refused(self, columns: Columns) -> dict[int, psycopg.Error]:
        """Which rows the table of readings can never take, by place, and why; nothing is stored.

        What was refused is tried again by COPY alone, without the row that the server names. Other database errors pass
        through.
        """
        found: dict[int, psycopg.Error] = {}
        if len(columns):
            order = np.lexsort((columns.measured_us, columns.channel_id))
            ordered = columns.take(order)
            with self._connection.transaction(force_rollback=True):
                self.take_turn(ordered.channel_id)
                self._ensure_weeks(ordered.measured_us)
                outcome = self._outcomes(ordered, ~self._is_newest(ordered))
                for place, error in self._refused_rows(ordered, np.flatnonzero(outcome == Outcome.STORED)):
                    found[int(order[place])] = error
            self._weeks.clear()  # those made just now are gone
        return found

    def _refused_rows(self, ordered: Columns, rows: NDArray[np.intp]) -> Iterator[tuple[int, psycopg.Error]]:
        waiting = [rows]
        while waiting:
            some = waiting.pop()
            try:
                with self._connection.transaction(), self._copying(ordered.take(some)):
                    pass
            except psycopg.Error as error:
                if meaning_of(error) is not Meaning.ROW:
                    raise
                if len(some) == 1:
                    yield int(some[0]), error
                    continue
                at = _line_of(error, len(some))
                waiting += [part for part in (some[:at], some[at : at + 1], some[at + 1 :]) if len(part)]

    def _write_ordered(self, ordered: Columns, is_newest: NDArray[np.bool_]) -> NDArray[np.int8]:
        outcome = self._outcomes(ordered, ~is_newest)
        is_new = outcome == Outcome.STORED
        stored = ordered.take(is_new)
        if len(stored):
            stored = self._flagged(stored, is_newest[is_new])
            with self._copying(stored):
                added = self._rollups.add(stored, is_newest[is_new])
            self._update_latest(stored.take(is_newest[is_new]))
            self._rollups.write(added)
        in_conflict = ordered.take(outcome == Outcome.CONFLICT)
        if len(in_conflict):
            self._connection.execute(
                SQL["insert_conflicts"],
                {
                    "channel": Int4s(in_conflict.channel_id), "measured": Times(in_conflict.measured_us),
                    "value": Float8s(in_conflict.value), "received": Times(in_conflict.received_us),
                },
            )  # fmt: skip
        return outcome

    def _copying(self, rows: Columns) -> AbstractContextManager[None]:
        return copying(
            self._connection,
            SQL["copy_reading"],
            [
                Int4s(rows.channel_id), Int2s(rows.flag), Times(rows.measured_us), Times(rows.received_us),
                Float8s(rows.value),
            ],
        )  # fmt: skip

    def _flagged(self, stored: Columns, is_newest: NDArray[np.bool_]) -> Columns:
        """The rows with the flags of the tests that they fail; why is noted beside them."""
        newest = stored.take(is_newest)
        if not len(newest):
            return stored
        if not self._quality.knows(int(newest.channel_id[-1])):
            self._quality = self._new_quality()
        failed = self._quality.test(newest)
        flag = stored.flag.copy()
        for test, is_failed in failed.tests.items():
            rows = np.flatnonzero(is_newest)[is_failed]
            flag[rows] = np.maximum(flag[rows], Flag.SUSPECT)
            self.note(test, stored.channel_id[rows], stored.measured_us[rows])
        channel, measured_us = failed.stored_spikes
        if len(channel):
            self._connection.execute(SQL["flag_suspect"], {"channel": Int4s(channel), "measured": Times(measured_us)})
            self.note("spike", channel, measured_us)
        return replace(stored, flag=flag)

    def _new_quality(self) -> QualityMemory:
        rows = self._connection.execute(SQL["channels"], {"only": self._only}).fetchall()
        ends = {channel: wraps_at for channel, _, _, wraps_at in rows if wraps_at is not None}
        return QualityMemory({channel: (asset, name) for channel, asset, name, _ in rows}, ends)

    def _outcomes(self, ordered: Columns, is_doubtful: NDArray[np.bool_]) -> NDArray[np.int8]:
        """Within the batch the first of equal keys counts; then what is stored already is looked up."""
        leads = np.ones(len(ordered), dtype=bool)
        leads[1:] = (np.diff(ordered.channel_id) != 0) | (np.diff(ordered.measured_us) != 0)
        leader = np.maximum.accumulate(np.where(leads, np.arange(len(ordered)), 0))
        follows = np.where(ordered.value == ordered.value[leader], Outcome.DUPLICATE, Outcome.CONFLICT)
        outcome = np.where(leads, Outcome.STORED, follows).astype(np.int8)
        if is_doubtful.any():
            rows = np.flatnonzero(is_doubtful)
            absent, differing = self._look_up(ordered.take(rows))
            is_there = np.ones(len(rows), dtype=bool)
            is_there[absent] = False
            outcome[rows[is_there]] = Outcome.DUPLICATE
            outcome[rows[differing]] = Outcome.CONFLICT
        return outcome

    def _look_up(self, doubtful: Columns) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Which of these (by place) are not stored, and which are stored with another value."""
        row = self._connection.execute(
            SQL["look_up"],
            {
                "channel": Int4s(doubtful.channel_id), "measured": Times(doubtful.measured_us),
                "value": Float8s(doubtful.value), "start": instant_from_us(int(doubtful.measured_us.min())),
                "end": instant_from_us(int(doubtful.measured_us.max())),
            },
            binary=True,
        ).fetchone()  # fmt: skip
        absent, differing = row if row else (None, None)
        return np.array(absent or [], dtype=np.intp), np.array(differing or [], dtype=np.intp)

    def _update_latest(self, newest: Columns) -> None:
        if not len(newest):
            return
        last = newest.take(_last_of_channel(newest))
        is_there = self._newest_us[last.channel_id] != NEVER_US
        for statement, rows in (("update_latest", last.take(is_there)), ("insert_latest", last.take(~is_there))):
            if len(rows):
                self._connection.execute(
                    SQL[statement],
                    {
                        "channel": Int4s(rows.channel_id), "measured": Times(rows.measured_us),
                        "received": Times(rows.received_us), "value": Float8s(rows.value), "flag": Int2s(rows.flag),
                    },
                )  # fmt: skip

    def _load_watermark(self) -> None:
        self._weeks: set[int] = set()
        rows = self._connection.execute(SQL["watermark"], {"only": self._only}).fetchall()
        channel, newest_us = (np.array([row[column] for row in rows], dtype=np.int64) for column in (0, 2))
        names, zone = np.unique([row[1] for row in rows], return_inverse=True)
        size = int(channel.max(initial=0)) + 1
        self._worker = np.ones(size, dtype=np.int64)
        self._worker[channel] = [row[3] for row in rows]
        self._newest_us = np.full(size, NEVER_US, dtype=np.int64)
        self._zone = np.full(size, len(names), dtype=np.intp)  # behind the last zone: of none that we know
        self._newest_us[channel], self._zone[channel] = newest_us, zone
        self._zone_newest_us = np.full(len(names) + 1, NEVER_US, dtype=np.int64)
        np.maximum.at(self._zone_newest_us, zone, newest_us)

    def _move_watermark(self, ordered: Columns) -> None:
        last = _last_of_channel(ordered)
        channel, measured_us = ordered.channel_id[last], ordered.measured_us[last]
        self._newest_us[channel] = np.maximum(self._newest_us[channel], measured_us)
        np.maximum.at(self._zone_newest_us, self._zone[channel], measured_us)

    def _ensure_weeks(self, measured_us: NDArray[np.int64]) -> None:
        for week in _distinct((measured_us + MONDAY_US) // WEEK_US):
            if week not in self._weeks:
                self._connection.execute(SQL["ensure_week"], {"week": instant_from_us(week * WEEK_US - MONDAY_US)})
                self._weeks.add(week)

    def _is_newest(self, ordered: Columns) -> NDArray[np.bool_]:
        if int(ordered.channel_id[-1]) >= len(self._newest_us):  # of a writer that takes no turns
            self._load_watermark()
        return ordered.measured_us > self._newest_us[ordered.channel_id]


def _last_of_channel(ordered: Columns) -> NDArray[np.intp]:
    """The last row of each channel, of rows in the order of channel and time."""
    return np.append(np.flatnonzero(np.diff(ordered.channel_id)), len(ordered) - 1)


def _distinct(numbers: NDArray[np.int64]) -> list[int]:
    """Which numbers there are among these, of which there is one at least; nearly always they are all the same."""
    lowest, highest = int(numbers.min()), int(numbers.max())
    return [lowest] if lowest == highest else np.unique(numbers).tolist()


def _line_of(error: psycopg.Error, rows: int) -> int:
    """The place of the row at which COPY stopped; the middle when the server does not say, or in another language."""
    found = COPY_LINE.search(error.diag.context or "")
    line = int(found[1]) if found else 0
    return line - 1 if 1 <= line <= rows else rows // 2
