"""Who may tell us something about a route: whoever knows its secret address, or signs with its key."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from alerts.carriers import MAX_SKEW
from gateway.whole import whole


class Refusal(StrEnum):
    """Why a request was not let in."""

    SECRET = "secret"  # noqa: S105 - the name of a reason
    SIGNATURE = "signature"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class Door:
    """The door of one route; `is_signed` when its requests carry a signature instead of a secret in the address."""

    carrier: str
    secret: str = field(repr=False)
    is_signed: bool = False

    def why_not(self, secret: str) -> Refusal | None:
        """Why a request with this secret in its address is refused."""
        if self.is_signed or not hmac.compare_digest(secret.encode(), self.secret.encode()):
            return Refusal.SECRET
        return None

    def why_not_signed(self, body: bytes, *, timestamp: str, signature: str, now: datetime) -> Refusal | None:
        """Why a signed request is refused: HMAC-SHA256 over the body and the timestamp's text, not older than 5 min.

        Source: docs.sms-gate.app, features/webhooks, "Payload Signing".
        """
        expected = hmac.new(self.secret.encode(), body + timestamp.encode(), hashlib.sha256).hexdigest()
        if not self.is_signed or not hmac.compare_digest(signature.lower().encode(), expected.encode()):
            return Refusal.SIGNATURE
        signed_at_s = whole(timestamp)
        if signed_at_s is None or abs(now.timestamp() - signed_at_s) > MAX_SKEW.total_seconds():
            return Refusal.CLOCK
        return None
