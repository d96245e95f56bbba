"""Every address that the web application answers at, with the door before it."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from fastapi import APIRouter, Depends
from fastapi.staticfiles import StaticFiles
from starlette.routing import BaseRoute

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
from web.dependencies import api_guard, demo_only, export_guard, known_parameters, page_guard, send_guard
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


@cache
def routes() -> list[BaseRoute]:
    """All routes, put together once in a process.

    FastAPI would do it when each is first asked for: a second of work in each application of a process, and two threads
    that do it at once trip over each other.
    """
    house, known = APIRouter(), Depends(known_parameters)
    house.include_router(health.router)
    house.include_router(login.open_router)
    house.include_router(hooks.router)
    house.mount("/static", StaticFiles(directory=str(files("web") / "static")), name="static")

    for router in (
        openapi.router, zones.router, readings.router, api_alerts.router, api_account.router, api_set_aside.router,
        api_rules.router, api_sms.router, api_reports.router,
    ):  # fmt: skip
        house.include_router(router, prefix="/api/v1", dependencies=[Depends(api_guard), known])
    house.include_router(metrics.router, dependencies=[Depends(api_guard)])
    house.include_router(sta.router, dependencies=[Depends(api_guard)])
    house.include_router(api_exports.router, prefix="/api/v1", dependencies=[Depends(export_guard), known])
    house.include_router(api_backlogs.router, prefix="/api/v1", dependencies=[Depends(send_guard), known])
    house.include_router(api_uplinks.router, prefix="/api/v1", dependencies=[Depends(send_guard)])
    house.include_router(
        api_phone.router, prefix="/api/v1", dependencies=[Depends(api_guard), Depends(demo_only), known]
    )
    for router in (
        overview.router, zone.router, committee.router, figures.router, alerts.router, rules.router, account.router,
        set_aside.router, profiles.router, login.router, calls.router, sms.router, data.router, reports.router,
        explorer.router, asset.router, comparison.router, quality.router, itself.router, own.router, settings.router,
        capacity.router, search.router, backlogs.router, registry.router, kept.router,
    ):  # fmt: skip
        house.include_router(router, prefix="/{language}", dependencies=[Depends(page_guard)], include_in_schema=False)
    for router in (phone.router, breaking.router):
        house.include_router(
            router,
            prefix="/{language}",
            dependencies=[Depends(page_guard), Depends(demo_only)],
            include_in_schema=False,
        )
    house.include_router(overview.root, dependencies=[Depends(page_guard)], include_in_schema=False)
    for route in house.routes:
        route.matches({"type": "http", "method": "GET", "path": "/-", "root_path": "", "headers": []})
    return house.routes
