"""What Prometheus asks for: how long a reading takes to be stored, judged and told, and what waits on the way.

Everything but the requests is asked of the database when somebody looks, so it is right whichever process is asked.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ingest.db import Connection, queries
from web.itself import fetch_disk

SQL = queries("web", "metrics")

QUANTILES = (0.5, 0.9, 1.0)
BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

LAGS = {
    "stored": ("measured_to_stored_seconds", "Newest readings of the last hour: received less measured"),
    "judged": ("stored_to_judged_seconds", "Zones: time of the newest reading less time judged up to"),
    "told": ("opened_to_told_seconds", "Alerts of the last day: taken by a route less opened"),
}

OF_SERVICES = {
    "service_memory_bytes": ("Memory that a service takes", ("service",)),
    "service_waiting_messages": ("Messages that ingest has received and not stored", ("service",)),
    "service_batch": ("Size of the newest batch: messages stored, zones judged, SMS moved on", ("service",)),
    "service_reconnects": ("How often a service lost and found broker or database, since its start", ("service", "to")),
}
"""What services tell with their heartbeats, by the name of its statement."""


def fetch_lag(connection: Connection, lag: str, now: datetime) -> dict[float, float]:
    """Seconds by quantile of one of `LAGS`; empty when there is nothing to tell it by."""
    row = connection.execute(SQL[lag], {"now": now, "quantiles": list(QUANTILES)}).fetchone()
    return dict(zip(QUANTILES, (row[0] if row else None) or (), strict=False))


def fetch_queues(connection: Connection, now: datetime) -> list[tuple[str, int, datetime | None]]:
    """What waits: queue, how many, and since when the oldest does."""
    return [(queue, number, since) for queue, number, since in connection.execute(SQL["queues"], {"now": now})]


class Requests:
    """Counts requests by route and status, and how long they took until the head of the answer."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._number = Counter(
            "ndiyan_http_requests", "Requests that were answered", ["method", "route", "status"], registry=self.registry
        )
        self._time = Histogram(
            "ndiyan_http_request_seconds", "Until the head of the answer", ["route"], buckets=BUCKETS_S,
            registry=self.registry,
        )  # fmt: skip

    def note(self, scope: Scope, status: int, lasted_s: float) -> None:
        """One request was answered; an address that is no route counts as one of `none`."""
        route = _template(scope)
        method = scope["method"] if scope["method"] in ("GET", "POST", "PUT", "DELETE", "HEAD") else "other"
        self._number.labels(method, route, str(status)).inc()
        self._time.labels(route).observe(lasted_s)


def _template(scope: Scope) -> str:
    """The address as it was declared, prefix included, which the route by itself does not know; `none` without one."""
    whole = scope.get("fastapi", {}).get("effective_route_context")
    return str(getattr(whole or scope.get("route"), "path", None) or "none")


class Counting:
    """ASGI middleware that notes each request."""

    def __init__(self, app: ASGIApp, *, requests: Requests) -> None:
        self._app, self._requests = app, requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, and note how it went."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = time.monotonic()

        async def send_noted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._requests.note(scope, message["status"], time.monotonic() - began_s)
            await send(message)

        await self._app(scope, receive, send_noted)


class Platform(Collector):
    """The platform at `now` (platform time), from one connection; what nobody can tell has no sample."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection, self._now = connection, now

    def collect(self) -> Iterable[Metric]:
        """All families."""
        yield from self._lags()
        yield from self._queues()
        yield self._by("set_aside_messages", "Messages that wait set aside", "set_aside", "reason")
        yield self._by("heartbeat_age_seconds", "Since a service was heard", "heartbeats", "service")
        yield self._by("errors", "What goes wrong now, or went wrong within a day", "errors", "reason")
        what = "What the broker keeps, and since its start has dropped; our sessions that it lost"
        yield self._by("broker", what, "broker", "kind")
        for name, (sentence, labels) in OF_SERVICES.items():
            yield self._by(name, sentence, name, *labels)
        yield from self._disk()
        yield self._by("readings_today", "Readings of today by what became of them", "account", "fate")

    def _lags(self) -> Iterable[Metric]:
        for statement, (name, sentence) in LAGS.items():
            family = GaugeMetricFamily(f"ndiyan_{name}", sentence, labels=["quantile"])
            for quantile, value in fetch_lag(self._connection, statement, self._now).items():
                family.add_metric([f"{quantile:g}"], value)
            yield family

    def _queues(self) -> Iterable[Metric]:
        depth = GaugeMetricFamily("ndiyan_queue_depth", "What waits", labels=["queue"])
        oldest = GaugeMetricFamily("ndiyan_queue_oldest_seconds", "How long the oldest has waited", labels=["queue"])
        for queue, number, since in fetch_queues(self._connection, self._now):
            depth.add_metric([queue], number)
            if since is not None:
                oldest.add_metric([queue], max(0.0, (self._now - since).total_seconds()))
        yield from (depth, oldest)

    def _disk(self) -> Iterable[Metric]:
        disk = fetch_disk(self._connection)
        yield GaugeMetricFamily("ndiyan_database_bytes", "Size of the database", value=disk.database)
        free = "Free on the database's disk, or where the pages run when that is not seen from there"
        yield GaugeMetricFamily("ndiyan_disk_free_bytes", free, value=disk.free)
        left = GaugeMetricFamily(
            "ndiyan_disk_full_in_seconds", "Until the disk is full at the pace so far, ten years at most"
        )
        if (full_in := disk.full_in(self._now)) is not None:
            left.add_metric([], full_in.total_seconds())
        yield left

    def _by(self, name: str, sentence: str, statement: str, *labels: str) -> Metric:
        family = GaugeMetricFamily(f"ndiyan_{name}", sentence, labels=labels)
        for *values, number in self._connection.execute(SQL[statement], {"now": self._now}):
            family.add_metric(values, number)
        return family
