"""Topics and payloads: the contract between gateway and ingest (DESIGN: "the contract on the wire").

A pack is SenML (RFC 8428, JSON): base name = asset, name = channel, unit of the SenML registries. Four extension
labels, which a plain SenML reader ignores, carry what makes a delivery provable:

- `boot` (in the first record): the gateway's boot id, eight hexadecimal digits;
- `seq` (in every record): the reading's sequence number within that boot, from 1;
- `bup` (where `bt` stands): the gateway's uptime at `bt` [s];
- `sent` (in the first record): the gateway's own clock when the pack left [s since 1970];
- `sup` (in the first record): its uptime at that moment [s], on the same count as `bup`; absent when the readings are
  from before a restart of the machine.

A pack is published with a life of `MESSAGE_LIFE_S` (MQTT 5), so that the broker tells how long it kept the pack.

The answer on `down/ack` is JSON: `{"boot": "1a2b3c4d", "seq": [[1, 60], [64, 64]]}`, both ends included. In the same
form a gateway declares on `up/thinned` what it had no room for and what will therefore not come; it is answered alike.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from gateway.model import Reading, channel_spec
from gateway.units import WIRE_UNIT, wire_value

VERSION = 1
ROOT = f"ndiyan/{VERSION}"
SENML_KIND = "senml"
THINNED_KIND = "thinned"
MAX_PAYLOAD_BYTES = 65_536
MAX_READINGS_PER_PACK = 200
MESSAGE_LIFE_S = 30 * 86_400
_COMPACT = json.JSONEncoder(separators=(",", ":"))  # kept: `json.dumps` would make one for each answer


def senml_topic(zone: str, gateway: str) -> str:
    """Where a gateway publishes its packs."""
    return f"{ROOT}/{zone}/{gateway}/up/{SENML_KIND}"


def thinned_topic(zone: str, gateway: str) -> str:
    """Where a gateway declares the numbers of readings that it thinned away."""
    return f"{ROOT}/{zone}/{gateway}/up/{THINNED_KIND}"


def config_topic(zone: str, gateway: str) -> str:
    """Where a gateway's configuration from afar is retained (`gateway.remote`)."""
    return f"{ROOT}/{zone}/{gateway}/down/config"


def ack_topic(zone: str, gateway: str) -> str:
    """Where ingest says what is committed."""
    return f"{ROOT}/{zone}/{gateway}/down/ack"


def status_topic(zone: str, gateway: str) -> str:
    """The retained birth of a gateway, replaced by its last will; a hint, never a proof of presence."""
    return f"{ROOT}/{zone}/{gateway}/up/status"


ALL_UPLINKS = f"{ROOT}/+/+/up/#"


def zone_uplinks(zone: str) -> str:
    """What the gateways of one zone say, as a topic filter."""
    return f"{ROOT}/{zone}/+/up/#"


class Topic(NamedTuple):
    """The parts of `ndiyan/1/{zone}/{gateway}/{direction}/{kind}`."""

    zone: str
    gateway: str
    direction: str
    kind: str


def topic_parts(topic: str) -> Topic | None:
    """Take a topic apart; None when it is not one of ours."""
    parts = topic.split("/")
    if len(parts) != 6 or parts[0] != "ndiyan" or parts[1] != str(VERSION) or not all(parts):
        return None
    return Topic(*parts[2:])


@dataclass(frozen=True, slots=True)
class Queued:
    """A reading as the outbox keeps it: with its sequence number and the uptime at which it was measured [s]."""

    seq: int
    uptime_s: float
    reading: Reading


def encode_pack(
    boot: str, entries: Sequence[Queued], *, sent_at: datetime, sent_uptime_s: float | None = None
) -> bytes:
    """Write readings of one boot as one SenML pack; `ValueError` for none or for an unknown channel."""
    if not entries:
        raise ValueError("a pack needs at least one reading")
    records: list[dict[str, object]] = []
    asset: str | None = None
    moment: tuple[datetime, float] | None = None
    for entry in entries:
        reading = entry.reading
        spec = channel_spec(reading.asset, reading.channel)
        if spec is None:
            raise ValueError(f"{reading.asset}/{reading.channel} is no channel of ours")
        record: dict[str, object] = {}
        if reading.asset != asset:
            asset = reading.asset
            record["bn"] = f"{asset}/"
        if (reading.measured_at, entry.uptime_s) != moment:
            moment = reading.measured_at, entry.uptime_s
            record["bt"] = round(reading.measured_at.timestamp(), 3)
            record["bup"] = round(entry.uptime_s, 3)
        if not records:
            record["boot"] = boot
            record["sent"] = round(sent_at.timestamp(), 3)
            if sent_uptime_s is not None:
                record["sup"] = round(sent_uptime_s, 3)
        record["n"] = reading.channel
        unit = WIRE_UNIT[spec.unit]
        if unit:
            record["u"] = unit
        record["v"] = wire_value(spec, reading.value)
        record["seq"] = entry.seq
        records.append(record)
    return json.dumps(records, separators=(",", ":"), allow_nan=False).encode()


def ranges_of(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Join sequence numbers into ranges, both ends included: 3, 1, 2, 7 gives (1, 3), (7, 7)."""
    ranges: list[tuple[int, int]] = []
    for number in sorted(set(numbers)):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1] = ranges[-1][0], number
        else:
            ranges.append((number, number))
    return ranges


def encode_numbers(boot: str, ranges: Iterable[tuple[int, int]]) -> bytes:
    """Sequence numbers of a boot: what ingest answers after its commit, or what a gateway declares."""
    pairs = ",".join([f"[{low},{high}]" for low, high in ranges])
    return f'{{"boot":{json.dumps(boot)},"seq":[{pairs}]}}'.encode()


def decode_numbers(payload: bytes) -> tuple[str, list[tuple[int, int]]]:
    """Read what `encode_numbers` wrote; `ValueError` when it is nothing of that kind: nobody must forget on a guess."""
    try:
        found = json.loads(payload)
        boot, ranges = found["boot"], [(int(low), int(high)) for low, high in found["seq"]]
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"no boot with its numbers: {payload[:80]!r}") from error
    if not isinstance(boot, str) or any(low < 1 or high < low for low, high in ranges):
        raise ValueError(f"no boot with its numbers: {payload[:80]!r}")
    return boot, ranges


def encode_status(
    *, online: bool, boot: str, software: str, clock: str, at: datetime, more: Mapping[str, object] | None = None
) -> bytes:
    """The retained status: birth or last will; `more` is what a gateway tells of itself beside, for people."""
    state = "online" if online else "offline"
    head = {"state": state, "boot": boot, "software": software, "clock": clock, "at": round(at.timestamp(), 3)}
    return _COMPACT.encode(head | dict(more or {})).encode()
