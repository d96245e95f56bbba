"""Readings that people make with their eyes and tell: a level, a meter, a rain gauge. The door by which they come in.

They stand in channels of their own (migration 0028), beside those of the sensors, so that they are marked as made by
hand for ever and move nothing by which a sensor, a gateway or a zone is judged to be alive. Nothing else writes them:
one costs what its channel costs, however many zones there are. `hand_reading` is their account. What cannot be is
refused; a meter that disagrees with what was read before is not stored unless the person says once more that it is so,
and is suspect then: meters are exchanged.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from gateway.clock import instant_from_us, us_from_instant
from gateway.model import AssetKind, Flag, channel_spec, kind_of_asset
from ingest.columns import Columns
from ingest.db import Connection, queries
from ingest.meters import told_steps
from ingest.writer import ReadingWriter

SQL = queries("ingest", "by_hand")
TAKEN_BACK_WITHIN = timedelta(hours=1)  # another number of the same person corrects the last one, later it is a new one
FULL_AT_MOST = 1.02  # of the full level: the float stops the pump a little late


class HandFate(StrEnum):
    """What became of a number that somebody read."""

    STORED = "stored"
    CORRECTED = "corrected"  # stored, and the same person's last number taken back
    IMPOSSIBLE = "impossible"
    DOUBTFUL = "doubtful"  # not stored, unless they say again that it is so
    NOWHERE = "nowhere"  # the zone has nothing of that kind


@dataclass(frozen=True, slots=True)
class HandReading:
    """One number that a person read off in their zone."""

    zone_id: str
    asset_id: str
    channel: str
    value: float
    contact_id: int
    sms_in_id: int
    read_at: datetime


class Booked(NamedTuple):
    """What became of it; `beside` is the number that it was held against: the one before, or the highest possible."""

    fate: HandFate
    beside: float | None = None


class _There(NamedTuple):
    """The channel of a sensor that a person reads instead."""

    channel_id: int
    minimum: float
    maximum: float
    full_level_m: float | None
    sensor_value: float | None
    sensor_us: int | None
    wraps_at: float | None  # as in `ingest.meters`
    most_per_h: float | None


class _Last(NamedTuple):
    value: float
    at_us: int
    contact_id: int
    number: int


def book(connection: Connection, reading: HandReading, *, is_meant: bool = False) -> Booked:
    """Store a reading made by hand, in the caller's transaction, unless it cannot be or is doubtful.

    `is_meant` says that the person was asked about a doubtful number and stands by it.
    """
    asked = {"zone": reading.zone_id, "asset": reading.asset_id, "name": reading.channel}
    spec = channel_spec(reading.asset_id, reading.channel)
    if spec is not None and kind_of_asset(reading.asset_id) is AssetKind.WEATHER:
        connection.execute(SQL["gauge"], asked | {"unit": spec.unit, "minimum": spec.minimum, "maximum": spec.maximum})
    row = connection.execute(SQL["read_there"], asked).fetchone()
    if row is None:
        return Booked(HandFate.NOWHERE)
    there = _There(*row)
    highest = there.maximum
    if _is_level(reading) and there.full_level_m:
        highest = min(highest, FULL_AT_MOST * there.full_level_m)
    if not max(there.minimum, 0.0) <= reading.value <= highest:
        return Booked(HandFate.IMPOSSIBLE, highest if reading.value > highest else 0.0)
    last = _last(connection, there, without=None)
    taken_back = last if last is not None and _corrects(reading, last) else None
    before = _before(there, last if taken_back is None else _last(connection, there, without=taken_back.number))
    is_meter = spec is not None and spec.is_counter
    is_doubtful = is_meter and before is not None and _is_doubtful(reading, there, *before)
    if is_doubtful and not is_meant and before is not None:
        return Booked(HandFate.DOUBTFUL, before[0])
    flag = Flag.SUSPECT if is_doubtful else Flag.NOT_EVALUATED
    _store(connection, there, reading, last, taken_back, flag)
    return Booked(HandFate.STORED if taken_back is None else HandFate.CORRECTED)


def _store(
    connection: Connection,
    there: _There,
    reading: HandReading,
    last: _Last | None,
    taken_back: _Last | None,
    flag: Flag,
) -> None:
    ((channel,),) = connection.execute(SQL["own_channel"], {"channel": there.channel_id}).fetchall()
    at_us = us_from_instant(reading.read_at)
    if last is not None:
        at_us = max(at_us, last.at_us + 1)  # two SMS that are handled in one moment
    writer = ReadingWriter(connection, only=channel)
    if taken_back is not None:
        writer.take_back(channel, taken_back.at_us)
        connection.execute(SQL["withdraw"], {"id": taken_back.number, "now": reading.read_at})
    writer.write(
        Columns(
            np.array([channel], dtype=np.int32), np.array([at_us], dtype=np.int64),
            np.array([us_from_instant(reading.read_at)], dtype=np.int64), np.array([reading.value]),
            np.array([flag], dtype=np.int16),
        )
    )  # fmt: skip
    connection.execute(
        SQL["keep"],
        {
            "sms": reading.sms_in_id, "channel": channel, "at": instant_from_us(at_us), "value": reading.value,
            "contact": reading.contact_id,
        },
    )  # fmt: skip


def _last(connection: Connection, there: _There, *, without: int | None) -> _Last | None:
    row = connection.execute(SQL["last_by_hand"], {"channel": there.channel_id, "without": without}).fetchone()
    return None if row is None else _Last(*row)


def _before(there: _There, last: _Last | None) -> tuple[float, int] | None:
    """What a meter showed, and when: as last read by eye, since a sensor may count from elsewhere; else as sensed."""
    if last is not None:
        return last.value, last.at_us
    if there.sensor_value is None or there.sensor_us is None:
        return None
    return there.sensor_value, there.sensor_us


def _corrects(reading: HandReading, last: _Last) -> bool:
    is_soon = us_from_instant(reading.read_at) - last.at_us <= TAKEN_BACK_WITHIN / timedelta(microseconds=1)
    return is_soon and last.contact_id == reading.contact_id


def _is_doubtful(reading: HandReading, there: _There, value: float, at_us: int) -> bool:
    """A meter that went back and not past its end, or further on than its pipe carries."""
    span_s = (us_from_instant(reading.read_at) - at_us) / 1e6
    meter = (np.asarray(bound, dtype=np.float64) for bound in (there.wraps_at, there.most_per_h))  # None: NaN
    return bool(np.isnan(told_steps(np.asarray(reading.value - value), np.asarray(span_s), *meter)))


def _is_level(reading: HandReading) -> bool:
    return reading.channel == "level_m"
