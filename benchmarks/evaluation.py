"""What one evaluation of many zones costs, and whether it grows with history: `python -m benchmarks.evaluation`.

Zones live for some days on a PostgreSQL of its own and all of it is judged. Then the last hour is judged once more, as
an hourly evaluation does it: registry, readings, features of past days, all detectors, lifecycle, in one transaction.
CPU is that of this process and of its database session together.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from alerts.evaluate import Evaluator
from benchmarks.processes import cpu_s
from gateway.zones import load_zones
from ingest.db import Connection, connect, migrate, queries
from ingest.registry import import_zones
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account
from ndiyan.history import write_history
from ndiyan.progress import Steps
from ndiyan.shipped_files import shipped
from simulator.fiction import zones_with_fiction

SQL = queries("benchmarks", "evaluation")
HOUR = timedelta(hours=1)
START = datetime(2026, 1, 1, tzinfo=UTC)
ROUNDS = 3


def main() -> None:
    """Measure for each number of days and print a line each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--zones", type=int, default=1000)
    parser.add_argument("--days", type=int, nargs="+", default=[2])
    arguments = parser.parse_args()
    for days in arguments.days:
        wall_s, cpu = measure(arguments.zones, days)
        print(
            f"{arguments.zones} zones, {days} days of history: an hourly evaluation takes {cpu:.1f} s of CPU,"
            f" {wall_s:.1f} s in all ({1000 * cpu / arguments.zones:.1f} ms a zone)",
            flush=True,
        )


def measure(zones: int, days: int) -> tuple[float, float]:
    """Wall and CPU seconds of an hourly evaluation of so many zones that have lived for so many days."""
    steps = Steps(Console(stderr=True))
    with tempfile.TemporaryDirectory(prefix="ndiyan-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # the server's account comes through here
        server = EmbeddedPostgres(folder, secret_file=folder / "pg", log=folder / "pg.log", account=postgres_account())
        server.start()
        try:
            with connect(server.url()) as connection:
                migrate(connection)
                some = zones_with_fiction(load_zones([shipped("zones")]), zones)
                import_zones(connection, some)
                end = START + timedelta(days=days, hours=14)
                write_history(
                    connection, some, start=START, end=end, seed=1, scenario="dry-season", folder=folder / "state",
                    steps=steps,
                )  # fmt: skip
                with steps.step(f"judging {days} days"):
                    Evaluator(connection, every=HOUR).work(end)
                return min(_hour(connection, end + HOUR * number, end) for number in range(1, ROUNDS + 1))
        finally:
            server.stop()


def _hour(connection: Connection, now: datetime, end: datetime) -> tuple[float, float]:
    """Wall and CPU seconds of judging the last hour before `end` again."""
    connection.execute(SQL["go_back"], {"watermark": end - HOUR, "now": now})
    backend = connection.info.backend_pid
    begin_s, cpu_before_s = time.perf_counter(), time.process_time() + cpu_s(backend)
    Evaluator(connection, every=HOUR).work(now)
    return time.perf_counter() - begin_s, time.process_time() + cpu_s(backend) - cpu_before_s


if __name__ == "__main__":
    main()
