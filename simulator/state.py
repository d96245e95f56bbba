"""What zones remember from minute to minute, what happened in some minutes, and what is then really so.

State is arrays over zones (n,), taps over (n, most taps).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.model import PumpState
from simulator.chance import FloatArray

BoolArray = NDArray[np.bool_]

STOPPED_LOW_SUN, RUNNING = float(PumpState.STOPPED_LOW_SUN), float(PumpState.RUNNING)
STOPPED_TOWER_FULL, STOPPED_DRY = float(PumpState.STOPPED_TOWER_FULL), float(PumpState.STOPPED_DRY)
TRIPPED, STARTING = float(PumpState.TRIPPED), float(PumpState.STARTING)
STOPPED_BY_HAND = float(PumpState.STOPPED_BY_HAND)


@dataclass(slots=True)
class State:
    """All that a zone remembers; arrays over zones, counters never go back."""

    volume_m3: FloatArray
    drawdown_m: FloatArray  # of the casing
    far_drawdown_m: FloatArray  # of the rock around it
    is_full_stop: BoolArray
    is_awake: BoolArray  # the controller has sun enough
    is_wet: BoolArray  # water flows
    wait_min: FloatArray
    dry_min: FloatArray
    retry_min: FloatArray
    pumped_m3: FloatArray
    drawn_m3: FloatArray
    spilled_m3: FloatArray
    leaked_m3: FloatArray
    let_off_m3: FloatArray  # for washing
    ran_back_m3: FloatArray  # through the check valve
    waiting_m3: FloatArray  # what people could not fetch and come back for
    tap_m3: FloatArray  # (n, taps)
    meter_in_m3: FloatArray  # what the meters have counted
    meter_out_m3: FloatArray
    stirred_ntu: FloatArray
    turbid_ntu: FloatArray  # of a fault
    chlorine_fallen: FloatArray  # share of the way to what a fault leaves
    chlorine_left_mg_l: FloatArray
    battery: FloatArray  # charge, 0 to 1
    uptime_s: FloatArray  # since the box had no power
    prepaid_s: FloatArray  # for which its SIM has been paid

    def as_json(self) -> dict[str, Any]:
        """The state as plain lists."""
        return {field.name: getattr(self, field.name).tolist() for field in fields(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> State:
        """Read what `as_json` wrote; before the box's uptime began anew, its SIM was paid for as long as it ran."""
        values = {"prepaid_s": values["uptime_s"]} | dict(values)
        return cls(**{field.name: np.array(values[field.name]) for field in fields(cls)})

    def adopt(self, at: int, other: State, other_at: int) -> None:
        """Take over what the zone number `other_at` of another state remembers; taps that it had not begin here."""
        for field in fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            if mine.ndim == 2:
                taps = min(mine.shape[1], theirs.shape[1])
                mine[at, :taps] = theirs[other_at, :taps]
            else:
                mine[at] = theirs[other_at]


@dataclass(frozen=True, slots=True)
class Truth:
    """What is really so after some minutes; arrays over minutes and zones (m, n), taps (m, n, taps), units in names."""

    irradiance_w_m2: FloatArray
    cell_w_m2: FloatArray  # what reaches the reference cell through its dust
    module_c: FloatArray
    air_c: FloatArray
    pv_power_w: FloatArray
    pv_voltage_v: FloatArray
    pump_power_w: FloatArray
    speed_rpm: FloatArray
    inflow_m3_h: FloatArray
    outflow_m3_h: FloatArray
    metered_in_m3_h: FloatArray
    metered_out_m3_h: FloatArray
    wellhead_bar: FloatArray
    network_bar: FloatArray
    state_code: FloatArray
    depth_m: FloatArray
    level_m: FloatArray
    meter_in_m3: FloatArray
    meter_out_m3: FloatArray
    tap_m3: FloatArray
    chlorine_mg_l: FloatArray
    turbidity_ntu: FloatArray
    battery: FloatArray
    uptime_s: FloatArray
    prepaid_s: FloatArray


@dataclass(frozen=True, slots=True)
class Moved:
    """What happened in the minutes from `t_s` on: arrays over minutes and zones (m, n), taps (m, n, taps).

    Rates hold within a minute; volume, depth, counters and battery are those at its end.
    """

    t_s: float
    minute: int  # of the UTC day
    offered_w: FloatArray
    code: FloatArray
    speed: FloatArray
    inflow_m3_h: FloatArray
    outflow_m3_h: FloatArray
    tower_leak_m3_h: FloatArray
    network_leak_m3_h: FloatArray
    let_off_m3_h: FloatArray
    backflow_m3_h: FloatArray
    spilled_m3: FloatArray
    served: FloatArray  # share of what was asked for
    volume_m3: FloatArray
    depth_m: FloatArray
    clogged_after: FloatArray
    is_full_stop: BoolArray
    is_starved: BoolArray
    battery: FloatArray
    stirred_ntu: FloatArray
    turbid_ntu: FloatArray
    chlorine_mg_l: FloatArray
    pumped_m3: FloatArray
    drawn_m3: FloatArray
    meter_in_m3: FloatArray
    meter_out_m3: FloatArray
    metered_in_m3_h: FloatArray
    metered_out_m3_h: FloatArray
    uptime_s: FloatArray
    prepaid_s: FloatArray
    tap_m3: FloatArray

    def rows(self, chosen: NDArray[np.integer] | slice) -> Moved:
        """Some of the minutes."""
        return Moved(self.t_s, self.minute, *(getattr(self, field.name)[chosen] for field in fields(self)[2:]))


ROWS = tuple(field.name for field in fields(Moved)[2:])
