"""The processes of a measurement, seen from outside: ingest itself and who publishes."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.rig import Rig
from benchmarks.wire import connected
from gateway.config import MqttSettings
from ingest import mqtt
from ingest.db import connect, queries
from ndiyan.children import ends_with_parent, spawn, stop
from ndiyan.errors import NdiyanError
from tests.surroundings import environment

SQL = queries("benchmarks", "ingest")
START_TIMEOUT_S, STOP_TIMEOUT_S = 30.0, 30.0
KEEP_SESSION_S = 0xFFFFFFFF
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
TICKS_S = os.sysconf("SC_CLK_TCK")


class MeasureError(NdiyanError):
    """Something did not do what it must do to be measured."""


def cpu_s(pid: int) -> float:
    """CPU time that a process has used, all threads, user and system [s]."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_S


def family(pid: int) -> Iterator[int]:
    """A process and all that it started."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text("ascii").split()
        except OSError:
            continue  # it has just ended
        for child in children:
            yield from family(int(child))


def spent_s(pid: int) -> float:
    """CPU time that a process, all that it started, and of those all that have ended have used [s]."""
    total = 0
    for one in family(pid):
        with contextlib.suppress(OSError):  # it has just ended, and counts as its parent's
            fields = Path(f"/proc/{one}/stat").read_text("ascii").rpartition(")")[2].split()
            total += sum(map(int, fields[11:15]))
    return total / TICKS_S


def peak_rss_mb(pid: int) -> float:
    """The most memory that a process has had [MB of 10⁶ bytes]."""
    for line in Path(f"/proc/{pid}/status").read_text("utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise MeasureError("this kernel does not tell a process's peak memory")


def pss_mb(pid: int, *, is_all: bool = True) -> float:
    """What a process holds alone and its share of what several hold; without `is_all` no shared memory [MB]."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text("ascii").splitlines()
    except OSError:
        return 0.0  # it has just ended
    kb = {name: int(rest.split()[0]) for name, _, rest in (line.partition(":") for line in lines[1:])}
    return (kb["Pss"] - (0 if is_all else kb["Pss_Shmem"])) * 1024 / 1e6


def open_files(pid: int) -> int:
    """How many file descriptors a process has."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0  # it has just ended


class IngestProcess:
    """`ndiyan ingest` with its default settings on a rig's database and broker; `clock` as in the settings, `module`
    what is run in the place of `ndiyan`."""

    def __init__(
        self, rig: Rig, *, clock: str = "system", start_within_s: float = START_TIMEOUT_S, module: str = "ndiyan"
    ) -> None:
        self._rig, self._clock, self._start_within_s, self._module = rig, clock, start_within_s, module
        self._log = rig.folder / "ingest.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it says that it has the broker; no settings of this machine reach it."""
        around = environment(
            NDIYAN_DATABASE_URL=self._rig.postgres.url(), NDIYAN_MQTT_URL=self._rig.broker.ingest_settings.url(),
            NDIYAN_CLOCK=self._clock,
        )  # fmt: skip
        argv = [sys.executable, "-P", "-m", self._module, "ingest"]
        # It may be frozen when the bench is ended: no gentler signal would reach it.
        self._process = spawn(argv, log=self._log, env=around, death_signal=signal.SIGKILL)
        deadline = time.monotonic() + self._start_within_s
        with connect(self._rig.postgres.url()) as connection:
            connection.execute(SQL["forget_heartbeat"])
            while connection.execute(SQL["is_listening"]).fetchone() is None:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise MeasureError(f"ingest did not start: {self.last_words()}")
                time.sleep(0.05)

    @property
    def cpu_s(self) -> float:
        """CPU time that it has used [s]."""
        return cpu_s(self.pid)

    @property
    def peak_rss_mb(self) -> float:
        """The most memory that it has had [MB of 10⁶ bytes]."""
        return peak_rss_mb(self.pid)

    @property
    def rss_mb(self) -> float:
        """The memory that it has now [MB of 10⁶ bytes]."""
        return int(Path(f"/proc/{self.pid}/statm").read_text("ascii").split()[1]) * PAGE_BYTES / 1e6

    def pause(self) -> None:
        """Freeze it."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def stop(self) -> None:
        """Ask it to end and wait."""
        if self._process is not None and self._process.poll() is None:
            self.resume()
        stop(self._process, signal.SIGTERM, timeout_s=STOP_TIMEOUT_S)

    def last_words(self) -> str:
        """The end of its log."""
        return self._log.read_text("utf-8", "replace")[-2000:]

    @property
    def pid(self) -> int:
        """Its process id."""
        if self._process is None or self._process.poll() is not None:
            raise MeasureError(f"ingest is not running: {self.last_words()}")
        return self._process.pid


class Publisher:
    """A process that publishes a file of messages; it is ready when the constructor returns.

    `rate` is messages a second, 0 for as fast as the broker takes them.
    """

    def __init__(self, rig: Rig, file: Path, *, rate: float = 0) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "benchmarks.publisher", str(file), str(rate)],
            env=environment(NDIYAN_MQTT_URL=rig.broker.operator_url),
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=ends_with_parent(signal.SIGKILL),
        )  # fmt: skip
        if self._process.stdout is None or self._process.stdout.readline() != "ready\n":
            self.kill()
            raise MeasureError("the publisher did not start")

    def go(self, *, until: int | None = None) -> None:
        """Begin, or go on; of the file's messages no more than `until` may have left, None for all."""
        if self._process.stdin is not None:
            self._process.stdin.write("go\n" if until is None else f"{until}\n")
            self._process.stdin.flush()

    def left_ns(self) -> list[int]:
        """Wait until the broker has acknowledged all; when each message left, by the monotonic clock [ns]."""
        output, _ = self._process.communicate(timeout=600)
        if self._process.returncode != 0:
            raise MeasureError("the publisher failed")
        return list(json.loads(output))

    def kill(self) -> None:
        """End it at once, whatever it is doing."""
        self._process.kill()
        self._process.communicate()


def held_by_broker(settings: MqttSettings) -> int:
    """How many messages the broker still holds for ingest, which must have ended; they stay there.

    Takes the session over and asks a question: whatever is unconfirmed is sent before the answer.
    """
    held = 0
    with connected(settings, str(settings.username), session_expiry_s=KEEP_SESSION_S) as link:
        link.sendall(mqtt.PINGREQ_PACKET)
        rest = b""
        while True:
            data = link.recv(65_536)
            if not data:
                raise MeasureError("the broker closed the link of the session of ingest")
            rest += data
            published, answers, end = mqtt.read_packets(rest, protocol=5)
            held, rest = held + len(published), rest[end:]
            if any(answer.kind == mqtt.PINGRESP for answer in answers):
                link.sendall(mqtt.DISCONNECT_PACKET)
                return held


def forget_session(settings: MqttSettings, client_id: str) -> None:
    """End a session at the broker with all that waits in it, so that nothing more is queued for who has ended."""
    with connected(settings, client_id, session_expiry_s=0) as link:
        link.sendall(mqtt.DISCONNECT_PACKET)
