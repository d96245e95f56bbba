"""How long a zone's tower lasts, asked of the database: what it holds, what was drawn and lifted in past weeks."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import numpy as np

from alerts.forecast import CannotTell, Forecast, hours_left, sun_factor
from alerts.routing import NO_WATER
from gateway.model import Flag
from ingest.db import Connection, queries
from ingest.readings import FloatArray

SQL = queries("alerts", "lasting")

LEVEL_IS_OLD = timedelta(hours=2)
PAST_WEEKS = 8
EMPTY_SHARE = 0.05  # of the full level: an hour that saw less says nothing about what people wanted
HOUR, WEEK = timedelta(hours=1), timedelta(weeks=1)
LIFTING = ["pump", "pv"]  # assets whose faults keep water from coming
UNUSABLE = [Flag.BAD, Flag.MISSING]
OUTFLOW, DRAWN = "tower/outflow_m3_h", "tower/outflow_volume_m3"
INFLOW, LIFTED, LEVEL, SUN = "pump/flow_m3_h", "pump/volume_m3", "tower/level_m", "pv/irradiance_w_m2"


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
    hours = _Hours(connection, zone_id, start, end)
    use_m3 = hours.first_known((DRAWN, 1), (OUTFLOW, 0))
    if not np.isfinite(use_m3).any():
        use_m3 = hours.taps_m3()
    use_m3 = np.where(hours.of(LEVEL, 2) < EMPTY_SHARE * full_level_m, np.nan, use_m3)
    inflow_m3 = hours.first_known((LIFTED, 1), (INFLOW, 0))
    return hours_left(
        share * full_m3,
        full_m3,
        use_m3,
        inflow_m3=inflow_m3 if is_lifting and np.isfinite(inflow_m3).any() else None,
        sun_factor=_today(hours.of(SUN, 0), end),
        hour_of_day=end.hour,
    )


class _Hours:
    """The hours of a zone in [start, end) by channel: mean, counter's steps, lowest; (k,) arrays, NaN where none is."""

    def __init__(self, connection: Connection, zone_id: str, start: datetime, end: datetime) -> None:
        self._connection, self._start, self._k = connection, start, int((end - start) / HOUR)
        self._asked = {
            "zone": zone_id, "start": start, "end": end,
            "channels": [OUTFLOW, DRAWN, INFLOW, LIFTED, LEVEL, SUN],
        }  # fmt: skip
        found: dict[str, FloatArray] = {}
        for channel, hour, *numbers in connection.execute(SQL["hours"], self._asked):
            found.setdefault(channel, np.full((3, self._k), np.nan))[:, int((hour - start) / HOUR)] = numbers
        self._values: Mapping[str, FloatArray] = found

    def of(self, channel: str, which: int) -> FloatArray:
        """(k,) 0 the mean, 1 what a counter moved on, 2 the lowest."""
        found = self._values.get(channel)
        return np.full(self._k, np.nan) if found is None else found[which]

    def taps_m3(self) -> FloatArray:
        """(k,) what all taps gave together, where no meter stands at the tower's outlet."""
        found = np.full(self._k, np.nan)
        for hour, moved_m3 in self._connection.execute(SQL["tap_hours"], self._asked):
            found[int((hour - self._start) / HOUR)] = moved_m3
        return found

    def first_known(self, *choices: tuple[str, int]) -> FloatArray:
        """(k,) the first of these that has any hour."""
        for channel, which in choices:
            if channel in self._values:
                return self.of(channel, which)
        return np.full(self._k, np.nan)


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
