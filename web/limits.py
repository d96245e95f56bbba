"""How often each key may ask: a bucket of a minute's requests that fills again all the time."""

from __future__ import annotations

import threading

MOST_BUCKETS = 10_000  # full ones are forgotten beyond that: a full bucket and none are the same


class Limiter:
    """Buckets by identity, in memory: after a restart all are full."""

    def __init__(self, per_minute: int) -> None:
        self._size, self._per_s = float(per_minute), per_minute / 60
        self._buckets: dict[bytes, tuple[float, float]] = {}  # what is in it, and when that was so
        self._lock = threading.Lock()

    def wait_s(self, identity: bytes, *, now_s: float) -> float:
        """Take one request out of the bucket, and 0; or, when it is empty, how long it takes until one is in it."""
        with self._lock:
            content = self._content(identity, now_s)
            if content < 1:
                return (1 - content) / self._per_s
            if len(self._buckets) >= MOST_BUCKETS:
                self._buckets = {
                    who: one for who, one in self._buckets.items() if self._content(who, now_s) < self._size
                }
            self._buckets[identity] = content - 1, now_s
            return 0.0

    def _content(self, identity: bytes, now_s: float) -> float:
        content, at_s = self._buckets.get(identity, (self._size, now_s))
        return min(self._size, content + max(0.0, now_s - at_s) * self._per_s)
