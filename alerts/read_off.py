"""NIVEAU, COMPTEUR, PLUIE: what somebody read off becomes a reading made by hand, and the number is said back."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from alerts.messages import Language, fill_answer, language_for
from alerts.people import Person
from alerts.replies import Intention, Reply
from alerts.words import asset_label
from ingest.by_hand import HandFate, HandReading, book
from ingest.db import Connection, queries

SQL = queries("alerts", "read_off")
METER = ("tower", "outflow_volume_m3")
PLACES = {Intention.LEVEL: ("tower", "level_m"), Intention.METER: METER, Intention.RAIN: ("weather", "rain_mm")}
UNITS = {Intention.LEVEL: "m", Intention.METER: "m3", Intention.RAIN: "mm"}
ANSWERS = {
    HandFate.STORED: "read_kept",
    HandFate.CORRECTED: "read_corrected",
    HandFate.IMPOSSIBLE: "read_impossible",
    HandFate.DOUBTFUL: "read_doubtful",
    HandFate.NOWHERE: "read_nowhere",
}


class Told(NamedTuple):
    """What the person is answered, and whether that asks them if the number is right."""

    text: str
    is_doubtful: bool


def tell_reading(
    connection: Connection, person: Person, reply: Reply, *, sms_in_id: int, now: datetime, is_meant: bool
) -> Told:
    """Book what a person read off in their zone, and say what became of it."""
    words = language_for(person.language)
    asked = {"zone": person.zone_id, "tap": person.tap}
    ((place,),) = connection.execute(SQL["place"], asked).fetchall()
    asset, channel = PLACES[reply.intention]
    if reply.intention is Intention.METER:
        asset, channel = connection.execute(SQL["meters"], asked).fetchone() or METER
    value = reply.number or 0.0
    reading = HandReading(person.zone_id, asset, channel, value, person.contact_id, sms_in_id, now)
    booked = book(connection, reading, is_meant=is_meant)
    said = {
        "place": place, "what": _named(asset, reply.intention, words), "number": _number(value, reply.intention, words),
    }  # fmt: skip
    if booked.beside is not None:
        said["beside"] = _number(booked.beside, reply.intention, words)
    return Told(fill_answer(words, ANSWERS[booked.fate], **said), booked.fate is HandFate.DOUBTFUL)


def _named(asset: str, intention: Intention, words: Language) -> str:
    if intention is Intention.METER:
        return fill_answer(words, "meter", asset=asset_label(asset, words.name))
    return words.text("frame", intention.value)


def _number(value: float, intention: Intention, words: Language) -> str:
    """As exactly as it was read: 2,3 m; 12345 m3."""
    text = f"{value:.3f}".rstrip("0").rstrip(".")
    return f"{text.replace('.', words.text('units', 'decimal'))} {UNITS[intention]}"
