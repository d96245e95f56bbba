"""The OpenID provider where people log in, if the operator has one: there and back again, and who they are there.

Authlib speaks OpenID Connect (authorization code with PKCE, state and nonce). What it leaves to its users stands here:
that the document of discovery is of the very issuer that is set, that the issuer and the audience of a token are
compared, and that only signatures count which the provider alone can make.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import httpx2
from authlib.common.errors import AuthlibBaseError
from authlib.integrations.base_client import BaseApp
from authlib.integrations.base_client.sync_app import OAuth2Mixin
from authlib.integrations.base_client.sync_openid import OpenIDMixin
from authlib.integrations.httpx_client import OAuth2Client
from joserfc.errors import JoseError

from gateway.clock import uptime_s
from web.config import ProviderConfig, is_safe_address
from web.errors import SignOnRefusal, SignOnRefused

DISCOVERY = "/.well-known/openid-configuration"
ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
SIGNATURES = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512")
"""With a key pair. A shared secret is ours as well, and `none` is no signature."""
TIMEOUT_S = 10.0
ASKED_AGAIN_AFTER_S = 15.0
LEEWAY_S = 60  # between the provider's clock and ours


@dataclass(frozen=True, slots=True)
class Trip:
    """What a browser keeps of the way to the provider, so that only it can come back by it."""

    state: str
    nonce: str
    verifier: str


class Provider:
    """One provider as one client of it; `redirect_uri` is the one address of ours to which it sends people back."""

    def __init__(self, config: ProviderConfig, redirect_uri: str) -> None:
        self.config = config
        self._redirect_uri = redirect_uri
        self._known: _Client | None = None
        self._refusal: SignOnRefusal | None = None  # what the last question came to
        self._asked_again_s = float("-inf")
        self._lock = threading.Lock()

    def depart(self) -> tuple[str, Trip]:
        """The address at the provider where somebody logs in, and what their browser keeps meanwhile.

        Raises
        ------
        SignOnRefused : the provider does not answer, or is not as it must be
        """
        made = self._client().create_authorization_url(self._redirect_uri)
        return made["url"], Trip(made["state"], made["nonce"], made["code_verifier"])

    def arrive(self, trip: Trip | None, answer: Mapping[str, str]) -> Mapping[str, Any]:
        """What the provider says of the person who comes back with `answer`, its parameters in our address.

        Raises
        ------
        SignOnRefused : with the reason
        """
        if trip is None or answer.get("state") != trip.state:
            raise SignOnRefused(SignOnRefusal.STRAYED, "no log-in of this browser has this state")
        if answer.get("iss", self.config.issuer) != self.config.issuer:
            raise SignOnRefused(SignOnRefusal.TOKEN, f"the answer is of the issuer {answer['iss']!r}")
        if "code" not in answer:
            refusal = SignOnRefusal.DENIED if answer.get("error") == "access_denied" else SignOnRefusal.SETUP
            raise SignOnRefused(refusal, f"{answer.get('error')}: {answer.get('error_description')}")
        client = self._client()
        try:
            token = client.fetch_access_token(
                self._redirect_uri, code=answer["code"], code_verifier=trip.verifier
            )  # fmt: skip
        except AuthlibBaseError as error:
            raise SignOnRefused(SignOnRefusal.SETUP, str(error)) from error
        except (httpx2.HTTPError, ValueError) as error:
            raise SignOnRefused(SignOnRefusal.AWAY, str(error)) from error
        return self._claims(client, token, trip)

    def goodbye(self, to: str) -> str | None:
        """The address at the provider where people log out there as well, and then come to `to`; None: it has none,
        or nobody has logged in by it since we started."""
        ends = self._known and self._known.server_metadata.get("end_session_endpoint")
        if not ends or not is_safe_address(ends):
            return None
        return f"{ends}?{urlencode({'client_id': self.config.client_id, 'post_logout_redirect_uri': to})}"

    def _claims(self, client: _Client, token: Mapping[str, Any], trip: Trip) -> Mapping[str, Any]:
        wanted = {
            "iss": {"essential": True, "value": self.config.issuer},
            "aud": {"essential": True, "value": self.config.client_id},
        }
        try:
            claims = client.parse_id_token(token, trip.nonce, claims_options=wanted, leeway=LEEWAY_S)
        except httpx2.HTTPError as error:
            raise SignOnRefused(SignOnRefusal.AWAY, str(error)) from error
        except (JoseError, AuthlibBaseError, ValueError) as error:
            raise SignOnRefused(SignOnRefusal.TOKEN, str(error)) from error
        if claims is None:
            raise SignOnRefused(SignOnRefusal.TOKEN, "the answer has no id_token")
        found: Mapping[str, Any] = claims
        return found if {"email", self.config.groups_claim} <= found.keys() else self._more(client, token, found)

    def _more(self, client: _Client, token: Mapping[str, Any], claims: Mapping[str, Any]) -> Mapping[str, Any]:
        """The claims with those that the provider tells at its other address alone (OpenID Connect Core, 5.4)."""
        if not is_safe_address(client.server_metadata.get("userinfo_endpoint", "")):
            return claims
        try:
            told = client.userinfo(token=token)
        except (httpx2.HTTPError, AuthlibBaseError, ValueError) as error:
            raise SignOnRefused(SignOnRefusal.AWAY, str(error)) from error
        if told.get("sub") != claims["sub"]:
            raise SignOnRefused(SignOnRefusal.TOKEN, "what it tells besides is of another person")
        return {**told, **claims}

    def _client(self) -> _Client:
        """Asks the provider the first time. One that does not answer is left alone for a while: who waits behind the
        first that asked must not wait as long again, one after the other."""
        with self._lock:
            if self._refusal is not None and uptime_s() < self._asked_again_s:
                raise SignOnRefused(self._refusal, f"so it was within the last {ASKED_AGAIN_AFTER_S:.0f} s")
            if self._known is None:
                try:
                    self._known = _client_of(self.config, discover(self.config.issuer))
                except SignOnRefused as error:
                    self._refusal, self._asked_again_s = error.reason, uptime_s() + ASKED_AGAIN_AFTER_S
                    raise
            return self._known


class _Client(OAuth2Mixin, OpenIDMixin, BaseApp):  # type: ignore[misc]  # Authlib has no types
    """Authlib's client without a web framework: pages are answered in threads, so it need not be asynchronous."""

    client_cls = OAuth2Client


def _client_of(config: ProviderConfig, document: Mapping[str, Any]) -> _Client:
    how = document.get("token_endpoint_auth_methods_supported", ["client_secret_basic"])
    return _Client(
        None, client_id=config.client_id, client_secret=config.client_secret,
        client_kwargs={
            "scope": config.scopes, "code_challenge_method": "S256", "timeout": TIMEOUT_S,
            "token_endpoint_auth_method":
                "client_secret_basic" if "client_secret_basic" in how else "client_secret_post",
        },
        **document,
    )  # fmt: skip


def discover(issuer: str) -> dict[str, Any]:
    """What the provider tells of itself, held against what we ask of one.

    Raises
    ------
    SignOnRefused : it does not answer, is another issuer, lacks an address, or signs only with what we do not take
    """
    address = issuer.rstrip("/") + DISCOVERY
    try:
        document = httpx2.get(address, timeout=TIMEOUT_S).raise_for_status().json()
    except (httpx2.HTTPError, ValueError) as error:
        raise SignOnRefused(SignOnRefusal.AWAY, f"{address}: {error}") from error
    if not isinstance(document, dict) or document.get("issuer") != issuer:
        said = document.get("issuer") if isinstance(document, dict) else document
        raise SignOnRefused(SignOnRefusal.SETUP, f"{address}: the issuer there is {said!r}, not {issuer!r}")
    for name in ENDPOINTS:
        if not is_safe_address(str(document.get(name, ""))):
            raise SignOnRefused(SignOnRefusal.SETUP, f"{address}: {name} {document.get(name)!r} is no https address")
    for name, ours in (
        ("id_token_signing_alg_values_supported", SIGNATURES), ("code_challenge_methods_supported", ("S256",)),
    ):  # fmt: skip
        theirs = document.get(name, ours[:1])
        both = [one for one in theirs if one in ours]
        if not both:
            raise SignOnRefused(SignOnRefusal.SETUP, f"{address}: {name} {theirs!r} has none of {', '.join(ours)}")
        document[name] = both
    return document
