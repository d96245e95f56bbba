"""A past that never was: zones live from one time to another and leave readings, and the state in which they end."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from gateway.model import Fault
from gateway.zones import Zone
from simulator.errors import SimulatorError
from simulator.faults import Broken
from simulator.labels import Witness
from simulator.scenarios import Scenario
from simulator.sensors import Frozen, Sample, Samples, gather, is_round, measure, sample
from simulator.sun import FloatArray
from simulator.village import State, Village, whole_minutes

STATE_FILE = "zones.json"


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
    broken = [fault.broken(end) for fault in scenario.past_faults]
    yield from live_through(village, start=start, end=end, broken=broken, folder=folder, witness=witness)


def live_through(
    village: Village,
    *,
    start: datetime,
    end: datetime,
    broken: Sequence[Broken],
    folder: Path | None,
    witness: Witness | None = None,
) -> Iterator[HistoryBlock]:
    """The same for a village of one's own weather and any faults, which may begin at any time within the run."""
    zones, seed = village.zones, village.seed
    state, frozen = village.first_state(), Frozen()
    if witness is not None:
        witness.expect(broken)
    samples: list[Sample] = []
    for t_s in whole_minutes(start, end):
        moved = village.move(state, t_s, broken)
        if not is_round(t_s + 60, zones):
            continue
        if samples and samples[-1].t_s // 86_400 != (t_s + 60) // 86_400:
            yield from _blocks(village, gather(samples), seed, frozen, broken)
            samples = []
        samples.append(sample(t_s + 60, village.truth(state, moved), state))
    if samples:
        yield from _blocks(village, gather(samples), seed, frozen, broken)
    if witness is not None:
        witness.finish(end.timestamp())
    if folder is not None:
        save_state(folder, end.timestamp(), end.timestamp(), zones, state, frozen)


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


def _blocks(
    village: Village, samples: Samples, seed: int, frozen: Frozen, broken: Sequence[Broken]
) -> Iterator[HistoryBlock]:
    for at, zone in enumerate(village.zones):
        off = [fault for fault in broken if fault.zone == zone.zone_id and fault.fault is Fault.COMMS_OUTAGE]
        for asset, channel, t_s, value in measure(zone, at, samples, seed=seed, frozen=frozen, broken=broken):
            is_on = ~np.any([fault.acts_during(t_s) for fault in off], axis=0) if off else np.ones(len(t_s), dtype=bool)
            if is_on.any():
                yield HistoryBlock(zone.zone_id, asset, channel, t_s[is_on], value[is_on])
