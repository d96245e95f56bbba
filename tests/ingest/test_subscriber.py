"""Confirmations belong to the connection on which a message came: shown with a scripted broker on loopback."""

import contextlib
import queue
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

import pytest

from gateway.clock import ManualClock
from gateway.config import MqttSettings
from ingest.admission import Message
from ingest.broker_said import NUMBERS
from ingest.config import IngestConfig
from ingest.subscriber import RECONNECT_S, Subscriber

WINDOW = 3
START = datetime(2026, 11, 24, tzinfo=UTC)
TOPIC = "ndiyan/1/zone-1/gw-1/up/senml"
TOPIC_OF_ANOTHER = "ndiyan/1/zone-2/gw-2/up/senml"
ANSWER, PUBACK, MARK, MARK_BYTES = 0x30, 0x40, 0x32, 8


class ScriptedBroker:
    """Speaks just enough MQTT 3.1.1: accepts, answers SUBSCRIBE, sends what it is told and records PUBACKs."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.acked: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()  # (connection, message id)
        self.confirmed: list[int] = []  # kinds of packets: what gateways are answered, what the broker is told
        self.marks: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self.subscribed: queue.SimpleQueue[int] = queue.SimpleQueue()
        self.topics: list[tuple[int, str]] = []  # (connection, what it reads now)
        self.asked: list[str] = []  # of what it says itself
        self.left: list[str] = []
        self.clean: list[bool] = []
        self.keeps_session, self.refuses_at = False, ""
        self.refuses_topic = ""
        self._link: socket.socket | None = None
        self._connection = 0
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def send(self, mid: int, payload: bytes, topic: str = TOPIC, *, is_retained: bool = False) -> None:
        """Without a number, 0, the message is of QoS 0."""
        body = len(topic).to_bytes(2, "big") + topic.encode() + (mid.to_bytes(2, "big") if mid else b"") + payload
        assert self._link is not None
        self._link.sendall(bytes([(0x32 if mid else 0x30) | is_retained, len(body)]) + body)

    def drop(self) -> None:
        assert self._link is not None
        self._link.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)  # wakes accept, which close alone does not
        self._thread.join(5)
        self._server.close()

    def _serve(self) -> None:
        while True:
            try:
                link, _ = self._server.accept()
            except OSError:
                return
            self._connection += 1
            self._link = link
            with link, contextlib.suppress(OSError):  # dropped while it answered
                self._converse(link, self._connection)

    def _converse(self, link: socket.socket, connection: int) -> None:
        buffer = b""
        while True:
            try:
                found = link.recv(4096)
            except OSError:
                return
            if not found:
                return
            buffer += found
            while len(buffer) >= 2 and len(buffer) >= 2 + buffer[1]:
                first, body, buffer = buffer[0], buffer[2 : 2 + buffer[1]], buffer[2 + buffer[1] :]
                kind = first & 0xF0
                self.confirmed += [kind] if kind in (ANSWER, PUBACK) else []
                if kind == 0x10:
                    self.clean.append(bool(body[7] & 2))
                    refusal = 5 if self.refuses_at == "connect" else 0
                    link.sendall(bytes([0x20, 2, self.keeps_session, refusal]))
                elif kind == 0x80:
                    topic = body[4 : 4 + body[3]].decode()
                    if topic.startswith("$"):
                        self.asked.append(topic)
                        if self.refuses_at == "end":
                            return
                        link.sendall(b"\x90\x03" + body[:2] + (b"\x80" if self.refuses_at == "$" else b"\x00"))
                        continue
                    is_refused = self.refuses_at == "subscribe" or topic == self.refuses_topic
                    link.sendall(b"\x90\x03" + body[:2] + (b"\x80" if is_refused else b"\x01"))
                    self.topics.append((connection, topic))
                    self.subscribed.put(connection)
                elif kind == 0xA0:
                    link.sendall(b"\xb0\x02" + body[:2])
                    self.left.append(body[4 : 4 + body[3]].decode())
                    self.topics = [one for one in self.topics if one != (connection, body[4 : 4 + body[3]].decode())]
                elif kind == 0xE0:
                    return
                elif kind == PUBACK:
                    self.acked.put((connection, int.from_bytes(body[:2], "big")))
                elif first == MARK:
                    self.marks.put(body[-MARK_BYTES:])


class Link(NamedTuple):
    broker: ScriptedBroker
    subscriber: Subscriber
    come: queue.SimpleQueue[Message]
    pile: "Pile"


class Pile:
    """Receives for whoever tests; has room for a window that `take` makes free again."""

    def __init__(self) -> None:
        self.come: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.held, self.begun_again, self.since = 0, 0, 0

    def deliver(self, messages: list[Message]) -> None:
        self.held += len(messages)
        for message in messages:
            self.come.put(message)

    def has_room(self) -> bool:
        return self.held < WINDOW

    def begin_again(self, since: int) -> None:
        self.begun_again += 1
        self.since = since


@pytest.fixture
def link() -> Iterator[Link]:
    broker = ScriptedBroker()
    settings = MqttSettings("127.0.0.1", broker.port, protocol=4)
    pile = Pile()
    clock = ManualClock(START)
    subscriber = Subscriber(IngestConfig("", settings, window_messages=WINDOW), clock, pile)
    subscriber.start()
    assert broker.subscribed.get(timeout=5) == 1
    yield Link(broker, subscriber, pile.come, pile)
    subscriber.stop()
    broker.close()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, "did not happen within 5 s"
        time.sleep(0.01)


def test_a_message_is_confirmed_only_when_told(link: Link) -> None:
    broker, subscriber, come, _ = link
    broker.send(7, b"[]")
    message = come.get(timeout=5)
    with pytest.raises(queue.Empty):
        broker.acked.get(timeout=0.2)
    subscriber.confirm([message], {})
    assert broker.acked.get(timeout=5) == (1, 7)


def test_gateways_are_answered_before_the_broker_is_told_since_only_they_wait(link: Link) -> None:
    broker, subscriber, come, _ = link
    for mid in (1, 2):
        broker.send(mid, b"[]")
    messages = [come.get(timeout=5) for _ in range(2)]
    subscriber.confirm(messages, {("zone-1", "gw-1", "0000000a"): [(1, 2)]})
    until(lambda: len(broker.confirmed) == 3)
    assert broker.confirmed == [ANSWER, PUBACK, PUBACK]


def test_a_confirmation_of_an_old_connection_does_not_confirm_a_new_message(
    link: Link,
) -> None:
    broker, subscriber, come, _ = link
    broker.send(1, b"A")
    first = come.get(timeout=5)
    broker.drop()
    assert broker.subscribed.get(timeout=10) == 2
    broker.send(1, b"B")
    second = come.get(timeout=5)
    until(lambda: subscriber.is_connected)
    subscriber.confirm([first], {})  # committed late: its id now belongs to B, which is not committed
    with pytest.raises(queue.Empty):
        broker.acked.get(timeout=0.3)
    subscriber.confirm([second], {})
    assert broker.acked.get(timeout=5) == (2, 1)


def passes_over_zone_2(link: Link, mark_mid: int) -> None:
    """From now on; `mark_mid` is the number of the message that says so."""
    link.subscriber.pass_over(["zone-2"])
    link.broker.send(mark_mid, link.broker.marks.get(timeout=5), link.subscriber.own_topic)
    until(lambda: link.subscriber.is_marked is True)


def test_what_another_worker_stores_is_confirmed_in_the_order_in_which_it_came(link: Link) -> None:
    """Where a broker uses a number twice, as mosquitto 2.0.11 may, a confirmation ends the older message."""
    broker, subscriber, come, _ = link
    passes_over_zone_2(link, mark_mid=1)
    assert broker.acked.get(timeout=5) == (1, 1), "nothing came before it"
    broker.send(2, b"[]")
    broker.send(3, b"[]", TOPIC_OF_ANOTHER)
    broker.send(4, b"[]")
    broker.send(2, b"[]", TOPIC_OF_ANOTHER)
    first, second = come.get(timeout=5), come.get(timeout=5)
    with pytest.raises(queue.Empty):
        broker.acked.get(timeout=0.2)
    subscriber.confirm([first], {})
    assert [broker.acked.get(timeout=5) for _ in range(2)] == [(1, 2), (1, 3)]
    with pytest.raises(queue.Empty):
        broker.acked.get(timeout=0.2)
    subscriber.confirm([second], {})
    assert [broker.acked.get(timeout=5) for _ in range(2)] == [(1, 4), (1, 2)]
    broker.send(5, b"[]", TOPIC_OF_ANOTHER)
    assert broker.acked.get(timeout=5) == (1, 5), "nothing waits any more"


def test_a_batch_is_confirmed_with_what_was_passed_over_among_it(link: Link) -> None:
    broker, subscriber, come, pile = link
    passes_over_zone_2(link, mark_mid=1)
    assert broker.acked.get(timeout=5) == (1, 1)
    messages = []
    for mid, topic in ((2, TOPIC), (3, TOPIC_OF_ANOTHER), (0, TOPIC), (4, TOPIC), (5, TOPIC_OF_ANOTHER)):
        broker.send(mid, b"[]", topic)
        if topic == TOPIC:
            messages.append(come.get(timeout=5))
            pile.held -= 1
    until(lambda: len(subscriber._behind) == 2)
    subscriber.confirm(messages, {})
    assert [broker.acked.get(timeout=5) for _ in range(4)] == [(1, 2), (1, 3), (1, 4), (1, 5)]
    broker.send(6, b"[]", TOPIC_OF_ANOTHER)
    assert broker.acked.get(timeout=5) == (1, 6), "nothing waits, and none was confirmed twice"


def test_what_waits_for_its_turn_counts_as_much_as_what_is_read(link: Link) -> None:
    broker, subscriber, come, _ = link
    passes_over_zone_2(link, mark_mid=1)
    assert broker.acked.get(timeout=5) == (1, 1)
    broker.send(2, b"[]")
    message = come.get(timeout=5)
    for mid in range(3, 3 + WINDOW):
        broker.send(mid, b"[]", TOPIC_OF_ANOTHER)
    until(lambda: len(subscriber._behind) == WINDOW)
    broker.send(20, b"[]", TOPIC)
    with pytest.raises(queue.Empty):
        come.get(timeout=0.3)
    subscriber.confirm([message], {})
    assert come.get(timeout=5).mid == 20


def test_what_waited_for_its_turn_is_forgotten_with_its_connection(link: Link) -> None:
    broker, subscriber, come, pile = link
    passes_over_zone_2(link, mark_mid=1)
    assert broker.acked.get(timeout=5) == (1, 1)
    broker.send(2, b"[]")
    message = come.get(timeout=5)
    broker.send(3, b"[]", TOPIC_OF_ANOTHER)
    until(lambda: len(subscriber._behind) == 1)
    broker.drop()
    assert broker.subscribed.get(timeout=10) == 2
    until(lambda: subscriber.is_connected)
    subscriber.confirm([message], {})
    with pytest.raises(queue.Empty):
        broker.acked.get(timeout=0.2)
    broker.send(3, b"[1]")
    subscriber.confirm([come.get(timeout=5)], {})
    assert broker.acked.get(timeout=5) == (2, 3), "a message of its own by now"
    pile.held = 0
    passes_over_zone_2(link, mark_mid=4)
    assert broker.acked.get(timeout=5) == (2, 4), "and it alone"
    broker.send(5, b"[]")
    broker.send(6, b"[]", TOPIC_OF_ANOTHER)
    until(lambda: len(subscriber._behind) == 1)
    subscriber.confirm([come.get(timeout=5)], {})
    assert [broker.acked.get(timeout=5) for _ in range(2)] == [(2, 5), (2, 6)]


def test_the_session_is_asked_for_as_persistent_on_every_connect(link: Link) -> None:
    broker = link.broker
    broker.drop()
    assert broker.subscribed.get(timeout=10) == 2, "and subscribed again, should the broker have lost the session"
    assert broker.clean == [False, False]


def test_a_broker_that_does_not_know_our_window_waits_until_we_read_again(link: Link) -> None:
    broker, subscriber, come, pile = link
    for mid in range(1, WINDOW + 1):
        broker.send(mid, b"[]")
    waiting = [come.get(timeout=5) for _ in range(WINDOW)]
    broker.send(WINDOW + 1, b"[1]")
    with pytest.raises(queue.Empty):
        come.get(timeout=0.3)
    pile.held -= 1
    subscriber.confirm(waiting[:1], {})
    assert come.get(timeout=5).payload == b"[1]"


def test_a_broker_that_goes_while_there_is_no_room_is_noticed(link: Link) -> None:
    broker, subscriber, come, _ = link
    for mid in range(1, WINDOW + 1):
        broker.send(mid, b"[]")
    for _ in range(WINDOW):
        come.get(timeout=5)
    broker.drop()
    assert broker.subscribed.get(timeout=10) == 2, "though nothing that it says is read"
    assert subscriber.is_connected


def test_what_the_broker_kept_and_sends_at_each_subscription_is_told_from_what_is_published(link: Link) -> None:
    broker, _, come, _ = link
    broker.send(1, b"[]")
    heard = [come.get(timeout=5)]
    for connection in (2, 3):
        broker.drop()
        assert broker.subscribed.get(timeout=10) == connection
        broker.send(1, b"[]", is_retained=True)
        heard.append(come.get(timeout=5))
    assert [(one.connection, one.is_retained) for one in heard] == [(1, False), (2, True), (3, True)]


def test_only_a_session_that_the_broker_kept_sends_again(link: Link) -> None:
    broker, _, _, pile = link
    broker.drop()
    assert broker.subscribed.get(timeout=10) == 2
    assert pile.begun_again == 0
    broker.keeps_session = True
    broker.drop()
    assert broker.subscribed.get(timeout=10) == 3
    assert (pile.begun_again, pile.since) == (1, 2), "what came in the session that was lost does not come again"


@pytest.mark.parametrize("refused_at", ["connect", "subscribe"])
def test_a_broker_that_refuses_us_is_asked_ever_more_seldom(
    link: Link, monkeypatch: pytest.MonkeyPatch, refused_at: str
) -> None:
    broker, subscriber, _, _ = link
    pauses: queue.SimpleQueue[float] = queue.SimpleQueue()
    wait = subscriber._stopping.wait

    def noted(pause_s: float | None = None) -> bool:
        if pause_s is not None:
            pauses.put(pause_s)
        return wait(0.001)

    monkeypatch.setattr(subscriber._stopping, "wait", noted)
    broker.refuses_at = refused_at
    broker.drop()
    waited_s = [pauses.get(timeout=5) for _ in range(12)]
    assert waited_s[0] < RECONNECT_S[0] * 1.5
    assert waited_s[11] > RECONNECT_S[1] / 2


def test_topics_of_a_profile_that_is_added_are_read_at_once_again_after_a_reconnect_and_left_when_it_goes(
    link: Link,
) -> None:
    broker, subscriber, _, _ = link
    until(lambda: subscriber.is_connected)
    subscriber.read_also(["village/rtu", "meters/+/up"])
    until(lambda: {topic for _, topic in broker.topics} >= {"village/rtu", "meters/+/up"})
    subscriber.read_also(["village/rtu", "meters/+/up"])
    subscriber.read_also(["village/rtu"])
    until(lambda: (1, "meters/+/up") not in broker.topics)
    assert broker.topics.count((1, "village/rtu")) == 1
    broker.drop()
    until(lambda: (2, "village/rtu") in broker.topics)
    assert (2, "meters/+/up") not in broker.topics


def test_what_the_broker_says_of_itself_is_heard_and_is_no_message(link: Link) -> None:
    link.broker.send(0, b"41", "$SYS/broker/store/messages/count", is_retained=True)
    link.broker.send(0, b"7", "$SYS/broker/publish/messages/dropped", is_retained=True)
    link.broker.send(0, b"many", "$SYS/broker/store/messages/bytes", is_retained=True)
    link.broker.send(5, b"first")
    message = link.come.get(timeout=5)
    assert message.payload == b"first"
    assert link.come.empty()
    assert link.subscriber.said.detail(START) == {"broker_messages": 41, "broker_dropped": 7, "sessions_lost": 0}
    link.subscriber.confirm([message], {})
    assert link.broker.acked.get(timeout=5) == (1, 5)
    assert link.broker.acked.empty()


def wait_answered(link: Link) -> None:
    """Until the first question for the broker's numbers is answered, and the answer was read."""
    until(lambda: len(link.broker.left) == 1)
    link.broker.send(9, b"[]")
    assert link.come.get(timeout=5).mid == 9


def test_a_broker_is_asked_again_and_again_unless_it_refuses_and_nothing_stays_subscribed(
    link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker, _, come, pile = link
    wait_answered(link)
    monkeypatch.setattr("ingest.subscriber.ASK_EVERY_S", 0.0)
    broker.drop()
    assert broker.subscribed.get(timeout=10) == 2
    until(lambda: len(broker.left) > 3)
    assert set(broker.asked) == set(broker.left) == {NUMBERS}
    broker.refuses_at = "$"
    broker.drop()
    assert broker.subscribed.get(timeout=10) == 3

    def asked() -> int:
        pile.held = 0
        broker.send(1, b"[]")
        come.get(timeout=5)
        return len(broker.asked)

    until(lambda: asked() == asked())


def test_a_broker_that_ends_the_link_when_it_is_asked_for_its_numbers_is_left_in_peace(link: Link) -> None:
    broker, subscriber, come, _ = link
    wait_answered(link)
    broker.refuses_at = "end"
    broker.drop()
    assert broker.subscribed.get(timeout=10) == 2
    assert broker.subscribed.get(timeout=10) == 3, "it asked and was thrown out"
    broker.send(1, b"[]")
    assert come.get(timeout=5).connection == 3
    assert subscriber.is_connected
    assert len(broker.asked) == 2


def test_a_foreign_topic_that_the_broker_refuses_is_named_and_ours_are_read_all_the_same(
    link: Link, caplog: pytest.LogCaptureFixture
) -> None:
    broker, subscriber, come, _ = link
    until(lambda: subscriber.is_connected)
    broker.refuses_topic = "meters/+/up"
    subscriber.read_also(["village/rtu", "meters/+/up"])
    until(lambda: subscriber.refused_topics == ["meters/+/up"])
    assert "the broker does not let us read meters/+/up" in caplog.text
    broker.send(7, b"[]")
    assert come.get(timeout=5).payload == b"[]"
    subscriber.read_also(["village/rtu"])
    assert subscriber.refused_topics == [], "nobody wants it any more"
