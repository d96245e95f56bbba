"""`ndiyan backup` and `ndiyan restore`: parse and wire; work is elsewhere."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ndiyan.children import become_owner
from ndiyan.settings import Settings, load_settings
from ndiyan.supervisor import tidied_up

if TYPE_CHECKING:
    from ndiyan.manifest import Backup

backup_app = typer.Typer(help="Backups of the database and the files (docs/backup.md).")

Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
Unproven = Annotated[
    bool, typer.Option("--unproven", help="Take it also when it does not prove that backup.key_file made it.")
]


@backup_app.callback(invoke_without_command=True)
def backup(context: typer.Context, as_json: Json = False) -> None:
    """Save everything, see whether it can be restored, and forget what is older than the rules want."""
    if context.invoked_subcommand is not None:
        return
    from ndiyan.backup import make_backup

    settings = load_settings(context.obj)
    url, config, clock = settings.required("database.url"), settings.backup(), settings.make_clock()
    become_owner(config.folder)
    with tidied_up():
        made = make_backup(url, config, clock, say=_say)
    rows = sum(rows for rows, _ in made.manifest.contents.tables.values())
    text = f"{made.folder}: {rows} rows, {made.size / 1e6:.1f} MB, restored once and found whole"
    _answer({"backup": str(made.folder), "rows": rows, "bytes": made.size}, text, as_json=as_json)


@backup_app.command("list")
def list_all(context: typer.Context, as_json: Json = False) -> None:
    """List what can be restored, the newest first; each was restored once when it was made."""
    from ndiyan.backup import list_backups

    found = list_backups(load_settings(context.obj).backup().folder)
    rows = [
        {
            "backup": one.folder.name, "made_at": one.manifest.made_at.isoformat(), "bytes": one.size,
            "encrypted": one.manifest.recipient is not None, "ndiyan": one.manifest.ndiyan,
        }
        for one in found
    ]  # fmt: skip
    lines = [
        f"{one.folder.name}  {one.size / 1e6:>9.1f} MB{'  encrypted' if one.manifest.recipient else ''}"
        for one in found
    ]
    _answer(rows, "\n".join(lines) or "there are no backups", as_json=as_json)


@backup_app.command("check")
def check(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="As `list` names it, a folder, or `newest`.")] = "newest",
    unproven: Unproven = False,
    as_json: Json = False,
) -> None:
    """Restore one again into a server that is thrown away, and compare; exit 1 when something is missing."""
    from ndiyan.backup import check_backup

    settings = load_settings(context.obj)
    found, key = _named(settings, name, unproven=unproven), settings.backup_key()
    become_owner(found.folder.parent)
    with tidied_up():
        rows = check_backup(found, key)
    _answer({"backup": str(found.folder), "rows": rows}, f"{found.folder}: {rows} rows, whole", as_json=as_json)


@backup_app.command("key")
def key(
    file: Annotated[Path, typer.Argument(help="Where the key goes; set backup.key_file to it.")],
    as_json: Json = False,
) -> None:
    """Make a key that closes and opens backups. Whoever loses it loses them: keep a copy where the server is not."""
    from ndiyan.sealing import new_key

    public = new_key(file)
    text = f"{file}: keep a copy of it where this server is not; without it no backup can be opened ({public})"
    _answer({"key_file": str(file), "recipient": public}, text, as_json=as_json)


def restore(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="As `ndiyan backup list` names it, a folder, or `newest`.")],
    over: Annotated[
        bool, typer.Option("--over", help="Replace a database that is not empty; it is kept under another name.")
    ] = False,
    files: Annotated[
        Path | None, typer.Option(help="Unpack the files of the backup into this new folder; the database stays.")
    ] = None,
    unproven: Unproven = False,
    as_json: Json = False,
) -> None:
    """Put a backup in the place of the database of the settings, once it was found whole; services must not run."""
    from ndiyan.restore import restore as put_back
    from ndiyan.restore import restore_files

    settings = load_settings(context.obj)
    found, key = _named(settings, name, unproven=unproven), settings.backup_key()
    if files is not None:
        restore_files(found, key, files)
        _answer({"files": str(files)}, f"the files of {found.folder} are in {files}", as_json=as_json)
        return
    now = settings.make_clock().now()
    with tidied_up():
        done = put_back(settings.required("database.url"), found, key, over=over, now=now)
    text = (
        f"{done.rows} rows of {found.manifest.made_at:%Y-%m-%d %H:%M} UTC are in place; next: ndiyan db migrate\n"
        "everybody logs in anew; accounts, passwords and API keys are those of then: close again what was closed since"
    )
    if done.kept_as:
        text += f"\nthe database of before is kept as {done.kept_as}"
    _answer({"backup": str(found.folder), "rows": done.rows, "kept_as": done.kept_as}, text, as_json=as_json)


def _named(settings: Settings, name: str, *, unproven: bool) -> Backup:
    """A backup by its name in the folder of the settings, or by its own folder, wherever that is."""
    from ndiyan.backup import find_backup
    from ndiyan.manifest import read_backup

    key = None if unproven else settings.backup_key()
    if "/" in name:
        return read_backup(Path(name).absolute(), key)
    return find_backup(settings.backup().folder, name, now=settings.make_clock().now(), key=key)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _answer(value: Any, text: str, *, as_json: bool) -> None:
    print(json.dumps(value, ensure_ascii=False) if as_json else text)
