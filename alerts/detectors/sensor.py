"""A sensor that has stopped moving while the water around it moves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from alerts.detectors.window import ZoneWindow
from alerts.model import Condition, Evidence, Findings, IndexArray, Mask, NotJudged, Verdict, WhyNot
from gateway.model import Fault
from ingest.readings import FloatArray

STUCK_S = 3 * 3600.0  # DETECTION §2: a run of equal values of 3 h
STUCK_IN_DAYLIGHT_S = 3600.0  # irradiance: 1 h in daylight
HIGH_SUN_DEG = 15.0
MOVED_SHARE = 0.03  # of the tower's volume must have gone in or out for its level to have to move
PUMPED_M3 = 0.5  # drawn from the borehole for its level to have to move


def detect_sensor_stuck(window: ZoneWindow) -> Findings:
    """Level of tower and borehole, and irradiance, that stay equal while they must change.

    Flat by nature is not stuck: a level with no flow in or out, a borehole at rest, the sun at night. Such a run cannot
    be told, so it neither opens nor closes anything.
    """
    findings = Findings()
    for asset, channel, must_move, stuck_s, word_fr, word_en in (
        ("tower", "level_m", _water_moved, STUCK_S, "niveau du château", "tower level"),
        ("borehole", "water_depth_m", _water_was_drawn, STUCK_S, "niveau du forage", "borehole level"),
        ("pv", "irradiance_w_m2", _sun_was_high, STUCK_IN_DAYLIGHT_S, "ensoleillement", "irradiance"),
    ):
        if (asset, channel) not in window.series:
            findings.not_judged.append(NotJudged(Fault.SENSOR_STUCK, asset, WhyNot.NO_CHANNEL))
            continue
        t_s, value = window.good(asset, channel)
        if len(t_s) < 2:
            findings.not_judged.append(NotJudged(Fault.SENSOR_STUCK, asset, WhyNot.NO_READINGS))
            continue
        begin = run_begin(value)
        long_enough = t_s - t_s[begin] >= stuck_s
        moved = must_move(window, t_s, begin)
        changed = begin == np.arange(len(t_s))
        verdict = np.where(
            long_enough & moved, Verdict.PRESENT, np.where(changed, Verdict.ABSENT, Verdict.CANNOT_TELL)
        ).astype(np.int8)
        describe = _describer(t_s, value, begin, f"{asset}/{channel}", word_fr, word_en, stuck_s)
        findings.conditions.append(Condition(Fault.SENSOR_STUCK, asset, t_s, verdict, describe))
    return findings


def run_begin(value: FloatArray) -> IndexArray:
    """For each sample (n,) the index at which its run of equal values begins."""
    changed = np.concatenate(([True], np.diff(value) != 0))
    return np.maximum.accumulate(np.where(changed, np.arange(len(value)), 0))


def _describer(
    t_s: FloatArray, value: FloatArray, begin: IndexArray, name: str, word_fr: str, word_en: str, stuck_s: float
) -> Callable[[int, int], Evidence]:
    def describe(first: int, last: int) -> Evidence:
        hours = float(t_s[last] - t_s[begin[last]]) / 3600
        return Evidence(
            f"Le capteur « {word_fr} » donne {value[last]:g} sans changer depuis {hours:.1f} h, alors que l'eau bouge.",
            f"The sensor “{word_en}” has given {value[last]:g} unchanged for {hours:.1f} h while the water moves.",
            {"hours": round(hours, 1), "sensor": word_fr, "value": float(value[last])},
            {"hours": stuck_s / 3600},
            (name,),
            0.9,
        )

    return describe


def _between(t_s: FloatArray, begin: IndexArray, rate_per_h: FloatArray) -> FloatArray:
    """The integral of a rate per hour from each run's beginning to each sample (n,); missing counts as zero."""
    step_h = np.diff(t_s, prepend=t_s[0]) / 3600
    total: FloatArray = np.cumsum(np.nan_to_num(rate_per_h) * np.minimum(step_h, 0.5))
    return np.asarray(total - total[begin])


def _water_moved(window: ZoneWindow, t_s: FloatArray, begin: IndexArray) -> Mask:
    inflow, outflow = window.on(t_s, "pump", "flow_m3_h"), window.on(t_s, "tower", "outflow_m3_h")
    volume_m3 = window.rating("tower", "volume_m3") or 10.0
    both = np.isfinite(inflow) & np.isfinite(outflow)
    net = _between(t_s, begin, np.where(both, inflow - outflow, 0.0))
    return np.asarray(np.abs(net) > MOVED_SHARE * volume_m3)


def _water_was_drawn(window: ZoneWindow, t_s: FloatArray, begin: IndexArray) -> Mask:
    return np.asarray(_between(t_s, begin, window.on(t_s, "pump", "flow_m3_h")) > PUMPED_M3)


def _sun_was_high(window: ZoneWindow, t_s: FloatArray, begin: IndexArray) -> Mask:
    elevation = window.sun_elevation_deg(t_s)
    return np.asarray((elevation > HIGH_SUN_DEG) & (elevation[begin] > HIGH_SUN_DEG))
