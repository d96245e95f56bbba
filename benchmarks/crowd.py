"""Many gateways at once: a link each, QoS 1, and two packs on the way until ingest says what is committed.

Usage: NDIYAN_MQTT_URL=… NDIYAN_CLOCK=… python -P -m benchmarks.crowd ZONES LINKS
Prints "ready" when all links stand and listen for answers. Then each line on standard input is a JSON object with
`file`, `first` and `last`: the gateways of these zones send what the file holds, and one JSON line tells how that went
when the last of it has been answered. The file is a JSON list of series, each a list of [last sequence number, pack];
zone number n sends series n - 1, and so on in turns. Where there are fewer links than zones, zones share one.
"""

from __future__ import annotations

import json
import os
import select
import socket
import sys
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.publisher import stamped
from benchmarks.wire import connected, publish_packet
from gateway.clock import Clock, clock_from_spec
from gateway.config import MqttSettings
from gateway.wire import ack_topic, decode_numbers, senml_topic
from ingest import mqtt

ON_THE_WAY = 2  # packs of a gateway's backlog, as `gateway.uplink` has it
RECEIVE_BYTES = 65_536
PATIENCE_S = 600.0  # without any answer
SUBACK_BYTES = 6
AT_ONCE = 50  # links that are made at a time


class Link:
    """A connection; `heard` gives the answers that came."""

    def __init__(self, settings: MqttSettings, number: int, topics: list[str]) -> None:
        self.socket = connected(settings, f"crowd-{number}")
        self._mid, self._rest = len(topics), b""
        self.socket.sendall(
            b"".join(mqtt.subscribe_packet(mid, topic, protocol=5) for mid, topic in enumerate(topics, start=1))
        )
        granted = b""
        while len(granted) < SUBACK_BYTES * len(topics):
            granted += self.socket.recv(RECEIVE_BYTES)

    def publish(self, topic: bytes, payload: bytes) -> None:
        """Send one message."""
        self._mid = self._mid % 65_535 + 1
        self.socket.sendall(publish_packet(topic, payload, self._mid))

    def heard(self) -> list[mqtt.Published]:
        """What came, acknowledged."""
        data = self.socket.recv(RECEIVE_BYTES)
        if not data:
            raise SystemExit("the broker closed a link")
        published, _, end = mqtt.read_packets(self._rest + data, protocol=5)
        self._rest = (self._rest + data)[end:]
        if mids := [one.mid for one in published if one.mid]:
            self.socket.sendall(mqtt.puback_packets(mids))
        return published


class Sending:
    """What one gateway has to send: packs that wait, and (last sequence number, when it left) of those on their way."""

    __slots__ = ("sent", "waiting")

    def __init__(self, packs: list[tuple[int, bytes]]) -> None:
        self.waiting = deque(packs)
        self.sent: deque[tuple[int, float]] = deque()


class Crowd:
    """All gateways, zone numbers from 1; their own clocks are right."""

    def __init__(self, settings: MqttSettings, clock: Clock, zones: int, links: int) -> None:
        self._clock = clock
        names = [f"zone-{n}" for n in range(1, zones + 1)]
        topics = [ack_topic(name, f"gw-{n}") for n, name in enumerate(names, start=1)]
        self._zone_of = {topic.encode(): n for n, topic in enumerate(topics, start=1)}
        self._topics = [senml_topic(name, f"gw-{n}").encode() for n, name in enumerate(names, start=1)]
        with ThreadPoolExecutor(AT_ONCE) as pool:  # one after the other would wait for the broker each time
            self._links = list(pool.map(lambda number: Link(settings, number, topics[number::links]), range(links)))
        self._by_number = {link.socket.fileno(): link for link in self._links}
        self._poll = select.epoll()
        for number in self._by_number:
            self._poll.register(number, select.EPOLLIN)

    def run(self, series: list[list[tuple[int, bytes]]], first: int, last: int) -> dict[str, Any]:
        """Let the zones from `first` to `last` send theirs; returns when all of it has been answered."""
        sending = {n: Sending(series[(n - 1) % len(series)]) for n in range(first, last + 1)}
        sending = {n: one for n, one in sending.items() if one.waiting}
        messages = sum(len(one.waiting) for one in sending.values())
        took_s: list[float] = []
        begin_s = alive_s = time.monotonic()
        for n, one in sending.items():
            self._send(n, one)
        while sending:
            ready = self._poll.poll(1.0)
            now_s = time.monotonic()
            alive_s = now_s if ready else alive_s
            if now_s - alive_s > PATIENCE_S:
                raise SystemExit(f"{len(sending)} gateways were not answered within {PATIENCE_S:g} s")
            for number, _ in ready:
                for answer in self._by_number[number].heard():
                    self._answered(self._zone_of[answer.topic], answer.payload, sending, took_s)
        spread = np.percentile(took_s, [50, 99, 100]).round(2).tolist() if took_s else [0.0, 0.0, 0.0]
        return {"messages": messages, "took_s": time.monotonic() - begin_s, "answered_s": spread}

    def _answered(self, n: int, payload: bytes, sending: dict[int, Sending], took_s: list[float]) -> None:
        one = sending.get(n)
        if one is None:
            return
        highest = max((high for _, high in decode_numbers(payload)[1]), default=0)
        while one.sent and one.sent[0][0] <= highest:
            took_s.append(time.monotonic() - one.sent.popleft()[1])
        self._send(n, one)
        if not one.sent:
            del sending[n]

    def _send(self, n: int, one: Sending) -> None:
        link = self._links[(n - 1) % len(self._links)]
        while one.waiting and len(one.sent) < ON_THE_WAY:
            number, payload = one.waiting.popleft()
            one.sent.append((number, time.monotonic()))
            link.publish(self._topics[n - 1], stamped(payload, self._clock.now().timestamp()))

    def close(self) -> None:
        """Leave."""
        for link in self._links:
            link.socket.shutdown(socket.SHUT_RDWR)
            link.socket.close()


def main(url: str, clock: str, zones: int, links: int) -> None:
    """Work off what standard input asks for."""
    crowd = Crowd(MqttSettings.from_url(url), clock_from_spec(clock), zones, links)
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        series = json.loads(Path(order["file"]).read_bytes())
        packs = [[(number, payload.encode()) for number, payload in one] for one in series]
        print(json.dumps(crowd.run(packs, order["first"], order["last"])), flush=True)
    crowd.close()


if __name__ == "__main__":
    main(os.environ["NDIYAN_MQTT_URL"], os.environ["NDIYAN_CLOCK"], int(sys.argv[1]), int(sys.argv[2]))
