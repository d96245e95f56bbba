"""The on-screen phone: what a committee member holds in the hand, and the network around it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Query
from fastapi.responses import Response

from alerts.messages import segments
from web.errors import NotThere
from web.handset import (
    LONGEST_DELAY,
    LONGEST_REPLY,
    MOST_BARS,
    Network,
    Person,
    find_person,
    mark_read,
    messages,
    network_of,
    people,
    reply,
    ring,
    screens_of,
    set_network,
)
from web.labels import N_
from web.pages.page import Page, PageOf

router = APIRouter()

KEYS = {"1": N_("vu"), "2": N_("en route"), "3": N_("réparé"), "4": N_("fausse alerte"), "0": N_("aide")}
DELAYS_S = (0, 60, 300, 3600)
LOSSES_PCT = (0, 10, 50, 100)


@router.get("/telephone")
def phone(
    page: PageOf,
    contact: Annotated[int | None, Query()] = None,
    sms: Annotated[int, Query(ge=0)] = 0,
) -> Response:
    """The phone of one person; without a choice, of whoever got the newest message. `sms` counts back from it."""
    everybody = people(page.connection)
    chosen = find_person(everybody, contact)
    held = messages(page.connection, chosen.phone) if chosen else []
    came = [one for one in held if one.direction == "in"]
    shown = came[min(sms, len(came) - 1)] if came else None
    network = network_of(page.connection, chosen.phone) if chosen else Network()
    answer = page.render(
        "phone.html",
        everybody=everybody,
        chosen=chosen,
        held=held,
        shown=shown,
        place=min(sms, max(0, len(came) - 1)),
        count=len(came),
        screens=screens_of(shown.text) if shown else [],
        counted=segments(shown.text) if shown else None,
        network=network,
        most_bars=MOST_BARS,
        delays=DELAYS_S,
        losses=LOSSES_PCT,
        price=page.services.config.price_gnf,
        longest=LONGEST_REPLY,
        keys={key: page.texts.gettext(meaning) for key, meaning in KEYS.items()},
    )
    if chosen and network.is_on:
        mark_read(page.connection, chosen.phone, now=page.now)
    return answer


@router.post("/telephone")
def answer(page: PageOf, contact: Annotated[int, Form()], text: Annotated[str, Form()] = "") -> Response:
    """Send an answer from the phone, by a key or as free text."""
    reply(page.connection, _owner(page, contact).phone, text, now=page.now)
    return page.see("telephone", query=f"contact={contact}")


@router.post("/telephone/appel")
def call(page: PageOf, contact: Annotated[int, Form()]) -> Response:
    """Ring and hang up."""
    ring(page.connection, _owner(page, contact).phone, now=page.now)
    return page.see("telephone", query=f"contact={contact}")


@router.post("/telephone/reseau")
def change_network(
    page: PageOf,
    contact: Annotated[int, Form()],
    barres: Annotated[int, Form()] = MOST_BARS,
    retard: Annotated[int, Form(ge=0, le=LONGEST_DELAY.days * 86_400)] = 0,
    perte: Annotated[int, Form()] = 0,
    allume: Annotated[bool, Form()] = False,
    double: Annotated[bool, Form()] = False,
) -> Response:
    """Switch the phone off or make its network a bad one; what is not said is as it is switched off, on a good day."""
    wanted = Network(allume, barres, timedelta(seconds=retard), perte, double)
    set_network(page.connection, _owner(page, contact).phone, wanted, now=page.now)
    return page.see("telephone", query=f"contact={contact}")


def _owner(page: Page, contact: int) -> Person:
    found = find_person(people(page.connection), contact)
    if found is None:
        raise NotThere("contact", contact)
    return found
