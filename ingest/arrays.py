"""Numpy columns on their way to PostgreSQL, without a Python object for each element: arrays for `unnest`, and COPY."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.abc import Buffer
from psycopg.adapt import Dumper, Loader
from psycopg.pq import Format

COPY_HEADER, COPY_END = b"PGCOPY\n\xff\r\n\x00" + bytes(8), b"\xff\xff"
COPY_ROWS = 16_384  # framed at once
TEXT_OID = 25
HEADER_BYTES = 20  # of an array of one dimension
PG_EPOCH_US = 946_684_800_000_000  # PostgreSQL counts its microseconds from 2000-01-01


class PgArray:
    """One-dimensional array parameter; `oid` its type, `element` the type of an element."""

    oid: ClassVar[int]
    element_oid: ClassVar[int]
    element: ClassVar[str]

    def __init__(self, values: NDArray[Any]) -> None:
        self.values = values

    def binary(self) -> bytes:
        """PostgreSQL's binary form: dimensions, then each element behind its length."""
        n, size = len(self.values), np.dtype(self.element).itemsize
        if not n:
            return struct.pack("!iii", 0, 0, self.element_oid)
        rows = np.empty(n, dtype=[("size", ">i4"), ("value", self.element)])
        rows["size"], rows["value"] = size, self.values
        return struct.pack("!iiiii", 1, 0, self.element_oid, n, 1) + rows.tobytes()


class Int4s(PgArray):
    """integer[]"""

    oid, element_oid, element = 1007, 23, ">i4"


class Int8s(PgArray):
    """bigint[]"""

    oid, element_oid, element = 1016, 20, ">i8"


class Int2s(PgArray):
    """smallint[]"""

    oid, element_oid, element = 1005, 21, ">i2"


class Float8s(PgArray):
    """double precision[]"""

    oid, element_oid, element = 1022, 701, ">f8"


class Times(PgArray):
    """timestamptz[] of microseconds since 1970-01-01 UTC."""

    oid, element_oid, element = 1185, 1184, ">i8"

    def __init__(self, micros: NDArray[np.int64]) -> None:
        super().__init__(micros - PG_EPOCH_US)


class Texts:
    """text[]; the texts hold no NUL, which PostgreSQL does not take."""

    oid = 1009

    def __init__(self, values: Sequence[str]) -> None:
        self.values = values

    def binary(self) -> bytes:
        """As `PgArray.binary`; a list of str would be quoted text by text, at ten times the cost."""
        n, parts = len(self.values), [value.encode() for value in self.values]
        if not n:
            return struct.pack("!iii", 0, 0, TEXT_OID)
        sizes = struct.pack(f"!{n}i", *map(len, parts))
        elements = [piece for at, part in enumerate(parts) for piece in (sizes[4 * at : 4 * at + 4], part)]
        return struct.pack("!iiiii", 1, 0, TEXT_OID, n, 1) + b"".join(elements)


@contextmanager
def copying(connection: psycopg.Connection[Any], statement: str, columns: Sequence[PgArray]) -> Iterator[None]:
    """Run a COPY … FROM STDIN (FORMAT binary) with these columns, all of one length.

    Most rows are still on their way when the block begins: what is computed in it costs no time. No other statement
    can run in it; an error in it, or of the server, ends the COPY.
    """
    n = len(columns[0].values)
    fields = [part for at, column in enumerate(columns) for part in ((f"size{at}", ">i4"), (f"{at}", column.element))]
    template = np.zeros(1, dtype=[("count", ">i2"), *fields])
    template["count"] = len(columns)
    for at, column in enumerate(columns):
        template[f"size{at}"] = np.dtype(column.element).itemsize
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(COPY_HEADER)
        for first in range(0, n, COPY_ROWS):
            rows = np.repeat(template, min(COPY_ROWS, n - first))
            for at, column in enumerate(columns):
                rows[f"{at}"] = column.values[first : first + COPY_ROWS]
            copy.write(rows.tobytes())
        copy.write(COPY_END)
        yield


def copy_into(connection: psycopg.Connection[Any], statement: str, columns: Sequence[PgArray]) -> None:
    """`copying`, with nothing to do meanwhile."""
    with copying(connection, statement, columns):
        pass


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def dump(self, obj: PgArray | Texts) -> Buffer:
        return obj.binary()


# Once and for all connections: psycopg keeps every class that it is ever shown.
_DUMPERS = {
    kind: type(f"{kind.__name__}Dumper", (_ArrayDumper,), {"oid": kind.oid})
    for kind in (Int2s, Int4s, Int8s, Float8s, Times, Texts)
}


def register_arrays(connection: psycopg.Connection[Any]) -> None:
    """Let this connection take these array types as parameters."""
    for kind, dumper in _DUMPERS.items():
        connection.adapters.register_dumper(kind, dumper)


class _ArrayLoader(Loader):
    """A one-dimensional array without nulls as a numpy array."""

    format = Format.BINARY
    element: ClassVar[str]

    def load(self, data: Buffer) -> NDArray[Any]:
        if len(data) < HEADER_BYTES:  # an empty array has no dimension
            return np.empty(0, dtype=np.dtype(self.element).newbyteorder("="))
        rows = np.frombuffer(data, dtype=[("size", ">i4"), ("value", self.element)], offset=HEADER_BYTES)
        return rows["value"].astype(np.dtype(self.element).newbyteorder("="))


class _TimesLoader(_ArrayLoader):
    element = ">i8"

    def load(self, data: Buffer) -> NDArray[np.int64]:
        return super().load(data) + PG_EPOCH_US


_LOADERS = {
    kind.oid: type(f"{kind.__name__}Loader", (_ArrayLoader,), {"element": kind.element})
    for kind in (Int2s, Int4s, Int8s, Float8s)
}
_LOADERS[Times.oid] = _TimesLoader


def array_cursor(connection: psycopg.Connection[Any]) -> psycopg.Cursor[Any]:
    """A cursor whose arrays are numpy arrays; times are microseconds since 1970-01-01 UTC. For `binary=True`."""
    cursor = connection.cursor(binary=True)
    for oid, loader in _LOADERS.items():
        cursor.adapters.register_loader(oid, loader)
    return cursor
