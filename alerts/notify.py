"""Notifications: written in the alert's own transaction, sent at least once, made "once" by the carrier's reference.

A row is marked `submitting` and committed before the carrier is called, and the outcome is committed after; so a row
that a crash leaves `submitting` may or may not have left, and the carrier is asked before it is sent again.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import psycopg

from alerts.carriers import Accepted, Carrier, Inbound, Outcome, Outgoing, Receipt, Refused, Throttled, Uncertain
from alerts.conversation import answer
from alerts.messages import MessageKind, segments, sms_text
from alerts.routing import REMEMBERED, ContactRow, Event, PastNotification, who_hears
from gateway.clock import Clock
from ingest.db import Connection, queries

log = logging.getLogger(__name__)

SQL = queries("alerts", "notify")
CARRIER = "phone"
VALID_FOR = timedelta(hours=24)  # the notification of a fault is worthless after a day (SMS.md §5.4)
GRACE = timedelta(minutes=2)  # before a row left `submitting` is settled
BACK_OFF = (timedelta(seconds=30), timedelta(minutes=10))
MAX_ATTEMPTS = 8
AT_ONCE = 20


def tell(connection: Connection, event: Event, *, now: datetime) -> list[int]:
    """Queue what `event` has to tell, in the caller's transaction; the same event again queues nothing new."""
    ((zone_id, zone_name, code, asset, evidence),) = connection.execute(
        SQL["alert_words"], {"alert": event.alert_id}
    ).fetchall()
    contacts = [ContactRow(*row) for row in connection.execute(SQL["contacts"], {"zone": zone_id})]
    past = connection.execute(SQL["told_before"], {"zone": zone_id, "alert": event.alert_id, "since": now - REMEMBERED})
    history = [PastNotification(*row) for row in past]
    told = {(p.contact_id, p.kind) for p in history if p.alert_id == event.alert_id}
    repairer = next((c for c in contacts if c.role == "reparateur"), None)
    queued = []
    for telling in who_hears(event, contacts, history, now=now):
        contact = telling.contact
        if telling.kind != MessageKind.REMINDER and (contact.contact_id, telling.kind) in told:
            continue
        call = None if repairer is None or repairer == contact else (repairer.name, repairer.phone)
        text = sms_text(
            MessageKind(telling.kind), event.fault, contact.language,
            zone_name=zone_name, code=code, values=evidence["values"], asset=asset, call=call,
        )  # fmt: skip
        row = connection.execute(
            SQL["queue"],
            {
                "ref": uuid.uuid4(), "alert": event.alert_id, "zone": zone_id, "contact": contact.contact_id,
                "phone": contact.phone, "kind": telling.kind, "step": telling.step, "reason": telling.reason.value,
                "language": contact.language, "text": text, "segments": segments(text).number, "carrier": CARRIER,
                "now": now, "send_at": telling.send_at, "valid_until": telling.send_at + VALID_FOR,
            },
        ).fetchone()  # fmt: skip
        if row:
            queued.append(int(row[0]))
    return queued


class Sender:
    """Sends what is queued and takes what comes back, over one connection in autocommit."""

    def __init__(self, connection: Connection, carriers: Mapping[str, Carrier], clock: Clock) -> None:
        self._connection, self._carriers, self._clock = connection, carriers, clock

    def work(self) -> int:
        """One pass; returns how many messages and events were moved on."""
        now = self._clock.now()
        self._connection.execute(SQL["supersede"])
        self._connection.execute(SQL["supersede_closings"])
        self._connection.execute(SQL["expire"], {"now": now})
        done = self._settle_left_over(now)
        rows = self._connection.execute(SQL["claim"], {"now": now, "limit": AT_ONCE}).fetchall()
        for number, ref, phone, text, carrier in rows:
            route = self._carriers.get(carrier)
            missing = Refused(f"no carrier {carrier!r} is configured", is_permanent=False)
            self._record(number, route.submit(Outgoing(ref, phone, text)) if route else missing, now)
        for name, carrier_object in self._carriers.items():
            for event in carrier_object.events():
                if isinstance(event, Receipt):
                    self._take_receipt(name, event)
                else:
                    self._take_inbound(name, event)
                carrier_object.done(event)
                done += 1
        done += self._handle_inbound()
        return done + len(rows)

    def _settle_left_over(self, now: datetime) -> int:
        """Rows of a sender that died between the claim and the outcome: ask the carrier, else send again, marked."""
        rows = self._connection.execute(SQL["left_over"], {"before": now - GRACE}).fetchall()
        for number, ref, phone, text, carrier in rows:
            route = self._carriers.get(carrier)
            found = route.settle(Outgoing(ref, phone, text)) if route else None
            if found is None:
                self._connection.execute(SQL["send_again"], {"id": number, "now": now})
            else:
                self._record(number, found, now)
        return len(rows)

    def _record(self, number: int, outcome: Outcome, now: datetime) -> None:
        with self._connection.transaction():
            if isinstance(outcome, Accepted):
                row = self._connection.execute(
                    SQL["accepted"], {"id": number, "provider_id": outcome.provider_id, "now": now}
                ).fetchone()
                self._event(row, "told", now)
            elif isinstance(outcome, Uncertain):
                self._connection.execute(SQL["uncertain"], {"id": number, "error": outcome.reason})
            elif isinstance(outcome, Refused) and outcome.is_permanent:
                self._connection.execute(SQL["failed"], {"id": number, "error": outcome.reason})
                log.warning("a notification failed: %s", outcome.reason, extra={"notification_id": number})
            else:
                self._connection.execute(SQL["retry"], self._retry(number, outcome, now))

    def _retry(self, number: int, outcome: Throttled | Refused, now: datetime) -> dict[str, object]:
        if isinstance(outcome, Throttled):
            return {
                "id": number, "error": "throttled", "again": now + timedelta(seconds=outcome.retry_after_s),
                "most": MAX_ATTEMPTS,
            }  # fmt: skip
        ((attempts,),) = self._connection.execute(SQL["attempts"], {"id": number}).fetchall()
        wait = min(BACK_OFF[0] * 2 ** min(attempts, 10), BACK_OFF[1])
        return {"id": number, "error": outcome.reason, "again": now + wait, "most": MAX_ATTEMPTS}

    def _take_receipt(self, carrier: str, receipt: Receipt) -> None:
        with self._connection.transaction():
            row = self._connection.execute(
                SQL["delivered" if receipt.is_delivered else "undelivered"],
                {"carrier": carrier, "provider_id": receipt.provider_id, "at": receipt.at},
            ).fetchone()
            if receipt.is_delivered:
                self._event(row, "delivered", receipt.at)

    def _take_inbound(self, carrier: str, inbound: Inbound) -> None:
        """Stored before it is interpreted; a repeat is stored once."""
        self._connection.execute(
            SQL["store_inbound"],
            {
                "carrier": carrier, "provider_id": inbound.provider_id, "phone": inbound.phone,
                "text": inbound.text, "at": inbound.at,
            },
        )  # fmt: skip

    def _handle_inbound(self) -> int:
        rows = self._connection.execute(SQL["unhandled"]).fetchall()
        for number, phone, text in rows:
            try:
                with self._connection.transaction():
                    answer(self._connection, number, phone=phone, text=text, now=self._clock.now())
            except psycopg.OperationalError:
                raise
            except Exception:  # one SMS that trips us must not keep the others waiting
                log.exception("an inbound SMS could not be handled; it stays stored", extra={"sms_in_id": number})
                self._connection.execute(SQL["give_up"], {"id": number, "now": self._clock.now()})
        return len(rows)

    def _event(self, row: tuple[Any, ...] | None, kind: str, at: datetime) -> None:
        if row is None or row[1] is None:
            return  # a repeat, or an answer that belongs to no alert
        number, alert_id, name, role, text = row
        detail = {"notification_id": number, "name": name, "role": role}
        detail |= {"text": text} if kind == "told" else {}
        self._connection.execute(
            SQL["insert_event"],
            {"alert": alert_id, "at": at, "kind": kind, "who": f"{name} ({role})", "detail": json.dumps(detail)},
        )
