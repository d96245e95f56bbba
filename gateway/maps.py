"""Register maps: what a model of device tells in which register, as data (docs/gateway.md, "Adding a map").

One TOML file per model: address, type, order, scale, unit, range and sentinels of each register, the source of all
this, and sample frames, which are the map's tests: a map whose samples do not give what they say is refused.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from gateway.errors import ConfigError
from gateway.model import PumpState
from gateway.registers import Order, RegisterType, bits_of, crc16, decode, encode, words_of
from gateway.tables import Table, read_toml

SHIPPED = Path(__file__).parent / "register_maps"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,40}")
MOST_AT_ONCE = 125  # registers in one answer (Modbus application protocol V1.1b3, §6.3)


class RegisterTable(StrEnum):
    """Where a register lies."""

    HOLDING = "holding"
    INPUT = "input"


READ_CODES = {3: RegisterTable.HOLDING, 4: RegisterTable.INPUT}


class Value(NamedTuple):
    """What one register or line of a device says: a number with its unit, or why there is none.

    `wraps_at` is where a counter begins anew, None for what does not count.
    """

    number: float | None
    unit: str = ""
    why: str | None = None
    wraps_at: float | None = None


@dataclass(frozen=True, slots=True)
class Register:
    """One quantity of a device; number = raw * scale + offset."""

    name: str
    table: RegisterTable
    address: int
    kind: RegisterType
    order: Order
    scale: float
    offset: float
    unit: str
    valid: tuple[float, float] | None
    sentinels: frozenset[float]
    is_counter: bool
    states: Mapping[int, PumpState] | None
    unexplained: int | None  # a code for states of which the device does not tell the cause

    @property
    def words(self) -> int:
        """How many registers it takes."""
        return words_of(self.kind)

    def value(self, words: Sequence[int]) -> Value:
        """What the device says, or why that is no measurement."""
        raw = decode(words, self.kind, self.order)
        if raw in self.sentinels:
            return Value(None, self.unit, f"raw {raw:g} means: no value")
        if not math.isfinite(raw):
            return Value(None, self.unit, "not a number")
        if self.states is not None:
            if raw == self.unexplained:
                return Value(None, "", f"code {raw:g}: the device does not tell why")
            state = self.states.get(int(raw))
            return Value(None, "", f"code {raw:g} is not in the map") if state is None else Value(float(state))
        number = raw * self.scale + self.offset
        if self.valid is not None and not self.valid[0] <= number <= self.valid[1]:
            return Value(None, self.unit, f"{number:g} is not within {self.valid[0]:g}..{self.valid[1]:g}")
        bits = bits_of(self.kind)
        wraps_at = 2.0**bits * self.scale if self.is_counter and bits else None
        return Value(number, self.unit, None, wraps_at)

    def registers(self, number: float) -> list[int]:
        """What lies in the device when it says `number` (a state: its canonical code)."""
        if self.states is not None:
            codes = {int(self.states[code]): code for code in sorted(self.states, reverse=True)}
            return encode(codes.get(int(number), self.unexplained or 0), self.kind, self.order)
        raw = (number - self.offset) / self.scale
        bits = bits_of(self.kind)
        return encode(raw % 2**bits if self.is_counter and bits else raw, self.kind, self.order)


@dataclass(frozen=True, slots=True)
class Sample:
    """An exchange as it goes over the line, and what it gives; `origin` tells whether it was recorded or worked out."""

    request: bytes
    response: bytes
    origin: str
    gives: Mapping[str, float | str]


class Block(NamedTuple):
    """Registers that are read at once, `words` from `address` on."""

    table: RegisterTable
    address: int
    words: int
    registers: tuple[Register, ...]


@dataclass(frozen=True, slots=True)
class RegisterMap:
    """A model of device."""

    name: str
    says: str
    source: str
    at_once: int
    registers: Mapping[str, Register]
    samples: tuple[Sample, ...]

    def blocks(self, names: Iterable[str]) -> list[Block]:
        """How to read these registers in few requests: neighbours together, never across a gap."""
        found: list[Block] = []
        for one in sorted((self.registers[name] for name in set(names)), key=lambda r: (r.table, r.address)):
            last = found[-1] if found else None
            end = one.address + one.words
            if (
                last is not None and last.table is one.table
                and one.address <= last.address + last.words and end - last.address <= self.at_once
            ):  # fmt: skip
                words = max(last.words, end - last.address)
                found[-1] = Block(last.table, last.address, words, (*last.registers, one))
            else:
                found.append(Block(one.table, one.address, one.words, (one,)))
        return found


def find_map(name: str, beside: Path) -> RegisterMap:
    """A map by its name (shipped) or by its file, which is looked for in the folder `beside`."""
    if name.endswith(".toml"):
        return load_map(beside / name)
    file = SHIPPED / f"{name}.toml"
    if not NAME.fullmatch(name) or not file.exists():
        known = ", ".join(sorted(path.stem for path in SHIPPED.glob("*.toml")))
        raise ConfigError(f"map {name!r} is neither a file (*.toml) nor one of those shipped: {known}")
    return load_map(file)


def load_map(path: Path) -> RegisterMap:
    """Read, check and try a map.

    Raises
    ------
    ConfigError : a key is missing, unknown or out of bounds, or a sample does not give what it says
    """
    top = Table(str(path), "", read_toml(path, ConfigError), what="register map", error_type=ConfigError)
    name, says, source = top.text("map", pattern=NAME), top.text("says"), top.text("source")
    at_once = top.whole("at_once", 1, MOST_AT_ONCE, 60)
    registers: dict[str, Register] = {}
    for table in top.tables("register"):
        register = _register(table)
        if register.name in registers:
            raise table.error("name", f"{register.name!r} stands twice")
        registers[register.name] = register
    samples = tuple(_sample(table, registers) for table in top.tables("sample"))
    top.done()
    for key, found in (("register", registers), ("sample", samples)):
        if not found:
            raise top.error(key, "is missing: a map has registers, and samples to try them")
    return RegisterMap(name, says, source, at_once, registers, samples)


def _register(table: Table) -> Register:
    name = table.text("name", pattern=NAME)
    kind = RegisterType(table.choice("type", list(RegisterType)))
    if words_of(kind) == 1 and table.has("order"):
        raise table.error("order", f"tells nothing of {kind}, which lies in one register")
    states = _states(table) if table.has("states") else None
    found = Register(
        name,
        RegisterTable(table.choice("table", list(RegisterTable))),
        table.whole("address", 0, 65_535),
        kind,
        Order(table.choice("order", list(Order), Order.ABCD)),
        table.number("scale", -1e12, 1e12, 1.0),
        table.number("offset", -1e12, 1e12, 0.0),
        "" if states is not None else str(table.values.get("unit", "")),
        table.span("valid", -1e12, 1e12) if table.has("valid") else None,
        _sentinels(table, kind),
        table.flag("counter", default=False),
        states,
        table.whole("unexplained", 0, 65_535) if states is not None and table.has("unexplained") else None,
    )
    table.asked.add("unit")
    if found.scale == 0:
        raise table.error("scale", "0 makes nothing of everything")
    if found.address + found.words > 65_536:
        raise table.error("address", f"{found.address} and {found.words} registers end above 65535")
    table.done()
    return found


def _states(table: Table) -> dict[int, PumpState]:
    words = {state.name.lower(): state for state in PumpState}
    inner = table.table("states")
    found: dict[int, PumpState] = {}
    for code in inner.values:
        if not code.isdigit():
            raise inner.error(code, "is not a code: a whole number from 0 on")
        found[int(code)] = words[inner.choice(code, words)]
    return found


def _sentinels(table: Table, kind: RegisterType) -> frozenset[float]:
    """Raw numbers as they come out of registers of that kind: -9999.9 is -9999.900390625 in a float of 32 bits."""
    values = table.get("sentinels", [])
    if not isinstance(values, list) or any(isinstance(v, bool) or not isinstance(v, int | float) for v in values):
        raise table.error("sentinels", f"{values!r} is not a list of raw numbers")
    found = set()
    for value in values:
        try:
            raw = decode(encode(value, kind), kind)
        except OverflowError:
            raw = math.nan
        if raw != value and not (kind.startswith("f") and math.isclose(raw, value, rel_tol=1e-6)):
            raise table.error("sentinels", f"{value!r} is no raw number of {kind}")
        found.add(raw)
    return frozenset(found)


def _sample(table: Table, registers: Mapping[str, Register]) -> Sample:
    frames = {}
    for key in ("request", "response"):
        text = table.text(key)
        try:
            frame = bytes.fromhex(text)
        except ValueError as error:
            raise table.error(key, f"{text!r} is not bytes as 01 03 …") from error
        if len(frame) < 5 or crc16(frame[:-2]) != frame[-2:]:
            raise table.error(key, f"ends with {frame[-2:].hex(' ')}, but its check is {crc16(frame[:-2]).hex(' ')}")
        frames[key] = frame
    gives = table.get("gives")
    if not isinstance(gives, dict) or not gives:
        raise table.error("gives", f"{gives!r} is not a table of registers and what they give")
    sample = Sample(frames["request"], frames["response"], table.text("origin"), gives)
    table.done()
    found = _answered(table, sample, registers)
    for name, wanted in gives.items():
        if name not in found:
            raise table.error(f"gives.{name}", "is not among the registers that this exchange reads")
        if not _is_same(found[name], wanted):
            got = found[name].why if found[name].number is None else found[name].number
            raise table.error(f"gives.{name}", f"{wanted!r} is wanted, the frame gives {got!r}")
    return sample


def _answered(table: Table, sample: Sample, registers: Mapping[str, Register]) -> dict[str, Value]:
    """The registers that lie within the exchange, with their values."""
    request, response = sample.request, sample.response
    if len(request) != 8 or request[1] not in READ_CODES or request[:2] != response[:2]:
        raise table.error("request", "is no reading of registers (function 3 or 4) that the response answers")
    address, count = int.from_bytes(request[2:4]), int.from_bytes(request[4:6])
    data = response[3:-2]
    if response[2] != len(data) or len(data) != 2 * count:
        raise table.error("response", f"holds {len(data) // 2} registers, {count} are asked for")
    words = [int.from_bytes(data[at : at + 2]) for at in range(0, len(data), 2)]
    return {
        one.name: one.value(words[one.address - address : one.address - address + one.words])
        for one in registers.values()
        if one.table is READ_CODES[request[1]]
        and address <= one.address and one.address + one.words <= address + count
    }  # fmt: skip


def _is_same(found: Value, wanted: Any) -> bool:
    """`wanted` is a number, a state's word, or "none" for no measurement."""
    if isinstance(wanted, str):
        states = {state.name.lower(): float(state) for state in PumpState}
        return found.number is None if wanted == "none" else found.number == states.get(wanted)
    return found.number is not None and math.isclose(found.number, wanted, rel_tol=1e-6, abs_tol=1e-9)
