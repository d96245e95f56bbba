"""What the database knows of a period, as `web.reports.figures` needs it."""

from __future__ import annotations

from collections import defaultdict
from datetime import date, datetime, timedelta

from ingest.db import Connection, queries
from ingest.readings_pg import PgReadings
from web.daily import EVENING
from web.purse import fetch_purse
from web.reports.figures import LEVEL, LIFTED, POWERS, SUN, Facts, Key, Rows, Sms, Span, Told
from web.reports.period import Period, midnight

SQL = queries("web", "reports")
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
HOURLY = (SUN, LEVEL, LIFTED, *POWERS)


def fetch_rows(connection: Connection, period: Period, *, zone: str | None, now: datetime) -> list[Rows]:
    """Each zone (or the one) with its rollups, alerts, SMS and takings, as far as the period's days are over."""
    first, days = period.first, period.days_until(now)
    span_start = midnight(first)
    span = {"zone": zone, "start": span_start, "end": span_start + days * DAY}
    by_day: dict[str, dict[Key, dict[date, Span]]] = defaultdict(lambda: defaultdict(dict))
    of_days = span | {"start": span_start - DAY, "evening": EVENING}
    for zone_id, asset, name, on, *numbers in connection.execute(SQL["days"], of_days):
        by_day[zone_id][asset, name][on] = Span(*numbers)
    by_hour: dict[str, dict[Key, dict[datetime, Span]]] = defaultdict(lambda: defaultdict(dict))
    of_hours = span | {"start": span_start - HOUR, "channels": ["/".join(key) for key in HOURLY]}
    for zone_id, asset, name, hour, *numbers in connection.execute(SQL["hours"], of_hours):
        by_hour[zone_id][asset, name][hour] = Span(*numbers)
    alerts: dict[str, list[Told]] = defaultdict(list)
    for zone_id, *told in connection.execute(SQL["alerts"], span):
        alerts[zone_id].append(Told(*told))
    taken = {
        (zone_id, month): gnf
        for zone_id, month, gnf in connection.execute(SQL["takings"], {"first": first, "end": period.end})
    }
    months = [month.first for month in period.months if month.days_until(now)]
    sms = _fetch_sms(connection, period, zone)
    return [
        Rows(
            facts, by_day[facts.zone_id], by_hour[facts.zone_id], alerts[facts.zone_id],
            sms.get(facts.zone_id, Sms(0, 0)), [taken.get((facts.zone_id, month)) for month in months],
        )
        for facts in _fetch_facts(connection, zone)
    ]  # fmt: skip


def _fetch_facts(connection: Connection, zone: str | None) -> list[Facts]:
    channels: dict[str, dict[Key, float]] = defaultdict(dict)
    for one in PgReadings(connection).channels(zone):
        channels[one.zone_id][one.asset_id, one.name] = one.interval_s
    return [Facts._make((*row, channels[row[0]])) for row in connection.execute(SQL["zones"], {"zone": zone})]


def _fetch_sms(connection: Connection, period: Period, zone: str | None) -> dict[str, Sms]:
    """What the purse says of the period's months."""
    found: dict[str, Sms] = {}
    last_day = midnight(period.end) - DAY
    for one in fetch_purse(connection, now=last_day, months=len(period.months), zone=zone):
        if one.month < period.end:
            before = found.get(one.zone_id, Sms(0, 0))
            found[one.zone_id] = Sms(before.messages + one.notifications, before.segments + one.segments)
    return found
