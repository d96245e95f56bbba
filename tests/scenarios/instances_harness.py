"""Two services of alerts on one database, of which one is killed or frozen again and again while there is work.

What should come of it is known beforehand and counted outside: by the message centre, and by who wrote the readings.
Three kinds of zones are there. In some the water has too little chlorine now: one alert and one SMS each. Some fall
silent together: one SMS a group. Of some the past comes in piece by piece, with an episode every half day: each must be
found where it was, whoever judges which piece.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from gateway.clock import SystemClock
from gateway.zones import Zone
from ingest.db import connect
from ndiyan.children import spawn, stop
from tests.alerts.carriers.peers import Smsc
from tests.scenarios.sms_harness import STOP_WITHIN_S, Account, Exchange
from tests.surroundings import environment

NAMES = ("a", "b")
LEASE_S, EVERY_S = 1.5, 1.0
FROZEN_S = (0.2, 4.0)  # some thaw before their lease has ended, most after
QUIET_S = (0.05, 1.0)
STEP = timedelta(minutes=5)
GOOD_MG_L, BAD_MG_L = 0.5, 0.05
PERIOD, BAD_FOR = timedelta(hours=12), timedelta(hours=2)  # of an episode; resolved ones this far apart stay apart
SEEN_OVER_AFTER = timedelta(hours=1)  # of good water: the off-delay of too little chlorine
PIECE = timedelta(hours=4)
SILENT_TOGETHER = 6
HOURS_APART = 3  # so that each group is an event of its own
SILENT_EVERY = 10  # acts
PAST_ZONES = 3  # that are silent as well, and too few for an event
SMS_A_TURN = 20
SETTLES_WITHIN_S = 120.0


@dataclass
class Verdict:
    """What came of it, beside what should have."""

    sms: Account
    freezes: int
    told: int = 0  # zones with too little chlorine
    untold: list[str] = field(default_factory=list)
    told_twice: list[str] = field(default_factory=list)
    groups: int = 0
    groups_wrong: list[str] = field(default_factory=list)
    episodes: int = 0
    episodes_wrong: list[str] = field(default_factory=list)
    unjudged: list[str] = field(default_factory=list)
    longest_wait_s: float = 0.0  # of an SMS, from the moment at which it may leave

    @property
    def is_fine(self) -> bool:
        """Nothing missed, nothing lost, nothing twice without a flag."""
        sms = self.sms
        wrong = [self.untold, self.told_twice, self.groups_wrong, self.episodes_wrong, self.unjudged]
        return not (any(wrong) or sms.lost or sms.twice_unflagged or sms.inbound_lost or sms.inbound_twice)

    def __str__(self) -> str:
        return (
            f"{self.freezes} freezes of one of two, and {self.sms}\n"
            f"{self.told} alerts: untold {self.untold}, told twice {self.told_twice}\n"
            f"{self.groups} groups of {SILENT_TOGETHER} silent zones: not told once {self.groups_wrong}\n"
            f"{self.episodes} episodes of the past: wrong {self.episodes_wrong}; not judged to the end"
            f" {self.unjudged}\n"
            f"longest wait of an SMS {self.longest_wait_s:.1f} s"
        )


class Pair:
    """Two services, a message centre, and who writes readings."""

    def __init__(self, url: str, smsc: Smsc, zones: list[Zone], folder: Path, *, receipt_within_s: float) -> None:
        self.exchange = Exchange(url, smsc, zones, folder / "unused.log")
        self._url, self._folder = url, folder
        self._receipt_within_s = receipt_within_s
        self._connection = connect(url)
        self._began_at = SystemClock().now()
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._low: list[str] = []
        self._groups: list[list[str]] = []
        self._past: dict[str, datetime] = {}

    def start(self, name: str) -> None:
        """One of them begins."""
        how = {
            "url": self._url, "port": self.exchange.smsc.port, "instance": name, "lease_s": LEASE_S,
            "receipt_within_s": self._receipt_within_s, "every_s": EVERY_S,
        }  # fmt: skip
        argv = [sys.executable, "-m", "tests.scenarios.alerts_worker", json.dumps(how)]
        self._processes[name] = spawn(argv, log=self._folder / f"{name}.log", env=environment())

    def kill(self, name: str) -> None:
        """One of them dies as in a power cut."""
        stop(self._processes[name], signal.SIGKILL, timeout_s=STOP_WITHIN_S)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Freeze one of them, or let it go on."""
        os.kill(self._processes[name].pid, number)

    def close(self) -> None:
        """End what is still there."""
        for name, process in self._processes.items():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGCONT)
            self.kill(name)
        self.exchange.close()
        self._connection.close()

    def lose_chlorine(self) -> None:
        """In one more zone the water has had too little for an hour and a half."""
        number = len(self._low) + 1
        self._low.append(f"low-{number}")
        with self._connection.transaction():
            self._zone(self._low[-1], f"+224623{number:06d}")
            now = SystemClock().now()
            self._readings(self._low[-1], [(now - STEP * back, BAD_MG_L) for back in range(18, -1, -1)])

    def fall_silent(self) -> None:
        """A group of zones was heard last some hours ago, all in the same quarter of an hour."""
        group = len(self._groups) + 1
        names = [f"silent-{group}-{number}" for number in range(1, SILENT_TOGETHER + 1)]
        self._groups.append(names)
        last = self._began_at - timedelta(hours=HOURS_APART * group)
        with self._connection.transaction():
            for number, name in enumerate(names, start=1):
                self._zone(name, f"+224624{group:05d}{number}")
                end = last + timedelta(minutes=number)
                self._readings(name, [(end - STEP * back, GOOD_MG_L) for back in range(12, -1, -1)])

    def bring_past(self) -> None:
        """The next piece of their past comes in, of each of the zones that have one; nobody is there to be told."""
        with self._connection.transaction():
            if not self._past:
                for number in range(1, PAST_ZONES + 1):
                    self._zone(f"past-{number}", None)
                    self._past[f"past-{number}"] = self._past_began_at
            for name, until in self._past.items():
                times = [until + STEP * number for number in range(PIECE // STEP)]
                self._readings(name, [(at, self._past_mg_l(at)) for at in times])
                self._past[name] = until + PIECE

    @property
    def _past_began_at(self) -> datetime:
        return self._began_at.replace(minute=0, second=0, microsecond=0) - timedelta(days=150)

    def _past_mg_l(self, at: datetime) -> float:
        is_bad = (at - self._past_began_at) % PERIOD >= PERIOD - BAD_FOR
        return BAD_MG_L if is_bad else GOOD_MG_L

    def _zone(self, name: str, phone: str | None) -> None:
        run = self._connection.execute
        run(
            "INSERT INTO zone (zone_id, name, commune, latitude, longitude, altitude_m, is_fictional, people,"
            " counted_in, gnf_per_20_l) VALUES (%s, %s, 'Labé', 11.3, -12.3, 1000, true, 500, 2025, 100)",
            [name, name],
        )
        run("INSERT INTO asset (zone_id, asset_id, kind, interval_s) VALUES (%s, 'quality', 'quality', 300)", [name])
        run(
            "INSERT INTO channel (zone_id, asset_id, name, unit, is_counter, minimum, maximum)"
            " VALUES (%s, 'quality', 'free_chlorine_mg_l', 'mg/L', false, 0, 10)",
            [name],
        )
        if phone is not None:
            run(
                "INSERT INTO contact (zone_id, name, role, phone, language, rank)"
                " VALUES (%s, 'Personne', 'exploitant', %s, 'fr', 1)",
                [name, phone],
            )

    def _readings(self, zone: str, rows: list[tuple[datetime, float]]) -> None:
        ((channel,),) = self._connection.execute("SELECT channel_id FROM channel WHERE zone_id = %s", [zone]).fetchall()
        for at in {rows[0][0], rows[-1][0]}:
            self._connection.execute("SELECT ensure_reading_partition(%s)", [at])
        with self._connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO reading (channel_id, flag, measured_at, received_at, value) VALUES (%s, 1, %s, %s, %s)",
                [(channel, at, at, value) for at, value in rows],
            )
        at, value = rows[-1]
        self._connection.execute(
            "INSERT INTO latest (channel_id, flag, measured_at, received_at, value) VALUES (%s, 1, %s, %s, %s)"
            " ON CONFLICT (channel_id) DO UPDATE SET measured_at = EXCLUDED.measured_at, value = EXCLUDED.value,"
            " received_at = EXCLUDED.received_at", [channel, at, at, value],
        )  # fmt: skip

    def is_settled(self) -> bool:
        """Everything that was written has been judged, told and delivered."""
        asked = {"zones": [*self._low, *(group[0] for group in self._groups)]}
        ((told, behind),) = self._connection.execute(
            "SELECT (SELECT count(DISTINCT zone_id) FROM notification WHERE kind = 'opened' AND"
            "   zone_id = ANY(%(zones)s)),"
            " (SELECT count(*) FROM channel JOIN latest USING (channel_id) LEFT JOIN job USING (zone_id)"
            "   WHERE watermark_at IS DISTINCT FROM measured_at)", asked,
        ).fetchall()  # fmt: skip
        return bool(told == len(self._low) + len(self._groups) and behind == 0 and self.exchange.open_rows() == 0)

    def verdict(self, *, messages: int, freezes: int) -> Verdict:
        """Compare what is with what should be."""
        taken = Counter(message["to"].removeprefix("+") for message in self.exchange.smsc.taken)
        found = Verdict(self.exchange.account(messages), freezes)
        rows = self._connection.execute(
            "SELECT zone_id, phone, kind, state, possible_duplicate FROM notification WHERE zone_id LIKE 'low-%'"
            " OR zone_id LIKE 'silent-%'"
        ).fetchall()
        told = Counter(zone for zone, *_ in rows)
        flagged = {zone for zone, *_, is_flagged in rows if is_flagged}
        phone_of = {zone: phone.removeprefix("+") for zone, phone, *_ in rows}
        alerts = Counter(
            zone for (zone,) in self._connection.execute("SELECT zone_id FROM alert WHERE fault = 'low_chlorine'")
        )
        found.told = len(self._low)
        found.untold = [z for z in self._low if not (told[z] and alerts[z] and taken[phone_of[z]])]
        found.told_twice = [
            z for z in self._low
            if told[z] > 1 or alerts[z] > 1 or (taken[phone_of.get(z, "")] > 1 and z not in flagged)
        ]  # fmt: skip
        found.groups = len(self._groups)
        found.groups_wrong = [
            group[0] for group in self._groups if [told[zone] for zone in group] != [1, 0, 0, 0, 0, 0]
        ]
        self._judge_past(found, alerts)
        found.longest_wait_s = max(self._waits_s(), default=0.0)
        return found

    def _waits_s(self) -> list[float]:
        """How long each numbered SMS waited until the message centre had it for the first time."""
        rows = self._connection.execute("SELECT text, created_at FROM notification WHERE text LIKE '#%'").fetchall()
        queued_s = {text: at.timestamp() for text, at in rows}
        taken_s: dict[str, float] = {}
        for message in self.exchange.smsc.taken:
            taken_s.setdefault(message["text"], message["at"] / 1000)
        return [taken_s[text] - at_s for text, at_s in queued_s.items() if text in taken_s]

    def _judge_past(self, found: Verdict, alerts: Counter[str]) -> None:
        """An episode is an alert that began where the water became bad, and was over after an hour of good water."""
        for zone, until in self._past.items():
            expected = []
            begin = self._past_began_at + PERIOD - BAD_FOR
            while (over := begin + BAD_FOR + SEEN_OVER_AFTER) <= until - STEP:
                expected.append((begin, over))
                begin += PERIOD
            rows = self._connection.execute(
                "SELECT first_evidence_at, cleared_at FROM alert WHERE zone_id = %s AND fault = 'low_chlorine'"
                " AND state = 'resolved' ORDER BY 1", [zone],
            ).fetchall()  # fmt: skip
            found.episodes += len(expected)
            if rows != expected:
                missed, more = sorted(set(expected) - set(rows)), sorted(set(rows) - set(expected))
                found.episodes_wrong.append(f"{zone}: missed {missed[:3]}, not expected {more[:3]}")
        found.unjudged = [
            zone for (zone,) in self._connection.execute(
                "SELECT zone_id FROM channel JOIN latest USING (channel_id) LEFT JOIN job USING (zone_id)"
                " WHERE watermark_at IS DISTINCT FROM measured_at")
        ]  # fmt: skip


def trial(pair: Pair, *, kills: int, freezes: int, seed: int, told: Callable[[int], None] = lambda _: None) -> Verdict:
    """Kill and freeze one of the two at random moments of their work; then let them settle, and count."""
    dice, written, begin_s = random.Random(seed), 0, time.monotonic()
    acts = [True] * kills + [False] * freezes
    dice.shuffle(acts)
    for name in NAMES:
        pair.start(name)
    for number, is_kill in enumerate(acts, start=1):
        pair.exchange.queue(range(written + 1, written + SMS_A_TURN + 1))
        written += SMS_A_TURN
        pair.bring_past()
        if number % 2:
            pair.lose_chlorine()
        if number % SILENT_EVERY == 1:
            pair.fall_silent()
        pair.exchange.smsc.write({"from": "224622999999", "text": f"RECU {number}"})
        time.sleep(dice.uniform(*QUIET_S))  # when a power cut comes
        victim = dice.choice(NAMES)
        if is_kill:
            pair.kill(victim)
            pair.start(victim)
        else:
            pair.signal(victim, signal.SIGSTOP)
            time.sleep(dice.uniform(*FROZEN_S))
            pair.signal(victim, signal.SIGCONT)
        told(number)
    deadline = time.monotonic() + SETTLES_WITHIN_S + len(acts) / 4
    while not pair.is_settled() and time.monotonic() < deadline:
        time.sleep(0.1)
    found = pair.verdict(messages=written, freezes=freezes)
    found.sms.kills, found.sms.seconds = kills, time.monotonic() - begin_s
    return found
