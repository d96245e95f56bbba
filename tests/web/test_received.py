"""What came of what was due, of gateways that send more while a value moves."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from gateway.clock import us_from_instant
from gateway.zones import Zone
from ingest.columns import Columns
from ingest.db import Connection
from ingest.registry import channel_ids
from ingest.writer import ReadingWriter
from tests.web.web_site import Site
from web.assets import fetch_availability
from web.daily import DAY
from web.quality import Days, fetch_channels, fetch_zones
from web.received import came_of, fetch_heard
from web.reports.figures import completeness
from web.reports.period import Period
from web.reports.rows import fetch_rows

FIRST = datetime(2026, 2, 27, tzinfo=UTC)


def every(start: datetime, end: datetime, step_s: float) -> list[datetime]:
    return [start + timedelta(seconds=step_s * k) for k in range(int((end - start).total_seconds() // step_s))]


def send(connection: Connection, zone: str, channel: str, times: list[datetime]) -> None:
    asset, name = channel.split("/")
    at_us = np.array([us_from_instant(at) for at in times], dtype=np.int64)
    number = channel_ids(connection)[zone, asset, name]
    ReadingWriter(connection).write(
        Columns(np.full(len(at_us), number, np.int32), at_us, at_us, np.ones(len(at_us)), np.ones(len(at_us), np.int16))
    )


def test_the_readings_of_a_restless_hour_fill_no_silent_one() -> None:
    """Every five minutes until 06:00, forty an hour until 14:00, and nothing more: fourteen hours of 24."""
    t_s = np.concatenate([np.arange(0, 6 * 3600, 300), np.arange(6 * 3600, 14 * 3600, 90)]).astype(np.float64)
    assert len(t_s) == 72 + 320
    assert came_of(t_s, np.ones(len(t_s)), 300.0) == 14 * 12
    assert came_of(np.arange(0, 7200, 1800.0), np.array([3, 12, 30, 6]), 300.0, step_s=1800.0) == 12 + 12
    assert came_of(np.arange(2) * 86_400.0, np.array([288, 500]), 300.0, step_s=86_400.0) == 2 * 288
    assert came_of(np.empty(0), np.empty(0), 300.0) == 0.0


@pytest.mark.db
def test_a_restless_channel_makes_up_neither_for_its_own_silence_nor_for_another_channel(
    site: Site, zones: list[Zone]
) -> None:
    """Zone 4 has sent for two days. On 28 February its sun sends every 90 s until 14:00 and then nothing, its pump's
    counter three times what is due all day, its tower nothing at all."""
    last, on = FIRST + DAY, date(2026, 2, 28)
    with site.connect() as connection:
        for channel in ("pv/irradiance_w_m2", "pump/volume_m3", "tower/level_m"):
            send(connection, "zone-4", channel, every(FIRST, last, 300))
        send(connection, "zone-4", "pv/irradiance_w_m2", every(last, last + timedelta(hours=14), 90))
        send(connection, "zone-4", "pump/volume_m3", every(last, last + DAY, 100))
        send(connection, "zone-4", "gateway/battery_v", every(last + DAY, last + DAY + timedelta(hours=1), 300))
        days = Days(on, on, site.clock.now())
        of_channel = {f"{one.asset}/{one.name}": one for one in fetch_channels(connection, "zone-4", days)}
        sun, lifted, level = (of_channel[name] for name in ("pv/irradiance_w_m2", "pump/volume_m3", "tower/level_m"))
        assert (sun.came, sun.share) == (560, pytest.approx(14 / 24)), "what came stands beside, as it is"
        assert (lifted.share, level.share) == (1.0, 0.0)
        due = sum(one.due.sum() for one in fetch_heard(connection, last, last + DAY, zones=["zone-4"]))
        expected = (168 + 288) / due
        assert fetch_zones(connection, ["zone-4"], days)["zone-4"].share == pytest.approx(expected)
        assert fetch_availability(connection, "zone-4", "messages", on, on, {})[0] == pytest.approx(expected)
        (rows,) = fetch_rows(connection, Period(2026, 2), zone="zone-4", now=site.clock.now())
        assert completeness(rows.days, rows.facts.channels, [on], rows.facts.lives) == pytest.approx(expected)


@pytest.mark.db
def test_nothing_is_due_of_a_zone_before_it_was_first_heard(site: Site, zones: list[Zone]) -> None:
    """Zone 4 speaks from 28 February, 18:00 on, all that is due; zone 5 has no box yet."""
    began, now = FIRST + DAY + timedelta(hours=18), site.clock.now()
    with site.connect() as connection:
        channels = [f"{asset}/{name}" for zone, asset, name in channel_ids(connection) if zone == "zone-4"]
        for one in fetch_heard(connection, FIRST, FIRST + DAY, zones=["zone-4"]):
            assert one.due.tolist() == [0.0]
        intervals = dict(
            connection.execute("SELECT asset_id, interval_s FROM asset WHERE zone_id = 'zone-4'").fetchall()
        )
        for channel in channels:
            send(connection, "zone-4", channel, every(began, now, intervals[channel.split("/")[0]]))
        found = fetch_zones(connection, ["zone-4", "zone-5"], Days(FIRST.date(), now.date(), now))
        assert found["zone-4"].share == pytest.approx(1.0, abs=0.01)
        assert found["zone-5"].share is None
