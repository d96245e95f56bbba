"""The backup of the day: begun by the keeper at its hour, in a process of its own, once a day."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from typing import Protocol

from ndiyan.backup import age_of_newest

log = logging.getLogger(__name__)


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
        """Begin what is due; one that failed is tried again tomorrow, and the doctor tells how old the newest is."""
        if self._process is not None and (code := self._process.poll()) is not None:
            log.log(logging.INFO if code == 0 else logging.ERROR, "the backup of the day ended with exit code %d", code)
            self._process = None
        due_at = datetime.combine(now.date(), self._at, now.tzinfo)
        if self._process is not None or now < due_at or self._begun_on == now.date():
            return
        self._begun_on = now.date()
        age = age_of_newest(self._folder, now)
        if age is None or age > now - due_at:
            self._process = self._begin()
