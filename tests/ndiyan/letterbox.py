"""A real SMTP server on loopback that keeps what it is given."""

from __future__ import annotations

import ssl
import subprocess
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from ndiyan.children import free_port
from ndiyan.mail import MailServer


class Letterbox:
    """Takes letters while it `is_open`, and counts those that it was `asked` to take.

    With `certificate` only over TLS and from who knows the password.
    """

    def __init__(self, certificate: Path | None = None) -> None:
        self.letters: list[EmailMessage] = []
        self.is_open = True
        self.asked = 0
        context = None
        if certificate is not None:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(certificate)
        wants: dict[str, Any] = {"authenticator": self._may_enter, "auth_required": True} if certificate else {}
        self._controller = Controller(self, "127.0.0.1", free_port(), tls_context=context, **wants)

    def server(self, login: str = "") -> MailServer:
        """How the keeper reaches it."""
        return MailServer.from_url(f"smtp://{login}localhost:{self._controller.port}", sender="ndiyan@example.org")

    @property
    def texts(self) -> list[str]:
        """What the letters say."""
        return [letter.get_content().strip() for letter in self.letters]

    def __enter__(self) -> Letterbox:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        self.asked += 1
        if not self.is_open:
            return "451 come back later"
        assert isinstance(envelope.content, bytes)
        letter = message_from_bytes(envelope.content, policy=default)
        assert isinstance(letter, EmailMessage)
        self.letters.append(letter)
        return "250 taken"

    def _may_enter(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        knows_it = isinstance(data, LoginPassword) and data.password == b"secret"
        return AuthResult(success=knows_it, handled=False)  # the server itself says so


def self_signed(folder: Path) -> Path:
    """A certificate for localhost, with its key in the same file."""
    file = folder / "mail.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", file, "-out", file],
        check=True, capture_output=True,
    )  # fmt: skip
    return file
