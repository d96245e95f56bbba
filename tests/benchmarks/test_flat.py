"""What grows is called so, also when it is started anew in between; what only swings is flat."""

import numpy as np
import pytest

from benchmarks.flat import Series, after_warm_up, trend, verdict

MINUTES = np.arange(60)


def series(value: np.ndarray, life: np.ndarray | None = None) -> Series:
    """An hour of looks, one a minute; 5 of 100 or 1 MB may be more in an hour."""
    lives = np.zeros(len(value), int) if life is None else life
    return Series("ingest: memory", "MB", MINUTES[: len(value)] / 60, value, lives, 0.05, 1.0)


def test_a_slope_is_the_one_of_least_squares() -> None:
    # By hand: x = 0, 1, 2, 3 h; y = 0, 2, 1, 3; means 1.5 and 1.5; Σxy = 4, Σx² = 5, slope 0.8; residuals -0.3, 0.9,
    # -0.9, 0.3, their squares 1.8 over 2 degrees of freedom and 5: error √0.18 = 0.4243, times 1.96 = 0.8316; the
    # residuals turn about (Σ of neighbours < 0), so nothing is added.
    looks = Series("x", "MB", np.arange(4.0), np.array([0.0, 2.0, 1.0, 3.0]), np.zeros(4, int), 0.05, 1.0)
    found = trend(looks)
    assert found.slope == pytest.approx(0.8)
    assert found.margin == pytest.approx(0.8316, abs=1e-4)


def test_a_leak_is_seen_although_the_part_is_killed_each_quarter_of_an_hour() -> None:
    sawtooth = series(60.0 + 12.0 * (MINUTES % 15) / 60, MINUTES // 15)  # 12 MB/h, and 60 MB after each start
    found = trend(sawtooth)
    assert found.slope == pytest.approx(12.0)
    assert verdict(sawtooth, found) == "rises"


def test_what_swings_about_a_level_is_flat() -> None:
    swings = series(60.0 + 0.2 * np.where(MINUTES % 2 == 0, 1.0, -1.0))
    assert verdict(swings, trend(swings)) == "flat"


def test_what_is_filled_at_the_start_is_warm_up_and_no_leak() -> None:
    filled = series(np.minimum(60.0, 30.0 + 3.0 * MINUTES))  # 60 MB from the tenth minute on
    assert trend(filled).slope > filled.allowed
    settled = after_warm_up(filled, 10 / 60)
    assert len(settled.value) == 50
    assert verdict(settled, trend(settled)) == "flat"


def test_too_few_looks_tell_nothing() -> None:
    few = series(np.array([1.0, 2.0, 3.0]))
    assert verdict(few, trend(few)) == "too few looks"
