"""A service that hangs is started anew by systemd; one that waits for its database or its broker is not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

import alerts.service
import ingest.service
from alerts import evaluate
from alerts.config import AlertsConfig
from gateway import pulse
from gateway.clock import ManualClock, SystemClock
from gateway.config import MqttSettings
from gateway.health import ALIVE_FILE
from gateway.pulse import Loop, Pulse
from gateway.zones import Zone
from ingest import subscriber
from ingest.config import IngestConfig
from ingest.db import connect
from ndiyan.children import free_port
from tests.alerts.silent_zones import fall_silent, is_heard

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PATIENCE_S = 30.0
TURN = "WATCHDOG=1\nSTATUS=all loops turn"


class Systemd:
    """Hears what a service tells it, and sees how often the service looks whether there is something to tell."""

    def __init__(self, wire: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
        self._wire, self._looks = wire, threading.Semaphore(0)
        look = Pulse.look

        def counted(looking: Pulse) -> None:
            look(looking)
            self._looks.release()

        monkeypatch.setattr(Pulse, "look", counted)
        monkeypatch.setattr(pulse, "LOOK_EVERY_S", 0.01)

    def hears(self) -> str:
        """The next word."""
        return self._wire.recv(200).decode()

    def hears_until(self, said: str) -> None:
        """That word, sooner or later."""
        while self.hears() != said:
            pass

    def hears_nothing_more(self) -> bool:
        """Whether ten looks gave nothing to tell, after two that may have been under way."""
        self._wait_for_looks(2)
        self._heard()
        self._wait_for_looks(10)
        return not self._heard()

    def _wait_for_looks(self, times: int) -> None:
        while self._looks.acquire(blocking=False):
            pass
        assert all(self._looks.acquire(timeout=10) for _ in range(times))

    def _heard(self) -> list[bytes]:
        heard = []
        self._wire.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                heard.append(self._wire.recv(200))
        self._wire.settimeout(PATIENCE_S)
        return heard


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Systemd]:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setattr(subscriber, "RECONNECT_S", (0.01, 0.01))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
        wire.bind(str(tmp_path / "notify"))
        wire.settimeout(PATIENCE_S)
        yield Systemd(wire, monkeypatch)


@contextmanager
def running(service: str, url: str) -> Iterator[None]:
    """A service of that database, and of a broker that is away."""
    stop = threading.Event()
    run: Callable[..., None]
    if service == "ingest":
        run = partial(ingest.service.run, IngestConfig(url, MqttSettings("127.0.0.1", free_port())))
    else:
        run = partial(alerts.service.run, AlertsConfig(url, evaluate_every=timedelta(seconds=0.01)))
    thread = threading.Thread(target=run, args=(SystemClock(), stop), name="main")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(PATIENCE_S)
        assert not thread.is_alive()


@contextmanager
def hanging(where: type, name: str, thread: str) -> Iterator[None]:
    """The thread of that name stands still when it comes there, until the body has run."""
    is_there, goes_on, before = threading.Event(), threading.Event(), getattr(where, name)

    def stand_still(*given: object, **named: object) -> object:
        if threading.current_thread().name == thread:
            is_there.set()
            assert goes_on.wait(2 * PATIENCE_S)
        return before(*given, **named)

    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(where, name, stand_still)
        try:
            assert is_there.wait(PATIENCE_S)
            yield
        finally:
            goes_on.set()


@pytest.mark.db
@pytest.mark.parametrize(
    ("service", "name", "thread"),
    [
        pytest.param("ingest", "beat", "main", id="who-stores"),
        pytest.param("ingest", "has_lease", "subscriber", id="who-receives"),
        pytest.param("alerts", "_beat", "judge", id="who-judges"),
        pytest.param("alerts", "_beat", "main", id="who-sends"),
        pytest.param("alerts", "_beat", "webhooks", id="who-tells-programs"),
    ],
)
def test_systemd_hears_no_more_of_a_service_with_a_thread_that_hangs(
    database_url: str, systemd: Systemd, service: str, name: str, thread: str
) -> None:
    worker = {"ingest": ingest.service._Worker, "alerts": alerts.service._Worker}[service]
    with running(service, database_url):
        assert systemd.hears() == "READY=1"
        systemd.hears_until(TURN)
        with hanging(worker, name, thread):
            assert systemd.hears_nothing_more()
        systemd.hears_until(TURN)


@pytest.mark.db
@pytest.mark.parametrize(("service", "table"), [("ingest", "heartbeat"), ("alerts", "job")])
def test_who_waits_for_a_lock_in_the_database_is_alive(
    database_url: str, systemd: Systemd, service: str, table: str
) -> None:
    who = "storing" if service == "ingest" else "alerts"
    waits = f"WATCHDOG=1\nSTATUS=waits for the database: {who}"
    with running(service, database_url):
        systemd.hears_until(TURN)
        with connect(database_url) as connection, connection.transaction():
            connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            for _ in range(3):
                systemd.hears_until(waits)
        systemd.hears_until(TURN)


def test_an_ingest_whose_database_is_away_is_alive(systemd: Systemd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest.service, "RETRY_S", (0.01, 0.01))
    with running("ingest", f"postgresql://nobody@127.0.0.1:{free_port()}/away"):
        assert [systemd.hears() for _ in range(4)] == ["READY=1", TURN, TURN, TURN]


@pytest.mark.db
def test_each_piece_of_a_backlog_is_a_turn_of_who_judges(
    database_url: str, zones: list[Zone], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weeks that come at once may take longer than systemd waits for a turn."""
    pieces, loop = [], Loop("alerts")
    begun = evaluate.Judgement._conditions

    def seen(*given: object) -> object:
        pieces.append(loop.has_turned)
        loop.has_turned = False
        return begun(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(evaluate.Judgement, "_conditions", seen)
    clock = ManualClock(NOW)
    with connect(database_url) as connection:
        fall_silent(connection, zones[:1], NOW)
        judge = alerts.service._judging(connection, AlertsConfig(database_url), clock, loop)
        judge()
        clock.advance(timedelta(days=20))
        connection.execute("SELECT ensure_reading_partition(%s)", [clock.now()])
        is_heard(connection, zones[0].zone_id, clock.now())
        pieces.clear()
        judge()
    assert pieces == [False, True, True], "before the first nothing was judged"


def test_where_there_is_no_systemd_a_file_is_touched_as_long_as_all_loops_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, loop = tmp_path / "alive", Loop("storing")
    monkeypatch.setenv(ALIVE_FILE, str(file))
    looking = Pulse(pulse.Watchdog(), loop)
    looking.look()
    assert not file.exists()
    loop.turned()
    looking.look()
    assert file.exists()
    file.unlink()
    looking.look()
    assert not file.exists()
