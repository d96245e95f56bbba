"""A bind through any order of events: nothing is lost, nothing stalls, nothing is told twice."""

import uuid
from datetime import UTC, datetime

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from alerts.carriers import Accepted, Outgoing, Refused, Throttled, Uncertain, Urgency
from alerts.carriers.smpp_config import SmppConfig
from alerts.carriers.smpp_pdu import Frames, Pdu, decode, plain
from alerts.carriers.smpp_session import LAST_SEQUENCE, Answered, Bound, Closed, News, Proven, Session

UNTIL = datetime(2026, 3, 3, 12, 0, tzinfo=UTC)
CONFIG = SmppConfig("operator", "127.0.0.1", 2775, "ndiyan", "secret", "NDIYAN", window=3, response_timeout_s=10)


def sms(number: int) -> Outgoing:
    return Outgoing(uuid.UUID(int=number), "+224622123456", f"#{number}#", Urgency.ALERT, UNTIL)


def written(session: Session) -> list[Pdu]:
    return [decode(raw) for raw in Frames().feed(session.take_output())]


def bound(*, now: float = 0.0, first_sequence: int = 1) -> Session:
    session = Session(CONFIG, "transceiver", now=now, first_sequence=first_sequence)
    (bind,) = written(session)
    assert session.feed(plain("bind_transceiver_resp", bind.sequence), now=now) == [Bound()]
    return session


def accepted(sequence: int, provider_id: str) -> bytes:
    body = provider_id.encode() + b"\0"
    head = (16 + len(body)).to_bytes(4, "big") + 0x80000004.to_bytes(4, "big") + bytes(4) + sequence.to_bytes(4, "big")
    return head + body


def test_a_delivery_that_cannot_be_read_tells_the_log_its_shape_and_no_number(caplog: pytest.LogCaptureFixture) -> None:
    number = b"224622123456"
    body = b"\0\1\1" + number + b"\0\1\1" + b"7000\0" + bytes(9) + b"\x20pompe en panne"  # it says 32 octets
    head = (16 + len(body)).to_bytes(4, "big") + (5).to_bytes(4, "big") + bytes(4) + (7).to_bytes(4, "big")
    assert decode(head + body).delivery is None
    assert f"{16 + len(body)} octets" in caplog.text
    assert number.hex() not in caplog.text
    assert (b"0" * 12).hex() in caplog.text
    assert b"pompe".hex() not in caplog.text


def test_an_answer_cut_into_single_octets_is_one_answer() -> None:
    session = bound()
    session.submit(sms(1), valid_for_s=60, now=1.0)
    (submit,) = written(session)
    news = [one for octet in accepted(submit.sequence, "A1") for one in session.feed(bytes([octet]), now=2.0)]
    assert news == [Answered(sms(1), Accepted("A1"))]


def test_the_window_is_never_exceeded() -> None:
    session = bound()
    for number in range(3):
        session.submit(sms(number), valid_for_s=60, now=1.0)
    assert session.room == 0
    with pytest.raises(ValueError, match="window 3: no room"):
        session.submit(sms(3), valid_for_s=60, now=1.0)


def test_sequence_numbers_begin_again_after_the_last() -> None:
    session = bound(first_sequence=LAST_SEQUENCE)
    session.submit(sms(1), valid_for_s=60, now=1.0)
    (submit,) = written(session)
    assert submit.sequence == 1
    assert session.feed(accepted(1, "x"), now=2.0) == [Answered(sms(1), Accepted("x"))]


def test_an_answer_in_time_is_just_before_the_timer_and_late_just_after() -> None:
    session = bound()
    session.submit(sms(1), valid_for_s=60, now=1.0)
    (submit,) = written(session)
    assert session.due() == 11.0
    assert session.tick(now=10.999) == []
    assert session.tick(now=11.0) == [Answered(sms(1), Uncertain("no answer in time"))]
    assert session.room == 3
    assert [pdu.command for pdu in written(session)] == ["enquire_link"], "is it the message or the link?"
    assert session.feed(accepted(submit.sequence, "A1"), now=12.0) == [Answered(sms(1), Accepted("A1"), is_late=True)]
    assert session.feed(accepted(submit.sequence, "A1"), now=12.0) == [], "told once"


def test_a_quiet_link_is_asked_and_a_silent_one_is_left() -> None:
    session = bound()
    assert session.due() == 30.0
    session.tick(now=30.0)
    (enquire,) = written(session)
    assert enquire.command == "enquire_link"
    session.feed(plain("enquire_link_resp", enquire.sequence), now=31.0)
    assert session.due() == 61.0
    session.tick(now=61.0)
    assert session.tick(now=71.0) == [Closed("the message centre is silent")]
    assert session.room == 0


def test_the_other_side_may_ask_too_and_say_good_bye() -> None:
    session = bound()
    session.feed(plain("enquire_link", 77), now=1.0)
    session.submit(sms(1), valid_for_s=60, now=1.0)
    written(session)
    news = session.feed(plain("unbind", 78), now=2.0)
    assert news == [
        Answered(sms(1), Uncertain("the message centre said good-bye")),
        Closed("the message centre said good-bye"),
    ]
    assert [(pdu.command, pdu.sequence) for pdu in written(session)] == [("unbind_resp", 78)]


@pytest.mark.parametrize(
    ("octets", "outcome"),
    [
        (lambda n: plain("submit_sm_resp", n, 0x58), Throttled(1.0)),
        (lambda n: plain("submit_sm_resp", n, 0x0B), Refused("SMPP status 0x0b", is_permanent=True)),
        (lambda n: plain("generic_nack", n, 0x03), Refused("SMPP status 0x03", is_permanent=False)),
        (lambda n: accepted(n, ""), Accepted("")),
    ],
)
def test_each_answer_has_its_outcome(octets, outcome) -> None:  # type: ignore[no-untyped-def]
    session = bound()
    session.submit(sms(1), valid_for_s=60, now=1.0)
    (submit,) = written(session)
    assert session.feed(octets(submit.sequence), now=2.0) == [Answered(sms(1), outcome)]


def test_octets_that_are_no_pdu_end_the_link_and_nothing_is_guessed() -> None:
    session = bound()
    session.submit(sms(1), valid_for_s=60, now=1.0)
    *answered, closed = session.feed(b"GET / HTTP/1.1\r\n\r\n", now=2.0)
    assert [type(one.outcome) for one in answered if isinstance(one, Answered)] == [Uncertain]
    assert isinstance(closed, Closed)
    assert "out of step" in closed.reason


def test_what_we_do_not_know_is_refused_in_the_protocols_words() -> None:
    session = bound()
    unknown = (16).to_bytes(4, "big") + 0x00010009.to_bytes(4, "big") + bytes(4) + (5).to_bytes(4, "big")
    assert session.feed(unknown, now=1.0) == []
    broken = (20).to_bytes(4, "big") + 0x00000005.to_bytes(4, "big") + bytes(4) + (6).to_bytes(4, "big") + b"\0\1\1\xff"
    assert session.feed(broken, now=1.0) == []
    assert [(p.command, p.status, p.sequence) for p in written(session)] == [
        ("generic_nack", 0x03, 5),
        ("deliver_sm_resp", 0x65, 6),
    ]


@pytest.mark.parametrize(
    ("status", "word"),
    [(0x0E, "wrong password"), (0x05, "already bound"), (0x0D, "bind failed"), (0x77, "bind refused")],
)
def test_a_bind_that_is_refused_says_why(status: int, word: str) -> None:
    session = Session(CONFIG, "transceiver", now=0.0)
    assert session.feed(plain("bind_transceiver_resp", 1, status), now=1.0) == [Closed(f"{word} (0x{status:02x})")]


def test_a_bind_that_is_not_answered_is_given_up() -> None:
    session = Session(CONFIG, "transceiver", now=0.0)
    assert session.due() == 10.0
    assert session.tick(now=9.9) == []
    assert session.tick(now=10.0) == [Closed("no answer to the bind")]


def test_an_answer_of_ours_is_proven_by_what_is_asked_after_it() -> None:
    session = bound()
    session.submit(sms(1), valid_for_s=60, now=1.0)
    (submit,) = written(session)
    session.answer(77)
    session.prove([("key", "number")], now=1.0)
    answer, enquire = written(session)
    assert (answer.command, enquire.command) == ("deliver_sm_resp", "enquire_link"), "at once, and in this order"
    assert session.feed(accepted(submit.sequence, "A1"), now=2.0) == [Answered(sms(1), Accepted("A1"))]
    assert session.feed(plain("enquire_link_resp", 4_000), now=2.0) == [], "nobody has asked that"
    proven = Proven([("key", "number")])
    assert session.feed(plain("enquire_link_resp", enquire.sequence), now=3.0) == [proven]
    assert session.feed(plain("enquire_link_resp", enquire.sequence), now=3.0) == [], "once"


def test_whoever_answers_a_later_request_has_the_answers_before_it_too() -> None:
    session = bound(first_sequence=LAST_SEQUENCE - 1)  # the numbers begin again on the way
    for key in "abc":
        session.prove([(key, key)], now=1.0)
    asked = [pdu.sequence for pdu in written(session)]
    assert asked == [LAST_SEQUENCE, 1, 2]
    proven = Proven([("a", "a"), ("b", "b")])
    assert session.feed(plain("generic_nack", 1, 0x03), now=2.0) == [proven], "also by who does not know what we ask"
    session.unbind()
    (unbind,) = written(session)
    news = session.feed(plain("unbind_resp", unbind.sequence), now=3.0)
    assert news == [Proven([("c", "c")]), Closed("we said good-bye")]


class AnyOrder(RuleBasedStateMachine):
    """Submits, answers in any order, lost and repeated answers, time, cuts: told against a plain account."""

    @initialize()
    def bind(self) -> None:
        self.session, self.now, self.number = bound(), 0.0, 0
        self.under_way: dict[int, tuple[Outgoing, float]] = {}  # by sequence: who waits, since when
        self.told: dict[uuid.UUID, list[Answered]] = {}
        self.sent: list[Outgoing] = []

    @property
    def lives(self) -> bool:
        return not self.session.is_closed

    @precondition(lambda self: self.lives and self.session.room > 0)
    @rule()
    def submit(self) -> None:
        self.number += 1
        message = sms(self.number)
        self.session.submit(message, valid_for_s=60, now=self.now)
        self.sent.append(message)
        (pdu,) = [pdu for pdu in written(self.session) if pdu.command == "submit_sm"]
        self.under_way[pdu.sequence] = (message, self.now)

    @precondition(lambda self: self.lives and self.under_way)
    @rule(data=st.data(), status=st.sampled_from([0, 0, 0, 0x58, 0x0B, 0x08]), times=st.integers(1, 2))
    def answer(self, data: st.DataObject, status: int, times: int) -> None:
        sequence = data.draw(st.sampled_from(sorted(self.under_way)))
        message, _ = self.under_way.pop(sequence)
        octets = plain("submit_sm_resp", sequence, status) if status else accepted(sequence, f"id{sequence}")
        before = self._timely(message)
        news = self._hear(octets * times, data.draw(st.integers(1, len(octets))))
        assert [one.is_late for one in news if isinstance(one, Answered)] == [before], "told once, however often said"

    @precondition(lambda self: self.lives)
    @rule(seconds=st.floats(0.1, 12))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        while self.lives and self.session.due() <= self.now:
            self._note(self.session.tick(now=self.session.due()))
            for pdu in written(self.session):
                if pdu.command == "enquire_link":
                    self._hear(plain("enquire_link_resp", pdu.sequence), 16)

    @precondition(lambda self: self.lives)
    @rule(sequence=st.integers(1000, 2000))
    def nonsense(self, sequence: int) -> None:
        assert self._hear(accepted(sequence, "nobody"), 5) == []

    @precondition(lambda self: self.lives and len(self.sent) > 4)
    @rule()
    def cut(self) -> None:
        self._note(self.session.lost("cut"))

    @precondition(lambda self: not self.lives)
    @rule()
    def nothing_more_is_told(self) -> None:
        assert self.session.feed(accepted(2, "late"), now=self.now) == []
        assert self.session.tick(now=self.now + 100) == []
        assert self.session.lost("again") == []

    @invariant()
    def window_holds(self) -> None:
        if hasattr(self, "session"):
            assert 0 <= self.session.room <= CONFIG.window

    def teardown(self) -> None:
        if not hasattr(self, "session"):
            return
        if self.lives:
            self._note(self.session.lost("the end"))
        for message in self.sent:
            first, *later = self.told[message.ref]
            assert not first.is_late
            assert all(one.is_late and isinstance(first.outcome, Uncertain) for one in later)
            assert len(later) <= 1

    def _timely(self, message: Outgoing) -> bool:
        return message.ref in self.told  # given up already: the answer is late

    def _hear(self, octets: bytes, piece: int) -> list[News]:
        news = []
        for start in range(0, len(octets), piece):
            news += self.session.feed(octets[start : start + piece], now=self.now)
        self._note(news)
        return news

    def _note(self, news: list[News]) -> None:
        for one in news:
            if isinstance(one, Answered):
                self.told.setdefault(one.message.ref, []).append(one)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
