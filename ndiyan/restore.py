"""A backup back into a database: first beside the one in use, compared with what was saved, then in its place.

So a restore that fails changes nothing, and the database that was there before is kept under another name.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO

import psycopg
import pyrage
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from ingest.db import Connection, connect
from ndiyan.contents import SQL, differences, fetch_contents
from ndiyan.errors import BackupError
from ndiyan.manifest import DATABASE, FILES, Backup
from ndiyan.pg_tools import address, find_tool, with_database
from ndiyan.sealing import digest_of, unseal

SAID_BYTES = 2_000  # of what a program said, for people


@dataclass(frozen=True, slots=True)
class Restored:
    """What came of it: the sum of rows, and under which name the database of before is kept."""

    rows: int
    kept_as: str | None


def restore(url: str, backup: Backup, key: pyrage.x25519.Identity | None, *, over: bool, now: datetime) -> Restored:
    """Put the backup in the place of the database of `url`, whose user must be allowed to make databases.

    Raises
    ------
    BackupError : there is something in it and `over` is not set, somebody works with it, or the backup is damaged
    """
    name = str(conninfo_to_dict(url)["dbname"])
    beside, before = (f"{name}_{word}_{now:%Y%m%d_%H%M%S}" for word in ("restored", "before"))
    check_files(backup)
    with connect(with_database(url, "postgres")) as admin:
        _refuse_in_use(admin, name)
        exists = bool(admin.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchall())
        is_used = exists and bool(_tables(url))
        if is_used and not over:
            raise BackupError(
                f"{name} is not empty: nothing was changed (with --over it is kept under another name and replaced)"
            )
        _execute(admin, "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'", beside)
        try:
            rows = restore_into(with_database(url, beside), backup, key)
            _log_out_all(with_database(url, beside))
            _refuse_in_use(admin, name)  # again: hours may have passed
            with admin.transaction():
                if exists:
                    _execute(admin, "ALTER DATABASE {} RENAME TO {}", name, before)
                _execute(admin, "ALTER DATABASE {} RENAME TO {}", beside, name)
        except BaseException:
            _execute(admin, "DROP DATABASE IF EXISTS {} WITH (FORCE)", beside)  # FORCE: a session may still write there
            raise
        if exists and not is_used:
            _execute(admin, "DROP DATABASE {} WITH (FORCE)", before)
    return Restored(rows, before if is_used else None)


def restore_into(url: str, backup: Backup, key: pyrage.x25519.Identity | None) -> int:
    """Fill an empty database and compare it with what was saved; returns how many rows there are.

    Raises
    ------
    BackupError : it could not be read, or something is missing or other than it was
    """
    manifest = backup.manifest
    with connect(url, application="ndiyan-restore") as connection:
        _make_roles(connection, manifest.roles)
        if manifest.timescaledb is not None:
            version = sql.Literal(manifest.timescaledb)
            connection.execute(sql.SQL("CREATE EXTENSION IF NOT EXISTS timescaledb VERSION {}").format(version))
            connection.execute("SELECT timescaledb_pre_restore()")
    _run_pg_restore(url, backup, key)
    with connect(url, application="ndiyan-restore") as connection:
        if manifest.timescaledb is not None:
            connection.execute("SELECT timescaledb_post_restore()")
        connection.execute("ANALYZE")
        found = fetch_contents(connection, manifest.contents.as_of)
    if told := differences(manifest.contents, found):
        raise BackupError(f"{backup.folder} does not give back what was saved: {'; '.join(told)}")
    return sum(rows for rows, _ in found.tables.values())


def restore_files(backup: Backup, key: pyrage.x25519.Identity | None, target: Path) -> None:
    """Unpack the files of a backup under `target`, a folder for them alone; the way from there is a person's.

    Raises
    ------
    BackupError : there are none, or the folder is not empty
    """
    if FILES not in backup.manifest.parts:
        raise BackupError(f"{backup.folder} holds no files: backup.paths named none")
    check_files(backup)
    target.mkdir(mode=0o700, parents=True, exist_ok=True)
    if any(target.iterdir()):
        raise BackupError(f"{target} is not empty: name a new folder")
    feed(["tar", "-xzf", "-", "-C", str(target)], lambda into: unseal(backup.part(FILES), into, key))


def check_files(backup: Backup) -> None:
    """Raise `BackupError` when a file of the backup is not what was written."""
    for name, wanted in backup.manifest.parts.items():
        try:
            found = digest_of(backup.part(name))
        except OSError as error:
            raise BackupError(f"{backup.part(name)}: cannot be read: {error.strerror}") from error
        if found != wanted:
            raise BackupError(f"{backup.part(name)} is damaged: it is not what was written then")


def feed(argv: Sequence[str], give: Callable[[IO[bytes]], None], *, env: dict[str, str] | None = None) -> None:
    """Run a program that reads what `give` writes; `BackupError` with its own words when it fails."""
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=said, env=env)
        if process.stdin is None:
            raise BackupError(f"{argv[0]} has no input")
        refusal: BackupError | None = None
        try:
            with process.stdin as into:
                give(into)
        except BrokenPipeError:
            pass  # it ended before us, and says why
        except BackupError as error:
            refusal = error
        finally:
            code = process.wait()
        if refusal is not None:
            raise refusal
        if code != 0:
            raise BackupError(f"{Path(argv[0]).name} failed: {last_words(said)}")


def last_words(said: IO[bytes]) -> str:
    """The end of what a program said, in one line."""
    size = said.seek(0, 2)
    said.seek(max(0, size - SAID_BYTES))
    return " ".join(said.read().decode("utf-8", "replace").split()) or "it said nothing"


def _run_pg_restore(url: str, backup: Backup, key: pyrage.x25519.Identity | None) -> None:
    place, env = address(url)
    tool = find_tool("pg_restore", server_major=backup.manifest.server_major)
    argv = [str(tool.path), "--exit-on-error", "--no-owner", f"--dbname={place}"]
    feed(argv, lambda into: unseal(backup.part(DATABASE), into, key), env=dict(env))


def _make_roles(connection: Connection, roles: Sequence[str]) -> None:
    """Whoever had rights has them again; who was never here cannot log in until somebody gives a password."""
    there = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [[*roles]])}
    missing = [role for role in roles if role not in there]
    try:
        for role in missing:
            connection.execute(sql.SQL("CREATE ROLE {} NOLOGIN").format(sql.Identifier(role)))
    except psycopg.errors.InsufficientPrivilege as error:
        # With ADMIN the user may let them in afterwards: since PostgreSQL 16 whoever did not make a role needs it.
        wanted = "; ".join(f"CREATE ROLE {role} ADMIN {connection.info.user}" for role in missing)
        raise BackupError(
            f"{connection.info.user} may not make roles that had rights in what was saved: as a superuser, {wanted}"
        ) from error


def _log_out_all(url: str) -> None:
    """Whoever was logged in then, or had a link, may have been sent away since."""
    with connect(url, application="ndiyan-restore") as connection:
        if connection.execute(SQL["has_sessions"]).fetchone() == (True,):
            connection.execute(SQL["end_sessions"])
            connection.execute(SQL["void_links"])


def _refuse_in_use(admin: Connection, name: str) -> None:
    if others := [row[0] for row in admin.execute(SQL["others"], {"name": name})]:
        raise BackupError(f"{name} is in use by {', '.join(others)}: stop the services first, then restore")


def _tables(url: str) -> list[str]:
    with connect(url, application="ndiyan-restore") as connection:
        return [name for (name,) in connection.execute(SQL["tables"])]


def _execute(connection: Connection, statement: str, *names: str) -> None:
    try:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))
    except psycopg.Error as error:
        raise BackupError(f"the database refused: {str(error).splitlines()[0]}") from error
