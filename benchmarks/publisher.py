"""A fast publisher, so that it never is what limits: QoS 1 in MQTT 5 over plain sockets, as many gateways would.

Usage: NDIYAN_MQTT_URL=… python -P -m benchmarks.publisher FILE RATE
FILE holds a line per message (topic, a tab, payload); RATE is messages a second, 0 for as fast as the broker takes
them. It prints "ready", waits for a line on standard input, publishes, waits for every PUBACK, and prints for each
message, in the order of FILE, the monotonic time at which it left [ns], as one JSON list. A line that is a number is
how many messages may have left until the next such line, as gateways have only so much under way; "go" sets no bound.

Each payload leaves with the sender's clock of the moment at which it leaves: `sent` and `sup` are moved on together.
"""

from __future__ import annotations

import json
import os
import re
import select
import sys
import time
import zlib
from array import array
from bisect import bisect_left
from pathlib import Path

from benchmarks.wire import connected, publish_packet
from gateway.config import MqttSettings
from ingest import mqtt

LINKS = 8
WINDOW = 400  # published on a link and not yet acknowledged; below what mosquitto allows
PAUSE_S = 0.001  # between looks; to be woken by each acknowledgement would cost the cores more than gateways do
PUBACK_BYTES = 4
STAMP = re.compile(rb'"sent": *([0-9.]+),"sup": *([0-9.]+)')
WRITTEN = b'"sent":%16.3f,"sup":%16.3f'  # as long whatever the time


class Share:
    """The messages of one link as they will leave, one behind the other, and their numbers: there may be millions."""

    def __init__(self) -> None:
        self.numbers, self.ends, self.packets = array("q"), array("q", [0]), bytearray()
        self._stamps, self._begun_s = array("q"), array("d")  # where each one's stamp is, and its clock at uptime 0

    def add(self, number: int, topic: bytes, payload: bytes) -> None:
        """One more message, the next to leave."""
        packet = publish_packet(topic, stamped(payload, time.time()), len(self.numbers) % 65_535 + 1)
        found = STAMP.search(packet)
        self._stamps.append(-1 if found is None else len(self.packets) + found.start())
        self._begun_s.append(0.0 if found is None else float(found[1]) - float(found[2]))
        self.packets += packet
        self.numbers.append(number)
        self.ends.append(len(self.packets))

    def stamp(self, place: int, now_s: float) -> None:
        """Write into the message that it leaves now."""
        begin = self._stamps[place]
        if begin >= 0:
            written = WRITTEN % (now_s, now_s - self._begun_s[place])
            self.packets[begin : begin + len(written)] = written


class Link:
    """One connection with its share of the messages; a topic stays on its link, so that its order is kept."""

    def __init__(self, settings: MqttSettings, name: str, share: Share) -> None:
        self._share, self.numbers, self.sent, self.acked = share, share.numbers, 0, 0
        self._bytes, self._ends = memoryview(share.packets), share.ends
        self.socket = connected(settings, name)
        self._rest = b""

    def send(self, allowed: int) -> range:
        """Send some of what may leave; returns which (by place in `numbers`)."""
        room = min(allowed - self.sent, WINDOW - (self.sent - self.acked))
        if room <= 0:
            return range(0)
        first, self.sent = self.sent, self.sent + room
        now_s = time.time()
        for place in range(first, self.sent):
            self._share.stamp(place, now_s)
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
    return payload[: found.start()] + WRITTEN % (now_s, float(found[2]) + later_s) + payload[found.end() :]


def bound_from(line: str, most: int) -> int:
    """How many messages may have left; whoever told us so far and ends leaves us to ourselves."""
    return min(most, int(line)) if line.strip().isdigit() else most


def main(url: str, file: Path, rate: float) -> None:
    """Publish a file."""
    shares = [Share() for _ in range(LINKS)]
    with file.open("rb") as lines:
        for number, line in enumerate(lines):
            topic, payload = line.rstrip(b"\n").split(b"\t", 1)
            shares[zlib.crc32(topic) % LINKS].add(number, topic, payload)
    settings = MqttSettings.from_url(url)
    links = [Link(settings, f"bench-publisher-{os.getpid()}-{k}", share) for k, share in enumerate(shares)]
    by_socket = {link.socket: link for link in links}
    count = sum(len(share.numbers) for share in shares)
    left_ns = array("q", bytes(8 * count))
    print("ready", flush=True)
    bound = bound_from(sys.stdin.readline(), count)
    begin = time.monotonic()
    while any(link.acked < len(link.numbers) for link in links):
        if bound < count and select.select([sys.stdin], [], [], 0)[0]:
            bound = bound_from(sys.stdin.readline(), count)
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
    print(json.dumps(left_ns.tolist()))


if __name__ == "__main__":
    main(os.environ["NDIYAN_MQTT_URL"], Path(sys.argv[1]), float(sys.argv[2]))
