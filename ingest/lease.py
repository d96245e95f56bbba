"""Which of several processes is a worker of ingest; the others stand by.

The lease is an advisory lock in a connection of its own, on which a thread says every second that the process lives.
When it is killed the server frees the lock at once; when it is frozen the server ends the connection after `SILENT_S`.
Whoever takes the lease then ends the connection over which the one before wrote, and takes the pen: a second lock, in
the connection that writes. So no more than one writes, and who thaws finds its connection ended and the pen taken.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Mapping

import psycopg

from ingest.db import Connection, connect, cut, is_asking, queries
from ingest.errors import StoreUnavailable, Superseded

SQL = queries("ingest", "lease")
RENEW_S, SILENT_S = 1.0, 4.0
ENDINGS = 5  # of who writes, before we give up: each waits a second at most
NEVER_S = float("-inf")


class Lease:
    """Of one worker of ingest, by number; `take` and `take_pen` are for one thread, `is_held` for any."""

    def __init__(self, url: str, worker: int) -> None:
        self._url, self._which = url, {"worker": worker}
        self._lock = threading.Lock()  # guards the two below
        self._connection: Connection | None = None  # on which we have the lease, or ask for it
        self._renewed_s = NEVER_S  # when the server last heard us have it
        self._is_closed = threading.Event()
        self._thread = threading.Thread(target=self._renew_for_ever, name="lease", daemon=True)

    @property
    def is_held(self) -> bool:
        """Whether the server cannot have ended our connection for silence; told without asking it."""
        return time.monotonic() - self._renewed_s < SILENT_S

    @property
    def is_asking(self) -> bool:
        """Whether the server that keeps it has not answered yet; for any thread."""
        return is_asking(self._connection)

    def take(self) -> None:
        """Make sure that we have the lease.

        Raises
        ------
        Superseded : another process has it
        psycopg.Error : the database did not say
        """
        if self.is_held:
            return
        with self._lock:
            now_s = time.monotonic()
            try:
                if self._connection is None:
                    self._connection = connect(self._url, application="ndiyan-ingest-lease")
                    self._connection.execute(SQL["shorten_patience"], {"silent": f"{SILENT_S:g}s"})
                is_ours = self._connection.execute(SQL["take"], self._which).fetchone() == (True,)
            except psycopg.Error:
                self._let_go()
                raise
            self._renewed_s = now_s if is_ours else NEVER_S
            if not is_ours:
                raise Superseded(f"another process is worker {self._which['worker']} of ingest")
        if not self._thread.is_alive():
            self._thread.start()

    def take_pen(self, connection: Connection) -> None:
        """Let nobody but this connection write as our worker; for who has the lease.

        Raises
        ------
        StoreUnavailable : who wrote before does not end
        psycopg.Error : the database did not say
        """
        for _ in range(ENDINGS):
            if connection.execute(SQL["take_pen"], self._which).fetchone() == (True,):
                return
            connection.execute(SQL["end_who_writes"], self._which)
        raise StoreUnavailable(f"who wrote as worker {self._which['worker']} before did not end in {ENDINGS} s")

    def say(self, statement: str, values: Mapping[str, object]) -> None:
        """Tell the database something on the connection on which we ask for the lease, where there is one."""
        with self._lock:
            if self._connection is not None:
                self._connection.execute(statement, values)

    def close(self) -> None:
        """Give the lease to whoever stands by."""
        self._is_closed.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            self._let_go()

    def cut(self) -> None:
        """Free whoever waits for the database to say something; for another thread."""
        if (connection := self._connection) is not None:
            cut(connection)

    def _renew_for_ever(self) -> None:
        while not self._is_closed.wait(RENEW_S):
            self._renew()

    def _renew(self) -> None:
        """Say that we live; where we only ask for the lease, that is no sign of having it."""
        with self._lock:
            if self._connection is None or self._renewed_s == NEVER_S:
                return
            now_s = time.monotonic()
            try:
                self._connection.execute(SQL["renew"])
                self._renewed_s = now_s
            except psycopg.Error:
                self._let_go()

    def _let_go(self) -> None:
        self._renewed_s = NEVER_S
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
        self._connection = None
