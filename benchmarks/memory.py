"""How much memory a whole server takes: PostgreSQL, mosquitto and all services, for some zones: `make bench-memory`.

Zones have lived for some days. Then everything starts, judges those days, takes a backlog from every gateway, serves
pages and exports, and makes a backup, which is the most that a server has to do at one time. Memory is the sum of what
each process holds alone and its share of what several hold (PSS, proc(5)), looked at five times a second.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from rich.console import Console

from benchmarks.processes import MeasureError, family, pss_mb
from benchmarks.readers import LOOKED_AT, answers, logged_in
from gateway.config import MqttSettings
from gateway.wire import senml_topic
from gateway.zones import Zone, load_zones
from ingest.db import Connection, connect, migrate, queries
from ingest.registry import import_zones
from ndiyan.children import free_port, spawn, stop
from ndiyan.embedded_broker import EmbeddedBroker, broker_account, find_mosquitto
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account
from ndiyan.history import write_history
from ndiyan.progress import Steps
from ndiyan.shipped_files import shipped
from simulator.fiction import zones_with_fiction
from tests.surroundings import environment

SQL = queries("benchmarks", "memory")
LIMIT_MB = 1000
LOOK_EVERY_S = 0.2
PATIENCE_S = 300.0
BACKLOG = 288  # packs of a gateway that was away for a day


def main() -> None:
    """Measure once and print a line for each part; exit 1 beyond the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--zones", type=int, default=50)
    parser.add_argument("--days", type=int, default=7)
    arguments = parser.parse_args()
    peak = measure(arguments.zones, arguments.days, lambda line: print(line, file=sys.stderr, flush=True))
    for name, megabytes in peak.items():
        print(f"{name:<10} {megabytes:>6.0f} MB")
    total = sum(peak.values())
    print(f"{arguments.zones} zones, {arguments.days} days: {total:.0f} MB at the most, wanted at most {LIMIT_MB}")
    sys.exit(total > LIMIT_MB)


def measure(zones: int, days: int, say: Callable[[str], None]) -> dict[str, float]:
    """Megabytes of each part at the moment at which all together took most."""
    invented = zones_with_fiction(load_zones([shipped("zones")]), zones)
    with tempfile.TemporaryDirectory(prefix="ndiyan-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o711)  # the servers' accounts come through here
        log = folder / "servers.log"
        postgres = EmbeddedPostgres(folder, secret_file=folder / "pg", log=log, account=postgres_account())
        broker = EmbeddedBroker(
            folder, invented, secret_file=folder / "mq", log=log, account=broker_account(), mosquitto=find_mosquitto()
        )
        postgres.start()
        try:
            broker.start()
            with connect(postgres.url()) as connection:
                migrate(connection)
                import_zones(connection, invented)
                now = datetime.now(UTC).replace(second=0, microsecond=0)
                write_history(
                    connection, invented, start=now - timedelta(days=days), end=now, seed=1, scenario="dry-season",
                    folder=folder / "past", steps=Steps(Console(stderr=True)),
                )  # fmt: skip
                return _busiest(folder, postgres, broker, invented, connection, say)
        finally:
            broker.stop()
            postgres.stop()


def _busiest(
    folder: Path, postgres: EmbeddedPostgres, broker: EmbeddedBroker, zones: list[Zone], connection: Connection,
    say: Callable[[str], None],
) -> dict[str, float]:  # fmt: skip
    url = f"http://127.0.0.1:{free_port()}"
    settings = folder / "ndiyan.toml"
    settings.write_text(
        f'[database]\nurl = "{postgres.url()}"\n[mqtt]\nurl = "{broker.ingest_settings.url()}"\n'
        f'[web]\nport = {url.rpartition(":")[2]}\n[backup]\nfolder = "{folder / "backups"}"\n',
        "utf-8",
    )
    env = environment(NDIYAN_SETTINGS=str(settings))
    ndiyan = [sys.executable, "-P", "-m", "ndiyan"]
    services = spawn([*ndiyan, "up", "--data", folder / "up"], log=folder / "up.log", env=env)
    try:
        with watched({"database": postgres.pid or 0, "broker": broker.pid or 0, "services": services.pid}) as watch:
            _wait(lambda: answers(url), "the pages", folder)
            backup = subprocess.Popen(
                [*ndiyan, "backup"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            watch.also("backup", backup.pid)
            say("services are up; a backup is made, every gateway sends a day, pages are looked at")
            for zone in zones:
                _send_a_day(zone, broker.settings_for(zone.gateway_id))
            _look_at_pages(url, connection, zones)
            if backup.wait(PATIENCE_S) != 0:
                raise MeasureError("the backup failed")
            sent = BACKLOG * len(zones)
            _wait(lambda: connection.execute(SQL["backlog"]).fetchone() == (sent,), "the backlog", folder)
            say("all is stored; waiting until all is judged")
            _wait(lambda: connection.execute(SQL["judged"]).fetchone() == (True,), "the judging", folder)
    finally:
        stop(services, signal.SIGTERM, timeout_s=30)
    return watch.peak


class Watch:
    """Looks at the memory of some processes and all that they started, and keeps the look that saw most."""

    def __init__(self, roots: dict[str, int], every_s: float) -> None:
        self.peak: dict[str, float] = {}
        self._every_s = every_s
        self._roots = dict(roots)
        self._ended = threading.Event()

    def also(self, name: str, pid: int) -> None:
        """Look at this one as well from now on."""
        self._roots[name] = pid

    def run(self) -> None:
        """Look until `end` is called."""
        while not self._ended.wait(self._every_s):
            seen = {name: sum(map(pss_mb, family(pid))) for name, pid in list(self._roots.items())}
            if sum(seen.values()) > sum(self.peak.values()):
                self.peak = seen

    def end(self) -> None:
        """Look no more."""
        self._ended.set()


@contextmanager
def watched(roots: dict[str, int], *, every_s: float = LOOK_EVERY_S) -> Iterator[Watch]:
    """A watch while the body runs."""
    watch = Watch(roots, every_s)
    thread = threading.Thread(target=watch.run, name="watch")
    thread.start()
    try:
        yield watch
    finally:
        watch.end()
        thread.join()


def _send_a_day(zone: Zone, settings: MqttSettings) -> None:
    """A gateway that comes back after a day: a reading every five minutes, each in a message of its own."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2, zone.gateway_id, protocol=mqtt.MQTTv5)
    client.username_pw_set(settings.username or "", settings.password)
    client.connect(settings.host, settings.port)
    client.loop_start()
    first_s = time.time() // 300 * 300 - 300 * BACKLOG + 7  # between the readings of the past
    for n in range(BACKLOG):
        pack = [{"bn": "tower/", "n": "level_m", "u": "m", "v": 1.5 + n % 100 / 100, "t": first_s + 300 * n}]
        sent = client.publish(senml_topic(zone.zone_id, zone.gateway_id), json.dumps(pack), 1)
    sent.wait_for_publish(PATIENCE_S)
    client.disconnect()
    client.loop_stop()


def _look_at_pages(url: str, connection: Connection, zones: list[Zone]) -> None:
    with closing(logged_in(connection, url, timeout_s=60)) as browser:
        for path in (*LOOKED_AT, *(f"fr/zones/{zone.zone_id}?span=7d" for zone in zones)):
            browser.get(f"/{path}").raise_for_status()


def _wait(is_so: Callable[[], bool], what: str, folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        if time.monotonic() > deadline:
            raise MeasureError(f"{what}: not after {PATIENCE_S:g} s: {(folder / 'up.log').read_text('utf-8')[-2000:]}")
        time.sleep(0.5)


if __name__ == "__main__":
    main()
