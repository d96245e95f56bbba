"""A sensor that has stopped moving while the water around it moves."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from alerts.detectors.detector import Detector, Scene, verdicts
from alerts.model import Evidence, IndexArray, Mask, Signal
from alerts.rolling import held
from alerts.scene import FloatArray, Grid
from gateway.model import Fault

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


DETECTORS = (
    judge_sensor_stuck("tower", "level_m", _water_moved, STUCK_S, ("niveau du château", "tower level")),
    judge_sensor_stuck("borehole", "water_depth_m", _water_was_drawn, STUCK_S, ("niveau du forage", "borehole level")),
    judge_sensor_stuck("pv", "irradiance_w_m2", _sun_was_high, STUCK_IN_DAYLIGHT_S, ("ensoleillement", "irradiance")),
)
