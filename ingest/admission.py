"""Which readings are accepted, and why others are not: pure, no I/O.

Messages go in; accepted readings as columns, what is set aside with its reason, and what each gateway may forget
come out side by side. One bad reading is no exception and does not take its neighbours with it.

Most packs are as they should be, and are read by `_admit_plain`, which gives up at the first thing that is not; the
message is then read again by `_admit_each`, which has a word for everything.

A record that tells no time was measured now, and now is when it came: sent again by the broker it is another reading,
and another message that is set aside. Nothing in it tells a copy from a second measurement, and a flag of the broker
(DUP) that it may have come before does not tell whether it was stored (docs/reliability.md). One that the broker has
kept (RETAIN) comes at each of our subscriptions, from a device that may be dead since: when it was measured nobody
knows, and it is no reading.
"""

from __future__ import annotations

import json
import logging
import math
import threading
from array import array
from collections import defaultdict
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import NamedTuple, TypeGuard

import msgspec
import numpy as np
from msgspec import structs
from numpy.typing import NDArray

from gateway.model import Flag
from gateway.units import CONVERSIONS
from gateway.wire import (
    MAX_PAYLOAD_BYTES,
    MESSAGE_LIFE_S,
    SENML_KIND,
    THINNED_KIND,
    Topic,
    decode_numbers,
    senml_topic,
    topic_parts,
)
from ingest.clocks import (
    EARLIEST_US,
    TOLERANCE_US,
    Dated,
    PackTimes,
    anchor_from,
    better_anchor,
    date_reading,
    is_ours_off,
    unseen_at_most,
    with_believable_wait,
)
from ingest.columns import Columns
from ingest.profiles.dialects import LONGEST_TOPIC, Dialects, Translation, names_of
from ingest.profiles.formats import OtherDevice, Undecodable
from ingest.profiles.sparkplug import NoBirth
from ingest.senml import (
    LARGEST,
    RELATIVE_BELOW_S,
    BadRecord,
    Pack,
    PackUnreadable,
    PlainRecord,
    Resolved,
    as_message,
    decode_pack,
    decode_plain,
    split_name,
)
from ingest.told import told_at_us, told_of

FloatArray = NDArray[np.float64]

log = logging.getLogger(__name__)

MAX_SEQ = 2**40  # a reading a millisecond for 34 years; small enough that the account's sums cannot run over
MAX_BOOT_LETTERS = 64
MAX_DECLARED = 1000  # ranges in one message; five times what our gateways tell at once
STATUS_KIND = "status"
OWN_KINDS = (SENML_KIND, STATUS_KIND, THINNED_KIND)
KNOWN_TOPICS, KNOWN_NAMES, KNOWN_BOOTS = 100_000, 10_000, 100_000  # remembered
BAD_APART = 50  # of a pack of which no reading is accepted so many are set aside one by one; of more, the pack
# About what each takes in memory beside the bytes that it holds, measured with tracemalloc.
MESSAGE_BYTES, ROW_BYTES, NUMBER_BYTES, ASIDE_BYTES, ESTIMATED_BYTES = 160, 22, 24, 230, 200
TOLERANCE_S, EARLIEST_S = TOLERANCE_US / 1e6, EARLIEST_US / 1e6
LONGEST_S = 1e9  # that a machine can be up; beyond, its uptime tells nothing
NOBODY = ("", "")  # whose account a message is in that has no known gateway


class RejectReason(StrEnum):
    """Why something was set aside; also the column and the word on the page."""

    UNKNOWN_TOPIC = "unknown_topic"
    UNKNOWN_GATEWAY = "unknown_gateway"
    UNKNOWN_CHANNEL = "unknown_channel"
    TOO_LARGE = "too_large"
    NOT_SENML = "not_senml"
    NOT_ITS_PROFILE = "not_its_profile"
    NO_BIRTH = "no_birth"
    UNKNOWN_DEVICE = "unknown_device"
    OTHER_DEVICE = "other_device"
    BAD_RECORD = "bad_record"
    NO_VALUE = "no_value"
    WRONG_UNIT = "wrong_unit"
    TIME_IN_FUTURE = "time_in_future"
    TIME_BEFORE_SERVICE = "time_before_service"
    DECODER_FAILED = "decoder_failed"
    DATABASE_REFUSED = "database_refused"


class Message(msgspec.Struct, frozen=True, gc=False):
    """One MQTT message as it came; `connection` counts connections, so that no stale one is confirmed."""

    topic: str
    payload: bytes
    received_us: int  # [µs since 1970-01-01 UTC]
    mid: int
    connection: int
    expires_s: int | None = None  # what the broker left of the life that the sender gave it [s]
    is_retained: bool = False  # the broker had kept it for whoever subscribes


class ChannelEntry(NamedTuple):
    """What admission must know of a channel."""

    channel_id: int
    unit: str
    minimum: float
    maximum: float


class _Line(NamedTuple):
    """A channel together with the unit in which it comes."""

    entry: ChannelEntry
    factor: float
    offset: float


class Way(NamedTuple):
    """What a topic says of its messages: its parts, None when it is not one of ours; whose account they are in; whether
    they can be packs of a known gateway; and the lines of its zone."""

    topic: Topic | None
    who: tuple[str, str]
    is_pack: bool
    lines: dict[int, int]


class Directory:
    """The registry as admission needs it: gateway → zone, and (zone, asset, channel) → channel.

    Several threads may admit by the same one: what it learns while they do is added under a lock, and never changes.
    """

    def __init__(
        self,
        gateways: Mapping[str, str],
        channels: Mapping[tuple[str, str, str], ChannelEntry],
        dialects: Dialects | None = None,
    ) -> None:
        self.gateways, self.channels = gateways, channels
        self.dialects = Dialects([], {}, gateways) if dialects is None else dialects
        self.ways: dict[str, Way] = {}
        # (base, name, unit) → number, and by zone: number → line. In two steps, because the first is hot in the
        # processor's cache, and the second small: one look-up by zone, base, name and unit costs three times as much.
        self.names: dict[tuple[str, str, str | None], int] = {}
        self.zone_lines: dict[str, dict[int, int]] = {}
        self._lines: dict[_Line, int] = {}
        self._table = np.empty((5, 0))
        self._lock = threading.Lock()  # without it two that count at once give one number to two things

    def way(self, name: str) -> Way:
        """What a topic says; remembered."""
        try:
            return self.ways[name]
        except KeyError:
            topic = topic_parts(name)
        is_known = topic is not None and self.gateways.get(topic.gateway) == topic.zone
        if topic is not None and is_known:
            is_pack = topic.direction == "up" and topic.kind == SENML_KIND
            found = Way(topic, (topic.zone, topic.gateway), is_pack, self.zone_lines.setdefault(topic.zone, {}))
        else:
            found = Way(topic, NOBODY, False, {})
        if len(name) <= LONGEST_TOPIC:
            if len(self.ways) >= KNOWN_TOPICS:
                self.ways.clear()
            self.ways[name] = found
        return found

    def line(self, entry: ChannelEntry, factor: float, offset: float) -> int:
        """The number of a channel in a unit, for `table`."""
        line = _Line(entry, factor, offset)
        number = self._lines.get(line)
        if number is None:
            with self._lock:
                number = self._lines.setdefault(line, len(self._lines))
        return number

    def name_number(self, base: str, name: str, unit: str | None) -> int:
        """The number in `names` of what may come under many names."""
        with self._lock:
            return self.names.setdefault((base, name, unit), len(self.names))

    @property
    def table(self) -> FloatArray:
        """(5, lines): channel, factor, offset, minimum and maximum of each line."""
        if self._table.shape[1] != len(self._lines):
            rows = [
                (x.entry.channel_id, x.factor, x.offset, x.entry.minimum, x.entry.maximum) for x in list(self._lines)
            ]
            self._table = np.array(rows, dtype=np.float64).T.copy()
        return self._table


class SetAside(NamedTuple):
    """Something that was not accepted, as a message that can be replayed; `sender` is whose account it is in."""

    message: Message
    zone: str | None
    gateway: str | None
    sender: tuple[str, str]
    payload: bytes
    reason: RejectReason
    detail: str


class Raw(NamedTuple):
    """A message of a device, to be kept as it came, and what its profile made of it."""

    message: Message
    translation: Translation

    @property
    def readings(self) -> int:
        """To how many readings it came, whether or not they are accepted."""
        return sum(len(heard.records) + len(heard.bad) for heard in self.translation.heard)

    @property
    def absent(self) -> int:
        """How many values the device itself calls none."""
        return sum(heard.absent for heard in self.translation.heard)

    @property
    def unused(self) -> list[str]:
        """The points that nothing tells us how to take."""
        return list(names_of(self.translation))


class GatewayStatus(NamedTuple):
    """A birth or a last will: a hint about a gateway."""

    zone: str
    gateway: str
    state: str
    software: str
    clock: str
    received_us: int
    told: str | None  # of its box, as JSON (`told_of`)
    told_us: int


Boot = tuple[str, str, str]
"""(zone, gateway, boot)"""


Taken = dict[Boot, list[tuple[int, int]]]
"""What each boot's gateway may forget: ranges of sequence numbers, both ends included."""


class Estimated(NamedTuple):
    """A reading whose time is an estimate: its row, and what its gateway's clock said [µs]."""

    row: int
    device_us: int
    boot: Boot | None


Anchors = MutableMapping[Boot, int]
"""When each boot's uptime was 0 [µs since 1970-01-01 UTC], as far as is known (see `clocks`)."""


@dataclass(slots=True)
class Sender:
    """What one batch brought from one gateway, for its account; `number` is its place in `senders`."""

    number: int
    received: int = 0
    offset_s: float | None = None  # its clock less ours, the greatest: the one with the least delay


class Admission:
    """What became of some messages; grows with `add`.

    Row n of `columns` came from the gateway whose number is `sender[n]`.
    """

    def __init__(self, directory: Directory, anchors: Anchors) -> None:
        self.directory, self.anchors = directory, anchors
        self.messages: list[Message] = []
        self.set_aside: list[SetAside] = []
        self.statuses: list[GatewayStatus] = []
        self.raw: list[Raw] = []
        self.estimated: list[Estimated] = []
        self.senders: dict[tuple[str, str], Sender] = {}
        self.held_bytes = 0  # about what all this takes in memory
        self.replayed_us: int | None = None  # when this comes a second time, out of what was set aside
        # Where each boot's numbers went, three by three in their order: first row, lowest and highest number of some
        # that stand side by side; row -1 for what was set aside.
        self.placed: defaultdict[Boot, array[int]] = defaultdict(partial(array, "q"))
        self.declared: Taken = {}  # numbers that their gateway thinned away: they will not come
        # Arrays, not lists: a quarter of the memory, and numpy takes them as they are.
        self._line, self._at_s, self._value = array("i"), array("d"), array("d")
        self._rows, self._sender, self._received_us = array("i"), array("i"), array("q")  # by message

    def __len__(self) -> int:
        return len(self._line)

    def add(self, messages: Iterable[Message]) -> None:
        """Decode and check messages, in order."""
        before = len(self.messages), len(self), len(self.set_aside), len(self.estimated)
        self._add(messages)
        came, rows, aside, estimated = before
        self.held_bytes += (
            sum(len(message.payload) + MESSAGE_BYTES for message in self.messages[came:])
            + sum(len(item.payload) + ASIDE_BYTES for item in self.set_aside[aside:])
            + ROW_BYTES * (len(self) - rows)
            + ESTIMATED_BYTES * (len(self.estimated) - estimated)
        )

    def _add(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self.messages.append(message)
            way = self.directory.way(message.topic)
            topic, who = way.topic, way.who
            try:
                if way.is_pack and self._admit_plain(message, way):
                    continue
                reason = self._admit(message, topic, is_known=who is not NOBODY)
            except PackUnreadable as error:
                reason = RejectReason.NOT_SENML, str(error)
            except Exception as error:  # a defect of ours must not stop the stream; the bytes are kept
                log.exception("%s: the decoder failed", message.topic[:200])
                rows = sum(self._rows)  # what came before, also from other devices of this message, stays
                for column in (self._line, self._at_s, self._value):
                    del column[rows:]
                self.estimated = [estimate for estimate in self.estimated if estimate.row < rows]
                reason = RejectReason.DECODER_FAILED, repr(error)
            if reason is not None:
                zone, gateway = (topic.zone, topic.gateway) if topic else (None, None)
                self.set_aside.append(SetAside(message, zone, gateway, who, message.payload, *reason))
                self._count(who, message, 0, received=1)

    def refuse(self, message: Message, reason: RejectReason, detail: str, *, is_booked: bool = True) -> None:
        """Set a message aside as a whole, whatever is in it.

        Its numbers count as arrived, so that its gateway may forget it once it is kept, and it is one in its account.
        Without `is_booked` neither holds: what it says of itself is poison, and it stands in nobody's account.
        """
        rest = admit([message] if is_booked else [], self.directory, self.anchors)
        topic = self.directory.way(message.topic).topic
        zone, gateway = (topic.zone, topic.gateway) if topic else (None, None)
        who = next(iter(rest.senders), NOBODY)  # a status is in no account
        self.messages.append(message)
        for boot, ranges in rest.taken.items():
            for low, high in ranges:
                self.placed[boot].extend((-1, low, high))
        for boot, ranges in rest.declared.items():
            self.declared.setdefault(boot, []).extend(ranges)
        self.set_aside.append(SetAside(message, zone, gateway, who, message.payload, reason, detail))
        self._count(who, message, 0, received=1)

    @property
    def taken(self) -> Taken:
        """What each boot's gateway may forget once this is committed; put together anew each time."""
        return {
            boot: [(places[1], places[2])]
            if len(places) == 3
            else _joined(zip(places[1::3], places[2::3], strict=True))
            for boot, places in self.placed.items()
        }

    def is_known(self, boot: Boot) -> bool:
        """Whether a boot belongs to a gateway of the registry."""
        zone, gateway, _ = boot
        return self.directory.gateways.get(gateway) == zone

    @property
    def received_us(self) -> int:
        """When the newest message came."""
        return max((message.received_us for message in self.messages), default=0)

    @property
    def columns(self) -> Columns:
        """The accepted readings, in the order in which they came."""
        line = np.array(self._line, dtype=np.int32)
        channel, factor, offset, minimum, maximum = (column[line] for column in self.directory.table)
        value = canonical_values(np.array(self._value, dtype=np.float64), factor, offset)
        flag = np.full(len(line), Flag.GOOD, dtype=np.int16)
        flag[[item.row for item in self.estimated]] = Flag.SUSPECT
        flag[(value < minimum) | (value > maximum)] = Flag.BAD
        return Columns(
            channel.astype(np.int32),
            np.rint(np.array(self._at_s, dtype=np.float64) * 1e6).astype(np.int64),
            np.repeat(np.array(self._received_us, dtype=np.int64), np.array(self._rows, dtype=np.int32)),
            value,
            flag,
        )

    @property
    def sender(self) -> NDArray[np.int32]:
        """(n,) the number of each row's gateway in `senders`."""
        return np.repeat(np.array(self._sender, dtype=np.int32), np.array(self._rows, dtype=np.int32))

    def _admit_plain(self, message: Message, way: Way) -> bool:
        """Take a pack whose every reading is as it should be; False, and nothing taken, when one is not."""
        payload = message.payload
        records = decode_plain(payload) if len(payload) <= MAX_PAYLOAD_BYTES else None
        if not records:
            return False
        boot, sent_s, sent_uptime_s, low = records[0].boot, records[0].sent, records[0].sup, records[0].seq
        received_s = message.received_us / 1e6
        latest_s = received_s + TOLERANCE_S
        if boot is None:
            if sent_s is not None:  # may tell that its clock is wrong
                return False
        else:
            if sent_s is None or sent_uptime_s is None or not _is_boot(boot) or not 0 <= sent_uptime_s <= LONGEST_S:
                return False
            if low is None or not 1 <= low <= MAX_SEQ - len(records):
                return False
            waited_s = 0 if message.expires_s is None else max(0, MESSAGE_LIFE_S - message.expires_s)
            delay_s, first_s = received_s - waited_s - sent_s, received_s - waited_s - sent_uptime_s
            if not -TOLERANCE_S <= delay_s <= TOLERANCE_S:
                return False
        known = self.directory.names
        base, at_s, number = "", math.nan, low or 0
        names: list[int | None] = []
        times: list[float] = []
        for record in records:
            if record.bn is not None:
                base = record.bn
            if record.bt is not None:
                at_s, uptime_s = record.bt, record.bup
                if not EARLIEST_S <= at_s <= latest_s:
                    return False
                if boot is not None and (
                    uptime_s is None or not -TOLERANCE_S <= first_s - at_s + uptime_s <= TOLERANCE_S
                ):
                    return False
            elif record.bup is not None:
                return False
            if record.boot is not None and names:
                return False
            if boot is not None and record.seq != number:
                return False
            number += 1
            names.append(known.get((base, record.n, record.u)))
            times.append(at_s)
        if times[0] != times[0]:
            return False
        # The type checker wants names that are all there; a missing one gives None, which is looked at below.
        lines = list(map(way.lines.get, names))  # type: ignore[arg-type]
        if None in lines and not self._learn_lines(way, records, lines):
            return False
        self._line.fromlist(lines)  # type: ignore[arg-type] # none of them is None
        self._at_s.fromlist(times)
        self._value.fromlist([record.v for record in records])
        sender = self._count(way.who, message, len(lines), received=len(lines))
        if boot is not None:
            where = *way.who, boot
            self.placed[where].extend((len(self._line) - len(lines), number - len(lines), number - 1))
            self._learn_anchor(where, round(first_s * 1e6), TOLERANCE_US)
            if sender.offset_s is None or -delay_s > sender.offset_s:
                sender.offset_s = -delay_s
        return True

    def _learn_lines(self, way: Way, records: Sequence[PlainRecord], lines: list[int | None]) -> bool:
        """Fill in the lines of names that come for the first time; False when the registry does not know one."""
        names = self.directory.names
        base = ""
        for place, record in enumerate(records):
            base = base if record.bn is None else record.bn
            if lines[place] is None:
                asset, channel = split_name(base, record.n)
                entry = self.directory.channels.get((way.who[0], asset, channel))
                scale = None if entry is None else CONVERSIONS[entry.unit].get(record.u or "")
                if entry is None or scale is None or len(names) >= KNOWN_NAMES:
                    return False
                number = self.directory.name_number(base, record.n, record.u)
                lines[place] = way.lines[number] = self.directory.line(entry, *scale)
        return True

    def _admit(self, message: Message, topic: Topic | None, *, is_known: bool) -> tuple[RejectReason, str] | None:
        """Take a message reading by reading; what is returned is why it is set aside as a whole."""
        if topic is None or topic.direction != "up" or topic.kind not in OWN_KINDS:
            return self._admit_foreign(message)
        if len(message.payload) > MAX_PAYLOAD_BYTES:
            return _too_large(message)
        if topic.kind == THINNED_KIND:
            return self._admit_thinned(message, topic, is_known=is_known)
        if topic.kind == STATUS_KIND and is_known:
            return self._admit_status(message, topic)
        pack = Pack(None, None, None, [], []) if topic.kind == STATUS_KIND else decode_pack(message.payload)
        boot = pack.boot if pack.boot is not None and _is_boot(pack.boot) else None
        where = None if boot is None else (topic.zone, topic.gateway, boot)
        if not is_known:
            # Kept whole until somebody registers the gateway; it may forget, or it would send the same for ever.
            numbers = [*(record.seq for record in pack.records), *(bad.seq for bad in pack.bad)]
            self._place(where, [-1] * len(numbers), numbers)
            return _unknown_gateway(topic)
        self._admit_each(message, topic, pack, where)
        return None

    def _admit_foreign(self, message: Message) -> tuple[RejectReason, str] | None:
        """Take a message of a device that speaks a dialect of its own, by the profile that reads it.

        Where some of its devices are registered and others are not, the message is accepted as far as it goes, and set
        aside as well: replayed later, what was accepted is a duplicate.
        """
        if len(message.payload) > MAX_PAYLOAD_BYTES:
            return _too_large(message)
        try:
            found = self.directory.dialects.translate(message.topic, message.payload)
        except NoBirth as error:
            return RejectReason.NO_BIRTH, str(error)
        except OtherDevice as error:
            return RejectReason.OTHER_DEVICE, str(error)
        except Undecodable as error:
            return RejectReason.NOT_ITS_PROFILE, str(error)
        if found is None:
            return RejectReason.UNKNOWN_TOPIC, f"{message.topic[:200]} is not a topic that ingest reads"
        if not any(_is_undated(message, record) for heard in found.heard for record in heard.records):
            self.raw.append(Raw(message, found))  # which is read again as if it had been published when it came
        for heard in found.heard:
            topic = Topic(heard.zone, heard.gateway, "up", found.profile)
            # A reading of it that is set aside stands there as SenML, so that it can be replayed as it is.
            alone = structs.replace(message, topic=senml_topic(heard.zone, heard.gateway))
            self._admit_each(alone, topic, Pack(None, None, None, heard.records, heard.bad), None)
        if found.strangers:
            names = ", ".join(dict.fromkeys(found.strangers))
            return RejectReason.UNKNOWN_DEVICE, f"{names[:200]} is no device that a zone file names for {found.profile}"
        return None

    def _admit_each(self, message: Message, topic: Topic, pack: Pack, where: Boot | None) -> None:
        boot = None if where is None else where[2]
        times = _pack_times(message, pack)
        if where is not None:
            known_us = self.anchors.get(where)
            if is_ours_off(times, known_us):
                times = times._replace(received_us=times.sent_us or 0, waited_us=0)
            else:
                times = with_believable_wait(times, known_us)
                self._learn_anchor(where, anchor_from(times), unseen_at_most(times))
        else:
            times = with_believable_wait(times, None)
        rows, sender = len(self._line), (topic.zone, topic.gateway)
        numbers: list[int | None] = [bad.seq for bad in pack.bad]
        places = [-1] * len(numbers)
        refused: list[tuple[Resolved | BadRecord, RejectReason, str]] = [
            (bad, RejectReason.BAD_RECORD, bad.detail) for bad in pack.bad
        ]
        for record in pack.records:
            if _is_undated(message, record):
                continue
            numbers.append(record.seq)
            problem = self._admit_reading(record, message, topic, times, where)
            places.append(-1 if problem is not None else len(self._line) - 1)
            if problem is not None:
                refused.append((record, *problem))
        admitted = len(self._line) - rows
        if not admitted and len(refused) > BAD_APART:  # a short message that would come to a thousand rows
            _, word, why = refused[0]
            aside = [(message.payload, word, f"none of {len(refused)} readings is accepted; the first: {why}")]
        else:
            aside = [(as_message(one, boot, message.received_us / 1e6), word, why) for one, word, why in refused]
        self._place(where, places, numbers)
        self.set_aside += [SetAside(message, *sender, sender, alone, word, why) for alone, word, why in aside]
        counted = self._count(sender, message, admitted, received=admitted + len(aside))
        if times.sent_us is not None:
            ahead_s = -_delay_s(times, times.sent_us / 1e6)
            counted.offset_s = ahead_s if counted.offset_s is None else max(ahead_s, counted.offset_s)

    def _admit_reading(
        self, record: Resolved, message: Message, topic: Topic, pack: PackTimes, where: Boot | None
    ) -> tuple[RejectReason, str] | None:
        name = f"{topic.zone}/{record.asset} {record.channel}"
        if record.seq is not None and not 1 <= record.seq <= MAX_SEQ:
            return RejectReason.BAD_RECORD, f"{name}: seq {record.seq} is not within 1..{MAX_SEQ}"
        entry = self.directory.channels.get((topic.zone, record.asset, record.channel))
        if entry is None:
            return RejectReason.UNKNOWN_CHANNEL, f"{name} is not in the registry"
        if record.value is None:
            return RejectReason.NO_VALUE, f"{name}: the record has no numeric value"
        scale = CONVERSIONS[entry.unit].get(record.unit)
        if scale is None:
            known = ", ".join(repr(unit) for unit in CONVERSIONS[entry.unit])
            return RejectReason.WRONG_UNIT, f"{name}: unit {record.unit!r} is none of {known}"
        if not -LARGEST < record.value < LARGEST:
            return RejectReason.NO_VALUE, f"{name}: {record.value} is not a finite number"
        relative_us = message.received_us if record.at_s < RELATIVE_BELOW_S and record.uptime_s is None else 0
        clock_us = round(_bounded(record.at_s) * 1e6) + relative_us
        anchor_us = None if where is None else self.anchors.get(where)
        uptime_us = None if record.uptime_s is None else round(_bounded(record.uptime_s) * 1e6)
        dated = date_reading(clock_us, uptime_us, pack, anchor_us)
        latest_us = pack.received_us + TOLERANCE_US
        if dated is None and self.replayed_us is not None and EARLIEST_US <= clock_us <= self.replayed_us:
            # It was of the future when it came, by a clock of ours or theirs that was wrong. Of whom, nobody knows now.
            dated, latest_us = Dated(clock_us, True), self.replayed_us
        if dated is None or not EARLIEST_US <= dated.measured_us <= latest_us:
            return _undatable(name, dated or Dated(clock_us, False), message.received_us)
        if dated.is_estimated:
            self.estimated.append(Estimated(len(self._line), clock_us, where))
        self._line.append(self.directory.line(entry, *scale))
        self._at_s.append(dated.measured_us / 1e6)
        self._value.append(record.value)
        return None

    def _admit_thinned(self, message: Message, topic: Topic, *, is_known: bool) -> tuple[RejectReason, str] | None:
        """Take numbers that will not come; what a stranger declares is kept until somebody registers it."""
        try:
            boot, ranges = decode_numbers(message.payload)
        except ValueError as error:
            return RejectReason.BAD_RECORD, str(error)
        highest = max((high for _, high in ranges), default=0)
        if not _is_boot(boot) or len(ranges) > MAX_DECLARED or highest > MAX_SEQ:
            return RejectReason.BAD_RECORD, (
                f"thinned: {len(ranges)} ranges up to {highest} of boot {boot[:80]!r}, bounds {MAX_DECLARED} ranges, "
                f"number {MAX_SEQ}, {MAX_BOOT_LETTERS} letters"
            )
        self.declared.setdefault((topic.zone, topic.gateway, boot), []).extend(ranges)
        self.held_bytes += NUMBER_BYTES * len(ranges)
        if not is_known:
            return _unknown_gateway(topic)
        self._count((topic.zone, topic.gateway), message, 0, received=0)
        return None

    def _admit_status(self, message: Message, topic: Topic) -> tuple[RejectReason, str] | None:
        try:
            status = json.loads(message.payload)
            state, software, clock = (str(status[key])[:80] for key in ("state", "software", "clock"))
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            return RejectReason.BAD_RECORD, f"not a status: {error!r}"
        told_us = told_at_us(status, message.received_us)
        self.statuses.append(
            GatewayStatus(
                topic.zone, topic.gateway, state, software, clock, message.received_us, told_of(status), told_us
            )
        )
        return None

    def _learn_anchor(self, where: Boot, found_us: int | None, unseen_us: int | None) -> None:
        if found_us is None:
            return
        known_us = self.anchors.get(where)
        kept_us = better_anchor(known_us, found_us, unseen_us)
        if kept_us != known_us:
            if known_us is None and len(self.anchors) >= KNOWN_BOOTS:
                for oldest in list(self.anchors)[: KNOWN_BOOTS // 10]:  # a copy: another thread may do the same
                    self.anchors.pop(oldest, None)  # its next pack tells again
            self.anchors[where] = kept_us

    def _place(self, where: Boot | None, rows: Iterable[int], numbers: Iterable[int | None]) -> None:
        for row, number in zip(rows, numbers, strict=True):
            if where is not None and _is_number(number):
                self.placed[where].extend((row, number, number))
                self.held_bytes += NUMBER_BYTES

    def _count(self, who: tuple[str, str], message: Message, rows: int, *, received: int) -> Sender:
        sender = self.senders.get(who)
        if sender is None:
            sender = self.senders[who] = Sender(len(self.senders))
        sender.received += received
        self._rows.append(rows)
        self._sender.append(sender.number)
        self._received_us.append(message.received_us)
        return sender


def admit(messages: Iterable[Message], directory: Directory, anchors: Anchors | None = None) -> Admission:
    """Decode and check messages, in order."""
    admission = Admission(directory, {} if anchors is None else anchors)
    admission.add(messages)
    return admission


def readings_apart(message: Message, directory: Directory) -> list[Message]:
    """A message of several readings as several messages of one, each of which can stand alone; else as it is."""
    topic = topic_parts(message.topic)
    if topic is None or topic.kind != SENML_KIND:
        return _foreign_apart(message, directory)
    try:
        pack = decode_pack(message.payload)
    except PackUnreadable:
        return [message]
    records = (record for record in pack.records if not _is_undated(message, record))
    parts = [as_message(record, pack.boot, message.received_us / 1e6) for record in records]
    parts += [as_message(bad, None, 0) for bad in pack.bad]
    return [structs.replace(message, payload=part, mid=0) for part in parts] if len(parts) > 1 else [message]


def _foreign_apart(message: Message, directory: Directory) -> list[Message]:
    try:
        found = directory.dialects.translate(message.topic, message.payload)
    except (Undecodable, NoBirth):
        return [message]
    if found is None or found.strangers:
        return [message]
    now_s = message.received_us / 1e6
    parts: list[Message] = []
    for heard in found.heard:
        topic = senml_topic(heard.zone, heard.gateway)
        dated = (record for record in heard.records if not _is_undated(message, record))
        records: list[Resolved | BadRecord] = [*dated, *heard.bad]
        parts += [structs.replace(message, topic=topic, payload=as_message(one, None, now_s), mid=0) for one in records]
    return parts or [message]


def canonical_values(value: FloatArray, factor: FloatArray, offset: FloatArray) -> FloatArray:
    """Wire values (n,) in canonical units, to twelve digits: 3.7 m³/h is still 3.7 after its way in m³/s."""
    found = value.copy()
    (converted,) = np.nonzero((factor != 1.0) | (offset != 0.0))
    some = value[converted] * factor[converted] + offset[converted]
    with np.errstate(divide="ignore", over="ignore"):  # of 0, and in the way that is not taken
        digits = np.clip(11 - np.floor(np.log10(np.abs(some))), -280, 22)
        scale = 10.0 ** np.abs(digits)
        found[converted] = np.where(digits >= 0, np.rint(some * scale) / scale, np.rint(some / scale) * scale)
    return found


def _unknown_gateway(topic: Topic) -> tuple[RejectReason, str]:
    return RejectReason.UNKNOWN_GATEWAY, f"{topic.gateway[:80]} is no gateway of {topic.zone[:80]}"


def _too_large(message: Message) -> tuple[RejectReason, str]:
    return RejectReason.TOO_LARGE, f"{len(message.payload)} bytes are above {MAX_PAYLOAD_BYTES}"


def _is_boot(text: str) -> bool:
    """Whether this can name a boot: short, and without letters that the database or a page would choke on."""
    return len(text) <= MAX_BOOT_LETTERS and text.isprintable()


def _is_undated(message: Message, record: Resolved) -> bool:
    """Whether nobody knows when this was measured: the broker had kept it, and it tells no time."""
    return message.is_retained and record.at_s < RELATIVE_BELOW_S and record.uptime_s is None


def _is_number(number: int | None) -> TypeGuard[int]:
    return number is not None and 1 <= number <= MAX_SEQ


def _pack_times(message: Message, pack: Pack) -> PackTimes:
    """What a message and its pack tell, where it is possible.

    A reading whose uptime is beyond that of its sending was taken in another run of the machine: the two do not count
    alike, so the pack's uptime tells nothing.
    """
    sent_s, sent_uptime_s, expires_s = pack.sent_s, pack.sent_uptime_s, message.expires_s
    latest_s = max((record.uptime_s for record in pack.records if record.uptime_s is not None), default=0.0)
    counts = sent_uptime_s is not None and max(0.0, latest_s - TOLERANCE_S) <= sent_uptime_s <= LONGEST_S
    return PackTimes(
        message.received_us,
        None if sent_s is None else round(_bounded(sent_s) * 1e6),
        round(sent_uptime_s * 1e6) if counts and sent_uptime_s is not None else None,
        None if expires_s is None or expires_s > MESSAGE_LIFE_S else (MESSAGE_LIFE_S - expires_s) * 1_000_000,
    )


def _delay_s(pack: PackTimes, sent_s: float) -> float:
    """How long a pack was on its way by the two clocks, without the time that the broker kept it [s]."""
    return (pack.received_us - (pack.waited_us or 0)) / 1e6 - sent_s


def _bounded(seconds: float) -> float:
    """A number of seconds that stays a time of 64 bits, however wild."""
    return min(max(seconds, -1e11), 1e11) if math.isfinite(seconds) else 1e11


def _undatable(name: str, dated: Dated, received_us: int) -> tuple[RejectReason, str]:
    if dated.measured_us < EARLIEST_US:
        return RejectReason.TIME_BEFORE_SERVICE, f"{name}: measured before 2020-01-01, and nothing tells when"
    ahead_s = (dated.measured_us - received_us) / 1e6
    bound_s = TOLERANCE_US // 1_000_000
    return RejectReason.TIME_IN_FUTURE, f"{name}: measured {ahead_s:.0f} s after it was received, bound {bound_s} s"


def _joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = found[-1][0], max(high, found[-1][1])
        else:
            found.append((low, high))
    return found
