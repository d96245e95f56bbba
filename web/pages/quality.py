"""How good the data are: zones, the channels of one, and the readings behind each number."""

from __future__ import annotations

from math import ceil
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response

from ingest.readings_pg import PgReadings
from web.cursors import aware, cursor_of_key, read_key
from web.daily import DAY, midnight
from web.errors import BadParameter, NotThere
from web.explore import Question
from web.labels import TESTS
from web.pages.page import Page, PageOf
from web.quality import MOST_DAYS, ChannelQuality, Days, Rows, days_of, fetch_channels, fetch_rows, fetch_zones

router = APIRouter()

ZONES_SHOWN = 25
ROWS_SHOWN = 100

Day = Annotated[str, Query()]


@router.get("/donnees/qualite")
def of_zones(
    page: PageOf, du: Day = "", au: Day = "", number: Annotated[int, Query(alias="page", ge=1)] = 1
) -> Response:
    """Zones in the order of their names, 25 on a page."""
    days = days_of(du, au, page.now)
    zones = sorted(PgReadings(page.connection).zones(), key=lambda row: row.name)
    pages = max(1, ceil(len(zones) / ZONES_SHOWN))
    if number > pages:
        raise BadParameter("page", str(number), f"is above {pages}")
    shown = zones[ZONES_SHOWN * (number - 1) : ZONES_SHOWN * number]
    found = fetch_zones(page.connection, [zone.zone_id for zone in shown], days)
    return page.render(
        "quality.html", days=days, most=MOST_DAYS, found=[(zone, found[zone.zone_id]) for zone in shown],
        number=number, pages=pages, count=len(zones),
    )  # fmt: skip


@router.get("/donnees/qualite/{zone_id}")
def of_zone(page: PageOf, zone_id: str, du: Day = "", au: Day = "") -> Response:
    """The channels of one zone, those that came worst first."""
    days = days_of(du, au, page.now)
    zone = next((row for row in PgReadings(page.connection).zones() if row.zone_id == zone_id), None)
    if zone is None:
        raise NotThere("zone", zone_id)
    found = channels_with_charts(page, zone_id, days)
    return page.render("quality_zone.html", days=days, most=MOST_DAYS, zone=zone, found=found)


def channels_with_charts(page: Page, zone_id: str, days: Days) -> list[tuple[ChannelQuality, str]]:
    """The channels of a zone, each with the explorer's address of these days."""
    start, end = midnight(days.first), midnight(days.last) + DAY
    explorer = page.path("zones", zone_id, "graphes") + "?"
    return [
        (one, explorer + Question((f"{one.asset}/{one.name}",), start, end).query)
        for one in fetch_channels(page.connection, zone_id, days)
    ]


@router.get("/donnees/qualite/{zone_id}/{asset_id}/{name}")
def of_channel(
    page: PageOf, zone_id: str, asset_id: str, name: str, quoi: Annotated[str, Query()] = Rows.LATE, du: Day = "",
    au: Day = "", suite: Annotated[str | None, Query()] = None,
) -> Response:  # fmt: skip
    """The readings of a channel that one of the numbers counts; `quoi` is a test, or one of `Rows`."""
    if quoi not in TESTS and quoi not in set(Rows):
        raise BadParameter("quoi", quoi, f"is none of {', '.join([*TESTS, *Rows])}")
    days = days_of(du, au, page.now)
    store = PgReadings(page.connection)
    rows = store.channels(zone_id, with_retired=True)
    channel = next((row for row in rows if (row.asset_id, row.name) == (asset_id, name)), None)
    if channel is None:
        raise NotThere("channel", f"{zone_id}/{asset_id}/{name}")
    after = None if suite is None else read_key(suite, aware, parameter="suite")[0]
    found = fetch_rows(page.connection, channel.channel_id, quoi, days, after=after, limit=ROWS_SHOWN + 1)
    more = cursor_of_key(found[ROWS_SHOWN - 1].measured_at) if len(found) > ROWS_SHOWN else None
    return page.render(
        "quality_rows.html", days=days, channel=channel, what=quoi, found=found[:ROWS_SHOWN], more=more,
        zone=next(row for row in store.zones() if row.zone_id == zone_id),
    )  # fmt: skip
