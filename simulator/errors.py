"""What the simulator raises on purpose."""


class SimulatorError(Exception):
    """Root of all that this package raises on purpose."""


class ScenarioError(SimulatorError):
    """A scenario cannot be used; the message names file, key, value and bound."""
