"""`/metrics`: the delays and queues of a known past, read by Prometheus' own parser."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.web.web_site import Site

pytestmark = pytest.mark.db

Samples = dict[tuple[str, ...], float]


def read(client: httpx.Client) -> Samples:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name.removeprefix("ndiyan_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_delays_from_measured_to_told(site: Site, script: httpx.Client) -> None:
    now = site.clock.now()
    with site.connect() as connection:
        # Three channels came 2, 4 and 10 s after they were measured; one of zone 2 came two hours ago.
        for zone, asset, name, late_s, ago in (
            ("zone-1", "tower", "level_m", 2, 60), ("zone-1", "pump", "power_w", 4, 60),
            ("zone-1", "pv", "power_w", 10, 60), ("zone-2", "tower", "level_m", 900, 7200),
        ):  # fmt: skip
            connection.execute(
                "INSERT INTO latest SELECT channel_id, %s, %s, 1, 1 FROM channel"
                " WHERE (zone_id, asset_id, name) = (%s, %s, %s)",
                (now - timedelta(seconds=ago + late_s), now - timedelta(seconds=ago), zone, asset, name),
            )
        connection.execute(
            "INSERT INTO job (name, zone_id, next_due_at, watermark_at) VALUES ('evaluate', 'zone-1', %s, %s)",
            (now - timedelta(seconds=5), now - timedelta(seconds=92)),
        )
        connection.execute(
            "UPDATE notification SET accepted_at = created_at + interval '3 s' WHERE alert_id = %s", (site.alert_id,)
        )
    found = read(script)
    assert [found["measured_to_stored_seconds", one] for one in ("0.5", "1")] == [4.0, 10.0]
    # Zone 1's newest was measured 62 s ago and judged up to 92 s ago.
    assert found["stored_to_judged_seconds", "1"] == pytest.approx(30.0)
    assert found["opened_to_told_seconds", "1"] == 3.0
    assert (found["queue_depth", "judging"], found["queue_oldest_seconds", "judging"]) == (1.0, 5.0)


def test_queues_set_aside_and_heartbeats(site: Site, script: httpx.Client) -> None:
    now = site.clock.now()
    before = read(script)
    assert before["queue_depth", "notification"] == 0.0
    assert ("queue_oldest_seconds", "notification") not in before, "nothing waits, so nothing is oldest"
    assert not any(key[0] == "measured_to_stored_seconds" for key in before), "what nobody can tell has no sample"
    with site.connect() as connection:
        connection.execute(
            "UPDATE notification SET state = 'queued', created_at = %s, ref = %s",
            (now - timedelta(seconds=40), uuid.uuid4()),
        )
        for number, reason in enumerate(("wrong_unit", "wrong_unit", "unknown_channel")):
            connection.execute(
                "INSERT INTO set_aside (received_at, topic, payload, reason, detail, fingerprint)"
                " VALUES (%s, 't', ''::bytea, %s, '', %s)",
                (now, reason, bytes([number])),
            )
        connection.execute(
            "INSERT INTO heartbeat (service, beat_at) VALUES ('ingest', %s)", (now - timedelta(seconds=7),)
        )
        connection.execute(
            "INSERT INTO gateway_day (zone_id, gateway_id, day, sent, arrived, declared, received, stored)"
            " VALUES ('zone-1', 'gw-1', %s, 15, 10, 3, 10, 10)",
            (now.date(),),
        )
    after = read(script)
    assert (after["queue_depth", "notification"], after["queue_depth", "notification_queued"]) == (1.0, 1.0)
    assert after["queue_oldest_seconds", "notification"] == 40.0
    assert after["set_aside_messages", "wrong_unit"] == 2.0
    assert after["heartbeat_age_seconds", "ingest"] == 7.0
    assert (after["readings_today", "stored"], after["readings_today", "missing"]) == (10.0, 2.0)


def test_what_services_tell_of_themselves(site: Site, script: httpx.Client) -> None:
    now, gone = site.clock.now(), site.clock.now() - timedelta(days=8)
    ingest = '{"memory_bytes": 49e6, "waiting": 12, "batch": 700, "reconnects": {"broker": 2, "database": 1}}'
    with site.connect() as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO heartbeat VALUES (%s, %s, %s)",
            [
                ("ingest", now, ingest),
                ("alerts", now, '{"memory_bytes": 68e6, "batch": 6, "reconnects": {"database": 0}}'),
                ("alerts@b", now, '{"ended": true}'), ("alerts@c", gone, '{"memory_bytes": 1}'),
            ],
        )  # fmt: skip
    found = {key: value for key, value in read(script).items() if key[0].startswith("service_")}
    assert found == {
        ("service_memory_bytes", "ingest"): 49e6, ("service_memory_bytes", "alerts"): 68e6,
        ("service_waiting_messages", "ingest"): 12, ("service_batch", "ingest"): 700, ("service_batch", "alerts"): 6,
        ("service_reconnects", "ingest", "broker"): 2, ("service_reconnects", "ingest", "database"): 1,
        ("service_reconnects", "alerts", "database"): 0,
    }  # fmt: skip


def test_a_standby_that_died_is_told_and_one_that_ended_in_order_or_is_long_gone_is_not(
    site: Site, script: httpx.Client
) -> None:
    now = site.clock.now()
    with site.connect() as connection, connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO heartbeat VALUES (%s, %s, %s)",
            [
                ("standby", now - timedelta(seconds=121), "{}"), ("standby@2", now, '{"ended": true}'),
                ("standby@3", now - timedelta(days=8), "{}"), ("ingest@2", now - timedelta(days=8), "{}"),
                ("alerts", now, '{"ended": true}'), ("alerts@b", now, '{"ended": true}'),
            ],
        )  # fmt: skip
    found = {key[1]: age_s for key, age_s in read(script).items() if key[0] == "heartbeat_age_seconds"}
    assert found == {"standby": 121.0, "ingest@2": 8 * 86_400.0, "alerts": 0.0}


def test_requests_are_counted_by_route_and_not_by_address(script: httpx.Client) -> None:
    for address in ("/api/v1/zones/zone-1", "/api/v1/zones/zone-2", "/api/v1/zones/zone-9", "/nowhere/at/all"):
        script.get(address)
    found = read(script)
    assert found["http_requests_total", "GET", "/api/v1/zones/{zone_id}", "200"] == 2.0
    assert found["http_requests_total", "GET", "/api/v1/zones/{zone_id}", "404"] == 1.0
    assert found["http_requests_total", "GET", "none", "404"] == 1.0
    assert found["http_request_seconds_count", "/api/v1/zones/{zone_id}"] == 3.0
    assert not any("nowhere" in part for key in found for part in key)


def test_metrics_stand_behind_a_key_and_name_nobody(site: Site, script: httpx.Client) -> None:
    with site.app() as stranger:
        assert stranger.get("/metrics").status_code == 401
    text = script.get("/metrics").text
    assert "Mangol" not in text
    assert site.phone not in text


def test_what_the_broker_says_of_itself_is_told_and_nothing_of_one_that_is_silent(
    site: Site, script: httpx.Client
) -> None:
    now = site.clock.now()
    with site.connect() as connection:

        def told(**detail: object) -> dict[tuple[str, ...], float]:
            connection.execute("DELETE FROM heartbeat")
            connection.execute("INSERT INTO heartbeat VALUES ('ingest', %s, %s)", [now, json.dumps(detail)])
            return {
                key[1:]: number for key, number in read(script).items() if key[0] in ("broker", "errors") and number
            }

        assert told(broker=True) == {}
        assert told(
            broker_messages=600_000, broker_bytes=90_000_000, broker_dropped=7, sessions_lost=1,
            broker_trouble="broker_dropped",
        ) == {
            ("waiting",): 600_000, ("waiting_bytes",): 90_000_000, ("dropped",): 7, ("sessions_lost",): 1,
            ("broker_dropped",): 1,
        }  # fmt: skip
        assert told(broker_trouble="broker_queue") == {("broker_queue",): 1}


def test_errors_by_reason_and_the_disk(site: Site, script: httpx.Client) -> None:
    now = site.clock.now()
    with site.connect() as connection:
        connection.execute("UPDATE notification SET state = 'failed', created_at = %s", [now - timedelta(hours=1)])
        ((failed,),) = connection.execute("SELECT count(*) FROM notification").fetchall()
        connection.execute(
            'INSERT INTO heartbeat VALUES (\'ingest\', %s, \'{"broker": false, "trouble": "full"}\')', [now]
        )
    told = read(script)
    assert failed > 0
    assert {key[1]: value for key, value in told.items() if key[0] == "errors"} == {
        "sms_failed": failed, "not_judged": 0, "route_down": 0, "webhook_given_up": 0, "cannot_store": 1,
        "no_broker": 1, "broker_queue": 0, "broker_dropped": 0,
    }  # fmt: skip
    assert told[("database_bytes",)] > 1e6
    assert told[("disk_free_bytes",)] > 1e6
