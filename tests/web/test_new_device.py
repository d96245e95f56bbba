"""A device that nobody knows speaks: within ten seconds an engineer sees it and what it may be; then it is measured."""

from __future__ import annotations

import re
import time
from pathlib import Path

import httpx
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from gateway.config import MqttSettings
from gateway.zones import Zone
from ingest.profiles.own import keep_profile
from ingest.profiles.profile import shipped_bodies
from ndiyan.embedded_broker import EmbeddedBroker
from tests.ingest.process import IngestProcess, wait_until
from tests.web.test_pages import words
from tests.web.web_site import Site

SHOWN_WITHIN_S = 10.0
SAYS = b'{"tower/level_m": 2.31}'
LEVEL = "SELECT value FROM latest JOIN channel USING (channel_id) WHERE zone_id = 'zone-6' AND name = 'level_m'"


def say(settings: MqttSettings, topic: str, payload: bytes) -> None:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=settings.username or "")
    client.username_pw_set(settings.username or "", settings.password)
    client.connect(settings.host, settings.port)
    client.loop_start()
    client.publish(topic, payload, qos=1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def own_profile(name: str) -> str:
    """The shipped profile of plain objects under another name."""
    body = shipped_bodies()["plain"].replace('profile = "plain"', f'profile = "{name}"')
    return body.replace('up/plain"', f'up/{name}"')


@pytest.mark.db
@pytest.mark.broker
def test_an_unknown_message_is_shown_with_a_guess_within_ten_seconds_and_read_once_its_profile_is_added(
    site: Site, visitor: httpx.Client, broker: EmbeddedBroker, zones: list[Zone], tmp_path: Path
) -> None:
    zone, topic = zones[5], "ndiyan/1/zone-6/gw-6/up/mystery"
    ingest = IngestProcess(site.url, broker.ingest_settings, tmp_path / "ingest.log")
    try:
        ingest.wait_for("connected to the broker")
        say(broker.settings_for(zone.gateway_id), topic, SAYS)
        said_s = time.monotonic()
        wait_until(lambda: topic in words(visitor.get("/fr/mis-de-cote")), lambda: ingest.log())
        assert time.monotonic() - said_s < SHOWN_WITHIN_S
        page = visitor.get("/fr/mis-de-cote")
        assert "sujet inconnu" in words(page)
        (number,) = re.findall(r'/fr/mis-de-cote/(\d+)"', page.text)
        trial = words(visitor.get(f"/fr/profils/essayer?message={number}"))
        assert "Profils qui y trouvent quelque chose plain Objet JSON simple" in trial, "what it may be"

        # A profile of the operator's own, for a topic that nobody read before.
        body = own_profile("mystery")
        with site.connect() as connection:
            keep_profile(connection, body, where="mystery", by="Awa", now=site.clock.now())
            say(broker.settings_for(zone.gateway_id), topic, SAYS.replace(b"2.31", b"2.29"))

            def level() -> list[tuple[float]]:
                return connection.execute(LEVEL).fetchall()

            wait_until(lambda: level() == [(2.29,)], lambda: f"{level()} {ingest.log()}")
    finally:
        ingest.end()
