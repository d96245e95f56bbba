"""What is accepted and what is set aside: one bad reading never takes its neighbours with it."""

import gzip
import json
from datetime import UTC, datetime

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.model import Flag
from ingest.admission import ChannelEntry, Directory, Message, RejectReason, admit
from ingest.profiles.dialects import Dialects, Heard, Translation
from ingest.senml import Resolved

NOON_S = datetime(2026, 11, 24, 12, 50, tzinfo=UTC).timestamp()
DIRECTORY = Directory(
    {"gw-1": "zone-1", "gw-2": "zone-2"},
    {
        ("zone-1", "tower", "level_m"): ChannelEntry(1, "m", -1, 30),
        ("zone-1", "pump", "flow_m3_h"): ChannelEntry(2, "m³/h", -50, 500),
        ("zone-1", "pump", "pressure_bar"): ChannelEntry(3, "bar", -1, 60),
    },
)
UP = "ndiyan/1/zone-1/gw-1/up/senml"


def admit_one(payload: bytes, topic: str = UP):  # type: ignore[no-untyped-def]
    return admit([Message(topic, payload, round(NOON_S * 1e6), 1, 1)], DIRECTORY)


def pack(*records: dict[str, object]) -> bytes:
    return json.dumps(records).encode()


GOOD = {"bn": "tower/", "n": "level_m", "u": "m", "v": 2.5, "bt": NOON_S, "boot": "aa", "seq": 1}


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        pytest.param([{"bn": "tower", "n": "level_m", "u": "cm", "v": 250, "t": NOON_S}], 2.5, id="centimetres"),
        pytest.param([{"n": "tower/level_m", "u": "m", "v": 2.5, "t": NOON_S}], 2.5, id="no-base-name"),
        pytest.param([{"bn": "pump:", "n": "flow_m3_h", "u": "l/s", "v": 1, "t": NOON_S}], 3.6, id="litres-per-second"),
        pytest.param([{"bn": "pump/", "n": "pressure_bar", "u": "Pa", "v": 2e5, "t": NOON_S}], 2.0, id="pascal"),
        pytest.param(
            [{"bn": "tower/", "bu": "m", "bv": 2, "n": "level_m", "v": 0.5, "bt": NOON_S}], 2.5, id="base-value"
        ),
        pytest.param([{"bn": "tower/", "bt": NOON_S - 60}, {"n": "level_m", "u": "m", "v": 1}], 1.0, id="bases-alone"),
        pytest.param([{"bn": "tower/", "n": "level_m", "u": "m", "v": 2.5, "t": -60}], 2.5, id="a-minute-ago"),
    ],
)
def test_senml_is_read_as_the_rfc_says(records: list[dict[str, object]], expected: float) -> None:
    admission = admit_one(pack(*records))
    assert (admission.columns.value.tolist(), admission.set_aside) == ([expected], [])


def test_cbor_and_gzip_say_the_same_as_json() -> None:
    labels = {-2: "tower/", 0: "level_m", 1: "m", 2: 2.5, -3: NOON_S, "boot": "aa", "seq": 1}
    for payload in (pack(GOOD), gzip.compress(pack(GOOD)), cbor2.dumps([labels]), gzip.compress(cbor2.dumps([labels]))):
        admission = admit_one(payload)
        assert admission.columns.value.tolist() == [2.5]
        assert admission.taken == {("zone-1", "gw-1", "aa"): [(1, 1)]}


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        pytest.param({"v": "2.5"}, RejectReason.BAD_RECORD, id="number-as-text"),
        pytest.param({"v": None}, RejectReason.NO_VALUE, id="null"),
        pytest.param({"v": True}, RejectReason.BAD_RECORD, id="boolean"),
        pytest.param({"v": [1]}, RejectReason.BAD_RECORD, id="list"),
        pytest.param({"u": "bar"}, RejectReason.WRONG_UNIT, id="not-a-length"),
        pytest.param({"n": "depth_m"}, RejectReason.UNKNOWN_CHANNEL, id="no-such-channel"),
        pytest.param({"n": "level_m\u0000"}, RejectReason.UNKNOWN_CHANNEL, id="nul"),
        pytest.param({"t": 400}, RejectReason.TIME_IN_FUTURE, id="six-minutes-ahead"),
        pytest.param({"bt": 1_000_000_000.0}, RejectReason.TIME_BEFORE_SERVICE, id="2001"),
        pytest.param({"bt": 1e300}, RejectReason.TIME_IN_FUTURE, id="end-of-time"),
        pytest.param({"seq": 0}, RejectReason.BAD_RECORD, id="seq-0"),
        pytest.param({"seq": 2**60}, RejectReason.BAD_RECORD, id="seq-too-large"),
    ],
)
def test_a_bad_reading_is_set_aside_alone_and_can_be_replayed(record: dict[str, object], reason: RejectReason) -> None:
    neighbour = {"bn": "tower/", "n": "level_m", "u": "m", "v": 1.5, "bt": NOON_S - 300, "boot": "aa", "seq": 2}
    admission = admit_one(pack(GOOD | record, neighbour))
    assert admission.columns.value.tolist() == [1.5]
    (aside,) = admission.set_aside
    assert (aside.reason, aside.zone, aside.gateway) == (reason, "zone-1", "gw-1")
    again = admit_one(aside.payload)
    assert not len(again.columns)
    assert len(again.set_aside) == 1, "what was set aside is a message that can be replayed as it stands"


def test_out_of_its_physical_range_is_kept_and_flagged_bad() -> None:
    admission = admit_one(pack(GOOD, GOOD | {"v": 6553.5, "seq": 2, "bt": NOON_S - 300}))
    assert admission.columns.flag.tolist() == [Flag.GOOD, Flag.BAD]


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        pytest.param("ndiyan/1/zone-2/gw-1/up/senml", RejectReason.UNKNOWN_GATEWAY, id="another-zone"),
        pytest.param("ndiyan/1/zone-1/gw-9/up/senml", RejectReason.UNKNOWN_GATEWAY, id="nobody"),
        pytest.param("ndiyan/1/zone-1/gw-1/down/ack", RejectReason.UNKNOWN_TOPIC, id="down"),
        pytest.param("ndiyan/1/zone-1/gw-1/up/pdf", RejectReason.UNKNOWN_TOPIC, id="kind"),
        pytest.param("homie/5/x", RejectReason.UNKNOWN_TOPIC, id="foreign"),
    ],
)
def test_a_message_from_elsewhere_is_kept_whole(topic: str, reason: RejectReason) -> None:
    admission = admit_one(pack(GOOD), topic)
    (aside,) = admission.set_aside
    assert (aside.reason, aside.payload) == (reason, pack(GOOD))


def test_an_unknown_gateway_may_forget_what_was_kept_whole() -> None:
    admission = admit_one(pack(GOOD), "ndiyan/1/zone-7/gw-7/up/senml")
    assert admission.taken == {("zone-7", "gw-7", "aa"): [(1, 1)]}


def test_a_status_is_a_hint_and_a_broken_one_is_set_aside() -> None:
    status = {"state": "online", "boot": "aa", "software": "gw 1", "clock": "ntp", "at": NOON_S}
    admission = admit_one(json.dumps(status).encode(), "ndiyan/1/zone-1/gw-1/up/status")
    assert [(s.gateway, s.state, s.clock) for s in admission.statuses] == [("gw-1", "online", "ntp")]
    assert admit_one(b"online", "ndiyan/1/zone-1/gw-1/up/status").set_aside[0].reason is RejectReason.BAD_RECORD


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"{}", id="object"),
        pytest.param(b"[" * 60_000, id="deep"),
        pytest.param(b"\x1f\x8b\x08broken", id="broken-gzip"),
        pytest.param(gzip.compress(b" " * 5_000_000), id="zip-bomb"),
        pytest.param(b"\x9f\x9f\x9f", id="broken-cbor"),
        pytest.param(b'[{"v":NaN}]', id="nan"),
        pytest.param(b"\xff\xfe\x00", id="not-utf-8"),
        pytest.param(b"9" * 5000, id="long-number"),
    ],
)
def test_a_payload_that_is_no_pack_is_kept_with_its_bytes(payload: bytes) -> None:
    (aside,) = admit_one(payload).set_aside
    assert (aside.reason, aside.payload) == (RejectReason.NOT_SENML, payload)


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
json_values = plain | st.lists(plain, max_size=2) | st.dictionaries(st.text(max_size=3), plain, max_size=2)
labels = st.sampled_from(["bn", "bt", "bu", "bv", "n", "u", "v", "t", "boot", "sent", "bup", "seq", "s", "vs"])
known = st.sampled_from(["tower/", "level_m", "m", NOON_S])
records = st.lists(st.dictionaries(labels, json_values | known, max_size=5), max_size=4)
hostile = records.map(lambda found: json.dumps(found).encode())


@given(hostile | st.binary(max_size=200))
def test_whatever_comes_every_record_is_accounted_for(payload: bytes) -> None:
    admission = admit([Message(UP, payload, round(NOON_S * 1e6), 1, 1)], DIRECTORY)
    assert all(aside.reason is not RejectReason.DECODER_FAILED for aside in admission.set_aside), admission.set_aside
    assert sum(sender.received for sender in admission.senders.values()) == len(admission) + len(admission.set_aside)
    if payload.startswith(b"[") and not any(aside.reason is RejectReason.NOT_SENML for aside in admission.set_aside):
        records = [r for r in json.loads(payload) if r.get("n") is not None or r.get("v") is not None]
        assert len(admission.columns) + len(admission.set_aside) >= len(records)


class FailsAtItsSecondDevice(Dialects):
    """A profile that reads one device and trips over the next."""

    def __init__(self) -> None:
        super().__init__([], {}, DIRECTORY.gateways)

    def translate(self, topic: str, payload: bytes) -> Translation | None:
        first = Heard("zone-1", "gw-1", [Resolved("tower", "level_m", "m", 2.5, NOON_S, None, None)], [], 0, [])
        return Translation("tripping", [first, first._replace(records=[None])], [])  # type: ignore[list-item]


def test_a_decoder_that_fails_leaves_each_row_with_its_own_gateway() -> None:
    directory = Directory({**DIRECTORY.gateways, "gw-1b": "zone-1"}, DIRECTORY.channels, FailsAtItsSecondDevice())
    messages = [
        Message("a/dialect", b"{}", round(NOON_S) * 1_000_000, 1, 1),
        Message("ndiyan/1/zone-1/gw-1b/up/senml", pack({**GOOD, "v": 3.5}), round(NOON_S + 1) * 1_000_000, 2, 1),
    ]
    found = admit(messages, directory)
    names = list(found.senders)
    assert [names[number] for number in found.sender] == [("zone-1", "gw-1"), ("zone-1", "gw-1b")]
    assert (found.columns.received_us - messages[0].received_us).tolist() == [0, 1_000_000]
    assert found.columns.value.tolist() == [2.5, 3.5]
    assert [aside.reason for aside in found.set_aside] == [RejectReason.DECODER_FAILED]
