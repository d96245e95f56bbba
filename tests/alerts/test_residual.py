"""The residual model: what a channel should read, given the others, and what must not become usual."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from alerts.days import past_median, past_of_good_days, past_spread
from alerts.residual import Moments, ResidualModel, models_of_past, smoothed, usual_of_good_days

ROWS = arrays(np.float64, (24, 3), elements=st.floats(-100, 100, allow_subnormal=False))


@given(ROWS, st.integers(1, 23))
def test_moments_of_two_pieces_are_those_of_the_whole(rows: np.ndarray, cut: int) -> None:  # type: ignore[type-arg]
    parts = [Moments.of(rows[:cut]), Moments.of(rows[cut:])]
    pooled = Moments.pooled(
        Moments(*(np.stack([getattr(part, name) for part in parts]) for name in ("count", "mean", "covariance")))
    )
    whole = Moments.of(rows)
    assert pooled.count == whole.count
    assert pooled.mean == pytest.approx(whole.mean, abs=1e-9)
    assert pooled.covariance == pytest.approx(whole.covariance, abs=1e-8)


def test_a_row_with_a_hole_teaches_nothing() -> None:
    rows = np.array([[1.0, 2.0], [np.nan, 50.0], [3.0, 4.0]])
    moments = Moments.of(rows)
    assert moments.count == 2
    assert moments.mean.tolist() == [2.0, 3.0]
    assert Moments.of(np.full((3, 2), np.nan)).count == 0


def test_the_prediction_is_the_line_that_the_rows_lie_on() -> None:
    x = np.linspace(0, 10, 50)
    prediction = Moments.of(np.stack([x, 3 + 2 * x], axis=-1)).prediction(1, ridge=0.0)
    assert (prediction.offset, prediction.slopes[0]) == pytest.approx((3.0, 2.0))
    assert prediction.residual(np.array([[4.0, 11.0], [4.0, 12.5]])) == pytest.approx([0.0, 1.5])


def loop(rows: int, seed: int = 1) -> np.ndarray:  # type: ignore[type-arg]
    """Three channels of one machine whose load comes and goes: what they say of the load is the same."""
    rng = np.random.default_rng(seed)
    load = 10 + np.cumsum(rng.normal(0, 0.1, rows))
    return np.stack([load, 2 * load + 5, 30 - load], axis=-1) + rng.normal(0, 0.1, (rows, 3))


def test_a_load_that_changes_is_no_alarm_and_a_channel_that_leaves_the_others_is() -> None:
    rows = loop(1500)
    model = ResidualModel.learn(rows[:500], memory_rows=10)
    later = rows[500:].copy()
    assert not model.alarms(later, limit=6.0).any()
    later[600:, 1] += 1.0
    alarms = model.alarms(later, limit=6.0)
    first = int(np.flatnonzero(alarms)[0])
    assert 600 < first < 615
    assert alarms[first:].all()


def test_an_alarm_ends_when_nearly_all_is_gone_and_what_is_left_becomes_usual() -> None:
    rows = loop(1500)
    model = ResidualModel.learn(rows[:500], memory_rows=10)
    later = rows[500:].copy()
    later[300:500, 1] += 20.0
    later[500:, 1] += 1.0  # repaired, but not as it was: by itself an alarm, as above
    alarms = model.alarms(later, limit=6.0)
    assert alarms[320:500].all()
    assert not alarms[560:].any()


def test_too_few_good_rows_teach_no_limit() -> None:
    with pytest.raises(ValueError, match="15 rows are fewer than twice the memory of 10"):
        ResidualModel.learn(loop(15), memory_rows=10)


def test_smoothing_forgets_by_its_memory_and_passes_over_holes() -> None:
    value = np.array([[1.0], [np.nan], [1.0]])
    # The newest of a memory of 3 rows weighs a half.
    assert smoothed(value, 3)[:, 0].tolist() == [0.5, 0.5, 0.75]


def test_a_fault_that_stays_does_not_become_usual_but_a_new_machine_does() -> None:
    days = np.array([[10.0] * 6 + [6.0] * 70])
    usual = usual_of_good_days(days, newest=5, at_least=3, least_share=0.9, forgets_days=60)[0]
    assert np.isnan(usual[:3]).all()
    assert set(usual[3:66]) == {10.0}
    assert np.isnan(usual[66:69]).all(), "sixty days without a good one: learning begins again"
    assert set(usual[69:]) == {6.0}


def test_a_leak_that_stays_for_sixty_days_does_not_become_usual() -> None:
    nights = np.array([[0.0, 0.02, 0.01, 0.02, 0.0] + [0.3] * 66])
    usual, spread = past_of_good_days(nights, lambda day, usual, _: nights[:, day] > usual + 0.1, days=20, at_least=3)
    assert usual[0, 3:65] == pytest.approx(0.01, abs=0.005)
    assert spread[0, 5:65] == pytest.approx(0.0148, abs=1e-4)
    assert np.isnan(usual[0, 65:68]).all(), "sixty nights without a good one: learning begins again"
    assert set(usual[0, 68:]) == {0.3}


def test_where_no_day_is_off_good_days_are_all_days() -> None:
    nights = np.random.default_rng(3).normal(0, 0.02, (4, 40))
    nights[1, 5:9] = np.nan
    usual, spread = past_of_good_days(nights, lambda *_: np.zeros(4, dtype=bool), days=40, at_least=3)
    assert usual == pytest.approx(past_median(nights, days=40, at_least=3), nan_ok=True)
    assert spread == pytest.approx(past_spread(nights, days=40, at_least=3), nan_ok=True)


def test_days_that_are_off_teach_nothing() -> None:
    rng = np.random.default_rng(2)
    x = rng.uniform(0, 1, (1, 20, 40))
    y = 2 - x + rng.normal(0, 0.01, x.shape)
    y[:, 8:] -= 0.3
    moments = Moments.of(np.stack([x, y], axis=-1))
    (model,) = models_of_past([moments], [0.1], days=28, lately=0, at_least=4, least_rows=6)
    assert np.isnan(model.residual[0, :4]).all()
    assert model.residual[0, 4:8] == pytest.approx(0, abs=0.02)
    assert model.residual[0, 8:] == pytest.approx(-0.3, abs=0.02)


def test_what_creeps_in_does_not_teach_at_once() -> None:
    rng = np.random.default_rng(3)
    x = rng.uniform(0, 1, (1, 20, 40))
    slow = np.maximum(0.0, np.arange(20) - 8) * 0.01
    y = 2 - x - slow[:, None] + rng.normal(0, 0.001, x.shape)
    moments = Moments.of(np.stack([x, y], axis=-1))
    found = [
        models_of_past([moments], [0.2], days=28, lately=lately, at_least=4, least_rows=6)[0].residual[0, -1]
        for lately in (0, 8)
    ]
    assert found[1] < 1.3 * found[0] < 0, "the last eight days taught nothing"
    assert found[1] == pytest.approx(-0.11, abs=0.02)
