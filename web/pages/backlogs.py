"""Bringing a file of readings: choose it, say what its columns are, see what it would become, store it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from starlette.datastructures import UploadFile

from ingest.backlog import Layout
from ingest.backlog_files import MOST_BYTES, MOST_PROBLEMS, State, ask_for, keep_file, lay_out, recent_files
from ingest.readings_pg import PgReadings
from web.backlogs import fetch_file, layout_of, look_into, targets_of_zone
from web.pages.page import PageOf

router = APIRouter()

SHOWN_FILES = 20
OFFSETS_H = range(-12, 15)


async def _sent_form(request: Request) -> AsyncIterator[dict[str, str | UploadFile]]:
    """A form with or without a file. Not by FastAPI's `File`: it would read the body before the guard asks who sends
    it."""
    async with request.form() as form:
        yield dict(form.items())


FormOf = Annotated[dict[str, str | UploadFile], Depends(_sent_form)]


@router.get("/apporter")
def files(page: PageOf, refus: str = "") -> Response:
    """Choose a file; those that were brought before."""
    return page.render(
        "backlogs.html", files=recent_files(page.connection, limit=SHOWN_FILES), refused=bool(refus),
        megabytes=MOST_BYTES // 1_000_000,
    )  # fmt: skip


@router.post("/apporter")
def bring(page: PageOf, form: FormOf) -> Response:
    """Keep a file as it came; nothing of it is stored yet."""
    file = form.get("fichier")
    if not isinstance(file, UploadFile) or not file.filename:
        return page.see("apporter", query="refus=fichier")
    try:
        number = keep_file(page.connection, file.file, name=file.filename, layout=Layout(), who=page.who, now=page.now)
    except ValueError:
        return page.see("apporter", query="refus=fichier")
    return page.see("apporter", number)


@router.get("/apporter/{number}")
def one(page: PageOf, number: int) -> Response:
    """What a file would become as it is laid out; once it is asked for, how far it is and what was wrong in it."""
    found = fetch_file(page.connection, number)
    if found.state is not State.WAITING:
        return page.render("backlog_done.html", file=found, most=MOST_PROBLEMS)
    look = look_into(page.connection, found, page.now)
    targets = targets_of_zone(page.connection, look.layout.zone)
    return page.render(
        "backlog.html", file=found, look=look, zones=PgReadings(page.connection).zones(),
        targets=targets, units=sorted({unit for its in targets.values() for unit in its}), offsets=OFFSETS_H,
    )  # fmt: skip


@router.post("/apporter/{number}")
def say_how(page: PageOf, number: int, form: FormOf) -> Response:
    """Say how it is to be read, and look again."""
    found = fetch_file(page.connection, number)
    names = look_into(page.connection, found, page.now).names
    lay_out(page.connection, number, layout_of(_texts(form), names))
    return page.see("apporter", number)


@router.post("/apporter/{number}/garder")
def store(page: PageOf, number: int, form: FormOf) -> Response:
    """Store it in the background; what was interrupted begins again. What is chosen in the form and was not looked at
    yet is shown first: what is stored cannot be taken back.
    """
    found = fetch_file(page.connection, number)
    look = look_into(page.connection, found, page.now)
    if found.state is State.WAITING and "decalage" in form:
        said = layout_of(_texts(form), look.names)
        if said != look.layout:
            lay_out(page.connection, number, said)
            return page.see("apporter", number)
    if look.why_not is None:
        lay_out(page.connection, number, look.layout)  # as it was shown, also what its names let one guess
        if ask_for(page.connection, number, who=page.who, now=page.now):
            page.services.files.start(number)
    return page.see("apporter", number)


def _texts(form: Mapping[str, str | UploadFile]) -> dict[str, str]:
    return {key: value for key, value in form.items() if isinstance(value, str)}
