"""The water and the energy of many zones at once, minute by minute: pure, seeded, with known truth.

State is arrays over zones (n,), taps over (n, most taps). A step moves water from borehole to tower to taps and keeps
the balance: what flowed in less what flowed out, leaked, spilled, was let off and ran back is what the tower holds
more. Chance belongs to a zone and a day, so a step does not depend on which other zones live beside, nor on the pieces
in which a time is simulated.

Only what one minute needs of the last is computed minute by minute (`minutes.py`); the rest (pressures, voltages,
counters, taps) follows for many minutes at once. History and live run are the same code, in pieces of hours and of one
minute.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import UTC, date, datetime

import numpy as np
from numpy.typing import NDArray

from gateway.zones import Zone
from simulator.calendar import by_month
from simulator.chance import FloatArray, keys, normal, uniform
from simulator.demand import TAP_MOST_M3_H, Demand
from simulator.effects import PIECE_S, Effects, effects_at
from simulator.errors import SimulatorError
from simulator.faults import Broken
from simulator.habits import Habits
from simulator.minutes import Day, Minutes, Sky, pieces
from simulator.pipes import Pipes
from simulator.pump import Pump
from simulator.state import RUNNING, BoolArray, Moved, State, Truth
from simulator.sun import MINUTES, Sun

WATER_TABLE_M = (0.3, 0.45, 0.65, 0.9, 1.0, 0.8, 0.5, 0.2, 0.0, 0.0, 0.1, 0.2)  # DOMAIN §2.4: lowest in April and May
SEASONAL_FALL_M = 6.0
SEASONAL_LOSS = 0.3  # of the specific capacity when the water is lowest: cracks fall dry (assumption)
CONTROLLER = 0.96  # power out over power in (DOMAIN §3.1: 95 to 98 %)
CABLES = 0.95  # of the modules' power is left after cables and mismatch
PER_DEGREE = -0.004  # of the modules' power, above 25 °C
COLUMN_BAR_M = 0.0981
AT_ONCE = 0.8  # of the taps can run at once
OLD_JOINTS = 0.06  # of a usual day's water, at most, leaves through joints that nobody will mend (assumption)
NEEDED = ("pv", "pump", "borehole", "tower")


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
            prepaid_s=np.full(n, 86_400.0),
        )  # fmt: skip

    def move(self, state: State, t_s: float, broken: Iterable[Broken], minutes: int = 1) -> Moved:
        """Move `state` on by the minutes that begin at `t_s` (whole minute), which lie in one UTC day."""
        first = self._at(t_s)
        if first + minutes > MINUTES:
            raise ValueError(f"{minutes} minutes from {t_s:.0f} on reach into the next UTC day")
        end_s = t_s + 60 * minutes
        struck = [one for one in broken if one.start_s < end_s and (one.end_s is None or one.end_s > t_s)]
        run = Minutes(self, state, first, minutes)
        for begin, end in pieces(t_s, minutes, struck):
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

    def rain_mm(self, start_s: FloatArray, end_s: FloatArray) -> FloatArray:
        """What fell between each two moments (k,) [s since 1970-01-01 UTC], (k, n)."""
        return self._sun.weather.fallen_mm(start_s, end_s)

    @property
    def today(self) -> Day:
        """The weather, demand and habits of the day that was lived last."""
        return self._today

    def _truth(self, moved: Moved, sky: Sky) -> Truth:
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
            battery=moved.battery, uptime_s=moved.uptime_s, prepaid_s=moved.prepaid_s,
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
        self._today = Day(
            clear=sun.clear_w_m2.T, sun=sun.irradiance_w_m2.T, cell=(sun.irradiance_w_m2 * sun.cell_sees[:, None]).T,
            module=sun.module_c.T, air=sun.air_c.T,
            array_w=(clean_w * (CABLES * CONTROLLER * (1 - sun.soiled[:, None]))).T,
            wanted=demand.wanted_m3_h.T, shares=demand.shares.transpose(1, 0, 2),
            is_stopped=habits.is_stopped.T, is_washed=habits.is_washed.T, is_drained=habits.is_drained.T,
            is_new_meter=habits.is_new_meter.transpose(1, 0, 2),
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
            self._kept = effects_at(t_s - t_s % PIECE_S, acting, index=self.index, taps=self.taps, seed=self.seed)
        return self._kept
