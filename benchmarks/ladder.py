"""Ten thousand alerts whose routes fail, whose people answer when they like and whose process dies: is the ladder kept?

`make bench-ladder`; exit status 1 when a step was skipped or came before its time, something was told later than 5 s
after an answer, an alert that nobody answered did not reach its last step, who was told of an end did not hear that it
is back, or a phone rang more often than its caps allow with what can wait; or when, of a whole region that loses its
water within minutes, somebody heard more than one message, nothing of one zone, or something later than its step has
it. The clock is told, so days take minutes.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from alerts.carriers import (
    Accepted,
    Capabilities,
    Event,
    Health,
    Inbound,
    Outcome,
    Outgoing,
    Receipts,
    Refused,
    Submitted,
    Throttled,
    Uncertain,
)
from alerts.climbing import climb
from alerts.ladder import LADDER, Step
from alerts.routing import PER_DAY, PER_HOUR, PER_WEEK, VOLUNTEERS
from alerts.sender import Sender
from alerts.telling import begin, tell_end
from gateway.clock import ManualClock
from gateway.model import GatewayId, ZoneId
from gateway.zones import Contact, Zone, load_zones
from ingest.db import Connection, connect, migrate, queries
from ingest.registry import import_zones
from ndiyan.embedded_postgres import EmbeddedPostgres, postgres_account
from ndiyan.shipped_files import shipped

SQL, JUDGED = queries("benchmarks", "ladder"), queries("alerts", "alerts")
BEGIN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
PASS_EVERY = timedelta(minutes=2)
READ_EVERY = timedelta(minutes=30)
REJOINS = timedelta(minutes=60)  # what comes back within it is the same alert
SETTLES = timedelta(minutes=90)  # an end that was once told too soon is believed after it
SILENT = 10  # every tenth zone sends no readings
STORM_LASTS = timedelta(hours=3)  # until the communes have heard
STORM_SPREAD = timedelta(minutes=20)
PEOPLE_TOLD = ("exploitant", "president", "tresorier", "reparateur", "commune")  # by SMS, of no water
DRAIN = timedelta(hours=96)  # what can wait has its last step after 72 h, counted from a morning
AFTER_AN_ANSWER = timedelta(seconds=5)
BACK = f"{Step.FIRST}-"  # whoever was told of an end hears it, also when somebody answers or the week has had its two
LEFT = "who was told of an end did not hear that it is back"
UNHEARD = "nobody heard of what is there"
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SEVERITIES, FAULTS = (3, 3, 2, 2, 1), {3: "pump_not_running", 2: "night_leak", 1: "tap_closed"}


CAPS = Capabilities(True, Receipts.NONE, False, False, 50.0, 200, timedelta(minutes=2))


@dataclass
class Flaky:
    """A route that refuses, throttles, forgets to answer and is down for hours; what really left is in `sent`."""

    rng: random.Random
    clock: ManualClock
    sent: dict[UUID, list[tuple[datetime, str]]] = field(default_factory=lambda: defaultdict(list))
    rang: list[UUID] = field(default_factory=list)  # since somebody looked
    waiting: list[Event] = field(default_factory=list)
    down_until: datetime = BEGIN
    fails: bool = True
    caps: Capabilities = CAPS

    def room(self) -> int:
        return 0 if self.clock.now() < self.down_until else 200

    def submit(self, messages: Sequence[Outgoing]) -> None:
        self.waiting += [Submitted(message.ref, self._outcome(message)) for message in messages]

    def _outcome(self, message: Outgoing) -> Outcome:
        luck = self.rng.random() if self.fails else 0.5
        if luck < 0.05:
            return Refused("no credit", is_permanent=False)
        if luck < 0.06:
            return Refused("no such phone", is_permanent=True)
        if luck < 0.08:
            return Throttled(30.0)
        if luck > 0.98:
            return Uncertain("no answer")
        self.sent[message.ref].append((self.clock.now(), message.phone))
        self.rang.append(message.ref)
        return Uncertain("no answer") if luck > 0.96 else Accepted(str(message.ref))

    def settle(self, message: Outgoing) -> Outcome | None:
        return Accepted(str(message.ref)) if message.ref in self.sent else None

    def events(self) -> Iterable[Event]:
        return list(self.waiting)

    def done(self, events: Iterable[Event]) -> None:
        gone = set(events)
        self.waiting = [one for one in self.waiting if one not in gone]

    def health(self) -> Health:
        return Health(self.room() > 0)

    def close(self) -> None:
        pass


def region(template: Zone, count: int) -> list[Zone]:
    """Villages with a committee of their own; repairers, communes and an engineer look after many."""
    zones = []
    for n in range(count):
        people = [
            ("exploitant", f"+22461{n:07d}"), ("president", f"+22462{n:07d}"), ("tresorier", f"+22463{n:07d}"),
            ("reparateur", f"+22464{n // 10:07d}"), ("commune", f"+22465{n // 50:07d}"), ("ingenieur", "+224660000000"),
        ]  # fmt: skip
        committee = tuple(Contact(f"P{n} {role}", role, phone, "fr") for role, phone in people)
        name, gateway = ZoneId(f"z{n}"), GatewayId(f"g{n}")
        zones.append(
            replace(template, zone_id=name, gateway_id=gateway, name=f"Village {n}", assets=(), committee=committee)
        )
    return zones


class Simulation:
    """Alerts, answers, ends, failures and deaths at random times, from one seed."""

    def __init__(self, connection: Connection, zones: Sequence[Zone], *, alerts: int, days: float, seed: int) -> None:
        self.connection, self.clock = connection, ManualClock(BEGIN)
        self.rng = random.Random(seed)  # noqa: S311 - repeatable, no secret
        self.zones = [zone.zone_id for zone in zones]
        self.routes = {name: Flaky(self.rng, self.clock) for name in ("one", "two")}
        self.end = BEGIN + timedelta(days=days)
        self.deaths = self.replies = self.returned = 0
        self.seen: set[UUID] = set()
        self.todo: list[tuple[datetime, int, str, tuple[str, ...]]] = []
        for n in range(alerts):
            self._later(BEGIN + self.rng.random() * (self.end - BEGIN), "fails", str(n))
        self.connection.execute(SQL["gauges"], {"at": BEGIN, "silent": SILENT})
        self._later(BEGIN, "reads")
        self._restart()

    def _later(self, at: datetime, what: str, *about: str) -> None:
        heapq.heappush(self.todo, (at, len(self.todo), what, about))

    def _restart(self) -> None:
        self.sender = Sender(self.connection, self.routes, self.clock)

    def run(self) -> None:
        while self.clock.now() < self.end + DRAIN:
            now = self.clock.now()
            while self.todo and self.todo[0][0] <= now:
                _, _, what, about = heapq.heappop(self.todo)
                getattr(self, f"_{what}")(*about)
            self._pass()
            self.clock.advance(timedelta(seconds=1))
            self._pass()
            self._people_read()
            self._trouble()
            self.clock.set(max(self.clock.now(), now + PASS_EVERY))

    def _pass(self) -> None:
        climb(self.connection, self.clock.now(), routes=len(self.routes))
        self.sender.work()

    def _fails(self, number: str) -> None:
        severity, now = self.rng.choice(SEVERITIES), self.clock.now()
        with self.connection.transaction():
            ((alert_id,),) = self.connection.execute(
                SQL["fail"],
                {
                    "zone": self.rng.choice(self.zones), "fault": FAULTS[severity], "asset": f"a{number}",
                    "severity": severity, "now": now,
                },
            ).fetchall()  # fmt: skip
            begin(self.connection, alert_id, now=now)
        if self.rng.random() < 0.4:
            self._later(now + self.rng.uniform(0.5, 60) * HOUR, "mends", str(alert_id))

    def _reads(self) -> None:
        """Readings come from most zones, and show what is not mended."""
        self.connection.execute(SQL["read"], {"now": self.clock.now()})
        self._later(self.clock.now() + READ_EVERY, "reads")

    def _mends(self, alert_id: str) -> None:
        with self.connection.transaction():
            self.connection.execute(SQL["mend"], {"alert": int(alert_id), "now": self.clock.now()})
            tell_end(self.connection, int(alert_id), now=self.clock.now(), settles=SETTLES)
        if self.rng.random() < 0.4:
            self._later(self.clock.now() + self.rng.random() * REJOINS, "returns", alert_id)

    def _returns(self, alert_id: str) -> None:
        """It was over and is not, as the judge writes it down."""
        now = self.clock.now()
        with self.connection.transaction():
            asked = {"alert": int(alert_id), "last": now, "cleared": None, "times": 1, "now": now}
            self.connection.execute(JUDGED["return_alert"], asked)
            self.connection.execute(SQL["back"], asked)
            self.connection.execute(JUDGED["look_again"], asked)
        self.returned += 1
        if self.rng.random() < 0.7:
            self._later(now + self.rng.uniform(0.1, 12) * HOUR, "mends", alert_id)

    def _people_read(self) -> None:
        """Some of those whose phone rang answer, sooner or later, to one of the alerts that it told."""
        new = [ref for route in self.routes.values() for ref in route.rang if ref not in self.seen]
        self.seen |= set(new)
        for route in self.routes.values():
            route.rang.clear()
        for phone, code in self.connection.execute(SQL["told_by"], {"refs": new}).fetchall() if new else []:
            if self.rng.random() < 0.15:
                at = self.clock.now() + self.rng.expovariate(1) * 40 * MINUTE
                self._later(at, "answers", phone, f"{code} {self.rng.choice('1123')}")

    def _answers(self, phone: str, text: str) -> None:
        self.replies += 1
        self.routes["one"].waiting.append(Inbound(f"in-{self.replies}", phone, text, self.clock.now()))

    def _trouble(self) -> None:
        luck = self.rng.random()
        if luck < 0.004:  # the process dies within its work, and is started again at once or hours later
            self.deaths += 1
            try:
                with self.connection.transaction():
                    climb(self.connection, self.clock.now(), routes=2)
                    raise _Killed
            except _Killed:
                self._restart()
            self.clock.advance(self.rng.choice((0.0, 0.1, 1.0, 5.0)) * HOUR)
        elif luck < 0.006:
            self.rng.choice(list(self.routes.values())).down_until = self.clock.now() + self.rng.uniform(0.1, 8) * HOUR


class _Killed(Exception):
    """The process is gone."""


def broken_promises(simulation: Simulation) -> Counter[str]:
    """What was not kept, by kind; empty when all was."""
    found: Counter[str] = Counter()
    connection = simulation.connection
    for severity, number, rung, since, is_open, steps in connection.execute(SQL["steps"]).fetchall():
        every = [step.value for step, _ in LADDER[severity]]
        behind = every[: len(every) if rung is None else rung]
        # In a later round whoever heard that it is back is not told by another step as well.
        expected = behind[: len(steps)] if number == 1 and rung is None else behind
        if steps != (expected if number == 1 else [step for step in behind if step in steps]):
            found["a step was skipped or out of order"] += 1
        if is_open and rung < len(every) and simulation.clock.now() - since >= DRAIN:
            found["nobody answered and the last step was not reached"] += 1
    promises = {"not_begun": "a step was skipped or out of order", "left_with_the_end": LEFT, "unheard": UNHEARD}
    for promise, name in promises.items():
        ((broken,),) = connection.execute(SQL[promise]).fetchall()
        found[name] += broken
    ((early,),) = connection.execute(SQL["too_early"], {"delays": json.dumps(_delays())}).fetchall()
    found["a step came before its time"] += early
    sent = [(at, ref) for route in simulation.routes.values() for ref, times in route.sent.items() for at, _ in times]
    rung_at: dict[str, list[tuple[datetime, bool, bool]]] = defaultdict(list)
    told = defaultdict(list)
    for ref, *one in connection.execute(SQL["told"]).fetchall():
        told[ref].append(one)
    for at, ref in sorted(sent):
        if not told[ref]:
            continue  # an answer to an answer
        for *_, kind, step, acknowledged_at in told[ref]:
            is_news = kind == "opened" and not step.startswith(BACK)
            if is_news and acknowledged_at is not None and at > acknowledged_at + AFTER_AN_ANSWER:
                found["told after an answer"] += 1
        phone, role = told[ref][0][:2]
        is_free = any(severity == 3 and kind == "opened" for _, _, severity, kind, *_ in told[ref])
        news = any(kind == "opened" for _, _, _, kind, *_ in told[ref])
        is_back = all(step.startswith(BACK) for _, _, _, kind, step, _ in told[ref] if kind == "opened")
        rung_at[phone].append((at, is_free, news and not is_back and role in VOLUNTEERS))
    for times in rung_at.values():
        for at, is_free, is_counted in times:
            # "No water" to the same phone at the same moment was decided after it, and has no limit itself.
            before = [one for one in times if one[0] < at or (one[0] == at and one[1] == is_free)]
            if not is_free and sum(at - one[0] < HOUR for one in before) > PER_HOUR:
                found["more than six in an hour"] += 1
            if not is_free and sum(at - one[0] < DAY for one in before) > PER_DAY:
                found["more than twenty in a day"] += 1
            week = [one for one in before if one[2] and not one[1] and at - one[0] < 7 * DAY]
            if is_counted and not is_free and len(week) > PER_WEEK:
                found["a volunteer heard more than twice a week of what can wait"] += 1
    return +found


def storm(database_url: str, *, zones: int, seed: int) -> tuple[int, int, Counter[str]]:
    """All zones of a region lose their water within minutes and nobody answers, on an empty, migrated database.

    Returns how many SMS left, how many of them one phone got at most, and what was not kept: every zone is told to each
    of its people, in time, and each of them hears of all their zones in one message. Who has not answered a quarter of
    an hour later hears it once more, by the other route.
    """
    connection, clock = connect(database_url), ManualClock(BEGIN)
    connection.execute(SQL["do_not_wait_for_the_disk"])
    villages = region(load_zones([shipped("zones")])[0], zones)
    import_zones(connection, villages)
    rng = random.Random(seed)  # noqa: S311 - repeatable, no secret
    routes = {name: Flaky(rng, clock, fails=False) for name in ("one", "two")}
    sender, end = Sender(connection, routes, clock), BEGIN + STORM_LASTS
    dry_at = sorted((BEGIN + rng.random() * STORM_SPREAD, zone.zone_id) for zone in villages)
    while clock.now() < end:
        with connection.transaction():  # as the judge does: all that has come since its last round
            while dry_at and dry_at[0][0] <= clock.now():
                _, zone_id = dry_at.pop(0)
                asked = {"zone": zone_id, "fault": FAULTS[3], "asset": "pump", "severity": 3, "now": clock.now()}
                ((alert_id,),) = connection.execute(SQL["fail"], asked).fetchall()
                begin(connection, alert_id, now=clock.now())
        climb(connection, clock.now(), routes=len(routes))
        sender.work()
        clock.advance(MINUTE)
    left = [(phone, ref) for route in routes.values() for ref, times in route.sent.items() for _, phone in times]
    repeats = {ref for (ref,) in connection.execute(SQL["second_route"]).fetchall()}
    news = Counter(phone for phone, ref in left if ref not in repeats)
    found: Counter[str] = Counter()
    found["a phone rang again with news of the storm"] = sum(number - 1 for number in news.values())
    ((untold,),) = connection.execute(SQL["untold"], {"people": len(PEOPLE_TOLD)}).fetchall()
    found["somebody was not told of a zone"] = untold
    asked = {"delays": json.dumps(_delays()), "within": MINUTE}
    ((late,),) = connection.execute(SQL["too_late"], asked).fetchall()
    found["no water was held back"] = late
    connection.close()
    return len(left), max(Counter(phone for phone, _ in left).values()), +found


def _delays() -> dict[str, float]:
    """When each step of each severity comes, in seconds."""
    return {f"{severity}-{rung.step}": rung.after.total_seconds() for severity in LADDER for rung in LADDER[severity]}


def simulate(database_url: str, *, zones: int, alerts: int, days: float, seed: int) -> tuple[Simulation, Counter[str]]:
    """Run it to its end on an empty, migrated database."""
    connection = connect(database_url)
    connection.execute(SQL["do_not_wait_for_the_disk"])
    villages = region(load_zones([shipped("zones")])[0], zones)
    import_zones(connection, villages)
    simulation = Simulation(connection, villages, alerts=alerts, days=days, seed=seed)
    simulation.run()
    return simulation, broken_promises(simulation)


def main() -> None:
    """Run, print what happened, and fail when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alerts", type=int, default=10_000)
    parser.add_argument("--zones", type=int, default=1_000)
    parser.add_argument("--days", type=float, default=5.0)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--storm", type=int, default=300, help="zones that lose their water within minutes")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ndiyan-ladder-") as folder:
        root = Path(folder)
        root.chmod(0o711)
        server = EmbeddedPostgres(
            root, secret_file=root / "secrets" / "postgres", log=root / "postgres.log", account=postgres_account()
        )
        server.start()
        try:
            with connect(server.url()) as admin:
                migrate(admin)
                admin.execute("CREATE DATABASE storm TEMPLATE template0")
            with connect(server.url("storm")) as admin:
                migrate(admin)
            left, most, missed = storm(server.url("storm"), zones=asked.storm, seed=asked.seed)
            print(f"{asked.storm} zones within {STORM_SPREAD}: {left} SMS left, at most {most} to one phone")
            print("broken promises:", dict(missed) or "none", flush=True)
            begin_s = time.perf_counter()
            done, broken = simulate(
                server.url(), zones=asked.zones, alerts=asked.alerts, days=asked.days, seed=asked.seed
            )
            states = done.connection.execute(SQL["states"]).fetchall()
            rounds = done.connection.execute(SQL["rounds"]).fetchall()
            done.connection.close()
        finally:
            server.stop()
    sent = sum(len(times) for route in done.routes.values() for times in route.sent.values())
    happened = f"{done.returned} times back, {done.replies} answers, {done.deaths} deaths"
    print(f"{asked.alerts} alerts, {happened}, {sent} SMS left, seed {asked.seed}; told in rounds: {dict(rounds)}")
    print(f"in {time.perf_counter() - begin_s:.0f} s; notifications: {dict(states)}")
    print("broken promises:", dict(broken) or "none")
    sys.exit(1 if broken or missed else 0)


if __name__ == "__main__":
    main()
