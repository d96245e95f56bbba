"""The commands `ndiyan profiles …`: parse and wire; work is elsewhere."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from gateway.tables import read_text
from ingest.errors import ProfileError
from ingest.profiles.profile import Profile, load_profile, shipped_profiles
from ingest.profiles.trial import failed_samples, try_message
from ndiyan.cli_users import BY
from ndiyan.settings import load_settings

profiles_app = typer.Typer(no_args_is_help=True, help="How messages of foreign devices are read (docs/profiles.md).")

Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
File = Annotated[Path, typer.Argument(help="The profile's file (TOML).")]


@profiles_app.command("list")
def listing(context: typer.Context, as_json: Json = False) -> None:
    """List the shipped profiles and your own, with the topics that each reads."""
    from ingest.db import connect
    from ingest.profiles.own import fetch_profiles

    settings = load_settings(context.obj)
    if settings.database_url:
        with connect(settings.database_url) as connection:
            found = fetch_profiles(connection)
    else:
        found = shipped_profiles()
    shipped = shipped_profiles()
    if as_json:
        rows = [
            {
                "profile": one.name, "title": one.title, "topics": list(one.topics), "source": one.source,
                "shipped": one in shipped, "samples": [sample.origin for sample in one.samples],
            }
            for one in found
        ]  # fmt: skip
        print(json.dumps(rows, ensure_ascii=False))
        return
    for one in found:
        topics = " ".join(one.heard_on)
        print(f"{one.name:<24}{'' if one in shipped else '(yours) '}{one.title}\n{'':<24}{topics}")


@profiles_app.command("test")
def check(
    context: typer.Context,
    file: File,
    message: Annotated[Path | None, typer.Option(help="Also try the message in this file.")] = None,
    topic: Annotated[str, typer.Option(help="On which topic that message came.")] = "",
) -> None:
    """Hold a profile against its own samples, and show what it makes of a message; exit 1 when a sample fails."""
    profile = load_profile(file)
    problems = failed_samples(profile)
    for problem in problems:
        print(problem)
    if not problems:
        print(f"{profile.name}: {len(profile.samples)} samples come out as they should")
    if message is not None:
        _show(profile, topic, message.read_bytes(), load_settings(context.obj).make_clock().now())
    raise typer.Exit(1 if problems else 0)


@profiles_app.command()
def add(context: typer.Context, file: File) -> None:
    """Put a profile of your own, or a mended one under a shipped one's name, into the database; ingest takes it up
    within seconds. One whose samples fail is refused."""
    from ingest.db import connect
    from ingest.profiles.own import keep_profile

    settings = load_settings(context.obj)
    text = read_text(file, ProfileError)
    with connect(settings.required("database.url")) as connection:
        profile = keep_profile(connection, text, where=str(file), by=BY, now=settings.make_clock().now())
    print(f"{profile.name}: kept; ndiyan profiles replay --profile {profile.name} reads old messages by it")


@profiles_app.command()
def remove(context: typer.Context, name: Annotated[str, typer.Argument(help="The profile's name.")]) -> None:
    """Forget a profile of your own; a shipped one of that name holds again."""
    from ingest.db import connect
    from ingest.profiles.own import forget_profile

    settings = load_settings(context.obj)
    with connect(settings.required("database.url")) as connection:
        is_there = forget_profile(connection, name, by=BY, now=settings.make_clock().now())
    print(f"{name}: forgotten" if is_there else f"{name}: none of yours bears that name")
    raise typer.Exit(0 if is_there else 1)


@profiles_app.command()
def replay(
    context: typer.Context,
    profile: Annotated[str | None, typer.Option(help="Only messages that this one read.")] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"], help="Received at or after (UTC).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Read messages of the last 90 days again, after a profile or a zone file was mended; what is stored stays."""
    from ingest.audit import record
    from ingest.db import connect
    from ingest.replay import count_raw, replay_raw
    from ndiyan.progress import Steps

    settings = load_settings(context.obj)
    counts: Counter[str] = Counter()
    begin = None if since is None else since.replace(tzinfo=UTC)
    steps = Steps(Console(stderr=True))
    with (
        connect(settings.required("database.url")) as connection,
        steps.bar("reading again", unit="messages") as told,
    ):
        total = count_raw(connection, profile=profile, since=begin)
        for one in replay_raw(connection, clock=settings.make_clock(), profile=profile, since=begin):
            counts["messages"] += 1
            counts[one.fate.value] += 1
            for name in ("stored", "duplicate", "conflict", "set_aside"):
                counts[name] += getattr(one, name)
            told(counts["messages"], total)
        now, after = settings.make_clock().now(), dict(counts)
        record(connection, who=BY, what="messages_reread", subject=profile or "profiles", after=after, now=now)
    if as_json:
        print(json.dumps(dict(counts)))
    else:
        names = ("stored", "duplicate", "conflict", "set_aside")
        print(f"{counts['messages']} messages: " + ", ".join(f"{counts[name]} {name}" for name in names))


def _show(profile: Profile, topic: str, payload: bytes, now: datetime) -> None:
    for one in try_message(profile, topic, payload, now):
        what = f"{one.channel} = {one.value:g} {one.unit}" if one.value is not None else one.problem
        print(f"{one.device or '-':<20}{one.point:<28}{one.raw:<16}{what}")
