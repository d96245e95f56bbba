"""The MQTT link of one gateway: sends what the outbox holds until ingest says that it is committed.

A PUBACK is no promise (every broker setting tried lost acknowledged messages under kills or power cuts), so it only
tells that the link works. The outbox forgets on `down/ack` alone. A lost answer costs a resend, which the key of a
reading absorbs.

Where more waits than one pack holds, the newest reading of each channel goes first, then what is measured from then on,
and beside it the backlog, the oldest first, two packs at a time: an answer fetches the next, so it goes as fast as the
link bears and live readings never wait behind it.

What the outbox thinned away is declared, some ranges of numbers at a time, until ingest confirms that it knows.

While nobody answers at all, new readings go out once, as long as the window has room, and only the oldest reading is
sent again, ever more rarely; the first answer brings all that waits on its way.
"""

from __future__ import annotations

import gzip
import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.clock import Clock, uptime_s
from gateway.config import MqttSettings
from gateway.outbox import END, START, Group, Outbox, Position
from gateway.traffic import Traffic, traffic_of
from gateway.wire import (
    MAX_READINGS_PER_PACK,
    MESSAGE_LIFE_S,
    Queued,
    ack_topic,
    decode_numbers,
    encode_numbers,
    encode_pack,
    encode_status,
    senml_topic,
    status_topic,
    thinned_topic,
)

log = logging.getLogger(__name__)

WINDOW_READINGS = MAX_READINGS_PER_PACK  # sent and not yet confirmed
BACKLOG_READINGS = 2 * MAX_READINGS_PER_PACK  # of a backlog: while one is answered the next is on its way
NEWEST_AMONG = 2000  # of a backlog, so many readings are looked through for the newest of each channel
DECLARED_AT_ONCE = 200  # ranges of numbers that were thinned away: 3 kB
WORTH_ZIPPING = 300  # bytes
RESEND_AFTER_S = 20.0  # wall time without an answer for the oldest reading after which all that waits is sent again
PATIENCE_DOUBLES = 6  # times while nobody answers at all: 20 s become 21 min, for a SIM card is paid by volume
UNKNOWN_SOURCE = "system"  # who set the machine's clock is not known here
WILL_DELAY_S = 600  # a 2G link flaps; presence is computed from readings anyway
KEEPALIVE_S = 60
RECONNECT_S = (1.0, 120.0)
GOODBYE_S = 1.5


class Uplink:
    """Sends an outbox to the broker from a thread of its own; `wake` tells that there is something new.

    MQTT 5 (any reason code other than 0 means not delivered), or 3.1.1 where the broker knows no better. Each
    connection is a new client: an old one would send again what it had in hand, with clocks of long ago.

    Parameters
    ----------
    uptime_s : the uptime now, on the same count as that of the outbox's readings [s]
    resend_after_s : wall time without an answer for the oldest reading after which all that waits is sent again [s]
    reconnect_s : least and greatest wait between two attempts to connect [s]
    keepalive_s : how long the link may be quiet before it is tried [s]
    live_first : whether live readings go before a backlog; else all goes in the order in which it was taken
    is_zipped : whether packs are gzipped where that makes them smaller
    clock_source : who vouches for the clock now
    tells : what the status says of the box beside
    listens : what to do with retained messages for us, by topic; called from the network's thread
    """

    def __init__(
        self,
        settings: MqttSettings,
        *,
        zone: str,
        gateway: str,
        outbox: Outbox,
        clock: Clock,
        software: str,
        uptime_s: Callable[[], float] = uptime_s,
        resend_after_s: float = RESEND_AFTER_S,
        reconnect_s: tuple[float, float] = RECONNECT_S,
        keepalive_s: int = KEEPALIVE_S,
        live_first: bool = True,
        is_zipped: bool = False,
        clock_source: Callable[[], str] = lambda: UNKNOWN_SOURCE,
        tells: Callable[[], Mapping[str, object]] = dict,
        listens: Mapping[str, Callable[[bytes], None]] | None = None,
    ) -> None:
        self._keepalive_s, self._live_first, self._is_zipped = keepalive_s, live_first, is_zipped
        self._clock_source, self._tells, self._listens = clock_source, tells, dict(listens or {})
        self._settings, self._clock, self._software = settings, clock, software
        self._zone, self._gateway, self._outbox, self._uptime_s = zone, gateway, outbox, uptime_s
        self._resend_after_s, self._reconnect_s, self._wait_s = resend_after_s, reconnect_s, reconnect_s[0]
        # What waits up to `_until` is a backlog that is sent up to `_cursor`; what is behind it is live, sent up to
        # `_live`. Without a backlog `_until` is END.
        self._cursor: Position = START
        self._until: Position = END
        self._live: Position = START
        self._is_new_start = threading.Event()  # all that waits is to be sent again
        self._oldest: Position = START  # of what waits, and since when it waits for its answer
        self._oldest_s = time.monotonic()
        self._silence = 0  # how often was sent again since the last answer; from 2 on not all that may be lost
        self._may_start_over = True  # a new link, once until the next answer
        self._patience_s, self._answered = resend_after_s, threading.Event()
        self._declared: tuple[str, list[tuple[int, int]]] | None = None  # that waits for its answer, until
        self._declare_again_s, self._declare_patience_s = 0.0, resend_after_s
        self._wake, self._stopping, self._paused = threading.Event(), threading.Event(), threading.Event()
        self._connected, self._lost = threading.Event(), threading.Event()
        self._client: mqtt.Client | None = None
        self._status_message = 0  # the number of the one that tells our status, which nobody need listen to
        self._trouble: str | None = None  # that was told last
        self._traffic_lock, self._past_traffic = threading.Lock(), Traffic()
        self._sender = threading.Thread(target=self._send_until_stopped, name=f"uplink-{gateway}", daemon=True)

    @property
    def is_connected(self) -> bool:
        """Whether the broker has accepted us and the link stands as far as we know."""
        return self._connected.is_set()

    @property
    def is_paused(self) -> bool:
        """Whether the link is cut on purpose."""
        return self._paused.is_set()

    @property
    def is_alive(self) -> bool:
        """Whether the thread that sends is there."""
        return self._sender.is_alive()

    @property
    def has_backlog(self) -> bool:
        """Whether live readings go before others now."""
        return self._until != END

    def traffic(self) -> Traffic:
        """What all connections have cost since we began."""
        client = self._client
        connection: Any = None if client is None else client.socket()
        with self._traffic_lock:
            return self._past_traffic + (Traffic() if connection is None else traffic_of(connection))

    def tell_status(self) -> None:
        """Publish our status anew, when there is a link."""
        client = self._client
        if client is not None and self.is_connected:
            self._publish_status(client)

    def start(self) -> None:
        """Begin to connect and send; returns at once."""
        self._sender.start()

    def wake(self) -> None:
        """New readings wait in the outbox."""
        self._wake.set()

    def pause(self) -> None:
        """Cut the link: readings go on piling up in the outbox."""
        self._paused.set()
        self._wake.set()

    def resume(self) -> None:
        """End a `pause`."""
        self._paused.clear()
        self._wake.set()

    def ask_to_stop(self) -> None:
        """Begin to say good-bye; returns at once."""
        self._stopping.set()
        self._wake.set()

    def stop(self, timeout_s: float = 3.0) -> None:
        """Say good-bye and end the threads; what is not confirmed waits in the outbox."""
        self.ask_to_stop()
        if self._sender.is_alive():
            self._sender.join(timeout_s)

    def _send_until_stopped(self) -> None:
        while not self._stopping.is_set():
            try:
                self._keep_link()
                self._send_due()
            except Exception as error:
                self._tell(f"sending failed, the readings stay in the outbox: {error!r}", with_traceback=True)
                self._stopping.wait(1.0)
            self._wake.wait(self._resend_after_s / 4)
            self._wake.clear()
            if self._lost.is_set():
                # Gateways must not all come back at once after a mast's outage.
                self._stopping.wait(self._wait_s * random.uniform(0.5, 1.5))  # noqa: S311 - not all at once
                self._wait_s = min(2 * self._wait_s, self._reconnect_s[1])
        self._say_goodbye()
        self._hang_up()

    def _keep_link(self) -> None:
        """Have a client that is connected or trying to; none while the link is cut on purpose."""
        if self._paused.is_set() or self._lost.is_set():
            self._hang_up()
        if self._client is None and not self._paused.is_set():
            self._client = self._new_client()
            self._client.connect_async(self._settings.host, self._settings.port, keepalive=self._keepalive_s)
            self._client.loop_start()

    def _hang_up(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            client.disconnect()
            client.loop_stop()
        self._connected.clear()
        self._lost.clear()

    def _say_goodbye(self) -> None:
        if self._client is None or not self.is_connected:
            return
        topic = status_topic(self._zone, self._gateway)
        info = self._client.publish(topic, self._status(online=False), qos=1, retain=True)
        try:
            info.wait_for_publish(GOODBYE_S)
        except RuntimeError:
            log.debug("%s: the link went away while saying good-bye", self._gateway)

    def _new_client(self) -> mqtt.Client:
        settings = self._settings
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._gateway,
            protocol=MQTTProtocolVersion(settings.protocol),
            clean_session=True if settings.protocol == 4 else None,
            reconnect_on_failure=False,
        )
        if settings.username is not None:
            client.username_pw_set(settings.username, settings.password)
        if (tls := settings.tls_context()) is not None:
            client.tls_set_context(tls)
        client.will_set(
            status_topic(self._zone, self._gateway), self._status(online=False), qos=1, retain=True,
            properties=_will(settings),
        )  # fmt: skip
        client.on_connect = self._on_connect
        client.on_connect_fail = lambda *_: self._lose()
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        client.on_socket_close = self._on_socket_close
        return client

    def _send_due(self) -> None:
        client = self._client
        if client is None or not self.is_connected or self._paused.is_set():
            return
        if self._answered.is_set():
            self._answered.clear()
            self._hear_answer()
        # That later readings are answered says nothing: a broker that came back empty has lost some in between.
        _, oldest = self._outbox.peek(1)
        if oldest != self._oldest:
            self._oldest, self._oldest_s = oldest, time.monotonic()
        if self._outbox.depth(until=self._cursor) and time.monotonic() - self._oldest_s > self._patience_s:
            self._send_again(client)
        if self._is_new_start.is_set():
            self._is_new_start.clear()
            self._cursor, self._until, self._live = START, END, START
            self._find_backlog(client)
        if self.has_backlog:
            self._live = self._send_from(client, self._live, begin=self._until)
            self._cursor = self._send_from(client, self._cursor, until=self._until, window=BACKLOG_READINGS)
            if not self._outbox.peek(1, after=self._cursor, until=self._until)[0]:
                self._cursor, self._until = self._live, END
        else:
            self._cursor = self._send_from(client, self._cursor)
        self._declare_thinned(client)

    def _declare_thinned(self, client: mqtt.Client) -> None:
        """Tell which numbers will not come; the same again, ever more rarely, until that is confirmed."""
        thinned, now_s = self._outbox.undeclared(DECLARED_AT_ONCE), time.monotonic()
        if thinned is None or (thinned == self._declared and now_s < self._declare_again_s):
            return
        longest_s = self._resend_after_s * 2**PATIENCE_DOUBLES
        is_again = thinned == self._declared
        self._declare_patience_s = min(2 * self._declare_patience_s, longest_s) if is_again else self._resend_after_s
        self._declared, self._declare_again_s = thinned, now_s + self._declare_patience_s
        self._send(client, thinned_topic(self._zone, self._gateway), encode_numbers(*thinned))

    def _find_backlog(self, client: mqtt.Client) -> None:
        """Where much waits, it is a backlog, of which the newest reading of each channel is sent at once."""
        if self._live_first and self._outbox.depth() > MAX_READINGS_PER_PACK:
            self._until = self._live = self._outbox.end()
            self._publish(client, self._outbox.newest(NEWEST_AMONG))

    def _send_from(
        self,
        client: mqtt.Client,
        cursor: Position,
        *,
        begin: Position = START,
        until: Position = END,
        window: int = WINDOW_READINGS,
    ) -> Position:
        """Send what waits behind `cursor`, as long as the window bears what is unconfirmed from `begin` on."""
        unconfirmed = self._outbox.depth(after=begin, until=cursor)
        while unconfirmed < window:
            groups, cursor = self._outbox.peek(window - unconfirmed, after=cursor, until=until)
            if not groups:
                break
            self._publish(client, groups)
            unconfirmed += sum(len(entries) for _, entries in groups)
        return cursor

    def _hear_answer(self) -> None:
        if self._silence > 1:
            self._is_new_start.set()
            self._oldest_s = time.monotonic()
        self._silence, self._patience_s, self._may_start_over = 0, self._resend_after_s, True

    def _send_again(self, client: mqtt.Client) -> None:
        """Send all that waits again; when that was in vain, only the oldest reading, as a question."""
        if self._silence == 0:
            self._is_new_start.set()
        else:
            self._publish(client, self._outbox.peek(1)[0])
        jitter = random.uniform(0.75, 1.25)  # noqa: S311 - not all gateways at once
        self._patience_s = self._resend_after_s * 2 ** min(self._silence, PATIENCE_DOUBLES) * jitter
        self._oldest_s = time.monotonic()
        self._silence += 1

    def _publish(self, client: mqtt.Client, groups: Iterable[Group]) -> None:
        topic = senml_topic(self._zone, self._gateway)
        for boot, entries in groups:
            for pack in _packs(entries):
                sent_uptime_s = self._uptime_s() if self._outbox.is_of_this_run(boot) else None
                payload = encode_pack(boot, pack, sent_at=self._clock.now(), sent_uptime_s=sent_uptime_s)
                if self._is_zipped and len(payload) > WORTH_ZIPPING:
                    payload = gzip.compress(payload, mtime=0)
                self._send(client, topic, payload)

    def _send(self, client: mqtt.Client, topic: str, payload: bytes) -> None:
        info = client.publish(topic, payload, qos=1, properties=_life(self._settings))
        if info.rc not in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN):
            self._tell(f"publish refused: {mqtt.error_string(info.rc)}")

    def _status(self, *, online: bool) -> bytes:
        return encode_status(
            online=online, boot=self._outbox.boot, software=self._software, clock=self._clock_source(),
            at=self._clock.now(), more=self._tells() if online else None,
        )  # fmt: skip

    def _on_connect(
        self,
        client: mqtt.Client,
        userdata: object,
        flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        try:
            self._greet(client, reason)
        except Exception:  # paho's thread would end with it, and nobody connect again
            log.exception("%s: the link is given up, its birth cannot be told", self._gateway)
            self._lose()

    def _greet(self, client: mqtt.Client, reason: ReasonCode) -> None:
        if reason.is_failure:
            self._tell(f"the broker refused us: {reason}")
            return
        client.subscribe(ack_topic(self._zone, self._gateway), qos=1)
        for listened in self._listens:
            client.subscribe(listened, qos=1)
        self._publish_status(client)
        if self._may_start_over:
            self._is_new_start.set()
            self._oldest_s = time.monotonic()
            self._silence, self._patience_s, self._may_start_over = 1, self._resend_after_s, False
        else:  # a link that flaps must not send all again each time: what the last one lost waits for an answer
            self._silence = max(self._silence, 2)
        self._wait_s = self._reconnect_s[0]
        self._connected.set()
        self._wake.set()

    def _publish_status(self, client: mqtt.Client) -> None:
        status = client.publish(status_topic(self._zone, self._gateway), self._status(online=True), qos=1, retain=True)
        self._status_message = status.mid

    def _on_socket_close(self, client: mqtt.Client, userdata: object, connection: Any) -> None:
        with self._traffic_lock:
            self._past_traffic += traffic_of(connection)

    def _on_disconnect(
        self,
        client: mqtt.Client,
        userdata: object,
        flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if self._connected.is_set() and not self._stopping.is_set():
            log.info("%s: link lost: %s", self._gateway, reason)
        self._lose()

    def _lose(self) -> None:
        self._connected.clear()
        self._lost.set()
        self._wake.set()

    def _on_publish(
        self, client: mqtt.Client, userdata: object, mid: int, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if mid != self._status_message and not self._stopping.is_set():
            # 16 (no subscriber), 135 (not authorised) …: nobody has it, so it will be sent again.
            self._tell(f"the broker does not deliver: {reason}" if reason.value != 0 else None)

    def _tell(self, trouble: str | None, *, with_traceback: bool = False) -> None:
        """Log what keeps readings from being delivered, None when nothing does; once, until it changes."""
        if trouble == self._trouble:
            return
        self._trouble = trouble
        if trouble is None:
            log.info("%s: readings are delivered again", self._gateway)
        else:
            log.warning("%s: %s", self._gateway, trouble, exc_info=with_traceback)

    def _on_message(self, client: mqtt.Client, userdata: object, message: mqtt.MQTTMessage) -> None:
        try:
            if message.topic in self._listens:
                self._listens[message.topic](bytes(message.payload))
                return
            if message.topic != ack_topic(self._zone, self._gateway):
                return  # amqtt hands a gateway its own retained status back
            boot, ranges = decode_numbers(bytes(message.payload))
            confirmed = self._outbox.confirm(boot, ranges)
        except Exception:
            log.exception("%s: a message could not be used; the readings stay in the outbox", self._gateway)
            return
        if confirmed:
            self._answered.set()
            self._wake.set()


def _packs(entries: Sequence[Queued]) -> Iterator[Sequence[Queued]]:
    for first in range(0, len(entries), MAX_READINGS_PER_PACK):
        yield entries[first : first + MAX_READINGS_PER_PACK]


def _life(settings: MqttSettings) -> Properties | None:
    if settings.protocol != 5:
        return None
    properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call] # paho
    properties.MessageExpiryInterval = MESSAGE_LIFE_S
    return properties


def _will(settings: MqttSettings) -> Properties | None:
    if settings.protocol != 5:
        return None
    properties = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call] # paho
    properties.WillDelayInterval = WILL_DELAY_S
    return properties
