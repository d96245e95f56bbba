"""People write, a message centre hands over until it has our answer, and everything breaks: each SMS is stored once."""

from __future__ import annotations

import asyncio
import itertools
import struct
import threading
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from unittest import mock

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alerts.carriers import Inbound
from alerts.carriers.smpp import SQL, SmppCarrier
from alerts.carriers.smpp_config import SmppConfig
from alerts.carriers.smpp_link import Link
from alerts.carriers.smpp_pdu import HAS_HEADER, Frames, decode, plain
from alerts.carriers.smpp_unproven import REPEATED_WITHIN, UNPROVEN_FOR, Unproven
from gateway.clock import ManualClock

CONFIG = SmppConfig("operator", "127.0.0.1", 2775, "ndiyan", "secret", "NDIYAN")
LONG = "PANNE depuis hier"
WORDS = ("PANNE", "1", LONG)


class Table:
    """The rows of sms_in, and what the carrier asks of them."""

    def __init__(self) -> None:
        self.rows: dict[str, Inbound] = {}
        self.unproven: set[str] = set()
        self.bound_again_at: dict[str, datetime] = {}
        self.is_away = False

    def store(self, event: Inbound) -> None:
        if event.provider_id not in self.rows:
            self.rows[event.provider_id] = event
            self.unproven.add(event.provider_id)

    def execute(self, query: str, asked: Mapping[str, Any]) -> Table:
        if self.is_away:
            raise psycopg.OperationalError
        if query == SQL["proven"]:
            self.unproven -= set(asked["numbers"])
        elif query == SQL["bound_again"]:
            for number in self.unproven:
                if self.rows[number].at < asked["at"]:
                    self.bound_again_at.setdefault(number, asked["at"])
        return self

    def fetchall(self) -> list[tuple[str, datetime, tuple[str, ...], datetime | None]]:
        return [
            (row.provider_id, row.at, row.repeat_keys, self.bound_again_at.get(number))
            for number, row in self.rows.items() if number in self.unproven
        ]  # fmt: skip

    def may_repeat(self, text: str, now: datetime) -> bool:
        return any(
            self.rows[number].text == text
            and now - self.rows[number].at <= UNPROVEN_FOR
            and now - self.bound_again_at.get(number, now) <= REPEATED_WITHIN
            for number in self.unproven
        )


@dataclass(eq=False)
class Handed:
    """A PDU that the centre hands over until it is answered."""

    text: str
    esm_class: int
    octets: bytes
    is_answered: bool = False
    receipted_id: bytes = b""

    def deliver(self, sequence: int) -> bytes:
        addresses = b"\0" + b"\1\1" + b"224622123456\0" + b"\0\1" + b"7000\0"
        body = addresses + bytes([self.esm_class]) + bytes(8) + bytes([len(self.octets)]) + self.octets
        if self.receipted_id:
            body += struct.pack(">HH", 0x1E, len(self.receipted_id) + 1) + self.receipted_id + b"\0"
        return struct.pack(">IIII", 16 + len(body), 5, 0, sequence) + body


class Wire:
    """What we have written and the centre has not read."""

    def __init__(self) -> None:
        self.frames, self.to_read, self.is_cut = Frames(), deque[bytes](), False

    def write(self, octets: bytes) -> None:
        self.to_read += self.frames.feed(octets)

    def is_closing(self) -> bool:
        return self.is_cut

    def close(self) -> None:
        self.is_cut = True

    abort = close


class Story:
    """A process of ours, whose thread the test is, and a message centre: what goes by the socket goes by our hands."""

    def __init__(self) -> None:
        self.clock, self.table = ManualClock(datetime(2026, 11, 26, 8, 0, tzinfo=UTC)), Table()
        self.handed: list[Handed] = []
        self.written: Counter[str] = Counter()
        self.numbers = itertools.count(100)
        self.start()

    def start(self) -> None:
        with mock.patch.object(threading.Thread, "start"):
            self.carrier = SmppCarrier(CONFIG, cast(Any, self.table), self.clock, wake=lambda: None)
        self.loop = self.carrier._loop
        self.bind()

    def bind(self) -> None:
        async def link() -> Link:
            return Link(CONFIG, "transceiver", self.carrier._take_news)

        self.link, self.wire = self.loop.run_until_complete(link()), Wire()
        self.to_us, self.open = deque[bytes](), dict[int, Handed]()
        self.link.connection_made(cast(Any, self.wire))
        (bind,) = self.wire.to_read
        self.wire.to_read.clear()
        self.link.data_received(plain("bind_transceiver_resp", decode(bind).sequence))

    @property
    def unanswered(self) -> list[Handed]:
        return [one for one in self.handed if not one.is_answered]

    def give(self, one: Handed) -> None:
        self.open[sequence := next(self.numbers)] = one
        self.to_us.append(one.deliver(sequence))

    def hand_over(self, *handed: Handed) -> None:
        self.handed += handed
        for one in handed:
            self.give(one)

    def write(self, which: int) -> None:
        """Somebody writes, and writes the same again as soon as we know that it is not a repeat."""
        text = WORDS[which % len(WORDS)]
        if any(one.text == text for one in self.unanswered) or self.table.may_repeat(text, self.clock.now()):
            return
        self.written[text] += 1
        octets, reference = text.encode(), self.written[text]  # as a telephone counts
        parts = [bytes([5, 0, 3, reference, 2, 1]) + octets[:7], bytes([5, 0, 3, reference, 2, 2]) + octets[7:]]
        pieces = [Handed(text, HAS_HEADER, part) for part in parts] if text == LONG else [Handed(text, 0, octets)]
        self.hand_over(*pieces)

    def hand_over_again(self, which: int) -> None:
        """After a cut, or because we are slow."""
        if self.unanswered:
            self.give(self.unanswered[which % len(self.unanswered)])

    def we_read(self, most: int) -> None:
        for _ in range(min(most, len(self.to_us))):
            self.link.data_received(self.to_us.popleft())

    def centre_reads(self, most: int) -> None:
        for _ in range(min(most, len(self.wire.to_read))):
            pdu = decode(self.wire.to_read.popleft())
            if pdu.command == "deliver_sm_resp":
                self.open[pdu.sequence].is_answered = True
            else:
                self.to_us.append(plain(f"{pdu.command}_resp", pdu.sequence))

    def commit(self, then: int) -> None:
        """And tell the carrier of it, or not yet."""
        events = list(self.carrier.events())
        for event in events:
            assert isinstance(event, Inbound)
            self.table.store(event)
        if then > 0:
            self.carrier.done(events)
            self.loop.run_until_complete(asyncio.sleep(0))

    def cut(self, _: int) -> None:
        self.wire.close()
        self.link.connection_lost(None)
        self.bind()

    def die(self, arrives: int) -> None:
        """Some of what we had written may still arrive; what comes back does not."""
        self.centre_reads(arrives)
        self.loop.close()
        self.start()

    def time_passes(self, how: int) -> None:
        """When we died before the proof of an answer that had arrived, it never comes."""
        if not self.unanswered:
            self.clock.advance((REPEATED_WITHIN if how else UNPROVEN_FOR) + timedelta(seconds=1))

    def end(self) -> None:
        while self.to_us or self.wire.to_read or self.unanswered:
            for one in self.unanswered:
                self.give(one)
            self.we_read(len(self.to_us))
            self.commit(then=1)
            self.centre_reads(len(self.wire.to_read))


@pytest.fixture
def story() -> Iterator[Story]:
    story = Story()
    yield story
    story.loop.close()


DEEDS = [
    Story.write, Story.write, Story.hand_over_again, Story.we_read, Story.we_read, Story.commit, Story.commit,
    Story.centre_reads, Story.centre_reads, Story.cut, Story.die, Story.time_passes,
]  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(DEEDS), st.integers(0, 4)), min_size=40, max_size=60))
def test_each_sms_is_stored_once_whatever_breaks_in_whatever_order(deeds: list[tuple[Any, int]]) -> None:
    story = Story()
    try:
        for do, how in deeds:
            do(story, how)
        story.end()
    finally:
        story.loop.close()
    assert Counter(row.text for row in story.table.rows.values()) == story.written


@pytest.mark.parametrize("is_killed", [False, True], ids=["the-link-is-cut", "we-are-killed"])
def test_what_is_written_again_when_the_proof_was_lost_is_kept_and_may_be_a_repeat(
    story: Story, is_killed: bool
) -> None:
    """The centre read our answer, and we died or the link was cut before we could know."""
    story.write(0)
    story.we_read(1)
    story.commit(then=1)
    story.centre_reads(1)
    story.clock.advance(timedelta(seconds=1))
    (story.die if is_killed else story.cut)(0)
    story.commit(then=1)
    story.clock.advance(REPEATED_WITHIN)
    story.hand_over(Handed("PANNE", 0, b"PANNE"))
    story.we_read(9)
    story.commit(then=1)
    story.centre_reads(9)
    assert not story.unanswered
    assert len(story.table.rows) == 1, "it is what the centre hands over again"

    (story.die if is_killed else story.cut)(0)  # what was written first stays as long as it would have
    story.clock.advance(timedelta(seconds=1))
    story.hand_over(*(Handed(text, 0, text.encode()) for text in ("PANNE", "1")))
    story.end()
    assert [(row.text, row.may_be_repeat) for row in story.table.rows.values()] == [
        ("PANNE", False), ("PANNE", True), ("1", False),
    ]  # fmt: skip


def test_what_came_anew_under_a_number_that_is_proven_twice_is_still_to_be_stored() -> None:
    unproven, now = Unproven[int]([]), datetime(2026, 11, 26, 8, 0, tzinfo=UTC)
    unproven.add("mo-55", now, ["key"], [1])
    unproven.store(["key"])
    proofs = [unproven.of(["key"]), unproven.of(["key"])]
    unproven.prove(proofs[0])
    unproven.add("mo-55", now, ["key"], [3])
    unproven.prove(proofs[1])
    known = unproven.find("key", now)
    assert known is not None
    assert not known.is_stored

    unproven.store(["key"])
    assert known.is_stored
    unproven.prove(proofs[0])
    unproven.store(["key"])
    assert unproven.find("key", now) is None


def test_other_words_under_the_same_receipted_id_are_another_sms(story: Story) -> None:
    for _ in range(2):
        story.hand_over(*(Handed(text, 0, text.encode(), receipted_id=b"mo-55") for text in ("PANNE", "1")))
        story.we_read(2)
    story.commit(then=1)
    story.centre_reads(9)
    assert not story.unanswered
    assert [row.text for row in story.table.rows.values()] == ["PANNE", "1"]


def test_what_an_earlier_version_stored_under_the_plain_receipted_id_is_the_same_sms(story: Story) -> None:
    story.hand_over(Handed("1", 0, b"1", receipted_id=b"mo-55"))
    story.we_read(1)
    story.commit(then=0)
    (row,) = story.table.rows.values()
    story.table.rows, story.table.unproven = {"mo-55": replace(row, provider_id="mo-55")}, {"mo-55"}
    story.die(0)
    story.end()
    assert list(story.table.rows) == ["mo-55"]
    story.we_read(9)
    story.commit(then=1)
    assert not story.table.unproven


def test_another_long_sms_with_the_same_reference_does_not_overwrite_a_part(story: Story) -> None:
    parts = [bytes([5, 0, 3, 42, 2, number]) + text for number, text in ((1, b"PANNE "), (1, b"REPARE "), (2, b"hier"))]
    story.hand_over(*(Handed("", HAS_HEADER, part) for part in parts))
    story.we_read(3)
    story.commit(then=1)
    story.centre_reads(9)
    assert not story.unanswered
    assert [row.text for row in story.table.rows.values()] == ["PANNE […]", "REPARE hier"]


def test_a_proof_is_written_down_when_the_database_is_back(story: Story) -> None:
    story.write(1)
    story.we_read(1)
    story.commit(then=1)
    story.centre_reads(9)
    story.we_read(9)
    story.table.is_away = True
    with pytest.raises(psycopg.OperationalError):
        story.commit(then=1)
    assert story.table.unproven
    story.table.is_away = False
    story.commit(then=1)
    assert not story.table.unproven
