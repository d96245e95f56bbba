"""A modem behind Gammu's daemon: the real daemon, with its dummy phone and with our modem on a pseudo terminal."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from alerts.carriers import Accepted, Event, Fate, Inbound, Outgoing, Receipt, Refused, Submitted, Uncertain, Urgency
from alerts.carriers.gammu import GammuCarrier, GammuConfig
from gateway.clock import SystemClock
from gateway.zones import Zone
from ingest.db import Connection, connect
from tests.alerts.carriers.modem import Modem
from tests.alerts.carriers.smsd import PHONE_ID, Smsd, one, wait_until, why_no_smsd
from tests.alerts.test_sender import Desk, Route
from tests.conftest import skip_without

pytestmark = pytest.mark.db
CONFIG = GammuConfig.from_table("gsm", {"kind": "gammu", "phone_id": PHONE_ID}, {})
NUMBER = "+224622123456"
MINUTE = timedelta(minutes=1)


class Rig:
    """The daemon, our carrier on a connection of its own, and what the carrier has told so far."""

    def __init__(self, url: str, folder: Path, modem: Modem | None) -> None:
        self.smsd = Smsd(url, folder, device=modem.device if modem else None)
        self.connection: Connection = connect(url)
        self.carrier = GammuCarrier(CONFIG, self.connection, SystemClock())
        self.told: list[Event] = []

    def submit(self, text: str, *, urgency: Urgency = Urgency.ALERT, valid: timedelta = timedelta(hours=1)) -> Outgoing:
        until = SystemClock().now() + valid
        message = Outgoing(uuid.uuid4(), NUMBER, text, urgency, until)
        self.carrier.submit([message])
        return message

    def hear(self, is_enough: Callable[[list[Event]], bool], what: str, *, within_s: float = 20.0) -> None:
        def look() -> bool:
            events = list(self.carrier.events())
            self.told += events
            self.carrier.done(events)
            return is_enough(self.told)

        wait_until(look, what, within_s=within_s)

    def close(self) -> None:
        self.connection.close()
        self.smsd.close()


@pytest.fixture
def needed(request: pytest.FixtureRequest) -> None:
    if why := why_no_smsd():
        skip_without(request.config, "gammu-smsd", why)


@pytest.fixture
def dummy(needed: None, database_url: str, tmp_path: Path) -> Iterator[Rig]:
    rig = Rig(database_url, tmp_path, None)
    yield rig
    rig.close()


@pytest.fixture
def modem(needed: None) -> Iterator[Modem]:
    found = Modem()
    yield found
    found.close()


@pytest.fixture
def rig(modem: Modem, database_url: str, tmp_path: Path) -> Iterator[Rig]:
    found = Rig(database_url, tmp_path, modem)
    yield found
    found.close()


def outcomes(events: list[Event]) -> list[tuple[uuid.UUID, type]]:
    return [(event.ref, type(event.outcome)) for event in events if isinstance(event, Submitted)]


def unlock(rig: Rig) -> None:
    """Let the daemon take up again what it had in hand: its lock lasts for a minute and more."""
    rig.connection.execute("UPDATE smsd.outbox SET \"SendingTimeOut\" = LOCALTIMESTAMP - interval '1 second'")


def fates(events: list[Event]) -> list[tuple[uuid.UUID | None, Fate]]:
    return [(event.ref, event.fate) for event in events if isinstance(event, Receipt)]


def test_a_message_is_handed_over_with_the_senders_commit_and_not_without_it(dummy: Rig) -> None:
    dummy.smsd.start()
    with dummy.connection.transaction(force_rollback=True):
        dummy.submit("A1 jamais")
    with dummy.connection.transaction():
        message = dummy.submit("A1 POMPE ARRETEE")
    dummy.hear(lambda told: len(outcomes(told)) >= 1, "the message left")
    assert outcomes(dummy.told) == [(message.ref, Accepted)]
    texts = dummy.connection.execute('SELECT "TextDecoded" FROM smsd.sentitems').fetchall()
    assert texts == [("A1 POMPE ARRETEE",)]


def test_the_same_reference_again_is_not_sent_twice(dummy: Rig) -> None:
    message = dummy.submit("A1 POMPE ARRETEE")
    dummy.carrier.submit([message])
    dummy.smsd.start()
    dummy.hear(lambda told: len(outcomes(told)) >= 1, "the message left")
    dummy.carrier.submit([message])
    assert one(dummy.connection, "SELECT count(*) FROM smsd.outbox") == 0
    assert one(dummy.connection, "SELECT count(*) FROM smsd.sentitems") == 1


def test_what_was_told_comes_again_until_it_is_done(dummy: Rig) -> None:
    dummy.smsd.start()
    dummy.smsd.receive(NUMBER, "reçu é")
    wait_until(lambda: bool(list(dummy.carrier.events())), "the SMS came in")
    first, again = list(dummy.carrier.events()), list(dummy.carrier.events())
    assert first == again
    (inbound,) = first
    assert isinstance(inbound, Inbound)
    assert (inbound.phone, inbound.text) == (NUMBER, "reçu é")
    after_a_crash = GammuCarrier(CONFIG, dummy.connection, SystemClock())
    assert list(after_a_crash.events()) == first
    after_a_crash.done(first)
    assert list(dummy.carrier.events()) == []


@pytest.mark.parametrize(("behind_min", "counts_min"), [(3, 0), (60, 60)], ids=["its-clock-is-behind", "it-waited"])
def test_an_answer_came_when_the_daemon_had_it_where_the_centre_s_clock_differs(
    dummy: Rig, behind_min: int, counts_min: int
) -> None:
    dummy.connection.execute(
        'INSERT INTO smsd.inbox ("ReceivingDateTime", "UpdatedInDB", "Text", "SenderNumber", "Coding", "UDH",'
        ' "TextDecoded", "RecipientID") SELECT at - %s, at, %s, %s, %s, %s, %s, %s FROM (SELECT LOCALTIMESTAMP) n(at)',
        [timedelta(minutes=behind_min), "", NUMBER, "Default_No_Compression", "", "1", PHONE_ID],
    )
    (inbound,) = dummy.carrier.events()
    assert isinstance(inbound, Inbound)
    age = SystemClock().now() - inbound.at - timedelta(minutes=counts_min)
    assert abs(age) < timedelta(minutes=1)
    assert list(dummy.carrier.events()) == [inbound]


def test_an_sms_that_the_daemon_stored_twice_is_one(dummy: Rig) -> None:
    dummy.smsd.start()
    dummy.smsd.receive(NUMBER, "1")
    wait_until(lambda: bool(list(dummy.carrier.events())), "the SMS came in")
    columns = '"ReceivingDateTime", "Text", "SenderNumber", "Coding", "UDH", "TextDecoded", "RecipientID"'
    dummy.connection.execute(f"INSERT INTO smsd.inbox ({columns}) SELECT {columns} FROM smsd.inbox".encode())
    events = list(dummy.carrier.events())
    assert len(events) == 1
    dummy.carrier.done(events)
    assert list(dummy.carrier.events()) == []


def test_a_status_report_that_makes_no_sense_blocks_nothing_and_is_seen(dummy: Rig) -> None:
    dummy.smsd.start()
    message = dummy.submit("A1 POMPE ARRETEE")
    dummy.hear(lambda told: len(outcomes(told)) >= 1, "the message left")
    dummy.smsd.report(NUMBER, "")
    dummy.hear(lambda told: len(fates(told)) >= 1, "the report was stored")
    assert fates(dummy.told) == [(message.ref, Fate.UNKNOWN)]
    dummy.smsd.receive(NUMBER, "1")
    dummy.hear(lambda told: any(isinstance(event, Inbound) for event in told), "an SMS came in after it")
    assert "1 status reports of a day made no sense" in dummy.carrier.health().detail


def test_without_the_guard_that_report_blocks_all_that_comes_in(dummy: Rig) -> None:
    """Why the guard is there: should this fail one day, Gammu has mended it and the guard can go."""
    dummy.connection.execute("DROP TRIGGER ndiyan_guard ON smsd.sentitems")
    dummy.smsd.start()
    dummy.submit("A1 POMPE ARRETEE")
    dummy.hear(lambda told: len(outcomes(told)) >= 1, "the message left")
    dummy.smsd.report(NUMBER, "")
    dummy.smsd.receive(NUMBER, "1")
    log = dummy.smsd.folder / "smsd.log"
    wait_until(lambda: log.read_text("utf-8", "replace").count("violates check constraint") >= 2, "it is refused again")
    assert one(dummy.connection, "SELECT count(*) FROM smsd.inbox") == 0


def test_a_daemon_that_is_away_has_no_room_and_says_so(dummy: Rig) -> None:
    assert dummy.carrier.room() == 0
    assert dummy.carrier.health().detail == f"gammu-smsd has not started yet as PhoneID {PHONE_ID}"
    dummy.smsd.start()
    assert dummy.carrier.room() == 1
    assert dummy.carrier.health().is_up
    dummy.smsd.kill()
    dummy.connection.execute("UPDATE smsd.phones SET \"TimeOut\" = LOCALTIMESTAMP - interval '1 second'")
    assert dummy.carrier.room() == 0
    assert not dummy.carrier.health().is_up


def test_the_daemon_gets_one_after_the_other_so_that_the_more_urgent_may_pass(dummy: Rig) -> None:
    dummy.smsd.start()
    assert dummy.carrier.room() == 1
    dummy.submit("A1 POMPE ARRETEE")
    assert dummy.carrier.room() == 0, "0.25 a second: the next one leaves four seconds later"


def test_a_schema_that_is_not_known_is_refused_with_its_version(dummy: Rig) -> None:
    dummy.connection.execute('UPDATE smsd.gammu SET "Version" = 16')
    carrier = GammuCarrier(CONFIG, dummy.connection, SystemClock())
    assert (carrier.room(), list(carrier.events())) == (0, [])
    assert carrier.health().detail == "Gammu's tables have version 16, known are 17 and 18"


def test_without_gammus_tables_health_tells_what_to_do(database_url: str) -> None:
    with connect(database_url) as connection:
        carrier = GammuCarrier(CONFIG, connection, SystemClock())
        assert carrier.room() == 0
        assert "load Gammu's pgsql.sql into the schema smsd" in carrier.health().detail


def test_what_is_too_late_never_leaves(dummy: Rig) -> None:
    message = dummy.submit("A1 POMPE ARRETEE", valid=timedelta(seconds=-1))
    dummy.hear(lambda told: len(outcomes(told)) >= 1, "it was taken back")
    assert outcomes(dummy.told) == [(message.ref, Refused)]
    assert one(dummy.connection, "SELECT count(*) FROM smsd.outbox") == 0


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("A1 POMPE ARRETEE depuis 09:38, [tour 40 %] 1€ été", id="letters-that-cost-two"),
        pytest.param("A1 reçu : ɓe ƴawi ŋ", id="ucs-2"),
        pytest.param("A1 " + "la pompe ne tourne pas {12} et " * 8, id="two-segments"),
        pytest.param("A1 " + "ɗum wonaa goonga ko reçu " * 5, id="two-segments-ucs-2"),
    ],
)
def test_a_text_arrives_on_the_air_as_it_was_written(rig: Rig, modem: Modem, text: str) -> None:
    message = rig.submit(text)
    rig.smsd.start()
    rig.hear(lambda told: len(fates(told)) >= 1, "the handset has it")
    assert "".join(sent.text for sent in modem.sent) == text
    assert [sent.number for sent in modem.sent] == [NUMBER] * len(modem.sent)
    assert outcomes(rig.told) == [(message.ref, Accepted)]
    assert fates(rig.told)[-1] == (message.ref, Fate.DELIVERED)


@pytest.mark.parametrize(
    ("status", "fate"),
    [
        pytest.param(0x00, Fate.DELIVERED, id="delivered"),
        pytest.param(0x46, Fate.EXPIRED, id="validity-over"),
        pytest.param(0x40, Fate.UNDELIVERED, id="given-up"),
        pytest.param(0x20, Fate.ON_THE_NETWORK, id="still-trying"),
    ],
)
def test_a_status_report_tells_the_fate_of_the_message_it_is_about(
    rig: Rig, modem: Modem, status: int, fate: Fate
) -> None:
    modem.report_status = status
    message = rig.submit("A1 POMPE ARRETEE")
    rig.smsd.start()
    rig.hear(lambda told: len(fates(told)) >= 1, "a report came")
    assert fates(rig.told) == [(message.ref, fate)]


def test_a_long_sms_that_comes_in_parts_is_one(rig: Rig, modem: Modem) -> None:
    rig.smsd.start()
    first, second = "la pompe ne tourne plus depuis hier soir " * 3, "et le robinet 4 fuit"
    modem.receive(NUMBER, first, second)
    modem.receive("+224622000001", "2")
    rig.hear(lambda told: len(told) >= 2, "both came in")
    texts = {(event.phone, event.text) for event in rig.told if isinstance(event, Inbound)}
    assert texts == {(NUMBER, first + second), ("+224622000001", "2")}


def test_a_modem_that_sends_and_never_answers_leaves_nobody_sure(rig: Rig, modem: Modem) -> None:
    modem.says = lambda: "mute"
    message = rig.submit("A1 POMPE ARRETEE")
    rig.smsd.start()
    # It takes the answer to its next question for the missing one, and waits for that in turn.
    rig.hear(lambda told: len(outcomes(told)) >= 1, "the daemon gave up", within_s=90)
    assert outcomes(rig.told) == [(message.ref, Uncertain)]
    assert [sent.text for sent in modem.sent] == ["A1 POMPE ARRETEE"]  # MaxRetries = 0: we decide whether again
    assert isinstance(rig.carrier.settle(message), Uncertain)


def test_a_daemon_killed_between_its_two_tables_does_not_send_again(rig: Rig, modem: Modem) -> None:
    message = rig.submit("A1 POMPE ARRETEE")
    row = rig.connection.execute("SELECT * FROM smsd.outbox").fetchone()
    assert row is not None
    rig.smsd.start()
    rig.hear(lambda told: len(outcomes(told)) >= 1, "it left")
    rig.smsd.kill()
    marks = ", ".join(["%s"] * len(row))
    rig.connection.execute(f"INSERT INTO smsd.outbox VALUES ({marks})".encode(), row)  # as if it had died before
    list(rig.carrier.events())
    rig.smsd.start()
    follower = rig.submit("A2 POMPE ARRETEE")
    rig.hear(lambda told: len(outcomes(told)) >= 2, "the next one left")
    assert outcomes(rig.told) == [(message.ref, Accepted), (follower.ref, Accepted)]
    assert [sent.text for sent in modem.sent] == ["A1 POMPE ARRETEE", "A2 POMPE ARRETEE"]


@pytest.mark.parametrize("urgency", [Urgency.ROUTINE, Urgency.ALERT])
def test_a_daemon_killed_with_an_sms_in_hand_repeats_news_alone(rig: Rig, modem: Modem, urgency: Urgency) -> None:
    modem.air_s = 2.0
    message = rig.submit("A1 POMPE ARRETEE", urgency=urgency)
    rig.smsd.start()
    wait_until(lambda: len(modem.sent) == 1, "it is on the air")
    rig.smsd.kill()
    modem.air_s = 0.0
    unlock(rig)
    list(rig.carrier.events())
    rig.smsd.start()
    rig.hear(lambda told: len(outcomes(told)) >= 1, "it is told")
    repeats = urgency >= Urgency.ALERT
    assert outcomes(rig.told) == [(message.ref, Accepted if repeats else Uncertain)]
    assert len(modem.sent) == (2 if repeats else 1)
    assert "let 1 SMS of a day lie that may have left" in rig.carrier.health().detail


class TwoRoutes(Desk):
    """A modem whose daemon has just stopped, and Orange; the sender thinks that the daemon lives until it `sleeps`."""

    def __init__(self, url: str, zones: list[Zone], folder: Path) -> None:
        self.smsd = Smsd(url, folder)
        self.smsd.start()
        self.smsd.kill()
        self.orange = Route()
        super().__init__(url, zones, orange=self.orange)
        self.connection.execute("UPDATE smsd.phones SET \"TimeOut\" = LOCALTIMESTAMP + interval '1 hour'")
        config = replace(CONFIG, per_s=10.0)
        self.routes = {"gsm": GammuCarrier(config, self.connection, self.clock), "orange": self.orange}
        self.restart()

    def sleeps(self) -> None:
        self.connection.execute("UPDATE smsd.phones SET \"TimeOut\" = LOCALTIMESTAMP - interval '61 seconds'")

    def in_its_outbox(self) -> object:
        return one(self.connection, "SELECT count(*) FROM smsd.outbox")

    def close(self) -> None:
        self.connection.close()
        self.smsd.close()


@pytest.fixture
def two_routes(needed: None, database_url: str, zones: list[Zone], tmp_path: Path) -> Iterator[TwoRoutes]:
    found = TwoRoutes(database_url, zones, tmp_path)
    yield found
    found.close()


@pytest.mark.parametrize("restarts", [False, True], ids=["the-same-sender", "a-sender-that-died-meanwhile"])
def test_what_lies_before_a_daemon_that_sleeps_leaves_by_the_other_route_and_never_by_the_modem(
    two_routes: TwoRoutes, restarts: bool
) -> None:
    news, rest = two_routes.queue(), two_routes.queue("rappel", urgency=Urgency.ROUTINE, kind="reminder", step="day-1")
    wait_until(lambda: two_routes.sender.work() == 0 and two_routes.in_its_outbox() == 2, "both lie in its outbox")
    if restarts:
        two_routes.restart()
    two_routes.pass_by(5 * MINUTE, every=MINUTE)
    assert {two_routes.state(ref)[:2] for ref in (news, rest)} == {("submitting", "gsm")}
    two_routes.sleeps()
    two_routes.pass_by(MINUTE / 2)
    assert {two_routes.state(ref) for ref in (news, rest)} == {("accepted", "orange", False)}
    assert two_routes.in_its_outbox() == 0
    two_routes.smsd.start()
    wait_until(lambda: bool(two_routes.routes["gsm"].room()), "the daemon is back")
    two_routes.pass_by(5 * MINUTE, every=MINUTE)
    assert one(two_routes.connection, "SELECT count(*) FROM smsd.sentitems") == 0
    assert [message.ref for message in two_routes.orange.taken] == [news, rest]


@pytest.mark.parametrize(
    ("urgency", "kind", "found"),
    [
        pytest.param(Urgency.NO_WATER, "opened", ("accepted", "orange", True), id="no-water-is-marked"),
        pytest.param(Urgency.ROUTINE, "reminder", ("abandoned", "gsm", False), id="a-reminder-is-not-sent-again"),
    ],
)
def test_what_a_daemon_had_in_hand_when_it_stopped_may_have_left(
    two_routes: TwoRoutes, urgency: Urgency, kind: str, found: tuple[str, str, bool]
) -> None:
    ref = two_routes.queue(urgency=urgency, kind=kind)
    two_routes.sender.work()
    two_routes.connection.execute("UPDATE smsd.outbox SET \"SendingTimeOut\" = LOCALTIMESTAMP + interval '1 minute'")
    two_routes.sleeps()
    two_routes.pass_by(MINUTE)
    assert (two_routes.state(ref)[:2], two_routes.in_its_outbox()) == (("submitting", "gsm"), 1), "it holds the lock"
    two_routes.connection.execute(
        "UPDATE smsd.outbox SET \"SendingDateTime\" = LOCALTIMESTAMP - interval '2 minutes',"
        " \"SendingTimeOut\" = LOCALTIMESTAMP - interval '1 second'"
    )
    two_routes.pass_by(10 * MINUTE)
    assert (two_routes.state(ref), two_routes.in_its_outbox()) == (found, 0)


def test_a_daemon_that_was_about_to_take_up_what_we_take_back_does_not_get_it(two_routes: TwoRoutes) -> None:
    """It has read the row, was frozen, and now locks it as it always does."""
    two_routes.queue()
    two_routes.sender.work()
    two_routes.sleeps()
    list(two_routes.routes["gsm"].events())
    locked = two_routes.connection.execute(
        "UPDATE smsd.outbox SET \"SendingTimeOut\" = LOCALTIMESTAMP + interval '1 minute'"
        ' WHERE "SendingTimeOut" < LOCALTIMESTAMP OR "SendingTimeOut" IS NULL'
    )
    assert locked.rowcount == 0
