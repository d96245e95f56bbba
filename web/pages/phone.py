"""The on-screen phone: what a committee member holds in the hand."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query
from fastapi.responses import Response

from web.errors import NotThere
from web.handset import LONGEST_REPLY, Person, mark_read, messages, people, reply
from web.labels import N_
from web.pages.page import PageOf

router = APIRouter()

KEYS = {"1": N_("vu"), "2": N_("en route"), "3": N_("réparé"), "4": N_("fausse alerte"), "0": N_("aide")}


@router.get("/telephone")
def phone(page: PageOf, contact: Annotated[int | None, Query()] = None) -> Response:
    """The phone of one person; without a choice, of whoever got the newest message."""
    everybody = people(page.connection)
    chosen = _chosen(everybody, contact)
    held = messages(page.connection, chosen.phone) if chosen else []
    answer = page.render(
        "phone.html",
        everybody=everybody,
        chosen=chosen,
        held=held,
        longest=LONGEST_REPLY,
        keys={key: page.texts.gettext(meaning) for key, meaning in KEYS.items()},
    )
    if chosen:
        mark_read(page.connection, chosen.phone, now=page.now)
    return answer


@router.post("/telephone")
def answer(page: PageOf, contact: Annotated[int, Form()], text: Annotated[str, Form()] = "") -> Response:
    """Send an answer from the phone, by a key or as free text."""
    chosen = _chosen(people(page.connection), contact)
    if chosen is None:
        raise NotThere("contact", contact)
    reply(page.connection, chosen.phone, text, now=page.now)
    return page.see("telephone", query=f"contact={contact}")


def _chosen(everybody: list[Person], contact: int | None) -> Person | None:
    if contact is not None:
        found = next((person for person in everybody if person.contact_id == contact), None)
        if found is None:
            raise NotThere("contact", contact)
        return found
    told = [(person.newest_at, person) for person in everybody if person.newest_at is not None]
    return max(told, key=lambda pair: pair[0])[1] if told else next(iter(everybody), None)
