"""What needs me today, then the zones in one table, gravest first."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup

from alerts.silent import Kind
from web.charts.bars import day_bars
from web.charts.country import MapZone, zone_map
from web.fleet import GRAVITY, ZoneNow, ZoneState, fetch_fleet
from web.labels import Labels
from web.language import Language, Texts
from web.pages.page import Page, PageOf
from web.water import fetch_silences

root = APIRouter()
router = APIRouter()

BARS = 14


@dataclass(frozen=True, slots=True)
class Totals:
    """All zones together; None where no zone has data. `zones_counted` says how many the volume rests on."""

    volume_m3: float | None
    zones_counted: int
    expected_share: float | None
    litres_per_person: float | None
    zones_normal: int
    people_touched: int


@root.get("/")
def home() -> Response:
    """French first."""
    return RedirectResponse(f"/{Language.FR}/", status_code=303)


@router.get("/")
def overview(page: PageOf) -> Response:
    """The page that opens in the morning."""
    fleet = fetch_fleet(page.connection, page.now)
    to_do = sorted(
        (alert for item in fleet for alert in item.alerts),
        key=lambda alert: (alert.is_shelved(page.now), -alert.severity, -alert.people, alert.opened_at),
    )
    troubled = [item.zone.zone_id for item in fleet if item.state is not ZoneState.NORMAL]
    silences = {
        zone: found
        for zone, found in fetch_silences(page.connection, troubled, page.now).items()
        if found.kind is not Kind.NOBODY_DREW  # which needs nobody
    }
    bars = {item.zone.zone_id: _bars(item, page.texts) for item in fleet}
    return page.render(
        "overview.html",
        fleet=fleet,
        to_do=to_do,
        totals=totals_of(fleet),
        bars=bars,
        silences=silences,
        map=_map(page, fleet),
    )


def totals_of(fleet: list[ZoneNow]) -> Totals:
    """Sum what is known of yesterday; zones without data are left out of numerator and denominator alike."""
    known = [
        (item.zone.people, day.volume_m3, day.expected)
        for item in fleet
        if (day := item.yesterday) is not None and day.volume_m3 is not None
    ]
    volume = sum(volume for _, volume, _ in known)
    compared = [(volume, expected.volume_m3) for _, volume, expected in known if expected is not None]
    wanted = sum(expected for _, expected in compared)
    return Totals(
        volume_m3=volume if known else None,
        zones_counted=len(known),
        expected_share=sum(volume for volume, _ in compared) / wanted if wanted > 0 else None,
        litres_per_person=1000 * volume / sum(people for people, _, _ in known) if known else None,
        zones_normal=sum(item.state is ZoneState.NORMAL for item in fleet),
        people_touched=sum(item.zone.people for item in fleet if GRAVITY[item.state] < GRAVITY[ZoneState.WATCH]),
    )


def _map(page: Page, fleet: list[ZoneNow]) -> Markup:
    """Where the zones are; the gravest are drawn last, over the others."""
    labels = Labels(page.texts)
    zones = [
        MapZone(
            item.zone.name, item.zone.latitude, item.zone.longitude, item.state,
            f"{item.zone.name} : {labels.zone_state(item.state)}", page.path("zones", item.zone.zone_id),
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
