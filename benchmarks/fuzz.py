"""A million malformed or mutated messages through the product's own admission.

`make bench-fuzz ARGS="--messages 1000000 --seed 7"`; exit status 1 when anything was found: the decoder failed, a
message took longer than it may, memory grew, or a reading is not in the account. What a message costs is CPU time of
the thread that reads it, so that a busy machine does not lie.
"""

from __future__ import annotations

import argparse
import gc
import json
import logging
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from benchmarks.hostile import GATEWAY, LABELS, NOON_US, STATUS, TOPICS, UP, WILD, ZONE, Fuzzer, weapons
from ingest.admission import Admission, Anchors, ChannelEntry, Directory, Message, RejectReason, admit
from ingest.clocks import EARLIEST_US, TOLERANCE_US
from ingest.senml import LARGEST

SLOWEST_MS = 50.0
GREATEST_GROWTH_MB = 8.0
WARM_UP = 20_000
BY_HYPOTHESIS = 10_000
TOLD_EVERY = 100_000
PAGE_MB = os.sysconf("SC_PAGE_SIZE") / 1e6
CHANNELS = {
    (ZONE, "tower", "level_m"): ChannelEntry(1, "m", -1, 30),
    (ZONE, "pump", "flow_m3_h"): ChannelEntry(2, "m³/h", -50, 500),
    (ZONE, "pump", "pressure_bar"): ChannelEntry(3, "bar", -1, 60),
}


@dataclass
class Tally:
    """What became of the messages; `problems` is empty when all is well."""

    messages: int = 0
    accepted: int = 0
    statuses: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    slowest_ms: float = 0.0
    slowest: str = ""
    problems: list[str] = field(default_factory=list)


class Judge:
    """Admits messages one at a time, as ingest does, and holds against each what must be true of any."""

    def __init__(self) -> None:
        self.directory = Directory({GATEWAY: ZONE}, CHANNELS)
        self.anchors: Anchors = {}
        self.tally = Tally()

    def judge(self, topic: str, payload: bytes) -> Admission:
        """Admit one message and take it into the tally."""
        message = Message(topic, payload, NOON_US, 1, 1)
        gc.disable()  # a collection belongs to no message
        begin_ns = time.thread_time_ns()
        admission = admit([message], self.directory, self.anchors)
        columns, _ = admission.columns, admission.taken
        took_ms = (time.thread_time_ns() - begin_ns) / 1e6
        gc.enable()
        tally = self.tally
        tally.messages += 1
        tally.accepted += len(columns)
        tally.statuses += len(admission.statuses)
        tally.reasons.update(item.reason.value for item in admission.set_aside)
        if took_ms > tally.slowest_ms:
            tally.slowest_ms, tally.slowest = took_ms, f"{topic[:60]} {payload[:60]!r} ({len(payload)} bytes)"
        wrong = [*what_is_wrong(admission), *([f"slow, {took_ms:.1f} ms"] if took_ms > SLOWEST_MS else [])]
        tally.problems += [f"{one}: {topic[:100]} {payload[:400]!r} ({len(payload)} bytes)" for one in wrong]
        return admission


def what_is_wrong(admission: Admission) -> Iterable[str]:
    """What is not as it must be, whatever came."""
    columns, aside = admission.columns, admission.set_aside
    if any(item.reason is RejectReason.DECODER_FAILED for item in aside):
        yield f"the decoder failed, {aside[-1].detail}"
    received = sum(sender.received for sender in admission.senders.values())
    if not received == len(columns) + len(aside) == len(admission.sender) + len(aside):
        yield f"the account: {received} received, {len(columns)} accepted, {len(aside)} set aside"
    if not received and not admission.statuses and _has_readings(admission):
        yield "nothing became of it"
    if not all(item.detail and item.sender in admission.senders for item in aside):
        yield "set aside without reason or sender"
    is_dated = (columns.measured_us >= EARLIEST_US) & (columns.measured_us <= NOON_US + TOLERANCE_US)
    if not is_dated.all() or not (np.abs(columns.value) <= LARGEST * 1e6).all():
        yield "a reading without a possible time or a finite value was accepted"


def _has_readings(admission: Admission) -> bool:
    """Whether the payload is anything but a pack of base fields alone."""
    try:
        found = json.loads(admission.messages[0].payload)
    except (ValueError, RecursionError):
        return False  # another form than JSON; what cannot be read is received as one
    return not isinstance(found, list) or any(
        not isinstance(one, dict) or one.get("n") is not None or one.get("v") is not None for one in found
    )


def rss_mb() -> float:
    """The memory of this process [MB]."""
    return int(Path("/proc/self/statm").read_text("ascii").split()[1]) * PAGE_MB


def by_hypothesis(count: int, seeded: int, judge: Callable[[str, bytes], object]) -> None:
    """Messages that hypothesis makes."""
    plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(WILD)
    values = plain | st.lists(plain, max_size=2) | st.dictionaries(st.text(max_size=3), plain, max_size=2)
    records = st.lists(st.dictionaries(st.sampled_from(LABELS), values, max_size=6), max_size=5)
    payloads = records.map(lambda found: json.dumps(found).encode()) | st.binary(max_size=300)

    @seed(seeded)
    @settings(
        max_examples=count, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(st.sampled_from((UP, UP, UP, STATUS, *TOPICS)), payloads)
    def run(topic: str, payload: bytes) -> None:
        judge(topic, payload)

    run()


def main() -> None:
    """Fuzz and say what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=time.time_ns() % 1_000_000)
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)  # a decoder that fails logs each time; it is counted here
    judge, begin_s = Judge(), time.monotonic()
    for payload in weapons().values():
        judge.judge(UP, payload)
    settled_mb = peak_mb = 0.0
    for number, (topic, payload) in enumerate(Fuzzer(arguments.seed).messages(arguments.messages)):
        judge.judge(topic, payload)
        if number == WARM_UP:
            settled_mb = peak_mb = rss_mb()
        if number % TOLD_EVERY == TOLD_EVERY - 1:
            peak_mb = max(peak_mb, rss_mb())
            print(f"{number + 1} of {arguments.messages}, {rss_mb():.0f} MB", flush=True)
    growth_mb = rss_mb() - settled_mb if settled_mb else 0.0
    by_hypothesis(min(BY_HYPOTHESIS, arguments.messages), arguments.seed, judge.judge)
    tally, took_s = judge.tally, time.monotonic() - begin_s
    if growth_mb > GREATEST_GROWTH_MB:
        tally.problems.append(f"memory grew by {growth_mb:.1f} MB")
    print(f"\nseed {arguments.seed}")
    print(f"messages            {tally.messages}, {len(weapons())} of them known weapons, the rest mutated or random")
    print(f"readings accepted   {tally.accepted}, statuses {tally.statuses}")
    print("set aside           " + ", ".join(f"{reason} {count}" for reason, count in tally.reasons.most_common()))
    print(f"slowest             {tally.slowest_ms:.1f} ms of CPU (bound {SLOWEST_MS:.0f}): {tally.slowest}")
    print(f"memory              {settled_mb:.0f} MB after {WARM_UP}, then {growth_mb:+.1f} MB, peak {peak_mb:.0f} MB")
    print(f"took                {took_s:.0f} s, {tally.messages / took_s:.0f} messages a second, making them included")
    if tally.problems:
        print(f"\nFOUND {len(tally.problems)}:")
        for problem in tally.problems[:10]:
            print(f"  {problem}")
        sys.exit(1)


if __name__ == "__main__":
    main()
