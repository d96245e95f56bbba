"""The demo's invented people: who breaks what, who answers the phone when nobody else does, and the repairer.

What breaks is a row of `demo_fault`, whether the scenario foresaw it or somebody asked for it on the page.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any, Protocol

from gateway.model import Fault
from ingest.db import Connection, queries
from simulator.scenarios import load_scenario

log = logging.getLogger(__name__)

SQL = queries("ndiyan", "people")
FORESEEN = "scénario"  # who asked for what the scenario foresees
REPAIRER_COMES_AFTER = timedelta(minutes=20)
REPAIRER_COMES_ANYWAY_AFTER = timedelta(hours=12)  # his round, for what nobody noticed
COMMITTEE_ANSWERS_AFTER = timedelta(minutes=20)  # what was foreseen; leaves a visitor 20 s to answer first
VISITOR_ANSWERS_WITHIN = timedelta(hours=3)  # what a visitor broke is his to answer, for 3 minutes


class Breakable(Protocol):
    """A running simulation in which things can be broken and repaired."""

    def inject(self, zone_id: str, fault: Fault, *, size: str, at: datetime | None) -> None: ...

    def repair(self, zone_id: str, fault: Fault, at: datetime | None) -> None: ...


def foresee_faults(connection: Connection, *, scenario: str, start: datetime) -> None:
    """Write down what the scenario breaks after `start`, so that the page shows it like what people ask for."""
    for planned in load_scenario(scenario).live_faults:
        connection.execute(
            SQL["insert_fault"],
            {
                "zone": planned.zone, "fault": planned.fault.value, "size": planned.size, "asked_by": FORESEEN,
                "now": start, "starts_at": start + planned.begins_after,
            },
        )  # fmt: skip


class People:
    """Everything that people do in the demo, looked at once a wall second."""

    def __init__(self, connection: Connection, simulation: Breakable) -> None:
        self._connection, self._simulation = connection, simulation

    def resume(self) -> None:
        """After a start: what was broken and not repaired is broken again."""
        for _, zone, fault, size, started_at in self._rows("running_faults"):
            self._simulation.inject(zone, Fault(fault), size=size, at=started_at)

    def act(self, now: datetime) -> None:
        """Break what is due, answer for a committee that stayed silent, send and let work the repairer."""
        for number, zone, fault, size, starts_at in self._rows("due_faults", now=now):
            self._simulation.inject(zone, Fault(fault), size=size, at=starts_at)
            self._connection.execute(SQL["mark_started"], {"id": number, "started_at": starts_at})
            log.info("broken: %s", fault, extra={"zone_id": zone})
        for (phone,) in self._rows(
            "unanswered",
            foreseen=FORESEEN,
            foreseen_before=now - COMMITTEE_ANSWERS_AFTER,
            asked_before=now - VISITOR_ANSWERS_WITHIN,
        ):
            self._connection.execute(SQL["reply"], {"phone": phone, "now": now})
            log.info("the committee answers", extra={"phone": f"…{phone[-3:]}"})
        for number, *_ in self._rows("running_faults"):
            waits = {"after": REPAIRER_COMES_AFTER, "anyway_after": REPAIRER_COMES_ANYWAY_AFTER}
            self._connection.execute(SQL["send_repairer"], {"id": number, "now": now} | waits)
        for number, zone, fault in self._rows("due_repairs", now=now):
            self._simulation.repair(zone, Fault(fault), at=now)
            self._connection.execute(SQL["mark_repaired"], {"id": number, "now": now})
            log.info("repaired: %s", fault, extra={"zone_id": zone})

    def _rows(self, statement: str, **parameters: object) -> list[Any]:
        return self._connection.execute(SQL[statement], parameters).fetchall()
