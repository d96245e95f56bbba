"""A committee: it reads by day, answers sometimes and sometimes wrongly, and takes the same time in every world."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.replies import Intention, read_reply
from simulator.people import SEEN, WRONG, Committee, People, awake

NOON = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
MESSAGES = [f"message {n}" for n in range(2000)]


@pytest.mark.parametrize(
    ("hour", "expected"),
    [(5, (4, 6)), (6, (4, 6)), (12, (4, 12)), (20, (4, 20)), (21, (5, 6)), (23, (5, 6))],
)
def test_at_night_phones_wait_for_the_morning(hour: int, expected: tuple[int, int]) -> None:
    found = awake(NOON.replace(hour=hour))
    assert (found.day, found.hour) == expected


@given(st.integers(0, 500_000))
def test_nobody_reads_before_it_was_shown_nor_in_the_night(minutes: int) -> None:
    shown_at = NOON + timedelta(minutes=minutes)
    response = People(Committee(), seed=1).responds("m", zone_id="zone-1", shown_at=shown_at)
    assert response.read_at >= shown_at + timedelta(minutes=5)
    assert 6 <= response.read_at.hour < 21


def test_as_many_answer_and_as_many_answer_wrongly_as_was_said() -> None:
    people = People(Committee(answers=0.8, wrong=0.25), seed=3)
    answers = [people.responds(message, zone_id="zone-1", shown_at=NOON).text for message in MESSAGES]
    given_ = [text for text in answers if text is not None]
    assert len(given_) / len(MESSAGES) == pytest.approx(0.8, abs=0.03)
    wrong = [text for text in given_ if text != SEEN]
    assert len(wrong) / len(given_) == pytest.approx(0.25, abs=0.04)
    assert set(wrong) == set(WRONG)


def test_the_right_answer_is_understood_and_most_of_the_wrong_ones_are_not() -> None:
    assert read_reply(SEEN).intention is Intention.SEEN
    sure = [text for text in WRONG if read_reply(text).is_sure]
    assert len(sure) <= 1, sure


def test_a_repair_takes_as_long_however_it_became_known() -> None:
    people, again = People(Committee(), seed=1), People(Committee(), seed=1)
    early = people.mended_at("pump_not_running@1", zone_id="zone-1", known_at=NOON)
    late = again.mended_at("pump_not_running@1", zone_id="zone-1", known_at=NOON + timedelta(days=3))
    assert early is not None
    assert late is not None
    assert late - early == timedelta(days=3)
    assert timedelta(hours=4) <= early - NOON <= timedelta(hours=72)


def test_some_never_come() -> None:
    people = People(Committee(repairs=0.7), seed=1)
    never = [people.mended_at(message, zone_id="z", known_at=NOON) is None for message in MESSAGES]
    assert sum(never) / len(never) == pytest.approx(0.3, abs=0.04)


def test_dry_taps_are_borne_for_a_while() -> None:
    people = People(Committee(notices_hours=(6, 48)), seed=1)
    hours = [people.notices_after(message, zone_id="z") / timedelta(hours=1) for message in MESSAGES]
    assert 6 <= min(hours) < 8
    assert 46 < max(hours) <= 48
