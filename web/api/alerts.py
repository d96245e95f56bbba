"""Alerts with the notifications that they caused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from alerts.actions import acknowledge, assign, close, mark, note_visit, reopen, shelve, unshelve
from alerts.closing import Cause
from alerts.errors import ActionRefused, ShelfRefused
from alerts.metrics import Spans, fetch_metrics
from alerts.photos import FORMATS, add_photo
from ingest.readings_pg import PgReadings
from web.api.models import (
    AcknowledgeBody,
    Acknowledged,
    AlertDetail,
    AlertView,
    AssignBody,
    CauseFigures,
    Changed,
    CloseBody,
    EventView,
    FaultFigures,
    FloodView,
    Listing,
    MarkBody,
    MetricsView,
    NotificationView,
    PhotoKept,
    PhotoView,
    ShelveBody,
    SpansView,
    VisitBody,
)
from web.api.paging import PagingOf
from web.api.responses import ERRORS, UPLOAD_ERRORS
from web.api.sms import fields_of
from web.cursors import cursor_of, read_cursor
from web.dependencies import ConnectionOf, KeyOf, ServicesOf
from web.errors import BadParameter, NotThere
from web.masks import hide_phones
from web.sms import Notification, notifications_of
from web.stories import Alert, alerts_page, events_of, explained_alerts, find_alert, photo_bytes, photos_of

router = APIRouter(tags=["alerts"], responses=ERRORS)


@router.get("/alerts", summary="Alerts, newest first")
def alerts(
    paging: PagingOf,
    connection: ConnectionOf,
    state: Annotated[
        list[Literal["open", "acknowledged", "resolved"]] | None, Query(description="may be given several times")
    ] = None,
    zone: Annotated[str | None, Query(examples=["zone-3"])] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Annotated[str | None, Query(description="`next` of the page before")] = None,
) -> Listing[AlertView]:
    """Each alert with who was told, on which route, in which words, and what became of it."""
    if zone is not None and zone not in {row.zone_id for row in PgReadings(connection).zones()}:
        raise NotThere("zone", zone)
    before = None if cursor is None else read_cursor(cursor)
    found = alerts_page(connection, zone=zone, states=state, before=before, limit=limit + 1)
    shown = found[:limit]
    told = notifications_of(connection, [alert.alert_id for alert in shown])
    more = cursor_of(shown[-1].opened_at, shown[-1].alert_id) if len(found) > limit else None
    return paging.listing(items=[AlertView(**_fields(alert, told[alert.alert_id])) for alert in shown], next=more)


@router.get("/alerts/metrics", summary="Figures about our own alerts")
def metrics(
    services: ServicesOf, connection: ConnectionOf, days: Annotated[int, Query(ge=1, le=366)] = 30
) -> MetricsView:
    """Of the last days: how many, how fast, how often for nothing."""
    now = services.clock.now()
    start = now - timedelta(days=days)
    found = fetch_metrics(connection, start=start, end=now)
    return MetricsView(
        start_at=start, end_at=now, alerts=found.alerts, untold=found.untold,
        alerts_per_zone_week=found.per_zone_week, sms_per_person_week=found.sms_per_person_week,
        floods=[
            FloodView(zone=one.zone_id, start_at=one.start, end_at=one.end, alerts=one.alerts) for one in found.floods
        ],
        chattering=[one.alert_id for one in found.chattering], stale=[one.alert_id for one in found.stale],
        to_acknowledge=_spans_view(found.to_acknowledge), to_resolve=_spans_view(found.to_resolve),
        marked=found.marked, false=found.false, false_share=found.false_share,
        noisiest=[
            FaultFigures(fault=fault, alerts=alerts, marked=marked, false=false)
            for fault, alerts, marked, false in found.by_fault
        ],
        by_cause=[
            CauseFigures(
                cause=None if one.cause is None else Cause(one.cause), alerts=one.number,
                median_h=one.median.total_seconds() / 3600, longest_h=one.longest.total_seconds() / 3600,
            )
            for one in found.by_cause
        ],
    )  # fmt: skip


@router.get("/alerts/{alert_id}", summary="One alert with its story")
def alert(connection: ConnectionOf, alert_id: int) -> AlertDetail:
    """The record, its notifications and every event in the order in which it happened."""
    found = find_alert(connection, alert_id)
    told = notifications_of(connection, [alert_id])[alert_id]
    events = [
        EventView(at=event.at, kind=event.kind, who=event.who, detail=event.shown_detail)
        for event in events_of(connection, alert_id)
    ]
    explains = [one.alert_id for one in explained_alerts(connection, alert_id)]
    photos = [
        PhotoView(
            photo=one.photo_id, added_at=one.added_at, added_by=one.added_by, shows=one.shows, width=one.width,
            height=one.height,
        )
        for one in photos_of(connection, alert_id)
    ]  # fmt: skip
    return AlertDetail(**_fields(found, told), events=events, explains=explains, photos=photos)


@router.post("/alerts/{alert_id}/acknowledge", summary="Take an alert in charge")
def take(
    services: ServicesOf, connection: ConnectionOf, key: KeyOf, alert_id: int, body: AcknowledgeBody | None = None
) -> Acknowledged:
    """Taking it twice changes nothing."""
    find_alert(connection, alert_id)
    who = key.written(body.who if body is not None else None)
    changed = acknowledge(connection, alert_id, who=who, now=services.clock.now())
    return Acknowledged(id=alert_id, changed=changed, state=find_alert(connection, alert_id).state)


@router.post("/alerts/{alert_id}/shelve", summary="Tell nobody of an alert for a while")
def put_on_shelf(
    services: ServicesOf, connection: ConnectionOf, key: KeyOf, alert_id: int, body: ShelveBody
) -> Changed:
    """It stays visible and is resolved by the readings as ever; severity 3 for 24 hours at most, others for 30 days."""
    find_alert(connection, alert_id)
    span, now, who = timedelta(hours=body.hours), services.clock.now(), key.written(body.who)
    try:
        changed = shelve(connection, alert_id, span=span, why=body.why, who=who, now=now)
    except ShelfRefused as error:
        raise BadParameter(error.name, error.value, error.bound) from error
    return Changed(id=alert_id, changed=changed)


@router.post("/alerts/{alert_id}/unshelve", summary="Take an alert off the shelf before its time")
def take_off_shelf(services: ServicesOf, connection: ConnectionOf, key: KeyOf, alert_id: int) -> Changed:
    """Doing it twice changes nothing."""
    find_alert(connection, alert_id)
    changed = unshelve(connection, alert_id, who=key.written(), now=services.clock.now())
    return Changed(id=alert_id, changed=changed)


@router.post("/alerts/{alert_id}/mark", summary="Say whether an alert was right")
def judge(services: ServicesOf, connection: ConnectionOf, key: KeyOf, alert_id: int, body: MarkBody) -> Changed:
    """The last word counts, in the figures about our own alerts and when a rule is tried."""
    find_alert(connection, alert_id)
    who = key.written(body.who)
    changed = mark(connection, alert_id, is_true=body.is_true, who=who, now=services.clock.now())
    return Changed(id=alert_id, changed=changed)


@router.post("/alerts/{alert_id}/assign", summary="Give an alert to somebody")
def give(services: ServicesOf, connection: ConnectionOf, key: KeyOf, alert_id: int, body: AssignBody) -> Changed:
    """Their name stands beside it; no SMS leaves for it."""
    find_alert(connection, alert_id)
    with _refusals_told():
        changed = assign(connection, alert_id, to=body.to, who=key.written(body.who), now=services.clock.now())
    return Changed(id=alert_id, changed=changed)


@router.post("/alerts/{alert_id}/close", summary="Close an alert: name its cause")
def end(services: ServicesOf, connection: ConnectionOf, key: KeyOf, alert_id: int, body: CloseBody) -> Changed:
    """A live one ends with it, silently, and comes back when readings go on showing it."""
    find_alert(connection, alert_id)
    now, who = services.clock.now(), key.written(body.who)
    with _refusals_told():
        changed = close(connection, alert_id, cause=body.cause, words=body.words, who=who, now=now)
    return Changed(id=alert_id, changed=changed)


@router.post("/alerts/{alert_id}/reopen", summary="Take a closing back within 15 minutes")
def take_back(services: ServicesOf, connection: ConnectionOf, key: KeyOf, alert_id: int) -> Changed:
    """`changed` is false when it is too late, or when the same fault has become another alert."""
    find_alert(connection, alert_id)
    changed = reopen(connection, alert_id, who=key.written(), now=services.clock.now())
    return Changed(id=alert_id, changed=changed)


@router.post("/alerts/{alert_id}/visit", summary="Write down a visit")
def visited(services: ServicesOf, connection: ConnectionOf, key: KeyOf, alert_id: int, body: VisitBody) -> Changed:
    """What somebody saw or did on the spot; it stands in the alert's story."""
    find_alert(connection, alert_id)
    now, who = services.clock.now(), key.written(body.who)
    with _refusals_told():
        note_visit(connection, alert_id, text=body.text, on=body.on or now.date(), who=who, now=now)
    return Changed(id=alert_id, changed=True)


async def _sent_bytes(request: Request) -> bytes:
    return await request.body()


PICTURE = {"schema": {"type": "string", "format": "binary"}, "example": "(the bytes of the picture)"}
PICTURES = {"requestBody": {"required": True, "content": {f"image/{kind.lower()}": PICTURE for kind in FORMATS}}}


@router.post(
    "/alerts/{alert_id}/photos", summary="Add a photo of a repair", openapi_extra=PICTURES, responses=UPLOAD_ERRORS
)
def send_photo(
    services: ServicesOf,
    connection: ConnectionOf,
    key: KeyOf,
    alert_id: int,
    shows: Annotated[str, Query(min_length=1, max_length=300, description="in words, for those who do not see it")],
    sent: Annotated[bytes, Depends(_sent_bytes)],
) -> PhotoKept:
    """The picture is the body. It is made anew from its pixels: place, time, device and name are not kept."""
    find_alert(connection, alert_id)
    with _refusals_told():
        photo = add_photo(
            connection, alert_id, sent=sent, shows=shows, who=key.written(), now=services.clock.now()
        )  # fmt: skip
    return PhotoKept(id=alert_id, changed=photo is not None, photo=photo)


@router.get(
    "/alerts/{alert_id}/photos/{photo_id}",
    summary="A photo as JPEG",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": PICTURE}}},
)
def photo(connection: ConnectionOf, alert_id: int, photo_id: int) -> Response:
    """It never changes."""
    jpeg = photo_bytes(connection, alert_id, photo_id)
    return Response(jpeg, media_type="image/jpeg", headers={"cache-control": "private, max-age=31536000, immutable"})


@contextmanager
def _refusals_told() -> Iterator[None]:
    try:
        yield
    except ActionRefused as error:
        raise BadParameter(error.name, error.value, error.bound) from error


def _spans_view(spans: Spans) -> SpansView:
    median_h, slow_h = (None if one is None else one.total_seconds() / 3600 for one in (spans.median, spans.slow))
    return SpansView(count=spans.number, median_h=median_h, slow_h=slow_h)


def _fields(alert: Alert, told: Sequence[Notification]) -> dict[str, Any]:
    return {
        "id": alert.alert_id, "code": alert.code, "zone": alert.zone_id, "fault": alert.fault, "asset": alert.asset_id,
        "severity": alert.severity, "state": alert.state, "first_evidence_at": alert.first_evidence_at,
        "last_evidence_at": alert.last_evidence_at, "opened_at": alert.opened_at,
        "acknowledged_at": alert.acknowledged_at, "acknowledged_by": alert.acknowledged_by,
        "resolved_at": alert.resolved_at, "is_late": alert.is_late, "confidence": alert.confidence,
        "evidence": alert.evidence, "explained_by": alert.explained_by, "times": alert.times,
        "assigned_to": alert.assigned_to and hide_phones(alert.assigned_to), "cause": alert.cause,
        "closed_at": alert.closed_at,
        "closed_by": alert.closed_by, "ended_by_hand": alert.ended_by_hand,
        "shelved_until": alert.shelved_until, "shelved_by": alert.shelved_by,
        "shelved_why": alert.shelved_why and hide_phones(alert.shelved_why),
        "notifications": [NotificationView(**fields_of(one)) for one in told],
    }  # fmt: skip
