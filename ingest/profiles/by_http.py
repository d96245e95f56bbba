"""Messages that network servers send by HTTP: on the topic on which they would have come by MQTT. Pure, no I/O.

So a message is read by the same profile whichever way it came, and what came both ways is stored once.
"""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Any

UNTOLD = "-"  # the level of a topic that the message does not tell


class Server(StrEnum):
    """Who sends."""

    THE_THINGS_STACK = "the-things-stack"
    CHIRPSTACK = "chirpstack"


TOPICS = {
    Server.THE_THINGS_STACK: (
        "v3/{0}/devices/{1}/up",
        (("end_device_ids", "application_ids", "application_id"), ("end_device_ids", "device_id")),
    ),
    Server.CHIRPSTACK: (
        "application/{0}/device/{1}/event/up",
        (("deviceInfo", "applicationId"), ("deviceInfo", "devEui")),
    ),
}  # a server's topic of an uplink, and where its levels stand in the message


def topic_of(server: Server, payload: bytes) -> str:
    """The topic of an uplink; what cannot be read has one too, on which it is set aside."""
    try:
        message = json.loads(payload)
    except (ValueError, RecursionError):
        message = None
    form, paths = TOPICS[server]
    return form.format(*(_level(message, path) for path in paths))


def _level(message: Any, path: tuple[str, ...]) -> str:
    for key in path:
        message = message.get(key) if isinstance(message, dict) else None
    is_level = isinstance(message, str) and message and not set(message) & set("/+#\x00")
    return message[:100] if is_level else UNTOLD
