"""ETAT: how a zone is, in one SMS: its tower and its pump, how long the water lasts, what is open, how old that is."""

from __future__ import annotations

from datetime import datetime, timedelta

from alerts.breakdown import open_breakdowns
from alerts.forecast import HORIZON_H, CannotTell
from alerts.lasting import UNUSABLE, fetch_forecast
from alerts.messages import Language, fill_answer, joined, language_for, spoken
from alerts.states import RUNNING_SHARE
from ingest.db import Connection, queries

SQL = queries("alerts", "zone_state")
FRESH_FOR = timedelta(hours=2)  # an older level or power says nothing about now


def state_text(connection: Connection, zone_id: str, language: str, *, now: datetime) -> str:
    """The zone's state as an SMS. What is not known is left out, and so is what is too old to be still so."""
    asked = {"zone": zone_id, "fresh": now - FRESH_FOR, "unusable": UNUSABLE}
    ((name, heard_at, level, power),) = connection.execute(SQL["state"], asked).fetchall()
    codes = [code for (code,) in connection.execute(SQL["live"], asked)]
    words = language_for(language)
    values = {} if heard_at is None else {"hours": (now - heard_at) / timedelta(hours=1)}
    if level is not None:
        values["level_pct"] = 100 * level
    said = spoken(values, words) | {"place": name}
    if power is not None:
        said["pump"] = words.text("frame", "runs" if power >= RUNNING_SHARE else "rests")
    water = _water(connection, zone_id, words, now)
    if water is not None:
        said["water"] = water
    which = "no_alert" if not codes else "one_alert" if len(codes) == 1 else "some_alerts"
    said["open"] = fill_answer(words, which, number=str(len(codes)), alerts=joined(codes))
    for broken in open_breakdowns(connection, [zone_id], now=now):
        said["open"] += f". {fill_answer(words, 'reported', report=broken.code)}"
    is_silent = heard_at is None or now - heard_at > FRESH_FOR
    return fill_answer(words, "state_silent" if is_silent else "state", **said)


def _water(connection: Connection, zone_id: str, words: Language, now: datetime) -> str | None:
    """How long the tower lasts if the pump gives nothing: people are to prepare for that, not for the best."""
    forecast = fetch_forecast(connection, zone_id, now)
    if isinstance(forecast, CannotTell):
        return None
    if forecast.hours >= HORIZON_H:
        return words.text("frame", "lasts_long")
    hours = spoken({"hours": forecast.hours}, words).get("hours")
    return None if hours is None else fill_answer(words, "lasts", water_for=hours)
