"""A carrier over HTTP with a database behind it, heard until it has said enough."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from datetime import timedelta

from alerts.carriers import Event, IsOurs, Outcome, Outgoing, Submitted, Urgency, always
from alerts.carriers.over_http import SQL, HttpCarrier, Route
from gateway.clock import Clock, SystemClock
from ingest.db import connect
from tests.alerts.carriers.smsd import wait_until

NUMBER = "+224622123456"


class Listener:
    """A carrier and what it has told; `clock` is the platform's."""

    def __init__(
        self, url: str, name: str, route: Route, clock: Clock | None = None, *, is_ours: IsOurs = always
    ) -> None:
        self.connection = connect(url)
        self.clock = clock or SystemClock()
        self.name, self.route = name, route
        self.carrier = HttpCarrier(name, route, self.connection, self.clock, wake=lambda: None, is_ours=is_ours)
        self.told: list[Event] = []

    def submit(
        self, text: str = "A1 POMPE ARRETEE", *, urgency: Urgency = Urgency.ALERT, valid: timedelta = timedelta(hours=1)
    ) -> Outgoing:
        message = self.message(text, urgency=urgency, valid=valid)
        self.carrier.submit([message])
        return message

    def message(
        self, text: str, *, urgency: Urgency = Urgency.ALERT, valid: timedelta = timedelta(hours=1)
    ) -> Outgoing:
        return Outgoing(uuid.uuid4(), NUMBER, text, urgency, self.clock.now() + valid)

    def outcome(self, text: str = "A1 POMPE ARRETEE", *, valid: timedelta = timedelta(hours=1)) -> Outcome:
        """Send one and wait for what becomes of it."""
        ref = self.submit(text, valid=valid).ref
        self.hear(lambda told: any(isinstance(one, Submitted) and one.ref == ref for one in told), "an outcome")
        return next(one.outcome for one in self.told if isinstance(one, Submitted) and one.ref == ref)

    def webhook(self, kind: str, body: str) -> None:
        """What the pages would have stored."""
        key = hashlib.sha256(f"{kind}{body}".encode()).hexdigest()
        self.connection.execute(
            SQL["store"], {"carrier": self.name, "key": key, "kind": kind, "body": body, "now": self.clock.now()}
        )

    def hear(self, is_enough: Callable[[list[Event]], bool], what: str) -> None:
        def look() -> bool:
            events = list(self.carrier.events())
            self.told += events
            self.carrier.done(events)
            return is_enough(self.told)

        wait_until(look, what)

    def close(self) -> None:
        self.carrier.close()
        self.connection.close()
