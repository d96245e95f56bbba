"""The life of an alert: opened by what lasts, closed by what is gone, unmoved by what cannot be told."""

from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.lifecycle import Opening, Resolving, Returning, episodes, transitions
from alerts.model import RULES, AlertState, Condition, EndedAlert, Evidence, LiveAlert, Rule
from gateway.model import Fault

MINUTE = timedelta(minutes=1)
START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
RULE = Rule(3, on_delay=15 * MINUTE, off_delay=10 * MINUTE, max_gap=20 * MINUTE)
WORDS = {"x": 1, ".": 0, "?": -1}


def condition(story: str, fault: Fault = Fault.PUMP_NOT_RUNNING) -> Condition:
    """A sample each 5 min: `x` present, `.` absent, `?` cannot tell, and a blank where nothing came."""
    samples = [(5 * 60 * n, WORDS[letter]) for n, letter in enumerate(story) if letter != " "]
    t_s = START.timestamp() + np.array([t for t, _ in samples], dtype=np.float64)
    return Condition(fault, "pump", t_s, np.array([v for _, v in samples], dtype=np.int8), lambda a, b: EVIDENCE)


EVIDENCE = Evidence("", "", {}, {}, (), 1.0)


def told(story: str, *, is_live: bool = False) -> list[tuple[int, int | None]]:
    """Episodes as (sample of the confirmation, sample of the end or None)."""
    found = episodes(condition(story), RULE, is_live=is_live, after_s=-np.inf)
    minute = [(e.confirmed_s, e.cleared_s) for e in found]
    begin = START.timestamp()
    return [
        (round((c - begin) / 300) if np.isfinite(c) else -1, None if e is None else round((e - begin) / 300))
        for c, e in minute
    ]


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        pytest.param("....", [], id="nothing"),
        pytest.param(".xx.", [], id="too-short"),
        pytest.param(".xxx", [], id="just-before-the-on-delay"),
        pytest.param(".xxxx", [(4, None)], id="exactly-the-on-delay"),
        pytest.param(".xx?x?x", [(4, None)], id="unknown-in-between-does-not-reset"),
        pytest.param(".xx.xx.xx.", [], id="chattering-never-lasts"),
        pytest.param("xxxx..", [(3, None)], id="off-delay-not-over"),
        pytest.param("xxxx...", [(3, 6)], id="off-delay-over"),
        pytest.param("xxxx.x..x..", [(3, None)], id="comes-back-before-the-off-delay"),
        pytest.param("xxxx????????", [(3, None)], id="unknown-closes-nothing"),
        pytest.param("xx      xx", [], id="a-hole-is-no-evidence"),
        pytest.param("xxxx...xxxx...", [(3, 6), (10, 13)], id="twice"),
    ],
)
def test_an_alert_opens_after_the_on_delay_and_closes_after_the_off_delay(
    story: str, expected: list[tuple[int, int | None]]
) -> None:
    assert told(story) == expected


def test_a_live_alert_goes_on_or_ends_without_a_second_opening() -> None:
    assert told("xxxx", is_live=True) == [(-1, None)]
    assert told("x...xxxx", is_live=True) == [(-1, 3), (7, None)]


@pytest.mark.parametrize(
    ("is_told", "now_says", "ends"),
    [
        pytest.param(False, ".", True, id="nobody-has-heard-of-it"),
        pytest.param(True, ".", False, id="it-was-told"),
        pytest.param(False, "x", False, id="the-night-still-says-so"),
        pytest.param(False, "?", False, id="nobody-can-tell-any-more"),
    ],
)
def test_a_night_of_which_more_has_come_speaks_again_until_it_was_told(
    is_told: bool, now_says: str, ends: bool
) -> None:
    night = condition(now_says, Fault.TOWER_LEAK)
    alert = LiveAlert(1, Fault.TOWER_LEAK, "pump", AlertState.OPEN, START, START, is_told)
    assert any(isinstance(step, Resolving) for step in transitions(night, [alert])) is ends


@dataclass
class Entry:
    """An alert in a test's book."""

    first: datetime
    last: datetime
    cleared: datetime | None
    times: int


class Book:
    """Alerts as the database would keep them."""

    def __init__(self) -> None:
        self.alerts: list[Entry] = []
        self.words: list[str] = []

    def judge(self, found: Condition) -> None:
        live = [
            LiveAlert(number, found.fault, found.asset, AlertState.OPEN, one.first, one.last)
            for number, one in enumerate(self.alerts)
            if one.cleared is None
        ]
        ended = [
            EndedAlert(number, found.fault, found.asset, one.first, one.cleared)
            for number, one in enumerate(self.alerts)
            if one.cleared is not None
        ]
        assert len(live) <= 1, "never two live alerts of one fault and asset"
        for step in transitions(found, live, ended):
            if isinstance(step, Opening):
                self.words += ["opened"] + (["resolved"] if step.cleared_at else [])
                self.alerts.append(Entry(step.first_evidence_at, step.last_evidence_at, step.cleared_at, step.times))
                continue
            one = self.alerts[step.alert.alert_id]
            one.times += step.times
            if isinstance(step, Resolving):
                self.words.append("resolved")
                one.cleared = step.cleared_at
            else:
                one.last = step.last_evidence_at
                if isinstance(step, Returning):
                    self.words += ["opened"] + (["resolved"] if step.cleared_at else [])
                    one.cleared = step.cleared_at


# An hour of on-delay and a quarter of off-delay are real: stories of a day at five minutes.
stories = st.lists(st.tuples(st.sampled_from("xxx..?"), st.integers(1, 20)), min_size=1, max_size=20).map(
    lambda runs: "".join(letter * count for letter, count in runs)[:288]
)


@given(stories, st.data())
def test_judging_in_pieces_with_overlaps_and_restarts_tells_the_same_story(story: str, data: st.DataObject) -> None:
    whole = Book()
    whole.judge(condition(story))
    pieces = Book()
    cuts = sorted(data.draw(st.sets(st.integers(1, len(story)), max_size=6)) | {len(story)})
    for cut in cuts:
        found = condition(story[:cut])
        pieces.judge(found)
        before = deepcopy(pieces.alerts), list(pieces.words)
        pieces.judge(found)
        assert (pieces.alerts, pieces.words) == before, "judging the same readings again changes nothing"
    assert [(one.first, one.cleared, one.times) for one in pieces.alerts] == [
        (one.first, one.cleared, one.times) for one in whole.alerts
    ]


@given(stories, st.data())
def test_a_backlog_that_comes_last_is_judged_in_its_own_time(story: str, data: st.DataObject) -> None:
    """The gateway sends what is newest first: the same alerts come of it, as if it had come in order."""
    gap = sorted(data.draw(st.sets(st.integers(0, len(story)), min_size=2, max_size=2))) if len(story) > 1 else [0, 0]
    holey = story[: gap[0]] + " " * (gap[1] - gap[0]) + story[gap[1] :]
    book = Book()
    book.judge(condition(holey))
    book.judge(replace(condition(story), is_late=True))
    ordered = Book()
    ordered.judge(condition(story))
    for one in ordered.alerts:
        assert any(
            mine.first <= (one.cleared or one.last) and one.first <= (mine.cleared or one.last) for mine in book.alerts
        ), "each alert of the whole story is told by one that overlaps it"
    times = [(one.first, one.cleared) for one in sorted(book.alerts, key=lambda one: one.first)]
    for (_, cleared), (first, _) in pairwise(times):
        assert cleared is not None
        assert cleared <= first, "no two of a kind at the same time"


@given(stories)
def test_opened_and_resolved_take_turns(story: str) -> None:
    book = Book()
    book.judge(condition(story))
    assert book.words == ["opened", "resolved"] * (len(book.words) // 2) + ["opened"] * (len(book.words) % 2)


@pytest.mark.parametrize(
    ("story", "expected"),
    [
        pytest.param("x" * 14 + "...." + "x" * 14 + "....", [(0, 32, 2)], id="back-within-half-an-hour-is-the-same"),
        pytest.param(
            "x" * 14 + "." * 12 + "x" * 14 + "....", [(0, 14, 1), (26, 40, 1)], id="back-after-an-hour-is-news"
        ),
    ],
)
def test_what_comes_back_soon_is_one_alert_with_a_counter(story: str, expected: list[tuple[int, int, int]]) -> None:
    book = Book()
    for cut in range(1, len(story) + 1):
        book.judge(condition(story[:cut]))
    begin = START.timestamp()
    told = [
        (round((one.first.timestamp() - begin) / 300), round((one.cleared.timestamp() - begin) / 300), one.times)
        for one in book.alerts
        if one.cleared is not None
    ]
    assert told == expected


def test_every_rule_waits_longer_than_a_planned_stop_where_it_wakes_people() -> None:
    assert RULES[Fault.PUMP_NOT_RUNNING].on_delay > 40 * MINUTE
