"""Conditions + live alerts → transitions: a pure state machine on measured time.

A condition that holds for its on-delay opens an alert, one that is absent for its off-delay resolves it. What cannot be
told, and holes in the data, neither open nor close. The machine starts where the last alert of the kind ended, or from
the live one; so judging the same readings again, after a restart or with an overlapping window, changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from alerts.model import RULES, Condition, LiveAlert, Rule, Verdict
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
    streak: int | None = None  # first sample of a run that may open
    streak_last = 0.0
    absent_since: float | None = None
    for index in range(int((condition.t_s <= after_s).sum()), len(condition.t_s)):
        t_s, verdict = float(condition.t_s[index]), condition.verdict[index]
        if verdict == Verdict.CANNOT_TELL:
            continue
        if current is None:
            if verdict == Verdict.ABSENT:
                streak = None
                continue
            if streak is None or t_s - streak_last > gap_s:
                streak = index
            streak_last = t_s
            if t_s - float(condition.t_s[streak]) >= on_s:
                current, streak = Episode(False, streak, index, t_s, None), None
        elif verdict == Verdict.PRESENT:
            current, absent_since = replace(current, last=index), None
        else:
            absent_since = t_s if absent_since is None else absent_since
            if t_s - absent_since >= off_s:
                found.append(replace(current, cleared_s=t_s))
                current, absent_since = None, None
    return found + ([current] if current is not None else [])


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
