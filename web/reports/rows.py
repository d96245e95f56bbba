"""What the database knows of a period, as `web.reports.figures` needs it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

from gateway.clock import instant_from_us
from ingest.db import Connection, queries
from ingest.hours import fetch_uneven
from ingest.readings_pg import PgReadings
from web.daily import EVENING
from web.purse import fetch_purse
from web.received import fetch_began, fetch_heard
from web.reports.figures import DEPTH, INFLOW, LEVEL, LIFTED, POWERS, SUN, Facts, Key, Life, Rows, Sms, Span, Told
from web.reports.period import Period, midnight

SQL = queries("web", "reports")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
HOURLY = (SUN, LEVEL, LIFTED, INFLOW, DEPTH, *POWERS)


def fetch_rows(connection: Connection, period: Period, *, zone: str | None, now: datetime) -> Iterator[Rows]:
    """Each zone (or the one) with its rollups, alerts, SMS and takings, as far as the period's days are over.

    They are fetched zone by zone: a year of one is 50,000 rows, and nobody needs those of two at the same time.
    """
    first, days = period.first, period.days_until(now)
    taken = {
        (zone_id, month): gnf
        for zone_id, month, gnf in connection.execute(SQL["takings"], {"first": first, "end": period.end})
    }
    months = [month.first for month in period.months if month.days_until(now)]
    sms = _fetch_sms(connection, period, zone)
    start, end = midnight(first), midnight(first) + days * DAY
    for facts in _fetch_facts(connection, zone):
        span = {"zone": facts.zone_id, "start": start, "end": end}
        of_days = span | {"start": start - DAY, "evening": EVENING}
        with_neighbours = {"start": start - HOUR, "end": end + HOUR}
        of_hours = span | with_neighbours | {"channels": ["/".join(key) for key in HOURLY]}
        yield Rows(
            facts, _days(connection, of_days), _hours(connection, of_hours),
            [Told(*told) for told in connection.execute(SQL["alerts"], span)],
            sms.get(facts.zone_id, Sms(0, 0)), [taken.get((facts.zone_id, month)) for month in months],
        )  # fmt: skip


def _fetch_spans(connection: Connection, statement: str, asked: Mapping[str, Any]) -> dict[Key, dict[Any, Span]]:
    """By channel, and by day or hour."""
    found: dict[Key, dict[Any, Span]] = defaultdict(dict)
    for asset, name, at, *numbers in connection.execute(SQL[statement], asked):
        found[asset, name][at] = Span(*numbers)
    return found


def _days(connection: Connection, asked: Mapping[str, Any]) -> dict[Key, dict[Any, Span]]:
    found = _fetch_spans(connection, "days", asked)
    for one in fetch_heard(connection, asked["start"], asked["end"], zones=[asked["zone"]], with_bad=False):
        days = found.get((one.asset_id, one.name), {})
        for place, came in enumerate(one.came.tolist()):
            on = asked["start"].date() + place * DAY
            if on in days:
                days[on] = days[on]._replace(n=came)
    return found


def _hours(connection: Connection, asked: Mapping[str, Any]) -> dict[Key, dict[Any, Span]]:
    """With means over time."""
    found = _fetch_spans(connection, "hours", asked)
    for one in fetch_uneven(connection, [asked["zone"]], asked["channels"], asked["start"], asked["end"]):
        asset, _, name = one.channel.partition("/")
        hours = found.get((asset, name), {})
        for hour_us, mean, n in zip(one.hour_us.tolist(), one.mean.tolist(), one.n.tolist(), strict=True):
            at = instant_from_us(hour_us)
            if at in hours:
                hours[at] = hours[at]._replace(mean=mean, n=n)
    return found


def _fetch_facts(connection: Connection, zone: str | None) -> list[Facts]:
    channels: dict[str, dict[Key, float]] = defaultdict(dict)
    lives: dict[str, dict[Key, Life]] = defaultdict(dict)
    began = fetch_began(connection, None if zone is None else [zone])
    for one in PgReadings(connection).channels(zone, with_retired=True):
        key = one.asset_id, one.name
        channels[one.zone_id][key] = one.interval_s
        lives[one.zone_id][key] = _life(one.added_at or began.get(one.zone_id), one.retired_at)
    rows = connection.execute(SQL["zones"], {"zone": zone})
    return [Facts._make((*row, channels[row[0]], lives[row[0]])) for row in rows]


def _life(since: datetime | None, until: datetime | None) -> Life:
    """The whole days between its coming and its going; none of what never was there."""
    if since is None:
        return Life(date.max)
    begun = since.astimezone(UTC)
    is_whole = begun == midnight(begun.date())
    return Life(begun.date() if is_whole else begun.date() + DAY, until and until.astimezone(UTC).date() - DAY)


def _fetch_sms(connection: Connection, period: Period, zone: str | None) -> dict[str, Sms]:
    """What the purse says of the period's months."""
    found: dict[str, Sms] = {}
    last_day = midnight(period.end) - DAY
    for one in fetch_purse(connection, now=last_day, months=len(period.months), zone=zone):
        if one.month < period.end:
            before = found.get(one.zone_id, Sms(0, 0))
            found[one.zone_id] = Sms(before.messages + one.notifications, before.segments + one.segments)
    return found
