"""Who asks to be forgotten is: their phone, their name and what they wrote and read go, everywhere.

That something was sent, received or said stays, with its time and its fate; whose it was does not. So do the tables of
Gammu's daemon and what routes told our doors. A zone file that still names the person does not bring them back
(`ingest.forgotten`).
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import datetime

from alerts.messages import CUT
from ingest.db import Connection, queries
from ingest.forgotten import hash_of

log = logging.getLogger(__name__)

SQL = queries("alerts", "forget")
STEPS = (
    "contact", "consent", "stop", "told", "named", "received", "attempts", "receipts", "reports", "closings", "story",
    "alerts", "said", "said_of_alerts", "conversation", "handset", "typed", "network", "events", "gammu",
)  # fmt: skip
OF_THE_DAEMON = (
    "daemon_parts", "daemon_outbox", "daemon_sent", "daemon_inbox", "daemon_named_outbox", "daemon_named_parts",
    "daemon_named_sent", "daemon_named_inbox",
)  # fmt: skip


def forget(connection: Connection, phone: str, *, by: str, now: datetime) -> Mapping[str, int] | None:
    """Erase a person in one transaction; returns how many rows of each kind, None when nobody here has this phone."""
    with connection.transaction():
        found = connection.execute(SQL["names"], {"phone": phone}).fetchall()
        if not found:
            return None
        begun = {"now": now, "by": by, "hash": hash_of(connection, phone)}
        ((number,),) = connection.execute(SQL["begin"], begun).fetchall()
        asked = {
            "phone": phone, "mark": f"forgotten-{number}", "dialled": phone.removeprefix("+224").removeprefix("+"),
            "called": CUT["name"](found[0][0]), "names": [name for name, _ in found], "whos": [who for _, who in found],
            "now": now,
        }  # fmt: skip
        ((has_daemon,),) = connection.execute(SQL["has_daemon"]).fetchall()
        steps = STEPS + (OF_THE_DAEMON if has_daemon else ())
        counts = {step: connection.execute(SQL[step], asked).rowcount for step in steps}
        connection.execute(SQL["done"], {"id": number, "counts": json.dumps(counts)})
    log.info("a person was forgotten", extra={"forgotten_id": number, "by": by})
    return counts
