"""Who asks to be forgotten is: nothing in the database names them, and that something was sent stays."""

from collections.abc import Iterator

import psycopg
import pytest
from typer.testing import CliRunner

from alerts.forget import forget
from gateway.zones import Zone
from ndiyan.cli import app
from tests.alerts.test_climbing import MINUTE, Region, phone_of
from tests.alerts.test_conversation import rings, says

pytestmark = pytest.mark.db


@pytest.fixture
def region(database_url: str, zones: list[Zone]) -> Iterator[Region]:
    found = Region(database_url, zones)
    yield found
    found.connection.close()


def tables_with(region: Region, word: str) -> list[str]:
    """Every table of the database in which a row, as text, has this in it."""
    tables = region.connection.execute(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
    ).fetchall()
    return [
        name
        for (name,) in tables
        if region.connection.execute(f"SELECT EXISTS (SELECT FROM {name} t WHERE t::text LIKE %s)", [f"%{word}%"])
        .fetchall() == [(True,)]
    ]  # fmt: skip


def lives(region: Region, person: str, repairer: str) -> int:
    """A week of somebody: told, answers, rings, reports, reads, leaves and comes back; others hear their number."""
    number = region.fails(2)
    region.run(40 * MINUTE)
    for text in ("2 merci c'est Djenabou", "PANNE", "niveau 2,1", "STOP", "START"):
        says(region, person, text)
    rings(region, person)
    assert any(person.removeprefix("+224") in text for _, text in region.sms(repairer))
    return number


def test_nothing_names_who_asked_to_be_forgotten_and_the_proof_of_sending_stays(region: Region) -> None:
    person, repairer = (phone_of(region.zones[2], role) for role in ("president", "reparateur"))
    lives(region, person, repairer)
    proof = "SELECT count(*), count(delivered_at), sum(segments) FROM notification"
    before = region.connection.execute(proof).fetchone()
    said = "SELECT at, what, how FROM consent_log ORDER BY consent_id"
    consent = region.connection.execute(said).fetchall()
    assert {"contact", "notification", "sms_in", "consent_log", "report", "alert_event"} <= set(
        tables_with(region, person) + tables_with(region, "Djenabou") + ["report"]
    )
    counts = forget(region.connection, person, by="Awa (web)", now=region.clock.now())
    assert counts is not None
    assert counts["told"] >= 3
    assert tables_with(region, person.removeprefix("+224")) == ["phone_inbox"], "another handset shows what it got"
    region.connection.execute("DELETE FROM phone_inbox")
    assert tables_with(region, person.removeprefix("+224")) == tables_with(region, "Djenabou") == []
    assert region.connection.execute(proof).fetchone() == before
    assert region.connection.execute(said).fetchall() == consent
    ((by, audit),) = region.connection.execute("SELECT by_whom, counts::text FROM forgotten").fetchall()
    assert by == "Awa (web)"
    assert not any(part in audit for part in ("600000", "224"))
    assert forget(region.connection, person, by="Awa", now=region.clock.now()) is None
    region.fails(2, "tower_leak")
    region.run(40 * MINUTE)
    assert region.sms(person) == [], "nor are they told anything more"


def test_the_log_of_consent_gives_up_a_phone_and_nothing_else(region: Region) -> None:
    president = phone_of(region.zones[2], "president")
    says(region, president, "STOP")
    region.connection.execute("INSERT INTO forgotten (at, by_whom) VALUES (now(), 'test')")
    for change in (
        "phone = 'forgotten-1'", "phone = 'forgotten-2', who = ''", "phone = '+224600000099', who = ''",
        "phone = 'forgotten-1', who = '', what = 'opt_in'", "phone = 'forgotten-1', who = '', at = now()",
    ):  # fmt: skip
        with pytest.raises(psycopg.Error, match="only grows"):
            region.connection.execute(f"UPDATE consent_log SET {change}")
    region.connection.execute("UPDATE consent_log SET phone = 'forgotten-1', who = ''")
    with pytest.raises(psycopg.Error, match="only grows"):
        region.connection.execute("UPDATE consent_log SET phone = 'forgotten-1', who = ''")


def test_the_command_forgets_once(region: Region, database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NDIYAN_DATABASE_URL", database_url)
    words = ["people", "forget", phone_of(region.zones[2], "president"), "--by", "Awa"]
    done, again = (CliRunner().invoke(app, words) for _ in range(2))
    assert (done.exit_code, again.exit_code) == (0, 1), done.output
    assert "zone file" in done.stdout
