"""Payloads of devices into plain values: dicts, lists, texts, numbers. What cannot be read is `Undecodable`."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

MAX_LPP_POINTS = 200


class Undecodable(ValueError):
    """The payload is not what its profile says; the message says why."""


class OtherDevice(Undecodable):
    """The message speaks for another device than the topic, on which the broker let its sender publish."""


def from_json(payload: bytes) -> Any:
    """JSON (RFC 8259)."""
    try:
        return msgspec.json.decode(payload)
    except (ValueError, RecursionError) as error:
        raise Undecodable(f"not JSON: {error}") from error


def from_text(payload: bytes) -> Any:
    """One number or word, as many small devices publish it; the point is called `value`."""
    try:
        return {"value": payload.decode().strip()}
    except UnicodeDecodeError as error:
        raise Undecodable(f"not a text: {error.reason}") from error


class _Lpp(NamedTuple):
    """One kind of value of Cayenne LPP: its name, and where in its bytes what stands."""

    name: str
    length: int
    parts: tuple[tuple[str, str, float], ...]  # (suffix, form, divisor), in order, big-endian


_FORMS = {"B": (1, False), "h": (2, True), "H": (2, False), "t": (3, True), "I": (4, False)}  # bytes, whether signed


# Cayenne Low Power Payload 1.0, and the kinds that its widely used extension (ElectronicCats' CayenneLPP) added.
_LPP_KINDS: Mapping[int, _Lpp] = {
    0: _Lpp("digital_in", 1, (("", "B", 1),)),
    1: _Lpp("digital_out", 1, (("", "B", 1),)),
    2: _Lpp("analog_in", 2, (("", "h", 100),)),
    3: _Lpp("analog_out", 2, (("", "h", 100),)),
    100: _Lpp("generic", 4, (("", "I", 1),)),
    101: _Lpp("luminosity", 2, (("", "H", 1),)),
    102: _Lpp("presence", 1, (("", "B", 1),)),
    103: _Lpp("temperature", 2, (("", "h", 10),)),
    104: _Lpp("humidity", 1, (("", "B", 2),)),
    113: _Lpp("accelerometer", 6, (("_x", "h", 1000), ("_y", "h", 1000), ("_z", "h", 1000))),
    115: _Lpp("barometer", 2, (("", "H", 10),)),
    116: _Lpp("voltage", 2, (("", "H", 100),)),
    117: _Lpp("current", 2, (("", "H", 1000),)),
    118: _Lpp("frequency", 4, (("", "I", 1),)),
    120: _Lpp("percentage", 1, (("", "B", 1),)),
    121: _Lpp("altitude", 2, (("", "h", 1),)),
    125: _Lpp("concentration", 2, (("", "H", 1),)),
    128: _Lpp("power", 2, (("", "H", 1),)),
    130: _Lpp("distance", 4, (("", "I", 1000),)),
    131: _Lpp("energy", 4, (("", "I", 1000),)),
    132: _Lpp("direction", 2, (("", "H", 1),)),
    133: _Lpp("unixtime", 4, (("", "I", 1),)),
    134: _Lpp("gyrometer", 6, (("_x", "h", 100), ("_y", "h", 100), ("_z", "h", 100))),
    135: _Lpp("colour", 3, (("_r", "B", 1), ("_g", "B", 1), ("_b", "B", 1))),
    136: _Lpp("gps", 9, (("_latitude", "t", 10_000), ("_longitude", "t", 10_000), ("_altitude", "t", 100))),
    142: _Lpp("switch", 1, (("", "B", 1),)),
}


def from_cayenne_lpp(payload: bytes) -> Any:
    """Cayenne LPP: points named `kind_channel`, for example `analog_in_1`.

    A kind that is not known tells no length, so what stands behind it cannot be read: the whole is refused.
    """
    found: dict[str, float] = {}
    place = 0
    while place < len(payload):
        if place + 2 > len(payload):
            raise Undecodable("ends within the head of a value")
        channel, kind_number = payload[place], payload[place + 1]
        kind = _LPP_KINDS.get(kind_number)
        if kind is None:
            raise Undecodable(f"byte {place + 1}: {kind_number} is no kind of Cayenne LPP that is known")
        place += 2
        if place + kind.length > len(payload):
            raise Undecodable(f"{kind.name}_{channel}: ends within its {kind.length} bytes")
        for suffix, form, divisor in kind.parts:
            size, is_signed = _FORMS[form]
            raw = int.from_bytes(payload[place : place + size], "big", signed=is_signed)
            found[f"{kind.name}_{channel}{suffix}"] = raw / divisor
            place += size
        if len(found) > MAX_LPP_POINTS:
            raise Undecodable(f"more than {MAX_LPP_POINTS} values")
    if not found:
        raise Undecodable("no value in it")
    return found


def as_number(raw: object) -> float | None:
    """A number as devices write it (12, "12.0", true), or None."""
    if isinstance(raw, str):
        try:
            number = float(raw.strip())
        except ValueError:
            return None
    elif isinstance(raw, int | float):
        try:
            number = float(raw)
        except OverflowError:
            return None
    else:
        return None
    return number if math.isfinite(number) else None


FORMATS: Mapping[str, Callable[[bytes], Any]] = {
    "json": from_json,
    "text": from_text,
    "cayenne_lpp": from_cayenne_lpp,
}
"""Payload formats by the word for them in a profile; `sparkplug_b` is read by `sparkplug`, because it has a memory."""
