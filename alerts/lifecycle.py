"""Conditions + known alerts → transitions: a pure state machine on measured time.

A condition that holds for its on-delay opens an alert, one that is absent for its off-delay resolves it. What cannot be
told, and holes in the data, neither open nor close. What comes back soon after it was gone is the same alert again,
with a counter: chattering is one alert. The machine starts where the last alert of the kind ended, or from the live
one; so judging the same readings again, after a restart or with an overlapping window, changes nothing. Readings that
come late, from before that, are judged from their own time on, and what is known already is passed over. What nobody
has been told yet is judged by what is known now: a later verdict of the very instant of its last evidence counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np

from alerts.model import RULES, Condition, EndedAlert, IndexArray, LiveAlert, Mask, Rule, Verdict
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
    times: int = 1  # how often it came, when it came back soon

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


def folded(found: Sequence[Episode], condition: Condition, rule: Rule) -> list[Episode]:
    """Episodes that follow each other within the rule's `rejoin` as one."""
    whole: list[Episode] = []
    for episode in found:
        before = whole[-1] if whole else None
        if before is not None and before.cleared_s is not None:
            gap_s = float(condition.t_s[episode.first]) - before.cleared_s
            if gap_s <= rule.rejoin.total_seconds():
                whole[-1] = replace(
                    before, last=episode.last, cleared_s=episode.cleared_s, times=before.times + episode.times
                )
                continue
        whole.append(episode)
    return whole


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
    times: int = 1


@dataclass(frozen=True, slots=True)
class Continuing:
    """A live alert whose condition was seen again; `times` is how often it went and came back meanwhile."""

    alert: LiveAlert
    last_evidence_at: datetime
    times: int = 0


@dataclass(frozen=True, slots=True)
class Resolving:
    """A live alert whose condition is gone."""

    alert: LiveAlert
    cleared_at: datetime
    times: int = 0


@dataclass(frozen=True, slots=True)
class Returning:
    """A resolved alert whose condition came back so soon that it is the same one; over again when `cleared_at`."""

    alert: EndedAlert
    confirmed_at: datetime
    last_evidence_at: datetime
    cleared_at: datetime | None
    times: int


Transition = Opening | Continuing | Resolving | Returning


def transitions(
    condition: Condition,
    live: Sequence[LiveAlert],
    ended: Sequence[EndedAlert] = (),
    *,
    rule: Rule | None = None,
) -> list[Transition]:
    """What a condition does to the alerts of its fault and asset.

    Parameters
    ----------
    live : alerts that are not resolved, of any kind
    ended : resolved alerts of any kind that reach into the condition's time. Samples up to the end of the newest one
        have had their say; when the condition begins before an older one it is a late backlog, which is judged from its
        own beginning, and what overlaps a known alert is passed over
    rule : how it becomes an alert in this zone; default as in `RULES`
    """
    rule = rule or RULES[condition.fault]
    alert = next((a for a in live if _is_of(a, condition)), None)
    known = sorted((a for a in ended if _is_of(a, condition)), key=lambda a: a.cleared_at)
    if alert is None:
        after_s = known[-1].cleared_at.timestamp() if known and not condition.is_late else float("-inf")
        return [
            step
            for episode in folded(episodes(condition, rule, is_live=False, after_s=after_s), condition, rule)
            for step in _opened_anew(condition, episode, known, rule)
        ]
    found: list[Transition] = []
    if condition.is_late:
        found += _before_live(condition, alert, known, rule)
    after_s = alert.last_evidence_at.timestamp()
    if not alert.is_told:  # a night of which more has come since speaks again
        after_s = float(np.nextafter(after_s, -np.inf))
    for episode in folded(episodes(condition, rule, is_live=True, after_s=after_s), condition, rule):
        if not episode.began_before:
            found += _opened_anew(condition, episode, known, rule)
        elif episode.is_over:
            found.append(Resolving(alert, _instant(episode.cleared_s), episode.times - 1))
        elif episode.last >= 0:
            found.append(Continuing(alert, _at(condition.t_s, episode.last), episode.times - 1))
    return found


def _before_live(condition: Condition, alert: LiveAlert, known: Sequence[EndedAlert], rule: Rule) -> list[Transition]:
    """What a late backlog tells of the time before a live alert began: only what was over by then."""
    first_s = alert.first_evidence_at.timestamp()
    past = folded(episodes(condition, rule, is_live=False, after_s=float("-inf")), condition, rule)
    return [
        step
        for episode in past
        if episode.cleared_s is not None and episode.cleared_s < first_s
        for step in _opened_anew(condition, episode, known, rule)
    ]


def _opened_anew(condition: Condition, episode: Episode, known: Sequence[EndedAlert], rule: Rule) -> list[Transition]:
    """An alert of its own, the return of one that has just ended, or nothing when it is known already."""
    first, last = _at(condition.t_s, episode.first), _at(condition.t_s, episode.last)
    confirmed = _instant(episode.confirmed_s)
    cleared_at = _instant(episode.cleared_s) if episode.is_over else None
    for one in known:
        if one.first_evidence_at <= last and first <= one.cleared_at:
            return []
        if timedelta(0) < first - one.cleared_at <= rule.rejoin:
            return [Returning(one, confirmed, last, cleared_at, episode.times)]
    return [Opening(condition, first, last, confirmed, cleared_at, episode.first, episode.last, episode.times)]


def _is_of(alert: LiveAlert | EndedAlert, condition: Condition) -> bool:
    return (alert.fault, alert.asset) == (condition.fault, condition.asset)


def _at(t_s: FloatArray, index: int) -> datetime:
    return _instant(float(t_s[index]))


def _instant(t_s: float | None) -> datetime:
    if t_s is None:
        raise ValueError("an episode that is not over has no end")
    return datetime.fromtimestamp(t_s, UTC)
