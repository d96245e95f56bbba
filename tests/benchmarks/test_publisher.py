"""What the fast publisher of the benchmarks says of the time at which a message leaves."""

import json

import pytest

from benchmarks.publisher import Share
from benchmarks.rig import make_messages

START_S = 1_780_000_000


def test_a_message_tells_when_it_leaves_however_long_it_lay_ready() -> None:
    share = Share()
    for number, (topic, payload) in enumerate(make_messages(0, 3, START_S)):
        share.add(number, topic.encode(), payload)
    share.stamp(1, START_S + 19_999_999.5)
    first, second = _told(share, 0), _told(share, 1)
    assert second["sent"] == START_S + 19_999_999.5
    assert second["sent"] - second["sup"] == pytest.approx(first["sent"] - first["sup"])
    assert second["sent"] != first["sent"]


def _told(share: Share, place: int) -> dict[str, float]:
    packet = bytes(share.packets[share.ends[place] : share.ends[place + 1]])
    record: dict[str, float] = json.loads(packet[packet.index(b"[{") :])[0]
    return record
