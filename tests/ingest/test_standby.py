"""A second ingest of the same number stands by: it takes over within a second of a kill and within six of a freeze,
and whoever comes back from a freeze can neither write nor confirm anything."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from alerts.watchdog import look_at_parts
from gateway.clock import ManualClock
from gateway.config import MqttSettings
from gateway.zones import Zone
from ingest.config import IngestConfig
from ingest.db import Connection, connect
from ingest.errors import Superseded
from ingest.lease import Lease
from ingest.registry import import_zones
from ingest.standby import Standby
from ndiyan.embedded_broker import EmbeddedBroker
from tests.ingest.process import IngestProcess, book, wait_for_readings, wait_until
from tests.ingest.talker import Talker

pytestmark = [pytest.mark.db]
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
AFTER_KILL_S, AFTER_FREEZE_S = 2.0, 6.0  # promised is one second, on a machine that has time: it prints what it took


@pytest.fixture
def pair(broker: EmbeddedBroker, database_url: str, zones: list[Zone], tmp_path: Path) -> Iterator[list[IngestProcess]]:
    """Two of the same number: the first does the work, the second stands by."""
    with connect(database_url) as connection:
        import_zones(connection, zones)
    running = []
    try:
        for name, words in (("first", "session new"), ("second", "we stand by")):
            running.append(IngestProcess(database_url, broker.ingest_settings, tmp_path / f"{name}.log"))
            running[-1].wait_for(words)
        yield running
    finally:
        for process in running:
            process.end()


@pytest.mark.broker
@pytest.mark.slow
def test_who_stands_by_takes_over_from_one_frozen_and_from_one_killed(
    pair: list[IngestProcess], broker: EmbeddedBroker, database_url: str, zones: list[Zone]
) -> None:
    first, second = pair
    gateway = Talker(broker.settings_for(zones[0].gateway_id), zones[0], pause_s=0.005)
    try:
        gateway.wait_answered(50)
        os.kill(first.pid, signal.SIGSTOP)
        frozen_s = silence_after(gateway)
        os.kill(first.pid, signal.SIGCONT)
        first.wait_for("what is not stored comes to it")
        first.wait_for("we stand by")
        os.kill(second.pid, signal.SIGKILL)
        killed_s = silence_after(gateway)
        sent = gateway.hush()
        wait_for_readings(database_url, sent)
    finally:
        gateway.leave()
    print(f"\nanswered again {frozen_s:.2f} s after a freeze, {killed_s:.2f} s after a kill")
    assert (frozen_s < AFTER_FREEZE_S, killed_s < AFTER_KILL_S) == (True, True), (frozen_s, killed_s)
    stored, _, conflicts, aside, missing = book(database_url)
    assert (stored, conflicts, aside, missing) == (sent, 0, 0, 0)
    assert "ERROR" not in first.log() + second.log()
    assert first.log().count("connected to the broker") == 2, "it never took the session back while it was superseded"


def silence_after(gateway: Talker) -> float:
    """Until what is said from now on is answered [s]."""
    begin_s = time.monotonic()
    last = len(gateway.sent_s)
    wait_until(lambda: any(seq > last for seq in list(gateway.answered_s)), lambda: "nothing is answered")
    return min(at_s for seq, at_s in gateway.answered_s.items() if seq > last) - begin_s


class Writer:
    """The lease and the writing connection of one process."""

    def __init__(self, url: str) -> None:
        self.lease, self.connection = Lease(url, 1), connect(url)

    def close(self) -> None:
        self.lease.close()
        self.connection.close()


@pytest.fixture
def writers(database_url: str) -> Iterator[tuple[Writer, Writer]]:
    both = Writer(database_url), Writer(database_url)
    yield both
    for one in both:
        one.close()


def end_lease(connection: Connection) -> None:
    """As the server does when nothing was said on it for too long."""
    ended = connection.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'ndiyan-ingest-lease'"
        " AND datname = current_database() AND pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory')"
    ).fetchall()
    assert ended == [(True,)]


def test_who_lost_the_lease_is_cut_off_in_the_middle_of_a_transaction_and_finds_no_way_back(
    writers: tuple[Writer, Writer], database_url: str
) -> None:
    old, new = writers
    old.lease.take()
    old.lease.take_pen(old.connection)
    with pytest.raises(Superseded, match="another process is worker 1 of ingest"):
        new.lease.take()
    old.connection.execute("BEGIN")
    old.connection.execute("INSERT INTO heartbeat VALUES ('old', now())")
    end_lease(new.connection)
    new.lease.take()
    new.lease.take_pen(new.connection)
    with pytest.raises(psycopg.errors.AdminShutdown):
        old.connection.execute("COMMIT")
    assert new.connection.execute("SELECT service FROM heartbeat").fetchall() == []
    wait_until(lambda: not old.lease.is_held, lambda: "it believes that it has the lease")
    with pytest.raises(Superseded):
        old.lease.take()
    old.lease._renew()  # on the connection on which it now only asks
    assert not old.lease.is_held
    with pytest.raises(Superseded):
        old.lease.take()


def test_the_server_ends_a_lease_on_which_nothing_is_said(
    writers: tuple[Writer, Writer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.lease.SILENT_S", 0.2)
    monkeypatch.setattr("ingest.lease.RENEW_S", 60.0)
    old, new = writers
    old.lease.take()

    def takes_over() -> bool:
        try:
            new.lease.take()
        except Superseded:
            return False
        return True

    wait_until(takes_over, lambda: "the lease is never free")
    assert not old.lease.is_held


def test_who_stands_by_is_missed_when_it_has_died_or_taken_over_and_not_when_it_has_ended(
    database_url: str, writers: tuple[Writer, Writer]
) -> None:
    """Nobody is missed where nobody stood by for longer than a connection of our own takes to end."""
    clock, uptime_s = ManualClock(NOON), [0.0]

    def pass_by(seconds: float) -> list[tuple[str, str]]:
        uptime_s[0] += seconds
        clock.advance(timedelta(seconds=seconds))
        with connect(database_url) as connection:
            return [(one.full_name, one.why) for one in look_at_parts(connection, clock) if one.name == "standby"]

    first, second = writers
    first.lease.take()
    with pytest.raises(Superseded):
        second.lease.take()
    config = replace(IngestConfig(database_url, MqttSettings("127.0.0.1", 1883)), worker=2, workers=2)
    standby = Standby(config, second.lease, clock, now_s=lambda: uptime_s[0])
    standby.begin()
    for seconds in (0, 29):
        assert pass_by(seconds) == []
        standby.look()
    standby.end()
    assert pass_by(1) == []
    standby.look()
    assert pass_by(119) == [("standby@2", "")]
    assert pass_by(2) == [("standby@2", "no_heartbeat")]
    standby.look()
    assert pass_by(0) == [("standby@2", "")]
    standby.end()
    assert pass_by(3600) == []
