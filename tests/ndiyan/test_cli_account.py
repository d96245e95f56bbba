"""The account and what was set aside, on the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.zones import Zone
from ingest.db import connect
from ingest.registry import import_zones
from tests.ndiyan.test_cli import ndiyan
from tests.web.web_seed import seed_messages

pytestmark = pytest.mark.db


@pytest.fixture
def url(database_url: str, zones: list[Zone]) -> dict[str, str]:
    """A database of six zones of which one has sent messages; as settings."""
    with connect(database_url) as connection:
        import_zones(connection, zones)
        seed_messages(connection, zones[1], now=SystemClock().now())
    return {"NDIYAN_DATABASE_URL": database_url}


def test_the_account_tells_each_day_and_fails_when_it_does_not_add_up(tmp_path: Path, url: dict[str, str]) -> None:
    told = ndiyan("account", "--json", cwd=tmp_path, **url)
    lines = json.loads(told.stdout)
    assert told.returncode == 0
    assert [(line["gateway_id"], line["missing"], line["adds_up"]) for line in lines] == [
        ("", 0, True), ("gw-2", 4, True), ("gw-2", 2, True), ("gw-2", 2, True)
    ]  # fmt: skip
    assert (
        len(json.loads(ndiyan("account", "--json", "--zone", "zone-2", "--days", "1", cwd=tmp_path, **url).stdout)) == 1
    )
    with connect(url["NDIYAN_DATABASE_URL"]) as connection:
        connection.execute("UPDATE gateway_day SET late = 0, stored = stored + 1 WHERE gateway_id = 'gw-2'")
    told = ndiyan("account", cwd=tmp_path, **url)
    assert told.returncode == 1
    assert told.stdout.count("does not add up") == 3


def test_what_waits_is_listed_and_replayed(tmp_path: Path, url: dict[str, str]) -> None:
    waiting = json.loads(ndiyan("set-aside", "list", "--json", cwd=tmp_path, **url).stdout)
    assert {one["reason"] for one in waiting} == {"wrong_unit", "unknown_gateway", "unknown_topic"}
    refused = ndiyan("set-aside", "replay", "--reason", "unknown_gateway", cwd=tmp_path, **url)
    assert refused.returncode == 1
    assert "unknown_gateway: gw-stranger is no gateway of zone-2" in refused.stdout
    with connect(url["NDIYAN_DATABASE_URL"]) as connection:
        connection.execute("INSERT INTO gateway (gateway_id, zone_id) VALUES ('gw-stranger', 'zone-2')")
    done = ndiyan(
        "set-aside", "replay", "--reason", "unknown_gateway", "--zone", "zone-2", "--json", cwd=tmp_path, **url
    )
    (one,) = json.loads(done.stdout)
    assert (done.returncode, one["fate"], one["stored"]) == (0, "accepted", 1)
    assert ndiyan("set-aside", "replay", "--since", "2999-01-01", cwd=tmp_path, **url).stdout == "0 of 0 accepted\n"
    assert len(ndiyan("set-aside", "list", cwd=tmp_path, **url).stdout.splitlines()) == 2


@pytest.mark.parametrize(
    ("words", "says"),
    [
        pytest.param(("--since", "yesterday"), "yesterday is neither a day nor an instant", id="no-time"),
        pytest.param(("--since", "2026-11-24T10:00"), "has no offset", id="naive"),
        pytest.param(("--reason", "bad_luck"), "Invalid value for '--reason'", id="no-reason"),
    ],
)
def test_a_mistake_is_told_with_its_option(
    tmp_path: Path, url: dict[str, str], words: tuple[str, ...], says: str
) -> None:
    done = ndiyan("set-aside", "list", *words, cwd=tmp_path, **url)
    assert done.returncode == 2
    assert says in " ".join(done.stderr.replace("│", " ").split())


def test_a_file_from_a_logger_is_stored_and_told(tmp_path: Path, url: dict[str, str]) -> None:
    (tmp_path / "logger.csv").write_text(
        "time;asset;channel;value\n2026-03-01T08:00:00Z;tower;level_m;2,31\n", "utf-8-sig"
    )
    told = ndiyan("backlog", "logger.csv", "--zone", "zone-1", "--json", cwd=tmp_path, **url)
    assert json.loads(told.stdout) == {"rows": 1, "stored": 1, "duplicate": 0, "conflict": 0, "set_aside": 0}
    again = ndiyan("backlog", "logger.csv", "--zone", "zone-1", cwd=tmp_path, **url)
    assert again.stdout == "1 rows, 0 stored, 1 duplicate, 0 conflict, 0 set_aside\n"
    tabs = "time\tasset\tchannel\tvalue\n2026-03-01T09:00:00Z\ttower\tlevel_m\t2.4\n"
    (tmp_path / "excel.txt").write_text(tabs, "utf-16")
    assert ndiyan("backlog", "excel.txt", "--zone", "zone-1", cwd=tmp_path, **url).stdout.startswith("1 rows, 1 stored")
    lost = ndiyan("backlog", "logger.csv", cwd=tmp_path, **url)
    assert (lost.returncode, lost.stderr.splitlines()[-1]) == (
        1, "ndiyan: no column tells the zone of a row, and no zone was given"
    )  # fmt: skip
    assert ndiyan("backlog", "none.csv", cwd=tmp_path, **url).returncode == 2
