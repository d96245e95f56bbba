"""Each service under its own database role: it can do its work, and none of what it must not."""

from __future__ import annotations

import importlib
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner

from gateway.clock import ManualClock
from gateway.zones import Zone
from ingest.db import Connection, connect, migrate
from ingest.registry import import_zones
from ndiyan.cli import app
from ndiyan.doctor import find_problems
from ndiyan.first_install import make_database
from ndiyan.roles import SERVICES, RolesRefused, grant_all, role_of, write_urls
from ndiyan.settings import load_settings
from tests.alerts.test_climbing import MINUTE, Region, phone_of
from tests.web.test_access import OPEN, csrf_of, every_route
from tests.web.test_journal import busy, journey, send
from tests.web.test_rights import SAFE
from tests.web.web_seed import seed_messages
from tests.web.web_site import Site, site
from web.rights import Role

__all__ = ["busy", "site"]  # what the pages are tried on

pytestmark = pytest.mark.db

ENTRY = {"ingest": "ingest.service", "alerts": "alerts.service", "web": "web.app"}
STATEMENTS = """
import importlib, sys
importlib.import_module(sys.argv[1])
for name, module in list(sys.modules.items()):
    if isinstance(getattr(module, "SQL", None), dict) and name.split(".")[0] in ("ingest", "alerts", "web", "ndiyan"):
        print(name)
"""
NOT_THEIRS = {
    "ingest": {"ingest.profiles.own:keep", "ingest.profiles.own:forget", "ingest.audit:record"},
    "alerts": {"alerts.actions:insert_photo", "alerts.actions:count_photos"},
    "web": {
        "alerts.watched:ensure_jobs", "alerts.watched:take_jobs", "alerts.watched:finish_job",
        "alerts.watched:fail_job", "alerts.watched:keep_day", "alerts.watched:insert_alert",
        "alerts.watched:take_late_arrivals", "alerts.watched:lock_silent_zones",
        "alerts.telling:stand", "alerts.breakdown:keep", "ingest.pipeline:retire",
    },
}  # fmt: skip
"""What stands in a file of statements that a service reads, and only another service or the owner runs."""


@pytest.fixture
def owner(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as connection:
        grant_all(connection)
        yield connection


def as_role(connection: Connection, service: str) -> None:
    connection.execute(f"SET ROLE {role_of(service)}")  # type: ignore[arg-type]


@pytest.fixture
def owner_of(busy: Site) -> Iterator[Connection]:
    with busy.connect() as connection:
        yield connection


def urls_of(connection: Connection, folder: Path) -> dict[str, str]:
    """The address under which each service reaches the database, as its file tells it."""
    files = zip(SERVICES, write_urls(connection, folder), strict=True)
    return {service: file.read_text().partition("=")[2].strip() for service, file in files}


@pytest.mark.parametrize("service", SERVICES)
def test_every_statement_of_a_service_is_one_that_its_role_may_run(owner: Connection, service: str) -> None:
    """Asked of the server by EXPLAIN, which looks at rights; the few that it cannot explain run in the tests below."""
    asked = [sys.executable, "-c", STATEMENTS, ENTRY[service]]
    found = subprocess.run(asked, capture_output=True, text=True, check=True)
    as_role(owner, service)
    refused, allowed = set(), 0
    for module in found.stdout.split():
        for name, statement in importlib.import_module(module).SQL.items():
            plain = re.sub(r"%\(\w+\)s|%s", "NULL", statement).replace("%%", "%")
            try:
                owner.execute("EXPLAIN " + plain)  # type: ignore[arg-type]
                allowed += 1
            except psycopg.errors.InsufficientPrivilege:
                refused.add(f"{module}:{name}")
            except psycopg.Error:
                continue
    assert refused == NOT_THEIRS[service]
    assert allowed > 3


def test_ingest_takes_messages_under_its_role(owner: Connection, zones: list[Zone], clock: ManualClock) -> None:
    import_zones(owner, zones)
    as_role(owner, "ingest")
    seed_messages(owner, zones[1], now=clock.now())
    counts = owner.execute("SELECT sum(stored), sum(duplicate), sum(conflict) FROM gateway_day")
    assert counts.fetchone() == (23, 4, 1)
    reasons = owner.execute("SELECT reason FROM set_aside ORDER BY 1").fetchall()
    assert [reason for (reason,) in reasons] == ["unknown_gateway", "unknown_topic", "wrong_unit"]


def test_alerts_judges_tells_and_hears_under_its_role(database_url: str, zones: list[Zone]) -> None:
    region = Region(database_url, zones)
    grant_all(region.connection)
    as_role(region.connection, "alerts")
    region.fails(2)
    region.run(40 * MINUTE)
    person = phone_of(zones[2], "president")
    for text in ("2", "PANNE", "niveau 2,1", "STOP", "START"):
        region.connection.execute("RESET ROLE")
        region.answers(person, text)  # as the on-screen phone does
        as_role(region.connection, "alerts")
        region.run(2 * MINUTE)
    shown = [text for _, text in region.sms(person)]
    for word in ("POMPE", "panne", "2,1 m", "ne recevrez plus"):
        assert any(word in text for text in shown), word
    region.connection.close()


def test_the_pages_show_and_do_everything_under_their_role(busy: Site, owner_of: Connection, tmp_path: Path) -> None:
    """Every address is read, and every form of the journal's journey sent, by an administrator and with a key."""
    grant_all(owner_of)
    url = urls_of(owner_of, tmp_path)["web"]
    with busy.app(database_url=url) as visitor, busy.app(database_url=url) as script, busy.connect() as seen:
        assert visitor.get(busy.login_path()).status_code == 303
        script.headers["authorization"] = busy.key()
        for method, address, template in every_route(busy):
            if method in SAFE and template not in OPEN:
                assert visitor.get(address).status_code in (200, 303, 404, 422, 501), template
        token, answer = csrf_of(visitor), visitor.get("/fr/")
        for step in journey(busy, seen):
            answer = send(busy, visitor, script, step, answer, token)
            assert answer.status_code in (200, 202, 303), f"{step.template}: {answer.text[:300]}"


def test_a_secretary_sees_one_zone_under_the_role_of_the_pages_too(
    busy: Site, owner_of: Connection, tmp_path: Path
) -> None:
    grant_all(owner_of)
    with busy.app(database_url=urls_of(owner_of, tmp_path)["web"]) as client:
        assert client.get(busy.login_path(Role.SECRETARY, "zone-1")).status_code == 303
        assert client.get("/fr/zones/zone-1").status_code == 200
        assert client.get("/fr/zones/zone-3").status_code == 404
        assert "Mangol-Dow" not in client.get("/fr/").text


FORBIDDEN = {
    "ingest": [
        "SELECT phone FROM contact", "SELECT text FROM notification", "SELECT text FROM sms_in",
        "SELECT password FROM account", "SELECT who FROM audit_log", "UPDATE channel SET unit = 'x'",
        "INSERT INTO alert_event DEFAULT VALUES",
    ],
    "alerts": [
        "SELECT password FROM account", "SELECT FROM web_session", "SELECT FROM api_key", "SELECT FROM login_link",
        "UPDATE contact SET phone = 'x'", "DELETE FROM contact", "DELETE FROM notification",
        "INSERT INTO set_aside DEFAULT VALUES", "UPDATE alert_event SET who = 'x'",
    ],
    "web": [
        "DELETE FROM alert", "DELETE FROM contact", "DELETE FROM account", "DELETE FROM notification",
        "DELETE FROM set_aside", "INSERT INTO alert (code) VALUES ('x')", "DELETE FROM zone",
        "UPDATE published_report SET words_fr = 'x'", "UPDATE rule_setting SET value = 0", "DELETE FROM consent_log",
        "DELETE FROM channel", "UPDATE alert_event SET at = now()", "UPDATE alert_event SET kind = 'x'",
        "UPDATE alert_event SET alert_id = 1", "UPDATE consent_log SET what = 'x'", "UPDATE consent_log SET at = now()",
        "UPDATE sms_in SET received_at = now()", "UPDATE sms_in SET handled_at = now()",
        "UPDATE sms_attempt SET outcome = 'x'", "UPDATE sms_receipt SET fate = 'x'",
        "UPDATE gammu_handover SET told = 'x'", "UPDATE carrier_event SET received_at = now()",
        "UPDATE forgotten SET number_hash = 'x'", "UPDATE report SET reported_at = now()",
        "UPDATE set_aside SET payload = NULL",
    ],
}  # fmt: skip
OF_ALL = [
    "DELETE FROM reading", "UPDATE reading SET value = 0", "UPDATE reading SET measured_at = now()",
    "UPDATE reading SET flag = 0",
    "TRUNCATE reading", "DELETE FROM audit_log", "UPDATE audit_log SET who = 'x'", "TRUNCATE audit_log",
    "DROP TABLE audit_log", "ALTER TABLE audit_log DISABLE TRIGGER ALL", "TRUNCATE alert_event",
    "DELETE FROM alert_event", "DELETE FROM gateway_day", "CREATE TABLE mine (x int)", "CREATE ROLE mine",
    "ALTER TABLE contact DISABLE ROW LEVEL SECURITY", "UPDATE migration SET number = 0", "SET ROLE pg_write_all_data",
    "COPY migration TO PROGRAM 'cat'", "SELECT pg_read_file('/etc/passwd')",
]  # fmt: skip


@pytest.mark.parametrize("service", SERVICES)
def test_a_role_can_do_nothing_that_its_service_has_no_need_of(owner: Connection, service: str, tmp_path: Path) -> None:
    done = []
    with connect(urls_of(owner, tmp_path)[service]) as connection:
        for statement in OF_ALL + FORBIDDEN[service]:
            try:
                connection.execute(statement)  # type: ignore[arg-type]
                done.append(statement)
            except psycopg.errors.InsufficientPrivilege:
                continue
    assert done == []


def test_what_runs_as_the_owner_cannot_be_given_a_table_of_ones_own(owner: Connection) -> None:
    """A temporary table named like ours comes first in the search path of whoever makes it, and in no function's."""
    as_role(owner, "alerts")
    owner.execute("CREATE TEMPORARY TABLE webhook (name text, is_active boolean)")
    owner.execute("INSERT INTO webhook VALUES ('mine', true)")
    owner.execute("CREATE TEMPORARY TABLE webhook_delivery (webhook text, event_id bigint, next_try_at timestamptz)")
    owner.execute("RESET ROLE")
    found = owner.execute(
        "SELECT proname, proconfig FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace"
    ).fetchall()
    assert {name for name, _ in found} == {"tell_webhooks", "ensure_reading_partition", "flag_bad", "flag_suspect"}
    assert all("search_path=public, pg_temp" in config for _, config in found)


def test_the_command_writes_a_file_for_each_service_and_a_migration_grants_anew(
    database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NDIYAN_DATABASE_URL", database_url)
    made = CliRunner().invoke(app, ["db", "roles", "--folder", str(tmp_path), "--anew"])
    assert made.exit_code == 0, made.output
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == [f"ndiyan-{service}.env" for service in sorted(SERVICES)]
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert not [file for file in files if file.read_text().split(":")[2].split("@")[0] in made.output]
    with connect(database_url) as connection:
        connection.execute("REVOKE SELECT ON zone FROM ndiyan_web")
        connection.execute("GRANT DELETE ON reading TO ndiyan_web")
    assert CliRunner().invoke(app, ["db", "migrate"]).output == "nothing to do\n", "and rights all the same"
    with connect(database_url) as connection:
        held = "SELECT has_table_privilege('ndiyan_web', %s, %s)"
        assert connection.execute(held, ["zone", "SELECT"]).fetchone() == (True,)
        assert connection.execute(held, ["reading", "DELETE"]).fetchone() == (False,)


@pytest.mark.parametrize("folder", ["gone", "file"])
def test_a_folder_that_cannot_be_written_changes_no_password(owner: Connection, tmp_path: Path, folder: str) -> None:
    before = urls_of(owner, tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(RolesRefused, match=rf"{folder} cannot be written: .+; no password was changed"):
        write_urls(owner, tmp_path / folder)
    for url in before.values():
        connect(url).close()


def test_a_password_that_is_refused_leaves_the_addresses_of_before(owner: Connection, tmp_path: Path) -> None:
    before = urls_of(owner, tmp_path)
    as_role(owner, "ingest")
    with pytest.raises(RolesRefused, match="as a superuser, ALTER ROLE"):
        write_urls(owner, tmp_path)
    owner.execute("RESET ROLE")
    assert sorted(file.name for file in tmp_path.iterdir()) == [f"ndiyan-{one}.env" for one in sorted(SERVICES)]
    for service, url in before.items():
        assert url in (tmp_path / f"ndiyan-{service}.env").read_text()
        connect(url).close()


def test_the_doctor_names_services_that_run_as_the_owner_and_no_others(
    database_url: str, owner: Connection, tmp_path: Path, clock: ManualClock
) -> None:
    settings = tmp_path / "ndiyan.toml"
    settings.touch()

    def told() -> list[tuple[str, str]]:
        found = find_problems(load_settings(settings, {"NDIYAN_DATABASE_URL": database_url}), clock=clock)
        return [(one.sentence, one.remedy) for one in found if "as the owner" in one.sentence]

    urls = urls_of(owner, tmp_path)
    with (
        connect(urls["web"], application="ndiyan web"), connect(urls["ingest"], application="ndiyan-ingest"),
        connect(database_url, application="ndiyan-webhooks"),
    ):  # fmt: skip
        assert told() == [], "webhooks are not told by the pages"
        with connect(database_url, application="ndiyan-ingest@2"), connect(database_url, application="ndiyan web"):
            assert told() == [
                (
                    "as the owner of the database, who may do everything, run: ingest, web",
                    f"ndiyan db roles --folder {tmp_path}, then systemctl restart ndiyan.target",
                )
            ]


def test_an_owner_who_may_not_make_roles_is_told_what_to_ask_for(owner: Connection) -> None:
    owner.execute("ALTER ROLE ndiyan_web INHERIT")  # there is something to change
    as_role(owner, "ingest")
    theirs = "ndiyan_zone, ndiyan_alerts, ndiyan_ingest, ndiyan_web"
    with pytest.raises(RolesRefused, match=rf"as a superuser, ALTER ROLE \w+ CREATEROLE; GRANT {theirs} TO \w+ WITH"):
        grant_all(owner)


def test_an_owner_grants_to_roles_that_another_made_and_lets_them_in_once_given_what_the_refusal_asks_for(
    owner: Connection, postgres: str, tmp_path: Path
) -> None:
    """As after a restore on a new machine, where a superuser made them; since PostgreSQL 16 that matters."""
    name = f"ndiyan_test_owner_{os.getpid()}"
    url = make_conninfo(postgres, user=name, password="secret", dbname=name)
    make_database(postgres, url)
    try:
        with connect(url) as theirs, connect(postgres) as superuser:
            migrate(theirs)
            superuser.execute(f"REVOKE ndiyan_zone FROM {name}")  # type: ignore[call-overload]
            grant_all(theirs)  # ndiyan_web is a secretary already, and need not become one
            superuser.execute("REVOKE ndiyan_zone FROM ndiyan_web")
            theirs.execute("REVOKE SELECT ON zone FROM ndiyan_web")
            with pytest.raises(RolesRefused, match=rf"{name} may not grant ndiyan_zone to ndiyan_web \([^;]+\): as a"):
                grant_all(theirs)
            held = "SELECT has_table_privilege('ndiyan_web', 'zone', 'SELECT')"
            assert theirs.execute(held).fetchone() == (True,), "what can be granted is"
            superuser.execute("GRANT ndiyan_zone TO ndiyan_web")
            with pytest.raises(RolesRefused) as refused:
                write_urls(theirs, tmp_path)
            for statement in str(refused.value).partition("as a superuser, ")[2].split("; "):
                superuser.execute(statement)  # type: ignore[call-overload]
            write_urls(theirs, tmp_path)
    finally:
        with connect(postgres) as superuser:
            superuser.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload]
            superuser.execute(f"DROP OWNED BY {name}")  # type: ignore[call-overload]
            superuser.execute(f"DROP ROLE {name}")  # type: ignore[call-overload]
