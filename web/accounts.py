"""Accounts: who may come in, as what, and by which password and second factor.

All times here are wall time, as for sessions. What an administrator changes goes into the audit log beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ingest.audit import record
from ingest.db import Connection, queries
from web.access import (
    OpenedSession,
    Purpose,
    begin_session,
    create_login_link,
    end_sessions,
    hash_of,
    open_session,
    purpose_of,
    void_links,
)
from web.errors import AccountRefused, CodeRefused, LoginRefused, NotThere, ProviderNeeded
from web.passwords import Passwords, check_password, new_recovery_codes, new_secret, plain_code, step_of_code
from web.rights import Role

SQL = queries("web", "accounts")

LONGEST_NAME = 60
PASSWORD_LINK_LIFE = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Account:
    """What is known of an account but its secrets."""

    name: str
    role: Role
    zone: str | None
    has_password: bool
    has_code: bool
    mailbox: str | None  # by which they come from the OpenID provider
    is_tied: bool  # and they have come
    created_at: datetime
    entered_at: datetime | None
    disabled_at: datetime | None


def fetch_accounts(connection: Connection) -> list[Account]:
    """All accounts by name, those that are disabled last."""
    return [Account(row[0], Role(row[1]), *row[2:]) for row in connection.execute(SQL["accounts"], {"name": None})]


def find_account(connection: Connection, name: str) -> Account:
    """One account, however its letters are written.

    Raises
    ------
    NotThere : nobody has this name
    """
    row = connection.execute(SQL["accounts"], {"name": name.strip()}).fetchone()
    if row is None:
        raise NotThere("account", name)
    return Account(row[0], Role(row[1]), *row[2:])


def let_in(connection: Connection, name: str, role: Role, *, now_wall: datetime) -> None:
    """Make an account unless there is one of this name; its role stays as it is."""
    connection.execute(SQL["insert"], {"name": name, "role": role.value, "zone": None, "now": now_wall})


def add_account(
    connection: Connection, name: str, *, role: Role, zone: str | None, by: str, now: datetime, now_wall: datetime
) -> str:
    """Make an account; returns the token of a link by which its owner sets a password.

    Raises
    ------
    AccountRefused : the name is empty, too long or taken; a secretary without a zone, or a zone without a secretary
    """
    name = " ".join(name.split())
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable():
        raise AccountRefused("name", name)
    zone = _zone_of(connection, role, zone)
    with connection.transaction():
        asked = {"name": name, "role": role.value, "zone": zone, "now": now_wall}
        if connection.execute(SQL["insert"], asked).rowcount == 0:
            raise AccountRefused("taken", name)
        record(
            connection, who=by, what="account_added", subject=name, zone=zone, after=_as_told(role, zone), now=now
        )  # fmt: skip
        return password_link(connection, name, now_wall=now_wall)


def change_role(connection: Connection, name: str, *, role: Role, zone: str | None, by: str, now: datetime) -> None:
    """Let somebody be something else, from their next click on.

    Raises
    ------
    NotThere : nobody has this name
    AccountRefused : as for a new account, or this was the last administrator
    """
    before = find_account(connection, name)
    zone = _zone_of(connection, role, zone)
    if (role, zone) == (before.role, before.zone):
        return
    with connection.transaction():
        connection.execute(SQL["change_role"], {"name": before.name, "role": role.value, "zone": zone})
        _keep_an_administrator(connection, before)
        record(
            connection, who=by, what="account_changed", subject=before.name, zone=zone,
            before=_as_told(before.role, before.zone), after=_as_told(role, zone), now=now,
        )  # fmt: skip


def disable(connection: Connection, name: str, *, by: str, now: datetime, now_wall: datetime) -> None:
    """Let somebody in no more, from this moment on; what they did stays under their name.

    Raises
    ------
    NotThere : nobody has this name
    AccountRefused : this was the last administrator
    """
    before = find_account(connection, name)
    with connection.transaction():
        if connection.execute(SQL["disable"], {"name": before.name, "now": now_wall}).rowcount:
            _keep_an_administrator(connection, before)
            end_sessions(connection, before.name)
            void_links(connection, before.name)
            record(connection, who=by, what="account_disabled", subject=before.name, now=now)


def enable(connection: Connection, name: str, *, by: str, now: datetime) -> None:
    """Undo `disable`: the password is as it was."""
    before = find_account(connection, name)
    with connection.transaction():
        if connection.execute(SQL["enable"], {"name": before.name}).rowcount:
            record(connection, who=by, what="account_enabled", subject=before.name, now=now)


def reset(connection: Connection, name: str, *, by: str, now: datetime, now_wall: datetime) -> str:
    """Forget somebody's password and second factor, end their sessions and links; returns the token of a new one."""
    before = find_account(connection, name)
    with connection.transaction():
        connection.execute(SQL["forget_secrets"], {"name": before.name})
        connection.execute(SQL["drop_codes"], {"name": before.name})
        end_sessions(connection, before.name)
        void_links(connection, before.name)
        record(connection, who=by, what="account_reset", subject=before.name, now=now)
        return password_link(connection, before.name, now_wall=now_wall)


def password_link(connection: Connection, name: str, *, now_wall: datetime) -> str:
    """The token of a link by which the owner of an account sets a password, once and within three days."""
    return create_login_link(
        connection, person=name, now_wall=now_wall, valid_for=PASSWORD_LINK_LIFE, purpose=Purpose.PASSWORD
    )


def set_password(
    connection: Connection, token: str, password: str, *, passwords: Passwords, now: datetime, now_wall: datetime,
    only_by_provider: frozenset[Role] = frozenset(),
) -> OpenedSession:  # fmt: skip
    """Use up a link to set a password, and let its owner in; sessions and other links of before end.

    Raises
    ------
    LinkRefused : the link is unknown, used, expired or for something else
    ProviderNeeded : the account's role comes in by the OpenID provider alone
    PasswordRefused : too short, too plain; the link is still good
    """
    person, _ = purpose_of(connection, token, now_wall=now_wall)
    if find_account(connection, person).role in only_by_provider:
        raise ProviderNeeded
    check_password(password, name=person)
    kept = passwords.hash(password)
    with connection.transaction():
        session = open_session(connection, token, now_wall=now_wall, purpose=Purpose.PASSWORD)
        connection.execute(SQL["set_password"], {"name": session.person, "password": kept})
        end_sessions(connection, session.person, but=hash_of(session.token))
        void_links(connection, session.person)
        _record_own(connection, session.person, "password_set", now)
    return session


def change_password(
    connection: Connection, name: str, *, old: str, new: str, passwords: Passwords, session: bytes, now: datetime
) -> None:
    """Change one's own password; the other sessions end, and links that were not used.

    Raises
    ------
    LoginRefused : the old one does not fit
    ProviderNeeded : there is none, because they come by the OpenID provider: whom it lets go is to be out
    PasswordRefused : the new one is too short, too plain
    """
    account = find_account(connection, name)
    if account.is_tied and not account.has_password:
        raise ProviderNeeded
    confirm_password(connection, name, old, passwords=passwords)
    check_password(new, name=name)
    kept = passwords.hash(new)
    with connection.transaction():
        connection.execute(SQL["set_password"], {"name": name, "password": kept})
        end_sessions(connection, name, but=session)
        void_links(connection, name)
        _record_own(connection, name, "password_set", now)


def confirm_password(connection: Connection, name: str, password: str, *, passwords: Passwords) -> None:
    """Ask for the password once more before something that matters; who has none came by a link and needs none.

    Raises
    ------
    LoginRefused : it does not fit
    """
    row = connection.execute(SQL["secrets"], {"name": name}).fetchone()
    if row is not None and row[1] is not None and not passwords.fits(row[1], password):
        raise LoginRefused


def log_in(
    connection: Connection, *, name: str, password: str, code: str, passwords: Passwords, now_wall: datetime,
    only_by_provider: frozenset[Role] = frozenset(),
) -> OpenedSession:  # fmt: skip
    """Begin a session for whoever knows the password and, where one is set up, shows a code.

    Raises
    ------
    LoginRefused : name and password do not fit; whether the name exists is not told
    ProviderNeeded : they fit, and the account's role comes in by the OpenID provider alone
    CodeRefused : they fit, the code does not
    """
    row = connection.execute(SQL["secrets"], {"name": name.strip()}).fetchone()
    known, kept, secret, step, role = row or (None, None, None, 0, None)
    if not passwords.fits(kept, password) or known is None:
        raise LoginRefused
    if role in only_by_provider:
        raise ProviderNeeded
    with connection.transaction():
        still = {"name": known, "password": kept, "secret": secret}
        if connection.execute(SQL["still_so"], still).fetchone() is None:
            raise LoginRefused  # in the moment that the hash took somebody else has changed it
        if secret is not None and not _takes_code(connection, known, secret, step, code, now_wall):
            raise CodeRefused
        way = "password" if secret is None else "password and code"
        return begin_session(connection, known, way=way, now_wall=now_wall)


def offer_code(connection: Connection, name: str) -> str:
    """A new secret for a second factor; it counts once its owner has shown a code of it."""
    secret = new_secret()
    connection.execute(SQL["offer_code"], {"name": name, "secret": secret})
    return secret


def offered_code(connection: Connection, name: str) -> str | None:
    """The secret that waits for its first code."""
    row = connection.execute(SQL["offered_code"], {"name": name}).fetchone()
    return row[0] if row else None


def take_up_code(connection: Connection, name: str, code: str, *, now: datetime, now_wall: datetime) -> list[str]:
    """Ask for codes from now on; returns recovery codes, which are shown this once.

    Raises
    ------
    CodeRefused : the code is not of the offered secret
    """
    secret = offered_code(connection, name)
    step = None if secret is None else step_of_code(secret, code, after=0, now=now_wall)
    if step is None:
        raise CodeRefused
    codes = new_recovery_codes()
    with connection.transaction():
        connection.execute(SQL["take_up_code"], {"name": name, "step": step})
        connection.execute(SQL["drop_codes"], {"name": name})
        hashes = [hash_of(plain_code(one)) for one in codes]
        connection.execute(SQL["keep_codes"], {"name": name, "hashes": hashes})
        _record_own(connection, name, "code_set_up", now)
    return codes


def drop_code(connection: Connection, name: str, *, now: datetime) -> None:
    """Ask for codes no more."""
    with connection.transaction():
        connection.execute(SQL["drop_secret"], {"name": name})
        connection.execute(SQL["drop_codes"], {"name": name})
        _record_own(connection, name, "code_removed", now)


def log_out_elsewhere(connection: Connection, name: str, *, session: bytes, now: datetime) -> None:
    """End all sessions of one's own but this one."""
    with connection.transaction():
        end_sessions(connection, name, but=session)
        _record_own(connection, name, "sessions_ended", now)


def _record_own(connection: Connection, name: str, what: str, now: datetime) -> None:
    record(connection, who=f"{name} (web)", what=what, subject=name, now=now)


def _takes_code(connection: Connection, name: str, secret: str, last_step: int, code: str, now_wall: datetime) -> bool:
    """Use up a code of the phone, or a recovery code; of two that come at once one opens."""
    step = step_of_code(secret, code, after=last_step, now=now_wall)
    if step is not None:
        return connection.execute(SQL["use_step"], {"name": name, "step": step}).rowcount == 1
    return connection.execute(SQL["use_code"], {"name": name, "hash": hash_of(plain_code(code))}).rowcount == 1


def _zone_of(connection: Connection, role: Role, zone: str | None) -> str | None:
    if role is not Role.SECRETARY:
        return None
    if zone is None or connection.execute(SQL["is_zone"], {"zone": zone}).fetchone() is None:
        raise AccountRefused("zone", zone or "")
    return zone


def _keep_an_administrator(connection: Connection, before: Account) -> None:
    """Undo by an error what would leave nobody to undo it."""
    if before.role is Role.ADMINISTRATOR and connection.execute(SQL["administrators"]).fetchone() is None:
        raise AccountRefused("last", before.name)


def _as_told(role: Role, zone: str | None) -> dict[str, object]:
    return {"role": role.value, "zone": zone} if zone else {"role": role.value}
