"""A server's first configuration: all that the services, the broker and systemd read, checked before it counts.

All or nothing: each file is new (nothing is ever written over), and when one cannot be written, those before it are
taken away and the administrator's account is undone, so that the same command can be given again.
"""

from __future__ import annotations

import contextlib
import grp
import json
import os
import pwd
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from gateway.clock import SystemClock
from gateway.config import MqttSettings
from ingest.db import Connection, connect, migrate, queries, schema_number
from ndiyan.certificates import make_certificates
from ndiyan.children import ACCOUNT, can_write, service_account
from ndiyan.devices import ACCESS, PASSWORDS
from ndiyan.embedded_broker import filled
from ndiyan.embedded_postgres import postgres_account
from ndiyan.errors import NdiyanError, SettingsError
from ndiyan.identities import (
    INGEST,
    OPERATOR,
    acl_file,
    ingest_identity,
    new_password,
    operator_identity,
    password_file,
)
from ndiyan.roles import SERVICES as WITH_ROLE
from ndiyan.roles import RolesInUse, RolesRefused, grant_all, refuse_in_use, write_urls
from ndiyan.sealing import generate_key
from ndiyan.settings import load_settings, service_file
from ndiyan.shipped_files import shipped
from web.accounts import add_account, fetch_accounts
from web.rights import Role

SQL = queries("ndiyan", "first_install")
ZONE_ROLE = "ndiyan_zone"  # what a secretary's requests become; only an administrator of the server may make it
BROKER_ACCOUNT = "mosquitto"
HERE = "localhost"
OWN_POSTGRES = "host=/var/run/postgresql dbname=postgres user=postgres"  # opens to Debian's account postgres
BACKUP_AT = "02:30"
FIRST_FREE_PORT = 1024  # the services are nobody who may take one below
BY = "server (ndiyan init)"
AS_OWNER = "The services run as the owner of the database until they have roles of their own"
# Where the units of the services see something else than everybody does (ProtectHome, PrivateTmp).
THROWN_AWAY = ("/tmp", "/var/tmp")  # noqa: S108 - compared
HIDDEN = dict.fromkeys(("/home", "/root", "/run/user"), "is closed to them") | dict.fromkeys(
    THROWN_AWAY, "is another for them, thrown away when they stop"
)
HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?")
SERVICES = ("ndiyan-ingest", "ndiyan-alerts", "ndiyan-web", "ndiyan-keeper")
UNITS = (*(f"{name}.service" for name in (*SERVICES, "ndiyan-ingest@", "ndiyan-backup")), "ndiyan.target",
         "mosquitto.service.d/ndiyan.conf")  # fmt: skip


class InitRefused(NdiyanError):
    """The machine or an answer keeps us from writing a configuration; no file was written."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What only a person knows.

    Parameters
    ----------
    host : name or address by which gateways reach this server
    pages : address that people type
    backups : folder of the backups, on another disk than the database if there is one
    administrator : name of the first account
    phone : who gets an SMS when a part stands still; "" for nobody
    database : address of an empty database; "" makes one in this machine's PostgreSQL
    root : where everything is written; another than / is for a look, for a trial, or for containers
    broker_host : the broker's machine as our own programs call it
    mqtt_port, tools_port : where the broker listens for gateways, and for the operator's tools; on its own machine
        alone when that is ours
    """

    host: str
    pages: str
    backups: Path
    administrator: str
    phone: str = ""
    database: str = ""
    root: Path = Path("/")
    broker_host: str = HERE
    mqtt_port: int = 8883
    tools_port: int = 1883

    @property
    def etc(self) -> Path:
        """Where Ndiyan's own files go."""
        return self.root / "etc/ndiyan"

    @property
    def broker(self) -> Path:
        """Where the broker's files go."""
        return self.root / "etc/mosquitto/ndiyan"

    @property
    def broker_data(self) -> Path:
        """Where the broker keeps what waits."""
        return self.root / "var/lib/mosquitto"

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.etc / "ndiyan.toml"

    @property
    def has_proxy(self) -> bool:
        """Whether Caddy stands before the pages."""
        return self.pages.startswith("https://")

    @property
    def pages_port(self) -> int:
        """Where the pages listen themselves when there is no proxy."""
        return urlsplit(self.pages).port or 80


@dataclass(frozen=True, slots=True)
class _File:
    """A file to write; besides root, the account `reader` may read it (None: everybody)."""

    path: Path
    text: str
    reader: str | None = None


@dataclass(frozen=True, slots=True)
class Installed:
    """What was written, and the link by which the administrator sets a password, once.

    `owners` says why the services run as the database's owner, and what gives them roles; "" when they have theirs.
    """

    files: tuple[Path, ...]
    password_url: str
    owners: str


def install(answers: Answers) -> Installed:
    """Check the answers and the machine, prepare the database, write everything, make the administrator's account.

    Raises
    ------
    InitRefused : something is there already, is missing, or is not what it should be
    SettingsError : an answer makes no valid settings
    """
    _check_answers(answers)
    _check_machine(answers)
    _check_backups(answers.backups)
    if answers.database:
        database = answers.database
    else:
        with _as_postgres():
            database = _new_address(OWN_POSTGRES)
    files = [*_broker_files(answers), *_units(answers), *_own_files(answers, database)]
    wanted = [*(file.path for file in files), *(answers.etc / service_file(service) for service in WITH_ROLE)]
    if taken := next((path for path in wanted if path.exists()), None):
        raise InitRefused(
            f"{taken} is there already, and nothing is written over: change it with an editor, or move it away first"
        )
    if not answers.database:
        with _as_postgres():
            make_database(OWN_POSTGRES, database)
    with connect(database, application="ndiyan-init") as connection:
        _refuse_used(connection)
        migrate(connection)
        with connection.transaction(), _all_or_nothing() as made:
            now = SystemClock().now()
            token = add_account(
                connection, answers.administrator, role=Role.ADMINISTRATOR, zone=None, by=BY, now=now, now_wall=now
            )  # fmt: skip
            for file in files:
                _write(file, made)
            _make_folder(answers.backups, made, owner=ACCOUNT, mode=0o711)
            _make_folder(answers.broker_data, made, owner=BROKER_ACCOUNT, mode=0o700)
            addresses: list[Path] = []
            owners = ""
            try:
                with _who_makes_roles(answers, connection) as maker:
                    refuse_in_use(maker, answers.etc)
                    grant_all(maker)
                    addresses = write_urls(maker, answers.etc, like=database)
                    made += addresses
            except RolesInUse as refusal:
                owners = f"{AS_OWNER}: {refusal}"
            except RolesRefused as refusal:
                owners = f"{AS_OWNER}: {refusal}; then ndiyan db roles --folder {answers.etc}"
    return Installed((*(file.path for file in files), *addresses), f"{answers.pages}/login/{token}", owners)


@contextmanager
def _who_makes_roles(answers: Answers, connection: Connection) -> Iterator[Connection]:
    """A connection of whoever may make roles: our own server's administrator, else the owner, as far as they may."""
    if answers.database:
        yield connection
        return
    with _as_postgres():
        superuser = connect(make_conninfo(OWN_POSTGRES, dbname=connection.info.dbname), application="ndiyan-init")
    with superuser:
        yield superuser


def next_steps(answers: Answers, done: Installed) -> str:
    """What to do now, command by command."""
    has_own_root = answers.root != Path("/")
    settings = f" --settings {answers.settings}" if has_own_root else ""
    ndiyan = f"ndiyan{settings}"
    start = (
        [f"mosquitto -d -c {answers.broker / 'mosquitto.conf'}", f"{ndiyan} up"]
        if has_own_root
        else [
            "systemctl daemon-reload",
            "systemctl restart mosquitto",
            f"systemctl enable --now {' '.join(SERVICES)} ndiyan.target",
        ]
    )
    caddy = [f"cp {answers.etc / 'Caddyfile'} /etc/caddy/Caddyfile && systemctl reload caddy"]
    steps = [
        *start,
        *(caddy if answers.has_proxy else []),
        f"{ndiyan} zones import FOLDER      # your zone files; for a try only: zones import --fictional",
        f"{ndiyan} devices add GATEWAY      # each gateway's password, which it gets with {answers.etc}/broker-ca.crt",
        f"{ndiyan} backup" if has_own_root else "systemctl start ndiyan-backup",
        f"{ndiyan} doctor",
    ]
    return (
        f"{len(done.files)} files are written and nothing was started. Now:\n\n"
        + "".join(f"  {step}\n" for step in steps)
        + f"\n{answers.administrator} sets a password here, once, within three days:\n\n  {done.password_url}\n\n"
        f"Keep a copy of {answers.etc}/backup.key where this server is not: no backup opens without it."
        + (f"\n\n{done.owners}." if done.owners else "")
    )


def make_database(server: str, url: str) -> None:
    """Make the user and the database of `url` on a server, which `server` opens for its administrator.

    The user may make databases, for restores, and is nothing more: what a migration may not make itself is made here. A
    user that is there gets the new password; a database that is there stays as it is. The server's log gets no row that
    is refused.

    Raises
    ------
    InitRefused : the database, or another of that user, is in use: its services know the password of now
    """
    wanted = conninfo_to_dict(url)
    role, name, zone = (sql.Identifier(str(one)) for one in (wanted["user"], wanted["dbname"], ZONE_ROLE))
    with connect(server, application="ndiyan-init") as admin:
        there = [one for (one,) in admin.execute(SQL["databases"], {"name": wanted["dbname"], "user": wanted["user"]})]
        for one in there:
            with connect(make_conninfo(server, dbname=one), application="ndiyan-init") as found:
                _refuse_used(found)
        for one in (wanted["user"], ZONE_ROLE):
            if not admin.execute(SQL["role"], {"name": one}).fetchone():
                admin.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(str(one))))
        admin.execute(sql.SQL("ALTER ROLE {} LOGIN CREATEDB PASSWORD {}").format(role, sql.Literal(wanted["password"])))
        # Whoever may make roles may not give this one away by that alone: so it is since PostgreSQL 16.
        admin.execute(sql.SQL("GRANT {} TO {} WITH ADMIN OPTION").format(zone, role))
        if wanted["dbname"] not in there:
            # A server that was set up without a locale would make one of bytes.
            made = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE template0 ENCODING 'UTF8'")
            admin.execute(made.format(name, role))
        if admin.execute("SHOW log_error_verbosity").fetchone() != ("terse",):  # a row that is refused has phones
            admin.execute("ALTER SYSTEM SET log_error_verbosity = terse")
            admin.execute("SELECT pg_reload_conf()")


def _new_address(server: str) -> str:
    """Where our database will be, with a password that nobody has to type."""
    try:
        with connect(server) as admin:
            port = admin.info.port
    except psycopg.OperationalError as error:
        raise InitRefused(
            f"this machine's PostgreSQL does not answer ({str(error).splitlines()[0]}):"
            " apt-get install postgresql, or name an empty database elsewhere with --database URL"
        ) from error
    return f"postgresql://{ACCOUNT}:{new_password()}@localhost:{port}/{ACCOUNT}"


@contextmanager
def _as_postgres() -> Iterator[None]:
    """As root, be the account postgres for a moment: its server asks the kernel who is at the other end."""
    account = postgres_account()
    if account is None:
        yield
        return
    os.seteuid(account.uid)
    try:
        yield
    finally:
        os.seteuid(0)


def _check_answers(answers: Answers) -> None:
    for what, host in (("host", answers.host), ("broker-host", answers.broker_host)):
        if not HOST.fullmatch(host):
            raise InitRefused(f"{what}: {host!r} is no name or address of a machine (water.example.org)")
    pages = urlsplit(answers.pages)
    try:
        _ = pages.port
    except ValueError as error:
        raise InitRefused(f"pages: {answers.pages}: {error}") from None
    if pages.scheme not in ("http", "https") or not pages.hostname or pages.path.rstrip("/"):
        raise InitRefused(f"pages: {answers.pages!r} is not https://HOST or http://HOST:PORT")
    if not answers.has_proxy and answers.pages_port < FIRST_FREE_PORT:
        raise InitRefused(
            f"pages: {answers.pages!r} is port {answers.pages_port}, which only root may take: give one from"
            f" {FIRST_FREE_PORT} on (http://{pages.hostname}:8000), or https:// with Caddy before the pages"
        )
    for what, path in (("backups", answers.backups), ("root", answers.root)):
        if not path.is_absolute() or any(letter.isspace() for letter in str(path)):
            raise InitRefused(f"{what}: {str(path)!r} is no whole path without spaces (/var/backups/ndiyan)")
    if answers.root == Path("/"):
        _check_reach(answers.backups)


def _check_reach(folder: Path) -> None:
    """The services, as systemd runs them, must see the folder as everybody does."""
    for place, why in HIDDEN.items():
        if folder.resolve().is_relative_to(Path(place).resolve()):
            raise InitRefused(
                f"backups: {folder} is no place for the services: {place} {why}; name a folder elsewhere"
                " (/var/backups/ndiyan)"
            )


def _check_machine(answers: Answers) -> None:
    if answers.root != Path("/"):
        return
    if os.geteuid() != 0:
        raise InitRefused("the files go under /etc, which is root's: sudo ndiyan init, or --root FOLDER for a look")
    try:
        brokers = grp.getgrnam(BROKER_ACCOUNT)
    except KeyError:
        raise InitRefused("mosquitto, the broker, is not here: apt-get install mosquitto") from None
    try:
        pwd.getpwnam(ACCOUNT)
    except KeyError:
        raise InitRefused(
            f"the account {ACCOUNT}, as which the services run, is not here: useradd --system --groups"
            f" {BROKER_ACCOUNT} --home-dir /var/lib/ndiyan --shell /usr/sbin/nologin {ACCOUNT}"
        ) from None
    if ACCOUNT not in brokers.gr_mem:
        raise InitRefused(
            f"the account {ACCOUNT} may not read the broker's files, which are part of a backup:"
            f" usermod --append --groups {BROKER_ACCOUNT} {ACCOUNT}"
        )


def _check_backups(folder: Path) -> None:
    """A folder that is there already must be one in which the services may write."""
    account = service_account()
    if account is not None and folder.is_dir() and not can_write(account, folder):
        raise InitRefused(
            f"backups: {account.name}, as which the services run, may not write into {folder}:"
            f" chown {account.name} {folder}, or name a folder that is not there yet"
        )


def _refuse_used(connection: Connection) -> None:
    if (encoding := connection.info.parameter_status("server_encoding")) != "UTF8":
        raise InitRefused(
            f"the database {connection.info.dbname} keeps its texts as {encoding}, wanted UTF8:"
            " CREATE DATABASE … TEMPLATE template0 ENCODING 'UTF8'"
        )
    if schema_number(connection) and (accounts := fetch_accounts(connection)):
        raise InitRefused(
            f"the database {connection.info.dbname} has {len(accounts)} accounts already: give an empty one with"
            " --database URL, or drop it; a server's new start from its backup is in docs/backup.md"
        )


def _broker_files(answers: Answers) -> Iterator[_File]:
    folder = answers.broker
    certificates = make_certificates(answers.host, answers.broker_host, now=SystemClock().now())
    inside = " 127.0.0.1" if answers.broker_host == HERE else ""
    template = shipped("deploy/mosquitto/ndiyan.conf").read_text("utf-8")
    text = filled(
        template.replace("/etc/mosquitto/ndiyan", str(folder)),
        {
            "listener 8883": f"listener {answers.mqtt_port}",
            "listener 1883": f"listener {answers.tools_port}{inside}",
            "persistence_location": f"persistence_location {answers.broker_data}/",
        },
    )
    yield _File(folder / "mosquitto.conf", text)
    yield _File(folder / "server.crt", certificates.server)
    yield _File(folder / "server.key", certificates.server_key, BROKER_ACCOUNT)
    yield _File(answers.etc / "broker-ca.crt", certificates.authority)
    yield _File(answers.etc / "broker-ca.key", certificates.authority_key, ACCOUNT)


def _own_files(answers: Answers, database: str) -> Iterator[_File]:
    """The broker's identities and the settings that hold their passwords, the key of backups, and Caddy's file."""
    passwords = {INGEST: new_password(), OPERATOR: new_password()}
    identities = [ingest_identity(passwords[INGEST]), operator_identity(passwords)]
    for name, text in ((PASSWORDS, password_file(identities)), (ACCESS, acl_file(identities))):
        yield _File(answers.broker / name, text, BROKER_ACCOUNT)
    yield _File(answers.etc / "backup.key", generate_key()[0], ACCOUNT)
    if answers.has_proxy:
        caddy = shipped("deploy/Caddyfile").read_text("utf-8")
        yield _File(answers.etc / "Caddyfile", caddy.replace("{$NDIYAN_PAGES}", answers.pages))
    text = _settings(answers, database, passwords)
    with tempfile.TemporaryDirectory() as private:
        (draft := Path(private) / "ndiyan.toml").write_text(text, "utf-8")
        try:
            load_settings(draft, {})
        except SettingsError as error:
            raise SettingsError(str(error).removeprefix(f"{draft}: ")) from None
    yield _File(answers.settings, text, ACCOUNT)


def _settings(answers: Answers, database: str, passwords: Mapping[str, str]) -> str:
    ca = str(answers.etc / "broker-ca.crt")
    ingest = MqttSettings(answers.broker_host, answers.mqtt_port, INGEST, passwords[INGEST], tls_ca=ca)
    operator = MqttSettings(answers.broker_host, answers.tools_port, OPERATOR, passwords[OPERATOR])
    gateways = MqttSettings(answers.host, answers.mqtt_port, tls_ca="/etc/ndiyan/broker-ca.crt")
    listens: dict[str, str | int] = {} if answers.has_proxy else {"host": "0.0.0.0", "port": answers.pages_port}  # noqa: S104 - asked for
    tables: dict[str, dict[str, str | int]] = {
        "database": {"url": database},
        "mqtt": {"url": ingest.url(), "operator_url": operator.url()},
        "broker": {"folder": str(answers.broker), "public_url": gateways.url()},
        "web": {"public_url": answers.pages, **listens},
        "backup": {
            "folder": str(answers.backups), "key_file": str(answers.etc / "backup.key"), "at": BACKUP_AT,
            "paths": f"{answers.etc} {answers.broker}",
        },
        "watch": {"phones": answers.phone},
    }  # fmt: skip
    lines = [
        "# Written by `ndiyan init`. All settings: docs/settings.md. Holds passwords: root and ndiyan alone read it."
    ]
    for table, values in tables.items():
        lines += ["", f"[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def _units(answers: Answers) -> Iterator[_File]:
    """The units of deploy/systemd for where this program, its settings and its backups are."""
    program = Path(sys.executable).with_name("ndiyan")
    for name in UNITS:
        text = shipped(f"deploy/systemd/{name}").read_text("utf-8")
        text = text.replace("/opt/ndiyan/bin/ndiyan", str(program)).replace("/etc/ndiyan/", f"{answers.etc}/")
        text = text.replace("/etc/mosquitto/ndiyan", str(answers.broker))
        if name in ("ndiyan-keeper.service", "ndiyan-backup.service"):
            # Without the folder, on a disk that is away, the keeper watches and tells all the same.
            writes = f"StateDirectory=ndiyan\nReadWritePaths=-{answers.backups}\n"
            text = text.replace("StateDirectory=ndiyan\n", writes)
        yield _File(answers.root / "etc/systemd/system" / name, text)


@contextmanager
def _all_or_nothing() -> Iterator[list[Path]]:
    """A list of what was made, which is taken away again when the body fails."""
    made: list[Path] = []
    try:
        yield made
    except BaseException:
        for path in reversed(made):
            with contextlib.suppress(OSError):
                path.rmdir() if path.is_dir() else path.unlink()
        raise


def _write(file: _File, made: list[Path]) -> None:
    """Write a new file; its folder is made when it is missing."""
    if not file.path.parent.is_dir():
        _make_folder(file.path.parent, made)
    try:
        handle = os.open(file.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise InitRefused(f"{file.path} cannot be written: {error.strerror}") from error
    made.append(file.path)
    with os.fdopen(handle, "w", encoding="utf-8") as output:
        output.write(file.text)
        os.fchmod(output.fileno(), 0o644 if file.reader is None else 0o640)
        if file.reader and (group := _group(file.reader)) is not None:
            os.fchown(output.fileno(), -1, group)


def _make_folder(folder: Path, made: list[Path], *, owner: str | None = None, mode: int = 0o755) -> None:
    """Make a folder and those above it; one that is there stays as it is."""
    if folder.is_dir():
        return
    if not folder.parent.is_dir():
        _make_folder(folder.parent, made)
    try:
        folder.mkdir()
    except OSError as error:
        raise InitRefused(f"{folder} cannot be made: {error.strerror}") from error
    made.append(folder)
    folder.chmod(mode)
    if owner and os.geteuid() == 0:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(owner)
            os.chown(folder, entry.pw_uid, entry.pw_gid)


def _group(name: str) -> int | None:
    """The group of an account that we may hand files to, None when there is none or we are not root."""
    with contextlib.suppress(KeyError):
        return grp.getgrnam(name).gr_gid if os.geteuid() == 0 else None
    return None
