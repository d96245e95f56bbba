"""The commands `ndiyan simulate …`: what they write and what they say when they cannot."""

import csv
import json
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import fields
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from gateway.clock import FastClock, SystemClock, clock_spec
from gateway.zones import load_zones
from ingest.config import IngestConfig
from ingest.db import connect
from ingest.registry import import_zones
from ingest.service import run as run_ingest
from ndiyan.cli import main
from ndiyan.embedded_broker import EmbeddedBroker
from ndiyan.errors import SettingsError
from ndiyan.simulate import HistoryOptions, publish_history
from simulator.campaign import Campaign
from simulator.errors import SimulatorError
from simulator.network import Network
from simulator.people import Committee
from simulator.scenarios import scenario_names
from tests.simulator.days import ZONES
from tests.surroundings import ROOT, environment

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def ndiyan(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process: exit code, stdout, stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["ndiyan", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        written = capsys.readouterr()
        return int(ended.value.code or 0), written.out, written.err

    return run


def test_scenarios_are_listed_with_a_line_each(ndiyan: Run) -> None:
    code, out, _ = ndiyan("simulate", "scenarios")
    assert code == 0
    lines = out.splitlines()
    assert len(lines) >= 13
    assert any(line.startswith("string-theft ") and "half past two" in line for line in lines)
    rows = json.loads(ndiyan("simulate", "scenarios", "--json")[1])
    assert {"name": "string-theft", "start": "2026-03-01", "days": 14} in [
        {key: row[key] for key in ("name", "start", "days")} for row in rows
    ]


def test_a_history_of_more_zones_than_are_shipped_is_written(ndiyan: Run, tmp_path: Path) -> None:
    out = tmp_path / "past"
    code, said, warned = ndiyan(
        "simulate", "history", "--days", "2", "--zones", "8", "--scenario", "dry-season", "--format", "csv",
        "--out", str(out),
    )  # fmt: skip
    assert (code, warned.count("dry-season: 2 days")) == (0, 1)
    zones = load_zones([out / "zones"])
    assert [zone.zone_id for zone in zones] == [f"zone-{n}" for n in range(1, 9)]
    with (out / "readings.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert said.startswith(f"{len(rows):,} readings of 8 zones and 0 faults")
    due = sum(len(asset.channels) * 2 * 86_400 / asset.interval_s for zone in zones for asset in zone.assets)
    assert 0.98 * due < len(rows) <= due, "a sensor drops out now and then"
    assert {row["zone"] for row in rows} == {zone.zone_id for zone in zones}
    assert min(row["time"] for row in rows) == "2026-02-01T00:05:00Z"
    assert json.loads((out / "about.json").read_text())["scenario"] == "dry-season"


def test_a_story_without_a_date_is_told_up_to_the_end_of_the_history(ndiyan: Run, tmp_path: Path) -> None:
    arguments = ("simulate", "history", "--scenario", "demo", "--days", "13", "--format", "parquet")
    code, _, warned = ndiyan(*arguments, "--zones", "2", "--out", str(tmp_path / "past"))
    assert code == 0
    assert "demo also tells of zone-3, zone-4, zone-5, zone-6, not simulated here" in warned
    with (tmp_path / "past" / "labels.csv").open() as file:
        label, dust = csv.DictReader(file)
    assert (label["zone"], label["fault"], label["onset"]) == ("zone-2", "night_leak", "2026-01-02T00:00:00Z")
    assert (dust["fault"], dust["start"]) == ("pv_soiling", ""), "one noon of it is not to be told from weather yet"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--scenario", "nothing"), 1, "scenario 'nothing' is none of august-overcast, campaign"),
        (("--zones", "0"), 2, "0 is not within 1..5000"),
        (("--zones", "3", "--zones", "4"), 2, "3 4 is not within 1..5000"),
        (("--zones", "/nowhere"), 1, "/nowhere: cannot be read"),
        (("--start", "9999-12-31"), 2, "9999-12-31 is not within 1970-01-01..2199-12-31"),
        (("--start", "0001-01-01"), 2, "0001-01-01 is not within 1970-01-01..2199-12-31"),
        (("--days", "0"), 2, "should be greater than or equal to 1"),
        (("--start", "2090-01-01", "--publish"), 2, "ends on 2090-12-27, after today: give an earlier --start"),
        (("--publish", "--gateways", "/nowhere.json"), 2, "--gateways /nowhere.json: cannot be read"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(
    ndiyan: Run, tmp_path: Path, arguments: tuple[str, ...], code: int, says: str
) -> None:
    days = () if "--days" in arguments else ("--days", "360")
    found, _, warned = ndiyan("simulate", "history", "--out", str(tmp_path / "out"), *days, *arguments)
    assert found == code
    assert says in " ".join(warned.replace("│", " ").split())
    assert not (tmp_path / "out").exists()


def test_a_folder_in_use_is_not_written_over(ndiyan: Run, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    code, _, warned = ndiyan("simulate", "history", "--days", "1", "--out", str(tmp_path))
    assert code == 1
    assert f"{tmp_path} is not empty: give a new folder" in warned


def test_live_with_a_speed_refuses_a_clock_of_the_settings(
    ndiyan: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NDIYAN_CLOCK", "2026-03-01T00:00:00+00:00@2026-03-01T00:00:00+00:00x2")
    code, _, warned = ndiyan("simulate", "live", "--speed", "60", "--folder", str(tmp_path))
    assert code == 2
    assert "--speed 60: the settings already name a clock" in warned


@pytest.mark.parametrize(
    ("arguments", "is_told"),
    [
        pytest.param(("--scenario", "string-theft"), True, id="clock-of-today"),
        pytest.param(("--scenario", "string-theft", "--speed", "60"), False, id="clock-of-the-story"),
        pytest.param(("--scenario", "demo"), False, id="story-without-a-date"),
    ],
)
def test_a_dated_story_that_lives_on_another_day_says_so(
    ndiyan: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], is_told: bool
) -> None:
    for name in ("_live", "log_to_stderr", "signal.signal"):
        monkeypatch.setattr(f"ndiyan.live.{name}", lambda *_, **__: None)
    code, _, warned = ndiyan("simulate", "live", "--folder", str(tmp_path), *arguments)
    assert code == 0
    assert ("string-theft is about 2026-03-01 to 2026-03-15, and the clock says " in warned) == is_told


def test_people_act_on_no_more_zones_than_one_process_can_carry(ndiyan: Run) -> None:
    code, _, warned = ndiyan("simulate", "live", "--people", "--zones", "101")
    assert code == 2
    assert "--people: 101 zones are above 100, which one process can carry" in warned


def test_a_picture_is_drawn_and_one_that_does_not_exist_is_named(ndiyan: Run, tmp_path: Path) -> None:
    out = tmp_path / "pictures"
    code, said, _ = ndiyan("simulate", "gallery", "--out", str(out), "--only", "fault-night-leak")
    assert (code, said.strip()) == (0, str(out / "fault-night-leak.svg"))
    code, _, warned = ndiyan("simulate", "gallery", "--out", str(out), "--only", "sunset")
    assert code == 2
    assert "sunset is none of normal-day, cloudy-week" in " ".join(warned.replace("│", " ").split())


@pytest.mark.db
@pytest.mark.broker
def test_a_history_that_is_published_is_stored_as_it_was_measured(
    database_url: str, broker: EmbeddedBroker, tmp_path: Path
) -> None:
    two = ZONES[:2]
    with connect(database_url) as connection:
        import_zones(connection, ZONES)
    stop = threading.Event()
    config = IngestConfig(database_url, broker.ingest_settings)
    ingest = threading.Thread(target=run_ingest, args=(config, SystemClock(), stop))
    ingest.start()
    try:
        options = HistoryOptions(two, tmp_path / "out", 1, "dry-season", days=1, start=date(2026, 2, 3))
        said = publish_history(options, {z.gateway_id: broker.settings_for(z.gateway_id).url() for z in two})
    finally:
        stop.set()
        ingest.join(10)
    due = sum(len(asset.channels) * 86_400 / asset.interval_s for zone in two for asset in zone.assets)
    with connect(database_url) as connection:
        ((count, first, last),) = connection.execute(
            "SELECT count(*), min(measured_at), max(measured_at) FROM reading"
        ).fetchall()
        assert connection.execute("SELECT count(*) FROM reading_note WHERE device_at IS NOT NULL").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM set_aside").fetchone() == (0,)
    assert said.startswith(f"{count:,} readings of 2 zones are confirmed")
    assert 0.98 * due < count <= due
    assert (first, last) == (datetime(2026, 2, 3, 0, 5, tzinfo=UTC), datetime(2026, 2, 4, tzinfo=UTC))


@pytest.mark.db
@pytest.mark.broker
@pytest.mark.parametrize(
    "per_process", [pytest.param(100, id="one-process"), pytest.param(2, id="a-process-for-every-two-zones")]
)
def test_live_zones_end_by_themselves_when_all_they_measured_is_stored(
    database_url: str, broker: EmbeddedBroker, tmp_path: Path, per_process: int
) -> None:
    with connect(database_url) as connection:
        import_zones(connection, ZONES)
    gateways = tmp_path / "gateways.json"
    gateways.write_text(json.dumps({z.gateway_id: broker.settings_for(z.gateway_id).url() for z in ZONES}))
    clock = FastClock(datetime(2026, 2, 4, 10, 0, 30, tzinfo=UTC), SystemClock().now(), 300)
    stop = threading.Event()
    ingest = threading.Thread(target=run_ingest, args=(IngestConfig(database_url, broker.ingest_settings), clock, stop))
    ingest.start()
    command = f"import ndiyan.live, ndiyan.cli; ndiyan.live.MOST_LIVE = {per_process}; ndiyan.cli.main()"
    try:
        ended = subprocess.run(
            [sys.executable, "-c", command, "simulate", "live", "--zones", "3", "--minutes", "20",
             "--gateways", str(gateways), "--folder", str(tmp_path / "live"), "--scenario", "dry-season"],
            env=environment(NDIYAN_CLOCK=clock_spec(clock)), cwd=ROOT, timeout=90,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    finally:
        stop.set()
        ingest.join(10)
    assert ended.returncode == 0, ended.stderr
    assert "3 zones live at 300 times the world's speed" in ended.stderr
    assert f"NDIYAN_CLOCK='{clock_spec(clock)}'" in ended.stderr
    with connect(database_url) as connection:
        rows = connection.execute(
            "SELECT zone_id, sum(sent - arrived), sum(arrived - stored) FROM gateway_day GROUP BY 1 ORDER BY 1"
        ).fetchall()
        per_round = connection.execute("SELECT count(DISTINCT measured_at) FROM reading").fetchone()
        stored = connection.execute("SELECT count(*) FROM reading").fetchone()
    assert rows == [("zone-1", 0, 0), ("zone-2", 0, 0), ("zone-3", 0, 0)]
    assert per_round == (4,), "every five minutes for twenty minutes, which are the same for all"
    last = ended.stderr.splitlines()[-1]
    assert stored is not None
    assert last.endswith(f": {stored[0]} readings taken, 0 not yet confirmed"), "one progress for all parts"


def test_publishing_to_nobody_gives_up_and_keeps_what_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ndiyan.simulate.PATIENCE_S", 0.3)
    options = HistoryOptions(ZONES[:1], tmp_path / "out", 1, "dry-season", days=1)
    with pytest.raises(SimulatorError, match=r"nothing was confirmed for 0 s; [0-9,]+ readings wait in .*out: is the"):
        publish_history(options, {ZONES[0].gateway_id: "mqtt://127.0.0.1:9"})
    assert [file.name for file in (tmp_path / "out").glob("*.outbox")] == ["gw-1.outbox"]


def test_publishing_the_future_is_refused(tmp_path: Path) -> None:
    options = HistoryOptions(ZONES[:1], tmp_path / "out", 1, "dry-season", days=1, start=date(2090, 1, 1))
    with pytest.raises(SettingsError, match="ends on 2090-01-02, after today"):
        publish_history(options, {})


@pytest.mark.parametrize("page", ["simulator.md", "fr/simulator.md"])
def test_the_documents_name_every_story_and_every_key(page: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / page).read_text("utf-8")
    assert set(re.findall(r"^\| `([a-z0-9-]+)` \|", text, re.MULTILINE)) >= set(scenario_names())
    keys = {field.name for kind in (Network, Committee, Campaign) for field in fields(kind)} - {"events"}
    assert [key for key in sorted(keys) if f"{key}`" not in text] == []
