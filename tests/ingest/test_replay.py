"""What was set aside is tried again: each message a transaction, nothing lost, nothing counted twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from gateway.clock import ManualClock
from gateway.model import Flag
from gateway.zones import Zone
from ingest.admission import Message
from ingest.db import Connection, connect
from ingest.errors import SchemaMismatch
from ingest.pipeline import Pipeline
from ingest.registry import import_zones
from ingest.replay import Fate, Replayed, find_waiting, replay

pytestmark = pytest.mark.db
NOON = datetime(2026, 11, 24, 12, 50, tzinfo=UTC)
NOON_S = NOON.timestamp()
BOOK = "SELECT received, replayed, stored, duplicate, conflict, set_aside FROM gateway_day WHERE gateway_id = %s"


@pytest.fixture
def connection(database_url: str, zones: list[Zone]) -> Iterator[Connection]:
    with connect(database_url) as connection:
        import_zones(connection, zones[:1])
        yield connection


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON + timedelta(days=2))


def level(seq: int, **more: object) -> dict[str, object]:
    """One reading of the tower, measured two hours before noon and `seq` seconds."""
    return {
        "bn": "tower/",
        "n": "level_m",
        "u": "m",
        "v": 1.0,
        "bt": NOON_S - 7200 + seq,
        "boot": "ab",
        "seq": seq,
    } | more


def message(zone: Zone, *records: dict[str, object], raw: bytes | None = None, kind: str = "senml") -> Message:
    topic = f"ndiyan/1/{zone.zone_id}/{zone.gateway_id}/up/{kind}"
    return Message(topic, json.dumps(records).encode() if raw is None else raw, round(NOON_S * 1e6), 1, 1)


def adds_up(connection: Connection) -> bool:
    """Whether each line of the account, and the readings that are there, are what the account says."""
    lines = connection.execute(
        "SELECT received + replayed = stored + duplicate + conflict + set_aside FROM gateway_day"
    ).fetchall()
    ((stored, rows),) = connection.execute(
        "SELECT (SELECT sum(stored) FROM gateway_day), (SELECT count(*) FROM reading)"
    ).fetchall()
    return all(line[0] for line in lines) and stored == rows


def test_what_a_stranger_sent_is_stored_once_its_gateway_is_registered(
    connection: Connection, zones: list[Zone], clock: ManualClock
) -> None:
    stranger = zones[1]
    Pipeline(connection).store([message(stranger, level(1), level(2), level(3)), message(stranger, level(4))])
    ids = find_waiting(connection, limit=10)
    assert [found.reason for found in replay(connection, ids, clock=clock, who="Awa (web)")] == ["unknown_gateway"] * 2
    import_zones(connection, zones[:2])
    assert replay(connection, ids, clock=clock, who="Awa (web)") == [
        Replayed(ids[0], Fate.ACCEPTED, stored=3), Replayed(ids[1], Fate.ACCEPTED, stored=1)
    ]  # fmt: skip
    assert connection.execute(BOOK, [stranger.gateway_id]).fetchall() == [(0, 4, 4, 0, 0, 0)]
    assert adds_up(connection)
    assert find_waiting(connection, limit=10) == []


def test_what_came_while_our_clock_was_behind_is_let_in_later_and_marked(
    connection: Connection, zones: list[Zone], clock: ManualClock
) -> None:
    """A sensor that tells no uptime measured a day after what the server took for now, and ten minutes on again."""
    readings = [{"bn": "tower/", "n": "level_m", "u": "m", "v": 1.0, "bt": NOON_S + 86_400 + 600 * n} for n in (0, 1)]
    Pipeline(connection).store([message(zones[0], *readings)])
    ids = find_waiting(connection, reason="time_in_future", limit=10)
    assert len(ids) == 2
    early = ManualClock(NOON + timedelta(days=1, minutes=5))
    assert [found.fate for found in replay(connection, ids, clock=early, who="Awa (web)")] == [
        Fate.ACCEPTED, Fate.REFUSED
    ], "the second is of the future still"  # fmt: skip
    assert replay(connection, ids[1:], clock=clock, who="Awa (web)") == [Replayed(ids[1], Fate.ACCEPTED, stored=1)]
    rows = connection.execute("SELECT measured_at, flag FROM reading ORDER BY measured_at").fetchall()
    assert rows == [(NOON + timedelta(days=1, minutes=10 * n), Flag.SUSPECT) for n in (0, 1)]
    assert adds_up(connection)


def test_numbers_of_what_was_replayed_are_not_missing(
    connection: Connection, zones: list[Zone], clock: ManualClock
) -> None:
    Pipeline(connection).store([message(zones[1], level(1), level(2))])
    import_zones(connection, zones[:2])
    Pipeline(connection).store([message(zones[1], level(3))])
    missing = "SELECT sum(sent) - sum(arrived) FROM gateway_day WHERE gateway_id = %s"
    assert connection.execute(missing, [zones[1].gateway_id]).fetchone() == (2,), "set aside under nobody's name"
    replay(connection, find_waiting(connection, limit=10), clock=clock, who="Awa (web)")
    assert connection.execute(missing, [zones[1].gateway_id]).fetchone() == (0,)


def test_what_came_on_time_and_is_replayed_later_is_judged_in_its_own_time(
    connection: Connection, zones: list[Zone], clock: ManualClock
) -> None:
    """A gateway sent before it was registered, and went on; what is stored now lies three hours behind its newest."""
    Pipeline(connection).store([message(zones[1], level(1, bt=NOON_S - 60))])
    import_zones(connection, zones[:2])
    three_later = message(zones[1], level(2, bt=NOON_S + 3 * 3600))
    Pipeline(connection).store([msgspec.structs.replace(three_later, received_us=round((NOON_S + 3 * 3600) * 1e6))])
    late = "SELECT zone_id, first_at FROM late_arrival"
    assert connection.execute(late).fetchall() == [], "what is newest is judged as it comes"
    replay(connection, find_waiting(connection, limit=10), clock=clock, who="Awa (web)")
    assert connection.execute(late).fetchall() == [(zones[1].zone_id, NOON - timedelta(seconds=60))]


def test_one_reading_that_is_still_bad_does_not_hold_its_neighbours(
    connection: Connection, zones: list[Zone], clock: ManualClock
) -> None:
    Pipeline(connection).store([message(zones[1], level(1), level(2, u="bar"), level(3))])
    import_zones(connection, zones[:2])
    (number,) = find_waiting(connection, limit=10)
    assert replay(connection, [number], clock=clock, who="Awa (web)") == [
        Replayed(number, Fate.PARTLY, stored=2, set_aside=1)
    ]
    rows = connection.execute("SELECT reason FROM set_aside WHERE replayed_at IS NULL").fetchall()
    assert rows == [("wrong_unit",)]
    assert connection.execute(BOOK, [zones[1].gateway_id]).fetchall() == [(0, 3, 2, 0, 0, 1)]
    assert adds_up(connection)


def test_a_second_replay_finds_it_gone_and_counts_nothing(
    connection: Connection, zones: list[Zone], clock: ManualClock
) -> None:
    Pipeline(connection).store([message(zones[1], level(1))])
    import_zones(connection, zones[:2])
    (number,) = find_waiting(connection, limit=10)
    fates = [found.fate for found in replay(connection, [number, number, 999], clock=clock, who="Awa (web)")]
    assert fates == [Fate.ACCEPTED, Fate.GONE, Fate.GONE]
    assert connection.execute(BOOK, [zones[1].gateway_id]).fetchall() == [(0, 1, 1, 0, 0, 0)]


def test_a_reading_that_had_no_date_and_has_one_now_is_stored_though_its_number_was_booked(
    connection: Connection, zones: list[Zone], clock: ManualClock
) -> None:
    """Set aside because its gateway woke up in 1970; a later pack of the same boot says when uptime was 0."""
    pipeline = Pipeline(connection)
    pipeline.store([message(zones[0], level(1, bt=100.0, bup=100.0))])
    (number,) = find_waiting(connection, reason="time_before_service", limit=10)
    pipeline.store([message(zones[0], level(2, bt=NOON_S - 5, bup=595.0, sent=NOON_S, sup=600.0))])
    assert replay(connection, [number], clock=clock, who="Awa (web)") == [Replayed(number, Fate.ACCEPTED, stored=1)]
    ((measured, device),) = connection.execute(
        "SELECT measured_at, device_at FROM reading_note WHERE test = 'clock'"
    ).fetchall()
    assert (measured, device) == (NOON - timedelta(seconds=500), datetime(1970, 1, 1, 0, 1, 40, tzinfo=UTC))
    assert adds_up(connection)


def test_the_same_readings_in_two_set_aside_packs_are_stored_once(
    connection: Connection, zones: list[Zone], clock: ManualClock
) -> None:
    Pipeline(connection).store(
        [message(zones[1], level(1), level(2)), message(zones[1], level(2), level(3), level(3, v=2.0))]
    )
    import_zones(connection, zones[:2])
    first, second = replay(connection, find_waiting(connection, limit=10), clock=clock, who="Awa (web)")
    assert (first.stored, first.duplicate, first.conflict) == (2, 0, 0)
    assert (second.stored, second.duplicate, second.conflict) == (1, 1, 1)
    assert adds_up(connection)


def test_a_status_of_a_stranger_counts_once_it_is_known(
    connection: Connection, zones: list[Zone], clock: ManualClock
) -> None:
    birth = json.dumps({"state": "online", "software": "0.1", "clock": "gnss"}).encode()
    Pipeline(connection).store([message(zones[1], raw=birth, kind="status")])
    import_zones(connection, zones[:2])
    (found,) = replay(connection, find_waiting(connection, limit=10), clock=clock, who="Awa (web)")
    assert found.fate is Fate.ACCEPTED
    status = connection.execute("SELECT status, software FROM gateway WHERE gateway_id = %s", [zones[1].gateway_id])
    assert status.fetchone() == ("online", "0.1")
    assert adds_up(connection)


def test_what_the_database_refuses_is_refused_alone_and_the_next_is_replayed(
    connection: Connection, zones: list[Zone], clock: ManualClock
) -> None:
    Pipeline(connection).store([message(zones[1], level(1, v=7.0)), message(zones[1], level(2))])
    import_zones(connection, zones[:2])
    connection.execute("ALTER TABLE reading ADD CONSTRAINT no_seven CHECK (value <> 7)")
    first, second = replay(connection, find_waiting(connection, limit=10), clock=clock, who="Awa (web)")
    assert (first.fate, first.reason) == (Fate.REFUSED, "database_refused")
    assert second.fate is Fate.ACCEPTED
    assert adds_up(connection)


def test_a_schema_that_is_not_ours_stops_the_replay_and_loses_nothing(
    connection: Connection, zones: list[Zone], clock: ManualClock
) -> None:
    Pipeline(connection).store([message(zones[1], level(1))])
    import_zones(connection, zones[:2])
    ids = find_waiting(connection, limit=10)
    connection.execute("ALTER TABLE reading_note RENAME COLUMN test TO trial")
    connection.execute("ALTER TABLE gateway_day RENAME COLUMN late TO tardy")
    with pytest.raises(SchemaMismatch, match="42703"):
        replay(connection, ids, clock=clock, who="Awa (web)")
    assert find_waiting(connection, limit=10) == ids
    assert connection.execute("SELECT count(*) FROM reading").fetchone() == (0,)


def test_what_waits_is_found_by_zone_reason_and_time(connection: Connection, zones: list[Zone]) -> None:
    Pipeline(connection).store(
        [message(zones[0], raw=b"x"), message(zones[0], level(1, u="bar")), message(zones[1], level(1))]
    )
    everything = find_waiting(connection, limit=10)
    assert len(everything) == 3
    assert find_waiting(connection, zone=zones[0].zone_id, limit=10) == everything[:2]
    assert find_waiting(connection, reason="wrong_unit", limit=10) == [everything[1]]
    assert find_waiting(connection, since=NOON + timedelta(seconds=1), limit=10) == []
    assert find_waiting(connection, limit=2) == everything[:2]
