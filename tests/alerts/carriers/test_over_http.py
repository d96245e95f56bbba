"""What every route over HTTP has in common: the four outcomes, the window, webhooks that come again until done."""

from __future__ import annotations

import json
import logging
import threading
import time
import uuid
from collections import deque
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from alerts.carriers import Accepted, Event, Fate, Inbound, Outcome, Receipt, Refused, Submitted, Throttled, Uncertain
from alerts.carriers.android import AndroidConfig, AndroidRoute
from alerts.carriers.http import HttpConfig, HttpRoute
from alerts.carriers.orange import OrangeConfig, OrangeRoute
from alerts.carriers.over_http import THREADS, events_of
from gateway.clock import ManualClock, SystemClock
from gateway.zones import Zone
from ingest.registry import import_zones
from ndiyan.children import free_port
from tests.alerts.carriers.listening import NUMBER, Listener
from tests.alerts.carriers.smsd import wait_until
from tests.alerts.carriers.stand_in import Asked, standing_in

pytestmark = pytest.mark.db
SECRETS = {"NDIYAN_SMS_RP_TOKEN": "t0ken", "NDIYAN_SMS_RP_WEBHOOK_SECRET": "a-secret-of-the-http-tests"}


def rapidpro(url: str, **more: Any) -> HttpConfig:
    return HttpConfig.from_table("rp", {"kind": "http", "template": "rapidpro", "url": url, **more}, SECRETS)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        pytest.param((201, '{"id": 1234}'), Accepted("1234"), id="taken"),
        pytest.param((400, "{}"), Refused("HTTP 400", is_permanent=True), id="never"),
        pytest.param((401, "{}"), Refused("HTTP 401", is_permanent=False), id="the-account"),
        pytest.param((429, "{}"), Throttled(30.0), id="too-fast"),
        pytest.param((502, "{}"), Uncertain("HTTP 502"), id="a-proxy-before-it"),
        pytest.param(None, Uncertain("no answer (RemoteProtocolError)"), id="it-hangs-up"),
        pytest.param((201, "so"), Uncertain("an answer was not understood (JSONDecodeError)"), id="nonsense"),
    ],
)
def test_an_answer_means_what_it_means(database_url: str, answer: tuple[int, str] | None, outcome: Outcome) -> None:
    with standing_in(lambda asked: answer if asked.method == "POST" else (200, "")) as peer:
        listener = Listener(database_url, "rp", HttpRoute(rapidpro(peer.url), SystemClock()))
        assert listener.outcome() == outcome
        listener.close()


def test_nothing_is_asked_of_a_route_that_is_not_ours_any_more(database_url: str) -> None:
    ours, asked = threading.Event(), list[bool]()

    def is_ours() -> bool:
        asked.append(ours.is_set())
        return asked[-1]

    with standing_in(lambda asked: (201, '{"id": 1234}') if asked.method == "POST" else (200, "")) as peer:
        route = HttpRoute(rapidpro(peer.url), SystemClock())
        listener = Listener(database_url, "rp", route, is_ours=is_ours)
        message = listener.submit()
        wait_until(lambda: len(asked) >= 2, "a thread asks whether it may, and again")
        assert peer.posts("") == []
        ours.set()
        listener.hear(lambda told: Submitted(message.ref, Accepted("1234")) in told, "it left")
        listener.close()


def test_what_finds_nobody_has_not_left(database_url: str) -> None:
    config = rapidpro(f"http://127.0.0.1:{free_port()}")
    listener = Listener(database_url, "rp", HttpRoute(config, SystemClock()))
    assert listener.outcome() == Refused("the route cannot be reached (ConnectError)", is_permanent=False)
    listener.close()


def test_rapidpro_is_asked_as_its_api_wants_it(database_url: str) -> None:
    with standing_in(lambda _: (201, '{"id": 7}')) as peer:
        listener = Listener(database_url, "rp", HttpRoute(rapidpro(peer.url), SystemClock()))
        listener.outcome("A1 {ref} {phone}")
        (asked,) = peer.posts("/api/v2/broadcasts.json")
        assert asked.headers["authorization"] == "Token t0ken"
        assert json.loads(asked.body) == {"urns": [f"tel:{NUMBER}"], "text": "A1 {ref} {phone}"}
        listener.close()


def test_the_sender_is_not_kept_waiting_and_the_window_holds(database_url: str) -> None:
    gate = threading.Event()

    def answer(asked: Asked) -> tuple[int, str]:
        if asked.method == "POST":
            gate.wait(20)
        return 201, '{"id": 1}'

    with standing_in(answer) as peer:
        listener = Listener(database_url, "rp", HttpRoute(rapidpro(peer.url, window=3, per_s=1000), SystemClock()))
        assert listener.carrier.room() == 3
        refs = {listener.submit(f"A{number}").ref for number in range(3)}
        assert listener.carrier.room() == 0
        assert list(listener.carrier.events()) == []  # nothing is known, and we are here
        gate.set()
        listener.hear(lambda told: len(told) == 3, "all three have an outcome")
        assert {event.ref for event in listener.told if isinstance(event, Submitted)} == refs
        assert listener.carrier.room() == 3
        listener.close()


def test_too_fast_pauses_the_whole_route(database_url: str) -> None:
    with standing_in(lambda asked: (429, "{}") if asked.method == "POST" else (200, "")) as peer:
        listener = Listener(database_url, "rp", HttpRoute(rapidpro(peer.url), SystemClock()))
        assert listener.outcome() == Throttled(30.0)
        assert listener.carrier.room() == 0
        listener.close()


def test_too_fast_gives_back_what_has_not_been_asked_yet(database_url: str) -> None:
    gate, number = threading.Event(), THREADS + 2

    def answer(asked: Asked) -> tuple[int, str]:
        if asked.method == "POST":
            gate.wait(20)
        return (429, "{}") if asked.method == "POST" else (200, "")

    with standing_in(answer) as peer:
        listener = Listener(database_url, "rp", HttpRoute(rapidpro(peer.url, window=10, per_s=1000), SystemClock()))
        refs = [listener.submit(f"A{n}").ref for n in range(number)]
        wait_until(lambda: len(peer.posts("broadcasts")) == THREADS, "each thread asks")
        gate.set()
        listener.hear(lambda told: len(told) == number, "all have an outcome")
        outcomes = {event.ref: event.outcome for event in listener.told if isinstance(event, Submitted)}
        assert outcomes == dict.fromkeys(refs, Throttled(30.0))
        assert len(peer.posts("broadcasts")) == THREADS
        listener.close()


def test_at_the_limit_of_the_route_nothing_is_refused(database_url: str) -> None:
    limit, number, came = 40, 60, deque[float]()

    def answer(asked: Asked) -> tuple[int, str]:
        """Whoever asks more often than that in any second is refused."""
        if asked.method != "POST":
            return 200, ""
        came.append(time.monotonic())
        is_too_fast = len(came) > limit and came[-1] - came[-1 - limit] < 1.0
        return (429, "{}") if is_too_fast else (201, '{"id": 1}')

    with standing_in(answer) as peer:
        listener = Listener(database_url, "rp", HttpRoute(rapidpro(peer.url, per_s=limit, window=50), SystemClock()))
        rest = [listener.message(f"A{n}") for n in range(number)]

        def is_all_told(told: list[Event]) -> bool:
            room = listener.carrier.room()
            listener.carrier.submit(rest[:room])
            del rest[:room]
            return len(told) == number

        listener.hear(is_all_told, "all have an outcome")
        listener.close()
    assert {type(event.outcome) for event in listener.told if isinstance(event, Submitted)} == {Accepted}
    assert came[-1] - came[0] < 1.1 * number / limit


def test_a_limit_of_many_minutes_holds_after_a_start(database_url: str, zones: list[Zone]) -> None:
    clock = SystemClock()
    secrets = {"NDIYAN_SMS_TEL_PASSWORD": "p", "NDIYAN_SMS_TEL_SIGNING_KEY": "signing-key"}
    with standing_in(lambda _: (202, '{"id": "1", "state": "Pending"}')) as peer:
        table = {"kind": "android", "url": peer.url, "user": "sms"}
        listener = Listener(database_url, "tel", AndroidRoute(AndroidConfig.from_table("tel", table, secrets)))
        assert listener.carrier.room() == 1
        import_zones(listener.connection, [zone for zone in zones if zone.zone_id == "zone-3"])
        listener.connection.execute(
            "WITH sent AS (INSERT INTO notification (ref, zone_id, phone, kind, step, reason, language, text, segments,"
            " state, created_at, next_try_at, valid_until) SELECT gen_random_uuid(), 'zone-3', %(phone)s, 'reply', 's',"
            " 'r', 'fr', 'x', 1, 'delivered', %(now)s, %(now)s, %(now)s FROM generate_series(1, 25)"
            " RETURNING notification_id) INSERT INTO sms_attempt (notification_id, carrier, began_at)"
            " SELECT notification_id, 'tel', %(now)s FROM sent",
            {"phone": NUMBER, "now": clock.now()},
        )
        after = Listener(database_url, "tel", listener.route)
        assert after.carrier.room() == 0, "25 left within the last half hour"
        after.close()
        listener.close()


def test_what_is_too_late_is_not_asked_for(database_url: str) -> None:
    clock = ManualClock(datetime(2026, 3, 2, 10, 40, tzinfo=UTC))
    with standing_in(lambda _: (201, '{"id": 1}')) as peer:
        listener = Listener(database_url, "rp", HttpRoute(rapidpro(peer.url), clock), clock)
        assert listener.outcome(valid=timedelta(seconds=-1)) == Refused("its time was over", is_permanent=True)
        assert peer.posts("broadcasts") == []
        listener.close()


def test_an_outcome_comes_again_until_it_is_done_and_a_webhook_also_after_a_crash(database_url: str) -> None:
    with standing_in(lambda _: (201, '{"id": 1}')) as peer:
        listener = Listener(database_url, "rp", HttpRoute(rapidpro(peer.url), SystemClock()))
        listener.submit()
        wait_until(lambda: bool(list(listener.carrier.events())), "an outcome")
        listener.webhook("inbound", '{"id": "m1", "from": "tel:+224622123456", "text": "2\\u0000 re\\u00e7u"}')
        first = list(listener.carrier.events())
        assert list(listener.carrier.events()) == first
        listener.carrier.close()
        after = Listener(database_url, "rp", listener.route)
        (inbound,) = after.carrier.events()
        assert isinstance(inbound, Inbound)
        assert (inbound.phone, inbound.text) == (NUMBER, "2 reçu")
        after.carrier.done([inbound])
        assert list(after.carrier.events()) == []
        after.close()
        listener.close()


def test_a_webhook_that_makes_no_sense_is_kept_aside_and_seen(database_url: str) -> None:
    with standing_in(lambda _: (200, "")) as peer:
        listener = Listener(database_url, "rp", HttpRoute(rapidpro(peer.url), SystemClock()))
        for body in ('{"id": 1}', "[1, 2", "{", "", '{"from": 5, "text": {}}', '{"from": "1", "text": "2", "at": "x"}'):
            listener.webhook("inbound", body)
        listener.webhook("receipt", "status=1")  # a route that tells no receipts
        assert [event for event in listener.carrier.events() if not isinstance(event, Inbound)] == []
        detail = listener.carrier.health().detail
        assert "6 webhooks of a day were not understood" in detail
        listener.close()


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        pytest.param("inbound", '{"from": "+224622123456", "text": "1", "at": "99999999999999999999"}', id="year"),
        pytest.param("receipt", '{"a":' * 5000, id="depth"),
    ],
)
def test_a_webhook_that_trips_its_reading_does_not_hold_those_behind_it(
    database_url: str, kind: str, body: str
) -> None:
    with standing_in(lambda _: (200, "")) as peer:
        listener = Listener(database_url, "rp", HttpRoute(rapidpro(peer.url), SystemClock()))
        listener.webhook(kind, body)
        listener.webhook("inbound", '{"from": "+224622123456", "text": "2"}')
        (event,) = listener.carrier.events()
        assert isinstance(event, Inbound)
        assert event.text == "2"
        assert "1 webhooks of a day were not understood" in listener.carrier.health().detail
        listener.close()


def test_what_no_database_keeps_takes_no_sms_and_no_receipt_with_it() -> None:
    """Half a letter of UTF-16 in an SMS, Latin-1 in what a gateway says of a delivery, and NUL in a number."""
    secrets = {"NDIYAN_SMS_K_PASSWORD": "p", "NDIYAN_SMS_K_WEBHOOK_SECRET": "a-secret-of-the-http-tests"}
    table = {"kind": "http", "template": "kannel", "url": "http://k", "user": "n", "from": "7", "webhook_url": "x"}
    kannel = HttpRoute(HttpConfig.from_table("k", table, secrets), SystemClock())
    now = datetime(2026, 3, 2, 10, 40, tzinfo=UTC)
    (receipt,) = events_of(kannel, "receipt", "status=1&id=r%E9f&ref=", now)
    assert isinstance(receipt, Receipt)
    assert (receipt.fate, receipt.provider_ids) == (Fate.DELIVERED, ("r?f",))
    table = {"kind": "orange", "client_id": "i"}
    secrets = {"NDIYAN_SMS_O_CLIENT_SECRET": "c", "NDIYAN_SMS_O_WEBHOOK_SECRET": "a-secret-of-the-http-tests"}
    orange = OrangeRoute(OrangeConfig.from_table("o", table, secrets))
    told = {"inboundSMSMessageNotification": {"inboundSMSMessage": {
        "senderAddress": "tel:+224622123456\0", "message": "ok \ud83d", "messageId": "m1",
    }}}  # fmt: skip
    (inbound,) = events_of(orange, "inbound", json.dumps(told), now)
    assert isinstance(inbound, Inbound)
    assert inbound.text == "ok ?"
    assert "\0" not in inbound.phone


def test_nimba_tells_its_receipts_by_its_own_words() -> None:
    secrets = {"NDIYAN_SMS_NIMBA_SECRET_TOKEN": "s", "NDIYAN_SMS_NIMBA_WEBHOOK_SECRET": "a-secret-of-the-http-tests"}
    table = {"kind": "http", "template": "nimba", "service_id": "me", "sender_name": "NDIYAN"}
    route = HttpRoute(HttpConfig.from_table("nimba", table, secrets), SystemClock())
    now = datetime(2026, 3, 2, 10, 40, tzinfo=UTC)
    number = str(uuid.uuid4())
    told = {"messageid": number, "contact": "+224622123456", "status": "received"}
    assert list(route.read("receipt", told, now)) == [Receipt((number,), Fate.DELIVERED, now, "received", phone=NUMBER)]
    assert not route.caps.two_way


@pytest.mark.parametrize(("status", "never_left"), [("16", True), ("2", False), ("8", False)])
def test_what_kannel_s_centre_refused_has_not_left(status: str, never_left: bool) -> None:
    secrets = {"NDIYAN_SMS_K_PASSWORD": "p", "NDIYAN_SMS_K_WEBHOOK_SECRET": "a-secret-of-the-http-tests"}
    table = {"kind": "http", "template": "kannel", "url": "http://k", "user": "n", "from": "7", "webhook_url": "x"}
    route = HttpRoute(HttpConfig.from_table("k", table, secrets), SystemClock())
    told = {"ref": str(uuid.uuid4()), "id": "", "status": status}
    (found,) = route.read("receipt", told, datetime(2026, 3, 2, 10, 40, tzinfo=UTC))
    assert isinstance(found, Receipt)
    assert found.never_left is never_left


def test_no_number_and_no_secret_reaches_the_log(database_url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    secrets = {"NDIYAN_SMS_K_PASSWORD": "hunter2", "NDIYAN_SMS_K_WEBHOOK_SECRET": "a-secret-of-the-http-tests"}
    with standing_in(lambda _: None) as peer:
        table = {"kind": "http", "template": "kannel", "url": peer.url, "user": "n", "from": "7", "webhook_url": "x"}
        config = HttpConfig.from_table("k", table, secrets)
        listener = Listener(database_url, "k", HttpRoute(config, SystemClock()))
        outcome = listener.outcome()
        listener.close()
    assert "hunter2" in peer.asked[0].path
    said = caplog.text + repr(outcome) + repr(config)
    assert "hunter2" not in said
    assert "622123456" not in said
