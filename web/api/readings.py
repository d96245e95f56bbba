"""Readings of a channel: a range of time at a resolution, as JSON or CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from gateway.clock import require_utc
from ingest.readings import ChannelRow, Series
from ingest.readings_pg import PgReadings
from web.api.models import ReadingListing
from web.api.paging import link_to_next
from web.api.responses import ERRORS
from web.cursors import cursor_of, read_cursor
from web.dependencies import PastOf, ServicesOf
from web.errors import BadParameter, NotThere
from web.notes import NOTHING, Note, notes_of_channel

router = APIRouter(tags=["readings"], responses=ERRORS)

DEFAULT_RANGE = timedelta(days=1)
LONGEST_RANGE = timedelta(days=731)
AUTO_POINTS = 500  # about the width of a drawing
AUTO_STEPS_S = (300, 900, 1800, 3600, 7200, 21_600, 43_200, 86_400, 604_800)
MAX_ROWS = 50_000
MIN_RESOLUTION_S, MAX_RESOLUTION_S = 10, 31 * 86_400
FIRST_YEAR, LAST_YEAR = 1970, 2200  # clocks that were reset tell the first
COLUMNS = ("measured_at", "value", "minimum", "maximum", "n", "flag", "failed", "device_at")


@router.get(
    "/readings",
    summary="Readings of one channel",
    response_model=ReadingListing,
    responses={
        200: {
            "content": {
                "text/csv": {
                    "example": "measured_at,value,minimum,maximum,n,flag,failed,device_at\n"
                    "2026-11-24T10:40:00Z,1.84,1.84,1.84,1,1,,\n"
                    "2026-11-24T10:45:00Z,1.85,1.85,1.85,1,3,clock,1970-01-01T00:05:00Z\n"
                }
            }
        }
    },
)
def readings(
    request: Request,
    services: ServicesOf,
    connection: PastOf,
    channel: Annotated[str, Query(description="id from /channels", examples=["zone-3/tower/level_m"])],
    start: Annotated[datetime | None, Query(description="measured at or after; a day before `end` if absent")] = None,
    end: Annotated[datetime | None, Query(description="measured before; now if absent")] = None,
    resolution: Annotated[
        str, Query(description="`raw`, `auto` (at most about 500 points) or the length of an interval in seconds")
    ] = "auto",
    limit: Annotated[int, Query(ge=1, le=MAX_ROWS)] = 10_000,
    cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
    format: Annotated[Literal["json", "csv"] | None, Query(description="CSV also by `Accept: text/csv`")] = None,
) -> Response:
    """Values are in the channel's canonical unit; intervals without readings are absent, a gap stays a gap.

    Intervals lie on multiples of their length since 1970. The first is counted from its own beginning, and those of
    whole hours or days are counted to the end of the hour or day in which `end` lies.
    For a counter the value of an interval is its last reading. A raw reading tells the tests that it failed, and one
    whose time is our estimate what its gateway's clock said.
    """
    store = PgReadings(connection)
    row = _channel(store, channel)
    start_at, end_at = _range(start, end, services.clock.now())
    step = step_of(resolution, end_at - start_at, row.interval_s)
    from_at = start_at if cursor is None else max(start_at, read_cursor(cursor)[0])
    series = store.series(row.channel_id, from_at, end_at, resolution=step, limit=limit + 1)
    has_more = len(series.t_s) > limit
    shown_until = _instant(series.t_s[limit]) if has_more else end_at
    notes = notes_of_channel(connection, row.channel_id, from_at, shown_until) if step is None else None
    more = cursor_of(shown_until) if has_more else None
    is_csv = format == "csv" or (format is None and "text/csv" in request.headers.get("accept", ""))
    if is_csv:
        return _csv(request, row, _rows(series, notes, limit), more)
    body = {
        "items": [dict(zip(COLUMNS, values, strict=True)) for values in _rows(series, notes, limit)], "next": more,
        "channel": channel, "unit": row.unit, "resolution_s": None if step is None else step.total_seconds(),
    }  # fmt: skip
    return JSONResponse(body, headers=link_to_next(request, more))


def step_of(resolution: str, span: timedelta, interval_s: float) -> timedelta | None:
    """The length of an interval, None for raw.

    Raises
    ------
    BadParameter : neither `raw`, `auto` nor a number of seconds within bounds
    """
    if resolution == "raw":
        return None
    if resolution == "auto":
        wanted_s = span.total_seconds() / AUTO_POINTS
        if wanted_s <= interval_s:
            return None
        return timedelta(seconds=next((step for step in AUTO_STEPS_S if step >= wanted_s), AUTO_STEPS_S[-1]))
    bound = f"is neither raw, auto nor {MIN_RESOLUTION_S} to {MAX_RESOLUTION_S} seconds"
    if not (resolution.isascii() and resolution.isdigit()) or len(resolution) > 9:
        raise BadParameter("resolution", resolution, bound)
    if not MIN_RESOLUTION_S <= int(resolution) <= MAX_RESOLUTION_S:
        raise BadParameter("resolution", resolution, bound)
    return timedelta(seconds=int(resolution))


def _channel(store: PgReadings, channel: str) -> ChannelRow:
    zone, _, rest = channel.partition("/")
    asset, _, name = rest.partition("/")
    rows = store.channels(zone, with_retired=True)
    found = next((row for row in rows if (row.asset_id, row.name) == (asset, name)), None)
    if found is None:
        raise NotThere("channel", channel)
    return found


def _range(start: datetime | None, end: datetime | None, now: datetime) -> tuple[datetime, datetime]:
    for name, value in (("start", start), ("end", end)):
        if value is not None and value.tzinfo is None:
            raise BadParameter(name, value.isoformat(), "has no time zone; write Z or an offset")
        if value is not None and not FIRST_YEAR <= value.year <= LAST_YEAR:
            raise BadParameter(name, value.isoformat(), f"is not of the years {FIRST_YEAR} to {LAST_YEAR}")
    end_at = now if end is None else require_utc(end)
    start_at = end_at - DEFAULT_RANGE if start is None else require_utc(start)
    if start_at >= end_at:
        raise BadParameter("start", start_at.isoformat(), f"is not before end {end_at.isoformat()}")
    if end_at - start_at > LONGEST_RANGE:
        raise BadParameter("start", start_at.isoformat(), f"is more than {LONGEST_RANGE.days} days before end")
    return start_at, end_at


def _rows(series: Series, notes: Mapping[int, Note] | None, limit: int) -> Iterator[tuple[Any, ...]]:
    """Values of `COLUMNS`; without `notes` the rows are intervals, which have none."""
    columns = (series.t_s, series.value, series.minimum, series.maximum, series.n, series.flag)
    for t_s, *values in zip(*(column[:limit].tolist() for column in columns), strict=True):
        note = None if notes is None else notes.get(round(t_s * 1e6), NOTHING)
        device_at = note.device_at if note else None
        failed = note.failed if note else None
        yield _written(_instant(t_s)), *values, failed, None if device_at is None else _written(device_at)


def _written(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _instant(t_s: float) -> datetime:
    return datetime.fromtimestamp(float(t_s), UTC)


def _csv(request: Request, row: ChannelRow, rows: Iterable[tuple[Any, ...]], more: str | None) -> Response:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((*values, " ".join(failed or ()), device_at) for *values, failed, device_at in rows)
    headers = {"content-disposition": f'inline; filename="{row.zone_id}_{row.asset_id}_{row.name}.csv"'}
    headers |= link_to_next(request, more)
    return Response(text.getvalue(), media_type="text/csv; charset=utf-8", headers=headers)
