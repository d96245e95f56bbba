"""The hours of a zone by channel, from the rollups: what a year costs is some thousand rows, whatever was read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.clock import us_from_instant
from ingest.arrays import array_cursor
from ingest.db import Connection, queries
from ingest.rollups import HOUR_US

SQL = queries("ingest", "hours")

FloatArray = NDArray[np.float64]
HOUR = timedelta(hours=1)
OUTFLOW, DRAWN = "tower/outflow_m3_h", "tower/outflow_volume_m3"
INFLOW, LIFTED, LEVEL, SUN = "pump/flow_m3_h", "pump/volume_m3", "tower/level_m", "pv/irradiance_w_m2"
POWER, ARRAY_POWER = "pump/power_w", "pv/power_w"
DEPTH = "borehole/water_depth_m"


class Part(IntEnum):
    """What is known of an hour; `COUNT` is readings of a counter, of another channel the intervals heard."""

    MEAN = 0
    MOVED = 1  # by how much a counter moved on
    LOW = 2
    HIGH = 3
    COUNT = 4


class Hours:
    """The hours of a zone in [start, end), both whole hours; (k,) arrays, NaN where nothing was read.

    Channels that a zone no longer has are left out unless they are asked for: what stands in their place counts.
    """

    def __init__(
        self, connection: Connection, zone_id: str, start: datetime, end: datetime, channels: Sequence[str], *,
        with_retired: bool = False,
    ) -> None:  # fmt: skip
        self._connection, self.start, self.k = connection, start, int((end - start) / HOUR)
        self._asked = {
            "zone": zone_id, "start": start, "end": end, "channels": list(channels), "with_retired": with_retired,
        }  # fmt: skip
        start_us = us_from_instant(start)
        found: dict[str, FloatArray] = {}
        for channel, hour_us, *parts in array_cursor(connection).execute(SQL["hours"], self._asked):
            found[channel] = np.full((len(Part), self.k), np.nan)
            found[channel][:, (hour_us - start_us) // HOUR_US] = parts
        for _, channel, hour_us, mean, n in fetch_uneven(connection, [zone_id], channels, start, end):
            if channel in found:
                place = (hour_us - start_us) // HOUR_US
                found[channel][Part.MEAN, place], found[channel][Part.COUNT, place] = mean, n
        self._values: Mapping[str, FloatArray] = found

    def of(self, channel: str, part: Part) -> FloatArray:
        """(k,) one part of a channel's hours."""
        found = self._values.get(channel)
        return np.full(self.k, np.nan) if found is None else found[part]

    def has(self, channel: str) -> bool:
        """Whether anything of the channel was read."""
        return channel in self._values

    def taps_m3(self) -> FloatArray:
        """(k,) what all taps gave together, where no meter stands at the tower's outlet."""
        found = np.full(self.k, np.nan)
        for hour, moved_m3 in self._connection.execute(SQL["tap_hours"], self._asked):
            found[int((hour - self.start) / HOUR)] = moved_m3
        return found

    def drawn_m3(self) -> FloatArray:
        """(k,) what people drew: by the outlet's counter, its flow, or the taps where it has no meter."""
        found = self.first_known((DRAWN, Part.MOVED), (OUTFLOW, Part.MEAN))
        return found if np.isfinite(found).any() else self.taps_m3()

    def pump_power_w(self) -> FloatArray:
        """(k,) what the pump drew; where that is not measured, what the panels gave, which feed nothing else."""
        return self.first_known((POWER, Part.MEAN), (ARRAY_POWER, Part.MEAN))

    def first_known(self, *choices: tuple[str, Part]) -> FloatArray:
        """(k,) the first of these that has any hour."""
        for channel, part in choices:
            if channel in self._values:
                return self.of(channel, part)
        return np.full(self.k, np.nan)


class Uneven(NamedTuple):
    """(k,) hours in which more readings came than were due, or less than four fifths: their means over time, and how
    many intervals were heard."""

    zone_id: str
    channel: str
    hour_us: NDArray[np.int64]
    mean: FloatArray
    n: FloatArray


def fetch_uneven(
    connection: Connection, zones: Sequence[str], channels: Sequence[str], start: datetime, end: datetime
) -> list[Uneven]:
    """What stands in place of an hour's mean and count in the rollups, which take each reading for as much as another.

    Without the readings of an hour, the rollups stay.
    """
    asked = {"zones": list(zones), "channels": list(channels), "start": start, "end": end}
    return [Uneven(*row) for row in array_cursor(connection).execute(SQL["uneven"], asked)]


def months_heard(connection: Connection, zone_id: str, channel: str) -> list[tuple[date, int]]:
    """(first day, days heard) of each month in which a channel was heard, oldest first."""
    return list(connection.execute(SQL["months_heard"], {"zone": zone_id, "channel": channel}))
