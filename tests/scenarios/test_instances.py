"""Two services of alerts on one database: one is killed and frozen, and nobody out there notices."""

import os
from pathlib import Path

import pytest

from gateway.zones import Zone
from tests.alerts.carriers.peers import Smsc
from tests.scenarios.instances_harness import Pair, trial

KILLS = int(os.environ.get("NDIYAN_INSTANCES_KILLS", "2"))
FREEZES = int(os.environ.get("NDIYAN_INSTANCES_FREEZES", "2"))
SEED = int(os.environ.get("NDIYAN_INSTANCES_SEED", "1"))

pytestmark = [pytest.mark.db, pytest.mark.slow]


def test_of_two_services_one_dies_and_freezes_and_nothing_is_missed_or_told_twice(
    smsc: Smsc, database_url: str, zones: list[Zone], tmp_path: Path
) -> None:
    smsc.set(answerMs=10, receiptMs=100)
    pair = Pair(database_url, smsc, zones, tmp_path, receipt_within_s=3.0)
    try:
        found = trial(pair, kills=KILLS, freezes=FREEZES, seed=SEED)
    finally:
        pair.close()
    print(f"\nseed {SEED}: {found}")
    assert found.is_fine, found
    assert found.groups, "or this test shows less"
