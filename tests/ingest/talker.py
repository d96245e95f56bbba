"""A gateway that talks without an end and never sends anything twice: what it says is what the broker has to keep."""

from __future__ import annotations

import json
import threading
import time
from datetime import UTC, datetime

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from gateway.config import MqttSettings
from gateway.wire import ack_topic, decode_numbers
from gateway.zones import Zone

BOOT = "ab"
FIRST_S = datetime(2026, 11, 24, tzinfo=UTC).timestamp()
IN_FLIGHT = 100
PATIENCE_S = 60.0


class Talker:
    """Publishes one reading of the tower's level a message, numbered from 1 on, and notes when ingest answers.

    Parameters
    ----------
    pause_s : between two messages; 0 for as fast as the broker takes them [s]
    """

    def __init__(self, settings: MqttSettings, zone: Zone, *, pause_s: float) -> None:
        self.zone = zone
        self.sent_s: dict[int, float] = {}  # by sequence number, on the monotonic clock
        self.answered_s: dict[int, float] = {}
        self._pause_s = pause_s
        self._taken = 0
        self._refused: list[str] = []
        self._changed = threading.Condition()
        self._quiet = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, zone.gateway_id, protocol=mqtt.MQTTv5)
        self._client.username, self._client.password = settings.username, settings.password
        self._client.max_inflight_messages_set(IN_FLIGHT)
        self._client.on_connect = lambda client, *_: client.subscribe(ack_topic(zone.zone_id, zone.gateway_id), qos=1)
        self._client.on_subscribe = self._on_subscribe
        self._client.on_publish, self._client.on_message = self._on_publish, self._on_message
        self._client.connect(settings.host, settings.port)
        self._thread = threading.Thread(target=self._talk, name="talker")
        self._client.loop_start()

    def wait_answered(self, count: int, *, within_s: float = PATIENCE_S) -> None:
        """Until ingest has answered so many messages."""
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.answered_s) >= count, within_s), len(self.answered_s)

    def hush(self) -> int:
        """Say no more, and wait until the broker has confirmed all that was said; returns how many messages."""
        self._quiet.set()
        self._thread.join()
        with self._changed:
            assert self._changed.wait_for(lambda: self._taken == len(self.sent_s), PATIENCE_S), self._taken
        assert not self._refused, self._refused[:3]
        return self._taken

    def leave(self) -> None:
        """Go away; also in the middle of a sentence."""
        self._quiet.set()
        self._client.disconnect()
        self._client.loop_stop()
        if self._thread.is_alive():
            self._thread.join()

    def _talk(self) -> None:
        topic = f"ndiyan/1/{self.zone.zone_id}/{self.zone.gateway_id}/up/senml"
        while not self._quiet.wait(self._pause_s):
            seq = len(self.sent_s) + 1
            if seq - self._taken > 2 * IN_FLIGHT:
                time.sleep(0.001)
                continue
            record = {"bn": "tower/", "n": "level_m", "u": "m", "v": 1 + seq % 100 / 1000, "bt": FIRST_S + seq}
            self.sent_s[seq] = time.monotonic()
            self._client.publish(topic, json.dumps([record | {"boot": BOOT, "seq": seq}]), qos=1)

    def _on_subscribe(self, *_: object) -> None:
        if not self._thread.ident:  # the first time, and not after a reconnection
            self._thread.start()

    def _on_publish(self, _client: object, _data: object, _mid: int, reason: mqtt.ReasonCode, _said: object) -> None:
        with self._changed:
            self._taken += 1
            if reason.value:
                self._refused.append(str(reason))
            self._changed.notify_all()

    def _on_message(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        _, ranges = decode_numbers(message.payload)
        now_s = time.monotonic()
        with self._changed:
            for first, last in ranges:
                self.answered_s |= dict.fromkeys(range(first, last + 1), now_s)
            self._changed.notify_all()
