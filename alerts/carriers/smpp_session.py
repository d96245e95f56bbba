"""One bind without sockets, threads or a clock: octets and times go in, octets and news come out.

Everything that decides whether a message is lost, sent twice or stalls is here, so that tests can drive it through any
order of events. `now` is in seconds that never go back.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass

from alerts.carriers import Accepted, Outcome, Outgoing, Refused, Throttled, Uncertain
from alerts.carriers.smpp_config import SmppConfig
from alerts.carriers.smpp_pdu import Delivery, Frames, OutOfStep, Pdu, bind, decode, plain, submit
from alerts.carriers.smpp_text import encoded, recipient, sender

LAST_SEQUENCE = 0x7FFF_FFFF
BINDS = {"transceiver": (True, True), "transmitter": (True, False), "receiver": (False, True)}
THROTTLED, QUEUE_FULL = 0x58, 0x14
NEVER = frozenset({
    0x01, 0x06, 0x07, 0x0A, 0x0B, 0x15, 0x40, 0x43, 0x48, 0x49, 0x50, 0x51, 0x53, 0x54, 0x61, 0x62, 0x63, 0x65, 0xC0,
    0xC1, 0xC2, 0xC3, 0xC4,
})  # fmt: skip # SMPP 3.4, 5.1.3: the address, the length or another field is refused, and will be the next time
UNKNOWN_COMMAND, CANNOT_READ = 0x03, 0x65
WHY_NOT_BOUND = {
    0x04: "already bound on this link", 0x05: "already bound", 0x0D: "bind failed", 0x0E: "wrong password",
    0x0F: "unknown system_id", 0x53: "wrong system_type",
}  # fmt: skip
LATE_ANSWERS = 1_000
PAUSE_S = 1.0  # told with a refusal for speed; how long the bind really rests is the pace's matter


@dataclass(frozen=True, slots=True)
class Bound:
    """The message centre has let us in."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of a hand-over; `is_late` when it had been given up as uncertain."""

    message: Outgoing
    outcome: Outcome
    is_late: bool = False


@dataclass(frozen=True, slots=True)
class Delivered:
    """The message centre hands something to us and waits for `answer(sequence)`."""

    sequence: int
    delivery: Delivery


Answer = tuple[str, str]
"""What was answered: the key of a deliver_sm, and the number under which it is stored."""


@dataclass(frozen=True, slots=True)
class Proven:
    """The message centre has these answers of ours: it has answered what we asked after them."""

    answers: Sequence[Answer]


@dataclass(frozen=True, slots=True)
class Closed:
    """The link is of no more use."""

    reason: str


News = Bound | Answered | Delivered | Proven | Closed


@dataclass(frozen=True, slots=True)
class _Unanswered:
    message: Outgoing
    due: float


class Session:
    """A bind of one kind from its first octet to its last.

    Parameters
    ----------
    kind : transceiver, transmitter or receiver
    """

    def __init__(self, config: SmppConfig, kind: str, *, now: float, first_sequence: int = 1) -> None:
        self._config, self._kind = config, kind
        self.is_bound = self.is_closed = False
        self._frames, self._out = Frames(), bytearray()
        self._sequence = first_sequence - 1
        self._unanswered: OrderedDict[int, _Unanswered] = OrderedDict()  # oldest first: they share one timeout
        self._late: OrderedDict[int, Outgoing] = OrderedDict()
        self._unproven: OrderedDict[int, Sequence[Answer]] = OrderedDict()  # by the request that asks, oldest first
        self._heard_at, self._asked_at, self._began_at = now, now, now
        self._source = sender(config.source)
        self._out += bind(
            kind, self._next_sequence(),
            system_id=config.system_id, password=config.password,
            system_type=config.system_type, address_range=config.address_range,
        )  # fmt: skip

    @property
    def room(self) -> int:
        """How many more hand-overs may be unanswered."""
        sends = BINDS[self._kind][0] and self.is_bound and not self.is_closed
        return self._config.window - len(self._unanswered) if sends else 0

    def take_output(self) -> bytes:
        """What is to be written, once."""
        octets, self._out = bytes(self._out), bytearray()
        return octets

    def submit(self, message: Outgoing, *, valid_for_s: float, now: float) -> None:
        """Hand one over; `room` must be more than 0. Once it is written nobody can take it back."""
        if self.room < 1:
            raise ValueError(f"window {self._config.window}: no room for {message.ref}")
        data_coding, octets = encoded(message.text, self._config.default_alphabet)
        sequence = self._next_sequence()
        self._out += submit(
            sequence, self._source, recipient(message.phone),
            data_coding=data_coding, octets=octets, valid_for_s=valid_for_s,
        )  # fmt: skip
        self._unanswered[sequence] = _Unanswered(message, now + self._config.response_timeout_s)

    def answer(self, sequence: int, status: int = 0) -> None:
        """We have committed what was delivered under this number, or never can."""
        if not self.is_closed:
            self._out += plain("deliver_sm_resp", sequence, status)

    def prove(self, answers: Sequence[Answer], *, now: float) -> None:
        """Ask something after these were answered: whoever answers that has read them, since TCP keeps the order."""
        if not self.is_closed:
            self._enquire(now)
            self._unproven[self._sequence] = answers

    def unbind(self) -> None:
        """Say good-bye; the other side's answer closes."""
        if self.is_bound and not self.is_closed:
            self._out += plain("unbind", self._next_sequence())

    def feed(self, data: bytes, *, now: float) -> list[News]:
        """Octets that came in."""
        self._heard_at = now
        try:
            pdus = [decode(raw) for raw in self._frames.feed(data)]
        except OutOfStep as error:
            return self.lost(f"out of step: {error}")
        news: list[News] = []
        for pdu in pdus:
            if self.is_closed:
                break
            news += self._take(pdu)
        return news

    def due(self) -> float:
        """When `tick` has something to do."""
        if not self.is_bound:
            return self._began_at + self._config.response_timeout_s
        quiet_since = max(self._heard_at, self._asked_at)
        dues = [quiet_since + self._config.enquire_every_s, self._dead_at()]
        if self._unanswered:
            dues.append(next(iter(self._unanswered.values())).due)
        return min(dues)

    def tick(self, *, now: float) -> list[News]:
        """What time alone brings: answers that did not come, a link that must be asked, one that is dead."""
        if self.is_closed:
            return []
        if not self.is_bound:
            return self.lost("no answer to the bind") if now >= self.due() else []
        if now >= self._dead_at():
            return self.lost("the message centre is silent")
        news: list[News] = []
        while self._unanswered and next(iter(self._unanswered.values())).due <= now:
            sequence, given_up = self._unanswered.popitem(last=False)
            self._remember_late(sequence, given_up.message)
            news.append(Answered(given_up.message, Uncertain("no answer in time")))
        if news or now >= max(self._heard_at, self._asked_at) + self._config.enquire_every_s:
            self._enquire(now)
        return news

    def lost(self, reason: str) -> list[News]:
        """The link is gone: what was not answered may or may not have arrived."""
        if self.is_closed:
            return []
        self.is_closed = True
        news: list[News] = [Answered(open_.message, Uncertain(reason)) for open_ in self._unanswered.values()]
        self._unanswered.clear()
        return [*news, Closed(reason)]

    def _take(self, pdu: Pdu) -> list[News]:
        return [*self._proven_by(pdu), *self._act_upon(pdu)]

    def _proven_by(self, pdu: Pdu) -> list[News]:
        """Any answer to what we sent since proves, whatever it says."""
        proven: list[Answer] = []
        while pdu.command.endswith(("_resp", "_nack")) and self._unproven:
            asked = next(iter(self._unproven))
            if (pdu.sequence - asked) % LAST_SEQUENCE > (self._sequence - asked) % LAST_SEQUENCE:
                break  # to an earlier request, or to none of ours
            proven += self._unproven.pop(asked)
        return [Proven(proven)] if proven else []

    def _act_upon(self, pdu: Pdu) -> list[News]:
        match pdu.command:
            case "bind_transceiver_resp" | "bind_transmitter_resp" | "bind_receiver_resp":
                return self._take_bind(pdu)
            case "submit_sm_resp" | "generic_nack":
                return self._take_answer(pdu)
            case "deliver_sm" if pdu.delivery is not None:
                return [Delivered(pdu.sequence, pdu.delivery)]
            case "deliver_sm":
                self._out += plain("deliver_sm_resp", pdu.sequence, CANNOT_READ)
            case "enquire_link":
                self._out += plain("enquire_link_resp", pdu.sequence)
            case "unbind":
                self._out += plain("unbind_resp", pdu.sequence)
                return self.lost("the message centre said good-bye")
            case "unbind_resp":
                return self.lost("we said good-bye")
            case "enquire_link_resp" | "alert_notification":
                pass
            case _:
                self._out += plain("generic_nack", pdu.sequence, UNKNOWN_COMMAND)
        return []

    def _take_bind(self, pdu: Pdu) -> list[News]:
        if pdu.status:
            return self.lost(f"{WHY_NOT_BOUND.get(pdu.status, 'bind refused')} (0x{pdu.status:02x})")
        self.is_bound = True
        return [Bound()]

    def _take_answer(self, pdu: Pdu) -> list[News]:
        if not self.is_bound:  # a message centre that does not know the kind of bind
            return self.lost(f"bind refused (0x{pdu.status:02x})")
        if (waiting := self._unanswered.pop(pdu.sequence, None)) is not None:
            return [Answered(waiting.message, _outcome(pdu))]
        if (late := self._late.pop(pdu.sequence, None)) is not None:
            return [Answered(late, _outcome(pdu), is_late=True)]
        return []

    def _remember_late(self, sequence: int, message: Outgoing) -> None:
        self._late[sequence] = message
        if len(self._late) > LATE_ANSWERS:
            self._late.popitem(last=False)

    def _enquire(self, now: float) -> None:
        self._out += plain("enquire_link", self._next_sequence())
        self._asked_at = now

    def _dead_at(self) -> float:
        return self._heard_at + self._config.enquire_every_s + self._config.response_timeout_s

    def _next_sequence(self) -> int:
        self._sequence = self._sequence % LAST_SEQUENCE + 1
        return self._sequence


def _outcome(pdu: Pdu) -> Outcome:
    """What an answer says; a status that nobody knows may pass."""
    if pdu.status == 0 and pdu.command == "submit_sm_resp":
        return Accepted(pdu.message_id)
    if pdu.status in (THROTTLED, QUEUE_FULL):
        return Throttled(PAUSE_S)
    return Refused(f"SMPP status 0x{pdu.status:02x}", is_permanent=pdu.status in NEVER)
