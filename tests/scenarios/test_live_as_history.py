"""Weeks judged by the hour as they come tell the same alerts as the whole history does: with a sensor that dies, a zone
that is cut off for three days and sends all then, and a service that starts anew."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from alerts.backtest import judge_history
from alerts.evaluate import Evaluator
from alerts.files import History, Key, sites_of
from alerts.scene import FloatArray, Sites
from gateway.model import Fault, Flag, channel_spec
from gateway.zones import Zone
from ingest.columns import Columns
from ingest.db import Connection, connect
from ingest.registry import channel_ids, import_zones
from ingest.writer import ReadingWriter
from simulator.faults import Broken
from simulator.history import live_through
from simulator.labels import Witness
from simulator.village import Village

pytestmark = [pytest.mark.slow, pytest.mark.db]
START = datetime(2025, 10, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LIVE_FROM, END = START + 8 * DAY, START + 16 * DAY
DIES_AT = START + 9 * DAY + 15 * HOUR  # the outlet's meter of the fifth zone, whose taps have none
CUT = START + 11 * DAY + 3 * HOUR, START + 14 * DAY + 3 * HOUR  # the second zone
BREAKS = (
    (0, Fault.TOWER_LEAK, START + 10 * DAY + 9 * HOUR),
    (1, Fault.INVERTER_TRIP, START + 12 * DAY + 10 * HOUR),
    (2, Fault.PUMP_NOT_RUNNING, START + 13 * DAY + 9 * HOUR),
    (3, Fault.PIPE_BURST, START + 12 * DAY + 11 * HOUR),
)
Told = tuple[str, str, str, datetime, datetime | None]


def lived(zones: Sequence[Zone]) -> History:
    """What was measured."""
    broken = [Broken(zones[place].zone_id, fault, "M", at.timestamp()) for place, fault, at in BREAKS]
    series: dict[Key, list[tuple[FloatArray, FloatArray]]] = {}
    village = Village(zones, seed=26)
    for block in live_through(village, start=START, end=END, broken=broken, folder=None, witness=Witness()):
        series.setdefault((block.zone_id, block.asset, block.channel), []).append((block.t_s, block.value))
    found = {}
    for key, pieces in series.items():
        t_s, value = (np.concatenate(column) for column in zip(*pieces, strict=True))
        is_there = np.ones(len(t_s), dtype=bool)
        if key[0] == zones[4].zone_id and key[1].startswith("tap-"):
            continue
        if key[0] == zones[4].zone_id and key[2] in ("outflow_m3_h", "outflow_volume_m3"):
            is_there = t_s < DIES_AT.timestamp()
        order = np.argsort(t_s[is_there], kind="stable")
        found[key] = t_s[is_there][order], value[is_there][order]
    return History(found)


def as_columns(connection: Connection, history: History) -> Columns:
    """All readings in the order of their time; what no sensor can say is bad."""
    ids, parts = channel_ids(connection), []
    for (zone, asset, channel), (t_s, value) in history.series.items():
        spec = channel_spec(asset, channel)
        assert spec is not None
        flag = np.where((value >= spec.minimum) & (value <= spec.maximum), Flag.GOOD, Flag.BAD)
        parts.append((np.full(len(t_s), ids[zone, asset, channel]), t_s * 1e6, value, flag))
    channel_id, micros, value, flag = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = np.argsort(micros, kind="stable")
    at = micros[order].astype(np.int64)
    return Columns(channel_id[order].astype(np.int32), at, at, value[order], flag[order].astype(np.int16))


def test_rounds_of_an_hour_tell_what_the_whole_history_tells(database_url: str, zones: list[Zone]) -> None:
    some = zones[:5]
    history = lived(some)
    past, _ = judge_history(some, lambda of: history.grid(Sites(sites_of(of)), START.timestamp(), END.timestamp()))
    with connect(database_url) as connection:
        import_zones(connection, some)
        all_of, writer = as_columns(connection, history), ReadingWriter(connection)
        cut = [key for (zone, *_), key in channel_ids(connection).items() if zone == some[1].zone_id]
        came_us = all_of.measured_us.copy()
        is_kept = np.isin(all_of.channel_id, cut) & (came_us >= CUT[0].timestamp() * 1e6)
        came_us[is_kept] = np.maximum(came_us[is_kept], CUT[1].timestamp() * 1e6)
        now, last_us = LIVE_FROM, 0.0  # and a service that starts anew each time
        while now <= END:
            until_us = now.timestamp() * 1e6
            comes = (came_us >= last_us) & (came_us < until_us)
            writer.write(all_of.take(comes))
            Evaluator(connection, every=HOUR).work(now)
            now, last_us = now + HOUR, until_us
        rows = connection.execute(
            "SELECT zone_id, fault, asset_id, first_evidence_at, cleared_at FROM alert ORDER BY 1, 2, 3, 4"
        ).fetchall()
    live = {row for row in rows if row[1] != Fault.COMMS_OUTAGE}
    whole: set[Told] = {
        (one.zone, str(one.fault), one.asset, one.first_evidence_at, one.closed_at)
        for one in past
        if one.fault is not Fault.COMMS_OUTAGE
    }
    assert {fault for _, fault, _, _, _ in whole} >= {str(fault) for _, fault, _ in BREAKS}
    assert (live - whole, whole - live) == (set(), set())
