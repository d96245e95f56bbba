"""Receipts as message centres write them; the twelve dialects over a link are in test_smpp."""

from datetime import UTC, datetime

import pytest

from alerts.carriers import Fate
from alerts.carriers.smpp_pdu import Address, Delivery
from alerts.carriers.smpp_receipts import Ids, is_receipt, read_receipt

NOW = datetime(2026, 3, 2, 10, 40, tzinfo=UTC)
PHONE, OURS = Address(1, 1, "224622123456"), Address(5, 0, "NDIYAN")
USUAL = (
    "id:0000000026 sub:001 dlvrd:001 submit date:2603021038 done date:2603021039 stat:DELIVRD err:000 "
    "text:A37 Bow\xe9: pompe"
)


def delivery(text: str | bytes, *, esm_class: int = 4, data_coding: int = 0, **parameters: object) -> Delivery:
    octets = text if isinstance(text, bytes) else text.encode("latin-1")
    return Delivery(PHONE, OURS, esm_class, data_coding, octets, **parameters)  # type: ignore[arg-type]


def test_the_usual_receipt_is_read_whole() -> None:
    told = read_receipt(delivery(USUAL), NOW)
    assert told.written == ("0000000026",)
    assert told.fate is Fate.DELIVERED
    assert told.at == datetime(2026, 3, 2, 10, 39, tzinfo=UTC)
    assert told.text_head == "A37 Bow", "up to the letter that alphabets write differently"
    assert told.raw == USUAL


@pytest.mark.parametrize(
    ("stat", "fate"),
    [
        ("DELIVRD", Fate.DELIVERED), ("DELIVERED", Fate.DELIVERED), ("delivrd", Fate.DELIVERED),
        ("DLVRD", Fate.DELIVERED), ("EXPIRED", Fate.EXPIRED), ("DELETED", Fate.UNDELIVERED),
        ("UNDELIV", Fate.UNDELIVERED), ("REJECTD", Fate.UNDELIVERED), ("FAILED", Fate.UNDELIVERED),
        ("ACCEPTD", Fate.ON_THE_NETWORK), ("ENROUTE", Fate.ON_THE_NETWORK), ("UNKNOWN", Fate.UNKNOWN),
        ("GIBBERISH", Fate.UNKNOWN),
    ],
)  # fmt: skip
def test_each_state_is_a_fate_and_what_is_not_known_is_never_delivered(stat: str, fate: Fate) -> None:
    assert read_receipt(delivery(f"id:1 stat:{stat} err:000"), NOW).fate is fate


@pytest.mark.parametrize(
    ("written", "at"),
    [
        pytest.param("2603021039", (2026, 3, 2, 10, 39, 0), id="as-in-the-specification"),
        pytest.param("260302103907", (2026, 3, 2, 10, 39, 7), id="with-seconds"),
        pytest.param("202603021039", (2026, 3, 2, 10, 39, 0), id="year-in-full"),
        pytest.param("20260302103907", (2026, 3, 2, 10, 39, 7), id="year-in-full-with-seconds"),
        pytest.param("2026-03-02 10:39:07", (2026, 3, 2, 10, 39, 7), id="as-databases-write"),
        pytest.param("0000000000", (2026, 3, 2, 10, 40, 0), id="none"),
        pytest.param("2103021039", (2026, 3, 2, 10, 40, 0), id="five-years-ago"),
        pytest.param("2603021239", (2026, 3, 2, 10, 40, 0), id="two-hours-ahead"),
    ],
)
def test_odd_dates_are_read_or_replaced_by_the_time_it_came(written: str, at: tuple[int, ...]) -> None:
    told = read_receipt(delivery(f"id:1 sub:001 done date:{written} stat:DELIVRD"), NOW)
    assert told.at == datetime(*at, tzinfo=UTC)  # type: ignore[arg-type,misc]


@pytest.mark.parametrize("end", range(len("id:0000000026 sub:001 "), len(USUAL)))
def test_a_receipt_that_is_cut_anywhere_still_says_which_sms(end: int) -> None:
    told = read_receipt(delivery(USUAL[:end], message_state=2), NOW)
    assert told.written == ("0000000026",)
    assert told.fate is not Fate.UNDELIVERED
    assert "A37 Bow\xe9: pompe".startswith(told.text_head)


def test_what_an_sms_repeats_cannot_speak_for_the_network() -> None:
    told = read_receipt(delivery("id:7 stat:UNDELIV err:011 text:id:8 stat:DELIVRD"), NOW)
    assert (told.written, told.fate) == (("7",), Fate.UNDELIVERED)


def test_who_writes_us_a_receipt_is_not_believed() -> None:
    assert not is_receipt(delivery("id:7 stat:DELIVRD", esm_class=0))
    assert not is_receipt(delivery("1", esm_class=0, receipted_id="mo-55")), (
        "a number that the centre gives inbound SMS"
    )
    assert is_receipt(delivery("id:7 stat:DELIVRD", esm_class=0, receipted_id="7"))
    assert is_receipt(delivery("", esm_class=0x20, receipted_id="7", message_state=1))


def test_a_receipt_in_ucs_2_is_read() -> None:
    told = read_receipt(delivery("id:7 stat:DELIVRD text:A37".encode("utf-16-be"), data_coding=8), NOW)
    assert (told.written, told.fate, told.text_head) == (("7",), Fate.DELIVERED, "A37")


def test_an_id_that_nobody_gave_may_be_meant_in_several_ways() -> None:
    assert Ids().meant(("10",), "+224622123456") == ("10", "a", "A", "0000000a", "0000000A", "16")


def test_an_id_that_an_answer_gave_is_certain() -> None:
    ids = Ids()
    ids.answered("10", "+224622123456")
    ids.answered("16", "+224622123456")
    assert ids.meant(("10",), "+224622123456") == ("10",), "and not 0x10, which is another SMS to the same phone"


def test_a_centre_that_writes_hexadecimal_is_known_for_it() -> None:
    ids = Ids()
    ids.answered("26", "+224622123456")
    assert ids.meant(("1A",), "+224622123456") == ("26",)
    assert ids.meant(("1B",), "+224622123456") == ("1B", "27"), "before its answer: in the usual way, or as written"
