"""The residual model of the detectors on SKAB, a public benchmark of a pump loop with 34 labelled runs.

`ndiyan bench detection FOLDER` runs it. Protocol of SKAB's outlier problem: the first 400 rows of each file teach, the
rest is judged, all files are pooled. Everything is causal. The limit, the memory and the channels are chosen on other
files than those that they are judged on (five folds); the data is not part of this project and its licence forbids to
copy it here.

Source: I. D. Katser, V. O. Kozitsin, Skoltech Anomaly Benchmark (SKAB), 2020, doi:10.34740/KAGGLE/DSV/1693952, and the
leaderboard of its README, v0.9.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from alerts.residual import FloatArray, Mask, ResidualModel
from benchmarks.processes import MeasureError

FOLDERS = ("valve1", "valve2", "other")
LEARNS_ROWS = 400
FOLDS = 5
CHANNELS = 8
DRIFTING = ("Temperature", "Thermocouple")  # of motor and water: they warm up for minutes, and nothing is wrong
MEMORIES, LIMITS = (6.0, 8.0, 12.0), (4.0, 4.5, 5.0, 5.5, 6.0)
WINDOW_S = 60.0  # after a change within which it counts as seen
NAB = {"standard": (1.0, -0.11, -1.0), "low FP": (1.0, -0.22, -1.0), "low FN": (1.0, -0.11, -2.0)}  # hit, false, missed
PUBLISHED = (
    ("Conv-AE", 0.78, 13.55, 28.02, 23.6, 21.5, 27.6),
    ("MSET", 0.78, 39.73, 14.13, 13.8, 10.2, 17.4),
    ("T-squared + Q (PCA)", 0.76, 26.62, 24.92, 25.4, 14.5, 31.3),
    ("LSTM-AE", 0.74, 29.96, 25.92, 23.5, 20.1, 25.9),
    ("T-squared", 0.66, 19.21, 42.60, 19.5, 10.2, 24.3),
)  # F1, FAR %, MAR %, NAB standard, low FP, low FN


@dataclass(frozen=True, slots=True)
class Run:
    """One file: times [s], channels by column (m, 8), which rows are anomalous and where something changes (m,)."""

    t_s: FloatArray
    names: tuple[str, ...]
    rows: FloatArray
    is_wrong: Mask
    changes: Mask

    @property
    def judged(self) -> slice:
        """The rows that count."""
        return slice(LEARNS_ROWS, len(self.rows))


class Choice(NamedTuple):
    """What has to be chosen: the channels that are left out, the memory of the smoothing and the limit."""

    without: tuple[str, ...]
    memory_rows: float
    limit: float


class Counts(NamedTuple):
    """Rows: seen, false, missed, rightly quiet."""

    hit: int
    false: int
    missed: int
    quiet: int

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall of rows."""
        return 2 * self.hit / max(1, 2 * self.hit + self.false + self.missed)

    @property
    def far(self) -> float:
        """False alarm rate [%]."""
        return 100 * self.false / max(1, self.false + self.quiet)

    @property
    def mar(self) -> float:
        """Missed alarm rate [%]."""
        return 100 * self.missed / max(1, self.missed + self.hit)


def read_runs(folder: Path) -> list[Run]:
    """All labelled files of SKAB.

    Raises
    ------
    MeasureError : there are none in this folder
    """
    files = [file for name in FOLDERS for file in sorted((folder / name).glob("*.csv"))]
    if not files:
        raise MeasureError(f"{folder}: no SKAB files in {', '.join(FOLDERS)} of this folder")
    return [read_run(file) for file in files]


def read_run(file: Path) -> Run:
    """One file: `datetime;` eight channels `;anomaly;changepoint`."""
    with file.open(encoding="utf-8", newline="") as lines:
        head, *rows = csv.reader(lines, delimiter=";")
    t_s = np.array([datetime.fromisoformat(row[0]).replace(tzinfo=UTC).timestamp() for row in rows])
    values = np.array([[float(text) for text in row[1:]] for row in rows])
    return Run(t_s, tuple(head[1 : 1 + CHANNELS]), values[:, :CHANNELS], values[:, -2] > 0.5, values[:, -1] > 0.5)


def judge(run: Run, choice: Choice) -> Mask:
    """(m - 400,) the alarms of the rows that are judged."""
    kept = [place for place, name in enumerate(run.names) if name not in choice.without]
    rows = run.rows[:, kept]
    model = ResidualModel.learn(rows[:LEARNS_ROWS], memory_rows=choice.memory_rows)
    return model.alarms(rows[run.judged], choice.limit)


def count(run: Run, alarms: Mask) -> Counts:
    """Alarms of one file against its labels."""
    wrong = run.is_wrong[run.judged]
    return Counts(
        int((alarms & wrong).sum()), int((alarms & ~wrong).sum()), int((~alarms & wrong).sum()),
        int((~alarms & ~wrong).sum()),
    )  # fmt: skip


def pooled(counts: Iterable[Counts]) -> Counts:
    """All files as one."""
    return Counts(*(int(number) for number in np.sum(list(counts), axis=0)))


def nab(runs: Sequence[Run], alarms: Sequence[Mask]) -> dict[str, float]:
    """Numenta's score of the alarms' beginnings and ends as changes, by profile: 100 all at once, 0 none.

    A change is seen by the first edge within `WINDOW_S` after it, the sooner the better; all edges outside are false.
    """
    edges_outside, missed, delays = 0, 0, []
    for run, alarm in zip(runs, alarms, strict=True):
        t_s = run.t_s[run.judged]
        edges_s = t_s[np.flatnonzero(np.diff(alarm.astype(np.int8), prepend=0))]
        changes_s = t_s[run.changes[run.judged]]
        is_inside = np.zeros(len(edges_s), dtype=bool)
        for change_s in changes_s:
            inside = (edges_s >= change_s) & (edges_s <= change_s + WINDOW_S) & ~is_inside
            is_inside |= inside
            if inside.any():
                delays.append(float(edges_s[inside][0] - change_s) / WINDOW_S)
            else:
                missed += 1
        edges_outside += int((~is_inside).sum())
    number = missed + len(delays)
    found = {}
    for name, (hit, false, miss) in NAB.items():
        # SKAB's scale: from `hit` at once to `false` at the end of the window, along a tanh over ±π/2.
        steps = np.tanh(np.pi * (np.array(delays) - 0.5)) / np.tanh(np.pi / 2)
        seen = (hit + false) / 2 - (hit - false) / 2 * steps
        score = float(seen.sum()) + false * edges_outside + miss * missed
        found[name] = 100 * (score - miss * number) / ((hit - miss) * number)
    return found


def choices() -> list[Choice]:
    """All that may be chosen."""
    return [Choice(*one) for one in product(((), DRIFTING), MEMORIES, LIMITS)]


def best(table: dict[Choice, list[Counts]], places: Sequence[int]) -> Choice:
    """The choice whose larger error rate, of false and missed alarms, is smallest in the files at `places`."""

    def worse(choice: Choice) -> float:
        counts = pooled(table[choice][place] for place in places)
        return max(counts.far, counts.mar)

    return min(table, key=worse)


def measure(folder: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Choose on other files, judge, and return the figures by the names of the JSON output."""
    runs = read_runs(folder)
    alarms: dict[Choice, list[Mask]] = {}
    begun = time.perf_counter()
    for number, choice in enumerate(choices(), 1):
        alarms[choice] = [judge(run, choice) for run in runs]
        say(f"{number} of {len(choices())} choices on {len(runs)} files")
    took_s = time.perf_counter() - begun
    table = {
        choice: [count(run, alarm) for run, alarm in zip(runs, made, strict=True)] for choice, made in alarms.items()
    }
    chosen: list[Choice] = []
    for place in range(len(runs)):
        others = [other for other in range(len(runs)) if other % FOLDS != place % FOLDS]
        chosen.append(best(table, others))
    made = [alarms[choice][place] for place, choice in enumerate(chosen)]
    counts = pooled(count(*pair) for pair in zip(runs, made, strict=True))
    return {
        "files": len(runs), "rows": sum(counts), "f1": round(counts.f1, 3), "far_pct": round(counts.far, 1),
        "mar_pct": round(counts.mar, 1), "nab": {name: round(value, 1) for name, value in nab(runs, made).items()},
        "ms_a_file": round(1000 * took_s / len(runs) / len(alarms), 1),
        "chosen": [
            {"without": list(choice.without), "memory_rows": choice.memory_rows, "limit": choice.limit}
            for choice in chosen[:FOLDS]
        ],
    }  # fmt: skip


def told(figures: dict[str, Any]) -> str:
    """The table as text, beside the published detectors."""
    lines = [f"{'SKAB, rows pooled':30} {'F1':>6} {'FAR %':>6} {'MAR %':>6}   NAB standard / low FP / low FN"]
    ours = (
        "Ndiyan, chosen on other files",
        figures["f1"],
        figures["far_pct"],
        figures["mar_pct"],
        *figures["nab"].values(),
    )
    for name, f1, far, mar, *scores in (ours, *PUBLISHED):
        lines.append(f"{name:30} {f1:6.3f} {far:6.1f} {mar:6.1f}   " + " / ".join(f"{score:.1f}" for score in scores))
    lines.append("best published NAB: standard 32.4 (MSCRED, F1 0.36); always alarm: F1 0.698, NAB standard -1.5")
    lines.append(f"{figures['files']} files, {figures['rows']} rows judged, {figures['ms_a_file']} ms a file")
    return "\n".join(lines)
