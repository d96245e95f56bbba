"""Messages of devices by HTTP: read as those of the broker are, answered once they are committed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx
import psycopg
import pytest

from gateway.devices import ForeignDevice, PointRule
from gateway.model import AssetId
from gateway.zones import Zone
from ingest.admission import Message
from ingest.db import Connection
from ingest.pipeline import Pipeline
from ingest.profiles.by_http import Server, topic_of
from ingest.profiles.profile import shipped_profiles
from ingest.registry import import_zones
from tests.web.test_api_doors import key_with
from tests.web.web_site import Site
from web.access import Scope

SAMPLES = {profile.name: profile.samples[0] for profile in shipped_profiles()}
TTS, CHIRPSTACK = SAMPLES["tts-v3"], SAMPLES["chirpstack-v4"]
TTS_URL, CHIRPSTACK_URL = "/api/v1/uplinks/the-things-stack", "/api/v1/uplinks/chirpstack"
LEVELS = """
SELECT value, measured_at FROM reading JOIN channel USING (channel_id)
WHERE zone_id = 'zone-2' AND asset_id = 'tower' AND name = 'level_m'
"""


def test_a_message_stands_on_the_topic_that_it_would_have_had_by_mqtt() -> None:
    assert topic_of(Server.THE_THINGS_STACK, TTS.payload) == "v3/labe/devices/tower-3/up"
    assert topic_of(Server.CHIRPSTACK, CHIRPSTACK.payload) == CHIRPSTACK.topic


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"[" * 90_000, b"7", b'{"end_device_ids": 5}', b'{"end_device_ids": {"device_id": "a/b"}}']
)
def test_what_cannot_be_read_has_a_topic_too(payload: bytes) -> None:
    assert topic_of(Server.THE_THINGS_STACK, payload) == "v3/-/devices/-/up"


pytest_db = pytest.mark.db


@pytest.fixture
def village(site: Site, zones: list[Zone]) -> Iterator[Connection]:
    """Zone 2 with a level sensor on The Things Stack and one on ChirpStack."""
    level = PointRule("distance", "tower", "level_m", "m", -1.0, 3.2)
    wet = PointRule("water_level", "tower", "level_m", "cm")
    devices = (
        ForeignDevice("tts-v3", str(TTS.device), AssetId("tower"), (level,)),
        ForeignDevice("chirpstack-v4", str(CHIRPSTACK.device), AssetId("tower"), (wet,)),
    )
    with site.connect() as connection:
        import_zones(connection, [replace(zones[1], devices=devices)])
        yield connection


@pytest.fixture
def sender(site: Site) -> Iterator[httpx.Client]:
    """A network server with a key that sends and does nothing else."""
    with site.app() as client:
        client.headers["authorization"] = f"Bearer {key_with(site, Scope.SEND)}"
        yield client


@pytest_db
def test_an_uplink_is_stored_before_it_is_answered_kept_as_it_came_and_stored_once(
    village: Connection, sender: httpx.Client
) -> None:
    first = sender.post(TTS_URL, content=TTS.payload)
    assert (first.status_code, first.json()) == (200, {"stored": 1, "duplicate": 0, "conflict": 0, "set_aside": 0})
    again = sender.post(TTS_URL, content=TTS.payload)
    assert again.json() == {"stored": 0, "duplicate": 1, "conflict": 0, "set_aside": 0}
    assert village.execute(LEVELS).fetchall() == [(2.31, datetime(2026, 3, 2, 10, 40, 0, 290_000, tzinfo=UTC))]
    kept = village.execute("SELECT profile, payload FROM raw_message ORDER BY raw_message_id").fetchall()
    assert kept == [("tts-v3", TTS.payload)] * 2
    account = village.execute(
        "SELECT received, stored, duplicate FROM gateway_day WHERE zone_id = 'zone-2' AND received > 0"
    )
    assert account.fetchall() == [(2, 1, 1)]


@pytest_db
def test_what_came_by_mqtt_as_well_is_stored_once(site: Site, village: Connection, sender: httpx.Client) -> None:
    by_mqtt = Message(CHIRPSTACK.topic, CHIRPSTACK.payload, round(site.clock.now().timestamp() * 1e6), 1, 1)
    Pipeline(village).store([by_mqtt])
    answer = sender.post(f"{CHIRPSTACK_URL}?event=up", content=CHIRPSTACK.payload)
    assert answer.json() == {"stored": 0, "duplicate": 1, "conflict": 0, "set_aside": 0}


@pytest_db
def test_an_event_without_measurements_is_answered_and_leaves_nothing(
    village: Connection, sender: httpx.Client
) -> None:
    assert sender.post(f"{CHIRPSTACK_URL}?event=join", content=b"{}").status_code == 204
    assert village.execute("SELECT count(*) FROM raw_message").fetchone() == (0,)


@pytest_db
def test_a_stranger_and_nonsense_are_set_aside_with_their_bytes_and_a_device_that_is_described_then_is_known(
    site: Site, zones: list[Zone], sender: httpx.Client
) -> None:
    for payload in (TTS.payload, b"\x00\xff nonsense"):
        answer = sender.post(TTS_URL, content=payload)
        assert (answer.status_code, answer.json()["set_aside"]) == (200, 1)
    with site.connect() as connection:
        found = dict(connection.execute("SELECT reason, payload FROM set_aside").fetchall())
        assert found == {"unknown_device": TTS.payload, "not_its_profile": b"\x00\xff nonsense"}
        level = PointRule("distance", "tower", "level_m", "m", -1.0, 3.2)
        device = ForeignDevice("tts-v3", str(TTS.device), AssetId("tower"), (level,))
        import_zones(connection, [replace(zones[1], devices=(device,))])
    assert sender.post(TTS_URL, content=TTS.payload).json()["stored"] == 1, "without a restart"


@pytest_db
def test_only_a_key_that_may_send_is_let_in_and_it_may_do_nothing_else(site: Site, sender: httpx.Client) -> None:
    assert sender.get("/api/v1/zones").status_code == 403
    with site.app() as client:
        assert client.post(TTS_URL, content=TTS.payload).status_code == 401
        client.headers["authorization"] = f"Bearer {key_with(site, Scope.READ, Scope.WRITE)}"
        refused = client.post(TTS_URL, content=TTS.payload)
        assert (refused.status_code, refused.json()["detail"]) == (
            403, "this needs the scope 'send', which the key does not have",
        )  # fmt: skip


@pytest_db
def test_a_message_that_is_too_long_or_comes_too_often_is_refused_and_not_stored(
    site: Site, village: Connection
) -> None:
    with site.app(requests_per_minute=2) as client:
        client.headers["authorization"] = f"Bearer {key_with(site, Scope.SEND)}"
        assert client.post(TTS_URL, content=b"x" * 65_537).status_code == 413
        answers = [client.post(TTS_URL, content=TTS.payload) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 429]
    assert int(answers[2].headers["retry-after"]) >= 1
    assert village.execute("SELECT count(*) FROM raw_message").fetchone() == (2,)


@pytest_db
def test_nothing_is_answered_for_what_the_database_did_not_take_and_it_goes_on_afterwards(
    site: Site, village: Connection, sender: httpx.Client
) -> None:
    sender.post(TTS_URL, content=TTS.payload)
    end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'ndiyan-uplinks'"
    village.execute(end)
    body: dict[str, Any] = json.loads(TTS.payload)
    body["uplink_message"]["received_at"] = "2026-03-02T10:41:00Z"
    assert sender.post(TTS_URL, json=body).json()["stored"] == 1, "on a new connection"
    village.execute("ALTER TABLE raw_message RENAME COLUMN absent TO missing")
    body["uplink_message"]["received_at"] = "2026-03-02T10:42:00Z"
    assert sender.post(TTS_URL, json=body).status_code in (500, 503)
    assert village.execute(LEVELS + " AND measured_at > '2026-03-02 10:41:30Z'").fetchall() == []
    village.execute("ALTER TABLE raw_message RENAME COLUMN missing TO absent")
    assert sender.post(TTS_URL, json=body).json()["stored"] == 1


def test_a_database_that_is_away_is_told_at_once() -> None:
    from web.uplinks import Uplinks

    uplinks = Uplinks("postgresql://127.0.0.1:1/nowhere")
    with pytest.raises(psycopg.Error):
        uplinks.store("v3/-/devices/-/up", b"{}", datetime(2026, 3, 2, tzinfo=UTC))
    uplinks.close()
