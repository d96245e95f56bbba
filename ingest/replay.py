"""What was set aside, tried again: after a zone was registered, a channel added, a profile mended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gateway.clock import Clock
from ingest.admission import Message
from ingest.db import Connection, queries
from ingest.pipeline import Pipeline

SQL = queries("ingest", "replay")


class Replayed(NamedTuple):
    """How many messages were accepted, and how many are still set aside."""

    accepted: int
    still_set_aside: int


def replay(connection: Connection, ids: Sequence[int], *, clock: Clock) -> Replayed:
    """Admit these set-aside messages as if they came now, each in a transaction of its own; unknown ids are skipped.

    A message is accepted when every reading in it is; then it is marked with the time of its replay and counted in its
    gateway's account. Otherwise nothing of it is stored and it stays as it was. Times that are relative count from when
    it first came.

    Raises
    ------
    StoreUnavailable, SchemaMismatch : as `Pipeline.store`
    """
    pipeline = Pipeline(connection)
    accepted = still = 0
    rows = connection.execute(SQL["set_aside"], {"ids": list(ids)}).fetchall()
    for number, topic, payload, received_us in rows:
        if pipeline.store_again(Message(topic, payload, received_us, 0, 0), clock.now()):
            connection.execute(SQL["mark"], {"id": number, "now": clock.now()})
            accepted += 1
        else:
            still += 1
    return Replayed(accepted, still)
