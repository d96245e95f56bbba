"""How long the server takes: the overview of many zones, and a year of one channel.

`make bench-web` runs the application on a real server over a PostgreSQL of its own; a time is that of the whole answer
on loopback, gzip included. The year's chart is also set against the same hours added up from raw readings, in the
database, in the same run: the ratio is what the rollups are worth.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np

from benchmarks.processes import MeasureError
from gateway.clock import ManualClock, SystemClock
from gateway.zones import Zone, load_zones
from ingest.columns import Columns
from ingest.db import Connection, connect, migrate, queries
from ingest.readings_pg import series_statement
from ingest.registry import channel_ids, import_zones
from ingest.writer import ReadingWriter
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account
from ndiyan.shipped_files import shipped
from simulator.fiction import zones_with_fiction
from tests.web.web_seed import seed_alert, seed_readings
from tests.web.web_site import serving
from web.access import create_login_link
from web.accounts import let_in
from web.app import create_app
from web.config import WebConfig
from web.rights import Role

READS, SQL = queries("ingest", "readings"), queries("benchmarks", "reads")
NOW = datetime(2026, 3, 2, 10, 40, tzinfo=UTC)
HOUR, YEAR = timedelta(hours=1), timedelta(days=365)
FLEET_DAYS, STEP_S = 2, 900
ZONE = "zone-1"  # the first of the zones, the one with a year
EVERY_ALERT = 20  # one zone in so many has an alert


def main() -> None:
    """Fill a database, ask, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--zones", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ndiyan-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # the server's account comes through here
        server = EmbeddedPostgres(folder, secret_file=folder / "pg", log=folder / "pg.log", account=postgres_account())
        server.start()
        try:
            _fill(server.url(), zones_with_fiction(load_zones([shipped("zones")]), arguments.zones))
            _measure(server.url(), arguments.rounds)
        finally:
            server.stop()


def _fill(url: str, zones: list[Zone]) -> None:
    with connect(url) as connection:
        migrate(connection)
        import_zones(connection, zones)
        seed_readings(connection, zones[0], now=NOW, days=YEAR.days)
        _seed_fleet(connection, skip=ZONE)
        for place, zone in enumerate(zones[::EVERY_ALERT]):
            seed_alert(connection, zone.zone_id, "pump_not_running", code=f"B{place}", opened_at=NOW)
        connection.execute(SQL["analyze"])
        print(f"{len(zones)} zones, {FLEET_DAYS} days of readings each, one with a year", flush=True)


def _seed_fleet(connection: Connection, *, skip: str) -> None:
    """Every channel of all other zones each quarter of an hour: a swing over the day, on which counters go up."""
    writer = ReadingWriter(connection)
    ids = np.array(sorted(number for (zone, *_), number in channel_ids(connection).items() if zone != skip), np.int32)
    end_s = int(NOW.timestamp())
    for at_s in range(end_s - FLEET_DAYS * 86_400, end_s + 1, STEP_S):
        at_us = np.full(len(ids), at_s * 1_000_000, dtype=np.int64)
        value = 2 + np.sin(at_s * (2 * np.pi / 86_400) + ids) + (at_s - end_s + FLEET_DAYS * 86_400) / STEP_S
        writer.write(Columns(ids, at_us, at_us, value, np.ones(len(ids), dtype=np.int16)))


def _measure(url: str, rounds: int) -> None:
    wall = SystemClock()
    with connect(url) as connection:
        let_in(connection, "bench", Role.ENGINEER, now_wall=wall.now())
        token = create_login_link(connection, person="bench", now_wall=wall.now())
        channel = channel_ids(connection)[ZONE, "tower", "level_m"]
        parameters = {"channel": channel, "start": NOW - YEAR, "end": NOW, "bin": HOUR}
        raw_ms = _database_ms(connection, "binned_readings", parameters, rounds)
        rollup_ms = _database_ms(connection, series_statement(HOUR), parameters, rounds)
    config = WebConfig(url, demo=False, requests_per_minute=1_000_000)
    start = f"{NOW - YEAR:%Y-%m-%dT%H:%M:%SZ}"
    with serving(create_app(config, ManualClock(NOW), wall=wall)) as address, httpx.Client(base_url=address) as client:
        client.get(f"/login/{token}")
        chart = f"/api/v1/readings?channel={ZONE}/tower/level_m&start={start}&limit=10000&resolution="
        _say("overview", _times_ms(client, "/fr/", rounds))
        _say("the API's list of zones", _times_ms(client, "/api/v1/zones", rounds))
        _say("a year of a channel by hour", _times_ms(client, f"{chart}3600", rounds))
        _say("a year of a channel, auto", _times_ms(client, f"{chart}auto", rounds))
        _say("its hours from rollups, the database alone", rollup_ms)
        _say("its hours from raw readings, the database alone", raw_ms)
        print(f"the rollups take {min(raw_ms) / min(rollup_ms):.1f} times less than raw aggregation (least of each)")


def _database_ms(connection: Connection, statement: str, parameters: dict[str, object], rounds: int) -> list[float]:
    found = []
    for _ in range(rounds):
        began_s = time.perf_counter()
        connection.execute(READS[statement], parameters, binary=True).fetchall()
        found.append(1000 * (time.perf_counter() - began_s))
    return found


def _times_ms(client: httpx.Client, address: str, rounds: int) -> list[float]:
    found = []
    for _ in range(rounds + 1):  # the first one finds caches cold and does not count
        began_s = time.perf_counter()
        answer = client.get(address, timeout=60)
        found.append(1000 * (time.perf_counter() - began_s))
        if answer.status_code != 200:
            raise MeasureError(f"{address} answered {answer.status_code}")
    return found[1:]


def _say(what: str, times_ms: list[float]) -> None:
    print(f"{what:<58} median {statistics.median(times_ms):>7.1f} ms, least {min(times_ms):>7.1f} ms", flush=True)


if __name__ == "__main__":
    main()
