"""Hardware that does not exist: what the instruments see stands in registers, and a restart turns no counter back."""

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.clock import ManualClock
from gateway.installation import load_installation
from gateway.zones import Zone
from simulator.hardware import COUNTERS, INVERTER, Hardware, Wire, gateway_file, wires_of
from simulator.scenarios import load_scenario


def hardware(zones: list[Zone], folder: Path, clock: ManualClock) -> Hardware:
    return Hardware(zones, clock=clock, folder=folder, seed=1, scenario=load_scenario("dry-season"), first_port=0)


@pytest.mark.parametrize("number", range(6))
def test_every_channel_of_a_zone_has_a_register_of_its_own_and_a_file_that_fits(
    zones: list[Zone], tmp_path: Path, number: int
) -> None:
    zone = zones[number]
    wires = wires_of(zone)
    assert len({(wire.unit_id, wire.register) for wire in wires}) == len(wires)
    file = tmp_path / "gateway.toml"
    file.write_text(gateway_file(zone, host="127.0.0.1", port=502, mqtt="mqtt://127.0.0.1:1", folder="x"), "utf-8")
    points = {point.name for point in load_installation(file).plan.points}
    measured = {f"{asset.asset_id}/{spec.name}" for asset in zone.assets for spec in asset.channels}
    assert measured - points == {"weather/rain_mm"}, "a gauge that is emptied is on no register"
    assert points < measured


@pytest.mark.parametrize(
    ("wire", "value", "number"),
    [
        pytest.param(Wire("tower", "level_m", 3, "ai1", loop=(0, 4)), 2.0, 12.0, id="half-full"),
        pytest.param(Wire("tower", "level_m", 3, "ai1", loop=(0, 4)), -0.125, 3.5, id="a-cut-loop"),
        pytest.param(Wire("borehole", "water_depth_m", 3, "ai1", loop=(48.5, -1.5)), 23.5, 12.0, id="deeper-is-less"),
        pytest.param(Wire("pump", "volume_m3", 10, "counter0", litres=10), 1.299, 129, id="pulses-are-whole"),
    ],
)
def test_a_register_says_what_its_sensor_would(wire: Wire, value: float, number: float) -> None:
    assert wire.number(value) == pytest.approx(number)


def test_a_restart_goes_on_where_the_zone_stood(zones: list[Zone], tmp_path: Path, clock: ManualClock) -> None:
    before = hardware(zones[:1], tmp_path, clock)
    before.live_until(clock.advance(timedelta(hours=2)))
    pumped = before.units["zone-1"][COUNTERS].words_of("counter0")
    assert before.units["zone-1"][INVERTER].words_of("state") == [1], "at noon the pump runs"
    before.save()
    after = hardware(zones[:1], tmp_path, clock)
    after.live_until(clock.advance(timedelta(minutes=10)))
    assert after.units["zone-1"][COUNTERS].words_of("counter0") > pumped > [0, 0]
