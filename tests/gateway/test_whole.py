"""Whole numbers in texts from outside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.whole import MOST_DIGITS, whole


@given(st.integers(1 - 10**MOST_DIGITS, 10**MOST_DIGITS - 1))
def test_a_number_that_fits_is_read(number: int) -> None:
    assert whole(str(number)) == number


@given(st.text(alphabet="0123456789-²٣½+_ .e", max_size=30) | st.text())
def test_no_text_raises(text: str) -> None:
    number = whole(text)
    assert number is None or abs(number) < 10**MOST_DIGITS


@pytest.mark.parametrize("text", ["", "-", "--5", "+5", "²", "٣", "1_000", " 7", "7.0", "9" * 20, "9" * 5_000])
def test_what_is_no_number_is_none(text: str) -> None:
    assert whole(text) is None
