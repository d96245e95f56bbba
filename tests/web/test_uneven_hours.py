"""Hours of a gateway that sends more while a value moves: each minute weighs as much as another."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gateway.sampling import Reporter, Sample
from gateway.zones import Zone
from ingest.columns import Columns
from ingest.db import Connection, open_pool
from ingest.hours import LIFTED, POWER, SUN, Hours, Part, fetch_uneven
from ingest.readings import FloatArray
from ingest.readings_pg import PgReadings
from ingest.registry import channel_ids
from ingest.writer import ReadingWriter
from tests.web.web_site import Site
from web.compare import fetch_numbers
from web.daily import DAY
from web.exports import Export, Format, Kind, tables_of
from web.fleet import fetch_fleet
from web.reports.figures import figures_of, specific_energy
from web.reports.period import Period
from web.reports.rows import fetch_rows

pytestmark = pytest.mark.db

NINE = datetime(2026, 3, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)


def send(connection: Connection, channel: str, after_s: FloatArray, value: FloatArray, *, zone: str = "zone-4") -> None:
    asset, name = channel.split("/")
    at_us = round(NINE.timestamp() * 1e6) + np.round(after_s * 1e6).astype(np.int64)
    number, n = channel_ids(connection)[zone, asset, name], len(at_us)
    ReadingWriter(connection).write(
        Columns(np.full(n, number, np.int32), at_us, at_us, value.astype(np.float64), np.ones(n, np.int16))
    )


def broken_then_calm(restless: float, calm: float) -> tuple[FloatArray, FloatArray]:
    """Twenty minutes with a reading every 20 s, forty with one in five minutes."""
    value = np.concatenate([np.full(60, restless), np.full(8, calm)])
    return np.concatenate([np.arange(0, 1200, 20.0), np.arange(1200, 3600, 300.0)]), value


def test_a_restless_third_of_an_hour_weighs_a_third(site: Site, zones: list[Zone]) -> None:
    """A pump that draws 500 W for twenty minutes and rests for forty drew 167 W, and lifted 0.6 m³: 0.28 kWh/m³. The
    sun of that hour, 400 W/m² and then 800, is 667. The hours beside it are even."""
    even = np.arange(0, 3600, 300.0)
    with site.connect() as connection:
        for place in (-1, 1, 2):
            send(connection, POWER, 3600 * place + even, np.zeros(12))
        send(connection, LIFTED, np.arange(-3600, 10_800, 300.0), 7 + 0.6 * np.clip(np.arange(-12, 36) / 12, 0, 1))
        send(connection, POWER, *broken_then_calm(500, 0))
        send(connection, SUN, *broken_then_calm(400, 800))
        send(connection, SUN, 3600 + np.arange(0, 60, 10.0), np.full(6, 500.0))
        hours = Hours(connection, "zone-4", NINE, NINE + 2 * HOUR, [POWER, SUN, LIFTED])
        assert hours.of(POWER, Part.MEAN)[0] == pytest.approx(166.7, abs=0.1)
        assert hours.of(SUN, Part.MEAN)[0] == pytest.approx(666.7, abs=0.1)
        assert hours.of(SUN, Part.COUNT).tolist() == pytest.approx([12, 7 / 6]), "a minute of readings is no hour"
        now = NINE + DAY
        (rows,) = fetch_rows(connection, Period(2026, 3), zone="zone-4", now=now)
        energy = specific_energy(rows.hours, rows.facts.channels)
        assert energy.kwh_m3 == pytest.approx(0.1667 / 0.6, rel=0.01)
        fleet = {one.zone.zone_id: one for one in fetch_fleet(connection, now)}
        assert fleet["zone-4"].energy_kwh_m3 == pytest.approx(0.1667 / 0.6, rel=0.01)


def test_energy_for_100_m_is_one_number_in_the_report_and_in_the_comparison(site: Site, zones: list[Zone]) -> None:
    """1650 W lift 5.5 m³ an hour from 22 m to the full level of 3.5 m on 15 m: 0.3 kWh/m³ over 40.5 m. The plate has
    50, which counts where nobody has measured the depth."""
    after_s = np.arange(-10 * 3600.0, 16 * 3600.0, 300.0)
    runs = (after_s >= 0) & (after_s < 8 * 3600)
    (zone,) = (one for one in zones if one.zone_id == "zone-5")
    ratings = {asset.asset_id: asset.rating for asset in zone.assets}

    def in_both(connection: Connection) -> tuple[float | None, float]:
        (rows,) = fetch_rows(connection, Period(2026, 3), zone="zone-5", now=NINE + DAY)
        (told,) = figures_of(Period(2026, 3), [rows], now=NINE + DAY, price_gnf=0).zones
        compared = fetch_numbers(connection, "zone-5", ratings, NINE + 15 * HOUR, 1)
        return told.energy_kwh_m3_100m, compared.energy_kwh_m3_100m

    with site.connect() as connection:
        for channel, value in {
            POWER: np.where(runs, 1650.0, 0.0), "pump/flow_m3_h": np.where(runs, 5.5, 0.0),
            LIFTED: 7 + np.cumsum(np.where(runs, 5.5 / 12, 0.0)),
        }.items():  # fmt: skip
            send(connection, channel, after_s, value, zone="zone-5")
        assert in_both(connection) == (pytest.approx(0.3 / 50 * 100, rel=0.02),) * 2
        send(connection, "borehole/water_depth_m", after_s, np.where(runs, 22.0, 18.0), zone="zone-5")
        assert in_both(connection) == (pytest.approx(0.3 / 40.5 * 100, rel=0.02),) * 2


@pytest.mark.parametrize("seed", range(3))
def test_the_hours_of_our_own_gateway_under_clouds_are_the_integral(site: Site, zones: list[Zone], seed: int) -> None:
    """Looks every ten seconds at a sun that breaks for a part of the hour: what the gateway reports of them."""
    rng = np.random.default_rng(seed)
    after_s = np.arange(0, 3600, 10.0)
    cloudy = after_s < 1500
    sun = 800 + 5 * rng.standard_normal(len(after_s))
    sun[cloudy] = 500 + 300 * np.sign(np.sin(after_s[cloudy] / 25)) + 40 * rng.standard_normal(cloudy.sum())
    reporter = Reporter(interval_s=300.0, change=100.0)
    said = [one for at, w_m2 in zip(after_s, sun, strict=True) for one in reporter.offer(Sample(NINE, at, w_m2))]
    times, values = np.array([one.uptime_s for one in said]), np.array([one.value for one in said])
    with site.connect() as connection:
        send(connection, SUN, times, values)
        (found,) = fetch_uneven(connection, ["zone-4"], [SUN], NINE, NINE + HOUR)
    assert abs(values.mean() / sun.mean() - 1) > 0.1, "a mean of readings is not the sun of the hour"
    assert found.mean[0] == pytest.approx(sun.mean(), rel=0.03)


def test_an_export_by_the_hour_has_means_over_time_and_counts_what_was_read(site: Site, zones: list[Zone]) -> None:
    """The sun of a restless hour, and a calm one behind it; the tower's counter shows what it showed."""
    with site.connect() as connection:
        send(connection, SUN, *broken_then_calm(400, 800))
        send(connection, SUN, np.arange(3600, 7200, 300.0), np.linspace(700, 810, 12))
        send(connection, LIFTED, *broken_then_calm(7.0, 8.0))
        rows = {f"{row.asset_id}/{row.name}": row for row in PgReadings(connection).channels("zone-4")}
    export = Export([rows[SUN], rows[LIFTED]], NINE, NINE + HOUR * 2, Kind.HOUR, Format.CSV)
    with open_pool(site.url, size=1) as pool:
        sun, lifted = (table.to_pydict() for table in tables_of(pool, export))
    assert sun["mean"] == pytest.approx([2000 / 3, 755])
    assert sun["n"] == [68, 12]
    assert lifted["mean"] == pytest.approx([(60 * 7 + 8 * 8) / 68])
