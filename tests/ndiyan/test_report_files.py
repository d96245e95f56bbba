"""Reports without a browser: the files of a month in a folder."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.clock import SystemClock
from gateway.zones import Zone
from ingest.db import connect
from ingest.registry import import_zones
from tests.ndiyan.test_cli import ndiyan
from tests.web.web_seed import seed_readings

pytestmark = pytest.mark.db


@pytest.fixture
def url(database_url: str, zones: list[Zone]) -> dict[str, str]:
    """Zone 1 until the end of last month; as settings."""
    now = SystemClock().now().replace(day=1, hour=0, minute=0)
    with connect(database_url) as connection:
        import_zones(connection, zones)
        seed_readings(connection, zones[0], now=now, days=33)
    return {"NDIYAN_DATABASE_URL": database_url}


def test_the_last_months_report_is_written_for_funder_and_committee(tmp_path: Path, url: dict[str, str]) -> None:
    last = SystemClock().now().replace(day=1) - timedelta(days=1)
    month = f"{last:%Y-%m}"
    told = ndiyan("report", "--month", month, "--zone", "zone-1", "--out", "sheets", "--json", cwd=tmp_path, **url)
    assert told.returncode == 0, told.stderr
    names = [Path(file).name for file in json.loads(told.stdout)["files"]]
    assert names == [
        f"ndiyan-{month}-zone-1-{name}" for name in (
            "chiffres-brouillon.csv", "bailleur-fr-brouillon.html", "bailleur-fr-brouillon.pdf",
            "bailleur-en-brouillon.html", "bailleur-en-brouillon.pdf", "comite-brouillon.html", "comite-brouillon.pdf",
        )
    ]  # fmt: skip
    folder = tmp_path / "sheets"
    rows = (folder / names[0]).read_text("utf-8").splitlines()
    assert rows[0] == "period,version,zone,figure,value,unit"
    assert f"{month},,zone-1,people,1450," in rows
    assert f"{month},,zone-1,days_with_water,{last.day},d" in rows
    assert "Draft" in (folder / names[3]).read_text("utf-8")
    assert (folder / names[6]).read_bytes().startswith(b"%PDF")
    sheet = (folder / names[1]).read_text("utf-8")
    assert "http" not in sheet.replace("http://www.w3.org", ""), "a file on a stick needs nothing else"
    assert "<link" not in sheet


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--month", "2026-13"), "2026-13 is no month (2026-10) and no year (2026) that has begun"),
        (("--month", "2099"), "2099 is no month (2026-10) and no year (2026) that has begun"),
        (("--month", "2026-01", "--zone", "zone-9"), "zone-9 is none of zone-1, zone-2"),
    ],
)
def test_what_does_not_exist_is_said_in_a_sentence(
    tmp_path: Path, url: dict[str, str], arguments: tuple[str, ...], said: str
) -> None:
    told = ndiyan("report", *arguments, "--out", "sheets", cwd=tmp_path, **url)
    assert told.returncode == 1
    assert told.stderr.startswith(f"ndiyan: {said}")
    assert not (tmp_path / "sheets").exists()
