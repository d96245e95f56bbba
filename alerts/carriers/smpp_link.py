"""A session on a socket: reads and writes what it says, and wakes it when its time has come."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import cast

from alerts.carriers.smpp_config import SmppConfig
from alerts.carriers.smpp_session import Bound, News, Session

log = logging.getLogger(__name__)

FLUSH_S = 1.0  # for the last octets of a link that is over

Listener = Callable[["Link", Sequence[News]], None]


class Link(asyncio.Protocol):
    """One connection from its first octet to its last; `closed` tells why it ended."""

    session: Session

    def __init__(self, config: SmppConfig, kind: str, listener: Listener) -> None:
        self.kind = kind
        self.was_bound = False
        self.closed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._config, self._listener = config, listener
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._reason = "the connection was closed"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Bind at once."""
        self._transport = cast(asyncio.Transport, transport)
        self.session = Session(self._config, self.kind, now=self._loop.time())
        self.flush()

    def data_received(self, data: bytes) -> None:
        """Octets came, cut anywhere."""
        self._tell(lambda: self.session.feed(data, now=self._loop.time()))

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone, by whomever."""
        if exc is not None:
            self._reason = str(exc)
        self._tell(lambda: self.session.lost(self._reason))
        if self._timer is not None:
            self._timer.cancel()
        if not self.closed.done():
            self.closed.set_result(self._reason)

    def flush(self) -> None:
        """Write what the session has to say, and see when it wants to be woken."""
        if self._transport is None or self._transport.is_closing():
            return
        if octets := self.session.take_output():
            self._transport.write(octets)
        if self.session.is_closed:
            self._transport.close()
            self._loop.call_later(FLUSH_S, self.cut)
            return
        due = self.session.due()
        if self._timer is None or due < self._timer.when():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(due, self._wake)

    def say_good_bye(self) -> None:
        """Unbind; the other side's answer ends the link."""
        self.session.unbind()
        self.flush()

    def cut(self) -> None:
        """End it now, whatever is still to be written."""
        if self._transport is not None:
            self._transport.abort()

    def _wake(self) -> None:
        self._timer = None
        self._tell(lambda: self.session.tick(now=self._loop.time()))

    def _tell(self, happen: Callable[[], list[News]]) -> None:
        try:
            news = happen()
            self.was_bound |= any(isinstance(one, Bound) for one in news)
            if self.session.is_closed and news:
                self._reason = getattr(news[-1], "reason", self._reason)
            self._listener(self, news)
        except Exception:  # a link that trips us must not stay half alive
            log.exception("a link cannot be used any more")
            self.cut()
            return
        self.flush()
