"""Settings of the pages and the API; the entry point makes them and hands them down."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from urllib.parse import urlsplit

from alerts.carriers.doors import Door
from alerts.config import PRICE_GNF
from web.rights import Role

REQUESTS_PER_MINUTE = 600  # the API's default, for each key


@dataclass(frozen=True, slots=True)
class BreakableFault:
    """A fault that the page "break something" offers, with its words in both languages.

    `only_in` are the zones that have what it strikes.
    """

    fault: str
    fr: str
    en: str
    fr_hint: str
    en_hint: str
    only_in: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProviderConfig:
    """The OpenID provider where people may log in, and whom we let in from there.

    Attributes
    ----------
    issuer : its address, as it writes it itself
    client_id, client_secret : what it knows us by
    name : what people call it
    scopes : what we ask it to tell, with spaces between
    mail_domains : domains of the addresses that are let in
    groups_claim : the claim that has a person's groups
    groups : the role that each group has, at most
    trusts_mail : an address counts although the provider does not say that it is verified
    only_for : roles that come in by it alone
    """

    issuer: str
    client_id: str
    client_secret: str = field(repr=False)
    name: str
    scopes: str
    mail_domains: tuple[str, ...]
    groups_claim: str
    groups: Mapping[str, Role]
    trusts_mail: bool = False
    only_for: frozenset[Role] = frozenset()


@dataclass(frozen=True, slots=True)
class WebConfig:
    """What the web service needs to know.

    `demo` opens the on-screen phone and "break something"; `breakable` lists the faults offered there.
    `public_url` is the address that people type; https there makes cookies `Secure`. `login_command` is what
    the log-in page tells people to run when they need a new link. `doors` are those of the SMS routes, by name;
    `price_gnf` is what one segment costs. `requests_per_minute` are allowed to each key and session of the API.
    `provider` is where people may log in besides.
    `replica_url` is a copy of the database for reads that bear to be a little behind.
    """

    database_url: str
    demo: bool
    breakable: tuple[BreakableFault, ...] = ()
    public_url: str = "http://127.0.0.1:8000"
    login_command: str = "ndiyan web login-link"
    doors: Mapping[str, Door] = field(default_factory=dict)
    price_gnf: float = PRICE_GNF
    requests_per_minute: int = REQUESTS_PER_MINUTE
    provider: ProviderConfig | None = None
    replica_url: str = ""

    @property
    def only_by_provider(self) -> frozenset[Role]:
        """Roles that come in by the OpenID provider alone."""
        return self.provider.only_for if self.provider else frozenset()

    @property
    def is_https(self) -> bool:
        """Whether people reach us over TLS."""
        return self.public_url.startswith("https://")

    @property
    def origin(self) -> str:
        """Scheme, host and port of `public_url`, as browsers write an origin."""
        parts = urlsplit(self.public_url)
        return f"{parts.scheme}://{parts.netloc}"


def is_safe_address(address: str) -> bool:
    """Whether what travels there cannot be read on the way: https, or this machine."""
    parts = urlsplit(address)
    if parts.scheme == "http" and parts.hostname:
        try:
            return parts.hostname == "localhost" or ip_address(parts.hostname).is_loopback
        except ValueError:
            return False
    return parts.scheme == "https" and bool(parts.hostname)
