"""Hours and days of each channel, kept right whatever the order of arrival.

The hour that a channel is in stands in memory as running sums; its row is written when a reading beyond it comes, in
the same transaction, so that each hour costs one row and not one update a batch. Whatever is not the plain case
(a late reading, an hour that was open when ingest started) is added up anew from the readings of that hour. The open
hour is added up by the database when somebody asks (view `reading_hourly`), in the same order, so that all ways give
the same bits. A day is the sum of its hours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.model import Flag
from ingest.arrays import Float8s, Int4s, PgArray, Times, array_cursor, copy_into
from ingest.columns import Columns
from ingest.db import Connection, queries
from ingest.meters import counted_steps

SQL = queries("ingest", "rollups")
HOUR_US = 3_600_000_000
HOURS_A_DAY = 24
# So many hours are added up anew at once, and about so many readings: all of them are in memory.
HOURS_AT_FIRST, HOURS_ANEW, READINGS_ANEW = 8, 500, 40_000
NO_HOUR = np.iinfo(np.int64).min

_OPEN = np.dtype(
    [
        ("hour", "i8"), ("n", "i4"), ("bad", "i4"), ("min", "f8"), ("max", "f8"), ("sum", "f8"), ("first", "f8"),
        ("last", "f8"), ("steps", "f8"), ("is_whole", "?"),
    ]
)  # fmt: skip
"""An hour's sums. `is_whole` tells that all of its readings are in them; otherwise they must be added up anew."""

_EMPTY = np.array((NO_HOUR, 0, 0, np.inf, -np.inf, 0.0, np.nan, np.nan, 0.0, True), dtype=_OPEN)
_WHOLE = np.dtype((np.void, _OPEN.itemsize))  # the same without fields: numpy copies such rows ten times as fast

Rows = NDArray[np.void]
Hours = tuple[NDArray[np.int32], NDArray[np.int64]]
"""Channels and hours (since 1970), side by side."""


class Added(NamedTuple):
    """What `Rollups.add` leaves to write: late readings, and the hours that are over, channel by channel."""

    late: Columns
    channel_id: NDArray[np.int32]
    over: Rows


class Rollups:
    """The open hour of each channel, or of one `only`; `add` and `write` book rows that are stored in the same
    transaction."""

    def __init__(self, connection: Connection, *, only: int | None = None) -> None:
        self._connection = connection
        self._which = {"only": only}
        self.forget()

    def forget(self) -> None:
        """Begin anew from what is stored; after a failed transaction, or when someone else may have written."""
        rows = self._connection.execute(SQL["open_hours"], self._which).fetchall()
        self._read_meters()
        size = len(self._wraps_at)
        self._open = np.repeat(_EMPTY, size)
        self._before = np.full(size, np.nan)  # each channel's last good value, NaN for none
        self._before_us = np.full(size, NO_HOUR, dtype=np.int64)
        self._is_before_known = np.ones(size, dtype=bool)
        for channel, measured_us, value, flag in rows:
            self._open["hour"][channel], self._open["is_whole"][channel] = measured_us // HOUR_US, False
            if flag == Flag.BAD:
                self._is_before_known[channel] = False
            else:
                self._before[channel], self._before_us[channel] = value, measured_us

    def _read_meters(self) -> None:
        """What is known of each channel's counter, by its id; NaN where nothing is."""
        rows = self._connection.execute(SQL["meters"], self._which).fetchall()
        self._wraps_at, self._most_per_h = np.full((2, max((row[0] for row in rows), default=0) + 1), np.nan)
        for channel, wraps_at, most_per_h in rows:
            self._wraps_at[channel], self._most_per_h[channel] = wraps_at, most_per_h
        self._is_known = ~(np.isnan(self._wraps_at) & np.isnan(self._most_per_h))

    def catch_up(self) -> None:
        """Add up the hours and days that nobody has written: after an upgrade, or while an older version ran."""
        self._connection.execute(SQL["missing_hours"], self._which)
        self._connection.execute(SQL["missing_days"], self._which)

    def add(self, rows: Columns, is_newest: NDArray[np.bool_]) -> Added:
        """Add stored readings, in the order of channel and time, to what is in memory; `write` what comes of it once
        the readings are in their table.

        `is_newest` (n,) marks those that are newer than all that was stored of their channel before.
        """
        self._grow(int(rows.channel_id.max(initial=0)))
        late, new = rows.take(~is_newest), rows.take(is_newest)
        self._remember_late(late)
        return Added(late, *self._add_new(new))

    def write(self, added: Added) -> None:
        """Write the hours that are over since, and hours and days that late readings change. The newest readings are in
        the table of the latest by then."""
        is_whole = added.over["is_whole"] & (added.over["n"] > 0)
        hours = added.channel_id, added.over["hour"]
        written, incomplete = ((hours[0][some], hours[1][some]) for some in (is_whole, ~is_whole))
        if is_whole.any():
            self._insert(added.channel_id[is_whole], _some(added.over, is_whole))
        anew = _unique([incomplete, self._hours_of_late(added.late)])
        if len(anew[0]):
            self._compute_anew(*anew)
        channel, hour = _unique([written, anew])
        is_over = hour // HOURS_A_DAY < self._open["hour"][channel] // HOURS_A_DAY
        days = _unique([(channel[is_over], hour[is_over] // HOURS_A_DAY)])
        if len(days[0]):
            day_us = days[1] * HOURS_A_DAY * HOUR_US
            self._connection.execute(SQL["days_anew"], {"channel": Int4s(days[0]), "day": Times(day_us)})

    def count_again(self, channel: int, measured_us: int) -> None:
        """Add up anew what a stored reading is part of, after its flag has changed."""
        row = Columns(
            np.array([channel], dtype=np.int32), np.array([measured_us]), np.array([measured_us]), np.array([np.nan]),
            np.array([Flag.GOOD], dtype=np.int16),
        )  # fmt: skip
        self.write(Added(row, *self._add_new(row.take(np.zeros(1, dtype=bool)))))

    def _remember_late(self, late: Columns) -> None:
        """A late reading is the last good one of its channel when those that are newer were bad."""
        for row in np.flatnonzero((late.flag != Flag.BAD) & (late.measured_us > self._before_us[late.channel_id])):
            channel = late.channel_id[row]  # in order of time, so the last one stays
            self._before[channel], self._before_us[channel] = late.value[row], late.measured_us[row]

    def _hours_of_late(self, late: Columns) -> Hours:
        """Which hours that are over late readings change: their own, and the one whose first step now begins at them.
        One that still goes on is no longer whole in memory."""
        if not len(late):
            return _unique([])
        own = _unique([(late.channel_id, late.measured_us // HOUR_US)])
        last = late.take(_ends_a_run(late.channel_id, late.measured_us // HOUR_US, late.flag != Flag.BAD))
        following = self._connection.execute(
            SQL["hours_after"], {"channel": Int4s(last.channel_id), "measured": Times(last.measured_us)}
        ).fetchall()
        after = np.array(following, dtype=np.int64).reshape(-1, 2)
        channel, hour = _unique([own, (after[:, 0].astype(np.int32), after[:, 1])])
        is_open = hour == self._open["hour"][channel]
        self._open["is_whole"][channel[is_open]] = False
        is_over = hour < self._open["hour"][channel]
        return channel[is_over], hour[is_over]

    def _add_new(self, new: Columns) -> tuple[NDArray[np.int32], Rows]:
        """Add readings to the open hours; the channels and sums of those that are over now."""
        if not len(new):
            return np.empty(0, dtype=np.int32), np.empty(0, dtype=_OPEN)
        hour = new.measured_us // HOUR_US
        begins, group = _groups(new.channel_id, hour)
        channel_of, hour_of = new.channel_id[begins], hour[begins]
        is_first = np.ones(len(channel_of), dtype=bool)  # of its channel, in this batch
        is_first[1:] = np.diff(channel_of) != 0
        is_last = np.append(is_first[1:], True)
        before = _some(self._open, channel_of)
        goes_on = is_first & (before["hour"] == hour_of)

        sums = np.repeat(_EMPTY, len(channel_of))
        _put(sums, goes_on, _some(before, goes_on))
        sums["hour"] = hour_of
        sums["is_whole"] &= self._is_before_known[channel_of]
        good = new.flag != Flag.BAD
        sums["bad"] += np.bincount(group[~good], minlength=len(sums)).astype(np.int32)
        self._add_good(sums, group[good], new.take(good))

        is_over_before = is_first & ~goes_on & (before["hour"] != NO_HOUR)
        over_before, over_now = _some(before, is_over_before), _some(sums, ~is_last)
        over_channel = np.concatenate([channel_of[is_over_before], channel_of[~is_last]])
        over = np.concatenate([over_before, over_now])
        _put(self._open, channel_of[is_last], _some(sums, is_last))
        return over_channel, over

    def _add_good(self, sums: Rows, group: NDArray[np.intp], good: Columns) -> None:
        """Add good readings, in order, to the sums of their groups, and remember each channel's last one."""
        if not len(good):
            return
        begins = np.ones(len(good), dtype=bool)
        begins[1:] = np.diff(good.channel_id) != 0
        previous, previous_us = np.roll(good.value, 1), np.roll(good.measured_us, 1)
        previous[begins], previous_us[begins] = (
            before[good.channel_id[begins]] for before in (self._before, self._before_us)
        )
        moved = self._moved(good.channel_id, good.value - previous, good.measured_us - previous_us)
        _add(sums, group, good.value, moved)
        self._before[good.channel_id], self._before_us[good.channel_id] = good.value, good.measured_us
        self._is_before_known[good.channel_id] = True

    def _moved(
        self, channel: NDArray[np.int32], step: NDArray[np.float64], span_us: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """(n,) by how much counters moved on; 0 for the first reading of a channel, whose step is NaN.

        Most channels are no counters: nothing is known of them that makes of a step forward anything else.
        """
        moved = np.fmax(step, 0.0)
        known = np.flatnonzero(self._is_known[channel])
        wraps_at, most_per_h = self._wraps_at[channel[known]], self._most_per_h[channel[known]]
        moved[known] = counted_steps(step[known], span_us[known] / 1e6, wraps_at, most_per_h)
        return moved

    def _compute_anew(self, channel: NDArray[np.int32], hour: NDArray[np.int64]) -> None:
        """Add up these hours (sorted) from what is stored, those that follow each other together.

        How many at once follows from how many readings those before them had: a channel may have one every second.
        """
        first, hours = 0, HOURS_AT_FIRST
        while first < len(hour):
            part = slice(first, first + hours)
            found = self._compute_some(channel[part], hour[part])
            first += hours
            hours = min(HOURS_ANEW, 8 * hours, max(1, hours * READINGS_ANEW // max(1, found)))

    def _compute_some(self, channel: NDArray[np.int32], hour: NDArray[np.int64]) -> int:
        """Add up some hours; returns how many readings they have."""
        begins = np.ones(len(hour), dtype=bool)
        begins[1:] = (np.diff(channel) != 0) | (np.diff(hour) != 1)
        start_us, end_us = hour[begins] * HOUR_US, (hour[np.append(begins[1:], True)] + 1) * HOUR_US
        spans = {"channel": Int4s(channel[begins]), "start": Times(start_us), "end": Times(end_us)}
        rows = array_cursor(self._connection).execute(SQL["readings_by_span"], spans).fetchall()
        if not rows:
            return 0
        columns = [np.concatenate(column) for column in zip(*rows, strict=True)]
        order = np.lexsort((columns[1], columns[0]))
        place, at_us, value, flag = (column[order] for column in columns)
        span = place - 1
        channel_of, good = channel[begins][span], flag != Flag.BAD
        is_first, group = _groups(span, at_us // HOUR_US)
        sums = np.repeat(_EMPTY, int(is_first.sum()))
        sums["hour"] = at_us[is_first] // HOUR_US
        sums["bad"] += np.bincount(group[~good], minlength=len(sums)).astype(np.int32)
        step = np.diff(value[good], prepend=np.nan)
        step[np.diff(span[good], prepend=-1) != 0] = np.nan
        moved = self._moved(channel_of[good], step, np.diff(at_us[good], prepend=0))
        _add(sums, group[good], value[good], moved)
        for name in ("min", "max", "sum"):
            sums[name][sums["n"] == 0] = np.nan
        is_asked = at_us[is_first] >= start_us[span[is_first]]  # the others only tell where the first step begins
        asked = _hour_columns(channel_of[is_first][is_asked], _some(sums, is_asked))
        self._connection.execute(SQL["replace_hours"], asked)
        return len(at_us)

    def _insert(self, channel: NDArray[np.int32], over: Rows) -> None:
        copy_into(self._connection, SQL["copy_hours"], list(_hour_columns(channel, over).values()))

    def _grow(self, channel: int) -> None:
        if channel >= len(self._wraps_at):  # registered since
            self._read_meters()
        missing = channel + 1 - len(self._open)
        if missing > 0:
            more = missing + len(self._open)
            self._open = np.append(self._open, np.repeat(_EMPTY, more))
            self._before = np.append(self._before, np.full(more, np.nan))
            self._before_us = np.append(self._before_us, np.full(more, NO_HOUR, dtype=np.int64))
            self._is_before_known = np.append(self._is_before_known, np.ones(more, dtype=bool))


def _some(rows: Rows, which: NDArray[Any]) -> Rows:
    """Some of the rows, by index or mask."""
    some: Rows = rows.view(_WHOLE)[which].view(_OPEN)
    return some


def _put(rows: Rows, which: NDArray[Any], values: Rows) -> None:
    """Write rows in the place of some, by index or mask."""
    rows.view(_WHOLE)[which] = values.view(_WHOLE)


def _add(sums: Rows, group: NDArray[np.intp], value: NDArray[np.float64], moved: NDArray[np.float64]) -> None:
    """Add good readings, in order, to the sums of their groups."""
    if not len(value):
        return
    sums["steps"] = _added(sums["steps"], group, moved)
    sums["sum"] = _added(sums["sum"], group, value)
    is_fresh = sums["n"] == 0
    sums["n"] += np.bincount(group, minlength=len(sums)).astype(np.int32)
    starts = np.flatnonzero(np.diff(group, prepend=-1))  # groups are contiguous
    present = group[starts]
    sums["min"][present] = np.minimum(sums["min"][present], np.minimum.reduceat(value, starts))
    sums["max"][present] = np.maximum(sums["max"][present], np.maximum.reduceat(value, starts))
    first = np.full(len(sums), np.nan)
    first[group[::-1]] = value[::-1]  # of equal indices the last one stays
    sums["first"] = np.where(is_fresh, first, sums["first"])
    sums["last"][group] = value


def _hour_columns(channel: NDArray[np.int32], sums: Rows) -> dict[str, PgArray]:
    """Hours as columns, in the order in which `copy_hours` names them."""
    return {
        "channel": Int4s(channel), "hour": Times(sums["hour"] * HOUR_US),
        "n": Int4s(sums["n"]), "bad": Int4s(sums["bad"]),
        **{name: Float8s(sums[name]) for name in ("min", "max", "sum", "first", "last", "steps")},
    }  # fmt: skip


def _groups(key: NDArray[Any], hour: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.intp]]:
    """Of rows in order: at which another key or hour begins, and of which group each row is."""
    begins = np.ones(len(key), dtype=bool)
    begins[1:] = (np.diff(key) != 0) | (np.diff(hour) != 0)
    return begins, np.cumsum(begins) - 1


def _added(sums: NDArray[np.float64], group: NDArray[np.intp], value: NDArray[np.float64]) -> NDArray[np.float64]:
    """Each group's sum with its values added one by one, in order, as the database adds: the bits are the same."""
    groups = np.concatenate([np.arange(len(sums)), group])
    return np.bincount(groups, weights=np.concatenate([sums, value]), minlength=len(sums)).astype(
        np.float64, copy=False
    )


def _ends_a_run(channel: NDArray[np.int32], hour: NDArray[np.int64], is_good: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Those of these rows, in order of channel and time, behind which one must look for the next good reading, because
    it may lie in an hour that none of the rows names."""
    rows = np.flatnonzero(is_good)
    goes_on = (np.diff(channel[rows]) == 0) & (np.diff(hour[rows]) <= 1)
    return rows[~np.append(goes_on, False)] if len(rows) else rows


def _unique(parts: Sequence[Hours]) -> Hours:
    """Pairs of channel and hour, each once, in order."""
    if not parts:
        return np.empty(0, np.int32), np.empty(0, np.int64)
    channel, hour = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.lexsort((hour, channel))
    channel, hour = channel[order], hour[order]
    keep = np.ones(len(order), dtype=bool)
    keep[1:] = (np.diff(channel) != 0) | (np.diff(hour) != 0)
    return channel[keep], hour[keep]
