"""What the oracle of the crash tests holds against a broker's log."""

from pathlib import Path

from tests.scenarios.oracle import Confirmations

CONNECTED = "2026-11-27T14:47:51: New client connected from 127.0.0.1:35668 as ingest (p5, c0, k30, u'ingest')."
SENT = "2026-11-27T14:47:56: Sending PUBLISH to ingest (d0, q1, r0, m3780, 'n/1/zone-4/gw-4/up/senml', ... (86 bytes))"
CONFIRMED = "2026-11-27T14:48:09: Received PUBACK from ingest (Mid: 3780, RC:0)"


def test_as_often_as_an_id_was_sent_it_may_be_confirmed_and_no_oftener(tmp_path: Path) -> None:
    log = tmp_path / "broker.log"
    confirmations = Confirmations(log)
    log.write_text("".join(f"{line}\n" for line in (CONNECTED, SENT, SENT, CONFIRMED)), "utf-8")
    assert confirmations.stray() == [], "the broker gave the id anew"
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{CONFIRMED}\n")
    assert confirmations.stray() == []
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{CONFIRMED}\n")
    assert confirmations.stray() == [CONFIRMED]


def test_what_was_sent_on_a_link_before_is_not_to_be_confirmed(tmp_path: Path) -> None:
    log = tmp_path / "broker.log"
    log.write_text("".join(f"{line}\n" for line in (CONNECTED, SENT, CONNECTED, CONFIRMED)), "utf-8")
    assert Confirmations(log).stray() == [CONFIRMED]
