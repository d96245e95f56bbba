"""`ndiyan init`: from a database and a broker's program to the first reading of a gateway, by what it wrote alone."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import httpx
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from gateway.clock import SystemClock
from ingest.db import Connection, connect, migrate, newest_migration, schema_number
from ndiyan import children, first_install
from ndiyan.children import free_port
from ndiyan.doctor import find_problems
from ndiyan.embedded_broker import answers_connect, find_mosquitto
from ndiyan.errors import SettingsError
from ndiyan.first_install import Answers, InitRefused, install, make_database
from ndiyan.roles import SERVICES, role_of
from ndiyan.settings import load_settings
from ndiyan.shipped_files import shipped
from tests.conftest import skip_without
from tests.databases import database
from tests.ingest.process import wait_until
from tests.ndiyan.test_cli import ndiyan
from tests.surroundings import environment


@pytest.fixture
def root(server_folder: Path) -> Path:
    """What stands for / on this machine, where the account of the broker can go."""
    folder = Path(tempfile.mkdtemp(prefix="root-", dir=server_folder))
    folder.chmod(0o711)
    return folder


def answers(root: Path, database: str, **changed: object) -> Answers:
    usual = Answers(
        host="water.example.org", pages=f"http://127.0.0.1:{free_port()}", backups=root / "var/backups/ndiyan",
        administrator="Awa", database=database, root=root, mqtt_port=free_port(), tools_port=free_port(),
    )  # fmt: skip
    return replace(usual, **changed)  # type: ignore[arg-type]


@contextmanager
def running(*argv: str | Path, log: Path, **given: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program while the body runs; told to stop as systemd does it."""
    with log.open("ab") as said:
        process = subprocess.Popen([str(word) for word in argv], stdout=said, stderr=said, env=environment(**given))
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.db
@pytest.mark.broker
@pytest.mark.slow
def test_what_init_writes_starts_takes_a_gateways_first_reading_and_leaves_the_doctor_nothing_to_say(
    request: pytest.FixtureRequest, root: Path, empty_database_url: str
) -> None:
    program = find_mosquitto()
    if program is None:
        skip_without(request.config, "mosquitto", "apt-get install mosquitto")
    given = answers(root, empty_database_url)
    said = ndiyan(
        "init", "--yes", "--host", given.host, "--pages", given.pages, "--database", given.database,
        "--root", str(root), "--mqtt-port", str(given.mqtt_port), "--tools-port", str(given.tools_port),
        "--administrator", "Awa", cwd=root,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert f"{given.pages}/login/" in said.stdout
    assert "owner" not in said.stdout
    log = root / "log"

    with ExitStack() as stack:
        broker = stack.enter_context(running(program, "-c", given.broker / "mosquitto.conf", log=log))
        wait_until(lambda: answers_connect("127.0.0.1", given.tools_port, "", "", accept_refusal=True), log.read_text)
        there = {"NDIYAN_SETTINGS": str(given.settings), "NDIYAN_BROKER_RELOAD": f"kill -HUP {broker.pid}"}

        def run(*words: str) -> str:
            done = ndiyan(*words, cwd=root, **there)
            assert done.returncode == 0, (words, done.stdout, done.stderr)
            return done.stdout

        run("zones", "import", str(shipped("zones") / "zone-1.toml"))
        device = json.loads(run("devices", "add", "gw-1", "--json"))
        assert device["mqtt"].startswith(f"mqtts://gw-1@water.example.org:{given.mqtt_port}?tls_ca=")
        started_s = time.monotonic()
        stack.enter_context(
            running(sys.executable, "-P", "-m", "ndiyan", "up", "--data", root / "up", log=log, **there)
        )
        stack.enter_context(
            running(sys.executable, "-P", "-m", "ndiyan", "gateway", "--config", box(root, given, device), log=log)
        )
        with connect(given.database) as connection:
            one = "SELECT count(*) FROM latest"
            wait_until(lambda: connection.execute(one).fetchone() == (1,), log.read_text)
            print(f"first reading {time.monotonic() - started_s:.1f} s after the start")
            heard = "SELECT count(*) FROM heartbeat WHERE service IN ('ingest', 'sender', 'web')"
            wait_until(lambda: connection.execute(heard).fetchone() == (3,), log.read_text)
            assert {service: logged_in_as(connection, service) for service in SERVICES} == {
                service: {role_of(service)} for service in SERVICES
            }, "and none as the owner"
        with connect(url_of(given, "web")) as pages, pytest.raises(psycopg.errors.InsufficientPrivilege):
            pages.execute("ALTER TABLE audit_log DISABLE TRIGGER ALL")
        with httpx.Client(base_url=given.pages, follow_redirects=True) as browser:
            page = browser.get(said.stdout.split(f"{given.pages}")[1].split()[0]).raise_for_status().text
            assert "Awa" in page
            assert 'type="password"' in page
        run("backup")
        # Evaluation and keeper are heard of after a minute or two, a test machine's clock may run free, and a route for
        # SMS is set up later.
        told = {one["sentence"] for one in json.loads(ndiyan("doctor", "--json", cwd=root, **there).stdout)}
        early = {"alerts is not running", "keeper is not running", "the machine's clock is not set by the network"}
        (deaf,) = (one for one in told if one.startswith("nobody would hear that this server is dead"))
        logs = "the database's server writes the rows that it refuses into its log, with people's phones in them"
        assert told - early - {deaf, logs} == {  # a server that is given to the tests may
            "no SMS leaves this server: sms.carriers names nothing but the telephone on the screen"
        }


@pytest.mark.db
@pytest.mark.slow
def test_a_machine_that_burned_is_there_again_from_its_backup_by_the_guide(
    root: Path, empty_database_url: str, postgres: str
) -> None:
    """docs/backup.md, "On a new machine": gateways and people are let in as before."""
    old = answers(root / "old", empty_database_url)
    install(old)

    def run(given: Answers, *words: str, **more: str) -> str:
        done = ndiyan(*words, cwd=root, NDIYAN_SETTINGS=str(given.settings), NDIYAN_BROKER_RELOAD="true", **more)
        assert done.returncode == 0, (words, done.stdout, done.stderr)
        return done.stdout

    run(old, "zones", "import", str(shipped("zones") / "zone-1.toml"))
    run(old, "devices", "add", "gw-1")
    old.backups.chmod(0o711)
    kept = json.loads(run(old, "backup", "--json"))["backup"]
    key = shutil.copy(old.etc / "backup.key", root / "backup.key")
    last = shutil.copytree(kept, root / "last")
    shutil.rmtree(old.root)

    name = f"ndiyan_test_new_{os.getpid()}"
    with database(postgres, name) as url:
        new = answers(root / "new", url, administrator="Somebody Else")
        install(new)
        there = {"NDIYAN_BACKUP_KEY_FILE": str(key)}
        run(new, "restore", str(last), "--over", **there)
        run(new, "db", "migrate")
        run(new, "restore", str(last), "--files", str(root / "back"), **there)
        back = root / "back" / old.root.relative_to("/")
        shutil.copytree(back / "etc/mosquitto/ndiyan", new.broker, dirs_exist_ok=True)
        for file in ("broker-ca.crt", "broker-ca.key", "backup.key"):
            shutil.copy(back / "etc/ndiyan" / file, new.etc / file)
        assert [one["gateway"] for one in json.loads(run(new, "devices", "list", "--json"))] == ["gw-1"]
        assert "gw-1:" in (new.broker / "devices.passwd").read_text("utf-8")
        assert "Awa" in run(new, "users", "list")
        assert "Somebody Else" not in run(new, "users", "list")
        run(new, "backup", "check", str(last))  # by the key of then, which is that of now
        with connect(make_conninfo(postgres, dbname="postgres")) as admin:
            for (left,) in admin.execute("SELECT datname FROM pg_database WHERE datname LIKE %s", [f"{name}_before_%"]):
                admin.execute(f"DROP DATABASE {left}")  # type: ignore[call-overload]


def logged_in_as(connection: Connection, service: str) -> set[str]:
    """As whom the sessions of a service are here, those of its helpers as well."""
    asked = "SELECT usename FROM pg_stat_activity WHERE datname = current_database() AND application_name ~ %s"
    names = "alerts|sender" if service == "alerts" else service
    return {name for (name,) in connection.execute(asked, [rf"^ndiyan[- ]({names})\M"])}


def url_of(given: Answers, service: str) -> str:
    """How a service that was installed so reaches the database."""
    return load_settings(given.settings, {}, service=service).database_url


def box(root: Path, given: Answers, device: dict[str, str]) -> Path:
    """A gateway that measures how long its machine has run, as `devices add` and the guide have it."""
    folder = root / "box"
    folder.mkdir()
    (folder / "mqtt-password").touch(0o600)
    (folder / "mqtt-password").write_text(device["password"], "utf-8")
    address = f"mqtts://gw-1@localhost:{given.mqtt_port}?tls_ca={given.etc / 'broker-ca.crt'}"
    config = folder / "gateway.toml"
    config.write_text(
        f'zone = "{device["zone"]}"\ngateway = "gw-1"\nmqtt = "{address}"\nmqtt_password_file = "mqtt-password"\n'
        f'folder = "{folder / "outbox"}"\n'
        '[[point]]\nasset = "gateway"\nchannel = "uptime_s"\ndevice = "system"\nregister = "uptime"\n',
        "utf-8",
    )
    return config


@pytest.mark.db
def test_nothing_is_written_over_and_a_database_in_use_is_left_alone(root: Path, empty_database_url: str) -> None:
    given = answers(root, empty_database_url)
    done = install(given)
    before = {file: file.read_bytes() for file in done.files}
    with pytest.raises(InitRefused, match=r"mosquitto\.conf is there already, and nothing is written over: change it"):
        install(given)
    assert {file: file.read_bytes() for file in done.files} == before
    with pytest.raises(InitRefused, match="has 1 accounts already: give an empty one with --database URL"):
        install(replace(given, root=root / "other"))
    assert not (root / "other").exists()


@pytest.mark.db
def test_who_gives_a_database_need_not_become_postgres(
    root: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a container the account is there, and its server is in another."""

    def refuse() -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(first_install, "_as_postgres", refuse)
    assert install(answers(root, empty_database_url)).files


@pytest.mark.db
def test_a_disk_that_fails_half_way_leaves_nothing_and_the_command_can_be_given_again(
    root: Path, empty_database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, real = answers(root, empty_database_url), os.open

    def full(path: Path, *how: int, **where: int) -> int:
        if path == given.settings:
            raise OSError(28, "No space left on device")
        return real(path, *how, **where)

    monkeypatch.setattr(os, "open", full)
    with pytest.raises(InitRefused, match=r"ndiyan\.toml cannot be written: No space left on device"):
        install(given)
    assert list(root.iterdir()) == []
    monkeypatch.undo()
    assert given.settings in install(given).files


@pytest.mark.db
def test_the_unit_of_every_service_is_written_and_the_guide_counts_the_files(
    root: Path, empty_database_url: str
) -> None:
    done = install(answers(root, empty_database_url))
    units = {file.name: file.read_text("utf-8") for file in done.files if file.parent.name == "system"}
    assert {one.name for one in shipped("deploy/systemd").iterdir() if one.name.endswith(".service")} <= set(units)
    program = Path(sys.executable).with_name("ndiyan")
    assert f"ExecStart={program} ingest --worker %i\n" in units["ndiyan-ingest@.service"], "ndiyan-ingest@2 and so on"
    guide = (Path(__file__).parents[2] / "docs/install.md").read_text("utf-8")
    assert f"`{len(done.files)} files are written and nothing was started`" in guide


@pytest.mark.db
def test_secrets_are_for_those_who_need_them_and_each_server_has_its_own(root: Path, empty_database_url: str) -> None:
    done = install(answers(root, empty_database_url))
    open_to_all = {file.name for file in done.files if file.stat().st_mode & 0o007}
    assert open_to_all == {"mosquitto.conf", "server.crt", "broker-ca.crt"} | {
        file.name for file in done.files if "systemd" in file.parts
    }
    settings = load_settings(root / "etc/ndiyan/ndiyan.toml", {})
    passwords = (root / "etc/mosquitto/ndiyan/devices.passwd").read_text("utf-8")
    assert settings.mqtt().password not in passwords
    assert passwords.startswith("ingest:$7$")


@pytest.mark.db
@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        pytest.param({"host": "my server"}, "host: 'my server' is no name or address", id="host"),
        pytest.param({"pages": "water.example.org"}, "is not https://HOST or http://HOST:PORT", id="pages"),
        pytest.param({"pages": "http://192.168.1.10"}, "is port 80, which only root may take", id="port"),
        pytest.param({"pages": "http://192.168.1.10:81"}, "is port 81, which only root may take", id="low-port"),
        pytest.param({"backups": Path("backups")}, "backups: 'backups' is no whole path", id="folder"),
        pytest.param({"phone": "620000001"}, r"watch\.phones: .* is no number in the form \+224", id="phone"),
    ],
)
def test_a_wrong_answer_is_told_with_its_value_and_nothing_is_written(
    root: Path, empty_database_url: str, changed: dict[str, object], sentence: str
) -> None:
    with pytest.raises((InitRefused, SettingsError), match=sentence):
        install(answers(root, empty_database_url, **changed))
    assert list(root.iterdir()) == []
    with connect(empty_database_url) as connection:
        assert schema_number(connection) == 0


@pytest.mark.parametrize(
    ("folder", "why"),
    [
        pytest.param("/home/ndiyan/backups", "/home is closed to them", id="home"),
        pytest.param("/root/backups", "/root is closed to them", id="root"),
        pytest.param("/run/user/1000/usb", "/run/user is closed to them", id="session"),
        pytest.param("/tmp/backups", "/tmp is another for them, thrown away", id="tmp"),  # noqa: S108 - refused
        pytest.param("/var/lib/../tmp/backups", "/var/tmp is another for them", id="var-tmp"),  # noqa: S108 - refused
    ],
)
def test_a_folder_that_services_see_otherwise_than_everybody_is_no_place_for_backups(
    root: Path, folder: str, why: str
) -> None:
    given = replace(answers(root, "postgresql://127.0.0.1:1/x"), root=Path("/"), backups=Path(folder))
    with pytest.raises(InitRefused, match=f"backups: {folder} is no place for the services: {why}"):
        install(given)


@pytest.mark.db
def test_a_database_is_made_once_and_its_user_who_is_no_superuser_brings_its_schema_up_to_date(postgres: str) -> None:
    name = f"ndiyan_test_init_{os.getpid()}"
    url = make_conninfo(postgres, user=name, password="first-secret", dbname=name)
    make_database(postgres, url)
    again = make_conninfo(url, password="second-secret")
    make_database(postgres, again)
    try:
        with connect(again) as connection:
            allowed = connection.execute("SELECT rolcreatedb, rolsuper FROM pg_roles WHERE rolname = current_user")
            assert allowed.fetchone() == (True, False)
            assert connection.info.parameter_status("server_encoding") == "UTF8"
            hands_on = connection.execute(
                "SELECT admin_option FROM pg_auth_members WHERE member = current_user::regrole"
                " AND roleid = 'ndiyan_zone'::regrole"
            )
            assert hands_on.fetchone() == (True,), "or no role of a service can become a secretary's"
            assert int(migrate(connection)[-1][:4]) == newest_migration()
    finally:
        with connect(postgres) as admin:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload]
            admin.execute(f"DROP ROLE {name}")  # type: ignore[call-overload]


@pytest.mark.db
def test_a_server_of_ones_own_writes_no_refused_row_into_its_log(postgres: str) -> None:
    name = f"ndiyan_test_log_{os.getpid()}"
    url = make_conninfo(postgres, user=name, password="secret", dbname=name)
    with connect(postgres) as admin:
        database = sql.Identifier(admin.info.dbname)
        try:
            make_database(postgres, url)
            written = "SELECT setting FROM pg_file_settings WHERE sourcefile LIKE '%postgresql.auto.conf'"
            assert ("terse",) not in admin.execute(written).fetchall(), "one that is so already is left as it is"
            admin.execute(sql.SQL("ALTER DATABASE {} SET log_error_verbosity = 'default'").format(database))
            make_database(postgres, url)
            assert ("terse",) in admin.execute(written).fetchall()
        finally:
            admin.execute("ALTER SYSTEM RESET log_error_verbosity")
            admin.execute(sql.SQL("ALTER DATABASE {} RESET log_error_verbosity").format(database))
            drop(postgres, name)


@pytest.mark.db
def test_init_as_the_servers_administrator_makes_the_roles_and_their_owner_who_may_not_goes_on_granting(
    root: Path, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"ndiyan_test_own_{os.getpid()}"
    monkeypatch.setattr(first_install, "ACCOUNT", name)
    monkeypatch.setattr(first_install, "OWN_POSTGRES", postgres)
    monkeypatch.setattr(first_install, "_as_postgres", nullcontext)
    given = answers(root, "")
    try:
        done = install(given)
        files = {given.etc / f"ndiyan-{service}.env" for service in SERVICES}
        assert files <= set(done.files)
        assert {stat.S_IMODE(file.stat().st_mode) & 0o007 for file in files} == {0}
        for service in SERVICES:
            with connect(url_of(given, service)) as connection:
                assert connection.info.user == role_of(service)
                connection.execute("SELECT FROM zone")
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute("ALTER TABLE audit_log DISABLE TRIGGER ALL")
        there = {"NDIYAN_SETTINGS": str(given.settings)}
        with connect(url_of(given, "")) as owner:
            assert owner.execute("SELECT rolcreaterole FROM pg_roles WHERE rolname = current_user").fetchone() == (
                False,
            )
            owner.execute("REVOKE SELECT ON zone FROM ndiyan_web")
            owner.execute("DELETE FROM migration WHERE name = 'least_rights'")  # one that can be applied again
        assert ndiyan("db", "migrate", cwd=root, **there).returncode == 0
        with connect(url_of(given, "web")) as web:
            web.execute("SELECT FROM zone")
        refused = ndiyan("db", "roles", "--folder", str(given.etc), cwd=root, **there)
        assert refused.returncode == 1
        assert f"{name} may not make roles" in refused.stderr
        for service in SERVICES:
            connect(url_of(given, service)).close()  # by the password of before
    finally:
        drop(postgres, name)


@pytest.mark.db
def test_roles_that_serve_another_database_keep_their_passwords_and_init_says_so(
    root: Path, postgres: str, empty_database_url: str
) -> None:
    """Roles are of the whole server: a second installation there would lock out the services of the first."""
    first = answers(root / "first", empty_database_url)
    assert install(first).owners == ""
    with database(postgres, f"ndiyan_test_second_{os.getpid()}") as url:
        done = install(answers(root / "second", url))
        anew = f"ndiyan db roles --folder {root / 'second/etc/ndiyan'} --anew"
        assert "run as the owner of the database until they have roles of their own: ndiyan_ingest, " in done.owners
        assert done.owners.endswith(f"which new ones would lock out: where that is meant, {anew}")
        assert not [file for file in done.files if file.suffix == ".env"]
        with connect(url, application="ndiyan web"):
            second = load_settings(root / "second/etc/ndiyan/ndiyan.toml", {})
            found = find_problems(second, clock=SystemClock())
        (cure,) = [one.remedy for one in found if "as the owner" in one.sentence]
        assert f"would lock out: where that is meant, {anew}, then " in cure, "nor does the doctor lock out"
        there = {"NDIYAN_SETTINGS": str(second.file)}
        by_hand = ndiyan("db", "roles", "--folder", str(root / "second/etc/ndiyan"), cwd=root, **there)
        assert by_hand.returncode == 1
        serves = str(conninfo_to_dict(empty_database_url)["dbname"])
        assert re.search(rf"ndiyan_ingest, .+ not in {root}/second/\S+, for the services of .*{serves}", by_hand.stderr)
        connect(url_of(first, "web")).close()
        own = {"NDIYAN_SETTINGS": str(first.settings)}
        turned = ndiyan("db", "roles", "--folder", str(first.etc), cwd=root, **own)
        assert turned.returncode == 0, "whose passwords they are gives new ones without a word more"
        connect(url_of(first, "web")).close()
        assert ndiyan(*anew.split()[1:], cwd=root, **there).returncode == 0
        with pytest.raises(psycopg.OperationalError, match="password"):
            connect(url_of(first, "web"))


@pytest.mark.db
def test_an_owner_who_may_make_no_roles_is_told_which_command_a_superuser_gives(root: Path, postgres: str) -> None:
    name = f"ndiyan_test_poor_{os.getpid()}"
    url = make_conninfo(postgres, user=name, password="secret", dbname=name)
    make_database(postgres, url)
    try:
        done = install(answers(root, url))
        assert f"as a superuser, ALTER ROLE {name} CREATEROLE; GRANT ndiyan_zone" in done.owners
        assert done.owners.endswith(f"then ndiyan db roles --folder {root / 'etc/ndiyan'}")
        assert not [file for file in done.files if file.suffix == ".env"]
    finally:
        drop(postgres, name)


def drop(server: str, name: str) -> None:
    """The end of a user and of their database."""
    with connect(server) as admin:
        admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")  # type: ignore[call-overload]
        admin.execute(f"DROP OWNED BY {name}")  # type: ignore[call-overload]
        admin.execute(f"DROP ROLE IF EXISTS {name}")  # type: ignore[call-overload]


@pytest.mark.db
def test_init_again_beside_a_database_in_use_leaves_its_password_as_it_is(
    root: Path, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`ndiyan init --root /srv/look` on a live server: whoever knows the password of now still comes in."""
    name = f"ndiyan_test_look_{os.getpid()}"
    monkeypatch.setattr(first_install, "ACCOUNT", name)
    monkeypatch.setattr(first_install, "OWN_POSTGRES", postgres)
    monkeypatch.setattr(first_install, "_as_postgres", nullcontext)
    try:
        live = answers(root / "live", "")
        install(live)
        url = load_settings(live.settings, {}).database_url
        look, elsewhere = answers(root / "look", ""), make_conninfo(url, dbname="postgres")
        with pytest.raises(InitRefused, match=f"the database {name} has 1 accounts already: give an empty one"):
            install(look)
        with connect(elsewhere) as connection:
            connection.execute(f"ALTER DATABASE {name} RENAME TO {name}_before")  # type: ignore[call-overload]
        with pytest.raises(InitRefused, match=f"the database {name}_before has 1 accounts already"):
            install(look)
        connect(elsewhere).close()
        assert not (root / "look").exists()
    finally:
        with connect(postgres) as admin:
            for one in (name, f"{name}_before"):
                admin.execute(f"DROP DATABASE IF EXISTS {one} WITH (FORCE)")  # type: ignore[call-overload]
            admin.execute(f"DROP ROLE IF EXISTS {name}")  # type: ignore[call-overload]


@pytest.mark.db
def test_a_database_of_bytes_is_refused_in_words(root: Path, postgres: str) -> None:
    name = f"ndiyan_test_bytes_{os.getpid()}"
    with connect(postgres) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")  # type: ignore[call-overload]
        try:
            with pytest.raises(InitRefused, match=f"{name} keeps its texts as SQL_ASCII, wanted UTF8"):
                install(answers(root, make_conninfo(postgres, dbname=name)))
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload]
    assert list(root.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may hand files to others")
def test_a_folder_of_somebody_else_is_no_place_for_backups(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(children, "ACCOUNT", "nobody")
    folder = root / "usb"
    folder.mkdir()
    with pytest.raises(InitRefused, match=f"nobody, as which the services run, may not write into {folder}"):
        install(answers(root, "postgresql://127.0.0.1:1/x", backups=folder))
    folder.chmod(0o777)
    with pytest.raises(psycopg.OperationalError):  # the folder is fine, and the database is asked for next
        install(answers(root, "postgresql://127.0.0.1:1/x", backups=folder))


def test_the_questions_are_five_and_their_defaults_are_enough(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "ndiyan", "init", "--root", str(tmp_path), "--database", "postgresql://x@127.0.0.1:1/x"],
        input="\n" * 5, capture_output=True, text=True, cwd=tmp_path, check=False,
    )  # fmt: skip
    assert done.stderr.count("[") + done.stderr.count("empty for none") == 5
    assert "the database does not answer" in done.stderr
    assert (done.returncode, list(tmp_path.iterdir())) == (1, [])
