"""The life of an alert: opened by what lasts, closed by what is gone, unmoved by what cannot be told."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.lifecycle import Continuing, Opening, Resolving, episodes, transitions
from alerts.model import RULES, AlertState, Condition, Evidence, LiveAlert, Rule
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


class Book:
    """Alerts as the database would keep them."""

    def __init__(self) -> None:
        self.live: LiveAlert | None = None
        self.ended_at: datetime | None = None
        self.story: list[tuple[str, datetime]] = []

    def judge(self, found: Condition) -> None:
        for step in transitions(found, [self.live] if self.live else [], ended_at=self.ended_at):
            if isinstance(step, Opening):
                assert self.live is None, "never two live alerts of one fault and asset"
                if step.cleared_at is None:
                    self.live = LiveAlert(
                        1, found.fault, found.asset, AlertState.OPEN, step.first_evidence_at, step.last_evidence_at
                    )
                else:
                    self.ended_at = step.cleared_at
                self.story += [("opened", step.confirmed_at)]
                self.story += [("resolved", step.cleared_at)] if step.cleared_at else []
            elif isinstance(step, Continuing):
                assert self.live is not None
                self.live = LiveAlert(
                    1, found.fault, found.asset, AlertState.OPEN, self.live.first_evidence_at, step.last_evidence_at
                )
            else:
                assert isinstance(step, Resolving)
                self.live, self.ended_at = None, step.cleared_at
                self.story.append(("resolved", step.cleared_at))


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
        before = list(pieces.story)
        pieces.judge(found)
        assert pieces.story == before, "judging the same readings again changes nothing"
    assert pieces.story == whole.story


@given(stories)
def test_opened_and_resolved_take_turns(story: str) -> None:
    book = Book()
    book.judge(condition(story))
    words = [word for word, _ in book.story]
    assert words == ["opened", "resolved"] * (len(words) // 2) + ["opened"] * (len(words) % 2)
    times = [at for _, at in book.story]
    assert times == sorted(times)


def test_every_rule_waits_longer_than_a_planned_stop_where_it_wakes_people() -> None:
    assert RULES[Fault.PUMP_NOT_RUNNING].on_delay > 40 * MINUTE
