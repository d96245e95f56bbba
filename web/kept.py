"""What is kept of a person of a committee and what for; and all of it, for whoever asks about themselves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from alerts.forget import arrays_of, fetch_standings, whole_number
from ingest.db import Connection, queries
from web.labels import N_
from web.narrow import widened
from web.spreadsheets import csv_text

SQL = queries("web", "kept")


class Part(NamedTuple):
    """One part of what is kept: what it is, and what for."""

    name: str
    what: str
    why: str


PARTS = (
    Part("contact", N_("nom, rôle, numéro, langue, zone et robinet"), N_("pour prévenir chacun dans sa langue")),
    Part("consent", N_("chaque accord et chaque refus de recevoir des SMS"), N_("pour prouver ce qui a été dit")),
    Part("told", N_("les SMS envoyés, et s’ils sont arrivés"), N_("pour savoir qui a été prévenu d’une panne")),
    Part("named", N_("les SMS à d’autres où se trouve ce numéro"), N_("pour que les gens d’une zone s’appellent")),
    Part("received", N_("les SMS et les appels reçus"), N_("pour comprendre les réponses et les corriger")),
    Part("written", N_("les SMS d’autres où se trouve ce numéro"), N_("pour comprendre ce qu’ils demandent")),
    Part("attempts", N_("ce que l’opérateur a répondu à chaque envoi"), N_("pour réparer une route qui échoue")),
    Part("receipts", N_("les accusés de réception"), N_("pour ne dire « remis » que si c’est vrai")),
    Part("reports", N_("les pannes signalées ou closes"), N_("pour que la réparation se suive")),
    Part("hand_readings", N_("les mesures lues à la main"), N_("pour compléter les capteurs")),
    Part("story", N_("ce qui a été fait d’une alerte"), N_("pour que l’histoire d’une panne se lise plus tard")),
    Part("alerts", N_("qui a pris, endormi ou clos une alerte"), N_("pour savoir qui s’en occupe")),
    Part("photos", N_("ce qu’une photo montre, où se trouve ce numéro"), N_("pour qui ne voit pas la photo")),
    Part("calls", N_("les appels à faire à la main"), N_("pour que personne ne soit oublié")),
    Part("conversation", N_("la question posée et pas encore répondue"), N_("pour comprendre la réponse suivante")),
    Part("events", N_("ce que la route a transmis, tel quel"), N_("pour relire ce qui n’a pas été compris")),
    Part("handed_over", N_("les SMS remis au modem"), N_("pour ne rien envoyer deux fois")),
    Part("handset", N_("le téléphone à l’écran de la démonstration"), N_("pour montrer sans téléphone")),
)  # fmt: skip
OF_NO_ZONE = frozenset({"conversation", "events", "handed_over", "handset"})
"""Parts from tables that name no zone, so that a secretary's role was granted nothing of them."""


def fetch_kept(
    connection: Connection, phone: str, *, narrowed: str | None = None
) -> dict[str, list[dict[str, Any]]] | None:
    """All rows about whoever has this phone, by part; None when no committee knows it.

    `narrowed` is the only zone that the connection shows, for a secretary: the database gives its rows alone.

    Raises
    ------
    StandsElsewhere : the phone stands in other zones too than `narrowed`
    """
    with widened(connection, narrowed) as whole:
        standings = fetch_standings(whole, phone, only_in=narrowed)
    if not standings:
        return None
    asked = {"phone": phone, "number": whole_number(phone), **arrays_of(standings)}
    left_out = frozenset[str]() if narrowed is None else OF_NO_ZONE
    return {part.name: [] if part.name in left_out else _rows(connection, part.name, asked) for part in PARTS}


def as_json(kept: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """For a program, or for another service that they go to."""
    return json.dumps(kept, ensure_ascii=False, indent=2, default=str)


def as_csv(kept: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """For people: a line for each thing that is kept."""
    rows = (
        (part, number, field, _text(value))
        for part, found in kept.items() for number, row in enumerate(found, start=1) for field, value in row.items()
    )  # fmt: skip
    return csv_text([("part", "number", "field", "value"), *rows])


def _rows(connection: Connection, part: str, asked: Mapping[str, object]) -> list[dict[str, Any]]:
    found = connection.execute(SQL[part], asked)
    fields = [column.name for column in found.description or ()]
    return [dict(zip(fields, row, strict=True)) for row in found]


def _text(value: object) -> str:
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value)
