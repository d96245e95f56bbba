"""Simulated days for tests: the six demo zones from a March dawn on, minute by minute."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
from numpy.typing import NDArray

from gateway.zones import Zone, load_zones
from ndiyan.shipped_files import shipped
from simulator.faults import Broken
from simulator.scenarios import Scenario
from simulator.village import State, Truth, Village

ZONES = load_zones([shipped("zones")])
DAWN = datetime(2026, 3, 4, 5, 0, tzinfo=UTC)
CALM = Scenario("calm", "nothing happens", clear_from_start=False, faults=())


@dataclass(frozen=True)
class Lived:
    """What was true after every minute, and the state at the end."""

    truths: list[Truth]
    taps_m3: NDArray[np.float64]  # (minutes, n, taps)
    battery: NDArray[np.float64]  # (minutes, n)
    state: State
    village: Village

    def all(self, name: str) -> NDArray[np.float64]:
        """One quantity of all zones, (minutes, n)."""
        return np.array([getattr(truth, name) for truth in self.truths])

    def of(self, zone: str, name: str, *, from_h: float = 0, until_h: float = 1e3) -> NDArray[np.float64]:
        """One quantity of one zone, between two times after the beginning."""
        at = next(n for n, found in enumerate(self.village.zones) if found.zone_id == zone)
        values = {"battery": self.battery, "taps_m3": self.taps_m3}.get(name)
        rows = self.all(name) if values is None else values
        chosen: NDArray[np.float64] = rows[int(from_h * 60) : int(min(until_h, 1e3) * 60), at]
        return chosen


def live(
    hours: float,
    broken: Sequence[Broken] = (),
    *,
    start: datetime = DAWN,
    seed: int = 1,
    clear: bool = True,
    zones: Sequence[Zone] = ZONES,
) -> Lived:
    """Let zones live for some hours from `start` on."""
    village = Village(zones, seed=seed, clear_from=date(2000, 1, 1) if clear else None)
    state = village.first_state()
    truths, taps, battery = [], [], []
    for minute in range(int(hours * 60)):
        truths.append(village.step(state, start.timestamp() + 60 * minute, broken))
        taps.append(state.tap_m3.copy())
        battery.append(state.battery.copy())
    return Lived(truths, np.array(taps), np.array(battery), state, village)
