"""How long the server takes: the overview of many zones, a year of one channel, and whatever lists zones.

`make bench-web` runs the application on a real server over a PostgreSQL of its own; a time is that of the whole answer
on loopback, gzip included. The year's chart is also set against the same hours added up from raw readings, in the
database, in the same run: the ratio is what the rollups are worth.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import numpy as np
from numpy.typing import NDArray

from benchmarks.processes import MeasureError
from gateway.clock import ManualClock, SystemClock
from gateway.model import Flag
from gateway.zones import Zone, load_zones
from ingest.columns import Columns
from ingest.db import Connection, connect, migrate, queries
from ingest.readings import FloatArray
from ingest.readings_pg import series_statement
from ingest.registry import channel_ids, import_zones
from ingest.writer import ReadingWriter
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account
from ndiyan.shipped_files import shipped
from simulator.fiction import zones_with_fiction
from tests.web.web_seed import seed_alert
from tests.web.web_site import serving
from web.access import create_login_link
from web.accounts import let_in
from web.app import create_app
from web.config import WebConfig
from web.rights import Role

READS, SQL = queries("ingest", "readings"), queries("benchmarks", "reads")
NOW = datetime(2026, 3, 2, 10, 40, tzinfo=UTC)
HOUR, DAY, YEAR = timedelta(hours=1), timedelta(days=1), timedelta(days=365)
DAY_S, WEEK_S = 86_400, 7 * 86_400
FLEET_DAYS, STEP_S = 31, 1800  # a month and a day: what is expected of a day is learnt from thirty
YEAR_STEP_S = 300
CHART = "zone-1", "tower", "level_m"  # the channel with a year
ASKED = (
    ("pv", "irradiance_w_m2"), ("pump", "power_w"), ("pump", "volume_m3"), ("tower", "outflow_volume_m3"),
    ("tower", "level_m"),
)  # fmt: skip
# Pages that grow with the fleet unless something keeps them from it.
PAGES = (
    "/fr/donnees/qualite", "/fr/donnees/qualite?du=2026-01-31&au=2026-03-02", "/fr/donnees/qualite/zone-1",
    "/fr/donnees", "/fr/comptes", "/fr/conflits", "/fr/mis-de-cote", "/fr/alertes", "/fr/alertes/bilan", "/fr/comparer",
    "/fr/zones/zone-1", "/fr/zones/zone-1/graphes", "/fr/zones/zone-1/comite", "/fr/rapports",
    "/fr/rapports/2026-02/zone-1",
    "/fr/rapports/2026-02", "/fr/messages", "/fr/messages/accord", "/fr/messages/bourse", "/fr/messages/appeler",
    "/fr/regles", "/fr/regles/pump_not_running.on_delay_min", "/fr/ndiyan", "/fr/chercher?q=borne+zone",
    "/fr/reglages/zones", "/fr/reglages/zones/zone-1", "/fr/reglages/utilisateurs", "/fr/reglages/cles",
    "/fr/reglages/journal", "/fr/compte",
)  # fmt: skip
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
    began_s = time.perf_counter()
    with connect(url) as connection:
        migrate(connection)
        import_zones(connection, [_rarer(zone) for zone in zones])
        ids = channel_ids(connection)
        _seed_year(connection, ids[CHART])
        _seed_fleet(connection, zones, ids)
        for place, zone in enumerate(zones[::EVERY_ALERT]):
            seed_alert(connection, zone.zone_id, "pump_not_running", code=f"B{place}", opened_at=NOW)
        connection.execute(SQL["analyze"])
    took_s = time.perf_counter() - began_s
    print(
        f"{len(zones)} zones, {FLEET_DAYS} days of readings each, one with a year: filled in {took_s:.0f} s", flush=True
    )


def _rarer(zone: Zone) -> Zone:
    """A zone that sends every half hour: as many rows of days and hours, and a sixth of the readings."""
    return replace(zone, assets=tuple(replace(asset, interval_s=float(STEP_S)) for asset in zone.assets))


def _seed_year(connection: Connection, channel: int) -> None:
    """One channel every five minutes, week by week through the writer of ingest, which rolls up hours and days."""
    writer = ReadingWriter(connection)
    start_s, end_s = int((NOW - YEAR).timestamp()), int((NOW - FLEET_DAYS * DAY).timestamp())
    for first_s in range(start_s, end_s, WEEK_S):
        t_s = np.arange(first_s, min(first_s + WEEK_S, end_s), YEAR_STEP_S)
        _write(writer, np.array([channel]), t_s, 1.5 + np.sin(2 * np.pi * t_s / DAY_S)[None])


def _seed_fleet(connection: Connection, zones: list[Zone], ids: Mapping[tuple[str, str, str], int]) -> None:
    """What pages ask of every zone, day by day for all as it arrives, and the newest reading of every channel."""
    writer = ReadingWriter(connection)
    rng = np.random.default_rng(7)
    size, cloud = rng.uniform(0.6, 1.6, (len(zones), 1)), rng.uniform(0.5, 1.0, (len(zones), FLEET_DAYS + 1))
    drawn_m3 = lifted_m3 = np.full((len(zones), 1), 500.0)
    today = NOW.replace(hour=0, minute=0, second=0)
    end_s = int(NOW.timestamp()) // STEP_S * STEP_S
    for day in range(FLEET_DAYS + 1):
        midnight_s = int((today - (FLEET_DAYS - day) * DAY).timestamp())
        t_s = np.arange(midnight_s, min(midnight_s + DAY_S, end_s), STEP_S)
        sun = np.clip(np.sin(np.pi * (t_s - midnight_s - 6.5 * 3600) / (12 * 3600)), 0, None) * cloud[:, [day]]
        lifted_m3 = lifted_m3[:, -1:] + np.cumsum(5 * size * sun, axis=1) * STEP_S / 3600
        drawn_m3 = drawn_m3[:, -1:] + np.cumsum(np.broadcast_to(1.2 * size, sun.shape), axis=1) * STEP_S / 3600
        level_m = 1.4 + np.sin(2 * np.pi * t_s / DAY_S) + 0 * size
        values = 900 * sun, 1500 * size * sun, lifted_m3, drawn_m3, level_m
        for (asset, name), value in zip(ASKED, values, strict=True):
            some = [(row, ids[zone.zone_id, asset, name]) for row, zone in enumerate(zones)
                    if (zone.zone_id, asset, name) in ids]  # fmt: skip
            rows, channels = (np.array(column) for column in zip(*some, strict=True))
            _write(writer, channels, t_s, value[rows])
    everything = np.array(sorted(ids.values()))
    _write(writer, everything, np.array([end_s]), np.full((len(everything), 1), 2000.0))


def _write(writer: ReadingWriter, channels: NDArray[np.int_], t_s: NDArray[np.int_], value: FloatArray) -> None:
    """(channels, times) of good readings, confirmed as soon as they were measured."""
    at_us = np.tile(t_s * 1_000_000, len(channels))
    columns = np.repeat(channels, len(t_s)).astype(np.int32), at_us, at_us
    writer.write(Columns(*columns, value.ravel(), np.full(value.size, Flag.GOOD, dtype=np.int16)))


def _measure(url: str, rounds: int) -> None:
    wall = SystemClock()
    with connect(url) as connection:
        let_in(connection, "bench", Role.ADMINISTRATOR, now_wall=wall.now())
        token = create_login_link(connection, person="bench", now_wall=wall.now())
        channel = channel_ids(connection)[CHART]
        parameters = {"channel": channel, "start": NOW - YEAR, "end": NOW, "bin": HOUR}
        raw_ms = _database_ms(connection, "binned_readings", parameters, rounds)
        rollup_ms = _database_ms(connection, series_statement(HOUR), parameters, rounds)
    config = WebConfig(url, demo=False, requests_per_minute=1_000_000)
    start = f"{NOW - YEAR:%Y-%m-%dT%H:%M:%SZ}"
    with serving(create_app(config, ManualClock(NOW), wall=wall)) as address, httpx.Client(base_url=address) as client:
        client.get(f"/login/{token}")
        chart = f"/api/v1/readings?channel={'/'.join(CHART)}&start={start}&limit=10000&resolution="
        _say("overview", _times_ms(client, "/fr/", rounds))
        _say("the API's list of zones", _times_ms(client, "/api/v1/zones", rounds))
        _say("a year of a channel by hour", _times_ms(client, f"{chart}3600", rounds))
        _say("a year of a channel, auto", _times_ms(client, f"{chart}auto", rounds))
        _say("its hours from rollups, the database alone", rollup_ms)
        _say("its hours from raw readings, the database alone", raw_ms)
        for page in PAGES:
            _say(f"{page}, {_weight_kb(client, page):.0f} kB", _times_ms(client, page, rounds))
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


def _weight_kb(client: httpx.Client, address: str) -> float:
    """What a page weighs on the line."""
    return client.get(address, timeout=60).num_bytes_downloaded / 1000


def _say(what: str, times_ms: list[float]) -> None:
    print(f"{what:<58} median {statistics.median(times_ms):>7.1f} ms, least {min(times_ms):>7.1f} ms", flush=True)


if __name__ == "__main__":
    main()
