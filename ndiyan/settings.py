"""What can be set: one TOML file plus environment, checked whole before anything starts.

`web.port` stands as `port` under `[web]` in the file and as NDIYAN_WEB_PORT in the environment, which wins.
`docs/settings.md` and `docs/fr/settings.md` list them all; a test compares. An SMS route has a table of its own,
`[sms.NAME]`, which the route itself checks; `docs/sms-routes.md` has their keys. So has a webhook, `[webhooks.NAME]`
(docs/api.md).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import time
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import psycopg

from alerts.carriers.registry import NAME as INSTANCE
from alerts.carriers.registry import read_carriers
from alerts.config import PRICE_GNF
from alerts.errors import CarrierRefused, WebhookRefused
from alerts.webhook_config import WebhookConfig, read_webhooks
from gateway.clock import Clock, clock_from_spec
from gateway.config import MqttSettings, redacted
from gateway.tables import read_toml
from gateway.whole import whole
from ingest.profiles.profile import check_filter, shipped_profiles, topics_of
from ndiyan.errors import SettingsError
from ndiyan.mail import MailServer, check_mailbox
from web.config import REQUESTS_PER_MINUTE, ProviderConfig, is_safe_address
from web.masks import masked
from web.rights import Role

if TYPE_CHECKING:
    import pyrage

    from alerts.carriers.registry import CarrierConfig
    from ndiyan.backup import BackupConfig
    from ndiyan.housekeeping import Retention
    from ndiyan.keeper import WatchConfig
    from ndiyan.logs import LogConfig

GROUP_ROLES = (Role.VIEWER, Role.ENGINEER, Role.ADMINISTRATOR)  # the last that a group of somebody gives counts
SECRETS = "secrets.env"  # beside the settings file
PLACES = (Path("ndiyan.toml"), Path(".demo/secrets/ndiyan.toml"), Path("/etc/ndiyan/ndiyan.toml"))


def _database_url(value: str) -> None:
    try:
        psycopg.conninfo.conninfo_to_dict(value)
    except psycopg.Error:
        raise ValueError(f"{redacted(value)} is no PostgreSQL address (postgresql://USER:PASSWORD@HOST/NAME)") from None


def _mqtt_url(value: str) -> None:
    MqttSettings.from_url(value)


def _clock(value: str) -> None:
    clock_from_spec(value)


def _instance(value: str) -> None:
    if not INSTANCE.fullmatch(value):
        raise ValueError(f"{value} is no name (small letters, digits and -, at most 20)")


def _web_address(value: str) -> None:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{value} does not begin with http://HOST or https://HOST")
    try:
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"{value}: {error}") from None


def _issuer(value: str) -> None:
    if not is_safe_address(value) or urlsplit(value).query or urlsplit(value).fragment:
        raise ValueError(f"{value} is no issuer (https://HOST/…, without ? and #)")


def _domains(value: str) -> None:
    for domain in value.split():
        if "@" in domain or domain != domain.lower():
            raise ValueError(f"{domain} is no domain in small letters (example.org)")


def _whole_path(value: str) -> None:
    if not Path(value).is_absolute():
        raise ValueError(f"{value} is no whole path (/var/backups/ndiyan)")


def _whole_paths(value: str) -> None:
    for path in value.split():
        if not Path(path).is_absolute():
            raise ValueError(f"{path} is no whole path (/etc/ndiyan); a space stands between two, and in none")


def _roles(value: str) -> None:
    for role in value.split():
        if role not in set(Role):
            raise ValueError(f"{role} is none of {', '.join(Role)}")


def _daytime(value: str) -> None:
    try:
        zone = time.fromisoformat(value).tzinfo
    except ValueError:
        raise ValueError(f"{value} is no time of day (07:00)") from None
    if zone is not None:
        raise ValueError(f"{value} has a zone: write the hour in UTC, without one (07:00)")


def _phones(value: str) -> None:
    for phone in value.split():
        if not (phone.startswith("+") and phone[1:].isascii() and phone[1:].isdigit() and 9 <= len(phone) <= 16):
            raise ValueError(f"{masked(phone)} is no number in the form +224620000000")


def _mail_url(value: str) -> None:
    try:
        MailServer.from_url(value, sender="anybody@example.org")
    except ValueError as error:
        raise ValueError(f"{redacted(value)}: {error}") from None


def _mailboxes(value: str) -> None:
    for mailbox in value.split():
        check_mailbox(mailbox)


def _topics(value: str) -> None:
    if value not in ("profiles", "none"):
        for topic in value.split():
            check_filter(topic)


@dataclass(frozen=True, slots=True)
class Setting:
    """One thing that can be set; an empty default means "not set". Bounds are of numbers, choices of texts."""

    key: str
    default: str | int | bool
    bounds: tuple[int, int] | None = None
    choices: tuple[str, ...] = ()
    check: Callable[[str], None] | None = None

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return "NDIYAN_" + self.key.replace(".", "_").upper()

    @property
    def attribute(self) -> str:
        """Its name in `Settings`."""
        return self.key.replace(".", "_")


SETTINGS = (
    Setting("database.url", "", check=_database_url),
    Setting("database.replica_url", "", check=_database_url),
    Setting("mqtt.url", "", check=_mqtt_url),
    Setting("mqtt.operator_url", "", check=_mqtt_url),
    Setting("broker.folder", "/etc/mosquitto/ndiyan"),
    Setting("broker.reload", "systemctl reload mosquitto"),
    Setting("broker.public_url", "", check=_mqtt_url),
    Setting("broker.certificate_url", "", check=_mqtt_url),
    Setting("broker.authority", "/etc/ndiyan/broker-ca.crt"),
    Setting("broker.authority_key", "/etc/ndiyan/broker-ca.key"),
    Setting("ingest.client_id", "ingest"),
    Setting("ingest.workers", 1, bounds=(1, 64)),
    Setting("ingest.window_messages", 15_000, bounds=(1, 65_535)),
    Setting("ingest.foreign_topics", "profiles", check=_topics),
    Setting("web.host", "127.0.0.1"),
    Setting("web.port", 8000, bounds=(1, 65_535)),
    Setting("web.public_url", "", check=_web_address),
    Setting("web.requests_per_minute", REQUESTS_PER_MINUTE, bounds=(1, 1_000_000)),
    Setting("oidc.issuer", "", check=_issuer),
    Setting("oidc.client_id", ""),
    Setting("oidc.client_secret", ""),
    Setting("oidc.name", "OpenID"),
    Setting("oidc.scopes", "openid email"),
    Setting("oidc.mail_domains", "", check=_domains),
    Setting("oidc.trust_mail", default=False),
    Setting("oidc.groups_claim", "groups"),
    *(Setting(f"oidc.{role}_groups", "") for role in GROUP_ROLES),
    Setting("oidc.only_for", "", check=_roles),
    Setting("sms.carriers", "phone"),
    Setting("sms.price_gnf", PRICE_GNF, bounds=(0, 100_000)),
    Setting("backup.folder", "", check=_whole_path),
    Setting("backup.key_file", "", check=_whole_path),
    Setting("backup.paths", "", check=_whole_paths),
    Setting("backup.at", "", check=_daytime),
    Setting("watch.ping_url", "", check=_web_address),
    Setting("watch.phones", "", check=_phones),
    Setting("watch.language", "fr", choices=("fr", "en")),
    Setting("watch.alive_at", "", check=_daytime),
    Setting("watch.mail_url", "", check=_mail_url),
    Setting("watch.mail_from", "", check=_mailboxes),
    Setting("watch.mailboxes", "", check=_mailboxes),
    *(
        Setting(f"retention.{key}_days", days, bounds=(0, 36_500))
        for key, days in (("raw", 90), ("sms", 730), ("set_aside", 365), ("traces", 180))
    ),
    Setting("log.level", "info", choices=("debug", "info", "warning", "error")),
    Setting("log.form", "plain", choices=("plain", "json")),
    Setting("instance", "", check=_instance),
    Setting("clock", "system", check=_clock),
    Setting("demo", default=False),
)


# What a file of variables may hold of ours: a missing secret of a route or a webhook stops the start anyway.
VARIABLES = (*(setting.variable for setting in SETTINGS), "NDIYAN_PG_BIN", "NDIYAN_MOSQUITTO")
OF_A_TABLE = re.compile(r"NDIYAN_(SMS|WEBHOOKS)_[A-Z0-9_]+_[A-Z0-9]+")


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings with their values; attributes are the keys with `_` for the dot.

    `carriers` are the SMS routes, `carriers_off` those that have a table and no place in `sms.carriers`, `file` is
    where it all was read.
    """

    database_url: str
    database_replica_url: str
    mqtt_url: str
    mqtt_operator_url: str
    broker_folder: str
    broker_reload: str
    broker_public_url: str
    broker_certificate_url: str
    broker_authority: str
    broker_authority_key: str
    ingest_client_id: str
    ingest_workers: int
    ingest_window_messages: int
    ingest_foreign_topics: str
    web_host: str
    web_port: int
    web_public_url: str
    web_requests_per_minute: int
    oidc_issuer: str
    oidc_client_id: str
    oidc_client_secret: str = field(repr=False)
    oidc_name: str
    oidc_scopes: str
    oidc_mail_domains: str
    oidc_trust_mail: bool
    oidc_groups_claim: str
    oidc_viewer_groups: str
    oidc_engineer_groups: str
    oidc_administrator_groups: str
    oidc_only_for: str
    sms_carriers: str
    sms_price_gnf: int
    backup_folder: str
    backup_key_file: str
    backup_paths: str
    backup_at: str
    watch_ping_url: str
    watch_phones: str
    watch_language: str
    watch_alive_at: str
    watch_mail_url: str
    watch_mail_from: str
    watch_mailboxes: str
    retention_raw_days: int
    retention_sms_days: int
    retention_set_aside_days: int
    retention_traces_days: int
    log_level: str
    log_form: str
    instance: str
    clock: str
    demo: bool
    carriers: tuple[CarrierConfig, ...] = field(default=(), kw_only=True)
    carriers_off: tuple[str, ...] = field(default=(), kw_only=True)
    webhooks: tuple[WebhookConfig, ...] = field(default=(), kw_only=True)
    file: Path | None = field(default=None, kw_only=True, compare=False)

    @property
    def reads_own_profiles(self) -> bool:
        """Whether ingest reads the topics of all profiles, the operator's own as well."""
        return self.ingest_foreign_topics == "profiles"

    @property
    def foreign_topics(self) -> tuple[str, ...]:
        """What ingest reads besides our own topics: what profiles read, nothing, or what is set."""
        if self.ingest_foreign_topics == "profiles":
            return topics_of(shipped_profiles())
        return () if self.ingest_foreign_topics == "none" else tuple(self.ingest_foreign_topics.split())

    def required(self, key: str) -> str:
        """The text set for `key`; `SettingsError` when it is not set."""
        value = getattr(self, key.replace(".", "_"))
        if not value:
            setting = next(setting for setting in SETTINGS if setting.key == key)
            table, _, name = key.rpartition(".")
            raise SettingsError(
                f"{key} is not set: write {name} under [{table}] in ndiyan.toml or set {setting.variable}"
            )
        return str(value)

    def mqtt(self) -> MqttSettings:
        """How to reach the broker."""
        return MqttSettings.from_url(self.required("mqtt.url"))

    def mqtt_operator(self) -> MqttSettings | None:
        """How the operator's tools reach the broker, None when it is not set."""
        return MqttSettings.from_url(self.mqtt_operator_url) if self.mqtt_operator_url else None

    def provider(self) -> ProviderConfig | None:
        """The OpenID provider where people may log in, None when none is set.

        Raises
        ------
        SettingsError : it is set, and what we are to it or whom we let in is not
        """
        if not self.oidc_issuer:
            return None
        groups = {
            group.strip(): role
            for role in GROUP_ROLES
            for group in getattr(self, f"oidc_{role}_groups").split(",")
            if group.strip()
        }
        if not groups:
            raise SettingsError("oidc.issuer is set and no group is let in: set oidc.viewer_groups or one of its like")
        return ProviderConfig(
            self.oidc_issuer, self.required("oidc.client_id"), self.required("oidc.client_secret"), self.oidc_name,
            self.oidc_scopes, tuple(self.required("oidc.mail_domains").split()), self.oidc_groups_claim, groups,
            self.oidc_trust_mail, frozenset(map(Role, self.oidc_only_for.split())),
        )  # fmt: skip

    def backup(self) -> BackupConfig:
        """Where backups go, and what closes them.

        Raises
        ------
        SettingsError : no folder is set, or the key's file holds none
        """
        from ndiyan.backup import BackupConfig

        paths = tuple(map(Path, self.backup_paths.split()))
        return BackupConfig(Path(self.required("backup.folder")), self.backup_key(), paths)

    def backup_key(self) -> pyrage.x25519.Identity | None:
        """What closes and opens backups, None when nothing does; `SettingsError` when its file holds no key."""
        from ndiyan.sealing import read_key

        return read_key(Path(self.backup_key_file)) if self.backup_key_file else None

    def watch(self) -> WatchConfig:
        """Whom the keeper tells, and where it shows that all is well.

        Raises
        ------
        SettingsError : there are mailboxes, and no mail server or no sender
        """
        from ndiyan.keeper import WatchConfig

        alive_at = time.fromisoformat(self.watch_alive_at) if self.watch_alive_at else None
        mailboxes = tuple(self.watch_mailboxes.split())
        mail = None
        if mailboxes:
            try:
                mail = MailServer.from_url(self.required("watch.mail_url"), sender=self.watch_mail_from)
            except ValueError as error:
                raise SettingsError(f"watch.mail_from: {error}") from None
        return WatchConfig(
            self.watch_ping_url, tuple(self.watch_phones.split()), self.watch_language, alive_at, mail, mailboxes
        )

    def retention(self) -> Retention:
        """How many days what is let go of is kept."""
        return {
            "raw": self.retention_raw_days, "sms": self.retention_sms_days,
            "set_aside": self.retention_set_aside_days, "traces": self.retention_traces_days,
        }  # fmt: skip

    def log(self) -> LogConfig:
        """How much the logs tell, and how."""
        from ndiyan.logs import LogConfig

        return LogConfig(self.log_level, self.log_form)

    @property
    def public_url(self) -> str:
        """The address that people type."""
        return self.web_public_url or f"http://{self.web_host}:{self.web_port}"

    def make_clock(self) -> Clock:
        """The clock that everything in this process is given."""
        return clock_from_spec(self.clock)


def settings_file(environment: Mapping[str, str] = os.environ) -> Path | None:
    """Where settings are read from unless a file is given: NDIYAN_SETTINGS, else the first of `PLACES` that exists."""
    if named := environment.get("NDIYAN_SETTINGS"):
        return Path(named)
    return next((place for place in PLACES if place.is_file() and (place.is_absolute() or _is_trusted(place))), None)


def _is_trusted(place: Path) -> bool:
    """Whether a file in the folder where somebody stands may say what is run: as root, only one of root's own."""
    beside = (place, place.with_name(SECRETS))
    return os.geteuid() != 0 or all(one.lstat().st_uid == 0 for one in beside if one.exists())


def service_file(service: str) -> str:
    """What only this service reads, beside the settings file: how it reaches the database under its own role."""
    return f"ndiyan-{service}.env"


def load_settings(
    file: Path | None = None, environment: Mapping[str, str] = os.environ, *, service: str = ""
) -> Settings:
    """Read the file (given, else as `settings_file` finds it), `secrets.env` beside it and the environment; it wins.

    A service reads its own file as well, with its address of the database (`ndiyan/roles.py`), which counts before
    `secrets.env`.

    Raises
    ------
    SettingsError : unreadable, not TOML, or a key is unknown, of the wrong kind or out of bounds
    """
    file = file or settings_file(environment)
    values, routes, hooks = ({}, {}, {}) if file is None else _from_file(file)
    for name in (*([service_file(service)] if service else []), SECRETS):
        environment = {**({} if file is None else read_secrets(file.with_name(name))), **environment}
    for setting in SETTINGS:
        if setting.variable in environment:
            values[setting.key] = _from_text(setting, environment[setting.variable])
    found = {setting.attribute: values.get(setting.key, setting.default) for setting in SETTINGS}
    try:
        carriers = tuple(read_carriers(found["sms_carriers"], routes, environment))
        webhooks = read_webhooks(hooks, environment)
    except (CarrierRefused, WebhookRefused) as error:
        raise SettingsError(f"{file}: {error}" if file else str(error)) from error
    off = tuple(sorted(routes.keys() - {route.name for route in carriers}))
    return Settings(**found, carriers=carriers, carriers_off=off, webhooks=webhooks, file=file)


def read_secrets(file: Path) -> dict[str, str]:
    """Variables as systemd reads them from a file: `NAME=value`, quotes around it if need be.

    Where we may not read it, systemd did before it started us. What else the services have of it, as HTTPS_PROXY, is
    passed over; what looks like one of ours and is none is refused.

    Raises
    ------
    SettingsError : unreadable, a line is no assignment, or nothing is set by that name
    """
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except (FileNotFoundError, PermissionError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: {error}") from error
    found = {}
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith(("#", ";")):
            continue
        name, has_value, value = line.partition("=")
        name, value = name.strip(), value.strip()
        if not has_value or not name.isidentifier():
            raise SettingsError(f"{file}: line {number} is no NAME=value")
        if name not in VARIABLES and not OF_A_TABLE.match(name):
            likely = get_close_matches(name, VARIABLES, 1, cutoff=0.85)
            if likely or name.startswith("NDIYAN_"):
                raise SettingsError(
                    f"{file}: line {number}: {name} sets nothing{''.join(f': {one}?' for one in likely)}"
                )
        is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
        found[name] = value[1:-1] if is_quoted else value
    return found


def _from_file(file: Path) -> tuple[dict[str, Any], dict[str, dict[str, object]], dict[str, object]]:
    """The settings of a file by key, and the tables of its SMS routes and of its webhooks by name."""
    tables = read_toml(file, SettingsError)
    known = {setting.key: setting for setting in SETTINGS}
    values: dict[str, Any] = {}
    hooks = tables.pop("webhooks", {})
    if not isinstance(hooks, dict):
        raise SettingsError(f"{file}: webhooks: {hooks!r} is no table of webhooks")
    sms = tables.get("sms", {})
    routes = {name: table for name, table in sms.items() if isinstance(table, dict)} if isinstance(sms, dict) else {}
    if routes:
        tables["sms"] = {key: value for key, value in sms.items() if key not in routes}
    for name, content in tables.items():
        if content == {} and any(key.startswith(f"{name}.") for key in known):
            continue  # all its lines are comments, or [sms.NAME] stands alone
        found = {f"{name}.{key}": value for key, value in content.items()} if isinstance(content, dict) else {}
        for key, value in (found or {name: content}).items():
            if key not in known:
                raise SettingsError(f"{file}: {key} is no setting; known are {', '.join(known)}")
            values[key] = _checked(known[key], value, f"{file}: {key}")
    return values, routes, hooks


def _from_text(setting: Setting, text: str) -> str | int | bool:
    value: str | int | bool = text
    if isinstance(setting.default, bool):
        value = {"true": True, "1": True, "false": False, "0": False, "": False}.get(text.lower(), text)
    elif isinstance(setting.default, int) and (number := whole(text)) is not None:
        value = number
    return _checked(setting, value, setting.variable)


def _checked(setting: Setting, value: object, where: str) -> str | int | bool:
    kind = {bool: "true or false", int: "a whole number", str: "a text"}[type(setting.default)]
    if not isinstance(value, bool | int | str) or type(value) is not type(setting.default):
        raise SettingsError(f"{where}: {value!r} is not {kind}")
    if isinstance(value, int) and setting.bounds and not setting.bounds[0] <= value <= setting.bounds[1]:
        low, high = setting.bounds
        raise SettingsError(f"{where}: {value} is {'below' if value < low else 'above'} {low if value < low else high}")
    if setting.choices and value not in setting.choices:
        raise SettingsError(f"{where}: {value!r} is none of {', '.join(setting.choices)}")
    if setting.check and isinstance(value, str) and value:
        try:
            setting.check(value)
        except ValueError as error:
            raise SettingsError(f"{where}: {error}") from error
    return value
