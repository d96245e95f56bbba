"""Zones that are lived piece by piece, so that people can break and mend things in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from gateway.model import Fault
from gateway.zones import Zone
from simulator.chance import FloatArray
from simulator.faults import Broken
from simulator.sensor_faults import Frozen
from simulator.sensors import Instruments, Measured, Samples
from simulator.village import Village

DAY_S = 86_400.0
FETCHES_FROM, FETCHES_UNTIL = 6 * 60, 20 * 60  # minutes of the UTC day, which is Labé's, in which people fetch water
LEAST_SERVED = 0.5  # of what is asked for; with less, taps count as dry


@dataclass(frozen=True, slots=True)
class Piece:
    """What a piece of time brought; people fetch water in `fetching_min` of it, of them `dry_min` (n,) in vain."""

    readings: list[Measured]
    fetching_min: float
    dry_min: FloatArray


class Lives:
    """Zones that live from `start` on."""

    def __init__(self, zones: Sequence[Zone], *, start: datetime, seed: int) -> None:
        self._village = Village(zones, seed=seed)
        self._state, self._frozen = self._village.first_state(), Frozen()
        self._instruments = Instruments(self._village)
        self.t_s = start.timestamp()

    def live(self, minutes: int, broken: Sequence[Broken]) -> Piece:
        """Live on by so many minutes, which lie in one UTC day; a zone without a network measures nothing for us."""
        begin, self.t_s = self.t_s, self.t_s + 60 * minutes
        moved = self._village.move(self._state, begin, broken, minutes)
        ends_s = np.asarray(begin + 60.0 * np.arange(1, minutes + 1), dtype=np.float64)
        chosen = np.flatnonzero(self._instruments.is_round(ends_s))
        readings: list[Measured] = []
        if len(chosen):
            samples = Samples(ends_s[chosen], self._village.truth(moved, chosen))
            silent = {one.zone for one in broken if one.fault is Fault.COMMS_OUTAGE and one.acts_at(self.t_s)}
            measured = self._instruments.measure(samples, frozen=self._frozen, broken=broken)
            readings = [one for one in measured if one.zone_id not in silent]
        of_day = begin % DAY_S / 60 + np.arange(minutes)
        fetches = (of_day >= FETCHES_FROM) & (of_day < FETCHES_UNTIL)
        dry = (moved.served < LEAST_SERVED) & fetches[:, None]
        return Piece(readings, float(fetches.sum()), dry.sum(axis=0).astype(np.float64))

    def operating_points(self, minutes: int) -> tuple[FloatArray, FloatArray]:
        """Live on with nothing broken: flow [m³/h] and head [m] of the first zone's pump at each minute (m,)."""
        begin, self.t_s = self.t_s, self.t_s + 60 * minutes
        moved = self._village.move(self._state, begin, [], minutes)
        flow = np.asarray(moved.inflow_m3_h[:, :1], dtype=np.float64)
        head = self._village.pump.head_at(np.asarray(moved.speed[:, :1], dtype=np.float64), flow)
        return flow[:, 0], np.asarray(head[:, 0], dtype=np.float64)
