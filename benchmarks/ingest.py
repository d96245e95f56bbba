"""How fast ingest is, as ratios within one run: against raw COPY of the same rows, and against a naive script.

`ndiyan bench ingest` runs it. Ingest is measured from outside: the real process with its default settings, between a
real broker and a real database, on one machine whose cores they share with the publisher. Readings count when they
are committed and confirmed to broker and gateways; the clock runs from the first publish until then.
"""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.answers import ONE_IN, Answers, sampled_messages
from benchmarks.processes import IngestProcess, MeasureError, Publisher, held_by_broker
from benchmarks.rig import COPY_END, COPY_HEADER, PER_PACK, WARM_UP, ZONES, Rig, binary_rows, make_messages
from ingest.columns import Columns
from ingest.db import Connection, connect, queries
from ingest.pipeline import fetch_directory

SQL = queries("benchmarks", "ingest")
COPY_BATCH = 48_000
NAIVE_MESSAGES = 300
LONE_MESSAGES = 20
LONE_PAUSE_S = 0.1
POLL_S, SELDOM_S = 0.005, 0.25
PATIENCE_S = 60.0  # without a commit


class Run(NamedTuple):
    """One file of messages: readings (n, also those that came again), seconds, CPU of ingest, latency of a sample."""

    readings: int
    took_s: float
    cpu_s: float
    latency_ms: list[float]

    @property
    def rate(self) -> float:
        """Readings a second."""
        return self.readings / self.took_s


class Bench:
    """A rig, who listens for answers, and the ways to bring readings into the table."""

    def __init__(self, folder: Path, messages: int) -> None:
        self.rig = Rig(folder, messages)
        self.process = self._whole = IngestProcess(self.rig)
        self._bare = IngestProcess(self.rig, module="benchmarks.bare_ingest")
        self.peak_rss_mb = 0.0
        self.unconfirmed = 0

    def start(self) -> None:
        """Bring all up except for ingest."""
        self.rig.start()
        self.answers = Answers(self.rig)
        self._tenth = self.rig.tenth_twice()
        self._warm_up_rows = _batches(self.rig.warm_up_columns)
        self._rows = _batches(self.rig.columns)

    def stop(self) -> None:
        """Take all down."""
        self.process.stop()
        if hasattr(self, "answers"):
            self.answers.close()
        self.rig.stop()

    def raw_copy(self) -> float:
        """Readings a second that one connection copies, sorted in batches: what the server allows."""
        self.rig.empty()
        with connect(self.rig.postgres.url()) as connection:
            _copy(connection, self._warm_up_rows)
            self.rig.settle()
            begin = time.perf_counter()
            _copy(connection, self._rows)
            return len(self.rig.columns) / (time.perf_counter() - begin)

    def naive(self) -> float:
        """Readings a second of a script that inserts each reading and commits each message; it reads the file."""
        self.rig.empty()
        lines = [line.split(b"\t", 1) for line in self.rig.file.read_bytes().splitlines()[:NAIVE_MESSAGES]]
        with connect(self.rig.postgres.url(), autocommit=False) as connection:
            ids = {key: entry.channel_id for key, entry in fetch_directory(connection).channels.items()}
            connection.commit()
            _copy(connection, self._warm_up_rows)
            connection.commit()
            self.rig.settle()
            begin = time.perf_counter()
            for topic, payload in lines:
                zone, asset, at_s = topic.decode().split("/")[2], "", 0.0
                for record in json.loads(payload):
                    asset = record.get("bn", asset).rstrip("/")
                    at_s = record.get("bt", at_s)
                    row = {"channel": ids[zone, asset, record["n"]], "at_s": at_s, "value": record["v"]}
                    connection.execute(SQL["insert_one"], row)
                connection.commit()
            return len(lines) * PER_PACK / (time.perf_counter() - begin)

    @contextmanager
    def ingest(self, *, is_bare: bool = False) -> Iterator[None]:
        """An empty database and a running ingest that has seen each gateway once; what it left undone is counted.

        One that `is_bare` leaves out latest values, hours and days, and its memory counts for nothing.
        """
        self.rig.empty()
        self.process = self._bare if is_bare else self._whole
        self.process.start()
        self.send(self.rig.warm_up_file)
        yield
        if not is_bare:
            self.peak_rss_mb = max(self.peak_rss_mb, self.process.peak_rss_mb)
        self.process.stop()
        self._check_what_was_kept(is_bare=is_bare)
        self.unconfirmed += held_by_broker(self.rig.broker.ingest_settings)

    def _check_what_was_kept(self, *, is_bare: bool) -> None:
        with connect(self.rig.postgres.url()) as connection:
            ((keeps_more,),) = connection.execute(SQL["keeps_more"]).fetchall()
        if keeps_more == is_bare:
            raise MeasureError(f"latest values and rollups were {'kept' if is_bare else 'not kept'}")

    def send(self, file: Path, *, rate: float = 0, first_wait: bool = False) -> Run:
        """Publish a file and wait until ingest has committed and confirmed it.

        With `first_wait` ingest is frozen until all is published, and the clock runs from then: it is offered as much
        as the broker can give.
        """
        sampled = sampled_messages(self.rig, file)
        count = file.read_bytes().count(b"\n")
        publisher = Publisher(self.rig, file, rate=rate)
        try:
            self.rig.settle()
            self.answers.expect(sampled)
            with connect(self.rig.postgres.url()) as connection:
                goal = _received(connection) + count * PER_PACK
                cpu_s = self.process.cpu_s
                if first_wait:
                    self.process.pause()
                publisher.go()
                left_ns = publisher.left_ns() if first_wait else []
                begin_ns = time.monotonic_ns()
                self.process.resume()
                committed_ns = self._wait_for(connection, goal)
            cpu_s = self.process.cpu_s - cpu_s
            left_ns = left_ns or publisher.left_ns()
        finally:
            publisher.kill()
        self.unconfirmed += self.answers.wait()
        answered_ns = self.answers.answered_ns()
        end_ns = max(committed_ns, *answered_ns.values())
        latency_ms = [(at_ns - left_ns[number]) / 1e6 for number, at_ns in answered_ns.items()]
        begin_ns = begin_ns if first_wait else min(left_ns)
        return Run(count * PER_PACK, (end_ns - begin_ns) / 1e9, cpu_s, latency_ms)

    def replay(self) -> Run:
        """Everything again."""
        return self.send(self.rig.file)

    def tenth_twice(self) -> Run:
        """Every tenth message twice."""
        return self.send(self._tenth)

    def lone_messages_ms(self) -> list[float]:
        """From publish to answer, for messages that come when there is nothing else to do [ms]."""
        first = WARM_UP + self.rig.messages
        first += -first % ZONES  # the first zone's turn
        found = []
        messages = list(make_messages(first, ONE_IN * LONE_MESSAGES, self.rig.start_s))
        for number, (topic, payload) in enumerate(messages[::ONE_IN]):
            zone, seq = topic.split("/")[2], json.loads(payload)[-1]["seq"]
            time.sleep(LONE_PAUSE_S * (1 + number / LONE_MESSAGES))  # not in step with anything
            self.answers.expect({zone: {0: seq}})
            begin_ns = time.monotonic_ns()
            self.answers.publish(topic, payload)
            if self.answers.wait():
                raise MeasureError(f"a lone message was not answered: {self.process.last_words()}")
            found.append((self.answers.answered_ns()[0] - begin_ns) / 1e6)
        return found

    def _wait_for(self, connection: Connection, goal: int) -> int:
        """When so many readings were committed, by the monotonic clock [ns].

        Asks the database seldom until the answers that are listened for have come, because asking costs what is
        measured; then every `POLL_S`.
        """
        before, moved_s = -1, time.monotonic()
        while True:
            received = _received(connection)
            now_ns = time.monotonic_ns()
            if received >= goal:
                return now_ns
            if received != before:
                before, moved_s = received, now_ns / 1e9
            if now_ns / 1e9 - moved_s > PATIENCE_S:
                raise MeasureError(f"{goal - received} readings did not come: {self.process.last_words()}")
            if not self.answers.wait(SELDOM_S):
                time.sleep(POLL_S)


def measure(messages: int, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Run interleaved rounds and return the medians by the names of the JSON output."""
    found: dict[str, list[float]] = {}
    lost = twice = 0

    def keep(name: str, value: float) -> None:
        found.setdefault(name, []).append(value)

    with tempfile.TemporaryDirectory(prefix="ndiyan-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # the servers' accounts come through here
        bench = Bench(folder, messages)

        def count() -> None:
            nonlocal lost, twice
            missing, more = bench.rig.lost_and_twice()
            lost, twice = lost + missing, twice + more

        try:
            say("starting servers, writing messages")
            bench.start()
            for number in range(1, rounds + 1):
                keep("copy", bench.raw_copy())
                with bench.ingest():
                    run = bench.send(bench.rig.file)
                    count()
                    again = bench.replay()
                    count()
                with bench.ingest():
                    tenth = bench.tenth_twice()
                    count()
                with bench.ingest(is_bare=True):
                    bare = bench.send(bench.rig.file)
                    count()
                keep("end_to_end", run.rate)
                keep("bare", bare.rate)
                keep("replay", again.rate)
                keep("tenth", tenth.rate)
                keep("cpu_us", run.cpu_s / run.readings * 1e6)
                keep("naive", bench.naive())
                say(progress(number, rounds, {key: values[-1] for key, values in found.items()}))
            say("latency at half of that load, and of lone messages")
            with bench.ingest():
                half = statistics.median(found["end_to_end"]) / PER_PACK / 2
                latency_ms = sorted(bench.send(bench.rig.file, rate=half).latency_ms)
                count()
                lone_ms = bench.lone_messages_ms()
            calm_rss_mb = bench.peak_rss_mb
            bench.peak_rss_mb = 0.0
            say("a backlog: ingest begins when all has been published")
            with bench.ingest():
                backlog = bench.send(bench.rig.file, first_wait=True)
                count()
        finally:
            bench.stop()
    middle = {key: statistics.median(values) for key, values in found.items()}
    return {
        "ratio_to_copy": round(middle["end_to_end"] / middle["copy"], 3),
        "ratio_to_naive": round(middle["end_to_end"] / middle["naive"], 1),
        "ratio_bare_to_copy": round(middle["bare"] / middle["copy"], 3),
        "ratio_bare_to_naive": round(middle["bare"] / middle["naive"], 1),
        "ratio_replay_to_copy": round(middle["replay"] / middle["copy"], 3),
        "ratio_tenth_to_copy": round(middle["tenth"] / middle["copy"], 3),
        "ratio_backlog_to_copy": round(backlog.rate / middle["copy"], 3),
        "copy_readings_per_s": round(middle["copy"]),
        "end_to_end_readings_per_s": round(middle["end_to_end"]),
        "end_to_end_messages_per_s": round(middle["end_to_end"] / PER_PACK),
        "bare_readings_per_s": round(middle["bare"]),
        "replay_readings_per_s": round(middle["replay"]),
        "tenth_readings_per_s": round(middle["tenth"]),
        "backlog_readings_per_s": round(backlog.rate),
        "naive_readings_per_s": round(middle["naive"]),
        "latency_ms_p50": round(float(np.percentile(latency_ms, 50)), 1),
        "latency_ms_p99": round(float(np.percentile(latency_ms, 99)), 1),
        "lone_message_ms": round(statistics.median(lone_ms), 1),
        "cpu_us_per_reading": round(middle["cpu_us"], 2),
        "peak_rss_mb": round(max(calm_rss_mb, bench.peak_rss_mb), 1),
        "backlog_rss_mb": round(bench.peak_rss_mb, 1),
        "lost": lost,
        "twice": twice,
        "unconfirmed": bench.unconfirmed,
        "messages": messages,
        "rounds": rounds,
    }


def progress(number: int, rounds: int, figures: Mapping[str, float]) -> str:
    """A line about one round."""
    return f"round {number} of {rounds}: " + ", ".join(f"{key} {value:,.6g}" for key, value in figures.items())


def _received(connection: Connection) -> int:
    ((received,),) = connection.execute(SQL["received"]).fetchall()
    return int(received)


def _batches(columns: Columns) -> list[bytes]:
    """The rows as COPY takes them, in batches that are sorted by channel and time."""
    found = []
    for first in range(0, len(columns), COPY_BATCH):
        batch = columns.take(np.arange(first, min(first + COPY_BATCH, len(columns))))
        rows = binary_rows(batch.take(np.lexsort((batch.measured_us, batch.channel_id))))
        found.append(COPY_HEADER + rows + COPY_END)
    return found


def _copy(connection: Connection, batches: list[bytes]) -> None:
    for batch in batches:
        with connection.transaction(), connection.cursor() as cursor, cursor.copy(SQL["copy_reading"]) as copy:
            copy.write(batch)
