"""The on-screen phone: a carrier like the others, whose network is a few tables that a page shows as handsets.

`phone_network` says how each handset is: off, out of reach, slow, losing or repeating messages.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from alerts.carriers import (
    Accepted,
    Call,
    Capabilities,
    Event,
    Fate,
    Health,
    Inbound,
    Outcome,
    Outgoing,
    Receipt,
    Receipts,
    Submitted,
)
from gateway.clock import Clock
from ingest.db import Connection, queries

SQL = queries("alerts", "phone")
UNDERWAY = timedelta(seconds=20)  # platform time between the hand-over and the handset's tone


class PhoneCarrier:
    """Handsets that anyone can try Ndiyan with; nothing leaves the machine."""

    caps = Capabilities(
        two_way=True,
        receipts=Receipts.HANDSET,
        is_handover_atomic=True,
        is_repeat_harmless=True,
        per_s=1000.0,
        window=100,
        receipt_within=timedelta(minutes=2),
    )

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection, self._clock = connection, clock
        self._submitted: list[Submitted] = []

    def room(self) -> int:
        """As many as one pass takes."""
        return self.caps.window

    def submit(self, messages: Sequence[Outgoing]) -> None:
        """Accepted always; the same reference a second time changes nothing."""
        for message in messages:
            self._connection.execute(
                SQL["submit"],
                {
                    "ref": message.ref, "phone": message.phone, "text": message.text, "now": self._clock.now(),
                    "valid_until": message.valid_until,
                },
            )  # fmt: skip
            self._submitted.append(Submitted(message.ref, Accepted(str(message.ref))))

    def settle(self, message: Outgoing) -> Outcome | None:
        """The reference is the id: it is here or it is not."""
        row = self._connection.execute(SQL["find"], {"ref": message.ref}).fetchone()
        return Accepted(str(message.ref)) if row else None

    def events(self) -> Iterator[Event]:
        """What was handed over, handsets that have just shown a message, replies typed on them and calls."""
        now = self._clock.now()
        self._connection.execute(SQL["expire"], {"now": now})
        self._connection.execute(SQL["arrive"], {"before": now - UNDERWAY, "now": now})
        yield from self._submitted
        for ref, phone, ending, at in self._connection.execute(SQL["receipts"]).fetchall():
            fate = Fate.EXPIRED if ending else Fate.DELIVERED
            yield Receipt((str(ref),), fate, at, f"{fate} {at.isoformat()}", ref=ref, phone=phone)
        for number, phone, text, at in self._connection.execute(SQL["replies"]).fetchall():
            yield Call(str(number), phone, at) if text is None else Inbound(str(number), phone, text, at)

    def done(self, events: Iterable[Event]) -> None:
        """Mark them as handed over."""
        for event in events:
            if isinstance(event, Submitted):
                self._submitted.remove(event)
            elif isinstance(event, Receipt):
                self._connection.execute(SQL["receipt_done"], {"id": event.provider_ids[0]})
            else:
                self._connection.execute(SQL["reply_done"], {"id": event.provider_id})

    def health(self) -> Health:
        """Always up: it is two tables of the database that asks."""
        return Health(is_up=True)

    def close(self) -> None:
        """Nothing to leave."""
