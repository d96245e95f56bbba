"""Sets of readings with their truth, of either model, and the same with less to see."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path

import numpy as np

from alerts.files import History, read_history
from alerts.scoreboard import Label, read_labels
from benchmarks.villages.season import live_season, write_season
from benchmarks.villages.span import FloatArray, Span
from benchmarks.villages.village import DEPTH, LEVEL, NETWORK, OUTFLOW, OUTFLOW_VOLUME, STATE_CODE, SUN, TAP_METERS
from gateway.zones import Zone, load_zones
from ndiyan.shipped_files import shipped
from simulator.fiction import zones_with_fiction
from simulator.files import write_history
from simulator.history import live_through
from simulator.labels import Witness
from simulator.scenarios import load_scenario
from simulator.village import Village

ABOUT = "about.json"  # written last: a set that has it is whole
Places = Mapping[tuple[str, datetime], str]
"""(zone, onset) of a fault → what it strikes: an asset, or asset/channel"""


class Model(StrEnum):
    """Whose villages: the second model's, or those of our own simulator's campaign."""

    VILLAGES = "villages"
    OWN = "own"


@dataclass(frozen=True, slots=True)
class LivedSet:
    """The readings of some zones and the truth about them."""

    zones: Sequence[Zone]
    history: History
    labels: Sequence[Label]
    places: Places


@dataclass(frozen=True, slots=True)
class Lessened:
    """Less to see: without these channels (`asset/channel`), read no more often than this, so many times the noise."""

    name: str
    without: frozenset[str] = frozenset()
    interval_s: int = 0
    noise: float = 1.0


WHOLE = Lessened("all")
LESSENED = (
    Lessened("no irradiance", frozenset({SUN})),
    Lessened("no well level", frozenset({DEPTH})),
    Lessened("no state code", frozenset({STATE_CODE})),
    Lessened("no tower level", frozenset({LEVEL})),
    Lessened("no outflow", frozenset({OUTFLOW, OUTFLOW_VOLUME})),
    Lessened("no tap meters", frozenset({TAP_METERS})),
    Lessened("no network pressure", frozenset({NETWORK})),
    Lessened("every 15 min", interval_s=900),
    Lessened("noise x 3", noise=3.0),
)


class SetMismatch(ValueError):
    """A set that was kept is not the one that is asked for."""


def get_set(model: Model, seed: int, span: Span, count: int, folder: Path, *, noise: float = 1.0) -> LivedSet:
    """The set that was left in `folder`, as a backtest reads it; where there is none it is made.

    Raises
    ------
    SetMismatch : the set in `folder` is of other days, zones or noise
    """
    if not (folder / ABOUT).exists():
        folder.mkdir(parents=True)
        write = _write_villages if model is Model.VILLAGES else _write_own
        write(seed, span, count, folder, noise)
    about = json.loads((folder / ABOUT).read_text("utf-8"))
    asked = {"start": span.start.isoformat(), "days": span.days, "zones": count, "noise": noise}
    for name, value in asked.items():
        if about[name] != value:
            raise SetMismatch(f"{folder}: {name} is {about[name]}, asked for is {value}")
    places = {(zone, datetime.fromisoformat(onset)): place for zone, onset, place in about["places"]}
    zones = load_zones([folder / "zones"])
    history = read_history(folder / "readings.parquet", zones=[zone.zone_id for zone in zones])
    end = span.at(span.minutes)
    labels = [one for one in read_labels(folder / "labels.csv", until=end) if one.start < end]
    return LivedSet([zone for zone in zones if zone.zone_id in history.zones], history, labels, places)


def _write_villages(seed: int, span: Span, count: int, folder: Path, noise: float) -> None:
    write_season(live_season(seed, span, count), folder, noise=noise)


def _write_own(seed: int, span: Span, count: int, folder: Path, noise: float) -> None:
    zones = zones_with_fiction(load_zones([shipped("zones")]), count)
    start, end, witness = span.at(0), span.at(span.minutes), Witness()
    broken = load_scenario("campaign").broken(zones, start, until=end, seed=seed)
    blocks = live_through(
        Village(zones, seed=seed), start=start, end=end, broken=broken, folder=None, witness=witness, noise=noise
    )
    places = [[one.zone, span.at(int(one.start_s - span.start_s) // 60).isoformat(), one.place] for one in broken]
    about = {
        "scenario": "campaign", "seed": seed, "start": span.start.isoformat(), "days": span.days, "noise": noise,
        "places": places,
    }  # fmt: skip
    for _ in write_history(zones, blocks, witness, folder=folder, form="parquet", about=about):
        pass


def lessen(whole: LivedSet, less: Lessened) -> LivedSet:
    """The same villages and faults, with less to see; faults of a sensor that is not there are none.

    Noise cannot be added to readings that are there: that set is made anew.
    """
    zones = [_without(zone, less) for zone in whole.zones]
    interval_s = {str(zone.zone_id): zone.asset("gateway").interval_s for zone in whole.zones}
    series = {
        key: _thinned(*readings, interval_s=less.interval_s) if less.interval_s > interval_s[key[0]] else readings
        for key, readings in whole.history.series.items()
        if channel_name(*key[1:]) not in less.without
    }
    labels = [one for one in whole.labels if whole.places.get((one.zone, one.onset)) not in less.without]
    return replace(whole, zones=zones, history=replace(whole.history, series=series), labels=labels)


def channel_name(asset: str, channel: str) -> str:
    """`asset/channel`, where all taps are `tap`."""
    return TAP_METERS if asset.startswith("tap-") else f"{asset}/{channel}"


def _without(zone: Zone, less: Lessened) -> Zone:
    assets = [
        replace(
            asset, interval_s=max(asset.interval_s, less.interval_s),
            channels=tuple(c for c in asset.channels if channel_name(asset.asset_id, c.name) not in less.without),
        )
        for asset in zone.assets
    ]  # fmt: skip
    return replace(zone, assets=tuple(assets))


def _thinned(t_s: FloatArray, value: FloatArray, *, interval_s: int) -> tuple[FloatArray, FloatArray]:
    """The last reading of each interval."""
    part = t_s // interval_s
    last = np.append(part[1:] != part[:-1], True)
    return t_s[last], value[last]
