"""A past that never was: zones live from one time to another and leave readings, and the state in which they end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gateway.model import Fault
from gateway.zones import Zone
from simulator.effects import is_on
from simulator.errors import SimulatorError
from simulator.faults import DAY_S, Broken
from simulator.labels import Witness
from simulator.scenarios import Scenario
from simulator.sensor_faults import Frozen, say_nothing
from simulator.sensors import Instruments, Samples, gather
from simulator.state import State
from simulator.sun import FloatArray
from simulator.village import Village
from simulator.watch import watch

STATE_FILE = "zones.json"
PIECE_MIN = 360  # minutes that are lived at once: long enough to be fast, short enough for many zones in memory


@dataclass(frozen=True, slots=True)
class HistoryBlock:
    """Readings of one channel and day: t_s (n,) [s since 1970-01-01 UTC] and value (n,) in the canonical unit."""

    zone_id: str
    asset: str
    channel: str
    t_s: FloatArray
    value: FloatArray


@dataclass(frozen=True, slots=True)
class Saved:
    """Where the zones stand: their state after the minute that ends at `t_s`, and what stuck sensors show."""

    t_s: float
    start_s: float  # T0 of the scenario
    zones: tuple[str, ...]
    state: State
    frozen: Frozen

    def state_of(self, village: Village) -> State:
        """The state of these zones: what is remembered of each, and a fresh start for one that is new."""
        state = village.first_state()
        for at, zone in enumerate(village.zones):
            if zone.zone_id in self.zones:
                state.adopt(at, self.state, self.zones.index(zone.zone_id))
        return state


def simulate_history(
    zones: Sequence[Zone],
    *,
    start: datetime,
    end: datetime,
    seed: int,
    scenario: Scenario,
    folder: Path | None,
    witness: Witness | None = None,
) -> Iterator[HistoryBlock]:
    """Let the zones live from `start` to `end`, which is the scenario's T0; a day's readings at a time.

    While a past fault has taken a gateway's network away, its box is off: nothing is measured. At the end the state is
    left in `folder` (unless that is None), from where a `LiveFeed` goes on without a jump. A `witness` is told what
    was true of each day, before that day's readings are given.
    """
    village = Village(zones, seed=seed, clear_from=end.date() if scenario.clear_from_start else None)
    foreseen = scenario.broken(zones, end, until=end, seed=seed)
    broken = [one for one in foreseen if one.start_s < end.timestamp()]
    yield from live_through(village, start=start, end=end, broken=broken, folder=folder, witness=witness)


def live_through(
    village: Village,
    *,
    start: datetime,
    end: datetime,
    broken: Sequence[Broken],
    folder: Path | None,
    witness: Witness | None = None,
    noise: float = 1.0,
) -> Iterator[HistoryBlock]:
    """The same for a village of one's own weather and any faults, which may begin at any time within the run.

    `noise` multiplies that of all instruments.
    """
    state, frozen, instruments = village.first_state(), Frozen(), Instruments(village, noise=noise)
    if witness is not None:
        witness.expect(broken)
    for day in _days(start, end):
        taken: list[Samples] = []
        for t_s, minutes in day:
            near = [one for one in broken if one.start_s < t_s + 60 * minutes and (one.end_s or np.inf) > t_s]
            moved = village.move(state, t_s, near, minutes)
            ends_s = np.asarray(t_s + 60.0 * np.arange(1, minutes + 1), dtype=np.float64)
            if witness is not None:
                watch(witness, village, moved, near, is_off=boxes_off(near, village, ends_s))
            chosen = np.flatnonzero(instruments.is_round(ends_s))
            if len(chosen):
                taken.append(Samples(ends_s[chosen], village.truth(moved, chosen)))
        if taken:
            samples = gather(taken)
            shows = say_nothing if witness is None else witness.see_fault
            is_off = boxes_off(broken, village, samples.t_s)
            for one in instruments.measure(samples, frozen=frozen, broken=broken, shows=shows, is_off=is_off):
                yield HistoryBlock(one.zone_id, one.asset, one.channel, one.t_s, one.value)
    if witness is not None:
        witness.finish(end.timestamp())
    if folder is not None:
        save_state(folder, end.timestamp(), end.timestamp(), village.zones, state, frozen)


def _days(start: datetime, end: datetime) -> Iterator[list[tuple[float, int]]]:
    """The UTC days of [start, end), each in pieces of `PIECE_MIN` minutes: their beginnings and lengths."""
    t_s, end_s = start.timestamp() // 60 * 60, end.timestamp()
    while t_s < end_s:
        midnight_s = (t_s // DAY_S + 1) * DAY_S
        day = []
        while t_s < min(end_s, midnight_s):
            minutes = int(min(PIECE_MIN, np.ceil((min(end_s, midnight_s) - t_s) / 60)))
            day.append((t_s, minutes))
            t_s += 60.0 * minutes
        yield day


def boxes_off(broken: Sequence[Broken], village: Village, t_s: FloatArray) -> NDArray[np.bool_]:
    """Which boxes measure nothing at times (k,), because a past fault has taken their network away: (k, n)."""
    is_off = np.zeros((len(t_s), len(village.zones)), dtype=bool)
    for one in broken:
        if one.fault is Fault.COMMS_OUTAGE and one.zone in village.index:
            for at in np.flatnonzero(one.acts_during(t_s)):
                is_off[at, village.index[one.zone]] |= is_on(one, float(t_s[at]), seed=village.seed)
    return is_off


def save_state(folder: Path, t_s: float, start_s: float, zones: Sequence[Zone], state: State, frozen: Frozen) -> None:
    """Write the state durably and in one piece: a cut leaves the old one or the new one."""
    folder.mkdir(parents=True, exist_ok=True)
    values = {
        "t_s": t_s, "start_s": start_s, "zones": [zone.zone_id for zone in zones],
        "state": state.as_json(), "frozen": frozen.as_json(),
    }  # fmt: skip
    fresh = folder / f"{STATE_FILE}.new"
    with fresh.open("w", encoding="utf-8") as file:
        json.dump(values, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(folder / STATE_FILE)


def load_state(folder: Path) -> Saved | None:
    """What `save_state` left, None when there is nothing.

    Raises
    ------
    SimulatorError : the file is there but is not what this version writes
    """
    file = folder / STATE_FILE
    if not file.exists():
        return None
    try:
        values = json.loads(file.read_text("utf-8"))
        return Saved(
            values["t_s"], values["start_s"], tuple(values["zones"]), State.from_json(values["state"]),
            Frozen(values["frozen"]),
        )  # fmt: skip
    except (ValueError, KeyError, TypeError) as error:
        raise SimulatorError(f"{file}: is not a state of this version ({error}); start over without it") from error
