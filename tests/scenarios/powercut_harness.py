"""A small Ndiyan that loses its power: the server with its database and broker, the gateways with their outboxes, both.

Each of the two places has a disk of its own that forgets what was not synced. The diaries of the senders and all logs
lie outside. Where and when the power goes, whether a checkpoint is under way and whether pages are torn is drawn.
"""

from __future__ import annotations

import itertools
import random
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from os import kill
from pathlib import Path
from signal import SIGKILL
from typing import NamedTuple

import psycopg

from gateway.zones import Zone
from ingest.db import connect
from ndiyan.embedded_broker import broker_account
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account
from ndiyan.errors import StartRefused
from tests.scenarios.crash_harness import GATEWAYS, Village, WatchedBroker, freeze, oracle_of, running, shuffled
from tests.scenarios.oracle import Finding, Kind, Tally
from tests.scenarios.powercut_fs import Disk

TRAFFIC_S = (0.3, 1.2)  # between two cuts, when every gateway has taken something
TRAFFIC_WITHIN_S = 60.0
APART_S = (0.1, 0.5)  # between the server's cut and the gateways', which in that time have nobody to tell
CHECKPOINT_S = (0.0, 1.0)  # how long a checkpoint, when there is one, has been going on at the cut
DARK_S = (0.0, 0.4)
# A checkpoint lasts 3 s, so that most cuts find pages of the tables that were written and not yet synced.
SLOW_CHECKPOINTS = "checkpoint_timeout = 30s\ncheckpoint_completion_target = 0.1\n"
GATEWAY = "tests.scenarios.field_gateway"
WEAK_OUTBOX = """
import runpy
from gateway.outbox import Outbox
opened = Outbox._open
def open_weakly(self):
    db = opened(self)
    db.execute("PRAGMA synchronous={}")
    return db
Outbox._open = open_weakly
runpy.run_module("tests.scenarios.field_gateway", run_name="__main__", alter_sys=True)
"""
INDEXES = """
SELECT i.indexrelid::regclass::text, bt_index_check(i.indexrelid, true)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
WHERE a.amname = 'btree' AND c.relkind = 'i' AND c.relpersistence = 'p' AND i.indisready
"""
TABLES = """
SELECT c.oid::regclass::text, v.blkno, v.msg FROM pg_class c, verify_heapam(c.oid) v
WHERE c.relkind IN ('r', 't', 'm') AND c.relpersistence = 'p'
"""


class Defect(NamedTuple):
    """What a test changes on purpose, and what is to find it."""

    settings: str
    weak_outbox: str | None
    found_by: frozenset[Kind]


class Place(StrEnum):
    """What has a power supply and a disk of its own."""

    SERVER = "server"
    FIELD = "gateways"


HOLDERS = {
    Place.SERVER: ("database", "broker", "ingest"),
    Place.FIELD: tuple(f"gateway-{number}" for number in range(GATEWAYS)),
}
OUTAGES = ((Place.SERVER,), (Place.FIELD,), (Place.SERVER, Place.FIELD))

BROKEN = frozenset({Kind.LOST, Kind.CORRUPT, Kind.NO_START})
DEFECTS = {
    "outbox-off": Defect("", "OFF", BROKEN),
    "outbox-normal": Defect("", "NORMAL", frozenset({Kind.LOST})),
    # What was confirmed reaches the disk after 10 s. By default it is a fifth of a second, and on a busy machine a
    # gateway hears of it and forgets later than that: then the defect is there and does no harm.
    "commit-off": Defect("synchronous_commit = off\nwal_writer_delay = 10s\n", None, frozenset({Kind.LOST})),
    "fsync-off": Defect("fsync = off\n", None, BROKEN),
    "full-pages-off": Defect("full_page_writes = off\n", None, BROKEN),
}


@dataclass
class Report:
    """What a series came to; `tally` is None when the database could not be asked any more."""

    cuts: Counter[str] = field(default_factory=Counter)
    torn: int = 0
    findings: list[Finding] = field(default_factory=list)
    tally: Tally | None = None


class PoweredVillage(Village):
    """A village in `folder`, which the accounts of its servers can enter; only `close` ends all of it.

    Parameters
    ----------
    defect : planted to see that it is found: lines for the database's configuration, `synchronous` of the outboxes
    """

    def __init__(
        self,
        folder: Path,
        zones: Sequence[Zone],
        mosquitto: Path,
        *,
        defect: Defect | None = None,
    ) -> None:
        self.disks = {place: Disk(folder / place) for place in Place}
        super().__init__(
            folder,
            zones,
            EmbeddedPostgres(folder, secret_file=folder / "pg", log=folder / "pg.log", account=postgres_account()),
            WatchedBroker(
                folder, zones, secret_file=folder / "mq", log=folder / "mq.log", account=broker_account(),
                mosquitto=mosquitto,
            ),
            outboxes=self.disks[Place.FIELD].path,
            program=self._program_of,
        )  # fmt: skip
        self._defect = defect or Defect("", None, frozenset())
        self._diary_bytes: dict[str, int] = {}  # of each gateway when it was last started

    def prepare(self, dice: random.Random) -> None:
        """Put the database, as it is before its first start, and the broker's folder on the server's disk; power on.

        Raises
        ------
        NoFuse : such disks cannot be had here
        """
        self.postgres.start()
        self.postgres.stop()
        with (self.folder / "postgres" / "postgresql.conf").open("a") as file:
            file.write(SLOW_CHECKPOINTS + self._defect.settings)
        server = self.disks[Place.SERVER]
        shutil.move(self.folder / "postgres", server.plate)
        (server.plate / "broker").mkdir()
        for name in ("postgres", "broker"):
            (self.folder / name).symlink_to(server.path / name)
        for place in Place:
            self._power_on(place, dice)

    def cut(self, places: Sequence[Place], dice: random.Random) -> list[Finding]:
        """Cut the power of these places, give it back and start again what runs there; says what does not start."""
        if Place.SERVER in places and dice.random() < 0.75:
            self._begin_checkpoint()
            time.sleep(dice.uniform(*CHECKPOINT_S))
        for place in places:
            if place is not places[0]:
                time.sleep(dice.uniform(*APART_S))
            self._power_off(place, dice)
        time.sleep(dice.uniform(*DARK_S))
        for place in places:
            self._power_on(place, dice)
        try:
            for name in [name for place in places for name in HOLDERS[place]]:
                self._bring_up(name)
        except (StartRefused, psycopg.Error) as error:
            return [Finding(Kind.NO_START, f"{name} does not start after the cut: {error}")]
        return []

    def await_traffic(self) -> None:
        """Wait until every gateway has taken something since it was started: a cut before that shows nothing."""
        end_s = time.monotonic() + TRAFFIC_WITHIN_S
        while idle := [name for name, size in self._diary_bytes.items() if self._diary(name) <= size]:
            assert time.monotonic() < end_s, f"{idle} took nothing within {TRAFFIC_WITHIN_S:g} s: {self.log(idle[0])}"
            self.tend()
            time.sleep(0.02)

    def inspect(self) -> list[Finding]:
        """What is broken in the outboxes and in the database's tables and indexes."""
        broken = [f"{file.name} was moved aside" for file in self.outboxes.glob("*.damaged-*")]
        for zone in self.gateways:
            with closing(sqlite3.connect(self.outboxes / f"{zone.gateway_id}.db")) as outbox:
                verdict = outbox.execute("PRAGMA integrity_check").fetchone()[0]
            broken += [f"outbox of {zone.gateway_id}: {verdict}"] if verdict != "ok" else []
        with connect(self.url) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS amcheck")
            broken += [str(row) for row in connection.execute(TABLES)]
            connection.execute(INDEXES)  # raises at the first one
        return [Finding(Kind.CORRUPT, detail) for detail in broken]

    def close(self) -> None:
        """End the database and take the disks away, whatever happened before."""
        self.postgres.kill()
        for disk in self.disks.values():
            disk.cut()

    def _program_of(self, module: str) -> list[str]:
        if self._defect.weak_outbox and module == GATEWAY:
            return ["-c", WEAK_OUTBOX.format(self._defect.weak_outbox)]
        return ["-m", module]

    def _bring_up(self, name: str) -> None:
        if name in HOLDERS[Place.FIELD]:
            self._diary_bytes[name] = self._diary(name)
        super()._bring_up(name)

    def _diary(self, name: str) -> int:
        """How long a gateway's diary is [bytes]."""
        diary = self.folder / f"{self.gateways[int(name[-1])].gateway_id}.diary"
        return diary.stat().st_size if diary.exists() else 0

    def _power_off(self, place: Place, dice: random.Random) -> None:
        """Everything there stands still at once, then it is gone with what its disk has not got."""
        names = HOLDERS[place]
        for pid in [pid for name in dice.sample(names, len(names)) for pid in freeze(self.pid(name))]:
            with suppress(ProcessLookupError):
                kill(pid, SIGKILL)
        for name in names:
            self._take_down(name)
        self.disks[place].cut()

    def _power_on(self, place: Place, dice: random.Random) -> None:
        self.disks[place].mount(seed=dice.getrandbits(32), is_torn=dice.random() < 0.5)

    def _begin_checkpoint(self) -> None:
        """A backup begins with a checkpoint that takes its time; it goes on when the one who asked has left."""
        connection = connect(self.postgres.url("postgres"))
        connection.pgconn.send_query(b"SELECT pg_backup_start('power cut', false)")
        connection.close()


def outages(dice: random.Random) -> Iterator[Sequence[Place]]:
    """Who loses the power, from a shuffled deck, again and again."""
    return shuffled(dice, OUTAGES)


def powercut_series(
    village: PoweredVillage,
    *,
    seed: int,
    cuts: int,
    settle_within_s: float,
    told: Callable[[Report], None] = lambda _: None,
    plan: Callable[[random.Random], Iterator[Sequence[Place]]] = outages,
) -> Report:
    """So many cuts under load and the drain, one more cut of the server, and the reckoning; ends at the first finding.

    Each look is that of an oracle that has seen nothing, because what was stored may be gone after a cut.
    `told` hears of every cut, and `plan` draws them. The village is closed at the end.
    """
    dice, report = random.Random(seed), Report()

    def cut(places: Sequence[Place]) -> None:
        report.cuts["+".join(places)] += 1
        report.torn += any(village.disks[place].is_torn for place in places)
        report.findings += village.cut(places, dice)

    try:
        village.prepare(dice)
        with running(village) as oracle:
            for places in itertools.islice(plan(dice), cuts - 1):
                village.await_traffic()
                time.sleep(dice.uniform(*TRAFFIC_S))
                village.tend()
                cut(places)
                if not report.findings:
                    oracle = oracle_of(village)
                    report.findings += _answer(oracle.look)
                told(report)
                if report.findings:
                    break
            else:
                report.findings += village.drain(within_s=settle_within_s)
                cut([Place.SERVER])
                if not report.findings:
                    oracle = oracle_of(village)
                    report.findings += _answer(oracle.conclude)
            if village.postgres.is_alive():
                report.findings += _answer(village.inspect)
                with suppress(psycopg.Error, sqlite3.DatabaseError):
                    report.tally = oracle.tally()
    finally:
        village.close()
    return report


def _answer(look: Callable[[], list[Finding]]) -> list[Finding]:
    """What was found, or that a database or an outbox cannot be read."""
    try:
        return look()
    except (psycopg.Error, sqlite3.DatabaseError) as error:
        return [Finding(Kind.CORRUPT, f"{type(error).__name__}: {error}")]
