"""The webhooks of the settings: `[webhooks.NAME]`, and each secret from the environment."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from alerts.errors import WebhookRefused

NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")
ENCODED = "whsec_"  # such a secret is base64
SHORTEST_SECRET = 24  # Standard Webhooks: 24 to 64 bytes


@dataclass(frozen=True, slots=True)
class WebhookConfig:
    """One program that is told: where it listens and the secret that it shares with us."""

    name: str
    url: str
    secret: str = field(repr=False)


def read_webhooks(tables: Mapping[str, object], environment: Mapping[str, str]) -> tuple[WebhookConfig, ...]:
    """The webhooks of `[webhooks.NAME]`; each secret comes from NDIYAN_WEBHOOKS_NAME_SECRET.

    Raises
    ------
    WebhookRefused : names key, value and bound
    """
    return tuple(_read(name, table, environment) for name, table in tables.items())


def _read(name: str, table: object, environment: Mapping[str, str]) -> WebhookConfig:
    if not NAME.fullmatch(name):
        raise WebhookRefused(f"webhooks: {name!r} is no name (small letters, digits and -, at most 20)")
    if not isinstance(table, dict) or table.keys() != {"url"}:
        raise WebhookRefused(f"webhooks.{name}: it has one key, url")
    url = table["url"]
    if not isinstance(url, str) or urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise WebhookRefused(f"webhooks.{name}.url: {url!r} does not begin with http://HOST or https://HOST")
    variable = f"NDIYAN_WEBHOOKS_{name.upper().replace('-', '_')}_SECRET"
    secret = environment.get(variable, "")
    try:
        key = key_of(secret)
    except binascii.Error as error:
        raise WebhookRefused(f"{variable}: what follows {ENCODED} is not base64 ({error})") from error
    if len(key) < SHORTEST_SECRET:
        raise WebhookRefused(f"{variable}: the secret has {len(key)} bytes, fewer than {SHORTEST_SECRET}")
    return WebhookConfig(name, url, secret)


def key_of(secret: str) -> bytes:
    """The bytes that a secret stands for; one that begins with `whsec_` is base64."""
    encoded = secret.removeprefix(ENCODED)
    return secret.encode() if encoded == secret else base64.b64decode(encoded, validate=True)
