"""A whole server for hours under steady load, a fault each minute: nothing lost, nothing twice, nothing that grows.

`make bench-soak` with ARGS="--minutes 120 --seed 7". PostgreSQL, mosquitto, ingest, alerts with its sender, pages,
keeper, three gateways and a foreign sensor, in zones with a month of readings; people write SMS, upload files and look
at pages. Each minute one part, drawn by the seed, is killed (kill -9) or frozen. In the first half of the time one half
of the parts is killed and the other only frozen, in the second half the other way round: so each part lives for half of
the time, long enough to show whether it grows. Each half hour a backup is made, restored into a server of its own and
held against the live database. Exit status 1 when anything was lost, twice or other than it was, or surely grows.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import httpx
import numpy as np
import psycopg
from rich.console import Console

from benchmarks.crash import (
    SETTLE_WITHIN_S,
    commit,
    commune_of,
    deeds_told,
    done_told,
    says_fine,
    sums_told,
)  # fmt: skip
from benchmarks.flat import Series, Trend, after_warm_up, table, trend, verdict
from benchmarks.processes import family, open_files, pss_mb
from benchmarks.readers import LOOKED_AT, logged_in
from gateway.clock import SystemClock
from ingest.db import Connection, connect, queries
from ndiyan.backup import SCRATCH_SETTINGS, BackupConfig, make_backup
from ndiyan.embedded_broker import find_mosquitto
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account
from ndiyan.errors import NdiyanError
from ndiyan.history import write_history
from ndiyan.progress import Steps
from ndiyan.restore import restore_into
from tests.scenarios.chaos_harness import Commune, People
from tests.scenarios.crash_harness import Act, Deed, Load, Report, crash_loop, shuffled
from tests.scenarios.oracle import Finding, Kind

SQL = queries("benchmarks", "soak")
LOAD = Load(gateway_per_s=40.0, sensor_per_s=80.0, backlog_speed=60)  # an hour ends each minute
MINUTE_S = 60.0
ACT_EVERY_S = 10.0
PAST_DAYS, PAST_SEED = 30, 1
LOOK_EVERY_S = 2.0
BACKUP_EVERY = 3  # times that all has settled, which is every tenth minute
RECEIVED_BEFORE = timedelta(seconds=30)  # is committed once all that was taken is stored
WARM_UP_MIN = 10.0  # of each life
# How much may be more in an hour: RELIABILITY goal 18, 5 of 100; and what is less than a page, a file or a link.
SHARE, GRAIN_MB, GRAIN_FILES, GRAIN_LINKS = 0.05, 1.0, 2.0, 2.0
INDEX_FROM_MB = 1.0  # pages of a smaller index say nothing of its rows


class Look(NamedTuple):
    """One part at one moment: which life it is in (its process), memory without shared buffers, file descriptors."""

    at_s: float
    part: str
    pid: int
    memory_mb: float
    files: int


class Room(NamedTuple):
    """One table at one moment; bytes."""

    at_s: float
    table: str
    rows: int
    size: int
    dead: int
    waste: int
    indexes: int


@dataclass
class Seen:
    """All looks."""

    parts: list[Look] = field(default_factory=list)
    rooms: list[Room] = field(default_factory=list)
    links: list[tuple[float, int]] = field(default_factory=list)
    shared_mb: list[float] = field(default_factory=list)


class LivedIn(Commune):
    """A commune whose zones have been measured for a month, so that what the parts look back upon is there at once."""

    def _live_through(self, connection: Connection) -> None:
        end = datetime.now(UTC).replace(second=0, microsecond=0)
        write_history(
            connection, self.known_zones, start=end - timedelta(days=PAST_DAYS), end=end, seed=PAST_SEED,
            scenario="dry-season", folder=self.folder / "past", steps=Steps(Console(stderr=True)),
        )  # fmt: skip
        self.since = datetime.now(UTC)


class Reader:
    """Somebody who looks at one page after another; that the pages are away is nobody's fault."""

    def __init__(self, commune: Commune) -> None:
        self.answered: Counter[int] = Counter()
        self.away = 0
        self._commune, self._ended = commune, threading.Event()
        self._base = f"http://127.0.0.1:{commune.web_port}"
        zones = [zone.zone_id for zone in commune.known_zones]
        self._paths = [*LOOKED_AT, *(f"fr/zones/{zone}?span=7d" for zone in zones)]
        self._thread = threading.Thread(target=self._read, name="reader")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Look no more."""
        self._ended.set()
        self._thread.join()

    def findings(self) -> list[Finding]:
        """Every answer but a page, or that it is not to be had now; an error of ours is one."""
        odd = {status: n for status, n in self.answered.items() if status not in (200, 503)}
        return [Finding(Kind.STUCK, f"pages were refused, or broken: {odd}")] if odd else []

    def _read(self) -> None:
        browser: httpx.Client | None = None
        turn = 0
        while not self._ended.wait(LOOK_EVERY_S):
            try:
                browser = browser or self._log_in()
                self.answered[browser.get(f"/{self._paths[turn % len(self._paths)]}").status_code] += 1
                turn += 1
            except (httpx.HTTPError, psycopg.Error):
                self.away += 1
        if browser is not None:
            browser.close()

    def _log_in(self) -> httpx.Client:
        with connect(self._commune.url) as connection:
            return logged_in(connection, self._base, timeout_s=20)


class Soak:
    """A commune and its people, struck and looked at minute by minute."""

    def __init__(self, commune: Commune, people: People, minutes: int) -> None:
        self.seen = Seen()
        self._commune, self._people, self._minutes = commune, people, minutes
        self._begin_s = time.monotonic()
        self._deed: Deed | None = None
        self._settled = 0

    @property
    def minute(self) -> float:
        """How many have passed."""
        return (time.monotonic() - self._begin_s) / MINUTE_S

    def plan(self, dice: random.Random, parts: Sequence[str]) -> Iterator[Deed]:
        """A deed each minute until the time is over; who is killed and who is frozen changes once, in the middle."""
        drawn = dice.sample(parts, len(parts))
        killed, spared = drawn[: len(drawn) // 2], drawn[len(drawn) // 2 :]
        print(f"killed at first: {', '.join(killed)}; in the second half of the time: {', '.join(spared)}", flush=True)
        decks = [
            shuffled(dice, [Deed(Act.KILL if part in dead else Act.FREEZE, (part,), False) for part in parts])
            for dead in (killed, spared)
        ]
        while (share := self.minute / self._minutes) < 1.0:
            self._deed = next(decks[share >= 0.5])
            yield self._deed

    def wait(self, _dice: random.Random) -> None:
        """Until the next minute, while people act; then look at everything."""
        until_s = self._begin_s + (int(self.minute) + 1) * MINUTE_S
        while (left_s := until_s - time.monotonic()) > 0:
            self._commune.tend()
            self._people.act()
            time.sleep(min(ACT_EVERY_S, left_s))
        self._look()

    def told(self, report: Report) -> None:
        """A line for each minute."""
        seen = self.seen
        newest = [look for look in seen.parts if look.at_s == seen.parts[-1].at_s]
        rooms = [room for room in seen.rooms if room.at_s == seen.rooms[-1].at_s]
        print(
            f"{self.minute:5.1f} min, then {self._deed}: "
            + ", ".join(f"{look.part} {look.memory_mb:.0f} MB" for look in newest)
            + f"; {sum(look.files for look in newest)} files, {seen.links[-1][1]} links"
            f"; {sum(room.rows for room in rooms)} rows, {sum(room.dead for room in rooms)} dead"
            + "".join(f"; {one}" for one in report.ended_by_itself),
            flush=True,
        )

    def act(self) -> None:
        """As people do."""
        self._people.act()

    def recovered(self, victims: Sequence[str], *, since_s: float, within_s: float) -> list[Finding]:
        """As people see it."""
        return self._people.recovered(victims, since_s=since_s, within_s=within_s)

    def settle(self, *, within_s: float) -> list[Finding]:
        """As people see it; each third time a backup is made and held against it."""
        findings = self._people.settle(within_s=within_s)
        if self._settled % BACKUP_EVERY == BACKUP_EVERY - 1 and not findings:
            findings += self.compare_backup()
        self._settled += 1
        return findings

    def compare_backup(self) -> list[Finding]:
        """Make a backup, restore it once more into a server of our own, and look for what was there before."""
        folder = self._commune.folder
        before = {"before": datetime.now(UTC) - RECEIVED_BEFORE}
        began_s = time.monotonic()
        with connect(self._commune.url) as live:
            wanted, alerts, told = (
                live.execute(SQL[name], before).fetchall() for name in ("readings_before", "alerts", "notifications")
            )
        config = BackupConfig(folder / "backups")
        try:
            backup = make_backup(self._commune.url, config, SystemClock(), say=lambda _: None)
            with scratch_server(folder) as url:
                restore_into(url, backup, None)  # and compares every table, and the overview
                with connect(url) as copy:
                    found, alerts_there, told_there = (
                        copy.execute(SQL[name], before).fetchall()
                        for name in ("readings_before", "alerts", "notifications")
                    )
        except NdiyanError as error:
            return [Finding(Kind.CORRUPT, str(error))]
        print(
            f"{self.minute:5.1f} min: backup of {backup.size / 1e6:.1f} MB, restored twice, {found[0][0]} readings,"
            f" {len(alerts_there)} alerts, {len(told_there)} notifications and the overview as they were"
            f" ({time.monotonic() - began_s:.0f} s)",
            flush=True,
        )
        missing = [
            f"{name}: {len(set(rows) - set(there))} of {len(rows)}"
            for name, rows, there in (
                ("readings", wanted, found), ("alerts", alerts, alerts_there), ("notifications", told, told_there)
            )
            if set(rows) - set(there)
        ]  # fmt: skip
        return [Finding(Kind.LOST, f"not in the backup as they were before: {', '.join(missing)}")] if missing else []

    def _look(self) -> None:
        """Memory, file descriptors, connections and room, now."""
        commune, at_s, seen = self._commune, time.monotonic() - self._begin_s, self.seen
        for part in ("database", "broker", *commune.services, *(f"gateway-{n}" for n in range(len(commune.gateways)))):
            pid = commune.pid(part)
            everyone = list(family(pid))
            memory_mb = sum(pss_mb(one, is_all=False) for one in everyone)
            seen.parts.append(Look(at_s, part, pid, memory_mb, sum(map(open_files, everyone))))
            if part == "database":
                seen.shared_mb.append(sum(map(pss_mb, everyone)) - memory_mb)
        with connect(commune.url) as connection:
            connection.execute(SQL["can_look"])
            ((links,),) = connection.execute(SQL["connections"]).fetchall()
            seen.links.append((at_s, links))
            seen.rooms += [Room(at_s, name, *map(int, sizes)) for name, *sizes in connection.execute(SQL["tables"])]


@contextmanager
def scratch_server(folder: Path) -> Iterator[str]:
    """The address of an empty database on a server that is thrown away."""
    place = Path(tempfile.mkdtemp(prefix="scratch-", dir=folder))
    place.chmod(0o711)
    server = EmbeddedPostgres(
        place, secret_file=place / "secret", log=place / "log", account=postgres_account(), settings=SCRATCH_SETTINGS
    )
    try:
        server.start()
        yield server.url()
    finally:
        server.stop()
        shutil.rmtree(place, ignore_errors=True)


def judged(seen: Seen, warm_up_min: float) -> list[tuple[Series, Trend]]:
    """The trend of everything that was looked at, after the warm-up of each life."""
    series = [*_of_parts(seen), _of_links(seen), *_of_tables(seen)]
    settled = [after_warm_up(one, warm_up_min / 60) for one in series]
    return [(one, trend(one)) for one in settled]


def _of_parts(seen: Seen) -> Iterator[Series]:
    by_part: dict[str, list[Look]] = defaultdict(list)
    for look in seen.parts:
        by_part[look.part].append(look)
    for part, looks in by_part.items():
        at_h, life = np.array([look.at_s for look in looks]) / 3600, np.array([look.pid for look in looks])
        memory, files = np.array([look.memory_mb for look in looks]), np.array([float(look.files) for look in looks])
        yield Series(f"{part}: memory", "MB", at_h, memory, life, SHARE, GRAIN_MB)
        yield Series(f"{part}: files", "", at_h, files, life, SHARE, GRAIN_FILES)


def _of_links(seen: Seen) -> Series:
    at_s, links = np.array(seen.links, dtype=float).T
    return Series("database: connections", "", at_s / 3600, links, np.zeros(len(links), int), SHARE, GRAIN_LINKS)


def _of_tables(seen: Seen) -> Iterator[Series]:
    """What is dead or free in each table, and what the indexes of a larger one take for each of its rows."""
    by_table: dict[str, list[Room]] = defaultdict(list)
    for room in seen.rooms:
        by_table[room.table].append(room)
    for name, rooms in sorted(by_table.items()):
        at_h, life = np.array([room.at_s for room in rooms]) / 3600, np.zeros(len(rooms), int)
        if max(room.size for room in rooms) >= INDEX_FROM_MB * 1e6:
            waste = np.array([room.waste for room in rooms]) / 1e6
            yield Series(f"{name}: dead or free", "MB", at_h, waste, life, SHARE, GRAIN_MB)
        large = np.array([room.indexes >= INDEX_FROM_MB * 1e6 and room.rows > 0 for room in rooms])
        if large.any():
            each = np.array([room.indexes / max(1, room.rows) for room in rooms])
            yield Series(f"{name}: indexes", "bytes/row", at_h[large], each[large], life[large], SHARE, 1.0)


def _rooms_told(seen: Seen) -> str:
    last = [room for room in seen.rooms if room.at_s == seen.rooms[-1].at_s]
    rows = [f"{'table at the end':<24} {'rows':>9} {'MB':>8} {'indexes MB':>10} {'dead rows':>9} {'waste MB':>8}"]
    for room in sorted(last, key=lambda room: -room.size - room.indexes)[:12]:
        rows.append(
            f"{room.table:<24} {room.rows:>9} {room.size / 1e6:>8.2f} {room.indexes / 1e6:>10.2f} {room.dead:>9}"
            f" {room.waste / 1e6:>8.2f}"
        )
    return "\n".join(rows)


def run(mosquitto: Path, *, seed: int, minutes: int, looks: Path | None) -> bool:
    """The whole of it; whether all is well. Every look is written to `looks` as JSON."""
    with commune_of(LivedIn, mosquitto, LOAD) as (commune, people):
        soak, reader = Soak(commune, people, minutes), Reader(commune)
        reader.start()
        try:
            report = crash_loop(
                commune, seed=seed, cycles=minutes, settle_within_s=SETTLE_WITHIN_S, told=soak.told,
                bystanders=soak, plan=soak.plan, wait=soak.wait,
            )  # fmt: skip
        finally:
            reader.end()
        report.findings += reader.findings()
        print("\n" + deeds_told(report) + sums_told(report.tally, report.findings) + "\n" + done_told(people.sums()))
        print(f"pages looked at     {dict(reader.answered)}, away {reader.away} times")
        print(f"shared buffers      at most {max(soak.seen.shared_mb):.0f} MB, in no line below")
        if looks:
            looks.write_text(json.dumps(asdict(soak.seen)), "utf-8")
        found = judged(soak.seen, min(WARM_UP_MIN, minutes / 6))
        print(f"\n{_rooms_told(soak.seen)}\n\n{table(found)}")
        rising = [one.name for one, of_it in found if verdict(one, of_it) == "rises"]
        print(f"\nrises               {', '.join(rising) or 'nothing'}")
        return says_fine(report.findings, commune.folder) and not rising


def main() -> None:
    """Run it and say what it came to."""
    parser = argparse.ArgumentParser(
        description=__doc__, prog="make bench-soak", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=int, default=120)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    parser.add_argument("--looks", type=Path, metavar="FILE", help="keep every look at the parts as JSON")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and what was started is ended
    mosquitto = find_mosquitto()
    if mosquitto is None:
        sys.exit("the soak needs mosquitto: apt-get install mosquitto")
    print(f"seed {arguments.seed}, commit {commit()}, {time.strftime('%Y-%m-%d %H:%M')}", flush=True)
    is_fine = run(mosquitto, seed=arguments.seed, minutes=arguments.minutes, looks=arguments.looks)
    sys.exit(0 if is_fine else 1)


if __name__ == "__main__":
    main()
