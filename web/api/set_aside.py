"""Messages that were set aside: the list, one with its bytes, and trying them again."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import AwareDatetime

from ingest.admission import RejectReason
from ingest.replay import Replayed, find_waiting, replay
from web.api.account import Cursor, Zone, require_zone_or_gateway
from web.api.models import Listing, ReplayBody, ReplayedView, SetAsideDetail, SetAsideView
from web.api.paging import PagingOf
from web.api.responses import ERRORS
from web.aside import PREVIEW_BYTES, SetAside, find_set_aside, set_aside_page
from web.cursors import cursor_of, cursor_of_key, number_of_64_bits, read_cursor, read_key
from web.dependencies import ConnectionOf, KeyOf, ServicesOf

router = APIRouter(prefix="/set-aside", tags=["set aside"], responses=ERRORS)

STATES = {"waiting": True, "replayed": False}


@router.get("", summary="Messages that were set aside, newest first")
def listing(
    paging: PagingOf,
    connection: ConnectionOf,
    zone: Zone = None,
    reason: Annotated[RejectReason | None, Query(examples=["unknown_channel"])] = None,
    since: Annotated[AwareDatetime | None, Query(description="received at or after")] = None,
    state: Annotated[Literal["waiting", "replayed"] | None, Query(description="both if absent")] = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
    cursor: Cursor = None,
) -> Listing[SetAsideView]:
    """Nothing is thrown away in silence: each message with its reason and the beginning of its bytes."""
    require_zone_or_gateway(connection, zone or None, None)
    found = set_aside_page(
        connection, zone=zone, reason=reason, since=since, is_waiting=None if state is None else STATES[state],
        before=None if cursor is None else read_cursor(cursor), limit=limit + 1,
    )  # fmt: skip
    end = found[limit - 1] if len(found) > limit else None
    return paging.listing(
        items=[SetAsideView(**_fields(one)) for one in found[:limit]],
        next=None if end is None else cursor_of(end.received_at, end.set_aside_id),
    )


@router.post("/replay", summary="Try messages again, oldest first")
def replay_some(
    services: ServicesOf, connection: ConnectionOf, key: KeyOf, body: ReplayBody | None = None
) -> Listing[ReplayedView]:
    """Each message in a transaction of its own, through the same admission as one that has just come.

    What is refused goes on waiting: hand `next` back as `cursor` to try those behind it, until there is none.
    """
    chosen = body or ReplayBody()
    require_zone_or_gateway(connection, chosen.zone or None, None)
    (after,) = (0,) if chosen.cursor is None else read_key(chosen.cursor, number_of_64_bits)
    ids = find_waiting(
        connection, zone=chosen.zone, reason=chosen.reason, since=chosen.since, after=after, limit=chosen.limit + 1
    )
    found = replay(connection, ids[: chosen.limit], clock=services.clock, who=key.written())
    return Listing(
        items=[_replayed_view(one) for one in found],
        next=cursor_of_key(found[-1].set_aside_id) if len(ids) > chosen.limit else None,
    )


@router.get("/{set_aside_id}", summary="One message with all its bytes")
def one(connection: ConnectionOf, set_aside_id: int) -> SetAsideDetail:
    """404 when there is none of this id."""
    found = find_set_aside(connection, set_aside_id)
    short = replace(found, payload=found.payload[:PREVIEW_BYTES])
    return SetAsideDetail(**_fields(short), payload=b64encode(found.payload).decode())


@router.post("/{set_aside_id}/replay", summary="Try one message again")
def replay_one(services: ServicesOf, connection: ConnectionOf, key: KeyOf, set_aside_id: int) -> ReplayedView:
    """Trying twice counts once: the second time it is gone."""
    find_set_aside(connection, set_aside_id)
    (found,) = replay(connection, [set_aside_id], clock=services.clock, who=key.written())
    return _replayed_view(found)


def _fields(found: SetAside) -> dict[str, Any]:
    return {
        "id": found.set_aside_id, "received_at": found.received_at, "topic": found.topic, "zone": found.zone_id,
        "gateway": found.gateway_id, "reason": found.reason, "detail": found.detail, "size": found.size,
        "text": found.text, "replayed_at": found.replayed_at,
    }  # fmt: skip


def _replayed_view(found: Replayed) -> ReplayedView:
    return ReplayedView(
        id=found.set_aside_id, fate=found.fate, stored=found.stored, duplicate=found.duplicate, conflict=found.conflict,
        set_aside=found.set_aside, reason=found.reason, detail=found.detail,
    )  # fmt: skip
