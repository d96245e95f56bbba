"""The simulated zones: water and energy add up, and the same seed gives the same days in whatever pieces."""

import json
from dataclasses import replace
from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.errors import SimulatorError
from simulator.faults import CATALOGUE, SIZES, Broken
from simulator.sun import sun_day
from simulator.village import CONTROLLER, DT_H, OVERFLOW_AT, State, Village
from tests.simulator.days import DAWN, ZONES, live

BALANCED = ("volume_m3", "pumped_m3", "drawn_m3", "leaked_m3", "spilled_m3")
faults = st.builds(
    Broken,
    zone=st.sampled_from([zone.zone_id for zone in ZONES]),
    fault=st.sampled_from(sorted(CATALOGUE)),
    size=st.sampled_from(SIZES),
    start_s=st.integers(0, 600).map(lambda minute: DAWN.timestamp() + 60 * minute),
)


@settings(max_examples=6, deadline=None)
@given(st.lists(faults, max_size=8), st.integers(0, 50))
def test_water_and_energy_add_up_in_every_minute_whatever_breaks(broken: list[Broken], seed: int) -> None:
    village = Village(ZONES, seed=seed)
    state = village.first_state()
    for minute in range(14 * 60):
        before = {name: getattr(state, name).copy() for name in BALANCED}
        taps = state.tap_m3.sum(axis=1)
        truth = village.step(state, DAWN.timestamp() + 60 * minute, broken)
        moved = {name: getattr(state, name) - was for name, was in before.items()}
        balance = moved["pumped_m3"] - moved["drawn_m3"] - moved["leaked_m3"] - moved["spilled_m3"]
        np.testing.assert_allclose(moved["volume_m3"], balance, atol=1e-9)
        assert (state.volume_m3 >= 0).all()
        assert (state.volume_m3 <= OVERFLOW_AT * village.size_m3 + 1e-9).all()
        assert (state.tap_m3.sum(axis=1) - taps <= moved["drawn_m3"] + 1e-9).all(), "taps give what leaves the tower"
        lift_w = 2.725 * truth.inflow_m3_h * (truth.depth_m + village.base_m)
        assert (lift_w <= truth.pump_power_w + 1e-6).all(), "water is not lifted by less energy than physics asks"
        np.testing.assert_allclose(truth.pv_power_w * CONTROLLER, truth.pump_power_w, rtol=1e-12)


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
    night = live(3, start=datetime(2026, 3, 4, 0, 30, tzinfo=UTC))
    for name in ("irradiance_w_m2", "pv_power_w", "pump_power_w", "speed_rpm", "inflow_m3_h", "outflow_m3_h"):
        assert (night.all(name) == 0).all(), name


def test_pumps_run_every_morning_of_a_month_and_no_tower_is_emptied_on_its_first_days() -> None:
    november = live(4 * 24, start=datetime(2026, 11, 20, 5, 0, tzinfo=UTC))
    flow, level = november.all("inflow_m3_h"), november.all("level_m") / november.village.full_m
    for day in range(4):
        morning = slice((day * 24 + 4) * 60, (day * 24 + 7) * 60)  # 9 to 12 h
        assert (flow[morning].max(axis=0) > 0.5 * november.village.pump.flow_m3_h).all()
    assert (level > 0.15).all()
    assert (level < OVERFLOW_AT).all()


# DOMAIN §2.2, all-sky irradiation on level ground by month [kWh/m² and day]
ALL_SKY = (5.4, 6.0, 6.3, 6.2, 5.7, 5.1, 4.6, 4.4, 4.8, 5.2, 5.3, 5.1)


@pytest.mark.parametrize("month", range(1, 13))
def test_the_sun_of_labe_is_as_strong_as_its_months_say(month: int) -> None:
    pv = ZONES[0].asset("pv")
    level = replace(pv, rating={**pv.rating, "tilt_deg": 0.0})
    zone = replace(ZONES[0], assets=tuple(level if asset is pv else asset for asset in ZONES[0].assets))
    days = [
        sun_day(zone, date(2026, month, day), seed=seed, is_clear=False).irradiance_w_m2.sum() / 60_000
        for day in range(1, 29)
        for seed in (1, 2)
    ]
    assert np.mean(days) == pytest.approx(ALL_SKY[month - 1], rel=0.1)
    assert 0.05 < np.std(days) / np.mean(days) < 0.3, "days differ"


def test_solar_noon_is_at_about_ten_to_one() -> None:
    noon = sun_day(ZONES[0], date(2026, 3, 4), seed=1, is_clear=True).irradiance_w_m2.argmax()
    assert 12 * 60 + 30 <= noon <= 13 * 60 + 15


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
