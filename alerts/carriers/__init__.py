"""SMS routes behind one protocol. What matters most is the fourth outcome: we may not know whether it left.

A carrier never makes the sender wait: `submit` hands messages over, what becomes of them comes as events, for which the
sender is woken where the carrier can tell that they are here. An event
comes again until it is `done`, which the sender says only after its commit; so a crash in between loses nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Protocol
from uuid import UUID

ENDS_SOON = timedelta(days=3)  # somebody has to go and buy credit

IsOurs = Callable[[], bool]
"""Whether a route is still in our hands: a process that was frozen may have lost it, and must let nothing leave."""
ASKED_AGAIN_S = 0.5  # when it was not
MAX_SKEW = timedelta(minutes=5)  # by which the clock of a route may differ from ours
MISSING = "[…]"  # stands in the text of an SMS for a part that did not come


def always() -> bool:
    """It is, where nobody else could have it."""
    return True


class Urgency(IntEnum):
    """What leaves first, and what may leave twice when nobody knows whether it left."""

    ROUTINE = 1  # reminders, closings: rather never than twice
    ANSWER = 2  # to somebody who has just written: rather never than twice
    ALERT = 3
    NO_WATER = 4


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One SMS; `ref` is ours and the same at every try. What has not left at `valid_until` must not leave."""

    ref: UUID
    phone: str
    text: str
    urgency: Urgency
    valid_until: datetime


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
class StillThere:
    """It lies in the route's hands as if it had just been handed over, and its outcome will come."""


class Fate(StrEnum):
    """What a receipt says became of an SMS; only `DELIVERED` is about the handset."""

    ON_THE_NETWORK = "on_the_network"
    DELIVERED = "delivered"
    UNDELIVERED = "undelivered"
    EXPIRED = "expired"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of a hand-over."""

    ref: UUID
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of an SMS that the route had.

    Parameters
    ----------
    provider_ids : the route's id as it was written and as it may have been meant (decimal, hexadecimal, no zeros)
    ref : ours, where the route gives it back
    phone : whom it was for, in E.164, where the receipt says so
    text_head : the first letters of what was sent, where the receipt repeats them
    raw : as it came, for people who look into it
    never_left : the route had it and says that it could not send it at all
    """

    provider_ids: tuple[str, ...]
    fate: Fate
    at: datetime
    raw: str
    ref: UUID | None = None
    phone: str | None = None
    text_head: str = ""
    never_left: bool = False


def came_at(told_at: datetime, heard_at: datetime) -> datetime:
    """When an SMS came of which we are told when that was: by our clock, as our questions.

    By that of the route an answer would seem older than what it answers. What was told much later than it came waited.
    """
    return heard_at if abs(heard_at - told_at) <= MAX_SKEW else told_at


@dataclass(frozen=True, slots=True)
class Inbound:
    """An SMS that came in; `provider_id` is the same when it comes again.

    Parameters
    ----------
    repeat_keys : by what a route without ids knows it when it comes again; stored beside it until the route clears them
    may_be_repeat : the same was stored long before, and it is not known whether the route knew that we have it
    """

    provider_id: str
    phone: str
    text: str
    at: datetime
    repeat_keys: tuple[str, ...] = ()
    may_be_repeat: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """Somebody rang us and was not answered; `provider_id` is the same when it is told again."""

    provider_id: str
    phone: str
    at: datetime


Event = Submitted | Receipt | Inbound | Call


class Receipts(StrEnum):
    """How far a route's receipts reach."""

    NONE = "none"
    NETWORK = "network"
    HANDSET = "handset"


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a route can do; the sender asks this and never which route it is.

    Parameters
    ----------
    is_handover_atomic : `submit` writes with the sender's own connection, so that it happens with the sender's commit
    is_repeat_harmless : the same `ref` again is the same SMS
    per_s : how many a second the route takes; window : how many may be under way
    at_once : how many may leave without a gap, where the limit is one of many minutes
    receipt_within : after which no receipt is to be expected any more; also how long an uncertain one is waited for
    """

    two_way: bool
    receipts: Receipts
    is_handover_atomic: bool
    is_repeat_harmless: bool
    per_s: float
    window: int
    receipt_within: timedelta
    at_once: int = 1


@dataclass(frozen=True, slots=True)
class Health:
    """How a route is: whether it takes messages, in a word why not, and what money is left where the route tells.

    Parameters
    ----------
    low_below : a smaller balance is too little
    """

    is_up: bool
    detail: str = ""
    balance: float | None = None
    balance_unit: str = ""
    expires_at: datetime | None = None
    low_below: float = 0.0

    def is_low(self, now: datetime) -> bool | None:
        """Whether there is too little credit, or it ends soon; None where the route does not tell now."""
        if self.balance is None:
            return None
        is_over_soon = self.expires_at is not None and self.expires_at - now < ENDS_SOON
        return self.balance < self.low_below or is_over_soon


class Carrier(Protocol):
    """One route. All calls come from one thread, none blocks for longer than a query."""

    @property
    def caps(self) -> Capabilities:
        """What it can do."""
        ...

    def room(self) -> int:
        """How many messages it takes now; 0 while it is down, paused or busy."""
        ...

    def submit(self, messages: Sequence[Outgoing]) -> None:
        """Hand them over, at most `room`; each becomes one `Submitted`, also when the link breaks."""
        ...

    def settle(self, message: Outgoing) -> Outcome | StillThere | None:
        """After a crash: does the route have it? None when it cannot tell."""
        ...

    def events(self) -> Iterable[Event]:
        """What came and is not yet `done`, in the order in which it came; the same again until it is."""
        ...

    def done(self, events: Iterable[Event]) -> None:
        """We have committed these; the route may forget them and tell the other side."""
        ...

    def health(self) -> Health:
        """How it is."""
        ...

    def close(self) -> None:
        """Leave; what is not `done` comes again after the next start, or becomes uncertain."""
        ...
