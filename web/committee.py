"""A zone's committee as people keep it on the pages: who is told, in which order, and how many women and men sit in it.

All of it is asked with the visitor's own connection, so a secretary reaches their zone alone. Each change names the
count of changes that its form was made of (`seen`) and stands in the audit log, without names and with the last digits
of phones. Changing a phone takes the old number out and the new one in, as an import of the zone's file would.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from gateway.model import AssetId
from gateway.zones import GUINEA, LANGUAGES, ROLES, Contact, Members, is_mobile
from ingest.audit import record
from ingest.db import Connection, queries
from ingest.forgotten import forgotten_among, take_in_again
from ingest.registry import SQL as REGISTRY
from web.consent import Reached, fetch_people
from web.errors import BadParameter, CommitteeRefused, NotThere
from web.narrow import widened

SQL = queries("web", "committee")

LONGEST_NAME = 60
SEPARATORS = re.compile(r"[\s.()/\-]")
MOST_MEMBERS, YEARS = 1000, (1990, 2100)


class Gone(NamedTuple):
    """Somebody who was taken out."""

    contact_id: int
    name: str
    role: str
    phone: str


@dataclass(frozen=True, slots=True)
class Committee:
    """What the page of a committee shows; people in the order in which they are called."""

    zone_id: str
    name: str
    version: int
    members: Members | None
    people: tuple[Reached, ...]
    gone: tuple[Gone, ...]
    taps: tuple[str, ...]

    @property
    def may_be_told(self) -> int:
        """How many may be told anything."""
        return sum(one.may_be_told for one in self.people)


@dataclass
class Entry:
    """What the audit log will say of a change, filled in while it is made."""

    subject: str = ""
    before: dict[str, object] = field(default_factory=dict)
    after: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Keeper:
    """Who changes the committee of which zone, when; `seen` is the count of changes that they looked at.

    `narrowed` is the only zone that the connection shows, for a secretary.
    """

    connection: Connection
    zone_id: str
    seen: int
    who: str
    now: datetime
    narrowed: str | None

    def add(self, person: Contact, *, again: bool = False) -> None:
        """Take somebody in, called last; `again`: they gave anew a number that asked to be forgotten.

        Raises
        ------
        CommitteeRefused : the number stands there already or asked to be forgotten, or somebody changed the zone
        """
        with self._changing("person_added") as entry:
            self._ask_the_forgotten(person.phone, again=again)
            entry.subject, entry.after = tail(person.phone), told_of(person)
            self._insert(person, rank=self._last_rank() + 1)

    def change(self, contact_id: int, person: Contact, *, again: bool = False) -> None:
        """Say anew what is known of somebody, who keeps their place; raises as `add`."""
        before = self._person(contact_id, is_active=True)
        with self._changing("person_changed") as entry:
            entry.subject = tail(before.phone)
            entry.before, entry.after = different(told_of(before), told_of(person))
            if person.name != before.name:
                entry.after["name"] = "another"
            if person.phone != before.phone:
                self._ask_the_forgotten(person.phone, again=again)
            if person.phone == before.phone or self._renumbered(before, person):
                self.connection.execute(
                    SQL["change"],
                    {"contact": contact_id, "name": person.name, "role": person.role, "language": person.language,
                     "tap": person.tap},
                )  # fmt: skip
            else:
                ((rank,),) = self.connection.execute(SQL["rank"], {"contact": contact_id}).fetchall()
                self.connection.execute(SQL["remove"], {"contact": contact_id})
                self._insert(person, rank=rank)

    def move(self, contact_id: int, *, up: bool) -> None:
        """Let somebody be called one place earlier or later; at the end of the list nothing changes."""
        before = self._person(contact_id, is_active=True)
        ids = [number for (number,) in self.connection.execute(SQL["order"], {"zone": self.zone_id})]
        place = ids.index(contact_id)
        other = place + (-1 if up else 1)
        if not 0 <= other < len(ids):
            return
        with self._changing("person_moved") as entry:
            entry.subject, entry.before, entry.after = tail(before.phone), {"place": place + 1}, {"place": other + 1}
            ids[place], ids[other] = ids[other], ids[place]
            self.connection.execute(SQL["set_order"], {"ids": ids, "zone": self.zone_id})

    def remove(self, contact_id: int) -> None:
        """Take somebody out: they are told nothing more of this zone, and what they said and did stays."""
        before = self._person(contact_id, is_active=True)
        with self._changing("person_removed") as entry:
            entry.subject, entry.before = tail(before.phone), told_of(before)
            self.connection.execute(SQL["remove"], {"contact": contact_id})

    def bring_back(self, contact_id: int) -> None:
        """Take in again who was taken out, called last; raises as `add`."""
        person = self._person(contact_id, is_active=False)
        with self._changing("person_returned") as entry:
            self._ask_the_forgotten(person.phone, again=False)
            entry.subject, entry.after = tail(person.phone), told_of(person)
            self.connection.execute(SQL["return"], {"contact": contact_id, "rank": self._last_rank() + 1})

    def count(self, members: Members) -> None:
        """Say how many women and men sit in the committee, and in which year they were counted."""
        now = {"women": members.women, "men": members.men, "counted_in": members.counted_in}
        before = fetch_committee(self.connection, self.zone_id).members
        with self._changing("members_counted") as entry:
            entry.subject, entry.after = self.zone_id, dict(now)
            if before is not None:
                entry.before = {"women": before.women, "men": before.men, "counted_in": before.counted_in}
            self.connection.execute(SQL["count"], now | {"zone": self.zone_id})

    @contextmanager
    def _changing(self, what: str) -> Iterator[Entry]:
        with self.connection.transaction():
            row = self.connection.execute(SQL["lock"], {"zone": self.zone_id}).fetchone()
            if row is None:
                raise NotThere("zone", self.zone_id)
            if row[0] != self.seen:
                raise CommitteeRefused("moved_on", self.zone_id)
            entry = Entry()
            yield entry
            marked = {"zone": self.zone_id, "who": self.who, "now": self.now, "is_new": False}
            ((version,),) = self.connection.execute(REGISTRY["mark_edited"], marked).fetchall()
            record(
                self.connection, who=self.who, what=what, subject=entry.subject, zone=self.zone_id, now=self.now,
                before=entry.before or None, after=entry.after | {"version": version},
            )  # fmt: skip

    def _person(self, contact_id: int, *, is_active: bool) -> Contact:
        asked = {"contact": contact_id, "zone": self.zone_id, "is_active": is_active}
        row = self.connection.execute(SQL["person"], asked).fetchone()
        if row is None:
            raise NotThere("contact", contact_id)
        return Contact(*row)

    def _renumbered(self, before: Contact, person: Contact) -> bool:
        """Whether the same person has now another number, as when a file says it."""
        if (person.name, person.role) != (before.name, before.role):
            return False
        asked = {"zone": self.zone_id, "names": [person.name], "roles": [person.role], "phones": [person.phone]}
        return self.connection.execute(REGISTRY["renumber"], asked).rowcount == 1

    def _insert(self, person: Contact, *, rank: int) -> None:
        asked = {"zone": self.zone_id, "phone": person.phone}
        ((is_there,),) = self.connection.execute(SQL["is_there"], asked).fetchall()
        if is_there:
            raise CommitteeRefused("twice", person.phone)
        self.connection.execute(
            REGISTRY["upsert_contact"],
            asked | {"name": person.name, "role": person.role, "language": person.language, "tap": person.tap,
                     "rank": rank},
        )  # fmt: skip

    def _last_rank(self) -> int:
        ((rank,),) = self.connection.execute(SQL["last_rank"], {"zone": self.zone_id}).fetchall()
        return int(rank)

    def _ask_the_forgotten(self, phone: str, *, again: bool) -> None:
        """Whose number it was is known to the service alone, whoever asks."""
        with widened(self.connection, self.narrowed) as connection:
            if again:
                take_in_again(connection, phone, now=self.now)
            elif forgotten_among(connection, {phone}):
                raise CommitteeRefused("forgotten", phone)


def fetch_committee(connection: Connection, zone_id: str) -> Committee:
    """The committee of a zone; `NotThere` when the visitor sees no such zone."""
    asked = {"zone": zone_id}
    row = connection.execute(SQL["zone"], asked).fetchone()
    if row is None:
        raise NotThere("zone", zone_id)
    name, version, women, men, counted_in = row
    return Committee(
        zone_id, name, version, None if women is None else Members(women, men, counted_in),
        tuple(one for zone in fetch_people(connection, [zone_id]) for one in zone.people),
        tuple(Gone(*one) for one in connection.execute(SQL["gone"], asked)),
        tuple(tap for (tap,) in connection.execute(SQL["taps"], asked)),
    )  # fmt: skip


def person_of(form: Mapping[str, str], *, taps: tuple[str, ...]) -> Contact:
    """What a form says of a person, checked.

    Raises
    ------
    CommitteeRefused : a mistake of whoever wrote
    BadParameter : what no form of ours sends
    """
    name = " ".join(form["nom"].split())
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise CommitteeRefused("name", name)
    for key, choices in (("role", ROLES), ("langue", LANGUAGES), ("borne", ("", *taps))):
        if form[key] not in choices:
            raise BadParameter(key, form[key], f"is none of {', '.join(choices)}")
    return Contact(name, form["role"], phone_from(form["telephone"]), form["langue"], AssetId(form["borne"]) or None)


def phone_from(text: str) -> str:
    """A number as people write it, as E.164: without its country it is Guinea's.

    Raises
    ------
    CommitteeRefused : it is no number, or no mobile of Guinea
    """
    written = SEPARATORS.sub("", text)
    if written.startswith("00"):
        written = "+" + written[2:]
    elif written.startswith(GUINEA[1:]):  # no mobile of Guinea begins with 2
        written = "+" + written
    elif not written.startswith("+"):
        written = GUINEA + written
    if not (written[1:].isascii() and written[1:].isdigit()) or written == GUINEA:
        raise CommitteeRefused("phone", text)
    if not is_mobile(written):
        is_ours = written.startswith(GUINEA)
        raise CommitteeRefused("digits" if is_ours else "phone", text, len(written) - len(GUINEA))
    return written


def members_of(women: int, men: int, counted_in: int) -> Members:
    """A count of a committee, checked; raises `BadParameter`."""
    for name, value, (low, high) in (
        ("femmes", women, (0, MOST_MEMBERS)), ("hommes", men, (0, MOST_MEMBERS)), ("annee", counted_in, YEARS),
    ):  # fmt: skip
        if not low <= value <= high:
            raise BadParameter(name, value, f"is not between {low} and {high}")
    return Members(women, men, counted_in)


def tail(phone: str) -> str:
    """A phone as the audit log may keep it."""
    return f"…{phone[-3:]}"


def told_of(person: Contact) -> dict[str, object]:
    """A person as the audit log may keep them."""
    told: dict[str, object] = {"role": person.role, "phone": tail(person.phone), "language": person.language}
    return told | ({"tap": person.tap} if person.tap else {})


def different(before: dict[str, object], after: dict[str, object]) -> tuple[dict[str, object], dict[str, object]]:
    """Both without what they have in common."""
    keys = [key for key in before | after if before.get(key) != after.get(key)]
    return {key: before.get(key) for key in keys}, {key: after.get(key) for key in keys}
