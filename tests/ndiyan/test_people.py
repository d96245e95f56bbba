"""The demo's invented people on a real database: what breaks, who answers, when the repairer comes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from gateway.model import Fault
from gateway.zones import Zone
from ingest.db import Connection, connect
from ingest.registry import import_zones
from ndiyan.people import People, foresee_faults

pytestmark = pytest.mark.db
T0 = datetime(2026, 11, 24, 10, 40, tzinfo=UTC)


class FakeSimulation:
    """Records what people did to it."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str, Fault, datetime | None]] = []

    def inject(self, zone_id: str, fault: Fault, *, size: str, at: datetime | None) -> None:
        self.done.append(("broken", zone_id, fault, at))

    def repair(self, zone_id: str, fault: Fault, at: datetime | None) -> None:
        self.done.append(("repaired", zone_id, fault, at))


@pytest.fixture
def connection(database_url: str, zones: list[Zone]) -> Iterator[Connection]:
    with connect(database_url) as opened:
        import_zones(opened, zones)
        yield opened


@pytest.fixture
def simulation() -> FakeSimulation:
    return FakeSimulation()


@pytest.fixture
def people(connection: Connection, simulation: FakeSimulation) -> People:
    return People(connection, simulation)


def after(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


def ask(connection: Connection, fault: Fault = Fault.PUMP_NOT_RUNNING, *, at: datetime = T0) -> None:
    connection.execute(
        "INSERT INTO demo_fault (zone_id, fault, asked_by, asked_at, starts_at) VALUES ('zone-3', %s, 'Awa', %s, %s)",
        (fault.value, at, at),
    )


def open_alert(connection: Connection, *, at: datetime, fault: Fault = Fault.PUMP_NOT_RUNNING) -> int:
    row = connection.execute(
        "INSERT INTO alert (code, zone_id, fault, asset_id, severity, state, first_evidence_at, last_evidence_at,"
        " opened_at, confidence, evidence)"
        " VALUES ('A1', 'zone-3', %s, 'pump', 3, 'open', %s, %s, %s, 1, '{}') RETURNING alert_id",
        (fault.value, at, at, at),
    ).fetchone()
    assert row is not None
    return int(row[0])


def acknowledge(connection: Connection, alert_id: int, *, at: datetime) -> None:
    connection.execute(
        "UPDATE alert SET state = 'acknowledged', acknowledged_at = %s WHERE alert_id = %s", (at, alert_id)
    )


def tell(connection: Connection, alert_id: int, *, phone: str, at: datetime) -> None:
    connection.execute(
        "INSERT INTO notification (ref, alert_id, zone_id, phone, kind, step, reason, language, text, segments,"
        " carrier, state, created_at, next_try_at, valid_until, delivered_at)"
        " VALUES (gen_random_uuid(), %s, 'zone-3', %s, 'opened', 'exploitant', 'first', 'fr', 'EAU', 1,"
        " 'phone', 'delivered', %s, %s, %s, %s)",
        (alert_id, phone, at, at, at + timedelta(hours=1), at),
    )


def replies(connection: Connection) -> list[tuple[str, str, datetime]]:
    return connection.execute("SELECT phone, text, sent_at FROM phone_reply ORDER BY phone_reply_id").fetchall()


def test_what_the_scenario_foresees_breaks_at_its_time(
    connection: Connection, people: People, simulation: FakeSimulation
) -> None:
    foresee_faults(connection, scenario="demo", start=T0)
    people.act(after(2))
    assert simulation.done == []
    people.act(after(3.5))
    people.act(after(4.5))
    assert simulation.done == [("broken", "zone-3", Fault.PUMP_NOT_RUNNING, after(3))]


def test_the_repairer_comes_twenty_minutes_after_the_acknowledgement(
    connection: Connection, people: People, simulation: FakeSimulation
) -> None:
    ask(connection)
    people.act(after(0))
    alert = open_alert(connection, at=after(66))
    people.act(after(85))
    acknowledge(connection, alert, at=after(91))
    people.act(after(92))
    people.act(after(110))
    assert [what for what, *_ in simulation.done] == ["broken"]
    people.act(after(111))
    people.act(after(112))
    assert simulation.done[1:] == [("repaired", "zone-3", Fault.PUMP_NOT_RUNNING, after(111))]


def test_an_acknowledgement_of_another_alert_sends_nobody(
    connection: Connection, people: People, simulation: FakeSimulation
) -> None:
    before = open_alert(connection, at=after(-10))
    ask(connection)
    people.act(after(0))
    acknowledge(connection, before, at=after(5))
    people.act(after(60))
    assert [what for what, *_ in simulation.done] == ["broken"]


def test_what_nobody_noticed_is_repaired_on_the_repairers_round(
    connection: Connection, people: People, simulation: FakeSimulation
) -> None:
    ask(connection, Fault.PV_STRING_LOSS)
    people.act(after(0))
    people.act(after(12 * 60 - 1))
    assert [what for what, *_ in simulation.done] == ["broken"]
    people.act(after(12 * 60))
    assert [what for what, *_ in simulation.done] == ["broken", "repaired"]


def test_the_committee_answers_what_was_foreseen_when_no_visitor_did(connection: Connection, people: People) -> None:
    foresee_faults(connection, scenario="demo", start=T0)
    people.act(after(4))
    alert = open_alert(connection, at=after(66))
    tell(connection, alert, phone="+224600000010", at=after(66))
    tell(connection, alert, phone="+224600000011", at=after(76))
    people.act(after(85))
    assert replies(connection) == []
    people.act(after(91))
    people.act(after(92))
    assert replies(connection) == [("+224600000010", "1", after(91))]


def test_a_visitor_who_answers_first_is_not_answered_over(connection: Connection, people: People) -> None:
    foresee_faults(connection, scenario="demo", start=T0)
    people.act(after(4))
    alert = open_alert(connection, at=after(66))
    tell(connection, alert, phone="+224600000010", at=after(66))
    acknowledge(connection, alert, at=after(80))
    people.act(after(100))
    assert replies(connection) == []


def test_what_a_visitor_broke_is_his_to_answer_for_three_hours(connection: Connection, people: People) -> None:
    ask(connection)
    people.act(after(0))
    alert = open_alert(connection, at=after(66))
    tell(connection, alert, phone="+224600000010", at=after(66))
    people.act(after(66 + 179))
    assert replies(connection) == []
    people.act(after(66 + 180))
    assert len(replies(connection)) == 1


def test_after_a_restart_what_was_broken_is_broken_again(
    connection: Connection, people: People, simulation: FakeSimulation
) -> None:
    ask(connection)
    people.act(after(1))
    again = FakeSimulation()
    People(connection, again).resume()
    assert again.done == [("broken", "zone-3", Fault.PUMP_NOT_RUNNING, T0)]
