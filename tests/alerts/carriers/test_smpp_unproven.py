"""People write, a message centre hands over until it has our answer, and everything breaks: each SMS is stored once."""

from __future__ import annotations

import asyncio
import itertools
import struct
import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from alerts.carriers import Event, Inbound
from alerts.carriers.smpp import SQL, SmppCarrier
from alerts.carriers.smpp_config import SmppConfig
from alerts.carriers.smpp_link import Link
from alerts.carriers.smpp_pdu import HAS_HEADER, Frames, decode, plain
from alerts.carriers.smpp_unproven import UNPROVEN_FOR
from gateway.clock import ManualClock

CONFIG = SmppConfig("operator", "127.0.0.1", 2775, "ndiyan", "secret", "NDIYAN")
LONG = "PANNE depuis hier"


class Table:
    """The rows of sms_in, and what the carrier asks of them."""

    def __init__(self) -> None:
        self.rows: dict[str, Inbound] = {}
        self.unproven: set[str] = set()

    def store(self, event: Inbound) -> None:
        if event.provider_id not in self.rows:
            self.rows[event.provider_id] = event
            self.unproven.add(event.provider_id)

    def execute(self, query: str, asked: Mapping[str, Any]) -> Table:
        if query == SQL["proven"]:
            self.unproven -= set(asked["numbers"])
        return self

    def fetchall(self) -> list[tuple[str, datetime, tuple[str, ...]]]:
        return [(row.provider_id, row.at, row.repeat_keys) for number, row in self.rows.items()
                if number in self.unproven]  # fmt: skip

    def may_repeat(self, text: str, now: datetime) -> bool:
        unproven = [self.rows[number] for number in self.unproven]
        return any(row.text == text and now - row.at <= UNPROVEN_FOR for row in unproven)


@dataclass(eq=False)
class Handed:
    """A PDU that the centre hands over until it is answered."""

    text: str
    esm_class: int
    octets: bytes
    is_answered: bool = False

    def deliver(self, sequence: int) -> bytes:
        addresses = b"\0" + b"\1\1" + b"224622123456\0" + b"\0\1" + b"7000\0"
        body = addresses + bytes([self.esm_class]) + bytes(8) + bytes([len(self.octets)]) + self.octets
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


class WrittenOnce(RuleBasedStateMachine):
    """Each word is written again as soon as its answer is proven; before that nobody can tell it from a repeat."""

    @initialize()
    def begin(self) -> None:
        self.clock, self.table = ManualClock(datetime(2026, 11, 26, 8, 0, tzinfo=UTC)), Table()
        self.handed: list[Handed] = []
        self.written: Counter[str] = Counter()
        self.numbers = itertools.count(100)
        self.start()

    def start(self) -> None:
        """A process of ours, whose thread the test is: what comes and goes by the socket goes through our hands."""
        with mock.patch.object(threading.Thread, "start"):
            self.carrier = SmppCarrier(CONFIG, cast(Any, self.table), self.clock, wake=lambda: None)
        self.loop = self.carrier._loop
        self.committed: list[Event] = []
        self.bind()

    def bind(self) -> None:
        async def link() -> Link:
            return Link(CONFIG, "transceiver", self.carrier._take_news)

        self.link, self.wire = self.loop.run_until_complete(link()), Wire()
        self.to_us, self.open = deque[bytes](), dict[int, Handed]()
        self.link.connection_made(cast(Any, self.wire))
        self.to_us.append(plain("bind_transceiver_resp", decode(self.wire.to_read.popleft()).sequence))
        self.we_read()

    @rule(text=st.sampled_from(["PANNE", "1", LONG]))
    def write(self, text: str) -> None:
        before = [one for one in self.handed if one.text == text]
        if not all(one.is_answered for one in before) or self.table.may_repeat(text, self.clock.now()):
            return
        self.written[text] += 1
        octets = text.encode()
        if text != LONG:
            self.handed.append(Handed(text, 0, octets))
            return
        reference = self.written[text]  # as a telephone counts
        for number, piece in ((1, octets[:7]), (2, octets[7:])):
            self.handed.append(Handed(text, HAS_HEADER, bytes([5, 0, 3, reference, 2, number]) + piece))

    @precondition(lambda self: not all(one.is_answered for one in self.handed))
    @rule(data=st.data())
    def hand_over(self, data: st.DataObject) -> None:
        """For the first time, or once more although we may be at work on it."""
        one = data.draw(st.sampled_from([one for one in self.handed if not one.is_answered]))
        sequence = next(self.numbers)
        self.open[sequence] = one
        self.to_us.append(one.deliver(sequence))

    @precondition(lambda self: self.to_us)
    @rule()
    def we_read(self) -> None:
        self.link.data_received(self.to_us.popleft())

    @precondition(lambda self: self.wire.to_read)
    @rule()
    def centre_reads(self) -> None:
        pdu = decode(self.wire.to_read.popleft())
        if pdu.command == "deliver_sm_resp":
            self.open[pdu.sequence].is_answered = True
        else:
            self.to_us.append(plain(f"{pdu.command}_resp", pdu.sequence))

    @rule()
    def commit(self) -> None:
        self.committed = list(self.carrier.events())
        for event in self.committed:
            assert isinstance(event, Inbound)
            self.table.store(event)

    @rule()
    def tell_what_is_committed(self) -> None:
        self.carrier.done(self.committed)
        self.committed = []
        self.loop.run_until_complete(asyncio.sleep(0))

    @rule()
    def cut(self) -> None:
        self.wire.close()
        self.link.connection_lost(None)
        self.bind()

    @rule(arrives=st.booleans())
    def die(self, arrives: bool) -> None:
        """What we had written may still arrive; what comes back does not."""
        while arrives and self.wire.to_read:
            self.centre_reads()
        self.loop.close()
        self.start()

    @precondition(lambda self: all(one.is_answered for one in self.handed))
    @rule()
    def a_day_passes(self) -> None:
        """We died before the proof of an answer that had arrived: it never comes, and holds the word for a day."""
        self.clock.advance(UNPROVEN_FOR + timedelta(seconds=1))

    def teardown(self) -> None:
        if not hasattr(self, "table"):
            return
        while self.to_us or self.wire.to_read or not all(one.is_answered for one in self.handed):
            for one in self.handed:
                if not one.is_answered and one not in self.open.values():
                    self.open[number := next(self.numbers)] = one
                    self.to_us.append(one.deliver(number))
            self.settle()
        self.settle()
        self.loop.close()
        stored = Counter(row.text for row in self.table.rows.values())
        assert stored == self.written

    def settle(self) -> None:
        while self.to_us:
            self.we_read()
        self.commit()
        self.tell_what_is_committed()
        while self.wire.to_read:
            self.centre_reads()


TestWrittenOnce = WrittenOnce.TestCase
TestWrittenOnce.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
