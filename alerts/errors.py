"""What alerts raises on purpose."""


class AlertsError(Exception):
    """Root of all that this package raises on purpose."""


class HistoryError(AlertsError):
    """Files of history or labels cannot be used; the message names file, column or value."""
