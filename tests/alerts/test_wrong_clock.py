"""A gateway's clock goes wrong: ingestion dates its readings anew or sets them aside, and somebody hears of the clock.

Through the gateway's own packs (or a foreign device's), admission, pipeline, evaluator and sender."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from alerts.watched import fetch_wrong_packs
from gateway.wire import encode_pack, senml_topic
from gateway.zones import Zone
from ingest.admission import Message
from ingest.registry import import_zones
from tests.alerts.silent_zones import is_heard
from tests.alerts.test_late_backlog import MINUTE, START, STEP, Village

pytestmark = pytest.mark.db
HOUR = timedelta(hours=1)


class Ahead(Village):
    """One zone whose clock may be ahead; its uptime runs on."""

    ahead = timedelta(0)
    sends_after = timedelta(0)

    def measure(self, at: datetime, *, is_stopped: bool) -> None:
        before = len(self.outbox)
        super().measure(at, is_stopped=is_stopped)
        self.outbox[before:] = [
            replace(one, reading=replace(one.reading, measured_at=at + self.ahead)) for one in self.outbox[before:]
        ]

    def send(self, readings: int | None = None) -> None:
        self.clock.advance(self.sends_after)
        some, now = self.outbox[:readings], self.clock.now()
        del self.outbox[: len(some)]
        uptime_s = (now - START).total_seconds() + 60.0
        self.receive(encode_pack("1a2b3c4d", some, sent_at=now + self.ahead, sent_uptime_s=uptime_s))

    def receive(self, payload: bytes) -> None:
        micros = round(self.clock.now().timestamp() * 1e6)
        self.pipeline.store([Message(senml_topic(self.zone.zone_id, self.zone.gateway_id), payload, micros, 1, 1)])

    def hears(self, name: str, unit: str, value: float, *, ahead: timedelta = timedelta(0)) -> None:
        """A reading of a device that tells no uptime."""
        t_s = (self.clock.now() + ahead).timestamp()
        self.receive(json.dumps([{"n": name, "u": unit, "t": t_s, "v": value}]).encode())

    @property
    def clocks(self) -> list[tuple[str, timedelta]]:
        """State of each alert about the clock, and how long after the start it opened."""
        rows = self.connection.execute(
            "SELECT state, opened_at FROM alert WHERE fault = 'clock_error' ORDER BY alert_id"
        )
        return [(state, opened_at - START) for state, opened_at in rows]

    @property
    def told_of_clocks(self) -> list[str]:
        return [kind for fault, kind, _ in self.told if fault == "clock_error"]


@pytest.fixture
def unheard(database_url: str, zones: list[Zone]) -> Iterator[Ahead]:
    found = Ahead(database_url, next(zone for zone in zones if zone.zone_id == "zone-3"))
    yield found
    found.connection.close()


@pytest.fixture
def village(unheard: Ahead) -> Ahead:
    unheard.live_until(START + HOUR)
    return unheard


def test_a_clock_of_ours_that_goes_four_hours_ahead_is_told_in_a_quarter_of_an_hour_and_its_end(village: Ahead) -> None:
    village.ahead = timedelta(hours=4)
    village.live_until(START + 1 * HOUR + 3 * STEP)
    assert village.clocks == [], "three packs, and ten minutes"
    village.live_until(START + 3 * HOUR)
    assert village.clocks == [("open", HOUR + 15 * MINUTE)]
    village.ahead = timedelta(0)
    village.live_until(START + 5 * HOUR)
    assert [state for state, _ in village.clocks] == ["resolved"]
    alerts = village.connection.execute("SELECT fault FROM alert").fetchall()
    assert alerts == [("clock_error",)], "and nothing else was"
    said = village.connection.execute("SELECT evidence -> 'sentence' ->> 'en' FROM alert").fetchone()
    assert said == ("The time is off by +4.0 h: the gateway's clock is wrong.",)


def test_a_device_whose_readings_are_set_aside_for_their_time_is_one_with_a_wrong_clock(village: Ahead) -> None:
    """It tells no uptime. Its zone is silent for it; that is explained, and the clock is told."""
    minutes = 180
    while village.clock.now() < START + HOUR + minutes * MINUTE:
        village.hears("tower/level_m", "m", 1.5, ahead=4 * HOUR)
        village.work()
        village.clock.advance(STEP)
    assert village.clocks == [("open", HOUR + 15 * MINUTE)]
    assert village.told_of_clocks == ["opened"]
    alerts = village.connection.execute(
        "SELECT a.fault, c.fault FROM alert a LEFT JOIN alert c ON c.alert_id = a.explained_by ORDER BY a.alert_id"
    ).fetchall()
    assert alerts == [("clock_error", None), ("comms_outage", "clock_error")]
    village.live_until(START + HOUR + minutes * MINUTE + 2 * HOUR)
    assert {state for (state,) in village.connection.execute("SELECT state FROM alert")} == {"resolved"}


def test_a_clock_that_is_ahead_from_the_first_pack_on_is_told_though_nothing_was_ever_stored(unheard: Ahead) -> None:
    while unheard.clock.now() < START + 2 * HOUR:
        unheard.hears("tower/level_m", "m", 1.5, ahead=4 * HOUR)
        unheard.work()
        unheard.clock.advance(STEP)
    assert unheard.connection.execute("SELECT count(*) FROM latest").fetchone() == (0,)
    assert unheard.clocks == [("open", 15 * MINUTE)]
    assert unheard.told_of_clocks == ["opened"]
    unheard.live_until(START + 4 * HOUR)
    assert [state for state, _ in unheard.clocks] == ["resolved"]


def test_hours_are_told_of_packs_that_were_dated_anew_beside_what_was_set_aside(village: Ahead) -> None:
    """A meter beside the gateway tells no uptime; both have the time from the same box."""
    village.ahead = timedelta(hours=4)
    while village.clock.now() < START + 2 * HOUR:
        village.measure(village.clock.now(), is_stopped=False)
        village.send()
        village.hears("tap-01/volume_m3", "m3", 7.0, ahead=4 * HOUR)
        village.work()
        village.clock.advance(STEP)
    said = village.connection.execute("SELECT evidence -> 'sentence' ->> 'en' FROM alert").fetchone()
    assert said == ("The time is off by +4.0 h: the gateway's clock is wrong.",)


def test_a_gateways_wrong_clock_is_not_right_because_another_device_of_its_zone_is_heard(village: Ahead) -> None:
    village.ahead = timedelta(hours=4)
    village.live_until(START + 2 * HOUR)
    while village.clock.now() < START + 5 * HOUR:
        village.hears("tap-01/volume_m3", "m3", 7.0)
        village.work()
        village.clock.advance(STEP)
    assert [state for state, _ in village.clocks] == ["open"]
    village.ahead = timedelta(0)
    village.live_until(START + 7 * HOUR)
    assert [state for state, _ in village.clocks] == ["resolved"]


def test_a_wrong_clock_of_which_nothing_more_is_heard_is_not_right_again(village: Ahead, zones: list[Zone]) -> None:
    """Nor is it when its neighbour is heard all along."""
    import_zones(village.connection, [zone for zone in zones if zone.zone_id == "zone-1"])
    village.ahead = timedelta(hours=4)
    village.live_until(START + 2 * HOUR)
    while village.clock.now() < START + 5 * HOUR:
        is_heard(village.connection, "zone-1", village.clock.now())
        village.work()
        village.clock.advance(STEP)
    assert [state for state, _ in village.clocks] == ["open"]


def test_a_clock_that_is_right_after_two_days_without_a_pack_ends_what_was_told(village: Ahead) -> None:
    village.sends_after = MINUTE
    village.ahead = timedelta(hours=4)
    village.live_until(START + 2 * HOUR)
    for _ in range(48):
        village.clock.advance(HOUR)
        village.work()
    assert [state for state, _ in village.clocks] == ["open"]
    village.ahead = timedelta(0)
    village.live_until(START + 53 * HOUR)
    assert [state for state, _ in village.clocks] == ["resolved"]


def set_aside(village: Ahead, zone: str, until: datetime, seconds: int) -> None:
    """So many readings of the future are set aside, one a second until then."""
    village.connection.execute(
        "INSERT INTO set_aside (received_at, topic, zone_id, payload, reason, detail, fingerprint)"
        " SELECT at, '', %(zone)s, '', 'time_in_future', '', sha256((%(zone)s || at)::bytea)"
        " FROM generate_series(%(since)s, %(until)s, interval '1 second') AS at",
        {"zone": zone, "since": until - timedelta(seconds=seconds - 1), "until": until},
    )


def test_a_sender_of_whom_all_is_set_aside_costs_its_neighbours_nothing_and_itself_minutes(unheard: Ahead) -> None:
    day = START - timedelta(days=1)
    set_aside(unheard, "zone-3", START, 24 * 3600)
    unheard.connection.execute("ANALYZE set_aside")
    with unheard.connection.transaction():
        assert fetch_wrong_packs(unheard.connection, ["zone-1", "zone-2"], day) == {}
        read = unheard.connection.execute(
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'set_aside'"
        ).fetchone()
    assert read == (0,), "of its rows"
    assert len(fetch_wrong_packs(unheard.connection, ["zone-1", "zone-3"], day)["zone-3"].packs) == 24 * 60 + 1


def test_zones_are_asked_at_once_for_packs_since_each_ones_last_evidence(
    unheard: Ahead, zones: list[Zone], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each had one a day for six days. Of the first four the clock was told, the newest evidence some days ago."""
    some = ["zone-1", "zone-2", "zone-3", "zone-4", "zone-5"]
    import_zones(unheard.connection, zones)
    for zone in some:
        for days in range(6):
            set_aside(unheard, zone, START - timedelta(days=days), 1)
    for days, zone in enumerate(some[:4]):
        unheard.connection.execute(
            "INSERT INTO alert (zone_id, fault, asset_id, severity, state, confidence, evidence,"
            " first_evidence_at, last_evidence_at, opened_at)"
            " VALUES (%(zone)s, 'clock_error', 'gateway', 2, 'open', 0.9, '{}', %(at)s, %(at)s, %(at)s)",
            {"zone": zone, "at": START - timedelta(days=days)},
        )
    statements: list[object] = []
    execute = unheard.connection.execute

    def noted(statement: Any, *more: Any) -> Any:
        statements.append(statement)
        return execute(statement, *more)

    monkeypatch.setattr(unheard.connection, "execute", noted)
    found = fetch_wrong_packs(unheard.connection, some, START - timedelta(hours=12))
    monkeypatch.undo()
    assert [len(found[zone].packs) for zone in some] == [1, 2, 3, 4, 1]
    assert len(statements) == 1


def test_a_backlog_from_the_days_of_a_wrong_clock_is_no_wrong_clock_now(village: Ahead) -> None:
    village.ahead = timedelta(hours=4)
    for _ in range(36):
        village.measure(village.clock.now(), is_stopped=False)
        village.clock.advance(STEP)
    village.ahead = timedelta(0)
    village.clock.advance(2 * HOUR)
    while village.outbox:
        village.send(36)
        village.work()
        village.clock.advance(STEP)
    noted = village.connection.execute("SELECT count(*) FROM reading_note WHERE device_at IS NOT NULL").fetchone()
    assert noted == (36 * 6,)
    assert village.clocks == []
