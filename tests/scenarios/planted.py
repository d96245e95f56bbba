"""Defects that are planted on purpose, each in one process of the village, to see that the harness finds them.

A harness that finds nothing proves nothing. Each defect is one that real programs have had; it changes one place of
the product in memory, and the rest is the product as it is.
Usage: python -m tests.scenarios.planted DEFECT MODULE [ARGUMENT…] runs `python -m MODULE ARGUMENT…` with the defect.
"""

from __future__ import annotations

import contextlib
import os
import runpy
import struct
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import paho.mqtt.client as paho
import psycopg
from msgspec import structs

from alerts.carriers import Carrier, Outgoing
from alerts.evaluate import Judgement
from alerts.sender import Sender
from gateway.uplink import Uplink
from gateway.wire import ranges_of, topic_parts
from gateway.zones import Zone
from ingest import mqtt, pipeline, rollups, sqlstate, writer
from ingest.account import Account
from ingest.admission import Admission, Message
from ingest.db import connect
from ingest.pipeline import Committed, Pipeline
from ingest.rollups import Rollups
from ingest.senml import PackUnreadable, decode_pack
from ingest.sqlstate import Meaning
from ingest.subscriber import Receiver, Subscriber
from ingest.writer import Outcome, ReadingWriter
from ndiyan.embedded_broker import broker_account, find_mosquitto
from ndiyan.embedded_postgres import EmbeddedPostgres
from ndiyan.errors import StartRefused
from tests.alerts.carriers.peers import Smsc
from tests.scenarios.chaos_harness import People, ScriptedCommune
from tests.scenarios.crash_harness import Report, Village, WatchedBroker, crash_loop
from tests.scenarios.oracle import Kind

INGEST, GATEWAY, BROKER, ALERTS = "ndiyan", "tests.scenarios.field_gateway", "broker", "ndiyan alerts"
CYCLES = 100
SETTLE_WITHIN_S = 120.0  # a machine that is only slow must not look like a defect
STUCK_AFTER_S = 15.0  # where being stuck is the defect, and for ever
PUBREL = 6
BOOKED_EVERY_S = 2.0
LEAVES_AFTER_S = 10.0


def early_ack() -> None:
    """The broker hears that a message is safe when it was received, not when it is committed."""
    confirm, begin = Subscriber.confirm, Subscriber.__init__

    def confirm_at_once(self: Subscriber, config: Any, clock: Any, receiver: Receiver, *more: Any) -> None:
        deliver = receiver.deliver

        def deliver_and_confirm(messages: list[Message]) -> None:
            deliver(messages)
            confirm(self, messages, {})

        _replace(receiver, "deliver", deliver_and_confirm)
        begin(self, config, clock, receiver, *more)

    _replace(Subscriber, "__init__", confirm_at_once)
    _replace(Subscriber, "confirm", lambda self, _messages, taken: confirm(self, [], taken))


def early_answer() -> None:
    """The gateway hears that its readings are safe when they were received, not when they are committed."""
    confirm, begin = Subscriber.confirm, Subscriber.__init__

    def answer_at_once(self: Subscriber, config: Any, clock: Any, receiver: Receiver, *more: Any) -> None:
        deliver = receiver.deliver

        def deliver_and_answer(messages: list[Message]) -> None:
            deliver(messages)
            for message in messages:
                topic, (boot, numbers) = topic_parts(message.topic), _numbers(message.payload)
                if topic is not None and boot is not None:
                    confirm(self, [], {(topic.zone, topic.gateway, boot): ranges_of(numbers)})

        _replace(receiver, "deliver", deliver_and_answer)
        begin(self, config, clock, receiver, *more)

    _replace(Subscriber, "__init__", answer_at_once)


def qos_2() -> None:
    """Subscribed at QoS 2: the broker hands the message over for good at PUBREC, which leaves on receipt."""
    begin, answer, subscribe_packet = Subscriber.__init__, Subscriber._answer, mqtt.subscribe_packet

    def take_over(self: Subscriber, config: Any, clock: Any, receiver: Receiver, *more: Any) -> None:
        deliver = receiver.deliver

        def deliver_and_take_over(messages: list[Message]) -> None:
            deliver(messages)
            with self._lock:
                self._outgoing += b"".join(struct.pack("!BBH", 0x50, 2, message.mid) for message in messages)

        _replace(receiver, "deliver", deliver_and_take_over)
        begin(self, config, clock, receiver, *more)

    def complete(self: Subscriber, packet: mqtt.Answer) -> None:
        if packet.kind == PUBREL:
            with self._lock:
                self._outgoing += b"\x70\x02" + packet.body[:2]
        answer(self, packet)

    _replace(Subscriber, "__init__", take_over)
    _replace(Subscriber, "_answer", complete)
    _replace(mqtt, "subscribe_packet", lambda *args, **more: subscribe_packet(*args, **more, qos=2))
    _replace(mqtt, "puback_packets", lambda _mids: b"")


def stale_ack() -> None:
    """A confirmation is sent on whatever connection there is now."""
    confirm = Subscriber.confirm

    def confirm_anyhow(self: Subscriber, messages: Sequence[Message], taken: Any) -> None:
        confirm(self, [structs.replace(message, connection=self._connection) for message in messages], taken)

    _replace(Subscriber, "confirm", confirm_anyhow)


def clean_start() -> None:
    """Each connection begins a new session: what waited is gone."""
    connect_packet = mqtt.connect_packet

    def clean(*args: Any, **more: Any) -> bytes:
        packet = bytearray(connect_packet(*args, **more))
        packet[packet.index(b"MQTT") + 5] |= 0x02
        return bytes(packet)

    _replace(mqtt, "connect_packet", clean)


def no_session_expiry() -> None:
    """The session ends with its connection, which is what MQTT 5 does when nothing is said."""
    connect_packet = mqtt.connect_packet
    _replace(mqtt, "connect_packet", lambda *args, **more: connect_packet(*args, **{**more, "session_expiry_s": 0}))


def default_queue() -> None:
    """The broker keeps as many messages for an absent ingest as it does by default; see `ForgetfulBroker`."""


def puback_trusted() -> None:
    """The gateway forgets a reading when the broker has it."""
    publish = paho.Client.publish
    sent: dict[tuple[int, int], bytes] = {}

    def publish_and_remember(self: paho.Client, topic: str, payload: bytes, **more: Any) -> paho.MQTTMessageInfo:
        info = publish(self, topic, payload, **more)
        sent[id(self), info.mid] = payload
        return info

    def forget(self: Uplink, client: paho.Client, _userdata: Any, mid: int, reason: Any, _properties: Any) -> None:
        boot, numbers = _numbers(sent.pop((id(client), mid), b""))
        if boot is not None and reason.value == 0:
            self._outbox.confirm(boot, ranges_of(numbers))

    _replace(paho.Client, "publish", publish_and_remember)
    _replace(Uplink, "_on_publish", forget)


def key_without_boot() -> None:
    """A reading is known by its gateway and sequence number, which begins anew with each boot."""
    store = Pipeline.store_admitted
    came: set[tuple[str, int]] = set()

    def store_unknown(self: Pipeline, admission: Admission) -> Committed:
        numbers = [
            (message, {(message.topic, n) for n in _numbers(message.payload)[1]}) for message in admission.messages
        ]
        unknown = self.new_admission()
        unknown.add(message for message, keys in numbers if not keys or not keys <= came)
        stored = store(self, unknown)
        came.update(*(keys for _, keys in numbers))
        stored.taken = admission.taken
        return stored

    _replace(Pipeline, "store_admitted", store_unknown)


def retry_for_ever() -> None:
    """A row that the database can never take counts as a database that is away."""
    _replace(pipeline, "meaning_of", lambda error: _unless(error, "54000", Meaning.AWAY))


def renamed_as_rows() -> None:
    """A column that is not there counts as bad rows."""
    for module in (pipeline, writer):  # the second looks for the rows that the first believes to be bad
        _replace(module, "meaning_of", lambda error: _unless(error, "42703", Meaning.ROW))


def no_key() -> None:
    """Nothing tells that a reading is there already."""
    with connect(os.environ["NDIYAN_DATABASE_URL"]) as connection:
        connection.execute("ALTER TABLE reading DROP CONSTRAINT IF EXISTS reading_pkey")

    def all_new(_self: ReadingWriter, ordered: Sequence[Any], _is_doubtful: Any) -> Any:
        return np.full(len(ordered), Outcome.STORED, dtype=np.int8)

    _replace(ReadingWriter, "_outcomes", all_new)


def account_in_memory() -> None:
    """The account is written every few seconds instead of in the transaction of its readings."""
    book = Account.book
    waiting: list[Callable[[], None]] = []
    booked_s = [time.monotonic()]

    def book_later(self: Account, *batch: Any, **more: Any) -> None:
        waiting.append(lambda: book(self, *batch, **more))
        if time.monotonic() - booked_s[0] > BOOKED_EVERY_S:
            booked_s[0] = time.monotonic()
            while waiting:
                waiting.pop()()

    _replace(Account, "book", book_later)


def hours_in_memory() -> None:
    """The sums of the open hour begin anew with each start of ingest."""
    forget = Rollups.forget

    def believe(self: Rollups) -> None:
        forget(self)
        self._open["is_whole"] = True

    _replace(Rollups, "forget", believe)


def days_later() -> None:
    """Days are left to a job that adds them up now and then."""
    _replace(rollups, "SQL", rollups.SQL | {"days_anew": "SELECT 1", "missing_days": "SELECT 1"})


def watermark_first() -> None:
    """How far zones were judged is committed in one turn, and what follows from it in the next."""
    run = Judgement.run
    waiting: list[tuple[Judgement, Any]] = []

    def run_later(self: Judgement, watermarks: Any, progress: Any = None) -> Any:
        while waiting:
            judgement, before = waiting.pop()
            if not judgement._connection.closed:
                run(judgement, before)
        waiting.append((self, watermarks))
        spans = self._spans(watermarks)
        return {zone: spans[zone][1] if zone in spans else mark for zone, mark in watermarks.items()}

    _replace(Judgement, "run", run_later)


def marked_before_sent() -> None:
    """An SMS counts as delivered when it is given to its route, from which it leaves seconds later."""
    hold, work = Sender.hold, Sender.work
    waiting: list[tuple[float, Callable[[list[Outgoing]], None], list[Outgoing]]] = []

    def hold_slow(self: Sender, name: str, carrier: Carrier) -> None:
        submit = carrier.submit

        def submit_later(messages: list[Outgoing]) -> None:
            refs = [message.ref for message in messages]
            self._connection.execute("UPDATE notification SET state = 'delivered' WHERE ref = ANY(%s)", [refs])
            waiting.append((time.monotonic(), submit, messages))

        _replace(carrier, "submit", submit_later)
        hold(self, name, carrier)

    def work_off(self: Sender) -> int:
        while waiting and time.monotonic() - waiting[0][0] > LEAVES_AFTER_S:
            _, submit, messages = waiting.pop(0)
            submit(messages)
        return work(self)

    _replace(Sender, "hold", hold_slow)
    _replace(Sender, "work", work_off)


def sent_again() -> None:
    """What became of an SMS is written down seconds later, and after a start all of which nothing is known leaves."""
    hold, take = Sender.hold, Sender._take
    taken_s = [time.monotonic()]

    def hold_and_send(self: Sender, name: str, carrier: Carrier) -> None:
        self._connection.execute("UPDATE notification SET state = 'queued' WHERE state IN ('submitting', 'uncertain')")
        hold(self, name, carrier)

    def take_later(self: Sender, *of_route: Any) -> int:
        if time.monotonic() - taken_s[0] < LEAVES_AFTER_S:
            return 0
        taken_s[0] = time.monotonic()
        return take(self, *of_route)

    _replace(Sender, "hold", hold_and_send)
    _replace(Sender, "_take", take_later)


class Defect(NamedTuple):
    """Where a defect is planted, and what is to find it."""

    module: str
    plant: Callable[[], None]
    found_by: Kind


DEFECTS = {
    defect.plant.__name__: defect
    for defect in (
        Defect(INGEST, early_ack, Kind.SENSOR_LOST),
        Defect(INGEST, early_answer, Kind.LOST),
        Defect(INGEST, qos_2, Kind.SENSOR_LOST),
        Defect(INGEST, stale_ack, Kind.STRAY_ACK),
        Defect(INGEST, clean_start, Kind.SENSOR_LOST),
        Defect(INGEST, no_session_expiry, Kind.SENSOR_LOST),
        Defect(BROKER, default_queue, Kind.SENSOR_LOST),
        Defect(GATEWAY, puback_trusted, Kind.LOST),
        Defect(INGEST, key_without_boot, Kind.LOST),
        Defect(INGEST, retry_for_ever, Kind.STUCK),
        Defect(INGEST, renamed_as_rows, Kind.SET_ASIDE),
        Defect(INGEST, no_key, Kind.TWICE),
        Defect(INGEST, account_in_memory, Kind.ACCOUNT),
        Defect(INGEST, hours_in_memory, Kind.ROLLUP),
        Defect(INGEST, days_later, Kind.ROLLUP),
        Defect(ALERTS, watermark_first, Kind.ALERT_LOST),
        Defect(ALERTS, marked_before_sent, Kind.SMS_LOST),
        Defect(ALERTS, sent_again, Kind.SMS_TWICE),
    )
}


class ForgetfulBroker(WatchedBroker):
    """A broker whose configuration says nothing about the queue."""

    def _write_files(self) -> None:
        super()._write_files()
        file = self.folder / "mosquitto.conf"
        lines = file.read_text("utf-8").splitlines(keepends=True)
        file.write_text("".join(line for line in lines if not line.startswith("max_queued")), "utf-8")


def crash_with(name: str, folder: Path, zones: Sequence[Zone], postgres: EmbeddedPostgres, *, seed: int) -> Report:
    """Run the crash loop with a defect until something is found; `folder` must be empty, its accounts can enter it."""
    mosquitto = find_mosquitto()
    if mosquitto is None:
        raise StartRefused("planted defects need mosquitto: apt-get install mosquitto")
    where = DEFECTS[name].module
    broker = (ForgetfulBroker if where == BROKER else WatchedBroker)(
        folder, zones, secret_file=folder / "mq", log=folder / "mq.log", account=broker_account(), mosquitto=mosquitto
    )

    def program(module: str) -> list[str]:
        is_meant = module == where.partition(" ")[0]
        return ["-m", "tests.scenarios.planted", name, module] if is_meant else ["-m", module]

    settle_within_s = STUCK_AFTER_S if DEFECTS[name].found_by is Kind.STUCK else SETTLE_WITHIN_S
    how: dict[str, Any] = {"database": f"planted_{name}", "program": program}
    with ExitStack() as peers:
        people = None
        if where == ALERTS:
            smsc = peers.enter_context(Smsc(folder))
            village: Village = ScriptedCommune(folder, zones, postgres, broker, smsc, **how)
            people = People(village)
        else:
            village = Village(folder, zones, postgres, broker, **how)
        return crash_loop(village, seed=seed, cycles=CYCLES, settle_within_s=settle_within_s, bystanders=people)


def _replace(owner: object, name: str, by: Any) -> None:
    if not hasattr(owner, name):
        raise AttributeError(f"{owner} has no {name}: the defect has nothing to change any more")
    setattr(owner, name, by)


def _numbers(payload: bytes) -> tuple[str | None, list[int]]:
    """Boot and sequence numbers of a pack; none of a message that is no pack of a gateway of ours."""
    with contextlib.suppress(PackUnreadable):
        pack = decode_pack(payload)
        if pack.boot is not None:
            return pack.boot, [record.seq for record in pack.records if record.seq is not None]
    return None, []


def _unless(error: Exception, state: str, wrong: Meaning) -> Meaning:
    return wrong if isinstance(error, psycopg.Error) and error.sqlstate == state else sqlstate.meaning_of(error)


def main(name: str, module: str, arguments: Iterable[str]) -> None:
    """Plant the defect and run the module."""
    DEFECTS[name].plant()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
