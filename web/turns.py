"""How many requests are worked on at a time; the others wait, and hold neither a thread nor a connection meanwhile.

Whoever works holds what was read for the page, some 10 MB, and every thread that ever worked goes on holding a part of
that. Threads that waited for a connection would also keep those who have one from going on, until nobody does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import Request
from starlette.requests import ClientDisconnect

from web.errors import ReaderGone, TooBusy

AT_ONCE = 4  # Python works on one at a time, so more only keep each other waiting, but for the database
WAIT_S = 10.0
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Turns:
    """Lets so many requests work at once, in the order in which they came."""

    def __init__(self, *, at_once: int = AT_ONCE, wait_s: float = WAIT_S) -> None:
        self._free, self._wait_s = asyncio.Semaphore(at_once), wait_s

    @asynccontextmanager
    async def taken(self, request: Request) -> AsyncIterator[None]:
        """Wait for a turn and have it for as long as the body runs.

        Raises
        ------
        TooBusy : it did not come in time
        ReaderGone : it came, and whoever only wanted to read something is not there any more
        """
        is_reader = request.method in SAFE_METHODS
        if is_reader:  # some routes tell by GET, and to look whether somebody is there takes what was not read
            try:
                await request.body()
            except ClientDisconnect:
                raise ReaderGone from None
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
