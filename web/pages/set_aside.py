"""Messages that could not be accepted: nothing is thrown away in silence, and what was mended is tried again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Form, Query
from fastapi.responses import Response

from ingest.replay import find_waiting, replay
from web.aside import fetch_waiting, find_set_aside, set_aside_page
from web.cursors import cursor_of, cursor_of_key, number_of_64_bits, read_cursor, read_key
from web.errors import BadParameter
from web.labels import REASONS
from web.pages.page import Page, PageOf

router = APIRouter()

PER_PAGE = 50
SHOWN_BYTES = 64 * 1024
REPLAYED_AT_ONCE = 200  # a few seconds; the page says how many are left
STATES: dict[str, bool | None] = {"attente": True, "rejoues": False, "tous": None}


@router.get("/mis-de-cote")
def set_aside(
    page: PageOf, etat: Annotated[str, Query()] = "attente", suite: Annotated[str | None, Query()] = None
) -> Response:
    """The newest of them; `suite` goes on from a page before."""
    if etat not in STATES:
        raise BadParameter("etat", etat, f"is none of {', '.join(STATES)}")
    before = None if suite is None else read_cursor(suite, "suite")
    found = set_aside_page(page.connection, is_waiting=STATES[etat], before=before, limit=PER_PAGE + 1)
    more = (
        cursor_of(found[PER_PAGE - 1].received_at, found[PER_PAGE - 1].set_aside_id) if len(found) > PER_PAGE else None
    )
    waiting = fetch_waiting(page.connection)
    return page.render(
        "set_aside.html", found=found[:PER_PAGE], suite=more, waiting=waiting, chosen=etat, states=STATES,
        at_once=REPLAYED_AT_ONCE,
    )  # fmt: skip


@router.get("/mis-de-cote/rejouer")
def nothing_to_replay(page: PageOf) -> Response:
    """Whoever comes here by address finds the list."""
    return page.see("mis-de-cote")


@router.post("/mis-de-cote/rejouer")
def replay_group(
    page: PageOf, raison: Annotated[str, Form()], zone: Annotated[str, Form()] = "", apres: Annotated[str, Form()] = ""
) -> Response:
    """Try all of one reason and zone again, oldest first, and say what became of each; `apres` goes on from there."""
    if raison not in REASONS:
        raise BadParameter("raison", raison, f"is none of {', '.join(REASONS)}")
    known = {group.zone_id or "" for group in fetch_waiting(page.connection) if group.reason == raison}
    (after,) = read_key(apres, number_of_64_bits, parameter="apres") if apres else (0,)
    ids = (
        find_waiting(page.connection, zone=zone, reason=raison, after=after, limit=REPLAYED_AT_ONCE + 1)
        if zone in known
        else []
    )
    tried = ids[:REPLAYED_AT_ONCE]
    behind = {"raison": raison, "zone": zone, "apres": cursor_of_key(tried[-1])} if len(ids) > len(tried) else None
    return _replayed(page, tried, behind=behind)


@router.get("/mis-de-cote/{set_aside_id}")
def one(page: PageOf, set_aside_id: int) -> Response:
    """One message with its bytes."""
    found = find_set_aside(page.connection, set_aside_id)
    return page.render("set_aside_one.html", message=replace(found, payload=found.payload[:SHOWN_BYTES]))


@router.get("/mis-de-cote/{set_aside_id}/rejouer")
def not_replayed(page: PageOf, set_aside_id: int) -> Response:
    """Whoever comes here by address finds the message."""
    return page.see("mis-de-cote", set_aside_id)


@router.post("/mis-de-cote/{set_aside_id}/rejouer")
def replay_one(page: PageOf, set_aside_id: int) -> Response:
    """Try one message again and say what became of it."""
    find_set_aside(page.connection, set_aside_id)
    return _replayed(page, [set_aside_id])


def _replayed(page: Page, ids: list[int], *, behind: Mapping[str, str] | None = None) -> Response:
    """What became of each; reloading tries again what was refused and changes nothing else. `behind`: the next ones."""
    found = replay(page.connection, ids, clock=page.services.clock, who=page.who)
    return page.render("set_aside_replayed.html", found=found, behind=behind)
