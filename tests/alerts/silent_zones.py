"""Zones that fall silent one after the other."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.zones import Zone
from ingest.db import Connection
from ingest.registry import channel_ids, import_zones

COLUMNS = "channel_id, flag, measured_at, received_at, value"


def fall_silent(connection: Connection, zones: Sequence[Zone], last_at: datetime) -> None:
    """The first is heard for the last time at `last_at`, each other one five minutes before the one before it."""
    import_zones(connection, zones)
    connection.execute("SELECT ensure_reading_partition(%s)", [last_at])
    for number, zone in enumerate(zones):
        is_heard(connection, zone.zone_id, last_at - number * timedelta(minutes=5))


def is_heard(connection: Connection, zone_id: str, at: datetime) -> None:
    """A reading comes from a zone."""
    row = [channel_ids(connection)[zone_id, "tower", "level_m"], 1, at, at, 1.5]
    connection.execute(f"INSERT INTO reading ({COLUMNS}) VALUES (%s, %s, %s, %s, %s)", row)
    connection.execute(
        f"INSERT INTO latest ({COLUMNS}) VALUES (%s, %s, %s, %s, %s)"
        " ON CONFLICT (channel_id) DO UPDATE SET measured_at = EXCLUDED.measured_at",
        row,
    )
