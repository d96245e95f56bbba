"""The box of a gateway as the pages show it: what its status last told, and what of it needs a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from gateway.timekeeping import ClockSource
from ingest.db import Connection, queries

SQL = queries("web", "box")

STATUS_EVERY = timedelta(hours=1)
STALE_AFTER = 3 * STATUS_EVERY
DISK_LOW_MB = 200  # the outbox takes some 10 MB a month without a link, and thins at 5 MB
MANY_RESTARTS = 6  # within a day: four are those of a person at work
DAYS_SHOWN = 8


class Need(StrEnum):
    """Why a person is to look after a box."""

    DISK = "disk"
    RESTARTS = "restarts"
    REFUSED = "refused"  # readings that it could take neither on disk nor in memory
    TROUBLES = "troubles"
    CLOCK = "clock"
    CONFIG = "config"  # a plan from afar was refused or rolled back


GRAVITY = {Need.DISK: 3, Need.RESTARTS: 3, Need.REFUSED: 3, Need.TROUBLES: 2, Need.CLOCK: 2, Need.CONFIG: 2}


@dataclass(frozen=True, slots=True)
class BoxDay:
    """A day of a box; `restarts` are those since the last status of a day before, None when there is none."""

    day: date
    restarts: int | None
    up_bytes: int | None
    down_bytes: int | None


@dataclass(frozen=True, slots=True)
class Box:
    """A gateway and what it last told of its box at `told_at`; `told` is empty while it has told nothing."""

    gateway_id: str
    state: str | None
    state_at: datetime | None
    software: str | None
    clock_source: str | None
    told: Mapping[str, Any]
    told_at: datetime | None
    days: Sequence[BoxDay]

    def is_stale(self, now: datetime) -> bool:
        """Whether what it told is too old to be how things are."""
        return self.told_at is None or now - self.told_at > STALE_AFTER

    @property
    def restarts_today(self) -> int | None:
        """How often the program started on the day of the last status, as far as that is known."""
        return self.days[0].restarts if self.days else None

    @property
    def needs(self) -> list[Need]:
        """Why a person is to look after it, the gravest first."""
        told, is_there = self.told, self.told.get("disk_free_mb") is not None
        found = {
            Need.DISK: is_there and told["disk_free_mb"] < DISK_LOW_MB,
            Need.RESTARTS: (self.restarts_today or 0) >= MANY_RESTARTS,
            Need.REFUSED: bool(told.get("refused")),
            Need.TROUBLES: bool(told.get("troubles")),
            Need.CLOCK: self.clock_source == ClockSource.UPTIME,
            Need.CONFIG: str(told.get("config", {}).get("says", "")).startswith(("refused", "rolled back")),
        }
        return [need for need in Need if found[need]]


def fetch_boxes(connection: Connection, zone_id: str) -> list[Box]:
    """The boxes of a zone."""
    boxes = []
    for gateway_id, state, state_at, software, clock, told, told_at in connection.execute(
        SQL["boxes"], {"zone": zone_id}
    ).fetchall():
        rows = connection.execute(SQL["days"], {"gateway": gateway_id, "limit": DAYS_SHOWN}).fetchall()
        days = [BoxDay(*row) for row in rows]
        boxes.append(Box(gateway_id, state, state_at, software, clock, told or {}, told_at, days))
    return boxes
