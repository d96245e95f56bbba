"""Zones from their files into the database, and the ids of their channels."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence, Set
from typing import NamedTuple

from gateway.devices import OWN_ASSET, rule_as_values
from gateway.model import channel_spec
from gateway.units import CONVERSIONS
from gateway.zones import Zone
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


def import_zones(connection: Connection, zones: Sequence[Zone]) -> ImportSummary:
    """Bring the registry in line with these zones, in one transaction.

    Nothing is deleted: a channel or contact that a file no longer names becomes inactive, its past stays. Who asked to
    be forgotten is left out, whatever a file says (`ingest.forgotten`).
    """
    counts = {"added": 0, "changed": 0, "unchanged": 0}
    left_out: list[str] = []
    with connection.transaction():
        forgotten = forgotten_among(connection, {one.phone for zone in zones for one in zone.committee})
        profiles = by_name(fetch_profiles(connection))
        for zone in zones:
            left_out += [f"{zone.zone_id} {one.role}" for one in zone.committee if one.phone in forgotten]
            before = _digest(connection, zone)
            _import_zone(connection, zone, forgotten, _ends_by_devices(zone, profiles))
            after = _digest(connection, zone)
            counts["unchanged" if before == after else "changed" if before else "added"] += 1
    return ImportSummary(**counts, left_out=tuple(left_out))


def channel_ids(connection: Connection) -> dict[tuple[str, str, str], int]:
    """(zone, asset, channel) of every active channel → its id."""
    return {(zone, asset, name): number for number, zone, asset, name in connection.execute(SQL["channel_ids"])}


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
) -> None:
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
    connection.execute(SQL["upsert_gateway"], {"gateway": zone.gateway_id, "zone": zone.zone_id})
    connection.execute(SQL["retire_channels"], {"zone": zone.zone_id})
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
