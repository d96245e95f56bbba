"""What detectors say and what people act on: conditions, evidence, rules, alerts. No I/O.

Times of arrays are measured times [s since 1970-01-01 UTC].
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gateway.model import Fault, State
from ingest.readings import FloatArray

DECIMAL_POINT = re.compile(r"(?<=\d)\.(?=\d)")  # French writes 0,3 m³/h
VerdictArray = NDArray[np.int8]
Mask = NDArray[np.bool_]
IndexArray = NDArray[np.intp]


class Verdict(IntEnum):
    """What a sample says about a condition; "cannot tell" neither opens nor closes anything."""

    ABSENT = 0
    PRESENT = 1
    CANNOT_TELL = -1


class WhyNot(StrEnum):
    """Why a fault was not evaluated."""

    NO_CHANNEL = "no_channel"
    NO_READINGS = "no_readings"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What led to a verdict: values and thresholds by name with units, and a sentence for people."""

    sentence_fr: str
    sentence_en: str
    values: Mapping[str, float | str]
    thresholds: Mapping[str, float]
    channels: tuple[str, ...]
    confidence: float

    def as_json(self) -> dict[str, object]:
        """As it is stored with the alert."""
        return {
            "sentence": {"fr": DECIMAL_POINT.sub(",", self.sentence_fr), "en": self.sentence_en},
            "values": dict(self.values),
            "thresholds": dict(self.thresholds),
            "channels": list(self.channels),
        }


@dataclass(frozen=True, slots=True)
class Condition:
    """One fault of one asset over a window, judged sample by sample.

    t_s (n,) strictly increasing; verdict (n,) of `Verdict`. `describe(first, last)` gives the evidence of the samples
    with these indices, both included. `is_late` tells that readings came from before what has been judged already.
    """

    fault: Fault | State
    asset: str
    t_s: FloatArray
    verdict: VerdictArray
    describe: Callable[[int, int], Evidence]
    is_late: bool = False

    def since(self, t_s: float) -> Condition:
        """The samples from `t_s` on."""
        first = int(np.searchsorted(self.t_s, t_s))
        if first == 0:
            return self
        describe = self.describe
        return Condition(
            self.fault, self.asset, self.t_s[first:], self.verdict[first:],
            lambda begin, end: describe(begin + first, end + first), self.is_late,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Signal:
    """One fault of one asset over a window, judged step by step in many zones at once.

    t_s (m,) strictly increasing; verdict (n, m) of `Verdict`. `describe(zone, first, last)` gives the evidence of one
    zone's samples with these indices, both included.
    """

    fault: Fault | State
    asset: str
    t_s: FloatArray
    verdict: VerdictArray
    describe: Callable[[int, int, int], Evidence]

    def condition(self, zone: int) -> Condition:
        """The same of one zone."""
        return Condition(self.fault, self.asset, self.t_s, self.verdict[zone], partial(self.describe, zone))


class NotJudged(NamedTuple):
    """A fault that could not be evaluated here, and why."""

    fault: Fault | State
    asset: str
    reason: WhyNot


@dataclass(frozen=True, slots=True)
class Rule:
    """How a condition becomes an alert.

    severity 3 = act today, 2 = this week, 1 = information. The condition must hold for `on_delay`, with no hole longer
    than `max_gap`, and be absent for `off_delay`. What comes back within `rejoin` is the same alert again.
    """

    severity: int
    on_delay: timedelta
    off_delay: timedelta
    max_gap: timedelta = timedelta(minutes=40)
    rejoin: timedelta = timedelta(hours=6)  # DETECTION §2.2: re-arm 6 h


MINUTES, DAY = timedelta(minutes=1), timedelta(days=1)
SOON = timedelta(minutes=30)  # "no water" again after people were told of its end is news
RULES: dict[Fault | State, Rule] = {
    # Planned stops are shorter than 40 min (DETECTION §2), so an hour of good sun without power is a fault. That the
    # pump has run on for a while before it counts as well is the detector's own rule.
    # A controller that says itself that it has tripped needs less than that, and so does what is a mean of an hour
    # already (strings, bursts). Probes of the water are believed after four readings of a quarter of an hour.
    Fault.PUMP_NOT_RUNNING: Rule(3, 60 * MINUTES, 0 * MINUTES, rejoin=SOON),
    Fault.INVERTER_TRIP: Rule(3, 45 * MINUTES, 0 * MINUTES, rejoin=SOON),
    Fault.FLOAT_STUCK_FULL: Rule(3, 60 * MINUTES, 0 * MINUTES, rejoin=SOON),
    Fault.DRY_RUNNING: Rule(3, 15 * MINUTES, 30 * MINUTES, rejoin=SOON),
    Fault.PUMP_CLOGGED: Rule(2, 0 * MINUTES, 0 * MINUTES, max_gap=3 * DAY, rejoin=3 * DAY),
    Fault.PUMP_WEAR: Rule(2, DAY, DAY, max_gap=4 * DAY, rejoin=3 * DAY),
    Fault.YIELD_DROP: Rule(2, 0 * MINUTES, 0 * MINUTES, max_gap=4 * DAY, rejoin=3 * DAY),
    Fault.PV_STRING_LOSS: Rule(3, 15 * MINUTES, 60 * MINUTES, max_gap=5 * 60 * MINUTES, rejoin=SOON),
    Fault.PV_SOILING: Rule(2, 0 * MINUTES, 0 * MINUTES, max_gap=4 * DAY, rejoin=3 * DAY),
    # One verdict a night for the three below.
    Fault.TOWER_LEAK: Rule(2, 0 * MINUTES, 0 * MINUTES, max_gap=30 * 60 * MINUTES, rejoin=3 * DAY),
    Fault.CHECK_VALVE_LEAK: Rule(2, 0 * MINUTES, 0 * MINUTES, max_gap=30 * 60 * MINUTES, rejoin=3 * DAY),
    Fault.TOWER_OVERFLOW: Rule(2, 40 * MINUTES, 15 * MINUTES),
    State.TOWER_EMPTY: Rule(1, 30 * MINUTES, 30 * MINUTES),
    # The second night in a row opens, one good night closes.
    Fault.NIGHT_LEAK: Rule(2, 20 * 60 * MINUTES, 0 * MINUTES, max_gap=30 * 60 * MINUTES, rejoin=3 * DAY),
    Fault.PIPE_BURST: Rule(3, 15 * MINUTES, 60 * MINUTES, rejoin=SOON),
    Fault.TAP_LEFT_OPEN: Rule(2, 0 * MINUTES, 30 * MINUTES, max_gap=90 * MINUTES),
    Fault.TAP_CLOSED: Rule(1, DAY, 0 * MINUTES, max_gap=2 * DAY, rejoin=3 * DAY),
    Fault.SENSOR_STUCK: Rule(1, 0 * MINUTES, 10 * MINUTES),
    Fault.SENSOR_OUT_OF_RANGE: Rule(1, 0 * MINUTES, 60 * MINUTES),
    Fault.SENSOR_SPIKES: Rule(1, 0 * MINUTES, 6 * 60 * MINUTES),
    Fault.SENSOR_DRIFT: Rule(1, 0 * MINUTES, DAY, max_gap=4 * DAY, rejoin=3 * DAY),
    Fault.FLOW_METER_STOPPED: Rule(1, 30 * MINUTES, 30 * MINUTES),
    Fault.CLOCK_ERROR: Rule(1, 5 * MINUTES, 60 * MINUTES, max_gap=DAY, rejoin=3 * DAY),
    Fault.GATEWAY_BATTERY_LOW: Rule(2, 0 * MINUTES, 0 * MINUTES, max_gap=2 * DAY, rejoin=3 * DAY),
    Fault.LOW_CHLORINE: Rule(3, 45 * MINUTES, 60 * MINUTES, max_gap=90 * MINUTES, rejoin=SOON),
    Fault.TURBIDITY_HIGH: Rule(3, 45 * MINUTES, 60 * MINUTES, max_gap=90 * MINUTES, rejoin=SOON),
    Fault.COMMS_OUTAGE: Rule(2, 0 * MINUTES, 0 * MINUTES),
}


class AlertState(StrEnum):
    """open → acknowledged → resolved."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class LiveAlert:
    """An alert that is not resolved, as the lifecycle needs it; `is_told` when people may have heard of it."""

    alert_id: int
    fault: Fault | State
    asset: str
    state: AlertState
    first_evidence_at: datetime
    last_evidence_at: datetime
    is_told: bool = True


@dataclass(frozen=True, slots=True)
class EndedAlert:
    """A resolved alert, as the lifecycle needs it."""

    alert_id: int
    fault: Fault | State
    asset: str
    first_evidence_at: datetime
    cleared_at: datetime
