"""Why a zone is silent, and what it is not judged for; from the database into `alerts`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import numpy as np

from alerts.blind import BlindSpot, blind_spots
from alerts.lasting import UNUSABLE
from alerts.scene import DAY_S, STEP_S, Sites
from alerts.silent import UNHEARD_H, Box, Silence, why_silent
from alerts.watched import fetch_grid, fetch_past_days, fetch_sites
from ingest.db import Connection, queries

SQL = queries("web", "water")

SILENCE_BACK = timedelta(hours=8)  # of readings that the kind of silence is told from: a morning's pump included
FILLED_BACK = timedelta(days=7)  # a pump that has stood for longer has been told of
UNHEARD = timedelta(hours=UNHEARD_H)
CHANNEL_IS_DEAD = timedelta(days=1)


def fetch_silences(
    connection: Connection, zones: Sequence[str], now: datetime, *, seen_at: Mapping[str, datetime | None]
) -> dict[str, Silence]:
    """The kind of silence of those of these zones that are silent.

    Silence in the same hour is looked for among all zones: `seen_at` tells when each was last heard.
    """
    if not zones:
        return {}
    sites = Sites(fetch_sites(connection, zones))
    end_s = (now.timestamp() // STEP_S + 1) * STEP_S
    # A tower may have been filled yesterday; in the night, when no sun asks that, eight hours are enough.
    midnight_s = now.timestamp() // DAY_S * DAY_S
    begin_s = min(midnight_s, end_s - SILENCE_BACK.total_seconds())
    days = fetch_past_days(connection, sites, midnight_s, back=FILLED_BACK)
    known = {zone: values for zone, *values in connection.execute(SQL["boxes"], {"zones": list(sites.zone_ids)})}
    asked = set(sites.zone_ids)
    others = [at for zone, at in seen_at.items() if zone not in asked and at is not None and now - at >= UNHEARD]
    newest = [*(seen_at.get(zone) for zone in sites.zone_ids), *others]
    newest_s = np.array([np.nan if at is None else at.timestamp() for at in newest])
    said = np.full((3, len(newest)), np.nan)
    said[:, : len(sites)] = np.array([known.get(zone, [None] * 3) for zone in sites.zone_ids], dtype=np.float64).T
    grid = fetch_grid(connection, sites, begin_s, round((end_s - begin_s) / STEP_S))
    found = why_silent(grid, Box(newest_s, *said), now.timestamp(), days)
    return {zone: one for zone, one in zip(sites.zone_ids, found, strict=True) if one is not None}


def fetch_seen(connection: Connection) -> dict[str, datetime | None]:
    """When each zone was last heard, by the time of measuring."""
    return dict(connection.execute(SQL["seen"]).fetchall())


def fetch_blind_spots(connection: Connection, zone_id: str, now: datetime) -> list[BlindSpot]:
    """What this zone is not judged for: channels that it lacks, or of which nothing usable came for a day."""
    asked = {"zone": zone_id, "since": now - CHANNEL_IS_DEAD, "unusable": UNUSABLE}
    return blind_spots({(asset, name) for asset, name in connection.execute(SQL["usable"], asked)})
