"""Taps: one that runs without a pause, one that gives nothing while the others do.

Volumes come from each tap's own counter. What is usual is the tap's own past; a village that fetches water before dawn
in Ramadan, or a herd that drinks at night, makes its own usual.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from alerts.days import DayView, Feature, past_median, past_quantile
from alerts.detectors.detector import Detector, Scene, verdicts
from alerts.model import Evidence, Signal, VerdictArray
from alerts.rolling import counter_steps, held, window_max, window_min, window_sum
from alerts.scene import FloatArray, Grid
from gateway.model import Fault

RUNS_H = 5.0  # DETECTION §2: no idle hour for 5 h
RUNS_M3_H = 0.12  # a tap that drips is no tap left open; one that runs gives 0.5 to 0.9 m³/h (DOMAIN §3.1)
NIGHT_RUNS_H = 2.0  # at night nobody fetches: so long is enough
NIGHT_FROM_H, NIGHT_UNTIL_H = 22.0, 5.0
STEADY = 0.5  # the slowest half hour of an open tap is more than half of its fastest
DAY_ENOUGH = 0.5  # of a day's steps must be there
OTHERS_MOVE = 0.4  # of what they usually give together
CLOSED_DAYS = 2
SMALL_M3 = 0.05
WATER_IN_TOWER_M = 0.10


def hourly_flow(grid: Grid, tap: str) -> FloatArray:
    """(n, m) what the tap gave in the hour that ends at each step [m³]; NaN where its counter was not read."""
    counter = grid.raw.get((tap, "volume_m3"))
    if counter is None:
        return np.full(grid.shape, np.nan)
    hour = grid.hours(1)
    known = held(counter, hour + 2)
    return np.where(np.isfinite(known), window_sum(counter_steps(counter), hour), np.nan)


def judge_left_open(scene: Scene) -> list[Signal]:
    """A tap that gives water for five hours without an idle one, or for two in the middle of the night.

    What people fetch comes in cans, and rests in between; an open tap runs evenly. A tap that does so on most nights is
    used so.
    """
    grid = scene.grid
    is_night = (grid.hour >= NIGHT_FROM_H) | (grid.hour < NIGHT_UNTIL_H)
    signals = []
    for tap in grid.sites.taps:
        flow = hourly_flow(grid, tap)
        usual_night = scene.days.on(
            past_quantile(scene.days.get(f"{tap}/night_m3_h"), 0.75, days=21, at_least=3), grid.t_s
        )
        night_limit = RUNS_M3_H + np.nan_to_num(usual_night)
        by_night = window_min(np.where(is_night, flow, np.nan), grid.hours(NIGHT_RUNS_H)) > night_limit
        by_night &= is_night & (window_sum(is_night[None, :], grid.hours(NIGHT_RUNS_H)) >= grid.hours(NIGHT_RUNS_H))
        long = grid.hours(RUNS_H)
        least, most = window_min(flow, long), window_max(flow, long)
        by_day = (least > RUNS_M3_H) & (least > STEADY * most)
        running = by_night | by_day
        verdict = verdicts(present=running, absent=flow < 0.5 * RUNS_M3_H)
        signals.append(Signal(Fault.TAP_LEFT_OPEN, tap, grid.t_s, verdict, _open_describer(grid, tap, flow)))
    return signals


def _open_describer(grid: Grid, tap: str, flow: FloatArray) -> Callable[[int, int, int], Evidence]:
    def describe(zone: int, first: int, last: int) -> Evidence:
        idle = np.flatnonzero(~(flow[zone, : last + 1] > 0.5 * RUNS_M3_H))
        hours = (last - (idle[-1] if len(idle) else 0)) * grid.step_s / 3600 + 1
        now = float(flow[zone, last])
        number = int(tap[4:])
        return Evidence(
            f"La borne {number} coule sans arrêt depuis {hours:.0f} h ({now:.1f} m³/h).",
            f"Tap {number} has run without a pause for {hours:.0f} h ({now:.1f} m³/h).",
            {"hours": round(hours, 1), "flow_m3_h": round(now, 2), "tap": number},
            {"flow_m3_h": RUNS_M3_H, "hours": RUNS_H},
            (f"{tap}/volume_m3",),
            0.85,
        )

    return describe


def judge_closed(scene: Scene) -> list[Signal]:
    """Two days without water from one tap, while the others give theirs and the tower holds some."""
    days, taps = scene.days, scene.grid.sites.taps
    volume = {tap: days.get(f"{tap}/day_m3") for tap in taps}
    usual = {tap: past_median(volume[tap], days=21, at_least=5) for tap in taps}
    total = sum((np.nan_to_num(volume[tap]) for tap in taps), np.zeros(days.shape))
    expected = sum((np.nan_to_num(usual[tap]) for tap in taps), np.zeros(days.shape))
    signals = []
    for tap in taps:
        others, others_usual = total - np.nan_to_num(volume[tap]), expected - np.nan_to_num(usual[tap])
        is_used = past_quantile(volume[tap], 0.1, days=21, at_least=5) > SMALL_M3
        none = volume[tap] <= np.minimum(SMALL_M3, 0.05 * usual[tap])
        alone = none & is_used & (others > OTHERS_MOVE * others_usual) & (others_usual > 0)
        verdict = verdicts(present=alone, absent=volume[tap] > 0.2 * usual[tap])
        signals.append(
            Signal(
                Fault.TAP_CLOSED, tap, days.day_s + 86_400, verdict, _closed_describer(tap, verdict, usual[tap])
            )
        )  # fmt: skip
    return signals


def _closed_describer(tap: str, verdict: VerdictArray, usual: FloatArray) -> Callable[[int, int, int], Evidence]:
    def describe(zone: int, first: int, last: int) -> Evidence:
        count = int((verdict[zone, first : last + 1] == 1).sum())
        number = int(tap[4:])
        before = float(usual[zone, first])
        return Evidence(
            f"La borne {number} ne donne rien depuis {count} jours ({before:.1f} m³ par jour d'habitude),"
            " les autres donnent.",
            f"Tap {number} has given nothing for {count} days ({before:.1f} m³ a day is usual); the others give.",
            {"days": count, "usual_m3": round(before, 2), "tap": number},
            {"volume_m3": SMALL_M3},
            (f"{tap}/volume_m3",),
            0.8,
        )

    return describe


def _day_volume(tap: str) -> Callable[[DayView], FloatArray]:
    def compute(view: DayView) -> FloatArray:
        counter = view.raw(tap, "volume_m3")
        steps = view.cut(counter_steps(view.grid.raw.get((tap, "volume_m3"), np.full(view.grid.shape, np.nan))))
        # Of the counter's own rounds: it may be read every hour only.
        seen = np.isfinite(counter).sum(axis=-1)
        often = np.maximum(seen.max(axis=-1, keepdims=True), 1)
        level_m = view.value("tower", "level_m")[..., view.between(6, 19)]
        dry = (level_m < WATER_IN_TOWER_M).mean(axis=-1) > 0.3
        return np.where((seen >= DAY_ENOUGH * often) & (seen > 0) & ~dry, np.nansum(steps, axis=-1), np.nan)

    return compute


def _night_flow(tap: str) -> Callable[[DayView], FloatArray]:
    def compute(view: DayView) -> FloatArray:
        night = view.cut(hourly_flow(view.grid, tap))[..., view.between(1.5, NIGHT_UNTIL_H)]
        known = np.isfinite(night)
        return np.where(known.any(axis=-1), np.where(known, night, np.inf).min(axis=-1), np.nan)

    return compute


def features(taps: list[str]) -> tuple[Feature, ...]:
    """The features of these taps."""
    return tuple(
        feature
        for tap in taps
        for feature in (
            Feature(f"{tap}/day_m3", 24.0, _day_volume(tap)),
            Feature(f"{tap}/night_m3_h", NIGHT_UNTIL_H, _night_flow(tap)),
        )
    )


DETECTORS = (
    Detector((Fault.TAP_LEFT_OPEN,), "tap", (), judge_left_open),
    Detector((Fault.TAP_CLOSED,), "tap", (), judge_closed),
)
