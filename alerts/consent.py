"""Who wants no SMS: STOP ends them, REPRENDRE begins them again; both are written down and neither is ever refused."""

from __future__ import annotations

import logging
from datetime import datetime

from alerts.replies import Intention
from ingest.db import Connection, queries

log = logging.getLogger(__name__)

SQL = queries("alerts", "consent")
CONSENT = (Intention.OPT_OUT, Intention.OPT_IN)


def has_opted_out(connection: Connection, phone: str) -> bool:
    """Whether this phone's last word was that it wants nothing."""
    ((said,),) = connection.execute(SQL["has_opted_out"], {"phone": phone}).fetchall()
    return bool(said)


def take_word(connection: Connection, intention: Intention, *, phone: str, who: str, now: datetime) -> bool:
    """Write down what a person says about being written to; False when that was their last word already.

    Who leaves is sent nothing of what still waits. Where nobody is left to be told, an engineer has to go and see.
    """
    asked = {"phone": phone, "what": intention.value, "who": who, "now": now}
    if connection.execute(SQL["say"], asked).fetchone() is None:
        return False
    if intention is Intention.OPT_OUT:
        connection.execute(SQL["keep_quiet"], asked)
        for (zone_id,) in connection.execute(SQL["zones_without_anybody"], asked).fetchall():
            log.warning("nobody of %s can be told any more", zone_id, extra={"zone_id": zone_id})
            call_for_zone(connection, zone_id, step="opt_out", why="last_one_left", now=now)
    return True


def call_for_zone(connection: Connection, zone_id: str, *, step: str, why: str, now: datetime) -> None:
    """Put a zone on the engineers' list, where no alert does."""
    connection.execute(SQL["call_for_zone"], {"zone": zone_id, "step": step, "why": why, "now": now})
