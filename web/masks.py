"""Phone numbers as people may see them: the country and the last three digits, also within a text."""

from __future__ import annotations

import re

# A mobile number of Guinea has nine digits and begins with 6, after its country or not; one of another country is
# written with + or 00. So a day with its hour, a sum or what a meter shows is none. Spaces may stand between.
_GAP = r"[ .\-\u00a0]?"
_REF = r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b"
_NUMBER = re.compile(
    rf"{_REF}|(?P<phone>(?<!\d)(?:(?:\+|00){_GAP}[1-9](?:{_GAP}\d){{8,14}}"
    rf"|(?:2{_GAP}2{_GAP}4{_GAP})?6(?:{_GAP}\d){{8}})(?!\d))"
)
"""A phone number, or what only looks like one: the reference of an SMS, which now and then begins with nine digits."""


def masked(phone: str) -> str:
    """A phone number with only its country and its last three digits."""
    return f"{phone[:4]}\u00a0…\u00a0{phone[-3:]}"


def hide_phones(text: str) -> str:
    """A text in which every number long enough to be a phone shows its last three digits."""
    return _NUMBER.sub(lambda found: "…" + re.sub(r"\D", "", found[0])[-3:] if found["phone"] else found[0], text)


def first_phone(text: str) -> re.Match[str] | None:
    """Where the first phone number of a text stands, or None."""
    return next((found for found in _NUMBER.finditer(text) if found["phone"]), None)


def hide_phone(text: str, phone: str) -> str:
    """A text in which this one phone is masked, with or without its country; other numbers, such as ids, stay."""
    digits = phone.lstrip("+")
    for written in (phone, digits, digits.removeprefix("224")):
        if len(written) >= 8:
            text = text.replace(written, f"…{phone[-3:]}")
    return text
