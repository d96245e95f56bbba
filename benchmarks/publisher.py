"""A fast publisher for the benchmark: QoS 1 over a plain socket, so that it never is what limits.

Usage: python publisher.py HOST PORT USER PASSWORD FILE RATE
FILE holds a line per message (topic, a tab, payload); RATE is messages a second, 0 for as fast as the broker takes
them. It waits for a line on standard input, publishes, waits for every PUBACK, and prints for each message, in the
order of FILE, the monotonic time at which it left [ns], as one JSON list.
"""

import json
import select
import socket
import struct
import sys
import time
from pathlib import Path

WINDOW = 4000  # published and not yet acknowledged by the broker


def packet(topic: bytes, payload: bytes, mid: int) -> bytes:
    body = struct.pack("!H", len(topic)) + topic + struct.pack("!H", mid) + payload
    size, length = len(body), bytearray()
    while True:
        size, digit = divmod(size, 128)
        length.append(digit | (0x80 if size else 0))
        if not size:
            return b"\x32" + bytes(length) + body


def main(host: str, port: int, user: str, password: str, file: Path, rate: float) -> None:
    lines = [line.split(b"\t", 1) for line in file.read_bytes().splitlines()]
    packets = [packet(topic, payload, n % 65_535 + 1) for n, (topic, payload) in enumerate(lines)]
    link = socket.create_connection((host, port))
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    texts = [b"MQTT", b"bench-publisher", user.encode(), password.encode()]
    name, client, *login = [struct.pack("!H", len(text)) + text for text in texts]
    body = name + b"\x04\xc2\x00\x00" + client + b"".join(login)
    link.sendall(bytes([0x10, len(body)]) + body)
    if link.recv(4) != b"\x20\x02\x00\x00":
        raise SystemExit("the broker refused the publisher")
    sys.stdin.readline()
    left_ns: list[int] = []
    acked_bytes, begin = 0, time.monotonic()
    while acked_bytes < 4 * len(packets):
        allowed = len(packets) if not rate else min(len(packets), int((time.monotonic() - begin) * rate) + 1)
        room = min(allowed - len(left_ns), WINDOW - (len(left_ns) - acked_bytes // 4), 64)
        if room > 0:
            link.sendall(b"".join(packets[len(left_ns) : len(left_ns) + room]))
            left_ns.extend([time.monotonic_ns()] * room)
        readable, _, _ = select.select([link], [], [], 0 if room > 0 else 0.001)
        if readable:
            acked_bytes += len(link.recv(65_536))
    link.sendall(b"\xe0\x00")
    print(json.dumps(left_ns))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], Path(sys.argv[5]), float(sys.argv[6]))
