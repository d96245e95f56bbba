"""One's own account: password, second factor, where one is logged in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import Response

from ingest.db import Connection
from web.access import count_sessions
from web.accounts import (
    change_password,
    confirm_password,
    drop_code,
    find_account,
    log_out_elsewhere,
    offer_code,
    offered_code,
    take_up_code,
)
from web.errors import CodeRefused, LoginRefused, PasswordRefused, ProviderNeeded
from web.labels import N_
from web.limits import Tries
from web.narrow import widened
from web.pages.login import refusal_of
from web.pages.page import Page, PageOf
from web.passwords import LONGEST, SHORTEST, address_of

router = APIRouter()

ONLY_THERE = N_("Vous entrez par le fournisseur OpenID : qui gère les comptes peut vous permettre un mot de passe.")


@router.get("/compte")
def own(page: PageOf) -> Response:
    """What there is to know and to change of one's own account."""
    return _shown(page)


@router.post("/compte/mot")
def new_password(
    page: PageOf,
    ancien: Annotated[str, Form(max_length=1000)] = "",
    mot: Annotated[str, Form(max_length=1000)] = "",
    encore: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Change the password; the other sessions end."""
    if mot != encore:
        return _shown(page, refusal=refusal_of("twice", 0, page.language))
    try:
        with _asked(page) as connection:
            change_password(
                connection, page.visitor.name, old=ancien, new=mot, passwords=page.services.passwords,
                session=page.visitor.identity, now=page.now,
            )  # fmt: skip
    except PasswordRefused as error:
        return _shown(page, refusal=refusal_of(error.why, error.value, page.language))
    except LoginRefused:
        return _shown(page, refusal=refusal_of("own", 0, page.language))
    except ProviderNeeded:
        return _shown(page, refusal=page.texts.gettext(ONLY_THERE))
    return page.see("compte")


@router.post("/compte/code")
def prepare_code(page: PageOf, ancien: Annotated[str, Form(max_length=1000)] = "") -> Response:
    """Make a secret for an app on a phone; nothing is asked for before a code of it was shown."""
    try:
        with _asked(page) as connection:
            confirm_password(connection, page.visitor.name, ancien, passwords=page.services.passwords)
            offer_code(connection, page.visitor.name)
    except LoginRefused:
        return _shown(page, refusal=refusal_of("own", 0, page.language))
    return page.see("compte")


@router.post("/compte/code/prendre")
def keep_code(page: PageOf, code: Annotated[str, Form(max_length=40)] = "") -> Response:
    """Ask for codes from now on, and show the recovery codes this once."""
    try:
        with _asked(page) as connection:
            spare = take_up_code(
                connection, page.visitor.name, code, now=page.now, now_wall=page.services.wall.now()
            )  # fmt: skip
    except CodeRefused:
        return _shown(page, refusal=refusal_of("code", 0, page.language))
    except LoginRefused:
        return _shown(page, refusal=refusal_of("tries", 0, page.language))
    return _shown(page, spare=spare)


@router.post("/compte/code/retirer")
def remove_code(page: PageOf, ancien: Annotated[str, Form(max_length=1000)] = "") -> Response:
    """Ask for codes no more."""
    try:
        with _asked(page) as connection:
            confirm_password(connection, page.visitor.name, ancien, passwords=page.services.passwords)
            drop_code(connection, page.visitor.name, now=page.now)
    except LoginRefused:
        return _shown(page, refusal=refusal_of("own", 0, page.language))
    return page.see("compte")


@router.post("/compte/sessions")
def end_others(page: PageOf) -> Response:
    """Log out everywhere but here."""
    with widened(page.connection, page.visitor.zone) as connection:
        log_out_elsewhere(connection, page.visitor.name, session=page.visitor.identity, now=page.now)
    return page.see("compte")


@contextmanager
def _asked(page: Page) -> Iterator[Connection]:
    """The account's tables, for a try at a password or a code: whoever found an open browser may not guess for ever.

    Raises
    ------
    LoginRefused : too many tries of this name; nothing was looked at
    """
    name = page.visitor.name
    address = page.request.client.host if page.request.client else ""
    with widened(page.connection, page.visitor.zone) as connection:
        tries = Tries(connection)
        if tries.wait_s(name, address, now=page.services.wall.now()) > 0:
            raise LoginRefused
        yield connection
        tries.forgive(name)


def _shown(page: Page, *, refusal: str | None = None, spare: list[str] | None = None) -> Response:
    name, now_wall = page.visitor.name, page.services.wall.now()
    with widened(page.connection, page.visitor.zone) as connection:
        account = find_account(connection, name)
        secret = offered_code(connection, name)
        sessions = count_sessions(connection, name, now_wall=now_wall)
    return page.render(
        "own.html", status=200 if refusal is None else 400, is_secret=bool(secret or spare), account=account,
        secret=secret, address=address_of(secret, name=name) if secret else None,
        sessions=sessions, spare=spare, refusal=refusal, least=SHORTEST, most=LONGEST,
    )  # fmt: skip
