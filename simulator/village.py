"""The water and the energy of many zones at once, minute by minute: pure, seeded, with known truth.

State is arrays over zones (n,), taps over (n, most taps). A step moves water from borehole to tower to taps and keeps
the balance: what flowed in less what flowed out, leaked and spilled is what the tower holds more. Chance belongs to a
zone and a day (`simulator.sun.day_rng`), so a step does not depend on which other zones live beside, nor on the pieces
in which a time is simulated.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.model import PumpState
from gateway.zones import Zone
from simulator.effects import Effects, effects_at
from simulator.errors import SimulatorError
from simulator.faults import Broken
from simulator.pump import Pump
from simulator.sun import MINUTES, FloatArray, SunDay, day_rng, sun_day, zone_seed

DT_H = 1 / 60
LITRES_A_DAY = 9.0  # DOMAIN §3.1: 8 to 12 L per person and day at metered, paid communal taps
# DOMAIN §3.1: hourly demand in per cent; a smaller peak in the morning, a larger before dusk, nothing at night.
HOURLY = (0, 0, 0, 0, 0, 2, 8, 11, 9, 6, 4, 3, 3, 3, 4, 6, 10, 13, 11, 5, 2, 0, 0, 0)
SEASON = (1.0, 1.05, 1.15, 1.2, 1.1, 0.9, 0.8, 0.75, 0.8, 0.9, 0.95, 1.0)  # rain and springs take from the taps
WATER_TABLE_M = (0.3, 0.45, 0.65, 0.9, 1.0, 0.8, 0.5, 0.2, 0.0, 0.0, 0.1, 0.2)  # DOMAIN §2.4: lowest in April and May
SEASONAL_FALL_M = 6.0
CONTROLLER = 0.96  # power out over power in
STARTS_AT = 0.3  # of the rated power must be there for a controller to start the motor
WELL_FOLLOWS_H = 0.5  # time in which drawdown follows the flow
EXHAUSTED = 0.02  # of its capacity is what a well that runs dry still gives
STARVED_M = 0.3  # of water above the intake and less: the pump draws air
OVERFLOW_AT = 1.02  # of the volume at the float's full level: where the overflow pipe is
DEAD_SHARE = 0.005  # of the tower's volume lies below its outlet
DRY_STOP_MIN, DRY_RETRY_MIN = 3.0, 10.0  # Franklin Fhoton manual: stops after seconds, tries again after 10 min
COLUMN_BAR_M = 0.0981
NETWORK_LOSS_M = 0.35  # at 1 m³/h; Hazen and Williams: with the flow to the power of 1.85
GIVES_UP, COMES_BACK = 0.5, 0.8  # of missed water is not fetched later; most that a queue adds to the usual demand
NEEDED = ("pv", "pump", "borehole", "tower")

STOPPED_LOW_SUN, RUNNING = float(PumpState.STOPPED_LOW_SUN), float(PumpState.RUNNING)
STOPPED_TOWER_FULL, STOPPED_DRY = float(PumpState.STOPPED_TOWER_FULL), float(PumpState.STOPPED_DRY)
TRIPPED, STARTING = float(PumpState.TRIPPED), float(PumpState.STARTING)


@dataclass(slots=True)
class State:
    """All that a zone remembers; arrays over zones, counters never go back."""

    volume_m3: FloatArray
    drawdown_m: FloatArray
    is_full_stop: NDArray[np.bool_]
    dry_min: FloatArray
    retry_min: FloatArray
    pumped_m3: FloatArray
    drawn_m3: FloatArray
    spilled_m3: FloatArray
    leaked_m3: FloatArray
    waiting_m3: FloatArray  # what people could not fetch and come back for
    tap_m3: FloatArray  # (n, taps)
    battery: FloatArray  # charge, 0 to 1
    uptime_s: FloatArray
    credit_gnf: FloatArray

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
    """What is really so after a step; arrays over zones (n,), units in the names."""

    irradiance_w_m2: FloatArray
    module_c: FloatArray
    air_c: FloatArray
    pv_power_w: FloatArray
    pv_voltage_v: FloatArray
    pump_power_w: FloatArray
    speed_rpm: FloatArray
    inflow_m3_h: FloatArray
    outflow_m3_h: FloatArray
    wellhead_bar: FloatArray
    network_bar: FloatArray
    state_code: FloatArray
    depth_m: FloatArray
    level_m: FloatArray


@dataclass(frozen=True, slots=True)
class Moved:
    """What a step did; the rest of the truth follows from it and the state after it. Arrays over zones (n,)."""

    minute: int
    offered_w: FloatArray
    pump_w: FloatArray
    speed: FloatArray
    inflow_m3_h: FloatArray
    outflow_m3_h: FloatArray
    is_served: NDArray[np.bool_]  # the tower gave all that was asked for
    code: FloatArray


class Village:
    """Several zones that live together in time, each by itself."""

    def __init__(self, zones: Sequence[Zone], *, seed: int, clear_from: date | None = None) -> None:
        self.zones, self.seed, self._clear_from = list(zones), seed, clear_from
        for zone in zones:
            if missing := [name for name in NEEDED if all(a.asset_id != name for a in zone.assets)]:
                raise SimulatorError(f"{zone.zone_id}: cannot be simulated without {', '.join(missing)}")

        def rating(asset: str, name: str) -> FloatArray:
            return np.array([zone.asset(asset).rating[name] for zone in zones])

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
        self.taps = max(1, *(len(zone.taps) for zone in zones))
        self.tap_share = np.array(
            [day_rng(zone_seed(zone.zone_id, seed), date.min, 5).gamma(4, size=self.taps) for zone in zones]
        )
        for row, zone in zip(self.tap_share, zones, strict=True):
            row[max(1, len(zone.taps)) :] = 0.0
        self.tap_share /= self.tap_share.sum(axis=1, keepdims=True)
        self._index: dict[str, int] = {zone.zone_id: at for at, zone in enumerate(zones)}
        self._day: date | None = None
        self._effects_for: tuple[object, ...] = ()

    def first_state(self) -> State:
        """Towers half full, wells at rest, counters where an old meter may stand."""
        n = len(self.zones)
        zeros = np.zeros(n)
        return State(
            volume_m3=0.55 * self.size_m3, drawdown_m=zeros.copy(), is_full_stop=np.zeros(n, dtype=bool),
            dry_min=zeros.copy(), retry_min=zeros.copy(),
            pumped_m3=1000.0 + 10 * self.people, drawn_m3=900.0 + 10 * self.people,
            spilled_m3=zeros.copy(), leaked_m3=zeros.copy(), waiting_m3=zeros.copy(),
            tap_m3=50.0 + 500 * self.tap_share, battery=np.full(n, 0.9), uptime_s=np.full(n, 86_400.0),
            credit_gnf=np.full(n, 25_000.0),
        )  # fmt: skip

    def step(self, state: State, t_s: float, broken: Iterable[Broken]) -> Truth:
        """`move`, and the whole truth after it."""
        return self.truth(state, self.move(state, t_s, broken))

    def move(self, state: State, t_s: float, broken: Iterable[Broken]) -> Moved:
        """Move `state` on by the minute that begins at `t_s` (whole minute) [s since 1970-01-01 UTC]."""
        minute = self._at(t_s)
        effects = self._effects(t_s, [fault for fault in broken if fault.acts_at(t_s)])
        offered_w, code, speed, inflow = self._pump_water(state, minute, effects)
        pump_w = np.minimum(self.pump.power_at(speed, inflow), offered_w)
        outflow, taps, is_served = self._serve(state, minute, effects)
        leak = np.minimum(effects.tower_leak_m3_h, np.maximum(0.0, state.volume_m3 / DT_H + inflow - outflow))
        volume = state.volume_m3 + (inflow - outflow - leak) * DT_H
        spilled = np.maximum(0.0, volume - OVERFLOW_AT * self.size_m3)
        state.volume_m3 = np.maximum(0.0, volume - spilled)
        state.pumped_m3 += inflow * DT_H
        state.drawn_m3 += outflow * DT_H
        state.leaked_m3 += leak * DT_H
        state.spilled_m3 += spilled
        state.tap_m3 += taps * DT_H
        self._gateway(state, minute, effects)
        return Moved(minute, offered_w, pump_w, speed, inflow, outflow, is_served, code)

    def truth(self, state: State, moved: Moved) -> Truth:
        """What is so at the end of the step that led to `state`."""
        sun, module_c = self._sun[:, moved.minute], self._module[:, moved.minute]
        level_m = state.volume_m3 / self.size_m3 * self.full_m
        # Strings of some 310 V; open circuit is 1.22 times the working voltage, and what is not drawn lifts it there.
        used = np.divide(moved.pump_w, moved.offered_w, out=np.zeros_like(moved.pump_w), where=moved.offered_w > 1)
        voltage = 310 * (1 - 0.003 * (module_c - 25)) * np.where(sun > 20, 1.22 - 0.22 * used, sun / 20)
        # The riser ends near the top of the tower; a check valve holds its column while the pump stands.
        riser_m = self.base_m + np.maximum(level_m, 0.9 * self.full_m) + self.pump.riser_loss_m(moved.inflow_m3_h)
        network_m = self.base_m + level_m - NETWORK_LOSS_M * moved.outflow_m3_h**1.85
        return Truth(
            irradiance_w_m2=sun, module_c=module_c, air_c=self._air[:, moved.minute],
            pv_power_w=moved.pump_w / CONTROLLER, pv_voltage_v=voltage, pump_power_w=moved.pump_w,
            speed_rpm=moved.speed * self.rpm0, inflow_m3_h=moved.inflow_m3_h, outflow_m3_h=moved.outflow_m3_h,
            wellhead_bar=COLUMN_BAR_M * riser_m,
            network_bar=np.where(moved.is_served, np.maximum(0.0, COLUMN_BAR_M * network_m), 0.0),
            state_code=moved.code, depth_m=np.minimum(self._static + state.drawdown_m, self.intake_m), level_m=level_m,
        )  # fmt: skip

    def _at(self, t_s: float) -> int:
        moment = datetime.fromtimestamp(t_s, UTC)
        if moment.date() != self._day:
            self._day = moment.date()
            self._begin_day(moment.date())
        return moment.hour * 60 + moment.minute

    def _begin_day(self, day: date) -> None:
        clear = self._clear_from is not None and day >= self._clear_from
        suns: list[SunDay] = [sun_day(zone, day, seed=self.seed, is_clear=clear) for zone in self.zones]
        self._sun = np.array([sun.irradiance_w_m2 for sun in suns])
        self._module = np.array([sun.module_c for sun in suns])
        self._air = np.array([sun.air_c for sun in suns])
        # Nameplate power, -0.4 % per °C above 25 °C, 7 % for cables, usual dust and mismatch; then the controller.
        self._array_w = self.peak_w[:, None] * self._sun / 1000 * (1 - 0.004 * (self._module - 25)) * 0.93 * CONTROLLER
        self._static = self.static_m + SEASONAL_FALL_M * WATER_TABLE_M[day.month - 1]
        self._static = np.minimum(self._static, self.intake_m - 8.0)
        hour = np.arange(MINUTES) / 60
        weights = np.interp(hour, np.arange(25), [*HOURLY, HOURLY[0]])
        weights /= weights.sum()
        market = 1.15 if day.weekday() == 2 else 0.95 if day.weekday() == 4 else 1.0
        self._demand = np.empty((len(self.zones), MINUTES))
        for n, zone in enumerate(self.zones):
            rng = day_rng(zone_seed(zone.zone_id, self.seed), day, 4)
            daily_m3 = self.people[n] * LITRES_A_DAY / 1000 * SEASON[day.month - 1] * market * rng.normal(1.0, 0.06)
            fetching = np.repeat(rng.gamma(6.0, 1 / 6.0, size=MINUTES // 5), 5)
            self._demand[n] = daily_m3 * weights * fetching * 60  # m³/h

    def _effects(self, t_s: float, acting: list[Broken]) -> Effects:
        """The effects of what acts, kept until that changes or, as some grow, for a quarter of an hour."""
        quarter_s = t_s - t_s % 900
        if self._effects_for != (quarter_s, *acting):
            self._effects_for = (quarter_s, *acting)
            self._kept = effects_at(quarter_s, acting, index=self._index, strings=self.strings)
        return self._kept

    def _pump_water(
        self, state: State, minute: int, effects: Effects
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """Power offered to the motor [W], state code, share of full speed and flow [m³/h]; the well follows."""
        sun, offered_w = self._sun[:, minute], self._array_w[:, minute] * effects.array_share
        code = self._state_code(state, sun, offered_w, effects)
        wants = code == RUNNING
        lowest_m = self.intake_m - self._static
        if wants.any():
            lift_m = np.minimum(self._static + state.drawdown_m, self.intake_m) + self.base_m + self.full_m
            speed, flow = self.pump.operating_point(offered_w, lift_m)
            starved = wants & (state.drawdown_m >= lowest_m - STARVED_M)
            speed, inflow = np.where(wants, speed, 0.0), np.where(wants & ~starved, flow, 0.0)
        else:
            starved = wants
            speed, inflow = np.zeros_like(sun), np.zeros_like(sun)
        state.dry_min = np.where(starved, state.dry_min + 1, 0.0)
        stops = state.dry_min >= DRY_STOP_MIN
        state.retry_min = np.where(stops, DRY_RETRY_MIN, np.maximum(0.0, state.retry_min - 1))
        state.dry_min[stops] = 0.0
        is_dry = np.isfinite(effects.dry_water_m)
        rest_m = inflow / np.where(is_dry, EXHAUSTED * self.capacity, self.capacity)
        rest_m = np.fmax(rest_m, lowest_m - effects.dry_water_m)
        drawdown_m = state.drawdown_m + (rest_m - state.drawdown_m) * (DT_H / WELL_FOLLOWS_H)
        state.drawdown_m = np.minimum(drawdown_m, lowest_m)
        return offered_w, code, speed, inflow

    def _state_code(self, state: State, sun: FloatArray, offered_w: FloatArray, effects: Effects) -> FloatArray:
        """What the controller says, which is also why the pump stands. The float keeps the state of the level."""
        level_m = state.volume_m3 / self.size_m3 * self.full_m
        state.is_full_stop = (state.is_full_stop & (level_m >= self.start_m)) | (level_m >= self.full_m)
        full = (state.is_full_stop & ~effects.float_says_room) | effects.float_says_full
        enough_sun = (sun >= self.start_sun) & (offered_w >= STARTS_AT * self.pump.power_w)
        code = np.where(enough_sun, RUNNING, STOPPED_LOW_SUN)
        code[full] = STOPPED_TOWER_FULL
        code[state.retry_min > 0] = STOPPED_DRY
        no_power = effects.has_no_power
        code[no_power] = np.where(enough_sun[no_power], STARTING, STOPPED_LOW_SUN)
        code[effects.has_tripped] = TRIPPED
        return code

    def _serve(self, state: State, minute: int, effects: Effects) -> tuple[FloatArray, FloatArray, NDArray[np.bool_]]:
        """Outflow of the tower and of each tap [m³/h]; who finds no water waits, and half of it comes back."""
        demand = self._demand[:, minute]
        fetch_back = np.minimum(state.waiting_m3, COMES_BACK * demand) if HOURLY[minute // 60] > 0 else 0.0 * demand
        wanted_taps = (demand + fetch_back)[:, None] * self.tap_share
        wanted_taps[:, 0] += effects.tap_open_m3_h
        wanted = wanted_taps.sum(axis=1) + effects.network_leak_m3_h
        there = np.maximum(0.0, state.volume_m3 - DEAD_SHARE * self.size_m3) / DT_H
        served = np.minimum(1.0, there / np.maximum(wanted, 1e-9))
        missed = (1 - served) * demand * (DT_H * GIVES_UP)
        state.waiting_m3 = np.maximum(0.0, state.waiting_m3 - fetch_back * served * DT_H) * 0.999 + missed
        return wanted * served, wanted_taps * served[:, None], served >= 1.0

    def _gateway(self, state: State, minute: int, effects: Effects) -> None:
        drain = effects.battery_drain_per_h
        charge = np.where(drain > 0, -drain, np.where(self._sun[:, minute] > 150, 0.12, -0.012))
        state.battery = np.minimum(1.0, np.maximum(0.02, state.battery + charge * DT_H))
        state.uptime_s += 60.0
        state.credit_gnf -= 0.5
        state.credit_gnf[state.credit_gnf < 2000] = 30_000.0


def whole_minutes(start: datetime, end: datetime) -> Iterable[float]:
    """The beginnings of the minutes in [start, end) [s since 1970-01-01 UTC]."""
    minute = start.replace(second=0, microsecond=0)
    while minute < end:
        yield minute.timestamp()
        minute += timedelta(minutes=1)
