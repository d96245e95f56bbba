"""What becomes of a batch that the database refuses, row by row of the table in docs/outages.md, by a real server.

Set aside (the reading can never be stored), tried again at once, or kept unconfirmed until time passes or a person
acts. What the server does not do by itself a trigger does in its place.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from psycopg import sql

from gateway.model import AssetId, Reading
from gateway.wire import Queued, encode_pack
from gateway.zones import Zone
from ingest import admission
from ingest.admission import Message, RejectReason
from ingest.db import Connection, connect
from ingest.errors import SchemaMismatch, StoreUnavailable
from ingest.pipeline import MAX_ATTEMPTS_AT_ONCE, Committed, Pipeline
from ingest.registry import import_zones
from ingest.sqlstate import Meaning, as_detail, as_ingest_error, meaning_of
from ingest.suspicion import READINGS, Suspicion

pytestmark = pytest.mark.db
NOON = datetime(2026, 11, 24, 12, 50, tzinfo=UTC)
POISON = 7.0
REFUSE = """
CREATE SEQUENCE IF NOT EXISTS refusals;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('refusals') <= {times} THEN RAISE EXCEPTION 'refused by a test' USING ERRCODE = {state}; END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION refuse();
"""


@pytest.fixture
def connection(database_url: str, zones: list[Zone]) -> Iterator[Connection]:
    with connect(database_url) as connection:
        import_zones(connection, zones[:2])
        yield connection


def packs(zone: Zone, values: Sequence[float], *, per_pack: int = 20, boot: str = "ab") -> list[Message]:
    """A reading a second, as a gateway sends them."""
    topic, noon_s = f"ndiyan/1/{zone.zone_id}/{zone.gateway_id}/up/senml", NOON.timestamp()
    queued = [
        Queued(n, 100.0 + n, Reading(AssetId("tower"), "level_m", _at(noon_s - len(values) + n), value))
        for n, value in enumerate(values, start=1)
    ]
    uptime_s = 100.0 + len(values)
    return [
        Message(
            topic,
            encode_pack(boot, queued[k : k + per_pack], sent_at=NOON, sent_uptime_s=uptime_s),
            round(noon_s * 1e6), 1, 1,
        )
        for k in range(0, len(values), per_pack)
    ]  # fmt: skip


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def refuse(
    connection: Connection,
    state: str,
    *,
    when: str = f"NEW.value = {POISON}",
    times: int = 10**9,
    table: str = "reading",
) -> None:
    """Have the server refuse rows with an SQLSTATE, so many times."""
    parts = {"times": sql.Literal(times), "state": sql.Literal(state), "table": sql.Identifier(table)}
    connection.execute(sql.SQL(REFUSE).format(**parts, when=sql.SQL(when)))


def aside(connection: Connection) -> list[tuple[str, str, list[int]]]:
    """What was set aside: reason, detail, sequence numbers."""
    rows = connection.execute("SELECT reason, detail, payload FROM set_aside ORDER BY set_aside_id").fetchall()
    return [(reason, detail, [record.get("seq") for record in json.loads(payload)]) for reason, detail, payload in rows]


def numbers(stored: Committed) -> set[int]:
    """The sequence numbers that gateways may forget."""
    return {seq for ranges in stored.taken.values() for low, high in ranges for seq in range(low, high + 1)}


def adds_up(connection: Connection) -> bool:
    row = connection.execute(
        "SELECT sum(received) = sum(stored + duplicate + conflict + set_aside) FROM gateway_day"
    ).fetchone()
    return row == (True,)


# 22xxx, 23xxx (but for some), 54xxx: the row. Natural causes first: an overflow, a division, a check.
@pytest.mark.parametrize(
    ("state", "cause"),
    [
        pytest.param("22003", "ALTER TABLE reading ADD CHECK (exp(value * 120) > 0)", id="22003-out-of-range"),
        pytest.param("22012", "ALTER TABLE reading ADD CHECK (1 / (value - 7) < 9)", id="22012-division-by-zero"),
        pytest.param("23514", "ALTER TABLE reading ADD CHECK (value <> 7)", id="23514-check"),
        pytest.param("54000", None, id="54000-limit"),
        pytest.param("54001", None, id="54001-too-complex"),
        pytest.param("54011", None, id="54011-too-many-columns"),
    ],
)
def test_a_row_that_can_never_be_stored_is_set_aside_alone(
    connection: Connection, zones: list[Zone], state: str, cause: str | None
) -> None:
    if cause is None:
        refuse(connection, state)
    else:
        connection.execute(cause)
    values = [1.0] * 30 + [POISON] + [2.0] * 30
    stored = Pipeline(connection).store(packs(zones[0], values))
    assert (stored.stored, stored.set_aside) == (60, 1)
    ((reason, detail, seqs),) = aside(connection)
    assert (reason, seqs) == (RejectReason.DATABASE_REFUSED, [31])
    assert detail.startswith(f"[{state}]")
    assert numbers(stored) == set(range(1, 62)), "its gateway may forget it too: it is kept here"
    assert adds_up(connection)


@contextmanager
def round_trips(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[None]]:
    """Counts how often the client waits for the server."""
    waits: list[None] = []
    wait: Any = psycopg.Connection.wait

    def counted(*args: Any, **more: Any) -> Any:
        waits.append(None)
        return wait(*args, **more)

    with monkeypatch.context() as patched:
        patched.setattr(psycopg.Connection, "wait", counted)
        yield waits


def test_one_bad_row_of_ten_thousand_costs_a_few_round_trips(
    connection: Connection, zones: list[Zone], monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.execute("ALTER TABLE reading ADD CHECK (value <> 7)")
    pipeline = Pipeline(connection)
    with round_trips(monkeypatch) as without:
        pipeline.store(packs(zones[1], [1.0] * 10_000))
    with round_trips(monkeypatch) as with_one:
        stored = pipeline.store(packs(zones[0], [POISON if n == 6_665 else 1.0 for n in range(10_000)]))
    assert (stored.stored, stored.set_aside) == (9_999, 1)
    assert [seqs for _, _, seqs in aside(connection)] == [[6_666]]
    assert len(with_one) < 6 * len(without), "and not thousands"
    assert adds_up(connection)


def test_a_hundred_bad_rows_of_ten_thousand_are_each_found(connection: Connection, zones: list[Zone]) -> None:
    connection.execute("ALTER TABLE reading ADD CHECK (value <> 7)")
    values = [POISON if n % 100 == 36 else 1.0 for n in range(10_000)]
    stored = Pipeline(connection).store(packs(zones[0], values))
    assert (stored.stored, stored.set_aside) == (9_900, 100)
    assert [seqs for _, _, seqs in aside(connection)] == [[n + 1] for n in range(10_000) if n % 100 == 36]
    assert numbers(stored) == set(range(1, 10_001))


def test_a_server_that_does_not_name_the_row_is_asked_by_halves(connection: Connection, zones: list[Zone]) -> None:
    refuse(connection, "22000", table="latest", when="NEW.value = 7")
    values = [1.0] * 30 + [POISON]  # the newest, so that it would be the latest
    stored = Pipeline(connection).store([*packs(zones[0], values), *packs(zones[1], [3.0])])
    assert (stored.stored, stored.set_aside) == (31, 1)
    assert [(reason, seqs) for reason, _, seqs in aside(connection)] == [("database_refused", [31])]
    assert connection.execute("SELECT count(*) FROM reading WHERE value = 7").fetchone() == (0,)
    assert adds_up(connection)


def test_a_status_that_is_refused_is_set_aside_and_its_neighbours_stored(
    connection: Connection, zones: list[Zone]
) -> None:
    refuse(connection, "22000", table="gateway", when="NEW.software = 'bad'")
    status = {"state": "online", "software": "bad", "clock": "ntp"}
    topic = f"ndiyan/1/{zones[0].zone_id}/{zones[0].gateway_id}/up/status"
    message = Message(topic, json.dumps(status).encode(), round(NOON.timestamp() * 1e6), 1, 1)
    stored = Pipeline(connection).store([*packs(zones[0], [1.0, 2.0]), message, *packs(zones[1], [3.0])])
    assert (stored.stored, stored.set_aside) == (3, 1)
    reasons = connection.execute("SELECT reason, topic FROM set_aside").fetchall()
    assert reasons == [("database_refused", topic)]


def test_a_message_whose_account_is_refused_is_kept_in_nobodys(
    connection: Connection, zones: list[Zone], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "_is_boot", lambda text: True)  # as if one more word had been let through
    (poison,) = packs(zones[0], [1.0], boot="a\x00b")
    stored = Pipeline(connection).store([*packs(zones[0], [1.0, 2.0]), poison])
    assert (stored.stored, stored.set_aside) == (2, 1)
    ((reason, detail, _),) = aside(connection)
    assert reason == "database_refused"
    assert detail.startswith("[22021]"), "a NUL in a text"
    assert numbers(stored) == {1, 2}
    assert adds_up(connection)


def test_a_channel_that_goes_while_ingest_runs_is_unknown_and_no_bad_row(
    connection: Connection, zones: list[Zone]
) -> None:
    pipeline = Pipeline(connection)
    connection.execute("DELETE FROM channel WHERE zone_id = %s AND name = 'level_m'", [zones[0].zone_id])
    stored = pipeline.store([*packs(zones[0], [1.0, 2.0]), *packs(zones[1], [3.0])])
    assert (stored.stored, stored.set_aside) == (1, 2)
    assert {reason for reason, _, _ in aside(connection)} == {"unknown_channel"}


# 40001, 40P01, 55P03, 57014: again at once, then as if the system were away.
@pytest.mark.parametrize("state", ["40001", "40P01", "55P03", "57014"])
def test_what_was_in_the_way_is_tried_again_at_once(connection: Connection, zones: list[Zone], state: str) -> None:
    refuse(connection, state, times=MAX_ATTEMPTS_AT_ONCE - 1)
    stored = Pipeline(connection).store(packs(zones[0], [POISON]))
    assert (stored.stored, stored.set_aside) == (1, 0)
    assert connection.execute("SELECT last_value FROM refusals").fetchone() == (MAX_ATTEMPTS_AT_ONCE,)


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_what_stays_in_the_way_keeps_the_batch(connection: Connection, zones: list[Zone], state: str) -> None:
    refuse(connection, state)
    assert_kept(connection, zones[0], StoreUnavailable, state)
    assert connection.execute("SELECT last_value FROM refusals").fetchone() == (MAX_ATTEMPTS_AT_ONCE,)


@pytest.mark.parametrize(("state", "setting"), [("55P03", "lock_timeout"), ("57014", "statement_timeout")])
def test_a_lock_that_somebody_holds_keeps_the_batch_until_it_is_let_go(
    connection: Connection, zones: list[Zone], database_url: str, state: str, setting: str
) -> None:
    pipeline, batch = Pipeline(connection), packs(zones[0], [1.0, 2.0])
    connection.execute(sql.SQL("SET {} = '20ms'").format(sql.Identifier(setting)))
    with connect(database_url, autocommit=False) as other:
        other.execute("LOCK TABLE reading")
        with pytest.raises(StoreUnavailable, match=state):
            pipeline.store(batch)
        other.rollback()
    connection.execute(sql.SQL("RESET {}").format(sql.Identifier(setting)))
    assert pipeline.store(batch).stored == 2
    assert aside(connection) == []


# 08xxx, 53xxx, 57Pxx, 58xxx and whatever nobody knows: the system is away.
def test_a_system_that_is_away_or_an_unknown_error_keeps_the_batch(connection: Connection, zones: list[Zone]) -> None:
    away = "08006 08P01 53000 53100 53200 53300 53400 57P01 57P02 57P03 58000 58030"
    unknown = "P0001 XX000 0A000 21000 ZZ999 HV000"
    for state in f"{away} {unknown}".split():
        refuse(connection, state)
        assert_kept(connection, zones[0], StoreUnavailable, state)


def test_a_connection_that_is_ended_keeps_the_batch(
    connection: Connection, zones: list[Zone], database_url: str
) -> None:
    pipeline, batch = Pipeline(connection), packs(zones[0], [1.0, 2.0])
    with connect(database_url) as other:
        other.execute("SELECT pg_terminate_backend(%s)", [connection.info.backend_pid])
        with pytest.raises(StoreUnavailable, match=r"57P01|no connection"):
            pipeline.store(batch)
        assert aside(other) == []
        assert Pipeline(other).store(batch).stored == 2


def test_a_connection_that_is_ended_in_the_middle_of_a_batch_keeps_the_batch(
    connection: Connection, zones: list[Zone], database_url: str
) -> None:
    connection.execute(
        "CREATE FUNCTION go() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END $$;"
        " CREATE TRIGGER go BEFORE INSERT ON reading FOR EACH ROW WHEN (NEW.value = 7) EXECUTE FUNCTION go()"
    )
    batch = packs(zones[0], [1.0, POISON])
    with pytest.raises(StoreUnavailable):
        Pipeline(connection).store(batch)
    with connect(database_url) as other:
        other.execute("DROP TRIGGER go ON reading")
        assert other.execute("SELECT count(*) FROM reading").fetchone() == (0,)
        assert Pipeline(other).store(batch).stored == 2


# 42xxx, 22P02, 22P03, 22P04, 23502, 25006, XX001, XX002: schema, rights or corruption. A person must act; no bad row.
@pytest.mark.parametrize(
    ("state", "broken", "mended"),
    [
        pytest.param("42703", "ALTER TABLE reading RENAME value TO amount",
                     "ALTER TABLE reading RENAME amount TO value", id="42703-column"),
        pytest.param("42P01", "ALTER TABLE latest RENAME TO newest",
                     "ALTER TABLE newest RENAME TO latest", id="42P01-table"),
        pytest.param("42883", "ALTER FUNCTION take_writer_turns RENAME TO f",
                     "ALTER FUNCTION f RENAME TO take_writer_turns", id="42883-function"),
        pytest.param("22P03", "DROP VIEW grafana_reading, reading_hourly CASCADE;"
                     " ALTER TABLE reading ALTER value TYPE real",
                     "ALTER TABLE reading ALTER value TYPE double precision", id="22P03-type"),
        pytest.param("23502", "ALTER TABLE latest ADD extra int NOT NULL",
                     "ALTER TABLE latest DROP extra", id="23502-column-that-we-do-not-fill"),
        pytest.param("25006", "SET default_transaction_read_only = on",
                     "SET default_transaction_read_only = off", id="25006-standby"),
        pytest.param("42501", "CREATE ROLE {role}; GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};"
                     " SET ROLE {role}", "RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}", id="42501-right"),
    ],
)  # fmt: skip
def test_a_schema_or_right_that_is_not_as_expected_stops_the_stream_until_a_person_acts(
    connection: Connection, zones: list[Zone], state: str, broken: str, mended: str
) -> None:
    pipeline, batch = Pipeline(connection), packs(zones[0], [1.0, 2.0])
    role = sql.Identifier(f"weak_{connection.info.dbname}")
    connection.execute(sql.SQL(broken).format(role=role))
    with pytest.raises(SchemaMismatch, match=state):
        pipeline.store(batch)
    connection.execute(sql.SQL(mended).format(role=role))
    assert aside(connection) == []
    assert pipeline.store(batch).stored == 2


def test_corruption_and_rows_of_another_shape_stop_the_stream(connection: Connection, zones: list[Zone]) -> None:
    for state in ("XX001", "XX002", "22P02", "22P04"):
        refuse(connection, state)
        assert_kept(connection, zones[0], SchemaMismatch, state)


def assert_kept(connection: Connection, zone: Zone, kind: type[Exception], state: str) -> None:
    """Nothing of the batch is stored, set aside or booked; it is stored once the cause has gone."""
    pipeline, batch = Pipeline(connection), packs(zone, [1.0, POISON, 2.0])
    with pytest.raises(kind, match=state):
        pipeline.store(batch)
    for table in ("reading", "set_aside", "gateway_day"):
        count = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))
        assert connection.execute(count).fetchone() == (0,), table
    connection.execute("DROP FUNCTION refuse CASCADE")
    assert pipeline.store(batch).stored == 3
    assert adds_up(connection)
    connection.execute("TRUNCATE reading, latest, gateway_boot, gateway_day")


# So much is bad that it cannot be the rows.
def test_a_fifth_of_a_batch_of_several_zones_is_not_believed_to_be_bad_rows(
    connection: Connection, zones: list[Zone]
) -> None:
    connection.execute("ALTER TABLE reading ADD CONSTRAINT wrong CHECK (value <> 7)")
    values = [POISON if n % 2 else 1.0 for n in range(READINGS)]
    batch = [*packs(zones[0], values), *packs(zones[1], values)]
    pipeline = Pipeline(connection)
    with pytest.raises(SchemaMismatch, match=r"100 of 200 readings of 2 zones, the first with \[23514\]"):
        pipeline.store(batch)
    assert connection.execute("SELECT count(*) FROM set_aside").fetchone() == (0,)
    assert connection.execute("SELECT count(*) FROM reading").fetchone() == (0,)
    connection.execute("ALTER TABLE reading DROP CONSTRAINT wrong")
    assert pipeline.store(batch).stored == 200


def test_a_trickle_of_which_all_is_refused_is_not_believed_either(
    connection: Connection, zones: list[Zone], database_url: str
) -> None:
    connection.execute("ALTER TABLE reading ADD CONSTRAINT wrong CHECK (value < 1)")
    suspicion = Suspicion()
    pipeline = Pipeline(connection, suspicion)
    one, two = (packs(zone, [2.0] * 100, per_pack=1) for zone in zones[:2])
    trickle = [message for pair in zip(one, two, strict=True) for message in pair]
    for message in trickle[: READINGS - 1]:
        assert pipeline.store([message]).set_aside == 1
    with connect(database_url) as other:
        for again in (pipeline, Pipeline(other, suspicion)):
            with pytest.raises(SchemaMismatch, match=r"100 of 100 readings of 2 zones, the first with \[23514\]"):
                again.store([trickle[READINGS - 1]])
    assert len(aside(connection)) == READINGS - 1
    connection.execute("ALTER TABLE reading DROP CONSTRAINT wrong")
    assert pipeline.store(trickle[READINGS - 1 :]).stored == len(trickle) - READINGS + 1
    assert adds_up(connection)


def test_one_zone_cannot_hold_up_the_others_however_much_of_it_is_refused(
    connection: Connection, zones: list[Zone]
) -> None:
    connection.execute("ALTER TABLE reading ADD CHECK (value <> 7)")
    stored = Pipeline(connection).store([*packs(zones[0], [POISON] * 200), *packs(zones[1], [1.0] * 10)])
    assert (stored.stored, stored.set_aside) == (10, 200)


def error_with(sqlstate: str | None) -> psycopg.Error:
    if sqlstate is None:
        return psycopg.OperationalError("the connection is lost")
    try:
        return psycopg.errors.lookup(sqlstate)("told by its state")
    except KeyError:
        unknown = psycopg.OperationalError("told by its state")
        unknown.sqlstate = sqlstate
        return unknown


@pytest.mark.parametrize(
    ("error", "meaning", "detail"),
    [
        (error_with("22003"), Meaning.ROW, "[22003]: told by its state"),
        (error_with(None), Meaning.AWAY, "[no connection]: the connection is lost"),
        (error_with("ZZ999"), Meaning.AWAY, "[ZZ999]: told by its state"),
        (error_with("42501"), Meaning.OURS, "[42501]: told by its state"),
        (psycopg.DataError("no NUL\nin a text"), Meaning.ROW, "[DataError]: no NUL"),
        (UnicodeEncodeError("utf-8", "\ud800", 0, 1, "surrogates not allowed"), Meaning.ROW, "[UnicodeEncodeError]: "),
        (OverflowError("int too large"), Meaning.ROW, "[OverflowError]: int too large"),
        (RecursionError(), Meaning.ROW, "[RecursionError]: RecursionError"),
        (psycopg.InterfaceError("the connection is closed"), Meaning.AWAY, "[no connection]: "),
    ],
)  # fmt: skip
def test_errors_are_told_apart_by_their_state_and_told_in_a_line(
    error: Exception, meaning: Meaning, detail: str
) -> None:
    assert meaning_of(error) is meaning
    assert as_detail(error).startswith(detail)
    expected = SchemaMismatch if meaning is Meaning.OURS else StoreUnavailable
    assert type(as_ingest_error(error)) is expected
