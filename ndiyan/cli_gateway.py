"""The commands `ndiyan gateway …`: parse and wire; work is elsewhere.

With argparse, because the box beside the pump has nothing that it does not need: typer brings pydantic and rich.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.errors import ConfigError, GatewayError
from gateway.installation import load_installation

HELP = "The program beside the pump (docs/gateway.md)."
DEFAULT_CONFIG = Path("/etc/ndiyan/gateway.toml")
LEVELS = ("debug", "info", "warning", "error")
CLEAR = "\x1b[H\x1b[J"  # a terminal begins again at its top


def main(arguments: Sequence[str]) -> int:
    """Run `ndiyan gateway …`; what we raise on purpose becomes one sentence on stderr. Returns the exit code."""
    chosen = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = chosen.command
    try:
        code = command(chosen)
        sys.stdout.flush()
        return code
    except GatewayError as error:
        print(f"ndiyan: {error}", file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    except BrokenPipeError:  # whoever read along has seen enough: `probe | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def run(chosen: argparse.Namespace) -> int:
    """Measure, keep and send, until SIGTERM or Ctrl-C."""
    from gateway.service import Station

    form = "%(levelname)s %(name)s: %(message)s"
    logging.basicConfig(level=chosen.log_level.upper(), format=form, stream=sys.stderr)
    station = Station(load_installation(chosen.config))
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: station.ask_to_stop())
    station.run()
    return 0


def check(chosen: argparse.Namespace) -> int:
    """Check the gateway's file and try the samples of its maps."""
    from gateway.remote import number_in_use
    from gateway.service import remote_of

    plan = (installation := load_installation(chosen.config)).plan
    print(f"{chosen.config}: fine, {len(plan.points)} points on {len({point.device for point in plan.points})} devices")
    if number := number_in_use(installation, remote_of(installation)):
        print(f"configuration {number} from afar counts instead of them, until they are changed here")
    return 0


def probe(chosen: argparse.Namespace) -> int:
    """Show what answers, live, with units; nothing is kept or sent."""
    from gateway.clock import SystemClock
    from gateway.probe import Probe
    from gateway.remote import plan_in_use
    from gateway.service import remote_of
    from gateway.wiring import open_drivers

    installation = load_installation(chosen.config)
    plan = plan_in_use(installation, remote_of(installation))
    language = chosen.language or ("fr" if os.environ.get("LANG", "").startswith("fr") else "en")
    stop, is_screen = threading.Event(), sys.stdout.isatty() and not chosen.once
    looks = Probe(
        installation, plan, open_drivers(installation, plan), clock=SystemClock(), ticks_s=time.monotonic,
        language=language, shows_all=chosen.all,
    )  # fmt: skip
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    while not stop.is_set():
        lines = "\n".join(looks.look())
        print(f"{CLEAR}{lines}" if is_screen else lines, flush=True)
        if chosen.once:
            break
        stop.wait(chosen.every)
    looks.close()
    return int(chosen.once and bool(looks.silent))


def account(chosen: argparse.Namespace) -> int:
    """Tell where all readings are that were ever taken here, what was thinned, and the bytes of each day."""
    from gateway.outbox import Outbox
    from gateway.service import day_bytes, outbox_of

    outbox = Outbox(outbox_of(load_installation(chosen.config)))
    try:
        found, notes, days = outbox.account(), outbox.notes(), day_bytes(outbox)
    finally:
        outbox.close()
    if chosen.json:
        print(json.dumps({
            "account": found, "bytes": {day: traffic._asdict() for day, traffic in days.items()},
            "thinned": [[n.readings, n.first_at.isoformat(), n.last_at.isoformat()] for n in notes],
        }))  # fmt: skip
        return 0
    print(f"taken {found['taken']} = " + " + ".join(f"{word} {n}" for word, n in found.items() if word != "taken"))
    for note in notes:
        print(f"thinned {note.readings} of {note.first_at:%Y-%m-%d %H:%M} to {note.last_at:%Y-%m-%d %H:%M}")
    for day, traffic in days.items():
        print(f"{day} up {traffic.up / 1e3:.1f} kB, down {traffic.down / 1e3:.1f} kB")
    return 0


def check_maps(chosen: argparse.Namespace) -> int:
    """Check register maps and try their samples; exit 1 when one has a mistake."""
    from gateway.maps import SHIPPED, load_map

    is_wrong = False
    for file in chosen.files or sorted(SHIPPED.glob("*.toml")):
        try:
            found = load_map(file)
        except ConfigError as error:
            print(error)
            is_wrong = True
        else:
            print(f"{found.name}: fine, {len(found.registers)} registers, {len(found.samples)} samples: {found.says}")
    return int(is_wrong)


def sign(chosen: argparse.Namespace) -> int:
    """Print the message that changes what a gateway asks, to be published retained on its `down/config`."""
    from gateway.remote import sign as signed

    try:
        key, text = chosen.key_file.read_bytes().strip(), chosen.file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"sign: {error}") from error
    print(signed(text, number=chosen.number, zone=chosen.zone, gateway=chosen.gateway, key=key).decode())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ndiyan gateway", description=HELP)
    parser.set_defaults(command=run)
    _add_config(parser, DEFAULT_CONFIG)
    parser.add_argument("--log-level", choices=LEVELS, default="info")
    commands = parser.add_subparsers(title="commands; without one it measures, keeps and sends")

    def add(name: str, command: Callable[[argparse.Namespace], int]) -> argparse.ArgumentParser:
        found = commands.add_parser(name, help=command.__doc__, description=command.__doc__)
        found.set_defaults(command=command)
        return found

    _add_config(add("check", check))
    probing = add("probe", probe)
    _add_config(probing)
    probing.add_argument("--every", type=float, default=2.0, help="seconds between two looks")
    probing.add_argument("--once", action="store_true", help="look once; exit 1 when a device is silent")
    probing.add_argument("--all", action="store_true", help="also the registers that no point uses")
    probing.add_argument("--language", choices=("en", "fr"), help="default: the environment's")
    accounting = add("account", account)
    _add_config(accounting)
    accounting.add_argument("--json", action="store_true", help="answer in JSON")
    add("map", check_maps).add_argument("files", type=Path, nargs="*", help="default: those shipped")
    signing = add("sign", sign)
    signing.add_argument("file", type=Path, help="devices and points, as in the gateway's own file")
    signing.add_argument("--key-file", type=Path, required=True, help="the key that its remote_key_file holds")
    signing.add_argument("--zone", required=True)
    signing.add_argument("--gateway", required=True)
    signing.add_argument("--number", type=int, required=True, help="higher than any before")
    return parser


def _add_config(parser: argparse.ArgumentParser, default: Path | str = argparse.SUPPRESS) -> None:
    """The gateway's file, which may stand before or behind the command."""
    parser.add_argument("--config", type=Path, default=default, help=f"the gateway's file ({DEFAULT_CONFIG})")
