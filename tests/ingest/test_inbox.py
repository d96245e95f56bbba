"""When what has come becomes a batch: what waited while the last one was stored does not wait again."""

import pytest

from ingest import service
from ingest.admission import Admission, Directory, Message
from ingest.service import GATHER_S, QUIET_S, Inbox


class FakeTime:
    """Time that moves only by sleeping, or when a test says so; each sleep may bring more messages."""

    def __init__(self) -> None:
        self.now_s, self.slept_s = 100.0, 0.0
        self.while_asleep = lambda: None

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.slept_s += seconds
        self.while_asleep()


class Admitting:
    """As much of a pipeline as an inbox needs; it knows no gateway."""

    def new_admission(self) -> Admission:
        return Admission(Directory({}, {}), {})


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr(service, "time", fake)
    return fake


@pytest.fixture
def inbox(time: FakeTime) -> Inbox:
    return Inbox(Admitting())  # type: ignore[arg-type]


def message(number: int) -> Message:
    return Message("ndiyan/1/z/gw/up/senml", b"[]", 0, number, 1)


def test_a_lone_message_is_a_batch_when_the_stream_has_gone_quiet(inbox: Inbox, time: FakeTime) -> None:
    inbox.deliver([message(1)])
    assert len(inbox.take(wait_s=0).messages) == 1
    assert time.slept_s == pytest.approx(QUIET_S)


def test_a_stream_that_is_never_quiet_is_cut_so_long_after_its_first_message(inbox: Inbox, time: FakeTime) -> None:
    time.while_asleep = lambda: inbox.deliver([message(2)])
    inbox.deliver([message(1)])
    assert len(inbox.take(wait_s=0).messages) > 2
    assert time.slept_s == pytest.approx(GATHER_S)


def test_what_waited_while_the_last_batch_was_stored_is_taken_at_once(inbox: Inbox, time: FakeTime) -> None:
    inbox.deliver([message(1)])
    time.now_s += GATHER_S
    inbox.deliver([message(2)])
    assert len(inbox.take(wait_s=0).messages) == 2
    assert time.slept_s == 0


def test_an_empty_inbox_gives_an_empty_batch(inbox: Inbox, time: FakeTime) -> None:
    assert not inbox.take(wait_s=0).messages
    assert time.slept_s == 0
