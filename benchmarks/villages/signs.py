"""When a fault could first be seen by somebody who sees all channels of the village in every minute."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from benchmarks.villages.faults import Strike
from benchmarks.villages.forces import SOILED
from benchmarks.villages.meters import Season
from benchmarks.villages.span import DAY_MIN, BoolArray, Float32Array, FloatArray
from benchmarks.villages.village import Village
from gateway.model import Fault

LIT_W_M2, GOOD_W_M2 = 50.0, 400.0  # a controller can speak; panels give most of what they can
FAST, HARD = 0.6, 0.7  # of the greatest speed
WATER_M = 0.2  # enough over the outlet to leak
WORN = 0.05  # of the head is lost
LOWER_M = 0.2  # than a sound well would be


@dataclass(frozen=True, slots=True)
class _Seen:
    """One fault in its minutes, each (k,)."""

    season: Season
    one: Strike

    @property
    def village(self) -> Village:
        return self.season.villages[self.one.row]

    @property
    def works_hard(self) -> BoolArray:
        return np.asarray(self.runs & (self.lived("speed") > HARD))

    @property
    def wants_water(self) -> BoolArray:
        """The sun would start the pump and the tower asks for water."""
        low = self.lived("level_m") < self.village.restart_m
        return np.asarray((self.force("sun_w_m2") > 1.2 * self.village.start_w_m2) & low)

    @property
    def has_water(self) -> BoolArray:
        return np.asarray(self.lived("level_m") > WATER_M)

    @property
    def is_quiet(self) -> BoolArray:
        return np.asarray(self.so(self.season.people.is_quiet) & self.has_water)

    @property
    def dust(self) -> FloatArray:
        """Since the day on which nobody washed any more."""
        day = self.one.onset // DAY_MIN
        before = self.season.forces.dust[max(0, day - 1) * DAY_MIN, self.one.row]
        return self.force("dust") - float(before)

    @property
    def runs(self) -> BoolArray:
        return self.so(self.season.lived.runs)

    def lived(self, name: str) -> FloatArray:
        return self._of(getattr(self.season.lived, name))

    def force(self, name: str) -> FloatArray:
        return self._of(getattr(self.season.forces, name))

    def so(self, of: BoolArray) -> BoolArray:
        return np.asarray(of[self.one.minutes(self.season.span), self.one.row])

    def _of(self, of: Float32Array) -> FloatArray:
        return np.asarray(of[self.one.minutes(self.season.span), self.one.row], dtype=np.float64)


# What breaks in meters, boxes and the water's quality shows where it is read: `Meters.seen`.
SIGNS: Mapping[Fault, Callable[[_Seen], BoolArray]] = {
    Fault.DRY_RUNNING: lambda s: np.asarray(s.runs & (s.lived("speed") > FAST)),
    Fault.YIELD_DROP: lambda s: np.asarray(
        s.works_hard & ((s.lived("depth_m") - s.force("static_m")) * (1 - s.one.amount) > LOWER_M)
    ),
    Fault.PUMP_WEAR: lambda s: np.asarray(s.works_hard & (s.force("head") < 1 - WORN)),
    Fault.PUMP_CLOGGED: lambda s: s.works_hard,
    Fault.CHECK_VALVE_LEAK: lambda s: np.asarray(~s.runs & s.has_water),
    Fault.INVERTER_TRIP: lambda s: np.asarray(s.force("sun_w_m2") > LIT_W_M2),
    Fault.PUMP_NOT_RUNNING: lambda s: s.wants_water,
    Fault.FLOAT_STUCK_FULL: lambda s: s.wants_water,
    Fault.PV_SOILING: lambda s: np.asarray(s.dust >= SOILED),
    Fault.PV_STRING_LOSS: lambda s: np.asarray(s.runs & (s.force("sun_w_m2") > GOOD_W_M2)),
    Fault.TOWER_LEAK: lambda s: np.asarray(~s.runs & s.has_water),
    Fault.TOWER_OVERFLOW: lambda s: np.asarray(s.lived("spill_m3_h") > 0),
    Fault.PIPE_BURST: lambda s: s.has_water,
    Fault.NIGHT_LEAK: lambda s: s.is_quiet,
    Fault.TAP_LEFT_OPEN: lambda s: s.is_quiet,
    Fault.TAP_CLOSED: lambda s: np.asarray(s.so(s.season.people.is_busy) & s.has_water),
}


def first_seen(season: Season, one: Strike) -> int | None:
    """The minute, or None when it never showed."""
    shown = np.flatnonzero(SIGNS[one.fault](_Seen(season, one)))
    return one.onset + int(shown[0]) if shown.size else None
