"""The server's clock a day ahead, right, a day behind and right again while everything runs: what does each part do?

`make bench-clock` with ARGS="--hold 150". A library (`set_clock.c`, built here with cc) moves the time of day of the
servers and services while they run. Gateways, the foreign sensor, people and the message centre keep the right time. In
each phase people write SMS and upload files. Exit status 1 when a reading is lost, stored twice or has a wrong time at
the end, when zones are not judged or SMS not answered within a phase, or when a part stands still by Ndiyan's own
watchdog.
"""

from __future__ import annotations

import argparse
import os
import shutil
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from benchmarks.crash import SETTLE_WITHIN_S, commit, commune_of, says_fine
from gateway.clock import SystemClock
from ingest.db import connect, queries
from ingest.replay import Fate, replay
from ndiyan.embedded_broker import find_mosquitto
from tests.scenarios.chaos_harness import Commune, People, standing_parts
from tests.scenarios.crash_harness import Load, oracle_of, running
from tests.scenarios.oracle import Finding, Kind

SQL = queries("benchmarks", "clock")
SOURCE = Path(__file__).with_name("set_clock.c")
OFF = struct.Struct("q")  # seconds
LOAD = Load(gateway_per_s=20.0, sensor_per_s=20.0, backlog_speed=60)
ACT_EVERY_S = 5.0
ANSWERED_WITHIN_S = 30.0  # after the last one was written
JUDGED_WITHIN = timedelta(minutes=3)
DAY = timedelta(days=1)
PHASES = (
    ("right", timedelta(0)), ("a day ahead", DAY), ("right again", timedelta(0)), ("a day behind", -DAY),
    ("right at last", timedelta(0)),
)  # fmt: skip


class OffClock(NamedTuple):
    """The clock of the server, which is off."""

    off: timedelta
    speed: float = 1.0

    def now(self) -> datetime:
        """What the server takes for now."""
        return datetime.now(UTC) + self.off

    def wall_seconds(self, span: timedelta) -> float:
        """As long as it is."""
        return max(0.0, span.total_seconds())


class WrongClock(Commune):
    """A commune whose server has a clock that can be set; whatever is no service keeps the right time."""

    def set_clock(self, off: timedelta) -> None:
        """Set the clock of the server."""
        with self.off.open("r+b") as file:
            file.write(OFF.pack(round(off.total_seconds())))

    @property
    def off(self) -> Path:
        """The file that says how far off the clock is."""
        return self.folder / "off"

    def _spawn(self, name: str, module: str, arguments: list[str], given: dict[str, str]) -> None:
        right = {} if name in self.services else {"LD_PRELOAD": ""}
        super()._spawn(name, module, arguments, given | right)


@contextmanager
def clock_of(file: Path) -> Iterator[None]:
    """Whoever is started meanwhile has the clock that `file` sets; it is right at first."""
    library = file.with_suffix(".so")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
    file.write_bytes(OFF.pack(0))
    for each in (library, file):
        each.chmod(0o644)
    before = dict(os.environ)
    os.environ.update({"LD_PRELOAD": str(library), "SET_CLOCK": str(file)})
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def run(mosquitto: Path, hold_s: float) -> bool:
    """All phases and the sums."""
    with commune_of(WrongClock, mosquitto, LOAD) as (commune, people):
        with clock_of(commune.off), running(commune):
            begin(commune, people)
            findings = [one for name, off in PHASES for one in phase(commune, people, name, off, hold_s)]
            findings += commune.drain(within_s=SETTLE_WITHIN_S) + people.settle(within_s=SETTLE_WITHIN_S)
            findings += replayed(commune)
            oracle = oracle_of(commune)
            findings += oracle.settle(within_s=SETTLE_WITHIN_S)
            findings += [one for one in oracle.conclude() if one.kind is not Kind.SET_ASIDE]
            tally = oracle.tally()
            print(f"taken by gateways {tally.accepted}, confirmed to the sensor {tally.confirmed_to_sensor}")
            print(f"stored {tally.stored}, lost {tally.lost}, twice {tally.twice}, at another time {tally.foreign}")
        return says_fine(findings, commune.folder)


def begin(commune: WrongClock, people: People) -> None:
    """Until zones have been judged for the first time."""
    end_s = time.monotonic() + SETTLE_WITHIN_S
    while time.monotonic() < end_s:
        commune.tend()
        people.act()
        with connect(commune.url) as connection:
            if connection.execute(SQL["state"]).fetchall()[0][0] is not None:
                return
        time.sleep(ACT_EVERY_S)


def phase(commune: WrongClock, people: People, name: str, off: timedelta, hold_s: float) -> list[Finding]:
    """Set the clock, wait while people act, and see what works."""
    clock = OffClock(off)
    before = people.written
    commune.set_clock(off)
    end_s = time.monotonic() + hold_s
    while time.monotonic() < end_s:
        commune.tend()
        people.act()
        time.sleep(ACT_EVERY_S)
    with connect(commune.url) as connection:
        ((judged_at, estimated, alerts, in_future),) = connection.execute(SQL["state"]).fetchall()
    behind = clock.now() - judged_at if judged_at else DAY
    unanswered = people.unanswered(within_s=ANSWERED_WITHIN_S)
    written = people.written - before
    print(
        f"{name}: judged {behind.total_seconds():.0f} s ago, {written} SMS written, of all {unanswered} unanswered,"
        f" {estimated} readings with an estimated time, {in_future} set aside as of the future,"
        f" open: {alerts or 'nothing'}",
        flush=True,
    )
    findings = []
    if not -JUDGED_WITHIN < behind < JUDGED_WITHIN:
        findings.append(Finding(Kind.STUCK, f"{name}: judged {behind} ago, wanted within {JUDGED_WITHIN}"))
    if unanswered or not written:
        findings.append(Finding(Kind.STUCK, f"{name}: {written} SMS written, {unanswered} unanswered"))
    return findings + standing_parts(commune, clock, within_s=JUDGED_WITHIN.total_seconds())


def replayed(commune: WrongClock) -> list[Finding]:
    """A person lets in what was set aside as of the future: then all of the sensor's readings are there."""
    with connect(commune.url) as connection:
        ids = [number for (number,) in connection.execute(SQL["in_future"])]
        fates = Counter(one.fate for one in replay(connection, ids, clock=SystemClock(), who="bench"))
    print(f"set aside as of the future, then replayed: {dict(fates) or 'none'}")
    refused = len(ids) - fates[Fate.ACCEPTED]
    return [Finding(Kind.LOST, f"{refused} of {len(ids)} cannot be replayed")] if refused else []


def main() -> None:
    """Run it and say what it came to."""
    parser = argparse.ArgumentParser(
        description=__doc__, prog="make bench-clock", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--hold", type=float, default=150.0, help="seconds of each of the five phases")
    arguments = parser.parse_args()
    mosquitto = find_mosquitto()
    if mosquitto is None or shutil.which("cc") is None:
        sys.exit("this needs mosquitto and a C compiler: apt-get install mosquitto gcc libc6-dev")
    print(f"commit {commit()}, {time.strftime('%Y-%m-%d')}", flush=True)
    sys.exit(0 if run(mosquitto, arguments.hold) else 1)


if __name__ == "__main__":
    main()
