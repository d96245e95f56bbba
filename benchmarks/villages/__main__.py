"""How well the detectors do in villages of a model that they were not written for: `python -m benchmarks.villages`.

Makes seasons in a temporary folder, runs the backtest over them and prints one scoreboard over all seeds. With
`--perturb` it takes one sensor after the other away, reads less often, adds noise, and says how far the figures fall.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console

from alerts.scoreboard import as_json
from benchmarks.villages.board import (
    Judged,
    Progress,
    false_by_kind,
    judge,
    score_of,
    seen_recall,
    together,
    told_board,
    told_confusion,
    told_each,
)
from benchmarks.villages.sets import LESSENED, WHOLE, Lessened, Model, get_set, lessen
from benchmarks.villages.span import Span
from gateway.model import CHANNELS
from ndiyan.progress import Steps

ALL_CHANNELS = {f"{kind}/{name}" for kind, specs in CHANNELS.items() for name in specs}
START = date(2026, 2, 6)  # the month of fasting and its feast are in these days


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be judged: for each model and seed a set, and each set in some ways."""

    models: Sequence[Model]
    seeds: Sequence[int]
    span: Span
    zones: int
    ways: Sequence[Lessened]
    folder: Path

    @property
    def work(self) -> int:
        """Zones to judge."""
        return len(self.models) * len(self.seeds) * len(self.ways) * self.zones


def main() -> None:
    """Judge and print."""
    arguments = _arguments()
    span = Span(arguments.start, arguments.days)
    given = Lessened("as asked", frozenset(arguments.without), arguments.interval, arguments.noise)
    ways = (WHOLE, *LESSENED) if arguments.perturb else (given,)
    with ExitStack() as stack:
        folder = arguments.keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ndiyan-villages-")))
        plan = Plan([Model(name) for name in arguments.model], arguments.seeds, span, arguments.zones, ways, folder)
        steps = Steps(Console(stderr=True))
        title = f"judging {len(plan.seeds)} × {plan.zones} zones for {span.days} days, {len(ways)} ways"
        with steps.bar(title, unit="zones") as progress:
            found = run(plan, progress=progress)
    if arguments.json:
        print(json.dumps(figures(found, span), indent=1))
        return
    for model, ways_of in found.items():
        first = next(iter(ways_of.values()))
        print(f"{model}, seeds {' '.join(map(str, plan.seeds))}:\n{told_board(first, span)}")
        if arguments.each:
            print(f"\n{told_confusion(first, span)}\n\n{told_each(first)}")
        if arguments.perturb:
            print(f"\nwith less to see:\n{told_falls(ways_of, span)}")
        print()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.villages", description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12])
    parser.add_argument("--zones", type=int, default=24)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--start", type=date.fromisoformat, default=START)
    parser.add_argument("--model", choices=[model.value for model in Model], nargs="+", default=[Model.VILLAGES.value])
    parser.add_argument("--interval", type=int, default=0, help="no reading more often than this [s]")
    parser.add_argument("--without", nargs="+", default=[], metavar="ASSET/CHANNEL", help="tap/volume_m3 is all taps'")
    parser.add_argument("--noise", type=float, default=1.0, help="so many times that of the instruments")
    parser.add_argument("--perturb", action="store_true", help="all that, one after the other, as a table")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where sets are left; what is there is kept")
    parser.add_argument(
        "--each", action="store_true", help="truth by what was told as a table, and every false alert, misname and miss"
    )
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if unknown := set(arguments.without) - ALL_CHANNELS:
        parser.error(f"--without: {min(unknown)} is none of {', '.join(sorted(ALL_CHANNELS))}")
    if arguments.perturb and (arguments.without or arguments.interval or arguments.noise != 1):
        parser.error("--perturb does all of --without, --interval and --noise by itself")
    return arguments


def run(plan: Plan, *, progress: Progress) -> dict[Model, dict[str, Judged]]:
    """Of each model and way, all seeds together."""
    found: dict[Model, dict[str, Judged]] = {}
    done = 0
    for model in plan.models:
        by_way: dict[str, list[tuple[int, Judged]]] = {way.name: [] for way in plan.ways}
        for seed in plan.seeds:
            for noise in sorted({way.noise for way in plan.ways}):
                folder = plan.folder / f"{model}-{seed}-noise-{noise:g}"
                lived = get_set(model, seed, plan.span, plan.zones, folder, noise=noise)
                for way in plan.ways:
                    if way.noise == noise:
                        judged = judge(lessen(lived, way), progress=_from(done, plan.work, progress))
                        by_way[way.name].append((seed, judged))
                        done += plan.zones
        found[model] = {name: together(judged) for name, judged in by_way.items()}
    return found


def _from(done: int, work: int, progress: Progress) -> Progress:
    return lambda zones, _: progress(done + zones, work)


def told_falls(ways: dict[str, Judged], span: Span) -> str:
    """A line for each way: recall and precision, and how far they fall from the first."""
    lines = [f"  {'':20} {'recall':>15} {'of what shows':>14} {'precision':>16} {'false/zone-month':>17}"]
    scores = {name: score_of(judged, span) for name, judged in ways.items()}
    whole = next(iter(scores.values()))
    for name, found in scores.items():
        seen = seen_recall(ways[name], span)
        lines.append(
            f"  {name:20} {_fall(found.recall, whole.recall):>15} {'—' if seen is None else f'{seen:.3f}':>14}"
            f" {_fall(found.precision, whole.precision):>16} {found.false_per_zone_month or 0:>17.2f}"
        )
    return "\n".join(lines)


def _fall(value: float | None, whole: float | None) -> str:
    if value is None or whole is None:
        return "—"
    return f"{value:.3f} ({value - whole:+.3f})"


def figures(found: dict[Model, dict[str, Judged]], span: Span) -> dict[str, Any]:
    """All of it for machines."""
    return {
        model.value: {
            name: {
                **as_json(score_of(judged, span)), "recall_of_what_shows": seen_recall(judged, span),
                "false_by_kind": {
                    kind: {"count": count, "per_zone_month": of_all, "per_clean_zone_month": clean}
                    for kind, (count, of_all, clean) in false_by_kind(judged, span).items()
                },
            }
            for name, judged in ways.items()
        }
        for model, ways in found.items()
    }  # fmt: skip


if __name__ == "__main__":
    main()
