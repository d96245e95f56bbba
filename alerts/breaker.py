"""When a route fails again and again it is left alone for a minute, then tried with one message. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

FAILURES = 5  # in a row (SMS.md §5.4)
REST = timedelta(minutes=1)
ALL = 1_000_000


class Breaker:
    """Counts the failures of one route."""

    def __init__(self) -> None:
        self._failures = 0
        self._tried_at: datetime | None = None

    def succeeded(self) -> None:
        """The route took one."""
        self._failures, self._tried_at = 0, None

    def failed(self, now: datetime) -> None:
        """The route did not take one for a reason that may pass."""
        self._failures += 1
        self._tried_at = now

    def is_open(self, now: datetime) -> bool:
        """Whether nobody should wait for this route."""
        return self._failures >= FAILURES

    def room(self, now: datetime) -> int:
        """How many messages it may be tried with: all, none while it rests, one after that."""
        if self._failures < FAILURES:
            return ALL
        return 1 if self._tried_at is None or abs(now - self._tried_at) >= REST else 0
