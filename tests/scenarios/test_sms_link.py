"""kill -9 and cut links while SMS go out over SMPP: none lost, none twice, and what may be twice is flagged."""

import os
from pathlib import Path

import pytest

from gateway.zones import Zone
from tests.alerts.carriers.peers import Smsc
from tests.scenarios.sms_harness import Exchange, trial

KILLS = int(os.environ.get("NDIYAN_SMS_KILLS", "8"))
SEED = int(os.environ.get("NDIYAN_SMS_SEED", "1"))

pytestmark = [pytest.mark.db, pytest.mark.slow]


def test_killed_and_cut_nothing_is_lost_and_nothing_is_sent_twice(
    smsc: Smsc, database_url: str, zones: list[Zone], tmp_path: Path
) -> None:
    smsc.set(answerMs=10, receiptMs=200, deliverAgainMs=500)
    exchange = Exchange(database_url, smsc, zones, tmp_path / "sender.log", receipt_within_s=4.0)
    try:
        found = trial(exchange, messages=KILLS * 60, kills=KILLS, cuts=KILLS // 3, seed=SEED)
    finally:
        exchange.close()
    print(f"\nseed {SEED}: {found}")
    assert (found.lost, found.twice) == ([], [])
    assert (found.inbound, found.inbound_lost, found.inbound_twice) == (KILLS, 0, 0)
    assert found.states == {"delivered": KILLS * 60}


def test_where_receipts_come_after_the_grace_what_is_twice_is_flagged(
    smsc: Smsc, database_url: str, zones: list[Zone], tmp_path: Path
) -> None:
    smsc.set(answerMs=50, receiptMs=8000)
    exchange = Exchange(database_url, smsc, zones, tmp_path / "sender.log", receipt_within_s=1.0)
    try:
        found = trial(exchange, messages=60, kills=2, cuts=0, seed=SEED)
    finally:
        exchange.close()
    assert found.lost == []
    assert found.twice, "or this test shows nothing"
    assert found.twice_unflagged == []
