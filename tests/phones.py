"""No phone number in a log, in an address or in a refusal: every test that runs is held to it.

What our services log is masked once more where it is written out; here it is looked at before that, so that a number is
found where it comes from. What programs write that the tests start (ours, PostgreSQL, mosquitto) is read at the end.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ndiyan.logs import StoryFormatter, quiet_libraries
from web.masks import first_phone, hide_phones

OURS = ("alerts", "gateway", "ingest", "ndiyan", "simulator", "web")
NOT_OURS = re.compile(r"/api/v1/phone/|/sms/")
"""The demo's on-screen phones, of people who do not exist; and how some routes' programs, such as Kannel, tell us of an
SMS: in an address, which is theirs to choose and which we do not log."""
THEIRS = {"smsd.log", "kannel.log", "bearerbox.log", "smsbox.log", "air.log"}
"""What Gammu's daemon, Kannel and its pretended network write: they log whom they send to, and cannot be told not
to (docs/sms-routes.md)."""

Message = MutableMapping[str, Any]


class Found:
    """Where a number was, since somebody looked last."""

    def __init__(self) -> None:
        self._places: list[str] = []

    def look_at(self, place: str, text: str) -> None:
        """Note the place when a phone number stands in the text."""
        if number := first_phone(text):
            self._places.append(f"{place}: …{text[max(0, number.start() - 60) : number.end() + 20]}…")

    def take(self) -> list[str]:
        """What was found; it is told once."""
        found, self._places = self._places, []
        return found


FOUND = Found()


class Ear(logging.Handler):
    """Hears every record as our services would write it, with its fields and its traceback."""

    def __init__(self) -> None:
        super().__init__()
        self._stories = StoryFormatter("%(levelname)s %(name)s: %(message)s")

    def emit(self, record: logging.LogRecord) -> None:
        """Look at the line."""
        FOUND.look_at("log", self._stories.unmasked(record))


def listen() -> None:
    """Hear what our packages log, from the least important line on."""
    quiet_libraries()
    logging.getLogger().addHandler(Ear())
    for name in OURS:
        logging.getLogger(name).setLevel(logging.DEBUG)


def watched(app: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """The application, with an eye on addresses that it is asked for or sends on to, and on what it refuses with."""

    async def watch(scope: Message, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        if scope["type"] != "http" or NOT_OURS.match(scope["path"]):
            await app(scope, receive, send)
            return
        asked, status = unquote(f"{scope['path']}?{scope['query_string'].decode('latin-1')}"), 0
        FOUND.look_at("address", asked)

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                for name, value in message["headers"]:
                    if name.lower() == b"location":
                        FOUND.look_at(f"sent on from {asked}", unquote(value.decode("latin-1")))
            elif message["type"] == "http.response.body" and status >= 400:
                FOUND.look_at(f"{status} of {asked}", message.get("body", b"").decode(errors="replace"))
            await send(message)

        await app(scope, receive, sent)

    return watch


def written_in(folder: Path) -> Iterator[str]:
    """Where a phone number stands in a log in this folder: file, line, and the line itself with the number masked."""
    for log in sorted(log for log in folder.rglob("*.log") if log.name not in THEIRS):
        for number, line in enumerate(log.read_text("utf-8", "replace").splitlines(), start=1):
            if first_phone(line):
                yield f"{log.relative_to(folder)}:{number}: {hide_phones(line)}"
