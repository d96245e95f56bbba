"""What a detector is: a pure function from what is known of many zones to signals, and what it needs to see."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from alerts.days import Days
from alerts.model import Mask, Signal, Verdict, VerdictArray
from alerts.scene import Channel, Grid
from gateway.model import Fault, State


@dataclass(frozen=True, slots=True)
class Scene:
    """Readings on a grid, and the days before and within it; `days` may begin earlier than `grid`."""

    grid: Grid
    days: Days


class Detector(NamedTuple):
    """`judge` gives a signal for each of `faults` (of each tap, where the asset is `tap`).

    A zone without one of the channels in `needs` is not judged for these faults; what else helps, a detector uses where
    it is there.
    """

    faults: tuple[Fault | State, ...]
    asset: str
    needs: tuple[Channel, ...]
    judge: Callable[[Scene], list[Signal]]


def verdicts(*, present: Mask, absent: Mask) -> VerdictArray:
    """Masks into verdicts; what is neither cannot be told, and present wins."""
    return np.where(present, Verdict.PRESENT, np.where(absent, Verdict.ABSENT, Verdict.CANNOT_TELL)).astype(np.int8)
