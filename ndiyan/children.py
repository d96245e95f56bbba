"""Processes that are ours: started under the right account, told to end when we end, stopped in time.

Servers such as PostgreSQL refuse to run as root. When we are root they run as an account that already exists;
folders that it cannot reach are neither opened nor changed: data and binaries then live somewhere it can reach.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ndiyan.errors import StartRefused

ACCOUNT = "ndiyan"  # of the services on this machine; the database and its user are called so as well
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
FIRST_OWN_PORT = 10_000
PORT_TRIES = 100
LENT_PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
LENT_BY_DEFAULT = 32_768
FAR_HOME = Path("/var/lib")  # where data goes that an account could not reach in the checkout


class Child(Protocol):
    """A process that a supervisor can look after."""

    name: str
    log: Path

    def start(self) -> None: ...

    def poll(self) -> int | None:
        """None while it lives, else its exit code."""
        ...

    def ask_to_stop(self) -> None: ...

    def kill(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Account:
    """An existing account that a child runs as."""

    name: str
    uid: int
    gid: int


def service_account() -> Account | None:
    """As whom the services run, when we are root and it is on this machine."""
    with contextlib.suppress(KeyError):
        entry = pwd.getpwnam(ACCOUNT)
        return Account(ACCOUNT, entry.pw_uid, entry.pw_gid) if os.geteuid() == 0 else None
    return None


def unprivileged_account(*names: str) -> Account | None:
    """The first of these accounts that exists when we are root; None when we are not and nothing need change."""
    if os.geteuid() != 0:
        return None
    for name in (*names, "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(name, entry.pw_uid, entry.pw_gid)
    raise StartRefused(
        f"servers do not run as root and this machine has no account {' or '.join((*names, 'nobody'))}:"
        " start as an ordinary user instead"
    )


def become_owner(folder: Path) -> None:
    """As root, be for good whose the folder is: what they plant there is then followed with their own rights.

    Raises
    ------
    StartRefused : this machine does not know them
    """
    owner = folder.stat().st_uid if os.geteuid() == 0 and folder.exists() else 0
    if owner == 0:
        return
    try:
        entry = pwd.getpwuid(owner)
    except KeyError as error:
        raise StartRefused(f"{folder} is of user {owner}, whom this machine does not know: chown it") from error
    os.initgroups(entry.pw_name, entry.pw_gid)
    os.setgid(entry.pw_gid)
    os.setuid(owner)
    os.environ["HOME"] = entry.pw_dir  # where PostgreSQL's programs look, and may not be refused
    os.chdir("/")


def spawn(
    argv: Sequence[str | Path],
    *,
    log: Path,
    account: Account | None = None,
    env: Mapping[str, str] | None = None,
    death_signal: signal.Signals = signal.SIGTERM,
) -> subprocess.Popen[bytes]:
    """Start a process in a session of its own (so Ctrl-C reaches us first), its output appended to `log`.

    The kernel sends it `death_signal` when the thread that started it ends, whatever ended it: start children
    from a thread that lives as long as they should.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            [str(part) for part in argv],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/" if account else None,
            env=None if env is None else dict(env),
            start_new_session=True,
            preexec_fn=ends_with_parent(death_signal),
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )


def run(argv: Sequence[str | Path], *, account: Account | None = None) -> subprocess.CompletedProcess[str]:
    """Run a short command to its end and return its output; never raises for its exit code."""
    return subprocess.run(
        [str(part) for part in argv],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        cwd="/" if account else None,
        check=False,
        user=account.uid if account else None,
        group=account.gid if account else None,
        extra_groups=[] if account else None,
    )


def can_reach(account: Account | None, path: Path) -> bool:
    """Whether the account can enter the folders above `path` and read it (enter it, when it is a folder)."""
    way = "-x" if path.is_dir() else "-r"
    return account is None or run(["test", way, path.resolve()], account=account).returncode == 0


def can_write(account: Account | None, folder: Path) -> bool:
    """Whether the account can put something into a folder."""
    return account is None or run(["test", "-w", folder.resolve()], account=account).returncode == 0


def reachable_folder(wanted: Path, account: Account | None) -> tuple[Path, str | None]:
    """A folder that the account can enter: `wanted`, or one under /var/lib named after it.

    The second value is a sentence that says so in the latter case. No folder that exists gets other rights.
    """
    wanted = wanted.resolve()
    wanted.mkdir(parents=True, exist_ok=True)
    if account is None or can_reach(account, wanted):
        return wanted, None
    far = far_folder(wanted)
    far.mkdir(mode=0o711, parents=True, exist_ok=True)
    return far, f"the account {account.name} cannot enter {wanted}, so its data is in {far}"


def far_folder(wanted: Path) -> Path:
    """Where `reachable_folder` puts what cannot live in `wanted`."""
    return FAR_HOME / f"ndiyan-demo-{hashlib.sha256(str(wanted.resolve()).encode()).hexdigest()[:10]}"


def own(path: Path, account: Account | None) -> None:
    """Give a file or an empty folder of ours to the account, for its eyes only."""
    path.chmod(0o700 if path.is_dir() else 0o600)
    if account is not None:
        os.chown(path, account.uid, account.gid)


def free_port(wanted: int = 0) -> int:
    """`wanted` when nobody listens there on loopback, else a port that is free now.

    Never one that the kernel lends to outgoing connections: any of those could hold it when our server comes back.
    """
    tries = (FIRST_OWN_PORT + secrets.randbelow(_first_lent_port() - FIRST_OWN_PORT) for _ in range(PORT_TRIES))
    for port in (wanted, *tries) if wanted else tries:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise StartRefused("no free port on 127.0.0.1: end some programs and start again")


def _first_lent_port() -> int:
    """Where the ports begin that the kernel gives to connections (ip(7), ip_local_port_range)."""
    try:
        first = int(LENT_PORTS.read_text("ascii").split()[0])
    except OSError:  # another system than Linux
        first = LENT_BY_DEFAULT
    return max(first, FIRST_OWN_PORT + PORT_TRIES)


def refuse_without_room(folder: Path, needed_mb: int, *, cure: str = "make room") -> None:
    """Raise `StartRefused` when the disk of `folder` has less than `needed_mb` free; `cure` says what to do."""
    free_mb = shutil.disk_usage(folder).free // 1_000_000
    if free_mb < needed_mb:
        raise StartRefused(f"{folder} has {free_mb} MB free and {needed_mb} MB are needed: {cure}")


def stop(process: subprocess.Popen[bytes] | None, how: signal.Signals, *, timeout_s: float) -> None:
    """Ask a process to end, and kill it when it has not after `timeout_s`."""
    if process is None or process.poll() is not None:
        return
    process.send_signal(how)
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def ends_with_parent(death_signal: signal.Signals) -> Callable[[], None] | None:
    """What a child does before it becomes the program; set after the change of account, which would clear it.

    One that may be frozen then ends by SIGKILL alone: every other signal waits until it goes on, which is never.
    """
    if LIBC is None:
        return None
    libc, parent = LIBC, os.getpid()

    def before_exec() -> None:
        libc.prctl(PR_SET_PDEATHSIG, int(death_signal), 0, 0, 0)
        if os.getppid() != parent:  # it ended in between
            os._exit(1)

    return before_exec
