"""Devices that speak a dialect of their own: which zone they stand in and what their points mean there.

A device is data of the zone file; how its dialect is read is told by a decode profile (`ingest.profiles`).
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeGuard

from gateway.model import CHANNELS, ENDS, AssetId, ChannelSpec, kind_of_asset
from gateway.tables import Table
from gateway.units import CONVERSIONS

OWN_ASSET = "@"  # the asset that the device is said to belong to
PROFILE_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
LONGEST_ID = 100


@dataclass(frozen=True, slots=True)
class PointRule:
    """What one point of a device is.

    Attributes
    ----------
    point : the device's own name of it
    asset, channel : what it measures; asset `@` is the device's own
    unit : in which the device counts, once scale and offset are applied: a unit that SenML knows
    scale, offset : value = raw * scale + offset
    sentinels : raw values that mean "no value": 65535, ERR
    low, high : raw values beyond are no measurement
    wraps_at : the number, in `unit`, at which a counter begins at 0 again
    """

    point: str
    asset: str
    channel: str
    unit: str
    scale: float = 1.0
    offset: float = 0.0
    sentinels: tuple[str | float, ...] = ()
    low: float = -math.inf
    high: float = math.inf
    wraps_at: float | None = None


@dataclass(frozen=True, slots=True)
class ForeignDevice:
    """A device of a zone with a dialect of its own; `points` are what its profile cannot know of this village."""

    profile: str
    device_id: str
    asset: AssetId | None
    points: tuple[PointRule, ...]


def point_rule(table: Table) -> PointRule:
    """Check one `[[points]]` of a zone file or of a profile."""
    point = table.text("point")
    asset, _, channel = table.text("is").partition("/")
    kind = None if asset == OWN_ASSET else kind_of_asset(asset)
    specs = [CHANNELS[kind]] if kind is not None else list(CHANNELS.values()) if asset == OWN_ASSET else []
    spec = next((known[channel] for known in specs if channel in known), None)
    if spec is None:
        raise table.error(
            "is", f"{asset}/{channel} is no channel of ours; write ASSET/CHANNEL, for example tower/level_m"
        )
    unit = str(table.get("unit", ""))
    if unit not in CONVERSIONS[spec.unit]:
        known_units = ", ".join(repr(name) for name in CONVERSIONS[spec.unit])
        raise table.error(
            "unit", f"{unit!r} is none of {known_units}, which convert to {spec.unit or 'a plain number'}"
        )
    sentinels = table.get("sentinels", [])
    if not isinstance(sentinels, list) or not all(map(_is_sentinel, sentinels)):
        raise table.error("sentinels", f"{sentinels!r} is not a list of numbers and texts")
    valid = table.get("valid", [-math.inf, math.inf])
    is_pair = isinstance(valid, list) and len(valid) == 2 and all(map(_is_end, valid))
    if not is_pair or not valid[0] < valid[1]:
        raise table.error("valid", f"{valid!r} is not [lowest, highest]")
    scale = table.number("scale", -1e9, 1e9, 1.0)
    if scale == 0:
        raise table.error("scale", "0 would make every value the same")
    rule = PointRule(
        point, asset, channel, unit, scale, table.number("offset", -1e9, 1e9, 0.0),
        tuple(item if isinstance(item, str) else float(item) for item in sentinels), float(valid[0]), float(valid[1]),
        _end_of(table, spec),
    )  # fmt: skip
    table.done()
    return rule


def _is_sentinel(item: object) -> bool:
    """What the registry can keep: JSON has no number that is none, PostgreSQL no NUL in a text."""
    return "\0" not in item if isinstance(item, str) else _is_end(item) and abs(item) < math.inf


def _is_end(value: object) -> TypeGuard[float]:
    """A number that fits in a float, or an infinite one: TOML tells whole numbers of any length."""
    return isinstance(value, float) or (isinstance(value, int) and abs(value) <= sys.float_info.max)


def _end_of(table: Table, spec: ChannelSpec) -> float | None:
    if not table.has("wraps_at"):
        return None
    if not spec.is_counter:
        raise table.error("wraps_at", f"{spec.name} is no counter")
    return table.number("wraps_at", *ENDS)


def device(table: Table, assets: Mapping[str, Collection[str]]) -> ForeignDevice:
    """Check one `[[devices]]` of a zone file that has these assets with these channels."""
    profile = table.text("profile", pattern=PROFILE_NAME)
    device_id = table.text("id")
    if len(device_id) > LONGEST_ID:
        raise table.error("id", f"has {len(device_id)} letters, bound {LONGEST_ID}")
    asset = table.values.get("asset")
    table.asked.add("asset")
    if asset is not None and asset not in assets:
        raise table.error("asset", f"{asset!r} is no asset of this zone")
    points = tuple(point_rule(inner) for inner in table.tables("points"))
    names: set[str] = set()
    for number, rule in enumerate(points):
        at = asset if rule.asset == OWN_ASSET else rule.asset
        if at is not None and at not in assets:
            raise table.error("points", f"{at!r} is no asset of this zone")
        if at is not None and rule.channel not in assets[at]:
            known = ", ".join(assets[at]) or "none"
            raise table.error(f"points[{number}].is", f"{rule.channel!r} is none of the channels of {at} here: {known}")
        if rule.point in names:
            raise table.error(f"points[{number}].point", f"{rule.point!r} stands twice")
        names.add(rule.point)
    table.done()
    return ForeignDevice(profile, device_id, None if asset is None else AssetId(asset), points)


def point_as_values(rule: PointRule) -> dict[str, Any]:
    """A rule as `[[points]]` of a file says it, without what is as usual."""
    values: dict[str, Any] = {"point": rule.point, "is": f"{rule.asset}/{rule.channel}", "unit": rule.unit}
    unusual = {"scale": (rule.scale, 1.0), "offset": (rule.offset, 0.0), "wraps_at": (rule.wraps_at, None)}
    values |= {name: value for name, (value, usual) in unusual.items() if value != usual}
    if rule.sentinels:
        values["sentinels"] = list(rule.sentinels)
    if (rule.low, rule.high) != (-math.inf, math.inf):
        values["valid"] = [rule.low, rule.high]
    return values


def rule_as_values(rule: PointRule) -> dict[str, Any]:
    """A rule as the registry keeps it (JSON has no infinity)."""
    bounds = [None if math.isinf(end) else end for end in (rule.low, rule.high)]
    return {
        "point": rule.point, "asset": rule.asset, "channel": rule.channel, "unit": rule.unit,
        "scale": rule.scale, "offset": rule.offset, "sentinels": list(rule.sentinels), "valid": bounds,
        "wraps_at": rule.wraps_at,
    }  # fmt: skip


def rule_from_values(values: Mapping[str, Any]) -> PointRule:
    """A rule as the registry keeps it, read back."""
    low, high = values["valid"]
    return PointRule(
        values["point"], values["asset"], values["channel"], values["unit"], values["scale"], values["offset"],
        tuple(values["sentinels"]), -math.inf if low is None else low, math.inf if high is None else high,
        values.get("wraps_at"),
    )  # fmt: skip
