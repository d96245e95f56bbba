"""The operator's network is down: six zones fall silent in the same hour, and one person hears of one thing."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from alerts.carriers.phone import PhoneCarrier
from alerts.climbing import climb
from alerts.evaluate import Evaluator, judge_due, tell_outages
from alerts.sender import Sender
from alerts.set_back import bring_back
from gateway.clock import ManualClock
from gateway.zones import Zone
from ingest.db import connect
from tests.alerts.silent_zones import fall_silent, is_heard

pytestmark = pytest.mark.db
MORNING = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


class Mast:
    """Six zones behind one mast: the last of them falls silent first, and each other five minutes later."""

    def __init__(self, url: str, zones: Sequence[Zone]) -> None:
        self.connection, self.zones = connect(url), [zone.zone_id for zone in reversed(zones)]
        fall_silent(self.connection, zones, MORNING)
        self.clock = ManualClock(MORNING + 2 * HOUR + MINUTE)
        self.restart()

    def restart(self) -> None:
        self.evaluator = Evaluator(self.connection, every=MINUTE)
        self.sender = Sender(self.connection, {"phone": PhoneCarrier(self.connection, self.clock)}, self.clock)

    def run(self, span: timedelta, *, heard: Sequence[str] = (), every: timedelta = MINUTE) -> None:
        """Let time pass, while readings come from the zones that are `heard`."""
        end = self.clock.now() + span
        while self.clock.now() < end:
            for zone in heard:
                is_heard(self.connection, zone, self.clock.now())
            self.evaluator.work(self.clock.now())
            climb(self.connection, self.clock.now())
            self.sender.work()
            self.clock.advance(every)

    def has(self, zone: str, fault: str) -> None:
        """An alert of this zone that people know already."""
        self.connection.execute(
            "INSERT INTO alert (zone_id, fault, asset_id, severity, state, first_evidence_at, last_evidence_at,"
            " opened_at, confidence, evidence) VALUES (%s, %s, 'gateway', 2, 'open', %s, %s, %s, 1, %s)",
            [zone, fault, *[MORNING - HOUR] * 3, json.dumps({"values": {}, "thresholds": {}, "channels": []})],
        )

    def ends(self, fault: str) -> None:
        self.connection.execute(
            "UPDATE alert SET state = 'resolved', cleared_at = %(now)s, resolved_at = %(now)s WHERE fault = %(fault)s",
            {"now": self.clock.now(), "fault": fault},
        )

    @property
    def told(self) -> list[str]:
        """Of whose silence people heard, in order."""
        rows = self.connection.execute(
            "SELECT zone_id FROM alert JOIN (SELECT alert_id, min(notification_id) AS at FROM notification"
            " WHERE kind = 'opened' GROUP BY alert_id) n USING (alert_id) WHERE fault = 'comms_outage' ORDER BY n.at"
        )
        return [zone for (zone,) in rows]

    @property
    def explained(self) -> list[str]:
        """Whose silence that goes on has another name."""
        rows = self.connection.execute(
            "SELECT zone_id FROM alert"
            " WHERE fault = 'comms_outage' AND state <> 'resolved' AND explained_by IS NOT NULL"
        )
        return sorted(zone for (zone,) in rows)

    def story(self, zone: str) -> list[str]:
        rows = self.connection.execute(
            "SELECT kind FROM alert_event JOIN alert USING (alert_id) WHERE zone_id = %s AND fault = 'comms_outage'"
            " ORDER BY event_id",
            [zone],
        )
        return [kind for (kind,) in rows]


@pytest.fixture
def mast(database_url: str, zones: list[Zone]) -> Iterator[Mast]:
    found = Mast(database_url, zones)
    yield found
    found.connection.close()


def test_six_zones_that_fall_silent_together_are_one_event(mast: Mast) -> None:
    mast.run(10 * MINUTE)
    first, *others = mast.zones
    assert (mast.told, mast.explained) == ([first], sorted(others))


def test_a_zone_that_stays_silent_when_the_mast_is_back_is_told_an_hour_later(mast: Mast) -> None:
    mast.run(10 * MINUTE)
    first, *others, dead = mast.zones
    mast.run(HOUR - MINUTE, heard=[first, *others], every=5 * MINUTE)
    assert mast.told == [first], "it has an hour to come back by itself"
    mast.restart()
    mast.run(10 * HOUR, heard=[first, *others], every=15 * MINUTE)
    assert (mast.told, mast.explained) == ([first, dead], [])
    assert mast.story(dead) == ["opened", "explained", "outlived", "told", "delivered"]


def test_a_zone_that_comes_back_a_little_later_than_the_mast_is_told_to_nobody(mast: Mast) -> None:
    mast.run(10 * MINUTE)
    first, *others, slow = mast.zones
    mast.run(50 * MINUTE, heard=[first, *others], every=5 * MINUTE)
    mast.run(3 * HOUR, heard=mast.zones, every=15 * MINUTE)
    assert (mast.told, mast.explained) == ([first], [])
    assert mast.story(slow) == ["opened", "explained", "resolved"]


def test_five_zones_that_stay_silent_when_the_first_is_back_are_one_event_again(mast: Mast) -> None:
    mast.run(10 * MINUTE)
    first, second, *others = mast.zones
    mast.run(3 * HOUR, heard=[first], every=15 * MINUTE)
    assert (mast.told, mast.explained) == ([first, second], sorted(others))


def test_five_zones_of_which_two_judges_see_some_each_are_one_event_again(mast: Mast, database_url: str) -> None:
    mast.run(10 * MINUTE)
    first, *others = mast.zones
    mast.clock.advance(HOUR)
    is_heard(mast.connection, first, mast.clock.now())
    judge_due(mast.connection, mast.clock.now(), every=MINUTE, at_once=None, taken=[])
    mast.clock.advance(2 * HOUR)
    is_heard(mast.connection, first, mast.clock.now())
    with connect(database_url) as other:
        for judge in (mast.connection, other):
            judged = judge_due(judge, mast.clock.now(), every=MINUTE, at_once=3, taken=[])
            assert len(judged) == 3
            tell_outages(judge, mast.clock.now(), every=MINUTE)
    assert len(mast.told) == 2
    assert (mast.told[0], len(mast.explained)) == (first, len(others) - 1)


def test_who_fell_silent_first_for_a_reason_of_its_own_does_not_keep_the_others_from_being_told(mast: Mast) -> None:
    first, second, *others = mast.zones
    mast.has(first, "gateway_battery_low")
    mast.run(70 * MINUTE, every=5 * MINUTE)
    assert (mast.told, mast.explained) == ([second], sorted([first, *others]))
    mast.ends("gateway_battery_low")
    mast.run(2 * HOUR, every=15 * MINUTE)
    assert (mast.told, mast.explained) == ([second], sorted([first, *others])), "what was told explains it now"


def test_a_zone_that_stays_silent_for_a_reason_of_its_own_is_explained_by_that(mast: Mast) -> None:
    mast.run(10 * MINUTE)
    first, *others, dead = mast.zones
    mast.has(dead, "gateway_battery_low")
    mast.run(3 * HOUR, heard=[first, *others], every=15 * MINUTE)
    assert (mast.told, mast.explained) == ([first], [dead])
    assert mast.story(dead) == ["opened", "explained", "outlived", "explained"]


def test_a_silence_that_the_clock_alone_made_ends_once_the_clock_is_right(mast: Mast) -> None:
    mast.run(5 * MINUTE, heard=mast.zones)
    before = mast.clock.now()
    mast.clock.set(before + timedelta(days=1))
    mast.run(3 * MINUTE)
    live = "SELECT count(*) FROM alert WHERE fault = 'comms_outage' AND state <> 'resolved'"
    assert mast.connection.execute(live).fetchone() == (len(mast.zones),), "by the clock all have been silent for a day"
    mast.clock.set(before + 4 * MINUTE)
    bring_back(mast.connection, mast.clock.now())
    mast.run(HOUR, heard=mast.zones)
    assert mast.connection.execute(live).fetchone() == (0,)
