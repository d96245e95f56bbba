"""What needs me today, then the zones in one table, gravest first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import ceil
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup

from alerts.silent import Kind
from web.charts.bars import day_bars
from web.charts.country import MapZone, zone_map
from web.errors import BadParameter
from web.fleet import GRAVITY, ZoneNow, ZoneState, fetch_states, with_days, with_energy
from web.labels import Labels
from web.language import Language, Texts
from web.pages.page import Page, PageOf
from web.totals import Totals, fetch_totals
from web.water import fetch_silences

root = APIRouter()
router = APIRouter()

BARS = 14
ZONES_SHOWN = 25  # of a page; the gravest come first
ALERTS_SHOWN = 20


@root.get("/")
def home() -> Response:
    """French first."""
    return RedirectResponse(f"/{Language.FR}/", status_code=303)


@router.get("/")
def overview(page: PageOf, number: Annotated[int, Query(alias="page", ge=1)] = 1) -> Response:
    """The page that opens in the morning."""
    fleet = fetch_states(page.connection, page.now)
    pages = max(1, ceil(len(fleet) / ZONES_SHOWN))
    if number > pages:
        raise BadParameter("page", number, f"is above {pages}")
    first = ZONES_SHOWN * (number - 1)
    asked = fleet[first : first + ZONES_SHOWN]
    shown = with_energy(page.connection, with_days(page.connection, asked, page.now), page.now)
    to_do = sorted(
        (alert for item in fleet for alert in item.alerts),
        key=lambda alert: (alert.is_shelved(page.now), -alert.severity, -alert.people, alert.opened_at),
    )
    troubled = [item.zone.zone_id for item in shown if item.state is not ZoneState.NORMAL]
    seen_at = {item.zone.zone_id: item.last_seen_at for item in fleet}
    silences = {
        zone: found
        for zone, found in fetch_silences(page.connection, troubled, page.now, seen_at=seen_at).items()
        if found.kind is not Kind.NOBODY_DREW  # which needs nobody
    }
    return page.render(
        "overview.html",
        fleet=fleet,
        shown=shown,
        first=first + 1,
        number=number,
        pages=pages,
        to_do=to_do[:ALERTS_SHOWN],
        to_do_count=len(to_do),
        totals=_totals(page, fleet),
        people_touched=sum(item.zone.people for item in fleet if GRAVITY[item.state] < GRAVITY[ZoneState.WATCH]),
        bars={item.zone.zone_id: _bars(item, page.texts) for item in shown},
        silences=silences,
        map=_map(page, fleet, {item.zone.zone_id for item in shown}),
    )


def _totals(page: Page, fleet: Sequence[ZoneNow]) -> Totals:
    """What is kept is of all zones; whoever sees one has its own."""
    if page.visitor.zone is not None:
        return fetch_totals(page.connection, fleet, page.now)
    return page.services.totals.of(page.connection, fleet, page.now)


def _map(page: Page, fleet: Sequence[ZoneNow], shown: Collection[str]) -> Markup:
    """Where the zones are; the gravest are drawn last, over the others, and those of the table lead to their pages."""
    labels = Labels(page.texts)
    zones = [
        MapZone(
            item.zone.name, item.zone.latitude, item.zone.longitude, item.state,
            page.texts.named(item.zone.name, labels.zone_state(item.state)),
            page.path("zones", item.zone.zone_id) if item.zone.zone_id in shown else None,
        )
        for item in reversed(fleet)
    ]  # fmt: skip
    label = page.texts.gettext("Carte des zones ; les mêmes que dans le tableau")
    return Markup(zone_map(zones, label=label))  # noqa: S704 - our own chart


def _bars(item: ZoneNow, texts: Texts) -> str:
    days = item.days[-BARS:]
    if not days:
        return day_bars([None] * BARS, label=texts.gettext("14 jours sans données"))
    known = [day.volume_m3 for day in days if day.volume_m3 is not None]
    label = texts.gettext("Volume des 14 derniers jours : de %(low)s à %(high)s, %(missing)s jours sans données") % {
        "low": texts.quantity(min(known, default=None), "m³"),
        "high": texts.quantity(max(known, default=None), "m³"),
        "missing": len(days) - len(known),
    }
    expected = [day.expected.volume_m3 if day.expected else None for day in days]
    return day_bars([day.volume_m3 for day in days], expected_m3=expected, label=label)
