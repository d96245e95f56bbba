"""All zones together: what they gave yesterday and what that day allowed, who has water today, what arrived.

Of a thousand zones this takes longer than a page may take, and it hardly changes from minute to minute: days that are
over change when late readings come, and towers speak every few minutes. So the newest totals are kept for a while, and
whoever shows them shows their age. What needs somebody now (alerts, states) is never kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock

from ingest.db import Connection, queries
from web.daily import DAY, days_before, fetch_expected, fetch_yesterday, midnight
from web.fleet import SILENT_AFTER, ZoneNow
from web.measures import EMPTY_SHARE, SERVICE_FROM_H
from web.received import fetch_heard, share_of

SQL = queries("web", "fleet")

KEPT_FOR = timedelta(minutes=5)
RECEIVED = ("pump/volume_m3", "pv/irradiance_w_m2", "tower/level_m")


@dataclass(frozen=True, slots=True)
class Totals:
    """All zones together; None where no zone has data. `zones_counted` says how many the volume rests on.

    `served` zones have had water in the tower all day, of `heard` whose level is known; `received_share` is that of
    yesterday's readings from sun, pumps and towers.
    """

    made_at: datetime
    volume_m3: float | None
    zones_counted: int
    expected_share: float | None
    litres_per_person: float | None
    served: int
    heard: int
    received_share: float | None


class KeptTotals:
    """The newest totals, for `KEPT_FOR` and never beyond midnight."""

    def __init__(self) -> None:
        self._newest: Totals | None = None
        self._counting = Lock()

    def of(self, connection: Connection, fleet: Sequence[ZoneNow], now: datetime) -> Totals:
        """Totals of the whole fleet; one request counts, those that come meanwhile wait for it."""
        with self._counting:
            if self._newest is None or not _is_fresh(self._newest.made_at, now):
                self._newest = fetch_totals(connection, fleet, now)
            return self._newest


def _is_fresh(made_at: datetime, now: datetime) -> bool:
    return timedelta() <= now - made_at < KEPT_FOR and made_at.date() == now.date()


def fetch_totals(connection: Connection, fleet: Sequence[ZoneNow], now: datetime) -> Totals:
    """Sum what is known; zones without data are left out of numerator and denominator alike."""
    lifted_m3, expected_m3 = fetch_yesterday(connection, now), fetch_expected(connection, now)
    volume = sum(lifted_m3.values())
    people = sum(item.zone.people for item in fleet if item.zone.zone_id in lifted_m3)
    compared = lifted_m3.keys() & expected_m3.keys()
    wanted = sum(expected_m3[zone] for zone in compared)
    has_water = _fetch_has_water(connection, fleet, now)
    return Totals(
        made_at=now,
        volume_m3=volume if lifted_m3 else None,
        zones_counted=len(lifted_m3),
        expected_share=sum(lifted_m3[zone] for zone in compared) / wanted if wanted > 0 else None,
        litres_per_person=1000 * volume / people if people else None,
        served=sum(has_water),
        heard=len(has_water),
        received_share=_fetch_received_share(connection, now),
    )


def _fetch_has_water(connection: Connection, fleet: Sequence[ZoneNow], now: datetime) -> list[bool]:
    """Of each zone whose tower has spoken within `SILENT_AFTER`, whether it held water since service began today."""
    since = midnight(now.astimezone(UTC).date()) + timedelta(hours=SERVICE_FROM_H)
    lowest = dict(connection.execute(SQL["lowest_today"], {"since": since, "now": now}).fetchall())
    return [
        min(lowest.get(item.zone.zone_id, tower.level_m), tower.level_m) > EMPTY_SHARE * tower.full_m
        for item in fleet
        if (tower := item.tower) is not None and tower.full_m and now - tower.measured_at <= SILENT_AFTER
    ]


def _fetch_received_share(connection: Connection, now: datetime) -> float | None:
    """The mean of all channels, each as good as another however often it is read."""
    yesterday = midnight(days_before(now, 1)[0])
    heard = fetch_heard(connection, yesterday, yesterday + DAY, channels=RECEIVED)
    shares = [share for one in heard if (share := share_of([one])) is not None]
    return sum(shares) / len(shares) if shares else None
