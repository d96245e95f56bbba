"""The phone in a terminal and the transcript: what is shown, pressed and told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from alerts.actions import acknowledge
from alerts.carriers.phone import PhoneCarrier
from alerts.sender import Sender
from gateway.clock import ManualClock
from gateway.zones import Zone
from ingest.db import Connection, connect
from ingest.registry import import_zones
from ndiyan.cli import app
from ndiyan.sms_phone import View, find_contact, press, screen_of
from ndiyan.transcript import fetch_lines, live_through, told
from simulator.scenarios import scenario_from_toml
from tests.web.web_seed import seed_alert, seed_notification
from web.errors import NotThere

pytestmark = pytest.mark.db
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
TEXT = "NDIYAN A7 MANGOL-DOW: POMPE ARRETEE. Appelez Mamadou 600000013. Rep 1=vu"


@pytest.fixture
def village(database_url: str, zones: list[Zone]) -> Iterator[Connection]:
    """Zone 3 with an alert of which its exploitant was told at noon."""
    with connect(database_url) as connection:
        import_zones(connection, zones)
        alert = seed_alert(connection, "zone-3", "pump_not_running", code="A7", opened_at=NOON)
        ((contact,),) = connection.execute(
            "SELECT contact_id FROM contact WHERE zone_id = 'zone-3' AND role = 'exploitant'"
        ).fetchall()
        seed_notification(connection, alert, contact_id=contact, text=TEXT, at=NOON)
        yield connection


def test_a_person_reads_scrolls_answers_rings_and_switches_off(village: Connection) -> None:
    clock, view = ManualClock(NOON), View()
    person = find_contact(village, None)
    assert person is not None
    first = screen_of(village, person, view, clock=clock)
    assert "│NDIYAN A7     │" in first
    assert "│MANGOL-DOW:   │" in first
    assert "* 1/1, screen 1/2; GSM-7, 72 units, segments: 1" in first
    press(village, person, "+", view, clock=clock)
    second = screen_of(village, person, view, clock=clock)
    assert "│1=vu          │" in second
    assert "* 1/1" not in second, "it was read"
    assert press(village, person, "1", view, clock=clock) == "sent: 1"
    assert press(village, person, "r", view, clock=clock) == "rang and hung up"
    assert press(village, person, "o", view, clock=clock) == "switched off"
    assert "switched off or out of reach" in press(village, person, "1", view, clock=clock)
    assert "MANGOL" not in screen_of(village, person, view, clock=clock)
    Sender(village, {"phone": PhoneCarrier(village, clock)}, clock).work()
    came = village.execute("SELECT kind, text FROM sms_in ORDER BY sms_in_id").fetchall()
    assert came == [("sms", "1"), ("call", "")]


def test_people_are_found_by_number_phone_or_name(village: Connection) -> None:
    alpha = find_contact(village, "alpha oumar")
    assert alpha is not None
    assert find_contact(village, alpha.phone) == find_contact(village, str(alpha.contact_id)) == alpha
    assert find_contact(village, "Nobody") is None
    with pytest.raises(NotThere):
        find_contact(village, "999")


def test_the_commands_answer_machines_and_people(
    village: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NDIYAN_DATABASE_URL", database_url)
    run = CliRunner().invoke
    held = json.loads(run(app, ["sms", "phone", "--press", "1", "--json"]).output)
    assert [one["direction"] for one in held["messages"]] == ["out", "in"]
    assert (held["messages"][1]["number"], len(held["messages"][1]["screens"])) == (1, 2)
    assert "MANGOL-DOW" in run(app, ["sms", "phone", "--once", "--contact", "Alpha"]).output
    assert run(app, ["sms", "phone", "--once", "--contact", "Nobody"]).exit_code == 2
    span = ["--from", "2026-03-02T11:00:00", "--to", "2026-03-02T13:00:00"]
    spoken = run(app, ["sms", "transcript", *span]).output
    assert "12:00 A7 Pompe arrêtée malgré le soleil: *alerte ouverte*" in spoken
    assert "Alpha Oumar Barry (exploitant)** lit « NDIYAN A7" in spoken
    elsewhere = ["--from", "2026-03-02T13:30:00+02:00", "--to", "2026-03-02T15:00:00+02:00"]
    assert run(app, ["sms", "transcript", *elsewhere]).output == spoken
    lines = [json.loads(line) for line in run(app, ["sms", "transcript", *span, "--json"]).output.splitlines()]
    assert [one["kind"] for one in lines] == ["opened", "heard"]
    assert "600000013" not in spoken + json.dumps(lines)
    assert run(app, ["sms", "transcript", "--zone", "zone-1", *span]).output == "Rien n’a été dit.\n"


def test_a_committees_simulated_days_are_told_by_what_was_really_heard(database_url: str, zones: list[Zone]) -> None:
    scenario = scenario_from_toml(
        'says = "the pump stops"\nstart = 2026-02-01\ndays = 2\n[committee]\nreads_minutes = [10, 10]\n'
        "answers = 1\nwrong = 0\nrepairs = 1\nrepair_hours = [3, 3]\n"
        '[[fault]]\nzone = "zone-3"\nfault = "pump_not_running"\nhours = 10\n',
        "stop",
    )
    with connect(database_url) as connection:
        lines = live_through(zones[2:3], scenario=scenario, days=2, seed=1, connection=connection)
        assert fetch_lines(connection, start=NOON + timedelta(days=300), end=NOON + timedelta(days=301)) == []
    kinds = [line.kind for line in lines if line.code == "A1"]
    assert kinds[:4] == ["opened", "heard", "said", "acknowledged"]
    assert "resolved" in kinds
    assert next(told(lines, "en")) == "## Mangol-Dow (fictif)\n"


def test_a_call_that_another_program_saw_means_seen_and_rings_of_one_minute_are_one_call(
    village: Connection, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NDIYAN_DATABASE_URL", database_url)
    monkeypatch.setenv("NDIYAN_CLOCK", f"{NOON.isoformat()}@{datetime.now(UTC).isoformat()}x1")
    ((phone,),) = village.execute("SELECT phone FROM contact WHERE zone_id = 'zone-3' AND role = 'exploitant'")
    for number in (phone, phone.removeprefix("+224")):
        assert CliRunner().invoke(app, ["sms", "rang", number, "--route", "phone"]).exit_code == 0
    clock = ManualClock(NOON)
    Sender(village, {"phone": PhoneCarrier(village, clock)}, clock).work()
    came = village.execute("SELECT kind, phone, intention FROM sms_in").fetchall()
    assert came == [("call", phone, "seen")]
    assert village.execute("SELECT state, acknowledged_by FROM alert").fetchall() == [
        ("acknowledged", "Alpha Oumar Barry (exploitant)")
    ]
    for words in (["600000010", "--route", "gsm"], ["Orange", "--route", "phone"]):
        assert CliRunner().invoke(app, ["sms", "rang", *words]).exit_code == 2


def test_who_took_an_alert_in_charge_is_told_with_their_role_in_words(village: Connection) -> None:
    ((alert_id,),) = village.execute("SELECT alert_id FROM alert").fetchall()
    acknowledge(village, alert_id, who="Hadja Djenabou Diallo (president)", now=NOON)
    lines = fetch_lines(village, start=NOON, end=NOON + timedelta(days=1))
    for language, role in (("fr", "présidence"), ("en", "chair")):
        assert f"Hadja Djenabou Diallo ({role})" in "\n".join(told(lines, language))
