"""Time: the only module that asks the system what time it is.

Every decision receives `now`. A `Clock` is made once, by the entry point, and handed down; the demo's clock
runs faster than the world, so "platform time" is what the clock says and "wall time" is what a person waits.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Platform time, and how long it takes to pass."""

    @property
    def speed(self) -> float:
        """Platform seconds per wall second, > 0."""
        ...

    def now(self) -> datetime:
        """The platform's time, aware, UTC."""
        ...

    def wall_seconds(self, span: timedelta) -> float:
        """How many wall seconds `span` of platform time takes, never negative."""
        ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The world's own clock."""

    speed: float = 1.0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def wall_seconds(self, span: timedelta) -> float:
        return max(0.0, span.total_seconds())


@dataclass(frozen=True, slots=True)
class FastClock:
    """A clock that left the world's at `wall_start` and runs `speed` times faster since.

    Several processes that are given the same three values agree on the time.
    """

    platform_start: datetime
    wall_start: datetime
    speed: float

    def now(self) -> datetime:
        return self.platform_start + (datetime.now(UTC) - self.wall_start) * self.speed

    def wall_seconds(self, span: timedelta) -> float:
        return max(0.0, span.total_seconds() / self.speed)


class ManualClock:
    """A clock that moves only when told to; for tests and simulated runs."""

    def __init__(self, start: datetime) -> None:
        self._now = require_utc(start)
        self.speed = 1.0

    def now(self) -> datetime:
        return self._now

    def wall_seconds(self, span: timedelta) -> float:
        return max(0.0, span.total_seconds())

    def advance(self, span: timedelta) -> datetime:
        """Move on by `span` and return the new time."""
        self._now += span
        return self._now

    def set(self, now: datetime) -> None:
        """Jump to `now`."""
        self._now = require_utc(now)


def require_utc(value: datetime) -> datetime:
    """Return `value` in UTC; a naive time is refused, never guessed."""
    if value.tzinfo is None:
        raise ValueError(f"{value.isoformat()} has no time zone; times must be aware")
    return value.astimezone(UTC)


def taken_as_utc(value: datetime) -> datetime:
    """`value` in UTC, where people are told that a time without a zone is meant so; an offset counts."""
    return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def us_from_instant(at: datetime) -> int:
    """An instant as microseconds since 1970-01-01 UTC."""
    return round(at.timestamp() * 1e6)


def instant_from_us(at_us: int) -> datetime:
    """The instant so many microseconds after 1970-01-01 UTC, to the last of them."""
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).replace(microsecond=at_us % 1_000_000)


def clock_spec(clock: Clock) -> str:
    """Write a clock as one word that another process can read with `clock_from_spec`."""
    if isinstance(clock, FastClock):
        return f"{clock.platform_start.isoformat()}@{clock.wall_start.isoformat()}x{clock.speed:g}"
    return "system"


def clock_from_spec(spec: str) -> Clock:
    """Read what `clock_spec` wrote; `ValueError` when it is something else."""
    if spec in ("", "system"):
        return SystemClock()
    try:
        platform, rest = spec.split("@")
        wall, speed = rest.split("x")
        clock = FastClock(
            platform_start=require_utc(datetime.fromisoformat(platform)),
            wall_start=require_utc(datetime.fromisoformat(wall)),
            speed=float(speed),
        )
    except ValueError as error:
        raise ValueError(f"clock: {spec!r} is neither 'system' nor PLATFORM@WALLxSPEED") from error
    if not 0 < clock.speed <= 100_000:
        raise ValueError(f"clock: speed {clock.speed:g} is not within 0 < speed <= 100000")
    return clock


def uptime_s() -> float:
    """Seconds since some fixed moment of this boot, never going back; for durations and uptimes."""
    return time.monotonic()
