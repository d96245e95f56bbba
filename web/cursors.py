"""Opaque marks of how far a list was read: whoever reads on hands them back as they are."""

from __future__ import annotations

import base64
import binascii
import json
from datetime import datetime

from web.errors import BadParameter

BOUND = "is no cursor that this list gave out"


def cursor_of(at: datetime, number: int = 0) -> str:
    """The mark of a row by its instant and, where instants repeat, its number."""
    text = json.dumps([at.isoformat(), number], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str, parameter: str = "cursor") -> tuple[datetime, int]:
    """Instant and number of a mark.

    Raises
    ------
    BadParameter : it is not one of ours
    """
    try:
        at, number = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        instant = datetime.fromisoformat(at)
        if instant.tzinfo is None or isinstance(number, bool) or not isinstance(number, int) or abs(number) >= 2**63:
            raise BadParameter(parameter, cursor, BOUND)
    except (ValueError, TypeError, binascii.Error, RecursionError) as error:
        raise BadParameter(parameter, cursor, BOUND) from error
    return instant, number
