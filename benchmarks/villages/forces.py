"""What acts on the works from outside in each minute: light, people, hands, and all that is broken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.villages.chance import rng_for
from benchmarks.villages.faults import Strike
from benchmarks.villages.people import People
from benchmarks.villages.span import DAY_MIN, BoolArray, Float32Array, FloatArray, Span, by_minute
from benchmarks.villages.village import Village
from benchmarks.villages.weather import Weather
from gateway.model import Fault

PANEL_K = 0.03  # of the panels above the air, per W/m²: 30 K in full sun
LOSES_PER_K = 0.004
CLEAN, SOILED = 0.004, 0.075  # of the light that dust takes: after washing, and when it wants washing
WASHED_DAYS = (14, 21)  # dry season at Diass, Senegal: every three weeks (Aidara 2023)
DUST_A_DAY = (0.001, 0.0035)
GROWS_MIN = 12 * DAY_MIN  # until a worn pump or a drifting sensor is at its size
MAIN = 0.06  # of the rated head is lost in the rising main at the rated flow
STOP_MIN, STOP_EVERY_DAYS = (12, 38), 5
TOWER_WASH_MIN, TOWER_WASH_DAYS = (90, 150), 30
RETRY_MIN, TRIES_MIN = 12, 2  # a guarded drive that lifts nothing tries so long, each so many minutes


@dataclass(slots=True)
class Forces:
    """(minutes, villages) each; shares are 0 to 1, flows m³/h."""

    sun_w_m2: Float32Array
    panel_c: Float32Array
    dust: Float32Array  # share of the light taken
    power_w: Float32Array  # that the drive could have
    wanted_m3_h: Float32Array
    squeezed: Float32Array  # share that taps still give beside a burst
    lost_m3_h: Float32Array  # in the network at full pressure
    leaks_m3_h: Float32Array  # out of the tower
    returns_m3_h: Float32Array  # from the tower into the well while the pump rests
    static_m: Float32Array
    capacity: Float32Array  # share of the well's that is left
    head: Float32Array  # share of the pump's that is left
    throttle: Float32Array  # resistance added, in the pump's own
    gives: Float32Array  # share of the flow that a pump without water still gives
    is_dry: BoolArray
    is_barred: BoolArray  # the pump cannot run
    never_full: BoolArray  # the float does not stop it
    by_hand: BoolArray  # stopped, and the controller knows
    is_washed: BoolArray  # the tower is drained and closed
    trips: BoolArray
    says_full: BoolArray  # the float, whatever the level is
    tries: BoolArray  # in vain


def gather_forces(
    seed: int,
    span: Span,
    villages: Sequence[Village],
    weather: Weather,
    people: People,
    strikes: Sequence[Strike],
) -> tuple[Forces, list[Strike]]:
    """The forces, and the faults as they truly were: rain ends the dust."""
    shape = (span.minutes, len(villages))

    def zeros() -> Float32Array:
        return np.zeros(shape, dtype=np.float32)

    def ones() -> Float32Array:
        return np.ones(shape, dtype=np.float32)

    def never() -> BoolArray:
        return np.zeros(shape, dtype=bool)

    def rated(name: str) -> FloatArray:
        return np.array([getattr(village, name) for village in villages])

    dust, strikes = _dust(seed, span, villages, weather.rains, strikes)
    panel_c = weather.air_c + np.float32(PANEL_K) * weather.sun_w_m2
    power = weather.sun_w_m2 * (rated("peak_w") / 1000 * 0.9) * (1 - LOSES_PER_K * (panel_c - 25)) * (1 - dust)
    day = np.arange(span.minutes)[:, None] / DAY_MIN
    forces = Forces(
        weather.sun_w_m2, panel_c, dust, power.astype(np.float32), people.wanted_m3_h, ones(),
        np.tile(_weeps(seed, villages), (span.minutes, 1)).astype(np.float32), zeros(), zeros(),
        (rated("static_m") + rated("falls_m_day") * day).astype(np.float32), ones(), ones(), zeros(), ones(),
        never(), never(), never(), never(), never(), never(), never(), never(),
    )  # fmt: skip
    for row, village in enumerate(villages):
        _hands(rng_for(seed, "hands", village.number), span, forces, row, [one for one in strikes if one.row == row])
    for one in strikes:
        _break(forces, villages[one.row], one, span)
    return forces, strikes


def _weeps(seed: int, villages: Sequence[Village]) -> FloatArray:
    """What old joints lose all the time."""
    return np.array([rng_for(seed, "joints", v.number).uniform(0.005, 0.02) * v.flow_m3_h for v in villages])


def _hands(rng: np.random.Generator, span: Span, forces: Forces, row: int, strikes: Sequence[Strike]) -> None:
    """Somebody stops the pump by day, and washes the tower in the morning; not while something is broken."""
    for day in rng.choice(span.days, span.days // STOP_EVERY_DAYS, replace=False):
        begins = int(day * DAY_MIN + 60 * rng.uniform(9.5, 15))
        stopped = slice(begins, begins + int(rng.uniform(*STOP_MIN)))
        forces.is_barred[stopped, row] = forces.by_hand[stopped, row] = True
    tells = rng.random() < 0.5  # else the breaker is thrown and the controller knows nothing of it
    for day in rng.choice(span.days, span.days // TOWER_WASH_DAYS, replace=False):
        begins = int(day * DAY_MIN + 60 * rng.uniform(6.3, 7.5))
        if any(one.onset - DAY_MIN < begins < one.end + DAY_MIN for one in strikes):
            continue
        washed = slice(begins, begins + int(rng.uniform(*TOWER_WASH_MIN)))
        forces.is_barred[washed, row] = forces.is_washed[washed, row] = True
        forces.by_hand[washed, row] = tells


def _dust(
    seed: int, span: Span, villages: Sequence[Village], rains: BoolArray, strikes: Sequence[Strike]
) -> tuple[Float32Array, list[Strike]]:
    """Share of the light that dust takes (m, n): it settles, and people wash it off every few weeks, or rain."""
    found = np.zeros((span.days, len(villages)))
    kept = list(strikes)
    for row, village in enumerate(villages):
        rng = rng_for(seed, "dust", village.number)
        a_day, share = rng.uniform(*DUST_A_DAY), rng.uniform(0, 0.03)
        wash = int(rng.integers(5, 20))
        soiled = next((one for one in strikes if one.row == row and one.fault is Fault.PV_SOILING), None)
        for day in range(span.days):
            settles, pause = a_day * rng.uniform(0.5, 1.5), int(rng.integers(*WASHED_DAYS))
            neglected = soiled is not None and soiled.onset // DAY_MIN <= day < soiled.end // DAY_MIN
            share += soiled.amount if neglected and soiled is not None else settles
            if rains[day, row] or (day >= wash and not neglected):
                share, wash = CLEAN, day + pause
                if neglected and soiled is not None and rains[day, row]:
                    kept[kept.index(soiled)] = soiled = _ended(soiled, day)
            found[day, row] = share
    return by_minute(found).astype(np.float32), kept


def _ended(one: Strike, day: int) -> Strike:
    return Strike(one.row, one.fault, one.size, one.place, one.onset, max(one.onset + 1, day * DAY_MIN + DAY_MIN // 2))


def _break(forces: Forces, village: Village, one: Strike, span: Span) -> None:
    """Let a fault act on the works; what breaks in meters and boxes is elsewhere."""
    at, row = one.minutes(span), one.row
    minutes = np.arange(at.start, at.stop)
    match one.fault:
        case Fault.DRY_RUNNING:
            forces.is_dry[at, row] = True
            forces.gives[at, row] = one.amount
            if village.guards_dry:
                forces.is_barred[at, row] |= minutes % RETRY_MIN >= TRIES_MIN
        case Fault.YIELD_DROP:
            forces.capacity[at, row] = one.amount
        case Fault.PUMP_WEAR:
            forces.head[at, row] = 1 - one.amount * np.minimum(1, (minutes - one.onset) / GROWS_MIN)
        case Fault.PUMP_CLOGGED:
            forces.throttle[at, row] = one.amount
        case Fault.CHECK_VALVE_LEAK:
            forces.returns_m3_h[at, row] = one.amount * village.flow_m3_h
        case Fault.INVERTER_TRIP:
            forces.is_barred[at, row] = forces.trips[at, row] = True
        case Fault.PUMP_NOT_RUNNING:
            forces.is_barred[at, row] = True
            lit = forces.sun_w_m2[at, row] > 1.2 * village.start_w_m2
            forces.tries[at, row] = lit & (minutes % 11 < 2)
        case Fault.FLOAT_STUCK_FULL:
            forces.is_barred[at, row] = forces.says_full[at, row] = True
        case Fault.PV_STRING_LOSS:
            forces.power_w[at, row] *= 1 - 1 / village.strings
        case Fault.TOWER_LEAK:
            forces.leaks_m3_h[at, row] = one.amount * village.flow_m3_h
        case Fault.TOWER_OVERFLOW:
            forces.never_full[at, row] = True
        case Fault.PIPE_BURST:
            forces.lost_m3_h[at, row] += one.amount * village.daily_m3 / 24
            forces.squeezed[at, row] = max(0.3, 1 / (1 + 0.75 * one.amount / 4))
        case Fault.NIGHT_LEAK:
            forces.lost_m3_h[at, row] += one.amount * village.flow_m3_h
