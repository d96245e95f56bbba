"""Who may look: one-time log-in links, sessions and API keys.

Secrets are 256 random bits; the database keeps only their SHA-256, which is enough because nobody can guess
them. All times here are wall time: a fast clock must not end sessions early.
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

SQL = queries("web", "access")

SESSION_LIFE = timedelta(days=7)
SESSION_IDLE = timedelta(hours=12)
KEY_LIFE = timedelta(days=365)
SEEN_EVERY = timedelta(minutes=5)  # `seen_at` is written at most this often, so that reading costs no write
KEY_PREFIX = "wat_"
PREFIX_LENGTH = 10  # of the key, kept in clear so that people can tell keys apart


class Scope(StrEnum):
    """What a key may do in the API."""

    READ = "read"  # everything that GET answers, but no exports
    WRITE = "write"  # acknowledge, shelve, change rules, replay
    EXPORT = "export"  # years of readings at once


SESSION_SCOPES = frozenset({Scope.READ, Scope.EXPORT})


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is asking; `csrf` is the token that each form of a session carries, None for an API key.

    `identity` is the secret's hash: whose requests are counted together. `scopes` are what the API lets the visitor do.
    """

    name: str
    identity: bytes
    scopes: frozenset[Scope]
    csrf: str | None = None


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
    """A session that has just begun; `token` goes into the cookie and is not kept."""

    token: str
    person: str


def create_login_link(
    connection: Connection, *, person: str, now_wall: datetime, valid_for: timedelta = timedelta(days=1)
) -> str:
    """Make a link that opens one session for `person`; returns its token for `/login/{token}`."""
    token = secrets.token_urlsafe(32)
    connection.execute(
        SQL["insert_login_link"],
        {"hash": _hash(token), "person": person, "now": now_wall, "expires": now_wall + valid_for},
    )
    return token


def open_session(connection: Connection, token: str, *, now_wall: datetime) -> OpenedSession:
    """Use up a log-in link and begin a session.

    Raises
    ------
    LinkRefused : the link is unknown, used or expired
    """
    with connection.transaction():
        row = connection.execute(SQL["use_login_link"], {"hash": _hash(token), "now": now_wall}).fetchone()
        if row is None:
            raise LinkRefused(_why_refused(connection, token))
        session = OpenedSession(secrets.token_urlsafe(32), row[0])
        connection.execute(SQL["delete_old_sessions"], {"now": now_wall, "idle_since": now_wall - SESSION_IDLE})
        connection.execute(
            SQL["insert_session"],
            {
                "hash": _hash(session.token), "person": session.person, "csrf": secrets.token_urlsafe(32),
                "now": now_wall, "expires": now_wall + SESSION_LIFE,
            },
        )  # fmt: skip
    return session


def _why_refused(connection: Connection, token: str) -> LinkRefusal:
    row = connection.execute(SQL["login_link"], {"hash": _hash(token)}).fetchone()
    if row is None:
        return LinkRefusal.UNKNOWN
    return LinkRefusal.USED if row[0] is not None else LinkRefusal.EXPIRED


def find_session(connection: Connection, token: str, *, now_wall: datetime) -> Visitor | None:
    """The person whose session this cookie belongs to, or None when it is unknown, idle or over."""
    identity = _hash(token)
    parameters = {"hash": identity, "now": now_wall, "idle_since": now_wall - SESSION_IDLE}
    row = connection.execute(SQL["session"], parameters).fetchone()
    if row is None:
        return None
    person, csrf, seen_at = row
    if now_wall - seen_at > SEEN_EVERY:
        connection.execute(SQL["touch_session"], {"hash": identity, "now": now_wall})
    return Visitor(person, identity, SESSION_SCOPES, csrf)


def end_session(connection: Connection, token: str) -> None:
    """Forget a session; an unknown one is no mistake."""
    connection.execute(SQL["delete_session"], {"hash": _hash(token)})


def create_api_key(
    connection: Connection, *, name: str, scopes: Iterable[Scope] = tuple(Scope), valid_for: timedelta | None = KEY_LIFE
) -> str:
    """Make an API key, valid from the database's now (wall time); it is shown once, here."""
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    connection.execute(
        SQL["insert_api_key"],
        {
            "hash": _hash(key), "prefix": key[:PREFIX_LENGTH], "name": name,
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
    identity = _hash(key)
    row = connection.execute(SQL["api_key"], {"hash": identity, "now": now_wall}).fetchone()
    if row is None:
        return None
    name, scopes, last_used_at = row
    if last_used_at is None or now_wall - last_used_at > SEEN_EVERY:
        connection.execute(SQL["touch_api_key"], {"hash": identity, "now": now_wall})
    return Visitor(name, identity, frozenset(map(Scope, scopes)))


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
