"""`ndiyan people`: what a person may ask of us."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from ndiyan.settings import load_settings

people_app = typer.Typer(no_args_is_help=True, help="The people of the committees (docs/sms-texts.md).")


@people_app.command("export")
def export_person(
    context: typer.Context,
    phone: Annotated[str, typer.Argument(help="Their number, as in the zone file: +224…")],
    as_table: Annotated[bool, typer.Option("--csv", help="A line for each thing that is kept, not JSON.")] = False,
) -> None:
    """Print everything that is kept of a person who asks for it; exit 1 when no committee knows the number."""
    from ingest.db import check_schema, connect
    from web.kept import as_csv, as_json, fetch_kept

    with connect(load_settings(context.obj).required("database.url")) as connection:
        check_schema(connection)
        kept = fetch_kept(connection, phone)
    if kept is None:
        print("No committee knows this number.")
        raise typer.Exit(1)
    print((as_csv if as_table else as_json)(kept))


@people_app.command("forget")
def forget_person(
    context: typer.Context,
    phone: Annotated[str, typer.Argument(help="Their number, as in the zone file: +224…")],
    by: Annotated[str, typer.Option("--by", help="Who does this, for the record.")],
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Erase a person who asks for it, everywhere and for good; exit 1 when no committee knows the number."""
    from alerts.forget import forget
    from ingest.db import check_schema, connect

    settings = load_settings(context.obj)
    with connect(settings.required("database.url")) as connection:
        check_schema(connection)
        counts = forget(connection, phone, by=by, now=settings.make_clock().now())
    if as_json:
        print(json.dumps(counts))
    elif counts is None:
        print("No committee knows this number; nothing was changed.")
    else:
        print(f"Forgotten: {sum(counts.values())} rows. A zone file that names them still does: take them out of it.")
    raise typer.Exit(1 if counts is None else 0)
