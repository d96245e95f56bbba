"""kill -9, freezes, double faults: what the gateways accepted is what is stored, none of it twice, and it adds up."""

import os

import pytest

from gateway.zones import Zone
from tests.scenarios.conftest import Ground
from tests.scenarios.crash_harness import Village, crash_loop

CYCLES = int(os.environ.get("NDIYAN_CRASH_CYCLES", "32"))
SEED = int(os.environ.get("NDIYAN_CRASH_SEED", "1"))


@pytest.mark.db
@pytest.mark.broker
@pytest.mark.slow
def test_whatever_is_killed_or_frozen_nothing_is_lost_and_nothing_is_stored_twice(
    ground: Ground, zones: list[Zone]
) -> None:
    village = Village(ground.folder, zones, ground.postgres, ground.broker)
    report = crash_loop(village, seed=SEED, cycles=CYCLES, settle_within_s=120)
    print(f"\nseed {SEED}, {report.cycles} cycles: {dict(report.deeds)}\n{report.tally}")
    assert report.findings == []
    assert report.tally is not None
    assert report.tally.accepted > 50 * CYCLES, "there was real traffic"
    assert report.tally.judged > 20 * CYCLES, "the sensor was watched"
