"""Figures about our own alerts, each worked out by hand."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.metrics import FLOOD, FLOOD_WITHIN, Record, Spans, floods, measure

START = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)
HOUR, MINUTE, WEEK = timedelta(hours=1), timedelta(minutes=1), timedelta(weeks=1)
ONE = Record(1, "zone-1", "pump_not_running", 3, START + HOUR, None, None, 1, False, False, None)


def test_what_nobody_was_told_of_counts_apart() -> None:
    records = [ONE, replace(ONE, is_late=True), replace(ONE, is_explained=True), replace(ONE, opened_at=START - HOUR)]
    found = measure(records, sms=12, zones=3, start=START, end=START + 2 * WEEK)
    assert (found.alerts, found.untold) == (1, 2)
    assert found.per_zone_week == pytest.approx(1 / 6)
    assert found.sms_per_zone_week == pytest.approx(2.0)


def test_times_to_acknowledge_and_to_repair() -> None:
    # Ten alerts, acknowledged after 1 to 10 minutes: the median is 5.5, the 90 % quantile 9.1.
    records = [replace(ONE, acknowledged_at=ONE.opened_at + n * MINUTE) for n in range(1, 11)]
    found = measure(records, sms=0, zones=1, start=START, end=START + WEEK)
    assert found.to_acknowledge == Spans(10, 5.5 * MINUTE, 9.1 * MINUTE)
    assert found.to_resolve == Spans(0, None, None)


def test_the_share_of_false_alerts_is_of_those_that_people_judged() -> None:
    records = [replace(ONE, is_true=word) for word in (True, True, True, False, None, None)]
    found = measure(records, sms=0, zones=1, start=START, end=START + WEEK)
    assert (found.marked, found.false, found.false_share) == (4, 1, 0.25)
    assert found.by_fault == (("pump_not_running", 6, 4, 1),)
    assert measure([ONE], sms=0, zones=1, start=START, end=START + WEEK).false_share is None


def test_chattering_and_stale_alerts_are_named() -> None:
    chatter = [replace(ONE, alert_id=n, times=n, resolved_at=START + 2 * HOUR) for n in (1, 5, 3)]
    old = replace(ONE, alert_id=9, opened_at=START - 8 * 24 * HOUR)
    found = measure([*chatter, old, ONE], sms=0, zones=1, start=START, end=START + 24 * HOUR)
    assert [one.alert_id for one in found.chattering] == [5, 3]
    assert [one.alert_id for one in found.stale] == [9], "opened before the span and still open"


def test_a_flood_of_the_operator_need_not_be_one_of_a_committee() -> None:
    records = [replace(ONE, zone_id=f"zone-{n}", opened_at=START + n * MINUTE) for n in range(10)]
    found = measure(records, sms=0, zones=10, start=START, end=START + WEEK)
    (flood,) = found.floods
    assert flood == (None, START, START + 9 * MINUTE, 10)


@pytest.mark.parametrize(
    ("minutes", "sizes"),
    [
        pytest.param([0] * 9, [], id="nine"),
        pytest.param([0] * 9 + [10], [10], id="the-tenth-within-ten-minutes"),
        pytest.param([0] * 9 + [10.1], [], id="the-tenth-too-late"),
        pytest.param([n / 2 for n in range(60)], [60], id="half-an-hour-of-it-is-one"),
        pytest.param([0] * 10 + [60] * 12, [10, 12], id="two"),
    ],
)
def test_floods(minutes: list[float], sizes: list[int]) -> None:
    assert [flood.alerts for flood in floods([START + m * MINUTE for m in minutes], None)] == sizes


@given(st.lists(st.integers(0, 3000), max_size=60))
def test_floods_are_apart_and_each_holds_ten_within_ten_minutes(seconds: list[int]) -> None:
    instants = [START + timedelta(seconds=s) for s in seconds]
    found = floods(instants, None)
    for flood in found:
        inside = sorted(at for at in instants if flood.start <= at <= flood.end)
        assert flood.alerts >= FLOOD
        assert any(b - a <= FLOOD_WITHIN for a, b in zip(inside, inside[FLOOD - 1 :], strict=False))
    assert all(before.end < after.start for before, after in itertools.pairwise(found))
