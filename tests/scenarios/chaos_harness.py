"""The whole of Ndiyan at once: the village of the crash loop, and beside it evaluation, sender, pages and keeper.

People write SMS that water fails and upload the files of their loggers while everything dies around them. The account
of it is kept outside of what is tried: by the message centre, and by who uploaded.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import httpx
import psycopg

from alerts.evaluate import OUTAGE_WAITS
from alerts.watchdog import look_at_parts
from gateway.clock import Clock
from gateway.zones import Zone
from ingest.db import connect
from ndiyan.children import free_port
from ndiyan.embedded_postgres import EmbeddedPostgres
from tests.alerts.carriers.peers import Smsc
from tests.scenarios.crash_harness import VICTIMS, Village, WatchedBroker
from tests.scenarios.field_gateway import Diary
from tests.scenarios.oracle import Finding, Kind
from web.access import Scope, create_api_key

WRITES_EVERY = 5  # acts of the people: a phone gets ten answers an hour, and we have some thirty phones
ROWS_A_FILE = 50
ANSWERS_WITHIN_S = 5.0
UNHURRIED = timedelta(minutes=1)  # until the evaluator's next look, on a machine that is busy with dying
POLL_S = 0.1
LOGGED_SINCE = datetime(2026, 1, 1, tzinfo=UTC)
WRITTEN = "PANNE"
REPORTS = """
SELECT ltrim(c.phone, '+'), count(*), count(*) FILTER (WHERE s.may_be_repeat)
FROM report JOIN contact c USING (contact_id) JOIN sms_in s USING (sms_in_id) GROUP BY c.phone
"""
# What is not at its end and could be: what waits for a time of day is not late.
UNDER_WAY = """
SELECT count(*) FROM notification
WHERE state IN ('submitting', 'uncertain', 'accepted') OR (state = 'queued' AND next_try_at <= now())
"""
# What was told together with other news did not leave with its own text, but with that of its bundle, a row of its own.
HANDED_OVER = """
SELECT ltrim(phone, '+'), text, count(*) FILTER (WHERE state = 'delivered' AND told_in IS NULL),
       count(*) FILTER (WHERE possible_duplicate)
FROM notification GROUP BY phone, text
"""
REPLIES = "SELECT ltrim(phone, '+'), text, count(*) FROM notification WHERE kind = 'reply' GROUP BY phone, text"
# An alert and the ladder on which people hear of it are one transaction; only silence waits for what other zones say.
UNTOLD = """
SELECT alert_id, fault FROM alert a
WHERE severity > 1 AND state = 'open' AND explained_by IS NULL AND NOT is_late AND shelved_until IS NULL
  AND (fault <> 'comms_outage' OR opened_at < now() - %(silence_waits)s)
  AND NOT EXISTS (SELECT FROM ladder l WHERE l.alert_id = a.alert_id)
"""


class Sums(NamedTuple):
    """What people did and what came of it; of the files those that the pages took."""

    written: int
    uploaded: int
    answers: int
    flagged: int
    recovery_s: dict[str, float]


class Commune(Village):
    """A village with all services of a server, an operator's message centre, and people who use both."""

    uploads: Zone
    victims = (*VICTIMS, "alerts", "web", "keeper")
    services = ("ingest", "alerts", "web", "keeper")

    def __init__(
        self, folder: Path, zones: Sequence[Zone], postgres: EmbeddedPostgres, broker: WatchedBroker, smsc: Smsc
    ) -> None:
        super().__init__(folder, zones, postgres, broker)
        self.smsc, self.web_port = smsc, free_port()
        self.uploads = zones[len(self.gateways) + 1]
        self._settings = folder / "ndiyan.toml"

    @property
    def known_zones(self) -> list[Zone]:
        """The zones in the database: one more, of which a logger's files are brought."""
        return [*super().known_zones, self.uploads]

    def start(self) -> None:
        """Write the settings of the services first."""
        self._settings.write_text(
            '[sms]\ncarriers = "operator"\n[sms.operator]\nkind = "smpp"\nhost = "127.0.0.1"\n'
            f"port = {self.smsc.port}\n"
            'system_id = "ndiyan"\nsource = "NDIYAN"\nper_s = 100\nreceipt_within_s = 8\nreconnect_s = 0.2\n'
            f"reconnect_most_s = 1\n[web]\nport = {self.web_port}\n"
        )
        super().start()

    def _bring_up_service(self, name: str) -> None:
        environment = {
            "NDIYAN_DATABASE_URL": self.url,
            "NDIYAN_SETTINGS": str(self._settings),
            "NDIYAN_SMS_OPERATOR_PASSWORD": "secret",
        }
        self._spawn(name, "ndiyan", [name], environment)


class People:
    """Committee members who write, and somebody who uploads; each remembers what was taken from them."""

    def __init__(self, commune: Commune) -> None:
        self._commune = commune
        self._phones = [contact.phone.lstrip("+") for zone in commune.known_zones for contact in zone.committee]
        self._key = ""
        self._turn = 0
        self._diary = Diary(commune.folder / f"{commune.uploads.gateway_id}.diary")
        self._written: Counter[str] = Counter()
        self._uploads = self._taken = 0
        self._flagged = 0
        self._recovery_s: dict[str, float] = {}

    def act(self) -> None:
        """Somebody writes an SMS, and the next files are offered to the pages; that they are away is nobody's fault."""
        self._turn += 1
        if self._turn % WRITES_EVERY == 1:
            phone = self._phones[self._written.total() % len(self._phones)]
            self._commune.smsc.write({"from": phone, "text": WRITTEN})
            self._written[phone] += 1
        self._upload()

    @property
    def written(self) -> int:
        """How many SMS they have written."""
        return self._written.total()

    def unanswered(self, *, within_s: float) -> int:
        """How many of these have no answer at the message centre after that time; what else it took is none."""
        _until(lambda: not self._unanswered(), within_s=within_s, tend=self._commune.tend)
        return self._unanswered()

    def recovered(self, victims: Sequence[str], *, since_s: float, within_s: float) -> list[Finding]:
        """Wait until who was struck works again, and note how long that took since it was struck."""
        findings = []
        for victim in victims:
            is_back = {"web": self._pages_answer, "alerts": self._sender_beats, "database": self._database_answers}.get(
                victim
            )
            if is_back is None:
                continue  # the oracle measures what readings wait for
            if not _until(is_back, within_s=within_s, tend=self._commune.tend):
                findings.append(Finding(Kind.STUCK, f"{victim} did not come back within {within_s:g} s"))
            took_s = time.monotonic() - since_s
            self._recovery_s[victim] = max(self._recovery_s.get(victim, 0.0), took_s)
        return findings

    def settle(self, *, within_s: float) -> list[Finding]:
        """Wait until every SMS was acted upon and answered, and see that all of it happened once."""

        def is_quiet() -> bool:
            with connect(self._commune.url) as connection:
                reports = Counter({phone: kept for phone, kept, _ in connection.execute(REPORTS)})
                ((under_way,),) = connection.execute(UNDER_WAY).fetchall()
            return under_way == 0 and all(reports[phone] >= n for phone, n in self._written.items())

        begin_s = time.monotonic()
        is_settled = _until(is_quiet, within_s=within_s, tend=self._commune.tend)
        self._recovery_s["sms"] = max(self._recovery_s.get("sms", 0.0), time.monotonic() - begin_s)
        with connect(self._commune.url) as connection:
            rows = connection.execute(REPORTS).fetchall()
            reports = Counter({phone: kept for phone, kept, _ in rows})
            doubtful = Counter({phone: marked for phone, _, marked in rows})
            findings = [
                Finding(Kind.SMS_LOST, f"{n} written, {reports[phone]} kept")
                for phone, n in self._written.items()
                if reports[phone] < n
            ]
            findings += [
                Finding(Kind.SMS_TWICE, f"{n} written, {reports[phone]} kept, {doubtful[phone]} of them marked")
                for phone, n in self._written.items()
                if reports[phone] - doubtful[phone] > n
            ]
            findings += [
                Finding(Kind.ALERT_LOST, f"nobody was told of alert {n}, {fault}")
                for n, fault in connection.execute(UNTOLD, {"silence_waits": OUTAGE_WAITS + UNHURRIED})
            ]
            findings += self._sent(connection.execute(HANDED_OVER).fetchall())
        if not is_settled and not findings:
            findings.append(Finding(Kind.STUCK, f"SMS are still under way after {within_s:g} s"))
        return findings

    def sums(self) -> Sums:
        """What it came to."""
        return Sums(self._written.total(), self._taken, len(self._commune.smsc.taken), self._flagged, self._recovery_s)

    def _unanswered(self) -> int:
        with connect(self._commune.url) as connection:
            replies = connection.execute(REPLIES).fetchall()
        taken = Counter((one["to"].lstrip("+"), one["text"]) for one in self._commune.smsc.taken)
        answers: Counter[str] = Counter()
        for phone, text, number in replies:
            answers[phone] += min(number, taken[phone, text])
        return (self._written - answers).total()

    def _sent(self, rows: Sequence[tuple[str, str, int, int]]) -> list[Finding]:
        """What the message centre took against what we say was delivered."""
        taken = Counter((one["to"].lstrip("+"), one["text"]) for one in self._commune.smsc.taken)
        findings, self._flagged = [], sum(flagged for *_, flagged in rows)
        for phone, text, delivered, flagged in rows:
            if taken[phone, text] < delivered:
                findings.append(
                    Finding(Kind.SMS_LOST, f"{text[:60]!r}: {delivered} delivered, {taken[phone, text]} taken")
                )
            if taken[phone, text] > delivered + flagged:
                findings.append(Finding(Kind.SMS_TWICE, f"{text[:60]!r}: {taken[phone, text]} taken of {delivered}"))
        return findings

    def _upload(self) -> None:
        """A file of a logger; what is answered with 202 is written down as taken."""
        begin = LOGGED_SINCE + timedelta(minutes=self._uploads * ROWS_A_FILE)
        moments = [begin + timedelta(minutes=minute) for minute in range(ROWS_A_FILE)]
        value = 1 + self._uploads % 64 / 32
        lines = [f"tower/level_m {round(at.timestamp() * 1000)} {value!r}" for at in moments]
        body = "time,asset,channel,value,unit\n" + "".join(
            f"{at.isoformat()},tower,level_m,{value!r},m\n" for at in moments
        )
        self._uploads += 1
        self._diary.write("try", lines)
        if self._post(body):
            self._diary.write("took", lines)
            self._taken += 1

    def _post(self, body: str) -> bool:
        if not self._key:
            with connect(self._commune.url) as connection:
                self._key = create_api_key(connection, name="logger", scopes=[Scope.SEND])
        address = f"{self._pages}/api/v1/backlogs?zone={self._commune.uploads.zone_id}"
        try:
            answer = httpx.post(
                address, content=body, headers={"Authorization": f"Bearer {self._key}"}, timeout=ANSWERS_WITHIN_S
            )
        except httpx.HTTPError:
            return False
        is_away = answer.status_code >= 500 or answer.status_code == 429
        assert is_away or answer.status_code == 202, f"{answer.status_code}: {answer.text[:300]}"
        return not is_away

    @property
    def _pages(self) -> str:
        return f"http://127.0.0.1:{self._commune.web_port}"

    def _pages_answer(self) -> bool:
        try:
            return httpx.get(f"{self._pages}/healthz", timeout=1).status_code == 200
        except httpx.HTTPError:
            return False

    def _sender_beats(self) -> bool:
        """It holds the link to the message centre."""
        return self._commune.smsc.counts["bound"] > 0

    def _database_answers(self) -> bool:
        try:
            with connect(self._commune.url) as connection:
                connection.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True


def standing_parts(commune: Commune, clock: Clock, *, within_s: float) -> list[Finding]:
    """The parts that do not work by Ndiyan's own watchdog, which had so long to see that they do."""
    standing: list[str] = []

    def is_well() -> bool:
        with connect(commune.url) as connection:
            standing[:] = [f"{part.name}: {part.why}" for part in look_at_parts(connection, clock) if part.why]
        return not standing

    is_so = _until(is_well, within_s=within_s, tend=commune.tend)
    return [] if is_so else [Finding(Kind.STUCK, f"after {within_s:g} s still {', '.join(standing)}")]


def _until(is_so: Callable[[], bool], *, within_s: float, tend: Callable[[], None]) -> bool:
    deadline = time.monotonic() + within_s
    while not is_so():
        if time.monotonic() > deadline:
            return False
        tend()
        time.sleep(POLL_S)
    return True
