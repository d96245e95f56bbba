"""A fast publisher, so that it never is what limits: QoS 1 in MQTT 5 over plain sockets, as many gateways would.

Usage: NDIYAN_MQTT_URL=… python -P -m benchmarks.publisher FILE RATE
FILE holds a line per message (topic, a tab, payload); RATE is messages a second, 0 for as fast as the broker takes
them. It prints "ready", waits for a line on standard input, publishes, waits for every PUBACK, and prints for each
message, in the order of FILE, the monotonic time at which it left [ns], as one JSON list. A line that is a number is
how many messages may have left until the next such line, as gateways have only so much under way; "go" sets no bound.

Each payload leaves with the sender's clock of now: `sent` and `sup` are moved on together.
"""

from __future__ import annotations

import json
import os
import re
import select
import sys
import time
import zlib
from bisect import bisect_left
from collections.abc import Sequence
from pathlib import Path

from benchmarks.wire import connected, publish_packet
from gateway.config import MqttSettings
from ingest import mqtt

LINKS = 8
WINDOW = 400  # published on a link and not yet acknowledged; below what mosquitto allows
PAUSE_S = 0.001  # between looks; to be woken by each acknowledgement would cost the cores more than gateways do
PUBACK_BYTES = 4
STAMP = re.compile(rb'"sent":([0-9.]+),"sup":([0-9.]+)')


class Link:
    """One connection with its share of the messages; a topic stays on its link, so that its order is kept."""

    def __init__(self, settings: MqttSettings, name: str, numbers: Sequence[int], packets: Sequence[bytes]) -> None:
        self.numbers, self.sent, self.acked = numbers, 0, 0
        self._bytes = memoryview(b"".join(packets))
        self._ends = [0]
        for packet in packets:
            self._ends.append(self._ends[-1] + len(packet))
        self.socket = connected(settings, name)
        self._rest = b""

    def send(self, allowed: int) -> range:
        """Send some of what may leave; returns which (by place in `numbers`)."""
        room = min(allowed - self.sent, WINDOW - (self.sent - self.acked))
        if room <= 0:
            return range(0)
        first, self.sent = self.sent, self.sent + room
        self.socket.sendall(self._bytes[self._ends[first] : self._ends[self.sent]])
        return range(first, self.sent)

    def hear(self) -> None:
        """Count what the broker has acknowledged."""
        data = self._rest + self.socket.recv(65_536)
        count = len(data) // PUBACK_BYTES
        if not data or data[: count * PUBACK_BYTES : PUBACK_BYTES] != b"\x40" * count:
            raise SystemExit("the broker closed the link, refused a message, or had nobody to give it to")
        self.acked += count
        self._rest = data[count * PUBACK_BYTES :]


def stamped(payload: bytes, now_s: float) -> bytes:
    """The payload as it would leave now: the sender's clock and its uptime are later by the same."""
    found = STAMP.search(payload)
    if found is None:
        return payload
    later_s = now_s - float(found[1])
    stamp = b'"sent":%.3f,"sup":%.3f' % (now_s, float(found[2]) + later_s)
    return payload[: found.start()] + stamp + payload[found.end() :]


def bound_from(line: str, most: int) -> int:
    """How many messages may have left; whoever told us so far and ends leaves us to ourselves."""
    return min(most, int(line)) if line.strip().isdigit() else most


def main(url: str, file: Path, rate: float) -> None:
    """Publish a file."""
    now_s = time.time()
    shares: list[tuple[list[int], list[bytes]]] = [([], []) for _ in range(LINKS)]
    lines = file.read_bytes().splitlines()
    for number, line in enumerate(lines):
        topic, payload = line.split(b"\t", 1)
        numbers, packets = shares[zlib.crc32(topic) % LINKS]
        packets.append(publish_packet(topic, stamped(payload, now_s), len(numbers) % 65_535 + 1))
        numbers.append(number)
    settings = MqttSettings.from_url(url)
    links = [Link(settings, f"bench-publisher-{k}", *share) for k, share in enumerate(shares)]
    by_socket = {link.socket: link for link in links}
    left_ns = [0] * len(lines)
    print("ready", flush=True)
    bound = bound_from(sys.stdin.readline(), len(lines))
    begin = time.monotonic()
    while any(link.acked < len(link.numbers) for link in links):
        if bound < len(lines) and select.select([sys.stdin], [], [], 0)[0]:
            bound = bound_from(sys.stdin.readline(), len(lines))
        allowed = min(bound, int((time.monotonic() - begin) * rate) + 1 if rate else bound)
        for link in links:
            now_ns = time.monotonic_ns()
            for place in link.send(bisect_left(link.numbers, allowed)):
                left_ns[link.numbers[place]] = now_ns
        time.sleep(PAUSE_S)
        readable, _, _ = select.select(list(by_socket), [], [], 0)
        for ready in readable:
            by_socket[ready].hear()
    for link in links:
        link.socket.sendall(mqtt.DISCONNECT_PACKET)
    print(json.dumps(left_ns))


if __name__ == "__main__":
    main(os.environ["NDIYAN_MQTT_URL"], Path(sys.argv[1]), float(sys.argv[2]))
