"""The water itself: too little chlorine, too much turbidity. Limits are the WHO's (DETECTION §2)."""

from __future__ import annotations

from alerts.detectors.detector import Detector, Scene, verdicts
from alerts.model import Evidence, Signal
from alerts.rolling import steps_since
from alerts.states import is_running
from gateway.model import Fault

LEAST_CHLORINE_MG_L = 0.2
GOOD_CHLORINE_MG_L = 0.25
MOST_TURBIDITY_NTU = 5.0
GOOD_TURBIDITY_NTU = 4.0
STIRRED_H = 0.5  # a pump that starts stirs what had settled


def judge_chlorine(scene: Scene) -> list[Signal]:
    """Less free chlorine than protects the water on its way home; the rule waits an hour."""
    grid = scene.grid
    chlorine = grid.value("quality", "free_chlorine_mg_l")
    verdict = verdicts(present=chlorine < LEAST_CHLORINE_MG_L, absent=chlorine >= GOOD_CHLORINE_MG_L)

    def describe(zone: int, first: int, last: int) -> Evidence:
        now = float(chlorine[zone, last])
        hours = (grid.t_s[last] - grid.t_s[first]) / 3600
        return Evidence(
            f"Chlore libre {now:.2f} mg/L depuis {hours:.0f} h ; il en faut au moins {LEAST_CHLORINE_MG_L:.1f}.",
            f"Free chlorine {now:.2f} mg/L for {hours:.0f} h; at least {LEAST_CHLORINE_MG_L:.1f} is needed.",
            {"chlorine_mg_l": round(now, 2), "hours": round(hours, 1)},
            {"chlorine_mg_l": LEAST_CHLORINE_MG_L},
            ("quality/free_chlorine_mg_l",),
            0.85,
        )

    return [Signal(Fault.LOW_CHLORINE, "quality", grid.t_s, verdict, describe)]


def judge_turbidity(scene: Scene) -> list[Signal]:
    """Turbid water, once the pump has run for half an hour; the rule waits an hour."""
    grid = scene.grid
    turbidity = grid.value("quality", "turbidity_ntu")
    running = is_running(grid)
    starts = running.copy()
    starts[:, 1:] &= ~running[:, :-1]
    settled = steps_since(starts) >= grid.hours(STIRRED_H)
    verdict = verdicts(present=(turbidity > MOST_TURBIDITY_NTU) & settled, absent=turbidity <= GOOD_TURBIDITY_NTU)

    def describe(zone: int, first: int, last: int) -> Evidence:
        now = float(turbidity[zone, last])
        hours = (grid.t_s[last] - grid.t_s[first]) / 3600
        return Evidence(
            f"Turbidité {now:.0f} NTU depuis {hours:.0f} h ; {MOST_TURBIDITY_NTU:.0f} est la limite.",
            f"Turbidity {now:.0f} NTU for {hours:.0f} h; {MOST_TURBIDITY_NTU:.0f} is the limit.",
            {"turbidity_ntu": round(now, 1), "hours": round(hours, 1)},
            {"turbidity_ntu": MOST_TURBIDITY_NTU},
            ("quality/turbidity_ntu",),
            0.85,
        )

    return [Signal(Fault.TURBIDITY_HIGH, "quality", grid.t_s, verdict, describe)]


DETECTORS = (
    Detector((Fault.LOW_CHLORINE,), "quality", (("quality", "free_chlorine_mg_l"),), judge_chlorine),
    Detector((Fault.TURBIDITY_HIGH,), "quality", (("quality", "turbidity_ntu"),), judge_turbidity),
)
