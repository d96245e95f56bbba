"""What was not simply measured: readings that failed a test, and readings whose time is our estimate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from ingest.db import Connection, queries

SQL = queries("web", "notes")

REDATED = "clock"  # the test whose failure makes us estimate a reading's time


@dataclass(frozen=True, slots=True)
class Note:
    """The tests that one reading failed; `device_at` is what its gateway's clock said when it was dated anew."""

    failed: list[str]
    device_at: datetime | None


NOTHING = Note([], None)


@dataclass(frozen=True, slots=True)
class NoteCounts:
    """How many readings of a window failed which test."""

    by_test: Mapping[str, int]

    @property
    def redated(self) -> int:
        """Readings whose time is estimated."""
        return self.by_test.get(REDATED, 0)

    @property
    def flagged(self) -> dict[str, int]:
        """The other tests, most often failed first."""
        return {test: count for test, count in self.by_test.items() if test != REDATED}


def notes_of_channel(connection: Connection, channel_id: int, start: datetime, end: datetime) -> dict[int, Note]:
    """Measured time [µs since 1970-01-01 UTC] → note, for readings of a channel within [start, end)."""
    parameters = {"channel": channel_id, "start": start, "end": end}
    return {at: Note(failed, device) for at, failed, device in connection.execute(SQL["of_channel"], parameters)}


def notes_of_latest(connection: Connection, zone_id: str | None) -> dict[int, Note]:
    """Channel id → note of its newest reading, for one zone or all."""
    rows = connection.execute(SQL["of_latest"], {"zone": zone_id})
    return {channel: Note(failed, device) for channel, failed, device in rows}


def count_notes(connection: Connection, zone_id: str, start: datetime, end: datetime) -> NoteCounts:
    """Notes on all channels of a zone within [start, end)."""
    parameters = {"zone": zone_id, "start": start, "end": end}
    return NoteCounts(dict(connection.execute(SQL["of_zone"], parameters).fetchall()))
