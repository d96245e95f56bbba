"""Simulated history into the database, by the same writer that live readings take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from gateway.model import Flag
from gateway.zones import Zone
from ingest.columns import Columns
from ingest.db import Connection
from ingest.registry import channel_ids
from ingest.writer import ReadingWriter
from ndiyan.progress import Steps
from simulator.history import HistoryBlock, simulate_history
from simulator.scenarios import load_scenario

BATCH_READINGS = 100_000
UNDERWAY_US = 10_000_000  # from the sensor to us, where the link stood


def write_history(
    connection: Connection,
    zones: Sequence[Zone],
    *,
    start: datetime,
    end: datetime,
    seed: int,
    scenario: str,
    folder: Path,
    steps: Steps,
) -> int:
    """Let the zones live from `start` to `end` and store what they measured; returns how many readings.

    The state in which the zones end is left in `folder`, where the live simulation goes on from it.
    """
    expected = expected_readings(zones, (end - start).total_seconds())
    ids = channel_ids(connection)
    stored = 0
    # Nothing is lost by waiting for no disk here: a start that is cut short begins anew.
    connection.execute("SET synchronous_commit = off")
    writer = ReadingWriter(connection)
    with steps.bar(f"{(end - start).days} days of history", unit="readings") as progress:
        blocks = simulate_history(
            zones, start=start, end=end, seed=seed, scenario=load_scenario(scenario), folder=folder
        )
        for columns in _batches(blocks, ids):
            stored += writer.write(columns).stored
            progress(stored, max(expected, stored))
    connection.execute("SET synchronous_commit = on")
    connection.execute("ANALYZE")
    return stored


def _batches(blocks: Iterable[HistoryBlock], ids: dict[tuple[str, str, str], int]) -> Iterable[Columns]:
    waiting: list[Columns] = []
    count = 0
    for block in blocks:
        columns = _columns(block, ids[block.zone_id, block.asset, block.channel])
        waiting.append(columns)
        count += len(columns)
        if count >= BATCH_READINGS:
            yield _joined(waiting)
            waiting, count = [], 0
    if waiting:
        yield _joined(waiting)


def _columns(block: HistoryBlock, channel_id: int) -> Columns:
    measured_us = np.round(block.t_s * 1e6).astype(np.int64)
    return Columns(
        channel_id=np.full(len(measured_us), channel_id, dtype=np.int32),
        measured_us=measured_us,
        received_us=measured_us + UNDERWAY_US,
        value=block.value,
        flag=np.full(len(measured_us), Flag.GOOD, dtype=np.int16),
    )


def _joined(parts: Sequence[Columns]) -> Columns:
    return Columns(
        channel_id=np.concatenate([part.channel_id for part in parts]),
        measured_us=np.concatenate([part.measured_us for part in parts]),
        received_us=np.concatenate([part.received_us for part in parts]),
        value=np.concatenate([part.value for part in parts]),
        flag=np.concatenate([part.flag for part in parts]),
    )


def expected_readings(zones: Sequence[Zone], span_s: float) -> int:
    """How many readings these zones take in a time without troubles."""
    return round(sum(len(asset.channels) * span_s / asset.interval_s for zone in zones for asset in zone.assets))
