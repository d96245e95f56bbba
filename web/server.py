"""The server that the application stands on: uvicorn, with an end to its patience.

Uvicorn alone waits for ever for a request that comes letter by letter, and for a reader who stopped reading; some
hundred such connections and nobody else gets in. How long is enough is Apache's answer (`mod_reqtimeout` of 2.4:
`header=20,MinRate=500 body=20,MinRate=500`).
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, ClassVar

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from web.shield import MAX_HEAD_BYTES

log = logging.getLogger(__name__)

MOST_AT_ONCE = 400  # connections; who comes beyond is told to come back (503). A process may have 1024 files open


@dataclass(frozen=True, slots=True)
class Patience:
    """How long we wait for whoever is slow.

    Attributes
    ----------
    head_s : until the head of a request is whole [s]
    body_s : until its body is, and beyond that as long as it takes at `bytes_per_s` [s]
    bytes_per_s : the slowest body, 4 kbit/s by default [B/s]
    reader_s : until what waits to be read, some 64 kB, has become less [s]
    """

    head_s: float = 20.0
    body_s: float = 20.0
    bytes_per_s: float = 500.0
    reader_s: float = 120.0


class Patient(H11Protocol):
    """One connection, which ends when the other side takes too long."""

    patience: ClassVar[Patience] = Patience()
    _awaited: object = None
    _end: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._wait()

    def handle_events(self) -> None:
        """After each part of a request: what is still to come, and until when."""
        super().handle_events()
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        for timer in (self._end, self._unread):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The reader is behind."""
        super().pause_writing()
        self._unread = self.loop.call_later(self.patience.reader_s, self._give_up, "read")

    def resume_writing(self) -> None:
        """The reader has caught up."""
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()

    def on_response_complete(self) -> None:
        """Who was answered before they had sent everything, a refusal then, need not go on for long."""
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY:
            self._within(self.patience.body_s, "send")

    def _wait(self) -> None:
        if self.conn.their_state is self._awaited:
            return
        self._awaited = self.conn.their_state
        if self._awaited is h11.IDLE:
            self._within(self.patience.head_s, "ask")
        elif self._awaited is h11.SEND_BODY:
            length = int(dict(self.headers).get(b"content-length", b"0"))
            self._within(self.patience.body_s + length / self.patience.bytes_per_s, "send")
        elif self._end is not None:
            self._end.cancel()

    def _within(self, within_s: float, what: str) -> None:
        if self._end is not None:
            self._end.cancel()
        self._end = self.loop.call_later(within_s, self._give_up, what)

    def _give_up(self, what: str) -> None:
        log.info("somebody was too slow to %s", what, extra={"address": self.client[0] if self.client else ""})
        self.transport.abort()


def serve(app: Any, *, host: str, port: int) -> None:
    """Serve until SIGTERM; `SystemExit` when it could not begin."""
    server = uvicorn.Server(server_config(app, host=host, port=port))
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        raise SystemExit(1)


def server_config(app: Any, *, host: str, port: int, http: type[Patient] = Patient) -> uvicorn.Config:
    """How the application is served, on a server and in tests."""
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        http=http,
        ws="none",
        log_config=None,
        access_log=False,  # addresses of pages hold names of zones, and log-in links
        server_header=False,
        h11_max_incomplete_event_size=MAX_HEAD_BYTES,
        limit_concurrency=MOST_AT_ONCE,
        timeout_graceful_shutdown=1,  # live pages hold a request open
    )
