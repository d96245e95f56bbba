"""Why a zone is silent, and what it is not judged for; from the database into `alerts`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from alerts.blind import BlindSpot, blind_spots
from alerts.scene import STEP_S, Sites
from alerts.silent import Box, Silence, why_silent
from alerts.watched import fetch_grid, fetch_sites
from ingest.db import Connection, queries
from ingest.readings_pg import PgReadings

SQL = queries("web", "water")

SILENCE_BACK = timedelta(hours=8)  # of readings that the kind of silence is told from: a morning's pump included
CHANNEL_IS_DEAD = timedelta(days=1)


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


def fetch_blind_spots(connection: Connection, zone_id: str, now: datetime) -> list[BlindSpot]:
    """What this zone is not judged for: channels that it lacks, or of which nothing came for a day."""
    heard = PgReadings(connection).latest(zone_id)
    return blind_spots(
        {(row.channel.asset_id, row.channel.name) for row in heard if now - row.measured_at <= CHANNEL_IS_DEAD}
    )
