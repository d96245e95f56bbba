"""`ndiyan people`: what a person may ask of us."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from ndiyan.settings import load_settings

people_app = typer.Typer(no_args_is_help=True, help="The people of the committees (docs/sms-texts.md).")


@people_app.callback()
def people() -> None:
    """Commands stand below, however few."""


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
