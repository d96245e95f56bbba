"""What detectors see and what they leave alone; each day is written down by hand in `windows`."""

from datetime import UTC, datetime

import numpy as np
import pytest

from alerts.detectors.leak import detect_night_leak
from alerts.detectors.pump import detect_dry_running, detect_pump_not_running
from alerts.detectors.sensor import detect_sensor_stuck
from alerts.detectors.silence import judge_silence
from alerts.detectors.tower import detect_tower_empty, detect_tower_overflow
from alerts.detectors.window import sun_elevation_deg
from alerts.model import Verdict, WhyNot
from gateway.model import PumpState
from tests.alerts.windows import only, share, window

PRESENT, ABSENT, CANNOT_TELL = Verdict.PRESENT, Verdict.ABSENT, Verdict.CANNOT_TELL
HOUR = 3600.0


def stops_after_an_hour(running: float, stopped: float):  # type: ignore[no-untyped-def]
    return lambda t: np.where(t < HOUR, running, stopped)


def test_a_pump_that_stops_in_full_sun_with_room_in_the_tower_is_seen() -> None:
    day = window(pump__power_w=stops_after_an_hour(1000, 5), pump__flow_m3_h=stops_after_an_hour(3, 0))
    condition = only(detect_pump_not_running(day))
    assert set(condition.verdict[:12]) == {ABSENT}
    assert set(condition.verdict[12:]) == {PRESENT}
    evidence = condition.describe(12, 24)
    assert evidence.values == {
        "hours": 1.0, "irradiance_w_m2": 700, "level_pct": 50, "level_m": 1.5, "power_w": 5
    }  # fmt: skip
    assert evidence.thresholds["irradiance_w_m2"] == 350


@pytest.mark.parametrize(
    "explanation",
    [
        pytest.param({"pv__irradiance_w_m2": 0.0}, id="night"),
        pytest.param({"pv__irradiance_w_m2": 180.0}, id="storm"),
        pytest.param({"tower__level_m": 2.95}, id="tower-full"),
        pytest.param({"tower__level_m": lambda t: np.where(t < HOUR, 2.98, 2.98 - t / 40_000)}, id="full-and-falling"),
        pytest.param({"pump__state_code": float(PumpState.STOPPED_BY_HAND)}, id="stopped-by-hand"),
        pytest.param({"tower__level_m": np.nan}, id="no-level"),
        pytest.param(
            {"pump__state_code": float(PumpState.STOPPED_TOWER_FULL), "tower__level_m": 2.2}, id="float-against-level"
        ),
    ],
)
def test_a_pump_that_stands_still_for_a_reason_is_no_fault(explanation: dict[str, object]) -> None:
    day = window(pump__power_w=stops_after_an_hour(1000, 5), **explanation)  # type: ignore[arg-type]
    assert PRESENT not in only(detect_pump_not_running(day)).verdict


def test_a_float_that_says_full_over_an_empty_tower_is_not_believed() -> None:
    day = window(pump__power_w=0.0, pump__state_code=float(PumpState.STOPPED_TOWER_FULL), tower__level_m=1.2)
    assert share(only(detect_pump_not_running(day)), PRESENT) == 1.0


def test_a_pump_found_standing_below_the_start_level_needs_no_past() -> None:
    assert share(only(detect_pump_not_running(window(pump__power_w=0.0))), PRESENT) == 1.0
    assert share(only(detect_pump_not_running(window(pump__power_w=0.0, tower__level_m=2.5))), CANNOT_TELL) == 1.0


@pytest.mark.parametrize(
    ("detect", "channel"),
    [
        (detect_pump_not_running, "pv__irradiance_w_m2"),
        (detect_dry_running, "pump__flow_m3_h"),
        (detect_tower_empty, "tower__level_m"),
        (detect_tower_overflow, "pump__flow_m3_h"),
        (detect_night_leak, "tower__outflow_m3_h"),
    ],
)
def test_a_missing_channel_is_said_and_not_guessed(detect, channel: str) -> None:  # type: ignore[no-untyped-def]
    findings = detect(window(**{channel: None}))
    assert findings.conditions == []
    assert findings.not_judged[0].reason is WhyNot.NO_CHANNEL


@pytest.mark.parametrize(
    "detect",
    [detect_pump_not_running, detect_dry_running, detect_tower_empty, detect_tower_overflow, detect_night_leak],
)
def test_nothing_one_reading_and_all_nan_give_no_verdict(detect) -> None:  # type: ignore[no-untyped-def]
    names = ("pv__irradiance_w_m2", "pump__power_w", "pump__flow_m3_h", "tower__level_m", "tower__outflow_m3_h")
    empty = detect(window(0.0))
    assert empty.conditions == []
    assert empty.not_judged
    nan = detect(window(**dict.fromkeys(names, np.nan)))
    assert all(PRESENT not in condition.verdict for condition in nan.conditions)
    assert all(len(condition.verdict) <= 1 for condition in detect(window(1 / 12)).conditions)


def test_a_pump_that_works_without_water_near_the_intake_is_dry() -> None:
    dry = window(pump__power_w=500.0, pump__flow_m3_h=0.05, borehole__water_depth_m=48.5)
    assert share(only(detect_dry_running(dry)), PRESENT) == 1.0
    evidence = only(detect_dry_running(dry)).describe(0, 6)
    assert (evidence.values["depth_m"], evidence.thresholds["depth_m"]) == (48.5, 47.0)


def test_the_controllers_own_dry_stop_counts_between_its_retries() -> None:
    stopped = window(pump__power_w=4.0, pump__flow_m3_h=0.0, pump__state_code=float(PumpState.STOPPED_DRY))
    assert share(only(detect_dry_running(stopped)), PRESENT) == 1.0
    assert PRESENT not in only(detect_pump_not_running(stopped)).verdict, "one cause, one alert"


@pytest.mark.parametrize(
    "explanation",
    [
        pytest.param({"borehole__water_depth_m": 30.0}, id="the-flow-meter-failed"),
        pytest.param({"pump__power_w": 150.0, "borehole__water_depth_m": 48.5}, id="sun-too-weak-to-lift"),
    ],
)
def test_no_flow_for_another_reason_is_not_dry(explanation: dict[str, float]) -> None:
    changes = {"pump__power_w": 900.0, "pump__flow_m3_h": 0.0} | explanation
    assert share(only(detect_dry_running(window(**changes))), CANNOT_TELL) == 1.0


@pytest.mark.parametrize(
    ("level_m", "verdict"),
    [(0.44, PRESENT), (0.46, CANNOT_TELL), (0.74, CANNOT_TELL), (0.76, ABSENT)],
)
def test_nearly_empty_has_a_deadband(level_m: float, verdict: Verdict) -> None:
    # 15 % and 25 % of 3 m are 0.45 m and 0.75 m.
    assert share(only(detect_tower_empty(window(tower__level_m=level_m))), verdict) == 1.0


def test_an_overflowing_tower_is_seen_and_a_full_one_is_not() -> None:
    spilling = window(tower__level_m=2.99, pump__flow_m3_h=3.5, tower__outflow_m3_h=0.5)
    assert share(only(detect_tower_overflow(spilling)), PRESENT) == 1.0
    full = window(tower__level_m=2.99, pump__flow_m3_h=0.0, tower__outflow_m3_h=0.5)
    assert share(only(detect_tower_overflow(full)), ABSENT) == 1.0
    drawn = window(tower__level_m=2.99, pump__flow_m3_h=3.0, tower__outflow_m3_h=2.9)
    assert PRESENT not in only(detect_tower_overflow(drawn)).verdict, "what comes in goes out: nothing spills"


def nights(flows: list[float]):  # type: ignore[no-untyped-def]
    """Outflow over days that begin at midnight: day use 2 m³/h, and this flow in each night's hours."""
    per_night = np.array(flows)
    start = datetime(2026, 2, 1, tzinfo=UTC)
    noise = np.random.default_rng(3).normal(0, 0.005, size=len(flows) * 288)

    def outflow(t: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        hour, day = t % 86_400 / 3600, (t // 86_400).astype(int)
        return np.where(hour < 5, per_night[day] + noise[: len(t)], 2.0)

    return window(24 * len(flows), start, tower__outflow_m3_h=outflow)


def test_a_night_leak_is_what_this_zone_did_not_have_before() -> None:
    condition = only(detect_night_leak(nights([0.02] * 8 + [0.5, 0.5])))
    assert condition.verdict.tolist() == [CANNOT_TELL] * 4 + [ABSENT] * 4 + [PRESENT] * 2
    assert condition.describe(8, 9).values["nights"] == 2
    usual = only(detect_night_leak(nights([0.6] * 10)))
    assert PRESENT not in usual.verdict, "a herd that drinks every night is no leak"


def test_an_empty_tower_hides_a_leak() -> None:
    day = nights([0.02] * 8 + [0.5, 0.5])
    day.series["tower", "level_m"].value[:] = 0.05  # type: ignore[index]
    assert detect_night_leak(day).not_judged[0].reason is WhyNot.TOO_FEW_NIGHTS


def test_a_level_that_stands_while_water_moves_is_a_stuck_sensor() -> None:
    stuck = window(5, pump__flow_m3_h=3.5, tower__outflow_m3_h=1.0)  # 2.5 m³/h more in than out
    condition = only(detect_sensor_stuck(stuck), "tower")
    assert condition.verdict[0] == ABSENT, "the first value is news"
    assert set(condition.verdict[1:36]) == {CANNOT_TELL}
    assert set(condition.verdict[36:]) == {PRESENT}, "from 3 h on"
    still = window(5, pump__flow_m3_h=0.0, tower__outflow_m3_h=0.0)
    assert PRESENT not in only(detect_sensor_stuck(still), "tower").verdict, "no flow: flat by nature"


def test_irradiance_is_flat_at_night_and_stuck_by_day() -> None:
    midnight = datetime(2026, 3, 2, tzinfo=UTC)
    night = window(6, midnight, pv__irradiance_w_m2=0.0)
    assert PRESENT not in only(detect_sensor_stuck(night), "pv").verdict
    day = window(6, midnight.replace(hour=10), pv__irradiance_w_m2=431.0)
    assert share(only(detect_sensor_stuck(day), "pv"), PRESENT) > 0.7


@pytest.mark.parametrize(("silent_h", "verdict"), [(0.1, ABSENT), (0.5, ABSENT), (1.9, CANNOT_TELL), (2.0, PRESENT)])
def test_silence_has_a_name_after_two_hours(silent_h: float, verdict: Verdict) -> None:
    assert judge_silence(1e9, 1e9 + silent_h * HOUR).verdict.tolist() == [verdict]


@pytest.mark.parametrize(
    ("rises", "sets"),
    [
        # DOMAIN §2.1, sunrise and sunset at Labé by SPA (UTC).
        ("2026-01-15T07:12", "2026-01-15T18:44"),
        ("2026-06-21T06:27", "2026-06-21T19:14"),
        ("2026-09-22T06:38", "2026-09-22T18:45"),
    ],
)
def test_the_sun_stands_where_the_almanac_says(rises: str, sets: str) -> None:
    t_s = np.array([datetime.fromisoformat(f"{moment}+00:00").timestamp() for moment in (rises, sets)])
    # At sunrise and sunset the centre stands 0.83° below the horizon (refraction and radius).
    assert sun_elevation_deg(t_s, 11.318, -12.283) == pytest.approx([-0.83, -0.83], abs=0.4)
