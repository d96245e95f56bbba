"""Everything is struck while people use it: no reading, no file, no SMS and no alert is lost, and none comes twice."""

import os
from datetime import UTC, datetime

import pytest

from gateway.zones import Zone
from ingest.db import connect
from ingest.registry import import_zones
from tests.alerts.carriers.peers import Smsc
from tests.scenarios.chaos_harness import HANDED_OVER, Commune, People
from tests.scenarios.conftest import Ground
from tests.scenarios.crash_harness import crash_loop
from tests.web.web_seed import seed_alert, seed_notification

CYCLES = int(os.environ.get("NDIYAN_CHAOS_CYCLES", "8"))
SEED = int(os.environ.get("NDIYAN_CHAOS_SEED", "1"))


@pytest.mark.db
@pytest.mark.broker
@pytest.mark.slow
def test_while_everything_is_struck_people_are_heard_once(ground: Ground, zones: list[Zone], smsc: Smsc) -> None:
    commune = Commune(ground.folder, zones, ground.postgres, ground.broker, smsc)
    people = People(commune)
    report = crash_loop(commune, seed=SEED, cycles=CYCLES, settle_within_s=180, bystanders=people)
    sums = people.sums()
    print(f"\nseed {SEED}, {report.cycles} cycles: {dict(report.deeds)}\n{report.tally}\n{sums}")
    assert report.findings == []
    assert sums.written >= CYCLES // 5
    assert sums.answers >= sums.written, "who writes is answered"


@pytest.mark.db
def test_two_alerts_told_in_one_sms_are_looked_for_as_one_at_the_message_centre(
    database_url: str, zones: list[Zone]
) -> None:
    now = datetime(2026, 11, 27, 11, 31, tzinfo=UTC)
    with connect(database_url) as connection:
        import_zones(connection, zones)
        ((contact,),) = connection.execute("SELECT min(contact_id) FROM contact WHERE zone_id = 'zone-1'").fetchall()
        alert = seed_alert(connection, "zone-1", "sensor_spikes", code="A1", opened_at=now)
        first, second, together, _ = (
            seed_notification(connection, alert, contact_id=contact, text=text, at=now, kind=kind)
            for kind, text in (("opened", "A1"), ("reminder", "A2"), ("bundle", "A1, A2"), ("resolved", "alone"))
        )
        connection.execute(
            "UPDATE notification SET told_in = %s WHERE notification_id IN (%s, %s)", [together, first, second]
        )
        found = connection.execute(HANDED_OVER).fetchall()
    delivered = {text: number for _, text, number, _ in found}
    assert delivered == {"A1": 0, "A2": 0, "A1, A2": 1, "alone": 1}
