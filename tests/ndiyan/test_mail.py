"""Letters over a real mail server: with TLS and a password, and never a password without TLS."""

from __future__ import annotations

from pathlib import Path

import pytest

from ndiyan.errors import SettingsError
from ndiyan.mail import MailRefused, MailServer
from ndiyan.settings import load_settings
from tests.ndiyan.letterbox import Letterbox, self_signed
from tests.surroundings import NO_SETTINGS

TO = ("awa@example.org", "sira@example.org")


def test_a_letter_arrives_over_tls_with_a_password_and_its_accents(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(self_signed(tmp_path)))
    with Letterbox(tmp_path / "mail.pem") as letterbox:
        letterbox.server("ndiyan:secret@").send(TO, "NDIYAN SERVEUR : arrêté")
        with pytest.raises(MailRefused, match=r"took no letter: SMTPAuthenticationError 535$"):
            letterbox.server("ndiyan:wrong@").send(TO, "x")
    (letter,) = letterbox.letters
    assert letter["From"] == "ndiyan@example.org"
    assert letter["To"] == "awa@example.org, sira@example.org"
    assert letter["Subject"] == "NDIYAN SERVEUR : arrêté"
    assert letter["Auto-Submitted"] == "auto-generated"


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    refused = pytest.raises(MailRefused, match="took no letter: SSLCertVerificationError")
    with Letterbox(self_signed(tmp_path)) as letterbox, refused:
        letterbox.server("ndiyan:secret@").send(TO, "x")
    assert letterbox.letters == []


def test_no_password_leaves_without_tls(letterbox: Letterbox) -> None:
    with pytest.raises(MailRefused, match="offers no TLS, and the password stays here: use smtps://"):
        letterbox.server("ndiyan:secret@").send(TO, "x")
    assert letterbox.letters == []


def test_a_server_that_is_not_there_is_told_by_its_address() -> None:
    with pytest.raises(MailRefused, match=r"^127\.0\.0\.1:1 took no letter: ConnectionRefusedError$"):
        MailServer.from_url("smtp://127.0.0.1:1", sender="ndiyan@example.org").send(TO, "x")


def test_a_name_that_no_machine_can_have_is_told_like_one_that_is_away() -> None:
    with pytest.raises(MailRefused, match=r"^mail\.\.example\.org:587 took no letter: UnicodeError$"):
        MailServer.from_url("smtp://mail..example.org", sender="ndiyan@example.org").send(TO, "x")


@pytest.mark.parametrize(
    ("there", "message"),
    [
        pytest.param({"MAILBOXES": "awa"}, "'awa' is no e-mail address", id="mailbox"),
        pytest.param({"MAIL_URL": "mail.example.org"}, "does not begin with smtp://HOST", id="url"),
        pytest.param({"MAIL_URL": "smtps://u:hunter2@"}, r"\*\*\*@: it does not begin", id="password-hidden"),
        pytest.param({"MAIL_URL": "smtps://eau:passé@h"}, r"\*\*\*@h: its user or password has", id="accent"),
        pytest.param({"MAIL_URL": "smtps://eau:pass%C3%A9@h"}, r"@h: its user or password has", id="quoted-accent"),
        pytest.param({"MAILBOXES": "awa@example.org"}, r"watch\.mail_url is not set", id="no-server"),
        pytest.param(
            {"MAILBOXES": "awa@example.org", "MAIL_URL": "smtps://ndiyan:x@mail.example.org"},
            r"watch\.mail_from: 'ndiyan' is no e-mail address", id="no-sender",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_a_mail_server_stops_the_start(there: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load_settings(NO_SETTINGS, {f"NDIYAN_WATCH_{key}": value for key, value in there.items()}).watch()
