"""A database role for each service, which may do what that service does and no more (`ndiyan/sql/roles.sql`)."""

from __future__ import annotations

import os
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from alerts.carriers.gammu import SQL as GAMMU
from ingest.db import Connection, connect, queries
from ndiyan.children import service_account
from ndiyan.errors import NdiyanError, SettingsError
from ndiyan.settings import read_secrets, service_file

SQL = queries("ndiyan", "roles")

SERVICES: Mapping[str, tuple[str, ...]] = {
    "ingest": ("all", "writer", "receiver", "ingest"),
    "alerts": ("all", "writer", "alerts"),
    "web": ("all", "writer", "receiver", "web"),
}
"""Each service with the parts of `roles.sql` that it is granted. The keeper begins backups: it stays the owner."""


class RolesRefused(NdiyanError):
    """The database's owner may not make roles, or their addresses can be kept nowhere; nothing was changed."""


class RolesInUse(RolesRefused):
    """New passwords would lock out services that know those of now."""


def role_of(service: str) -> str:
    """The name of a service's role; roles belong to the whole server."""
    return f"ndiyan_{service}"


def roles_there(connection: Connection) -> list[str]:
    """The roles of the services that this server has."""
    names = [role_of(service) for service in SERVICES]
    there = connection.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s) ORDER BY rolname", [names])
    return [name for (name,) in there]


def grant_all(connection: Connection) -> None:
    """Make the roles that are missing, take every right from all of them, and grant what `roles.sql` says.

    What stands already is not asked for again, so that an owner who may make no roles grants anew.

    Raises
    ------
    RolesRefused : this account may not do some of it, which is named; all the rest is done
    """
    refused: list[str] = []

    @contextmanager
    def step(what: str) -> Iterator[None]:
        try:
            with connection.transaction():
                yield
        except psycopg.errors.InsufficientPrivilege as error:
            refused.append(f"{what} ({error.diag.message_primary})")

    with connection.transaction():
        for service in SERVICES:
            with step(f"make roles: {role_of(service)}"):
                _make(connection, role_of(service))
        there = roles_there(connection)
        for service, parts in SERVICES.items():
            if (role := role_of(service)) in there:
                with step(f"give rights to {role}"):
                    _grant(connection, role, parts)
        is_whole = len(there) == len(SERVICES)
        if is_whole and connection.execute(SQL["lacks_secretary"]).fetchone() == (True,):
            with step("grant ndiyan_zone to ndiyan_web"):
                connection.execute(SQL["secretary"])
        if is_whole and connection.execute(SQL["has_daemon"]).fetchone() == (True,):
            with step("give rights to the tables of Gammu's daemon"):
                connection.execute(SQL["daemon"])
                connection.execute(GAMMU["guard"])
    if refused:
        raise _ask_a_superuser(connection, "; nor ".join(refused))


def write_urls(connection: Connection, folder: Path, *, like: str = "") -> list[Path]:
    """Let the roles log in, each with a new password that stands in a file `ndiyan-SERVICE.env` and nowhere else.

    A file is like `like`, an address of the database (the connection's own), but for user and password. All of them
    are on the disk before a password counts.

    Raises
    ------
    RolesRefused : the files cannot be written there, or this account may not change passwords
    """
    place = conninfo_to_dict(like or connection.info.dsn)
    place |= {"host": place.get("host") or connection.info.host}
    passwords = {service: secrets.token_urlsafe(24) for service in SERVICES}
    with ExitStack() as stack:
        try:
            drafts = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=folder, prefix=".ndiyan-roles-")))
            for service, password in passwords.items():
                url = _url(place | {"user": role_of(service), "password": password})
                _write(drafts / service_file(service), f"NDIYAN_DATABASE_URL={url}\n")
        except OSError as error:
            raise RolesRefused(f"{folder} cannot be written: {error.strerror}; no password was changed") from error
        try:
            with connection.transaction():
                for service, password in passwords.items():
                    _let_in(connection, role_of(service), password)
        except psycopg.errors.InsufficientPrivilege as error:
            raise _ask_a_superuser(connection, f"make roles log in ({error.diag.message_primary})") from error
        return [(drafts / service_file(service)).replace(folder / service_file(service)) for service in SERVICES]


def _let_in(connection: Connection, role: str, password: str) -> None:
    kept = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    connection.execute(sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(kept)))


def refuse_in_use(connection: Connection, folder: Path) -> None:
    """Raise `RolesInUse` when roles log in by passwords that the files of `folder` do not have.

    Roles are of the whole server: new passwords would lock out the services of whoever gave them theirs.
    """
    used: dict[str, list[str]] = {}
    for service in SERVICES:
        databases = [name for (name,) in connection.execute(SQL["in_use"], [role_of(service)])]
        if databases and not _lets_in(connection, service, folder):
            used[role_of(service)] = databases
    if used:
        whose = ", ".join(sorted({name for databases in used.values() for name in databases}))
        raise RolesInUse(
            f"{', '.join(used)} of this server log in by passwords that are not in {folder}, for the services of"
            f" {whose}, which new ones would lock out: where that is meant, ndiyan db roles --folder {folder} --anew"
        )


def _lets_in(connection: Connection, service: str, folder: Path) -> bool:
    try:
        url = read_secrets(folder / service_file(service)).get("NDIYAN_DATABASE_URL", "")
        password = conninfo_to_dict(url).get("password") or ""
        connect(make_conninfo(connection.info.dsn, user=role_of(service), password=password)).close()
    except (psycopg.Error, SettingsError):
        return False
    return True


def _ask_a_superuser(connection: Connection, refused: str) -> RolesRefused:
    owner, theirs = connection.info.user, ", ".join(["ndiyan_zone", *roles_there(connection)])
    return RolesRefused(
        f"{owner} may not {refused}: as a superuser, ALTER ROLE {owner} CREATEROLE;"
        f" GRANT {theirs} TO {owner} WITH ADMIN OPTION"
    )


def _make(connection: Connection, role: str) -> None:
    """A role that inherits nothing, so that web is no secretary before it says so; one that is so stays as it is."""
    name = sql.Identifier(role)
    inherits = connection.execute("SELECT rolinherit FROM pg_roles WHERE rolname = %s", [role]).fetchone()
    if inherits is None:
        connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN NOINHERIT").format(name))
    elif inherits == (True,):
        connection.execute(sql.SQL("ALTER ROLE {} NOINHERIT").format(name))


def _grant(connection: Connection, role: str, parts: tuple[str, ...]) -> None:
    """Take every right away, and give those of these parts."""
    name = sql.Identifier(role)
    for kind in ("TABLES", "SEQUENCES", "FUNCTIONS"):
        connection.execute(sql.SQL(f"REVOKE ALL ON ALL {kind} IN SCHEMA public FROM {{}}").format(name))
    for part in parts:
        connection.execute(sql.SQL(SQL[part]).format(role=name))


def _url(address: Mapping[str, object]) -> str:
    user, password, name = (quote(str(address[key]), safe="") for key in ("user", "password", "dbname"))
    rest = {key: value for key, value in address.items() if key not in ("user", "password", "dbname")}
    return f"postgresql://{user}:{password}@/{name}?{urlencode(rest)}"


def _write(file: Path, text: str) -> None:
    """A file that nobody but its owner may read, from its first byte on; root's also the services."""
    with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as output:
        if (reader := service_account()) is not None:
            os.fchown(output.fileno(), -1, reader.gid)
            os.fchmod(output.fileno(), 0o640)
        output.write(text)
