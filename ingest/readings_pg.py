"""Questions about readings, answered by PostgreSQL (see `readings.ReadingStore`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta

import numpy as np
from psycopg_pool import ConnectionPool

from ingest.db import Connection, queries
from ingest.readings import AssetRow, ChannelRow, LatestRow, Series, Window, ZoneRow

SQL = queries("ingest", "readings")


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

    def channels(self, zone_id: str | None = None) -> list[ChannelRow]:
        """The active channels of one zone, or of all."""
        with self._connection() as connection:
            return [ChannelRow(*row) for row in connection.execute(SQL["channels"], {"zone": zone_id})]

    def latest(self, zone_id: str | None = None) -> list[LatestRow]:
        """The newest reading of each active channel that has one."""
        with self._connection() as connection:
            rows = connection.execute(SQL["latest"], {"zone": zone_id}).fetchall()
        return [LatestRow(ChannelRow(*row[:7]), *row[7:]) for row in rows]

    def series(self, channel_id: int, start: datetime, end: datetime, *, resolution: timedelta | None = None) -> Series:
        """Readings measured in [start, end), raw or by intervals of `resolution` aligned to 1970-01-01."""
        with self._connection() as connection:
            if resolution is None:
                row = connection.execute(
                    SQL["raw_series"], {"channel": channel_id, "start": start, "end": end}, binary=True
                ).fetchone()
                return _raw(row)
            if resolution.total_seconds() <= 0:
                raise ValueError(f"resolution: {resolution} is not above 0 s")
            rows = connection.execute(
                SQL["binned_series"], {"channel": channel_id, "start": start, "end": end, "bin": resolution}
            ).fetchall()
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
            rows = connection.execute(SQL["window"], parameters, binary=True).fetchall()
        return {(asset, name): _raw(arrays) for asset, name, *arrays in rows}

    def daily_volumes(self, zone_id: str, asset_id: str, channel: str, days: Sequence[datetime]) -> list[float | None]:
        """Sum of the positive steps of a counter in each UTC day that begins at `days`; None without readings."""
        if not days:
            return []
        parameters = {
            "zone": zone_id, "asset": asset_id, "channel": channel,
            "start": min(days), "end": max(days) + timedelta(days=1),
        }  # fmt: skip
        with self._connection() as connection:
            found = dict(connection.execute(SQL["daily_steps"], parameters).fetchall())
        return [found.get(day) for day in days]

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        if isinstance(self._source, ConnectionPool):
            with self._source.connection() as connection:
                yield connection
        else:
            yield self._source


def _raw(row: Sequence[list[float] | list[int] | None] | None) -> Series:
    t_s, value, flag = ([], [], []) if row is None or row[0] is None else row
    values = np.array(value, dtype=np.float64)
    return Series(
        np.array(t_s, dtype=np.float64), values, values, values,
        np.ones(len(values), dtype=np.int64), np.array(flag, dtype=np.int16),
    )  # fmt: skip
