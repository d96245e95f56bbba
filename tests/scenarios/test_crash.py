"""kill -9 in the middle of the traffic: what the gateways accepted is what is stored, and none of it twice."""

import os
import random
import time
from pathlib import Path

import pytest

from gateway.zones import Zone
from ndiyan.embedded_broker import EmbeddedBroker, broker_account, find_mosquitto
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account
from tests.conftest import skip_without
from tests.scenarios.crash_harness import VICTIMS, Village, running

CYCLES = int(os.environ.get("NDIYAN_CRASH_CYCLES", "20"))
SEED = int(os.environ.get("NDIYAN_CRASH_SEED", "20261124"))


@pytest.mark.db
@pytest.mark.broker
@pytest.mark.slow
def test_kills_at_random_points_lose_nothing_and_store_nothing_twice(
    request: pytest.FixtureRequest, server_folder: Path, zones: list[Zone]
) -> None:
    mosquitto = find_mosquitto()
    if mosquitto is None:
        skip_without(request.config, "mosquitto", "apt-get install mosquitto")
    folder = server_folder / "crash"
    folder.mkdir(mode=0o711)
    log = folder / "servers.log"
    postgres = EmbeddedPostgres(folder, secret_file=folder / "postgres.secret", log=log, account=postgres_account())
    broker = EmbeddedBroker(
        folder, zones, secret_file=folder / "broker.secret", log=log, account=broker_account(), mosquitto=mosquitto
    )
    dice = random.Random(SEED)
    with running(Village(folder, zones[:3], postgres, broker)) as village:
        for cycle in range(CYCLES):
            time.sleep(dice.uniform(0.1, 0.6))
            village.kill_and_restart(VICTIMS[cycle % len(VICTIMS)], dice, away_s=dice.uniform(0.0, 0.3))
        village.drain(within_s=60)
        tally = village.tally()
    print(f"\nseed {SEED}, {CYCLES} kills: {tally}")
    assert tally.accepted > 50 * CYCLES, "there was real traffic"
    assert (tally.lost, tally.foreign, tally.conflicts, tally.set_aside) == (0, 0, 0, 0)
