"""What faults do to the physics of zones: one number per zone and effect, recomputed while something is broken.

What sensors, meters and the box make of the truth is not here but in `sensors.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.model import Fault
from simulator.chance import FloatArray, one_uniform
from simulator.faults import CATALOGUE, SHARE_OF_TIME, Broken

PIECE_S = 600  # effects are kept for so long: what grows, grows in such steps; what comes and goes, changes then


@dataclass(frozen=True, slots=True)
class Effects:
    """Arrays over zones (n,); zero or False where nothing is wrong. A leak takes what the water there can give."""

    has_no_power: NDArray[np.bool_]  # at the motor: cable or winding
    has_tripped: NDArray[np.bool_]
    float_says_full: NDArray[np.bool_]
    float_says_room: NDArray[np.bool_]
    light_lost: FloatArray  # share of the array's light
    strings_lost: FloatArray
    well_gives: FloatArray  # share of the rated flow that a failing well still gives; 0 in a good one
    yield_lost: FloatArray  # share of the specific capacity
    worn: FloatArray  # share of the pump's head
    clogged: FloatArray  # share of the rated head at rated flow, before the well head
    clogged_after: FloatArray  # the same, behind it
    backflow_m3_h: FloatArray
    tower_leak_m3_h: FloatArray
    network_leak_m3_h: FloatArray  # with the tower half full
    tap_open_m3_h: FloatArray  # (n, taps)
    tap_closed: FloatArray  # (n, taps), share of its flow
    battery_lost: FloatArray  # share of the gateway's capacity
    meter_in_lost: FloatArray  # share of the pulses
    meter_out_lost: FloatArray
    chlorine_fallen: FloatArray  # 1 when it is at `chlorine_left`
    chlorine_left_mg_l: FloatArray
    turbid_ntu: FloatArray


FLAGS = ("has_no_power", "has_tripped", "float_says_full", "float_says_room")
PER_TAP = ("tap_open_m3_h", "tap_closed")
# The effect to which the size of a fault is added as it has grown.
ADDS: dict[Fault, str] = {
    Fault.PV_SOILING: "light_lost",
    Fault.PV_STRING_LOSS: "strings_lost",
    Fault.DRY_RUNNING: "well_gives",
    Fault.YIELD_DROP: "yield_lost",
    Fault.PUMP_WEAR: "worn",
    Fault.CHECK_VALVE_LEAK: "backflow_m3_h",
    Fault.TOWER_LEAK: "tower_leak_m3_h",
    Fault.NIGHT_LEAK: "network_leak_m3_h",
    Fault.PIPE_BURST: "network_leak_m3_h",
    Fault.GATEWAY_BATTERY_LOW: "battery_lost",
    Fault.TURBIDITY_HIGH: "turbid_ntu",
}
SETS: dict[Fault, str] = {
    Fault.PUMP_NOT_RUNNING: "has_no_power",
    Fault.INVERTER_TRIP: "has_tripped",
    Fault.FLOAT_STUCK_FULL: "float_says_full",
    Fault.TOWER_OVERFLOW: "float_says_room",
}


def is_on(one: Broken, t_s: float, *, seed: int) -> bool:
    """Whether a fault that comes and goes is there at `t_s`; others always are. It is there when it begins."""
    if CATALOGUE[one.fault].unit != SHARE_OF_TIME or one.amount >= 1:
        return True
    piece, first = int(t_s // CATALOGUE[one.fault].stays_s), int(one.start_s // CATALOGUE[one.fault].stays_s)
    name = f"{one.zone}/{one.fault}/{one.place}/{one.start_s:.0f}"
    return piece == first or one_uniform(name, piece, seed=seed) < one.amount


def effects_at(t_s: float, acting: Sequence[Broken], *, index: Mapping[str, int], taps: int, seed: int) -> Effects:
    """What the faults `acting` do, those that grow as far as they are at `t_s` [s since 1970-01-01 UTC].

    `index` gives a zone's place in the arrays, `taps` the most that a zone has.
    """
    n = len(index)
    shapes: dict[str, NDArray[Any]] = {
        field.name: np.zeros((n, taps) if field.name in PER_TAP else n, dtype=bool if field.name in FLAGS else float)
        for field in fields(Effects)
    }
    effects = Effects(**shapes)
    now = np.array([t_s])
    for one in acting:
        at = index.get(one.zone)
        if at is None or not is_on(one, t_s, seed=seed):
            continue
        size = one.amount * float(one.grown(now)[0]) if np.isfinite(one.amount) else 0.0
        if name := SETS.get(one.fault):
            getattr(effects, name)[at] = True
        elif name := ADDS.get(one.fault):
            getattr(effects, name)[at] += size
        elif special := SPECIAL.get(one.fault):
            special(effects, at, one, size)
    np.minimum(effects.battery_lost, 0.95, out=effects.battery_lost)
    for share in (effects.light_lost, effects.yield_lost, effects.worn, effects.tap_closed):
        np.minimum(share, 1.0 if share is effects.tap_closed else 0.9, out=share)
    for share in (effects.meter_in_lost, effects.meter_out_lost, effects.chlorine_fallen):
        np.minimum(share, 1.0, out=share)
    return effects


def _clog(effects: Effects, at: int, one: Broken, size: float) -> None:
    (effects.clogged_after if one.place == "pump" else effects.clogged)[at] += size


def _tap(effects: Effects, at: int, one: Broken, size: float) -> None:
    number = int(one.asset.removeprefix("tap-")) - 1
    (effects.tap_open_m3_h if one.fault is Fault.TAP_LEFT_OPEN else effects.tap_closed)[at, number] += size


def _meter(effects: Effects, at: int, one: Broken, size: float) -> None:
    (effects.meter_in_lost if one.asset == "pump" else effects.meter_out_lost)[at] += size


def _chlorine(effects: Effects, at: int, one: Broken, size: float) -> None:
    effects.chlorine_fallen[at] += size / one.amount
    effects.chlorine_left_mg_l[at] = one.amount


SPECIAL: dict[Fault, Callable[[Effects, int, Broken, float], None]] = {
    Fault.PUMP_CLOGGED: _clog,
    Fault.TAP_LEFT_OPEN: _tap,
    Fault.TAP_CLOSED: _tap,
    Fault.FLOW_METER_STOPPED: _meter,
    Fault.LOW_CHLORINE: _chlorine,
}
