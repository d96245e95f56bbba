"""Zones from their files into the database, and the ids of their channels."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime
from typing import NamedTuple

from gateway.devices import OWN_ASSET, ForeignDevice, rule_as_values, rule_from_values
from gateway.model import CHANNELS, AssetKind, ChannelSpec, GatewayId, ZoneId, channel_spec
from gateway.units import CONVERSIONS
from gateway.zones import RATINGS, Asset, Contact, Members, Zone
from ingest.db import Connection, queries
from ingest.forgotten import forgotten_among
from ingest.meters import MOST_M3_H
from ingest.profiles.own import fetch_profiles
from ingest.profiles.profile import Profile, by_name

SQL = queries("ingest", "registry")


class ImportSummary(NamedTuple):
    """How many zones an import added, changed and found as they were, and whom it left out, as `zone-3 president`."""

    added: int
    changed: int
    unchanged: int
    left_out: tuple[str, ...] = ()


def import_zones(connection: Connection, zones: Sequence[Zone], *, now: datetime | None = None) -> ImportSummary:
    """Bring the registry in line with these zones, in one transaction; `now` is the database's unless it is given.

    Nothing is deleted: what a file no longer names becomes inactive, its past and when it went stay. Who asked to be
    forgotten is left out, whatever a file says (`ingest.forgotten`). Whether a file may say it is asked before
    (`ingest.zone_changes`).
    """
    counts = {"added": 0, "changed": 0, "unchanged": 0}
    left_out: list[str] = []
    with connection.transaction():
        forgotten = forgotten_among(connection, {one.phone for zone in zones for one in zone.committee})
        profiles = by_name(fetch_profiles(connection))
        for zone in zones:
            left_out += [f"{zone.zone_id} {one.role}" for one in zone.committee if one.phone in forgotten]
            before = _digest(connection, zone)
            were = _import_zone(connection, zone, forgotten, _ends_by_devices(zone, profiles))
            if before:
                lives = {"zone": zone.zone_id, "were": were, "now": now}
                connection.execute(SQL["went"], lives)
                connection.execute(SQL["came"], lives)
            after = _digest(connection, zone)
            counts["unchanged" if before == after else "changed" if before else "added"] += 1
    return ImportSummary(**counts, left_out=tuple(left_out))


def channel_ids(connection: Connection) -> dict[tuple[str, str, str], int]:
    """(zone, asset, channel) of every active channel → its id."""
    return {(zone, asset, name): number for number, zone, asset, name in connection.execute(SQL["channel_ids"])}


def fetch_registered(connection: Connection, zone_ids: Iterable[str]) -> dict[str, Zone]:
    """Zones as files would describe them, with the registry's count of their changes; who is not there is left out.

    Where a counter ends is a word of the zone's own only if its device or profile does not say the same.
    """
    profiles = by_name(fetch_profiles(connection))
    found = ((zone_id, _registered(connection, zone_id)) for zone_id in zone_ids)
    return {zone_id: without_ends_of_devices(zone, profiles) for zone_id, zone in found if zone is not None}


def _registered(connection: Connection, zone_id: str) -> Zone | None:
    row = connection.execute(SQL["zone"], {"zone": zone_id}).fetchone()
    if row is None:
        return None
    (name, commune, latitude, longitude, altitude_m, is_fictional, people, counted_in, gnf, women, men, members_in,
     version, gateway) = row  # fmt: skip
    devices = connection.execute(SQL["zone_devices"], {"zone": zone_id})
    return Zone(
        ZoneId(zone_id), name, commune, latitude, longitude, altitude_m, is_fictional, people, counted_in, gnf,
        GatewayId(gateway or ""), _assets(connection, zone_id),
        tuple(Contact(*one) for one in connection.execute(SQL["zone_contacts"], {"zone": zone_id})),
        tuple(ForeignDevice(profile, name, asset, tuple(map(rule_from_values, points)))
              for profile, name, asset, points in devices),
        None if women is None else Members(women, men, members_in), version,
    )  # fmt: skip


def without_ends_of_devices(zone: Zone, profiles: Mapping[str, Profile]) -> Zone:
    """The zone without the ends of counters that its devices or their profiles say themselves."""
    ends = _ends_by_devices(zone, profiles)

    def own(asset: Asset, spec: ChannelSpec) -> ChannelSpec:
        return replace(spec, wraps_at=None) if spec.wraps_at == ends.get((asset.asset_id, spec.name)) else spec

    assets = (replace(one, channels=tuple(own(one, spec) for spec in one.channels)) for one in zone.assets)
    return replace(zone, assets=tuple(assets))


def _assets(connection: Connection, zone_id: str) -> tuple[Asset, ...]:
    """The assets in the order of a file, their channels in the order of the house."""
    ends = {(asset, name): end for asset, name, end in connection.execute(SQL["zone_channels"], {"zone": zone_id})}
    found = []
    for asset_id, kind_name, interval_s, rating in connection.execute(SQL["zone_assets"], {"zone": zone_id}):
        kind = AssetKind(kind_name)
        specs = [(spec, ends[asset_id, name]) for name, spec in CHANNELS[kind].items() if (asset_id, name) in ends]
        channels = tuple(replace(spec, wraps_at=end) for spec, end in specs)
        found.append(Asset(asset_id, kind, interval_s, channels, _rating(kind, rating)))
    order = [*RATINGS, AssetKind.TAP]
    return tuple(sorted(found, key=lambda one: (order.index(one.kind), one.asset_id)))


def _rating(kind: AssetKind, kept: Mapping[str, float]) -> dict[str, float]:
    return {key: float(kept[key]) for key in RATINGS.get(kind, ()) if key in kept}


def _digest(connection: Connection, zone: Zone) -> str | None:
    row = connection.execute(SQL["zone_digest"], {"zone": zone.zone_id}).fetchone()
    return row[0] if row else None


def _ends_by_devices(zone: Zone, profiles: Mapping[str, Profile]) -> dict[tuple[str, str], float]:
    """(asset, channel) → the number at which its counter begins anew, as its device's point or profile tells it."""
    found: dict[tuple[str, str], float] = {}
    for device in zone.devices:
        shipped = profiles[device.profile].rules if device.profile in profiles else ()
        for rule in (*shipped, *device.points):  # what is said of this village counts
            asset = device.asset if rule.asset == OWN_ASSET else rule.asset
            spec = None if asset is None else channel_spec(asset, rule.channel)
            if rule.wraps_at is not None and asset is not None and spec is not None:
                factor, offset = CONVERSIONS[spec.unit][rule.unit]
                found[asset, rule.channel] = rule.wraps_at * factor + offset
    return found


def _import_zone(
    connection: Connection, zone: Zone, forgotten: Set[str], ends: Mapping[tuple[str, str], float]
) -> list[int]:
    """Store it; returns the channels that were active before."""
    connection.execute(
        SQL["upsert_zone"],
        {
            "zone": zone.zone_id, "name": zone.name, "commune": zone.commune,
            "latitude": zone.latitude, "longitude": zone.longitude, "altitude_m": zone.altitude_m,
            "is_fictional": zone.is_fictional, "people": zone.people, "counted_in": zone.counted_in,
            "gnf_per_20_l": zone.gnf_per_20_l, "women": zone.members and zone.members.women,
            "men": zone.members and zone.members.men, "members_counted_in": zone.members and zone.members.counted_in,
        },
    )  # fmt: skip
    connection.execute(SQL["retire_gateways"], {"zone": zone.zone_id})
    connection.execute(SQL["upsert_gateway"], {"gateway": zone.gateway_id, "zone": zone.zone_id})
    connection.execute(SQL["retire_assets"], {"zone": zone.zone_id})
    were = [channel for (channel,) in connection.execute(SQL["retire_channels"], {"zone": zone.zone_id})]
    people = [one for one in zone.committee if one.phone not in forgotten]
    connection.execute(
        SQL["renumber"],
        {
            "zone": zone.zone_id, "names": [one.name for one in people], "roles": [one.role for one in people],
            "phones": [one.phone for one in people],
        },
    )  # fmt: skip
    connection.execute(SQL["retire_contacts"], {"zone": zone.zone_id})
    connection.execute(SQL["retire_devices"], {"zone": zone.zone_id})
    for asset in zone.assets:
        connection.execute(
            SQL["upsert_asset"],
            {
                "zone": zone.zone_id, "asset": asset.asset_id, "kind": asset.kind.value,
                "interval_s": asset.interval_s, "rating": json.dumps(dict(asset.rating)),
            },
        )  # fmt: skip
        for spec in asset.channels:
            connection.execute(
                SQL["upsert_channel"],
                {
                    "zone": zone.zone_id, "asset": asset.asset_id, "name": spec.name, "unit": spec.unit,
                    "is_counter": spec.is_counter, "minimum": spec.minimum, "maximum": spec.maximum,
                    "wraps_at": spec.wraps_at or ends.get((asset.asset_id, spec.name)),
                    "most_per_h": MOST_M3_H[asset.kind, spec.name] if spec.is_counter else None,
                },
            )  # fmt: skip
    connection.execute(SQL["meters_by_hand"], {"zone": zone.zone_id})
    for rank, contact in enumerate(zone.committee, start=1):
        if contact.phone in forgotten:
            continue
        connection.execute(
            SQL["upsert_contact"],
            {
                "zone": zone.zone_id, "name": contact.name, "role": contact.role, "phone": contact.phone,
                "language": contact.language, "tap": contact.tap, "rank": rank,
            },
        )  # fmt: skip
    for device in zone.devices:
        points = json.dumps([rule_as_values(rule) for rule in device.points])
        connection.execute(
            SQL["upsert_device"],
            {
                "profile": device.profile, "device": device.device_id, "zone": zone.zone_id, "asset": device.asset,
                "points": points,
            },
        )  # fmt: skip
    return were
