"""The water and the energy of many zones at once, minute by minute: pure, seeded, with known truth.

State is arrays over zones (n,), taps over (n, most taps). A step moves water from borehole to tower to taps and keeps
the balance: what flowed in less what flowed out, leaked, spilled, was let off and ran back is what the tower holds
more. Chance belongs to a zone and a day, so a step does not depend on which other zones live beside, nor on the pieces
in which a time is simulated.

Only what one minute needs of the last is computed minute by minute (`_Minutes`); the rest (pressures, voltages,
counters, taps) follows for many minutes at once. History and live run are the same code, in pieces of hours and of one
minute.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.model import PumpState
from gateway.zones import Zone
from simulator.calendar import by_month
from simulator.chance import FloatArray, keys, normal, uniform
from simulator.demand import TAP_MOST_M3_H, Demand
from simulator.effects import PIECE_S, Effects, effects_at
from simulator.errors import SimulatorError
from simulator.faults import Broken
from simulator.habits import Habits
from simulator.pipes import Pipes
from simulator.pump import Pump
from simulator.sun import MINUTES, Sun

BoolArray = NDArray[np.bool_]

DT_H = 1 / 60
WATER_TABLE_M = (0.3, 0.45, 0.65, 0.9, 1.0, 0.8, 0.5, 0.2, 0.0, 0.0, 0.1, 0.2)  # DOMAIN §2.4: lowest in April and May
SEASONAL_FALL_M = 6.0
SEASONAL_LOSS = 0.3  # of the specific capacity when the water is lowest: cracks fall dry (assumption)
CONTROLLER = 0.96  # power out over power in (DOMAIN §3.1: 95 to 98 %)
CABLES = 0.95  # of the modules' power is left after cables and mismatch
PER_DEGREE = -0.004  # of the modules' power, above 25 °C
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
COLUMN_BAR_M = 0.0981
DRAIN_H = 0.4  # in which a washout lets off a full tower
GIVES_UP, COMES_BACK = 0.5, 0.8  # of missed water is not fetched later; most that a queue adds to the usual demand
AT_ONCE = 0.8  # of the taps can run at once
GOOD_BATTERY_H = 83.0  # of work without sun
CHARGES_PER_H = 0.12  # of a good battery's capacity
STIRRED_NTU, SETTLES_PER_MIN = 2.2, 0.93  # a pump that starts stirs the well up
RENEWED_H = 3.0  # in which a tower's water is renewed, after mud or want of chlorine (assumption)
OLD_JOINTS = 0.06  # of a usual day's water, at most, leaves through joints that nobody will mend (assumption)
METER_STARTS_M3_H = 0.02  # below, the wheel of a meter stands
NEEDED = ("pv", "pump", "borehole", "tower")

STOPPED_LOW_SUN, RUNNING = float(PumpState.STOPPED_LOW_SUN), float(PumpState.RUNNING)
STOPPED_TOWER_FULL, STOPPED_DRY = float(PumpState.STOPPED_TOWER_FULL), float(PumpState.STOPPED_DRY)
TRIPPED, STARTING = float(PumpState.TRIPPED), float(PumpState.STARTING)
STOPPED_BY_HAND = float(PumpState.STOPPED_BY_HAND)


@dataclass(slots=True)
class State:
    """All that a zone remembers; arrays over zones, counters never go back."""

    volume_m3: FloatArray
    drawdown_m: FloatArray  # of the casing
    far_drawdown_m: FloatArray  # of the rock around it
    is_full_stop: BoolArray
    is_awake: BoolArray  # the controller has sun enough
    is_wet: BoolArray  # water flows
    wait_min: FloatArray
    dry_min: FloatArray
    retry_min: FloatArray
    pumped_m3: FloatArray
    drawn_m3: FloatArray
    spilled_m3: FloatArray
    leaked_m3: FloatArray
    let_off_m3: FloatArray  # for washing
    ran_back_m3: FloatArray  # through the check valve
    waiting_m3: FloatArray  # what people could not fetch and come back for
    tap_m3: FloatArray  # (n, taps)
    meter_in_m3: FloatArray  # what the meters have counted
    meter_out_m3: FloatArray
    stirred_ntu: FloatArray
    turbid_ntu: FloatArray  # of a fault
    chlorine_fallen: FloatArray  # share of the way to what a fault leaves
    chlorine_left_mg_l: FloatArray
    battery: FloatArray  # charge, 0 to 1
    uptime_s: FloatArray

    def as_json(self) -> dict[str, Any]:
        """The state as plain lists."""
        return {field.name: getattr(self, field.name).tolist() for field in fields(self)}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> State:
        """Read what `as_json` wrote."""
        return cls(**{field.name: np.array(values[field.name]) for field in fields(cls)})

    def adopt(self, at: int, other: State, other_at: int) -> None:
        """Take over what the zone number `other_at` of another state remembers; taps that it had not begin here."""
        for field in fields(self):
            mine, theirs = getattr(self, field.name), getattr(other, field.name)
            if mine.ndim == 2:
                taps = min(mine.shape[1], theirs.shape[1])
                mine[at, :taps] = theirs[other_at, :taps]
            else:
                mine[at] = theirs[other_at]


@dataclass(frozen=True, slots=True)
class Truth:
    """What is really so after some minutes; arrays over minutes and zones (m, n), taps (m, n, taps), units in names."""

    irradiance_w_m2: FloatArray
    cell_w_m2: FloatArray  # what reaches the reference cell through its dust
    module_c: FloatArray
    air_c: FloatArray
    pv_power_w: FloatArray
    pv_voltage_v: FloatArray
    pump_power_w: FloatArray
    speed_rpm: FloatArray
    inflow_m3_h: FloatArray
    outflow_m3_h: FloatArray
    metered_in_m3_h: FloatArray
    metered_out_m3_h: FloatArray
    wellhead_bar: FloatArray
    network_bar: FloatArray
    state_code: FloatArray
    depth_m: FloatArray
    level_m: FloatArray
    meter_in_m3: FloatArray
    meter_out_m3: FloatArray
    tap_m3: FloatArray
    chlorine_mg_l: FloatArray
    turbidity_ntu: FloatArray
    battery: FloatArray
    uptime_s: FloatArray


@dataclass(frozen=True, slots=True)
class Moved:
    """What happened in the minutes from `t_s` on: arrays over minutes and zones (m, n), taps (m, n, taps).

    Rates hold within a minute; volume, depth, counters and battery are those at its end.
    """

    t_s: float
    minute: int  # of the UTC day
    offered_w: FloatArray
    code: FloatArray
    speed: FloatArray
    inflow_m3_h: FloatArray
    outflow_m3_h: FloatArray
    tower_leak_m3_h: FloatArray
    network_leak_m3_h: FloatArray
    let_off_m3_h: FloatArray
    backflow_m3_h: FloatArray
    spilled_m3: FloatArray
    served: FloatArray  # share of what was asked for
    volume_m3: FloatArray
    depth_m: FloatArray
    clogged_after: FloatArray
    is_full_stop: BoolArray
    is_starved: BoolArray
    battery: FloatArray
    stirred_ntu: FloatArray
    turbid_ntu: FloatArray
    chlorine_mg_l: FloatArray
    pumped_m3: FloatArray
    drawn_m3: FloatArray
    meter_in_m3: FloatArray
    meter_out_m3: FloatArray
    metered_in_m3_h: FloatArray
    metered_out_m3_h: FloatArray
    uptime_s: FloatArray
    tap_m3: FloatArray

    def rows(self, chosen: NDArray[np.integer] | slice) -> Moved:
        """Some of the minutes."""
        return Moved(self.t_s, self.minute, *(getattr(self, field.name)[chosen] for field in fields(self)[2:]))


ROWS = tuple(field.name for field in fields(Moved)[2:])


class Village:
    """Several zones that live together in time, each by itself.

    From the day `clear_from` on the sky is clear and nobody stops the pump or washes the tower on purpose.
    """

    def __init__(self, zones: Sequence[Zone], *, seed: int, clear_from: date | None = None) -> None:
        self.zones, self.seed = list(zones), seed
        for zone in zones:
            if missing := [name for name in NEEDED if all(a.asset_id != name for a in zone.assets)]:
                raise SimulatorError(f"{zone.zone_id}: cannot be simulated without {', '.join(missing)}")

        def rating(asset: str, name: str) -> FloatArray:
            return np.array([zone.asset(asset).rating[name] for zone in zones])

        names = [zone.zone_id for zone in zones]
        self.peak_w, self.strings = rating("pv", "peak_w"), rating("pv", "strings")
        self.pump = Pump(
            rating("pump", "rated_flow_m3_h"), rating("pump", "rated_head_m"), rating("pump", "rated_power_w")
        )
        self.rpm0, self.start_sun = rating("pump", "max_speed_rpm"), rating("pump", "start_irradiance_w_m2")
        self.intake_m, self.static_m = rating("borehole", "pump_intake_m"), rating("borehole", "static_water_depth_m")
        self.capacity = rating("borehole", "specific_capacity_m3_h_m")
        self.size_m3, self.full_m = rating("tower", "volume_m3"), rating("tower", "full_level_m")
        self.base_m, self.start_m = rating("tower", "base_height_m"), rating("tower", "start_level_m")
        self.people = np.array([float(zone.people) for zone in zones])
        self.demand = Demand(zones, seed=seed)
        self.taps = self.demand.taps
        self.pipes = Pipes.of(zones, self.demand.usual_m3)
        self.tap_most = np.array([AT_ONCE * TAP_MOST_M3_H * max(1, len(zone.taps)) for zone in zones])
        # Meters err a little, each by its own share (DOMAIN §3.3: taps 4 %).
        meters = keys(names, seed=seed, purpose="meters")[:, None]
        self.meter_factor = 1 + 0.01 * normal(meters, np.arange(2))
        self.tap_factor = 1 + 0.02 * normal(meters, np.arange(2, 2 + self.taps))
        self.index: dict[str, int] = {name: at for at, name in enumerate(names)}
        joints = keys(names, seed=seed, purpose="old joints")
        self.old_joints_m3_h = OLD_JOINTS * self.demand.usual_m3 / 24 * uniform(joints, np.array(0))
        self._sun = Sun(zones, seed=seed, clear_from=clear_from)
        self._habits = Habits(names, seed=seed, calm_from=clear_from)
        self._dose = keys(names, seed=seed, purpose="chlorine")
        self._day: date | None = None
        self._effects_for: tuple[object, ...] = ()

    def first_state(self) -> State:
        """Towers half full, wells at rest, counters where an old meter may stand."""
        n = len(self.zones)

        def zeros() -> FloatArray:
            return np.zeros(n)

        def no() -> BoolArray:
            return np.zeros(n, dtype=bool)

        pumped, drawn = 1000.0 + 10 * self.people, 900.0 + 10 * self.people
        return State(
            volume_m3=0.55 * self.size_m3, drawdown_m=zeros(), far_drawdown_m=zeros(), is_full_stop=no(),
            is_awake=no(), is_wet=no(), wait_min=zeros(), dry_min=zeros(), retry_min=zeros(),
            pumped_m3=pumped, drawn_m3=drawn, spilled_m3=zeros(), leaked_m3=zeros(), let_off_m3=zeros(),
            ran_back_m3=zeros(), waiting_m3=zeros(), tap_m3=50.0 + 500 * self.demand.usual_shares,
            meter_in_m3=pumped.copy(), meter_out_m3=drawn.copy(), stirred_ntu=zeros(),
            turbid_ntu=zeros(), chlorine_fallen=zeros(), chlorine_left_mg_l=zeros(),
            battery=np.full(n, 0.9), uptime_s=np.full(n, 86_400.0),
        )  # fmt: skip

    def move(self, state: State, t_s: float, broken: Iterable[Broken], minutes: int = 1) -> Moved:
        """Move `state` on by the minutes that begin at `t_s` (whole minute), which lie in one UTC day."""
        first = self._at(t_s)
        if first + minutes > MINUTES:
            raise ValueError(f"{minutes} minutes from {t_s:.0f} on reach into the next UTC day")
        end_s = t_s + 60 * minutes
        struck = [one for one in broken if one.start_s < end_s and (one.end_s is None or one.end_s > t_s)]
        run = _Minutes(self, state, first, minutes)
        for begin, end in _pieces(t_s, minutes, struck):
            at_s = t_s + 60 * begin
            run.live(begin, end, self._effects(at_s, [one for one in struck if one.acts_at(at_s)]))
        return run.finish(t_s)

    def truth(self, moved: Moved, chosen: NDArray[np.integer] | None = None) -> Truth:
        """What is so at the end of each minute of the last move, or of `chosen` ones (k,) by their number in it."""
        if chosen is None:
            chosen = np.arange(len(moved.code))
        return self._truth(moved.rows(chosen), self.today.rows(moved.minute + chosen))

    def step(self, state: State, t_s: float, broken: Iterable[Broken]) -> Truth:
        """Move on by a minute and tell the whole truth after it, arrays (n,)."""
        truth = self.truth(self.move(state, t_s, broken))
        return Truth(*(getattr(truth, field.name)[0] for field in fields(Truth)))

    def depth_at_rest_m(self, day: date) -> FloatArray:
        """Where the water stands below ground when nobody has pumped, (n,): lowest in April and May."""
        static = self.static_m + SEASONAL_FALL_M * by_month(WATER_TABLE_M, day)
        return np.minimum(static, self.intake_m - 8.0)

    @property
    def today(self) -> _Day:
        """The weather, demand and habits of the day that was lived last."""
        return self._today

    def _truth(self, moved: Moved, sky: _Sky) -> Truth:
        level_m = moved.volume_m3 / self.size_m3 * self.full_m
        pump_w = np.minimum(self.pump.power_at(moved.speed, moved.inflow_m3_h), moved.offered_w)
        pump_w = np.where((moved.code == RUNNING), pump_w, 0.0)
        # Strings of some 310 V; open circuit is 1.22 times the working voltage, and what is not drawn lifts it there.
        used = np.divide(pump_w, moved.offered_w, out=np.zeros_like(pump_w), where=moved.offered_w > 1)
        lit = np.where(sky.sun > 20, 1.22 - 0.22 * used, sky.sun / 20)
        # The rising pipe goes over the tower's rim and down into the water: a check valve holds its column while the
        # pump stands; one that leaks lets it run, and the water of the tower after it (a siphon).
        rim_m = np.where(moved.backflow_m3_h > 0, level_m, 1.05 * self.full_m)
        riser_m = self.base_m + rim_m + self.pump.riser_loss_m(moved.inflow_m3_h)
        riser_m = riser_m + moved.clogged_after * self.pump.head_m * (moved.inflow_m3_h / self.pump.flow_m3_h) ** 2
        at_taps = np.maximum(0.0, moved.outflow_m3_h - moved.network_leak_m3_h)
        network_m = self.base_m + level_m - self.pipes.loss_m(at_taps, moved.network_leak_m3_h)
        has_pressure = (moved.served >= 1) & (moved.let_off_m3_h == 0)
        return Truth(
            irradiance_w_m2=sky.sun, cell_w_m2=sky.cell, module_c=sky.module, air_c=sky.air,
            pv_power_w=pump_w / CONTROLLER, pv_voltage_v=310 * (1 - 0.003 * (sky.module - 25)) * lit,
            pump_power_w=pump_w, speed_rpm=moved.speed * self.rpm0,
            inflow_m3_h=moved.inflow_m3_h, outflow_m3_h=moved.outflow_m3_h,
            metered_in_m3_h=moved.metered_in_m3_h, metered_out_m3_h=moved.metered_out_m3_h,
            wellhead_bar=COLUMN_BAR_M * riser_m,
            network_bar=np.where(has_pressure, np.maximum(0.0, COLUMN_BAR_M * network_m), 0.0),
            state_code=moved.code, depth_m=moved.depth_m, level_m=level_m,
            meter_in_m3=moved.meter_in_m3, meter_out_m3=moved.meter_out_m3, tap_m3=moved.tap_m3 * self.tap_factor,
            chlorine_mg_l=moved.chlorine_mg_l, turbidity_ntu=0.7 + moved.stirred_ntu + moved.turbid_ntu,
            battery=moved.battery, uptime_s=moved.uptime_s,
        )  # fmt: skip

    def _at(self, t_s: float) -> int:
        moment = datetime.fromtimestamp(t_s, UTC)
        if moment.date() != self._day:
            self._day = moment.date()
            self._begin_day(moment.date())
        return moment.hour * 60 + moment.minute

    def _begin_day(self, day: date) -> None:
        sun = self._sun.day(day)
        demand = self.demand.day(day, sun.rain_mm)
        habits = self._habits.day(day)
        clean_w = self.peak_w[:, None] * sun.irradiance_w_m2 / 1000 * (1 + PER_DEGREE * (sun.module_c - 25))
        self._today = _Day(
            clear=sun.clear_w_m2.T, sun=sun.irradiance_w_m2.T, cell=(sun.irradiance_w_m2 * sun.cell_sees[:, None]).T,
            module=sun.module_c.T, air=sun.air_c.T,
            array_w=(clean_w * (CABLES * CONTROLLER * (1 - sun.soiled[:, None]))).T,
            wanted=demand.wanted_m3_h.T, shares=demand.shares.transpose(1, 0, 2),
            is_stopped=habits.is_stopped.T, is_washed=habits.is_washed.T, is_drained=habits.is_drained.T,
            static_m=self.depth_at_rest_m(day), well_gives=1 - SEASONAL_LOSS * by_month(WATER_TABLE_M, day),
            dose_mg_l=0.52 + 0.05 * self._dose_of(day), soiled=sun.soiled,
        )  # fmt: skip

    def _dose_of(self, day: date) -> FloatArray:
        """How far a doser has drifted (1440, n): standard normal at midnights, straight lines between them."""
        midnights = normal(self._dose[:, None], day.toordinal() + np.arange(2)).T
        share = np.arange(MINUTES)[:, None] / MINUTES
        return np.asarray(midnights[0] * (1 - share) + midnights[1] * share)

    def _effects(self, t_s: float, acting: list[Broken]) -> Effects:
        """The effects of what acts, kept until that changes or, as some grow, for `PIECE_S`."""
        wanted = (t_s - t_s % PIECE_S if acting else None, *acting)
        if self._effects_for != wanted:
            self._effects_for = wanted
            self._kept = effects_at(t_s - t_s % PIECE_S, acting, index=self.index, taps=self.taps)
        return self._kept


@dataclass(frozen=True, slots=True)
class _Sky:
    """Sun and air of some minutes, (m, n)."""

    sun: FloatArray
    cell: FloatArray
    module: FloatArray
    air: FloatArray


@dataclass(frozen=True, slots=True)
class _Day:
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
    static_m: FloatArray  # (n,)
    well_gives: float  # share of its specific capacity that a well has in this season
    dose_mg_l: FloatArray  # of chlorine
    soiled: FloatArray  # (n,) share of the light that the season's dust takes

    def rows(self, chosen: NDArray[np.integer] | slice) -> _Sky:
        return _Sky(self.sun[chosen], self.cell[chosen], self.module[chosen], self.air[chosen])


class _Minutes:
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
        for counter, rate in (
            ("pumped_m3", "inflow_m3_h"), ("drawn_m3", "outflow_m3_h"),
            ("meter_in_m3", "metered_in_m3_h"), ("meter_out_m3", "metered_out_m3_h"),
        ):  # fmt: skip
            rows[counter] = _counted(getattr(s, counter), rows[rate] * DT_H)
            setattr(s, counter, rows[counter][-1].copy())
        s.spilled_m3 = _counted(s.spilled_m3, rows["spilled_m3"])[-1]
        s.leaked_m3 = _counted(s.leaked_m3, rows["tower_leak_m3_h"] * DT_H)[-1]
        s.let_off_m3 = _counted(s.let_off_m3, rows["let_off_m3_h"] * DT_H)[-1]
        s.ran_back_m3 = _counted(s.ran_back_m3, rows["backflow_m3_h"] * DT_H)[-1]
        rows["uptime_s"] = _counted(s.uptime_s, np.full_like(rows["code"], 60.0))
        s.uptime_s = rows["uptime_s"][-1].copy()
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


def _pieces(t_s: float, minutes: int, struck: Sequence[Broken]) -> list[tuple[int, int]]:
    """Minutes of a move in which effects do not change: whole when nothing is broken."""
    if not struck:
        return [(0, minutes)]
    edges = {0, minutes}
    edges |= {round((s - t_s) / 60) for s in np.arange(t_s - t_s % PIECE_S + PIECE_S, t_s + 60 * minutes, PIECE_S)}
    for one in struck:
        edges |= {int(np.ceil((s - t_s) / 60)) for s in (one.start_s, one.end_s) if s is not None and np.isfinite(s)}
    inside = sorted(edge for edge in edges if 0 <= edge <= minutes)
    return list(pairwise(inside))
