"""The gateway's program beside simulated hardware, killed at random points while an oracle outside looks on.

Real are the program, its outbox, mosquitto, ingest and PostgreSQL; the devices are pymodbus's simulator. The oracle
reads the program's diary, and holds the counter of pulses itself: what the last total says must be what it counted.
"""

from __future__ import annotations

import math
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from gateway.maps import find_map
from gateway.zones import Zone
from ingest.db import connect
from ingest.registry import channel_ids
from ndiyan.children import spawn
from ndiyan.embedded_broker import EmbeddedBroker
from simulator.modbus import ModbusBus, Serial, Unit
from tests.gateway.lines import COUNTERS, LOOPS, LOOPS_AND_COUNTERS, serial_pair
from tests.ingest.process import IngestProcess, wait_until
from tests.surroundings import ROOT, environment

EVERY_S, INTERVAL_S = 0.05, 0.1  # so that most kills fall into sampling, writing or sending
UP_S = (0.05, 1.2)  # how long the program runs between two kills, from its first breath on
TICK_S = 0.02  # between two pulses
METER, LITRES = "pump/volume_m3", 10
CONFIG = (
    """
zone = "{zone}"
gateway = "{gateway}"
mqtt = "{mqtt}"
folder = "state"
rtc = true
every_s = {every_s}
interval_s = {interval_s}

[link.bus]
{line}
"""
    + LOOPS_AND_COUNTERS
    + """
[[point]]
asset = "tower"
channel = "level_m"
device = "loops"
register = "ai1"
loop = {{ at_4_ma = 0, at_20_ma = 5 }}
change = 0.01

[[point]]
asset = "pump"
channel = "pressure_bar"
device = "loops"
register = "ai2"
loop = {{ at_4_ma = 0, at_20_ma = 10 }}

[[point]]
asset = "pump"
channel = "volume_m3"
device = "counters"
register = "counter0"
pulse = {{ litres = 10, most_hz = 10000 }}
"""
)
TCP = 'kind = "modbus-tcp"\nhost = "127.0.0.1"\nport = {port}'
RTU = 'kind = "modbus-rtu"\npath = "{path}"\nbaud = 115200'
STORED = """
SELECT channel_id, (extract(epoch FROM measured_at) * 1000)::int8, value FROM reading JOIN channel USING (channel_id)
WHERE zone_id = %s
"""
BOOK = """
SELECT coalesce(sum(sent - arrived), 0), coalesce(sum(conflict), 0), coalesce(sum(set_aside), 0),
       coalesce(sum(duplicate), 0) FROM gateway_day WHERE zone_id = %s
"""

Key = tuple[str, int]
"""(asset and channel, measured at [ms since 1970])"""


@dataclass
class Outcome:
    """What a run came to: `lost` were taken and are nowhere, `invented` are stored and were never tried.

    `pulses` is what the meter made, `counted` what the last total says.
    """

    kills: int = 0
    taken: int = 0
    stored: int = 0
    lost: int = 0
    twice: int = 0
    invented: int = 0
    missing: int = 0
    conflicts: int = 0
    set_aside: int = 0
    duplicates: int = 0
    pulses: int = 0
    counted: int = 0
    findings: list[str] = field(default_factory=list)


class Waterworks:
    """A level that moves, a pressure, and a meter that turns, on Modbus TCP or a serial line."""

    def __init__(self, seed: int, place: int | Serial) -> None:
        names = {LOOPS: "waveshare-analog-input-8ch", COUNTERS: "advantech-adam-6051"}
        self.units = {number: Unit(find_map(name, ROOT)) for number, name in names.items()}
        self.bus = ModbusBus(self.units, place=place)
        self.pulses, self._dice = 0, random.Random(seed)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._move()

    def turn(self) -> None:
        """Water runs from now on."""
        if not self._thread.is_alive():
            self._thread.start()

    def stand(self) -> None:
        """From now on nothing moves."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(TICK_S):
            self._move()

    def _move(self) -> None:
        self.pulses += self._dice.randrange(3)
        self.units[COUNTERS].say("counter0", self.pulses)
        self.units[LOOPS].say("ai1", self._dice.uniform(4, 20))
        self.units[LOOPS].say("ai2", self._dice.uniform(4, 20))


class Program:
    """`ndiyan gateway` as a process of its own."""

    def __init__(self, config: Path) -> None:
        self._config = config
        self._child: subprocess.Popen[bytes] | None = None

    def start_and_measure(self, *, rounds: int = 1) -> None:
        """Start it, and wait until it has taken some readings."""
        before = self._lines()
        self._child = spawn(
            [sys.executable, "-m", "tests.scenarios.gateway_program", str(self._config)],
            log=self._config.with_suffix(".log"), env=environment(),
        )  # fmt: skip
        wait_until(
            lambda: self._lines() >= before + 3 * rounds, lambda: self._config.with_suffix(".log").read_text("utf-8")
        )

    def _lines(self) -> int:
        """How many readings its diary says that it took."""
        diary = self._config.with_suffix(".diary")
        return diary.read_bytes().count(b"took ") if diary.exists() else 0

    def kill(self) -> None:
        """kill -9."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()

    def end(self) -> int:
        """SIGTERM; its exit code."""
        assert self._child is not None
        self._child.terminate()
        return self._child.wait(30)


def kill_loop(
    folder: Path, broker: EmbeddedBroker, database_url: str, zone: Zone, *, kills: int, seed: int,
    is_serial: bool = False, told: Callable[[int], None] = lambda _: None,
) -> Outcome:  # fmt: skip
    """Kill the program so often, let it empty its outbox, and judge."""
    with ExitStack() as lines:
        ours, theirs = lines.enter_context(serial_pair()) if is_serial else ("", "")
        works = Waterworks(seed, Serial(theirs, 115_200) if is_serial else 0)
        works.bus.start()
        line = RTU.format(path=ours) if is_serial else TCP.format(port=works.bus.port)
        return _kill(folder, broker, database_url, zone, works, line, kills=kills, seed=seed, told=told)


def _kill(
    folder: Path, broker: EmbeddedBroker, database_url: str, zone: Zone, works: Waterworks, line: str, *, kills: int,
    seed: int, told: Callable[[int], None],
) -> Outcome:  # fmt: skip
    dice, outcome = random.Random(seed), Outcome()
    ingest = IngestProcess(database_url, broker.ingest_settings, folder / "ingest.log")
    config = folder / f"{zone.gateway_id}.toml"
    program = Program(config)
    try:
        text = CONFIG.format(
            zone=zone.zone_id, gateway=zone.gateway_id, mqtt=broker.settings_for(zone.gateway_id).url(),
            every_s=EVERY_S, interval_s=INTERVAL_S, line=line,
        )  # fmt: skip
        config.write_text(text, "utf-8")
        first = works.pulses
        for _ in range(kills):
            program.start_and_measure()
            works.turn()
            time.sleep(dice.uniform(*UP_S))
            program.kill()
            outcome.kills += 1
            told(outcome.kills)
        works.stand()
        program.start_and_measure(rounds=20)
        if (code := program.end()) != 0:
            outcome.findings.append(f"the program ended with {code} when it was asked to")
        program.start_and_measure()
        _wait_until_empty(folder / "state" / "outbox.db")
        program.end()
        _judge(outcome, config, database_url, zone)
        outcome.pulses = works.pulses - first
    finally:
        program.kill()
        works.stand()
        works.bus.stop()
        ingest.end()
    return outcome


def _judge(outcome: Outcome, config: Path, url: str, zone: Zone) -> None:
    tried, took = diary_of(config)
    with connect(url) as connection:
        numbers = {
            number: f"{asset}/{name}"
            for (z, asset, name), number in channel_ids(connection).items()
            if z == zone.zone_id
        }
        rows = connection.execute(STORED, [zone.zone_id]).fetchall()
        book = connection.execute(BOOK, [zone.zone_id]).fetchone() or (0, 0, 0, 0)
    outcome.missing, outcome.conflicts, outcome.set_aside, outcome.duplicates = map(int, book)
    stored = {(numbers[number], ms): value for number, ms, value in rows}
    outcome.taken, outcome.stored, outcome.twice = len(took), len(rows), len(rows) - len(stored)
    waiting = _waiting(config.parent / "state" / "outbox.db")
    outcome.lost = sum(not is_same(stored.get(key, waiting.get(key)), value) for key, value in took.items())
    outcome.invented = sum(not is_same(tried.get(key), value) for key, value in stored.items())
    last = max((key for key in stored if key[0] == METER), key=lambda key: key[1])
    outcome.counted = round(stored[last] * 1000 / LITRES)


def is_same(one: float | None, other: float) -> bool:
    """Whether these are one value, but for the twelve digits that the wire keeps."""
    return one is not None and math.isclose(one, other, rel_tol=1e-9, abs_tol=1e-9)


def diary_of(config: Path) -> tuple[dict[Key, float], dict[Key, float]]:
    """What the program tried to hand to its outbox, and what the outbox took."""
    found: dict[str, dict[Key, float]] = {"try": {}, "took": {}}
    for line in config.with_suffix(".diary").read_text("utf-8").splitlines():
        word, name, ms, value = line.split()
        found[word][name, int(ms)] = float(value)
    return found["try"], found["took"]


def _waiting(outbox: Path) -> dict[Key, float]:
    """What was taken last and is not yet confirmed."""
    with closing(sqlite3.connect(f"file:{outbox}?mode=ro", uri=True)) as look:
        rows = look.execute("SELECT asset, channel, measured_ms, value FROM queued").fetchall()
    return {(f"{asset}/{channel}", ms): value for asset, channel, ms, value in rows}


def _wait_until_empty(outbox: Path) -> None:
    """Until all that was taken before the program's last start is confirmed; what it takes now is never all."""
    waits = "SELECT count(*) FROM queued JOIN boot USING (boot) WHERE number < ?"
    with closing(sqlite3.connect(f"file:{outbox}?mode=ro", uri=True)) as look:
        last = look.execute("SELECT max(number) FROM boot").fetchone()[0]
        wait_until(lambda: look.execute(waits, [last]).fetchone()[0] == 0, lambda: "the outbox does not empty")
