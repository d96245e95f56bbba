"""Fifty zones fit into a server of 1 GB, at the moment when it does everything at once."""

import pytest

from benchmarks.memory import LIMIT_MB, measure
from ndiyan.embedded_broker import find_mosquitto
from tests.conftest import skip_without


@pytest.mark.db
@pytest.mark.broker
@pytest.mark.slow
def test_fifty_zones_take_less_than_a_gigabyte_while_all_parts_work_and_a_backup_is_made(
    request: pytest.FixtureRequest,
) -> None:
    if find_mosquitto() is None:
        skip_without(request.config, "mosquitto", "apt-get install mosquitto")
    peak = measure(50, 1, print)
    print({name: round(megabytes) for name, megabytes in peak.items()})
    assert set(peak) >= {"database", "broker", "services"}
    assert peak["services"] > 200, "ingest, alerts, pages and keeper were seen"
    assert sum(peak.values()) < LIMIT_MB
