"""The contract on the wire: what a gateway writes is what ingest reads, and an answer is never guessed."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import CHANNELS, AssetId, AssetKind, Reading
from gateway.wire import Queued, decode_numbers, encode_numbers, encode_pack, ranges_of, topic_parts
from ingest.admission import ChannelEntry, Directory, Message, admit

NOON = datetime(2026, 11, 24, 12, 50, tzinfo=UTC)
NAMES = [
    (AssetId("tap-03" if kind is AssetKind.TAP else kind.value), spec)
    for kind, specs in CHANNELS.items()
    for spec in specs.values()
]
DIRECTORY = Directory(
    {"gw-1": "zone-1"},
    {
        ("zone-1", asset, spec.name): ChannelEntry(number, spec.unit, spec.minimum, spec.maximum)
        for number, (asset, spec) in enumerate(NAMES)
    },
)


def message(payload: bytes, received_at: datetime = NOON) -> Message:
    return Message("ndiyan/1/zone-1/gw-1/up/senml", payload, round(received_at.timestamp() * 1e6), 1, 1)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(range(len(NAMES))),
            st.integers(0, 10_000),
            st.decimals(0, 999, places=3).map(float),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_what_a_gateway_writes_is_what_ingest_reads(rows: list[tuple[int, int, float]]) -> None:
    entries = [
        Queued(seq, 60.0, Reading(NAMES[which][0], NAMES[which][1].name, NOON - timedelta(seconds=age), value))
        for seq, (which, age, value) in enumerate(rows, start=1)
    ]
    admission = admit([message(encode_pack("1a2b3c4d", entries, sent_at=NOON))], DIRECTORY)
    assert not admission.set_aside
    assert admission.columns.channel_id.tolist() == [which for which, _, _ in rows]
    assert admission.columns.value.tolist() == [value for _, _, value in rows]
    assert admission.columns.measured_us.tolist() == [round((NOON.timestamp() - age) * 1e6) for _, age, _ in rows]
    assert admission.taken == {("zone-1", "gw-1", "1a2b3c4d"): [(1, len(rows))]}


def test_a_pack_is_plain_senml_in_registered_units() -> None:
    reading = Reading(AssetId("pump"), "flow_m3_h", NOON, 3.6)
    records = json.loads(encode_pack("1a2b3c4d", [Queued(7, 12.5, reading)], sent_at=NOON))
    assert records == [
        {
            "bn": "pump/", "bt": NOON.timestamp(), "bup": 12.5, "boot": "1a2b3c4d", "sent": NOON.timestamp(),
            "n": "flow_m3_h", "u": "m3/s", "v": 0.001, "seq": 7,
        }
    ]  # fmt: skip


@given(st.sets(st.integers(1, 300)))
def test_ranges_hold_exactly_the_numbers(numbers: set[int]) -> None:
    ranges = ranges_of(numbers)
    assert [n for low, high in ranges for n in range(low, high + 1)] == sorted(numbers)
    assert decode_numbers(encode_numbers("00ff00ff", ranges)) == ("00ff00ff", ranges)


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="a-list"),
        pytest.param(b'{"boot": 7, "seq": [[1, 2]]}', id="boot-is-a-number"),
        pytest.param(b'{"boot": "a", "seq": [[2, 1]]}', id="range-backwards"),
        pytest.param(b'{"boot": "a", "seq": [[0, 1]]}', id="below-one"),
        pytest.param(b'{"boot": "a", "seq": 5}', id="no-ranges"),
        pytest.param(b"[" * 100_000, id="deep"),
    ],
)
def test_a_gateway_does_not_forget_on_a_guess(payload: bytes) -> None:
    with pytest.raises(ValueError, match="no boot with its numbers"):
        decode_numbers(payload)


@pytest.mark.parametrize(
    "topic", ["", "ndiyan/1/z/g/up", "ndiyan/2/z/g/up/senml", "ndiyan/1//g/up/senml", "a/b/c/d/e/f"]
)
def test_a_topic_that_is_not_ours_has_no_parts(topic: str) -> None:
    assert topic_parts(topic) is None
