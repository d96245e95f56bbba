"""The MQTT link of ingest: messages in, confirmations out, each tied to the connection that it belongs to.

The rules are RELIABILITY §2.3: QoS 1 and manual acknowledgement; a persistent session asked for by name; a window
(`ReceiveMaximum`) that is the whole of the backpressure; message ids are only good on the connection on which they
came, so an acknowledgement of an older connection is dropped (the broker sends the message again, and the key of a
reading absorbs it); nothing but an append in `on_message`, because an exception there ends the network thread while
`is_connected()` stays true.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterable, Mapping, Sequence

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.clock import Clock
from gateway.wire import ALL_UPLINKS, ack_topic, encode_ack, ranges_of
from ingest.admission import Message
from ingest.config import IngestConfig

log = logging.getLogger(__name__)

NEVER_EXPIRES = 0xFFFFFFFF
KEEPALIVE_S = 30
LEAVE_S = 2.0
NOTHING = "ndiyan/nothing"  # no topic of ours: asking to leave it changes nothing


class Subscriber:
    """One persistent session at the broker; `take` and `confirm` are for one thread."""

    def __init__(self, config: IngestConfig, clock: Clock) -> None:
        self._config, self._clock = config, clock
        self._messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._lock = threading.Lock()  # guards the two below: which connection is on, and whether it stands
        self._connection = 0
        self._is_connected = False
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id=config.client_id,
            protocol=MQTTProtocolVersion(config.mqtt.protocol),
            clean_session=False if config.mqtt.protocol == 4 else None,
            manual_ack=True,
        )
        if config.mqtt.username is not None:
            self._client.username_pw_set(config.mqtt.username, config.mqtt.password)
        if config.mqtt.tls_ca is not None:
            self._client.tls_set(config.mqtt.tls_ca or None)
        self._client.reconnect_delay_set(min_delay=1, max_delay=30)
        self._client.on_connect = self._on_connect
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._answered = threading.Event()
        self._client.on_unsubscribe = lambda *_: self._answered.set()

    @property
    def is_connected(self) -> bool:
        """Whether the broker has accepted this session and the link stands as far as we know."""
        with self._lock:
            return self._is_connected

    @property
    def waiting(self) -> int:
        """How many messages have come and were not yet taken."""
        return self._messages.qsize()

    def start(self) -> None:
        """Begin to connect; returns at once, retries for ever."""
        mqtt_settings = self._config.mqtt
        if mqtt_settings.protocol == 5:
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho
            properties.SessionExpiryInterval = NEVER_EXPIRES
            properties.ReceiveMaximum = self._config.window_messages
            self._client.connect_async(
                mqtt_settings.host, mqtt_settings.port, KEEPALIVE_S, clean_start=False, properties=properties
            )
        else:
            self._client.connect_async(mqtt_settings.host, mqtt_settings.port, KEEPALIVE_S)
        self._client.loop_start()

    def is_alive(self) -> bool:
        """Whether the network thread still runs; paho's own `is_connected` does not tell."""
        thread = self._client._thread
        return thread is not None and thread.is_alive()

    def take(self, limit: int, *, wait_s: float, gather_s: float = 0.05, quiet_s: float = 0.005) -> list[Message]:
        """Up to `limit` messages: waits for the first up to `wait_s`, then until none came for `quiet_s`.

        A stream that is never quiet is cut after `gather_s`.
        """
        taken: list[Message] = []
        try:
            taken.append(self._messages.get(timeout=wait_s))
            until_s = time.monotonic() + gather_s
            while len(taken) < limit and time.monotonic() < until_s:
                taken.append(self._messages.get(timeout=quiet_s))
        except queue.Empty:
            pass
        return taken

    def confirm(self, messages: Sequence[Message], taken: Mapping[tuple[str, str, str], Iterable[int]]) -> None:
        """Tell broker and gateways that these are committed; call it after the commit and never before."""
        for (zone, gateway, boot), numbers in taken.items():
            self._client.publish(ack_topic(zone, gateway), encode_ack(boot, ranges_of(numbers)), qos=0)
        with self._lock:
            if not self._is_connected:
                return
            for message in messages:
                if message.connection == self._connection and message.mid:
                    self._client.ack(message.mid, 1)

    def stop(self) -> None:
        """Leave the broker; the session stays and goes on collecting.

        The broker may drop what it has not read when a link closes, so the last confirmations are followed by a
        question, and we leave when it is answered.
        """
        if self.is_connected:
            self._client.unsubscribe(NOTHING)
            self._answered.wait(LEAVE_S)
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(
        self,
        client: mqtt.Client,
        userdata: object,
        flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            log.error("the broker refused us: %s", reason)
            return
        with self._lock:
            self._connection += 1
            self._is_connected = True
        client.subscribe(ALL_UPLINKS, qos=1)  # on every connect: a broker may have lost the session
        log.info(
            "connected to the broker, session %s", "kept" if flags.session_present else "new",
            extra={"action": "connected"},
        )  # fmt: skip

    def _on_disconnect(
        self,
        client: mqtt.Client,
        userdata: object,
        flags: mqtt.DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        with self._lock:
            was_connected, self._is_connected = self._is_connected, False
            self._connection += 1
        if was_connected and reason.is_failure:
            log.warning("lost the broker: %s", reason, extra={"action": "disconnected"})

    def _on_message(self, client: mqtt.Client, userdata: object, message: mqtt.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            topic = "not utf-8"
        mid = message.mid if message.qos else 0
        received_us = round(self._clock.now().timestamp() * 1e6)
        self._messages.put(Message(topic, bytes(message.payload), received_us, mid, self._connection))
