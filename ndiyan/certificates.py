"""A certificate of our own for the broker: made once with openssl, good for ten years, so that nothing need renew it.

Gateways hold the authority's certificate and trust nothing else, which is narrower than trusting every authority of the
world; and a broker in a village network has no name that one of those would sign.
"""

from __future__ import annotations

import ipaddress
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

from ndiyan.errors import StartRefused

DAYS = 3650
CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


class Certificates(NamedTuple):
    """The authority that gateways trust, and what the broker shows them; PEM texts."""

    authority: str
    authority_key: str
    server: str
    server_key: str


def make_certificates(*hosts: str) -> Certificates:
    """An authority, and a server certificate of it for these names and addresses, and for programs beside the broker.

    Raises
    ------
    StartRefused : openssl is not here or failed
    """
    names = ",".join(_name(host) for host in (*hosts, "localhost", "127.0.0.1"))
    with tempfile.TemporaryDirectory(prefix="ndiyan-tls-") as made:
        folder = Path(made)
        (folder / "server.ext").write_text(
            f"basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
            f"authorityKeyIdentifier=keyid\nsubjectAltName={names}\n",
            "utf-8",
        )
        _openssl(
            folder, "req", "-x509", *CURVE, "-days", str(DAYS), "-subj", "/CN=Ndiyan broker authority",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", "ca.key", "-out", "ca.crt",
        )  # fmt: skip
        _openssl(folder, "req", *CURVE, "-subj", "/CN=Ndiyan broker", "-keyout", "server.key", "-out", "server.csr")
        _openssl(
            folder, "x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
            "-days", str(DAYS), "-extfile", "server.ext", "-out", "server.crt",
        )  # fmt: skip
        return Certificates(
            *((folder / name).read_text("utf-8") for name in ("ca.crt", "ca.key", "server.crt", "server.key"))
        )


def _name(host: str) -> str:
    try:
        return f"IP:{ipaddress.ip_address(host)}"
    except ValueError:
        return f"DNS:{host}"


def _openssl(folder: Path, *words: str) -> None:
    try:
        done = subprocess.run(["openssl", *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    except OSError:
        raise StartRefused(
            "openssl, which makes the broker's certificate, is not here: apt-get install openssl"
        ) from None
    if done.returncode != 0:
        raise StartRefused(f"openssl made no certificate: {done.stderr.strip().splitlines()[-1]}")
