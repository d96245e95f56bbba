"""Who uses a phone."""

from __future__ import annotations

from typing import NamedTuple


class Person(NamedTuple):
    """Who uses a phone, in one committee."""

    contact_id: int
    name: str
    role: str
    language: str
    zone_id: str
    zone_name: str
    tap: str | None = None  # which a fontainier looks after

    @property
    def who(self) -> str:
        """As the alert's story names them."""
        return f"{self.name} ({self.role})"
