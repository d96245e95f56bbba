"""What alerts needs to know to run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class AlertsConfig:
    """The database, and how often due work is looked at (platform time)."""

    database_url: str
    evaluate_every: timedelta = timedelta(minutes=1)
