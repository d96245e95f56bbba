"""What alerts raises on purpose."""


class AlertsError(Exception):
    """Root of all that this package raises on purpose."""


class ShelfRefused(AlertsError):
    """An alert cannot be put on the shelf like this; names what was given, its value and the bound."""

    def __init__(self, name: str, value: object, bound: str) -> None:
        super().__init__(f"{name}: {value!r} {bound}")
        self.name, self.value, self.bound = name, value, bound


class ActionRefused(AlertsError):
    """What somebody wants to do to an alert cannot be done; names what was given, its value and the bound."""

    def __init__(self, name: str, value: object, bound: str) -> None:
        super().__init__(f"{name}: {value!r} {bound}")
        self.name, self.value, self.bound = name, value, bound


class SettingRefused(AlertsError):
    """A rule cannot be changed like this; names what was given, its value and the bound."""

    def __init__(self, name: str, value: object, bound: str) -> None:
        super().__init__(f"{name}: {value!r} {bound}")
        self.name, self.value, self.bound = name, value, bound


class StandsElsewhere(AlertsError):
    """A phone stands in committees of other zones too than the one that may be spoken for; which ones is not told."""


class HistoryError(AlertsError):
    """Files of history or labels cannot be used; the message names file, column or value."""


class CarrierRefused(AlertsError):
    """An SMS route cannot be set up like this; names the setting, its value and the bound."""


class WebhookRefused(AlertsError):
    """A webhook's table in the settings is not acceptable; names key, value and bound."""
