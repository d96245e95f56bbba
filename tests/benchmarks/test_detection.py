"""The scores of the detection benchmark, worked out by hand, and a run on files in SKAB's form."""

from pathlib import Path

import numpy as np
import pytest

from benchmarks.detection import LEARNS_ROWS, Counts, Run, count, measure, nab, told
from benchmarks.processes import MeasureError


def run_of(wrong: list[int], changes: list[int]) -> Run:
    """A run of 400 rows to learn from and so many judged ones, a second each."""
    rows = LEARNS_ROWS + len(wrong)
    is_wrong, change = np.zeros(rows, dtype=bool), np.zeros(rows, dtype=bool)
    is_wrong[LEARNS_ROWS:] = np.array(wrong) > 0
    change[[LEARNS_ROWS + place for place in changes]] = True
    return Run(np.arange(float(rows)), (), np.zeros((rows, 0)), is_wrong, change)


def test_rows_are_counted_after_those_that_teach() -> None:
    counts = count(run_of([0, 0, 1, 1, 1, 0], []), np.array([0, 1, 0, 1, 1, 0]) > 0)
    assert counts == Counts(hit=2, false=1, missed=1, quiet=2)
    # 2·2 / (2·2 + 1 + 1); 1 of 3 quiet rows alarmed, 1 of 3 wrong ones missed.
    assert (counts.f1, counts.far, counts.mar) == pytest.approx((2 / 3, 100 / 3, 100 / 3))


def test_a_change_seen_at_once_counts_whole_one_seen_late_little_and_a_false_edge_costs() -> None:
    quiet, change = [0] * 300, [100]
    at_once, late, never = (np.zeros(300, dtype=bool) for _ in range(3))
    at_once[100:], late[160:] = True, True
    runs = [run_of(quiet, change)]
    assert nab(runs, [at_once])["standard"] == pytest.approx(100)
    # At the end of the window a hit is worth as much as a false edge: (-0.11 + 1) / 2.
    assert nab(runs, [late])["standard"] == pytest.approx(44.5)
    assert nab(runs, [never]) == {"standard": 0.0, "low FP": 0.0, "low FN": 0.0}
    false = at_once.copy()
    false[20:30] = True  # two edges outside: 2 x 0.22 of the 2 between nothing and all
    assert nab(runs, [false])["low FP"] == pytest.approx(100 - 22)


def test_a_folder_of_runs_is_measured_and_told(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    for folder, number in (("valve1", 3), ("valve2", 1), ("other", 2)):
        (tmp_path / folder).mkdir()
        for name in range(number):
            load = np.sin(np.arange(700) / 40)
            rows = load[:, None] * np.arange(1, 9) + rng.normal(0, 0.1, (700, 8))
            wrong = (np.arange(700) >= 500) & (np.arange(700) < 620)
            rows[wrong, 2] += 3
            lines = ["datetime;" + ";".join("abcdefgh") + ";anomaly;changepoint"]
            for second, row in enumerate(rows):
                marks = [f"{value:.4f}" for value in row]
                at = f"2020-03-09 10:{second // 60:02d}:{second % 60:02d}"
                lines.append(";".join([at, *marks, f"{wrong[second]:.1f}", f"{float(second in (500, 620)):.1f}"]))
            (tmp_path / folder / f"{name}.csv").write_text("\n".join(lines), "utf-8")
    figures = measure(tmp_path, lambda line: None)
    assert (figures["files"], figures["rows"]) == (6, 6 * 300)
    assert figures["f1"] > 0.9
    assert "Conv-AE" in told(figures)


def test_a_folder_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MeasureError, match="no SKAB files"):
        measure(tmp_path, lambda line: None)
