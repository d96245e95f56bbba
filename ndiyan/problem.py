"""One thing that keeps the platform from doing its job, and what cures it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg

UNITS = Path("/etc/systemd/system")  # where `ndiyan init` and the guide put ours
UNDEFINED = ("42P01", "42703", "42704", "42883")  # SQLSTATE of a table, column, type or function that is not there
DISK_FULL = "53100"


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and what cures it."""

    sentence: str
    remedy: str

    def as_dict(self) -> dict[str, str]:
        """For machines."""
        return asdict(self)


def why_no_answer(error: psycopg.Error) -> Problem:
    """What the database's own words mean for whoever asked it something."""
    words = (str(error).splitlines() or [type(error).__name__])[0]
    if error.sqlstate is None and "FATAL" not in words:
        cure = "start it and check database.url (for a demo: make demo)"
        return Problem(f"the database does not answer: {words}", cure)
    if error.sqlstate in UNDEFINED:
        return Problem(f"the database's schema is not this version's: {words}", "ndiyan db migrate")
    if error.sqlstate is None:
        cure = "it runs: check user, password and name in database.url"
    elif error.sqlstate == DISK_FULL:
        cure = "make room on its disk: du -xh --max-depth=2 / | sort -h | tail"
    else:
        cure = "see its own log"
    return Problem(f"the database refused: {words}", cure)


def by_systemd(unit: str) -> str | None:
    """How a unit of ours is begun anew and what it says is read, None where it is not installed."""
    template = f"{unit.partition('@')[0]}{'@' if '@' in unit else ''}"
    if not (UNITS / f"{template}.service").exists():
        return None
    return f"systemctl restart {unit}; to see why: journalctl -u {unit} -n 50"
