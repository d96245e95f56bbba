"""Each service as a process: settings in, logging set up, run until told to stop.

A service imports its own packages when it runs: ingest needs no FastAPI, and starts sooner and smaller without.
"""

from __future__ import annotations

import logging
import signal
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from datetime import time as daytime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

from alerts.watchdog import instance_name
from gateway.clock import Clock
from gateway.health import Watchdog, memory_bytes
from gateway.zones import load_zones
from ingest.claims import known_workers
from ingest.config import name_of_worker
from ingest.db import check_schema, connect
from ndiyan.logs import log_to_stderr
from ndiyan.memory import keep_little
from ndiyan.settings import Settings
from ndiyan.shipped_files import shipped
from ndiyan.supervisor import Program, Supervisor, service, until_interrupted

if TYPE_CHECKING:
    from ndiyan.nightly import Nightly
    from web.config import BreakableFault

log = logging.getLogger(__name__)

PAGES_EVERY_S, PAGES_WITHIN_S = 10.0, 15.0  # a request may wait ten seconds for its turn
WELL_OR_WITHOUT_DATABASE = (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE)


def run_ingest(settings: Settings, *, worker: int = 1, workers: int | None = None) -> None:
    """Take messages from the broker into the database until SIGTERM, as one of several `workers` (None: as set).

    A worker whose number is greater than that gives its zones back, and ends when nothing waits in its session.
    """
    from ingest import service as ingest_service
    from ingest.config import IngestConfig

    config = IngestConfig(
        settings.required("database.url"),
        settings.mqtt(),
        operator=settings.mqtt_operator(),
        client_id=settings.ingest_client_id,
        window_messages=settings.ingest_window_messages,
        foreign_topics=settings.foreign_topics,
        reads_own_profiles=settings.reads_own_profiles,
    ).of_worker(worker, workers or settings.ingest_workers)
    _until_told(settings, lambda clock, stop: ingest_service.run(config, clock, stop))


def run_alerts(settings: Settings) -> None:
    """Judge readings and tell people until SIGTERM."""
    from alerts import service as alerts_service
    from alerts.config import AlertsConfig

    config = AlertsConfig(
        settings.required("database.url"), settings.carriers, settings.webhooks, instance=settings.instance
    )
    _until_told(settings, lambda clock, stop: alerts_service.run(config, clock, stop))


def run_web(settings: Settings) -> None:
    """Serve pages and API until SIGTERM."""
    from alerts.carriers.opening import doors
    from ndiyan.keeper import beat
    from web.app import create_app
    from web.config import WebConfig
    from web.request_id import NoteRequest
    from web.server import serve

    log_to_stderr(settings.log(), NoteRequest())
    config = WebConfig(
        database_url=settings.required("database.url"),
        demo=settings.demo,
        breakable=breakable_faults() if settings.demo else (),
        public_url=settings.public_url,
        doors=doors(list(settings.carriers)),
        price_gnf=settings.sms_price_gnf,
        requests_per_minute=settings.web_requests_per_minute,
        provider=settings.provider(),
        replica_url=settings.database_replica_url,
    )
    with connect(config.database_url) as connection:
        check_schema(connection)
    threading.Thread(target=_beat_for_pages, args=(settings,), name="beat", daemon=True).start()
    app = create_app(config, settings.make_clock())
    keep_little()
    serve(app, host=settings.web_host, port=settings.web_port)
    with suppress(psycopg.Error), connect(config.database_url, application="ndiyan-web-beat") as connection:
        beat(connection, instance_name("web", settings.instance), settings.make_clock().now(), {"ended": True})


def _beat_for_pages(settings: Settings) -> None:
    """As long as the pages answer well, systemd and the database hear so; asked from outside, as a browser would.

    That the database is away is an answer too, as long as it is: a new start brings it back no sooner.
    """
    from ndiyan.keeper import beat

    clock, watchdog = settings.make_clock(), Watchdog()
    host = "127.0.0.1" if settings.web_host in ("", "0.0.0.0", "::") else settings.web_host  # noqa: S104 - compared
    address = f"http://{f'[{host}]' if ':' in host else host}:{settings.web_port}/healthz"
    is_ready = False
    while True:
        try:
            status = _status_of(address)
            try:
                with connect(settings.required("database.url"), application="ndiyan-web-beat") as connection:
                    if status == HTTPStatus.OK:
                        told = {"memory_bytes": memory_bytes()}
                        beat(connection, instance_name("web", settings.instance), clock.now(), told)
                says = "pages answer" if status == HTTPStatus.OK else None
            except psycopg.Error as error:
                log.debug("the database does not answer: %s", error)
                says = "pages answer that they cannot work now" if status in WELL_OR_WITHOUT_DATABASE else None
            if says is not None:
                if not is_ready:
                    watchdog.ready()
                is_ready = True
                watchdog.alive(says)
        except OSError as error:
            log.debug("the pages do not answer: %s", error)
        time.sleep(PAGES_EVERY_S)


def _status_of(address: str) -> int:
    """What the pages answer there; `OSError` when they do not."""
    try:
        with urllib.request.urlopen(address, timeout=PAGES_WITHIN_S) as answer:  # noqa: S310 - our own http://
            answer.read()
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code


def run_keeper(settings: Settings, *, file: Path | None = None) -> None:
    """Watch over the other services until SIGTERM; `file` is the settings' own, for the backups that it begins."""
    from ndiyan import keeper
    from ndiyan.housekeeping import housekeeping
    from ndiyan.nightly import note_newest

    watchdog = Watchdog()
    url, config, nightly = settings.required("database.url"), settings.watch(), _nightly(settings, file)
    backups = Path(settings.backup_folder) if settings.backup_folder else None
    chores = [
        housekeeping(url, settings.retention()), note_newest(url, backups), *([nightly.look] if nightly else []),
    ]  # fmt: skip
    _until_told(settings, lambda clock, stop: keeper.run(url, config, clock, stop, watchdog, chores))


def _nightly(settings: Settings, file: Path | None) -> Nightly | None:
    """The backup of the day, where the settings want one; its log stands beside the backups."""
    from ndiyan.nightly import Nightly

    if not settings.backup_at:
        return None
    folder = Path(settings.required("backup.folder"))  # a key that cannot be read is the backup's trouble

    def begin() -> Program:
        made = service("backup", log=folder / "backup.log", env=_with_file(file))
        made.start()
        return made

    return Nightly(folder, daytime.fromisoformat(settings.backup_at), begin)


def run_up(settings: Settings, *, data: Path, file: Path | None = None) -> None:
    """Ingest, alerts, web and keeper under one supervisor until SIGTERM; their logs are in `data/logs`.

    Workers of ingest that are one too many by now hand their zones back and end. `file` is the settings' own, which the
    services read as well.
    """
    log_to_stderr(settings.log())
    with connect(settings.required("database.url")) as connection:
        check_schema(connection)
        too_many = [worker for worker in known_workers(connection) if worker > settings.ingest_workers]
    settings.mqtt()
    supervisor, logs, env = Supervisor(), data / "logs", _with_file(file)
    with until_interrupted():
        try:
            supervisor.start(*(_worker(number, logs, env) for number in too_many), once=True)
            start_services(supervisor, logs, env=env, workers=settings.ingest_workers)
            supervisor.run()
        finally:
            supervisor.stop()


def _with_file(file: Path | None) -> dict[str, str] | None:
    """The environment in which a command of ours reads these settings, wherever it stands."""
    return None if file is None else {"NDIYAN_SETTINGS": str(file.resolve())}


def start_services(
    supervisor: Supervisor, logs: Path, env: dict[str, str] | None = None, *, workers: int = 1
) -> list[Program]:
    """Start the platform's services; ingest is the last to stop, so that what was sent is still taken."""
    ingest = [_worker(number, logs, env) for number in range(1, workers + 1)]
    others = [service(name, log=logs / f"{name}.log", env=env) for name in ("alerts", "web", "keeper")]
    supervisor.start(*ingest)
    supervisor.start(*others)
    return [*ingest, *others]


def _worker(number: int, logs: Path, env: dict[str, str] | None) -> Program:
    name = name_of_worker("ingest", number)
    words = ["ingest"] if number == 1 else ["ingest", "--worker", str(number)]
    return service(*words, log=logs / f"{name}.log", env=env, name=name)


def breakable_faults() -> tuple[BreakableFault, ...]:
    """What the page "break something" offers: the simulator's catalogue, and in which of the demo's zones."""
    from simulator.campaign import places_in
    from simulator.faults import CATALOGUE
    from web.config import BreakableFault

    zones = load_zones([shipped("zones")])
    return tuple(
        BreakableFault(
            fault.value, entry.fr, entry.en, entry.fr_hint, entry.en_hint,
            only_in=tuple(zone.zone_id for zone in zones if places_in(zone, fault)),
        )
        for fault, entry in CATALOGUE.items()
    )  # fmt: skip


def _until_told(settings: Settings, run: Callable[[Clock, threading.Event], None]) -> None:
    keep_little()
    log_to_stderr(settings.log())
    stop = threading.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: stop.set())
    run(settings.make_clock(), stop)
