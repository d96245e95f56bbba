"""SMS as people look at them: messages and their story, what came in, routes, the purse, the picture card."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import Response
from markupsafe import Markup

from alerts.errors import StandsElsewhere
from alerts.forget import forget
from alerts.routing import PER_DAY, PER_HOUR, PER_WEEK
from web.charts.card import PICTURES, phone_key
from web.consent import fetch_people, phone_of
from web.cursors import cursor_of, read_cursor
from web.errors import BadParameter
from web.labels import N_
from web.narrow import widened
from web.pages.page import Page, PageOf
from web.purse import by_month, fetch_purse, fetch_told
from web.sms import (
    Group,
    fetch_counts,
    fetch_routes,
    find_story,
    inbound_page,
    notifications_page,
    strangers_page,
)
from web.zones import find_zones

router = APIRouter()

PER_PAGE = 50
PURSE_MONTHS = 12
FILTERS: dict[str, Group | None] = {
    "attente": Group.WAITING,
    "inconnus": Group.UNKNOWN,
    "echecs": Group.FAILED,
    "remis": Group.DELIVERED,
    "tous": None,
}
INBOUND = {"inconnus": N_("Inconnus"), "appels": N_("Appels manqués"), "tous": N_("Tout")}
CARD = {
    "1": N_("J’ai vu"),
    "2": N_("J’y vais"),
    "3": N_("C’est réparé"),
    "4": N_("Fausse alerte"),
    "0": N_("Aide"),
}


@router.get("/messages")
def messages(
    page: PageOf, etat: Annotated[str, Query()] = "attente", suite: Annotated[str | None, Query()] = None
) -> Response:
    """What waits now, or what became of the others; `suite` goes on from a page before."""
    if etat not in FILTERS:
        raise BadParameter("etat", etat, f"is none of {', '.join(FILTERS)}")
    found = notifications_page(page.connection, group=FILTERS[etat], before=_before(suite), limit=PER_PAGE + 1)
    end = found[PER_PAGE - 1] if len(found) > PER_PAGE else None
    return page.render(
        "messages.html",
        found=found[:PER_PAGE],
        suite=None if end is None else cursor_of(end.created_at, end.notification_id),
        chosen=etat,
        filters=FILTERS,
        counts=fetch_counts(page.connection, page.now),
        routes=fetch_routes(page.connection),
        soon=page.now + timedelta(days=7),
    )


@router.get("/messages/recus")
def inbound(
    page: PageOf, quoi: Annotated[str, Query()] = "inconnus", suite: Annotated[str | None, Query()] = None
) -> Response:
    """What came in: from phones of nobody we know, calls, or everything."""
    if quoi not in INBOUND:
        raise BadParameter("quoi", quoi, f"is none of {', '.join(INBOUND)}")
    if quoi == "inconnus":
        strangers = strangers_page(page.connection, before=_before(suite), limit=PER_PAGE + 1)
        end = strangers[PER_PAGE - 1] if len(strangers) > PER_PAGE else None
        more = None if end is None else cursor_of(end.last_at, end.last_id)
        return page.render(
            "inbound.html", strangers=strangers[:PER_PAGE], found=[], suite=more, chosen=quoi, choices=INBOUND
        )
    found = inbound_page(
        page.connection, kind="call" if quoi == "appels" else None, before=_before(suite), limit=PER_PAGE + 1
    )
    last = found[PER_PAGE - 1] if len(found) > PER_PAGE else None
    more = None if last is None else cursor_of(last.received_at, last.sms_in_id)
    return page.render("inbound.html", strangers=[], found=found[:PER_PAGE], suite=more, chosen=quoi, choices=INBOUND)


@router.get("/messages/bourse")
def purse(page: PageOf) -> Response:
    """What SMS cost each committee and month, and whether phones were left in peace."""
    return page.render(
        "purse.html",
        months=by_month(fetch_purse(page.connection, now=page.now, months=PURSE_MONTHS)),
        told=fetch_told(page.connection, page.now),
        price=page.services.config.price_gnf,
        caps=(PER_HOUR, PER_DAY, PER_WEEK),
    )


@router.get("/messages/accord")
def consent(
    page: PageOf,
    q: Annotated[str, Query(max_length=200)] = "",
    number: Annotated[int, Query(alias="page", ge=1)] = 1,
) -> Response:
    """Who may be told, who said so, and where the next one to leave would be the last; some zones at a time."""
    return people_page(page, q, number)


@router.post("/messages/accord/{contact_id}/oublier")
def forget_person(page: PageOf, contact_id: int) -> Response:
    """Erase a person who asked for it; a second click finds nobody.

    Who it is must be seen by the visitor; that they are forgotten everywhere is the service's. Whom another zone's
    committee knows too is no secretary's to erase.
    """
    phone, zone = phone_of(page.connection, contact_id), page.visitor.zone
    try:
        with widened(page.connection, zone) as connection:
            forget(connection, phone, by=page.who, now=page.now, only_in=zone)
    except StandsElsewhere:
        return people_page(page, stands_elsewhere=True)
    return page.see("messages", "accord")


@router.get("/messages/carte")
def card(page: PageOf) -> Response:
    """The digits to answer with, in pictures, to print."""
    pictures = {name: Markup(draw()) for name, draw in PICTURES.items()}  # noqa: S704 - our own drawings
    return page.render(
        "card.html",
        rows=[(digit, page.texts.gettext(words), pictures[digit]) for digit, words in CARD.items()],
        keys={digit: Markup(phone_key(digit)) for digit in CARD},  # noqa: S704 - our own drawings
        call=pictures["call"],
    )


@router.get("/messages/{notification_id}")
def message(page: PageOf, notification_id: int) -> Response:
    """One message with its story."""
    return page.render("message.html", story=find_story(page.connection, notification_id))


def people_page(page: Page, q: str = "", number: int = 1, *, stands_elsewhere: bool = False) -> Response:
    """The people of some zones; `stands_elsewhere`: what was asked of one of them is for who sees all zones."""
    some = find_zones(page.connection, q, number)
    zones = fetch_people(page.connection, [line.zone_id for line in some.zones])
    return page.render(
        "consent.html", status=403 if stands_elsewhere else 200, some=some, asked_for=q, zones=zones,
        stands_elsewhere=stands_elsewhere,
    )  # fmt: skip


def _before(suite: str | None) -> tuple[datetime, int] | None:
    return None if suite is None else read_cursor(suite, "suite")
