"""What the pages of a zone's parts are made of, fetched in bounded time: some days of readings, a year of rollups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from alerts.days import past_median
from alerts.detectors.leak import MIN_NIGHTS, USUAL_NIGHTS
from alerts.scene import STEP_S, Grid, Sites
from alerts.watched import fetch_grid, fetch_sites
from ingest.db import Connection, queries
from ingest.hours import (
    ARRAY_POWER,
    DEPTH,
    DRAWN,
    INFLOW,
    LEVEL,
    LIFTED,
    OUTFLOW,
    POWER,
    SUN,
    Hours,
    Part,
    months_heard,
)
from web.daily import DAY, days_before, fetch_volumes, midnight
from web.diagnosis import CHANNELS, Look, look_at
from web.measures import (
    NIGHT_H,
    PUMPS_SHARE,
    autonomy_days,
    by_day,
    heard_share,
    night_fall,
    pumping_share,
    room_by_hour,
    service_share,
    specific_energy_by_day,
    weekly_median,
)
from web.received import fetch_heard

SQL = queries("web", "assets")

FloatArray = NDArray[np.float64]
REFERENCE_DAYS = 14  # of a month that can be held against others
ENERGY_WEEKS = 26
NIGHTS = 90
NIGHT_IS_OVER = timedelta(hours=NIGHT_H[1] + 1)
EVENINGS = 60


def fetch_look(connection: Connection, zone_id: str, start: datetime, end: datetime) -> Look:
    """Look at the pump and panels of a zone from the midnight `start` to `end`."""
    return look_at(_grid(connection, zone_id, start, end))


def _grid(connection: Connection, zone_id: str, start: datetime, end: datetime) -> Grid:
    sites = Sites(fetch_sites(connection, [zone_id]))
    steps = max(1, int((end - start).total_seconds() // STEP_S))  # just after midnight nothing is over yet
    return fetch_grid(connection, sites, start.timestamp(), steps, only=CHANNELS)


def fetch_reference_months(connection: Connection, zone_id: str) -> list[date]:
    """The months that can be held against other days, oldest first.

    The oldest is the reference unless somebody chooses: one that moved by itself would forgive a slow loss.
    """
    heard = months_heard(connection, zone_id, POWER) or months_heard(connection, zone_id, ARRAY_POWER)
    return [first for first, days in heard if days >= REFERENCE_DAYS]


def month_span(first: date) -> tuple[datetime, datetime]:
    """The instants between which a month lies."""
    return midnight(first), midnight((first + timedelta(days=32)).replace(day=1))


@dataclass(frozen=True, slots=True)
class Weeks:
    """(w,) what weeks were like: middles [s], specific energy, depth of the water while pumping; NaN where unknown."""

    first: tuple[date, ...]
    middle_s: FloatArray
    energy_kwh_m3: FloatArray
    depth_m: FloatArray


def fetch_weeks(connection: Connection, zone_id: str, now: datetime, *, rated_flow_m3_h: float) -> Weeks:
    """The last half year of whole days in weeks, the newest last."""
    end = _today(now)
    start = end - ENERGY_WEEKS * 7 * DAY
    hours = Hours(connection, zone_id, start, end, [POWER, ARRAY_POWER, LIFTED, INFLOW, DEPTH])
    energy = specific_energy_by_day(hours.pump_power_w(), hours.of(LIFTED, Part.MOVED))
    pumps = hours.of(INFLOW, Part.MEAN) > PUMPS_SHARE * rated_flow_m3_h
    depth = _medians(by_day(np.where(pumps, hours.of(DEPTH, Part.MEAN), np.nan)))
    firsts = [start.date() + timedelta(weeks=week) for week in range(ENERGY_WEEKS)]
    middle_s = np.array([midnight(on).timestamp() + 3.5 * DAY.total_seconds() for on in firsts])
    return Weeks(tuple(firsts), middle_s, weekly_median(energy), weekly_median(depth))


@dataclass(frozen=True, slots=True)
class Nights:
    """(d,) nights: their flow and their usual one [m³/h]; `is_by_level` where no meter stands at the tower's outlet."""

    days: Sequence[date]
    flow_m3_h: FloatArray
    usual_m3_h: FloatArray
    is_by_level: bool


def fetch_nights(
    connection: Connection, zone_id: str, now: datetime, *, full_level_m: float, full_m3: float
) -> Nights | None:
    """The last nights as `alerts` measures them, and without a meter by how the tower's level fell.

    None without either: no night was ever measured, and the plate does not say what the tower holds.
    """
    today = now.astimezone(UTC).date()
    days = [today - timedelta(days=back) for back in range(NIGHTS + USUAL_NIGHTS, -1, -1)]
    rows = connection.execute(SQL["nights"], {"zone": zone_id, "first": days[0], "last": days[-1]})
    known = dict(rows.fetchall())
    flow = np.array([known.get(on, np.nan) for on in days], dtype=np.float64)
    is_by_level = not known
    if is_by_level:
        if not (full_level_m > 0 and full_m3 > 0):
            return None
        hours = Hours(connection, zone_id, midnight(days[0]), midnight(today) + DAY, [LEVEL])
        flow = night_fall(hours.of(LEVEL, Part.MEAN), full_level_m=full_level_m) * full_m3 / full_level_m
        if now < midnight(today) + NIGHT_IS_OVER:
            flow[-1] = np.nan
    usual = past_median(flow[None], days=USUAL_NIGHTS, at_least=MIN_NIGHTS)[0]
    return Nights(days[-NIGHTS:], flow[-NIGHTS:], usual[-NIGHTS:], is_by_level)


def fetch_autonomy(
    connection: Connection, zone_id: str, now: datetime, *, full_level_m: float, full_m3: float
) -> tuple[list[date], FloatArray, float]:
    """The last evenings, (d,) the days that their stock lasted, and the days that a full tower lasts."""
    end = _today(now)
    hours = Hours(connection, zone_id, end - EVENINGS * DAY, end, [LEVEL, DRAWN, OUTFLOW])
    drawn = hours.drawn_m3()
    stock = hours.of(LEVEL, Part.MEAN) / full_level_m * full_m3
    full = autonomy_days(np.full(len(drawn), full_m3), drawn)[0]
    return days_before(now, EVENINGS), autonomy_days(stock, drawn), float(full)


def fetch_availability(
    connection: Connection, zone_id: str, kind: str, first: date, last: date, ratings: Mapping[str, Mapping[str, float]]
) -> FloatArray:
    """(d,) how well each day from `first` to `last` did, as calendar `kind` counts it (see `web.plots.service`)."""
    start, end = midnight(first), midnight(last) + DAY
    full_m = float(ratings.get("tower", {}).get("full_level_m", np.nan))
    if kind == "messages":
        return _heard(connection, zone_id, start, end)
    hours = Hours(connection, zone_id, start, end, [SUN, LEVEL, POWER, ARRAY_POWER])
    if kind == "service":
        return service_share(hours.of(LEVEL, Part.LOW), full_level_m=full_m)
    room = room_by_hour(
        hours.of(LEVEL, Part.LOW), hours.of(LEVEL, Part.HIGH), full_level_m=full_m,
        start_level_m=float(ratings.get("tower", {}).get("start_level_m", np.nan)),
    )  # fmt: skip
    power_w = hours.pump_power_w()
    rated_w = float(ratings.get("pump", {}).get("rated_power_w", np.nan))
    return pumping_share(hours.of(SUN, Part.MEAN), room, power_w, rated_w=rated_w)


def _heard(connection: Connection, zone_id: str, start: datetime, end: datetime) -> FloatArray:
    """The share of all channels' readings together."""
    heard = fetch_heard(connection, start, end, zones=[zone_id])
    nothing = np.zeros((end - start) // DAY)
    came, due = (sum(numbers, nothing) for numbers in ([one.received for one in heard], [one.due for one in heard]))
    return heard_share(came, due=np.where(due > 0, due, np.nan))


def fetch_tap_days(
    connection: Connection, zone_id: str, taps: Sequence[str], now: datetime, days: int
) -> dict[str, list[float | None]]:
    """Tap → what it gave on each of the last whole days [m³], None without data."""
    found = fetch_volumes(connection, days_before(now, days), asset="tap-%", zone=zone_id)
    return {tap: found.get((zone_id, tap), [None] * days) for tap in taps}


def _today(now: datetime) -> datetime:
    return midnight(now.astimezone(UTC).date())


def _medians(rows: FloatArray) -> FloatArray:
    """(d,) the median of what is known of each row, NaN where nothing is."""
    return np.array([float(np.median(row[np.isfinite(row)])) if np.isfinite(row).any() else np.nan for row in rows])
