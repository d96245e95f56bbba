"""How each zone does now: its state in one word, what the tower holds, what yesterday gave."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.model import Fault
from ingest.db import Connection, queries
from ingest.readings import ZoneRow
from web.daily import FULL_DAY, Day, days_before, fetch_days, midnight
from web.errors import NotThere
from web.measures import LEAST_M3
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

    `energy_kwh_m3` is yesterday's.
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
    return with_days(connection, fetch_states(connection, now), now)


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
    """These zones with their last days and yesterday's energy."""
    zones = [item.zone.zone_id for item in fleet]
    days = fetch_days(connection, now, zones=zones, expect_last=expect_last)
    energy = _fetch_energy(connection, now, zones)
    return [
        replace(item, days=tuple(days.get(zone, ())), energy_kwh_m3=energy.get(zone))
        for zone, item in zip(zones, fleet, strict=True)
    ]


def place_of(item: ZoneNow) -> tuple[int, int, str]:
    """By what zones are ordered: the gravest first, then the most people."""
    return GRAVITY[item.state], -item.zone.people, item.zone.zone_id


def _fetch_energy(connection: Connection, now: datetime, zones: Sequence[str]) -> dict[str, float]:
    """Yesterday's kWh for each cubic metre, of the zones whose pump was measured all day and lifted something."""
    parameters = {"day": midnight(days_before(now, 1)[0]), "zones": list(zones)}
    return {
        zone_id: energy_kwh / lifted_m3
        for zone_id, energy_kwh, known, lifted_m3 in connection.execute(SQL["daily_energy"], parameters)
        if known >= FULL_DAY and lifted_m3 >= LEAST_M3
    }


def fetch_zone(connection: Connection, zone_id: str, now: datetime, *, expect_last: int = 1) -> ZoneNow:
    """One zone as it is now; `NotThere` when it is unknown."""
    found = with_days(connection, fetch_states(connection, now, zone=zone_id), now, expect_last=expect_last)
    if not found:
        raise NotThere("zone", zone_id)
    return found[0]


def _tower(level_m: float, at: datetime, full_level_m: float | None, volume_m3: float | None) -> TowerNow:
    share = None if not full_level_m else max(0.0, level_m / full_level_m)
    return TowerNow(level_m, at, full_level_m, share, None if share is None or volume_m3 is None else share * volume_m3)
