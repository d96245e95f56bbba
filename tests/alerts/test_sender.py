"""What leaves, by which route, how often: told on a real database with routes that do what a test says."""

import itertools
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from alerts.breaker import FAILURES, REST
from alerts.carriers import (
    Accepted,
    Call,
    Capabilities,
    Carrier,
    Event,
    Fate,
    Health,
    Inbound,
    Outcome,
    Outgoing,
    Receipt,
    Receipts,
    Refused,
    Submitted,
    Throttled,
    Uncertain,
    Urgency,
)
from alerts.routing import PER_HOUR
from alerts.sender import LONGEST_OUTAGE, MOST_IN_DOUBT, PATIENCE, RECEIPT_DUE, Sender
from alerts.set_back import SetBack
from alerts.telling import begin
from gateway.clock import ManualClock
from gateway.zones import Zone
from ingest.db import connect
from ingest.registry import import_zones

pytestmark = pytest.mark.db
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
GRACE = timedelta(minutes=2)
EXPLOITANT = "+224600000010"
LIKE_SMPP = Capabilities(
    two_way=True, receipts=Receipts.HANDSET, is_handover_atomic=False, is_repeat_harmless=False,
    per_s=10.0, window=10, receipt_within=GRACE,
)  # fmt: skip


@dataclass
class Route:
    """A route that answers as it is told: `answers` in turn, then always Accepted with a new id."""

    caps: Capabilities = LIKE_SMPP
    answers: list[Outcome | None] = field(default_factory=list)  # None: no answer ever comes
    places: int = 10
    is_up: bool = True
    balance: float | None = 12_500.0
    expires_at: datetime | None = None
    knows: dict[uuid.UUID, Outcome] = field(default_factory=dict)
    taken: list[Outgoing] = field(default_factory=list)
    waiting: list[Event] = field(default_factory=list)
    told_done: list[Event] = field(default_factory=list)
    ids: Iterator[int] = field(default_factory=itertools.count)

    def room(self) -> int:
        return self.places

    def submit(self, messages: Sequence[Outgoing]) -> None:
        for message in messages:
            self.taken.append(message)
            outcome = self.answers.pop(0) if self.answers else Accepted(f"id-{next(self.ids)}")
            if outcome is not None:
                self.waiting.append(Submitted(message.ref, outcome))

    def settle(self, message: Outgoing) -> Outcome | None:
        return self.knows.get(message.ref)

    def events(self) -> list[Event]:
        return list(self.waiting)

    def done(self, events: Iterable[Event]) -> None:
        for event in events:
            self.waiting.remove(event)
            self.told_done.append(event)

    def health(self) -> Health:
        return Health(self.is_up, "", self.balance, "GNF", self.expires_at, low_below=1_000.0)

    def close(self) -> None:
        pass


class Desk:
    """A committee, an alert about its water, routes, and a sender that can be killed."""

    def __init__(self, url: str, zones: list[Zone], **routes: Route) -> None:
        self.connection = connect(url)
        import_zones(self.connection, [zone for zone in zones if zone.zone_id == "zone-3"])
        self.clock = ManualClock(NOON)
        self.routes: dict[str, Carrier] = dict(routes)
        self.restart()
        row = self.connection.execute(
            "INSERT INTO alert (zone_id, fault, asset_id, severity, state, first_evidence_at, last_evidence_at,"
            " opened_at, confidence, evidence) VALUES ('zone-3', 'pump_not_running', 'pump', 3, 'open', %s, %s, %s, 1,"
            " '{}') RETURNING alert_id",
            [NOON, NOON, NOON],
        ).fetchone()
        assert row is not None
        self.alert_id = row[0]

    def restart(self) -> None:
        """The sender dies and another one begins; what it had in its hands is unknown to the new one."""
        self.sender = Sender(self.connection, self.routes, self.clock)

    def queue(self, text: str = "A1 POMPE ARRETEE", *, urgency: Urgency = Urgency.NO_WATER, kind: str = "opened",
              phone: str = EXPLOITANT, step: str = "first") -> uuid.UUID:  # fmt: skip
        ref = uuid.uuid4()
        self.connection.execute(
            "INSERT INTO notification (ref, alert_id, zone_id, phone, kind, step, reason, language, text, segments,"
            " urgency, state, created_at, next_try_at, valid_until)"
            " VALUES (%s, %s, 'zone-3', %s, %s, %s, 'first_on_the_ladder', 'fr', %s, 1, %s, 'queued', %s, %s, %s)",
            [ref, None if kind == "reply" else self.alert_id, phone, kind, step, text, urgency, self.clock.now(),
             self.clock.now(), self.clock.now() + timedelta(hours=24)],
        )  # fmt: skip
        return ref

    def pass_by(self, span: timedelta, *, every: timedelta = timedelta(seconds=10)) -> None:
        end = self.clock.now() + span
        while self.clock.now() < end:
            self.sender.work()
            self.clock.advance(every)
        self.sender.work()

    def state(self, ref: uuid.UUID) -> tuple[str, str, bool]:
        """(state, route, whether it may have left twice)"""
        row = self.connection.execute(
            "SELECT state, carrier, possible_duplicate FROM notification WHERE ref = %s", [ref]
        ).fetchone()
        assert row is not None
        return row[0], row[1], row[2]

    def attempts(self, ref: uuid.UUID) -> list[tuple[str, str | None]]:
        return self.connection.execute(
            "SELECT t.carrier, t.outcome FROM sms_attempt t JOIN notification USING (notification_id) WHERE ref = %s"
            " ORDER BY sms_attempt_id",
            [ref],
        ).fetchall()


@pytest.fixture
def sim() -> Route:
    return Route()


@pytest.fixture
def second() -> Route:
    return Route()


@pytest.fixture
def desk(database_url: str, zones: list[Zone], sim: Route) -> Iterator[Desk]:
    found = Desk(database_url, zones, sim=sim)
    yield found
    found.connection.close()


@pytest.fixture
def two_routes(database_url: str, zones: list[Zone], sim: Route, second: Route) -> Iterator[Desk]:
    found = Desk(database_url, zones, sim=sim, second=second)
    yield found
    found.connection.close()


def receipt(
    provider_id: str,
    fate: Fate = Fate.DELIVERED,
    *,
    head: str = "",
    phone: str | None = EXPLOITANT,
    at: datetime = NOON,
) -> Receipt:
    return Receipt((provider_id,), fate, at, "raw", phone=phone, text_head=head)


def test_an_sms_is_accepted_then_delivered_and_the_route_is_told_after_the_commit(desk: Desk, sim: Route) -> None:
    ref = desk.queue()
    desk.sender.work()
    assert desk.state(ref) == ("accepted", "sim", False)
    sim.waiting.append(receipt("id-0"))
    desk.sender.work()
    assert desk.state(ref) == ("delivered", "sim", False)
    assert sim.waiting == []
    assert [kind for (kind,) in desk.connection.execute("SELECT kind FROM alert_event ORDER BY event_id")] == [
        "told", "delivered",
    ]  # fmt: skip


def test_a_receipt_before_the_answer_is_kept_and_placed_when_the_answer_comes(desk: Desk, sim: Route) -> None:
    sim.answers = [None]
    ref = desk.queue()
    desk.sender.work()
    sim.waiting.append(receipt("7F3A"))
    desk.sender.work()
    assert desk.state(ref)[0] == "submitting"
    sim.waiting.append(Submitted(ref, Accepted("7F3A")))
    desk.sender.work()
    assert desk.state(ref)[0] == "delivered"


def test_a_receipt_that_comes_twice_leaves_one_event(desk: Desk, sim: Route) -> None:
    desk.queue()
    desk.sender.work()
    sim.waiting += [receipt("id-0"), receipt("id-0")]
    desk.sender.work()
    assert desk.connection.execute("SELECT count(*) FROM alert_event WHERE kind = 'delivered'").fetchone() == (1,)


def test_ids_that_come_again_are_told_apart_by_the_phone(desk: Desk, sim: Route) -> None:
    sim.answers = [Accepted("123456789"), Accepted("123456789")]
    one, other = desk.queue(), desk.queue(phone="+224600000011", step="second")
    desk.sender.work()
    sim.waiting.append(receipt("123456789", phone=EXPLOITANT))
    desk.sender.work()
    assert (desk.state(one)[0], desk.state(other)[0]) == ("delivered", "accepted")


def test_an_id_as_it_is_written_goes_before_what_it_may_mean(desk: Desk, sim: Route) -> None:
    sim.answers = [Accepted("10"), Accepted("16")]
    one, other = desk.queue(), desk.queue(step="second")
    desk.sender.work()
    sim.waiting.append(Receipt(("10", "16"), Fate.DELIVERED, NOON, "raw", phone=EXPLOITANT))
    desk.sender.work()
    assert (desk.state(one)[0], desk.state(other)[0]) == ("delivered", "accepted")


def test_a_receipt_without_any_id_settles_what_it_can_only_mean(desk: Desk, sim: Route) -> None:
    sim.answers = [None]
    ref = desk.queue()
    desk.sender.work()
    desk.restart()
    sim.waiting.append(Receipt((), Fate.DELIVERED, NOON, "raw", phone=EXPLOITANT, text_head="A1 POMPE"))
    desk.pass_by(GRACE * 2 + timedelta(seconds=20))
    assert desk.state(ref)[0] == "delivered"
    assert len(sim.taken) == 1


def test_what_is_delivered_stays_delivered_and_a_late_delivery_wins(desk: Desk, sim: Route) -> None:
    one, other = desk.queue(), desk.queue(step="second")
    desk.sender.work()
    sim.waiting += [receipt("id-0"), receipt("id-0", Fate.EXPIRED), receipt("id-1", Fate.EXPIRED)]
    desk.sender.work()
    assert (desk.state(one)[0], desk.state(other)[0]) == ("delivered", "undelivered")
    sim.waiting.append(receipt("id-1"))
    desk.sender.work()
    assert desk.state(other)[0] == "delivered"


def test_without_a_receipt_it_is_never_called_delivered(desk: Desk) -> None:
    ref = desk.queue()
    desk.pass_by(RECEIPT_DUE + timedelta(seconds=10), every=timedelta(minutes=1))
    assert desk.state(ref)[0] == "no_receipt"


@pytest.mark.parametrize("head", ["A1 POMPE", ""], ids=["repeats-the-text", "the-only-one-uncertain-to-that-phone"])
def test_a_sender_killed_in_between_is_settled_by_the_receipt_and_sends_nothing_again(
    desk: Desk, sim: Route, head: str
) -> None:
    sim.answers = [None]
    ref = desk.queue()
    desk.sender.work()
    desk.restart()
    sim.waiting.append(receipt("never-told", head=head))
    desk.pass_by(GRACE + timedelta(seconds=20))
    assert desk.state(ref) == ("delivered", "sim", False)
    assert len(sim.taken) == 1


def test_killed_and_no_receipt_news_of_a_fault_is_sent_again_and_marked(desk: Desk, sim: Route) -> None:
    sim.answers = [None]
    ref = desk.queue()
    desk.sender.work()
    desk.restart()
    desk.pass_by(GRACE - timedelta(seconds=20))
    assert len(sim.taken) == 1, "not before the grace is over"
    desk.pass_by(timedelta(seconds=40))
    assert desk.state(ref) == ("accepted", "sim", True)
    assert [message.ref for message in sim.taken] == [ref, ref]


def test_news_of_which_a_route_never_tells_leaves_three_times_and_then_once_an_hour(desk: Desk, sim: Route) -> None:
    """A front that gives up waiting, behind which each of them may have left; and one that is back after two hours."""
    sim.answers = [Uncertain("HTTP 504")] * (MOST_IN_DOUBT + 1)
    ref = desk.queue()
    desk.pass_by(timedelta(minutes=50), every=timedelta(seconds=30))
    assert len(sim.taken) == MOST_IN_DOUBT
    desk.pass_by(timedelta(minutes=40), every=timedelta(seconds=30))
    assert (len(sim.taken), desk.state(ref)[0]) == (MOST_IN_DOUBT + 1, "queued")
    desk.pass_by(timedelta(hours=1), every=timedelta(seconds=30))
    assert (len(sim.taken), desk.state(ref)) == (MOST_IN_DOUBT + 2, ("no_receipt", "sim", True))


def test_news_of_which_one_route_never_tells_leaves_by_the_other(two_routes: Desk, sim: Route, second: Route) -> None:
    sim.answers = [Uncertain("HTTP 504")] * 100
    ref = two_routes.queue()
    two_routes.pass_by(timedelta(minutes=10))
    assert two_routes.state(ref) == ("accepted", "second", True)
    assert (len(sim.taken), len(second.taken)) == (MOST_IN_DOUBT, 1)


def test_what_may_be_repeated_without_harm_is_repeated_until_the_route_tells(desk: Desk, sim: Route) -> None:
    sim.caps, sim.answers = replace(LIKE_SMPP, is_repeat_harmless=True), [Uncertain("timeout")] * (MOST_IN_DOUBT + 1)
    ref = desk.queue()
    desk.pass_by(timedelta(minutes=15))
    assert desk.state(ref) == ("accepted", "sim", False)


@pytest.mark.parametrize(("urgency", "kind"), [(Urgency.ROUTINE, "resolved"), (Urgency.ANSWER, "reply")])
def test_what_is_not_urgent_is_never_sent_twice(desk: Desk, sim: Route, urgency: Urgency, kind: str) -> None:
    desk.queue()  # or nobody would need to hear the end
    desk.sender.work()
    if kind == "resolved":
        desk.connection.execute("UPDATE alert SET state = 'resolved'")
    sim.answers = [Uncertain("the link broke")]
    ref = desk.queue("fin", urgency=urgency, kind=kind, step="end")
    desk.pass_by(GRACE + timedelta(minutes=1))
    assert desk.state(ref) == ("abandoned", "sim", False)
    assert sum(message.ref == ref for message in sim.taken) == 1


def test_the_grace_counts_from_when_a_receipt_can_come(desk: Desk, sim: Route) -> None:
    sim.answers = [None]
    ref = desk.queue("A1 POMPE ARRETEE")
    desk.sender.work()
    desk.restart()
    desk.clock.advance(timedelta(minutes=5))  # we were dead for longer than the grace
    sim.is_up = False
    desk.pass_by(timedelta(seconds=30))
    sim.is_up = True
    desk.pass_by(timedelta(seconds=30))
    sim.waiting.append(receipt("id-0", head="A1 POMPE"))
    desk.pass_by(GRACE)
    assert desk.state(ref) == ("delivered", "sim", False)
    assert len(sim.taken) == 1


@pytest.mark.parametrize(
    ("fate", "then"),
    [
        pytest.param(Fate.ON_THE_NETWORK, "no_receipt", id="it-is-on-its-way"),
        pytest.param(Fate.UNDELIVERED, "undelivered", id="it-did-not-arrive"),
    ],
)
def test_a_receipt_that_names_our_reference_says_that_the_route_has_it(
    desk: Desk, sim: Route, fate: Fate, then: str
) -> None:
    """The gateway's answer was lost; what it then told of the SMS was not."""
    sim.answers = [Uncertain("no answer")]
    ref = desk.queue()
    desk.pass_by(timedelta(seconds=20))
    sim.waiting.append(Receipt((str(ref),), fate, desk.clock.now(), "8", ref=ref, phone=EXPLOITANT))
    desk.pass_by(GRACE * 2)
    desk.pass_by(RECEIPT_DUE, every=timedelta(minutes=1))
    assert (desk.state(ref), desk.attempts(ref)) == ((then, "sim", False), [("sim", "accepted")])
    assert len(sim.taken) == 1
    kinds = desk.connection.execute("SELECT kind FROM alert_event").fetchall()
    assert kinds == [("told",)], "the story tells it as it tells an answer"


def test_a_receipt_that_overtakes_the_lost_answer_is_believed(desk: Desk, sim: Route) -> None:
    sim.answers = [None]
    ref = desk.queue()
    desk.sender.work()
    sim.waiting.append(Receipt((), Fate.ON_THE_NETWORK, desk.clock.now(), "8", ref=ref))
    desk.pass_by(timedelta(seconds=30))
    sim.waiting.append(Submitted(ref, Uncertain("no answer")))
    desk.pass_by(GRACE * 2)
    assert (desk.state(ref), desk.attempts(ref)) == (("accepted", "sim", False), [("sim", "accepted")])
    assert len(sim.taken) == 1


def test_a_receipt_of_what_waits_to_be_sent_again_ends_the_waiting(desk: Desk, sim: Route) -> None:
    sim.answers = [Uncertain("no answer")]
    ref = desk.queue()
    desk.sender.work()
    sim.places = 0
    desk.pass_by(GRACE + timedelta(seconds=30))
    assert desk.state(ref)[0] == "queued"
    sim.waiting.append(Receipt((), Fate.ON_THE_NETWORK, desk.clock.now(), "8", ref=ref))
    desk.pass_by(timedelta(seconds=10))
    sim.places = 10
    desk.pass_by(timedelta(seconds=30))
    assert (desk.state(ref)[0], len(sim.taken)) == ("accepted", 1)


def test_a_sender_that_was_dead_for_hours_listens_first_and_then_judges(desk: Desk, sim: Route) -> None:
    sim.answers = [None]
    ref = desk.queue("A1 POMPE ARRETEE")
    desk.sender.work()
    desk.clock.advance(timedelta(hours=3))  # a power cut, longer than any outage that is waited for
    desk.restart()
    desk.pass_by(timedelta(seconds=30))
    sim.waiting.append(receipt("id-0", head="A1 POMPE"))  # it has waited over there
    desk.pass_by(GRACE)
    assert desk.state(ref) == ("delivered", "sim", False)
    assert len(sim.taken) == 1


def test_a_sender_that_dies_again_and_again_still_knows_the_receipt_that_came_long_ago(desk: Desk, sim: Route) -> None:
    sim.answers = [None]
    ref = desk.queue("A1 POMPE ARRETEE")
    desk.sender.work()
    sim.waiting.append(receipt("id-0", head="A1 POMPE"))
    for _ in range(5):  # it never lives as long as the grace
        desk.restart()
        desk.pass_by(GRACE / 2)
    desk.restart()
    desk.pass_by(GRACE + timedelta(seconds=20))
    assert desk.state(ref) == ("delivered", "sim", False)
    assert len(sim.taken) == 1


def test_a_sender_that_was_asleep_has_not_listened(desk: Desk, sim: Route) -> None:
    sim.answers = [Uncertain("no answer")]
    desk.pass_by(GRACE + timedelta(seconds=20))  # it has listened for long
    ref = desk.queue("A1 POMPE ARRETEE")
    desk.sender.work()
    desk.clock.advance(timedelta(hours=1))
    desk.pass_by(timedelta(seconds=30))
    sim.waiting.append(receipt("id-0", head="A1 POMPE"))
    desk.pass_by(GRACE)
    assert desk.state(ref) == ("delivered", "sim", False)
    assert len(sim.taken) == 1


def test_a_route_that_does_not_come_back_is_not_waited_for_longer_than_news_of_a_fault_can(
    desk: Desk, sim: Route
) -> None:
    sim.answers = [None]
    ref = desk.queue()
    desk.sender.work()
    desk.restart()
    sim.is_up = False
    desk.pass_by(LONGEST_OUTAGE + GRACE + timedelta(seconds=20))
    assert len(sim.taken) == 2
    assert desk.state(ref)[2], "flagged as possibly twice"


def test_what_a_route_had_that_stands_in_the_settings_no_more_is_not_waited_for(
    two_routes: Desk, sim: Route, second: Route
) -> None:
    sim.answers = [None, Uncertain("no answer"), None]
    news, more = two_routes.queue(), two_routes.queue(step="second", phone="+224600000011")
    reminder = two_routes.queue("rappel", urgency=Urgency.ROUTINE, kind="reminder", step="day-1")
    two_routes.sender.work()
    two_routes.routes = {"second": second}
    two_routes.restart()
    two_routes.pass_by(LONGEST_OUTAGE - timedelta(minutes=1))
    assert second.taken == [], "it may come back, under its name"
    two_routes.pass_by(timedelta(minutes=2))
    assert {two_routes.state(ref) for ref in (news, more)} == {("accepted", "second", True)}
    assert two_routes.state(reminder)[0] == "abandoned"


def test_a_route_that_knows_settles_it(desk: Desk, sim: Route) -> None:
    sim.answers = [Uncertain("no answer")]
    ref = desk.queue()
    desk.sender.work()
    sim.knows[ref] = Accepted("found")
    desk.pass_by(GRACE + timedelta(seconds=20))
    assert desk.state(ref) == ("accepted", "sim", False)
    assert len(sim.taken) == 1


def test_where_a_repeat_is_harmless_it_is_handed_over_again_without_a_mark(desk: Desk, sim: Route) -> None:
    sim.caps, sim.answers = replace(LIKE_SMPP, is_repeat_harmless=True), [Uncertain("timeout")]
    ref = desk.queue(kind="reply", urgency=Urgency.ANSWER)
    desk.pass_by(GRACE + timedelta(seconds=20))
    assert desk.state(ref) == ("accepted", "sim", False)


def test_a_repeat_that_is_harmless_on_its_own_route_is_marked_when_another_sends_it(
    two_routes: Desk, sim: Route, second: Route
) -> None:
    """The request reached the telephone, then its Wi-Fi was gone."""
    sim.caps = replace(LIKE_SMPP, is_repeat_harmless=True)
    gone = Refused("the route cannot be reached", is_permanent=False)
    sim.answers = [Uncertain("no answer"), Uncertain("no answer"), gone, gone]
    news, rest = two_routes.queue(), two_routes.queue("rappel", urgency=Urgency.ROUTINE, kind="reminder", step="day-1")
    two_routes.pass_by(GRACE + timedelta(minutes=2))
    assert two_routes.state(news) == ("accepted", "second", True)
    two_routes.pass_by(timedelta(minutes=10), every=timedelta(seconds=30))
    assert [message.ref for message in second.taken] == [news], "a reminder is told rather never than twice"
    assert two_routes.state(rest) == ("accepted", "sim", False), "by the telephone that may have it already"


def test_a_slow_answer_is_waited_for_by_the_sender_that_asked(desk: Desk, sim: Route) -> None:
    sim.answers = [None]
    ref = desk.queue()
    desk.pass_by(GRACE * 2)
    assert desk.state(ref)[0] == "submitting", "it is still in the route's hands"
    sim.waiting.append(Submitted(ref, Accepted("late")))
    desk.sender.work()
    assert desk.state(ref)[0] == "accepted"
    assert len(sim.taken) == 1


def test_the_most_urgent_leaves_first_whatever_waits(desk: Desk, sim: Route) -> None:
    sim.places = 1
    for number in range(5):
        desk.queue(kind="reply", urgency=Urgency.ANSWER, step=f"reply-{number}")
    urgent = desk.queue()
    desk.sender.work()
    assert [message.ref for message in sim.taken] == [urgent]


def test_a_refusal_asks_the_next_route_at_once(two_routes: Desk, sim: Route, second: Route) -> None:
    sim.answers = [Refused("no credit", is_permanent=False)]
    ref = two_routes.queue()
    two_routes.pass_by(timedelta(seconds=10))
    assert two_routes.state(ref) == ("accepted", "second", False)
    assert two_routes.attempts(ref) == [("sim", "refused"), ("second", "accepted")]


def not_sent(desk: Desk, ref: uuid.UUID) -> Receipt:
    at = desk.clock.now()
    return Receipt(
        (str(ref),), Fate.UNDELIVERED, at, "sms:failed no credit", ref=ref, phone=EXPLOITANT, never_left=True
    )


def test_what_a_route_took_and_could_not_send_leaves_by_the_other(two_routes: Desk, sim: Route, second: Route) -> None:
    """The telephone's SIM has no credit: the app takes each SMS, and each fails."""
    ref = two_routes.queue()
    two_routes.sender.work()
    told = not_sent(two_routes, ref)
    sim.waiting.append(told)
    two_routes.pass_by(timedelta(seconds=10))
    assert two_routes.state(ref) == ("accepted", "second", False)
    assert two_routes.attempts(ref) == [("sim", "refused_for_good"), ("second", "accepted")]
    sim.waiting.append(told)  # once more
    two_routes.pass_by(timedelta(minutes=2))
    assert (len(sim.taken), len(second.taken)) == (1, 1)


def test_what_another_route_has_taken_is_not_undelivered_because_the_first_could_not(
    two_routes: Desk, sim: Route, second: Route
) -> None:
    ref = two_routes.queue()
    two_routes.sender.work()
    sim.waiting.append(not_sent(two_routes, ref))
    two_routes.pass_by(timedelta(seconds=10))
    assert two_routes.state(ref) == ("accepted", "second", False)
    sim.waiting.append(receipt("id-0", Fate.EXPIRED))
    two_routes.pass_by(timedelta(minutes=2))
    assert two_routes.state(ref) == ("accepted", "second", False)
    sim.waiting.append(receipt("id-0"))
    two_routes.sender.work()
    assert two_routes.state(ref)[0] == "delivered", "whichever route it came by"


def undelivered(desk: Desk, ref: uuid.UUID) -> Receipt:
    return Receipt((str(ref),), Fate.UNDELIVERED, desk.clock.now(), "8", ref=ref, phone=EXPLOITANT)


def test_what_waits_for_another_route_leaves_by_it_though_the_first_says_that_it_did_not_arrive(
    two_routes: Desk, sim: Route, second: Route
) -> None:
    sim.answers = [Uncertain("HTTP 504")] * MOST_IN_DOUBT
    second.places = 0
    ref = two_routes.queue()
    two_routes.pass_by((GRACE + timedelta(seconds=10)) * MOST_IN_DOUBT)
    assert (two_routes.state(ref)[0], len(sim.taken)) == ("queued", MOST_IN_DOUBT)
    sim.waiting.append(undelivered(two_routes, ref))
    two_routes.sender.work()
    second.places = 10
    two_routes.pass_by(timedelta(seconds=10))
    assert two_routes.state(ref)[:2] == ("accepted", "second")


def test_what_waits_for_the_route_that_says_that_it_did_not_arrive_is_undelivered(desk: Desk, sim: Route) -> None:
    sim.answers = [Uncertain("no answer")]
    ref = desk.queue()
    desk.sender.work()
    sim.places = 0
    desk.pass_by(GRACE + timedelta(seconds=30))
    assert desk.state(ref)[0] == "queued"
    sim.waiting.append(undelivered(desk, ref))
    desk.sender.work()
    assert desk.state(ref)[0] == "undelivered"


def test_what_another_route_has_in_hand_stays_there_though_the_first_says_that_it_did_not_arrive(
    two_routes: Desk, sim: Route, second: Route
) -> None:
    sim.answers, second.answers = [Uncertain("HTTP 504")] * MOST_IN_DOUBT, [None]
    ref = two_routes.queue()
    two_routes.pass_by((GRACE + timedelta(seconds=10)) * MOST_IN_DOUBT)
    assert two_routes.state(ref)[:2] == ("submitting", "second")
    sim.waiting.append(undelivered(two_routes, ref))
    two_routes.sender.work()
    assert two_routes.state(ref)[:2] == ("submitting", "second")
    sim.places = 0
    second.waiting.append(Submitted(ref, Refused("no credit", is_permanent=False)))
    two_routes.sender.work()
    assert two_routes.state(ref)[0] == "queued", "it is offered again"


def test_what_failed_after_it_was_sent_is_not_sent_again(two_routes: Desk, sim: Route, second: Route) -> None:
    ref = two_routes.queue()
    two_routes.sender.work()
    sim.waiting += [receipt("id-0", Fate.ON_THE_NETWORK), not_sent(two_routes, ref)]
    two_routes.pass_by(timedelta(minutes=2))
    assert (two_routes.state(ref)[0], second.taken) == ("undelivered", [])


def test_where_there_is_no_other_route_what_could_not_be_sent_is_undelivered(desk: Desk, sim: Route) -> None:
    ref = desk.queue()
    desk.sender.work()
    sim.waiting.append(not_sent(desk, ref))
    desk.pass_by(timedelta(minutes=2))
    assert (desk.state(ref)[0], desk.attempts(ref)) == ("undelivered", [("sim", "accepted")])


def test_a_number_that_every_route_refuses_for_good_fails_and_says_why(
    two_routes: Desk, sim: Route, second: Route
) -> None:
    sim.answers, second.answers = ([Refused("no such number", is_permanent=True)] for _ in range(2))
    ref = two_routes.queue()
    two_routes.pass_by(timedelta(minutes=5))
    assert two_routes.state(ref)[0] == "failed"
    assert two_routes.attempts(ref) == [("sim", "refused_for_good"), ("second", "refused_for_good")]
    assert two_routes.connection.execute("SELECT error FROM notification").fetchone() == ("no such number",)


def test_what_a_route_does_not_take_is_offered_every_ten_minutes_until_it_does(desk: Desk, sim: Route) -> None:
    """A gateway that was not paid for: it is topped up after two hours, and people hear."""
    sim.answers = [Refused("no credit", is_permanent=False)] * 15  # at 0, 1, 3, 7 and 15 min, then every ten
    ref = desk.queue()
    desk.pass_by(timedelta(hours=2), every=timedelta(seconds=30))
    assert (desk.state(ref)[0], len(desk.attempts(ref))) == ("queued", 15)
    desk.pass_by(timedelta(minutes=10), every=timedelta(seconds=30))
    assert desk.state(ref) == ("accepted", "sim", False)


def test_what_no_route_has_taken_in_its_time_leaves_no_more(desk: Desk, sim: Route) -> None:
    sim.answers = [Refused("no credit", is_permanent=False)] * 1000
    ref = desk.queue()
    desk.pass_by(timedelta(hours=24, minutes=10), every=timedelta(minutes=10))
    assert desk.state(ref)[0] == "expired"
    assert len(sim.taken) <= 24 * 6 + 1


def test_too_fast_is_no_failure(desk: Desk, sim: Route) -> None:
    sim.answers = [Throttled(30.0)] * 20
    ref = desk.queue()
    desk.pass_by(timedelta(minutes=15))
    assert desk.state(ref)[0] == "accepted"


@dataclass
class Resting(Route):
    """It says "slower" to the first `times`, and takes nothing while it rests after that."""

    times: int = 0
    rest: timedelta = timedelta(seconds=60)
    clock: ManualClock = field(default_factory=lambda: ManualClock(NOON))
    rests_until: datetime = NOON
    asked_at: list[datetime] = field(default_factory=list)

    def room(self) -> int:
        return 0 if self.clock.now() < self.rests_until else self.places

    def submit(self, messages: Sequence[Outgoing]) -> None:
        now = self.clock.now()
        self.asked_at += [now] * len(messages)
        is_too_fast, self.times = self.times > 0, self.times - len(messages)
        self.answers = [Throttled(self.rest.total_seconds())] * len(messages) if is_too_fast else []
        self.rests_until = now + self.rest if is_too_fast else now
        super().submit(messages)


@pytest.mark.parametrize(
    ("rest_s", "within"),
    [
        pytest.param(10, PATIENCE + timedelta(seconds=5), id="again-and-again-for-ten-seconds"),
        pytest.param(60, timedelta(seconds=65), id="for-a-minute-as-smpp-rests"),
        pytest.param(3600, timedelta(seconds=5), id="for-an-hour-as-a-retry-after-says"),
    ],
)
def test_no_water_waits_a_minute_at_most_for_a_route_that_wants_to_go_slower(
    two_routes: Desk, second: Route, rest_s: int, within: timedelta
) -> None:
    sim = Resting(times=1_000_000, rest=timedelta(seconds=rest_s), clock=two_routes.clock)
    two_routes.routes["sim"] = sim
    two_routes.restart()
    ref = two_routes.queue()
    two_routes.pass_by(within, every=timedelta(seconds=5))
    assert two_routes.state(ref) == ("accepted", "second", False)
    assert two_routes.attempts(ref)[-2:] == [("sim", "throttled"), ("second", "accepted")]
    two_routes.pass_by(timedelta(minutes=2))
    ((is_up,),) = two_routes.connection.execute("SELECT is_up FROM carrier_state WHERE carrier = 'sim'").fetchall()
    assert is_up, "who wants to go slower has not failed"


def test_two_routes_that_both_want_to_go_slower_are_asked_no_more_often_than_they_want(
    two_routes: Desk, sim: Route, second: Route
) -> None:
    """And no more than that either where a route does not itself keep its rest."""
    sim.answers, second.answers = [Throttled(70.0)] * 100, [Throttled(20.0)] * 5
    ref = two_routes.queue()
    two_routes.pass_by(timedelta(minutes=3), every=timedelta(seconds=1))
    assert two_routes.state(ref)[:2] == ("accepted", "second")
    asked = two_routes.connection.execute(
        "SELECT carrier, extract(epoch FROM began_at - %s)::int FROM sms_attempt ORDER BY sms_attempt_id", [NOON]
    ).fetchall()
    assert asked == [
        ("sim", 0), *[("second", at) for at in (0, 20, 40, 60, 80)], ("sim", 81), ("sim", 151), ("second", 151)
    ]  # fmt: skip


def test_a_route_that_never_takes_it_is_not_asked_because_another_wants_to_go_slower(
    two_routes: Desk, sim: Route, second: Route
) -> None:
    sim.answers, second.answers = [Refused("foreign number", is_permanent=True)], [Throttled(30.0)] * 5
    ref = two_routes.queue()
    two_routes.pass_by(timedelta(minutes=3))
    assert two_routes.attempts(ref) == [
        ("sim", "refused_for_good"), *[("second", "throttled")] * 5, ("second", "accepted")
    ]  # fmt: skip


def test_while_the_first_route_is_down_the_second_takes_what_has_waited(
    two_routes: Desk, sim: Route, second: Route
) -> None:
    sim.places = 0
    ref = two_routes.queue()
    two_routes.pass_by(PATIENCE - timedelta(seconds=10))
    assert two_routes.state(ref)[0] == "queued"
    two_routes.pass_by(timedelta(seconds=30))
    assert two_routes.state(ref) == ("accepted", "second", False)


def test_a_route_that_fails_again_and_again_rests_and_is_then_tried_with_one(
    two_routes: Desk, sim: Route, second: Route
) -> None:
    sim.answers = [Refused("down", is_permanent=False)] * FAILURES
    for number in range(FAILURES):
        two_routes.queue(step=f"{number}")
    two_routes.connection.execute("UPDATE notification SET kind = 'reply', alert_id = NULL")
    two_routes.sender.work()
    refs = [two_routes.queue(kind="reply", step=f"more-{number}") for number in range(3)]
    two_routes.pass_by(timedelta(seconds=20))
    assert {two_routes.state(ref)[1] for ref in refs} == {"second"}, "nobody waits for a route that is down"
    two_routes.clock.advance(REST)
    later = [two_routes.queue(kind="reply", step=f"later-{number}") for number in range(3)]
    two_routes.sender.work()
    assert sorted(two_routes.state(ref)[0] for ref in later) == ["accepted", "queued", "queued"], "one is tried"
    two_routes.sender.work()
    assert {two_routes.state(ref)[1] for ref in later} == {"sim"}


def test_somebody_answers_and_what_waits_for_others_never_leaves(desk: Desk, sim: Route) -> None:
    sim.places = 0
    ref = desk.queue(step="second")
    desk.sender.work()
    desk.connection.execute("UPDATE alert SET state = 'acknowledged', acknowledged_at = %s", [NOON])
    sim.places = 10
    desk.pass_by(timedelta(seconds=5), every=timedelta(seconds=1))
    assert desk.state(ref)[0] == "superseded"
    assert sim.taken == []


def test_what_had_its_time_never_leaves(desk: Desk, sim: Route) -> None:
    sim.places = 0
    ref = desk.queue()
    desk.pass_by(timedelta(hours=24, minutes=10), every=timedelta(minutes=10))
    sim.places = 10
    desk.pass_by(timedelta(minutes=1))
    assert desk.state(ref)[0] == "expired"
    assert sim.taken == []


def test_an_sms_that_comes_in_twice_is_stored_and_acted_on_once(desk: Desk, sim: Route) -> None:
    desk.queue()
    desk.sender.work()
    sim.waiting += [Inbound("mo-1", EXPLOITANT, "1", NOON), Inbound("mo-1", EXPLOITANT, "1", NOON)]
    desk.sender.work()
    assert desk.connection.execute("SELECT count(*), min(intention) FROM sms_in").fetchone() == (1, "seen")
    assert desk.connection.execute("SELECT count(*) FROM alert_event WHERE kind = 'reply'").fetchone() == (1,)


def test_who_answers_what_nobody_knows_to_have_left_has_read_it(desk: Desk, sim: Route) -> None:
    sim.answers = [Uncertain("no answer")]
    ref = desk.queue()
    desk.sender.work()
    sim.places = 0
    desk.pass_by(GRACE + timedelta(seconds=30))
    assert desk.state(ref)[0] == "queued"
    sim.waiting.append(Inbound("mo-1", EXPLOITANT, "1", desk.clock.now()))
    desk.sender.work()
    assert desk.connection.execute("SELECT state FROM alert").fetchone() == ("acknowledged",)


def test_who_writes_before_the_sms_has_left_answers_something_else(desk: Desk, sim: Route) -> None:
    sim.places = 0
    desk.queue()
    desk.sender.work()
    sim.waiting.append(Inbound("mo-1", EXPLOITANT, "1", NOON))
    desk.sender.work()
    assert desk.connection.execute("SELECT state FROM alert").fetchone() == ("open",)


def test_a_missed_call_from_somebody_who_was_told_means_seen(desk: Desk, sim: Route) -> None:
    desk.queue()
    desk.sender.work()
    sim.waiting.append(Call("call-1", EXPLOITANT, NOON))
    desk.sender.work()
    assert desk.connection.execute("SELECT state FROM alert").fetchone() == ("acknowledged",)


def test_a_missed_call_of_a_stranger_is_kept_and_means_nothing(desk: Desk, sim: Route) -> None:
    desk.queue()
    desk.sender.work()
    sim.waiting.append(Call("call-1", "+224699999999", NOON))
    desk.sender.work()
    assert desk.connection.execute("SELECT state FROM alert").fetchone() == ("open",)
    assert desk.connection.execute("SELECT kind, intention FROM sms_in").fetchall() == [("call", "unclear")]


def test_an_event_that_trips_us_does_not_hold_back_the_others(desk: Desk, sim: Route) -> None:
    ref = desk.queue()
    desk.sender.work()
    unstorable = Inbound("mo-1", "\ud800", "1", NOON)  # no text of any database
    sim.waiting += [unstorable, receipt("id-0")]
    desk.sender.work()
    assert desk.state(ref)[0] == "delivered"
    assert sim.waiting == []


def test_the_state_of_each_route_is_kept_with_its_credit(desk: Desk) -> None:
    desk.sender.work()
    rows = desk.connection.execute("SELECT carrier, is_up, balance, balance_unit FROM carrier_state").fetchall()
    assert rows == [("sim", True, 12_500.0, "GNF")]


def test_a_clock_that_is_set_back_by_a_day_does_not_keep_the_sender_from_its_routes(desk: Desk, sim: Route) -> None:
    desk.sender.work()
    desk.clock.set(NOON - timedelta(days=1))
    sim.is_up = False
    desk.sender.work()
    assert desk.connection.execute("SELECT is_up, asked_at FROM carrier_state").fetchall() == [
        (False, NOON - timedelta(days=1))
    ]


def engineer(desk: Desk, phone: str = "+224600000099") -> None:
    desk.connection.execute(
        "INSERT INTO contact (zone_id, name, role, phone, language, rank) VALUES ('zone-3', 'Aissatou Bah (fictive)',"
        " 'ingenieur', %s, 'fr', 9)",
        [phone],
    )


def low_since(desk: Desk, route: str = "sim") -> datetime | None:
    row = desk.connection.execute("SELECT low_since FROM carrier_state WHERE carrier = %s", [route]).fetchone()
    assert row is not None
    found: datetime | None = row[0]
    return found


def test_low_credit_is_told_once_by_the_other_route_and_again_after_a_top_up(
    two_routes: Desk, sim: Route, second: Route
) -> None:
    engineer(two_routes)
    two_routes.pass_by(timedelta(minutes=3))
    assert low_since(two_routes) is None
    sim.balance = 999.0
    two_routes.pass_by(timedelta(hours=2))
    text = (
        "NDIYAN: CREDIT BAS, route sim. Reste 999 GNF. Rechargez-la: sans crédit les alertes ne partent plus par elle."
    )
    assert (sim.taken, [(sms.phone, sms.text) for sms in second.taken]) == ([], [("+224600000099", text)])
    assert low_since(two_routes) is not None
    sim.balance = None  # the gateway does not tell for a while: nothing is known anew
    two_routes.pass_by(timedelta(minutes=3))
    sim.balance = 998.0
    two_routes.restart()
    two_routes.pass_by(timedelta(minutes=3))
    assert len(second.taken) == 1
    sim.balance = 50_000.0
    two_routes.pass_by(timedelta(minutes=3))
    assert low_since(two_routes) is None
    sim.balance = 500.0
    two_routes.pass_by(timedelta(minutes=3))
    assert len(second.taken) == 2


def test_credit_that_ends_within_three_days_is_low_and_an_only_route_tells_it_itself(desk: Desk, sim: Route) -> None:
    engineer(desk)
    sim.expires_at = NOON + timedelta(days=3, minutes=5)
    desk.pass_by(timedelta(minutes=3))
    assert sim.taken == []
    desk.pass_by(timedelta(minutes=5))
    (told,) = sim.taken
    assert told.text == (
        "NDIYAN: CREDIT BAS, route sim. Reste 12500 GNF. Fin le 05/03/2026. Rechargez-la: sans crédit les alertes ne"
        " partent plus par elle."
    )


def test_what_left_while_the_clock_was_ahead_counts_against_no_cap_once_it_was_set_back(desk: Desk, sim: Route) -> None:
    desk.clock.set(NOON + timedelta(days=1))
    for number in range(6):
        desk.queue(f"A{number} FUITE", urgency=Urgency.ALERT, step=f"told-{number}")
        desk.pass_by(timedelta(minutes=1))
    desk.clock.set(NOON)
    desk.queue("A90 FUITE", urgency=Urgency.ALERT, step="last")
    desk.pass_by(timedelta(minutes=1))
    assert sim.taken[-1].text == "A90 FUITE"


@pytest.mark.parametrize(
    ("urgency", "answer", "found"),
    [
        pytest.param(Urgency.ALERT, Uncertain("no answer"), ("no_receipt", True), id="sent-again"),
        pytest.param(Urgency.ROUTINE, Uncertain("no answer"), ("abandoned", False), id="given-up"),
        pytest.param(Urgency.ALERT, Refused("busy", is_permanent=False), ("no_receipt", False), id="refused-for-now"),
        pytest.param(Urgency.ALERT, Accepted("id-0"), ("no_receipt", False), id="no-receipt-came"),
    ],
)
def test_what_left_while_the_clock_was_ahead_is_settled_once_it_was_set_back(
    desk: Desk, sim: Route, urgency: Urgency, answer: Outcome, found: tuple[str, bool]
) -> None:
    """And not when the clock gets there again."""
    set_back, ref = SetBack(desk.connection), desk.queue(urgency=urgency)
    sim.answers = [answer]
    desk.clock.set(NOON + timedelta(hours=12))
    set_back.look(desk.clock.now())
    desk.pass_by(timedelta(seconds=10))
    desk.clock.set(NOON)
    set_back.look(desk.clock.now())
    desk.pass_by(2 * GRACE)
    desk.pass_by(RECEIPT_DUE, every=timedelta(minutes=1))
    state, _, is_doubtful = desk.state(ref)
    assert (state, is_doubtful) == found


def test_what_was_throttled_while_the_clock_was_ahead_leaves_once_it_was_set_back(desk: Desk, sim: Route) -> None:
    set_back, ref = SetBack(desk.connection), desk.queue()
    sim.answers = [Throttled(30)]
    desk.clock.set(NOON + timedelta(hours=12))
    set_back.look(desk.clock.now())
    desk.pass_by(timedelta(seconds=10))
    desk.clock.set(NOON)
    set_back.look(desk.clock.now())
    desk.pass_by(timedelta(seconds=10))
    assert (len(sim.taken), desk.state(ref)[0]) == (2, "accepted")
    desk.queue("A2 POMPE ARRETEE", step="second")
    sim.answers = [Throttled(3600)]
    desk.pass_by(timedelta(seconds=10))
    SetBack(desk.connection).look(desk.clock.now())
    desk.pass_by(timedelta(minutes=50))
    assert len(sim.taken) == 3, "a service that starts comes no sooner than the route wants it"


def test_what_a_cap_put_off_while_the_clock_was_ahead_leaves_once_it_was_set_back(desk: Desk, sim: Route) -> None:
    set_back, leak = SetBack(desk.connection), desk.queue("A90 FUITE", urgency=Urgency.ALERT, step="leak")
    desk.clock.set(NOON + timedelta(hours=12))
    set_back.look(desk.clock.now())
    for number in range(PER_HOUR):
        desk.queue(f"A{number} POMPE ARRETEE", step=f"told-{number}")
    desk.pass_by(timedelta(minutes=1))
    assert desk.state(leak)[0] == "queued", "they went before and rang the phone often enough"
    desk.clock.set(NOON)
    set_back.look(desk.clock.now())
    desk.pass_by(timedelta(seconds=10))
    assert (sim.taken[-1].text, desk.state(leak)[0]) == ("A90 FUITE", "accepted")


def test_a_volunteer_whom_two_judges_tell_at_once_hears_twice_a_week_all_the_same(
    desk: Desk, sim: Route, database_url: str
) -> None:
    """One leak was told two days ago. Now each of two services tells of another, and sees nothing of the other's."""

    def leak(asset: str) -> int:
        row = desk.connection.execute(
            "INSERT INTO alert (zone_id, fault, asset_id, severity, state, first_evidence_at, last_evidence_at,"
            " opened_at, confidence, evidence) VALUES ('zone-3', 'night_leak', %s, 2, 'open', %s, %s, %s, 1, %s)"
            " RETURNING alert_id",
            [asset, *[desk.clock.now()] * 3, '{"sentence": {"fr": "", "en": ""}, "values": {}}'],
        ).fetchone()
        assert row is not None
        return int(row[0])

    begin(desk.connection, leak("network"), now=desk.clock.now())
    desk.pass_by(timedelta(minutes=1))
    assert len(sim.taken) == 1
    desk.clock.advance(timedelta(days=2))
    second, third = leak("tower"), leak("tap-01")
    with connect(database_url) as other, desk.connection.transaction(), other.transaction():
        begin(desk.connection, second, now=desk.clock.now())
        begin(other, third, now=desk.clock.now())
    desk.pass_by(timedelta(minutes=15), every=timedelta(minutes=1))
    assert len({message.phone for message in sim.taken}) == 1
    assert len(sim.taken) == 2
    waits = desk.connection.execute("SELECT alert_id, reason FROM notification WHERE state = 'queued'").fetchall()
    assert waits == [(third, "enough_this_week")], "the climber gives it to another"


@pytest.mark.parametrize(("rang", "every"), [pytest.param(19, 70, id="a-day"), pytest.param(5, 10, id="an-hour")])
def test_no_water_that_overtakes_the_last_sms_of_a_phone_s_cap_puts_it_off(
    desk: Desk, sim: Route, rang: int, every: int
) -> None:
    for number in range(rang):
        desk.queue(f"A{number} FUITE", urgency=Urgency.ALERT, step=f"told-{number}")
        desk.pass_by(timedelta(minutes=every), every=timedelta(minutes=every))
    assert len(sim.taken) == rang
    leak = desk.queue("A90 FUITE", urgency=Urgency.ALERT, step="last")  # decided when one more was free
    desk.queue("A91 POMPE ARRETEE", step="urgent")
    desk.pass_by(timedelta(minutes=1))
    assert sim.taken[-1].text == "A91 POMPE ARRETEE"
    assert len(sim.taken) == rang + 1
    reason = desk.connection.execute("SELECT reason FROM notification WHERE ref = %s", [leak]).fetchone()
    assert (desk.state(leak)[0], reason) == ("queued", ("enough_for_now",))
    desk.queue("A92 POMPE ARRETEE", step="more")
    desk.pass_by(timedelta(minutes=1))
    assert sim.taken[-1].text == "A92 POMPE ARRETEE", "no water has no cap"
    desk.pass_by(timedelta(hours=4), every=timedelta(minutes=5))
    assert sim.taken[-1].text == "A90 FUITE", "and when one is free again it leaves"
