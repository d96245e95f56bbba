"""What the person on the ladder sees on a phone: values with units, their age, what does not answer and why."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.clock import ManualClock
from gateway.installation import Installation
from gateway.probe import WIDTH, Probe
from gateway.wiring import open_drivers
from simulator.modbus import Unit
from tests.gateway.lines import PUMP, installation, pump_units, serving

Make = Callable[..., Probe]
NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


@pytest.fixture
def units() -> dict[int, Unit]:
    return pump_units()


@pytest.fixture
def probe() -> Iterator[Make]:
    """Makes probes that take 12 ms for each device."""
    made: list[Probe] = []

    def make(found: Installation, clock: ManualClock, *, language: str = "fr", shows_all: bool = False) -> Probe:
        ticks = itertools.count(step=0.012)
        made.append(
            Probe(
                found, found.plan, open_drivers(found, found.plan), clock=clock, ticks_s=lambda: next(ticks),
                language=language, shows_all=shows_all,
            )
        )  # fmt: skip
        return made[-1]

    yield make
    for one in made:
        one.close()


def seen(looks: Probe) -> str:
    lines = list(looks.look())
    assert max(map(len, lines)) <= WIDTH, "or a phone breaks them"
    return "\n".join(lines)


def test_a_look_tells_time_value_unit_register_and_why_there_is_none(
    probe: Make, tmp_path: Path, units: dict[int, Unit]
) -> None:
    with serving(units) as bus:
        found = installation(tmp_path, PUMP.format(port=bus.port))
        units[3].say("ai1", 3.5)
        told = seen(probe(found, ManualClock(NOON)))
    assert told.startswith("zone-1 gw-1  2026-03-02 12:00:00 UTC\n")
    assert "inverter: répond en 12 ms\n" in told
    assert "pump/speed_rpm                    2843 1/min              speed      2843 rpm\n" in told
    assert "tower/level_m              pas de valeur  ai1 3.5 mA\n" in told
    assert "    3.50 mA : le capteur ou son câble est en panne (NAMUR NE43)\n" in told
    assert "pump/volume_m3                    1000 impulsions de 10 L" in told


def test_an_open_tap_shows_by_what_its_counter_moves_on(probe: Make, tmp_path: Path, units: dict[int, Unit]) -> None:
    with serving(units) as bus:
        looks = probe(installation(tmp_path, PUMP.format(port=bus.port)), ManualClock(NOON), language="en")
        assert "1000 pulses of 10 L" in seen(looks)
        units[10].say("counter0", 1_550_012)
        assert "1550012 +1549012 pulses of 10 L" in seen(looks), "all its figures"


def test_a_device_that_falls_silent_says_since_when_and_why(
    probe: Make, tmp_path: Path, units: dict[int, Unit]
) -> None:
    clock = ManualClock(NOON)
    with serving(units) as bus:
        looks = probe(installation(tmp_path, PUMP.format(port=bus.port)), clock)
        seen(looks)
        assert looks.silent == set()
    clock.advance(timedelta(seconds=14))
    told = seen(looks)
    assert "loops: MUET depuis 12:00:00, soit 14 s\n" in told
    assert "    bus unit 3, input 0+1: 127.0.0.1:" in told
    assert {"loops", "counters", "inverter"} <= looks.silent


def test_what_no_point_uses_is_counted_and_shown_when_asked_for(
    probe: Make, tmp_path: Path, units: dict[int, Unit]
) -> None:
    with serving(units) as bus:
        found = installation(tmp_path, PUMP.format(port=bus.port))
        assert "  + 7 registres qu'aucun point n'utilise : --all" in seen(probe(found, ManualClock(NOON)))
        told = seen(probe(found, ManualClock(NOON), shows_all=True))
    assert "--all" not in told
    assert "  ai8                                  0 mA       (non utilisé)" in told


def test_a_file_that_nobody_writes_any_more_shows_its_age(probe: Make, tmp_path: Path) -> None:
    (tmp_path / "level").write_text("value 1.66 m\n", "ascii")
    os.utime(tmp_path / "level", (NOON.timestamp() - 3 * 3600,) * 2)
    told = seen(probe(installation(tmp_path, of_a_file("level", "tower", "level_m")), ManualClock(NOON)))
    assert "level: répond en 12 ms, écrit il y a 3 h\n" in told


def test_a_code_that_no_pump_has_does_not_end_the_look(probe: Make, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("9\n", "ascii")
    told = seen(probe(installation(tmp_path, of_a_file("state", "pump", "state_code")), ManualClock(NOON)))
    assert "pump/state_code                      9 ?" in told


def of_a_file(name: str, asset: str, channel: str) -> str:
    """A device that is a file, and a point of it."""
    return (
        f'[[device]]\nname = "{name}"\nkind = "file"\npath = "{name}"\n'
        f'[[point]]\nasset = "{asset}"\nchannel = "{channel}"\ndevice = "{name}"\n'
    )


def test_whoever_reads_the_first_lines_only_sees_no_traceback() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "ndiyan", "gateway", "map"], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")
