"""One zone: is this village served, and why not?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import partial
from math import nan
from typing import Annotated

from fastapi import APIRouter, Form, Query
from fastapi.responses import Response
from markupsafe import Markup

from alerts.closing import BreakdownCause
from alerts.lasting import fetch_forecast
from ingest.readings_pg import PgReadings
from web.assets import NIGHTS
from web.box import fetch_boxes
from web.breakdowns import close_by_hand, fetch_reports, reopen_by_hand
from web.by_hand import fetch_by_hand
from web.charts.bars import share_bar
from web.charts.series import time_axis
from web.curves import CHOICES, draw_days, fetch_curves, span_name, span_of
from web.daily import DAY, days_before, fetch_volumes, midnight
from web.errors import BadParameter
from web.explore import Question
from web.fleet import fetch_zone
from web.notes import count_notes
from web.pages.asset import draw_nights
from web.pages.events import fetch_events
from web.pages.page import Page, PageOf
from web.plots.plot import Plot
from web.stories import alerts_page, committee_of
from web.water import fetch_blind_spots, fetch_seen, fetch_silences

router = APIRouter()

DAYS_DRAWN = 14
PAST_ALERTS = 10


@router.get("/zones/{zone_id}")
def zone(page: PageOf, zone_id: str, span: Annotated[str, Query()] = "24h") -> Response:
    """The zone's page over the last 24 hours, or the span that was chosen."""
    choice = next((one for one in CHOICES if one.key == span), None)
    if choice is None:
        raise BadParameter("span", span, f"is none of {', '.join(one.key for one in CHOICES)}")
    store = PgReadings(page.connection)
    found = fetch_zone(page.connection, zone_id, page.now, expect_last=DAYS_DRAWN)
    assets = store.assets(zone_id)
    ratings = {asset.asset_id: dict(asset.rating) for asset in assets}
    start, end = page.now - choice.length, page.now
    drawn_span = span_of(start, end)
    read = fetch_by_hand(page.connection, zone_id, start, end)
    channels = {f"{row.asset_id}/{row.name}" for row in store.channels(zone_id)}

    def behind(names: Sequence[str], since: datetime, until: datetime, compare: str = "") -> str:
        question = Question(tuple(names), since, until, compare).among(channels)
        return page.path("zones", zone_id, "graphes") + "?" + question.query

    def behind_day(on: date) -> str:
        return behind(["pump/volume_m3", "pv/irradiance_w_m2"], midnight(on), midnight(on) + DAY)

    behind_nights = behind(["tower/outflow_m3_h", "tower/level_m"], page.now - NIGHTS * DAY, page.now)
    return page.render(
        "zone.html",
        item=found,
        silence=fetch_silences(page.connection, [zone_id], page.now, seen_at=fetch_seen(page.connection)).get(zone_id),
        blind=fetch_blind_spots(page.connection, zone_id, page.now),
        forecast=fetch_forecast(page.connection, zone_id, page.now),
        choices=CHOICES,
        choice=choice,
        start=start,
        end=end,
        curves=fetch_curves(store, zone_id, ratings, choice, start, end, page.texts, read=read),
        reports=fetch_reports(page.connection, zone_id),
        causes=list(BreakdownCause),
        by_hand=read,
        events=fetch_events(page, zone_id, assets, start, end),
        axis=Markup(time_axis(drawn_span, partial(span_name, choice.length, page.texts))),  # noqa: S704 - our own chart
        days=found.days[-DAYS_DRAWN:],
        behind_day=behind_day,
        days_drawing=draw_days(found.days[-DAYS_DRAWN:], page.texts, behind_day),
        taps=_taps(page, zone_id, [asset.asset_id for asset in assets if asset.kind == "tap"]),
        assets=[asset for asset in assets if asset.rating],
        singles=[asset.asset_id for asset in assets if asset.kind != "tap"],
        larger=behind([], start, end, "avant"),
        night=_night(page, zone_id, ratings.get("tower", {}), behind_nights),
        notes=count_notes(page.connection, zone_id, start, end),
        past=alerts_page(page.connection, zone=zone_id, states=["resolved"], limit=PAST_ALERTS),
        committee=committee_of(page.connection, zone_id),
        boxes=fetch_boxes(page.connection, zone_id),
    )


@router.post("/pannes/{report_id}/clore")
def close(page: PageOf, report_id: int, cause: Annotated[str, Form()]) -> Response:
    """Say what a reported breakdown was and that it is over; a second click changes nothing."""
    if cause not in set(BreakdownCause):
        raise BadParameter("cause", cause, f"is none of {', '.join(BreakdownCause)}")
    return page.see(
        "zones", close_by_hand(page.connection, report_id, cause=BreakdownCause(cause), who=page.who, now=page.now)
    )  # fmt: skip


@router.post("/pannes/{report_id}/rouvrir")
def reopen(page: PageOf, report_id: int) -> Response:
    """Undo the closing of a report."""
    return page.see("zones", reopen_by_hand(page.connection, report_id, who=page.who, now=page.now))


def _night(page: Page, zone_id: str, tower: Mapping[str, float], behind: str) -> Plot | None:
    """Ninety nights, which lead to the tower's level and outflow; None where nothing measures them."""
    return draw_nights(
        page, zone_id, full_level_m=float(tower.get("full_level_m", nan)), full_m3=float(tower.get("volume_m3", nan)),
        behind=behind,
    )  # fmt: skip


def _taps(page: Page, zone_id: str, taps: list[str]) -> list[tuple[str, float | None, Markup]]:
    """(tap, litres of yesterday, bar), most used first, those without data last."""
    counted = fetch_volumes(page.connection, days_before(page.now, 1), asset="tap-%", zone=zone_id)
    litres = {
        tap: None if (volume := counted.get((zone_id, tap), [None])[0]) is None else 1000 * volume for tap in taps
    }
    most = max((value for value in litres.values() if value is not None), default=0.0) or 1.0
    ordered = sorted(litres.items(), key=lambda pair: (pair[1] is None, -(pair[1] or 0.0), pair[0]))
    return [
        (tap, value, Markup(share_bar(None if value is None else value / most)))  # noqa: S704 - our own chart
        for tap, value in ordered
    ]
