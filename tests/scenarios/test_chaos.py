"""Everything is struck while people use it: no reading, no file, no SMS and no alert is lost, and none comes twice."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.zones import Zone
from ndiyan.embedded_broker import broker_account, find_mosquitto
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account
from tests.alerts.carriers.peers import NoPeer, Smsc
from tests.conftest import skip_without
from tests.scenarios.chaos_harness import Commune, People
from tests.scenarios.crash_harness import WatchedBroker, crash_loop

CYCLES = int(os.environ.get("NDIYAN_CHAOS_CYCLES", "8"))
SEED = int(os.environ.get("NDIYAN_CHAOS_SEED", "1"))


@pytest.fixture
def smsc(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Smsc]:
    try:
        server = Smsc(tmp_path)
    except NoPeer as error:
        skip_without(request.config, "npm's SMPP codec", str(error), optional=True)
    with server:
        yield server


@pytest.mark.db
@pytest.mark.broker
@pytest.mark.slow
def test_while_everything_is_struck_people_are_heard_once(
    request: pytest.FixtureRequest, server_folder: Path, zones: list[Zone], smsc: Smsc
) -> None:
    mosquitto = find_mosquitto()
    if mosquitto is None:
        skip_without(request.config, "mosquitto", "apt-get install mosquitto")
    folder = server_folder / "chaos"
    folder.mkdir(mode=0o711)
    postgres = EmbeddedPostgres(
        folder, secret_file=folder / "postgres.secret", log=folder / "postgres.log", account=postgres_account()
    )
    broker = WatchedBroker(
        folder, zones, secret_file=folder / "broker.secret", log=folder / "broker.log", account=broker_account(),
        mosquitto=mosquitto,
    )  # fmt: skip
    commune = Commune(folder, zones, postgres, broker, smsc)
    people = People(commune)
    try:
        report = crash_loop(commune, seed=SEED, cycles=CYCLES, settle_within_s=180, bystanders=people)
    finally:
        postgres.stop()
    sums = people.sums()
    print(f"\nseed {SEED}, {report.cycles} cycles: {dict(report.deeds)}\n{report.tally}\n{sums}")
    assert report.findings == []
    assert sums.written >= CYCLES // 5
    assert sums.answers >= sums.written, "who writes is answered"
