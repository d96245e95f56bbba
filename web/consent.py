"""Who may be told: what people said about being written to, and zones where the next to leave would be the last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from ingest.db import Connection, queries
from web.errors import NotThere

SQL = queries("web", "consent")

OPT_OUT = "opt_out"


@dataclass(frozen=True, slots=True)
class Word:
    """The last word of a phone about being written to: what was said, how it came, and under which name.

    The name is empty for a secretary where it is that of another zone's committee.
    """

    phone: str
    at: datetime
    what: str
    how: str
    who: str


@dataclass(frozen=True, slots=True)
class Reached:
    """One person of a committee, when a handset last had something for them, and what they said about it."""

    zone_id: str
    zone_name: str
    contact_id: int
    name: str
    role: str
    phone: str
    language: str
    reached_at: datetime | None
    sent_at: datetime | None
    tap: str | None
    elsewhere: list[str]  # zones in whose committees the same phone stands
    word: Word | None = None

    @property
    def may_be_told(self) -> bool:
        """Whether they have not asked to be left in peace."""
        return self.word is None or self.word.what != OPT_OUT


@dataclass(frozen=True, slots=True)
class ZonePeople:
    """A zone's committee as far as SMS reach it."""

    zone_id: str
    name: str
    people: tuple[Reached, ...]

    @property
    def may_be_told(self) -> int:
        """How many may be told anything: with one left, the next to leave is the last."""
        return sum(one.may_be_told for one in self.people)


def fetch_people(connection: Connection, zones: Sequence[str] | None = None) -> list[ZonePeople]:
    """The committees of all or of some zones, in the zones' order, each in that in which people are called."""
    words = {row[0]: Word(*row) for row in connection.execute(SQL["log"])}
    asked = {"zones": None if zones is None else list(zones)}
    found = [Reached(*row) for row in connection.execute(SQL["people"], asked)]
    by_zone: dict[str, list[Reached]] = {zone: [] for zone in zones or ()}
    for one in found:
        by_zone.setdefault(one.zone_id, []).append(replace(one, word=words.get(one.phone)))
    return [ZonePeople(zone, some[0].zone_name, tuple(some)) for zone, some in by_zone.items() if some]


def phone_of(connection: Connection, contact_id: int) -> str:
    """The phone of a person in a committee; `NotThere` when they are in none (any more)."""
    row = connection.execute(SQL["phone"], {"contact": contact_id}).fetchone()
    if row is None:
        raise NotThere("contact", str(contact_id))
    return str(row[0])
