"""`ndiyan devices`: who may connect to the broker; parse and wire, work is elsewhere."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.config import MqttSettings
from ingest.audit import record
from ingest.db import connect, queries
from ndiyan.cli_users import BY
from ndiyan.devices import BrokerFiles, DeviceRefused
from ndiyan.settings import Settings, load_settings

SQL = queries("ndiyan", "devices")
devices_app = typer.Typer(no_args_is_help=True, help="Gateways and other senders at the broker (docs/gateway.md).")

Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
Gateway = Annotated[str, typer.Argument(help="A gateway as the zone file names it, or a sender.")]


@devices_app.command("add")
def add(
    context: typer.Context,
    gateway: Gateway,
    topic: Annotated[
        list[str] | None,
        typer.Option(help="Where a sender that is none of ours publishes (docs/profiles.md); may be said again."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Let a gateway in: print the head of its gateway.toml and its password, which is shown this once."""
    _give(load_settings(context.obj), gateway, anew=False, topics=topic or [], as_json=as_json)


@devices_app.command("rotate")
def rotate(context: typer.Context, gateway: Gateway, as_json: Json = False) -> None:
    """Give a gateway or sender a new password; the one before counts no more from now on."""
    _give(load_settings(context.obj), gateway, anew=True, topics=[], as_json=as_json)


@devices_app.command("revoke")
def revoke(context: typer.Context, gateway: Gateway, as_json: Json = False) -> None:
    """Let a gateway or sender in no more; if it is connected, the broker throws it out."""
    settings = load_settings(context.obj)
    files = _files(settings)
    files.take_back(gateway)
    _record(settings, "device_revoked", gateway, files.gateways.get(gateway))
    _reload(settings)
    kept = "; what it has kept it sends when it is let in again" if gateway in files.gateways else ""
    _answer({"revoked": gateway}, f"{gateway} is out{kept}", as_json)


@devices_app.command("list")
def list_all(context: typer.Context, as_json: Json = False) -> None:
    """List the gateways of all zones and other senders, and whether each has a password."""
    files = _files(load_settings(context.obj))
    inside, senders = set(files.names()), files.senders()
    rows: list[dict[str, Any]] = [
        {
            "gateway": name, "zone": files.gateways.get(name), "has_password": name in inside,
            "topics": list(senders[name].may_write) if name in senders else [],
        }
        for name in sorted(files.gateways.keys() | inside)
    ]  # fmt: skip
    lines = [
        f"{row['gateway']:<16} {'password' if row['has_password'] else '-':<10}"
        f"{row['zone'] or ' '.join(row['topics']) or 'no zone any more'}"
        for row in rows
    ]
    _answer(rows, "\n".join(lines) or "no zone has a gateway", as_json)


def _give(settings: Settings, gateway: str, *, anew: bool, topics: list[str], as_json: bool) -> None:
    files = _files(settings)
    address = MqttSettings.from_url(settings.required("broker.public_url"))
    password = files.give(gateway, anew=anew, topics=topics)
    _record(settings, "device_rotated" if anew else "device_added", gateway, files.gateways.get(gateway))
    _reload(settings)
    host = MqttSettings(address.host, address.port, gateway, None, address.protocol, address.tls_ca).url()
    if gateway not in files.gateways:
        may_write = list(files.senders()[gateway].may_write)
        text = f"{host}\npublishes to {' '.join(may_write)}\nthe password, which is not shown again:\n{password}"
        _answer({"sender": gateway, "mqtt": host, "topics": may_write, "password": password}, text, as_json)
        return
    head = f'zone = "{files.gateways[gateway]}"\ngateway = "{gateway}"\nmqtt = "{host}"\n'
    text = (
        f"# gateway.toml begins with this; what hangs on the gateway comes below (docs/gateway.md)\n{head}"
        f'mqtt_password_file = "mqtt-password"\n\n# mqtt-password, mode 0600, is this line and is not shown again\n'
        f"{password}"
    )
    _answer({"zone": files.gateways[gateway], "gateway": gateway, "mqtt": host, "password": password}, text, as_json)


def _record(settings: Settings, what: str, gateway: str, zone: str | None) -> None:
    with connect(settings.required("database.url"), application="ndiyan-devices") as connection:
        record(connection, who=BY, what=what, subject=gateway, zone=zone, now=settings.make_clock().now())


def _files(settings: Settings) -> BrokerFiles:
    with connect(settings.required("database.url"), application="ndiyan-devices") as connection:
        gateways = dict(connection.execute(SQL["gateways"]).fetchall())
    return BrokerFiles(Path(settings.broker_folder), gateways)


def _reload(settings: Settings) -> None:
    """Have the broker read its files again."""
    done = subprocess.run(shlex.split(settings.broker_reload), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DeviceRefused(
            f"the files are written, and the broker did not read them: {settings.broker_reload}: {done.stderr.strip()}"
        )


def _answer(value: Any, text: str, as_json: bool) -> None:
    print(json.dumps(value, ensure_ascii=False) if as_json else text)
