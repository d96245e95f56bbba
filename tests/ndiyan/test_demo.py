"""The demo as a process: one command starts it, one signal ends it, the next start goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from ingest.db import connect

pytestmark = [pytest.mark.db, pytest.mark.broker, pytest.mark.slow]
PATIENCE_S = 60.0
NDIYAN = (sys.executable, "-P", "-m", "ndiyan")


class Demo:
    """A demo in a folder of its own, with a day of history."""

    def __init__(self, folder: Path) -> None:
        self.data = folder / "demo"
        self._ready = folder / "ready.json"
        self._said = folder / "said"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *words: str) -> dict[str, Any]:
        """Start it and wait until it is ready; returns its addresses."""
        self._ready.unlink(missing_ok=True)
        with self._said.open("wb") as said:
            self.process = subprocess.Popen(
                [*NDIYAN, "demo", "--days", "1", "--port", "8400", "--data", str(self.data),
                 "--ready-file", str(self._ready), *words],
                stdout=said,
                stderr=subprocess.STDOUT,
            )  # fmt: skip
        wait_until(lambda: self._ready.exists() or self.ended(), why=self.said)
        assert self._ready.exists(), self.said()
        addresses: dict[str, Any] = json.loads(self._ready.read_text("utf-8"))
        return addresses

    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def said(self) -> str:
        return self._said.read_text("utf-8")

    def end(self, how: signal.Signals) -> float:
        """Send a signal; returns how many seconds it took to end."""
        assert self.process is not None
        started_s = time.monotonic()
        self.process.send_signal(how)
        self.process.wait(PATIENCE_S)
        return time.monotonic() - started_s

    def servers(self) -> list[int]:
        """The processes that work on this demo's data."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                words = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if str(self.data).encode() in words and int(process.name) != os.getpid():
                found.append(int(process.name))
        return found


@pytest.fixture
def demo(server_folder: Path) -> Iterator[Demo]:
    folder = Path(tempfile.mkdtemp(prefix="demo-", dir=server_folder))
    folder.chmod(0o711)
    made = Demo(folder)
    yield made
    if not made.ended():
        made.end(signal.SIGTERM)


def wait_until(claim: Callable[[], bool], *, why: Callable[[], str] = str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not claim():
        assert time.monotonic() < deadline, why()
        time.sleep(0.1)


def ask(addresses: dict[str, Any], path: str) -> Any:
    answer = httpx.get(addresses["url"] + path, headers={"Authorization": f"Bearer {addresses['api_key']}"})
    return answer.raise_for_status().json()


def readings(addresses: dict[str, Any]) -> tuple[int, datetime]:
    with connect(addresses["database_url"]) as connection:
        row = connection.execute("SELECT count(*), max(measured_at) FROM reading").fetchone()
    assert row is not None
    return row[0], row[1]


def test_a_demo_starts_shows_six_zones_ends_and_goes_on(demo: Demo) -> None:
    addresses = demo.start()
    assert set(addresses) == {"url", "login_url", "api_key", "mqtt_url", "database_url"}
    assert addresses["login_url"] in demo.said()
    zones = ask(addresses, "/api/v1/zones")["items"]
    assert sorted(zone["id"] for zone in zones) == [f"zone-{number}" for number in range(1, 7)]
    count, newest = readings(addresses)
    assert count > 6 * 30 * 86_400 / 300, "a day of at least 30 channels in each zone"
    wait_until(lambda: readings(addresses)[1] > newest, why=lambda: "nothing arrives live")

    second = subprocess.run(
        [*NDIYAN, "demo", "--data", str(demo.data)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert second.returncode == 1
    assert "is already running in" in second.stderr

    assert demo.end(signal.SIGINT) < 5
    assert demo.servers() == []
    assert "Traceback" not in demo.said()
    stopped_at = json.loads((demo.data / "demo.json").read_text("utf-8"))["platform_now"]

    addresses = demo.start()
    again, _ = readings(addresses)
    assert again >= count
    health = ask(addresses, "/api/v1/zones")["items"][0]["last_seen_at"]
    assert abs(datetime.fromisoformat(health) - datetime.fromisoformat(stopped_at)) < timedelta(minutes=30)
    assert demo.end(signal.SIGTERM) < 5
    assert demo.servers() == []


def test_kill_9_of_the_demo_leaves_no_process_and_the_next_start_works(demo: Demo) -> None:
    demo.start()
    demo.end(signal.SIGKILL)
    wait_until(lambda: demo.servers() == [], why=lambda: f"left behind: {demo.servers()}")
    demo.start()
    assert demo.end(signal.SIGTERM) < 5


def test_what_dies_is_started_again_with_its_data(demo: Demo) -> None:
    addresses = demo.start()
    count, newest = readings(addresses)
    children = Path(f"/proc/{demo.process.pid}/task/{demo.process.pid}/children")  # type: ignore[union-attr]
    for child in children.read_text("utf-8").split():
        os.kill(int(child), signal.SIGKILL)

    def goes_on() -> bool:
        try:
            return readings(addresses)[1] > newest + timedelta(minutes=10)
        except psycopg.OperationalError:
            return False

    wait_until(goes_on, why=demo.said)
    assert readings(addresses)[0] > count
    for name in ("postgres", "broker", "ingest", "alerts", "web", "simulate"):
        assert f"{name} ended (signal SIGKILL" in demo.said()
