"""What detectors see and what they leave alone; each day is written down by hand in `windows`."""

from datetime import UTC, datetime

import numpy as np
import pytest

from alerts.blind import blind_spots
from alerts.detectors import DETECTORS, Scene
from alerts.detectors.leak import judge_burst, judge_night_leak
from alerts.detectors.pump import judge_dry_running, judge_standing
from alerts.detectors.silence import judge_silence_now
from alerts.detectors.tower import judge_tower_empty, judge_tower_overflow
from alerts.model import Condition, Verdict
from alerts.sun import clear_sky_w_m2, sun_elevation_deg
from gateway.model import Fault, PumpState
from tests.alerts.windows import CALM, MORNING, only, scene, share

PRESENT, ABSENT, CANNOT_TELL = Verdict.PRESENT, Verdict.ABSENT, Verdict.CANNOT_TELL
HOUR = 3600.0
MIDNIGHT = MORNING.replace(hour=0)
NOT_RUNNING, STUCK_FULL = Fault.PUMP_NOT_RUNNING, Fault.FLOAT_STUCK_FULL


def stops_after_an_hour(running: float, stopped: float):  # type: ignore[no-untyped-def]
    return lambda t: np.where(t < HOUR, running, stopped)


def test_a_pump_that_stops_in_full_sun_with_room_in_the_tower_is_seen() -> None:
    day = scene(pump__power_w=stops_after_an_hour(1000, 5), pump__flow_m3_h=stops_after_an_hour(3, 0))
    condition = only(judge_standing, day, NOT_RUNNING)
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
        pytest.param(
            {"pump__state_code": stops_after_an_hour(PumpState.RUNNING, PumpState.STOPPED_BY_HAND)},
            id="stopped-by-hand",
        ),
        pytest.param({"tower__level_m": np.nan}, id="no-level"),
        pytest.param(
            {
                "pump__state_code": stops_after_an_hour(PumpState.RUNNING, PumpState.STOPPED_TOWER_FULL),
                "tower__level_m": 2.2,
            },
            id="float-against-level",
        ),
    ],
)
def test_a_pump_that_stands_still_for_a_reason_is_no_fault(explanation: dict[str, object]) -> None:
    day = scene(pump__power_w=stops_after_an_hour(1000, 5), **explanation)  # type: ignore[arg-type]
    assert all(PRESENT not in signal.verdict for signal in judge_standing(day))


def test_a_float_that_says_full_over_an_empty_tower_is_not_believed() -> None:
    day = scene(pump__power_w=0.0, pump__state_code=float(PumpState.STOPPED_TOWER_FULL), tower__level_m=1.2)
    assert share(only(judge_standing, day, STUCK_FULL), PRESENT) == 1.0
    assert PRESENT not in only(judge_standing, day, NOT_RUNNING).verdict, "one cause, one name"


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        pytest.param(float(PumpState.TRIPPED), Fault.INVERTER_TRIP, id="the-controller-says-so"),
        pytest.param(float(PumpState.STARTING), NOT_RUNNING, id="it-tries-in-vain"),
        pytest.param(np.nan, NOT_RUNNING, id="it-says-nothing"),
    ],
)
def test_why_a_pump_stands_is_told_by_its_controller(code: float, fault: Fault) -> None:
    day = scene(
        pump__power_w=stops_after_an_hour(1000, 5),
        pump__state_code=lambda t: np.where(t < HOUR, float(PumpState.RUNNING), code),
    )
    named = {signal.fault for signal in judge_standing(day) if PRESENT in signal.verdict}
    assert named == {fault}


def test_a_controller_with_codes_of_its_own_makers_trips_when_it_says_something_new() -> None:
    day = scene(pump__power_w=stops_after_an_hour(1000, 5), pump__state_code=lambda t: np.where(t < HOUR, 0.0, 37.0))
    assert {signal.fault for signal in judge_standing(day) if PRESENT in signal.verdict} == {Fault.INVERTER_TRIP}


def test_a_pump_found_standing_below_the_start_level_needs_no_past() -> None:
    standing = scene(pump__power_w=0.0)
    assert any(PRESENT in signal.verdict for signal in judge_standing(standing))
    high = scene(pump__power_w=0.0, tower__level_m=2.5)
    assert all(PRESENT not in signal.verdict for signal in judge_standing(high))


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: f"{detector.asset}-{detector.faults[0]}")
def test_without_what_it_needs_a_detector_says_nothing(detector) -> None:  # type: ignore[no-untyped-def]
    for group in detector.needs:
        for signal in detector.judge(scene(24, MIDNIGHT, **{f"{asset}__{channel}": None for asset, channel in group})):
            assert PRESENT not in signal.verdict, f"{signal.fault} without any of {group}"


@pytest.mark.parametrize(
    ("judge", "day", "group"),
    [
        pytest.param(judge_standing, {"pump__power_w": 0.0}, 1, id="a-pump-that-stands"),
        pytest.param(
            judge_dry_running, {"pump__power_w": 500.0, "pump__flow_m3_h": 0.05, "borehole__water_depth_m": 48.5}, 0,
            id="a-dry-pump-without-its-flow",
        ),
        pytest.param(
            judge_dry_running, {"pump__power_w": 500.0, "pump__flow_m3_h": 0.05, "borehole__water_depth_m": 48.5}, 1,
            id="a-dry-pump-without-its-power",
        ),
        pytest.param(
            judge_night_leak, {"tower__outflow_m3_h": lambda t: np.where(t >= 6 * 24 * HOUR, 3.0, 0.0)}, 0,
            id="a-leak",
        ),
        pytest.param(
            judge_burst, {"tower__outflow_m3_h": lambda t: np.where(t >= 6 * 24 * HOUR, 9.0, 1.0)}, 0, id="a-burst"
        ),
    ],
)  # fmt: skip
def test_what_is_told_with_all_channels_cannot_be_told_without_a_whole_group(  # type: ignore[no-untyped-def]
    judge, day, group
) -> None:
    (detector,) = [one for one in DETECTORS if one.judge is judge]
    whole = scene(24 * 7, MIDNIGHT, **day)
    assert any(PRESENT in signal.verdict for signal in judge(whole))
    lacking = scene(24 * 7, MIDNIGHT, **day | {f"{asset}__{channel}": None for asset, channel in detector.needs[group]})
    for signal in judge(lacking):
        assert set(signal.verdict.ravel()) == {CANNOT_TELL}, signal.fault
    known = {(asset, channel) for asset, channel in whole.grid.raw} - set(detector.needs[group])
    hidden = {fault for spot in blind_spots(known, [detector]) for fault in spot.faults}
    assert hidden == set(detector.faults)


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: f"{detector.asset}-{detector.faults[0]}")
@pytest.mark.parametrize(
    "day",
    [
        pytest.param(lambda: scene(0.0), id="nothing"),
        pytest.param(lambda: scene(1 / 12), id="one-reading"),
        pytest.param(lambda: scene(**dict.fromkeys(CALM, np.nan)), id="all-nan"),
    ],
)
def test_nothing_one_reading_and_all_nan_show_no_fault(detector, day) -> None:  # type: ignore[no-untyped-def]
    assert all(PRESENT not in signal.verdict for signal in detector.judge(day()))


def test_a_pump_that_works_without_water_near_the_intake_is_dry() -> None:
    dry = scene(pump__power_w=500.0, pump__flow_m3_h=0.05, borehole__water_depth_m=48.5)
    assert share(only(judge_dry_running, dry), PRESENT) == 1.0
    evidence = only(judge_dry_running, dry).describe(0, 6)
    assert (evidence.values["depth_m"], evidence.thresholds["depth_m"]) == (48.5, 47.0)


def test_the_controllers_own_dry_stop_counts_between_its_retries() -> None:
    stopped = scene(pump__power_w=4.0, pump__flow_m3_h=0.0, pump__state_code=float(PumpState.STOPPED_DRY))
    assert share(only(judge_dry_running, stopped), PRESENT) == 1.0
    assert PRESENT not in only(judge_standing, stopped, NOT_RUNNING).verdict, "one cause, one alert"


@pytest.mark.parametrize(
    "explanation",
    [
        pytest.param({"borehole__water_depth_m": 30.0}, id="the-flow-meter-failed"),
        pytest.param({"pump__power_w": 150.0, "borehole__water_depth_m": 48.5}, id="sun-too-weak-to-lift"),
    ],
)
def test_no_flow_for_another_reason_is_not_dry(explanation: dict[str, float]) -> None:
    changes = {"pump__power_w": 900.0, "pump__flow_m3_h": 0.0} | explanation
    assert share(only(judge_dry_running, scene(**changes)), CANNOT_TELL) == 1.0


@pytest.mark.parametrize(
    ("level_m", "verdict"),
    [(0.44, PRESENT), (0.46, CANNOT_TELL), (0.74, CANNOT_TELL), (0.76, ABSENT)],
)
def test_nearly_empty_has_a_deadband(level_m: float, verdict: Verdict) -> None:
    # 15 % and 25 % of 3 m are 0.45 m and 0.75 m.
    assert share(only(judge_tower_empty, scene(tower__level_m=level_m)), verdict) == 1.0


def test_an_overflowing_tower_is_seen_and_a_full_one_is_not() -> None:
    spilling = scene(tower__level_m=2.99, pump__flow_m3_h=3.5, tower__outflow_m3_h=0.5)
    assert set(only(judge_tower_overflow, spilling).verdict[4:]) == {PRESENT}, "once twenty minutes are known"
    full = scene(tower__level_m=2.99, pump__flow_m3_h=0.0, tower__outflow_m3_h=0.5)
    assert share(only(judge_tower_overflow, full), ABSENT) == 1.0
    drawn = scene(tower__level_m=2.99, pump__flow_m3_h=3.0, tower__outflow_m3_h=2.9)
    assert PRESENT not in only(judge_tower_overflow, drawn).verdict, "what comes in goes out: nothing spills"


def nights(flows: list[float], **changes: float) -> Scene:
    """Outflow over days that begin at midnight: day use 2 m³/h, and this flow in each night's hours."""
    per_night = np.array(flows)
    start = datetime(2026, 2, 1, tzinfo=UTC)
    noise = np.random.default_rng(3).normal(0, 0.005, size=len(flows) * 288)

    def outflow(t: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        hour, day = t % 86_400 / 3600, (t // 86_400).astype(int)
        return np.where(hour < 5, per_night[day] + noise[: len(t)], 2.0)

    return scene(24 * len(flows), start, tower__outflow_m3_h=outflow, **changes)


def test_a_night_leak_is_what_this_zone_did_not_have_before() -> None:
    condition = only(judge_night_leak, nights([0.02] * 8 + [0.5, 0.5]))
    assert condition.verdict.tolist() == [CANNOT_TELL] * 3 + [ABSENT] * 5 + [PRESENT] * 2
    assert condition.describe(8, 9).values["nights"] == 2
    usual = only(judge_night_leak, nights([0.6] * 10))
    assert PRESENT not in usual.verdict, "a herd that drinks every night is no leak"


def test_an_empty_tower_hides_a_leak() -> None:
    empty = nights([0.02] * 8 + [0.5, 0.5], tower__level_m=0.05)
    assert share(only(judge_night_leak, empty), CANNOT_TELL) == 1.0


def stuck_sensor(of: Scene, asset: str) -> Condition:
    """What the detector of stuck sensors says of one asset."""
    (detector,) = [d for d in DETECTORS if d.faults == (Fault.SENSOR_STUCK,) and d.asset == asset]
    return only(detector.judge, of)


def test_a_level_that_stands_while_water_moves_is_a_stuck_sensor() -> None:
    stuck = scene(5, pump__flow_m3_h=3.5, tower__outflow_m3_h=1.0)  # 2.5 m³/h more in than out
    condition = stuck_sensor(stuck, "tower")
    assert condition.verdict[0] == ABSENT, "the first value is news"
    assert set(condition.verdict[1:36]) == {CANNOT_TELL}
    assert set(condition.verdict[36:]) == {PRESENT}, "from 3 h on"
    still = scene(5, pump__flow_m3_h=0.0, tower__outflow_m3_h=0.0)
    assert PRESENT not in stuck_sensor(still, "tower").verdict, "no flow: flat by nature"


def test_irradiance_is_flat_at_night_and_stuck_by_day() -> None:
    midnight = datetime(2026, 3, 2, tzinfo=UTC)
    night = scene(6, midnight, pv__irradiance_w_m2=0.0)
    assert PRESENT not in stuck_sensor(night, "pv").verdict
    day = scene(6, midnight.replace(hour=10), pv__irradiance_w_m2=431.0)
    assert share(stuck_sensor(day, "pv"), PRESENT) > 0.7


@pytest.mark.parametrize(("silent_h", "verdict"), [(0.1, ABSENT), (0.5, ABSENT), (1.9, CANNOT_TELL), (2.0, PRESENT)])
def test_silence_has_a_name_after_two_hours(silent_h: float, verdict: Verdict) -> None:
    assert judge_silence_now(np.array([1e9]), 1e9 + silent_h * HOUR).verdict.tolist() == [[verdict]]


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


def test_a_clear_sky_lets_through_what_haurwitz_measured() -> None:
    """1098 · sin h · exp(-0.057 / sin h): some 1,037 W/m² from the zenith, 490 from 30°, nothing from below."""
    assert clear_sky_w_m2(np.array([90.0, 30.0, -5.0])) == pytest.approx([1037.2, 489.8, 0.0], abs=0.1)
