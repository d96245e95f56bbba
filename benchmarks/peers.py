"""Ingest beside Node-RED: the same messages, broker, server and table, in turns.

`ndiyan bench peers` runs it. The flow (nodered/flow.json) is the fastest honest one that we know: a function node
gathers 200 messages, one INSERT of arrays stores them, duplicates are harmless. Two differences remain and both
favour Node-RED: its MQTT node acknowledges a message before it is stored, and it keeps no latest values, rollups,
flags or account.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.ingest import SQL, Bench, Run, progress
from benchmarks.processes import MeasureError, Publisher, cpu_s, forget_session, peak_rss_mb
from benchmarks.rig import PER_PACK, ZONES, Rig
from gateway.config import MqttSettings
from ingest.columns import Columns
from ingest.db import Connection, connect
from ingest.pipeline import fetch_directory
from ndiyan.children import free_port, spawn, stop
from tests.surroundings import ROOT

FLOW = ROOT / "benchmarks" / "nodered"
CLIENT_ID = "bench-nodered"  # as the flow has it
INSTALL_TIMEOUT_S, START_TIMEOUT_S, PATIENCE_S = 600, 60.0, 60.0
POLL_S = 0.02


class NodeRed:
    """Node-RED with the flow, on a rig's database and broker."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._node, npm = shutil.which("node"), shutil.which("npm")
        if self._node is None or npm is None:
            raise MeasureError("node and npm are not installed, so there is no peer to measure: apt-get install npm")
        self._program = _installed(npm)
        self._home, self._log = rig.folder / "nodered", rig.folder / "nodered.log"
        self._process: subprocess.Popen[bytes] | None = None

    def write(self) -> None:
        """Write its folder: the flow, the broker's password, the registry."""
        self._home.mkdir()
        (self._home / "node_modules").symlink_to(self._program / "node_modules")
        for file in ("flow.json", "settings.js"):
            shutil.copy(FLOW / file, self._home / file)
        broker = MqttSettings.from_url(self._rig.broker.operator_url)
        secret = {"broker": {"user": broker.username, "password": broker.password}}
        (self._home / "flow_cred.json").write_text(json.dumps(secret), "utf-8")
        with connect(self._rig.postgres.url()) as connection:
            known = {"/".join(key): entry.channel_id for key, entry in fetch_directory(connection).channels.items()}
        (self._home / "channels.json").write_text(json.dumps(known), "utf-8")

    @contextmanager
    def running(self) -> Iterator[int]:
        """Run it; gives its process id once it has the broker."""
        database, broker = urlsplit(self._rig.postgres.url()), MqttSettings.from_url(self._rig.broker.operator_url)
        environment = {
            "BENCH_PORT": str(free_port()), "BENCH_CHANNELS": str(self._home / "channels.json"),
            "BENCH_MQTT_HOST": broker.host, "BENCH_MQTT_PORT": str(broker.port),
            "BENCH_PG_HOST": str(database.hostname), "BENCH_PG_PORT": str(database.port),
            "BENCH_PG_DATABASE": database.path.lstrip("/"), "BENCH_PG_USER": str(database.username),
            "BENCH_PG_PASSWORD": str(database.password),
        }  # fmt: skip
        self._log.write_bytes(b"")
        program = self._program / "node_modules" / "node-red" / "red.js"
        argv: list[str | Path] = [str(self._node), program, "-u", self._home, "-s", self._home / "settings.js"]
        self._process = spawn(argv, log=self._log, env={**os.environ, **environment})
        try:
            deadline = time.monotonic() + START_TIMEOUT_S
            while "Connected to broker" not in self.last_words():
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise MeasureError(f"Node-RED did not start: {self.last_words()}")
                time.sleep(0.05)
            yield self._process.pid
        finally:
            stop(self._process, signal.SIGTERM, timeout_s=10)
            forget_session(broker, CLIENT_ID)

    def last_words(self) -> str:
        """The end of its log."""
        return self._log.read_text("utf-8", "replace")[-5000:]


def measure(messages: int, rounds: int, say: Callable[[str], None]) -> dict[str, Any]:
    """Run both in turns and return the medians by the names of the JSON output."""
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="ndiyan-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # the servers' accounts come through here
        bench = Bench(folder, messages)
        peer = NodeRed(bench.rig)
        try:
            say("starting servers, writing messages")
            bench.start()
            peer.write()
            for number in range(1, rounds + 1):
                figures = {"copy": bench.raw_copy(), **_ours(bench), **_theirs(bench, peer)}
                for key, value in figures.items():
                    found.setdefault(key, []).append(value)
                say(progress(number, rounds, figures))
        finally:
            bench.stop()
    middle = {key: statistics.median(values) for key, values in found.items()}
    return {
        "ratio_to_nodered": round(middle["ours"] / middle["nodered"], 2),
        "end_to_end_readings_per_s": round(middle["ours"]),
        "nodered_readings_per_s": round(middle["nodered"]),
        "copy_readings_per_s": round(middle["copy"]),
        "cpu_us_per_reading": round(middle["ours_cpu_us"], 2),
        "nodered_cpu_us_per_reading": round(middle["nodered_cpu_us"], 2),
        "nodered_peak_rss_mb": round(max(found["nodered_rss_mb"]), 1),
        "messages": messages,
        "rounds": rounds,
    }


def _ours(bench: Bench) -> dict[str, float]:
    with bench.ingest():
        run = bench.send(bench.rig.file)
        missing, more = bench.rig.lost_and_twice()
    forget_session(bench.rig.broker.ingest_settings, str(bench.rig.broker.ingest_settings.username))
    if missing or more:
        raise MeasureError(f"ingest lost {missing} readings and stored {more} twice")
    return {"ours": run.rate, "ours_cpu_us": run.cpu_s / run.readings * 1e6}


def _theirs(bench: Bench, peer: NodeRed) -> dict[str, float]:
    bench.rig.empty()
    with peer.running() as pid:
        _publish(bench.rig, peer, pid, bench.rig.warm_up_file, bench.rig.warm_up_columns)
        run = _publish(bench.rig, peer, pid, bench.rig.file, bench.rig.columns)
        _wait_for_all(bench.rig, peer)
        return {
            "nodered": run.rate, "nodered_cpu_us": run.cpu_s / run.readings * 1e6, "nodered_rss_mb": peak_rss_mb(pid)
        }  # fmt: skip


def _publish(rig: Rig, peer: NodeRed, pid: int, file: Path, columns: Columns) -> Run:
    """Publish a file and wait until the last reading of each zone is stored."""
    publisher = Publisher(rig, file)
    last = slice(-min(len(columns), ZONES * PER_PACK) + PER_PACK - 1, None, PER_PACK)
    ends = {"channel": columns.channel_id[last].tolist(), "at_us": columns.measured_us[last].tolist()}
    try:
        rig.settle()
        with connect(rig.postgres.url()) as connection:
            used_s = cpu_s(pid)
            publisher.go()
            _wait_for_ends(connection, ends, peer)
            end_ns, used_s = time.monotonic_ns(), cpu_s(pid) - used_s
        return Run(len(columns), (end_ns - min(publisher.left_ns())) / 1e9, used_s, [])
    finally:
        publisher.kill()


def _wait_for_ends(connection: Connection, ends: dict[str, list[int]], peer: NodeRed) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        ((present,),) = connection.execute(SQL["present"], ends).fetchall()
        if present == len(ends["channel"]):
            return
        if time.monotonic() > deadline:
            raise MeasureError(f"Node-RED stored {present} of {len(ends['channel'])} ends: {peer.last_words()}")
        time.sleep(POLL_S)


def _wait_for_all(rig: Rig, peer: NodeRed) -> None:
    """What its connections still have under way, which does not count."""
    wanted, deadline = len(rig.warm_up_columns) + len(rig.columns), time.monotonic() + PATIENCE_S
    with connect(rig.postgres.url()) as connection:
        while (stored := connection.execute(SQL["stored"]).fetchall()[0][0]) != wanted:
            if time.monotonic() > deadline:
                raise MeasureError(f"Node-RED stored {stored} of {wanted} readings: {peer.last_words()}")
            time.sleep(POLL_S)


def _installed(npm: str) -> Path:
    """The folder with Node-RED, which is fetched by npm the first time."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ndiyan" / "nodered"
    wanted = (FLOW / "package.json").read_bytes()
    if not (cache / "node_modules" / "node-red").is_dir() or (cache / "package.json").read_bytes() != wanted:
        cache.mkdir(parents=True, exist_ok=True)
        (cache / "package.json").write_bytes(wanted)
        done = subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"],
            cwd=cache, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False,
        )  # fmt: skip
        if done.returncode:
            raise MeasureError(f"npm could not fetch Node-RED: {(done.stderr.splitlines() or ['no reason given'])[-1]}")
    return cache
