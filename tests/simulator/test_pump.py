"""The pump: affinity laws, the rated point, and that it finds the one point where power and head meet."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.pump import RISER_LOSS, SHUT_OFF_HEAD, SHUT_OFF_POWER, Pump

ONE = Pump(np.array([2.7]), np.array([51.0]), np.array([850.0]))


def point(power_w: float, lift_m: float) -> tuple[float, float]:
    speed, flow = ONE.operating_point(np.array([power_w]), np.array([lift_m]))
    return float(speed[0]), float(flow[0])


@given(st.floats(0.4, 1.0), st.floats(0.0, 3.5), st.floats(0.3, 1.0))
def test_head_goes_with_the_square_and_power_with_the_cube_of_the_speed(s: float, flow: float, k: float) -> None:
    speed, q = np.array([s]), np.array([flow])
    assert ONE.head_at(k * speed, k * q) == pytest.approx(k**2 * ONE.head_at(speed, q), rel=1e-12)
    assert ONE.power_at(k * speed, k * q) == pytest.approx(k**3 * ONE.power_at(speed, q), rel=1e-12)


def test_at_rated_power_and_lift_it_gives_what_its_plate_says() -> None:
    speed, flow = point(850.0, (1 - RISER_LOSS) * 51.0)
    assert speed == pytest.approx(1.0, rel=1e-4)
    assert flow == pytest.approx(2.7, rel=1e-4)


def test_it_gives_nothing_below_lift_off_and_water_just_above() -> None:
    lift_m = 45.0
    lift_off_w = 850 * SHUT_OFF_POWER * (lift_m / (SHUT_OFF_HEAD * 51)) ** 1.5
    assert point(0.99 * lift_off_w, lift_m)[1] == 0
    assert 0 < point(1.01 * lift_off_w, lift_m)[1] < 0.1
    assert point(5000.0, 1.01 * SHUT_OFF_HEAD * 51) == (1.0, 0.0), "higher than it can lift at full speed"


@given(st.floats(250.0, 2000.0), st.floats(25.0, 65.0))
def test_where_water_comes_the_head_is_met_and_all_power_used(power_w: float, lift_m: float) -> None:
    speed, flow = point(power_w, lift_m)
    assert 0 <= speed <= 1 + 1e-9
    if flow > 0:
        s, q = np.array([speed]), np.array([flow])
        assert ONE.head_at(s, q) == pytest.approx(lift_m + ONE.riser_loss_m(q), rel=1e-6)
        used = float(ONE.power_at(s, q)[0])
        assert used <= power_w * (1 + 1e-3)
        assert used == pytest.approx(power_w, rel=1e-3) or speed == pytest.approx(1.0)
        assert 2.725 * flow * lift_m < used, "hydraulic work [W] is less than the power that does it"


def test_more_sun_never_gives_less_water() -> None:
    for lift_m in np.linspace(25, 65, 21):
        flow = [point(power_w, float(lift_m))[1] for power_w in np.linspace(100, 1200, 56)]
        assert (np.diff(flow) >= -1e-6).all(), lift_m
