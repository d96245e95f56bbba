"""Orange's route against a STAND-IN: nobody can install Orange. Shapes from developer.orange.com/apis/sms."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from alerts.carriers import Accepted, Fate, Inbound, Outcome, Receipt, Refused, Throttled, Uncertain
from alerts.carriers.orange import OrangeConfig, OrangeRoute
from tests.alerts.carriers.listening import NUMBER, Listener
from tests.alerts.carriers.smsd import wait_until
from tests.alerts.carriers.stand_in import Asked, standing_in

pytestmark = pytest.mark.db
SECRETS = {
    "NDIYAN_SMS_ORANGE_CLIENT_SECRET": "s3cret",
    "NDIYAN_SMS_ORANGE_WEBHOOK_SECRET": "a-secret-of-the-orange-tests",
}
SENT = '{"outboundSMSMessageRequest": {"resourceURL": "https://x/outbound/tel:+2240000/requests/abc-1"}}'
CONTRACTS = json.dumps(
    [
        {"country": "GIN", "status": "ACTIVE", "availableUnits": 40, "expirationDate": "2026-12-24T10:00:00.000Z"},
        {"country": "GIN", "status": "ACTIVE", "availableUnits": 500, "expirationDate": "2026-12-01T10:00:00.000Z"},
        {"country": "GIN", "status": "EXPIRED", "availableUnits": 9, "expirationDate": "2026-01-01T10:00:00.000Z"},
        {"country": "CIV", "status": "ACTIVE", "availableUnits": 7, "expirationDate": "2026-11-30T10:00:00.000Z"},
    ]
)


def orange(url: str) -> OrangeRoute:
    table = {"kind": "orange", "client_id": "me", "url": url}
    return OrangeRoute(OrangeConfig.from_table("orange", table, SECRETS))


class Orange:
    """Tokens by number, one answer for messages, the contracts."""

    def __init__(self, answer: tuple[int, str] | None = (201, SENT), *, lasts_s: int = 3600) -> None:
        self.answer, self.lasts_s, self.tokens, self.valid = answer, lasts_s, 0, ""

    def __call__(self, asked: Asked) -> tuple[int, str] | None:
        if asked.path.startswith("/oauth/v3/token"):
            self.tokens += 1
            self.valid = f"Bearer token-{self.tokens}"
            body = {"access_token": f"token-{self.tokens}", "token_type": "Bearer", "expires_in": self.lasts_s}
            return 200, json.dumps(body)
        if asked.headers.get("authorization") != self.valid:
            return 401, '{"code": 42, "message": "Expired credentials"}'
        return (200, CONTRACTS) if "contracts" in asked.path else self.answer


def test_a_message_is_asked_for_as_documented_and_its_id_is_the_end_of_the_address(database_url: str) -> None:
    with standing_in(Orange()) as peer:
        listener = Listener(database_url, "orange", orange(peer.url))
        assert listener.outcome("A1 reçu") == Accepted("abc-1")
        (asked,) = peer.posts("/smsmessaging/")
        assert asked.path == "/smsmessaging/v1/outbound/tel%3A%2B2240000/requests"
        assert json.loads(asked.body)["outboundSMSMessageRequest"] == {
            "address": f"tel:{NUMBER}",
            "senderAddress": "tel:+2240000",
            "outboundSMSTextMessage": {"message": "A1 reçu"},
        }
        listener.close()


def test_a_token_is_used_again_and_renewed_before_its_end(database_url: str) -> None:
    lasting, ending = Orange(), Orange(lasts_s=30)
    for provider, tokens in ((lasting, 1), (ending, 3)):
        with standing_in(provider) as peer:
            route = orange(peer.url)
            listener = Listener(database_url, "orange", route)
            wait_until(lambda: listener.carrier.health().balance is not None, "the first look")  # noqa: B023
            listener.outcome()
            listener.outcome()
            assert provider.tokens == tokens
            listener.close()


def test_a_token_that_was_taken_back_is_renewed_once_and_the_message_leaves_once(database_url: str) -> None:
    provider = Orange()
    with standing_in(provider) as peer:
        listener = Listener(database_url, "orange", orange(peer.url))
        listener.outcome()
        provider.valid = "Bearer another"
        assert listener.outcome("A2") == Accepted("abc-1")
        assert [json.loads(one.body)["outboundSMSMessageRequest"]["outboundSMSTextMessage"]["message"]
                for one in peer.posts("/smsmessaging/")] == ["A1 POMPE ARRETEE", "A2", "A2"]  # fmt: skip
        listener.close()


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        pytest.param(None, Uncertain("no answer (RemoteProtocolError)"), id="no-answer-is-uncertain-for-ever"),
        pytest.param((503, ""), Uncertain("HTTP 503"), id="a-gateway-before-it"),
        pytest.param(
            (400, '{"requestError": {"serviceException": {"messageId": "SVC0004", "text": "No valid addresses"}}}'),
            Refused("HTTP 400 SVC0004", is_permanent=True),
            id="no-such-number",
        ),
        pytest.param(
            (403, '{"requestError": {"policyException": {"messageId": "POL0001", "text": "policy"}}}'),
            Refused("HTTP 403 POL0001", is_permanent=False),
            id="bundle-used-up",
        ),
        pytest.param(
            (403, '{"requestError": {"policyException": {"messageId": "POL0003", "text": "too many"}}}'),
            Throttled(30.0),
            id="too-many",
        ),
    ],
)
def test_its_errors_are_told_apart(database_url: str, answer: tuple[int, str] | None, outcome: Outcome) -> None:
    with standing_in(Orange(answer)) as peer:
        listener = Listener(database_url, "orange", orange(peer.url))
        assert listener.outcome() == outcome
        assert len(peer.posts("/smsmessaging/")) == 1
        listener.close()


def test_the_bundle_of_guinea_is_told_with_the_end_that_comes_first(database_url: str) -> None:
    with standing_in(Orange()) as peer:
        listener = Listener(database_url, "orange", orange(peer.url))
        wait_until(lambda: listener.carrier.health().balance is not None, "the first look")
        health = listener.carrier.health()
        assert (health.is_up, health.balance, health.balance_unit) == (True, 540, "SMS")
        assert health.expires_at == datetime(2026, 12, 1, 10, tzinfo=UTC)
        listener.close()


@pytest.mark.parametrize(("told_min", "came_min"), [(-3, 0), (3, 0), (-60, -60)])
def test_an_answer_came_when_we_heard_of_it_where_its_clock_differs_a_little(told_min: int, came_min: int) -> None:
    heard_at = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
    told_at = heard_at + timedelta(minutes=told_min)
    sms = {"senderAddress": f"tel:{NUMBER}", "message": "1", "dateTime": told_at.isoformat()}
    fields = {"inboundSMSMessageNotification": {"inboundSMSMessage": sms}}
    (one,) = orange("http://127.0.0.1").read("inbound", fields, heard_at)
    (again,) = orange("http://127.0.0.1").read("inbound", fields, heard_at + timedelta(minutes=1))
    assert isinstance(one, Inbound)
    assert isinstance(again, Inbound)
    assert (one.at, one.provider_id) == (heard_at + timedelta(minutes=came_min), again.provider_id)


def test_its_reports_and_answers_are_read(database_url: str) -> None:
    with standing_in(Orange()) as peer:
        listener = Listener(database_url, "orange", orange(peer.url))
        for number, status in enumerate(("DeliveredToNetwork", "DeliveredToTerminal", "DeliveryImpossible", "New")):
            info = {"address": f"tel:{NUMBER}", "deliveryStatus": status}
            told = {"deliveryInfoNotification": {"callbackData": f"abc-{number}", "deliveryInfo": info}}
            listener.webhook("receipt", json.dumps(told))
        sms = {
            "senderAddress": f"tel:{NUMBER}",
            "destinationAddress": "x",
            "message": "1",
            "dateTime": "2026-03-02T09:00:00",
        }
        listener.webhook("inbound", json.dumps({"inboundSMSMessageNotification": {"inboundSMSMessage": sms}}))
        listener.hear(lambda told: len(told) >= 5, "all were read")
        receipts = [(event.provider_ids, event.fate) for event in listener.told if isinstance(event, Receipt)]
        assert receipts == [
            (("abc-0",), Fate.ON_THE_NETWORK), (("abc-1",), Fate.DELIVERED), (("abc-2",), Fate.UNDELIVERED),
            (("abc-3",), Fate.UNKNOWN),
        ]  # fmt: skip
        (inbound,) = (event for event in listener.told if isinstance(event, Inbound))
        assert (inbound.phone, inbound.text, inbound.at) == (NUMBER, "1", datetime(2026, 3, 2, 9, tzinfo=UTC))
        listener.close()
