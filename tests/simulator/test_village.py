"""The simulated zones: water and energy add up, and the same seed gives the same days in whatever pieces."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from simulator.errors import SimulatorError
from simulator.faults import CATALOGUE, Broken
from simulator.minutes import DT_H, OVERFLOW_AT
from simulator.state import State
from simulator.village import Village
from tests.simulator.days import DAWN, ZONES, live


def test_a_normal_day_is_plausible() -> None:
    day = live(19)
    flow, power = day.all("inflow_m3_h"), day.all("pump_power_w")
    litres = day.all("outflow_m3_h").sum(axis=0) * DT_H / day.village.people * 1000
    assert (litres > 8).all()
    assert (litres < 15).all(), "DOMAIN §3.1: 8 to 12 L per person, a fifth more in March"
    hours = (flow > 0.05).sum(axis=0) * DT_H
    assert (hours > 4).all()
    assert (hours < 10).all()
    energy = power.sum(axis=0) / 1000 / flow.sum(axis=0)
    assert (energy > 0.002725 * 40).all(), "kWh per m³ above the hydraulic minimum of 40 m"
    assert (energy < 0.6).all()


def test_at_night_there_is_no_sun_no_power_and_no_flow() -> None:
    night = live(3, start=datetime(2026, 2, 4, 0, 30, tzinfo=UTC))
    for name in ("irradiance_w_m2", "pv_power_w", "pump_power_w", "speed_rpm", "inflow_m3_h"):
        assert (night.all(name) == 0).all(), name
    joints = 24 * night.all("outflow_m3_h") / night.village.demand.usual_m3
    assert (joints > 0).all(), "no old network is tight"
    assert (joints < 0.07).all()
    assert (np.ptp(night.all("tap_m3"), axis=0) == 0).all()


def test_pumps_run_every_morning_of_a_month_and_no_tower_is_emptied_on_its_first_days() -> None:
    november = live(4 * 24, start=datetime(2026, 11, 20, 5, 0, tzinfo=UTC))
    flow, level = november.all("inflow_m3_h"), november.all("level_m") / november.village.full_m
    for day in range(4):
        morning = slice((day * 24 + 4) * 60, (day * 24 + 7) * 60)  # 9 to 12 h
        assert (flow[morning].max(axis=0) > 0.5 * november.village.pump.flow_m3_h).all()
    assert (level > 0.15).all()
    assert (level < OVERFLOW_AT).all()


def test_pieces_and_a_saved_state_change_nothing() -> None:
    whole = Village(ZONES, seed=3)
    state = whole.first_state()
    pieces, kept = Village(ZONES, seed=3), whole.first_state()
    broken = [Broken("zone-2", fault, "M", DAWN.timestamp() + 3600) for fault in CATALOGUE]
    for minute in range(24 * 60):
        whole.step(state, DAWN.timestamp() + 60 * minute, broken)
        if minute % 97 == 0:  # forgets all but the state, as a process that was killed
            pieces, kept = Village(ZONES, seed=3), State.from_json(json.loads(json.dumps(kept.as_json())))
        pieces.step(kept, DAWN.timestamp() + 60 * minute, broken)
    assert kept.as_json() == state.as_json()


def test_a_zone_lives_the_same_alone_as_beside_others() -> None:
    beside, alone = live(12, clear=False), live(12, clear=False, zones=[ZONES[4]])
    for name in ("irradiance_w_m2", "inflow_m3_h", "outflow_m3_h", "level_m"):
        np.testing.assert_array_equal(beside.of("zone-5", name), alone.of("zone-5", name))


def test_an_empty_tower_gives_no_pressure() -> None:
    day = live(8, [Broken("zone-3", fault, "L", DAWN.timestamp()) for fault in CATALOGUE])
    empty = day.of("zone-3", "level_m") < 0.01
    assert empty.any()
    assert day.of("zone-3", "network_bar")[empty].max() == 0
    assert day.of("zone-4", "network_bar").min() > 0.5


def test_a_zone_without_a_pump_is_refused_by_name() -> None:
    zone = replace(ZONES[0], assets=tuple(a for a in ZONES[0].assets if a.asset_id not in ("pump", "tower")))
    with pytest.raises(SimulatorError, match="zone-1: cannot be simulated without pump, tower"):
        Village([zone], seed=1)
