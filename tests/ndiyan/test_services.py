"""What a service says of itself while it runs: to systemd, which starts it anew, and to the keeper, which tells."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace

import pytest

from gateway.clock import ManualClock
from gateway.health import Watchdog
from ingest.db import connect
from ndiyan import keeper, services
from ndiyan.children import free_port
from ndiyan.keeper import WatchConfig
from ndiyan.settings import load_settings
from tests.ingest.process import wait_until
from tests.ndiyan.test_pulse import running
from tests.surroundings import NO_SETTINGS
from web.metrics import Platform


def test_water_that_no_probe_looks_at_is_not_offered_for_breaking() -> None:
    """Of the shipped zones two have a `[quality]`; each has all else that the catalogue strikes."""
    offered = {one.fault: one.only_in for one in services.breakable_faults()}
    every = tuple(f"zone-{number}" for number in range(1, 7))
    only = {fault: zones for fault, zones in offered.items() if zones != every}
    assert only == dict.fromkeys(("low_chlorine", "turbidity_high"), ("zone-3", "zone-5"))


class Over(Exception):
    """The first round is over."""


@contextmanager
def pages(status: int) -> Iterator[int]:
    """Something on a port of its own that answers so to whoever asks."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, *words: object) -> None:
            """Nobody reads it."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join(5)


def test_a_backup_key_that_is_gone_keeps_no_keeper_from_watching(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[object] = []
    monkeypatch.setattr(services, "_until_told", lambda settings, run: begun.append(run))
    there = {
        "NDIYAN_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/away", "NDIYAN_BACKUP_AT": "02:30",
        "NDIYAN_BACKUP_FOLDER": str(tmp_path), "NDIYAN_BACKUP_KEY_FILE": str(tmp_path / "gone.key"),
    }  # fmt: skip
    services.run_keeper(load_settings(NO_SETTINGS, there))
    assert len(begun) == 1


@pytest.mark.db
def test_each_service_tells_what_memory_it_takes_and_prometheus_hears_it(
    database_url: str, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(seconds: float) -> None:
        raise Over

    def samples() -> dict[str, set[tuple[str, ...]]]:
        with connect(database_url) as connection:
            return {
                family.name: {tuple(sample.labels.values()) for sample in family.samples}
                for family in Platform(connection, clock.now()).collect()
            }

    with running("ingest", database_url), running("alerts", database_url):
        names = {"ingest", "alerts", "sender"}
        wait_until(lambda: names <= {name for (name,) in samples()["ndiyan_service_memory_bytes"]}, lambda: "no beat")
        stop = threading.Event()
        monkeypatch.setattr(keeper, "SETTLE_S", 0.0)
        keeper.run(database_url, WatchConfig(), clock, stop, Watchdog(), [lambda now: stop.set()])
        monkeypatch.setattr(services, "time", SimpleNamespace(sleep=end))
        with pages(200) as port:
            there = {"NDIYAN_DATABASE_URL": database_url, "NDIYAN_WEB_PORT": str(port)}
            with pytest.raises(Over):
                services._beat_for_pages(load_settings(NO_SETTINGS, there))
        found = samples()
    heard = found["ndiyan_heartbeat_age_seconds"]
    assert {("web",), ("keeper",), *((name,) for name in names)} <= heard
    assert found["ndiyan_service_memory_bytes"] == heard
    assert ("ingest",) in found["ndiyan_service_waiting_messages"]
    assert {("ingest", "broker"), ("ingest", "database"), ("alerts", "database")} <= found["ndiyan_service_reconnects"]
    assert {("ingest",), ("alerts",), ("sender",)} <= found["ndiyan_service_batch"]


@pytest.mark.db
@pytest.mark.parametrize(
    ("status", "is_away", "systemd_hears", "keeper_hears"),
    [
        pytest.param(200, False, "pages answer", True, id="well"),
        pytest.param(503, True, "pages answer that they cannot work now", False, id="without-a-database"),
        pytest.param(503, False, None, False, id="stuck-beside-a-database-that-answers"),
        pytest.param(500, False, None, False, id="broken"),
    ],
)
def test_pages_that_say_that_they_have_no_database_are_not_started_anew(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    status: int, is_away: bool, systemd_hears: str | None, keeper_hears: bool,
) -> None:  # fmt: skip
    def end(seconds: float) -> None:
        raise Over

    monkeypatch.setattr(services, "time", SimpleNamespace(sleep=end))
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd, pages(status) as port:
        systemd.bind(str(tmp_path / "notify"))
        systemd.setblocking(False)
        url = f"postgresql://nobody@127.0.0.1:{free_port()}/away" if is_away else database_url
        there = {"NDIYAN_DATABASE_URL": url, "NDIYAN_WEB_PORT": str(port)}
        with pytest.raises(Over):
            services._beat_for_pages(load_settings(NO_SETTINGS, there))
        heard = []
        while True:
            try:
                heard.append(systemd.recv(200).decode())
            except BlockingIOError:
                break
    assert heard == ([] if systemd_hears is None else ["READY=1", f"WATCHDOG=1\nSTATUS={systemd_hears}"])
    with connect(database_url) as connection:
        beats = connection.execute("SELECT count(*) FROM heartbeat WHERE service = 'web'").fetchone()
        assert beats == (int(keeper_hears),)
