"""A stand-in for mosquitto: the broker of the wheel `amqtt` with our users. MQTT 3.1.1, queues in memory only.

Run as `python -m ndiyan.python_broker FILE`, where FILE holds {"ports": […], "users": [{name, password, write, read}]}.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from amqtt.broker import Broker
from amqtt.contexts import Action, BrokerConfig, ListenerConfig
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin

from ndiyan.identities import covers


class KnownUsers(BaseAuthPlugin):  # type: ignore[misc] # amqtt has no types
    """Lets in whoever has the right password."""

    @dataclass
    class Config:
        """`users`: name to password."""

        users: dict[str, str] = field(default_factory=dict)

    async def authenticate(self, *, session: Any) -> bool:
        known = self.config.users.get(session.username or "")
        return known is not None and hmac.compare_digest(known.encode(), (session.password or "").encode())


class OwnTopics(BaseTopicPlugin):  # type: ignore[misc] # amqtt has no types
    """Lets each user publish and receive only under its own filters."""

    @dataclass
    class Config:
        """`write` and `read`: name to topic filters."""

        write: dict[str, list[str]] = field(default_factory=dict)
        read: dict[str, list[str]] = field(default_factory=dict)

    async def topic_filtering(self, *, session: Any = None, topic: str | None = None, action: Any = None) -> bool:
        if session is None or topic is None:
            return False
        table = self.config.write if action == Action.PUBLISH else self.config.read
        return any(covers(allowed, topic) for allowed in table.get(session.username or "", ()))


async def serve(config: dict[str, Any]) -> None:
    """Run until SIGTERM or SIGINT."""
    users = config["users"]
    plugins = {
        f"{__spec__.name}.KnownUsers": {"users": {user["name"]: user["password"] for user in users}},
        f"{__spec__.name}.OwnTopics": {
            "write": {user["name"]: user["write"] for user in users},
            "read": {user["name"]: user["read"] for user in users},
        },
    }
    listeners = {
        "default" if n == 0 else f"listener-{n}": ListenerConfig(bind=f"127.0.0.1:{port}")
        for n, port in enumerate(config["ports"])
    }
    broker = Broker(BrokerConfig(listeners=listeners, plugins=plugins))
    ended = asyncio.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(ending, ended.set)
    await broker.start()
    await ended.wait()
    await broker.shutdown()


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(serve(json.loads(Path(sys.argv[1]).read_text("utf-8"))))
