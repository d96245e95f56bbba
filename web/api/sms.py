"""SMS for programs: what was told and what became of it, what came in, how the routes are, what it cost."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse, Response

from alerts.calls import Call, calls_due
from ingest.readings_pg import PgReadings
from web.api.models import (
    AttemptView,
    CallView,
    InboundView,
    Listing,
    NotificationDetail,
    NotificationView,
    PurseView,
    ReceiptView,
    RouteView,
)
from web.api.paging import PagingOf
from web.api.responses import ERRORS
from web.cursors import cursor_of, page_of, read_cursor
from web.dependencies import ConnectionOf, ServicesOf
from web.errors import NotThere
from web.masks import hide_phones, masked
from web.purse import MOST_MONTHS, fetch_purse
from web.sms import (
    Inbound,
    Notification,
    Story,
    fetch_routes,
    find_story,
    inbound_page,
    notifications_page,
)
from web.spreadsheets import csv_text

router = APIRouter(tags=["sms"], responses=ERRORS)

State = Literal[
    "held", "queued", "submitting", "uncertain", "accepted", "delivered", "undelivered", "no_receipt", "expired",
    "failed", "superseded", "abandoned",
]  # fmt: skip
Limit = Annotated[int, Query(ge=1, le=500)]
Cursor = Annotated[str | None, Query(description="`next` of the page before")]
PURSE_OPENAPI = {
    "content": {
        "text/csv": {"example": ",".join(PurseView.model_fields) + "\n2026-11-01,zone-3,12,2,13,13,150.0,1950.0,11,1\n"}
    }
}


@router.get("/notifications", summary="Notifications, newest first")
def notifications(
    paging: PagingOf,
    connection: ConnectionOf,
    state: Annotated[State | None, Query()] = None,
    zone: Annotated[str | None, Query(examples=["zone-3"])] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Listing[NotificationView]:
    """Who was told what; `uncertain`, `no_receipt` and `abandoned` say that nobody knows whether a handset had it."""
    if zone is not None and zone not in {row.zone_id for row in PgReadings(connection).zones()}:
        raise NotThere("zone", zone)
    before = None if cursor is None else read_cursor(cursor)
    found = notifications_page(connection, state=state, zone=zone, before=before, limit=limit + 1)
    end = found[limit - 1] if len(found) > limit else None
    return paging.listing(
        items=[NotificationView(**fields_of(one)) for one in found[:limit]],
        next=None if end is None else cursor_of(end.created_at, end.notification_id),
    )


@router.get("/notifications/{notification_id}", summary="One notification with its story")
def notification(connection: ConnectionOf, notification_id: int) -> NotificationDetail:
    """Every hand-over, every receipt as it came, and what its owner answered."""
    return _detail(find_story(connection, notification_id))


@router.get("/sms/inbound", summary="What came in, newest first")
def inbound(
    paging: PagingOf,
    connection: ConnectionOf,
    known: Annotated[bool | None, Query(description="false: only from phones of nobody we know")] = None,
    kind: Annotated[Literal["sms", "call"] | None, Query()] = None,
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Listing[InboundView]:
    """SMS and missed calls, kept before they are read, whoever sent them."""
    before = None if cursor is None else read_cursor(cursor)
    found = inbound_page(connection, known=known, kind=kind, before=before, limit=limit + 1)
    end = found[limit - 1] if len(found) > limit else None
    return paging.listing(
        items=[_inbound_view(one) for one in found[:limit]],
        next=None if end is None else cursor_of(end.received_at, end.sms_in_id),
    )


@router.get(
    "/sms/purse", summary="What SMS cost, per committee and month", response_model=Listing[PurseView],
    responses={200: PURSE_OPENAPI},
)  # fmt: skip
def purse(
    request: Request,
    services: ServicesOf,
    connection: ConnectionOf,
    months: Annotated[int, Query(ge=1, le=MOST_MONTHS, description="the running one among them")] = 12,
    zone: Annotated[str | None, Query(examples=["zone-3"])] = None,
    format: Annotated[Literal["json", "csv"] | None, Query(description="CSV also by `Accept: text/csv`")] = None,
) -> Response:
    """Months without an SMS are absent."""
    price = services.config.price_gnf
    rows = [
        PurseView(
            month=one.month, zone=one.zone_id, notifications=one.notifications, answers=one.answers,
            hand_overs=one.hand_overs, segments=one.segments, price_gnf=price, cost_gnf=one.cost_gnf(price),
            delivered=one.delivered, unknown=one.unknown,
        )
        for one in fetch_purse(connection, now=services.clock.now(), months=months, zone=zone)
    ]  # fmt: skip
    if format == "csv" or (format is None and "text/csv" in request.headers.get("accept", "")):
        return _csv(rows)
    return JSONResponse(Listing(items=rows).model_dump(mode="json"))


@router.get("/calls", summary="Whom to call by hand")
def calls(paging: PagingOf, connection: ConnectionOf, limit: Limit = 500, cursor: Cursor = None) -> Listing[CallView]:
    """Live alerts that nobody answered by SMS, the gravest first."""
    due = sorted(calls_due(connection), key=_call_key)
    shown, more = page_of(due, _call_key, cursor=cursor, limit=limit)
    return paging.listing(
        items=[
            CallView(
                id=one.call_id, alert=one.alert_id, code=one.code, zone=one.zone_id, why=one.why, since=one.since,
                name=one.name, role=one.role, phone=None if one.phone is None else masked(one.phone),
            )
            for one in shown
        ],
        next=more,
    )  # fmt: skip


@router.get("/carriers", summary="The routes by which SMS leave")
def carriers(services: ServicesOf, connection: ConnectionOf) -> Listing[RouteView]:
    """How each was when it was last asked; empty before the alert service has ever run."""
    now = services.clock.now()
    return Listing(
        items=[
            RouteView(
                route=one.carrier, is_up=one.is_up, since=one.since, detail=one.detail, balance=one.balance,
                balance_unit=one.balance_unit, expires_at=one.expires_at, asked_at=one.asked_at,
                is_stale=one.is_stale(now), low_since=one.low_since,
            )
            for one in fetch_routes(connection)
        ]
    )  # fmt: skip


def _call_key(one: Call) -> tuple[int, float, int]:
    return -one.severity, one.since.timestamp(), one.call_id


def fields_of(one: Notification) -> dict[str, Any]:
    """What every view of a notification tells."""
    return {
        "id": one.notification_id, "alert": one.alert_id, "zone": one.zone_id, "contact_id": one.contact_id,
        "name": one.name, "role": one.role, "phone": masked(one.phone), "kind": one.kind, "step": one.step,
        "reason": one.reason, "route": one.carrier, "state": one.state, "text": one.shown_text,
        "language": one.language, "segments": one.segments, "attempts": one.attempts,
        "error": one.error and hide_phones(one.error),
        "possible_duplicate": one.possible_duplicate, "settled_by": one.settled_by, "created_at": one.created_at,
        "submitted_at": one.submitted_at, "accepted_at": one.accepted_at, "delivered_at": one.delivered_at,
        "valid_until": one.valid_until,
    }  # fmt: skip


def _detail(story: Story) -> NotificationDetail:
    return NotificationDetail(
        **fields_of(story.told),
        attempt_list=[
            AttemptView(
                route=one.carrier, began_at=one.began_at, ended_at=one.ended_at, outcome=one.outcome,
                provider_id=one.provider_id, detail=one.detail and hide_phones(one.detail),
            )
            for one in story.attempts
        ],
        receipts=[
            ReceiptView(
                route=one.carrier, provider_ids=one.provider_ids, fate=one.fate, at=one.at,
                received_at=one.received_at, raw=one.shown_raw,
            )
            for one in story.receipts
        ],
        answers=[_inbound_view(one) for one in story.answers],
    )  # fmt: skip


def _inbound_view(one: Inbound) -> InboundView:
    return InboundView(
        id=one.sms_in_id, kind=one.kind, route=one.carrier, phone=masked(one.phone), text=one.shown_text,
        received_at=one.received_at, contact_id=one.contact_id, name=one.name, role=one.role, alert=one.alert_id,
        intention=one.intention, is_sure=one.is_sure, handled_at=one.handled_at, may_be_repeat=one.may_be_repeat,
    )  # fmt: skip


def _csv(rows: list[PurseView]) -> Response:
    text = csv_text([PurseView.model_fields, *(one.model_dump(mode="json").values() for one in rows)])
    headers = {"content-disposition": 'inline; filename="ndiyan_sms_purse.csv"'}
    return Response(text, media_type="text/csv; charset=utf-8", headers=headers)
