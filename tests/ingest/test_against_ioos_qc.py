"""Our real-time quality tests beside those of the U.S. IOOS reference implementation, on the same input.

Where the two test the same thing they must give the same flags. ioos_qc comes as source only and brings a dozen
packages, so it is not in our lock: `pip install "ioos_qc>=3"` beside the environment's packages runs this comparison.
"""

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray

from alerts.files import History
from alerts.scene import Site, Sites
from gateway.model import CHANNELS, AssetKind, Flag
from ingest.columns import Columns
from ingest.quality import LIMITS, QualityMemory

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of its own dependencies
    qartod = pytest.importorskip("ioos_qc.qartod", reason="FLAGS ARE NOT COMPARED: ioos_qc is not installed")

LEVEL = 1
STEP_S = 300
LIMIT = LIMITS[AssetKind.TOWER, "level_m"]
SPEC = CHANNELS[AssetKind.TOWER]["level_m"]


def levels(seed: int, n: int = 2000) -> NDArray[np.float64]:
    """A tower that fills and empties for a week, with spikes, jumps and a sensor that stands still for three days."""
    rng = np.random.default_rng(seed)
    value = 1.5 + np.sin(np.arange(n) * 2 * np.pi / 288) + rng.normal(0, 0.01, n)
    value[rng.choice(n // 2, 25, replace=False)] += rng.choice([-1.4, -0.8, -0.3, 0.3, 0.8, 1.4], 25)
    value[n // 4 :] += 1.1
    value[n // 2 : n // 2 + 864] = value[n // 2]
    return np.asarray(value)


def ours(value: NDArray[np.float64], test: str) -> NDArray[np.int64]:
    """Where one of our tests fails, as QARTOD codes: 1 good, 3 suspect."""
    at = np.arange(len(value)) * STEP_S * 1_000_000
    rows = Columns(np.full(len(value), LEVEL, np.int32), at, at, value, np.full(len(value), 1, np.int16))
    tests = QualityMemory({LEVEL: ("tower", "level_m")}).test(rows).tests
    failed = tests.get(test, np.zeros(len(value), dtype=bool))
    return np.where(failed, int(Flag.SUSPECT), int(Flag.GOOD))


def codes(found: object) -> NDArray[np.int64]:
    return np.ma.filled(np.ma.asarray(found), 9).astype(np.int64)


def times(n: int) -> NDArray[np.datetime64]:
    return np.datetime64("2026-03-01T00:00:00") + np.arange(n) * np.timedelta64(STEP_S, "s")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_spikes_equal_the_differential_method_of_qartod(seed: int) -> None:
    value = levels(seed)
    theirs = codes(qartod.spike_test(value, suspect_threshold=LIMIT.spike, method="differential"))
    mine = ours(value, "spike")
    # The first and the last reading have one neighbour: theirs is "not evaluated", ours has not failed yet.
    assert theirs[[0, -1]].tolist() == [int(Flag.NOT_EVALUATED)] * 2
    assert mine[1:-1].tolist() == theirs[1:-1].tolist()
    assert (mine == Flag.SUSPECT).sum() > 5


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_rates_equal_qartods(seed: int) -> None:
    value = levels(seed)
    theirs = codes(qartod.rate_of_change_test(value, times(len(value)), threshold=LIMIT.rise / 3600))
    mine = ours(value, "rate")
    assert LIMIT.rise == LIMIT.fall, "theirs knows one threshold for both directions"
    assert mine[1:].tolist() == theirs[1:].tolist()
    assert (mine == Flag.SUSPECT).sum() > 5


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_flat_lines_equal_qartods(seed: int) -> None:
    value = levels(seed)
    flat_s = int(LIMIT.flat_h * 3600)
    theirs = codes(
        qartod.flat_line_test(
            value, times(len(value)), suspect_threshold=flat_s, fail_threshold=10 * flat_s, tolerance=1e-9
        )
    )
    mine = ours(value, "flat")
    assert mine.tolist() == theirs.tolist()
    assert (mine == Flag.SUSPECT).sum() > 100


def test_the_gross_range_equals_qartods() -> None:
    """What lies outside cannot be: it is bad for all who look at readings."""
    low, high = SPEC.minimum, SPEC.maximum
    value = np.array([low - 0.01, low, 0.0, 2.5, high, high + 0.01, -999.0, 6553.5])
    theirs = codes(qartod.gross_range_test(value, fail_span=(low, high)))
    t_s = STEP_S * np.arange(len(value), dtype=np.float64)
    site = Site("zone-1", 11.3, -12.3, 1500, {}, frozenset({("tower", "level_m")}))
    grid = History({("zone-1", "tower", "level_m"): (t_s, value)}).grid(Sites([site]), 0.0, STEP_S * len(value))
    is_bad = grid.is_bad("tower", "level_m")[0]
    assert np.where(is_bad, int(Flag.BAD), int(Flag.GOOD)).tolist() == theirs.tolist()


def test_the_codes_are_qartods() -> None:
    flags = qartod.QartodFlags
    assert (flags.GOOD, flags.UNKNOWN, flags.SUSPECT, flags.FAIL, flags.MISSING) == (
        Flag.GOOD, Flag.NOT_EVALUATED, Flag.SUSPECT, Flag.BAD, Flag.MISSING,
    )  # fmt: skip
