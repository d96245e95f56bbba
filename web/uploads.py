"""Files and photos on their way here: received onto the disk before their request takes a turn.

A phone on 2G sends a photo for an hour. As long as turns were held meanwhile, four such people held every page. Who
sends is asked first, by the head of the request: of strangers nothing is kept. What is on its way has bounds: so many
bodies, of one person few, an hour, and never the last room on the disk, which is the database's.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from web.access import Visitor
from web.dependencies import Services, connection_of, early_visitor, services_of
from web.errors import UploadRefusal, UploadRefused
from web.turns import MAX_BODY_BYTES, body_length

AT_ONCE = 8  # 32 MB each at most, and once more while a turn works on it
OF_ONE = 2
WITHIN_S = 3600.0  # the largest photo at 18 kbit/s, the largest file at 71
ROOM_LEFT_BYTES = 200_000_000  # for the database, whose disk it may be
PART_BYTES = 64 * 1024


class Uploads:
    """ASGI middleware around the routes; what it raises, handlers around it answer."""

    def __init__(
        self, app: ASGIApp, *, at_once: int = AT_ONCE, of_one: int = OF_ONE, within_s: float = WITHIN_S
    ) -> None:
        self._app, self._at_once, self._of_one, self._within_s = app, at_once, of_one, within_s
        self._under_way: Counter[str] = Counter()
        self._announced_bytes = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer; what is too long for memory has come whole before anybody looks at it.

        Raises
        ------
        UploadRefused : too many are on their way, it took too long, or the disk has no room
        LoginNeeded, RightMissing, ScopeMissing, RequestForged : whoever sends it may not
        """
        if scope["type"] != "http" or body_length(request := Request(scope, receive)) <= MAX_BODY_BYTES:
            await self._app(scope, receive, send)
            return
        services = services_of(request)
        async with services.turns.taken(request):
            visitor = await run_in_threadpool(_visitor, request, services)
        with self._place(f"{visitor.name} {visitor.prefix}", body_length(request)), tempfile.TemporaryFile() as file:
            try:
                await self._receive(request, file)
            except ClientDisconnect:
                return
            await self._app(scope, Kept(file, body_length(request), receive), send)

    @contextmanager
    def _place(self, who: str, length: int) -> Iterator[None]:
        """Count a body as long as it is on the disk."""
        if self._under_way.total() >= self._at_once:
            raise UploadRefused(UploadRefusal.FULL, f"{self._at_once} files are on their way here already")
        if self._under_way[who] >= self._of_one:
            raise UploadRefused(UploadRefusal.YOURS, f"{self._of_one} files of yours are on their way here already")
        if shutil.disk_usage(tempfile.gettempdir()).free < self._announced_bytes + length + ROOM_LEFT_BYTES:
            raise UploadRefused(UploadRefusal.ROOM, f"the disk has no room for {length} bytes")
        self._under_way[who] += 1
        self._announced_bytes += length
        try:
            yield
        finally:
            self._announced_bytes -= length
            self._under_way[who] -= 1
            self._under_way += Counter()  # forgets who has none

    async def _receive(self, request: Request, file: IO[bytes]) -> None:
        try:
            async with asyncio.timeout(self._within_s):
                async for part in request.stream():
                    await run_in_threadpool(file.write, part)
        except TimeoutError:
            raise UploadRefused(UploadRefusal.SLOW, f"it has not come within {self._within_s:g} s") from None
        except OSError as error:
            raise UploadRefused(UploadRefusal.ROOM, f"it could not be kept: {error.strerror}") from error
        file.seek(0)


class Kept:
    """What a request receives: its body from the disk, and then whatever else comes."""

    def __init__(self, file: IO[bytes], length: int, then: Receive) -> None:
        self._file, self._left, self._then = file, length, then

    async def __call__(self) -> Message:
        """The next part."""
        if not self._left:
            return await self._then()
        part = await run_in_threadpool(self._file.read, PART_BYTES)
        self._left -= len(part)
        return {"type": "http.request", "body": part, "more_body": self._left > 0}


def _visitor(request: Request, services: Services) -> Visitor:
    with contextmanager(connection_of)(request, services, None) as connection:
        return early_visitor(request, services, connection)
