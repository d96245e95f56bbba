"""What the oracle of the crash tests holds against a broker's log, and against a database that has a past."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from gateway.model import Flag
from gateway.zones import Zone
from ingest.columns import Columns
from ingest.db import Connection, connect
from ingest.registry import channel_ids, import_zones
from ingest.writer import ReadingWriter
from tests.scenarios.oracle import Confirmations, Kind, Oracle

BEGUN = datetime(2026, 11, 28, 7, tzinfo=UTC)

CONNECTED = "2026-11-27T14:47:51: New client connected from 127.0.0.1:35668 as ingest (p5, c0, k30, u'ingest')."
SENT = "2026-11-27T14:47:56: Sending PUBLISH to ingest (d0, q1, r0, m3780, 'n/1/zone-4/gw-4/up/senml', ... (86 bytes))"
CONFIRMED = "2026-11-27T14:48:09: Received PUBACK from ingest (Mid: 3780, RC:0)"


def test_as_often_as_an_id_was_sent_it_may_be_confirmed_and_no_oftener(tmp_path: Path) -> None:
    log = tmp_path / "broker.log"
    confirmations = Confirmations(log)
    log.write_text("".join(f"{line}\n" for line in (CONNECTED, SENT, SENT, CONFIRMED)), "utf-8")
    assert confirmations.stray() == [], "the broker gave the id anew"
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{CONFIRMED}\n")
    assert confirmations.stray() == []
    with log.open("a", encoding="utf-8") as file:
        file.write(f"{CONFIRMED}\n")
    assert confirmations.stray() == [CONFIRMED]


def test_what_was_sent_on_a_link_before_is_not_to_be_confirmed(tmp_path: Path) -> None:
    log = tmp_path / "broker.log"
    log.write_text("".join(f"{line}\n" for line in (CONNECTED, SENT, CONNECTED, CONFIRMED)), "utf-8")
    assert Confirmations(log).stray() == [CONFIRMED]


def test_who_of_ingest_has_a_link_is_in_the_log(tmp_path: Path) -> None:
    log = tmp_path / "broker.log"
    second = CONNECTED.replace("as ingest ", "as ingest-2 ")
    probe = "2026-11-28T11:34:07: New client connected from 127.0.0.1:46846 as ndiyan-probe (p2, c1, k10, u'operator')."
    confirmations, seen = Confirmations(log), []
    for line in (CONNECTED, second, "2026-11-28T11:34:06: Client ingest closed its connection.", CONNECTED, probe):
        with log.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
        confirmations.read()
        seen.append(len(confirmations.connected))
    assert seen == [1, 2, 1, 2, 0], "a broker that begins has nobody yet"


@pytest.mark.db
@pytest.mark.parametrize("workers", [1, 2])
def test_a_reading_that_another_overtook_is_lost_unless_it_lies_with_a_worker_that_is_away(
    database_url: str, zones: list[Zone], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    """A zone that moves is in two sessions: one worker stores what is new while the other is down."""
    (log := tmp_path / "broker.log").write_text(f"{CONNECTED}\n", "utf-8")
    zone, clock = zones[3], [1000.0]
    monkeypatch.setattr("tests.scenarios.oracle.time.monotonic", lambda: clock[0])
    oracle = Oracle(
        tmp_path, lambda: database_url, outboxes=tmp_path, gateways=[], sensor=zone, broker_log=log,
        broker_up_ms=lambda: 1, tend=lambda: None, workers=workers,
    )  # fmt: skip
    times_ms = [int((BEGUN + timedelta(seconds=n)).timestamp() * 1000) for n in range(3)]
    diary = "".join(f"{word} tower/level_m {ms} 1.5\n" for ms in times_ms for word in ("try", "took"))
    (tmp_path / f"{zone.gateway_id}.diary").write_text(diary, "utf-8")

    def lost() -> int:
        found = oracle._missing_of_sensor(connection)
        assert {one.kind for one in found} <= {Kind.SENSOR_LOST}
        return len(found)

    with connect(database_url) as connection:
        import_zones(connection, zones)
        oracle._channels = channel_ids(connection)
        for ms in (times_ms[0], times_ms[2]):
            _store(connection, zone, received_at=datetime.fromtimestamp(ms / 1000, UTC))
        assert lost() == 0
        clock[0] += 3.0
        assert lost() == (workers == 1), "the other has no link yet"
        with log.open("a", encoding="utf-8") as file:
            file.write(CONNECTED.replace("as ingest ", "as ingest-2 ") + "\n")
        clock[0] += 1.0
        assert lost() == (workers == 1)
        clock[0] += 3.0
        assert lost() == 1


@pytest.mark.db
def test_the_past_of_a_village_is_not_judged_and_what_nobody_measured_since_is(
    database_url: str, zones: list[Zone], tmp_path: Path
) -> None:
    (tmp_path / "broker.log").touch()

    def kinds(since: datetime | None) -> list[Kind]:
        oracle = Oracle(
            tmp_path, lambda: database_url, outboxes=tmp_path, gateways=zones[:3], sensor=zones[3],
            broker_log=tmp_path / "broker.log", broker_up_ms=lambda: 0, tend=lambda: None, since=since,
        )  # fmt: skip
        return [one.kind for one in oracle.conclude()]

    with connect(database_url) as connection:
        import_zones(connection, zones)
        _store(connection, zones[0], received_at=BEGUN - timedelta(days=1))
        assert kinds(BEGUN) == []
        assert kinds(None) == [Kind.FOREIGN]
        _store(connection, zones[0], received_at=BEGUN + timedelta(minutes=1))
        assert kinds(BEGUN) == [Kind.FOREIGN]


def _store(connection: Connection, zone: Zone, *, received_at: datetime) -> None:
    """A reading past ingest and in no diary."""
    channel_id = channel_ids(connection)[zone.zone_id, "tower", "level_m"]
    at_us = np.array([int(received_at.timestamp() * 1e6)])
    ReadingWriter(connection).write(
        Columns(np.array([channel_id], np.int32), at_us, at_us, np.array([1.5]), np.array([Flag.GOOD], np.int16))
    )
