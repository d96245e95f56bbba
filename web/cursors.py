"""Opaque marks of how far a list was read: whoever reads on hands them back as they are."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from web.errors import BadParameter

Item = TypeVar("Item")

BOUND = "is no cursor that this list gave out"


def cursor_of(at: datetime, number: int = 0) -> str:
    """The mark of a row by its instant and, where instants repeat, its number."""
    return _packed([at.isoformat(), number])


def read_cursor(cursor: str, parameter: str = "cursor") -> tuple[datetime, int]:
    """Instant and number of a mark.

    Raises
    ------
    BadParameter : it is not one of ours
    """
    try:
        at, number = _unpacked(cursor)
        instant = aware(at)
        if isinstance(number, bool) or not isinstance(number, int) or abs(number) >= 2**63:
            raise BadParameter(parameter, cursor, BOUND)
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise BadParameter(parameter, cursor, BOUND) from error
    return instant, number


def cursor_of_key(*key: object) -> str:
    """The mark of a row whose key has several parts, each written as its text."""
    return _packed([part.isoformat() if isinstance(part, datetime) else str(part) for part in key])


def read_key(cursor: str, *readers: Callable[[str], Any], parameter: str = "cursor") -> tuple[Any, ...]:
    """The parts of a mark, each read by its reader, which raises ValueError for what is none of ours.

    Raises
    ------
    BadParameter : it is not one of ours
    """
    try:
        parts = _unpacked(cursor)
        if not all(isinstance(part, str) and "\x00" not in part for part in parts):
            raise BadParameter(parameter, cursor, BOUND)
        return tuple(reader(part) for reader, part in zip(readers, parts, strict=True))
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise BadParameter(parameter, cursor, BOUND) from error


def page_of(
    items: Sequence[Item], key: Callable[[Item], tuple[str | float, ...]], *, cursor: str | None, limit: int
) -> tuple[Sequence[Item], str | None]:
    """A page of a list that is at hand, in the order of its key, which need not be the database's, and the mark by
    which the next one goes on.

    Raises
    ------
    BadParameter : the cursor is not one of ours
    """
    items = sorted(items, key=key)
    if cursor is not None:
        try:
            before = tuple(_unpacked(cursor))
            if items and len(before) != len(key(items[0])):
                raise BadParameter("cursor", cursor, BOUND)
            items = [item for item in items if key(item) > before]
        except (ValueError, TypeError, binascii.Error, RecursionError) as error:
            raise BadParameter("cursor", cursor, BOUND) from error
    shown = items[:limit]
    return shown, _packed(list(key(shown[-1]))) if len(items) > limit else None


def aware(text: str) -> datetime:
    """An instant with its offset; ValueError without one."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        raise ValueError(f"{text} has no offset")
    return instant


def number_of_32_bits(text: str) -> int:
    """A channel's number; ValueError beyond what the database holds."""
    number = int(text)
    if not 0 <= number < 2**31:
        raise ValueError(f"{number} is no channel's number")
    return number


def number_of_64_bits(text: str) -> int:
    """A row's number; ValueError beyond what the database holds."""
    number = int(text)
    if not 0 <= number < 2**63:
        raise ValueError(f"{number} is no row's number")
    return number


def _packed(parts: list[Any]) -> str:
    text = json.dumps(parts, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _unpacked(cursor: str) -> Any:
    return json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
