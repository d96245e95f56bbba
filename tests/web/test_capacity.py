"""What server it takes: sums of measured coefficients, the same on the page and on the command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from ndiyan.cli import app
from tests.web.test_pages import words
from web.capacity import COEFFICIENTS, Wish, capacity

ROOT = Path(__file__).parents[2]


def test_six_zones_need_the_smallest_server_there_is() -> None:
    found = capacity(Wish())
    # 6 zones × 40 channels every 5 minutes are 0.8 readings a second
    assert found.readings_a_second == pytest.approx(0.8)
    assert (found.cores, found.memory_gb, found.evaluators) == (2, 2.0, 1)
    # 240 channels × 730 days × 288 readings × 96.7 B, hours at 131 B and days at 145 B, 6 zones × 730 days × 2057 B
    assert found.disk_gb == pytest.approx(4.8794 + 0.5508 + 0.0254 + 0.0090, abs=0.001)


def test_a_country_is_judging_and_disk() -> None:
    found = capacity(Wish(zones=20_000, channels=20, years=1))
    # 400,000 channels × 0.375 ms every 300 s are 0.5 cores; 1,333 readings a second × 4.5 µs are 0.006
    assert found.cores_busy == pytest.approx(0.5 + 0.006, abs=0.001)
    # 792 MB, 400,000 × 1.5 kB, 20,000 × 10 kB
    assert found.memory_mb == pytest.approx(1592)
    # a year: 42.05 thousand million readings × 96.7 B, and 3.5 thousand million hours × 131 B
    assert found.disk_gb == pytest.approx(4066 + 459.0 + 21.2 + 15.0, abs=1)
    assert found.is_measured
    assert not capacity(Wish(zones=20_001, channels=20)).is_measured
    assert capacity(Wish(zones=20_000, channels=20, interval_min=1)).evaluators == 5  # 2.5 cores at half each


def test_weeks_by_column_are_a_tenth_but_for_the_last_three() -> None:
    rows, columns = (capacity(Wish(zones=100, years=1, is_by_column=is_so)).disk_gb for is_so in (False, True))
    # 1.152 million readings a day: 344 of 365 days shrink from 96.7 to 8.8 bytes
    assert rows - columns == pytest.approx(1.152e6 * 344 * 87.9 / 1e9, abs=0.01)


def test_sms_cost_what_one_is_told_they_cost() -> None:
    found = capacity(Wish(zones=100, sms_eur=0.02))
    assert found.sms == pytest.approx(100 * 1.4 * 365 / 84)
    assert found.sms_eur == pytest.approx(found.sms * 0.02)


@pytest.mark.parametrize(
    ("wish", "wrong"),
    [
        pytest.param(Wish(), None, id="usual"),
        pytest.param(Wish(zones=0), "zones", id="no-zone"),
        pytest.param(Wish(zones=100_000, channels=200, interval_min=60, years=30, sms_eur=1), None, id="most"),
        pytest.param(Wish(interval_min=0.5), "interval_min", id="too-often"),
        pytest.param(Wish(years=float("nan")), "years", id="no-number"),
    ],
)
def test_values_that_nobody_means_are_named(wish: Wish, wrong: str | None) -> None:
    assert wish.why_not() == wrong


@pytest.mark.parametrize("name", COEFFICIENTS)
def test_the_page_that_a_coefficient_cites_shows_its_figure(name: str) -> None:
    cited = re.fullmatch(r"(docs/\w+\.md): .*“(.+)”, .*2026-\d\d-\d\d", COEFFICIENTS[name].source)
    assert cited is not None
    assert cited[2] in (ROOT / cited[1]).read_text("utf-8")
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    assert set(re.findall(r"make ([\w-]+)", COEFFICIENTS[name].source)) <= set(targets)


@pytest.mark.db
def test_the_page_answers_without_a_script_and_names_its_sources(reader: httpx.Client) -> None:
    page = words(reader.get("/en/ndiyan/capacite?zones=20000&voies=20&minutes=5&annees=1&colonnes=oui&sms=0.02"))
    page = page.replace("\u00a0", " ")
    assert "0.51 of them busy with 1,333.3 readings a second" in page
    assert "docs/databases.md: “96.7 / 8.8”, ndiyan bench late" in page
    assert "what is kept of a zone's day, on disk 1684 B" in page
    assert "dites leur prix pour en savoir le coût" in words(reader.get("/fr/ndiyan/capacite"))
    assert "mémoire de tous les services et d’une sauvegarde, pour 50 zones 792 Mo" in words(
        reader.get("/fr/ndiyan/capacite")
    ).replace("\u00a0", " ")
    for wrong in ("zones=0", "colonnes=peut-etre", "annees=nan"):
        assert reader.get(f"/fr/ndiyan/capacite?{wrong}").status_code == 400


def test_the_command_says_the_same() -> None:
    done = CliRunner().invoke(app, ["capacity", "--zones", "20000", "--channels", "20", "--years", "1", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["memory_mb"] == pytest.approx(1592)
    assert found["coefficients"]["column_bytes"]["value"] == 8.8
    assert CliRunner().invoke(app, ["capacity", "--years", "31"]).exit_code == 2
