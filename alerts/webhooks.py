"""Programs that are told of alerts over HTTP: signed, tried again, and each delivery on record.

The envelope is that of CloudEvents 1.0, the signature that of Standard Webhooks 1.0: HMAC-SHA256 over id, timestamp and
body, so a receiver can refuse what was changed, forged or recorded and sent again. Redirects are not followed. The
deliveries due stand in the database (`webhook_delivery`), written with the alert's own event.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import httpx

from alerts.webhook_config import WebhookConfig, key_of
from gateway.clock import Clock
from ingest.db import Connection, queries

SQL = queries("alerts", "webhooks")

TIMEOUT = httpx.Timeout(15.0)  # for the connection, and for the head of the answer; of its body nothing is read
GONE = 410  # the receiver wants no more of this
# After the first attempt, as Standard Webhooks proposes; then it is given up.
RETRIES = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
)  # fmt: skip


class Sent(NamedTuple):
    """What came of one attempt; `status` None where nobody answered."""

    status: int | None
    error: str | None


def signature(secret: str, *, message_id: str, timestamp: int, body: bytes) -> str:
    """The header `webhook-signature`: version 1, HMAC-SHA256 in base64.

    Source: Standard Webhooks specification 1.0.0, "Signature scheme". A secret that begins with `whsec_` is base64, as
    there; another is taken as it is.
    """
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key_of(secret), signed, hashlib.sha256)).decode()


def next_try(attempts: int, *, now: datetime) -> datetime | None:
    """When to try again after so many failed attempts; None when it is given up."""
    return now + RETRIES[attempts - 1] if attempts <= len(RETRIES) else None


class WebhookNow(NamedTuple):
    """How one webhook fares; `error` is why the last attempt that failed did so."""

    name: str
    is_active: bool
    delivered: int
    waiting: int
    given_up: int
    delivered_at: datetime | None
    error: str | None


def fetch_webhooks(connection: Connection) -> list[WebhookNow]:
    """All webhooks that were ever declared, by name."""
    return [WebhookNow(*row) for row in connection.execute(SQL["listing"])]


def try_again(connection: Connection, name: str, *, now: datetime) -> int:
    """Let what was given up be tried once more, of one webhook; how much that is."""
    return connection.execute(SQL["again"], {"name": name, "now": now}).rowcount


class Teller:
    """Tells webhooks what is due. `clock` is the platform's; signatures bear the world's time, `wall`."""

    def __init__(
        self, connection: Connection, configs: Sequence[WebhookConfig], clock: Clock, *, wall: Clock,
        client: httpx.Client | None = None,
    ) -> None:  # fmt: skip
        self._connection, self._clock, self._wall = connection, clock, wall
        self._configs = {config.name: config for config in configs}
        self._client = client or httpx.Client(timeout=TIMEOUT, follow_redirects=False)
        names = {"names": list(self._configs)}
        with connection.transaction():
            connection.execute(SQL["switch_on"], names)
            connection.execute(SQL["switch_off"], names)

    def work(self) -> int:
        """Tell one event to one program; how many were due, 0 or 1.

        The row is held until the answer is there: a receiver that is told twice, because we died between its answer and
        our commit, knows it by `webhook-id`.
        """
        if not self._configs:
            return 0
        with self._connection.transaction():
            now = self._clock.now()
            row = self._connection.execute(SQL["due"], {"now": now, "names": list(self._configs)}).fetchone()
            if row is None:
                return 0
            delivery, name, attempts, *event = row
            self._settle(delivery, attempts + 1, self._send(self._configs[name], delivery, body_of(*event)))
        return 1

    def close(self) -> None:
        """Give the connections back."""
        self._client.close()

    def _send(self, config: WebhookConfig, delivery: int, body: bytes) -> Sent:
        message_id, timestamp = f"delivery-{delivery}", int(self._wall.now().timestamp())
        headers = {
            "content-type": "application/cloudevents+json", "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(config.secret, message_id=message_id, timestamp=timestamp, body=body),
        }  # fmt: skip
        try:
            with self._client.stream("POST", config.url, content=body, headers=headers) as answer:
                return Sent(answer.status_code, None if answer.is_success else f"answered {answer.status_code}")
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return Sent(None, f"{type(error).__name__}: {error}"[:500])

    def _settle(self, delivery: int, attempts: int, sent: Sent) -> None:
        now = self._clock.now()
        again = None if sent.status == GONE else next_try(attempts, now=now)
        state = "delivered" if sent.error is None else "waiting" if again is not None else "given_up"
        self._connection.execute(
            SQL["settle"],
            {
                "delivery": delivery, "state": state, "status": sent.status, "error": sent.error,
                "next_try_at": again or now, "delivered_at": now if sent.error is None else None,
            },
        )  # fmt: skip


def body_of(
    event_id: int, kind: str, at: datetime, who: str, code: str, zone_id: str, zone_name: str, is_fictional: bool,
    asset_id: str, fault: str, severity: int, state: str, opened_at: datetime, acknowledged_at: datetime | None,
    resolved_at: datetime | None, is_late: bool, explained_by: int | None, alert_id: int,
) -> bytes:  # fmt: skip
    """The envelope and what happened; nobody's phone is in it."""
    data: dict[str, Any] = {
        "alert": alert_id, "code": code, "zone": zone_id, "zone_name": zone_name, "is_fictional": is_fictional,
        "asset": asset_id, "fault": fault, "severity": severity, "state": state, "who": who,
        "opened_at": _written(opened_at), "acknowledged_at": _written(acknowledged_at),
        "resolved_at": _written(resolved_at), "is_late": is_late, "explained_by": explained_by,
    }  # fmt: skip
    envelope = {
        "specversion": "1.0", "type": f"ndiyan.alert.{kind}", "source": f"/zones/{zone_id}", "id": f"event-{event_id}",
        "time": _written(at), "subject": code, "datacontenttype": "application/json", "data": data,
    }  # fmt: skip
    return json.dumps(envelope, ensure_ascii=False).encode()


def _written(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat().replace("+00:00", "Z")
