"""Exports: years of readings as CSV or Parquet, places as GeoJSON, taps as WPDx rows. Keys need `export`."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import JSONResponse, Response, StreamingResponse

from web.api.responses import ERRORS
from web.dependencies import ConnectionOf, PastOf, PastPoolOf, ServicesOf
from web.exports import MEDIA, Export, Format, Kind, channels_of, span_of, stream
from web.fleet import fetch_states
from web.places import WPDX_COLUMNS, asset_features, wpdx_csv, zone_features

router = APIRouter(prefix="/exports", tags=["exports"], responses=ERRORS)

GEOJSON = "application/geo+json"
CSV_EXAMPLE = (
    "zone,asset,channel,unit,measured_at,received_at,value,flag\n"
    "zone-3,tower,level_m,m,2026-11-24T10:40:00Z,2026-11-24T10:40:02Z,1.84,1\n"
)
READINGS_OPENAPI = {
    "description": "A file; of what kind, `format` says",
    "content": {
        "text/csv": {"schema": {"type": "string"}, "example": CSV_EXAMPLE},
        MEDIA[Format.PARQUET]: {"schema": {"type": "string", "format": "binary"}, "example": "PAR1…"},
    },
}


def _geojson_openapi(feature_id: str, **properties: Any) -> dict[int | str, dict[str, Any]]:
    point = {"type": "Point", "coordinates": [-12.402, 11.352]}
    feature = {"type": "Feature", "id": feature_id, "geometry": point, "properties": properties}
    content = {"schema": {"type": "object"}, "example": {"type": "FeatureCollection", "features": [feature]}}
    return {200: {"description": "GeoJSON (RFC 7946)", "content": {GEOJSON: content}}}


ASSET_OPENAPI = _geojson_openapi("zone-3/tap-01", zone="zone-3", asset="tap-01", kind="tap", position_of="zone")
WPDX_OPENAPI = {
    "description": "CSV with the columns of WPDx",
    "content": {"text/csv": {"schema": {"type": "string"}, "example": ",".join(WPDX_COLUMNS) + "\n"}},
}


@router.get(
    "/readings",
    summary="Readings or rollups of many channels",
    response_class=StreamingResponse,
    responses={200: READINGS_OPENAPI},
)
def readings(
    connection: PastOf,
    pool: PastPoolOf,
    first: Annotated[date, Query(alias="from", description="first UTC day", examples=["2026-03-01"])],
    last: Annotated[date, Query(alias="to", description="last UTC day, itself included", examples=["2026-03-02"])],
    zone: Annotated[list[str] | None, Query(description="all channels of these", examples=[["zone-3"]])] = None,
    channel: Annotated[
        list[str] | None, Query(description="only these, ids from /channels", examples=[["zone-3/tower/level_m"]])
    ] = None,
    kind: Annotated[Kind, Query(description="readings, or what became of them by hour or day")] = Kind.RAW,
    format: Annotated[Format, Query(description="`excel-fr`: semicolon, decimal comma, French headers")] = Format.CSV,
) -> Response:
    """Channel by channel in the order of measured time, as long as it takes; nothing is left out, bad readings neither.

    Instants are UTC. A mean, `first` or `last` without good readings is empty; `steps` is what a counter moved on.
    """
    channels = channels_of(connection, zone or [], channel or [])
    export = Export(channels, *span_of(first, last), kind, format)
    headers = {"content-disposition": f'attachment; filename="{export.file_name}"'}
    return StreamingResponse(stream(pool, export), media_type=MEDIA[format], headers=headers)


@router.get(
    "/zones.geojson", summary="Zones as GeoJSON", response_class=Response,
    responses=_geojson_openapi("zone-3", name="Mangol-Dow (fictif)", state="fault", updated_at="2026-11-24T10:40:00Z"),
)  # fmt: skip
def zones(services: ServicesOf, connection: ConnectionOf) -> Response:
    """Where each zone is, its state, and when it was heard last."""
    return JSONResponse(zone_features(fetch_states(connection, services.clock.now())), media_type=GEOJSON)


@router.get("/assets.geojson", summary="Assets as GeoJSON", response_class=Response, responses=ASSET_OPENAPI)
def assets(connection: ConnectionOf) -> Response:
    """All assets but taps; each at the position of its zone."""
    return JSONResponse(asset_features(connection, taps=False), media_type=GEOJSON)


@router.get("/taps.geojson", summary="Taps as GeoJSON", response_class=Response, responses=ASSET_OPENAPI)
def taps(connection: ConnectionOf) -> Response:
    """All taps; each at the position of its zone."""
    return JSONResponse(asset_features(connection, taps=True), media_type=GEOJSON)


@router.get(
    "/wpdx.csv", summary="Taps for the Water Point Data Exchange", response_class=Response,
    responses={200: WPDX_OPENAPI},
)  # fmt: skip
def wpdx(
    services: ServicesOf,
    connection: ConnectionOf,
    fictional: Annotated[bool, Query(description="also zones that do not exist; never publish those")] = False,
) -> Response:
    """One row a tap. `status_id` is whether water ran in the last 24 hours, by a rule that `notes` tells."""
    text = wpdx_csv(connection, now=services.clock.now(), with_fictional=fictional)
    headers = {"content-disposition": 'attachment; filename="ndiyan_wpdx.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)
