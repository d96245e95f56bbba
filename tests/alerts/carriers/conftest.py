"""Carriers against peers that are not ours, and time that is waited for only as long as a peer needs."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Self, TypeVar

import pytest

from alerts.carriers import Event, Inbound, IsOurs, Outgoing, Receipt, Submitted, Urgency, always
from alerts.carriers.smpp import SmppCarrier
from alerts.carriers.smpp_config import SmppConfig
from gateway.clock import Clock, SystemClock

E = TypeVar("E", Submitted, Receipt, Inbound)
WITHIN_S = 20.0  # a busy machine; nothing waits for so long when all is well


def sms(number: int, text: str = "", urgency: Urgency = Urgency.ALERT, valid_for: timedelta | None = None) -> Outgoing:
    """The SMS of this number; its text says which it is."""
    until = SystemClock().now() + (valid_for or timedelta(hours=24))
    return Outgoing(uuid.UUID(int=number), f"+2246221{number:05d}", text or f"#{number}# pompe arretee", urgency, until)


def until(is_so: Callable[[], bool], what: str) -> None:
    """Come back when it is so."""
    deadline = time.monotonic() + WITHIN_S
    while not is_so():
        assert time.monotonic() < deadline, f"not within {WITHIN_S:g} s: {what}"
        time.sleep(0.005)


class Desk:
    """Stands where the sender stands: hands over as there is room, commits what comes."""

    def __init__(self, carrier: SmppCarrier) -> None:
        self.carrier = carrier
        self.taken: list[Event] = []

    def take(self, *, done: bool = True) -> list[Event]:
        """What came since the last time."""
        events = list(self.carrier.events())
        if done:
            self.taken += events
            self.carrier.done(events)
        return events

    def get(self, kind: type[E], number: int) -> list[E]:
        """Wait until so many of this kind have come."""

        def have() -> bool:
            self.take()
            return len(self.of(kind)) >= number

        until(have, f"{number} {kind.__name__}, got {self.taken}")
        return self.of(kind)

    def of(self, kind: type[E]) -> list[E]:
        """What has come of this kind."""
        return [event for event in self.taken if isinstance(event, kind)]

    def send(self, *messages: Outgoing) -> None:
        """Hand all over, as the carrier has room."""
        rest = list(messages)

        def all_gone() -> bool:
            room = self.carrier.room()
            self.carrier.submit(rest[:room])
            del rest[:room]
            self.take()
            return not rest

        until(all_gone, f"{len(messages)} handed over")


class NothingStored:
    """A database in which no inbound SMS is stored yet."""

    def execute(self, *_: object) -> Self:
        return self

    def fetchall(self) -> list[Any]:
        return []


@pytest.fixture
def desk() -> Iterator[Callable[..., Desk]]:
    """Desks on a port, with what differs from an ordinary set-up."""
    opened: list[SmppCarrier] = []

    def make(
        port: int, *, connection: Any = None, clock: Clock | None = None, is_ours: IsOurs = always, **differs: Any
    ) -> Desk:
        settings = {
            "name": "operator", "host": "127.0.0.1", "port": port, "system_id": "ndiyan", "password": "secret",
            "source": "NDIYAN", "per_s": 1000.0, "response_timeout_s": 5.0, "reconnect_s": 0.05,
        }  # fmt: skip
        config = SmppConfig(**settings | differs)
        asked = connection or NothingStored()
        opened.append(SmppCarrier(config, asked, clock or SystemClock(), wake=lambda: None, is_ours=is_ours))
        return Desk(opened[-1])

    yield make
    for carrier in opened:
        carrier.close()
