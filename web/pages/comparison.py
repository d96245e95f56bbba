"""All zones on the same axes: who is the odd one out?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC
from math import isfinite
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from ingest.db import Connection
from ingest.readings import ChannelRow
from ingest.readings_pg import PgReadings
from web.compare import Numbers, fetch_numbers
from web.daily import DAY, midnight
from web.dependencies import PastOf
from web.errors import BadParameter
from web.explore import BACK, SPECIFIC_ENERGY, Question, with_derived
from web.pages.page import Page, PageOf
from web.plots.plot import Plot
from web.plots.service import ComparedZone, compare_plot
from web.zones import ZoneLine, find_zones

router = APIRouter()

DAYS = {"7": 7, "30": 30}
TIMES = ("avant", "an")
ENERGY = f"pump/{SPECIFIC_ENERGY}"


@dataclass(frozen=True, slots=True)
class Compared:
    """A zone's numbers now and then; `behind` and `energy` are the explorer's addresses of what they were made of."""

    name: str
    now: Numbers
    then: Numbers
    behind: str
    energy: str


@router.get("/comparer")
def comparison(
    page: PageOf,
    past: PastOf,
    jours: Annotated[str, Query()] = "7",
    ref: Annotated[str, Query()] = TIMES[0],
    number: Annotated[int, Query(alias="page", ge=1)] = 1,
) -> Response:
    """Four numbers of every zone, a page of them at a time, now against the period before or that of last year."""
    if jours not in DAYS:
        raise BadParameter("jours", jours, f"is none of {', '.join(DAYS)}")
    if ref not in TIMES:
        raise BadParameter("ref", ref, f"is none of {', '.join(TIMES)}")
    store = PgReadings(past)
    some = find_zones(page.connection, "", number)
    channels: dict[str, dict[str, ChannelRow]] = {row.zone_id: {} for row in some.zones}
    for channel in store.channels(list(channels)):
        channels[channel.zone_id][f"{channel.asset_id}/{channel.name}"] = channel
    found = [_compared(page, past, row, channels[row.zone_id], DAYS[jours], ref) for row in some.zones]
    return page.render(
        "comparison.html", plots=_plots(page, found, DAYS[jours], ref), days=DAYS[jours], choices=DAYS, ref=ref,
        times=TIMES, some=some,
    )  # fmt: skip


def _compared(
    page: Page, past: Connection, row: ZoneLine, channels: Mapping[str, ChannelRow], days: int, ref: str
) -> Compared:
    end = midnight(page.now.astimezone(UTC).date())
    ratings = {asset.asset_id: asset.rating for asset in PgReadings(past).assets(row.zone_id)}
    now, then = (fetch_numbers(past, row.zone_id, ratings, at, days) for at in (end, end - (BACK[ref] or days * DAY)))
    explorer = page.path("zones", row.zone_id, "graphes") + "?"
    asked = Question((), end - days * DAY, end, ref)
    energy = replace(asked, channels=(ENERGY,) if ENERGY in with_derived(channels) else ())
    return Compared(row.name, now, then, explorer + asked.query, explorer + energy.query)


def _plots(page: Page, found: Sequence[Compared], days: int, ref: str) -> list[Plot]:
    texts = page.texts
    _ = texts.gettext
    then = {"avant": _("période d’avant"), "an": _("l’an dernier (52 semaines)")}[ref]

    def plot(
        key: str, title: str, unit: str, question: str, field: str, notes: Sequence[str], *, scale: float = 1.0,
        decimals: int = 2,
    ) -> Plot:  # fmt: skip
        compared = [
            ComparedZone(
                one.name, one.energy if key.startswith("energy") else one.behind, scale * getattr(one.now, field),
                scale * getattr(one.then, field),
            )
            for one in found
        ]  # fmt: skip
        coverage = _("%(days)s jours entiers jusqu’à hier ; %(known)s zones sur %(all)s ont des données") % {
            "days": days, "known": sum(isfinite(one.value) for one in compared), "all": len(compared),
        }  # fmt: skip
        behind = compared[0].href if compared else page.path("comparer")
        return compare_plot(
            key, title, unit, question, compared, decimals=decimals, coverage=coverage, notes=notes, then=then,
            behind=behind, texts=texts,
        )  # fmt: skip

    return [
        plot(
            "yield", _("Eau par kilowatt de panneaux et heure de plein soleil"), "m³/kWc/h",
            _("Qui s’écarte des autres, à soleil et panneaux égaux ?"), "yield_m3",
            (
                _("Sans les heures où le château est plein."),
                _("Un forage profond donne moins d’eau pour le même soleil : comparez aussi l’énergie pour 100 m."),
            ),
        ),
        plot(
            "energy", _("Énergie spécifique"), "kWh/m³", _("La même zone dépense-t-elle plus qu’avant ?"),
            "energy_kwh_m3",
            (_("Chaque zone se compare à son propre passé ; entre zones, voyez l’énergie pour 100 m."),),
        ),
        plot(
            "energy-100m", _("Énergie par mètre cube et pour 100 m"), "kWh/m³",
            _("Qui dépense trop pour la même eau, à la même hauteur ?"), "energy_kwh_m3_100m",
            (_("Le minimum hydraulique est 0,27 ; une bonne pompe fait 0,55 à 0,80."),),
        ),
        plot(
            "service", _("Heures de service avec de l’eau au château"), "%", _("Où l’eau manque-t-elle le jour ?"),
            "service", (_("De 6 h à 20 h."),), scale=100.0, decimals=0,
        ),
    ]  # fmt: skip
