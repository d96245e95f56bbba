"""Water that flows when nobody draws any: the minimum night flow against the zone's own past nights."""

from __future__ import annotations

import numpy as np

from alerts.detectors.window import ZoneWindow
from alerts.model import Condition, Evidence, Findings, NotJudged, Verdict, WhyNot
from gateway.model import Fault
from ingest.readings import FloatArray

NIGHT_FROM_S, NIGHT_UNTIL_S = 1800.0, 12_600.0  # 00:30-03:30 UTC, which is local time in Guinea (DETECTION §2)
HOUR_S = 3600.0
ABOVE_USUAL_M3_H = 0.1  # DETECTION §2: + 0.1 m³/h over the 20-day median
SPREADS_ABOVE = 4.0  # and well outside how much this zone's nights differ
USUAL_NIGHTS = 20
MIN_NIGHTS = 4
WATER_IN_TOWER_M = 0.10  # an empty tower hides a leak: no water, no leak
MIN_SAMPLES = 18  # of 36 at five minutes: else the night says nothing


def detect_night_leak(window: ZoneWindow) -> Findings:
    """Flow between 00:30 and 03:30 that this zone did not have on its past nights, one verdict a night.

    Needs tower.outflow_m3_h over some weeks; gives nothing while fewer than four nights are known.
    """
    fault, asset = Fault.NIGHT_LEAK, "network"
    if ("tower", "outflow_m3_h") not in window.series:
        return Findings(not_judged=[NotJudged(fault, asset, WhyNot.NO_CHANNEL)])
    t_s, outflow = window.good("tower", "outflow_m3_h")
    level_m = window.on(t_s, "tower", "level_m")
    nights, lowest = [], []
    for day_s in np.unique(np.floor(t_s / 86_400.0)) * 86_400.0:
        night = (t_s >= day_s + NIGHT_FROM_S) & (t_s < day_s + NIGHT_UNTIL_S)
        if night.sum() < MIN_SAMPLES or not (np.nan_to_num(level_m[night], nan=1.0) > WATER_IN_TOWER_M).all():
            continue
        nights.append(day_s + NIGHT_UNTIL_S)
        lowest.append(lowest_hour(t_s[night], outflow[night]))
    if len(nights) <= MIN_NIGHTS:
        return Findings(not_judged=[NotJudged(fault, asset, WhyNot.TOO_FEW_NIGHTS)])
    night_s, flow = np.array(nights), np.array(lowest)
    usual, limit = np.full(len(flow), np.nan), np.full(len(flow), np.nan)
    for n in range(MIN_NIGHTS, len(flow)):
        past = flow[max(0, n - USUAL_NIGHTS) : n]
        usual[n] = np.median(past)
        spread = 1.4826 * float(np.median(np.abs(past - usual[n])))
        limit[n] = usual[n] + max(ABOVE_USUAL_M3_H, SPREADS_ABOVE * spread)
    verdict = np.where(
        np.isnan(limit), Verdict.CANNOT_TELL, np.where(flow > limit, Verdict.PRESENT, Verdict.ABSENT)
    ).astype(np.int8)

    def describe(first: int, last: int) -> Evidence:
        count = int((flow[first : last + 1] > limit[first : last + 1]).sum())
        return Evidence(
            f"{flow[last]:.1f} m³/h coulent entre 00:30 et 03:30 depuis {count} nuits ;"
            f" d'habitude {usual[last]:.1f} m³/h.",
            f"{flow[last]:.1f} m³/h flow between 00:30 and 03:30 for {count} nights; {usual[last]:.1f} m³/h is usual.",
            {"flow_m3_h": round(float(flow[last]), 2), "usual_m3_h": round(float(usual[last]), 2), "nights": count},
            {"flow_m3_h": round(float(limit[last]), 3)},
            ("tower/outflow_m3_h", "tower/level_m"),
            0.85,
        )

    return Findings([Condition(fault, asset, night_s, verdict, describe)])


def lowest_hour(t_s: FloatArray, flow: FloatArray) -> float:
    """The smallest mean of an hour (n,) [same unit as flow]; of all, when they cover less than an hour."""
    means = [flow[(t_s >= begin) & (t_s < begin + HOUR_S)].mean() for begin in t_s if begin + HOUR_S <= t_s[-1] + 300]
    return float(min(means)) if means else float(flow.mean())
