"""What a connection costs, by the kernel's own count: every byte and every segment, with their frames."""

from __future__ import annotations

import socket
import struct
from typing import NamedTuple

TCP_INFO_BYTES = 232
RECEIVED_AT, SEGMENTS_AT, SENT_AT = 128, 136, 200  # linux/tcp.h, struct tcp_info (since Linux 5.5)
FRAME_BYTES = 52  # of a segment: IPv4 20, TCP 20, timestamps 12


class Traffic(NamedTuple):
    """Bytes on the wire, with the frames of IP and TCP and what was sent again."""

    up: int = 0
    down: int = 0

    def __add__(self, other: object) -> Traffic:
        """Both together."""
        if not isinstance(other, Traffic):
            return NotImplemented
        return Traffic(self.up + other.up, self.down + other.down)

    def since(self, before: Traffic) -> Traffic:
        """What came after `before`."""
        return Traffic(self.up - before.up, self.down - before.down)


def traffic_of(connection: socket.socket) -> Traffic:
    """What this TCP connection has cost so far; nothing where the kernel does not count."""
    try:
        info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES)
    except (OSError, AttributeError):
        return Traffic()
    if len(info) < SENT_AT + 8:
        return Traffic()
    (received,) = struct.unpack_from("=Q", info, RECEIVED_AT)
    segments_out, segments_in = struct.unpack_from("=II", info, SEGMENTS_AT)
    (sent,) = struct.unpack_from("=Q", info, SENT_AT)
    return Traffic(sent + FRAME_BYTES * segments_out, received + FRAME_BYTES * segments_in)
