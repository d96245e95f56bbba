"""Live zones through the real gateway code, a real broker and the real ingest into a real database."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gateway.clock import FastClock, SystemClock, clock_spec
from gateway.model import Fault
from ingest.config import IngestConfig
from ingest.db import connect
from ingest.registry import import_zones
from ingest.service import run as run_ingest
from ndiyan.embedded_broker import EmbeddedBroker
from simulator.feed import LiveFeed
from simulator.history import load_state, simulate_history
from simulator.scenarios import Scenario, scenario_from_toml
from tests.simulator.days import CALM, DAWN, ZONES
from tests.surroundings import ROOT, environment

pytestmark = [pytest.mark.db, pytest.mark.broker]
PATIENCE_S = 20.0
TWO = ZONES[2:4]
START = DAWN + timedelta(hours=5)
LOOSE = ("flow_m3_h", "credit_gnf", "free_chlorine_mg_l")  # contacts here: one reading in a hundred is missing
READINGS = """
SELECT measured_at, received_at, value FROM reading JOIN channel USING (channel_id)
WHERE (zone_id, asset_id, name) = (%s, %s, %s) ORDER BY measured_at
"""


@dataclass
class Site:
    """A broker and an ingest that run, and zones that have lived for five hours."""

    database_url: str
    broker: EmbeddedBroker
    clock: FastClock
    folder: Path

    def feed(self, scenario: Scenario = CALM) -> LiveFeed:
        return LiveFeed(
            TWO,
            clock=self.clock,
            mqtt_for=lambda zone: self.broker.settings_for(zone.gateway_id),
            folder=self.folder,
            seed=1,
            scenario=scenario,
        )

    def stored(self, zone: str, asset: str, channel: str) -> list[tuple[datetime, datetime, float]]:
        with connect(self.database_url) as connection:
            return connection.execute(READINGS, (zone, asset, channel)).fetchall()

    def wait_until_stored(self, zone: str, until: datetime) -> None:
        wait_for(
            lambda: (rows := self.stored(zone, "pump", "volume_m3")) and rows[-1][0] >= until, f"{zone} at {until}"
        )


def wait_for(holds: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S:.0f} s: {what}"
        time.sleep(0.05)


@pytest.fixture
def site(database_url: str, broker: EmbeddedBroker, tmp_path: Path) -> Iterator[Site]:
    list(simulate_history(TWO, start=DAWN, end=START, seed=1, scenario=CALM, folder=tmp_path))
    with connect(database_url) as connection:
        import_zones(connection, ZONES)
    clock = FastClock(platform_start=START, wall_start=SystemClock().now(), speed=1200)  # a round in a quarter second
    stop = threading.Event()
    config = IngestConfig(database_url, broker.ingest_settings)
    ingest = threading.Thread(target=run_ingest, args=(config, clock, stop))
    ingest.start()
    yield Site(database_url, broker, clock, tmp_path)
    stop.set()
    ingest.join(10)
    assert not ingest.is_alive()


@pytest.fixture
def running() -> Iterator[Callable[[LiveFeed], None]]:
    """Run feeds in threads, until the test ends."""
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def run(feed: LiveFeed) -> None:
        threads.append(threading.Thread(target=feed.run, args=(stop,)))
        threads[-1].start()

    yield run
    stop.set()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


# paho 2.1 forgets to close the socket pair that wakes its thread when the thread is started a second time.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket:pytest.PytestUnraisableExceptionWarning")
def test_a_network_that_is_away_delays_readings_and_loses_none(site: Site, running: Callable[[LiveFeed], None]) -> None:
    feed = site.feed()
    away, back = START + timedelta(minutes=30), START + timedelta(minutes=80)
    feed.inject("zone-3", Fault.COMMS_OUTAGE, at=away)
    feed.repair("zone-3", Fault.COMMS_OUTAGE, at=back)
    running(feed)
    for zone in ("zone-3", "zone-4"):
        site.wait_until_stored(zone, START + timedelta(minutes=100))
    for zone in TWO:
        for asset in zone.assets:
            if asset.asset_id == "weather":
                continue  # which is read once a day
            for channel in asset.channels:
                rows = site.stored(zone.zone_id, asset.asset_id, channel.name)[:20]
                rounds = {START + timedelta(minutes=5 * n) for n in range(1, 21)}
                missing = rounds - {measured for measured, _, _ in rows}
                assert len(missing) <= (1 if channel.name in LOOSE else 0), (asset.asset_id, channel.name)
    late = [r - m for m, r, _ in site.stored("zone-3", "pump", "power_w") if away < m < back - timedelta(minutes=10)]
    assert len(late) >= 6
    assert min(late) >= timedelta(minutes=10), "what was measured without a network came when it was back"
    waiting = [r - m for m, r, _ in site.stored("zone-4", "pump", "power_w") if away < m < back]
    assert np.median(waiting) < np.median(late), "the neighbour's readings did not wait"


def test_a_pump_that_is_broken_by_hand_stops_at_once_and_runs_again_when_repaired(
    site: Site, running: Callable[[LiveFeed], None]
) -> None:
    feed = site.feed()
    broken, repaired = START + timedelta(minutes=20), START + timedelta(minutes=50)
    running(feed)
    feed.inject("zone-3", Fault.PUMP_NOT_RUNNING, at=broken)
    feed.inject("zone-3", Fault.PUMP_NOT_RUNNING, at=broken + timedelta(minutes=5))  # asked twice: broken once
    feed.repair("zone-3", Fault.PUMP_NOT_RUNNING, at=repaired)
    feed.repair("zone-4", Fault.PUMP_NOT_RUNNING)  # nothing is broken there
    site.wait_until_stored("zone-3", repaired + timedelta(minutes=15))
    flow = {measured: value for measured, _, value in site.stored("zone-3", "pump", "flow_m3_h")}
    assert all(value > 2 for measured, value in flow.items() if measured <= broken)
    assert all(value == 0 for measured, value in flow.items() if broken < measured <= repaired)
    assert all(value > 2 for measured, value in flow.items() if measured > repaired)


def test_a_fault_of_the_past_that_is_not_over_goes_on_live(site: Site, running: Callable[[LiveFeed], None]) -> None:
    text = 'says = "a"\n[[fault]]\nzone = "zone-3"\nfault = "pump_not_running"\nminutes = -60\nhours = 1.5'
    running(site.feed(scenario_from_toml(text, "a.toml")))
    site.wait_until_stored("zone-3", START + timedelta(minutes=45))
    over = START + timedelta(minutes=30)
    flow = {measured: value for measured, _, value in site.stored("zone-3", "pump", "flow_m3_h")}
    broken = [value for measured, value in flow.items() if measured <= over]
    repaired = [value for measured, value in flow.items() if over < measured <= over + timedelta(minutes=15)]
    assert len(broken) >= 4
    assert set(broken) == {0.0}
    assert len(repaired) >= 2
    assert min(repaired) > 2


def test_a_box_that_boots_anew_counts_its_uptime_anew(site: Site, running: Callable[[LiveFeed], None]) -> None:
    text = 'says = "a"\n[[network.event]]\nwhat = "reboot"\nzone = "zone-3"\nminutes = 20\nhours = 0.1'
    running(site.feed(scenario_from_toml(text, "a.toml")))
    for zone in ("zone-3", "zone-4"):
        site.wait_until_stored(zone, START + timedelta(minutes=40))
    uptime_s = {measured - START: value for measured, _, value in site.stored("zone-3", "gateway", "uptime_s")}
    assert uptime_s[timedelta(minutes=15)] > 86_400
    assert uptime_s[timedelta(minutes=30)] == 240, "it came up four minutes before"
    others = [value for _, _, value in site.stored("zone-4", "gateway", "uptime_s")]
    assert others == sorted(others)


@pytest.mark.slow
def test_kills_never_turn_a_counter_back_and_history_goes_on_without_a_jump(site: Site) -> None:
    saved = load_state(site.folder)
    assert saved is not None
    addresses = site.folder / "addresses.json"
    addresses.write_text(json.dumps({z.zone_id: site.broker.settings_for(z.gateway_id).url() for z in TWO}))
    command = [sys.executable, str(Path(__file__).with_name("live_zones.py")), str(site.folder)]
    around = environment()

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen([*command, clock_spec(site.clock), str(addresses)], env=around, cwd=ROOT)

    for _ in range(3):
        process = start()
        try:
            newest = site.stored("zone-3", "pump", "volume_m3")[-1:]
            since = newest[0][0] if newest else START
            site.wait_until_stored("zone-3", since + timedelta(minutes=10))
        finally:
            process.kill()
            process.wait()
    for at, zone in enumerate(TWO):
        pumped = site.stored(zone.zone_id, "pump", "volume_m3")
        assert 0 <= pumped[0][2] - saved.state.pumped_m3[at] < 0.6, "five minutes after the history's end"
        for asset, channel in (
            ("pump", "volume_m3"), ("tower", "outflow_volume_m3"), ("tap-01", "volume_m3"), ("gateway", "uptime_s"),
        ):  # fmt: skip
            rows = site.stored(zone.zone_id, asset, channel)
            values = [value for _, _, value in rows]
            assert values == sorted(values), (zone.zone_id, asset, channel)
            missing = (rows[-1][0] - rows[0][0]) // timedelta(minutes=5) + 1 - len(rows)
            assert missing <= 3, "a kill may cost the round in which it falls, what was missed while away is caught up"
    with connect(site.database_url) as connection:
        assert connection.execute("SELECT count(*) FROM reading_conflict").fetchone() == (0,)
