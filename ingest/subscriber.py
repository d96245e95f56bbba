"""The MQTT link of ingest: messages in, confirmations out, each tied to the connection that it belongs to.

One thread owns the socket. It hands every burst of messages to `deliver` and never looks at them; whoever stores
them calls `confirm` from another thread. The rules are RELIABILITY §2.3: QoS 1; a persistent session asked for by
name and subscribed to on every connect; the window of unconfirmed messages (`ReceiveMaximum`) and what whoever receives
has room for are the whole of the backpressure; an acknowledgement of an older connection is dropped, because its id
may by now belong to another message (the broker sends the old one again, and the key of a reading absorbs it).
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import math
import random
import secrets
import select
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, Protocol

from gateway.clock import Clock, us_from_instant
from gateway.config import MqttSettings
from gateway.wire import ALL_UPLINKS, ROOT, ack_topic, encode_numbers
from ingest import mqtt
from ingest.admission import Message
from ingest.broker_said import ASK_EVERY_S, NUMBERS, UNANSWERED_S, BrokerSaid
from ingest.config import IngestConfig
from ingest.profiles.dialects import LONGEST_TOPIC

log = logging.getLogger(__name__)

NEVER_EXPIRES = 0xFFFFFFFF
KEEPALIVE_S = 30
SILENCE_S = 45.0  # without a word from the broker, not even an answer to a ping, the link counts as lost
CONNECT_TIMEOUT_S = 10.0
RECONNECT_S = (0.2, 20.0)
LEAVE_S = 2.0
RECEIVE_BYTES = 262_144
KNOWN_TOPICS = 100_000  # kept as text
# The numbers of packets; from the last one on, for what is asked of the broker later.
SUBSCRIBE_MID, LEAVE_MID, ASK_MID, ASKED_MID, FOREIGN_MID = 1, 2, 3, 4, 5
_ITS_OWN = b"$"  # what a broker says itself (MQTT 5.0 §4.7.2)
_OURS = f"{ROOT}/".encode()
NOTHING = "ndiyan/nothing"  # no topic of ours: asking to leave it changes nothing

Sequences = Mapping[tuple[str, str, str], Iterable[tuple[int, int]]]
"""(zone, gateway, boot) → ranges of sequence numbers, both ends included."""


class Receiver(Protocol):
    """Where messages go; the link's own thread calls it."""

    def deliver(self, messages: list[Message]) -> None:
        """Take a burst of messages, in their order; should be short."""

    def has_room(self) -> bool:
        """Whether there is room for more. Without it the link is not read, and the broker keeps the rest."""

    def begin_again(self, since: int) -> None:
        """The broker has kept our session, which began with connection `since`: what came in it and the broker was not
        told to forget, it sends again."""


class Refused(Exception):
    """The broker does not want us: wrong password, no right to subscribe."""


class Subscriber:
    """One persistent session at the broker; `confirm` may be called from any one thread.

    `may_connect` is asked before each connection: whoever connects takes the session from who has it. `before` is what
    the last heartbeat told.
    """

    def __init__(
        self, config: IngestConfig, clock: Clock, receiver: Receiver, may_connect: Callable[[], bool] = lambda: True,
        before: Mapping[str, Any] | None = None,
    ) -> None:  # fmt: skip
        self._config, self._clock, self._receiver, self._may_connect = config, clock, receiver, may_connect
        self.said = BrokerSaid(before or {})
        self._protocol = config.mqtt.protocol
        self.own_topic = f"{ROOT}/-/{config.client_id}/down/mark"  # on which we hear nobody but ourselves
        self._first_topic = ALL_UPLINKS if config.worker == 1 else self.own_topic
        self._lock = threading.Lock()  # guards all below that is about this connection
        self._connection = 0  # how many there were, the present one included
        self._session_since = 1  # the connection with which the broker's present session began
        self._new_sessions = 0  # how often the broker had none of ours
        self._is_connected = False
        self._outgoing = bytearray()
        self._own: frozenset[str] = frozenset()  # topics read beside those of the configuration
        self._asked: dict[int, str] = {}  # number of a packet that is not answered yet → its topic
        self._granted: set[str] = set()
        self._refused: set[str] = set()
        self._left: set[str] = set()
        self._marked: dict[bytes, set[str]] = {}  # what is passed over from a mark on that has not come yet
        self._passed: set[str] = set()  # zones whose messages are confirmed unread
        self._read = self._confirmed = 0  # messages of this connection that were handed on, and those of them confirmed
        self._behind: deque[tuple[int, int]] = deque()  # what is to be confirmed once so many are, by number
        self._is_marked: bool | None = None
        self._wait_s = RECONNECT_S[0]  # before the next connection
        self._ask_s = math.inf  # when the broker is asked for its numbers next, on the monotonic clock
        self._ask_not_before_s = 0.0  # on a later connection, while it has not answered
        self._answered, self._stopping, self._is_leaving_for_good = threading.Event(), threading.Event(), False
        self._wake_read, self._wake_write = socket.socketpair()
        self._wake_read.setblocking(False)
        self._wake_write.setblocking(False)
        self._numbers = itertools.cycle(range(FOREIGN_MID, 65_536))
        self._topics: dict[bytes, str] = {}
        self._trouble: str | None = None
        self._thread = threading.Thread(target=self._run, name="subscriber", daemon=True)

    @property
    def is_connected(self) -> bool:
        """Whether the broker has accepted this session and the link stands as far as we know."""
        with self._lock:
            return self._is_connected

    @property
    def refused_topics(self) -> list[str]:
        """Foreign topics that the broker does not let us read, as far as it says so."""
        with self._lock:
            return sorted(self._refused & {*self._config.foreign_topics, *self._own})

    def is_alive(self) -> bool:
        """Whether the link's thread still runs."""
        return self._thread.is_alive()

    @property
    def reconnects(self) -> int:
        """How often the broker has accepted us again since the start."""
        with self._lock:
            return max(0, self._connection - 1)

    def start(self) -> None:
        """Begin to connect; returns at once, retries for ever."""
        self._thread.start()

    def read_also(self, topics: Iterable[str]) -> None:
        """Read these topics beside ours and those of the configuration, and no others that were read before."""
        wanted = frozenset(topics) - set(self._config.foreign_topics)
        with self._lock:
            added, gone, self._own = wanted - self._own, self._own - wanted, wanted
            if self._is_connected:
                self._unsubscribe(gone)
                for topic in sorted(added):
                    self._subscribe(topic)
        self._wake()

    def leave(self, topics: Iterable[str]) -> None:
        """Make sure that the broker has been told on this connection that we do not read these."""
        with self._lock:
            if self._is_connected:
                self._unsubscribe(set(topics) - self._left - set(self._asked.values()))
        self._wake()

    def hears(self, topic: str) -> bool:
        """Whether the broker has granted it on this connection."""
        with self._lock:
            return topic in self._granted

    def has_left(self, topic: str) -> bool:
        """Whether the broker has said on this connection that it does not send us this topic any more."""
        with self._lock:
            return topic in self._left

    @property
    def new_sessions(self) -> int:
        """How often the broker had no session of ours and began one."""
        with self._lock:
            return self._new_sessions

    def pass_over(self, zones: Collection[str], *, sessions: int | None = None) -> None:
        """From now on confirm what comes from these zones without reading it; not if there were more `sessions` since.

        What was published before we say so may be with nobody else. So we send ourselves a mark, behind which all was
        published later: a broker keeps the messages of a session in order.
        """
        mark = secrets.token_bytes(8)
        with self._lock:
            if self._is_connected and sessions in (None, self._new_sessions):
                self._marked[mark], self._is_marked = set(zones), False
                number = self._number_of("")
                self._outgoing += mqtt.publish_packet(self.own_topic, mark, protocol=self._protocol, mid=number)
        self._wake()

    def hear_again(self, zones: Collection[str]) -> None:
        """Read what comes from these zones, whatever was said before."""
        with self._lock:
            for passed in (self._passed, *self._marked.values()):
                passed.difference_update(zones)

    @property
    def passing(self) -> set[str]:
        """The zones that are passed over, now or from a mark on that is on its way."""
        with self._lock:
            return self._passed.union(*self._marked.values())

    @property
    def is_marked(self) -> bool | None:
        """Whether the last mark has come; None when none was sent on this connection."""
        with self._lock:
            return self._is_marked

    def _subscribe(self, topic: str) -> None:
        self._left.discard(topic)
        self._outgoing += mqtt.subscribe_packet(self._number_of(topic), topic, protocol=self._protocol)

    def _unsubscribe(self, topics: Iterable[str]) -> None:
        for topic in sorted(topics):
            self._granted.discard(topic)
            self._outgoing += mqtt.unsubscribe_packet(self._number_of(topic), topic, protocol=self._protocol)

    def _number_of(self, topic: str) -> int:
        """A number for a packet about a topic that the broker will answer, unique on this connection until it does."""
        number = next(number for number in self._numbers if number not in self._asked)
        self._asked[number] = topic
        return number

    def confirm(self, messages: Sequence[Message], taken: Sequences) -> None:
        """Tell broker and gateways that these are committed; call it after the commit and never before.

        Messages of one connection are confirmed in the order in which they were delivered, and none is left out.
        """
        answers = b"".join(
            mqtt.publish_packet(ack_topic(zone, gateway), encode_numbers(boot, ranges), protocol=self._protocol)
            for (zone, gateway, boot), ranges in taken.items()
        )
        with self._lock:
            if not self._is_connected:
                return
            ours = [message for message in messages if message.connection == self._connection]
            # Gateways wait for their answers and the broker for nothing; mosquitto takes our packets one by one.
            self._outgoing += answers + mqtt.puback_packets(self._due([message.mid for message in ours]))
        self._wake()

    def stop(self, *, for_good: bool = False) -> None:
        """Leave the broker; the session stays and goes on collecting, unless we leave `for_good`.

        The broker may drop what it has not read when a link closes, so the last confirmations are followed by a
        question, and we leave when it is answered.
        """
        with self._lock:
            is_connected = self._is_connected
            if is_connected:
                self._outgoing += mqtt.unsubscribe_packet(LEAVE_MID, NOTHING, protocol=self._protocol)
        self._wake()
        if is_connected:
            self._answered.wait(LEAVE_S)
        self._is_leaving_for_good = for_good
        self._stopping.set()
        self._wake()
        if self._thread.is_alive():
            self._thread.join(LEAVE_S + CONNECT_TIMEOUT_S)
        self._wake_read.close()
        self._wake_write.close()

    def _run(self) -> None:
        while not self._stopping.is_set():
            if not self._may_connect():
                self._stopping.wait(RECONNECT_S[0])
                continue
            try:
                with _opened(self._config.mqtt) as link:
                    self._converse(link)
            except (OSError, mqtt.ProtocolError, Refused) as error:
                self._note_trouble(error)
            finally:
                self._forget_connection()
            wait_s, self._wait_s = self._wait_s, min(2 * self._wait_s, RECONNECT_S[1])
            self._stopping.wait(wait_s * random.uniform(0.7, 1.3))  # noqa: S311 - not all at once after an outage

    def _converse(self, link: socket.socket) -> None:
        """Speak with the broker until the link ends or we are asked to stop."""
        with self._lock:
            self._outgoing += self._greeting()
        heard_s = spoke_s = time.monotonic()
        rest = b""
        while True:
            with self._lock:
                if self._stopping.is_set() and self._is_connected:
                    is_last = self._is_leaving_for_good
                    self._outgoing += (
                        mqtt.farewell_packet(protocol=self._protocol) if is_last else mqtt.DISCONNECT_PACKET
                    )
                is_connected, has_words = self._is_connected, bool(self._outgoing)
                is_far_behind = len(self._behind) >= self._config.window_messages
            # What a broker says at first is always heard.
            has_room = not is_connected or (self._receiver.has_room() and not is_far_behind)
            readers = [self._wake_read, link] if has_room else [self._wake_read]
            waits_s = 0.0 if has_room and _has_buffered(link) else 1.0
            readable, writable, _ = select.select(readers, [link] if has_words else [], [], waits_s)
            now_s = time.monotonic()
            if self._wake_read in readable:
                self._wake_read.recv(4096)
            if writable:
                self._send_some(link)
                spoke_s = now_s
            if self._stopping.is_set():
                return
            if link in readable or waits_s == 0.0:
                data = _received(link)
                if data == b"":
                    raise ConnectionResetError("the broker closed the link")
                if data is not None:
                    heard_s = now_s
                    rest = self._hear(rest + data)
            if not has_room:
                heard_s = now_s  # we do not listen, so silence tells nothing
                if _is_closed(link):
                    raise ConnectionResetError("the broker closed the link")
            if now_s - heard_s > SILENCE_S:
                raise TimeoutError(f"the broker said nothing for {SILENCE_S:.0f} s")
            if now_s - spoke_s > KEEPALIVE_S / 2:
                spoke_s = now_s
                with self._lock:
                    self._outgoing += mqtt.PINGREQ_PACKET
            if has_room and now_s >= self._ask_s:
                self._ask_s, self._ask_not_before_s = now_s + ASK_EVERY_S, now_s + UNANSWERED_S
                with self._lock:
                    self._outgoing += mqtt.subscribe_packet(ASK_MID, NUMBERS, protocol=self._protocol, qos=0)
                    self._outgoing += mqtt.unsubscribe_packet(ASKED_MID, NUMBERS, protocol=self._protocol)

    def _greeting(self) -> bytes:
        settings = self._config.mqtt
        return mqtt.connect_packet(
            self._config.client_id, protocol=self._protocol, username=settings.username, password=settings.password,
            keepalive_s=KEEPALIVE_S, session_expiry_s=NEVER_EXPIRES, receive_maximum=self._config.window_messages,
        )  # fmt: skip

    def _send_some(self, link: socket.socket) -> None:
        with self._lock:
            try:
                sent = link.send(self._outgoing)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            del self._outgoing[:sent]

    def _hear(self, data: bytes) -> bytes:
        """Take whole packets out of `data`; returns what is left."""
        published, answers, end = mqtt.read_packets(data, protocol=self._protocol)
        for answer in answers:
            self._answer(answer)
        own_topic = self.own_topic.encode()
        if self._passed or any(one.topic == own_topic or not one.mid for one in published):
            published = self._sifted(published, own_topic)
        if published:
            self._read += len(published)
            received_us = us_from_instant(self._clock.now())
            connection = self._connection
            messages = [
                Message(
                    self._topic(one.topic), one.payload, received_us, one.mid, connection, one.expires_s,
                    one.is_retained,
                )
                for one in published
            ]  # fmt: skip
            self._receiver.deliver(messages)
        return data[end:]

    def _sifted(self, published: Iterable[mqtt.Published], own_topic: bytes) -> list[mqtt.Published]:
        """What is to be read; marks and what is passed over are confirmed once all that came before them is. What the
        broker says of itself is heard here."""
        kept: list[mqtt.Published] = []
        with self._lock:
            for one in published:
                if one.topic == own_topic:
                    if one.payload in self._marked:  # else of an earlier connection, perhaps of a process before us
                        self._passed.update(self._marked.pop(one.payload))
                        self._is_marked = not self._marked
                elif not one.mid and one.topic.startswith(_ITS_OWN):
                    self.said.hear(one.topic, one.payload)
                elif not self._passed or _zone_of(one.topic) not in self._passed:
                    kept.append(one)
                    continue
                self._behind.append((self._read + len(kept), one.mid))
            self._outgoing += mqtt.puback_packets(self._due([]))
        return kept

    def _due(self, mids: Sequence[int]) -> list[int]:
        """The numbers to confirm now that the next messages, `mids`, are stored: with what was passed over among them.

        In the order in which they came, as MQTT wants it (5.0 §4.6.0): a broker that has used a number twice, as
        mosquitto 2.0.11 does when its queue is long, ends the older of the two.
        """
        due, done = list[int](), 0
        while self._behind and self._behind[0][0] <= self._confirmed + len(mids):
            before, mid = self._behind.popleft()
            due += mids[done : before - self._confirmed]
            due.append(mid)
            done = before - self._confirmed
        due += mids[done:]
        self._confirmed += len(mids)
        return [mid for mid in due if mid]

    def _answer(self, answer: mqtt.Answer) -> None:
        if answer.kind == mqtt.CONNACK:
            is_kept, reason, expiry_s = mqtt.connack(answer.body, protocol=self._protocol)
            if reason:
                raise Refused(f"CONNECT was refused with reason {reason:#x}")
            if expiry_s is not None and expiry_s != NEVER_EXPIRES:
                log.warning("the broker forgets our session after %d s: see its session expiry setting", expiry_s)
            if is_kept:
                self._receiver.begin_again(self._session_since)
            with self._lock:
                self._connection += 1
                if not is_kept:
                    self._session_since = self._connection
                    self._new_sessions += 1
                self._is_connected = True
                # On every connect: a broker may have lost the session.
                self._outgoing += mqtt.subscribe_packet(SUBSCRIBE_MID, self._first_topic, protocol=self._protocol)
                self._asked, self._granted, self._refused, self._left = {}, set(), set(), set()
                # What was not confirmed comes again, and some of it was published before the mark of last time.
                self._marked, self._passed, self._is_marked = {}, set(), None
                self._read = self._confirmed = 0
                self._behind.clear()
                for topic in (*self._config.foreign_topics, *sorted(self._own)):
                    self._subscribe(topic)
                if self._config.worker == 1:
                    self._ask_s = max(time.monotonic(), self._ask_not_before_s)
            self._trouble = None
            if self.said.greet(is_kept=is_kept):
                log.warning(
                    "the broker has lost our session, and what waited in it of sensors without a gateway of ours;"
                    " gateways send theirs again", extra={"action": "session_lost"},
                )  # fmt: skip
            log.info("connected to the broker, session %s", "kept" if is_kept else "new", extra={"action": "connected"})
        elif answer.kind == mqtt.SUBACK:
            number, granted = mqtt.granted_qos(answer.body)
            if number == ASK_MID:  # a broker may well keep its numbers to itself
                self._ask_not_before_s = 0.0
                self._ask_s = math.inf if granted >= mqtt.FAILURE else self._ask_s
                return
            if granted >= mqtt.FAILURE and number == SUBSCRIBE_MID:
                raise Refused(f"the broker does not let us read {self._first_topic}")
            with self._lock:
                topic = self._asked.pop(number, self._first_topic)
                (self._refused if granted >= mqtt.FAILURE else self._granted).add(topic)
            if granted >= mqtt.FAILURE:
                log.warning("the broker does not let us read %s", topic, extra={"action": "topic_refused"})
            self._wait_s = RECONNECT_S[0]
        elif answer.kind in (mqtt.UNSUBACK, mqtt.PUBACK):
            number = int.from_bytes(answer.body[:2], "big")
            if number == LEAVE_MID:
                self._answered.set()
            with self._lock:
                topic = self._asked.pop(number, "")
                if topic and topic not in self._own:
                    self._left.add(topic)
        elif answer.kind == mqtt.DISCONNECT:
            reason = answer.body[0] if answer.body else 0
            raise Refused(f"the broker ended the session with reason {reason:#x}")

    def _topic(self, topic: bytes) -> str:
        found = self._topics.get(topic)
        if found is None:
            found = topic.decode("utf-8", "backslashreplace")
            if len(self._topics) >= KNOWN_TOPICS:
                self._topics.clear()
            if len(topic) <= LONGEST_TOPIC:
                self._topics[topic] = found
        return found

    def _forget_connection(self) -> None:
        with self._lock:
            self._is_connected = False
            self._outgoing.clear()
        self._ask_s = math.inf

    def _note_trouble(self, error: Exception) -> None:
        trouble = f"{type(error).__name__}: {error}"
        if trouble != self._trouble and not self._stopping.is_set():
            level = logging.ERROR if isinstance(error, Refused) else logging.WARNING
            log.log(level, "no link to the broker, trying again: %s", error, extra={"action": "disconnected"})
        self._trouble = trouble

    def _wake(self) -> None:
        with contextlib.suppress(BlockingIOError):  # full of earlier wakes: it will wake
            self._wake_write.send(b"\x00")


def _opened(settings: MqttSettings) -> socket.socket:
    link = socket.create_connection((settings.host, settings.port), timeout=CONNECT_TIMEOUT_S)
    try:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # While there is no room we hear no answer to a ping; that nobody takes the ping itself ends the link too.
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(SILENCE_S * 1000))
        if (tls := settings.tls_context()) is not None:
            link = tls.wrap_socket(link, server_hostname=settings.host)
        link.setblocking(False)
    except BaseException:
        link.close()
        raise
    return link


def _received(link: socket.socket) -> bytes | None:
    """What has come; empty when the other side closed, None when there is nothing yet."""
    try:
        return link.recv(RECEIVE_BYTES)
    except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
        return None


def _is_closed(link: socket.socket) -> bool:
    """Whether the other side has closed; told without reading."""
    hung_up = select.poll()
    hung_up.register(link, select.POLLRDHUP)
    return bool(hung_up.poll(0))


def _zone_of(topic: bytes) -> str | None:
    """The zone of a topic of ours; None for any other."""
    parts = topic.split(b"/", 3)
    return parts[2].decode("utf-8", "replace") if len(parts) == 4 and topic.startswith(_OURS) else None


def _has_buffered(link: socket.socket) -> bool:
    return isinstance(link, ssl.SSLSocket) and link.pending() > 0
