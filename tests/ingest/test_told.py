"""What a gateway tells of its box is kept as far as it is sound, once, and as of when it was told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.wire import encode_status
from gateway.zones import Zone
from ingest.admission import Message
from ingest.db import Connection, connect
from ingest.pipeline import Pipeline
from ingest.registry import import_zones
from ingest.told import told_at_us, told_of

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
NOON_US = round(NOON.timestamp() * 1e6)
TELLS = {
    "account": {"taken": 900, "confirmed": 880, "thinned": 0, "waiting": 20}, "refused": 0,
    "bytes": {"up": 223_000, "down": 181_000}, "restarts": 4, "disk_free_mb": 5120,
    "troubles": {"tower/level_m": "3.1 mA: the loop is broken"}, "config": {"number": 7, "says": "in use"},
    "thinned": 12,
}  # fmt: skip


def status(at: datetime, *, clock: str = "ntp", boot: str = "1a2b3c4d", **more: Any) -> bytes:
    """A birth as the gateway's program publishes it."""
    return encode_status(online=True, boot=boot, software="test", clock=clock, at=at, more=TELLS | more)


def test_what_people_want_to_know_is_taken_out_of_a_status() -> None:
    assert json.loads(told_of(json.loads(status(NOON))) or "") == {
        "restarts": 4, "disk_free_mb": 5120, "refused": 0, "thinned": 12, "waiting": 20, "up_bytes": 223_000,
        "down_bytes": 181_000, "troubles": TELLS["troubles"], "config": TELLS["config"], "boot": "1a2b3c4d",
        "at": NOON.timestamp(),
    }  # fmt: skip


def test_a_last_will_tells_nothing_of_the_box() -> None:
    will = encode_status(online=False, boot="1a2b3c4d", software="test", clock="ntp", at=NOON)
    assert told_of(json.loads(will)) is None


@pytest.mark.parametrize(
    "wild",
    [
        pytest.param({"disk_free_mb": float("nan")}, id="nan"),
        pytest.param({"disk_free_mb": 1e300}, id="huge"),
        pytest.param({"disk_free_mb": -1}, id="below-nothing"),
        pytest.param({"disk_free_mb": True}, id="true"),
        pytest.param({"disk_free_mb": {"deep": 1}}, id="a-table"),
    ],
)
def test_a_number_that_cannot_be_is_left_out(wild: dict[str, Any]) -> None:
    found = json.loads(told_of(TELLS | wild) or "")
    assert "disk_free_mb" not in found
    assert found["restarts"] == 4


def test_wild_words_are_cut_and_cleaned() -> None:
    troubles = {f"p{number}\x00": "\ud800" + "x" * 5000 for number in range(5000)}
    found = told_of(TELLS | {"troubles": troubles, "config": {"number": "seven"}, "bytes": 5, "account": []}) or ""
    assert len(found) < 40_000
    assert "\\u0000" not in found
    assert "\\ud800" not in found
    assert {"config", "up_bytes", "waiting"}.isdisjoint(json.loads(found))


@pytest.mark.parametrize(
    ("said", "told_us"),
    [
        pytest.param({"at": NOON.timestamp() - 3600, "clock": "ntp"}, NOON_US - 3_600_000_000, id="an-hour-ago"),
        pytest.param({"at": 4000.0, "clock": "uptime"}, NOON_US, id="nobody-vouches"),
        pytest.param({"at": NOON.timestamp() + 9999, "clock": "rtc"}, NOON_US, id="a-clock-that-is-fast"),
        pytest.param({"at": "noon"}, NOON_US, id="no-number"),
    ],
)
def test_a_status_is_as_old_as_its_gateway_says_where_that_can_be_believed(said: dict[str, Any], told_us: int) -> None:
    assert told_at_us(said, NOON_US) == told_us


@pytest.fixture
def pipeline(database_url: str, zones: list[Zone]) -> Iterator[tuple[Connection, Pipeline]]:
    with connect(database_url) as connection:
        import_zones(connection, zones[:1])
        yield connection, Pipeline(connection)


def hear(pipeline: Pipeline, zone: Zone, payload: bytes, at: datetime) -> None:
    topic = f"ndiyan/1/{zone.zone_id}/{zone.gateway_id}/up/status"
    pipeline.store([Message(topic, payload, round(at.timestamp() * 1e6), 1, 1)])


@pytest.mark.db
def test_a_retained_status_that_comes_again_is_no_younger_and_a_last_will_leaves_what_was_told(
    pipeline: tuple[Connection, Pipeline], zones: list[Zone]
) -> None:
    connection, store = pipeline
    told = "SELECT status, told_at, told ->> 'disk_free_mb' FROM gateway"
    hear(store, zones[0], status(NOON, clock="uptime"), NOON)
    hear(store, zones[0], status(NOON, clock="uptime"), NOON + timedelta(days=2))  # ingest was started again
    assert connection.execute(told).fetchone() == ("online", NOON, "5120")
    will = encode_status(online=False, boot="1a2b3c4d", software="test", clock="ntp", at=NOON)
    hear(store, zones[0], will, NOON + timedelta(days=3))
    assert connection.execute(told).fetchone() == ("offline", NOON, "5120")


@pytest.mark.db
def test_the_last_status_of_a_day_stands_for_the_day(pipeline: tuple[Connection, Pipeline], zones: list[Zone]) -> None:
    connection, store = pipeline
    for hours, restarts, up in ((0, 4, 1000), (11, 5, 9000), (13, 12, 400)):
        at = NOON + timedelta(hours=hours)
        hear(store, zones[0], status(at, restarts=restarts, bytes={"up": up, "down": 0}), at)
    days = connection.execute("SELECT day::text, restarts, up_bytes FROM gateway_told_day ORDER BY day").fetchall()
    assert days == [("2026-03-02", 5, 9000), ("2026-03-03", 12, 400)]
