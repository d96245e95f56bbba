"""Which alert explains which: only the cause is told, what it explains stays visible under it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from gateway.model import Fault, State

NO_WATER_COMES = (Fault.PUMP_NOT_RUNNING, Fault.INVERTER_TRIP, Fault.FLOAT_STUCK_FULL, Fault.DRY_RUNNING)
EXPLAINED_BY: dict[Fault | State, tuple[Fault | State, ...]] = {
    State.TOWER_EMPTY: (*NO_WATER_COMES, Fault.PIPE_BURST, Fault.TOWER_LEAK),
}
SLACK = timedelta(hours=1)  # a cause may be confirmed a little later than what it causes


@dataclass(frozen=True, slots=True)
class Known:
    """An alert that may explain another of its zone; `key` is whatever its keeper calls it by."""

    key: int
    fault: Fault | State
    asset: str
    first: datetime
    cleared: datetime | None


def cause_of(fault: Fault | State, first: datetime, confirmed: datetime, known: Sequence[Known]) -> Known | None:
    """The alert that explains one of `fault`, whose evidence began at `first` and which opened at `confirmed`.

    A cause began before the effect opened, and was not over (but for `SLACK`) when the effect began. Of several the
    one that stands first in `EXPLAINED_BY` counts.
    """
    for kind in EXPLAINED_BY.get(fault, ()):
        for one in known:
            is_over = one.cleared is not None and one.cleared + SLACK < first
            if one.fault == kind and one.first <= confirmed and not is_over:
                return one
    return None
