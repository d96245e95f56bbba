"""Modbus over TCP and over a serial line, against pymodbus's own simulator."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.drivers import Driver
from gateway.errors import DeviceSilent
from gateway.installation import Installation
from gateway.maps import Value
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
