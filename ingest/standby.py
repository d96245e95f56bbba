"""What a process says of itself that stands by: so that somebody misses it when there is none any more.

It says nothing in its first half minute, so that one that waits for its own connection of before to end, which takes
seconds, is no second one. When it takes over it falls silent like one that died: nobody stands by then until the first
comes back and does.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable

import psycopg

from gateway.clock import Clock
from ingest.config import IngestConfig
from ingest.db import queries
from ingest.lease import Lease

log = logging.getLogger(__name__)

SQL = queries("ingest", "pipeline")
SETTLED_S = 30.0
EVERY_S = 10.0


class Standby:
    """What it says goes over the connection of the lease; `now_s` tells the monotonic clock."""

    def __init__(
        self, config: IngestConfig, lease: Lease, clock: Clock, *, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = config.service.replace("ingest", "standby", 1)
        self._lease, self._clock, self._now_s = lease, clock, now_s
        self._due_s = 0.0
        self._has_spoken = False

    def begin(self) -> None:
        """We stand by from now on."""
        self._due_s = self._now_s() + SETTLED_S

    def look(self) -> None:
        """Say that we are here when it is time for that."""
        if (now_s := self._now_s()) >= self._due_s:
            self._due_s = now_s + EVERY_S
            self._say({})
            self._has_spoken = True

    def end(self) -> None:
        """We end in order, standing by or after we have taken over: nobody need wait for us."""
        if self._has_spoken:
            self._say({"ended": True})

    def _say(self, detail: dict[str, object]) -> None:
        told = {"service": self._name, "at": self._clock.now(), "detail": json.dumps(detail)}
        try:
            self._lease.say(SQL["beat"], told)
        except psycopg.Error as error:  # who asks for the lease says when the database is away
            log.debug("not heard: %s", error)
