"""How long a zone's tower lasts, asked of the database: what it holds, what was drawn and lifted in past weeks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from alerts.forecast import CannotTell, Forecast, hours_left, sun_factor
from alerts.routing import NO_WATER
from gateway.model import Flag
from ingest.db import Connection, queries
from ingest.hours import DRAWN, INFLOW, LEVEL, LIFTED, OUTFLOW, SUN, Hours, Part
from ingest.readings import FloatArray

SQL = queries("alerts", "lasting")

LEVEL_IS_OLD = timedelta(hours=2)
PAST_WEEKS = 8
EMPTY_SHARE = 0.05  # of the full level: an hour that saw less says nothing about what people wanted
WEEK = timedelta(weeks=1)
LIFTING = ["pump", "pv"]  # assets whose faults keep water from coming
UNUSABLE = [Flag.BAD, Flag.MISSING]


def fetch_forecast(connection: Connection, zone_id: str, now: datetime) -> Forecast | CannotTell:
    """How long this zone's tower lasts at its own use; `NO_LEVEL` for a zone that is not known."""
    asked = {
        "zone": zone_id, "fresh": now - LEVEL_IS_OLD, "unusable": UNUSABLE, "lifting": LIFTING, "severity": NO_WATER,
    }  # fmt: skip
    row = connection.execute(SQL["tower"], asked).fetchone()
    if row is None:
        return CannotTell.NO_LEVEL
    level_m, full_level_m, full_m3, is_lifting = row
    share = max(0.0, level_m / full_level_m)
    end = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    start = end - PAST_WEEKS * WEEK
    hours = Hours(connection, zone_id, start, end, [OUTFLOW, DRAWN, INFLOW, LIFTED, LEVEL, SUN])
    use_m3 = np.where(hours.of(LEVEL, Part.LOW) < EMPTY_SHARE * full_level_m, np.nan, hours.drawn_m3())
    inflow_m3 = hours.first_known((LIFTED, Part.MOVED), (INFLOW, Part.MEAN))
    return hours_left(
        share * full_m3,
        full_m3,
        use_m3,
        inflow_m3=inflow_m3 if is_lifting and np.isfinite(inflow_m3).any() else None,
        sun_factor=_today(hours.of(SUN, Part.MEAN), end),
        hour_of_day=end.hour,
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
