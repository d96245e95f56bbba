"""Ingest as a service: receive and decode in one thread, store and confirm in another.

While a batch is in COPY the next one grows, so that a busy database gets larger batches, which it takes faster. What
has come and is not confirmed is bounded by the session's window; the rest waits at the broker. Whatever fails, nothing
is confirmed that is not committed.
"""

from __future__ import annotations

import gc
import json
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping

import psycopg

from gateway.clock import Clock
from ingest.admission import Admission, Message
from ingest.config import IngestConfig
from ingest.db import check_schema, connect, queries
from ingest.errors import IngestError, SchemaMismatch, StoreUnavailable
from ingest.pipeline import Pipeline, Stored
from ingest.subscriber import Subscriber

log = logging.getLogger(__name__)

SQL = queries("ingest", "pipeline")
BATCH_MESSAGES = 5000  # half of the session's window, so that one batch is stored while the next one comes
TAKE_WAIT_S = 0.2
QUIET_S = 0.002  # nothing came for so long: what has come is a batch
GATHER_S = 0.05  # a stream that is never quiet is cut after this
HEARTBEAT_S = 2.0
RETRY_S = (0.5, 30.0)
GARBAGE_THRESHOLD = 100_000  # we make many objects and hardly a cycle: looking for them took a tenth of the time
SWITCH_S = 0.0001  # how long the receiving thread may keep the interpreter while the storing one waits for it


def run(config: IngestConfig, clock: Clock, stop: threading.Event) -> None:
    """Run until `stop` is set. A database or broker that goes away is waited for; the backlog stays with the broker.

    Raises
    ------
    SchemaMismatch : the schema is not what this version needs, at the start
    StoreUnavailable : the database did not answer at the start
    """
    sys.setswitchinterval(SWITCH_S)
    gc.set_threshold(GARBAGE_THRESHOLD)
    worker = _Worker(config, clock, stop)
    inbox = Inbox(worker.open())
    subscriber = Subscriber(config, clock, inbox.deliver)
    subscriber.start()
    try:
        while not stop.is_set():
            if not subscriber.is_alive():
                raise IngestError("the MQTT thread ended")
            admission = inbox.take(wait_s=TAKE_WAIT_S)
            stored = worker.store(admission) if admission.messages else None
            if stored is not None:
                subscriber.confirm(admission.messages, stored.taken)
                inbox.admit_for(worker.open())
            worker.beat({"waiting": inbox.waiting, "broker": subscriber.is_connected})
    finally:
        subscriber.stop()
        worker.close()


class Inbox:
    """Where the receiving thread admits messages and the storing one takes them, a batch at a time."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._condition = threading.Condition()
        self._pipeline = pipeline
        self._batches = deque([pipeline.new_admission()])  # never empty; the last one grows
        self._newest_s = 0.0

    @property
    def waiting(self) -> int:
        """How many messages have come and were not yet taken."""
        with self._condition:
            return sum(len(batch.messages) for batch in self._batches)

    def deliver(self, messages: list[Message]) -> None:
        """Admit messages; called by the link."""
        with self._condition:
            growing = self._batches[-1]
            growing.add(messages)
            if len(growing.messages) >= BATCH_MESSAGES:
                self._batches.append(self._pipeline.new_admission())
            self._newest_s = time.monotonic()
            self._condition.notify()

    def take(self, *, wait_s: float) -> Admission:
        """A batch: a full one, or what has come when nothing came for `QUIET_S`; waits for a message up to `wait_s`."""
        with self._condition:
            self._condition.wait_for(lambda: self._batches[0].messages, wait_s)
        end_s = time.monotonic() + GATHER_S
        while len(self._batches) == 1 and (now_s := time.monotonic()) < min(end_s, self._newest_s + QUIET_S):
            time.sleep(min(end_s, self._newest_s + QUIET_S) - now_s)
        with self._condition:
            if len(self._batches) == 1:
                self._batches.append(self._pipeline.new_admission())
            return self._batches.popleft()

    def admit_for(self, pipeline: Pipeline) -> None:
        """Admit by what this pipeline knows from now on; what has come is read again when it is stored."""
        with self._condition:
            self._pipeline = pipeline


def _connected(config: IngestConfig) -> psycopg.Connection[object]:
    try:
        return connect(config.database_url, application="ndiyan-ingest")
    except psycopg.OperationalError as error:
        raise StoreUnavailable(f"database: {str(error).splitlines()[0]}") from error


class _Worker:
    """Stores batches; reconnects to the database and retries until a batch is committed or we stop."""

    def __init__(self, config: IngestConfig, clock: Clock, stop: threading.Event) -> None:
        self._config, self._clock, self._stop = config, clock, stop
        self._pipeline: Pipeline | None = None
        self._connection: psycopg.Connection[object] | None = None
        self._total = Stored()
        self._last_beat_s = 0.0
        self._trouble: str | None = None

    def open(self) -> Pipeline:
        """The pipeline, on a new connection when there is none.

        Raises
        ------
        StoreUnavailable : the database does not answer
        SchemaMismatch : its schema is not the one that this version needs
        """
        if self._pipeline is None:
            self._connection = _connected(self._config)
            check_schema(self._connection)
            self._pipeline = Pipeline(self._connection)
        return self._pipeline

    def store(self, admission: Admission) -> Stored | None:
        """Commit a batch, however long it takes; None when we were stopped before that."""
        wait_s = RETRY_S[0]
        while True:
            try:
                stored = self.open().store_admitted(admission)
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

    def beat(self, detail: Mapping[str, object]) -> None:
        """Tell the database every few seconds that we live, what we have done since the start, and `detail`."""
        if time.monotonic() - self._last_beat_s < HEARTBEAT_S:
            return
        self._last_beat_s = time.monotonic()
        done = {
            "stored": self._total.stored, "duplicate": self._total.duplicate, "conflict": self._total.conflict,
            "set_aside": self._total.set_aside,
        }  # fmt: skip
        try:
            self.open()
            if self._connection is not None:
                self._connection.execute(
                    SQL["beat"],
                    {"service": "ingest", "at": self._clock.now(), "detail": json.dumps(done | dict(detail))},
                )
        except (IngestError, psycopg.Error) as error:
            self._note_trouble(error)
            self.close()

    def close(self) -> None:
        """Give the connection back; the next batch opens a new one."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._pipeline = None

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
