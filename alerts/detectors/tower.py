"""The tower: nearly empty (a state, told calmly) and overflowing."""

from __future__ import annotations

import numpy as np

from alerts.detectors.pump import verdicts
from alerts.detectors.window import ZoneWindow
from alerts.model import Condition, Evidence, Findings, NotJudged, WhyNot
from gateway.model import Fault, State

EMPTY_SHARE = 0.15  # of the full level
FILLING_SHARE = 0.25  # of the full level: the deadband between the two keeps it from chattering
AT_TOP_SHARE = 0.985  # of the full level, the sensor's noise allowed for
BELOW_TOP_SHARE = 0.96
SPILL_FLOW_SHARE = 0.30  # of rated flow: DETECTION §2, overflow: still more than 30 % at the top


def detect_tower_empty(window: ZoneWindow) -> Findings:
    """The level has fallen to what taps can hardly draw. Needs tower.level_m."""
    state, asset = State.TOWER_EMPTY, "tower"
    t_s, level_m = window.good("tower", "level_m")
    full_m, volume_m3 = window.rating("tower", "full_level_m"), window.rating("tower", "volume_m3")
    if full_m is None or volume_m3 is None or ("tower", "level_m") not in window.series:
        return Findings(not_judged=[NotJudged(state, asset, WhyNot.NO_CHANNEL)])
    if not len(t_s):
        return Findings(not_judged=[NotJudged(state, asset, WhyNot.NO_READINGS)])
    verdict = verdicts(present=level_m < EMPTY_SHARE * full_m, absent=level_m > FILLING_SHARE * full_m)

    def describe(first: int, last: int) -> Evidence:
        percent = 100 * float(level_m[last]) / full_m
        left_m3 = max(0.0, percent / 100 * volume_m3)
        return Evidence(
            f"Le réservoir est à {percent:.0f} % : il reste {left_m3:.1f} m³.",
            f"The tower is at {percent:.0f} %: {left_m3:.1f} m³ are left.",
            {"level_pct": round(percent), "level_m": round(float(level_m[last]), 2), "volume_m3": round(left_m3, 1)},
            {"level_m": EMPTY_SHARE * full_m},
            ("tower/level_m",),
            0.95,
        )

    return Findings([Condition(state, asset, t_s, verdict, describe)])


def detect_tower_overflow(window: ZoneWindow) -> Findings:
    """The level stands at the top and the pump goes on. Needs tower.level_m and pump.flow_m3_h."""
    fault, asset = Fault.TOWER_OVERFLOW, "tower"
    t_s, level_m = window.good("tower", "level_m")
    full_m, rated_flow = window.rating("tower", "full_level_m"), window.rating("pump", "rated_flow_m3_h")
    if full_m is None or rated_flow is None or ("pump", "flow_m3_h") not in window.series:
        return Findings(not_judged=[NotJudged(fault, asset, WhyNot.NO_CHANNEL)])
    if not len(t_s):
        return Findings(not_judged=[NotJudged(fault, asset, WhyNot.NO_READINGS)])
    inflow = window.on(t_s, "pump", "flow_m3_h")
    outflow = window.on(t_s, "tower", "outflow_m3_h")
    spill = inflow - np.where(np.isfinite(outflow), outflow, 0.0)
    at_top = level_m >= AT_TOP_SHARE * full_m
    verdict = verdicts(
        present=at_top & (inflow > SPILL_FLOW_SHARE * rated_flow) & (spill > 0.1 * rated_flow),
        absent=(level_m < BELOW_TOP_SHARE * full_m) | (inflow < 0.05 * rated_flow),
    )

    def describe(first: int, last: int) -> Evidence:
        chosen = slice(first, last + 1)
        hours = (t_s[last] - t_s[first]) / 3600
        lost = float(np.nanmean(np.maximum(spill[chosen], 0.0)))
        return Evidence(
            f"Le réservoir est plein depuis {hours:.1f} h et la pompe donne encore {lost:.1f} m³/h de trop.",
            f"The tower has been full for {hours:.1f} h and the pump still gives {lost:.1f} m³/h too much.",
            {"hours": round(hours, 2), "flow_m3_h": round(lost, 2), "level_m": round(float(level_m[last]), 2)},
            {"level_m": AT_TOP_SHARE * full_m, "flow_m3_h": SPILL_FLOW_SHARE * rated_flow},
            ("tower/level_m", "pump/flow_m3_h", "tower/outflow_m3_h"),
            0.95,
        )

    return Findings([Condition(fault, asset, t_s, verdict, describe)])
