"""`ndiyan ingest` as a process of its own, and what the database says of its work."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psycopg

from gateway.config import MqttSettings
from ingest.db import connect
from tests.surroundings import environment

PATIENCE_S = 60.0
PROGRAM = "from ndiyan.cli import main; main()"
BOOK = "SELECT sum(stored), sum(duplicate), sum(conflict), sum(set_aside), sum(sent) - sum(arrived) FROM gateway_day"


class IngestProcess:
    """`ndiyan ingest`, started and told to stop as systemd does it."""

    def __init__(
        self, database_url: str, mqtt: MqttSettings, log: Path, *, program: str = PROGRAM,
        arguments: Sequence[str] = (), **given: str,
    ) -> None:  # fmt: skip
        self._log, self._program, self._arguments = log, program, arguments
        addresses = {"NDIYAN_DATABASE_URL": database_url, "NDIYAN_MQTT_URL": mqtt.url()}
        self._environment = environment(**given, **addresses)
        self._process: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", self._program, "ingest", *self._arguments],
                stdout=log, stderr=log, env=self._environment,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def log(self) -> str:
        return self._log.read_text("utf-8")

    def wait_for(self, words: str, *, times: int = 1) -> None:
        """Until the log has said so, so many times since the first start."""
        wait_until(lambda: self.log().count(words) >= times, lambda: f"{words!r} is not {times} times in {self.log()}")

    def tell_to_stop(self) -> tuple[int, float]:
        """SIGTERM; the exit code, and how long it took [s]."""
        assert self._process is not None
        begin_s = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        return self.wait(), time.monotonic() - begin_s

    def wait(self) -> int:
        """Until it has ended; the exit code."""
        assert self._process is not None
        return self._process.wait(timeout=PATIENCE_S)

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()


def wait_until(is_so: Callable[[], bool], why_not: Callable[[], str]) -> None:
    end_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end_s, why_not()
        time.sleep(0.02)


def wait_for_readings(url: str, count: int) -> None:
    with connect(url) as connection:
        wait_until(lambda: stored(connection) >= count, lambda: f"{stored(connection)} of {count} are stored")


def stored(connection: psycopg.Connection[tuple[int]]) -> int:
    row = connection.execute("SELECT count(*) FROM reading").fetchone()
    assert row is not None
    return row[0]


def book(url: str) -> tuple[int, ...]:
    """(stored, duplicate, conflict, set aside, missing)"""
    with connect(url) as connection:
        row = connection.execute(BOOK).fetchone()
        assert row is not None
        return tuple(int(number) for number in row)
