"""Data to take along: a form for exports, and the ways to whatever says how good the data are."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from ingest.readings_pg import PgReadings
from web.errors import NotThere
from web.exports import Format, Kind
from web.language import Language
from web.pages.page import PageOf
from web.zones import find_zones

router = APIRouter()

OFFERED = timedelta(days=30)  # the span that stands in the form at first


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
) -> Response:
    """The form for some zones, a page of them at a time, or for the channels of the zone `canaux`.

    What is ticked and chosen stays while one turns the pages; zones of other pages stand below those of this one.
    """
    store = PgReadings(page.connection)
    names = {row.zone_id: row.name for row in store.zones()}
    for name in [*(zone or []), *([canaux] if canaux else [])]:
        if name not in names:
            raise NotThere("zone", name)
    some = find_zones(page.connection, q, number)
    here = {line.zone_id for line in some.zones}
    is_sent = first is not None  # the form, not a link to the page: nothing ticked is meant
    ticked = zone or ([] if is_sent else [line.zone_id for line in some.zones[:1]])
    return page.render(
        "data.html", some=some, asked_for=q, chosen=canaux, name=names[canaux] if canaux else "", ticked=ticked,
        elsewhere={name: names[name] for name in dict.fromkeys(ticked) if name not in here},
        channels=store.channels(canaux, with_retired=True) if canaux else [], kinds=list(Kind), kind=kind,
        first=first or page.now.date() - OFFERED, last=last or page.now.date(), formats=list(Format),
        format=format or (Format.EXCEL_FR if page.language is Language.FR else Format.CSV),
    )  # fmt: skip
