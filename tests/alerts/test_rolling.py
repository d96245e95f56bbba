"""Slopes and how far they can be trusted."""

import numpy as np
import pytest

from alerts.rolling import slope_with_error, steps_held


def test_a_straight_line_has_its_slope_and_no_error() -> None:
    slope, error = slope_with_error(np.array([[2.0, 1.9, np.nan, 1.7]]), 0.5)
    assert slope[0] == pytest.approx(-0.2)
    assert error[0] == pytest.approx(0.0, abs=1e-9)


def test_two_values_make_no_line() -> None:
    slope, error = slope_with_error(np.array([[2.0, np.nan, 1.9]]), 0.5)
    assert np.isnan([slope[0], error[0]]).all()


def test_of_a_walk_without_direction_two_in_three_slopes_lie_within_their_error() -> None:
    walks = np.cumsum(np.random.default_rng(2).normal(0, 1, (4000, 60)), axis=1)
    slope, error = slope_with_error(walks, 1.0)
    # The error is itself drawn from each walk, so more than 0.32 lie outside; their mean squares agree.
    assert (np.abs(slope) < error).mean() == pytest.approx(0.6, abs=0.1)
    assert np.sqrt((error**2).mean() / (slope**2).mean()) == pytest.approx(1.0, abs=0.1)


def test_steps_that_held_are_counted_over_breaks_until_something_begins_them_anew() -> None:
    holds = np.array([[True, True, False, True, True, False, True]])
    anew = np.array([[False, False, False, False, True, False, False]])
    assert steps_held(holds, since=anew).tolist() == [[1, 2, 2, 3, 0, 0, 1]]
