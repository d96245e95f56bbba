"""Sites and readings from the database, laid out as detectors look at them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np

from alerts.days import FORGETS_DAYS, Days, kept_names
from alerts.detectors import features_of
from alerts.detectors.gateway import CLOCK_DAYS, STEPPED_S, WrongPack
from alerts.scene import (
    BELOW_ZERO_SHARE,
    DAY_S,
    STEP_S,
    Channel,
    FloatArray,
    Grid,
    Mask,
    Site,
    Sites,
    begins_below_nothing,
)
from alerts.sky import CELL, Place, near_sun_w_m2
from ingest.db import Connection, queries
from ingest.readings_pg import PgReadings

SQL = queries("alerts", "alerts")
LEVEL: Channel = ("tower", "level_m")
UPTIME: Channel = ("gateway", "uptime_s")
UPTIME_BACK = timedelta(days=3)
OF_EACH_DAY = {one.name for one in CLOCK_DAYS}
"""Features of which a day has one at least; a day without was kept before ways of measuring were told apart."""


def fetch_sites(connection: Connection, zones: Sequence[str]) -> list[Site]:
    """The zones with these ids, as the registry has them."""
    channels: dict[str, set[Channel]] = {zone: set() for zone in zones}
    meters: dict[str, dict[Channel, tuple[float | None, float | None]]] = {zone: {} for zone in zones}
    for row in PgReadings(connection).channels(zones):
        channels[row.zone_id].add((row.asset_id, row.name))
        if row.is_counter:
            meters[row.zone_id][row.asset_id, row.name] = row.wraps_at, row.most_per_h
    found = connection.execute(SQL["sites"], {"zones": list(zones)}).fetchall()
    return [
        Site(
            zone, latitude, longitude, people,
            {(asset, name): float(number) for asset, plate in plates.items() for name, number in plate.items()},
            frozenset(channels[zone]), meters[zone],
        )
        for zone, latitude, longitude, people, plates in found
    ]  # fmt: skip


def fetch_span(connection: Connection) -> tuple[float, float] | None:
    """The first and the newest measured time of all readings [s]; None without any."""
    row = connection.execute(SQL["span"]).fetchone()
    return None if row is None or row[0] is None else (row[0].timestamp(), row[1].timestamp())


def fetch_grid(
    connection: Connection, sites: Sites, start_s: float, steps: int, *, only: Collection[Channel] | None = None,
    with_sky: bool = False, newest: Mapping[str, datetime] | None = None,
) -> Grid:  # fmt: skip
    """The readings of all channels of these zones (or of `only` these) from `start_s` on, in steps of five minutes.

    With the sky as cells of other zones see it, where their own is silent, and the uptimes before: whoever judges pumps
    and clocks needs them. `newest`
    tells when each zone was last heard, which may be after these steps.
    """
    readings = PgReadings(connection)
    start = datetime.fromtimestamp(start_s, UTC)
    end = start + timedelta(seconds=STEP_S * steps)
    row_of = {zone: row for row, zone in enumerate(sites.zone_ids)}
    known = readings.channels(sites.zone_ids)
    if only is not None:
        known = [row for row in known if (row.asset_id, row.name) in only]
    matrix = readings.matrix([row.channel_id for row in known], start, end, timedelta(seconds=STEP_S))
    shape = len(sites), steps
    silent = [row for row, is_read in zip(known, np.isfinite(matrix), strict=True) if not is_read.any()]
    heard = {key for (key,) in connection.execute(SQL["ever_heard"], {"channels": [row.channel_id for row in silent]})}
    sites = sites.without({(row.zone_id, (row.asset_id, row.name)) for row in silent if row.channel_id not in heard})
    raw: dict[Channel, FloatArray] = {}
    where: dict[int, tuple[Channel, int]] = {}
    for place, row in enumerate(known):
        channel = row.asset_id, row.name
        where[row.channel_id] = channel, row_of[row.zone_id]
        raw.setdefault(channel, np.full(shape, np.nan))[row_of[row.zone_id]] = matrix[place]

    def cells() -> list[Place]:
        asset, name = CELL
        return [Place(*row) for row in connection.execute(SQL["with_cell"], {"asset": asset, "name": name})]

    def read(some: Sequence[str]) -> dict[str, FloatArray]:
        beside = fetch_grid(connection, Sites(fetch_sites(connection, some)), start_s, steps, only={CELL})
        return dict(zip(beside.sites.zone_ids, beside.raw.get(CELL, ()), strict=False))

    level_before_m = None
    if LEVEL in raw:
        asked = begins_below_nothing(sites, raw[LEVEL])
        ids = {zone: channel_id for channel_id, (channel, zone) in where.items() if channel == LEVEL and asked[zone]}
        level_before_m = _levels_before(connection, sites, ids, start) if ids else None
    near_sun = uptime_before = None
    if with_sky:
        ids = {channel_id: zone for channel_id, (channel, zone) in where.items() if channel == UPTIME}
        uptime_before = _uptimes_before(connection, len(sites), ids, start)
        near_sun = near_sun_w_m2(sites, raw.get(CELL), steps, cells, read)
    bad: dict[Channel, Mask] = {}
    for channel_id, measured_s in readings.flagged_bad([row.channel_id for row in known], start, end):
        channel, zone = where[channel_id]
        bad.setdefault(channel, np.zeros(shape, dtype=bool))[zone, int((measured_s - start_s) // STEP_S)] = True
    heard_until_s = np.empty(0)
    if newest is not None:
        newest_s = np.array([[newest[zone].timestamp()] for zone in sites.zone_ids])
        heard_until_s = np.minimum(newest_s // STEP_S + 1, start_s // STEP_S + steps) * STEP_S
    return Grid(
        sites, start_s, STEP_S, steps, raw, bad, near_sun=near_sun, level_before_m=level_before_m,
        uptime_before=uptime_before, heard_until_s=heard_until_s,
    )  # fmt: skip


def _levels_before(connection: Connection, sites: Sites, ids: Mapping[int, int], start: datetime) -> FloatArray:
    """(n, 1) the last level before `start` that was not below nothing, of the towers (by row) with these channels."""
    found, low_m = np.full((len(sites), 1), np.nan), -BELOW_ZERO_SHARE * sites.rating("tower", "full_level_m")
    for row, channel_id in ids.items():
        asked = {
            "channel": channel_id, "low": float(low_m[row, 0]), "from": start - timedelta(days=FORGETS_DAYS),
            "until": start,
        }  # fmt: skip
        for (level_m,) in connection.execute(SQL["level_before"], asked):
            found[row] = level_m
    return found


def _uptimes_before(connection: Connection, zones: int, ids: Mapping[int, int], start: datetime) -> FloatArray:
    """(n, 2) when each gateway (by channel the row) last told its uptime before `start`, and that uptime [s]."""
    found = np.full((zones, 2), np.nan)
    asked = {"channels": list(ids), "from": start - UPTIME_BACK, "until": start}
    for channel_id, *told in connection.execute(SQL["value_before"], asked):
        found[ids[channel_id]] = told
    return found


class WrongPacks(NamedTuple):
    """The packs of a zone that came by a wrong clock, in their order, and the channels that were dated anew in them."""

    packs: list[WrongPack]
    channels: set[str]


def fetch_wrong_packs(connection: Connection, zones: Sequence[str], since: datetime) -> dict[str, WrongPacks]:
    """Of the zones that had any: packs since then that came by a wrong clock; where an alert of it has stood for
    longer, since its last evidence."""
    found: dict[str, WrongPacks] = {}
    rows = connection.execute(SQL["wrong_packs"], {"zones": list(zones), "since": since, "least_s": STEPPED_S})
    for zone, at_s, offset_s, is_unset, channels in rows:
        packs = found.setdefault(zone, WrongPacks([], set()))
        packs.packs.append(WrongPack(at_s, np.nan if offset_s is None else offset_s, is_unset))
        packs.channels.update(channels or ())
    return found


def fetch_past_days(connection: Connection, sites: Sites, before_s: float, *, back: timedelta) -> Days:
    """The features of the days before a midnight, as far as they were kept."""
    before = datetime.fromtimestamp(before_s, UTC).date()
    span = {"zones": sites.zone_ids, "from": before - back, "until": before}
    rows = connection.execute(SQL["past_days"], span).fetchall()
    day_s = before_s - back.total_seconds() + DAY_S * np.arange(back.days, dtype=np.float64)
    values: dict[str, FloatArray] = {}
    row_of = {zone: row for row, zone in enumerate(sites.zone_ids)}
    known = features_of(sites)
    own = [{kept: name for name, kept in names.items()} for names in kept_names(sites, known)]
    plain = {one.name: one.name for one in known}
    for zone, days_before, features in rows:
        row = row_of[zone]
        names = plain if OF_EACH_DAY.isdisjoint(features) else own[row]
        for kept, number in features.items():
            name = names.get(kept)
            if name is None:
                continue
            if name not in values:  # not setdefault: it would make an array for each number
                values[name] = np.full((len(sites), len(day_s)), np.nan)
            values[name][row, len(day_s) - days_before] = number
    return Days(day_s, values, len(sites))
