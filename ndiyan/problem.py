"""One thing that keeps the platform from doing its job, and what cures it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

UNITS = Path("/etc/systemd/system")  # where `ndiyan init` and the guide put ours


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and what cures it."""

    sentence: str
    remedy: str

    def as_dict(self) -> dict[str, str]:
        """For machines."""
        return asdict(self)


def by_systemd(unit: str) -> str | None:
    """How a unit of ours is begun anew and what it says is read, None where it is not installed."""
    template = f"{unit.partition('@')[0]}{'@' if '@' in unit else ''}"
    if not (UNITS / f"{template}.service").exists():
        return None
    return f"systemctl restart {unit}; to see why: journalctl -u {unit} -n 50"
