"""Messages that nobody should send: a list of known weapons, and a fuzzer that mutates what is right.

Everything is drawn from a seed, so that a message that breaks something can be made again.
"""

from __future__ import annotations

import gzip
import json
import random
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from itertools import islice, product
from typing import Any

import cbor2

from gateway.wire import MAX_PAYLOAD_BYTES
from ingest.senml import MAX_UNPACKED_BYTES

NOON_S = 1_795_524_600.0  # 2026-11-24 12:50 UTC
NOON_US = round(NOON_S * 1e6)
ZONE, GATEWAY = "zone-1", "gw-1"
UP = f"ndiyan/1/{ZONE}/{GATEWAY}/up/senml"
STATUS = f"ndiyan/1/{ZONE}/{GATEWAY}/up/status"
GOOD: dict[str, Any] = {
    "bn": "tower/", "bt": NOON_S - 60, "bup": 940.0, "boot": "1a2b3c4d", "sent": NOON_S, "sup": 1000.0,
    "n": "level_m", "u": "m", "v": 2.5, "seq": 1,
}  # fmt: skip
WILD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**40, 2**53, 2**63, 2**64, -(2**63), 10**400, 0.1, -0.0, 1e-320, 1e300,
    -1e300, 1.7976931348623157e308, float("nan"), float("inf"), float("-inf"), "", "0", "2.5", "NaN", "\u0000",
    "a\u0000b", "\ud800", "\u202e", "é" * 300, "x" * 5000, "/", "/:.", "tower/", "level_m", "../../etc",
    "'; DROP TABLE reading; --", [], {}, [1], [[]], {"v": 1}, [None, "x"], 1_577_836_799.9, 4e9, 2.0**28, -(2.0**28),
    1e11, 1e15,
)  # fmt: skip
LABELS = (*GOOD, "bu", "bv", "t", "vs", "vb", "vd", "s", "bs", "bver", "ut", "x_", "")
TOPICS = (
    UP, UP, UP, UP, STATUS, "", "/", "ndiyan/1/zone-1/gw-1/up/", "ndiyan/1/zone-1/gw-1/up/senml/",
    "ndiyan/2/zone-1/gw-1/up/senml", "ndiyan/1//gw-1/up/senml", "ndiyan/1/zone-2/gw-1/up/senml",
    "ndiyan/1/zone-1/gw-9/up/senml", "ndiyan/1/zone-1/gw-1/down/ack", "ndiyan/1/zone-1/gw-1/up/pdf",
    "ndiyan/1/zone-1/gw-1/up/" + "k" * 60_000, "ndiyan/1/" + "z" * 30_000 + "/gw-1/up/senml",
    "ndiyan/1/zone-1/gw\x00/up/senml", "ndiyan/1/zone-1/gw\\xff/up/senml", "ndiyan/1/zone-\u202e/\U0001f6b0/up/senml",
    "$SYS/broker", "ndiyan/1/zone-1/'; DROP TABLE gateway; --/up/senml", "ndiyan/1/zone-1/gw-1/up/status/x",
)  # fmt: skip
INTERESTING = (
    b"\x00", b"\xff", b"\x1f\x8b", b"\x9f", b"\xff\xff\xff\xff", b"[", b"]", b"{", b"}", b'"', b"\\u0000", b"\\ud800",
    b"NaN", b"-Infinity", b"1e999", b"9" * 400, b"[" * 300, b"null", b",", b":", b"-", b"\\", b'"v":', b'"seq":0,',
    b"\xed\xa0\x80", b"\xd8\x1c", b"\xd8\x1d", b"\xc2", b"\xfb\x7f\xf0\x00\x00\x00\x00\x00\x00", b"\xa1",
    b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
)  # fmt: skip
NUMBERS = (b"1e999", b"-", b"0" * 50, b"9" * 30, b"1e-400", b".", b"00", b"NaN", b"1E5", b"0x1F")


def pack(*records: Any) -> bytes:
    """Records as JSON, also those that JSON does not really allow."""
    return json.dumps(records).encode()


def seeds() -> list[bytes]:
    """Packs and statuses that are right, in each form that is read."""
    readings = [GOOD, *({"n": "level_m", "u": "cm", "v": 200 + k, "t": k, "seq": k} for k in range(2, 7))]
    whole = pack(*readings)
    others = [
        pack(GOOD),
        pack({"bn": "pump/", "n": "flow_m3_h", "u": "l/s", "v": 1.5, "t": -60}),
        pack({"bn": "pump/", "bu": "Pa", "bv": 1e5, "bt": NOON_S}, {"n": "pressure_bar", "v": 5}),
        pack({"bn": "tower/", "n": "level_m", "u": "m", "v": 1, "bt": 100.0, "bup": 100.0, "boot": "ff", "seq": 9}),
        pack(*({**GOOD, "seq": k, "bt": NOON_S - 60 - k} for k in range(1, 61))),
        json.dumps({"state": "online", "boot": "1a2b3c4d", "software": "gw 1", "clock": "ntp", "at": NOON_S}).encode(),
    ]  # fmt: skip
    cbor = cbor2.dumps([{_label(key): value for key, value in record.items()} for record in readings])
    return [whole, *others, cbor, gzip.compress(whole), gzip.compress(cbor)]


@cache
def weapons() -> Mapping[str, bytes]:
    """Payloads that have hurt some program, by name."""
    full = MAX_PAYLOAD_BYTES
    keys = list(islice(product((-1, -2), repeat=12), 4000))  # hash(-1) == hash(-2): all of these have one hash
    return {
        "empty": b"",
        "spaces": b" " * full,
        "object": b"{}",
        "no-records": b"[]",
        "null": b"null",
        "number": b"7",
        "text": b'"tower"',
        "list-of-null": b"[null,null]",
        "list-of-numbers": b"[" + b"0," * (full // 2 - 2) + b"0]",
        "list-of-lists": b"[" + b"[]," * (full // 3 - 2) + b"[]]",
        "empty-records": b"[" + b"{}," * (full // 3 - 2) + b"{}]",
        "many-bad-records": b"[" + b'{"v":""},' * (full // 9 - 2) + b"{}]",
        "thousand-bad-records": b"[" + b'{"v":"","n":"\\u0000","seq":1e400},' * 999 + b"{}]",
        "deep-lists": b"[" * 100_000,
        "deep-lists-that-fit": b"[" * full,
        "deep-lists-closed": b"[" * (full // 2) + b"]" * (full // 2),
        "deep-objects": b'[{"v":' * 10_000,
        "deep-value": b'[{"n":"level_m","v":' + b"[" * 900 + b"]" * 900 + b"}]",
        "five-thousand-digits": pack(GOOD).replace(b"2.5", b"9" * 5000),
        "five-thousand-digits-of-seq": pack(GOOD).replace(b'"seq": 1', b'"seq": ' + b"9" * 5000),
        "four-thousand-digits-of-seq": pack(GOOD).replace(b'"seq": 1', b'"seq": ' + b"9" * 4000),
        "fifty-thousand-decimals": pack(GOOD).replace(b"2.5", b"0." + b"1" * 50_000),
        "huge-exponent": pack(GOOD).replace(b"2.5", b"1e999999999"),
        "tiny-exponent": pack(GOOD).replace(b"2.5", b"1e-999999999"),
        "largest-double": pack(GOOD | {"v": 1.7976931348623157e308}),
        "nan": pack(GOOD | {"v": float("nan")}),
        "infinity": pack(GOOD | {"v": float("inf")}),
        "infinite-time": pack(GOOD | {"bt": float("inf")}),
        "sum-beyond-doubles": pack(GOOD | {"bv": 1.7e308, "v": 1.7e308}),
        "end-of-time": pack(GOOD | {"bt": 1e300}),
        "1970": pack(GOOD | {"bt": 100.0, "sent": 160.0}),
        "tomorrow": pack(GOOD | {"bt": NOON_S + 86_400, "sent": NOON_S + 86_400}),
        "before-2020": pack({"n": "tower/level_m", "u": "m", "v": 1, "t": 1e9}),
        "no-time": pack({"n": "tower/level_m", "u": "m", "v": 1}),
        "uptime-of-ages": pack(GOOD | {"bup": 1e300, "sup": 1e300}),
        "negative-uptime": pack(GOOD | {"bup": -1e15, "sup": -1e15}),
        "seq-0": pack(GOOD | {"seq": 0}),
        "seq-negative": pack(GOOD | {"seq": -1}),
        "seq-2-to-the-53": pack(GOOD | {"seq": 2**53 - 2}),
        "seq-a-fraction": pack(GOOD | {"seq": 1.5}),
        "boot-with-nul": pack(GOOD | {"boot": "a\u0000b"}),
        "boot-empty": pack(GOOD | {"boot": ""}),
        "boot-long": pack(GOOD | {"boot": "b" * 60_000}),
        "boot-a-number": pack(GOOD | {"boot": 7}),
        "name-with-nul": pack(GOOD | {"n": "level_m\u0000"}),
        "name-lone-surrogate": pack(GOOD | {"n": "\ud800"}),
        "base-name-in-each-reading": pack(*([{"bn": "b" * 30_000}] + [{"n": "x", "v": 1}] * 999)),
        "unknown-channel": pack(GOOD | {"n": "depth_m"}),
        "value-as-text": pack(GOOD | {"v": "2.5"}),
        "value-true": pack(GOOD | {"v": True}),
        "value-null": pack(GOOD | {"v": None}),
        "value-list": pack(GOOD | {"v": [2.5]}),
        "unit-of-pressure": pack(GOOD | {"u": "bar"}),
        "unit-of-no-registry": pack(GOOD | {"u": "furlong"}),
        "unit-in-capitals": pack(GOOD | {"u": "M"}),
        "unit-a-number": pack(GOOD | {"u": 1}),
        "keys-twice": b'[{"n":"level_m","n":"tower/level_m","v":"x","v":2,"u":"m","t":-1,"t":-2}]',
        "not-utf-8": pack(GOOD).replace(b"tower", b"\xff\xfe"),
        "utf-16": json.dumps([GOOD]).encode("utf-16"),
        "byte-order-mark": b"\xef\xbb\xbf" + pack(GOOD),
        "overlong-utf-8": pack(GOOD).replace(b"/", b"\xc0\xaf"),
        "truncated": pack(GOOD)[:-5],
        "two-packs": pack(GOOD) * 2,
        "protobuf": b"\x08\x96\x01\x12\x07testing",
        "a-picture": b"\x89PNG\r\n\x1a\n" + bytes(200),
        "too-large": b" " * (full + 1) + pack(GOOD),
        "gzip-bomb": gzip.compress(bytes(50_000_000)),
        "gzip-bomb-of-records": gzip.compress(b"[" + b"{}," * 1_000_000 + b"{}]"),
        "gzip-that-just-fits": gzip.compress(b"[" + b'{"v":1},' * (MAX_UNPACKED_BYTES // 8 - 2) + b"{}]"),
        "gzip-in-gzip": gzip.compress(gzip.compress(pack(GOOD))),
        "gzip-cut": gzip.compress(pack(GOOD))[:-9],
        "gzip-of-nothing-often": gzip.compress(b"") * (full // 20),
        "gzip-wrong-sum": gzip.compress(pack(GOOD))[:-8] + bytes(8),
        "gzip-long-name": b"\x1f\x8b\x08\x08" + bytes(6) + b"n" * 60_000,
        "cbor-unfolds-to-gigabytes": _shared(30),
        "cbor-in-itself": b"\x81\xa2\x00\x61a\x02\xd8\x1c\x81\xd8\x1d\x00",
        "cbor-keys-of-one-hash": b"\x81" + cbor2.dumps(dict.fromkeys(keys, 1)),
        "cbor-list-as-key": b"\x81\xa1\x82\x01\x02\x61x",
        "cbor-bytes-as-key": b"\x81\xa2\x41\x01\x61a\x02\x61x",
        "cbor-bignum": b"\x81\xa1\x02\xc2\x59" + struct.pack(">H", 60_000) + b"\xff" * 60_000,
        "cbor-bignum-as-record": b"\x81\xc2\x59" + struct.pack(">H", 60_000) + b"\xff" * 60_000,
        "cbor-bigfloat": b"\x81\xa1\x02\xc5\x82\x1a\x05\xf5\xe1\x00\x03",
        "cbor-regular-expression": b"\x81\xd8\x23" + cbor2.dumps("(a?){1,99}" * 6000),
        "cbor-mail": b"\x81\xd8\x24" + cbor2.dumps("A: b\n" * 12_000),
        "cbor-endless": b"\x9f\x9f\x9f",
        "cbor-says-it-is-huge": b"\x9b" + struct.pack(">Q", 2**62),
        "cbor-text-says-it-is-huge": b"\x81\x7b" + struct.pack(">Q", 2**62),
        "cbor-nan": cbor2.dumps([{-2: "tower/", 0: "level_m", 1: "m", 2: float("nan"), 6: NOON_S}]),
        "cbor-simple-value": b"\x81\xa2\x00\x61a\x02\xf8\x63",
        "cbor-surrogate": b"\x81\xa1\x00\x63\xed\xa0\x80",
        "cbor-map": cbor2.dumps({0: "level_m"}),
    }


class Fuzzer:
    """Makes hostile messages without end; the same seed gives the same ones."""

    def __init__(self, seed: int) -> None:
        self._dice = random.Random(seed)  # noqa: S311 - repeatable, no secret
        self._seeds = seeds()
        self._weapons = [payload for payload in weapons().values() if len(payload) < 2000]
        self._ways: Sequence[Callable[[bytes], bytes]] = (
            self._flip, self._cut, self._double, self._insert, self._splice, self._wild_value, self._wild_value,
            self._wild_value, self._without_label, self._records_again, self._as_cbor, self._zipped, self._number,
        )  # fmt: skip

    def messages(self, count: int) -> Iterator[tuple[str, bytes]]:
        """Topics and payloads."""
        for _ in range(count):
            dice = self._dice
            payload = dice.choice(self._weapons if dice.random() < 0.1 else self._seeds)
            for _ in range(dice.choice((1, 1, 1, 2, 2, 3, 5))):
                payload = dice.choice(self._ways)(payload)
            topic = dice.choice(TOPICS)
            if dice.random() < 0.02:
                topic = self._flip(topic.encode("utf-8", "surrogatepass")).decode("utf-8", "backslashreplace")
            yield topic, payload

    def _flip(self, payload: bytes) -> bytes:
        changed = bytearray(payload)
        for _ in range(self._dice.choice((1, 1, 2, 8))):
            if changed:
                changed[self._dice.randrange(len(changed))] = self._dice.randrange(256)
        return bytes(changed)

    def _place(self, payload: bytes) -> int:
        return self._dice.randrange(len(payload) + 1)

    def _cut(self, payload: bytes) -> bytes:
        low, high = sorted((self._place(payload), self._place(payload)))
        return payload[:low] if self._dice.random() < 0.3 else payload[:low] + payload[high:]

    def _double(self, payload: bytes) -> bytes:
        low, high = sorted((self._place(payload), self._place(payload)))
        times = self._dice.choice((2, 2, 3, 30)) if high - low < 2000 else 2
        return payload[:low] + payload[low:high] * times + payload[high:]

    def _insert(self, payload: bytes) -> bytes:
        place = self._place(payload)
        return payload[:place] + self._dice.choice(INTERESTING) + payload[place:]

    def _splice(self, payload: bytes) -> bytes:
        other = self._dice.choice(self._seeds)
        return payload[: self._place(payload)] + other[self._place(other) :]

    def _number(self, payload: bytes) -> bytes:
        """Another number where there is one."""
        places = [k for k, letter in enumerate(payload[:500]) if 48 <= letter <= 57]
        if not places:
            return payload
        place = self._dice.choice(places)
        number = self._dice.choice(NUMBERS)
        return payload[:place] + number + payload[place + 1 :]

    def _wild_value(self, payload: bytes) -> bytes:
        label, value = self._dice.choice(LABELS), self._dice.choice(WILD)
        return self._edited(payload, lambda record: record.update({label: value}))

    def _without_label(self, payload: bytes) -> bytes:
        return self._edited(payload, lambda record: record.pop(self._dice.choice(LABELS), None))

    def _edited(self, payload: bytes, edit: Callable[[dict[str, Any]], Any]) -> bytes:
        """The payload with one of its records changed, when it is a pack."""
        records = _records(payload)
        found = [record for record in records if isinstance(record, dict)]
        if not found:
            return payload
        edit(self._dice.choice(found))
        return pack(*records)

    def _records_again(self, payload: bytes) -> bytes:
        records = _records(payload)
        self._dice.shuffle(records)
        return pack(*records, *records[: self._dice.randrange(4)]) if records else payload

    def _as_cbor(self, payload: bytes) -> bytes:
        records = _records(payload)
        if not records:
            return payload
        labelled = [
            {_label(key): value for key, value in record.items()} if isinstance(record, dict) else record
            for record in records
        ]
        try:
            return cbor2.dumps(labelled)
        except (UnicodeError, RecursionError):
            return payload

    def _zipped(self, payload: bytes) -> bytes:
        return gzip.compress(payload, 1)


def _records(payload: bytes) -> list[Any]:
    try:
        found = json.loads(payload)
    except (ValueError, RecursionError):
        return []
    return found if isinstance(found, list) else []


def _label(key: str) -> int | str:
    numbers = {"bt": -3, "bn": -2, "bu": -4, "bv": -5, "n": 0, "u": 1, "v": 2, "t": 6}
    return numbers.get(key, key)


def _shared(levels: int) -> bytes:
    """CBOR whose value holds the one before twice, and so on: 2 ** `levels` numbers in some bytes a level."""
    values = [b"\xd8\x1c\x81\x01"]  # shared value number 0
    values += [b"\xd8\x1c\x82" + (b"\xd8\x1d" + cbor2.dumps(level)) * 2 for level in range(levels)]
    return b"\x81\xa2\x00\x61a\x02\x98" + bytes([len(values)]) + b"".join(values)
