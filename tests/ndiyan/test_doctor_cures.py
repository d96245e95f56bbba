"""Each thing that can be wrong is told in one sentence, with the command that cures it; and not when it is well."""

from __future__ import annotations

import errno
import os
import re
import shutil
import ssl
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import create_server
from types import SimpleNamespace
from typing import NoReturn

import pytest
from cryptography import x509
from typer.testing import CliRunner

from gateway.clock import ManualClock, SystemClock
from gateway.config import MqttSettings
from gateway.zones import Zone
from ingest.db import Connection, connect
from ingest.folders import fetch_database_folder
from ingest.registry import channel_ids, import_zones
from ndiyan import doctor, machine, problem
from ndiyan.certificates import LIFE, Authority, hosts_of, make_certificates
from ndiyan.children import Account
from ndiyan.cli import app
from ndiyan.doctor import find_problems
from ndiyan.embedded_broker import EmbeddedBroker
from ndiyan.machine import machine_problems
from ndiyan.manifest import MANIFEST
from ndiyan.sealing import generate_key
from ndiyan.settings import Settings, load_settings
from ndiyan.shipped_files import shipped
from tests.conftest import skip_without
from tests.databases import database
from tests.ndiyan.test_backup import made_on, put_backup
from tests.surroundings import NO_SETTINGS
from tests.web.web_seed import seed_alert, seed_event, seed_floods

Ill = Callable[..., dict[str, str]]


def settings_with(**environment: str) -> Settings:
    return load_settings(NO_SETTINGS, {f"NDIYAN_{key}": value for key, value in environment.items()})


def machine_says(clock: ManualClock, **environment: str) -> dict[str, str]:
    """Sentence to remedy, of what is wrong with the machine."""
    return {one.sentence: one.remedy for one in machine_problems(settings_with(**environment), wall=clock)}


@pytest.fixture
def well(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with nothing wrong but that nothing is saved; returns the folder in which its programs are."""
    monkeypatch.chdir(tmp_path)
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    monkeypatch.setattr(machine, "MEMORY", tmp_path / "meminfo")
    (tmp_path / "meminfo").write_text("MemTotal: 2000000 kB\nMemAvailable: 900000 kB\n", "utf-8")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=50_000_000_000))
    say(programs, "yes")
    return programs


def say(programs: Path, synchronised: str) -> None:
    program = programs / "timedatectl"
    program.write_text(f"#!/bin/sh\necho {synchronised}\n", "utf-8")
    program.chmod(0o755)


def test_a_disk_memory_or_clock_in_trouble_comes_with_its_cure(
    well: Path, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert machine_says(clock, DEMO="true") == {}
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=1_999_000_000))
    (tmp_path / "meminfo").write_text("MemAvailable: 99000 kB\n", "utf-8")
    say(well, "no")
    assert machine_says(clock, DEMO="true") == {
        f"the disk of {tmp_path} has 1999 MB free, wanted 2000":
            f"make room: du -xh --max-depth=2 {tmp_path} | sort -h | tail",
        "the machine has 99 MB of memory left, wanted 100": "see who takes it: ps -eo rss,args --sort=-rss | head",
        "the machine's clock is not set by the network": "timedatectl set-ntp true",
    }  # fmt: skip


@pytest.mark.db
@pytest.mark.broker
def test_the_disks_of_database_and_broker_are_looked_at_wherever_the_doctor_is(
    request: pytest.FixtureRequest, well: Path, clock: ManualClock, connection: Connection, database_url: str,
    broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    if fetch_database_folder(connection) is None:
        skip_without(request.config, "a database on this machine", "it was given elsewhere", optional=True)
    ((data,),) = connection.execute("SHOW data_directory").fetchall()
    free = {Path(data): 1_200_000_000, broker.folder: 1_100_000_000}
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=free.get(folder, 50_000_000_000)))
    there = {"DATABASE_URL": database_url, "MQTT_URL": broker.ingest_settings.url()}
    assert list(machine_says(clock, DEMO="true", **there)) == [
        f"the disk of {data} has 1200 MB free, wanted 2000",
        f"the disk of {broker.folder} has 1100 MB free, wanted 2000",
    ]  # fmt: skip
    free[broker.folder] = 1_200_000_000
    assert list(machine_says(clock, DEMO="true", **there)) == [f"the disk of {data} has 1200 MB free, wanted 2000"]


def test_a_backup_that_is_missing_or_old_is_told(well: Path, clock: ManualClock, tmp_path: Path) -> None:
    assert machine_says(clock) == {
        "nothing is ever saved: backup.folder is not set": "set backup.folder (docs/backup.md)"
    }
    folder = tmp_path / "kept"
    assert machine_says(clock, BACKUP_FOLDER=str(folder)) == {f"{folder} holds no backup": "ndiyan backup"}
    made = made_on(clock.now() - timedelta(hours=26))
    (folder / "ndiyan-20260301T084000Z").mkdir(parents=True)
    (folder / "ndiyan-20260301T084000Z" / MANIFEST).write_text(made.manifest.to_json(), "utf-8")
    assert machine_says(clock, BACKUP_FOLDER=str(folder)) == {}
    clock.advance(timedelta(hours=1))
    assert machine_says(clock, BACKUP_FOLDER=str(folder)) == {
        "the newest backup is 27 hours old, wanted at most 26": "ndiyan backup"
    }


def test_a_backup_disk_that_answers_no_more_is_told_like_anything_else(
    well: Path, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> NoReturn:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(Path, "is_dir", fails)
    monkeypatch.setattr(shutil, "disk_usage", fails)
    assert machine_says(clock, BACKUP_FOLDER=str(tmp_path / "kept")) == {
        f"{tmp_path / 'kept'} cannot be read: Input/output error": f"findmnt -T {tmp_path / 'kept'}; dmesg | tail"
    }


def test_what_a_killed_check_has_left_on_the_disk_is_named_with_its_cure(
    well: Path, clock: ManualClock, tmp_path: Path
) -> None:
    put_backup(folder := tmp_path, clock.now())
    (left := folder / ".scratch-x1").mkdir()
    os.utime(left, times=(clock.now().timestamp(), clock.now().timestamp()))
    assert machine_says(clock, BACKUP_FOLDER=str(folder)) == {}, "it may be at work"
    clock.advance(timedelta(hours=25))
    sentence = f"{left} is of a backup or check that was killed, open to whoever has the disk"
    assert machine_says(clock, BACKUP_FOLDER=str(folder)) == {sentence: f"rm -r {left}"}


def test_a_backup_of_a_clock_that_was_ahead_is_named_with_its_cure(
    well: Path, clock: ManualClock, tmp_path: Path
) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    ahead = put_backup(folder, clock.now() + timedelta(days=365))
    put_backup(folder, clock.now())
    assert machine_says(clock, BACKUP_FOLDER=str(folder)) == {
        f"{ahead} is of a later time than now, and counts as no backup":
            f"timedatectl; when the clock is right and there is another backup: rm -r {ahead}"
    }  # fmt: skip


@pytest.fixture
def units(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where the units of a server are that `ndiyan init` has set up."""
    folder = tmp_path / "units"
    folder.mkdir()
    monkeypatch.setattr(problem, "UNITS", folder)
    for unit in shipped("deploy/systemd").iterdir():
        if unit.name.endswith(".service"):
            (folder / unit.name).write_text(unit.read_text("utf-8"), "utf-8")
    return folder


def test_where_systemd_runs_us_nobody_is_told_to_run_a_backup_as_root(
    well: Path, clock: ManualClock, tmp_path: Path, units: Path
) -> None:
    folder = tmp_path / "kept"
    assert machine_says(clock, BACKUP_FOLDER=str(folder)) == {
        f"{folder} holds no backup":
            "systemctl restart ndiyan-backup; to see why: journalctl -u ndiyan-backup -n 50; and of that of the night:"
            f" {folder}/backup.log"
    }  # fmt: skip


@pytest.mark.db
def test_where_systemd_runs_us_a_service_is_started_by_it(ill: Ill, connection: Connection, units: Path) -> None:
    connection.execute("INSERT INTO heartbeat VALUES ('ingest@2', '2020-01-01')")
    assert {sentence: remedy.partition(";")[0] for sentence, remedy in ill("is not running").items()} == {
        "ingest is not running": "systemctl restart ndiyan-ingest",
        "ingest@2 is not running": "systemctl restart ndiyan-ingest@2",
        "alerts is not running": "systemctl restart ndiyan-alerts",
        "sender is not running": "systemctl restart ndiyan-alerts",
        "web is not running": "systemctl restart ndiyan-web",
        "keeper is not running": "systemctl restart ndiyan-keeper",
    }
    (units / "ndiyan-web.service").unlink()
    assert ill("web is not running") == {"web is not running": "ndiyan web"}


@contextmanager
def over_tls(certificate: Path) -> Iterator[int]:
    """Something that shakes hands on a port of its own, and nothing else."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    link, _ = listener.accept()
                except OSError:
                    return
                try:
                    context.wrap_socket(link, server_side=True).close()
                except OSError:
                    link.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            listener.shutdown(2)
            thread.join(5)


def test_the_cure_for_the_brokers_certificate_cures(
    well: Path, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = SystemClock().now()
    ours = make_certificates("water.example", now=now)
    authority = Authority(ours.authority, ours.authority_key)
    shown, key = authority.serve("water.example", now=now - LIFE + timedelta(days=5))
    places = {
        "broker-ca.crt": ours.authority,
        "broker-ca.key": ours.authority_key,
        "server.crt": shown,
        "server.key": key,
    }
    for name, text in places.items():
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "server.key").chmod(0o640)
    monkeypatch.setenv("NDIYAN_BROKER_FOLDER", str(tmp_path))
    monkeypatch.setenv("NDIYAN_BROKER_AUTHORITY", ca := str(tmp_path / "broker-ca.crt"))
    monkeypatch.setenv("NDIYAN_BROKER_AUTHORITY_KEY", str(tmp_path / "broker-ca.key"))

    def told() -> dict[str, str]:
        (tmp_path / "both.pem").write_text(
            (tmp_path / "server.crt").read_text("utf-8") + (tmp_path / "server.key").read_text("utf-8"), "utf-8"
        )
        with over_tls(tmp_path / "both.pem") as port:
            url = f"mqtts://localhost:{port}?tls_ca={ca}"
            found = machine_problems(settings_with(MQTT_URL=url, BROKER_AUTHORITY=ca), wall=ManualClock(now))
            return {one.sentence: one.remedy for one in found if "certificate" in one.sentence}

    ((sentence, cure),) = told().items()
    assert " ends on " in sentence
    command, then = cure.split("; ")
    assert then == "systemctl restart mosquitto"
    done = CliRunner().invoke(app, [*command.split()[1:], "--host", "10.0.0.7"])
    assert done.exit_code == 0, done.output
    assert told() == {}
    text = (tmp_path / "server.crt").read_text("utf-8")
    assert hosts_of(text) == ["water.example", "localhost", "127.0.0.1", "10.0.0.7"]
    assert (tmp_path / "server.key").stat().st_mode & 0o777 == 0o640
    a_day_before = x509.load_pem_x509_certificate(text.encode()).not_valid_before_utc - now
    assert a_day_before < timedelta(hours=-23), "for a gateway whose clock is behind"


def test_an_authority_that_was_not_copied_yet_is_named_and_not_the_broker(
    well: Path, clock: ManualClock, tmp_path: Path
) -> None:
    ca = tmp_path / "broker-ca.crt"
    for text, why in ((None, "No such file or directory"), ("no certificate", "[X509")):
        if text is not None:
            ca.write_text(text, "utf-8")
        found = machine_says(clock, MQTT_URL=f"mqtts://localhost:1?tls_ca={ca}")
        sentence = f"{ca} (tls_ca of mqtt.url) cannot be read: {why}"
        (cure,) = (cure for told, cure in found.items() if told.startswith(sentence))
        assert cure.startswith("put the broker's authority there: ")
        with pytest.raises(OSError, match=str(ca)):
            MqttSettings.from_url(f"mqtts://localhost:1?tls_ca={ca}").tls_context()


def test_a_certificate_that_ends_soon_or_is_refused_is_told(well: Path, clock: ManualClock, tmp_path: Path) -> None:
    certificate = tmp_path / "server.pem"
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost", "-keyout", certificate, "-out", tmp_path / "only.crt",
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    certificate.write_text(certificate.read_text("utf-8") + (tmp_path / "only.crt").read_text("utf-8"), "utf-8")
    now = SystemClock().now()
    with over_tls(certificate) as port:
        trusted = {"DEMO": "true", "MQTT_URL": f"mqtts://localhost:{port}?tls_ca={tmp_path / 'only.crt'}"}
        assert machine_says(ManualClock(now), **trusted) == {}
        ((sentence, remedy),) = machine_says(ManualClock(now + timedelta(days=17)), **trusted).items()
        assert sentence.startswith(f"the certificate of localhost:{port} ends on {now + timedelta(days=30):%Y-%m-%d}")
        assert remedy.startswith(f"renew it: openssl s_client -connect localhost:{port}")
        strange = {"DEMO": "true", "MQTT_URL": f"mqtts://localhost:{port}"}
        ((sentence, remedy),) = machine_says(ManualClock(now), **strange).items()
        assert sentence == f"the certificate of localhost:{port} is refused: self-signed certificate"
        assert remedy.startswith("if it is of an authority of your own"), "and nothing need be renewed"
    ((sentence, remedy),) = machine_says(ManualClock(now), **trusted).items()
    assert (sentence.split(":")[0], remedy) == ("localhost", "start what listens there, and look again")


@pytest.fixture
def connection(database_url: str, zones: list[Zone]) -> Iterator[Connection]:
    with connect(database_url) as opened:
        import_zones(opened, zones)
        yield opened


@pytest.fixture
def ill(database_url: str, clock: ManualClock, connection: Connection) -> Ill:
    """What the doctor says of this database about a word: sentence to remedy."""

    def about(word: str, *, wall: ManualClock | None = None) -> dict[str, str]:
        found = find_problems(settings_with(DATABASE_URL=database_url, DEMO="true"), clock=clock, wall=wall)
        return {one.sentence: one.remedy for one in found if word in one.sentence}

    return about


@pytest.mark.parametrize(
    ("given", "told"),
    [
        pytest.param(
            {"WATCH_MAILBOXES": "awa@example.org"},
            ("the keeper does not start, and nobody is told of anything", "watch.mail_url is not set: write mail_url"),
            id="mail",
        ),
        pytest.param(
            {"BACKUP_AT": "02:30"},
            ("the keeper does not start, and nobody is told of anything", "backup.folder is not set: write folder"),
            id="folder",
        ),
        pytest.param(
            {"BACKUP_FOLDER": "/kept", "BACKUP_KEY_FILE": "/gone.key"},
            ("no backup can be made", "backup.key_file: /gone.key cannot be read: No such file"),
            id="key",
        ),
    ],
)
def test_a_keeper_that_would_not_start_is_foreseen_and_a_backup_that_would_fail(
    well: Path, clock: ManualClock, given: dict[str, str], told: tuple[str, str]
) -> None:
    sentence, remedy = told
    found = {one.sentence: one.remedy for one in find_problems(settings_with(**given), clock=clock)}
    assert found[sentence].startswith(remedy)


@pytest.mark.parametrize(
    ("given", "is_told"),
    [
        pytest.param({}, True, id="nothing"),
        pytest.param({"WATCH_PING_URL": "https://example.org/ping"}, False, id="ping"),
        pytest.param({"WATCH_ALIVE_AT": "07:00", "WATCH_PHONES": "+224620000001"}, False, id="morning"),
        pytest.param({"WATCH_ALIVE_AT": "07:00", "WATCH_MAILBOXES": "a@example.org"}, False, id="letter"),
        pytest.param({"WATCH_ALIVE_AT": "07:00"}, True, id="morning-to-nobody"),
        pytest.param({"WATCH_PHONES": "+224620000001"}, True, id="phone"),
        pytest.param({"WATCH_MAILBOXES": "a@example.org"}, True, id="mailbox"),
        pytest.param({"DEMO": "true"}, False, id="demo"),
    ],
)
def test_a_server_whose_death_nobody_would_hear_of_is_told(
    well: Path, clock: ManualClock, given: dict[str, str], is_told: bool
) -> None:
    mail = {"WATCH_MAIL_URL": "smtps://a:b@mail.example.org", "WATCH_MAIL_FROM": "a@example.org"}
    found = find_problems(settings_with(**mail, **given), clock=clock)
    cures = [one.remedy for one in found if one.sentence.startswith("nobody would hear that this server is dead")]
    cure = "set one of the two, or both (docs/watch.md), then systemctl restart ndiyan-keeper"
    assert cures == [cure] * is_told


def test_a_backup_key_that_only_root_reads_is_told_to_root(
    well: Path, clock: ManualClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "backup.key"
    key.write_text(generate_key()[0], "utf-8")
    monkeypatch.setattr(doctor, "service_account", lambda: Account("ndiyan", 1, 1))
    monkeypatch.setattr(doctor, "can_reach", lambda account, path: path != key)
    settings = settings_with(BACKUP_FOLDER="/kept", BACKUP_KEY_FILE=str(key))
    found = {one.sentence: one.remedy for one in find_problems(settings, clock=clock)}
    assert found[f"no backup can be made: ndiyan may not read {key}"] == f"chgrp ndiyan {key} && chmod g+r {key}"


@pytest.mark.db
def test_clocks_that_do_not_agree_are_told(ill: Ill) -> None:
    assert ill("clocks") == {}
    (sentence,) = ill("clocks", wall=ManualClock(datetime(2020, 1, 1, tzinfo=UTC)))
    assert sentence.startswith("the clocks of this machine and of the database are ")
    assert sentence.endswith(" s apart, wanted at most 5")


@pytest.mark.db
def test_a_zone_that_is_not_judged_is_told(ill: Ill, connection: Connection, clock: ManualClock) -> None:
    channel = channel_ids(connection)["zone-1", "tower", "level_m"]
    connection.execute(
        "INSERT INTO latest (channel_id, measured_at, received_at, value, flag) VALUES (%s, %s, %s, 1.5, 1)",
        [channel, clock.now(), clock.now()],
    )
    judged = "INSERT INTO job (name, zone_id, next_due_at, watermark_at, last_error) VALUES ('judge', %s, %s, %s, %s)"
    connection.execute(judged, ["zone-1", clock.now(), clock.now() - timedelta(minutes=15), None])
    assert ill("evaluation") == {}
    connection.execute("UPDATE job SET watermark_at = watermark_at - interval '5 minutes'")
    assert ill("evaluation") == {
        "the evaluation of zone-1 is 20 minutes behind its readings, wanted at most 15":
            "systemctl restart ndiyan-alerts, and see its log"
    }  # fmt: skip
    connection.execute(judged, ["zone-2", clock.now(), None, "division by zero"])
    assert ill("judged") == {"zone-2 could not be judged: division by zero": "see the log of alerts"}


@pytest.mark.db
def test_a_disk_that_will_be_full_within_a_month_is_told(
    ill: Ill, connection: Connection, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = SimpleNamespace(free=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: room)
    channel = channel_ids(connection)["zone-1", "tower", "level_m"]
    connection.execute(
        "INSERT INTO reading_day (channel_id, n, day, steps, bad) VALUES (%s, 1, %s, 0, 0)",
        [channel, clock.now() - timedelta(days=10)],
    )
    ((a_day,),) = connection.execute("SELECT pg_database_size(current_database()) / 10.0").fetchall()
    room.free = int(a_day * 31)
    assert ill("the disk is full") == {}
    room.free = int(a_day * 29)
    more = "give it more room: readings stay for ever, whatever retention.* says (docs/watch.md)"
    columns = "with TimescaleDB, `ndiyan db timescale` stores old weeks in a tenth (docs/databases.md)"
    for variant, cure in (("plain", f"{more}; {columns}"), ("timescale", more)):
        connection.execute("UPDATE migration SET variant = %s", [variant])
        assert list(ill("the disk is full").values()) == [cure]


@pytest.mark.db
def test_an_sms_route_that_is_down_is_told_without_a_phone(
    ill: Ill, connection: Connection, clock: ManualClock
) -> None:
    state = "INSERT INTO carrier_state (carrier, is_up, since, detail, asked_at) VALUES (%s, %s, %s, %s, %s)"
    connection.execute(state, ["retired", False, clock.now(), "gone", clock.now()])  # in no settings any more
    assert ill("route") == {}
    connection.execute(state, ["phone", False, clock.now(), "no answer of +224620000123", clock.now()])
    assert ill("route") == {
        "the SMS route phone is down since 2026-03-02 10:40 UTC: no answer of …123":
            "check [sms.phone] and what it reaches (docs/sms-routes.md)"
    }  # fmt: skip


@pytest.mark.db
def test_a_server_from_which_no_sms_leaves_says_so(
    database_url: str, connection: Connection, clock: ManualClock, tmp_path: Path
) -> None:
    file = tmp_path / "ndiyan.toml"

    def says(text: str) -> dict[str, str]:
        file.write_text(text, "utf-8")
        given = {"NDIYAN_DATABASE_URL": database_url, "NDIYAN_SMS_OPERATOR_PASSWORD": "secret"}
        found = find_problems(load_settings(file, given), clock=clock)
        return {one.sentence: one.remedy for one in found if "SMS" in one.sentence}

    nothing_leaves = {
        "no SMS leaves this server: sms.carriers names nothing but the telephone on the screen":
            "set up a route (docs/sms-routes.md)"
    }  # fmt: skip
    assert says("") == nothing_leaves
    route = '[sms.operator]\nkind = "smpp"\nhost = "127.0.0.1"\nsystem_id = "ndiyan"\nsource = "NDIYAN"\n'
    assert says(route) == nothing_leaves | {
        "the SMS route operator is off: sms.carriers does not name it":
            "add operator to sms.carriers, or take [sms.operator] out of the settings (docs/sms-routes.md)"
    }  # fmt: skip
    assert says(f'[sms]\ncarriers = "operator"\n{route}') == {}


@pytest.mark.db
def test_sms_that_wait_or_failed_are_told(ill: Ill, connection: Connection, clock: ManualClock) -> None:
    queue = (
        "INSERT INTO notification (ref, phone, kind, step, reason, language, text, segments, state, error, created_at,"
        " next_try_at, valid_until) VALUES (%s, '+224620000123', 'reply', '', '', 'fr', 'x', 1, %s, %s, %s, %s, %s)"
    )
    due = clock.now() - timedelta(minutes=10)
    connection.execute(queue, [uuid.uuid4(), "queued", None, due, due, clock.now() + timedelta(days=1)])
    assert ill("SMS") == {}
    clock.advance(timedelta(minutes=1))
    assert ill("SMS wait") == {
        "1 SMS wait since 2026-03-02 10:30 UTC": "see the log of alerts and the page of messages"
    }
    connection.execute(queue, [uuid.uuid4(), "failed", "no such number +224620000123", due, due, clock.now()])
    assert ill("failed") == {
        "1 SMS of the last day failed, the newest: no such number …123":
            "see the page of messages, and check the numbers in the zone files"
    }  # fmt: skip


@pytest.mark.db
def test_a_webhook_that_fails_is_told(ill: Ill, connection: Connection, clock: ManualClock) -> None:
    connection.execute("INSERT INTO webhook VALUES ('office', true)")
    alert = seed_alert(connection, "zone-3", "pump_not_running", code="A7", opened_at=clock.now())
    seed_event(connection, alert, "opened", at=clock.now(), who="ndiyan")
    connection.execute("UPDATE webhook_delivery SET attempts = 2, error = 'answered 500'")
    assert connection.execute("SELECT count(*) > 0 FROM webhook_delivery").fetchone() == (True,)
    assert ill("webhook") == {}
    connection.execute("UPDATE webhook_delivery SET attempts = 3")
    ((sentence, remedy),) = ill("webhook").items()
    assert sentence.startswith("the webhook office fails: 0 given up, ")
    assert sentence.endswith(" waiting, answered 500")
    assert remedy == "check [webhooks.office], then ndiyan webhooks --again office"


@pytest.mark.db
def test_a_schema_that_stayed_when_the_version_was_taken_back_hides_nothing(ill: Ill, connection: Connection) -> None:
    connection.execute("INSERT INTO migration (number, name, variant) SELECT max(number) + 1, 'x', '' FROM migration")
    assert "ingest is not running" in ill("")
    assert ill("schema") == {}


@pytest.mark.db
def test_who_fills_the_disk_with_what_is_set_aside_is_named_and_let_in_no_more(
    ill: Ill, connection: Connection, clock: ManualClock
) -> None:
    assert ill("fills the disk") == {}
    seed_floods(connection, clock.now())
    why = "see why with ndiyan set-aside list and mend it; until then "
    many = "fills the disk: 86399 of its messages were set aside within a day"
    assert ill("fills the disk") == {
        f"zone-2/gw-2 {many}, 25 MB, which stay until they are accepted": f"{why}ndiyan devices revoke gw-2",
        f"meters/7/up {many}, 23 MB, which stay until they are accepted":
            f"{why}take its user's right to write at the broker",
    }  # fmt: skip
    clock.advance(timedelta(days=1))
    assert ill("fills the disk") == {}, "it is over"


@pytest.mark.db
def test_a_database_that_a_restore_has_kept_or_left_is_named_with_its_size(
    postgres: str, ill: Ill, connection: Connection
) -> None:
    name = connection.info.dbname
    with (
        database(postgres, kept := f"{name}_before_20261126_101500"),
        database(postgres, left := f"{name}_restored_20261127_101500"),
        database(postgres, f"{name}_prepared"),
    ):
        found = ill("beside the one in use")
    assert list(found.values()) == [
        f"when nothing in it is wanted any more: runuser -u postgres -- dropdb {one}" for one in (kept, left)
    ]
    assert all(re.search(r"with [1-9]\d* MB$", sentence) for sentence in found)


@pytest.mark.db
def test_a_schema_that_is_behind_a_missing_zone_and_nobody_to_tell_are_told(
    ill: Ill, connection: Connection, empty_database_url: str, clock: ManualClock
) -> None:
    found = find_problems(settings_with(DATABASE_URL=empty_database_url, DEMO="true"), clock=clock)
    assert ("ndiyan db migrate") in [one.remedy for one in found if "schema is at 0" in one.sentence]
    assert ill("nobody") == {}
    connection.execute("UPDATE contact SET is_active = false WHERE zone_id = 'zone-2'")
    ((sentence, remedy),) = ill("nobody").items()
    assert sentence == "zone-2 has nobody to tell"
    assert re.fullmatch(r"register somebody at http://\S+/en/zones/zone-2/comite", remedy)
