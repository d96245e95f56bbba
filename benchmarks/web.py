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

from benchmarks.processes import MeasureError
from gateway.clock import ManualClock, SystemClock
from gateway.zones import Zone, load_zones
from ingest.db import Connection, connect, migrate, queries
from ingest.registry import channel_ids, import_zones
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account
from ndiyan.shipped_files import shipped
from simulator.fiction import zones_with_fiction
from tests.web.web_seed import seed_alert, seed_readings
from tests.web.web_site import serving
from web.access import create_login_link
from web.app import create_app
from web.config import WebConfig

READS, SQL = queries("ingest", "readings"), queries("benchmarks", "reads")
NOW = datetime(2026, 3, 2, 10, 40, tzinfo=UTC)
HOUR, YEAR = timedelta(hours=1), timedelta(days=365)
FLEET_DAYS = 2
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
        for place, zone in enumerate(zones):
            seed_readings(connection, zone, now=NOW, days=YEAR.days if place == 0 else FLEET_DAYS)
            if place % EVERY_ALERT == 0:
                seed_alert(connection, zone.zone_id, "pump_not_running", code=f"B{place}", opened_at=NOW)
        connection.execute(SQL["analyze"])
        print(f"{len(zones)} zones, {FLEET_DAYS} days of readings each, one with a year", flush=True)


def _measure(url: str, rounds: int) -> None:
    wall = SystemClock()
    with connect(url) as connection:
        token = create_login_link(connection, person="bench", now_wall=wall.now())
        channel = channel_ids(connection)[ZONE, "tower", "level_m"]
        parameters = {"channel": channel, "start": NOW - YEAR, "end": NOW, "bin": HOUR}
        raw_ms = [_database_ms(connection, parameters) for _ in range(rounds)]
    config = WebConfig(url, demo=False, requests_per_minute=1_000_000)
    start = f"{NOW - YEAR:%Y-%m-%dT%H:%M:%SZ}"
    with serving(create_app(config, ManualClock(NOW), wall=wall)) as address, httpx.Client(base_url=address) as client:
        client.get(f"/login/{token}")
        chart = f"/api/v1/readings?channel={ZONE}/tower/level_m&start={start}&limit=10000&resolution="
        _say("overview", _times_ms(client, "/fr/", rounds))
        _say("the API's list of zones", _times_ms(client, "/api/v1/zones", rounds))
        hourly_ms = _times_ms(client, f"{chart}3600", rounds)
        _say("a year of a channel by hour", hourly_ms)
        _say("a year of a channel, auto", _times_ms(client, f"{chart}auto", rounds))
        _say("the same hours from raw readings, in the database alone", raw_ms)
        print(f"a year by hour takes 1/{min(raw_ms) / min(hourly_ms):.1f} of raw aggregation (least of each)")


def _database_ms(connection: Connection, parameters: dict[str, object]) -> float:
    began_s = time.perf_counter()
    connection.execute(READS["binned_readings"], parameters).fetchall()
    return 1000 * (time.perf_counter() - began_s)


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
