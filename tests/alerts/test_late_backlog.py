"""Three days without network, then everything at once: stored, rolled up, judged at the times when it happened, and
told to nobody as if it were now. From the gateway's own packs through admission, pipeline, evaluator and sender."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from alerts.carriers.phone import PhoneCarrier
from alerts.evaluate import Evaluator
from alerts.sender import Sender
from gateway.clock import ManualClock
from gateway.model import AssetId, Reading
from gateway.wire import Queued, encode_pack, senml_topic
from gateway.zones import Zone
from ingest.admission import Message
from ingest.db import connect
from ingest.pipeline import Pipeline
from ingest.registry import import_zones

pytestmark = pytest.mark.db
START = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
STEP, MINUTE, DAY = timedelta(minutes=5), timedelta(minutes=1), timedelta(days=1)
CHANNELS = 6
PACK = 180  # readings: half an hour of all channels and more
STOPPED = START + timedelta(days=1, hours=4), START + timedelta(days=1, hours=7)  # 10:00 to 13:00 of the second day
BACK = START + timedelta(days=3, hours=4)  # the network is there again at 10:00 of the fourth day


class Village:
    """One zone whose gateway measures every five minutes and keeps what it cannot send."""

    def __init__(self, url: str, zone: Zone) -> None:
        self.connection = connect(url)
        import_zones(self.connection, [zone])
        self.zone = zone
        self.clock = ManualClock(START)
        self.pipeline = Pipeline(self.connection)
        self.evaluator = Evaluator(self.connection, every=MINUTE)
        self.sender = Sender(self.connection, {"phone": PhoneCarrier(self.connection, self.clock)}, self.clock)
        self.outbox: list[Queued] = []
        self.seq = 0
        self.rng = np.random.default_rng(7)

    def measure(self, at: datetime, *, is_stopped: bool) -> None:
        """All channels at one moment: half a sine of sun over the day, and a pump that follows it unless stopped."""
        hour = at.hour + at.minute / 60
        sun = 900.0 * max(0.0, np.sin(np.pi * (hour - 6.5) / 12))
        runs = 0.0 if is_stopped or sun < 250 else sun / 900
        values = {
            ("pv", "irradiance_w_m2"): max(0.0, sun + self.rng.normal(0, 3)) if sun else 0.0,
            ("pump", "power_w"): 1100.0 * runs if runs else 4.0,
            ("pump", "flow_m3_h"): 4.0 * runs,
            ("tower", "level_m"): 1.7 + 0.2 * np.sin(2 * np.pi * hour / 24) + self.rng.normal(0, 0.004),
            ("tower", "outflow_m3_h"): 1.2 + self.rng.normal(0, 0.05),
            ("borehole", "water_depth_m"): 28.0 + 2 * runs + self.rng.normal(0, 0.05),
        }
        assert len(values) == CHANNELS
        for (asset, channel), value in values.items():
            self.seq += 1
            uptime_s = (at - START).total_seconds() + 60.0
            self.outbox.append(Queued(self.seq, uptime_s, Reading(AssetId(asset), channel, at, float(value))))

    def send(self, readings: int | None = None) -> None:
        """Hand the oldest readings (or all) over, in packs as the gateway writes them."""
        some = self.outbox[:readings]
        del self.outbox[: len(some)]
        self.pipeline.store([self._message(some[first : first + PACK]) for first in range(0, len(some), PACK)])

    def _message(self, entries: Sequence[Queued]) -> Message:
        now = self.clock.now()
        uptime_s = (now - START).total_seconds() + 60.0
        payload = encode_pack("1a2b3c4d", entries, sent_at=now, sent_uptime_s=uptime_s)
        return Message(
            senml_topic(self.zone.zone_id, self.zone.gateway_id), payload, round(now.timestamp() * 1e6), 1, 1
        )

    def work(self) -> None:
        """Alerts and sender take their turns."""
        self.evaluator.work(self.clock.now())
        self.sender.work()

    def live_until(self, end: datetime, *, is_stopped: bool = False) -> None:
        """Measure, send and judge until `end`."""
        while self.clock.now() < end:
            self.measure(self.clock.now(), is_stopped=is_stopped)
            self.send()
            self.work()
            self.clock.advance(STEP)

    def without_network_until(self, end: datetime, *, stopped: tuple[datetime, datetime]) -> None:
        """Measure and keep until `end`; judge now and then, as there is nothing new."""
        while self.clock.now() < end:
            now = self.clock.now()
            self.measure(now, is_stopped=stopped[0] <= now < stopped[1])
            if now.hour % 8 == 0 and now.minute == 0:
                self.work()
            self.clock.advance(STEP)

    @property
    def pump_alerts(self) -> list[tuple[str, datetime, datetime, datetime | None]]:
        """(state, first evidence, opened, resolved) of each alert about a stopped pump."""
        return self.connection.execute(
            "SELECT state, first_evidence_at, opened_at, resolved_at FROM alert"
            " WHERE fault = 'pump_not_running' ORDER BY alert_id"
        ).fetchall()

    @property
    def told(self) -> list[tuple[str, str, datetime]]:
        """(fault, kind, when) of every SMS."""
        return self.connection.execute(
            "SELECT fault, kind, created_at FROM notification JOIN alert USING (alert_id) ORDER BY notification_id"
        ).fetchall()


@pytest.fixture
def village(database_url: str, zones: list[Zone]) -> Iterator[Village]:
    """Zone 3, two hours into its first day and then cut off for three."""
    found = Village(database_url, next(zone for zone in zones if zone.zone_id == "zone-3"))
    found.live_until(START + timedelta(hours=2))
    yield found
    found.connection.close()


def account_of(village: Village) -> dict[str, int]:
    names = "sent", "arrived", "received", "stored", "duplicate", "conflict", "set_aside", "late"
    sums = ", ".join(f"sum({name})::int8" for name in names)
    (row,) = village.connection.execute(f"SELECT {sums} FROM gateway_day").fetchall()
    return dict(zip(names, row, strict=True))


def test_a_backlog_of_three_days_is_stored_rolled_up_judged_in_its_time_and_told_to_nobody(village: Village) -> None:
    village.without_network_until(BACK, stopped=STOPPED)
    assert [(fault, kind) for fault, kind, _ in village.told] == [("comms_outage", "opened")], "silence is told at once"
    kept = len(village.outbox)
    assert kept == CHANNELS * 12 * (3 * 24 + 2)
    village.send()
    village.work()

    account = account_of(village)
    assert account["sent"] == account["arrived"] == account["received"] == account["stored"] == village.seq
    assert account["late"] == kept - CHANNELS * 12, "all but the last hour"
    hours = village.connection.execute(
        "SELECT h.n, h.max FROM reading_hourly h JOIN channel c USING (channel_id)"
        " WHERE c.name = 'power_w' AND c.asset_id = 'pump' AND h.hour >= %s AND h.hour < %s ORDER BY h.hour",
        STOPPED,
    ).fetchall()
    assert hours == [(12, 4.0)] * 3, "the rollups know the hours in which the pump stood"

    (alert,) = village.pump_alerts
    state, first, opened, resolved = alert
    assert resolved is not None
    assert (state, first) == ("resolved", STOPPED[0])
    assert STOPPED[0] < opened < STOPPED[1] < resolved < STOPPED[1] + timedelta(hours=1)
    events = village.connection.execute(
        "SELECT kind, at FROM alert_event JOIN alert USING (alert_id)"
        " WHERE fault = 'pump_not_running' ORDER BY event_id"
    ).fetchall()
    assert events == [("opened", opened), ("resolved", resolved)], "in history, not now"
    assert {fault for fault, _, _ in village.told} == {"comms_outage"}
    village.live_until(BACK + timedelta(hours=1))
    assert {fault for fault, _, _ in village.told} == {"comms_outage"}, "nor does an hour of life bring it up"
    outage = village.connection.execute("SELECT state FROM alert WHERE fault = 'comms_outage'").fetchall()
    assert outage == [("resolved",)]


def test_a_backlog_that_trickles_in_for_an_hour_tells_the_same_history(village: Village) -> None:
    village.without_network_until(BACK, stopped=STOPPED)
    while len(village.outbox) > CHANNELS:
        village.send(3 * PACK)
        village.work()
        village.clock.advance(STEP)
        village.measure(village.clock.now(), is_stopped=False)
    village.work()
    (alert,) = village.pump_alerts
    state, first, opened, resolved = alert
    assert resolved is not None
    assert (state, first) == ("resolved", STOPPED[0])
    assert STOPPED[0] < opened < STOPPED[1] < resolved < STOPPED[1] + timedelta(hours=1)
    assert {fault for fault, _, _ in village.told} == {"comms_outage"}
    account = account_of(village)
    assert account["arrived"] == account["stored"] == village.seq - len(village.outbox)
    assert (account["duplicate"], account["conflict"], account["set_aside"]) == (0, 0, 0)


def test_a_fault_that_began_in_the_backlog_and_is_still_on_is_told_once_and_now(village: Village) -> None:
    still = BACK - timedelta(minutes=90), BACK + DAY
    village.without_network_until(BACK, stopped=still)
    village.send()
    village.work()
    village.live_until(BACK + timedelta(minutes=20), is_stopped=True)
    (alert,) = village.pump_alerts
    assert alert[:2] == ("open", still[0])
    pump = [(kind, at) for fault, kind, at in village.told if fault == "pump_not_running"]
    assert pump == [("opened", BACK)]


def battery_is_heard(village: Village) -> None:
    """A channel of the zone is live while the gateway's past is under way."""
    now = village.clock.now()
    payload = b'[{"n":"gateway/battery_v","u":"V","v":12.6,"t":%d}]' % now.timestamp()
    topic = senml_topic(village.zone.zone_id, village.zone.gateway_id)
    village.pipeline.store([Message(topic, payload, round(now.timestamp() * 1e6), 1, 1)])


def test_a_fault_of_days_ago_whose_end_is_still_under_way_is_told_to_nobody(village: Village) -> None:
    """What has come by now ends in the second hour of the standstill; the rest comes two minutes later."""
    village.without_network_until(BACK, stopped=STOPPED)
    battery_is_heard(village)
    village.work()
    village.clock.advance(2 * MINUTE)
    village.send(CHANNELS * 12 * 28)
    village.work()
    (alert,) = village.pump_alerts
    assert alert[:2] == ("open", STOPPED[0])
    village.clock.advance(2 * MINUTE)
    village.send()
    village.work()
    (alert,) = village.pump_alerts
    assert alert[:2] == ("resolved", STOPPED[0])
    village.clock.advance(timedelta(hours=1))
    village.work()
    assert {fault for fault, _, _ in village.told} == {"comms_outage"}


def test_a_backlog_behind_a_sensor_that_was_heard_all_along_is_judged_too(village: Village) -> None:
    village.without_network_until(BACK, stopped=STOPPED)
    battery_is_heard(village)
    village.work()
    assert village.pump_alerts == []
    village.clock.advance(STEP)
    village.send()
    village.work()
    (alert,) = village.pump_alerts
    assert alert[:2] == ("resolved", STOPPED[0])
    assert {fault for fault, _, _ in village.told} == {"comms_outage"}
    assert village.connection.execute("SELECT count(*) FROM late_arrival").fetchone() == (0,)
    village.clock.advance(STEP)
    village.work()
    assert village.pump_alerts == [alert], "and once"
