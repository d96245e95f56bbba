"""Alerts: the list, the whole story of one, and what people do to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Query, Request
from fastapi.responses import Response
from markupsafe import Markup
from starlette.datastructures import UploadFile

from alerts.actions import acknowledge, assign, close, mark, note_visit, reopen, shelve, unshelve
from alerts.closing import LONGEST_NAME, LONGEST_NOTE, LONGEST_WORDS, Cause, RepairTimes
from alerts.errors import ActionRefused, ShelfRefused
from alerts.metrics import fetch_metrics
from alerts.photos import FORMATS, MOST_BYTES, MOST_PHOTOS, add_photo
from alerts.shelf import LONGEST_REASON, longest_shelf
from ingest.readings_pg import PgReadings
from web.charts.bars import share_bar
from web.cursors import cursor_of, read_cursor
from web.errors import BadParameter
from web.labels import N_
from web.pages.page import Page, PageOf
from web.sms import inbound_about, notifications_of, stories_of
from web.stories import (
    Alert,
    Pile,
    alerts_page,
    committee_of,
    count_piles,
    events_of,
    explained_alerts,
    faults_seen,
    find_alert,
    last_mark,
    live_alerts,
    photo_bytes,
    photos_of,
)
from web.water import fetch_blind_spots

router = APIRouter()

PER_PAGE = 50
LATELY = timedelta(days=30)
CHATTIEST = 3
SHELF_HOURS = (2, 6, 24, 72, 168, 720)  # offered on the page, as far as the severity allows
LIVE = (Pile.OPEN, Pile.ACKNOWLEDGED, Pile.SHELVED)
FILTERS: dict[str, tuple[Pile, ...]] = {
    "ouvertes": LIVE,
    "a-prendre": (Pile.OPEN,),
    "prises": (Pile.ACKNOWLEDGED,),
    "sommeil": (Pile.SHELVED,),
    "sans-cause": (Pile.ENDED,),
    "closes": (Pile.CLOSED,),
    "resolues": (Pile.ENDED, Pile.CLOSED, Pile.QUIET),
    "toutes": tuple(Pile),
}
REFUSALS = {
    "confier": N_("Dites à qui confier l’alerte, en %(letters)s lettres au plus."),
    "visite": N_("Notez la visite en %(note)s lettres au plus, à une date qui n’est pas dans le futur."),
    "cause": N_("Choisissez une cause ; « autre » demande quelques mots, %(words)s lettres au plus."),
    "sommeil": N_("Dites pourquoi (%(reason)s lettres au plus) et pour combien de temps (%(hours)s heures au plus)."),
    "trop-tard": N_("Il est trop tard pour annuler cette clôture, ou la panne est déjà revenue."),
    "photo": N_("Photo refusée : une image %(formats)s d’au plus %(size)s Mo, avec des mots, %(photos)s au plus."),
}  # fmt: skip


@router.get("/alertes")
def alerts(
    page: PageOf,
    etat: Annotated[str, Query()] = "ouvertes",
    zone: Annotated[str, Query()] = "",
    quoi: Annotated[str, Query()] = "",
    suite: Annotated[str | None, Query()] = None,
) -> Response:
    """Live alerts gravest first; past ones newest first, `suite` goes on from a page before."""
    if etat not in FILTERS:
        raise BadParameter("etat", etat, f"is none of {', '.join(FILTERS)}")
    names = {row.zone_id: row.name for row in PgReadings(page.connection).zones()}
    if zone and zone not in names:
        raise BadParameter("zone", zone, "is no zone")
    found, more = _listed(page, FILTERS[etat], zone or None, quoi or None, suite)
    lately = fetch_metrics(page.connection, start=page.now - LATELY, end=page.now, per_week=False)
    piles = count_piles(page.connection, now=page.now, since=page.now - LATELY, zone=zone or None, fault=quoi or None)
    counts = {key: sum(piles[pile] for pile in kinds) for key, kinds in FILTERS.items()}
    return page.render(
        "alerts.html", found=found, chosen=etat, counts=counts, suite=more, zones=names, zone=zone, fault=quoi,
        lately=lately, repairs=_with_bars(lately.by_cause),
        chattiest=lately.by_fault[:CHATTIEST], faults=faults_seen(page.connection),
    )  # fmt: skip


def _with_bars(causes: Sequence[RepairTimes]) -> list[tuple[RepairTimes, Markup]]:
    """Each cause with its median as a bar and its longest as a stroke, on one scale."""
    most = max((one.longest for one in causes), default=timedelta(0)) or timedelta(seconds=1)
    return [
        (one, Markup(share_bar(one.median / most, mark=one.longest / most)))  # noqa: S704 - our own chart
        for one in causes
    ]


def _listed(
    page: Page, piles: tuple[Pile, ...], zone: str | None, fault: str | None, suite: str | None
) -> tuple[list[Alert], str | None]:
    """The alerts to show, and the mark from which the next page goes on."""
    if set(piles) <= set(LIVE):
        return live_alerts(page.connection, zone=zone, fault=fault, piles=piles, now=page.now), None
    before = None if suite is None else read_cursor(suite, "suite")
    found = alerts_page(
        page.connection, zone=zone, piles=piles, fault=fault, now=page.now, before=before, limit=PER_PAGE + 1
    )
    more = cursor_of(found[PER_PAGE - 1].opened_at, found[PER_PAGE - 1].alert_id) if len(found) > PER_PAGE else None
    return found[:PER_PAGE], more


@router.get("/alertes/{alert_id}")
def alert(page: PageOf, alert_id: int, refus: Annotated[str, Query()] = "") -> Response:
    """The story of an alert: what was seen, who was told what, who answered; `refus` says what could not be done."""
    return _shown(page, alert_id, refus)


def _refused(page: Page, alert_id: int, refusal: str, **typed: str) -> Response:
    """The same page, with why a form could not be taken and what was typed into it."""
    return _shown(page, alert_id, refusal, typed=typed)


def _shown(page: Page, alert_id: int, refusal: str, *, typed: Mapping[str, str] | None = None) -> Response:
    found = find_alert(page.connection, alert_id)
    events = events_of(page.connection, alert_id)
    longest = longest_shelf(found.severity)
    bounds = _bounds(longest)
    return page.render(
        "alert.html",
        status=200 if typed is None else 400,
        typed=typed or {},
        alert=found,
        events=events,
        mark=last_mark(events),
        blind=fetch_blind_spots(page.connection, found.zone_id, page.now),
        explains=explained_alerts(page.connection, alert_id),
        shelf_hours=[hours for hours in SHELF_HOURS if timedelta(hours=hours) <= longest],
        told=stories_of(page.connection, notifications_of(page.connection, [alert_id])[alert_id]),
        answers=inbound_about(page.connection, alert_id),
        photos=photos_of(page.connection, alert_id),
        committee=committee_of(page.connection, found.zone_id),
        causes=list(Cause),
        bounds=bounds,
        refusal=page.texts.gettext(REFUSALS[refusal]) % bounds if refusal in REFUSALS else None,
    )


def _bounds(longest: timedelta) -> dict[str, object]:
    return {
        "reason": LONGEST_REASON, "hours": f"{longest / timedelta(hours=1):.0f}",
        "letters": LONGEST_NAME, "note": LONGEST_NOTE, "words": LONGEST_WORDS, "photos": MOST_PHOTOS,
        "formats": ", ".join(FORMATS), "size": MOST_BYTES // 1024**2,
    }  # fmt: skip


@router.post("/alertes/{alert_id}/prendre")
def take(page: PageOf, alert_id: int) -> Response:
    """Take an alert in charge; a second click changes nothing."""
    find_alert(page.connection, alert_id)
    acknowledge(page.connection, alert_id, who=page.who, now=page.now)
    return page.see("alertes", alert_id)


@router.post("/alertes/{alert_id}/endormir")
def put_on_shelf(
    page: PageOf,
    alert_id: int,
    heures: Annotated[float, Form(ge=-10_000, le=10_000, allow_inf_nan=False)],
    raison: Annotated[str, Form()] = "",
) -> Response:
    """Tell nobody of an alert for some hours, and say why."""
    find_alert(page.connection, alert_id)
    try:
        shelve(
            page.connection, alert_id, span=timedelta(hours=heures), why=raison, who=page.who,
            now=page.now,
        )  # fmt: skip
    except ShelfRefused:
        return _refused(page, alert_id, "sommeil", heures=f"{heures:g}", raison=raison)
    return page.see("alertes", alert_id)


@router.post("/alertes/{alert_id}/reveiller")
def take_off_shelf(page: PageOf, alert_id: int) -> Response:
    """Undo a shelf."""
    find_alert(page.connection, alert_id)
    unshelve(page.connection, alert_id, who=page.who, now=page.now)
    return page.see("alertes", alert_id)


@router.post("/alertes/{alert_id}/juger")
def judge(page: PageOf, alert_id: int, verdict: Annotated[str, Form()]) -> Response:
    """Say whether an alert was right."""
    if verdict not in ("vraie", "fausse"):
        raise BadParameter("verdict", verdict, "is none of vraie, fausse")
    find_alert(page.connection, alert_id)
    mark(page.connection, alert_id, is_true=verdict == "vraie", who=page.who, now=page.now)
    return page.see("alertes", alert_id)


@router.post("/alertes/{alert_id}/confier")
def give(page: PageOf, alert_id: int, a: Annotated[str, Form()] = "") -> Response:
    """Give an alert to somebody."""
    find_alert(page.connection, alert_id)
    try:
        assign(page.connection, alert_id, to=a, who=page.who, now=page.now)
    except ActionRefused:
        return page.see("alertes", alert_id, query="refus=confier")
    return page.see("alertes", alert_id)


@router.post("/alertes/{alert_id}/visite")
def visited(
    page: PageOf, alert_id: int, texte: Annotated[str, Form()] = "", jour: Annotated[str, Form()] = ""
) -> Response:
    """Write down what somebody saw or did on the spot."""
    find_alert(page.connection, alert_id)
    try:
        on = date.fromisoformat(jour) if jour else page.now.date()
        note_visit(page.connection, alert_id, text=texte, on=on, who=page.who, now=page.now)
    except (ActionRefused, ValueError):  # or a day that is none
        return _refused(page, alert_id, "visite", texte=texte, jour=jour)
    return page.see("alertes", alert_id)


@router.post("/alertes/{alert_id}/clore")
def end(page: PageOf, alert_id: int, cause: Annotated[str, Form()] = "", mots: Annotated[str, Form()] = "") -> Response:
    """Close an alert: name its cause."""
    find_alert(page.connection, alert_id)
    try:
        close(page.connection, alert_id, cause=cause, words=mots, who=page.who, now=page.now)
    except ActionRefused:
        return _refused(page, alert_id, "cause", cause=cause, mots=mots)
    return page.see("alertes", alert_id)


@router.post("/alertes/{alert_id}/rouvrir")
def take_back(page: PageOf, alert_id: int) -> Response:
    """Take a closing back while that is possible."""
    find_alert(page.connection, alert_id)
    is_done = reopen(page.connection, alert_id, who=page.who, now=page.now)
    return page.see("alertes", alert_id, query="" if is_done else "refus=trop-tard")


async def _sent_photo(request: Request) -> tuple[bytes, str]:
    """The picture of a form and what it shows. Not by FastAPI's `File`: it would read the body before the guard asks
    who sends it."""
    async with request.form() as form:
        file, shows = form.get("photo"), form.get("legende")
        sent = await file.read(MOST_BYTES + 1) if isinstance(file, UploadFile) else b""
    return sent, shows if isinstance(shows, str) else ""


@router.post("/alertes/{alert_id}/photos")
def send_photo(page: PageOf, alert_id: int, sent: Annotated[tuple[bytes, str], Depends(_sent_photo)]) -> Response:
    """Keep a photo of a repair."""
    find_alert(page.connection, alert_id)
    try:
        add_photo(page.connection, alert_id, sent=sent[0], shows=sent[1], who=page.who, now=page.now)
    except ActionRefused:
        return _refused(page, alert_id, "photo", legende=sent[1])
    return page.see("alertes", alert_id)


@router.get("/alertes/{alert_id}/photos/{photo_id}")
def photo(page: PageOf, alert_id: int, photo_id: int) -> Response:
    """A photo; it never changes."""
    jpeg = photo_bytes(page.connection, alert_id, photo_id)
    return Response(jpeg, media_type="image/jpeg", headers={"cache-control": "private, max-age=31536000, immutable"})
