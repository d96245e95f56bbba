"""What a PostgreSQL that is spread over machines asks of tables and statements (Citus; docs/scale.md has the sources).

No Citus is here: this reads the catalogue and the statements. What it finds wanting is named below and in the docs, and
one more or less than that is noticed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.resources import files

import pytest

from ingest.db import Connection, connect, queries

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
ASKING_POLICIES = """
SELECT DISTINCT tablename FROM pg_policies WHERE tablename = ANY (%s) AND (qual ~ 'SELECT' OR with_check ~ 'SELECT')
"""


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
