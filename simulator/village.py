"""The water and the energy of many zones at once, minute by minute: pure, seeded, with known truth.

State is arrays over zones (n,), taps over (n, most taps). A step moves water from borehole to tower to taps and keeps
the balance: what flowed in less what flowed out, leaked and spilled is what the tower holds more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gateway.model import Fault, PumpState
from gateway.zones import Zone
from simulator.faults import Broken
from simulator.sun import MINUTES, FloatArray, SunDay, day_rng, sun_day, zone_seed

DT_H = 1 / 60
LITRES_A_DAY = 9.0  # DOMAIN §3.1: 8 to 12 L per person and day at metered, paid communal taps
# DOMAIN §3.1: hourly demand in per cent; a smaller peak in the morning, a larger before dusk, nothing at night.
HOURLY = (0, 0, 0, 0, 0, 2, 8, 11, 9, 6, 4, 3, 3, 3, 4, 6, 10, 13, 11, 5, 2, 0, 0, 0)
SEASON = (1.0, 1.05, 1.15, 1.2, 1.1, 0.9, 0.8, 0.75, 0.8, 0.9, 0.95, 1.0)  # rain and springs take from the taps
WATER_TABLE_M = (0.3, 0.45, 0.65, 0.9, 1.0, 0.8, 0.5, 0.2, 0.0, 0.0, 0.1, 0.2)  # DOMAIN §2.4: lowest in April and May
SEASONAL_FALL_M = 6.0
SHUT_OFF_HEAD = 1.35  # of the rated head, at full speed and no flow
SHUT_OFF_POWER = 0.45  # of the rated power, at full speed and no flow: a radial multistage pump
CONTROLLER = 0.96  # power out over power in
WELL_FOLLOWS_H = 0.5  # time in which drawdown follows the flow
EXHAUSTED = 0.02  # of its capacity is what a well that runs dry still gives
OVERFLOW_AT = 1.02  # of the volume at the float's full level: where the overflow pipe is
DRY_STOP_MIN, DRY_RETRY_MIN = 3.0, 10.0  # Franklin Fhoton manual: stops after seconds, tries again after 10 min
TAP_FLOW_M3_H = 0.7  # 0.2 L/s at one tap (DOMAIN §3.1)
COLUMN_BAR_M = 0.0981


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


class Village:
    """Several zones that live together in time, each by itself."""

    def __init__(self, zones: Sequence[Zone], *, seed: int, clear_from: date | None = None) -> None:
        self.zones, self.seed, self._clear_from = list(zones), seed, clear_from

        def rating(asset: str, name: str) -> FloatArray:
            return np.array([zone.asset(asset).rating[name] for zone in zones])

        self.peak_w, self.strings = rating("pv", "peak_w"), rating("pv", "strings")
        self.flow0, self.head0 = rating("pump", "rated_flow_m3_h"), rating("pump", "rated_head_m")
        self.power0, self.rpm0 = rating("pump", "rated_power_w"), rating("pump", "max_speed_rpm")
        self.start_sun = rating("pump", "start_irradiance_w_m2")
        self.intake_m, self.static_m = rating("borehole", "pump_intake_m"), rating("borehole", "static_water_depth_m")
        self.capacity = rating("borehole", "specific_capacity_m3_h_m")
        self.size_m3, self.full_m = rating("tower", "volume_m3"), rating("tower", "full_level_m")
        self.base_m, self.start_m = rating("tower", "base_height_m"), rating("tower", "start_level_m")
        self.people = np.array([float(zone.people) for zone in zones])
        self.taps = max(1, *(len(zone.taps) for zone in zones))
        shares = [
            np.random.default_rng(zone_seed(z.zone_id, seed) & 0xFFFFFFFF).gamma(4, size=self.taps) for z in zones
        ]
        self.tap_share = np.array(shares)
        for row, zone in zip(self.tap_share, zones, strict=True):
            row[max(1, len(zone.taps)) :] = 0.0
        self.tap_share /= self.tap_share.sum(axis=1, keepdims=True)
        # Friction in the riser takes 5 % of the rated head at rated flow; the curve falls by 35 % of it until there.
        self.curve = (SHUT_OFF_HEAD - 1) * self.head0 / self.flow0**2
        self.friction = 0.05 * self.head0 / self.flow0**2
        self._day: date | None = None

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
        """Move `state` on by the minute that begins at `t_s` (whole minute) and tell what is so at its end."""
        minute = self._at(t_s)
        effects = self._effects(t_s, broken)
        sun, module_c = self._sun[:, minute], self._module[:, minute]
        depth_m = np.minimum(self._static + state.drawdown_m, self.intake_m)
        level_m = state.volume_m3 / self.size_m3 * self.full_m
        offered_w = self._offered_w(sun, module_c, effects["strings"]) * CONTROLLER
        wants, code = self._wants_to_run(state, sun, offered_w, level_m, effects)
        speed, inflow = self._pump(offered_w, depth_m, wants)
        starved = wants & (depth_m >= self.intake_m - 0.3)
        inflow = np.where(starved, 0.0, inflow)
        wet_w = self.power0 * speed**3 * (SHUT_OFF_POWER + (1 - SHUT_OFF_POWER) * inflow / self.flow0)
        pump_w = np.where(wants, np.minimum(wet_w, offered_w), 0.0)
        self._protect_from_dry(state, starved, wants)
        capacity = np.where(effects["dry"] > 0, EXHAUSTED * self.capacity, self.capacity)
        rest_m = np.maximum(inflow / capacity, effects["dry"])
        state.drawdown_m += (rest_m - state.drawdown_m) * DT_H / WELL_FOLLOWS_H
        state.drawdown_m = np.minimum(state.drawdown_m, self.intake_m - self._static)
        outflow, taps = self._serve(state, minute, effects)
        leak = np.minimum(effects["tower_leak"], np.maximum(0.0, state.volume_m3 / DT_H + inflow - outflow))
        volume = state.volume_m3 + (inflow - outflow - leak) * DT_H
        spilled = np.maximum(0.0, volume - OVERFLOW_AT * self.size_m3)
        state.volume_m3 = np.maximum(0.0, volume - spilled)
        state.pumped_m3 += inflow * DT_H
        state.drawn_m3 += outflow * DT_H
        state.leaked_m3 += leak * DT_H
        state.spilled_m3 += spilled
        state.tap_m3 += taps * DT_H
        self._gateway(state, sun, effects)
        return self._truth(state, minute, sun, module_c, pump_w, offered_w, speed, inflow, outflow, code)

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

    def _effects(self, t_s: float, broken: Iterable[Broken]) -> dict[str, FloatArray]:
        n = len(self.zones)
        names = (
            "stopped",
            "tripped",
            "float_full",
            "float_open",
            "tower_leak",
            "net_leak",
            "tap_open",
            "battery",
            "dry",
        )
        effects = {name: np.zeros(n) for name in names}
        effects["strings"] = np.ones(n)
        for fault in broken:
            if not fault.acts_at(t_s):
                continue
            at = next((i for i, zone in enumerate(self.zones) if zone.zone_id == fault.zone), None)
            if at is None:
                continue
            match fault.fault:
                case Fault.PUMP_NOT_RUNNING:
                    effects["stopped"][at] = 1
                case Fault.INVERTER_TRIP:
                    effects["tripped"][at] = 1
                case Fault.FLOAT_STUCK_FULL:
                    effects["float_full"][at] = 1
                case Fault.TOWER_OVERFLOW:
                    effects["float_open"][at] = 1
                case Fault.DRY_RUNNING:
                    effects["dry"][at] = self.intake_m[at] - self._static[at] - fault.amount  # m of water are left
                case Fault.TOWER_LEAK:
                    effects["tower_leak"][at] += fault.amount  # m³/h
                case Fault.NIGHT_LEAK | Fault.PIPE_BURST:
                    effects["net_leak"][at] += fault.amount  # m³/h
                case Fault.TAP_LEFT_OPEN:
                    effects["tap_open"][at] += fault.amount  # m³/h at the first tap
                case Fault.PV_STRING_LOSS:
                    effects["strings"][at] = 1 - 1 / self.strings[at]
                case Fault.GATEWAY_BATTERY_LOW:
                    effects["battery"][at] = fault.amount  # of its charge an hour
        return effects

    def _offered_w(self, sun: FloatArray, module_c: FloatArray, strings: FloatArray) -> FloatArray:
        """Largest power of the array [W]: nameplate, -0.4 % per °C above 25 °C, 7 % for cables, dust and mismatch."""
        return self.peak_w * sun / 1000 * (1 - 0.004 * (module_c - 25)) * 0.93 * strings

    def _wants_to_run(
        self, state: State, sun: FloatArray, offered_w: FloatArray, level_m: FloatArray, effects: dict[str, FloatArray]
    ) -> tuple[NDArray[np.bool_], FloatArray]:
        float_works = effects["float_open"] == 0
        state.is_full_stop = (state.is_full_stop & (level_m >= self.start_m)) | (level_m >= self.full_m)
        full = (state.is_full_stop & float_works) | (effects["float_full"] > 0)
        enough_sun = (sun >= self.start_sun) & (offered_w >= 0.3 * self.power0)
        code = np.full(len(sun), float(PumpState.RUNNING))
        code = np.where(~enough_sun, PumpState.STOPPED_LOW_SUN, code)
        code = np.where(full, PumpState.STOPPED_TOWER_FULL, code)
        code = np.where(state.retry_min > 0, PumpState.STOPPED_DRY, code)
        code = np.where(
            effects["stopped"] > 0, np.where(enough_sun, PumpState.STARTING, PumpState.STOPPED_LOW_SUN), code
        )
        code = np.where(effects["tripped"] > 0, PumpState.TRIPPED, code)
        return code == PumpState.RUNNING, code.astype(np.float64)

    def _pump(
        self, offered_w: FloatArray, depth_m: FloatArray, wants: NDArray[np.bool_]
    ) -> tuple[FloatArray, FloatArray]:
        """Speed (share of full) and flow [m³/h] where the power meets the head.

        Affinity laws: head at a speed is the curve's head times its square, power times its cube. The speed is found by
        five rounds of substitution, which settles to well under a per cent.
        """
        lift_m = depth_m + self.base_m + self.full_m
        flow = 0.5 * self.flow0
        share = np.minimum(offered_w / self.power0, 1.0)
        for _ in range(5):
            speed = np.minimum(1.0, np.cbrt(share / (SHUT_OFF_POWER + (1 - SHUT_OFF_POWER) * flow / self.flow0)))
            surplus_m = np.maximum(0.0, SHUT_OFF_HEAD * self.head0 * speed**2 - lift_m)
            flow = np.sqrt(surplus_m / (self.curve + self.friction))
        return np.where(wants, speed, 0.0), np.where(wants, flow, 0.0)

    def _protect_from_dry(self, state: State, starved: NDArray[np.bool_], wants: NDArray[np.bool_]) -> None:
        state.dry_min = np.where(starved, state.dry_min + 1, 0.0)
        stops = state.dry_min >= DRY_STOP_MIN
        state.retry_min = np.where(stops, DRY_RETRY_MIN, np.maximum(0.0, state.retry_min - 1))
        state.dry_min = np.where(stops, 0.0, state.dry_min)

    def _serve(self, state: State, minute: int, effects: dict[str, FloatArray]) -> tuple[FloatArray, FloatArray]:
        """Outflow of the tower [m³/h] and of each tap; who finds no water waits, and half of it comes back."""
        fetch_back = np.where(
            HOURLY[minute // 60] > 0, np.minimum(state.waiting_m3 / 1.0, 0.8 * self._demand[:, minute]), 0.0
        )
        wanted_taps = (self._demand[:, minute] + fetch_back)[:, None] * self.tap_share
        wanted_taps[:, 0] += effects["tap_open"]
        wanted = wanted_taps.sum(axis=1) + effects["net_leak"]
        there = np.maximum(0.0, state.volume_m3 - 0.005 * self.size_m3) / DT_H
        served = np.where(wanted > 0, np.minimum(1.0, there / np.maximum(wanted, 1e-9)), 1.0)
        missed = (1 - served) * self._demand[:, minute] * DT_H * 0.5
        state.waiting_m3 = np.maximum(0.0, state.waiting_m3 - fetch_back * served * DT_H) * 0.999 + missed
        return wanted * served, wanted_taps * served[:, None]

    def _gateway(self, state: State, sun: FloatArray, effects: dict[str, FloatArray]) -> None:
        charge = np.where(effects["battery"] > 0, -effects["battery"], np.where(sun > 150, 0.12, -0.012))
        state.battery = np.clip(state.battery + charge * DT_H, 0.02, 1.0)
        state.uptime_s += 60.0
        state.credit_gnf -= 0.5
        state.credit_gnf = np.where(state.credit_gnf < 2000, 30_000.0, state.credit_gnf)

    def _truth(
        self,
        state: State,
        minute: int,
        sun: FloatArray,
        module_c: FloatArray,
        pump_w: FloatArray,
        offered_w: FloatArray,
        speed: FloatArray,
        inflow: FloatArray,
        outflow: FloatArray,
        code: FloatArray,
    ) -> Truth:
        level_m = state.volume_m3 / self.size_m3 * self.full_m
        lift_m = self.base_m + np.maximum(level_m, 0.9 * self.full_m)
        # Strings of some 310 V; open circuit is 1.22 times the working voltage, and what is not drawn lifts it there.
        warm = 1 - 0.003 * (module_c - 25)
        used = np.divide(pump_w, offered_w, out=np.zeros_like(pump_w), where=offered_w > 1)
        voltage = np.where(sun > 20, 310 * warm * (1.22 - 0.22 * used), 310 * warm * sun / 20)
        return Truth(
            irradiance_w_m2=sun, module_c=module_c, air_c=self._air[:, minute],
            pv_power_w=pump_w / CONTROLLER, pv_voltage_v=voltage, pump_power_w=pump_w,
            speed_rpm=speed * self.rpm0, inflow_m3_h=inflow, outflow_m3_h=outflow,
            wellhead_bar=COLUMN_BAR_M * (lift_m + self.friction * inflow**2),
            network_bar=np.maximum(0.0, COLUMN_BAR_M * (self.base_m + level_m - 0.35 * outflow**1.85)),
            state_code=code, depth_m=np.minimum(self._static + state.drawdown_m, self.intake_m), level_m=level_m,
        )  # fmt: skip


def whole_minutes(start: datetime, end: datetime) -> Iterable[float]:
    """The beginnings of the minutes in [start, end) [s since 1970-01-01 UTC]."""
    minute = start.replace(second=0, microsecond=0)
    while minute < end:
        yield minute.timestamp()
        minute += timedelta(minutes=1)
