"""Zones as administrators keep them on the pages: found by name, edited in a form, taken from files.

A form and a file end in the same place: a `Plan` of what would change, made by the code of `ndiyan zones import`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import ceil
from typing import Any

from gateway.errors import ZoneFileError
from gateway.model import AssetKind
from gateway.zone_text import zone_as_values
from gateway.zones import RATINGS, Zone, zone_from_text, zone_from_values, zones_together
from ingest.db import Connection, queries
from ingest.registry import fetch_registered
from ingest.zone_changes import Plan, Since, fetch_since, plan_import
from web.errors import BadParameter, NotThere
from web.search import folding, patterns_of

SQL = queries("web", "zones")

PER_PAGE = 25
SERVED = (
    "name", "place.commune", "place.latitude", "place.longitude", "place.altitude_m", "served.people",
    "served.counted_in", "tariff.gnf_per_20_l",
)  # fmt: skip
TEXTS = frozenset({"name", "place.commune"})
MAY_BE_EMPTY = frozenset({"tariff.gnf_per_20_l"})
TAPS = "taps.count"
AS_TYPED = str.maketrans({",": ".", "−": "-", "\u202f": "", "\u00a0": "", " ": ""})


@dataclass(frozen=True, slots=True)
class ZoneLine:
    """A zone in a list."""

    zone_id: str
    name: str
    commune: str
    people: int
    taps: int
    committee: int
    edited_by: str | None
    edited_at: datetime | None


@dataclass(frozen=True, slots=True)
class SomeZones:
    """One page of a list of zones."""

    zones: tuple[ZoneLine, ...]
    count: int
    number: int
    pages: int

    @property
    def first(self) -> int:
        """The place of its first zone among all."""
        return PER_PAGE * (self.number - 1) + 1


@dataclass(frozen=True, slots=True)
class Looked:
    """Files or a form that somebody wants to store: what each would change, or why they cannot be read."""

    plans: tuple[Plan, ...] = ()
    mistakes: tuple[str, ...] = ()
    since: tuple[tuple[str, Since], ...] = ()  # zone and what was written about it after the file or form was made

    @property
    def may_be_stored(self) -> bool:
        """Whether anything would change and nothing stands against it."""
        return not self.mistakes and any(one.changes for one in self.plans) and not any(p.claims for p in self.plans)

    @property
    def removes(self) -> bool:
        """Whether something that a zone has goes away."""
        return any(change.after is None for plan in self.plans if not plan.is_new for change in plan.changes)


def find_zones(connection: Connection, text: str, number: int) -> SomeZones:
    """The page `number` of the zones whose name, commune or id holds all words of `text`, all of them for none.

    Raises
    ------
    BadParameter : there is no such page
    """
    asked = folding() | {"patterns": patterns_of(text), "first": PER_PAGE * (number - 1), "limit": PER_PAGE}
    ((count,),) = connection.execute(SQL["count"], asked).fetchall()
    pages = max(1, ceil(count / PER_PAGE))
    if number > pages:
        raise BadParameter("page", number, f"is above {pages}")
    rows = connection.execute(SQL["find"], asked)
    return SomeZones(tuple(ZoneLine(*row) for row in rows), int(count), number, pages)


def registered_zone(connection: Connection, zone_id: str) -> Zone:
    """A zone as its file would say it; `NotThere` when there is none."""
    found = fetch_registered(connection, [zone_id]).get(zone_id)
    if found is None:
        raise NotThere("zone", zone_id)
    return found


def fields_of(zone: Zone) -> dict[str, tuple[str, ...]]:
    """What a form may change, by the part of the zone that it belongs to; channels and devices are a file's."""
    assets = {
        asset.kind.value: tuple(f"{asset.kind}.{name}" for name in RATINGS[asset.kind])
        for asset in zone.assets
        if asset.kind is not AssetKind.TAP and RATINGS[asset.kind]
    }
    return {"zone": SERVED, **assets} | ({"taps": (TAPS,)} if zone.taps else {})


def value_at(zone: Zone, key: str) -> object:
    """What a zone's file says under a key; empty where it says nothing."""
    found: Any = zone_as_values(zone)
    for part in key.split("."):
        found = found.get(part, "") if isinstance(found, dict) else ""
    return found


def zone_of_form(zone: Zone, typed: Mapping[str, str], *, version: int) -> Zone:
    """The zone with what was typed in its form, which was made of the count of changes `version`.

    Raises
    ------
    ZoneFileError : a value is missing or out of bounds
    """
    values = zone_as_values(zone) | {"version": version}
    for key in (key for keys in fields_of(zone).values() for key in keys if key in typed):
        table, _, name = key.rpartition(".")
        text = typed[key].strip()
        if key in MAY_BE_EMPTY and not text:
            values.pop(table, None)
            continue
        inner = values.setdefault(table, {}) if table else values
        inner[name] = text if key in TEXTS else _number(text)
    return zone_from_values(values, zone.zone_id)


def look_at(connection: Connection, named: Iterable[tuple[str, str]]) -> Looked:
    """What storing these texts of files, each with its name, would change."""
    zones, mistakes = [], []
    for name, text in named:
        try:
            zones.append((name, zone_from_text(text, name)))
        except ZoneFileError as error:
            mistakes.append(str(error))
    try:
        return Looked(mistakes=tuple(mistakes)) if mistakes else look_at_zones(connection, zones_together(zones))
    except ZoneFileError as error:
        return Looked(mistakes=(str(error),))


def look_at_zones(connection: Connection, zones: Sequence[Zone]) -> Looked:
    """What storing these zones would change."""
    plans = plan_import(connection, zones)
    since = [
        (plan.zone.zone_id, one)
        for plan in plans
        if plan.is_stale and plan.zone.version is not None
        for one in fetch_since(connection, plan.zone.zone_id, plan.zone.version)
    ]
    return Looked(tuple(plans), since=tuple(since))


def seen_now(plan: Plan) -> Zone:
    """The zone as it may be stored by whoever has seen its plan."""
    return replace(plan.zone, version=None if plan.known is None else plan.known.version)


def _number(text: str) -> float | str:
    try:
        return float(text.translate(AS_TYPED))
    except ValueError:
        return text
