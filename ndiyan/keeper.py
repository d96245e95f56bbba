"""Who watches the watchers: one look a minute at every part, and somebody who hears of it when one stands still.

Four ways, because each fails with something. An SMS leaves by the sender, which may be what stands still. A letter
leaves by the keeper itself, and without the database too, but needs the internet. A ping that stays away is noticed by
whoever listens outside, for as long as there is internet. And without internet an SMS a day says that all is well:
people notice when it does not come. The keeper itself stands still in silence, so the doctor and the ping's listener
look after it.
"""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import dropwhile

import httpx
import psycopg

from alerts.carriers import Urgency
from alerts.messages import answer_text, segments
from alerts.watchdog import BACKUP, look_at_parts
from gateway.clock import Clock
from gateway.health import Watchdog, memory_bytes
from ingest.db import Connection, connect, queries
from ndiyan.mail import MailRefused, MailServer

log = logging.getLogger(__name__)

SQL = queries("ndiyan", "keeper")
EVERY_S = 60.0
SETTLE_S = 120.0  # all services start together, and evaluation is heard of after its first minute
PING_WITHIN_S = 10.0
SILENT = timedelta(hours=3)
TOLD_AGAIN_AFTER = timedelta(hours=24)
TELL_WITHIN = timedelta(hours=12)
MOST_LETTERS = 10  # that wait for a mail server; the newest say what is so now
AWAY_AFTER = timedelta(minutes=3)  # a database that is being restarted is no trouble
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class WatchConfig:
    """Where a ping goes, whose phones and mailboxes are told, in which language, and when they hear that all works."""

    ping_url: str = ""
    phones: tuple[str, ...] = ()
    language: str = "fr"
    alive_at: time | None = None
    mail: MailServer | None = None
    mailboxes: tuple[str, ...] = ()

    def said(self, name: str, now: datetime, **said: str) -> str:
        """One of the messages to the operator."""
        return answer_text(self.language, name, at=f"{now:%d/%m %H:%M}", **said)

    def send_letter(self, text: str) -> bool:
        """Send it to all mailboxes; False, and a line in the log, when the mail server did not take it."""
        if self.mail is None:
            return True
        try:
            self.mail.send(self.mailboxes, text)
        except MailRefused as error:
            log.warning("%s", error, extra={"action": "letter_waits"})
            return False
        return True


class Keeper:
    """One look at a time over one connection; what it has told is in the database, so a restart repeats nothing."""

    def __init__(
        self, connection: Connection, config: WatchConfig, clock: Clock, *, ping: Callable[[str], None] | None = None
    ) -> None:
        self._connection, self._config, self._clock = connection, config, clock
        self._ping = ping or ping_over_http

    def turn(self) -> tuple[str, ...]:
        """Look, tell, and return the parts that stand still."""
        now = self._clock.now()
        standing = standing_still(self._connection, self._clock)
        with self._connection.transaction():
            kept = self._connection.execute(SQL["kept"]).fetchone()
            told = _Told(kept[0] if kept else {})
            self._tell(standing, told, now)
            beat(self._connection, "keeper", now, told.detail)
        if told.letters:
            # After one that is refused the others wait: a mail server that is away takes half a minute to say so.
            told.letters = list(dropwhile(self._config.send_letter, told.letters))
            beat(self._connection, "keeper", now, told.detail)
        if not standing and self._config.ping_url:
            self._ping(self._config.ping_url)
        return standing

    def _tell(self, standing: tuple[str, ...], told: _Told, now: datetime) -> None:
        if standing and (set(standing) - set(told.parts) or now - told.at >= TOLD_AGAIN_AFTER):
            name = "operator_backup" if standing == (BACKUP,) else "operator_trouble"
            self._queue(told, name, now, parts=", ".join(standing))
            told.note(standing, now)
            log.warning("not working: %s", ", ".join(standing), extra={"action": "standing_still"})
        elif not standing and told.parts:
            self._queue(told, "operator_over", now)
            told.note((), now)
            log.info("all works again", extra={"action": "standing_over"})
        at = self._config.alive_at
        if at is None or standing or now.time() < at or told.alive_on == now.date().isoformat():
            return
        zones, silent = self._connection.execute(SQL["zones"], {"since": now - SILENT}).fetchall()[0]
        self._queue(told, "operator_alive", now, zones=str(zones), silent=str(silent))
        told.alive_on = now.date().isoformat()

    def _queue(self, told: _Told, name: str, now: datetime, **said: str) -> None:
        text = self._config.said(name, now, **said)
        if self._config.mailboxes:
            told.letters = [*told.letters, text][-MOST_LETTERS:]
        for phone in self._config.phones:
            message = {
                "ref": uuid.uuid4(), "phone": phone, "step": name, "language": self._config.language, "text": text,
                "segments": segments(text).number, "urgency": Urgency.ALERT, "now": now,
                "valid_until": now + TELL_WITHIN,
            }  # fmt: skip
            self._connection.execute(SQL["queue"], message)


class _Told:
    """What the operator was told last, as it stands in the keeper's own heartbeat, beside what each service tells."""

    def __init__(self, detail: dict[str, object]) -> None:
        self.parts = str(detail.get("told", "")).split()
        at = detail.get("told_at")
        self.at = datetime.fromisoformat(str(at)) if at else LONG_AGO
        self.alive_on = str(detail.get("alive_on", ""))
        letters = detail.get("letters")
        self.letters = [str(text) for text in letters] if isinstance(letters, list) else []

    def note(self, parts: tuple[str, ...], now: datetime) -> None:
        self.parts, self.at = list(parts), now

    @property
    def detail(self) -> dict[str, object]:
        return {
            "told": " ".join(self.parts), "told_at": self.at.isoformat(), "alive_on": self.alive_on,
            "letters": self.letters, "memory_bytes": memory_bytes(),
        }  # fmt: skip


class Absence:
    """A database that does not answer: no SMS can be queued and nothing is pinged, but a letter can leave.

    What was said is kept here alone, so a keeper that starts again meanwhile says it again.
    """

    def __init__(self, config: WatchConfig) -> None:
        self._config = config
        self._since: datetime | None = None
        self._told_at = LONG_AGO

    def note(self, now: datetime) -> None:
        """It does not answer now; says so once it has been away for a while, and again after a day."""
        self._since = self._since or now
        if now - self._since < AWAY_AFTER or now - self._told_at < TOLD_AGAIN_AFTER:
            return
        if self._config.send_letter(self._config.said("operator_trouble", now, parts="database")):
            self._told_at = now

    def end(self, now: datetime) -> None:
        """It answers."""
        if self._told_at > LONG_AGO and not self._config.send_letter(self._config.said("operator_over", now)):
            return
        self._since, self._told_at = None, LONG_AGO


def standing_still(connection: Connection, clock: Clock) -> tuple[str, ...]:
    """The parts that do not do their work; the keeper's own heartbeat is not for itself to judge."""
    standing = [part for part in look_at_parts(connection, clock) if part.why and part.name != "keeper"]
    return tuple(sorted(part.full_name for part in standing))


def beat(connection: Connection, service: str, now: datetime, detail: Mapping[str, object] | None = None) -> None:
    """Tell the database that a service works."""
    connection.execute(SQL["beat"], {"service": service, "at": now, "detail": json.dumps(detail or {})})


def ping_over_http(url: str) -> None:
    """Ask the address once; a listener that is away is none of our trouble, and is logged."""
    try:
        httpx.get(url, timeout=PING_WITHIN_S).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:  # the last: no name of a machine, `ping..example`
        log.warning("the ping did not arrive: %s", type(error).__name__)


def _begin(url: str, clock: Clock) -> None:
    """Say that the keeper is there, before it has looked; what it has told stays."""
    try:
        with connect(url, application="ndiyan-keeper") as connection:
            connection.execute(SQL["begin"], {"at": clock.now()})
    except psycopg.Error as error:
        log.warning("the database does not answer: %s", str(error).splitlines()[0])


def run(
    url: str, config: WatchConfig, clock: Clock, stop: threading.Event, watchdog: Watchdog,
    chores: Sequence[Callable[[datetime], None]] = (),
) -> None:  # fmt: skip
    """Look once a minute until `stop` is set, and give each of `chores` the time; one that fails takes no other along.

    Without a database nothing is pinged, and that is what tells. A look that fails beats and pings nothing either; to
    systemd it is alive, as a new start mends nothing that is not new at each look, and ends the backup under way.
    """
    watchdog.ready()
    _begin(url, clock)
    absence = Absence(config)
    if stop.wait(SETTLE_S):
        return
    watchdog.alive("begins to look")

    def look(now: datetime) -> None:
        try:
            with connect(url, application="ndiyan-keeper") as connection:
                standing = Keeper(connection, config, clock).turn()
            absence.end(clock.now())
            watchdog.alive(f"not working: {', '.join(standing)}" if standing else "all works")
        except psycopg.Error as error:
            log.warning("the database does not answer: %s", str(error).splitlines()[0])
            absence.note(now)
            watchdog.alive("the database does not answer")

    while True:
        for task in (look, *chores):
            try:
                task(clock.now())
            except Exception:
                log.exception("a look or a chore of the keeper failed")
                watchdog.alive("a look or a chore failed, see the log")
        if stop.wait(EVERY_S):
            return
