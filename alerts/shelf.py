"""Putting an alert on the shelf: known, waited for, not told again until an end that is always set. Pure.

A shelf has a reason, a name and an end. It holds back messages and nothing else: the alert stays on the pages, goes on,
and is resolved by the readings as ever, which is told to whoever was told of its beginning.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from alerts.errors import ShelfRefused

LONGEST_NO_WATER = timedelta(hours=24)  # severity 3: people are without water, a day later somebody decides again
LONGEST = timedelta(days=30)
LONGEST_REASON = 300
NO_WATER = 3


def longest_shelf(severity: int) -> timedelta:
    """How long an alert of this severity may lie on the shelf."""
    return LONGEST_NO_WATER if severity >= NO_WATER else LONGEST


def shelf_end(severity: int, span: timedelta, why: str, *, now: datetime) -> datetime:
    """When a shelf of `span` that begins now ends by itself.

    Raises
    ------
    ShelfRefused : no reason, or a span that is not above zero or longer than this severity allows
    """
    if not why.strip():
        raise ShelfRefused("why", why, "is empty: a reason is needed")
    if len(why.strip()) > LONGEST_REASON:
        raise ShelfRefused("why", f"{len(why.strip())} letters", f"is above {LONGEST_REASON}")
    hours, most = span.total_seconds() / 3600, longest_shelf(severity).total_seconds() / 3600
    if not 0 < hours <= most:
        raise ShelfRefused("hours", round(hours, 2), f"is not above 0 and at most {most:.0f} for severity {severity}")
    return now + span


def is_shelved(shelved_until: datetime | None, now: datetime) -> bool:
    """Whether nobody is told now; at the end itself people are told again."""
    return shelved_until is not None and now < shelved_until
