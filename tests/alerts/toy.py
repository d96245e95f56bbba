"""A toy zone for weeks of pump, well and panels: not the simulator's curves, but another maker's.

The pump's head rises a little before it falls (1.2 s² + 0.15 s q - 0.3 q², in shares of the rated point), its power is
0.4 s³ + 0.6 s² q (1.1 - 0.1 q / s), the well follows at once, the sun is a half sine. What a test changes is a number
or a function of days since the start.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from alerts.days import days_of
from alerts.detectors import Scene, features_of
from alerts.scene import DAY_S, STEP_S, Channel, Grid, Site, Sites
from gateway.model import PumpState

Array = NDArray[np.float64]
Course = float | Callable[[Array], Array]
START = datetime(2026, 2, 1, tzinfo=UTC)
RATINGS: dict[Channel, float] = {
    ("pump", "rated_flow_m3_h"): 4.0, ("pump", "rated_power_w"): 1200.0, ("pump", "rated_head_m"): 50.0,
    ("pump", "max_speed_rpm"): 2900.0, ("pump", "start_irradiance_w_m2"): 200.0,
    ("tower", "volume_m3"): 20.0, ("tower", "full_level_m"): 3.0, ("tower", "start_level_m"): 2.0,
    ("tower", "base_height_m"): 12.0, ("borehole", "pump_intake_m"): 60.0, ("borehole", "static_water_depth_m"): 22.0,
    ("pv", "peak_w"): 2900.0, ("pv", "strings"): 3.0,
}  # fmt: skip
BUILT_M = 15.0
SPEEDS = np.linspace(0.4, 1.0, 121)


@dataclass(frozen=True)
class Toy:
    """What may change; shares of the rated values where no unit is named.

    worn, clogged (of the head, the latter with the flow squared), throttled (of the flow, whatever curve and power
    say), tired (more power for the same), slips (of the meter), dust, strings (lost), cell (what the irradiance sensor
    sees), haze (of the light), rest_m and capacity of the well, is_off (stopped by hand), peak of the array, cap of
    the drive's power, cloudy days, bottom (the riser ends at the tower's, and its level goes up and down), noise (1 as
    of good instruments), every how many steps it reports, what it lacks.
    """

    days: float = 24
    worn: Course = 0.0
    clogged: Course = 0.0
    throttled: Course = 0.0
    tired: Course = 0.0
    slips: Course = 0.0
    dust: Course = 0.0
    strings: Course = 0.0
    cell: Course = 1.0
    haze: Course = 0.0
    rest_m: Course = 22.0
    capacity: Course = 0.5
    is_off: Course = 0.0
    peak: float = 1.0
    cap: float = 9.0
    clouds: tuple[int, ...] = ()
    bottom: bool = False
    noise: float = 1.0
    every: int = 1
    lacks: tuple[Channel, ...] = field(default=())

    def scene(self) -> Scene:
        """The zone's readings every `every` steps, and its days."""
        day = np.arange(round(self.days * 288)) * STEP_S / DAY_S
        rng = np.random.default_rng(5)
        sun = 950 * np.maximum(0.0, np.sin((day % 1 * 24 - 6.7) / 12 * np.pi)) * (1 - _at(self.haze, day))
        passing = 0.6 + 0.4 * np.sign(np.sin(day * 151)) * rng.uniform(0.3, 1, len(day))
        sun = np.where(np.isin(day.astype(int), self.clouds), sun * passing * 0.7, sun)
        module_c = 24 + 0.028 * sun
        left = (1 - _at(self.dust, day)) * (1 - _at(self.strings, day) / RATINGS["pv", "strings"])
        array = self.peak * 2900 / 1200 * sun / 1000 * 0.9 * (1 - 0.004 * (module_c - 25)) * left
        q, s, power = self._pump(np.minimum(array, self.cap), day)
        by_hand = _at(self.is_off, day) > 0.5
        runs = (sun > 150) & (array > 0.25) & ~by_hand
        q, s, power = np.where(runs, q, 0.0), np.where(runs, s, 0.0), np.where(runs, power, 0.0)
        flow = 4.0 * q * (1 - _at(self.throttled, day))
        depth = _at(self.rest_m, day) + flow / _at(self.capacity, day)

        def measured(value: Array, share: float, absolute: float = 0.0) -> Array:
            spread = self.noise * (share * value + absolute)
            return np.asarray(value + spread * rng.normal(size=len(value)))

        values: dict[Channel, Array] = {
            ("pv", "irradiance_w_m2"): measured(sun * _at(self.cell, day), 0.006),
            ("pv", "module_temp_c"): measured(module_c, 0.0, 0.2), ("pv", "power_w"): measured(1200 * power, 0.006),
            ("pump", "power_w"): measured(1200 * power, 0.006), ("pump", "speed_rpm"): measured(2900 * s, 0.001),
            ("pump", "flow_m3_h"): measured(flow * (1 - _at(self.slips, day)), 0.01),
            ("pump", "state_code"): np.select(
                [runs, by_hand], [float(PumpState.RUNNING), float(PumpState.STOPPED_BY_HAND)], PumpState.STOPPED_LOW_SUN
            ),
            ("borehole", "water_depth_m"): measured(depth, 0.0, 0.02),
            ("tower", "level_m"): self._level(day), ("tower", "outflow_m3_h"): measured(flow, 0.01),
        }  # fmt: skip
        raw = {}
        for channel, value in values.items():
            if channel not in self.lacks:
                raw[channel] = np.full((1, len(day)), np.nan)
                raw[channel][0, :: self.every] = value[:: self.every]
        grid = Grid(
            Sites([Site("toy", 11.3, -12.3, 900, RATINGS, frozenset(raw))]), START.timestamp(), STEP_S, len(day), raw
        )
        return Scene(grid, days_of(grid, features_of(grid.sites)))

    def _level(self, day: Array) -> Array:
        """Half full; or, where it matters, nearly empty on all days but each seventh, which fills it."""
        if not self.bottom:
            return np.full(len(day), 1.5)
        return np.where((day.astype(int) % 7 == 6) & (day % 1 > 0.4), 2.9, 0.3)

    def _pump(self, array: Array, day: Array) -> tuple[Array, Array, Array]:
        """Flow, speed and power that the array drives, each (m,)."""
        lift = _at(self.rest_m, day) + BUILT_M - (RATINGS["tower", "full_level_m"] - self._level(day)) * self.bottom
        lift = lift[:, None] / 50
        down = 4.0 / _at(self.capacity, day)[:, None] / 50
        s = SPEEDS[None, :]
        left = 1.2 * s**2 * (1 - _at(self.worn, day)[:, None]) - lift
        bend, slope = 0.3 + _at(self.clogged, day)[:, None], down - 0.15 * s
        q = np.where(left > 0, (-slope + np.sqrt(np.maximum(slope**2 + 4 * bend * left, 0))) / (2 * bend), 0.0)
        power = (0.4 * s**3 + 0.6 * s**2 * q * (1.1 - 0.1 * q / s)) * (1 + _at(self.tired, day)[:, None])
        place = np.clip((power <= array[:, None]).sum(axis=1), 1, len(SPEEDS) - 1)
        rows = np.arange(len(day))
        below, above = power[rows, place - 1], power[rows, place]
        share = np.clip((array - below) / (above - below), 0.0, 1.0)

        def between(value: Array) -> Array:
            value = np.broadcast_to(value, power.shape)
            return np.asarray(value[rows, place - 1] + share * (value[rows, place] - value[rows, place - 1]))

        return between(q), between(s), between(power)


def _at(course: Course, day: Array) -> Array:
    return course(day) if callable(course) else np.full(len(day), course)


def step(at: float, to: float, *, before: float = 0.0, until: float = np.inf) -> Callable[[Array], Array]:
    """`before`, and from day `at` until `until` `to`."""
    return lambda day: np.where((day >= at) & (day < until), to, before)


def ramp(at: float, to: float, *, within: float, before: float = 0.0) -> Callable[[Array], Array]:
    """`before`, and from day `at` on evenly to `to` within so many days."""
    return lambda day: before + (to - before) * np.clip((day - at) / within, 0.0, 1.0)
