"""`ndiyan zones`: an operator with a shell and one with a browser work on the same registry."""

from __future__ import annotations

import json
import re
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gateway.clock import SystemClock
from gateway.errors import ZoneFileError
from gateway.model import GatewayId, ZoneId
from gateway.zones import Zone, load_zone, load_zones
from ingest.db import connect
from ingest.errors import ZonesRefused
from ingest.registry import import_zones
from ingest.zone_changes import store_zones
from ndiyan.cli import app
from ndiyan.shipped_files import shipped
from tests.web.web_seed import seed_readings

pytestmark = pytest.mark.db


@pytest.fixture(autouse=True)
def _database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NDIYAN_DATABASE_URL", database_url)


def ndiyan(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, [str(one) for one in arguments])


def test_an_import_stands_in_the_journal_and_its_preview_does_not(database_url: str, tmp_path: Path) -> None:
    assert ndiyan("zones", "import", "--fictional").stdout == "6 added, 0 changed, 0 as they were\n"
    text = (shipped("zones") / "zone-3.toml").read_text("utf-8")
    file = tmp_path / "zone-3.toml"
    file.write_text(text.replace("people = 2240", "people = 2300").replace("+224600000011", "+224600000099"), "utf-8")
    told = ndiyan("zones", "import", file, "--preview").stdout
    assert told.splitlines() == [
        "zone-3: 3 changes",
        "  served.people: 2240 -> 2300",
        "  committee …011: president, fr -> -",
        "  committee …099: - -> president, fr",
    ]
    rows = "SELECT who, what, subject FROM audit_log ORDER BY audit_id"
    with connect(database_url) as connection:
        added = [("server (CLI)", "zone_added", f"zone-{number}") for number in range(1, 7)]
        assert connection.execute(rows).fetchall() == added
        assert ndiyan("zones", "import", file).stdout == "0 added, 1 changed, 0 as they were\n"
        assert connection.execute(rows).fetchall() == [*added, ("server (CLI)", "zone_changed", "zone-3")]
        assert ndiyan("zones", "import", file).stdout == "0 added, 0 changed, 1 as they were\n"
        assert len(connection.execute(rows).fetchall()) == 7, "what changes nothing needs no line"


def test_a_backtest_of_the_database_judges_the_villages_that_are_in_it(
    database_url: str, zones: list[Zone], tmp_path: Path
) -> None:
    """An operator with one village, which is none of the six fictional ones, names no file."""
    ours = replace(zones[2], zone_id=ZoneId("kollangui"), gateway_id=GatewayId("gw-kollangui"), is_fictional=False)
    with connect(database_url) as connection:
        import_zones(connection, [ours])
        seed_readings(connection, ours, now=datetime(2026, 3, 2, 13, 0, tzinfo=UTC), days=1)
    told = json.loads(ndiyan("backtest", "--out", tmp_path / "alerts.csv", "--json").stdout)
    assert told["zones"] == 1
    assert {one["zone"] for one in told["not_judged"]} == {"kollangui"}


@pytest.mark.parametrize("arguments", [(), ("--fictional", "zone-1.toml")])
def test_invented_villages_come_only_to_who_asks_for_them(database_url: str, arguments: tuple[str, ...]) -> None:
    """They stay for ever, and their people are told like real ones."""
    refused = ndiyan("zones", "import", *arguments)
    assert refused.exit_code == 2
    assert "say which files or folder, or --fictional" in re.sub(r"[\s│]+", " ", refused.output)
    with connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM zone").fetchone() == (0,)


def test_what_was_edited_on_the_pages_comes_back_as_files_and_is_not_overwritten_by_the_old_ones(
    database_url: str, zones: list[Zone], tmp_path: Path
) -> None:
    ndiyan("zones", "import", "--fictional")
    with connect(database_url) as connection:
        edited, now = replace(zones[2], people=2500), SystemClock().now()
        store_zones(connection, [edited], who="Awa (web)", now=now, on_pages=True)
    refused = ndiyan("zones", "import", "--fictional")
    assert isinstance(refused.exception, ZonesRefused)
    assert "zone-3: Awa (web) changed it on" in str(refused.exception)
    previewed = ndiyan("zones", "import", "--fictional", "--preview")
    assert (previewed.exit_code, ndiyan("zones", "import", "--fictional", "--preview", "--over").exit_code) == (1, 0)
    told = previewed.stdout
    assert "zone-2: as it is\nzone-3: 1 changes\n  served.people: 2500 -> 2240\n  refused: Awa (web)" in told
    seen = json.loads(ndiyan("zones", "import", "--fictional", "--preview", "--json").stdout)
    assert [(one["zone"], len(one["refused"])) for one in seen if one["changes"]] == [("zone-3", 1)]

    assert ndiyan("zones", "export", tmp_path / "out", "--zone", "zone-3", "--zone", "zone-9").exit_code == 1
    assert ndiyan("zones", "export", tmp_path / "out").exit_code == 0
    modes = {stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "out", *(tmp_path / "out").iterdir())}
    assert modes == {0o700, 0o600}, "whole numbers stand in them"
    taken = load_zones([tmp_path / "out"])
    assert [replace(zone, version=None) for zone in taken] == [*zones[:2], edited, *zones[3:]]
    assert ndiyan("zones", "import", tmp_path / "out").stdout == "0 added, 0 changed, 6 as they were\n"
    assert ndiyan("zones", "import", "--fictional", "--over").stdout == "0 added, 1 changed, 5 as they were\n"
    assert ndiyan("zones", "import", "--fictional").exit_code == 0


@pytest.mark.parametrize(
    ("phone", "told"),
    [
        ("+22460000001", r"'\+22460000001' has 8 digits after \+224 and begins with 6; a mobile has 9 "),
        ("+224300000011", r"has 9 digits after \+224 and begins with 3"),
        ("+2246000000110", r"has 10 digits after \+224"),
    ],
)  # fmt: skip
def test_a_number_with_a_missing_digit_is_no_number_of_guinea(tmp_path: Path, phone: str, told: str) -> None:
    file = tmp_path / "zone-3.toml"
    file.write_text((shipped("zones") / "zone-3.toml").read_text("utf-8").replace("+224600000011", phone), "utf-8")
    with pytest.raises(ZoneFileError, match=rf"committee\[1\]\.phone: .*{told}"):
        load_zone(file)


def test_a_number_of_another_country_is_as_long_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "zone-3.toml"
    text = (shipped("zones") / "zone-3.toml").read_text("utf-8")
    file.write_text(text.replace("+224600000011", "+3225550111"), "utf-8")
    assert load_zone(file).committee[1].phone == "+3225550111"


def test_a_name_that_no_database_keeps_is_refused_where_it_stands(tmp_path: Path) -> None:
    file = tmp_path / "zone-3.toml"
    file.write_text((shipped("zones") / "zone-3.toml").read_text("utf-8").replace("Hadja ", "Hadja\\u0000"), "utf-8")
    with pytest.raises(ZoneFileError, match=r"committee\[1\]\.name: .* holds a NUL"):
        load_zone(file)
