"""What people changed of the rules, kept with who, when and why; nothing is overwritten."""

from __future__ import annotations

from datetime import datetime

from alerts.errors import SettingRefused
from alerts.parameters import Setting, parameter_of
from ingest.db import Connection, queries

SQL = queries("alerts", "settings")


def fetch_settings(connection: Connection) -> list[Setting]:
    """The last word on each parameter, for all zones and for those that have one of their own."""
    return [Setting(*row) for row in connection.execute(SQL["settings"])]


def change(
    connection: Connection, name: str, *, zone: str | None, value: float | None, who: str, why: str, now: datetime
) -> None:
    """Let `value` hold from the next evaluation on, in one zone or (None) in all; None undoes it.

    Raises
    ------
    SettingRefused : an unknown parameter, a value out of its bounds, no reason
    """
    parameter = parameter_of(name)
    if value is not None:
        parameter.check(value)
    if not why.strip():
        raise SettingRefused("why", why, "is empty: a reason is needed")
    connection.execute(
        SQL["change"],
        {"parameter": name, "zone": zone, "value": value, "who": who, "why": why.strip()[:300], "now": now},
    )
