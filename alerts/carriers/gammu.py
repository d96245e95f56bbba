"""A GSM modem behind Gammu's daemon SMSD, whose SQL tables stand in our own database, in the schema `smsd`.

A hand-over is a row in its outbox, written by the sender's own transaction, so it happens exactly once. What the daemon
makes of it does not: killed at the wrong moment it sends again. We take away what it has sent and mark the rest. When
it does not come back we take back what it has not begun, so that another route may have it.

Incoming calls are not told: the daemon gives them to a program alone (RunOnIncomingCall), and Debian's 1.42 runs such
programs with what a stranger sent on their command line. Nor is the balance: the tables have no place for it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

from alerts.carriers import (
    MISSING,
    Accepted,
    Capabilities,
    Event,
    Fate,
    Health,
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
    came_at,
)  # fmt: skip
from alerts.carriers.options import Options, e164
from alerts.carriers.pace import Pace
from alerts.messages import parts, segments
from gateway.clock import Clock, uptime_s
from ingest.db import Connection, queries

SQL = queries("alerts", "gammu")
SCHEMAS = (17, 18)  # Debian 12's 1.42 and upstream's 1.44; the columns used here are the same
REMEMBERED = timedelta(days=3)  # a status report that is later than this says nothing to anybody
GATHER = timedelta(minutes=10)  # how long the parts of a long SMS are waited for
VALIDITY_OVER = 70  # TP-ST 0x46, 3GPP TS 23.040 §9.2.3.15: the centre gave up because its time was over
ASLEEP = timedelta(seconds=60)  # as long as a message waits for its own route (SMS.md §5.4)
AGAIN_S = 1.0  # what was taken back is offered again: to another route, or here once the daemon is back
CODINGS = {"GSM-7": "Default_No_Compression", "UCS-2": "Unicode_No_Compression"}
FATES = {fate.value: fate for fate in Fate}


@dataclass(frozen=True, slots=True)
class GammuConfig:
    """One modem; `phone_id` is the PhoneID in the daemon's own file."""

    name: str
    phone_id: str
    per_s: float
    window: int
    receipt_within: timedelta

    @classmethod
    def from_table(cls, name: str, table: Mapping[str, object], environment: Mapping[str, str]) -> GammuConfig:
        """Read `[sms.NAME]`.

        Raises
        ------
        CarrierRefused : a key is unknown, of the wrong kind or out of bounds
        """
        options = Options(name, table, environment)
        config = cls(
            name,
            options.text("phone_id", name),
            options.number("per_s", 0.25, low=0.01, high=10),
            options.whole("window", 10, low=1, high=1000),
            options.receipt_within(180),
        )
        options.end()
        return config


class GammuCarrier:
    """One modem's share of the daemon's tables, over the sender's connection."""

    def __init__(self, config: GammuConfig, connection: Connection, clock: Clock) -> None:
        self._config, self._connection, self._clock = config, connection, clock
        self._pace = Pace(config.per_s)
        self._names = {"carrier": config.name, "phone_id": config.phone_id}
        self._told: dict[Event, tuple[int, str]] = {}
        self._withdrawn: dict[Event, int] = {}
        self._inbox: dict[Event, list[int]] = {}
        self._trouble = self._why_not()

    @property
    def caps(self) -> Capabilities:
        """Both ways, receipts from the handset, and one transaction with the sender."""
        return Capabilities(
            two_way=True, receipts=Receipts.HANDSET, is_handover_atomic=True, is_repeat_harmless=False,
            per_s=self._config.per_s, window=self._config.window, receipt_within=self._config.receipt_within,
        )  # fmt: skip

    def room(self) -> int:
        """One when the pace has its turn: what waits here lets the more urgent pass. None while the daemon is away."""
        if self._trouble is not None or self._pace.wait_s(uptime_s()) > 0 or not self._is_awake():
            return 0
        ((waiting,),) = self._connection.execute(SQL["waiting"], self._names).fetchall()
        return 1 if int(waiting) < self._config.window else 0

    def submit(self, messages: Sequence[Outgoing]) -> None:
        """Write them into the outbox; they are handed over when the sender commits."""
        for message in messages:
            row = self._connection.execute(
                SQL["hand_over"],
                {
                    **self._names, "ref": message.ref, "phone": message.phone, "urgency": int(message.urgency),
                    "now": self._clock.now(), "valid_until": message.valid_until,
                },
            ).fetchone()  # fmt: skip
            if row:
                self._write(int(row[0]), message)
                self._pace.left(uptime_s())

    def settle(self, message: Outgoing) -> Outcome | StillThere | None:
        """What the daemon says of it. None: it never had it, and the same again is then harmless."""
        row = self._connection.execute(SQL["find"], {"ref": message.ref}).fetchone() if self._trouble is None else None
        if row is None:
            return None
        message_id, is_there, is_doubtful = row
        return StillThere() if is_there else _outcome(message_id, is_doubtful=is_doubtful)

    def events(self) -> Iterator[Event]:
        """What the daemon sent, could not send, was too late for or left lying; status reports; SMS that came in."""
        if self._trouble is not None:
            return
        now = self._clock.now()
        self._connection.execute(SQL["drop_what_left"], self._names)
        self._connection.execute(SQL["notice_doubt"], self._names)
        self._connection.execute(
            SQL["withdraw"], {**self._names, "now": now, "may_be_twice": int(Urgency.ALERT), "asleep": ASLEEP}
        )  # fmt: skip
        yield from self._withdrawals(now)
        yield from self._stories(now)
        yield from self._messages()

    def done(self, events: Iterable[Event]) -> None:
        """Mark what was told; an SMS that came in is then `Processed`."""
        for event in events:
            if told := self._told.pop(event, None):
                self._connection.execute(SQL["told"], {"message_id": told[0], "state": told[1]})
            if (message_id := self._withdrawn.pop(event, None)) is not None:
                self._connection.execute(SQL["forget_withdrawn"], {"message_id": message_id})
            if numbers := self._inbox.pop(event, None):
                self._connection.execute(SQL["processed"], {"numbers": numbers})

    def health(self) -> Health:
        """Whether the daemon is alive, how strong the signal is, and what it may have done twice."""
        self._trouble = self._why_not()
        if self._trouble is not None:
            return Health(False, self._trouble)
        row = self._connection.execute(SQL["phone"], self._names).fetchone()
        if row is None:
            return Health(False, f"gammu-smsd has not started yet as PhoneID {self._config.phone_id}")
        is_awake, signal, network = row
        since = self._clock.now() - timedelta(days=1)
        ((twice, poison),) = self._connection.execute(SQL["doubts"], {**self._names, "since": since}).fetchall()
        words = [] if is_awake else ["gammu-smsd does not write any more"]
        words += [f"signal {signal} %"] if signal >= 0 else []
        words += [str(network)] if network and network != "ERROR" else []
        words += [f"gammu-smsd let {twice} SMS of a day lie that may have left"] if twice else []
        words += [f"{poison} status reports of a day made no sense"] if poison else []
        return Health(bool(is_awake), ", ".join(words))

    def close(self) -> None:
        """Nothing is held."""

    def _why_not(self) -> str | None:
        """Why the daemon's tables cannot be used; sees to it that a status report cannot block them."""
        if not self._yes("has_tables"):
            return "there is no table smsd.gammu: load Gammu's pgsql.sql into the schema smsd"
        try:
            ((version,),) = self._connection.execute(SQL["version"]).fetchall()
            if version not in SCHEMAS:
                return f"Gammu's tables have version {version}, known are {SCHEMAS[0]} and {SCHEMAS[1]}"
            if not self._yes("guarded"):
                self._connection.execute(SQL["guard"])
        except psycopg.errors.InsufficientPrivilege as error:
            return f"Gammu's tables are not ours to use: {str(error).splitlines()[0]}"
        return None

    def _yes(self, question: str) -> bool:
        return bool((self._connection.execute(SQL[question]).fetchone() or (False,))[0])

    def _is_awake(self) -> bool:
        row = self._connection.execute(SQL["phone"], self._names).fetchone()
        return bool(row and row[0])

    def _write(self, message_id: int, message: Outgoing) -> None:
        coding = CODINGS[segments(message.text).alphabet]
        pieces = parts(message.text)
        first, *others = (
            {"message_id": message_id, "place": place, "text": piece, "coding": coding,
             "udh": f"050003{message_id % 256:02X}{len(pieces):02X}{place:02X}" if len(pieces) > 1 else None}
            for place, piece in enumerate(pieces, start=1)
        )  # fmt: skip
        self._connection.execute(
            SQL["outbox"],
            {**self._names, **first, "ref": message.ref, "phone": message.phone, "is_long": bool(others),
             "urgency": int(message.urgency)},
        )  # fmt: skip
        for part in others:
            self._connection.execute(SQL["outbox_part"], part)

    def _withdrawals(self, now: datetime) -> Iterator[Event]:
        rows = self._connection.execute(SQL["withdrawn"], {**self._names, "now": now}).fetchall()
        for message_id, ref, is_doubtful, is_over in rows:
            outcome: Outcome = Throttled(AGAIN_S)
            if is_doubtful:
                outcome = Uncertain("gammu-smsd had it and stopped")
            elif is_over:
                outcome = Refused("its time was over before the modem had it", is_permanent=True)
            event = Submitted(ref, outcome)
            self._withdrawn[event] = message_id
            yield event

    def _stories(self, now: datetime) -> Iterator[Event]:
        rows = self._connection.execute(SQL["stories"], {**self._names, "since": now - REMEMBERED}).fetchall()
        for message_id, ref, phone, told, sent_at, delivered_at, error, head, state in rows:
            if told == "":
                is_doubtful = state == "uncertain"
                outcome = _outcome(message_id, is_doubtful=is_doubtful)
                yield self._keep(Submitted(ref, outcome), message_id, state if is_doubtful else "sent")
            if state in FATES:
                fate = Fate.EXPIRED if state == Fate.UNDELIVERED and error == VALIDITY_OVER else FATES[state]
                at = (delivered_at or sent_at).replace(tzinfo=UTC)
                raw = f"{state}, TP-ST {error}"
                event = Receipt((str(message_id),), fate, at, raw, ref=ref, phone=phone, text_head=head[:20])
                yield self._keep(event, message_id, state)

    def _keep(self, event: Event, message_id: int, state: str) -> Event:
        self._told[event] = (message_id, state)
        return event

    def _messages(self) -> Iterator[Event]:
        rows = self._connection.execute(SQL["inbox"], {**self._names, "gather": GATHER}).fetchall()
        self._inbox.clear()
        for numbers, event in _gathered(Piece(*row) for row in rows):
            self._inbox.setdefault(event, []).extend(numbers)
        yield from list(self._inbox)


@dataclass(frozen=True, slots=True)
class Piece:
    """One row of the daemon's inbox: an SMS or a part of a long one."""

    number: int
    sender: str
    text: str
    udh: str
    at: datetime  # by the message centre
    stored_at: datetime
    is_old: bool

    @property
    def place(self) -> tuple[str, int, int]:
        """(reference, number of parts, which one) of a part; a whole SMS is the only one of its kind.

        Source: 3GPP TS 23.040 §9.2.3.24.1 (element 00) and §9.2.3.24.8 (element 08).
        """
        header = bytes.fromhex(self.udh)[1:]
        while len(header) >= 2:
            kind, body = header[0], header[2 : 2 + header[1]]
            if (kind == 0 and len(body) == 3) or (kind == 8 and len(body) == 4):
                return body[:-2].hex(), body[-2], body[-1]
            header = header[2 + header[1] :]
        return f"row {self.number}", 1, 1


def _gathered(pieces: Iterable[Piece]) -> Iterator[tuple[list[int], Inbound]]:
    """Whole SMS in the order of their first row. A part that is missing for too long is left out and shown as `[…]`.

    A daemon killed at the wrong moment stores a part twice, so equal ones count once; and the id is made of what was
    sent and when, not of the row.
    """
    groups: dict[tuple[str, str, int], list[Piece]] = {}
    for piece in pieces:
        reference, total, _ = piece.place
        groups.setdefault((piece.sender, reference, total), []).append(piece)
    for (sender, _, total), group in groups.items():
        by_place = {piece.place[2]: piece for piece in reversed(group)}
        if len(by_place) < total and not all(piece.is_old for piece in group):
            continue
        text = "".join(by_place[n].text if n in by_place else MISSING for n in range(1, total + 1))
        first = group[0]
        said = "\0".join((sender, min(piece.at for piece in group).isoformat(), first.udh, text))
        provider_id = hashlib.sha256(said.encode()).hexdigest()[:32]
        at = came_at(first.at.replace(tzinfo=UTC), first.stored_at.replace(tzinfo=UTC))
        yield [piece.number for piece in group], Inbound(provider_id, e164(sender), text, at)


def _outcome(message_id: int, *, is_doubtful: bool) -> Outcome:
    """SendingError is no failure: a modem that sends and does not answer ends there as well."""
    if is_doubtful:
        return Uncertain(f"the modem did not answer for message {message_id}")
    return Accepted(str(message_id))
