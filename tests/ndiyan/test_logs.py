"""What a log says: to people a line, to programs an object, and to nobody a phone number."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator

import httpx
import pytest
from fastapi import APIRouter

from ndiyan.logs import LogConfig, log_to_stderr
from tests.web.web_site import Site, serving
from web.app import create_app
from web.request_id import NoteRequest

log = logging.getLogger("alerts.story")


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def test_an_object_a_line_has_the_fields_the_traceback_and_no_phone(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr(LogConfig("info", "json"))
    log.info("told +224620000123", extra={"zone_id": "zone-3", "alert_id": 620_000_123, "to": "00224 620 00 01 23"})
    try:
        raise ValueError("no route to +224 620 000 123")
    except ValueError:
        log.exception("not told")
    log.debug("too much")
    first, second = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert first.pop("at").endswith("+00:00")
    assert first == {
        "level": "info", "logger": "alerts.story", "message": "told …123", "zone_id": "zone-3",
        "alert_id": 620_000_123, "to": "…123",
    }  # fmt: skip
    assert second["error"].splitlines()[-1] == "ValueError: no route to …123"


def test_a_plain_line_has_the_fields_behind_it_and_no_phone(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr(LogConfig("info"))
    log.info("told 620000123", extra={"zone_id": "zone-3"})
    assert capsys.readouterr().err.split("INFO ")[1] == "alerts.story: told …123 zone_id=zone-3\n"


def test_nobody_writes_a_line_of_their_own_into_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    """Times are told in UTC, as in the journal."""
    log_to_stderr(LogConfig("info"))
    forged = "x\n2026-01-01T00:00:00.000Z INFO web: logged in\r\u2028person=Awa"
    log.warning("refused %s", forged, extra={"address": "a\nb"})
    try:
        raise ValueError(forged)
    except ValueError:
        log.exception("not told")
    first, *rest = capsys.readouterr().err.splitlines()
    assert first.endswith(r"refused x\n2026-01-01T00:00:00.000Z INFO web: logged in\r\u2028person=Awa address=a\nb")
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00 WARNING ", first)
    assert [line for line in rest if not line.startswith("  ")] == [rest[0]]


def test_libraries_do_not_tell_the_secrets_of_a_log_in(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr(LogConfig("debug"))
    for name in ("authlib.integrations.base_client.sync_app", "httpx2", "httpx"):
        logging.getLogger(name).info("Using code_verifier: 'x'")
    assert capsys.readouterr().err == ""


@pytest.mark.db
def test_what_goes_wrong_in_a_request_is_logged_under_the_name_that_its_answer_has(
    past: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = APIRouter()

    @odd.get("/odd")
    def _odd() -> str:
        log.warning("odd")
        return "odd"

    app = create_app(past.config, past.clock, wall=past.wall)
    app.include_router(odd)
    log_to_stderr(LogConfig("warning", "json"), NoteRequest())
    with serving(app) as address, httpx.Client(base_url=address) as client:
        answers = [client.get("/odd"), client.get("/odd", headers={"x-request-id": "proxy-00000042"})]
        strange = client.get("/healthz", headers={"x-request-id": "a b"}).headers["x-request-id"]
    told = [json.loads(line)["request_id"] for line in capsys.readouterr().err.splitlines()]
    assert told == [answer.headers["x-request-id"] for answer in answers]
    assert told[1] == "proxy-00000042"
    assert len(strange) == 12
