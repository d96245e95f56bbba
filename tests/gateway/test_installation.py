"""A gateway's file: what a technician writes is understood, and a mistake is told with file, key, value and bound."""

import re
from datetime import UTC, datetime
from pathlib import Path
from shutil import copy

import pytest

from gateway.errors import ConfigError
from gateway.installation import load_installation, load_plan
from gateway.maps import Value
from gateway.sampling import canonical
from ndiyan.certificates import make_certificates
from tests.gateway.lines import HEAD, PUMP, installation

FINE = PUMP.format(port=502)
SPEED = '[[point]]\nasset = "pump"\nchannel = "speed_rpm"\ndevice = "inverter"\nregister = "speed"\n'


def test_a_pump_on_modbus_is_understood(tmp_path: Path) -> None:
    found = installation(tmp_path, FINE)
    points = {point.name: point for point in found.plan.points}
    assert sorted(points) == ["pump/speed_rpm", "pump/state_code", "pump/volume_m3", "tower/level_m"]
    assert points["tower/level_m"].change == 0.1, "a level is reported when it has moved by 10 cm"
    assert points["pump/volume_m3"].change is None, "a total goes by the interval"
    assert found.bounds.days == 90
    assert found.folder == tmp_path / "state"


@pytest.mark.parametrize(
    ("wrong", "right", "told"),
    [
        pytest.param("port = 502", "port = 70000", r"link\.bus\.port: 70000 is above 65535", id="port"),
        pytest.param('kind = "modbus-tcp"', 'kind = "modbus"', r"link\.bus\.kind: 'modbus' is none of", id="link"),
        pytest.param('register = "ai1"', 'register = "ai9"', r"point\[2\]\.register: 'ai9' is none of ai1",
            id="register"),
        pytest.param('link = "bus"', 'link = "bas"', r"device\[0\]\.link: 'bas' is none of bus", id="no-link"),
        pytest.param('asset = "tower"', 'asset = "tour"', r"point\[2\]\.asset: 'tour' is no asset", id="asset"),
        pytest.param('asset = "tower"', 'asset = "tap-7"', r"point\[2\]\.asset: 'tap-7' is no asset: .* tap-NN",
            id="tap"),
        pytest.param('register = "speed"', 'register = "speed"\nscale = 0', r"point\[0\]\.scale: 0 would make",
            id="scale"),
        pytest.param('"level_m"', '"level_cm"', r"point\[2\]\.channel: 'level_cm' is none of level_m", id="channel"),
        pytest.param("at_20_ma = 5", "at_20_ma = 0", r"loop\.at_20_ma: 0 is what 4 mA mean already", id="loop"),
        pytest.param("litres = 10", "litres = -1", r"pulse\.litres: -1 is below 0\.001", id="pulse"),
        pytest.param("pulse =", "scale = 10\npulse =", r"scale: does not go with pulse of pump/volume_m3",
            id="scale-and-pulse"),
        pytest.param("pulse =", "loop = { at_4_ma = 0, at_20_ma = 5 }\npulse =", r"loop: does not go with pulse",
            id="loop-and-pulse"),
        pytest.param("unit_id = 3", "unit_id = 3.5", r"device\[1\]\.unit_id: 3\.5 is not a whole number", id="whole"),
        pytest.param('map = "invt-goodrive100-pv"', 'map = "invt"', r"map 'invt' is neither a file", id="map"),
        pytest.param('register = "speed"', 'register = "bus_voltage"', r"unit: 'V' does not convert to '1/min'",
            id="unit"),
        pytest.param('register = "speed"', 'register = "speed"\nevery_s = 400', r"every_s: 400 is above interval_s 300",
            id="every"),
        pytest.param('register = "state"', 'register = "state"\nspeed = 1', r"point\[1\]\.speed: is not a key of",
            id="unknown"),
        pytest.param("[[point]]", f"{SPEED}[[point]]", r"channel: pump/speed_rpm stands twice", id="twice"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_file_key_value_and_bound(tmp_path: Path, wrong: str, right: str, told: str) -> None:
    assert wrong in FINE
    with pytest.raises(ConfigError, match=rf"gateway\.toml: .*{told}"):
        installation(tmp_path, FINE.replace(wrong, right, 1))


def test_a_map_of_ones_own_lies_beside_the_file(tmp_path: Path) -> None:
    shipped = Path("gateway/register_maps/eastron-sdm.toml").read_text("utf-8")
    (tmp_path / "mine.toml").write_text(shipped, "utf-8")
    meter = '[[device]]\nname = "meter"\nlink = "bus"\nunit_id = 2\nmap = "mine.toml"\n'
    point = '[[point]]\nasset = "pump"\nchannel = "power_w"\ndevice = "meter"\nregister = "power"\n'
    found = installation(tmp_path, FINE + meter + point)
    register_map = found.plan.devices["meter"].map
    assert register_map is not None
    assert register_map.registers["power"].address == 12


def test_passwords_stand_in_files_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("correct-horse\n", "utf-8")
    found = installation(tmp_path, 'mqtt_password_file = "password"\n' + FINE)
    assert found.mqtt.password == "correct-horse"


@pytest.mark.parametrize(
    ("is_there", "told"),
    [
        (False, r"mqtt: tls_ca: .*/ca\.crt cannot be read: No such file or directory"),
        (True, r"mqtt: .*/ca\.crt: .*certificate"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_told_before_the_box_is_left(
    tmp_path: Path, is_there: bool, told: str
) -> None:
    if is_there:
        (tmp_path / "ca.crt").write_text("no certificate\n", "ascii")
    text = (HEAD + FINE).replace("mqtt://127.0.0.1:1", "mqtts://gw-1@water.example.org:8883?tls_ca=ca.crt")
    (tmp_path / "gateway.toml").write_text(text, "utf-8")
    with pytest.raises(ConfigError, match=told):
        load_installation(tmp_path / "gateway.toml")


def test_certificates_lie_beside_the_file_like_all_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "ca.crt").write_text(
        make_certificates("localhost", now=datetime(2026, 11, 27, tzinfo=UTC)).authority, "ascii"
    )
    text = (HEAD + FINE).replace("mqtt://127.0.0.1:1", "mqtts://gw-1@water.example.org:8883?tls_ca=ca.crt")
    (tmp_path / "gateway.toml").write_text(text, "utf-8")
    found = load_installation(tmp_path / "gateway.toml")
    assert found.mqtt.tls_ca == str(tmp_path / "ca.crt")


def test_a_plan_from_afar_runs_no_programs(tmp_path: Path) -> None:
    found = installation(tmp_path, FINE)
    plan = tmp_path / "plan.toml"
    plan.write_text('[[device]]\nname = "evil"\nkind = "exec"\ncommand = ["reboot"]\n', "utf-8")
    with pytest.raises(ConfigError, match=r"device\[0\]\.kind: exec may only stand in the gateway's own file"):
        load_plan(plan, found)


def test_the_example_that_is_shipped_is_understood_once_what_the_server_gave_lies_beside_it(tmp_path: Path) -> None:
    file = Path(copy("deploy/gateway/gateway.toml", tmp_path))
    (tmp_path / "mqtt-password").touch(0o600)
    (tmp_path / "mqtt-password").write_text("as `devices add` printed it\n", "utf-8")
    with pytest.raises(ConfigError, match=r"mqtt: tls_ca: .*broker-ca\.crt cannot be read"):
        load_installation(file)
    made = make_certificates("localhost", now=datetime(2026, 11, 27, tzinfo=UTC))
    (tmp_path / "broker-ca.crt").write_text(made.authority, "utf-8")
    found = load_installation(file)
    assert found.mqtt.tls_ca == str(tmp_path / "broker-ca.crt")
    assert found.mqtt.password == "as `devices add` printed it"
    battery = next(point for point in found.plan.points if point.spec.name == "battery_v")
    assert battery.scale == 1e-6
    assert canonical(battery, Value(12_600_000.0)) == pytest.approx(12.6)


@pytest.mark.parametrize("page", ["docs/gateway.md", "docs/fr/gateway.md"])
def test_every_key_is_explained_in_both_languages(page: str) -> None:
    text = Path(page).read_text("utf-8")
    asked = r"\.(?:has|get|text|texts|choice|number|whole|flag|table|tables|span)\(\s*\"([a-z0-9_]+)\""
    code = "".join(Path(f"gateway/{module}.py").read_text("utf-8") for module in ("installation", "maps"))
    keys = set(re.findall(asked, code))
    assert {"zone", "unexplained", "remote_key_file", "most_hz"} <= keys
    assert sorted(key for key in keys if not re.search(rf"\b{key}\b", text)) == []
