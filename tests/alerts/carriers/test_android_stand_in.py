"""The Android app's route against a STAND-IN: no phone is here. Shapes from the app's docs (docs.sms-gate.app)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from alerts.carriers import Accepted, Fate, Inbound, Receipt, Refused, Uncertain
from alerts.carriers.android import TRIES, AndroidConfig, AndroidRoute
from alerts.carriers.pace import Pace
from tests.alerts.carriers.listening import NUMBER, Listener
from tests.alerts.carriers.smsd import wait_until
from tests.alerts.carriers.stand_in import Asked, standing_in

pytestmark = pytest.mark.db
SECRETS = {"NDIYAN_SMS_PHONE1_PASSWORD": "p", "NDIYAN_SMS_PHONE1_SIGNING_KEY": "abcdefgh"}


def android(url: str) -> AndroidRoute:
    table = {"kind": "android", "url": url, "user": "sms", "sim": 2}
    return AndroidRoute(AndroidConfig.from_table("phone1", table, SECRETS))


class App:
    """Takes each id once (409 after that); loses the first `lost` answers on the way back."""

    def __init__(self, *, lost: int = 0, answer: tuple[int, str] = (202, "{}")) -> None:
        self.lost, self.answer, self.messages = lost, answer, {}

    def __call__(self, asked: Asked) -> tuple[int, str] | None:
        if asked.path == "/health":
            body = {"status": "pass", "checks": {"battery:level": {"observedValue": 63, "observedUnit": "percent"}}}
            return 200, json.dumps(body)
        body = json.loads(asked.body)
        is_new = body["id"] not in self.messages
        if self.answer[0] == 202:
            self.messages[body["id"]] = body
        if self.lost:
            self.lost -= 1
            return None
        return self.answer if is_new else (409, '{"message": "already exists"}')


def test_a_message_carries_our_id_and_asks_for_a_report(database_url: str) -> None:
    app = App()
    with standing_in(app) as peer:
        listener = Listener(database_url, "phone1", android(peer.url))
        message = listener.submit()
        listener.hear(lambda told: len(told) == 1, "an outcome")
        (body,) = app.messages.values()
        assert body["id"] == str(message.ref)
        assert body["textMessage"] == {"text": "A1 POMPE ARRETEE"}
        assert (body["phoneNumbers"], body["withDeliveryReport"], body["simNumber"]) == ([NUMBER], True, 2)
        assert body["validUntil"] == message.valid_until.isoformat(timespec="milliseconds")
        (asked,) = peer.posts("/message")
        assert asked.headers["authorization"] == "Basic c21zOnA="  # sms:p
        listener.close()


def test_answers_that_are_lost_are_asked_for_until_409_says_it_is_there(database_url: str) -> None:
    app = App(lost=2)
    with standing_in(app) as peer:
        listener = Listener(database_url, "phone1", android(peer.url))
        ref = listener.submit().ref
        listener.hear(lambda told: len(told) == 1, "an outcome")
        assert [getattr(event, "outcome", None) for event in listener.told] == [Accepted(str(ref))]
        assert len(peer.posts("/message")) == 3
        assert len(app.messages) == 1
        listener.close()


def test_a_phone_that_does_not_answer_leaves_it_uncertain_and_a_repeat_is_harmless(database_url: str) -> None:
    app = App(lost=TRIES)
    with standing_in(app) as peer:
        listener = Listener(database_url, "phone1", android(peer.url))
        message = listener.submit()
        listener.hear(lambda told: len(told) == 1, "an outcome")
        listener.carrier.submit([message])
        listener.hear(lambda told: len(told) == 2, "an outcome of the repeat")
        outcomes = [getattr(event, "outcome", None) for event in listener.told]
        assert outcomes == [Uncertain("no answer (RemoteProtocolError)"), Accepted(str(message.ref))]
        assert len(app.messages) == 1
        assert listener.carrier.caps.is_repeat_harmless
        listener.close()


def test_a_wrong_account_is_no_fault_of_the_message(database_url: str) -> None:
    with standing_in(App(answer=(401, "{}"))) as peer:
        listener = Listener(database_url, "phone1", android(peer.url))
        assert listener.outcome() == Refused("HTTP 401", is_permanent=False)
        wait_until(lambda: listener.carrier.health().detail == "battery 63 %", "the first look")
        listener.close()


def test_no_half_hour_holds_more_than_the_telephone_lets_an_app_send() -> None:
    caps = android("http://127.0.0.1").caps
    pace, now, left = Pace(caps.per_s, at_once=caps.at_once), 0.0, []
    while len(left) < 100:
        now += pace.wait_s(now)
        pace.left(now)
        left.append(now)
    assert left[24] == 0.0
    assert all(late - early > 1800.0 for early, late in zip(left, left[25:], strict=False))


def test_its_webhooks_are_read_in_the_older_and_the_newer_spelling(database_url: str) -> None:
    with standing_in(App()) as peer:
        listener = Listener(database_url, "phone1", android(peer.url))
        ref = "0a2b0f5e-3d0c-4b3e-9d0c-1f2e3d4c5b6a"
        old = {
            "messageId": "abc",
            "message": "2",
            "phoneNumber": "622123456",
            "receivedAt": "2026-03-02T09:00:00.000+00:00",
        }
        new = {"messageId": "abc", "message": "2", "sender": NUMBER, "receivedAt": "2026-03-02T11:05:00.000+02:00"}
        events = [
            ("sms:received", old),
            ("sms:received", new),
            ("sms:sent", {"messageId": ref, "recipient": NUMBER, "sentAt": "2026-03-02T09:01:00.000Z"}),
            ("sms:delivered", {"messageId": ref, "phoneNumber": NUMBER, "deliveredAt": "2026-03-02T09:02:00.000Z"}),
            (
                "sms:failed",
                {"messageId": ref, "phoneNumber": NUMBER, "failedAt": "2026-03-02T09:03:00Z", "reason": "x"},
            ),
            ("system:ping", {"health": {}}),
        ]
        for number, (name, payload) in enumerate(events):
            listener.webhook("event", json.dumps({"event": name, "id": str(number), "payload": payload}))
        listener.hear(lambda told: len(told) >= 5, "all were read")
        inbound = [event for event in listener.told if isinstance(event, Inbound)]
        assert [(one.phone, one.text) for one in inbound] == [(NUMBER, "2")] * 2
        assert inbound[0].provider_id != inbound[1].provider_id  # a second "2" is a second answer
        assert inbound[1].at == datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
        receipts = [event for event in listener.told if isinstance(event, Receipt)]
        assert [one.fate for one in receipts] == [Fate.ON_THE_NETWORK, Fate.DELIVERED, Fate.UNDELIVERED]
        assert [one.never_left for one in receipts] == [False, False, True]
        assert {str(one.ref) for one in receipts} == {ref}
        assert list(listener.carrier.events()) == []
        listener.close()


@pytest.mark.parametrize(
    ("told_min", "came_min"),
    [
        pytest.param(-5, 0, id="its-clock-is-behind"),
        pytest.param(5, 0, id="its-clock-is-ahead"),
        pytest.param(-6, -6, id="it-waited-for-a-network"),
    ],
)
def test_an_answer_came_when_we_heard_of_it_where_the_telephone_s_clock_may_differ(
    told_min: int, came_min: int
) -> None:
    heard_at = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
    told_at, came_at = (heard_at + timedelta(minutes=minutes) for minutes in (told_min, came_min))
    payload = {"messageId": "abc", "message": "1", "sender": NUMBER, "receivedAt": told_at.isoformat()}
    route = android("http://127.0.0.1")
    (one,) = route.read("event", {"event": "sms:received", "payload": payload}, heard_at)
    (again,) = route.read("event", {"event": "sms:received", "payload": payload}, heard_at + timedelta(minutes=1))
    assert isinstance(one, Inbound)
    assert isinstance(again, Inbound)
    assert (one.at, one.provider_id) == (came_at, again.provider_id)
