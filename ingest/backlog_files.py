"""Files of readings that people bring through the pages or the API: kept as they came, then read in the background.

What was begun and interrupted may be begun again, however often: what is stored already is a duplicate.
"""

from __future__ import annotations

import codecs
import itertools
import json
import logging
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, BinaryIO

import psycopg

from gateway.clock import Clock
from ingest.audit import record
from ingest.backlog import LONGEST_LINE, Layout, Problem, Target, store_backlog
from ingest.db import Connection, connect, queries
from ingest.errors import BacklogUnreadable, IngestError

log = logging.getLogger(__name__)

SQL = queries("ingest", "backlog")
PART_BYTES = 1_000_000
MOST_BYTES = 32_000_000  # 90 days of 30 channels at 5 minutes are 23 MB in long form
MOST_PROBLEMS = 1000  # told with their lines; all are set aside
LONGEST_NAME = 200
INTERRUPTED_AFTER = timedelta(seconds=60)  # without a sign of life
TOO_LONG_BYTES = 4 * LONGEST_LINE + 4  # more letters than a line may have, whatever each takes in UTF-8
BESIDES = "cp1252"  # what Excel writes where it does not write UTF-8


class State(StrEnum):
    """How far a file is."""

    WAITING = "waiting"  # for somebody to say how it is to be read
    ASKED = "asked"
    INTERRUPTED = "interrupted"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class BacklogFile:
    """A file that somebody brought; counts are of values."""

    number: int
    name: str
    made_at: datetime
    made_by: str
    size: int
    layout: Layout
    state: State
    done: int
    rows: int
    stored: int
    duplicate: int
    conflict: int
    set_aside: int
    problems: tuple[Problem, ...]
    error: str | None

    @property
    def share(self) -> float:
        """How much of it is read, from 0 to 1."""
        return 1.0 if self.state is State.DONE else min(1.0, self.done / max(1, self.size))


def keep_file(connection: Connection, source: BinaryIO, *, name: str, layout: Layout, who: str, now: datetime) -> int:
    """Keep a file as it comes, part by part; returns its number. `ValueError` when it is empty or too large."""
    with connection.transaction():
        kept_as = name.replace("\x00", "")[:LONGEST_NAME] or "?"
        row = connection.execute(
            SQL["make_file"], {"name": kept_as, "now": now, "who": who, "layout": json.dumps(asdict(layout))}
        ).fetchone()
        if row is None:
            raise RuntimeError("the file was not written")
        number, size = int(row[0]), 0
        for part, body in enumerate(iter(lambda: source.read(PART_BYTES), b"")):
            size += len(body)
            if size > MOST_BYTES:
                raise ValueError(f"the file is longer than {MOST_BYTES} bytes")
            connection.execute(SQL["keep_part"], {"file": number, "part": part, "body": body})
        if not size:
            raise ValueError("the file is empty")
        connection.execute(SQL["sized"], {"file": number, "size": size})
    return number


def find_file(connection: Connection, number: int) -> BacklogFile | None:
    """A file by its number."""
    row = connection.execute(SQL["file"], {"file": number, "after": INTERRUPTED_AFTER}).fetchone()
    return None if row is None else _file(row)


def recent_files(connection: Connection, *, limit: int) -> list[BacklogFile]:
    """The newest files, without what was wrong in them."""
    rows = connection.execute(SQL["files"], {"limit": limit, "after": INTERRUPTED_AFTER})
    return [_file(row) for row in rows]


def lay_out(connection: Connection, number: int, layout: Layout) -> None:
    """Say how a file is to be read, as long as nobody has begun."""
    connection.execute(SQL["lay_out"], {"file": number, "layout": json.dumps(asdict(layout))})


def ask_for(connection: Connection, number: int, *, who: str, now: datetime) -> bool:
    """Say that a file is to be stored; whether it was still to be."""
    with connection.transaction():
        row = connection.execute(SQL["ask"], {"file": number, "after": INTERRUPTED_AFTER}).fetchone()
        if row is not None:
            size, zone = row
            record(connection, who=who, what="file_stored", subject=f"file-{number}", zone=zone,
                   after={"bytes": size}, now=now)  # fmt: skip
    return row is not None


def lines_of(connection: Connection, number: int) -> Iterator[str]:
    """The lines of a file that is kept, as `lines_from`."""
    return lines_from(_parts(connection, number))


def lines_from(parts: Iterable[bytes]) -> Iterator[str]:
    """The lines of a file, with their ends: UTF-8, or what Excel writes where it does not write that. UTF-16 ("Unicode
    text") is told by its first two bytes, the rest by each line, for the first accent of a long file may come late.

    Lines may end as on a Macintosh of old, with a carriage return alone: Excel still offers that. Of a line without end
    no more is held than shows that it is too long.
    """
    rest = b""
    for body in _without_utf_16(parts):
        whole = (rest + body).splitlines(keepends=True)
        rest = b"" if not whole or whole[-1].endswith(b"\n") else whole.pop()
        for line in whole:
            yield _decoded(line)
        if len(rest) > TOO_LONG_BYTES:
            rest = rest[:TOO_LONG_BYTES] + rest[-1:]  # which may be its end
    if rest:
        yield _decoded(rest)


def take_interrupted(database_url: str) -> list[int]:
    """Take over what was asked for and is not worked on any more; nothing while the database is away."""
    try:
        with connect(database_url, application="ndiyan-backlog") as connection:
            return [number for (number,) in connection.execute(SQL["take_interrupted"], {"after": INTERRUPTED_AFTER})]
    except (psycopg.OperationalError, IngestError) as error:
        log.debug("no database to ask for interrupted backlogs: %s", error)
        return []


def store_file(database_url: str, number: int, clock: Clock) -> None:
    """Store what a file holds, over connections of its own; what goes wrong is kept with the file."""
    try:
        with (
            connect(database_url, application="ndiyan-backlog") as connection,
            connect(database_url, application="ndiyan-backlog-read") as reading,
        ):
            try:
                _store(connection, reading, number, clock.now())
            except (BacklogUnreadable, psycopg.DataError) as error:
                connection.execute(SQL["fail"], {"file": number, "error": str(error)[:300]})
    except (psycopg.OperationalError, IngestError) as error:
        log.warning("a backlog was interrupted: %s", error, extra={"backlog_file_id": number})


def _store(connection: Connection, reading: Connection, number: int, now: datetime) -> None:
    found = find_file(connection, number)
    if found is None:
        raise BacklogUnreadable(f"there is no file {number}")
    problems: list[Problem] = []
    done = 0

    def counted() -> Iterator[str]:
        nonlocal done
        for line in lines_of(reading, number):
            done += len(line)
            yield line

    connection.execute(SQL["begin"], {"file": number})
    for progress in store_backlog(connection, counted(), layout=found.layout, now=now):
        problems += progress.problems[: MOST_PROBLEMS - len(problems)]
        connection.execute(
            SQL["beat"],
            {
                "file": number, "done": done, "rows": progress.rows, "stored": progress.stored,
                "duplicate": progress.duplicate, "conflict": progress.conflict, "set_aside": progress.set_aside,
                "problems": json.dumps([_storable(one) for one in problems]),
            },
        )  # fmt: skip
    connection.execute(SQL["finish"], {"file": number})


def _parts(connection: Connection, number: int) -> Iterator[bytes]:
    part = 0
    while (row := connection.execute(SQL["part"], {"file": number, "part": part}).fetchone()) is not None:
        yield bytes(row[0])
        part += 1


def _without_utf_16(parts: Iterable[bytes]) -> Iterator[bytes]:
    source = iter(parts)
    first = next(source, b"")
    whole = itertools.chain([first], source)
    if not first.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        yield from whole
        return
    decoder = codecs.getincrementaldecoder("utf-16")("replace")
    for body in whole:
        yield decoder.decode(body).encode()
    yield decoder.decode(b"", final=True).encode()


def _decoded(line: bytes) -> str:
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        return line.decode(BESIDES, "replace")


def _storable(problem: Problem) -> list[object]:
    return [one.replace("\x00", "") if isinstance(one, str) else one for one in problem]


def _file(row: tuple[Any, ...]) -> BacklogFile:
    found = dict(zip((one.name for one in fields(BacklogFile)), row, strict=True))
    layout = found["layout"]
    targets = {column: Target(**target) for column, target in layout["targets"].items()}
    found["layout"], found["state"] = Layout(**layout | {"targets": targets}), State(found["state"])
    found["problems"] = tuple(sorted(Problem(*one) for one in found["problems"]))  # by their lines
    return BacklogFile(**found)
