"""Alerts as a service: judge what is due, send what is queued, take what comes back, for ever."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable

import psycopg

from alerts.carriers.phone import PhoneCarrier
from alerts.climbing import climb
from alerts.config import AlertsConfig
from alerts.evaluate import SQL, Evaluator
from alerts.schedule import waking
from alerts.sender import Sender
from gateway.clock import Clock
from ingest.db import Connection, check_schema, connect

log = logging.getLogger(__name__)

SEND_EVERY_S = 0.3  # wall time: a person with a phone in the hand waits for it


def run(config: AlertsConfig, clock: Clock, stop: threading.Event) -> None:
    """Run until `stop` is set. A database that goes away is waited for; what is due stays due.

    Raises
    ------
    SchemaMismatch : the schema is not what this version needs
    """
    with connect(config.database_url, application="ndiyan-alerts") as connection:
        check_schema(connection)
    judging = _Worker(config, "alerts", clock, lambda connection: _judging(connection, config, clock))
    sending = _Worker(config, "sender", clock, lambda connection: _sending(connection, clock))
    scheduler = waking(judging.turn, every=config.evaluate_every, clock=clock, name="judge")
    try:
        while not stop.wait(SEND_EVERY_S):
            sending.turn()
    finally:
        scheduler.shutdown(wait=True)
        judging.close()
        sending.close()


def _judging(connection: Connection, config: AlertsConfig, clock: Clock) -> Callable[[], int]:
    evaluator = Evaluator(connection, every=config.evaluate_every)
    return lambda: evaluator.work(clock.now())


def _sending(connection: Connection, clock: Clock) -> Callable[[], int]:
    carriers = {"phone": PhoneCarrier(connection, clock)}
    sender = Sender(connection, carriers, clock)
    return lambda: climb(connection, clock.now(), routes=len(carriers)) + sender.work()


class _Worker:
    """Work that needs a connection of its own; opens it anew when it was lost, and beats after each turn."""

    def __init__(
        self, config: AlertsConfig, name: str, clock: Clock, make: Callable[[Connection], Callable[[], int]]
    ) -> None:
        self._config, self._name, self._clock, self._make = config, name, clock, make
        self._connection: Connection | None = None
        self._work: Callable[[], int] | None = None
        self._is_troubled = False

    def turn(self) -> None:
        """One pass of the work; trouble with the database is logged when it begins and when it ends."""
        try:
            if self._connection is None or self._work is None:
                self._connection = connect(self._config.database_url, application=f"ndiyan-{self._name}")
                self._work = self._make(self._connection)
            done = self._work()
            self._connection.execute(
                SQL["beat"],
                {"service": self._name, "at": self._clock.now(), "detail": json.dumps({"done": done})},
            )
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

    def close(self) -> None:
        """Give the connection back."""
        if self._connection is not None:
            self._connection.close()
        self._connection = self._work = None
