"""What a database error means for a batch, told by its SQLSTATE and never by its Python class.

The table is RELIABILITY §3.5: one over-long text raises `OperationalError`, the class that everybody retries, and
would stop the stream for ever; a renamed column looks like bad rows and would empty the stream into the set-aside
table.
"""

from __future__ import annotations

from enum import Enum

import psycopg

from ingest.errors import IngestError, SchemaMismatch, StoreUnavailable


class Meaning(Enum):
    """What to do about a batch that the database did not take."""

    ROW = "row"  # a row of it can never be stored: find it, set it aside, keep its neighbours
    AGAIN = "again"  # the same may work at once: another transaction was in the way
    AWAY = "away"  # the system is away or full: keep the batch, confirm nothing, try later
    OURS = "ours"  # schema or rights are not what we expect: confirm nothing, a person must act


# A value that cannot be written down for the server: NUL in a text, a lone surrogate, a number that does not fit.
VALUE_ERRORS = (psycopg.DataError, ValueError, ArithmeticError, RecursionError)
_ROW_ALSO = {"54000", "54001", "54011"}
_AGAIN = {"40001", "40P01", "55P03", "57014"}
# What no value can cause in a column as we know it: a number or text that another type does not take (22P02, 22P03),
# rows of another shape (22P04), a column that we do not fill (23502).
_OURS_ALSO = {"25006", "XX001", "XX002", "22P02", "22P03", "22P04", "23502"}


def as_ingest_error(error: Exception) -> IngestError:
    """What to raise when a batch is kept: a person must act (`SchemaMismatch`), or time must pass."""
    if meaning_of(error) is Meaning.OURS:
        return SchemaMismatch(f"the database refused with {_state_of(error)}: {_first_line(error)}")
    return StoreUnavailable(f"database {as_detail(error)}")


def as_detail(error: Exception) -> str:
    """What happened, without the statement and its parameters."""
    without = type(error).__name__ if isinstance(error, VALUE_ERRORS) else "no connection"
    return f"[{_state_of(error) or without}]: {_first_line(error)}"


def meaning_of(error: Exception) -> Meaning:
    """Classify; an unknown error keeps the batch (AWAY), it never drops anything.

    What never reached the server has no SQLSTATE: `VALUE_ERRORS` speak of a value, all else of the connection.
    """
    state = _state_of(error)
    if state is None:
        return Meaning.ROW if isinstance(error, VALUE_ERRORS) else Meaning.AWAY
    if state in _AGAIN:
        return Meaning.AGAIN
    if state[:2] == "42" or state in _OURS_ALSO:
        return Meaning.OURS
    if state[:2] in ("22", "23") or state in _ROW_ALSO:
        return Meaning.ROW
    return Meaning.AWAY


def _state_of(error: Exception) -> str | None:
    return error.sqlstate if isinstance(error, psycopg.Error) else None


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
