"""The process in which the demo's zones live: sends their readings, and lets people break and repair things."""

from __future__ import annotations

import json
import logging
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

import psycopg

from gateway.clock import Clock
from gateway.config import MqttSettings
from gateway.zones import Zone
from ingest.db import connect
from ndiyan.people import People
from ndiyan.services import log_to_stderr
from ndiyan.settings import Settings
from simulator.feed import LiveFeed
from simulator.scenarios import load_scenario

log = logging.getLogger(__name__)

ROUND_S = 1.0  # wall time between two looks at what people do


def run_live(
    settings: Settings, *, zones: Sequence[Zone], gateways: Path, folder: Path, seed: int, scenario: str
) -> None:
    """Run until SIGTERM. `gateways` holds each gateway's MQTT address; `folder` outboxes and the zones' state."""
    log_to_stderr(settings.log_level)
    stop = threading.Event()
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: stop.set())
    clock = settings.make_clock()
    addresses = json.loads(gateways.read_text("utf-8"))
    feed = LiveFeed(
        zones,
        clock=clock,
        mqtt_for=lambda zone: MqttSettings.from_url(addresses[zone.gateway_id]),
        folder=folder,
        seed=seed,
        scenario=load_scenario(scenario),
    )
    database_url = settings.required("database.url")
    with connect(database_url) as connection:  # before time goes on, else what is broken would work for a moment
        People(connection, feed).resume()
    people = threading.Thread(target=_let_people_act, args=(database_url, feed, clock, stop), daemon=True)
    people.start()
    feed.run(stop)
    stop.set()
    people.join(2.0)


def _let_people_act(database_url: str, feed: LiveFeed, clock: Clock, stop: threading.Event) -> None:
    """A database that is away is waited for; what is due then happens a little later."""
    while not stop.wait(ROUND_S):
        try:
            with connect(database_url, application="ndiyan-simulate") as connection:
                people = People(connection, feed)
                while not stop.wait(ROUND_S):
                    people.act(clock.now())
        except psycopg.Error as error:
            log.warning("people wait for the database: %s", str(error).splitlines()[0])
