"""SMS over an SMPP link while the sender is killed and the link is cut; what the message centre took is what counts.

The account is kept outside of what is tried: each SMS carries its number in its text, and the message centre tells
which numbers it took, how often, and which inbound SMS were answered.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from alerts.carriers import Urgency
from gateway.clock import SystemClock
from gateway.zones import Zone
from ingest.db import connect
from ingest.registry import import_zones
from ndiyan.children import spawn, stop
from tests.alerts.carriers.peers import Smsc
from tests.surroundings import environment

BEGINS_WITHIN_S, STOP_WITHIN_S, POLL_S = 60.0, 20.0, 0.02
KILLED_WITHIN_S = 0.4  # of the first SMS that a sender hands over
CUT_AFTER_AT_MOST = 10  # SMS more


@dataclass
class Account:
    """What a trial came to. Numbers are those of the SMS."""

    messages: int
    kills: int = 0
    cuts: int = 0
    lost: list[int] = field(default_factory=list)
    twice: list[int] = field(default_factory=list)
    twice_unflagged: list[int] = field(default_factory=list)
    twice_though_heard: list[int] = field(default_factory=list)  # its receipt was stored when it was sent again
    flagged: int = 0
    settled_by_receipt: int = 0
    states: dict[str, int] = field(default_factory=dict)
    inbound: int = 0
    inbound_lost: int = 0
    inbound_twice: int = 0
    seconds: float = 0.0

    def __str__(self) -> str:
        states = ", ".join(f"{state} {number:,}" for state, number in sorted(self.states.items()))
        return (
            f"{self.messages:,} SMS, {self.kills:,} kill -9, {self.cuts:,} link cuts, {self.seconds:.0f} s:"
            f" {len(self.lost)} lost, {len(self.twice)} twice ({len(self.twice_unflagged)} of them not flagged,"
            f" {len(self.twice_though_heard)} although a receipt was here), {self.flagged} flagged as possibly twice,"
            f" {self.settled_by_receipt} settled by a receipt; {states}\n"
            f"{self.inbound:,} inbound SMS: {self.inbound_lost} lost, {self.inbound_twice} stored twice"
        )


class Exchange:
    """A database, a message centre and a sender between them.

    Parameters
    ----------
    differs : settings of the link that are not the default; `receipt_within_s` is the grace
    """

    def __init__(self, url: str, smsc: Smsc, zones: Sequence[Zone], log: Path, **differs: float) -> None:
        self.url, self.smsc = url, smsc
        self._log, self._differs = log, {"receipt_within_s": 2.0, "per_s": 1000.0} | differs
        self._sender: subprocess.Popen[bytes] | None = None
        self._connection = connect(url)
        import_zones(self._connection, list(zones))
        now = SystemClock().now()
        row = self._connection.execute(
            "INSERT INTO alert (zone_id, fault, asset_id, severity, state, first_evidence_at, last_evidence_at,"
            " opened_at, confidence, evidence) VALUES (%s, 'pump_not_running', 'pump', 3, 'open', %s, %s, %s, 1, '{}')"
            " RETURNING alert_id",
            [zones[0].zone_id, now, now, now],
        ).fetchone()
        assert row is not None
        self._alert, self._zone = row[0], zones[0].zone_id

    def queue(self, numbers: Sequence[int], urgency: Urgency = Urgency.ALERT) -> None:
        """An SMS for each number, in one transaction."""
        now = SystemClock().now()
        rows = (
            (uuid.uuid4(), self._alert, self._zone, f"+224622{n:06d}", f"#{n}# pompe arretee. Rep 1", urgency, now, now,
             now + timedelta(hours=24))
            for n in numbers
        )  # fmt: skip
        columns = (
            "ref, alert_id, zone_id, phone, text, urgency, created_at, next_try_at, valid_until, kind, step, reason,"
            " language, segments, state"
        )
        with self._connection.transaction(), self._connection.cursor() as cursor:
            cursor.executemany(
                f"INSERT INTO notification ({columns}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s,"
                " 'opened', 'first', 'first_on_the_ladder', 'fr', 1, 'queued')",
                rows,
            )
        self._connection.execute("ANALYZE notification")

    def start(self) -> None:
        """A sender begins."""
        argv = [sys.executable, "-m", "tests.scenarios.sms_worker", self.url, str(self.smsc.port)]
        self._sender = spawn([*argv, json.dumps(self._differs)], log=self._log, env=environment())

    def kill(self) -> None:
        """The sender dies as in a power cut."""
        stop(self._sender, signal.SIGKILL, timeout_s=STOP_WITHIN_S)

    def stop(self) -> None:
        """The sender ends in order."""
        stop(self._sender, signal.SIGTERM, timeout_s=STOP_WITHIN_S)

    def close(self) -> None:
        """End what is still there."""
        self.kill()
        self._connection.close()

    def open_rows(self) -> int:
        """SMS of which we do not know yet what became of them."""
        row = self._connection.execute(
            "SELECT count(*) FROM notification WHERE state IN ('queued', 'submitting', 'uncertain', 'accepted')"
        ).fetchone()
        assert row is not None
        return int(row[0])

    def until(self, is_so: Callable[[], bool], *, within_s: float, what: str) -> None:
        """Come back when it is so; a sender that ends by itself is an error."""
        deadline = time.monotonic() + within_s
        while not is_so():
            assert self._sender is None or self._sender.poll() is None, self._log.read_text("utf-8")[-2000:]
            assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}; {self.smsc.counts}"
            time.sleep(POLL_S)

    def account(self, messages: int) -> Account:
        """What the message centre took, beside what we think of it."""
        texts = [message["text"] for message in self.smsc.taken]
        taken = Counter(int(text.split("#")[1]) for text in texts if "#" in text)  # the stranger is answered, too
        rows = self._connection.execute(
            "SELECT text, state, possible_duplicate, settled_by FROM notification WHERE kind = 'opened'"
        ).fetchall()
        flagged = {int(text.split("#")[1]) for text, _, is_flagged, _ in rows if is_flagged and "#" in text}
        twice = sorted(number for number, times in taken.items() if times > 1)
        written = self.smsc.inbound
        stored = Counter(text for (text,) in self._connection.execute("SELECT text FROM sms_in"))
        return Account(
            messages,
            lost=sorted(set(range(1, messages + 1)) - taken.keys()),
            twice=twice,
            twice_unflagged=sorted(set(twice) - flagged),
            twice_though_heard=sorted(set(twice) & self._sent_again_though_heard()),
            flagged=len(flagged),
            settled_by_receipt=sum(settled_by == "receipt" for *_, settled_by in rows),
            states=dict(Counter(state for _, state, *_ in rows)),
            inbound=len(written),
            inbound_lost=sum(stored[one["text"]] == 0 or not one["answered"] for one in written),
            inbound_twice=sum(times > 1 for times in stored.values()),
        )

    def _sent_again_though_heard(self) -> set[int]:
        rows = self._connection.execute(
            "SELECT DISTINCT n.text FROM notification n JOIN sms_attempt again USING (notification_id)"
            " JOIN sms_receipt r ON r.phone = n.phone AND r.received_at < again.began_at"
            " WHERE again.began_at > (SELECT min(began_at) FROM sms_attempt WHERE notification_id = n.notification_id)"
        ).fetchall()
        return {int(text.split("#")[1]) for (text,) in rows if "#" in text}


def trial(
    exchange: Exchange,
    *,
    messages: int,
    kills: int,
    cuts: int,
    seed: int,
    told: Callable[[int], None] = lambda _: None,
) -> Account:
    """Kill the sender and cut the link while SMS go out and come in; then let it settle and count."""
    dice, begin_s, written, cut = random.Random(seed), time.monotonic(), 0, 0
    cut_in = set(dice.sample(range(kills), min(cuts, kills)))
    exchange.queue(range(1, messages + 1))
    for kill in range(kills):
        before = exchange.smsc.counts["submits"]
        exchange.start()
        exchange.until(
            lambda before=before: exchange.smsc.counts["submits"] > before or exchange.open_rows() == 0,  # type: ignore[misc]
            within_s=BEGINS_WITHIN_S, what="the sender hands over",
        )  # fmt: skip
        if kill in cut_in:
            cut += 1
            if dice.random() < 0.5:
                exchange.smsc.cut()
            else:
                exchange.smsc.set(cutAfterTaking=dice.randint(1, CUT_AFTER_AT_MOST))
        written += 1
        exchange.smsc.write({"from": "224622999999", "text": f"RECU {written}"})
        time.sleep(dice.uniform(0, KILLED_WITHIN_S))  # when a power cut comes
        exchange.kill()
        told(kill + 1)
    exchange.start()
    exchange.until(lambda: exchange.open_rows() == 0, within_s=60 + messages / 20, what="all is settled")
    exchange.until(lambda: exchange.smsc.counts["inboundAnswered"] == written, within_s=60, what="inbound answered")
    exchange.stop()
    found = exchange.account(messages)
    found.kills, found.cuts, found.seconds = kills, cut, time.monotonic() - begin_s
    return found
