"""Tables of files that people write (TOML), checked key by key.

A mistake names file, key, value and bound: `zones/zone-1.toml: tower.volume_m3: -4 is below 0.5`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any


def read_toml(path: Path, error_type: type[Exception]) -> dict[str, Any]:
    """The values of a file; an error of that type when it cannot be read or is no TOML."""
    return values_from_toml(read_text(path, error_type), str(path), error_type)


def read_text(path: Path, error_type: type[Exception]) -> str:
    """The text of a file, without the mark that Windows puts before it; an error of that type when there is none."""
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        raise error_type(f"{path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise error_type(f"{path}: is no text in UTF-8: {error}") from error


def values_from_toml(text: str, path: str, error_type: type[Exception]) -> dict[str, Any]:
    """The values of a text, which errors call `path`; an error of that type when it is no TOML."""
    try:
        values = tomllib.loads(text)
        repr(values)  # what cannot be written, as a hexadecimal number of 4,000 digits, cannot be told in a mistake
    except (ValueError, RecursionError) as error:  # a whole number of 5,000 digits is a plain ValueError
        raise error_type(f"{path}: is not valid TOML: {error}") from error
    return values


class Table:
    """One table of a file, that knows where it stands and which keys were asked for.

    `what` is the kind of file in words, `error_type` what is raised of a mistake in it.
    """

    def __init__(
        self, path: str, prefix: str, values: Mapping[str, Any], *, what: str, error_type: type[Exception]
    ) -> None:
        self.path, self.prefix, self.values, self.asked = path, prefix, values, set[str]()
        self.what, self.error_type = what, error_type

    def error(self, key: str, problem: str) -> Exception:
        """The mistake `problem` in `key`, to be raised."""
        return self.error_type(f"{self.path}: {self.prefix}{key}: {problem}")

    def has(self, key: str) -> bool:
        """Whether the key is there; it counts as asked for."""
        self.asked.add(key)
        return key in self.values

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, which must be there unless it has a default."""
        self.asked.add(key)
        value = self.values.get(key, default)
        if value is None:
            raise self.error(key, "is missing")
        return value

    def text(self, key: str, default: str | None = None, *, pattern: re.Pattern[str] | None = None) -> str:
        """A text that is not empty."""
        value = self.get(key, default)
        if not isinstance(value, str) or not value.strip():
            raise self.error(key, f"{value!r} is not a text")
        if "\0" in value:
            raise self.error(key, f"{value!r} holds a NUL, which no database keeps")
        if pattern is not None and not pattern.fullmatch(value):
            raise self.error(key, f"{value!r} does not match {pattern.pattern}")
        return value

    def texts(self, key: str, default: list[str] | None = None) -> tuple[str, ...]:
        """A list of texts, at least one unless it has a default."""
        value = self.get(key, default)
        is_list = isinstance(value, list) and (value or default is not None)
        if not is_list or not all(isinstance(one, str) and one for one in value):
            raise self.error(key, f"{value!r} is not a list of texts")
        return tuple(value)

    def choice(self, key: str, choices: Iterable[str], default: str | None = None) -> str:
        """One of some words."""
        value, allowed = self.text(key, default), tuple(choices)
        if value not in allowed:
            raise self.error(key, f"{value!r} is none of {', '.join(allowed)}")
        return value

    def number(self, key: str, low: float, high: float, default: float | None = None) -> float:
        """A number within its bounds."""
        return self._within(key, self.get(key, default), low, high)

    def whole(self, key: str, low: int, high: int, default: int | None = None) -> int:
        """A whole number within its bounds."""
        value = self.number(key, low, high, default)
        if value != int(value):
            raise self.error(key, f"{value:g} is not a whole number")
        return int(value)

    def span(self, key: str, low: float, high: float) -> tuple[float, float]:
        """A least and a greatest number, both within bounds."""
        value = self.get(key)
        if not isinstance(value, list) or len(value) != 2:
            raise self.error(key, f"{value!r} is not a pair [least, greatest]")
        least, greatest = (self._within(key, one, low, high) for one in value)
        if least >= greatest:
            raise self.error(key, f"{least:g} is not below {greatest:g}")
        return least, greatest

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self.get(key, default)
        if not isinstance(value, bool):
            raise self.error(key, f"{value!r} is neither true nor false")
        return value

    def table(self, key: str) -> Table:
        """A table within this one."""
        value = self.get(key)
        if not isinstance(value, dict):
            raise self.error(key, f"{value!r} is not a table")
        return self._inner(f"{self.prefix}{key}.", value)

    def tables(self, key: str) -> list[Table]:
        """An array of tables; empty when it is not there."""
        value = self.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            raise self.error(key, "is not an array of tables")
        return [self._inner(f"{self.prefix}{key}[{n}].", item) for n, item in enumerate(value)]

    def done(self) -> None:
        """Refuse keys that nobody asked for."""
        for key in self.values:
            if key not in self.asked:
                known = ", ".join(sorted(self.asked))
                raise self.error(key, f"is not a key of a {self.what} here; known are {known}")

    def _within(self, key: str, value: Any, low: float, high: float) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or value != value:  # NaN is no number
            raise self.error(key, f"{value!r} is not a number")
        if not low <= value <= high:
            side, bound = ("below", low) if value < low else ("above", high)
            shown = f"{value:g}" if isinstance(value, float) else str(value)  # not every whole number fits in a float
            raise self.error(key, f"{shown} is {side} {bound:g}")
        return float(value)

    def _inner(self, prefix: str, values: Mapping[str, Any]) -> Table:
        return Table(self.path, prefix, values, what=self.what, error_type=self.error_type)
