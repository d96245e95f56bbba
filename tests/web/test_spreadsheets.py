"""Tables as programs and as a French Excel read them, without a formula in them."""

from __future__ import annotations

import pytest

from web.spreadsheets import csv_text


@pytest.mark.parametrize(
    ("value", "plain", "french"),
    [
        pytest.param(-3.2, "-3.2", "-3,2", id="below-zero"),
        pytest.param("612.4", "612.4", "612,4", id="a-number-as-text"),
        pytest.param(1e-7, "1e-07", "1e-07", id="very-small"),
        pytest.param(None, "", "", id="not-known"),
        pytest.param("zone-3", "zone-3", "zone-3", id="a-name"),
        pytest.param("v1.2", "v1.2", "v1.2", id="a-point-in-a-word"),
        pytest.param("=HYPERLINK(A1)", "'=HYPERLINK(A1)", "'=HYPERLINK(A1)", id="formula"),
        pytest.param("+224600000010", "'+224600000010", "'+224600000010", id="plus"),
        pytest.param("-1+cmd", "'-1+cmd", "'-1+cmd", id="minus"),
        pytest.param("@SUM(A1)", "'@SUM(A1)", "'@SUM(A1)", id="at"),
        pytest.param("\t=1", "'\t=1", "'\t=1", id="tab"),
    ],
)
def test_a_cell_is_a_number_or_a_text_and_never_a_formula(value: object, plain: str, french: str) -> None:
    assert csv_text([["x", value]]) == f"x,{plain}\n"
    assert csv_text([["x", value]], is_french=True) == f"\ufeffx;{french}\n"
