"""Ingest as a service: receive and decode in one thread, store and confirm in another.

While a batch is in COPY the next one grows, so that a busy database gets larger batches, which it takes faster. What
has come and is not confirmed is bounded by the session's window; the rest waits at the broker. Whatever fails, nothing
is confirmed that is not committed.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time

import psycopg

from gateway.clock import Clock
from ingest.admission import Admission, Anchors, Directory, Message
from ingest.config import IngestConfig
from ingest.db import check_schema, connect, queries
from ingest.errors import IngestError, SchemaMismatch, StoreUnavailable
from ingest.pipeline import Pipeline, Stored
from ingest.subscriber import Subscriber

log = logging.getLogger(__name__)

SQL = queries("ingest", "pipeline")
TAKE_WAIT_S = 0.2
QUIET_S = 0.002  # nothing came for so long: what has come is a batch
GATHER_S = 0.05  # a stream that is never quiet is cut after this
HEARTBEAT_S = 2.0
RETRY_S = (0.5, 30.0)
SWITCH_S = 0.0005  # how long the receiving thread may keep the interpreter while the storing one waits for it


def run(config: IngestConfig, clock: Clock, stop: threading.Event) -> None:
    """Run until `stop` is set. A database or broker that goes away is waited for; the backlog stays with the broker.

    Raises
    ------
    SchemaMismatch : the schema is not what this version needs, at the start
    StoreUnavailable : the database did not answer at the start
    """
    sys.setswitchinterval(SWITCH_S)
    with _connected(config) as first:
        check_schema(first)
        pipeline = Pipeline(first)
        inbox = Inbox(pipeline.directory, pipeline.anchors)
    subscriber = Subscriber(config, clock, inbox.deliver)
    subscriber.start()
    worker = _Worker(config, clock, subscriber, inbox, stop)
    try:
        while not stop.is_set():
            if not subscriber.is_alive():
                raise IngestError("the MQTT thread ended")
            admission = inbox.take(wait_s=TAKE_WAIT_S)
            stored = worker.store(admission) if admission.messages else None
            if stored is not None:
                subscriber.confirm(admission.messages, stored.taken)
            worker.beat()
    finally:
        subscriber.stop()
        worker.close()


class Inbox:
    """Where the receiving thread admits messages and the storing one takes them, some at a time."""

    def __init__(self, directory: Directory, anchors: Anchors) -> None:
        self._condition = threading.Condition()
        self._growing = Admission(directory, anchors)
        self._newest_s = 0.0

    @property
    def waiting(self) -> int:
        """How many messages have come and were not yet taken."""
        return len(self._growing.messages)

    def deliver(self, messages: list[Message]) -> None:
        """Admit messages; called by the link."""
        with self._condition:
            self._growing.add(messages)
            self._newest_s = time.monotonic()
            self._condition.notify()

    def take(self, *, wait_s: float) -> Admission:
        """What has come: waits for a first message up to `wait_s`, then until nothing came for `QUIET_S`."""
        with self._condition:
            self._condition.wait_for(lambda: self._growing.messages, wait_s)
        end_s = time.monotonic() + GATHER_S
        while self._growing.messages and (now_s := time.monotonic()) < min(end_s, self._newest_s + QUIET_S):
            time.sleep(min(end_s, self._newest_s + QUIET_S) - now_s)
        with self._condition:
            taken = self._growing
            self._growing = Admission(taken.directory, taken.anchors)
            return taken

    def use(self, directory: Directory, anchors: Anchors) -> None:
        """Admit by another registry from now on."""
        with self._condition:
            if self._growing.directory is not directory:
                messages = self._growing.messages
                self._growing = Admission(directory, anchors)
                self._growing.add(messages)


def _connected(config: IngestConfig) -> psycopg.Connection[object]:
    try:
        return connect(config.database_url, application="ndiyan-ingest")
    except psycopg.OperationalError as error:
        raise StoreUnavailable(f"database: {str(error).splitlines()[0]}") from error


class _Worker:
    """Stores batches; reconnects to the database and retries until a batch is committed or we stop."""

    def __init__(
        self, config: IngestConfig, clock: Clock, subscriber: Subscriber, inbox: Inbox, stop: threading.Event
    ) -> None:
        self._config, self._clock, self._subscriber, self._stop = config, clock, subscriber, stop
        self._inbox = inbox
        self._pipeline: Pipeline | None = None
        self._connection: psycopg.Connection[object] | None = None
        self._total = Stored()
        self._last_beat_s = 0.0
        self._trouble: str | None = None

    def store(self, admission: Admission) -> Stored | None:
        """Commit a batch, however long it takes; None when we were stopped before that."""
        wait_s = RETRY_S[0]
        while True:
            try:
                pipeline = self._opened()
                stored = pipeline.store_admitted(admission)
                self._inbox.use(pipeline.directory, pipeline.anchors)
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
            "set_aside": self._total.set_aside, "waiting": self._inbox.waiting,
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
