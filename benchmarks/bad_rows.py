"""What one, ten or a hundred rows that the database refuses cost in a batch of 10,000 readings.

`make bench-bad-rows`; exit status 1 when a neighbour of a bad row was not stored, or one bad row takes more than
300 ms. Rounds are interleaved, figures are medians.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from gateway.model import AssetId, Reading
from gateway.wire import Queued, encode_pack, senml_topic
from gateway.zones import Zone, load_zones
from ingest.admission import Message
from ingest.db import Connection, connect, migrate, queries
from ingest.pipeline import Pipeline
from ingest.registry import import_zones
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account
from ndiyan.shipped_files import shipped

SQL = queries("benchmarks", "bad_rows")
READINGS, PER_PACK = 10_000, 20
BAD_ROWS = (0, 1, 10, 100)
POISON = 7.0
ONE_WITHIN_MS = 300.0


def batch(zone: Zone, bad: int, now: datetime) -> list[Message]:
    """A reading a second until `now`, `bad` of them poison, evenly spread."""
    poisoned = {k * READINGS // bad + READINGS // bad // 2 for k in range(bad)} if bad else set()
    queued = []
    for n in range(READINGS):
        at = now - timedelta(seconds=READINGS - n)
        queued.append(
            Queued(n + 1, n + 1.0, Reading(AssetId("tower"), "level_m", at, POISON if n in poisoned else 1.5))
        )
    topic, received_us = senml_topic(zone.zone_id, zone.gateway_id), round(now.timestamp() * 1e6)
    packs = [queued[k : k + PER_PACK] for k in range(0, READINGS, PER_PACK)]
    return [
        Message(topic, encode_pack("ab", pack, sent_at=now, sent_uptime_s=READINGS + 1.0), received_us, 1, 1)
        for pack in packs
    ]


def took_ms(connection: Connection, messages: list[Message], bad: int) -> float:
    """How long a new pipeline takes for a batch on an empty database [ms]."""
    connection.execute(SQL["empty"])
    pipeline = Pipeline(connection)
    begin_s = time.perf_counter()
    stored = pipeline.store(messages)
    took = (time.perf_counter() - begin_s) * 1e3
    if (stored.stored, stored.set_aside) != (READINGS - bad, bad):
        sys.exit(f"{bad} bad rows: {stored.stored} stored, {stored.set_aside} set aside")
    return took


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    zones, now = load_zones([shipped("zones")]), datetime(2026, 11, 24, 12, 50, tzinfo=UTC)
    batches = {bad: batch(zones[0], bad, now) for bad in BAD_ROWS}
    found: dict[int, list[float]] = {bad: [] for bad in BAD_ROWS}
    with tempfile.TemporaryDirectory(prefix="ndiyan-bad-rows-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        server = EmbeddedPostgres(folder, secret_file=folder / "pg", log=folder / "log", account=postgres_account())
        server.start()
        try:
            with connect(server.url()) as connection:
                migrate(connection)
                import_zones(connection, zones)
                connection.execute(SQL["refuse"])
                took_ms(connection, batches[0], 0)  # the first one makes partitions and fills caches
                for _ in range(rounds):
                    for bad, messages in batches.items():
                        found[bad].append(took_ms(connection, messages, bad))
        finally:
            server.stop()
    for bad, times in found.items():
        middle, best = statistics.median(times), min(times)
        print(f"{bad:4} bad of {READINGS}: {middle:6.0f} ms (best {best:.0f}), {READINGS - bad} kept")
    sys.exit(1 if statistics.median(found[1]) > ONE_WITHIN_MS else 0)


if __name__ == "__main__":
    main()
