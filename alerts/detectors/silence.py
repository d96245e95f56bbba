"""A gateway that is silent: no reading of any channel. A silent zone is not a broken pump."""

from __future__ import annotations

import numpy as np

from alerts.detectors.detector import Detector, Scene, verdicts
from alerts.detectors.gateway import clock_steps
from alerts.model import Evidence, Signal
from alerts.rolling import run_steps
from alerts.scene import FloatArray
from gateway.model import Fault

SILENT_H = 2.0  # DETECTION §2: 2 h = alarm
HEARD_H = 0.5  # readings come again


def judge_past_silence(scene: Scene) -> list[Signal]:
    """Holes of two hours and more between readings that are there: nothing was measured, or it never arrived.

    What comes before a zone's first reading is no hole, and neither is what comes after its newest: whether a zone is
    silent now is told by `judge_silence_now`.
    """
    grid = scene.grid
    heard = grid.is_heard
    # A clock that was put forward leaves a hole in its readings' times, and nobody was silent.
    for zone, end in np.argwhere(clock_steps(grid) > 0):
        hole = run_steps(~heard[zone, :end])[-1] if end else 0
        heard[zone, end - hole : end] = True
    silent = run_steps(~heard)
    has_begun = np.maximum.accumulate(heard, axis=-1)
    goes_on = np.maximum.accumulate(heard[:, ::-1], axis=-1)[:, ::-1]
    verdict = verdicts(present=(silent >= grid.hours(SILENT_H)) & has_begun & goes_on, absent=heard)

    def describe(zone: int, first: int, last: int) -> Evidence:
        hours = float(silent[zone, last]) * grid.step_s / 3600
        return Evidence(
            f"Aucune mesure pendant {hours:.1f} h.",
            f"No reading for {hours:.1f} h.",
            {"hours": round(hours, 1)},
            {"hours": SILENT_H},
            ("gateway/uptime_s",),
            0.9,
        )

    return [Signal(Fault.COMMS_OUTAGE, "gateway", grid.t_s, verdict, describe)]


def judge_silence_now(newest_s: FloatArray, now_s: float) -> Signal:
    """Whether zones (n,) are silent at `now_s`, whose newest committed readings were measured at `newest_s`.

    Between half an hour and two hours nothing is said: a late round is no outage, and one that has just come is no end.
    """
    silent_h = (now_s - newest_s[:, None]) / 3600

    def describe(zone: int, first: int, last: int) -> Evidence:
        hours = float(silent_h[zone, 0])
        return Evidence(
            f"Aucune mesure depuis {hours:.1f} h. L'état de l'eau n'est pas connu.",
            f"No reading for {hours:.1f} h. The state of the water is not known.",
            {"hours": round(hours, 1)},
            {"hours": SILENT_H},
            ("gateway/uptime_s",),
            0.9,
        )

    verdict = verdicts(present=silent_h >= SILENT_H, absent=silent_h <= HEARD_H)
    return Signal(Fault.COMMS_OUTAGE, "gateway", np.array([now_s]), verdict, describe)


DETECTORS = (Detector((Fault.COMMS_OUTAGE,), "gateway", (), judge_past_silence),)
