"""Water that flows when nobody draws any: the minimum night flow against the zone's own past nights."""

from __future__ import annotations

import numpy as np

from alerts.days import DayView, Feature, past_median, past_spread
from alerts.detectors.detector import Detector, Scene, verdicts
from alerts.model import Evidence, Signal
from alerts.rolling import window_mean
from alerts.scene import FloatArray
from gateway.model import Fault

NIGHT_FROM_H, NIGHT_UNTIL_H = 0.5, 3.5  # 00:30-03:30 UTC, which is local time in Guinea (DETECTION §2)
ABOVE_USUAL_M3_H = 0.1  # DETECTION §2: + 0.1 m³/h over the 20-day median
SPREADS_ABOVE = 4.0  # and well outside how much this zone's nights differ
USUAL_NIGHTS = 20
MIN_NIGHTS = 4
WATER_IN_TOWER_M = 0.10  # an empty tower hides a leak: no water, no leak
ENOUGH = 0.5  # of the night's steps must be there


def night_flow(view: DayView) -> FloatArray:
    """(n, d) the smallest mean of an hour between 00:30 and 03:30 [m³/h]; NaN when the tower held no water."""
    night = view.between(NIGHT_FROM_H, NIGHT_UNTIL_H)
    flow = view.value("tower", "outflow_m3_h")[..., night]
    level_m = view.value("tower", "level_m")[..., night]
    hour = max(1, round(3600 / view.grid.step_s))
    means = window_mean(flow, hour, at_least=max(1, round(hour * 0.75)))[..., hour - 1 :]
    lowest = np.min(np.where(np.isfinite(means), means, np.inf), axis=-1)
    has_water = ~(level_m <= WATER_IN_TOWER_M).any(axis=-1)
    is_seen = np.isfinite(flow).mean(axis=-1) >= ENOUGH
    return np.where(has_water & is_seen & np.isfinite(lowest), lowest, np.nan)


NIGHT_FLOW = Feature("night_flow_m3_h", NIGHT_UNTIL_H, night_flow)


def judge_night_leak(scene: Scene) -> list[Signal]:
    """Flow between 00:30 and 03:30 that this zone did not have on its past nights, one verdict a night."""
    days = scene.days
    flow = days.get(NIGHT_FLOW.name)
    usual = past_median(flow, days=USUAL_NIGHTS, at_least=MIN_NIGHTS)
    spread = past_spread(flow, days=USUAL_NIGHTS, at_least=MIN_NIGHTS)
    limit = usual + np.maximum(ABOVE_USUAL_M3_H, SPREADS_ABOVE * spread)
    verdict = verdicts(present=flow > limit, absent=flow <= limit)

    def describe(zone: int, first: int, last: int) -> Evidence:
        count = int((flow[zone, first : last + 1] > limit[zone, first : last + 1]).sum())
        now, before = float(flow[zone, last]), float(usual[zone, last])
        return Evidence(
            f"{now:.1f} m³/h coulent entre 00:30 et 03:30 depuis {count} nuits ; d'habitude {before:.1f} m³/h.",
            f"{now:.1f} m³/h flow between 00:30 and 03:30 for {count} nights; {before:.1f} m³/h is usual.",
            {"flow_m3_h": round(now, 2), "usual_m3_h": round(before, 2), "nights": count},
            {"flow_m3_h": round(float(limit[zone, last]), 3)},
            ("tower/outflow_m3_h", "tower/level_m"),
            0.85,
        )

    return [Signal(Fault.NIGHT_LEAK, "network", days.day_s + NIGHT_UNTIL_H * 3600, verdict, describe)]


FEATURES = (NIGHT_FLOW,)
DETECTORS = (Detector((Fault.NIGHT_LEAK,), "network", (("tower", "outflow_m3_h"),), judge_night_leak),)
