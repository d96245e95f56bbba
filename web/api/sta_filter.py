"""The part of OData's `$filter`, `$orderby` and `$expand` that readers of SensorThings send; anything else is refused.

A condition becomes a tree of tuples; `holds` asks it of an entity. What a filter of observations bounds is taken out of
the tree by `bounds_of`, so that the database looks at that span alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from web.errors import NotOffered

MOST_DEPTH = 3  # of $expand
MOST_PARTS = 600  # of $filter: words, values and marks; a hundred comparisons and more
MOST_NESTED = 20  # `not` and brackets in one another
TOKEN = re.compile(
    r"\s*(?:(?P<geo>geography'[^']*')|(?P<text>'(?:[^']|'')*')|(?P<time>\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d))"
    r"|(?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?P<name>[@A-Za-z_][@.\w]*(?:/[@A-Za-z_][@.\w]*)*)|(?P<mark>[(),/]))"
)
EARLIEST, LATEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)  # a step further is still a time
COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: bool(a == b), "ne": lambda a, b: bool(a != b), "gt": lambda a, b: bool(a > b),
    "ge": lambda a, b: bool(a >= b), "lt": lambda a, b: bool(a < b), "le": lambda a, b: bool(a <= b),
}  # fmt: skip
FUNCTIONS = {"geo.intersects": 2, "substringof": 2, "startswith": 2, "endswith": 2, "during": 2, "overlaps": 2}
POINTS = re.compile(r"-?\d+(?:\.\d+)?\s+-?\d+(?:\.\d+)?")

Tree = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Options:
    """What a request or an expanded property asks for; `top` None where the default holds."""

    top: int | None = None
    skip: int = 0
    is_counted: bool = False
    where: Tree | None = None
    order: tuple[tuple[str, bool], ...] = ()  # path, and whether it descends
    select: tuple[str, ...] = ()
    expand: Mapping[str, Options] = field(default_factory=dict)
    parts: tuple[tuple[str, str], ...] = ()  # of an expanded property, as they were written


@dataclass(frozen=True, slots=True)
class Bounds:
    """Closed bounds that a condition puts on observations; `datastream` None for all, and no channel's id for none."""

    start: datetime | None = None
    end: datetime | None = None
    low: float = -math.inf
    high: float = math.inf
    datastream: float | None = None


def parse_options(parts: Sequence[tuple[str, str]]) -> Options:
    """Options by their names with `$`; raises `NotOffered`."""
    found = Options()
    for name, text in parts:
        match name:
            case "$top":
                found = replace(found, top=_whole(name, text))
            case "$skip":
                found = replace(found, skip=_whole(name, text))
            case "$count":
                if text not in ("true", "false"):
                    raise NotOffered(f"$count: {text!r} is neither true nor false")
                found = replace(found, is_counted=text == "true")
            case "$filter":
                found = replace(found, where=parse_filter(text))
            case "$orderby":
                found = replace(found, order=tuple(_order(one) for one in text.split(",")))
            case "$select":
                found = replace(found, select=tuple(one.strip() for one in text.split(",")))
            case "$expand":
                found = replace(found, expand=_expand(text, depth=1))
            case "$resultFormat" if text.lower() in ("default", ""):
                pass
            case _:
                raise NotOffered(f"{name}={text}: this is not offered")
    return found


def parse_filter(text: str) -> Tree:
    """The condition as a tree; raises `NotOffered` for what is not understood."""
    parser = _Parser(text)
    tree = parser.either()
    parser.end()
    return tree


def holds(tree: Tree, entity: Mapping[str, Any]) -> bool:
    """Whether a condition holds for an entity; what is not known fulfils none but `ne`."""
    match tree:
        case ("and", left, right):
            return holds(left, entity) and holds(right, entity)
        case ("or", left, right):
            return holds(left, entity) or holds(right, entity)
        case ("not", inner):
            return not holds(inner, entity)
        case ("call", name, left, right):
            return _call(name, _value(left, entity), _value(right, entity))
        case (operator, left, right):
            return _compared(operator, _value(left, entity), _value(right, entity))
    raise NotOffered(f"$filter: {tree!r} is no condition")


def bounds_of(tree: Tree | None) -> Bounds:
    """What a filter of observations bounds: time, result and datastream, joined by `and`.

    Raises
    ------
    NotOffered : anything else
    """
    match tree:
        case None:
            return Bounds()
        case ("and", left, right):
            return _both(bounds_of(left), bounds_of(right))
        case ("call", "during" | "overlaps", ("path", "phenomenonTime"), ("span", start, end)):
            return Bounds(start=start, end=end)
        case (operator, ("path", path), ("literal", value)):
            return _bound(operator, path, value)
        case (operator, ("literal", value), ("path", path)) if operator in _SWAPPED:
            return _bound(_SWAPPED[operator], path, value)
    raise NotOffered(
        "$filter of Observations: bounds of phenomenonTime, resultTime or result joined by `and` are offered"
    )


_SWAPPED = {"eq": "eq", "gt": "lt", "ge": "le", "lt": "gt", "le": "ge"}
_TICK = timedelta(microseconds=1)


def _bound(operator: str, path: str, value: Any) -> Bounds:
    if path in ("phenomenonTime", "resultTime") and isinstance(value, datetime):
        match operator:
            case "eq":
                return Bounds(start=value, end=value)
            case "gt" | "ge":
                return Bounds(start=value + _TICK if operator == "gt" else value)
            case "lt" | "le":
                return Bounds(end=value - _TICK if operator == "lt" else value)
    if path == "result" and isinstance(value, float):
        match operator:
            case "eq":
                return Bounds(low=value, high=value)
            case "gt" | "ge":
                return Bounds(low=math.nextafter(value, math.inf) if operator == "gt" else value)
            case "lt" | "le":
                return Bounds(high=math.nextafter(value, -math.inf) if operator == "lt" else value)
    if path in ("Datastream/id", "Datastream/@iot.id") and operator == "eq" and isinstance(value, float):
        return Bounds(datastream=value)
    raise NotOffered(f"$filter of Observations: {path} {operator} is not offered")


def _both(left: Bounds, right: Bounds) -> Bounds:
    starts = [one for one in (left.start, right.start) if one is not None]
    ends = [one for one in (left.end, right.end) if one is not None]
    streams = {one for one in (left.datastream, right.datastream) if one is not None}
    return Bounds(
        max(starts, default=None), min(ends, default=None), max(left.low, right.low), min(left.high, right.high),
        math.nan if len(streams) > 1 else next(iter(streams), None),
    )  # fmt: skip


class _Parser:
    """A recursive descent over one condition."""

    def __init__(self, text: str) -> None:
        self._text, at = text, 0
        self._tokens: list[tuple[str, str]] = []
        while text[at:].strip():
            match = TOKEN.match(text, at)
            if match is None or match.lastgroup is None:
                raise NotOffered(f"$filter: {text[at : at + 40]!r} is not understood")
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()
            if len(self._tokens) > MOST_PARTS:
                raise NotOffered(f"$filter: has more than {MOST_PARTS} words, values and marks")
        self._tokens.reverse()
        self._nested = 0

    def either(self) -> Tree:
        tree = self._all()
        while self._take_name("or"):
            tree = ("or", tree, self._all())
        return tree

    def end(self) -> None:
        if self._tokens:
            raise NotOffered(f"$filter: {self._tokens[-1][1]!r} is not understood")

    def _all(self) -> Tree:
        tree = self._one()
        while self._take_name("and"):
            tree = ("and", tree, self._one())
        return tree

    def _one(self) -> Tree:
        if self._take_name("not"):
            with self._deeper():
                return ("not", self._one())
        if self._take("("):
            with self._deeper():
                tree = self.either()
            self._must(")")
            return tree
        if self._tokens and self._tokens[-1][1].lower() in FUNCTIONS and self._tokens[-1][0] == "name":
            return self._function()
        left = self._operand()
        kind, operator = self._tokens.pop() if self._tokens else ("", "")
        if kind != "name" or operator not in COMPARE:
            raise NotOffered(f"$filter: {operator!r} is none of {', '.join(COMPARE)}")
        return (operator, left, self._operand())

    @contextmanager
    def _deeper(self) -> Iterator[None]:
        self._nested += 1
        if self._nested > MOST_NESTED:
            raise NotOffered(f"$filter: is nested deeper than {MOST_NESTED}")
        yield
        self._nested -= 1

    def _function(self) -> Tree:
        name = self._tokens.pop()[1].lower()
        self._must("(")
        left = self._operand()
        self._must(",")
        right = self._operand()
        self._must(")")
        return ("call", name, left, right)

    def _operand(self) -> Tree:
        kind, text = self._tokens.pop() if self._tokens else ("", "")
        match kind:
            case "name":
                return ("path", text)
            case "number":
                number = float(text)
                if not math.isfinite(number):
                    raise NotOffered(f"$filter: {text} is beyond any number")
                return ("literal", number)
            case "text":
                return ("literal", text[1:-1].replace("''", "'"))
            case "geo":
                return ("polygon", _ring(text))
            case "time":
                start = _instant(text)
                if not self._take("/"):
                    return ("literal", start)
                return ("span", start, _instant(self._tokens.pop()[1] if self._tokens else ""))
        raise NotOffered(f"$filter: {text!r} is no value")

    def _take(self, mark: str) -> bool:
        if self._tokens and self._tokens[-1][1] == mark:
            self._tokens.pop()
            return True
        return False

    def _take_name(self, word: str) -> bool:
        return bool(self._tokens) and self._tokens[-1] == ("name", word) and bool(self._tokens.pop())

    def _must(self, mark: str) -> None:
        if not self._take(mark):
            raise NotOffered(f"$filter: {self._text!r} lacks {mark!r}")


def _instant(text: str) -> datetime:
    try:
        return min(max(datetime.fromisoformat(text).astimezone(UTC), EARLIEST), LATEST)
    except (ValueError, OverflowError) as error:
        raise NotOffered(f"$filter: {text!r} is no instant") from error


def _ring(text: str) -> tuple[tuple[float, float], ...]:
    """The outer ring of a polygon in WKT: (longitude, latitude)."""
    if "POLYGON" not in text.upper() or "MULTI" in text.upper():
        raise NotOffered("$filter: of geo.intersects one polygon is offered")
    points = [tuple(map(float, point.split())) for point in POINTS.findall(text.partition("))")[0].partition("),")[0])]
    if len(points) < 4:
        raise NotOffered(f"$filter: {text} is no ring")
    return tuple((x, y) for x, y in points)


def _value(operand: Tree, entity: Mapping[str, Any]) -> Any:
    if operand[0] != "path":
        return operand[1:] if operand[0] == "span" else operand[1]
    value: Any = entity
    for part in operand[1].split("/"):
        key = "@iot.id" if part == "id" else part
        if not isinstance(value, Mapping) or key not in value:
            raise NotOffered(f"$filter: {operand[1]} is not offered here")
        value = value[key]
    return value


def _compared(operator: str, left: Any, right: Any) -> bool:
    if isinstance(left, datetime) != isinstance(right, datetime):
        left, right = (_instant(one) if isinstance(one, str) else one for one in (left, right))
    try:
        return COMPARE[operator](left, right)
    except TypeError:
        return False


def _call(name: str, left: Any, right: Any) -> bool:
    if name == "geo.intersects":
        if not isinstance(left, Mapping) or "coordinates" not in left or not isinstance(right, tuple):
            raise NotOffered("$filter: geo.intersects(location, geography'POLYGON…') is offered")
        longitude, latitude = left["coordinates"]
        return _is_within(longitude, latitude, right)
    if not isinstance(left, str) or not isinstance(right, str):
        raise NotOffered(f"$filter: {name} of texts is offered")
    return {
        "substringof": left in right, "startswith": left.startswith(right), "endswith": left.endswith(right),
    }.get(name, False)  # fmt: skip


def _is_within(x: float, y: float, ring: Sequence[tuple[float, float]]) -> bool:
    """Whether a point lies in a polygon: a ray to the east crosses its sides an odd number of times."""
    inside = False
    for (x1, y1), (x2, y2) in zip(ring, [*ring[1:], ring[0]], strict=True):
        if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
            inside = not inside
    return inside


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise NotOffered(f"{name}: {text!r} is no whole number from 0")
    return int(text)


def _order(text: str) -> tuple[str, bool]:
    path, _, direction = text.strip().partition(" ")
    if direction.strip().lower() not in ("", "asc", "desc"):
        raise NotOffered(f"$orderby: {text!r} is not understood")
    return path, direction.strip().lower() == "desc"


def _expand(text: str, *, depth: int) -> dict[str, Options]:
    """`A,B/C,D($top=1;$expand=E)` as options by property; a path is an expand within."""
    if depth > MOST_DEPTH:
        raise NotOffered(f"$expand: no deeper than {MOST_DEPTH}")
    found: dict[str, Options] = {}
    for part in _split(text, ","):
        head, bracket, rest = part.strip().partition("(")
        name, slash, further = head.partition("/")
        if slash:
            pairs = [("$expand", further + bracket + rest)]
        else:
            written = _split(rest.removesuffix(")"), ";") if bracket else []
            pairs = [(key.strip(), value) for key, _, value in (one.partition("=") for one in written)]
        pairs = [*(found[name].parts if name in found else ()), *pairs]
        own = [pair for pair in pairs if pair[0] != "$expand"]
        inner = parse_options(own)
        if further := ",".join(value for key, value in pairs if key == "$expand"):
            inner = replace(inner, expand=_expand(further, depth=depth + 1))
            own.append(("$expand", further))
        found[name] = replace(inner, parts=tuple(own))
    return found


def _split(text: str, mark: str) -> list[str]:
    """Parts of a text between marks that stand in no bracket and no quotation."""
    parts, depth, is_quoted = [""], 0, False
    for letter in text:
        is_quoted ^= letter == "'"
        depth += 0 if is_quoted else (letter == "(") - (letter == ")")
        if letter == mark and depth == 0 and not is_quoted:
            parts.append("")
        else:
            parts[-1] += letter
    return parts
