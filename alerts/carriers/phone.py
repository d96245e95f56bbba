"""The on-screen phone: a carrier like the others, whose network is two tables that a page shows as handsets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from alerts.carriers import Accepted, Inbound, Outcome, Outgoing, Receipt
from gateway.clock import Clock
from ingest.db import Connection, queries

SQL = queries("alerts", "phone")
UNDERWAY = timedelta(seconds=20)  # platform time between the hand-over and the handset's tone


class PhoneCarrier:
    """Handsets that anyone can try Ndiyan with; nothing leaves the machine."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._connection, self._clock = connection, clock

    def submit(self, message: Outgoing) -> Outcome:
        """Accepted always; the same reference a second time changes nothing."""
        self._connection.execute(
            SQL["submit"],
            {"ref": message.ref, "phone": message.phone, "text": message.text, "now": self._clock.now()},
        )
        return Accepted(str(message.ref))

    def settle(self, message: Outgoing) -> Outcome | None:
        """The reference is the id: it is here or it is not."""
        row = self._connection.execute(SQL["find"], {"ref": message.ref}).fetchone()
        return Accepted(str(message.ref)) if row else None

    def events(self) -> Iterator[Receipt | Inbound]:
        """Handsets that have just shown a message, and replies typed on them."""
        now = self._clock.now()
        self._connection.execute(SQL["deliver"], {"before": now - UNDERWAY, "now": now})
        for ref, at in self._connection.execute(SQL["receipts"]).fetchall():
            yield Receipt(str(ref), True, at)
        for number, phone, text, at in self._connection.execute(SQL["replies"]).fetchall():
            yield Inbound(str(number), phone, text, at)

    def done(self, event: Receipt | Inbound) -> None:
        """Mark it as handed over."""
        name = "receipt_done" if isinstance(event, Receipt) else "reply_done"
        self._connection.execute(SQL[name], {"id": event.provider_id})
