"""A small Ndiyan whose parts are killed, frozen and emptied on purpose while an oracle outside of it looks on.

Three gateways and a foreign sensor, a broker, ingest and a database as real processes on loopback. What happens to
them is drawn from shuffled decks: seeded, and yet of everything something after some twenty cycles.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from psycopg import sql

from gateway.zones import Zone
from ingest.claims import fetch_claims, worker_of
from ingest.db import Connection, connect, migrate
from ingest.registry import import_zones
from ndiyan.children import spawn
from ndiyan.embedded_broker import EmbeddedBroker
from ndiyan.embedded_postgres import EmbeddedPostgres
from tests.scenarios.field_gateway import BACKLOG_SPEED
from tests.scenarios.field_sensor import POISON
from tests.scenarios.oracle import Finding, Kind, Oracle, Tally
from tests.surroundings import environment

VICTIMS = ("ingest", "broker", "database", "gateway")
GATEWAYS = 3
WORKERS = 3
SETTLE_EVERY = 10  # cycles
QUIET_S = (0.1, 0.5)  # between two acts
AWAY_S = (0.0, 0.3)  # what is killed stays away so long, and as long as it needs to start
APART_S = (0.0, 1.5)  # of two victims one comes back so much later
FREEZE_S = (0.3, 2.0)
ENDS_WITHIN_S = 60.0
RENAME_S = (0.3, 1.0)
ABSENCE_S = (3.5, 4.5)  # of ingest: more waits at the broker then than it keeps by default
REFUSE_POISON = f"""
CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'this value is refused' USING ERRCODE = '54000'; END $$;
CREATE TRIGGER refuse_poison BEFORE INSERT ON reading FOR EACH ROW WHEN (NEW.value = {POISON})
    EXECUTE FUNCTION refuse_poison();
"""
T = TypeVar("T")


class Load(NamedTuple):
    """What comes in: of each gateway, of the sensor, and how many times faster than time the backlog passes."""

    gateway_per_s: float = 80.0
    sensor_per_s: float = 300.0
    backlog_speed: int = BACKLOG_SPEED


class Act(StrEnum):
    """What can be done to a victim."""

    KILL = "kill"  # kill -9; what is killed is started again
    WIPE = "wipe"  # the broker, and its store is deleted
    FREEZE = "freeze"
    DOUBLE = "double"  # two at once: both killed, or one frozen meanwhile
    RESTART = "restart"  # ingest, asked to end by SIGTERM
    RENAME = "rename"  # a column of the table of readings, for a moment
    ABSENCE = "absence"  # ingest, for seconds


ACTS = 10 * (Act.KILL,) + 4 * (Act.FREEZE,) + 4 * (Act.DOUBLE,) + (Act.RESTART, Act.RENAME, Act.ABSENCE)

FIXED = {Act.RENAME: ("database",), Act.ABSENCE: ("ingest",), Act.RESTART: ("ingest",)}


class Deed(NamedTuple):
    """One act and its victims; `wipes` when the broker is among them and its store is deleted."""

    act: Act
    victims: tuple[str, ...]
    wipes: bool

    def __str__(self) -> str:
        return f"{self.act} {'+'.join(sorted(self.victims))}{', wiped' if self.wipes else ''}"


@dataclass
class Report:
    """What a run came to; without findings nothing was lost, stored twice or wrong in the account.

    `ended_by_itself` holds the last words of a service whenever it ended without having been told; it is started again,
    as by a supervisor.
    """

    cycles: int = 0
    deeds: Counter[Deed] = field(default_factory=Counter)
    ended_by_itself: list[str] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    tally: Tally | None = None


def deeds(dice: random.Random, among: Sequence[str] = VICTIMS) -> Iterator[Deed]:
    """For ever."""
    acts, singles = shuffled(dice, ACTS), shuffled(dice, [(victim,) for victim in among])
    pairs = shuffled(dice, list(itertools.combinations(among, 2)))
    wipes = shuffled(dice, [True] + 9 * [False])
    for act in acts:
        if act in FIXED:
            yield Deed(act, FIXED[act], False)
            continue
        victims = next(pairs if act is Act.DOUBLE else singles)
        is_wiped = act is not Act.FREEZE and "broker" in victims and next(wipes)
        yield Deed(Act.WIPE if is_wiped and act is Act.KILL else act, victims, is_wiped)


class WatchedBroker(EmbeddedBroker):
    """A broker that logs everything, so that the oracle sees what was sent to whom and confirmed by whom."""

    def _write_files(self) -> None:
        super()._write_files()
        with (self.folder / "mosquitto.conf").open("a") as file:
            file.write("log_type debug\n")


class Village:
    """The processes; `program` makes the arguments of Python for a child, so that a test can plant a defect in it.

    `database` is made on the server when it is not there, and is of this village alone. The gateways' outboxes lie in
    `outboxes`, else in `folder`, where the diaries always are. Of `services` each is started again when it ends by
    itself.
    """

    victims: Sequence[str] = VICTIMS
    uploads: Zone | None = None
    since: datetime | None = None
    services: Sequence[str] = ("ingest",)
    load = Load()

    def __init__(
        self,
        folder: Path,
        zones: Sequence[Zone],
        postgres: EmbeddedPostgres,
        broker: WatchedBroker,
        *,
        database: str = "ndiyan",
        outboxes: Path | None = None,
        program: Callable[[str], list[str]] = lambda module: ["-m", module],
    ) -> None:
        self.folder, self.postgres, self.broker = folder, postgres, broker
        self.outboxes = outboxes or folder
        self.gateways, self.sensor = zones[:GATEWAYS], zones[GATEWAYS]
        self.broker_up_ms = 0
        self.ended_by_itself: list[str] = []
        self.is_drained = False
        self._database, self._program = database, program
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def url(self) -> str:
        """The address of the village's database."""
        return self.postgres.url(self._database)

    def start(self) -> None:
        """Bring everything up; the database is migrated, knows the zones and refuses one value."""
        if self.postgres.poll() is not None:
            self.postgres.start()
        with connect(self.postgres.url("postgres")) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [self._database]).fetchone():
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(self._database)))
        with connect(self.url) as connection:
            migrate(connection)
            import_zones(connection, self.known_zones)
            self._live_through(connection)
            connection.execute(REFUSE_POISON)
        for name in ("broker", *self.services, *(f"gateway-{number}" for number in range(len(self.gateways)))):
            self._bring_up(name)
        self._start_sender("sensor", "field_sensor", self.sensor, self.load.sensor_per_s)

    @property
    def workers(self) -> int:
        """How many workers of ingest there are."""
        return sum(service.startswith("ingest") for service in self.services)

    @property
    def known_zones(self) -> list[Zone]:
        """The zones in the database."""
        return [*self.gateways, self.sensor]

    def do(self, deed: Deed, dice: random.Random) -> list[Finding]:
        """Do it; on return everything has been started again. Says what did not end when it was asked to."""
        names = [
            name if name != "gateway" else f"gateway-{dice.randrange(len(self.gateways))}" for name in deed.victims
        ]
        if deed.act is Act.RENAME:
            self._rename_column(dice.uniform(*RENAME_S))
        elif deed.act is Act.RESTART:
            return self._restart_ingest()
        elif deed.act is Act.ABSENCE:
            self._strike(names, [], away_s=dice.uniform(*ABSENCE_S))
        elif deed.act is Act.FREEZE:
            self._strike([], names, away_s=dice.uniform(*FREEZE_S))
        else:
            dice.shuffle(names)
            frozen = [names.pop()] if deed.act is Act.DOUBLE and not deed.wipes and dice.random() < 0.3 else []
            apart_s = dice.uniform(*APART_S) if deed.act is Act.DOUBLE else 0.0
            self._strike(names, frozen, away_s=dice.uniform(*AWAY_S), apart_s=apart_s, wipes=deed.wipes)
        return []

    def tend(self) -> None:
        """Start a service again when it ended by itself, as a supervisor would; nobody else may end."""
        for name, child in list(self._children.items()):
            if child.poll() is not None and not (child.returncode == 0 and self.is_drained):
                assert name in self.services, f"{name} ended with {child.returncode}: {self.log(name)}"
                self._service_ended(name, child.returncode)

    def drain(self, *, within_s: float) -> list[Finding]:
        """Stop measuring and wait until every gateway has emptied its outbox and all senders have ended."""
        self.is_drained = True
        (self.folder / "stop").touch()
        senders = {name: child for name, child in self._children.items() if name not in self.services}
        end = time.monotonic() + within_s
        while any(child.poll() is None for child in senders.values()) and time.monotonic() < end:
            for name in self.services:
                if (code := self._children[name].poll()) is not None:
                    self._service_ended(name, code)
            time.sleep(0.05)
        return [
            Finding(Kind.STUCK, f"{name} has {child.poll()} for an end after {within_s:g} s: {self.log(name)}")
            for name, child in senders.items()
            if child.poll() != 0
        ]

    def stop(self) -> None:
        """End everything but the database's server."""
        for name in list(self._children):
            self._take_down(name)
        self.broker.stop()

    def log(self, name: str) -> str:
        """The last lines that a child wrote."""
        return (self.folder / f"{name}.log").read_text("utf-8", "replace")[-2000:]

    def _service_ended(self, name: str, code: int) -> None:
        """Note its last line and start it again."""
        self.ended_by_itself.append(f"{name} {code}: {(self.log(name).splitlines() or [''])[-1]}")
        self._bring_up(name)

    def _strike(
        self, killed: list[str], frozen: list[str], *, away_s: float, apart_s: float = 0.0, wipes: bool = False
    ) -> None:
        """Freeze some and kill others, and after a moment bring these back one by one and let those go on."""
        cold = [pid for name in frozen for pid in freeze(self.pid(name))]
        try:
            for name in killed:
                self._take_down(name)
            if wipes:
                for store in self.broker.folder.glob("mosquitto.db*"):
                    store.unlink()
            time.sleep(away_s)
            for name in reversed(killed):
                self._bring_up(name)
                time.sleep(apart_s)
        finally:
            for pid in cold:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)

    def _restart_ingest(self) -> list[Finding]:
        child = self._children["ingest"]
        child.terminate()
        try:
            status: object = child.wait(ENDS_WITHIN_S)
        except subprocess.TimeoutExpired:
            status = "not ended"
        self._take_down("ingest")
        self._bring_up("ingest")
        # The signal may have come before there was anybody to hear it.
        if status in (0, -signal.SIGTERM):
            return []
        return [Finding(Kind.STUCK, f"ingest has {status} for an end by SIGTERM: {self.log('ingest')}")]

    def _rename_column(self, for_s: float) -> None:
        with connect(self.url) as connection:
            connection.execute("ALTER TABLE reading RENAME COLUMN value TO renamed")
            time.sleep(for_s)
            connection.execute("ALTER TABLE reading RENAME COLUMN renamed TO value")

    def _take_down(self, name: str) -> None:
        """kill -9."""
        if name == "database":
            self.postgres.kill()
        elif name == "broker":
            self.broker.kill()
        else:
            child = self._children.pop(name)
            child.kill()
            child.wait()

    def _bring_up(self, name: str) -> None:
        if name == "database":
            self.postgres.start()
        elif name == "broker":
            self.broker.start()
            self.broker_up_ms = time.time_ns() // 1_000_000
        elif name.startswith("ingest"):
            url, mqtt_url = self.url, self.broker.ingest_settings.url()
            words = ["ingest", *(["--worker", name.removeprefix("ingest-")] if name != "ingest" else [])]
            self._spawn(name, "ndiyan", words, {
                "NDIYAN_DATABASE_URL": url, "NDIYAN_MQTT_URL": mqtt_url, "NDIYAN_INGEST_WORKERS": str(self.workers),
            })  # fmt: skip
        elif name in self.services:
            self._bring_up_service(name)
        else:
            zone = self.gateways[int(name[-1])]
            more = str(self.outboxes), str(self.load.backlog_speed)
            self._start_sender(name, "field_gateway", zone, self.load.gateway_per_s, *more)

    def _live_through(self, connection: Connection) -> None:
        """Write the village's past, and note in `since` when it ended; this one has none."""

    def _bring_up_service(self, name: str) -> None:
        raise AssertionError(f"{name} is no service of this village")

    def _start_sender(self, name: str, program: str, zone: Zone, per_s: float, *more: str) -> None:
        url = self.broker.settings_for(zone.gateway_id).url()
        arguments = [str(self.folder), url, zone.zone_id, zone.gateway_id, str(per_s), *more]
        self._spawn(name, f"tests.scenarios.{program}", arguments, {})

    def _spawn(self, name: str, module: str, arguments: list[str], given: dict[str, str]) -> None:
        argv = [sys.executable, *self._program(module), *arguments]
        self._children[name] = spawn(argv, log=self.folder / f"{name}.log", env=environment(**given))

    def pid(self, name: str) -> int:
        """The process of one of them."""
        server = {"database": self.postgres, "broker": self.broker}.get(name)
        pid = self._children[name].pid if server is None else server.pid
        assert pid is not None
        return pid


class SharedVillage(Village):
    """A village whose zones three workers of ingest share: each has some, and one has the sensor's."""

    services = ("ingest", "ingest-2", "ingest-3")
    victims = (*services, "broker", "database", "gateway")

    def start(self) -> None:
        """Be up once the first worker leaves the zones of the others to them."""
        super().start()
        zones = {zone.zone_id for zone in self.known_zones if worker_of(zone.zone_id, WORKERS) > 1}
        end_s = time.monotonic() + ENDS_WITHIN_S
        with connect(self.url) as connection:
            while {zone for zone, claim in fetch_claims(connection).items() if claim.is_passed} != zones:
                assert time.monotonic() < end_s, self.log("ingest")
                time.sleep(0.1)


def oracle_of(village: Village) -> Oracle:
    """An oracle that has seen nothing yet."""
    return Oracle(
        village.folder, lambda: village.url, outboxes=village.outboxes, gateways=village.gateways,
        sensor=village.sensor, broker_log=village.broker.log, broker_up_ms=lambda: village.broker_up_ms,
        tend=village.tend, uploads=village.uploads, workers=village.workers, since=village.since,
    )  # fmt: skip


@contextmanager
def running(village: Village) -> Iterator[Oracle]:
    """A village that is taken down whatever happens, and its oracle."""
    try:
        village.start()
        yield oracle_of(village)
    finally:
        village.stop()


class Bystanders(Protocol):
    """Who else uses the village, and has an account of their own of what became of it."""

    def act(self) -> None:
        """Something of theirs before the next deed."""

    def recovered(self, victims: Sequence[str], *, since_s: float, within_s: float) -> list[Finding]:
        """Wait until who was struck at `since_s` works for them."""

    def settle(self, *, within_s: float) -> list[Finding]:
        """Wait until nothing of theirs is under way, and judge it."""


def crash_loop(
    village: Village,
    *,
    seed: int,
    cycles: int,
    settle_within_s: float,
    told: Callable[[Report], None] = lambda _: None,
    bystanders: Bystanders | None = None,
    plan: Callable[[random.Random, Sequence[str]], Iterator[Deed]] = deeds,
    wait: Callable[[random.Random], None] = lambda dice: time.sleep(dice.uniform(*QUIET_S)),
) -> Report:
    """So many cycles, each with a look of the oracle, and then the drain; ends at the first finding.

    `told` hears of every cycle and may add findings of its own; `plan` draws the deeds, and `wait` is the quiet between
    two of them.
    """
    dice, report = random.Random(seed), Report()
    with running(village) as oracle:
        for deed in itertools.islice(plan(dice, village.victims), cycles):
            wait(dice)
            village.tend()
            if bystanders:
                bystanders.act()
            struck_s = time.monotonic()
            report.findings += village.do(deed, dice)
            report.cycles += 1
            report.deeds[deed] += 1
            if bystanders:
                report.findings += bystanders.recovered(deed.victims, since_s=struck_s, within_s=settle_within_s)
            report.findings += oracle.look()
            if not report.findings and report.cycles % SETTLE_EVERY == 0:
                report.findings += oracle.settle(within_s=settle_within_s)
                if bystanders:
                    report.findings += bystanders.settle(within_s=settle_within_s)
            told(report)
            if report.findings:
                break
        else:
            report.findings += village.drain(within_s=settle_within_s) + oracle.settle(within_s=settle_within_s)
            if bystanders:
                report.findings += bystanders.settle(within_s=settle_within_s)
            report.findings += oracle_of(village).conclude()  # by one who has seen nothing: all is there to the end
        report.ended_by_itself = village.ended_by_itself
        report.tally = oracle.tally()
    return report


def shuffled(dice: random.Random, cards: Sequence[T]) -> Iterator[T]:
    """A deck that is shuffled and dealt, again and again."""
    while True:
        yield from dice.sample(cards, len(cards))


def freeze(pid: int) -> list[int]:
    """Stop a process and then its children; returns them in the order in which they may go on."""
    os.kill(pid, signal.SIGSTOP)
    children = [int(stat.parent.name) for stat in Path("/proc").glob("[0-9]*/stat") if _parent(stat) == pid]
    for child in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGSTOP)
    return [*children, pid]


def _parent(stat: Path) -> int | None:
    try:
        return int(stat.read_text("utf-8").rsplit(")", 1)[1].split()[1])
    except (OSError, IndexError):
        return None
