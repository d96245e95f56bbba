"""The command `ndiyan report`: parses and wires; work is elsewhere."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from ndiyan.settings import load_settings


def report(
    context: typer.Context,
    month: Annotated[str, typer.Option(help="2026-10, or 2026 for the whole year.")],
    out: Annotated[Path, typer.Option(help="The folder to write into.")],
    zone: Annotated[str | None, typer.Option(help="Only this zone's; without it all zones together and each.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON.")] = False,
) -> None:
    """Write reports as HTML, PDF and CSV: what was published last, else the draft (docs/reports.md)."""
    from ingest.db import check_schema, connect
    from ndiyan.report_files import write_reports

    settings = load_settings(context.obj)
    with connect(settings.required("database.url")) as connection:
        check_schema(connection)
        now, price_gnf = settings.make_clock().now(), settings.sms_price_gnf
        files, no_pdf = write_reports(connection, month, zone=zone, out=out, now=now, price_gnf=price_gnf)
    if no_pdf is not None:
        print(
            f"No PDF was made: {no_pdf}. Install Pango (Debian: apt-get install libpangoft2-1.0-0 "
            "libharfbuzz-subset0), or print the HTML, which is made for A4.",
            file=sys.stderr,
        )
    if as_json:
        print(json.dumps({"files": [str(path) for path in files], "no_pdf": no_pdf}))
    else:
        print("\n".join(str(path) for path in files))
