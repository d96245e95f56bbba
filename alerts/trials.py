"""Trials of a changed rule over the readings in the database: asked for, worked on with progress, kept."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg

from alerts.errors import SettingRefused
from alerts.parameters import Settings, parameter_of
from alerts.scene import DAY_S, STEP_S, Grid, Sites
from alerts.settings import fetch_settings
from alerts.watched import fetch_grid, fetch_sites
from alerts.whatif import Said, try_change
from gateway.model import AssetId, GatewayId, ZoneId
from gateway.zones import Contact, Zone
from ingest.db import Connection, connect, queries
from ingest.readings_pg import PgReadings

log = logging.getLogger(__name__)

SQL = queries("alerts", "trials")
DAYS = 90
SHORTEST_DAYS = 7
INTERRUPTED_AFTER = timedelta(minutes=10)  # wall time without progress: whoever worked on it was stopped


@dataclass(frozen=True, slots=True)
class Trial:
    """A row of `rule_trial`; `is_interrupted` when nobody works on it any more."""

    rule_trial_id: int
    parameter: str
    zone_id: str | None
    value: float
    start_at: datetime
    end_at: datetime
    asked_by: str
    asked_at: datetime
    done: int
    total: int
    result: dict[str, Any] | None
    error: str | None
    is_interrupted: bool

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to come."""
        return self.result is not None or self.error is not None or self.is_interrupted


def ask(
    connection: Connection, name: str, *, value: float, zone: str | None, who: str, now: datetime, days: int = DAYS
) -> int:
    """Write down a trial over the last `days` days; whoever runs it calls `run`.

    Raises
    ------
    SettingRefused : an unknown parameter or zone, a value or a number of days out of bounds
    """
    parameter_of(name).check(value)
    if not SHORTEST_DAYS <= days <= DAYS:
        raise SettingRefused("days", days, f"is not within {SHORTEST_DAYS} and {DAYS}")
    zones = [row.zone_id for row in PgReadings(connection).zones()]
    if zone is not None and zone not in zones:
        raise SettingRefused("zone", zone, f"is none of {', '.join(zones)}")
    row = connection.execute(
        SQL["ask"],
        {
            "parameter": name, "zone": zone, "value": value, "start": now - timedelta(days=days), "end": now,
            "who": who, "now": now, "total": len(zones) if zone is None else 1,
        },
    ).fetchone()  # fmt: skip
    if row is None:
        raise RuntimeError("the trial was not written")
    return int(row[0])


def run(database_url: str, trial_id: int, *, price_gnf: float) -> None:
    """Work on a trial over a connection of its own; what goes wrong is kept with the trial."""
    try:
        with connect(database_url, application="ndiyan-trial") as connection:
            try:
                outcome = _judged(connection, trial_id, price_gnf)
                connection.execute(SQL["finish"], {"trial": trial_id, "result": json.dumps(outcome)})
            except psycopg.OperationalError:
                raise
            except Exception as error:  # whatever trips us, whoever waits for the page must see it
                log.exception("a trial failed", extra={"rule_trial_id": trial_id})
                connection.execute(SQL["fail"], {"trial": trial_id, "error": repr(error)[:300]})
    except psycopg.OperationalError as error:
        log.warning("a trial was interrupted: %s", error, extra={"rule_trial_id": trial_id})


def find_trial(connection: Connection, trial_id: int) -> Trial | None:
    """One trial; None when there is none of this id."""
    row = connection.execute(SQL["one"], {"trial": trial_id, "after": INTERRUPTED_AFTER}).fetchone()
    return None if row is None else Trial(*row)


def recent_trials(connection: Connection, name: str, *, limit: int = 10) -> list[Trial]:
    """The newest trials of a parameter."""
    parameters = {"parameter": name, "limit": limit, "after": INTERRUPTED_AFTER}
    return [Trial(*row) for row in connection.execute(SQL["of_parameter"], parameters)]


def _judged(connection: Connection, trial_id: int, price_gnf: float) -> dict[str, Any]:
    trial = find_trial(connection, trial_id)
    if trial is None:
        raise KeyError(f"trial {trial_id}")
    before = Settings(fetch_settings(connection))
    begin_s = trial.start_at.timestamp() // DAY_S * DAY_S
    steps = int((trial.end_at.timestamp() - begin_s) // STEP_S)

    def grid_of(zones: Sequence[Zone]) -> Grid:
        sites = Sites(fetch_sites(connection, [zone.zone_id for zone in zones]))
        return fetch_grid(connection, sites, begin_s, steps, with_sky=True)

    def beat(done: int, total: int) -> None:
        connection.execute(SQL["beat"], {"trial": trial_id, "done": done, "total": total})

    outcome = try_change(
        _zones(connection, trial.zone_id),
        grid_of,
        name=trial.parameter,
        before=before,
        after=before.changed(trial.parameter, trial.zone_id, trial.value),
        said=[Said(*row) for row in connection.execute(SQL["said"], {"start": trial.start_at})],
        price_gnf=price_gnf,
        progress=beat,
    )
    return outcome.as_json()


def _zones(connection: Connection, zone_id: str | None) -> list[Zone]:
    """Zones with their people, as far as a trial needs them: readings and plates come with the grid."""
    people: dict[str, list[Contact]] = {}
    for zone, name, role, phone, language, tap in connection.execute(SQL["people"]):
        people.setdefault(zone, []).append(Contact(name, role, phone, language, None if tap is None else AssetId(tap)))
    return [
        Zone(
            ZoneId(row.zone_id), row.name, row.commune, row.latitude, row.longitude, row.altitude_m, row.is_fictional,
            row.people, row.counted_in, row.gnf_per_20_l, GatewayId(row.gateway_id), (),
            tuple(people.get(row.zone_id, ())),
        )
        for row in PgReadings(connection).zones()
        if zone_id in (None, row.zone_id)
    ]  # fmt: skip
