"""The command line: parses, wires, and says what went wrong in one sentence. Work is elsewhere.

Exit codes: 0 fine, 1 failed, 2 misused (a wrong option or setting).
"""

from __future__ import annotations

import errno
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import psycopg
import typer

from alerts.errors import AlertsError
from gateway.clock import SystemClock, taken_as_utc
from gateway.errors import GatewayError
from gateway.zones import load_zones
from ingest.errors import IngestError
from ndiyan import cli_gateway
from ndiyan.cli_account import account, backlog, set_aside_app
from ndiyan.cli_backup import backup_app, restore
from ndiyan.cli_broker import broker_app
from ndiyan.cli_devices import devices_app
from ndiyan.cli_init import init
from ndiyan.cli_people import people_app
from ndiyan.cli_profiles import profiles_app
from ndiyan.cli_report import report
from ndiyan.cli_simulate import simulate_app
from ndiyan.cli_users import BY, users_app
from ndiyan.cli_zones import zones_app
from ndiyan.errors import NdiyanError, SettingsError
from ndiyan.problem import why_no_answer
from ndiyan.settings import PLACES, SECRETS, SETTINGS, Settings, load_settings, read_secrets, settings_file
from ndiyan.shipped_files import shipped
from ndiyan.sms import sms_app
from simulator.errors import SimulatorError
from web.access import Scope
from web.errors import WebError
from web.rights import Role

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False, add_completion=False)
db_app = typer.Typer(no_args_is_help=True, help="The database's schema.")
web_app = typer.Typer(help="The pages and the API, and who may look at them.")
bench_app = typer.Typer(no_args_is_help=True, help="How fast it is here; in a checkout.")
app.add_typer(db_app, name="db")
app.add_typer(zones_app, name="zones")
app.add_typer(web_app, name="web")
app.add_typer(simulate_app, name="simulate")
app.add_typer(bench_app, name="bench")
app.add_typer(set_aside_app, name="set-aside")
app.add_typer(profiles_app, name="profiles")
app.add_typer(sms_app, name="sms")
app.add_typer(people_app, name="people")
app.add_typer(backup_app, name="backup")
app.add_typer(devices_app, name="devices")
app.add_typer(broker_app, name="broker")
app.add_typer(users_app, name="users")
app.command("init")(init)
app.command("account")(account)
app.command("backlog")(backlog)
app.command("report")(report)
app.command("restore")(restore)

Json = Annotated[bool, typer.Option("--json", help="Answer in JSON.")]


@app.callback()
def _settings(
    context: typer.Context,
    settings: Annotated[Path | None, typer.Option(help="The settings file (docs/settings.md).")] = None,
) -> None:
    """Ndiyan watches over rural drinking water: from the sensor beside the pump to an SMS that says what to do."""
    context.obj = settings
    there, used = [place for place in PLACES if place.is_file()], settings_file()
    if settings is None and not os.environ.get("NDIYAN_SETTINGS") and there and there != [used]:
        others = ", ".join(str(place) for place in there if place != used)
        _say(f"settings: {used or 'no file'}, not {others} (--settings FILE takes another)")


def _load(context: typer.Context, *, service: str = "") -> Settings:
    return load_settings(context.obj, service=service)


@app.command()
def demo(
    speed: Annotated[float, typer.Option(min=0.1, max=600, help="Platform seconds per second.")] = 60.0,
    days: Annotated[int, typer.Option(min=1, max=120, help="Days of history to begin with.")] = 30,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="Of the pages; the next free one is taken.")] = 8000,
    fresh: Annotated[bool, typer.Option("--fresh", help="Forget the data of earlier demos.")] = False,
    data: Annotated[Path, typer.Option(help="Where the demo keeps its data.")] = Path(".demo"),
    ready_file: Annotated[
        Path | None, typer.Option(help="Write addresses and keys there, as JSON, when ready.")
    ] = None,
) -> None:
    """Everything on this machine: six fictional zones, simulated, from sensor to SMS."""
    from ndiyan.demo import DemoOptions, run_demo

    run_demo(DemoOptions(data=data, speed=speed, days=days, port=port, fresh=fresh, ready_file=ready_file))
    # All is stopped and on disk. Python would now take down the simulator's modules one by one: measured, 2.8 s on a
    # busy machine, and whoever pressed Ctrl-C waits for it.
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


@app.command()
def up(
    context: typer.Context,
    data: Annotated[Path, typer.Option(help="Where logs go.")] = Path(".ndiyan"),
) -> None:
    """All services (ingest, alerts, web, keeper) under one supervisor, with the database and broker of the settings."""
    from ndiyan.services import run_up

    run_up(_load(context), data=data, file=context.obj)


@app.command()
def ingest(
    context: typer.Context,
    worker: Annotated[int, typer.Option(min=1, max=64, help="Which of several; a second of a number stands by.")] = 1,
    workers: Annotated[
        int | None, typer.Option("--of", min=1, max=64, help="How many share the zones; default: ingest.workers.")
    ] = None,
) -> None:
    """Take readings from the broker into the database; a worker beyond `--of` hands its zones back and ends."""
    from ndiyan.services import run_ingest

    run_ingest(_load(context, service="ingest"), worker=worker, workers=workers)


@app.command()
def alerts(context: typer.Context) -> None:
    """Judge readings, keep alerts, tell people."""
    from ndiyan.services import run_alerts

    run_alerts(_load(context, service="alerts"))


@app.command()
def keeper(context: typer.Context) -> None:
    """Watch over the other services, and tell the operator when one stands still."""
    from ndiyan.services import run_keeper

    run_keeper(_load(context), file=context.obj)


@web_app.callback(invoke_without_command=True)
def web(context: typer.Context) -> None:
    """Serve the pages and the API."""
    if context.invoked_subcommand is None:
        from ndiyan.services import run_web

        run_web(_load(context, service="web"))


@web_app.command("login-link")
def login_link(
    context: typer.Context,
    person: Annotated[str, typer.Option(help="Whose account; it stands beside what they do.")] = "engineer",
    role: Annotated[Role, typer.Option(help="What they may do, if there is no such account yet.")] = Role.ENGINEER,
    as_json: Json = False,
) -> None:
    """Make a link that opens one session within a day, without a password."""
    from ingest.audit import record
    from ingest.db import connect
    from web.access import create_login_link
    from web.accounts import find_account, let_in

    settings, now_wall = _load(context), SystemClock().now()
    with connect(settings.required("database.url")) as connection, connection.transaction():
        if role is not Role.SECRETARY:
            let_in(connection, person, role, now_wall=now_wall)
        account = find_account(connection, person)
        token = create_login_link(connection, person=account.name, now_wall=now_wall)
        after = {"role": account.role.value}
        record(
            connection, who=BY, what="link_made", subject=account.name, after=after, now=settings.make_clock().now()
        )  # fmt: skip
    link = f"{settings.public_url}/login/{token}"
    _answer({"login_url": link}, link, as_json=as_json)


@web_app.command("api-key")
def api_key(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What it is for.")],
    scope: Annotated[list[Scope] | None, typer.Option(help="What it may do; again for more.")] = None,
    days: Annotated[int, typer.Option(min=1, max=3660, help="How long it is valid.")] = 365,
    as_json: Json = False,
) -> None:
    """Make an API key, for reading unless --scope says more; it is shown this once."""
    from ingest.audit import record
    from ingest.db import connect
    from web.access import PREFIX_LENGTH, create_api_key

    settings, scopes = _load(context), scope or [Scope.READ]
    with connect(settings.required("database.url")) as connection, connection.transaction():
        key = create_api_key(connection, name=name, scopes=scopes, valid_for=timedelta(days=days))
        after = {"scopes": ", ".join(sorted(scopes)), "days": days, "prefix": key[:PREFIX_LENGTH]}
        record(connection, who=BY, what="key_made", subject=name, after=after, now=settings.make_clock().now())
    _answer({"api_key": key}, key, as_json=as_json)


@web_app.command("api-keys")
def api_keys(context: typer.Context, as_json: Json = False) -> None:
    """List API keys: how they begin, what they may do, when they were used last."""
    from ingest.db import connect
    from web.access import list_api_keys

    with connect(_load(context).required("database.url")) as connection:
        keys = list_api_keys(connection)
    lines = [
        f"{key.prefix}…  {','.join(key.scopes):<18}  "
        f"{'revoked' if key.revoked_at else f'until {key.expires_at:%Y-%m-%d}' if key.expires_at else 'for ever':<16}  "
        f"{f'used {key.last_used_at:%Y-%m-%d}' if key.last_used_at else 'never used':<15}  {key.name}"
        for key in keys
    ]
    rows = [{name: _plain(value) for name, value in asdict(key).items()} for key in keys]
    _answer(rows, "\n".join(lines) or "there are no keys", as_json=as_json)


@web_app.command("revoke-api-key")
def revoke_key(
    context: typer.Context,
    prefix: Annotated[str, typer.Argument(help="How it begins, as `api-keys` lists it.")],
    as_json: Json = False,
) -> None:
    """Let nobody in with this key any more."""
    from ingest.audit import record
    from ingest.db import connect
    from web.access import revoke_api_key

    settings = _load(context)
    with connect(settings.required("database.url")) as connection, connection.transaction():
        begins = prefix.rstrip("…")
        name = revoke_api_key(connection, begins)
        before, now = {"prefix": begins}, settings.make_clock().now()
        record(connection, who=BY, what="key_revoked", subject=name, before=before, now=now)
    _answer({"revoked": name}, f"revoked: {name}", as_json=as_json)


@app.command()
def webhooks(
    context: typer.Context,
    again: Annotated[str | None, typer.Option(help="Try once more what was given up for this one.")] = None,
    as_json: Json = False,
) -> None:
    """List the programs that are told of alerts, and how that goes."""
    from alerts.webhooks import fetch_webhooks, try_again
    from ingest.audit import record
    from ingest.db import connect

    settings = _load(context)
    with connect(settings.required("database.url")) as connection:
        if again is not None:
            if again not in (known := [one.name for one in fetch_webhooks(connection)]):
                raise NdiyanError(f"{again} is no webhook; these are: {', '.join(known)}")
            now = settings.make_clock().now()
            with connection.transaction():
                number = try_again(connection, again, now=now)
                if number:
                    record(connection, who=BY, what="webhook_retried", subject=again, after={"events": number}, now=now)
            _say(f"{number} are tried again")
        found = fetch_webhooks(connection)
    lines = [
        f"{one.name:<20}  {one.delivered:>6} delivered  {one.waiting:>4} waiting  {one.given_up:>4} given up"
        f"  {'' if one.is_active else 'not in the settings  '}{one.error or ''}"
        for one in found
    ]
    rows = [{name: _plain(value) for name, value in one._asdict().items()} for one in found]
    _answer(rows, "\n".join(lines) or "there are no webhooks", as_json=as_json)


@db_app.command("migrate")
def db_migrate(context: typer.Context, as_json: Json = False) -> None:
    """Bring the schema up to date; safe while the previous version still runs."""
    from ingest.db import connect, migrate
    from ndiyan.roles import grant_all, roles_there

    with connect(_load(context).required("database.url")) as connection:
        applied = migrate(connection)
        if roles_there(connection):  # a version without a migration may need a right that the one before did not
            grant_all(connection)
    _answer({"applied": applied}, "\n".join(applied) or "nothing to do", as_json=as_json)


@db_app.command("roles")
def db_roles(
    context: typer.Context,
    folder: Annotated[
        Path | None,
        typer.Option(help="Give each a new password, in files that the services read (systemd)."),
    ] = None,
    anew: Annotated[
        bool, typer.Option("--anew", help="Also where they log in by passwords that the folder does not have.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a database role for each service, which may do what it does and no more (docs/databases.md)."""
    from ingest.db import check_schema, connect
    from ndiyan.roles import SERVICES, grant_all, refuse_in_use, role_of, write_urls

    with connect(_load(context).required("database.url")) as connection:
        check_schema(connection)
        if folder and not anew:
            refuse_in_use(connection, folder)
        grant_all(connection)
        written = [str(file) for file in write_urls(connection, folder)] if folder else []
    roles = [role_of(service) for service in SERVICES]
    _answer({"roles": roles, "written": written}, "\n".join([*roles, *written]), as_json=as_json)


@db_app.command("timescale")
def db_timescale(
    context: typer.Context,
    preview: Annotated[bool, typer.Option("--preview", help="Say what would be done, and do nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Move the readings of a plain database into TimescaleDB, in place; may be stopped and repeated."""
    from rich.console import Console

    from ingest.db import connect
    from ingest.timescale import convert, plan
    from ndiyan.progress import Steps
    from ndiyan.roles import grant_all, roles_there

    settings = _load(context)
    url, now = settings.required("database.url"), settings.make_clock().now()
    with connect(url) as connection:
        found = plan(connection, now)
    if preview:
        _answer(found._asdict(), found.as_text(), as_json=as_json)
        return
    _say(found.as_text())
    with Steps(Console(stderr=True)).bar("moving readings", unit="readings") as progress:
        done = convert(url, now, progress=progress)
    with connect(url) as connection:
        if roles_there(connection):
            grant_all(connection)
    _answer(done._asdict(), done.as_text(), as_json=as_json)


@db_app.command("status")
def db_status(context: typer.Context, as_json: Json = False) -> None:
    """Tell the schema's number and what this version needs; exit 1 when it is less (a newer one is fine)."""
    from ingest.db import connect, newest_migration, schema_number

    with connect(_load(context).required("database.url")) as connection:
        found, wanted = schema_number(connection), newest_migration()
    _answer({"schema": found, "wanted": wanted}, f"schema {found}, this version needs {wanted}", as_json=as_json)
    raise typer.Exit(0 if found >= wanted else 1)


@app.command()
def backtest(
    context: typer.Context,
    zones: Annotated[
        list[Path] | None,
        typer.Option(
            help="Zone files or folders of them; default: the database's zones, with --readings the six fictional ones."
        ),
    ] = None,
    readings: Annotated[
        Path | None,
        typer.Option(help="CSV or Parquet of time,zone,asset,channel,value,unit, or a folder; default: the database."),
    ] = None,
    labels: Annotated[Path | None, typer.Option(help="labels.csv, to be scored against.")] = None,
    start: Annotated[datetime | None, typer.Option("--from", help="UTC.")] = None,
    end: Annotated[datetime | None, typer.Option("--to", help="UTC.")] = None,
    out: Annotated[Path, typer.Option(help="Where the alerts are written.")] = Path("alerts.csv"),
    as_json: Json = False,
) -> None:
    """Judge history with the detectors of today: what would have been told, and with labels how well."""
    from ndiyan.backtest import BacktestOptions, run_backtest

    settings = _load(context)
    files = zones or ([shipped("zones")] if readings else [])
    options = BacktestOptions(load_zones(files), readings, labels, _utc(start), _utc(end), out)
    found, text = run_backtest(options, lambda: settings.required("database.url"))
    _answer(found, text, as_json=as_json)


Rounds = Annotated[int, typer.Option(min=1, help="The middle one counts.")]


@bench_app.command("ingest")
def bench_ingest(
    messages: Annotated[int, typer.Option(min=1, help="Messages of 12 readings in a round.")] = 60_000,
    rounds: Rounds = 3,
    as_json: Json = False,
) -> None:
    """Ingest end to end, against raw COPY of the same rows and against a naive script."""
    from ndiyan.bench import benchmark

    _answer_figures(benchmark("ingest").measure(messages, rounds, _say), as_json=as_json)


@bench_app.command("simulator")
def bench_simulator(
    zones: Annotated[int, typer.Option(min=1, help="Zones of the history.")] = 50,
    days: Annotated[int, typer.Option(min=5, help="Days of it, after a first one.")] = 30,
    live_zones: Annotated[int, typer.Option(min=1, help="Zones that report every minute.")] = 1000,
    as_json: Json = False,
) -> None:
    """Simulated zones: what a year costs, and whether it is a year of Labé."""
    from ndiyan.bench import benchmark

    module = benchmark("simulator")
    figures = module.measure(zones, days, live_zones, _say)
    _answer(figures, module.as_text(figures), as_json=as_json)


@bench_app.command("peers")
def bench_peers(
    messages: Annotated[int, typer.Option(min=1, help="Messages of 12 readings in a round.")] = 60_000,
    rounds: Rounds = 3,
    as_json: Json = False,
) -> None:
    """Ingest beside Node-RED, which npm fetches the first time."""
    from ndiyan.bench import benchmark

    _answer_figures(benchmark("peers").measure(messages, rounds, _say), as_json=as_json)


@bench_app.command("reads")
def bench_reads(
    zones: Annotated[int, typer.Option(min=1, help="Zones of eight channels in the matrix of a day.")] = 10_000,
    rounds: Annotated[int, typer.Option(min=1, help="How often each chart is asked for; the middle counts.")] = 7,
    as_json: Json = False,
) -> None:
    """How fast readings come back: a year's chart, all latest values, a day of many zones as a matrix."""
    from ndiyan.bench import benchmark

    _answer_figures(benchmark("reads").measure(zones, rounds, _say), as_json=as_json)


@bench_app.command("late")
def bench_late(
    context: typer.Context,
    channels: Annotated[int, typer.Option(min=1, help="Channels that fell silent, and as many with gaps.")] = 1000,
    as_json: Json = False,
) -> None:
    """Late data into a compressed week, in a database of its own on the server of the settings (TimescaleDB)."""
    from ndiyan.bench import benchmark

    figures = benchmark("late").measure(_load(context).required("database.url"), channels, _say)
    if figures is None:
        _say("nothing to measure: this server compresses no weeks (TimescaleDB, under its Community licence, does)")
    else:
        _answer(figures, "\n".join(f"{key:28} {value:>12}" for key, value in figures.items()), as_json=as_json)


@bench_app.command("timescale")
def bench_timescale(rounds: Rounds = 3, as_json: Json = False) -> None:
    """The same readings on plain PostgreSQL and on TimescaleDB, and what moving them costs; where it is installed."""
    from ndiyan.bench import benchmark

    _answer_figures(benchmark("timescale").measure(rounds, _say), as_json=as_json)


@bench_app.command("country")
def bench_country(
    zones: Annotated[int, typer.Option(min=12, help="Of 20 channels, a reading each every five minutes.")] = 20_000,
    away: Annotated[int, typer.Option(min=1, help="Of them, those that send nothing and then a day at once.")] = 1_000,
    minutes: Annotated[int, typer.Option(min=5, help="Of platform time, in steps of five.")] = 60,
    before: Annotated[int, typer.Option(min=1, max=20, help="Hours that are stored before.")] = 10,
    judge_every: Annotated[int, typer.Option(min=5, help="Minutes between two evaluations of a zone.")] = 15,
    evaluators: Annotated[int, typer.Option(min=1, help="Processes that judge side by side.")] = 2,
    as_json: Json = False,
) -> None:
    """A country on this machine, as fast as it bears: what gives first, memory, disk a year, and a backlog."""
    from ndiyan.bench import benchmark

    country = benchmark("country")
    figures = country.measure(country.Country(zones, away, minutes, before, judge_every, evaluators), _say)
    _answer(figures, "\n".join(f"{key:32} {value!s:>16}" for key, value in figures.items()), as_json=as_json)


@bench_app.command("detection")
def bench_detection(
    skab: Annotated[Path, typer.Argument(help="The folder `data` of SKAB, which is not part of Ndiyan.")],
    as_json: Json = False,
) -> None:
    """The residual model of the detectors on SKAB, beside the published leaderboard."""
    from ndiyan.bench import benchmark

    detection = benchmark("detection")
    figures = detection.measure(skab, _say)
    _answer(figures, detection.told(figures), as_json=as_json)


@app.command(help=cli_gateway.HELP, add_help_option=False, context_settings={"ignore_unknown_options": True})
def gateway(arguments: Annotated[list[str] | None, typer.Argument(metavar="[COMMAND] --config FILE")] = None) -> None:
    """Hand over to the gateway's own command line."""
    raise typer.Exit(cli_gateway.main(arguments or []))


@app.command()
def capacity(
    zones: Annotated[int, typer.Option(min=1)] = 6,
    channels: Annotated[int, typer.Option(min=1, help="Of each zone.")] = 40,
    interval: Annotated[float, typer.Option(min=1, max=60, help="Minutes between two readings.")] = 5.0,
    years: Annotated[float, typer.Option(min=0.1, help="That are kept.")] = 2.0,
    by_column: Annotated[
        bool, typer.Option("--by-column", help="Old weeks are stored by column (TimescaleDB).")
    ] = False,
    sms_price: Annotated[float, typer.Option(min=0, max=1, help="Of an SMS [€].")] = 0.0,
    as_json: Json = False,
) -> None:
    """What a server for so many zones must be and what it costs a month, with the source of each coefficient."""
    from web.capacity import COEFFICIENTS, Wish
    from web.capacity import capacity as capacity_of

    wish = Wish(zones, channels, interval, years, by_column, sms_price)
    if (wrong := wish.why_not()) is not None:
        raise typer.BadParameter(f"{wrong}: {getattr(wish, wrong)} is out of bounds")
    found = asdict(capacity_of(wish))
    lines = [f"{name:20} {value:>14,}" if isinstance(value, int) else f"{name:20} {value:>14,.2f}"
             for name, value in found.items()]  # fmt: skip
    lines += ["", *(f"{name:20} {one.value:>10g} {one.unit:4} {one.source}" for name, one in COEFFICIENTS.items())]
    sources = {name: one._asdict() for name, one in COEFFICIENTS.items()}
    _answer(found | {"coefficients": sources}, "\n".join(lines), as_json=as_json)


@app.command()
def doctor(context: typer.Context, as_json: Json = False) -> None:
    """Say what is wrong, one sentence and one remedy each; exit 1 when something is."""
    from ndiyan.doctor import find_problems

    settings = _load(context)
    around = [setting.variable for setting in SETTINGS if setting.variable in os.environ]
    file = context.obj or settings_file()
    secret = read_secrets(file.with_name(SECRETS)) if file else {}
    beside = f"; of {SECRETS} beside it: {', '.join(secret)}" if secret else ""
    _say(f"settings: {', '.join([str(file or 'no file'), *around])}{beside}")
    problems = find_problems(settings, clock=settings.make_clock())
    text = "\n".join(f"{problem.sentence}\n    → {problem.remedy}" for problem in problems)
    _answer([problem.as_dict() for problem in problems], text or "all is well", as_json=as_json)
    raise typer.Exit(1 if problems else 0)


def main() -> None:
    """Run the command line; what we raise on purpose becomes one sentence on stderr."""
    try:
        app()
    except SettingsError as error:
        _fail(str(error), 2)
    except (NdiyanError, GatewayError, IngestError, AlertsError, SimulatorError, WebError) as error:
        _fail(str(error), 1)
    except psycopg.Error as error:
        why = why_no_answer(error)
        _fail(f"{why.sentence}\n    → {why.remedy}", 1)
    except OSError as error:
        if error.filename is None and error.errno != errno.ENOSPC:
            raise  # of a link: which one, only the traceback tells
        _fail(f"{error.filename or 'a file could not be written'}: {error.strerror}", 1)


def _fail(sentence: str, code: int) -> None:
    print(f"ndiyan: {sentence}", file=sys.stderr)
    sys.exit(code)


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else taken_as_utc(moment)


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _answer(value: Any, text: str, *, as_json: bool) -> None:
    print(json.dumps(value, ensure_ascii=False) if as_json else text)


def _answer_figures(figures: Mapping[str, float], *, as_json: bool) -> None:
    _answer(figures, "\n".join(f"{key:28} {value:>12,}" for key, value in figures.items()), as_json=as_json)
