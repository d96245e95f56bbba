"""Is it alive: open to everybody, and says nothing about people or places."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from ingest.db import queries
from web.api.responses import ERRORS
from web.dependencies import ConnectionOf, ServicesOf

SQL = queries("web", "health")
router = APIRouter(tags=["health"])


EXAMPLE = {
    "status": "ok", "database": "ok", "platform_time": "2026-11-24T10:43:32+00:00", "newest_reading_age_s": 212.0,
    "heartbeat_age_s": {"alerts": 0.6, "ingest": 0.4, "sender": 0.2},
}  # fmt: skip


@router.head("/healthz", include_in_schema=False)
@router.get(
    "/healthz",
    summary="Database, newest reading, heartbeats of the services",
    responses={200: {"content": {"application/json": {"example": EXAMPLE}}}, 405: ERRORS[405], 503: ERRORS[503]},
)
def healthz(services: ServicesOf, connection: ConnectionOf) -> Response:
    """200 when the database answers, 503 when it does not; ages are in seconds of platform time."""
    now = services.clock.now()
    newest_at = (connection.execute(SQL["newest_reading"]).fetchone() or (None,))[0]
    beats = connection.execute(SQL["heartbeats"]).fetchall()
    body = {
        "status": "ok",
        "database": "ok",
        "platform_time": now.isoformat(),
        "newest_reading_age_s": None if newest_at is None else round((now - newest_at).total_seconds(), 1),
        "heartbeat_age_s": {service: round((now - at).total_seconds(), 1) for service, at in beats},
    }
    return JSONResponse(body)
