"""The whole system on one machine: servers, simulated zones and all services, on a clock faster than the world's."""

from __future__ import annotations

import json
import os
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from alerts.evaluate import catch_up
from gateway.clock import Clock, FastClock, SystemClock, clock_spec
from gateway.zones import load_zones
from ingest.db import Connection, connect, migrate, newest_migration, queries, schema_number
from ingest.zone_changes import plan_import, store_zones
from ndiyan.children import free_port, reachable_folder, refuse_without_room
from ndiyan.demo_folder import DemoFolder, DemoState
from ndiyan.embedded_broker import EmbeddedBroker, broker_account, find_mosquitto
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account
from ndiyan.errors import StartRefused
from ndiyan.history import write_history
from ndiyan.people import foresee_faults
from ndiyan.progress import Steps
from ndiyan.services import start_services
from ndiyan.shipped_files import shipped
from ndiyan.supervisor import Supervisor, service, until_interrupted
from web.access import create_api_key, create_login_link
from web.accounts import let_in
from web.rights import Role

SQL = queries("ndiyan", "demo")
NEEDED_MB = 1_500
MORNING = (10, 40)  # UTC: a clear sky, the pump at work, the towers about half full
VISITOR = "visiteur"  # who looks at the demo; may do everything in it
SEED = 1
SCENARIO = "demo"
READY_TIMEOUT_S = 60.0
SAVE_EVERY_S = 2.0
PORTS_TRIED = 100


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """What the command line says. `speed` is platform seconds per wall second, `days` the history to begin with."""

    data: Path
    speed: float = 60.0
    days: int = 30
    port: int = 8000
    fresh: bool = False
    ready_file: Path | None = None


def run_demo(options: DemoOptions) -> None:
    """Run until Ctrl-C or SIGTERM; everything that was started is gone within 5 s of it.

    Raises
    ------
    StartRefused : this machine or the data folder keeps us from starting
    """
    folder = DemoFolder(options.data)
    with until_interrupted(), folder.locked():
        if options.fresh or folder.load_state() is None:  # a first start that was cut short begins anew
            folder.clear()
        Demo(folder, options).run()


class Demo:
    """One run of the demo in its folder."""

    def __init__(self, folder: DemoFolder, options: DemoOptions) -> None:
        self._folder, self._options = folder, options
        self._console = Console(stderr=True, highlight=False)
        self._steps = Steps(self._console)
        self._supervisor = Supervisor(say=self._say)
        self._zones = load_zones([shipped("zones")])
        self._clock: Clock = SystemClock()
        self._state: DemoState | None = None
        self._is_first = True
        self._saved_s = 0.0

    def run(self) -> None:
        """Start all, say how to use it, keep it running."""
        try:
            kept = self._folder.load_state()
            self._is_first = kept is None
            cure = "make room, or choose another place with --data FOLDER"
            refuse_without_room(self._folder.root, NEEDED_MB, cure=cure)
            self._folder.prepare()
            database_url, port = self._start_database(kept)
            broker = self._start_broker()
            with connect(database_url) as connection:
                kept = self._prepare_database(connection, database_url, kept)
                login, key = self._let_in(connection)
            self._clock = FastClock(kept.now, SystemClock().now(), self._options.speed)
            self._state = replace(kept, postgres_port=port)
            web_port = self._free_web_port()
            self._start_services(database_url, broker, web_port)
            url = f"http://127.0.0.1:{web_port}"
            self._wait_for(url)
            self._announce(url, login, key, broker, database_url)
            self._supervisor.run(self._keep_time)
        finally:
            self._keep_time(now=True)
            self._supervisor.stop()

    def _start_database(self, kept: DemoState | None) -> tuple[str, int]:
        if given := os.environ.get("NDIYAN_DATABASE_URL"):
            self._refuse_real_zones(given)
            return given, 0
        account = postgres_account()
        place, sentence = reachable_folder(self._folder.root, account)
        if sentence:
            self._say(sentence)
        postgres = EmbeddedPostgres(
            place,
            secret_file=self._folder.secrets / "postgres",
            log=self._folder.logs / "postgres.log",
            account=account,
            port=kept.postgres_port if kept else 0,
        )
        with self._steps.step("PostgreSQL"):
            self._supervisor.start(postgres)
        return postgres.url(), postgres.port

    def _refuse_real_zones(self, url: str) -> None:
        if self._options.fresh:
            raise StartRefused("--fresh does not empty a database given by NDIYAN_DATABASE_URL: give an empty one")
        with connect(url) as connection:
            if schema_number(connection) and connection.execute(SQL["real_zones"]).fetchone():
                raise StartRefused("the database in NDIYAN_DATABASE_URL holds real zones: the demo must not touch it")

    def _start_broker(self) -> EmbeddedBroker:
        account, mosquitto = broker_account(), find_mosquitto()
        place, _ = reachable_folder(self._folder.root, account)
        broker = EmbeddedBroker(
            place,
            self._zones,
            secret_file=self._folder.secrets / "broker.json",
            log=self._folder.logs / "broker.log",
            account=account,
            mosquitto=mosquitto,
        )
        if broker.warning:
            self._say(broker.warning)
        with self._steps.step("MQTT broker"):
            self._supervisor.start(broker)
        gateways = {zone.gateway_id: broker.settings_for(zone.gateway_id).url() for zone in self._zones}
        self._folder.write_whole(self._folder.secrets / "gateways.json", json.dumps(gateways))
        return broker

    def _prepare_database(self, connection: Connection, url: str, kept: DemoState | None) -> DemoState:
        """Schema and zones, and on the first start the past; returns where platform time goes on."""
        if schema_number(connection) > newest_migration():
            raise StartRefused(
                f"the data in {self._folder.root} was written by a newer Ndiyan: update, or start over with --fresh"
            )
        migrate(connection)
        known = [plan.zone for plan in plan_import(connection, self._zones) if not plan.refusals]
        store_zones(connection, known, who="ndiyan demo", now=SystemClock().now())  # what people edited stays as it is
        newest_at = _newest_received(connection)
        if kept is None and newest_at is not None:
            raise StartRefused("the database in NDIYAN_DATABASE_URL already holds readings: give an empty one")
        if kept is not None:
            now = kept.now if newest_at is None else max(kept.now, newest_at + timedelta(seconds=1))
            return replace(kept, platform_now=now.isoformat())
        return self._write_past(connection, url)

    def _write_past(self, connection: Connection, url: str) -> DemoState:
        today = SystemClock().now().date()
        start = datetime(today.year, today.month, today.day, *MORNING, tzinfo=UTC)
        write_history(
            connection,
            self._zones,
            start=start - timedelta(days=self._options.days),
            end=start,
            seed=SEED,
            scenario=SCENARIO,
            folder=self._folder.zones,
            steps=self._steps,
        )
        with self._steps.bar("judging the past", unit="days") as progress:
            catch_up(url, start, progress=progress)
        foresee_faults(connection, scenario=SCENARIO, start=start)
        state = DemoState(start.isoformat(), start.isoformat(), SEED, 0)
        self._folder.save_state(state)
        return state

    def _let_in(self, connection: Connection) -> tuple[str, str]:
        """A new log-in token, and the demo's API key (made once)."""
        key_file = self._folder.secrets / "api_key"
        if not key_file.exists():
            self._folder.write_whole(key_file, create_api_key(connection, name="demo"))
        now_wall = SystemClock().now()
        let_in(connection, VISITOR, Role.ADMINISTRATOR, now_wall=now_wall)
        return create_login_link(connection, person=VISITOR, now_wall=now_wall), key_file.read_text("utf-8")

    def _free_web_port(self) -> int:
        wanted = self._options.port
        port = next((port for port in range(wanted, min(wanted + PORTS_TRIED, 65_536)) if free_port(port) == port), 0)
        if not port:
            raise StartRefused(f"ports {wanted} to {wanted + PORTS_TRIED - 1} are all in use: choose one with --port")
        if port != wanted:
            self._say(f"port {wanted} is in use, so the pages are on {port}")
        return port

    def _start_services(self, database_url: str, broker: EmbeddedBroker, web_port: int) -> None:
        settings = self._folder.secrets / "ndiyan.toml"
        self._folder.write_whole(
            settings,
            f'clock = "{clock_spec(self._clock)}"\ndemo = true\n'
            f'[database]\nurl = "{database_url}"\n[mqtt]\nurl = "{broker.ingest_settings.url()}"\n'
            f'operator_url = "{broker.operator_url}"\n'
            f"[web]\nport = {web_port}\n",
        )
        env = {"NDIYAN_SETTINGS": str(settings), "NDIYAN_CLOCK": clock_spec(self._clock)}
        start_services(self._supervisor, self._folder.logs, env)
        self._supervisor.start(
            service(
                "simulate", "live",
                "--folder", str(self._folder.zones),
                "--gateways", str(self._folder.secrets / "gateways.json"),
                "--seed", str(SEED),
                "--scenario", SCENARIO,
                "--people",
                log=self._folder.logs / "simulate.log",
                env=env,
            )
        )  # fmt: skip

    def _wait_for(self, url: str) -> None:
        with self._steps.step("ingest, alerts, web, simulator"):
            deadline = time.monotonic() + READY_TIMEOUT_S
            while not _answers(f"{url}/healthz"):
                self._supervisor.watch()
                if time.monotonic() > deadline:
                    raise StartRefused(
                        f"the pages did not answer within {READY_TIMEOUT_S:g} s: see {self._folder.logs}"
                    )
                time.sleep(0.1)

    def _announce(self, url: str, token: str, key: str, broker: EmbeddedBroker, database_url: str) -> None:
        login_url = f"{url}/login/{token}"
        if self._options.ready_file:
            addresses = {
                "url": url, "login_url": login_url, "api_key": key,
                "mqtt_url": broker.operator_url, "database_url": database_url,
            }  # fmt: skip
            self._folder.write_whole(self._options.ready_file.resolve(), json.dumps(addresses))
        watch = (
            "zone-3: within two minutes its pump stops in full sun and the committee's SMS appears on the phone;\n"
            "         answer 1, or wait until somebody of the committee does; then break something yourself"
            if self._is_first
            else "the zones go on where they stopped: break something and see who hears of it, and when"
        )
        print(
            f"""
Ndiyan is running: {len(self._zones)} fictional zones around Labé, {self._options.speed:g} times faster than the world.

  Open   {login_url}
         (opens one session; `ndiyan web login-link` makes another link)
  Watch  {watch}
  API    curl -H "Authorization: Bearer {key}" {url}/api/v1/zones
  Logs   {self._folder.logs}
  Stop   Ctrl-C; the next start goes on with the same data, --fresh starts over
""",
            flush=True,
        )

    def _keep_time(self, *, now: bool = False) -> None:
        """Write down every few seconds where platform time stands, so that a later start goes on from there."""
        if self._state is not None and (now or time.monotonic() - self._saved_s > SAVE_EVERY_S):
            self._saved_s = time.monotonic()
            self._folder.save_state(replace(self._state, platform_now=self._clock.now().isoformat()))

    def _say(self, sentence: str) -> None:
        self._console.print(sentence, markup=False, soft_wrap=True)


def _newest_received(connection: Connection) -> datetime | None:
    row = connection.execute(SQL["newest_received"]).fetchone()
    return row[0] if row else None


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310  our own address on loopback
            return bool(answer.status == 200)
    except urllib.error.HTTPError as error:
        return error.code == 503  # it answers, and says that a service has not reported yet
    except OSError:
        return False
