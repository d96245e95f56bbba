"""How to reach the broker."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, unquote, urlsplit

OWN = ("tls_cert", "tls_key")


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """Where the broker is and who we are there; `protocol` is 5, or 4 for a broker that only knows MQTT 3.1.1.

    With TLS `tls_ca` is the file of the authority that we trust, empty for those of the machine; `tls_cert` and
    `tls_key` are those of a certificate that we show, if we do.
    """

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    protocol: int = 5
    tls_ca: str | None = None
    tls_cert: str = ""
    tls_key: str = ""

    def __post_init__(self) -> None:
        if bool(self.tls_cert) != bool(self.tls_key):
            raise ValueError("tls_cert and tls_key go together")
        if not 1 <= self.port <= 65_535:
            raise ValueError(f"mqtt port: {self.port} is not within 1..65535")
        if self.protocol not in (4, 5):
            raise ValueError(f"mqtt protocol: {self.protocol} is neither 5 nor 4 (MQTT 3.1.1)")

    @classmethod
    def from_url(cls, url: str, *, password: str | None = None) -> MqttSettings:
        """Read `mqtt://user:password@host:port?protocol=4`; `mqtts` takes its certificates from `tls_ca=FILE`,
        and shows one of its own with `tls_cert=FILE&tls_key=FILE`.

        A `password` that comes from elsewhere is for an address that has none.
        """
        try:
            parts = urlsplit(url)
            if parts.scheme not in ("mqtt", "mqtts") or not parts.hostname:
                raise ValueError("it does not begin with mqtt://HOST or mqtts://HOST")
            query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
            unknown = set(query) - {"protocol"} - ({"tls_ca", *OWN} if parts.scheme == "mqtts" else set())
            if unknown:
                raise ValueError(f"unknown option {sorted(unknown)[0]!r}")
            tls_ca = query.get("tls_ca", "") if parts.scheme == "mqtts" else None
            return cls(
                host=parts.hostname,
                port=parts.port or (1883 if parts.scheme == "mqtt" else 8883),
                username=None if parts.username is None else unquote(parts.username),
                password=password if parts.password is None else unquote(parts.password),
                protocol=int(query.get("protocol", "5")),
                tls_ca=tls_ca,
                **{key: query[key] for key in OWN if key in query},
            )
        except ValueError as error:
            raise ValueError(f"mqtt url {redacted(url)}: {error}") from error

    def url(self) -> str:
        """The settings as an address that `from_url` reads."""
        user = "" if self.username is None else quote(self.username, safe="")
        secret = "" if self.password is None else ":" + quote(self.password, safe="")
        at = "@" if user or secret else ""
        scheme = "mqtt" if self.tls_ca is None else "mqtts"
        options = [f"protocol={self.protocol}"] if self.protocol != 5 else []
        files = {"tls_ca": self.tls_ca, "tls_cert": self.tls_cert, "tls_key": self.tls_key}
        options += [f"{key}={quote(file)}" for key, file in files.items() if file]
        query = "?" + "&".join(options) if options else ""
        return f"{scheme}://{user}{secret}{at}{self.host}:{self.port}{query}"

    def tls_context(self) -> ssl.SSLContext | None:
        """What we trust and show, None without TLS.

        Raises
        ------
        OSError : a file is not there, or is no certificate
        """
        if self.tls_ca is None:
            return None
        try:
            context = ssl.create_default_context(cafile=self.tls_ca or None)
        except OSError as error:  # which does not say of which file it speaks
            raise OSError(error.errno, error.strerror, self.tls_ca) from error
        if self.tls_cert:
            context.load_cert_chain(self.tls_cert, self.tls_key)
        return context


def redacted(url: str) -> str:
    """An address without its password, for messages and logs."""
    head, at, tail = url.rpartition("@")
    if not at:
        return url
    scheme, _, user = head.rpartition("//")
    return f"{scheme}//{user.split(':')[0]}:***@{tail}"
