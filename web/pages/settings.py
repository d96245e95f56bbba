"""Settings that administrators change: accounts, API keys; and what people wrote."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Form, Query
from fastapi.responses import Response

from ingest.audit import record
from ingest.readings_pg import PgReadings
from web.access import KEY_LIFE, PREFIX_LENGTH, Scope, create_api_key, list_api_keys, revoke_api_key
from web.accounts import add_account, change_role, disable, enable, fetch_accounts, reset
from web.audit import as_csv, fetch_written
from web.cursors import cursor_of, read_cursor
from web.errors import AccountRefused, BadParameter, KeyUnknown
from web.labels import N_
from web.pages.page import Page, PageOf
from web.rights import Role
from web.sign_on import await_mailbox

router = APIRouter(prefix="/reglages")

PER_PAGE = 100
MOST_ROWS = 100_000  # of a table to take along
LONGEST_NAME, MOST_DAYS = 60, 3660
Account = Annotated[str, Form(max_length=200)]  # whose; in an address a name with a slash would end there
NEW = {"name": "", "role": "", "zone": ""}  # an account that nobody has begun to describe
REFUSALS = {
    "name": N_("« %(value)s » ne va pas : un nom a de 1 à 60 lettres."),
    "taken": N_("« %(value)s » existe déjà : choisissez un autre nom."),
    "zone": N_("« %(value)s » n’est pas une zone : un secrétaire appartient à une zone."),
    "last": N_("« %(value)s » est le dernier administrateur : faites-en d’abord un autre."),
    "mailbox": N_("« %(value)s » ne va pas : une adresse s’écrit NOM@DOMAINE, en 60 lettres au plus."),
    "awaited": N_("« %(value)s » est déjà l’adresse d’un autre compte."),
    "scope": N_("Cochez au moins une portée : sans elle la clé n’ouvre rien."),
    "days": N_("« %(value)s » ne va pas : une clé vaut de 1 à 3660 jours."),
}


@router.get("/utilisateurs")
def users(page: PageOf) -> Response:
    """Who may log in, as what."""
    return _users(page)


@router.post("/utilisateurs")
def add_user(
    page: PageOf,
    nom: Annotated[str, Form(max_length=200)] = "",
    role: Annotated[Role, Form()] = Role.VIEWER,
    zone: Annotated[str, Form()] = "",
) -> Response:
    """Make an account and show, this once, the link by which its owner sets a password."""
    try:
        token = add_account(
            page.connection, nom, role=role, zone=zone or None, by=page.who, now=page.now,
            now_wall=page.services.wall.now(),
        )  # fmt: skip
    except AccountRefused as error:
        return _users(page, refused=error, typed={"name": nom, "role": role, "zone": zone})
    return _users(page, link=token, whose=" ".join(nom.split()))


@router.post("/utilisateurs/role")
def set_role(
    page: PageOf, compte: Account, role: Annotated[Role, Form()], zone: Annotated[str, Form()] = ""
) -> Response:
    """Let somebody be something else, from their next click on."""
    try:
        change_role(page.connection, compte, role=role, zone=zone or None, by=page.who, now=page.now)
    except AccountRefused as error:
        return _users(page, refused=error)
    return page.see("reglages", "utilisateurs")


@router.post("/utilisateurs/refaire")
def reset_user(page: PageOf, compte: Account) -> Response:
    """Forget a password and second factor, and show the link to set one anew."""
    token = reset(page.connection, compte, by=page.who, now=page.now, now_wall=page.services.wall.now())
    return _users(page, link=token, whose=compte)


@router.post("/utilisateurs/adresse")
def set_mailbox(page: PageOf, compte: Account, adresse: Annotated[str, Form(max_length=200)] = "") -> Response:
    """Let somebody come by the OpenID provider under this address, or, when it is empty, no more."""
    try:
        await_mailbox(page.connection, compte, adresse, by=page.who, now=page.now)
    except AccountRefused as error:
        return _users(page, refused=error)
    return page.see("reglages", "utilisateurs")


@router.post("/utilisateurs/fermer")
def disable_user(page: PageOf, compte: Account) -> Response:
    """Let somebody in no more."""
    try:
        disable(page.connection, compte, by=page.who, now=page.now, now_wall=page.services.wall.now())
    except AccountRefused as error:
        return _users(page, refused=error)
    return page.see("reglages", "utilisateurs")


@router.post("/utilisateurs/rouvrir")
def enable_user(page: PageOf, compte: Account) -> Response:
    """Let somebody in again."""
    enable(page.connection, compte, by=page.who, now=page.now)
    return page.see("reglages", "utilisateurs")


def _users(
    page: Page, *, link: str | None = None, whose: str = "", refused: AccountRefused | None = None,
    typed: Mapping[str, str] | None = None,
) -> Response:  # fmt: skip
    refusal = refused and page.texts.gettext(REFUSALS[refused.why]) % {"value": refused.value}
    provider = page.services.config.provider
    return page.render(
        "users.html", status=200 if refused is None else 400, is_secret=bool(link),
        accounts=fetch_accounts(page.connection), roles=list(Role), whose=whose, refusal=refusal,
        zones=PgReadings(page.connection).zones(), longest=LONGEST_NAME, provider=provider and provider.name,
        link=link and f"{page.services.config.public_url}/login/{link}", typed=typed or NEW,
    )  # fmt: skip


@router.get("/cles")
def keys(page: PageOf) -> Response:
    """API keys: how they begin, what they may do, when they were used last."""
    return _keys(page)


@router.post("/cles")
def make_key(
    page: PageOf,
    nom: Annotated[str, Form(max_length=200)] = "",
    portee: Annotated[list[Scope] | None, Form()] = None,
    jours: Annotated[int, Form()] = KEY_LIFE.days,
) -> Response:
    """Make a key and show it, this once; or the form as it was filled in, and what is wrong with it."""
    name, scopes = " ".join(nom.split()), portee or []
    for what, value, is_right in (
        ("name", name, 1 <= len(name) <= LONGEST_NAME),
        ("scope", "", bool(scopes)),
        ("days", jours, 1 <= jours <= MOST_DAYS),
    ):
        if not is_right:
            refusal = page.texts.gettext(REFUSALS[what]) % {"value": value}
            return _keys(page, refusal=refusal, name=nom, chosen=scopes, days=jours)
    with page.connection.transaction():
        key = create_api_key(page.connection, name=name, scopes=scopes, valid_for=timedelta(days=jours))
        record(
            page.connection, who=page.who, what="key_made", subject=name, now=page.now,
            after={"scopes": ", ".join(sorted(scopes)), "days": jours, "prefix": key[:PREFIX_LENGTH]},
        )  # fmt: skip
    return _keys(page, key=key)


@router.post("/cles/{prefix}/revoquer")
def end_key(page: PageOf, prefix: str) -> Response:
    """Let nobody in with this key any more; a second click finds none."""
    try:
        with page.connection.transaction():
            name = revoke_api_key(page.connection, prefix)
            record(
                page.connection, who=page.who, what="key_revoked", subject=name, before={"prefix": prefix}, now=page.now
            )  # fmt: skip
    except KeyUnknown as error:
        raise BadParameter("prefix", prefix, "begins no key, or several, that open anything") from error
    return page.see("reglages", "cles")


def _keys(
    page: Page, *, key: str | None = None, refusal: str | None = None, name: str = "",
    chosen: Sequence[Scope] = (Scope.READ,), days: int = KEY_LIFE.days,
) -> Response:  # fmt: skip
    return page.render(
        "keys.html", status=400 if refusal else 200, is_secret=bool(key), keys=list_api_keys(page.connection), key=key,
        refusal=refusal, name=name, chosen=chosen, days=days, scopes=list(Scope), most_days=MOST_DAYS,
        longest=LONGEST_NAME, now_wall=page.services.wall.now(),
    )  # fmt: skip


@router.get("/journal")
def journal(
    page: PageOf,
    qui: Annotated[str, Query(max_length=200)] = "",
    quoi: Annotated[str, Query(max_length=200)] = "",
    suite: Annotated[str | None, Query()] = None,
    format: Annotated[str, Query()] = "html",
) -> Response:
    """What people wrote, the newest first; as a table to take along with `format=csv`."""
    if format not in ("html", "csv"):
        raise BadParameter("format", format, "is none of html, csv")
    before = None if suite is None else read_cursor(suite, "suite")
    limit = PER_PAGE + 1 if format == "html" else MOST_ROWS
    found = fetch_written(
        page.connection, who=qui.strip() or None, about=quoi.strip() or None, before=before, limit=limit
    )  # fmt: skip
    if format == "csv":
        headers = {"content-disposition": 'attachment; filename="journal.csv"'}
        return Response(as_csv(found), media_type="text/csv; charset=utf-8", headers=headers)
    end = found[PER_PAGE - 1] if len(found) > PER_PAGE else None
    return page.render(
        "journal.html", found=found[:PER_PAGE], who=qui, about=quoi,
        more=None if end is None else cursor_of(end.at, end.number),
    )  # fmt: skip
