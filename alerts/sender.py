"""The sender: at least once by rows, once by the route's reference, and honest where nobody can know.

A row is marked `submitting` with its attempt and committed before the first byte leaves; what becomes of it is
committed before the route is told that we know. So a crash leaves rows `submitting` that may or may not have left.
They, and those that a route calls uncertain, wait for a receipt that nobody can place or for the route's own word. When
that time is over, the same reference is handed over again where that is harmless, to the same route alone; news of a
fault is sent again, by any route, and marked as possibly twice; everything else is never sent twice.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import psycopg

from alerts.breaker import Breaker
from alerts.carriers import (
    Accepted,
    Call,
    Carrier,
    Event,
    Fate,
    Inbound,
    Outcome,
    Outgoing,
    Receipt,
    Receipts,
    Refused,
    StillThere,
    Submitted,
    Throttled,
    Uncertain,
    Urgency,
)
from alerts.conversation import answer, called
from alerts.credit import tell_low_credit
from alerts.lease import take_turn
from alerts.routing import BUNDLED_WITHIN, NO_WATER, PER_DAY, PER_HOUR, PER_WEEK, VOLUNTEERS, end_of_quiet
from gateway.clock import Clock
from ingest.db import Connection, queries

log = logging.getLogger(__name__)

SQL = queries("alerts", "sender")
BACK_OFF = (timedelta(seconds=30), timedelta(minutes=10))
AT_ONCE = 50
PATIENCE = timedelta(seconds=60)  # how long a message waits for its own route (SMS.md §5.4)
RECEIPT_DUE = timedelta(minutes=10)  # after which an accepted one counts as without receipt (SMS.md §5.4)
RECEIPTS_COME_EARLY = timedelta(minutes=1)  # a route's clock may be behind ours
LONGEST_OUTAGE = timedelta(minutes=10)  # for which an uncertain one waits for its route, even one that was removed
MOST_IN_DOUBT = 3  # hand-overs by one route without a word: each may have left all the same. Then another is asked,
DOUBTED_WAITS = timedelta(hours=1)  # and once all have had it so often, one of them each hour
TIDY_EVERY = timedelta(seconds=1)
ASKED_EVERY = timedelta(minutes=1)  # a route about its health
STATE_OF = {
    Fate.DELIVERED: "delivered",
    Fate.UNDELIVERED: "undelivered",
    Fate.EXPIRED: "undelivered",
    Fate.UNKNOWN: "no_receipt",
}
RANKS = ("no_receipt", "undelivered", "delivered")  # a state only rises


@dataclass(slots=True)
class _Listening:
    """Since when the receipts of a route can be heard without a break, and since when that is waited for."""

    looked_at: datetime
    waits_since: datetime
    since: datetime | None = None


class Sender:
    """Sends what is queued and takes what comes back, over one connection in autocommit.

    Parameters
    ----------
    carriers : the routes that are in our hands
    routes : all routes in the order in which they are tried; those in our hands when nobody else sends
    keeps_desk : whether we do what is common to all routes: drop what is no longer true, and act on what people say
    """

    def __init__(
        self, connection: Connection, carriers: Mapping[str, Carrier], clock: Clock, *,
        routes: Sequence[str] | None = None, keeps_desk: bool = True,
    ) -> None:  # fmt: skip
        self._connection, self._clock = connection, clock
        self._routes = list(carriers if routes is None else routes)
        self.keeps_desk = keeps_desk
        self._carriers: dict[str, Carrier] = {}
        self._breakers: dict[str, Breaker] = {}
        self._in_hand: dict[str, set[UUID]] = {}
        self._listens: dict[str, _Listening] = {}
        for name, carrier in carriers.items():
            self.hold(name, carrier)
        self._tidied_at = self._asked_at = clock.now() - timedelta(days=1)

    def hold(self, name: str, carrier: Carrier) -> None:
        """A route has come into our hands."""
        now = self._clock.now()
        self._carriers[name] = carrier
        self._breakers[name], self._in_hand[name], self._listens[name] = Breaker(), set(), _Listening(now, now)

    def work(self) -> int:
        """One pass; returns how many messages and events were moved on."""
        now, done = self._clock.now(), 0
        is_tidying = abs(now - self._tidied_at) >= TIDY_EVERY  # also when the clock was set back
        if is_tidying:
            self._tidied_at = now
            if self.keeps_desk:
                self._tidy(now)
        if abs(now - self._asked_at) >= ASKED_EVERY:
            self._asked_at = now
            self._ask_routes(now)
        for place, name, carrier in self._ours():
            done += self._hand_over(place, name, carrier, now)
            done += self._take(name, carrier, now)
            if is_tidying:
                done += self._settle_left_over(name, carrier, now)
                self._wait_no_more(name, carrier, now)
        return done + (self._handle_inbound() if self.keeps_desk else 0)

    def _ours(self) -> list[tuple[int, str, Carrier]]:
        """The routes in our hands, with their places among all."""
        ours = [(place, name) for place, name in enumerate(self._routes) if name in self._carriers]
        return [(place, name, self._carriers[name]) for place, name in ours]

    def _tidy(self, now: datetime) -> None:
        with self._connection.transaction():
            take_turn(self._connection)
            self._connection.execute(SQL["supersede"])
            self._connection.execute(SQL["supersede_closings"])
            self._connection.execute(SQL["renumber"])
            self._connection.execute(SQL["supersede_gone"])
            self._connection.execute(SQL["expire"], {"now": now})
            asked = {"routes": self._routes, "before": now - LONGEST_OUTAGE, "limit": AT_ONCE}
            for number, urgency in self._connection.execute(SQL["left_by_no_route"], asked).fetchall():
                self._settle_by_urgency("", number, urgency, now)

    def _ask_routes(self, now: datetime) -> None:
        for place, name, carrier in self._ours():
            health = carrier.health()
            asked = {
                "carrier": name, "now": now, "is_up": health.is_up and not self._breakers[name].is_open(now),
                "detail": health.detail, "balance": health.balance, "balance_unit": health.balance_unit,
                "expires_at": health.expires_at, "is_low": health.is_low(now),
            }  # fmt: skip
            with self._connection.transaction():
                row = self._connection.execute(SQL["state_of_route"], asked).fetchone()
                if row == (True,):
                    told = tell_low_credit(self._connection, name, health, by=place + 1, now=now)
                    log.warning("SMS route %s has little credit; told to %d", name, told)

    def _hand_over(self, place: int, name: str, carrier: Carrier, now: datetime) -> int:
        """Claim what this route has room for and give it to the route, behind the commit or within it."""
        room = min(self._breakers[name].room(now), carrier.room(), AT_ONCE)
        if room < 1:
            return 0
        is_atomic = carrier.caps.is_handover_atomic
        with self._connection.transaction():
            take_turn(self._connection)
            rows = self._connection.execute(
                SQL["claim"],
                {
                    "carrier": name, "place": place, "routes": len(self._routes), "limit": room, "now": now,
                    "down": self._down(now), "patient_until": now - PATIENCE, "no_water": Urgency.NO_WATER,
                    "may_be_twice": Urgency.ALERT, "per_hour": PER_HOUR, "per_day": PER_DAY, "per_week": PER_WEEK,
                    "volunteers": list(VOLUNTEERS),
                    "again": now + BUNDLED_WITHIN, "is_night": end_of_quiet(now) is not None, "gravest": NO_WATER,
                },
            ).fetchall()  # fmt: skip
            messages = [
                Outgoing(ref, phone, text, Urgency(urgency), until) for ref, phone, text, urgency, until in rows
            ]
            if messages and is_atomic:
                carrier.submit(messages)
        self._in_hand[name] |= {message.ref for message in messages}
        if messages and not is_atomic:
            carrier.submit(messages)
        return len(messages)

    def _down(self, now: datetime) -> list[int]:
        """The places of routes that failed again and again: nobody waits for them.

        Of those in other hands it is known what was written down of them in the last minute.
        """
        failing = {name for name in self._carriers if self._breakers[name].is_open(now)}
        if others := [name for name in self._routes if name not in self._carriers]:
            failing |= {name for (name,) in self._connection.execute(SQL["down_elsewhere"], {"routes": others})}
        return [place for place, name in enumerate(self._routes) if name in failing]

    def _take(self, name: str, carrier: Carrier, now: datetime) -> int:
        """Record what came back in one transaction, and tell the route after it."""
        events = list(carrier.events())
        if not events:
            return 0
        try:
            with self._connection.transaction():
                self._record(name, events, now)
        except psycopg.OperationalError:
            raise
        except Exception:  # one of them trips us: the others must not wait for it
            for event in events:
                self._record_alone(name, event, now)
        carrier.done(events)
        self._in_hand[name] -= {event.ref for event in events if isinstance(event, Submitted)}
        return len(events)

    def _record_alone(self, name: str, event: Event, now: datetime) -> None:
        try:
            with self._connection.transaction():
                self._record(name, [event], now)
        except psycopg.OperationalError:
            raise
        except Exception:
            log.exception("what route %s told cannot be recorded", name, extra={"event": type(event).__name__})

    def _record(self, name: str, events: Sequence[Event], now: datetime) -> None:
        """Answers before receipts, which find their SMS by what the answers told; each kind in one statement."""
        outcomes = [(event.ref, event.outcome) for event in events if isinstance(event, Submitted)]
        taken = [(ref, outcome) for ref, outcome in outcomes if isinstance(outcome, Accepted)]
        if taken:
            self._record_accepted(name, taken, now, settled_by=None)
        for ref, outcome in outcomes:
            if not isinstance(outcome, Accepted):
                self._record_not_taken(name, ref, outcome, now)
        if receipts := [event for event in events if isinstance(event, Receipt)]:
            self._record_receipts(name, receipts, now)
        for event in events:
            if isinstance(event, Inbound | Call):
                _store_inbound(self._connection, name, event)

    def _record_accepted(
        self, name: str, taken: Sequence[tuple[UUID, Accepted]], now: datetime, *, settled_by: str | None
    ) -> None:
        self._breakers[name].succeeded()
        waiting = self._connection.execute(
            SQL["accepted"],
            {
                "refs": [ref for ref, _ in taken], "provider_ids": [outcome.provider_id for _, outcome in taken],
                "carrier": name, "now": now, "settled_by": settled_by,
            },
        ).fetchall()  # fmt: skip
        self._record_fates(name, _states(waiting))

    def _record_not_taken(self, name: str, ref: UUID, outcome: Outcome, now: datetime) -> None:
        told: dict[str, object] = {
            "ref": ref, "carrier": name, "now": now, "outcome": _word(outcome), "detail": _detail(outcome),
        }  # fmt: skip
        self._connection.execute(SQL["end_attempt"], told)
        breaker = self._breakers[name]
        if isinstance(outcome, Uncertain):
            breaker.failed(now)
            self._connection.execute(SQL["uncertain"], told)
        elif isinstance(outcome, Throttled):
            again = now + timedelta(seconds=outcome.retry_after_s)
            ring = {"again": again, "carriers": self._routes, "patience": PATIENCE}
            self._connection.execute(SQL["throttled"], told | ring)
        elif isinstance(outcome, Refused):
            if not outcome.is_permanent:
                breaker.failed(now)
            self._refused(told, now)

    def _refused(self, told: dict[str, object], now: datetime) -> None:
        """The next route is asked at once; when all were, after a while, until its time is over or none ever will."""
        ((attempts,),) = self._connection.execute(SQL["attempts"], told).fetchall()
        known = {**told, "carriers": self._routes}
        ((for_good,),) = self._connection.execute(SQL["refused_for_good_by"], known).fetchall()
        routes = len(self._routes)
        if for_good == routes:
            if self._connection.execute(SQL["failed"], told).fetchone():
                log.warning("an SMS failed: %s", told["detail"], extra={"ref": str(told["ref"])})
            return
        wait = min(BACK_OFF[0] * 2 ** min(attempts // routes, 10), BACK_OFF[1])
        self._connection.execute(SQL["refused"], told | {"again": now + wait if attempts % routes == 0 else now})

    def _record_receipts(self, name: str, receipts: Sequence[Receipt], now: datetime) -> None:
        """Keep them as they came; each speaks of the SMS that it belongs to, if that is known already.

        Whatever a receipt says, the route has the SMS: its answer is not waited for any more. That it did not arrive by
        this route is no news of what another has, or is next to have.
        """
        told = [
            {
                "provider_ids": list(receipt.provider_ids), "ref": receipt.ref and str(receipt.ref),
                "fate": receipt.fate.value, "at": receipt.at.isoformat(), "phone": receipt.phone,
                "text_head": receipt.text_head.replace("\0", ""), "raw": receipt.raw.replace("\0", ""),
            }
            for receipt in receipts
        ]  # fmt: skip
        stored = {"carrier": name, "now": now, "receipts": json.dumps(told)}
        placed = self._connection.execute(SQL["store_receipts"], stored).fetchall()
        ids = {number: provider_id for number, _, _, provider_id in placed}
        states = _states((number, fate, at) for number, fate, at, _ in placed)
        asked = {
            "carrier": name, "ids": list(ids), "place": self._routes.index(name), "routes": len(self._routes),
            "undelivered": [number for number, (state, _) in states.items() if state == "undelivered"],
        }  # fmt: skip
        if ids and (found := self._connection.execute(SQL["without_answer"], asked).fetchall()):
            taken = [(ref, Accepted(ids[number])) for number, ref in found]
            self._record_accepted(name, taken, now, settled_by="receipt")
        self._record_fates(name, states)
        if refs := [receipt.ref for receipt in receipts if receipt.never_left and receipt.ref is not None]:
            down = self._down(now)
            up = [route for place, route in enumerate(self._routes) if place not in down]
            known = {"refs": refs, "carrier": name, "carriers": up, "now": now}
            for _ in self._connection.execute(SQL["not_sent"], known).fetchall():
                self._breakers[name].failed(now)

    def _record_fates(self, name: str, states: Mapping[int, tuple[str, datetime]]) -> None:
        if states:
            fates, instants = zip(*states.values(), strict=True)
            told = {"carrier": name, "ids": list(states), "states": list(fates), "instants": list(instants)}
            self._connection.execute(SQL["fates"], told)

    def _settle_left_over(self, name: str, carrier: Carrier, now: datetime) -> int:
        """Hand-overs of which nobody has told the outcome: by a receipt, by the route, by their urgency."""
        if not self._has_listened(name, carrier, now):
            return 0
        asked = {
            "carrier": name, "before": now - carrier.caps.receipt_within, "in_hand": list(self._in_hand[name]),
            "limit": AT_ONCE,
        }  # fmt: skip
        with self._connection.transaction():
            rows = self._connection.execute(SQL["left_over"], asked).fetchall()
            for number, ref, phone, text, urgency, until, submitted_at in rows:
                message = Outgoing(ref, phone, text, Urgency(urgency), until)
                if not self._settled_by_receipt(name, number, message, submitted_at):
                    self._settle(name, carrier, number, message, now)
        return len(rows)

    def _wait_no_more(self, name: str, carrier: Carrier, now: datetime) -> None:
        """What the route accepted long ago counts as without receipt."""
        if carrier.caps.receipts is Receipts.HANDSET:
            self._connection.execute(SQL["without_receipt"], {"carrier": name, "before": now - RECEIPT_DUE})

    def _has_listened(self, name: str, carrier: Carrier, now: datetime) -> bool:
        """Whether a receipt that has not come will not come: only who could hear it all the while can tell.

        The grace counts from when the link was bound: what waited for us over there while we were dead, asleep or cut
        off comes then. A route that does not come back is waited for no longer than news of a fault can.
        """
        caps, listens = carrier.caps, self._listens[name]
        if caps.is_repeat_harmless or caps.is_handover_atomic:
            return True
        # We were asleep, or the clock was set: we hear from now on.
        if abs(now - listens.looked_at) > caps.receipt_within + TIDY_EVERY:
            listens.since, listens.waits_since = None, now
        listens.looked_at = now
        if not carrier.health().is_up:
            listens.since = None
        elif listens.since is None:
            listens.since = now
        elif now - listens.since >= caps.receipt_within:
            listens.waits_since = now
            return True
        return now - listens.waits_since >= caps.receipt_within + LONGEST_OUTAGE

    def _settled_by_receipt(self, name: str, number: int, message: Outgoing, submitted_at: datetime) -> bool:
        asked = {
            "carrier": name, "phone": message.phone, "text": message.text, "since": submitted_at - RECEIPTS_COME_EARLY,
        }  # fmt: skip
        rows = self._connection.execute(SQL["receipts_of_uncertain"], asked).fetchall()
        for receipt, provider_id, fate, at in rows:
            self._connection.execute(SQL["place_receipt"], {"receipt": receipt, "id": number})
            self._record_accepted(name, [(message.ref, Accepted(provider_id))], at, settled_by="receipt")
            self._record_fates(name, _states([(number, fate, at)]))
        return bool(rows)

    def _settle(self, name: str, carrier: Carrier, number: int, message: Outgoing, now: datetime) -> None:
        found = carrier.settle(message)
        if isinstance(found, StillThere):
            self._in_hand[name].add(message.ref)
        elif found is not None and not isinstance(found, Uncertain):
            self._record_settled(name, message.ref, found, now)
        elif carrier.caps.is_repeat_harmless or (carrier.caps.is_handover_atomic and found is None):
            again = {"id": number, "again": now, "moves_on": False, "is_doubtful": False}
            self._connection.execute(SQL["send_again"], again)
        else:
            self._settle_by_urgency(name, number, message.urgency, now)

    def _settle_by_urgency(self, name: str, number: int, urgency: int, now: datetime) -> None:
        """Nobody knows whether it left, and nobody will: news of a fault is sent again, at last by another route."""
        if urgency < Urgency.ALERT:
            self._connection.execute(SQL["abandon"], {"id": number})
            return
        ((by_this, by_all),) = self._connection.execute(SQL["doubts"], {"id": number, "carrier": name}).fetchall()
        waits = DOUBTED_WAITS if by_all >= MOST_IN_DOUBT * len(self._routes) else timedelta(0)
        again = {"id": number, "again": now + waits, "moves_on": by_this >= MOST_IN_DOUBT, "is_doubtful": True}
        self._connection.execute(SQL["send_again"], again)

    def _record_settled(self, name: str, ref: UUID, found: Outcome, now: datetime) -> None:
        if isinstance(found, Accepted):
            self._record_accepted(name, [(ref, found)], now, settled_by="carrier")
        else:
            self._record_not_taken(name, ref, found, now)

    def _handle_inbound(self) -> int:
        rows = self._connection.execute(SQL["unhandled"]).fetchall()
        for number, kind, phone, text in rows:
            try:
                with self._connection.transaction():
                    if kind == "call":
                        called(self._connection, number, phone=phone, now=self._clock.now())
                    else:
                        answer(self._connection, number, phone=phone, text=text, now=self._clock.now())
            except psycopg.OperationalError:
                raise
            except Exception:  # one SMS that trips us must not keep the others waiting
                log.exception("an inbound SMS could not be handled; it stays stored", extra={"sms_in_id": number})
                self._connection.execute(SQL["give_up"], {"id": number, "now": self._clock.now()})
        return len(rows)


def take_call(connection: Connection, carrier: str, phone: str, *, now: datetime) -> None:
    """Keep that somebody rang a route's SIM, as another program tells us; the sender acts on it.

    A telephone rings several times: those of one minute are one call.
    """
    number = hashlib.sha256(f"{phone}\0{now:%Y-%m-%d %H:%M}".encode()).hexdigest()[:32]
    _store_inbound(connection, carrier, Call(number, phone, now))


def _store_inbound(connection: Connection, carrier: str, event: Inbound | Call) -> None:
    """Once, by the number that the route gives it."""
    sms = Inbound(event.provider_id, event.phone, "", event.at) if isinstance(event, Call) else event
    connection.execute(
        SQL["store_inbound"],
        {
            "carrier": carrier, "provider_id": sms.provider_id, "kind": "sms" if sms is event else "call",
            "phone": sms.phone, "text": sms.text.replace("\0", ""), "at": sms.at,
            "repeat_keys": list(sms.repeat_keys), "may_be_repeat": sms.may_be_repeat,
        },
    )  # fmt: skip


def close_all(carriers: Iterable[Carrier]) -> None:
    """Leave every route, whatever one of them does."""
    for carrier in carriers:
        try:
            carrier.close()
        except Exception:
            log.exception("a route did not close")


def _states(told: Iterable[tuple[int, str, datetime]]) -> dict[int, tuple[str, datetime]]:
    """What receipts say of (message, fate, when); of several about one message the one of the highest rank."""
    found: dict[int, tuple[str, datetime]] = {}
    for number, fate, at in told:
        if (state := STATE_OF.get(Fate(fate))) is None:
            continue  # on the network: the answer has said so already
        if number not in found or RANKS.index(state) > RANKS.index(found[number][0]):
            found[number] = (state, at)
    return found


def _word(outcome: Outcome) -> str:
    if isinstance(outcome, Refused):
        return "refused_for_good" if outcome.is_permanent else "refused"
    return "throttled" if isinstance(outcome, Throttled) else "uncertain"


def _detail(outcome: Outcome) -> str | None:
    return outcome.reason if isinstance(outcome, Refused | Uncertain) else None
