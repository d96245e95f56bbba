"""Volumes and sun by day, and what a day should have given.

A day is a UTC day, which is Labé's. Volumes come from counters alone: the last reading before a midnight less the
one before the midnight earlier. That costs one look-up a day instead of a scan. Solar pumps rest at night, so a
reading of the evening stands for midnight; where there is none, nobody knows how the water of the gap divides into
days, and the days on both sides have no data. A counter that went back or leapt is summed step by step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

import numpy as np

from alerts.expected import Expected, expected_daily_volume, room_of
from ingest.db import Connection, queries
from ingest.readings_pg import PgReadings

SQL = queries("web", "fleet")

DAY = timedelta(days=1)
HISTORY_DAYS = 30  # what a zone's own response to the sun is learnt from
EVENING = timedelta(hours=5)  # how long before midnight a reading may be to stand for it
MOST_A_DAY_M3 = 480.0  # 20 m³/h, what a tap's pipe carries; few boreholes of a village give more
FULL_DAY = 0.9  # share of a day's readings that its mean irradiance must rest on


@dataclass(frozen=True, slots=True)
class Day:
    """One day of a zone; None where there are no data.

    `volume_m3` is what the pump lifted, `insolation_kwh_m2` the sun on the panels, `expected` what a zone in its
    usual health would have lifted under that sun, `room_m3` what its tower could take (NaN where nobody knows).
    """

    on: date
    volume_m3: float | None
    insolation_kwh_m2: float | None
    expected: Expected | None = None
    room_m3: float = float("nan")

    @property
    def share(self) -> float | None:
        """Volume against expected; None when either is unknown."""
        if self.volume_m3 is None or self.expected is None or self.expected.volume_m3 <= 0:
            return None
        return self.volume_m3 / self.expected.volume_m3


def midnight(on: date) -> datetime:
    """The instant at which a day begins."""
    return datetime.combine(on, time(), UTC)


def days_before(now: datetime, count: int) -> list[date]:
    """The last `count` whole days, oldest first; yesterday is the last."""
    today = now.astimezone(UTC).date()
    return [today - timedelta(days=back) for back in range(count, 0, -1)]


def fetch_days(
    connection: Connection, now: datetime, *, zone: str | None = None, expect_last: int = 1
) -> dict[str, list[Day]]:
    """The last `HISTORY_DAYS` whole days of one zone, or of all that have a pump counter or a sun sensor.

    What was expected is worked out for the `expect_last` newest of them.
    """
    days = days_before(now, HISTORY_DAYS)
    volumes = fetch_volumes(connection, days, asset="pump", zone=zone)
    sun = _fetch_insolation(connection, days, zone)
    room = _fetch_room(connection, days, zone)
    none: list[float | None] = [None] * len(days)
    return {
        zone_id: _with_expected(
            [
                Day(on, volume, sun.get(zone_id, {}).get(on), room_m3=room.get((zone_id, on), float("nan")))
                for on, volume in zip(days, volumes.get((zone_id, "pump"), none), strict=True)
            ],
            expect_last,
        )
        for zone_id in {key[0] for key in volumes} | set(sun)
    }


def fetch_volumes(
    connection: Connection, days: Sequence[date], *, asset: str, zone: str | None = None
) -> dict[tuple[str, str], list[float | None]]:
    """(zone, asset) → what its counter `volume_m3` moved on in each of these consecutive days.

    `asset` is a pattern of LIKE: `pump`, or `tap-%` for all taps.
    """
    instants = [midnight(on) for on in days] + [midnight(days[-1]) + DAY]
    rows = connection.execute(SQL["counters_at"], {"instants": instants, "asset": asset, "zone": zone})
    counters: dict[tuple[str, str], dict[datetime, tuple[float, datetime]]] = defaultdict(dict)
    for zone_id, asset_id, at, value, measured_at in rows:
        counters[zone_id, asset_id][at] = value, measured_at
    volumes = {}
    for key, before in counters.items():
        steps = [_step(before, start) for start in instants[:-1]]
        if any(step is not None and not 0 <= step <= MOST_A_DAY_M3 for step in steps):  # set, exchanged or rolled over
            steps = PgReadings(connection).daily_volumes(*key, "volume_m3", instants[:-1])
        volumes[key] = steps
    return volumes


def _step(before: Mapping[datetime, tuple[float, datetime]], start: datetime) -> float | None:
    """What a counter moved on in the day that begins at `start`, from its last readings before midnights."""
    for at in (start, start + DAY):
        if at not in before or at - before[at][1] > EVENING:
            return None
    return before[start + DAY][0] - before[start][0]


def _fetch_insolation(
    connection: Connection, days: Sequence[date], zone: str | None
) -> Mapping[str, dict[date, float]]:
    parameters = {"start": midnight(days[0]), "end": midnight(days[-1]) + DAY, "zone": zone}
    sun: dict[str, dict[date, float]] = defaultdict(dict)
    for zone_id, day, mean_w_m2, count, interval_s in connection.execute(SQL["daily_sun"], parameters):
        if count * interval_s >= FULL_DAY * DAY.total_seconds():
            sun[zone_id][day.date()] = mean_w_m2 * 24 / 1000
    return sun


def _fetch_room(connection: Connection, days: Sequence[date], zone: str | None) -> Mapping[tuple[str, date], float]:
    """(zone, day) → what its tower could take that day [m³]."""
    parameters = {"start": midnight(days[0]), "end": midnight(days[-1]) + DAY, "zone": zone}
    return {
        (zone_id, day.date()): room_of(level_m, drawn_m3, full_level_m=full_level_m, full_m3=full_m3)
        for zone_id, day, level_m, drawn_m3, full_level_m, full_m3 in connection.execute(SQL["daily_room"], parameters)
        if full_level_m and full_m3
    }


def _with_expected(days: list[Day], last: int) -> list[Day]:
    """The `last` days with what the zone's other days make one expect of them."""
    known = [
        (day.on, day.insolation_kwh_m2, day.volume_m3, day.room_m3)
        for day in days
        if day.volume_m3 is not None and day.insolation_kwh_m2 is not None
    ]

    def expected(day: Day) -> Expected | None:
        if day.insolation_kwh_m2 is None:
            return None
        others = np.array([numbers for on, *numbers in known if on != day.on], dtype=np.float64)
        sun, volume, room = others.reshape(-1, 3).T
        return expected_daily_volume(sun, volume, day.insolation_kwh_m2, room_m3=room, room_of_day=day.room_m3)

    return days[:-last] + [replace(day, expected=expected(day)) for day in days[-last:]]
