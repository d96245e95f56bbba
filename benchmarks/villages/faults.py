"""What breaks in the villages, how much and how long, dealt like cards so that every kind comes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from benchmarks.villages.chance import rng_for
from benchmarks.villages.span import DAY_MIN, BoolArray, IntArray, Span
from benchmarks.villages.village import (
    CHLORINE,
    DEPTH,
    FLOW,
    LEVEL,
    NETWORK,
    OUTFLOW,
    STATE_CODE,
    SUN,
    TAP_METERS,
    TURBIDITY,
    Village,
)  # fmt: skip
from gateway.model import Fault

SIZES = ("S", "M", "L")
NEVER_BROKEN = 0.12  # of the villages
FIRST_DAY, SLOT_DAYS = 8, 17  # one fault at a time in a village, and the first week is whole
SENSED = (LEVEL, FLOW, SUN, DEPTH, NETWORK, OUTFLOW)


class Kind(NamedTuple):
    """A kind of fault. `amount` and `days` are for sizes S, M, L; `places` what it may strike; `shows_in` where it can
    be seen, any of them being enough."""

    severity: int
    places: tuple[str, ...]
    shows_in: tuple[str, ...]
    days: tuple[float, float, float]
    amount: tuple[float, float, float] = (1.0, 1.0, 1.0)
    is_slow: bool = False  # needs its slot from the first day


CATALOGUE: dict[Fault, Kind] = {
    # share of the flow that is left
    Fault.DRY_RUNNING: Kind(3, ("pump",), (FLOW,), (1, 2, 4), (0.12, 0.06, 0.03)),
    # share of the specific capacity that is left
    Fault.YIELD_DROP: Kind(2, ("borehole",), (DEPTH,), (9, 10, 11), (0.68, 0.55, 0.42)),
    # share of the head lost in the end
    Fault.PUMP_WEAR: Kind(2, ("pump",), (FLOW,), (16, 16, 16), (0.10, 0.15, 0.22), is_slow=True),
    # of the pump's own resistance added to it: some 25, 35 and 45 % less flow
    Fault.PUMP_CLOGGED: Kind(2, ("pump",), (FLOW,), (5, 7, 9), (0.9, 1.6, 3.0)),
    # of the rated flow
    Fault.CHECK_VALVE_LEAK: Kind(2, ("pump",), (LEVEL,), (4, 5, 6), (0.07, 0.14, 0.25)),
    Fault.INVERTER_TRIP: Kind(3, ("pump",), (STATE_CODE,), (0.9, 1.5, 3)),
    Fault.PUMP_NOT_RUNNING: Kind(3, ("pump",), ("pump/power_w",), (0.9, 1.5, 3)),
    Fault.FLOAT_STUCK_FULL: Kind(3, ("tower",), (LEVEL,), (0.9, 1.5, 3)),
    # of the light a day; Niamey lost 0.7 % a day (Bonkaney 2017)
    Fault.PV_SOILING: Kind(2, ("pv",), ("pv/power_w",), (16, 16, 16), (0.006, 0.009, 0.014), is_slow=True),
    Fault.PV_STRING_LOSS: Kind(3, ("pv",), ("pv/power_w",), (5, 7, 9)),
    # of the rated flow
    Fault.TOWER_LEAK: Kind(2, ("tower",), (LEVEL,), (4, 6, 8), (0.06, 0.12, 0.3)),
    Fault.TOWER_OVERFLOW: Kind(2, ("tower",), (LEVEL,), (2, 3, 5)),
    # of the mean use
    Fault.PIPE_BURST: Kind(3, ("network",), (OUTFLOW, NETWORK), (0.4, 0.7, 1), (3.2, 4.8, 8.0)),
    # of the rated flow
    Fault.NIGHT_LEAK: Kind(2, ("network",), (OUTFLOW,), (6, 8, 9), (0.05, 0.1, 0.2)),
    # m³/h
    Fault.TAP_LEFT_OPEN: Kind(2, ("tap",), (TAP_METERS,), (0.5, 1, 1.6), (0.3, 0.5, 0.8)),
    # share of its water lost
    Fault.TAP_CLOSED: Kind(1, ("tap",), (TAP_METERS,), (6, 8, 9), (0.9, 1.0, 1.0)),
    Fault.SENSOR_STUCK: Kind(1, SENSED, SENSED, (0.6, 1.5, 4)),
    # of the value (level: of the full tower, well: of 15 m) after twelve days
    Fault.SENSOR_DRIFT: Kind(1, SENSED[:4], SENSED[:4], (14, 14, 14), (0.08, 0.14, 0.25), is_slow=True),
    # share of the readings
    Fault.SENSOR_SPIKES: Kind(1, SENSED, SENSED, (2, 3, 5), (0.015, 0.03, 0.06)),
    Fault.SENSOR_OUT_OF_RANGE: Kind(1, SENSED, SENSED, (0.4, 1.5, 4), (0.4, 0.8, 1.0)),
    # share of the pulses lost
    Fault.FLOW_METER_STOPPED: Kind(1, (FLOW, OUTFLOW), (FLOW, OUTFLOW), (5, 2, 5), (0.4, 1.0, 1.0)),
    Fault.CLOCK_ERROR: Kind(1, ("gateway",), (LEVEL,), (2, 3, 4)),
    Fault.COMMS_OUTAGE: Kind(2, ("gateway",), (LEVEL,), (0.2, 0.5, 2)),
    # V a day
    Fault.GATEWAY_BATTERY_LOW: Kind(
        2, ("gateway",), ("gateway/battery_v",), (12, 10, 9), (0.1, 0.14, 0.2), is_slow=True
    ),
    # mg/L that remain
    Fault.LOW_CHLORINE: Kind(3, ("quality",), (CHLORINE,), (0.4, 1, 2), (0.14, 0.09, 0.03)),
    # NTU above the usual
    Fault.TURBIDITY_HIGH: Kind(3, ("quality",), (TURBIDITY,), (0.3, 0.6, 1.2), (6, 12, 30)),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault in the village of this row, from minute `onset` until `end`."""

    row: int
    fault: Fault
    size: str
    place: str  # an asset, or asset/channel of a sensor
    onset: int
    end: int

    @property
    def kind(self) -> Kind:
        """Its line of the catalogue."""
        return CATALOGUE[self.fault]

    @property
    def amount(self) -> float:
        """How much, in the catalogue's measure."""
        return self.kind.amount[SIZES.index(self.size)]

    @property
    def asset(self) -> str:
        """Where people must look."""
        return self.place.split("/")[0]

    @property
    def tap(self) -> int:
        """The number of its tap, from 0."""
        return int(self.place.removeprefix("tap-")) - 1

    def minutes(self, span: Span) -> slice:
        """Its minutes."""
        return slice(self.onset, min(self.end, span.minutes))

    def acts(self, minute: IntArray) -> BoolArray:
        """At which of these minutes it is there."""
        return np.asarray((minute >= self.onset) & (minute < self.end))


def deal(seed: int, span: Span, villages: Sequence[Village]) -> list[Strike]:
    """What breaks: in most villages one to three faults, all kinds about as often as villages allow."""
    rng = rng_for(seed, "faults")
    slots = max(0, (span.days - FIRST_DAY) // SLOT_DAYS)
    free = [_slots(rng, slots) for _ in villages]
    pack: list[Fault] = []
    found: list[Strike] = []
    while any(free):
        if not pack:
            pack = [list(CATALOGUE)[place] for place in rng.permutation(len(CATALOGUE))]
        fault = pack.pop()
        rows = [row for row, village in enumerate(villages) if free[row] and places_in(village, fault)]
        if rows:
            row = int(rng.choice(rows))
            found.append(_strike(rng, span, row, villages[row], fault, free[row].pop()))
    return sorted(found, key=lambda one: (one.row, one.onset))


def _slots(rng: np.random.Generator, slots: int) -> list[int]:
    """Which slots of a village are used."""
    if not slots or rng.random() < NEVER_BROKEN:
        return []
    return [int(slot) for slot in rng.permutation(slots)[: rng.integers(1, slots + 1)]]


def _strike(rng: np.random.Generator, span: Span, row: int, village: Village, fault: Fault, slot: int) -> Strike:
    kind, size = CATALOGUE[fault], str(rng.choice(SIZES))
    day = FIRST_DAY + SLOT_DAYS * slot + rng.uniform(0, 1 if kind.is_slow else 6)
    onset = int(day * DAY_MIN) + int(rng.integers(0, DAY_MIN))
    lasts = int(kind.days[SIZES.index(size)] * rng.uniform(0.9, 1.1) * DAY_MIN)
    place = str(rng.choice(places_in(village, fault)))
    if place == "tap":
        place = f"tap-{rng.integers(village.taps) + 1:02d}"
    return Strike(row, fault, size, place, onset, min(onset + lasts, span.minutes - 1))


def places_in(village: Village, fault: Fault) -> list[str]:
    """What this fault may strike in a village; nothing where it cannot be, or nobody could see it."""
    kind = CATALOGUE[fault]
    if fault is Fault.CHECK_VALVE_LEAK and not village.fed_from_below:
        return []
    if fault is Fault.PV_STRING_LOSS and village.strings < 2:
        return []
    if not village.channels.intersection(kind.shows_in):
        return []
    return [place for place in kind.places if "/" not in place or place in village.channels]
