"""Which of a broker's settings can lose messages: found in its configuration, and by trying a real mosquitto."""

import contextlib
import getpass
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

from gateway.config import MqttSettings
from ingest import broker_conf
from ingest.broker_check import _RULES, LISTENERS_APART, LOGIN, Kind, WeakSetting, find_weak_settings
from ingest.broker_probe import _LAST, _counted
from ndiyan.children import free_port
from ndiyan.embedded_broker import EmbeddedBroker, find_mosquitto
from tests.conftest import skip_without
from tests.ingest.bare_broker import mosquitto

# The listener of devices with nothing to hide, the broker's part as it is shipped.
GOOD = """
user {user}
persistence true
persistence_location {folder}/
autosave_interval 1
max_queued_messages 1000000
max_queued_bytes 2000000000
max_inflight_messages 500
max_packet_size 65536
queue_qos0_messages true
upgrade_outgoing_qos true
per_listener_settings true
listener {port} 127.0.0.1
allow_anonymous false
password_file {folder}/passwd
acl_file {folder}/acl
use_username_as_clientid true
listener {operator_port} 127.0.0.1
allow_anonymous true
"""
# Setting, the line that stands instead of the good one (or is added), and what is found.
WEAK = [
    ("persistence", "persistence false", "false"),
    ("persistence_location", "", "not set"),
    ("autosave_interval", "autosave_interval 1800", "1800"),
    ("max_queued_messages", "max_queued_messages 500", "500"),
    ("max_queued_bytes", "max_queued_bytes 0", "0"),
    ("max_inflight_messages", "", "20 (the default)"),
    ("max_packet_size", "", "0 (the default)"),
    ("message_size_limit", "message_size_limit 100", "100"),
    ("upgrade_outgoing_qos", "", "false (the default)"),
    ("persistent_client_expiration", "persistent_client_expiration 1d", "1d"),
    ("retain_available", "retain_available false", "false"),
    ("max_qos", "max_qos 0", "0"),
    ("use_username_as_clientid", "", "false (the default)"),
    ("allow_anonymous", "allow_anonymous true", "true"),
    ("acl_file", "", "not set"),
]
OF_LISTENER = {"max_qos", "use_username_as_clientid", "allow_anonymous", "acl_file"}


def good(folder: Path, port: int = 18830, operator_port: int = 18831) -> str:
    """A configuration without a weak setting; mosquitto stays the account that starts it."""
    return GOOD.format(user=getpass.getuser(), folder=folder, port=port, operator_port=operator_port)


def changed(text: str, setting: str, line: str) -> str:
    """The configuration with one setting changed: the first line that sets it, else one more where it belongs."""
    lines = text.splitlines()
    start = next(n for n, one in enumerate(lines) if one.startswith("listener")) if setting in OF_LISTENER else 0
    at = next((n for n in range(start, len(lines)) if lines[n].startswith(setting + " ")), None)
    if at is None:
        lines.insert(start + 1, line)
    else:
        lines[at] = line
    return "\n".join(lines) + "\n"


@pytest.fixture
def processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /proc of our own, empty: no broker's configuration can be seen."""
    folder = tmp_path / "proc"
    folder.mkdir()
    monkeypatch.setattr(broker_conf, "PROCESSES", folder)
    return folder


def pretend_to_run(processes: Path, number: int, arguments: list[str], folder: Path) -> None:
    process = processes / str(number)
    process.mkdir()
    (process / "cwd").symlink_to(folder)
    (process / "cmdline").write_text("\0".join(["/usr/sbin/mosquitto", *arguments]) + "\0", "utf-8")


def weak_by_conf(port: int) -> list[WeakSetting]:
    """What only the configuration tells: without an operator's login nothing is tried."""
    device = MqttSettings("127.0.0.1", port, "ingest", "secret")
    return [weak for weak in find_weak_settings(device) if weak.setting != LOGIN]


@pytest.mark.parametrize(("setting", "line", "found"), WEAK, ids=[case[0] for case in WEAK])
def test_each_weak_setting_alone_is_found_in_the_configuration(
    tmp_path: Path, processes: Path, setting: str, line: str, found: str
) -> None:
    (tmp_path / "m.conf").write_text(changed(good(tmp_path), setting, line), "utf-8")
    pretend_to_run(processes, 7, ["-v", "-c", "m.conf"], tmp_path)
    (weak,) = weak_by_conf(18830)
    assert (weak.setting, weak.found, weak.kind) == (setting, found, Kind.WEAK)
    assert f"{setting} is {found}, wanted {weak.wanted}: {weak.why}" in str(weak)


def test_only_the_broker_behind_the_port_counts(tmp_path: Path, processes: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "main.conf").write_text("include_dir conf.d\n", "utf-8")
    (tmp_path / "conf.d" / "ours.conf").write_text("# as shipped\n" + good(tmp_path), "utf-8")
    pretend_to_run(processes, 7, ["-p", "18840"], tmp_path)
    pretend_to_run(processes, 8, ["-c", str(tmp_path / "gone.conf")], tmp_path)
    pretend_to_run(processes, 9, ["-c", "main.conf"], tmp_path)
    assert weak_by_conf(18830) == []
    assert "max_queued_messages" in {weak.setting for weak in weak_by_conf(18840)}
    (untold,) = weak_by_conf(18850)
    assert untold.kind is Kind.UNKNOWN
    assert "cannot tell about the broker's persistence, " in str(untold)


def test_messages_at_qos_0_need_one_of_two_settings(tmp_path: Path, processes: Path) -> None:
    one_off = changed(good(tmp_path), "queue_qos0_messages", "queue_qos0_messages false")
    (tmp_path / "m.conf").write_text(one_off, "utf-8")
    pretend_to_run(processes, 7, ["-c", "m.conf"], tmp_path)
    assert weak_by_conf(18830) == []
    (tmp_path / "m.conf").write_text(changed(one_off, "upgrade_outgoing_qos", ""), "utf-8")
    assert [weak.setting for weak in weak_by_conf(18830)] == ["queue_qos0_messages", "upgrade_outgoing_qos"]


def test_what_a_plug_in_may_do_does_not_pass_for_good_and_is_not_called_weak(tmp_path: Path, processes: Path) -> None:
    without = changed(changed(good(tmp_path), "persistence", "plugin /usr/lib/persist_sqlite.so"), "acl_file", "")
    (tmp_path / "m.conf").write_text(without, "utf-8")
    pretend_to_run(processes, 7, ["-c", "m.conf"], tmp_path)
    assert [(weak.setting, weak.kind) for weak in weak_by_conf(18830)] == [
        ("persistence", Kind.PLUGIN),
        ("acl_file", Kind.PLUGIN),
    ]


def test_the_login_of_ingest_is_never_used_to_try_the_broker() -> None:
    device = MqttSettings("127.0.0.1", 18830, "ingest", "secret")
    found = {weak.setting: weak.found for weak in find_weak_settings(device, operator=device)}
    assert found[LOGIN] == "ingest is the user of ingest"


Start = Callable[..., contextlib.AbstractContextManager[tuple[MqttSettings, MqttSettings]]]


@pytest.fixture
def started(request: pytest.FixtureRequest, tmp_path: Path) -> Start:
    """Starts a mosquitto with `GOOD`, one setting changed; gives the ways of ingest and of the operator."""
    program = find_mosquitto()
    if program is None:
        skip_without(request.config, "mosquitto", "apt-get install mosquitto")

    @contextlib.contextmanager
    def start(setting: str = "", line: str = "", *, protocol: int = 5) -> Iterator[tuple[MqttSettings, MqttSettings]]:
        port, operator_port = free_port(), free_port()
        text = good(tmp_path, port, operator_port)
        (tmp_path / "m.conf").write_text(changed(text, setting, line) if setting else text, "utf-8")
        for name in ("passwd", "acl"):
            (tmp_path / name).touch()
        with mosquitto(program, ["-c", str(tmp_path / "m.conf")], port, tmp_path):
            device = MqttSettings("127.0.0.1", port, "ingest", "secret", protocol)
            yield device, MqttSettings("127.0.0.1", operator_port, protocol=protocol)

    return start


@pytest.mark.broker
@pytest.mark.parametrize(
    ("setting", "line", "found"),
    [
        ("max_queued_messages", "max_queued_messages 1000", "full after "),
        ("max_inflight_messages", "max_inflight_messages 20", "20"),
        ("max_packet_size", "", "0"),
        ("message_size_limit", "message_size_limit 100", "below 16384"),
        ("upgrade_outgoing_qos", "upgrade_outgoing_qos false", "false"),
        ("retain_available", "retain_available false", "false"),
    ],
)
def test_what_a_running_broker_does_is_found_without_its_configuration(
    started: Start, processes: Path, setting: str, line: str, found: str
) -> None:
    with started(setting, line) as (device, operator):
        weak = {one.setting: one for one in find_weak_settings(device, operator=operator) if one.kind is Kind.WEAK}
    assert weak.keys() == {setting}
    assert weak[setting].found.startswith(found)


@pytest.mark.broker
def test_a_broker_that_takes_any_name_and_password_is_found_without_its_configuration(
    started: Start, processes: Path
) -> None:
    with started("password_file", "allow_anonymous true") as (device, operator):
        (weak,) = (one for one in find_weak_settings(device, operator=operator) if one.kind is Kind.WEAK)
    assert (weak.setting, weak.found) == ("allow_anonymous", "true")


def test_a_broker_that_keeps_nothing_for_who_is_away_is_told_as_the_one_fault_that_it_is() -> None:
    """mosquitto 2.0.22, tried by hand: after the probe came back, it heard only what was published from then on."""
    last = mqtt.MQTTMessage()
    last.payload = _LAST
    seen = _counted([last], promised=1_100, took_large=True, in_flight=0, is_kept=True)
    assert seen.keys() == {LISTENERS_APART}
    rule = _RULES[LISTENERS_APART]
    assert not rule.is_good(seen[LISTENERS_APART])
    assert all(rule.is_good(value) for value in ("true", "false")), "in a configuration both are fine"
    assert str(rule.weak(seen[LISTENERS_APART])) == (
        "the broker's per_listener_settings is true, and of 1100 confirmed messages none was kept for us, wanted"
        " a mosquitto before 2.0.12 or from 2.0.23 on: what comes while ingest is away is confirmed to its sender and"
        " dropped"
    )


@pytest.mark.broker
@pytest.mark.parametrize("protocol", [5, 4])
def test_a_broker_with_good_settings_is_clean(started: Start, protocol: int) -> None:
    with started(protocol=protocol) as (device, operator):
        assert find_weak_settings(device, operator=operator) == []


@pytest.mark.broker
def test_mosquitto_as_it_comes_is_told_what_it_loses(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    program = find_mosquitto()
    if program is None:
        skip_without(request.config, "mosquitto", "apt-get install mosquitto")
    port = free_port()
    with mosquitto(program, ["-p", str(port)], port, tmp_path):
        weak = {one.setting: one.found for one in find_weak_settings(MqttSettings("127.0.0.1", port))}
    assert weak == {
        "persistence": "false (the default)",
        "persistence_location": "not set",
        "autosave_interval": "1800 (the default)",
        "max_queued_messages": "1000 (the default)",
        "max_queued_bytes": "0 (the default)",
        "max_inflight_messages": "20 (the default)",
        "max_packet_size": "0 (the default)",
        "queue_qos0_messages": "false (the default)",
        "upgrade_outgoing_qos": "false (the default)",
        "use_username_as_clientid": "false (the default)",
        "allow_anonymous": "true",
        "acl_file": "not set",
    }


@pytest.mark.broker
def test_trying_leaves_nothing_behind_at_the_broker(broker: EmbeddedBroker) -> None:
    operator = MqttSettings.from_url(broker.operator_url)
    assert find_weak_settings(broker.ingest_settings, operator=operator) == []
    broker.stop()  # it writes its store
    store = (broker.folder / "mosquitto.db").read_bytes()
    assert b"ndiyan/probe" not in store, "no message, no subscription"
    assert b"ndiyan-probe" not in store, "no session"


@pytest.mark.broker
def test_what_does_not_answer_is_told_as_unknown_within_the_time(processes: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        settings = MqttSettings("127.0.0.1", mute.getsockname()[1])
        begin_s = time.monotonic()
        weak = find_weak_settings(settings, timeout_s=0.3)
        took_s = time.monotonic() - begin_s
    assert took_s < 0.3 + 1.0 + 0.5
    assert {one.kind for one in weak} == {Kind.UNKNOWN}
    assert next(one.found for one in weak if one.setting == LOGIN).startswith("no answer from 127.0.0.1")
