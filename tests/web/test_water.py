"""What pages ask of a zone in which no water flows, from the database."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from alerts.silent import Kind
from gateway.clock import us_from_instant
from gateway.model import Flag
from gateway.zones import Zone
from ingest.columns import Columns
from ingest.db import connect
from ingest.registry import channel_ids, import_zones
from ingest.writer import ReadingWriter
from web.water import fetch_silences

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.mark.db
@pytest.mark.parametrize(
    ("reached", "kind"),
    [
        pytest.param(0.85, Kind.PUMP_BROKEN, id="it-was-not-filled-yesterday"),
        pytest.param(0.98, Kind.NOBODY_DREW, id="the-float-has-stopped-the-pump"),
    ],
)
def test_how_full_the_tower_was_yesterday_tells_why_its_pump_stands_at_noon(
    database_url: str, zones: list[Zone], reached: float, kind: Kind
) -> None:
    """Since midnight four fifths stand in it; good sun, and nothing moves."""
    zone = zones[0]
    full_m = float(zone.asset("tower").rating["full_level_m"])
    values = {
        ("pv", "irradiance_w_m2"): 800.0, ("pump", "power_w"): 2.0, ("pump", "flow_m3_h"): 0.0,
        ("tower", "level_m"): 0.8 * full_m, ("tower", "outflow_m3_h"): 0.0,
    }  # fmt: skip
    midnight = NOON.replace(hour=0)
    times = np.array([us_from_instant(midnight + timedelta(minutes=5 * step)) for step in range(144)], dtype=np.int64)
    with connect(database_url) as connection:
        import_zones(connection, [zone])
        ids = channel_ids(connection)
        channel = np.repeat(np.array([ids[zone.zone_id, *name] for name in values], dtype=np.int32), len(times))
        measured = np.tile(times, len(values))
        flag = np.full(len(measured), Flag.GOOD, dtype=np.int16)
        ReadingWriter(connection).write(
            Columns(channel, measured, measured, np.repeat(list(values.values()), len(times)), flag)
        )
        features = json.dumps({"reached_m": reached * full_m, "top_level_m": reached * full_m})
        connection.execute(
            "INSERT INTO zone_day (zone_id, day, features) VALUES (%s, %s, %s)",
            (zone.zone_id, (NOON - timedelta(days=1)).date(), features),
        )
        newest = NOON - timedelta(minutes=5)
        found = fetch_silences(connection, [zone.zone_id], NOON, seen_at={zone.zone_id: newest})
    assert found[zone.zone_id].kind == kind
