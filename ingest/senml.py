"""SenML packs (RFC 8428) into plain records: JSON or CBOR, gzip or not, base fields resolved.

A record that is not understood does not take its neighbours with it: it comes back as `BadRecord`.
"""

from __future__ import annotations

import gzip
import io
import json
import math
import zlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, NoReturn, TypeAlias

import cbor2
import msgspec

from gateway.model import CHANNELS
from gateway.units import CONVERSIONS

MAX_UNPACKED_BYTES = 262_144
MAX_RECORDS = 1000  # five times what our gateways put into a pack; each record may come to a row
MAX_WORD_LETTERS = 200
RELATIVE_BELOW_S = 2.0**28  # RFC 8428 §4.5.3: smaller times are relative to now
CBOR_LABELS = {
    -6: "bs", -5: "bv", -4: "bu", -3: "bt", -2: "bn", -1: "bver",
    0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd",
}  # fmt: skip


class PackUnreadable(ValueError):
    """The payload as a whole is no SenML pack."""


# A long base name stands once in a pack and would stand in each of its readings that is set aside.
Word = Annotated[str, msgspec.Meta(max_length=MAX_WORD_LETTERS)]


class Record(msgspec.Struct):
    """One SenML record as it arrives, with our extension labels; other labels are ignored."""

    bn: Word | None = None
    bt: float | None = None
    bu: Word | None = None
    bv: float | None = None
    n: Word | None = None
    u: Word | None = None
    v: float | None = None
    t: float | None = None
    boot: str | None = None
    sent: float | None = None
    sup: float | None = None
    bup: float | None = None
    seq: int | None = None


_BASES = ("bn", "bt", "bu", "bv", "boot", "sent", "sup", "bup")
_BASE_TYPES = {field.name: field.type for field in msgspec.structs.fields(Record) if field.name in _BASES}

LARGEST = 1e300  # beyond this a conversion of units could overflow


if TYPE_CHECKING:
    ChannelName: TypeAlias = str
    UnitName: TypeAlias = str
else:  # of a list of words msgspec hands out the very same object each time, whose hash is known
    ChannelName = Literal[tuple(sorted({name for channels in CHANNELS.values() for name in channels}))]
    UnitName = Literal[tuple(sorted({unit for units in CONVERSIONS.values() for unit in units}))]


class PlainRecord(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A record as our gateways write it, and nothing else."""

    n: ChannelName
    v: Annotated[float, msgspec.Meta(gt=-LARGEST, lt=LARGEST)]
    u: UnitName | None = None
    bn: str | None = None
    bt: float | None = None
    bup: float | None = None
    seq: int | None = None
    boot: str | None = None
    sent: float | None = None
    sup: float | None = None


class Resolved(NamedTuple):
    """A record with its base fields applied. `at_s` is absolute [s since 1970] or, below 2**28, relative to now.

    `uptime_s` is the sender's uptime at that time, None when it does not tell.
    """

    asset: str
    channel: str
    unit: str
    value: float | None
    at_s: float
    uptime_s: float | None
    seq: int | None


class BadRecord(NamedTuple):
    """A record that could not be read, as JSON, and why."""

    record: bytes
    detail: str
    seq: int | None


class Pack(NamedTuple):
    """A pack taken apart; `boot` is None when the sender is no gateway of ours.

    `sent_s` is the sender's clock [s since 1970] and `sent_uptime_s` its uptime [s] when the pack left.
    """

    boot: str | None
    sent_s: float | None
    sent_uptime_s: float | None
    records: list[Resolved]
    bad: list[BadRecord]


_pack_decoder = msgspec.json.Decoder(list[Record])
_plain_decoder = msgspec.json.Decoder(list[PlainRecord])


def decode_plain(payload: bytes) -> list[PlainRecord] | None:
    """The records of a pack when it is JSON and each is as our gateways write it; else None."""
    try:
        found = _plain_decoder.decode(payload)
    except (ValueError, RecursionError):  # msgspec's own errors are ValueErrors
        return None
    return found if len(found) <= MAX_RECORDS else None


def decode_pack(payload: bytes) -> Pack:
    """Take a pack apart.

    Raises
    ------
    PackUnreadable : not gzip, JSON or CBOR as it pretends, not a list of records, or beyond one of the bounds
    """
    plain = _unzipped(payload)
    first = plain[:1]
    if first and 0x80 <= first[0] <= 0x9F:
        return _resolve(*_converted(_from_cbor(plain)))
    try:
        return _resolve(_pack_decoder.decode(plain), [])
    except msgspec.ValidationError:
        return _resolve(*_converted(_from_json(plain)))
    except (ValueError, RecursionError) as error:
        raise PackUnreadable(f"not JSON: {error}") from error


def as_message(record: Resolved | BadRecord, boot: str | None, now_s: float) -> bytes:
    """One record as a pack of its own, so that it can be replayed as it stands; a time that is relative is counted from
    `now_s`, unless it is a clock's beside its uptime."""
    if isinstance(record, BadRecord):
        return b"[" + record.record + b"]"
    is_relative = record.at_s < RELATIVE_BELOW_S and record.uptime_s is None
    alone: dict[str, object] = {"bn": f"{record.asset}/"} if record.asset else {}
    alone |= {"n": record.channel}
    alone |= {"u": record.unit} if record.unit else {}
    alone |= {"v": record.value} if record.value is not None else {}
    alone |= {"bt": now_s + record.at_s if is_relative else record.at_s}
    alone |= {"bup": record.uptime_s} if record.uptime_s is not None else {}
    alone |= {"boot": boot} if boot is not None else {}
    alone |= {"seq": record.seq} if record.seq is not None else {}
    return json.dumps([alone], separators=(",", ":")).encode()


def _unzipped(payload: bytes) -> bytes:
    if payload[:2] != b"\x1f\x8b":
        return payload
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(payload)) as file:
            plain = file.read(MAX_UNPACKED_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise PackUnreadable(f"not gzip: {error}") from error
    if len(plain) > MAX_UNPACKED_BYTES:
        raise PackUnreadable(f"unpacks to more than {MAX_UNPACKED_BYTES} bytes")
    return plain


def _from_json(plain: bytes) -> Any:
    try:
        return msgspec.json.decode(plain)
    except (ValueError, RecursionError) as error:
        raise PackUnreadable(f"not JSON: {error}") from error


def _from_cbor(plain: bytes) -> Any:
    """A list of records from CBOR without tags and without values that hold others: SenML needs neither.

    Either would be a weapon. References to shared values let 200 bytes unfold to gigabytes, lists as keys of a map can
    all have one hash, and a tag can ask for a regular expression to be compiled. Decimal fractions (tag 4), which the
    RFC would allow, are the price.
    """
    try:
        found = cbor2.loads(plain, max_depth=2, semantic_decoders=_NO_TAGS)
    except Exception as error:  # cbor2 lets foreign errors through on hostile bytes
        raise PackUnreadable(f"not CBOR: {error}") from error
    if not isinstance(found, list):
        return found
    return [
        {CBOR_LABELS.get(key, key): value for key, value in record.items()} if isinstance(record, dict) else record
        for record in found
    ]


def _refuse_tag(*_: object) -> NoReturn:
    raise ValueError("tags are not read")


_NO_TAGS: Mapping[int, Any] = defaultdict(lambda: _refuse_tag)


def _converted(found: Any) -> tuple[list[Record | None], list[BadRecord]]:
    if not isinstance(found, list):
        raise PackUnreadable(f"a pack is a list of records, this is {type(found).__name__}")
    _refuse_too_many(found)
    good: list[Record | None] = []
    bad: list[BadRecord] = []
    for item in found:
        try:
            good.append(msgspec.convert(item, Record, strict=True))
        except (msgspec.ValidationError, OverflowError) as error:
            seq = item.get("seq") if isinstance(item, dict) else None
            whole = seq if isinstance(seq, int) and not isinstance(seq, bool) else None
            bad.append(BadRecord(_as_json(item), str(error), whole))
            good.append(_bases_of(item))
    return good, bad


def _as_json(item: Any) -> bytes:
    """A record as JSON; what JSON has no word for (a key or a value of CBOR) as its text."""
    try:
        return json.dumps(item, default=repr).encode()
    except TypeError:  # a key that is no text
        return json.dumps({str(key): value for key, value in item.items()}, default=repr).encode()


def _refuse_too_many(found: Sequence[object]) -> None:
    if len(found) > MAX_RECORDS:
        raise PackUnreadable(f"a pack of {len(found)} records, bound {MAX_RECORDS}")


def _bases_of(item: Any) -> Record | None:
    """What a bad record still tells its neighbours: the base fields that are right."""
    if not isinstance(item, dict):
        return None
    bases: dict[str, Any] = {}
    for key, its_type in _BASE_TYPES.items():
        try:
            bases[key] = msgspec.convert(item.get(key), its_type)
        except msgspec.ValidationError:
            continue
    return Record(**bases)


def _resolve(found: list[Record] | list[Record | None], bad: list[BadRecord]) -> Pack:
    _refuse_too_many(found)
    records: list[Resolved] = []
    boot: str | None = None
    sent_s: float | None = None
    sent_uptime_s: float | None = None
    uptime_s: float | None = None
    name = unit = ""
    time_s = value = 0.0
    for record in found:
        if record is None:
            continue
        name = name if record.bn is None else record.bn
        if record.bt is not None:
            time_s, uptime_s = record.bt, None
        uptime_s = uptime_s if record.bup is None else record.bup
        unit = unit if record.bu is None else record.bu
        value = value if record.bv is None else record.bv
        boot = boot or record.boot
        sent_s = sent_s if record.sent is None else record.sent
        sent_uptime_s = sent_uptime_s if record.sup is None else record.sup
        if record.n is None and record.v is None:
            continue
        asset, channel = split_name(name, record.n or "")
        at_s = time_s + (record.t or 0.0)
        number = None if record.v is None else value + record.v
        if not math.isfinite(at_s):
            bad.append(BadRecord(msgspec.json.encode(record), f"time {at_s} is no time", record.seq))
            continue
        at_uptime_s = None if uptime_s is None else uptime_s + (record.t or 0.0)
        unit_here = unit if record.u is None else record.u
        records.append(Resolved(asset, channel, unit_here, number, at_s, at_uptime_s, record.seq))
    return Pack(boot, sent_s, sent_uptime_s, records, bad)


def split_name(base: str, name: str) -> tuple[str, str]:
    """Asset (the base name) and channel (the name); the separators that SenML allows between them are accepted."""
    asset = base.rstrip("/:.")
    if not asset:
        asset, _, name = name.rpartition("/")
    return asset.rstrip("/:."), name.lstrip("/:.")
