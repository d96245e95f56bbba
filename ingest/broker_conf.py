"""The configuration of the mosquitto that listens on a port of this machine, found by its process and read.

Only a running process counts: a file in /etc may belong to a broker that is not the one behind the port.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

PROCESSES = Path("/proc")
DEFAULT_PORT = 1883
# Without `per_listener_settings true` these hold for all listeners, wherever they stand (mosquitto.conf(5)).
_ACCESS = ("allow_anonymous", "acl_file", "password_file")


@dataclass(slots=True)
class BrokerConf:
    """What a configuration says: per broker, and per listener as (port, its directives)."""

    broker: dict[str, str] = field(default_factory=dict)
    listeners: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    has_plugin: bool = False

    def values(self, directive: str, port: int | None = None) -> list[str | None]:
        """What is set: by each listener on `port`, or by the broker; None where nothing is."""
        is_common = directive in _ACCESS and self.broker.get("per_listener_settings") not in ("true", "1")
        if port is None or is_common:
            return [self.broker.get(directive)]
        return [own.get(directive) for its_port, own in self.listeners if its_port == port]

    def has_listener(self, port: int) -> bool:
        """Whether this broker listens on `port`."""
        return any(its_port == port for its_port, _ in self.listeners)


def fetch_broker_conf(host: str, port: int) -> BrokerConf | None:
    """What the mosquitto behind this address was started with; None when it is elsewhere, or cannot be read."""
    if is_here(host):
        for folder, arguments in _mosquittos():
            try:
                conf = _conf_of(folder, arguments)
            except (OSError, ValueError):
                continue  # not ours to read, or of a container with other files
            if conf.has_listener(port):
                return conf
    return None


def parse_broker_conf(lines: Sequence[tuple[str, str]], *, port: int | None = None) -> BrokerConf:
    """Sort directives into the broker's and its listeners'; `port` is what the command line says.

    Raises
    ------
    ValueError : a port is no number
    """
    conf = BrokerConf()
    default: dict[str, str] = {}
    current = default
    default_port = port
    for directive, value in lines:
        if directive == "listener":
            current = {}
            conf.listeners.append((int(value.split()[0]), current))
        elif directive == "port":
            default_port = int(value)
        current[directive] = conf.broker[directive] = value
        conf.has_plugin |= directive.startswith(("plugin", "auth_plugin", "global_plugin"))
    if default_port is not None or not conf.listeners:
        conf.listeners.append((default_port or DEFAULT_PORT, default))
    return conf


def read_directives(file: Path, folder: Path) -> Iterator[tuple[str, str]]:
    """The directives of a file and of what it includes, in mosquitto's order; its relative paths begin at `folder`.

    Raises
    ------
    OSError : one of the files cannot be read
    """
    for line in (folder / file).read_text("utf-8", "replace").splitlines():
        directive, _, value = line.strip().partition(" ")
        if directive == "include_dir":
            # A folder that cannot be listed must not look empty: iterdir raises, glob does not.
            parts = [part for part in (folder / value.strip()).iterdir() if part.suffix == ".conf"]
            for part in sorted(parts, key=lambda part: part.name.lower()):
                yield from read_directives(part, folder)
        elif directive and not directive.startswith("#"):
            yield directive, value.strip()


def _conf_of(folder: Path, arguments: Sequence[str]) -> BrokerConf:
    options = dict(pairwise(arguments))
    file = options.get("-c") or options.get("--config-file")
    port = options.get("-p") or options.get("--port")
    directives = list(read_directives(Path(file), folder)) if file else []
    return parse_broker_conf(directives, port=int(port) if port else None)


def _mosquittos() -> Iterator[tuple[Path, list[str]]]:
    """The working folder and the arguments of each mosquitto that runs here."""
    for process in PROCESSES.glob("[0-9]*"):
        try:
            program, *arguments = (process / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            continue  # it has just ended
        if Path(program).name == "mosquitto":
            yield process / "cwd", arguments


def is_here(host: str) -> bool:
    """Whether the name is this machine's: only its own addresses can be bound to."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind) as probe:
            probe.bind(address)
    except OSError:
        return False
    return True
