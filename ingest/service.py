"""Ingest as a service: receive and decode in one thread, store and confirm in another.

While a batch is in COPY the next one grows, so that a busy database gets larger batches, which it takes faster. What
has come and is not stored is bounded, in messages and in the memory that it takes; the rest waits at the broker.
Whatever fails, nothing is confirmed that is not committed.
"""

from __future__ import annotations

import contextlib
import gc
import json
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from typing import Any

import psycopg

from gateway.clock import Clock
from gateway.health import Watchdog, memory_bytes
from gateway.pulse import Loop, Pulse
from ingest.admission import Admission, Message
from ingest.broker_check import find_weak_settings
from ingest.broker_said import BrokerSaid
from ingest.claims import Claims, claims_of
from ingest.config import IngestConfig
from ingest.db import Connection, check_schema, connect, cut, is_asking, queries, weak_settings
from ingest.errors import IngestError, SchemaMismatch, StoreUnavailable, Superseded
from ingest.lease import Lease
from ingest.pipeline import Committed, Pipeline
from ingest.sqlstate import as_ingest_error
from ingest.standby import Standby
from ingest.subscriber import Subscriber
from ingest.suspicion import Suspicion

log = logging.getLogger(__name__)

SQL = queries("ingest", "pipeline")
BATCH_MESSAGES = 7500  # half of the session's window, so that one batch is stored while the next one comes
BATCH_READINGS, BATCH_ASIDE = 100_000, 5000  # a few seconds of the database, so that no sender holds up the others
ADMITTED_AT_ONCE = 32  # so many messages may come to thousands of readings; then we look again
HELD_BYTES = 32_000_000  # of all that is not stored; beyond that the broker keeps the rest
TAKE_WAIT_S = 0.2
QUIET_S = 0.002  # nothing came for so long: what has come is a batch
GATHER_S = 0.05  # a stream that is never quiet is cut so long after the batch's first message
HEARTBEAT_S = 2.0
STANDBY_S = 0.2  # between two looks at whether the lease is free
RETRY_S = (0.5, 5.0)  # one ingest asking so often is no burden to a database that comes up
FINISH_S = 10.0
GARBAGE_THRESHOLD = 100_000  # we make many objects and hardly a cycle: looking for them took a tenth of the time
SWITCH_S = 0.0001  # how long the receiving thread may keep the interpreter while the storing one waits for it


def run(config: IngestConfig, clock: Clock, stop: threading.Event) -> None:
    """Run until `stop` is set. A database or broker that is away is waited for; the backlog stays with the broker.

    What is in hand when `stop` is set is stored and confirmed if the database takes it within `FINISH_S`; the rest
    was not confirmed, so the broker keeps it for the next start.

    Raises
    ------
    SchemaMismatch : the schema is not what this version needs, at the start
    """
    sys.setswitchinterval(SWITCH_S)
    gc.set_threshold(GARBAGE_THRESHOLD)
    worker = _Worker(config, clock)
    threading.Thread(target=worker.give_up_after, args=(stop,), name="give-up", daemon=True).start()
    with Pulse(Watchdog(), worker.storing) as pulse:
        try:
            while (pipeline := worker.wait_for_lease(stop)) is not None:
                inbox = Inbox(pipeline, window_messages=config.window_messages)
                with pulse.watching(inbox.receiving):
                    _serve(config, clock, worker, inbox, stop)
        finally:
            worker.close()


def _serve(config: IngestConfig, clock: Clock, worker: _Worker, inbox: Inbox, stop: threading.Event) -> None:
    """Do the work until `stop` is set or another process has taken it over."""

    def may_connect() -> bool:
        inbox.receiving.turned()
        return worker.has_lease()

    subscriber = Subscriber(config, clock, inbox, may_connect, worker.told_before)
    claims = claims_of(config.worker, config.workers, subscriber)
    subscriber.start()
    threading.Thread(target=_check_broker, args=(config, subscriber, stop), name="broker-check", daemon=True).start()
    try:
        _take_and_store(inbox, subscriber, worker, claims, stop)
    except Superseded as error:
        log.warning("%s: what is not stored comes to it", error, extra={"action": "superseded"})
    finally:
        subscriber.stop(for_good=claims.has_gone)
    if claims.has_gone:
        worker.retire()
        log.info("others hear our zones, and nothing waits for us: we end", extra={"action": "retired"})
        stop.set()


def _take_and_store(
    inbox: Inbox, subscriber: Subscriber, worker: _Worker, claims: Claims, stop: threading.Event
) -> None:
    """A batch is kept until it is committed, and confirmed after that."""
    batch: Admission | None = None
    while not (stop.is_set() or claims.has_gone):
        if not subscriber.is_alive():
            raise IngestError("the MQTT thread ended")
        if batch is None:
            batch = inbox.take(wait_s=TAKE_WAIT_S)
        stored = worker.store(batch) if batch.messages else None
        if stored is not None:
            subscriber.confirm(batch.messages, stored.taken)
            inbox.let_go(worker.pipeline)
            claims.note(zone for zone, _ in batch.senders)
        if stored is not None or not batch.messages:
            batch = None
        if batch is None or not stop.wait(worker.pause_s):
            waiting = inbox.waiting
            told = {
                "waiting": waiting, "broker": subscriber.is_connected, "refused": subscriber.refused_topics,
                "reconnects": {"broker": subscriber.reconnects, "database": worker.reconnects},
            }  # fmt: skip
            worker.beat(told, subscriber.said, claims, is_empty=batch is None and not waiting)


def _check_broker(config: IngestConfig, subscriber: Subscriber, stop: threading.Event) -> None:
    """Once the link stands, name the broker's settings that can lose messages; a line each."""
    while not subscriber.is_connected:
        if stop.wait(TAKE_WAIT_S) or not subscriber.is_alive():
            return
    for weak in find_weak_settings(config.mqtt, operator=config.operator):
        log.warning("%s", weak, extra={"action": "weak_broker"})


class Inbox:
    """Where the receiving thread admits messages and the storing one takes them, a batch at a time.

    What is taken counts as held until it is let go, or the next is taken.
    """

    def __init__(self, pipeline: Pipeline, *, window_messages: int) -> None:
        self._condition = threading.Condition()
        self._pipeline, self._window_messages = pipeline, window_messages
        self._batches = deque([pipeline.new_admission()])  # never empty; the last one grows
        self._unread: list[Message] = []  # came in one read with what filled us
        self._taken: Admission | None = None
        self._begun_s = self._newest_s = 0.0  # when the growing batch got its first and its newest message
        self.receiving = Loop("receiving")

    @property
    def waiting(self) -> int:
        """How many messages have come and were not yet taken."""
        with self._condition:
            return sum(len(batch.messages) for batch in self._batches) + len(self._unread)

    def has_room(self) -> bool:
        """Whether what is held leaves room. A broker sends more than our window when we come back to a long queue, and
        a short message can come to much."""
        self.receiving.turned()
        with self._condition:
            held = self.waiting + (0 if self._taken is None else len(self._taken.messages))
            return held < self._window_messages and self._has_memory()

    def deliver(self, messages: list[Message]) -> None:
        """Admit messages; called by the link."""
        with self._condition:
            self._unread += messages
            self._admit()
            self._newest_s = time.monotonic()
            self._condition.notify()

    def _has_memory(self) -> bool:
        held_bytes = sum(batch.held_bytes for batch in self._batches)
        return held_bytes + (0 if self._taken is None else self._taken.held_bytes) < HELD_BYTES

    def _admit(self) -> None:
        unread, done = self._unread, 0
        while done < len(unread) and self._has_memory():
            growing = self._batches[-1]
            if not growing.messages:
                self._begun_s = time.monotonic()
            growing.add(unread[done : done + ADMITTED_AT_ONCE])
            done += ADMITTED_AT_ONCE
            if _is_full(growing):
                self._batches.append(self._pipeline.new_admission())
        self._unread = unread[done:]

    def begin_again(self, since: int) -> None:
        """Drop what waits and comes again: what came since that connection and the broker was not told to forget.

        QoS 0 does not come again, nor does what came in a session that the broker has lost.
        """
        with self._condition:
            waiting = [*(message for batch in self._batches for message in batch.messages), *self._unread]
            self._batches, self._unread = deque([self._pipeline.new_admission()]), []
        self.deliver([message for message in waiting if not message.mid or message.connection < since])

    def take(self, *, wait_s: float) -> Admission:
        """A batch: a full one, or what has come when nothing came for `QUIET_S`; waits for a message up to `wait_s`."""
        with self._condition:
            self._admit()
            self._condition.wait_for(lambda: self._batches[0].messages, wait_s)
        end_s = self._begun_s + GATHER_S
        while len(self._batches) == 1 and (now_s := time.monotonic()) < min(end_s, self._newest_s + QUIET_S):
            time.sleep(min(end_s, self._newest_s + QUIET_S) - now_s)
        with self._condition:
            if len(self._batches) == 1:
                self._batches.append(self._pipeline.new_admission())
            self._taken = self._batches.popleft()
            return self._taken

    def let_go(self, pipeline: Pipeline) -> None:
        """What was taken is stored; admit by what this pipeline knows (what has come is read again when stored)."""
        with self._condition:
            is_another, self._taken, self._pipeline = pipeline is not self._pipeline, None, pipeline
            if is_another and not self._batches[-1].messages:  # it knows all that the last pipeline knew
                self._batches[-1] = pipeline.new_admission()


def _is_full(batch: Admission) -> bool:
    return len(batch.messages) >= BATCH_MESSAGES or len(batch) >= BATCH_READINGS or len(batch.set_aside) >= BATCH_ASIDE


class _Worker:
    """Stores batches; reconnects to the database, and knows how long to leave it alone when it fails."""

    def __init__(self, config: IngestConfig, clock: Clock) -> None:
        self._config, self._clock = config, clock
        self._lease = Lease(config.database_url, config.worker)
        self._pipeline: Pipeline | None = None
        self._connection: Connection | None = None
        self._total, self._suspicion = Committed(), Suspicion()
        self._last_beat_s = 0.0
        self._trouble: str | None = None
        self._standby = Standby(config, self._lease, clock)
        self._is_holding = False  # a batch that was not stored
        self._is_closed = threading.Event()
        self.pause_s = 0.0  # before the next attempt
        self._batch = 0  # messages in the newest batch
        self._connections = 0  # to the database, so far
        self.storing = Loop("storing", lambda: self._lease.is_asking or is_asking(self._connection))
        self.told_before: dict[str, Any] = {}

    def wait_for_lease(self, stop: threading.Event) -> Pipeline | None:
        """Wait for a database that answers and for the lease; None when we were stopped before that.

        Raises
        ------
        SchemaMismatch : its schema is not the one that this version needs
        """
        is_standby = False
        while not stop.is_set():
            self.storing.turned()
            try:
                pipeline = self.open()
                self._check_database()
                self._recall()
            except StoreUnavailable as error:
                self._note_trouble(error)
                stop.wait(self.pause_s)
            except Superseded as error:
                self._let_go()
                self._note_recovery()
                if not is_standby:
                    log.info("%s, we stand by", error, extra={"action": "standby"})
                    self._standby.begin()
                is_standby = True
                self._standby.look()
                stop.wait(STANDBY_S)
            else:
                self._note_recovery()
                if is_standby:
                    log.warning("nobody else is ingest any more: we are", extra={"action": "took_over"})
                return pipeline
        return None

    @property
    def reconnects(self) -> int:
        """How often we have reached the database again since the start."""
        return max(0, self._connections - 1)

    def has_lease(self) -> bool:
        """Whether nobody else can have taken our place, as far as can be told without asking."""
        return self._lease.is_held

    def _check_database(self) -> None:
        """Name the database's settings that can lose what it has committed; a line each."""
        try:
            weak = weak_settings(self._reach())
        except psycopg.Error as error:
            raise as_ingest_error(error) from error
        for _, sentence in weak:
            log.warning("%s", sentence, extra={"action": "weak_database"})

    def _recall(self) -> None:
        """Read what our last heartbeat told, perhaps that of another process."""
        try:
            row = self._reach().execute(SQL["told"], {"service": self._config.service}).fetchone()
        except psycopg.Error as error:
            raise as_ingest_error(error) from error
        self.told_before = {} if row is None else row[0]

    def open(self) -> Pipeline:
        """The pipeline, on a new connection when there is none.

        Raises
        ------
        StoreUnavailable : the database does not answer
        Superseded : another process has the lease
        SchemaMismatch : its schema is not the one that this version needs
        """
        try:
            connection = self._reach()
            if self._pipeline is None:
                check_schema(connection)
                self._pipeline = Pipeline(connection, self._suspicion)
        except psycopg.Error as error:
            raise as_ingest_error(error) from error
        return self._pipeline

    @property
    def pipeline(self) -> Pipeline:
        """The one that has just stored; unlike `open` it asks nobody."""
        if self._pipeline is None:
            raise RuntimeError("nothing was stored on this connection")
        return self._pipeline

    def store(self, admission: Admission) -> Committed | None:
        """Commit a batch; None when the database did not take it, and the same batch is to be tried again."""
        try:
            stored = self.open().store_admitted(admission)
        except (StoreUnavailable, SchemaMismatch, psycopg.Error) as error:
            self._is_holding = True
            self._note_trouble(as_ingest_error(error) if isinstance(error, psycopg.Error) else error)
            return None
        self._is_holding = False
        self._batch = len(admission.messages)
        self._note_recovery()
        self._total.add(Committed(stored.stored, stored.duplicate, stored.conflict, stored.set_aside))
        return stored

    def beat(self, detail: Mapping[str, object], said: BrokerSaid, claims: Claims, *, is_empty: bool) -> None:
        """Tell the database every few seconds that we live, what we have done since the start, `detail` and what the
        broker has said; and look whether zones were imported, and which we shall hear; `is_empty` when nothing is in
        hand.

        `trouble` says why a batch is not stored; a trouble that keeps us from telling shows by the age of the beat.
        """
        self.storing.turned()
        if time.monotonic() - self._last_beat_s < HEARTBEAT_S:
            return
        self._last_beat_s = time.monotonic()
        done = {
            "stored": self._total.stored, "duplicate": self._total.duplicate, "conflict": self._total.conflict,
            "set_aside": self._total.set_aside, "trouble": self._trouble if self._is_holding else None,
            "batch": self._batch, "memory_bytes": memory_bytes(),
        }  # fmt: skip
        now = self._clock.now()
        told = json.dumps(done | dict(detail) | said.detail(now))
        try:
            connection = self._reach()
            connection.execute(SQL["beat"], {"service": self._config.service, "at": now, "detail": told})
            if self._pipeline is not None:
                self._pipeline.look_at_registry()
                also = self._pipeline.profile_topics if self._config.reads_own_profiles else ()
                claims.look(connection, self._pipeline.registry, is_empty=is_empty, also=also)
        except (StoreUnavailable, psycopg.Error) as error:
            self._note_trouble(as_ingest_error(error) if isinstance(error, psycopg.Error) else error)
        else:
            if not self._is_holding:
                self._note_recovery()

    def retire(self) -> None:
        """Nobody need wait to hear of us again."""
        with contextlib.suppress(psycopg.Error, IngestError):
            self._reach().execute(SQL["retire"], {"service": self._config.service})

    def close(self) -> None:
        """Give connection and lease back."""
        self._let_go()
        self._standby.end()
        self._lease.close()
        self._is_closed.set()

    def give_up_after(self, stop: threading.Event) -> None:
        """Once `stop` is set the database has `FINISH_S` to take what is in hand; then whoever waits for it is freed.

        A database that hangs answers neither a statement nor its cancellation, so the links themselves are cut.
        """
        stop.wait()
        if not self._is_closed.wait(FINISH_S):
            self._lease.cut()
            if (connection := self._connection) is not None:
                cut(connection)

    def _reach(self) -> Connection:
        self._lease.take()
        if self._connection is None:
            connection = connect(self._config.database_url, application=f"ndiyan-{self._config.service}")
            try:
                self._lease.take_pen(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
            self._connections += 1
        return self._connection

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = self._pipeline = None

    def _note_trouble(self, error: IngestError) -> None:
        self._let_go()
        trouble = str(error)
        if self._trouble is None or _kind(trouble) != _kind(self._trouble):
            level = logging.ERROR if isinstance(error, SchemaMismatch) else logging.WARNING
            log.log(level, "not storing, the backlog waits at the broker: %s", error, extra={"action": "store_away"})
        self._trouble = trouble
        self.pause_s = min(max(2 * self.pause_s, RETRY_S[0]), RETRY_S[1])

    def _note_recovery(self) -> None:
        if self._trouble is not None:
            log.info("storing again", extra={"action": "store_back"})
        self._trouble = None
        self.pause_s = 0.0


def _kind(trouble: str) -> str:
    return trouble.split(":")[0]
