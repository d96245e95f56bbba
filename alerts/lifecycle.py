"""Conditions + live alerts → transitions: a pure state machine on measured time.

A condition that holds for its on-delay opens an alert, one that is absent for its off-delay resolves it. What cannot be
told, and holes in the data, neither open nor close. The machine starts where the last alert of the kind ended, or from
the live one; so judging the same readings again, after a restart or with an overlapping window, changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np

from alerts.model import RULES, Condition, IndexArray, LiveAlert, Mask, Rule, Verdict
from ingest.readings import FloatArray


@dataclass(frozen=True, slots=True)
class Episode:
    """One time during which a fault was open, by measured time [s]; indices are those of the condition's samples.

    `began_before` tells that the live alert of before the window is meant, whose own beginning stays.
    """

    began_before: bool
    first: int
    last: int  # newest sample in which it held
    confirmed_s: float  # when the on-delay had passed
    cleared_s: float | None  # when the off-delay had passed; None while it is open

    @property
    def is_over(self) -> bool:
        """Whether it was seen to end."""
        return self.cleared_s is not None


def episodes(condition: Condition, rule: Rule, *, is_live: bool, after_s: float) -> list[Episode]:
    """The episodes of a condition whose samples come after `after_s`, in order.

    With `is_live` the first one continues the live alert; it stands at the head even if no sample shows it, so the
    caller can see whether it ended.
    """
    on_s, off_s, gap_s = (span.total_seconds() for span in (rule.on_delay, rule.off_delay, rule.max_gap))
    found: list[Episode] = []
    current = Episode(True, 0, -1, after_s, None) if is_live else None
    place = np.flatnonzero((condition.t_s > after_s) & (condition.verdict != Verdict.CANNOT_TELL))
    t_s, verdict = condition.t_s[place], condition.verdict[place]
    for first, end in _runs(verdict[1:] != verdict[:-1], len(place)):
        if verdict[first] == Verdict.ABSENT:
            if current is not None:
                over = first + int(np.searchsorted(t_s[first:end], t_s[first] + off_s))
                if over < end:
                    found.append(replace(current, cleared_s=float(t_s[over])))
                    current = None
            continue
        if current is None:
            current = _opened(t_s[first:end], place[first:end], on_s, gap_s)
        if current is not None:
            current = replace(current, last=int(place[end - 1]))
    return found + ([current] if current is not None else [])


def _opened(t_s: FloatArray, place: IndexArray, on_s: float, gap_s: float) -> Episode | None:
    """The episode that samples which all show the condition open, if they last long enough without a hole."""
    for first, end in _runs(np.diff(t_s) > gap_s, len(t_s)):
        confirmed = first + int(np.searchsorted(t_s[first:end], t_s[first] + on_s))
        if confirmed < end:
            return Episode(False, int(place[first]), int(place[confirmed]), float(t_s[confirmed]), None)
    return None


def _runs(breaks: Mask, count: int) -> list[tuple[int, int]]:
    """The pieces [first, end) into which `breaks` (between neighbours) cut so many samples."""
    if not count:
        return []
    cuts = [0, *(np.flatnonzero(breaks) + 1).tolist(), count]
    return list(pairwise(cuts))


@dataclass(frozen=True, slots=True)
class Opening:
    """An alert to be made; `cleared_at` when it is over already and nobody needs to hear of it."""

    condition: Condition
    first_evidence_at: datetime
    last_evidence_at: datetime
    confirmed_at: datetime
    cleared_at: datetime | None
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Continuing:
    """A live alert whose condition was seen again."""

    alert: LiveAlert
    last_evidence_at: datetime


@dataclass(frozen=True, slots=True)
class Resolving:
    """A live alert whose condition is gone."""

    alert: LiveAlert
    cleared_at: datetime


Transition = Opening | Continuing | Resolving


def transitions(condition: Condition, live: Sequence[LiveAlert], *, ended_at: datetime | None) -> list[Transition]:
    """What a condition does to the alerts of its fault and asset.

    `ended_at` is the measured time up to which the last resolved alert of this kind was judged; earlier samples have
    had their say.
    """
    alert = next((a for a in live if (a.fault, a.asset) == (condition.fault, condition.asset)), None)
    known_until = max((t for t in (ended_at, alert.last_evidence_at if alert else None) if t), default=None)
    after_s = known_until.timestamp() if known_until else float("-inf")
    found: list[Transition] = []
    for episode in episodes(condition, RULES[condition.fault], is_live=alert is not None, after_s=after_s):
        if episode.began_before and alert is not None:
            if episode.is_over:
                found.append(Resolving(alert, _instant(episode.cleared_s)))
            elif episode.last >= 0:
                found.append(Continuing(alert, _at(condition.t_s, episode.last)))
        else:
            cleared_at = _instant(episode.cleared_s) if episode.is_over else None
            found.append(
                Opening(
                    condition, _at(condition.t_s, episode.first), _at(condition.t_s, episode.last),
                    _instant(episode.confirmed_s), cleared_at, episode.first, episode.last,
                )
            )  # fmt: skip
    return found


def _at(t_s: FloatArray, index: int) -> datetime:
    return _instant(float(t_s[index]))


def _instant(t_s: float | None) -> datetime:
    if t_s is None:
        raise ValueError("an episode that is not over has no end")
    return datetime.fromtimestamp(t_s, UTC)
