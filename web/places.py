"""Zones, assets and taps as places: GeoJSON, and the rows that the Water Point Data Exchange (WPDx) takes.

Where a tap or a pump stands is not known: each has the position of its zone, and says so.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from ingest.db import Connection, queries
from web.fleet import ZoneNow
from web.spreadsheets import csv_text

SQL = queries("web", "exports")

OF_ZONE = "zone"
WPDX_COLUMNS = (
    "lat_deg", "lon_deg", "status_id", "report_date", "source", "water_source", "water_tech", "facility_type",
    "management", "pay", "scheme_id", "activity_id", "country_name", "adm3", "notes",
)  # fmt: skip
WPDX_RULE = (
    "status_id: Yes = the tap's counter moved on within the 24 h before the report; No = it was heard and did not;"
    " Unknown = it was not heard, or for the first time in more than a day, or has no counter. Position of the village."
)
FICTIONAL = " FICTIONAL: does not exist, never publish."


def zone_features(fleet: Iterable[ZoneNow]) -> dict[str, Any]:
    """Zones as a FeatureCollection; `updated_at` is the measured time of the newest reading."""
    return _collection(
        _feature(
            item.zone.zone_id, item.zone.latitude, item.zone.longitude,
            name=item.zone.name, commune=item.zone.commune, people=item.zone.people, state=item.state.value,
            open_alerts=len(item.alerts), tower_level_m=item.tower.level_m if item.tower else None,
            updated_at=_written(item.last_seen_at), is_fictional=item.zone.is_fictional,
        )
        for item in fleet
    )  # fmt: skip


def asset_features(connection: Connection, *, taps: bool) -> dict[str, Any]:
    """All taps, or all other assets, as a FeatureCollection."""
    rows = connection.execute(SQL["assets"], {"taps": taps})
    return _collection(
        _feature(
            f"{zone}/{asset}", latitude, longitude,
            zone=zone, zone_name=name, asset=asset, kind=kind, interval_s=interval_s, rating=rating,
            updated_at=_written(seen_at), is_fictional=is_fictional, position_of=OF_ZONE,
        )
        for zone, asset, kind, interval_s, rating, name, latitude, longitude, is_fictional, seen_at in rows
    )  # fmt: skip


def wpdx_csv(connection: Connection, *, now: datetime, with_fictional: bool) -> str:
    """One row a tap, in the names of WPDx; what Ndiyan does not know (year, installer, quality) is left out."""
    rows: list[tuple[object, ...]] = [WPDX_COLUMNS]
    for zone, tap, name, commune, lat, lon, _, is_fictional, _, steps, n in connection.execute(
        SQL["taps"], {"now": now}
    ):
        if is_fictional and not with_fictional:
            continue
        notes = WPDX_RULE + (FICTIONAL if is_fictional else "")
        rows.append(
            (
                lat, lon, water_status(steps, n), f"{now:%Y-%m-%d}", "Ndiyan", "Borehole",
                "Motorized pump - solar, piped to public tap", "Improved", "Community management (UGSPE)", "Yes", zone,
                f"{zone}/{tap}", "Guinea", commune, f"{name}. {notes}",
            )
        )  # fmt: skip
    return csv_text(rows)


def water_status(steps_m3: float | None, readings: int | None) -> str:
    """What WPDx asks: was there water. Nobody can tell of a tap that was not heard."""
    if not readings or steps_m3 is None:
        return "Unknown"
    return "Yes" if steps_m3 > 0 else "No"


def _collection(features: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {"type": "FeatureCollection", "features": list(features)}


def _feature(feature_id: str, latitude: float, longitude: float, **properties: Any) -> dict[str, Any]:
    point = {"type": "Point", "coordinates": [longitude, latitude]}
    return {"type": "Feature", "id": feature_id, "geometry": point, "properties": properties}


def _written(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")
