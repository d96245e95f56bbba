"""What people write is written down beside it: who, what, before and after, in the same transaction."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from ingest.db import Connection, queries

SQL = queries("ingest", "audit")


def record(
    connection: Connection,
    *,
    who: str,
    what: str,
    subject: str,
    now: datetime,
    zone: str | None = None,
    before: Mapping[str, object] | None = None,
    after: Mapping[str, object] | None = None,
) -> None:
    """Add a line to the audit log; call it within the transaction of what it tells.

    `who` is an account and its way, `Awa (web)`. No name and no phone of a committee may stand in it: it is never
    erased. Alerts, rules and published reports tell their own stories (view `written`).
    """
    connection.execute(
        SQL["record"],
        {
            "at": now, "who": who, "what": what, "subject": subject, "zone": zone,
            "before": None if before is None else json.dumps(before),
            "after": None if after is None else json.dumps(after),
        },
    )  # fmt: skip
