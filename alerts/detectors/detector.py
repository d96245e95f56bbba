"""What a detector is: a pure function from what is known of many zones to signals, and what it needs to see."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from alerts.days import Days
from alerts.model import Mask, Signal, Verdict, VerdictArray
from alerts.scene import Channel, FloatArray, Grid
from gateway.model import Fault, State


@dataclass(frozen=True, slots=True)
class Scene:
    """Readings on a grid, and the days before and within it; `days` may begin earlier than `grid`.

    `overrides` holds (n, 1) values of parameters that people changed (see `alerts.parameters`), by name.
    """

    grid: Grid
    days: Days
    overrides: Mapping[str, FloatArray] = field(default_factory=dict)

    def limit(self, name: str, default: float) -> FloatArray:
        """(n, 1) a parameter of a rule in each zone: what was set, else `default`."""
        found = self.overrides.get(name)
        return np.full((len(self.grid.sites), 1), default) if found is None else found


class Detector(NamedTuple):
    """`judge` gives a signal for each of `faults` (of each tap, where the asset is `tap`).

    Of each group of channels in `needs` a zone must have one, the first for choice, or it is not judged for these
    faults; what else helps, a detector uses where it is there.
    """

    faults: tuple[Fault | State, ...]
    asset: str
    needs: tuple[tuple[Channel, ...], ...]
    judge: Callable[[Scene], list[Signal]]


def signals_of(scene: Scene, detectors: Iterable[Detector]) -> list[Signal]:
    """What detectors say of a scene, of each zone as far as it was heard, whatever was heard of those beside it.

    A verdict on a day or a night bears the time at which it is complete. Before that it would rest on what is known so
    far, and no later one of that time would change what it has opened or closed.
    """
    found, grid = [], scene.grid
    steps_s = grid.t_s
    for detector in detectors:
        for signal in detector.judge(scene):
            lasts_s = grid.step_s if np.array_equal(signal.t_s, steps_s) else 0.0
            is_over = signal.t_s + lasts_s <= grid.heard_until_s
            known = signal.verdict if is_over.all() else np.where(is_over, signal.verdict, Verdict.CANNOT_TELL)
            found.append(replace(signal, verdict=known.astype(np.int8, copy=False)))
    return found


def verdicts(*, present: Mask, absent: Mask) -> VerdictArray:
    """Masks into verdicts; what is neither cannot be told, and present wins."""
    return np.where(present, Verdict.PRESENT, np.where(absent, Verdict.ABSENT, Verdict.CANNOT_TELL)).astype(np.int8)


def read_in(grid: Grid, zone: int, span: slice, *channels: str) -> tuple[str, ...]:
    """Those of these channels, as `asset/channel`, that said something usable in these steps: evidence rests on no
    other, and no other sensor's fault explains it."""
    asked = [(name, *name.split("/")) for name in channels]
    return tuple(name for name, asset, channel in asked if np.isfinite(grid.value(asset, channel)[zone, span]).any())
