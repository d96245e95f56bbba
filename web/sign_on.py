"""Whoever comes from the OpenID provider: whether they may come in, and as which account.

The provider can let somebody in and take rights away; it never gives an account more than it has here. A person there
is known by issuer and subject; an address of mail ties an account to them once, and only when an administrator wrote it
there before, or when the account is made with it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from ingest.audit import record
from ingest.db import Connection, queries
from web.access import OpenedSession, begin_session, end_sessions
from web.accounts import LONGEST_NAME, change_role, find_account
from web.config import ProviderConfig
from web.errors import AccountRefused, SignOnRefusal, SignOnRefused
from web.rights import Role

SQL = queries("web", "accounts")

SESSION_LIFE = timedelta(hours=12)  # then the provider is asked again whether they still belong to it
RANKS = (Role.VIEWER, Role.ENGINEER, Role.ADMINISTRATOR)  # each may all that the one before may


class Person(NamedTuple):
    """Somebody at the provider; `role` is the highest that their groups give."""

    issuer: str
    subject: str
    mailbox: str
    role: Role


def person_of(claims: Mapping[str, Any], config: ProviderConfig) -> Person:
    """Who the claims of a token tell of.

    Raises
    ------
    SignOnRefused : no address that counts, or no group that may come in
    """
    told = claims.get("email")
    mailbox = told.lower() if isinstance(told, str) else ""
    if isinstance(told, str) and any(letter.lower().isascii() and not letter.isascii() for letter in told):
        mailbox = ""  # the small letter of the Kelvin sign is somebody else's k
    if not is_mailbox(mailbox):
        raise SignOnRefused(SignOnRefusal.MAIL, f"there is no address of at most {LONGEST_NAME} letters")
    if claims.get("email_verified", config.trusts_mail) is not True:
        raise SignOnRefused(SignOnRefusal.MAIL, "the provider does not say that the address is verified")
    domain = mailbox.rpartition("@")[2]
    if domain not in config.mail_domains:
        raise SignOnRefused(SignOnRefusal.MAIL, f"{domain!r} is none of {', '.join(config.mail_domains)}")
    told = claims.get(config.groups_claim)
    listed = told if isinstance(told, list | dict) else [told]
    groups = {one for one in listed if isinstance(one, str)}
    roles = [config.groups[one] for one in groups & config.groups.keys()]
    if not roles:
        raise SignOnRefused(SignOnRefusal.GROUP, f"of {len(groups)} in {config.groups_claim} none is let in")
    return Person(config.issuer, claims["sub"], mailbox, max(roles, key=RANKS.index))


def is_mailbox(text: str) -> bool:
    """Whether this is an address that an account may have, and be called."""
    return re.fullmatch(r"[^\s@]+@[^\s@]+", text) is not None and text.isprintable() and len(text) <= LONGEST_NAME


def sign_on(connection: Connection, person: Person, *, now: datetime, now_wall: datetime) -> OpenedSession:
    """Begin a session as the account that is tied to this person; the first time it is tied, or made.

    Raises
    ------
    SignOnRefused : the account is disabled, or its name would be another's
    """
    with connection.transaction():
        row = connection.execute(SQL["of_provider"], person._asdict()).fetchone() or _tied(connection, person, now)
        if row is None:
            name = _made(connection, person, now=now, now_wall=now_wall)
        else:
            name, role, disabled_at = row
            if disabled_at is not None:
                raise SignOnRefused(SignOnRefusal.CLOSED, f"the account {name} is disabled")
            _lower(connection, name, Role(role), person.role, now=now)
        return begin_session(connection, name, way="OpenID", now_wall=now_wall, life=SESSION_LIFE)


def await_mailbox(connection: Connection, name: str, mailbox: str, *, by: str, now: datetime) -> None:
    """Let an account come in by the provider under this address from now on, and by no other; empty: not at all.

    Where somebody had come by another one all its sessions end, for they may be that person's.

    Raises
    ------
    NotThere : nobody has this name
    AccountRefused : this is no address, or another account's
    """
    account, mailbox = find_account(connection, name), mailbox.strip().lower()
    if mailbox and not is_mailbox(mailbox):
        raise AccountRefused("mailbox", mailbox)
    with connection.transaction():
        if connection.execute(SQL["is_awaited"], {"name": account.name, "mailbox": mailbox}).fetchone() is not None:
            raise AccountRefused("awaited", mailbox)
        connection.execute(SQL["await_mailbox"], {"name": account.name, "mailbox": mailbox or None})
        if account.is_tied:
            end_sessions(connection, account.name)
        record(
            connection, who=by, what="account_awaited", subject=account.name, now=now,
            before={"mailbox": account.mailbox or ""}, after={"mailbox": mailbox},
        )  # fmt: skip


def _tied(connection: Connection, person: Person, now: datetime) -> tuple[Any, ...] | None:
    row = connection.execute(SQL["tie"], person._asdict()).fetchone()
    if row is not None:
        _record(connection, row[0], "account_tied", now, {"mailbox": person.mailbox})
    return row


def _made(connection: Connection, person: Person, *, now: datetime, now_wall: datetime) -> str:
    """A new account. Its name is the address: people choose the name that they show there, and could take another's."""
    asked = person._asdict() | {"now": now_wall}
    if connection.execute(SQL["insert_tied"], asked).rowcount == 0:
        raise SignOnRefused(SignOnRefusal.TAKEN, "an account has this address, or its name, and another way in")
    _record(connection, person.mailbox, "account_added", now, {"role": person.role.value})
    return person.mailbox


def _lower(connection: Connection, name: str, has: Role, at_most: Role, *, now: datetime) -> None:
    """Take away what the groups no longer give; the last administrator keeps what they have."""
    if has in RANKS and RANKS.index(at_most) < RANKS.index(has):
        try:
            change_role(connection, name, role=at_most, zone=None, by=_who(name), now=now)
        except AccountRefused as error:
            if error.why != "last":
                raise


def _record(connection: Connection, name: str, what: str, now: datetime, after: Mapping[str, object]) -> None:
    record(connection, who=_who(name), what=what, subject=name, after=after, now=now)


def _who(name: str) -> str:
    return f"{name} (OpenID)"
