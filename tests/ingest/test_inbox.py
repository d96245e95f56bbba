"""When what has come becomes a batch: what waited while the last one was stored does not wait again."""

import gzip
import json

import pytest

from ingest import service
from ingest.admission import Admission, ChannelEntry, Directory, Message
from ingest.service import ADMITTED_AT_ONCE, BATCH_ASIDE, BATCH_READINGS, GATHER_S, HELD_BYTES, QUIET_S, Inbox

NOON_US = 1_795_000_000_000_000
WINDOW = 400


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
    """As much of a pipeline as an inbox needs; it knows one gateway."""

    def __init__(self) -> None:
        channels = {("z", "tower", "level_m"): ChannelEntry(1, "m", 0.0, 10.0)}
        self._directory = Directory({"gw": "z"}, channels)

    def new_admission(self) -> Admission:
        return Admission(self._directory, {})


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> FakeTime:
    fake = FakeTime()
    monkeypatch.setattr(service, "time", fake)
    return fake


@pytest.fixture
def inbox(time: FakeTime) -> Inbox:
    return Inbox(Admitting(), window_messages=WINDOW)  # type: ignore[arg-type]


def message(number: int, payload: bytes = b"[]", connection: int = 1) -> Message:
    return Message("ndiyan/1/z/gw/up/senml", payload, NOON_US, number, connection)


def pack(readings: int, bad: int = 0) -> bytes:
    """Short for what it comes to."""
    record = {"n": "level_m", "u": "m", "v": 1}
    records = [record | {"bn": "tower", "bt": NOON_US / 1e6}, *[record] * (readings - 1), *[{"n": "a"}] * bad]
    return gzip.compress(json.dumps(records).encode())


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


def test_what_waits_and_is_sent_again_after_a_reconnection_does_not_pile_up(inbox: Inbox, time: FakeTime) -> None:
    for _ in range(6):
        inbox.begin_again(1)
        inbox.deliver([message(number) for number in range(1, WINDOW + 1)])
    assert inbox.waiting == WINDOW


def test_what_the_broker_does_not_send_again_stays_when_the_link_comes_back(inbox: Inbox, time: FakeTime) -> None:
    inbox.deliver([message(1), message(0), message(2)])
    inbox.begin_again(1)
    assert [one.mid for one in inbox.take(wait_s=0).messages] == [0]


def test_what_came_in_a_session_that_the_broker_has_lost_stays_when_the_next_one_is_kept(inbox: Inbox) -> None:
    """The broker lost its store after the first connection: of that one it sends nothing again."""
    inbox.deliver([message(1, connection=1), message(1, connection=2), message(2, connection=2)])
    inbox.begin_again(2)
    assert [one.connection for one in inbox.take(wait_s=0).messages] == [1]


def test_what_is_being_stored_counts_until_it_is_let_go(inbox: Inbox, time: FakeTime) -> None:
    inbox.deliver([message(number) for number in range(1, WINDOW + 1)])
    assert not inbox.has_room()
    assert len(inbox.take(wait_s=0).messages) == WINDOW
    assert not inbox.has_room()
    inbox.let_go(Admitting())  # type: ignore[arg-type]
    assert inbox.has_room()


def test_a_short_message_counts_as_much_as_it_comes_to(inbox: Inbox, time: FakeTime) -> None:
    payload = pack(1, bad=900)
    came = 0
    while inbox.has_room():
        came += 1
        inbox.deliver([message(came, payload)])
    assert 10 < came < WINDOW / 2
    assert came * len(payload) < HELD_BYTES / 500, "the bytes on the wire say nothing of it"


def test_one_read_cannot_bring_more_than_there_is_room_for(inbox: Inbox, time: FakeTime) -> None:
    payload = pack(1, bad=999)
    inbox.deliver([message(number, payload) for number in range(1, 301)])
    assert not inbox.has_room()
    assert inbox.waiting == 300
    stored = []
    while inbox.waiting:
        batch = inbox.take(wait_s=0)
        assert batch.held_bytes < HELD_BYTES
        stored += [one.mid for one in batch.messages]
        inbox.let_go(Admitting())  # type: ignore[arg-type]
    assert stored == list(range(1, 301)), "in their order"


@pytest.mark.parametrize(
    ("payload", "most_readings", "most_aside"),
    [
        pytest.param(pack(1000), BATCH_READINGS + ADMITTED_AT_ONCE * 1000, 0, id="readings"),
        pytest.param(pack(1, bad=999), WINDOW, BATCH_ASIDE + ADMITTED_AT_ONCE * 1000, id="set-aside"),
    ],
)
def test_a_batch_is_cut_by_what_its_messages_come_to(
    inbox: Inbox, time: FakeTime, payload: bytes, most_readings: int, most_aside: int
) -> None:
    inbox.deliver([message(number, payload) for number in range(1, 201)])
    batches = []
    while inbox.waiting:
        batches.append(inbox.take(wait_s=0))
        inbox.let_go(Admitting())  # type: ignore[arg-type]
    assert len(batches) > 1
    assert sum(len(batch.messages) for batch in batches) == 200
    assert all(len(batch) <= most_readings and len(batch.set_aside) <= most_aside for batch in batches)


def test_after_the_database_was_away_nothing_is_kept_of_what_the_last_connection_knew(inbox: Inbox) -> None:
    inbox.deliver([message(1)])
    taken, now = inbox.take(wait_s=0.0), Admitting()
    inbox.let_go(now)  # type: ignore[arg-type]
    inbox.deliver([message(2)])
    assert inbox.take(wait_s=0.0).directory is now.new_admission().directory
    assert taken.directory is not now.new_admission().directory
