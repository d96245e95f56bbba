"""How good the readings are: what came, late, twice with two values, with a wrong clock, and what failed which test.

By zone and by channel, over whole days; each number can be opened down to the readings that it counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from ingest.db import Connection, queries
from web.daily import DAY, midnight
from web.errors import BadParameter
from web.notes import REDATED
from web.received import fetch_heard, share_of

SQL = queries("web", "quality")

DEFAULT_DAYS = 7
MOST_DAYS = 92  # late readings are looked for among all of them
LATE_AFTER = timedelta(hours=1)  # as the account of messages counts


@dataclass(frozen=True, slots=True)
class Days:
    """From the beginning of `first` to the end of `last`; what is after `now` is not due yet."""

    first: date
    last: date
    now: datetime

    @property
    def query(self) -> str:
        """As the address says it."""
        return f"du={self.first}&au={self.last}"

    @property
    def parameters(self) -> dict[str, object]:
        """For the statements."""
        return {"start": self.start, "end": self.end, "late_after": LATE_AFTER}

    @property
    def start(self) -> datetime:
        """When the first begins."""
        return midnight(self.first)

    @property
    def end(self) -> datetime:
        """When the last is over."""
        return midnight(self.last) + DAY


def days_of(first: str, last: str, now: datetime) -> Days:
    """Read an address; what it leaves out are the last seven days and today.

    Raises
    ------
    BadParameter : no day, the last before the first, or more than `MOST_DAYS`
    """
    to = _day("au", last) if last else now.date()
    since = _day("du", first) if first else to - timedelta(days=DEFAULT_DAYS)
    if since > to:
        raise BadParameter("du", str(since), f"is after {to}")
    if (to - since).days >= MOST_DAYS:
        raise BadParameter("du", str(since), f"is more than {MOST_DAYS} days before {to}")
    return Days(since, to, now)


def _day(name: str, text: str) -> date:
    try:
        on = date.fromisoformat(text)
    except ValueError:
        raise BadParameter(name, text, "is no day like 2026-11-01") from None
    if not 2000 <= on.year <= 2200:
        raise BadParameter(name, text, "is out of this century")
    return on


@dataclass(frozen=True, slots=True)
class ZoneQuality:
    """All channels of a zone together: `share` of what was due of them came.

    `late` of `stored` is counted by the day of receipt, the rest by measured time; `clock_offset_s` is the gateway's
    clock less ours, as it last told it within the days.
    """

    zone_id: str
    share: float | None
    failed: int
    redated: int
    conflicts: int
    late: int
    stored: int
    clock_offset_s: float | None


@dataclass(frozen=True, slots=True)
class ChannelQuality:
    """One channel; `share` of what was due of its readings came, None while nothing is, as of a gauge that is read once
    a day; `failed` counts its readings by test, `redated` those whose time is our estimate.

    `came` are all readings, `value` is the newest that failed no test, whenever it was measured.
    """

    channel_id: int
    asset: str
    name: str
    unit: str
    came: int
    share: float | None
    late: int
    conflicts: int
    value: float | None
    measured_at: datetime | None
    failed: Mapping[str, int]
    redated: int


def fetch_zones(connection: Connection, zones: Sequence[str], days: Days) -> dict[str, ZoneQuality]:
    """These zones, by id."""
    heard = fetch_heard(connection, days.start, days.end, zones=zones, until=days.now)
    rows = connection.execute(SQL["zones"], days.parameters | {"zones": list(zones)})
    return {
        zone: ZoneQuality(zone, share_of([one for one in heard if one.zone_id == zone]), *row) for zone, *row in rows
    }


def fetch_channels(connection: Connection, zone: str, days: Days) -> list[ChannelQuality]:
    """The channels of a zone, those that came worst first."""
    asked = days.parameters | {"zone": zone}
    failed: dict[int, dict[str, int]] = {}
    for channel, test, count in connection.execute(SQL["notes"], asked):
        failed.setdefault(channel, {})[test] = count
    heard = fetch_heard(connection, days.start, days.end, zones=[zone], until=days.now)
    shares = {one.channel_id: share_of([one]) for one in heard}
    found = []
    for channel, asset, name, unit, came, late, conflicts, value, at in connection.execute(SQL["channels"], asked):
        tests = failed.get(channel, {})
        redated = tests.pop(REDATED, 0)
        found.append(
            ChannelQuality(
                channel, asset, name, unit, came, shares[channel], late, conflicts, value, at, tests, redated
            )
        )
    return sorted(found, key=lambda one: (1.0 if one.share is None else one.share, one.asset, one.name))


class Rows(StrEnum):
    """Which readings of a channel to list; any other word is a test that they failed."""

    LATE = "retard"
    CONFLICT = "conflit"


@dataclass(frozen=True, slots=True)
class Row:
    """One reading; `device_at` is what its device's clock said of one that was dated anew, `others` are the values that
    came for the same moment later."""

    measured_at: datetime
    received_at: datetime
    value: float
    flag: int
    tests: list[str]
    device_at: datetime | None
    others: list[float] | None


def fetch_rows(
    connection: Connection, channel: int, what: str, days: Days, *, after: datetime | None, limit: int
) -> list[Row]:
    """Readings that one of the numbers counts, oldest first, measured after `after`."""
    statement = {Rows.LATE.value: "rows_late", Rows.CONFLICT.value: "rows_conflict"}.get(what, "rows_failed")
    asked = days.parameters | {"channel": channel, "test": what, "after": after, "limit": limit}
    return [Row(*row) for row in connection.execute(SQL[statement], asked)]
