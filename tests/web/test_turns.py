"""More is asked than can be answered: who waits keeps nobody from an answer, and who has left keeps nobody waiting."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import httpx
import pytest
from fastapi import Request
from starlette.requests import ClientDisconnect

from alerts.carriers.doors import Door
from tests.web.web_site import Site
from web.errors import ReaderGone, TooBusy
from web.turns import AT_ONCE, Turns


def asked(method: str = "GET", *, path: str = "/en/", body: bytes = b"", is_there: bool = True) -> Request:
    """What was sent came whole; the sender waits, or has hung up since."""
    messages: list[dict[str, object]] = [{"type": "http.request", "body": body}] if body or is_there else []
    after: dict[str, object] = {"type": "http.request" if is_there else "http.disconnect"}

    async def receive() -> dict[str, object]:
        return messages.pop() if messages else after

    headers = [(b"content-length", str(len(body)).encode())] if body else []
    return Request({"type": "http", "method": method, "path": path, "headers": headers}, receive)


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def in_time() -> None:
        await asyncio.wait_for(story(), 20)

    asyncio.run(in_time())


def test_a_third_waits_until_one_of_two_is_done() -> None:
    async def story() -> None:
        turns, done, begun = Turns(at_once=2), [asyncio.Event() for _ in range(3)], []

        async def work(number: int) -> None:
            async with turns.taken(asked()):
                begun.append(number)
                await done[number].wait()

        working = [asyncio.create_task(work(number)) for number in range(3)]
        await asyncio.sleep(0)
        assert begun == [0, 1]
        done[1].set()
        await working[1]
        done[2].set()
        await working[2]
        assert begun == [0, 1, 2]
        done[0].set()
        await working[0]

    run(story)


def test_who_has_left_is_not_worked_for_and_the_turn_passes_on() -> None:
    async def story() -> None:
        turns = Turns(at_once=1)
        with pytest.raises(ReaderGone, match="nobody waits"):
            async with turns.taken(asked(is_there=False)):
                pytest.fail("worked for nobody")
        written = asked("POST", body=b"reply=1", is_there=False)
        async with turns.taken(written):
            assert await written.body() == b"reply=1"  # what was to be written is written

    run(story)


@pytest.mark.parametrize("body", [b"", b'{"a": 1}'])
def test_an_sms_that_was_told_by_get_is_taken_though_its_sender_has_left(body: bytes) -> None:
    async def story() -> None:
        told = asked(path="/sms/orange/secret/inbound", body=body, is_there=False)
        async with Turns(at_once=1).taken(told):
            if body:
                assert await told.body() == body

    run(story)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_who_leaves_before_all_was_said_takes_no_turn(method: str) -> None:
    async def story() -> None:
        left = Request(asked(method, body=b"1").scope, asked(is_there=False).receive)
        with pytest.raises(ReaderGone if method == "GET" else ClientDisconnect):
            async with Turns(at_once=1).taken(left):
                pytest.fail("worked for nobody")

    run(story)


def test_whose_turn_does_not_come_in_time_is_told_so_and_the_others_go_on() -> None:
    async def story() -> None:
        turns = Turns(at_once=1, wait_s=0.01)
        async with turns.taken(asked()):
            with pytest.raises(TooBusy, match=r"for 0\.01 s; try again later"):
                async with turns.taken(asked()):
                    pytest.fail("two at once")
        async with turns.taken(asked()):
            pass

    run(story)


@pytest.mark.db
def test_a_hundred_who_ask_at_once_are_all_answered(site: Site) -> None:
    """All threads once waited for connections whose holders waited for a thread: nobody was answered for seconds."""
    all_there, tls = threading.Barrier(100), ssl.create_default_context()  # made a hundred times it takes seconds

    def asks_twice(client: httpx.Client) -> list[int]:
        # Connections of one's own: the pool of a client is for fewer threads (httpcore#1110).
        with httpx.Client(base_url=client.base_url, timeout=30, verify=tls) as own:
            all_there.wait(60)
            return [own.get("/healthz").status_code for _ in range(2)]

    with site.app() as client, ThreadPoolExecutor(100) as people:
        answers = list(people.map(asks_twice, [client] * 100))
    assert answers == [[200, 200]] * 100


@pytest.mark.db
def test_slow_senders_keep_nobody_from_an_answer(site: Site) -> None:
    """Each once held a turn while its body came: four of them stopped every page."""
    head = b"POST /sms/phone1/events HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{"
    door = Door("phone1", "signing-key", is_signed=True)
    with site.app(doors={"phone1": door}) as client, ExitStack() as senders:
        address = (client.base_url.host, client.base_url.port or 80)
        slow = [senders.enter_context(socket.create_connection(address, 20)) for _ in range(AT_ONCE)]
        for sender in slow:
            sender.sendall(head)
        assert client.get("/healthz", timeout=8).status_code == 200  # sooner than a turn is waited for
        for sender in slow:
            sender.sendall(b"}")
            assert sender.recv(100).startswith(b"HTTP/1.1 403")  # it was read whole, and is not signed


@pytest.mark.db
def test_who_comes_too_late_is_told_to_come_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("web.app.Turns", lambda: Turns(at_once=0, wait_s=0.01))
    with site.app() as client:
        page, answer = client.get("/en/"), client.get("/healthz")
    assert (page.status_code, page.headers["retry-after"]) == (503, "5")
    assert "Too many pages are asked for at once" in page.text
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
