"""A clock that was ahead and is set back: what was put off by it would wait until the clock gets there again."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from alerts.routing import end_of_quiet
from alerts.sender import BACK_OFF
from alerts.webhooks import RETRIES
from ingest.db import Connection, queries

log = logging.getLogger(__name__)

SQL = queries("alerts", "set_back")
AHEAD = timedelta(minutes=10)  # more than gateways may be ahead of us, and than a failed judging waits
MOVED = (
    "jobs", "ladders", "notifications", "put_off", "held", "hand_overs", "accepted", "answered", "acknowledged",
    "silences", "words", "webhooks",
)  # fmt: skip


class SetBack:
    """Looks before each pass of the sender whether the clock was set back; at the first pass it may have been."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._last: datetime | None = None

    def look(self, now: datetime) -> None:
        """Bring back what was written while the clock was ahead, all or nothing."""
        if self._last is None or now < self._last - AHEAD:
            bring_back(self._connection, now)
        self._last = now


def bring_back(connection: Connection, now: datetime) -> int:
    """How many zones, alerts, messages and events for webhooks were moved."""
    # A step that was taken at night counts from the morning.
    when = {
        "now": now, "latest": now + AHEAD, "latest_origin": (end_of_quiet(now) or now) + AHEAD,
        "latest_try": now + BACK_OFF[1] + AHEAD, "retries": list(RETRIES),
    }  # fmt: skip
    with connection.transaction():
        moved = {name: connection.execute(SQL[name], when).rowcount for name in MOVED}
    if total := sum(moved.values()):
        log.warning("the clock was ahead and was set back: %s", moved, extra={"action": "clock_set_back"})
    return total
