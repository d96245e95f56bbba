"""The eye and the ear that every test is held to: what they find, and what they let pass."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from tests.phones import FOUND, watched

log = logging.getLogger("alerts.test_phones")


@pytest.mark.parametrize("written", ["+224600000010", "622 00 00 01", "00224600000010", "a 224600000010 b"])
def test_a_phone_number_in_a_line_a_field_or_a_traceback_is_heard(written: str) -> None:
    log.debug("told %s", written)
    log.info("told", extra={"to": written})
    try:
        raise ValueError(f"{written} is no number")
    except ValueError:
        log.exception("not told")
    assert len(FOUND.take()) == 3


def test_what_is_masked_or_is_no_phone_passes() -> None:
    log.warning("told …010, 12 345 678 litres, at 2026-03-02T10:40:00Z, A7, 3.14159265358979")
    log.warning("an SMS failed: busy ref=62892408-8a55-4319-880c-620000010212")
    assert FOUND.take() == []


@pytest.mark.parametrize(
    ("path", "query", "status", "body", "found"),
    [
        pytest.param("/fr/alertes", b"", 200, b"600000010", 0, id="a page may show one"),
        pytest.param("/fr/alertes", b"", 404, b"600000010 is not there", 1, id="no refusal does"),
        pytest.param("/fr/alertes", b"q=%2B224600000010", 200, b"", 1, id="nor an address"),
        pytest.param("/api/v1/phone/+224600000010/replies", b"", 404, b"not there", 0, id="but those of the demo"),
    ],
)
def test_a_phone_number_in_an_address_or_a_refusal_is_seen(
    path: str, query: bytes, status: int, body: bytes, found: int
) -> None:
    async def app(scope: Any, receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async def drop(message: Any) -> None:
        return None

    asyncio.run(watched(app)({"type": "http", "path": path, "query_string": query}, drop, drop))
    assert len(FOUND.take()) == found
