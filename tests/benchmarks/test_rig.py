"""What the benchmarks send."""

from datetime import UTC, datetime

from benchmarks.rig import BOOT, CHANNELS, ZONES, _truth, make_messages
from gateway.model import AssetId, Reading
from gateway.wire import Queued, encode_pack, senml_topic

START_S = 1_780_000_000


def test_messages_are_to_the_byte_what_gateways_write() -> None:
    """Over the end of a round, after which numbers, channels and times are others."""
    first, count = ZONES - 2, 4
    truth = _truth(first, count, START_S)
    for row, (topic, payload) in enumerate(make_messages(first, count, START_S)):
        waiting = [
            Queued(int(seq), float(at_s - START_S + 60), Reading(AssetId(wave.asset), wave.name, measured_at, value))
            for seq, channel, at_s, value in zip(*(column[row].tolist() for column in truth[1:]), strict=True)
            for wave, measured_at in [(CHANNELS[channel], datetime.fromtimestamp(at_s, UTC))]
        ]
        last = waiting[-1]
        zone = int(truth.zone[row])
        assert topic == senml_topic(f"bench-{zone}", f"gw-bench-{zone}")
        assert payload == encode_pack(BOOT, waiting, sent_at=last.reading.measured_at, sent_uptime_s=last.uptime_s)
    assert {int(zone) for zone in truth.zone} == {1, 2, ZONES - 1, ZONES}
