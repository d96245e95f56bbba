"""The database goes away while gateways go on: the backlog waits at the broker, confirmed no sooner than committed."""

import tempfile
from pathlib import Path

import pytest

from benchmarks.outage import measure, told
from ndiyan.embedded_broker import find_mosquitto
from tests.conftest import skip_without

MESSAGES = 6000  # 72,000 readings: 36 s at 2,000/s; `make bench-outage` is the whole hour
LIVE_WITHIN_S = 60.0  # ingest tries again every 30 s at the latest


@pytest.mark.db
@pytest.mark.broker
@pytest.mark.slow
def test_an_outage_of_the_database_loses_nothing_and_fills_no_memory(
    request: pytest.FixtureRequest, server_folder: Path
) -> None:
    if find_mosquitto() is None:
        skip_without(request.config, "mosquitto", "apt-get install mosquitto")
    folder = Path(tempfile.mkdtemp(prefix="outage-", dir=server_folder))
    folder.chmod(0o711)
    outage = measure(folder, MESSAGES, print)
    print(told(outage))
    assert outage.findings == []
    assert outage.backlog >= MESSAGES
    assert outage.live_after_s < LIVE_WITHIN_S
