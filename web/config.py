"""Settings of the pages and the API; the entry point makes them and hands them down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from alerts.carriers.doors import Door
from alerts.config import PRICE_GNF

REQUESTS_PER_MINUTE = 600  # the API's default, for each key


@dataclass(frozen=True, slots=True)
class BreakableFault:
    """A fault that the page "break something" offers, with its words in both languages."""

    fault: str
    fr: str
    en: str
    fr_hint: str
    en_hint: str


@dataclass(frozen=True, slots=True)
class WebConfig:
    """What the web service needs to know.

    `demo` opens the on-screen phone and "break something"; `breakable` lists the faults offered there.
    `public_url` is the address that people type; https there makes cookies `Secure`. `login_command` is what
    the log-in page tells people to run when they need a new link. `doors` are those of the SMS routes, by name;
    `price_gnf` is what one segment costs. `requests_per_minute` are allowed to each key and session of the API.
    """

    database_url: str
    demo: bool
    breakable: tuple[BreakableFault, ...] = ()
    public_url: str = "http://127.0.0.1:8000"
    login_command: str = "ndiyan web login-link"
    doors: Mapping[str, Door] = field(default_factory=dict)
    price_gnf: float = PRICE_GNF
    requests_per_minute: int = REQUESTS_PER_MINUTE

    @property
    def is_https(self) -> bool:
        """Whether people reach us over TLS."""
        return self.public_url.startswith("https://")

    @property
    def origin(self) -> str:
        """Scheme, host and port of `public_url`, as browsers write an origin."""
        parts = urlsplit(self.public_url)
        return f"{parts.scheme}://{parts.netloc}"
