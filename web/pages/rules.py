"""Rules that people may change, and what a change would have done before it is made."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form
from fastapi.responses import Response

from alerts.errors import SettingRefused
from alerts.settings import change
from alerts.trials import DAYS, ask, recent_trials
from ingest.readings_pg import PgReadings
from web.pages.page import PageOf
from web.rules import fetch_rule, fetch_rules, fetch_trial, refused

router = APIRouter()

ALL = "-"  # in a form: all zones


@router.get("/regles")
def rules(page: PageOf) -> Response:
    """Every number that may be changed, with its bounds."""
    return page.render("rules.html", rules=fetch_rules(page.connection))


@router.get("/regles/essais/{trial_id}")
def trial(page: PageOf, trial_id: int) -> Response:
    """How far a trial has come, and what came of it."""
    found = fetch_trial(page.connection, trial_id)
    zones = {row.zone_id: row.name for row in PgReadings(page.connection).zones()}
    rule_now = fetch_rule(page.connection, found.parameter)
    return page.render("trial.html", trial=found, rule=rule_now, zones=zones, all=ALL)


@router.get("/regles/{name}")
def rule(page: PageOf, name: str) -> Response:
    """One number: try another value, see what was tried and what was set."""
    found = fetch_rule(page.connection, name)
    return page.render(
        "rule.html", rule=found, zones=PgReadings(page.connection).zones(), trials=recent_trials(page.connection, name),
        all=ALL, days=DAYS,
    )  # fmt: skip


@router.post("/regles/{name}/essai")
def try_it(page: PageOf, name: str, valeur: Annotated[float, Form()], zone: Annotated[str, Form()] = ALL) -> Response:
    """Begin a trial over the last 90 days."""
    fetch_rule(page.connection, name)
    try:
        number = ask(
            page.connection, name, value=valeur, zone=None if zone == ALL else zone, who=page.who, now=page.now
        )
    except SettingRefused as error:
        raise refused(error) from error
    page.services.trials.start(number)
    return page.see("regles", "essais", number)


@router.post("/regles/{name}/valeur")
def set_it(
    page: PageOf,
    name: str,
    raison: Annotated[str, Form()] = "",
    valeur: Annotated[float | None, Form()] = None,
    zone: Annotated[str, Form()] = ALL,
) -> Response:
    """Let a value hold from the next evaluation on; without one what stood before anybody changed it."""
    fetch_rule(page.connection, name)
    try:
        change(
            page.connection, name, zone=None if zone == ALL else zone, value=valeur, who=page.who,
            why=raison, now=page.now,
        )  # fmt: skip
    except SettingRefused as error:
        raise refused(error) from error
    return page.see("regles", name)
