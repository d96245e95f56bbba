"""The backup of the day, begun by the keeper at its hour, in a process of its own; and how old the newest is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Protocol

import psycopg

from ingest.db import connect, queries
from ndiyan.backup import age_of_newest, newest_backup

log = logging.getLogger(__name__)

SQL = queries("ndiyan", "nightly")
LOOK_EVERY = timedelta(minutes=10)


class Process(Protocol):
    """A command that was begun."""

    def poll(self) -> int | None: ...


class Nightly:
    """Looks whether the backup of today was made, and begins it; `begin` starts the process."""

    def __init__(self, folder: Path, at: time, begin: Callable[[], Process]) -> None:
        self._folder, self._at, self._begin = folder, at, begin
        self._process: Process | None = None
        self._begun_on: date | None = None

    def look(self, now: datetime) -> None:
        """Begin what is due; one that failed is tried again tomorrow."""
        if self._process is not None and (code := self._process.poll()) is not None:
            log.log(logging.INFO if code == 0 else logging.ERROR, "the backup of the day ended with exit code %d", code)
            self._process = None
        due_at = datetime.combine(now.date(), self._at, now.tzinfo)
        if self._process is not None or now < due_at or self._begun_on == now.date():
            return
        self._begun_on = now.date()
        try:
            age = age_of_newest(self._folder, now)
            if age is None or age > now - due_at:
                self._process = self._begin()
        except OSError as error:
            log.error("the backup of the day could not begin in %s: %s", self._folder, error)


def note_newest(url: str, folder: Path | None) -> Callable[[datetime], None]:
    """A chore for the keeper: writes down when the newest backup was made, so that whoever watches misses the next.

    What was never made is missed from the first look on. Without a folder no backup is wanted, and none is missed.
    """
    looked_at: datetime | None = None

    def look(now: datetime) -> None:
        nonlocal looked_at
        if looked_at is not None and abs(now - looked_at) < LOOK_EVERY:
            return
        try:
            newest = newest_backup(folder, now) if folder else None
            with connect(url, application="ndiyan-nightly") as connection:
                if folder is None:
                    connection.execute(SQL["forget"])
                else:
                    made_at = None if newest is None else newest.manifest.made_at
                    connection.execute(SQL["note"], {"made_at": made_at, "now": now})
        except (OSError, psycopg.Error) as error:
            log.warning("nobody can say how old the newest backup is: %s", str(error).splitlines()[0])
        else:
            looked_at = now

    return look
