"""Everything is struck while people use it: no reading, no file, no SMS and no alert is lost, and none comes twice."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gateway.model import Flag
from gateway.zones import Zone
from ingest.columns import Columns
from ingest.db import connect
from ingest.registry import channel_ids, import_zones
from ingest.writer import ReadingWriter
from tests.alerts.carriers.peers import Smsc
from tests.scenarios.chaos_harness import HANDED_OVER, Demanded, People, Script, ScriptedCommune, with_script
from tests.scenarios.conftest import Ground
from tests.scenarios.crash_harness import crash_loop
from tests.scenarios.field_gateway import Diary
from tests.scenarios.oracle import Kind
from tests.scenarios.scripted_gateway import PERIOD, STEP, episodes, scripted
from tests.web.web_seed import seed_alert, seed_notification

CYCLES = int(os.environ.get("NDIYAN_CHAOS_CYCLES", "8"))
SEED = int(os.environ.get("NDIYAN_CHAOS_SEED", "1"))


@pytest.mark.db
@pytest.mark.broker
@pytest.mark.slow
def test_while_everything_is_struck_people_are_heard_once(ground: Ground, zones: list[Zone], smsc: Smsc) -> None:
    commune = ScriptedCommune(ground.folder, zones, ground.postgres, ground.broker, smsc)
    people = People(commune)
    report = crash_loop(commune, seed=SEED, cycles=CYCLES, settle_within_s=180, bystanders=people)
    sums = people.sums()
    print(f"\nseed {SEED}, {report.cycles} cycles: {dict(report.deeds)}\n{report.tally}\n{sums}")
    assert report.findings == []
    assert sums.written >= CYCLES // 5
    assert sums.answers >= sums.written, "who writes is answered"
    assert sums.alerts
    assert sums.alerts.opened, "the script demanded alerts"
    struck = {victim for deed in report.deeds for victim in deed.victims}
    by_readings = {"ingest", "broker", "gateway"}  # of which none may come after the last deed
    assert struck - by_readings <= sums.recovery_s.keys(), "who was struck came back"


@pytest.mark.db
def test_an_episode_of_the_script_without_its_alert_is_lost_and_one_with_two_is_twice(
    database_url: str, zones: list[Zone], tmp_path: Path
) -> None:
    began, zone = datetime(2026, 10, 1, tzinfo=UTC), with_script(zones[5])
    rows = [scripted(began + STEP * number, began) for number in range(3 * PERIOD // STEP)]
    names = [f"quality/free_chlorine_mg_l {round(row.measured_at.timestamp() * 1000)} {row.value!r}" for row in rows]
    diary = Diary(tmp_path / f"{zone.gateway_id}.diary")
    diary.write("try", names)
    diary.write("took", names)
    first, second, third = (one.begin for one in episodes(began, began + 3 * PERIOD))
    script = Script(tmp_path, zone, began)
    with connect(database_url) as connection:
        import_zones(connection, [zone])
        channel = channel_ids(connection)[zone.zone_id, "quality", "free_chlorine_mg_l"]
        at_us = np.array([int(row.measured_at.timestamp() * 1e6) for row in rows])
        value = np.array([row.value for row in rows])
        flag = np.full(len(rows), Flag.GOOD, np.int16)
        ReadingWriter(connection).write(Columns(np.full(len(rows), channel, np.int32), at_us, at_us, value, flag))
        run = connection.execute
        run("INSERT INTO job (name, zone_id, next_due_at) VALUES ('judge', %s, now())", [zone.zone_id])
        assert (script.judge(connection), script.demanded) == ([], Demanded()), "nothing was judged yet"
        run("UPDATE job SET watermark_at = %s", [rows[-1].measured_at])
        for code, begin in (("A1", first), ("A2", third), ("A3", third + STEP)):
            at = begin + timedelta(minutes=62)
            seed_alert(
                connection, zone.zone_id, "low_chlorine", code=code, asset="quality", opened_at=at, state="resolved",
                resolved_at=at,
            )  # fmt: skip
        found = script.judge(connection)
        assert [one.kind for one in found] == [Kind.ALERT_LOST, Kind.ALERT_TWICE]
        assert script.demanded == Demanded(opened=2, lost=1, twice=1)
        assert script.is_judged(connection)
        run("UPDATE reading SET received_at = received_at + interval '1 hour' WHERE measured_at = %s", [second])
        assert [one.kind for one in script.judge(connection)] == [Kind.ALERT_TWICE]
        assert script.demanded == Demanded(opened=2, lost=0, twice=1, overtaken=1), "it came behind newer readings"


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
