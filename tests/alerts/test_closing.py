"""Closing with a cause: readings end, people explain; what is still there comes back; a wrong click is undone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from alerts.actions import assign, close, mark, note_visit, reopen
from alerts.closing import UNDO_WITHIN, Cause, Repair, RepairTimes, checked_closing, repair_times
from alerts.errors import ActionRefused
from alerts.metrics import fetch_metrics
from gateway.clock import ManualClock
from gateway.zones import Zone
from ingest.db import Connection, connect
from ingest.registry import import_zones
from tests.alerts.test_story import Day, at, day
from tests.web.web_seed import seed_notification

__all__ = ["day"]
pytestmark = pytest.mark.db
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.mark.parametrize(
    ("cause", "words", "bound"),
    [
        pytest.param("magic", "", "cause: 'magic' is none of set_right", id="not-on-the-list"),
        pytest.param("other", "  ", "words: '  ' is empty", id="other-says-nothing"),
        pytest.param("theft", "a" * 301, "words: '301 letters' is above 300", id="a-novel"),
        pytest.param("theft", "a\0", "words: 'a\\x00' holds a zero byte", id="zero-byte"),
    ],
)
def test_a_closing_needs_a_cause_of_the_list(cause: str, words: str, bound: str) -> None:
    with pytest.raises(ActionRefused) as refused:
        checked_closing(cause, words)
    assert str(refused.value).startswith(bound)


def test_repair_times_by_cause_worked_out_by_hand() -> None:
    """Parts: 2, 6 and 40 h, so the median is 6 h. Network: 1 and 4 h, 2.5 h between. Without a cause stands last."""
    spans = {Cause.PART_REPLACED: (6, 40, 2), Cause.NETWORK: (4, 1), None: (9,)}
    found = repair_times(Repair(cause, h * HOUR) for cause, hours in spans.items() for h in hours)
    assert found == [
        RepairTimes("part_replaced", 3, 6 * HOUR, 40 * HOUR),
        RepairTimes("network", 2, 2.5 * HOUR, 4 * HOUR),
        RepairTimes(None, 1, 9 * HOUR, 9 * HOUR),
    ]
    assert repair_times([]) == []


@pytest.fixture
def kept(database_url: str, zones: list[Zone]) -> Iterator[Connection]:
    with connect(database_url) as connection:
        import_zones(connection, zones)
        yield connection


def an_alert(connection: Connection, at: datetime, *, state: str = "open", lasted: timedelta = HOUR) -> int:
    row = connection.execute(
        "INSERT INTO alert (zone_id, fault, asset_id, severity, state, first_evidence_at, last_evidence_at, opened_at,"
        " cleared_at, resolved_at, confidence, evidence) VALUES ('zone-3', 'pump_not_running', 'pump', 3, %(state)s,"
        " %(at)s, %(at)s, %(at)s, %(end)s, %(end)s, 0.9, '{}') RETURNING alert_id",
        {"at": at, "state": state, "end": at + lasted if state == "resolved" else None},
    ).fetchone()
    assert row is not None
    return int(row[0])


def state_of(connection: Connection, alert_id: int) -> tuple[object, ...]:
    row = connection.execute(
        "SELECT state, cause, closed_by, ended_by_hand, resolved_at FROM alert WHERE alert_id = %s", (alert_id,)
    ).fetchone()
    assert row is not None
    return tuple(row)


def story(connection: Connection, alert_id: int) -> list[tuple[str, str]]:
    rows = connection.execute("SELECT kind, who FROM alert_event WHERE alert_id = %s ORDER BY event_id", (alert_id,))
    return list(rows.fetchall())


def test_a_cause_is_named_after_the_readings_ended_it_and_taken_back_in_time(
    kept: Connection, clock: ManualClock
) -> None:
    now = clock.now()
    alert = an_alert(kept, now - 5 * HOUR, state="resolved", lasted=3 * HOUR)
    ended = now - 2 * HOUR
    assert close(kept, alert, cause="part_replaced", words=" contacteur ", who="Awa (web)", now=now)
    assert state_of(kept, alert) == ("resolved", "part_replaced", "Awa (web)", False, ended)
    assert not close(kept, alert, cause="theft", words="", who="Binta (web)", now=now), "the first word stays"
    assert reopen(kept, alert, who="Awa (web)", now=now + UNDO_WITHIN)
    assert state_of(kept, alert) == ("resolved", None, None, False, ended)
    assert not reopen(kept, alert, who="Awa (web)", now=now), "there is nothing to take back"
    assert close(kept, alert, cause="theft", words="", who="Binta (web)", now=now)
    assert not reopen(kept, alert, who="Awa (web)", now=now + UNDO_WITHIN + MINUTE), "too late"
    assert story(kept, alert) == [("closed", "Awa (web)"), ("reopened", "Awa (web)"), ("closed", "Binta (web)")]


def test_closing_a_live_one_ends_it_by_hand_and_undoing_brings_it_back_as_it_was(
    kept: Connection, clock: ManualClock
) -> None:
    now = clock.now()
    alert = an_alert(kept, now - HOUR)
    assert close(kept, alert, cause="other", words="zone démontée", who="Awa", now=now)
    assert state_of(kept, alert) == ("resolved", "other", "Awa", True, now)
    assert reopen(kept, alert, who="Awa", now=now + MINUTE)
    assert state_of(kept, alert) == ("open", None, None, False, None)
    assert kept.execute("SELECT count(*) FROM notification").fetchone() == (0,)


def test_undoing_never_makes_two_live_alerts_of_one_fault(kept: Connection, clock: ManualClock) -> None:
    now = clock.now()
    alert = an_alert(kept, now - HOUR)
    close(kept, alert, cause="planned_work", words="", who="Awa", now=now)
    an_alert(kept, now + MINUTE)
    assert not reopen(kept, alert, who="Awa", now=now + 2 * MINUTE)
    assert state_of(kept, alert)[0] == "resolved"


def test_a_false_alarm_by_cause_counts_as_false_and_a_later_undo_forgets_it(
    kept: Connection, clock: ManualClock
) -> None:
    now = clock.now()
    alert = an_alert(kept, now - HOUR, state="resolved", lasted=30 * MINUTE)
    ((exploitant,),) = kept.execute("SELECT contact_id FROM contact WHERE zone_id = 'zone-3' AND rank = 1").fetchall()
    seed_notification(kept, alert, contact_id=exploitant, text="…", at=now - HOUR)

    def figures() -> tuple[int, int]:
        found = fetch_metrics(kept, start=now - 24 * HOUR, end=now)
        return found.marked, found.false

    def repairs() -> tuple[RepairTimes, ...]:
        return fetch_metrics(kept, start=now - 24 * HOUR, end=now).by_cause

    assert figures() == (0, 0)
    assert repairs() == (RepairTimes(None, 1, 30 * MINUTE, 30 * MINUTE),)
    close(kept, alert, cause="false_alarm", words="", who="Awa", now=now)
    assert figures() == (1, 1)
    assert repairs() == (), "a false alarm was no repair"
    reopen(kept, alert, who="Awa", now=now)
    assert figures() == (0, 0)
    mark(kept, alert, is_true=True, who="Awa", now=now)
    assert figures() == (1, 0)


def test_an_alert_is_given_to_one_person_and_a_visit_is_in_its_story(kept: Connection, clock: ManualClock) -> None:
    now = clock.now()
    alert = an_alert(kept, now - HOUR)
    assert assign(kept, alert, to=" Mamadou Saliou Sow ", who="Awa", now=now)
    assert not assign(kept, alert, to="Mamadou Saliou Sow", who="Awa", now=now), "it is his already"
    note_visit(kept, alert, text="Disjoncteur remis", on=now.date(), who="Awa", now=now)
    for text, on, bound in (
        ("", now.date(), "text: '' is empty"),
        ("vu", now.date() + timedelta(days=1), "is in the future"),
    ):
        with pytest.raises(ActionRefused, match=bound):
            note_visit(kept, alert, text=text, on=on, who="Awa", now=now)
    close(kept, alert, cause="set_right", words="", who="Awa", now=now)
    assert not assign(kept, alert, to="Binta", who="Awa", now=now), "it is over"
    rows = kept.execute(
        "SELECT kind, detail ->> 'text' FROM alert_event WHERE alert_id = %s ORDER BY event_id", (alert,)
    )
    assert rows.fetchall() == [("assigned", "Mamadou Saliou Sow"), ("visited", "Disjoncteur remis"), ("closed", None)]


def test_what_is_closed_by_hand_and_still_there_comes_back_and_needs_a_cause_again(day: Day) -> None:
    day.run_until(at("10:00"))
    day.pump_stops()
    day.run_until(at("11:10"))
    ((alert_id,),) = day.connection.execute("SELECT alert_id FROM alert").fetchall()
    close(day.connection, alert_id, cause="set_right", words="", who="Awa", now=day.clock.now())
    day.run_until(at("12:05"))
    assert day.alerts == [("pump_not_running", "resolved")]
    assert day.sms == [("11:01", "exploitant", "opened")], "nobody is told that water flows: no reading has shown it"
    day.run_until(at("12:20"))
    assert day.alerts == [("pump_not_running", "open")], "an hour of sun without power after the closing"
    assert state_of(day.connection, alert_id)[1:4] == (None, None, False)
    assert [kind for kind in day.story if kind in ("opened", "closed", "returned")] == ["opened", "closed", "returned"]
    day.pump_runs()
    day.run_until(at("13:00"))
    ended = [who for _, who, what in day.sms if what == "resolved"]
    told = [who for _, who, what in day.sms if what == "opened"]
    assert ended == told, "whoever was told hears of the end that readings show"
    assert told[0] == "exploitant"
