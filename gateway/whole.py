"""Whole numbers in texts from outside."""

from __future__ import annotations

MOST_DIGITS = 19  # as many as the largest number of 64 bits has


def whole(text: str) -> int | None:
    """The number that a text writes in the digits 0 to 9, with a minus or without; None for anything else.

    `str.isdigit` takes "²" as well, `int` takes no more than 4,300 digits, and both raise or pass where nobody thinks
    of it.
    """
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) <= MOST_DIGITS else None
