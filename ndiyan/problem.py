"""One thing that keeps the platform from doing its job, and what cures it."""

from __future__ import annotations

from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and what cures it."""

    sentence: str
    remedy: str

    def as_dict(self) -> dict[str, str]:
        """For machines."""
        return asdict(self)
