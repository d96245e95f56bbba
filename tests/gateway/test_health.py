"""How the box is: temperature, modem, credit, and the watchdog."""

import re
import socket
from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.errors import DeviceSilent
from gateway.health import SystemDriver, Watchdog, credit_gnf, signal_dbm
from gateway.installation import Modem
from gateway.maps import Value

CREDIT = re.compile(r"([0-9][0-9 .,]*)\s*(?:GNF|FG)")
# The form of `mmcli --modem=any --signal-get --output-json` (ModemManager 1.20).
LTE = '{"modem":{"signal":{"gsm":{"rssi":"--"},"umts":{"rssi":"--"},"lte":{"rssi":"-71.00","rsrp":"-101.00"}}}}'
UNMEASURED = LTE.replace("-71.00", "--").replace("-101.00", "--")
GET, SETUP = ["mmcli", "--modem=any", "--signal-get", "--output-json"], ["mmcli", "--modem=any", "--signal-setup=60"]
GSM = '{"modem":{"signal":{"gsm":{"rssi":"-93.00"},"lte":{"rssi":"--"}}}}'


@pytest.mark.parametrize(
    ("answer", "dbm"), [(LTE, -71.0), (GSM, -93.0), ('{"modem":{"signal":{}}}', None), ("error: no modem", None)]
)
def test_the_signal_is_that_of_the_network_that_has_one(answer: str, dbm: float | None) -> None:
    assert signal_dbm(answer).number == dbm


def test_a_modem_manager_that_does_not_measure_the_signal_is_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Sequence[str]] = []
    monkeypatch.setattr("gateway.health.uptime_s", lambda: 0.0)

    def run(command: Sequence[str]) -> str:
        asked.append(command)
        return LTE if SETUP in asked else UNMEASURED

    driver = SystemDriver(Modem(None, CREDIT), run=run, thermal=tmp_path / "none")
    assert driver.read({"signal"})["signal"].number is None
    assert driver.read({"signal"})["signal"] == Value(-71.0, "dBm")
    assert asked == [GET, SETUP, GET]


def test_a_modem_manager_that_refuses_to_measure_is_told_six_times_an_hour_and_why_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Sequence[str]] = []
    now_s = [0.0]
    monkeypatch.setattr("gateway.health.uptime_s", lambda: now_s[0])

    def run(command: Sequence[str]) -> str:
        asked.append(command)
        if command == SETUP:
            raise DeviceSilent("mmcli: ended with 1: not authorized")
        return UNMEASURED

    driver = SystemDriver(Modem(None, CREDIT), run=run, thermal=tmp_path / "none")
    for look in range(360):
        now_s[0] = 10.0 * look
        assert driver.read({"signal"})["signal"] == Value(None, "dBm", "mmcli: ended with 1: not authorized")
    assert asked.count(SETUP) == 6


@pytest.mark.parametrize(
    ("answer", "gnf"),
    [
        ("USSD session initiated; new reply from network: 'Votre solde est de 12 500 GNF, valable …'", 12_500.0),
        ("Solde: 8.250 FG", 8_250.0),
        ("Solde: 45.00 GNF", 45.0),
        ("Solde principal: 4.500,00 GNF.", 4_500.0),
        ("Votre solde est de 12\u202f500 GNF", 12_500.0),
        ("Service indisponible", None),
    ],
)
def test_the_credit_is_found_in_the_operators_words(answer: str, gnf: float | None) -> None:
    assert credit_gnf(answer, CREDIT).number == gnf


def test_the_operator_is_asked_for_the_credit_four_times_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Sequence[str]] = []
    now_s = [0.0]
    monkeypatch.setattr("gateway.health.uptime_s", lambda: now_s[0])

    def run(command: Sequence[str]) -> str:
        asked.append(command)
        return "12 500 GNF"

    driver = SystemDriver(Modem("*100#", CREDIT), run=run, thermal=tmp_path / "none")
    for minute in range(24 * 60):
        now_s[0] = 60.0 * minute
        assert driver.read({"credit"})["credit"] == Value(12_500.0, "GNF")
    assert asked == [["mmcli", "--modem=any", "--3gpp-ussd-initiate=*100#"]] * 4


def test_a_box_without_modem_or_thermometer_says_so(tmp_path: Path) -> None:
    def run(command: Sequence[str]) -> str:
        raise DeviceSilent(f"{command[0]}: No such file or directory")

    values = SystemDriver(Modem(None, CREDIT), run=run, thermal=tmp_path / "none").read({"temp", "signal", "credit"})
    assert [values[name].number for name in ("temp", "signal", "credit")] == [None, None, None]
    assert values["signal"].why == "mmcli: No such file or directory"


def test_a_box_tells_its_temperature(tmp_path: Path) -> None:
    (tmp_path / "temp").write_text("51540\n", "ascii")
    assert SystemDriver(None, thermal=tmp_path / "temp").read({"temp"}) == {"temp": Value(51.54, "°C")}


def test_systemd_hears_that_we_are_ready_and_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        watchdog = Watchdog()
        watchdog.ready()
        watchdog.alive("2 points silent")
        assert systemd.recv(100) == b"READY=1"
        assert systemd.recv(100) == b"WATCHDOG=1\nSTATUS=2 points silent"


def test_systemd_that_did_not_hear_us_once_is_told_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    watchdog = Watchdog()
    for _ in range(3):
        watchdog.alive("busy")
    assert len(caplog.records) == 1, "a trouble that lasts is told when it begins"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(5)
        watchdog.alive("well")
        assert systemd.recv(100) == b"WATCHDOG=1\nSTATUS=well"
