"""A gateway that is silent: no committed reading of any channel. A silent zone is not a broken pump."""

from __future__ import annotations

import numpy as np

from alerts.detectors.window import ZoneWindow
from alerts.model import Condition, Evidence, Findings, Verdict
from gateway.model import Fault

SILENT_S = 7200.0  # DETECTION §2: 2 h = alarm
HEARD_S = 1800.0  # readings come again


def detect_past_silence(window: ZoneWindow) -> Findings:
    """Holes of two hours and more between readings that are there: nothing was measured, or it never arrived."""
    times = [series.t_s for series in window.series.values()]
    t_s = np.unique(np.concatenate(times)) if times else np.empty(0)
    gap = np.flatnonzero(np.diff(t_s) >= SILENT_S)
    samples = np.stack([t_s[gap] + SILENT_S, t_s[gap + 1]], axis=1).ravel() if len(gap) else np.empty(0)
    samples[1::2] = np.maximum(samples[1::2], samples[::2] + 1)
    verdict = np.tile(np.array([Verdict.PRESENT, Verdict.ABSENT], dtype=np.int8), len(gap))

    def describe(first: int, last: int) -> Evidence:
        hours = float(samples[first + 1] - samples[first] + SILENT_S) / 3600
        return Evidence(
            f"Aucune mesure pendant {hours:.1f} h.",
            f"No reading for {hours:.1f} h.",
            {"hours": round(hours, 1)},
            {"hours": SILENT_S / 3600},
            ("gateway/uptime_s",),
            0.9,
        )

    return Findings([Condition(Fault.COMMS_OUTAGE, "gateway", samples, verdict, describe)])


def judge_silence(newest_s: float, now_s: float) -> Condition:
    """Whether the zone is silent at `now_s`, when its newest committed reading was measured at `newest_s`.

    Between half an hour and two hours nothing is said: a late round is no outage, and one that has just come is no end.
    """
    silent_s = now_s - newest_s
    verdict = (
        Verdict.PRESENT if silent_s >= SILENT_S else Verdict.ABSENT if silent_s <= HEARD_S else Verdict.CANNOT_TELL
    )

    def describe(first: int, last: int) -> Evidence:
        hours = silent_s / 3600
        return Evidence(
            f"Aucune mesure depuis {hours:.1f} h. L'état de l'eau n'est pas connu.",
            f"No reading for {hours:.1f} h. The state of the water is not known.",
            {"hours": round(hours, 1)},
            {"hours": SILENT_S / 3600},
            ("gateway/uptime_s",),
            0.9,
        )

    return Condition(Fault.COMMS_OUTAGE, "gateway", np.array([now_s]), np.array([verdict], dtype=np.int8), describe)
