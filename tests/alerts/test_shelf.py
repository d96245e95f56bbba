"""The shelf: nobody is told for a while, the alert lives on, and the end always comes by itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.actions import acknowledge, mark, shelve, unshelve
from alerts.errors import ShelfRefused
from alerts.ladder import Position
from alerts.routing import ContactRow, PastNotification, Standing, Why, WhyNot, closing, decide
from alerts.shelf import is_shelved, longest_shelf, shelf_end
from gateway.clock import ManualClock
from gateway.zones import Zone
from ingest.db import Connection, connect
from ingest.registry import import_zones

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
PEOPLE = [ContactRow(1, "Alpha", "exploitant", "+1", "fr", 1), ContactRow(2, "Binta", "president", "+2", "fr", 2)]


@pytest.mark.parametrize(
    ("severity", "span", "why", "bound"),
    [
        pytest.param(3, 25 * HOUR, "pièce", "hours: 25.0 is not above 0 and at most 24 for severity 3", id="too-long"),
        pytest.param(2, 721 * HOUR, "pièce", "hours: 721.0 is not above 0 and at most 720 for severity 2", id="month"),
        pytest.param(1, timedelta(0), "pièce", "hours: 0.0 is not above 0", id="no-time"),
        pytest.param(1, HOUR, "  ", "why: '  ' is empty: a reason is needed", id="no-reason"),
        pytest.param(1, HOUR, "a" * 301, "why: '301 letters' is above 300", id="a-novel"),
    ],
)
def test_a_shelf_needs_a_reason_and_an_end(severity: int, span: timedelta, why: str, bound: str) -> None:
    with pytest.raises(ShelfRefused) as refused:
        shelf_end(severity, span, why, now=NOON)
    assert str(refused.value).startswith(bound)


@given(st.integers(1, 3), st.floats(0.01, 24))
def test_a_shelf_ends_by_itself_and_never_later_than_allowed(severity: int, hours: float) -> None:
    end = shelf_end(severity, hours * HOUR, "pièce commandée", now=NOON)
    assert end - NOON <= longest_shelf(severity)
    assert is_shelved(end, NOON)
    assert is_shelved(end, end - timedelta(microseconds=1))
    assert not is_shelved(end, end), "at its end people are told again"


def live(**changes: object) -> Standing:
    values: dict[str, object] = {"severity": 3, "acknowledged_at": None, "last_evidence_at": NOON} | changes
    return Standing(7, "zone-3", "pump_not_running", **values)  # type: ignore[arg-type]


def told(kind: str, step: str, at: datetime) -> PastNotification:
    return PastNotification(7, 1, "+1", "zone-3", "pump_not_running", 3, kind, step, f"m{at}", at)


FIRST, AFTER_FIRST = told("opened", "first", NOON), Position(1, NOON)


def test_on_the_shelf_nobody_is_told_but_of_the_end() -> None:
    later, until = NOON + 2 * HOUR, NOON + 3 * HOUR
    shelved = live(shelved_until=until)
    found = decide(shelved, AFTER_FIRST, PEOPLE, [FIRST], now=later)
    assert (found.tellings, found.why_not, found.look_at) == ((), WhyNot.SHELVED, until)
    on = decide(shelved, AFTER_FIRST, PEOPLE, [FIRST], now=until)
    assert [one.contact.name for one in on.tellings] == ["Binta"], "the ladder goes on where it stood"
    (end,) = closing(shelved, PEOPLE, [FIRST], now=later)
    assert (end.contact.name, end.reason) == ("Alpha", Why.WAS_TOLD)


@pytest.mark.parametrize(
    ("after_h", "reminded_h", "expected"),
    [
        pytest.param(23, [], [], id="not-a-day-yet"),
        pytest.param(24, [], ["day-1"], id="a-day"),
        pytest.param(30, [24], [], id="reminded-today"),
        pytest.param(48, [24], ["day-2"], id="the-next-day"),
        pytest.param(50, [], ["day-2"], id="was-on-the-shelf-the-first-day"),
    ],
)
def test_what_was_taken_in_charge_and_is_not_repaired_is_recalled_once_a_day(
    after_h: int, reminded_h: list[int], expected: list[str]
) -> None:
    past = [FIRST, *(told("reminder", f"day-{h // 24}", NOON + h * HOUR) for h in reminded_h)]
    found = decide(live(acknowledged_at=NOON), AFTER_FIRST, PEOPLE, past, now=NOON + after_h * HOUR).tellings
    assert [telling.step for telling in found] == expected
    assert all((t.contact.name, t.kind) == ("Alpha", "reminder") for t in found)


def test_a_reminder_waits_for_the_morning_and_is_only_about_no_water() -> None:
    night = NOON + 35 * HOUR  # 23:00 of the next day
    (telling,) = decide(live(acknowledged_at=NOON), AFTER_FIRST, PEOPLE, [FIRST], now=night).tellings
    assert (telling.send_at.hour, telling.reason) == (6, Why.HELD_UNTIL_MORNING)
    mild = live(acknowledged_at=NOON, severity=2)
    assert decide(mild, AFTER_FIRST, PEOPLE, [FIRST], now=night).tellings == ()


@pytest.fixture
def alert(database_url: str, zones: list[Zone], clock: ManualClock) -> tuple[Connection, int]:
    connection = connect(database_url)
    import_zones(connection, zones)
    row = connection.execute(
        "INSERT INTO alert (zone_id, fault, asset_id, severity, state, first_evidence_at, last_evidence_at, opened_at,"
        " confidence, evidence) VALUES ('zone-3', 'pump_not_running', 'pump', 3, 'open', %(now)s, %(now)s, %(now)s,"
        " 0.9, '{}') RETURNING alert_id",
        {"now": clock.now()},
    ).fetchone()
    assert row is not None
    return connection, row[0]


def story(connection: Connection, alert_id: int) -> list[str]:
    rows = connection.execute("SELECT kind FROM alert_event WHERE alert_id = %s ORDER BY event_id", (alert_id,))
    return [kind for (kind,) in rows]


@pytest.mark.db
def test_putting_on_the_shelf_and_taking_off_leave_events(alert: tuple[Connection, int], clock: ManualClock) -> None:
    connection, alert_id = alert
    now = clock.now()
    assert shelve(connection, alert_id, span=6 * HOUR, why=" pièce ", who="Awa", now=now)
    row = connection.execute("SELECT shelved_until, shelved_by, shelved_why, state FROM alert").fetchone()
    assert row == (now + 6 * HOUR, "Awa", "pièce", "open")
    assert unshelve(connection, alert_id, who="Awa", now=now + HOUR)
    assert not unshelve(connection, alert_id, who="Awa", now=now + HOUR), "it does not lie there any more"
    with pytest.raises(ShelfRefused):
        shelve(connection, alert_id, span=25 * HOUR, why="pièce", who="Awa", now=now)
    assert story(connection, alert_id) == ["shelved", "unshelved"]
    connection.execute("UPDATE alert SET state = 'resolved', resolved_at = %s", (now,))
    assert not shelve(connection, alert_id, span=HOUR, why="pièce", who="Awa", now=now), "it is over"
    connection.close()


@pytest.mark.db
def test_the_last_word_on_whether_it_was_right_counts(alert: tuple[Connection, int], clock: ManualClock) -> None:
    connection, alert_id = alert
    now = clock.now()
    acknowledge(connection, alert_id, who="Alpha", now=now)
    assert mark(connection, alert_id, is_true=False, who="Alpha", now=now)
    assert not mark(connection, alert_id, is_true=False, who="Alpha", now=now)
    assert mark(connection, alert_id, is_true=True, who="Awa", now=now + HOUR)
    assert story(connection, alert_id) == ["acknowledged", "false_alarm_claimed", "confirmed"]
    connection.close()
