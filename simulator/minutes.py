"""The minutes of a move, one after the other: controller, pump, well, tower, taps, and what the water carries.

Only what one minute needs of the last is computed minute by minute; flows of taps and counters follow for all at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from simulator.chance import FloatArray
from simulator.effects import PIECE_S, Effects
from simulator.faults import Broken
from simulator.state import (
    ROWS,
    RUNNING,
    STARTING,
    STOPPED_BY_HAND,
    STOPPED_DRY,
    STOPPED_LOW_SUN,
    STOPPED_TOWER_FULL,
    TRIPPED,
    BoolArray,
    Moved,
    State,
)

if TYPE_CHECKING:
    from simulator.village import Village

DT_H = 1 / 60
STARTS_AT, STOPS_AT = 0.3, 0.2  # of the rated power must be there for a controller to start the motor, and to go on
WAITS_MIN = 5.0  # after a stop for want of sun
ATTEMPT_MIN, ATTEMPT_SPEED = 10, 0.25  # a drive that finds no motor tries again, at a low frequency
# Drawdown follows the flow in two parts, of the casing and of the rock around it, and grows a little faster than the
# flow does (C. E. Jacob, Trans. ASCE 112 (1947) 1047: s = B Q + C Q²). The shares and times are assumptions.
NEAR, NEAR_FOLLOWS_H, FAR_FOLLOWS_H, TURBULENT = 0.75, 0.4, 10.0, 0.15
STARVED_M = 0.3  # of water above the intake and less: the pump draws air
UNDERLOAD, LOW_WELL = 0.05, 0.6  # of the rated flow, where so much of the way to the intake is gone: as good as dry
OVERFLOW_AT = 1.02  # of the volume at the float's full level: where the overflow pipe is
DEAD_SHARE = 0.005  # of the tower's volume lies below its outlet
DRY_STOP_MIN, DRY_RETRY_MIN = 3.0, 10.0  # Franklin Fhoton manual: stops after seconds, tries again after 10 min
DRAIN_H = 0.4  # in which a washout lets off a full tower
GIVES_UP, COMES_BACK = 0.5, 0.8  # of missed water is not fetched later; most that a queue adds to the usual demand
GOOD_BATTERY_H = 83.0  # of work without sun
CHARGES_PER_H = 0.12  # of a good battery's capacity
DARK_BATTERY = 0.05  # of its charge: the box switches off
STIRRED_NTU, SETTLES_PER_MIN = 2.2, 0.93  # a pump that starts stirs the well up
RENEWED_H = 3.0  # in which a tower's water is renewed, after mud or want of chlorine (assumption)
METER_STARTS_M3_H = 0.02  # below, the wheel of a meter stands


@dataclass(frozen=True, slots=True)
class Sky:
    """Sun and air of some minutes, (m, n)."""

    sun: FloatArray
    cell: FloatArray
    module: FloatArray
    air: FloatArray


@dataclass(frozen=True, slots=True)
class Day:
    """All of a day that does not depend on the state of the zones, by minute (1440, n)."""

    clear: FloatArray
    sun: FloatArray
    cell: FloatArray
    module: FloatArray
    air: FloatArray
    array_w: FloatArray  # that the array offers to the motor, nothing broken
    wanted: FloatArray
    shares: FloatArray  # (96, n, taps)
    is_stopped: BoolArray
    is_washed: BoolArray
    is_drained: BoolArray
    is_new_meter: BoolArray  # (1440, n, METERS)
    static_m: FloatArray  # (n,)
    well_gives: float  # share of its specific capacity that a well has in this season
    dose_mg_l: FloatArray  # of chlorine
    soiled: FloatArray  # (n,) share of the light that the season's dust takes

    def rows(self, chosen: NDArray[np.integer] | slice) -> Sky:
        return Sky(self.sun[chosen], self.cell[chosen], self.module[chosen], self.air[chosen])


class Minutes:
    """One move: rows to be filled minute by minute, and what follows from them for all at once."""

    def __init__(self, village: Village, state: State, first: int, minutes: int) -> None:
        self._v, self._s, self._first, self._minutes = village, state, first, minutes
        self._today = village.today
        n = len(village.zones)
        self._rows: dict[str, NDArray[Any]] = {
            name: np.zeros((minutes, n), dtype=bool if name.startswith("is_") else float)
            for name in ROWS
            if name != "tap_m3"
        }
        self._fetched = np.zeros((minutes, n))  # at taps that people open, m³/h
        self._tap_flows: list[FloatArray] = []

    def live(self, begin: int, end: int, effects: Effects) -> None:
        """Minutes `begin` to `end` of the move, in which the effects do not change."""
        v, rows, day = self._v, self._rows, self._today
        piece, of_day = slice(begin, end), slice(self._first + begin, self._first + end)
        strings_left = np.maximum(0.0, 1 - effects.strings_lost / v.strings)
        offered = rows["offered_w"][piece] = day.array_w[of_day] * (strings_left * (1 - effects.light_lost))
        self._starts = (day.sun[of_day] >= v.start_sun) & (offered >= STARTS_AT * v.pump.power_w)
        self._goes_on = offered >= STOPS_AT * v.pump.power_w
        rate = np.where(day.sun[of_day] > 150, CHARGES_PER_H, -1 / GOOD_BATTERY_H)
        self._charge = rate * (DT_H / (1 - effects.battery_lost))
        rows["clogged_after"][piece] = effects.clogged_after
        for at in range(begin, end):
            self._minute(at, at - begin, effects)
        rows["metered_in_m3_h"][piece] = rows["inflow_m3_h"][piece] * (
            (1 - effects.meter_in_lost) * v.meter_factor[:, 0]
        )
        turns = np.where(rows["outflow_m3_h"][piece] > METER_STARTS_M3_H, rows["outflow_m3_h"][piece], 0.0)
        rows["metered_out_m3_h"][piece] = turns * ((1 - effects.meter_out_lost) * v.meter_factor[:, 1])
        self._tap_flows.append(self._taps(begin, end, effects))

    def finish(self, t_s: float) -> Moved:
        """Count what flowed, and hand all out."""
        s, rows = self._s, self._rows
        is_new = self._today.is_new_meter[self._first : self._first + self._minutes]
        never = np.zeros(is_new.shape[:2], dtype=bool)
        for counter, rate, is_exchanged in (
            ("pumped_m3", "inflow_m3_h", never), ("drawn_m3", "outflow_m3_h", never),
            ("meter_in_m3", "metered_in_m3_h", is_new[:, :, 0]), ("meter_out_m3", "metered_out_m3_h", is_new[:, :, 1]),
        ):  # fmt: skip
            rows[counter] = _counted_from_new(getattr(s, counter), rows[rate] * DT_H, is_exchanged)
            setattr(s, counter, rows[counter][-1].copy())
        s.spilled_m3 = _counted(s.spilled_m3, rows["spilled_m3"])[-1]
        s.leaked_m3 = _counted(s.leaked_m3, rows["tower_leak_m3_h"] * DT_H)[-1]
        s.let_off_m3 = _counted(s.let_off_m3, rows["let_off_m3_h"] * DT_H)[-1]
        s.ran_back_m3 = _counted(s.ran_back_m3, rows["backflow_m3_h"] * DT_H)[-1]
        minute_s = np.full_like(rows["code"], 60.0)
        rows["uptime_s"] = _counted_from_new(s.uptime_s, minute_s, rows["battery"] <= DARK_BATTERY)
        rows["prepaid_s"] = _counted(s.prepaid_s, minute_s)
        s.uptime_s, s.prepaid_s = rows["uptime_s"][-1].copy(), rows["prepaid_s"][-1].copy()
        tap_m3 = _counted(s.tap_m3, np.concatenate(self._tap_flows) * DT_H)
        s.tap_m3 = tap_m3[-1].copy()
        return Moved(t_s=t_s, minute=self._first, tap_m3=tap_m3, **rows)

    def _minute(self, at: int, in_piece: int, effects: Effects) -> None:
        s, rows, minute = self._s, self._rows, self._first + at
        code = self._controller(in_piece, minute, effects)
        rows["code"][at], rows["is_full_stop"][at] = code, s.is_full_stop
        wants = code == RUNNING
        if wants.any():
            inflow = self._lift(at, wants, effects)
        else:
            inflow = rows["inflow_m3_h"][at]
            s.dry_min[:] = 0.0
            s.retry_min = np.maximum(0.0, s.retry_min - 1)
        if effects.has_no_power.any() and minute % ATTEMPT_MIN == 0:
            rows["speed"][at] = np.where(code == STARTING, ATTEMPT_SPEED, rows["speed"][at])
        back = rows["backflow_m3_h"][at]
        if effects.backflow_m3_h.any():
            back = rows["backflow_m3_h"][at] = np.where(
                inflow > 0, 0.0, np.minimum(effects.backflow_m3_h, s.volume_m3 / DT_H)
            )
        self._well(at, inflow - back, effects)
        self._tower(at, minute, inflow, back, effects)
        is_wet = inflow > 0
        s.stirred_ntu = SETTLES_PER_MIN * s.stirred_ntu + STIRRED_NTU * (is_wet & ~s.is_wet)
        s.is_wet = is_wet
        s.battery = np.minimum(1.0, np.maximum(0.02, s.battery + self._charge[in_piece]))
        rows["stirred_ntu"][at], rows["battery"][at] = s.stirred_ntu, s.battery
        self._quality(at, effects)

    def _controller(self, in_piece: int, minute: int, effects: Effects) -> FloatArray:
        """What the controller says, which is also why the pump stands. The float keeps the state of the level."""
        s, v = self._s, self._v
        level_m = s.volume_m3 / v.size_m3 * v.full_m
        s.is_full_stop = (s.is_full_stop & (level_m >= v.start_m)) | (level_m >= v.full_m)
        full = (s.is_full_stop & ~effects.float_says_room) | effects.float_says_full
        enough = (s.is_awake & self._goes_on[in_piece]) | (self._starts[in_piece] & (s.wait_min <= 0))
        s.wait_min = np.where(s.is_awake & ~enough, WAITS_MIN, np.maximum(0.0, s.wait_min - 1))
        s.is_awake = enough
        code = np.where(enough, RUNNING, STOPPED_LOW_SUN)
        code[full & enough] = STOPPED_TOWER_FULL  # without sun a controller says nothing else
        code[s.retry_min > 0] = STOPPED_DRY
        code[effects.has_no_power & (code == RUNNING)] = STARTING
        code[effects.has_tripped] = TRIPPED
        code[self._today.is_stopped[minute] | self._today.is_washed[minute]] = STOPPED_BY_HAND
        return code

    def _lift(self, at: int, wants: BoolArray, effects: Effects) -> FloatArray:
        """Inflow [m³/h] of the zones that pump; a well without water stops its pump."""
        s, v, rows = self._s, self._v, self._rows
        depth_m = np.minimum(self._today.static_m + s.drawdown_m + s.far_drawdown_m, v.intake_m)
        offered = rows["offered_w"][at]
        speed, flow = v.pump.operating_point(
            offered, depth_m + v.base_m + v.full_m, worn=effects.worn, clogged=effects.clogged + effects.clogged_after
        )
        static_m = self._today.static_m
        is_low = depth_m >= static_m + LOW_WELL * (v.intake_m - static_m)
        idle = is_low & (flow < UNDERLOAD * v.pump.flow_m3_h)
        starved = wants & ((depth_m >= v.intake_m - STARVED_M) | idle | (s.dry_min > 0))  # air stays until it stops
        if starved.any():
            speed = np.where(starved, v.pump.free_speed(offered), speed)
        inflow = rows["inflow_m3_h"][at] = np.where(wants & ~starved, flow, 0.0)
        rows["speed"][at], rows["is_starved"][at] = np.where(wants, speed, 0.0), starved
        dry_min = np.where(starved, s.dry_min + 1, 0.0)
        stops = dry_min >= DRY_STOP_MIN
        s.retry_min = np.where(stops, DRY_RETRY_MIN, np.maximum(0.0, s.retry_min - 1))
        s.dry_min = np.where(stops, 0.0, dry_min)
        return inflow

    def _well(self, at: int, flow: FloatArray, effects: Effects) -> None:
        """Drawdown follows the flow out of the well (into it where water runs back)."""
        s, v = self._s, self._v
        lowest_m = v.intake_m - self._today.static_m
        gives = v.capacity * self._today.well_gives * (1 - effects.yield_lost)
        failing = effects.well_gives > 0
        if failing.any():
            gives = np.where(failing, effects.well_gives * v.pump.flow_m3_h / lowest_m, gives)
        rest_m = flow / gives * (1 - TURBULENT + TURBULENT * np.abs(flow) / v.pump.flow_m3_h)
        near = s.drawdown_m + (NEAR * rest_m - s.drawdown_m) * (DT_H / NEAR_FOLLOWS_H)
        far = s.far_drawdown_m + ((1 - NEAR) * rest_m - s.far_drawdown_m) * (DT_H / FAR_FOLLOWS_H)
        s.far_drawdown_m = np.minimum(far, lowest_m)
        s.drawdown_m = np.minimum(near, lowest_m - s.far_drawdown_m)
        self._rows["depth_m"][at] = np.minimum(self._today.static_m + s.drawdown_m + s.far_drawdown_m, v.intake_m)

    def _tower(self, at: int, minute: int, inflow: FloatArray, back: FloatArray, effects: Effects) -> None:
        """Serve the taps, then lose what leaks, is let off or spills; who finds no water waits, and half comes back."""
        s, v, rows, day = self._s, self._v, self._rows, self._today
        demand = day.wanted[minute]
        fetch_back = np.minimum(s.waiting_m3, COMES_BACK * demand)
        at_taps = np.minimum(demand + fetch_back, v.tap_most)
        head = (v.base_m + s.volume_m3 / v.size_m3 * v.full_m) / (v.base_m + 0.5 * v.full_m)
        leak = (effects.network_leak_m3_h + v.old_joints_m3_h) * np.sqrt(
            head
        )  # a hole's flow: the root of the pressure
        wanted = at_taps + effects.tap_open_m3_h.sum(axis=1) + leak
        there = np.maximum(0.0, s.volume_m3 - DEAD_SHARE * v.size_m3) / DT_H
        served = np.minimum(1.0, there / np.maximum(wanted, 1e-9))
        served[day.is_washed[minute]] = 0.0
        outflow = wanted * served
        missed = (demand + fetch_back - at_taps * served) * (DT_H * GIVES_UP)
        s.waiting_m3 = np.maximum(0.0, s.waiting_m3 - fetch_back * DT_H) * 0.999 + missed
        left = s.volume_m3 / DT_H + inflow - outflow - back
        let_off = rows["let_off_m3_h"][at]
        if day.is_drained[minute].any():
            let_off = rows["let_off_m3_h"][at] = np.where(
                day.is_drained[minute], np.clip(left, 0.0, v.size_m3 / DRAIN_H), 0.0
            )
        out = np.minimum(effects.tower_leak_m3_h, np.maximum(0.0, left - let_off))
        volume = s.volume_m3 + (inflow - outflow - back - let_off - out) * DT_H
        spilled = np.maximum(0.0, volume - OVERFLOW_AT * v.size_m3)
        s.volume_m3 = np.maximum(0.0, volume - spilled)
        rows["outflow_m3_h"][at], rows["served"][at], rows["volume_m3"][at] = outflow, served, s.volume_m3
        rows["network_leak_m3_h"][at], rows["tower_leak_m3_h"][at] = leak * served, out
        rows["spilled_m3"][at], self._fetched[at] = spilled, at_taps * served

    def _quality(self, at: int, effects: Effects) -> None:
        """Mud and want of chlorine come with the water, and leave as a tower's water is renewed."""
        s, rows = self._s, self._rows
        keeps = 1 - DT_H / RENEWED_H
        s.turbid_ntu = np.maximum(effects.turbid_ntu, keeps * s.turbid_ntu)
        s.chlorine_fallen = np.maximum(effects.chlorine_fallen, keeps * s.chlorine_fallen)
        s.chlorine_left_mg_l = np.where(effects.chlorine_fallen > 0, effects.chlorine_left_mg_l, s.chlorine_left_mg_l)
        rows["turbid_ntu"][at] = s.turbid_ntu
        fallen = s.chlorine_fallen
        rows["chlorine_mg_l"][at] = (
            self._today.dose_mg_l[self._first + at] * (1 - fallen) + s.chlorine_left_mg_l * fallen
        )

    def _taps(self, begin: int, end: int, effects: Effects) -> FloatArray:
        """Flow of each tap in a piece, (minutes, n, taps) [m³/h]; who finds a tap closed goes to the next one."""
        quarters = np.arange(self._first + begin, self._first + end) // 15
        shares = self._today.shares[quarters]
        if effects.tap_closed.any():
            lost = shares * effects.tap_closed
            shares = shares - lost + _next_tap(lost, self._v.demand.has_tap)
        flows = self._fetched[begin:end, :, None] * shares
        if effects.tap_open_m3_h.any():
            flows = flows + effects.tap_open_m3_h * self._rows["served"][begin:end, :, None]
        return np.asarray(flows)


def _next_tap(lost: FloatArray, has_tap: BoolArray) -> FloatArray:
    """What each tap loses (m, n, taps), given to the next one; the last one's goes to the first."""
    moved = np.zeros_like(lost)
    moved[:, :, 1:] = lost[:, :, :-1]
    beyond = np.where(has_tap, 0.0, moved)
    moved = np.where(has_tap, moved, 0.0)
    moved[:, :, 0] += lost[:, :, -1] + beyond.sum(axis=2)
    return moved


def _counted(start: FloatArray, added: FloatArray) -> FloatArray:
    """A counter after each minute: the sums are those of single steps to the last bit."""
    return np.add.accumulate(np.concatenate([start[None], added]))[1:]


def _counted_from_new(start: FloatArray, added: FloatArray, is_new: BoolArray) -> FloatArray:
    """The same for counters (m, n) of which some begin again at zero in the minutes that `is_new` (m, n) marks."""
    edges = [0, *np.flatnonzero(is_new.any(axis=1)).tolist(), len(added)]
    counted: list[FloatArray] = []
    for begin, end in pairwise(edges):
        if begin < end:
            start = np.where(is_new[begin], 0.0, start)
            counted.append(_counted(start, added[begin:end]))
            start = counted[-1][-1]
    return np.concatenate(counted)


def pieces(t_s: float, minutes: int, struck: Sequence[Broken]) -> list[tuple[int, int]]:
    """Minutes of a move in which effects do not change: whole when nothing is broken."""
    if not struck:
        return [(0, minutes)]
    edges = {0, minutes}
    edges |= {round((s - t_s) / 60) for s in np.arange(t_s - t_s % PIECE_S + PIECE_S, t_s + 60 * minutes, PIECE_S)}
    for one in struck:
        edges |= {int(np.ceil((s - t_s) / 60)) for s in (one.start_s, one.end_s) if s is not None and np.isfinite(s)}
    inside = sorted(edge for edge in edges if 0 <= edge <= minutes)
    return list(pairwise(inside))
