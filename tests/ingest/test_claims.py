"""Several workers of ingest: who hears which zone, and that nothing is unheard while zones change hands."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from gateway.clock import ManualClock
from gateway.config import MqttSettings
from gateway.wire import senml_topic, zone_uplinks
from gateway.zones import Zone
from ingest import mqtt
from ingest.admission import Message
from ingest.claims import SQL, FirstWorker, OtherWorker, fetch_claims, move, worker_of
from ingest.columns import Columns
from ingest.config import IngestConfig
from ingest.db import Connection, connect
from ingest.pipeline import Pipeline
from ingest.registry import import_zones
from ingest.subscriber import Subscriber
from ingest.writer import ReadingWriter, Written
from ndiyan.embedded_broker import EmbeddedBroker
from tests.ingest.process import IngestProcess, book, wait_for_readings, wait_until
from tests.ingest.talker import Talker

START = datetime(2026, 3, 2, 10, 40, tzinfo=UTC)
HASTY = (
    "from ingest import claims, service; claims.SETTLE_S = 0.3; service.HEARTBEAT_S = 0.1;"
    " from ndiyan.cli import main; main()"
)


def test_zones_fall_to_workers_evenly_and_a_worker_more_moves_only_its_share() -> None:
    zones = [f"zone-{number}" for number in range(6000)]
    three, four = ([worker_of(zone, workers) for zone in zones] for workers in (3, 4))
    counts = Counter(three)
    assert set(counts) == {1, 2, 3}
    assert all(abs(count - 2000) < 150 for count in counts.values()), "4 standard deviations of a binomial: 146"
    moved = [after for before, after in zip(three, four, strict=True) if before != after]
    assert set(moved) == {4}
    assert abs(len(moved) - 1500) < 150
    assert worker_of("zone-1", 1) == 1


@pytest.fixture
def connection(database_url: str, zones: list[Zone]) -> Iterator[Connection]:
    with connect(database_url) as opened:
        import_zones(opened, zones)
        yield opened


class Deaf:
    """Receives nothing."""

    def deliver(self, messages: list[Message]) -> None:
        raise AssertionError(messages)

    def has_room(self) -> bool:
        return True

    def begin_again(self, since: int) -> None:
        raise AssertionError("nothing was begun")


class Kept(Deaf):
    """Whose session the broker may have kept."""

    def begin_again(self, since: int) -> None:
        """Nothing was begun."""


def level(channel: int, *values: float) -> Columns:
    """A minute apart, from `START` on."""
    t_us = np.array([round(START.timestamp() * 1e6) + 60_000_000 * n for n in range(len(values))])
    return Columns(
        np.full(len(values), channel, dtype=np.int32), t_us, t_us, np.array(values), np.ones(len(values), np.int16)
    )


@pytest.mark.db
def test_writers_of_different_workers_do_not_wait_for_each_other(
    connection: Connection, database_url: str, zones: list[Zone]
) -> None:
    here, there = first_channels(connection, zones)
    move(connection, "claim", 2, [zones[1].zone_id])
    with connect(database_url) as other:
        mine, theirs = ReadingWriter(connection), ReadingWriter(other)
        other.execute("SET lock_timeout = '5s'")
        assert mine.write(level(here, 1.0)) == theirs.write(level(there, 2.0)) == Written(1, 0, 0), "makes the week"
        with connection.transaction():
            assert mine.write(level(here, 1.0, 1.5)) == Written(1, 1, 0)
            assert theirs.write(level(there, 2.0, 2.5)) == Written(1, 1, 0)
        holders = dict(connection.execute("SELECT worker, holder FROM writer_turn").fetchall())
    assert holders[1] != holders[2]


@pytest.mark.db
def test_who_writes_a_zone_that_has_changed_hands_reads_anew_what_the_other_has_written(
    connection: Connection, database_url: str, zones: list[Zone]
) -> None:
    _, channel = first_channels(connection, zones)
    with connect(database_url) as other:
        mine, theirs = ReadingWriter(connection), ReadingWriter(other)
        assert mine.write(level(channel, 1.0)) == Written(1, 0, 0)
        move(connection, "claim", 2, [zones[1].zone_id])
        assert theirs.write(level(channel, 1.0, 2.0)) == Written(1, 1, 0)
        assert mine.write(level(channel, 1.0, 2.0, 3.0)) == Written(1, 2, 0), "what had waited in its session"
        assert theirs.write(level(channel, 1.0, 2.0, 3.0, 4.0)) == Written(1, 3, 0)
    newest = connection.execute("SELECT value FROM latest WHERE channel_id = %s", [channel]).fetchone()
    assert newest == (4.0,)


def first_channels(connection: Connection, zones: list[Zone]) -> tuple[int, int]:
    """A channel of each of the first two zones."""
    rows = connection.execute("SELECT zone_id, min(channel_id) FROM channel GROUP BY zone_id").fetchall()
    ids = dict(rows)
    return ids[zones[0].zone_id], ids[zones[1].zone_id]


@pytest.mark.db
def test_a_worker_knows_the_clock_of_a_boot_that_another_has_heard(
    connection: Connection, database_url: str, zones: list[Zone]
) -> None:
    """A gateway without a clock: its readings are dated by the uptime at which another worker heard it first."""
    zone, received_us = zones[1], round(START.timestamp() * 1e6)
    record = {"bn": "tower/", "n": "level_m", "u": "m", "v": 1.0, "boot": "ab"}

    def pack(seq: int, uptime_s: float) -> Message:
        body = json.dumps([record | {"seq": seq, "sent": 0.0, "bup": uptime_s, "sup": uptime_s}]).encode()
        return Message(senml_topic(zone.zone_id, zone.gateway_id), body, received_us, seq, 1)

    with connect(database_url) as other:
        first, second = Pipeline(connection), Pipeline(other)
        first.store([pack(1, 100.0)])
        move(connection, "claim", 2, [zone.zone_id])
        second.look_at_registry()
        assert second._anchors == {(zone.zone_id, zone.gateway_id, "ab"): received_us - 100_000_000}


@pytest.mark.db
def test_what_two_workers_hear_at_once_is_stored_once_though_each_dates_it_by_itself(
    connection: Connection, database_url: str, zones: list[Zone]
) -> None:
    """A gateway without a clock while its zone changes hands: two estimates of one reading are milliseconds apart."""
    zone, came_us = zones[1], round(START.timestamp() * 1e6)
    record = {"bn": "tower/", "n": "level_m", "u": "m", "v": 1.0, "boot": "ab", "seq": 1}
    body = json.dumps([record | {"sent": 0.0, "bup": 100.0, "sup": 100.0}]).encode()
    earlier, later = (
        Message(senml_topic(zone.zone_id, zone.gateway_id), body, came_us + late_us, 1, 1) for late_us in (0, 3000)
    )
    with connect(database_url) as other, ThreadPoolExecutor(1) as thread:
        first, second = Pipeline(connection), Pipeline(other)
        move(connection, "claim", 2, [zone.zone_id])
        with connection.transaction():
            first.store([earlier])
            again = thread.submit(second.store, [later])
            with pytest.raises(TimeoutError):
                again.result(0.5)
        assert (again.result(10).stored, again.result().duplicate) == (0, 1)
    assert connection.execute("SELECT count(*) FROM reading").fetchone() == (1,)


@pytest.mark.db
@pytest.mark.broker
@pytest.mark.slow
def test_workers_come_and_go_under_load_and_every_reading_is_stored_once(
    broker: EmbeddedBroker, connection: Connection, database_url: str, zones: list[Zone], tmp_path: Path
) -> None:
    """One worker becomes three, the broker is restarted, a worker is killed, another is killed and taken away."""

    def start(worker: int, of: int) -> IngestProcess:
        running.append(IngestProcess(
            database_url, broker.ingest_settings, tmp_path / f"worker-{worker}.log", program=HASTY,
            arguments=["--worker", str(worker), "--of", str(of)],
        ))  # fmt: skip
        return running[-1]

    def heard_by() -> dict[str, int]:
        """Zones that the first worker passes over, and whose they are."""
        return {zone: one.worker for zone, one in fetch_claims(connection).items() if one.is_passed}

    share = {zone.zone_id: worker_of(zone.zone_id, 3) for zone in zones}
    assert set(share.values()) == {1, 2, 3}, "each has some"
    running: list[IngestProcess] = []
    talking: list[Talker] = []
    try:
        start(1, 1).wait_for("session new")
        talking += [Talker(broker.settings_for(one.gateway_id), one, pause_s=0.03) for one in zones]
        second, third = start(2, 3), start(3, 3)
        of_others = {zone: worker for zone, worker in share.items() if worker > 1}
        wait_until(lambda: heard_by() == of_others, lambda: f"{heard_by()} and not {of_others}: {third.log()}")
        answered_more(talking)

        broker.restart()
        answered_more(talking)

        second.end()
        second.start()
        answered_more(talking)

        third.end()  # what waits in its session is stored by who takes its place
        last = start(3, 2)
        assert last.wait() == 0, last.log()
        assert "nothing waits for us: we end" in last.log()
        second_zones = {zone for zone, worker in heard_by().items() if worker == 2}
        assert second_zones == set(heard_by()) >= {zone for zone, worker in share.items() if worker == 2}
        answered_more(talking)
        sent = [one.hush() for one in talking]
        wait_for_readings(database_url, sum(sent))
    finally:
        for gateway in talking:
            gateway.leave()
        for process in running:
            process.end()
    stored, _, conflicts, aside, missing = book(database_url)
    assert (stored, conflicts, aside, missing) == (sum(sent), 0, 0, 0)
    twice = connection.execute("SELECT count(*) - count(DISTINCT (channel_id, measured_at)) FROM reading").fetchone()
    assert twice == (0,)
    beats = {service for (service,) in connection.execute("SELECT service FROM heartbeat")}
    assert {"ingest", "ingest@2"} <= beats
    assert "ingest@3" not in beats, "nobody waits to hear of it"
    assert all("ERROR" not in process.log() for process in running)


def answered_more(talking: list[Talker]) -> None:
    """Each is answered what it says from now on."""
    counts = [len(one.sent_s) for one in talking]
    for one, count in zip(talking, counts, strict=True):
        one.wait_answered(count + 20)


@pytest.mark.db
@pytest.mark.broker
def test_a_session_that_was_not_left_is_left_again_when_it_brings_what_is_anothers(
    broker: EmbeddedBroker, connection: Connection, zones: list[Zone]
) -> None:
    """As a broker has it that was killed before it wrote down that a zone was left."""
    config = IngestConfig("", broker.ingest_settings).of_worker(2, 1)
    subscriber = Subscriber(config, ManualClock(START), Deaf())
    worker = OtherWorker(subscriber, worker=2, workers=1)
    topic = zone_uplinks(zones[0].zone_id)
    subscriber.start()
    try:
        wait_until(lambda: subscriber.is_connected, lambda: "no link")
        subscriber.read_also([topic])
        wait_until(lambda: subscriber.hears(topic), lambda: "not granted")
        worker.note([zones[0].zone_id])
        worker.look(connection, None, is_empty=True, also=())
        wait_until(lambda: subscriber.has_left(topic), lambda: "not left")

        def has_gone() -> bool:
            worker.look(connection, None, is_empty=True, also=())
            return worker.has_gone

        wait_until(has_gone, lambda: "its mark never comes")
    finally:
        subscriber.stop(for_good=True)


@pytest.mark.db
@pytest.mark.broker
@pytest.mark.slow
def test_a_broker_that_lost_its_store_while_a_worker_is_away_has_its_zones_stored_by_the_first(
    broker: EmbeddedBroker, connection: Connection, database_url: str, zones: list[Zone], tmp_path: Path
) -> None:
    """The claims of the second are old, but the broker of now has no session of it."""
    first, second = (
        IngestProcess(
            database_url, broker.ingest_settings, tmp_path / f"worker-{worker}.log", program=HASTY,
            arguments=["--worker", str(worker), "--of", "2"],
        )
        for worker in (1, 2)
    )  # fmt: skip
    of_second = {zone.zone_id for zone in zones if worker_of(zone.zone_id, 2) == 2}

    def passed() -> set[str]:
        return {zone for zone, one in fetch_claims(connection).items() if one.is_passed}

    talking: list[Talker] = []
    try:
        wait_until(lambda: passed() == of_second, lambda: f"{passed()} and not {of_second}: {second.log()}")
        talking += [
            Talker(broker.settings_for(one.gateway_id), one, pause_s=0.03) for one in zones if one.zone_id in of_second
        ]
        answered_more(talking)
        second.end()
        broker.kill()
        for kept in broker.folder.glob("mosquitto.db*"):
            kept.unlink()
        broker.start()
        first.wait_for("session new", times=2)
        answered_more(talking)
        wait_until(lambda: doubted(connection) == of_second, lambda: f"{doubted(connection)} and not {of_second}")
        begins = [len(one.sent_s) for one in talking]
        second.start()
        wait_until(lambda: not doubted(connection), lambda: f"{doubted(connection)} are doubted: {second.log()}")
        for _ in range(2):  # and the first passes them over again
            answered_more(talking)
        spoken = [
            (one, number)
            for one, begin in zip(talking, begins, strict=True)
            for number in range(begin + 1, len(one.sent_s) + 1)
        ]

        def lost() -> list[int]:
            return [number for one, number in spoken if number not in one.answered_s]

        wait_until(lambda: not lost(), lambda: f"{lost()} of {len(spoken)} are answered by nobody")
    finally:
        for gateway in talking:
            gateway.leave()
        for process in (first, second):
            process.end()


def doubted(connection: Connection) -> set[str]:
    """Zones of which nobody knows whether their worker hears them."""
    return {zone for zone, one in fetch_claims(connection).items() if one.doubted_at is not None}


@pytest.mark.db
@pytest.mark.broker
def test_a_mark_that_was_sent_before_the_first_doubted_again_answers_nothing(
    broker: EmbeddedBroker, connection: Connection, zones: list[Zone]
) -> None:
    config = IngestConfig("", broker.ingest_settings).of_worker(2, 2)
    subscriber = Subscriber(config, ManualClock(START), Deaf())
    worker = OtherWorker(subscriber, worker=2, workers=2)
    share = {zone.zone_id for zone in zones if worker_of(zone.zone_id, 2) == 2}

    def look() -> None:
        worker.look(connection, zones, is_empty=True, also=())

    subscriber.start()
    try:
        wait_until(lambda: subscriber.is_connected, lambda: "no link")
        look()
        wait_until(lambda: all(map(subscriber.hears, map(zone_uplinks, share))), lambda: "not granted")
        look()
        assert doubted(connection) == share, "as every claim at first"
        look()
        wait_until(lambda: subscriber.is_marked is True, lambda: "the mark does not come")
        connection.execute(SQL["doubt"])
        look()
        assert doubted(connection) == share
        look()
        wait_until(lambda: subscriber.is_marked is True, lambda: "the mark does not come")
        look()
        assert doubted(connection) == set()
    finally:
        subscriber.stop(for_good=True)


@pytest.mark.db
def test_the_first_doubts_all_claims_for_each_new_session_and_passes_nothing_over_for_one_before(
    connection: Connection, zones: list[Zone]
) -> None:
    config = IngestConfig("", MqttSettings("localhost", 1883))
    subscriber = Subscriber(config, ManualClock(START), Kept())
    worker = FirstWorker(subscriber)
    zone = zones[1].zone_id
    move(connection, "claim", 2, [zone])

    def is_doubted_once_connected(*, is_kept: bool) -> bool:
        """Though its worker had said that it hears the zone."""
        connection.execute("UPDATE zone_claim SET heard_at = clock_timestamp()")
        subscriber._answer(mqtt.Answer(mqtt.CONNACK, bytes([is_kept, 0, 0])))
        worker.look(connection, zones, is_empty=True, also=())
        return doubted(connection) == {zone}

    assert is_doubted_once_connected(is_kept=True), "whoever was the first before us may have been about to"
    assert not is_doubted_once_connected(is_kept=True)
    assert is_doubted_once_connected(is_kept=False)
    before = subscriber.new_sessions
    subscriber._answer(mqtt.Answer(mqtt.CONNACK, bytes([False, 0, 0])))
    subscriber.pass_over([zone], sessions=before)
    assert subscriber.passing == set()
    subscriber._forget_connection()
    subscriber.stop()


@pytest.mark.parametrize("worker", [1, 2])
@pytest.mark.parametrize("reads_own", [True, False], ids=["its own topic read", "killed, and nothing read yet"])
def test_a_mark_of_an_earlier_connection_is_no_message_and_no_mark_of_this_one(worker: int, *, reads_own: bool) -> None:
    """The session keeps the topic: it may come before a worker that was killed looks at who has which zone."""
    config = IngestConfig("", MqttSettings("localhost", 1883)).of_worker(worker, 2)
    subscriber = Subscriber(config, ManualClock(START), Deaf())
    subscriber.read_also([subscriber.own_topic] if reads_own else [])
    stale = mqtt.publish_packet(subscriber.own_topic, b"earlier", protocol=config.mqtt.protocol, mid=7)
    assert subscriber._hear(stale) == b""
    subscriber.stop()
    assert subscriber.is_marked is None
    assert bytes(subscriber._outgoing) == mqtt.puback_packets([7])
