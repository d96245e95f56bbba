"""What a perfect observer of the channels could see in the minutes that were lived: told to a `Witness`.

A fault shows when what it does first differs from a sound zone by more than its sensors' noise: an inverter that trips
at night shows when the sun would have started the pump, a leak in the network when nobody draws. What breaks in
sensors shows where they are read (`sensors.Instruments`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.model import Fault, State
from simulator.chance import FloatArray
from simulator.effects import is_on
from simulator.faults import Broken
from simulator.labels import Witness
from simulator.minutes import DARK_BATTERY
from simulator.state import RUNNING, STARTING, STOPPED_LOW_SUN, STOPPED_TOWER_FULL, TRIPPED, Moved
from simulator.village import Village

BoolArray = NDArray[np.bool_]

DARK_W_M2 = 5.0  # of a clear sky: night
CLOUD_MIN, CLOUDED, HIGH_SUN_W_M2 = 30, 0.5, 300.0  # half of the light is missing over half an hour of high sun
EMPTY_SHARE, FILLING_SHARE = 0.1, 0.2  # of the full level
LIT_W_M2 = 50.0  # a controller has light enough to speak
SEEN_WORN, SEEN_SOILED, SEEN_LOWER_M = 0.02, 0.03, 0.1
SEEN_BATTERY, SEEN_CHLORINE_MG_L, SEEN_NTU = 0.7, 0.2, 4.0
GOOD_SUN_W_M2 = 300.0


@dataclass(frozen=True, slots=True)
class _Seen:
    """One fault in the minutes of a move, each (m,)."""

    village: Village
    moved: Moved
    at: int
    one: Broken
    size: FloatArray  # as it has grown, in the unit of the catalogue

    def row(self, name: str) -> FloatArray:
        return np.asarray(getattr(self.moved, name)[:, self.at])

    def sky(self, name: str) -> FloatArray:
        of_day = slice(self.moved.minute, self.moved.minute + len(self.size))
        return np.asarray(getattr(self.village.today, name)[of_day, self.at])

    @property
    def runs(self) -> BoolArray:
        return np.asarray(self.row("code") == RUNNING)

    @property
    def pumps(self) -> BoolArray:
        return np.asarray(self.row("inflow_m3_h") > 0.2 * self.village.pump.flow_m3_h[self.at])

    @property
    def leaks(self) -> BoolArray:
        return np.asarray(self.row("network_leak_m3_h") > 2 * self.village.old_joints_m3_h[self.at])

    @property
    def nobody_draws(self) -> BoolArray:
        return np.asarray((self.sky("wanted") == 0) & (self.row("served") > 0))

    @property
    def lower_m(self) -> FloatArray:
        return np.asarray(self.size * (self.row("depth_m") - self.village.today.static_m[self.at]))


SIGNS: dict[Fault, Callable[[_Seen], BoolArray]] = {
    Fault.PUMP_NOT_RUNNING: lambda s: s.row("code") == STARTING,
    Fault.INVERTER_TRIP: lambda s: (s.row("code") == TRIPPED) & (s.sky("sun") > LIT_W_M2),
    Fault.FLOAT_STUCK_FULL: lambda s: (
        (s.row("code") == STOPPED_TOWER_FULL) & ~s.row("is_full_stop").astype(bool) & (s.sky("sun") > LIT_W_M2)
    ),
    Fault.DRY_RUNNING: lambda s: s.row("is_starved").astype(bool),
    Fault.YIELD_DROP: lambda s: s.pumps & (s.lower_m > SEEN_LOWER_M),
    Fault.PUMP_WEAR: lambda s: s.pumps & (s.size > SEEN_WORN),
    Fault.PUMP_CLOGGED: lambda s: s.pumps,
    Fault.CHECK_VALVE_LEAK: lambda s: s.row("backflow_m3_h") > 0,
    Fault.PV_SOILING: lambda s: s.runs & (s.size > SEEN_SOILED) & (s.sky("sun") > GOOD_SUN_W_M2),
    Fault.PV_STRING_LOSS: lambda s: (
        (s.runs | (s.row("code") == STOPPED_LOW_SUN)) & (s.sky("sun") >= s.village.start_sun[s.at])
    ),
    Fault.TOWER_LEAK: lambda s: s.row("tower_leak_m3_h") > 0,
    Fault.TOWER_OVERFLOW: lambda s: s.runs & s.row("is_full_stop").astype(bool),
    Fault.PIPE_BURST: lambda s: s.leaks,
    Fault.NIGHT_LEAK: lambda s: s.nobody_draws & s.leaks,
    Fault.TAP_LEFT_OPEN: lambda s: s.nobody_draws,
    Fault.TAP_CLOSED: lambda s: (s.sky("wanted") > 0) & (s.row("served") > 0),
    Fault.FLOW_METER_STOPPED: lambda s: s.row("inflow_m3_h" if s.one.asset == "pump" else "outflow_m3_h") > 0,
    Fault.CLOCK_ERROR: lambda s: np.ones(len(s.size), dtype=bool),
    Fault.COMMS_OUTAGE: lambda s: np.ones(len(s.size), dtype=bool),
    Fault.GATEWAY_BATTERY_LOW: lambda s: s.row("battery") < SEEN_BATTERY,
    Fault.LOW_CHLORINE: lambda s: s.row("chlorine_mg_l") < SEEN_CHLORINE_MG_L,
    Fault.TURBIDITY_HIGH: lambda s: s.row("turbid_ntu") >= SEEN_NTU,
}


def watch(witness: Witness, village: Village, moved: Moved, broken: Sequence[Broken], *, is_off: BoolArray) -> None:
    """Tell `witness` what could be seen in the last move of `village`.

    A box that is off at the end of a minute (m, n), or whose battery is empty, shows nothing of it but its silence.
    """
    begins_s = np.asarray(moved.t_s + 60.0 * np.arange(len(moved.code)), dtype=np.float64)
    speaks = ~is_off & (moved.battery > DARK_BATTERY)
    for one in broken:
        if one.zone in village.index and one.fault in SIGNS and witness.is_unseen(one):
            acts = one.acts_during(begins_s)
            if one.fault is not Fault.COMMS_OUTAGE:
                acts &= speaks[:, village.index[one.zone]]
            if acts.any() and (found := np.flatnonzero(acts & _shows(village, moved, one, begins_s))).size:
                witness.see_fault(one, float(begins_s[found[0]]) + 60.0)
    names = [zone.zone_id for zone in village.zones]
    if moved.minute == 0:
        for zone, share in zip(names, village.today.soiled.tolist(), strict=True):
            witness.see_dust(zone, share, moved.t_s)
    for state, is_so in _states(village, moved).items():
        before = witness.before(state, is_so[0])
        if state is State.TOWER_EMPTY:
            is_so = _held(is_so, moved.volume_m3 / village.size_m3 > FILLING_SHARE, before)
        changed = np.diff(np.concatenate([before[None], is_so]).astype(np.int8), axis=0)
        for at, zone in zip(*np.nonzero(changed), strict=True):
            witness.see_state(names[zone], state, float(begins_s[at]), begins=bool(changed[at, zone] > 0))
        witness.remember(state, is_so[-1])
    witness.reach(float(begins_s[-1]) + 60.0)


def _shows(village: Village, moved: Moved, one: Broken, begins_s: FloatArray) -> BoolArray:
    amount = one.amount if np.isfinite(one.amount) else 1.0
    seen = _Seen(village, moved, village.index[one.zone], one, amount * one.grown(begins_s))
    shows = SIGNS[one.fault](seen)
    if one.fault is Fault.COMMS_OUTAGE:
        shows &= np.array([is_on(one, t, seed=village.seed) for t in begins_s.tolist()])
    return shows


def _states(village: Village, moved: Moved) -> dict[State, BoolArray]:
    """Which states hold in each minute and zone, (m, n)."""
    day, m = village.today, len(moved.code)
    of_day = slice(moved.minute, moved.minute + m)

    def half_hours(minutes: FloatArray) -> FloatArray:
        return np.asarray(minutes.reshape(-1, CLOUD_MIN, minutes.shape[1]).mean(axis=1))

    clear = half_hours(day.clear)
    cloud = np.repeat((clear > HIGH_SUN_W_M2) & (half_hours(day.sun) < CLOUDED * clear), CLOUD_MIN, axis=0)
    return {
        State.NIGHT: day.clear[of_day] < DARK_W_M2,
        State.CLOUD: cloud[of_day],
        State.TOWER_FULL: (moved.code == STOPPED_TOWER_FULL) & moved.is_full_stop,
        State.TOWER_EMPTY: moved.volume_m3 / village.size_m3 < EMPTY_SHARE,
        State.PLANNED_STOP: day.is_stopped[of_day],
        State.WASHING: day.is_washed[of_day],
    }


def _held(begins: BoolArray, ends: BoolArray, before: BoolArray) -> BoolArray:
    """A state (m, n) that begins and ends at these minutes and is kept between them."""
    told = begins | ends
    rows = np.where(told, np.arange(len(told))[:, None], -1)
    last = np.maximum.accumulate(rows, axis=0)
    return np.where(last >= 0, np.take_along_axis(begins, np.maximum(last, 0), axis=0), before)
