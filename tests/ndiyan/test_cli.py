"""The command line: answers for people and machines, one sentence for a mistake, exit codes 0, 1 and 2."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from ingest.db import connect, newest_migration
from ndiyan import cli, settings
from ndiyan.children import free_port, spawn
from ndiyan.embedded_broker import EmbeddedBroker
from tests.ingest.process import wait_until
from tests.surroundings import environment


def ndiyan(*words: str, cwd: Path, **given: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ndiyan", *words],
        cwd=cwd,
        env=environment(**given),
        capture_output=True,
        text=True,
        check=False,
    )


def test_zones_check_finds_nothing_wrong_with_the_shipped_zones(tmp_path: Path) -> None:
    done = ndiyan("zones", "check", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "6 files: fine\n")


def test_zones_check_tells_every_file_with_a_mistake(tmp_path: Path) -> None:
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text('zone = "Zone 1"\n', "utf-8")
    done = ndiyan("zones", "check", str(tmp_path), "--json", cwd=tmp_path)
    answer = json.loads(done.stdout)
    assert done.returncode == 1
    assert [error.split(": ")[1] for error in answer["errors"]] == ["zone", "zone"]


def test_a_backtest_begins_at_the_instant_that_is_meant_wherever_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "readings.csv").write_text(
        "time,zone,asset,channel,value,unit\n2026-03-02T10:00:00Z,zone-1,tower,level_m,1.5,m\n", "utf-8"
    )
    asked = ("backtest", "--readings", "readings.csv", "--from", "2026-03-02T13:00:00+02:00")
    done = ndiyan(*asked, "--to", "2026-03-02T12:00:00", cwd=tmp_path)
    assert done.returncode == 1
    assert "nothing to judge between 2026-03-02 11:00:00+00:00 and 2026-03-02 12:00:00+00:00" in done.stderr


@pytest.mark.parametrize(
    ("words", "environment", "code", "sentence"),
    [
        pytest.param(("zones", "chek"), {}, 2, "No such command", id="unknown-command"),
        pytest.param(("demo", "--speed", "fast"), {}, 2, "Invalid value for '--speed'", id="wrong-option"),
        pytest.param(("db", "status"), {}, 2, "ndiyan: database.url is not set", id="setting-missing"),
        pytest.param(("db", "status"), {"NDIYAN_WEB_PORT": "0"}, 2, "NDIYAN_WEB_PORT: 0 is below 1", id="bad-setting"),
        pytest.param(
            ("db", "status"),
            {"NDIYAN_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none"},
            1,
            "ndiyan: the database does not answer: ",
            id="no-database",
        ),
        pytest.param(("profiles", "add", "no.toml"), {}, 1, "no.toml: cannot be read: No such file", id="no-profile"),
        pytest.param(
            ("init", "--yes", "--root", "trial", "--phone", "224620"),
            {"NDIYAN_DATABASE_URL": "postgresql://x@127.0.0.1:1/x"},
            2,
            "ndiyan: watch.phones: ",
            id="phone-of-a-trial",
        ),
        pytest.param(
            ("init", "--yes", "--root", "trial"),
            {"NDIYAN_DATABASE_URL": "postgresql://x@127.0.0.1:1/x"},
            1,
            "ndiyan: the database does not answer",
            id="address-of-the-environment",
        ),
        pytest.param(
            ("init", "--yes", "--pages", "https://192.168.1.10:8OOO"),
            {},
            1,
            "pages: https://192.168.1.10:8OOO: Port could not be cast",
            id="letter-for-a-number",
        ),
        pytest.param(("zones", "list", "nowhere.toml"), {}, 1, "ndiyan: nowhere.toml: cannot be read", id="no-file"),
    ],
)
def test_a_mistake_is_one_sentence_and_never_a_traceback(
    tmp_path: Path, words: tuple[str, ...], environment: dict[str, str], code: int, sentence: str
) -> None:
    done = ndiyan(*words, cwd=tmp_path, **environment)
    assert done.returncode == code
    assert sentence in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr


@pytest.mark.db
def test_between_an_upgrade_and_its_migration_each_command_says_what_is_to_be_done(
    empty_database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("NDIYAN_DATABASE_URL", empty_database_url)
    for words in (
        "web login-link", "web api-key office", "web api-keys", "web revoke-api-key x", "webhooks", "account",
        "set-aside list", "profiles list", "profiles remove x", "profiles replay", "devices list", "devices add gw-1",
        "sms transcript", "people export +224620000000", "users list", "zones export x", "db roles",
    ):  # fmt: skip
        monkeypatch.setattr(sys, "argv", ["ndiyan", *words.split()])
        with pytest.raises(SystemExit, match="1"):
            cli.main()
        assert "ndiyan db migrate" in capsys.readouterr().err, words


def test_who_stands_in_a_folder_with_settings_is_told_that_they_count_and_not_the_machines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NDIYAN_SETTINGS", raising=False)
    machines = tmp_path / "etc.toml"
    monkeypatch.setattr(settings, "PLACES", (Path("ndiyan.toml"), machines))
    monkeypatch.setattr(cli, "PLACES", (Path("ndiyan.toml"), machines))
    monkeypatch.setattr(sys, "argv", ["ndiyan", "db", "status"])

    def told() -> str:
        with pytest.raises(SystemExit):
            cli.main()
        return capsys.readouterr().err

    machines.touch()
    assert "settings:" not in told()
    (tmp_path / "ndiyan.toml").touch()
    assert f"settings: ndiyan.toml, not {machines} (--settings FILE takes another)" in told()


def test_the_doctor_says_which_variables_it_read_beside_the_settings(tmp_path: Path) -> None:
    (tmp_path / "own.toml").touch()
    (tmp_path / "secrets.env").write_text("NDIYAN_WEB_PORT=8300\n", "utf-8")
    done = ndiyan("--settings", "own.toml", "doctor", cwd=tmp_path, NDIYAN_WEB_HOST="127.0.0.1")
    assert "settings: own.toml, NDIYAN_WEB_HOST; of secrets.env beside it: NDIYAN_WEB_PORT" in done.stderr


@pytest.mark.parametrize(
    ("error", "told"),
    [
        pytest.param(PermissionError(13, "Permission denied", "/srv/out"), "/srv/out: Permission denied", id="rights"),
        pytest.param(OSError(28, "No space left on device"), "could not be written: No space left", id="full-disk"),
        pytest.param(
            psycopg.errors.DiskFull("could not extend file"), "refused: could not extend file → make room",
            id="its-disk",
        ),
        pytest.param(
            psycopg.OperationalError('connection failed: FATAL:  password authentication failed for user "ndiyan"'),
            "→ it runs: check user, password and name in database.url", id="its-password",
        ),
        pytest.param(
            psycopg.errors.InsufficientPrivilege("permission denied for table zone"),
            "ndiyan: the database refused: permission denied for table zone", id="its-rights",
        ),
    ],
)  # fmt: skip
def test_what_goes_wrong_on_the_way_is_told_by_its_own_name(
    error: Exception, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(cli, "app", fail)
    with pytest.raises(SystemExit):
        cli.main()
    assert told in " ".join(capsys.readouterr().err.split())


@pytest.mark.db
def test_a_webhook_that_is_not_there_is_not_tried_again(tmp_path: Path, database_url: str) -> None:
    done = ndiyan("webhooks", "--again", "ofice", cwd=tmp_path, NDIYAN_DATABASE_URL=database_url)
    assert (done.returncode, "ofice is no webhook" in done.stderr) == (1, True)


@pytest.mark.db
def test_a_schema_that_stayed_when_the_version_was_taken_back_is_fine(tmp_path: Path, database_url: str) -> None:
    with connect(database_url) as connection:
        connection.execute(
            "INSERT INTO migration (number, name, variant) SELECT max(number) + 1, 'x', '' FROM migration"
        )
    assert ndiyan("db", "status", cwd=tmp_path, NDIYAN_DATABASE_URL=database_url).returncode == 0


@pytest.mark.db
def test_db_and_zones_from_an_empty_database_to_a_filled_one(tmp_path: Path, empty_database_url: str) -> None:
    url = {"NDIYAN_DATABASE_URL": empty_database_url}
    status = ndiyan("db", "status", "--json", cwd=tmp_path, **url)
    assert (status.returncode, json.loads(status.stdout)["schema"]) == (1, 0)
    refused = ndiyan("zones", "import", "--fictional", cwd=tmp_path, **url)
    assert refused.returncode == 1
    assert "run `ndiyan db migrate`" in refused.stderr
    migrated = ndiyan("db", "migrate", "--json", cwd=tmp_path, **url)
    assert int(json.loads(migrated.stdout)["applied"][-1][:4]) == newest_migration()
    assert ndiyan("db", "migrate", cwd=tmp_path, **url).stdout == "nothing to do\n"
    assert ndiyan("db", "status", cwd=tmp_path, **url).returncode == 0
    first = ndiyan("zones", "import", "--fictional", "--json", cwd=tmp_path, **url)
    assert json.loads(first.stdout) == {"added": 6, "changed": 0, "unchanged": 0, "left_out": []}
    again = ndiyan("zones", "import", "--fictional", cwd=tmp_path, **url)
    assert again.stdout == "0 added, 0 changed, 6 as they were\n"


@pytest.mark.db
@pytest.mark.broker
def test_doctor_names_each_problem_with_its_remedy(tmp_path: Path, database_url: str, broker: EmbeddedBroker) -> None:
    there = {"NDIYAN_DATABASE_URL": database_url, "NDIYAN_MQTT_URL": broker.ingest_settings.url()}
    assert ndiyan("zones", "import", "--fictional", cwd=tmp_path, **there).returncode == 0
    done = ndiyan("doctor", "--json", cwd=tmp_path, **there)
    problems = {problem["sentence"]: problem["remedy"] for problem in json.loads(done.stdout)}
    assert done.returncode == 1
    assert problems["zone-3 has never sent a reading"].startswith("check its gateway")
    assert problems["ingest is not running"] == "ndiyan ingest"
    broker.stop()
    away = ndiyan("doctor", cwd=tmp_path, **there)
    assert "no MQTT broker answers at 127.0.0.1" in away.stdout


def test_doctor_says_whose_settings_it_reads_where_a_demo_once_ran(tmp_path: Path) -> None:
    demo = tmp_path / ".demo/secrets/ndiyan.toml"
    demo.parent.mkdir(parents=True)
    demo.write_text('[database]\nurl = "postgresql://ndiyan@127.0.0.1:1/ndiyan"\n', "utf-8")
    done = ndiyan("doctor", cwd=tmp_path, NDIYAN_SETTINGS="", NDIYAN_CLOCK="system", NDIYAN_WEB_PORT="8100")
    assert done.stderr == "settings: .demo/secrets/ndiyan.toml, NDIYAN_WEB_PORT, NDIYAN_CLOCK\n"
    assert "port 1 failed" in done.stdout
    assert ndiyan("doctor", "--json", cwd=tmp_path).stderr == f"settings: {os.devnull}\n"


@pytest.mark.db
def test_web_login_link_and_api_key_are_shown_once(tmp_path: Path, database_url: str) -> None:
    url = {"NDIYAN_DATABASE_URL": database_url, "NDIYAN_WEB_PUBLIC_URL": "https://eau.example.org"}
    link = ndiyan("web", "login-link", cwd=tmp_path, **url)
    assert link.stdout.startswith("https://eau.example.org/login/")
    key = ndiyan("web", "api-key", "grafana", "--scope", "write", "--scope", "read", "--json", cwd=tmp_path, **url)
    made = json.loads(key.stdout)["api_key"]
    assert made.startswith("wat_")
    (listed,) = json.loads(ndiyan("web", "api-keys", "--json", cwd=tmp_path, **url).stdout)
    assert (listed["name"], listed["scopes"], made[:10]) == ("grafana", ["read", "write"], listed["prefix"])
    assert ndiyan("web", "revoke-api-key", listed["prefix"], cwd=tmp_path, **url).stdout == "revoked: grafana\n"
    again = ndiyan("web", "revoke-api-key", listed["prefix"], cwd=tmp_path, **url)
    assert (again.returncode, "no key that opens anything begins like this" in again.stderr) == (1, True)
    assert "revoked" in ndiyan("web", "api-keys", cwd=tmp_path, **url).stdout
    assert ndiyan("webhooks", cwd=tmp_path, **url).stdout == "there are no webhooks\n"


@pytest.mark.db
def test_a_profile_is_tried_kept_and_forgotten(tmp_path: Path, database_url: str) -> None:
    shipped = Path(__file__).parents[2] / "ingest/profiles/shipped/victron-gx.toml"
    mine = tmp_path / "mine.toml"
    mine.write_text(shipped.read_text("utf-8").replace("Victron GX (Venus OS)", "Our Cerbo"), "utf-8")
    (tmp_path / "message.json").write_text('{"value": 936}', "utf-8")
    environment = {"NDIYAN_DATABASE_URL": database_url}
    tried = ndiyan(
        "profiles",
        "test",
        str(mine),
        "--message",
        str(tmp_path / "message.json"),
        "--topic",
        "N/c0/system/0/Dc",
        cwd=tmp_path,
    )
    assert "2 samples come out as they should" in tried.stdout
    assert "nothing takes it" in tried.stdout
    assert ndiyan("profiles", "add", str(mine), cwd=tmp_path, **environment).returncode == 0
    assert "(yours) Our Cerbo" in ndiyan("profiles", "list", cwd=tmp_path, **environment).stdout
    assert ndiyan("profiles", "remove", "victron-gx", cwd=tmp_path, **environment).returncode == 0
    assert ndiyan("profiles", "remove", "victron-gx", cwd=tmp_path, **environment).returncode == 1
    assert "0 messages" in ndiyan("profiles", "replay", cwd=tmp_path, **environment).stdout


@pytest.mark.db
@pytest.mark.broker
def test_what_up_starts_reads_the_settings_file_and_a_worker_too_many_takes_its_leave(
    tmp_path: Path, database_url: str, broker: EmbeddedBroker
) -> None:
    settings = tmp_path / "ours.toml"
    addresses = {"database": database_url, "mqtt": broker.ingest_settings.url()}
    tables = [f'[{name}]\nurl = "{url}"\n' for name, url in addresses.items()]
    settings.write_text("".join(tables) + f"[web]\nport = {free_port()}\n[ingest]\nworkers = 2\n", "utf-8")
    with connect(database_url) as connection:
        connection.execute("INSERT INTO heartbeat VALUES ('ingest@3', now())")
    command = [sys.executable, "-m", "ndiyan", "--settings", settings, "up", "--data", tmp_path]
    up = spawn(command, log=tmp_path / "up.log", env=environment())
    try:
        with connect(database_url) as connection:
            beats = "SELECT array_agg(service ORDER BY service) FROM heartbeat WHERE service ~ '^(ingest|web$)'"
            wait_until(
                lambda: connection.execute(beats).fetchone() == (["ingest", "ingest@2", "web"],),
                lambda: "\n".join(log.read_text("utf-8") for log in tmp_path.rglob("*.log")),
            )
    finally:
        up.terminate()
        up.wait(30)


def test_no_command_carries_what_only_few_of_them_need() -> None:
    """The words of replies alone take 14 MB, and ingest has 150 for all."""
    program = [sys.executable, "-c", "import ndiyan.cli, sys; print(*sys.modules)"]
    found = set(subprocess.run(program, check=True, capture_output=True, text=True).stdout.split())
    assert found.isdisjoint(
        {"alerts.replies", "alerts.phrases", "pyarrow", "fastapi", "simulator.zone", "web.app", "httpx", "smpplib"}
    )
