"""What the running broker does with messages, tried by a small client that leaves nothing behind.

It subscribes to a topic of its own under `ndiyan/probe/`, goes away, lets another connection publish a little more than
a default queue takes, comes back and counts: MQTT itself tells neither sender nor receiver that a queue was full.
"""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from gateway.config import MqttSettings

PROBE_TOPICS = "ndiyan/probe"
LARGE_BYTES = 16_384  # the largest pack of a gateway (RELIABILITY §2.5)
QOS0_SENT, QOS1_SENT = 10, 1_100  # the default queue of mosquitto holds 1,000
ENOUGH_IN_FLIGHT = 500
QUIET_S = 0.2  # nothing came for so long: the broker has sent what it sends without a confirmation
KEPT_FOR_S = 60  # how long the broker keeps the probe's session if we end before we could remove it
CLEAN_UP_S = 1.0  # beyond the timeout
NEVER_EXPIRES = 0xFFFFFFFF
LARGEST_WINDOW, DEFAULT_WINDOW = 65_535, 20  # what we take; what mosquitto takes by default
_QOS0, _QOS1, _LARGE, _LAST = b"0", b"1", b"L", b"."


class NotTried(Exception):
    """The broker could not be tried: no answer, no right, no time."""


def try_broker(login: MqttSettings, *, door: MqttSettings, timeout_s: float) -> dict[str, str]:
    """What mosquitto's settings seem to be, by name; those that could not be told, or only "not bad", are not there.

    Parameters
    ----------
    login : a user whose client id the broker does not prescribe; may publish and read under `PROBE_TOPICS`
    door : the listener of devices, tried by a stranger
    timeout_s : bound on everything but the clean-up, which may take another `CLEAN_UP_S` [s]

    Raises
    ------
    NotTried : no answer, no right, or no time
    """
    name = f"ndiyan-probe-{secrets.token_hex(4)}"
    topic = f"{PROBE_TOPICS}/{name[-8:]}"
    until_s = time.monotonic() + timeout_s
    seen: dict[str, str] = {}
    try:
        with _visit(login, name, until_s, session_s=NEVER_EXPIRES) as link:
            seen |= _announced(link)
            link.subscribe(topic)
        with _visit(login, f"{name}-sender", until_s) as link:
            took_large = link.publish(topic, [(1, _LARGE * LARGE_BYTES)]) == 1
        window = max(DEFAULT_WINDOW, int(seen.get("max_inflight_messages", 0)))
        with _visit(login, f"{name}-sender", until_s, window=window) as link:
            promised = link.publish(topic, [(0, _QOS0)] * QOS0_SENT + [(1, _QOS1)] * QOS1_SENT) - QOS0_SENT
        if promised <= 0:
            raise NotTried(f"{login.username or 'it'} may not publish to {topic}")
        with _visit(login, name, until_s, session_s=KEPT_FOR_S) as link:
            is_kept, in_flight = link.is_kept, link.wait_quiet()
            link.hear_out(topic)
        seen |= _counted(link.heard, promised=promised, took_large=took_large, in_flight=in_flight, is_kept=is_kept)
    finally:
        with contextlib.suppress(NotTried), _visit(login, name, time.monotonic() + CLEAN_UP_S):
            pass  # a clean start that expires at once removes session and subscription
    seen["allow_anonymous"] = "true" if _lets_in_anyone(door, f"{name}-nobody", until_s) else "false"
    return seen


def _announced(link: _Link) -> dict[str, str]:
    """What a broker that speaks MQTT 5 says when we connect (§3.2.2.3)."""
    if link.announced is None:
        return {}
    said = link.announced.json()  # type: ignore[no-untyped-call] # paho
    seen = {
        "max_inflight_messages": str(said.get("ReceiveMaximum", 0)),
        "max_packet_size": str(said.get("MaximumPacketSize", 0)),
        "max_qos": str(said.get("MaximumQoS", 2)),
        "retain_available": "true" if said.get("RetainAvailable", 1) else "false",
    }
    if (expiry_s := said.get("SessionExpiryInterval", NEVER_EXPIRES)) != NEVER_EXPIRES:
        seen["persistent_client_expiration"] = f"{expiry_s} s"
    return seen


def _counted(
    heard: list[mqtt.MQTTMessage], *, promised: int, took_large: bool, in_flight: int, is_kept: bool
) -> dict[str, str]:
    """What the messages that came back tell; `promised` counts those at QoS 1 that the broker confirmed."""
    if not is_kept:
        return {"persistent_client_expiration": "so short that the session did not outlive its connection"}
    if all(message.payload == _LAST for message in heard):
        return {"per_listener_settings": f"true, and of {promised} confirmed messages none was kept for us"}
    seen = {"per_listener_settings": "false"}  # or a mosquitto that keeps as much with it
    came = {kind: [message for message in heard if message.payload == kind] for kind in (_QOS0, _QOS1)}
    if len(came[_QOS1]) < promised:
        seen["max_queued_messages"] = f"full after {len(came[_QOS1])} of {promised} confirmed messages"
    if in_flight < min(ENOUGH_IN_FLIGHT, len(came[_QOS1])):
        seen["max_inflight_messages"] = str(in_flight)
    if not (took_large and any(message.payload[:1] == _LARGE for message in heard)):
        seen["message_size_limit"] = f"below {LARGE_BYTES}"
    seen["queue_qos0_messages"] = "true" if len(came[_QOS0]) == QOS0_SENT else "false"
    seen["upgrade_outgoing_qos"] = "true" if came[_QOS0] and came[_QOS0][0].qos else "false"
    return seen


def _lets_in_anyone(door: MqttSettings, name: str, until_s: float) -> bool:
    """Nameless, or under a name and password that nobody gave out."""
    for username in (None, name):
        with contextlib.suppress(NotTried), _visit(replace(door, username=username, password=username), name, until_s):
            return True
    return False


@contextmanager
def _visit(
    login: MqttSettings, name: str, until_s: float, *, session_s: int = 0, window: int = DEFAULT_WINDOW
) -> Iterator[_Link]:
    """A connection for the body of a `with`; see `_Link`."""
    link = _Link(login, name, until_s, session_s=session_s, window=window)
    try:
        link.open()
        yield link
    finally:
        link.close()


class _Link:
    """One connection, driven from the calling thread.

    Parameters
    ----------
    until_s : bound on every wait, on the monotonic clock [s]
    session_s : how long the broker is asked to keep the session; 0 for a new one that ends with the connection [s]
    window : how many messages may be published and not yet confirmed; a broker that allows less hangs up
    """

    def __init__(self, login: MqttSettings, name: str, until_s: float, *, session_s: int, window: int) -> None:
        self.heard: list[mqtt.MQTTMessage] = []
        self.announced: Properties | None = None
        self.is_kept = False
        self._login, self._until_s, self._session_s = login, until_s, session_s
        self._is_v5 = login.protocol == 5
        self._reason: ReasonCode | None = None
        self._is_subscribed = self._confirms = False
        self._answered = self._taken = 0
        protocol = MQTTProtocolVersion.MQTTv5 if self._is_v5 else MQTTProtocolVersion.MQTTv311
        clean = None if self._is_v5 else not session_s
        client = mqtt.Client(CallbackAPIVersion.VERSION2, name, clean, protocol=protocol, manual_ack=True)
        client.max_inflight_messages_set(window)
        client.username = login.username
        client.password = login.password
        if (tls := login.tls_context()) is not None:
            client.tls_set_context(tls)
        client.on_connect, client.on_subscribe = self._on_connect, self._on_subscribe
        client.on_publish, client.on_message = self._on_publish, self._on_message
        self._client = client

    def open(self) -> None:
        """Connect and wait for the broker's consent."""
        self._client.connect_timeout = max(0.1, self._until_s - time.monotonic())
        try:
            if self._is_v5:
                asked = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho
                asked.SessionExpiryInterval = self._session_s
                asked.ReceiveMaximum = LARGEST_WINDOW
                self._client.connect(
                    self._login.host, self._login.port, clean_start=not self._session_s, properties=asked
                )
            else:
                self._client.connect(self._login.host, self._login.port)
        except (OSError, ValueError) as error:
            raise NotTried(f"{self._login.host}:{self._login.port}: {error}") from error
        self._wait(lambda: self._reason is not None)
        if self._reason is not None and self._reason.is_failure:
            raise NotTried(f"the broker refuses {self._login.username or 'a client without a name'}: {self._reason}")

    def close(self) -> None:
        """Leave; a session that is kept is kept for `KEPT_FOR_S`, also when we end before we come back."""
        leaving = None
        if self._is_v5 and self._session_s:
            leaving = Properties(PacketTypes.DISCONNECT)  # type: ignore[no-untyped-call] # paho
            leaving.SessionExpiryInterval = KEPT_FOR_S
        self._client.disconnect(properties=leaving)
        with contextlib.suppress(NotTried):
            self._wait(lambda: not self._client.is_connected())

    def subscribe(self, topic: str) -> None:
        """Ask for a topic at QoS 1 and wait for the answer."""
        self._client.subscribe(topic, qos=1)
        self._wait(lambda: self._is_subscribed)

    def publish(self, topic: str, messages: list[tuple[int, bytes]]) -> int:
        """Publish (QoS, payload) in this order; how many the broker took (QoS 0: were sent), also if it hangs up."""
        for qos, payload in messages:
            self._client.publish(topic, payload, qos=qos)
        with contextlib.suppress(_HungUp):
            self._wait(lambda: self._answered == len(messages))
        return self._taken

    def wait_quiet(self) -> int:
        """How many messages at QoS 1 the broker sends before any is confirmed."""
        before = -1
        while len(self.heard) != before:
            before = len(self.heard)
            quiet_s = time.monotonic() + QUIET_S
            self._wait(lambda: len(self.heard) != before or time.monotonic() > quiet_s)  # noqa: B023 - called at once
        return sum(message.qos for message in self.heard)

    def hear_out(self, topic: str) -> None:
        """Confirm what came and comes until all has come: one more message goes behind all that waits."""
        self._confirms = True
        for message in list(self.heard):
            self._client.ack(message.mid, message.qos)
        before = -1
        while len(self.heard) != before:
            before = len(self.heard)
            self.wait_quiet()
        self._client.publish(topic, _LAST, qos=1)
        self._wait(lambda: self._answered > 0 and self.heard[-1:] != [] and self.heard[-1].payload == _LAST)

    def _wait(self, is_reached: Callable[[], bool]) -> None:
        while not is_reached():
            left_s = self._until_s - time.monotonic()
            if left_s <= 0:
                raise NotTried(f"no answer from {self._login.host}:{self._login.port} in time")
            try:
                is_up = self._client.loop(min(left_s, 0.05)) == MQTTErrorCode.MQTT_ERR_SUCCESS
            except (OSError, ValueError) as error:
                raise _HungUp(f"{self._login.host}:{self._login.port}: {error}") from error
            if not is_up and not is_reached():
                raise _HungUp(f"{self._login.host}:{self._login.port} ended the link")

    def _on_connect(
        self, _client: mqtt.Client, _data: object, flags: mqtt.ConnectFlags, reason: ReasonCode, said: Properties | None
    ) -> None:
        self._reason, self.is_kept = reason, flags.session_present
        self.announced = said if self._is_v5 else None

    def _on_subscribe(self, *_: object) -> None:
        self._is_subscribed = True

    def _on_publish(self, _client: mqtt.Client, _data: object, _mid: int, reason: ReasonCode, _said: object) -> None:
        self._answered += 1
        self._taken += not reason.is_failure

    def _on_message(self, client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        self.heard.append(message)
        if self._confirms:
            client.ack(message.mid, message.qos)


class _HungUp(NotTried):
    """The broker ended the link."""
