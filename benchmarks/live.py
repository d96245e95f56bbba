"""Many zones live at once, in real time, by the one command, through a real mosquitto and the default ingest.

`make bench-live` runs it. CPU time is that of all threads of the processes, over whole minutes that begin
when the first round of all zones is stored; lateness is from the minute of a measurement to its arrival at ingest.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.processes import IngestProcess, MeasureError, cpu_s, peak_rss_mb
from benchmarks.rig import Rig
from gateway.zones import load_zones
from ingest.db import connect, migrate, queries
from ingest.registry import import_zones
from ndiyan.children import spawn
from ndiyan.embedded_broker import EmbeddedBroker, broker_account, find_mosquitto
from ndiyan.shipped_files import shipped
from simulator.fiction import zones_with_fiction
from simulator.files import zone_file
from tests.surroundings import environment

SQL = queries("benchmarks", "live")
POLL_S = 0.5
PATIENCE_S = 240.0  # for the first round, and for the end


def measure(folder: Path, zones: int, minutes: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Let `zones` zones that report every minute live for `minutes` minutes, and two more around them."""
    invented = zones_with_fiction(load_zones([shipped("zones")]), zones)
    often = [replace(zone, assets=tuple(replace(a, interval_s=60.0) for a in zone.assets)) for zone in invented]
    channels = sum(len(asset.channels) for zone in often for asset in zone.assets)
    rig = Rig(folder, 0)
    rig.broker = EmbeddedBroker(
        folder, often, secret_file=folder / "mq", log=folder / "servers.log", account=broker_account(),
        mosquitto=find_mosquitto(),
    )  # fmt: skip
    ingest = IngestProcess(rig)
    rig.postgres.start()
    try:
        rig.broker.start()
        with connect(rig.postgres.url()) as connection:
            migrate(connection)
            import_zones(connection, often)
        (folder / "zones").mkdir()
        for zone in often:
            (folder / "zones" / f"{zone.zone_id}.toml").write_text(zone_file(zone), "utf-8")
        gateways = folder / "gateways.json"
        gateways.write_text(
            json.dumps({zone.gateway_id: rig.broker.settings_for(zone.gateway_id).url() for zone in often})
        )
        ingest.start()
        say(f"{zones} zones, {channels} readings a minute")
        return _live(rig, ingest, channels, minutes, say)
    finally:
        ingest.stop()
        rig.stop()


def _live(rig: Rig, ingest: IngestProcess, channels: int, minutes: int, say: Callable[[str], None]) -> dict[str, Any]:
    folder = rig.folder
    process = spawn(
        [sys.executable, "-P", "-m", "ndiyan", "simulate", "live", "--zones", folder / "zones", "--minutes",
         str(minutes + 2), "--gateways", folder / "gateways.json", "--folder", folder / "live", "--scenario",
         "dry-season"],
        log=folder / "live.log", env=environment(),
    )  # fmt: skip
    try:
        _wait(lambda: _stored(rig) >= 0.9 * channels, "the first round", folder / "live.log")
        parts = [process.pid, *_children(process.pid)]
        before = _used(parts, rig, ingest)
        begin_s = time.monotonic()
        for minute in range(minutes):
            time.sleep(max(0.0, begin_s + 60 * (minute + 1) - time.monotonic()))
            say(f"minute {minute + 1}: {_stored(rig)} stored")
        wall_s = time.monotonic() - begin_s
        shares = {
            name: round((now - then) / wall_s, 3)
            for (name, now), then in zip(_used(parts, rig, ingest).items(), before.values(), strict=True)
        }
        memory_mb = sum(peak_rss_mb(pid) for pid in parts)
        _wait(lambda: process.poll() is not None, "the end", folder / "live.log")
    finally:
        if process.poll() is None:
            process.terminate()
        process.wait(30)
    with connect(rig.postgres.url()) as connection:
        (late,) = connection.execute(SQL["lateness"]).fetchone() or ([],)
    told = (folder / "live.log").read_text("utf-8").splitlines()[-1]
    return {
        "readings a minute": channels,
        "processes with the command": len(parts),
        **{f"cores used by {name}": share for name, share in shares.items()},
        "memory of simulate live MB": round(memory_mb),
        "lateness s (median, 99 %, last)": [round(float(one), 2) for one in late],
        "stored": _stored(rig),
        "exit code": process.returncode,
        "last word": told.partition(": ")[2],
    }


def _used(parts: list[int], rig: Rig, ingest: IngestProcess) -> dict[str, float]:
    """CPU time until now [s]."""
    if rig.broker.pid is None:
        raise MeasureError("the broker is not running")
    return {"simulate live": sum(map(cpu_s, parts)), "mosquitto": cpu_s(rig.broker.pid), "ingest": ingest.cpu_s}


def _children(pid: int) -> list[int]:
    return [int(one) for file in Path(f"/proc/{pid}/task").glob("*/children") for one in file.read_text().split()]


def _stored(rig: Rig) -> int:
    with connect(rig.postgres.url()) as connection:
        ((stored,),) = connection.execute(SQL["stored"]).fetchall()
    return int(stored)


def _wait(holds: Callable[[], bool], what: str, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > deadline:
            raise MeasureError(f"{what} did not come within {PATIENCE_S:.0f} s: {log.read_text('utf-8')[-2000:]}")
        time.sleep(POLL_S)


def main() -> None:
    """Run it and say what it came to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--zones", type=int, default=1000)
    parser.add_argument("--minutes", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ndiyan-live-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        figures = measure(folder, arguments.zones, arguments.minutes, lambda text: print(text, flush=True))
    for key, value in figures.items():
        print(f"{key:34} {value}")
    sys.exit(figures["exit code"])


if __name__ == "__main__":
    main()
