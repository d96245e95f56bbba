"""Before you switch a rule on: the same code over past readings, as the rules are and with one number changed. Pure.

Whether a would-be alert was right is what people said of the recorded alert of its kind that was on at the same time;
where nobody said anything nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import partial
from typing import Any, NamedTuple

from alerts.backtest import PastAlert, Progress, judge_history
from alerts.parameters import PARAMETERS, Settings
from alerts.scene import Grid
from gateway.zones import Zone

SHOWN = 50


class Said(NamedTuple):
    """A recorded alert and what people said of it last; None while nobody did. Measured times."""

    zone: str
    fault: str
    asset: str
    first_at: datetime
    cleared_at: datetime | None
    is_true: bool | None


@dataclass(frozen=True, slots=True)
class Side:
    """What one setting of a rule would have done; `explained` alerts are told to nobody and are in no other count."""

    alerts: int
    true: int
    false: int
    unsaid: int
    explained: int
    sms: int  # of the whole zone: an alert more or less changes who is told of others
    price_gnf: float
    missed: int  # recorded alerts that people said were right, and that this setting would not have raised


class Difference(NamedTuple):
    """An alert that only one of the two settings raises."""

    zone: str
    asset: str
    opened_at: datetime
    closed_at: datetime | None
    is_new: bool
    is_true: bool | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """Both settings over the same readings, and the alerts by which they differ, the newest `SHOWN` of them."""

    before: Side
    after: Side
    differences: tuple[Difference, ...]
    differing: int

    def as_json(self) -> dict[str, Any]:
        """As it is stored and told by the API."""
        return {
            "before": asdict(self.before), "after": asdict(self.after), "differing": self.differing,
            "differences": [
                {
                    "zone": one.zone, "asset": one.asset, "opened_at": one.opened_at.isoformat(),
                    "closed_at": None if one.closed_at is None else one.closed_at.isoformat(), "is_new": one.is_new,
                    "is_true": one.is_true,
                }
                for one in self.differences
            ],
        }  # fmt: skip


def try_change(
    zones: Sequence[Zone],
    grid_of: Callable[[Sequence[Zone]], Grid],
    *,
    name: str,
    before: Settings,
    after: Settings,
    said: Sequence[Said],
    price_gnf: float,
    progress: Progress | None = None,
) -> Outcome:
    """Judge these zones twice, zone by zone so that memory stays flat.

    `progress` is called with (zones judged, zones in all).
    """
    fault = PARAMETERS[name].fault
    was: list[PastAlert] = []
    would: list[PastAlert] = []
    for place, zone in enumerate(zones):
        read_once = partial(_given, grid_of([zone]))
        was += judge_history([zone], read_once, settings=before)[0]
        would += judge_history([zone], read_once, settings=after)[0]
        if progress is not None:
            progress(place + 1, len(zones))
    about = [one for one in said if one.fault == fault and one.zone in {zone.zone_id for zone in zones}]
    old, new = ([one for one in found if one.fault == fault] for found in (was, would))
    differences = sorted(
        [_difference(one, about, is_new=False) for one in old if not _has_like(one, new)]
        + [_difference(one, about, is_new=True) for one in new if not _has_like(one, old)],
        key=lambda one: one.opened_at,
        reverse=True,
    )
    sides = _side(was, old, about, price_gnf), _side(would, new, about, price_gnf)
    return Outcome(*sides, tuple(differences[:SHOWN]), len(differences))


def _side(everything: Sequence[PastAlert], found: Sequence[PastAlert], said: Sequence[Said], price_gnf: float) -> Side:
    told = [one for one in found if one.explained_by is None]
    verdicts = [_verdict(one, said) for one in told]
    sms = sum(one.sms_count for one in everything)
    missed = sum(one.is_true is True and not any(_meets(alert, one) for alert in found) for one in said)
    return Side(
        alerts=len(told), true=verdicts.count(True), false=verdicts.count(False), unsaid=verdicts.count(None),
        explained=len(found) - len(told), sms=sms, price_gnf=sms * price_gnf, missed=missed,
    )  # fmt: skip


def _given(grid: Grid, _: Sequence[Zone]) -> Grid:
    return grid


def _difference(alert: PastAlert, said: Sequence[Said], *, is_new: bool) -> Difference:
    return Difference(
        alert.zone, alert.asset, alert.opened_at, alert.closed_at, is_new, _verdict(alert, said)
    )  # fmt: skip


def _has_like(alert: PastAlert, others: Sequence[PastAlert]) -> bool:
    """Whether one of the others is about the same thing at the same time, told or not told alike."""
    return any(
        (one.zone, one.asset, one.explained_by is None) == (alert.zone, alert.asset, alert.explained_by is None)
        and (one.closed_at is None or alert.first_evidence_at <= one.closed_at)
        and (alert.closed_at is None or one.first_evidence_at <= alert.closed_at)
        for one in others
    )


def _verdict(alert: PastAlert, said: Sequence[Said]) -> bool | None:
    """What people said of the recorded alerts that were on at the same time; one that was right suffices."""
    words = {one.is_true for one in said if _meets(alert, one)} - {None}
    return None if not words else True in words


def _meets(alert: PastAlert, one: Said) -> bool:
    return (
        (one.zone, one.asset) == (alert.zone, alert.asset)
        and (one.cleared_at is None or alert.first_evidence_at <= one.cleared_at)
        and (alert.closed_at is None or one.first_at <= alert.closed_at)
    )
