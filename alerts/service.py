"""Alerts as a service: judge what is due, send what is queued, take what comes back, for ever."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable

import psycopg

from alerts.carriers import Carrier
from alerts.carriers.registry import open_carriers
from alerts.climbing import climb
from alerts.config import AlertsConfig
from alerts.evaluate import SQL, Evaluator
from alerts.schedule import waking
from alerts.sender import SQL as SENDER_SQL
from alerts.sender import Sender, close_all
from alerts.webhooks import Teller
from gateway.clock import Clock, SystemClock
from ingest.db import Connection, check_schema, connect

log = logging.getLogger(__name__)

# Wall time between two passes of the sender, unless a route wakes it: a person with a phone in the hand waits for it.
SEND_EVERY_S, SEND_SOON_S = 0.3, 0.01
BEAT_EVERY_S = 1.0
TELLER_ENDS_WITHIN_S = 20.0  # a request that is under way ends by itself before that


def run(config: AlertsConfig, clock: Clock, stop: threading.Event) -> None:
    """Run until `stop` is set. A database that goes away is waited for; what is due stays due.

    Raises
    ------
    SchemaMismatch : the schema is not what this version needs
    """
    with connect(config.database_url, application="ndiyan-alerts") as connection:
        check_schema(connection)
    judging = _Worker(config, "alerts", clock, lambda connection: _judging(connection, config, clock))
    opened: list[Carrier] = []
    news = threading.Event()
    sending = _Worker(config, "sender", clock, lambda connection: _sending(connection, config, clock, opened, news))
    tellers: list[Teller] = []
    telling = _Worker(config, "webhooks", clock, lambda connection: _telling(connection, config, clock, tellers))
    thread = threading.Thread(target=_until, args=(stop, telling.turn), name="webhooks", daemon=True)
    thread.start()
    scheduler = waking(judging.turn, every=config.evaluate_every, clock=clock, name="judge")
    try:
        while not stop.is_set():
            news.clear()
            news.wait(SEND_SOON_S if sending.turn() else SEND_EVERY_S)
    finally:
        scheduler.shutdown(wait=True)
        judging.close()
        sending.close()
        close_all(opened)
        thread.join(TELLER_ENDS_WITHIN_S)
        telling.close()
        _close_tellers(tellers)


def _until(stop: threading.Event, turn: Callable[[], int]) -> None:
    """Turn after turn in a thread of its own: a receiver that is slow keeps no SMS waiting."""
    while not stop.wait(SEND_SOON_S if turn() else SEND_EVERY_S):
        pass


def _telling(connection: Connection, config: AlertsConfig, clock: Clock, opened: list[Teller]) -> Callable[[], int]:
    """What tells webhooks; `opened` is the one of the connection before, and then this."""
    _close_tellers(opened)
    opened[:] = [Teller(connection, config.webhooks, clock, wall=SystemClock())]
    return opened[0].work


def _close_tellers(tellers: list[Teller]) -> None:
    for teller in tellers:
        teller.close()


def _judging(connection: Connection, config: AlertsConfig, clock: Clock) -> Callable[[], int]:
    evaluator = Evaluator(connection, every=config.evaluate_every)
    return lambda: evaluator.work(clock.now())


def _sending(
    connection: Connection, config: AlertsConfig, clock: Clock, opened: list[Carrier], news: threading.Event
) -> Callable[[], int]:
    """A sender over all routes; `opened` are those of the connection before, and then these.

    Of several services only one sends, because a route may let in one of us at a time; the next one takes over when the
    connection of the first is gone.
    """
    close_all(opened)
    opened.clear()
    sender: Sender | None = None

    def work() -> int:
        nonlocal sender
        if sender is None:
            if connection.execute(SENDER_SQL["be_the_sender"]).fetchone() != (True,):
                return 0
            routes = open_carriers(list(config.carriers), connection, clock, wake=news.set)
            opened[:] = routes.values()
            sender = Sender(connection, routes, clock)
        climbed = climb(connection, clock.now(), routes=len(config.carriers))
        return climbed + sender.work()

    return work


class _Worker:
    """Work that needs a connection of its own; opens it anew when it was lost, and beats after each turn."""

    def __init__(
        self, config: AlertsConfig, name: str, clock: Clock, make: Callable[[Connection], Callable[[], int]]
    ) -> None:
        self._config, self._name, self._clock, self._make = config, name, clock, make
        self._connection: Connection | None = None
        self._work: Callable[[], int] | None = None
        self._is_troubled = False
        self._beat_s = 0.0

    def turn(self) -> int:
        """One pass of the work, and how much there was; trouble with the database is logged at its two ends."""
        done = 0
        try:
            if self._connection is None or self._work is None:
                self._connection = connect(self._config.database_url, application=f"ndiyan-{self._name}")
                self._work = self._make(self._connection)
            done = self._work()
            self._beat(self._connection, done)
        except psycopg.Error as error:
            if not self._is_troubled:
                log.warning("%s waits for the database: %s", self._name, str(error).splitlines()[0])
            self._is_troubled = True
            self.close()
        except Exception:
            log.exception("%s: one pass failed", self._name)
            self.close()
        else:
            if self._is_troubled:
                log.info("%s goes on", self._name)
            self._is_troubled = False
        return done

    def _beat(self, connection: Connection, done: int) -> None:
        if (now_s := time.monotonic()) - self._beat_s >= BEAT_EVERY_S:
            self._beat_s = now_s
            beat = {"service": self._name, "at": self._clock.now(), "detail": json.dumps({"done": done})}
            connection.execute(SQL["beat"], beat)

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._work = None
