"""What the assembling parts raise on purpose; each message is one sentence with its remedy."""


class NdiyanError(Exception):
    """Root of all that this package raises on purpose; the command line prints it as it stands."""


class StartRefused(NdiyanError):
    """Something on this machine or in the data folder keeps us from starting; a person must act."""


class SettingsError(NdiyanError):
    """A setting is unknown or impossible; the message names key, value and bound."""


class WorkerFailed(NdiyanError):
    """A process of ours ended badly; what it wrote on stderr says why."""


class BackupError(NdiyanError):
    """A backup could not be made or does not hold what it should; what was there before is as it was."""
