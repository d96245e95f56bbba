"""The gateway's page tells how its box is, how old that is, and what of it needs a person."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest

from gateway.zones import Zone
from ingest.admission import Message
from ingest.pipeline import Pipeline
from tests.ingest.test_told import status
from tests.web.test_pages import words
from tests.web.web_site import Site
from web.box import Need, fetch_boxes
from web.labels import BOX_NEEDS, BOX_REMEDIES, CLOCKS

pytestmark = pytest.mark.db


def tell(site: Site, zone: Zone, *, hours_ago: float, clock: str = "ntp", **more: Any) -> None:
    at = site.clock.now() - timedelta(hours=hours_ago)
    topic = f"ndiyan/1/{zone.zone_id}/{zone.gateway_id}/up/status"
    with site.connect() as connection:
        message = Message(topic, status(at, clock=clock, **more), round(at.timestamp() * 1e6), 1, 1)
        Pipeline(connection).store([message])


def test_a_sound_box_is_shown_with_the_age_of_what_it_told(
    site: Site, zones: list[Zone], visitor: httpx.Client
) -> None:
    tell(site, zones[1], hours_ago=25, troubles={}, restarts=4, bytes={"up": 223_000, "down": 181_000})
    tell(site, zones[1], hours_ago=0.2, troubles={}, restarts=5, bytes={"up": 90_000, "down": 70_000})
    french = words(visitor.get("/fr/zones/zone-2/gateway")).replace("\u00a0", " ").replace("\u202f", " ")
    assert "Dit par la passerelle il y a 12 min" in french
    assert "Disque libre 5 120 Mo il y a 12 min" in french
    assert "Redémarrages du programme ce jour-là 1" in french
    assert "Mesures qui attendent d’être confirmées 20" in french
    assert "Horloge juste (NTP)" in french
    assert "223 ko 181 ko pas de données" in french, "how often it had started before that day is not known"
    for need in BOX_NEEDS.values():
        assert need not in french
    english = words(visitor.get("/en/zones/zone-2/gateway")).replace("\u00a0", " ")
    assert "Disk free 5,120 MB" in english
    assert "old" not in english.split("Told by the gateway")[1].split("Bytes per day")[0].split()


def test_what_was_told_long_ago_is_called_old(site: Site, zones: list[Zone], visitor: httpx.Client) -> None:
    tell(site, zones[1], hours_ago=3.1, troubles={})
    assert words(visitor.get("/fr/zones/zone-2/gateway")).count("ancien") >= 8, "each value of it"
    assert "n’a encore rien dit de son boîtier" in words(visitor.get("/fr/zones/zone-6/gateway"))


def test_each_reason_to_go_there_is_said_with_what_to_do(site: Site, zones: list[Zone], visitor: httpx.Client) -> None:
    tell(site, zones[1], hours_ago=25, restarts=4)
    tell(
        site, zones[1], hours_ago=0.2, clock="uptime", restarts=10, disk_free_mb=199, refused=3,
        config={"number": 8, "says": "rolled back: tower/level_m no longer measures"},
    )  # fmt: skip
    with site.connect() as connection:
        (box,) = fetch_boxes(connection, "zone-2")
    assert box.needs == list(Need)
    text = words(visitor.get("/fr/zones/zone-2/gateway"))
    for need in Need:
        assert f"{BOX_NEEDS[need]} {BOX_REMEDIES[need]}" in text
    assert "Ne mesure pas : tower/level_m 3.1 mA: the loop is broken" in text
    assert "Réglage à distance n° 8 rolled back: tower/level_m no longer measures" in text
    assert "À voir Le disque est presque plein." in words(visitor.get("/fr/zones/zone-2"))


def test_a_box_with_just_enough_room_and_restarts_needs_nobody(site: Site, zones: list[Zone]) -> None:
    tell(site, zones[1], hours_ago=25, restarts=4)
    tell(site, zones[1], hours_ago=0.2, restarts=9, disk_free_mb=200, troubles={})
    with site.connect() as connection:
        (box,) = fetch_boxes(connection, "zone-2")
    assert box.needs == []


def test_a_last_reading_of_long_ago_is_called_old_on_the_page_of_its_part(reader: httpx.Client) -> None:
    """Zone 4 is silent for more than five hours, zone 5 is not."""
    shown = {
        zone: words(reader.get(f"/fr/zones/{zone}/tower")).split("Dernières mesures")[1]
        for zone in ("zone-4", "zone-5")
    }
    assert ["ancienne" in text for text in shown.values()] == [True, False]


def test_there_are_words_for_every_need_and_every_source_of_time() -> None:
    from gateway.timekeeping import ClockSource
    from gateway.uplink import UNKNOWN_SOURCE

    assert BOX_NEEDS.keys() == BOX_REMEDIES.keys() == {need.value for need in Need}
    assert CLOCKS.keys() == {source.value for source in ClockSource} | {UNKNOWN_SOURCE}
