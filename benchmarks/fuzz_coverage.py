"""Parsers under a fuzzer that the coverage of our own modules leads (atheris): `make bench-fuzz-coverage`.

`ARGS="zones replies --runs 100000"`; without names all parsers, one after the other. Exit status 1 when one of them
failed: it raised what it does not promise to raise, took too long or too much memory, or accepted what it must not.
The bytes that did it are left in `--keep`. It begins with the corpus of `benchmarks/corpus`, which `--write-corpus`
makes anew from what has been found, and with what is right. What watches the parser keeps memory of each comparison, so
a new process goes on with what was found after a quarter of a million runs.
"""

from __future__ import annotations

import argparse
import itertools
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.parsers import PARSERS

CORPUS = Path(__file__).parent / "corpus"
RUNS = 1_000_000
RUNS_A_PROCESS = 250_000
LONGEST = 4096  # bytes of an input; what is long is tried by `make bench-fuzz`
HANGS_AFTER_S, MOST_MB = 300, 1024  # by the clock on the wall: what only is slow is found by its CPU (`fuzz_led`)
SMALL = 400  # bytes of an input that the corpus keeps
MOST_KEPT = 40
DONE = re.compile(r"Done (\d+) runs in (\d+) second")
COVERED = re.compile(r"cov: (\d+) ft: (\d+)")


def main() -> int:
    """Fuzz one parser after the other and print what came of each; 1 when one failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parsers", nargs="*", choices=[[], *PARSERS], metavar="PARSER", help=", ".join(PARSERS))
    parser.add_argument("--runs", type=int, default=RUNS, help="of each")
    parser.add_argument("--seconds", type=int, default=0, help="of each at the most; 0 for no end")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--keep", type=Path, default=Path("test-results/fuzz"), help="where inputs that failed are left"
    )
    parser.add_argument("--write-corpus", action="store_true", help="anew, from what reached something new")
    options = parser.parse_args()
    options.keep.mkdir(parents=True, exist_ok=True)
    print(f"{'parser':<12}{'runs':>12}{'seconds':>9}{'edges':>8}{'features':>10}{'inputs':>8}  outcome")
    failed = False
    for name in options.parsers or PARSERS:
        with tempfile.TemporaryDirectory(prefix="ndiyan-fuzz-") as folder:
            failed |= not fuzz(name, Path(folder), options)
    return int(failed)


def fuzz(name: str, folder: Path, options: argparse.Namespace) -> bool:
    """Run libFuzzer on one parser in processes of its own, one after the other; whether nothing was found."""
    inputs = folder / "inputs"
    inputs.mkdir()
    for number, right in enumerate(PARSERS[name].right()):
        (inputs / f"right-{number}").write_bytes(right)
    for file in (CORPUS / name).glob("*"):
        shutil.copy(file, inputs)
    runs = seconds = 0
    edges = features = outcome = "?"
    for seed in itertools.count(options.seed):
        share, left_s = min(RUNS_A_PROCESS, options.runs - runs), options.seconds - seconds
        if share <= 0 or (options.seconds and left_s <= 0):
            break
        done = _run(
            name, f"-runs={share}", f"-max_total_time={left_s if options.seconds else 0}", f"-seed={seed}",
            f"-max_len={LONGEST}", f"-timeout={HANGS_AFTER_S}", f"-rss_limit_mb={MOST_MB}", "-print_final_stats=0",
            f"-artifact_prefix={options.keep}/{name}-", str(inputs),
        )  # fmt: skip
        ran, covered = DONE.findall(done.stderr), COVERED.findall(done.stderr)
        edges, features = covered[-1] if covered else (edges, features)
        if done.returncode or not ran:
            outcome = f"FAILED, see {options.keep}: {_why(done.stderr)}"
            break
        runs, seconds, outcome = runs + int(ran[-1][0]), seconds + int(ran[-1][1]), "nothing found"
        print(f"{name}: {runs} of {options.runs} runs", file=sys.stderr, flush=True)
    is_fine = outcome == "nothing found"
    found = len(list(inputs.iterdir()))
    print(f"{name:<12}{runs:>12}{seconds:>9}{edges:>8}{features:>10}{found:>8}  {outcome}", flush=True)
    if options.write_corpus and is_fine:
        _keep(name, inputs)
    return is_fine


def _why(said: str) -> str:
    """What Python said of the failure, or else how libFuzzer calls it."""
    lines = [line.strip() for line in said.splitlines() if "Error" in line or "ERROR" in line or "Exception" in line]
    return lines[0] if lines else said[-300:]


def _keep(name: str, inputs: Path) -> None:
    """Make the corpus anew: of what libFuzzer kept, because it reached something new, the smallest."""
    shutil.rmtree(CORPUS / name, ignore_errors=True)
    (CORPUS / name).mkdir(parents=True)
    found = [file for file in inputs.iterdir() if not file.name.startswith("right-") and file.stat().st_size <= SMALL]
    for file in sorted(found, key=lambda one: (one.stat().st_size, one.name))[:MOST_KEPT]:
        shutil.copy(file, CORPUS / name / file.name[:12])


def _run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.fuzz_led", name, *arguments]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)


if __name__ == "__main__":
    sys.exit(main())
