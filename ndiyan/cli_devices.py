"""`ndiyan devices`: who may connect to the broker; parse and wire, work is elsewhere."""

from __future__ import annotations

import json
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.clock import SystemClock
from gateway.config import MqttSettings
from ingest.audit import record
from ingest.db import connect, queries
from ingest.profiles.own import fetch_profiles
from ingest.profiles.profile import for_every_zone
from ndiyan.cli_users import BY
from ndiyan.devices import BrokerFiles, DeviceRefused, Signer
from ndiyan.settings import Settings, load_settings
from ndiyan.takeover import LinkStays, end_link

SQL = queries("ndiyan", "devices")
devices_app = typer.Typer(no_args_is_help=True, help="Gateways and other senders at the broker (docs/gateway.md).")

PRIVATE = "install -m 0640 -g ndiyan-gateway"  # for the gateway's program and root alone

Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
Gateway = Annotated[str, typer.Argument(help="A gateway as the zone file names it, or a sender.")]


Certificate = Annotated[
    Path | None,
    typer.Option(
        help="Let it in by a certificate instead of a password: writes NAME.crt and NAME.key into this folder.",
        file_okay=False,
    ),
]  # fmt: skip


@devices_app.command("add")
def add(
    context: typer.Context,
    gateway: Gateway,
    topic: Annotated[
        list[str] | None,
        typer.Option(help="Where a sender that is none of ours publishes (docs/profiles.md); may be said again."),
    ] = None,
    every_zone: Annotated[
        bool,
        typer.Option(help="It is a server that may speak for devices of every zone: its topics leave open for whom."),
    ] = False,
    certificate: Certificate = None,
    as_json: Json = False,
) -> None:
    """Let a gateway in: print the head of its gateway.toml and its password, which is shown this once."""
    settings = load_settings(context.obj)
    if not every_zone:
        _check_for_whom(settings, gateway, topic or [])
    _let_in(settings, gateway, anew=False, topics=topic or [], certificate=certificate, as_json=as_json)


@devices_app.command("rotate")
def rotate(context: typer.Context, gateway: Gateway, certificate: Certificate = None, as_json: Json = False) -> None:
    """Give a gateway or sender a new password or certificate; the one before is out, also where it is connected."""
    settings = load_settings(context.obj)
    _let_in(settings, gateway, anew=True, topics=[], certificate=certificate, as_json=as_json)


@devices_app.command("revoke")
def revoke(context: typer.Context, gateway: Gateway, as_json: Json = False) -> None:
    """Let a gateway or sender in no more; if it is connected, it may say and hear nothing from now on."""
    settings = load_settings(context.obj)
    files = _files(settings)
    files.take_back(gateway, _signer(settings) if gateway in files.certificates() else None)
    _tell(settings, "device_revoked", gateway, files.gateways.get(gateway))
    kept = "; what it has kept it sends when it is let in again" if gateway in files.gateways else ""
    _answer({"revoked": gateway}, f"{gateway} is out{kept}", as_json)


@devices_app.command("workers")
def workers(context: typer.Context, as_json: Json = False) -> None:
    """Let as many workers of ingest in as `ingest.workers` says, under the password of the first."""
    settings = load_settings(context.obj)
    _files(settings).let_workers_in(settings.ingest_workers)
    _reload(settings)
    _answer({"workers": settings.ingest_workers}, f"{settings.ingest_workers} may connect", as_json)


@devices_app.command("list")
def list_all(context: typer.Context, as_json: Json = False) -> None:
    """List the gateways of all zones and other senders, and by what each comes in."""
    files = _files(load_settings(context.obj))
    inside, senders, certificates = set(files.names()), files.senders(), files.certificates()
    rows: list[dict[str, Any]] = [
        {
            "gateway": name, "zone": files.gateways.get(name), "has_password": name in inside - certificates.keys(),
            "has_certificate": name in certificates,
            "topics": list(senders[name].may_write) if name in senders else [],
        }
        for name in sorted(files.gateways.keys() | inside)
    ]  # fmt: skip
    lines = [
        f"{row['gateway']:<16} {_way(row):<12}{row['zone'] or ' '.join(row['topics']) or 'no zone any more'}"
        for row in rows
    ]
    _answer(rows, "\n".join(lines) or "no zone has a gateway", as_json)


def _check_for_whom(settings: Settings, name: str, topics: list[str]) -> None:
    """Refuse topics on which a sender could speak for the devices of another zone."""
    with connect(settings.required("database.url"), application="ndiyan-devices") as connection:
        profiles = fetch_profiles(connection)
    for topic in topics:
        if for_every_zone(topic, profiles):
            raise DeviceRefused(
                f"{name}: on {topic} it could speak for devices of every zone: spell out the device or the zone in it,"
                " or let it publish on ndiyan/1/ZONE/GATEWAY/up/PROFILE; a server that speaks for all zones is let in"
                " with --every-zone (docs/profiles.md)"
            )


def _way(row: dict[str, Any]) -> str:
    return "certificate" if row["has_certificate"] else "password" if row["has_password"] else "-"


def _let_in(
    settings: Settings, gateway: str, *, anew: bool, topics: list[str], certificate: Path | None, as_json: bool
) -> None:
    files = _files(settings)
    had_certificate = gateway in files.certificates()
    if certificate is None:
        address = MqttSettings.from_url(settings.required("broker.public_url"))
        signer = _signer(settings) if had_certificate else None
        password = files.give(gateway, anew=anew, topics=topics, signer=signer)
        way_in = replace(address, username=gateway, password=password)
        mine, given = {"password": password}, f"the password, which is not shown again:\n{password}"
        beside = (
            f'mqtt_password_file = "mqtt-password"\n\n# mqtt-password ({PRIVATE}) is this line and is not shown again\n'
            f"{password}"
        )
    else:
        address = MqttSettings.from_url(settings.required("broker.certificate_url"))
        address = replace(address, tls_cert=f"/etc/ndiyan/{gateway}.crt", tls_key=f"/etc/ndiyan/{gateway}.key")
        mine = _certify(settings, files, gateway, certificate, anew=anew, topics=topics)
        way_in = replace(address, username=gateway, tls_cert=mine["certificate"], tls_key=mine["key"])
        given = f"{mine['certificate']} and {mine['key']} belong to it and nowhere else: copy them and delete them here"
        beside = f"\n# {given};\n# there they are {address.tls_cert} and {address.tls_key} ({PRIVATE})"
    host = replace(address, username=gateway, password=None).url()
    zone = files.gateways.get(gateway)
    if zone is None:
        may_write = list(files.senders()[gateway].may_write)
        value: dict[str, Any] = {"sender": gateway, "mqtt": host, "topics": may_write, **mine}
        text = f"{host}\npublishes to {' '.join(may_write)}\n{given}"
    else:
        value = {"zone": zone, "gateway": gateway, "mqtt": host, **mine}
        text = (
            f"# gateway.toml begins with this; what hangs on the gateway comes below (docs/gateway.md)\n"
            f'zone = "{zone}"\ngateway = "{gateway}"\nmqtt = "{host}"\n{beside}'
        )
    _answer(value, text, as_json)  # before anything else can fail: it is in the files and is shown this once
    _tell(settings, "device_rotated" if anew else "device_added", gateway, zone)
    if had_certificate:
        _end_old_link(settings, way_in)


def _end_old_link(settings: Settings, way_in: MqttSettings) -> None:
    """End what the old certificate has open; when that fails, say how it can be done."""
    try:
        end_link(replace(way_in, tls_ca=way_in.tls_ca and ""), authority=Path(settings.broker_authority))
    except LinkStays as error:
        typer.echo(
            f"the old certificate opens nothing any more, but a link that it has open may stay ({error});"
            " this ends it: systemctl restart mosquitto",
            err=True,
        )


def _certify(
    settings: Settings, files: BrokerFiles, gateway: str, folder: Path, *, anew: bool, topics: list[str]
) -> dict[str, str]:
    """Write a certificate and its key for a gateway or sender; where they are."""
    places = [folder / f"{gateway}.{ending}" for ending in ("crt", "key")]
    if there := [place for place in places if place.exists()]:
        raise DeviceRefused(f"{there[0]}: is there already; give another folder, or take it away")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise DeviceRefused(f"{folder}: cannot be made: {error.strerror}") from error
    issued = files.certify(gateway, _signer(settings), anew=anew, topics=topics)
    for place, text in zip(places, (issued.certificate, issued.key), strict=True):
        place.touch(mode=0o600, exist_ok=False)
        place.write_text(text, "utf-8")
    return {"certificate": str(places[0]), "key": str(places[1])}


def _signer(settings: Settings) -> Signer:
    """The authority that `ndiyan init` made; it signs by the world's clock, by which certificates are read."""
    from ndiyan.certificates import Authority

    try:
        texts = [Path(file).read_text("utf-8") for file in (settings.broker_authority, settings.broker_authority_key)]
        return Signer(Authority(*texts), SystemClock().now())
    except OSError as error:
        raise DeviceRefused(f"{error.filename}: cannot be read: {error.strerror} (broker.authority)") from error
    except ValueError as error:
        raise DeviceRefused(f"{settings.broker_authority}: {error}") from error


def _tell(settings: Settings, what: str, gateway: str, zone: str | None) -> None:
    """Have the broker read its files again, and write into the journal who did what, whether it did or not."""
    try:
        _reload(settings)
    finally:
        _record(settings, what, gateway, zone)


def _record(settings: Settings, what: str, gateway: str, zone: str | None) -> None:
    with connect(settings.required("database.url"), application="ndiyan-devices") as connection:
        record(connection, who=BY, what=what, subject=gateway, zone=zone, now=settings.make_clock().now())


def _files(settings: Settings) -> BrokerFiles:
    with connect(settings.required("database.url"), application="ndiyan-devices") as connection:
        gateways = dict(connection.execute(SQL["gateways"]).fetchall())
    return BrokerFiles(Path(settings.broker_folder), gateways)


def _reload(settings: Settings) -> None:
    """Have the broker read its files again."""
    try:
        subprocess.run(shlex.split(settings.broker_reload), capture_output=True, text=True, check=True)
    except (OSError, ValueError, IndexError, subprocess.CalledProcessError) as error:
        said = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else error
        raise DeviceRefused(
            f"the files are written and hold, and the broker did not read them ({settings.broker_reload}: {said}):"
            " they count once it does"
        ) from error


def _answer(value: Any, text: str, as_json: bool) -> None:
    print(json.dumps(value, ensure_ascii=False) if as_json else text)
