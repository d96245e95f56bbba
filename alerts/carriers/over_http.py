"""Routes that are asked over HTTP: threads of their own talk, the sender never waits.

What a route tells by itself comes through `/sms/…` of the pages into the table `carrier_event` and is read from there.
A request that was under way when we died has no outcome; its message is then as uncertain as after a timeout.
"""

from __future__ import annotations

import heapq
import itertools
import json
import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Protocol
from urllib.parse import parse_qsl
from uuid import UUID

import httpx

from alerts.carriers import (
    ASKED_AGAIN_S,
    Capabilities,
    Event,
    Health,
    Inbound,
    IsOurs,
    Outcome,
    Outgoing,
    Receipt,
    Refused,
    Submitted,
    Throttled,
    Uncertain,
    always,
)
from alerts.carriers.pace import Pace
from gateway.clock import Clock, uptime_s
from gateway.whole import whole
from ingest.db import Connection, queries

log = logging.getLogger(__name__)
logging.getLogger("httpx").setLevel(logging.WARNING)  # it writes addresses, and in them stand numbers and passwords

SQL = queries("alerts", "carrier_event")
TIMEOUT = httpx.Timeout(35.0, connect=10.0)  # an answer over a 2G uplink; courier of RapidPro waits as long
LOOK_EVERY_S = 300.0
THREADS = 4
IDLE_S = 1.0  # of a thread, before it sees whether the route's health is to be looked at
SAFE_FAILURES = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class Route(Protocol):
    """What one provider's requests look like."""

    @property
    def caps(self) -> Capabilities:
        """What it can do."""
        ...

    def send(self, client: httpx.Client, message: Outgoing) -> Outcome:
        """One message, in a thread that may wait; `httpx.HTTPError` may go through."""
        ...

    def look(self, client: httpx.Client) -> Health:
        """How it is, asked every five minutes; `httpx.HTTPError` may go through."""
        ...

    def read(self, kind: str, fields: dict[str, Any], received_at: datetime) -> Iterable[Event]:
        """What a webhook says; a `LookupError`, `TypeError` or the like when it is none of this route's."""
        ...


class HttpCarrier:
    """One route: what waits for a few threads and the pace, their outcomes, and what webhooks left in the database."""

    def __init__(
        self,
        name: str,
        route: Route,
        connection: Connection,
        clock: Clock,
        *,
        wake: Callable[[], None],
        is_ours: IsOurs = always,
        make_client: Callable[[], httpx.Client] = lambda: httpx.Client(timeout=TIMEOUT),
    ) -> None:
        self._name, self._route, self._connection, self._clock = name, route, connection, clock
        self._wake, self._is_ours = wake, is_ours
        self._client = make_client()
        self._lock = threading.Condition()
        self._unsent: list[tuple[int, int, Outgoing]] = []
        self._numbers = itertools.count()
        self._pace = Pace(route.caps.per_s, at_once=route.caps.at_once)
        self._is_closing = False
        self._under_way: dict[UUID, Outcome | None] = {}
        self._health = Health(True)
        self._look_at_s = self._paused_until_s = float("-inf")
        self._rows: dict[Event, set[int]] = {}
        self._open: dict[int, int] = {}
        self._remember_what_left()
        for number in range(min(THREADS, route.caps.window)):
            threading.Thread(target=self._run, name=f"sms {name} {number}", daemon=True).start()

    @property
    def caps(self) -> Capabilities:
        """What the route can do."""
        return self._route.caps

    def room(self) -> int:
        """What the window leaves and leaves soon at this pace; nothing during a pause that the route asked for."""
        with self._lock:
            now = uptime_s()
            if now < self._paused_until_s:
                return 0
            soon = self._pace.room(now, waiting=len(self._unsent))
            return max(0, min(self._route.caps.window - len(self._under_way), soon))

    def submit(self, messages: Sequence[Outgoing]) -> None:
        """Give them to the threads, which send the most urgent first."""
        with self._lock:
            for message in messages:
                if message.ref not in self._under_way:
                    self._under_way[message.ref] = None
                    heapq.heappush(self._unsent, (-message.urgency, next(self._numbers), message))
            self._lock.notify(len(messages))

    def settle(self, message: Outgoing) -> Outcome | None:
        """None: asking would make the sender wait. Where a repeat is harmless the sender repeats."""
        return None

    def events(self) -> Iterator[Event]:
        """Outcomes, then what the webhooks left."""
        with self._lock:
            outcomes = [(ref, outcome) for ref, outcome in self._under_way.items() if outcome is not None]
        for ref, outcome in outcomes:
            yield Submitted(ref, outcome)
        yield from self._told()

    def done(self, events: Iterable[Event]) -> None:
        """Forget outcomes, mark webhooks as taken."""
        for event in events:
            if isinstance(event, Submitted):
                with self._lock:
                    self._under_way.pop(event.ref, None)
            for row in self._rows.pop(event, ()):
                self._open[row] -= 1
                if self._open[row] == 0:
                    self._connection.execute(SQL["taken"], {"id": row, "now": self._clock.now()})

    def health(self) -> Health:
        """What the last look found, and webhooks of a day that were refused or not understood."""
        since = self._clock.now() - timedelta(days=1)
        ((strange, refused),) = self._connection.execute(
            SQL["troubles"], {"carrier": self._name, "since": since}
        ).fetchall()
        with self._lock:
            found = self._health
        words = [found.detail] if found.detail else []
        words += [f"{strange} webhooks of a day were not understood"] if strange else []
        words += [f"{refused} webhooks of a day were refused"] if refused else []
        return replace(found, detail=", ".join(words))

    def close(self) -> None:
        """Let the threads end; a request that is under way has no outcome."""
        with self._lock:
            self._is_closing = True
            self._lock.notify_all()
        self._client.close()

    def _remember_what_left(self) -> None:
        """A limit of many minutes holds also after a start."""
        now, up_s = self._clock.now(), uptime_s()
        asked = {"carrier": self._name, "number": self._route.caps.at_once}
        for (at,) in self._connection.execute(SQL["left_last"], asked).fetchall():
            self._pace.left(up_s - self._clock.wall_seconds(now - at))

    def _run(self) -> None:
        while not self._is_closing:
            if (message := self._next()) is not None:
                outcome = self._outcome(message)
                with self._lock:
                    self._under_way[message.ref] = outcome
                    if isinstance(outcome, Throttled):
                        self._paused_until_s = uptime_s() + outcome.retry_after_s
                        # What has not been asked yet is not kept here for so long: another route may have it.
                        self._under_way |= {one.ref: outcome for _, _, one in self._unsent}
                        self._unsent.clear()
                self._wake()
            self._look_now_and_then()

    def _next(self) -> Outgoing | None:
        """The most urgent one, as soon as it may leave; None when there is none for a while."""
        until = uptime_s() + IDLE_S
        with self._lock:
            while not self._is_closing and (now := uptime_s()) < until:
                free_in_s = max(self._pace.wait_s(now), self._paused_until_s - now)
                if not self._is_ours():
                    free_in_s = max(free_in_s, ASKED_AGAIN_S)
                if self._unsent and free_in_s <= 0:
                    self._pace.left(now)
                    return heapq.heappop(self._unsent)[2]
                self._lock.wait(min(free_in_s, until - now) if self._unsent else until - now)
        return None

    def _outcome(self, message: Outgoing) -> Outcome:
        if self._clock.now() > message.valid_until:
            return Refused("its time was over", is_permanent=True)
        try:
            return self._route.send(self._client, message)
        except SAFE_FAILURES as error:
            return Refused(f"the route cannot be reached ({type(error).__name__})", is_permanent=False)
        except httpx.HTTPError as error:
            return Uncertain(f"no answer ({type(error).__name__})")
        except Exception as error:  # the thread must live, and nobody knows how far the request got
            log.exception("sms.%s: an answer was not understood", self._name)
            return Uncertain(f"an answer was not understood ({type(error).__name__})")

    def _look_now_and_then(self) -> None:
        with self._lock:
            if uptime_s() < self._look_at_s:
                return
            self._look_at_s = uptime_s() + LOOK_EVERY_S
        try:
            found = self._route.look(self._client)
        except (httpx.HTTPError, RuntimeError) as error:  # RuntimeError: the client was closed meanwhile
            found = Health(False, f"no answer ({type(error).__name__})")
        except Exception as error:
            log.exception("sms.%s: its state was not understood", self._name)
            found = Health(True, f"its state was not understood ({type(error).__name__})")
        with self._lock:
            self._health = found

    def _told(self) -> Iterator[Event]:
        rows = self._connection.execute(SQL["untaken"], {"carrier": self._name}).fetchall()
        self._rows.clear()
        for row, kind, body, received_at in rows:
            try:
                found = events_of(self._route, kind, body, received_at)
            except Exception as error:  # whatever a shape that is not the route's trips: those behind it are read
                log.warning("sms.%s: webhook %d was not understood: %s", self._name, row, type(error).__name__)
                self._connection.execute(
                    SQL["not_understood"], {"id": row, "now": self._clock.now(), "error": repr(error)[:200]}
                )
                continue
            self._open[row] = len(found)
            if not found:
                self._connection.execute(SQL["taken"], {"id": row, "now": self._clock.now()})
            for event in found:
                self._rows.setdefault(event, set()).add(row)
        yield from list(self._rows)


def events_of(route: Route, kind: str, body: str, received_at: datetime) -> list[Event]:
    """What a webhook tells, each event once and as PostgreSQL can keep it; raises whatever its shape trips."""
    return [_storable(event) for event in dict.fromkeys(route.read(kind, fields_of(body), received_at))]


def _storable(event: Event) -> Event:
    if isinstance(event, Inbound):
        return replace(event, phone=_plain(event.phone), text=_plain(event.text))
    if isinstance(event, Receipt):
        ids = tuple(_plain(written) for written in event.provider_ids)
        phone = event.phone and _plain(event.phone)
        return replace(event, provider_ids=ids, phone=phone, raw=_plain(event.raw), text_head=_plain(event.text_head))
    return event


def _plain(text: str) -> str:
    """Without the NUL that some gateways pad with; ? for half a letter of UTF-16 or a byte of another alphabet."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def fields_of(body: str) -> dict[str, Any]:
    """The fields of a webhook: a JSON object, or what a form or an address carries.

    Bytes that are not UTF-8 are kept as surrogates, because a gateway may name their alphabet in another field.
    """
    if body.lstrip().startswith("{"):
        return dict(json.loads(body))
    return dict(parse_qsl(body, keep_blank_values=True, errors="surrogateescape"))


def outcome_of_failure(answer: httpx.Response, reason: str = "") -> Outcome:
    """What an answer that is no success means where the route does not say otherwise.

    4xx was not taken; of 5xx nobody knows, because a gateway before the route answers like that as well.
    """
    reason = reason or f"HTTP {answer.status_code}"
    if answer.status_code == 429:
        return Throttled(retry_after_s(answer))
    if answer.status_code in (401, 403, 404, 408, 425):
        return Refused(reason, is_permanent=False)  # a matter of the account or the moment, not of this message
    if 400 <= answer.status_code < 500:
        return Refused(reason, is_permanent=True)
    return Uncertain(reason)


def retry_after_s(answer: httpx.Response, otherwise_s: float = 30.0) -> float:
    """How long the route asks us to wait, at most an hour."""
    asked_s = whole(answer.headers.get("retry-after", ""))
    return otherwise_s if asked_s is None or asked_s < 0 else min(float(asked_s), 3600.0)
