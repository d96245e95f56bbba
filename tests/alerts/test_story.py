"""Alerts on a real database: a pump stops, people hear, answer and are told the end. Time is told, not waited for."""

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from alerts.actions import acknowledge
from alerts.carriers import Accepted, Outgoing, Submitted, Urgency
from alerts.carriers.phone import PhoneCarrier
from alerts.climbing import climb
from alerts.detectors import DETECTORS
from alerts.evaluate import Evaluator, catch_up
from alerts.sender import Sender
from gateway.clock import ManualClock
from gateway.model import Flag
from gateway.zones import Zone
from ingest.db import connect
from ingest.registry import channel_ids, import_zones
from tests.alerts.windows import of_the_hour_to_come

pytestmark = pytest.mark.db
MORNING = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
STEP = timedelta(minutes=5)
MINUTE = timedelta(minutes=1)


class Day:
    """One zone's day: readings are written down, the clock is moved, evaluator and sender take their turns."""

    def __init__(self, url: str, zones: list[Zone]) -> None:
        self.url = url
        self.connection = connect(url)
        self.zone = next(zone for zone in zones if zone.zone_id == "zone-3")
        import_zones(self.connection, [self.zone])
        self.ids = channel_ids(self.connection)
        self.clock = ManualClock(MORNING)
        self.pump_w, self.flow, self.level_m, self.sun = 1100.0, 4.0, 1.7, 800.0
        self.is_silent = self.cell_is_stuck = self.gauge_is_broken = False
        self.rng = np.random.default_rng(5)
        self.restart()

    def restart(self) -> None:
        """Alerts as a process that has just been started."""
        self.evaluator = Evaluator(self.connection, every=MINUTE)
        self.sender = Sender(self.connection, {"phone": PhoneCarrier(self.connection, self.clock)}, self.clock)

    def run_until(self, end: datetime) -> None:
        while self.clock.now() < end:
            if self.clock.now().minute % 5 == 0 and not self.is_silent:
                self.measure(self.clock.now())
            self.evaluator.work(self.clock.now())
            self.send()
            self.clock.advance(MINUTE)

    def send(self) -> None:
        climb(self.connection, self.clock.now())
        self.sender.work()

    def measure(self, at: datetime) -> None:
        values = {
            ("pv", "irradiance_w_m2"): self.sun + self.rng.normal(0, 0 if self.cell_is_stuck else 3),
            ("pump", "power_w"): self.pump_w,
            ("pump", "flow_m3_h"): self.flow, ("tower", "level_m"): self.level_m + self.rng.normal(0, 0.004),
            ("tower", "outflow_m3_h"): 1.2 + self.rng.normal(0, 0.02),
            ("borehole", "water_depth_m"): 28.0 + self.rng.normal(0, 0.05),
        }  # fmt: skip
        if self.gauge_is_broken:
            values["pump", "pressure_bar"] = -0.9
        for (asset, channel), value in values.items():
            flag = Flag.BAD if channel == "pressure_bar" else Flag.GOOD
            row = [self.ids[self.zone.zone_id, asset, channel], flag, at, at, value]
            self.connection.execute("INSERT INTO reading VALUES (%s, %s, %s, %s, %s)", row)
            self.connection.execute(
                "INSERT INTO latest (channel_id, flag, measured_at, received_at, value) VALUES (%s, %s, %s, %s, %s)"
                " ON CONFLICT (channel_id) DO UPDATE SET measured_at = EXCLUDED.measured_at, value = EXCLUDED.value",
                row,
            )

    def pump_stops(self) -> None:
        self.pump_w, self.flow = 4.0, 0.0

    def pump_runs(self) -> None:
        self.pump_w, self.flow = 1100.0, 4.0

    def answers(self, phone: str, text: str) -> None:
        self.connection.execute(
            "INSERT INTO phone_reply (phone, text, sent_at) VALUES (%s, %s, %s)", (phone, text, self.clock.now())
        )

    @property
    def sms(self) -> list[tuple[str, str, str]]:
        """(when, who, what) of everything that a handset has shown."""
        rows = self.connection.execute(
            "SELECT delivered_at, role, kind FROM notification JOIN contact USING (contact_id)"
            " WHERE delivered_at IS NOT NULL ORDER BY delivered_at, notification_id"
        )
        return [(at.strftime("%H:%M"), role, kind) for at, role, kind in rows]

    @property
    def alerts(self) -> list[tuple[str, str]]:
        return self.connection.execute("SELECT fault, state FROM alert ORDER BY alert_id").fetchall()

    @property
    def story(self) -> list[str]:
        return [kind for (kind,) in self.connection.execute("SELECT kind FROM alert_event ORDER BY event_id")]

    @property
    def explained(self) -> list[tuple[str, str]]:
        """(what, by what) of alerts that are told to nobody for another's sake."""
        return self.connection.execute(
            "SELECT a.fault, c.fault FROM alert a JOIN alert c ON c.alert_id = a.explained_by ORDER BY a.alert_id"
        ).fetchall()


@pytest.fixture
def day(database_url: str, zones: list[Zone]) -> Iterator[Day]:
    # A reading of 08:55 makes the week's partition.
    found = Day(database_url, zones)
    found.connection.execute("SELECT ensure_reading_partition(%s)", [MORNING])
    yield found
    found.connection.close()


def at(moment: str) -> datetime:
    hour, minute = moment.split(":")
    return MORNING.replace(hour=int(hour), minute=int(minute))


EXPLOITANT = "+224600000010"


def test_a_pump_stops_one_person_hears_answers_and_is_told_the_end(day: Day) -> None:
    day.run_until(at("10:00"))
    day.pump_stops()
    day.run_until(at("11:04"))
    assert day.sms == [("11:01", "exploitant", "opened")]
    day.answers(EXPLOITANT, "1")
    day.run_until(at("12:45"))
    assert day.alerts == [("pump_not_running", "acknowledged")]
    day.pump_runs()
    day.run_until(at("13:25"))
    assert day.alerts == [("pump_not_running", "resolved")]
    assert day.sms == [("11:01", "exploitant", "opened"), ("13:16", "exploitant", "resolved")]
    assert day.story == ["opened", "told", "delivered", "reply", "acknowledged", "resolved", "told", "delivered"]


def test_a_pump_that_stops_again_after_its_end_was_told_is_told_again_and_its_end_when_it_runs_on(day: Day) -> None:
    day.run_until(at("10:00"))
    day.pump_stops()
    day.run_until(at("11:10"))
    day.answers(EXPLOITANT, "1")
    day.run_until(at("11:40"))
    day.pump_runs()
    day.run_until(at("12:20"))
    heard = [("11:01", "exploitant", "opened"), ("12:11", "exploitant", "resolved")]
    assert day.sms == heard
    day.pump_stops()
    day.run_until(at("13:25"))
    assert day.sms == [*heard, ("13:21", "exploitant", "opened")]
    assert day.alerts == [("pump_not_running", "open")], "nobody is looking after it any more"
    day.restart()
    day.answers(EXPLOITANT, "2")
    day.run_until(at("14:00"))
    assert day.alerts == [("pump_not_running", "acknowledged")]
    day.pump_runs()
    day.run_until(at("15:55"))
    assert day.alerts == [("pump_not_running", "resolved")]
    assert day.sms[3:] == [], "for half an hour it may still be the same, and that takes an hour to be seen"
    day.run_until(at("16:10"))
    assert day.sms[3:] == [("16:01", "exploitant", "resolved")]


def test_a_silence_that_ended_and_began_while_nobody_judged_goes_on_and_so_does_its_ladder(day: Day) -> None:
    day.run_until(at("09:30"))
    day.is_silent = True
    day.clock.set(at("11:30"))
    day.run_until(at("11:35"))
    assert day.alerts == [("comms_outage", "open")]
    day.measure(at("12:20"))
    day.measure(at("12:25"))
    day.clock.set(at("15:00"))
    day.run_until(at("15:05"))
    assert day.alerts == [("comms_outage", "open")]
    assert day.story.count("resolved") == day.story.count("returned") == 1
    ((due_at,),) = day.connection.execute("SELECT due_at FROM ladder").fetchall()
    assert due_at is not None, "the second person is told tomorrow, and then somebody calls"


def test_what_a_detector_says_of_hours_to_come_is_not_heard(day: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alerts.evaluate.DETECTORS", [DETECTORS[0]._replace(judge=of_the_hour_to_come)])
    day.run_until(at("09:20"))
    assert day.alerts == []


def test_nobody_answers_and_the_committee_and_the_repairer_hear(day: Day) -> None:
    day.run_until(at("10:00"))
    day.pump_stops()
    day.run_until(at("12:40"))
    assert day.sms == [
        ("11:01", "exploitant", "opened"), ("11:31", "president", "opened"), ("12:01", "tresorier", "opened"),
        ("12:31", "reparateur", "opened"),
    ]  # fmt: skip


def test_said_repaired_does_not_close_what_the_sensors_still_see(day: Day) -> None:
    day.run_until(at("10:00"))
    day.pump_stops()
    day.run_until(at("11:05"))
    day.answers(EXPLOITANT, "3")
    day.run_until(at("11:20"))
    assert day.alerts == [("pump_not_running", "acknowledged")]
    assert "repair_claimed" in day.story


def test_a_stranger_and_a_muddle_change_nothing(day: Day) -> None:
    day.run_until(at("10:00"))
    day.pump_stops()
    day.run_until(at("11:05"))
    day.answers("+224600000099", "1")
    day.answers(EXPLOITANT, "la pompe est toujours en panne")
    day.run_until(at("11:10"))
    assert day.alerts == [("pump_not_running", "open")]
    said = dict(day.connection.execute("SELECT phone, text FROM notification WHERE kind = 'reply'").fetchall())
    assert said.keys() == {EXPLOITANT, "+224600000099"}
    assert "pas compris" in said[EXPLOITANT]
    assert "pas inscrit" in said["+224600000099"]


def test_restarts_and_repeats_send_nothing_twice(day: Day) -> None:
    day.run_until(at("10:00"))
    day.pump_stops()
    while day.clock.now() < at("11:20"):
        day.run_until(day.clock.now() + MINUTE)
        day.restart()
        day.connection.execute("UPDATE job SET watermark_at = watermark_at - interval '2 hours'")
    assert day.sms == [("11:01", "exploitant", "opened")]
    assert len(day.alerts) == 1


def test_two_open_alerts_ask_for_the_code(day: Day) -> None:
    day.level_m = 0.3  # since the morning: a tower that empties at once while the pump stands is being washed
    day.run_until(at("10:00"))
    day.pump_stops()
    day.run_until(at("11:05"))
    # The nearly empty tower came first and was told; the stopped pump has its own message.
    codes = [code for (code,) in day.connection.execute("SELECT code FROM alert ORDER BY alert_id")]
    assert [fault for fault, _ in day.alerts] == ["tower_empty", "pump_not_running"]
    day.answers(EXPLOITANT, "1")
    day.run_until(at("11:07"))
    asked = day.connection.execute("SELECT text FROM notification WHERE kind = 'reply'").fetchall()
    assert all(code in asked[0][0] for code in codes)
    day.answers(EXPLOITANT, f"{codes[1]} 1")
    day.run_until(at("11:09"))
    assert [state for _, state in day.alerts] == ["open", "acknowledged"]


def test_an_empty_tower_under_a_stopped_pump_is_explained_and_not_told(day: Day) -> None:
    day.run_until(at("10:00"))
    day.pump_stops()
    day.run_until(at("11:30"))
    day.level_m = 0.3
    day.run_until(at("12:10"))
    assert [fault for fault, _ in day.alerts] == ["pump_not_running", "tower_empty"]
    assert "tower_empty" not in {
        fault for (fault,) in day.connection.execute("SELECT fault FROM notification JOIN alert USING (alert_id)")
    }
    ((explained,),) = day.connection.execute("SELECT explained_by IS NOT NULL FROM alert WHERE fault = 'tower_empty'")
    assert explained


@pytest.mark.parametrize(
    ("fills_at", "heard"),
    [
        pytest.param("14:20", ["pump_not_running"], id="fills-within-the-hour"),
        pytest.param("18:00", ["pump_not_running", "tower_empty"], id="stays-empty"),
    ],
)
def test_a_tower_that_stays_empty_when_the_pump_runs_again_is_told(day: Day, fills_at: str, heard: list[str]) -> None:
    day.run_until(at("10:00"))
    day.pump_stops()
    day.run_until(at("11:30"))
    day.level_m = 0.3
    day.run_until(at("13:30"))
    day.pump_runs()
    day.run_until(at(fills_at))
    day.restart()
    day.level_m = 1.7
    day.run_until(at("18:45"))
    assert [state for _, state in day.alerts] == ["resolved", "resolved"]
    rows = day.connection.execute(
        "SELECT fault FROM notification JOIN alert USING (alert_id) JOIN contact USING (contact_id)"
        " WHERE kind = 'opened' AND role = 'exploitant' ORDER BY notification_id"
    )
    assert [fault for (fault,) in rows] == heard
    assert day.story.count("outlived") == len(heard) - 1


def test_a_gauge_that_is_broken_keeps_back_nothing_that_other_sensors_saw(day: Day) -> None:
    """The gauge at the well head hangs on the pump as well, but it is not what says that the pump stands."""
    day.gauge_is_broken = True
    day.run_until(at("10:00"))
    day.pump_stops()
    day.run_until(at("11:04"))
    assert (day.alerts, day.explained) == ([("sensor_out_of_range", "open"), ("pump_not_running", "open")], [])
    assert ("11:01", "exploitant", "opened") in day.sms


def test_an_empty_tower_is_told_when_of_the_pump_nobody_knows_because_a_sensor_is_stuck(day: Day) -> None:
    day.cell_is_stuck = True
    day.run_until(at("10:30"))
    day.pump_stops()
    day.run_until(at("12:00"))
    day.level_m = 0.1
    day.run_until(at("12:45"))
    assert day.explained == [("pump_not_running", "sensor_stuck")]
    assert ("12:31", "exploitant", "opened") in day.sms


def test_a_silent_gateway_is_told_to_an_engineer_or_whom_there_is_and_ends_with_the_readings(day: Day) -> None:
    day.run_until(at("10:00"))
    day.is_silent = True
    day.run_until(at("12:10"))
    assert day.alerts == [("comms_outage", "open")]
    assert len(day.sms) == 1
    day.is_silent = False
    day.run_until(at("12:20"))
    assert day.alerts == [("comms_outage", "resolved")]


def test_a_backlog_with_a_fault_that_is_over_is_recorded_and_told_to_nobody(day: Day) -> None:
    now = MORNING
    while now < at("18:00"):
        stopped = at("10:00") <= now < at("13:00")
        day.pump_w, day.flow = (4.0, 0.0) if stopped else (1100.0, 4.0)
        day.measure(now)
        now += STEP
    day.clock.set(at("18:00"))
    day.evaluator.work(day.clock.now())
    day.sender.work()
    rows = day.connection.execute("SELECT fault, state, is_late, opened_at, resolved_at FROM alert").fetchall()
    assert rows == [("pump_not_running", "resolved", True, at("11:00"), at("13:30"))]
    assert day.connection.execute("SELECT count(*) FROM notification").fetchone() == (0,)


def test_what_was_found_late_and_comes_back_is_told(day: Day) -> None:
    now = MORNING
    while now < at("13:35"):
        stopped = at("10:00") <= now < at("13:00")
        day.pump_w, day.flow = (4.0, 0.0) if stopped else (1100.0, 4.0)
        day.measure(now)
        now += STEP
    day.clock.set(at("13:35"))
    day.run_until(at("13:50"))
    assert (day.alerts, day.sms) == ([("pump_not_running", "resolved")], [])
    day.pump_stops()
    day.run_until(at("15:00"))
    assert (day.alerts, day.sms) == ([("pump_not_running", "open")], [("14:51", "exploitant", "opened")])


def test_catching_up_tells_the_same_story_as_living_through_it(day: Day, database_url: str) -> None:
    now = MORNING
    while now < at("17:00"):
        stopped = at("10:00") <= now < at("12:00")
        day.pump_w, day.flow = (4.0, 0.0) if stopped else (1100.0, 4.0)
        day.measure(now)
        now += STEP
    steps: list[tuple[int, int]] = []
    catch_up(database_url, at("17:00"), progress=lambda done, total: steps.append((done, total)))
    assert steps == [(1, 1)]
    first, opened = day.connection.execute("SELECT first_evidence_at, opened_at FROM alert").fetchall()[0]
    assert (first, opened) == (at("10:00"), at("11:00"))


def test_a_sender_killed_after_the_carrier_took_it_does_not_send_twice(day: Day) -> None:
    day.run_until(at("10:00"))
    day.pump_stops()
    while not day.connection.execute("SELECT 1 FROM notification").fetchone():
        day.evaluator.work(day.clock.now())
        if day.clock.now().minute % 5 == 0:
            day.measure(day.clock.now())
        day.clock.advance(MINUTE)
    # What the sender does until it is killed: claim, commit, hand over, and no more.
    rows = day.connection.execute(
        "UPDATE notification SET state = 'submitting', submitted_at = %s, attempts = 1, carrier = 'phone'"
        " RETURNING ref, phone, text, urgency, valid_until",
        [day.clock.now()],
    ).fetchall()
    PhoneCarrier(day.connection, day.clock).submit([Outgoing(*rows[0])])
    day.sender.work()
    assert day.connection.execute("SELECT state FROM notification").fetchall() == [("submitting",)]
    day.clock.advance(PhoneCarrier.caps.receipt_within)
    day.sender.work()
    day.sender.work()
    states = day.connection.execute("SELECT state, possible_duplicate, attempts FROM notification").fetchall()
    assert states == [("delivered", False, 1)]
    assert day.connection.execute("SELECT count(*) FROM phone_inbox").fetchone() == (1,)


def test_an_acknowledgement_is_idempotent_and_leaves_one_event(day: Day) -> None:
    day.run_until(at("10:00"))
    day.pump_stops()
    day.run_until(at("11:05"))
    ((number,),) = day.connection.execute("SELECT alert_id FROM alert").fetchall()
    assert acknowledge(day.connection, number, who="Claire (web)", now=day.clock.now())
    assert not acknowledge(day.connection, number, who="Claire (web)", now=day.clock.now())
    assert day.story.count("acknowledged") == 1
    assert not acknowledge(day.connection, 99_999, who="Claire (web)", now=day.clock.now())


def test_a_handset_shows_a_reference_once(day: Day) -> None:
    carrier = PhoneCarrier(day.connection, day.clock)
    message = Outgoing(uuid.uuid4(), EXPLOITANT, "bonjour", Urgency.ALERT, day.clock.now() + MINUTE)
    assert carrier.settle(message) is None
    carrier.submit([message])
    carrier.submit([message])
    assert carrier.settle(message) == Accepted(str(message.ref))
    assert list(carrier.events()) == [Submitted(message.ref, Accepted(str(message.ref)))] * 2
    assert day.connection.execute("SELECT count(*) FROM phone_inbox").fetchone() == (1,)
