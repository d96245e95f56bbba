"""What each role may do, and which right each address asks for: the one place that says so.

An address that stands in no row below opens to nobody; a test walks over all routes, and `docs/access.md` shows the
table. Which zone's rows a secretary sees is not decided here but by the database (`web/narrow.py`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Right(StrEnum):
    """Something that a role may do."""

    OWN = "own"  # one's own account
    LOOK = "look"  # zones, alerts, messages, reports
    SURVEY = "survey"  # what belongs to no single zone: accounts of messages, rules, exports, comparisons
    ACT = "act"  # take, shelve, judge and close alerts; visits, photos
    PHONES = "phones"  # whole phone numbers
    COMMITTEE = "committee"  # who is told: add, change, take out, forget
    TUNE = "tune"  # rules, profiles, messages to be read again
    REPORT = "report"  # write and publish reports
    MANAGE = "manage"  # accounts, keys, zones, what people wrote


class Role(StrEnum):
    """What somebody is to us."""

    VIEWER = "viewer"
    SECRETARY = "secretary"  # of a committee: of one zone
    ENGINEER = "engineer"
    ADMINISTRATOR = "administrator"


RIGHTS = {
    Role.VIEWER: frozenset({Right.OWN, Right.LOOK, Right.SURVEY}),
    Role.SECRETARY: frozenset({Right.OWN, Right.LOOK, Right.ACT, Right.PHONES, Right.COMMITTEE}),
    Role.ENGINEER: frozenset(Right) - {Right.MANAGE},
    Role.ADMINISTRATOR: frozenset(Right),
}


class Door(NamedTuple):
    """Addresses that begin like this, the right to read there, and the right to change something."""

    address: str
    read: Right
    write: Right


# The longest row that an address begins with counts; `{…}` stands for any one part. `/{language}/` and `/` are alone.
DOORS = (
    Door("/", Right.LOOK, Right.LOOK),
    Door("/{language}/", Right.LOOK, Right.LOOK),
    Door("/{language}/zones", Right.LOOK, Right.ACT),
    Door("/{language}/zones/{zone_id}/comite", Right.COMMITTEE, Right.COMMITTEE),
    Door("/{language}/pannes", Right.LOOK, Right.ACT),
    Door("/{language}/alertes", Right.LOOK, Right.ACT),
    Door("/{language}/alertes/bilan", Right.SURVEY, Right.SURVEY),
    Door("/{language}/messages", Right.LOOK, Right.ACT),
    Door("/{language}/messages/appeler", Right.PHONES, Right.PHONES),
    Door("/{language}/messages/accord", Right.LOOK, Right.COMMITTEE),
    Door("/{language}/messages/accord/donnees", Right.LOOK, Right.COMMITTEE),
    Door("/{language}/messages/accord/{contact_id}", Right.PHONES, Right.COMMITTEE),
    Door("/{language}/messages/recus", Right.SURVEY, Right.SURVEY),
    Door("/{language}/messages/bourse", Right.SURVEY, Right.SURVEY),
    Door("/{language}/rapports", Right.LOOK, Right.REPORT),
    Door("/{language}/rapports/{period}", Right.SURVEY, Right.REPORT),
    Door("/{language}/rapports/{period}/{zone_id}", Right.LOOK, Right.REPORT),
    Door("/{language}/comparer", Right.SURVEY, Right.SURVEY),
    Door("/{language}/donnees", Right.SURVEY, Right.SURVEY),
    Door("/{language}/donnees/qualite/{zone_id}", Right.LOOK, Right.LOOK),
    Door("/{language}/apporter", Right.SURVEY, Right.TUNE),
    Door("/{language}/comptes", Right.SURVEY, Right.SURVEY),
    Door("/{language}/conflits", Right.SURVEY, Right.SURVEY),
    Door("/{language}/mis-de-cote", Right.SURVEY, Right.TUNE),
    Door("/{language}/profils", Right.SURVEY, Right.TUNE),
    Door("/{language}/regles", Right.SURVEY, Right.TUNE),
    Door("/{language}/telephone", Right.TUNE, Right.TUNE),
    Door("/{language}/casser", Right.SURVEY, Right.TUNE),
    Door("/{language}/chercher", Right.LOOK, Right.LOOK),
    Door("/{language}/ndiyan", Right.SURVEY, Right.SURVEY),
    Door("/{language}/ndiyan/capacite", Right.SURVEY, Right.SURVEY),
    Door("/{language}/sortir", Right.OWN, Right.OWN),
    Door("/{language}/compte", Right.OWN, Right.OWN),
    Door("/{language}/reglages", Right.MANAGE, Right.MANAGE),
    Door("/api/v1/openapi.json", Right.OWN, Right.OWN),
    Door("/api/v1/zones", Right.LOOK, Right.ACT),
    Door("/api/v1/channels", Right.LOOK, Right.ACT),
    Door("/api/v1/readings", Right.LOOK, Right.ACT),
    Door("/api/v1/alerts", Right.LOOK, Right.ACT),
    Door("/api/v1/alerts/metrics", Right.SURVEY, Right.SURVEY),
    Door("/api/v1/notifications", Right.LOOK, Right.ACT),
    Door("/api/v1/account", Right.SURVEY, Right.SURVEY),
    Door("/api/v1/conflicts", Right.SURVEY, Right.SURVEY),
    Door("/api/v1/set-aside", Right.SURVEY, Right.TUNE),
    Door("/api/v1/reports", Right.SURVEY, Right.SURVEY),
    Door("/api/v1/reports/{period}/{zone_id}", Right.LOOK, Right.LOOK),
    Door("/api/v1/rules", Right.SURVEY, Right.TUNE),
    Door("/api/v1/sms", Right.SURVEY, Right.SURVEY),
    Door("/api/v1/carriers", Right.SURVEY, Right.SURVEY),
    Door("/api/v1/calls", Right.PHONES, Right.PHONES),
    Door("/api/v1/phone", Right.TUNE, Right.TUNE),
    Door("/api/v1/exports", Right.SURVEY, Right.SURVEY),
    Door("/api/v1/uplinks", Right.TUNE, Right.TUNE),
    Door("/api/v1/backlogs", Right.SURVEY, Right.TUNE),
    Door("/api/sta/v1.1", Right.SURVEY, Right.SURVEY),
    Door("/metrics", Right.SURVEY, Right.SURVEY),
)


def door_of(address: str) -> Door | None:
    """The row that counts for an address, or for the template of a route; None: it opens to nobody."""
    parts = address.split("/")
    found = [door for door in DOORS if _leads(door.address, parts)]
    return max(found, key=lambda door: door.address.count("/"), default=None)


def _leads(pattern: str, parts: list[str]) -> bool:
    wanted = pattern.split("/")
    if wanted[-1] == "" and len(parts) != len(wanted):
        return False
    return len(parts) >= len(wanted) and all(
        one == part or one.startswith("{") for one, part in zip(wanted, parts, strict=False)
    )
