"""Live zones as a process of their own, for tests that kill it.

Usage: python live_zones.py FOLDER CLOCK ADDRESSES, where ADDRESSES is a JSON file of zone ids and MQTT URLs.
"""

import json
import sys
import threading
from pathlib import Path

from gateway.clock import clock_from_spec
from gateway.config import MqttSettings
from simulator.feed import LiveFeed
from tests.simulator.days import CALM, ZONES


def main(folder: Path, clock: str, addresses: Path) -> None:
    urls = json.loads(addresses.read_text("utf-8"))
    feed = LiveFeed(
        [zone for zone in ZONES if zone.zone_id in urls],
        clock=clock_from_spec(clock),
        mqtt_for=lambda zone: MqttSettings.from_url(urls[zone.zone_id]),
        folder=folder,
        seed=1,
        scenario=CALM,
    )
    feed.run(threading.Event())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
