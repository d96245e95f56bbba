"""Alerts as a service: judge what is due, send what is queued, take what comes back, for ever."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping

import psycopg

from alerts.carriers import Carrier
from alerts.carriers.opening import open_carrier
from alerts.climbing import climb
from alerts.config import AlertsConfig
from alerts.evaluate import SQL, Evaluator
from alerts.lease import SQL as LEASE_SQL
from alerts.lease import TELLING_S, Lease, at_all_times, speaking, while_working
from alerts.sender import Sender, close_all
from alerts.set_back import SetBack
from alerts.watchdog import instance_name
from alerts.webhooks import Teller
from gateway.clock import Clock, SystemClock
from gateway.health import Watchdog, memory_bytes
from gateway.pulse import Loop, Pulse
from ingest.db import Connection, check_schema, connect, is_asking

log = logging.getLogger(__name__)

# Wall time between two passes of the sender, unless a route wakes it: a person with a phone in the hand waits for it.
SEND_EVERY_S, SEND_SOON_S = 0.3, 0.01
BEAT_EVERY_S = 1.0
MOST_OFTEN_S = 0.05  # of wall time between two judgings, however fast the platform's clock runs
DESK = ""  # among the names of routes: what is common to all of them
TELLER_ENDS_WITHIN_S = 20.0  # a request that is under way ends by itself before that


def run(config: AlertsConfig, clock: Clock, stop: threading.Event) -> None:
    """Run until `stop` is set. A database that goes away is waited for; what is due stays due.

    Raises
    ------
    SchemaMismatch : the schema is not what this version needs
    """
    with connect(config.database_url, application="ndiyan-alerts") as connection:
        check_schema(connection)
    judging = _Worker(
        config,
        "alerts",
        clock,
        lambda connection: _judging(connection, config, clock, judging.loop),
        while_working(config.judging_lease_s),
    )
    opened: dict[str, Carrier] = {}
    news = threading.Event()
    sending = _Worker(
        config, "sender", clock, lambda connection: _sending(connection, config, clock, opened, news),
        at_all_times(config.sending_lease_s), more=lambda: {"routes": list(opened)}, let_go=lambda: _let_go(opened),
    )  # fmt: skip
    tellers: list[Teller] = []
    telling = _Worker(
        config, "webhooks", clock, lambda connection: _telling(connection, config, clock, tellers),
        while_working(TELLING_S),
    )  # fmt: skip
    thread = threading.Thread(target=_until, args=(stop, telling.turn), name="webhooks", daemon=True)
    thread.start()
    every_s = max(MOST_OFTEN_S, clock.wall_seconds(config.evaluate_every))
    judge = threading.Thread(target=_every, args=(every_s, stop, judging.turn), name="judge")
    judge.start()
    try:
        with Pulse(Watchdog(), judging.loop, sending.loop, telling.loop):
            while not stop.is_set():
                news.clear()
                news.wait(SEND_SOON_S if sending.turn() else SEND_EVERY_S)
    finally:
        stop.set()  # whatever ended us, the threads end as well
        judge.join()
        judging.end()
        sending.end()
        thread.join(TELLER_ENDS_WITHIN_S)
        telling.end()
        _close_tellers(tellers)


def _every(every_s: float, stop: threading.Event, turn: Callable[[], int]) -> None:
    """A turn each so many seconds of the monotonic clock, which nobody sets; what a long turn missed is not made up."""
    due_s = time.monotonic() + every_s
    while not stop.wait(max(0.0, due_s - time.monotonic())):
        turn()
        due_s = max(due_s + every_s, time.monotonic())


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


def _judging(connection: Connection, config: AlertsConfig, clock: Clock, loop: Loop) -> Callable[[], int]:
    """What judges; each piece of a backlog is a turn of its own, as hours of it may be behind a single one."""
    evaluator = Evaluator(connection, every=config.evaluate_every, progress=lambda *_: loop.turned())

    def work() -> int:
        with speaking(connection, lasts_s=config.judging_lease_s):
            return evaluator.work(clock.now())

    return work


def _sending(
    connection: Connection, config: AlertsConfig, clock: Clock, opened: dict[str, Carrier], news: threading.Event
) -> Callable[[], int]:
    """A sender over the routes that nobody else has; they are put into `opened`.

    A route lets in one of us at a time, and what is common to all routes, the desk, is done by one. What another
    service has is ours as soon as its connection is gone.
    """
    configs = {route.name: route for route in config.carriers}
    wanted = [DESK, *configs]
    lease = Lease(config.sending_lease_s)
    sender = Sender(connection, {}, clock, routes=list(configs), keeps_desk=False)
    set_back = SetBack(connection)
    may_send = False

    def work() -> int:
        nonlocal may_send
        begun_s = lease.begin()
        may_send = may_send or connection.execute(LEASE_SQL["may_send"]).fetchone() == (True,)
        if not may_send:
            return 0
        taken = [name for (name,) in connection.execute(LEASE_SQL["take_routes"], {"names": wanted})]
        lease.renew(begun_s)
        for name in taken:
            wanted.remove(name)
            if name == DESK:
                sender.keeps_desk = True
                continue
            opened[name] = open_carrier(configs[name], connection, clock, wake=news.set, is_ours=lease.holds)
            sender.hold(name, opened[name])
        climbed = 0
        if sender.keeps_desk:
            set_back.look(clock.now())
            climbed = climb(connection, clock.now(), routes=len(configs))
        return climbed + sender.work()

    return work


def _let_go(opened: dict[str, Carrier]) -> None:
    """Unbind, before somebody else may have the routes: a message centre may let in one of us at a time."""
    close_all(opened.values())
    opened.clear()


class _Worker:
    """Work that needs a connection of its own; opens it anew when it was lost, and beats after each turn.

    `lease` are the settings by which the server ends the connection of who is frozen; `more` is told with each beat;
    `let_go` gives up what was held by the connection, before it ends or as soon as it is known to be lost.
    """

    def __init__(
        self, config: AlertsConfig, name: str, clock: Clock, make: Callable[[Connection], Callable[[], int]],
        lease: Mapping[str, str], more: Callable[[], dict[str, object]] = dict,
        let_go: Callable[[], None] = lambda: None,
    ) -> None:  # fmt: skip
        self._config, self._clock, self._make, self._lease, self._more = config, clock, make, lease, more
        self._let_go = let_go
        self._name = instance_name(name, config.instance)
        self._connection: Connection | None = None
        self._work: Callable[[], int] | None = None
        self._is_troubled = False
        self._beat_s = 0.0
        self._connections = 0  # so far
        self.loop = Loop(self._name, lambda: is_asking(self._connection))

    def turn(self) -> int:
        """One pass of the work, and how much there was; trouble with the database is logged at its two ends."""
        done = 0
        try:
            if self._connection is None or self._work is None:
                self._connection = connect(
                    self._config.database_url, application=f"ndiyan-{self._name}", server=self._lease
                )
                self._work = self._make(self._connection)
                self._connections += 1
            done = self._work()
            self._beat(self._connection, done)
        except psycopg.errors.DeadlockDetected:  # the next pass finds all that this one left undone
            log.info("%s stood back for another", self._name)
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
        self.loop.turned()
        return done

    def _beat(self, connection: Connection, done: int) -> None:
        if (now_s := time.monotonic()) - self._beat_s >= BEAT_EVERY_S:
            self._beat_s = now_s
            told = {
                "batch": done, "memory_bytes": memory_bytes(), "reconnects": {"database": self._connections - 1},
            }  # fmt: skip
            self._tell(connection, told | self._more())

    def _tell(self, connection: Connection, detail: Mapping[str, object]) -> None:
        beat = {"service": self._name, "at": self._clock.now(), "detail": json.dumps(detail)}
        connection.execute(SQL["beat"], beat)

    def end(self) -> None:
        """It ends in order: nobody need wait for it."""
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._tell(self._connection, {"ended": True})
        self.close()

    def close(self) -> None:
        """Give the connection back, and before it what was held by it."""
        self._let_go()
        if self._connection is not None:
            self._connection.close()
        self._connection = self._work = None
