"""Live zones on the worst network, through real gateway code, a real broker and the real ingest: it adds up exactly.

Platform time runs 60 times faster than the world. `NDIYAN_LIVE_MINUTES=30` makes it half an hour of platform time, and
`NDIYAN_LIVE_SPEED` sets how fast; `docs/simulator.md` quotes the figures that are printed.
"""

import os
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gateway.clock import FastClock, SystemClock
from ingest.config import IngestConfig
from ingest.db import connect
from ingest.registry import import_zones
from ingest.service import run as run_ingest
from ndiyan.embedded_broker import EmbeddedBroker
from simulator.feed import LiveFeed
from simulator.network import Fate
from simulator.scenarios import load_scenario
from tests.simulator.days import ZONES

pytestmark = [pytest.mark.db, pytest.mark.broker, pytest.mark.slow]
MINUTES = float(os.environ.get("NDIYAN_LIVE_MINUTES", "16"))
SPEED = float(os.environ.get("NDIYAN_LIVE_SPEED", "60"))
PATIENCE_S = 120.0
START = datetime(2026, 3, 2, 10, 40, tzinfo=UTC)
BY_THE_MINUTE = [
    replace(zone, assets=tuple(replace(asset, interval_s=60.0) for asset in zone.assets)) for zone in ZONES
]
# The platform has not been told yet of a sensor that zone-2 already has.
KNOWN = [
    replace(
        zone, assets=tuple(asset for asset in zone.assets if (zone.zone_id, asset.asset_id) != ("zone-2", "network"))
    )
    for zone in BY_THE_MINUTE
]
ACCOUNT = """
SELECT zone_id, sum(sent), sum(arrived), sum(received), sum(replayed), sum(stored), sum(duplicate), sum(conflict),
       sum(set_aside) FROM gateway_day GROUP BY zone_id ORDER BY zone_id
"""
ROWS = "SELECT zone_id, count(*) FROM reading JOIN channel USING (channel_id) GROUP BY zone_id ORDER BY zone_id"
WORDS = ("sent", "arrived", "received", "replayed", "stored", "duplicate", "conflict", "set_aside")


def test_what_was_generated_sent_stored_set_aside_and_missing_adds_up(
    database_url: str, broker: EmbeddedBroker, tmp_path: Path
) -> None:
    scenario = load_scenario("worst-network")
    with connect(database_url) as connection:
        import_zones(connection, KNOWN)
    clock = FastClock(platform_start=START, wall_start=SystemClock().now(), speed=SPEED)
    stop = threading.Event()
    config = IngestConfig(database_url, broker.ingest_settings)
    ingest = threading.Thread(target=run_ingest, args=(config, clock, stop))
    ingest.start()
    feed = LiveFeed(
        BY_THE_MINUTE, clock=clock, mqtt_for=lambda zone: broker.settings_for(zone.gateway_id), folder=tmp_path,
        seed=1, scenario=scenario, breaks_by_itself=True, restart_broker=broker.restart,
    )  # fmt: skip
    assert feed.link is not None
    ends = threading.Event()
    end = START + timedelta(minutes=MINUTES)
    watchdog = threading.Timer(MINUTES * 60 / SPEED + PATIENCE_S, ends.set)
    watchdog.start()
    try:
        feed.run(ends, until=end)
    finally:
        watchdog.cancel()
        stop.set()
        ingest.join(10)
    assert feed.reached == end, "it lived to its end"
    assert feed.waiting() == {zone.zone_id: 0 for zone in ZONES}, f"all was confirmed within {PATIENCE_S:.0f} s"

    with connect(database_url) as connection:
        account = {zone: dict(zip(WORDS, map(int, row), strict=True)) for zone, *row in connection.execute(ACCOUNT)}
        rows = dict(connection.execute(ROWS).fetchall())
        conflicts = connection.execute("SELECT count(*) FROM reading_conflict").fetchone()
        dated = connection.execute("SELECT count(*) FROM reading_note WHERE device_at IS NOT NULL").fetchone()
        span = connection.execute("SELECT min(measured_at), max(measured_at) FROM reading").fetchone()
        reasons = connection.execute("SELECT reason, count(*) FROM set_aside GROUP BY reason").fetchall()
    generated = feed.accepted()
    print(f"\n{MINUTES:g} min at {SPEED:g}x; fates of packs {dict(feed.link.fates)}, {feed.link.refused} connections")
    print(f"refused, {feed.link.broker_restarts} broker restarts, boots {feed.boots()}; {dated} dated anew, {reasons}")
    for zone, line in account.items():
        print(f"{zone}: generated {generated[zone]}, {line}")
    print("all:", sum(generated.values()), {word: sum(line[word] for line in account.values()) for word in WORDS})

    assert set(account) == {zone.zone_id for zone in ZONES}
    for zone, line in account.items():
        assert generated[zone] == line["sent"] == line["arrived"], f"{zone}: nothing is missing and nothing is foreign"
        became = line["stored"] + line["duplicate"] + line["conflict"] + line["set_aside"]
        assert line["received"] + line["replayed"] == became, zone
        assert line["stored"] == rows[zone], zone
        kept = line["stored"] + line["conflict"] + line["set_aside"] - line["replayed"]
        assert kept <= generated[zone] <= kept + line["duplicate"], zone
    assert conflicts is not None
    assert conflicts[0] <= sum(line["conflict"] for line in account.values())
    assert sum(line["set_aside"] for line in account.values()) == account["zone-2"]["set_aside"] > 0
    assert span is not None
    assert START < span[0] < span[1] <= end + timedelta(minutes=5), "whatever its clock said, it is dated in the run"

    # And the network was as bad as it says.
    assert min(feed.link.fates[fate] for fate in (Fate.TWICE, Fate.OVERTAKEN, Fate.LOST)) >= 1
    assert feed.link.refused > 0
    assert feed.link.broker_restarts >= 1
    assert max(feed.boots().values()) >= 2
    assert sum(line["received"] - line["arrived"] for line in account.values()) > 0, "something came twice"
    assert dated is not None
    assert dated[0] > 0, "a clock was wrong and was found out"
