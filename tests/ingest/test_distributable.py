"""What a PostgreSQL that is spread over machines asks of tables and statements (Citus; docs/scale.md has the sources).

Without Citus this reads the catalogue and the statements; where the server offers it, the tables are distributed and
each statement is put before its planner. What is found wanting is named below and in the docs, and one more or less
than that is noticed. Whether statements give what they should there, the suite tells with NDIYAN_TEST_SPREAD=1.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from importlib.resources import files

import numpy as np
import psycopg
import pytest

from gateway.clock import us_from_instant
from gateway.model import Flag
from gateway.zones import Zone
from ingest.columns import Columns
from ingest.db import Connection, connect, migrate, queries
from ingest.registry import import_zones
from ingest.writer import ReadingWriter
from tests.conftest import skip_without
from tests.spread import ASKING_POLICIES, DISTRIBUTED, offers_citus, spread

REFERENCE = {"zone", "asset", "channel"}
"""What those refer to: small, and on the first machine."""
NOT_BY_CHANNEL = {"alerts/lasting:tower", "alerts/zone_state:state", "ingest/rollups:missing_hours"}
"""Lateral parts that look into no distributed table; the last calls a function which does, on the first machine."""
OF_ALL = {"ndiyan/demo:newest_received", "web/itself:size", "web/metrics:stored"}
"""Statements that ask every machine for a number of the whole."""
AT, HOUR = datetime(2026, 11, 24, tzinfo=UTC), timedelta(hours=1)
OF_ONE_CHANNEL = {
    "ingest/readings:binned_days", "ingest/readings:binned_hours", "ingest/readings:hours", "web/exports:days",
    "web/exports:hours",
}  # fmt: skip
"""Of a channel that is named as a constant Citus makes a join that it then refuses. Named in a list it takes them,
and PostgreSQL reads the whole of `latest` for each chart, two to three times as long."""
ASKED = {
    "after": None, "alert": 1, "asset": "tower", "assets": ["tower", "tap-%"], "before_at": None,
    "before_channel": None, "before_measured": None, "before_value": None, "behind": HOUR, "bin": HOUR, "channel": 1,
    "channels": [1, 2], "dawn_h": 6, "day": AT, "due": AT, "dusk_h": 19, "end": AT + 48 * HOUR,
    "evening": 6 * HOUR, "fresh": AT, "heard_since": AT, "high": 1e9, "judged_since": AT, "known_s": 1800.0,
    "late_after": HOUR,
    "lifting": ["pump"], "limit": 20, "low": -1e9, "measured": AT, "most": HOUR, "name": "level_m",
    "names": ["level_m"], "now": AT + 26 * HOUR, "only": None, "quantiles": [0.5, 0.9], "severity": 3, "since": AT,
    "skip": 1, "start": AT, "taps": True, "test": "range", "unusable": [4], "with_bad": True, "zone": "zone-1",
    "zones": ["zone-1"],
}  # fmt: skip
"""What statements are asked with, whatever their parameters mean: each finds something to look at."""
WRITTEN: dict[str, object] = {
    "channel": [1, 2], "measured": [AT, AT], "received": [AT, AT], "device": [AT, AT], "value": [1.5, 2.5],
    "flag": [1, 1], "hour": [AT, AT], "day": [AT, AT], "n": [1, 1], "bad": [0, 0],
    **{name: [1.5, 2.5] for name in ("min", "max", "sum", "first", "last", "steps")},
}  # fmt: skip
OTHERWISE = {
    "alerts/alerts:level_before": {"from": AT, "until": AT + HOUR},
    "alerts/alerts:value_before": {"from": AT, "until": AT + HOUR}, "alerts/alerts:wrong_packs": {"least_s": 900.0},
    "ingest/hours:hours": {"channels": ["tower/level_m"], "with_retired": False},
    "ingest/hours:months_heard": {"channel": "tower/level_m"},
    "ingest/hours:uneven": {"channels": ["tower/level_m"]}, "web/fleet:pumping_hours": {"channels": ["tower/level_m"]},
    "web/received:began": {"channels": None}, "web/received:heard": {"channels": None},
    "web/reports:hours": {"channels": ["tower/level_m"]},
}  # fmt: skip
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
POLICIES = """
SELECT DISTINCT tablename FROM pg_policies WHERE tablename = ANY (%s) AND (qual ~ 'SELECT' OR with_check ~ 'SELECT')
"""


@pytest.fixture
def citus(request: pytest.FixtureRequest, empty_database_url: str) -> Iterator[Connection]:
    """A database of ours on Citus."""
    with connect(empty_database_url) as connection:
        if not offers_citus(connection):
            skip_without(request.config, "Citus", "this PostgreSQL does not offer it", optional=True)
        migrate(connection)
        connection.commit()
        connection.autocommit = True
        spread(connection)
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
    policies = {table for (table,) in catalogue.execute(POLICIES, [[*DISTRIBUTED, *REFERENCE]])}
    assert policies == ASKING_POLICIES


def test_statements_name_the_distribution_column_and_lock_no_rows_of_several_machines() -> None:
    found = dict(touching())
    assert len(found) > 60, "or this looks past them"
    assert {name for name, text in found.items() if "channel_id" not in text} == OF_ALL
    assert {name for name, text in found.items() if "FOR UPDATE" in text} == set()
    lateral = {name for name, text in found.items() if "LATERAL" in text}
    assert {name for name in lateral if "channel_id = l.channel_id" not in found[name]} == NOT_BY_CHANNEL


@pytest.mark.db
def test_citus_spreads_the_tables_and_takes_the_statements_but_five(citus: Connection, zones: list[Zone]) -> None:
    import_zones(citus, zones[:1])
    writer, minutes = ReadingWriter(citus), np.arange(0, 26 * 60, 20, dtype=np.int64)
    measured = us_from_instant(AT) + np.concatenate([minutes, minutes]) * 60_000_000
    value, good = np.arange(len(measured), dtype=np.float64), np.full(len(measured), Flag.GOOD, dtype=np.int16)
    channel = np.repeat(np.array([1, 2], dtype=np.int32), len(minutes))
    assert writer.write(Columns(channel, measured, measured, value, good)).stored == len(measured)

    refused, taken = {}, 0
    for name, text in touching():
        if text.startswith("COPY"):
            continue  # which the writer has just done
        written = "unnest(%(" in text
        arguments = ASKED | (WRITTEN if written else {}) | OTHERWISE.get(name, {})
        try:
            citus.execute(text, arguments)  # type: ignore[arg-type]
            taken += 1
        except psycopg.Error as error:
            refused[name] = str(error)
    assert refused.keys() == OF_ONE_CHANNEL, refused
    assert taken > 60
