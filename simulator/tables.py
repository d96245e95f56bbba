"""A table of a scenario file that knows where it stands: a mistake names file, key, value and bound."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time
from typing import Any

from simulator.errors import ScenarioError

Range = tuple[float, float]
EARLIEST, LATEST = date(1970, 1, 1), date(2199, 12, 31)  # of a story: its times are counted from the first


class Table:
    """One table of the file `path`; asks for its keys, and `done` refuses those that nobody asked for."""

    def __init__(self, path: str, prefix: str, values: Mapping[str, Any]) -> None:
        self._path, self._prefix, self._values, self._asked = path, prefix, values, set[str]()

    def error(self, key: str, problem: str) -> ScenarioError:
        """A mistake at `key`."""
        return ScenarioError(f"{self._path}: {self._prefix}{key}: {problem}")

    def get(self, key: str) -> Any:
        """The value as TOML gives it, None when it is not there."""
        self._asked.add(key)
        return self._values.get(key)

    def sentence(self, key: str) -> str:
        """A text that must be there."""
        value = self.get(key)
        if not isinstance(value, str) or not value.strip():
            raise self.error(key, f"{value!r} is not a sentence")
        return value

    def choice(self, key: str, choices: Iterable[str], default: str | None = None) -> str:
        """One of some words."""
        value, known = self.get(key), sorted(choices)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or value not in known:
            raise self.error(key, f"{value!r} is none of {', '.join(known)}")
        return value

    def choices(self, key: str, choices: Iterable[str], default: tuple[str, ...]) -> tuple[str, ...]:
        """Several of some words, each once, at least one."""
        values, known = self.get(key), sorted(choices)
        if values is None:
            return default
        if not isinstance(values, list) or not values or len(set(map(str, values))) != len(values):
            raise self.error(key, f"{values!r} is not a list of different words")
        for value in values:
            if value not in known:
                raise self.error(key, f"{value!r} is none of {', '.join(known)}")
        return tuple(values)

    def number(self, key: str, low: float, high: float, default: float | None = None) -> float:
        """A number within bounds."""
        value = self.get(key)
        if value is None and default is not None:
            return default
        return self._within(key, value, low, high)

    def maybe(self, key: str, low: float, high: float) -> float | None:
        """A number within bounds, None when it is not there."""
        return None if self.get(key) is None else self.number(key, low, high)

    def span(self, key: str, low: float, high: float, default: Range) -> Range:
        """A least and a greatest number, both within bounds."""
        value = self.get(key)
        if value is None:
            return default
        if not isinstance(value, list) or len(value) != 2:
            raise self.error(key, f"{value!r} is not a pair [least, greatest]")
        least, greatest = (self._within(key, number, low, high) for number in value)
        if least > greatest:
            raise self.error(key, f"{least:g} is above {greatest:g}")
        return least, greatest

    def day(self, key: str) -> date | None:
        """A date, None when it is not there."""
        value = self.get(key)
        if value is not None and (not isinstance(value, date) or isinstance(value, datetime)):
            raise self.error(key, f"{value} is not a date like 2026-03-01")
        if value is not None and not EARLIEST <= value <= LATEST:
            raise self.error(key, f"{value} is not within {EARLIEST}..{LATEST}")
        return value

    def clock_time(self, key: str) -> time | None:
        """A time of the day in UTC, which is the local time of Guinea; None when it is not there."""
        value = self.get(key)
        if value is not None and not isinstance(value, time):
            raise self.error(key, f"{value!r} is not a time like 14:30:00")
        return value

    def table(self, key: str) -> Table:
        """A table, empty when it is not there."""
        value = self.get(key)
        if value is not None and not isinstance(value, dict):
            raise self.error(key, f"{value!r} is not a table")
        return Table(self._path, f"{self._prefix}{key}.", value or {})

    def tables(self, key: str) -> list[Table]:
        """An array of tables, empty when it is not there."""
        values = self.get(key)
        if values is not None and (not isinstance(values, list) or not all(isinstance(one, dict) for one in values)):
            raise self.error(key, "is not an array of tables")
        return [Table(self._path, f"{self._prefix}{key}[{n}].", one) for n, one in enumerate(values or [])]

    def done(self) -> None:
        """Refuse keys that nobody asked for."""
        for key in self._values:
            if key not in self._asked:
                raise self.error(key, f"is not a key here; known are {', '.join(sorted(self._asked))}")

    def _within(self, key: str, value: Any, low: float, high: float) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self.error(key, f"{value!r} is not a number")
        if not low <= value <= high:
            raise self.error(key, f"{value:g} is not within {low:g}..{high:g}")
        return float(value)
