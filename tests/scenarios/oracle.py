"""What must be so, judged from outside: the senders' diaries, their outboxes and the broker's log against the tables.

A reading that a gateway took is at every moment in its outbox or in the database, so a look in between two faults is
enough to see a loss. A foreign sensor without an outbox has the broker's guarantee only: its readings are judged from
the first one that was stored since the broker last came up. They overtake nobody, so one that is missing while a later
one is stored is lost.
"""

from __future__ import annotations

import re
import sqlite3
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from gateway.zones import Zone
from ingest.db import Connection, connect
from ingest.registry import channel_ids
from tests.scenarios.field_sensor import POISON

OVERTAKEN_S = 2.0  # a sensor's reading that is missing for so long after a later one was stored is lost
AWAY_S = 30.0  # and what lies in the session of a worker of ingest that is away, after so long whoever is away
POLL_S = 0.05
# What mosquitto logs when told to log everything. It takes any confirmation without a word: who is to see a stray one
# must count for himself.
HANDED_OVER = re.compile(
    rb" as (ingest(?:-\d)?|ndiyan-probe) \(|Sending PUBLISH to (ingest(?:-\d)?) \(d\d, q1, r\d, m(\d+),"
    rb"|Received PUBACK from (ingest(?:-\d)?) \(Mid: (\d+),|Client (ingest(?:-\d)?) closed"
)
PROBE = b"ndiyan-probe"
LOOK_UP = """
SELECT r.channel_id, (extract(epoch FROM r.measured_at) * 1000)::int8, r.value
FROM unnest(%s::int4[], %s::int8[]) AS t (channel_id, ms)
JOIN reading r ON r.channel_id = t.channel_id AND r.measured_at = timestamptz 'epoch' + t.ms * interval '1 millisecond'
"""
ACCOUNT = """
SELECT d.zone_id, d.sent, d.arrived, d.balance, d.stored, coalesce(r.rows, 0)
FROM (SELECT zone_id, sum(sent) AS sent, sum(arrived) AS arrived, sum(stored) AS stored,
             sum(received + replayed - stored - duplicate - conflict - set_aside) AS balance
      FROM gateway_day GROUP BY zone_id) AS d
LEFT JOIN (SELECT zone_id, count(*) AS rows FROM reading JOIN channel USING (channel_id)
           WHERE received_at >= %s GROUP BY zone_id) AS r USING (zone_id)
"""
TWICE = "SELECT count(*) - count(DISTINCT (channel_id, measured_at)) FROM reading"
ROLLUPS_AND_LATEST = """
SELECT (SELECT count(*) FROM (
            SELECT l.channel_id, h.* FROM latest l
            CROSS JOIN LATERAL hours_from_readings(l.channel_id, '-infinity', date_trunc('hour', l.measured_at)) h
        ) AS said FULL JOIN reading_hour AS kept USING (channel_id, hour)
        WHERE (said.n, said.bad, said.min, said.max, said.sum, said.first, said.last, said.steps)
            IS DISTINCT FROM (kept.n, kept.bad, kept.min, kept.max, kept.sum, kept.first, kept.last, kept.steps)),
       (SELECT count(*) FROM (
            SELECT h.channel_id, date_trunc('day', h.hour, 'UTC') AS day, sum(h.n) AS n, sum(h.bad) AS bad,
                   min(h.min) AS min, max(h.max) AS max, sum(h.sum ORDER BY h.hour) AS sum,
                   (array_agg(h.first ORDER BY h.hour) FILTER (WHERE h.n > 0))[1] AS first,
                   (array_agg(h.last ORDER BY h.hour DESC) FILTER (WHERE h.n > 0))[1] AS last,
                   sum(h.steps ORDER BY h.hour) AS steps, max(h.hour) FILTER (WHERE h.n > 0) AS last_hour
            FROM reading_hour h JOIN latest l USING (channel_id)
            WHERE h.hour < date_trunc('day', l.measured_at, 'UTC') GROUP BY 1, 2
        ) AS said FULL JOIN reading_day AS kept USING (channel_id, day)
        WHERE (said.n, said.bad, said.min, said.max, said.sum, said.first, said.last, said.steps, said.last_hour)
            IS DISTINCT FROM (kept.n, kept.bad, kept.min, kept.max, kept.sum, kept.first, kept.last, kept.steps,
                              kept.last_hour)),
       (SELECT count(*) FROM (
            SELECT DISTINCT ON (channel_id) channel_id, measured_at, value FROM reading
            ORDER BY channel_id, measured_at DESC
        ) AS newest FULL JOIN latest AS kept USING (channel_id)
        WHERE (newest.measured_at, newest.value) IS DISTINCT FROM (kept.measured_at, kept.value))
"""
READINGS = """
SELECT channel_id, (extract(epoch FROM measured_at) * 1000)::int8, value FROM reading WHERE received_at >= %s
"""
SUMS = f"""
SELECT count(*) FILTER (WHERE received_at >= %s), ({TWICE}), (SELECT count(*) FROM reading_conflict),
       (SELECT count(*) FROM set_aside)
FROM reading
"""
EVER = "-infinity"
SET_ASIDE = "SELECT reason, payload FROM set_aside"

Key = tuple[int, int]
"""(channel id, measured at [ms since 1970])"""


class Kind(StrEnum):
    """What can be found."""

    LOST = "lost"
    SENSOR_LOST = "sensor_lost"
    FOREIGN = "foreign"
    TWICE = "twice"
    CONFLICT = "conflict"
    SET_ASIDE = "set_aside"
    ACCOUNT = "account"
    ROLLUP = "rollup"
    STRAY_ACK = "stray_ack"
    STUCK = "stuck"
    SMS_LOST = "sms_lost"
    SMS_TWICE = "sms_twice"
    ALERT_LOST = "alert_lost"
    ALERT_TWICE = "alert_twice"
    CORRUPT = "corrupt"
    NO_START = "no_start"


class Finding(NamedTuple):
    """Something that must not be."""

    kind: Kind
    detail: str


class Tally(NamedTuple):
    """The sums of a run; `judged` are those of the sensor's readings that were awaited until they were seen."""

    accepted: int
    confirmed_to_sensor: int
    judged: int
    stored: int
    lost: int
    twice: int
    foreign: int
    conflicts: int
    set_aside: int
    longest_recovery_s: float


@dataclass
class Sender:
    """A sender's diary, read so far: what it tried to hand over, and what was taken and is not yet seen stored."""

    zone: Zone
    tried: dict[Key, float] = field(default_factory=dict)
    pending: dict[Key, float] = field(default_factory=dict)
    accepted: int = 0
    seen: int = 0
    _offset: int = 0

    def read(self, folder: Path, channels: dict[tuple[str, str, str], int]) -> None:
        """Read on to the last whole line."""
        diary = folder / f"{self.zone.gateway_id}.diary"
        if not diary.exists():
            return
        with diary.open("rb") as file:
            file.seek(self._offset)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.decode().splitlines():
            word, name, ms, value = line.split()
            asset, channel = name.split("/")
            key = channels[self.zone.zone_id, asset, channel], int(ms)
            (self.pending if word == "took" else self.tried)[key] = float(value)
            self.accepted += word == "took"


class Confirmations:
    """What the broker sent to ingest and ingest confirmed, by the broker's log."""

    def __init__(self, log: Path) -> None:
        self._log, self._offset = log, 0
        self.connected: set[bytes] = set()  # the workers of ingest that have a link, as far as was read
        self._stray: list[str] = []
        # By worker of ingest: ids of messages that it was sent on its link and has not confirmed. Some come twice:
        # with the window full, mosquitto 2.0.11 sends a whole window more at each confirmation (its issue 2301), and
        # beyond 65,535 under way it gives ids anew.
        self._in_hand: dict[bytes, Counter[bytes]] = defaultdict(Counter)

    def stray(self) -> list[str]:
        """Read on; lines in which ingest confirms what it was not sent on the connection that it has."""
        self.read()
        found, self._stray = self._stray, []
        return found

    def read(self) -> None:
        """Read the log on to its last whole line."""
        with self._log.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                match = HANDED_OVER.search(line)
                if match is None:
                    continue
                connected, receiver, sent, worker, confirmed, closed = match.groups()
                if connected == PROBE:  # the first to come to a broker that has just begun
                    self.connected.clear()
                elif connected:
                    self.connected.add(connected)
                    self._in_hand[connected].clear()
                elif closed:
                    self.connected.discard(closed)
                elif receiver:
                    self._in_hand[receiver][sent] += 1
                elif self._in_hand[worker][confirmed] > 0:
                    self._in_hand[worker][confirmed] -= 1
                else:
                    self._stray.append(line.decode("utf-8", "replace").strip())


class Oracle:
    """Judges a village in `folder`; `url` tells where its database is.

    Parameters
    ----------
    outboxes : the folder of the gateways' outboxes
    broker_up_ms : tells since when the broker has been up [ms since 1970]
    tend : looks after the processes while we wait
    uploads : the zone whose readings come as files, with a diary of those whose upload was answered with 202
    workers : how many of ingest there are; a reading may lie in the session of one that is away, and another hear the
        next already
    since : when what is to be judged began to come in; what was received before stands in no diary and no account, and
        is held against its rollups alone
    """

    def __init__(
        self,
        folder: Path,
        url: Callable[[], str],
        *,
        outboxes: Path,
        gateways: Iterable[Zone],
        sensor: Zone,
        broker_log: Path,
        broker_up_ms: Callable[[], int],
        tend: Callable[[], None],
        uploads: Zone | None = None,
        workers: int = 1,
        since: datetime | None = None,
    ) -> None:
        self._workers, self._all_since_s = workers, 0.0
        self._folder, self._outboxes, self._url = folder, outboxes, url
        self._since = since or EVER
        self._confirmations = Confirmations(broker_log)
        self._broker_up_ms, self._tend = broker_up_ms, tend
        self._gateways, self._sensor = [Sender(zone) for zone in gateways], Sender(sensor)
        self._uploads = [Sender(uploads)] if uploads else []
        self._channels: dict[tuple[str, str, str], int] = {}
        self._up_ms = 0  # since when the broker was up at the last look
        self._first_ms: int | None = None  # the sensor's first and newest reading seen stored since then
        self._newest_ms = 0
        self._overtaken_s: dict[Key, float] = {}
        self._longest_recovery_s = 0.0

    def look(self) -> list[Finding]:
        """What can be told at any moment, in the middle of the traffic."""
        with connect(self._url()) as connection:
            findings = self._missing(connection)
            while self._overtaken_s and not findings:
                time.sleep(POLL_S)
                self._tend()
                findings = self._missing(connection)
            return findings + self._unwanted(connection) + self._stray_acknowledgements()

    def settle(self, *, within_s: float) -> list[Finding]:
        """Wait until all that was taken by now is stored, and see whether account and rollups are right."""
        with connect(self._url()) as connection:
            begin_s = time.monotonic()
            findings = self._missing(connection)
            waited = [(sender, set(sender.pending)) for sender in self._senders]
            while not findings:
                left = {one.zone.gateway_id: n for one, keys in waited if (n := len(keys & one.pending.keys()))}
                if not left:
                    break
                if time.monotonic() - begin_s > within_s:
                    return [Finding(Kind.STUCK, f"not stored after {within_s:g} s: {left}")]
                time.sleep(POLL_S)
                self._tend()
                findings = self._missing(connection)
            self._longest_recovery_s = max(self._longest_recovery_s, time.monotonic() - begin_s)
            return findings + self._account(connection) + self._twice(connection) + self._rollups(connection)

    def conclude(self) -> list[Finding]:
        """After the drain: nothing is under way, so everything is stored, as it was measured, and accounted for."""
        with connect(self._url()) as connection:
            findings = self._missing(connection) + self._unwanted(connection) + self._account(connection, drained=True)
            findings += self._twice(connection) + self._rollups(connection) + self._stray_acknowledgements()
            if waiting := sum(len(sender.pending) for sender in (*self._gateways, *self._uploads)):
                findings.append(Finding(Kind.LOST, f"{waiting} readings are not stored after the drain"))
            if foreign := self._foreign(connection):
                findings.append(Finding(Kind.FOREIGN, f"{foreign} readings are stored that nobody measured"))
            return findings

    def tally(self) -> Tally:
        """The sums as they stand now."""
        with connect(self._url()) as connection:
            row = connection.execute(SUMS, [self._since]).fetchone()
            assert row is not None
            stored, twice, conflicts, set_aside = row
            return Tally(
                sum(sender.accepted for sender in self._gateways), self._sensor.accepted, self._sensor.seen, stored,
                sum(one.kind in (Kind.LOST, Kind.SENSOR_LOST) for one in self._missing(connection)), twice,
                self._foreign(connection), conflicts, set_aside, self._longest_recovery_s,
            )  # fmt: skip

    @property
    def _senders(self) -> list[Sender]:
        return [*self._gateways, self._sensor, *self._uploads]

    def _missing(self, connection: Connection) -> list[Finding]:
        if not self._channels:
            self._channels = channel_ids(connection)
        findings = []
        for sender in self._gateways:
            sender.read(self._folder, self._channels)
            # In this order: what has left the outbox by now was committed before.
            waiting = self._in_outbox(sender)
            findings += self._strike_out(connection, sender)
            for key in sender.pending.keys() - waiting:
                findings.append(Finding(Kind.LOST, f"{sender.zone.gateway_id}: {key} is neither stored nor waiting"))
        for sender in self._uploads:  # a file is kept, and stored in the background: it may wait for long
            sender.read(self._folder, self._channels)
            findings += self._strike_out(connection, sender)
        return findings + self._missing_of_sensor(connection)

    def _missing_of_sensor(self, connection: Connection) -> list[Finding]:
        sensor = self._sensor
        if (up_ms := self._broker_up_ms()) != self._up_ms:
            self._up_ms, self._first_ms, self._newest_ms = up_ms, None, 0
            self._overtaken_s.clear()
        sensor.read(self._folder, self._channels)
        before = set(sensor.pending)
        findings = self._strike_out(connection, sensor)
        stored_ms = [ms for _, ms in before - sensor.pending.keys() if ms >= up_ms]
        if stored_ms:
            self._first_ms = min(stored_ms) if self._first_ms is None else self._first_ms
            self._newest_ms = max(self._newest_ms, *stored_ms)
        # Of what was measured together with the first one, some may have come before ingest subscribed.
        since_ms = up_ms if self._first_ms is None else self._first_ms + 1
        sensor.pending = {key: value for key, value in sensor.pending.items() if key[1] >= since_ms}
        now_s = time.monotonic()
        overtaken = [key for key in sensor.pending if key[1] < self._newest_ms]
        self._overtaken_s = {key: self._overtaken_s.get(key, now_s) for key in overtaken}
        self._confirmations.read()
        if len(self._confirmations.connected) < self._workers:
            self._all_since_s = now_s
        for key, since_s in self._overtaken_s.items():
            if now_s - max(since_s, self._all_since_s) > OVERTAKEN_S or now_s - since_s > AWAY_S:
                findings.append(Finding(Kind.SENSOR_LOST, f"{key} had its PUBACK and was overtaken"))
        return findings

    def _strike_out(self, connection: Connection, sender: Sender) -> list[Finding]:
        """Take what is stored off the list of what is pending."""
        findings = []
        keys = list(sender.pending)
        for channel, ms, value in connection.execute(LOOK_UP, [[key[0] for key in keys], [key[1] for key in keys]]):
            sender.seen += 1
            if (taken := sender.pending.pop((channel, ms), value)) != value:
                findings.append(Finding(Kind.FOREIGN, f"{(channel, ms)} was {taken} and is stored as {value}"))
        return findings

    def _in_outbox(self, sender: Sender) -> set[Key]:
        file = self._outboxes / f"{sender.zone.gateway_id}.db"
        if not file.exists():
            return set()
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as outbox:
            if not outbox.execute("SELECT 1 FROM sqlite_master WHERE name = 'queued'").fetchone():
                return set()  # the gateway has begun the file and nothing in it
            rows = outbox.execute("SELECT asset, channel, measured_ms FROM queued").fetchall()
        return {(self._channels[sender.zone.zone_id, asset, channel], ms) for asset, channel, ms in rows}

    def _unwanted(self, connection: Connection) -> list[Finding]:
        findings = []
        conflicts = connection.execute("SELECT count(*) FROM reading_conflict").fetchone()
        if conflicts and conflicts[0]:
            findings.append(Finding(Kind.CONFLICT, f"{conflicts[0]} readings are in conflict"))
        for reason, payload in connection.execute(SET_ASIDE):
            if reason != "database_refused" or str(POISON).encode() not in payload:
                findings.append(Finding(Kind.SET_ASIDE, f"{payload[:200]!r} as {reason}"))
        return findings

    def _stray_acknowledgements(self) -> list[Finding]:
        return [Finding(Kind.STRAY_ACK, line) for line in self._confirmations.stray()[:1]]

    def _account(self, connection: Connection, *, drained: bool = False) -> list[Finding]:
        """The identities of migration 0008, from one snapshot."""
        accounts = {zone: numbers for zone, *numbers in connection.execute(ACCOUNT, [self._since])}
        wrong = [f"{zone}: {numbers}" for zone, numbers in accounts.items() if numbers[2] or numbers[3] != numbers[4]]
        for sender in self._gateways:
            sent, arrived, _, stored, _ = accounts.get(sender.zone.zone_id, [0] * 5)
            if arrived != stored or sent < arrived:
                wrong.append(f"{sender.zone.zone_id}: {sent} sent, {arrived} arrived, {stored} stored")
            if drained and not (sent == arrived and sender.accepted <= arrived <= len(sender.tried)):
                wrong.append(f"{sender.zone.zone_id}: {sent} sent, {arrived} arrived of {sender.accepted} taken")
        return [Finding(Kind.ACCOUNT, line) for line in wrong]

    def _twice(self, connection: Connection) -> list[Finding]:
        row = connection.execute(TWICE).fetchone()
        return [Finding(Kind.TWICE, f"{row[0]} readings are stored more than once")] if row and row[0] else []

    def _rollups(self, connection: Connection) -> list[Finding]:
        """Hours and days that are over and latest values, bit by bit against one snapshot of what they are made of."""
        hours, days, latest = connection.execute(ROLLUPS_AND_LATEST).fetchone() or (0, 0, 0)
        if hours or days or latest:
            wrong = f"{hours} hours, {days} days and {latest} latest values are not what their readings say"
            return [Finding(Kind.ROLLUP, wrong)]
        return []

    def _foreign(self, connection: Connection) -> int:
        """How many readings are stored that no sender tried to hand over, or with another value."""
        stored = connection.execute(READINGS, [self._since]).fetchall()
        for sender in self._senders:  # only now: what is stored was in a diary before
            sender.read(self._folder, self._channels)
        tried = {key: value for sender in self._senders for key, value in sender.tried.items()}
        return sum(tried.get((channel, ms)) != value for channel, ms, value in stored)
