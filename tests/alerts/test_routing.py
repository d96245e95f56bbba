"""Who hears what, when and why: tables of decisions."""

from datetime import UTC, datetime, timedelta

import pytest

from alerts.routing import ContactRow, Event, EventKind, PastNotification, Why, who_hears

PEOPLE = [
    ContactRow(1, "Alpha", "exploitant", "+1", "fr", 1),
    ContactRow(2, "Binta", "president", "+2", "fr", 2),
    ContactRow(3, "Cellou", "reparateur", "+3", "fr", 3),
    ContactRow(4, "Diallo", "ingenieur", "+4", "fr", 4),
    ContactRow(5, "Fanta", "fontainier", "+5", "fr", 5),
]
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def event(kind: EventKind = EventKind.OPENED, fault: str = "pump_not_running", **changes: object) -> Event:
    values: dict[str, object] = {
        "severity": 3, "opened_at": NOON, "acknowledged_at": None, "is_late": False
    } | changes  # fmt: skip
    return Event(kind, 7, fault, **values)  # type: ignore[arg-type]


def told(contact: int, at: datetime = NOON, alert: int = 7, kind: str = "opened", fault: str = "pump_not_running"):  # type: ignore[no-untyped-def]
    return PastNotification(alert, contact, fault, kind, at)


def heard(found) -> list[tuple[str, Why]]:  # type: ignore[no-untyped-def]
    return [(telling.contact.name, telling.reason) for telling in found]


@pytest.mark.parametrize(
    ("fault", "severity", "expected"),
    [
        pytest.param("pump_not_running", 3, "Alpha", id="no-water-to-the-exploitant"),
        pytest.param("comms_outage", 2, "Diallo", id="silence-to-the-engineer"),
        pytest.param("sensor_stuck", 1, "Cellou", id="a-sensor-to-the-repairer"),
    ],
)
def test_the_first_to_hear_is_who_can_act(fault: str, severity: int, expected: str) -> None:
    found = who_hears(event(fault=fault, severity=severity), PEOPLE, [], now=NOON)
    assert heard(found) == [(expected, Why.FIRST_ON_THE_LADDER)]


def test_without_an_exploitant_the_next_role_hears() -> None:
    assert heard(who_hears(event(), PEOPLE[1:], [], now=NOON)) == [("Binta", Why.FIRST_ON_THE_LADDER)]
    assert who_hears(event(), [], [], now=NOON) == []


@pytest.mark.parametrize(
    ("after_min", "so_far", "expected"),
    [
        pytest.param(29, [1], [], id="just-before-half-an-hour"),
        pytest.param(30, [1], [("Binta", Why.NOBODY_ANSWERED)], id="exactly-half-an-hour"),
        pytest.param(60, [1, 2], [], id="the-second-was-told"),
        pytest.param(90, [1, 2], [("Cellou", Why.REPAIR_IS_DUE)], id="repairer-after-ninety"),
        pytest.param(90, [1, 2, 3], [], id="all-were-told"),
        pytest.param(90, [], [], id="nobody-was-told-yet"),
    ],
)
def test_nobody_answers_and_the_ladder_is_climbed(
    after_min: int, so_far: list[int], expected: list[tuple[str, Why]]
) -> None:
    now = NOON + after_min * MINUTE
    found = who_hears(event(EventKind.STILL_OPEN), PEOPLE, [told(c) for c in so_far], now=now)
    assert heard(found) == expected


def test_an_acknowledgement_stops_the_ladder() -> None:
    still = event(EventKind.STILL_OPEN, acknowledged_at=NOON + MINUTE)
    assert who_hears(still, PEOPLE, [told(1)], now=NOON + 100 * MINUTE) == []


def test_the_end_is_told_to_exactly_those_who_heard_of_the_beginning() -> None:
    found = who_hears(event(EventKind.RESOLVED), PEOPLE, [told(1), told(3), told(2, alert=8)], now=NOON)
    assert heard(found) == [("Alpha", Why.WAS_TOLD), ("Cellou", Why.WAS_TOLD)]


def test_what_was_found_late_and_is_over_is_told_to_nobody() -> None:
    for kind in EventKind:
        assert who_hears(event(kind, is_late=True), PEOPLE, [told(1)], now=NOON) == []


def test_an_empty_tower_is_told_every_third_morning_and_its_filling_to_nobody() -> None:
    empty = event(fault="tower_empty", severity=1)
    assert len(who_hears(empty, PEOPLE, [], now=NOON)) == 1
    earlier = told(1, NOON - timedelta(hours=5), alert=6, fault="tower_empty")
    assert who_hears(empty, PEOPLE, [earlier], now=NOON) == []
    yesterday = told(1, NOON - timedelta(hours=26), alert=5, fault="tower_empty")
    assert who_hears(empty, PEOPLE, [yesterday], now=NOON) == []
    three_days_ago = told(1, NOON - timedelta(hours=70), alert=4, fault="tower_empty")
    assert len(who_hears(empty, PEOPLE, [three_days_ago], now=NOON)) == 1
    filled = event(EventKind.RESOLVED, fault="tower_empty", severity=1)
    assert who_hears(filled, PEOPLE, [told(1, NOON - timedelta(hours=2), fault="tower_empty")], now=NOON) == []


@pytest.mark.parametrize(
    ("hour", "severity", "send_at"),
    [
        pytest.param(20, 2, 20, id="evening"),
        pytest.param(23, 2, 30, id="night-waits-for-six"),
        pytest.param(3, 1, 6, id="before-dawn-waits-for-six"),
        pytest.param(3, 3, 3, id="no-water-never-waits"),
    ],
)
def test_quiet_hours_hold_what_can_wait(hour: int, severity: int, send_at: int) -> None:
    midnight = NOON.replace(hour=0)
    now = midnight + timedelta(hours=hour)
    (telling,) = who_hears(event(fault="night_leak", severity=severity), PEOPLE, [], now=now)
    assert telling.send_at == midnight + timedelta(hours=send_at)
    assert (telling.reason is Why.HELD_UNTIL_MORNING) == (send_at != hour)


def test_a_phone_is_not_flooded_but_no_water_always_comes_through() -> None:
    flood = [told(1, NOON - n * MINUTE, alert=100 + n, fault="night_leak") for n in range(6)]
    assert who_hears(event(fault="night_leak", severity=2), PEOPLE, flood, now=NOON) == []
    assert len(who_hears(event(severity=3), PEOPLE, flood, now=NOON)) == 1
    end = event(EventKind.RESOLVED, fault="night_leak", severity=2)
    assert len(who_hears(end, PEOPLE, [*flood, told(1)], now=NOON)) == 1, "and the end of what was told"
