"""Who may look: one-time links, sessions and API keys. Accounts and passwords stand in `accounts.py`.

Every way in, a link or a password, ends in `begin_session`: there is one kind of session. Secrets are 256 random bits;
the database keeps only their SHA-256, which is enough because nobody can guess them. All times here are wall time: a
fast clock must not end sessions early.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from ingest.db import Connection, queries
from web.errors import KeyUnknown, LinkRefusal, LinkRefused
from web.rights import RIGHTS, Right, Role

SQL = queries("web", "access")

SESSION_LIFE = timedelta(days=7)
SESSION_IDLE = timedelta(hours=12)
KEY_LIFE = timedelta(days=365)
SEEN_EVERY = timedelta(minutes=5)  # `seen_at` is written at most this often, so that reading costs no write
SAID_FOR = " · "  # between a key and whom it says that it acts for; `alerts/sql/forget.sql` knows it
KEY_PREFIX = "wat_"
PREFIX_LENGTH = 10  # of the key, kept in clear so that people can tell keys apart


class Scope(StrEnum):
    """What a key may do in the API."""

    READ = "read"  # everything that GET answers, but no exports
    WRITE = "write"  # acknowledge, shelve, change rules, replay
    EXPORT = "export"  # years of readings at once
    SEND = "send"  # messages of devices and files of readings


class Purpose(StrEnum):
    """What a one-time link is for."""

    SESSION = "session"
    PASSWORD = "password"  # noqa: S105 - a word, no secret


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is asking: a session has a role and the token that each of its forms carries, an API key has scopes.

    `identity` is the secret's hash: whose requests are counted together. `zone` is the only one that a secretary sees.
    `prefix` is how the key begins.
    """

    name: str
    identity: bytes
    scopes: frozenset[Scope] = frozenset()
    csrf: str | None = None
    role: Role | None = None
    zone: str | None = None
    prefix: str = ""

    def written(self, named: str | None = None) -> str:
        """How what this key does is written down: first the key, which nobody can claim to be, then whom it named."""
        return f"{self.name} {self.prefix}{SAID_FOR + named if named else ''} (API)"

    def may(self, right: Right) -> bool:
        """Whether the visitor's role has this right; a key has scopes instead."""
        return self.role is not None and right in RIGHTS[self.role]


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is known of a key; the key itself is not."""

    prefix: str
    name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session that has just begun; `token` goes into the cookie and is not kept, `way` says how its owner came, and
    `life` is the longest it lasts."""

    token: str
    person: str
    way: str
    life: timedelta


def create_login_link(
    connection: Connection,
    *,
    person: str,
    now_wall: datetime,
    valid_for: timedelta = timedelta(days=1),
    purpose: Purpose = Purpose.SESSION,
) -> str:
    """Make a link that opens one session for the account `person`, or lets them set a password first.

    Returns its token for `/login/{token}`. Links of one purpose that were made before and not used open nothing more.
    """
    token = secrets.token_urlsafe(32)
    asked = {"hash": hash_of(token), "person": person, "purpose": purpose.value, "now": now_wall,
             "expires": now_wall + valid_for}  # fmt: skip
    with connection.transaction():
        if purpose is Purpose.PASSWORD:
            void_links(connection, person, purposes=[purpose])
        connection.execute(SQL["insert_login_link"], asked)
    return token


def void_links(connection: Connection, person: str, *, purposes: Iterable[Purpose] = tuple(Purpose)) -> None:
    """Let links of a person that were not used yet open nothing any more."""
    connection.execute(SQL["void_links"], {"person": person, "purposes": [purpose.value for purpose in purposes]})


def purpose_of(connection: Connection, token: str, *, now_wall: datetime) -> tuple[str, Purpose]:
    """Whose link this is and what it is for; it is not used up.

    Raises
    ------
    LinkRefused : the link is unknown, used or expired
    """
    row = connection.execute(SQL["login_link"], {"hash": hash_of(token)}).fetchone()
    if row is None:
        raise LinkRefused(LinkRefusal.UNKNOWN)
    person, purpose, used_at, expires_at = row
    if used_at is not None or expires_at <= now_wall:
        raise LinkRefused(LinkRefusal.USED if used_at is not None else LinkRefusal.EXPIRED)
    return person, Purpose(purpose)


def open_session(
    connection: Connection, token: str, *, now_wall: datetime, purpose: Purpose = Purpose.SESSION
) -> OpenedSession:
    """Use up a link and begin a session.

    Raises
    ------
    LinkRefused : the link is unknown, used, expired or for something else
    """
    with connection.transaction():
        asked = {"hash": hash_of(token), "now": now_wall, "purpose": purpose.value}
        row = connection.execute(SQL["use_login_link"], asked).fetchone()
        if row is None:
            purpose_of(connection, token, now_wall=now_wall)
            raise LinkRefused(LinkRefusal.UNKNOWN)  # for something else
        return begin_session(connection, row[0], way="link", now_wall=now_wall)


def begin_session(
    connection: Connection, person: str, *, way: str, now_wall: datetime, life: timedelta = SESSION_LIFE
) -> OpenedSession:
    """Let a person in, by whatever way they came."""
    session = OpenedSession(secrets.token_urlsafe(32), person, way, life)
    connection.execute(SQL["delete_old_sessions"], {"now": now_wall, "idle_since": now_wall - SESSION_IDLE})
    connection.execute(
        SQL["insert_session"],
        {
            "hash": hash_of(session.token), "person": person, "csrf": secrets.token_urlsafe(32), "now": now_wall,
            "expires": now_wall + life,
        },
    )  # fmt: skip
    connection.execute(SQL["note_entry"], {"person": person, "now": now_wall})
    return session


def find_session(connection: Connection, token: str, *, now_wall: datetime) -> Visitor | None:
    """The person whose session this cookie belongs to, or None when it is unknown, idle or over."""
    identity = hash_of(token)
    parameters = {"hash": identity, "now": now_wall, "idle_since": now_wall - SESSION_IDLE}
    row = connection.execute(SQL["session"], parameters).fetchone()
    if row is None:
        return None
    person, role, zone, csrf, seen_at = row
    if now_wall - seen_at > SEEN_EVERY:
        connection.execute(SQL["touch_session"], {"hash": identity, "now": now_wall})
    return Visitor(person, identity, csrf=csrf, role=Role(role), zone=zone)


def end_session(connection: Connection, token: str) -> None:
    """Forget a session; an unknown one is no mistake."""
    connection.execute(SQL["delete_session"], {"hash": hash_of(token)})


def end_sessions(connection: Connection, person: str, *, but: bytes = b"") -> None:
    """Forget all sessions of a person, except the one with the identity `but`."""
    connection.execute(SQL["delete_sessions"], {"person": person, "but": but})


def count_sessions(connection: Connection, person: str, *, now_wall: datetime) -> int:
    """In how many browsers a person is logged in."""
    asked = {"person": person, "now": now_wall, "idle_since": now_wall - SESSION_IDLE}
    ((number,),) = connection.execute(SQL["count_sessions"], asked).fetchall()
    return int(number)


def create_api_key(
    connection: Connection, *, name: str, scopes: Iterable[Scope] = tuple(Scope), valid_for: timedelta | None = KEY_LIFE
) -> str:
    """Make an API key, valid from the database's now (wall time); it is shown once, here."""
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    connection.execute(
        SQL["insert_api_key"],
        {
            "hash": hash_of(key), "prefix": key[:PREFIX_LENGTH], "name": name,
            "scopes": sorted(scope.value for scope in scopes), "valid_for": valid_for,
        },
    )  # fmt: skip
    return key


def list_api_keys(connection: Connection) -> list[ApiKey]:
    """All keys that were ever made, the newest first."""
    return [
        ApiKey(prefix, name, tuple(scopes), *times)
        for prefix, name, scopes, *times in connection.execute(SQL["api_keys"])
    ]


def revoke_api_key(connection: Connection, prefix: str) -> str:
    """Let nobody in with the key that begins like this any more; returns its name.

    Raises
    ------
    KeyUnknown : no key that opens anything begins like this, or more than one does
    """
    with connection.transaction():
        revoked = connection.execute(SQL["revoke_api_key"], {"prefix": prefix}).fetchall()
        if len(revoked) != 1:
            raise KeyUnknown(prefix, len(revoked))
    return str(revoked[0][0])


def find_api_key(connection: Connection, key: str, *, now_wall: datetime) -> Visitor | None:
    """Whoever holds this key, or None when it is unknown, revoked or over."""
    if not key.startswith(KEY_PREFIX):
        return None
    identity = hash_of(key)
    row = connection.execute(SQL["api_key"], {"hash": identity, "now": now_wall}).fetchone()
    if row is None:
        return None
    name, scopes, last_used_at = row
    if last_used_at is None or now_wall - last_used_at > SEEN_EVERY:
        connection.execute(SQL["touch_api_key"], {"hash": identity, "now": now_wall})
    return Visitor(name, identity, frozenset(map(Scope, scopes)), prefix=key[:PREFIX_LENGTH])


def hash_of(secret: str) -> bytes:
    """What is kept of a secret."""
    return hashlib.sha256(secret.encode()).digest()
