"""The measurement of an evaluation runs at a tiny size."""

import pytest

from benchmarks.evaluation import measure

pytestmark = pytest.mark.db


def test_an_hour_of_two_zones_is_judged_again() -> None:
    wall_s, cpu = measure(2, 1)
    assert cpu > 0
    assert wall_s > 0
