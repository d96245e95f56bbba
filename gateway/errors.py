"""What the gateway and the contract of readings raise on purpose."""


class GatewayError(Exception):
    """Root of all that this package raises on purpose."""


class ZoneFileError(GatewayError):
    """A zone file cannot be used; the message names file, key, value and bound."""


class ConfigError(GatewayError):
    """A gateway's configuration or a register map cannot be used; the message names file, key, value and bound."""


class DeviceSilent(GatewayError):
    """A device or its line does not answer as it should; the same call may work later."""


class DeviceRefused(DeviceSilent):
    """A device answers, but not with these registers: they are not there, or not now."""


class OutboxDamaged(GatewayError):
    """The outbox file is no sound database; opening it moves it aside with its log of changes, never deletes it."""


class OutboxFull(GatewayError):
    """No more room on disk for readings; nothing was taken, and what was taken before is in its files as it was."""


class OutboxUnavailable(GatewayError):
    """The outbox cannot be used now (locked, unreadable disk, no rights); its files are left alone, try again."""
