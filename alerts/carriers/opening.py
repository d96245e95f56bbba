"""From the configurations of routes to the routes themselves, and to the doors by which they tell us something."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from alerts.carriers import Carrier, IsOurs
from alerts.carriers.android import AndroidConfig, AndroidRoute
from alerts.carriers.doors import Door
from alerts.carriers.gammu import GammuCarrier, GammuConfig
from alerts.carriers.http import HttpConfig, HttpRoute
from alerts.carriers.orange import OrangeConfig, OrangeRoute
from alerts.carriers.over_http import HttpCarrier, Route
from alerts.carriers.phone import PhoneCarrier
from alerts.carriers.registry import PhoneConfig
from alerts.carriers.smpp import SmppCarrier
from alerts.carriers.smpp_config import SmppConfig
from gateway.clock import Clock
from ingest.db import Connection

if TYPE_CHECKING:
    from alerts.carriers.registry import CarrierConfig


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


def doors(configs: Iterable[CarrierConfig]) -> dict[str, Door]:
    """The doors of the routes that tell us something over HTTP."""
    found = {}
    for config in configs:
        if isinstance(config, AndroidConfig):
            found[config.name] = Door(config.name, config.signing_key, is_signed=True)
        elif isinstance(config, OrangeConfig | HttpConfig):
            found[config.name] = Door(config.name, config.webhook_secret)
    return found
