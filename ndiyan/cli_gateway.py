"""The commands `ndiyan gateway …`: parse and wire; work is elsewhere. Loads nothing that only a server needs."""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from gateway.errors import ConfigError, GatewayError
from gateway.installation import load_installation

gateway_app = typer.Typer(
    help="The program beside the pump (docs/gateway.md).", pretty_exceptions_enable=False, add_completion=False
)
ConfigOption = Annotated[Path, typer.Option("--config", help="The gateway's file.")]
DEFAULT_CONFIG = Path("/etc/ndiyan/gateway.toml")
JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]


def main() -> None:
    """Run `ndiyan gateway …`; what we raise on purpose becomes one sentence on stderr."""
    try:
        gateway_app(sys.argv[2:], prog_name="ndiyan gateway")
    except ConfigError as error:
        print(f"ndiyan: {error}", file=sys.stderr)
        sys.exit(2)
    except GatewayError as error:
        print(f"ndiyan: {error}", file=sys.stderr)
        sys.exit(1)


@gateway_app.callback(invoke_without_command=True)
def run(
    context: typer.Context,
    config: ConfigOption = DEFAULT_CONFIG,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> None:
    """Measure, keep and send, until SIGTERM or Ctrl-C."""
    if context.invoked_subcommand is not None:
        return
    from gateway.service import Station

    logging.basicConfig(level=log_level.upper(), format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    station = Station(load_installation(config))
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: station.ask_to_stop())
    station.run()


@gateway_app.command("check")
def check(config: ConfigOption = DEFAULT_CONFIG) -> None:
    """Check the gateway's file and try the samples of its maps; a mistake is told with file, key, value and bound."""
    installation = load_installation(config)
    print(f"{config}: fine, {len(installation.plan.points)} points on {len(installation.plan.devices) - 1} devices")


@gateway_app.command("probe")
def probe(
    config: ConfigOption = DEFAULT_CONFIG,
    every_s: Annotated[float, typer.Option("--every", min=0.2, max=600, help="Seconds between two looks.")] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Look once; exit 1 when a device is silent.")] = False,
    language: Annotated[str, typer.Option(help="en or fr; default: the environment's.")] = "",
) -> None:
    """Show what answers, live, with units; nothing is kept or sent."""
    from gateway.probe import WORDS, probe_lines
    from gateway.wiring import open_drivers

    installation = load_installation(config)
    chosen = language or ("fr" if os.environ.get("LANG", "").startswith("fr") else "en")
    if chosen not in WORDS:
        raise typer.BadParameter(f"{chosen} is none of {', '.join(WORDS)}", param_hint="--language")
    drivers = open_drivers(installation, installation.plan)
    stop = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    while not stop.is_set():
        lines = list(probe_lines(installation.plan, drivers, language=chosen))
        print("\n".join(lines), flush=True)
        if once:
            raise typer.Exit(any(WORDS[chosen]["silent"] in line for line in lines))
        stop.wait(every_s)
        print()


@gateway_app.command("account")
def account(config: ConfigOption = DEFAULT_CONFIG, as_json: JsonOption = False) -> None:
    """Where all readings are that were ever taken here, what was thinned, and the bytes of each day."""
    from gateway.outbox import Outbox
    from gateway.service import day_bytes, outbox_of

    outbox = Outbox(outbox_of(load_installation(config)))
    try:
        found, notes, days = outbox.account(), outbox.notes(), day_bytes(outbox)
    finally:
        outbox.close()
    if as_json:
        print(json.dumps({
            "account": found, "bytes": {day: traffic._asdict() for day, traffic in days.items()},
            "thinned": [[n.readings, n.first_at.isoformat(), n.last_at.isoformat()] for n in notes],
        }))  # fmt: skip
        return
    print(" = ".join((f"taken {found['taken']}", " + ".join(f"{k} {v}" for k, v in found.items() if k != "taken"))))
    for note in notes:
        print(f"thinned {note.readings} of {note.first_at:%Y-%m-%d %H:%M} to {note.last_at:%Y-%m-%d %H:%M}")
    for day, traffic in days.items():
        print(f"{day} up {traffic.up / 1e3:.1f} kB, down {traffic.down / 1e3:.1f} kB")


@gateway_app.command("map")
def check_maps(
    files: Annotated[list[Path] | None, typer.Argument(help="Maps; default: those shipped.")] = None,
) -> None:
    """Check register maps and try their samples; exit 1 when one has a mistake."""
    from gateway.maps import SHIPPED, load_map

    is_wrong = False
    for file in files or sorted(SHIPPED.glob("*.toml")):
        try:
            found = load_map(file)
        except ConfigError as error:
            print(error)
            is_wrong = True
        else:
            print(f"{found.name}: fine, {len(found.registers)} registers, {len(found.samples)} samples: {found.says}")
    raise typer.Exit(is_wrong)


@gateway_app.command("sign")
def sign(
    file: Annotated[Path, typer.Argument(help="Devices and points, as in the gateway's own file.")],
    key_file: Annotated[Path, typer.Option(help="The key that the gateway's remote_key_file holds.")],
    zone: Annotated[str, typer.Option()],
    gateway: Annotated[str, typer.Option()],
    number: Annotated[int, typer.Option(min=1, help="Higher than any before.")],
) -> None:
    """Print the message that changes what a gateway asks, to be published retained on its `down/config`."""
    from gateway.remote import sign as signed

    key, text = key_file.read_bytes().strip(), file.read_text("utf-8")
    print(signed(text, number=number, zone=zone, gateway=gateway, key=key).decode())
