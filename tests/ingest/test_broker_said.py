"""What the broker says of itself: how full it is, what it has dropped, and whether it still has our session."""

from __future__ import annotations

import getpass
import json
import re
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from alerts.watchdog import look_at_parts
from gateway.clock import ManualClock, SystemClock
from gateway.config import MqttSettings
from ingest.broker_said import QUEUE_BYTES, QUEUE_MESSAGES, TOLD_FOR, BrokerSaid
from ingest.db import connect
from ndiyan.children import free_port
from ndiyan.embedded_broker import find_mosquitto
from ndiyan.shipped_files import shipped
from tests.conftest import skip_without
from tests.ingest.bare_broker import mosquitto
from tests.ingest.process import PROGRAM, IngestProcess, wait_until

DROPPED = b"$SYS/broker/publish/messages/dropped"
COUNT, SIZE = b"$SYS/broker/store/messages/count", b"$SYS/broker/store/messages/bytes"
# A broker that is full at 40 messages, which it says every second.
SMALL = """
user {user}
listener {port} 127.0.0.1
allow_anonymous true
max_queued_messages 40
sys_interval 1
"""
ASKS_OFTEN = (
    "from ingest import broker_said, subscriber; broker_said.QUEUE_MESSAGES = 140; subscriber.ASK_EVERY_S = 0.2;"
    f" {PROGRAM}"
)


def after(said: BrokerSaid, clock: ManualClock) -> BrokerSaid:
    """The one of the process that comes next: it knows what stands in the heartbeat."""
    return BrokerSaid(json.loads(json.dumps(said.detail(clock.now()))))


def trouble(said: BrokerSaid, clock: ManualClock) -> object:
    return said.detail(clock.now()).get("broker_trouble")


def test_half_of_what_the_shipped_configuration_lets_wait_is_trouble(clock: ManualClock) -> None:
    shipped_conf = shipped("deploy/mosquitto/ndiyan.conf").read_text("utf-8")
    for setting, bound, topic in (("messages", QUEUE_MESSAGES, COUNT), ("bytes", QUEUE_BYTES, SIZE)):
        assert re.findall(rf"^max_queued_{setting} (\d+)$", shipped_conf, re.MULTILINE) == [str(bound)]
        said = BrokerSaid({})
        said.hear(topic, b"%d" % (bound // 2))
        assert trouble(said, clock) is None
        said.hear(topic, b"%d" % (bound // 2 + 1))
        assert trouble(said, clock) == "broker_queue"


def test_what_is_dropped_is_told_for_half_an_hour_after_the_last_of_it(clock: ManualClock) -> None:
    said = BrokerSaid({})
    said.hear(DROPPED, b"12")
    assert trouble(said, clock) is None, "before we first looked"
    clock.advance(timedelta(seconds=2))
    said.hear(DROPPED, b"13")
    assert trouble(said, clock) == "broker_dropped"
    clock.advance(TOLD_FOR - timedelta(seconds=1))
    assert trouble(said, clock) == "broker_dropped"
    clock.advance(timedelta(seconds=1))
    assert trouble(said, clock) is None


def test_what_is_dropped_while_ingest_is_away_or_the_broker_starts_anew_counts_as_well(clock: ManualClock) -> None:
    said = BrokerSaid({})
    said.hear(DROPPED, b"12")
    said = after(said, clock)
    assert said.detail(clock.now())["broker_dropped"] == 12, "known until the broker says more"
    said.hear(DROPPED, b"0")  # the broker was started anew
    assert trouble(said, clock) is None
    said.hear(DROPPED, b"5")
    said = after(after(said, clock), clock)
    assert trouble(said, clock) == "broker_dropped", "and goes on being told"


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        (b"$SYS/brokers/node1/version", b"5.8"),
        (DROPPED, b"-1"),
        (DROPPED, b""),
        (DROPPED, b"9" * 5000),
        (b"$SYS", b"1"),
    ],
)
def test_of_a_broker_that_tells_nothing_of_this_nothing_is_said(
    clock: ManualClock, topic: bytes, payload: bytes
) -> None:
    said = BrokerSaid({})
    said.hear(topic, payload)
    assert said.detail(clock.now()) == {}


def test_numbers_of_the_connection_before_are_forgotten(clock: ManualClock) -> None:
    said = BrokerSaid({})
    said.hear(COUNT, b"900000")
    assert trouble(said, clock) == "broker_queue"
    said.greet(is_kept=True)
    assert trouble(said, clock) is None


def test_a_session_is_lost_when_there_was_one(clock: ManualClock) -> None:
    said = BrokerSaid({})
    assert not said.greet(is_kept=False), "the first of all"
    said = after(said, clock)
    assert not said.greet(is_kept=True)
    assert said.greet(is_kept=False)
    assert said.detail(clock.now()) == {"sessions_lost": 1}
    said = after(said, clock)
    assert said.greet(is_kept=False)
    assert said.detail(clock.now()) == {"sessions_lost": 2}


@pytest.mark.db
@pytest.mark.broker
def test_a_broker_that_fills_drops_and_forgets_us_is_told_by_the_heartbeat_of_ingest(
    request: pytest.FixtureRequest, database_url: str, tmp_path: Path
) -> None:
    """Three users stay away with a session, and somebody goes on publishing."""
    program, port = find_mosquitto(), free_port(0)
    if program is None:
        skip_without(request.config, "mosquitto", "apt-get install mosquitto")
    (tmp_path / "m.conf").write_text(SMALL.format(user=getpass.getuser(), port=port), "utf-8")
    settings = MqttSettings("127.0.0.1", port, "ingest", "secret")
    ingest = None

    def start(name: str) -> mqtt.Client:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=False)
        client.connect("127.0.0.1", port)
        client.loop_start()
        wait_until(client.is_connected, lambda: f"{name} does not get in")
        return client

    def end(client: mqtt.Client) -> None:
        client.disconnect()
        client.loop_stop()

    def publish(number: int, *, away: str) -> None:
        client = start("somebody")
        for _ in range(number):
            client.publish(f"{away}/x", b"1", 1).wait_for_publish(10)
        end(client)

    with connect(database_url) as connection:

        def detail() -> dict[str, Any]:
            row = connection.execute("SELECT detail FROM heartbeat WHERE service = 'ingest'").fetchone()
            return {} if row is None else row[0]

        def until(is_so: Callable[[dict[str, Any]], bool]) -> None:
            wait_until(lambda: is_so(detail()), lambda: f"{detail()} {ingest and ingest.log()}")

        def why() -> str:
            return next(part.why for part in look_at_parts(connection, SystemClock()) if part.name == "ingest")

        with mosquitto(program, ["-c", str(tmp_path / "m.conf")], port, tmp_path):
            for name in ("a", "b", "c"):
                client, granted = start(name), list[int]()
                client.on_subscribe = lambda *_, granted=granted: granted.append(1)
                client.subscribe(f"{name}/#", 1)
                wait_until(lambda granted=granted: bool(granted), lambda: "no answer")
                end(client)
            ingest = IngestProcess(database_url, settings, tmp_path / "ingest.log", program=ASKS_OFTEN)
            try:
                until(lambda said: "broker_messages" in said and "broker_bytes" in said)
                assert (detail()["broker_dropped"], detail()["sessions_lost"], why()) == (0, 0, "")
                kept = detail()["broker_messages"]  # of what it says itself
                for name in ("a", "b"):
                    publish(35, away=name)
                until(lambda said: said["broker_messages"] >= kept + 70)
                assert why() == "broker_queue"
                publish(25, away="c")  # 25 wait
                ingest.tell_to_stop()
                publish(25, away="c")  # 10 of them find the queue full
                ingest.start()
                until(lambda said: said.get("broker_dropped") == 10)
                assert why() == "broker_dropped"
                counts = connection.execute(
                    "SELECT (SELECT count(*) FROM set_aside), (SELECT count(*) FROM raw_message)"
                ).fetchone()
                assert (counts, detail()["waiting"]) == ((0, 0), 0), "what the broker says is no message"
                assert "session_lost" not in ingest.log()
            finally:
                ingest.end()
        with mosquitto(program, ["-c", str(tmp_path / "m.conf")], port, tmp_path):  # it has kept nothing
            ingest.start()
            try:
                until(lambda said: said.get("sessions_lost") == 1)
                assert ingest.log().count("the broker has lost our session") == 1
            finally:
                ingest.end()
