"""What ingest and the database layer raise on purpose; types follow what the caller can do."""


class IngestError(Exception):
    """Root of all that this package raises on purpose."""


class StoreUnavailable(IngestError):
    """The database did not answer or has no room; the same call may work later."""


class SchemaMismatch(IngestError):
    """The database's schema is not what this version works with; a person must act."""


class ProfileError(IngestError):
    """A decode profile cannot be used; the message names file, key, value and bound."""


class BacklogUnreadable(IngestError):
    """A file of readings cannot be read as a whole; the message says what its first line lacks."""
