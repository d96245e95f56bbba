"""What gateways of tests hang on: a pair of serial lines, simulated Modbus devices, and files that describe them."""

from __future__ import annotations

import os
import select
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.installation import Installation, load_installation
from gateway.maps import find_map
from simulator.modbus import ModbusBus, Serial, Unit

HEAD = """
zone = "zone-1"
gateway = "gw-1"
mqtt = "mqtt://127.0.0.1:1"
folder = "state"
"""
LOOPS, COUNTERS = 3, 10
LOOPS_AND_COUNTERS = f"""
[[device]]
name = "loops"
link = "bus"
unit_id = {LOOPS}
map = "waveshare-analog-input-8ch"

[[device]]
name = "counters"
link = "bus"
unit_id = {COUNTERS}
map = "advantech-adam-6051"
"""
PUMP = (
    """
[link.bus]
kind = "modbus-tcp"
host = "127.0.0.1"
port = {port}
timeout_s = 0.5

[[device]]
name = "inverter"
link = "bus"
map = "invt-goodrive100-pv"
"""
    + LOOPS_AND_COUNTERS
    + """
[[point]]
asset = "pump"
channel = "speed_rpm"
device = "inverter"
register = "speed"

[[point]]
asset = "pump"
channel = "state_code"
device = "inverter"
register = "state"

[[point]]
asset = "tower"
channel = "level_m"
device = "loops"
register = "ai1"
loop = {{ at_4_ma = 0, at_20_ma = 5 }}

[[point]]
asset = "pump"
channel = "volume_m3"
device = "counters"
register = "counter0"
pulse = {{ litres = 10, start_m3 = 100 }}
"""
)


def pump_units() -> dict[int, Unit]:
    """The devices of `PUMP`: at noon, tower 2.5 m."""
    names = {1: "invt-goodrive100-pv", LOOPS: "waveshare-analog-input-8ch", COUNTERS: "advantech-adam-6051"}
    units = {number: Unit(find_map(name, Path())) for number, name in names.items()}
    units[1].say("speed", 2843)
    units[1].say("state", 1)
    units[LOOPS].say("ai1", 12.0)
    units[COUNTERS].say("counter0", 1000)
    return units


@contextmanager
def serving(units: dict[int, Unit], place: int | Serial = 0) -> Iterator[ModbusBus]:
    """The devices on a free port, or on a serial line."""
    bus = ModbusBus(units, place=place)
    bus.start()
    try:
        yield bus
    finally:
        bus.stop()


def installation(folder: Path, text: str) -> Installation:
    """The file of a gateway, read as the program does."""
    file = folder / "gateway.toml"
    file.write_text(HEAD + text, "utf-8")
    return load_installation(file)


@contextmanager
def serial_pair() -> Iterator[tuple[str, str]]:
    """Two serial lines that are joined: what is written into one comes out of the other."""
    masters, slaves = zip(*(os.openpty() for _ in range(2)), strict=True)
    for end in slaves:
        tty.setraw(end)
    wake_read, wake_write = os.pipe()

    def join() -> None:
        others = dict(zip(masters, reversed(masters), strict=True))
        while True:
            ready, _, _ = select.select([*masters, wake_read], [], [])
            if wake_read in ready:
                return
            for end in ready:
                os.write(others[end], os.read(end, 4096))

    thread = threading.Thread(target=join, daemon=True)
    thread.start()
    try:
        yield os.ttyname(slaves[0]), os.ttyname(slaves[1])
    finally:
        os.write(wake_write, b"x")
        thread.join()
        for end in (*masters, *slaves, wake_read, wake_write):
            os.close(end)
