"""Octets of a message centre into text and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.carriers.smpp_pdu import Address, Delivery, decode, submit
from alerts.carriers.smpp_text import decoded, encoded, part, recipient, sender

GSM_BASIC = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡AZÄÖÑÜ§¿azäöñüà"


def test_gsm_is_one_octet_a_letter_and_not_packed() -> None:
    assert encoded("été à 5 €", "gsm") == (0, bytes.fromhex("05740520 7f 20 35 20 1b65".replace(" ", "")))
    assert encoded("reçu", "gsm") == (8, "reçu".encode("utf-16-be")), "Ç is in, ç is out"
    assert encoded("reçu", "latin-1") == (0, b"re\xe7u")


@given(st.text(st.sampled_from(GSM_BASIC + "^{}\\[~]|€")), st.sampled_from(["gsm", "latin-1"]))
def test_what_is_encoded_is_decoded(text: str, alphabet: str) -> None:
    data_coding, octets = encoded(text, alphabet)
    assert decoded(octets, data_coding, alphabet) == text


@given(st.binary(max_size=300), st.integers(0, 255), st.integers(0, 255))
def test_nothing_that_comes_in_trips_the_reader(octets: bytes, data_coding: int, esm_class: int) -> None:
    piece = part(Delivery(Address(1, 1, "1"), Address(0, 1, "7000"), esm_class, data_coding, octets))
    assert isinstance(decoded(piece.octets, data_coding, "gsm"), str)
    assert 1 <= piece.number <= piece.total


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        pytest.param("0500032a0201" + "41", ((0x2A,), 2, 1, b"A"), id="8-bit-reference"),
        pytest.param("060804012a0302" + "41", ((0x12A,), 3, 2, b"A"), id="16-bit-reference"),
        pytest.param("0a" + "0003070201" + "2400" + "010101" + "41", ((7,), 2, 1, b"A"), id="among-others"),
        pytest.param("05000300020341", ((), 1, 1, b"A"), id="third-of-two"),
        pytest.param("2041", ((), 1, 1, bytes.fromhex("2041")), id="header-longer-than-the-text"),
    ],
)
def test_the_header_of_a_part_is_read(octets: str, expected: tuple[object, ...]) -> None:
    delivery = Delivery(Address(1, 1, "1"), Address(0, 1, "7000"), 0x40, 0, bytes.fromhex(octets))
    assert part(delivery) == expected


def test_a_text_longer_than_a_segment_goes_as_payload_and_is_not_cut_by_us() -> None:
    one = submit(1, sender("7000"), recipient("+224622123456"), data_coding=0, octets=b"a" * 160, valid_for_s=60)
    two = submit(1, sender("7000"), recipient("+224622123456"), data_coding=0, octets=b"a" * 161, valid_for_s=60)
    assert one.endswith(bytes([160]) + b"a" * 160)
    assert two.endswith(bytes([0]) + bytes.fromhex("042400a1") + b"a" * 161)  # sm_length 0, then the parameter 0x0424


def test_validity_is_a_span_in_the_protocols_form() -> None:
    raw = submit(1, sender("7000"), recipient("+224622123456"), data_coding=0, octets=b"a", valid_for_s=90_061)
    assert b"\x00000001010101000R\x00" in raw  # a day, an hour, a minute and a second


def test_a_number_that_the_codec_would_cut_is_refused() -> None:
    with pytest.raises(ValueError, match="are more than 20"):
        recipient("+" + "2" * 21)


def test_an_id_in_a_parameter_is_whole_with_and_without_a_zero_at_its_end() -> None:
    fixed = b"\0" + b"\1\1" + b"224622123456\0" + b"\5\0" + b"NDIYAN\0" + b"\4\0\0" + b"\0\0" + bytes(5)
    for value in (b"A1B2", b"A1B2\0"):
        body = fixed + bytes.fromhex("001e") + len(value).to_bytes(2, "big") + value
        raw = (16 + len(body)).to_bytes(4, "big") + (5).to_bytes(4, "big") + bytes(4) + (9).to_bytes(4, "big") + body
        delivery = decode(raw).delivery
        assert delivery is not None
        assert delivery.receipted_id == "A1B2"
