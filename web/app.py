"""The web application: pages behind the session, the API behind keys, and the few doors that stand open."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware

from alerts.trials import run as run_trial
from gateway.clock import Clock, SystemClock
from ingest.backlog_files import store_file, take_interrupted
from ingest.db import open_pool
from web.api.openapi import DESCRIPTION
from web.config import WebConfig
from web.dependencies import Services
from web.etags import ETags
from web.exports import MEDIA, Format
from web.in_turn import InTurn
from web.limits import Limiter
from web.metrics import Counting, Requests
from web.pages import login
from web.passwords import Passwords
from web.problems import add_handlers
from web.replica import Replica, TellBehind
from web.request_id import RequestIds
from web.routes import routes
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
        description=DESCRIPTION,
        routes=routes(),
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

    return app


def _provider(config: WebConfig) -> Provider | None:
    """The OpenID provider; what speaks with it is loaded only where there is one."""
    if config.provider is None:
        return None
    from web.provider import Provider

    return Provider(config.provider, config.public_url + login.RETURN)
