"""From settings to routes. Without a word in the settings there is the on-screen phone alone: nothing leaves."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from alerts.carriers import Carrier, IsOurs
from alerts.carriers.android import AndroidConfig, AndroidRoute
from alerts.carriers.doors import Door
from alerts.carriers.gammu import GammuCarrier, GammuConfig
from alerts.carriers.http import HttpConfig, HttpRoute
from alerts.carriers.options import Options
from alerts.carriers.orange import OrangeConfig, OrangeRoute
from alerts.carriers.over_http import HttpCarrier, Route
from alerts.carriers.phone import PhoneCarrier
from alerts.carriers.smpp import SmppCarrier
from alerts.carriers.smpp_config import SmppConfig
from alerts.errors import CarrierRefused
from gateway.clock import Clock
from ingest.db import Connection

NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")


@dataclass(frozen=True, slots=True)
class PhoneConfig:
    """The on-screen phone; it has nothing to set."""

    name: str

    @classmethod
    def from_table(cls, name: str, table: Mapping[str, object], environment: Mapping[str, str]) -> PhoneConfig:
        """Read `[sms.NAME]`, which holds its kind alone."""
        Options(name, table, environment).end()
        return cls(name)


CarrierConfig = PhoneConfig | SmppConfig | GammuConfig | AndroidConfig | OrangeConfig | HttpConfig
KINDS: dict[str, type[CarrierConfig]] = {
    "phone": PhoneConfig, "smpp": SmppConfig, "gammu": GammuConfig, "android": AndroidConfig, "orange": OrangeConfig,
    "http": HttpConfig,
}  # fmt: skip


def read_carriers(
    names: str, tables: Mapping[str, Mapping[str, object]], environment: Mapping[str, str]
) -> list[CarrierConfig]:
    """The routes in the order in which they are tried; a table whose name is not listed is switched off.

    Raises
    ------
    CarrierRefused : a route has no table, or its table is refused; the message names key, value and bound
    """
    wanted = names.split()
    if not wanted:
        raise CarrierRefused("sms.carriers: '' names no route")
    for name in wanted:
        if not NAME.fullmatch(name):
            raise CarrierRefused(f"sms.carriers: {name!r} is no name (small letters, digits and -, at most 20)")
        if wanted.count(name) > 1:
            raise CarrierRefused(f"sms.carriers: {name!r} stands twice")
    return [_read(name, tables, environment) for name in wanted]


def open_carrier(
    config: CarrierConfig, connection: Connection, clock: Clock, *, wake: Callable[[], None], is_ours: IsOurs
) -> Carrier:
    """A route over the sender's connection; it calls `wake` when something came, and sends only what `is_ours`."""
    match config:
        case PhoneConfig():
            return PhoneCarrier(connection, clock)
        case SmppConfig():
            return SmppCarrier(config, connection, clock, wake=wake, is_ours=is_ours)
        case GammuConfig():
            return GammuCarrier(config, connection, clock)
        case AndroidConfig():
            route: Route = AndroidRoute(config)
        case OrangeConfig():
            route = OrangeRoute(config)
        case HttpConfig():
            route = HttpRoute(config, clock)
    return HttpCarrier(config.name, route, connection, clock, wake=wake, is_ours=is_ours)


def doors(configs: list[CarrierConfig]) -> dict[str, Door]:
    """The doors of the routes that tell us something over HTTP."""
    found = {}
    for config in configs:
        if isinstance(config, AndroidConfig):
            found[config.name] = Door(config.name, config.signing_key, is_signed=True)
        elif isinstance(config, OrangeConfig | HttpConfig):
            found[config.name] = Door(config.name, config.webhook_secret)
    return found


def _read(name: str, tables: Mapping[str, Mapping[str, object]], environment: Mapping[str, str]) -> CarrierConfig:
    table = tables.get(name)
    if table is None and name == "phone":
        return PhoneConfig(name)
    if table is None:
        raise CarrierRefused(f"sms.carriers: there is no table [sms.{name}]")
    kind = Options(name, table, environment).text("kind", choices=KINDS)
    return KINDS[kind].from_table(name, table, environment)
