"""What ingest tells the gateways: which readings are committed, and when each answer came."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.rig import Rig
from benchmarks.wire import connected, publish_packet
from gateway.config import MqttSettings
from gateway.wire import ack_topic, decode_numbers, topic_parts
from ingest import mqtt

ONE_IN = 20
RECEIVE_BYTES = 262_144
PATIENCE_S = 10.0

Sampled = Mapping[str, Mapping[int, int]]
"""zone → number of the message in its file → the last of its sequence numbers."""


class Answers:
    """Listens, in a thread of its own, for the answers to one gateway in `ONE_IN`."""

    def __init__(self, rig: Rig) -> None:
        self._link = connected(MqttSettings.from_url(rig.broker.operator_url), "bench-answers")
        self._changed = threading.Condition()
        self._expected: dict[tuple[str, int], int] = {}  # (zone, last seq) → number of the message
        self._answered_ns: dict[int, int] = {}
        self._mids = 0
        subscriptions = [
            mqtt.subscribe_packet(number, ack_topic(zone, f"gw-{zone}"), protocol=5)
            for number, zone in enumerate(rig.zone_ids[::ONE_IN], start=1)
        ]
        self._link.sendall(b"".join(subscriptions))
        self._thread = threading.Thread(target=self._listen, name="answers", daemon=True)
        self._thread.start()

    def expect(self, sampled: Sampled) -> None:
        """From now on only answers for these count, and only the first one for each."""
        with self._changed:
            self._answered_ns = {}
            self._expected = {
                (zone, seq): number for zone, messages in sampled.items() for number, seq in messages.items()
            }

    def wait(self, patience_s: float = PATIENCE_S) -> int:
        """Wait until all that is expected has been answered; how many have not within `patience_s`."""
        with self._changed:
            self._changed.wait_for(lambda: not self._expected, patience_s)
            return len(self._expected)

    def answered_ns(self) -> dict[int, int]:
        """Number of each message that was answered → when, by the monotonic clock [ns]."""
        with self._changed:
            return dict(self._answered_ns)

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish one message on this link."""
        with self._changed:
            self._mids += 1
            self._link.sendall(publish_packet(topic.encode(), payload, self._mids))

    def close(self) -> None:
        """Leave the broker."""
        with contextlib.suppress(OSError):
            self._link.shutdown(socket.SHUT_RDWR)
        self._thread.join(PATIENCE_S)
        self._link.close()

    def _listen(self) -> None:
        rest = b""
        while True:
            try:
                data = self._link.recv(RECEIVE_BYTES)
            except TimeoutError:
                continue
            except OSError:
                return
            if not data:
                return
            now_ns = time.monotonic_ns()
            published, _, end = mqtt.read_packets(rest + data, protocol=5)
            rest = (rest + data)[end:]
            with self._changed:
                # Without them the broker keeps all, and after 65,535 tells no more.
                self._link.sendall(mqtt.puback_packets([message.mid for message in published if message.mid]))
                for message in published:
                    self._note(message, now_ns)
                if not self._expected:
                    self._changed.notify_all()

    def _note(self, message: mqtt.Published, now_ns: int) -> None:
        topic = topic_parts(message.topic.decode())
        if topic is None:
            return
        for low, high in decode_numbers(message.payload)[1]:
            for seq in range(low, high + 1):
                number = self._expected.pop((topic.zone, seq), None)
                if number is not None:
                    self._answered_ns[number] = now_ns


def sampled_messages(rig: Rig, file: Path) -> Sampled:
    """The messages of a file whose answers are listened for."""
    zones = set(rig.zone_ids[::ONE_IN])
    found: dict[str, dict[int, int]] = {}
    with file.open("rb") as lines:
        for number, line in enumerate(lines):
            topic, payload = line.split(b"\t", 1)
            zone = topic.split(b"/")[2].decode()
            if zone in zones:
                found.setdefault(zone, {})[number] = json.loads(payload)[-1]["seq"]
    return found
