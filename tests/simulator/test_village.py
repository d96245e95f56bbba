"""The simulated zones: water and energy add up, the same seed gives the same days, faults do what they say."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.model import Fault, PumpState
from gateway.zones import load_zones
from ndiyan.shipped_files import shipped
from simulator.errors import ScenarioError
from simulator.faults import CATALOGUE, SIZES, Broken
from simulator.history import HistoryBlock, simulate_history
from simulator.scenarios import Scenario, load_scenario, scenario_from_toml
from simulator.sun import sun_day
from simulator.village import CONTROLLER, DT_H, OVERFLOW_AT, Truth, Village

ZONES = load_zones([shipped("zones")])
DAWN = datetime(2026, 3, 4, 5, 0, tzinfo=UTC)
CALM = Scenario("calm", "nothing happens", clear_from_start=False, faults=())


def live(hours: float, broken: Sequence[Broken] = (), *, start: datetime = DAWN, seed: int = 1, clear: bool = True):  # type: ignore[no-untyped-def]
    """Truths of every minute of all six zones from `start` on, and the state at the end."""
    village = Village(ZONES, seed=seed, clear_from=date(2000, 1, 1) if clear else None)
    state = village.first_state()
    truths: list[Truth] = []
    for minute in range(int(hours * 60)):
        truths.append(village.step(state, start.timestamp() + 60 * minute, broken))
    return truths, state, village


def stack(truths: list[Truth], name: str) -> np.ndarray:  # type: ignore[type-arg]
    return np.array([getattr(truth, name) for truth in truths])


BALANCED = ("volume_m3", "pumped_m3", "drawn_m3", "leaked_m3", "spilled_m3")
faults = st.builds(
    Broken,
    zone=st.sampled_from([zone.zone_id for zone in ZONES]),
    fault=st.sampled_from(sorted(CATALOGUE)),
    size=st.sampled_from(SIZES),
    start_s=st.integers(0, 600).map(lambda minute: DAWN.timestamp() + 60 * minute),
)


@settings(max_examples=5, deadline=None)
@given(st.lists(faults, max_size=6), st.integers(0, 50))
def test_water_adds_up_in_every_minute_whatever_breaks(broken: list[Broken], seed: int) -> None:
    village = Village(ZONES, seed=seed)
    state = village.first_state()
    for minute in range(14 * 60):
        before = {
            n: getattr(state, n).copy() for n in ("volume_m3", "pumped_m3", "drawn_m3", "leaked_m3", "spilled_m3")
        }
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
        assert (truth.pv_power_w * CONTROLLER <= truth.pump_power_w + 1e-6).all()
    assert DT_H * 60 == 1


def test_a_normal_day_is_plausible() -> None:
    truths, _, village = live(19)
    flow, power = stack(truths, "inflow_m3_h"), stack(truths, "pump_power_w")
    litres = stack(truths, "outflow_m3_h").sum(axis=0) * DT_H / village.people * 1000
    assert (litres > 8).all()
    assert (litres < 15).all(), "DOMAIN §3.1: 8 to 12 L per person, a fifth more in March"
    hours = (flow > 0.05).mean(axis=0) * 19
    assert (hours > 4).all()
    assert (hours < 10).all()
    energy = power.sum(axis=0) / 1000 / (flow.sum(axis=0))
    assert (energy > 0.002725 * 40).all(), "kWh per m³ above the hydraulic minimum of 40 m"
    assert (energy < 0.6).all()


def test_at_night_there_is_no_sun_no_power_and_no_flow() -> None:
    truths, _, _ = live(3, start=datetime(2026, 3, 4, 0, 30, tzinfo=UTC))
    for name in ("irradiance_w_m2", "pump_power_w", "inflow_m3_h", "outflow_m3_h"):
        assert (stack(truths, name) == 0).all(), name


def test_the_sun_of_labe_is_as_strong_as_its_months_say() -> None:
    # DOMAIN §2.2, all-sky irradiation by month [kWh/m² and day], ±10 % there; a month of our days within 20 % of it.
    for month, expected in ((3, 6.3), (8, 4.4), (11, 5.3)):
        days = [
            sun_day(ZONES[0], date(2026, month, day), seed=s, is_clear=False) for day in range(1, 29) for s in (1, 2)
        ]
        mean = np.mean([day.irradiance_w_m2.sum() / 60_000 for day in days])
        assert mean == pytest.approx(expected, rel=0.2), month


def test_solar_noon_is_at_about_ten_to_one() -> None:
    noon = sun_day(ZONES[0], date(2026, 3, 4), seed=1, is_clear=True).irradiance_w_m2.argmax()
    assert 12 * 60 + 30 <= noon <= 13 * 60 + 15


def of(truths: list[Truth], name: str, zone: str, after_h: float = 6) -> np.ndarray:  # type: ignore[type-arg]
    at = next(n for n, found in enumerate(ZONES) if found.zone_id == zone)
    return stack(truths, name)[int(after_h * 60) :, at]


def broken(fault: Fault, size: str = "L") -> list[Broken]:
    return [Broken("zone-3", fault, size, DAWN.timestamp() + 6 * 3600)]


@pytest.fixture(scope="module")
def calm() -> list[Truth]:
    return live(9)[0]  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("fault", "name", "sees"),
    [
        pytest.param(Fault.PUMP_NOT_RUNNING, "pump_power_w", lambda b, c: b.max() == 0 < c.max(), id="pump"),
        pytest.param(Fault.INVERTER_TRIP, "state_code", lambda b, c: set(b) == {PumpState.TRIPPED}, id="trip"),
        pytest.param(Fault.FLOAT_STUCK_FULL, "inflow_m3_h", lambda b, c: b.max() == 0 < c.max(), id="float-full"),
        pytest.param(Fault.DRY_RUNNING, "state_code", lambda b, c: (b == PumpState.STOPPED_DRY).any(), id="dry"),
        pytest.param(Fault.TOWER_LEAK, "level_m", lambda b, c: b[-1] < c[-1] - 0.1, id="tower-leak"),
        pytest.param(Fault.NIGHT_LEAK, "outflow_m3_h", lambda b, c: (b - c).mean() > 0.7, id="night-leak"),
        pytest.param(Fault.PIPE_BURST, "network_bar", lambda b, c: b.mean() < c.mean() - 0.2, id="burst"),
        pytest.param(Fault.TAP_LEFT_OPEN, "outflow_m3_h", lambda b, c: (b - c).mean() > 0.7, id="tap-open"),
        pytest.param(Fault.PV_STRING_LOSS, "pv_power_w", lambda b, c: b.max() <= c.max(), id="string"),
    ],
)
def test_a_fault_does_what_it_says_and_only_where_it_is(fault, name, sees, calm) -> None:  # type: ignore[no-untyped-def]
    truths, _, _ = live(9, broken(fault))
    assert sees(of(truths, name, "zone-3"), of(calm, name, "zone-3"))
    np.testing.assert_array_equal(of(truths, name, "zone-4", 0), of(calm, name, "zone-4", 0))


def test_a_tower_whose_float_is_stuck_open_spills() -> None:
    _, state, _ = live(13, [Broken("zone-3", Fault.TOWER_OVERFLOW, "L", DAWN.timestamp())])
    assert state.spilled_m3[2] > 0
    assert state.spilled_m3[[0, 1, 3, 4, 5]].sum() == 0


def history(
    folder: Path, start: datetime, end: datetime, scenario: Scenario = CALM
) -> dict[tuple[str, str, str], np.ndarray]:  # type: ignore[type-arg]
    found: dict[tuple[str, str, str], list[HistoryBlock]] = {}
    for block in simulate_history(ZONES[2:4], start=start, end=end, seed=1, scenario=scenario, folder=folder):
        found.setdefault((block.zone_id, block.asset, block.channel), []).append(block)
    return {
        key: np.array([np.concatenate([b.t_s for b in blocks]), np.concatenate([b.value for b in blocks])])
        for key, blocks in found.items()
    }


def test_history_has_every_declared_channel_each_five_minutes_and_repeats_itself(tmp_path: Path) -> None:
    start, end = DAWN, DAWN + timedelta(hours=26)
    first = history(tmp_path, start, end)
    again = history(tmp_path, start, end)
    declared = {(z.zone_id, a.asset_id, c.name) for z in ZONES[2:4] for a in z.assets for c in a.channels}
    assert set(first) == declared
    for key, rows in first.items():
        np.testing.assert_array_equal(rows, again[key])
        assert rows.shape == (2, 26 * 12)
        assert (np.diff(rows[0]) == 300).all()
        assert rows[0][0] == (start + timedelta(minutes=5)).timestamp()
    for zone in ("zone-3", "zone-4"):
        assert (np.diff(first[zone, "pump", "volume_m3"][1]) >= 0).all()
        level = first[zone, "tower", "level_m"][1]
        longest = max(len(run) for run in "".join("x" if d == 0 else " " for d in np.diff(level)).split(" "))
        assert longest < 36, "a level whose water moves does not stand still for three hours"


def test_a_frozen_level_and_a_silent_box_show_in_the_history(tmp_path: Path) -> None:
    text = """
says = "two small troubles"
[[fault]]
zone = "zone-3"
fault = "sensor_stuck"
minutes = -300
hours = 4
[[fault]]
zone = "zone-4"
fault = "comms_outage"
minutes = -300
hours = 2
"""
    end = DAWN + timedelta(hours=10)
    found = history(tmp_path, DAWN, end, scenario_from_toml(text, "two.toml"))
    level = found["zone-3", "tower", "level_m"]
    stuck = (level[0] >= end.timestamp() - 18_000) & (level[0] < end.timestamp() - 3600)
    assert len(set(level[1][stuck])) == 1
    assert len(set(level[1][~stuck])) > 5
    assert np.diff(found["zone-4", "pump", "power_w"][0]).max() == 7500, "two hours and a round without a reading"


LEAK = 'says = "a"\n[[fault]]\nzone = "z"\nfault = "tower_leak"\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("says = 3", r"x\.toml: says: 3 is not a sentence"),
        ('says = "a"\ncolour = 1', r"x\.toml: colour: is not a key here; known are clear_from_start, fault, says"),
        ('says = "a"\n[[fault]]\nzone = "z"\nfault = "ghost"', r"x\.toml: fault\[0\]\.fault: 'ghost' is none of"),
        (LEAK + "hours = 0", r"fault\[0\]\.hours: 0 is not within 0\.1\.\."),
        (LEAK + 'size = "XL"', r"fault\[0\]\.size: 'XL' is none of S, M, L"),
        ("says =", r"x\.toml: is not valid TOML"),
    ],
)  # fmt: skip
def test_a_wrong_scenario_names_file_key_value_and_bound(text: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        scenario_from_toml(text, "x.toml")
    with pytest.raises(ScenarioError, match="scenario 'none' is none of demo"):
        load_scenario("none")


def test_the_demos_story_names_real_zones() -> None:
    names = {zone.zone_id for zone in ZONES}
    demo = load_scenario("demo")
    assert {fault.zone for fault in demo.faults} <= names
    assert [fault.fault for fault in demo.live_faults] == [Fault.PUMP_NOT_RUNNING]
