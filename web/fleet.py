"""How each zone does now: its state in one word, what the tower holds, what yesterday gave."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from math import isnan

import numpy as np

from gateway.clock import us_from_instant
from gateway.model import Fault
from ingest.arrays import array_cursor
from ingest.db import Connection, queries
from ingest.hours import ARRAY_POWER, LIFTED, POWER, fetch_uneven
from ingest.readings import FloatArray, ZoneRow
from ingest.rollups import HOUR_US
from web.daily import DAY, Day, days_before, fetch_days, midnight
from web.errors import NotThere
from web.measures import DAY_H, specific_energy_by_day
from web.stories import Alert, live_alerts

SQL = queries("web", "fleet")

SILENT_AFTER = timedelta(hours=3)  # longer than any reporting interval in use; detectors are stricter per gateway
FAULT_SEVERITY = 3  # an alert of this severity means that people go without water now or soon


class ZoneState(StrEnum):
    """The one word for a zone, gravest first."""

    FAULT = "fault"
    SILENT = "silent"
    WATCH = "watch"
    NO_DATA = "no_data"
    NORMAL = "normal"


GRAVITY = {state: place for place, state in enumerate(ZoneState)}


@dataclass(frozen=True, slots=True)
class TowerNow:
    """What the tower last said; `share` is of the full level, `volume_m3` assumes straight walls."""

    level_m: float
    measured_at: datetime
    full_m: float | None
    share: float | None
    volume_m3: float | None


@dataclass(frozen=True, slots=True)
class ZoneNow:
    """A zone as the overview and the API show it; `days` are whole days, yesterday last, empty without data.

    `energy_kwh_m3` is yesterday's, where it was asked for.
    """

    zone: ZoneRow
    state: ZoneState
    alerts: tuple[Alert, ...]
    last_seen_at: datetime | None
    tower: TowerNow | None
    days: tuple[Day, ...] = ()
    energy_kwh_m3: float | None = None

    @property
    def yesterday(self) -> Day | None:
        """The last whole day."""
        return self.days[-1] if self.days else None


def state_of_zone(alerts: Sequence[Alert], last_seen_at: datetime | None, now: datetime) -> ZoneState:
    """The gravest of what is known; a zone that nobody hears is never called normal."""
    if any(alert.severity >= FAULT_SEVERITY and alert.fault != Fault.COMMS_OUTAGE for alert in alerts):
        return ZoneState.FAULT
    if any(alert.fault == Fault.COMMS_OUTAGE for alert in alerts):
        return ZoneState.SILENT
    if last_seen_at is None:
        return ZoneState.WATCH if alerts else ZoneState.NO_DATA
    if now - last_seen_at > SILENT_AFTER:
        return ZoneState.SILENT
    return ZoneState.WATCH if alerts else ZoneState.NORMAL


def fetch_fleet(connection: Connection, now: datetime) -> list[ZoneNow]:
    """All zones as they are now with their days, gravest first, then by people served."""
    return with_energy(connection, with_days(connection, fetch_states(connection, now), now), now)


def fetch_states(connection: Connection, now: datetime, *, zone: str | None = None) -> list[ZoneNow]:
    """All zones (or one) as they are now, without their days, gravest first, then by people served."""
    alerts: dict[str, list[Alert]] = defaultdict(list)
    for alert in live_alerts(connection):
        if alert.explained_by is None:
            alerts[alert.zone_id].append(alert)
    fleet = []
    for row in connection.execute(SQL["zones"], {"zone": zone}):
        found, (seen_at, level_m, level_at, full_level_m, volume_m3) = ZoneRow(*row[:11]), row[11:]
        live = tuple(alerts[found.zone_id])
        tower = None if level_m is None else _tower(level_m, level_at, full_level_m, volume_m3)
        fleet.append(ZoneNow(found, state_of_zone(live, seen_at, now), live, seen_at, tower))
    return sorted(fleet, key=place_of)


def with_days(
    connection: Connection, fleet: Sequence[ZoneNow], now: datetime, *, expect_last: int = 1
) -> list[ZoneNow]:
    """These zones with their last days."""
    zones = [item.zone.zone_id for item in fleet]
    days = fetch_days(connection, now, zones=zones, expect_last=expect_last)
    return [replace(item, days=tuple(days.get(zone, ()))) for zone, item in zip(zones, fleet, strict=True)]


def with_energy(connection: Connection, fleet: Sequence[ZoneNow], now: datetime) -> list[ZoneNow]:
    """These zones with what a cubic metre cost them yesterday."""
    zones = [item.zone.zone_id for item in fleet]
    energy = _fetch_energy(connection, now, zones)
    return [replace(item, energy_kwh_m3=energy.get(zone)) for zone, item in zip(zones, fleet, strict=True)]


def place_of(item: ZoneNow) -> tuple[int, int, str]:
    """By what zones are ordered: the gravest first, then the most people."""
    return GRAVITY[item.state], -item.zone.people, item.zone.zone_id


def _fetch_energy(connection: Connection, now: datetime, zones: Sequence[str]) -> dict[str, float]:
    """Yesterday's kWh for each cubic metre, of the zones of which it is known, as the pump's page counts it.

    Two days of each zone stand behind each other; only the last hour of the first is fetched, for the counter's step
    into yesterday.
    """
    yesterday = midnight(days_before(now, 1)[0])
    begin_us = us_from_instant(yesterday - DAY)
    channels, start, end = [POWER, ARRAY_POWER, LIFTED], yesterday - timedelta(hours=1), yesterday + DAY
    asked = {"zones": list(zones), "channels": channels, "start": start, "end": end}
    row_of = {zone: row for row, zone in enumerate(zones)}
    mean: dict[str, dict[int, FloatArray]] = defaultdict(dict)
    moved = np.full((len(zones), 2 * DAY_H), np.nan)
    for zone, channel, hour_us, means, steps in array_cursor(connection).execute(SQL["pumping_hours"], asked):
        mean[channel][row_of[zone]] = hours = np.full(2 * DAY_H, np.nan)
        if hour_us is None:
            continue
        at = (hour_us - begin_us) // HOUR_US
        hours[at] = means
        if channel == LIFTED:
            moved[row_of[zone], at] = steps
    for one in fetch_uneven(connection, zones, channels, start, end):
        if (found := mean[one.channel].get(row_of[one.zone_id])) is not None:
            found[(one.hour_us - begin_us) // HOUR_US] = one.mean
    power_w = np.full((len(zones), 2 * DAY_H), np.nan)
    for row, hours in (mean[ARRAY_POWER] | mean[POWER]).items():  # panels feed nothing else: see `Hours.pump_power_w`
        power_w[row] = hours
    energy = specific_energy_by_day(power_w.ravel(), moved.ravel())[1::2].tolist()
    return {zone: value for zone, value in zip(zones, energy, strict=True) if not isnan(value)}


def fetch_zone(connection: Connection, zone_id: str, now: datetime, *, expect_last: int = 1) -> ZoneNow:
    """One zone as it is now; `NotThere` when it is unknown."""
    found = with_days(connection, fetch_states(connection, now, zone=zone_id), now, expect_last=expect_last)
    if not found:
        raise NotThere("zone", zone_id)
    return found[0]


def _tower(level_m: float, at: datetime, full_level_m: float | None, volume_m3: float | None) -> TowerNow:
    share = None if not full_level_m else max(0.0, level_m / full_level_m)
    return TowerNow(level_m, at, full_level_m, share, None if share is None or volume_m3 is None else share * volume_m3)
