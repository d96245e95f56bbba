"""What keeps the platform from doing its job: one sentence per problem, with its cure. Changes nothing."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import psycopg

from gateway.clock import Clock
from ingest.broker_check import LOGIN, UNSET, Kind, WeakSetting, find_weak_settings
from ingest.db import Connection, connect, newest_migration, queries, schema_number
from ndiyan.embedded_broker import answers_connect
from ndiyan.errors import SettingsError
from ndiyan.settings import Settings

SQL = queries("ndiyan", "doctor")
LOW_ROOM_MB = 2_000
OLD_READING = timedelta(hours=1)
BEAT_S = {"ingest": 60, "alerts": 600, "sender": 600}  # wall seconds after which a service is taken for gone


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and what cures it."""

    sentence: str
    remedy: str

    def as_dict(self) -> dict[str, str]:
        """For machines."""
        return asdict(self)


def find_problems(settings: Settings, *, clock: Clock) -> list[Problem]:
    """Look at settings, broker, disk and database; an empty list means that all is well."""
    problems = [*_broker(settings), *_disk()]
    try:
        with connect(settings.required("database.url"), application="ndiyan-doctor") as connection:
            problems += _database(connection, clock)
    except SettingsError as error:
        problems.append(Problem("no database is set", str(error)))
    except psycopg.OperationalError as error:
        problems.append(
            Problem(
                f"the database does not answer: {str(error).splitlines()[0]}",
                "start it and check database.url (for a demo: make demo)",
            )
        )
    return problems


def _broker(settings: Settings) -> Iterator[Problem]:
    try:
        mqtt = settings.mqtt()
    except SettingsError as error:
        yield Problem("no broker is set", str(error))
        return
    if mqtt.tls_ca is None and not answers_connect(mqtt.host, mqtt.port, "", "", accept_refusal=True):
        yield Problem(f"no MQTT broker answers at {mqtt.host}:{mqtt.port}", "start mosquitto and check mqtt.url")
        return
    for weak in find_weak_settings(mqtt, operator=settings.mqtt_operator()):
        yield Problem(str(weak), _cure(weak))


def _cure(weak: WeakSetting) -> str:
    if weak.setting == LOGIN:
        return f"set {LOGIN} to {weak.wanted} (docs/settings.md)"
    if weak.kind is Kind.UNKNOWN:
        return "run `ndiyan doctor` on the broker's machine, as a user who may read its configuration"
    if weak.kind is Kind.PLUGIN:
        return f"check that the broker's plug-in does it, or set {weak.setting} to {weak.wanted}"
    line = f"remove {weak.setting}" if weak.wanted == UNSET else f"set {weak.setting} to {weak.wanted}"
    return f"{line} in mosquitto's configuration and restart it (deploy/mosquitto/ndiyan.conf has them all)"


def _disk() -> Iterator[Problem]:
    free_mb = shutil.disk_usage(Path.cwd()).free // 1_000_000
    if free_mb < LOW_ROOM_MB:
        yield Problem(f"the disk of {Path.cwd()} has only {free_mb} MB free", "make room")


def _database(connection: Connection, clock: Clock) -> Iterator[Problem]:
    found, wanted = schema_number(connection), newest_migration()
    if found != wanted:
        remedy = "ndiyan db migrate" if found < wanted else "update Ndiyan to the version that wrote it"
        yield Problem(f"the database's schema is at {found} and this version works with {wanted}", remedy)
        return
    if not connection.execute(SQL["zones"]).fetchall():
        yield Problem("no zone is known", "ndiyan zones import zones/")
    for (zone,) in connection.execute(SQL["zones_without_committee"]):
        yield Problem(f"{zone} has nobody to tell", "add [[committee]] to its file, then ndiyan zones import FILE")
    for zone, newest_at in connection.execute(SQL["newest_readings"]):
        if newest_at is None:
            yield Problem(f"{zone} has never sent a reading", "check its gateway's user and password at the broker")
        elif clock.now() - newest_at > OLD_READING:
            yield Problem(
                f"{zone} was last heard of at {newest_at:%Y-%m-%d %H:%M} UTC", "check its gateway and network"
            )
    beats = {service: (beat_at, detail) for service, beat_at, detail in connection.execute(SQL["heartbeats"])}
    for service, wall_s in BEAT_S.items():
        beat_at, detail = beats.get(service, (None, {}))
        if beat_at is None or clock.now() - beat_at > timedelta(seconds=wall_s * clock.speed):
            yield Problem(f"{service} is not running", f"ndiyan {'alerts' if service == 'sender' else service}")
        elif detail.get("trouble"):
            yield Problem(
                f"{service} does not store, the backlog waits at the broker: {detail['trouble']}",
                "mend the database; it goes on by itself",
            )
        elif detail.get("broker") is False:
            yield Problem(f"{service} has no link to the broker", f"see the log of {service}, check mqtt.url")
