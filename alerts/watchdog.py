"""Which parts of the platform do their work: every service beats, readings get judged, SMS that are due leave."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from gateway.clock import Clock
from ingest.db import Connection, queries

SQL = queries("alerts", "watchdog")
# Wall seconds after which a part is taken for gone. With the ten minutes after which a listener calls, a person knows
# within a quarter of an hour; a pass of the evaluation that takes longer than four minutes is told as well.
BEAT_S = {"ingest": 60, "alerts": 240, "sender": 240, "web": 60, "keeper": 180}
BEHIND = timedelta(minutes=15)  # readings are judged every minute
WAITING = timedelta(minutes=10)  # an SMS that is due leaves within a second


class Part(NamedTuple):
    """One service: when it was heard last, how long it may be silent, and why it stands still ("" when it works)."""

    name: str
    beat_at: datetime | None
    silent_for: timedelta
    why: str


def look_at_parts(connection: Connection, clock: Clock) -> tuple[Part, ...]:
    """Every part; reasons are `never_heard`, `no_heartbeat`, `cannot_store`, `no_broker`, `judges_late`, `sms_wait`."""
    beats = {service: (at, detail) for service, at, detail in connection.execute(SQL["heartbeats"])}
    behind, waiting = connection.execute(SQL["late"], {"behind": BEHIND, "due": clock.now() - WAITING}).fetchall()[0]
    late = {"alerts": "judges_late" if behind else "", "sender": "sms_wait" if waiting else ""}
    return tuple(_parts(beats, late, clock))


def _parts(beats: dict[str, tuple[datetime, dict[str, object]]], late: dict[str, str], clock: Clock) -> Iterator[Part]:
    for name, wall_s in BEAT_S.items():
        beat_at, detail = beats.get(name, (None, {}))
        silent_for = timedelta(seconds=wall_s * clock.speed)
        why = late.get(name, "")
        if beat_at is None:
            why = "never_heard"
        elif clock.now() - beat_at > silent_for:
            why = "no_heartbeat"
        elif detail.get("trouble"):
            why = "cannot_store"
        elif detail.get("broker") is False:
            why = "no_broker"
        yield Part(name, beat_at, silent_for, why)
