"""An hour without the database, in real time, while gateways measure and people write: what is there afterwards?

`make bench-away` with ARGS="--minutes 60 --without broker". A whole server as in `make bench-chaos`. One part ends by
kill -9 and comes back only after that time; a program that ends by itself meanwhile is started again, as a supervisor
would. Then the clock runs until all that was taken is stored and every SMS answered. Exit status 1 when anything was
lost, twice, at another time or unanswered, or when a part stands still by Ndiyan's own watchdog.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks.crash import SETTLE_WITHIN_S, commit, commune_of, done_told, says_fine, sums_told
from benchmarks.processes import family, pss_mb
from gateway.clock import SystemClock
from ndiyan.embedded_broker import find_mosquitto
from tests.scenarios.chaos_harness import Commune, People, standing_parts
from tests.scenarios.crash_harness import Load, oracle_of, running
from tests.scenarios.oracle import Finding, Kind, Oracle

LOAD = Load(gateway_per_s=20.0, sensor_per_s=20.0, backlog_speed=60)
MINUTE_S = 60.0
ACT_EVERY_S = 15.0
BEFORE_MIN = 2.0
CATCH_UP_SHARE = 0.1  # of the time without a part, that all may take to be stored, beside what a crash may
TOLD_EVERY_MIN = 5.0
CLOCK = SystemClock()
SEEN_WITHIN_S = 180.0  # by Ndiyan's own watchdog, that all works again


class Without(Commune):
    """A commune that does without one of its parts for a while."""

    def take_away(self, part: str) -> None:
        """It ends as in a power cut."""
        self._take_down(part)

    def bring_back(self, part: str) -> None:
        """It is started."""
        self._bring_up(part)

    def memory_mb(self) -> Mapping[str, float]:
        """What each service has [MB], with its children and its part of what processes share."""
        return {part: sum(map(pss_mb, family(self.pid(part)))) for part in self.services if part in self._children}


def run(mosquitto: Path, part: str, minutes: float) -> bool:
    """The time before, the time without, and the sums."""
    with commune_of(Without, mosquitto, LOAD) as (commune, people):
        with running(commune) as oracle:
            _live(commune, people, BEFORE_MIN)
            findings = oracle.settle(within_s=SETTLE_WITHIN_S) + people.settle(within_s=SETTLE_WITHIN_S)
            if not findings:
                findings = _do_without(commune, people, oracle, part, minutes)
            tally = oracle.tally()
        print(f"\n{sums_told(tally, findings)}\n{done_told(people.sums())}")
        ended = Counter(words.partition(" ")[0] for words in commune.ended_by_itself)
        print(f"ended by themselves {', '.join(f'{one} {n} times' for one, n in ended.items()) or 'nobody'}")
        return says_fine(findings, commune.folder)


def _do_without(commune: Without, people: People, oracle: Oracle, part: str, minutes: float) -> list[Finding]:
    """The time without, and what there is after it; ends at the first thing that is wrong."""
    within_s = SETTLE_WITHIN_S + minutes * MINUTE_S * CATCH_UP_SHARE
    commune.take_away(part)
    print(f"without {part}", flush=True)
    _live(commune, people, minutes)
    began_s = time.monotonic()
    commune.bring_back(part)

    def unanswered() -> list[Finding]:
        left = people.unanswered(within_s=within_s)
        return [Finding(Kind.SMS_LOST, f"{left} of {people.written} were not answered")] if left else []

    steps: tuple[tuple[str, Callable[[], list[Finding]]], ...] = (
        ("it is there", lambda: people.recovered([part], since_s=began_s, within_s=within_s)),
        ("all that was taken is stored", lambda: oracle.settle(within_s=within_s)),
        ("zones are judged and every part works", lambda: standing_parts(commune, CLOCK, within_s=SEEN_WITHIN_S)),
        ("all that people wrote was acted upon", lambda: people.settle(within_s=within_s)),
        ("and answered", unanswered),
        ("all is stored after the drain", lambda: commune.drain(within_s=within_s) + oracle.settle(within_s=within_s)),
    )
    for what, step in steps:
        if findings := step():
            return findings
        print(f"{time.monotonic() - began_s:4.0f} s after its start: {what}", flush=True)
    return oracle_of(commune).conclude()


def _live(commune: Without, people: People, minutes: float) -> None:
    """People act, and who ends by itself is started again."""
    began_s = told_s = time.monotonic()
    while (now_s := time.monotonic()) - began_s < minutes * MINUTE_S:
        commune.tend()
        people.act()
        if now_s - told_s >= TOLD_EVERY_MIN * MINUTE_S:
            told_s = now_s
            memory = ", ".join(f"{part} {mb:.0f} MB" for part, mb in commune.memory_mb().items())
            print(f"  {(now_s - began_s) / MINUTE_S:.0f} min: {memory}", flush=True)
        time.sleep(ACT_EVERY_S)


def main() -> None:
    """Run it and say what it came to."""
    parser = argparse.ArgumentParser(
        description=__doc__, prog="make bench-away", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--without", choices=("database", "broker", *Without.services), default="database")
    arguments = parser.parse_args()
    mosquitto = find_mosquitto()
    if mosquitto is None:
        sys.exit("this needs mosquitto: apt-get install mosquitto")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # and what was started is ended
    print(f"commit {commit()}, {time.strftime('%Y-%m-%d')}", flush=True)
    sys.exit(0 if run(mosquitto, arguments.without, arguments.minutes) else 1)


if __name__ == "__main__":
    main()
