"""Who asks to be forgotten is: their phone, their name and what they wrote and read go, everywhere.

That something was sent, received or said stays, with its time and its fate; whose it was does not. Where a zone file
names the person, they must be taken out of it too: the next import would bring them back.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from datetime import datetime

from alerts.messages import CUT
from ingest.db import Connection, queries

log = logging.getLogger(__name__)

SQL = queries("alerts", "forget")
STEPS = (
    "contact", "consent", "stop", "told", "named", "received", "attempts", "receipts", "reports", "story", "alerts",
    "conversation", "handset", "typed", "network", "gammu",
)  # fmt: skip


def forget(connection: Connection, phone: str, *, by: str, now: datetime) -> Mapping[str, int] | None:
    """Erase a person in one transaction; returns how many rows of each kind, None when nobody here has this phone."""
    with connection.transaction():
        found = connection.execute(SQL["names"], {"phone": phone}).fetchall()
        if not found:
            return None
        ((number,),) = connection.execute(SQL["begin"], {"now": now, "by": by}).fetchall()
        asked = {
            "phone": phone, "mark": f"forgotten-{number}", "dialled": phone.removeprefix("+224").removeprefix("+"),
            "called": CUT["name"](found[0][0]), "names": [name for name, _ in found], "whos": [who for _, who in found],
        }  # fmt: skip
        counts = {step: connection.execute(SQL[step], asked).rowcount for step in STEPS}
        connection.execute(SQL["done"], {"id": number, "counts": json.dumps(counts)})
    log.info("a person was forgotten", extra={"forgotten_id": number, "by": by})
    return counts
