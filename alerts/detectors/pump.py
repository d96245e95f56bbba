"""The pump: standing still although it should run (and why), and running without water.

Night, cloud and a full tower explain a pump that stands still; they are states and never faults. A pump stopped by hand
is a planned stop. Methods and limits: DETECTION §2.
"""

from __future__ import annotations

import numpy as np

from alerts.days import past_median
from alerts.detectors.detector import Detector, Scene, read_in, verdicts
from alerts.detectors.gateway import clock_of, has_two_times
from alerts.detectors.leak import is_washed
from alerts.detectors.pv import LIT_DEG, has_one_word, has_tried, is_array_gone, speaks_our_codes, usual_power_w
from alerts.detectors.sensor import AT_STOP, top_of_float
from alerts.model import Evidence, Mask, Signal
from alerts.rolling import run_steps, steps_held, steps_since, window_max, window_min
from alerts.scene import FloatArray, Grid
from alerts.states import (
    BELOW_START_M,
    FULL_SHARE,
    REACHED,
    STANDING_SHARE,
    TOP_LEVEL,
    drawn_power_w,
    good_sun_w_m2,
    has_room,
    is_below_start,
    is_good_sun,
    is_running,
    is_standing,
    reached_m,
    says,
    sees_sun,
)
from gateway.model import Fault, PumpState

DRY_FLOW_SHARE = 0.08  # of rated flow: DETECTION says below 15 % of the curve, and curves sag in weak sun
WET_FLOW_SHARE = 0.15  # of rated flow: water comes
DRY_POWER_SHARE = 0.25  # of rated power: enough to lift water where the well has some
LIFTS_FROM = 0.92  # of full speed; a pump that is far too large lifts from less on
UNDER_LOAD = 0.65  # DETECTION §2: more than 35 % below the curve
UNDERLOADED_H = 0.5  # a cloud's edge, at which the cell sees more than the panels, has passed
UNEVEN = 1.15  # the largest over the smallest: a load and not a sky
NEAR_INTAKE_M = 3.0  # DETECTION §2: dynamic level less than 3 m above the intake is urgent
RUNS_ON_H = 0.5  # without a stop: it runs again
DRY_AGAIN_H = 1.5  # without air: the well gives again
GUESSED_H = 1.0
STOPS_DAYS, STOPS_KNOWN = 14, 2  # on which the float stopped the pump: what a level sensor calls full
TOP_SHARE = 0.03  # of the full level: waves, and a reading every five minutes
LEVEL_WRONG_SHARE = 0.1  # of the full level: by so much a level sensor may read low before anybody knows
SURE, LIKELY, GUESS = 0.95, 0.75, 0.55
POWER, STATE_CODE = (("pump", "power_w"), ("pv", "power_w")), ("pump", "state_code")


class Codes:
    """What the controller says, (n, m) masks; of one that speaks its maker's own codes only whether it is well."""

    def __init__(self, scene: Scene) -> None:
        grid = scene.grid
        code, running = grid.value("pump", "state_code"), is_running(grid)
        is_foreign = speaks_our_codes(scene) == 0
        ours = np.isfinite(code) & ~is_foreign
        self.is_known = np.isfinite(code)
        self.is_ours, self.is_foreign = ours, self.is_known & is_foreign
        # A number that is none of ours is its maker's number of a fault.
        self.says_tripped = ours & ((code == PumpState.TRIPPED) | (code > max(PumpState)))
        self.is_tripped = np.where(is_foreign, (code > 0) & ~running, self.says_tripped)
        self.is_full = ours & (code == PumpState.STOPPED_TOWER_FULL)
        self.is_dry = ours & (code == PumpState.STOPPED_DRY)
        self.is_by_hand = ours & (code == PumpState.STOPPED_BY_HAND)
        self.is_starting = ours & (code == PumpState.STARTING)


def judge_standing(scene: Scene) -> list[Signal]:
    """Good sun, room in the tower, and the motor does not turn: tripped, told "full" by its float, or broken.

    Needs the tower's level and the pump's power (or speed, or the panels' power); without irradiance it takes hours of
    a high sun. What the controller says
    decides which of the three it is; without it a motor that tries to start is broken, one that stood at a full tower
    and stays so has a float that sticks, and for the rest the confidence is low.
    """
    grid = scene.grid
    codes, below_start = Codes(scene), is_below_start(grid)
    sun = grid.value("pv", "irradiance_w_m2")
    running, stands = is_running(grid), is_standing(grid)
    rated_sun = grid.sites.rating("pump", "start_irradiance_w_m2")
    starts_at = np.where(np.isfinite(rated_sun), rated_sun, good_sun_w_m2(grid))
    is_day = grid.sun_deg > LIT_DEG
    should_run = is_good_sun(grid) & is_day & has_room(grid, scene.days) & ~codes.is_by_hand & ~codes.is_dry
    tells_why = codes.is_ours & ~has_one_word(scene)
    should_run &= ~is_full_as_usual(scene) & ~(may_be_full(scene) & ~tells_why & ~codes.is_tripped)
    should_run &= steps_since(turns_in_air(scene)) > grid.hours(DRY_AGAIN_H)  # it waits for water
    # A controller that says "full" is believed until the level is so low that its float cannot be right: above that,
    # the level sensor may be what is wrong.
    should_run &= ~codes.is_full | below_start
    should_run &= ~is_washed(grid)
    # Without a cell a controller that means what it says knows best how much sun there is.
    sees_low = codes.is_ours & says(grid, PumpState.STOPPED_LOW_SUN) & ~has_one_word(scene) & ~has_tried(scene)
    # And by a wrong clock the sun stands elsewhere.
    is_off = clock_of(scene).offset_s != 0
    should_run &= sees_sun(grid) | ~(sees_low | is_off)
    should_run &= ~has_two_times(grid)  # the sun of one beside the pump of the other
    still = stands & should_run & ~is_array_gone(scene)
    was_full = reached_m(grid, scene.days) >= FULL_SHARE * grid.sites.rating("tower", "full_level_m")
    # A controller that sees the sun and tries nothing believes that the tower is full.
    by_signs = ~has_tried(scene) & (was_full | codes.is_foreign | grid.sites.has("pump", "speed_rpm"))
    is_float = np.where(tells_why, codes.is_full, by_signs) & below_start & ~codes.is_tripped
    # What the controller says itself needs no room in the tower and no bright sun to be true.
    is_lit = stands & np.where(np.isfinite(sun), sun >= starts_at, True) & is_day
    # What is told only by what a controller does not do takes longer to know: a tower may be washed that was empty.
    # Clouds may come between: its hour is one of good sun since it last ran or its tower had enough.
    waits = still & is_float
    waits &= tells_why | (steps_held(waits, since=~(stands & below_start)) > grid.hours(GUESSED_H))
    kinds: tuple[tuple[Fault, Mask], ...] = (
        (Fault.INVERTER_TRIP, (still & codes.is_tripped) | (is_lit & codes.says_tripped)),
        (Fault.FLOAT_STUCK_FULL, waits | (is_lit & codes.is_full & below_start)),
        (Fault.PUMP_NOT_RUNNING, (still & ~codes.is_tripped & ~is_float) | (is_lit & codes.is_starting)),
    )
    signals = []
    for fault, present in kinds:
        # One that stands again and again is not well in between.
        ran_on = running & (steps_since(present) > grid.hours(RUNS_ON_H))
        verdict = verdicts(present=present, absent=ran_on)
        signals.append(Signal(fault, "pump", grid.t_s, verdict, _Standing(grid, fault, codes).describe))
    return signals


def is_full_as_usual(scene: Scene) -> Mask:
    """The pump stopped where it stops on other days, and the level has not yet fallen to where it starts again.

    A level sensor that reads too low has a top of its own, by which "full" and "start" are moved alike; that of one
    that drifts is where the pump stopped last.
    """
    grid = scene.grid
    full_m = grid.sites.rating("tower", "full_level_m")
    at_stop_m = scene.days.get(AT_STOP.name)
    usual_m = scene.days.on(past_median(at_stop_m, days=STOPS_DAYS, at_least=STOPS_KNOWN), grid.t_s)
    last_m = top_of_float(scene)
    top_m = np.where(np.isfinite(usual_m), np.fmin(usual_m, last_m), last_m)
    has_been_there = reached_m(grid, scene.days) >= top_m - TOP_SHARE * full_m
    return has_been_there & ~_is_below_start_of(grid, top_m)


def may_be_full(scene: Scene) -> Mask:
    """The pump ran until the tower was nearly full, and the level has not yet fallen to where it starts again.

    A level sensor may read a tenth of the tower too low; until the float must ask for water nobody can tell such a
    stop from a failure, and nobody lacks water.
    """
    grid, top_m = scene.grid, reached_m(scene.grid, scene.days)
    is_high = top_m >= (1 - LEVEL_WRONG_SHARE) * grid.sites.rating("tower", "full_level_m")
    return is_high & ~_is_below_start_of(grid, top_m)


def _is_below_start_of(grid: Grid, top_m: FloatArray) -> Mask:
    """The float must ask for water, if `top_m` is what the sensor says of a full tower."""
    lower_m = np.maximum(0.0, grid.sites.rating("tower", "full_level_m") - top_m)
    starts_m = grid.sites.rating("tower", "start_level_m") - lower_m
    return np.asarray(grid.value("tower", "level_m") < starts_m - BELOW_START_M)


WHY_STANDING = {
    Fault.INVERTER_TRIP: ("le contrôleur a déclenché", "the controller has tripped"),
    Fault.FLOAT_STUCK_FULL: ("le flotteur dit « plein »", "the float says “full”"),
    Fault.PUMP_NOT_RUNNING: ("la pompe ne tourne pas", "the pump has not turned"),
}


class _Standing:
    """Evidence of a pump that stands still."""

    def __init__(self, grid: Grid, fault: Fault, codes: Codes) -> None:
        self._grid, self._fault, self._codes = grid, fault, codes

    def describe(self, zone: int, first: int, last: int) -> Evidence:
        grid, span = self._grid, slice(first, last + 1)
        hours = float(grid.t_s[last] - grid.t_s[first]) / 3600
        sun = _mean(grid.value("pv", "irradiance_w_m2")[zone, span])
        level_m = float(grid.value("tower", "level_m")[zone, last])
        full_m = float(grid.sites.rating("tower", "full_level_m")[zone, 0])
        rated_w = float(grid.sites.rating("pump", "rated_power_w")[zone, 0])
        power_w = _largest(drawn_power_w(grid)[zone, span])
        why_fr, why_en = WHY_STANDING[self._fault]
        is_told = bool(self._codes.is_known[zone, span].any())
        values: dict[str, float | str] = {"hours": round(hours, 2), "power_w": round(power_w)}
        where_fr = where_en = ""
        if np.isfinite(sun):
            values["irradiance_w_m2"] = round(sun)
            where_fr, where_en = f"Soleil {sun:.0f} W/m². ", f"Sun {sun:.0f} W/m². "
        if np.isfinite(level_m) and full_m > 0:
            percent = 100 * level_m / full_m
            values |= {"level_pct": round(percent), "level_m": round(level_m, 2)}
            where_fr += f"Réservoir à {percent:.0f} %. "
            where_en += f"Tower at {percent:.0f} %. "
        code = grid.value("pump", "state_code")[zone, last]
        if self._fault is Fault.INVERTER_TRIP and np.isfinite(code):
            values["code"] = int(code)
        return Evidence(
            f"{where_fr}Mais {why_fr} depuis {hours:.1f} h ({power_w:.0f} W au plus).",
            f"{where_en}But {why_en} for {hours:.1f} h ({power_w:.0f} W at most).",
            values,
            {
                "irradiance_w_m2": float(good_sun_w_m2(grid)[zone, 0]), "power_w": STANDING_SHARE * rated_w,
                "full_level_m": full_m,
            },
            read_in(grid, zone, span, "pump/power_w", "pv/irradiance_w_m2", "tower/level_m", "pump/state_code"),
            SURE if is_told else LIKELY if self._fault is Fault.PUMP_NOT_RUNNING else GUESS,
        )  # fmt: skip


def judge_dry_running(scene: Scene) -> list[Signal]:
    """The motor works as if it lifted water, and none comes: or its controller says that it stopped for want of water.

    Needs the pump's flow and power. Where the well is measured it must be near the intake, or the flow meter is what
    failed; without that measurement the motor must turn fast and draw too little for its speed.
    """
    grid = scene.grid
    power_w, rated_w = drawn_power_w(grid), grid.sites.rating("pump", "rated_power_w")
    flow, rated_flow = grid.value("pump", "flow_m3_h"), grid.sites.rating("pump", "rated_flow_m3_h")
    depth_m, intake_m = grid.value("borehole", "water_depth_m"), grid.sites.rating("borehole", "pump_intake_m")
    codes = Codes(scene)
    in_air = turns_in_air(scene)
    is_dry = in_air | codes.is_dry
    # Between two tries a well that is nearly empty gives water for some minutes.
    gives = (flow >= WET_FLOW_SHARE * rated_flow) & (steps_since(is_dry) > grid.hours(DRY_AGAIN_H))
    verdict = verdicts(present=is_dry, absent=gives)

    def describe(zone: int, first: int, last: int) -> Evidence:
        span = slice(first, last + 1)
        hours = float(grid.t_s[last] - grid.t_s[first]) / 3600
        depth, intake = float(depth_m[zone, last]), float(intake_m[zone, 0])
        values: dict[str, float | str] = {
            "hours": round(hours, 2), "power_w": round(_largest(power_w[zone, span])),
            "flow_m3_h": round(_largest(flow[zone, span]), 2),
        }  # fmt: skip
        thresholds = {
            "flow_m3_h": DRY_FLOW_SHARE * float(rated_flow[zone, 0]),
            "power_w": DRY_POWER_SHARE * float(rated_w[zone, 0]),
        }
        fr = f"La pompe a consommé {values['power_w']} W sans donner d'eau (débit {values['flow_m3_h']} m³/h)."
        en = f"The pump drew {values['power_w']} W and gave no water (flow {values['flow_m3_h']} m³/h)."
        is_told = bool(codes.is_dry[zone, span].any())
        if is_told and not in_air[zone, span].any():
            fr, en = (
                "Le contrôleur a arrêté la pompe faute d'eau.",
                "The controller has stopped the pump for want of water.",
            )
        if np.isfinite(depth) and np.isfinite(intake):
            values["depth_m"] = round(depth, 1)
            thresholds["depth_m"] = intake - NEAR_INTAKE_M
            fr += f" Le niveau du forage est à {depth:.0f} m, l'aspiration à {intake:.0f} m."
            en += f" The water in the borehole is at {depth:.0f} m, the intake at {intake:.0f} m."
        # What the controller says itself needs no sensor of ours to be true.
        sensors = read_in(grid, zone, span, "pump/power_w", "pump/flow_m3_h", "borehole/water_depth_m")
        return Evidence(
            fr,
            en,
            values,
            thresholds,
            ("pump/state_code",) if is_told else sensors,
            SURE if np.isfinite(depth) or is_told else LIKELY,
        )

    return [Signal(Fault.DRY_RUNNING, "pump", grid.t_s, verdict, describe)]


def turns_in_air(scene: Scene) -> Mask:
    """(n, m) the motor works, no water comes, and the well is at the intake (or, unseen, the load says so)."""
    grid = scene.grid
    works = drawn_power_w(grid) >= DRY_POWER_SHARE * grid.sites.rating("pump", "rated_power_w")
    gives = grid.value("pump", "flow_m3_h") >= DRY_FLOW_SHARE * grid.sites.rating("pump", "rated_flow_m3_h")
    is_dry = works & ~gives & np.isfinite(grid.value("pump", "flow_m3_h"))
    depth_m, intake_m = grid.value("borehole", "water_depth_m"), grid.sites.rating("borehole", "pump_intake_m")
    idles = np.where(grid.sites.has("pump", "speed_rpm"), _idles(grid), _is_underloaded(scene, is_dry))
    return is_dry & np.where(np.isfinite(depth_m), depth_m >= intake_m - NEAR_INTAKE_M, idles)


def _idles(grid: Grid) -> Mask:
    """(n, m) the motor turns faster than any lift asks for and draws much less than its speed would with water."""
    speed = grid.value("pump", "speed_rpm") / grid.sites.rating("pump", "max_speed_rpm")
    share = drawn_power_w(grid) / grid.sites.rating("pump", "rated_power_w")
    return (speed > LIFTS_FROM) & (share < UNDER_LOAD * speed**3)


def _is_underloaded(scene: Scene, is_dry: Mask) -> Mask:
    """(n, m) of a motor without a speed: for a while it has drawn much less than it does in such a sun, and evenly.

    With water it takes what the sun gives; in air what its bearings ask for, however bright it is. A pump whose meter
    stands fills its tower all the same.
    """
    grid = scene.grid
    back, level_m = grid.hours(UNDERLOADED_H), grid.value("tower", "level_m")
    rises_m = np.full(grid.shape, np.nan)
    rises_m[:, back:] = level_m[:, back:] - level_m[:, :-back]
    is_filling = ~(rises_m <= TOP_SHARE * grid.sites.rating("tower", "full_level_m"))
    power_w = np.where(is_dry, drawn_power_w(grid), np.nan)
    is_even = window_max(power_w, back) < UNEVEN * window_min(power_w, back)
    is_low = is_dry & is_good_sun(grid) & (power_w < UNDER_LOAD * usual_power_w(scene))
    return (run_steps(is_low) >= back) & is_even & ~is_filling


def _mean(value: FloatArray) -> float:
    there = value[np.isfinite(value)]
    return float(there.mean()) if len(there) else float("nan")


def _largest(value: FloatArray) -> float:
    return float(np.max(value[np.isfinite(value)], initial=0.0))


FEATURES = (REACHED, TOP_LEVEL)
DETECTORS = (
    Detector(
        (Fault.INVERTER_TRIP, Fault.FLOAT_STUCK_FULL, Fault.PUMP_NOT_RUNNING), "pump",
        ((("tower", "level_m"),), (*POWER, ("pump", "speed_rpm"))), judge_standing,
    ),
    Detector(
        (Fault.DRY_RUNNING,), "pump", ((("pump", "flow_m3_h"), STATE_CODE), (*POWER, STATE_CODE)), judge_dry_running
    ),
)  # fmt: skip
