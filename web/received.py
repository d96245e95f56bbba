"""Which readings were due, and of which came.

Gateways send more while a value moves. Readings are therefore counted hour by hour, in each at most as many as were due
in it: a restless morning makes up for no silent afternoon, and no channel for another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.clock import us_from_instant
from ingest.arrays import array_cursor
from ingest.db import Connection, queries
from ingest.readings import FloatArray

SQL = queries("web", "received")
DAY, HOUR_S = timedelta(days=1), 3600.0


class Heard(NamedTuple):
    """(d,) how many readings of a channel were due on each of some days, and how many came, counted hour by hour."""

    channel_id: int
    zone_id: str
    asset_id: str
    name: str
    due: FloatArray
    came: FloatArray

    @property
    def received(self) -> FloatArray:
        """(d,) of those that were due."""
        return np.minimum(self.came, self.due)


def fetch_heard(
    connection: Connection, start: datetime, end: datetime, *, zones: Sequence[str] | None = None,
    channels: Sequence[str] | None = None, until: datetime | None = None, with_bad: bool = True,
) -> list[Heard]:  # fmt: skip
    """The channels that some zones, or all, had in [start, end), both midnights; `until` is what is due by now.

    A channel is due from the day on which it was added to its zone until it was taken away, one that came with its zone
    from the zone's first reading on.
    """
    asked = {
        "start": start, "end": end, "zones": zones if zones is None else list(zones), "with_bad": with_bad,
        "channels": channels if channels is None else list(channels),
    }  # fmt: skip
    began = fetch_began(connection, zones, channels)
    days: FloatArray = start.timestamp() + DAY.total_seconds() * np.arange((end - start) // DAY + 1, dtype=np.float64)
    found = []
    rows = array_cursor(connection).execute(SQL["heard"], asked)
    for channel_id, zone, asset, name, interval_s, added_at, retired_at, day_us, numbers in rows:
        came = np.zeros(len(days) - 1)
        if day_us is not None:
            came[(day_us - us_from_instant(start)) // round(DAY.total_seconds() * 1e6)] = numbers
        due = _due_s(days, added_at or began.get(zone), retired_at, until) / interval_s
        found.append(Heard(channel_id, zone, asset, name, due, came))
    return found


def share_of(heard: Sequence[Heard]) -> float | None:
    """Of all that was due of these channels; None as long as that is not one reading."""
    due = sum(one.due.sum() for one in heard)
    return float(sum(one.received.sum() for one in heard) / due) if due >= 1 else None


def _due_s(days: FloatArray, since: datetime | None, *ends: datetime | None) -> FloatArray:
    """(d,) seconds of each day, whose bounds are `days`, between `since` and the first of the `ends`."""
    if since is None:
        return np.zeros(len(days) - 1)
    until_s = min((at.timestamp() for at in ends if at is not None), default=np.inf)
    lengths: FloatArray = np.minimum(days[1:], until_s) - np.maximum(days[:-1], since.timestamp())
    return np.maximum(0.0, lengths)


def fetch_began(
    connection: Connection, zones: Sequence[str] | None = None, channels: Sequence[str] | None = None
) -> Mapping[str, datetime]:
    """When some zones, or all, were first heard, to the hour: before that nothing was due.

    A zone that never was is absent: nothing is due of it yet.
    """
    asked = {
        "zones": zones if zones is None else list(zones), "channels": channels if channels is None else list(channels)
    }  # fmt: skip
    return dict(connection.execute(SQL["began"], asked).fetchall())


def came_of(t_s: FloatArray, n: NDArray[Any], interval_s: float, *, step_s: float = 0.0) -> float:
    """How many of `n` readings, raw or by intervals of `step_s`, came; in each hour, or longer interval, at most those
    that were due in it."""
    span_s = max(HOUR_S, step_s)
    _, place = np.unique(t_s // span_s, return_inverse=True)
    return float(np.minimum(np.bincount(place, n), np.ceil(span_s / interval_s)).sum())
