"""The tower: nearly empty (a state, told calmly) and overflowing."""

from __future__ import annotations

import numpy as np

from alerts.detectors.detector import Detector, Scene, verdicts
from alerts.model import Evidence, Signal
from gateway.model import Fault, State

EMPTY_SHARE = 0.15  # of the full level
FILLING_SHARE = 0.25  # of the full level: the deadband between the two keeps it from chattering
AT_TOP_SHARE = 0.985  # of the full level, the sensor's noise allowed for
BELOW_TOP_SHARE = 0.96
SPILL_FLOW_SHARE = 0.30  # of rated flow: DETECTION §2, overflow: still more than 30 % at the top


def judge_tower_empty(scene: Scene) -> list[Signal]:
    """The level has fallen to what taps can hardly draw."""
    grid = scene.grid
    level_m, full_m = grid.value("tower", "level_m"), grid.sites.rating("tower", "full_level_m")
    volume_m3 = grid.sites.rating("tower", "volume_m3")
    verdict = verdicts(present=level_m < EMPTY_SHARE * full_m, absent=level_m > FILLING_SHARE * full_m)

    def describe(zone: int, first: int, last: int) -> Evidence:
        percent = 100 * float(level_m[zone, last] / full_m[zone, 0])
        left_m3 = max(0.0, percent / 100 * float(volume_m3[zone, 0]))
        return Evidence(
            f"Le réservoir est à {percent:.0f} % : il reste {left_m3:.1f} m³.",
            f"The tower is at {percent:.0f} %: {left_m3:.1f} m³ are left.",
            {
                "level_pct": round(percent), "level_m": round(float(level_m[zone, last]), 2),
                "volume_m3": round(left_m3, 1),
            },
            {"level_m": EMPTY_SHARE * float(full_m[zone, 0])},
            ("tower/level_m",),
            0.95,
        )  # fmt: skip

    return [Signal(State.TOWER_EMPTY, "tower", grid.t_s, verdict, describe)]


def judge_tower_overflow(scene: Scene) -> list[Signal]:
    """The level stands at the top and the pump goes on."""
    grid = scene.grid
    level_m, full_m = grid.value("tower", "level_m"), grid.sites.rating("tower", "full_level_m")
    inflow, rated_flow = grid.value("pump", "flow_m3_h"), grid.sites.rating("pump", "rated_flow_m3_h")
    spill = inflow - np.nan_to_num(grid.value("tower", "outflow_m3_h"))
    at_top = level_m >= AT_TOP_SHARE * full_m
    verdict = verdicts(
        present=at_top & (inflow > SPILL_FLOW_SHARE * rated_flow) & (spill > 0.1 * rated_flow),
        absent=(level_m < BELOW_TOP_SHARE * full_m) | (inflow < 0.05 * rated_flow),
    )

    def describe(zone: int, first: int, last: int) -> Evidence:
        span = slice(first, last + 1)
        hours = (grid.t_s[last] - grid.t_s[first]) / 3600
        lost = float(np.nanmean(np.maximum(spill[zone, span], 0.0)))
        return Evidence(
            f"Le réservoir est plein depuis {hours:.1f} h et la pompe donne encore {lost:.1f} m³/h de trop.",
            f"The tower has been full for {hours:.1f} h and the pump still gives {lost:.1f} m³/h too much.",
            {
                "hours": round(hours, 2), "flow_m3_h": round(lost, 2),
                "level_m": round(float(level_m[zone, last]), 2),
            },
            {
                "level_m": AT_TOP_SHARE * float(full_m[zone, 0]),
                "flow_m3_h": SPILL_FLOW_SHARE * float(rated_flow[zone, 0]),
            },
            ("tower/level_m", "pump/flow_m3_h", "tower/outflow_m3_h"),
            0.95,
        )  # fmt: skip

    return [Signal(Fault.TOWER_OVERFLOW, "tower", grid.t_s, verdict, describe)]


DETECTORS = (
    Detector((State.TOWER_EMPTY,), "tower", (("tower", "level_m"),), judge_tower_empty),
    Detector((Fault.TOWER_OVERFLOW,), "tower", (("tower", "level_m"), ("pump", "flow_m3_h")), judge_tower_overflow),
)
