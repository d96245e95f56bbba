"""`/metrics` for Prometheus, behind the keys of the API: numbers about the platform, none about people or water."""

from __future__ import annotations

from fastapi import APIRouter
from fastapi.responses import Response
from prometheus_client import CollectorRegistry, generate_latest

from web.api.responses import ERRORS
from web.dependencies import ConnectionOf, ServicesOf
from web.metrics import Platform

TEXT = "text/plain; version=0.0.4; charset=utf-8"
EXAMPLE = 'ndiyan_measured_to_stored_seconds{quantile="0.5"} 2.4\nndiyan_queue_depth{queue="notification"} 0.0\n'

router = APIRouter(tags=["health"], responses=ERRORS)


@router.get(
    "/metrics",
    summary="Figures for Prometheus",
    response_class=Response,
    responses={
        200: {
            "description": "Prometheus' text format",
            "content": {"text/plain": {"schema": {"type": "string"}, "example": EXAMPLE}},
        }
    },
)
def metrics(services: ServicesOf, connection: ConnectionOf) -> Response:
    """Delays from measured to stored to judged to told, queues, set-aside messages, heartbeats, requests."""
    platform = CollectorRegistry()
    platform.register(Platform(connection, services.clock.now()))
    return Response(generate_latest(platform) + generate_latest(services.requests.registry), media_type=TEXT)
