"""Which parts of the platform do their work: every service beats, readings get judged, SMS leave, backups are made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from gateway.clock import Clock
from ingest.db import Connection, queries

SQL = queries("alerts", "watchdog")
# Wall seconds after which a part is taken for gone. With the ten minutes after which a listener calls, a person knows
# within a quarter of an hour; a pass of the evaluation that takes longer than four minutes is told as well.
BEAT_S = {"ingest": 60, "alerts": 240, "sender": 240, "web": 60, "keeper": 180}
BEHIND = timedelta(minutes=15)  # readings are judged every minute
WAITING = timedelta(minutes=10)  # an SMS that is due leaves within a second


STANDBY, STANDBY_S = "standby", 120  # who takes over from a worker of ingest; a restart of that one is no end of it
BACKUP = "backup"
BACKUP_WITHIN = timedelta(hours=26)  # one a day, and two hours to make it
SHARED = "ingest"  # each of several has work that no other does
GONE_AFTER = timedelta(days=7)  # a named one of several that was not heard for so long is not expected back


class Part(NamedTuple):
    """One service: when it was heard last, how long it may be silent, and why it stands still ("" when it works).

    Of a service that runs several times there is a part that works as long as one of them does (of ingest: as long as
    the first does), and one for each `instance`; `routes` are those that a sender has in its hands.
    """

    name: str
    beat_at: datetime | None
    silent_for: timedelta
    why: str
    instance: str = ""
    routes: tuple[str, ...] | None = None

    @property
    def full_name(self) -> str:
        """As it stands in the table of heartbeats."""
        return instance_name(self.name, self.instance)


class Beat(NamedTuple):
    """A service that was heard."""

    full_name: str
    at: datetime
    detail: Mapping[str, Any]

    @property
    def service(self) -> str:
        """Which service it is, without the name of the instance."""
        return self.full_name.partition("@")[0]

    @property
    def instance(self) -> str:
        """Which of several it is, "" for the only one."""
        return self.full_name.partition("@")[2]

    @property
    def routes(self) -> tuple[str, ...] | None:
        """The SMS routes in its hands; None of what sends no SMS."""
        return None if (routes := self.detail.get("routes")) is None else tuple(routes)

    def why_bad(self, now: datetime, silent_for: timedelta) -> str:
        """Why it does not do its work, "" when it does; a beat of the future is one of a clock that was set back."""
        if abs(now - self.at) > silent_for:
            return "no_heartbeat"
        if self.detail.get("trouble"):
            return "cannot_store"
        if self.detail.get("broker") is False:
            return "no_broker"
        return str(self.detail.get("broker_trouble", ""))


def instance_name(service: str, instance: str) -> str:
    """Under which name one of several services is heard; the only one has that of the service."""
    return f"{service}@{instance}" if instance else service


def look_at_parts(connection: Connection, clock: Clock) -> tuple[Part, ...]:
    """Every part; reasons are `never_heard`, `no_heartbeat`, `cannot_store`, `no_broker`, `broker_dropped`,
    `broker_queue`, `judges_late`, `sms_wait`, `backup_old`."""
    beats, now = [Beat(*row) for row in connection.execute(SQL["heartbeats"])], clock.now()
    judged_since = now - timedelta(seconds=BEAT_S["alerts"] * clock.speed)
    asked = {"behind": BEHIND, "judged_since": judged_since, "due": now - WAITING}
    behind, waiting = connection.execute(SQL["late"], asked).fetchall()[0]
    late = {"alerts": "judges_late" if behind else "", "sender": "sms_wait" if waiting else ""}
    parts = [part for name in BEAT_S for part in _parts(name, beats, late.get(name, ""), clock)]
    return (*parts, *_standing_by(beats, clock), *_backups(beats, now))


def _backups(beats: Sequence[Beat], now: datetime) -> Iterator[Part]:
    """The newest backup, where backups are wanted: the keeper writes down when it was made, by a clock that may be set
    back meanwhile."""
    for beat in beats:
        if beat.service == BACKUP:
            yield Part(BACKUP, beat.at, BACKUP_WITHIN, "backup_old" if abs(now - beat.at) > BACKUP_WITHIN else "")


def _standing_by(beats: Sequence[Beat], clock: Clock) -> Iterator[Part]:
    """Whoever stood by for a worker of ingest; most have nobody, and none is missed there."""
    silent_for, now = timedelta(seconds=STANDBY_S * clock.speed), clock.now()
    for beat in beats:
        if beat.service == STANDBY and _is_expected(beat, now):
            yield Part(STANDBY, beat.at, silent_for, beat.why_bad(now, silent_for), beat.instance)


def _is_expected(beat: Beat, now: datetime) -> bool:
    """Whether one of several should be there: it did not end in order, and was not away for so long."""
    return not beat.detail.get("ended") and (now - beat.at < GONE_AFTER or beat.service == SHARED)


def _parts(name: str, beats: Sequence[Beat], late: str, clock: Clock) -> Iterator[Part]:
    silent_for = timedelta(seconds=BEAT_S[name] * clock.speed)
    heard = [beat for beat in beats if beat.service == name]
    if not heard:
        yield Part(name, None, silent_for, "never_heard")
        return
    now = clock.now()
    newest = min(heard, key=lambda beat: (bool(beat.instance) or name != SHARED, abs(now - beat.at)))
    yield Part(name, newest.at, silent_for, newest.why_bad(now, silent_for) or late)
    for beat in sorted(heard, key=lambda beat: beat.instance):
        if beat.instance and _is_expected(beat, now):
            yield Part(name, beat.at, silent_for, beat.why_bad(now, silent_for), beat.instance, beat.routes)
