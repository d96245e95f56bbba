"""What importing zones would change, whether it may, and the import itself with its lines in the audit log.

The registry is what holds; files and pages change it, and what somebody changed on the pages is not undone unseen:

- a file that was exported carries the count of changes (`version`) that it was made of, and is refused if the zone was
  edited on the pages since;
- a file without a count is refused if the zone was edited there since a file of it was last imported;
- both are taken all the same by whoever has seen the difference and says so (`over`);
- a form of the pages is refused once anything changed since it was opened.

What says what the registry says already is never refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, NamedTuple

from gateway.zone_text import zone_as_values, zone_text
from gateway.zones import Zone
from ingest.audit import record
from ingest.db import Connection
from ingest.errors import ZoneMovedOn, ZonesRefused
from ingest.forgotten import forgotten_among
from ingest.profiles.own import fetch_profiles
from ingest.profiles.profile import by_name
from ingest.registry import SQL, ImportSummary, fetch_registered, import_zones, without_ends_of_devices

ORDER = "committee.order"


class Change(NamedTuple):
    """One key of a zone's file with what the registry says and what the file says; None where it says nothing."""

    key: str
    before: object
    after: object


class Since(NamedTuple):
    """One line of the audit log about a zone."""

    at: datetime
    who: str
    what: str
    subject: str
    before: dict[str, object] | None
    after: dict[str, object] | None


@dataclass(frozen=True, slots=True)
class Known:
    """How the registry came to know a zone as it does: counts of changes, and who edited it last on the pages."""

    version: int
    edited_version: int  # the last change on the pages; 0: none
    filed_version: int  # the last that a file said
    edited_by: str | None
    edited_at: datetime | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What the import of one zone would do; `claims` are the gateway or devices of other zones that it asks for."""

    zone: Zone
    known: Known | None  # None: the zone is new
    changes: tuple[Change, ...]
    claims: tuple[str, ...] = ()

    @property
    def is_new(self) -> bool:
        """Whether the registry does not know the zone yet."""
        return self.known is None

    @property
    def is_stale(self) -> bool:
        """Whether anything changed since the registry's state that the file or form was made of."""
        return self.known is not None and self.zone.version not in (None, self.known.version)

    @property
    def why_not(self) -> str | None:
        """Why a file is refused unless somebody who saw the difference says otherwise; None: it may be imported."""
        known, seen = self.known, self.zone.version
        if not self.changes or known is None or known.edited_at is None:
            return None
        if known.edited_version <= (known.filed_version if seen is None else seen):
            return None
        since = "a file of it was last imported" if seen is None else f"the file was exported at version {seen}"
        return f"{known.edited_by} changed it on {known.edited_at:%Y-%m-%d %H:%M} UTC, after {since}"

    @property
    def refusals(self) -> tuple[str, ...]:
        """All that stands against a file."""
        return self.claims if self.why_not is None else (*self.claims, self.why_not)


def plan_import(connection: Connection, zones: Sequence[Zone]) -> list[Plan]:
    """What an import of these zones would do, in their order; nothing is stored.

    Who asked to be forgotten is no change: the import leaves them out.
    """
    profiles = by_name(fetch_profiles(connection))
    registered = fetch_registered(connection, [zone.zone_id for zone in zones])
    forgotten = forgotten_among(connection, {one.phone for zone in zones for one in zone.committee})
    together, plans = {zone.zone_id for zone in zones}, []
    for zone in zones:
        wanted = without_ends_of_devices(zone, profiles)
        wanted = replace(wanted, committee=tuple(one for one in zone.committee if one.phone not in forgotten))
        before = registered.get(zone.zone_id)
        known, changes = _known(connection, zone.zone_id), changes_between(before, wanted)
        plans.append(Plan(zone, known, changes, _claims(connection, zone, together)))
    return plans


def store_zones(
    connection: Connection,
    zones: Sequence[Zone],
    *,
    who: str,
    now: datetime,
    on_pages: bool = False,
    over: bool = False,
) -> tuple[ImportSummary, list[Plan]]:
    """Import zones, all or none, with a line each in the audit log.

    Parameters
    ----------
    on_pages : a person does it there and has seen the difference from the state that each zone's `version` names
    over : whoever imports files has seen what they undo

    Raises
    ------
    ZoneMovedOn : on the pages, of the first zone that changed since
    ZonesRefused : a file may not be imported, or a zone asks for what another has
    """
    with connection.transaction():
        connection.execute(SQL["lock_zones"])
        plans = plan_import(connection, zones)
        for plan in plans:
            if on_pages and plan.is_stale:
                raise ZoneMovedOn(plan.zone.zone_id)
        against = ((plan.zone.zone_id, plan.claims if over or on_pages else plan.refusals) for plan in plans)
        if refused := [f"{zone_id}: {why}" for zone_id, reasons in against for why in reasons]:
            raise ZonesRefused(refused)
        summary = import_zones(connection, zones, now=now)
        for plan in plans:
            if plan.changes:
                _note(connection, plan, who=who, now=now, on_pages=on_pages)
    return summary, plans


def fetch_since(connection: Connection, zone_id: str, version: int) -> list[Since]:
    """What was written about a zone after the registry had counted this many changes of it, in its order."""
    rows = connection.execute(SQL["changes_since"], {"zone": zone_id, "version": version})
    return [Since(*row) for row in rows]


def export_text(zone: Zone) -> str:
    """The file of a zone of the registry."""
    return zone_text(zone, remark="Written from the registry. `version` tells an import which state it was made of.")


def changes_between(before: Zone | None, after: Zone) -> tuple[Change, ...]:
    """The keys in which two descriptions of a zone differ, in the order of a file."""
    old, new = ({} if zone is None else _flat(zone_as_values(zone)) for zone in (before, after))
    changed = [Change(key, old.get(key), new.get(key)) for key in dict.fromkeys([*new, *old]) if key != "version"]
    return tuple(one for one in [*changed, *_order(before, after)] if one.before != one.after)


def _order(before: Zone | None, after: Zone) -> list[Change]:
    """In which order those are called who sit in the committee before and after."""
    if before is None:
        return []
    old, new = ([one.phone for one in zone.committee] for zone in (before, after))
    return [Change(ORDER, [one for one in old if one in new], [one for one in new if one in old])]


def without_names(changes: Iterable[Change]) -> tuple[dict[str, object], dict[str, object]]:
    """Before and after as the audit log may keep them: of people the role and the last digits of the phone."""
    before: dict[str, object] = {}
    after: dict[str, object] = {}
    for number, change in enumerate(changes):
        key = change.key
        if key == ORDER:
            before[key], after[key] = (" ".join(f"…{phone[-3:]}" for phone in _phones(side)) for side in change[1:])
            continue
        if isinstance(person := change.before or change.after, dict) and "phone" in person:
            key = f"committee …{person['phone'][-3:]}"
            key += f" ({number})" if key in before or key in after else ""
        for side, value in ((before, change.before), (after, change.after)):
            if value is not None:
                side[key] = _nameless(value)
        if key in before and before[key] == after.get(key):
            after[key] = f"{after[key]}, another name"
    return before, after


def _phones(side: object) -> list[str]:
    return [str(one) for one in side] if isinstance(side, list) else []


def _nameless(value: object) -> object:
    if isinstance(value, dict) and "phone" in value:
        return ", ".join(str(part) for name, part in value.items() if name not in ("name", "phone"))
    return value


def _note(connection: Connection, plan: Plan, *, who: str, now: datetime, on_pages: bool) -> None:
    zone_id = plan.zone.zone_id
    statement = SQL["mark_edited"] if on_pages else SQL["mark_filed"]
    asked = {"zone": zone_id, "who": who, "now": now, "is_new": plan.is_new}
    ((version,),) = connection.execute(statement, asked).fetchall()
    before, after = without_names(plan.changes)
    record(
        connection, who=who, what="zone_added" if plan.is_new else "zone_changed", subject=zone_id, zone=zone_id,
        now=now, before=before or None, after=after | {"version": version},
    )  # fmt: skip


def _known(connection: Connection, zone_id: str) -> Known | None:
    row = connection.execute(SQL["known"], {"zone": zone_id}).fetchone()
    return None if row is None else Known(*row)


def _claims(connection: Connection, zone: Zone, together: Collection[str]) -> tuple[str, ...]:
    """What the zone asks for and another has, unless the same import takes it from that one."""
    asked = {
        "zone": zone.zone_id, "gateways": [zone.gateway_id],
        "devices": [f"{one.profile} {one.device_id}" for one in zone.devices],
    }  # fmt: skip
    return tuple(
        f"{key}: {name!r} belongs to {other}"
        for key, name, other in connection.execute(SQL["claimed"], asked)
        if other not in together
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    """Keys as errors of zone files name them; people by their phone, devices by their name."""
    found: dict[str, object] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        elif key == "committee":
            found |= {f"committee[{one['phone']}]": one for one in value}
        elif key == "devices":
            found |= {f"devices[{one['profile']} {one['id']}]": one for one in value}
        else:
            found[f"{prefix}{key}"] = value
    return found
