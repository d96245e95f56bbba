"""What an operator or aggregator tells us about its SMPP link, from one table of the settings."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from alerts.carriers import Receipts
from alerts.carriers.options import Options
from alerts.errors import CarrierRefused


@dataclass(frozen=True, slots=True)
class SmppConfig:
    """One account at a message centre.

    Parameters
    ----------
    source : whom our SMS come from: a name of up to 11 letters, a short code or a number with +
    binds : one `transceiver`, or a `pair` of transmitter and receiver where the message centre has no transceiver
    security : `tls` checks the certificate against `tls_ca_file`, or against what the machine trusts
    default_alphabet : what the message centre means by data_coding 0
    receipts : how far "delivered" may be believed
    per_s : how many a second the contract allows; window : how many may be unanswered
    receipt_within : how long an uncertain SMS waits for its receipt; longer than receipts usually take
    response_timeout_s : without an answer for so long a hand-over is uncertain
    enquire_every_s : a link on which nothing came for so long is asked whether it lives
    reconnect_s, reconnect_most_s : the first wait before binding again, and the longest
    """

    name: str
    host: str
    port: int
    system_id: str
    password: str
    source: str
    binds: str = "transceiver"
    system_type: str = ""
    address_range: str = ""
    security: str = "none"
    tls_ca_file: str = ""
    default_alphabet: str = "gsm"
    receipts: Receipts = Receipts.HANDSET
    per_s: float = 10.0
    window: int = 10
    receipt_within: timedelta = timedelta(minutes=2)
    response_timeout_s: float = 30.0
    enquire_every_s: float = 30.0
    reconnect_s: float = 1.0
    reconnect_most_s: float = 60.0

    @classmethod
    def from_table(cls, name: str, table: Mapping[str, object], environment: Mapping[str, str]) -> Self:
        """Read `[sms.NAME]`; the password comes from `NDIYAN_SMS_NAME_PASSWORD`."""
        options = Options(name, table, environment)
        config = cls(
            name=name,
            host=options.text("host"),
            port=options.whole("port", 2775, low=1, high=65535),
            system_id=options.text("system_id"),
            password=options.secret("password"),
            source=options.text("source"),
            binds=options.text("binds", "transceiver", choices=("transceiver", "pair")),
            system_type=options.text("system_type", ""),
            address_range=options.text("address_range", ""),
            security=options.text("security", "none", choices=("none", "tls")),
            tls_ca_file=options.text("tls_ca_file", ""),
            default_alphabet=options.text("default_alphabet", "gsm", choices=("gsm", "latin-1")),
            receipts=Receipts(options.text("receipts", Receipts.HANDSET, choices=list(Receipts))),
            per_s=options.number("per_s", 10.0, low=0.01, high=1000.0),
            window=options.whole("window", 10, low=1, high=500),
            receipt_within=options.receipt_within(120, low=1),
            response_timeout_s=options.number("response_timeout_s", 30.0, low=1.0, high=300.0),
            enquire_every_s=options.number("enquire_every_s", 30.0, low=1.0, high=600.0),
            reconnect_s=options.number("reconnect_s", 1.0, low=0.01, high=60.0),
            reconnect_most_s=options.number("reconnect_most_s", 60.0, low=0.01, high=3600.0),
        )
        options.end()
        config._check()
        return config

    def tls(self) -> ssl.SSLContext | None:
        """How the link is encrypted; None when it is not, as on an operator's own VPN."""
        if self.security == "none":
            return None
        return ssl.create_default_context(cafile=self.tls_ca_file or None)

    def _check(self) -> None:
        """The protocol's own bounds: SMPP 3.4, 5.2.1 to 5.2.8, without the octet that ends each field."""
        bounds = {"system_id": 15, "password": 8, "system_type": 12, "address_range": 40, "source": 20}
        for key, most in bounds.items():
            value: str = getattr(self, key)
            shown = "it" if key == "password" else repr(value)
            if len(value) > most or not value.isascii():
                raise CarrierRefused(f"sms.{self.name}.{key}: {shown} is not at most {most} ASCII characters")
        if not self.source.lstrip("+").isdigit() and len(self.source) > 11:
            raise CarrierRefused(f"sms.{self.name}.source: {self.source!r} is a name of more than 11 letters")
        if self.reconnect_most_s < self.reconnect_s:
            raise CarrierRefused(
                f"sms.{self.name}.reconnect_most_s: {self.reconnect_most_s:g} is below reconnect_s {self.reconnect_s:g}"
            )
        try:
            self.tls()
        except OSError as error:
            raise CarrierRefused(f"sms.{self.name}.tls_ca_file: {self.tls_ca_file!r}: {error}") from error
