"""The web application: pages behind the session, the API behind keys, and the few doors that stand open."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from importlib.resources import files
from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.staticfiles import StaticFiles
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware

from alerts.trials import run as run_trial
from gateway.clock import Clock, SystemClock
from ingest.backlog_files import store_file, take_interrupted
from ingest.db import open_pool
from web import hooks
from web.api import account as api_account
from web.api import alerts as api_alerts
from web.api import backlogs as api_backlogs
from web.api import exports as api_exports
from web.api import health, metrics, openapi, readings, sta, zones
from web.api import phone as api_phone
from web.api import reports as api_reports
from web.api import rules as api_rules
from web.api import set_aside as api_set_aside
from web.api import sms as api_sms
from web.api import uplinks as api_uplinks
from web.config import WebConfig
from web.dependencies import Services, api_guard, demo_only, export_guard, page_guard, send_guard
from web.etags import ETags
from web.exports import MEDIA, Format
from web.in_turn import InTurn
from web.limits import Limiter
from web.metrics import Counting, Requests
from web.pages import (
    account,
    alerts,
    asset,
    backlogs,
    breaking,
    calls,
    capacity,
    committee,
    comparison,
    data,
    explorer,
    figures,
    itself,
    kept,
    login,
    overview,
    own,
    phone,
    profiles,
    quality,
    registry,
    reports,
    rules,
    search,
    set_aside,
    settings,
    sms,
    zone,
)
from web.passwords import Passwords
from web.problems import add_handlers
from web.replica import Replica, TellBehind
from web.request_id import RequestIds
from web.shield import Shield
from web.totals import KeptTotals
from web.turns import Turns
from web.uplinks import Uplinks
from web.uploads import Uploads

if TYPE_CHECKING:
    from web.provider import Provider

log = logging.getLogger(__name__)

POOL_SIZE = 8


def create_app(config: WebConfig, clock: Clock, *, wall: Clock | None = None) -> FastAPI:
    """Make the application; `clock` tells platform time, `wall` the world's, by which sessions end."""

    requests = Requests()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        pool = await run_in_threadpool(open_pool, config.database_url, size=POOL_SIZE, application="ndiyan web")
        trials = InTurn("trials", partial(run_trial, config.database_url, price_gnf=config.price_gnf))
        files = InTurn(
            "backlogs",
            partial(store_file, config.database_url, clock=clock),
            left=partial(take_interrupted, config.database_url),
        )
        limiter = Limiter(config.requests_per_minute)
        uplinks = Uplinks(config.database_url)
        app.state.services = Services(
            config, clock, wall or SystemClock(), pool, trials, limiter, Passwords(), requests, Turns(),
            KeptTotals(), uplinks, files, _provider(config),
            Replica(config.replica_url, size=POOL_SIZE) if config.replica_url else None,
        )  # fmt: skip
        try:
            with trials, files:
                yield
        finally:
            await run_in_threadpool(uplinks.close)
            if app.state.services.replica is not None:
                await run_in_threadpool(app.state.services.replica.close)
            await run_in_threadpool(pool.close, 2.0)

    app = FastAPI(
        title="Ndiyan",
        version=version("ndiyan"),
        summary="Zones, their readings, and the alerts that people act on",
        description=openapi.DESCRIPTION,
        openapi_url=None,  # our own route serves it, behind the door
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        redirect_slashes=True,
    )
    add_handlers(app)
    told = {error: handler for error, handler in app.exception_handlers.items() if error is not Exception}
    app.add_middleware(Uploads)
    app.add_middleware(ExceptionMiddleware, handlers=told)  # around the routes there is one of their own
    app.add_middleware(TellBehind)
    app.add_middleware(ETags)
    app.add_middleware(
        GZipMiddleware,
        minimum_size=800,
        compresslevel=6,
        exclude_content_types=(*DEFAULT_EXCLUDED_CONTENT_TYPES, MEDIA[Format.PARQUET]),
    )
    app.add_middleware(Shield, is_https=config.is_https)
    app.add_middleware(Counting, requests=requests)
    app.add_middleware(RequestIds)

    app.include_router(health.router)
    app.include_router(login.open_router)
    app.include_router(hooks.router)
    app.mount("/static", StaticFiles(directory=str(files("web") / "static")), name="static")

    for router in (
        openapi.router, zones.router, readings.router, api_alerts.router, api_account.router, api_set_aside.router,
        api_rules.router, api_sms.router, api_reports.router,
    ):  # fmt: skip
        app.include_router(router, prefix="/api/v1", dependencies=[Depends(api_guard)])
    app.include_router(metrics.router, dependencies=[Depends(api_guard)])
    app.include_router(sta.router, dependencies=[Depends(api_guard)])
    app.include_router(api_exports.router, prefix="/api/v1", dependencies=[Depends(export_guard)])
    app.include_router(api_backlogs.router, prefix="/api/v1", dependencies=[Depends(send_guard)])
    app.include_router(api_uplinks.router, prefix="/api/v1", dependencies=[Depends(send_guard)])
    app.include_router(api_phone.router, prefix="/api/v1", dependencies=[Depends(api_guard), Depends(demo_only)])
    for router in (
        overview.router, zone.router, committee.router, figures.router, alerts.router, rules.router, account.router,
        set_aside.router, profiles.router, login.router, calls.router, sms.router, data.router, reports.router,
        explorer.router, asset.router, comparison.router, quality.router, itself.router, own.router, settings.router,
        capacity.router, search.router, backlogs.router, registry.router, kept.router,
    ):  # fmt: skip
        app.include_router(router, prefix="/{language}", dependencies=[Depends(page_guard)], include_in_schema=False)
    for router in (phone.router, breaking.router):
        app.include_router(
            router,
            prefix="/{language}",
            dependencies=[Depends(page_guard), Depends(demo_only)],
            include_in_schema=False,
        )
    app.include_router(overview.root, dependencies=[Depends(page_guard)], include_in_schema=False)
    # FastAPI puts routes together when they are first asked for; two threads that do so at once trip over each other.
    for route in app.routes:
        route.matches({"type": "http", "method": "GET", "path": "/-", "root_path": "", "headers": []})
    return app


def _provider(config: WebConfig) -> Provider | None:
    """The OpenID provider; what speaks with it is loaded only where there is one."""
    if config.provider is None:
        return None
    from web.provider import Provider

    return Provider(config.provider, config.public_url + login.RETURN)
