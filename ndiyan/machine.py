"""What can be wrong with the machine itself: disk, memory, clock, certificates, and backups that are not made."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import psycopg

from alerts.watchdog import BACKUP_WITHIN
from gateway.clock import Clock
from ingest.db import connect
from ingest.folders import fetch_broker_folder, fetch_database_folder
from ndiyan.backup import age_of_newest, is_ahead, leftovers, list_backups
from ndiyan.children import run
from ndiyan.errors import SettingsError
from ndiyan.problem import Problem, by_systemd
from ndiyan.settings import Settings

LOW_ROOM_MB = 2_000
LOW_MEMORY_MB = 100  # what a backup's own server takes
LEFT_AFTER_S = 86_400.0  # no backup or check takes as long
MEMORY = Path("/proc/meminfo")
ENDS_SOON = timedelta(days=14)
TLS_WAIT_S = 5.0
STRANGE = (18, 19, 20, 21)  # X509_V_ERR_…: signed by itself, or by whom nobody here knows
TRUST = (
    "if it is of an authority of your own (`tls internal`): put the authority's certificate into"
    " /usr/local/share/ca-certificates as NAME.crt, then update-ca-certificates"
)


def machine_problems(settings: Settings, *, wall: Clock) -> Iterator[Problem]:
    """Look at what the services stand on; `wall` tells the world's time."""
    yield from _disks(settings)
    yield from _memory()
    yield from _clock()
    yield from _certificates(settings, wall.now())
    if not settings.demo:
        yield from _backups(settings, wall.now())


def _disks(settings: Settings) -> Iterator[Problem]:
    """Those of the database and of the broker, where they are on this machine, of the backups, and where we are."""
    backups = Path(settings.backup_folder) if settings.backup_folder else None
    seen = []
    for folder in (_database_folder(settings), _broker_folder(settings), backups, Path.cwd()):
        try:
            usage = None if folder is None else shutil.disk_usage(folder)
        except OSError:
            continue  # told where the backups are looked at
        if usage is None or usage in seen:  # the same figures are the same disk
            continue
        seen.append(usage)
        if (free_mb := usage.free // 1_000_000) < LOW_ROOM_MB:
            yield Problem(
                f"the disk of {folder} has {free_mb} MB free, wanted {LOW_ROOM_MB}",
                f"make room: du -xh --max-depth=2 {folder} | sort -h | tail",
            )


def _database_folder(settings: Settings) -> Path | None:
    with suppress(SettingsError, psycopg.Error), connect(settings.required("database.url")) as connection:
        return fetch_database_folder(connection)
    return None  # that it does not answer is told where it is looked at


def _broker_folder(settings: Settings) -> Path | None:
    with suppress(SettingsError):
        mqtt = settings.mqtt()
        return fetch_broker_folder(mqtt.host, mqtt.port)
    return None


def _memory() -> Iterator[Problem]:
    known = dict(line.split(":", 1) for line in MEMORY.read_text("utf-8").splitlines() if ":" in line)
    free_mb = int(known["MemAvailable"].split()[0]) // 1000
    if free_mb < LOW_MEMORY_MB:
        yield Problem(
            f"the machine has {free_mb} MB of memory left, wanted {LOW_MEMORY_MB}",
            "see who takes it: ps -eo rss,args --sort=-rss | head",
        )


def _clock() -> Iterator[Problem]:
    """Whether something sets this machine's clock; without systemd nobody here can tell."""
    try:
        told = run(["timedatectl", "show", "--property=NTPSynchronized", "--value"]).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return
    if told == "no":
        yield Problem("the machine's clock is not set by the network", "timedatectl set-ntp true")


def _certificates(settings: Settings, now: datetime) -> Iterator[Problem]:
    places: list[tuple[str, int, str | None]] = []
    try:
        mqtt = settings.mqtt()
        if mqtt.tls_ca is not None:
            places.append((mqtt.host, mqtt.port, mqtt.tls_ca or None))
    except SettingsError:
        pass  # told where the broker is looked at
    web = urlsplit(settings.public_url)
    if web.scheme == "https" and web.hostname:
        places.append((web.hostname, web.port or 443, None))
    for host, port, ca in places:
        renew = f"renew it: openssl s_client -connect {host}:{port} </dev/null | openssl x509 -noout -dates -issuer"
        if ca == settings.broker_authority:
            renew = f"ndiyan broker certificate --host {host}; systemctl restart mosquitto"
        yield from _certificate(host, port, ca, now, renew)


def _certificate(host: str, port: int, ca: str | None, now: datetime, renew: str) -> Iterator[Problem]:
    try:
        context = ssl.create_default_context(cafile=ca)
    except OSError as error:
        yield Problem(
            f"{ca} (tls_ca of mqtt.url) cannot be read: {error.strerror}",
            "put the broker's authority there: the broker-ca.crt that `ndiyan init` made, or that of a backup",
        )
        return
    try:
        with (
            socket.create_connection((host, port), TLS_WAIT_S) as link,
            context.wrap_socket(link, server_hostname=host) as wrapped,
        ):
            ends = (wrapped.getpeercert() or {}).get("notAfter")
    except ssl.SSLCertVerificationError as error:
        is_strange = ca is None and error.verify_code in STRANGE
        yield Problem(
            f"the certificate of {host}:{port} is refused: {error.verify_message}", TRUST if is_strange else renew
        )
    except OSError as error:
        yield Problem(f"{host}:{port} does not answer over TLS: {error}", "start what listens there, and look again")
    else:
        ends_at = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(ends)), UTC)
        if ends_at - now < ENDS_SOON:
            yield Problem(f"the certificate of {host}:{port} ends on {ends_at:%Y-%m-%d %H:%M} UTC", renew)


def _backups(settings: Settings, now: datetime) -> Iterator[Problem]:
    if not settings.backup_folder:
        yield Problem("nothing is ever saved: backup.folder is not set", "set backup.folder (docs/backup.md)")
        return
    folder = Path(settings.backup_folder)
    try:
        backups, age = list_backups(folder), age_of_newest(folder, now)
        left = [one for one in leftovers(folder) if now.timestamp() - one.stat().st_mtime > LEFT_AFTER_S]
    except OSError as error:
        yield Problem(f"{folder} cannot be read: {error.strerror}", f"findmnt -T {folder}; dmesg | tail")
        return
    for one in left:
        yield Problem(f"{one} is of a backup or check that was killed, open to whoever has the disk", f"rm -r {one}")
    for backup in backups:
        if is_ahead(backup, now):
            yield Problem(
                f"{backup.folder} is of a later time than now, and counts as no backup",
                f"timedatectl; when the clock is right and there is another backup: rm -r {backup.folder}",
            )
    remedy = "ndiyan backup"
    if (restart := by_systemd("ndiyan-backup")) is not None:
        remedy = f"{restart}; and of that of the night: {folder / 'backup.log'}"
    if age is None:
        yield Problem(f"{folder} holds no backup", remedy)
    elif age > BACKUP_WITHIN:
        hours, most = age // timedelta(hours=1), BACKUP_WITHIN // timedelta(hours=1)
        yield Problem(f"the newest backup is {hours} hours old, wanted at most {most}", remedy)
