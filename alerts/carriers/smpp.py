"""SMPP 3.4: a link to an operator's or aggregator's message centre, kept by a thread of its own.

The thread only moves octets and keeps the timers; the sender meets it under one lock. What the message centre hands to
us is answered when the sender has committed it, so that a crash in between makes it come again.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import heapq
import itertools
import logging
import random
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import psycopg

from alerts.carriers import (
    ASKED_AGAIN_S,
    MISSING,
    Accepted,
    Capabilities,
    Event,
    Fate,
    Health,
    Inbound,
    IsOurs,
    Outcome,
    Outgoing,
    Receipt,
    Receipts,
    Refused,
    Submitted,
    Throttled,
    always,
)
from alerts.carriers.pace import Pace
from alerts.carriers.smpp_config import SmppConfig
from alerts.carriers.smpp_link import Link
from alerts.carriers.smpp_pdu import Delivery
from alerts.carriers.smpp_receipts import Ids, is_receipt, read_receipt
from alerts.carriers.smpp_session import BINDS, CANNOT_READ, Answered, Bound, Closed, Delivered, News, Proven
from alerts.carriers.smpp_text import Part, decoded, part, phone
from alerts.carriers.smpp_unproven import Unproven
from gateway.clock import Clock
from ingest.db import Connection, queries

log = logging.getLogger(__name__)

SQL = queries("alerts", "smpp")
KINDS = {"transceiver": ("transceiver",), "pair": ("transmitter", "receiver")}
SENDING = ("transceiver", "transmitter")
PARTS_WAIT_S = 10.0  # for the rest of a long SMS; a centre with a window of one sends it only after an answer
GOOD_BYE_S = 2.0
SETTLED = 1_000  # late answers that are kept until the sender asks


class _Due(NamedTuple):
    """An answer that the message centre waits for; the key is what is the same when the same comes again."""

    link: Link
    sequence: int
    key: str


@dataclass(slots=True)
class _Held:
    """An event that is not yet committed, and what the message centre waits for."""

    event: Event
    answers: list[_Due]


@dataclass(slots=True)
class _Piece:
    """A part of an inbound SMS, or all of it."""

    part: Part
    delivery: Delivery
    answers: list[_Due]


class SmppCarrier:
    """One account at a message centre.

    Parameters
    ----------
    connection : the sender's; knows which inbound SMS are stored and not known to be answered
    wake : told when there is something for the sender to do
    is_ours : asked before anything leaves
    """

    def __init__(
        self, config: SmppConfig, connection: Connection, clock: Clock, *, wake: Callable[[], None],
        is_ours: IsOurs = always,
    ) -> None:  # fmt: skip
        self._config, self._connection, self._clock, self._wake = config, connection, clock, wake
        self._is_ours = is_ours
        self._lock = threading.Lock()
        # Under the lock:
        self._held: dict[object, _Held] = {}
        self._in_hand: set[UUID] = set()
        self._waiting = 0
        self._settled: OrderedDict[UUID, Outcome] = OrderedDict()
        stored = connection.execute(SQL["unproven"], {"carrier": config.name}).fetchall()
        self._unproven: Unproven[_Due] = Unproven(stored)
        self._bound_at: datetime | None = None  # and not written down yet
        self._down: dict[str, str] = dict.fromkeys(KINDS[config.binds], "not bound yet")
        self._rests_until = 0.0
        self._pace = Pace(config.per_s)
        # Of the thread alone:
        self._links: dict[str, Link] = {}
        self._unsent: list[tuple[int, int, Outgoing]] = []
        self._numbers = itertools.count()
        self._ids = Ids()
        self._parts: dict[object, dict[int, _Piece]] = {}
        self._timer: asyncio.TimerHandle | None = None
        # Of the sender alone:
        self._given: dict[Event, object] = {}
        self._loop = asyncio.new_event_loop()
        self._closing = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name=f"sms-{config.name}", daemon=True)
        self._thread.start()

    @property
    def caps(self) -> Capabilities:
        """A repeat is another SMS for a message centre, and only receipts tell what left before a crash."""
        return Capabilities(
            two_way=True,
            receipts=self._config.receipts,
            is_handover_atomic=False,
            is_repeat_harmless=False,
            per_s=self._config.per_s,
            window=self._config.window,
            receipt_within=self._config.receipt_within,
        )

    def room(self) -> int:
        """What the window leaves, and no more than leaves soon at this pace."""
        with self._lock:
            now = self._loop.time()
            if any(self._down.get(kind) for kind in SENDING) or now < self._rests_until:
                return 0
            soon = self._pace.room(now, waiting=self._waiting)
            return max(0, min(self._config.window - len(self._in_hand), soon))

    def submit(self, messages: Sequence[Outgoing]) -> None:
        """Give them to the thread, which sends the most urgent first."""
        with self._lock:
            self._in_hand |= {message.ref for message in messages}
            self._waiting += len(messages)
        self._loop.call_soon_threadsafe(self._take, list(messages))

    def settle(self, message: Outgoing) -> Outcome | None:
        """The answer, if it came after we had given up waiting; a crash forgets it."""
        with self._lock:
            return self._settled.pop(message.ref, None)

    def events(self) -> Iterable[Event]:
        """What came, in its order; before it we write down what the message centre knows of our answers."""
        self._write_proven()
        with self._lock:
            held = list(self._held.items())
        for key, one in held:
            self._given[one.event] = key
            yield one.event

    def done(self, events: Iterable[Event]) -> None:
        """Answer the message centre."""
        answers: list[_Due] = []
        with self._lock:
            for event in events:
                key = self._given.pop(event, None)
                if key is None or (one := self._held.pop(key, None)) is None:
                    continue
                answers += one.answers
                if isinstance(event, Inbound):
                    self._unproven.store(event.repeat_keys)
        if answers:
            self._loop.call_soon_threadsafe(self._answer, answers)

    def health(self) -> Health:
        """Bound or why not."""
        with self._lock:
            why = "; ".join(dict.fromkeys(reason for reason in self._down.values() if reason))
            rests = self._loop.time() < self._rests_until
        return Health(is_up=not why, detail=why or ("told to go slower" if rests else ""))

    def close(self) -> None:
        """Say good-bye and end the thread; who answers the good-bye has all our answers."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._closing.set)
            self._thread.join()
        with contextlib.suppress(psycopg.Error):  # we may close because the database is away
            self._write_proven()

    # The thread

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(asyncio.gather(*(self._keep(kind) for kind in KINDS[self._config.binds])))
        finally:
            self._loop.close()

    async def _keep(self, kind: str) -> None:
        """Bind, and again whenever the link is lost, each time after a longer wait until it works."""
        wait_s, chance = self._config.reconnect_s, random.Random()  # noqa: S311 - so that not all come back at once
        while not self._closing.is_set():
            link = Link(self._config, kind, self._take_news)
            try:
                reason = await self._live(link)
            except Exception as error:  # whatever went wrong, the next link may work
                log.exception("the link of route %s broke", self._config.name)
                reason = f"{type(error).__name__}: {error}"
            self._tell_down(kind, reason)
            if link.was_bound:
                wait_s = self._config.reconnect_s
            await self._closing_within(wait_s * chance.uniform(0.5, 1.0))
            wait_s = min(wait_s * 2, self._config.reconnect_most_s)

    async def _live(self, link: Link) -> str:
        """Connect, and see the link to its end; returns why it ended."""
        tls = self._config.tls()
        connecting = self._loop.create_connection(lambda: link, self._config.host, self._config.port, ssl=tls)
        try:
            await asyncio.wait_for(connecting, self._config.response_timeout_s)
        except OSError as error:
            return f"no connection: {error or type(error).__name__}"
        closing = self._loop.create_task(self._closing.wait())
        ends: list[asyncio.Future[Any]] = [link.closed, closing]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        closing.cancel()
        if not link.closed.done():
            link.say_good_bye()
            await asyncio.wait([link.closed], timeout=GOOD_BYE_S)
            link.cut()
        return await link.closed

    async def _closing_within(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._closing.wait(), seconds)
        except TimeoutError:
            return

    def _take(self, messages: list[Outgoing]) -> None:
        for message in messages:
            heapq.heappush(self._unsent, (-message.urgency, next(self._numbers), message))
        if not any(kind in self._links for kind in SENDING):
            self._give_back()  # the link broke after the sender had asked for room
        self._send()

    def _give_back(self) -> None:
        """None of these has left: the sender may try another route at once, or this one when it is back."""
        for _, _, message in self._unsent:
            self._tell_outcome(message, Throttled(self._config.reconnect_s), has_left=False)
        self._unsent.clear()

    def _send(self) -> None:
        """Let leave what may: as fast as the route takes them and as far as its window reaches."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        link = next((self._links[kind] for kind in SENDING if kind in self._links), None)
        while self._unsent and link is not None and link.session.room > 0:
            now = self._loop.time()
            wait_s = self._pace.wait_s(now) if self._is_ours() else ASKED_AGAIN_S
            if wait_s > 0:
                self._timer = self._loop.call_later(wait_s, self._send)
                break
            _, _, message = heapq.heappop(self._unsent)
            self._hand_over(link, message, now)
        if link is not None:
            link.flush()

    def _hand_over(self, link: Link, message: Outgoing, now: float) -> None:
        left = message.valid_until - self._clock.now()
        if left <= timedelta(0):
            self._tell_outcome(message, Refused("its time is over", is_permanent=False), has_left=False)
            return
        try:
            link.session.submit(message, valid_for_s=self._clock.wall_seconds(left), now=now)
        except ValueError as error:
            self._tell_outcome(message, Refused(str(error), is_permanent=True), has_left=False)
            return
        with self._lock:
            self._pace.left(now)
            self._waiting -= 1

    def _answer(self, answers: Sequence[_Due]) -> None:
        """Say that we have these, and have it proven of SMS that the message centre knows it."""
        for link in dict.fromkeys(due.link for due in answers):
            ours = [due for due in answers if due.link is link]
            for due in ours:
                link.session.answer(due.sequence)
            with self._lock:
                to_prove = self._unproven.of(due.key for due in ours)
            if to_prove:
                link.session.prove(to_prove, now=self._loop.time())
            link.flush()

    def _take_news(self, link: Link, news: Sequence[News]) -> None:
        for one in news:
            match one:
                case Bound():
                    self._links[link.kind] = link
                    if BINDS[link.kind][1]:
                        with self._lock:
                            self._bound_at = self._clock.now()
                            self._unproven.bound(self._bound_at)
                    self._tell_up(link.kind)
                case Answered():
                    self._take_answer(one)
                case Delivered():
                    self._try_delivery(link, one)
                case Proven():
                    with self._lock:
                        self._unproven.prove(one.answers)
                    self._wake()
                case Closed():
                    self._links.pop(link.kind, None)
                    self._tell_down(link.kind, one.reason)
                    if link.kind in SENDING:
                        self._give_back()
        self._send()

    def _take_answer(self, answered: Answered) -> None:
        outcome, now = answered.outcome, self._loop.time()
        if isinstance(outcome, Throttled):
            with self._lock:
                outcome = Throttled(self._pace.refused(now))
                self._rests_until = now + outcome.retry_after_s
        elif isinstance(outcome, Accepted):
            with self._lock:
                self._pace.took()
            self._ids.answered(outcome.provider_id, answered.message.phone)
        if not answered.is_late:
            self._tell_outcome(answered.message, outcome, has_left=True)
            return
        with self._lock:
            self._settled[answered.message.ref] = outcome
            if len(self._settled) > SETTLED:
                self._settled.popitem(last=False)

    def _tell_outcome(self, message: Outgoing, outcome: Outcome, *, has_left: bool) -> None:
        with self._lock:
            self._in_hand.discard(message.ref)
            self._waiting -= not has_left
            self._held[next(self._numbers)] = _Held(Submitted(message.ref, outcome), [])
        self._wake()

    def _try_delivery(self, link: Link, delivered: Delivered) -> None:
        try:
            self._take_delivery(link, delivered)
        except Exception:  # one that trips us would come again for ever and keep the others out
            log.exception("route %s handed over what cannot be read: %s", self._config.name, delivered.delivery)
            link.session.answer(delivered.sequence, CANNOT_READ)

    def _take_delivery(self, link: Link, delivered: Delivered) -> None:
        delivery, key = delivered.delivery, _key(delivered.delivery)
        due = _Due(link, delivered.sequence, key)
        if is_receipt(delivery):
            self._hold(key, self._receipt(delivery), [due])
        elif not self._is_repeat(due):
            self._take_piece(_Piece(part(delivery), delivery, [due]))

    def _is_repeat(self, due: _Due) -> bool:
        """Whether we have it already: then it is answered as soon as it is stored, once more."""
        with self._lock:
            known = self._unproven.find(due.key, self._clock.now())
            if known is not None and not known.is_stored:
                known.answers.append(due)
        if known is not None and known.is_stored:
            self._answer([due])
        return known is not None

    def _take_piece(self, piece: _Piece) -> None:
        if piece.part.total == 1:
            self._take_inbound([piece])
            return
        key = (piece.delivery.source, piece.delivery.destination, piece.part.reference, piece.part.total)
        before = self._parts.get(key, {}).get(piece.part.number)
        if before is not None and before.answers[0].key != piece.answers[0].key:
            self._take_parts(key, self._parts[key])  # another SMS with the same reference: we answer what we have kept
            before = None
        pieces = self._parts.setdefault(key, {})
        if not pieces:
            self._loop.call_later(PARTS_WAIT_S, self._take_parts, key, pieces)
        if before is not None:
            piece.answers = before.answers + piece.answers
        pieces[piece.part.number] = piece
        if len(pieces) == piece.part.total:
            self._take_parts(key, pieces)

    def _take_parts(self, key: object, pieces: dict[int, _Piece]) -> None:
        """A long SMS is whole, or the rest of it does not come."""
        if self._parts.get(key) is pieces:
            del self._parts[key]
            self._take_inbound([piece for _, piece in sorted(pieces.items())])

    def _take_inbound(self, pieces: Sequence[_Piece]) -> None:
        """Its octets are joined before they are read: a letter of UCS-2 may have been cut in two."""
        delivery, now = pieces[0].delivery, self._clock.now()
        have = {piece.part.number: piece.part.octets for piece in pieces}
        runs = itertools.groupby(range(1, pieces[0].part.total + 1), have.__contains__)
        text = "".join(
            decoded(b"".join(map(have.__getitem__, run)), delivery.data_coding, self._config.default_alphabet)
            if has_come
            else MISSING
            for has_come, run in runs
        )
        answers = [due for piece in pieces for due in piece.answers]
        keys = tuple(dict.fromkeys(due.key for due in answers))
        number = f"{delivery.receipted_id}-{_digest(keys)}" if delivery.receipted_id else uuid4().hex
        with self._lock:
            may_be_repeat = self._unproven.add(number, now, keys, answers)
        self._hold(number, Inbound(number, phone(delivery.source), text, now, keys, may_be_repeat), answers)

    def _receipt(self, delivery: Delivery) -> Receipt:
        told = read_receipt(delivery, self._clock.now())
        ours = self._config.source.removeprefix("+")
        is_swapped = delivery.source.text.removeprefix("+") != ours  # most centres write as if the phone had sent it
        to = phone(delivery.source if is_swapped else delivery.destination)
        is_believed = told.fate is not Fate.DELIVERED or self._config.receipts is Receipts.HANDSET
        fate = told.fate if is_believed else Fate.ON_THE_NETWORK
        return Receipt(self._ids.meant(told.written, to), fate, told.at, told.raw, phone=to, text_head=told.text_head)

    def _hold(self, key: str, event: Event, answers: list[_Due]) -> None:
        """Keep it until it is committed; what comes again before that is the same event with one more answer due."""
        with self._lock:
            if (one := self._held.get(key)) is not None:
                one.answers += answers
                return
            self._held[key] = _Held(event, answers)
        self._wake()

    def _write_proven(self) -> None:
        """What is proven, and that we are bound again: also for who takes the route over from us."""
        with self._lock:
            numbers, bound_at = self._unproven.proven, self._bound_at
        if numbers:
            self._connection.execute(SQL["proven"], {"carrier": self._config.name, "numbers": numbers})
        if bound_at is not None:
            self._connection.execute(SQL["bound_again"], {"carrier": self._config.name, "at": bound_at})
        with self._lock:  # not before: a database that is away is asked again
            self._unproven.forget(numbers)
            if self._bound_at == bound_at:
                self._bound_at = None

    def _tell_up(self, kind: str) -> None:
        with self._lock:
            self._down[kind] = ""
        self._wake()
        log.info("SMS route %s is bound as %s", self._config.name, kind)

    def _tell_down(self, kind: str, reason: str) -> None:
        with self._lock:
            is_news = self._down[kind] != reason
            self._down[kind] = reason
        if is_news and not self._closing.is_set():
            log.warning("SMS route %s is not bound as %s: %s", self._config.name, kind, reason)


def _key(delivery: Delivery) -> str:
    """What is the same when the same comes again; sequence numbers are not."""
    said = (
        delivery.source, delivery.destination, delivery.esm_class, delivery.data_coding, delivery.receipted_id,
        delivery.part_of, delivery.octets,
    )  # fmt: skip
    return _digest(said)


def _digest(said: tuple[object, ...]) -> str:
    return hashlib.sha256(repr(said).encode()).hexdigest()[:24]
