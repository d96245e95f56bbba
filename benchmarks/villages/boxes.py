"""What a gateway makes of readings: rows with its own clock, some of them lost, some twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.villages.chance import rng_for
from benchmarks.villages.faults import SIZES, Strike
from benchmarks.villages.meters import Meters, Season, Series
from benchmarks.villages.span import BoolArray, FloatArray, IntArray
from gateway.model import Fault

HOUR_S, DAY_S = 3600, 86_400
# By which a wrong clock is off, for sizes S, M, L: three makes of clocks.
OFF_S = (
    (-4 * HOUR_S, 7 * HOUR_S, 11 * HOUR_S), (5 * HOUR_S, -9 * HOUR_S, 365 * DAY_S),
    (-6 * HOUR_S, 9 * HOUR_S, -56 * 365 * DAY_S),
)  # fmt: skip
DARK_V = 11.0
GAPS, LOST, TWICE = 0.4, 0.004, 0.01  # short gaps a day; shares of the readings
BOOTS_A_MONTH = 1.5
BOOTS_IN_1970 = 0.5  # of the boots: the network tells the time some readings later


def off_s(season: Season, one: Strike) -> int:
    """How far a wrong clock is off [s]; a village's box has one make."""
    make = rng_for(season.seed, "box", season.villages[one.row].number, "make").integers(len(OFF_S))
    return OFF_S[int(make)][SIZES.index(one.size)]


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one channel: t_s (k,) as the box dates them [s since 1970-01-01 UTC] and value (k,)."""

    asset: str
    channel: str
    t_s: IntArray
    value: FloatArray


class Box:
    """The gateway of one village."""

    def __init__(self, season: Season, row: int, meters: Meters) -> None:
        self._season, self._village, self._meters = season, season.villages[row], meters
        self._strikes = [one for one in season.strikes if one.row == row]
        self._boots = self._draw_boots()

    def rows(self, series: Sequence[Series]) -> Iterator[Rows]:
        """What it sends of these readings, and of itself."""
        is_on, dated_s = self._is_on(series), self._dated_s()
        for one in (*series, self._uptime()):
            rng = self._rng(f"{one.asset}/{one.channel}")
            kept = np.flatnonzero(is_on[one.minute] & (rng.random(len(one.minute)) >= LOST))
            sent = np.concatenate([kept, kept[rng.random(len(kept)) < TWICE]])
            yield Rows(one.asset, one.channel, dated_s[one.minute[sent]], one.value[sent])

    def _rng(self, about: str) -> np.random.Generator:
        return rng_for(self._season.seed, "box", self._village.number, about)

    def _draw_boots(self) -> IntArray:
        span = self._season.span
        rng = self._rng("boots")
        return np.sort(rng.integers(span.minutes, size=rng.poisson(BOOTS_A_MONTH * span.days / 30)))

    def _uptime(self) -> Series:
        minute = self._meters.minute
        began = np.concatenate([[-int(self._rng("age").integers(1000, 100_000))], self._boots])
        since = minute - began[np.searchsorted(self._boots, minute, side="right")]
        return Series("gateway", "uptime_s", minute, 60.0 * since)

    def _is_on(self, series: Sequence[Series]) -> BoolArray:
        """Whether what is read in a minute arrives (m,)."""
        minutes, every = self._season.span.minutes, self._village.interval_s // 60
        found = np.ones(minutes, dtype=bool)
        rng = self._rng("gaps")
        for begins in rng.integers(minutes, size=int(GAPS * self._season.span.days)):
            found[begins : begins + every * int(rng.integers(1, 4))] = False
        for one in self._having(Fault.COMMS_OUTAGE):
            found[one.minutes(self._season.span)] = False
            self._seen_from(one)
        for one in self._having(Fault.GATEWAY_BATTERY_LOW):
            battery = next(each for each in series if each.channel == "battery_v")
            for minute in battery.minute[one.acts(battery.minute) & (battery.value < DARK_V)]:
                found[minute : minute + every] = False
        return found

    def _dated_s(self) -> IntArray:
        """What the box's clock says in each minute (m,)."""
        span, every = self._season.span, self._village.interval_s // 60
        rng = self._rng("clock")
        second = int(rng.integers(60))
        found = span.start_s + 60 * np.arange(span.minutes, dtype=np.int64) + second
        for one in self._having(Fault.CLOCK_ERROR):
            found[one.minutes(span)] += off_s(self._season, one)
            self._seen_from(one)
        for boot in self._boots:
            if rng.random() < BOOTS_IN_1970:
                lost = slice(int(boot), int(boot) + every * int(rng.integers(1, 5)))
                found[lost] = 60 * np.arange(len(found[lost]))
        return found

    def _seen_from(self, one: Strike) -> None:
        later = self._meters.minute[self._meters.minute >= one.onset]
        if later.size and later[0] < one.end:
            self._meters.seen[one] = int(later[0])

    def _having(self, fault: Fault) -> list[Strike]:
        return [one for one in self._strikes if one.fault is fault]
