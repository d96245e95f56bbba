"""kill -9 of the gateway's program while it samples and sends; `make bench-gateway` does it two hundred times."""

import tempfile
from pathlib import Path

import pytest

from gateway.zones import Zone
from ingest.db import connect
from ingest.registry import import_zones
from ndiyan.embedded_broker import EmbeddedBroker
from tests.scenarios.gateway_harness import kill_loop

KILLS, SEED = 8, 7


@pytest.mark.parametrize("is_serial", [False, True], ids=["tcp", "rtu"])
@pytest.mark.db
@pytest.mark.broker
@pytest.mark.slow
def test_a_program_that_is_killed_again_and_again_loses_no_reading_and_no_pulse(
    broker: EmbeddedBroker, database_url: str, zones: list[Zone], server_folder: Path, is_serial: bool
) -> None:
    with connect(database_url) as connection:
        import_zones(connection, zones[:1])
    folder = Path(tempfile.mkdtemp(prefix="kills-", dir=server_folder))
    outcome = kill_loop(folder, broker, database_url, zones[0], kills=KILLS, seed=SEED, is_serial=is_serial)
    print(outcome)
    assert outcome.findings == []
    assert (outcome.lost, outcome.twice, outcome.invented) == (0, 0, 0)
    assert (outcome.missing, outcome.conflicts, outcome.set_aside) == (0, 0, 0)
    assert outcome.taken > 20 * KILLS
    assert outcome.counted == outcome.pulses > 100
