"""Segment counts of random texts beside two other programs, from npm: Twilio's calculator and split-sms.

`make bench-segments`; exit status 1 when one text is counted otherwise. npm fetches both the first time.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from alerts.messages import segments
from benchmarks.processes import MeasureError
from tests.surroundings import ROOT

PEERS = ROOT / "benchmarks" / "segments_npm"
INSTALL_TIMEOUT_S = 300
AT_ONCE = 20_000
PLAIN, FRENCH = "abcdefghij klmnopqrstuvwxyz0123456789.,:", "éèàùÉÇ"
ESCAPED, OUTSIDE, TWO_UNITS = "€[]{}^~|\\", "êçœɓɗŋƴ’", "\U0001f600\U0001f4a7\U0001e900"
LENGTHS = (1, 66, 67, 68, 69, 70, 71, 133, 134, 135, 152, 153, 154, 159, 160, 161, 305, 306, 307, 400)


def texts(seed: int) -> Iterator[str]:
    """For ever, of all alphabets, most of them about as long as a segment or two."""
    dice = random.Random(seed)  # noqa: S311 - repeatable, no secret
    while True:
        letters = PLAIN * 5 + FRENCH
        letters += ESCAPED * 3 if dice.random() < 0.6 else ""
        letters += OUTSIDE if dice.random() < 0.4 else ""
        letters += TWO_UNITS * 3 if dice.random() < 0.3 else ""
        yield "".join(dice.choices(letters, k=dice.choice(LENGTHS)))


class Peers:
    """Both programs, run by Node.js.

    Raises
    ------
    MeasureError : node or npm is missing, or npm could not fetch them
    """

    def __init__(self) -> None:
        node, npm = shutil.which("node"), shutil.which("npm")
        if node is None or npm is None:
            raise MeasureError(
                "node and npm are not installed, so there is nobody to compare with: apt-get install npm"
            )
        folder = _installed(npm)
        self._node, self._program = node, folder / "count.js"

    def count(self, some: list[str]) -> list[list[int]]:
        """[one's, the other's] for each text."""
        lines = "".join(json.dumps(text) + "\n" for text in some)
        told = subprocess.run([self._node, self._program], input=lines, capture_output=True, text=True, check=True)
        return [json.loads(line) for line in told.stdout.splitlines()]


def differences(seed: int, number: int, peers: Peers) -> tuple[int, list[str]]:
    """How many texts were compared, and those that somebody counts otherwise than we do."""
    source, odd, done = texts(seed), [], 0
    while done < number:
        some = [next(source) for _ in range(min(AT_ONCE, number - done))]
        for text, theirs in zip(some, peers.count(some), strict=True):
            if (ours := segments(text).number) != theirs[0] or ours != theirs[1]:
                odd.append(f"{ours} against {theirs}: {text!r}")
        done += len(some)
    return done, odd


def main() -> None:
    """Compare and say what came of it."""
    parser = argparse.ArgumentParser(description=__doc__, prog="make bench-segments")
    parser.add_argument("--texts", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    begin_s = time.monotonic()
    try:
        peers = Peers()
        done, odd = differences(asked.seed, asked.texts, peers)
    except MeasureError as error:
        sys.exit(str(error))
    print(f"{done} texts, seed {asked.seed}, {time.monotonic() - begin_s:.0f} s; counted otherwise: {len(odd)}")
    print("\n".join(odd[:10]))
    sys.exit(1 if odd else 0)


def _installed(npm: str) -> Path:
    """The folder with both, which npm fetches the first time."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ndiyan" / "segments"
    wanted = (PEERS / "package.json").read_bytes()
    cache.mkdir(parents=True, exist_ok=True)
    shutil.copy(PEERS / "count.js", cache)
    if not (cache / "node_modules" / "split-sms").is_dir() or (cache / "package.json").read_bytes() != wanted:
        (cache / "package.json").write_bytes(wanted)
        done = subprocess.run(
            [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-package-lock"],
            cwd=cache, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S, check=False,
        )  # fmt: skip
        if done.returncode:
            raise MeasureError(f"npm could not fetch them: {(done.stderr.splitlines() or ['no reason given'])[-1]}")
    return cache


if __name__ == "__main__":
    main()
