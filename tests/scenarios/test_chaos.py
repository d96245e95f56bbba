"""Everything is struck while people use it: no reading, no file, no SMS and no alert is lost, and none comes twice."""

import os

import pytest

from gateway.zones import Zone
from tests.alerts.carriers.peers import Smsc
from tests.scenarios.chaos_harness import Commune, People
from tests.scenarios.conftest import Ground
from tests.scenarios.crash_harness import crash_loop

CYCLES = int(os.environ.get("NDIYAN_CHAOS_CYCLES", "8"))
SEED = int(os.environ.get("NDIYAN_CHAOS_SEED", "1"))


@pytest.mark.db
@pytest.mark.broker
@pytest.mark.slow
def test_while_everything_is_struck_people_are_heard_once(ground: Ground, zones: list[Zone], smsc: Smsc) -> None:
    commune = Commune(ground.folder, zones, ground.postgres, ground.broker, smsc)
    people = People(commune)
    report = crash_loop(commune, seed=SEED, cycles=CYCLES, settle_within_s=180, bystanders=people)
    sums = people.sums()
    print(f"\nseed {SEED}, {report.cycles} cycles: {dict(report.deeds)}\n{report.tally}\n{sums}")
    assert report.findings == []
    assert sums.written >= CYCLES // 5
    assert sums.answers >= sums.written, "who writes is answered"
