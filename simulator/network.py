"""What 2G and a cheap box do to messages: gaps, bursts, repeats, overtaking, no credit, reboots, clocks that lie.

Decisions only, pure and seeded: what happens to a zone on a day depends on the seed, the zone and the day alone.
`simulator.rough_link` lets them happen to the bytes on the way, `simulator.feed` to the gateway's box, so the real
outbox, uplink, broker and ingest see them. Times are in s since 1970-01-01 UTC, of the platform's clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache

import numpy as np

from simulator.sun import day_rng, zone_seed
from simulator.tables import Range, Table

DAY_S = 86_400.0
GAPS, REBOOTS, BROKER = 11, 12, 13  # purposes of a day's chance
EVERY_ZONE = "every"


class Trouble(StrEnum):
    """What a story can foresee."""

    NO_NETWORK = "no_network"  # the mast is down
    NO_CREDIT = "no_credit"  # the SIM's bundle has run out, until somebody pays
    REBOOT = "reboot"
    BROKER_RESTART = "broker_restart"
    CLOCK_1970 = "clock_1970"
    CLOCK_JUMP = "clock_jump"
    CLOCK_DRIFT = "clock_drift"


CUTS = (Trouble.NO_NETWORK, Trouble.NO_CREDIT)
CLOCKS = (Trouble.CLOCK_1970, Trouble.CLOCK_JUMP, Trouble.CLOCK_DRIFT)


class Fate(StrEnum):
    """What becomes of one message on its way to the broker."""

    ARRIVES = "arrives"
    TWICE = "twice"
    OVERTAKEN = "overtaken"  # by the message behind it
    LOST = "lost"  # with the connection on which it was


@dataclass(frozen=True, slots=True)
class NetworkEvent:
    """Something that happens to a zone (or `every`) at `begins_after` T0 and lasts.

    `seconds` is how far a clock jumps, or how far a drifting one goes in a day; positive is ahead.
    """

    what: Trouble
    zone: str
    begins_after: timedelta
    lasts: timedelta
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Network:
    """How bad it is on an ordinary day; shares are of messages, `(least, greatest)` are drawn from evenly."""

    gaps_per_day: float = 0.0
    gap_minutes: Range = (1.0, 20.0)
    twice: float = 0.0
    overtaken: float = 0.0
    lost: float = 0.0
    reboots_per_day: float = 0.0
    off_minutes: Range = (1.0, 5.0)
    clockless_minutes: Range = (0.0, 0.0)  # after a reboot, until the time is known again
    broker_restarts_per_day: float = 0.0
    events: tuple[NetworkEvent, ...] = ()

    @property
    def is_rough(self) -> bool:
        """Whether anything is done to bytes on their way."""
        on_the_way = (self.gaps_per_day, self.twice, self.overtaken, self.lost, self.broker_restarts_per_day)
        return any(on_the_way) or any(event.what in (*CUTS, Trouble.BROKER_RESTART) for event in self.events)


@dataclass(frozen=True, slots=True)
class Interval:
    """A time [start_s, end_s)."""

    start_s: float
    end_s: float

    def holds(self, t_s: float) -> bool:
        """Whether `t_s` is in it."""
        return self.start_s <= t_s < self.end_s


@dataclass(frozen=True, slots=True)
class Reboot:
    """A box that is off from `off_s` to `on_s`, and whose clock says 1970 until `clock_s`."""

    off_s: float
    on_s: float
    clock_s: float


class NetworkPlan:
    """What a network does in a run whose T0 is `start_s`."""

    def __init__(self, network: Network, *, seed: int, start_s: float) -> None:
        self.network, self._seed, self._start_s = network, seed, start_s

    def is_cut(self, zone_id: str, t_s: float) -> bool:
        """Whether nothing passes between this zone and the broker."""
        return any(gap.holds(t_s) for gap in self.gaps(zone_id, t_s))

    def gaps(self, zone_id: str, t_s: float) -> Iterator[Interval]:
        """The times without a link on the day of `t_s` and the day before, in no order."""
        for event in self._events(zone_id, CUTS):
            yield self._interval(event)
        for day in _days_around(t_s):
            for start_s, length_s, _ in _drawn(
                self._seed, zone_id, day, GAPS, self.network.gaps_per_day, self.network.gap_minutes
            ):
                yield Interval(start_s, start_s + length_s)

    def reboots(self, zone_id: str, t_s: float) -> list[Reboot]:
        """The reboots of the day of `t_s` and the day before, in order; a box that is off cannot reboot."""
        network, found = self.network, []
        for event in self._events(zone_id, (Trouble.REBOOT,)):
            span = self._interval(event)
            found.append(Reboot(span.start_s, span.end_s, span.end_s + network.clockless_minutes[0] * 60))
        for day in _days_around(t_s):
            for start_s, off_s, share in _drawn(
                self._seed, zone_id, day, REBOOTS, network.reboots_per_day, network.off_minutes
            ):
                least, most = network.clockless_minutes
                on_s = start_s + off_s
                found.append(Reboot(start_s, on_s, on_s + 60 * (least + share * (most - least))))
        kept: list[Reboot] = []
        for reboot in sorted(found, key=lambda one: one.off_s):
            if not kept or reboot.off_s >= kept[-1].on_s:
                kept.append(reboot)
        return kept

    def last_reboot(self, zone_id: str, t_s: float) -> Reboot | None:
        """The reboot that began last at or before `t_s`, of that day or the day before."""
        return next((one for one in reversed(self.reboots(zone_id, t_s)) if one.off_s <= t_s), None)

    def clock_offset_s(self, zone_id: str, t_s: float, *, booted_s: float) -> float:
        """How far the clock of this zone's box is ahead of the truth [s]; it came up at `booted_s`."""
        last = self.last_reboot(zone_id, t_s)
        if last is not None and last.on_s <= t_s < last.clock_s:
            return -booted_s  # it began to count at the epoch
        offset_s = 0.0
        for event in self._events(zone_id, CLOCKS):
            span = self._interval(event)
            if not span.holds(t_s):
                continue
            if event.what is Trouble.CLOCK_1970:
                return -span.start_s
            gone = (t_s - span.start_s) / DAY_S if event.what is Trouble.CLOCK_DRIFT else 1.0
            offset_s += event.seconds * gone
        return offset_s

    def broker_restarts(self, t_s: float) -> list[float]:
        """When the broker restarts on the day of `t_s` and the day before, in order."""
        found = [self._interval(event).start_s for event in self._events(EVERY_ZONE, (Trouble.BROKER_RESTART,))]
        for day in _days_around(t_s):
            drawn = _drawn(self._seed, "broker", day, BROKER, self.network.broker_restarts_per_day, (1.0, 1.0))
            found += [start_s for start_s, _, _ in drawn]
        return sorted(found)

    def fate(self, gateway_id: str, number: int) -> Fate:
        """What becomes of the message `number` that this gateway sends."""
        network = self.network
        chance = zone_seed(f"{gateway_id}/{number}", self._seed) / 2**64
        for fate, share in (
            (Fate.TWICE, network.twice), (Fate.OVERTAKEN, network.overtaken), (Fate.LOST, network.lost),
        ):  # fmt: skip
            if chance < share:
                return fate
            chance -= share
        return Fate.ARRIVES

    def _events(self, zone_id: str, kinds: tuple[Trouble, ...]) -> Iterator[NetworkEvent]:
        for event in self.network.events:
            if event.what in kinds and event.zone in (zone_id, EVERY_ZONE):
                yield event

    def _interval(self, event: NetworkEvent) -> Interval:
        start_s = self._start_s + event.begins_after.total_seconds()
        return Interval(start_s, start_s + event.lasts.total_seconds())


def read_network(table: Table, *, is_dated: bool) -> Network:
    """The table `network` of a scenario; `is_dated` when the file names its start.

    Raises
    ------
    ScenarioError : a wrong key or value
    """
    shares = {key: table.number(key, 0, 0.5, 0.0) for key in ("twice", "overtaken", "lost")}
    network = Network(
        gaps_per_day=table.number("gaps_per_day", 0, 200, 0.0),
        gap_minutes=table.span("gap_minutes", 0.1, 1440, (1.0, 20.0)),
        **shares,
        reboots_per_day=table.number("reboots_per_day", 0, 24, 0.0),
        off_minutes=table.span("off_minutes", 1, 600, (1.0, 5.0)),
        clockless_minutes=table.span("clockless_minutes", 0, 1440, (0.0, 0.0)),
        broker_restarts_per_day=table.number("broker_restarts_per_day", 0, 24, 0.0),
        events=tuple(_event(one, is_dated) for one in table.tables("event")),
    )
    if sum(shares.values()) > 0.9:
        raise table.error("lost", f"twice, overtaken and lost together are {sum(shares.values()):g}, above 0.9")
    table.done()
    return network


def begins_after(table: Table, *, is_dated: bool) -> timedelta:
    """`days` after T0, and either `minutes` more or, in a file that names its `start`, `at` a time of the day."""
    days, minutes = table.number("days", -400, 400, 0.0), table.maybe("minutes", -1440, 100_000)
    at = table.clock_time("at")
    if at is not None:
        if not is_dated:
            raise table.error("at", "tells nothing in a file without start: use minutes after T0")
        if minutes is not None:
            raise table.error("at", "stands beside minutes: only one of them tells when")
        if days != int(days):
            raise table.error("days", f"{days:g} is not a whole number, and at tells the time of the day")
        minutes = at.hour * 60 + at.minute + at.second / 60
    return timedelta(days=days, minutes=minutes or 0.0)


def _event(table: Table, is_dated: bool) -> NetworkEvent:
    what = Trouble(table.choice("what", list(Trouble)))
    zone = table.get("zone")
    zone = EVERY_ZONE if zone is None else zone
    if not isinstance(zone, str):
        raise table.error("zone", f"{zone!r} is not a zone's id")
    if what is Trouble.BROKER_RESTART and zone != EVERY_ZONE:
        raise table.error("zone", f"{zone!r} has no broker of its own")
    moves = what in (Trouble.CLOCK_JUMP, Trouble.CLOCK_DRIFT)
    event = NetworkEvent(
        what,
        zone,
        begins_after(table, is_dated=is_dated),
        timedelta(hours=table.number("hours", 0.01, 10_000, 0.1 if what is Trouble.REBOOT else 1.0)),
        table.number("seconds", -400 * DAY_S, 400 * DAY_S) if moves else 0.0,
    )
    table.done()
    return event


def _days_around(t_s: float) -> tuple[date, date]:
    today = datetime.fromtimestamp(t_s, UTC).date()
    return today - timedelta(days=1), today


@lru_cache(maxsize=4096)
def _drawn(
    seed: int, zone_id: str, day: date, purpose: int, per_day: float, minutes: Range
) -> tuple[tuple[float, float, float], ...]:
    """Beginning [s], length [s] and a share in 0..1, of so many things a day as chance gives."""
    if not per_day:
        return ()
    rng = day_rng(zone_seed(zone_id, seed), day, purpose)
    count = rng.poisson(per_day)
    midnight_s = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
    starts_s = midnight_s + np.sort(rng.uniform(0, DAY_S, count))
    lengths_s, shares = 60 * rng.uniform(*minutes, count), rng.uniform(0, 1, count)
    return tuple(zip(starts_s.tolist(), lengths_s.tolist(), shares.tolist(), strict=True))
