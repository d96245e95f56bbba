"""The tower: nearly empty, spilling, losing water at night; and the days on which it does none of that."""

from datetime import UTC, datetime

import numpy as np
import pytest

from alerts.detectors import Scene
from alerts.detectors.tower import judge_night_loss, judge_tower_overflow
from alerts.model import Verdict
from gateway.model import Fault
from tests.alerts.windows import only, scene

PRESENT, ABSENT, CANNOT_TELL = Verdict.PRESENT, Verdict.ABSENT, Verdict.CANNOT_TELL
START = datetime(2026, 2, 1, tzinfo=UTC)
AREA_M2 = 20 / 3  # of the tower in `windows`: 20 m³ at 3 m
DAY_S = 86_400.0


def nights(losses_m3_h: list[float], *, draws_m3_h: float = 0.0, seed: int = 1, **changes: object) -> Scene:
    """Days that begin at midnight with 2 m in the tower; each night it loses so much beyond what its meter sees."""
    noise = np.random.default_rng(seed).normal(0, 0.004, 288 * len(losses_m3_h))
    loss = np.array(losses_m3_h)

    def level_m(t: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        day, hour = (t // DAY_S).astype(int), t % DAY_S / 3600
        fallen = np.minimum(hour, 6) * (loss[day] + draws_m3_h) / AREA_M2
        return np.round((2.0 - fallen + noise) * 200) / 200

    def outflow(t: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        return np.where(t % DAY_S < 6 * 3600, draws_m3_h, 1.0)

    def inflow(t: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        hour = t % DAY_S / 3600
        return np.where((hour > 8) & (hour < 17), 3.0, 0.0)

    channels = {"tower__level_m": level_m, "tower__outflow_m3_h": outflow, "pump__flow_m3_h": inflow, **changes}
    return scene(24 * len(losses_m3_h), START, **channels)  # type: ignore[arg-type]


def loss(of: Scene, fault: Fault) -> list[int]:
    return only(judge_night_loss, of, fault).verdict.tolist()


def test_a_tower_that_leaks_is_seen_after_one_night() -> None:
    found = nights([0.0] * 7 + [0.2, 0.2])
    assert loss(found, Fault.TOWER_LEAK)[3:] == [ABSENT] * 4 + [PRESENT] * 2
    assert PRESENT not in loss(found, Fault.CHECK_VALVE_LEAK)
    evidence = only(judge_night_loss, found, Fault.TOWER_LEAK).describe(7, 8)
    assert evidence.values["flow_m3_h"] == pytest.approx(0.2, abs=0.03)
    assert evidence.values["nights"] == 2


def test_water_that_runs_back_takes_the_well_heads_column_with_it() -> None:
    def wellhead(t: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        return np.where(t < 7 * DAY_S, 1.4, 1.2)

    found = nights([0.0] * 7 + [0.3, 0.3], pump__pressure_bar=wellhead)
    assert loss(found, Fault.CHECK_VALVE_LEAK)[7:] == [PRESENT] * 2
    assert PRESENT not in loss(found, Fault.TOWER_LEAK), "one cause, one name"


def test_a_sensor_that_drifts_with_the_cool_of_each_night_is_no_leak() -> None:
    # 12 mm in 5 h of an ultrasonic sensor that is not compensated look like 0.016 m³/h; 10 times that is still usual.
    assert PRESENT not in loss(nights([0.16] * 10), Fault.TOWER_LEAK)


def test_what_people_draw_at_night_is_no_leak() -> None:
    assert PRESENT not in loss(nights([0.0] * 10, draws_m3_h=0.4), Fault.TOWER_LEAK)


def test_a_tower_that_runs_empty_in_the_night_is_judged_by_the_hours_before() -> None:
    def level_m(t: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        hour, leaks = t % DAY_S / 3600, t >= 7 * DAY_S
        return np.maximum(np.where(leaks, 0.5 - hour * 0.8 / AREA_M2, 0.5), 0.0)

    found = nights([0.0] * 9, tower__level_m=level_m)
    assert loss(found, Fault.TOWER_LEAK)[7:] == [PRESENT] * 2


def test_a_sensor_that_jumps_does_not_make_a_leak() -> None:
    rng = np.random.default_rng(4)

    def level_m(t: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        spike = (t >= 7 * DAY_S) & (rng.random(len(t)) < 0.1)
        return np.where(spike, 2.9, 2.0)

    assert PRESENT not in loss(nights([0.0] * 10, tower__level_m=level_m), Fault.TOWER_LEAK)


@pytest.mark.parametrize("every", [1, 3], ids=["5-min", "15-min"])
def test_a_leak_is_seen_at_any_reporting_interval_and_with_a_coarse_sensor(every: int) -> None:
    fine = nights([0.0] * 7 + [0.3] * 2)
    level_m = fine.grid.raw["tower", "level_m"][0]

    def coarse(t: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        return np.where((t // 300) % every == 0, np.round(level_m * 100) / 100, np.nan)

    assert loss(nights([0.0] * 7 + [0.3] * 2, tower__level_m=coarse), Fault.TOWER_LEAK)[7:] == [PRESENT] * 2


def overflow(hours: float = 6, **changes: object) -> list[int]:
    return only(judge_tower_overflow, scene(hours, **changes)).verdict.tolist()  # type: ignore[arg-type]


def test_what_comes_and_is_not_in_the_tower_has_gone_over() -> None:
    spills = overflow(tower__level_m=3.0, pump__flow_m3_h=3.0, tower__outflow_m3_h=0.4)
    assert set(spills[4:]) == {PRESENT}


@pytest.mark.parametrize(
    "day",
    [
        pytest.param({"tower__level_m": 3.0, "pump__flow_m3_h": 0.0}, id="full-all-day-and-the-float-has-stopped-it"),
        pytest.param(
            {"tower__level_m": lambda t: np.minimum(2.9 + t * 0.9 / AREA_M2 / 3600, 3.1), "pump__flow_m3_h": 1.3,
             "tower__outflow_m3_h": 0.4},
            id="the-last-centimetres-of-a-slow-filling",
        ),
        pytest.param(
            {"tower__level_m": 2.99, "pump__flow_m3_h": 3.0, "tower__outflow_m3_h": 2.9}, id="drawn-as-it-comes"
        ),
        pytest.param(
            {"tower__level_m": 0.5, "pump__flow_m3_h": 0.0, "tower__outflow_m3_h": 0.0}, id="drained-for-washing"
        ),
    ],
)  # fmt: skip
def test_a_tower_that_holds_what_comes_does_not_spill(day: dict[str, object]) -> None:
    assert PRESENT not in overflow(hours=1, **day)
