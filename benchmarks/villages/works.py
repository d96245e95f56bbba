"""Well, pump and tower, minute by minute, for all villages at once: what the water does under the forces upon it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from benchmarks.villages.chance import rng_for
from benchmarks.villages.forces import MAIN, Forces
from benchmarks.villages.people import People
from benchmarks.villages.span import BoolArray, Float32Array, FloatArray
from benchmarks.villages.village import Village

FULL, BRIM = 0.985, 1.03  # of the full level: the float stops the pump, water spills
SPOUT_M = 0.4  # above the full level, where water falls into a tower that is fed from above
SHALLOW_M = 0.08  # over the outlet, below which less and less leaves
FALL_M = 5.0  # from the tower's foot to the taps
REST_MIN = 4  # of the drive between two runs
IDLE, DRY = 0.4, 0.42  # of its power a pump takes at the same speed: without flow, without water
NEAR_MIN, FAR_MIN, FAR = 12.0, 360.0, 0.3  # how soon the well follows the pump, and the share that follows slowly
LOSS = 0.15  # of the drawdown at the rated flow grows with the square of the flow (Jacob 1947)
WAITS, RETURNS_PER_H = 0.6, 0.5  # share of unserved people who wait for water, and how fast they are served then
WAITING_DAYS = 0.15  # of a day's use, the most that waits


@dataclass(frozen=True, slots=True)
class Lived:
    """(minutes, villages) each: what truly was."""

    inflow_m3_h: Float32Array
    power_w: Float32Array
    speed: Float32Array  # share of the greatest
    depth_m: Float32Array  # of the water in the well, below the ground
    level_m: Float32Array
    given: Float32Array  # share of what people wanted at each tap
    caught_up_m3_h: Float32Array  # and what they drew later instead
    outflow_m3_h: Float32Array  # through the tower's outlet
    past_m3_h: Float32Array  # leaves the tower past its outlet's meter, spilling included
    spill_m3_h: Float32Array
    runs: BoolArray
    is_full: BoolArray  # says a float that works


def live(seed: int, villages: Sequence[Village], people: People, forces: Forces) -> Lived:
    """Let the works run through all minutes of `forces`."""
    shape = forces.wanted_m3_h.shape
    rows: list[Any] = [
        np.empty(shape, dtype=bool if field.name in ("runs", "is_full") else np.float32) for field in fields(Lived)
    ]
    works = _Works(seed, villages, people, forces)
    for minute in range(shape[0]):
        for row, value in zip(rows, works.live(minute), strict=True):
            row[minute] = value
    return Lived(*rows)


class _Works:
    """The state of all villages, (n,) each."""

    def __init__(self, seed: int, villages: Sequence[Village], people: People, forces: Forces) -> None:
        def rated(name: str) -> FloatArray:
            return np.array([getattr(village, name) for village in villages], dtype=np.float64)

        self._forces, self._most_m3_h = forces, people.most_m3_h
        self._flow, self._shutoff_m, self._rated_w = rated("flow_m3_h"), rated("shutoff_m"), rated("power_w")
        self._own = (self._shutoff_m - rated("head_m")) / self._flow**2
        self._main = MAIN * rated("head_m") / self._flow**2
        self._starts_w = 0.8 * rated("peak_w") * rated("start_w_m2") / 1000
        self._full_m, self._restart_m, self._base_m = rated("full_m"), rated("restart_m"), rated("base_m")
        self._area, self._intake_m = rated("area_m2"), rated("intake_m")
        self._capacity = rated("capacity_m3_h_m")
        self._from_below = rated("fed_from_below").astype(bool)
        self._drain = rated("volume_m3") / 1.2
        self._most_waiting = WAITING_DAYS * rated("daily_m3")

        share = np.array([rng_for(seed, "start", village.number).uniform(0.3, 0.8) for village in villages])
        self._volume = self._area * self._full_m * share
        self._near_m, self._far_m, self._inflow, self._waiting = (np.zeros(len(villages)) for _ in range(4))
        self._runs, self._is_full = (np.zeros(len(villages), dtype=bool) for _ in range(2))
        self._rested = np.full(len(villages), REST_MIN + 1.0)

    def live(self, m: int) -> tuple[FloatArray | BoolArray, ...]:
        """One minute; what was, in the order of `Lived`."""
        level = self._volume / self._area
        self._switch(m, level)
        speed, depth, power = self._pump(m, level)
        given, caught_up, outflow, past, spill = self._draw(m, level)
        return (
            self._inflow, power, speed, depth, level, given, caught_up, outflow, past, spill, self._runs, self._is_full
        )  # fmt: skip

    def _switch(self, m: int, level: FloatArray) -> None:
        power_w = self._forces.power_w[m]
        self._is_full = (level >= FULL * self._full_m) | (self._is_full & (level >= self._restart_m))
        barred = self._forces.is_barred[m] | (self._is_full & ~self._forces.never_full[m])
        may_start = (power_w > self._starts_w) & (self._rested > REST_MIN)
        self._runs = ~barred & np.where(self._runs, power_w > 0.1 * self._rated_w, may_start)
        self._rested = np.where(self._runs, 0.0, self._rested + 1)

    def _pump(self, m: int, level: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Speed, depth of the water and power; by the affinity laws, with the drive giving what the sun gives."""
        f = self._forces
        depth = f.static_m[m] + self._near_m + self._far_m
        load = np.where(f.is_dry[m], DRY, IDLE + (1 - IDLE) * np.minimum(self._inflow / self._flow, 1.4))
        speed = self._runs * np.minimum(1.0, np.cbrt(np.maximum(f.power_w[m], 0.0) / (self._rated_w * load)))
        lift = depth + self._base_m + np.where(self._from_below, level, self._full_m + SPOUT_M)
        spare = np.maximum(self._shutoff_m * f.head[m] * speed**2 - lift, 0.0)
        lifted = np.sqrt(spare / (self._own * (1 + f.throttle[m]) + self._main))
        lifted *= f.gives[m] * np.clip((self._intake_m - depth) / 0.3, 0.1, 1.0)
        self._inflow = self._runs * 0.5 * (self._inflow + lifted)
        filled = np.minimum(self._inflow / (self._flow * np.maximum(speed, 0.3)), 1.3)
        takes = np.where(f.is_dry[m], DRY, IDLE + (1 - IDLE) * filled)
        return speed, depth, np.minimum(self._rated_w * speed**3 * takes, 0.99 * f.power_w[m])

    def _draw(self, m: int, level: FloatArray) -> tuple[FloatArray, ...]:
        """What leaves the tower, and what that makes of tower, well and people."""
        f = self._forces
        wet = np.minimum(1.0, level / SHALLOW_M)
        pressed = wet * np.sqrt((level + self._base_m + FALL_M) / (self._full_m + self._base_m + FALL_M))
        pressed *= ~f.is_washed[m]
        given, wanted = pressed * f.squeezed[m], f.wanted_m3_h[m]
        caught_up = np.minimum(self._waiting * RETURNS_PER_H, np.maximum(self._most_m3_h - wanted, 0.0) * given)
        waiting = self._waiting + (WAITS * wanted * (1 - given) - caught_up) / 60
        self._waiting = np.minimum(waiting, self._most_waiting)
        outflow = wanted * given + caught_up + f.lost_m3_h[m] * pressed

        returns = ~self._runs * f.returns_m3_h[m] * wet
        past = returns + (f.leaks_m3_h[m] + f.is_washed[m] * self._drain) * wet
        volume = self._volume + (self._inflow - outflow - past) / 60
        spill = np.maximum(volume - self._area * self._full_m * BRIM, 0.0) * 60
        self._volume = volume - spill / 60
        self._draw_down(m, returns)
        return given, caught_up, outflow, past + spill, spill

    def _draw_down(self, m: int, returns: FloatArray) -> None:
        """The well's drawdown follows the pump: near the pipe soon, far from it over hours."""
        f = self._forces
        share = self._inflow / self._flow
        drawdown = (self._inflow * (1 - LOSS + LOSS * share) - returns) / (self._capacity * f.capacity[m])
        starved = self._intake_m - 0.1 - f.static_m[m] - self._far_m
        near = np.where(f.is_dry[m] & self._runs, starved, (1 - FAR) * drawdown)
        self._near_m = self._near_m + (near - self._near_m) / NEAR_MIN
        self._far_m = self._far_m + (FAR * drawdown - self._far_m) / FAR_MIN
