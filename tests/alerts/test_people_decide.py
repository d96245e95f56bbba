"""What people decide and what the next evaluations make of it: a shelf, a charge that lasts, a rule of their own."""

from __future__ import annotations

from datetime import timedelta

import pytest

from alerts.actions import acknowledge, shelve
from alerts.settings import change
from tests.alerts.test_story import Day, at, day

__all__ = ["day"]
pytestmark = pytest.mark.db
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def test_on_the_shelf_the_ladder_waits_and_goes_on_by_itself(day: Day) -> None:
    day.run_until(at("10:00"))
    day.pump_stops()
    day.run_until(at("11:10"))
    assert [(who, what) for _, who, what in day.sms] == [("exploitant", "opened")]
    ((alert_id,),) = day.connection.execute("SELECT alert_id FROM alert").fetchall()
    assert shelve(day.connection, alert_id, span=HOUR, why="pièce commandée", who="Awa", now=day.clock.now())
    day.run_until(at("12:09"))
    assert len(day.sms) == 1, "neither the second person nor the repairer"
    day.run_until(at("12:20"))
    assert [who for _, who, _ in day.sms] == ["exploitant", "president"], (
        "the shelf has ended, and it is not an hour and a half yet"
    )
    assert [when for when, _, _ in day.sms][1] > "12:09"
    assert "shelved" in day.story


def test_what_was_taken_in_charge_and_lasts_is_recalled_once_a_day(day: Day) -> None:
    day.run_until(at("10:00"))
    day.pump_stops()
    day.run_until(at("11:10"))
    ((alert_id,),) = day.connection.execute("SELECT alert_id FROM alert").fetchall()
    acknowledge(day.connection, alert_id, who="Alpha", now=day.clock.now())
    for days in (1, 2):
        day.connection.execute("UPDATE alert SET acknowledged_at = acknowledged_at - interval '1 day'")
        day.connection.execute(
            "UPDATE notification SET created_at = created_at - interval '1 day', due_at = due_at - interval '1 day',"
            " accepted_at = accepted_at - interval '1 day'"
        )
        day.connection.execute("UPDATE ladder SET due_at = due_at - interval '1 day'")
        day.run_until(day.clock.now() + 3 * MINUTE)
        rows = day.connection.execute(
            "SELECT step, reason, text FROM notification WHERE kind = 'reminder' ORDER BY notification_id"
        ).fetchall()
        assert [(step, reason) for step, reason, _ in rows] == [
            (f"day-{n}", "still_not_repaired") for n in range(1, days + 1)
        ]
        assert "RAPPEL: POMPE ARRETEE malgré le soleil." in rows[-1][2]


def test_a_rule_of_their_own_holds_from_the_next_evaluation_on_and_is_stored_with_the_alert(day: Day) -> None:
    name = "pump_not_running.on_delay_min"
    change(day.connection, name, zone="zone-3", value=90.0, who="Awa", why="groupe lent", now=day.clock.now())
    day.run_until(at("10:00"))
    day.pump_stops()
    day.run_until(at("11:20"))
    assert day.alerts == []
    day.run_until(at("11:40"))
    ((fault, thresholds),) = day.connection.execute("SELECT fault, evidence -> 'thresholds' FROM alert").fetchall()
    assert fault == "pump_not_running"
    assert thresholds["on_delay_min"] == 90.0
