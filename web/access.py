"""Who may look: one-time log-in links, sessions and API keys.

Secrets are 256 random bits; the database keeps only their SHA-256, which is enough because nobody can guess
them. All times here are wall time: a fast clock must not end sessions early.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from ingest.db import Connection, queries
from web.errors import LinkRefusal, LinkRefused

SQL = queries("web", "access")

SESSION_LIFE = timedelta(days=7)
SESSION_IDLE = timedelta(hours=12)
KEY_LIFE = timedelta(days=365)
SEEN_EVERY = timedelta(minutes=5)  # `seen_at` is written at most this often, so that reading costs no write
KEY_PREFIX = "wat_"


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is asking; `csrf` is the token that each form of a session carries, None for an API key."""

    name: str
    csrf: str | None = None


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
    parameters = {"hash": _hash(token), "now": now_wall, "idle_since": now_wall - SESSION_IDLE}
    row = connection.execute(SQL["session"], parameters).fetchone()
    if row is None:
        return None
    person, csrf, seen_at = row
    if now_wall - seen_at > SEEN_EVERY:
        connection.execute(SQL["touch_session"], {"hash": parameters["hash"], "now": now_wall})
    return Visitor(person, csrf)


def end_session(connection: Connection, token: str) -> None:
    """Forget a session; an unknown one is no mistake."""
    connection.execute(SQL["delete_session"], {"hash": _hash(token)})


def create_api_key(connection: Connection, *, name: str, valid_for: timedelta | None = KEY_LIFE) -> str:
    """Make an API key, valid from the database's now (wall time); it is shown once, here."""
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    connection.execute(
        SQL["insert_api_key"], {"hash": _hash(key), "prefix": key[:8], "name": name, "valid_for": valid_for}
    )
    return key


def find_api_key(connection: Connection, key: str, *, now_wall: datetime) -> Visitor | None:
    """Whoever holds this key, or None when it is unknown, revoked or over."""
    if not key.startswith(KEY_PREFIX):
        return None
    row = connection.execute(SQL["api_key"], {"hash": _hash(key), "now": now_wall}).fetchone()
    if row is None:
        return None
    name, last_used_at = row
    if last_used_at is None or now_wall - last_used_at > SEEN_EVERY:
        connection.execute(SQL["touch_api_key"], {"hash": _hash(key), "now": now_wall})
    return Visitor(name)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
