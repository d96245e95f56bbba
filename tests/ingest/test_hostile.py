"""What nobody should send: each message is stored or set aside with a reason, and costs neither memory nor time."""

import contextlib
import gc
import gzip
import json
import random
import threading
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.fuzz import BY_HYPOTHESIS, Judge, by_hypothesis, rss_mb
from benchmarks.hostile import GATEWAY, GOOD, NOON_S, NOON_US, TOPICS, UP, ZONE, Fuzzer, pack, weapons
from gateway.wire import decode_numbers, encode_numbers, ranges_of, topic_parts
from gateway.zones import Zone
from ingest.admission import (
    BAD_APART,
    KNOWN_BOOTS,
    Admission,
    ChannelEntry,
    Directory,
    Message,
    RejectReason,
    admit,
)
from ingest.db import Connection, connect
from ingest.pipeline import Pipeline
from ingest.profiles.dialects import LONGEST_TOPIC
from ingest.registry import import_zones
from ingest.senml import MAX_RECORDS, PackUnreadable, as_message, decode_pack, decode_plain

SEED = 20261125
MESSAGES = 20_000
GREATEST_GROWTH_MB = 8.0

# The last four are of devices with a dialect of their own: test_profiles.py.
NOT_OF_SENML = {
    RejectReason.DECODER_FAILED, RejectReason.DATABASE_REFUSED,
    RejectReason.NOT_ITS_PROFILE, RejectReason.NO_BIRTH, RejectReason.UNKNOWN_DEVICE, RejectReason.OTHER_DEVICE,
}  # fmt: skip


@pytest.fixture
def connection(database_url: str, zones: list[Zone]) -> Iterator[Connection]:
    with connect(database_url) as connection:
        import_zones(connection, zones[:1])
        yield connection


def to_zone(zone: Zone, topic: str, payload: bytes) -> Message:
    """A message of the fuzzer's village, as if it came from this zone."""
    ours = f"ndiyan/1/{zone.zone_id}/{zone.gateway_id}/"
    return Message(topic.replace(f"ndiyan/1/{ZONE}/{GATEWAY}/", ours), payload, NOON_US, 1, 1)


def account(connection: Connection) -> tuple[int, int]:
    """What came, and what became of it, over all gateways."""
    row = connection.execute(
        "SELECT sum(received)::int, sum(stored + duplicate + conflict + set_aside)::int FROM gateway_day"
    ).fetchone()
    assert row is not None
    return row[0], row[1]


def test_no_mutated_message_stops_the_decoder_takes_long_or_leaves_the_account() -> None:
    judge, fuzzer = Judge(), Fuzzer(SEED)
    for topic, payload in fuzzer.messages(MESSAGES // 4):
        judge.judge(topic, payload)
    settled_mb = rss_mb()
    for topic, payload in fuzzer.messages(MESSAGES):
        judge.judge(topic, payload)
    assert judge.tally.problems == [], f"seed {SEED}"
    assert judge.tally.accepted > MESSAGES // 10, "many are still right"
    assert set(judge.tally.reasons) >= set(RejectReason) - NOT_OF_SENML
    assert rss_mb() - settled_mb < GREATEST_GROWTH_MB


def test_nothing_that_hypothesis_makes_stops_the_decoder() -> None:
    judge = Judge()
    by_hypothesis(BY_HYPOTHESIS // 20, SEED, judge.judge)
    assert judge.tally.problems == []


@pytest.mark.parametrize("name", weapons())
def test_a_known_weapon_is_blunt(name: str) -> None:
    judge = Judge()
    admission = judge.judge(UP, weapons()[name])
    assert judge.tally.problems == []
    kept = sum(len(item.payload) for item in admission.set_aside)
    assert kept <= 10 * max(len(weapons()[name]), 1000), "setting it aside does not multiply it"


@pytest.mark.parametrize("more", [{"boot": "a\u0000b"}, {"boot": "b" * 65}, {"bup": 1e300, "sup": 1e300}])
def test_a_boot_or_an_uptime_that_cannot_be_is_not_taken_into_the_account(more: dict[str, object]) -> None:
    anchors: dict[tuple[str, str, str], int] = {}
    admission = admit([Message(UP, pack(GOOD | more), NOON_US, 1, 1)], Judge().directory, anchors)
    assert len(admission) == 1, "its reading is as good as any"
    assert anchors == {}


def test_boots_and_topics_without_end_do_not_fill_the_memory() -> None:
    directory, anchors = Judge().directory, dict.fromkeys(((ZONE, GATEWAY, str(k)) for k in range(KNOWN_BOOTS)), 1)
    long = "ndiyan/1/zone-1/gw-1/up/" + LONGEST_TOPIC * "k"
    admit([Message(UP, pack(GOOD), NOON_US, 1, 1), Message(long, pack(GOOD), NOON_US, 1, 1)], directory, anchors)
    assert KNOWN_BOOTS * 0.9 <= len(anchors) <= KNOWN_BOOTS
    assert (ZONE, GATEWAY, "0") not in anchors
    assert (ZONE, GATEWAY, "1a2b3c4d") in anchors
    assert list(directory.ways) == [UP]


def test_topics_of_nobody_are_not_kept_however_long_they_are_and_however_often_they_come() -> None:
    """A topic has up to 65,535 letters, and the broker lets a gateway write below its own: ten thousand of those were
    remembered beside the profiles that read them, 600 MB."""
    directory = Judge().directory
    tracemalloc.start()
    try:
        for number in range(100):
            message = Message(f"ndiyan/1/{ZONE}/{GATEWAY}/up/{number}-{60_000 * 'k'}", b"x", NOON_US, 1, 1)
            (aside,) = admit([message], directory).set_aside
            assert aside.reason is RejectReason.UNKNOWN_TOPIC
        kept_mb = tracemalloc.get_traced_memory()[0] / 1e6
    finally:
        tracemalloc.stop()
    assert kept_mb < 0.5


def test_a_pack_of_too_many_records_is_kept_whole() -> None:
    fits = [GOOD | {"seq": k, "bt": NOON_S - k} for k in range(1, MAX_RECORDS + 1)]
    short = [{"n": "tower/level_m", "u": "m", "v": 1, "bt": NOON_S - k} for k in range(MAX_RECORDS + 1)]
    directory = Judge().directory
    assert len(admit([Message(UP, pack(*short[:-1]), NOON_US, 1, 1)], directory)) == MAX_RECORDS
    (aside,) = admit([Message(UP, pack(*short), NOON_US, 1, 1)], directory).set_aside
    assert (aside.reason, aside.payload) == (RejectReason.NOT_SENML, pack(*short))
    assert "1001 records, bound 1000" in aside.detail
    assert len(decode_pack(pack(*fits)).records) == MAX_RECORDS


@pytest.mark.db
def test_hostile_messages_in_a_stream_leave_ten_thousand_good_readings_stored(
    connection: Connection,
    zones: list[Zone],
) -> None:
    dice = random.Random(SEED)
    good = [
        to_zone(
            zones[0], UP, pack(GOOD | {"seq": k, "bt": NOON_S - 20_000 + k, "bup": 1000.0 - 20_000 + k, "boot": "ab"})
        )
        for k in range(1, 10_001)
    ]
    hostile = [to_zone(zones[0], UP, payload) for payload in weapons().values()]
    hostile += [to_zone(zones[0], topic, pack(GOOD)) for topic in sorted(set(TOPICS) - {UP})]
    hostile += [to_zone(zones[0], *made) for made in Fuzzer(SEED).messages(400)]
    stream = good.copy()
    for message in hostile:
        stream.insert(dice.randrange(len(stream)), message)
    pipeline = Pipeline(connection)
    for first in range(0, len(stream), 500):
        pipeline.store(stream[first : first + 500])
    kept = connection.execute(
        "SELECT count(*) FROM reading WHERE measured_at > to_timestamp(%s) AND measured_at <= to_timestamp(%s)",
        [NOON_S - 20_000, NOON_S - 10_000],
    ).fetchone()
    assert kept == (10_000,)
    reasons: dict[str, int] = dict(
        connection.execute("SELECT reason, count(*) FROM set_aside GROUP BY reason").fetchall()
    )
    assert sum(reasons.values()) > 50
    assert reasons.keys() <= set(RejectReason) - {RejectReason.DECODER_FAILED, RejectReason.DATABASE_REFUSED}, reasons
    received, accounted = account(connection)
    assert received == accounted > 10_000 + 50
    seq = connection.execute("SELECT seq @> int8range(1, 10001) FROM gateway_boot WHERE boot = 'ab'").fetchone()
    assert seq == (True,), "and every good one may be forgotten by its gateway"


@pytest.mark.db
def test_each_weapon_between_two_good_messages_is_stored_or_set_aside(
    connection: Connection,
    zones: list[Zone],
) -> None:
    pipeline, who = Pipeline(connection), (zones[0].zone_id, zones[0].gateway_id, "ab")
    for number, (name, payload) in enumerate(weapons().items()):
        seqs = 2 * number + 1, 2 * number + 2
        before, after = (
            to_zone(zones[0], UP, pack(GOOD | {"seq": k, "bt": NOON_S - 500 + k, "bup": 500.0 + k, "boot": "ab"}))
            for k in seqs
        )
        stored = pipeline.store([before, to_zone(zones[0], UP, payload), after])
        assert stored.stored >= 2, name
        assert stored.taken[who] == [seqs], name
    assert account(connection)[0] == account(connection)[1]


numbers = st.floats() | st.integers(-(2**70), 2**70)
names = st.sampled_from(["tower/", "level_m", "m"]) | st.text(max_size=12)
record = st.fixed_dictionaries(
    {},
    optional={
        "bn": names, "n": names, "u": names, "bu": names, "boot": names, "v": numbers, "bv": numbers, "bt": numbers,
        "t": numbers, "seq": numbers, "sent": numbers, "sup": numbers, "bup": numbers,
    },
)  # fmt: skip


@given(st.lists(record, max_size=5))
def test_a_pack_taken_apart_reads_as_the_pack_did(records: list[dict[str, object]]) -> None:
    try:
        whole = decode_pack(pack(*records))
    except PackUnreadable:
        return
    for one in whole.records:
        try:
            (alone,) = decode_pack(as_message(one, whole.boot, NOON_S)).records
        except PackUnreadable:  # numbers that JSON has no words for
            continue
        assert (alone.asset, alone.channel, alone.unit) == (one.asset, one.channel, one.unit)
        assert (alone.value, alone.seq) == (one.value, one.seq)


@given(st.lists(record, max_size=5))
def test_what_is_read_as_plain_is_read_the_same_by_the_other_way(records: list[dict[str, object]]) -> None:
    plain = decode_plain(pack(*records))
    if plain is not None:
        whole = decode_pack(pack(*records))
        assert [one.value for one in whole.records] == [one.v for one in plain]
        assert [one.seq for one in whole.records] == [one.seq for one in plain]
        assert whole.bad == []


@given(st.text(max_size=70) | st.sampled_from([*TOPICS, "ndiyan/1/a/b/up/senml"]))
def test_a_topic_is_ours_or_none(topic: str) -> None:
    parts = topic_parts(topic)
    assert parts is None or "/".join(("ndiyan", "1", *parts)) == topic


@given(st.text(max_size=64), st.lists(st.integers(1, 2**40), min_size=1, max_size=20))
def test_an_answer_is_read_as_it_was_written(boot: str, seqs: list[int]) -> None:
    assert decode_numbers(encode_numbers(boot, ranges_of(seqs))) == (boot, ranges_of(seqs))


@given(st.binary(max_size=100) | st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists).map(
    lambda found: json.dumps({"boot": "ab", "seq": found}).encode()
))  # fmt: skip
def test_no_answer_is_guessed(payload: bytes) -> None:
    try:
        boot, ranges = decode_numbers(payload)
    except ValueError:
        return
    assert isinstance(boot, str)
    assert all(1 <= low <= high for low, high in ranges)


def test_a_directory_does_not_grow_with_names_that_nobody_registered() -> None:
    directory = Directory({GATEWAY: ZONE}, Judge().directory.channels)
    for k in range(100):
        admit([Message(UP, pack(GOOD | {"n": f"name-{k}"}), NOON_US, 1, 1)], directory)
    assert directory.names == {}


@pytest.mark.db
def test_a_pack_of_which_nothing_is_accepted_is_kept_once(connection: Connection, zones: list[Zone]) -> None:
    payload = gzip.compress(pack(*[{"n": "a"}] * MAX_RECORDS))
    assert len(payload) < 200
    pipeline = Pipeline(connection)
    for _ in range(2):
        assert pipeline.store([to_zone(zones[0], UP, payload)]).set_aside == 1
    rows = connection.execute("SELECT payload, reason, detail FROM set_aside").fetchall()
    assert [row[:2] for row in rows] == [(payload, "unknown_channel")]
    assert "none of 1000 readings is accepted; the first: " in rows[0][2]
    assert account(connection) == (2, 2), "once set aside, once a duplicate"


def test_of_a_pack_of_bad_readings_the_gateway_may_forget_each() -> None:
    records = [GOOD | {"n": "a", "seq": k, "boot": "ab"} for k in range(1, BAD_APART + 2)]
    admission = admit([Message(UP, pack(*records), NOON_US, 1, 1)], Judge().directory)
    assert len(admission.set_aside) == 1
    assert admission.taken == {(ZONE, GATEWAY, "ab"): [(1, BAD_APART + 1)]}


def records_of(count: int, **more: int) -> list[dict[str, object]]:
    """Good readings whose sequence numbers have gaps."""
    return [GOOD | {"seq": 2 * k, "bt": NOON_S - k, "bup": 900.0 - k, "boot": "ab"} | more for k in range(1, count + 1)]


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(pack(GOOD), id="one-reading"),
        pytest.param(b"x", id="no-pack"),
        pytest.param(gzip.compress(pack(*records_of(900))), id="numbers-with-gaps"),
        pytest.param(gzip.compress(pack(*records_of(900, sent=500, sup=1000, bt=50, bup=550))), id="estimated"),
        pytest.param(gzip.compress(pack(GOOD, *[{"n": "a"}] * 900)), id="one-by-one"),
        pytest.param(gzip.compress(pack(*[{"n": "a"}] * 900)), id="whole"),
    ],
)
def test_what_admission_says_that_it_holds_is_what_it_takes(payload: bytes) -> None:
    directory = Judge().directory
    admit([Message(UP, payload, NOON_US, 1, 1)], directory)  # learns its names
    tracemalloc.start()
    try:
        admission = Admission(directory, {})
        for mid in range(20):
            admission.add([Message(UP, bytes(bytearray(payload)), NOON_US, mid, 1)])
        gc.collect()  # what unpacking leaves
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert 0.6 * taken < admission.held_bytes < 4 * taken


class Interrupted(dict[Any, int]):
    """A dictionary at whose length another thread comes in between."""

    def __init__(self) -> None:
        super().__init__()
        self._both = threading.Barrier(2)

    def __len__(self) -> int:
        length = super().__len__()
        with contextlib.suppress(threading.BrokenBarrierError):
            self._both.wait(0.2)
        return length


def test_two_threads_that_learn_names_at_once_do_not_mix_up_channels() -> None:
    taps = range(1, 3)
    entries = {(ZONE, f"tap-{tap}", "level_m"): ChannelEntry(tap, "m", 0.0, 10.0) for tap in taps}
    directory = Directory({GATEWAY: ZONE}, entries)
    directory.names, directory._lines = Interrupted(), Interrupted()
    messages = [
        Message(UP, pack({"bn": f"tap-{tap}/", "n": "level_m", "u": "m", "v": tap, "bt": NOON_S}), NOON_US, 1, 1)
        for tap in taps
    ]
    threads = [threading.Thread(target=admit, args=([message], directory)) for message in messages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    columns = admit(messages, directory).columns
    assert columns.channel_id.tolist() == columns.value.tolist() == [1, 2]
