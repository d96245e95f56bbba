"""What stands in a cell of a table that people take along: words stay words, whoever typed them."""

from __future__ import annotations

# OWASP, CSV Injection: what spreadsheet programs take for the beginning of a formula, also in its wide forms.
FORMULA_BEGINS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def plain_cell(value: object) -> object:
    """The value, and text that a spreadsheet program would run as a formula behind an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_BEGINS) else value
