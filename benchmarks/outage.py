"""An hour without the database at 2,000 readings a second: nothing lost, nothing confirmed early, memory flat.

`make bench-outage ARGS="--messages 600000"`; exit status 1 when anything was found. The hour is accelerated: its 7.2
million readings leave as fast as the broker takes them, by a publisher at QoS 1, while the database is dead (kill -9)
and the real ingest runs. As gateways do, the publisher has only so many readings of each gateway under way as
`gateway.uplink` allows; the rest waits, and leaves when what is before it has been committed. Then the database comes
back, and the clock runs until all is committed and confirmed.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.answers import ONE_IN, Answers, sampled_messages
from benchmarks.processes import IngestProcess, MeasureError, Publisher, held_by_broker
from benchmarks.rig import PER_PACK, WARM_UP, ZONES, Rig, make_messages
from benchmarks.wire import connected
from gateway.config import MqttSettings
from gateway.uplink import BACKLOG_READINGS, WINDOW_READINGS
from ingest import mqtt
from ingest.db import connect, queries

SQL = queries("benchmarks", "ingest")
READINGS_PER_S = 2000
UNDER_WAY = ZONES * ((WINDOW_READINGS + BACKLOG_READINGS) // PER_PACK)  # messages: as if all were small packs
HOUR_MESSAGES = 3600 * READINGS_PER_S // PER_PACK
STORE_COUNT = "$SYS/broker/store/messages/count"
SYS_WITHIN_S = 25.0  # the broker tells every ten seconds
QUIET_S = 5.0  # without the database after all has been published
RSS_EVERY_S = 0.1
STALLED_S = 90.0  # without a commit: ingest waits up to 30 s between two attempts
ALLOWED_RSS_MB = 150.0
ALLOWED_GROWTH_MB = 8.0  # while the backlog grows


@dataclass
class Outage:
    """What came of an outage; `findings` is empty when all is well."""

    readings: int
    outage_s: float = 0.0
    backlog: int = 0  # messages that the broker held when the database came back
    first_commit_s: float = 0.0  # after the database answered
    live_after_s: float = 0.0  # after the database answered, until the last of the backlog was confirmed
    lone_ms: float = 0.0  # a message afterwards, from publish to its answer
    rss_mb: list[tuple[float, float]] = field(default_factory=list)  # (s since the outage began, MB)
    peak_rss_mb: float = 0.0
    findings: list[str] = field(default_factory=list)

    @property
    def greatest_mb(self) -> float:
        """The most memory while the database was away."""
        return max((mb for t_s, mb in self.rss_mb if t_s <= self.outage_s), default=0.0)

    @property
    def growth_mb(self) -> float:
        """What memory went up by while the database was away, along a straight line through its second half."""
        half = [point for point in self.rss_mb if self.outage_s / 2 <= point[0] <= self.outage_s]
        if len(half) < 2:
            return 0.0
        t_s, mb = np.array(half).T
        return float(np.polyfit(t_s, mb, 1)[0] * self.outage_s)


class _Memory:
    """Writes down the memory of ingest until told to stop."""

    def __init__(self, process: IngestProcess, outage: Outage) -> None:
        self._process, self._outage, self._stop = process, outage, threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        begin_s = time.monotonic()
        while not self._stop.wait(RSS_EVERY_S):
            self._outage.rss_mb.append((time.monotonic() - begin_s, self._process.rss_mb))


def measure(folder: Path, messages: int, say: Callable[[str], None]) -> Outage:
    """Bring everything up, take the database away, publish, bring it back, and count.

    Raises
    ------
    MeasureError : something did not start, or ingest stored nothing for a long time
    """
    rig, outage = Rig(folder, messages), Outage(messages * PER_PACK)
    process = IngestProcess(rig)
    try:
        rig.start()
        answers = Answers(rig)
        try:
            _run(rig, process, answers, outage, say)
        finally:
            answers.close()
    finally:
        process.stop()
        rig.stop()
    return outage


def _run(rig: Rig, process: IngestProcess, answers: Answers, outage: Outage, say: Callable[[str], None]) -> None:
    process.start()
    warm_up = sampled_messages(rig, rig.warm_up_file)
    answers.expect(warm_up)
    publish(rig, rig.warm_up_file)
    if answers.wait():
        raise MeasureError(f"ingest did not confirm what came before the outage: {process.last_words()}")
    sampled = sampled_messages(rig, rig.file)
    answers.expect(sampled)
    portions = _portions(rig)
    memory = _Memory(process, outage)
    try:
        rig.postgres.kill()
        say("the database is gone")
        began_s = time.monotonic()
        first, sent = portions[0]
        publish(rig, first)
        time.sleep(QUIET_S)
        outage.backlog = held_messages(rig, at_least=sent)
        if outage.backlog < sent:
            outage.findings.append(f"the broker holds {outage.backlog} of {sent} messages: some were confirmed")
        if early := len(answers.answered_ns()):
            outage.findings.append(f"{early} answers to gateways without a database")
        outage.outage_s = time.monotonic() - began_s
        say(f"{sent} messages wait at the broker after {outage.outage_s:.0f} s, {rig.messages - sent} at the gateways")
        rig.postgres.start()
        back_s = time.monotonic()
        say("the database is back")
        outage.first_commit_s = wait_for(rig, (WARM_UP * PER_PACK) + 1) - back_s
        for portion, count in portions[1:]:
            wait_for(rig, (WARM_UP + sent - UNDER_WAY // 2) * PER_PACK)
            publish(rig, portion)
            sent += count
        wait_for(rig, (WARM_UP + rig.messages) * PER_PACK)
        if unanswered := answers.wait():
            outage.findings.append(f"{unanswered} messages were stored and not answered")
        outage.live_after_s = time.monotonic() - back_s
    finally:
        memory.stop()
    outage.lone_ms = _lone_message_ms(rig, answers)
    outage.peak_rss_mb = process.peak_rss_mb
    process.stop()
    lost, twice = rig.lost_and_twice()
    twice -= PER_PACK  # the lone message is none of those that are expected
    held = held_by_broker(rig.broker.ingest_settings)
    for name, count in (("lost", lost), ("twice or foreign", twice), ("still held by the broker", held)):
        if count:
            outage.findings.append(f"{name}: {count}")
    if outage.peak_rss_mb > ALLOWED_RSS_MB:
        outage.findings.append(f"ingest had {outage.peak_rss_mb:.0f} MB, bound {ALLOWED_RSS_MB:.0f}")
    if outage.growth_mb > ALLOWED_GROWTH_MB:
        outage.findings.append(f"memory grew by {outage.growth_mb:.1f} MB during the outage")


def _portions(rig: Rig) -> list[tuple[Path, int]]:
    """The messages in files that follow each other, with how many are in each: what gateways have under way at once."""
    lines = rig.file.read_bytes().splitlines()
    found = []
    for number, begin in enumerate(range(0, len(lines), UNDER_WAY)):
        file = rig.folder / f"portion-{number}"
        some = lines[begin : begin + UNDER_WAY]
        file.write_bytes(b"\n".join(some))
        found.append((file, len(some)))
    return found


def publish(rig: Rig, file: Path) -> None:
    """Publish a file as fast as the broker takes it."""
    publisher = Publisher(rig, file)
    try:
        publisher.go()
        publisher.left_ns()
    finally:
        publisher.kill()


def held_messages(rig: Rig, *, at_least: int) -> int:
    """How many messages the broker says that it keeps; waits for a while until it says enough."""
    end_s, count, rest = time.monotonic() + SYS_WITHIN_S, 0, b""
    with connected(MqttSettings.from_url(rig.broker.operator_url), "bench-sys") as link:
        link.sendall(mqtt.subscribe_packet(1, STORE_COUNT, protocol=5))
        link.settimeout(1.0)
        while count < at_least and time.monotonic() < end_s:
            try:
                rest += link.recv(65_536)
            except TimeoutError:
                continue
            published, _, end = mqtt.read_packets(rest, protocol=5)
            count = max([count, *(int(one.payload) for one in published)])
            rest = rest[end:]
    return count


def wait_for(rig: Rig, goal: int) -> float:
    """When so many readings have been received and committed [monotonic s]."""
    received, moved_s = -1, time.monotonic()
    with connect(rig.postgres.url()) as connection:
        while received < goal:
            ((found,),) = connection.execute(SQL["received"]).fetchall()
            if found != received:
                received, moved_s = found, time.monotonic()
            elif time.monotonic() - moved_s > STALLED_S:
                raise MeasureError(f"nothing was stored for {STALLED_S:.0f} s, {received} of {goal} readings are")
            time.sleep(0.02)
    return time.monotonic()


def _lone_message_ms(rig: Rig, answers: Answers) -> float:
    """How long one more message takes from publish to answer; its zone is one that is listened for."""
    ((topic, payload),) = make_messages(WARM_UP + rig.messages + (-rig.messages) % ONE_IN, 1, rig.start_s)
    file = rig.folder / "lone"
    file.write_bytes(topic.encode() + b"\t" + payload)
    answers.expect(sampled_messages(rig, file))
    begin_s = time.monotonic()
    answers.publish(topic, payload)
    if answers.wait():
        raise MeasureError("a message after the outage was not answered")
    return (time.monotonic() - begin_s) * 1e3


def told(outage: Outage) -> str:
    """What came of it, for people."""
    rate = outage.readings / max(outage.live_after_s - outage.first_commit_s, 1e-9)
    minutes = outage.readings / READINGS_PER_S / 60
    return "\n".join(
        [
            f"readings            {outage.readings}, {minutes:.1f} min at {READINGS_PER_S}/s",
            f"without database    {outage.outage_s:.0f} s, {outage.backlog} messages held by the broker at its end",
            f"first commit        {outage.first_commit_s:.1f} s after the database answered",
            f"back to live        {outage.live_after_s:.1f} s after the database answered ({rate:.0f} readings/s)",
            f"a message then      {outage.lone_ms:.0f} ms from publish to answer",
            f"memory of ingest    peak {outage.peak_rss_mb:.0f} MB, without database {outage.greatest_mb:.0f} MB",
            f"  its growth        {outage.growth_mb:+.1f} MB from begin to end of the outage",
            f"found               {'; '.join(outage.findings) or 'nothing lost, twice, or confirmed early'}",
        ]
    )


def main() -> None:
    """Run it and say what it came to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=HOUR_MESSAGES)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ndiyan-outage-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        outage = measure(folder, arguments.messages, lambda text: print(text, flush=True))
    print(f"\n{told(outage)}")
    sys.exit(1 if outage.findings else 0)


if __name__ == "__main__":
    main()
