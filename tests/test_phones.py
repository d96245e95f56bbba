"""The eye and the ear that every test is held to: what they find, and what they let pass."""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ingest.db import connect
from ndiyan.embedded_postgres import SETTINGS
from tests.phones import FOUND, watched, written_in

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


def test_a_phone_number_in_what_a_program_wrote_is_found_with_its_line_and_not_told(tmp_path: Path) -> None:
    (tmp_path / "zone").mkdir()
    lines = ["all is well", "told …010", "DETAIL:  Key (phone)=(+224620000123) already exists.", "at 1772445600000000"]
    (tmp_path / "zone" / "postgres.log").write_text("\n".join(lines), "utf-8")
    (tmp_path / "zone" / "people.toml").write_text("+224620000123", "utf-8")
    found = list(written_in(tmp_path))
    (tmp_path / "zone" / "postgres.log").unlink()  # this test's own folder is read at the end as well
    assert found == ["zone/postgres.log:3: DETAIL:  Key (phone)=(…123) already exists."]


@pytest.mark.db
def test_a_row_that_the_database_refuses_stands_not_in_its_log(server_folder: Path, database_url: str) -> None:
    """Who asked is told, and masks it; the server of compose.yaml is set as ours."""
    with connect(database_url) as connection:
        connection.execute("CREATE TABLE told (phone text PRIMARY KEY)")
        connection.execute("INSERT INTO told VALUES (%s)", ["+224620000123"])
        with pytest.raises(psycopg.errors.UniqueViolation, match=r"Key \(phone\)=\(\+224620000123\) already exists"):
            connection.execute("INSERT INTO told VALUES (%s)", ["+224620000123"])
    assert list(written_in(server_folder)) == []
    assert SETTINGS["log_error_verbosity"] == "terse"
    compose = Path("deploy/compose.yaml").read_text("utf-8")
    assert "command: [postgres, -c, log_error_verbosity=terse]" in compose
