"""A zone's committee: who is told, in which order; kept by its secretary, engineers and administrators."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Depends, Form
from fastapi.responses import Response

from gateway.zones import GUINEAN_DIGITS, LANGUAGES, ROLES
from ingest.zone_changes import Since, fetch_since
from web.audit import told
from web.committee import LONGEST_NAME, MOST_MEMBERS, YEARS, Keeper, fetch_committee, members_of, person_of
from web.errors import CommitteeRefused
from web.labels import N_
from web.narrow import widened
from web.pages.page import Page, PageOf

router = APIRouter(prefix="/zones/{zone_id}/comite")

REFUSALS = {
    "name": N_("« %(value)s » ne va pas : un nom a de 1 à 60 lettres."),
    "phone": N_("« %(value)s » n’est pas un numéro : écrivez 620 00 00 00, ou + et l’indicatif d’un autre pays."),
    "digits": N_("« %(value)s » a %(count)s chiffres : un mobile de Guinée en a %(wanted)s, sans l’indicatif, et commence par 6."),  # noqa: E501 - a sentence stays whole
    "twice": N_("« %(value)s » est déjà dans ce comité : une personne y est une fois."),
    "forgotten": N_("La personne de « %(value)s » a demandé à être oubliée. Si elle vient de redonner son numéro, cochez-le ci-dessous."),  # noqa: E501 - a sentence stays whole
    "moved_on": N_("Quelqu’un a changé cette zone pendant que vous regardiez ; rien n’est enregistré. Voyez ce qui a changé, puis recommencez."),  # noqa: E501 - a sentence stays whole
}  # fmt: skip
Typed = tuple[str, Mapping[str, str]]  # whom a form is about, empty for somebody new, and what it said
Seen = Annotated[int, Form()]
Text = Annotated[str, Form(max_length=200)]


class Written(NamedTuple):
    """What a form says of a person; `again`: they gave their number anew."""

    fields: Mapping[str, str]
    again: bool


def _written(
    nom: Text = "", role: Text = "", telephone: Text = "", langue: Text = "fr", borne: Text = "",
    encore: Annotated[bool, Form()] = False,
) -> Written:  # fmt: skip
    fields = {"nom": nom, "role": role, "telephone": telephone, "langue": langue, "borne": borne}
    return Written(fields, encore)


WrittenOf = Annotated[Written, Depends(_written)]


@router.get("")
def committee(page: PageOf, zone_id: str) -> Response:
    """Who is told, in which order."""
    return _shown(page, zone_id)


@router.post("")
def add(page: PageOf, zone_id: str, written: WrittenOf, vu: Seen = 0) -> Response:
    """Take somebody in."""
    taps = fetch_committee(page.connection, zone_id).taps

    def act(keeper: Keeper) -> None:
        keeper.add(person_of(written.fields, taps=taps), again=written.again)

    return _done(page, zone_id, vu, act, typed=("", written.fields))


@router.post("/compte")
def count(
    page: PageOf, zone_id: str, femmes: Annotated[int, Form()] = -1, hommes: Annotated[int, Form()] = -1,
    annee: Annotated[int, Form()] = 0, vu: Seen = 0,
) -> Response:  # fmt: skip
    """Say how many women and men sit in the committee."""
    fields = {"femmes": str(femmes), "hommes": str(hommes), "annee": str(annee)}
    return _done(
        page, zone_id, vu, lambda keeper: keeper.count(members_of(femmes, hommes, annee)), typed=("count", fields)
    )


@router.post("/{contact_id}/changer")
def change(page: PageOf, zone_id: str, contact_id: int, written: WrittenOf, vu: Seen = 0) -> Response:
    """Say anew what is known of somebody."""
    taps = fetch_committee(page.connection, zone_id).taps

    def act(keeper: Keeper) -> None:
        keeper.change(contact_id, person_of(written.fields, taps=taps), again=written.again)

    return _done(page, zone_id, vu, act, typed=(str(contact_id), written.fields))


@router.post("/{contact_id}/monter")
def up(page: PageOf, zone_id: str, contact_id: int, vu: Seen = 0) -> Response:
    """Let somebody be called one place earlier."""
    return _done(page, zone_id, vu, lambda keeper: keeper.move(contact_id, up=True))


@router.post("/{contact_id}/descendre")
def down(page: PageOf, zone_id: str, contact_id: int, vu: Seen = 0) -> Response:
    """Let somebody be called one place later."""
    return _done(page, zone_id, vu, lambda keeper: keeper.move(contact_id, up=False))


@router.post("/{contact_id}/retirer")
def remove(page: PageOf, zone_id: str, contact_id: int, vu: Seen = 0) -> Response:
    """Take somebody out; it can be undone."""
    return _done(page, zone_id, vu, lambda keeper: keeper.remove(contact_id))


@router.post("/{contact_id}/remettre")
def bring_back(page: PageOf, zone_id: str, contact_id: int, vu: Seen = 0) -> Response:
    """Take in again who was taken out."""
    return _done(page, zone_id, vu, lambda keeper: keeper.bring_back(contact_id))


def _done(page: Page, zone_id: str, seen: int, act: Callable[[Keeper], None], typed: Typed | None = None) -> Response:
    """Do it and show the committee as it is then; a mistake stands above the form with what was typed."""
    try:
        act(Keeper(page.connection, zone_id, seen, page.who, page.now, page.visitor.zone))
    except CommitteeRefused as error:
        return _shown(page, zone_id, refused=error, seen=seen, typed=typed)
    return page.see("zones", zone_id, "comite")


def _shown(
    page: Page, zone_id: str, *, refused: CommitteeRefused | None = None, seen: int = 0,
    typed: Typed | None = None,
) -> Response:  # fmt: skip
    words = {"value": refused.value, "count": refused.count, "wanted": GUINEAN_DIGITS} if refused else {}
    status = 200 if refused is None else 409 if refused.why == "moved_on" else 400
    return page.render(
        "committee.html", status=status, is_secret=True, committee=fetch_committee(page.connection, zone_id),
        roles=ROLES, languages=LANGUAGES,
        longest=LONGEST_NAME, most=MOST_MEMBERS, years=YEARS, why=refused.why if refused else "",
        refusal=refused and page.texts.gettext(REFUSALS[refused.why]) % words,
        since=_since(page, zone_id, seen) if refused and refused.why == "moved_on" else [],
        typed_for=typed[0] if typed else None, typed=typed[1] if typed else None, told=told,
    )  # fmt: skip


def _since(page: Page, zone_id: str, seen: int) -> list[Since]:
    """What was written about the zone since; of their own zone a secretary may read it."""
    with widened(page.connection, page.visitor.zone) as connection:
        return fetch_since(connection, zone_id, seen)
