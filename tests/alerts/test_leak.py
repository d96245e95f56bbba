"""Water lost in the network: bursts and leaks at night; and feasts, refills and herds that are neither."""

from datetime import UTC, datetime

import numpy as np
import pytest

from alerts.detectors import Scene
from alerts.detectors.leak import judge_burst, judge_night_leak
from alerts.model import Condition, Verdict
from tests.alerts.windows import only, scene, share

PRESENT, ABSENT, CANNOT_TELL = Verdict.PRESENT, Verdict.ABSENT, Verdict.CANNOT_TELL
START = datetime(2026, 2, 1, tzinfo=UTC)
DAY_S, HOUR_S = 86_400.0, 3600.0
TAPS = 5
Array = np.ndarray[tuple[int], np.dtype[np.float64]]


def village(
    days: int, lost_m3_h: float = 0.0, *, from_s: float = 0.0, taps: bool = True, pressure: bool = True,
    busy: float = 1.0, meter: bool = True, level_m: float = 2.0,
) -> Scene:  # fmt: skip
    """Days with 2 m³/h from 6 to 20 h (`busy` times as much from `from_s` on), and a loss from `from_s` on."""

    def drawn(t: Array) -> Array:
        hour = t % DAY_S / HOUR_S
        return np.where((hour >= 6) & (hour < 20), np.where(t >= from_s, 2.0 * busy, 2.0), 0.0)

    def lost(t: Array) -> Array:
        return np.where(t >= from_s, lost_m3_h, 0.0)

    def bar(t: Array) -> Array:
        # The column of 12 m and the level, less what friction takes of a flow: a third at a lost 3 m³/h.
        return (12 + level_m) / 10.2 - 0.013 * (drawn(t) / busy + 1.7 * lost(t)) ** 2

    def level(t: Array) -> Array:
        return level_m + np.cumsum(-(drawn(t) + lost(t)) / 12 * 3 / 20) if not meter else np.full(len(t), level_m)

    channels: dict[str, object] = {
        "tower__outflow_m3_h": (lambda t: drawn(t) + lost(t)) if meter else None, "tower__level_m": level,
        "pump__flow_m3_h": 0.0, "network__pressure_bar": bar if pressure else None,
    }  # fmt: skip
    if taps:
        for tap in range(1, TAPS + 1):
            channels[f"tap-{tap:02}__volume_m3"] = lambda t: np.cumsum(drawn(t) / TAPS / 12)
    return scene(24 * days, START, **channels)  # type: ignore[arg-type]


def hours_until_seen(condition: Condition, from_s: float) -> float:
    seen = condition.t_s[condition.verdict == PRESENT]
    assert len(seen), "never seen"
    return float(seen[0] - START.timestamp() - from_s) / HOUR_S


@pytest.mark.parametrize("taps", [True, False], ids=["with-tap-meters", "without"])
@pytest.mark.parametrize("hour", [2, 11])
def test_a_burst_is_seen_within_the_hour_by_day_and_night(taps: bool, hour: int) -> None:
    since = 9 * DAY_S + hour * HOUR_S
    assert hours_until_seen(only(judge_burst, village(10, 4.0, from_s=since, taps=taps)), since) <= 1.0


@pytest.mark.parametrize("pressure", [True, False])
def test_a_feast_is_no_burst(pressure: bool) -> None:
    for taps in (True, False):
        feast = village(10, from_s=9 * DAY_S, busy=1.8, taps=taps, pressure=pressure)
        assert PRESENT not in only(judge_burst, feast).verdict


def test_gushes_that_a_reading_every_quarter_of_an_hour_meets_by_chance_are_no_burst() -> None:
    rng = np.random.default_rng(3)
    gushes = np.where(rng.random(9 * 288) < 0.2, 8.0, 0.3)
    every_third = np.where(np.arange(9 * 288) % 3 == 0, gushes, np.nan)
    taps = {f"tap-{tap:02}__volume_m3": np.cumsum(gushes / TAPS / 12) for tap in range(1, TAPS + 1)}
    read = scene(24 * 9, START, tower__outflow_m3_h=every_third, tower__level_m=2.0, pump__flow_m3_h=0.0, **taps)
    assert share(only(judge_burst, read), PRESENT) < 0.005
    burst = scene(24 * 9, START, tower__outflow_m3_h=every_third + 12.0, tower__level_m=2.0, **taps)
    assert PRESENT in only(judge_burst, burst).verdict


def test_a_network_that_fills_after_it_ran_dry_is_left_alone() -> None:
    def level_m(t: Array) -> Array:
        return np.where((t > 9 * DAY_S) & (t < 9.4 * DAY_S), 0.05, 1.0)

    def outflow(t: Array) -> Array:
        hour = t % DAY_S / HOUR_S
        usual = np.where((hour >= 6) & (hour < 20), 2.0, 0.0)
        return np.where((t > 9.4 * DAY_S) & (t < 9.5 * DAY_S), 6.0, usual)

    refill = scene(24 * 10, START, tower__level_m=level_m, tower__outflow_m3_h=outflow)  # type: ignore[arg-type]
    assert PRESENT not in only(judge_burst, refill).verdict


def test_a_tower_that_the_burst_has_emptied_says_neither_that_it_goes_on_nor_that_it_is_over() -> None:
    since = 9 * DAY_S + 2 * HOUR_S
    empty = village(10, from_s=since, level_m=0.05)
    assert ABSENT not in only(judge_burst, empty).verdict


@pytest.mark.parametrize("rate", [0.15, 0.35, 0.8])
def test_a_leak_shows_in_the_first_night(rate: float) -> None:
    since = 9 * DAY_S + 12 * HOUR_S
    found = only(judge_night_leak, village(12, rate, from_s=since))
    assert found.verdict.tolist()[3:] == [ABSENT] * 7 + [PRESENT] * 2


def test_a_leak_that_empties_the_tower_before_midnight_shows_by_day_where_taps_are_metered() -> None:
    def level_m(t: Array) -> Array:
        hour = t % DAY_S / HOUR_S
        return np.where((t > 9 * DAY_S) & ((hour < 6) | (hour > 22)), 0.05, 1.0)

    whole = village(12, 0.8, from_s=9 * DAY_S)
    raw = {f"{asset}__{name}": row[0] for (asset, name), row in whole.grid.raw.items()}
    flow = np.where(level_m(300.0 * np.arange(12 * 288)) < 0.1, 0.0, raw["tower__outflow_m3_h"])
    hidden = scene(24 * 12, START, **{**raw, "tower__level_m": level_m, "tower__outflow_m3_h": flow})  # type: ignore[arg-type]
    assert only(judge_night_leak, hidden).verdict.tolist()[10:] == [PRESENT] * 2


def test_without_a_meter_behind_the_tower_its_level_tells_a_burst_at_night() -> None:
    def level_m(t: Array) -> Array:
        return np.where(t > 9.05 * DAY_S, 2.5 - (t - 9.05 * DAY_S) / HOUR_S * 3.0 * 3 / 20, 2.5)

    blind = scene(24 * 9 + 5, START, tower__level_m=level_m, tower__outflow_m3_h=None, pump__flow_m3_h=0.0)  # type: ignore[arg-type]
    assert PRESENT in only(judge_burst, blind).verdict or PRESENT in only(judge_night_leak, blind).verdict
