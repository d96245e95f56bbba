"""How fast ingest is, as ratios within one run: against raw COPY of the same rows, and against a naive script.

`make bench` runs it. All on one machine: PostgreSQL, mosquitto, a publisher process and ingest itself share its cores.
A message counts when it is committed and confirmed. Each figure is the median of interleaved rounds.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from gateway.clock import SystemClock
from gateway.config import MqttSettings
from gateway.model import CHANNELS as CHANNELS_OF
from gateway.model import AssetId, AssetKind, Reading
from gateway.wire import Queued, encode_pack, senml_topic
from ingest.admission import Directory, Message, admit
from ingest.config import IngestConfig
from ingest.db import connect, migrate
from ingest.pipeline import Pipeline, fetch_directory
from ingest.subscriber import Subscriber
from ingest.writer import COPY_HEADER, ReadingWriter, copy_rows
from ndiyan.embedded_broker import EmbeddedBroker, broker_account, find_mosquitto
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account

ZONES = 1000
CHANNELS = (
    ("pv", "irradiance_w_m2"), ("pv", "power_w"), ("pump", "power_w"), ("pump", "flow_m3_h"), ("pump", "volume_m3"),
    ("borehole", "water_depth_m"), ("tower", "level_m"), ("tower", "outflow_m3_h"),
)  # fmt: skip
PER_PACK = 12
START_S = int(datetime(2026, 10, 1, tzinfo=UTC).timestamp())
COPY_BATCH = 48_000
NAIVE_MESSAGES = 300
ZONE_SQL = """
INSERT INTO zone
    (zone_id, name, commune, latitude, longitude, altitude_m, is_fictional, people, counted_in, gnf_per_20_l)
SELECT 'bench-' || n, 'bench', 'bench', 11, -12, 1000, true, 1000, 2026, 100 FROM generate_series(1, %(zones)s) n;
INSERT INTO gateway (gateway_id, zone_id) SELECT 'gw-' || zone_id, zone_id FROM zone;
"""
CHANNEL_SQL = """
INSERT INTO asset (zone_id, asset_id, kind, interval_s) SELECT zone_id, %(asset)s, %(asset)s, 300 FROM zone
ON CONFLICT DO NOTHING
"""
CHANNEL_SQL_2 = """
INSERT INTO channel (zone_id, asset_id, name, unit, is_counter, minimum, maximum)
SELECT zone_id, %(asset)s, %(name)s, %(unit)s, false, -1e9, 1e9 FROM zone
"""


class Bench:
    """A database, a broker and the messages of one measurement."""

    def __init__(self, folder: Path, messages: int) -> None:
        mosquitto = find_mosquitto()
        if mosquitto is None:
            raise SystemExit("bench: mosquitto is needed: apt-get install mosquitto")
        log = folder / "servers.log"
        self.postgres = EmbeddedPostgres(folder, secret_file=folder / "pg", log=log, account=postgres_account())
        self.broker = EmbeddedBroker(
            folder, [], secret_file=folder / "mq", log=log, account=broker_account(), mosquitto=mosquitto
        )
        self.file = folder / "messages"
        self.messages = messages
        self.clock = SystemClock()

    def start(self) -> None:
        """Bring the servers up and write the registry and the messages."""
        self.postgres.start()
        self.broker.start()
        with connect(self.postgres.url()) as connection:
            migrate(connection)
            with connection.transaction():
                for statement in ZONE_SQL.strip().split(";\n"):
                    connection.execute(statement.rstrip(";"), {"zones": ZONES} if "%(" in statement else None)
                for asset, name in CHANNELS:
                    unit = CHANNELS_OF[AssetKind(asset)][name].unit
                    connection.execute(CHANNEL_SQL, {"asset": asset})
                    connection.execute(CHANNEL_SQL_2, {"asset": asset, "name": name, "unit": unit})
            self.directory: Directory = fetch_directory(connection)
        packs = list(make_messages(self.messages))
        self.file.write_bytes(b"\n".join(topic.encode() + b"\t" + payload for topic, payload in packs))
        now_us = int(time.time() * 1e6)
        self.columns = admit([Message(t, p, now_us, 1, 1) for t, p in packs], self.directory).columns

    def stop(self) -> None:
        """Take the servers down."""
        self.broker.stop()
        self.postgres.stop()

    def empty(self) -> None:
        """Forget all readings, and let the server settle."""
        with connect(self.postgres.url()) as connection:
            connection.execute("TRUNCATE reading, latest, gateway_boot, reading_conflict, set_aside")
            connection.execute("CHECKPOINT")

    def raw_copy(self) -> float:
        """Readings a second that one connection copies, sorted in batches: what the server allows."""
        with connect(self.postgres.url()) as connection:
            ReadingWriter(connection)._ensure_weeks(self.columns.measured_us)
            begin = time.perf_counter()
            for first in range(0, len(self.columns), COPY_BATCH):
                batch = self.columns.take(np.arange(first, min(first + COPY_BATCH, len(self.columns))))
                rows = copy_rows(batch.take(np.lexsort((batch.measured_us, batch.channel_id))))
                with (
                    connection.transaction(),
                    connection.cursor() as cursor,
                    cursor.copy("COPY reading FROM STDIN (FORMAT binary)") as copy,
                ):
                    copy.write(COPY_HEADER + rows.tobytes() + b"\xff\xff")
            return len(self.columns) / (time.perf_counter() - begin)

    def naive(self) -> float:
        """Readings a second of a script that inserts each reading and commits each message."""
        topics = [line.split(b"\t", 1) for line in self.file.read_bytes().split(b"\n")[:NAIVE_MESSAGES]]
        with connect(self.postgres.url(), autocommit=False) as connection:
            ids = {key: entry.channel_id for key, entry in self.directory.channels.items()}
            begin = time.perf_counter()
            for topic, payload in topics:
                zone, asset, at_s = topic.decode().split("/")[2], "", 0.0
                for record in json.loads(payload):
                    asset = record.get("bn", asset).rstrip("/") or asset
                    at_s = record.get("bt", at_s)
                    connection.execute(
                        "INSERT INTO reading (channel_id, flag, measured_at, received_at, value)"
                        " VALUES (%s, 1, to_timestamp(%s), now(), %s) ON CONFLICT DO NOTHING",
                        (ids[zone, asset, record["n"]], at_s, record["v"]),
                    )
                connection.commit()
            return NAIVE_MESSAGES * PER_PACK / (time.perf_counter() - begin)

    def end_to_end(self, rate: float = 0) -> tuple[float, list[float]]:
        """Readings a second from the first publish to the last confirmation, and each message's latency [ms]."""
        config = IngestConfig(self.postgres.url(), self.broker.ingest_settings, window_messages=2000)
        subscriber = Subscriber(config, self.clock)
        subscriber.start()
        operator = MqttSettings.from_url(self.broker.operator_url)
        argv = [
            sys.executable, str(Path(__file__).with_name("publisher.py")), operator.host, str(operator.port),
            str(operator.username), str(operator.password), str(self.file), str(rate),
        ]  # fmt: skip
        publisher = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        go = publisher.stdin
        if go is None:
            raise RuntimeError("the publisher has no standard input")
        with connect(self.postgres.url()) as connection:
            pipeline = Pipeline(connection)
            while not subscriber.is_connected:
                time.sleep(0.01)
            time.sleep(1.0)  # the publisher reads its file
            done, done_ns = 0, list[int]()
            go.write("go\n")
            go.flush()
            while done < self.messages:
                batch = subscriber.take(2000, wait_s=0.2)
                if not batch:
                    continue
                stored = pipeline.store(batch)
                subscriber.confirm(batch, stored.taken)
                done += len(batch)
                done_ns += [time.monotonic_ns()] * len(batch)
        left_ns = json.loads(publisher.communicate(timeout=60)[0])
        subscriber.stop()
        took_s = (done_ns[-1] - left_ns[0]) / 1e9
        # Order is kept from one publisher to one subscriber, so the n-th out is the n-th in.
        latency_ms = [(out - into) / 1e6 for into, out in zip(left_ns, done_ns, strict=True)]
        return len(self.columns) / took_s, latency_ms

    def missing_and_twice(self) -> tuple[int, int]:
        """Readings that are not stored, and rows more than there are readings."""
        with connect(self.postgres.url()) as connection:
            rows = connection.execute("SELECT count(*), count(DISTINCT (channel_id, measured_at)) FROM reading")
            ((total, distinct),) = rows.fetchall()
        return len(self.columns) - distinct, total - distinct


def make_messages(count: int) -> Iterator[tuple[str, bytes]]:
    """Packs of 12 readings as a gateway writes them, zones in turn, time going on."""
    rng = np.random.default_rng(7)
    values = np.round(rng.uniform(0, 900, size=(count, PER_PACK)), 2).tolist()
    for n in range(count):
        zone, turn = n % ZONES + 1, n // ZONES
        entries = []
        for k in range(PER_PACK):
            number = turn * PER_PACK + k
            asset, name = CHANNELS[number % len(CHANNELS)]
            at = datetime.fromtimestamp(START_S + 300 * (number // len(CHANNELS)), UTC)
            entries.append(Queued(number + 1, 60.0 + number, Reading(AssetId(asset), name, at, values[n][k])))
        topic = senml_topic(f"bench-{zone}", f"gw-bench-{zone}")
        yield topic, encode_pack("00000001", entries, sent_at=entries[-1].reading.measured_at)


def measure(messages: int, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Run the rounds and return the figures by the names of the JSON output."""
    found: dict[str, list[float]] = {name: [] for name in ("copy", "naive", "end_to_end", "replay")}
    lost = twice = 0
    with tempfile.TemporaryDirectory(prefix="ndiyan-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)
        bench = Bench(folder, messages)
        try:
            bench.start()
            for round_number in range(1, rounds + 1):
                bench.empty()
                found["copy"].append(bench.raw_copy())
                bench.empty()
                found["end_to_end"].append(bench.end_to_end()[0])
                missing, doubled = bench.missing_and_twice()
                lost, twice = lost + missing, twice + doubled
                found["replay"].append(bench.end_to_end()[0])
                bench.empty()
                found["naive"].append(bench.naive())
                say(f"round {round_number}: " + ", ".join(f"{key} {rows[-1]:,.0f}/s" for key, rows in found.items()))
            bench.empty()
            half = statistics.median(found["end_to_end"]) / PER_PACK / 2
            latency_ms = sorted(bench.end_to_end(rate=half)[1])
        finally:
            bench.stop()
    median = {key: statistics.median(rows) for key, rows in found.items()}
    return {
        "ratio_to_copy": round(median["end_to_end"] / median["copy"], 3),
        "ratio_to_naive": round(median["end_to_end"] / median["naive"], 1),
        "copy_readings_per_s": round(median["copy"]),
        "end_to_end_readings_per_s": round(median["end_to_end"]),
        "end_to_end_messages_per_s": round(median["end_to_end"] / PER_PACK),
        "replay_readings_per_s": round(median["replay"]),
        "latency_ms_p50": round(latency_ms[len(latency_ms) // 2], 1),
        "latency_ms_p99": round(latency_ms[len(latency_ms) * 99 // 100], 1),
        "lost": lost,
        "twice": twice,
        "peak_rss_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "messages": messages,
        "rounds": rounds,
    }


def main() -> None:
    """Parse, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=20_000, help="messages of 12 readings a round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    figures = measure(options.messages, options.rounds, lambda line: print(line, file=sys.stderr))
    if options.json:
        print(json.dumps(figures))
        return
    print("Ingest, end to end through mosquitto, committed and confirmed:")
    for key, value in figures.items():
        print(f"  {key:28} {value:>12,}")


if __name__ == "__main__":
    main()
