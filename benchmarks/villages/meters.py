"""What instruments make of the truth: read now and then, in steps, with noise and offsets, in pulses, and broken."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from benchmarks.villages.chance import rng_for
from benchmarks.villages.faults import Strike
from benchmarks.villages.forces import GROWS_MIN, MAIN, Forces
from benchmarks.villages.people import People
from benchmarks.villages.span import DAY_MIN, BoolArray, Float32Array, FloatArray, IntArray, Span, by_minute
from benchmarks.villages.village import (
    CHLORINE,
    DEPTH,
    FLOW,
    FLOW_VOLUME,
    LEVEL,
    NETWORK,
    OUTFLOW,
    OUTFLOW_VOLUME,
    STATE_CODE,
    SUN,
    TAP_METERS,
    TURBIDITY,
    Controller,
    Village,
)  # fmt: skip
from benchmarks.villages.works import FALL_M, SPOUT_M, Lived
from gateway.model import Fault, PumpState

BAR_M = 0.0981  # a metre of water
PULSES_M3 = (0.001, 0.01, 0.01, 0.1)
GAIN = 0.012  # between two instruments of a kind
EXCHANGED = 0.15  # of the counters are exchanged in a season
MAKER_CODES = (7, 90)  # numbers of faults that are none of our canonical codes
LEVEL_OFFSET_M, ECHO_M = 0.04, 0.015  # of a sensor; of an ultrasonic one from night to day
SENSOR_FAULTS = (Fault.SENSOR_STUCK, Fault.SENSOR_DRIFT, Fault.SENSOR_SPIKES, Fault.SENSOR_OUT_OF_RANGE)
COUNTER_OF = {FLOW: FLOW_VOLUME, OUTFLOW: OUTFLOW_VOLUME}
WELL_SPAN_M = 15.0


class Instrument(NamedTuple):
    """Noise as a share of the value and absolute, steps of which a village's sensor has one, and whether it is never
    negative."""

    share: float
    absolute: float
    steps: tuple[float, ...]
    from_zero: bool = False
    gain: float = GAIN
    at_rest: bool = False  # gives exactly nothing where there is nothing


INSTRUMENTS: Mapping[str, Instrument] = {
    SUN: Instrument(0.006, 1, (1, 2, 5), from_zero=True),
    "pv/module_temp_c": Instrument(0.003, 0.2, (0.1,)),
    "pv/voltage_v": Instrument(0.003, 0.1, (0.1,)),
    "pv/current_a": Instrument(0.004, 0.01, (0.01,), at_rest=True),
    "pv/power_w": Instrument(0.006, 1, (1,), from_zero=True),
    "pump/power_w": Instrument(0.006, 1, (1,), from_zero=True),
    "pump/speed_rpm": Instrument(0, 0, (15,), gain=0),
    FLOW: Instrument(0.008, 0.01, (0.01, 0.02, 0.05), from_zero=True, at_rest=True),
    "pump/pressure_bar": Instrument(0.004, 0.008, (0.005, 0.01, 0.02)),
    STATE_CODE: Instrument(0, 0, (1,), gain=0),
    DEPTH: Instrument(0.0005, 0.02, (0.01, 0.02, 0.05)),
    LEVEL: Instrument(0.001, 0.004, (0.002, 0.005, 0.01, 0.02)),
    OUTFLOW: Instrument(0.008, 0.003, (0.01, 0.02, 0.05), from_zero=True, at_rest=True),
    NETWORK: Instrument(0.004, 0.008, (0.005, 0.01, 0.02), from_zero=True),
    "gateway/battery_v": Instrument(0, 0.03, (0.01,), gain=0),
    "gateway/signal_dbm": Instrument(0, 3, (1,), gain=0),
    "gateway/temp_c": Instrument(0.002, 0.3, (0.1,)),
    "gateway/credit_gnf": Instrument(0, 0, (1,), gain=0),
    CHLORINE: Instrument(0, 0.012, (0.01,), from_zero=True, gain=0),
    TURBIDITY: Instrument(0, 0.12, (0.01,), from_zero=True, gain=0),
    "quality/conductivity_us_cm": Instrument(0, 3, (1,), gain=0),
}


@dataclass(frozen=True, slots=True)
class Season:
    """All that was true of the villages."""

    seed: int
    span: Span
    villages: Sequence[Village]
    people: People
    forces: Forces
    lived: Lived
    strikes: Sequence[Strike]


@dataclass(frozen=True, slots=True)
class Series:
    """Readings of one channel: minute (k,) of the season and value (k,) in the canonical unit."""

    asset: str
    channel: str
    minute: IntArray
    value: FloatArray


def series_of(name: str, minute: IntArray, value: FloatArray) -> Series:
    """Readings of the channel `asset/channel`."""
    asset, channel = name.split("/")
    return Series(asset, channel, minute, value)


class Meters:
    """The instruments of one village."""

    def __init__(self, season: Season, row: int, *, noise: float = 1.0) -> None:
        self._season, self._row, self._noise = season, row, noise
        self._village = season.villages[row]
        self._strikes = [one for one in season.strikes if one.row == row]
        every = self._village.interval_s // 60
        self.minute = np.arange(int(self._rng("phase").integers(every)), season.span.minutes, every)
        self.seen: dict[Strike, int] = {}
        """When the readings of a broken sensor, box or quality of water first differ from sound ones."""

    def read(self) -> list[Series]:
        """All readings that the sensors of the village would give a box that always works."""
        found = [self._channel(name, true) for name, true in self._truths().items() if name in self._village.channels]
        found += [self._counter(name, flow) for name, flow in self._counted().items() if name in self._village.channels]
        if TAP_METERS in self._village.channels:
            found += self._tap_meters()
        return found

    def _rng(self, about: str) -> np.random.Generator:
        return rng_for(self._season.seed, "meters", self._village.number, about)

    def _of(self, values: Float32Array) -> FloatArray:
        """Of (minutes, villages) what is there when the box reads."""
        return np.asarray(values[self.minute, self._row], dtype=np.float64)

    def _is(self, so: BoolArray) -> BoolArray:
        """The same for what is so or not."""
        return np.asarray(so[self.minute, self._row])

    def _truths(self) -> dict[str, FloatArray]:
        v, lived, forces, k = self._village, self._season.lived, self._season.forces, len(self.minute)
        sun, runs = self._of(forces.sun_w_m2), self._is(lived.runs)
        tries = self._is(forces.tries)
        pump_w = np.where(tries, 0.06 * v.power_w, self._of(lived.power_w))
        pv_w = pump_w / 0.95
        volts = self._volts(sun, pump_w > 0)
        day = self.minute // DAY_MIN
        return {
            SUN: sun * (1 - 0.5 * self._of(forces.dust)),  # the cell is wiped more often than the panels
            "pv/module_temp_c": self._of(forces.panel_c), "pv/voltage_v": volts, "pv/power_w": pv_w,
            "pv/current_a": np.divide(pv_w, volts, out=np.zeros(k), where=volts > 5),
            "pump/power_w": pump_w,
            "pump/speed_rpm": v.speed_rpm * np.where(tries, 0.25, self._of(lived.speed)),
            FLOW: self._of(lived.inflow_m3_h), "pump/pressure_bar": self._wellhead_bar(),
            STATE_CODE: self._codes(runs, tries),
            DEPTH: self._of(lived.depth_m), LEVEL: self._level_m(),
            OUTFLOW: self._outflow(), NETWORK: self._network_bar(),
            "gateway/battery_v": self._battery_v(sun), "gateway/temp_c": self._of(forces.panel_c) - 0.03 * sun + 4,
            "gateway/signal_dbm": np.full(k, self._rng("signal").uniform(-100, -70)),
            "gateway/credit_gnf": 40_000.0 - 620 * (day % 30),
            CHLORINE: self._chlorine(), TURBIDITY: self._turbidity(),
            "quality/conductivity_us_cm": np.full(k, self._rng("salt").uniform(120, 400)),
        }  # fmt: skip

    def _volts(self, sun: FloatArray, loaded: BoolArray) -> FloatArray:
        """Open circuit in the light, four fifths of it under load."""
        open_v = self._rng("strings").uniform(90, 380)
        warm = 1 - 0.0028 * (self._of(self._season.forces.panel_c) - 25)
        return np.where(sun > 20, open_v * np.where(loaded, 0.8, 1.0) * warm * (1 - 0.02 * np.exp(-sun / 200)), 0.0)

    def _wellhead_bar(self) -> FloatArray:
        """While it runs what the pump works against above the ground; then the column that stands and slowly seeps."""
        v, lived = self._village, self._season.lived
        level, flow = self._of(lived.level_m), self._of(lived.inflow_m3_h)
        top = level if v.fed_from_below else np.full(len(level), v.full_m + SPOUT_M)
        runs = lived.runs[:, self._row]
        minutes = np.arange(len(runs))
        rested = (minutes - np.maximum.accumulate(np.where(runs, minutes, 0)))[self.minute]
        seeps = 1.0 if v.fed_from_below else np.exp(-rested / (60 * self._rng("valve").uniform(8, 200)))
        return BAR_M * (v.base_m + top + 0.5 * MAIN * v.head_m * (flow / v.flow_m3_h) ** 2) * seeps

    def _codes(self, runs: BoolArray, tries: BoolArray) -> FloatArray:
        forces, full = self._season.forces, self._is(self._season.lived.is_full)
        trips = self._is(forces.trips)
        maker = self._rng("code").integers(*MAKER_CODES)
        if self._village.controller is Controller.FOREIGN:
            return np.where(trips, maker, 0.0)
        if self._village.controller is Controller.ONE_REST:
            return np.where(trips, maker, np.where(runs, 1.0, 0.0))
        waits = (self._is(forces.is_dry)) & self._village.guards_dry & (self._is(forces.is_barred))
        codes = (
            (trips, PumpState.TRIPPED), (tries, PumpState.STARTING), (runs, PumpState.RUNNING),
            (self._is(forces.by_hand), PumpState.STOPPED_BY_HAND),
            (waits & (self._of(forces.sun_w_m2) > self._village.start_w_m2), PumpState.STOPPED_DRY),
            (full | (self._is(forces.says_full)), PumpState.STOPPED_TOWER_FULL),
        )  # fmt: skip
        return np.select(
            [is_so for is_so, _ in codes], [float(code) for _, code in codes], float(PumpState.STOPPED_LOW_SUN)
        )

    def _level_m(self) -> FloatArray:
        rng = self._rng("level sensor")
        hour = self.minute % DAY_MIN / 60
        echo = ECHO_M * np.sin(2 * np.pi * (hour - 9) / 24) if rng.random() < 0.4 else 0.0
        return self._of(self._season.lived.level_m) + rng.uniform(-LEVEL_OFFSET_M, LEVEL_OFFSET_M) + echo

    def _outflow(self) -> FloatArray:
        """Half of the boxes give the mean since the last reading, half what flows in that moment."""
        flow = self._season.lived.outflow_m3_h[:, self._row]
        if self._rng("outflow").random() < 0.5:
            return self._of(self._season.lived.outflow_m3_h)
        total = np.concatenate([[0.0], np.cumsum(flow, dtype=np.float64)])
        every = self._village.interval_s // 60
        since = np.maximum(self.minute + 1 - every, 0)
        return np.asarray((total[self.minute + 1] - total[since]) / (self.minute + 1 - since))

    def _network_bar(self) -> FloatArray:
        """At the foot of the hill: the tower's water, less what the pipes take (as flow to the power of 1.85)."""
        v, lived, rng = self._village, self._season.lived, self._rng("pipes")
        level, flow = self._of(lived.level_m), self._of(lived.outflow_m3_h)
        still = BAR_M * (v.base_m + level + FALL_M - 1)
        usual = v.daily_m3 / 24 * 3.5
        takes = rng.uniform(0.1, 0.25) * still * (flow / usual) ** 1.85
        wet = np.minimum(1.0, level / 0.06) * (~self._is(self._season.forces.is_washed))
        return np.asarray(np.maximum(still - takes, 0) * wet)

    def _battery_v(self, sun: FloatArray) -> FloatArray:
        hour = self.minute % DAY_MIN / 60
        by_night = 0.35 * ((hour + 5.5) % 24) / 11.5 * ((hour > 18.5) | (hour < 6.8))
        found = 12.75 + np.where(sun > 60, 1.1 * np.minimum(sun / 900, 1), -by_night)
        for one in self._having(Fault.GATEWAY_BATTERY_LOW):
            lost = one.amount * (self.minute - one.onset) / DAY_MIN * one.acts(self.minute)
            found = found - lost * np.where(sun > 300, 0.35, 1.0)
            self._shows(one, one.acts(self.minute) & (found < 12.0))
        return found

    def _chlorine(self) -> FloatArray:
        rng = self._rng("chlorine")
        usual = 0.5 + 0.1 * np.sin(2 * np.pi * (self.minute % DAY_MIN / 60 - 3) / 24) + self._by_day(rng, 0.05)
        found = np.maximum(usual, 0.25)
        for one in self._having(Fault.LOW_CHLORINE):
            grown = np.clip((self.minute - one.onset) / 120, 0, 1) * one.acts(self.minute)
            found = found * (1 - grown) + grown * one.amount
            self._shows(one, one.acts(self.minute) & (found < 0.2))
        return found

    def _turbidity(self) -> FloatArray:
        """The pump's start stirs the well for twenty minutes."""
        rng, runs = self._rng("turbidity"), self._season.lived.runs[:, self._row]
        minutes = np.arange(len(runs))
        starts = runs & ~np.concatenate([[False], runs[:-1]])
        since = minutes - np.maximum.accumulate(np.where(starts, minutes, -99))
        stirred = (runs & (since < 20))[self.minute]
        found = 1.2 + self._by_day(rng, 0.15) + stirred * 3.5 * rng.uniform(0.4, 1.1)
        for one in self._having(Fault.TURBIDITY_HIGH):
            found = found + one.amount * np.clip((self.minute - one.onset) / 60, 0, 1) * one.acts(self.minute)
            self._shows(one, one.acts(self.minute) & (found > 5))
        return found

    def _by_day(self, rng: np.random.Generator, spread: float) -> FloatArray:
        days = self._season.span.days
        return np.interp(self.minute / DAY_MIN, np.arange(days + 1), rng.normal(0, spread, days + 1))

    def _channel(self, name: str, true: FloatArray) -> Series:
        instrument, rng = INSTRUMENTS[name], self._rng(name)
        step, gain = float(rng.choice(instrument.steps)), 1 + rng.normal(0, instrument.gain)
        noise = self._noise * self._rng("make").uniform(0.5, 2.5) * rng.normal(0, 1, len(true))

        def shown(of: FloatArray) -> FloatArray:
            spread = instrument.share * np.abs(of) + instrument.absolute
            value = np.round((of * gain + noise * spread) / step) * step
            if instrument.at_rest:
                value = np.where(of > 0.01, value, 0.0)
            return np.round(np.maximum(value, 0.0) if instrument.from_zero else value, 3)

        sound = shown(true)
        found = sound
        for one in self._having(*SENSOR_FAULTS, Fault.FLOW_METER_STOPPED):
            if one.place == name:
                # A sensor may break twice in a season, one after the other.
                found = np.where(one.acts(self.minute), self._broken(one, sound, true, shown), found)
                within = 3 * self._noise * instrument.absolute + 2 * step
                self._shows(one, one.acts(self.minute) & (np.abs(found - sound) > within))
        return series_of(name, self.minute, found)

    def _broken(
        self, one: Strike, sound: FloatArray, true: FloatArray, shown: Callable[[FloatArray], FloatArray]
    ) -> FloatArray:
        """What a broken sensor gives (k,)."""
        rng, acts = self._rng("broken"), one.acts(self.minute)
        match one.fault:
            case Fault.SENSOR_STUCK:
                first = np.flatnonzero(acts)
                return np.where(acts, sound[first[0]], sound) if first.size else sound
            case Fault.SENSOR_DRIFT:
                return np.where(acts, shown(self._drifted(one, true)), sound)
            case Fault.SENSOR_SPIKES:
                hit = acts & (rng.random(len(sound)) < one.amount)
                jump = rng.choice([-1, 1], len(sound)) * rng.uniform(0.35, 0.8, len(sound)) * np.quantile(sound, 0.98)
                return np.where(hit, np.round(np.maximum(sound + jump, 0.0), 3), sound)
            case Fault.SENSOR_OUT_OF_RANGE:
                return np.where(acts & (rng.random(len(sound)) < one.amount), self._impossible(one.place), sound)
            case _:  # a flow meter that stopped, or loses pulses
                return np.where(acts, shown(true * (1 - one.amount)), sound)

    def _drifted(self, one: Strike, true: FloatArray) -> FloatArray:
        share = one.amount * np.clip((self.minute - one.onset) / GROWS_MIN, 0, 1)
        sign = self._rng("drift").choice([-1, 1])
        match one.place:
            case place if place == LEVEL:
                return np.asarray(np.maximum(true + sign * share * self._village.full_m, 0))
            case place if place == DEPTH:
                return np.asarray(true + sign * share * WELL_SPAN_M)
            case place if place == SUN:
                return np.asarray(true * (1 - share))  # cells only darken
            case _:
                return np.asarray(true * (1 + sign * share))

    def _impossible(self, place: str) -> float:
        """What a box writes down for a sensor that is gone, or a loop below 4 mA."""
        v = self._village
        own = {
            LEVEL: -0.6, FLOW: -6.25 * v.flow_m3_h, SUN: -400.0, DEPTH: v.depth_m + 20, NETWORK: -1.25, OUTFLOW: -30.0
        }  # fmt: skip
        return float(self._rng("impossible").choice([-999.0, 6553.5, own[place]]))

    def _counted(self) -> dict[str, FloatArray]:
        """Flows (m,) that counters add up."""
        lived = self._season.lived
        found = {
            FLOW_VOLUME: lived.inflow_m3_h[:, self._row].astype(np.float64),
            OUTFLOW_VOLUME: lived.outflow_m3_h[:, self._row].astype(np.float64),
        }
        for one in self._having(Fault.FLOW_METER_STOPPED):
            found[COUNTER_OF[one.place]][one.minutes(self._season.span)] *= 1 - one.amount
        return found

    def _counter(self, name: str, flow: FloatArray) -> Series:
        return series_of(name, self.minute, self._register(self._rng(name), flow, self.minute))

    def _register(self, rng: np.random.Generator, flow: FloatArray, minute: IntArray) -> FloatArray:
        """What a counter shows, whose pulses are of one size; some are exchanged for a new one."""
        pulse, total = float(rng.choice(PULSES_M3)), np.cumsum(flow) / 60
        shown = total[minute] + rng.uniform(100, 9000)
        if rng.random() < EXCHANGED:
            new = int(rng.integers(len(flow)))
            shown = np.where(minute < new, shown, total[minute] - total[new])
        return np.round(np.floor(np.maximum(shown, 0) / pulse) * pulse, 3)

    def _tap_meters(self) -> list[Series]:
        season, row = self._season, self._row
        minute = self.minute
        if self._village.tap_interval_s > self._village.interval_s:
            hours = (np.arange(season.span.minutes) % (self._village.tap_interval_s // 60)) == 0
            minute = np.flatnonzero(hours)[1:] - 1
        wanted = season.people.taps[row] * season.lived.given[:, [row]]
        later = season.lived.caught_up_m3_h[:, [row]] * self._shares()
        rng = self._rng("taps")
        return [
            Series(
                f"tap-{tap + 1:02d}", "volume_m3", minute, self._register(rng, wanted[:, tap] + later[:, tap], minute)
            )
            for tap in range(self._village.taps)
        ]

    def _shares(self) -> FloatArray:
        """Of the day's use at each tap (m, taps): who waited draws where people draw."""
        taps = self._season.people.taps[self._row]
        by_day = taps.reshape(self._season.span.days, DAY_MIN, -1).sum(axis=1, dtype=np.float64) + 1e-9
        return np.asarray(by_minute(by_day / by_day.sum(axis=1, keepdims=True)), dtype=np.float64)

    def _having(self, *faults: Fault) -> list[Strike]:
        return [one for one in self._strikes if one.fault in faults]

    def _shows(self, one: Strike, differs: BoolArray) -> None:
        if (found := np.flatnonzero(differs)).size:
            self.seen[one] = int(self.minute[found[0]])
