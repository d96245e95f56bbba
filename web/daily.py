"""Volumes and sun by day, and what a day should have given.

A day is a UTC day, which is Labé's. Volumes come from counters alone, from the steps in the rollups (`ingest.meters`).
Solar pumps rest at night, so a reading of the evening stands for midnight; where there is none, nobody knows how the
water of the gap divides into days, and the days on both sides have no data. The sun of a day is the sum of its hours,
and known when each hour of daylight is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from math import isnan

import numpy as np

from alerts.expected import Expected, expected_daily_volumes, room_of
from gateway.clock import us_from_instant
from ingest.arrays import array_cursor
from ingest.db import Connection, queries
from ingest.readings import FloatArray

SQL = queries("web", "fleet")

DAY = timedelta(days=1)
HISTORY_DAYS = 30  # what a zone's own response to the sun is learnt from
EVENING = timedelta(hours=5)  # how long before midnight a reading may be to stand for it
LIFTED, SUN, LEVEL, DRAWN = "volume_m3", "irradiance_w_m2", "level_m", "outflow_volume_m3"
ASKED = {LIFTED: "pump", SUN: "pv", LEVEL: "tower", DRAWN: "tower"}  # a zone's channels and whose they are
# Daylight near the equator, 06:00 to 18:00 of a site's mean solar time: the whole hours that may hold some of it.
DAWN_H, DUSK_H = 6, 19
KNOWN_S = 0.5 * 3600  # of readings in an hour of daylight: with fewer nobody knows its sun


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


class Water:
    """What the days of some zones were like: (z, d) arrays, NaN where nobody knows.

    `room_m3` is what the tower could take.
    """

    def __init__(self, connection: Connection, days: Sequence[date], zones: Sequence[str] | None = None) -> None:
        numbers = _Numbers(connection, days, names=tuple(ASKED), assets=sorted(set(ASKED.values())), zones=zones)
        owners = {name: [zone for zone, _ in numbers.owners[name]] for name in ASKED}
        self.days = list(days)
        self.zone_ids = sorted({*owners[LIFTED], *owners[SUN]})
        row_of = {zone: row for row, zone in enumerate(self.zone_ids)}

        def laid_out(name: str, value: FloatArray) -> FloatArray:
            found = np.full((len(self.zone_ids), *value.shape[1:]), np.nan)
            known = [(row_of[zone], row) for row, zone in enumerate(owners[name]) if zone in row_of]
            if known:
                to, of = np.array(known).T
                found[to] = value[of]
            return found

        self.volume_m3 = laid_out(LIFTED, numbers.moved(LIFTED))
        self.insolation_kwh_m2 = laid_out(SUN, numbers.value[SUN][:, 1:]) / 1000
        full_level_m, full_m3 = laid_out(LEVEL, numbers.plate(LEVEL)).T[:, :, None]
        self.room_m3 = room_of(
            laid_out(LEVEL, numbers.value[LEVEL][:, 1:]), laid_out(DRAWN, numbers.moved(DRAWN)),
            full_level_m=full_level_m, full_m3=full_m3,
        )  # fmt: skip

    def expected(self, last: int) -> FloatArray:
        """(z, last, 3) what the zone's other days make one expect of each of its `last` days: see `alerts.expected`."""
        zones, count = len(self.zone_ids), len(self.days)
        sun = np.repeat(self.insolation_kwh_m2[:, None], last, axis=1)
        sun[:, np.arange(last), np.arange(count - last, count)] = np.nan  # no day teaches of itself
        found = expected_daily_volumes(
            sun.reshape(-1, count), np.repeat(self.volume_m3, last, axis=0), self.insolation_kwh_m2[:, -last:].ravel(),
            room_m3=np.repeat(self.room_m3, last, axis=0), room_of_day=self.room_m3[:, -last:].ravel(),
        )  # fmt: skip
        return found.reshape(zones, last, 3)


class _Numbers:
    """By channel's name: `owners` (zone, asset), and `value` (owners, 1 + d), the day before the first included."""

    def __init__(
        self, connection: Connection, days: Sequence[date], *, names: Sequence[str], assets: Sequence[str],
        zones: Sequence[str] | None,
    ) -> None:  # fmt: skip
        start = midnight(days[0]) - DAY
        parameters = {
            "start": start, "end": midnight(days[-1]) + DAY, "names": list(names), "assets": list(assets),
            "zones": zones if zones is None else list(zones), "evening": EVENING,
            "dawn_h": DAWN_H, "dusk_h": DUSK_H, "known_s": KNOWN_S,
        }  # fmt: skip
        found = {name: columns for name, *columns in array_cursor(connection).execute(SQL["past_days"], parameters)}
        known = np.unique(np.concatenate([np.empty(0, np.int32), *(channel for channel, *_ in found.values())]))
        rows = connection.execute(SQL["channels_with"], {"channels": known.tolist()})
        whose = {channel: (zone, asset, level, volume) for channel, zone, asset, level, volume in rows}
        self.owners: dict[str, list[tuple[str, str]]] = {name: [] for name in names}
        self.value: dict[str, FloatArray] = {name: np.empty((0, 1 + len(days))) for name in names}
        self._plates: dict[str, list[tuple[float | None, float | None]]] = {name: [] for name in names}
        for name, (channel, day_us, value) in found.items():
            channels, row = np.unique(channel, return_inverse=True)
            at = (day_us - us_from_instant(start)) // round(DAY.total_seconds() * 1e6)
            self.value[name] = np.full((len(channels), 1 + len(days)), np.nan)
            self.value[name][row, at] = value
            for zone, asset, level, volume in map(whose.__getitem__, channels.tolist()):
                self.owners[name].append((zone, asset))
                self._plates[name].append((level, volume))

    def plate(self, name: str) -> FloatArray:
        """(owners, 2) full level and volume on the asset's plate, NaN where it says nothing of them."""
        return np.array(self._plates[name], dtype=np.float64).reshape(-1, 2)

    def moved(self, name: str) -> FloatArray:
        """(owners, d) what a counter moved on in each day; NaN unless it was read in its evening and the one before."""
        steps = self.value[name]
        return np.where(np.isnan(steps[:, :-1]), np.nan, steps[:, 1:])


def fetch_days(
    connection: Connection, now: datetime, *, zones: Sequence[str] | None = None, expect_last: int = 1
) -> dict[str, list[Day]]:
    """The last `HISTORY_DAYS` whole days of some zones, or of all that have a pump counter or a sun sensor.

    What was expected is worked out for the `expect_last` newest of them.
    """
    water = Water(connection, days_before(now, HISTORY_DAYS), zones)
    unknown = [None] * (HISTORY_DAYS - expect_last)
    return {
        zone: [
            Day(on, or_none(volume), or_none(sun), None if band is None or isnan(band[0]) else Expected(*band), room)
            for on, volume, sun, room, band in zip(
                water.days, volumes.tolist(), suns.tolist(), rooms.tolist(), [*unknown, *bands.tolist()], strict=True
            )
        ]
        for zone, volumes, suns, rooms, bands in zip(
            water.zone_ids, water.volume_m3, water.insolation_kwh_m2, water.room_m3, water.expected(expect_last),
            strict=True,
        )
    }  # fmt: skip


def fetch_volumes(
    connection: Connection, days: Sequence[date], *, asset: str, zone: str
) -> dict[tuple[str, str], list[float | None]]:
    """(zone, asset) → what its counter `volume_m3` moved on in each of these consecutive days.

    `asset` is a pattern of LIKE: `pump`, or `tap-%` for all taps.
    """
    numbers = _Numbers(connection, days, names=[LIFTED], assets=[asset], zones=[zone])
    moved = [[or_none(step) for step in steps] for steps in numbers.moved(LIFTED).tolist()]
    return dict(zip(numbers.owners[LIFTED], moved, strict=True))


def fetch_expected(connection: Connection, now: datetime) -> dict[str, float]:
    """What each zone that has a past was to lift yesterday [m³]."""
    water = Water(connection, days_before(now, HISTORY_DAYS))
    expected = water.expected(1)[:, 0, 0].tolist()
    return {zone: value for zone, value in zip(water.zone_ids, expected, strict=True) if not isnan(value)}


def fetch_yesterday(connection: Connection, now: datetime) -> dict[str, float]:
    """What each zone of which it is known lifted yesterday [m³]."""
    numbers = _Numbers(connection, days_before(now, 1), names=[LIFTED], assets=["pump"], zones=None)
    moved = numbers.moved(LIFTED)[:, 0].tolist()
    return {zone: step for (zone, _), step in zip(numbers.owners[LIFTED], moved, strict=True) if not isnan(step)}


def or_none(value: float) -> float | None:
    """None for NaN: pages and answers tell what is not known by its absence."""
    return None if isnan(value) else value
