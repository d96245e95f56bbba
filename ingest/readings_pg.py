"""Questions about readings, answered by PostgreSQL (see `readings.ReadingStore`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg_pool import ConnectionPool

from gateway.clock import us_from_instant
from ingest.arrays import Int4s, array_cursor, register_arrays
from ingest.db import Connection, queries
from ingest.readings import AssetRow, ChannelRow, FloatArray, LatestRow, Series, Window, ZoneRow

SQL = queries("ingest", "readings")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# Asked for at once, so that the index serves: for thousands the planner reads the whole week each time. A row holds
# 20 minutes of all of them (a row a channel takes the server nearly twice as long): 8 kB with a reading every five
# minutes, 2.5 MB with one every second.
MATRIX_CHANNELS = 64
MATRIX_CONNECTIONS = 2  # of a pool that work for one matrix: the server groups on two cores, others still get theirs


class PgReadings:
    """`ReadingStore` on a pool, or on one connection when the caller wants all within its transaction."""

    def __init__(self, source: ConnectionPool[Connection] | Connection) -> None:
        self._source = source

    def zones(self) -> list[ZoneRow]:
        """All zones, by id."""
        with self._connection() as connection:
            return [ZoneRow(*row) for row in connection.execute(SQL["zones"])]

    def assets(self, zone_id: str) -> list[AssetRow]:
        """The assets of one zone, by id; empty when the zone is unknown."""
        with self._connection() as connection:
            return [AssetRow(*row) for row in connection.execute(SQL["assets"], {"zone": zone_id})]

    def channels(self, zone: str | Sequence[str] | None = None, *, with_retired: bool = False) -> list[ChannelRow]:
        """The active channels of one zone, of some, or of all; also those that only have a past, if asked for."""
        zones = [zone] if isinstance(zone, str) else zone if zone is None else list(zone)
        asked = {"zones": zones, "with_retired": with_retired}
        with self._connection() as connection:
            return [ChannelRow(*row) for row in connection.execute(SQL["channels"], asked)]

    def latest(self, zone_id: str | None = None) -> list[LatestRow]:
        """The newest reading of each active channel that has one, in whatever order."""
        with self._connection() as connection:
            rows = connection.execute(SQL["latest"], {"zone": zone_id}).fetchall()
        return [LatestRow(ChannelRow(*row[:7]), *row[7:]) for row in rows]

    def series(
        self, channel_id: int, start: datetime, end: datetime, *, resolution: timedelta | None = None,
        limit: int | None = None,
    ) -> Series:  # fmt: skip
        """Readings measured in [start, end), raw or by intervals of `resolution` aligned to 1970-01-01.

        Intervals that begin before `start` and end behind it are counted whole. Multiples of an hour or a day come from
        the rollups. Of raw ones at most `limit`, the first.
        """
        parameters = {"channel": channel_id, "start": start, "end": end, "bin": resolution, "limit": limit}
        with self._connection() as connection:
            if resolution is None:
                return _raw(array_cursor(connection).execute(SQL["raw_series"], parameters).fetchall())
            if resolution.total_seconds() <= 0:
                raise ValueError(f"resolution: {resolution} is not above 0 s")
            rows = connection.execute(SQL[series_statement(resolution)], parameters, binary=True).fetchall()
        columns = np.array(rows, dtype=np.float64).reshape(-1, 6).T
        t_s, value, minimum, maximum, n, flag = columns
        return Series(t_s, value, minimum, maximum, n.astype(np.int64), flag.astype(np.int16))

    def window(
        self, zone_id: str, start: datetime, end: datetime, *, only: Sequence[tuple[str, str]] | None = None
    ) -> Window:
        """All channels of a zone (or `only` these) within [start, end), raw."""
        parameters = {
            "zone": zone_id, "start": start, "end": end,
            "only": None if only is None else [f"{asset}/{channel}" for asset, channel in only],
        }  # fmt: skip
        with self._connection() as connection:
            found: dict[tuple[str, str], list[Sequence[NDArray[Any] | None]]] = {}
            for asset, name, *columns in array_cursor(connection).execute(SQL["window"], parameters):
                found.setdefault((asset, name), []).append(columns)
        return {channel: _raw(rows) for channel, rows in found.items()}

    def matrix(self, channel_ids: Sequence[int], start: datetime, end: datetime, step: timedelta) -> FloatArray:
        """(channels, steps): the last good reading of each channel in each step of [start, end), NaN where none is."""
        step_us = round(step.total_seconds() * 1e6)
        steps = -round((start - end).total_seconds() * 1e6) // step_us if step_us > 0 else 0
        if steps <= 0:
            raise ValueError(f"matrix: no step of {step} fits between {start} and {end}")
        ids = np.array(channel_ids, dtype=np.int32)
        row_of = np.zeros(int(ids.max(initial=0)) + 1, dtype=np.intp)
        row_of[ids] = np.arange(len(ids))
        found = np.full((len(ids), steps), np.nan)
        start_us = us_from_instant(start)

        def fill(first: int) -> None:
            asked = {"channels": Int4s(ids[first : first + MATRIX_CHANNELS]), "start": start, "end": end}
            with self._connection() as connection:
                register_arrays(connection)
                for channel, measured_us, value in array_cursor(connection).stream(SQL["arrays"], asked):
                    order = np.argsort(measured_us, kind="stable")
                    at = (measured_us[order] - start_us) // step_us
                    inside = at < steps
                    rows = order[inside]
                    found[row_of[channel[rows]], at[inside]] = value[rows]  # of several in one step the last one stays

        parts = range(0, len(ids), MATRIX_CHANNELS)
        if isinstance(self._source, ConnectionPool) and len(parts) > 1:
            with ThreadPoolExecutor(MATRIX_CONNECTIONS) as threads:
                list(threads.map(fill, parts))
        else:
            for first in parts:
                fill(first)
        return found

    def flagged_bad(self, channel_ids: Sequence[int], start: datetime, end: datetime) -> list[tuple[int, float]]:
        """Channel and measured time [s] of each reading flagged bad within [start, end)."""
        with self._connection() as connection:
            return connection.execute(
                SQL["flagged_bad"], {"channels": list(channel_ids), "start": start, "end": end}
            ).fetchall()

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        if isinstance(self._source, ConnectionPool):
            with self._source.connection() as connection:
                yield connection
        else:
            yield self._source


def series_statement(resolution: timedelta) -> str:
    """The name of the statement for a series by intervals: from the coarsest rows that the intervals consist of."""
    if resolution == HOUR:
        return "hours"
    return "binned_readings" if resolution % HOUR else "binned_days" if not resolution % DAY else "binned_hours"


def _raw(rows: Sequence[Sequence[NDArray[Any] | None]]) -> Series:
    """A series from its rows, each a stretch of its columns; a row of nulls is a channel without readings."""
    known = [row for row in rows if row[0] is not None]
    if not known:
        measured_us, value, flag = np.empty(0, np.int64), np.empty(0), np.empty(0, np.int16)
    else:
        measured_us, value, flag = (np.concatenate(column) for column in zip(*known, strict=True))
    return Series(measured_us / 1e6, value, value, value, np.ones(len(value), dtype=np.int64), flag)
