"""SMS routes behind one protocol. What matters most is the fourth outcome: we may not know whether it left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One SMS; `ref` is ours and the same at every try."""

    ref: UUID
    phone: str
    text: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """The route has it and says under which id."""

    provider_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The route does not take it; `is_permanent` when it never will."""

    reason: str
    is_permanent: bool


@dataclass(frozen=True, slots=True)
class Throttled:
    """Too fast: the same later."""

    retry_after_s: float


@dataclass(frozen=True, slots=True)
class Uncertain:
    """Nobody can say whether it left."""

    reason: str


Outcome = Accepted | Refused | Throttled | Uncertain


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of an accepted SMS."""

    provider_id: str
    is_delivered: bool
    at: datetime


@dataclass(frozen=True, slots=True)
class Inbound:
    """An SMS that came in."""

    provider_id: str
    phone: str
    text: str
    at: datetime


class Carrier(Protocol):
    """One route."""

    def submit(self, message: Outgoing) -> Outcome:
        """Hand one SMS over."""
        ...

    def settle(self, message: Outgoing) -> Outcome | None:
        """After a crash: does the route have it? None when it cannot tell."""
        ...

    def events(self) -> Iterable[Receipt | Inbound]:
        """What came back and was not yet `done`; the same again until it is."""
        ...

    def done(self, event: Receipt | Inbound) -> None:
        """We have committed this event; the route may forget it."""
        ...
