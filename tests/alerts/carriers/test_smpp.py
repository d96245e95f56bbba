"""The SMPP carrier against message centres that are not ours."""

import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from alerts.carriers import Accepted, Event, Fate, Inbound, Receipt, Refused, Submitted, Throttled, Uncertain, Urgency
from alerts.replies import read_reply
from alerts.sender import Sender
from gateway.clock import ManualClock
from ingest.db import Connection, connect
from ndiyan.children import free_port
from tests.alerts.carriers.conftest import Desk, sms, until
from tests.alerts.carriers.peers import NoPeer, Smsc, kannel, perl_smsc
from tests.conftest import skip_without

Desks = Callable[..., Desk]
DIALECTS = (
    "decimal", "hex", "decimal_of_hex", "uuid", "no_tlv", "tlv_only", "before_answer", "twice", "latin_1", "cut",
    "dc_1", "no_sub", "payload", "odd_dates", "terse",
)  # fmt: skip


def test_an_sms_is_accepted_and_its_receipt_says_delivered(smsc: Smsc, desk: Desks) -> None:
    committee = desk(smsc.port)
    committee.send(sms(1, "Bowé: pompe arrêtée. Rép 1 [vu]"), sms(2, "Bowe: pompe é [€]"))

    (first, second) = committee.get(Submitted, 2)
    receipts = committee.get(Receipt, 2)

    assert (first.outcome, second.outcome) == (Accepted("1"), Accepted("2"))
    assert {(r.provider_ids, r.phone, r.fate) for r in receipts} == {
        (("1",), "+224622100001", Fate.DELIVERED),
        (("2",), "+224622100002", Fate.DELIVERED),
    }
    one, two = smsc.taken
    assert (one["dc"], one["text"]) == (8, "Bowé: pompe arrêtée. Rép 1 [vu]"), "ê is not in GSM-7"
    assert (two["dc"], two["text"]) == (0, "Bowe: pompe é [€]")
    assert (one["from"], one["fromTon"], one["to"], one["toTon"]) == ("NDIYAN", 5, "224622100001", 1)


def test_nothing_leaves_by_a_link_that_is_not_ours_any_more(smsc: Smsc, desk: Desks) -> None:
    """We thaw with an SMS in hand and somebody else may hold the route: until the database has answered, it stays."""
    ours, asked = threading.Event(), list[bool]()

    def is_ours() -> bool:
        asked.append(ours.is_set())
        return asked[-1]

    committee = desk(smsc.port, is_ours=is_ours)
    committee.send(sms(1))
    until(lambda: len(asked) >= 2, "the link asks whether it may, and again")
    assert smsc.counts["submits"] == 0
    ours.set()
    committee.get(Submitted, 1)
    assert smsc.counts["submits"] == 1


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_receipt_is_placed_in_every_dialect(smsc: Smsc, desk: Desks, dialect: str) -> None:
    smsc.set(dialect=dialect)
    committee = desk(smsc.port)
    committee.send(*(sms(n, f"#{n}# été à Bowé, pompe") for n in range(1, 31)))

    submitted = committee.get(Submitted, 30)
    answered = 30 * (2 if dialect == "twice" else 1)
    until(lambda: not committee.take() and smsc.counts["receiptsAnswered"] == answered, "all receipts answered")
    receipts = committee.of(Receipt)

    ids = {s.outcome.provider_id: s.ref.int for s in submitted if isinstance(s.outcome, Accepted)}
    placed = {ids[i] for receipt in receipts for i in receipt.provider_ids if _phone(ids.get(i)) == receipt.phone}
    assert placed == set(range(1, 31))
    assert {receipt.fate for receipt in receipts} == {Fate.DELIVERED}
    if dialect not in ("tlv_only", "terse"):
        assert {r.text_head for r in receipts} == {f"#{n}#" for n in range(1, 31)}, "what all alphabets read alike"


def test_receipts_that_come_on_another_bind_are_taken_there(smsc: Smsc, desk: Desks) -> None:
    committee = desk(smsc.port, binds="pair")
    committee.send(sms(1), sms(2))
    committee.get(Submitted, 2)
    assert {r.provider_ids for r in committee.get(Receipt, 2)} == {("1",), ("2",)}
    assert smsc.counts["binds"] == 2


def test_a_receipt_is_not_answered_before_it_is_committed(smsc: Smsc, desk: Desks) -> None:
    smsc.set(deliverAgainMs=50)
    committee = desk(smsc.port)
    until(lambda: committee.carrier.room() > 0, "bound")
    committee.carrier.submit([sms(1)])
    until(lambda: len(committee.take(done=False)) == 2, "an answer and a receipt")

    smsc.write({"from": "224622000001", "text": "RECU"})
    until(lambda: smsc.inbound[0]["handed"] > 2, "handed over again and again")
    until(lambda: len(committee.take(done=False)) >= 3, "read by us, which may be later than it was written")
    assert len(committee.take(done=False)) == 3, "the same three, however often they were handed over"
    assert smsc.counts["receiptsAnswered"] == 0
    assert not smsc.inbound[0]["answered"]

    committee.take()
    until(lambda: smsc.counts["receiptsAnswered"] == 1, "receipt answered")
    until(lambda: smsc.inbound[0]["answered"], "inbound answered")
    copies = {_what(event) for event in committee.take()}
    assert copies <= {("1",)}, "a copy of the receipt may have met our answer on its way, nothing else"


@pytest.mark.parametrize(
    ("written", "text"),
    [
        pytest.param({"hex": "4445470555", "dc": 0}, "DEGéU", id="gsm-e-acute-is-05"),
        pytest.param({"hex": "52e9706172e9", "dc": 0}, "Réparé", id="latin-1-that-says-gsm"),
        pytest.param({"text": "r\xe9par\xe9", "dc": 3}, "réparé", id="latin-1"),
        pytest.param({"hex": "0052004500c70055", "dc": 8}, "REÇU", id="ucs-2"),
        pytest.param({"hex": "d83add00", "dc": 8}, "\U0001e900", id="adlam-is-a-surrogate-pair"),
        pytest.param({"text": "3", "dc": 1}, "3", id="ascii"),
    ],
)
def test_what_people_write_is_read_in_its_alphabet(
    smsc: Smsc, desk: Desks, written: dict[str, object], text: str
) -> None:
    committee = desk(smsc.port)
    smsc.write({"from": "224622123456", **written})
    (inbound,) = committee.get(Inbound, 1)
    assert (inbound.phone, inbound.text) == ("+224622123456", text)


@pytest.mark.parametrize(
    ("source", "ton", "phone"),
    [
        ("622123456", 2, "+224622123456"),
        ("00224622123456", 0, "+224622123456"),
        ("+224622123456", 1, "+224622123456"),
        ("33612345678", 1, "+33612345678"),
        ("ORANGE", 5, "ORANGE"),
        ("622DGJ456", 0, "622DGJ456"),
        (" 224622123456", 0, "+224622123456"),
    ],
)
def test_who_writes_is_known_in_e164(smsc: Smsc, desk: Desks, source: str, ton: int, phone: str) -> None:
    committee = desk(smsc.port)
    smsc.write({"from": source, "ton": ton, "text": "1"})
    assert committee.get(Inbound, 1)[0].phone == phone


def test_a_long_sms_is_one_in_whatever_order_its_parts_come(smsc: Smsc, desk: Desks) -> None:
    committee = desk(smsc.port)
    letters = "Réparé à Bowé \U0001e900 depuis hier".encode("utf-16-be")
    cut = letters.index(bytes.fromhex("d83a")) + 2  # within the ADLaM letter
    first, second = ({"hex": f"0500032a02{n:02x}" + octets.hex(), "esm": 0x40, "dc": 8, "from": "224622123456"}
                     for n, octets in ((1, letters[:cut]), (2, letters[cut:])))  # fmt: skip
    smsc.write(second)
    smsc.write(first)
    (inbound,) = committee.get(Inbound, 1)
    assert inbound.text == "Réparé à Bowé \U0001e900 depuis hier"
    until(lambda: smsc.counts["inboundAnswered"] == 2, "both parts answered")


@pytest.mark.parametrize(
    ("came", "text"), [(1, "Ce n'est pas encore […]"), (2, "[…]réparé")], ids=["first-of-two", "second-of-two"]
)
def test_what_is_missing_of_a_long_sms_is_shown_and_the_rest_is_not_taken_for_all_of_it(
    smsc: Smsc, desk: Desks, monkeypatch: pytest.MonkeyPatch, came: int, text: str
) -> None:
    monkeypatch.setattr("alerts.carriers.smpp.PARTS_WAIT_S", 0.2)
    committee = desk(smsc.port)
    octets = ("Ce n'est pas encore ", "réparé")[came - 1].encode("utf-16-be")
    smsc.write({"hex": f"0500032a02{came:02x}" + octets.hex(), "esm": 0x40, "dc": 8, "from": "224622123456"})
    (inbound,) = committee.get(Inbound, 1)
    assert inbound.text == text
    assert not read_reply(inbound.text).is_sure


@pytest.mark.db
def test_the_same_words_are_another_sms_once_the_centre_is_known_to_have_our_answer(
    smsc: Smsc, desk: Desks, database_url: str
) -> None:
    """Somebody answers 1, and 1 again half a minute later, and 1 again 18 minutes later when we have been restarted."""
    clock = ManualClock(datetime(2026, 11, 26, 8, 0, tzinfo=UTC))
    with connect(database_url) as connection:
        for number, later in enumerate((timedelta(0), timedelta(seconds=30), timedelta(minutes=18)), start=1):
            clock.advance(later)
            if number != 2:
                office = desk(smsc.port, connection=connection, clock=clock)
                sender = Sender(connection, {"operator": office.carrier}, clock, keeps_desk=False)
            smsc.write({"from": "224622123456", "text": "1"})
            until(lambda: sender.work() == 0 and known(connection) == (number, 0), "stored, and proven")  # noqa: B023
            if number == 2:
                office.carrier.close()


@pytest.mark.db
@pytest.mark.parametrize(
    ("binds", "is_cut"),
    [
        pytest.param("transceiver", False, id="the-process-dies"),
        pytest.param("pair", True, id="the-links-of-a-pair-are-cut"),
    ],
)
def test_what_is_stored_and_not_answered_comes_again_and_stays_one(
    smsc: Smsc, desk: Desks, database_url: str, monkeypatch: pytest.MonkeyPatch, binds: str, is_cut: bool
) -> None:
    clock = ManualClock(datetime(2026, 11, 26, 8, 0, tzinfo=UTC))
    long = [{"hex": f"0500032a02{n:02x}4142", "esm": 0x40, "from": "224622123456"} for n in (1, 2)]
    with connect(database_url) as connection:
        office = desk(smsc.port, connection=connection, clock=clock, binds=binds)
        sender = Sender(connection, {"operator": office.carrier}, clock, keeps_desk=False)
        committed: list[Event] = []
        with monkeypatch.context() as before_the_answer:
            before_the_answer.setattr(office.carrier, "done", committed.extend)
            smsc.write({"from": "224622123456", "text": "PANNE"}, *long)
            until(lambda: sender.work() >= 2 and known(connection) == (2, 2), "stored")
        if is_cut:
            clock.advance(timedelta(hours=5))
            smsc.cut()
            until(lambda: smsc.counts["binds"] == 4, "bound again")
            until(lambda: all(one["handed"] == 2 for one in smsc.inbound), "handed over again")
            office.carrier.done(committed)
        else:
            office.carrier.close()
            clock.advance(timedelta(hours=5))
            office = desk(smsc.port, connection=connection, clock=clock)
            sender = Sender(connection, {"operator": office.carrier}, clock, keeps_desk=False)
        until(lambda: sender.work() == 0 and known(connection) == (2, 0), "proven, and nothing stored again")
        assert smsc.counts["inboundAnswered"] == 3


def known(connection: Connection) -> tuple[int, int]:
    """How many inbound SMS are stored, and of how many it is not proven that our answer arrived."""
    ((stored, unproven),) = connection.execute("SELECT count(*), count(repeat_keys) FROM sms_in").fetchall()
    return stored, unproven


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        pytest.param(0x0B, Refused("SMPP status 0x0b", is_permanent=True), id="no-such-number"),
        pytest.param(0x08, Refused("SMPP status 0x08", is_permanent=False), id="system-error"),
        pytest.param(0x45, Refused("SMPP status 0x45", is_permanent=False), id="submit-failed"),
        pytest.param(0x4FF, Refused("SMPP status 0x4ff", is_permanent=False), id="the-vendor's-own"),
        pytest.param(0x58, Throttled(1.0), id="throttled"),
        pytest.param(0x14, Throttled(1.0), id="queue-full"),
    ],
)
def test_refusals_are_told_apart(smsc: Smsc, desk: Desks, status: int, outcome: object) -> None:
    smsc.set(refuse=[status])
    committee = desk(smsc.port)
    committee.send(sms(1))
    assert committee.get(Submitted, 1)[0].outcome == outcome
    assert (committee.carrier.room() == 0) == isinstance(outcome, Throttled), "the whole bind rests"


def test_below_the_limit_of_the_contract_nothing_is_refused(smsc: Smsc, desk: Desks) -> None:
    smsc.set(perSecond=50)
    committee = desk(smsc.port, per_s=40.0)  # the limit itself: test_pace, and make bench-sms
    committee.send(*(sms(n) for n in range(1, 101)))
    assert {type(s.outcome) for s in committee.get(Submitted, 100)} == {Accepted}
    assert smsc.counts["throttled"] == 0


def test_what_is_urgent_overtakes_what_waits_for_the_pace(smsc: Smsc, desk: Desks) -> None:
    committee = desk(smsc.port, per_s=20.0)
    until(lambda: committee.carrier.room() > 0, "bound")
    room = committee.carrier.room()
    committee.carrier.submit([sms(n, urgency=Urgency.ROUTINE) for n in range(1, room + 1)])
    until(lambda: committee.carrier.room() > 0, "room again")
    committee.carrier.submit([sms(99, urgency=Urgency.NO_WATER)])
    committee.get(Submitted, room + 1)
    order = [m["to"] for m in smsc.taken]
    assert order.index("224622100099") < room


def test_a_link_that_is_cut_leaves_what_was_under_way_uncertain_and_comes_back(smsc: Smsc, desk: Desks) -> None:
    smsc.set(cutAfterTaking=1)
    committee = desk(smsc.port)
    committee.send(sms(1))
    (lost,) = committee.get(Submitted, 1)
    assert isinstance(lost.outcome, Uncertain)

    (receipt,) = committee.get(Receipt, 1)
    assert "1" in receipt.provider_ids
    assert sms(1).text.startswith(receipt.text_head), "what settles it"
    assert receipt.text_head == "#1# pompe arretee"
    committee.send(sms(2))
    assert committee.get(Submitted, 2)[1].outcome == Accepted("2")


def test_an_answer_that_does_not_come_is_uncertain_and_settles_when_it_comes_late(smsc: Smsc, desk: Desks) -> None:
    smsc.set(unanswered=1, lateMs=1500, noReceipts=1)
    committee = desk(smsc.port, response_timeout_s=1.0, window=1)
    committee.send(sms(1))
    (lost,) = committee.get(Submitted, 1)
    assert isinstance(lost.outcome, Uncertain)
    assert committee.carrier.settle(sms(1)) is None
    committee.send(sms(2))
    assert committee.get(Submitted, 2)[1].outcome == Accepted("2"), "the window has room again"
    found: list[object] = []

    def settles() -> bool:
        found.append(committee.carrier.settle(sms(1)))
        return found[-1] is not None

    until(settles, "the late answer")
    assert found[-1] == Accepted("1")


def test_a_silent_message_centre_is_left_and_bound_again(smsc: Smsc, desk: Desks) -> None:
    committee = desk(smsc.port, enquire_every_s=0.2, response_timeout_s=0.3)
    until(lambda: committee.carrier.health().is_up, "bound")
    smsc.set(deaf=True)
    until(lambda: not committee.carrier.health().is_up, "given up")
    assert committee.carrier.room() == 0
    smsc.set(deaf=False)
    until(lambda: committee.carrier.health().is_up, "bound again")


def test_a_wrong_password_is_told_in_words(smsc: Smsc, desk: Desks) -> None:
    committee = desk(smsc.port, password="wrong")
    until(lambda: "wrong password" in committee.carrier.health().detail, "told")
    assert not committee.carrier.health().is_up
    assert committee.carrier.room() == 0


def test_what_is_out_of_date_does_not_leave(smsc: Smsc, desk: Desks) -> None:
    committee = desk(smsc.port)
    committee.send(sms(1, valid_for=timedelta(seconds=-1)), sms(2, valid_for=timedelta(hours=2)))
    submitted = {s.ref.int: s.outcome for s in committee.get(Submitted, 2)}
    assert submitted == {1: Refused("its time is over", is_permanent=False), 2: Accepted("1")}
    assert len(smsc.taken) == 1


def test_a_link_is_encrypted_and_the_certificate_is_checked(
    request: pytest.FixtureRequest, tmp_path: Path, desk: Desks
) -> None:
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", cert],
        check=True, capture_output=True,
    )  # fmt: skip
    try:
        server = Smsc(tmp_path, key=str(key), cert=str(cert))
    except NoPeer as error:
        skip_without(request.config, "npm's SMPP codec", str(error), optional=True)
    with server:
        committee = desk(server.port, security="tls", tls_ca_file=str(cert))
        committee.send(sms(1))
        assert committee.get(Submitted, 1)[0].outcome == Accepted("1")
        stranger = desk(server.port, security="tls")
        until(lambda: "certificate" in stranger.carrier.health().detail, "told")


def test_the_message_centre_of_debians_perl_gives_every_sms_the_same_id(
    request: pytest.FixtureRequest, tmp_path: Path, desk: Desks
) -> None:
    try:
        with perl_smsc(tmp_path) as port:
            committee = desk(port)
            committee.send(*(sms(n, f"été {n} €") for n in range(1, 21)))
            submitted = committee.get(Submitted, 20)
            assert {s.outcome for s in submitted} == {Accepted("123456789")}
            assert {s.ref.int for s in submitted} == set(range(1, 21))
    except NoPeer as error:
        skip_without(request.config, "Net::SMPP", str(error), optional=True)


def test_kannel_a_client_of_others_is_content_with_our_test_message_centre(
    request: pytest.FixtureRequest, smsc: Smsc, tmp_path: Path
) -> None:
    try:
        with kannel(tmp_path, smsc.port) as port:
            until(lambda: smsc.counts["bound"] == 1, "Kannel is bound")
            query = {
                "username": "ndiyan", "password": "ndiyan", "to": "224622123456", "text": "bonjour é",
                "charset": "UTF-8", "dlr-mask": 31, "dlr-url": f"http://127.0.0.1:{free_port()}/",
            }  # fmt: skip
            url = f"http://127.0.0.1:{port}/cgi-bin/sendsms?{urllib.parse.urlencode(query)}"
            with urllib.request.urlopen(url, timeout=10) as answer:
                assert answer.status == 202
            until(lambda: smsc.counts["receiptsAnswered"] == 1, "Kannel has understood the receipt")
            smsc.write({"from": "224622123456", "text": "1"})
            until(lambda: smsc.counts["inboundAnswered"] == 1, "Kannel has understood the inbound SMS")
    except NoPeer as error:
        skip_without(request.config, "Kannel", str(error))
    assert [m["text"] for m in smsc.taken] == ["bonjour é"]


def _what(event: Event) -> tuple[str, ...]:
    """What an event is about, whenever it came."""
    if isinstance(event, Receipt):
        return event.provider_ids
    return (event.phone, event.text) if isinstance(event, Inbound) else ()


def _phone(number: int | None) -> str | None:
    return None if number is None else sms(number).phone
