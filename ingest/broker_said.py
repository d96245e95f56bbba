"""What a mosquitto says of itself: how much waits in it, how much it has dropped since its start, and whether it still
has our session.

It keeps the numbers under `$SYS` for whoever subscribes. We subscribe and leave at once, again and again: what a
subscription that stays brings in while we are away waits for us, and of QoS 0 without a bound. Whatever counts as
dropped was for a session whose queue was full; all sessions share one bound, so it need not have been ours. A broker
that tells nothing of this is said nothing of.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

NUMBERS = "$SYS/broker/+/messages/+"
ASK_EVERY_S = 10.0  # as often as mosquitto tells (`sys_interval`)
UNANSWERED_S = 600.0  # a broker may end the link of who asks for what it may not have (EMQX: `deny_action`)
QUEUE_MESSAGES, QUEUE_BYTES = 1_000_000, 2_000_000_000  # `max_queued_…` in deploy/mosquitto/ndiyan.conf
TOLD_FOR = timedelta(minutes=30)  # the keeper looks once a minute, and a listener outside calls after ten
LONGEST = 18  # digits
_NAMES = {
    b"$SYS/broker/store/messages/count": "broker_messages",
    b"$SYS/broker/store/messages/bytes": "broker_bytes",
    b"$SYS/broker/publish/messages/dropped": "broker_dropped",
}


class BrokerSaid:
    """The newest numbers; heard by the link's thread and told by the one that stores. `before` is what the last
    heartbeat told, of this process or of one before it: what was dropped while nobody of us was there counts as well.
    """

    def __init__(self, before: Mapping[str, Any]) -> None:
        self._numbers: dict[str, int] = {}
        self._dropped: int | None = before.get("broker_dropped")
        dropped_at = before.get("broker_dropped_at")
        self._dropped_at = None if dropped_at is None else datetime.fromisoformat(dropped_at)
        self._lost: int | None = before.get("sessions_lost")  # None: the broker never had one of ours

    def greet(self, *, is_kept: bool) -> bool:
        """Note a connection; whether the broker has lost a session that we had at it."""
        self._numbers = {}
        is_lost = not is_kept and self._lost is not None
        self._lost = (self._lost or 0) + is_lost
        return is_lost

    def hear(self, topic: bytes, payload: bytes) -> None:
        """Take a number; whatever else stands there is passed over."""
        name = _NAMES.get(topic)
        if name is not None and payload.isdigit() and len(payload) <= LONGEST:
            self._numbers[name] = int(payload)

    def detail(self, now: datetime) -> dict[str, object]:
        """For the heartbeat: what is known, and as `broker_trouble` what somebody should do something about."""
        dropped = self._numbers.get("broker_dropped")
        if dropped is not None:
            if dropped and self._dropped not in (None, dropped):  # one that started anew counts from 0 again
                self._dropped_at = now
            self._dropped = dropped
        told: dict[str, object] = {
            **self._numbers, "broker_dropped": self._dropped, "broker_trouble": self._trouble(now),
            "broker_dropped_at": self._dropped_at and self._dropped_at.isoformat(), "sessions_lost": self._lost,
        }  # fmt: skip
        return {name: value for name, value in told.items() if value is not None}

    def _trouble(self, now: datetime) -> str | None:
        if self._dropped_at is not None and now - self._dropped_at < TOLD_FOR:
            return "broker_dropped"
        messages, size = (self._numbers.get(name, 0) for name in ("broker_messages", "broker_bytes"))
        return "broker_queue" if 2 * messages > QUEUE_MESSAGES or 2 * size > QUEUE_BYTES else None
