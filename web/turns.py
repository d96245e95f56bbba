"""How many requests are worked on at a time; the others wait, and hold neither a thread nor a connection meanwhile.

Whoever works holds what was read for the page, some 10 MB, and every thread that ever worked goes on holding a part of
that. Threads that waited for a connection would also keep those who have one from going on, until nobody does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import Request
from starlette.requests import ClientDisconnect

from web.errors import ReaderGone, TooBusy

AT_ONCE = 4  # Python works on one at a time, so more only keep each other waiting, but for the database
WAIT_S = 10.0
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
HOOKS = "/sms"  # below it even a GET tells something
MAX_BODY_BYTES = 64 * 1024  # our largest form is a free-text reply


class Turns:
    """Lets so many requests work at once, in the order in which they came."""

    def __init__(self, *, at_once: int = AT_ONCE, wait_s: float = WAIT_S) -> None:
        self._free, self._wait_s = asyncio.Semaphore(at_once), wait_s

    @asynccontextmanager
    async def taken(self, request: Request) -> AsyncIterator[None]:
        """Wait for a turn and have it for as long as the body runs.

        What was sent is read before, so a slow sender keeps nobody waiting. Pictures and files are too large for
        memory: `web/uploads.py` has them on the disk before the request comes here.

        Raises
        ------
        TooBusy : it did not come in time
        ReaderGone : whoever only wanted to read something is not there any more
        ClientDisconnect : whoever wanted to tell something left before all was said
        """
        is_reader = request.method in SAFE_METHODS and not request.scope["path"].startswith(f"{HOOKS}/")
        if is_reader or 0 < body_length(request) <= MAX_BODY_BYTES:
            await _read(request, is_reader=is_reader)
        try:
            async with asyncio.timeout(self._wait_s):
                await self._free.acquire()
        except TimeoutError:
            raise TooBusy(self._wait_s) from None
        try:
            if is_reader and await request.is_disconnected():
                raise ReaderGone
            yield
        finally:
            self._free.release()


def body_length(request: Request) -> int:
    """What the request says of its body; `web/shield.py` has refused those that do not say it."""
    return int(request.headers.get("content-length", "0"))


async def _read(request: Request, *, is_reader: bool) -> None:
    """Read the body, which the request keeps. To look whether a reader is still there takes what was not read."""
    try:
        with suppress(RuntimeError):  # FastAPI has read it as a form already, and the request keeps that
            await request.body()
    except ClientDisconnect:
        if is_reader:
            raise ReaderGone from None
        raise
