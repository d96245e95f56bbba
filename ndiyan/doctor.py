"""What keeps the platform from doing its job: one sentence per problem, with its cure. Changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg

from alerts.carriers.registry import PhoneConfig
from alerts.watchdog import SHARED, STANDBY, Part, look_at_parts
from gateway.clock import Clock, SystemClock
from gateway.wire import ALL_UPLINKS
from ingest.broker_check import LISTENERS_APART, LOGIN, UNSET, Kind, WeakSetting, find_weak_settings
from ingest.broker_conf import fetch_broker_conf
from ingest.db import Connection, connect, newest_migration, queries, schema_number, weak_settings
from ingest.profiles.own import fetch_profiles
from ingest.profiles.profile import topics_of
from ndiyan.children import can_reach, service_account
from ndiyan.embedded_broker import answers_connect
from ndiyan.errors import SettingsError
from ndiyan.identities import unheard
from ndiyan.machine import machine_problems
from ndiyan.problem import Problem, by_systemd, why_no_answer
from ndiyan.roles import RolesInUse, refuse_in_use
from ndiyan.settings import Settings
from web.errors import SignOnRefused
from web.itself import BAD_WITHIN, fetch_disk, fetch_floods
from web.masks import hide_phones

SQL = queries("ndiyan", "doctor")
OLD_READING = timedelta(hours=1)
OLD_EVALUATION = timedelta(minutes=15)  # readings are judged every minute
OLD_SMS = timedelta(minutes=10)  # an SMS that is due leaves within a second
RECENT = timedelta(days=1)
FAILING_ATTEMPTS = 3
CLOCKS_APART_S = 5.0


def find_problems(settings: Settings, *, clock: Clock, wall: Clock | None = None) -> list[Problem]:
    """Look at settings, broker, machine and database; an empty list means that all is well.

    `clock` tells platform time; `wall` the world's, by which certificates end and backups age.
    """
    wall = wall or SystemClock()
    problems = [
        *_broker(settings), *_provider(settings), *_keeper(settings), *machine_problems(settings, wall=wall),
    ]  # fmt: skip
    try:
        with connect(settings.required("database.url"), application="ndiyan-doctor") as connection:
            problems += _clocks(connection, wall)
            problems += _durability(connection)
            problems += _log(connection)
            problems += _database(connection, settings, clock)
    except SettingsError as error:
        problems.append(Problem("no database is set", str(error)))
    except psycopg.Error as error:
        problems.append(why_no_answer(error))
    return problems


def _broker(settings: Settings) -> Iterator[Problem]:
    try:
        mqtt = settings.mqtt()
    except SettingsError as error:
        yield Problem("no broker is set", str(error))
        return
    if mqtt.tls_ca is None and not answers_connect(mqtt.host, mqtt.port, "", "", accept_refusal=True):
        yield Problem(f"no MQTT broker answers at {mqtt.host}:{mqtt.port}", "start mosquitto and check mqtt.url")
        return
    for weak in find_weak_settings(mqtt, operator=settings.mqtt_operator()):
        yield Problem(str(weak), _cure(weak))


def _provider(settings: Settings) -> Iterator[Problem]:
    try:
        config = settings.provider()
    except SettingsError as error:
        yield Problem("nobody can log in by the OpenID provider", str(error))
        return
    if config is None:
        return
    from web.provider import discover

    try:
        discover(config.issuer)
    except SignOnRefused as error:
        yield Problem(
            f"nobody can log in by the OpenID provider: {error}",
            "check oidc.issuer, its certificate and the way there; links of `ndiyan web login-link` open meanwhile",
        )


def _keeper(settings: Settings) -> Iterator[Problem]:
    try:
        watch = settings.watch()
        if settings.backup_at:
            settings.required("backup.folder")
    except SettingsError as error:
        yield Problem("the keeper does not start, and nobody is told of anything", str(error))
    else:
        # What tells of a part that stands still ends with the machine; only what stays away is missed then.
        in_the_morning = watch.alive_at and (watch.phones or watch.mailboxes)
        if not settings.demo and not watch.ping_url and not in_the_morning:
            yield Problem(
                "nobody would hear that this server is dead: there is no ping (watch.ping_url) and no message every"
                " morning (watch.alive_at, to watch.phones or watch.mailboxes) that would be missed",
                "set one of the two, or both (docs/watch.md), then systemctl restart ndiyan-keeper",
            )
    if not settings.backup_folder:
        return  # told where the machine is looked at
    try:
        settings.backup()
    except SettingsError as error:
        yield Problem("no backup can be made", str(error))
    else:
        account, key = service_account(), settings.backup_key_file
        if account is not None and key and not can_reach(account, Path(key)):
            yield Problem(
                f"no backup can be made: {account.name} may not read {key}",
                f"chgrp {account.name} {key} && chmod g+r {key}",
            )


def _cure(weak: WeakSetting) -> str:
    if weak.setting == LOGIN:
        return f"set {LOGIN} to {weak.wanted} (docs/settings.md)"
    if weak.setting == LISTENERS_APART:
        return f"take {weak.setting} out of mosquitto's configuration (docs/install.md, Upgrade), or run {weak.wanted}"
    if weak.kind is Kind.UNKNOWN:
        return "run `ndiyan doctor` on the broker's machine, as a user who may read its configuration"
    if weak.kind is Kind.PLUGIN:
        return f"check that the broker's plug-in does it, or set {weak.setting} to {weak.wanted}"
    line = f"remove {weak.setting}" if weak.wanted == UNSET else f"set {weak.setting} to {weak.wanted}"
    return f"{line} in mosquitto's configuration and restart it (deploy/mosquitto/ndiyan.conf has them all)"


def _clocks(connection: Connection, wall: Clock) -> Iterator[Problem]:
    ((there_at,),) = connection.execute(SQL["clock"]).fetchall()
    apart_s = (there_at - wall.now()).total_seconds()
    if abs(apart_s) > CLOCKS_APART_S:
        yield Problem(
            f"the clocks of this machine and of the database are {abs(apart_s):.0f} s apart,"
            f" wanted at most {CLOCKS_APART_S:g}",
            "timedatectl set-ntp true, on both machines",
        )


def _durability(connection: Connection) -> Iterator[Problem]:
    for setting, sentence in weak_settings(connection):
        yield Problem(sentence, f"ALTER SYSTEM SET {setting} = on; then SELECT pg_reload_conf()")


def _log(connection: Connection) -> Iterator[Problem]:
    if connection.execute("SHOW log_error_verbosity").fetchone() != ("terse",):
        yield Problem(
            "the database's server writes the rows that it refuses into its log, with people's phones in them",
            "as a superuser, ALTER SYSTEM SET log_error_verbosity = terse; then SELECT pg_reload_conf()",
        )


def _database(connection: Connection, settings: Settings, clock: Clock) -> Iterator[Problem]:
    found, wanted = schema_number(connection), newest_migration()
    if found < wanted:  # a newer one is fine, as for the services: it stays when a version is taken back
        yield Problem(f"the database's schema is at {found} and this version works with {wanted}", "ndiyan db migrate")
        return
    if not connection.execute(SQL["zones"]).fetchall():
        yield Problem("no zone is known", "ndiyan zones import FOLDER, with your zone files (docs/zones.md)")
    for (zone,) in connection.execute(SQL["zones_without_committee"]):
        yield Problem(
            f"{zone} has nobody to tell", f"register somebody at {settings.public_url}/en/zones/{zone}/comite"
        )
    for zone, newest_at in connection.execute(SQL["newest_readings"]):
        if newest_at is None:
            yield Problem(f"{zone} has never sent a reading", "check its gateway's user and password at the broker")
        elif clock.now() - newest_at > OLD_READING:
            yield Problem(
                f"{zone} was last heard of at {newest_at:%Y-%m-%d %H:%M} UTC", "check its gateway and network"
            )
    yield from _of_restores(connection)
    yield from _disk(connection, clock)
    yield from _floods(connection, clock)
    yield from _services(connection, clock)
    if not settings.demo:
        yield from _owners(connection, settings)
    yield from _topics(connection, settings)
    yield from _evaluation(connection)
    yield from _telling(connection, settings, clock)


def _of_restores(connection: Connection) -> Iterator[Problem]:
    for name, size in connection.execute(SQL["of_restores"]):
        yield Problem(
            f"the database {name} stands beside the one in use, with {size / 1e6:.0f} MB",
            f"when nothing in it is wanted any more: runuser -u postgres -- dropdb {name}",
        )


def _disk(connection: Connection, clock: Clock) -> Iterator[Problem]:
    disk = fetch_disk(connection)
    full_in = disk.full_in(clock.now())
    if full_in is not None and full_in < BAD_WITHIN:
        by_column = "with TimescaleDB, `ndiyan db timescale` stores old weeks in a tenth (docs/databases.md)"
        is_by_column = connection.execute(SQL["is_by_column"]).fetchone() == (True,)
        yield Problem(
            f"the disk is full in {full_in.days} days at the average pace so far, wanted at least {BAD_WITHIN.days}"
            + (": this machine's, as the database's is not seen from here" if disk.is_unseen else ""),
            "give it more room: readings stay for ever, whatever retention.* says (docs/watch.md)"
            + ("" if is_by_column else f"; {by_column}"),
        )


def _floods(connection: Connection, clock: Clock) -> Iterator[Problem]:
    for one in fetch_floods(connection, clock.now()):
        out = f"ndiyan devices revoke {one.gateway}" if one.gateway else "take its user's right to write at the broker"
        yield Problem(
            f"{one.who} fills the disk: {one.count} of its messages were set aside within a day,"
            f" {one.size / 1e6:.0f} MB, which stay until they are accepted",
            f"see why with ndiyan set-aside list and mend it; until then {out}",
        )


def _services(connection: Connection, clock: Clock) -> Iterator[Problem]:
    details = dict(connection.execute(SQL["heartbeats"]).fetchall())
    for part in look_at_parts(connection, clock):
        name, detail = part.full_name, details.get(part.full_name, {})
        if part.name == STANDBY and part.why:
            worker = f" --worker {part.instance}" if part.instance else ""
            yield Problem(
                f"nobody stands by for worker {part.instance or 1} of ingest any more",
                f"start a second `ndiyan ingest{worker}`; one that is ended in order is not missed",
            )
        elif part.why in ("never_heard", "no_heartbeat"):
            yield Problem(f"{name} is not running", _start(part))
        elif detail.get("trouble"):
            yield Problem(
                f"{name} does not store, the backlog waits at the broker: {detail['trouble']}",
                "mend the database; it goes on by itself",
            )
        elif detail.get("broker") is False:
            yield Problem(f"{name} has no link to the broker", f"see the log of {name}, check mqtt.url")
        elif part.why == "broker_queue":
            held, size = detail.get("broker_messages", 0), detail.get("broker_bytes", 0)
            yield Problem(
                f"{held} messages ({size / 1e6:.0f} MB) wait in the broker, more than half of what it takes for one",
                "see what keeps the database busy, and who stays away that has a session (docs/watch.md)",
            )
        elif part.why == "broker_dropped":
            yield Problem(
                "the broker has dropped messages that it had confirmed: a queue is full (docs/watch.md)",
                "ndiyan account says which gateways sent theirs again; what other sensors said is lost",
            )
        for topic in detail.get("refused", ()):
            yield Problem(f"the broker does not let {name} read {topic}", "give its user the right to read # there")


def _owners(connection: Connection, settings: Settings) -> Iterator[Problem]:
    if services := [service for (service,) in connection.execute(SQL["services_as_owner"])]:
        folder = settings.file.parent if settings.file else Path("/etc/ndiyan")
        try:
            refuse_in_use(connection, folder)
            cure = f"ndiyan db roles --folder {folder}"
        except RolesInUse as refusal:
            cure = str(refusal)
        yield Problem(
            f"as the owner of the database, who may do everything, run: {', '.join(services)}",
            f"{cure}, then systemctl restart ndiyan.target",
        )


def _start(part: Part) -> str:
    """How a service is started."""
    name = "alerts" if part.name == "sender" else part.name
    if part.instance and part.name == SHARED:
        begun = by_systemd(f"ndiyan-{name}@{part.instance}") or f"ndiyan ingest --worker {part.instance}"
        return f"{begun}; to take it away, with --of and a smaller number (docs/scale.md)"
    if part.instance:
        return f"NDIYAN_INSTANCE={part.instance} ndiyan {name}"
    return by_systemd(f"ndiyan-{name}") or f"ndiyan {name}"


def _topics(connection: Connection, settings: Settings) -> Iterator[Problem]:
    """Topics that the access file of a mosquitto on this machine withholds from ingest: mosquitto grants such a
    subscription, and then delivers nothing."""
    if not settings.mqtt_url:
        return
    mqtt = settings.mqtt()
    conf = fetch_broker_conf(mqtt.host, mqtt.port)
    if conf is None or mqtt.username is None:
        return
    own = topics_of(fetch_profiles(connection)) if settings.reads_own_profiles else ()
    for file in sorted({file for file in conf.values("acl_file", mqtt.port) if file is not None}):
        try:
            access = Path(file).read_text("utf-8")
        except OSError:
            continue  # as whoever may not read the broker's configuration
        for topic in unheard(access, mqtt.username, [ALL_UPLINKS, *settings.foreign_topics, *own]):
            yield Problem(
                f"the broker does not let ingest read {topic}: {file} has no such line for {mqtt.username}",
                f"add `topic read #` below `user {mqtt.username}` there, then {settings.broker_reload}",
            )
        for user in (f"{mqtt.username}-{worker}" for worker in range(2, settings.ingest_workers + 1)):
            if unheard(access, user, [ALL_UPLINKS]):
                yield Problem(f"the broker lets no worker {user} of ingest read: {file}", "ndiyan devices workers")


def _evaluation(connection: Connection) -> Iterator[Problem]:
    for zone, error, behind_min in connection.execute(SQL["evaluation_behind"], {"most": OLD_EVALUATION}):
        if error is not None:
            yield Problem(f"{zone} could not be judged: {error}", "see the log of alerts")
        else:
            most = OLD_EVALUATION // timedelta(minutes=1)
            yield Problem(
                f"the evaluation of {zone} is {behind_min:.0f} minutes behind its readings, wanted at most {most}",
                "systemctl restart ndiyan-alerts, and see its log",
            )


def _telling(connection: Connection, settings: Settings, clock: Clock) -> Iterator[Problem]:
    now = clock.now()
    if not settings.demo and all(isinstance(route, PhoneConfig) for route in settings.carriers):
        yield Problem(
            "no SMS leaves this server: sms.carriers names nothing but the telephone on the screen",
            "set up a route (docs/sms-routes.md)",
        )
    for name in settings.carriers_off:
        yield Problem(
            f"the SMS route {name} is off: sms.carriers does not name it",
            f"add {name} to sms.carriers, or take [sms.{name}] out of the settings (docs/sms-routes.md)",
        )
    routes = [route.name for route in settings.carriers]
    for route, detail, since in connection.execute(SQL["routes_down"], {"routes": routes}):
        yield Problem(
            f"the SMS route {route} is down since {since:%Y-%m-%d %H:%M} UTC: {hide_phones(detail)}",
            f"check [sms.{route}] and what it reaches (docs/sms-routes.md)",
        )
    ((number, since),) = connection.execute(SQL["sms_waiting"], {"before": now - OLD_SMS}).fetchall()
    if number:
        yield Problem(
            f"{number} SMS wait since {since:%Y-%m-%d %H:%M} UTC",
            "see the log of alerts and the page of messages",
        )
    ((number, error),) = connection.execute(SQL["sms_failed"], {"after": now - RECENT}).fetchall()
    if number:
        yield Problem(
            f"{number} SMS of the last day failed, the newest: {hide_phones(error)}",
            "see the page of messages, and check the numbers in the zone files",
        )
    for hook, given_up, waiting, error in connection.execute(SQL["webhooks_failing"], {"attempts": FAILING_ATTEMPTS}):
        yield Problem(
            f"the webhook {hook} fails: {given_up} given up, {waiting} waiting, {hide_phones(error or 'no answer')}",
            f"check [webhooks.{hook}], then ndiyan webhooks --again {hook}",
        )
