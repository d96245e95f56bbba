"""The uplink against a real broker and an ingest that answers as a test tells it to."""

import itertools
import logging
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from gateway.clock import ManualClock
from gateway.model import AssetId, Reading
from gateway.outbox import Outbox
from gateway.uplink import Uplink
from gateway.wire import ack_topic, encode_numbers, senml_topic
from ingest.senml import decode_pack
from ndiyan.embedded_broker import EmbeddedBroker

ZONE, GATEWAY = "zone-1", "gw-1"


class SelectiveIngest:
    """Answers for every reading but number `lost`, of which it counts how often it came."""

    def __init__(self, broker: EmbeddedBroker, *, lost: int) -> None:
        settings = broker.ingest_settings
        self.lost, self.came = lost, 0
        self.answered, self.came_again, self._is_listening = threading.Event(), threading.Event(), threading.Event()
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=settings.username or "", protocol=MQTTProtocolVersion.MQTTv5
        )
        self._client.username_pw_set(settings.username or "", settings.password)
        self._client.on_message = self._on_message
        self._client.on_subscribe = lambda *_: self._is_listening.set()
        self._client.connect(settings.host, settings.port)
        self._client.loop_start()
        self._client.subscribe(senml_topic(ZONE, GATEWAY), qos=1)
        assert self._is_listening.wait(5)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _on_message(self, client: mqtt.Client, _userdata: object, message: mqtt.MQTTMessage) -> None:
        pack = decode_pack(message.payload)
        numbers = [record.seq for record in pack.records if record.seq is not None]
        if self.lost in numbers:
            self.came += 1
            if self.came > 1:
                self.came_again.set()
        assert pack.boot is not None
        answered = [(number, number) for number in numbers if number != self.lost]
        if answered:
            client.publish(ack_topic(ZONE, GATEWAY), encode_numbers(pack.boot, answered))
            self.answered.set()


@pytest.fixture
def ingest(broker: EmbeddedBroker) -> Iterator[SelectiveIngest]:
    """An ingest that never answers the first reading."""
    ingest = SelectiveIngest(broker, lost=1)
    yield ingest
    ingest.close()


@pytest.mark.broker
def test_a_reading_that_the_broker_lost_is_sent_again_while_later_ones_are_answered_all_the_time(
    broker: EmbeddedBroker, ingest: SelectiveIngest, tmp_path: Path, clock: ManualClock
) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    uplink = Uplink(
        broker.settings_for(GATEWAY), zone=ZONE, gateway=GATEWAY, outbox=outbox, clock=clock, software="test",
        resend_after_s=0.5,
    )  # fmt: skip
    uplink.start()
    end_s = time.monotonic() + 10
    try:
        for number in itertools.count():
            measured_at = clock.now() + timedelta(seconds=number)
            outbox.append([Reading(AssetId("tower"), "level_m", measured_at, 2.0)], uptime_s=100.0 + number)
            uplink.wake()
            if number and not ingest.answered.wait(5):
                pytest.fail("later readings were not answered")
            ingest.answered.clear()
            if ingest.came_again.is_set():
                break
            assert time.monotonic() < end_s, f"{number} readings on, the first one was never sent again"
        assert ingest.came == 2
    finally:
        uplink.stop()
        outbox.close()


@pytest.mark.broker
def test_a_trouble_is_told_when_it_begins_and_when_it_is_over_however_many_messages_it_costs(
    broker: EmbeddedBroker, tmp_path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    answers = {"begins": threading.Semaphore(0), "is over": threading.Semaphore(0)}

    class CountingUplink(Uplink):
        def _on_publish(self, *arguments: Any) -> None:
            super()._on_publish(*arguments)
            answers["is over" if arguments[3].value == 0 else "begins"].release()

    caplog.set_level(logging.INFO, "gateway.uplink")
    outbox = Outbox(tmp_path / "outbox.db")
    uplink = CountingUplink(
        broker.settings_for(GATEWAY), zone=ZONE, gateway=GATEWAY, outbox=outbox, clock=clock, software="test"
    )

    def send(number: int) -> None:
        measured_at = clock.now() + timedelta(seconds=number)
        outbox.append([Reading(AssetId("tower"), "level_m", measured_at, 2.0)], uptime_s=100.0 + number)
        uplink.wake()

    uplink.start()
    try:
        for number in range(5):
            send(number)
            assert answers["begins"].acquire(timeout=10), "nobody listens"
        ingest = SelectiveIngest(broker, lost=1)
        try:
            for number in range(5, 10):
                send(number)
                assert answers["is over"].acquire(timeout=10)
        finally:
            ingest.close()
    finally:
        uplink.stop()
        outbox.close()
    told = [record.message for record in caplog.records if "deliver" in record.message]
    assert told[:2] == [
        "gw-1: the broker does not deliver: No matching subscribers", "gw-1: readings are delivered again"
    ]  # fmt: skip
    assert len(told) <= 3, "at most once more, when ingest has closed"


@pytest.mark.broker
def test_a_link_whose_birth_cannot_be_told_is_tried_again(
    broker: EmbeddedBroker, tmp_path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    outbox = Outbox(tmp_path / "outbox.db")
    connected, asked = threading.Event(), itertools.count()

    def tells() -> dict[str, object]:
        if next(asked) == 0:
            raise OSError("statvfs: Input/output error")
        connected.set()
        return {}

    uplink = Uplink(
        broker.settings_for(GATEWAY), zone=ZONE, gateway=GATEWAY, outbox=outbox, clock=clock, software="test",
        tells=tells, reconnect_s=(0.05, 0.1),
    )  # fmt: skip
    uplink.start()
    try:
        assert connected.wait(10), "the uplink never came back"
    finally:
        uplink.stop()
        outbox.close()
    assert [record.message for record in caplog.records if record.exc_info] == [
        "gw-1: the link is given up, its birth cannot be told"
    ]
