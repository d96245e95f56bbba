"""The disk with everything of PostgreSQL, its log as well, is full for a minute under load: what it does, what is lost.

`make bench-full-disk` with ARGS="--seconds 60"; needs root, to mount a small file system in memory. Another program's
file takes the room while gateways and a sensor send; the server, should it end, is started again as a supervisor would.
Then the file is removed. Exit status 1 when a reading is lost or stored twice, or somebody does not come back.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

from benchmarks.crash import SETTLE_WITHIN_S, ZONES, bench_folder, commit, says_fine, sums_told, watched_broker
from ingest.db import connect
from ndiyan.embedded_broker import find_mosquitto
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account
from ndiyan.errors import StartRefused
from tests.scenarios.crash_harness import Village, oracle_of, running
from tests.scenarios.oracle import Finding, Kind

SIZE = "1200m"  # our server refuses to start without 500 MB
BEFORE_S, LOOK_EVERY_S = 15.0, 0.5
BLOCK = bytes(1 << 20)


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """A file system of its own."""
    place.mkdir(mode=0o711)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=711", "ndiyan-bench", place], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def fill(file: Path) -> None:
    """Take all the room that is left."""
    with suppress(OSError), file.open("ab", buffering=0) as output:
        while True:
            output.write(BLOCK[: max(1, min(len(BLOCK), shutil.disk_usage(file.parent).free))])


def watch(village: Village, until_s: float, ballast: Path | None) -> list[str]:
    """Look after the server until then, or until it answers; what became of it, a line each."""
    told: list[str] = []
    while time.monotonic() < until_s:
        village.tend()
        if ballast:
            fill(ballast)  # what the server lets go of is taken as well
            use_up_log(village)
        if (code := village.postgres.poll()) is not None:
            try:
                village.postgres.start()
                told.append(f"the server ended ({code}) and was started again")
            except StartRefused as error:
                told.append(f"the server is not started: {str(error)[:100]}")
        elif not ballast and is_storing(village):
            break
        time.sleep(LOOK_EVERY_S)
    return told


def use_up_log(village: Village) -> None:
    """Write much into the server's log, so that it needs a file more and not only longer tables."""
    with suppress(psycopg.Error), connect(village.url) as connection:
        connection.execute("SELECT pg_logical_emit_message(false, 'bench', repeat('x', 4000000))")


def is_storing(village: Village) -> bool:
    """Whether the database takes what is written."""
    try:
        with connect(village.url) as connection:
            connection.execute("CREATE TEMPORARY TABLE room AS SELECT generate_series(1, 1000)")
    except psycopg.Error:
        return False
    return True


def run(mosquitto: Path, seconds: float) -> bool:
    """The whole of it; whether all is well."""
    with bench_folder() as folder, small_disk(folder / "disk") as disk:
        postgres = EmbeddedPostgres(disk, secret_file=folder / "pg", log=folder / "pg.log", account=postgres_account())
        village, ballast = Village(folder, ZONES, postgres, watched_broker(folder, mosquitto)), disk / "ballast"
        try:
            with running(village) as oracle:
                watch(village, time.monotonic() + BEFORE_S, None)
                time.sleep(BEFORE_S)
                full = watch(village, time.monotonic() + seconds, ballast)
                ballast.unlink()
                since_s = time.monotonic()
                back = watch(village, since_s + SETTLE_WITHIN_S, None)
                print(f"full for {seconds:g} s: {'; '.join(dict.fromkeys(full)) or 'the server stayed'}")
                print(f"room again: {'; '.join(dict.fromkeys(back)) or 'the server had stayed'}")
                print(f"it stores after {time.monotonic() - since_s:.1f} s")
                findings = [] if is_storing(village) else [Finding(Kind.STUCK, "the database does not store")]
                findings += oracle.settle(within_s=SETTLE_WITHIN_S)
                print(f"all of it is stored after {time.monotonic() - since_s:.1f} s")
                findings += village.drain(within_s=SETTLE_WITHIN_S) + oracle_of(village).conclude()
                print(sums_told(oracle.tally(), findings))
        finally:
            postgres.stop()
        return says_fine(findings, folder)


def main() -> None:
    """Run it and say what it came to."""
    parser = argparse.ArgumentParser(
        description=__doc__, prog="make bench-full-disk", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=60.0)
    arguments = parser.parse_args()
    mosquitto = find_mosquitto()
    if mosquitto is None:
        sys.exit("this needs mosquitto: apt-get install mosquitto")
    print(f"commit {commit()}, {time.strftime('%Y-%m-%d')}", flush=True)
    sys.exit(0 if run(mosquitto, arguments.seconds) else 1)


if __name__ == "__main__":
    main()
