"""What only one of several services may do, it does for as long as its lease lasts; the database ends it.

A lease is what a connection holds: locked rows, or an advisory lock. The server ends a connection that says nothing for
`lasts_s`, and with it all that it holds: so a process that is frozen loses its lease, and what it had begun is undone.
Its own connection is then dead, so it can commit nothing any more. What reaches outside of the database, such as a link
to a message centre, asks `Lease.holds` first.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import psycopg

from gateway.clock import uptime_s
from ingest.db import Connection, queries

SQL = queries("alerts", "lease")
JUDGING_S = 30.0
SENDING_S = 10.0
TELLING_S = 60.0  # a program that is told may take half a minute to answer
WORDS = 3  # within a lease


def while_working(lasts_s: float) -> dict[str, str]:
    """Settings of a session that loses its rows when it says nothing within a transaction.

    `tcp_user_timeout` is for who is frozen in the middle of an answer, which the server then cannot finish.
    """
    lasts = f"{1000 * lasts_s:.0f}ms"
    return {"idle_in_transaction_session_timeout": lasts, "tcp_user_timeout": lasts}


def at_all_times(lasts_s: float) -> dict[str, str]:
    """Settings of a session that loses its locks whenever it says nothing."""
    return {"idle_session_timeout": f"{1000 * lasts_s:.0f}ms", **while_working(lasts_s)}


@contextmanager
def speaking(connection: Connection, *, lasts_s: float) -> Iterator[None]:
    """Keep what the connection holds while the body runs, however long it calculates between two statements.

    A thread says a word from time to time: it is frozen with the process, and dies with it. So a machine that is slow
    loses nothing, which it would have to begin again for ever.
    """
    ended = threading.Event()

    def speak() -> None:
        while not ended.wait(lasts_s / WORDS):
            with suppress(psycopg.Error):  # the body meets the same, and knows what to do
                connection.execute(SQL["still_here"])

    speaker = threading.Thread(target=speak, name="still here", daemon=True)
    speaker.start()
    try:
        yield
    finally:
        ended.set()
        speaker.join()


def take_turn(connection: Connection) -> None:
    """Wait until nobody else decides what leaves, and keep others waiting until this transaction ends.

    What waits is bundled, dropped and counted against a phone's caps by several statements, while another service may
    hold the next route.
    """
    connection.execute(SQL["take_turn"])


class Lease:
    """Whether the server still keeps for us what a connection of ours holds, as far as we can tell without asking."""

    def __init__(self, lasts_s: float, *, now_s: Callable[[], float] = uptime_s) -> None:
        self._lasts_s, self._now_s = lasts_s, now_s
        self._until_s = float("-inf")

    def begin(self) -> float:
        """When a statement is about to be sent; for `renew`, once it was answered."""
        return self._now_s()

    def renew(self, begun_s: float) -> None:
        """A statement was answered that was sent at `begun_s`: the server counts from later than that."""
        self._until_s = begun_s + self._lasts_s

    def holds(self) -> bool:
        """Whether we may still act on it."""
        return self._now_s() < self._until_s
