"""Gateways come and go at a mosquitto that runs: each with its own password, and none beyond its own zone."""

from __future__ import annotations

import getpass
import json
import os
import re
import signal
import subprocess
import time
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion
from typer.testing import CliRunner

from gateway.clock import SystemClock
from gateway.config import MqttSettings
from gateway.zones import Zone, load_zones
from ingest.db import connect
from ingest.profiles.own import keep_profile
from ingest.registry import import_zones
from ndiyan.certificates import make_certificates
from ndiyan.children import free_port
from ndiyan.cli import app
from ndiyan.devices import ACCESS, PASSWORDS, BrokerFiles, DeviceRefused
from ndiyan.embedded_broker import EmbeddedBroker, answers_connect, find_mosquitto
from ndiyan.identities import OPERATOR, acl_file, device_identities, operator_identity, password_file, unheard
from ndiyan.shipped_files import shipped
from tests.conftest import skip_without
from tests.ingest.bare_broker import mosquitto
from tests.ingest.process import IngestProcess, wait_until

pytestmark = pytest.mark.broker
WITHIN_S = 5.0


@pytest.fixture
def files(broker: EmbeddedBroker, zones: list[Zone]) -> BrokerFiles:
    return BrokerFiles(broker.folder, {zone.gateway_id: zone.zone_id for zone in zones})


def reload(broker: EmbeddedBroker) -> None:
    """As `systemctl reload mosquitto` does."""
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGHUP)


def until(is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + WITHIN_S
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.02)
    return is_so()


def may_enter(settings: MqttSettings) -> bool:
    return answers_connect(settings.host, settings.port, settings.username or "", settings.password or "")


def test_a_revoked_gateway_is_out_and_a_new_password_lets_it_in(broker: EmbeddedBroker, files: BrokerFiles) -> None:
    old = broker.settings_for("gw-1")
    assert may_enter(old)
    files.take_back("gw-1")
    reload(broker)
    assert until(lambda: not may_enter(old))
    assert may_enter(broker.settings_for("gw-2"))

    first = replace(old, password=files.give("gw-1", anew=False))
    reload(broker)
    assert until(lambda: may_enter(first))
    second = replace(old, password=files.give("gw-1", anew=True))
    reload(broker)
    assert until(lambda: may_enter(second) and not may_enter(first))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda files: files.take_back("gw-1"), id="revoked"),
        pytest.param(lambda files: files.give("gw-1", anew=True), id="rotated"),
    ],
)
def test_a_gateway_that_is_connected_is_thrown_out_when_its_password_counts_no_more(
    broker: EmbeddedBroker, files: BrokerFiles, change: Callable[[BrokerFiles], object]
) -> None:
    link = broker.settings_for("gw-1")
    client = Client(CallbackAPIVersion.VERSION2, client_id="gw-1")
    client.username_pw_set(link.username or "", link.password)
    ended: list[int] = []
    client.on_disconnect = lambda *said: ended.append(1)
    client.connect(link.host, link.port)
    client.loop_start()
    try:
        assert until(client.is_connected)
        change(files)
        reload(broker)
        assert until(lambda: bool(ended))
        assert until(lambda: not may_enter(link))
    finally:
        client.disconnect()
        client.loop_stop()


def test_a_gateway_neither_says_nor_hears_anything_of_another_zone(broker: EmbeddedBroker, files: BrokerFiles) -> None:
    files.take_back("gw-1")
    password = files.give("gw-1", anew=False)
    reload(broker)
    own = replace(broker.settings_for("gw-1"), password=password)
    assert until(lambda: may_enter(own))
    heard: list[str] = []

    def note(client: Client, data: object, message: MQTTMessage) -> None:
        heard.append(message.topic)

    operator = MqttSettings.from_url(broker.operator_url)
    clients = []
    for settings, name in ((own, "gw-1"), (operator, "ears")):
        client = Client(CallbackAPIVersion.VERSION2, client_id=name)
        client.username_pw_set(settings.username or "", settings.password)
        client.connect(settings.host, settings.port)
        client.loop_start()
        clients.append(client)
    gateway, ears = clients
    try:
        assert until(lambda: gateway.is_connected() and ears.is_connected())
        gateway.on_message = ears.on_message = note
        taken: list[int] = []
        gateway.on_subscribe = ears.on_subscribe = lambda *said: taken.append(1)
        gateway.subscribe("#", 1)
        ears.subscribe("ndiyan/1/+/+/up/#", 1)
        assert until(lambda: len(taken) == 2)
        gateway.publish("ndiyan/1/zone-2/gw-2/up/senml", b"forged", 1)
        ears.publish("ndiyan/1/zone-2/gw-2/down/ack", b"not for you", 1)
        gateway.publish("ndiyan/1/zone-1/gw-1/up/senml", b"mine", 1)  # comes last, so the others would be here
        assert until(lambda: bool(heard))
        assert heard == ["ndiyan/1/zone-1/gw-1/up/senml"]
    finally:
        for client in clients:
            client.disconnect()
            client.loop_stop()


@pytest.mark.db
def test_the_command_prints_what_the_gateway_needs_and_the_broker_lets_it_in(
    broker: EmbeddedBroker, database_url: str, zones: list[Zone], tmp_path: Path
) -> None:
    with connect(database_url) as connection:
        import_zones(connection, zones)
    there = {
        "NDIYAN_DATABASE_URL": database_url, "NDIYAN_BROKER_FOLDER": str(broker.folder),
        "NDIYAN_BROKER_RELOAD": f"kill -HUP {broker.pid}", "NDIYAN_BROKER_PUBLIC_URL": "mqtts://water.example.org:8883",
    }  # fmt: skip

    def devices(*words: str) -> str:
        done = CliRunner().invoke(app, ["devices", *words], env=there)
        assert (done.exit_code, done.stderr) == (0, "")
        return done.stdout

    devices("revoke", "gw-1")
    assert json.loads(devices("list", "--json"))[0] == {
        "gateway": "gw-1", "zone": "zone-1", "has_password": False, "has_certificate": False, "topics": [],
    }  # fmt: skip
    head, _, secret = devices("add", "gw-1").partition("\n\n")
    assert tomllib.loads(head) == {
        "zone": "zone-1", "gateway": "gw-1", "mqtt": "mqtts://gw-1@water.example.org:8883",
        "mqtt_password_file": "mqtt-password",
    }  # fmt: skip
    own = replace(broker.settings_for("gw-1"), password=secret.splitlines()[1])
    assert until(lambda: may_enter(own))

    uplink = "application/7/device/+/event/up"
    refused = CliRunner().invoke(app, ["devices", "add", "chirpstack", "--topic", uplink], env=there)
    assert f"on {uplink} it could speak for devices of every zone" in str(refused.exception)
    assert "chirpstack" not in devices("list")
    given = json.loads(devices("add", "chirpstack", "--topic", uplink, "--every-zone", "--json"))
    assert (given["mqtt"], given["topics"]) == ("mqtts://chirpstack@water.example.org:8883", [uplink])
    assert f"chirpstack       password    {uplink}" in devices("list")
    own = replace(own, username="chirpstack", password=given["password"])
    assert until(lambda: may_enter(own))
    assert devices("revoke", "chirpstack") == "chirpstack is out\n"

    made = make_certificates(now=SystemClock().now())
    for setting, text in (("AUTHORITY", made.authority), ("AUTHORITY_KEY", made.authority_key)):
        there[f"NDIYAN_BROKER_{setting}"] = str(tmp_path / setting)
        (tmp_path / setting).write_text(text, "utf-8")
    there["NDIYAN_BROKER_CERTIFICATE_URL"] = "mqtts://water.example.org:8884"
    head, _, where = devices("rotate", "gw-1", "--certificate", str(tmp_path / "gw-1")).partition("\n\n")
    link = MqttSettings.from_url(tomllib.loads(head)["mqtt"])
    assert (link.port, link.tls_cert, link.tls_key) == (8884, "/etc/ndiyan/gw-1.crt", "/etc/ndiyan/gw-1.key")
    assert str(tmp_path / "gw-1" / "gw-1.key") in where
    assert (tmp_path / "gw-1" / "gw-1.key").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "gw-1").stat().st_mode & 0o777 == 0o700
    assert "gw-1             certificate zone-1" in devices("list")
    assert until(lambda: not may_enter(replace(broker.settings_for("gw-1"), password=secret.splitlines()[1])))
    devices("revoke", "gw-1")
    assert "gw-1             -           zone-1" in devices("list")


@pytest.mark.db
@pytest.mark.parametrize("reload", ["false", "there-is-no-such-program", "open 'quotation", ""])
def test_a_password_is_shown_though_the_broker_cannot_be_told_and_the_journal_has_it(
    broker: EmbeddedBroker, database_url: str, zones: list[Zone], reload: str
) -> None:
    """It is in the broker's files: not shown, it would lock the gateway out at the next reload."""
    with connect(database_url) as connection:
        import_zones(connection, zones)
    there = {
        "NDIYAN_DATABASE_URL": database_url, "NDIYAN_BROKER_FOLDER": str(broker.folder), "NDIYAN_BROKER_RELOAD": reload,
        "NDIYAN_BROKER_PUBLIC_URL": "mqtts://water.example.org:8883",
    }  # fmt: skip
    done = CliRunner().invoke(app, ["devices", "rotate", "gw-1", "--json"], env=there)
    assert (done.exit_code, isinstance(done.exception, DeviceRefused)) == (1, True), done.exception
    assert "the files are written and hold, and the broker did not read them" in str(done.exception)
    assert len(json.loads(done.stdout)["password"]) > 20
    with connect(database_url) as connection:
        assert connection.execute("SELECT what, subject FROM audit_log").fetchall() == [("device_rotated", "gw-1")]


RTU_PROFILE = """
profile = "village-rtu"
title = "The unit of the old tower"
source = "its manual, page 3"
payload = "json"
topics = ["village/+/rtu"]
device_level = 1
without_time = "received"

[[samples]]
topic = "village/rtu-7/rtu"
payload = '{"level": 2.4}'
received_at = 2026-03-02T10:40:00Z
device = "rtu-7"
points = { level = 2.4 }
"""
RTU = """
[[devices]]
profile = "village-rtu"
id = "rtu-7"

[[devices.points]]
point = "level"
is = "tower/level_m"
unit = "m"
"""


@pytest.mark.db
def test_a_sender_of_another_dialect_is_let_in_and_read_as_soon_as_its_profile_is_added(
    broker: EmbeddedBroker, files: BrokerFiles, database_url: str, zones: list[Zone], tmp_path: Path
) -> None:
    """Ingest runs all the while, the broker only reads its files again, and a gateway's rights stay as they were."""
    village = tmp_path / "zone-1.toml"
    village.write_text(shipped("zones/zone-1.toml").read_text("utf-8") + RTU, "utf-8")
    with connect(database_url) as connection:
        import_zones(connection, [*load_zones([village]), *zones[1:]])
        process = IngestProcess(database_url, broker.ingest_settings, tmp_path / "ingest.log")
        sender = Client(CallbackAPIVersion.VERSION2, client_id="rtu-7")
        try:
            process.wait_for("connected to the broker")
            password = files.give("rtu-7", anew=False, topics=["village/rtu-7/rtu"])
            files.take_back("gw-6")  # whatever is written later leaves the sender its rights
            reload(broker)
            own = replace(broker.settings_for("gw-1"), username="rtu-7", password=password)
            assert until(lambda: may_enter(own))
            keep_profile(connection, RTU_PROFILE, where="rtu.toml", by="mariama", now=SystemClock().now())
            sender.username_pw_set("rtu-7", password)
            sender.connect(own.host, own.port)
            sender.loop_start()

            def kept() -> list[tuple[str, float]]:
                sender.publish("village/rtu-8/rtu", b'{"level": 9.9}', 1)  # not its own: the broker drops it
                sender.publish("village/rtu-7/rtu", b'{"level": 2.5}', 1)
                return connection.execute("SELECT DISTINCT topic, value FROM raw_message CROSS JOIN reading").fetchall()

            wait_until(lambda: kept() == [("village/rtu-7/rtu", 2.5)], lambda: f"{kept()}, {process.log()}")
        finally:
            sender.disconnect()
            sender.loop_stop()
            process.end()
    assert files.senders()["rtu-7"].may_write == ("village/rtu-7/rtu",)


# As it was written before December 2026, without what both listeners share; certificates.conf is appended.
BEFORE = """
user {user}
per_listener_settings true
listener {port} 127.0.0.1
allow_anonymous false
password_file {folder}/devices.passwd
acl_file {folder}/devices.acl
use_username_as_clientid true
listener {tools_port} 127.0.0.1
allow_anonymous false
password_file {folder}/operators.passwd
acl_file {folder}/operators.acl
listener 8884 127.88.84.1
use_username_as_clientid true
allow_anonymous false
acl_file {folder}/devices.acl
"""


@pytest.mark.parametrize("page", ["install.md", "fr/install.md"])
def test_the_lines_of_the_guide_bring_a_broker_of_before_over_and_the_operator_stays(
    request: pytest.FixtureRequest, tmp_path: Path, zones: list[Zone], page: str
) -> None:
    program = find_mosquitto()
    if program is None:
        skip_without(request.config, "mosquitto", "apt-get install mosquitto")
    passwords: dict[str, str] = {}
    devices, tools = device_identities(zones, passwords), [operator_identity(passwords)]
    for name, identities in (("devices", devices), ("operators", tools)):
        (tmp_path / f"{name}.passwd").write_text(password_file(identities), "utf-8")
        (tmp_path / f"{name}.acl").write_text(acl_file(identities), "utf-8")
    port, tools_port = free_port(0), free_port(0)
    conf = BEFORE.format(user=getpass.getuser(), port=port, tools_port=tools_port, folder=tmp_path)
    (tmp_path / "mosquitto.conf").write_text(conf, "utf-8")

    guide = (Path(__file__).parents[2] / "docs" / page).read_text("utf-8")
    lines = re.findall(r"```\n(cd /etc/mosquitto/ndiyan\n.*?)```", guide, re.DOTALL)[0]
    lines = lines.replace("/etc/mosquitto/ndiyan", str(tmp_path)).replace("systemctl restart mosquitto", "true")
    subprocess.run(["sh", "-ec", lines], check=True)
    BrokerFiles(tmp_path, {zone.gateway_id: zone.zone_id for zone in zones}).take_back("gw-6")  # writes both anew

    assert sorted(file.name for file in tmp_path.glob("*.*")) == [
        "devices.acl", "devices.passwd", "mosquitto.conf", "mosquitto.conf.before", "operators.acl.before",
        "operators.passwd.before",
    ]  # fmt: skip
    assert unheard((tmp_path / "devices.acl").read_text("utf-8"), OPERATOR, ["ndiyan/#", "$SYS/#"]) == []
    with mosquitto(program, ["-c", str(tmp_path / "mosquitto.conf")], port, tmp_path):
        for user, at in (("gw-1", port), ("ingest", port), (OPERATOR, tools_port)):
            assert may_enter(MqttSettings("127.0.0.1", at, user, passwords[user]))
        assert not may_enter(MqttSettings("127.0.0.1", port, "gw-6", passwords["gw-6"]))
    assert "Error" not in (tmp_path / "mosquitto.log").read_text("utf-8")


def test_the_users_of_the_platform_are_no_devices(broker: EmbeddedBroker, files: BrokerFiles) -> None:
    before = [(broker.folder / name).read_text("utf-8") for name in (PASSWORDS, ACCESS)]
    assert not {"ingest", OPERATOR} & set(files.names())
    for user in ("ingest", OPERATOR):
        with pytest.raises(DeviceRefused, match=f"'{user}': is no name for a sender"):
            files.give(user, anew=True)
        with pytest.raises(DeviceRefused, match=f"{user} is not let in here"):
            files.take_back(user)
    assert [(broker.folder / name).read_text("utf-8") for name in (PASSWORDS, ACCESS)] == before


def test_a_gateway_whose_zone_is_gone_is_no_sender(broker: EmbeddedBroker, files: BrokerFiles) -> None:
    assert files.senders() == {}
    without = BrokerFiles(broker.folder, {name: zone for name, zone in files.gateways.items() if name != "gw-1"})
    assert without.senders() == {}
    without.give("meter", anew=False, topics=["meters/7/up"])
    assert "user gw-1" not in (broker.folder / "devices.acl").read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "topics", "says"),
    [
        pytest.param("gw-9", [], "gw-9: no zone has this gateway; known are gw-1, gw-2", id="neither"),
        pytest.param("gw-2", ["village/rtu"], "gw-2 is let in already", id="a-gateway-of-ours"),
        pytest.param("rtu", ["#"], "rtu: '#' is no MQTT filter that leaves other topics alone", id="everything"),
        pytest.param("rtu", ["ndiyan/1/zone-1/gw-1/up/#"], "speak as a gateway of ours", id="as-a-gateway"),
        pytest.param("rtu", ["+/1/+/+/down/ack"], "speak as a gateway of ours, or to one", id="confirmations"),
        pytest.param("rtu", ["a\ntopic write ndiyan/#"], "is no MQTT filter that leaves other", id="another-line"),
        pytest.param("operator", ["village/rtu"], "'operator': is no name for a sender", id="operator"),
        pytest.param("rtu:7", ["village/rtu"], "'rtu:7': is no name for a sender", id="colon"),
    ],
)  # fmt: skip
def test_a_sender_gets_no_name_and_no_topic_of_others(
    files: BrokerFiles, name: str, topics: list[str], says: str
) -> None:
    with pytest.raises(DeviceRefused, match=re.escape(says)):
        files.give(name, anew=False, topics=topics)


def test_what_makes_no_sense_is_refused(files: BrokerFiles) -> None:
    with pytest.raises(DeviceRefused, match="gw-9 is not let in yet"):
        files.give("gw-9", anew=True)
    with pytest.raises(DeviceRefused, match="gw-9: no zone has this gateway; known are gw-1, gw-2"):
        files.give("gw-9", anew=False)
    with pytest.raises(DeviceRefused, match="gw-1 is let in already: ndiyan devices rotate gw-1"):
        files.give("gw-1", anew=False)
    with pytest.raises(DeviceRefused, match="ingest is not let in here"):
        files.take_back("ingest")
    files.take_back("gw-1")
    with pytest.raises(DeviceRefused, match="gw-1 is not let in yet: ndiyan devices add gw-1"):
        files.give("gw-1", anew=True)


def test_workers_of_ingest_come_in_under_the_password_of_the_first_and_go(files: BrokerFiles) -> None:
    files.let_workers_in(3)
    lines = (files.folder / PASSWORDS).read_text().splitlines()
    secrets = {line.partition(":")[2] for line in lines if line.startswith("ingest")}
    assert len(secrets) == 1
    assert [line.partition(":")[0] for line in lines if line.startswith("ingest")] == ["ingest", "ingest-2", "ingest-3"]
    access = (files.folder / ACCESS).read_text()
    assert unheard(access, "ingest-3", ["ndiyan/1/zone-1/+/up/#"]) == []
    files.give("gw-9", anew=False, topics=["meters/9"])
    assert "user ingest-3" in (files.folder / ACCESS).read_text(), "whoever is let in later changes nothing of it"
    with pytest.raises(DeviceRefused, match="is no name for a sender"):
        files.give("ingest-4", anew=False, topics=["meters/4"])
    with pytest.raises(DeviceRefused, match="ingest-2 is not let in here"):
        files.take_back("ingest-2")
    files.let_workers_in(1)
    assert "ingest-" not in (files.folder / ACCESS).read_text()


def test_two_who_let_gateways_in_at_once_both_find_theirs_in_the_files(tmp_path: Path) -> None:
    for name in (ACCESS, PASSWORDS):
        (tmp_path / name).touch()
    names = {f"gw-{n}": "zone-1" for n in range(16)}
    with ThreadPoolExecutor(4) as people:
        list(people.map(lambda name: BrokerFiles(tmp_path, names).give(name, anew=False), names))
    assert set(BrokerFiles(tmp_path, names).names()) == names.keys()


def test_a_blank_line_in_the_list_of_certificates_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "devices.certificates").write_text("gw-1 1f\n\ngw-2 20\n", "utf-8")
    assert BrokerFiles(tmp_path, {}).certificates() == {"gw-1": 0x1F, "gw-2": 0x20}
