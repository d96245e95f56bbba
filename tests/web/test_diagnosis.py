"""What a page says of a pump, on days that were made so that the answer is known."""

from __future__ import annotations

import numpy as np
import pytest

from alerts.scene import Channel, FloatArray, Grid, Site, Sites
from web.diagnosis import look_at, suspicions

MIDNIGHT_S = 20_500 * 86_400.0
DAYS, STEPS = 3, 3 * 288
RATED_FLOW, RATED_HEAD, RATED_W, PEAK_W = 4.0, 60.0, 1500.0, 3000.0
RATINGS = {
    ("pump", "rated_flow_m3_h"): RATED_FLOW, ("pump", "rated_head_m"): RATED_HEAD,
    ("pump", "rated_power_w"): RATED_W, ("pump", "max_speed_rpm"): 2900.0,
    ("pump", "start_irradiance_w_m2"): 200.0, ("pv", "peak_w"): PEAK_W,
    ("tower", "full_level_m"): 3.0, ("tower", "volume_m3"): 20.0, ("tower", "base_height_m"): 10.0,
    ("borehole", "static_water_depth_m"): 20.0, ("borehole", "specific_capacity_m3_h_m"): 0.4,
    ("borehole", "pump_intake_m"): 60.0, ("borehole", "depth_m"): 80.0,
}  # fmt: skip


def days(*, head_loss: float = 1.0, dust: float = 1.0, capacity: float = 0.5, with_well: bool = True) -> Grid:
    """Three days of a sine of sun; power 1.2 W for each W/m², flow = 0.008 (sun - 200), full from 15:00 on day three.

    The speed is what the pump's curve 1.3 · 60 m · s² - 1.5 Q² needs for that flow and head, the head being that of
    the well (20 m at rest, 0.5 m³/h for each metre) and of a tower of 13 m.
    """
    t_s = MIDNIGHT_S + 300.0 * np.arange(STEPS)
    hour = t_s % 86_400 / 3600
    sun = 900 * np.clip(np.sin(np.pi * (hour - 6.75) / 12), 0, None)
    flow = np.clip(0.008 * (sun - 200), 0, None)
    depth = 20 + flow / capacity
    head = depth + 13
    speed = np.sqrt((head + 1.5 * flow**2) / (1.3 * RATED_HEAD * head_loss))
    power = dust * 1.2 * sun * (flow > 0)
    level = np.full(STEPS, 1.5)
    level[2 * 288 + 15 * 12 :] = 2.95
    values: dict[Channel, FloatArray] = {
        ("pv", "irradiance_w_m2"): sun, ("pump", "power_w"): power, ("pump", "flow_m3_h"): flow,
        ("pump", "speed_rpm"): np.where(flow > 0, 2900 * speed, 0.0), ("tower", "level_m"): level,
    }  # fmt: skip
    if with_well:
        values["borehole", "water_depth_m"] = depth
    site = Site("zone-x", 11.3, -12.3, 1000, RATINGS, frozenset(values))
    return Grid(Sites([site]), MIDNIGHT_S, 300.0, STEPS, {key: value[None] for key, value in values.items()})


def test_lines_thresholds_and_curve_are_those_by_which_the_days_were_made() -> None:
    found = look_at(days())
    assert found.power_line is not None
    assert found.power_line.slope == pytest.approx(1.2, rel=0.02)
    assert found.flow_line is not None
    # It starts to count at 5 % of the rated 4 m³/h: 0.2 = 0.008 (225 - 200); five minutes of a morning are 20 W/m².
    assert found.starting_w_m2 == pytest.approx(225.0, abs=10.0)
    assert found.flow_line.slope == pytest.approx(0.008, rel=0.02)
    assert found.curve is not None
    assert found.curve.full_m == pytest.approx(1.3 * RATED_HEAD, rel=0.03)
    assert found.curve.bend == pytest.approx(-1.5, rel=0.1)
    assert found.known_share == 1.0
    assert not found.is_head_assumed


def test_rest_level_and_specific_capacity_are_those_of_the_well() -> None:
    found = look_at(days())
    assert found.rest_depth_m == pytest.approx(20.0)
    # The detectors' own measure, with the flow smoothed as a well follows it.
    assert found.capacity_m3_h_m == pytest.approx(0.5, rel=0.06)
    assert 5 < found.drawdown_m < 11.2  # 5.6 m³/h at noon draw the well down by 11.2 m


def test_performance_ratio_is_of_the_minutes_with_room_in_the_tower() -> None:
    found = look_at(days()).performance
    assert found is not None
    # 1.2 W for each W/m² of 3000 Wp: 1.2 / 3000 · 1000 = 0.4.
    assert found.value == pytest.approx(0.4, rel=1e-6)
    assert 0.85 < found.used_share < 1.0  # one afternoon of three is full


def test_full_tower_and_a_pump_at_its_top_are_grey() -> None:
    found = look_at(days())
    afternoon = slice(2 * 288 + 15 * 12, None)
    assert found.is_limited[afternoon].all()
    noon = 288 // 2 + 9
    assert found.is_limited[noon]  # within 5 % of the largest power
    assert not found.is_limited[9 * 12]


def test_without_a_depth_sensor_the_plate_stands_for_the_well_and_the_page_is_told() -> None:
    found = look_at(days(with_well=False))
    assert found.is_head_assumed
    point = found.middle_point
    assert point is not None
    assert point[1] == pytest.approx(20 + 13 + point[0] / 0.4, rel=1e-6)
    assert np.isnan(found.drawdown_m)


def test_nothing_measured_is_nothing_said() -> None:
    site = Site("zone-x", 11.3, -12.3, 1000, RATINGS, frozenset())
    found = look_at(Grid(Sites([site]), MIDNIGHT_S, 300.0, STEPS, {}))
    assert (found.power_line, found.flow_line, found.curve, found.performance, found.middle_point) == (None,) * 5
    assert found.known_share == 0.0
    assert [one.weight for one in suspicions(found, found)] == [None] * 4


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        pytest.param({"head_loss": 0.92}, "wear", id="a-pump-that-lost-a-twelfth-of-its-head"),
        pytest.param({"dust": 0.8}, "dirt", id="panels-that-lost-a-fifth"),
        pytest.param({"capacity": 0.3}, "well", id="a-well-that-gives-less-for-each-metre"),
    ],
)
def test_the_cause_that_was_made_is_suspected_first(change: dict[str, float], cause: str) -> None:
    found = suspicions(look_at(days(**change)), look_at(days()))  # type: ignore[arg-type]
    assert found[0].cause == cause
    assert found[0].weight is not None
    assert found[0].weight > 0.5
    assert max(one.weight or 0.0 for one in found[1:]) < found[0].weight


def test_the_same_days_are_suspected_of_nothing() -> None:
    assert [one.weight for one in suspicions(look_at(days()), look_at(days()))] == [0.0] * 4
