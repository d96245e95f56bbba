"""`ndiyan broker`: the certificate that the broker shows; parse and wire, work is elsewhere."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from gateway.clock import SystemClock
from ndiyan.errors import NdiyanError
from ndiyan.settings import load_settings

broker_app = typer.Typer(no_args_is_help=True, help="The broker's own certificate (docs/install.md).")


@broker_app.command("certificate")
def certificate(
    context: typer.Context,
    host: Annotated[
        list[str] | None, typer.Option(help="One more name or address by which it is reached; may be said again.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Make it anew, for the names of the one before and these; gateways trust it by the authority that they hold."""
    from ndiyan.certificates import Authority, hosts_of

    settings = load_settings(context.obj)
    shown, key = (Path(settings.broker_folder) / name for name in ("server.crt", "server.key"))
    authority, secret = (
        Path(one).read_text("utf-8") for one in (settings.broker_authority, settings.broker_authority_key)
    )
    try:
        signer = Authority(authority, secret)
    except ValueError as error:
        raise NdiyanError(f"{settings.broker_authority}: {error}") from error
    try:
        hosts = list(dict.fromkeys((*hosts_of(shown.read_text("utf-8")), *(host or ()))))
    except ValueError as error:
        raise NdiyanError(f"{shown} is no certificate (PEM)") from error
    if not hosts:
        raise NdiyanError(f"{shown} names no host (it has no subjectAltName): say for which ones with --host")
    made, made_key = signer.serve(*hosts, now=SystemClock().now())
    _replace(key, made_key)
    _replace(shown, made)
    text = f"{shown} is for {', '.join(hosts)}; it counts after systemctl restart mosquitto"
    print(json.dumps({"certificate": str(shown), "hosts": hosts}) if as_json else text)


def _replace(file: Path, text: str) -> None:
    """Write a file whole, with the owner and the rights of the one before."""
    before, draft = file.stat(), file.with_name(f".{file.name}")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as output:
        output.write(text)
        os.fchown(output.fileno(), before.st_uid, before.st_gid)
        os.fchmod(output.fileno(), before.st_mode & 0o777)
        output.flush()
        os.fsync(output.fileno())
    draft.replace(file)
