"""Which readings are accepted, and why others are not: pure, no I/O.

Messages go in; accepted readings as columns, what is set aside with its reason, and what each gateway may forget
come out side by side. One bad reading is no exception and does not take its neighbours with it.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from gateway.model import Flag
from gateway.units import CONVERSIONS, canonical_value
from gateway.wire import MAX_PAYLOAD_BYTES, SENML_KIND, Topic, topic_parts
from ingest.senml import RELATIVE_BELOW_S, BadRecord, Pack, PackUnreadable, Resolved, as_message, decode_pack
from ingest.writer import Columns

log = logging.getLogger(__name__)

EARLIEST_US = 1_577_836_800_000_000  # 2020-01-01, before the first zone was built
FUTURE_TOLERANCE_US = 300_000_000  # RELIABILITY §3.7: more than five minutes ahead is a wrong clock
MAX_SEQ = 2**53
STATUS_KIND = "status"


class RejectReason(StrEnum):
    """Why something was set aside; also the column and the word on the page."""

    UNKNOWN_TOPIC = "unknown_topic"
    UNKNOWN_GATEWAY = "unknown_gateway"
    UNKNOWN_CHANNEL = "unknown_channel"
    TOO_LARGE = "too_large"
    NOT_SENML = "not_senml"
    BAD_RECORD = "bad_record"
    NO_VALUE = "no_value"
    WRONG_UNIT = "wrong_unit"
    TIME_IN_FUTURE = "time_in_future"
    TIME_BEFORE_SERVICE = "time_before_service"
    DECODER_FAILED = "decoder_failed"
    DATABASE_REFUSED = "database_refused"


@dataclass(frozen=True, slots=True)
class Message:
    """One MQTT message as it came; `connection` counts connections, so that no stale one is confirmed."""

    topic: str
    payload: bytes
    received_us: int  # [µs since 1970-01-01 UTC]
    mid: int
    connection: int


class ChannelEntry(NamedTuple):
    """What admission must know of a channel."""

    channel_id: int
    unit: str
    minimum: float
    maximum: float


@dataclass(frozen=True, slots=True)
class Directory:
    """The registry as admission needs it: gateway → zone, and (zone, asset, channel) → channel."""

    gateways: Mapping[str, str]
    channels: Mapping[tuple[str, str, str], ChannelEntry]


class SetAside(NamedTuple):
    """Something that was not accepted, as a message that can be replayed."""

    message: Message
    zone: str | None
    gateway: str | None
    payload: bytes
    reason: RejectReason
    detail: str


class GatewayStatus(NamedTuple):
    """A birth or a last will: a hint about a gateway."""

    zone: str
    gateway: str
    state: str
    software: str
    clock: str
    received_us: int


@dataclass(slots=True)
class Admission:
    """What became of some messages."""

    columns: Columns
    set_aside: list[SetAside] = field(default_factory=list)
    taken: dict[tuple[str, str, str], list[int]] = field(default_factory=dict)  # (zone, gateway, boot) → seq
    statuses: list[GatewayStatus] = field(default_factory=list)
    received_us: int = 0  # of the newest message


@dataclass(slots=True)
class _Rows:
    channel_id: list[int] = field(default_factory=list)
    measured_us: list[int] = field(default_factory=list)
    received_us: list[int] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    flag: list[int] = field(default_factory=list)


def admit(messages: Iterable[Message], directory: Directory) -> Admission:
    """Decode and check messages, in order."""
    rows = _Rows()
    admission = Admission(_columns(rows))
    for message in messages:
        admission.received_us = max(admission.received_us, message.received_us)
        topic = topic_parts(message.topic)
        try:
            reason = _admit_message(message, topic, directory, rows, admission)
        except PackUnreadable as error:
            reason = RejectReason.NOT_SENML, str(error)
        except Exception as error:  # a defect of ours must not stop the stream; the bytes are kept
            log.exception("%s: the decoder failed", message.topic)
            reason = RejectReason.DECODER_FAILED, repr(error)
        if reason is not None:
            zone, gateway = (topic.zone, topic.gateway) if topic else (None, None)
            admission.set_aside.append(SetAside(message, zone, gateway, message.payload, *reason))
    admission.columns = _columns(rows)
    return admission


def _admit_message(
    message: Message, topic: Topic | None, directory: Directory, rows: _Rows, admission: Admission
) -> tuple[RejectReason, str] | None:
    if topic is None or topic.direction != "up" or topic.kind not in (SENML_KIND, STATUS_KIND):
        return RejectReason.UNKNOWN_TOPIC, f"{message.topic} is not a topic that ingest reads"
    if len(message.payload) > MAX_PAYLOAD_BYTES:
        return RejectReason.TOO_LARGE, f"{len(message.payload)} bytes are above {MAX_PAYLOAD_BYTES}"
    is_known = directory.gateways.get(topic.gateway) == topic.zone
    if topic.kind == STATUS_KIND and is_known:
        return _admit_status(message, topic, admission)
    pack = Pack(None, None, [], []) if topic.kind == STATUS_KIND else decode_pack(message.payload)
    if not is_known:
        # Kept whole until somebody registers the gateway; it may forget, or it would send the same for ever.
        for seq in [*(record.seq for record in pack.records), *(bad.seq for bad in pack.bad)]:
            _take(admission, topic, pack.boot, seq)
        return RejectReason.UNKNOWN_GATEWAY, f"{topic.gateway} is no gateway of {topic.zone}"
    wrong_seq: list[BadRecord] = []
    for record in pack.records:
        if record.seq is not None and not 1 <= record.seq <= MAX_SEQ:
            alone = as_message(record, pack.boot, message.received_us / 1e6)[1:-1]
            wrong_seq.append(BadRecord(alone, f"seq {record.seq} is not within 1..{MAX_SEQ}", None))
            continue
        problem = _admit_reading(record, message, topic, directory, rows)
        if problem is not None:
            alone = as_message(record, pack.boot, message.received_us / 1e6)
            admission.set_aside.append(SetAside(message, topic.zone, topic.gateway, alone, *problem))
        _take(admission, topic, pack.boot, record.seq)
    for bad in [*pack.bad, *wrong_seq]:
        admission.set_aside.append(
            SetAside(message, topic.zone, topic.gateway, as_message(bad, None, 0), RejectReason.BAD_RECORD, bad.detail)
        )
        _take(admission, topic, pack.boot, bad.seq)
    return None


def _admit_reading(
    record: Resolved, message: Message, topic: Topic, directory: Directory, rows: _Rows
) -> tuple[RejectReason, str] | None:
    entry = directory.channels.get((topic.zone, record.asset, record.channel))
    name = f"{topic.zone}/{record.asset} {record.channel}"
    if entry is None:
        return RejectReason.UNKNOWN_CHANNEL, f"{name} is not in the registry"
    if record.value is None:
        return RejectReason.NO_VALUE, f"{name}: the record has no numeric value"
    scale = CONVERSIONS[entry.unit].get(record.unit)
    if scale is None:
        known = ", ".join(repr(unit) for unit in CONVERSIONS[entry.unit])
        return RejectReason.WRONG_UNIT, f"{name}: unit {record.unit!r} is none of {known}"
    value = canonical_value(record.value, *scale)
    if not math.isfinite(value):
        return RejectReason.NO_VALUE, f"{name}: {value} is not a finite number"
    relative_us = message.received_us if record.at_s < RELATIVE_BELOW_S else 0
    measured_us = round(record.at_s * 1e6) + relative_us
    if measured_us > message.received_us + FUTURE_TOLERANCE_US:
        ahead_s = (measured_us - message.received_us) / 1e6
        return RejectReason.TIME_IN_FUTURE, f"{name}: measured {ahead_s:.0f} s after it was received, bound 300 s"
    if measured_us < EARLIEST_US:
        return RejectReason.TIME_BEFORE_SERVICE, f"{name}: measured before 2020-01-01"
    rows.channel_id.append(entry.channel_id)
    rows.measured_us.append(measured_us)
    rows.received_us.append(message.received_us)
    rows.value.append(value)
    rows.flag.append(Flag.GOOD if entry.minimum <= value <= entry.maximum else Flag.BAD)
    return None


def _admit_status(message: Message, topic: Topic, admission: Admission) -> tuple[RejectReason, str] | None:
    try:
        status = json.loads(message.payload)
        state, software, clock = (str(status[key])[:80] for key in ("state", "software", "clock"))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        return RejectReason.BAD_RECORD, f"not a status: {error!r}"
    admission.statuses.append(GatewayStatus(topic.zone, topic.gateway, state, software, clock, message.received_us))
    return None


def _take(admission: Admission, topic: Topic, boot: str | None, seq: int | None) -> None:
    if boot is not None and seq is not None and 1 <= seq <= MAX_SEQ:
        admission.taken.setdefault((topic.zone, topic.gateway, boot), []).append(seq)


def _columns(rows: _Rows) -> Columns:
    return Columns(
        np.array(rows.channel_id, dtype=np.int32),
        np.array(rows.measured_us, dtype=np.int64),
        np.array(rows.received_us, dtype=np.int64),
        np.array(rows.value, dtype=np.float64),
        np.array(rows.flag, dtype=np.int16),
    )
