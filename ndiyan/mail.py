"""E-mail to whoever runs the server: another way out, over a mail server of their own.

A password never travels in the open: a server that offers no TLS is given none, and the letter stays.
"""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import parseaddr
from urllib.parse import unquote, urlsplit

from ndiyan.errors import NdiyanError

WITHIN_S = 20.0
PORTS = {"smtp": 587, "smtps": 465}


class MailRefused(NdiyanError):
    """A letter did not leave; the message says what the mail server said."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where letters leave, from whom; `is_tls` from the first byte, else by STARTTLS when the server offers it."""

    host: str
    port: int
    is_tls: bool
    sender: str
    user: str | None = None
    password: str | None = None

    @classmethod
    def from_url(cls, url: str, *, sender: str = "") -> MailServer:
        """Read `smtp://USER:PASSWORD@HOST:PORT` or `smtps://…`; the sender is `sender`, else the user.

        Raises
        ------
        ValueError : it is no such address, its user or password is not ASCII, or nobody is the sender
        """
        parts = urlsplit(url)
        if parts.scheme not in PORTS or not parts.hostname:
            raise ValueError("it does not begin with smtp://HOST or smtps://HOST")
        user = None if parts.username is None else unquote(parts.username)
        sender = sender or user or ""
        check_mailbox(sender)
        password = None if parts.password is None else unquote(parts.password)
        if not f"{user}{password}".isascii():
            raise ValueError("its user or password has letters that are not ASCII, which smtplib cannot send")
        return cls(parts.hostname, parts.port or PORTS[parts.scheme], parts.scheme == "smtps", sender, user, password)

    def send(self, recipients: Sequence[str], text: str) -> None:
        """Hand over one letter, whose subject is its first sentence.

        Raises
        ------
        MailRefused : the server is away, offers no TLS for our password, or took it for none of the recipients
        """
        letter = EmailMessage()
        letter["From"], letter["To"], letter["Subject"] = self.sender, ", ".join(recipients), text.split(". ")[0]
        letter["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday answers
        letter.set_content(text)
        context = ssl.create_default_context()
        try:
            with self._connected(context) as link:
                self._log_in(link, context)
                link.send_message(letter)
        except (OSError, smtplib.SMTPException, ValueError) as error:  # the last: no name of a machine, `mail..example`
            code = f" {error.smtp_code}" if isinstance(error, smtplib.SMTPResponseException) else ""
            raise MailRefused(f"{self.host}:{self.port} took no letter: {type(error).__name__}{code}") from error

    def _connected(self, context: ssl.SSLContext) -> smtplib.SMTP:
        if self.is_tls:
            return smtplib.SMTP_SSL(self.host, self.port, timeout=WITHIN_S, context=context)
        return smtplib.SMTP(self.host, self.port, timeout=WITHIN_S)

    def _log_in(self, link: smtplib.SMTP, context: ssl.SSLContext) -> None:
        link.ehlo()
        if not self.is_tls and link.has_extn("starttls"):
            link.starttls(context=context)
        elif not self.is_tls and self.password is not None:
            raise MailRefused(f"{self.host}:{self.port} offers no TLS, and the password stays here: use smtps://")
        if self.user is not None and self.password is not None:
            link.login(self.user, self.password)


def check_mailbox(text: str) -> None:
    """Raise `ValueError` unless this is one address."""
    name, address = parseaddr(text)
    if name or address != text or "@" not in text.strip("@") or not text.isprintable():
        raise ValueError(f"{text!r} is no e-mail address (who@example.org)")
