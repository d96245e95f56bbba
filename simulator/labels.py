"""What was truly so in simulated zones: faults with the moment they could first be seen, and states that explain.

A `Witness` looks on while zones live. Labels are few and are kept; states are many, so whoever asks takes those that
are over and they are forgotten here: memory does not grow with the time that is lived.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from gateway.model import Fault, State
from simulator.faults import CATALOGUE, Broken

BoolArray = NDArray[np.bool_]


DUSTY = 0.075  # of the light is taken: panels want washing (DETECTION §2, soiling)
DUST_M, DUST_L = 0.2, 0.3
DUST_SHOWS_S = 2.6 * 86_400.0  # it takes three noons to tell dust from weather


@dataclass(frozen=True, slots=True)
class Label:
    """A fault as it truly was.

    `onset` is when it physically begins. `start` is when a perfect observer of the zone's channels could first see it
    (an inverter that trips at night shows when the sun would have started the pump), None when it never showed. `end`
    is its repair, None when that lies beyond what was lived. `severity`: 3 act today, 2 this week, 1 the technician.
    """

    zone: str
    fault: Fault
    asset: str
    severity: int
    size: str
    onset: datetime
    start: datetime | None
    end: datetime | None


@dataclass(frozen=True, slots=True)
class TrueState:
    """A state of a zone that explains its readings and is no fault, from `start` to `end`."""

    zone: str
    state: State
    start: datetime
    end: datetime


class Witness:
    """Collects labels and true states of zones that live; one for each run."""

    def __init__(self) -> None:
        self._broken: list[Broken] = []
        self._seen_s: dict[Broken, float] = {}
        self._open: dict[tuple[str, State], float] = {}
        self._over: list[TrueState] = []
        self._last: dict[State, BoolArray] = {}
        self._was_clean: set[str] = set()
        self._dusty: dict[str, tuple[float, float]] = {}  # zone → since when [s], the most that dust took
        self._dusted: list[Label] = []
        self._reached_s = -float("inf")

    @property
    def labels(self) -> list[Label]:
        """The faults that have begun until now, in the order of their onset."""
        found = [self._label(one) for one in self._broken if one.start_s <= self._reached_s]
        found += self._dusted
        found += [_dust_label(zone, *dust, self._reached_s, is_over=False) for zone, dust in self._dusty.items()]
        return sorted(found, key=lambda label: (label.onset, label.zone, label.fault))

    def expect(self, broken: Sequence[Broken]) -> None:
        """Say which faults will strike, or strike already."""
        self._broken.extend(one for one in broken if one not in self._broken)

    def take_states(self) -> list[TrueState]:
        """The states that ended since this was asked last, in the order of their end."""
        taken, self._over = self._over, []
        return taken

    def finish(self, t_s: float) -> None:
        """All that still goes on ends for us at `t_s`."""
        self._reached_s = max(self._reached_s, t_s)
        for key in list(self._open):
            self._close(key, t_s)

    def see_fault(self, one: Broken, t_s: float) -> None:
        """`one` could be seen at `t_s`; the earliest counts."""
        self._seen_s[one] = min(t_s, self._seen_s.get(one, t_s))

    def see_dust(self, zone: str, share: float, day_s: float) -> None:
        """How much of the light the dust of the season takes on the day that begins at `day_s`.

        From `DUSTY` on the panels want washing, whether somebody broke them or the harmattan did it. Who never saw them
        clean cannot know.
        """
        if share < DUSTY:
            self._was_clean.add(zone)
        if share >= DUSTY and zone in self._was_clean:
            since_s, most = self._dusty.get(zone, (day_s, 0.0))
            self._dusty[zone] = since_s, max(most, share)
        elif zone in self._dusty:
            since_s, most = self._dusty.pop(zone)
            self._dusted.append(_dust_label(zone, since_s, most, day_s, is_over=True))

    def is_unseen(self, one: Broken) -> bool:
        """Whether nothing of it has shown yet."""
        return one not in self._seen_s

    def see_state(self, zone: str, state: State, t_s: float, *, begins: bool) -> None:
        """`state` begins at `t_s`, or is over."""
        if begins:
            self._open.setdefault((zone, state), t_s)
        elif (zone, state) in self._open:
            self._close((zone, state), t_s)

    def before(self, state: State, like: BoolArray) -> BoolArray:
        """Which zones were in `state` in the last minute that was watched, in the shape of `like`; none at first."""
        return self._last.get(state, np.zeros_like(like))

    def remember(self, state: State, is_so: BoolArray) -> None:
        """Which zones are in `state` in the last minute."""
        self._last[state] = is_so

    def reach(self, t_s: float) -> None:
        """Time has come to `t_s`."""
        self._reached_s = max(self._reached_s, t_s)

    def _close(self, key: tuple[str, State], t_s: float) -> None:
        start_s = self._open.pop(key)
        if t_s > start_s:
            self._over.append(TrueState(*key, _at(start_s), _at(t_s)))

    def _label(self, one: Broken) -> Label:
        seen_s = self._seen_s.get(one)
        over = one.end_s is not None and one.end_s <= self._reached_s
        return Label(
            one.zone, one.fault, one.asset, CATALOGUE[one.fault].severity, one.size, _at(one.start_s),
            None if seen_s is None else _at(seen_s), _at(one.end_s) if over and one.end_s is not None else None,
        )  # fmt: skip


def _dust_label(zone: str, since_s: float, most: float, until_s: float, *, is_over: bool) -> Label:
    size = "S" if most < DUST_M else "M" if most < DUST_L else "L"
    severity = CATALOGUE[Fault.PV_SOILING].severity
    seen_s = since_s + DUST_SHOWS_S
    start, end = _at(seen_s) if seen_s < until_s else None, _at(until_s) if is_over else None
    return Label(zone, Fault.PV_SOILING, "pv", severity, size, _at(since_s), start, end)


def _at(t_s: float) -> datetime:
    return datetime.fromtimestamp(t_s, UTC)
