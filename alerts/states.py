"""What is normal and explains a reading, on the grid: sun, a running pump, a full tower. (n, m) arrays; pure numpy.

Each mask is a claim that is False where nobody knows; where "not" matters there are two masks.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

import numpy as np

from alerts.days import Days, DayView, Feature
from alerts.rolling import highest_since, run_steps, window_mean
from alerts.scene import DAY_S, FloatArray, Grid, Mask, spacing_of
from alerts.sky import CELL, is_silent
from alerts.sun import clear_sky_w_m2
from gateway.calendar import is_near_fast, is_near_feast
from gateway.model import PumpState

GOOD_SUN_W_M2 = 350.0  # DETECTION §2, inverter trip: G > 350
SUN_ABOVE_START_W_M2 = 100.0  # and well above where this site's pump starts
HIGH_SUN_DEG, STOOD_H = 35.0, 2.0  # half of a clear noon's light and more
STANDING_SHARE = 0.05  # of rated power: what a controller draws with the motor off
# Of rated power: the motor turns. Power goes with the cube of speed and head with its square, so at 0.15 a pump turns
# at half its speed, where it builds a quarter of its head: below that no water reaches the tower.
RUNNING_SHARE = 0.15
FULL_SHARE = 0.95  # of the full level, with room for waves and the sensor
BELOW_START_M = 0.05
WARMS_K = 0.03  # of modules over the air, by each W/m² of the sun (Ross 1976: 0.02 to 0.04, by mounting and wind)
FAST_MORNING_H, FAST_EVENING_H = (3.0, 6.0), (16.0, 22.0)  # DETECTION §2: Ramadan, 03 to 05 h


def good_sun_w_m2(grid: Grid) -> FloatArray:
    """(n, 1) irradiance at which a pump of this site must run [W/m²]."""
    start = np.nan_to_num(grid.sites.rating("pump", "start_irradiance_w_m2"))
    return np.maximum(GOOD_SUN_W_M2, start + SUN_ABOVE_START_W_M2)


def sun_w_m2(grid: Grid) -> FloatArray:
    """Irradiance by the cell; where a zone has none, what a sky without clouds lets through at this height of the sun.

    That is right on clear hours and too much on all others: enough to hold the best of a half day against others, not
    a moment against a plate.
    """
    return grid.once(
        "irradiance",
        lambda: np.where(has_cell(grid), grid.value("pv", "irradiance_w_m2"), clear_sky_w_m2(grid.sun_deg)),
    )


def has_cell(grid: Grid) -> Mask:
    """(n, 1) whether a zone has a cell by its registry; one that is silent for a day is no other witness's turn."""
    return grid.sites.has("pv", "irradiance_w_m2")


def sees_sun(grid: Grid) -> Mask:
    """(n, m) the cell tells how much sun there is: it is there and not silent."""
    own = grid.raw.get(CELL)
    return np.zeros(grid.shape, dtype=bool) if own is None else ~is_silent(own)


def is_good_sun(grid: Grid) -> Mask:
    """There is so much sun that the pump of this site must run: by its cell, or where none tells by the sun's height.

    Then a pump must not have run for hours under a high sun, which clouds seldom make it. Under those that do, the
    cells of its neighbours are as dark.
    """
    ran_not = np.isfinite(drawn_power_w(grid)) & ~is_running(grid)
    stood = run_steps(ran_not & (grid.sun_deg > HIGH_SUN_DEG)) > grid.hours(STOOD_H)
    if grid.near_sun is not None:
        long = grid.hours(STOOD_H)
        stood &= ~(window_mean(grid.near_sun, long, at_least=long // 2) < good_sun_w_m2(grid))
    by_cell = grid.value("pv", "irradiance_w_m2") >= good_sun_w_m2(grid)
    return np.where(sees_sun(grid), by_cell, stood)


def drawn_power_w(grid: Grid) -> FloatArray:
    """What the pump draws; where it is not measured, what the panels give (they feed nothing else) [W]."""
    power_w = grid.value("pump", "power_w")
    return np.where(np.isfinite(power_w), power_w, grid.value("pv", "power_w"))


def is_running(grid: Grid) -> Mask:
    """The motor turns."""
    power_w, rated_w = drawn_power_w(grid), grid.sites.rating("pump", "rated_power_w")
    turns = grid.value("pump", "speed_rpm") > 0.1 * grid.sites.rating("pump", "max_speed_rpm")
    return np.where(np.isfinite(power_w), power_w >= RUNNING_SHARE * rated_w, turns)


def is_standing(grid: Grid) -> Mask:
    """The motor does not turn."""
    power_w, rated_w = drawn_power_w(grid), grid.sites.rating("pump", "rated_power_w")
    stands = grid.value("pump", "speed_rpm") < 0.02 * grid.sites.rating("pump", "max_speed_rpm")
    return np.where(np.isfinite(power_w), power_w < STANDING_SHARE * rated_w, stands)


def is_below_start(grid: Grid) -> Mask:
    """The tower is so low that its float must ask for water."""
    return grid.value("tower", "level_m") < grid.sites.rating("tower", "start_level_m") - BELOW_START_M


def has_room(grid: Grid, days: Days | None = None) -> Mask:
    """The float cannot have stopped the pump.

    The level lies under the float's start level, or it has not been near the top since the pump last ran. Between two
    readings the pump may have filled what was left.
    """
    level_m, full_m = grid.value("tower", "level_m"), grid.sites.rating("tower", "full_level_m")
    near_full_m = FULL_SHARE * full_m
    unseen_m = np.nan_to_num(filled_between_readings_m(grid))
    return is_below_start(grid) | ((level_m < near_full_m) & (reached_m(grid, days) < near_full_m - unseen_m))


def reached_m(grid: Grid, days: Days | None = None) -> FloatArray:
    """(n, m) the highest that the tower's level has been since the pump last ran; infinite where nobody knows [m].

    Where it has not run since the grid began, the days before tell what had been reached by midnight. Once the sun has
    shone on what nobody knows, the tower may have been filled unseen.
    """
    if days is None:
        return highest_since(is_running(grid), grid.value("tower", "level_m"))
    return grid.once(("reached", days), lambda: _reached_over_midnight(grid, days))


def _reached_over_midnight(grid: Grid, days: Days) -> FloatArray:
    found, level_m = reached_m(grid), grid.value("tower", "level_m")
    by_midnight_m = np.full((len(grid.sites), 1), np.nan)
    for day in np.flatnonzero(days.day_s < grid.start_s):
        reached, top = days.get(REACHED.name)[:, day, None], days.get(TOP_LEVEL.name)[:, day, None]
        by_midnight_m = np.where(np.isfinite(reached), reached, np.maximum(by_midnight_m, top))
    since_m = np.fmax(by_midnight_m, np.fmax.accumulate(level_m, axis=1))
    is_seen = ~np.maximum.accumulate(_is_unseen(grid), axis=1)
    return np.where(np.isinf(found) & np.isfinite(by_midnight_m) & is_seen, since_m, found)


def _is_unseen(grid: Grid) -> Mask:
    """By daylight, whether nobody knows if the pump runs or how full the tower is."""
    knows_pump = np.isfinite(drawn_power_w(grid)) | np.isfinite(grid.value("pump", "speed_rpm"))
    return (grid.sun_deg > 0) & ~(knows_pump & np.isfinite(grid.value("tower", "level_m")))


def _reached_by_midnight(view: DayView) -> FloatArray:
    """(n, d) the highest level since the pump ran on this day; NaN when it did not, or was then out of sight."""
    grid = view.grid
    running = is_running(grid)
    ran = (view.cut(running.astype(np.float64)) == 1).any(axis=-1)
    unseen = view.cut(highest_since(running, _is_unseen(grid).astype(np.float64)))[..., -1]
    return np.where(ran & (unseen == 0), view.cut(reached_m(grid))[..., -1], np.nan)


def _top_level(view: DayView) -> FloatArray:
    """(n, d) the highest level of a day; NaN when it was out of sight by daylight."""
    level_m = view.value("tower", "level_m")
    seen = (view.cut(_is_unseen(view.grid).astype(np.float64)) == 0).all(axis=-1)
    return np.where(seen, np.where(np.isfinite(level_m), level_m, -np.inf).max(axis=-1), np.nan)


REACHED = Feature("reached_m", 24.0, _reached_by_midnight)
TOP_LEVEL = Feature("top_level_m", 24.0, _top_level)


def filled_between_readings_m(grid: Grid) -> FloatArray:
    """(n, 1) by how much the pump lifts the level from one reading to the next, beyond what five minutes bring [m]."""
    level_m = grid.raw.get(("tower", "level_m"))
    if level_m is None:
        return np.zeros((len(grid.sites), 1))
    hours = (spacing_of(level_m)[:, None] - 1) * grid.step_s / 3600
    area_m2 = grid.sites.rating("tower", "volume_m3") / grid.sites.rating("tower", "full_level_m")
    return grid.sites.rating("pump", "rated_flow_m3_h") * hours / area_m2


def says(grid: Grid, *states: PumpState) -> Mask:
    """The controller says one of these."""
    return np.isin(grid.value("pump", "state_code"), states)


def is_feast(grid: Grid) -> Mask:
    """(m,) the step is near one of the two feasts, for which people draw far more than on other days."""
    return _on_dates(grid, is_near_feast)


def is_fast(grid: Grid) -> Mask:
    """(m,) the step is in Ramadan, in which people draw for the meals before dawn and after sunset."""
    return _on_dates(grid, is_near_fast)


def is_meal_of_fast(hour: FloatArray) -> Mask:
    """Hours of the day in which a fasting village cooks, washes and fetches."""
    before_dawn, evening = FAST_MORNING_H, FAST_EVENING_H
    return ((hour >= before_dawn[0]) & (hour < before_dawn[1])) | ((hour >= evening[0]) & (hour < evening[1]))


def _on_dates(grid: Grid, so: Callable[[date], bool]) -> Mask:
    days = np.floor(grid.t_s / DAY_S)
    found = {day: so(datetime.fromtimestamp(day * DAY_S, UTC).date()) for day in np.unique(days)}
    return np.array([found[day] for day in days], dtype=bool)
