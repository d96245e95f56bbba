"""Whoever is slow on purpose loses the connection, and nobody else waits for them: on the real server."""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.web.web_site import serving
from web.server import Patience, Patient, server_config

LARGE = b"x" * 1_000_000
LONGEST_S = 20.0  # of a test that fails
HEAD = b"POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n"


class Hasty(Patient):
    """As in service, with less time."""

    patience = Patience(head_s=0.3, body_s=0.3, bytes_per_s=1000.0, reader_s=0.3)


class HastyWithReaders(Patient):
    """As in service, with less time for whoever reads."""

    patience = Patience(reader_s=0.3)


async def _app(scope: dict[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
    """`/body` reads what is sent, `/refused` does not, `/large` answers with 64 MB."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    while scope["path"] == "/body" and (await receive()).get("more_body"):
        pass
    await send({"type": "http.response.start", "status": 403 if scope["path"] == "/refused" else 200, "headers": []})
    for _ in range(64 if scope["path"] == "/large" else 0):
        await send({"type": "http.response.body", "body": LARGE, "more_body": True})
    await send({"type": "http.response.body", "body": b"done"})


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with serving(_app, Hasty) as address:
        yield address


def _connected(address: str, *, receives: int | None = None) -> socket.socket:
    where = urlsplit(address)
    found = socket.socket()
    if receives is not None:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
    found.connect((where.hostname, where.port))
    found.settimeout(0.05)  # between two letters
    return found


def _dribble(connection: socket.socket, letters: Iterator[bytes]) -> bytes:
    """Send letter by letter until the server has closed; what it answered."""
    began, answer = time.monotonic(), b""
    while time.monotonic() - began < LONGEST_S:
        try:
            connection.send(next(letters, b""))
            part = connection.recv(4096)
            if not part:
                return answer
            answer += part
        except TimeoutError:
            continue
        except ConnectionError:
            return answer
    pytest.fail(f"the server still waits after {LONGEST_S} s")


def _rest(connection: socket.socket) -> bytes:
    """What is still to be read before the connection ends."""
    connection.settimeout(LONGEST_S)
    found = bytearray()
    with suppress(ConnectionError):
        while part := connection.recv(1 << 20):
            found += part
    return bytes(found)


@pytest.mark.parametrize(
    "begins", [b"", b"GET", b"GET / HTTP/1.1\r\nhost: a\r\nx: ", HEAD % 100], ids=["silent", "line", "head", "body"]
)
def test_a_request_that_comes_letter_by_letter_is_given_up(address: str, begins: bytes) -> None:
    letters = itertools.chain([begins], itertools.repeat(b"y" if begins else b""))
    with _connected(address) as connection:
        assert _dribble(connection, letters) == b""


def test_a_second_request_on_a_connection_may_not_dribble_either(address: str) -> None:
    whole = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
    with _connected(address) as connection:
        answer = _dribble(connection, itertools.chain([whole, b"GET / HTTP/1.1\r\nx: "], itertools.repeat(b"y")))
    assert answer.count(b"200 OK") == 1


def test_who_was_refused_may_not_go_on_sending_for_the_hours_of_a_large_body(address: str) -> None:
    head = (HEAD % 10_000_000).replace(b"/body", b"/refused")
    with _connected(address) as connection:
        assert b"403" in _dribble(connection, itertools.chain([head], itertools.repeat(b"y")))


def test_a_body_on_a_slow_link_is_taken(address: str) -> None:
    """A second and a half are allowed for 1200 bytes; a tenth of that is not."""
    parts = [HEAD % 1200, *[b"z" * 200] * 6]
    with _connected(address) as connection:
        connection.settimeout(0.12)  # 0.7 s in all
        for part in parts:
            connection.send(part)
            try:
                answer = connection.recv(4096)
            except TimeoutError:
                continue
    assert b"200 OK" in answer


def test_a_reader_who_stops_reading_is_given_up() -> None:
    with serving(_app, HastyWithReaders) as address, _connected(address, receives=4096) as connection:
        connection.send(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n")
        with httpx.Client() as other:
            began = time.monotonic()
            while other.get(address).status_code == 200 and time.monotonic() - began < 1.0:
                pass  # others are served meanwhile
        assert len(_rest(connection)) < 64 * len(LARGE)


def test_three_hundred_who_dribble_keep_nobody_out(address: str) -> None:
    slow = [_connected(address) for _ in range(300)]
    try:
        for one in slow:
            one.send(b"GET / HTTP/1.1\r\nx: ")
        assert httpx.get(address, timeout=LONGEST_S).text == "done"
        for one in slow:
            assert _dribble(one, itertools.repeat(b"y")) == b""
    finally:
        for one in slow:
            one.close()


@pytest.mark.parametrize(
    "raw",
    [
        b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 1_000_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\n" + b"x: y\r\n" * 200_000 + b"\r\n",
        b"GET /" + b"y" * 1_000_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(40) + b"\r\n\r\n",
    ],
    ids=["long-header", "many-headers", "long-address", "two-hosts", "two-lengths", "negative-length", "tls-hello"],
)
def test_a_head_that_is_too_long_or_ambiguous_is_refused(address: str, raw: bytes) -> None:
    with _connected(address) as connection:
        with suppress(ConnectionError):  # closed while we were still sending
            connection.sendall(raw)
        assert b"200 OK" not in _rest(connection)


def test_only_a_proxy_on_this_machine_says_whose_request_it_passes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Caddy adds the address that it saw behind those that the request came with."""
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    seen: list[str] = []

    async def note(scope: dict[str, Any], receive: object, send: object) -> None:
        seen.append(scope["client"][0])

    config = server_config(note, host="127.0.0.1", port=0)
    config.load()
    for peer in ("127.0.0.1", "203.0.113.7"):
        headers = [(b"x-forwarded-for", b"192.0.2.1, 198.51.100.9")]
        asyncio.run(config.loaded_app({"type": "http", "client": (peer, 1), "headers": headers}, None, None))
    assert seen == ["198.51.100.9", "203.0.113.7"]
