"""The Islamic calendar against published tables, and the feasts by which people draw more."""

from datetime import date, timedelta

import pytest

from gateway.calendar import is_near_fast, is_near_feast, islamic_date


# From published conversion tables; what is announced in Conakry differs by a day at most.
@pytest.mark.parametrize(
    ("day", "expected"),
    [
        pytest.param(date(2024, 3, 11), (1445, 9, 1), id="ramadan-2024"),
        pytest.param(date(2025, 3, 1), (1446, 9, 1), id="ramadan-2025"),
        pytest.param(date(2026, 2, 18), (1447, 9, 1), id="ramadan-2026"),
        pytest.param(date(2026, 3, 20), (1447, 10, 1), id="korité-2026"),
        pytest.param(date(2026, 5, 27), (1447, 12, 10), id="tabaski-2026"),
        pytest.param(date(622, 7, 19), (1, 1, 1), id="the-hijra-in-the-gregorian-calendar"),
    ],
)
def test_the_islamic_calendar_agrees_with_tables(day: date, expected: tuple[int, int, int]) -> None:
    assert islamic_date(day) == expected


def test_days_follow_each_other_in_the_islamic_calendar() -> None:
    before = islamic_date(date(2020, 1, 1))
    for n in range(1, 4000):
        now = islamic_date(date(2020, 1, 1) + timedelta(days=n))
        assert now[2] == before[2] + 1 or (now[2] == 1 and before[2] in (29, 30) and now > before)
        before = now


def test_the_feasts_are_known_with_a_day_of_doubt_about_the_moon() -> None:
    year = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
    korite, tabaski = date(2026, 3, 20), date(2026, 5, 27)
    near = [first + timedelta(days=n) for first in (korite, tabaski) for n in (-1, 0, 1, 2)]
    assert [day for day in year if is_near_feast(day)] == near


def test_the_fast_is_known_with_a_day_of_doubt_at_both_ends() -> None:
    year = [date(2026, 1, 1) + timedelta(days=n) for n in range(365)]
    first, korite = date(2026, 2, 18), date(2026, 3, 20)
    fast = [day for day in year if is_near_fast(day)]
    assert (fast[0], fast[-1]) == (first - timedelta(days=1), korite)
    assert len(fast) == 12 + 20, "from 17 February to 20 March"
