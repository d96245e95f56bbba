"""`ndiyan init`: five questions, each also an option; parse and wire, work is elsewhere."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Annotated

import typer


def init(
    host: Annotated[str | None, typer.Option(help="Name or address by which gateways reach this server.")] = None,
    pages: Annotated[
        str | None, typer.Option(help="Address that people type: https://HOST behind Caddy, or http://HOST:PORT.")
    ] = None,
    backups: Annotated[Path | None, typer.Option(help="Folder of the backups; better on another disk.")] = None,
    administrator: Annotated[str | None, typer.Option(help="Name of the first account.")] = None,
    phone: Annotated[
        str | None, typer.Option(help="Who gets an SMS when a part stands still: +224…; nobody when empty.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Ask nothing: what is not given has its default.")] = False,
    database: Annotated[
        str,
        typer.Option(
            envvar="NDIYAN_DATABASE_URL",
            help="Address of an empty database; default: one is made in this machine's PostgreSQL."
            " Whoever is on the machine sees options (ps), and not the variable.",
        ),
    ] = "",
    root: Annotated[Path, typer.Option(help="Write under this folder: for a look, a trial, containers.")] = Path("/"),
    broker_host: Annotated[
        str, typer.Option(help="The broker's machine as Ndiyan's own programs call it.")
    ] = "localhost",
    mqtt_port: Annotated[int, typer.Option(min=1, max=65_535, help="Where gateways connect.")] = 8883,
    tools_port: Annotated[int, typer.Option(min=1, max=65_535, help="Where the operator's tools do.")] = 1883,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Write a server's first configuration: settings, broker, certificates, key, units, administrator."""
    from ndiyan.first_install import Answers, install, next_steps

    def ask(question: str, given: str | None, default: str) -> str:
        if given is not None or yes:
            return default if given is None else given
        return str(typer.prompt(question, default=default, err=True, show_default=bool(default))).strip()

    root = root.resolve()
    asked_host = ask("Name or address by which gateways reach this server", host, socket.getfqdn())
    answers = Answers(
        host=asked_host,
        pages=ask("Address that people type (https://… needs Caddy)", pages, f"https://{asked_host}").rstrip("/"),
        backups=Path(ask("Folder of the backups", str(backups) if backups else None, str(root / "var/backups/ndiyan"))),
        administrator=ask("Name of the first administrator", administrator, "administrator"),
        phone=ask("Phone that hears when Ndiyan stands still (+224…, empty for none)", phone, ""),
        database=database,
        root=root,
        broker_host=broker_host,
        mqtt_port=mqtt_port,
        tools_port=tools_port,
    )
    done = install(answers)
    if as_json:
        files = [str(file) for file in done.files]
        print(json.dumps({"files": files, "password_url": done.password_url, "owners": done.owners}))
    else:
        print(next_steps(answers, done))
