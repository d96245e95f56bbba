"""The gateway's program: killed again and again, and what a day of it costs.

`make bench-gateway` with ARGS="--kills 200 --seed 7" kills it at random points while it samples and sends, against
simulated Modbus devices, mosquitto, ingest and PostgreSQL; exit status 1 when a reading or a pulse is lost or stored
twice. ARGS="--minutes 10" lets it work undisturbed for so long at its usual pace beside a whole zone at a simulated
noon (--hour 2: at night), and tells what that comes to in a day: seconds of CPU, writes to the disk, bytes on the wire,
and its memory.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from benchmarks.crash import commit
from gateway.clock import Clock, FastClock, SystemClock
from gateway.outbox import Outbox
from gateway.service import OUTBOX_FILE, day_bytes
from gateway.zones import Zone, load_zones
from ingest.db import connect, migrate
from ingest.registry import import_zones
from ndiyan.children import spawn
from ndiyan.embedded_broker import EmbeddedBroker, broker_account, find_mosquitto
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account
from ndiyan.shipped_files import shipped
from simulator.hardware import Hardware, gateway_file
from simulator.scenarios import load_scenario
from tests.ingest.process import IngestProcess
from tests.scenarios.gateway_harness import kill_loop
from tests.surroundings import environment

TOLD_EVERY = 20  # kills
WARM_UP_S = 30.0  # what the start costs is not a day's cost
DAY_S = 86_400.0


class Servers(NamedTuple):
    """What the program speaks to."""

    folder: Path
    broker: EmbeddedBroker
    database_url: str
    zone: Zone


class Spent(NamedTuple):
    """What a process has cost so far: CPU [s], bytes written to the disk, system calls that wrote."""

    cpu_s: float
    disk_bytes: int
    writes: int


def main() -> None:
    """Run what was asked for and say what it came to."""
    parser = argparse.ArgumentParser(
        description=__doc__, prog="make bench-gateway", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--serial", action="store_true", help="the devices are on a serial line (a pty), not on TCP")
    parser.add_argument("--minutes", type=float, help="measure what a day costs instead")
    parser.add_argument("--hour", type=int, default=12, choices=range(24), metavar="0..23", help="of the simulated day")
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}, commit {commit()}, {time.strftime('%Y-%m-%d')}", flush=True)
    with servers() as found:
        if arguments.minutes:
            cost_of_a_day(found, arguments.minutes * 60, arguments.hour)
        elif not kills(found, arguments.kills, arguments.seed, is_serial=arguments.serial):
            sys.exit(1)


def kills(found: Servers, count: int, seed: int, *, is_serial: bool) -> bool:
    """Kill it so often; whether nothing was lost and nothing twice."""
    begin_s = time.monotonic()

    def tell(done: int) -> None:
        if done % TOLD_EVERY == 0:
            print(f"{done} of {count} kills, {(time.monotonic() - begin_s) / done:.1f} s each", flush=True)

    outcome = kill_loop(
        found.folder, found.broker, found.database_url, found.zone, kills=count, seed=seed, is_serial=is_serial,
        told=tell,
    )  # fmt: skip
    for name, value in vars(outcome).items():
        print(f"{name:<12} {value}")
    wrong = (outcome.lost, outcome.twice, outcome.invented, outcome.missing, outcome.conflicts, outcome.set_aside)
    return not any(wrong) and not outcome.findings and outcome.counted == outcome.pulses


def cost_of_a_day(found: Servers, for_s: float, hour: int) -> None:
    """Let it work at its usual pace beside a whole zone from this hour on, and tell what that comes to."""
    clock = FastClock(datetime(2026, 3, 2, hour, tzinfo=UTC), SystemClock().now(), 1.0)
    hardware = Hardware(
        [found.zone], clock=clock, folder=found.folder / "zones", seed=1, scenario=load_scenario("dry-season"),
        first_port=0,
    )  # fmt: skip
    hardware.live_until(clock.now())
    bus = hardware.buses[found.zone.zone_id]
    bus.start()
    ingest = IngestProcess(found.database_url, found.broker.ingest_settings, found.folder / "ingest.log")
    config, mqtt = found.folder / "gateway.toml", found.broker.settings_for(found.zone.gateway_id).url()
    text = gateway_file(found.zone, host="127.0.0.1", port=bus.port, mqtt=mqtt, folder="state")
    config.write_text("rtc = true\n" + text, "utf-8")
    program = spawn(
        [sys.executable, "-m", "ndiyan", "gateway", "--config", str(config)],
        log=found.folder / "gateway.log",
        env=environment(),
    )
    try:
        _live(hardware, clock, WARM_UP_S)
        before = spent(program.pid)
        _live(hardware, clock, for_s)
        after, peak_mb = spent(program.pid), peak_memory_mb(program.pid)
    finally:
        program.terminate()
        program.wait(30)
        ingest.end()
        bus.stop()
    outbox = Outbox(found.folder / "state" / OUTBOX_FILE)
    account, (traffic, *_) = outbox.account(), day_bytes(outbox).values()
    outbox.close()
    days = DAY_S / for_s
    channels = sum(len(asset.channels) for asset in found.zone.assets)
    print(f"{channels} channels, {for_s / 60:g} min from {hour}:00 on, times {days:g}:")
    print(f"CPU a day          {(after.cpu_s - before.cpu_s) * days:.0f} s")
    print(f"written to disk    {(after.disk_bytes - before.disk_bytes) * days / 1e6:.1f} MB a day")
    print(f"write calls        {(after.writes - before.writes) * days:.0f} a day")
    print(f"resident at most   {peak_mb:.1f} MB")
    print(
        f"readings taken     {account['taken']} in {(for_s + WARM_UP_S) / 60:g} min, confirmed {account['confirmed']}"
    )
    print(f"on the wire        up {traffic.up} B, down {traffic.down} B in all, with the start")


def _live(hardware: Hardware, clock: Clock, for_s: float) -> None:
    """Let the zone live on for so long."""
    end_s = time.monotonic() + for_s
    while (left_s := end_s - time.monotonic()) > 0:
        time.sleep(min(left_s, 1.0))
        hardware.live_until(clock.now())


def spent(pid: int) -> Spent:
    """What a process has cost by the kernel's books."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    io = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text("ascii").splitlines())
    return Spent(
        (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), int(io["write_bytes"]), int(io["syscw"])
    )


def peak_memory_mb(pid: int) -> float:
    """The most that a process had resident."""
    return int(Path(f"/proc/{pid}/status").read_text("ascii").split("VmHWM:")[1].split()[0]) / 1024


@contextmanager
def servers() -> Iterator[Servers]:
    """A broker, and a database that knows the zone; gone at the end."""
    mosquitto = find_mosquitto()
    if mosquitto is None:
        sys.exit("there is no mosquitto: apt-get install mosquitto")
    folder = Path(tempfile.mkdtemp(prefix="ndiyan-gateway-"))
    folder.chmod(0o711)
    zones, log = load_zones([shipped("zones")]), folder / "servers.log"
    postgres = EmbeddedPostgres(folder, secret_file=folder / "pg", log=log, account=postgres_account())
    broker = EmbeddedBroker(
        folder, zones, secret_file=folder / "mq", log=log, account=broker_account(), mosquitto=mosquitto
    )
    try:
        postgres.start()
        broker.start()
        with connect(postgres.url()) as connection:
            migrate(connection)
            import_zones(connection, zones[:1])
        yield Servers(folder, broker, postgres.url(), zones[0])
    finally:
        broker.stop()
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
