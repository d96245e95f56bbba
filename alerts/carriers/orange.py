"""Orange Developer's "SMS Africa and Middle East" for Guinea.

It knows no reference of ours, so a request without an answer stays uncertain for ever; hence one at a time. Receipts
and inbound SMS must be asked for by its form and then come to `/sms/NAME/SECRET/receipt` and `…/inbound`.
Source: developer.orange.com/apis/sms/getting-started, and the GSMA OneAPI statuses that it uses.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx

from alerts.carriers import (
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
    Throttled,
    came_at,
)
from alerts.carriers.options import Options, e164
from alerts.carriers.over_http import outcome_of_failure, retry_after_s
from gateway.clock import require_utc, uptime_s

COUNTRY = "GIN"
EARLY_S = 60.0  # a token is renewed so long before its end
FATES = {
    "DeliveredToNetwork": Fate.ON_THE_NETWORK,
    "MessageWaiting": Fate.ON_THE_NETWORK,
    "DeliveredToTerminal": Fate.DELIVERED,
    "DeliveryImpossible": Fate.UNDELIVERED,
    "DeliveryUncertain": Fate.UNKNOWN,
}
TOO_MANY = "POL0003"


@dataclass(frozen=True, slots=True)
class OrangeConfig:
    """One application of the developer's account."""

    name: str
    url: str
    client_id: str
    client_secret: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    sender: str
    sender_name: str
    per_s: float
    receipt_within: timedelta
    low_balance: float

    @classmethod
    def from_table(cls, name: str, table: Mapping[str, object], environment: Mapping[str, str]) -> OrangeConfig:
        """Read `[sms.NAME]`.

        Raises
        ------
        CarrierRefused : a key is unknown, of the wrong kind or out of bounds, or a secret is not set
        """
        options = Options(name, table, environment)
        config = cls(
            name,
            options.address("url", "https://api.orange.com"),
            options.text("client_id"),
            options.secret("client_secret"),
            options.secret("webhook_secret", shortest=24),
            options.text("sender", "+2240000"),
            options.text("sender_name", ""),
            options.number("per_s", 1, low=0.01, high=100),
            options.receipt_within(600),
            options.number("low_balance", 100, low=0, high=1_000_000),
        )
        options.end()
        return config


class OrangeRoute:
    """What Orange is asked and what it tells; used by one thread, because its window is one."""

    def __init__(self, config: OrangeConfig) -> None:
        self._config = config
        self._token, self._token_until_s = "", float("-inf")

    @property
    def caps(self) -> Capabilities:
        """Receipts and answers when Orange has been asked for them; a repeat is a second SMS."""
        return Capabilities(
            two_way=not self._config.sender_name, receipts=Receipts.HANDSET, is_handover_atomic=False,
            is_repeat_harmless=False, per_s=self._config.per_s, window=1,
            receipt_within=self._config.receipt_within,
        )  # fmt: skip

    def send(self, client: httpx.Client, message: Outgoing) -> Outcome:
        """One request; once more with a new token when the old one was refused, because nothing left then."""
        refused = self._renew(client)
        if refused:
            return refused
        answer = self._post(client, message)
        if answer.status_code == 401:
            self._token_until_s = float("-inf")
            refused = self._renew(client)
            if refused:
                return refused
            answer = self._post(client, message)
        if answer.status_code == 201:
            return Accepted(answer.json()["outboundSMSMessageRequest"]["resourceURL"].rstrip("/").rpartition("/")[2])
        return _failure(answer)

    def look(self, client: httpx.Client) -> Health:
        """What is left of the bundle for Guinea, and until when: of several contracts all that is left together."""
        refused = self._renew(client)
        if refused:
            return Health(False, "Orange refuses our account")
        answer = client.get(
            f"{self._config.url}/sms/admin/v1/contracts", params={"country": COUNTRY}, headers=self._headers()
        )
        if not answer.is_success:
            return Health(True, f"the bundle is not told (HTTP {answer.status_code})")
        ours = [one for one in answer.json() if one["country"] == COUNTRY and one["status"] == "ACTIVE"]
        left = sum(float(one["availableUnits"]) for one in ours)
        ends = [_time(one["expirationDate"]) for one in ours if float(one["availableUnits"]) > 0]
        detail = "" if left else "the bundle is used up or over"
        return Health(left > 0, detail, left, "SMS", min(ends, default=None), self._config.low_balance)

    def read(self, kind: str, fields: dict[str, Any], received_at: datetime) -> Iterable[Event]:
        """A delivery report or an SMS; the route tells no reference of ours."""
        if kind == "receipt":
            told = fields["deliveryInfoNotification"]
            info = told["deliveryInfo"]
            yield Receipt(
                (told["callbackData"],), FATES.get(info["deliveryStatus"], Fate.UNKNOWN), received_at,
                info["deliveryStatus"], phone=_phone(info["address"]),
            )  # fmt: skip
        else:
            told = fields["inboundSMSMessageNotification"]["inboundSMSMessage"]
            phone, text = _phone(told["senderAddress"]), told["message"]
            at = _time(told["dateTime"]) if told.get("dateTime") else received_at
            # `messageId` is sometimes absent; then what was sent and when says which one it is.
            number = told.get("messageId") or "\0".join((phone, at.isoformat(), text))
            yield Inbound(hashlib.sha256(number.encode()).hexdigest()[:32], phone, text, came_at(at, received_at))

    def _renew(self, client: httpx.Client) -> Outcome | None:
        """A token that lasts, or why there is none; a message has not left for want of one."""
        if uptime_s() < self._token_until_s:
            return None
        try:
            answer = client.post(
                f"{self._config.url}/oauth/v3/token",
                auth=(self._config.client_id, self._config.client_secret),
                data={"grant_type": "client_credentials"},
            )
        except httpx.HTTPError as error:
            return Refused(f"no token ({type(error).__name__})", is_permanent=False)
        if answer.status_code == 429:
            return Throttled(retry_after_s(answer))
        if not answer.is_success:
            return Refused(f"no token (HTTP {answer.status_code})", is_permanent=False)
        found = answer.json()
        self._token = found["access_token"]
        self._token_until_s = uptime_s() + float(found["expires_in"]) - EARLY_S
        return None

    def _headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._token}", "accept": "application/json"}

    def _post(self, client: httpx.Client, message: Outgoing) -> httpx.Response:
        sender = f"tel:{self._config.sender}"
        request: dict[str, Any] = {
            "address": f"tel:{message.phone}",
            "senderAddress": sender,
            "outboundSMSTextMessage": {"message": message.text},
        }
        if self._config.sender_name:
            request["senderName"] = self._config.sender_name
        return client.post(
            f"{self._config.url}/smsmessaging/v1/outbound/{quote(sender, safe='')}/requests",
            json={"outboundSMSMessageRequest": request},
            headers=self._headers(),
        )


def _failure(answer: httpx.Response) -> Outcome:
    code = _code(answer)
    if code == TOO_MANY:
        return Throttled(retry_after_s(answer))
    return outcome_of_failure(answer, f"HTTP {answer.status_code} {code}".strip())


def _code(answer: httpx.Response) -> str:
    """SVC0004, POL0001 and the like; nothing when the answer is of another shape."""
    try:
        error = answer.json()["requestError"]
    except (json.JSONDecodeError, KeyError, TypeError):
        return ""
    found = error.get("serviceException") or error.get("policyException") or {}
    return str(found.get("messageId", ""))


def _phone(address: str) -> str:
    return e164(address.removeprefix("tel:"))


def _time(text: str) -> datetime:
    """Orange writes UTC, with `Z` or without."""
    found = datetime.fromisoformat(text)
    return require_utc(found if found.tzinfo else found.replace(tzinfo=UTC))
