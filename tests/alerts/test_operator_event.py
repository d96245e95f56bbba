"""The operator's network is down: six zones fall silent in the same hour, and one person hears of one thing."""

from datetime import UTC, datetime, timedelta

import pytest

from alerts.carriers.phone import PhoneCarrier
from alerts.evaluate import Evaluator
from alerts.sender import Sender
from gateway.clock import ManualClock
from gateway.zones import Zone
from ingest.db import connect
from tests.alerts.silent_zones import fall_silent

pytestmark = pytest.mark.db
MORNING = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def test_six_zones_that_fall_silent_together_are_one_event(database_url: str, zones: list[Zone]) -> None:
    clock = ManualClock(MORNING)
    with connect(database_url) as connection:
        fall_silent(connection, zones, MORNING)
        evaluator = Evaluator(connection, every=MINUTE)
        sender = Sender(connection, {"phone": PhoneCarrier(connection, clock)}, clock)
        clock.advance(timedelta(hours=2, minutes=1))
        for _ in range(10):
            evaluator.work(clock.now())
            sender.work()
            clock.advance(MINUTE)
        alerts = connection.execute(
            "SELECT zone_id, explained_by IS NOT NULL FROM alert ORDER BY first_evidence_at"
        ).fetchall()
        told = connection.execute("SELECT count(*) FROM notification").fetchone()
    assert alerts == [(zone.zone_id, number > 0) for number, zone in enumerate(reversed(zones))]
    assert told == (1,)
