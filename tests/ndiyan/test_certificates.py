"""Gateways that show a certificate: at a mosquitto with the listener that we ship, through the gateway's own uplink."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from typer.testing import CliRunner

from gateway.clock import ManualClock, SystemClock
from gateway.config import MqttSettings
from gateway.model import AssetId, Reading
from gateway.outbox import Outbox
from gateway.uplink import Uplink
from gateway.zones import Zone
from ingest.db import connect
from ingest.registry import import_zones
from ndiyan.certificates import Authority, Certificates, Issued, hosts_of, make_certificates
from ndiyan.children import free_port, own, spawn, stop
from ndiyan.cli import app
from ndiyan.devices import (
    ACCESS,
    PASSWORDS,
    BrokerFiles,
    DeviceRefused,
    Signer,
)
from ndiyan.embedded_broker import broker_account, filled, find_mosquitto
from ndiyan.errors import NdiyanError
from ndiyan.identities import acl_file, ingest_identity
from ndiyan.shipped_files import shipped
from ndiyan.takeover import LinkStays, end_link
from tests.conftest import skip_without
from tests.ingest.process import wait_until

pytestmark = pytest.mark.broker
NOW = SystemClock().now() - timedelta(hours=1)


class Gate:
    """A mosquitto with our whole configuration and the listener for certificates appended to it, and who issues."""

    def __init__(self, folder: Path, mosquitto: Path, zones: list[Zone]) -> None:
        self.folder, self._mosquitto, self.port = folder, mosquitto, free_port(0)
        self.ours: Certificates = make_certificates("gate.example", now=NOW)
        self.signer = Signer(Authority(self.ours.authority, self.ours.authority_key), NOW)
        self.files = BrokerFiles(folder, {zone.gateway_id: zone.zone_id for zone in zones})
        parts = ("ndiyan.conf", "certificates.conf")
        template = "".join(shipped(f"deploy/mosquitto/{part}").read_text("utf-8") for part in parts)
        ports = {8883: free_port(0), 1883: free_port(0), 8884: self.port}
        conf = filled(
            template.replace("/etc/mosquitto/ndiyan", str(folder)),
            {f"listener {one}": f"listener {port} 127.0.0.1" for one, port in ports.items()}
            | {"persistence_location": f"persistence_location {folder}/", "log_type notice": "log_type all"},
        )
        for name, text in (
            ("server.crt", self.ours.server), ("server.key", self.ours.server_key), (PASSWORDS, ""),
            (ACCESS, acl_file([ingest_identity("")])), ("mosquitto.conf", conf),
        ):  # fmt: skip
            (folder / name).touch(0o600)
            (folder / name).write_text(text, "utf-8")
            own(folder / name, broker_account())
        own(folder, broker_account())

    def start(self) -> None:
        self.log = self.folder / "gate.log"
        self._process = spawn(
            [self._mosquitto, "-c", self.folder / "mosquitto.conf"], log=self.log, account=broker_account()
        )  # fmt: skip
        wait_until(lambda: _listens(self.port), self.log.read_text)

    @property
    def pid(self) -> int:
        """The broker's process id."""
        return self._process.pid

    def reload(self) -> None:
        """As `systemctl reload mosquitto` does."""
        os.kill(self._process.pid, signal.SIGHUP)

    def stop(self) -> None:
        stop(self._process, signal.SIGTERM, timeout_s=5.0)

    def link(self, name: str, issued: Issued) -> MqttSettings:
        """How somebody connects who holds these files."""
        places = [self.folder / f"{issued.serial:x}.{ending}" for ending in ("crt", "key", "ca")]
        for place, text in zip(places, (issued.certificate, issued.key, self.ours.authority), strict=True):
            place.write_text(text, "utf-8")
        certificate, key, ca = map(str, places)
        return MqttSettings("127.0.0.1", self.port, name, tls_ca=ca, tls_cert=certificate, tls_key=key)

    @contextlib.contextmanager
    def client(self, link: MqttSettings) -> Iterator[Client]:
        """An MQTT client that the broker let in."""
        client = Client(CallbackAPIVersion.VERSION2, client_id=link.username or "")
        client.username_pw_set(link.username or "", "whatever")
        client.tls_set_context(link.tls_context())
        client.connect(link.host, link.port)
        client.loop_start()
        try:
            wait_until(client.is_connected, self.log.read_text)
            yield client
        finally:
            client.disconnect()
            client.loop_stop()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def enters(link: MqttSettings) -> bool:
    """Whether the broker answers an MQTT 3.1.1 CONNECT over TLS with a CONNACK that accepts it."""
    name, tls = (link.username or "").encode(), link.tls_context()
    assert tls is not None
    body = struct.pack("!H4sBBHH", 4, b"MQTT", 4, 2, 10, len(name)) + name
    try:
        with (
            socket.create_connection((link.host, link.port), 5) as bare,
            tls.wrap_socket(bare, server_hostname=link.host) as wrapped,
        ):
            wrapped.sendall(bytes([0x10, len(body)]) + body)
            return wrapped.recv(4) == b"\x20\x02\x00\x00"
    except OSError:  # TLS 1.3 tells a refusal with the first answer
        return False


def until(is_so: bool, link: MqttSettings) -> bool:
    """Whether it comes to be so, a few seconds after the broker was told to read its files again."""
    end_s = time.monotonic() + 5
    while enters(link) is not is_so and time.monotonic() < end_s:
        time.sleep(0.05)
    return enters(link) is is_so


@pytest.fixture
def gate(request: pytest.FixtureRequest, server_folder: Path, zones: list[Zone]) -> Iterator[Gate]:
    mosquitto = find_mosquitto()
    if mosquitto is None:
        skip_without(request.config, "mosquitto", "apt-get install mosquitto")
    folder = server_folder / f"gate-{request.node.name}"[:80]
    folder.mkdir()
    found = Gate(folder, mosquitto, zones)
    yield found
    found.stop()


def test_a_gateway_gets_in_by_its_certificate_and_speaks_in_its_own_zone_alone(
    gate: Gate, tmp_path: Path, clock: ManualClock
) -> None:
    own = gate.link("gw-1", gate.files.certify("gw-1", gate.signer, anew=False))
    gate.files.certify("gw-2", gate.signer, anew=False)
    gate.start()
    heard: list[str] = []

    def note(client: Client, data: object, message: MQTTMessage) -> None:
        heard.append(message.topic)

    outbox = Outbox(tmp_path / "outbox.db")
    uplink = Uplink(own, zone="zone-1", gateway="gw-1", outbox=outbox, clock=clock, software="test")
    taken: list[int] = []
    with gate.client(gate.link("ingest", gate.signer.authority.issue("ingest", now=NOW))) as ears:
        ears.on_message, ears.on_subscribe = note, lambda *said: taken.append(1)
        ears.subscribe("ndiyan/1/+/+/up/#", 1)
        wait_until(lambda: len(taken) == 1, gate.log.read_text)
        with gate.client(own) as thief:  # a program that holds the gateway's files and says what it likes
            thief.username_pw_set("gw-2", "x")
            thief.on_message, thief.on_subscribe = note, lambda *said: taken.append(1)
            thief.subscribe("#", 1)
            wait_until(lambda: len(taken) == 2, gate.log.read_text)
            thief.publish("ndiyan/1/zone-2/gw-2/up/senml", b"forged", 1)
            ears.publish("ndiyan/1/zone-2/gw-2/down/ack", b"not for it", 1)
            thief.publish("ndiyan/1/zone-1/gw-1/up/senml", b"mine", 1)  # comes last, so the others would be here
            wait_until(lambda: bool(heard), gate.log.read_text)
        assert heard == ["ndiyan/1/zone-1/gw-1/up/senml"]
        outbox.append([Reading(AssetId("tower"), "level_m", clock.now(), 2.0)], uptime_s=100.0)
        uplink.start()
        try:
            wait_until(lambda: heard.count("ndiyan/1/zone-1/gw-1/up/senml") == 2, gate.log.read_text)
        finally:
            uplink.stop()
            outbox.close()


def test_a_certificate_that_is_foreign_revoked_or_of_another_use_opens_nothing(gate: Gate) -> None:
    first = gate.link("gw-1", gate.files.certify("gw-1", gate.signer, anew=False))
    second = gate.link("gw-2", gate.files.certify("gw-2", gate.signer, anew=False))
    stranger = make_certificates(now=NOW)
    forged = Authority(stranger.authority, stranger.authority_key).issue("gw-1", now=NOW)
    gate.start()
    assert enters(first)
    assert not enters(gate.link("gw-1", forged)), "of another authority"
    assert not enters(gate.link("gw-1", Issued(gate.ours.server, gate.ours.server_key, 1))), "the broker's own"
    assert not enters(replace(first, tls_cert="", tls_key="")), "none"

    gate.files.take_back("gw-1", gate.signer)
    gate.reload()
    assert until(False, first)
    assert enters(second)
    newer = gate.link("gw-2", gate.files.certify("gw-2", gate.signer, anew=True))
    gate.reload()
    assert until(False, second)
    assert enters(newer)
    assert not enters(first)


def test_an_open_link_is_silenced_by_revoking_and_ended_by_the_certificate_that_comes_after(gate: Gate) -> None:
    """Mosquitto asks for certificates when somebody connects, and for what they may say each time."""
    first = gate.link("gw-1", gate.files.certify("gw-1", gate.signer, anew=False))
    second = gate.link("gw-2", gate.files.certify("gw-2", gate.signer, anew=False))
    gate.start()
    heard: list[bytes] = []
    ended: list[int] = []
    with (
        gate.client(gate.link("ingest", gate.signer.authority.issue("ingest", now=NOW))) as ears,
        gate.client(first) as revoked, gate.client(second) as rotated,
    ):  # fmt: skip
        ears.on_message = lambda client, data, message: heard.append(message.payload)
        taken: list[int] = []
        ears.on_subscribe = lambda *said: taken.append(1)
        ears.subscribe("ndiyan/1/+/+/up/#", 1)
        wait_until(lambda: bool(taken), gate.log.read_text)
        revoked.publish("ndiyan/1/zone-1/gw-1/up/senml", b"before", 1)
        wait_until(lambda: heard == [b"before"], gate.log.read_text)
        rotated.on_disconnect = lambda *said: ended.append(1)
        gate.files.take_back("gw-1", gate.signer)
        newer = gate.link("gw-2", gate.files.certify("gw-2", gate.signer, anew=True))
        gate.reload()
        wait_until(lambda: "Reloading config" in gate.log.read_text("utf-8"), gate.log.read_text)
        time.sleep(0.5)  # it says so before it does
        revoked.publish("ndiyan/1/zone-1/gw-1/up/senml", b"after", 1).wait_for_publish(10)
        rotated.publish("ndiyan/1/zone-2/gw-2/up/senml", b"still", 1)
        wait_until(lambda: b"still" in heard, gate.log.read_text)
        assert heard == [b"before", b"still"]
        assert not ended
        with gate.client(newer):
            wait_until(lambda: bool(ended), gate.log.read_text)
            assert not enters(second)


@pytest.mark.db
def test_who_holds_a_stolen_certificate_is_out_as_soon_as_it_is_rotated(
    gate: Gate, database_url: str, zones: list[Zone], tmp_path: Path
) -> None:
    """Though it was connected: the new certificate takes its session over, and it does not come in again."""
    with connect(database_url) as connection:
        import_zones(connection, zones)
    for name, text in (("ca.crt", gate.ours.authority), ("ca.key", gate.ours.authority_key)):
        (tmp_path / name).write_text(text, "utf-8")
    stolen = gate.link("gw-2", gate.files.certify("gw-2", gate.signer, anew=False))
    gate.start()
    there = {
        "NDIYAN_DATABASE_URL": database_url, "NDIYAN_BROKER_FOLDER": str(gate.folder),
        "NDIYAN_BROKER_RELOAD": f"kill -HUP {gate.pid}", "NDIYAN_BROKER_AUTHORITY": str(tmp_path / "ca.crt"),
        "NDIYAN_BROKER_AUTHORITY_KEY": str(tmp_path / "ca.key"),
        "NDIYAN_BROKER_CERTIFICATE_URL": f"mqtts://127.0.0.1:{gate.port}?tls_ca=/etc/ndiyan/broker-ca.crt",
    }  # fmt: skip
    ended: list[int] = []
    with gate.client(stolen) as thief:
        thief.on_disconnect = lambda *said: ended.append(1)
        done = CliRunner().invoke(app, ["devices", "rotate", "gw-2", "--certificate", str(tmp_path)], env=there)
        assert (done.exit_code, done.stderr) == (0, "")
        assert ended
        time.sleep(1.5)  # it tries to come back after one
        assert not thief.is_connected()
    assert not enters(stolen)
    assert enters(replace(stolen, tls_cert=str(tmp_path / "gw-2.crt"), tls_key=str(tmp_path / "gw-2.key")))


def test_a_link_is_taken_over_until_its_holder_cannot_come_back(gate: Gate, tmp_path: Path) -> None:
    """The broker may read its files late: until then the old certificate comes in again, and is thrown out again."""
    old = gate.link("gw-2", gate.files.certify("gw-2", gate.signer, anew=False))
    gate.start()
    entered: list[int] = []
    with gate.client(old) as gateway:
        gateway.reconnect_delay_set(1, 1)
        gateway.on_connect = lambda *said: entered.append(1)
        newer = gate.link("gw-2", gate.files.certify("gw-2", gate.signer, anew=True))
        with ThreadPoolExecutor(1) as beside:
            taking = beside.submit(end_link, newer, authority=tmp_path / "none")
            wait_until(lambda: bool(entered), gate.log.read_text)
            assert not taking.done()
            gate.reload()
            taking.result(30)
        assert not gateway.is_connected()
    assert not enters(old)


def test_where_the_broker_is_out_of_reach_it_is_said_that_a_link_may_stay(tmp_path: Path) -> None:
    nobody = MqttSettings("127.0.0.1", free_port(0), "gw-2")
    with pytest.raises(LinkStays, match=r"127\.0\.0\.1:\d+: .*refused"):
        end_link(nobody, authority=tmp_path / "none")


def test_who_has_a_certificate_has_no_password_and_the_other_way_round(gate: Gate) -> None:
    gate.files.give("gw-1", anew=False)
    issued = gate.files.certify("gw-1", gate.signer, anew=True)
    assert gate.files.certificates() == {"gw-1": issued.serial}
    assert (gate.folder / PASSWORDS).read_text("utf-8") == ""
    assert gate.files.names() == ["gw-1"]
    with pytest.raises(DeviceRefused, match="gw-1 is let in already: ndiyan devices rotate gw-1"):
        gate.files.certify("gw-1", gate.signer, anew=False)
    for change in (lambda: gate.files.take_back("gw-1"), lambda: gate.files.give("gw-1", anew=True)):
        with pytest.raises(
            DeviceRefused, match="gw-1 has a certificate, and the authority that revokes it is not here"
        ):
            change()
    assert gate.files.certificates() == {"gw-1": issued.serial}, "nothing was changed"
    gate.files.give("gw-1", anew=True, signer=gate.signer)
    assert gate.files.certificates() == {}
    assert (gate.folder / PASSWORDS).read_text("utf-8").startswith("gw-1:$7$")
    gate.start()
    assert not enters(gate.link("gw-1", issued))


def test_a_key_that_is_not_the_authoritys_signs_nothing() -> None:
    one, other = (make_certificates(now=NOW) for _ in range(2))
    with pytest.raises(ValueError, match="the key is not that of the authority's certificate"):
        Authority(one.authority, other.authority_key)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        pytest.param("nothing", "is no certificate (PEM)", id="no-certificate"),
        pytest.param("der", "is no certificate (PEM)", id="not-as-text"),
        pytest.param("old", "names no host (it has no subjectAltName): say for which ones with --host", id="no-names"),
    ],
)
def test_a_brokers_certificate_that_tells_no_names_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, why: str
) -> None:
    """An authority's own certificate has no names of hosts: so had many that operators made by hand."""
    ours = make_certificates("gate.example", now=NOW)
    der = x509.load_pem_x509_certificate(ours.server.encode()).public_bytes(Encoding.DER)
    shown = {"nothing": b"\n", "der": der, "old": ours.authority.encode()}[kind]
    for name, content in (("ca.crt", ours.authority), ("ca.key", ours.authority_key), ("server.key", "a key")):
        (tmp_path / name).write_text(content, "utf-8")
    (tmp_path / "server.crt").write_bytes(shown)
    monkeypatch.setenv("NDIYAN_BROKER_FOLDER", str(tmp_path))
    monkeypatch.setenv("NDIYAN_BROKER_AUTHORITY", str(tmp_path / "ca.crt"))
    monkeypatch.setenv("NDIYAN_BROKER_AUTHORITY_KEY", str(tmp_path / "ca.key"))
    refused = CliRunner().invoke(app, ["broker", "certificate"])
    assert isinstance(refused.exception, NdiyanError), "which the command line tells as one sentence"
    assert str(refused.exception) == f"{tmp_path / 'server.crt'} {why}"
    assert ((tmp_path / "server.crt").read_bytes(), (tmp_path / "server.key").read_text()) == (shown, "a key")
    if kind == "old":
        assert CliRunner().invoke(app, ["broker", "certificate", "--host", "gate.example"]).exit_code == 0
        assert hosts_of((tmp_path / "server.crt").read_text("utf-8")) == ["gate.example", "localhost", "127.0.0.1"]
