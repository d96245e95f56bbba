"""The commands `ndiyan simulate …`: parse and wire; work is elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gateway.whole import whole
from gateway.zones import Zone, load_zones
from ndiyan.errors import SettingsError
from ndiyan.settings import load_settings
from ndiyan.shipped_files import shipped

simulate_app = typer.Typer(no_args_is_help=True, help="Zones that do not exist (docs/simulator.md).")

MOST_DAYS = 3660
ZonesOption = Annotated[
    list[str] | None,
    typer.Option("--zones", help="How many (beyond the shipped ones they are invented), or zone files and folders."),
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Equal seeds give equal weather, people and chance.")]
ScenarioOption = Annotated[
    str, typer.Option("--scenario", help="One that `simulate scenarios` lists, or a .toml file.")
]
GatewaysOption = Annotated[
    Path | None, typer.Option("--gateways", help="JSON: gateway id to the MQTT address it uses.")
]
MqttOption = Annotated[
    str, typer.Option("--mqtt", help="Without --gateways: the address of a broker that lets every gateway in.")
]
ANY_BROKER = "mqtt://127.0.0.1:1883"


class Form(StrEnum):
    """Files of readings."""

    CSV = "csv"
    PARQUET = "parquet"
    BOTH = "both"


@simulate_app.command("scenarios")
def scenarios(as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False) -> None:
    """List the stories that zones can live through."""
    from simulator.scenarios import load_scenario, scenario_names

    stories = [load_scenario(name) for name in scenario_names()]
    if as_json:
        rows = [
            {"name": one.name, "says": one.says, "start": one.start and one.start.isoformat(), "days": one.days}
            for one in stories
        ]
        print(json.dumps(rows, ensure_ascii=False))
    else:
        width = max(len(one.name) for one in stories)
        print("\n".join(f"{one.name:<{width}}  {one.says}" for one in stories))


@simulate_app.command("live")
def live(
    context: typer.Context,
    zones: ZonesOption = None,
    speed: Annotated[
        float | None, typer.Option(min=0.1, max=1200, help="Platform seconds per second; default: the settings' clock.")
    ] = None,
    folder: Annotated[Path, typer.Option(help="Where outboxes and the state of the zones are kept.")] = Path(".live"),
    gateways: GatewaysOption = None,
    mqtt: MqttOption = ANY_BROKER,
    seed: SeedOption = 1,
    scenario: ScenarioOption = "demo",
    people: Annotated[
        bool, typer.Option("--people", help="Somebody breaks, answers and repairs, over the settings' database.")
    ] = False,
    minutes: Annotated[
        int | None, typer.Option(min=1, help="Measure for so many platform minutes, and end when all is confirmed.")
    ] = None,
) -> None:
    """Let zones live at the speed of the clock and send their readings through the real gateway code."""
    from ndiyan.live import LiveOptions, run_live

    chosen = _zones(zones)
    options = LiveOptions(
        chosen, _addresses(chosen, gateways, mqtt), folder, seed, scenario, speed=speed, people=people, minutes=minutes
    )
    run_live(load_settings(context.obj), options)


@simulate_app.command("history")
def history(
    out: Annotated[Path, typer.Option(help="A new folder for the files (with --publish: for the outboxes).")],
    days: Annotated[int | None, typer.Option(min=1, max=MOST_DAYS, help="Default: as the scenario says.")] = None,
    zones: ZonesOption = None,
    scenario: ScenarioOption = "campaign",
    seed: SeedOption = 1,
    start: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="The first day; default: as the scenario says.")
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="Of the readings.")] = Form.BOTH,
    publish: Annotated[
        bool, typer.Option("--publish", help="Send it through MQTT, as gateways that were long away, instead.")
    ] = False,
    gateways: GatewaysOption = None,
    mqtt: MqttOption = ANY_BROKER,
) -> None:
    """Write what zones measured over a time, and what was true of them: readings, labels, states, zones."""
    from ndiyan.simulate import HistoryOptions, publish_history, write_history_files
    from simulator.tables import EARLIEST, LATEST

    first: date | None = None if start is None else start.date()
    if first is not None and not EARLIEST <= first <= LATEST:
        raise typer.BadParameter(f"{first} is not within {EARLIEST}..{LATEST}", param_hint="--start")
    options = HistoryOptions(_zones(zones), out, seed, scenario, days=days, start=first, form=form.value)
    if publish:
        print(publish_history(options, _addresses(options.zones, gateways, mqtt)))
    else:
        print(write_history_files(options))


@simulate_app.command("outcome")
def outcome(
    days: Annotated[int | None, typer.Option(min=1, max=366, help="Default: as the scenario says.")] = None,
    zones: ZonesOption = None,
    scenario: ScenarioOption = "committee",
    seed: SeedOption = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Compare days without water with and without Ndiyan: the same faults, people and repairs, with what is assumed."""
    from ndiyan.outcome import run_outcome

    found = run_outcome(_zones(zones), scenario=scenario, days=days, seed=seed)
    print(json.dumps(found.as_json(), ensure_ascii=False) if as_json else found)


@simulate_app.command("gallery")
def gallery(
    out: Annotated[Path, typer.Option(help="A folder for the pictures; those of the same name are drawn anew.")],
    only: Annotated[list[str] | None, typer.Option(help="The name of a picture, as `fault-pipe-burst`.")] = None,
) -> None:
    """Draw normal days, the pump on its curve, and faults beside what is normal, as SVG."""
    from ndiyan.gallery import draw_gallery, figure_names

    if unknown := sorted(set(only or ()) - set(figure_names())):
        raise typer.BadParameter(f"{unknown[0]} is none of {', '.join(figure_names())}", param_hint="--only")
    for file in draw_gallery(load_zones([shipped("zones")]), out, only=only):
        print(file)


@simulate_app.command("hardware")
def hardware(
    context: typer.Context,
    zones: ZonesOption = None,
    folder: Annotated[Path, typer.Option(help="Where zones' state and gateways' files are kept.")] = Path(".hardware"),
    port: Annotated[int, typer.Option(min=1, max=65_000, help="Of the first zone's bus; the others follow.")] = 5020,
    gateways: GatewaysOption = None,
    mqtt: MqttOption = ANY_BROKER,
    seed: SeedOption = 1,
    scenario: ScenarioOption = "demo",
) -> None:
    """Serve each zone's pump controller, I/O modules and meters on Modbus TCP, with a file for `ndiyan gateway`."""
    from ndiyan.hardware import run_hardware

    chosen = _zones(zones)
    run_hardware(
        load_settings(context.obj), chosen, _addresses(chosen, gateways, mqtt), folder=folder, port=port, seed=seed,
        scenario=scenario,
    )  # fmt: skip


def _zones(wanted: list[str] | None) -> list[Zone]:
    from simulator.fiction import MOST_ZONES, zones_with_fiction

    number = None if wanted is None else whole(wanted[0])
    if wanted is None or number is None:
        return load_zones([Path(one) for one in wanted or ()] or [shipped("zones")])
    if len(wanted) > 1 or not 1 <= number <= MOST_ZONES:
        raise typer.BadParameter(f"{' '.join(wanted)} is not within 1..{MOST_ZONES}", param_hint="--zones")
    return zones_with_fiction(load_zones([shipped("zones")]), number)


def _addresses(zones: Sequence[Zone], gateways: Path | None, mqtt: str) -> dict[str, str]:
    """The MQTT address of each zone's gateway."""
    if gateways is None:
        return {zone.gateway_id: mqtt for zone in zones}
    try:
        found = json.loads(gateways.read_text("utf-8"))
        return {zone.gateway_id: str(found[zone.gateway_id]) for zone in zones}
    except (OSError, ValueError, TypeError) as error:
        raise SettingsError(f"--gateways {gateways}: cannot be read: {error}") from error
    except KeyError as error:
        raise SettingsError(f"--gateways {gateways}: has no address for {error}") from error
