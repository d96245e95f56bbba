"""What scenarios stand on: servers of their own, which may be killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.zones import Zone
from ndiyan.embedded_broker import broker_account, find_mosquitto
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account
from tests.conftest import skip_without
from tests.scenarios.crash_harness import WORKERS, WatchedBroker


class Ground(NamedTuple):
    """A folder, and in it a database and a broker that have not been started."""

    folder: Path
    postgres: EmbeddedPostgres
    broker: WatchedBroker


@pytest.fixture
def ground(request: pytest.FixtureRequest, server_folder: Path, zones: list[Zone]) -> Iterator[Ground]:
    """Where a village may be struck; the database is stopped afterwards."""
    mosquitto = find_mosquitto()
    if mosquitto is None:
        skip_without(request.config, "mosquitto", "apt-get install mosquitto")
    folder = server_folder / request.node.name[:40]
    folder.mkdir(mode=0o711)
    postgres = EmbeddedPostgres(
        folder, secret_file=folder / "postgres.secret", log=folder / "postgres.log", account=postgres_account()
    )
    broker = WatchedBroker(
        folder, zones, secret_file=folder / "broker.secret", log=folder / "broker.log", account=broker_account(),
        mosquitto=mosquitto, workers=WORKERS,
    )  # fmt: skip
    yield Ground(folder, postgres, broker)
    postgres.stop()
