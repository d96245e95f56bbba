"""PostgreSQL's own programs (pg_dump, pg_restore): found in the right version, told where to go without a password in
sight."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from ndiyan.children import run
from ndiyan.embedded_postgres import find_binaries
from ndiyan.errors import StartRefused


@dataclass(frozen=True, slots=True)
class Tool:
    """One of the programs, and its major version."""

    path: Path
    major: int


def find_tool(name: str, *, server_major: int) -> Tool:
    """The program `name` of the server's major version, else of the next newer one: an older one refuses to work.

    Raises
    ------
    StartRefused : this machine has none
    """
    newer = [tool for tool in _tools(name) if tool.major >= server_major]
    if not newer:
        raise StartRefused(
            f"no {name} of PostgreSQL {server_major} or newer was found:"
            f" install it (apt-get install postgresql-client-{server_major})"
        )
    return min(newer, key=lambda tool: tool.major)


def address(url: str) -> tuple[str, Mapping[str, str]]:
    """What may stand behind `--dbname`, where everybody can read it, and the environment with the password."""
    known = conninfo_to_dict(url)
    password = known.pop("password", None)
    secret = {} if password is None else {"PGPASSWORD": str(password)}
    return make_conninfo("", **known), {**os.environ, **secret}


def with_database(url: str, name: str) -> str:
    """The same server and user, another database."""
    return make_conninfo(url, dbname=name)


def _tools(name: str) -> Iterator[Tool]:
    for binaries in find_binaries():
        if (binaries.folder / name).exists():
            yield Tool(binaries.folder / name, binaries.major)
    if (on_path := shutil.which(name)) and (found := re.search(r"(\d+)", run([on_path, "--version"]).stdout)):
        yield Tool(Path(on_path), int(found[1]))
