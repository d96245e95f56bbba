"""Profiles of foreign devices: what there is, and a place to try one on a message before it is kept."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Query
from fastapi.responses import Response

from ingest.errors import ProfileError
from ingest.profiles.own import fetch_bodies, fetch_profiles, forget_profile, keep_profile
from ingest.profiles.profile import by_name, shipped_bodies
from web.aside import find_set_aside, readable
from web.errors import NotThere
from web.itself import fetch_refused
from web.pages.page import Page, PageOf
from web.profiles import Trial, bytes_of, guesses, run

router = APIRouter()

MAX_LETTERS = 200_000


@router.get("/profils")
def profiles(page: PageOf) -> Response:
    """All of them, with the topics that each reads."""
    found = by_name(fetch_profiles(page.connection))
    return page.render(
        "profiles.html", profiles=list(found.values()), own=set(fetch_bodies(page.connection)),
        refused=fetch_refused(page.connection),
    )  # fmt: skip


@router.get("/profils/essayer")
def prepare(
    page: PageOf, profil: Annotated[str | None, Query()] = None, message: Annotated[int | None, Query()] = None
) -> Response:
    """A message (one that was set aside, or the sample of a profile) and a profile to begin with."""
    bodies = shipped_bodies() | fetch_bodies(page.connection)
    known = by_name(fetch_profiles(page.connection))
    topic = text = ""
    received_at = page.now
    if message is not None:
        aside = find_set_aside(page.connection, message)
        topic, text, received_at = aside.topic, readable(aside.payload), aside.received_at
        likely = guesses(list(known.values()), topic, aside.payload, received_at)
        profil = profil or (likely[0].name if likely else None)
    if profil is not None and profil not in known:
        raise NotThere("profile", profil)
    if message is None and profil is not None:
        sample = known[profil].samples[0]
        topic, text, received_at = sample.topic, readable(sample.payload), sample.received_at
    trial = Trial(topic, text, bodies.get(profil or "", ""), "")
    return _shown(page, run(trial, received_at) if trial.body else trial)


@router.post("/profils/essayer")
def try_it(
    page: PageOf,
    sujet: Annotated[str, Form(max_length=1000)],
    message: Annotated[str, Form(max_length=MAX_LETTERS)],
    profil: Annotated[str, Form(max_length=MAX_LETTERS)],
    points: Annotated[str, Form(max_length=MAX_LETTERS)] = "",
    choisi: Annotated[str | None, Form()] = None,
) -> Response:
    """What the profile, as it was edited, makes of the message; or one that is chosen instead."""
    if choisi is not None:
        bodies = shipped_bodies() | fetch_bodies(page.connection)
        if choisi not in bodies:
            raise NotThere("profile", choisi)
        profil = bodies[choisi]
    return _shown(page, run(Trial(sujet, message, profil, points), page.now))


@router.post("/profils/garder")
def keep(
    page: PageOf,
    profil: Annotated[str, Form(max_length=MAX_LETTERS)],
    sujet: Annotated[str, Form(max_length=1000)] = "",
    message: Annotated[str, Form(max_length=MAX_LETTERS)] = "",
    points: Annotated[str, Form(max_length=MAX_LETTERS)] = "",
) -> Response:
    """Keep a profile; ingest takes it up within seconds. One that is refused is shown again with all that was typed."""
    try:
        keep_profile(page.connection, profil, where="profile", by=page.who, now=page.now)
    except ProfileError:
        return _shown(page, run(Trial(sujet, message, profil, points), page.now), status=400)
    return page.see("profils")


@router.post("/profils/{name}/oublier")
def forget(page: PageOf, name: str) -> Response:
    """Forget a profile of the operator's own; a shipped one of its name holds again."""
    if not forget_profile(page.connection, name, by=page.who, now=page.now):
        raise NotThere("profile of your own", name)
    return page.see("profils")


def _shown(page: Page, trial: Trial, *, status: int = 200) -> Response:
    payload = bytes_of(trial.message)
    likely = guesses(fetch_profiles(page.connection), trial.topic, payload, page.now) if payload else []
    return page.render("profile_trial.html", status=status, trial=trial, likely=likely)
