"""Webhooks: a real receiver verifies what it is told with a public library; one that refuses is asked again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import psycopg
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from typer.testing import CliRunner

from alerts.actions import acknowledge, close
from alerts.errors import WebhookRefused
from alerts.set_back import SetBack
from alerts.webhook_config import WebhookConfig, read_webhooks
from alerts.webhooks import RETRIES, Teller, fetch_webhooks, next_try, signature, try_again
from gateway.clock import ManualClock, SystemClock
from gateway.zones import Zone
from ingest.db import Connection, connect
from ingest.registry import import_zones
from ndiyan.cli import app
from tests.web.web_seed import seed_alert

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@dataclass
class Receiver:
    """An HTTP server on loopback that keeps what it is sent and answers as it is told."""

    answers: list[int] = field(default_factory=list)
    got: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    def answer(self) -> int:
        return self.answers.pop(0) if self.answers else 204


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            found.got.append(({name.lower(): value for name, value in self.headers.items()}, body))
            status = found.answer()
            self.send_response(status)
            if status == 302:
                self.send_header("location", f"{found.url}/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    found.url = f"http://127.0.0.1:{server.server_address[1]}/alerts"
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def connection(database_url: str, zones: list[Zone]) -> Iterator[Connection]:
    with connect(database_url) as found:
        import_zones(found, zones)
        yield found


@pytest.fixture
def wall() -> ManualClock:
    return ManualClock(SystemClock().now())


def teller_of(connection: Connection, receiver: Receiver, clock: ManualClock, wall: ManualClock) -> Teller:
    return Teller(connection, [WebhookConfig("office", receiver.url, SECRET)], clock, wall=wall)


def deliveries(connection: Connection) -> list[tuple[object, ...]]:
    return connection.execute(
        "SELECT e.kind, d.state, d.attempts, d.status FROM webhook_delivery d JOIN alert_event e USING (event_id)"
        " ORDER BY webhook_delivery_id"
    ).fetchall()


def all_of(teller: Teller) -> int:
    told = 0
    while teller.work():
        told += 1
    return told


@pytest.mark.db
def test_a_receiver_verifies_the_story_of_an_alert(
    connection: Connection, receiver: Receiver, clock: ManualClock, wall: ManualClock
) -> None:
    teller = teller_of(connection, receiver, clock, wall)
    alert = seed_alert(connection, "zone-3", "pump_not_running", code="A7", opened_at=clock.now())
    acknowledge(connection, alert, who="Awa", now=clock.now() + timedelta(minutes=4))
    assert all_of(teller) == 1, "what is dated into the future waits"
    clock.advance(timedelta(minutes=5))
    assert all_of(teller) == 1
    headers, body = receiver.got[0]
    Webhook(SECRET).verify(body, headers)  # the library of Standard Webhooks, as a receiver would use it
    event = json.loads(body)
    assert (event["specversion"], event["type"], event["subject"]) == ("1.0", "ndiyan.alert.opened", "A7")
    assert event["data"] | {"zone": "zone-3", "fault": "pump_not_running", "severity": 3} == event["data"]
    assert [json.loads(body)["type"] for _, body in receiver.got] == [
        "ndiyan.alert.opened",
        "ndiyan.alert.acknowledged",
    ]
    assert json.loads(receiver.got[1][1])["data"]["who"] == "Awa"
    assert deliveries(connection) == [("opened", "delivered", 1, 204), ("acknowledged", "delivered", 1, 204)]
    assert all_of(teller) == 0, "nothing is told twice"
    close(connection, alert, cause="cleaned", words="", who="Awa", now=clock.now())
    assert all_of(teller) == 1
    closed = json.loads(receiver.got[2][1])
    assert (closed["type"], closed["data"]["state"]) == ("ndiyan.alert.closed", "resolved")
    teller.close()


@pytest.mark.db
def test_a_receiver_hears_of_what_outlived_its_cause_and_of_what_came_back_but_not_of_every_step(
    connection: Connection, receiver: Receiver, clock: ManualClock, wall: ManualClock
) -> None:
    teller = teller_of(connection, receiver, clock, wall)
    alert = seed_alert(connection, "zone-3", "pump_not_running", code="A7", opened_at=clock.now())
    for kind in ("outlived", "told_again", "sms_queued"):
        connection.execute(
            "INSERT INTO alert_event (alert_id, at, kind, who, detail) VALUES (%s, %s, %s, 'ndiyan', '{}')",
            [alert, clock.now(), kind],
        )
    assert all_of(teller) == 3
    assert [json.loads(body)["type"] for _, body in receiver.got] == [
        "ndiyan.alert.opened", "ndiyan.alert.outlived", "ndiyan.alert.told_again",
    ]  # fmt: skip
    teller.close()


@pytest.mark.db
def test_what_was_changed_forged_or_recorded_does_not_verify(
    connection: Connection, receiver: Receiver, clock: ManualClock, wall: ManualClock
) -> None:
    wall.advance(-timedelta(minutes=6))
    teller = teller_of(connection, receiver, clock, wall)
    seed_alert(connection, "zone-3", "pump_not_running", code="A7", opened_at=clock.now())
    assert all_of(teller) == 1
    headers, body = receiver.got[0]
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(SECRET).verify(body, headers)
    fresh = headers | {"webhook-timestamp": str(int(SystemClock().now().timestamp()))}
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Webhook(SECRET).verify(body, fresh)
    stamp = int(fresh["webhook-timestamp"])
    right = fresh | {
        "webhook-signature": signature(SECRET, message_id=headers["webhook-id"], timestamp=stamp, body=body)
    }
    Webhook(SECRET).verify(body, right)
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Webhook(SECRET).verify(body.replace(b"zone-3", b"zone-4"), right)
    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Webhook("whsec_" + "A" * 32).verify(body, right)
    teller.close()


@pytest.mark.db
def test_a_receiver_that_refuses_is_asked_again_later_and_gets_the_same_id(
    connection: Connection, receiver: Receiver, clock: ManualClock, wall: ManualClock
) -> None:
    receiver.answers = [500, 302, 429]
    teller = teller_of(connection, receiver, clock, wall)
    seed_alert(connection, "zone-3", "pump_not_running", code="A7", opened_at=clock.now())
    assert all_of(teller) == 1
    assert deliveries(connection) == [("opened", "waiting", 1, 500)]
    clock.advance(timedelta(seconds=4))
    assert all_of(teller) == 0
    clock.advance(timedelta(seconds=1))
    assert all_of(teller) == 1
    assert deliveries(connection) == [("opened", "waiting", 2, 302)], "a redirect is not followed"
    for pause in (RETRIES[1], RETRIES[2]):
        clock.advance(pause)
        assert all_of(teller) == 1
    assert deliveries(connection) == [("opened", "delivered", 4, 204)]
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert len({body for _, body in receiver.got}) == 1
    teller.close()


@pytest.mark.db
def test_what_happened_while_the_clock_was_ahead_is_told_once_it_was_set_back(
    connection: Connection, receiver: Receiver, clock: ManualClock, wall: ManualClock
) -> None:
    right_at, set_back = clock.now(), SetBack(connection)
    teller = teller_of(connection, receiver, clock, wall)
    clock.advance(timedelta(hours=12))
    set_back.look(clock.now())
    seed_alert(connection, "zone-3", "pump_not_running", code="A7", opened_at=clock.now())
    receiver.answers = [500]
    assert all_of(teller) == 1
    seed_alert(connection, "zone-5", "pump_not_running", code="A8", opened_at=clock.now())
    clock.set(right_at)
    set_back.look(clock.now())
    assert all_of(teller) == 2
    teller.close()


@pytest.mark.db
def test_a_receiver_that_is_away_for_days_is_given_up_and_may_be_asked_once_more(
    connection: Connection, receiver: Receiver, clock: ManualClock, wall: ManualClock
) -> None:
    teller = Teller(connection, [WebhookConfig("office", "http://127.0.0.1:9/nobody", SECRET)], clock, wall=wall)
    seed_alert(connection, "zone-3", "pump_not_running", code="A7", opened_at=clock.now())
    for pause in (timedelta(0), *RETRIES):
        clock.advance(pause)
        assert all_of(teller) == 1
    assert deliveries(connection) == [("opened", "given_up", 1 + len(RETRIES), None)]
    (error,) = connection.execute("SELECT error FROM webhook_delivery").fetchone() or ("",)
    assert error.startswith("ConnectError")
    clock.advance(timedelta(days=30))
    assert all_of(teller) == 0
    assert [one.given_up for one in fetch_webhooks(connection)] == [1]
    assert try_again(connection, "nobody", now=clock.now()) == 0
    assert try_again(connection, "office", now=clock.now()) == 1
    again = teller_of(connection, receiver, clock, wall)
    assert all_of(again) == 1
    assert deliveries(connection)[0][1] == "delivered"
    again.close()
    teller.close()


@pytest.mark.db
def test_whoever_is_gone_is_not_asked_again(
    connection: Connection, receiver: Receiver, clock: ManualClock, wall: ManualClock
) -> None:
    receiver.answers = [410]
    teller = teller_of(connection, receiver, clock, wall)
    seed_alert(connection, "zone-3", "pump_not_running", code="A7", opened_at=clock.now())
    assert all_of(teller) == 1
    assert deliveries(connection) == [("opened", "given_up", 1, 410)]
    teller.close()


@pytest.mark.db
def test_only_webhooks_of_the_settings_are_told_and_only_from_then_on(
    connection: Connection, receiver: Receiver, clock: ManualClock, wall: ManualClock
) -> None:
    seed_alert(connection, "zone-1", "dry_running", code="A1", opened_at=clock.now())
    teller = teller_of(connection, receiver, clock, wall)
    seed_alert(connection, "zone-3", "pump_not_running", code="A7", opened_at=clock.now())
    assert all_of(teller) == 1
    teller.close()
    nobody = Teller(connection, [], clock, wall=wall)
    seed_alert(connection, "zone-4", "pump_not_running", code="A8", opened_at=clock.now())
    assert all_of(nobody) == 0
    assert len(deliveries(connection)) == 1
    nobody.close()


@pytest.mark.db
def test_an_event_that_was_rolled_back_is_told_to_nobody(
    connection: Connection, receiver: Receiver, clock: ManualClock, wall: ManualClock
) -> None:
    teller = teller_of(connection, receiver, clock, wall)
    with connection.transaction():
        seed_alert(connection, "zone-3", "pump_not_running", code="A7", opened_at=clock.now())
        raise psycopg.Rollback
    assert all_of(teller) == 0
    assert receiver.got == []
    teller.close()


def test_pauses_grow_to_a_day_and_end_after_ten_attempts(clock: ManualClock) -> None:
    now: datetime = clock.now()
    tries = [next_try(attempts, now=now) for attempts in range(1, 11)]
    assert tries[0] == now + timedelta(seconds=5)
    assert tries[8] == now + timedelta(days=1)
    assert tries[9] is None


def test_settings_name_what_is_wrong_with_a_webhook() -> None:
    good = {"office": {"url": "https://example.org/ndiyan"}}
    secret = {"NDIYAN_WEBHOOKS_OFFICE_SECRET": "x" * 24}
    (config,) = read_webhooks(good, secret)
    assert config == WebhookConfig("office", "https://example.org/ndiyan", "x" * 24)
    assert "x" * 24 not in repr(config)
    for tables, environment, message in (
        ({"Office": good["office"]}, secret, "'Office' is no name"),
        ({"office": {"url": "ftp://x"}}, secret, r"webhooks\.office\.url: 'ftp://x' does not begin"),
        ({"office": {"url": "https://x", "secret": "y"}}, secret, "it has one key, url"),
        ({"office": 3}, secret, "it has one key, url"),
        (
            good,
            {"NDIYAN_WEBHOOKS_OFFICE_SECRET": "whsec_" + "x" * 22},
            r"OFFICE_SECRET: what follows whsec_ is not base64",
        ),
        (good, {}, "NDIYAN_WEBHOOKS_OFFICE_SECRET: the secret has 0 bytes, fewer than 24"),
    ):
        with pytest.raises(WebhookRefused, match=message):
            read_webhooks(tables, environment)


@pytest.mark.db
def test_who_has_it_tried_again_by_hand_is_in_the_journal(
    connection: Connection, database_url: str, clock: ManualClock, wall: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    Teller(connection, [WebhookConfig("office", "http://127.0.0.1:9/nobody", SECRET)], clock, wall=wall).close()
    seed_alert(connection, "zone-3", "pump_not_running", code="A7", opened_at=clock.now())
    connection.execute("UPDATE webhook_delivery SET state = 'given_up'")
    monkeypatch.setenv("NDIYAN_DATABASE_URL", database_url)
    for told in ("1 are tried again", "0 are tried again"):
        assert told in CliRunner().invoke(app, ["webhooks", "--again", "office"]).output
    assert connection.execute("SELECT who, what, subject, after FROM audit_log").fetchall() == [
        ("server (CLI)", "webhook_retried", "office", {"events": 1})
    ]
