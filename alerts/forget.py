"""Who asks to be forgotten is: their phone, their name and what they wrote and read go, everywhere.

That something was sent, received or said stays, with its time and its fate; whose it was does not. So do the tables of
Gammu's daemon and what routes told our doors. A zone file that still names the person does not bring them back
(`ingest.forgotten`).

A phone is one person's wherever it stands. A name is theirs in the zones where their phone stands; elsewhere it is a
namesake's: villages are full of them, and anybody can be registered under any name.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from alerts.errors import StandsElsewhere
from alerts.messages import CUT
from gateway.zones import GUINEA
from ingest.db import Connection, queries
from ingest.forgotten import hash_of

log = logging.getLogger(__name__)

SQL = queries("alerts", "forget")
STEPS = (
    "contact", "consent", "stop", "told", "named", "retold", "shelved", "photos", "received", "written", "attempts",
    "receipts", "reports", "closings", "story", "alerts", "said", "said_of_alerts", "conversation",
    "handset", "typed", "network", "events", "gammu",
)  # fmt: skip
OF_THE_DAEMON = (
    "daemon_parts", "daemon_outbox", "daemon_sent", "daemon_inbox", "daemon_named_outbox", "daemon_named_parts",
    "daemon_named_sent", "daemon_named_inbox",
)  # fmt: skip


BEFORE = r"(?:(?<![0-9])|(?<=%[0-9A-Fa-f]{2})|(?<=\\u[0-9A-Fa-f]{4}))"
"""Where a number may begin: not after a digit, unless that belongs to a letter as forms or JSON write it."""
SPACE = r"(?:[ .\u00a0-]|%20|%[Cc]2%[Aa]0|\\u00[Aa]0)"
"""What people write between the digits of a number, also as forms and JSON write it."""
GAP = rf"(?:{SPACE}|\+)?"  # + is the space of a form
ABROAD = rf"(?<!(?:\+|(?:^|[^0-9])00)[1-9][0-9]{{0,2}}{SPACE})(?<!%2[Bb][1-9][0-9]{{0,2}}(?:{SPACE}|\+))"
"""Not after another country with a space: +33 6 00 00 00 12 is somebody's in France."""


class Standing(NamedTuple):
    """A zone in which a phone stands, and a name under which the zone's stories may tell of whom it is."""

    zone_id: str
    name: str
    who: str  # the name with its role


def fetch_standings(connection: Connection, phone: str, *, only_in: str | None) -> list[Standing]:
    """Where a phone stands, for a connection that sees all zones; empty when nobody here has it.

    Raises
    ------
    StandsElsewhere : in other zones too than `only_in`, the one zone of whoever asks
    """
    found = [Standing(*row) for row in connection.execute(SQL["standings"], {"phone": phone})]
    if only_in is not None and any(one.zone_id != only_in for one in found):
        raise StandsElsewhere(f"a phone stands in other zones too than {only_in}")
    return found


def arrays_of(standings: Sequence[Standing]) -> dict[str, list[str]]:
    """The same as statements take it: zones, names and whos, side by side."""
    return {
        "zones": [one.zone_id for one in standings], "names": [one.name for one in standings],
        "whos": [one.who for one in standings],
    }  # fmt: skip


def whole_number(phone: str) -> str:
    """A regular expression of PostgreSQL for a number as people and routes write it: its country and spaces or not.

    Part of a longer number it is another's: +60000001 (in Malaysia) stands in 600000012 and takes nothing of it along.
    """
    digits = phone.removeprefix("+")
    guinean = digits.removeprefix(GUINEA[1:])
    country = "" if guinean == digits else f"(?:(?:00{GAP})?{GAP.join(GUINEA[1:])}{GAP})?"
    return BEFORE + ABROAD + country + GAP.join(guinean) + "(?![0-9])"


def forget(
    connection: Connection, phone: str, *, by: str, now: datetime, only_in: str | None = None
) -> Mapping[str, int] | None:
    """Erase a person in one transaction; returns how many rows of each kind, None when nobody here has this phone.

    The connection sees all zones. For who speaks for one zone alone, name it as `only_in`: raises as `fetch_standings`.
    """
    with connection.transaction():
        found = fetch_standings(connection, phone, only_in=only_in)
        if not found:
            return None
        begun = {"now": now, "by": by, "hash": hash_of(connection, phone)}
        ((number,),) = connection.execute(SQL["begin"], begun).fetchall()
        asked = {
            "phone": phone, "mark": f"forgotten-{number}", "number": whole_number(phone),
            "called": "|".join(re.escape(CUT["name"](one.name)) for one in found), "now": now, **arrays_of(found),
        }  # fmt: skip
        ((has_daemon,),) = connection.execute(SQL["has_daemon"]).fetchall()
        steps = STEPS + (OF_THE_DAEMON if has_daemon else ())
        counts = {step: connection.execute(SQL[step], asked).rowcount for step in steps}
        connection.execute(SQL["done"], {"id": number, "counts": json.dumps(counts)})
    log.info("a person was forgotten", extra={"forgotten_id": number, "by": by})
    return counts
