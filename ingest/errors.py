"""What ingest and the database layer raise on purpose; types follow what the caller can do."""

from collections.abc import Sequence


class IngestError(Exception):
    """Root of all that this package raises on purpose."""


class StoreUnavailable(IngestError):
    """The database did not answer or has no room; the same call may work later."""


class Superseded(IngestError):
    """Another process does our work; we may stand by."""


class SchemaMismatch(IngestError):
    """The database's schema is not what this version works with; a person must act."""


class ConversionRefused(IngestError):
    """The database cannot become one of TimescaleDB as things are; the message says what must be done first."""


class ProfileError(IngestError):
    """A decode profile cannot be used; the message names file, key, value and bound."""


class BacklogUnreadable(IngestError):
    """A file of readings cannot be read as a whole; the message says what its first line lacks."""


class ZonesRefused(IngestError):
    """Zones cannot be imported like this; `reasons` says for each which and why."""

    def __init__(self, reasons: Sequence[str]) -> None:
        super().__init__("\n".join(reasons))
        self.reasons = tuple(reasons)


class ZoneMovedOn(IngestError):
    """Somebody changed the zone since whoever asks has looked at it."""

    def __init__(self, zone_id: str) -> None:
        super().__init__(f"{zone_id}: changed since it was looked at")
        self.zone_id = zone_id
