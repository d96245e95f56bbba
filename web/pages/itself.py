"""Is Ndiyan itself well? What an operator without a shell needs to know."""

from __future__ import annotations

from datetime import timedelta

from fastapi import APIRouter
from fastapi.responses import Response

from alerts.watchdog import look_at_parts
from web.aside import fetch_waiting
from web.itself import LONGEST, fetch_disk, fetch_errors, fetch_tidied
from web.labels import KEPT
from web.metrics import LAGS, fetch_lag, fetch_queues
from web.pages.page import PageOf

router = APIRouter()


@router.get("/ndiyan")
def itself(page: PageOf) -> Response:
    """Heartbeats, delays, queues, errors and disk, of this moment."""
    connection, now = page.connection, page.now
    lags = {
        name: {quantile: timedelta(seconds=seconds) for quantile, seconds in fetch_lag(connection, name, now).items()}
        for name in LAGS
    }
    parts = look_at_parts(connection, page.services.clock)
    disk, errors = fetch_disk(connection), fetch_errors(connection, now)
    aside: dict[str, int] = {}
    for group in fetch_waiting(connection):
        aside[group.reason] = aside.get(group.reason, 0) + group.count
    return page.render(
        "itself.html", parts=parts, lags=lags, queues=fetch_queues(connection, now), errors=errors, aside=aside,
        disk=disk, full_in=disk.full_in(now), per_day=disk.per_day(now), longest=LONGEST, is_disk_bad=disk.is_bad(now),
        is_well=not (any(part.why for part in parts) or errors.are_bad or disk.is_bad(now)),
        tidied=fetch_tidied(connection), kinds=KEPT,
    )  # fmt: skip
