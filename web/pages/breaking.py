"""Break something, and watch what happens (demo only)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import Response

from ingest.readings_pg import PgReadings
from web.breaking import ask_for, fetch_story, recent_faults, why_busy
from web.errors import BadParameter
from web.pages.page import Page, PageOf

router = APIRouter()


@router.get("/casser")
def breaking(page: PageOf) -> Response:
    """Choose zone and fault."""
    return _form(page)


@router.post("/casser")
def break_it(page: PageOf, zone: Annotated[str, Form()], fault: Annotated[str, Form()]) -> Response:
    """Ask the simulator for the fault; a zone that is still broken, or has nothing to break so, is left in peace."""
    zones = [row.zone_id for row in PgReadings(page.connection).zones() if row.is_fictional]
    if zone not in zones:
        raise BadParameter("zone", zone, f"is none of {', '.join(zones)}")
    only_in = {one.fault: one.only_in for one in page.services.config.breakable}
    if fault not in only_in:
        raise BadParameter("fault", fault, f"is none of {', '.join(only_in)}")
    busy = why_busy(page.connection, zone=zone, fault=fault) if zone in only_in[fault] else "nothing_to_break"
    if busy is not None:
        return _form(page, busy=busy, zone=zone, fault=fault)
    number = ask_for(page.connection, zone=zone, fault=fault, who=page.visitor.name, now=page.now)
    return page.see("casser", number)


@router.get("/casser/{demo_fault_id}")
def watch(page: PageOf, demo_fault_id: int) -> Response:
    """The steps so far, and how long each took."""
    return page.render("watch.html", story=fetch_story(page.connection, demo_fault_id))


def _form(page: Page, *, busy: str | None = None, zone: str = "", fault: str = "") -> Response:
    zones = [row for row in PgReadings(page.connection).zones() if row.is_fictional]
    return page.render(
        "breaking.html",
        status=200 if busy is None else 409,
        zones=zones,
        faults=page.services.config.breakable,
        recent=recent_faults(page.connection),
        busy=busy,
        chosen_zone=zone,
        chosen_fault=fault,
    )
