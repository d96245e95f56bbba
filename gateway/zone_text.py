"""A zone as the text of its file: what `gateway.zones` reads, written; reading it gives the zone again."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from gateway.devices import ForeignDevice, point_as_values
from gateway.model import AssetKind
from gateway.zones import Asset, Contact, Zone


def zone_text(zone: Zone, *, remark: str) -> str:
    """The text of a zone's file; `remark` is its first line."""
    return "\n".join([f"# {remark}", *_lines(zone_as_values(zone))]) + "\n"


def zone_as_values(zone: Zone) -> dict[str, Any]:
    """The values of a zone's file, with what it may leave out where a zone has one."""
    values: dict[str, Any] = {"zone": zone.zone_id, "name": zone.name, "fictional": zone.is_fictional}
    if zone.version is not None:
        values["version"] = zone.version
    values["place"] = {
        "commune": zone.commune, "latitude": zone.latitude, "longitude": zone.longitude, "altitude_m": zone.altitude_m,
    }  # fmt: skip
    values["served"] = {"people": zone.people, "counted_in": zone.counted_in}
    if zone.gnf_per_20_l is not None:
        values["tariff"] = {"gnf_per_20_l": zone.gnf_per_20_l}
    if zone.members is not None:
        values["ugspe"] = asdict(zone.members)
    values["gateway"] = {"id": zone.gateway_id}
    for asset in zone.assets:
        if asset.kind is not AssetKind.TAP:
            values.setdefault(asset.kind.value, {}).update(_asset(asset))
    if zone.taps:
        first = zone.taps[0]
        values["taps"] = {"count": len(zone.taps), "metered": bool(first.channels), "interval_s": first.interval_s}
        # One whose device tells its end itself says nothing of the others.
        values["taps"] |= next((ends for tap in zone.taps if (ends := _ends(tap))), {})
    if zone.committee:
        values["committee"] = [_contact(one) for one in zone.committee]
    if zone.devices:
        values["devices"] = [_device(one) for one in zone.devices]
    return values


def _asset(asset: Asset) -> dict[str, Any]:
    names = [spec.name for spec in asset.channels]
    return {"interval_s": asset.interval_s, **asset.rating, "channels": names, **_ends(asset)}


def _ends(asset: Asset) -> dict[str, Any]:
    ends = {spec.name: spec.wraps_at for spec in asset.channels if spec.wraps_at is not None}
    return {"wraps_at": ends} if ends else {}


def _contact(one: Contact) -> dict[str, Any]:
    return {name: value for name, value in asdict(one).items() if value is not None}


def _device(one: ForeignDevice) -> dict[str, Any]:
    values: dict[str, Any] = {"profile": one.profile, "id": one.device_id}
    if one.asset is not None:
        values["asset"] = one.asset
    if one.points:
        values["points"] = [point_as_values(rule) for rule in one.points]
    return values


def _lines(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """TOML: plain values first, then tables, then arrays of tables."""
    tables = {key: value for key, value in values.items() if isinstance(value, dict) and key != "wraps_at"}
    arrays = {key: value for key, value in values.items() if _is_array_of_tables(value)}
    for key, value in values.items():
        if key not in tables and key not in arrays:
            yield f"{key} = {_written(value)}"
    for key, table in tables.items():
        yield from ("", f"[{prefix}{key}]", *_lines(table, f"{prefix}{key}."))
    for key, some in arrays.items():
        for table in some:
            yield from ("", f"[[{prefix}{key}]]", *_lines(table, f"{prefix}{key}."))


def _is_array_of_tables(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _written(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_written(one)}" for key, one in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_written, value)) + "]"
    if isinstance(value, float) and math.isinf(value):
        return str(value)  # TOML knows inf as Python does
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    # What JSON escapes in a text, TOML reads the same way; it wants this one escaped as well.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
