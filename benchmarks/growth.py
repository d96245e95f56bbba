"""How cost grows with zones, history and channels: `make bench-growth`.

Judging with zones and with history, the overview's question with zones, storing with channels. Each law is a straight
line through logarithms; its slope is the exponent (1: twice the zones, twice the cost; 0: it does not grow). Costs are
CPU of ours and of the database's session together. `--folder` is where the drawings go.
"""

from __future__ import annotations

import argparse
import itertools
import re
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
from psycopg import sql

from benchmarks.country import RECORDED_DAYS, Country, Recorded, build, judge, of_twenty, record
from benchmarks.processes import cpu_s
from benchmarks.reads import readings
from benchmarks.rig import INTERVAL_S
from benchmarks.rig import register as register_channels
from gateway.zones import Zone, load_zones
from ingest.db import Connection, connect, migrate
from ingest.writer import ReadingWriter
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account
from ndiyan.plots import BLUE, GREY, Legend, Line, Panel, curve_figure
from ndiyan.shipped_files import shipped
from web.fleet import fetch_fleet

ROUNDS = 3
HISTORY_ZONES = 30  # few, so that their records reach far back
A_ZONE = 8  # channels of the rig's zones
BATCH = 48_000
ENOUGH_S = 0.2
MARGIN = 0.1  # of a logarithm, around what is drawn


class Law(NamedTuple):
    """Costs measured at some sizes."""

    name: str
    over: str
    unit: str
    sizes: tuple[int, ...]
    costs: tuple[float, ...]

    @property
    def exponent(self) -> float:
        """The slope of the logarithms."""
        return float(np.polyfit(np.log10(self.sizes), np.log10(self.costs), 1)[0])


class Ground:
    """A server, and a country on it for each question."""

    def __init__(self, server: EmbeddedPostgres, models: Sequence[Zone], recorded: Recorded) -> None:
        self._server, self._models, self._recorded, self._number = server, list(models), recorded, 0

    def database(self) -> str:
        """The address of a new database with our schema."""
        self._number += 1
        with connect(self._server.url("postgres")) as admin:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(f"growth_{self._number}")))
        url = self._server.url(f"growth_{self._number}")
        with connect(url) as connection:
            migrate(connection)
        return url

    def country(self, zones: int, hours: int) -> str:
        """Zones that have lived for so many hours, of which the last is to be judged."""
        url = self.database()
        with connect(url) as connection:
            country = Country(zones, away=0, minutes=0, before_h=hours, judge_every_min=0)
            build(connection, country, self._models, self._recorded, url, lambda line: None)
        return url

    @property
    def end(self) -> datetime:
        """When the last reading was measured."""
        return self._recorded.end


def judging(ground: Ground, url: str) -> float:
    """CPU of judging the last hour of all zones [s], the least of some rounds."""
    found = []
    for number in range(ROUNDS):
        now = ground.end + timedelta(hours=number)
        with connect(url) as connection:
            connection.execute(
                "UPDATE job SET watermark_at = %s, next_due_at = %s", [ground.end - timedelta(hours=1), now]
            )
        one = judge(url, now, timedelta(days=1))
        found.append(one.cpu_s + one.database_s)
    return min(found)


def overview(ground: Ground, url: str) -> float:
    """CPU of reading the state of all zones, as the overview does [ms], the least of some rounds."""
    with connect(url) as connection:
        return min(_spent(connection, lambda: fetch_fleet(connection, ground.end)) for _ in range(ROUNDS)) * 1000


def storing(ground: Ground, channels: int) -> float:
    """CPU of storing a reading of so many channels that report in turns, in batches of ingest [µs]."""
    with connect(ground.database()) as connection:
        ids = register_channels(connection, channels // A_ZONE).ravel()
        steps = max(1, BATCH // len(ids))
        start_s, writer = round(ground.end.timestamp()), ReadingWriter(connection)
        batches = (readings(ids, start_s + (n * steps + np.arange(steps)) * INTERVAL_S) for n in itertools.count())
        writer.write(next(batches))  # makes the week and all latest values
        cost_s = min(_spent(connection, lambda: writer.write(next(batches))) for _ in range(ROUNDS))
        return cost_s / (steps * len(ids)) * 1e6


def _spent(connection: Connection, call: Callable[[], object]) -> float:
    """CPU of ours and of the session's [s]; its tick is 10 ms, so what is short is done again and again."""
    backend, calls, spent_s = connection.info.backend_pid, 0, 0.0
    before_s = time.process_time() + cpu_s(backend)
    while spent_s < ENOUGH_S:
        call()
        calls += 1
        spent_s = time.process_time() + cpu_s(backend) - before_s
    return spent_s / calls


def measure(zones: Sequence[int], days: Sequence[int], channels: Sequence[int]) -> list[Law]:
    """All laws."""
    end = (datetime.now(UTC) - timedelta(days=1)).replace(hour=11, minute=0, second=0, microsecond=0)
    models = [of_twenty(zone) for zone in load_zones([shipped("zones")])]
    with tempfile.TemporaryDirectory(prefix="ndiyan-growth-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # the server's account comes through here
        server = EmbeddedPostgres(folder, secret_file=folder / "pg", log=folder / "pg.log", account=postgres_account())
        server.start()
        try:
            ground = Ground(server, models, record(models, end))
            by_zones = [(count, ground.country(count, 10)) for count in zones]
            by_days = [(count, ground.country(HISTORY_ZONES, 24 * count)) for count in days]
            return [
                Law("judging all zones", "zones", "s", *_of(by_zones, lambda url: judging(ground, url))),
                Law("judging, with history", "days", "s", *_of(by_days, lambda url: judging(ground, url))),
                Law("the overview's question", "zones", "ms", *_of(by_zones, lambda url: overview(ground, url))),
                Law("storing a reading", "channels", "µs", tuple(channels),
                    tuple(storing(ground, count) for count in channels)),
            ]  # fmt: skip
        finally:
            server.stop()


def _of(places: Sequence[tuple[int, str]], cost: Callable[[str], float]) -> tuple[tuple[int, ...], tuple[float, ...]]:
    return tuple(size for size, _ in places), tuple(cost(url) for _, url in places)


def figure(law: Law) -> str:
    """The law as a drawing: what was measured, and the line through it."""
    x, y = np.log10(law.sizes), np.log10(law.costs)
    slope, start = np.polyfit(x, y, 1)
    panel = Panel(
        f"log10 of the cost [{law.unit}]",
        (Line(x, slope * x + start, GREY), Line(x, y, BLUE, is_dots=True)),
        float(y.min() - MARGIN), float(y.max() + MARGIN),
    )  # fmt: skip
    told = ", ".join(f"{size:,}: {cost:.3g} {law.unit}" for size, cost in zip(law.sizes, law.costs, strict=True))
    return curve_figure(
        f"{law.name}: exponent {law.exponent:.2f} over {law.over}", told, panel, x_title=f"log10 of {law.over}",
        x=(float(x.min() - MARGIN), float(x.max() + MARGIN)), legend=Legend((("measured", BLUE), ("law", GREY))),
    )  # fmt: skip


def main() -> None:
    """Measure, print a line for each law and draw it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--zones", type=int, nargs="+", default=[100, 300, 1000, 3000, 5000])
    parser.add_argument("--days", type=int, nargs="+", default=[2, 5, 12, 24], help=f"below {RECORDED_DAYS - 5}")
    parser.add_argument("--channels", type=int, nargs="+", default=[800, 8_000, 80_000, 400_000])
    parser.add_argument("--folder", type=Path, default=Path("docs/images/scale"))
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for law in measure(options.zones, options.days, options.channels):
        told = ", ".join(f"{size}: {cost:.3g}" for size, cost in zip(law.sizes, law.costs, strict=True))
        print(f"{law.name:26} ~ {law.over}^{law.exponent:.2f}   [{law.unit}] {told}", flush=True)
        (options.folder / f"{re.sub('[^a-z]+', '-', law.name)}.svg").write_text(figure(law), "utf-8")


if __name__ == "__main__":
    main()
