"""Named days: TOML files that read like a story, checked key by key.

Times of faults are told relative to T0, the moment at which the live run begins: `days = -12` is twelve days before.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any

from gateway.model import Fault
from simulator.errors import ScenarioError
from simulator.faults import CATALOGUE, SIZES, Broken

FOLDER = files("simulator") / "scenarios"


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """A fault of the story; it begins `begins_after` T0 (before it when negative) and ends by itself or never."""

    zone: str
    fault: Fault
    size: str
    begins_after: timedelta
    lasts: timedelta | None

    def broken(self, start: datetime) -> Broken:
        """The fault in a run whose T0 is `start`."""
        begin_s = (start + self.begins_after).timestamp()
        return Broken(
            self.zone,
            self.fault,
            self.size,
            begin_s,
            None if self.lasts is None else begin_s + self.lasts.total_seconds(),
        )


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story: what happens to which zone, and whether the sky stays clear from the day of T0 on."""

    name: str
    says: str
    clear_from_start: bool
    faults: tuple[PlannedFault, ...]

    @property
    def past_faults(self) -> tuple[PlannedFault, ...]:
        """What happened before T0."""
        return tuple(fault for fault in self.faults if fault.begins_after < timedelta(0))

    @property
    def live_faults(self) -> tuple[PlannedFault, ...]:
        """What happens from T0 on."""
        return tuple(fault for fault in self.faults if fault.begins_after >= timedelta(0))


def load_scenario(name: str) -> Scenario:
    """Read a shipped scenario.

    Raises
    ------
    ScenarioError : no such scenario, or a mistake in it
    """
    file = FOLDER / f"{name}.toml"
    if not file.is_file():
        known = ", ".join(sorted(entry.name.removesuffix(".toml") for entry in FOLDER.iterdir()))
        raise ScenarioError(f"scenario {name!r} is none of {known}")
    return scenario_from_toml(file.read_text("utf-8"), f"{name}.toml")


def scenario_from_toml(text: str, path: str) -> Scenario:
    """Check the text of one scenario; `path` is what errors call it."""
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ScenarioError(f"{path}: is not valid TOML: {error}") from error
    _only(path, "", values, {"says", "clear_from_start", "fault"})
    says, clear = values.get("says"), values.get("clear_from_start", False)
    if not isinstance(says, str) or not says:
        raise ScenarioError(f"{path}: says: {says!r} is not a sentence")
    if not isinstance(clear, bool):
        raise ScenarioError(f"{path}: clear_from_start: {clear!r} is neither true nor false")
    tables = values.get("fault", [])
    if not isinstance(tables, list):
        raise ScenarioError(f"{path}: fault: is not an array of tables")
    faults = tuple(_fault(path, f"fault[{n}].", table) for n, table in enumerate(tables))
    return Scenario(path.removesuffix(".toml"), says, clear, faults)


def _fault(path: str, prefix: str, table: Any) -> PlannedFault:
    if not isinstance(table, dict):
        raise ScenarioError(f"{path}: {prefix.rstrip('.')}: is not a table")
    _only(path, prefix, table, {"zone", "fault", "size", "days", "minutes", "hours"})
    zone, name, size = table.get("zone"), table.get("fault"), table.get("size", "L")
    if not isinstance(zone, str):
        raise ScenarioError(f"{path}: {prefix}zone: {zone!r} is not a zone's id")
    if name not in {fault.value for fault in CATALOGUE}:
        raise ScenarioError(f"{path}: {prefix}fault: {name!r} is none of {', '.join(sorted(CATALOGUE))}")
    if size not in SIZES:
        raise ScenarioError(f"{path}: {prefix}size: {size!r} is none of {', '.join(SIZES)}")
    days = _number(path, f"{prefix}days", table.get("days", 0), -400, 400)
    minutes = _number(path, f"{prefix}minutes", table.get("minutes", 0), -1440, 100_000)
    hours = table.get("hours")
    lasts = None if hours is None else timedelta(hours=_number(path, f"{prefix}hours", hours, 0.1, 10_000))
    return PlannedFault(zone, Fault(name), size, timedelta(days=days, minutes=minutes), lasts)


def _number(path: str, key: str, value: Any, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ScenarioError(f"{path}: {key}: {value!r} is not a number")
    if not low <= value <= high:
        raise ScenarioError(f"{path}: {key}: {value:g} is not within {low:g}..{high:g}")
    return float(value)


def _only(path: str, prefix: str, table: Mapping[str, Any], known: set[str]) -> None:
    for key in table:
        if key not in known:
            raise ScenarioError(f"{path}: {prefix}{key}: is not a key here; known are {', '.join(sorted(known))}")
