"""The pump: standing still in good sun, and running without water.

Night, cloud and a full tower explain a pump that stands still; they are states and never faults. A pump stopped by hand
is a planned stop. Methods and limits: DETECTION §2.
"""

from __future__ import annotations

import numpy as np

from alerts.detectors.window import ZoneWindow
from alerts.model import Condition, Evidence, Findings, Mask, NotJudged, Verdict, VerdictArray, WhyNot
from gateway.model import Fault, PumpState
from ingest.readings import FloatArray

GOOD_SUN_W_M2 = 350.0  # DETECTION §2, inverter trip: G > 350
SUN_ABOVE_START_W_M2 = 100.0  # and well above where this site's pump starts
STANDING_SHARE = 0.05  # of rated power: what a controller draws with the motor off
RUNNING_SHARE = 0.15  # of rated power: the motor turns
FULL_SHARE = 0.95  # of the full level, with room for waves and the sensor
DRY_FLOW_SHARE = 0.08  # of rated flow: DETECTION says below 15 % of the curve, and curves sag in weak sun
WET_FLOW_SHARE = 0.15  # of rated flow: water comes
DRY_POWER_SHARE = 0.25  # of rated power: enough to lift water where the well has some
NEAR_INTAKE_M = 3.0  # DETECTION §2: dynamic level less than 3 m above the intake is urgent
SURE, LIKELY = 0.95, 0.7


def detect_pump_not_running(window: ZoneWindow) -> Findings:
    """Good sun, room in the tower, and the pump draws no power.

    Needs pump.power_w, pv.irradiance_w_m2 and tower.level_m. There is room when the level lies under the float's start
    level, or when it has not been near the top since the pump last ran: then it was not the float that stopped it.
    """
    fault, asset = Fault.PUMP_NOT_RUNNING, "pump"
    t_s, power_w = window.good("pump", "power_w")
    rated_w, full_m = window.rating("pump", "rated_power_w"), window.rating("tower", "full_level_m")
    start_m, start_sun = window.rating("tower", "start_level_m"), window.rating("pump", "start_irradiance_w_m2")
    if rated_w is None or full_m is None or start_m is None or ("pv", "irradiance_w_m2") not in window.series:
        return Findings(not_judged=[NotJudged(fault, asset, WhyNot.NO_CHANNEL)])
    if not len(t_s):
        return Findings(not_judged=[NotJudged(fault, asset, WhyNot.NO_READINGS)])
    sun = window.on(t_s, "pv", "irradiance_w_m2")
    level_m = window.on(t_s, "tower", "level_m")
    state = window.on(t_s, "pump", "state_code")
    limit = max(GOOD_SUN_W_M2, (start_sun or 0.0) + SUN_ABOVE_START_W_M2)
    running = power_w >= RUNNING_SHARE * rated_w
    since_run_m = highest_since(running, level_m)
    below_start = level_m < start_m - 0.05
    has_room = below_start | ((level_m < FULL_SHARE * full_m) & (since_run_m < FULL_SHARE * full_m))
    stands = power_w < STANDING_SHARE * rated_w
    # A controller that says "full" is believed until the level is so low that its float cannot be right: above that,
    # the level sensor may be what is wrong.
    explained = np.isin(state, (PumpState.STOPPED_BY_HAND, PumpState.STOPPED_DRY)) | (
        (state == PumpState.STOPPED_TOWER_FULL) & ~below_start
    )
    present = stands & (sun >= limit) & has_room & ~explained
    verdict = verdicts(present=present, absent=running)

    def describe(first: int, last: int) -> Evidence:
        hours = (t_s[last] - t_s[first]) / 3600
        chosen = slice(first, last + 1)
        mean_sun = float(np.nanmean(sun[chosen]))
        now_m = float(level_m[last])
        percent = 100 * now_m / full_m
        return Evidence(
            f"Bon soleil ({mean_sun:.0f} W/m²) et réservoir à {percent:.0f} %, mais la pompe ne consomme que "
            f"{np.nanmax(power_w[chosen]):.0f} W depuis {hours:.1f} h.",
            f"Good sun ({mean_sun:.0f} W/m²) and the tower at {percent:.0f} %, but the pump has drawn no more than "
            f"{np.nanmax(power_w[chosen]):.0f} W for {hours:.1f} h.",
            {
                "hours": round(hours, 2), "irradiance_w_m2": round(mean_sun), "level_pct": round(percent),
                "level_m": round(now_m, 2), "power_w": round(float(np.nanmax(power_w[chosen]))),
            },
            {"irradiance_w_m2": limit, "power_w": STANDING_SHARE * rated_w, "full_level_m": full_m},
            ("pump/power_w", "pv/irradiance_w_m2", "tower/level_m"),
            SURE if np.isfinite(state[chosen]).any() else LIKELY,
        )  # fmt: skip

    return Findings([Condition(fault, asset, t_s, verdict, describe)])


def detect_dry_running(window: ZoneWindow) -> Findings:
    """The motor works as if it lifted water, and none comes: or its controller says that it stopped for want of water.

    Needs pump.power_w and pump.flow_m3_h. Where the well is measured it must be near the intake, or the flow meter is
    what failed; without that measurement the confidence is lower.
    """
    fault, asset = Fault.DRY_RUNNING, "pump"
    t_s, power_w = window.good("pump", "power_w")
    rated_w, rated_flow = window.rating("pump", "rated_power_w"), window.rating("pump", "rated_flow_m3_h")
    if rated_w is None or rated_flow is None or ("pump", "flow_m3_h") not in window.series:
        return Findings(not_judged=[NotJudged(fault, asset, WhyNot.NO_CHANNEL)])
    if not len(t_s):
        return Findings(not_judged=[NotJudged(fault, asset, WhyNot.NO_READINGS)])
    flow = window.on(t_s, "pump", "flow_m3_h")
    depth_m = window.on(t_s, "borehole", "water_depth_m")
    state = window.on(t_s, "pump", "state_code")
    intake_m = window.rating("borehole", "pump_intake_m")
    well_is_low = np.full(len(t_s), True)
    if intake_m is not None:
        well_is_low = ~np.isfinite(depth_m) | (depth_m >= intake_m - NEAR_INTAKE_M)
    no_water = (power_w >= DRY_POWER_SHARE * rated_w) & (flow < DRY_FLOW_SHARE * rated_flow) & well_is_low
    present = no_water | (state == PumpState.STOPPED_DRY)
    verdict = verdicts(present=present, absent=flow >= WET_FLOW_SHARE * rated_flow)

    def describe(first: int, last: int) -> Evidence:
        chosen = slice(first, last + 1)
        hours = (t_s[last] - t_s[first]) / 3600
        depth = float(depth_m[last])
        values: dict[str, float | str] = {
            "hours": round(hours, 2), "power_w": round(float(np.nanmax(power_w[chosen]))),
            "flow_m3_h": round(float(np.nanmax(flow[chosen])), 2),
        }  # fmt: skip
        thresholds = {"flow_m3_h": DRY_FLOW_SHARE * rated_flow, "power_w": DRY_POWER_SHARE * rated_w}
        where_fr = where_en = ""
        if intake_m is not None and np.isfinite(depth):
            values["depth_m"] = round(depth, 1)
            thresholds["depth_m"] = intake_m - NEAR_INTAKE_M
            where_fr = f" Le niveau du forage est à {depth:.0f} m, l'aspiration à {intake_m:.0f} m."
            where_en = f" The water in the borehole is at {depth:.0f} m, the intake at {intake_m:.0f} m."
        return Evidence(
            f"La pompe a consommé {values['power_w']} W sans donner d'eau (débit {values['flow_m3_h']} m³/h)."
            f"{where_fr}",
            f"The pump drew {values['power_w']} W and gave no water (flow {values['flow_m3_h']} m³/h).{where_en}",
            values,
            thresholds,
            ("pump/power_w", "pump/flow_m3_h", "borehole/water_depth_m", "pump/state_code"),
            SURE if np.isfinite(depth) or (state[chosen] == PumpState.STOPPED_DRY).any() else LIKELY,
        )

    return Findings([Condition(fault, asset, t_s, verdict, describe)])


def verdicts(*, present: Mask, absent: Mask) -> VerdictArray:
    """Masks (n,) into verdicts (n,); what is neither cannot be told, and present wins."""
    return np.where(present, Verdict.PRESENT, np.where(absent, Verdict.ABSENT, Verdict.CANNOT_TELL)).astype(np.int8)


def highest_since(reset: Mask, value: FloatArray) -> FloatArray:
    """Largest `value` (n,) since the last sample in which `reset` (n,) held, that sample included.

    Before the first reset: since the beginning, and infinite there, because nobody knows what was before. NaN counts
    as nothing seen.
    """
    segment = np.cumsum(reset)
    filled = np.where(np.isfinite(value), value, -1e6)
    lift = segment * 1e9
    highest = np.maximum.accumulate(filled + lift) - lift
    return np.where(segment == 0, np.inf, highest)
