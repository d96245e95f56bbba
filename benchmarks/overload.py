"""Twice what the machine can take: memory bounded, nothing lost, and how long it takes to catch up.

`make bench-overload` with ARGS="--minutes 10". First it is measured what the machine takes: readings a second that
ingest commits while the broker always has more. Then 1,000 gateways measure twice as much for some minutes. As gateways
do, each has only so many readings under way as `gateway.uplink` allows; the rest waits at the gateways and leaves when
what is before it has been committed. There may be more messages than this machine has room for: they are made in parts,
each while the one before leaves. Afterwards the clock runs until all is committed and confirmed. Exit status 1 when
anything was lost, twice or unconfirmed, or memory goes beyond its bound. `--figure FILE.svg` draws it.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.answers import ONE_IN, Answers, Sampled
from benchmarks.outage import ALLOWED_RSS_MB, STALLED_S, UNDER_WAY, publish, wait_for
from benchmarks.processes import IngestProcess, MeasureError, Publisher, held_by_broker, pss_mb
from benchmarks.rig import PER_PACK, WARM_UP, ZONES, Rig
from ingest.db import connect, queries
from ndiyan.plots import BLUE, GREY, RED, FloatArray, Legend, Line, Panel, time_figure
from web.charts.scale import Span

SQL = queries("benchmarks", "ingest")
TIMES = 2.0
MEASURED_MESSAGES = 300_000  # whose pace is taken for what the machine can: a second of it said nothing of ten minutes
PART = 500_000  # messages that are made and loaded at once
LOOK_EVERY_S = 0.5
RATE_OVER_S = 5.0
ALLOWED_BROKER_MB = 150.0  # what gateways have under way, twice over


class Look(NamedTuple):
    """One moment: how many readings were measured, have left and are committed by then; memory."""

    at_s: float
    measured: int
    left: int
    committed: int
    ingest_mb: float
    broker_mb: float


@dataclass
class Overload:
    """What came of it; `findings` is empty when all is well."""

    capacity_per_s: float
    per_s: float
    minutes: float
    began_s: float = 0.0  # [s since 1970]
    looks: list[Look] = field(default_factory=list)
    caught_up_s: float = 0.0  # after the last was measured, until all was committed and confirmed
    findings: list[str] = field(default_factory=list)


def measure(folder: Path, minutes: float, capacity_per_s: float, say: Callable[[str], None]) -> Overload:
    """Load for `minutes` with twice the capacity.

    Raises
    ------
    MeasureError : something did not start, or ingest stored nothing for a long time
    """
    per_s = TIMES * capacity_per_s
    overload = Overload(capacity_per_s, per_s, minutes)
    rig = Rig(folder, int(per_s * minutes * 60 / PER_PACK))
    process = IngestProcess(rig)
    try:
        rig.start()
        say(f"{rig.messages * PER_PACK} readings in {minutes:g} min: {per_s:.0f}/s")
        process.start()
        answers = Answers(rig)
        try:
            _run(rig, process, answers, overload)
        finally:
            answers.close()
        overload.findings += _judged(rig, process, overload)
    finally:
        process.stop()
        rig.stop()
    return overload


def capacity(folder: Path) -> float:
    """Readings a second that ingest commits while the broker always has more."""
    rig = Rig(folder, MEASURED_MESSAGES)
    process = IngestProcess(rig)
    try:
        rig.start()
        process.start()
        publish(rig, rig.warm_up_file)
        wait_for(rig, WARM_UP * PER_PACK)
        publisher = Publisher(rig, rig.file)
        begin_s = time.monotonic()
        publisher.go()
        end_s = wait_for(rig, (WARM_UP + MEASURED_MESSAGES) * PER_PACK)
        publisher.kill()
        return MEASURED_MESSAGES * PER_PACK / (end_s - begin_s)
    finally:
        process.stop()
        rig.stop()


class Gateways:
    """All messages of a rig, in parts; the next one is made and loaded while one leaves."""

    def __init__(self, rig: Rig) -> None:
        self._rig, self._first, self._until = rig, 0, 0
        self._maker = ThreadPoolExecutor(1)  # and one thread, since a publisher ends with the thread that started it
        self._leaving, self._next = self._made(0).result(), self._made(PART)

    def go(self, until: int) -> None:
        """Of all messages no more than `until` may have left."""
        while until > self._first + PART:
            self._leaving.left_ns()  # all of it; a zone's messages keep their order from one part to the next
            self._first += PART
            self._leaving, self._next = self._next.result(), self._made(self._first + PART)
        if until > self._until:  # a publisher that has nothing left to send ends and hears nothing more
            self._leaving.go(until=until - self._first)
            self._until = until

    def wait(self) -> None:
        """Until the broker has acknowledged all; `go` has been told of all."""
        self._leaving.left_ns()

    def close(self) -> None:
        """End it at once."""
        self._leaving.kill()
        self._next.result().kill()
        self._maker.shutdown()

    def _made(self, first: int) -> Future[Publisher]:
        return self._maker.submit(self._make, first)

    def _make(self, first: int) -> Publisher:
        file = self._rig.write(WARM_UP + first, max(0, min(PART, self._rig.messages - first)))
        try:
            return Publisher(self._rig, file)
        finally:
            file.unlink()


def sampled(rig: Rig) -> Sampled:
    """The messages of a rig whose answers are listened for, by their numbers: no file holds all of them."""
    found: dict[str, dict[int, int]] = {}
    for place in range(0, ZONES, ONE_IN):
        numbers = range(place, rig.messages, ZONES)
        found[rig.zone_ids[place]] = {n: ((WARM_UP + n) // ZONES + 1) * PER_PACK for n in numbers}
    return found


def _run(rig: Rig, process: IngestProcess, answers: Answers, overload: Overload) -> None:
    publish(rig, rig.warm_up_file)
    wait_for(rig, WARM_UP * PER_PACK)
    answers.expect(sampled(rig))
    gateways = Gateways(rig)
    try:
        with connect(rig.postgres.url()) as connection:
            begin_s = moved_s = time.monotonic()
            overload.began_s = time.time()
            before = 0
            while before < rig.messages * PER_PACK:
                at_s = time.monotonic() - begin_s
                ((received,),) = connection.execute(SQL["received"]).fetchall()
                committed = received - WARM_UP * PER_PACK
                measured = min(rig.messages, int(at_s * overload.per_s / PER_PACK) + 1)
                left = min(measured, committed // PER_PACK + UNDER_WAY)
                gateways.go(left)
                memory = process.rss_mb, pss_mb(rig.broker.pid or 0)
                overload.looks.append(Look(at_s, measured * PER_PACK, left * PER_PACK, committed, *memory))
                if committed > before:
                    before, moved_s = committed, time.monotonic()
                elif time.monotonic() - moved_s > STALLED_S:
                    raise MeasureError(f"nothing was stored for {STALLED_S:.0f} s, {committed} readings are")
                time.sleep(LOOK_EVERY_S)
        if unanswered := answers.wait():
            overload.findings.append(f"{unanswered} messages were stored and not answered")
        overload.caught_up_s = time.monotonic() - begin_s - overload.minutes * 60
        gateways.wait()
    finally:
        gateways.close()


def _judged(rig: Rig, process: IngestProcess, overload: Overload) -> list[str]:
    peak_mb, broker_mb = process.peak_rss_mb, max(look.broker_mb for look in overload.looks)
    process.stop()
    lost, twice = rig.lost_and_twice()
    held = held_by_broker(rig.broker.ingest_settings)
    found = [
        f"{name}: {count}"
        for name, count in (("lost", lost), ("twice or foreign", twice), ("still held by the broker", held))
        if count
    ]
    for name, mb, bound in (("ingest", peak_mb, ALLOWED_RSS_MB), ("the broker", broker_mb, ALLOWED_BROKER_MB)):
        if mb > bound:
            found.append(f"{name} had {mb:.0f} MB, bound {bound:.0f}")
    return found


def told(overload: Overload) -> str:
    """What came of it, for people."""
    looks = overload.looks
    queued = max(look.measured - look.committed for look in looks)
    loaded = [look for look in looks if look.at_s <= overload.minutes * 60]
    pace = (loaded[-1].committed - loaded[0].committed) / (loaded[-1].at_s - loaded[0].at_s)
    half = [look.ingest_mb for look in loaded[len(loaded) // 2 :]]
    memory_mb = max(look.ingest_mb for look in looks)
    return "\n".join(
        [
            f"what it can take    {overload.capacity_per_s:.0f} readings/s",
            f"load                {overload.per_s:.0f} readings/s for {overload.minutes:g} min: {looks[-1].measured}",
            f"committed meanwhile {pace:.0f} readings/s; most that waited: {queued}",
            f"caught up           {overload.caught_up_s:.0f} s after the load ended",
            f"memory of ingest    {memory_mb:.0f} MB at the most; {min(half):.0f} to {max(half):.0f} late in the load",
            f"memory of broker    {max(look.broker_mb for look in looks):.0f} MB at the most",
            f"found               {'; '.join(overload.findings) or 'nothing lost, twice or unconfirmed'}",
        ]
    )


def figure(overload: Overload) -> str:
    """Rate, what waits and memory over the time, as SVG."""
    at_s, measured, left, committed, ingest_mb, broker_mb = np.array(overload.looks).T
    end_s = overload.began_s + overload.minutes * 60
    at_s += overload.began_s
    every = max(1, round(RATE_OVER_S / LOOK_EVERY_S))
    panels = (
        Panel("committed, thousand readings/s", [
            Line(at_s[every:], _rate(at_s, committed, every) / 1e3),
            Line(np.array([overload.began_s, end_s]), np.full(2, overload.per_s / 1e3), GREY),
        ], low=0.0),
        Panel("waiting, thousand readings", [
            Line(at_s, (measured - left) / 1e3, GREY), Line(at_s, (left - committed) / 1e3, RED),
        ], low=0.0),
        Panel("memory, MB", [Line(at_s, ingest_mb), Line(at_s, broker_mb, RED)], low=0.0),
    )  # fmt: skip
    says = f"{overload.per_s:.0f} readings/s for {overload.minutes:g} min"
    legend = Legend((("ingest", BLUE), ("broker and under way", RED), ("measured, at gateways", GREY)))
    return time_figure("Twice what the machine can take", says, panels, Span(overload.began_s, float(at_s[-1])), legend)


def _rate(at_s: FloatArray, count: FloatArray, every: int) -> FloatArray:
    return (count[every:] - count[:-every]) / (at_s[every:] - at_s[:-every])


def main() -> None:
    """Run it and say what it came to."""
    parser = argparse.ArgumentParser(
        description=__doc__, prog="make bench-overload", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--figure", type=Path, metavar="FILE.svg")
    arguments = parser.parse_args()

    def say(text: str) -> None:
        print(text, flush=True)

    with tempfile.TemporaryDirectory(prefix="ndiyan-overload-") as name:
        places = [Path(name) / part for part in ("capacity", "load")]
        for place in (Path(name), *places):
            place.mkdir(exist_ok=True)
            place.chmod(0o711)
        per_s = capacity(places[0])
        say(f"the machine takes {per_s:.0f} readings/s")
        overload = measure(places[1], arguments.minutes, per_s, say)
    print(f"\n{told(overload)}")
    if arguments.figure:
        arguments.figure.write_text(figure(overload), "utf-8")
    sys.exit(1 if overload.findings else 0)


if __name__ == "__main__":
    main()
