"""Ingest as a service: take, store, confirm, for ever; whatever fails, nothing is confirmed that is not committed."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Sequence

import psycopg

from gateway.clock import Clock
from ingest.admission import Message
from ingest.config import IngestConfig
from ingest.db import check_schema, connect, queries
from ingest.errors import IngestError, SchemaMismatch, StoreUnavailable
from ingest.pipeline import Pipeline, Stored
from ingest.subscriber import Subscriber

log = logging.getLogger(__name__)

SQL = queries("ingest", "pipeline")
BATCH_MESSAGES = 2000
TAKE_WAIT_S = 0.2
HEARTBEAT_S = 2.0
RETRY_S = (0.5, 30.0)


def run(config: IngestConfig, clock: Clock, stop: threading.Event) -> None:
    """Run until `stop` is set. A database or broker that goes away is waited for; the backlog stays with the broker.

    Raises
    ------
    SchemaMismatch : the schema is not what this version needs, at the start
    StoreUnavailable : the database did not answer at the start
    """
    with _connected(config) as first:
        check_schema(first)
    subscriber = Subscriber(config, clock)
    subscriber.start()
    worker = _Worker(config, clock, subscriber, stop)
    try:
        while not stop.is_set():
            if not subscriber.is_alive():
                raise IngestError("the MQTT network thread ended")
            messages = subscriber.take(BATCH_MESSAGES, wait_s=TAKE_WAIT_S)
            stored = worker.store(messages) if messages else None
            if stored is not None:
                subscriber.confirm(messages, stored.taken)
            worker.beat()
    finally:
        subscriber.stop()
        worker.close()


def _connected(config: IngestConfig) -> psycopg.Connection[object]:
    try:
        return connect(config.database_url, application="ndiyan-ingest")
    except psycopg.OperationalError as error:
        raise StoreUnavailable(f"database: {str(error).splitlines()[0]}") from error


class _Worker:
    """Stores batches; reconnects to the database and retries until a batch is committed or we stop."""

    def __init__(self, config: IngestConfig, clock: Clock, subscriber: Subscriber, stop: threading.Event) -> None:
        self._config, self._clock, self._subscriber, self._stop = config, clock, subscriber, stop
        self._pipeline: Pipeline | None = None
        self._connection: psycopg.Connection[object] | None = None
        self._total = Stored()
        self._last_beat_s = 0.0
        self._trouble: str | None = None

    def store(self, messages: Sequence[Message]) -> Stored | None:
        """Commit a batch, however long it takes; None when we were stopped before that."""
        wait_s = RETRY_S[0]
        while True:
            try:
                stored = self._opened().store(messages)
            except (StoreUnavailable, SchemaMismatch, psycopg.Error) as error:
                self._note_trouble(error)
                self.close()
            else:
                self._note_recovery()
                self._total.add(Stored(stored.stored, stored.duplicate, stored.conflict, stored.set_aside))
                return stored
            if self._stop.wait(wait_s):
                return None
            wait_s = min(2 * wait_s, RETRY_S[1])

    def beat(self) -> None:
        """Tell the database every few seconds that we live, and what we have done since the start."""
        if time.monotonic() - self._last_beat_s < HEARTBEAT_S:
            return
        self._last_beat_s = time.monotonic()
        detail = {
            "stored": self._total.stored, "duplicate": self._total.duplicate, "conflict": self._total.conflict,
            "set_aside": self._total.set_aside, "waiting": self._subscriber.waiting,
            "broker": self._subscriber.is_connected,
        }  # fmt: skip
        try:
            self._opened()
            if self._connection is not None:
                self._connection.execute(
                    SQL["beat"], {"service": "ingest", "at": self._clock.now(), "detail": json.dumps(detail)}
                )
        except (IngestError, psycopg.Error) as error:
            self._note_trouble(error)
            self.close()

    def close(self) -> None:
        """Give the connection back; the next batch opens a new one."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._pipeline = None

    def _opened(self) -> Pipeline:
        if self._pipeline is None:
            self._connection = _connected(self._config)
            self._pipeline = Pipeline(self._connection)
        return self._pipeline

    def _note_trouble(self, error: Exception) -> None:
        kind = str(error).split(":")[0]
        if kind != self._trouble:
            level = logging.ERROR if isinstance(error, SchemaMismatch) else logging.WARNING
            log.log(level, "not storing, the backlog waits at the broker: %s", error, extra={"action": "store_away"})
        self._trouble = kind

    def _note_recovery(self) -> None:
        if self._trouble is not None:
            log.info("storing again", extra={"action": "store_back"})
        self._trouble = None
