"""A copy of the database for reads that bear to be a little behind; whoever is shown them is told how far that is.

How far is told by our own heartbeats, which are written every second: what the database has heard and the copy has not.
A copy that is away, or so old that nobody would expect it, is not asked for a while, and the database itself is.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import NamedTuple

import psycopg
from psycopg_pool import ConnectionPool, PoolTimeout
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.clock import uptime_s
from ingest.db import Connection, open_pool, queries
from web.narrow import narrow, widen

log = logging.getLogger(__name__)

SQL = queries("web", "replica")
HEADER = "ndiyan-behind-s"
SHOWN_FROM = timedelta(minutes=1)
TOO_OLD = timedelta(hours=1)
WAIT_S = 1.0  # for a connection; whoever asks for a page waits for it
ASKED_AGAIN_AFTER_S = 15.0


class Past(NamedTuple):
    """A connection to the copy, and how far the copy is behind."""

    connection: Connection
    behind: timedelta


class Replica:
    """The copy's own pool; nothing waits for a copy that is away."""

    def __init__(self, url: str, *, size: int) -> None:
        self.pool: ConnectionPool[Connection] = open_pool(url, size=size, application="ndiyan web", is_needed=False)
        self._asked_again_s = float("-inf")

    def close(self) -> None:
        """Give the connections back."""
        self.pool.close(2.0)

    @contextmanager
    def opened(self, first: Connection, zone: str | None) -> Iterator[Past | None]:
        """The copy as far as this zone is concerned, None when the database itself, `first`, is to be asked."""
        connection = self._connection()
        if connection is None:
            yield None
            return
        try:
            if zone is not None:
                narrow(connection, zone)
            try:
                yield self._past(first, connection)
            finally:
                if zone is not None:
                    widen(connection)
        finally:
            self.pool.putconn(connection)

    def _connection(self) -> Connection | None:
        if uptime_s() < self._asked_again_s:
            return None
        try:
            return self.pool.getconn(timeout=WAIT_S)
        except (psycopg.OperationalError, PoolTimeout) as error:
            self._leave_alone(f"does not answer: {type(error).__name__}")
            return None

    def _past(self, first: Connection, connection: Connection) -> Past | None:
        known = dict(connection.execute(SQL["beats"]).fetchall())
        behind = how_far_behind(known, dict(first.execute(SQL["beats"]).fetchall()))
        if behind is None or behind > TOO_OLD:
            self._leave_alone("is more than an hour behind")
            return None
        return Past(connection, behind)

    def _leave_alone(self, why: str) -> None:
        log.warning("the copy of the database %s", why)
        self._asked_again_s = uptime_s() + ASKED_AGAIN_AFTER_S


def how_far_behind(known: Mapping[str, datetime], heard: Mapping[str, datetime]) -> timedelta | None:
    """From the last beats that the copy knows and the database has heard; None when it knows none before the news.

    What is later than the news was dated by a clock that was ahead, and says nothing.
    """
    news = [at for service, at in heard.items() if known.get(service) != at]
    if not news:
        return timedelta()
    newest = max(news)
    return min((newest - at for at in known.values() if at <= newest), default=None)


class TellBehind:
    """ASGI middleware: an answer that rests on a copy says in a header how many seconds that is behind."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, with the header where a handler asked the copy."""
        state = scope.setdefault("state", {})

        async def send_told(message: Message) -> None:
            behind: timedelta | None = state.get("behind")
            if message["type"] == "http.response.start" and behind is not None:
                MutableHeaders(scope=message)[HEADER] = str(round(behind.total_seconds()))
            await send(message)

        await self._app(scope, receive, send_told)
