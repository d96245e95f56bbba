"""The tower: nearly empty, spilling, losing water at night; and the days on which it does none of that."""

from datetime import UTC, datetime

import numpy as np
import pytest

from alerts.days import Days
from alerts.detectors import Scene
from alerts.detectors.tower import judge_night_loss, judge_tower_overflow
from alerts.model import Verdict
from gateway.model import Fault
from tests.alerts.windows import Values, only, scene

PRESENT, ABSENT, CANNOT_TELL = Verdict.PRESENT, Verdict.ABSENT, Verdict.CANNOT_TELL
START = datetime(2026, 2, 1, tzinfo=UTC)
AREA_M2 = 20 / 3  # of the tower in `windows`: 20 m³ at 3 m
DAY_S = 86_400.0


def nights(
    losses_m3_h: list[float], *, draws_m3_h: float = 0.0, is_valve: bool = False, seed: int = 1, **changes: object
) -> Scene:
    """Days that begin at midnight with 2 m in the tower; each loses so much an hour beyond what its meter sees.

    Through the tower's wall all day; through a valve while the pump rests, which lifts from 8 to 17 h.
    """
    noise = np.random.default_rng(seed).normal(0, 0.004, 288 * len(losses_m3_h))
    loss = np.array(losses_m3_h)

    def level_m(t: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        day, hour = (t // DAY_S).astype(int), t % DAY_S / 3600
        lifted_h = np.clip(hour - 8, 0, 9) if is_valve else 0.0
        fallen = (np.minimum(hour, 6) * draws_m3_h + (hour - lifted_h) * loss[day]) / AREA_M2
        return np.round((2.0 - fallen + noise) * 200) / 200

    def outflow(t: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        return np.where(t % DAY_S < 6 * 3600, draws_m3_h, 1.0)

    def inflow(t: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        hour = t % DAY_S / 3600
        return np.where((hour > 8) & (hour < 17), 3.0, 0.0)

    channels = {"tower__level_m": level_m, "tower__outflow_m3_h": outflow, "pump__flow_m3_h": inflow, **changes}
    return scene(24 * len(losses_m3_h), START, **channels)  # type: ignore[arg-type]


def loss(of: Scene, fault: Fault) -> list[int]:
    """What is said of each night, in the morning or when the pump has lifted for some hours."""
    return only(judge_night_loss, of, fault).verdict.reshape(-1, 2).max(axis=1).tolist()  # type: ignore[no-any-return]


def test_a_tower_that_leaks_is_seen_after_one_night() -> None:
    found = nights([0.0] * 7 + [0.2, 0.2])
    assert loss(found, Fault.TOWER_LEAK)[3:] == [ABSENT] * 4 + [PRESENT] * 2
    assert PRESENT not in loss(found, Fault.CHECK_VALVE_LEAK)
    evidence = only(judge_night_loss, found, Fault.TOWER_LEAK).describe(2 * 7, 2 * 8 + 1)
    assert evidence.values["flow_m3_h"] == pytest.approx(0.2, abs=0.03)
    assert evidence.values["nights"] == 2


@pytest.mark.parametrize(
    ("is_valve", "fault"),
    [
        pytest.param(True, Fault.CHECK_VALVE_LEAK, id="through-the-valve"),
        pytest.param(False, Fault.TOWER_LEAK, id="through-the-wall"),
    ],
)
def test_what_a_tower_loses_each_night_of_a_month_is_lost_until_it_is_mended(is_valve: bool, fault: Fault) -> None:
    found = loss(nights([0.0] * 7 + [0.2] * 30 + [0.0] * 2, is_valve=is_valve), fault)
    assert found[7:] == [PRESENT] * 30 + [ABSENT] * 2


@pytest.mark.parametrize("is_valve", [True, False], ids=["through-the-valve", "through-the-wall"])
def test_where_nobody_measures_the_well_the_pump_shows_what_runs_back(is_valve: bool) -> None:
    """While it lifts the valve is open and nothing runs back; a tower that leaks goes on. At 5 h nobody can tell."""
    found = nights([0.0] * 7 + [0.3, 0.3], is_valve=is_valve)
    fault, other = Fault.CHECK_VALVE_LEAK, Fault.TOWER_LEAK
    fault, other = (fault, other) if is_valve else (other, fault)
    told = only(judge_night_loss, found, fault)
    first = int(np.flatnonzero(told.verdict == PRESENT)[0])
    assert told.t_s[first] == found.grid.start_s + 7 * DAY_S + 14 * 3600
    assert PRESENT not in loss(found, other)


def test_a_tower_that_lost_water_while_the_pump_lifted_yesterday_is_told_in_the_morning() -> None:
    leaky = np.arange(9 * 288) * 300.0 >= 7 * DAY_S + 8 * 3600  # since eight in the morning, after a calm night
    t = 300.0 * np.arange(9 * 288)
    hour = t % DAY_S / 3600
    came = np.where((hour > 6) & (hour < 18), 2.0, 0.0)
    level_m = 1.5 + np.cumsum(came - 1.0 - 0.3 * leaky) / 12 / AREA_M2
    found = nights([0.0] * 9, tower__level_m=level_m, tower__outflow_m3_h=1.0, pump__flow_m3_h=came)
    told = only(judge_night_loss, found, Fault.TOWER_LEAK)
    assert told.t_s[int(np.flatnonzero(told.verdict == PRESENT)[0])] == found.grid.start_s + 8 * DAY_S + 5 * 3600


@pytest.mark.parametrize(
    ("meter", "says"),
    [
        pytest.param({}, "leave the tower without passing its meter (", id="a-meter-behind-the-tower"),
        pytest.param(
            {"tower__outflow_m3_h": None, "tap-01__volume_m3": 7.0},
            "leave the tower and reach no tap (",
            id="at-the-tap",
        ),
        pytest.param({"tower__outflow_m3_h": None}, "leave the tower (", id="none"),
    ],
)
def test_a_leak_is_told_by_what_was_read(meter: dict[str, float | None], says: str) -> None:
    """Neither the well head nor the well had a say, so a gauge or a probe that is broken there explains nothing."""
    found = only(judge_night_loss, nights([0.0] * 7 + [0.3, 0.3], **meter), Fault.TOWER_LEAK)
    last = int(np.flatnonzero(found.verdict == PRESENT)[-1])
    evidence = found.describe(last, last)
    assert says in evidence.sentence_en
    assert evidence.channels == ("tower/level_m", "tower/outflow_m3_h")[: 1 if meter else 2]


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


def counted(counter: np.ndarray, **changes: object) -> Scene:  # type: ignore[type-arg]
    """Days that begin with 2 m in the tower, which loses what `counter` says [m³], read every 15 min; no pump."""
    every = np.arange(len(counter)) % 3 == 0
    since_midnight = counter - np.repeat(counter[::288], 288)
    level_m = np.where(every, 2.0 - since_midnight / AREA_M2, np.nan)
    moved = np.diff(counter, prepend=0.0) * 12
    channels = {
        "tower__level_m": level_m, "tower__outflow_m3_h": np.where(every, moved, np.nan), "pump__flow_m3_h": 0.0,
        **changes,
    }  # fmt: skip
    return scene(len(counter) / 12, START, **channels)  # type: ignore[arg-type]


def test_gushes_at_night_that_four_readings_an_hour_miss_are_hardly_ever_a_leak() -> None:
    # From the eighth day on, in a fast, people draw 2 m³/h in one of five steps of five minutes.
    t = 300.0 * np.arange(10 * 288)
    every = np.arange(len(t)) % 3 == 0
    seems, told, by_counter = [], [], []
    for seed in range(20):
        draws = (t >= 7 * DAY_S) & (np.random.default_rng(seed).random(len(t)) < 0.2)
        counter = np.cumsum(np.where(draws, 2.0 / 12, 0.0))
        flow_only = counted(counter)
        seems += (flow_only.days.get("night_balance_m3_h")[0, 7:] < -0.09).tolist()
        told += [verdict == PRESENT for verdict in loss(flow_only, Fault.TOWER_LEAK)[7:]]
        with_counter = counted(counter, tower__outflow_volume_m3=np.where(every, counter, np.nan))
        by_counter.append(with_counter.days.get("night_balance_m3_h")[0, 7:])
    assert sum(seems) >= 10, "a flow that is read now and then misses much"
    assert sum(told) <= 2, "of sixty nights"
    assert np.nanmin(by_counter) > -0.02, "a counter misses nothing"


def test_a_can_filled_after_midnight_does_not_hide_a_leak() -> None:
    def outflow(t: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        return np.where(t % DAY_S < 300, 1.2, 0.0)

    found = nights([0.0] * 7 + [0.3, 0.3], tower__outflow_m3_h=outflow)
    assert loss(found, Fault.TOWER_LEAK)[7:] == [PRESENT] * 2


def test_without_a_meter_behind_the_tower_the_taps_say_what_people_drew() -> None:
    def tap(t: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        return np.cumsum(np.where(t % DAY_S < 6 * 3600, 0.4 / 3 / 12, 0.0))

    taps = {f"tap-{number:02}__volume_m3": tap for number in range(1, 4)}
    unmetered = {"tower__outflow_m3_h": None, **taps}
    assert PRESENT not in loss(nights([0.0] * 10, draws_m3_h=0.4, **unmetered), Fault.TOWER_LEAK)
    leaks = nights([0.0] * 7 + [0.2, 0.2], draws_m3_h=0.4, **unmetered)
    assert loss(leaks, Fault.TOWER_LEAK)[7:] == [PRESENT] * 2


def test_a_riser_that_ends_at_the_bottom_follows_the_level_and_accuses_no_valve() -> None:
    # Some nights begin with more in the tower than others, and the column over the well head follows each of them.
    def wellhead(t: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        day, hour = (t // DAY_S).astype(int), t % DAY_S / 3600
        return 1.2 + 0.0981 * (2.0 - np.minimum(hour, 6) * np.where(day >= 7, 1.0, 0.1 * (day % 4)) / AREA_M2)

    losses = [0.1 * (day % 4) for day in range(7)] + [1.0, 1.0]
    drawn = np.repeat([0.1 * (day % 4) for day in range(7)] + [0.0, 0.0], 288)
    found = nights(losses, pump__pressure_bar=wellhead, tower__outflow_m3_h=drawn)
    assert loss(found, Fault.TOWER_LEAK)[7:] == [PRESENT] * 2
    assert PRESENT not in loss(found, Fault.CHECK_VALVE_LEAK)


@pytest.mark.parametrize(
    ("raised_m", "fault"),
    [
        pytest.param(0.5, Fault.CHECK_VALVE_LEAK, id="it-stands-higher"),
        pytest.param(0.0, Fault.TOWER_LEAK, id="it-stays"),
    ],
)
def test_the_well_tells_whether_what_the_tower_loses_runs_back_into_it(raised_m: float, fault: Fault) -> None:
    # 0.3 m³/h into a well of 0.4 m³/h per metre raise it by 0.75 m in the end.
    wavers = np.random.default_rng(6).normal(0, 0.02, 9).repeat(288)

    def depth(t: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        return 30.0 + wavers - np.where(t >= 7 * DAY_S, raised_m, 0.0)

    def wellhead(t: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        return np.where(t < 7 * DAY_S, 1.4, 1.3)

    found = nights([0.0] * 7 + [0.3, 0.3], borehole__water_depth_m=depth, pump__pressure_bar=wellhead)
    assert loss(found, fault)[7:] == [PRESENT] * 2
    (other,) = {Fault.TOWER_LEAK, Fault.CHECK_VALVE_LEAK} - {fault}
    assert PRESENT not in loss(found, other)


def emptied_by_midnight(leaks_m3_h: float, **channels: Values) -> Scene:
    """By day 3 m³/h come and 1 is drawn from 6 to 18 h; on the last days as much again leaks as `leaks_m3_h` says."""
    t = 300.0 * np.arange(10 * 288)
    hour, last = t % DAY_S / 3600, t >= 7 * DAY_S
    is_day = (hour >= 6) & (hour < 18)
    drains = np.where(hour >= 18, 9.0, 0.0)
    moved = np.where(is_day, 3.0 - 1.0, 0.0) - drains - np.where(last, leaks_m3_h * is_day, 0.0)
    level_m = np.array([])
    for day in moved.reshape(10, 288) / 12 / AREA_M2:
        level_m = np.append(level_m, np.clip(0.4 + np.cumsum(day), 0.0, 2.9))
    level_m = np.where(hour < 6, np.where(last, 0.0, 0.4), level_m)
    outflow = np.where(is_day, 1.0, 0.0) + np.where(level_m > 0, drains, 0.0)
    came = np.where(is_day, 3.0, 0.0)
    return scene(240, START, tower__level_m=level_m, tower__outflow_m3_h=outflow, pump__flow_m3_h=came, **channels)


@pytest.mark.parametrize(("raised_m", "fault"), [(0.3, Fault.CHECK_VALVE_LEAK), (0.0, Fault.TOWER_LEAK)])
def test_behind_a_tower_that_is_empty_by_midnight_the_well_still_keeps_what_came_back(
    raised_m: float, fault: Fault
) -> None:
    """Less than the plate lets it rise by, for the tower is empty; a leak into the ground raises nothing."""
    t = 300.0 * np.arange(10 * 288)
    last, wavers = t >= 7 * DAY_S, np.random.default_rng(6).normal(0, 0.02, 10).repeat(288)
    found = emptied_by_midnight(2.0, borehole__water_depth_m=30.0 + wavers - np.where(last, raised_m, 0.0))
    assert PRESENT in loss(found, fault)[8:]
    (other,) = {Fault.TOWER_LEAK, Fault.CHECK_VALVE_LEAK} - {fault}
    assert PRESENT not in loss(found, other)


@pytest.mark.parametrize(("leaks_m3_h", "seen"), [(0.0, False), (2.0, True)], ids=["it-is-drawn-empty", "it-leaks"])
def test_a_tower_that_is_empty_before_midnight_is_judged_by_its_day(leaks_m3_h: float, seen: bool) -> None:
    found = emptied_by_midnight(leaks_m3_h)
    assert (PRESENT in loss(found, Fault.TOWER_LEAK)[8:]) == seen
    assert PRESENT not in loss(found, Fault.TOWER_LEAK)[:8]


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


def knowing(of: Scene, **features: list[float]) -> Scene:
    """The same day after days with these features; its own is the last."""
    (values,) = {len(one) for one in features.values()}
    day_s = of.days.day_s[-1] - DAY_S * np.arange(values)[::-1]
    return Scene(of.grid, Days(day_s, {name: np.array([one]) for name, one in features.items()}, 1))


@pytest.mark.parametrize(("leaks_m3_h", "told"), [(0.0, True), (2.0, False)], ids=["it-goes-over", "it-leaks"])
def test_what_a_full_tower_loses_as_it_did_all_night_goes_over_no_rim(leaks_m3_h: float, told: bool) -> None:
    """Of 2.6 m³/h that come and are not drawn none is in the tower; 2 of them it lost in the night as well."""
    full = scene(2, tower__level_m=3.0, pump__flow_m3_h=3.0, tower__outflow_m3_h=0.4)
    day = knowing(full, night_balance_m3_h=[0.0] * 6 + [-leaks_m3_h])
    assert (PRESENT in only(judge_tower_overflow, day).verdict) == told


@pytest.mark.parametrize(
    ("stops_m", "told"), [(2.95, True), (3.3, False)], ids=["a-sound-sensor", "one-that-drifts-up"]
)
def test_a_tower_is_full_where_its_float_says_so_and_not_where_a_sensor_reads_too_much(
    stops_m: float, told: bool
) -> None:
    high = scene(4, tower__level_m=3.3, pump__flow_m3_h=3.0, tower__outflow_m3_h=0.4)
    day = knowing(high, level_at_stop_m=[stops_m] * 3 + [np.nan], level_at_any_stop_m=[stops_m] * 3 + [np.nan])
    assert (PRESENT in only(judge_tower_overflow, day).verdict) == told
