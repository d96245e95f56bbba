"""Every SMS fits one GSM-7 segment, for every template, language and worst value; and counts like a phone does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.messages import (
    MessageKind,
    Segments,
    help_text,
    not_understood_text,
    segments,
    sms_text,
    to_gsm,
    which_text,
)
from alerts.words import WORDS, asset_label, fault_label, first_action
from gateway.model import Fault, State

WORST = {
    "hours": 4799.0, "level_pct": 100.0, "flow_m3_h": 123.456, "irradiance_w_m2": 1234.0, "power_w": 59_999.0,
    "depth_m": 299.9, "sensor": "niveau du château",
}  # fmt: skip
CALL = ("Wwwwwwwwwwwwwww Wwwwwwwwwwwwww", "+224600000012")
TOLD = [*Fault, State.TOWER_EMPTY]


@pytest.mark.parametrize("fault", TOLD)
@pytest.mark.parametrize("language", ["fr", "en", "ff"])
def test_every_notification_is_one_gsm7_segment_with_its_worst_values(fault: str, language: str) -> None:
    for kind in MessageKind:
        for values in (WORST, {}, {"hours": float("nan"), "level_pct": float("inf")}):
            for call in (CALL, None):
                text = sms_text(
                    kind, fault, language, zone_name="W" * 40, code="A99999", values=values, asset="tap-17", call=call
                )
                assert segments(text) == Segments("GSM-7", segments(text).units, 1), text
                assert "A99999" in text
                if kind is not MessageKind.RESOLVED:
                    assert "1=" in text, "how to answer is never cut away"
                    assert call is None or "600000012" in text, "nor whom to call"
                assert "nan" not in text.lower().replace("finance", "")


@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_answer_is_one_gsm7_segment(language: str) -> None:
    codes = [f"A{n}" for n in range(99_990, 99_999)]
    for text in (help_text(language, codes[0]), which_text(language, codes, "1"), not_understood_text(language)):
        assert segments(text)[0::2] == ("GSM-7", 1), text


def test_a_committee_reads_what_happened_where_and_what_to_do() -> None:
    text = sms_text(
        MessageKind.OPENED, "pump_not_running", "fr", zone_name="Mangol-Dow (fictif)", code="A12",
        values={"hours": 1.02, "level_pct": 63.7}, asset="pump", call=("Mamadou Saliou Sow", "+224600000012"),
    )  # fmt: skip
    assert text == (
        "NDIYAN A12 Mangol-Dow: POMPE ARRETEE malgré le soleil. Voyez coffret et disjoncteur."
        " Appelez Mamadou 600000012. Rép 1=vu 2=en route 3=réparé"
    )


def test_letters_outside_gsm7_are_replaced_and_french_accents_inside_it_stay() -> None:
    assert to_gsm("Château arrêté, « reçu » à l’étiage…") == 'Chateau arreté, " recu " à l\'étiage...'
    assert to_gsm("ɓanngol ɗoo ŋari ƴiiƴam") == "bhanngol dhoo ngari yhiiyham"
    assert segments("reçu").alphabet == "UCS-2", "one cedilla would double the price"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a" * 160, Segments("GSM-7", 160, 1), id="full"),
        pytest.param("a" * 161, Segments("GSM-7", 161, 2), id="one-more"),
        pytest.param("a" * 152 + "€" + "a" * 10, Segments("GSM-7", 164, 2), id="escape-not-cut"),
        pytest.param("ê" * 70, Segments("UCS-2", 70, 1), id="ucs2-full"),
        pytest.param("ê" * 71, Segments("UCS-2", 71, 2), id="ucs2-one-more"),
        pytest.param("", Segments("GSM-7", 0, 1), id="empty"),
    ],
)
def test_segments_are_counted_as_the_standard_says(text: str, expected: Segments) -> None:
    # 3GPP TS 23.038: 160 septets, 153 each when joined; 70 and 67 UTF-16 units.
    assert segments(text) == expected


@given(st.text(max_size=400))
def test_what_is_sent_is_always_gsm7(text: str) -> None:
    assert segments(to_gsm(text)).alphabet == "GSM-7"


@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_fault_and_state_has_its_words(language: str) -> None:
    assert set(WORDS) == {*Fault, *State}
    for kind in WORDS:
        assert fault_label(kind, language) != kind
        assert first_action(kind, language).endswith(".")
    assert asset_label("tap-07", language) in ("borne 7", "tap 7")
