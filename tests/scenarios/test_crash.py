"""kill -9, freezes, double faults: what the gateways accepted is what is stored, none of it twice, and it adds up."""

import os

import pytest

from gateway.zones import Zone
from tests.scenarios.conftest import Ground
from tests.scenarios.crash_harness import SharedVillage, Village, crash_loop

CYCLES = int(os.environ.get("NDIYAN_CRASH_CYCLES", "32"))
SHARED_CYCLES, SHARED_SEED = 6, 43  # each worker is killed, the broker twice, once with a gateway; a gateway is frozen
HASTY = "from ingest import claims; claims.SETTLE_S = 1.5; from ndiyan.cli import main; main()"
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


@pytest.mark.db
@pytest.mark.broker
@pytest.mark.slow
def test_three_workers_share_the_zones_and_lose_no_more_than_one(ground: Ground, zones: list[Zone]) -> None:
    """The short one of `make bench-crash ARGS="--workers"`."""
    village = SharedVillage(
        ground.folder, zones, ground.postgres, ground.broker,
        program=lambda module: ["-c", HASTY] if module == "ndiyan" else ["-m", module],
    )  # fmt: skip
    report = crash_loop(village, seed=SHARED_SEED, cycles=SHARED_CYCLES, settle_within_s=120)
    print(f"\nseed {SHARED_SEED}, {report.cycles} cycles: {dict(report.deeds)}\n{report.tally}")
    assert report.findings == []
    assert report.tally is not None
    assert (report.tally.lost, report.tally.twice) == (0, 0)
    assert report.tally.accepted > 50 * SHARED_CYCLES, "there was real traffic"
