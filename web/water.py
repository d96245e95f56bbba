"""Water now and soon: why a zone is silent, and how long its tower lasts; from the database into `alerts`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from alerts.blind import BlindSpot, blind_spots
from alerts.forecast import CannotTell, Forecast, hours_left, sun_factor
from alerts.scene import STEP_S, Sites
from alerts.silent import Box, Silence, why_silent
from alerts.watched import fetch_grid, fetch_sites
from ingest.db import Connection, queries
from ingest.readings_pg import PgReadings
from web.fleet import FAULT_SEVERITY, ZoneNow
from web.hours import DRAWN, INFLOW, LEVEL, LIFTED, OUTFLOW, SUN, Hours, Part

SQL = queries("web", "water")

FloatArray = NDArray[np.float64]
SILENCE_BACK = timedelta(hours=8)  # of readings that the kind of silence is told from: a morning's pump included
LEVEL_IS_OLD = timedelta(hours=2)
CHANNEL_IS_DEAD = timedelta(days=1)
PAST_WEEKS = 8
EMPTY_SHARE = 0.05  # of the full level: an hour that saw less says nothing about what people wanted
WEEK = timedelta(weeks=1)
LIFTING = ("pump", "pv")  # assets whose faults keep water from coming


def fetch_silences(connection: Connection, zones: Sequence[str], now: datetime) -> dict[str, Silence]:
    """The kind of silence of those of these zones that are silent.

    Silence in the same hour is looked for among all zones.
    """
    if not zones:
        return {}
    sites = Sites(fetch_sites(connection, zones))
    steps = int(SILENCE_BACK.total_seconds() / STEP_S)
    end_s = (now.timestamp() // STEP_S + 1) * STEP_S
    known = {zone: values for zone, *values in connection.execute(SQL["boxes"])}
    others = [zone for zone in known if zone not in set(sites.zone_ids)]
    boxes = [known.get(zone, [None] * 4) for zone in [*sites.zone_ids, *others]]
    newest_s = np.array([np.nan if row[0] is None else row[0].timestamp() for row in boxes])
    said = np.array([row[1:] for row in boxes], dtype=np.float64).reshape(len(boxes), 3).T
    grid = fetch_grid(connection, sites, end_s - steps * STEP_S, steps)
    found = why_silent(grid, Box(newest_s, *said), now.timestamp())
    return {zone: one for zone, one in zip(sites.zone_ids, found, strict=True) if one is not None}


def fetch_forecast(connection: Connection, item: ZoneNow, now: datetime) -> Forecast | CannotTell:
    """How long this zone's tower lasts at its own use."""
    tower = item.tower
    if tower is None or not tower.share or tower.volume_m3 is None or now - tower.measured_at > LEVEL_IS_OLD:
        return CannotTell.NO_LEVEL
    end = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    start = end - PAST_WEEKS * WEEK
    hours = Hours(connection, item.zone.zone_id, start, end, [OUTFLOW, DRAWN, INFLOW, LIFTED, LEVEL, SUN])
    full_m3, full_level_m = tower.volume_m3 / tower.share, tower.level_m / tower.share
    use_m3 = np.where(hours.of(LEVEL, Part.LOW) < EMPTY_SHARE * full_level_m, np.nan, hours.drawn_m3())
    pumps = not any(alert.severity >= FAULT_SEVERITY and alert.asset_id in LIFTING for alert in item.alerts)
    inflow_m3 = hours.first_known((LIFTED, Part.MOVED), (INFLOW, Part.MEAN))
    return hours_left(
        tower.volume_m3,
        full_m3,
        use_m3,
        inflow_m3=inflow_m3 if pumps and np.isfinite(inflow_m3).any() else None,
        sun_factor=_today(hours.of(SUN, Part.MEAN), end),
        hour_of_day=end.hour,
    )


def fetch_blind_spots(connection: Connection, zone_id: str, now: datetime) -> list[BlindSpot]:
    """What this zone is not judged for: channels that it lacks, or of which nothing came for a day."""
    heard = PgReadings(connection).latest(zone_id)
    return blind_spots(
        {(row.channel.asset_id, row.channel.name) for row in heard if now - row.measured_at <= CHANNEL_IS_DEAD}
    )


def _today(sun_w_m2: FloatArray, end: datetime) -> float:
    """Today's sun until `end` against that of past days until the same hour."""
    so_far = end.hour
    if not so_far:
        return 1.0
    today = sun_w_m2[-so_far:]
    past = sun_w_m2[: len(sun_w_m2) - so_far]
    days = past[len(past) % 24 :].reshape(-1, 24)[:, :so_far]
    usual = np.where(np.isfinite(days).all(axis=1), days.sum(axis=1), np.nan) / 1000
    return sun_factor(float(today.sum()) / 1000, usual)
