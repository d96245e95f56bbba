"""How people draw water: cans under taps in gushes, more in the morning and the evening, otherwise on other days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from benchmarks.villages.chance import rng_for
from benchmarks.villages.faults import Strike
from benchmarks.villages.span import DAY_MIN, BoolArray, Float32Array, FloatArray, Span
from benchmarks.villages.village import Village
from gateway.model import Fault

FASTS = (  # Ramadan as astronomers foretell it; the feast is on the two days that follow
    (date(2025, 3, 1), date(2025, 3, 29)), (date(2026, 2, 18), date(2026, 3, 19)), (date(2027, 2, 8), date(2027, 3, 9)),
)  # fmt: skip
SHEEP_FEASTS = (date(2025, 6, 6), date(2026, 5, 27), date(2027, 5, 16))  # Tabaski, and the day after
CAN_MIN = 3  # a tap is opened for a can or two
CAN_M3_H = (0.4, 0.7)  # 0.11 to 0.19 L/s
FEAST, FAMILY_FEAST, MARKET, RAIN = 1.6, 1.5, 1.35, 0.75  # of a usual day's use
HERD_M3_H, HERD_EVERY_DAYS = 1.2, 3


@dataclass(frozen=True, slots=True)
class People:
    """What they would draw if the tower never ran dry [m³/h].

    `taps` has one (minutes, taps) for each village; `wanted_m3_h` (minutes, villages) is their sum, `most_m3_h`
    (villages,) what all taps give together. `is_quiet` and `is_busy` (minutes, villages): hardly anybody, or many.
    """

    taps: Sequence[Float32Array]
    wanted_m3_h: Float32Array
    most_m3_h: FloatArray
    is_quiet: BoolArray
    is_busy: BoolArray


def draw_people(
    seed: int, span: Span, villages: Sequence[Village], rains: BoolArray, strikes: Sequence[Strike]
) -> People:
    """The use of a season; `rains` is (days, villages)."""
    taps, levels = [], []
    for row, village in enumerate(villages):
        rng = rng_for(seed, "people", village.number)
        hours = _hours(span, village)
        day = _days(rng, span, rains[:, row])
        use = village.daily_m3 / 24 * hours * np.repeat(day, DAY_MIN)
        taps.append(_at_taps(rng, village, use, [one for one in strikes if one.row == row]))
        levels.append(hours)
    level = np.stack(levels, axis=1)
    return People(
        taps, np.stack([of.sum(axis=1) for of in taps], axis=1),
        np.array([village.taps * np.mean(CAN_M3_H) for village in villages]), level < 0.05, level > 0.5,
    )  # fmt: skip


def _hours(span: Span, village: Village) -> FloatArray:
    """Use by the minute (m,); 1 is the mean of a usual day."""

    def bumps(*of: tuple[float, float, float]) -> FloatArray:
        hour = np.arange(DAY_MIN) / 60
        parts = [height * np.exp(-0.5 * ((hour - at) / width) ** 2) for at, width, height in of]
        found = np.sum(parts, axis=0)
        if village.padlocked:
            found[((hour > 11) & (hour < 15)) | (hour > 20.5) | (hour < 4)] = 0
        return np.asarray(found)

    usual = bumps((7.3, 1.5, 1), (17.6, 1.6, 0.9), (12.5, 2.5, 0.35))
    fasting = bumps((4.1, 0.6, 0.55), (8.5, 1.6, 0.75), (17.9, 1.4, 1.1), (20.5, 1, 0.2))
    return np.asarray(np.concatenate([fasting if is_fast(day) else usual for day in span.dates]) / usual.mean())


def is_fast(day: date) -> bool:
    """Whether it is the month of fasting."""
    return any(first <= day <= last for first, last in FASTS)


def is_feast(day: date) -> bool:
    """The end of the fast, and the sheep feast, two days each."""
    ends = [last + timedelta(days=1) for _, last in FASTS]
    return any(begins <= day <= begins + timedelta(days=1) for begins in (*ends, *SHEEP_FEASTS))


def _days(rng: np.random.Generator, span: Span, rains: BoolArray) -> FloatArray:
    """Use by the day (d,); 1 is a usual one."""
    market = rng.integers(7)
    found = np.clip(1 + rng.normal(0, 0.09, span.days), 0.7, 1.35)
    found *= np.array([MARKET if day.weekday() == market else 1.0 for day in span.dates])
    found *= np.array([FEAST if is_feast(day) else 1.0 for day in span.dates])
    found[rng.random(span.days) < 1 / 45] *= FAMILY_FEAST  # a wedding, a funeral
    found[rains] *= RAIN
    return found


def _at_taps(rng: np.random.Generator, village: Village, use: FloatArray, strikes: Sequence[Strike]) -> Float32Array:
    """What each tap gives in each minute (m, taps)."""
    share = rng.dirichlet(np.full(village.taps, 6.0))
    want = use[::CAN_MIN, None] * share
    for one in strikes:
        if one.fault is Fault.TAP_CLOSED:
            some = slice(one.onset // CAN_MIN, one.end // CAN_MIN)
            lost = one.amount * want[some, one.tap]
            want[some, one.tap] -= lost
            want[some, (one.tap + 1) % village.taps] += 0.7 * lost  # people go to the next tap
    flow = rng.uniform(*CAN_M3_H, want.shape)
    is_open = rng.random(want.shape) < np.clip(want / np.mean(CAN_M3_H), 0, 0.95)
    found = np.repeat((flow * is_open).astype(np.float32), CAN_MIN, axis=0)
    if village.has_herd:
        for day in range(int(rng.integers(HERD_EVERY_DAYS)), len(use) // DAY_MIN, HERD_EVERY_DAYS):
            comes = day * DAY_MIN + int(rng.uniform(21.5, 22.2) * 60)
            found[comes : comes + 54, 0] += HERD_M3_H
    for one in strikes:
        if one.fault is Fault.TAP_LEFT_OPEN:
            found[one.onset : one.end, one.tap] = np.maximum(found[one.onset : one.end, one.tap], one.amount)
    return found
