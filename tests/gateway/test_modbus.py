"""Modbus over TCP and over a serial line, against pymodbus's own simulator."""

import os
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pymodbus.framer import FramerRTU

from gateway.drivers import Driver
from gateway.errors import DeviceSilent
from gateway.installation import Installation
from gateway.maps import Value, find_map
from gateway.modbus import Line, ModbusDriver
from gateway.wiring import open_drivers
from simulator.modbus import ModbusBus, Serial, Unit
from tests.gateway.lines import PUMP, installation, pump_units, serial_pair, serving

RTU = 'kind = "modbus-rtu"\npath = "{path}"\nbaud = 19200'


@pytest.fixture
def units() -> dict[int, Unit]:
    return pump_units()


@pytest.fixture(params=["tcp", "rtu"])
def pump(request: pytest.FixtureRequest, tmp_path: Path, units: dict[int, Unit]) -> Iterator[Installation]:
    """A pump's file, and its devices on that kind of line."""
    if request.param == "tcp":
        with serving(units) as bus:
            yield installation(tmp_path, PUMP.format(port=bus.port))
        return
    with serial_pair() as (ours, theirs), serving(units, Serial(theirs, 19200)):
        tcp = 'kind = "modbus-tcp"\nhost = "127.0.0.1"\nport = 1'
        yield installation(tmp_path, PUMP.format(port=1).replace(tcp, RTU.format(path=ours)))


@pytest.fixture
def drivers(pump: Installation) -> Iterator[dict[str, Driver]]:
    found = open_drivers(pump, pump.plan)
    yield found
    for driver in found.values():
        driver.close()


def test_registers_come_with_their_units(drivers: dict[str, Driver]) -> None:
    assert drivers["inverter"].read({"speed", "state"}) == {"speed": Value(2843, "rpm"), "state": Value(1.0)}
    assert drivers["loops"].read({"ai1"}) == {"ai1": Value(12.0, "mA")}
    assert drivers["counters"].read({"counter0"}) == {"counter0": Value(1000, "", None, 2.0**32)}


def test_a_device_without_power_is_silent_and_its_neighbours_are_not(
    drivers: dict[str, Driver], units: dict[int, Unit]
) -> None:
    drivers["inverter"].read({"speed"})
    units[1].is_dark = True
    refused = drivers["inverter"].read({"speed"})["speed"]
    assert refused.number is None
    assert "refused with code 11" in (refused.why or "")
    assert drivers["loops"].read({"ai1"})["ai1"].number == 12.0
    units[1].is_dark = False
    assert drivers["inverter"].read({"speed"})["speed"].number == 2843


class LateDevice:
    """A device at the other end of a serial line, which answers only when it is asked again: always one behind."""

    def __init__(self, line: int, unit: Unit) -> None:
        registers = unit.map.registers.values()
        self._words = {one.address: unit.words_of(one.name)[0] for one in registers if one.words == 1}
        self._line, self._held, self._is_late = line, list[bytes](), True
        self._is_asked, self._lock = threading.Event(), threading.Lock()

    def run(self) -> None:
        """Until the line is closed."""
        while request := self._heard():
            self._is_asked.set()
            said = bytes([*request[:2], 2, *self._words[int.from_bytes(request[2:4])].to_bytes(2)])
            with self._lock:
                self._held.append(said + FramerRTU.compute_CRC(said).to_bytes(2))
                self._say(but=1 if self._is_late else 0)

    def catch_up(self, _: float) -> None:
        """Say all that is due, and from now on answer at once."""
        assert self._is_asked.wait(10)
        with self._lock:
            self._is_late = False
            self._say(but=0)

    def _heard(self) -> bytes:
        try:
            return os.read(self._line, 8)
        except OSError:
            return b""

    def _say(self, *, but: int) -> None:
        while len(self._held) > but:
            os.write(self._line, self._held.pop(0))


@contextmanager
def late(unit: Unit) -> Iterator[tuple[LateDevice, str]]:
    """A late device, and the line that leads to it."""
    theirs, ours = os.openpty()
    tty.setraw(ours)
    device = LateDevice(theirs, unit)
    thread = threading.Thread(target=device.run, daemon=True)
    thread.start()
    try:
        yield device, os.ttyname(ours)
    finally:
        os.close(ours)
        thread.join(10)
        os.close(theirs)


def test_an_answer_that_comes_late_is_not_the_answer_to_the_next_question(
    tmp_path: Path, units: dict[int, Unit]
) -> None:
    with late(units[1]) as (device, path):
        tcp = 'kind = "modbus-tcp"\nhost = "127.0.0.1"\nport = 1'
        found = installation(tmp_path, PUMP.format(port=1).replace(tcp, RTU.format(path=path)))
        inverter = ModbusDriver(
            Line(found.links["bus"], wait=device.catch_up), 1, find_map("invt-goodrive100-pv", tmp_path)
        )
        try:
            assert inverter.read({"state", "speed"}) == {"speed": Value(2843, "rpm"), "state": Value(1.0)}
        finally:
            inverter.close()


def test_a_line_that_the_program_holds_is_told_as_such_to_whoever_probes(
    tmp_path: Path, units: dict[int, Unit]
) -> None:
    with serial_pair() as (ours, theirs), serving(units, Serial(theirs, 19200)):
        tcp = 'kind = "modbus-tcp"\nhost = "127.0.0.1"\nport = 1'
        found = installation(tmp_path, PUMP.format(port=1).replace(tcp, RTU.format(path=ours)))
        program, probe = (open_drivers(found, found.plan)["loops"] for _ in range(2))
        assert program.read({"ai1"})["ai1"].number == 12.0
        with pytest.raises(DeviceSilent, match=f"{ours} cannot be opened, another program has it or we may not"):
            probe.read({"ai1"})
        program.close()
        assert probe.read({"ai1"})["ai1"].number == 12.0
        probe.close()


def test_a_line_that_comes_back_is_opened_again(tmp_path: Path, units: dict[int, Unit]) -> None:
    with serving(units) as bus:
        port = bus.port
        found = installation(tmp_path, PUMP.format(port=port))
        loops = open_drivers(found, found.plan)["loops"]
        assert loops.read({"ai1"})["ai1"].number == 12.0
    with pytest.raises(DeviceSilent, match="bus unit 3, input 0"):
        loops.read({"ai1"})
    bus = ModbusBus(units, place=port)
    bus.start()
    try:
        assert loops.read({"ai1"})["ai1"].number == 12.0
    finally:
        loops.close()
        bus.stop()
