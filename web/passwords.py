"""Passwords and second factors: what is kept of them, and whether what somebody types fits."""

from __future__ import annotations

import re
import secrets
import threading
import unicodedata
from datetime import datetime

import pyotp
from argon2 import PasswordHasher
from argon2.exceptions import VerificationError

from web.errors import PasswordRefused

SHORTEST, LONGEST = 12, 200  # letters; the upper bound keeps a form from being made into work
LEAST_DIFFERENT = 5
AT_ONCE = 2  # argon2 takes 64 MB each time: two fit into a machine of 1 GB beside the rest
CODES = 10  # recovery codes of one set
CODE_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that is taken for another; ten of them are 49 bits
STEP_S = 30  # RFC 6238


class Passwords:
    """Hashes and compares, `AT_ONCE` at a time; the others wait."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turns = threading.BoundedSemaphore(AT_ONCE)
        self._nobodys = self._hasher.hash(secrets.token_urlsafe(16))

    def hash(self, password: str) -> str:
        """What is kept of a password (argon2id)."""
        with self._turns:
            return self._hasher.hash(_same(password))

    def fits(self, kept: str | None, password: str) -> bool:
        """Whether this is the password; takes as long when there is none, so that names cannot be guessed by time."""
        if len(password) > LONGEST:
            return False
        with self._turns:
            try:
                return self._hasher.verify(kept or self._nobodys, _same(password)) and kept is not None
            except VerificationError:
                return False


def check_password(password: str, *, name: str) -> None:
    """Refuse a password that is too short, too long, too plain, or made of the name.

    Raises
    ------
    PasswordRefused : with the reason and the bound
    """
    letters = len(_same(password))
    if not SHORTEST <= letters <= LONGEST:
        raise PasswordRefused("length", letters)
    if len(set(password)) < LEAST_DIFFERENT:
        raise PasswordRefused("plain", len(set(password)))
    if name.casefold() in password.casefold() or "ndiyan" in password.casefold():
        raise PasswordRefused("name", name)


def new_secret() -> str:
    """The secret of a second factor, as an app on a phone takes it."""
    return pyotp.random_base32()


def address_of(secret: str, *, name: str) -> str:
    """The same as an address that such an app opens."""
    return pyotp.TOTP(secret).provisioning_uri(name=name, issuer_name="Ndiyan")


def step_of_code(secret: str, code: str, *, after: int, now: datetime) -> int | None:
    """The half minute that this code is of, None when it fits none near now that comes after the step `after`."""
    made, step = pyotp.TOTP(secret), int(now.timestamp()) // STEP_S
    near = [one for one in (step - 1, step, step + 1) if one > after]
    typed = re.sub(r"\s", "", code)
    return next((one for one in near if secrets.compare_digest(made.at(one * STEP_S).encode(), typed.encode())), None)


def new_recovery_codes() -> list[str]:
    """A set of codes, each of which opens once in place of the phone's."""
    return ["-".join(_letters(5) for _ in range(2)) for _ in range(CODES)]


def plain_code(typed: str) -> str:
    """A recovery code without what people put between its letters."""
    return re.sub(r"[^a-z0-9]", "", typed.lower())


def _letters(number: int) -> str:
    return "".join(secrets.choice(CODE_LETTERS) for _ in range(number))


def _same(password: str) -> str:
    """The one spelling of what looks the same, whichever keyboard it came from."""
    return unicodedata.normalize("NFKC", password)
