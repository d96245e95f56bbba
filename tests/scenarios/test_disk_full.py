"""A full disk of database, gateway or broker: nothing counts as safe that is not, and it goes on without a hand.

Each stands on a small file system in memory whose size is changed while it is in use.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest
from psycopg import sql

from benchmarks.answers import Answers, sampled_messages
from benchmarks.outage import held_messages, publish, wait_for
from benchmarks.processes import IngestProcess
from benchmarks.rig import PER_PACK, WARM_UP, Rig
from gateway.clock import SystemClock, uptime_s
from gateway.errors import OutboxFull
from gateway.model import AssetId, Reading
from gateway.outbox import RESERVE_BYTES, Outbox
from gateway.uplink import Uplink
from gateway.zones import Zone
from ingest.config import IngestConfig
from ingest.db import connect
from ingest.registry import import_zones
from ingest.service import run
from ingest.subscriber import Subscriber
from ndiyan.children import own
from ndiyan.embedded_broker import EmbeddedBroker, broker_account, find_mosquitto
from ndiyan.embedded_postgres import postgres_account
from tests.conftest import skip_without

MESSAGES = 3000
WITHIN_S = 60.0


class Disk:
    """A file system of its own at `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fill(self, *, but_kb: int = 0) -> None:
        """Leave so much room and no more."""
        used_kb = int(_output("df", "--output=used", "-k", self.path).split()[1])
        self.resize(used_kb + but_kb)

    def resize(self, size_kb: int) -> None:
        """Give it another size, not below what is used."""
        _output("mount", "-o", f"remount,size={size_kb}k", self.path)


@pytest.fixture
def disk(request: pytest.FixtureRequest, server_folder: Path) -> Iterator[Disk]:
    path = Path(tempfile.mkdtemp(prefix="disk-", dir=server_folder))
    try:
        _output("mount", "-t", "tmpfs", "-o", "size=300m,mode=711", "ndiyan-test", path)
    except (subprocess.CalledProcessError, OSError) as error:
        why = f"mount a tmpfs (as root): {error}"
        skip_without(request.config, "a file system of its own", why, optional=os.geteuid() != 0)
    yield Disk(path)
    _output("umount", "--lazy", path)


def _output(*argv: str | Path) -> str:
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout


def until(condition: Callable[[], bool], what: str) -> None:
    end_s = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < end_s, f"did not happen within {WITHIN_S:.0f} s: {what}"
        time.sleep(0.05)


@pytest.mark.db
@pytest.mark.broker
@pytest.mark.slow
def test_a_database_without_room_is_waited_for_and_takes_all_once_there_is_room(
    request: pytest.FixtureRequest, server_folder: Path, disk: Disk
) -> None:
    if find_mosquitto() is None:
        skip_without(request.config, "mosquitto", "apt-get install mosquitto")
    folder = Path(tempfile.mkdtemp(prefix="full-", dir=server_folder))
    folder.chmod(0o711)
    rig = Rig(folder, MESSAGES)
    process, begun = IngestProcess(rig), False
    try:
        rig.start()
        _move_database(rig, disk)
        answers = Answers(rig)
        begun = True
        process.start()
        answers.expect(sampled_messages(rig, rig.warm_up_file))
        publish(rig, rig.warm_up_file)
        assert answers.wait() == 0
        wait_for(rig, WARM_UP * PER_PACK)  # of which only some were answered to us
        server, ingest = rig.postgres.pid, process.rss_mb > 0

        disk.fill()
        answers.expect(sampled_messages(rig, rig.file))
        publish(rig, rig.file)
        until(lambda: "[53100]" in process.last_words(), "ingest says that the disk is full")
        with connect(rig.postgres.url()) as connection:
            ((committed,),) = connection.execute("SELECT sum(received)::int FROM gateway_day").fetchall()
            assert committed < (WARM_UP + MESSAGES) * PER_PACK
            assert connection.execute("SELECT count(*) FROM set_aside").fetchone() == (0,), "no reading is to blame"
        unconfirmed = MESSAGES - (committed // PER_PACK - WARM_UP)
        assert held_messages(rig, at_least=unconfirmed) >= unconfirmed, "the broker keeps whatever is not committed"
        assert len(answers.answered_ns()) <= MESSAGES - unconfirmed

        disk.resize(300_000)
        wait_for(rig, (WARM_UP + MESSAGES) * PER_PACK)
        assert answers.wait() == 0
        assert rig.lost_and_twice() == (0, 0)
        assert (rig.postgres.pid, process.rss_mb > 0) == (server, ingest), "neither was started anew"
    finally:
        process.stop()
        if begun:
            answers.close()
        rig.stop()


def _move_database(rig: Rig, disk: Disk) -> None:
    """Have the database's tables on this disk; its log of changes stays where it is, for that would stop the server."""
    place = disk.path / "tables"
    place.mkdir()
    own(place, postgres_account())
    with connect(rig.postgres.url("postgres")) as connection:
        connection.execute(sql.SQL("CREATE TABLESPACE small LOCATION {}").format(sql.Literal(str(place))))
        connection.execute("ALTER DATABASE ndiyan SET TABLESPACE small")


def readings(first: int, count: int) -> list[Reading]:
    noon = datetime(2026, 11, 24, 12, 50, tzinfo=UTC)
    return [
        Reading(AssetId("tower"), "level_m", noon + timedelta(seconds=n), float(n % 10))
        for n in range(first, first + count)
    ]


def test_an_outbox_without_room_says_so_keeps_what_it_took_and_goes_on_by_itself(disk: Disk) -> None:
    disk.resize(RESERVE_BYTES // 1000 + 10_000)
    outbox = Outbox(disk.path / "outbox.db")
    taken = 0
    with suppress(OutboxFull):
        while taken < 1_000_000:
            taken += len(outbox.append(readings(taken, 2000), uptime_s=1.0))
    with pytest.raises(OutboxFull, match="less than 5 MB are left on disk"):
        outbox.append(readings(taken, 1), uptime_s=1.0)
    assert outbox.depth() == taken > 1000, "what was refused does not count as taken, not even in part"
    waiting = [entry.seq for _, group in outbox.peek(taken + 100)[0] for entry in group]
    assert waiting == list(range(1, taken + 1))

    confirmed = [outbox.confirm(outbox.boot, [(k + 1, k + 1000)]) for k in range(0, taken, 1000)]
    assert sum(confirmed) == taken, "ingest has them, and that makes room"
    assert outbox.append(readings(taken, 50), uptime_s=2.0) == range(taken + 1, taken + 51)
    outbox.close()
    again = Outbox(disk.path / "outbox.db")
    assert again.depth() == 50
    again.close()


@pytest.mark.parametrize("reserve", [0, RESERVE_BYTES], ids=["sqlite-finds-it-full", "refused-before"])
def test_an_outbox_on_a_disk_that_others_filled_goes_on_when_there_is_room(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, reserve: int
) -> None:
    monkeypatch.setattr("gateway.outbox.RESERVE_BYTES", reserve)
    outbox = Outbox(disk.path / "outbox.db")
    outbox.append(readings(0, 50), uptime_s=1.0)
    disk.fill()
    taken, refused = 50, 0
    for _ in range(200):
        try:
            taken += len(outbox.append(readings(taken, 50), uptime_s=1.0))
        except OutboxFull:
            refused += 1
    assert refused > 0
    assert outbox.depth() == taken
    disk.resize(300_000)
    outbox.append(readings(taken, 50), uptime_s=2.0)
    assert outbox.depth() == taken + 50
    outbox.close()


@pytest.mark.parametrize("is_killed", [False, True], ids=["closed", "killed"])
def test_a_gateway_that_starts_on_a_full_disk_keeps_what_waits_and_opens_it_once_there_is_room(
    disk: Disk, is_killed: bool
) -> None:
    disk.resize(20_000)
    living, path = Outbox(disk.path / "living.db"), disk.path / "outbox.db"
    living.append(readings(0, 500), uptime_s=1.0)
    if not is_killed:
        living.close()
    for file in disk.path.glob("living.db*"):  # as kill -9 leaves them, when it was not closed
        shutil.copy(file, disk.path / file.name.replace("living", "outbox"))
    living.close()
    disk.fill()
    for _ in range(2):
        with pytest.raises(OutboxFull, match="cannot be opened now, no room on disk"):
            Outbox(path)
    assert list(disk.path.glob("*damaged*")) == []
    disk.resize(300_000)
    again = Outbox(path)
    assert again.depth() == 500
    again.close()


@pytest.mark.db
@pytest.mark.broker
@pytest.mark.slow
def test_a_broker_without_room_loses_its_store_and_the_gateway_sends_again(
    request: pytest.FixtureRequest, disk: Disk, zones: list[Zone], database_url: str
) -> None:
    mosquitto = find_mosquitto()
    if mosquitto is None:
        skip_without(request.config, "mosquitto", "apt-get install mosquitto")
    zone, count = zones[0], 400
    with connect(database_url) as connection:
        import_zones(connection, zones[:1])
    secrets = Path(tempfile.mkdtemp())
    broker = EmbeddedBroker(
        disk.path,
        zones,
        secret_file=secrets / "mq",
        log=secrets / "mq.log",
        account=broker_account(),
        mosquitto=mosquitto,
    )
    outbox = Outbox(secrets / "outbox.db")
    broker.start()
    subscriber = Subscriber(IngestConfig(database_url, broker.ingest_settings), SystemClock(), Mock())
    subscriber.start()
    until(lambda: subscriber.is_connected, "ingest was there once, so that the broker collects for it")
    subscriber.stop()
    uplink = Uplink(
        broker.settings_for(zone.gateway_id), zone=zone.zone_id, gateway=zone.gateway_id, outbox=outbox,
        clock=SystemClock(), software="test", resend_after_s=1.0, reconnect_s=(0.1, 0.5),
    )  # fmt: skip
    stop = threading.Event()
    ingest = threading.Thread(
        target=run, args=(IngestConfig(database_url, broker.ingest_settings), SystemClock(), stop)
    )
    try:
        uplink.start()
        until(lambda: uplink.is_connected, "the gateway is connected")
        disk.fill()
        now, up_s = datetime.now(UTC).replace(microsecond=0), uptime_s()
        for ago_s in range(count, 0, -1):
            reading = Reading(AssetId("tower"), "level_m", now - timedelta(seconds=ago_s), ago_s % 10 / 2)
            outbox.append([reading], uptime_s=up_s - ago_s)
        uplink.wake()
        until(lambda: "No space left" in broker.log.read_text("utf-8"), "the broker cannot write its store")
        assert outbox.depth() == count, "a PUBACK is no promise"
        broker.kill()
        disk.resize(300_000)
        broker.start()
        ingest.start()
        until(lambda: outbox.depth() == 0, "ingest has confirmed all")
        with connect(database_url) as connection:
            assert connection.execute("SELECT count(*) FROM reading").fetchone() == (count,)
    finally:
        stop.set()
        if ingest.ident is not None:
            ingest.join(WITHIN_S)
        uplink.stop()
        outbox.close()
        broker.stop()
