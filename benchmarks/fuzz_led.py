"""One parser under libFuzzer: `python -m benchmarks.fuzz_led PARSER [libFuzzer's options] [FOLDER]`, where atheris is.

What our own modules do is what leads the fuzzer, so they are imported here, under its eyes, and nowhere before.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable

OURS = ["alerts", "gateway", "ingest", "web"]
SLOWEST_S = 10.0  # of CPU for one input


def main(name: str, arguments: list[str]) -> None:
    """Hand this process over to libFuzzer, which ends it."""
    atheris = importlib.import_module("atheris")  # of an environment of its own (deploy/fuzz.lock)
    with atheris.instrument_imports(include=OURS):
        parsers = importlib.import_module("benchmarks.parsers")
    atheris.Setup([sys.argv[0], *arguments], timed(parsers.PARSERS[name].try_one))
    atheris.Fuzz()


def timed(try_one: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """`try_one` that fails when it took too much CPU; by the clock a busy machine is slow, too."""

    def try_timed(data: bytes) -> None:
        begin_s = time.process_time()
        try_one(data)
        if (took_s := time.process_time() - begin_s) > SLOWEST_S:
            raise TimeoutError(f"{took_s:.1f} s of CPU for {len(data)} bytes")

    return try_timed


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
