"""Grafana's dashboards: every panel asks a real database, and its role sees the views and no person."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from ingest.db import Connection, connect
from tests.web.web_seed import seed_good
from tests.web.web_site import Site

pytestmark = pytest.mark.db

GRAFANA = Path(__file__).parents[2] / "deploy" / "grafana"
START, END = "'2026-02-20T00:00:00Z'", "'2026-03-02T10:41:00Z'"
OF_PROMETHEUS = "operations"  # tests/ndiyan/test_deploy.py
DASHBOARDS = {
    path.stem: json.loads(path.read_text("utf-8"))
    for path in (GRAFANA / "dashboards").glob("*.json")
    if path.stem != OF_PROMETHEUS
}
PANELS = [(name, panel) for name, board in sorted(DASHBOARDS.items()) for panel in board["panels"]]
MAY_BE_EMPTY = {("service", "Battements / heartbeats")}  # no service runs in this test


def as_grafana_sends_it(sql: str) -> str:
    """With its macros and our variable replaced as its PostgreSQL data source does."""
    sql = re.sub(r"\$__timeFilter\(([^)]+)\)", rf"\1 BETWEEN {START} AND {END}", sql)
    return sql.replace("$zone", "zone-1")


@pytest.mark.parametrize(("name", "panel"), PANELS, ids=[f"{name}-{panel['id']}" for name, panel in PANELS])
def test_each_panel_finds_something(past: Site, name: str, panel: dict[str, Any]) -> None:
    (target,) = panel["targets"]
    with connect(past.url) as connection:
        cursor = connection.execute(as_grafana_sends_it(target["rawSql"]).encode())
        columns = [one.name for one in cursor.description or ()]
        rows = cursor.fetchall()
    assert rows or (name, panel["title"]) in MAY_BE_EMPTY
    if target["format"] == "time_series":
        assert columns[0] == "time"
        times = [row[0] for row in rows]
        assert times == sorted(times), "Grafana draws no line through times that go back"


def test_dashboards_read_views_alone_and_the_variable_finds_the_zones(past: Site) -> None:
    assert sorted(DASHBOARDS) == ["fleet", "service", "zone"]
    assert len({board["uid"] for board in DASHBOARDS.values()}) == 3
    for _, panel in PANELS:
        asked = re.sub(r"(?:epoch|hour) FROM", "", panel["targets"][0]["rawSql"])
        tables = re.findall(r"\b(?:FROM|JOIN)\s+([a-z_]+)", asked)
        assert tables
        assert all(table.startswith("grafana_") for table in tables), panel["title"]
    (variable,) = DASHBOARDS["zone"]["templating"]["list"]
    with connect(past.url) as connection:
        assert len(connection.execute(variable["query"]).fetchall()) == 6


def asked(connection: Connection, board: str, title: str) -> list[tuple[Any, ...]]:
    """What a panel shows."""
    (panel,) = [panel for name, panel in PANELS if name == board and panel["title"].endswith(title)]
    return connection.execute(as_grafana_sends_it(panel["targets"][0]["rawSql"]).encode()).fetchall()


def test_boards_know_nothing_of_hours_and_days_that_pages_do_not_know(site: Site) -> None:
    """The counter moves on by 12 m³ from 08 to 18 h and is silent from noon on the 24th to 08:00 on the 27th; power is
    known from 08 to 18 h alone, 400 W: 4 kWh for 12 m³, not 400 W all day. A box thinned 200 of 300 readings."""
    t_s = np.arange(datetime(2026, 2, 20, tzinfo=UTC).timestamp(), site.clock.now().timestamp(), 300.0)
    hour = t_s % 86_400 / 3600
    volume = 100 + np.floor(t_s / 86_400 - t_s[0] / 86_400) * 12 + 1.2 * np.clip(hour - 8, 0, 10)
    silent = [datetime(2026, 2, day, at, tzinfo=UTC).timestamp() for day, at in ((24, 12), (27, 8))]
    heard, by_day = (t_s < silent[0]) | (t_s >= silent[1]), (hour >= 8) & (hour < 18)
    with site.connect() as connection:
        for channel in ("pump/volume_m3", "tap-01/volume_m3"):
            seed_good(connection, "zone-1", channel, t_s[heard], volume[heard])
        seed_good(connection, "zone-1", "pump/power_w", t_s[by_day], np.full(by_day.sum(), 400.0))
        connection.execute(
            "INSERT INTO gateway_day (zone_id, gateway_id, day, sent, arrived, declared)"
            " VALUES ('zone-1', 'gw-1', '2026-02-25', 300, 100, 200)"
        )
        energy = {time.day: value for time, value in asked(connection, "zone", "specific energy a day")}
        days = {time.day: value for time, _, value in asked(connection, "fleet", "water pumped a day")}
        taps = {time.day: value for time, _, value in asked(connection, "zone", "water by tap and day")}
        (account,) = asked(connection, "service", "account of readings")
    assert energy[22] == pytest.approx(4 / 12, rel=0.01), "0.80 with the mean of what was heard times 24"
    assert days == taps
    assert sorted(days) == [1, 21, 22, 23, 28], "what came after a silence is no day's, nor today's until now"
    assert days[22] == pytest.approx(12)
    assert account[-1] == 0, "what the box declares is not lost"


def test_a_zones_row_says_what_the_overview_says(past: Site) -> None:
    with connect(past.url) as connection:
        row = connection.execute(
            "SELECT name, open_alerts, worst_severity, last_seen_at FROM grafana_zone WHERE zone = 'zone-3'"
        ).fetchone()
        steps = connection.execute(
            "SELECT steps FROM grafana_day WHERE zone = 'zone-3' AND asset = 'pump' AND channel = 'volume_m3'"
            " AND time = '2026-03-01T00:00:00Z'"
        ).fetchone()
    assert row == ("Mangol-Dow (fictif)", 1, 3, past.clock.now())
    # 4.3 m³/h over half a sine of twelve hours: 4.3 · 24/π.
    assert steps is not None
    assert steps[0] == pytest.approx(32.85, abs=0.01)


def test_its_role_reads_the_views_and_nothing_else(past: Site) -> None:
    statements = (GRAFANA / "role.sql").read_text("utf-8").replace("ndiyan_grafana", "ndiyan_grafana_test")
    with psycopg.connect(past.url) as connection:
        connection.execute(statements.encode())
        connection.execute("SET ROLE ndiyan_grafana_test")
        views = connection.execute(
            "SELECT table_name FROM information_schema.views WHERE table_name LIKE 'grafana%'"
        ).fetchall()
        assert len(views) == 9, "a view that the role may not read is not listed"
        for (view,) in views:
            connection.execute(f"SELECT * FROM {view} LIMIT 1".encode())
        for table in ("contact", "notification", "api_key", "zone", "sms_in", "web_session"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute(f"SELECT * FROM {table} LIMIT 1".encode())
        connection.rollback()
