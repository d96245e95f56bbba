"""Backups: everything as it was at one moment, written whole or not at all, and each one tried before it counts.

A backup is made in a folder that begins with `.making`, restored from there into a server of its own that is thrown
away, compared, and only then renamed. Whatever has its final name was restored once.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib.metadata import version
from pathlib import Path

import psycopg
import pyrage

from gateway.clock import Clock
from ingest.db import connect
from ndiyan.children import can_reach, refuse_without_room
from ndiyan.contents import SQL, fetch_contents
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account
from ndiyan.errors import BackupError, StartRefused
from ndiyan.manifest import DATABASE, FILES, MANIFEST, NAME, PROOF, Backup, Manifest, proof_of, read_backup
from ndiyan.pg_tools import address, find_tool
from ndiyan.restore import check_files, last_words, restore_into
from ndiyan.sealing import SEALED, Written, seal

LOCK = ".lock"
MAKING = ".making-"
SCRATCH = ".scratch-"
DAILY, WEEKLY, MONTHLY = 7, 4, 12  # how many days, weeks and months keep their newest backup
AHEAD = timedelta(minutes=5)  # a clock that is kept right is set back by less
# A server that is thrown away: nothing need survive a power cut, and it must leave memory to the others.
SCRATCH_SETTINGS = {
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
    "shared_buffers": "32MB",
    "max_connections": "20",
    "autovacuum": "off",
}


@dataclass(frozen=True, slots=True)
class BackupConfig:
    """Where backups go, the key that closes them (None: nothing does), and which files are part of one."""

    folder: Path
    key: pyrage.x25519.Identity | None = None
    paths: Sequence[Path] = ()


def make_backup(url: str, config: BackupConfig, clock: Clock, *, say: Callable[[str], None] = print) -> Backup:
    """Save, restore elsewhere, compare, name, and forget what is older than the rules want.

    Raises
    ------
    BackupError : it could not be made or does not give back what was saved; nothing of it stays
    StartRefused : no room, or this machine has no PostgreSQL that can try it
    """
    with _alone(config.folder):
        for left in leftovers(config.folder):
            shutil.rmtree(left, ignore_errors=True)
        for left in leftovers(config.folder):
            say(f"{left} is of a backup or check that was killed, open to whoever has the disk: rm -r {left}, as root")
        making = Path(tempfile.mkdtemp(prefix=MAKING, dir=config.folder))
        try:
            draft = _save(url, config, making, clock)
            say(f"saved {draft.size / 1e6:.1f} MB; restoring it into a server of its own to see whether it is whole")
            _try(draft, config.key)
            done = _name(replace(draft.manifest, verified_at=clock.now()), making, config)
        finally:
            shutil.rmtree(making, ignore_errors=True)
        let_go(config.folder, clock.now())
    return done


def check_backup(backup: Backup, key: pyrage.x25519.Identity | None) -> int:
    """Restore into a server that is thrown away, and compare; returns how many rows there are.

    Raises
    ------
    BackupError : it does not give back what was saved, or a backup is being made beside it
    StartRefused : this machine has no PostgreSQL that can try it
    """
    check_files(backup)
    with _alone(backup.folder.parent):
        return _try(backup, key)


def leftovers(folder: Path) -> list[Path]:
    """What a backup or check works in, and leaves behind when it is killed: the whole database, readable."""
    return sorted((*folder.glob(f"{MAKING}*"), *folder.glob(f"{SCRATCH}*")))


def _try(backup: Backup, key: pyrage.x25519.Identity | None) -> int:
    with _scratch_server(backup) as url:
        return restore_into(url, backup, key)


def list_backups(folder: Path) -> list[Backup]:
    """What can be restored, the newest first; what is no backup of ours is passed over."""
    found = []
    for path in sorted(folder.glob("ndiyan-*Z"), reverse=True) if folder.is_dir() else []:
        try:
            found.append(read_backup(path))
        except BackupError:
            continue
    return found


def is_ahead(backup: Backup, now: datetime) -> bool:
    """Whether it is of a later time than `now`: the clock was ahead then, or is behind now."""
    return backup.manifest.made_at - now > AHEAD


def newest_backup(folder: Path, now: datetime) -> Backup | None:
    """The newest of those that are not ahead of `now`, None when there is none."""
    return next((backup for backup in list_backups(folder) if not is_ahead(backup, now)), None)


def find_backup(folder: Path, name: str, *, now: datetime, key: pyrage.x25519.Identity | None = None) -> Backup:
    """One by its name in `folder`, or the `newest`; with a key as `read_backup` does.

    Raises
    ------
    BackupError : there is none, or it does not prove that the key made it
    """
    if name == "newest":
        newest = newest_backup(folder, now)
        if newest is None:
            ahead = [backup.folder.name for backup in list_backups(folder)]
            but = f" of before {now:%Y-%m-%d %H:%M} UTC: set the clock, or give the name: {ahead[0]}" if ahead else ""
            raise BackupError(f"{folder} holds no backup{but}")
        name = newest.folder.name
    return read_backup(folder / name, key)


def superfluous(backups: Sequence[Backup]) -> list[Backup]:
    """Those that are the newest of none of the last days, weeks or months with a backup.

    The newest of all is never among them; and days without a backup use up nothing, so that a server which stood still
    for a year keeps what it had.
    """
    newest_first = sorted(backups, key=lambda backup: backup.manifest.made_at, reverse=True)
    kept: set[Path] = set()
    for form, number in (("%Y-%m-%d", DAILY), ("%G-%V", WEEKLY), ("%Y-%m", MONTHLY)):
        spans: dict[str, Path] = {}
        for backup in newest_first:
            spans.setdefault(backup.manifest.made_at.strftime(form), backup.folder)
        kept.update(list(spans.values())[:number])
    return [backup for backup in newest_first if backup.folder not in kept]


def let_go(folder: Path, now: datetime) -> None:
    """Forget what is superfluous. What is ahead of `now` neither counts nor goes: it may be now that is wrong."""
    for old in superfluous([backup for backup in list_backups(folder) if not is_ahead(backup, now)]):
        shutil.rmtree(old.folder)


def age_of_newest(folder: Path, now: datetime) -> timedelta | None:
    """How old the newest backup is, None when there is none."""
    newest = newest_backup(folder, now)
    return None if newest is None else now - newest.manifest.made_at


def _save(url: str, config: BackupConfig, making: Path, clock: Clock) -> Backup:
    """The database and the files, and what was in them at that moment."""
    files = _tar(config.paths)  # what cannot be read is told before the long work
    with connect(url, application="ndiyan-backup") as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        with connection.transaction():
            major, size, timescaledb = connection.execute(SQL["server"]).fetchall()[0]
            needed_mb = 2 * size // 1_000_000  # the backup, and the server that tries it
            refuse_without_room(config.folder, needed_mb, cure="make room, or choose another backup.folder")
            made_at = clock.now()
            ((snapshot,),) = connection.execute(SQL["snapshot"]).fetchall()
            place, env = address(url)
            tool = find_tool("pg_dump", server_major=major)
            dump = [str(tool.path), "--format=custom", f"--snapshot={snapshot}", f"--dbname={place}"]
            parts = {DATABASE: _sealed(dump, making / DATABASE, config.key, env=dict(env))}
            contents = fetch_contents(connection, made_at)
            roles = tuple(name for (name,) in connection.execute(SQL["roles"]))
    if config.paths:
        parts[FILES] = _sealed(files, making / FILES, config.key, fine=(0, 1))
    recipient = None if config.key is None else str(config.key.to_public())
    manifest = Manifest(
        made_at, made_at, version("ndiyan"), major, timescaledb, roles, recipient, contents, parts,
    )  # fmt: skip
    return Backup(making, manifest)


def _tar(paths: Sequence[Path]) -> list[str]:
    """Files and folders by their whole path; one that changes while it is read (exit code 1) is taken as it was."""
    for path in paths:
        if not os.path.lexists(path):
            raise BackupError(f"backup.paths: {path} is not there")
        for one in (path, *(path.rglob("*") if path.is_dir() else ())):
            if not one.is_symlink() and not os.access(one, os.R_OK, effective_ids=True):
                me = pwd.getpwuid(os.geteuid()).pw_name
                raise BackupError(f"backup.paths: {me} may not read {one}: chgrp {me} {one} && chmod g+r {one}")
    return ["tar", "-czf", "-", "-C", "/", *(str(path.resolve().relative_to("/")) for path in paths)]


def _sealed(
    argv: Sequence[str], file: Path, key: pyrage.x25519.Identity | None, *, env: dict[str, str] | None = None,
    fine: Sequence[int] = (0,),
) -> Written:  # fmt: skip
    """Run a program and keep what it writes; half of it is worth nothing, so its exit code counts."""
    if key is not None:
        file = file.with_name(file.name + SEALED)
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, env=env)
        if process.stdout is None:
            raise BackupError(f"{argv[0]} has no output")
        try:
            with process.stdout as output:
                written = seal(output, file, key)
        except OSError as error:
            raise BackupError(f"{file}: cannot be written: {error.strerror}") from error
        finally:
            code = process.wait()
        if code not in fine:
            raise BackupError(f"{Path(argv[0]).name} failed: {last_words(said)}")
    return written


def _name(manifest: Manifest, making: Path, config: BackupConfig) -> Backup:
    """Give it its final name once all of it is on disk."""
    folder, text = config.folder, manifest.to_json()
    beside = {MANIFEST: text}
    if config.key is not None:
        beside[PROOF] = proof_of(text.encode("utf-8"), config.key) + "\n"
    for name, content in beside.items():
        with (making / name).open("x", encoding="utf-8") as output:
            output.write(content)
            output.flush()
            os.fsync(output.fileno())
    final = folder / manifest.made_at.strftime(NAME)
    _sync(making)
    making.rename(final)
    _sync(folder)
    return Backup(final, manifest)


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _scratch_server(backup: Backup) -> Iterator[str]:
    """The address of an empty database on a server for this backup alone."""
    account = postgres_account()
    scratch = Path(tempfile.mkdtemp(prefix=SCRATCH, dir=backup.folder.parent))
    scratch.chmod(0o711)
    preload = {"shared_preload_libraries": "timescaledb"} if backup.manifest.timescaledb else {}
    server = EmbeddedPostgres(
        scratch,
        secret_file=scratch / "secrets" / "postgres",
        log=scratch / "logs" / "postgres.log",
        account=account,
        at_least=backup.manifest.server_major,
        settings=SCRATCH_SETTINGS | preload,
    )
    try:
        if account is not None and not can_reach(account, scratch):
            raise StartRefused(
                f"the account {account.name}, which tries backups, cannot enter {scratch.parent}:"
                " run this as the user of the services, or choose another backup.folder"
            )
        try:
            server.start()
        except StartRefused as error:
            raise StartRefused(f"the backup cannot be tried: {error}") from error
        yield server.url()
    finally:
        server.stop()
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Only one backup or check at a time: each would sweep away what the other works in."""
    try:
        folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        opened = os.fdopen(os.open(folder / LOCK, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644), "w")
    except OSError as error:
        me = pwd.getpwuid(os.geteuid()).pw_name
        raise BackupError(
            f"backup.folder: {me} cannot write into {folder}: {error.strerror}; see to it that it is there and {me}'s"
            " (and with systemd that `ReadWritePaths` of ndiyan-keeper and ndiyan-backup name it)"
        ) from error
    with opened as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BackupError(f"another backup is being made or checked in {folder}: wait for its end") from error
        yield
