"""What the gateway and the contract of readings raise on purpose."""


class GatewayError(Exception):
    """Root of all that this package raises on purpose."""


class ZoneFileError(GatewayError):
    """A zone file cannot be used; the message names file, key, value and bound."""


class OutboxDamaged(GatewayError):
    """The outbox file could not be read; it was moved aside, never deleted."""


class OutboxFull(GatewayError):
    """No more room on disk for readings; nothing was taken."""
