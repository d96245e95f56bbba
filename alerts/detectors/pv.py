"""The panels: dust that gathers, and a string that is gone.

Both show as power that the sun of the moment does not explain, and only while the array is what limits the pump: a full
tower, a pump at its top speed or one that stands still say nothing about panels. The measure is the power for the
irradiance, corrected for the modules' temperature, held against this zone's own best past weeks (IEC 61724-1,
temperature-corrected performance ratio; DETECTION §2).
"""

from __future__ import annotations

import numpy as np

from alerts.days import DayView, Feature, past_median, past_quantile, recent_median
from alerts.detectors.detector import Detector, Scene, verdicts
from alerts.model import Evidence, Mask, Signal
from alerts.rolling import window_max, window_mean, window_min
from alerts.scene import FloatArray, Grid
from alerts.states import RUNNING_SHARE
from gateway.model import Fault

PER_DEGREE = 0.004  # of crystalline silicon, per °C above 25 °C
BRIGHT_W_M2 = 300.0
STEADY_SHARE = 0.12  # of the irradiance, within a quarter of an hour: else a cloud's edge is between cell and array
TOP_SPEED_SHARE = 0.97  # of the largest speed of the last weeks: the pump limits, not the sun
FROM_H, UNTIL_H = 10.0, 15.5  # shade of trees is longer before and after
MIN_STEPS = 6  # half an hour in a day
DUSTY_SHARE = 0.91  # DETECTION §2: -9 %
DUSTY_DAYS = 3
STRING_HOURS = 1.0
SPEED_DAYS = 21


def module_temp_c(grid: Grid) -> FloatArray:
    """Temperature of the modules; where it is not measured, 25 °C and 0.03 °C for each W/m² (Ross) [°C]."""
    measured = grid.value("pv", "module_temp_c")
    return np.where(np.isfinite(measured), measured, 25.0 + 0.03 * grid.value("pv", "irradiance_w_m2"))


def array_power_w(grid: Grid) -> FloatArray:
    """Power of the array; where it is not measured, voltage times current, then what the pump draws [W]."""
    measured = grid.value("pv", "power_w")
    product = grid.value("pv", "voltage_v") * grid.value("pv", "current_a")
    found = np.where(np.isfinite(measured), measured, product)
    return np.where(np.isfinite(found), found, grid.value("pump", "power_w"))


def performance(grid: Grid) -> FloatArray:
    """(n, m) power over what the plate promises at this sun and temperature, 1 = as on the plate.

    NaN unless the sun is bright and steady, the pump runs and its speed is below its top: only then the array limits.
    """
    sun, power_w = grid.value("pv", "irradiance_w_m2"), array_power_w(grid)
    promised_w = grid.sites.rating("pv", "peak_w") * sun / 1000 * (1 - PER_DEGREE * (module_temp_c(grid) - 25))
    quarter = grid.hours(0.25) + 1
    swing = window_max(sun, quarter) - window_min(sun, quarter)
    is_steady = (sun > BRIGHT_W_M2) & (swing < STEADY_SHARE * sun)
    is_running = power_w > RUNNING_SHARE * grid.sites.rating("pump", "rated_power_w")
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(is_steady & is_running & ~is_at_top(grid), power_w / promised_w, np.nan)


def is_at_top(grid: Grid) -> Mask:
    """(n, m) the pump turns as fast as it ever does, so that more sun would bring no more power."""
    speed = grid.value("pump", "speed_rpm")
    known = np.where(np.isfinite(speed), speed, -np.inf).max(axis=1, keepdims=True)
    rated = grid.sites.rating("pump", "max_speed_rpm")
    top = np.where(np.isfinite(rated), np.maximum(rated, known), known)
    power_w = grid.value("pump", "power_w")
    at_rated_power = power_w > TOP_SPEED_SHARE * grid.sites.rating("pump", "rated_power_w")
    return np.where(np.isfinite(speed), speed > TOP_SPEED_SHARE * top, at_rated_power)


def _day_performance(view: DayView) -> FloatArray:
    midday = view.cut(performance(view.grid))[..., view.between(FROM_H, UNTIL_H)]
    enough = np.isfinite(midday).sum(axis=-1) >= MIN_STEPS
    ordered = np.sort(midday, axis=-1)
    count = np.maximum(np.isfinite(ordered).sum(axis=-1), 1)
    middle = np.take_along_axis(ordered, ((count - 1) // 2)[..., None], axis=-1)[..., 0]
    return np.where(enough, middle, np.nan)


PERFORMANCE = Feature("pv_performance", UNTIL_H, _day_performance)


def judge_string_loss(scene: Scene) -> list[Signal]:
    """An hour of good sun with so much less power than in the last weeks that a whole string must be missing.

    Dust does not come within a day: what falls slowly is soiling. One string of n is 1/n of the power; from three
    quarters of that on it counts as gone, below 40 % of it as there.
    """
    grid = scene.grid
    usual = scene.days.on(past_median(scene.days.get(PERFORMANCE.name), days=14, at_least=3), grid.t_s)
    hour = grid.hours(STRING_HOURS)
    now = window_mean(performance(grid), hour, at_least=max(2, hour // 3))
    strings = np.maximum(grid.sites.rating("pv", "strings"), 1.0)
    ratio = now / usual
    # Of a single string nothing is left when it is gone, and then the pump stands.
    limit = np.where(strings > 1, 1 - 0.75 / strings, np.nan)
    verdict = verdicts(present=ratio < limit, absent=ratio > 1 - 0.4 / strings)

    def describe(zone: int, first: int, last: int) -> Evidence:
        lost = 100 * (1 - float(ratio[zone, last]))
        n = int(strings[zone, 0])
        return Evidence(
            f"Par bon soleil les panneaux donnent {lost:.0f} % de moins que ces dernières semaines :"
            f" une rangée sur {n} manque.",
            f"In good sun the panels give {lost:.0f} % less than in the last weeks: one string of {n} is missing.",
            {"lost_pct": round(lost), "strings": n, "performance": round(float(now[zone, last]), 3)},
            {"performance": round(float(limit[zone, 0] * usual[zone, last]), 3)},
            ("pv/power_w", "pv/irradiance_w_m2", "pv/module_temp_c"),
            0.85,
        )

    return [Signal(Fault.PV_STRING_LOSS, "pv", grid.t_s, verdict, describe)]


def judge_soiling(scene: Scene) -> list[Signal]:
    """For three days less power than this zone's clean panels gave in the same sun, and it came slowly."""
    days = scene.days
    now = days.get(PERFORMANCE.name)
    clean = past_quantile(now, 0.9, days=60, at_least=10)
    recent = recent_median(now, DUSTY_DAYS, at_least=2)
    before = past_median(now, days=10, at_least=4)
    ratio = recent / clean
    strings = np.maximum(_strings(scene), 1.0)
    fell_at_once = recent < (1 - 0.6 / strings) * before  # that is a string
    verdict = verdicts(present=(ratio < DUSTY_SHARE) & ~fell_at_once, absent=ratio > (1 + DUSTY_SHARE) / 2)

    def describe(zone: int, first: int, last: int) -> Evidence:
        lost = 100 * (1 - float(ratio[zone, last]))
        return Evidence(
            f"Depuis {DUSTY_DAYS} jours les panneaux donnent {lost:.0f} % de moins que propres, au même soleil.",
            f"For {DUSTY_DAYS} days the panels have given {lost:.0f} % less than when clean, in the same sun.",
            {"lost_pct": round(lost), "performance": round(float(recent[zone, last]), 3)},
            {"performance": round(float(DUSTY_SHARE * clean[zone, last]), 3)},
            ("pv/power_w", "pv/irradiance_w_m2", "pv/module_temp_c"),
            0.75,
        )

    return [Signal(Fault.PV_SOILING, "pv", days.day_s + UNTIL_H * 3600, verdict, describe)]


def _strings(scene: Scene) -> FloatArray:
    return np.nan_to_num(scene.grid.sites.rating("pv", "strings"), nan=1.0)


FEATURES = (PERFORMANCE,)
DETECTORS = (
    Detector((Fault.PV_STRING_LOSS,), "pv", (("pv", "irradiance_w_m2"),), judge_string_loss),
    Detector((Fault.PV_SOILING,), "pv", (("pv", "irradiance_w_m2"),), judge_soiling),
)
