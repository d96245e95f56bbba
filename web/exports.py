"""Readings and rollups of any channels over any span, in pieces: what is streamed never stands in memory as a whole.

Each piece is a question of its own on a connection that is given back at once, so a slow browser holds none; readings
that come while an export is on its way may be in it or not.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray
from psycopg_pool import ConnectionPool

from gateway.clock import instant_from_us
from ingest.arrays import array_cursor
from ingest.db import Connection, queries
from ingest.hours import fetch_uneven
from ingest.readings import ChannelRow
from ingest.readings_pg import PgReadings
from web.errors import BadParameter, NotThere

SQL = queries("web", "exports")

PIECE_ROWS = 50_000  # of readings that are asked for at once
GROUP_ROWS = 200_000  # of a row group of Parquet; about 10 MB in memory
LONGEST_DAYS = 3660
MOST_CHANNELS = 1000
POOL_WAIT_S = 10.0  # an export waits longer for its turn than a page
INSTANT = pa.timestamp("us", tz="UTC")
WHO = [("zone", pa.string()), ("asset", pa.string()), ("channel", pa.string()), ("unit", pa.string())]


class Kind(StrEnum):
    """What the rows are."""

    RAW = "raw"
    HOUR = "hour"
    DAY = "day"


class Format(StrEnum):
    """How they are written."""

    CSV = "csv"  # comma, dot, UTC, machine names
    EXCEL_FR = "excel-fr"  # semicolon, decimal comma, UTF-8 with its mark, French headers
    PARQUET = "parquet"


SCHEMAS = {
    Kind.RAW: pa.schema(
        [*WHO, ("measured_at", INSTANT), ("received_at", INSTANT), ("value", pa.float64()), ("flag", pa.int16())]
    ),
    **{
        kind: pa.schema(
            [
                *WHO, ("start_at", INSTANT),
                *((name, pa.float64()) for name in ("mean", "minimum", "maximum", "first", "last", "steps")),
                ("n", pa.int64()), ("bad", pa.int64()),
            ]
        )
        for kind in (Kind.HOUR, Kind.DAY)
    },
}  # fmt: skip
FRENCH = {
    "zone": "zone", "asset": "équipement", "channel": "canal", "unit": "unité", "measured_at": "mesuré à (UTC)",
    "received_at": "reçu à (UTC)", "value": "valeur", "flag": "qualité", "start_at": "début (UTC)", "mean": "moyenne",
    "minimum": "minimum", "maximum": "maximum", "first": "première", "last": "dernière", "steps": "avance du compteur",
    "n": "mesures", "bad": "mesures mauvaises",
}  # fmt: skip
MEDIA = {
    Format.CSV: "text/csv; charset=utf-8",
    Format.EXCEL_FR: "text/csv; charset=utf-8",
    Format.PARQUET: "application/vnd.apache.parquet",
}


@dataclass(frozen=True, slots=True)
class Export:
    """What is asked for: channels in the order of the file, [start, end) in measured time."""

    channels: Sequence[ChannelRow]
    start: datetime
    end: datetime
    kind: Kind
    format: Format

    @property
    def file_name(self) -> str:
        """How the file is called: zones, kind of rows and first and last day."""
        zones = sorted({row.zone_id for row in self.channels})
        where = zones[0] if len(zones) == 1 else f"{len(zones)}-zones"
        ending = ".parquet" if self.format is Format.PARQUET else ".csv"
        last = self.end - timedelta(days=1)
        return f"ndiyan_{where}_{self.kind}_{self.start:%Y%m%d}_{last:%Y%m%d}{ending}"


def channels_of(connection: Connection, zones: Sequence[str], channels: Sequence[str]) -> list[ChannelRow]:
    """The channels by zone, asset and name, each once; of a zone also those that have only a past.

    Raises
    ------
    NotThere : one of these zones or channels is unknown
    BadParameter : nothing is chosen, or too much
    """
    if not zones and not channels:
        raise BadParameter("zone", None, "names nothing: choose a zone or channels")
    store = PgReadings(connection)
    known = {f"{row.zone_id}/{row.asset_id}/{row.name}": row for row in store.channels(with_retired=True)}
    known_zones = {row.zone_id for row in store.zones()}
    for zone in zones:
        if zone not in known_zones:
            raise NotThere("zone", zone)
    for channel in channels:
        if channel not in known:
            raise NotThere("channel", channel)
    found = [row for name, row in known.items() if name in channels or row.zone_id in zones]
    if len(found) > MOST_CHANNELS:
        raise BadParameter("zone", len(found), f"channels are more than {MOST_CHANNELS}: ask for fewer zones at once")
    return found


def span_of(first: date, last: date) -> tuple[datetime, datetime]:
    """From the beginning of the first UTC day to the end of the last.

    Raises
    ------
    BadParameter : there is no day, or there are too many
    """
    if first > last:
        raise BadParameter("from", first.isoformat(), f"is after to {last.isoformat()}")
    if (last - first).days >= LONGEST_DAYS or last == date.max:
        raise BadParameter("to", last.isoformat(), f"is more than {LONGEST_DAYS} days after from {first.isoformat()}")
    return datetime.combine(first, time(), UTC), datetime.combine(last + timedelta(days=1), time(), UTC)


def stream(pool: ConnectionPool[Connection], export: Export) -> Iterator[bytes]:
    """The export's bytes, piece by piece."""
    tables = tables_of(pool, export)
    if export.format is Format.PARQUET:
        return _parquet(SCHEMAS[export.kind], tables)
    return _csv(SCHEMAS[export.kind], tables, is_french=export.format is Format.EXCEL_FR)


def tables_of(pool: ConnectionPool[Connection], export: Export) -> Iterator[pa.Table]:
    """Channel by channel, in the order of measured time; no table has more than `PIECE_ROWS` readings."""
    schema = SCHEMAS[export.kind]
    for row in export.channels:
        pieces = _raw(pool, row, export) if export.kind is Kind.RAW else _rollups(pool, row, export)
        for columns in pieces:
            n = len(columns[0])
            who = [pa.array([text] * n, pa.string()) for text in (row.zone_id, row.asset_id, row.name, row.unit)]
            yield pa.Table.from_arrays([*who, *columns], schema=schema)


def _raw(pool: ConnectionPool[Connection], row: ChannelRow, export: Export) -> Iterator[list[pa.Array]]:
    start = export.start
    while True:
        parameters = {"channel": row.channel_id, "start": start, "end": export.end, "limit": PIECE_ROWS}
        with pool.connection(timeout=POOL_WAIT_S) as connection:
            found = array_cursor(connection).execute(SQL["readings"], parameters).fetchone()
        if found is None or found[0] is None:
            return
        measured_us, received_us, value, flag = found
        yield [
            _instants(measured_us), _instants(received_us), pa.array(value, pa.float64()), pa.array(flag, pa.int16()),
        ]  # fmt: skip
        if len(measured_us) < PIECE_ROWS:
            return
        start = instant_from_us(int(measured_us[-1]) + 1)


def _rollups(pool: ConnectionPool[Connection], row: ChannelRow, export: Export) -> Iterator[list[pa.Array]]:
    """A year has 8,760 hours: a channel is one piece."""
    parameters = {"channel": row.channel_id, "start": export.start, "end": export.end}
    is_hourly = export.kind is Kind.HOUR
    with pool.connection(timeout=POOL_WAIT_S) as connection:
        rows = connection.execute(SQL["hours" if is_hourly else "days"], parameters).fetchall()
        over_time = _over_time(connection, row, export) if is_hourly else {}
    if rows:
        start, mean, *others = zip(*rows, strict=True)
        means = [over_time.get(at, value) for at, value in zip(start, mean, strict=True)]
        kinds = SCHEMAS[export.kind].types[len(WHO) :]
        yield [pa.array(column, kind) for column, kind in zip([start, means, *others], kinds, strict=True)]


def _over_time(connection: Connection, row: ChannelRow, export: Export) -> dict[datetime, float]:
    """The means of hours in which the channel was read unevenly."""
    uneven = fetch_uneven(connection, [row.zone_id], [f"{row.asset_id}/{row.name}"], export.start, export.end)
    return {
        instant_from_us(at_us): mean
        for one in uneven
        for at_us, mean in zip(one.hour_us.tolist(), one.mean.tolist(), strict=True)
    }


def _instants(micros: NDArray[np.int64]) -> pa.Array:
    return pa.array(micros, pa.int64()).cast(INSTANT)


def _csv(schema: pa.Schema, tables: Iterator[pa.Table], *, is_french: bool) -> Iterator[bytes]:
    names = [FRENCH[name] if is_french else name for name in schema.names]
    separator = ";" if is_french else ","
    yield (("\ufeff" if is_french else "") + separator.join(names) + "\n").encode()
    options = pyarrow.csv.WriteOptions(include_header=False, delimiter=separator, quoting_style="none")
    for table in tables:
        text = io.BytesIO()
        pyarrow.csv.write_csv(_as_text(table, is_french=is_french), text, options)
        yield text.getvalue()


def _as_text(table: pa.Table, *, is_french: bool) -> pa.Table:
    """Instants and numbers as this flavour writes them; what is not known is an empty field."""
    columns = []
    for column in table.columns:
        if pa.types.is_timestamp(column.type):
            column = _french(column) if is_french else _iso(column)
        elif pa.types.is_floating(column.type) and is_french:
            column = pc.replace_substring(pc.cast(column, pa.string()), ".", ",")
        columns.append(column)
    return pa.Table.from_arrays(columns, names=table.column_names)


def _french(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """As Excel set to French reads a date: whole seconds, in UTC, which is Guinea's time."""
    return pc.strftime(pc.cast(column, pa.timestamp("s", "UTC"), safe=False), "%d/%m/%Y %H:%M:%S")


def _iso(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """`2026-03-02T10:40:00Z`, with a fraction only where a reading has one."""
    text = pc.strftime(column, "%Y-%m-%dT%H:%M:%SZ")  # %S of microseconds has six decimals
    return pc.replace_substring_regex(text, r"\.?0+Z$", "Z")


def _parquet(schema: pa.Schema, tables: Iterator[pa.Table]) -> Iterator[bytes]:
    sink = _Sink()
    waiting: list[pa.Table] = []
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for table in tables:
            waiting.append(table)
            if sum(map(len, waiting)) >= GROUP_ROWS:
                writer.write_table(pa.concat_tables(waiting))
                waiting.clear()
                yield sink.taken()
        if waiting:
            writer.write_table(pa.concat_tables(waiting))
    yield sink.taken()


class _Sink(io.RawIOBase):
    """Takes what the writer writes; `taken` hands it on and forgets it."""

    def __init__(self) -> None:
        super().__init__()
        self._bytes = bytearray()
        self._at = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        piece = bytes(data)
        self._bytes += piece
        self._at += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._at

    def close(self) -> None:
        """The writer closes what it was given; the last bytes are taken after that."""

    def taken(self) -> bytes:
        """What was written since it was asked last."""
        piece = bytes(self._bytes)
        self._bytes.clear()
        return piece
