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
from psycopg.conninfo import conninfo_to_dict

from alerts.carriers.gammu import SQL as GAMMU
from ingest.db import Connection, queries
from ndiyan.children import service_account
from ndiyan.errors import NdiyanError
from ndiyan.settings import service_file

SQL = queries("ndiyan", "roles")

SERVICES: Mapping[str, tuple[str, ...]] = {
    "ingest": ("all", "writer", "receiver", "ingest"),
    "alerts": ("all", "writer", "alerts"),
    "web": ("all", "writer", "receiver", "web"),
}
"""Each service with the parts of `roles.sql` that it is granted. The keeper begins backups: it stays the owner."""


class RolesRefused(NdiyanError):
    """The database's owner may not make roles, or their addresses can be kept nowhere; nothing was changed."""


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

    Raises
    ------
    RolesRefused : this account may not make roles
    """
    with _or_ask_a_superuser(connection), connection.transaction():
        for service, parts in SERVICES.items():
            _make(connection, role_of(service))
            for part in parts:
                connection.execute(sql.SQL(SQL[part]).format(role=sql.Identifier(role_of(service))))
        if connection.execute(SQL["has_daemon"]).fetchone() == (True,):
            connection.execute(SQL["daemon"])
            connection.execute(GAMMU["guard"])


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
        with _or_ask_a_superuser(connection), connection.transaction():
            for service, password in passwords.items():
                role = role_of(service)
                kept = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
                change = sql.SQL("ALTER ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(kept))
                connection.execute(change)
        return [(drafts / service_file(service)).replace(folder / service_file(service)) for service in SERVICES]


def refuse_shared(connection: Connection) -> None:
    """Raise `RolesRefused` when the roles log in to another database: a new password would lock its services out."""
    names = [role_of(service) for service in SERVICES]
    if others := [name for (name,) in connection.execute(SQL["elsewhere"], [names])]:
        raise RolesRefused(
            f"the roles of this server are those of the services of {', '.join(others)}, which a new password would"
            " lock out: where they are no longer needed"
        )


@contextmanager
def _or_ask_a_superuser(connection: Connection) -> Iterator[None]:
    try:
        yield
    except psycopg.errors.InsufficientPrivilege as error:
        owner, theirs = connection.info.user, ", ".join(["ndiyan_zone", *roles_there(connection)])
        raise RolesRefused(
            f"{owner} may not make roles ({error.diag.message_primary}): as a superuser, ALTER ROLE {owner} CREATEROLE;"
            f" GRANT {theirs} TO {owner} WITH ADMIN OPTION"
        ) from error


def _make(connection: Connection, role: str) -> None:
    """A role that has nothing: it inherits nothing either, so that web is no secretary before it says so.

    One that is there as it should be is left as it is, so that an owner who may make no roles grants anew.
    """
    name = sql.Identifier(role)
    inherits = connection.execute("SELECT rolinherit FROM pg_roles WHERE rolname = %s", [role]).fetchone()
    if inherits is None:
        connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN NOINHERIT").format(name))
    elif inherits == (True,):
        connection.execute(sql.SQL("ALTER ROLE {} NOINHERIT").format(name))
    for kind in ("TABLES", "SEQUENCES", "FUNCTIONS"):
        connection.execute(sql.SQL(f"REVOKE ALL ON ALL {kind} IN SCHEMA public FROM {{}}").format(name))


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
