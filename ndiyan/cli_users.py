"""`ndiyan users`: who may log in, from the server's own command line; the pages do the same (docs/access.md)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from gateway.clock import SystemClock
from ndiyan.settings import Settings, load_settings
from web.rights import Role

if TYPE_CHECKING:
    from ingest.db import Connection

users_app = typer.Typer(no_args_is_help=True, help="Accounts of the pages (docs/access.md).")

Name = Annotated[str, typer.Argument(help="The name by which they log in; it stands beside what they do.")]
Zone = Annotated[str | None, typer.Option(help="A secretary's zone: all that they see.")]
Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]
BY = "server (CLI)"


@users_app.command("add")
def add(
    context: typer.Context,
    name: Name,
    role: Annotated[Role, typer.Option(help="What they may do.")] = Role.VIEWER,
    zone: Zone = None,
    as_json: Json = False,
) -> None:
    """Make an account; prints a link by which its owner sets a password, once and within three days."""
    from web.accounts import add_account

    with _connected(context) as (connection, settings, clock):
        token = add_account(
            connection, name, role=role, zone=zone, by=BY, now=clock(), now_wall=SystemClock().now()
        )  # fmt: skip
    _give(f"{settings.public_url}/login/{token}", as_json=as_json)


@users_app.command("list")
def list_users(context: typer.Context, as_json: Json = False) -> None:
    """List accounts: role, how they get in, when they did last."""
    from web.accounts import fetch_accounts

    with _connected(context) as (connection, _, _):
        found = fetch_accounts(connection)
    if as_json:
        rows = [
            {
                "name": one.name, "role": one.role.value, "zone": one.zone, "has_password": one.has_password,
                "has_code": one.has_code, "mailbox": one.mailbox, "is_disabled": one.disabled_at is not None,
                "entered_at": one.entered_at and one.entered_at.isoformat(),
            }
            for one in found
        ]  # fmt: skip
        print(json.dumps(rows, ensure_ascii=False))
        return
    for one in found:
        ways = "password and code" if one.has_code else "password" if one.has_password else "by link"
        ways = f"{ways}, {one.mailbox}" if one.mailbox else ways
        state = "disabled" if one.disabled_at else f"in {one.entered_at:%Y-%m-%d}" if one.entered_at else "never in"
        print(f"{one.name:<24}  {one.role:<14}  {one.zone or '':<10}  {ways:<18}  {state}")
    if not found:
        print("there are no accounts: `ndiyan users add NAME --role administrator` makes the first")


@users_app.command("role")
def role(
    context: typer.Context,
    name: Name,
    role: Annotated[Role, typer.Argument(help="What they may do from now on.")],
    zone: Zone = None,
) -> None:
    """Let somebody be something else, from their next click on."""
    from web.accounts import change_role

    with _connected(context) as (connection, _, clock):
        change_role(connection, name, role=role, zone=zone, by=BY, now=clock())
    print(f"{name} is {role}{f' of {zone}' if zone else ''}")


@users_app.command("reset")
def reset(context: typer.Context, name: Name, as_json: Json = False) -> None:
    """Forget a password and second factor and end the sessions; prints a link to set a password anew."""
    from web.accounts import reset

    with _connected(context) as (connection, settings, clock):
        token = reset(connection, name, by=BY, now=clock(), now_wall=SystemClock().now())
    _give(f"{settings.public_url}/login/{token}", as_json=as_json)


@users_app.command("mailbox")
def mailbox(
    context: typer.Context,
    name: Name,
    mailbox: Annotated[str, typer.Argument(help="Their address at the OpenID provider; empty: no more by it.")] = "",
) -> None:
    """Let the first who comes from the OpenID provider with this address take the account (docs/access.md)."""
    from web.sign_on import await_mailbox

    with _connected(context) as (connection, _, clock):
        await_mailbox(connection, name, mailbox, by=BY, now=clock())
    print(f"{name} may come as {mailbox}" if mailbox else f"{name} comes by the OpenID provider no more")


@users_app.command("disable")
def disable(
    context: typer.Context,
    name: Name,
    undo: Annotated[bool, typer.Option("--undo", help="Let them in again.")] = False,
) -> None:
    """Let somebody in no more, from this moment on; what they did stays under their name."""
    from web.accounts import disable, enable

    with _connected(context) as (connection, _, clock):
        if undo:
            enable(connection, name, by=BY, now=clock())
        else:
            disable(connection, name, by=BY, now=clock(), now_wall=SystemClock().now())
    print(f"{name} {'may log in again' if undo else 'is out'}")


@contextmanager
def _connected(context: typer.Context) -> Iterator[tuple[Connection, Settings, Callable[[], datetime]]]:
    from ingest.db import check_schema, connect

    settings = load_settings(context.obj)
    with connect(settings.required("database.url")) as connection:
        check_schema(connection)
        yield connection, settings, settings.make_clock().now


def _give(link: str, *, as_json: bool) -> None:
    print(json.dumps({"password_url": link}) if as_json else link)
