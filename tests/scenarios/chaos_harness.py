"""The whole of Ndiyan at once: the village of the crash loop, and beside it evaluation, sender, pages and keeper.

People write SMS that water fails and upload the files of their loggers while everything dies around them. The account
of it is kept outside of what is tried: by the message centre, by who uploaded, and by the script of a zone of which it
is known beforehand when alerts must be opened.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psycopg

from alerts.evaluate import OUTAGE_WAITS
from alerts.watchdog import look_at_parts
from gateway.clock import Clock, SystemClock
from gateway.model import AssetKind, channel_spec
from gateway.zones import Asset, Zone
from ingest.db import Connection, connect
from ingest.registry import channel_ids
from ingest.writer import BEHIND_US
from ndiyan.children import free_port
from ndiyan.embedded_postgres import EmbeddedPostgres
from tests.alerts.carriers.peers import Smsc
from tests.scenarios.crash_harness import VICTIMS, Village, WatchedBroker
from tests.scenarios.field_gateway import Diary
from tests.scenarios.oracle import LOOK_UP, Finding, Kind, Sender
from tests.scenarios.scripted_gateway import AGE, ASSET, CHANNEL, PERIOD, STEP, episodes, number_of
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
  AND NOT (zone_id = %(past)s AND fault = 'low_chlorine')
"""
# How far a zone has been judged, from when on it has to be again, and its newest reading.
JUDGED = """
SELECT watermark_at, (SELECT min(first_at) FROM late_arrival l WHERE l.zone_id = j.zone_id),
       (SELECT max(measured_at) FROM latest JOIN channel c USING (channel_id) WHERE c.zone_id = j.zone_id)
FROM job j WHERE name = 'judge' AND zone_id = %s AND watermark_at IS NOT NULL
"""
OPENED = "SELECT first_evidence_at FROM alert WHERE zone_id = %s AND fault = 'low_chlorine'"
# What came a month late and behind what is newer changes no alert.
OVERTAKEN = """
SELECT EXISTS (SELECT FROM reading r WHERE channel_id = %(channel)s AND measured_at BETWEEN %(begin)s AND %(over)s
    AND EXISTS (SELECT FROM reading l WHERE l.channel_id = r.channel_id AND l.measured_at > r.measured_at
                AND l.received_at < r.received_at))
"""
# When each zone of which something is measured now was heard first.
HEARD = """
SELECT zone_id, min(received_at) FROM reading JOIN channel USING (channel_id)
WHERE zone_id = ANY(%(zones)s) AND measured_at > %(since)s AND received_at > %(since)s GROUP BY zone_id
"""
BEATS = "SELECT service, beat_at FROM heartbeat"
# By what it is heard that they work again: as what it is told, and the heartbeat; "" where readings tell.
HEARD_BY = {
    "ingest": ("ingest", ""), "broker": ("broker", ""), "gateway": ("gateway", ""), "keeper": ("keeper", "keeper"),
    "alerts": ("judging", "alerts"),
}  # fmt: skip


class Sums(NamedTuple):
    """What people did and what came of it; of the files those that the pages took.

    `alerts` are those that the script demands, None without a script; `recovery_s` says of each that was struck how
    long it took each time until it worked again.
    """

    written: int
    uploaded: int
    answers: int
    flagged: int
    recovery_s: dict[str, list[float]]
    alerts: Demanded | None = None


class Demanded(NamedTuple):
    """Of the alerts that had to be opened by now: those that were, those that were not, those that were twice.

    What is `overtaken` had readings that came a month late, behind newer ones, which changes no alert.
    """

    opened: int = 0
    lost: int = 0
    twice: int = 0
    overtaken: int = 0


class Commune(Village):
    """A village with all services of a server, an operator's message centre, and people who use both."""

    uploads: Zone
    script_began_at: datetime | None = None
    victims = (*VICTIMS, "alerts", "web", "keeper")
    services = ("ingest", "alerts", "web", "keeper")

    def __init__(
        self, folder: Path, zones: Sequence[Zone], postgres: EmbeddedPostgres, broker: WatchedBroker, smsc: Smsc,
        **more: Any,
    ) -> None:  # fmt: skip
        super().__init__(folder, zones, postgres, broker, **more)
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


class ScriptedCommune(Commune):
    """A commune of whose last gateway it is known beforehand which alerts must be opened."""

    def __init__(
        self, folder: Path, zones: Sequence[Zone], postgres: EmbeddedPostgres, broker: WatchedBroker, smsc: Smsc,
        **more: Any,
    ) -> None:  # fmt: skip
        super().__init__(folder, zones, postgres, broker, smsc, **more)
        self.gateways = [*self.gateways, with_script(zones[len(self.gateways) + 2])]
        self.script_began_at = SystemClock().now().replace(minute=0, second=0, microsecond=0) - AGE

    def _bring_up(self, name: str) -> None:
        if name != f"gateway-{len(self.gateways) - 1}":
            super()._bring_up(name)
            return
        assert self.script_began_at is not None
        zone, began_ms = self.gateways[-1], round(self.script_began_at.timestamp() * 1000)
        url = self.broker.settings_for(zone.gateway_id).url()
        words = [str(self.folder), url, zone.zone_id, zone.gateway_id, str(began_ms), str(self.outboxes)]
        self._spawn(name, "tests.scenarios.scripted_gateway", words, {})


def with_script(zone: Zone) -> Zone:
    """A zone that has what the script measures."""
    spec = channel_spec(ASSET, CHANNEL)
    assert spec is not None
    watched = Asset(ASSET, AssetKind.QUALITY, STEP.total_seconds(), (spec,), {})
    return replace(zone, assets=(*zone.assets, watched))


class Script:
    """Holds the alerts of a scripted zone against its script."""

    def __init__(self, folder: Path, zone: Zone, began_at: datetime) -> None:
        self.zone = zone
        self.demanded = Demanded()
        self._folder, self._began_at, self._sender = folder, began_at, Sender(zone)

    def is_judged(self, connection: Connection) -> bool:
        """Whether all that was taken is stored and has been judged."""
        return self._judged(connection)[1]

    def judge(self, connection: Connection) -> list[Finding]:
        """Every episode whose readings were judged is one alert; what comes a little late is judged the next time."""
        until = self._judged(connection)[0] - timedelta(microseconds=BEHIND_US)
        opened = Counter(
            number_of(at, self._began_at) for (at,) in connection.execute(OPENED, [self.zone.zone_id]).fetchall()
        )
        due = list(episodes(self._began_at, until))
        missing = [one for number, one in enumerate(due) if not opened[number]]
        channel = channel_ids(connection)[self.zone.zone_id, ASSET, CHANNEL]
        lost = [
            one for one in missing
            if connection.execute(OVERTAKEN, {"channel": channel, **one._asdict()}).fetchone() == (False,)
        ]  # fmt: skip
        twice = [self._began_at + number * PERIOD for number, alerts in opened.items() if alerts > 1]
        self.demanded = Demanded(len(due) - len(missing), len(lost), len(twice), len(missing) - len(lost))
        return [
            *(Finding(Kind.ALERT_LOST, f"{self.zone.zone_id}: no alert of {one.begin} to {one.over}") for one in lost),
            *(Finding(Kind.ALERT_TWICE, f"{self.zone.zone_id}: two alerts after {at}") for at in twice),
        ]

    def _judged(self, connection: Connection) -> tuple[datetime, bool]:
        """Until when all is stored and judged, by what was stored before we asked; and whether that is all."""
        self._sender.read(self._folder, channel_ids(connection))
        pending = self._sender.pending
        keys = list(pending)
        for channel, ms, _ in connection.execute(LOOK_UP, [[key[0] for key in keys], [key[1] for key in keys]]):
            del pending[channel, ms]
        row = connection.execute(JUDGED, [self.zone.zone_id]).fetchone()
        if row is None:
            return self._began_at, False
        watermark, late_from, newest = row
        missing = [datetime.fromtimestamp(ms / 1000, UTC) for _, ms in pending]
        until = min([watermark, *missing, *([late_from] if late_from else [])])
        return until, until == newest


class Watch(NamedTuple):
    """Who was struck, and when everything had been started again; `heartbeat` is that by which it is heard, "" for one
    that is heard by its readings."""

    name: str
    heartbeat: str
    struck_at: datetime
    since: datetime


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
        self._recovery_s: defaultdict[str, list[float]] = defaultdict(list)
        self._watches: list[Watch] = []
        self._script = None
        if commune.script_began_at is not None:
            self._script = Script(commune.folder, commune.gateways[-1], commune.script_began_at)

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
        """Wait until who was struck works for people again, and note how long that took since it was struck.

        Of the others it is looked up at each call since when they are heard again, and nobody waits for them: a keeper
        looks two minutes after its start, and judging one; who is struck again before its heartbeat begins anew.
        """
        now = SystemClock().now()
        struck_at = now - timedelta(seconds=time.monotonic() - since_s)
        findings = []
        for victim in victims:
            is_back = {"web": self._pages_answer, "alerts": self._sender_beats, "database": self._database_answers}.get(
                victim
            )
            if victim in HEARD_BY:
                watch = Watch(*HEARD_BY[victim], struck_at, now)
                self._watches = [one for one in self._watches if one.name != watch.name or not one.heartbeat]
                self._watches.append(watch)
            if is_back is None:
                continue
            if not _until(is_back, within_s=within_s, tend=self._commune.tend):
                findings.append(Finding(Kind.STUCK, f"{victim} did not come back within {within_s:g} s"))
            self._recovery_s[victim].append(time.monotonic() - since_s)
        self._listen()
        return findings

    def settle(self, *, within_s: float) -> list[Finding]:
        """Wait until every SMS was acted upon and answered, and after the drain until all of the script was judged; see
        that all of it happened once, and that every part works by Ndiyan's own watchdog."""

        def is_quiet() -> bool:
            with connect(self._commune.url) as connection:
                reports = Counter({phone: kept for phone, kept, _ in connection.execute(REPORTS)})
                ((under_way,),) = connection.execute(UNDER_WAY).fetchall()
                is_judged = not (self._script and self._commune.is_drained) or self._script.is_judged(connection)
            return under_way == 0 and is_judged and all(reports[phone] >= n for phone, n in self._written.items())

        begin_s = time.monotonic()
        is_settled = _until(is_quiet, within_s=within_s, tend=self._commune.tend)
        self._recovery_s["sms"].append(time.monotonic() - begin_s)
        past = self._script.zone.zone_id if self._script else ""
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
                for n, fault in connection.execute(UNTOLD, {"silence_waits": OUTAGE_WAITS + UNHURRIED, "past": past})
            ]
            findings += self._sent(connection.execute(HANDED_OVER).fetchall())
            findings += self._script.judge(connection) if self._script else []
        if not is_settled and not findings:
            findings.append(
                Finding(Kind.STUCK, f"SMS or what is to be judged are still under way after {within_s:g} s")
            )
        findings += standing_parts(self._commune, SystemClock(), within_s=within_s)
        _until(self._hears_all, within_s=within_s if self._commune.is_drained else 0, tend=self._commune.tend)
        if self._commune.is_drained:
            findings += [Finding(Kind.STUCK, f"{one.name} was not heard since {one.since}") for one in self._watches]
        return findings

    def sums(self) -> Sums:
        """What it came to."""
        return Sums(
            self._written.total(), self._taken, len(self._commune.smsc.taken), self._flagged, dict(self._recovery_s),
            self._script.demanded if self._script else None,
        )  # fmt: skip

    def _hears_all(self) -> bool:
        """Whether nobody is listened for any more; after the drain that is nobody who is heard by readings."""
        self._listen()
        if self._commune.is_drained:
            self._watches = [one for one in self._watches if one.heartbeat]
        return not self._watches

    def _listen(self) -> None:
        """Look up who is heard again, and since when."""
        waits = []
        with connect(self._commune.url) as connection:
            beats = dict(connection.execute(BEATS).fetchall())
            for watch in self._watches:
                at = beats.get(watch.heartbeat) if watch.heartbeat else self._heard_at(connection, watch)
                if at is None or at <= watch.since:
                    waits.append(watch)
                else:
                    self._recovery_s[watch.name].append((at - watch.struck_at).total_seconds())
        self._watches = waits

    def _heard_at(self, connection: Connection, watch: Watch) -> datetime | None:
        """When a new reading came again; of each zone that measures now, where it was not ingest that was struck."""
        past = self._script.zone.zone_id if self._script else ""
        zones = [zone.zone_id for zone in (*self._commune.gateways, self._commune.sensor) if zone.zone_id != past]
        heard = dict(connection.execute(HEARD, {"zones": zones, "since": watch.since}).fetchall())
        if watch.name == "ingest":
            return min(heard.values(), default=None)
        return max(heard.values()) if len(heard) == len(zones) else None

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
