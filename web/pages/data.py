"""Data to take along: a form for exports, and the ways to whatever says how good the data are."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Query
from fastapi.responses import RedirectResponse, Response

from ingest.readings_pg import PgReadings
from web.errors import BadParameter, NotThere
from web.exports import LONGEST_DAYS, MOST_CHANNELS, Format, Kind, channels_of, span_of
from web.labels import N_
from web.language import Language
from web.pages.page import PageOf
from web.zones import find_zones

router = APIRouter()

OFFERED = timedelta(days=30)  # the span that stands in the form at first
EXPORT = "/api/v1/exports/readings"
REFUSALS = {
    "zone": N_("Cochez au moins une zone ou un canal, et pas plus de %(channels)s canaux en tout."),
    "from": N_("La première date est après la dernière."),
    "to": N_("C’est trop long : au plus %(days)s jours à la fois."),
}


@router.get("/donnees")
def data(
    page: PageOf,
    canaux: Annotated[str | None, Query(max_length=200)] = None,
    zone: Annotated[list[str] | None, Query()] = None,
    q: Annotated[str, Query(max_length=200)] = "",
    number: Annotated[int, Query(alias="page", ge=1)] = 1,
    first: Annotated[date | None, Query(alias="from")] = None,
    last: Annotated[date | None, Query(alias="to")] = None,
    kind: Annotated[Kind, Query()] = Kind.RAW,
    format: Annotated[Format | None, Query()] = None,
    channel: Annotated[list[str] | None, Query()] = None,
    emporter: Annotated[bool, Query()] = False,
) -> Response:
    """The form for some zones, a page of them at a time, or for the channels of the zone `canaux`.

    What is ticked and chosen stays while one turns the pages; zones of other pages stand below those of this one. With
    `emporter` the browser is sent on to the file, or the form says what is wrong with it.
    """
    store = PgReadings(page.connection)
    first, last = first or page.now.date() - OFFERED, last or page.now.date()
    refusal = None
    if emporter:
        try:
            channels_of(page.connection, zone or [], channel or [])
            span_of(first, last)
        except BadParameter as error:
            values = {"channels": MOST_CHANNELS, "days": LONGEST_DAYS}
            refusal = page.texts.gettext(REFUSALS[error.parameter]) % values
        else:
            asked = {"zone": zone or [], "channel": channel or [], "from": first, "to": last, "kind": kind}
            if format:
                asked["format"] = format
            return RedirectResponse(f"{EXPORT}?{urlencode(asked, doseq=True)}", status_code=303)
    names = {row.zone_id: row.name for row in store.zones()}
    for name in [*(zone or []), *([canaux] if canaux else [])]:
        if name not in names:
            raise NotThere("zone", name)
    some = find_zones(page.connection, q, number)
    here = {line.zone_id for line in some.zones}
    is_sent = "from" in page.request.query_params  # the form, not a link to the page: nothing ticked is meant
    ticked = zone or ([] if is_sent else [line.zone_id for line in some.zones[:1]])
    return page.render(
        "data.html", status=400 if refusal else 200, refusal=refusal, some=some, asked_for=q, ticked=ticked,
        chosen=canaux, name=names[canaux] if canaux else "",
        elsewhere={name: names[name] for name in dict.fromkeys(ticked) if name not in here},
        channels=store.channels(canaux, with_retired=True) if canaux else [], kinds=list(Kind), kind=kind,
        taken=set(channel or []), first=first, last=last, formats=list(Format),
        format=format or (Format.EXCEL_FR if page.language is Language.FR else Format.CSV),
    )  # fmt: skip
