"""What people read off and sent by SMS, as pages show it: never as if a sensor had said it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from ingest.db import Connection, queries
from web.charts.series import Spot
from web.language import Texts

SQL = queries("web", "by_hand")


@dataclass(frozen=True, slots=True)
class HandMade:
    """One number that a person read; `asset` and `channel` are those of the sensor beside which it stands."""

    asset: str
    channel: str
    unit: str
    value: float
    at: datetime
    name: str
    role: str
    is_taken_back: bool
    is_suspect: bool


def fetch_by_hand(connection: Connection, zone_id: str, start: datetime, end: datetime) -> list[HandMade]:
    """What was read by hand in a zone within [start, end), the newest first."""
    asked = {"zone": zone_id, "start": start, "end": end}
    return [HandMade(*row) for row in connection.execute(SQL["within"], asked)]


def spots_of(read: Iterable[HandMade], asset: str, channel: str, texts: Texts) -> list[Spot]:
    """The signs beside the curve of a channel; what its author took back has none."""
    return [
        Spot(one.at.timestamp(), one.value, "by-hand", texts.gettext("à la main : %(value)s à %(time)s") % {
            "value": texts.quantity(one.value, one.unit), "time": texts.minute(one.at),
        })
        for one in read
        if (one.asset, one.channel) == (asset, channel) and not one.is_taken_back
    ]  # fmt: skip
