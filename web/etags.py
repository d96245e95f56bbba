"""A tag for what the API answers, so that whoever asks again for the same gets 304 and no body.

The tag is weak and of the answer's bytes: it is right whatever the answer rests on, and saves the link, not our work.
"""

from __future__ import annotations

import hashlib
import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

AGES = re.compile(rb'"last_seen_age_s": ?[\d.]+')  # grow with every second while nothing has changed


class ETags:
    """ASGI middleware: tags what GET answers under /api/; what is streamed goes through untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a tag, or with 304 when the client has what we would send."""
        if scope["type"] != "http" or scope["method"] != "GET" or not scope["path"].startswith("/api/"):
            await self._app(scope, receive, send)
            return
        known = Headers(scope=scope).get("if-none-match", "")
        held: Message | None = None

        async def send_tagged(message: Message) -> None:
            nonlocal held
            if message["type"] == "http.response.start" and message["status"] == 200:
                held = message
                return
            if held is not None:
                start, held = held, None
                if not message.get("more_body", False):
                    message = _tagged(start, message, known)
                await send(start)
            await send(message)

        await self._app(scope, receive, send_tagged)


def _tagged(start: Message, message: Message, known: str) -> Message:
    """Put the tag into `start`, and make it a 304 for whoever knows it; returns the body that then belongs to it."""
    tag = f'W/"{hashlib.blake2b(AGES.sub(b"", message.get("body", b"")), digest_size=12).hexdigest()}"'
    headers = MutableHeaders(scope=start)
    headers["etag"] = tag
    if not is_known(tag, known):
        return message
    start["status"] = 304
    for name in ("content-length", "content-type"):
        del headers[name]
    return {"type": "http.response.body", "body": b""}


def is_known(tag: str, known: str) -> bool:
    """Whether `If-None-Match` names a tag, or any by `*`; strong and weak are the same here (RFC 9110 §13.1.2)."""
    return known.strip() == "*" or tag.removeprefix("W/") in [
        one.strip().removeprefix("W/") for one in known.split(",")
    ]
