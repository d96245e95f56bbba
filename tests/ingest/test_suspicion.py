"""What the database refuses is believed to be bad rows until too much of it comes, of too many, in too short a time."""

import pytest

from ingest.suspicion import MINUTE_US, READINGS, WITHIN_MINUTES, Suspicion

START_US = 1_795_000_000_000_000


def refused(*counts: int) -> list[str]:
    """A zone for each refused reading, so many of each zone."""
    return [f"zone-{number}" for number, count in enumerate(counts) for _ in range(count)]


@pytest.mark.parametrize(
    ("zones", "came", "is_believed"),
    [
        pytest.param(refused(50, 50), 499, False, id="more-than-a-fifth"),
        pytest.param(refused(50, 50), 500, True, id="a-fifth"),
        pytest.param(refused(50, 49), 99, True, id="too-few"),
        pytest.param(refused(5000), 5000, True, id="one-zone-however-much"),
        pytest.param(refused(5000, 1), 5001, True, id="one-zone-and-hardly-another"),
        pytest.param(refused(20, 20, 20, 20, 20), 100, False, id="a-little-of-many"),
    ],
)
def test_a_batch_is_believed_as_far_as_it_can_be(zones: list[str], came: int, is_believed: bool) -> None:
    assert (Suspicion().why_not_believed(START_US, zones, came) is None) is is_believed


def test_it_adds_up_over_the_hour_and_is_forgotten_after_it() -> None:
    suspicion = Suspicion()
    for number in range(READINGS - 1):
        suspicion.note(START_US + number * MINUTE_US // 4, refused(number % 2, 1 - number % 2), 1)
    now_us = START_US + READINGS * MINUTE_US // 4
    assert suspicion.why_not_believed(now_us, refused(1), 1) == "the database refused 100 of 100 readings of 2 zones"
    assert suspicion.why_not_believed(now_us + (WITHIN_MINUTES - 5) * MINUTE_US, refused(1), 1) is None


def test_what_came_well_since_the_first_refusal_speaks_for_the_schema() -> None:
    suspicion = Suspicion()
    suspicion.note(START_US, (), 1_000_000)
    suspicion.note(START_US + MINUTE_US, refused(49, 50), 99)
    assert suspicion.why_not_believed(START_US + MINUTE_US, refused(1), 1) is not None, "not what came before it"
    suspicion.note(START_US + 2 * MINUTE_US, (), 400)
    assert suspicion.why_not_believed(START_US + 3 * MINUTE_US, refused(1), 1) is None
