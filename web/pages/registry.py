"""Zones as administrators keep them: a form for what is safe there, and the same files as `ndiyan zones`."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator, Iterable
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from starlette.datastructures import FormData, UploadFile

from gateway.errors import ZoneFileError
from gateway.whole import whole
from ingest.audit import record
from ingest.errors import ZoneMovedOn, ZonesRefused
from ingest.readings_pg import PgReadings
from ingest.registry import fetch_registered
from ingest.zone_changes import Change, changes_between, export_text, fetch_since, store_zones
from web.audit import told
from web.errors import BadParameter
from web.labels import Labels
from web.masks import hide_phones
from web.pages.page import Page, PageOf
from web.zones import (
    TEXTS,
    Looked,
    fields_of,
    find_zones,
    look_at,
    look_at_zones,
    registered_zone,
    seen_now,
    value_at,
    zone_of_form,
)

router = APIRouter(prefix="/reglages/zones")

MOST_FILES, MOST_LETTERS = 50, 200_000


async def _sent_form(request: Request) -> AsyncIterator[FormData]:
    """A form with its files, read only after the guard has asked who sends it."""
    async with request.form(max_files=MOST_FILES) as form:
        yield form


FormOf = Annotated[FormData, Depends(_sent_form)]


@router.get("")
def zones(
    page: PageOf, q: Annotated[str, Query(max_length=200)] = "", number: Annotated[int, Query(alias="page", ge=1)] = 1
) -> Response:
    """All zones, a page at a time, and where files come in and go out."""
    return _listed(page, q, number)


@router.get("/-/tout")
def export_all(page: PageOf) -> Response:
    """Every zone's file in one archive."""
    found = fetch_registered(page.connection, [row.zone_id for row in PgReadings(page.connection).zones()])
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
        for zone_id, zone in found.items():
            archive.writestr(f"{zone_id}.toml", export_text(zone))
    return _taken(page, into.getvalue(), "zones.zip", "application/zip")


@router.post("/-/voir")
def look(page: PageOf, form: FormOf) -> Response:
    """What files would change; nothing is stored."""
    try:
        named = list(_files_of(form))
    except ZoneFileError as error:
        return _listed(page, mistakes=(str(error),))
    if not named:
        return _listed(page, mistakes=(page.texts.gettext("Choisissez un fichier de zone."),))
    looked = look_at(page.connection, named)
    return _listed(page, mistakes=looked.mistakes) if looked.mistakes else _previewed(page, looked)


@router.post("/-/garder")
def store(page: PageOf, form: FormOf) -> Response:
    """Store what was seen; who was overtaken looks again, with what changed since."""
    texts = [one for one in form.getlist("texte") if isinstance(one, str)]
    looked = look_at(page.connection, [(f"texte {number}", text) for number, text in enumerate(texts, 1)])
    if looked.mistakes or not looked.plans:
        return _listed(page, mistakes=looked.mistakes)
    chosen = [plan.zone for plan in looked.plans]
    try:
        store_zones(page.connection, chosen, who=page.who, now=page.now, on_pages=True)
    except (ZoneMovedOn, ZonesRefused):
        return _previewed(page, look_at_zones(page.connection, chosen), overtaken=True)
    return page.see("reglages", "zones", chosen[0].zone_id if len(chosen) == 1 else "")


@router.get("/{zone_id}")
def zone(page: PageOf, zone_id: str) -> Response:
    """One zone: a form for its sizes, its file, and the ways to its people, rules and past."""
    return _form(page, zone_id)


@router.get("/{zone_id}/fichier")
def export_one(page: PageOf, zone_id: str) -> Response:
    """The zone as a file, with its people."""
    text = export_text(registered_zone(page.connection, zone_id))
    return _taken(page, text.encode(), f"{zone_id}.toml", "application/toml", zone=zone_id)


@router.post("/{zone_id}")
def change(page: PageOf, zone_id: str, form: FormOf) -> Response:
    """What the form would change; who was overtaken is shown what changed and their own words."""
    known = registered_zone(page.connection, zone_id)
    typed = {key: value for key, value in form.items() if isinstance(value, str)}
    seen = typed.get("vu", "")
    version = whole(seen)
    if version is None or version < 1:
        raise BadParameter("vu", seen, "is no count of changes")
    try:
        wanted = zone_of_form(known, typed, version=version)
    except ZoneFileError as error:
        return _form(page, zone_id, typed=typed, mistake=str(error))
    if wanted.version != known.version:
        return _form(page, zone_id, overtaken=(version, changes_between(known, wanted)))
    looked = look_at_zones(page.connection, [wanted])
    return _previewed(page, looked) if looked.plans[0].changes else page.see("reglages", "zones", zone_id)


def _taken(page: Page, content: bytes, name: str, media: str, *, zone: str | None = None) -> Response:
    """A file with whole phone numbers in it; that it was taken is written down."""
    with page.connection.transaction():
        record(page.connection, who=page.who, what="zones_taken_along", subject=name, zone=zone, now=page.now)
    headers = {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}
    return Response(content, media_type=media, headers=headers)


def _files_of(form: FormData) -> Iterable[tuple[str, str]]:
    for file in form.getlist("fichier"):
        if isinstance(file, UploadFile) and file.filename:
            raw = file.file.read(MOST_LETTERS + 1)
            if len(raw) > MOST_LETTERS:
                raise ZoneFileError(f"{file.filename}: has more than {MOST_LETTERS} bytes")
            try:
                yield file.filename, raw.decode("utf-8-sig")
            except UnicodeDecodeError as error:
                raise ZoneFileError(f"{file.filename}: is not valid TOML: {error}") from error


def _listed(page: Page, q: str = "", number: int = 1, *, mistakes: tuple[str, ...] = ()) -> Response:
    return page.render(
        "zones.html", status=400 if mistakes else 200,
        some=find_zones(page.connection, q, number), asked_for=q, most_files=MOST_FILES,
        mistakes=[_parts(text) for text in mistakes],
    )  # fmt: skip


def _previewed(page: Page, looked: Looked, *, overtaken: bool = False) -> Response:
    return page.render(  # whole phones stand in what is to be stored
        "zones_preview.html", status=409 if overtaken else 200, is_secret=True,
        looked=looked, overtaken=overtaken, told=told, words=partial(_words, Labels(page.texts)),
        texts=[export_text(seen_now(plan)) for plan in looked.plans],
    )  # fmt: skip


def _form(
    page: Page, zone_id: str, *, typed: dict[str, str] | None = None, mistake: str = "",
    overtaken: tuple[int, tuple[Change, ...]] | None = None,
) -> Response:  # fmt: skip
    known = registered_zone(page.connection, zone_id)
    fields = fields_of(known)
    found = {key: value_at(known, key) for keys in fields.values() for key in keys}
    values = {key: page.texts.exact(one) if isinstance(one, int | float) else one for key, one in found.items()}
    return page.render(
        "zone_settings.html", status=409 if overtaken else 400 if mistake else 200,
        zone=known, fields=fields, values=values | (typed or {}), text_fields=TEXTS, told=told,
        seen=int(typed["vu"]) if typed else known.version, mistake=mistake and _parts(mistake),
        since=fetch_since(page.connection, zone_id, overtaken[0]) if overtaken else [],
        lost=overtaken[1] if overtaken else (), words=partial(_words, Labels(page.texts)),
    )  # fmt: skip


def _parts(text: str) -> tuple[str, str, str]:
    """File, key and what is wrong there; a text that names no place has the last alone."""
    file, _, rest = text.partition(": ")
    key, _, problem = rest.partition(": ")
    return (file, key, problem) if problem else ("", "", text)


def _words(labels: Labels, value: object) -> str:
    """A value of a zone file for people; of a committee's numbers the last digits."""
    texts = labels.texts
    if value is None:
        return "—"
    if isinstance(value, bool):
        return texts.gettext("oui") if value else texts.gettext("non")
    if isinstance(value, int | float):
        return texts.exact(value)
    if isinstance(value, list):
        return hide_phones(", ".join(str(one) for one in value)) or "—"
    if isinstance(value, dict):
        said = {
            name: labels.role(one) if name == "role" else str(one) for name, one in value.items() if name != "points"
        }
        return hide_phones(", ".join(said.values()))
    return str(value)
