"""Certificates of our own for the broker and for gateways: good for ten years, so that nothing need renew them.

Gateways hold the authority's certificate and trust nothing else, which is narrower than trusting every authority of the
world; and a broker in a village network has no name that one of those would sign. A gateway may show a certificate of
the same authority in place of a password: its common name is the gateway's name at the broker.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE = timedelta(days=3650)
BEFORE = timedelta(days=1)  # so far back they are good: a gateway without a battery may wake with an older clock
AUTHORITY = "Ndiyan broker authority"
USES = (
    "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
    "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
)  # fmt: skip


class Certificates(NamedTuple):
    """The authority that gateways trust, and what the broker shows them; PEM texts."""

    authority: str
    authority_key: str
    server: str
    server_key: str


class Issued(NamedTuple):
    """A gateway's certificate and its key, PEM texts, and the number by which it can be revoked."""

    certificate: str
    key: str
    serial: int


class Authority:
    """Whoever signs: an authority's certificate and key, PEM texts.

    Raises
    ------
    ValueError : one of them is none, or they do not belong together
    """

    def __init__(self, certificate: str, key: str) -> None:
        self.text = certificate
        self.certificate = x509.load_pem_x509_certificate(certificate.encode())
        loaded = load_pem_private_key(key.encode(), None)
        if not isinstance(loaded, ec.EllipticCurvePrivateKey) or loaded.public_key() != self.certificate.public_key():
            raise ValueError("the key is not that of the authority's certificate")
        self._key = loaded

    def issue(self, name: str, *, now: datetime) -> Issued:
        """A certificate for whoever connects to the broker under this name."""
        key = _new_key()
        end = min(now + LIFE, self.certificate.not_valid_after_utc)
        builder = _builder(name, key, self.certificate.subject, start=now - BEFORE, end=end)
        made = _leaf(builder, ExtendedKeyUsageOID.CLIENT_AUTH, self.certificate).sign(self._key, SHA256())
        return Issued(_pem(made), _key_pem(key), made.serial_number)

    def serve(self, *hosts: str, now: datetime) -> tuple[str, str]:
        """A certificate for a broker of these names and addresses, also for programs beside it, and its key."""
        key = _new_key()
        names = [_general(host) for host in dict.fromkeys((*hosts, "localhost", "127.0.0.1"))]
        end = min(now + LIFE, self.certificate.not_valid_after_utc)
        builder = _builder("Ndiyan broker", key, self.certificate.subject, start=now - BEFORE, end=end)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        made = _leaf(builder, ExtendedKeyUsageOID.SERVER_AUTH, self.certificate).sign(self._key, SHA256())
        return _pem(made), _key_pem(key)

    def revoked(self, serials: Iterable[int], *, now: datetime) -> str:
        """The list of certificates that count no more; it stays good as long as the authority, so that a broker nobody
        looks after lets its gateways in."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now)
            .next_update(self.certificate.not_valid_after_utc)
            .add_extension(x509.CRLNumber(int(now.timestamp())), critical=False)
        )
        for serial in serials:
            one = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now).build()
            builder = builder.add_revoked_certificate(one)
        return builder.sign(self._key, SHA256()).public_bytes(Encoding.PEM).decode()


def make_certificates(*hosts: str, now: datetime) -> Certificates:
    """An authority, and its server certificate for these names and addresses, and for programs beside the broker."""
    key = _new_key()
    name = _name(AUTHORITY)
    usage = x509.KeyUsage(**dict.fromkeys(USES, False) | {"key_cert_sign": True, "crl_sign": True})
    authority = (
        _builder(AUTHORITY, key, name, start=now - BEFORE, end=now + LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )
    text, secret = _pem(authority), _key_pem(key)
    return Certificates(text, secret, *Authority(text, secret).serve(*hosts, now=now))


def hosts_of(certificate: str) -> list[str]:
    """The names and addresses that a server's certificate is for; of one of old that has but a common name, none.

    Raises
    ------
    ValueError : it is no certificate
    """
    try:
        extensions = x509.load_pem_x509_certificate(certificate.encode()).extensions
        return [str(one.value) for one in extensions.get_extension_for_class(x509.SubjectAlternativeName).value]
    except x509.ExtensionNotFound:
        return []


def serials_of(revoked: str) -> set[int]:
    """The numbers on a list of certificates that count no more."""
    return {one.serial_number for one in x509.load_pem_x509_crl(revoked.encode())}


def _builder(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: x509.Name, *, start: datetime, end: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
    )


def _leaf(
    builder: x509.CertificateBuilder, purpose: x509.ObjectIdentifier, authority: x509.Certificate
) -> x509.CertificateBuilder:
    usage = x509.KeyUsage(**dict.fromkeys(USES, False) | {"digital_signature": True})
    public = authority.public_key()
    if not isinstance(public, ec.EllipticCurvePublicKey):
        raise TypeError("our authority has a key on a curve")
    return (
        builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
    )


def _new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(Encoding.PEM).decode()


def _key_pem(key: ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
