"""Sensors: stuck, out of range, spiking, drifting, a flow meter that has stopped.

The water is not in question here, and what a sensor says that is not believed is not judged elsewhere. An alert is
about an asset; which of its sensors is meant stands in the evidence.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from alerts.days import DayView, Feature, past_median, past_quantile, past_spread, recent_median
from alerts.detectors.detector import Detector, Scene, verdicts
from alerts.detectors.wear import METER_SHARE
from alerts.model import Evidence, IndexArray, Mask, Signal, VerdictArray
from alerts.rolling import held, run_steps, window_mean, window_sum
from alerts.scene import FloatArray, Grid
from alerts.states import drawn_power_w, is_running
from alerts.sun import sun_elevation_deg
from gateway.model import Fault, PumpState

STUCK_S = 3 * 3600.0  # DETECTION §2: a run of equal values of 3 h
STUCK_IN_DAYLIGHT_S = 3600.0  # irradiance: 1 h in daylight
HIGH_SUN_DEG = 15.0
MOVED_SHARE = 0.03  # of the tower's volume must have gone in or out for its level to have to move
PUMPED_M3 = 0.5  # drawn from the borehole for its level to have to move


def judge_sensor_stuck(
    asset: str, channel: str, must_move: Callable[[Grid, IndexArray], Mask], stuck_s: float, words: tuple[str, str]
) -> Detector:
    """Readings that stay equal while they must change.

    Flat by nature is not stuck: a level with no flow in or out, a borehole at rest, the sun at night. Such a run cannot
    be told, so it neither opens nor closes anything.
    """

    def judge(scene: Scene) -> list[Signal]:
        grid = scene.grid
        value = grid.value(asset, channel)
        begin = run_begin(value)
        place = np.arange(grid.steps)
        lasts_s = (place - begin) * grid.step_s
        verdict = verdicts(
            present=(lasts_s >= stuck_s) & must_move(grid, begin) & np.isfinite(value),
            absent=(begin == place) & np.isfinite(value),
        )

        def describe(zone: int, first: int, last: int) -> Evidence:
            hours = float(lasts_s[zone, last]) / 3600
            now = float(value[zone, last])
            return Evidence(
                f"Le capteur « {words[0]} » donne {now:g} sans changer depuis {hours:.1f} h, alors que l'eau bouge.",
                f"The sensor “{words[1]}” has given {now:g} unchanged for {hours:.1f} h while the water moves.",
                {"hours": round(hours, 1), "sensor": words[0], "value": now},
                {"hours": stuck_s / 3600},
                (f"{asset}/{channel}",),
                0.9,
            )

        return [Signal(Fault.SENSOR_STUCK, asset, grid.t_s, verdict, describe)]

    return Detector((Fault.SENSOR_STUCK,), asset, ((asset, channel),), judge)


def run_begin(value: FloatArray) -> IndexArray:
    """For each step (n, m) the step at which its run of equal values begins; gaps do not end a run."""
    known = held(value, value.shape[-1])
    changed = np.ones(value.shape, dtype=bool)
    changed[:, 1:] = ~(known[:, 1:] == known[:, :-1])
    return np.maximum.accumulate(np.where(changed, np.arange(value.shape[-1]), 0), axis=-1)


def _since(begin: IndexArray, rate_per_h: FloatArray, step_h: float) -> FloatArray:
    """The integral of a rate from each run's beginning to each step (n, m); missing counts as zero."""
    total = np.cumsum(np.nan_to_num(rate_per_h) * step_h, axis=-1)
    return np.asarray(total - np.take_along_axis(total, begin, axis=-1))


def _water_moved(grid: Grid, begin: IndexArray) -> Mask:
    net = grid.value("pump", "flow_m3_h") - grid.value("tower", "outflow_m3_h")
    moved = _since(begin, net, grid.step_s / 3600)
    return np.asarray(np.abs(moved) > MOVED_SHARE * grid.sites.rating("tower", "volume_m3"))


def _water_was_drawn(grid: Grid, begin: IndexArray) -> Mask:
    return np.asarray(_since(begin, grid.value("pump", "flow_m3_h"), grid.step_s / 3600) > PUMPED_M3)


def _sun_was_high(grid: Grid, begin: IndexArray) -> Mask:
    is_high = grid.sun_deg > HIGH_SUN_DEG
    return is_high & np.take_along_axis(is_high, begin, axis=-1)


OUT_READINGS = 3  # DETECTION §2: range table per channel, 3 readings
OUT_H, CALM_H = 1.0, 1.0
SPIKES, SPIKES_H = 4, 6.0  # DETECTION §2: more than 3 in 6 h


class Watched(NamedTuple):
    """A sensor, what it is called, and how far a single value must lie off both its neighbours to be a spike."""

    channel: str
    fr: str
    en: str
    spike: float = np.inf


WATCHED: dict[str, tuple[Watched, ...]] = {
    "tower": (
        Watched("level_m", "niveau du château", "tower level", 0.25),
        Watched("outflow_m3_h", "débit de sortie", "outflow"),
    ),
    "borehole": (Watched("water_depth_m", "niveau du forage", "borehole level", 4.0),),
    "pv": (
        Watched("irradiance_w_m2", "ensoleillement", "irradiance"),
        Watched("module_temp_c", "température des panneaux", "module temperature", 15.0),
        Watched("voltage_v", "tension", "voltage"),
        Watched("current_a", "courant", "current"),
        Watched("power_w", "puissance des panneaux", "panel power"),
    ),
    "pump": (
        Watched("pressure_bar", "pression de refoulement", "well-head pressure", 1.2),
        Watched("flow_m3_h", "débit de la pompe", "pump flow"),
        Watched("power_w", "puissance de la pompe", "pump power"),
        Watched("speed_rpm", "vitesse de la pompe", "pump speed"),
    ),
    "network": (Watched("pressure_bar", "pression du réseau", "network pressure", 0.6),),
    "gateway": (
        Watched("battery_v", "tension de la batterie", "battery voltage", 1.5),
        Watched("temp_c", "température du boîtier", "box temperature", 15.0),
    ),
    "quality": (
        Watched("free_chlorine_mg_l", "chlore", "chlorine", 0.6),
        Watched("turbidity_ntu", "turbidité", "turbidity", 30.0),
        Watched("conductivity_us_cm", "conductivité", "conductivity", 150.0),
    ),
}


def judge_out_of_range(asset: str) -> Detector:
    """Three readings within an hour that cannot be so: beyond the sensor's range, or what a broken loop gives."""
    sensors = WATCHED[asset]

    def judge(scene: Scene) -> list[Signal]:
        grid = scene.grid
        wrong = [grid.is_bad(asset, sensor.channel) for sensor in sensors]
        # Counted by the sensor's own readings, good and bad: one that reports hourly needs three hours.
        present, absent = np.zeros(grid.shape, dtype=bool), np.ones(grid.shape, dtype=bool)
        runs = []
        for sensor, bad in zip(sensors, wrong, strict=True):
            good = np.isfinite(grid.raw.get((asset, sensor.channel), np.full(grid.shape, np.nan)))
            in_a_row = _in_a_row(bad, good)
            few = window_sum(bad, grid.hours(OUT_H)) >= OUT_READINGS
            runs.append(in_a_row)
            present |= (in_a_row >= OUT_READINGS) | (few & bad)
            absent &= window_sum(bad, grid.hours(CALM_H)) == 0
        heard = np.logical_or.reduce([np.isfinite(grid.value(asset, sensor.channel)) for sensor in sensors])
        verdict = verdicts(present=present, absent=absent & heard)

        def describe(zone: int, first: int, last: int) -> Evidence:
            counts = [int(bad[zone, first : last + 1].sum()) for bad in wrong]
            worst = sensors[int(np.argmax(counts))]
            return Evidence(
                f"Le capteur « {worst.fr} » donne des valeurs impossibles ({max(counts)} fois).",
                f"The sensor “{worst.en}” gives impossible values ({max(counts)} times).",
                {"sensor": worst.fr, "count": max(counts)},
                {"count": OUT_READINGS},
                (f"{asset}/{worst.channel}",),
                0.95,
            )

        return [Signal(Fault.SENSOR_OUT_OF_RANGE, asset, grid.t_s, verdict, describe)]

    return Detector((Fault.SENSOR_OUT_OF_RANGE,), asset, (), judge)


def _in_a_row(bad: Mask, good: Mask) -> FloatArray:
    """(n, m) bad readings since the last good one."""
    count = np.cumsum(bad, axis=-1)
    at_good = np.maximum.accumulate(np.where(good & ~bad, count, 0), axis=-1)
    return np.asarray(count - at_good, dtype=np.float64)


def judge_spikes(asset: str) -> Detector:
    """More than three single values in six hours that lie far off both neighbours, which agree with each other.

    A pump that starts or stops moves pressures and levels for good, so both neighbours would not agree.
    """
    sensors = [sensor for sensor in WATCHED[asset] if np.isfinite(sensor.spike)]

    def judge(scene: Scene) -> list[Signal]:
        grid = scene.grid
        counts = [window_sum(spikes(grid, asset, sensor), grid.hours(SPIKES_H)) for sensor in sensors]
        most = np.max(counts, axis=0)
        heard = np.logical_or.reduce([np.isfinite(grid.value(asset, sensor.channel)) for sensor in sensors])
        verdict = verdicts(present=most >= SPIKES, absent=(most <= 1) & heard)

        def describe(zone: int, first: int, last: int) -> Evidence:
            worst = sensors[int(np.argmax([count[zone, last] for count in counts]))]
            number = int(most[zone, last])
            return Evidence(
                f"Le capteur « {worst.fr} » a sauté {number} fois en {SPIKES_H:.0f} h.",
                f"The sensor “{worst.en}” jumped {number} times in {SPIKES_H:.0f} h.",
                {"sensor": worst.fr, "count": number},
                {"count": SPIKES, "step": sensor_step(worst)},
                (f"{asset}/{worst.channel}",),
                0.85,
            )

        return [Signal(Fault.SENSOR_SPIKES, asset, grid.t_s, verdict, describe)]

    return Detector((Fault.SENSOR_SPIKES,), asset, (), judge)


def sensor_step(sensor: Watched) -> float:
    """How far a spike of this sensor lies off its neighbours, in its unit."""
    return sensor.spike


def spikes(grid: Grid, asset: str, sensor: Watched) -> Mask:
    """(n, m) the reading before the newest lay off both its neighbours, or a single one was impossible.

    Told at the reading after it, when it can be known.
    """
    raw = grid.raw.get((asset, sensor.channel))
    if raw is None:
        return np.zeros(grid.shape, dtype=bool)
    bad = grid.is_bad(asset, sensor.channel)
    found = np.zeros(grid.shape, dtype=bool)
    for zone in range(len(raw)):
        place = np.flatnonzero(np.isfinite(raw[zone]) | bad[zone])
        if len(place) < 3:
            continue
        value, wrong = raw[zone, place], bad[zone, place]
        before, here, after = value[:-2], value[1:-1], value[2:]
        agree = np.abs(after - before) < 0.5 * sensor.spike
        off = np.minimum(np.abs(here - before), np.abs(here - after)) > sensor.spike
        single = wrong[1:-1] & ~wrong[:-2] & ~wrong[2:]
        found[zone, place[2:][(off & agree) | single]] = True
    return found


NO_FLOW_SHARE = 0.04  # of rated flow: a meter that stands
WORKS_SHARE = 0.45  # of rated power: water comes
FOUND_SHARE = 0.25  # of rated flow must be found in the tower
STOPPED_H = 1.0
LOST_SHARE = 1.22  # so much more water is found than the meter says: it slips


def judge_pump_meter(scene: Scene) -> list[Signal]:
    """The pump works and water arrives in the tower, and its meter stands; or for two days it sees too little of it."""
    grid, days = scene.grid, scene.days
    rated_flow = grid.sites.rating("pump", "rated_flow_m3_h")
    power_share = drawn_power_w(grid) / grid.sites.rating("pump", "rated_power_w")
    hour = grid.hours(STOPPED_H)
    flow = grid.value("pump", "flow_m3_h")
    stands = (flow < NO_FLOW_SHARE * rated_flow) & (power_share > WORKS_SHARE)
    arrives = window_mean(found_flow(grid), hour, at_least=max(2, hour // 2)) > FOUND_SHARE * rated_flow
    share = days.get(METER_SHARE.name)
    usual = past_median(share, days=21, at_least=4)
    slips_by_day = recent_median(share, 2, at_least=2) / usual
    slips = days.on(slips_by_day, grid.t_s - METER_SHARE.ready_h * 3600)
    sees = (flow > 0.2 * rated_flow) & ~(slips > 1 + 0.6 * (LOST_SHARE - 1))
    verdict = verdicts(present=(stands & arrives) | (slips > LOST_SHARE), absent=sees)

    def describe(zone: int, first: int, last: int) -> Evidence:
        lost = 100 * (1 - 1 / float(slips[zone, last])) if slips[zone, last] > LOST_SHARE else 100.0
        return Evidence(
            f"Le compteur de la pompe ne voit pas {lost:.0f} % de l'eau qui arrive au château.",
            f"The pump's meter misses {lost:.0f} % of the water that reaches the tower.",
            {"lost_pct": round(lost), "sensor": "compteur de la pompe"},
            {"lost_pct": round(100 * (1 - 1 / LOST_SHARE))},
            ("pump/flow_m3_h", "tower/level_m", "tower/outflow_m3_h"),
            0.8,
        )

    return [Signal(Fault.FLOW_METER_STOPPED, "pump", grid.t_s, verdict, describe)]


def judge_tower_meter(scene: Scene) -> list[Signal]:
    """Water is drawn, and the tower's meter stands: the level falls by day with the pump at rest."""
    grid = scene.grid
    rated_flow = grid.sites.rating("pump", "rated_flow_m3_h")
    outflow = grid.value("tower", "outflow_m3_h")
    hour = grid.hours(STOPPED_H)
    inflow = grid.value("pump", "flow_m3_h")
    leaves = window_mean(inflow - level_gain(grid), hour, at_least=max(2, hour // 2))
    by_day = (grid.hour >= 6) & (grid.hour < 20)
    holds = grid.value("tower", "level_m") < 0.97 * grid.sites.rating("tower", "full_level_m")
    stands = run_steps(outflow < 0.02 * rated_flow) >= hour
    verdict = verdicts(
        present=stands & (leaves > FOUND_SHARE * rated_flow) & by_day & holds, absent=outflow > 0.1 * rated_flow
    )

    def describe(zone: int, first: int, last: int) -> Evidence:
        now = float(leaves[zone, last])
        return Evidence(
            f"{now:.1f} m³/h quittent le château et son compteur ne bouge pas.",
            f"{now:.1f} m³/h leave the tower and its meter does not move.",
            {"flow_m3_h": round(now, 2), "sensor": "compteur du château"},
            {"flow_m3_h": round(FOUND_SHARE * float(rated_flow[zone, 0]), 2)},
            ("tower/outflow_m3_h", "tower/level_m", "pump/flow_m3_h"),
            0.75,
        )

    return [Signal(Fault.FLOW_METER_STOPPED, "tower", grid.t_s, verdict, describe)]


def level_gain(grid: Grid) -> FloatArray:
    """(n, m) by how much the tower filled over the last half hour [m³/h]."""
    area_m2 = grid.sites.rating("tower", "volume_m3") / grid.sites.rating("tower", "full_level_m")
    level_m = grid.value("tower", "level_m")
    half = grid.hours(0.5)
    gain = np.full(grid.shape, np.nan)
    gain[:, half:] = (level_m[:, half:] - level_m[:, :-half]) * area_m2 / (half * grid.step_s / 3600)
    return gain


def found_flow(grid: Grid) -> FloatArray:
    """(n, m) water that came into the tower by its own sensors: what it gained and what left it [m³/h]."""
    outflow = window_mean(grid.value("tower", "outflow_m3_h"), grid.hours(0.5))
    return np.asarray(level_gain(grid) + outflow)


DRIFT_DAYS = 3
TOP_DRIFT_SHARE = 0.035  # of the full level
PRESSURE_DRIFT_BAR = 0.06
SUN_DRIFT_SHARE = 0.10
DEPTH_DRIFT_M = 2.0
SPREADS = 5.0


def level_at_stop(view: DayView) -> FloatArray:
    """(n, d) the level at which the float stops the pump [m]; NaN on days on which it did not."""
    grid = view.grid
    level_m, full_m = grid.value("tower", "level_m"), grid.sites.rating("tower", "full_level_m")
    running = is_running(grid)
    stopped = np.zeros(grid.shape, dtype=bool)
    stopped[:, 1:] = running[:, :-1] & ~running[:, 1:]
    code = grid.value("pump", "state_code")
    by_float = np.where(np.isfinite(code), code == PumpState.STOPPED_TOWER_FULL, level_m > 0.85 * full_m)
    bright = grid.value("pv", "irradiance_w_m2") > 300
    at_stop = view.cut(np.where(stopped & by_float & bright, level_m, np.nan))
    known = np.isfinite(at_stop)
    return np.where(known.any(axis=-1), np.where(known, at_stop, -np.inf).max(axis=-1), np.nan)


def static_pressure_error(view: DayView) -> FloatArray:
    """(n, d) pressure in the network at night less that of the tower's column [bar]."""
    night = view.between(0.5, 4.5)
    level_m = view.value("tower", "level_m")[..., night]
    column_bar = 0.0981 * (level_m + view.grid.sites.rating("tower", "base_height_m")[..., None])
    error = view.value("network", "pressure_bar")[..., night] - column_bar
    quiet = ~(view.value("tower", "outflow_m3_h")[..., night] > 0.5) & (level_m > 0.2)
    known = np.isfinite(error) & quiet
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, error, 0.0).sum(axis=-1) / known.sum(axis=-1)
    return np.where(known.sum(axis=-1) >= 12, mean, np.nan)


def clear_noon(view: DayView) -> FloatArray:
    """(n, d) the largest half-hour mean irradiance over what the sun's height allows, around noon."""
    grid = view.grid
    sun = window_mean(grid.value("pv", "irradiance_w_m2"), grid.hours(0.5), at_least=3)
    height = np.sin(
        np.radians(sun_elevation_deg(grid.t_s, grid.sites.latitude[:, None], grid.sites.longitude[:, None]))
    )
    # Haurwitz (1945): clear-sky irradiance from the sun's height alone; a constant error of it does not matter here.
    clear = 1098.0 * height * np.exp(-0.057 / np.maximum(height, 0.05))
    ratio = view.cut(np.where(height > 0.5, sun / clear, np.nan))[..., view.between(10, 15.5)]
    known = np.isfinite(ratio)
    return np.where(known.sum(axis=-1) >= 24, np.where(known, ratio, -np.inf).max(axis=-1), np.nan)


def rest_depth(view: DayView) -> FloatArray:
    """(n, d) depth of the water before dawn, the pump at rest [m]."""
    depth = view.value("borehole", "water_depth_m")[..., view.between(3, 6)]
    ordered = np.sort(depth, axis=-1)
    count = np.isfinite(ordered).sum(axis=-1)
    middle = np.take_along_axis(ordered, (np.maximum(count - 1, 0) // 2)[..., None], axis=-1)[..., 0]
    return np.where(count >= 12, middle, np.nan)


AT_STOP = Feature("level_at_stop_m", 20.0, level_at_stop)
STATIC_ERROR = Feature("static_pressure_error_bar", 5.0, static_pressure_error)
CLEAR_NOON = Feature("clear_noon", 16.0, clear_noon)
REST_DEPTH = Feature("rest_depth_m", 6.0, rest_depth)


def judge_drift(asset: str, feature: Feature, words: tuple[str, str], least: float, channel: str) -> Detector:
    """A quantity that must stay the same, and for three days has not: the sensor that measures it drifts.

    The float stops the pump at one level, at night the network stands under the tower's column. `least` is how far off
    counts at least, in the feature's unit; a zone where it always varies needs more.
    """

    def judge(scene: Scene) -> list[Signal]:
        days = scene.days
        value = days.get(feature.name)
        usual = past_median(value, days=40, at_least=6)
        spread = past_spread(value, days=40, at_least=6)
        scale = scene.grid.sites.rating("tower", "full_level_m") if feature is AT_STOP else 1.0
        limit = np.maximum(least * scale, SPREADS * spread)
        off = recent_median(value, DRIFT_DAYS, at_least=2) - usual
        verdict = verdicts(present=np.abs(off) > limit, absent=np.abs(off) < 0.6 * limit)
        return [_drift_signal(asset, f"{asset}/{channel}", words, feature, days.day_s, verdict, off, limit)]

    return Detector((Fault.SENSOR_DRIFT,), asset, ((asset, channel),), judge)


def judge_sun_drift(scene: Scene) -> list[Signal]:
    """A cell that sees more or less than on clear days before, while the panels' power says the opposite or nothing.

    Haze and dust in the air dim cell and panels alike, and dust on the panels leaves the cell's noon as it was; so it
    is the cell when its noon and the power for its irradiance move against each other.
    """
    days = scene.days
    noon, power = days.get(CLEAR_NOON.name), days.get("pv_performance")
    usual_noon, usual_power = past_quantile(noon, 0.75, days=30), past_median(power, days=30)
    # The clearest of the last days counts: clouds only take away.
    noon_now = _recent_largest(noon, 4) / usual_noon - 1
    power_now = recent_median(power, DRIFT_DAYS, at_least=2) / usual_power - 1
    against = (np.sign(noon_now) != np.sign(power_now)) & (np.abs(power_now) > 0.6 * SUN_DRIFT_SHARE)
    drifts = (
        (np.abs(noon_now) > 0.6 * SUN_DRIFT_SHARE)
        & against
        & (np.abs(noon_now) + np.abs(power_now) > 2 * SUN_DRIFT_SHARE)
    )
    verdict = verdicts(present=drifts, absent=np.abs(power_now) < 0.04)
    words = ("ensoleillement", "irradiance")
    limit = np.full(noon.shape, SUN_DRIFT_SHARE)
    return [_drift_signal("pv", "pv/irradiance_w_m2", words, CLEAR_NOON, days.day_s, verdict, noon_now, limit)]


def judge_depth_drift(scene: Scene) -> list[Signal]:
    """A rest level that moves faster than seasons do, while the well gives as much for its drawdown as before."""
    days = scene.days
    rest, capacity = days.get(REST_DEPTH.name), days.get("specific_capacity_m3_h_m")
    usual = past_median(rest, days=14, at_least=6)
    off = recent_median(rest, DRIFT_DAYS, at_least=2) - usual
    spread = past_spread(rest, days=14, at_least=6)
    limit = np.maximum(DEPTH_DRIFT_M, SPREADS * spread)
    steady = ~(np.abs(recent_median(capacity, 3) / past_median(capacity, days=30, at_least=4) - 1) > 0.2)
    verdict = verdicts(present=(np.abs(off) > limit) & steady, absent=np.abs(off) < 0.5 * limit)
    words = ("niveau du forage", "borehole level")
    return [_drift_signal("borehole", "borehole/water_depth_m", words, REST_DEPTH, days.day_s, verdict, off, limit)]


def _recent_largest(value: FloatArray, days: int) -> FloatArray:
    """For each day (n, d) the largest of the last days, this one included; NaN when none is known."""
    found = np.where(np.isfinite(value), value, -np.inf)
    for back in range(1, min(days, value.shape[1])):
        found[:, back:] = np.maximum(found[:, back:], np.where(np.isfinite(value), value, -np.inf)[:, :-back])
    return np.where(np.isfinite(found), found, np.nan)


def _drift_signal(
    asset: str,
    name: str,
    words: tuple[str, str],
    feature: Feature,
    day_s: FloatArray,
    verdict: VerdictArray,
    off: FloatArray,
    limit: FloatArray,
) -> Signal:
    def describe(zone: int, first: int, last: int) -> Evidence:
        now = float(off[zone, last])
        return Evidence(
            f"Le capteur « {words[0]} » s'est écarté de {now:+.2f} de ses valeurs habituelles, depuis des jours.",
            f"The sensor “{words[1]}” has moved {now:+.2f} from its usual values, for days.",
            {"sensor": words[0], "off": round(now, 3)},
            {"off": round(float(limit[zone, last]), 3)},
            (name,),
            0.7,
        )

    return Signal(Fault.SENSOR_DRIFT, asset, day_s + feature.ready_h * 3600, verdict, describe)


FEATURES = (AT_STOP, STATIC_ERROR, CLEAR_NOON, REST_DEPTH)
DETECTORS = (
    judge_sensor_stuck("tower", "level_m", _water_moved, STUCK_S, ("niveau du château", "tower level")),
    judge_sensor_stuck("borehole", "water_depth_m", _water_was_drawn, STUCK_S, ("niveau du forage", "borehole level")),
    judge_sensor_stuck("pv", "irradiance_w_m2", _sun_was_high, STUCK_IN_DAYLIGHT_S, ("ensoleillement", "irradiance")),
    *(judge_out_of_range(asset) for asset in WATCHED),
    *(judge_spikes(asset) for asset in WATCHED),
    Detector((Fault.FLOW_METER_STOPPED,), "pump", (("tower", "level_m"), ("tower", "outflow_m3_h")), judge_pump_meter),
    Detector((Fault.FLOW_METER_STOPPED,), "tower", (("tower", "level_m"), ("pump", "flow_m3_h")), judge_tower_meter),
    judge_drift("tower", AT_STOP, ("niveau du château", "tower level"), TOP_DRIFT_SHARE, "level_m"),
    judge_drift(
        "network", STATIC_ERROR, ("pression du réseau", "network pressure"), PRESSURE_DRIFT_BAR, "pressure_bar"
    ),
    Detector((Fault.SENSOR_DRIFT,), "pv", (("pv", "irradiance_w_m2"),), judge_sun_drift),
    Detector((Fault.SENSOR_DRIFT,), "borehole", (("borehole", "water_depth_m"),), judge_depth_drift),
)
