"""What people fetch at the taps of many zones, minute by minute: can by can, by hour, season, calendar and rain.

Facts: DOMAIN §3.1 (litres, hourly weights, cans); SEASON and the calendar's factors are assumptions shaped on its
sentences (springs and rain take from the taps, a dip on Friday at noon, Ramadan before dawn and after sunset). A day
depends on the seed, the zone, the date and that day's rain alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from gateway.zones import Zone
from simulator.calendar import by_month, is_feast, is_ramadan, is_school_day
from simulator.chance import FloatArray, keys, normal, uniform
from simulator.sun import day_rng, zone_seed

LITRES_A_DAY = 9.0  # 8 to 12 L per person and day at metered, paid communal taps
CAN_M3, CAN_MIN = 0.02, 5  # a can of 20 L; cans are drawn in pieces of five minutes
# Hourly demand in per cent; a smaller peak in the morning, a larger before dusk, nothing at night: taps are locked.
HOURLY = (0, 0, 0, 0, 0, 2, 8, 11, 9, 6, 4, 3, 3, 3, 4, 6, 10, 13, 11, 5, 2, 0, 0, 0)
IN_RAMADAN = (0, 0, 0, 2, 7, 6, 4, 6, 6, 5, 4, 4, 4, 4, 5, 6, 9, 11, 6, 7, 3, 1, 0, 0)
AT_FRIDAY_PRAYER = 0.4  # of the usual, from 13 to 14 h
SEASON = (1.0, 1.1, 1.25, 1.4, 1.25, 0.9, 0.75, 0.7, 0.75, 0.9, 0.95, 1.0)
ON_MARKET_DAY, ON_FRIDAY, AT_A_FEAST = 1.15, 0.95, 1.35
IN_RAIN, IN_HEAVY_RAIN, WET_MM, HEAVY_MM = 0.82, 0.7, 3.0, 20.0
DAY_TO_DAY = 0.06
QUARTERS = 96  # of an hour: how long people keep to a tap
UNEVEN = 0.6  # spread of the logarithm of a tap's share from one quarter to the next
SCHOOL_TAP = 1.6  # times its share between 8 and 14 h on school days
TAP_MOST_M3_H = 0.6  # 0.15 to 0.25 L/s at an open tap, which stands closed between two cans


@dataclass(frozen=True, slots=True)
class DemandDay:
    """What people want in a UTC day: m³/h by minute (n, 1440), and how taps share it by quarter (n, QUARTERS, taps)."""

    wanted_m3_h: FloatArray
    shares: FloatArray


class Demand:
    """The habits of several villages."""

    def __init__(self, zones: Sequence[Zone], *, seed: int) -> None:
        names = [zone.zone_id for zone in zones]
        self._seeds = [zone_seed(name, seed) for name in names]
        self._people = np.array([float(zone.people) for zone in zones])
        self.taps = max(1, *(len(zone.taps) for zone in zones))
        has_tap = self.has_tap = np.arange(self.taps) < np.array([max(1, len(zone.taps)) for zone in zones])[:, None]
        tap = np.arange(self.taps)
        self._lean = keys(names, seed=seed, purpose="taps")[:, None]
        self._today = keys(names, seed=seed, purpose="demand")[:, None, None]
        self._usual = np.where(has_tap, np.exp(0.5 * normal(self._lean, tap)), 0.0)
        self._usual /= self._usual.sum(axis=1, keepdims=True)
        self._morning = 0.3 * normal(self._lean, tap + 100)  # some taps are the morning's, others the evening's
        self._school_tap = np.floor(uniform(self._lean, np.array(999)) * has_tap.sum(axis=1, keepdims=True))
        self._market_day = np.floor(7 * uniform(self._lean, np.array(998)))[:, 0]
        self.usual_m3 = self._people * LITRES_A_DAY / 1000  # of a day

    @property
    def usual_shares(self) -> FloatArray:
        """How the taps share a zone's demand over the years (n, taps)."""
        return self._usual.copy()

    def day(self, day: date, rain_mm: FloatArray) -> DemandDay:
        """The demand of a UTC day on which so much rain falls (n,)."""
        weights = _weights(day)
        daily_m3 = self._daily_m3(day, rain_mm)
        cans = daily_m3[:, None] * weights / CAN_M3
        drawn = np.array([
            day_rng(seed, day, 4).poisson(mean) for seed, mean in zip(self._seeds, cans, strict=True)
        ])  # fmt: skip
        # A queue carries a part of what is wanted over into the next minutes, and some come early.
        queued = np.pad(drawn, ((0, 0), (1, 1)))
        drawn = 0.5 * drawn + 0.25 * (queued[:, :-2] + queued[:, 2:])
        wanted = np.repeat(drawn * (CAN_M3 * 60 / CAN_MIN), CAN_MIN, axis=1)
        return DemandDay(wanted, self._shares(day))

    def _daily_m3(self, day: date, rain_mm: FloatArray) -> FloatArray:
        market = np.where(self._market_day == day.weekday(), ON_MARKET_DAY, 1.0)
        calendar = (
            by_month(SEASON, day) * (ON_FRIDAY if day.weekday() == 4 else 1) * (AT_A_FEAST if is_feast(day) else 1)
        )
        rain = np.where(rain_mm > HEAVY_MM, IN_HEAVY_RAIN, np.where(rain_mm > WET_MM, IN_RAIN, 1.0))
        chance = 1 + DAY_TO_DAY * normal(self._today[:, :, 0], np.array([day.toordinal()]))[:, 0]
        return np.asarray(self.usual_m3 * calendar * market * rain * np.maximum(chance, 0.5))

    def _shares(self, day: date) -> FloatArray:
        quarter, tap = np.arange(QUARTERS)[:, None], np.arange(self.taps)
        count = (day.toordinal() * QUARTERS + quarter) * 128 + tap
        lean = self._morning[:, None, :] * np.cos(2 * np.pi * (quarter / 4 - 7) / 24)
        shares = self._usual[:, None, :] * np.exp(UNEVEN * normal(self._today, count) + lean)
        if is_school_day(day):
            at_school = (tap == self._school_tap)[:, None, :] & (quarter >= 32) & (quarter < 56)
            shares = np.where(at_school, SCHOOL_TAP * shares, shares)
        return np.asarray(shares / shares.sum(axis=2, keepdims=True))


def _weights(day: date) -> FloatArray:
    """Share of the day's demand in each piece of CAN_MIN minutes, (288,); sums to one."""
    hourly = np.array(IN_RAMADAN if is_ramadan(day) else HOURLY, dtype=np.float64)
    hour = np.arange(0, 24, CAN_MIN / 60)
    weights = np.interp(hour, np.arange(25), [*hourly, hourly[0]])
    if day.weekday() == 4:
        weights = np.where((hour >= 13) & (hour < 14), AT_FRIDAY_PRAYER * weights, weights)
    return np.asarray(weights / weights.sum())
