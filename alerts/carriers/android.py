"""An Android phone with the app "SMS Gateway for Android" (capcom6), on the phone itself or on a private server.

The id is ours and the app refuses a second message of the same id (409), so asking again until it has an answer hands a
message over exactly once. Source: the app's swagger.json and docs.sms-gate.app, features/webhooks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

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
    Uncertain,
    Urgency,
    came_at,
)
from alerts.carriers.options import Options, e164
from alerts.carriers.over_http import outcome_of_failure
from gateway.clock import require_utc

TRIES = 4
NOT_SENT = "sms:failed"
FATES = {
    "sms:sent": (Fate.ON_THE_NETWORK, "sentAt"),
    "sms:delivered": (Fate.DELIVERED, "deliveredAt"),
    NOT_SENT: (Fate.UNDELIVERED, "failedAt"),
    "sms:cancelled": (Fate.UNDELIVERED, "cancelledAt"),
}
# Android lets an app send 30 parts in 30 minutes unless a setting of the phone is raised (SMS.md §1.2); another app may
# send a few of them (§7.4).
AT_ONCE, WITHIN_S = 25, 1800.0
URGENT = 100  # from here on the app does not hold a message back for its own limits


@dataclass(frozen=True, slots=True)
class AndroidConfig:
    """One phone: the address of its API (`http://PHONE:8080`, or `https://SERVER/3rdparty/v1`) and its account."""

    name: str
    url: str
    user: str
    password: str = field(repr=False)
    signing_key: str = field(repr=False)
    sim: int
    per_s: float
    window: int
    receipt_within: timedelta

    @classmethod
    def from_table(cls, name: str, table: Mapping[str, object], environment: Mapping[str, str]) -> AndroidConfig:
        """Read `[sms.NAME]`.

        Raises
        ------
        CarrierRefused : a key is unknown, of the wrong kind or out of bounds, or a secret is not set
        """
        options = Options(name, table, environment)
        config = cls(
            name,
            options.address("url"),
            options.text("user"),
            options.secret("password"),
            options.secret("signing_key", shortest=8),
            options.whole("sim", 0, low=0, high=3),
            options.number("per_s", AT_ONCE / WITHIN_S, low=0.001, high=10),
            options.whole("window", 4, low=1, high=100),
            options.receipt_within(180),
        )
        options.end()
        return config


class AndroidRoute:
    """What the app is asked and what it tells."""

    def __init__(self, config: AndroidConfig) -> None:
        self._config = config
        self._account = (config.user, config.password)

    @property
    def caps(self) -> Capabilities:
        """Both ways, receipts from the handset, and the same again is the same."""
        return Capabilities(
            two_way=True, receipts=Receipts.HANDSET, is_handover_atomic=False, is_repeat_harmless=True,
            per_s=self._config.per_s, window=self._config.window, receipt_within=self._config.receipt_within,
            at_once=AT_ONCE,
        )  # fmt: skip

    def send(self, client: httpx.Client, message: Outgoing) -> Outcome:
        """Ask until it says 202 or that it has it already."""
        body: dict[str, Any] = {
            "id": str(message.ref),
            "textMessage": {"text": message.text},
            "phoneNumbers": [message.phone],
            "withDeliveryReport": True,
            "validUntil": message.valid_until.isoformat(timespec="milliseconds"),
            "priority": URGENT if message.urgency >= Urgency.ALERT else int(message.urgency),
        }
        if self._config.sim:
            body["simNumber"] = self._config.sim
        for _ in range(TRIES - 1):
            try:
                return self._post(client, body)
            except httpx.TransportError:
                continue
        return self._post(client, body)

    def look(self, client: httpx.Client) -> Health:
        """The app's own health check; it needs no account."""
        answer = client.get(f"{self._config.url}/health")
        found = answer.json() if answer.headers.get("content-type", "").startswith("application/json") else {}
        status = str(found.get("status", answer.status_code))
        battery = found.get("checks", {}).get("battery:level", {}).get("observedValue")
        words = [f"the app says {status}"] if status != "pass" else []
        words += [f"battery {battery} %"] if battery is not None else []
        return Health(answer.is_success and status != "fail", ", ".join(words))

    def read(self, kind: str, fields: dict[str, Any], received_at: datetime) -> Iterable[Event]:
        """One event of the app; those that say nothing about an SMS are none of ours."""
        name, payload = fields["event"], fields["payload"]
        if name == "sms:received":
            phone, text, told_at = _number(payload, "sender"), payload["message"], _time(payload["receivedAt"])
            # The app's own messageId is made of the content alone, so a second "1" would be a repeat of the first.
            said = "\0".join((phone, told_at.isoformat(), text))
            number = hashlib.sha256(said.encode()).hexdigest()[:32]
            yield Inbound(number, e164(phone), text, came_at(told_at, received_at))
        elif name in FATES:
            fate, time_key = FATES[name]
            at = _time(payload[time_key]) if time_key in payload else received_at
            raw = f"{name} {payload.get('reason', '')}".strip()
            number = payload["messageId"]
            phone = e164(_number(payload, "recipient"))
            yield Receipt((number,), fate, at, raw, ref=_ref(number), phone=phone, never_left=name == NOT_SENT)

    def _post(self, client: httpx.Client, body: Mapping[str, Any]) -> Outcome:
        answer = client.post(f"{self._config.url}/message", json=body, auth=self._account)
        if answer.status_code in (200, 201, 202, 409):
            return Accepted(str(body["id"]))
        found = outcome_of_failure(answer)
        if isinstance(found, Uncertain):
            raise httpx.RemoteProtocolError(found.reason)
        return found


def _number(payload: Mapping[str, Any], newer: str) -> str:
    """Whose number: older versions of the app call both `phoneNumber`."""
    return str(payload.get(newer) or payload["phoneNumber"])


def _time(text: str) -> datetime:
    return require_utc(datetime.fromisoformat(text))


def _ref(text: str) -> UUID | None:
    """Ours, unless the message was sent by hand from the app."""
    try:
        return UUID(text)
    except ValueError:
        return None
