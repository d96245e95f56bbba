"""The broker that the demo and the tests run: who may say what, and what survives."""

from __future__ import annotations

import queue
import socket
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties

from gateway.config import MqttSettings
from gateway.zones import Zone
from ingest.broker_check import find_weak_settings
from ingest.broker_conf import parse_broker_conf, read_directives
from ndiyan import embedded_broker
from ndiyan.children import free_port
from ndiyan.embedded_broker import EmbeddedBroker, broker_account, filled, find_mosquitto
from ndiyan.identities import acl_file, covers, device_identities, unheard
from ndiyan.shipped_files import shipped

pytestmark = pytest.mark.broker
PATIENCE_S = 10.0


class Ear:
    """A client that keeps what it hears."""

    def __init__(self, settings: MqttSettings, *topics: str, client_id: str = "", keeps_session: bool = False) -> None:
        self.heard: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.codes: queue.Queue[int] = queue.Queue()
        self._ready: queue.Queue[bool] = queue.Queue()
        protocol = mqtt.MQTTv5 if settings.protocol == 5 else mqtt.MQTTv311
        options = {} if settings.protocol == 5 else {"clean_session": not keeps_session}
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=protocol, **options)
        self.client.username_pw_set(settings.username, settings.password)
        self.client.on_connect = lambda client, *_: (
            [client.subscribe(topic, qos=1) for topic in topics] or (self._ready.put(True))
        )
        self.client.on_subscribe = lambda *_: self._ready.put(True)
        self.client.on_message = lambda _c, _u, message: self.heard.put((message.topic, message.payload))
        self.client.on_publish = lambda _c, _u, _mid, reason, _p: self.codes.put(reason.value)
        connect_options = {}
        if settings.protocol == 5:
            properties = Properties(1)
            properties.SessionExpiryInterval = 3600 if keeps_session else 0
            connect_options = {"clean_start": not keeps_session, "properties": properties}
        self.client.connect(settings.host, settings.port, **connect_options)
        self.client.loop_start()
        for _ in topics or ("connected",):
            self._ready.get(timeout=PATIENCE_S)

    def say(self, topic: str, payload: bytes) -> int:
        self.client.publish(topic, payload, qos=1)
        return self.codes.get(timeout=PATIENCE_S)

    def everything_until(self, last: bytes) -> list[bytes]:
        payloads = []
        while not payloads or payloads[-1] != last:
            payloads.append(self.heard.get(timeout=PATIENCE_S)[1])
        return payloads

    def leave(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def wait_for_store(broker: EmbeddedBroker) -> None:
    """The broker writes what waits once a second, not with its acknowledgement."""
    store, now_ns = broker.folder / "mosquitto.db", time.time_ns()
    deadline = time.monotonic() + PATIENCE_S
    while not store.exists() or store.stat().st_mtime_ns < now_ns:
        assert time.monotonic() < deadline, "the broker never wrote its store"
        time.sleep(0.05)


def test_a_gateway_cannot_publish_for_another_zone(broker: EmbeddedBroker, mqtt_settings: MqttSettings) -> None:
    operator = Ear(mqtt_settings, "ndiyan/#")
    gateway = Ear(broker.settings_for("gw-1"))
    refused = [
        gateway.say("ndiyan/1/zone-2/gw-2/up/senml", b"for another zone"),
        gateway.say("ndiyan/1/zone-1/gw-2/up/senml", b"as another gateway"),
        gateway.say("ndiyan/1/zone-1/gw-1/down/ack", b"as ingest"),
    ]
    assert gateway.say("ndiyan/1/zone-1/gw-1/up/senml", b"its own") == 0
    assert operator.everything_until(b"its own") == [b"its own"]
    assert all(code >= 0x80 for code in refused), "MQTT 5 tells the gateway that nothing was taken"
    gateway.leave()
    operator.leave()


def test_a_gateway_hears_only_its_own_downlink(broker: EmbeddedBroker) -> None:
    gateway = Ear(broker.settings_for("gw-1"), "ndiyan/1/zone-1/gw-1/down/#")
    ingest = Ear(broker.ingest_settings)
    assert ingest.say("ndiyan/1/zone-2/gw-2/down/ack", b"to gw-2") in (0, 0x10)
    assert ingest.say("ndiyan/1/zone-1/gw-1/down/ack", b"to gw-1") == 0
    assert gateway.everything_until(b"to gw-1") == [b"to gw-1"]
    gateway.leave()
    ingest.leave()


def test_a_device_that_names_itself_ingest_does_not_take_over_its_session(broker: EmbeddedBroker) -> None:
    ingest = Ear(broker.ingest_settings, "ndiyan/1/+/+/up/#", client_id="ingest", keeps_session=True)
    intruder = Ear(broker.settings_for("gw-1"), client_id="ingest")
    assert intruder.say("ndiyan/1/zone-1/gw-1/up/senml", b"hello") == 0
    assert ingest.everything_until(b"hello") == [b"hello"]
    intruder.leave()
    ingest.leave()


def test_a_wrong_password_is_refused(broker: EmbeddedBroker) -> None:
    settings = broker.settings_for("gw-1")
    codes: queue.Queue[bool] = queue.Queue()
    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    client.username_pw_set(settings.username, "guess")
    client.on_connect = lambda _c, _u, _f, reason, _p: codes.put(reason.is_failure)
    client.connect(settings.host, settings.port)
    client.loop_start()
    assert codes.get(timeout=PATIENCE_S) is True
    client.disconnect()
    client.loop_stop()


@pytest.mark.parametrize("ending", ["restart", "kill"])
def test_what_waits_for_ingest_survives_the_broker(broker: EmbeddedBroker, ending: str) -> None:
    Ear(broker.ingest_settings, "ndiyan/1/+/+/up/#", client_id="ingest", keeps_session=True).leave()
    gateway = Ear(broker.settings_for("gw-1"))
    for number in range(20):
        gateway.say("ndiyan/1/zone-1/gw-1/up/senml", b"before %d" % number)
    gateway.leave()
    wait_for_store(broker)
    if ending == "kill":
        broker.kill()
        broker.start()
    else:
        broker.restart()
    gateway = Ear(broker.settings_for("gw-1"))
    for number in range(20):
        gateway.say("ndiyan/1/zone-1/gw-1/up/senml", b"after %d" % number)
    gateway.leave()
    ingest = Ear(broker.ingest_settings, client_id="ingest", keeps_session=True)
    expected = [b"before %d" % n for n in range(20)] + [b"after %d" % n for n in range(20)]
    assert ingest.everything_until(b"after 19") == expected
    ingest.leave()


def test_the_shipped_settings_have_no_weak_one(broker: EmbeddedBroker, mqtt_settings: MqttSettings) -> None:
    assert find_weak_settings(broker.ingest_settings, operator=mqtt_settings) == []


def test_the_shipped_file_itself_is_read_as_mosquitto_reads_it(tmp_path: Path) -> None:
    conf = parse_broker_conf(list(read_directives(shipped("deploy/mosquitto/ndiyan.conf"), tmp_path)))
    assert conf.has_listener(8883)
    assert conf.values("allow_anonymous", 8883) == ["false"]
    assert conf.values("use_username_as_clientid", 8883) == ["true"]
    assert conf.values("max_queued_messages") == ["1000000"]


@pytest.mark.parametrize("protocol", [5, 4])
def test_twelve_thousand_messages_wait_for_an_absent_ingest_through_a_restart(
    broker: EmbeddedBroker, protocol: int
) -> None:
    ingest, gateway = replace(broker.ingest_settings, protocol=protocol), broker.settings_for("gw-1")
    Ear(ingest, "ndiyan/1/+/+/up/#", client_id="ingest", keeps_session=True).leave()
    sender = Ear(gateway)
    sent: list[bytes] = []
    for qos, count in (*5 * ((1, 2000), (0, 400)), (1, 1)):  # the last one is confirmed when all before it were read
        block = [b"%d" % (len(sent) + number) for number in range(count)]
        for payload in block:
            sender.client.publish("ndiyan/1/zone-1/gw-1/up/senml", payload, qos=qos)
        assert {sender.codes.get(timeout=PATIENCE_S) for _ in block} == {0}, "confirmed, before the next overtakes them"
        sent += block
    sender.leave()
    broker.restart()
    back = Ear(ingest, client_id="ingest", keeps_session=True)
    assert back.everything_until(sent[-1]) == sent
    back.leave()


@pytest.mark.parametrize("mosquitto", [find_mosquitto(), None], ids=["mosquitto", "python"])
def test_a_port_that_somebody_took_between_the_look_and_the_start_is_exchanged(
    mosquitto: Path | None, server_folder: Path, zones: list[Zone], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(tempfile.mkdtemp(prefix="broker-", dir=server_folder))
    folder.chmod(0o711)
    server = EmbeddedBroker(
        folder, zones, secret_file=folder / "secrets" / "broker", log=folder / "logs" / "broker.log",
        account=broker_account(), mosquitto=mosquitto,
    )  # fmt: skip
    with socket.create_server(("127.0.0.1", free_port())) as other:
        ports = iter([other.getsockname()[1]])
        monkeypatch.setattr(embedded_broker, "free_port", lambda wanted: next(ports, None) or free_port(wanted))
        server.start()
    assert server.is_alive()
    server.stop()


def test_the_python_broker_keeps_gateways_apart_too(server_folder: Path, zones: list[Zone], tmp_path: Path) -> None:
    server = EmbeddedBroker(tmp_path, zones, secret_file=tmp_path / "secrets", log=tmp_path / "broker.log")
    assert server.warning is not None
    server.start()
    try:
        assert server.settings_for("gw-1").protocol == 4
        operator = Ear(MqttSettings.from_url(server.operator_url), "ndiyan/#")
        gateway = Ear(server.settings_for("gw-1"))
        gateway.client.publish("ndiyan/1/zone-2/gw-2/up/senml", b"for another zone", qos=1)
        gateway.client.publish("ndiyan/1/zone-1/gw-1/up/senml", b"its own", qos=1)
        assert operator.everything_until(b"its own") == [b"its own"]
        gateway.leave()
        operator.leave()
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("allowed", "topic", "expected"),
    [
        pytest.param("ndiyan/1/+/+/up/#", "ndiyan/1/zone-1/gw-1/up/senml", True, id="plus-and-hash"),
        pytest.param("ndiyan/1/zone-1/gw-1/up/#", "ndiyan/1/+/gw-1/up/#", False, id="wider-filter"),
        pytest.param("ndiyan/1/zone-1/gw-1/up/#", "ndiyan/#", False, id="everything"),
        pytest.param("ndiyan/#", "$SYS/broker", False, id="system-topics-are-apart"),
        pytest.param("ndiyan/1/zone-1", "ndiyan/1/zone-1/gw-1", False, id="longer-topic"),
    ],
)
def test_covers_tells_whether_a_filter_holds_another(allowed: str, topic: str, expected: bool) -> None:
    assert covers(allowed, topic) is expected


def test_a_mosquitto_access_file_is_read_for_what_it_withholds() -> None:
    access = """
        topic read open/#
        user ingest
        topic read ndiyan/1/+/+/up/#
        topic write application/#
        topic meters/+/up
        pattern read of/%u/#
        user other
        topic read village/#
    """
    wanted = [
        "ndiyan/1/+/+/up/#",
        "application/+/device/+/event/up",
        "meters/7/up",
        "of/ingest/x",
        "village/rtu",
        "open/x",
    ]
    assert unheard(access, "ingest", wanted) == ["application/+/device/+/event/up", "village/rtu", "open/x"]


def test_the_access_file_names_every_gateway_under_its_own_zone_only(zones: list[Zone]) -> None:
    text = acl_file(device_identities(zones, {}))
    assert "user gw-3\ntopic write ndiyan/1/zone-3/gw-3/up/#\ntopic read ndiyan/1/zone-3/gw-3/down/#\n" in text
    assert text.count("user ") == len(zones) + 1


def test_a_template_without_an_expected_line_is_an_error() -> None:
    with pytest.raises(ValueError, match="no line 'certfile'"):
        filled("listener 8883\n", {"listener 8883": "listener 1", "certfile": ""})
