"""Phone numbers as people may see them: the country and the last three digits, also within a text."""

from __future__ import annotations

import re

# A mobile number of Guinea has nine digits and begins with 6, after its country or not; one of another country is
# written with + or 00. So a day with its hour, a sum or what a meter shows is none. Spaces may stand between.
_GAP = r"[ .\-\u00a0]?"
NUMBER = re.compile(
    rf"(?<!\d)(?:(?:\+|00){_GAP}[1-9](?:{_GAP}\d){{8,14}}|(?:2{_GAP}2{_GAP}4{_GAP})?6(?:{_GAP}\d){{8}})(?!\d)"
)


def masked(phone: str) -> str:
    """A phone number with only its country and its last three digits."""
    return f"{phone[:4]}\u00a0…\u00a0{phone[-3:]}"


def hide_phones(text: str) -> str:
    """A text in which every number long enough to be a phone shows its last three digits."""
    return NUMBER.sub(lambda found: "…" + re.sub(r"\D", "", found[0])[-3:], text)


def hide_phone(text: str, phone: str) -> str:
    """A text in which this one phone is masked, with or without its country; other numbers, such as ids, stay."""
    digits = phone.lstrip("+")
    for written in (phone, digits, digits.removeprefix("224")):
        if len(written) >= 8:
            text = text.replace(written, f"…{phone[-3:]}")
    return text
