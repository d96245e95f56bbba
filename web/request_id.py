"""A name for each request, in its answer and in whatever is logged meanwhile, so that the two can be put together."""

from __future__ import annotations

import logging
import re
import uuid
from contextvars import ContextVar

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADER = "x-request-id"
GIVEN = re.compile(r"[A-Za-z0-9_-]{8,64}")  # by a proxy; anything else is not repeated
_current: ContextVar[str | None] = ContextVar("request_id", default=None)


class RequestIds:
    """ASGI middleware around the whole application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer under the name that a proxy gave, or under a new one."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(HEADER, "")
        name = given if GIVEN.fullmatch(given) else uuid.uuid4().hex[:12]
        _current.set(name)  # never taken back: the server logs what we did not catch, in this same task

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)[HEADER] = name
            await send(message)

        await self._app(scope, receive, send_named)


class NoteRequest(logging.Filter):
    """Puts the request's name on every record that is logged while it is answered."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets everything through."""
        if name := _current.get():
            record.request_id = name
        return True
