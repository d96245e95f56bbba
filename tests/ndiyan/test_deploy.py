"""What stands in deploy/ is what a server can use: units that systemd takes, rules over metrics that exist."""

from __future__ import annotations

import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alerts.watchdog import BEAT_S
from gateway.zones import Zone
from ingest.db import connect
from ndiyan.supervisor import Supervisor
from tests.conftest import skip_without
from web.metrics import Platform

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("ndiyan*"))
MOST_EXPOSED = 2.5  # of 10, as systemd-analyze counts


def tried(request: pytest.FixtureRequest, folder: Path) -> list[Path]:
    """The units with a program and a user that this machine has."""
    if shutil.which("systemd-analyze") is None:
        skip_without(request.config, "systemd-analyze", "apt-get install systemd", optional=True)
    found = []
    for unit in UNITS:
        text = unit.read_text("utf-8")
        text = re.sub(r"^ExecStart=.*", "ExecStart=/bin/true", text, flags=re.MULTILINE)
        text = re.sub(r"^User=.*", "User=daemon", text, flags=re.MULTILINE)
        (folder / unit.name).write_text(text, "utf-8")
        found.append(folder / unit.name)
    return found


def test_systemd_takes_every_unit(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    units = tried(request, tmp_path)
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_no_unit_may_do_more_than_it_must(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    for unit in tried(request, tmp_path):
        if unit.suffix == ".service":
            limit = f"--threshold={MOST_EXPOSED * 10:.0f}"
            done = subprocess.run(
                ["systemd-analyze", "security", "--offline=true", limit, unit], capture_output=True, check=False
            )
            assert done.returncode == 0, unit.name


def test_each_service_has_a_unit_that_the_target_starts(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from ndiyan.services import start_services

    monkeypatch.setattr(Supervisor, "start", lambda self, *children: None)
    names = [program.name for program in start_services(Supervisor(), tmp_path)]
    target = (DEPLOY / "systemd" / "ndiyan.target").read_text("utf-8")
    for name in names:
        unit = (DEPLOY / "systemd" / f"ndiyan-{name}.service").read_text("utf-8")
        assert f"ExecStart=/opt/ndiyan/bin/ndiyan {name}\n" in unit
        assert f"ndiyan-{name}.service" in target


@pytest.mark.db
def test_rules_ask_for_metrics_that_exist_with_the_limits_of_the_keeper(database_url: str, zones: list[Zone]) -> None:
    rules = (DEPLOY / "prometheus" / "ndiyan.rules.yml").read_text("utf-8")
    with connect(database_url) as connection:
        there = {family.name for family in Platform(connection, datetime(2026, 3, 2, tzinfo=UTC)).collect()}
    asked = set(re.findall(r"ndiyan_[a-z_]+", rules))
    assert asked
    assert asked <= there
    for services, limit_s in re.findall(r'service=~?"([a-z|]+)"\} > (\d+)', rules):
        for service in services.split("|"):
            assert BEAT_S[service] == int(limit_s)
