"""kill -9, freezes, double faults: what the gateways accepted is what is stored, none of it twice, and it adds up."""

import os
from pathlib import Path

import pytest

from gateway.zones import Zone
from ndiyan.embedded_broker import broker_account, find_mosquitto
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account
from tests.conftest import skip_without
from tests.scenarios.crash_harness import Village, WatchedBroker, crash_loop

CYCLES = int(os.environ.get("NDIYAN_CRASH_CYCLES", "32"))
SEED = int(os.environ.get("NDIYAN_CRASH_SEED", "1"))


@pytest.mark.db
@pytest.mark.broker
@pytest.mark.slow
def test_whatever_is_killed_or_frozen_nothing_is_lost_and_nothing_is_stored_twice(
    request: pytest.FixtureRequest, server_folder: Path, zones: list[Zone]
) -> None:
    mosquitto = find_mosquitto()
    if mosquitto is None:
        skip_without(request.config, "mosquitto", "apt-get install mosquitto")
    folder = server_folder / "crash"
    folder.mkdir(mode=0o711)
    postgres = EmbeddedPostgres(
        folder, secret_file=folder / "postgres.secret", log=folder / "postgres.log", account=postgres_account()
    )
    broker = WatchedBroker(
        folder, zones, secret_file=folder / "broker.secret", log=folder / "broker.log", account=broker_account(),
        mosquitto=mosquitto,
    )  # fmt: skip
    try:
        report = crash_loop(Village(folder, zones, postgres, broker), seed=SEED, cycles=CYCLES, settle_within_s=120)
    finally:
        postgres.stop()
    print(f"\nseed {SEED}, {report.cycles} cycles: {dict(report.deeds)}\n{report.tally}")
    assert report.findings == []
    assert report.tally is not None
    assert report.tally.accepted > 50 * CYCLES, "there was real traffic"
    assert report.tally.judged > 20 * CYCLES, "the sensor was watched"
