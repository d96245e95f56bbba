"""From settings to the configurations of routes. Without a word in the settings there is the on-screen phone alone:
nothing leaves. `opening` makes routes of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias

from alerts.carriers.options import Options
from alerts.errors import CarrierRefused

if TYPE_CHECKING:
    from alerts.carriers.android import AndroidConfig
    from alerts.carriers.gammu import GammuConfig
    from alerts.carriers.http import HttpConfig
    from alerts.carriers.orange import OrangeConfig
    from alerts.carriers.smpp_config import SmppConfig

    CarrierConfig: TypeAlias = "PhoneConfig | SmppConfig | GammuConfig | AndroidConfig | OrangeConfig | HttpConfig"

NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")
# Imported when a table names its kind: every service reads the settings, and those that send nothing do without the
# libraries of HTTP and SMPP.
KINDS = {
    "phone": ("alerts.carriers.registry", "PhoneConfig"), "smpp": ("alerts.carriers.smpp_config", "SmppConfig"),
    "gammu": ("alerts.carriers.gammu", "GammuConfig"), "android": ("alerts.carriers.android", "AndroidConfig"),
    "orange": ("alerts.carriers.orange", "OrangeConfig"), "http": ("alerts.carriers.http", "HttpConfig"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class PhoneConfig:
    """The on-screen phone; it has nothing to set."""

    name: str

    @classmethod
    def from_table(cls, name: str, table: Mapping[str, object], environment: Mapping[str, str]) -> PhoneConfig:
        """Read `[sms.NAME]`, which holds its kind alone."""
        Options(name, table, environment).end()
        return cls(name)


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


def _read(name: str, tables: Mapping[str, Mapping[str, object]], environment: Mapping[str, str]) -> CarrierConfig:
    table = tables.get(name)
    if table is None and name == "phone":
        return PhoneConfig(name)
    if table is None:
        raise CarrierRefused(f"sms.carriers: there is no table [sms.{name}]")
    kind = Options(name, table, environment).text("kind", choices=KINDS)
    module, config = KINDS[kind]
    found: CarrierConfig = getattr(import_module(module), config).from_table(name, table, environment)
    return found
