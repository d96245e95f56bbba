"""What Ndiyan changes: the same zones, faults and people, once without it and once with it, day by day.

With it, the whole loop runs by itself on a real database: readings are stored, the real detectors judge them, the real
ladder tells simulated people, who read, answer (sometimes wrongly) and send for the repairer; sensors close the alert.
Without it, somebody calls the repairer when taps have been dry for long enough. Everything else is equal: once a
trouble is known the same repairer needs the same time, he mends whatever is broken when he comes, and he makes the
same rounds. So all that is compared is *when people know*.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Protocol
from uuid import UUID

import numpy as np
from rich.console import Console

from alerts.carriers.phone import PhoneCarrier
from alerts.climbing import climb
from alerts.evaluate import Evaluator
from alerts.sender import Sender
from gateway.clock import ManualClock
from gateway.model import Flag
from gateway.zones import Zone
from ingest.columns import Columns
from ingest.db import Connection, connect, migrate, queries
from ingest.registry import channel_ids, import_zones
from ingest.writer import ReadingWriter
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account
from ndiyan.progress import Steps
from simulator.faults import Broken
from simulator.lives import Lives
from simulator.people import Committee, People
from simulator.scenarios import Scenario, load_scenario
from simulator.sensors import Measured

SQL = queries("ndiyan", "outcome")
TICK_MIN = 60  # the service judges every minute; detectors want an hour of evidence and more, so little is lost
JUST_MENDED = timedelta(days=2)  # a call without a fault so soon after a repair is an answer that came late
SHOWN_AFTER = timedelta(seconds=30)  # a phone shows what was sent
UNDERWAY_US = 10_000_000
FIRST_DAY = date(2026, 2, 1)
FETCHING_H = 14.0  # hours of a day in which people fetch water; a day without water has as many dry ones


@dataclass
class Trouble:
    """A fault of a run and what became of it."""

    broken: Broken
    known_at: datetime | None = None
    comes_at: datetime | None = None  # the repairer, who has been called
    mended_at: datetime | None = None
    is_known: bool = False

    @property
    def name(self) -> str:
        """The same in both worlds."""
        return f"{self.broken.fault}@{self.broken.start_s:.0f}"


class Ears(Protocol):
    """How people come to know, beside what they see themselves."""

    def hear(self, readings: list[Measured], now: datetime) -> list[tuple[str, datetime]]:
        """The zones that sent for the repairer since the last call, and when."""
        ...


class NoEars:
    """Nobody tells anybody anything."""

    def hear(self, readings: list[Measured], now: datetime) -> list[tuple[str, datetime]]:
        """Nothing."""
        return []


@dataclass
class World:
    """One way in which the time goes by.

    `dry_h` (n,) counts the hours of fetching time in which a zone's taps were dry.
    """

    zones: Sequence[Zone]
    troubles: list[Trouble]
    people: People
    start: datetime
    dry_h: list[float] = field(default_factory=list)
    calls: int = 0
    calls_too_late: int = 0
    calls_in_vain: int = 0

    def run(self, *, days: int, seed: int, ears: Ears, told: Callable[[int], None]) -> None:
        """Let it go by; `told` hears of every day that is over."""
        lives = Lives(self.zones, start=self.start, seed=seed)
        dry_h = np.zeros(len(self.zones))
        since: dict[str, datetime | None] = {zone.zone_id: None for zone in self.zones}
        for tick in range(days * 24 * 60 // TICK_MIN):
            now = self.start + timedelta(minutes=TICK_MIN * (tick + 1))
            piece = lives.live(TICK_MIN, self._acting(now))
            dry_h += piece.dry_min / 60
            for zone, dry_min in zip(self.zones, piece.dry_min, strict=True):
                if piece.fetching_min:
                    is_dry = dry_min > piece.fetching_min / 2
                    since[zone.zone_id] = (since[zone.zone_id] or now) if is_dry else None
                self._notice(zone.zone_id, since[zone.zone_id], now)
            for zone_id, at in ears.hear(piece.readings, now):
                self._call(zone_id, at)
            self._repair(now)
            if now.hour == 0 and now.minute == 0:
                told((now - self.start).days)
        self.dry_h = dry_h.tolist()

    def _acting(self, now: datetime) -> list[Broken]:
        """What is broken in the tick that ends at `now`; it ends when it is mended, never by itself."""
        begun = [one for one in self.troubles if one.broken.start_s < now.timestamp() and one.mended_at is None]
        return [one.broken for one in begun]

    def _open(self, zone_id: str, now: datetime) -> list[Trouble]:
        return [
            one
            for one in self.troubles
            if one.broken.zone == zone_id and one.broken.start_s < now.timestamp() and one.mended_at is None
        ]

    def _notice(self, zone_id: str, dry_since: datetime | None, now: datetime) -> None:
        """People see for themselves that there is no water."""
        if dry_since is None:
            return
        for one in self._open(zone_id, now):
            if not one.is_known and now - dry_since >= self.people.notices_after(one.name, zone_id=zone_id):
                self._know(one, now)

    def _call(self, zone_id: str, at: datetime) -> None:
        found = self._open(zone_id, at)
        self.calls += 1
        if not found:
            mended = [
                one.mended_at for one in self.troubles if one.broken.zone == zone_id and one.mended_at is not None
            ]
            is_late = any(at - one <= JUST_MENDED for one in mended)
            self.calls_too_late += is_late
            self.calls_in_vain += not is_late
        for one in found:
            if not one.is_known:
                self._know(one, at)

    def _know(self, one: Trouble, at: datetime) -> None:
        one.is_known, one.known_at = True, at
        one.comes_at = self.people.mended_at(one.name, zone_id=one.broken.zone, known_at=at)

    def _repair(self, now: datetime) -> None:
        """Whoever comes mends all that is broken in the zone."""
        for number, zone in enumerate(self.zones):
            found = self._open(zone.zone_id, now)
            every = self.people.committee.round_days
            offset = every * (number + 1) / len(self.zones)
            days = (now - self.start) / timedelta(days=1) - offset
            is_round = days >= 0 and days % every < TICK_MIN / 1440
            if is_round or any(one.comes_at is not None and one.comes_at <= now for one in found):
                for one in found:
                    one.mended_at = now


class NdiyanEars:
    """The real detectors, ladder and on-screen phones on a database, and people who hold these phones."""

    def __init__(self, connection: Connection, zones: Sequence[Zone], people: People, clock: ManualClock) -> None:
        self._connection, self._people, self._clock = connection, people, clock
        self._ids, self._writer = channel_ids(connection), ReadingWriter(connection)
        self._evaluator = Evaluator(connection, every=timedelta(minutes=TICK_MIN))
        self._sender = Sender(connection, {"phone": PhoneCarrier(connection, clock)}, clock)
        self._zone_of = {contact.phone: zone.zone_id for zone in zones for contact in zone.committee}
        self._due: list[tuple[datetime, str, str]] = []
        self._shown: set[UUID] = set()
        self._acknowledged: set[int] = set()

    def hear(self, readings: list[Measured], now: datetime) -> list[tuple[str, datetime]]:
        """Store, judge, tell; let people read and answer; then who was sent for."""
        self._clock.set(now)
        if readings:
            self._writer.write(_columns(readings, self._ids))
        due = sorted(one for one in self._due if one[0] <= now)
        self._due = [one for one in self._due if one[0] > now]
        for at, phone, text in due:
            self._connection.execute(SQL["reply"], {"phone": phone, "text": text, "now": at})
        self._evaluator.work(now)
        climb(self._connection, now)
        self._sender.work()
        self._clock.set(now + SHOWN_AFTER)
        self._sender.work()
        self._read()
        return self._newly_acknowledged()

    def _read(self) -> None:
        """Phones have shown messages: people will read them, and some will answer."""
        for ref, phone, shown_at in self._connection.execute(SQL["shown"]).fetchall():
            if ref in self._shown:
                continue
            self._shown.add(ref)
            answer = self._people.responds(
                f"{phone}/{len(self._shown)}", zone_id=self._zone_of[phone], shown_at=shown_at
            )  # fmt: skip
            if answer.text is not None:
                self._due.append((answer.read_at, phone, answer.text))

    def _newly_acknowledged(self) -> list[tuple[str, datetime]]:
        called = []
        for alert_id, zone_id, at in self._connection.execute(SQL["acknowledged"]).fetchall():
            if alert_id not in self._acknowledged:
                self._acknowledged.add(alert_id)
                called.append((zone_id, at))
        return called


@dataclass(frozen=True, slots=True)
class Figures:
    """What one world came to."""

    faults: int
    mended: int
    known: int
    hours_until_known: float  # median of those that became known
    hours_until_mended: float  # median of those that were mended
    dry_hours: float
    days_without_water: float  # of one zone, summed over the zones
    person_days_without_water: float
    calls: int
    calls_too_late: int
    calls_in_vain: int
    alerts: int = 0
    closed_by_sensors: int = 0
    sms: int = 0
    sms_per_zone_week: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """Both worlds, and what was assumed."""

    scenario: str
    zones: int
    days: int
    seed: int
    committee: Committee
    without: Figures
    with_ndiyan: Figures

    def as_json(self) -> dict[str, object]:
        """For machines."""
        return asdict(self)

    def __str__(self) -> str:
        rows = [
            ("faults", "faults", "{:.0f}"),
            ("… that became known", "known", "{:.0f}"), ("… mended", "mended", "{:.0f}"),
            ("hours until known (median)", "hours_until_known", "{:.1f}"),
            ("hours until mended (median)", "hours_until_mended", "{:.1f}"),
            ("hours of dry taps, all zones", "dry_hours", "{:.0f}"),
            ("days without water, all zones", "days_without_water", "{:.1f}"),
            ("person-days without water", "person_days_without_water", "{:,.0f}"),
            ("the repairer was sent for", "calls", "{:.0f}"), ("… just after a repair", "calls_too_late", "{:.0f}"),
            ("… and nothing was broken", "calls_in_vain", "{:.0f}"),
            ("alerts", "alerts", "{:.0f}"), ("… closed by the sensors", "closed_by_sensors", "{:.0f}"),
            ("SMS per zone and week", "sms_per_zone_week", "{:.1f}"),
        ]  # fmt: skip
        lines = [f"{self.zones} zones, {self.days} days, scenario {self.scenario}, seed {self.seed}", ""]
        lines.append(f"{'':34}{'without':>12}{'with Ndiyan':>14}")
        for words, name, form in rows:
            one, other = (form.format(getattr(world, name)) for world in (self.without, self.with_ndiyan))
            lines.append(f"{words:34}{one:>12}{other:>14}")
        return "\n".join([*lines, "", *self._assumptions()])

    def _assumptions(self) -> Iterator[str]:
        c = self.committee
        yield "Assumed, not measured (the scenario's [committee] can say otherwise):"
        yield f"  an SMS is read after {_range(c.reads_minutes)} min by day; {c.answers:.0%} are answered,"
        yield f"  {c.wrong:.0%} of the answers say something else; an acknowledgement sends for the repairer;"
        yield f"  {c.repairs:.0%} of what is known is mended after {_range(c.repair_hours)} h, in both worlds;"
        yield f"  in both, somebody calls by himself when taps have been dry for {_range(c.notices_hours)} h;"
        yield f"  a repairer comes by every {c.round_days:g} days and mends all that is broken whenever he comes;"
        yield f"  a day without water is {FETCHING_H:g} h (06:00 to 20:00) in which taps give less than half."


def compare(
    zones: Sequence[Zone],
    *,
    scenario: Scenario,
    days: int,
    seed: int,
    connection: Connection,
    told: Callable[[int], None] = lambda _: None,
) -> Outcome:
    """Live through `days` twice; `connection` leads to an empty, migrated database. `told` hears of days, of 2·days."""
    first = scenario.start or FIRST_DAY
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    people = People(scenario.committee, seed=seed)
    broken = scenario.broken(zones, start, until=start + timedelta(days=days), seed=seed)
    inside = [one for one in broken if one.start_s >= start.timestamp()]
    worlds = []
    for number in range(2):
        troubles = [Trouble(replace(one, end_s=None)) for one in inside]
        world = World(zones, troubles, people, start)
        ears: Ears = NoEars()
        if number == 1:
            import_zones(connection, zones)
            ears = NdiyanEars(connection, zones, people, ManualClock(start))
        world.run(days=days, seed=seed, ears=ears, told=_after(number * days, told))
        worlds.append(world)
    without, with_it = (_figures(world) for world in worlds)
    alerts, closed, sms = connection.execute(SQL["counts"]).fetchone() or (0, 0, 0)
    with_it = replace(
        with_it, alerts=alerts, closed_by_sensors=closed, sms=sms, sms_per_zone_week=7 * sms / days / len(zones)
    )
    return Outcome(scenario.name, len(zones), days, seed, scenario.committee, without, with_it)


def run_outcome(zones: Sequence[Zone], *, scenario: str, days: int | None, seed: int) -> Outcome:
    """`compare` on a database of its own, with a progress bar."""
    story = load_scenario(scenario)
    length = days or story.days
    steps = Steps(Console(stderr=True, highlight=False))
    with own_database() as connection, steps.bar(f"{length} days, without and with Ndiyan", unit="days") as progress:
        return compare(
            zones, scenario=story, days=length, seed=seed, connection=connection,
            told=lambda day: progress(day, 2 * length),
        )  # fmt: skip


@contextmanager
def own_database() -> Iterator[Connection]:
    """A connection to a database that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="ndiyan-outcome-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        server = EmbeddedPostgres(
            folder, secret_file=folder / "secrets" / "postgres", log=folder / "logs" / "postgres.log",
            account=postgres_account(),
        )  # fmt: skip
        server.start()
        try:
            with connect(server.url()) as connection:
                migrate(connection)
                connection.execute("SET synchronous_commit = off")  # it will not live long enough to be cut short
                yield connection
        finally:
            server.stop()


def _columns(readings: Sequence[Measured], ids: dict[tuple[str, str, str], int]) -> Columns:
    counts = [len(one.value) for one in readings]
    measured_us = np.round(np.concatenate([one.t_s for one in readings]) * 1e6).astype(np.int64)
    numbers = np.array([ids[one.zone_id, one.asset, one.channel] for one in readings], dtype=np.int32)
    return Columns(
        channel_id=np.repeat(numbers, counts),
        measured_us=measured_us,
        received_us=measured_us + UNDERWAY_US,
        value=np.concatenate([one.value for one in readings]),
        flag=np.full(len(measured_us), Flag.GOOD, dtype=np.int16),
    )


def _figures(world: World) -> Figures:
    known = [_hours(one.broken, one.known_at) for one in world.troubles if one.known_at is not None]
    mended = [_hours(one.broken, one.mended_at) for one in world.troubles if one.mended_at is not None]
    dry_days = np.array(world.dry_h) / FETCHING_H
    return Figures(
        faults=len(world.troubles), mended=len(mended), known=len(known),
        hours_until_known=median(known) if known else float("nan"),
        hours_until_mended=median(mended) if mended else float("nan"),
        dry_hours=sum(world.dry_h), days_without_water=float(dry_days.sum()),
        person_days_without_water=float(dry_days @ np.array([zone.people for zone in world.zones])),
        calls=world.calls, calls_too_late=world.calls_too_late, calls_in_vain=world.calls_in_vain,
    )  # fmt: skip


def _hours(broken: Broken, until: datetime) -> float:
    return (until.timestamp() - broken.start_s) / 3600


def _after(days: int, told: Callable[[int], None]) -> Callable[[int], None]:
    return lambda day: told(days + day)


def _range(pair: tuple[float, float]) -> str:
    return f"{pair[0]:g} to {pair[1]:g}"
