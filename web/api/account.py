"""The account of messages: what each gateway sent, what became of it, what is missing, and where two values met."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Query

from ingest.db import Connection
from ingest.readings_pg import PgReadings
from web.account import (
    BootGaps,
    Line,
    conflict_cursor,
    conflicts_page,
    fetch_days,
    fetch_gaps,
    read_conflict_cursor,
    require_gateway,
)
from web.api.models import AccountLine, ConflictView, GapView, Listing
from web.api.paging import PagingOf
from web.api.responses import ERRORS
from web.cursors import cursor_of_key, page_of, read_key
from web.dependencies import ConnectionOf
from web.errors import BadParameter, NotThere

router = APIRouter(tags=["account"], responses=ERRORS)

Zone = Annotated[str | None, Query(description="only this zone's", examples=["zone-3"])]
Gateway = Annotated[str | None, Query(description="only this gateway's", examples=["gw-3"])]
Cursor = Annotated[str | None, Query(description="`next` of the page before")]


@router.get("/account", summary="The account of each gateway and day, newest day first")
def account(
    paging: PagingOf,
    connection: ConnectionOf,
    zone: Zone = None,
    gateway: Gateway = None,
    first: Annotated[date | None, Query(alias="from", description="days from this one on")] = None,
    last: Annotated[date | None, Query(alias="to", description="days until this one, itself included")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    cursor: Cursor = None,
) -> Listing[AccountLine]:
    """Every line adds up: what came in is stored, a duplicate, in conflict or set aside.

    A day is that of receipt, in UTC; a line changes only while its day lasts.
    """
    require_zone_or_gateway(connection, zone, gateway)
    if first is not None and last is not None and first > last:
        raise BadParameter("from", first.isoformat(), f"is after to {last.isoformat()}")
    after = None if cursor is None else read_key(cursor, date.fromisoformat, str, str)
    found = fetch_days(
        connection, zone=zone, gateway=gateway, first=first, last=last, limit=limit + 1,
        after=None if after is None else (after[0], after[1], after[2]),
    )  # fmt: skip
    end = found[limit - 1] if len(found) > limit else None
    return paging.listing(
        items=[line_view(line) for line in found[:limit]],
        next=None if end is None else cursor_of_key(end.day, end.zone_id, end.gateway_id),
    )


@router.get("/account/gaps", summary="Numbers that have not come, by start of a gateway")
def gaps(
    paging: PagingOf,
    connection: ConnectionOf,
    zone: Zone = None,
    gateway: Gateway = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    cursor: Cursor = None,
) -> Listing[GapView]:
    """What is missing now: still on its way, or a gap; the start that was heard last comes first."""
    require_zone_or_gateway(connection, zone, gateway)
    found = sorted(fetch_gaps(connection, zone=zone, gateway=gateway), key=_gap_key)
    shown, more = page_of(found, _gap_key, cursor=cursor, limit=limit)
    return paging.listing(
        items=[
            GapView(
                zone=one.zone_id, gateway=one.gateway_id, boot=one.boot, sent=one.sent, missing=one.missing,
                ranges=one.ranges, is_gap=one.is_gap, first_received_at=one.first_received_at,
                last_received_at=one.last_received_at,
            )
            for one in shown
        ],
        next=more,
    )  # fmt: skip


@router.get("/conflicts", summary="Two values for one channel and moment, newest first")
def conflicts(
    paging: PagingOf,
    connection: ConnectionOf,
    zone: Zone = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
    cursor: Cursor = None,
) -> Listing[ConflictView]:
    """The value that came first stays in the readings; each other value is kept here."""
    require_zone_or_gateway(connection, zone, None)
    before = None if cursor is None else read_conflict_cursor(cursor)
    found = conflicts_page(connection, zone=zone, before=before, limit=limit + 1)
    end = found[limit - 1] if len(found) > limit else None
    return paging.listing(
        items=[
            ConflictView(
                channel=f"{one.zone_id}/{one.asset_id}/{one.name}", unit=one.unit, measured_at=one.measured_at,
                stored=one.stored, stored_received_at=one.stored_received_at, other=one.other,
                other_received_at=one.other_received_at,
            )
            for one in found[:limit]
        ],
        next=None if end is None else conflict_cursor(end),
    )  # fmt: skip


def require_zone_or_gateway(connection: Connection, zone: str | None, gateway: str | None) -> None:
    """`NotThere` when a filter names a zone or a gateway that nobody knows."""
    if zone is not None and zone not in {row.zone_id for row in PgReadings(connection).zones()}:
        raise NotThere("zone", zone)
    if gateway is not None:
        require_gateway(connection, zone, gateway)


def _gap_key(one: BootGaps) -> tuple[float, str, str, str]:
    return -one.last_received_at.timestamp(), one.zone_id, one.gateway_id, one.boot


def line_view(line: Line) -> AccountLine:
    """A line as the API tells it."""
    return AccountLine(
        zone=line.zone_id or None, gateway=line.gateway_id or None, day=line.day, sent=line.sent, arrived=line.arrived,
        declared=line.declared, received=line.received, replayed=line.replayed, stored=line.stored,
        duplicate=line.duplicate, conflict=line.conflict, set_aside=line.set_aside, late=line.late,
        missing=line.missing, clock_offset_s=line.clock_offset_s, adds_up=line.adds_up,
    )  # fmt: skip
