"""What faults do to the physics of zones: one number per zone and effect, recomputed when something breaks or ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gateway.model import Fault
from simulator.faults import Broken
from simulator.sun import FloatArray

BATTERY_DRAIN_PER_H = 0.06


@dataclass(frozen=True, slots=True)
class Effects:
    """Arrays over zones (n,); zero, False or one where nothing is wrong. A leak takes what the water there can give."""

    has_no_power: NDArray[np.bool_]  # at the motor: cable or winding
    has_tripped: NDArray[np.bool_]
    float_says_full: NDArray[np.bool_]
    float_says_room: NDArray[np.bool_]
    array_share: FloatArray  # of the panels' power that is left
    dry_water_m: FloatArray  # water above the intake to which a failing well falls; NaN in a good one
    tower_leak_m3_h: FloatArray
    network_leak_m3_h: FloatArray
    tap_open_m3_h: FloatArray  # at the first tap
    battery_drain_per_h: FloatArray  # share of its charge


def effects_at(t_s: float, acting: Sequence[Broken], *, index: Mapping[str, int], strings: FloatArray) -> Effects:
    """What the faults `acting` do, those that grow as far as they are at `t_s` [s since 1970-01-01 UTC].

    `index` gives a zone's place in the arrays, `strings` (n,) how many strings its array has.
    """
    n = len(strings)
    no, zero = np.zeros(n, dtype=bool), np.zeros(n)
    effects = Effects(
        no, no.copy(), no.copy(), no.copy(), np.ones(n), np.full(n, np.nan),
        zero, zero.copy(), zero.copy(), zero.copy(),
    )  # fmt: skip
    for one in acting:
        at = index.get(one.zone)
        if at is None:
            continue
        match one.fault:
            case Fault.PUMP_NOT_RUNNING:
                effects.has_no_power[at] = True
            case Fault.INVERTER_TRIP:
                effects.has_tripped[at] = True
            case Fault.FLOAT_STUCK_FULL:
                effects.float_says_full[at] = True
            case Fault.TOWER_OVERFLOW:
                effects.float_says_room[at] = True
            case Fault.PV_STRING_LOSS:
                effects.array_share[at] *= max(0.0, 1 - one.amount / strings[at])
            case Fault.PV_SOILING:
                effects.array_share[at] *= 1 - one.amount * float(one.grown(np.array([t_s]))[0])
            case Fault.DRY_RUNNING:
                effects.dry_water_m[at] = one.amount
            case Fault.TOWER_LEAK:
                effects.tower_leak_m3_h[at] += one.amount
            case Fault.NIGHT_LEAK | Fault.PIPE_BURST:
                effects.network_leak_m3_h[at] += one.amount
            case Fault.TAP_LEFT_OPEN:
                effects.tap_open_m3_h[at] += one.amount
            case Fault.GATEWAY_BATTERY_LOW:
                effects.battery_drain_per_h[at] = BATTERY_DRAIN_PER_H
    return effects
