"""Tables as CSV: for programs (comma, decimal point), or as a French Excel opens them right.

A text that a spreadsheet would take for a formula is defused by an apostrophe; numbers stay numbers, also below zero.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]?\d+)?", re.IGNORECASE)
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # OWASP, CSV injection: in wide forms as well


def csv_text(rows: Iterable[Iterable[object]], *, is_french: bool = False) -> str:
    """The rows as CSV; None is an empty cell. French Excel wants semicolons, decimal commas and the mark of UTF-8."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";" if is_french else ",", lineterminator="\n")
    writer.writerows([_cell(value, is_french=is_french) for value in row] for row in rows)
    return ("\ufeff" if is_french else "") + text.getvalue()


def _cell(value: object, *, is_french: bool) -> str:
    written = "" if value is None else str(value)
    if NUMBER.fullmatch(written):
        return written.replace(".", ",") if is_french else written
    return f"'{written}" if written.startswith(FORMULA) else written
