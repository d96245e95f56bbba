"""Simulated days for tests: the six demo zones from a dry-season dawn on, minute by minute."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime

import numpy as np
from numpy.typing import NDArray

from gateway.zones import Zone, load_zones
from ndiyan.shipped_files import shipped
from simulator.faults import Broken
from simulator.scenarios import Scenario
from simulator.state import State, Truth
from simulator.village import Village

ZONES = load_zones([shipped("zones")])
DAWN = datetime(2026, 2, 4, 5, 0, tzinfo=UTC)  # before Ramadan, a Wednesday
CALM = Scenario("calm", "nothing happens", clear_from_start=False, faults=())


@dataclass(frozen=True)
class Lived:
    """What was true after every minute, and the state at the end."""

    truth: Truth
    state: State
    village: Village

    def all(self, name: str) -> NDArray[np.float64]:
        """One quantity of all zones, (minutes, n)."""
        return np.asarray(getattr(self.truth, name))

    def of(self, zone: str, name: str, *, from_h: float = 0, until_h: float = 1e3) -> NDArray[np.float64]:
        """One quantity of one zone, between two times after the beginning."""
        rows = slice(int(from_h * 60), int(until_h * 60))
        return self.all(name)[rows, self.village.index[zone]]


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
    t_s, left = start.timestamp(), int(hours * 60)
    truths = []
    while left:
        minutes = int(min(left, 360, (86_400 - t_s % 86_400) // 60))
        truths.append(village.truth(village.move(state, t_s, broken, minutes)))
        t_s, left = t_s + 60 * minutes, left - minutes
    truth = Truth(*(np.concatenate([getattr(one, field.name) for one in truths]) for field in fields(Truth)))
    return Lived(truth, state, village)
