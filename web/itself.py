"""Ndiyan about itself: how large its database is, and when the disk would be full at the pace so far."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from ingest.db import Connection, queries
from ingest.folders import fetch_database_folder

SQL = queries("web", "itself")
ENOUGH_PAST = timedelta(days=7)  # a shorter past says little of a year
BAD_WITHIN = timedelta(days=30)
LONGEST = timedelta(days=3650)  # beyond that a forecast is a guess
RECENT = timedelta(days=1)
FLOOD = 20_000_000  # bytes set aside in a day: 7 GB a year of one device; a message each second comes to more
LOW_ROOM = 2_000_000_000  # bytes, as the doctor has it


@dataclass(frozen=True, slots=True)
class Disk:
    """Bytes of the database, bytes free on its disk, or where we run if that disk `is_unseen`, and since when there are
    readings."""

    database: int
    free: int
    since: datetime | None
    is_unseen: bool = False

    def per_day(self, now: datetime) -> float | None:
        """Growth in bytes, on average since the first day; None before a week has passed."""
        if self.since is None or now - self.since < ENOUGH_PAST:
            return None
        return self.database / ((now - self.since) / timedelta(days=1))

    def full_in(self, now: datetime) -> timedelta | None:
        """Until the disk is full at that pace, at most `LONGEST`."""
        per_day = self.per_day(now)
        return None if not per_day else min(LONGEST, timedelta(days=min(LONGEST.days, self.free / per_day)))

    def is_bad(self, now: datetime) -> bool:
        """Whether somebody should make room."""
        left = self.full_in(now)
        return self.free < LOW_ROOM or (left is not None and left < BAD_WITHIN)


@dataclass(frozen=True, slots=True)
class Tidied:
    """What is let go of: when that was done last, and by kind the days that it is kept (0: for ever) and what went."""

    at: datetime
    kinds: dict[str, dict[str, int]]


@dataclass(frozen=True, slots=True)
class Flood:
    """Who fills the disk with what has to be set aside: a zone's gateway, or a topic; of the last day."""

    who: str
    gateway: str | None
    count: int
    size: int


@dataclass(frozen=True, slots=True)
class Errors:
    """What goes wrong besides messages set aside; routes with the time since when they are down, topics of devices
    that the broker does not let us read, and who sends so much that is set aside that the disk fills."""

    routes: list[tuple[str, datetime]]
    refused: list[str]
    floods: list[Flood]
    unjudged: int
    failed: int

    @property
    def are_bad(self) -> bool:
        """Whether somebody should do something; an SMS may fail for the number it goes to."""
        return bool(self.routes or self.refused or self.floods or self.unjudged)


def fetch_disk(connection: Connection) -> Disk:
    """The disk as it is; the database may stand on another machine, whose disk nobody here can see."""
    ((size, since),) = connection.execute(SQL["size"]).fetchall()
    if (folder := fetch_database_folder(connection)) is not None:
        with suppress(OSError):  # in a folder that is not ours to enter
            return Disk(size, shutil.disk_usage(folder).free, since)
    return Disk(size, shutil.disk_usage(Path.cwd()).free, since, is_unseen=True)


def fetch_errors(connection: Connection, now: datetime) -> Errors:
    """Routes that are down, zones that could not be judged, and SMS of the last day that failed."""
    routes = [(name, since) for name, since in connection.execute(SQL["routes_down"], {"since": now - RECENT})]
    ((unjudged,),) = connection.execute(SQL["unjudged"]).fetchall()
    ((failed,),) = connection.execute(SQL["failed"], {"since": now - RECENT}).fetchall()
    return Errors(routes, fetch_refused(connection), fetch_floods(connection, now), unjudged, failed)


def fetch_refused(connection: Connection) -> list[str]:
    """Topics that the broker does not let ingest read, as ingest tells with its heartbeat."""
    return [topic for (topic,) in connection.execute(SQL["refused"])]


def fetch_floods(connection: Connection, now: datetime) -> list[Flood]:
    """Who fills the disk with what nobody has accepted, and which therefore stays for ever; the largest first."""
    return [Flood(*row) for row in connection.execute(SQL["floods"], {"since": now - RECENT, "most": FLOOD})]


def fetch_tidied(connection: Connection) -> Tidied | None:
    """What the keeper let go of the last time; None before the first."""
    row = connection.execute(SQL["tidied"]).fetchone()
    return None if row is None else Tidied(row[0], row[1])
