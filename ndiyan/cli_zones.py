"""`ndiyan zones`: zone files checked, and to and from the database; parse and wire, work is elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.errors import GatewayError
from gateway.zones import Zone, load_zone, load_zones
from ndiyan.cli_users import BY
from ndiyan.settings import load_settings
from ndiyan.shipped_files import shipped

if TYPE_CHECKING:
    from ingest.zone_changes import Plan

zones_app = typer.Typer(no_args_is_help=True, help="Zones are data: one TOML file each (docs/zones.md).")

Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
Paths = Annotated[list[Path] | None, typer.Argument(help="Zone files or folders of them; default: the demo's zones.")]


@zones_app.command("check")
def zones_check(paths: Paths = None, as_json: Json = False) -> None:
    """Check zone files; exit 1 when one has a mistake, which is told with file, key, value and bound."""
    files = [file for path in _zone_paths(paths) for file in (sorted(path.glob("*.toml")) if path.is_dir() else [path])]
    errors = []
    for file in files:
        try:
            load_zone(file)
        except GatewayError as error:
            errors.append(str(error))
    if not errors:
        try:
            load_zones(_zone_paths(paths))
        except GatewayError as error:
            errors.append(str(error))
    _answer({"files": len(files), "errors": errors}, "\n".join(errors) or f"{len(files)} files: fine", as_json=as_json)
    raise typer.Exit(1 if errors else 0)


@zones_app.command("import")
def zones_import(
    context: typer.Context,
    paths: Annotated[list[Path] | None, typer.Argument(help="Zone files or folders of them.")] = None,
    again: Annotated[
        list[str] | None, typer.Option("--again", help="Take in this number, which asked to be forgotten: +224….")
    ] = None,
    preview: Annotated[bool, typer.Option("--preview", help="Only tell what would change; store nothing.")] = False,
    over: Annotated[
        bool, typer.Option("--over", help="Also over what people changed on the pages since the last import.")
    ] = False,
    fictional: Annotated[
        bool, typer.Option("--fictional", help="The six fictional zones, for a try: they cannot be taken away again.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Bring the database's zones in line with these files; nothing measured is ever deleted.

    A zone that people changed on the pages is not brought back to an older file: the import is refused as a whole and
    says why (docs/zones.md). Who asked to be forgotten is left out, and the answer says so.
    """
    from ingest.db import check_schema, connect
    from ingest.forgotten import take_in_again
    from ingest.zone_changes import plan_import, store_zones

    if bool(paths) == fictional:
        raise typer.BadParameter("say which files or folder, or --fictional: one of both")
    zones, settings = load_zones(_zone_paths(paths)), load_settings(context.obj)
    with connect(settings.required("database.url")) as connection, connection.transaction():
        check_schema(connection)
        if preview:
            plans = plan_import(connection, zones)
            _answer([_plan_row(plan) for plan in plans], "\n".join(_plan_lines(plans)), as_json=as_json)
            raise typer.Exit(1 if not over and any(plan.refusals for plan in plans) else 0)
        now = settings.make_clock().now()
        for phone in again or []:
            take_in_again(connection, phone, now=now)
        summary, _ = store_zones(connection, zones, who=BY, now=now, over=over)
    text = f"{summary.added} added, {summary.changed} changed, {summary.unchanged} as they were"
    if summary.left_out:
        text += f"; left out, because they asked to be forgotten (--again takes in): {', '.join(summary.left_out)}"
    _answer(summary._asdict(), text, as_json=as_json)


@zones_app.command("export")
def zones_export(
    context: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Where the files go; it is made. One of the same name is replaced.")],
    zone: Annotated[list[str] | None, typer.Option(help="Only this zone; again for more.")] = None,
    as_json: Json = False,
) -> None:
    """Write the database's zones as files, with their people and whole phone numbers, to be changed and imported."""
    from ingest.db import check_schema, connect
    from ingest.readings_pg import PgReadings
    from ingest.registry import fetch_registered
    from ingest.zone_changes import export_text

    with connect(load_settings(context.obj).required("database.url")) as connection:
        check_schema(connection)
        found = fetch_registered(connection, zone or [row.zone_id for row in PgReadings(connection).zones()])
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for zone_id, one in found.items():
        draft = folder / f".{zone_id}.toml"
        draft.touch(mode=0o600)  # for whoever may see whole numbers
        draft.write_text(export_text(one), "utf-8")
        draft.replace(folder / f"{zone_id}.toml")
    unknown = [name for name in zone or () if name not in found]
    text = f"{len(found)} files in {folder}" + (f"; no such zone: {', '.join(unknown)}" if unknown else "")
    _answer({"files": len(found), "unknown": unknown}, text, as_json=as_json)
    raise typer.Exit(1 if unknown else 0)


@zones_app.command("list")
def zones_list(paths: Paths = None, as_json: Json = False) -> None:
    """List the zones of these files."""
    zones = load_zones(_zone_paths(paths))
    text = "\n".join(
        f"{zone.zone_id:<10} {zone.name:<28} {zone.people:>6} people {len(zone.taps):>3} taps {zone.gateway_id:<10}"
        for zone in zones
    )
    _answer([_zone_row(zone) for zone in zones], text, as_json=as_json)


def _zone_paths(paths: list[Path] | None) -> list[Path]:
    return paths or [shipped("zones")]


def _plan_row(plan: Plan) -> dict[str, Any]:
    changes = [{"key": key, "before": before, "after": after} for key, before, after in plan.changes]
    return {
        "zone": plan.zone.zone_id, "is_new": plan.is_new, "changes": changes,
        "refused": plan.refusals,
    }  # fmt: skip


def _plan_lines(plans: Iterable[Plan]) -> Iterator[str]:
    from ingest.zone_changes import without_names

    for plan in plans:
        told = "new" if plan.is_new else f"{len(plan.changes)} changes" if plan.changes else "as it is"
        yield f"{plan.zone.zone_id}: {told}"
        before, after = without_names(() if plan.is_new else plan.changes)
        yield from (f"  {key}: {before.get(key, '-')} -> {after.get(key, '-')}" for key in before | after)
        if plan.refusals:
            yield f"  refused: {'; '.join(plan.refusals)}"


def _zone_row(zone: Zone) -> dict[str, Any]:
    return {
        "zone": zone.zone_id, "name": zone.name, "fictional": zone.is_fictional, "people": zone.people,
        "taps": len(zone.taps), "gateway": zone.gateway_id, "committee": len(zone.committee),
    }  # fmt: skip


def _answer(value: Any, text: str, *, as_json: bool) -> None:
    print(json.dumps(value, ensure_ascii=False) if as_json else text)
