"""What the 16-bit registers of a Modbus device mean, and back: pure, no I/O.

A value of several registers comes in an order that the Modbus standard leaves open; it is named by its bytes, A being
the most significant: `ABCD` (high word first, the commonest), `CDAB` (low word first), `BADC` and `DCBA` (the bytes of
each word swapped as well).
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from enum import StrEnum


class RegisterType(StrEnum):
    """How a number lies in one, two or four registers."""

    U16 = "u16"
    S16 = "s16"
    U32 = "u32"
    S32 = "s32"
    F32 = "f32"
    U64 = "u64"
    S64 = "s64"
    F64 = "f64"


class Order(StrEnum):
    """The order of words, and of bytes within them."""

    ABCD = "ABCD"
    CDAB = "CDAB"
    BADC = "BADC"
    DCBA = "DCBA"


_FORMATS = {
    RegisterType.U16: ">H", RegisterType.S16: ">h", RegisterType.U32: ">I", RegisterType.S32: ">i",
    RegisterType.F32: ">f", RegisterType.U64: ">Q", RegisterType.S64: ">q", RegisterType.F64: ">d",
}  # fmt: skip


def words_of(kind: RegisterType) -> int:
    """How many registers a value takes."""
    return struct.calcsize(_FORMATS[kind]) // 2


def bits_of(kind: RegisterType) -> int | None:
    """How many bits an unsigned count has before it begins anew; None for what does not count like that."""
    return 16 * words_of(kind) if kind.startswith("u") else None


def decode(words: Sequence[int], kind: RegisterType, order: Order = Order.ABCD) -> float:
    """The number in these registers; NaN where a float holds none."""
    if len(words) != words_of(kind):
        raise ValueError(f"{kind} lies in {words_of(kind)} registers, not in {len(words)}")
    (value,) = struct.unpack(_FORMATS[kind], _arranged(struct.pack(f">{len(words)}H", *words), order))
    return value if isinstance(value, int) else float(value)


def encode(value: float, kind: RegisterType, order: Order = Order.ABCD) -> list[int]:
    """The registers in which a device keeps a number; one that does not fit is kept at the end of the range."""
    form = _FORMATS[kind]
    if kind.startswith("f"):
        packed = struct.pack(form, value)
    else:
        bits = 16 * words_of(kind)
        low, high = (0, 2**bits - 1) if kind.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        packed = struct.pack(form, low if math.isnan(value) else min(max(round(value), low), high))
    return list(struct.unpack(f">{len(packed) // 2}H", _arranged(packed, order)))


def _arranged(data: bytes, order: Order) -> bytes:
    """The bytes in the order ABCD, or from it in another: each order undoes itself."""
    if order in (Order.BADC, Order.DCBA):
        data = b"".join(data[at : at + 2][::-1] for at in range(0, len(data), 2))
    if order in (Order.CDAB, Order.DCBA):
        data = b"".join(data[at : at + 2] for at in range(len(data) - 2, -1, -2))
    return data


def as_f32(value: float) -> float:
    """The number as a float of 32 bits has it; infinite when it does not fit."""
    try:
        return float(struct.unpack(">f", struct.pack(">f", value))[0])
    except OverflowError:
        return math.copysign(math.inf, value)


def crc16(data: bytes) -> bytes:
    """The check of a Modbus RTU frame, in the order of the wire (Modbus over serial line V1.02, §6.2.2)."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")
