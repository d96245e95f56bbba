"""The chain from our sender to the air, killed again and again: the short form of `make bench-sms-gammu`."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.sms_gammu import run
from tests.alerts.carriers.smsd import why_no_smsd
from tests.conftest import skip_without


@pytest.mark.db
@pytest.mark.slow
def test_our_sender_killed_over_gammu_loses_nothing_and_sends_nothing_twice(
    request: pytest.FixtureRequest, database_url: str, tmp_path: Path
) -> None:
    if why := why_no_smsd():
        skip_without(request.config, "gammu-smsd", why)
    result = run(database_url, tmp_path, messages=12, kills=20, seed=7)
    assert (result.lost, result.twice, result.unheard) == (0, 0, 0)
    assert result.stored == result.arrived == 2
