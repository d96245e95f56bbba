"""One parser under libFuzzer: `python -m benchmarks.fuzz_led PARSER [libFuzzer's options] [FOLDER]`, where atheris is.

What our own modules do is what leads the fuzzer, so they are imported here, under its eyes, and nowhere before.
"""

from __future__ import annotations

import importlib
import sys

OURS = ["alerts", "gateway", "ingest"]


def main(name: str, arguments: list[str]) -> None:
    """Hand this process over to libFuzzer, which ends it."""
    atheris = importlib.import_module("atheris")  # of an environment of its own (deploy/fuzz.lock)
    with atheris.instrument_imports(include=OURS):
        parsers = importlib.import_module("benchmarks.parsers")
    atheris.Setup([sys.argv[0], *arguments], parsers.PARSERS[name].try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
