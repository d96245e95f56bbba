"""Where database and broker keep what they have, as far as that is on this machine: whose disk must have room."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from ingest.broker_conf import PROCESSES, fetch_broker_conf, is_here
from ingest.db import Connection


def fetch_database_folder(connection: Connection) -> Path | None:
    """The folder that the server's process was started with; its `data_directory` is told to superusers alone.

    None when the server is on another machine or in a container, or its process does not say.
    """
    host = connection.info.host
    if not (host.startswith("/") or is_here(host)):
        return None
    try:
        status = (PROCESSES / str(connection.info.backend_pid) / "stat").read_text("utf-8", "replace")
        server = PROCESSES / status.rpartition(")")[2].split()[1]
        program, *arguments = (server / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
    except OSError:
        return None
    folder = Path(dict(pairwise(arguments)).get("-D", ""))
    return folder if Path(program).name == "postgres" and folder.is_absolute() else None


def fetch_broker_folder(host: str, port: int) -> Path | None:
    """Where the mosquitto behind this address keeps what waits; None as for `fetch_broker_conf`, or when not set."""
    conf = fetch_broker_conf(host, port)
    found = conf and conf.values("persistence_location")[0]
    return Path(found) if found else None
