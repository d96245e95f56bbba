"""The account adds up and tells what is missing, in whatever order, pieces and repetitions the readings came."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.clock import ManualClock
from gateway.wire import encode_numbers
from gateway.zones import Zone
from ingest.admission import Message
from ingest.db import Connection, connect
from ingest.pipeline import Pipeline
from ingest.registry import import_zones
from ingest.replay import find_waiting, replay

pytestmark = pytest.mark.db
START = datetime(2026, 11, 20, 0, 0, tzinfo=UTC)
DAY = timedelta(days=1)
TABLES = (
    "reading, reading_note, reading_conflict, latest, reading_hour, reading_day, set_aside, gateway_boot, gateway_day"
)
LINES = """
SELECT zone_id, gateway_id, day, sent, arrived, declared, received, replayed, stored, duplicate, conflict, set_aside,
       late
FROM gateway_day ORDER BY day, zone_id, gateway_id
"""


class Line(NamedTuple):
    """A row of `gateway_day`."""

    zone: str
    gateway: str
    day: date
    sent: int
    arrived: int
    declared: int
    received: int
    replayed: int
    stored: int
    duplicate: int
    conflict: int
    set_aside: int
    late: int


@pytest.fixture
def connection(database_url: str, zones: list[Zone]) -> Iterator[Connection]:
    with connect(database_url) as connection:
        import_zones(connection, zones[:2])
        yield connection


def lines(connection: Connection) -> list[Line]:
    """The account, each line of it adding up, and as many readings stored as it says."""
    found = [Line(*row) for row in connection.execute(LINES)]
    for line in found:
        assert line.received + line.replayed == line.stored + line.duplicate + line.conflict + line.set_aside, line
        assert line.late <= line.stored
    assert connection.execute("SELECT count(*) FROM reading").fetchone() == (sum(line.stored for line in found),)
    return found


def total(found: Sequence[Line], name: str) -> int:
    return sum(getattr(line, name) for line in found)


def missing(found: Sequence[Line]) -> int:
    return total(found, "sent") - total(found, "arrived") - total(found, "declared")


def record(boot: str, seq: int, **more: Any) -> dict[str, Any]:
    """Reading `seq` of a boot, one a minute; boots lie ten days apart, so that no two readings share a time."""
    at = START - DAY * (10 + 10 * int(boot, 36)) + timedelta(minutes=seq)
    return {"bn": "tower/", "n": "level_m", "u": "m", "v": 1.0, "bt": at.timestamp(), "boot": boot, "seq": seq} | more


def pack(zone: Zone, records: Sequence[dict[str, Any]], at: datetime) -> Message:
    topic = f"ndiyan/1/{zone.zone_id}/{zone.gateway_id}/up/senml"
    return Message(topic, json.dumps(records).encode(), round(at.timestamp() * 1e6), 1, 1)


def thinned(zone: Zone, boot: str, ranges: Sequence[tuple[int, int]], at: datetime) -> Message:
    topic = f"ndiyan/1/{zone.zone_id}/{zone.gateway_id}/up/thinned"
    return Message(topic, encode_numbers(boot, ranges), round(at.timestamp() * 1e6), 1, 1)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    boots=st.lists(st.integers(1, 40), min_size=1, max_size=4),
    lost=st.floats(0, 0.5),
    again=st.floats(0, 0.6),
    bad=st.sampled_from([0.0, 0.2]),
    dice=st.randoms(use_true_random=False),
)
def test_any_order_of_any_pieces_comes_to_the_same_account(
    connection: Connection, zones: list[Zone], boots: list[int], lost: float, again: float, bad: float, dice: Random
) -> None:
    connection.execute(f"TRUNCATE {TABLES}")
    zone = zones[0]
    readings = [
        record(str(number), seq, u="bar" if dice.random() < bad else "m")
        for number, count in enumerate(boots)
        for seq in range(1, count + 1)
    ]
    arriving = [one for one in readings if dice.random() >= lost]
    arriving += [one for one in arriving if dice.random() < again]
    dice.shuffle(arriving)
    pipeline, now = Pipeline(connection), START
    day_of_first: dict[tuple[str, int], date] = {}
    rest = arriving
    while rest:
        size = dice.randrange(1, 9)
        by_boot: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for one in rest[:size]:
            by_boot[one["boot"]].append(one)
            day_of_first.setdefault((one["boot"], one["seq"]), now.date())
        pipeline.store([pack(zone, found, now) for found in by_boot.values()])
        rest = rest[size:]
        now += timedelta(hours=dice.randrange(30))
        if dice.random() < 0.2:
            pipeline = Pipeline(connection)  # ingest was killed

    found = lines(connection)
    highest: dict[str, int] = defaultdict(int)
    for boot, seq in day_of_first:
        highest[boot] = max(highest[boot], seq)
    good = {(one["boot"], one["seq"]) for one in arriving if one["u"] == "m"}
    assert total(found, "sent") == sum(highest.values())
    assert total(found, "arrived") == len(day_of_first)
    assert total(found, "received") == len(arriving)
    assert total(found, "stored") == total(found, "late") == len(good)
    assert total(found, "set_aside") == len(day_of_first) - len(good)
    assert total(found, "duplicate") == len(arriving) - len(day_of_first)
    assert (total(found, "conflict"), total(found, "replayed")) == (0, 0)
    for line in found:
        assert line.arrived == sum(day == line.day for day in day_of_first.values()), "on the day of its first coming"

    for number, count in enumerate(boots):
        pipeline.store([thinned(zone, str(number), [(dice.randint(1, count), count)], now) for _ in range(2)])
    declared = lines(connection)
    assert total(declared, "arrived") == total(found, "arrived")
    assert 0 <= total(declared, "declared") <= sum(boots) - total(declared, "arrived")
    assert missing(declared) >= 0

    pipeline.store([pack(zone, [one], now) for one in readings])
    assert missing(lines(connection)) == 0, "and nothing is missing once everything has come"
    assert total(lines(connection), "declared") == 0, "nor only declared"


def test_what_is_missing_is_known_by_what_came_later_and_gone_when_it_arrives(
    connection: Connection, zones: list[Zone]
) -> None:
    pipeline = Pipeline(connection)
    pipeline.store([pack(zones[0], [record("1", 1), record("1", 2)], START)])
    pipeline.store([pack(zones[0], [record("1", 6)], START + DAY)])
    first, second = lines(connection)
    assert (first.sent, first.arrived, second.sent, second.arrived) == (2, 2, 4, 1)
    assert missing([first, second]) == 3
    pipeline.store([pack(zones[0], [record("1", seq) for seq in (3, 4, 5)], START + 2 * DAY)])
    found = lines(connection)
    assert (missing(found[:2]), missing(found)) == (3, 0), "each day keeps what it knew at its end"


def test_what_a_gateway_thinned_is_declared_once_and_a_reading_that_comes_after_all_wins(
    connection: Connection, zones: list[Zone]
) -> None:
    zone, where = zones[0], (zones[0].zone_id, zones[0].gateway_id, "1")
    pipeline = Pipeline(connection)
    pipeline.store([pack(zone, [record("1", 1), record("1", 5)], START)])
    (before,) = lines(connection)
    assert missing([before]) == 3

    declared = pipeline.store([thinned(zone, "1", [(2, 4), (6, 9)], START)])
    assert declared.taken == {where: [(2, 4), (6, 9)]}, "which the gateway may forget"
    (line,) = lines(connection)
    assert (line.sent, line.arrived, line.declared, missing([line])) == (9, 2, 7, 0)

    pipeline = Pipeline(connection)  # ingest was killed before it answered, so the gateway says it again
    pipeline.store([thinned(zone, "1", [(2, 4)], START), thinned(zone, "1", [(3, 9)], START)])
    assert lines(connection) == [line]

    pipeline.store([pack(zone, [record("1", 3)], START + DAY)])  # the broker had it all the while
    _, later = lines(connection)
    assert (later.sent, later.arrived, later.declared, later.stored) == (0, 1, -1, 1)
    assert missing(lines(connection)) == 0
    pipeline.store([thinned(zone, "1", [(2, 4)], START + DAY), pack(zone, [record("1", 3)], START + DAY)])
    assert total(lines(connection), "declared") == 6, "it came, whatever is said again"


def test_what_a_stranger_declares_counts_once_it_is_registered_and_nonsense_is_set_aside(
    connection: Connection, zones: list[Zone]
) -> None:
    stranger, where = zones[3], (zones[3].zone_id, zones[3].gateway_id, "1")
    told = Pipeline(connection).store(
        [pack(stranger, [record("1", 3)], START), thinned(stranger, "1", [(1, 2)], START)]
    )
    assert told.taken[where] == [(3, 3), (1, 2)]
    import_zones(connection, [stranger])
    replay(connection, find_waiting(connection, limit=9), clock=ManualClock(START), who="Awa (web)")
    assert [(x.sent, x.arrived, x.declared) for x in lines(connection) if x.gateway] == [(3, 1, 2)]

    topic = thinned(stranger, "1", [], START).topic
    wild = [
        b"{}",
        b'{"boot": "1", "seq": [[4, 2]]}',
        encode_numbers("1", [(1, 2**41)]),
        encode_numbers("x" * 70, [(1, 1)]),
    ]
    pipeline = Pipeline(connection)
    aside = pipeline.store([Message(topic, payload, round(START.timestamp() * 1e6), 1, 1) for payload in wild])
    assert (aside.set_aside, aside.taken) == (4, {})
    reasons = connection.execute("SELECT DISTINCT reason FROM set_aside WHERE replayed_at IS NULL").fetchall()
    assert reasons == [("bad_record",)]


def test_each_gateway_stands_for_itself_and_nobody_has_a_line_too(connection: Connection, zones: list[Zone]) -> None:
    stranger = zones[3]
    Pipeline(connection).store(
        [
            pack(zones[0], [record("1", 1)], START), pack(zones[1], [record("1", 1), record("1", 4)], START),
            pack(stranger, [record("1", 1), record("1", 2)], START),
            Message("some/other/topic", b"\x00", round(START.timestamp() * 1e6), 1, 1),
        ]
    )  # fmt: skip
    nobody, first, second = lines(connection)
    assert (nobody.gateway, nobody.received, nobody.set_aside, nobody.sent) == ("", 2, 2, 0)
    assert (first.gateway, first.stored, missing([first])) == (zones[0].gateway_id, 1, 0)
    assert (second.gateway, second.stored, missing([second])) == (zones[1].gateway_id, 2, 2)


def test_another_value_for_the_same_moment_is_a_conflict_once_and_both_values_stay(
    connection: Connection, zones: list[Zone]
) -> None:
    pipeline = Pipeline(connection)
    pipeline.store([pack(zones[0], [record("1", 1)], START)])
    pipeline.store([pack(zones[0], [record("1", 1, v=2.0)], START)])
    (line,) = lines(connection)
    assert (line.stored, line.conflict, line.arrived) == (1, 1, 1)
    assert connection.execute("SELECT value FROM reading").fetchone() == (1.0,)
    assert connection.execute("SELECT value FROM reading_conflict").fetchone() == (2.0,)


def test_readings_of_an_hour_ago_are_late_and_those_of_the_hour_are_not(
    connection: Connection, zones: list[Zone]
) -> None:
    times = [START - timedelta(hours=1, seconds=1), START - timedelta(hours=1), START]
    records = [record("1", seq, bt=at.timestamp()) for seq, at in enumerate(times, 1)]
    Pipeline(connection).store([pack(zones[0], records, START)])
    (line,) = lines(connection)
    assert (line.stored, line.late) == (3, 1)


def test_the_clocks_offset_is_that_of_the_least_delay_and_a_replay_tells_none(
    connection: Connection, zones: list[Zone]
) -> None:
    """A pack that was 100 s on its way looks 100 s slow; the best of the day comes nearest to the truth."""
    offset = "SELECT clock_offset_s FROM gateway_day WHERE day = %s"
    pipeline = Pipeline(connection)
    for seq, delay_s in enumerate((100.0, 3.0, 50.0), 1):
        sent = {"sent": START.timestamp() - delay_s, "sup": 500.0 + seq, "bup": 400.0, "bt": START.timestamp() - 200}
        pipeline.store([pack(zones[0], [record("1", seq) | sent], START)])
    assert connection.execute(offset, [START.date()]).fetchone() == (-3.0,)
    sent = {"sent": START.timestamp() - 1, "sup": 500.0}
    pipeline.store([pack(zones[3], [record("1", 1) | sent], START)])
    import_zones(connection, zones[:4])
    replay(connection, find_waiting(connection, limit=1), clock=ManualClock(START + DAY), who="Awa (web)")
    assert connection.execute(offset, [(START + DAY).date()]).fetchone() == (None,)


def test_a_batch_that_fails_leaves_no_trace_in_the_account(connection: Connection, zones: list[Zone]) -> None:
    connection.execute("ALTER TABLE reading ADD CONSTRAINT no_seven CHECK (value <> 7)")
    Pipeline(connection).store([pack(zones[0], [record("1", 1), record("1", 2, v=7.0), record("1", 3)], START)])
    (line,) = lines(connection)
    assert (line.received, line.stored, line.set_aside, line.sent, line.arrived) == (3, 2, 1, 3, 3)


def test_word_is_left_of_a_past_into_which_readings_come_and_not_of_a_backlog_in_order(
    connection: Connection, zones: list[Zone]
) -> None:
    pipeline = Pipeline(connection)

    def arrives(*hours_ago: float, channel: str = "level_m") -> list[tuple[str, datetime]]:
        """What is left word of when these have come in one message."""
        readings = [
            {"n": f"tower/{channel}", "u": "m" if channel == "level_m" else "m3/s", "v": 1.0,
             "bt": (START - timedelta(hours=hours)).timestamp()} for hours in hours_ago
        ]  # fmt: skip
        pipeline.store([pack(zones[0], readings, START)])
        return connection.execute("DELETE FROM late_arrival RETURNING zone_id, first_at").fetchall()

    assert arrives(50, 49, 48) == [], "nothing was there before"
    assert arrives(20, 30) == [], "whatever their order, newer than all that the zone had"
    assert arrives(0.5) == []
    assert arrives(9, 8, 40, channel="outflow_m3_h") == [(zones[0].zone_id, START - timedelta(hours=40))]
    assert arrives(9, 8, 40, channel="outflow_m3_h") == [], "known"
    pipeline = Pipeline(connection)  # ingest was killed
    assert arrives(7) == [(zones[0].zone_id, START - timedelta(hours=7))]
