"""A small Ndiyan that is killed on purpose: database, broker, ingest and gateways, and an oracle outside of them."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from gateway.zones import Zone
from ingest.db import connect, migrate
from ingest.registry import import_zones
from ndiyan.embedded_broker import EmbeddedBroker
from ndiyan.embedded_postgres import EmbeddedPostgres

VICTIMS = ("ingest", "broker", "database", "gateway")


class Tally(NamedTuple):
    """What the oracle and the database say; `lost` and `twice` must be 0."""

    accepted: int
    stored: int
    lost: int
    foreign: int
    conflicts: int
    set_aside: int


class Village:
    """Three zones' gateways, a broker, ingest and a database as real processes on loopback."""

    def __init__(self, folder: Path, zones: list[Zone], postgres: EmbeddedPostgres, broker: EmbeddedBroker) -> None:
        self.folder, self.zones, self.postgres, self.broker = folder, zones, postgres, broker
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Bring everything up; the database is migrated and knows the zones."""
        self.postgres.start()
        with connect(self.postgres.url()) as connection:
            migrate(connection)
            import_zones(connection, self.zones)
        self.broker.start()
        self._start_ingest()
        for number in range(len(self.zones)):
            self._start_gateway(number)

    def kill_and_restart(self, victim: str, dice: random.Random, *, away_s: float) -> None:
        """kill -9 one of `VICTIMS`, leave it away for a moment and bring it back."""
        if victim == "database":
            self.postgres.kill()
            time.sleep(away_s)
            self.postgres.start()
        elif victim == "broker":
            self.broker.kill()
            time.sleep(away_s)
            self.broker.start()
        elif victim == "ingest":
            self._kill("ingest")
            time.sleep(away_s)
            self._start_ingest()
        else:
            number = dice.randrange(len(self.zones))
            self._kill(f"gateway-{number}")
            time.sleep(away_s)
            self._start_gateway(number)

    def drain(self, *, within_s: float) -> None:
        """Stop measuring and wait until every gateway has emptied its outbox and ended by itself."""
        (self.folder / "stop").touch()
        end = time.monotonic() + within_s
        for name, child in self._children.items():
            if name.startswith("gateway"):
                left_s = max(0.1, end - time.monotonic())
                assert child.wait(left_s) == 0, f"{name} ended with {child.returncode}: {self.log(name)}"

    def tally(self) -> Tally:
        """Hold the gateways' diaries against the database."""
        accepted: dict[tuple[str, str, int], float] = {}
        tried: dict[tuple[str, str, int], float] = {}
        for zone in self.zones:
            for line in (self.folder / f"{zone.gateway_id}.diary").read_text("utf-8").splitlines():
                word, name, measured_ms, value = line.split()
                (accepted if word == "took" else tried)[zone.zone_id, name, int(measured_ms)] = float(value)
        with connect(self.postgres.url()) as connection:
            stored = {
                (zone, name, int(ms)): value
                for zone, name, ms, value in connection.execute(
                    "SELECT zone_id, asset_id || '/' || name, extract(epoch FROM measured_at) * 1000, value"
                    " FROM reading JOIN channel USING (channel_id)"
                )
            }
            conflicts = connection.execute("SELECT count(*) FROM reading_conflict").fetchone()
            set_aside = connection.execute("SELECT count(*) FROM set_aside").fetchone()
        assert conflicts is not None
        assert set_aside is not None
        lost = sum(stored.get(key) != value for key, value in accepted.items())
        foreign = sum(tried.get(key) != value for key, value in stored.items())
        return Tally(len(accepted), len(stored), lost, foreign, conflicts[0], set_aside[0])

    def stop(self) -> None:
        """End everything."""
        for name in list(self._children):
            self._kill(name)
        self.broker.stop()
        self.postgres.stop()

    def log(self, name: str) -> str:
        """The last lines that a child wrote."""
        return (self.folder / f"{name}.log").read_text("utf-8", "replace")[-2000:]

    def _start_ingest(self) -> None:
        environment = {
            **os.environ,
            "NDIYAN_DATABASE_URL": self.postgres.url(),
            "NDIYAN_MQTT_URL": self.broker.ingest_settings.url(),
        }
        self._spawn("ingest", [sys.executable, "-P", "-m", "ndiyan", "ingest"], environment)

    def _start_gateway(self, number: int) -> None:
        zone = self.zones[number]
        url = self.broker.settings_for(zone.gateway_id).url()
        program = str(Path(__file__).with_name("field_gateway.py"))
        argv = [sys.executable, program, str(self.folder), url, zone.zone_id, zone.gateway_id, "80"]
        self._spawn(f"gateway-{number}", argv, dict(os.environ))

    def _spawn(self, name: str, argv: list[str], environment: dict[str, str]) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._children[name] = subprocess.Popen(argv, env=environment, stdout=log, stderr=log)

    def _kill(self, name: str) -> None:
        child = self._children.pop(name)
        child.kill()
        child.wait()


@contextmanager
def running(village: Village) -> Iterator[Village]:
    """A village that is taken down whatever happens."""
    try:
        village.start()
        yield village
    finally:
        village.stop()
