"""Sensors: stuck, out of range, spiking, drifting, a flow meter that has stopped.

The water is not in question here, and what a sensor says that is not believed is not judged elsewhere. An alert is
about an asset; which of its sensors is meant stands in the evidence.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from alerts.days import (
    DayView,
    Feature,
    past_median,
    past_of_good_days,
    past_quantile,
    past_spread,
    recent_largest,
    recent_median,
)
from alerts.detectors.detector import Detector, Scene, verdicts
from alerts.detectors.gateway import CLOCK_STEPPED, clock_of, has_two_times
from alerts.detectors.leak import taps_together
from alerts.detectors.wear import LEARNS_DAYS, METER_SHARE, pump_of
from alerts.model import Evidence, IndexArray, Mask, Signal, Verdict, VerdictArray
from alerts.rolling import (
    held,
    highest_since,
    run_steps,
    steps_since,
    window_mean,
    window_min,
    window_sum,
)
from alerts.scene import BAR_PER_M, FloatArray, Grid, Sites, spacing_of
from alerts.states import drawn_power_w, has_cell, is_running, is_standing
from alerts.sun import clear_sky_w_m2, sun_elevation_deg
from gateway.model import Fault, PumpState

STUCK_S = 3 * 3600.0  # DETECTION §2: a run of equal values of 3 h
STUCK_IN_DAYLIGHT_S = 3600.0  # irradiance: 1 h in daylight
SAME_READINGS = 5  # an hour of four; of two or three that are hours apart some are equal by chance
HIGH_SUN_DEG = 15.0
DULL_W_M2 = 200.0  # under a grey sky; a dead cell says nothing, and the sky says as much
COARSEST_W_M2 = 10.0  # where a cell that moves too seldom does not show its steps
STEPS_MOVED = 2.0  # of the cell: so far apart no two readings are equal by rounding
SKY_EVENS_OUT = 0.05  # of the irradiance: haze that clears as the sun sinks, for an hour after noon
MOVED_SHARE = 0.03  # of the tower's volume must have gone in or out for its level to have to move
MOVED_STEPS = 3.0  # and more than so many of the level sensor's own
READ_TOGETHER_H = 0.25
HIDDEN_SHARE = 0.35  # of the tower that a level sensor which reads low, and shows nothing below that, may hide
VARIED_SHARE = 0.25  # of rated flow, by which what leaves the tower must have gone up and down by day
PEOPLE_FROM_H, PEOPLE_UNTIL_H = 6.0, 20.0
BALANCED_H = 2.0  # readings of a pump that stops are a quarter of an hour apart
NEARLY_FULL_SHARE = 0.95  # of the full level, from which on what comes in may go over
PROBE_END_M = 2.0  # above the intake, where a probe hangs
POWER_MOVED = 0.15  # of the rated power, for the pump's flow to have to move
STUCK_COUNTED_H = 0.5  # of its rated flow, counted while it says nothing
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
        # Only time with readings counts: after an outage the first one may be equal by chance.
        heard = np.cumsum(np.isfinite(value), axis=-1)
        lasts_s = (heard - np.take_along_axis(heard, begin, axis=-1)) * grid.step_s
        read = np.cumsum(np.isfinite(grid.raw.get((asset, channel), value)), axis=-1)
        is_long = (lasts_s >= stuck_s) & (read - np.take_along_axis(read, begin, axis=-1) + 1 >= SAME_READINGS)
        verdict = verdicts(
            present=is_long & must_move(grid, begin) & np.isfinite(value),
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

    return Detector((Fault.SENSOR_STUCK,), asset, (((asset, channel),),), judge)


def judge_either_stuck(first: Detector, second: Detector) -> Detector:
    """Two sensors of one asset in one word, as an alert is about an asset: one that moves does not close the other."""

    def judge(scene: Scene) -> list[Signal]:
        signals = first.judge(scene) + second.judge(scene)
        is_stuck = [one.verdict == Verdict.PRESENT for one in signals]
        moves = [one.verdict == Verdict.ABSENT for one in signals]
        stays = [steps_since(stuck) < steps_since(moved) for stuck, moved in zip(is_stuck, moves, strict=True)]
        verdict = verdicts(
            present=np.logical_or.reduce(is_stuck),
            absent=np.logical_or.reduce(moves) & ~np.logical_or.reduce(stays),
        )

        def describe(zone: int, begins: int, last: int) -> Evidence:
            found = next((one for one, stuck in zip(signals, is_stuck, strict=True) if stuck[zone, last]), signals[0])
            return found.describe(zone, begins, last)

        return [Signal(Fault.SENSOR_STUCK, first.asset, scene.grid.t_s, verdict, describe)]

    return Detector(first.faults, first.asset, first.needs, judge)


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
    outflow = grid.value("tower", "outflow_m3_h")
    # Without a meter behind the tower what the taps give, which the pump's flow alone does not balance.
    outflow = np.where(grid.sites.has("tower", "outflow_m3_h"), outflow, taps_together(grid))
    net = grid.value("pump", "flow_m3_h") - outflow
    moved = _since(begin, net, grid.step_s / 3600)
    volume, full_m = grid.sites.rating("tower", "volume_m3"), grid.sites.rating("tower", "full_level_m")
    finest = _finest_step(grid.raw.get(("tower", "level_m"), np.full(grid.shape, np.nan)))
    must = np.maximum(MOVED_SHARE, np.where(np.isfinite(finest), MOVED_STEPS * finest / full_m, 0.0))
    # A sensor that drifts down stands at nothing until the water has risen by what it lacks.
    must = np.where(grid.value("tower", "level_m") <= 0, HIDDEN_SHARE, must)
    # Level and flows are not read in one moment: what has just begun to flow proves nothing yet.
    return np.asarray(window_min(np.abs(moved), grid.hours(READ_TOGETHER_H) + 1) > must * volume)


def _drawing_changed(grid: Grid, begin: IndexArray) -> Mask:
    """By day what left the tower has gone up and down since the run began: people drew, as taps or the balance tell.

    A leak runs evenly, and at night nobody draws. What stands at nothing may have stopped (`judge_tower_meter`); what
    is stuck goes on showing its last value, however small.
    """
    span, rated = grid.hours(BALANCED_H), grid.sites.rating("pump", "rated_flow_m3_h")
    came = window_mean(grid.value("pump", "flow_m3_h"), span, at_least=span // 2)
    is_full = grid.value("tower", "level_m") > NEARLY_FULL_SHARE * grid.sites.rating("tower", "full_level_m")
    by_balance = np.where(steps_since(is_full) < span, np.nan, came - level_gain(grid, hours=BALANCED_H))
    given = taps_together(grid)
    drawn = np.where(np.isfinite(given), given, by_balance)
    place = np.arange(grid.steps)
    is_within = place - begin > span  # what was drawn before the run began is not in it
    known = np.where(is_within & (grid.hour >= PEOPLE_FROM_H) & (grid.hour < PEOPLE_UNTIL_H), drawn, np.nan)
    begins = begin == place
    # A flow that is read now and then misses what is fetched in between: so often it cannot by chance.
    met = _meetings(grid, np.where(is_within, np.maximum(drawn, 0.0), 0.0), place - begin) > MEETINGS
    varied = highest_since(begins, known) + highest_since(begins, -known)
    shows = held(grid.value("tower", "outflow_m3_h"), grid.steps) > 0
    return np.asarray(shows & met & np.isfinite(varied) & (varied > VARIED_SHARE * rated))


def _pump_changed(grid: Grid, begin: IndexArray) -> Mask:
    """The pump's power has moved since the run began, and water with it: what is said is not nothing, or is counted.

    A flow that stands at nothing from the night on while its own counter turns is stuck; a meter that has stopped does
    not count either.
    """
    share = held(drawn_power_w(grid), grid.hours(1)) / grid.sites.rating("pump", "rated_power_w")
    moved = np.abs(share - np.take_along_axis(share, begin, axis=-1)) > POWER_MOVED
    flow, rated = held(grid.value("pump", "flow_m3_h"), grid.steps), grid.sites.rating("pump", "rated_flow_m3_h")
    counted_m3 = _since(begin, _counted_m3(grid, "pump", "volume_m3"), 1.0)
    return np.asarray(moved & ((flow > NO_FLOW_SHARE * rated) | (counted_m3 > STUCK_COUNTED_H * rated)))


def _water_was_drawn(grid: Grid, begin: IndexArray) -> Mask:
    """Water was drawn, and the probe is not at its end, where it hangs above a well that is nearly empty."""
    drawn_m3 = _since(begin, grid.value("pump", "flow_m3_h"), grid.step_s / 3600)
    intake_m = grid.sites.rating("borehole", "pump_intake_m")
    at_end = grid.value("borehole", "water_depth_m") > intake_m - PROBE_END_M
    return np.asarray((drawn_m3 > PUMPED_M3) & ~at_end)


def _column_moved(grid: Grid, begin: IndexArray) -> Mask:
    """The tower's level has moved by more than three of the pressure sensor's own steps since the run began."""
    finest = _finest_step(grid.value("network", "pressure_bar"))
    level_m = held(grid.value("tower", "level_m"), grid.steps)
    moved_bar = BAR_PER_M * np.abs(level_m - np.take_along_axis(level_m, begin, axis=-1))
    return np.asarray(moved_bar > 3 * np.maximum(finest, 0.01))


def _sun_has_moved(grid: Grid, begin: IndexArray) -> Mask:
    """The sun stands high, and since it does (or the run began) has risen or sunk by more than the cell's steps.

    At noon it does neither. A run that began in the night goes on in the morning.
    """
    high_for = run_steps(grid.sun_deg > HIGH_SUN_DEG)
    sun = grid.raw.get(("pv", "irradiance_w_m2"), np.full(grid.shape, np.nan))
    value = held(sun, grid.steps)
    finest = np.minimum(_finest_step(value), COARSEST_W_M2)
    height = np.sin(np.radians(np.maximum(grid.sun_deg, 1.0)))
    since = np.maximum(begin, np.arange(grid.steps) - np.maximum(high_for - 1, 0))
    moved = np.abs(height / np.take_along_axis(height, since, axis=-1) - 1) * np.maximum(value, DULL_W_M2)
    must = np.maximum(STEPS_MOVED * finest, SKY_EVENS_OUT * value)
    return np.asarray((high_for > grid.hours(STUCK_IN_DAYLIGHT_S / 3600)) & (moved > must))


def _finest_step(value: FloatArray) -> FloatArray:
    """(n, 1) the smallest step by which a channel (n, m) ever moved; infinite when it never did."""
    moves = np.abs(np.diff(value, axis=-1))
    found = np.where(moves > 1e-6, moves, np.inf).min(axis=-1, keepdims=True, initial=np.inf)
    return np.asarray(found)


OUT_READINGS = 3  # DETECTION §2: range table per channel, 3 readings
FOLLOW = 2  # in a row
PAIRS_H, CALM_H = 6.0, 1.0
SPIKES, SPIKES_H = 4, 6.0  # DETECTION §2: more than 3 in 6 h
EMPTY_BAR = 0.2  # a network without water
NIGHT_FROM_H, NIGHT_UNTIL_H, NIGHT_TAPS = 22.5, 4.0, 2
CLOUD_EDGE, DIFFUSE_W_M2, UNDER_CLOUD = 1.35, 60.0, 0.03  # of a clear sky, at its brightest and at its darkest
TWILIGHT_DEG = 3.0
EVEN_POWER = 0.06  # of the rated power, from one reading to the next
# Or so many in two days: of a sensor that jumps by chance once in ten days, that is 0.11 % of all pairs of days
# (Poisson, 0.2 expected).
SELDOM, SELDOM_DAYS = 3, 2


class Watched(NamedTuple):
    """A sensor, what it is called, and how far a single value must lie off both its neighbours to be a spike.

    In the sensor's unit, or where `share_of` names a number on the plate of the zone's `pump`, in shares of that.
    """

    channel: str
    fr: str
    en: str
    spike: float = np.inf
    share_of: str = ""

    def limit(self, sites: Sites) -> FloatArray:
        """(n, 1) the spike limit in the sensor's unit."""
        scale = sites.rating("pump", self.share_of) if self.share_of else np.ones((len(sites), 1))
        return np.asarray(self.spike * scale)


WATCHED: dict[str, tuple[Watched, ...]] = {
    "tower": (
        Watched("level_m", "niveau du château", "tower level", 0.25),
        Watched("outflow_m3_h", "débit de sortie", "outflow", 0.3, "rated_flow_m3_h"),
    ),
    "borehole": (Watched("water_depth_m", "niveau du forage", "borehole level", 4.0),),
    "pv": (
        Watched("irradiance_w_m2", "ensoleillement", "irradiance", 100.0),
        Watched("module_temp_c", "température des panneaux", "module temperature", 15.0),
        Watched("voltage_v", "tension", "voltage"),
        Watched("current_a", "courant", "current"),
        Watched("power_w", "puissance des panneaux", "panel power"),
    ),
    "pump": (
        Watched("pressure_bar", "pression de refoulement", "well-head pressure", 1.2),
        Watched("flow_m3_h", "débit de la pompe", "pump flow", 0.3, "rated_flow_m3_h"),
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
    """Three readings in a row that cannot be so, or in six hours four that follow another one.

    Beyond the sensor's range, what a broken loop gives, or what cannot be at this site. Single ones are spikes.
    """
    sensors = WATCHED[asset]

    def judge(scene: Scene) -> list[Signal]:
        grid = scene.grid
        wrong = [grid.is_bad(asset, sensor.channel) for sensor in sensors]
        # Counted by the sensor's own readings, good and bad: one that reports hourly needs three hours.
        present, absent = np.zeros(grid.shape, dtype=bool), np.ones(grid.shape, dtype=bool)
        for sensor, bad in zip(sensors, wrong, strict=True):
            good = np.isfinite(grid.raw.get((asset, sensor.channel), np.full(grid.shape, np.nan)))
            in_a_row = _in_a_row(bad, good)
            follows = bad & (in_a_row >= FOLLOW)
            present |= (in_a_row >= OUT_READINGS) | (
                follows & (window_sum(follows, grid.hours(PAIRS_H)) > OUT_READINGS)
            )
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
    """More than three single values in six hours, or three in two days, that lie far off all their neighbours.

    A pump that starts or stops moves pressures and levels for good, so the neighbours would not agree.
    """
    sensors = [sensor for sensor in WATCHED[asset] if np.isfinite(sensor.spike)]

    def judge(scene: Scene) -> list[Signal]:
        grid = scene.grid
        lately = [_jumps_lately(grid, asset, sensor) for sensor in sensors]
        by_day = [_spikes_in_days(scene, asset, sensor) for sensor in sensors]
        most, most_by_day = np.max(lately, axis=0), np.fmax.reduce(by_day)
        heard = np.logical_or.reduce([np.isfinite(grid.value(asset, sensor.channel)) for sensor in sensors])
        verdict = verdicts(
            present=(most >= SPIKES) | (most_by_day >= SELDOM),
            absent=(most <= 1) & heard & ~(most_by_day > SELDOM // 2),
        )

        def describe(zone: int, first: int, last: int) -> Evidence:
            counts = [
                int(np.nanmax([now[zone, last], days[zone, last]])) for now, days in zip(lately, by_day, strict=True)
            ]
            number, worst = max(counts), sensors[int(np.argmax(counts))]
            return Evidence(
                f"Le capteur « {worst.fr} » a sauté {number} fois en peu de temps.",
                f"The sensor “{worst.en}” jumped {number} times within a short time.",
                {"sensor": worst.fr, "count": number},
                {"count": SPIKES, "step": round(float(worst.limit(grid.sites)[zone, 0]), 2)},
                (f"{asset}/{worst.channel}",),
                0.85,
            )

        return [Signal(Fault.SENSOR_SPIKES, asset, grid.t_s, verdict, describe)]

    return Detector((Fault.SENSOR_SPIKES,), asset, (), judge)


def _jumps_lately(grid: Grid, asset: str, sensor: Watched) -> FloatArray:
    """(n, m) spikes of the last hours; none where impossible values follow each other: those are no single ones."""
    span, bad = grid.hours(SPIKES_H), grid.is_bad(asset, sensor.channel)
    good = np.isfinite(grid.raw.get((asset, sensor.channel), np.full(grid.shape, np.nan)))
    follows = window_sum(bad & (_in_a_row(bad, good) >= FOLLOW), span) > 0
    return np.where(follows, 0.0, window_sum(spikes(grid, asset, sensor), span))


def spikes_feature(asset: str, sensor: Watched) -> Feature:
    """How often a sensor jumped in a day."""

    def compute(view: DayView) -> FloatArray:
        return np.asarray(np.nansum(view.cut(spikes(view.grid, asset, sensor).astype(np.float64)), axis=-1))

    return Feature(f"{asset}/{sensor.channel}/spikes", 24.0, compute)


SPIKES_OF_DAYS = {
    (asset, sensor): spikes_feature(asset, sensor)
    for asset, sensors in WATCHED.items()
    for sensor in sensors
    if np.isfinite(sensor.spike)
}


def _spikes_in_days(scene: Scene, asset: str, sensor: Watched) -> FloatArray:
    """(n, m) how often a sensor jumped in the last whole days, NaN where they are not known."""
    feature = SPIKES_OF_DAYS[asset, sensor]
    count = scene.days.get(feature.name)
    return _on_days(scene, window_sum(count, SELDOM_DAYS) + 0 * count, feature)


def spike_places(grid: Grid, asset: str, sensor: Watched) -> tuple[Mask, Mask]:
    """(n, m) single readings off the two before and the two after them, which agree; and when that could be known.

    Those that lie along a line agree: a tower that empties in the morning moves from one reading to the next. A single
    impossible reading counts too. What comes and goes with demand or with the pump has neighbours that do not
    agree, or a pump that has just changed, or an empty tower above it.
    """
    raw = grid.raw.get((asset, sensor.channel))
    found, told = np.zeros(grid.shape, dtype=bool), np.zeros(grid.shape, dtype=bool)
    if raw is None:
        return found, told
    bad, running, limits = grid.is_bad(asset, sensor.channel), is_running(grid), sensor.limit(grid.sites)[:, 0]
    can_be = _possible(grid, asset, sensor)
    follows_pump, follows_tower = asset in ("pump", "borehole"), asset == "network"
    is_empty = grid.value("tower", "level_m") < 0.1 * grid.sites.rating("tower", "full_level_m")
    outflow = grid.value("tower", "outflow_m3_h")
    is_night, has_zero = _is_night(grid), sensor.channel == "level_m"
    for zone in range(len(raw)):
        place = np.flatnonzero(np.isfinite(raw[zone]) | bad[zone])
        if len(place) < 5:
            continue
        value, wrong, runs, possible = (line[zone, place] for line in (raw, bad, running, can_be))
        here, limit = value[2:-2], limits[zone]
        around = np.stack([value[:-4], value[1:-3], value[3:-1], value[4:]])
        known = np.isfinite(around)
        low, high = np.where(known, around, np.inf).min(axis=0), np.where(known, around, -np.inf).max(axis=0)
        agree = (_off_a_line(around) < 0.5 * limit) & (known.sum(axis=0) >= 3)
        off = (here > high + limit) | (here < low - limit)
        off &= ~possible[2:-2]
        if follows_pump:
            agree &= runs[1:-3] == runs[3:-1]
        if follows_tower:
            agree &= ~is_empty[zone, place[2:-2]] & (high > EMPTY_BAR)
            # Several taps that are opened at once draw more, and the pressure gives way to them for a moment: by day
            # whatever a meter saw a moment later, at night if it saw that.
            drawn = outflow[zone, place]
            others = np.stack([drawn[:-4], drawn[1:-3], drawn[3:-1], drawn[4:]])
            is_drawn = drawn[2:-2] > np.where(np.isfinite(others), others, -np.inf).max(axis=0)
            agree &= ~((here < low) & (is_drawn | ~is_night[place[2:-2]]))
        # A sensor that stands at its zero goes below it by its noise.
        is_at_zero = has_zero & (high <= 0)
        is_spike = (off & agree) | (wrong[2:-2] & ~wrong[1:-3] & ~wrong[3:-1] & ~is_at_zero)
        found[zone, place[2:-2][is_spike]] = True
        told[zone, place[4:][is_spike]] = True
    return found, told


def _off_a_line(around: FloatArray) -> FloatArray:
    """(k,) how far (4, k) readings, two and one before and one and two after, reach to both sides of their best line.

    Where one of them is not known, of all that is known: two that are left on one side hold no line.
    """
    known = np.isfinite(around)
    place = np.array([-2.0, -1.0, 1.0, 2.0])[:, None]
    rest = around - place * (place * around).sum(axis=0) / (place**2).sum()
    rest = np.where(known.all(axis=0), rest, around)
    return np.asarray(np.where(known, rest, -np.inf).max(axis=0) - np.where(known, rest, np.inf).min(axis=0))


def _possible(grid: Grid, asset: str, sensor: Watched) -> Mask:
    """(n, m) what may be so although no reading around it is: clouds, gushes, and a pump that has changed its pace."""
    if (asset, sensor.channel) == ("pv", "irradiance_w_m2"):
        return _can_be_sun(grid)
    if (asset, sensor.channel) == ("pump", "flow_m3_h"):
        return _pace_changed(grid)
    if (asset, sensor.channel) == ("tower", "outflow_m3_h"):
        # By day people come and go; at night nobody opens three taps at once for a few minutes.
        return ~(_is_night(grid) & (grid.value("tower", "outflow_m3_h") > NIGHT_TAPS * OPEN_TAP_M3_H))
    return np.zeros(grid.shape, dtype=bool)


def _is_night(grid: Grid) -> Mask:
    """(m,) nobody fetches water."""
    return np.asarray((grid.hour < NIGHT_UNTIL_H) | (grid.hour >= NIGHT_FROM_H))


def _can_be_sun(grid: Grid) -> Mask:
    """(n, m) irradiance that a sky can give: none at night, some under any cloud, little more than a clear sky's."""
    sun = grid.value("pv", "irradiance_w_m2")
    most = CLOUD_EDGE * clear_sky_w_m2(grid.sun_deg + TWILIGHT_DEG) + DIFFUSE_W_M2
    least = np.where(grid.sun_deg > HIGH_SUN_DEG, UNDER_CLOUD * clear_sky_w_m2(grid.sun_deg), -np.inf)
    return np.asarray((sun <= most) & (sun >= least))


def _pace_changed(grid: Grid) -> Mask:
    """(n, m) the pump drew another power at this reading than at those beside it; or nobody knows."""
    share = drawn_power_w(grid) / grid.sites.rating("pump", "rated_power_w")
    changed = np.ones(grid.shape, dtype=bool)
    apart = _apart(grid, "pump", "flow_m3_h")[:, 0]
    for steps in np.unique(apart):
        rows = apart == steps
        moved = np.abs(share[rows, steps:] - share[rows, :-steps])
        is_even = moved < EVEN_POWER
        # The reading after must be even as well.
        changed[rows, steps:-steps] = ~(is_even[:, :-steps] & is_even[:, steps:])
    return changed


def spikes(grid: Grid, asset: str, sensor: Watched) -> Mask:
    """(n, m) when it could be known that a reading was a spike."""
    return spike_places(grid, asset, sensor)[1]


def without_spikes(grid: Grid, asset: str, channel: str) -> FloatArray:
    """(n, m) a channel as `Grid.value` gives it, its spikes left out."""
    return grid.once(("without spikes", asset, channel), lambda: _without_spikes(grid, asset, channel))


def _without_spikes(grid: Grid, asset: str, channel: str) -> FloatArray:
    sensor = next(one for one in WATCHED[asset] if one.channel == channel)
    found, _ = spike_places(grid, asset, sensor)
    if not found.any():
        return grid.value(asset, channel)
    key = asset, channel
    calm = replace(grid, raw={key: np.where(found, np.nan, grid.raw[key])}, _cache={})
    return calm.value(asset, channel)


NO_FLOW_SHARE = 0.04  # of rated flow: a meter that stands
WORKS_SHARE = 0.45  # of rated power: water comes
FOUND_SHARE = 0.25  # of rated flow must be found in the tower
STOPPED_H = 1.0
LOST_SHARE = 1.15  # so much more water is found than the meter says, two days long: it slips
KNOWN_DAYS = 7  # with fewer nobody knows by how much a zone's balance differs from day to day
LEAKS_M3_H = 0.05
MOSTLY = 0.95  # of what leaves the tower reaches the taps of a tight network
OPEN_TAP_M3_H = 0.7  # DOMAIN §3.1: an open tap gives 0.5 to 0.9 m³/h
# Readings expected to meet an open tap; that none does by chance (e to the -10) no season has hours enough for.
MEETINGS = 10.0
COUNTED_SHARE = 0.02  # of what the pump lifts in an hour: a counter that turns
STOPPED_UNSEEN_H = 4.0  # without meters at the taps: while a tower is washed its outlet is shut, for two hours or three


def judge_pump_meter(scene: Scene) -> list[Signal]:
    """The pump works and water arrives in the tower, and its meter stands; or for two days it sees too little of it."""
    grid, days = scene.grid, scene.days
    rated_flow = grid.sites.rating("pump", "rated_flow_m3_h")
    power_share = drawn_power_w(grid) / grid.sites.rating("pump", "rated_power_w")
    hour = grid.hours(STOPPED_H)
    flow = grid.value("pump", "flow_m3_h")
    stands = (flow < NO_FLOW_SHARE * rated_flow) & (power_share > WORKS_SHARE)
    stands &= ~_counts(grid, "pump", "volume_m3")
    # By a clock that is wrong, what came late stands among what is live.
    stands &= (clock_of(scene).offset_s == 0) & ~has_two_times(grid)
    arrives = window_mean(found_flow(grid), hour, at_least=max(2, hour // 2)) > FOUND_SHARE * rated_flow
    share = days.get(METER_SHARE.name)
    # A zone whose figures of days were poor before must not make a sound meter slip.
    usual = _usual_of_sound_meter(share, at_least=4)
    by_tower = _told(_two_days_least(share) / usual, share / usual, share / usual)
    by_power = _two_days_least(1 / (1 - np.minimum(_came_at_once(_lost_in_meter(scene)), 0.95)))
    slips = _on_days(scene, np.where(np.isfinite(by_tower), by_tower, by_power), METER_SHARE)
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


def _apart(grid: Grid, asset: str, channel: str) -> IndexArray:
    """(n, 1) steps between the readings of a channel."""
    raw = grid.raw.get((asset, channel))
    return np.ones((len(grid.sites), 1), dtype=np.intp) if raw is None else spacing_of(raw)[:, None]


def outflow_of_day(view: DayView) -> FloatArray:
    """(n, d) what left the tower by its meter [m³]: by its counter, or else by its flow.

    NaN when much of the day is not known, or the tower was empty: water then comes in gushes that a flow misses.
    """
    grid = view.grid
    outflow = view.value("tower", "outflow_m3_h")
    known = np.isfinite(outflow)
    by_flow = np.where(known, outflow, 0.0).sum(axis=-1) * grid.step_s / 3600
    by_flow = np.where(known.mean(axis=-1) > 0.9, by_flow, np.nan)
    counter = grid.raw.get(("tower", "outflow_volume_m3"))
    if counter is not None:
        by_counter = np.nansum(view.cut(grid.moved("tower", "outflow_volume_m3")), axis=-1)
        is_read = np.isfinite(view.cut(held(counter, grid.hours(1)))).mean(axis=-1) > 0.9
        by_flow = np.where(is_read, by_counter, by_flow)
    empty = view.value("tower", "level_m") < 0.1 * grid.sites.rating("tower", "full_level_m")[..., None]
    return np.where(empty.mean(axis=-1) < 0.1, by_flow, np.nan)


OUTFLOW = Feature("outflow_day_m3", 24.0, outflow_of_day)


def taps_share(scene: Scene) -> FloatArray:
    """(n, d) what all taps gave over what left the tower by its meter; NaN unless nearly all are known.

    And on the day on which the clock was put right, and the one after it: two times lie in one.
    """
    days, sites = scene.days, scene.grid.sites
    given = [days.get(f"{tap}/day_m3") for tap in sites.taps]
    metered = sum((sites.has(tap, "volume_m3") for tap in sites.taps), np.zeros((len(sites), 1)))
    known = sum((np.isfinite(one) for one in given), np.zeros(days.shape))
    total = sum((np.nan_to_num(one) for one in given), np.zeros(days.shape))
    is_mixed = np.isfinite(recent_largest(days.get(CLOCK_STEPPED.name), 2))
    outflow = np.where(is_mixed, np.nan, days.get(OUTFLOW.name))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where((known > 0.9 * metered) & (metered > 0) & (outflow > 0.5), total / outflow, np.nan)


def judge_tower_meter(scene: Scene) -> list[Signal]:
    """Water is drawn, and the tower's meter stands; or for two days it sees less of it than taps and pump say.

    What the taps' meters give is the proof where there are any. Without them the level must fall for hours with the
    meter at zero, and a meter that slips is told from a leaking tower by the tower's nights.
    """
    grid = scene.grid
    rated_flow = grid.sites.rating("pump", "rated_flow_m3_h")
    outflow = grid.value("tower", "outflow_m3_h")
    hour, long = grid.hours(STOPPED_H), grid.hours(STOPPED_UNSEEN_H)
    idle = run_steps(outflow < 0.02 * rated_flow)
    given = taps_together(grid)
    leaves = window_mean(grid.value("pump", "flow_m3_h") - level_gain(grid), long, at_least=long // 2)
    holds = grid.value("tower", "level_m") < 0.97 * grid.sites.rating("tower", "full_level_m")
    by_day = (grid.hour >= 6) & (grid.hour < 20)
    unseen = (run_steps((idle > 0) & by_day) >= long) & (leaves > FOUND_SHARE * rated_flow) & holds
    # What the taps gave in the last hour may have passed the meter before that.
    # And a meter that is read now and then misses what is fetched in between: so often it cannot by chance.
    taps_say = (idle >= 2 * hour) & (given > 0.1 * rated_flow) & (_meetings(grid, given, idle) > MEETINGS)
    stands = np.where(np.isfinite(given), taps_say, unseen) & ~_counts(grid, "tower", "outflow_volume_m3")
    slips = _on_days(scene, _tower_meter_slip(scene), OUTFLOW)
    sees = (outflow > 0.1 * rated_flow) & ~(slips > 1 + 0.6 * (LOST_SHARE - 1))
    verdict = verdicts(present=stands | (slips > LOST_SHARE), absent=sees)

    def describe(zone: int, first: int, last: int) -> Evidence:
        lost = 100 * (1 - 1 / float(slips[zone, last])) if slips[zone, last] > LOST_SHARE else 100.0
        return Evidence(
            f"Le compteur du château ne voit pas {lost:.0f} % de l'eau qui en sort.",
            f"The tower's meter misses {lost:.0f} % of the water that leaves it.",
            {"lost_pct": round(lost), "sensor": "compteur du château"},
            {"lost_pct": round(100 * (1 - 1 / LOST_SHARE))},
            ("tower/outflow_m3_h", "tower/level_m", "pump/flow_m3_h"),
            0.85 if np.isfinite(given[zone, last]) else 0.7,
        )

    return [Signal(Fault.FLOW_METER_STOPPED, "tower", grid.t_s, verdict, describe)]


def _meetings(grid: Grid, given: FloatArray, idle: IndexArray) -> FloatArray:
    """(n, m) how many readings of the tower's meter should have met an open tap since it saw none.

    `given` is what the taps gave in the hour before each step [m³], `idle` for how many steps the meter has stood.
    """
    apart = _apart(grid, "tower", "outflow_m3_h")
    expected = np.cumsum(np.nan_to_num(np.minimum(1.0, given / OPEN_TAP_M3_H)) / apart, axis=1)
    before = np.pad(expected, ((0, 0), (1, 0)))
    begin = np.arange(grid.steps) + 1 - idle
    return np.asarray(expected - np.take_along_axis(before, begin, axis=1))


def _counts(grid: Grid, asset: str, channel: str) -> Mask:
    """(n, m) the counter of a meter has moved on within two hours: it turns, whatever its flow says."""
    counted = window_sum(_counted_m3(grid, asset, channel), 2 * grid.hours(STOPPED_H))
    return np.asarray(counted > COUNTED_SHARE * grid.sites.rating("pump", "rated_flow_m3_h"))


def _counted_m3(grid: Grid, asset: str, channel: str) -> FloatArray:
    """(n, m) by how much a counter moved on in each step [m³]; nothing where there is none."""
    return np.nan_to_num(grid.moved(asset, channel))


def _tower_meter_slip(scene: Scene) -> FloatArray:
    """(n, d) how many times more water leaves the tower than its meter says, against this zone's usual.

    Where the taps gave less than the meter said, water may have been lost before, and is no more: only what they give
    beyond it is a slip.
    """
    days, sites = scene.days, scene.grid.sites
    share = taps_share(scene)
    # Of two days in a row the smaller slip counts: on the day on which a tower is washed it is drained past its meter.
    usual = _usual_of_sound_meter(share, at_least=KNOWN_DAYS, quantile=0.75)
    by_taps = _told(_two_days_least(share) / usual, share, share / usual)
    found = days.get(METER_SHARE.name)
    usual_found, _ = past_of_good_days(
        found, lambda day, usual, spread: _is_slip(usual / found[:, day], spread), days=28, at_least=4
    )
    by_pump = -usual_found / _two_days_least(-found)
    # Water that leaves past the meter may leave a tower that leaks: its nights must be known, and tight.
    is_tight = _two_days_least(days.get("night_balance_m3_h")) > -LEAKS_M3_H
    by_pump = _told(by_pump, usual_found / found, usual_found / found)
    has_tap_meters = np.any([sites.has(tap, "volume_m3") for tap in sites.taps], axis=0) if sites.taps else False
    return np.where(has_tap_meters, by_taps, np.where(is_tight, by_pump, np.nan))


def _usual_of_sound_meter(share: FloatArray, *, at_least: int, quantile: float = 0.5) -> FloatArray:
    """(n, d) how much was found of a meter's water on days on which it did not slip: a slip that stays is not usual."""

    def slips(day: int, usual: FloatArray, spread: FloatArray) -> Mask:
        return _is_slip(share[:, day] / np.maximum(usual, MOSTLY), spread)

    return np.maximum(past_of_good_days(share, slips, days=28, at_least=at_least, share=quantile)[0], MOSTLY)


def _told(slip: FloatArray, balance: FloatArray, slip_of_day: FloatArray) -> FloatArray:
    """(n, d) a slip, NaN where this zone's balance differs by as much on good days: seldom-read meters do."""

    def slips(day: int, _: FloatArray, spread: FloatArray) -> Mask:
        return _is_slip(slip_of_day[:, day], spread)

    _, spread = past_of_good_days(balance, slips, days=21, at_least=KNOWN_DAYS)
    return np.where((slip < LOST_SHARE) | _is_slip(slip, spread), slip, np.nan)


def _is_slip(slip: FloatArray, spread: FloatArray) -> Mask:
    """Whether so many times more water than usual is no chance in a zone whose balance differs by `spread`."""
    return np.asarray((slip > LOST_SHARE) & (slip - 1 > SPREADS * spread))


def _two_days_least(value: FloatArray) -> FloatArray:
    """(n, d) the smaller of a day's value and that of the day before; NaN unless both are known."""
    found = np.full(value.shape, np.nan)
    found[:, 1:] = np.minimum(value[:, 1:], value[:, :-1])
    return found


def _on_days(scene: Scene, value: FloatArray, feature: Feature) -> FloatArray:
    """A number a day (n, d) on the grid (n, m), from when its feature is known on."""
    return scene.days.on(value, scene.grid.t_s - feature.ready_h * 3600)


def level_gain(grid: Grid, *, hours: float = 0.5) -> FloatArray:
    """(n, m) by how much the tower filled over the last `hours` [m³/h]."""
    area_m2 = grid.sites.rating("tower", "volume_m3") / grid.sites.rating("tower", "full_level_m")
    level_m = grid.value("tower", "level_m")
    span = grid.hours(hours)
    gain = np.full(grid.shape, np.nan)
    gain[:, span:] = (level_m[:, span:] - level_m[:, :-span]) * area_m2 / (span * grid.step_s / 3600)
    return gain


def found_flow(grid: Grid) -> FloatArray:
    """(n, m) water that came into the tower by its own sensors: what it gained and what left it [m³/h].

    Where nothing measures what leaves it, what it gained came in at the least.
    """
    outflow = window_mean(grid.value("tower", "outflow_m3_h"), grid.hours(0.5))
    return np.asarray(level_gain(grid) + np.where(grid.sites.has("tower", "outflow_m3_h"), outflow, 0.0))


DRIFT_DAYS, DRIFT_KNOWN_DAYS = 3, 40
WORK_SHARE = 0.4  # of rated power, just before a stop that the sun is not to blame for
TOP_SEEN_SHARE = 0.85  # of the full level, from which on a stop in good sun is the float's
TOP_MOVES_SHARE, TOP_DAYS = 0.06, 14  # of the full level, between two stops of a float; for so long one is remembered
SUDDEN = 0.45  # of all that it is off came in one day
TOP_DRIFT_SHARE = 0.022  # of the full level
PRESSURE_DRIFT_BAR = 0.06
SUN_DRIFT_SHARE = 0.10
RISE_DAYS, RISE_SHARE, RISE_EVEN, USUAL_STEPS, RISE_SPREADS = 5, 0.03, 0.5, 28, 2.5
SINKS_M, RISES_M = 1.2, 2.5  # a water table falls slowly, by a season, and rises fast after rain
SPREADS = 4.0
METER_DRIFT_SHARE, METER_DAYS = 0.045, 14  # of the flow; a good meter of this kind is within 2 %
METERS_PART = 0.5  # of what one relation misses the other must miss: a pump that wears draws a little more as well


def level_at_stop(view: DayView) -> FloatArray:
    """(n, d) the level at which the float stops the pump [m]; NaN on days on which it did not."""
    level_m, full_m = view.grid.value("tower", "level_m"), view.grid.sites.rating("tower", "full_level_m")
    says_full = view.grid.value("pump", "state_code") == PumpState.STOPPED_TOWER_FULL
    by_float = np.where(says_full.any(axis=1, keepdims=True), says_full, level_m > TOP_SEEN_SHARE * full_m)
    return _highest_stop(view, by_float)


def level_at_any_stop(view: DayView) -> FloatArray:
    """(n, d) the highest level at which the pump stopped in good sun, for whatever reason [m]."""
    return _highest_stop(view, np.ones(view.grid.shape, dtype=bool))


def _highest_stop(view: DayView, counts: Mask) -> FloatArray:
    grid = view.grid
    running = is_running(grid)
    stopped = np.zeros(grid.shape, dtype=bool)
    stopped[:, 1:] = running[:, :-1] & ~running[:, 1:]
    # No evening and no cloud takes all of a motor's load between two readings.
    from_work = np.zeros(grid.shape, dtype=bool)
    from_work[:, 1:] = drawn_power_w(grid)[:, :-1] > WORK_SHARE * grid.sites.rating("pump", "rated_power_w")
    by_cell = grid.value("pv", "irradiance_w_m2") > 300
    bright = np.where(has_cell(grid), by_cell, from_work & is_standing(grid) & (grid.sun_deg > HIGH_SUN_DEG))
    at_stop = view.cut(np.where(stopped & counts & bright, without_spikes(grid, "tower", "level_m"), np.nan))
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
    count = known.sum(axis=-1)
    ordered = np.sort(np.where(known, error, np.nan), axis=-1)
    middle = np.take_along_axis(ordered, (np.maximum(count - 1, 0) // 2)[..., None], axis=-1)[..., 0]
    return np.where(count >= 12, middle, np.nan)


def clear_noon(view: DayView) -> FloatArray:
    """(n, d) the largest half-hour mean irradiance over what the sun's height allows, around noon."""
    grid = view.grid
    sun = window_mean(grid.value("pv", "irradiance_w_m2"), grid.hours(0.5), at_least=3)
    sun_deg = sun_elevation_deg(grid.t_s, grid.sites.latitude[:, None], grid.sites.longitude[:, None])
    height, clear = np.sin(np.radians(sun_deg)), clear_sky_w_m2(sun_deg)
    ratio = view.cut(np.where(height > 0.5, sun / np.maximum(clear, 1.0), np.nan))[..., view.between(10, 15.5)]
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
ANY_STOP = Feature("level_at_any_stop_m", 20.0, level_at_any_stop)
CLEAR_NOON = Feature("clear_noon", 16.0, clear_noon)
REST_DEPTH = Feature("rest_depth_m", 6.0, rest_depth)


def top_of_float(scene: Scene) -> FloatArray:
    """(n, m) what the level sensor said when the float last stopped the pump on a day before [m], NaN unknown.

    A sensor that drifts carries its top with it: a stop a little below (or above) the last one is the float's as well,
    be it far from what the plate calls full.
    """
    days, full_m = scene.days, scene.grid.sites.rating("tower", "full_level_m")[:, 0]
    told_m, any_m = days.get(AT_STOP.name), days.get(ANY_STOP.name)
    top_m, age = np.full(days.shape, np.nan), np.zeros(days.shape[0])
    last_m = np.full(days.shape[0], np.nan)
    for day in range(days.shape[1]):
        top_m[:, day] = last_m
        follows = np.abs(any_m[:, day] - last_m) < TOP_MOVES_SHARE * full_m
        now_m = np.where(follows, any_m[:, day], told_m[:, day])
        age = np.where(np.isfinite(now_m), 0, age + 1)
        last_m = np.where(np.isfinite(now_m), now_m, np.where(age < TOP_DAYS, last_m, np.nan))
    return days.on(top_m, scene.grid.t_s)


def judge_drift(
    asset: str, feature: Feature, words: tuple[str, str], least: float, most: float, channel: str
) -> Detector:
    """A quantity that must stay the same, and for three days has not: the sensor that measures it drifts.

    The float stops the pump at one level, at night the network stands under the tower's column. Off by `least` counts
    (in the feature's unit, of the tower by the full level), by `most` no more; where it always varies it must be more.
    """

    def judge(scene: Scene) -> list[Signal]:
        days = scene.days
        value = days.get(feature.name)
        full_m = scene.grid.sites.rating("tower", "full_level_m")
        scale = full_m if feature is AT_STOP else np.ones_like(full_m)
        came = _largest_step(value)

        def drifts(day: int, usual: FloatArray, spread: FloatArray) -> Mask:
            off = np.abs(value[:, day] - usual)
            is_far = off > np.maximum(least * scale[:, 0], SPREADS * spread)
            return np.asarray(is_far & ~(came[:, day] > SUDDEN * off))

        usual, spread = past_of_good_days(value, drifts, days=DRIFT_KNOWN_DAYS, at_least=6)
        limit = np.maximum(least * scale, SPREADS * spread)
        off = recent_median(value, DRIFT_DAYS, at_least=2) - usual
        # A sensor that is off by a third of its tower is no more creeping: its pump stops for another reason.
        creeps = ~(came > SUDDEN * np.abs(off)) & ~(np.abs(off) > most * scale)
        verdict = verdicts(present=(np.abs(off) > limit) & creeps, absent=(np.abs(off) < 0.6 * limit) | ~creeps)
        return [_drift_signal(asset, f"{asset}/{channel}", words, feature, days.day_s, verdict, off, limit)]

    return Detector((Fault.SENSOR_DRIFT,), asset, (((asset, channel),),), judge)


def judge_sun_drift(scene: Scene) -> list[Signal]:
    """A cell that sees more or less than on clear days before, while the panels' power says the opposite or nothing.

    Haze and dust in the air dim cell and panels alike, and dust on the panels leaves the cell's noon as it was; so it
    is the cell when its noon and the power for its irradiance move against each other. Power for irradiance that rises
    day by day is the cell as well: dust only takes away, and rain or a washing gives back at once.
    """
    days = scene.days
    noon, power = days.get(CLEAR_NOON.name), days.get("pv_performance")
    usual_noon, usual_power = past_quantile(noon, 0.75, days=30), past_median(power, days=30)
    # The clearest of the last days counts: clouds only take away. No air is clearer than the clearest of a month.
    newest = recent_largest(noon, 4)
    clearest = np.maximum(past_quantile(noon, 1.0, days=30), usual_noon)
    noon_now = np.where(newest > usual_noon, np.maximum(newest / clearest, 1.0), newest / usual_noon) - 1
    power_now = recent_median(power, DRIFT_DAYS, at_least=2) / usual_power - 1
    # Panels that are washed give more from one day to the next; a cell that goes blind makes them seem to, slowly.
    against = (np.sign(noon_now) != np.sign(power_now)) & (np.abs(power_now) > 0.6 * SUN_DRIFT_SHARE)
    # And a string that is gone takes as much from one day to the next.
    against &= _creeps(power, power_now * usual_power)
    drifts = (
        (np.abs(noon_now) > 0.6 * SUN_DRIFT_SHARE)
        & against
        & (np.abs(noon_now) + np.abs(power_now) > 2 * SUN_DRIFT_SHARE)
    )
    goes_blind = _rises(power) & ~(noon_now > -0.01) & has_cell(scene.grid)
    verdict = verdicts(present=drifts | goes_blind, absent=np.abs(power_now) < 0.04)
    words = ("ensoleillement", "irradiance")
    limit = np.full(noon.shape, SUN_DRIFT_SHARE)
    return [_drift_signal("pv", "pv/irradiance_w_m2", words, CLEAR_NOON, days.day_s, verdict, noon_now, limit)]


def _rises(power: FloatArray) -> Mask:
    """(n, d) whether a zone's power for its irradiance has risen in small steps over the last days."""
    known = held(power, 2)
    step = np.diff(known, axis=1, prepend=np.nan)
    rise = np.full(power.shape, np.nan)
    rise[:, RISE_DAYS:] = known[:, RISE_DAYS:] / known[:, :-RISE_DAYS] - 1
    usual_step = past_spread(step, days=USUAL_STEPS)
    # In the first days of all nobody knows by how much this zone's days differ, and nothing is said.
    limit = np.maximum(RISE_SHARE, RISE_SPREADS * np.sqrt(RISE_DAYS) * usual_step)
    is_even = recent_largest(step, RISE_DAYS) < RISE_EVEN * rise * known / (1 + rise)
    return np.asarray((rise > limit) & is_even & (window_sum(step > 0, RISE_DAYS) >= RISE_DAYS - 1))


def judge_depth_drift(scene: Scene) -> list[Signal]:
    """A rest level that moves faster than seasons do, while the well gives as much for its drawdown as before."""
    days = scene.days
    rest, capacity = days.get(REST_DEPTH.name), days.get("specific_capacity_m3_h_m")
    usual = past_median(rest, days=14, at_least=6)
    off = recent_median(rest, DRIFT_DAYS, at_least=2) - usual
    spread = past_spread(rest, days=14, at_least=6)
    limit = np.maximum(np.where(off > 0, SINKS_M, RISES_M), SPREADS * spread)
    steady = ~(np.abs(recent_median(capacity, 3) / past_median(capacity, days=30, at_least=4) - 1) > 0.2)
    creeps = _creeps(rest, off)
    verdict = verdicts(present=(np.abs(off) > limit) & steady & creeps, absent=(np.abs(off) < 0.5 * limit) | ~creeps)
    words = ("niveau du forage", "borehole level")
    return [_drift_signal("borehole", "borehole/water_depth_m", words, REST_DEPTH, days.day_s, verdict, off, limit)]


def judge_meter_drift(scene: Scene) -> list[Signal]:
    """A pump's meter that says less and less (or more), while the motor's power for the speed knows of the water.

    Head and power are of one pump: flow that both miss, or have too much of, was there as ever. Needs the speed,
    without which the power says nothing of the flow.
    """
    days, agreed = scene.days, _lost_in_meter(scene)
    off = recent_median(agreed, DRIFT_DAYS, at_least=2)
    spread = past_spread(agreed, days=METER_DAYS, at_least=6)
    limit = np.maximum(METER_DRIFT_SHARE, SPREADS * np.nan_to_num(spread))
    creeps = _creeps(off, off, days=LEARNS_DAYS)
    verdict = verdicts(present=(np.abs(off) > limit) & creeps, absent=(np.abs(off) < 0.6 * limit) | ~creeps)
    words = ("débit de la pompe", "pump flow")
    return [_drift_signal("pump", "pump/flow_m3_h", words, METER_SHARE, days.day_s, verdict, -off, limit)]


def _lost_in_meter(scene: Scene) -> FloatArray:
    """(n, d) share of the pump's flow that head and power both miss in its meter; nothing where they differ."""
    pump = pump_of(scene)
    lost, slips = pump.lost(), pump.slips()
    smaller, larger = np.minimum(np.abs(lost), np.abs(slips)), np.maximum(np.abs(lost), np.abs(slips))
    agreed = np.where((lost * slips > 0) & (smaller > METERS_PART * larger), np.sign(lost) * smaller, 0.0)
    return np.where(np.isfinite(lost) & np.isfinite(slips), agreed, np.nan)


def _came_at_once(lost: FloatArray) -> FloatArray:
    """(n, d) what is lost where most of it came from one day to the next, else nothing: what creeps is a drift."""
    return np.where(_creeps(lost, lost, days=LEARNS_DAYS), np.minimum(lost, 0.0), lost)


def _largest_step(value: FloatArray) -> FloatArray:
    """(n, d) by how much a value moved most from one day to the next: lately, or for good as long as its usual is held.

    A gauge that was set or exchanged stands elsewhere from that day on, and does not begin to drift ten days later.
    """
    step = np.abs(np.diff(held(value, value.shape[1]), axis=1, prepend=np.nan))
    middle = recent_median(value, DRIFT_DAYS, at_least=2)
    for_good = np.full(value.shape, np.nan)
    for_good[:, DRIFT_DAYS:] = np.minimum(
        step[:, 1 : 1 - DRIFT_DAYS], np.abs(middle[:, DRIFT_DAYS:] - middle[:, :-DRIFT_DAYS])
    )
    return np.fmax(recent_largest(step, DRIFT_DAYS + 7), recent_largest(for_good, DRIFT_KNOWN_DAYS))


def _creeps(value: FloatArray, off: FloatArray, *, days: int = DRIFT_DAYS + 7) -> Mask:
    """(n, d) whether a value has come to where it is little by little; from one day to the next no sensor drifts.

    A rest level that is suddenly another one is the well's (a check valve that leaks back, or was repaired); a pump
    that stops at another level has another float.
    """
    step = np.abs(np.diff(held(value, value.shape[1]), axis=1, prepend=np.nan))
    return ~(recent_largest(step, days) > SUDDEN * np.abs(off))


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


FEATURES = (AT_STOP, ANY_STOP, STATIC_ERROR, CLEAR_NOON, REST_DEPTH, OUTFLOW, *SPIKES_OF_DAYS.values())
DETECTORS = (
    judge_either_stuck(
        judge_sensor_stuck("tower", "level_m", _water_moved, STUCK_S, ("niveau du château", "tower level")),
        judge_sensor_stuck("tower", "outflow_m3_h", _drawing_changed, STUCK_S, ("débit de sortie", "outflow")),
    ),
    judge_sensor_stuck("borehole", "water_depth_m", _water_was_drawn, STUCK_S, ("niveau du forage", "borehole level")),
    judge_sensor_stuck("pump", "flow_m3_h", _pump_changed, STUCK_S, ("débit de la pompe", "pump flow")),
    judge_sensor_stuck("pv", "irradiance_w_m2", _sun_has_moved, STUCK_IN_DAYLIGHT_S, ("ensoleillement", "irradiance")),
    judge_sensor_stuck("network", "pressure_bar", _column_moved, STUCK_S, ("pression du réseau", "network pressure")),
    *(judge_out_of_range(asset) for asset in WATCHED),
    *(judge_spikes(asset) for asset in WATCHED),
    Detector((Fault.FLOW_METER_STOPPED,), "pump", ((("tower", "level_m"),),), judge_pump_meter),
    Detector((Fault.FLOW_METER_STOPPED,), "tower", ((("tower", "outflow_m3_h"),),), judge_tower_meter),
    judge_drift("tower", AT_STOP, ("niveau du château", "tower level"), TOP_DRIFT_SHARE, 0.35, "level_m"),
    judge_drift(
        "network", STATIC_ERROR, ("pression du réseau", "network pressure"), PRESSURE_DRIFT_BAR, 3.0, "pressure_bar"
    ),
    Detector((Fault.SENSOR_DRIFT,), "pv", ((("pv", "irradiance_w_m2"),),), judge_sun_drift),
    Detector((Fault.SENSOR_DRIFT,), "borehole", ((("borehole", "water_depth_m"),),), judge_depth_drift),
    Detector((Fault.SENSOR_DRIFT,), "pump", ((("pump", "flow_m3_h"),), (("pump", "speed_rpm"),)), judge_meter_drift),
)
