"""How fast a route may be fed: evenly, and not at all for a while after it said "too fast". Pure."""

from __future__ import annotations

from collections import deque

HEADROOM = 0.97  # of the route's limit: whoever counts by the seconds of another clock still counts no more
MADE_UP_S = 0.1  # what a late timer loses is made up for; no burst follows a longer pause
FIRST_REST_S, LONGEST_REST_S = 1.0, 60.0
AHEAD_S = 0.5  # how much may wait for the pace in a route's own hands: what is more urgent waits behind it


class Pace:
    """One for a whole route, whatever is sent on it. `now` is in seconds that never go back.

    No second holds more than the limit, wherever it begins.

    Parameters
    ----------
    at_once : how many may leave without a gap where the limit is one of many minutes; as many come again after
        `at_once / per_s`
    """

    def __init__(self, per_s: float, *, at_once: int = 1) -> None:
        self._per_s = per_s
        every_s = 1.0 / (per_s * HEADROOM)
        self._gap_s = every_s if at_once == 1 else 0.0
        in_window = max(at_once, int(per_s))
        self._window_s = in_window * every_s
        self._left: deque[float] = deque(maxlen=in_window)
        self._even_at = self._rests_until = float("-inf")
        self._rest_s = FIRST_REST_S

    def wait_s(self, now: float) -> float:
        """How long until one may leave; 0 when it may now."""
        free_at = max(self._even_at, self._rests_until)
        if len(self._left) == self._left.maxlen:
            free_at = max(free_at, self._left[0] + self._window_s)
        return max(0.0, free_at - now)

    def room(self, now: float, *, waiting: int) -> int:
        """How many more than those that are `waiting` leave soon."""
        if self.wait_s(now) > AHEAD_S:
            return 0
        return max(0, max(1, int(self._per_s * AHEAD_S)) - waiting)

    def left(self, now: float) -> None:
        """One has left."""
        self._even_at = (self._even_at if now - self._even_at < MADE_UP_S else now) + self._gap_s
        self._left.append(now)

    def took(self) -> None:
        """The route took one: it is not too fast any more."""
        self._rest_s = FIRST_REST_S

    def refused(self, now: float) -> float:
        """The route said "too fast": everything rests, longer each time; returns for how long."""
        if now >= self._rests_until:  # else what was under way when the rest began says the same
            self._rests_until = self._even_at = now + self._rest_s
            self._rest_s = min(self._rest_s * 2, LONGEST_REST_S)
        return self._rests_until - now
