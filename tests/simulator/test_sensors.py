"""What instruments make of the truth: steps and noise, spans and registers, and all the ways in which they fail."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from gateway.model import Fault
from simulator.faults import Broken
from simulator.habits import Habits
from simulator.history import HistoryBlock, live_through
from simulator.sensor_faults import LOGGER_SENTINEL, Frozen
from simulator.sensors import DROPS, ROLLS_OVER_M3, SENSORS, Instruments, Samples
from simulator.village import Village
from tests.simulator.days import DAWN, ZONES

Rows = dict[tuple[str, str, str], np.ndarray]  # type: ignore[type-arg]
START_S = DAWN.timestamp()
LEVEL, DEPTH = ("zone-3", "tower", "level_m"), ("zone-3", "borehole", "water_depth_m")


def readings(broken: Sequence[Broken] = (), *, hours: float = 24, start: datetime = DAWN, seed: int = 1) -> Rows:
    """Rows t_s and value of every channel of zone-3 and zone-4."""
    village = Village(ZONES[2:4], seed=seed, clear_from=DAWN.date())
    found: dict[tuple[str, str, str], list[HistoryBlock]] = {}
    for block in live_through(village, start=start, end=start + timedelta(hours=hours), broken=broken, folder=None):
        found.setdefault((block.zone_id, block.asset, block.channel), []).append(block)
    return {
        key: np.array([np.concatenate([b.t_s for b in blocks]), np.concatenate([b.value for b in blocks])])
        for key, blocks in found.items()
    }


@pytest.fixture(scope="module")
def sound() -> Rows:
    return readings()


def struck(fault: Fault, place: str, size: str, *, days_ago: float = 0.0) -> Rows:
    return readings([Broken("zone-3", fault, size, START_S - 86_400 * days_ago, at=place)])


def both(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Values of two channels at the times that both have."""
    _, at_a, at_b = np.intersect1d(a[0], b[0], return_indices=True)
    return a[1][at_a], b[1][at_b]


def test_every_reading_is_a_whole_number_of_steps(sound: Rows) -> None:
    for (_, asset, channel), rows in sound.items():
        steps = 1000 if asset.startswith("tap-") else SENSORS[asset, channel].steps
        assert rows[1] * steps == pytest.approx(np.rint(rows[1] * steps), abs=1e-6), (asset, channel)


def test_a_faulty_sensor_leaves_all_other_channels_as_they_were(sound: Rows) -> None:
    found = struck(Fault.SENSOR_DRIFT, "tower/level_m", "L", days_ago=10)
    for key, rows in sound.items():
        if key != LEVEL:
            np.testing.assert_array_equal(rows, found[key])


def test_a_channel_with_a_loose_contact_loses_one_in_a_hundred_and_others_none() -> None:
    many = [replace(zone, zone_id=f"{zone.zone_id}-{n}") for n in range(12) for zone in ZONES[:3]]  # type: ignore[arg-type]
    village = Village(many, seed=4)
    lost = []
    for block in live_through(village, start=DAWN, end=DAWN + timedelta(days=2), broken=[], folder=None):
        if block.asset == "weather":
            continue  # which is read once a day
        if block.t_s[0] > START_S + 19 * 3600 and block.t_s[-1] <= START_S + 43 * 3600:  # a whole UTC day
            lost.append(1 - len(block.t_s) / 288)
    share = np.array(lost)
    assert 0.01 < (share > 0).mean() < 0.06
    assert share[share > 0].mean() == pytest.approx(DROPS, rel=0.5)


def test_three_times_the_noise_moves_readings_twice_as_far_again() -> None:
    shown = []
    for noise in (1.0, 3.0):
        blocks = live_through(
            Village(ZONES[:1], seed=4), start=DAWN, end=DAWN + timedelta(days=2), broken=[], folder=None, noise=noise
        )
        shown.append(np.concatenate([one.value for one in blocks if one.channel == "module_temp_c"]))
    assert np.std(shown[1] - shown[0]) == pytest.approx(2 * 0.15, rel=0.1)  # a sensor of 0.15 K


def test_a_register_of_five_digits_rolls_over_and_does_not_stop() -> None:
    village = Village(ZONES[2:3], seed=1, clear_from=DAWN.date())
    instruments, frozen, state = Instruments(village), Frozen(), village.first_state()
    state.meter_in_m3[:] = ROLLS_OVER_M3 - 3.0
    noon_s = START_S + 7 * 3600
    moved = village.move(state, noon_s, [], 120)
    samples = Samples(noon_s + 60.0 * np.arange(1, 121), village.truth(moved))
    shown = next(
        one for one in instruments.measure(samples, frozen=frozen, broken=[])
        if (one.asset, one.channel) == ("pump", "volume_m3")
    )  # fmt: skip
    steps = np.diff(shown.value)
    assert (steps < 0).sum() == 1
    assert steps[steps < 0][0] == pytest.approx(np.median(steps) - ROLLS_OVER_M3, abs=0.1)
    assert 0 <= shown.value.min() < 1


def test_a_meter_that_is_exchanged_begins_at_zero_and_the_water_goes_on() -> None:
    zone = ZONES[2]
    habits = Habits([zone.zone_id], seed=1)
    days = [DAWN.date() + timedelta(days=n) for n in range(10 * 365)]
    new = [day for day in days if habits.day(day).is_new_meter[0, :, 0].any()]
    assert 1 <= len(new) <= 2, "a meter lasts six to ten years"
    assert not Habits([zone.zone_id], seed=1, calm_from=new[0]).day(new[0]).is_new_meter.any()
    nine_s = datetime(new[0].year, new[0].month, new[0].day, 9, tzinfo=UTC).timestamp()
    village, state = Village([zone], seed=1), Village([zone], seed=1).first_state()
    again, lived = Village([zone], seed=1), Village([zone], seed=1).first_state()
    moved = village.move(state, nine_s, [], 120)
    steps = [again.move(lived, nine_s + 60 * minute, []).meter_in_m3[0, 0] for minute in range(120)]
    shown = moved.meter_in_m3[:, 0]
    np.testing.assert_array_equal(steps, shown)
    assert (np.diff(shown) < 0).nonzero()[0].tolist() == [59], "at ten o'clock"
    assert shown[60] == pytest.approx(moved.metered_in_m3_h[60, 0] / 60)
    assert (np.diff(moved.pumped_m3[:, 0]) >= 0).all()
    assert (np.diff(moved.meter_out_m3[:, 0]) >= 0).all(), "the other meter stays"


def test_ultrasonic_levels_follow_the_air_at_night_and_probes_do_not() -> None:
    village = Village([replace(zone, zone_id=f"z{n}") for n, zone in enumerate(ZONES * 3)], seed=1)  # type: ignore[arg-type]
    instruments = Instruments(village)
    state, t_s = village.first_state(), DAWN.timestamp() + 20 * 3600  # 01:00: nobody draws, nothing runs
    moved = village.move(state, t_s, [], 170)
    ends = t_s + 60.0 * np.arange(1, 171)
    cold = replace(village.truth(moved), air_c=np.full(moved.code.shape, 4.0))
    warm = replace(cold, air_c=np.full(moved.code.shape, 34.0))
    levels = [
        np.array([
            one.value.mean() for one in instruments.measure(Samples(ends, air), frozen=Frozen(), broken=[])
            if one.channel == "level_m"
        ])
        for air in (cold, warm)
    ]  # fmt: skip
    moves = levels[1] - levels[0]
    assert np.isclose(moves, 0.036, atol=0.005).sum() + np.isclose(moves, 0.0, atol=0.005).sum() == len(moves)
    assert 2 <= np.isclose(moves, 0.036, atol=0.005).sum() <= 14


def test_a_stuck_sensor_stands_still_while_the_water_moves(sound: Rows) -> None:
    for place, key in (("tower/level_m", LEVEL), ("borehole/water_depth_m", DEPTH)):
        found = struck(Fault.SENSOR_STUCK, place, "M")[key]
        assert len(set(found[1])) == 1
        assert len(set(sound[key][1])) > 10


def test_a_sensor_that_sticks_now_and_then_stands_at_several_values(sound: Rows) -> None:
    found = struck(Fault.SENSOR_STUCK, "tower/level_m", "S")[LEVEL]
    stuck = np.diff(found[1]) == 0
    assert 0.3 < stuck.mean() < 1.0
    assert len(set(found[1][1:][stuck])) >= 2


@pytest.mark.parametrize("size", ["S", "M", "L"])
def test_a_drifting_level_leaves_the_truth_by_a_share_of_its_span(sound: Rows, size: str) -> None:
    share = {"S": 0.05, "M": 0.12, "L": 0.3}[size]
    found, true = both(struck(Fault.SENSOR_DRIFT, "tower/level_m", size, days_ago=10)[LEVEL], sound[LEVEL])
    assert np.median(found - true) == pytest.approx(share * 3.0, abs=0.01)


def test_an_ageing_cell_loses_light_and_sees_the_night_as_dark(sound: Rows) -> None:
    key = ("zone-3", "pv", "irradiance_w_m2")
    found, true = both(struck(Fault.SENSOR_DRIFT, "pv/irradiance_w_m2", "M", days_ago=10)[key], sound[key])
    day = true > 300
    assert (found[day] / true[day]).mean() == pytest.approx(0.88, abs=0.01)
    assert found[true == 0].max() == 0


def test_spikes_are_rare_large_and_single(sound: Rows) -> None:
    found, true = both(struck(Fault.SENSOR_SPIKES, "tower/level_m", "M")[LEVEL], sound[LEVEL])
    off = np.abs(found - true)
    assert 0.015 < (off > 0).mean() < 0.08
    assert off[off > 0].min() > 0.5
    assert off.max() <= 3.1


def test_a_cut_loop_gives_less_than_any_level_and_some_loggers_a_number_of_their_own(sound: Rows) -> None:
    cut = struck(Fault.SENSOR_OUT_OF_RANGE, "tower/level_m", "M")[LEVEL][1]
    assert set(cut) == {round(-0.5 / 16 * 5, 3)}, "3.5 mA on a span of 5 m"
    assert set(struck(Fault.SENSOR_OUT_OF_RANGE, "tower/level_m", "L")[LEVEL][1]) == {LOGGER_SENTINEL}
    some = struck(Fault.SENSOR_OUT_OF_RANGE, "tower/level_m", "S")[LEVEL][1]
    assert 0.1 < (some < 0).mean() < 0.7


def test_a_probe_sees_no_deeper_than_its_own_place() -> None:
    dry = readings([Broken("zone-3", Fault.DRY_RUNNING, "L", START_S)])[DEPTH][1]
    assert dry.max() == pytest.approx(48 - 1.5 + 0.2 / 16 * 50, abs=0.01), "the intake is at 48 m"


def test_a_meter_that_slips_counts_less_and_never_back(sound: Rows) -> None:
    key = ("zone-3", "pump", "volume_m3")
    for size, left in (("S", 0.8), ("M", 0.5), ("L", 0.0)):
        rows = struck(Fault.FLOW_METER_STOPPED, "pump/volume_m3", size)[key][1]
        assert (np.diff(rows) >= 0).all()
        assert np.ptp(rows) == pytest.approx(left * np.ptp(sound[key][1]), abs=0.05)


def test_a_wrong_clock_dates_all_readings_of_its_zone_and_no_other(sound: Rows) -> None:
    for size, shift_s in (("S", -1800.0), ("M", 14_400.0), ("L", -START_S)):
        found = struck(Fault.CLOCK_ERROR, "gateway", size)
        for key, rows in sound.items():
            np.testing.assert_array_equal(rows[1], found[key][1])
            np.testing.assert_allclose(found[key][0] - rows[0], shift_s if key[0] == "zone-3" else 0.0)


def test_a_battery_that_fades_takes_the_nights_away() -> None:
    one = Broken("zone-3", Fault.GATEWAY_BATTERY_LOW, "L", START_S - 5 * 86_400)
    found = readings([one], hours=48)
    volts, hours = found["zone-3", "gateway", "battery_v"][1], found["zone-3", "gateway", "battery_v"][0] / 3600 % 24
    assert volts.min() < 11.5
    assert volts[(hours > 10) & (hours < 16)].min() > 12.5, "by day the sun carries the box"
    gap_h = np.diff(found["zone-3", "pump", "power_w"][0]).max() / 3600
    assert 1 < gap_h < 9
    assert np.diff(found["zone-4", "pump", "power_w"][0]).max() <= 900


def test_a_box_that_was_dark_counts_its_uptime_anew_and_no_other_channel_knows_of_it() -> None:
    one = Broken("zone-3", Fault.GATEWAY_BATTERY_LOW, "L", START_S - 5 * 86_400)
    found, calm = readings([one], hours=48), readings(hours=48)
    t_s, uptime_s = found["zone-3", "gateway", "uptime_s"]
    (morning,) = np.flatnonzero(np.diff(t_s) > 3600) + 1
    assert uptime_s[morning - 1] > 86_400
    assert uptime_s[morning] <= 300
    assert np.flatnonzero(np.diff(uptime_s) < 0) + 1 == [morning]
    for key in found.keys() - {("zone-3", "gateway", "uptime_s"), ("zone-3", "gateway", "battery_v")}:
        value, expected = both(found[key], calm[key])
        assert len(value) == found[key].shape[1]
        np.testing.assert_array_equal(value, expected, err_msg=str(key))


def test_noise_is_the_same_whenever_it_is_asked_for() -> None:
    later = readings(start=DAWN + timedelta(hours=10), hours=2)
    key = ("zone-3", "gateway", "signal_dbm")
    whole = readings(hours=12)[key]
    at = np.isin(whole[0], later[key][0])
    np.testing.assert_array_equal(whole[1][at], later[key][1])
    assert datetime.fromtimestamp(later[key][0][0], UTC) == DAWN + timedelta(hours=10, minutes=5)
