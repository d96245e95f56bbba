"""Message centres and gateways that are not ours, each started on loopback on a free port."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Self

from ndiyan.children import free_port, spawn, stop

HERE = Path(__file__).parent
INSTALL_WITHIN_S, START_WITHIN_S = 120.0, 20.0
PERL_SMSC = Path("/usr/share/doc/libnet-smpp-perl/examples/smsc.pl")


class NoPeer(Exception):
    """A peer is not on this machine and cannot be had."""


class NodePeer:
    """A program of node beside the packages of npm that it needs: it prints its ports as JSON once it listens."""

    def __init__(self, script: Path, folder: Path, start: dict[str, Any]) -> None:
        node = shutil.which("node")
        if node is None:
            raise NoPeer("apt-get install nodejs npm")
        environment = dict(os.environ) | {"NODE_PATH": str(_packages(script.parent) / "node_modules")}
        log = folder / f"{script.stem}.log"
        log.unlink(missing_ok=True)
        self._process = spawn([node, script, json.dumps(start)], log=log, env=environment, death_signal=signal.SIGKILL)
        deadline = time.monotonic() + START_WITHIN_S
        while not log.read_text("utf-8").endswith("}\n"):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise NoPeer(f"node does not start: {log.read_text('utf-8')[-300:]}")
            time.sleep(0.01)
        ports = json.loads(log.read_text("utf-8").splitlines()[-1])  # warnings of packages come before
        self.port, self._control = int(ports["port"]), int(ports["control"])

    def stop(self) -> None:
        """End it as a crash would."""
        stop(self._process, signal.SIGKILL, timeout_s=5.0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _ask(self, path: str, sent: object) -> Any:
        body = None if sent is None else json.dumps(sent).encode()
        with urllib.request.urlopen(f"http://127.0.0.1:{self._control}{path}", data=body, timeout=30) as answer:
            return json.load(answer)


class Smsc(NodePeer):
    """The message centre of `smsc/smsc.js`, over the codec of npm."""

    def __init__(self, folder: Path, *, port: int = 0, **start: str) -> None:
        super().__init__(HERE / "smsc" / "smsc.js", folder, {"port": port, **start})

    def set(self, **how: object) -> None:
        """Change how it behaves; the names are those at the head of `smsc.js`."""
        self._ask("/set", how)

    def cut(self) -> None:
        """Drop every link."""
        self._ask("/cut", {})

    def write(self, *messages: dict[str, Any]) -> None:
        """People write to us."""
        self._ask("/mo", list(messages))

    @property
    def counts(self) -> dict[str, int]:
        """How many submits, throttled, taken, binds and so on."""
        counts: dict[str, int] = self._ask("/counts", None)
        return counts

    @property
    def taken(self) -> list[dict[str, Any]]:
        """Every SMS that it took, in order."""
        taken: list[dict[str, Any]] = self._ask("/log", None)["taken"]
        return taken

    @property
    def inbound(self) -> list[dict[str, Any]]:
        """What people wrote: how often it was handed to us, and whether we have answered."""
        inbound: list[dict[str, Any]] = self._ask("/log", None)["inbound"]
        return inbound


@contextlib.contextmanager
def perl_smsc(folder: Path) -> Iterator[int]:
    """The example server of Debian's Net::SMPP; yields its port. It gives every SMS the same id."""
    if shutil.which("perl") is None or not PERL_SMSC.exists():
        raise NoPeer("apt-get install libnet-smpp-perl")
    port = free_port()
    script = folder / "smsc.pl"
    script.write_text(PERL_SMSC.read_text("latin-1").replace("$port = 9900", f"$port = {port}"), "latin-1")
    with _running(["perl", script], folder / "smsc.log", port):
        yield port


@contextlib.contextmanager
def kannel(folder: Path, smsc_port: int) -> Iterator[int]:
    """Debian's Kannel as a client of a message centre; yields the port where it takes SMS by HTTP."""
    bearerbox, smsbox = (shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") for name in ("bearerbox", "smsbox"))
    if bearerbox is None or smsbox is None:
        raise NoPeer("apt-get install kannel")
    admin, box, http = free_port(), free_port(), free_port()
    conf = (HERE / "kannel.conf").read_text("ascii")
    for name, port in {"ADMIN": admin, "BOX": box, "HTTP": http, "SMSC": smsc_port}.items():
        conf = conf.replace(f"@{name}@", str(port))
    conf = conf.replace("@FOLDER@", str(folder))
    (folder / "kannel.conf").write_text(conf, "ascii")
    with (
        _running([bearerbox, folder / "kannel.conf"], folder / "bearerbox.log", box),
        _running([smsbox, folder / "kannel.conf"], folder / "smsbox.log", http),
    ):
        yield http


@contextlib.contextmanager
def _running(argv: Sequence[str | Path], log: Path, port: int) -> Iterator[None]:
    process = spawn([*argv], log=log, env=dict(os.environ))
    try:
        deadline = time.monotonic() + START_WITHIN_S
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise NoPeer(f"{argv[0]} does not start: {log.read_text('latin-1')[-300:]}")
            time.sleep(0.02)
        yield
    finally:
        stop(process, signal.SIGKILL, timeout_s=5.0)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _packages(folder: Path) -> Path:
    """A folder with the packages of npm that stand in `folder`'s package.json; they are fetched the first time."""
    npm = shutil.which("npm")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ndiyan" / folder.name
    wanted = (folder / "package.json").read_bytes()
    names = list(json.loads(wanted)["dependencies"])
    are_here = all((cache / "node_modules" / name).is_dir() for name in names)
    if are_here and (cache / "package.json").read_bytes() == wanted:
        return cache
    if npm is None:
        raise NoPeer("apt-get install npm")
    cache.mkdir(parents=True, exist_ok=True)
    (cache / "package.json").write_bytes(wanted)
    try:
        subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"],
            cwd=cache, capture_output=True, text=True, timeout=INSTALL_WITHIN_S, check=True,
        )  # fmt: skip
    except (subprocess.SubprocessError, OSError) as error:
        raise NoPeer(f"npm could not fetch {', '.join(names)}: {error}") from error
    return cache
