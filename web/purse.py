"""What SMS cost each committee, and whether volunteers' phones were left in peace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from alerts.routing import PER_DAY, PER_HOUR, PER_WEEK
from ingest.db import Connection, queries
from ingest.readings_pg import PgReadings
from web.errors import NotThere

SQL = queries("web", "sms")

CAPS_OVER = timedelta(days=30)
MOST_MONTHS = 36


@dataclass(frozen=True, slots=True)
class Month:
    """One committee's SMS of one month (UTC, which is Guinea's time all year).

    Parameters
    ----------
    month : its first day
    notifications : that a route took; answers : of them, to what people had written
    hand_overs : each is paid for; more than notifications where something was sent again
    unknown : of the notifications, those of which nobody knows whether a handset had them
    """

    month: date
    zone_id: str
    zone_name: str
    notifications: int
    answers: int
    hand_overs: int
    segments: int
    delivered: int
    unknown: int

    def cost_gnf(self, price_gnf: float) -> float:
        """What they cost, at one price a segment."""
        return self.segments * price_gnf


@dataclass(frozen=True, slots=True)
class Told:
    """The most that a person was told within an hour, a day and a week of the last 30 days.

    `no_water` counts those that no cap holds back, which are in no other figure.
    """

    zone_id: str
    zone_name: str
    name: str
    role: str
    phone: str
    most_in_hour: int
    most_in_day: int
    most_in_week: int
    no_water: int

    @property
    def is_over(self) -> bool:
        """Whether a cap or the volunteers' budget did not hold."""
        return self.most_in_hour > PER_HOUR or self.most_in_day > PER_DAY or self.most_in_week > PER_WEEK


def fetch_purse(connection: Connection, *, now: datetime, months: int, zone: str | None = None) -> list[Month]:
    """Each committee's months in which something was sent, newest first, the running one among `months`.

    Raises
    ------
    NotThere : no such zone
    """
    if zone is not None and zone not in {row.zone_id for row in PgReadings(connection).zones()}:
        raise NotThere("zone", zone)
    first = now.year * 12 + now.month - months
    since = now.replace(year=first // 12, month=first % 12 + 1, day=1, hour=0, minute=0, second=0, microsecond=0)
    return [Month(*row) for row in connection.execute(SQL["purse"], {"since": since, "zone": zone})]


def fetch_told(connection: Connection, now: datetime) -> list[Told]:
    """Everybody who was told something in the last 30 days, those who were told most in a week first."""
    return [Told(*row) for row in connection.execute(SQL["caps"], {"since": now - CAPS_OVER})]


def by_month(purse: Sequence[Month]) -> list[tuple[date, list[Month]]]:
    """The same under its months."""
    months = dict.fromkeys(one.month for one in purse)
    return [(month, [one for one in purse if one.month == month]) for month in months]
