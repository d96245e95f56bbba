"""What broken sensors and wrong clocks give instead of the truth; pure functions on the readings of one channel."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from gateway.model import Fault
from simulator.chance import FloatArray, KeyArray, uniform
from simulator.effects import is_on
from simulator.faults import CATALOGUE, Broken

Shows = Callable[[Broken, float], None]
LOGGER_SENTINEL = -999.0  # what some loggers write for a failed channel
FAULTS_OF_SENSORS = (Fault.SENSOR_STUCK, Fault.SENSOR_DRIFT, Fault.SENSOR_SPIKES, Fault.SENSOR_OUT_OF_RANGE)


class Frozen:
    """Values at which stuck sensors stand, by zone, place and beginning."""

    def __init__(self, kept: Mapping[str, float] | None = None) -> None:
        self._kept = dict(kept or {})

    def as_json(self) -> dict[str, float]:
        """As it is saved with the state."""
        return dict(self._kept)

    def keep(self, name: str, value: float) -> float:
        """The value that was kept under this name first."""
        return self._kept.setdefault(name, value)


def say_nothing(one: Broken, t_s: float) -> None:
    """For those who do not ask what shows."""


def tell_what_shows(shows: Shows, t_s: FloatArray, differs: NDArray[np.bool_], found: Sequence[Broken]) -> None:
    """Tell when each of the faults first made a reading (k,) differ."""
    for one in found:
        seen = np.flatnonzero(differs & one.acts_during(t_s))
        if seen.size:
            shows(one, float(t_s[seen[0]]))


def troubles_by_zone(broken: Sequence[Broken], t_s: FloatArray) -> dict[str, list[Broken]]:
    """The faults of sensors and clocks that act between the first and the last of the times, by zone."""
    found: dict[str, list[Broken]] = {}
    for one in broken:
        is_ours = one.fault in FAULTS_OF_SENSORS or one.fault is Fault.CLOCK_ERROR
        if is_ours and one.start_s <= t_s[-1] and (one.end_s is None or one.end_s > t_s[0]):
            found.setdefault(one.zone, []).append(one)
    return found


def clock_s(t_s: FloatArray, broken: Sequence[Broken]) -> FloatArray:
    """The times (k,) that a gateway's clock shows at true times; one that lost its power begins again in 1970."""
    shown = t_s
    for one in broken:
        if one.fault is Fault.CLOCK_ERROR:
            wrong = t_s + one.amount if np.isfinite(one.amount) else t_s - one.start_s
            shown = np.where(one.acts_during(t_s), wrong, shown)
    return shown


def minute_of(t_s: FloatArray) -> NDArray[np.int64]:
    """The minute since 1970, to which a reading's chance belongs."""
    return np.asarray(t_s // 60).astype(np.int64)


def drift(true: FloatArray, t_s: FloatArray, span: float, found: Sequence[Broken], *, is_light: bool) -> FloatArray:
    """True values (k, 1) as a drifting sensor sees them.

    A cell that ages loses a share of the light; other sensors move by a part of their `span`.
    """
    for one in found:
        if one.fault is Fault.SENSOR_DRIFT:
            grown = (one.amount * one.grown(t_s) * one.acts_during(t_s))[:, None]
            true = true * (1 - grown) if is_light else true + span * grown
    return true


def distort(
    value: FloatArray, t_s: FloatArray, found: Sequence[Broken], *, frozen: Frozen, key: KeyArray, span: float,
    steps: float, cut: float, seed: int,
) -> FloatArray:  # fmt: skip
    """Readings (k,) with what a broken sensor gives instead.

    `cut` is what comes from a loop that is cut; `key` the channel's own chance, `seed` that of faults that come and go.
    """
    value = value.copy()
    for one in found:
        acts = one.acts_during(t_s) & np.array([is_on(one, t, seed=seed) for t in t_s.tolist()])
        if one.fault is Fault.SENSOR_STUCK:
            for at in np.flatnonzero(acts):
                value[at] = frozen.keep(_stuck_name(one, t_s[at]), float(value[at]))
        elif one.fault is Fault.SENSOR_SPIKES:
            chance = uniform(key + np.uint64(1), minute_of(t_s))
            size = span * (0.3 + 70 * (chance % 0.01)) * np.where(chance % 0.002 < 0.001, 1, -1)
            spike = np.rint((value + size) * steps) / steps
            value = np.where(acts & (chance < one.amount), spike, value)
        elif one.fault is Fault.SENSOR_OUT_OF_RANGE:
            value[acts] = LOGGER_SENTINEL if one.size == "L" else cut
    return value


def _stuck_name(one: Broken, t_s: float) -> str:
    """A sensor that sticks again and again stands at another value each time."""
    piece = int(t_s // CATALOGUE[one.fault].stays_s) if one.amount < 1 else 0
    return f"{one.zone}/{one.place}@{one.start_s:.0f}/{piece}"
