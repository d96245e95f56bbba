"""What a PostgreSQL that is spread over machines asks of tables and statements (Citus; docs/scale.md has the sources).

Without Citus this reads the catalogue and the statements; where the server offers it, the tables are distributed and
each statement is put before its planner. What is found wanting is named below and in the docs, and one more or less
than that is noticed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files

import psycopg
import pytest
from psycopg import sql

from ingest.db import Connection, connect, queries
from tests.conftest import skip_without

DISTRIBUTED = {"reading", "reading_hour", "reading_day", "reading_note", "reading_conflict", "latest"}
"""What grows with the readings: rows of one `channel_id`, and so of one sensor of one zone, lie on one machine."""
REFERENCE = {"zone", "asset", "channel"}
"""What is small and joined to those: a copy on every machine. All other tables stay on the first machine."""
POLICIES_TO_CHANGE = {"latest", "reading_conflict", "reading_note"}
"""Their rule for secretaries asks another table, which a distributed table's may not."""
ROW_BY_ROW = {
    "alerts/alerts:first_readings", "alerts/alerts:span", "alerts/lasting:tower", "alerts/watchdog:late",
    "alerts/zone_state:state", "ingest/hours:hours", "ingest/hours:months_heard", "ingest/hours:tap_hours",
    "ingest/readings:arrays", "ingest/readings:window", "ingest/rollups:missing_hours",
    "ndiyan/doctor:evaluation_behind", "ndiyan/keeper:zones", "web/assets:heard_days", "web/fleet:lowest_today",
    "web/fleet:past_days", "web/fleet:received", "web/metrics:judged", "web/quality:channels", "web/quality:zones",
    "web/reports:days", "web/reports:first_day", "web/reports:hours", "web/sta:observations",
}  # fmt: skip
"""Statements that look into these tables once for each row of another one: to be written as a join that is grouped."""
OF_ALL = {"ndiyan/demo:newest_received", "web/itself:size", "web/metrics:stored"}
"""Statements that ask every machine for a number of the whole."""
REFUSED_BY_CITUS = {
    "alerts/alerts:first_readings", "alerts/alerts:span", "alerts/telling:standing", "ingest/hours:hours",
    "ingest/hours:months_heard", "ingest/hours:tap_hours", "ingest/readings:binned_days",
    "ingest/readings:binned_hours", "ingest/readings:hours", "ingest/readings:window",
    "ndiyan/doctor:evaluation_behind", "ndiyan/keeper:zones", "web/account:last_received", "web/assets:heard_days",
    "web/exports:assets", "web/exports:taps", "web/metrics:judged", "web/quality:channels", "web/quality:zones",
    "web/reports:days", "web/reports:first_day", "web/reports:hours",
}  # fmt: skip
"""What the planner of Citus 13.2 says no to, with tables of zones and channels that are copied nowhere."""
VIEWS = {"reading_hourly", "reading_daily"}
PACKAGES = ("ingest", "alerts", "web", "ndiyan")
TABLE = "|".join(sorted(DISTRIBUTED | VIEWS, key=len, reverse=True))
TOUCHES = re.compile(rf"\b(?:FROM|JOIN|INTO|UPDATE|COPY)\s+(?:ONLY\s+)?(?:{TABLE})\b", re.IGNORECASE)
UNIQUE_KEYS = """
SELECT t.relname, i.indexrelid::regclass::text, (SELECT array_agg(a.attname::text) FROM pg_attribute a
    WHERE a.attrelid = t.oid AND a.attnum = ANY (i.indkey::int2[]))
FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid WHERE i.indisunique AND t.relname = ANY (%s)
"""
POINTS_AT = """
SELECT conrelid::regclass::text, confrelid::regclass::text FROM pg_constraint
WHERE contype = 'f' AND (conrelid = ANY (%(tables)s::regclass[]) OR confrelid = ANY (%(tables)s::regclass[]))
"""
TRIGGERS = "SELECT tgrelid::regclass::text FROM pg_trigger WHERE NOT tgisinternal AND tgrelid = ANY (%s::regclass[])"
REFERENCES = """
SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype = 'f' AND conrelid = ANY (%s::regclass[])
"""
OFFERS_CITUS = "SELECT current_setting('shared_preload_libraries') ~ 'citus'"
ASKING_POLICIES = """
SELECT DISTINCT tablename FROM pg_policies WHERE tablename = ANY (%s) AND (qual ~ 'SELECT' OR with_check ~ 'SELECT')
"""


@pytest.fixture
def spread(request: pytest.FixtureRequest, database_url: str) -> Iterator[Connection]:
    """The six tables on Citus, all shards on this server; without what it takes from nobody: their references, their
    three policies that ask another table."""
    with connect(database_url) as connection:
        connection.autocommit = True
        if connection.execute(OFFERS_CITUS).fetchone() != (True,):
            skip_without(request.config, "Citus", "this PostgreSQL does not offer it", optional=True)
        connection.execute("CREATE EXTENSION citus")
        here = (connection.info.host, connection.info.port)
        connection.execute("SELECT citus_set_coordinator_host(%s, %s)", here)
        connection.execute("SELECT citus_set_node_property(%s, %s, 'shouldhaveshards', true)", here)
        connection.execute("SET citus.shard_count = 4")
        for table in sorted(POLICIES_TO_CHANGE):
            connection.execute(sql.SQL("DROP POLICY own_zone ON {}").format(sql.Identifier(table)))
        for table, name in connection.execute(REFERENCES, [list(DISTRIBUTED)]).fetchall():
            drop = sql.SQL("ALTER TABLE {} DROP CONSTRAINT {}")
            connection.execute(drop.format(sql.Identifier(table), sql.Identifier(name)))
        for table in sorted(DISTRIBUTED):
            connection.execute(
                "SELECT create_distributed_table(%s, 'channel_id', colocate_with => %s)", [table, "default"]
            )
        yield connection


@pytest.fixture
def catalogue(database_url: str) -> Iterator[Connection]:
    with connect(database_url) as connection:
        yield connection


def touching() -> Iterator[tuple[str, str]]:
    """All named statements that touch a distributed table."""
    for package in PACKAGES:
        for file in (files(package) / "sql").iterdir():
            name = file.name.removesuffix(".sql")
            for statement, text in queries(package, name).items():
                if TOUCHES.search(text):
                    yield f"{package}/{name}:{statement}", text


@pytest.mark.db
def test_the_distribution_column_is_in_every_key_and_what_is_distributed_points_at_copies(
    catalogue: Connection,
) -> None:
    keys = catalogue.execute(UNIQUE_KEYS, [list(DISTRIBUTED)]).fetchall()
    assert {table for table, *_ in keys} == DISTRIBUTED, "each has a key"
    assert [(table, key) for table, key, columns in keys if "channel_id" not in columns] == []
    pointing = catalogue.execute(POINTS_AT, {"tables": [*DISTRIBUTED, *REFERENCE]}).fetchall()
    assert {to for of, to in pointing if of in DISTRIBUTED | REFERENCE} <= REFERENCE
    assert not {of for of, to in pointing if to in DISTRIBUTED}, "nothing points at a row that may lie elsewhere"
    assert catalogue.execute(TRIGGERS, [[*DISTRIBUTED, *REFERENCE]]).fetchall() == []
    policies = {table for (table,) in catalogue.execute(ASKING_POLICIES, [[*DISTRIBUTED, *REFERENCE]])}
    assert policies == POLICIES_TO_CHANGE


def test_statements_name_the_distribution_column_and_lock_no_rows_of_several_machines() -> None:
    found = dict(touching())
    assert len(found) > 60, "or this looks past them"
    assert {name for name, text in found.items() if "channel_id" not in text} == OF_ALL
    assert {name for name, text in found.items() if "FOR UPDATE" in text} == set()
    assert {name for name, text in found.items() if "LATERAL" in text} == ROW_BY_ROW


@pytest.mark.db
def test_citus_spreads_the_tables_and_refuses_the_statements_that_are_named(spread: Connection) -> None:
    refused, taken = set(), 0
    for name, text in touching():
        try:
            spread.execute("EXPLAIN " + re.sub(r"%\(\w+\)s|%s", "NULL", text).replace("%%", "%"))  # type: ignore[arg-type]
            taken += 1
        except (psycopg.errors.FeatureNotSupported, psycopg.errors.InternalError_):
            refused.add(name)
        except psycopg.Error:
            continue  # an array that NULL cannot stand for, COPY
    assert refused == REFUSED_BY_CITUS
    assert taken > 35
