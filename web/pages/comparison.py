"""All zones on the same axes: who is the odd one out?"""

from __future__ import annotations

from datetime import UTC
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from ingest.readings_pg import PgReadings
from web.compare import Numbers, fetch_numbers
from web.daily import DAY, midnight
from web.errors import BadParameter
from web.explore import Question
from web.pages.page import Page, PageOf
from web.plots.plot import Plot
from web.plots.service import ComparedZone, compare_plot

router = APIRouter()

DAYS = {"7": 7, "30": 30}
MOST_ZONES = 60


@router.get("/comparer")
def comparison(page: PageOf, jours: Annotated[str, Query()] = "7") -> Response:
    """Three normalised numbers of every zone, this period and the one before."""
    if jours not in DAYS:
        raise BadParameter("jours", jours, f"is none of {', '.join(DAYS)}")
    store = PgReadings(page.connection)
    zones = sorted(store.zones(), key=lambda row: row.name)
    end = midnight(page.now.astimezone(UTC).date())
    found: list[tuple[str, str, tuple[Numbers, Numbers]]] = []
    for row in zones[:MOST_ZONES]:
        ratings = {asset.asset_id: asset.rating for asset in store.assets(row.zone_id)}
        href = page.path("zones", row.zone_id)
        found.append((row.name, href, fetch_numbers(page.connection, row.zone_id, ratings, end, DAYS[jours])))
    return page.render(
        "comparison.html",
        plots=_plots(page, found, DAYS[jours]),
        days=DAYS[jours],
        choices=DAYS,
        left_out=len(zones) - len(found),
    )


def _plots(page: Page, found: list[tuple[str, str, tuple[Numbers, Numbers]]], days: int) -> list[Plot]:
    texts = page.texts
    _ = texts.gettext

    def of(field: str, scale: float = 1.0) -> list[ComparedZone]:
        return [
            ComparedZone(name, href, scale * getattr(now, field), scale * getattr(before, field))
            for name, href, (now, before) in found
        ]

    known = sum(now.known_share > 0 for _name, _href, (now, _before) in found)
    coverage = _("%(days)s jours entiers jusqu’à hier ; %(known)s zones sur %(all)s ont des données") % {
        "days": days, "known": known, "all": len(found),
    }  # fmt: skip
    behind = page.path("comparer") + "?jours=30"
    if found:
        channels = ("pv/irradiance_w_m2", "pump/power_w", "pump/volume_m3")
        end = midnight(page.now.astimezone(UTC).date())
        behind = found[0][1] + "/graphes?" + Question(channels, end - days * DAY, end).query
    return [
        compare_plot(
            "yield", _("Eau par kilowatt de panneaux et heure de plein soleil"), "m³/kWc/h",
            _("Qui s’écarte des autres, à soleil et panneaux égaux ?"), of("yield_m3"), decimals=2, coverage=coverage,
            notes=(
                _("Sans les heures où le château est plein."),
                _("Un forage profond donne moins d’eau pour le même soleil : comparez aussi l’énergie pour 100 m."),
            ),
            behind=behind, texts=texts,
        ),
        compare_plot(
            "energy", _("Énergie par mètre cube et pour 100 m"), "kWh/m³",
            _("Qui dépense trop pour la même eau, à la même hauteur ?"), of("energy_kwh"), decimals=2,
            coverage=coverage,
            notes=(_("Le minimum hydraulique est 0,27 ; une bonne pompe fait 0,55 à 0,80."),), behind=behind,
            texts=texts,
        ),
        compare_plot(
            "service", _("Heures de service avec de l’eau au château"), "%",
            _("Où l’eau manque-t-elle le jour ?"), of("service", 100.0), decimals=0, coverage=coverage,
            notes=(_("De 6 h à 20 h."),), behind=behind, texts=texts,
        ),
    ]  # fmt: skip
