"""Ingest as a real process: it waits for what is away, leaves when it is told to, and loses nothing over it."""

import os
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import psycopg
import pytest
from msgspec.structs import replace
from psycopg import sql

from gateway.clock import SystemClock
from gateway.config import MqttSettings
from gateway.zones import Zone
from ingest.admission import Message
from ingest.claims import FirstWorker
from ingest.config import IngestConfig
from ingest.db import connect, migrate
from ingest.lease import Lease
from ingest.registry import import_zones
from ingest.service import Inbox, _take_and_store, _Worker
from ingest.subscriber import Sequences, Subscriber
from ndiyan.children import free_port
from ndiyan.embedded_broker import EmbeddedBroker, find_mosquitto
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account
from ndiyan.errors import NdiyanError
from tests.conftest import skip_without
from tests.ingest.bare_broker import mosquitto
from tests.ingest.process import PROGRAM, IngestProcess, book, stored, wait_for_readings, wait_until
from tests.ingest.talker import Talker
from tests.scenarios.crash_harness import freeze

pytestmark = [pytest.mark.db, pytest.mark.broker]
LEAVES_WITHIN_S = 15.0  # `FINISH_S` and a few more, whatever hangs
IMPATIENT = f"from ingest import service; service.FINISH_S = 0.5; {PROGRAM}"


Start = Callable[..., IngestProcess]


@pytest.fixture
def ingest(tmp_path: Path) -> Iterator[Start]:
    """Starts ingest; what still runs at the end of the test is ended."""
    running: list[IngestProcess] = []

    def start(database_url: str, mqtt: MqttSettings, **environment: str) -> IngestProcess:
        running.append(IngestProcess(database_url, mqtt, tmp_path / "ingest.log", **environment))
        return running[-1]

    yield start
    for process in running:
        process.end()


@pytest.fixture
def talker(broker: EmbeddedBroker, zones: list[Zone]) -> Iterator[Callable[..., Talker]]:
    """Starts a gateway that talks."""
    talking: list[Talker] = []

    def start(*, pause_s: float = 0.0) -> Talker:
        talking.append(Talker(broker.settings_for(zones[0].gateway_id), zones[0], pause_s=pause_s))
        return talking[-1]

    yield start
    for one in talking:
        one.leave()


@pytest.fixture
def own_postgres(request: pytest.FixtureRequest, server_folder: Path) -> Iterator[EmbeddedPostgres]:
    """A server that only this test stops and freezes."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-", dir=server_folder))
    folder.chmod(0o711)
    server = EmbeddedPostgres(
        folder, secret_file=folder / "secret", log=folder / "postgres.log", account=postgres_account()
    )
    try:
        server.start()
    except NdiyanError as error:
        skip_without(request.config, "PostgreSQL", str(error))
    yield server
    server.stop()


@pytest.fixture
def filled_url(database_url: str, zones: list[Zone]) -> str:
    with connect(database_url) as connection:
        import_zones(connection, zones)
    return database_url


class Link(Subscriber):
    """To no broker: notes what it is told to confirm, hears a second message after the first, and ends after that."""

    def __init__(self, config: IngestConfig, inbox: Inbox, stop: threading.Event) -> None:
        super().__init__(config, SystemClock(), inbox)
        self.confirmed: list[Message] = []
        self._inbox, self._stop = inbox, stop

    def is_alive(self) -> bool:
        return True

    def confirm(self, messages: Sequence[Message], taken: Sequences) -> None:
        self.confirmed += messages
        if len(self.confirmed) == 1:
            self._inbox.deliver([replace(messages[0], mid=2)])
        else:
            self._stop.set()


def test_a_batch_is_confirmed_though_the_database_goes_right_after_its_commit(
    filled_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease is asked for again just then, and the server that keeps it answers nothing."""
    config, stop = IngestConfig(filled_url, MqttSettings("127.0.0.1", 1)), threading.Event()
    worker = _Worker(config, SystemClock())
    inbox = Inbox(worker.open(), window_messages=9)
    link = Link(config, inbox, stop)
    take, refusals = Lease.take, [psycopg.OperationalError("the server closed the connection")]

    def take_unless_refused(lease: Lease) -> None:
        with connect(filled_url) as connection:
            is_committed = connection.execute("SELECT count(*) FROM set_aside").fetchone() == (1,)
        if is_committed and refusals:
            raise refusals.pop()
        take(lease)

    monkeypatch.setattr(Lease, "take", take_unless_refused)
    inbox.deliver([Message("ndiyan/1/zone-9/gw-9/up/senml", b"poison", 1_772_445_600_000_000, 1, 1)])
    _take_and_store(inbox, link, worker, FirstWorker(link), stop)
    worker.close()
    link.stop()
    assert [message.mid for message in link.confirmed] == [1, 2]
    assert refusals == []


@pytest.mark.slow
def test_told_to_stop_under_load_it_leaves_nothing_to_be_sent_twice(
    ingest: Start, talker: Callable[..., Talker], broker: EmbeddedBroker, filled_url: str
) -> None:
    process = ingest(filled_url, broker.ingest_settings, NDIYAN_MQTT_OPERATOR_URL=broker.operator_url)
    process.wait_for("session new")
    gateway = talker()
    for stops in (1, 2, 3):
        gateway.wait_answered(len(gateway.answered_s) + 500)
        code, took_s = process.tell_to_stop()
        print(f"\nleft after {took_s:.2f} s")
        assert (code, took_s < LEAVES_WITHIN_S) == (0, True), f"left with {code} after {took_s:.1f} s: {process.log()}"
        with connect(filled_url) as connection:
            assert stored(connection) < len(gateway.sent_s), "it was in the middle of it"
        process.start()
        process.wait_for("session kept", times=stops)
    sent = gateway.hush()
    wait_for_readings(filled_url, sent)
    assert process.tell_to_stop()[0] == 0
    assert book(filled_url) == (sent, 0, 0, 0, 0)
    assert process.log().count("connected to the broker") == 4, "trying the broker did not disturb the session"
    assert "ERROR" not in process.log()


@pytest.mark.slow
def test_what_is_away_at_the_start_is_waited_for_and_caught_up_with(
    ingest: Start, talker: Callable[..., Talker], broker: EmbeddedBroker, own_postgres: EmbeddedPostgres,
    zones: list[Zone],
) -> None:  # fmt: skip
    url = own_postgres.url()
    with connect(url) as connection:
        migrate(connection)
        import_zones(connection, zones)
    process = ingest(url, broker.ingest_settings)
    process.wait_for("session new")
    assert process.tell_to_stop()[0] == 0

    own_postgres.stop()
    gateway = talker()
    process.start()
    process.wait_for("not storing, the backlog waits at the broker: database [no connection]")
    assert process.tell_to_stop()[0] == 0, "also while it waits"
    process.start()
    process.wait_for("not storing", times=2)
    sent = gateway.hush()
    broker.stop()
    own_postgres.start()
    process.wait_for("storing again")
    process.wait_for("no link to the broker")
    broker.start()
    wait_for_readings(url, sent)
    assert book(url) == (sent, 0, 0, 0, 0)


@pytest.mark.slow
def test_a_database_that_hangs_does_not_keep_it_from_leaving(
    ingest: Start, talker: Callable[..., Talker], broker: EmbeddedBroker, own_postgres: EmbeddedPostgres,
    zones: list[Zone],
) -> None:  # fmt: skip
    url = own_postgres.url()
    with connect(url) as connection:
        migrate(connection)
        import_zones(connection, zones)
    process = ingest(url, broker.ingest_settings, program=IMPATIENT)
    process.wait_for("session new")
    gateway = talker()
    gateway.wait_answered(100)
    assert own_postgres.pid is not None
    frozen = freeze(own_postgres.pid)
    try:
        code, took_s = process.tell_to_stop()
    finally:
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)
    assert (code, took_s < LEAVES_WITHIN_S) == (0, True), f"left with {code} after {took_s:.1f} s"
    sent = gateway.hush()
    process.start()
    wait_for_readings(url, sent)
    readings, _, conflicts, aside, missing = book(url)
    assert (readings, conflicts, aside, missing) == (sent, 0, 0, 0), "a commit without an answer may be sent again"


@pytest.mark.slow
def test_a_renamed_column_keeps_messages_is_told_once_and_mends_itself(
    ingest: Start, talker: Callable[..., Talker], broker: EmbeddedBroker, filled_url: str
) -> None:
    process = ingest(filled_url, broker.ingest_settings)
    process.wait_for("session new")
    gateway = talker(pause_s=0.002)
    gateway.wait_answered(100)
    with connect(filled_url) as connection:
        connection.execute("ALTER TABLE reading RENAME COLUMN value TO amount")
        wait_until(lambda: told(connection) is not None, process.log)
        trouble = told(connection)
        connection.execute("ALTER TABLE reading RENAME COLUMN amount TO value")
        wait_until(lambda: told(connection) is None, process.log)
    sent = gateway.hush()
    wait_for_readings(filled_url, sent)
    assert trouble is not None
    assert trouble.startswith("the database refused with 42703: ")
    assert process.log().count("ERROR") == 1, process.log()
    assert "storing again" in process.log()
    assert book(filled_url) == (sent, 0, 0, 0, 0)


def test_a_schema_that_is_too_old_stops_the_start_with_the_cure(
    ingest: Start, broker: EmbeddedBroker, empty_database_url: str
) -> None:
    process = ingest(empty_database_url, broker.ingest_settings)
    assert process.wait() == 1
    assert "this version needs" in process.log()
    assert "run `ndiyan db migrate`" in process.log()


def told(connection: psycopg.Connection[tuple[str | None]]) -> str | None:
    """What the heartbeat says is the trouble."""
    row = connection.execute("SELECT detail ->> 'trouble' FROM heartbeat WHERE service = 'ingest'").fetchone()
    return row[0] if row else None


def test_weak_settings_of_the_broker_are_named_once_the_link_stands(
    request: pytest.FixtureRequest, ingest: Start, filled_url: str, tmp_path: Path
) -> None:
    program = find_mosquitto()
    if program is None:
        skip_without(request.config, "mosquitto", "apt-get install mosquitto")
    port = free_port()
    with mosquitto(program, ["-p", str(port)], port, tmp_path):
        process = ingest(filled_url, MqttSettings("127.0.0.1", port))
        process.wait_for("the broker's allow_anonymous is true, wanted false: ")
        assert process.tell_to_stop()[0] == 0
    lines = process.log().splitlines()
    named = [line for line in lines if "action=weak_broker" in line]
    for words in ("max_queued_messages is 1000 (the default), wanted 1000000: while", "persistence is false"):
        assert any(f"the broker's {words}" in line for line in named)
    assert lines.index(named[0]) > next(n for n, line in enumerate(lines) if "connected to the broker" in line)


def test_a_database_that_does_not_wait_for_its_disk_is_named_at_the_start(
    ingest: Start, filled_url: str, broker: EmbeddedBroker
) -> None:
    with connect(filled_url) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = off").format(name))
    process = ingest(filled_url, broker.ingest_settings)
    process.wait_for("the database's synchronous_commit is off, wanted on: ")
    assert process.tell_to_stop()[0] == 0
