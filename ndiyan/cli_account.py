"""The commands `ndiyan account`, `ndiyan backlog` and `ndiyan set-aside …`: parse and wire; work is elsewhere."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from ingest.admission import RejectReason
from ndiyan.cli_users import BY
from ndiyan.settings import load_settings

set_aside_app = typer.Typer(no_args_is_help=True, help="Messages that could not be accepted (docs/account.md).")

ZoneOption = Annotated[str | None, typer.Option("--zone", help="Only this zone's.")]
ReasonOption = Annotated[RejectReason | None, typer.Option("--reason", help="Only those set aside for this reason.")]
SinceOption = Annotated[
    str | None, typer.Option("--since", help="Received at or after: a day, or an instant with its offset.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]


def account(
    context: typer.Context,
    zone: ZoneOption = None,
    days: Annotated[int, typer.Option(min=1, max=3660, help="How many, today included.")] = 7,
    as_json: JsonOption = False,
) -> None:
    """Per gateway and day: what was sent, what became of it, what is missing; exit 1 when it does not add up."""
    from ingest.db import connect
    from web.account import Line, fetch_days

    settings = load_settings(context.obj)
    first = settings.make_clock().now().date() - timedelta(days=days - 1)
    lines: list[Line] = []
    with connect(settings.required("database.url")) as connection:
        while True:
            after = (lines[-1].day, lines[-1].zone_id, lines[-1].gateway_id) if lines else None
            found = fetch_days(connection, zone=zone, first=first, after=after, limit=1000)
            lines += found
            if len(found) < 1000:
                break
    if as_json:
        print(json.dumps([asdict(line) | {"adds_up": line.adds_up} for line in lines], default=str))
    else:
        names = (
            "sent",
            "arrived",
            "declared",
            "missing",
            "received",
            "replayed",
            "stored",
            "duplicate",
            "conflict",
            "set_aside",
            "late",
        )
        print(f"{'day':<11}{'gateway':<14}" + "".join(f"{name:>10}" for name in names))
        for line in lines:
            figures = "".join(f"{getattr(line, name):>10}" for name in names)
            verdict = "" if line.adds_up else "  does not add up"
            print(f"{line.day!s:<11}{line.gateway_id or '(none)':<14}{figures}{verdict}")
    raise typer.Exit(0 if all(line.adds_up for line in lines) else 1)


def backlog(
    context: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(
            exists=True,
            dir_okay=False,
            readable=True,
            help="CSV: time,asset,channel,value, with zone and unit where there are.",
        ),
    ],
    zone: Annotated[str | None, typer.Option("--zone", help="The zone of all rows, if no column tells it.")] = None,
    utc_offset: Annotated[
        int, typer.Option(min=-840, max=840, help="Minutes by which times without a zone are ahead of UTC.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Store readings from a file, as a logger kept them; a bad row is set aside, the same file twice is stored once."""
    from ingest.audit import record
    from ingest.backlog import Layout, Progress, store_backlog
    from ingest.backlog_files import PART_BYTES, lines_from
    from ingest.db import connect
    from ndiyan.progress import Steps

    settings = load_settings(context.obj)
    layout, done = Layout(zone, utc_offset), Progress(0, 0, 0, 0, 0)
    steps = Steps(Console(stderr=True))
    with (
        file.open("rb") as source,
        connect(settings.required("database.url")) as connection,
        steps.bar(file.name, unit="rows") as told,
    ):
        size, read = max(1, file.stat().st_size), 0

        def counted() -> Iterator[str]:
            nonlocal read
            for line in lines_from(iter(partial(source.read, PART_BYTES), b"")):
                read += len(line)
                yield line

        for done in store_backlog(connection, counted(), layout=layout, now=settings.make_clock().now()):
            told(done.rows, round(done.rows * max(1.0, size / max(1, read))))
            for one in () if as_json else done.problems:
                print(f"line {one.line}: {one.what} {one.value!r}: {one.detail} [{one.reason}]", file=sys.stderr)
        counts = dict(itertools.islice(done._asdict().items(), 5))
        now = settings.make_clock().now()
        record(connection, who=BY, what="file_stored", subject="file", zone=zone, after=counts, now=now)
    print(json.dumps(counts) if as_json else ", ".join(f"{number} {name}" for name, number in counts.items()))


@set_aside_app.command("list")
def listing(
    context: typer.Context,
    zone: ZoneOption = None,
    reason: ReasonOption = None,
    since: SinceOption = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, newest first.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """List the messages that wait, each with its reason and the beginning of its bytes."""
    from ingest.db import connect
    from web.aside import set_aside_page

    with connect(load_settings(context.obj).required("database.url")) as connection:
        found = set_aside_page(
            connection, zone=zone, reason=reason, since=_instant(since), is_waiting=True, limit=limit
        )
    if as_json:
        rows: list[dict[str, Any]] = [
            {
                "id": one.set_aside_id, "received_at": one.received_at.isoformat(), "topic": one.topic,
                "zone": one.zone_id, "gateway": one.gateway_id, "reason": one.reason, "detail": one.detail,
                "size": one.size, "text": one.text,
            }
            for one in found
        ]  # fmt: skip
        print(json.dumps(rows, ensure_ascii=False))
        return
    for one in found:
        print(f"{one.set_aside_id:>8} {one.received_at:%Y-%m-%d %H:%M:%S} {one.reason:<20} {one.topic}  {one.detail}")
    if not found:
        print("nothing waits")


@set_aside_app.command("replay")
def replay_waiting(
    context: typer.Context,
    zone: ZoneOption = None,
    reason: ReasonOption = None,
    since: SinceOption = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, oldest first.")] = 100_000,
    as_json: JsonOption = False,
) -> None:
    """Try the messages that wait again and say what became of each; exit 1 when one is still refused."""
    from ingest.db import check_schema, connect
    from ingest.replay import Fate, find_waiting, replay

    settings = load_settings(context.obj)
    with connect(settings.required("database.url")) as connection:
        check_schema(connection)
        ids = find_waiting(connection, zone=zone, reason=reason, since=_instant(since), limit=limit)
        found = replay(connection, ids, clock=settings.make_clock(), who=BY) if ids else []
    if as_json:
        print(json.dumps([one._asdict() for one in found], ensure_ascii=False))
    else:
        for one in found:
            why = f"  {one.reason}: {one.detail}" if one.reason else ""
            print(f"{one.set_aside_id:>8} {one.fate:<9} {one.stored} stored, {one.duplicate} there before{why}")
        accepted = sum(one.fate is Fate.ACCEPTED for one in found)
        print(f"{accepted} of {len(found)} accepted")
    raise typer.Exit(1 if any(one.fate in (Fate.REFUSED, Fate.PARTLY) for one in found) else 0)


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text} is neither a day nor an instant", param_hint="--since") from error
    if at.tzinfo is None and len(text) > len("2026-11-24"):
        raise typer.BadParameter(f"{text} has no offset; write Z or +00:00", param_hint="--since")
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
