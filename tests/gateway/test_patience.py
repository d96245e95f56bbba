"""What a gateway sends while nobody answers, and what it does at the first answer; without a broker."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from paho.mqtt.enums import MQTTErrorCode

from gateway.clock import ManualClock
from gateway.config import MqttSettings
from gateway.model import AssetId, Reading
from gateway.outbox import Outbox
from gateway.uplink import BACKLOG_READINGS, WINDOW_READINGS, Uplink
from gateway.wire import ack_topic, decode_numbers, encode_numbers
from ingest.senml import decode_pack

ZONE, GATEWAY = "zone-1", "gw-1"
NAMES = [(AssetId(f"tap-{number:02d}"), "volume_m3") for number in range(1, 18)] + [(AssetId("tower"), "level_m")]
ROUND_READINGS, DAY_ROUNDS = 5 * len(NAMES), 24 * 12


class Line:
    """Broker and link: keeps the packs that ingest has not fetched yet, and counts what was paid for."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.sent_bytes, self.status = 0, b""
        self.sent: Counter[int] = Counter()
        self.declared: list[bytes] = []

    def publish(self, topic: str, payload: bytes, **_: object) -> SimpleNamespace:
        if topic.endswith("/status"):
            self.status = payload
        elif topic.endswith("/thinned"):
            self.declared.append(payload)
        else:
            self.kept.append(payload)
            self.sent_bytes += len(payload)
            self.sent.update(record.seq for record in decode_pack(payload).records if record.seq is not None)
        return SimpleNamespace(rc=MQTTErrorCode.MQTT_ERR_SUCCESS, mid=1)

    def copies_kept(self) -> int:
        """How many readings lie at the broker, each as often as it came."""
        return sum(len(decode_pack(payload).records) for payload in self.kept)

    def subscribe(self, *_: object, **__: object) -> None:
        """Answers come by `Village.ingest_answers`."""


class SteppedUplink(Uplink):
    """Connected and asked by hand."""

    def connect(self, line: Line) -> None:
        self._client = cast("Any", line)
        self._on_connect(
            cast("Any", line), None, cast("Any", None), cast("Any", SimpleNamespace(is_failure=False)), None
        )

    def step(self) -> None:
        self._send_due()

    def hear(self, payload: bytes) -> None:
        message = SimpleNamespace(topic=ack_topic(ZONE, GATEWAY), payload=payload)
        self._on_message(cast("Any", None), None, cast("Any", message))


class Village:
    """A gateway that takes 90 readings every five minutes and looks after its link every half minute."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s, self.taken = 0.0, 0
        monkeypatch.setattr("gateway.uplink.time", SimpleNamespace(monotonic=lambda: self.now_s))
        self.line, self.clock = Line(), ManualClock(datetime(2026, 11, 24, tzinfo=UTC))
        self.outbox = Outbox(folder / "outbox.db")
        self.uplink = SteppedUplink(
            MqttSettings("nowhere", 1883), zone=ZONE, gateway=GATEWAY, outbox=self.outbox, clock=self.clock,
            software="test", uptime_s=lambda: self.now_s,
        )  # fmt: skip
        self.uplink.connect(self.line)

    def pass_rounds(self, count: int, *, is_flapping: bool = False, answers: bool = False) -> None:
        for _ in range(count):
            now = self.clock.now()
            minutes = [now + timedelta(minutes=minute) for minute in range(5)]
            taken = [Reading(*name, minute, 1.0) for minute in minutes for name in NAMES]
            self.taken = self.outbox.append(taken, uptime_s=self.now_s)[-1]
            for _ in range(10):
                self.uplink.step()
                if is_flapping:
                    self.uplink.connect(self.line)
                if answers:
                    self.ingest_answers()
                self.now_s += 30
            self.clock.advance(timedelta(minutes=5))

    def ingest_answers(self) -> None:
        """Ingest fetches what the broker keeps and answers for it, until nothing more comes; no time passes."""
        while self.line.kept:
            pack = decode_pack(self.line.kept.pop(0))
            assert pack.boot is not None
            numbers = [record.seq for record in pack.records if record.seq is not None]
            self.uplink.hear(encode_numbers(pack.boot, [(min(numbers), max(numbers))]))
            self.uplink.step()


@pytest.fixture
def village(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Village]:
    village = Village(tmp_path, monkeypatch)
    village.pass_rounds(2, answers=True)
    assert village.outbox.depth() == 0
    yield village
    village.outbox.close()


def test_a_day_without_ingest_costs_little_and_all_leaves_at_the_first_answer(village: Village) -> None:
    before, taken = village.line.sent_bytes, 2 * ROUND_READINGS
    village.pass_rounds(DAY_ROUNDS)
    paid = village.line.sent_bytes - before
    print(f"a day without an answer: {paid / 1e6:.2f} MB")
    assert paid < 100_000
    live = range(taken + ROUND_READINGS + 1, taken + WINDOW_READINGS + 1)
    assert {village.line.sent[seq] for seq in live} == {1}, "as long as the window has room"
    assert max(village.line.sent) == taken + WINDOW_READINGS, "and no longer"
    assert village.line.sent[taken + 1] > DAY_ROUNDS / 6, "the question, every 20 minutes"
    assert village.line.copies_kept() < 2 * WINDOW_READINGS, "so little lies at a broker that nobody reads"

    village.ingest_answers()
    assert village.outbox.depth() == 0, "no time passed"


def test_what_the_broker_lost_in_the_meantime_leaves_at_the_first_answer_to_a_question(village: Village) -> None:
    village.pass_rounds(DAY_ROUNDS)
    village.line.kept.clear()
    village.pass_rounds(6, answers=True)
    assert village.outbox.depth() == 0, "within half an hour: 20 s doubled six times, and a quarter of it"


def test_a_link_that_flaps_does_not_send_all_again_each_time(village: Village) -> None:
    before = village.line.sent_bytes
    village.pass_rounds(DAY_ROUNDS, is_flapping=True)
    paid = village.line.sent_bytes - before
    print(f"a day without an answer on a link that flaps every 30 s: {paid / 1e6:.2f} MB")
    assert paid < 100_000
    assert village.line.copies_kept() < 2 * WINDOW_READINGS
    village.ingest_answers()
    assert village.outbox.depth() == 0


def test_a_reconnect_after_an_answer_sends_all_that_waits_at_once(village: Village) -> None:
    village.pass_rounds(1)
    village.line.kept.clear()  # the broker comes back empty
    village.uplink.connect(village.line)
    village.uplink.step()
    village.ingest_answers()
    assert village.outbox.depth() == 0


def test_readings_lost_by_a_link_that_flapped_leave_at_the_first_answer_to_a_later_one(village: Village) -> None:
    for _ in range(2):
        village.pass_rounds(1)
        village.line.kept.clear()
        village.uplink.connect(village.line)
    village.uplink.step()
    village.line.kept.clear()
    village.pass_rounds(1, answers=True)
    assert village.outbox.depth() == 0


def test_what_was_thinned_is_declared_ever_more_rarely_until_ingest_confirms_it(
    village: Village, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.uplink.DECLARED_AT_ONCE", 10)
    village.pass_rounds(DAY_ROUNDS)
    gone = village.outbox.thin(before=village.clock.now(), most=10**6)
    village.uplink.step()
    (first,) = village.line.declared
    boot, ranges = decode_numbers(first)
    assert len(ranges) == 10, "no more at once than the link bears"
    village.pass_rounds(12)
    # After 20 s, then after 40, 80, 160, 320, 640 and 1280 s, looked at every half minute; then no rarer than that.
    assert 7 <= len(village.line.declared) <= 9
    assert set(village.line.declared) == {first}, "an hour without an answer"

    declared: list[tuple[int, int]] = []
    while village.outbox.undeclared(1):
        boot, ranges = decode_numbers(village.line.declared[-1])
        declared += ranges
        village.uplink.hear(encode_numbers(boot, ranges))
        village.uplink.step()
    assert sum(high - low + 1 for low, high in declared) == gone
    village.ingest_answers()
    assert village.outbox.depth() == 0


def test_the_status_claims_no_source_of_the_clock_that_is_not_known(village: Village) -> None:
    assert json.loads(village.line.status)["clock"] == "system"


def test_after_a_long_cut_the_newest_goes_first_then_live_and_the_backlog_beside_it(village: Village) -> None:
    village.uplink.pause()
    village.pass_rounds(DAY_ROUNDS)
    village.uplink.resume()
    village.line.kept.clear()
    village.uplink.connect(village.line)
    village.uplink.step()
    newest = decode_pack(village.line.kept[0])
    assert [(one.asset, one.channel) for one in newest.records] == NAMES, "how each channel stands, in one pack"
    assert {one.at_s for one in newest.records} == {(village.clock.now() - timedelta(minutes=1)).timestamp()}
    backlog = [decode_pack(payload).records for payload in village.line.kept[1:]]
    assert sum(map(len, backlog)) == BACKLOG_READINGS, "no more than the link bears"
    assert backlog[0][0].seq == 2 * ROUND_READINGS + 1, "the oldest first"

    village.line.kept.clear()  # nobody has answered yet
    taken_before = village.taken
    village.pass_rounds(1)
    (live,) = (decode_pack(payload).records for payload in village.line.kept[:1])
    assert [one.seq for one in live] == list(range(taken_before + 1, taken_before + ROUND_READINGS + 1))

    village.line.kept.clear()
    village.pass_rounds(2, answers=True)
    assert village.outbox.depth() == 0
    assert not village.uplink.has_backlog
