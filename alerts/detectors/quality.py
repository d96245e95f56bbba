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
    least = scene.limit("low_chlorine.limit_mg_l", LEAST_CHLORINE_MG_L)
    good = least * (GOOD_CHLORINE_MG_L / LEAST_CHLORINE_MG_L)
    verdict = verdicts(present=chlorine < least, absent=chlorine >= good)

    def describe(zone: int, first: int, last: int) -> Evidence:
        now, limit = float(chlorine[zone, last]), float(least[zone, 0])
        hours = (grid.t_s[last] - grid.t_s[first]) / 3600
        return Evidence(
            f"Chlore libre {now:.2f} mg/L depuis {hours:.0f} h ; il en faut au moins {limit:.2g}.",
            f"Free chlorine {now:.2f} mg/L for {hours:.0f} h; at least {limit:.2g} is needed.",
            {"chlorine_mg_l": round(now, 2), "hours": round(hours, 1)},
            {"chlorine_mg_l": limit},
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
    most = scene.limit("turbidity_high.limit_ntu", MOST_TURBIDITY_NTU)
    clear = most * (GOOD_TURBIDITY_NTU / MOST_TURBIDITY_NTU)
    verdict = verdicts(present=(turbidity > most) & settled, absent=turbidity <= clear)

    def describe(zone: int, first: int, last: int) -> Evidence:
        now, limit = float(turbidity[zone, last]), float(most[zone, 0])
        hours = (grid.t_s[last] - grid.t_s[first]) / 3600
        return Evidence(
            f"Turbidité {now:.1f} NTU depuis {hours:.0f} h ; {limit:g} est la limite.",
            f"Turbidity {now:.1f} NTU for {hours:.0f} h; {limit:g} is the limit.",
            {"turbidity_ntu": round(now, 1), "hours": round(hours, 1)},
            {"turbidity_ntu": limit},
            ("quality/turbidity_ntu",),
            0.85,
        )

    return [Signal(Fault.TURBIDITY_HIGH, "quality", grid.t_s, verdict, describe)]


DETECTORS = (
    Detector((Fault.LOW_CHLORINE,), "quality", ((("quality", "free_chlorine_mg_l"),),), judge_chlorine),
    Detector((Fault.TURBIDITY_HIGH,), "quality", ((("quality", "turbidity_ntu"),),), judge_turbidity),
)
