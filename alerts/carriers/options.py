"""The table of one SMS route in the settings, read key by key; secrets come from the environment alone."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import timedelta
from urllib.parse import urlsplit

import phonenumbers

from alerts.errors import CarrierRefused

REGION = "GN"


class Options:
    """What stands under `[sms.NAME]`; each reading checks, and `end` refuses what nobody asked for."""

    def __init__(self, name: str, table: Mapping[str, object], environment: Mapping[str, str]) -> None:
        self._name, self._table, self._environment = name, table, environment
        self._known = {"kind"}

    def text(self, key: str, default: str | None = None, *, choices: Collection[str] = ()) -> str:
        """A text; without a default it must be set."""
        value = self._value(key, default)
        if not isinstance(value, str) or (default is None and not value):
            raise CarrierRefused(f"sms.{self._name}.{key}: {value!r} is not a text")
        if choices and value not in choices:
            raise CarrierRefused(f"sms.{self._name}.{key}: {value!r} is none of {', '.join(choices)}")
        return value

    def number(self, key: str, default: float, *, low: float, high: float) -> float:
        """A number within [low, high]."""
        value = self._value(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise CarrierRefused(f"sms.{self._name}.{key}: {value!r} is not a number")
        if not low <= value <= high:
            side, bound = ("below", low) if value < low else ("above", high)
            raise CarrierRefused(f"sms.{self._name}.{key}: {value:g} is {side} {bound:g}")
        return float(value)

    def whole(self, key: str, default: int, *, low: int, high: int) -> int:
        """A whole number within [low, high]."""
        value = self.number(key, default, low=low, high=high)
        if value != int(value):
            raise CarrierRefused(f"sms.{self._name}.{key}: {value:g} is not a whole number")
        return int(value)

    def receipt_within(self, default_s: float, *, low: float = 10.0) -> timedelta:
        """How long a receipt is waited for, at most a day."""
        return timedelta(seconds=self.number("receipt_within_s", default_s, low=low, high=86_400))

    def address(self, key: str, default: str | None = None) -> str:
        """An HTTP address without the slash at its end."""
        value = self.text(key, default)
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise CarrierRefused(f"sms.{self._name}.{key}: {value!r} does not begin with http://HOST or https://HOST")
        return value.rstrip("/")

    def secret(self, key: str, *, shortest: int = 1) -> str:
        """A secret; it never stands in the file."""
        variable = f"NDIYAN_SMS_{self._name.upper().replace('-', '_')}_{key.upper()}"
        value = self._environment.get(variable, "")
        if len(value) < shortest:
            missing = "is not set" if not value else f"is shorter than {shortest} characters"
            raise CarrierRefused(f"sms.{self._name}: the variable {variable} {missing}")
        return value

    def end(self) -> None:
        """Refuse keys that nobody asked for."""
        if unknown := sorted(set(self._table) - self._known):
            raise CarrierRefused(
                f"sms.{self._name}.{unknown[0]} is no setting; known are {', '.join(sorted(self._known))}"
            )

    def _value(self, key: str, default: object) -> object:
        self._known.add(key)
        value = self._table.get(key, default)
        if value is None:
            raise CarrierRefused(f"sms.{self._name}.{key} is not set")
        return value


def e164(number: str) -> str:
    """A number as routes write it in E.164, read as one of Guinea; what is no number (`ORANGE`) stays as it is.

    A name that a bulk sender gives itself is none either: phonenumbers reads `620ORANGE` as the keys of a telephone.
    """
    if any(sign.isalpha() for sign in number):
        return number
    try:
        parsed = phonenumbers.parse(number, REGION)
    except phonenumbers.NumberParseException:
        return number
    if not phonenumbers.is_possible_number(parsed):
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
