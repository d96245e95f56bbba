"""What may be changed of a rule without touching code: named numbers with unit and bounds, for all zones or one. Pure.

Few on purpose: how long a condition must last before people are told, and the limits that a place may have reasons of
its own for. What a detector learns from a zone's own past needs no such number.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np

from alerts.detectors.quality import LEAST_CHLORINE_MG_L, MOST_TURBIDITY_NTU
from alerts.detectors.tower import EMPTY_SHARE
from alerts.errors import SettingRefused
from alerts.model import RULES, Rule
from alerts.scene import FloatArray
from gateway.model import Fault, State

DELAY = ".on_delay_min"
SHORTEST_MIN, LONGEST_MIN = 10.0, 360.0  # two rounds of readings; a morning
DELAYED: tuple[Fault | State, ...] = (
    Fault.PUMP_NOT_RUNNING, Fault.INVERTER_TRIP, Fault.FLOAT_STUCK_FULL, Fault.DRY_RUNNING, Fault.PIPE_BURST,
    Fault.LOW_CHLORINE, Fault.TURBIDITY_HIGH, Fault.TOWER_OVERFLOW, State.TOWER_EMPTY,
)  # fmt: skip


class Parameter(NamedTuple):
    """One number of one rule."""

    name: str
    fault: Fault | State
    default: float
    low: float
    high: float
    unit: str

    def check(self, value: float) -> float:
        """The value, if it lies within the bounds; else `SettingRefused`."""
        if not self.low <= value <= self.high:
            bound = f"is not within {self.low:g} and {self.high:g} {self.unit}"
            raise SettingRefused(self.name, value, bound)
        return value


def _delay(fault: Fault | State) -> Parameter:
    minutes = RULES[fault].on_delay.total_seconds() / 60
    return Parameter(fault + DELAY, fault, minutes, SHORTEST_MIN, LONGEST_MIN, "min")


PARAMETERS: Mapping[str, Parameter] = {
    one.name: one
    for one in (
        *(_delay(fault) for fault in DELAYED),
        Parameter("tower_empty.level_pct", State.TOWER_EMPTY, 100 * EMPTY_SHARE, 5.0, 24.0, "%"),
        Parameter("low_chlorine.limit_mg_l", Fault.LOW_CHLORINE, LEAST_CHLORINE_MG_L, 0.05, 1.0, "mg/L"),
        Parameter("turbidity_high.limit_ntu", Fault.TURBIDITY_HIGH, MOST_TURBIDITY_NTU, 1.0, 50.0, "NTU"),
    )
}


def parameter_of(name: str) -> Parameter:
    """The parameter of this name; `SettingRefused` when there is none."""
    if name not in PARAMETERS:
        raise SettingRefused("parameter", name, f"is none of {', '.join(PARAMETERS)}")
    return PARAMETERS[name]


@dataclass(frozen=True, slots=True)
class Setting:
    """What somebody set; `zone_id` None for all zones, `value` None for the default again."""

    parameter: str
    zone_id: str | None
    value: float | None
    set_by: str
    set_at: datetime
    why: str


class Settings:
    """The numbers that hold in each zone: its own, else those of all zones, else the defaults."""

    def __init__(self, found: Iterable[Setting] = ()) -> None:
        self._values = {
            (one.parameter, one.zone_id): one.value
            for one in found
            if one.value is not None and one.parameter in PARAMETERS
        }

    def changed(self, name: str, zone_id: str | None, value: float) -> Settings:
        """The same with one more value; for one zone, or (None) for all zones, whatever they had of their own."""
        found = Settings()
        found._values = {
            key: old for key, old in self._values.items() if zone_id is not None or key[0] != name
        } | {(name, zone_id): value}  # fmt: skip
        return found

    def of(self, name: str, zone_id: str | None) -> float:
        """The value that holds in a zone; of None, in zones that have none of their own."""
        own = self._values.get((name, zone_id))
        general = self._values.get((name, None))
        return own if own is not None else general if general is not None else PARAMETERS[name].default

    def rule(self, fault: Fault | State, zone_id: str) -> Rule:
        """How a condition becomes an alert in a zone."""
        name, rule = fault + DELAY, RULES[fault]
        if name not in PARAMETERS:
            return rule
        return replace(rule, on_delay=timedelta(minutes=self.of(name, zone_id)))

    def overrides(self, zones: Sequence[str]) -> dict[str, FloatArray]:
        """By parameter that anybody changed, (n, 1) its value in each of these zones: what detectors read."""
        names = {name for name, _ in self._values if not name.endswith(DELAY)}
        return {name: np.array([[self.of(name, zone)] for zone in zones]) for name in sorted(names)}

    def told_with(self, fault: Fault | State, zone_id: str) -> dict[str, float]:
        """What is stored with an alert beside its own thresholds: a delay that is not the default."""
        name = fault + DELAY
        if name not in PARAMETERS or self.of(name, zone_id) == PARAMETERS[name].default:
            return {}
        return {"on_delay_min": self.of(name, zone_id)}


DEFAULTS = Settings()
