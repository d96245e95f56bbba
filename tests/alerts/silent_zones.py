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
    ids = channel_ids(connection)
    connection.execute("SELECT ensure_reading_partition(%s)", [last_at])
    for number, zone in enumerate(zones):
        at = last_at - number * timedelta(minutes=5)
        row = [ids[zone.zone_id, "tower", "level_m"], 1, at, at, 1.5]
        for table in ("reading", "latest"):
            connection.execute(f"INSERT INTO {table} ({COLUMNS}) VALUES (%s, %s, %s, %s, %s)", row)  # type: ignore[arg-type] # of two tables
